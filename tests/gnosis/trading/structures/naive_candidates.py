"""A candidate at a time, as one would write it down: the oracle of the vectorised engine, and the peer of its speed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gnosis.trading.structures import OptionChain, PriceForecast, RankedCandidates, Risk, SizeRule
from gnosis.trading.structures.revaluation import price_grid, values_at


def naive_growth(pnl, weights, base, most, kelly_share):
    """Return size, expected log growth and tail loss by a plain search and a sort."""
    returns = pnl / base
    low, high = 0.0, most / kelly_share
    if returns[weights > 0].min() < 0:
        high = min(high, -1.0 / returns[weights > 0].min())
    if weights @ returns <= 0:
        fraction = 0.0
    else:
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if weights @ (returns / (1 + middle * returns)) > 0 else (low, middle)
        fraction = (low + high) / 2
    fraction *= kelly_share
    order = np.argsort(returns)
    ahead = np.clip(0.05 - np.concatenate([[0.0], np.cumsum(weights[order])[:-1]]), 0.0, weights[order])
    return fraction, float(weights @ np.log1p(fraction * returns)), -float(ahead @ returns[order]) / 0.05


def naive_bounds(legs, shares, outlay):
    """Return max profit, max loss and break-evens of legs (is_call, strike, quantity) by looking at every strike."""

    def pnl(price):
        total = shares * price - outlay
        for is_call, strike, quantity in legs:
            total += quantity * max(price - strike if is_call else strike - price, 0.0)
        return total

    knots = [0.0, *sorted({strike for _, strike, _ in legs})]
    values = [pnl(knot) for knot in knots]
    slope = shares + sum(quantity for is_call, _, quantity in legs if is_call)
    roots = []
    for (x0, v0), (x1, v1) in pairwise(zip(knots, values, strict=True)):
        if v0 * v1 < 0:
            roots.append(x0 + (x1 - x0) * v0 / (v0 - v1))
    if slope * values[-1] < 0:
        roots.append(knots[-1] - values[-1] / slope)
    best = np.inf if slope > 0 else max(values)
    worst = np.inf if slope < 0 else -min(values)
    return best, worst, roots


def naive_candidate(
    chain: OptionChain,
    forecast: PriceForecast,
    ranked: RankedCandidates,
    row: int,
    grid: np.ndarray,
    size: SizeRule,
    fee_usd: float,
):
    """Return net premium, bounds, probability of profit, size, growth and tail loss of one candidate."""
    drawn = ranked.candidates
    structure, near = drawn.structures[drawn.structure[row]], int(drawn.near[row])
    legs, shares = [], float(drawn.shares[row])
    net, worth = shares * chain.spot_usd, np.zeros(grid.size)
    for contract, quantity in zip(drawn.contract[row], drawn.quantity[row], strict=True):
        if quantity == 0:
            continue
        net += quantity * (chain.ask_usd[contract] if quantity > 0 else chain.bid_usd[contract])
        legs.append((bool(chain.is_call[contract]), float(chain.strike_usd[contract]), float(quantity)))
        if structure.is_model_dependent:
            worth += quantity * values_at(chain, np.array([contract]), near, grid, ranked.convention)[0]
        else:
            side = 1.0 if chain.is_call[contract] else -1.0
            worth += quantity * np.maximum(side * (grid - chain.strike_usd[contract]), 0.0)
    outlay = net + fee_usd * sum(abs(quantity) for _, _, quantity in legs) / chain.multiplier
    pnl = worth + shares * grid - outlay
    if structure.is_model_dependent:
        best, worst = float(pnl.max()), -float(pnl.min())
        change = np.flatnonzero(pnl[:-1] * pnl[1:] < 0)
        roots = [grid[i] + (grid[i + 1] - grid[i]) * pnl[i] / (pnl[i] - pnl[i + 1]) for i in change]
    else:
        best, worst, roots = naive_bounds(legs, shares, outlay)
    ends = [0.0, *roots, np.inf]
    mass = 0.0
    for low, high in pairwise(ends):
        middle = (low + high) / 2 if np.isfinite(high) else 2 * low + 1
        if np.interp(middle, grid, pnl) > 0:
            below = [forecast.below(near, np.array([low]))[0], forecast.below(near, np.array([high]))[0]]
            mass += (1.0 if np.isinf(high) else below[1]) - below[0]
    is_unlimited = structure.risk is Risk.UNLIMITED
    base = ranked.margin_usd[row] / chain.multiplier if is_unlimited else worst
    most = size.most_margin_share if is_unlimited else size.most_loss_share
    growth = naive_growth(pnl, forecast.weights(near, grid), base, most, size.kelly_share)
    return net, best, worst, mass, *growth


def grids_of(chain: OptionChain, forecast: PriceForecast, ranked: RankedCandidates) -> dict[int, np.ndarray]:
    """Return the grid of each near expiry with every strike of the chain in it."""
    return {
        int(near): price_grid(
            float(chain.forward_usd[near]), forecast.deviation(int(near)), chain.strike_usd[chain.expiry == near]
        )
        for near in np.unique(ranked.candidates.near)
    }
