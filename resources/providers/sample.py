"""Provider "sample": works offline, from data that two packages on PyPI carry. The default of a fresh installation.

===================== ============================================================ ====================== =============
table                 what                                                         sessions               origin
===================== ============================================================ ====================== =============
``raw.equity_bars``   AAPL, IBM, MSFT; GOOG from 2004-08-19; FB from 2012-05-18    2000-03-01..2013-03-01 observed
``raw.index_levels``  ^GSPC, ^IXIC; ^VIX closes from 2014-01-03                    1999-01-04..2018-12-31 observed
``raw.index_levels``  ^VIX before 2014, from spring 1999                           1999-04-07..2014-01-02 generated
``raw.macro``         yields, credit spread, prices, jobs, growth, with vintages   1999-01-04..2013-03-01 generated
``raw.option_quotes`` chains of the bars' symbols, after 64 sessions of history    2000-03-01..2013-03-01 generated
``raw.posts``         posts with texts, about ten per symbol and session           2000-03-01..2013-03-01 generated
``raw.news``          articles, filings and earnings calls                         2000-03-01..2013-03-01 generated
``raw.short_volume``  off-exchange volume and its short sales                      2000-03-01..2013-03-01 generated
``raw.dix``           dark index and gamma exposure of the market                  2000-03-01..2013-03-01 generated
``raw.intraday_bars`` bars of one and five minutes inside the daily bars           2012-09-04..2013-03-01 generated
``raw.order_books``   ten levels a side at the end of every minute                 2012-12-03..2013-03-01 generated
``raw.trades``        at most four prints a minute                                 2012-12-03..2013-03-01 generated
===================== ============================================================ ====================== =============

Observed rows come from ``bokeh-sampledata`` (Quandl WIKI prices, public domain) and ``arch`` (NCSA licence). Generated
rows come from :mod:`gnosis.simulate`, conditioned on the observed bars: ``synthetic`` is true and ``provider`` is
``simulate``. The moment at which the vendors sent an observed row is not known; it is known at its session's close.
Runs can be made from the first to the last bar; a session of them outside of a table's range has no rows of the table.

GOOG's packaged volumes count shares of after its 1,998 for 1,000 split of 2014-04-03, and are brought back to shares as
traded: they are about 2.05 times another vendor's in every year, those of AAPL, FB and IBM 1.02 to 1.08 times.

Measured on the packaged bars (12,154 rows): no session is missing, no date is not a session, and no high lies below, no
low above the other prices. The factor ``adj_close / close`` is constant to 1e-13 between events, and the smallest event
moves it by 1.1e-3: steps below 1e-6 are rounding and are not taken as events. The packaged VIX has 46 holidays with a
dot instead of a level: they are rejected as ``not_a_session``.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import importlib.util
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gnosis.sessions import schedule, sessions_between
from gnosis.tables import TABLES
from resources.providers.errors import MissingFileError, UnknownSymbolError, UnknownTableError, UnreadableFileError
from resources.providers.protocol import Fetched, Source, conform
from resources.providers.rejections import NOT_A_SESSION, is_session, no_rejections, rejected_rows, require_covered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "sample"
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
FIRST_BAR, LAST_BAR = dt.date(2000, 3, 1), dt.date(2013, 3, 1)
FIRST_LEVEL, LAST_LEVEL = dt.date(1999, 1, 4), dt.date(2018, 12, 31)
FIRST_MINUTE, FIRST_BOOK = dt.date(2012, 9, 4), dt.date(2012, 12, 3)
"""First sessions of the bulky tables: enough for their windows at the end of 2012, and no more to make and to store."""

POSTS_PER_SESSION = 10.0
ROUNDING = 1e-6
"""Relative change of the adjustment factor that is noise of the division, not a split or dividend."""

LATER_SPLIT = {"GOOG": 1.998}
"""By symbol, packaged volume over shares as traded: the source counted a split of after the data in volumes only."""

STOCKS = ("bokeh_sampledata", "bokeh-sampledata", "_data/stocks.csv.gz")
SP500 = ("arch", "arch", "data/sp500/sp500.csv.gz")
NASDAQ = ("arch", "arch", "data/nasdaq/nasdaq.csv.gz")
VIX = ("arch", "arch", "data/vix/vix.csv.gz")


class SampleProvider:
    """Real daily bars and index levels of 1999 to 2018; everything else is generated on top of them.

    Parameters
    ----------
    symbols
        Symbols of bars and chains; all five by default.
    seed
        Seed of the generated tables, integer >= 0.

    Raises
    ------
    UnknownSymbolError
        When a symbol is not among the five.

    Examples
    --------
    >>> import datetime as dt
    >>> bars = SampleProvider().fetch("raw.equity_bars", [dt.date(2012, 8, 9)]).frame
    >>> bars.filter(pl.col("symbol") == "AAPL").select("close", pl.col("adjustment_factor").round(4)).row(0)
    (620.73, 4.0171)
    """

    name = NAME
    first_session = FIRST_BAR
    last_session = LAST_BAR
    coverage: Mapping[str, tuple[dt.date, dt.date]] = {
        "raw.equity_bars": (FIRST_BAR, LAST_BAR),
        "raw.index_levels": (FIRST_LEVEL, LAST_LEVEL),
        "raw.option_quotes": (FIRST_BAR, LAST_BAR),
        "raw.macro": (FIRST_LEVEL, LAST_BAR),
        "raw.intraday_bars": (FIRST_MINUTE, LAST_BAR),
        "raw.order_books": (FIRST_BOOK, LAST_BAR),
        "raw.trades": (FIRST_BOOK, LAST_BAR),
        "raw.short_volume": (FIRST_BAR, LAST_BAR),
        "raw.dix": (FIRST_BAR, LAST_BAR),
        "raw.posts": (FIRST_BAR, LAST_BAR),
        "raw.news": (FIRST_BAR, LAST_BAR),
    }
    tables = frozenset(coverage)

    def __init__(self, symbols: Sequence[str] | None = None, seed: int = 7) -> None:
        self.symbols = SYMBOLS if symbols is None else tuple(symbols)
        self.seed = seed
        if unknown := [symbol for symbol in self.symbols if symbol not in SYMBOLS]:
            raise UnknownSymbolError(NAME, unknown, SYMBOLS)

    def fetch(self, table: str, sessions: Sequence[dt.date]) -> Fetched:
        """Return the rows of ``table`` for ``sessions``; see :class:`resources.providers.protocol.Provider`.

        Raises
        ------
        UnknownTableError, SessionNotCoveredError
            When the request does not fit the provider.
        MissingFileError, UnreadableFileError
            When a package is not installed or damaged.
        """
        if table not in self.tables:
            raise UnknownTableError(NAME, table, sorted(self.tables))
        first, last = self.coverage[table]
        runs = (min(first, self.first_session), max(last, self.last_session))
        asked = [day for day in require_covered(NAME, table, sessions, runs) if first <= day <= last]
        if not asked:
            return Fetched(TABLES[table].empty(), no_rejections(), ())
        wanted = pl.col("session").is_in(asked)
        rejected, sources = no_rejections(), [self._stocks[1]]
        if table == "raw.equity_bars":
            frame = self._bars
        elif table == "raw.index_levels":
            frame, rejected, sources = self._levels
        elif table in ("raw.macro", "raw.dix"):
            frame, sources = self._of_the_market(table), []
        else:
            frame = self._generated(table, asked)
        return Fetched(conform(frame.filter(wanted), table), rejected.filter(wanted), tuple(sources))

    @cached_property
    def _stocks(self) -> tuple[pl.DataFrame, Source]:
        return _packaged(*STOCKS)

    @cached_property
    def _bars(self) -> pl.DataFrame:
        table, _ = self._stocks
        rows = table.select(
            session=pl.col("Date").str.to_date("%Y-%m-%d"),
            symbol="Ticker",
            **{name.lower(): pl.col(name).cast(pl.Float64) for name in ("Open", "High", "Low", "Close", "Volume")},
            backward=pl.col("Adj Close").cast(pl.Float64) / pl.col("Close").cast(pl.Float64),
        ).filter(pl.col("symbol").is_in(self.symbols))
        split = pl.col("symbol").replace_strict(LATER_SPLIT, default=1.0, return_dtype=pl.Float64)
        rows = rows.with_columns((pl.col("volume") / split).round())
        return _at_close(rows.sort("symbol", "session").with_columns(adjustment_factor=_forward_factor()))

    @cached_property
    def _levels(self) -> tuple[pl.DataFrame, pl.DataFrame, list[Source]]:
        from gnosis.simulate import vix_from_index

        frames, sources = [], []
        for symbol, place in (("^GSPC", SP500), ("^IXIC", NASDAQ)):
            table, source = _packaged(*place)
            prices = {name.lower(): pl.col(name).cast(pl.Float64) for name in ("Open", "High", "Low", "Close")}
            frames.append(table.select(session=_us_date(), symbol=pl.lit(symbol), **prices))
            sources.append(source)
        observed = _at_close(pl.concat(frames))
        table, source = _packaged(*VIX)
        closes = table.select(session=_us_date(), symbol=pl.lit("^VIX"), close="vix")
        holidays = closes.filter(~is_session("session"))
        unknown = dict.fromkeys(("open", "high", "low"), pl.lit(None, dtype=pl.Float64))
        vix = _at_close(closes.filter(is_session("session")).with_columns(pl.col("close").cast(pl.Float64), **unknown))
        generated = vix_from_index(conform(observed, "raw.index_levels"), self.seed)
        generated = generated.filter(pl.col("session") < vix["session"].min())
        frame = pl.concat([conform(part, "raw.index_levels") for part in (observed, vix, generated)])
        rejected = rejected_rows(holidays, date="session", rule=NOT_A_SESSION, provider=NAME)
        return frame, rejected, [*sources, source]

    @cached_property
    def _macro(self) -> pl.DataFrame:
        from gnosis.simulate import macro_vintages

        return macro_vintages(sessions_between(FIRST_LEVEL, LAST_BAR), self.seed)

    def _of_the_market(self, table: str) -> pl.DataFrame:
        from gnosis.simulate import dark_index

        return self._macro if table == "raw.macro" else dark_index(sessions_between(FIRST_BAR, LAST_BAR), self.seed)

    def _generated(self, table: str, asked: list[dt.date]) -> pl.DataFrame:
        """Return the rows that are generated from the bars; they never depend on what else is asked for."""
        from gnosis import simulate

        bars = conform(self._bars.filter(pl.col("session") <= asked[-1]), "raw.equity_bars")
        if table == "raw.option_quotes":
            macro = self._macro.filter(pl.col("session") <= asked[-1])
            return simulate.option_chain(bars, macro, self.seed, sessions=asked)
        if table == "raw.order_books":
            return simulate.order_books(bars, self.seed, sessions=asked)[0]
        now = bars.filter(pl.col("session").is_in(asked))
        if table == "raw.intraday_bars":
            return simulate.intraday_bars(now, self.seed)
        if table == "raw.trades":
            return simulate.trades(now, self.seed)
        if table == "raw.short_volume":
            return simulate.short_volume(now, self.seed)[0]
        if table == "raw.posts":
            texts, _ = simulate.social_posts(self.symbols, asked, self.seed, POSTS_PER_SESSION)
        else:
            texts, _ = simulate.news_items(self.symbols, asked, self.seed)
        return texts.join(now, on=["session", "symbol"], how="semi", maintain_order="left")


def _packaged(package: str, distribution: str, path: str) -> tuple[pl.DataFrame, Source]:
    """Return a packaged CSV as text, and its source. The package is found, not imported: that takes seconds."""
    spec = importlib.util.find_spec(package)
    folder = Path(spec.origin).parent if spec and spec.origin else Path(package)
    file = folder / path
    if not file.is_file():
        raise MissingFileError(path, folder, f"install the package {distribution}, or choose another provider")
    content = file.read_bytes()
    try:
        table = pl.read_csv(content, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise UnreadableFileError(file, "a whole CSV file", str(error).splitlines()[0]) from error
    origin = f"{distribution}=={importlib.metadata.version(distribution)}/{path}"
    return table, Source.of_bytes(file.name, content, origin)


def _us_date() -> pl.Expr:
    return pl.col("Date").str.to_date("%m/%d/%Y")


def _forward_factor() -> pl.Expr:
    """Return the factor that is 1 at a symbol's first bar and moves at splits and dividends only.

    The packaged ``adj_close`` is anchored at a later day, so it changes with every later event. Ratios of neighbouring
    days do not: they are 1, or the step of the event whose ex-date is the later day.
    """
    step = (pl.col("backward") / pl.col("backward").shift(1)).over("symbol").fill_null(1.0)
    event = (step - 1).abs() > ROUNDING
    return pl.when(event).then(step.round(10)).otherwise(1.0).cum_prod().over("symbol")


def _at_close(rows: pl.DataFrame) -> pl.DataFrame:
    closes = schedule().select("session", ts="close_at", known_at="close_at")
    return rows.join(closes, on="session", how="left", maintain_order="left").with_columns(
        provider=pl.lit(NAME), synthetic=pl.lit(False)
    )
