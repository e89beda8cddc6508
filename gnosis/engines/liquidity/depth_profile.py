"""Dollars displayed by distance from the mid, and how fast they come back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines import physics
from gnosis.engines.liquidity.book_quality import book_confidence, book_coverage, book_reasons, quotes
from gnosis.engines.liquidity.inputs import WINDOW, LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.points import Floats, Integers
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import History, banded

DISTANCES_BPS = (5, 10, 25, 50)
DECAY_BPS = 50.0
_DISTANCES = np.array(DISTANCES_BPS) / 1e4
_NAMES = [f"depth_{side}_{bps}bps_usd" for side in ("bid", "ask") for bps in DISTANCES_BPS]


def cumulative_depth(price: ArrayLike, size: ArrayLike, mid: ArrayLike, distance: ArrayLike) -> Floats:
    """Return the dollars that one side displays within a relative distance of the mid.

    Parameters
    ----------
    price, size
        $ and shares of one side, levels on the last axis, NaN where absent.
    mid
        $, without the axis of levels.
    distance
        Relative distance x > 0; broadcasts against ``mid``.

    Returns
    -------
    numpy.ndarray
        $; NaN where the mid is.

    Examples
    --------
    >>> cumulative_depth([100.01, 100.02, 100.5], [100, 200, 400], 100.0, [0.0001, 0.0005, 0.01]).tolist()
    [10001.0, 30005.0, 70205.0]
    """
    p, q = np.asarray(price, dtype=np.float64), np.asarray(size, dtype=np.float64)
    middle, x = np.broadcast_arrays(np.asarray(mid, dtype=np.float64), np.asarray(distance, dtype=np.float64))
    near = np.abs(p - middle[..., None]) <= x[..., None] * (1 + 1e-9) * middle[..., None]
    return np.where(np.isnan(middle), np.nan, np.where(near, p * q, 0.0).sum(axis=-1))


def depth_elasticity(
    bid_price: ArrayLike, bid_size: ArrayLike, ask_price: ArrayLike, ask_size: ArrayLike, least_levels: int = 5
) -> Floats:
    """Return the slope of log cumulative dollars on log distance of each book, levels of both sides pooled.

    Depth that grows as distance^2 is the square-root law of impact, depth that grows as distance the linear law.

    Parameters
    ----------
    bid_price, bid_size, ask_price, ask_size
        $ and shares, shape (levels,) or (snapshots, levels), NaN where a level is absent.
    least_levels
        Levels, both sides together, without which the slope is NaN.

    Examples
    --------
    >>> ticks, size = np.arange(1, 7) * 0.05, np.full(6, 1000.0)
    >>> depth_elasticity(100 - ticks, size / (100 - ticks), 100 + ticks, size / (100 + ticks)).round(9).item()
    1.0
    """
    pb, qb, pa, qa = (
        np.ascontiguousarray(np.atleast_2d(np.asarray(side, dtype=np.float64)))
        for side in (bid_price, bid_size, ask_price, ask_size)
    )
    slope = _depths(pb, qb, pa, qa, np.arange(pb.shape[0]), least_levels)[:, len(_NAMES)]
    return slope if np.ndim(bid_price) > 1 else slope.reshape(())


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return displayed dollars by distance, their growth, their imbalance and how fast they come back.

    Values are medians over the snapshots of the regular session. Without a snapshot the square-root law on daily bars
    stands in for the displayed dollars; the rest is unknown.
    """
    n = len(inputs.points)
    session = quotes(inputs)
    has_quotes = session.ends > session.starts
    columns = [*_NAMES, "depth_elasticity", "depth_imbalance"]
    values: dict[str, Floats] = dict.fromkeys([*columns, "resilience_half_life_s"], np.full(n, np.nan))
    if inputs.books is not None and session.row.size:
        from gnosis.engines.liquidity.book_kernel import half_lives, medians

        books = inputs.books
        shape = _depths(
            books.bid_price, books.bid_size, books.ask_price, books.ask_size, session.row, parameters.least_depth_levels
        )
        values |= dict(zip(columns, medians(shape, session.starts, session.ends).T, strict=True))
        values["depth_elasticity"] = np.where(values["depth_elasticity"] > 0, values["depth_elasticity"], np.nan)
        within_50bps = shape[:, 3] + shape[:, 7]
        values["resilience_half_life_s"] = half_lives(
            books.ts[session.row], within_50bps, session.starts, session.ends,
            parameters.depth_loss, parameters.least_depth_losses,
        )  # fmt: skip
    move = np.where(inputs.sigma_d > 0, inputs.sigma_d, np.nan)
    for name, x in zip(_NAMES, np.tile(_DISTANCES, 2).tolist(), strict=True):
        values[name] = np.where(
            has_quotes, values[name], physics.square_root_flow(x, inputs.adv_usd, move, parameters.y)
        )
    adv = np.where(inputs.adv_usd > 0, inputs.adv_usd, np.nan)
    of_adv = (values["depth_bid_50bps_usd"] + values["depth_ask_50bps_usd"]) / (0.01 * adv)
    values["depth_vs_adv"] = of_adv
    book = book_coverage(inputs, parameters, parameters.book_levels)
    bars = inputs.daily_coverage(WINDOW)
    has_output = ~np.isnan(values["depth_bid_50bps_usd"])
    is_proxy = ~has_quotes & has_output
    rank = history.series("depth_vs_adv", of_adv).percentile_rank()
    values["depth_regime"] = banded(rank)
    reasons = book_reasons(inputs, book, bars, has_quotes, is_proxy)
    reasons["SHORT_HISTORY"] = reasons["SHORT_HISTORY"] | (np.isnan(rank) & has_output)
    return ProcessorResult(values, book_confidence(book, bars, is_proxy, has_output), reasons, is_proxy)


def _depths(
    bid_price: Floats, bid_size: Floats, ask_price: Floats, ask_size: Floats, rows: Integers, least_levels: int
) -> Floats:
    from gnosis.engines.liquidity.book_kernel import depths

    return depths(bid_price, bid_size, ask_price, ask_size, rows, _DISTANCES, DECAY_BPS / 1e4, least_levels)
