"""Prints that make up generated minute bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.simulate.draws import keyed_uniform
from gnosis.simulate.intraday import divided, minute_bars, repeated

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

SECONDS = np.array([5, 20, 40, 59])
"""Seconds of a minute at which its four prints happen: open, two extremes, close."""

UPTICK_IS_BUY = 0.85
"""Probability that a print above the one before was a buyer's; of one below that it was a seller's."""


def trades(bars: pl.DataFrame, seed: int, sessions: Sequence[dt.date] | None = None) -> pl.DataFrame:
    """Return generated prints, at most four a minute, that make up the minute bars of the same seed.

    A minute prints its open, its low and high in the order that leads to the close, and its close; sizes add up to the
    minute's volume. The side that took liquidity is the direction of the price with probability 0.85; the other side
    otherwise; a coin where the price stands still.

    Parameters
    ----------
    bars
        Rows of raw.equity_bars with volume.
    seed
        Integer >= 0.
    sessions
        Wanted sessions; those of ``bars`` by default.

    Returns
    -------
    polars.DataFrame
        Columns of raw.trades, sorted by (session, symbol, ts); ``known_at`` is the instant of the trade.

    Raises
    ------
    ValueError
        When a wanted bar has no volume.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.simulate.market import market
    >>> daily = market("daily", ["AAA"], [dt.date(2012, 11, 20), dt.date(2012, 11, 21)], seed=7).bars
    >>> frame = trades(daily, seed=7)
    >>> frame.height, bool(frame["size"].sum() == daily["volume"].sum())
    (3120, True)
    """
    frames = []
    for group in minute_bars(bars, seed, sessions):
        if np.isnan(group.volume).any():
            raise ValueError("expected bars with volume, found a null; leave such bars out")
        shape = (group.rows.height, group.minutes, len(SECONDS))
        keys = group.keys(*shape[1:])
        rises = group.close >= group.open
        price = np.stack(
            [
                group.open,
                np.where(rises, group.low, group.high),
                np.where(rises, group.high, group.low),
                group.close,
            ],
            axis=2,
        ).reshape(shape[0], -1)
        move = np.sign(np.diff(price, axis=1, prepend=price[:, :1]))
        draw = keyed_uniform(seed, "trades.aggressor", *keys).reshape(price.shape)
        is_buy = draw < np.select([move > 0, move < 0], [UPTICK_IS_BUY, 1 - UPTICK_IS_BUY], 0.5)
        weights = 0.5 + keyed_uniform(seed, "trades.size", *keys).reshape(-1, len(SECONDS))
        size = divided(group.volume.ravel(), weights)
        second = (np.arange(group.minutes)[:, None] * 60 + SECONDS).ravel()
        number = np.arange(price.shape[1])
        frames.append(
            repeated(group.rows, price.shape[1])
            .with_columns(
                ts=pl.col("open_at") + pl.Series(np.tile(second, shape[0])) * pl.duration(seconds=1),
                trade_id=pl.Series(np.tile(number, shape[0])).cast(pl.String).str.zfill(5),
                price=pl.Series(price.ravel()),
                size=pl.Series(size.ravel()),
                aggressor=pl.Series(np.array(["sell", "buy"])[is_buy.ravel().astype(np.int64)]),
            )
            .filter(pl.col("size") > 0)
            .select(
                *("session", "symbol", "ts", "trade_id", "price", "size", "aggressor"),
                known_at="ts",
                provider=pl.lit("simulate"),
                synthetic=pl.lit(True),
            )
        )
    if not frames:
        raise ValueError("expected rows of raw.equity_bars in the wanted sessions, found none")
    return pl.concat(frames).sort("session", "symbol", "ts")
