"""What the processors of the liquidity engine read, as known at each point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.engines.intraday_bars import IntradayBars
from gnosis.engines.off_exchange import OffExchange
from gnosis.engines.order_books import OrderBooks
from gnosis.engines.points import DailyBars, Floats, Panel, Points
from gnosis.engines.trailing import least

WINDOW = 20
"""Sessions of average volume and of daily volatility."""


@dataclass(frozen=True)
class LiquidityInputs:
    """Inputs of the liquidity engine; arrays have one element per point, NaN where unknown.

    Attributes
    ----------
    points
        Symbols and sessions of the rows to make.
    bars
        Daily bars.
    books, intraday5, intraday1, trades, shorts
        Order books, bars of five minutes and of one, rows of ``raw.trades``, off-exchange volume; None without any.
    spot
        $, close of the session as traded.
    adv_usd
        $ per session, mean of close x volume as traded over the 20 sessions before.
    adv_shares
        Mean volume of the same sessions, in shares of the point's own session: a split within them changes nothing.
    sigma_d
        Standard deviation (n - 1) of the last 20 daily log returns, the session's own among them.
    shares_outstanding
        Shares, the last number known at the point's cut-off.
    """

    points: Points
    bars: DailyBars
    books: OrderBooks | None
    intraday5: IntradayBars | None
    intraday1: IntradayBars | None
    trades: pl.DataFrame | None
    shorts: OffExchange | None
    spot: Floats
    adv_usd: Floats
    adv_shares: Floats
    sigma_d: Floats
    shares_outstanding: Floats

    @classmethod
    def of(
        cls,
        points: Points,
        equity_bars: pl.DataFrame,
        order_books: pl.DataFrame | None = None,
        intraday_bars: pl.DataFrame | None = None,
        trades: pl.DataFrame | None = None,
        short_volume: pl.DataFrame | None = None,
        shares_outstanding: pl.DataFrame | None = None,
    ) -> LiquidityInputs:
        """Return the inputs out of rows of the raw tables of those names, in any order.

        ``shares_outstanding`` has ``symbol``, ``known_at`` and ``shares_outstanding``, in shares as of that moment.

        Raises
        ------
        ValueError
            When a column is missing or of another dtype.
        UnknownSessionError
            When a session is not one of the exchange.
        """
        bars = DailyBars(points, equity_bars)
        return cls(
            points=points,
            bars=bars,
            books=None if order_books is None or order_books.is_empty() else OrderBooks(points, order_books),
            intraday5=_intraday(points, intraday_bars, "5min"),
            intraday1=_intraday(points, intraday_bars, "1min"),
            trades=trades,
            shorts=None if short_volume is None else OffExchange(points, short_volume),
            shares_outstanding=_shares_outstanding(points, shares_outstanding),
            **bars.compute_all(daily_quantities),
        )

    def daily_coverage(self, sessions: int, with_volume: bool = True) -> Floats:
        """Return the share of the last sessions, the point's own among them, that have a daily bar.

        Parameters
        ----------
        sessions
            Number of sessions.
        with_volume
            Whether a bar without volume counts as absent.
        """

        return self.bars.compute(
            lambda panel, points: panel.share_known(points, panel.volume if with_volume else panel.close, sessions)
        )


def daily_quantities(panel: Panel, points: Points) -> dict[str, Floats]:
    """Return spot, ADV in $ and shares, and sigma_d of points; NaN with fewer than 10 of their 20 observations.

    Sessions without a bar leave a gap that is not bridged; sigma_d needs the return of the session itself.
    """
    from gnosis.engines.pairwise_kernel import trailing_deviation, trailing_sums

    def mean_before(values: Floats) -> Floats:
        total, n = trailing_sums(values, WINDOW)
        return panel.at(points, total / np.where(n >= least(WINDOW), n, np.nan), 1)

    spot = panel.at(points, panel.traded_close)
    return {
        "spot": spot,
        "adv_usd": mean_before(panel.traded_close * panel.volume),
        "adv_shares": mean_before(panel.adjusted_volume) * (panel.at(points, panel.close) / spot),
        "sigma_d": panel.at(points, trailing_deviation(log_changes(panel.close), WINDOW, least(WINDOW))),
    }


def log_changes(close: Floats) -> Floats:
    """Return ln C_t - ln C_{t-1} of every session, NaN without one of them; shape (symbols, sessions)."""
    return np.diff(np.log(close), axis=1, prepend=np.nan)


def _intraday(points: Points, frame: pl.DataFrame | None, frequency: str) -> IntradayBars | None:
    if frame is None:
        return None
    bars = IntradayBars(points, frame, frequency)
    return None if bars.is_empty else bars


def _shares_outstanding(points: Points, frame: pl.DataFrame | None) -> Floats:
    if frame is None:
        return np.full(len(points), np.nan)
    names = {"symbol", "known_at", "shares_outstanding"}
    if not names <= set(frame.columns):
        raise ValueError(f"shares_outstanding: expected the columns {sorted(names)}, found {frame.columns}")
    if not (frame["shares_outstanding"] > 0).all():
        raise ValueError("shares_outstanding: expected positive numbers of shares, found others: leave such rows out")
    rows = frame.select("symbol", pl.col("known_at").cast(pl.Datetime("us", "UTC")), "shares_outstanding")
    wanted = points.frame.with_row_index("point").sort("as_of")
    found = wanted.join_asof(
        rows.sort("known_at", "shares_outstanding"),
        left_on="as_of",
        right_on="known_at",
        by="symbol",
        check_sortedness=False,
    ).sort("point")
    return found["shares_outstanding"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
