"""What a backtest may know beside daily bars: quoted spreads, amplification, finer bars, books and payment dates.

Everything is laid out by session and symbol number of a market. A value acts on a bar only when it was known before the
bar opened.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from gnosis.backtest.fill_rules import Bar
from gnosis.backtest.ledger import UNIT
from gnosis.backtest.market import Market

_FREQUENCY_ORDER = ["1min", "5min"]


@dataclass(frozen=True, slots=True)
class FineBar:
    """One bar inside a session: its end in microseconds since 1970, its prices and its volume (NaN when not known)."""

    ended_at: int
    bar: Bar
    volume: float


@dataclass(frozen=True, slots=True)
class Book:
    """One snapshot: when it was known (microseconds since 1970) and its levels from the best, price in $ and size."""

    known_at: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


@dataclass(frozen=True)
class Conditions:
    """Optional knowledge of one run.

    Attributes
    ----------
    spread_bps, amplification
        Shape (sessions, symbols), latest value known before the open of the bar; NaN where there is none. None when
        nothing was given.
    is_spread_proxy
        True when a given spread is an estimate.
    intraday
        Finer bars in order, by (session number, symbol number).
    books
        Snapshots in the order in which they were known, by symbol number.
    pay_sessions
        Session number before whose open a dividend is paid, by (session number of the ex-date, symbol number).
    """

    spread_bps: np.ndarray | None = None
    amplification: np.ndarray | None = None
    is_spread_proxy: bool = False
    intraday: dict[tuple[int, int], list[FineBar]] = field(default_factory=dict)
    books: dict[int, list[Book]] = field(default_factory=dict)
    pay_sessions: dict[tuple[int, int], int] = field(default_factory=dict)


def build_conditions(
    market: Market,
    *,
    spreads: pl.DataFrame | None = None,
    amplification: pl.DataFrame | None = None,
    intraday: pl.DataFrame | None = None,
    books: pl.DataFrame | None = None,
    pay_dates: pl.DataFrame | None = None,
) -> Conditions:
    """Lay optional frames out over the market.

    Parameters
    ----------
    market
        Bars of the run.
    spreads
        ``symbol``, ``known_at``, ``spread_bps`` and, where spreads are estimates, ``is_proxy``.
    amplification
        ``symbol``, ``known_at``, ``amplification``.
    intraday
        Rows of ``raw.intraday_bars``; of several lengths of bar the finest of a symbol and session is used.
    books
        Rows of ``raw.order_books``.
    pay_dates
        ``symbol``, ``ex_date``, ``pay_date``.

    Raises
    ------
    ValueError
        For missing columns.
    """
    proxy = spreads is not None and "is_proxy" in spreads.columns and bool(spreads["is_proxy"].any())
    return Conditions(
        spread_bps=None if spreads is None else _known_before_open(market, spreads, "spread_bps"),
        amplification=None if amplification is None else _known_before_open(market, amplification, "amplification"),
        is_spread_proxy=proxy,
        intraday={} if intraday is None else _intraday(market, intraday),
        books={} if books is None else _books(market, books),
        pay_sessions={} if pay_dates is None else _pay_sessions(market, pay_dates),
    )


def _require(frame: pl.DataFrame, columns: list[str], what: str) -> None:
    if missing := [name for name in columns if name not in frame.columns]:
        raise ValueError(f"expected {what} with {columns}, missing {missing}")


def _known_before_open(market: Market, frame: pl.DataFrame, value: str) -> np.ndarray:
    _require(frame, ["symbol", "known_at", value], f"rows of {value}")
    rows = frame.select("symbol", "known_at", value).drop_nulls().sort("known_at", "symbol", value)
    bad = rows.filter(~(pl.col(value) >= 0) | ~pl.col(value).is_finite())
    if bad.height:
        raise ValueError(f"expected {value} finite and of 0 or more, found {bad[value][0]} for {bad['symbol'][0]}")
    grid = np.full((len(market.sessions), len(market.symbols)), np.nan)
    opens = market.calendar.select(known_at="open_at")
    for column, symbol in enumerate(market.symbols):
        own = rows.filter(pl.col("symbol") == symbol)
        if own.height:
            found = opens.join_asof(own, on="known_at", strategy="backward")[value]
            grid[:, column] = found.fill_null(np.nan).to_numpy()
    return grid


def _intraday(market: Market, frame: pl.DataFrame) -> dict[tuple[int, int], list[FineBar]]:
    prices = ["open", "high", "low", "close"]
    _require(frame, ["session", "symbol", "frequency", "ts", *prices, "volume"], "rows of raw.intraday_bars")
    within = pl.col("symbol").is_in(market.symbols) & pl.col("session").is_in(market.calendar["session"].implode())
    rows = frame.filter(within).with_columns(
        rank=pl.col("frequency").cast(pl.String).replace_strict(_FREQUENCY_ORDER, range(len(_FREQUENCY_ORDER)))
    )
    rows = rows.filter(pl.col("rank") == pl.col("rank").min().over("session", "symbol")).sort("session", "symbol", "ts")
    numbers = market.calendar["session"].search_sorted(rows["session"]).to_list()
    columns = pl.Series(market.symbols).search_sorted(rows["symbol"]).to_list()
    units = [np.rint(rows[name].to_numpy() * UNIT).astype(np.int64).tolist() for name in prices]
    volumes = rows["volume"].cast(pl.Float64).fill_null(np.nan).to_list()
    ended = rows["ts"].dt.epoch("us").to_list()
    found: dict[tuple[int, int], list[FineBar]] = {}
    for number, column, at, volume, *bar in zip(numbers, columns, ended, volumes, *units, strict=True):
        found.setdefault((number, column), []).append(FineBar(at, Bar(*bar), volume))
    return found


def _books(market: Market, frame: pl.DataFrame) -> dict[int, list[Book]]:
    _require(frame, ["symbol", "ts", "known_at", "side", "level", "price", "size"], "rows of raw.order_books")
    rows = (
        frame.filter(pl.col("symbol").is_in(market.symbols))
        .with_columns(pl.col("side").cast(pl.String), levels=pl.concat_list("price", "size"))
        .sort("symbol", "known_at", "ts", "side", "level")
        .group_by("symbol", "known_at", "ts", maintain_order=True)
        .agg(
            bids=pl.col("levels").filter(pl.col("side") == "B"),
            asks=pl.col("levels").filter(pl.col("side") == "A"),
        )
    )
    found: dict[int, list[Book]] = {}
    for symbol, known_at, bids, asks in rows.with_columns(pl.col("known_at").dt.epoch("us")).drop("ts").iter_rows():
        # Without both sides there is no mid to measure from.
        if bids and asks:
            book = Book(known_at, [tuple(level) for level in bids], [tuple(level) for level in asks])
            found.setdefault(market.symbols.index(symbol), []).append(book)
    return found


def _pay_sessions(market: Market, frame: pl.DataFrame) -> dict[tuple[int, int], int]:
    _require(frame, ["symbol", "ex_date", "pay_date"], "payment dates")
    sessions = market.calendar["session"]
    found = {}
    for symbol, ex_date, pay_date in frame.select("symbol", "ex_date", "pay_date").drop_nulls().iter_rows():
        if pay_date < ex_date:
            raise ValueError(f"expected payment on or after the ex-date, found {symbol} ex {ex_date} paid {pay_date}")
        if symbol in market.symbols and sessions[0] <= ex_date <= sessions[-1]:
            key = int(sessions.search_sorted(ex_date)), market.symbols.index(symbol)
            found[key] = int(sessions.search_sorted(pay_date))
    return found


SETTLEMENT_RULES = ((dt.date(1995, 6, 7), 3), (dt.date(2017, 9, 5), 2), (dt.date(2024, 5, 28), 1))
"""First trade date and sessions to settlement of US shares (SEC Rule 15c6-1 and its amendments)."""


def settlement_lag(day: dt.date) -> int:
    """Return the sessions from trade to settlement of US shares traded on ``day``.

    Raises
    ------
    ValueError
        Before the first rule.

    Examples
    --------
    >>> settlement_lag(dt.date(2017, 9, 1)), settlement_lag(dt.date(2024, 5, 28))
    (3, 1)
    """
    lags = [lag for first, lag in SETTLEMENT_RULES if first <= day]
    if not lags:
        raise ValueError(
            f"expected a day from {SETTLEMENT_RULES[0][0]} on, found {day}: set settlement_days for earlier ones"
        )
    return lags[-1]
