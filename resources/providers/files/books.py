"""Files of order books that need no mapping: LOBSTER, raw captures of Coinbase and Kraken, and Tardis snapshots.

What a file holds becomes *states*: the book of one instrument as it was known from one instant on. States become
snapshots by the interval of :class:`resources.providers.files.config.BookRules`.

* ``lobster``: the file of books ``<symbol>_<date>_<start>_<end>_orderbook_<levels>.csv``, with the file of messages of
  the same name beside it, which holds the instants. Prices are in 1/10,000 $.
* ``cryptofeed``: websocket messages as received, each line ``<receipt in seconds>: <JSON>``; Coinbase ``snapshot`` and
  ``l2update``, Kraken ``book``. Instants are those of receipt. Kraken's checksum is verified after every message.
* ``tardis_snapshot``: CSV with ``asks[0].price`` and so on; instants in microseconds, of the exchange and of receipt.

What cannot be trusted is set aside: ``crossed`` (the best bid at or above the best ask after a whole message),
``checksum`` and ``message_lost`` (a message differs from what the venue says, or could not be read: every snapshot of
the book until the venue sends it anew), ``no_snapshot`` (a change of a book that has not been sent yet).
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import polars as pl

from gnosis.sessions import NEW_YORK
from resources.providers.errors import MissingColumnError, MissingFileError, UnreadableFileError
from resources.providers.files.book_states import ASIDE_SCHEMA, SNAPSHOT_SCHEMA, States, snapshots
from resources.providers.files.captures import read_capture
from resources.providers.files.config import BookRules, SourceSpec
from resources.providers.files.reading import collected, open_table

LOBSTER_NAME = re.compile(r"(?P<symbol>[^_]+)_(?P<date>\d{4}-\d{2}-\d{2})_\d+_\d+_orderbook_\d+\.csv(\.gz)?")
SECONDS = r"^(?P<whole>\d{1,5})(?:\.(?P<fraction>\d*))?$"
LOBSTER_UNIT = 10_000.0
LOBSTER_EMPTY = 9_999_999_999.0
"""Price that stands for a level that does not exist; negative on the bid side."""

TARDIS_LEVEL = re.compile(r"(bids|asks)\[(\d+)\]\.price")


def read_books(file: Path, source: SourceSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the snapshots of a file, and the states and lines that were set aside.

    Returns
    -------
    frame : polars.DataFrame
        ``symbol``, ``ts``, ``side``, ``level``, ``price``, ``size``, ``known_at``.
    rejected : polars.DataFrame
        What was found, with ``rule|`` and ``day``.

    Raises
    ------
    MissingFileError, MissingColumnError, UnreadableFileError
        When the file, or the file of messages that belongs to it, is missing, damaged or of another format.
    """
    rules = source.book or BookRules()
    unread = pl.DataFrame(schema={"rule|": pl.String, "day": pl.Date})
    if source.format == "lobster":
        found = [_lobster(file)]
    elif source.format == "tardis_snapshot":
        found = _tardis(file)
    else:
        found, unread = read_capture(file, rules.levels)
    kept, aside = [pl.DataFrame(schema=SNAPSHOT_SCHEMA)], [unread, pl.DataFrame(schema=ASIDE_SCHEMA)]
    for states in found:
        if not rules.symbols or states.symbol in rules.symbols:
            rows, wrong = snapshots(states, rules.symbols.get(states.symbol, states.symbol), rules)
            kept.append(rows)
            aside.append(wrong)
    return pl.concat(kept), pl.concat(aside, how="diagonal")


def messages_of(file: Path) -> Path:
    """Return the file of messages that belongs to a LOBSTER file of books."""
    return file.with_name(file.name.replace("_orderbook_", "_message_"))


def _lobster(file: Path) -> States:
    named = LOBSTER_NAME.fullmatch(file.name)
    if named is None:
        raise UnreadableFileError(file, "a name such as AAPL_2012-06-21_34200000_57600000_orderbook_10.csv", file.name)
    messages = messages_of(file)
    if not messages.is_file():
        raise MissingFileError(messages.name, file.parent, "put the messages beside the books: they hold the instants")
    book, message = _numbers(_texts(file), file), _texts(messages)
    _numbers(message, messages)
    if book.shape[1] % 4 or len(book) != len(message) or message.width < 6:
        raise UnreadableFileError(
            file,
            "four columns per level and one row per message of six columns",
            f"{book.shape[1]} columns, {len(book)} rows, {len(message)} messages of {message.width} columns",
        )
    midnight = dt.datetime.combine(dt.date.fromisoformat(named["date"]), dt.time(), NEW_YORK)
    instants = round(midnight.timestamp()) * 1_000_000 + _microseconds(message.to_series(0), messages)
    levels = book.reshape(len(book), -1, 2, 2)
    is_empty = np.abs(levels[..., 0]) == LOBSTER_EMPTY
    # The file has the ask first.
    price, size = (np.where(is_empty, np.nan, levels[..., n]).transpose(0, 2, 1)[:, ::-1] for n in range(2))
    return States(named["symbol"], instants, instants, price / LOBSTER_UNIT, size, np.full(len(book), ""), instants)


def _texts(file: Path) -> pl.DataFrame:
    try:
        return pl.read_csv(file, has_header=False, infer_schema=False, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFileError(file, "a whole CSV file of numbers", str(error).splitlines()[0]) from error


def _numbers(table: pl.DataFrame, file: Path) -> np.ndarray:
    try:
        return table.select(pl.all().cast(pl.Float64)).to_numpy()
    except pl.exceptions.PolarsError as error:
        raise UnreadableFileError(file, "a whole CSV file of numbers", str(error).splitlines()[0]) from error


def _microseconds(seconds: pl.Series, file: Path) -> np.ndarray:
    """Return seconds as they are written in full microseconds: the nearest number of binary digits may lie below."""
    parts = seconds.str.extract_groups(SECONDS).struct.unnest()
    if parts["whole"].has_nulls():
        wrong = seconds.filter(parts["whole"].is_null())[0]
        raise UnreadableFileError(file, "seconds after midnight such as 34200.004241176", repr(wrong))
    fraction = parts["fraction"].fill_null("").str.pad_end(6, "0").str.slice(0, 6)
    return (parts["whole"].cast(pl.Int64) * 1_000_000 + fraction.cast(pl.Int64)).to_numpy()


def _tardis(file: Path) -> list[States]:
    table = collected(open_table(file, "csv"), file)
    levels = 1 + max((int(at[2]) for name in table.columns if (at := TARDIS_LEVEL.fullmatch(name))), default=0)
    cells = [f"{side}[{n}].{{}}" for side in ("bids", "asks") for n in range(levels)]
    needed = ["symbol", "timestamp", "local_timestamp", *(c.format(f) for f in ("price", "amount") for c in cells)]
    if missing := sorted(set(needed) - set(table.columns)):
        raise MissingColumnError(file, missing, table.columns)
    numbers = table.select(
        "symbol",
        *(pl.col(name).cast(pl.Int64, strict=False) for name in ("timestamp", "local_timestamp")),
        *(pl.col(name).cast(pl.Float64, strict=False) for name in needed[3:]),
    )
    lost = (numbers.null_count() > table.select(numbers.columns).null_count()).row(0)
    if any(lost) or numbers.select(pl.col(needed[:3]).null_count().sum()).row(0) != (0, 0, 0):
        wrong = [name for name, is_lost in zip(numbers.columns, lost, strict=True) if is_lost] or needed[:3]
        raise UnreadableFileError(file, "numbers, and instants in microseconds in every row", f"others in {wrong}")
    found = []
    for group in numbers.sort("symbol", "local_timestamp", maintain_order=True).partition_by("symbol"):
        price, size = (
            group.select(c.format(field) for c in cells).to_numpy().reshape(group.height, 2, levels)
            for field in ("price", "amount")
        )
        known = group["local_timestamp"].to_numpy()
        rule = np.full(group.height, "")
        found.append(States(str(group["symbol"][0]), group["timestamp"].to_numpy(), known, price, size, rule, known))
    return found
