"""FRED, the data base of the Federal Reserve Bank of St. Louis: macro series, and closes of some indices.

With a key the API tells every value that was ever published and the day on which it was (ALFRED): the only form in
which revised figures can be used without knowing the future. Without one the CSV behind FRED's charts has the values of
today, dated by a fixed lag for the series that have one (:mod:`resources.providers.services.fred_releases`); some
series are cut to the last three years there.

Options: ``release_lag_days``, a table of series to days, adds to or replaces the lags that hold without a key.

The key travels in the query, because the service takes it nowhere else.
"""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import polars as pl

from gnosis.sessions import NEW_YORK, UTC
from gnosis.symbols import InvalidSymbolError, UnmappedSymbolError, to_provider
from resources.providers.live.access import Access
from resources.providers.live.daily_levels import daily_levels
from resources.providers.live.each_symbol import each_symbol
from resources.providers.live.errors import AuthError, EmptyResult, FetchError, NotFound, SchemaDrift
from resources.providers.live.http import Http
from resources.providers.live.service import Answer, Ask, Capability, Key, Probe, Profile, Rate, typed_errors
from resources.providers.live.typed_columns import typed_columns
from resources.providers.protocol import conform
from resources.providers.services.fred_releases import (
    REACH,
    RELEASE_LAG_DAYS,
    macro_rows,
    publication_day,
    reference_window,
    vintage_windows,
)

API = "https://api.stlouisfed.org"
OBSERVATIONS = "/fred/series/observations"
SITE = "https://fred.stlouisfed.org"
CHART = "/graph/fredgraph.csv"
PAGE = 100_000
DATE_COLUMNS = ("observation_date", "DATE")
MISSING = ("", ".")
FIELDS = ("realtime_start", "date", "value")
KEY = Key(
    (("FRED_API_KEY",),),
    "free of charge at https://fredaccount.stlouisfed.org/apikeys; with it values carry the day of their publication",
)
NOT_ARCHIVED = "does not exist in ALFRED"

_ADVICE = "the answer has a new form: look at the archived bytes and report it"


class Fred:
    """The service; see the module."""

    profile = Profile(
        name="fred",
        title="FRED and ALFRED, Federal Reserve Bank of St. Louis",
        capabilities={
            "raw.macro": Capability(50, None, delay_s=86_400.0, preference=0),
            "raw.index_levels": Capability(10, None, delay_s=86_400.0, preference=1, kinds=frozenset({"index"})),
        },
        rates=(Rate(60, 60.0),),
        hosts=("api.stlouisfed.org", "fred.stlouisfed.org"),
        terms="free with attribution; some series belong to others and are for personal use only",
        optional_key=KEY,
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self._api = Http(access, API)
        self._site = Http(access, SITE)
        self._lags = {**RELEASE_LAG_DAYS, **access.options.get("release_lag_days", {})}
        wrong = {name: lag for name, lag in self._lags.items() if not isinstance(lag, int) or lag < 1}
        if wrong:
            raise ValueError(
                f"fred: expected whole days of at least 1 in release_lag_days, found {wrong}; correct them"
            )

    def fetch(self, ask: Ask) -> Answer:
        """Return the observations or levels asked for; see :class:`resources.providers.live.service.Service`.

        A series of which nothing was published under the sessions has no rows and no failure; when that holds for all,
        it is an EmptyResult.
        """
        with typed_errors(self.access, f"{ask.table} of {', '.join(ask.symbols[:3])}"):
            macro = self._vintages if self._key else self._lagged
            one = self._levels if ask.table == "raw.index_levels" else macro
            answers, failures = each_symbol(ask.symbols, lambda symbol: one(symbol, ask.sessions))
            frames, rejected = zip(*answers, strict=True)
            frame = conform(pl.concat(frames), ask.table)
            if frame.is_empty() and not failures:
                advice = "nothing was published of it; asked again with the next session"
                raise EmptyResult(self.profile.name, f"{ask.table} of {', '.join(ask.symbols[:3])}", "no value", advice)
            return Answer(frame, pl.concat(rejected), failures)

    def probe(self) -> Probe:
        """Ask for the last fortnight of the ten-year yield and say how old the latest one is."""
        expected = "the latest DGS10"
        with typed_errors(self.access, expected):
            now = self.access.clock()
            today = now.astimezone(NEW_YORK).date()
            last = self._current("DGS10", today - dt.timedelta(days=14), today, expected).drop_nulls("value")
            day = last["ref_date"].max()
            if not isinstance(day, dt.date):
                raise EmptyResult(self.profile.name, expected, "none in a fortnight", "asked again later")
            ended = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), NEW_YORK).astimezone(UTC)
            how = "with publication dates" if self._key else f"without publication dates; {KEY.how}"
            return Probe(max((now - ended).total_seconds(), 0.0), f"the ten-year yield of {day}, {how}")

    @property
    def _key(self) -> str | None:
        return self.access.keys.get(KEY.alternatives[0][0]) or None

    def _vintages(self, series: str, sessions: tuple[dt.date, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
        expected = f"publications of {series}"
        with typed_errors(self.access, expected):
            parts: list[pl.DataFrame] = []
            unarchived: NotFound | None = None
            for first, last in vintage_windows(sessions):
                window = {"realtime_start": first, "realtime_end": last, "observation_start": first - REACH}
                try:
                    # On its first day a window shows everything that was published ever before.
                    parts.append(self._observations(series, window, expected).filter(pl.col("published") > first))
                except NotFound as error:
                    # The same words say that nothing was published yet and that nothing was ever archived.
                    if NOT_ARCHIVED not in error.found:
                        raise
                    unarchived = error
            if unarchived and not parts:
                raise unarchived
            return macro_rows(pl.concat(parts), series, sessions, self.profile.name, is_vintage=True)

    def _lagged(self, series: str, sessions: tuple[dt.date, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
        expected = f"observations of {series}"
        with typed_errors(self.access, expected):
            if series not in self._lags:
                advice = f"set FRED_API_KEY ({KEY.how}), or state its lag in the option release_lag_days"
                raise NotFound(self.profile.name, f"{expected} with a release lag", "no lag for it", advice)
            first, last = reference_window(sessions, self._lags[series])
            dated = publication_day(self._chart(series, first, last, expected), self._lags[series])
            return macro_rows(dated.drop_nulls("published"), series, sessions, self.profile.name, is_vintage=False)

    def _levels(self, symbol: str, sessions: tuple[dt.date, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
        name, expected = self.profile.name, f"closes of {symbol}"
        with typed_errors(self.access, expected):
            try:
                series = to_provider(symbol, name)
            except (UnmappedSymbolError, InvalidSymbolError) as error:
                raise NotFound(name, expected, "an index that it does not have", str(error)[:160]) from None
            rows = self._current(series, sessions[0], sessions[-1], expected).rename(
                {"ref_date": "session", "value": "close"}
            )
            unknown = {column: pl.lit(None, dtype=pl.Float64) for column in ("open", "high", "low")}
            levels = rows.with_columns(symbol=pl.lit(symbol), **unknown)
            frame, rejected = daily_levels(levels, sessions, self.access.clock(), name)
            if frame.is_empty():
                advice = "the service publishes on the next business day; asked again later"
                raise EmptyResult(name, f"{expected} of {sessions[-1]}", "no value", advice)
            return frame, rejected

    def _current(self, series: str, first: dt.date, last: dt.date, expected: str) -> pl.DataFrame:
        """Return ``ref_date`` and ``value`` as they are now."""
        if self._key is None:
            return self._chart(series, first, last, expected)
        window = {"observation_start": first, "observation_end": last}
        return self._observations(series, window, expected).select("ref_date", "value")

    def _observations(self, series: str, window: dict[str, dt.date], expected: str) -> pl.DataFrame:
        """Return ``ref_date``, ``published`` and ``value``, page after page."""
        rows, count = self._page(series, window, 0, expected)
        while len(rows) < count:
            page, count = self._page(series, window, len(rows), expected)
            rows.extend(page)
            if not page and len(rows) < count:
                found = f"{len(rows)} of them and an empty page"
                raise SchemaDrift(self.profile.name, f"{count} observations in {expected}", found, _ADVICE)
        table = pl.DataFrame(rows or None, schema=None if rows else dict.fromkeys(FIELDS, pl.String))
        return self._typed(table, ("date", "realtime_start"), expected).select(
            pl.col("date").alias("ref_date"), pl.col("realtime_start").alias("published"), "value"
        )

    def _page(
        self, series: str, window: dict[str, dt.date], offset: int, expected: str
    ) -> tuple[list[dict[str, Any]], int]:
        """Return the observations from ``offset`` on, as many as come at once, and how many there are in all."""
        params: dict[str, str | int] = {name: str(day) for name, day in window.items()}
        params |= {"series_id": series, "limit": PAGE, "offset": offset, "file_type": "json"}
        try:
            reply = self._api.get(OBSERVATIONS, expected, params | {"api_key": self._key or ""})
        except SchemaDrift as error:
            raise _refusal(error) from None
        document = reply.json(expected)
        page = document.get("observations") if isinstance(document, dict) else None
        if not isinstance(page, list) or not all(isinstance(row, dict) for row in page):
            raise SchemaDrift(self.profile.name, f"a list observations in {expected}", repr(page)[:60], _ADVICE)
        count = document.get("count")
        if not isinstance(count, int) or isinstance(count, bool):
            raise SchemaDrift(self.profile.name, f"a number count in {expected}", repr(count)[:40], _ADVICE)
        return page, count

    def _chart(self, series: str, first: dt.date, last: dt.date, expected: str) -> pl.DataFrame:
        """Return ``ref_date`` and ``value`` of the CSV, whose first column has had two names."""
        params = {"id": series, "cosd": str(first), "coed": str(last)}
        content = self._site.get(CHART, expected, params).content
        header = content.split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")
        if header[0] not in DATE_COLUMNS or header[1:] != [series]:
            wanted = f"the columns {' or '.join(DATE_COLUMNS)} and {series}"
            raise SchemaDrift(self.profile.name, wanted, repr(",".join(header))[:80], _ADVICE)
        if not content.endswith(b"\n"):
            advice = "the file was cut off on its way; asked again later"
            raise SchemaDrift(self.profile.name, f"{expected} in whole lines", "half a line at the end", advice)
        table = pl.read_csv(io.BytesIO(content), infer_schema=False, new_columns=["date", "value"])
        rows = self._typed(table, ("date",), expected).select(pl.col("date").alias("ref_date"), "value")
        return rows.filter(pl.col("ref_date").is_between(first, last))

    def _typed(self, table: pl.DataFrame, dates: tuple[str, ...], expected: str) -> pl.DataFrame:
        """Return the table with dates and numbers. A value of which anything is unreadable has no place in time."""
        if "value" in table.columns:
            text = pl.col("value").cast(pl.String).str.strip_chars()
            table = table.with_columns(value=pl.when(~text.is_in(list(MISSING))).then(text))
        typed, rule = typed_columns(table, self.profile.name, numbers=["value"], dates=dict.fromkeys(dates, "%Y-%m-%d"))
        wrong = table.filter(rule.is_not_null() | typed.select(pl.any_horizontal(pl.col(dates).is_null())).to_series())
        if not wrong.is_empty():
            found = f"{wrong.height} rows like {wrong.row(0)}"
            raise SchemaDrift(self.profile.name, f"dates and numbers in {expected}", found[:80], _ADVICE)
        return typed


def _refusal(error: SchemaDrift) -> FetchError:
    """Return what a status 400 means: the service says so in words only."""
    if "HTTP 400" not in error.found:
        return error
    parts = (error.service, error.expected, error.found)
    if "api_key" in error.found:
        return AuthError(*parts, f"correct FRED_API_KEY, {KEY.how}; without it the service has fewer series")
    if NOT_ARCHIVED in error.found:
        return NotFound(*parts, "ALFRED keeps no publications of it up to these sessions")
    if "does not exist" in error.found:
        return NotFound(*parts, "correct the identifier of the series")
    return error
