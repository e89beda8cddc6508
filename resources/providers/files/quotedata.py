"""Reader of the option chains that Cboe's web page offers for download under the name "quotedata".

The page writes three lines above a table with calls on the left and puts on the right. The date line follows the
language of the visitor's browser; the table is always English. What the file does not say is settled by rule:

* The date line is the moment of the download. Quotes were ``delay`` older (the page states 15 minutes): the quote
  instant is download - delay.
* The session is the latest one that had opened by the quote instant. A download in the evening, at a weekend or on a
  holiday belongs to the session before it.
* ``ts`` is the quote instant, at the latest the close of the session. ``known_at`` is the download.
* Open interest is that of the session before, if the download was made on the calendar day of its session. Later the
  page may or may not have rolled to the next open interest, so ``oi_session`` is null: not known.
"""

from __future__ import annotations

import datetime as dt
import gzip
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from gnosis.sessions import NEW_YORK, UTC, schedule, shift_session
from gnosis.symbols import contract_fields, root_terms
from gnosis.tables import TABLES
from resources.providers.errors import UnreadableFileError, WrongTypeError
from resources.providers.protocol import conform
from resources.providers.rejections import no_rejections, rejected_rows

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "raw.option_quotes"
DELAY = dt.timedelta(minutes=15)
HEADER = ["Expiration Date", "Calls", "Last Sale", "Net", "Bid", "Ask", "Volume", "IV", "Delta", "Gamma"]
SIDE = ["contract", "last", "net", "bid", "ask", "volume", "iv", "delta", "gamma", "open_interest"]
FIELDS = [
    "expiration",
    *(f"call_{name}" for name in SIDE),
    "strike_price",
    *(f"put_{name}" for name in SIDE),
]

MONTHS = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    )
    for number, name in enumerate(names.split(), start=1)
}
ZONES: dict[str, dt.tzinfo] = {
    "EDT": dt.timezone(dt.timedelta(hours=-4)),
    "EST": dt.timezone(dt.timedelta(hours=-5)),
    "ET": NEW_YORK,
}
"""Zone names that the page writes; numeric ones, such as GMT-4, are read as numbers."""


@dataclass(frozen=True)
class Heading:
    """What the lines above the table say.

    Attributes
    ----------
    downloaded_at
        Moment of the download, UTC.
    spot
        Price of the underlying, dollars.
    """

    downloaded_at: dt.datetime
    spot: float


def parse_moment(line: str) -> dt.datetime:
    """Return the moment (UTC) in a date line in English, Spanish or Portuguese.

    Raises
    ------
    ValueError
        When year, month, day, time or zone cannot be found.

    Examples
    --------
    >>> parse_moment("Date: June 11, 2022, 8:47 PM EDT").isoformat()
    '2022-06-12T00:47:00+00:00'
    >>> parse_moment("Date: 23 de marzo de 2022, 10:11 GMT-4").isoformat()
    '2022-03-23T14:11:00+00:00'
    >>> parse_moment("Date: 5 de setembro de 2025 às 10:16 GMT-4").isoformat()
    '2025-09-05T14:16:00+00:00'
    """
    year = re.search(r"\b(20\d\d)\b", line)
    day = re.search(r"(?<![\d:])(\d{1,2})(?![\d:])", line)
    clock = re.search(r"\b(\d{1,2}):(\d\d)\b\s*([ap])?\.?\s*(?:m\b)?", line, re.IGNORECASE)
    month = next((MONTHS[word] for word in re.findall(r"[^\W\d_]+", line.lower()) if word in MONTHS), None)
    zone = _zone(line)
    if not (year and day and clock and month and zone):
        raise ValueError(f"expected a date, a time and a zone such as EDT or GMT-4, found {line!r}")
    hour = int(clock[1])
    if clock[3]:
        hour = hour % 12 + (12 if clock[3].lower() == "p" else 0)
    local = dt.datetime(int(year[1]), month, int(day[1]), hour, int(clock[2]), tzinfo=zone)
    return local.astimezone(UTC)


def _zone(line: str) -> dt.tzinfo | None:
    named = re.search(r"\b(EDT|EST|ET)\b", line)
    if named:
        return ZONES[named[1]]
    offset = re.search(r"\b(?:GMT|UTC)(?:([+-−])(\d{1,2})(?::?(\d\d))?)?", line)
    if not offset:
        return None
    minutes = int(offset[2] or 0) * 60 + int(offset[3] or 0)
    return dt.timezone(dt.timedelta(minutes=minutes if offset[1] == "+" else -minutes))


def parse_heading(lines: list[str], file: Path) -> tuple[Heading, int]:
    """Return the heading and the position of the first row of the table.

    Raises
    ------
    UnreadableFileError
        When a line is missing or not understood.
    """
    top = [line.strip().strip('"') for line in lines[:10]]
    table = next((n for n, line in enumerate(top) if line.startswith(",".join(HEADER[:2]))), None)
    if table is None or top[table].split(",")[: len(HEADER)] != HEADER:
        raise UnreadableFileError(file, f"a quotedata table with the heading {','.join(HEADER)},...", f"{top[:5]}")
    last = next((match for line in top[:table] if (match := re.search(r"Last:\s*([\d.,]*\d)", line))), None)
    dated = next((line for line in top[:table] if re.match(r"(Date|Fecha|Data)\s*:", line)), None)
    if last is None or dated is None:
        raise UnreadableFileError(file, "lines with 'Last: <price>' and 'Date: <moment>' above the table", f"{top[:5]}")
    try:
        # The rest of the line is Bid, Ask, Size and Volume, sometimes unquoted and with thousands separators.
        moment = parse_moment(re.split(r"\"?,\s*\"?Bid:", dated)[0])
    except ValueError as error:
        raise UnreadableFileError(file, "a date line in English, Spanish or Portuguese", str(error)) from error
    return Heading(moment, float(last[1].replace(",", ""))), table + 1


def session_of_download(downloaded_at: dt.datetime, delay: dt.timedelta = DELAY) -> tuple[dt.date, dt.datetime]:
    """Return the session and the quote instant (UTC) of a download.

    Examples
    --------
    >>> session, ts = session_of_download(parse_moment("Date: June 11, 2022, 8:47 PM EDT"))
    >>> session.isoformat(), ts.isoformat()
    ('2022-06-10', '2022-06-10T20:00:00+00:00')
    """
    quoted_at = downloaded_at - delay
    opened = schedule().filter(pl.col("open_at") <= quoted_at).row(-1, named=True)
    return opened["session"], min(quoted_at, opened["close_at"])


def read_quotedata(
    file: Path,
    provider: str,
    *,
    symbol: str | None = None,
    delay: dt.timedelta = DELAY,
    window: tuple[dt.date, dt.date] | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of ``raw.option_quotes`` in one download, and the rejected rows.

    Parameters
    ----------
    file
        The download, plain or gzip, UTF-8 or Windows-1252.
    provider
        Name written in the column ``provider``.
    symbol
        Symbol of the underlying; by default it follows from the root.
    delay
        Age of the quotes at the download.
    window
        First and last session wanted; a download of another session gives no rows. None for any.

    Raises
    ------
    UnreadableFileError
        When the file is damaged or not a quotedata download.
    WrongTypeError
        When a column holds no numbers at all.
    """
    lines = _lines(file)
    heading, start = parse_heading(lines, file)
    session, ts = session_of_download(heading.downloaded_at, delay)
    if window and not window[0] <= session <= window[1]:
        return TABLES[TABLE].empty(), no_rejections()
    body = pl.Series("line", [line for line in lines[start:] if line.strip()], dtype=pl.String).to_frame()
    body = body.with_columns(day=pl.lit(session))
    # A comma inside quotes is a thousands separator; outside quotes it separates fields.
    whole = pl.col("line").str.replace_all('"[^"]*"', "").str.count_matches(",", literal=True) == len(FIELDS) - 1
    broken = rejected_rows(body.filter(~whole), date="day", rule="number_of_fields", provider=provider)
    contracts, wrong = _contracts(_table(body.filter(whole)["line"].to_list(), file), file, session, provider)
    on_the_day = heading.downloaded_at.astimezone(NEW_YORK).date() == session
    terms = root_terms("root").struct
    frame = contracts.with_columns(
        session=pl.lit(session),
        symbol=pl.lit(symbol) if symbol else terms["chain"],
        settlement=terms["settlement"],
        style=terms["style"],
        ts=pl.lit(ts),
        known_at=pl.lit(heading.downloaded_at),
        bid_size=pl.lit(None),
        ask_size=pl.lit(None),
        oi_session=pl.lit(shift_session(session, -1) if on_the_day else None, dtype=pl.Date),
        multiplier=pl.lit(100.0),
        deliverable_shares=pl.lit(None),
        spot=pl.lit(heading.spot),
        provider=pl.lit(provider),
        synthetic=pl.lit(False),
    )
    return conform(frame, TABLE), pl.concat([broken, wrong])


def _contracts(pairs: pl.DataFrame, file: Path, session: dt.date, provider: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return one row per contract, from rows of a call and a put each; and the rows that make no sense."""
    sides = pl.concat(
        [
            pairs.select(
                "expiration",
                "strike_price",
                *(
                    pl.col(f"{side}_{name}").alias(name)
                    for name in ("contract", "bid", "ask", "volume", "open_interest")
                ),
            )
            for side in ("call", "put")
        ]
    )
    numbers = ("strike_price", "bid", "ask", "volume", "open_interest")
    rows = sides.with_columns(
        contract_fields("contract").alias("parts"),
        *(
            pl.col(name).str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False).alias(f"{name}_")
            for name in numbers
        ),
        listed=pl.col("expiration").str.to_date("%a %b %d %Y", strict=False),
        day=pl.lit(session),
    ).with_columns(pl.col("parts").struct[name] for name in ("root", "expiry", "right", "strike"))
    for name in numbers:
        if rows.height and rows[name].is_not_null().any() and rows[f"{name}_"].is_null().all():
            raise WrongTypeError(file, name, "numbers", repr(rows[name].drop_nulls()[0]))
    readable = pl.all_horizontal(
        pl.col("expiry", "strike").is_not_null(),
        *(pl.col(f"{name}_").is_not_null() | pl.col(name).is_null() for name in numbers),
    )
    agrees = (pl.col("strike") == pl.col("strike_price_")) & (pl.col("expiry") == pl.col("listed"))
    rule = pl.when(~readable).then(pl.lit("readable")).otherwise(pl.lit("contract_agrees_with_row"))
    good = readable & agrees.fill_null(False)
    as_found = rows.filter(~good).select(*sides.columns, "day", rule=rule)
    wrong = rejected_rows(as_found.drop("rule"), date="day", rule=as_found["rule"], provider=provider)
    numbered = [pl.col(f"{name}_").alias(name) for name in numbers]
    return rows.filter(good).with_columns(numbered), wrong


def _table(lines: list[str], file: Path) -> pl.DataFrame:
    if not lines:
        return pl.DataFrame(schema=dict.fromkeys(FIELDS, pl.String))
    try:
        return pl.read_csv(
            "\n".join(lines).encode(), has_header=False, new_columns=FIELDS, infer_schema=False, null_values=[""]
        )
    except pl.exceptions.PolarsError as error:
        raise UnreadableFileError(file, f"rows of {len(FIELDS)} fields", str(error).splitlines()[0]) from error


def _lines(file: Path) -> list[str]:
    content = file.read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFileError(file, "a whole gzip file", str(error)) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Windows-1252 leaves five bytes undefined; Latin-1 reads any byte, and both agree on every letter that we need.
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").split("\n")
