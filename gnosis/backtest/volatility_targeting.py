"""Volatility-targeted buy and hold: a benchmark that holds more when markets are calm (B-9.4)."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl

from gnosis.backtest.configuration import BARS_PER_YEAR


def volatility_targeted(
    bars: pl.DataFrame,
    symbols: list[str],
    first_session: dt.date,
    *,
    target_per_year: float = 0.15,
    window: int = 63,
    largest_weight: float = 1.0,
) -> pl.DataFrame:
    """Return target weights of an equally weighted holding scaled to a volatility, set at the first session of a month.

    The volatility is the sample standard deviation of the last ``window`` daily returns of the equally weighted basket,
    the newest of which ends at the close of the decision: the weight fills at the next open.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` with the history before ``first_session``.
    symbols
        What is held: those with a bar at the first session, as in buy-and-hold.
    first_session
        Session of the first decision.
    target_per_year
        Volatility aimed at, 1/sqrt(year).
    window
        Returns that the volatility is measured on.
    largest_weight
        Largest sum of weights; 1 never borrows.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``target_weight``, sorted. No row of a session before enough returns are known.

    Raises
    ------
    ValueError
        For a target, window or largest weight that is not usable.

    Examples
    --------
    >>> days = [dt.date(2024, 1, day) for day in (2, 3, 4, 5)]
    >>> bars = pl.DataFrame({"session": days, "symbol": "SPY", "close": [100.0, 102.0, 100.0, 101.0],
    ...     "adjustment_factor": 1.0})
    >>> volatility_targeted(bars, ["SPY"], days[3], window=3)["target_weight"].round(4).to_list()
    [0.4588]
    """
    if not (target_per_year > 0 and window >= 2 and largest_weight > 0):
        raise ValueError(
            "expected target_per_year and largest_weight above 0 and a window of at least 2, found "
            f"{target_per_year}, {largest_weight} and {window}"
        )
    held = bars.filter((pl.col("session") == first_session) & pl.col("symbol").is_in(symbols))["symbol"].unique().sort()
    adjusted = pl.col("close") * pl.col("adjustment_factor")
    basket = (
        bars.filter(pl.col("symbol").is_in(held.implode()))
        .sort("symbol", "session")
        .with_columns(change=(adjusted / adjusted.shift(1) - 1).over("symbol"))
        .group_by("session")
        .agg(pl.col("change").mean())
        .sort("session")
        .with_columns(sigma=pl.col("change").rolling_std(window, min_samples=window) * math.sqrt(BARS_PER_YEAR))
        .filter(pl.col("session") >= first_session)
    )
    month = pl.col("session").dt.truncate("1mo")
    decided = basket.filter(month.is_first_distinct() & (pl.col("sigma") > 0))
    weight = pl.min_horizontal(target_per_year / pl.col("sigma"), pl.lit(largest_weight)) / max(held.len(), 1)
    return (
        decided.select("session", target_weight=weight)
        .join(held.to_frame(), how="cross")
        .select("session", "symbol", "target_weight")
        .sort("session", "symbol")
    )
