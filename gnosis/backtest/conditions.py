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

_BAR_US = {"1min": 60_000_000, "5min": 300_000_000}
_OLDEST_KNOWN = "7d"
"""Longer than any closure of the exchange: a spread or amplification older than that is not of the time."""


@dataclass(frozen=True, slots=True)
class FineBar:
    """One bar inside a session: start and end in microseconds since 1970, prices, volume (NaN when not known)."""

    began_at: int
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
        Shape (sessions, symbols), latest value known before the open of the bar and in the week before it; NaN where
        there is none. None when nothing was given.
    shares_outstanding
        The same, of whatever age: a count holds until the next filing.
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
    shares_outstanding: np.ndarray | None = None
    is_spread_proxy: bool = False
    intraday: dict[tuple[int, int], list[FineBar]] = field(default_factory=dict)
    books: dict[int, list[Book]] = field(default_factory=dict)
    pay_sessions: dict[tuple[int, int], int] = field(default_factory=dict)


def build_conditions(
    market: Market,
    *,
    spreads: pl.DataFrame | None = None,
    amplification: pl.DataFrame | None = None,
    shares_outstanding: pl.DataFrame | None = None,
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
    shares_outstanding
        ``symbol``, ``known_at``, ``shares_outstanding``, in shares as of that moment; splits since then are applied.
    intraday
        Rows of ``raw.intraday_bars``; of several lengths of bar the finest of a symbol and session is used.
    books
        Rows of ``raw.order_books``.
    pay_dates
        ``symbol``, ``ex_date``, ``pay_date``.

    Raises
    ------
    ValueError
        For missing columns or values that are not usable; the message names the row.
    """
    proxy = spreads is not None and "is_proxy" in spreads.columns and bool(spreads["is_proxy"].any())
    return Conditions(
        spread_bps=None if spreads is None else _known_before_open(market, spreads, "spread_bps"),
        amplification=None if amplification is None else _known_before_open(market, amplification, "amplification"),
        shares_outstanding=None if shares_outstanding is None else _outstanding(market, shares_outstanding),
        is_spread_proxy=proxy,
        intraday={} if intraday is None else _intraday(market, intraday),
        books={} if books is None else _books(market, books),
        pay_sessions={} if pay_dates is None else _pay_sessions(market, pay_dates),
    )


def _require(frame: pl.DataFrame, columns: list[str], what: str) -> None:
    if missing := [name for name in columns if name not in frame.columns]:
        raise ValueError(f"expected {what} with {columns}, missing {missing}")


def _outstanding(market: Market, frame: pl.DataFrame) -> np.ndarray:
    counts = _known_before_open(market, frame, "shares_outstanding", oldest=None)
    per_first = np.ones(counts.shape)
    for (session, column), action in market.actions.items():
        per_first[session:, column] *= action.split_numerator / action.split_denominator
    # The session whose shares each count is in: the last one that had opened when it was known.
    opened = market.calendar.select(known_at="open_at", at=pl.int_range(pl.len(), dtype=pl.Int64))
    rows = frame.select("symbol", "known_at", "shares_outstanding").drop_nulls().sort("known_at")
    for column, symbol in enumerate(market.symbols):
        own = rows.filter(pl.col("symbol") == symbol).join_asof(opened, on="known_at", strategy="backward")
        if own.height:
            latest = market.calendar.select(known_at="open_at").join_asof(own, on="known_at", strategy="backward")["at"]
            counted = latest.fill_null(0).to_numpy()
            counts[:, column] *= per_first[:, column] / per_first[counted, column]
    return counts


def _known_before_open(
    market: Market, frame: pl.DataFrame, value: str, oldest: str | None = _OLDEST_KNOWN
) -> np.ndarray:
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
            found = opens.join_asof(own, on="known_at", strategy="backward", tolerance=oldest)[value]
            grid[:, column] = found.fill_null(np.nan).to_numpy()
    return grid


def _intraday(market: Market, frame: pl.DataFrame) -> dict[tuple[int, int], list[FineBar]]:
    prices = ["open", "high", "low", "close"]
    _require(frame, ["session", "symbol", "frequency", "ts", *prices, "volume"], "rows of raw.intraday_bars")
    within = pl.col("symbol").is_in(market.symbols) & pl.col("session").is_in(market.calendar["session"].implode())
    rows = frame.filter(within).with_columns(
        length=pl.col("frequency").cast(pl.String).replace_strict(_BAR_US, return_dtype=pl.Int64)
    )
    is_usable = pl.all_horizontal(pl.col(name).is_finite() & (pl.col(name) > 0) for name in prices)
    spans = (pl.col("high") >= pl.max_horizontal(prices)) & (pl.col("low") <= pl.min_horizontal(prices))
    if (bad := rows.filter(~(is_usable & spans).fill_null(False))).height:
        row = bad.row(0, named=True)
        raise ValueError(
            f"expected intraday prices above 0 with open and close between low and high, found "
            f"{[row[name] for name in prices]} for {row['symbol']} at {row['ts']} ({bad.height} rows): correct the bar"
        )
    is_finest = pl.col("length") == pl.col("length").min().over("session", "symbol")
    rows = rows.filter(is_finest).sort("session", "symbol", "ts")
    numbers = market.calendar["session"].search_sorted(rows["session"]).to_list()
    columns = pl.Series(market.symbols).search_sorted(rows["symbol"]).to_list()
    units = [np.rint(rows[name].to_numpy() * UNIT).astype(np.int64).tolist() for name in prices]
    volumes = rows["volume"].cast(pl.Float64).fill_null(np.nan).to_list()
    ends = rows["ts"].dt.epoch("us")
    times = zip((ends - rows["length"]).to_list(), ends.to_list(), strict=True)
    found: dict[tuple[int, int], list[FineBar]] = {}
    for number, column, (began, ended), volume, *bar in zip(numbers, columns, times, volumes, *units, strict=True):
        found.setdefault((number, column), []).append(FineBar(began, ended, Bar(*bar), volume))
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
"""First trade date and sessions to settlement of US shares under SEC Rule 15c6-1: 59 FR 59137 and NASD Notice 95-26 for
1995, 82 FR 15564 for 2017, SEC Release 34-96930 for 2024."""


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
