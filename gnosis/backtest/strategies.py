"""Strategies that ship with the engine: each returns targets decided at a close for the next open."""

from __future__ import annotations

import datetime as dt

import polars as pl

TARGET_ORIGIN = ["known_at", "provider", "synthetic"]


def model_long_flat_short(ideas: pl.DataFrame) -> pl.DataFrame:
    """Return the target weights of the ideas: long, flat or short, one row per session and symbol.

    Parameters
    ----------
    ideas
        Rows of ``trades.ideas``.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``target_weight`` (share of equity, signed), ``known_at``, ``provider``, ``synthetic``.
    """
    columns = ["session", "symbol", "target_weight", *TARGET_ORIGIN]
    if missing := [name for name in columns if name not in ideas.columns]:
        raise ValueError(f"expected the columns of trades.ideas, missing {missing}")
    return ideas.select(columns).sort("session", "symbol")


def tradable_symbols(bars: pl.DataFrame, first_session: dt.date) -> list[str]:
    """Return the symbols with a known volume by ``first_session``, or at their first bar when they are listed later.

    Without any volume, as an index, a symbol cannot be traded. Bars after that day change nothing: a volume that is
    missing later makes orders wait, and does not undo the trades before.

    Examples
    --------
    >>> day = dt.date(2024, 1, 3)
    >>> bars = pl.DataFrame({"session": [day, day], "symbol": ["^GSPC", "SPY"], "volume": [None, 1e6]})
    >>> tradable_symbols(bars, day)
    ['SPY']
    """
    by_then = pl.col("session") <= pl.max_horizontal(pl.col("session").min().over("symbol"), pl.lit(first_session))
    return bars.filter(by_then & pl.col("volume").is_not_null())["symbol"].unique().sort().to_list()


def buy_and_hold(bars: pl.DataFrame, symbols: list[str], first_session: dt.date) -> pl.DataFrame:
    """Return one decision: equal weights at the close of ``first_session`` in the symbols with a bar there.

    Dividends stay in cash and nothing is traded afterwards. Symbols listed later are not bought: at the decision
    nobody knew of them.

    Examples
    --------
    >>> day = dt.date(2024, 1, 3)
    >>> bars = pl.DataFrame({"session": [day, day], "symbol": ["QQQ", "SPY"]})
    >>> buy_and_hold(bars, ["QQQ", "SPY", "XYZ"], day)["target_weight"].to_list()
    [0.5, 0.5]
    """
    held = bars.filter((pl.col("session") == first_session) & pl.col("symbol").is_in(symbols))
    return held.select("session", "symbol", target_weight=pl.lit(1.0) / max(held.height, 1)).sort("symbol")
