"""The quoted spread, and what daily bars say about the spread."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.liquidity.book_quality import any_known, book_confidence, book_coverage, book_reasons, quotes
from gnosis.engines.liquidity.inputs import LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.points import Floats, Panel, Points
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import History, banded

WINDOW = 21
CLOSING_MINUTES = 30
LEAST_BARS = 3
QUOTED, EDGE = 0.0, 1.0
"""Positions of the sources of the spread in their enumeration."""

KAPPA = 3 - 2 * np.sqrt(2)


def _logs(*prices: ArrayLike) -> list[Floats]:
    return [np.log(np.asarray(price, dtype=np.float64)) for price in prices]


def _mean(values: Floats) -> Floats:
    """Return the mean of the known values along the last axis, NaN where there is none."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    return np.where(known, values, 0.0).sum(axis=-1) / np.where(count > 0, count, np.nan)


def edge_spread(open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Floats:
    """Return the EDGE estimate of the spread, signed (Ardia, Guidotti & Kroencke 2024).

    Parameters
    ----------
    open, high, low, close
        $ of successive bars on the last axis, NaN where missing.

    Returns
    -------
    numpy.ndarray
        Relative spread; NaN with fewer than 3 bars, with fewer than 2 whose prices moved since the close before, or
        when no open or no close lies off an extreme of its bar.

    Examples
    --------
    >>> bars = [100.0, 100.6, 100.2], [100.9, 101.0, 101.3], [99.6, 99.9, 100.0], [100.5, 100.1, 101.2]
    >>> edge_spread(*bars).round(10).item()
    0.0059740056
    """
    o, h, low_, c = _logs(open, high, low, close)
    shape = o.shape[:-1]
    if o.shape[-1] < LEAST_BARS:
        return np.full(shape, np.nan)
    eta = (h + low_) / 2
    h1, l1, c1, eta1 = h[..., :-1], low_[..., :-1], c[..., :-1], eta[..., :-1]
    o, h, low_, eta = o[..., 1:], h[..., 1:], low_[..., 1:], eta[..., 1:]
    r1, r2, r3, r4, r5 = eta - o, o - eta1, eta - c1, c1 - eta1, o - c1
    tau = _indicator((h != low_) | (low_ != c1), h, low_, c1)
    p_open = _mean(tau * _indicator(o != h, o, h)) + _mean(tau * _indicator(o != low_, o, low_))
    p_close = _mean(tau * _indicator(c1 != h1, c1, h1)) + _mean(tau * _indicator(c1 != l1, c1, l1))
    moved = np.where(np.isnan(tau), 0.0, tau).sum(axis=-1)
    defined = (moved >= 2) & (p_open > 0) & (p_close > 0)
    p_open, p_close = (np.where(defined, p, np.nan)[..., None] for p in (p_open, p_close))
    share = np.where(defined, _mean(tau), np.nan)
    d1, d3, d5 = (r - tau * (_mean(r) / share)[..., None] for r in (r1, r3, r5))
    x1 = -4 / p_open * d1 * r2 - 4 / p_close * d3 * r4
    x2 = -4 / p_open * d1 * r5 - 4 / p_close * d5 * r4
    e1, e2 = _mean(x1), _mean(x2)
    v1, v2 = _mean(x1**2) - e1**2, _mean(x2**2) - e2**2
    both = v1 + v2
    weighted = (v2 * e1 + v1 * e2) / np.where(both > 0, both, 1.0)
    square = np.where(both > 0, weighted, (e1 + e2) / 2)
    return np.sign(square) * np.sqrt(np.abs(square))


def _indicator(holds: np.ndarray, *needed: Floats) -> Floats:
    """Return 1 where a condition holds, 0 where not, NaN where a price that it needs is missing."""
    missing = np.isnan(np.stack(needed)).any(axis=0)
    return np.where(missing, np.nan, holds.astype(np.float64))


def roll_covariance(close: ArrayLike) -> Floats:
    """Return the sample covariance (n - 1) of successive log price changes along the last axis; NaN below 2 pairs.

    Examples
    --------
    >>> roll_covariance([100.0, 101.0, 100.0, 101.0]).item() < 0
    True
    """
    (logs,) = _logs(close)
    change = np.diff(logs, axis=-1)
    before, after = change[..., :-1], change[..., 1:]
    paired = ~np.isnan(before) & ~np.isnan(after)
    n = paired.sum(axis=-1)
    before, after = np.where(paired, before, np.nan), np.where(paired, after, np.nan)
    product = (before - _mean(before)[..., None]) * (after - _mean(after)[..., None])
    return _mean(product) * n / np.where(n > 1, n - 1, np.nan)


def roll_spread(close: ArrayLike) -> Floats:
    """Return the spread of Roll (1984), 2 sqrt(-covariance of successive log changes); NaN unless that is negative.

    Parameters
    ----------
    close
        $ of successive closes or trades on the last axis, NaN where missing.

    Examples
    --------
    >>> roll_spread([100.0, 101.0, 100.0, 101.0, 100.0, 101.0]).round(6).item()
    0.022979
    """
    covariance = roll_covariance(close)
    return 2 * np.sqrt(np.where(covariance < 0, -covariance, np.nan))


def abdi_ranaldo_square(high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Floats:
    """Return 4 mean[(c_t - eta_t)(c_t - eta_{t+1})], the squared spread of Abdi & Ranaldo (2017), of either sign.

    c is the log close and eta the middle of the log high and the log low.

    Examples
    --------
    >>> abdi_ranaldo_square([101.0, 101.0], [99.0, 99.0], [100.5, 100.5]).round(8).item()
    0.00010151
    """
    h, low_, c = _logs(high, low, close)
    eta = (h + low_) / 2
    return 4 * _mean((c[..., :-1] - eta[..., :-1]) * (c[..., :-1] - eta[..., 1:]))


def abdi_ranaldo(high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Floats:
    """Return the relative spread of Abdi & Ranaldo (2017), the root of the squared one floored at 0.

    Examples
    --------
    >>> abdi_ranaldo([101.0, 101.0], [99.0, 99.0], [100.5, 100.5]).round(6).item()
    0.010075
    """
    return np.sqrt(np.maximum(abdi_ranaldo_square(high, low, close), 0.0))


def corwin_schultz(high: ArrayLike, low: ArrayLike, close: ArrayLike, overnight_adjusted: bool = True) -> Floats:
    """Return the signed mean of the two-day estimates of the relative spread (Corwin & Schultz 2012).

    Parameters
    ----------
    high, low, close
        $ of successive bars on the last axis, NaN where missing.
    overnight_adjusted
        Whether the second day of a pair is shifted by its gap to the close before.

    Examples
    --------
    >>> corwin_schultz([102.0, 102.0], [100.0, 100.0], [101.0, 101.0]).round(6).item()
    0.019802
    """
    h, low_, c = _logs(high, low, close)
    h1, l1, c1, h2, l2 = h[..., :-1], low_[..., :-1], c[..., :-1], h[..., 1:], low_[..., 1:]
    if overnight_adjusted:
        gap = np.maximum(l2 - c1, 0.0) + np.minimum(h2 - c1, 0.0)
        h2, l2 = h2 - gap, l2 - gap
    beta = (h1 - l1) ** 2 + (h2 - l2) ** 2
    gamma = (np.maximum(h1, h2) - np.minimum(l1, l2)) ** 2
    alpha = (np.sqrt(2 * beta) - np.sqrt(beta)) / KAPPA - np.sqrt(gamma / KAPPA)
    return _mean(2 * np.tanh(alpha / 2))


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the quoted spread of the last 30 minutes, estimates from 21 daily bars, and the one to use."""
    quoted = _quoted_bps(inputs)
    values = {"quoted_spread_bps": quoted, **inputs.bars.compute_all(_daily_estimates)}
    edge = values["edge_spread_bps"]
    has_quoted, has_edge = ~np.isnan(quoted), ~np.isnan(edge)
    spread = np.where(has_quoted, quoted, np.maximum(edge, 0.0))
    values["spread_bps"] = spread
    values["spread_source"] = np.where(has_quoted, QUOTED, np.where(has_edge, EDGE, np.nan))
    rank = history.series("spread_bps", spread).percentile_rank()
    book = book_coverage(inputs, parameters, 1, CLOSING_MINUTES)
    bars = inputs.daily_coverage(WINDOW, with_volume=False)
    has_output = any_known(values)
    values["spread_regime"] = banded(rank)
    is_proxy = ~has_quoted & has_edge
    session = quotes(inputs)
    reasons = book_reasons(inputs, book, bars, session.ends > session.starts, is_proxy)
    reasons["SHORT_HISTORY"] = reasons["SHORT_HISTORY"] | (np.isnan(rank) & ~np.isnan(spread))
    reasons["SPREAD_PROXY"] = is_proxy
    return ProcessorResult(values, book_confidence(book, bars, ~has_quoted, has_output), reasons, is_proxy)


def _quoted_bps(inputs: LiquidityInputs) -> Floats:
    closing = quotes(inputs, CLOSING_MINUTES)
    if inputs.books is None or closing.row.size == 0:
        return np.full(len(inputs.points), np.nan)
    from gnosis.engines.liquidity.book_kernel import medians

    books, row = inputs.books, closing.row
    spread = 1e4 * (books.ask_price[row, 0] - books.bid_price[row, 0]) / books.mid[row]
    return medians(spread[:, None], closing.starts, closing.ends)[:, 0]


def daily_edge(panel: Panel, points: Points) -> Floats:
    """Return :func:`edge_spread` of the last 21 daily bars up to each point."""
    from gnosis.engines.liquidity.spread_kernel import edge_spreads

    o, h, low_, c = _logs(panel.open, panel.high, panel.low, panel.close)
    return panel.at(points, edge_spreads(o, h, low_, c, WINDOW))


def _daily_estimates(panel: Panel, points: Points) -> dict[str, Floats]:
    h, low_, c = (panel.trailing(points, prices, WINDOW) for prices in (panel.high, panel.low, panel.close))
    found = {
        "edge_spread_bps": daily_edge(panel, points),
        "roll_spread_bps": roll_spread(c),
        "abdi_ranaldo_bps": abdi_ranaldo(h, low_, c),
        "corwin_schultz_bps": corwin_schultz(h, low_, c),
    }
    return {name: 1e4 * spread for name, spread in found.items()}
