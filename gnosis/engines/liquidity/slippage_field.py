"""Cost of orders: walking the displayed book, and half a spread plus square-root impact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.liquidity.book_quality import (
    any_known,
    book_confidence,
    book_coverage,
    book_reasons,
    quotes,
    sum_of_levels,
)
from gnosis.engines.liquidity.inputs import WINDOW, LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.liquidity.spread_estimator import QUOTED
from gnosis.engines.points import Floats
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import History, banded

ORDER_SIZES = {"0_1pct": 0.001, "0_5pct": 0.005, "1pct": 0.01, "5pct": 0.05}
"""Orders as shares of the average daily volume, by their name in the columns."""

FRICTION_ORDER = 0.01


class Walk(NamedTuple):
    """What an order costs that takes the displayed levels one after the other.

    Attributes
    ----------
    cost_usd
        Liquidity energy: paid over the mid, $; NaN when the book is exhausted.
    slippage_bps
        Cost over the value of the order at mid; NaN when the book is exhausted or the order is 0.
    unfilled_share
        Share of the order beyond the displayed book.
    """

    cost_usd: Floats
    slippage_bps: Floats
    unfilled_share: Floats


def walk(price: ArrayLike, size: ArrayLike, mid: ArrayLike, shares: ArrayLike) -> Walk:
    """Return the cost over mid of walking one side of a book: integral of |price of the q-th share - mid| dq.

    Half of the spread is part of it: nothing is to be added.

    Parameters
    ----------
    price, size
        $ and shares of the side, best level first on the last axis, NaN where a level is absent.
    mid
        $, without the axis of levels.
    shares
        Order Q >= 0; broadcasts against ``mid``.

    Examples
    --------
    >>> cost, slippage, unfilled = walk([100.01, 100.02, 100.05], [100, 200, 400], 100.0, [50, 500, 800])
    >>> cost.round(9).tolist(), slippage.round(9).tolist(), unfilled.tolist()
    ([0.5, 15.0, nan], [1.0, 3.0, nan], [0.0, 0.0, 0.125])
    """
    p, q = np.asarray(price, dtype=np.float64), np.asarray(size, dtype=np.float64)
    middle, order = np.broadcast_arrays(np.asarray(mid, dtype=np.float64), np.asarray(shares, dtype=np.float64))
    there = ~np.isnan(p)
    available = np.where(there, q, 0.0)
    before = np.cumsum(available, axis=-1) - available
    filled = np.clip(order[..., None] - before, 0.0, available)
    distance = np.where(there, np.abs(p - middle[..., None]), 0.0)
    left = np.maximum(order - sum_of_levels(available), 0.0)
    cost = np.where(left > 0, np.nan, sum_of_levels(filled * distance))
    positive = np.where(order > 0, order, np.nan)
    return Walk(cost, 1e4 * cost / (positive * middle), left / positive)


def model_slippage_bps(spread_bps: ArrayLike, sigma_d: ArrayLike, share_of_adv: ArrayLike, y: float = 1.0) -> Floats:
    """Return half the spread plus square-root impact of an order, 1e4 (s/2 + Y sigma_d sqrt(Q/ADV)).

    Parameters
    ----------
    spread_bps
        Full spread in bps.
    sigma_d
        Daily volatility per sqrt(day).
    share_of_adv
        Order over average daily volume, Q/ADV.
    y
        Coefficient Y of the average cost.

    Examples
    --------
    >>> model_slippage_bps(2.0, 0.02, 0.01).item()
    21.0
    """
    spread, sigma, share = (np.asarray(part, dtype=np.float64) for part in (spread_bps, sigma_d, share_of_adv))
    return spread / 2 + 1e4 * y * sigma * np.sqrt(share)


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return costs of orders against the last snapshot of the regular session, and by the square-root model.

    Reads the spread of ``earlier["spread_estimator"]``. Without a snapshot, or when the last one is more than
    ``parameters.stale_minutes`` before the close, only the model has values.
    """
    n = len(inputs.points)
    spread = earlier["spread_estimator"].values
    spread_bps, source = np.asarray(spread["spread_bps"]), np.asarray(spread["spread_source"])
    session, fresh = quotes(inputs), quotes(inputs, parameters.stale_minutes)
    has_quotes, is_fresh = session.ends > session.starts, fresh.ends > fresh.starts
    shares = inputs.adv_shares[:, None] * np.array(list(ORDER_SIZES.values()))
    shares = np.where(shares > 0, shares, np.nan)
    values: dict[str, Floats] = {}
    for side in ("buy", "sell"):
        found = Walk(*(np.full((n, len(ORDER_SIZES)), np.nan) for _ in Walk._fields))
        if inputs.books is not None and fresh.row.size:
            books = inputs.books
            last = fresh.row[fresh.ends[is_fresh] - 1]
            price, size = (books.ask_price, books.ask_size) if side == "buy" else (books.bid_price, books.bid_size)
            walked = walk(price[last, None, :], size[last, None, :], books.mid[last, None], shares[is_fresh])
            for whole, part in zip(found, walked, strict=True):
                whole[is_fresh] = np.where(np.isnan(shares[is_fresh]), np.nan, part)
        for column, name in enumerate(ORDER_SIZES):
            values[f"cost_{side}_{name}_usd"] = found.cost_usd[:, column]
            values[f"slippage_{side}_{name}_bps"] = found.slippage_bps[:, column]
            values[f"unfilled_{side}_{name}_share"] = found.unfilled_share[:, column]
    for name, share in ORDER_SIZES.items():
        values[f"slippage_model_{name}_bps"] = model_slippage_bps(spread_bps, inputs.sigma_d, share, parameters.y)
    friction = model_slippage_bps(spread_bps, inputs.sigma_d, FRICTION_ORDER, parameters.y)
    values["liq_friction_cost"] = friction
    book = book_coverage(inputs, parameters, parameters.book_levels)
    bars = inputs.daily_coverage(WINDOW)
    has_output = any_known(values)
    is_proxy = ~is_fresh | ~(source == QUOTED)
    rank = history.series("liq_friction_cost", friction).percentile_rank()
    values["cost_regime"] = banded(rank)
    reasons = book_reasons(inputs, book, bars, has_quotes, is_proxy)
    reasons["SHORT_HISTORY"] = reasons["SHORT_HISTORY"] | (np.isnan(rank) & ~np.isnan(friction))
    reasons["SPREAD_PROXY"] = ~np.isnan(source) & (source != QUOTED)
    return ProcessorResult(values, book_confidence(book, bars, is_proxy, has_output), reasons, is_proxy & has_output)
