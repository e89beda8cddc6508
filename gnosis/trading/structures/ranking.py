"""Every admissible candidate of every structure: priced at the quotes, bounded, given odds, and ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from gnosis.trading.structures.chain import Flags, Floats, OptionChain, Positions
from gnosis.trading.structures.forecast import PriceForecast
from gnosis.trading.structures.margin import MarginRule, required_margin_usd
from gnosis.trading.structures.payoff import Payoffs, expiry_curve, joined, payoffs
from gnosis.trading.structures.premium import Execution, Premium, net_premium
from gnosis.trading.structures.revaluation import VolatilityConvention, price_grid, revalued_payoffs, worth_table
from gnosis.trading.structures.schema import Risk, Structure, WidthAboveDebit
from gnosis.trading.structures.scoring import Scores, SizeRule, scores
from gnosis.trading.structures.selection import (
    MOST_COMBINATIONS,
    Candidates,
    Rejection,
    enumerated,
    rejection_frame,
)


@dataclass(frozen=True, slots=True, eq=False)
class RankedCandidates:
    """Candidates from the best to the worst, all arrays in that order; values are $ per share of the multiplier.

    Attributes
    ----------
    candidates, premium, payoffs, scores
        Contracts, cost, bounds and scores.
    margin_usd
        float64, shape (candidates,): $ for one unit of the structure.
    convention
        How volatility followed the price where legs outlive the near expiry.
    rejections
        ``structure``, ``near``, ``reason`` and ``n`` of what is not a candidate.
    """

    candidates: Candidates
    premium: Premium
    payoffs: Payoffs
    scores: Scores
    margin_usd: Floats
    convention: VolatilityConvention
    rejections: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Desk:
    """What all candidates of one near expiry share: prices, and what each contract is worth at them."""

    near: int
    rows: Positions
    grid_usd: Floats
    worth_usd: Floats
    place: Positions


def ranked_candidates(
    chain: OptionChain,
    structures: Sequence[Structure],
    forecast: PriceForecast,
    execution: Execution,
    margin: MarginRule,
    size: SizeRule | None = None,
    convention: VolatilityConvention = VolatilityConvention.STICKY_DELTA,
    most_combinations: int = MOST_COMBINATIONS,
    threads: int = 1,
) -> RankedCandidates:
    """Return all candidates by expected log growth at the size each would receive, ties by the smaller tail loss.

    The risk base of a size is the worst-case loss, or the margin where the loss is unlimited.

    Parameters
    ----------
    chain
        Contracts with valid two-sided quotes.
    structures
        Eligible rows of the table.
    forecast
        Distribution of the price at each expiry of the chain.
    execution
        Half spreads paid, and fees.
    margin
        Numbers of the day.
    size
        How large a candidate would be.
    convention
        How volatility follows the price for legs that outlive the near expiry.
    most_combinations
        Largest number of combinations for one structure and one choice of expiries.
    threads
        Near expiries are shared out among this many threads; results do not depend on it.

    Raises
    ------
    ValueError
        When the forecast has not one row per expiry of the chain.

    Notes
    -----
    Remaining ties fall to the structure with the smaller number, then to the earlier contracts.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.options import chain_analytics, volatility_surface
    >>> from gnosis.simulate import MarketSpec, market
    >>> from gnosis.tables import TABLES
    >>> from gnosis.trading.structures import BY_ID, lognormal_forecast, margin_rule, option_chain
    >>> world = market(MarketSpec(has_options=True), ["AAA"], [dt.date(2007, 3, 19)], seed=7)
    >>> found = chain_analytics(world.option_quotes, world.macro, TABLES["raw.dividends"].empty())
    >>> chain = option_chain(world.option_quotes, found.greeks, volatility_surface(found.greeks).slices)
    >>> forecast, rule = lognormal_forecast(chain, 0.05, 0.15), margin_rule(chain.session)
    >>> rows = [BY_ID["iron_condor"], BY_ID["naked_put"]]
    >>> ranked = ranked_candidates(chain, rows, forecast, Execution(fee_usd_per_contract=0.65), rule)
    >>> len(ranked.candidates), ranked.premium.net_usd.round(2).tolist()[:2], ranked.margin_usd.round(2).tolist()[:2]
    (7, [-0.4, -0.54], [62.6, 98.6])
    >>> from gnosis.trading.structures import candidate_frame, leg_frame
    >>> candidate_frame(chain, ranked, forecast).select("structure", "near_dte_days", pl.col("pop_rn").round(6)).row(0)
    ('iron_condor', 32, 0.534338)
    >>> leg_frame(chain, ranked).select("rank", "right", "quantity", "strike", "price_usd").rows()[:2]
    [(1, 'P', 1, 25.0, 0.32), (1, 'P', -1, 26.0, 0.51)]
    >>> from gnosis.trading.structures import profit_at
    >>> prices, outlay = np.array([20.0, chain.spot_usd, 40.0]), ranked.premium.outlay_usd[:1]
    >>> profit_at(chain, ranked.candidates.take(np.array([0])), outlay, prices, ranked.convention).round(3).tolist()
    [[-0.626, 0.374, -0.626]]
    """
    if forecast.price_usd.shape[0] != chain.expiries.height:
        raise ValueError(
            f"forecast: expected one row per expiry of the chain ({chain.expiries.height}), "
            f"found {forecast.price_usd.shape[0]}"
        )
    size = size or SizeRule()
    drawn, rejected = enumerated(chain, structures, most_combinations)
    drawn = _kept(drawn, forecast.is_known[drawn.near], Rejection.NO_FORECAST, rejected)
    premium = net_premium(chain, drawn, execution)
    drawn = _kept(drawn, _is_wide_enough(chain, drawn, premium.net_usd), Rejection.WIDTH_BELOW_DEBIT, rejected)
    premium = net_premium(chain, drawn, execution)
    drawn = _kept(drawn, _has_sign(drawn, premium.net_usd), Rejection.PREMIUM_SIGN, rejected)
    premium = net_premium(chain, drawn, execution)
    with ThreadPoolExecutor(threads) as pool:
        nears = [int(near) for near in np.unique(drawn.near)]
        desks = list(pool.map(lambda near: _desk(chain, drawn, forecast, near, convention), nears))
        found = _payoffs(chain, drawn, premium.outlay_usd, desks, pool.map)
        is_unlimited = np.array([item.risk is Risk.UNLIMITED for item in structures], dtype=np.bool_)[drawn.structure]
        is_out = np.zeros(len(drawn), dtype=np.bool_)
        for reason, mask in (
            (Rejection.UNBOUNDED_LOSS, np.isinf(found.max_loss_usd) & ~is_unlimited),
            (Rejection.NO_POSSIBLE_PROFIT, found.max_profit_usd <= 0.0),
            (Rejection.NO_POSSIBLE_LOSS, found.max_loss_usd <= 0.0),
        ):
            _count(drawn, mask & ~is_out, reason, rejected)
            is_out |= mask
        rows = np.flatnonzero(~is_out)
        drawn, premium, found, is_unlimited = drawn.take(rows), premium.take(rows), found.take(rows), is_unlimited[rows]
        margin_usd = required_margin_usd(chain, drawn, premium, found.max_loss_usd, margin)
        base = np.where(is_unlimited, margin_usd / chain.multiplier, found.max_loss_usd)
        most = np.where(is_unlimited, size.most_margin_share, size.most_loss_share)
        marks = _scores(drawn, premium.outlay_usd, base, most, size, forecast, desks, rows, pool.map)
    order = np.lexsort((*drawn.contract.T[::-1], drawn.structure, marks.cvar_95, -marks.log_growth))
    return RankedCandidates(
        drawn.take(order),
        premium.take(order),
        found.take(order),
        marks.take(order),
        margin_usd[order],
        convention,
        rejection_frame(rejected),
    )


def _desk(
    chain: OptionChain, drawn: Candidates, forecast: PriceForecast, near: int, convention: VolatilityConvention
) -> _Desk:
    rows = np.flatnonzero(drawn.near == near)
    own = drawn.take(rows)
    used = own.contract[own.is_leg]
    kinks = np.unique(chain.strike_usd[used[chain.expiry[used] == near]])
    grid = price_grid(float(chain.forward_usd[near]), forecast.deviation(near), kinks)
    worth, place = worth_table(chain, own, grid, convention)
    return _Desk(near, rows, grid, worth, place)


def _payoffs(
    chain: OptionChain, drawn: Candidates, outlay_usd: Floats, desks: list[_Desk], mapped: Callable[..., Iterable[Any]]
) -> Payoffs:
    later = drawn.is_model_dependent
    exact = np.flatnonzero(~later)

    def revalued(desk: _Desk) -> tuple[Positions, Payoffs]:
        is_own = later[desk.rows]
        rows = desk.rows[is_own]
        outlay = outlay_usd[rows]
        return rows, revalued_payoffs(
            chain, drawn.take(rows), desk.worth_usd, desk.place[is_own], outlay, desk.grid_usd
        )

    curve = expiry_curve(chain, drawn.take(exact), outlay_usd[exact])
    return joined(len(drawn), [(exact, payoffs(curve)), *mapped(revalued, desks)])


def _scores(
    drawn: Candidates,
    outlay_usd: Floats,
    base_usd: Floats,
    most_share: Floats,
    size: SizeRule,
    forecast: PriceForecast,
    desks: list[_Desk],
    kept: Positions,
    mapped: Callable[..., Iterable[Any]],
) -> Scores:
    whole = np.empty((4, len(drawn)))

    def scored(desk: _Desk) -> None:
        own = np.flatnonzero(drawn.near == desk.near)
        place = desk.place[np.searchsorted(desk.rows, kept[own])]
        weights = forecast.weights(desk.near, desk.grid_usd)
        part = scores(
            desk.worth_usd, weights, place, drawn.quantity[own], drawn.shares[own], desk.grid_usd, outlay_usd[own],
            base_usd[own], most_share[own], size.kelly_share,
        )  # fmt: skip
        whole[:, own] = part.expected_return, part.size_share, part.log_growth, part.cvar_95

    list(mapped(scored, desks))
    return Scores(*whole)


def _is_wide_enough(chain: OptionChain, drawn: Candidates, net_usd: Floats) -> Flags:
    holds = np.ones(len(drawn), dtype=np.bool_)
    strike = chain.strike_usd[drawn.contract]
    for position, item in enumerate(drawn.structures):
        for constraint in item.constraints:
            if isinstance(constraint, WidthAboveDebit):
                rows = drawn.structure == position
                holds[rows] &= (strike[rows, constraint.high] - strike[rows, constraint.low]) > net_usd[rows]
    return holds


def _has_sign(drawn: Candidates, net_usd: Floats) -> Flags:
    wanted = np.array(
        [{"debit": 1, "credit": -1, "either": 0}[item.premium] for item in drawn.structures], dtype=np.int64
    )
    sign = wanted[drawn.structure]
    return (sign == 0) & (net_usd != 0.0) | (sign * net_usd > 0.0)


def _kept(
    drawn: Candidates, holds: Flags, reason: Rejection, rejected: list[tuple[str, int | None, str, int]]
) -> Candidates:
    if holds.all():
        return drawn
    _count(drawn, ~holds, reason, rejected)
    return drawn.take(holds)


def _count(drawn: Candidates, mask: Flags, reason: Rejection, rejected: list[tuple[str, int | None, str, int]]) -> None:
    pairs, counts = np.unique(np.stack([drawn.structure[mask], drawn.near[mask]]), axis=1, return_counts=True)
    for structure, near, n in zip(*pairs, counts, strict=True):
        rejected.append((drawn.structures[structure].id, int(near), reason, int(n)))
