"""FINRA: off-exchange short sale volume of the whole market, one file per session. Free, without a key.

It is the flow of one day as reported off exchange, not open short positions. Volumes are decimals (fractional shares).
The file comes in the evening of its session, 18:00 New York by rule: it is not asked for earlier. Its last row may be a
count or a total, and rows without volume are noise.

The service answers 403 (or 404) for a file that it does not have, and 403 to a client without a User-Agent. For the
latest session that means a file that is late: worth asking again. For an older one it is a file that is no longer kept:
about seven and a half years are.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.sessions import last_completed_session, shift_session
from gnosis.symbols import InvalidSymbolError, UnmappedSymbolError, to_provider
from resources.providers.live.access import Access
from resources.providers.live.errors import EmptyResult, EntitlementError, FetchError, NotFound, SchemaDrift, Transient
from resources.providers.live.http import Http
from resources.providers.live.known import evening
from resources.providers.live.service import Answer, Ask, Capability, Probe, Profile, Rate, typed_errors
from resources.providers.live.typed_columns import typed_columns
from resources.providers.protocol import conform
from resources.providers.rejections import rejected_rows

TABLE = "raw.short_volume"
FILE = "/equity/regsho/daily/CNMSshvol{:%Y%m%d}.txt"
HEADER = ["Date", "Symbol", "ShortVolume", "ShortExemptVolume", "TotalVolume", "Market"]
VOLUMES = {
    "ShortVolume": "short_volume",
    "ShortExemptVolume": "short_exempt_volume",
    "TotalVolume": "total_volume",
}
TOTAL = "total"
NO_VOLUME = "total_volume|zero"
N_FIELDS = "number_of_fields"
KEPT_SESSIONS = 1880
"""Sessions from January 2019, the earliest file, to July 2026, when that was seen."""

_ADVICE = "the file has a new form: look at the archived bytes and report it"


class Finra:
    """The service; see the module."""

    profile = Profile(
        name="finra",
        title="FINRA daily short sale volume",
        capabilities={
            TABLE: Capability(
                None, 1, delay_s=0.0, reaches_back_sessions=KEPT_SESSIONS, preference=0, kinds=frozenset({"equity"})
            )
        },
        rates=(Rate(60, 60.0),),
        hosts=("cdn.finra.org",),
        terms="free for own use with attribution; commercial redistribution needs a licence",
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self._http = Http(access, "https://cdn.finra.org")

    def fetch(self, ask: Ask) -> Answer:
        """Return the volumes of the symbols asked for; see :class:`resources.providers.live.service.Service`.

        Each session is one request for the whole market, however few symbols are asked for.
        """
        expected = "short volume of " + ", ".join(str(day) for day in ask.sessions[:3])
        with typed_errors(self.access, expected):
            names, failures = self._spelled(ask.symbols)
            parts = [self._of_session(session, names, f"short volume of {session}") for session in ask.sessions]
            frame = conform(pl.concat([rows for rows, _ in parts]), TABLE)
            rejected = pl.concat([wrong for _, wrong in parts])
            found = set(frame["symbol"])
            for symbol in names["symbol"]:
                if symbol not in found:
                    advice = "it did not trade off exchange, or is not listed on an exchange"
                    failures[symbol] = EmptyResult(self.profile.name, f"{expected} of {symbol}", "no row", advice)
            if frame.is_empty():
                advice = "check the symbols; asked again later"
                raise EmptyResult(self.profile.name, expected, "no row of the symbols asked for", advice)
            return Answer(frame, rejected, failures)

    def probe(self) -> Probe:
        """Fetch the file of the last session whose evening has come."""
        now = self.access.clock()
        session = last_completed_session(now)
        if now < _evening_of(session):
            session = shift_session(session, -1)
        expected = f"short volume of {session}"
        with typed_errors(self.access, expected):
            n_rows = self._file(session, expected)[0].height
            return Probe((now - _evening_of(session)).total_seconds(), f"{n_rows} rows of {session}")

    def _spelled(self, symbols: tuple[str, ...]) -> tuple[pl.DataFrame, dict[str, FetchError]]:
        """Return ``Symbol`` as FINRA writes it and ``symbol``, and those that it cannot have."""
        spelled: list[tuple[str, str]] = []
        failures: dict[str, FetchError] = {}
        for symbol in symbols:
            try:
                spelled.append((to_provider(symbol, self.profile.name), symbol))
            except (UnmappedSymbolError, InvalidSymbolError) as error:
                expected = f"short volume of {symbol}"
                failures[symbol] = NotFound(self.profile.name, expected, "no share of that name", str(error)[:160])
        return pl.DataFrame(spelled, schema={"Symbol": pl.String, "symbol": pl.String}, orient="row"), failures

    def _of_session(self, session: dt.date, names: pl.DataFrame, expected: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        name = self.profile.name
        market, broken = self._file(session, expected)
        table = market.join(names, on="Symbol", how="inner", maintain_order="left").rename(VOLUMES)
        typed, rule = typed_columns(table, name, numbers=list(VOLUMES.values()))
        is_empty = pl.col("total_volume") == 0
        judged = typed.with_columns(rule=rule).with_columns(
            rule=pl.coalesce("rule", pl.when(is_empty).then(pl.lit(NO_VOLUME)))
        )
        is_good = judged["rule"].is_null()
        wrong = rejected_rows(
            table.filter(~is_good), date="session", rule=judged.filter(~is_good)["rule"], provider=name
        )
        rejected = rejected_rows(broken, date="session", rule=N_FIELDS, provider=name)
        frame = typed.filter(is_good).with_columns(known_at=evening(), provider=pl.lit(name), synthetic=pl.lit(False))
        return conform(frame, TABLE), pl.concat([rejected, wrong])

    def _file(self, session: dt.date, expected: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return what :func:`market_rows` finds in the file of a session."""
        name, path = self.profile.name, FILE.format(session)
        if self.access.clock() < _evening_of(session):
            advice = "the file comes at 18:00 New York; asked again later"
            raise EmptyResult(name, expected, "a session whose evening has not come", advice)
        try:
            content = self._http.get(path, expected).content
        except (EntitlementError, NotFound) as error:
            raise self._absent(session, error) from None
        return market_rows(content, session, expected, name)

    def _absent(self, session: dt.date, error: FetchError) -> FetchError:
        if "HTTP 403" not in error.found and "HTTP 404" not in error.found:
            return error
        parts = (error.service, error.expected, error.found)
        if session >= last_completed_session(self.access.clock()):
            return Transient(*parts, "the file is late, or the service refuses this client; asked again later")
        return NotFound(*parts, "the service no longer keeps the file, or refuses this client")


def market_rows(content: bytes, session: dt.date, expected: str, provider: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of a file, and the lines that are none.

    Returns
    -------
    market : polars.DataFrame
        The columns of the file as text, and ``session``, without blank lines and without a count or total at the end.
    broken : polars.DataFrame
        ``line`` and ``session`` of the lines with another number of fields.

    Raises
    ------
    SchemaDrift
        When the header differs, no line has its number of fields, a row is of another date, or the file ends in the
        middle of a line.
    EmptyResult
        When there are no rows.

    Examples
    --------
    >>> lines = ["|".join(HEADER), "20260731|AAA|100.5|1|400.25|B,Q,N", "1", ""]
    >>> file = "\\n".join(lines).encode()
    >>> market, broken = market_rows(file, dt.date(2026, 7, 31), "short volume", "finra")
    >>> market.select("Symbol", "TotalVolume").rows()
    [('AAA', '400.25')]
    """
    lines = pl.Series("line", content.decode("utf-8", "replace").splitlines()).str.strip_chars()
    lines = lines.filter(lines != "")
    if lines.is_empty() or lines[0].split("|") != HEADER:
        found = repr(lines[0][:80]) if len(lines) else "an empty file"
        raise SchemaDrift(provider, f"the columns {'|'.join(HEADER)} of {expected}", found, _ADVICE)
    rows = lines[1:]
    has_end = len(rows) > 0 and _is_end(rows[-1])
    if not has_end and not content.endswith(b"\n"):
        advice = "the file was cut off on its way; asked again later"
        raise SchemaDrift(provider, f"{expected} in whole lines", "half a line at the end", advice)
    rows = rows[: len(rows) - has_end]
    if rows.is_empty():
        raise EmptyResult(provider, expected, "a file without rows", "asked again later")
    fields = rows.str.split("|")
    is_whole = fields.list.len() == len(HEADER)
    if not is_whole.any():
        found = f"{rows[0][:40]!r}"
        raise SchemaDrift(provider, f"{len(HEADER)} fields in the lines of {expected}", found, _ADVICE)
    columns = [pl.col("line").list.get(position).alias(name) for position, name in enumerate(HEADER)]
    market = fields.filter(is_whole).to_frame().select(columns)
    others = market.filter(pl.col("Date") != f"{session:%Y%m%d}")
    if not others.is_empty():
        found = f"{others.height} rows of {others['Date'][0]!r}"
        raise SchemaDrift(provider, f"rows of {session} only in {expected}", found, _ADVICE)
    broken = rows.filter(~is_whole).to_frame()
    return market.with_columns(session=pl.lit(session)), broken.with_columns(session=pl.lit(session))


def _is_end(line: str) -> bool:
    fields = line.split("|")
    return line.isdecimal() or (len(fields) > 1 and fields[1].lower() == TOTAL)


def _evening_of(session: dt.date) -> dt.datetime:
    at = pl.select(session=session).select(evening()).item()
    assert isinstance(at, dt.datetime)
    return at
