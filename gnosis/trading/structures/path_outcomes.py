"""What a structure comes to along simulated prices: profit target, stop, or the day on which it is closed out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnosis.trading.monte_carlo import HORIZON, STOP, TARGET
from gnosis.trading.structures.chain import Floats, OptionChain, Positions
from gnosis.trading.structures.exits import ExitLevels
from gnosis.trading.structures.revaluation import VolatilityConvention, model_values
from gnosis.trading.structures.selection import Candidates

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True, slots=True, eq=False)
class StructureOutcomes:
    """What each path came to.

    Attributes
    ----------
    pnl_usd
        float64, shape (paths,): profit after the costs of entry and exit, $ per share of the multiplier.
    ended_by
        int8, shape (paths,): ``TARGET``, ``STOP`` or ``HORIZON`` of :mod:`gnosis.trading.monte_carlo`.
    steps_held
        int64, shape (paths,): steps until the exit.
    """

    pnl_usd: Floats
    ended_by: NDArray[np.int8]
    steps_held: NDArray[np.int64]


def structure_outcomes(
    chain: OptionChain,
    candidate: Candidates,
    outlay_usd: float,
    exit_cost_usd: float,
    exits: ExitLevels,
    log_paths: Floats,
    days_per_step: float,
    convention: VolatilityConvention,
) -> StructureOutcomes:
    """Return the first exit of one candidate on each path, all legs revalued at every step.

    A structure is looked at after each step and leaves at its value then, gaps through the stop included; of a step
    that meets both levels there is none, for it has one value. It is closed out at the first step with no more days to
    the near expiry than its rule says, or at the last step.

    Parameters
    ----------
    chain
        Contracts; each is carried at the forward and the discount factor of its own expiry.
    candidate
        One row.
    outlay_usd, exit_cost_usd
        Net premium and fees paid at the entry, and what closing costs beyond mid, $ per share.
    exits
        Levels of the candidate.
    log_paths
        float64, shape (paths, steps): log price relative to spot after each step.
    days_per_step
        Calendar days of a step, positive.
    convention
        How volatility follows the price.

    Raises
    ------
    ValueError
        For other than one candidate, paths of another shape, or steps that pass the near expiry before the close-out.

    Examples
    --------
    A condor sold on a generated chain, on two paths: nothing happens, and a fall of a fifth in a week.

    >>> import datetime as dt
    >>> from gnosis.options import chain_analytics, volatility_surface
    >>> from gnosis.simulate import MarketSpec, market
    >>> from gnosis.tables import TABLES
    >>> from gnosis.trading.structures import BY_ID, Execution, lognormal_forecast, margin_rule, option_chain
    >>> from gnosis.trading.structures import exit_levels, ranked_candidates
    >>> world = market(MarketSpec(has_options=True), ["AAA"], [dt.date(2007, 3, 19)], seed=7)
    >>> found = chain_analytics(world.option_quotes, world.macro, TABLES["raw.dividends"].empty())
    >>> chain = option_chain(world.option_quotes, found.greeks, volatility_surface(found.greeks).slices)
    >>> terms = lognormal_forecast(chain, 0.05, 0.15), Execution(fee_usd_per_contract=0.65), margin_rule(chain.session)
    >>> best = ranked_candidates(chain, [BY_ID["iron_condor"]], *terms)
    >>> first, outlay = best.candidates.take(np.array([0])), float(best.premium.outlay_usd[0])
    >>> exits = exit_levels(first, best.premium.net_usd[:1])
    >>> paths = np.stack([np.zeros(28), np.linspace(0.0, -0.8, 28)])
    >>> out = structure_outcomes(chain, first, outlay, 0.02, exits, paths, 1.0, VolatilityConvention.STICKY_DELTA)
    >>> out.ended_by.tolist(), out.steps_held.tolist(), out.pnl_usd.round(2).tolist()
    ([1, 2], [25, 6], [0.22, -0.51])
    """
    if len(candidate) != 1:
        raise ValueError(f"expected one candidate, found {len(candidate)}")
    if log_paths.ndim != 2 or log_paths.size == 0 or not days_per_step > 0.0:
        raise ValueError(f"expected paths of shape (paths, steps) and positive steps, found {log_paths.shape}")
    near_days = DAYS_PER_YEAR * float(chain.tau_years[candidate.near[0]])
    left = near_days - days_per_step * np.arange(1, log_paths.shape[1] + 1)
    is_over = left <= exits.close_out_dte_days[0]
    last = int(is_over.argmax()) if is_over.any() else left.size - 1
    if not left[last] > 0.0:
        raise ValueError(
            f"expected a step between the close-out and the near expiry, found {left[last]:.1f} days left; "
            "take shorter steps"
        )
    pnl = np.empty((log_paths.shape[0], last + 1))
    for step in range(last + 1):
        prices = chain.spot_usd * np.exp(log_paths[:, step])
        elapsed = days_per_step * (step + 1) / DAYS_PER_YEAR
        pnl[:, step] = _worth(chain, candidate, prices, elapsed, convention) - outlay_usd - exit_cost_usd
    is_target, is_stop = pnl >= exits.target_usd[0], pnl <= exits.stop_usd[0]
    is_hit = is_target | is_stop
    at = np.where(is_hit.any(axis=1), is_hit.argmax(axis=1), last)
    rows = np.arange(at.size)
    ended = np.where(is_target[rows, at], TARGET, np.where(is_stop[rows, at], STOP, HORIZON)).astype(np.int8)
    return StructureOutcomes(pnl[rows, at], ended, at + 1)


def _worth(
    chain: OptionChain, candidate: Candidates, prices: Floats, elapsed: float, convention: VolatilityConvention
) -> Floats:
    is_leg = candidate.is_leg[0]
    contract: Positions = candidate.contract[0][is_leg]
    expiry = chain.expiry[contract]
    tau = chain.tau_years[expiry]
    share = (tau - elapsed) / tau
    growth = (chain.forward_usd[expiry] / chain.spot_usd) ** share
    ratio = chain.discount[expiry] ** share
    at = np.broadcast_to(prices, (contract.size, prices.size))
    worth = model_values(chain, contract, at, tau - elapsed, growth, ratio, convention)
    return candidate.quantity[0][is_leg] @ worth + candidate.shares[0] * prices
