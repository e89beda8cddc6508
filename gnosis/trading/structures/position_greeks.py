"""Greeks of a position: sums over its legs from the one Greeks library, and their units at the edge."""

from __future__ import annotations

from dataclasses import dataclass

from gnosis.options.pricing.black_scholes import Greeks
from gnosis.trading.structures.chain import Floats, OptionChain
from gnosis.trading.structures.selection import Candidates

DAYS_PER_YEAR = 365.0
PER_POINT = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class PositionGreeks:
    """Greeks of one unit of each candidate in the units in which they are read, shape (candidates,).

    Attributes
    ----------
    delta_shares
        Shares of the underlying with the same exposure.
    gamma_shares_per_usd
        Change of ``delta_shares`` per $1 of price.
    vega_usd_per_volpt
        $ per vol point.
    theta_usd_per_day
        $ per calendar day.
    rho_usd_per_bp
        $ per basis point.
    vanna_shares_per_volpt
        Change of ``delta_shares`` per vol point.
    charm_shares_per_day
        Change of ``delta_shares`` per calendar day.
    """

    delta_shares: Floats
    gamma_shares_per_usd: Floats
    vega_usd_per_volpt: Floats
    theta_usd_per_day: Floats
    rho_usd_per_bp: Floats
    vanna_shares_per_volpt: Floats
    charm_shares_per_day: Floats


def summed_greeks(chain: OptionChain, candidates: Candidates) -> Greeks:
    """Return the sums over legs per unit (per $1, per 1.00 of volatility and rate, per year), shape (candidates,).

    ``price`` is the value by the surface; shares count with delta 1 and their price.
    """
    sums = ((candidates.quantity * field[candidates.contract]).sum(axis=1) for field in chain.greeks)
    found = Greeks(*sums)
    return found._replace(price=found.price + candidates.shares * chain.spot_usd, delta=found.delta + candidates.shares)


def position_greeks(chain: OptionChain, candidates: Candidates) -> PositionGreeks:
    """Return the Greeks of one unit of each candidate: the sums over legs times the multiplier, converted once.

    Examples
    --------
    See :func:`gnosis.trading.structures.ranking.ranked_candidates`.
    """
    sums = summed_greeks(chain, candidates)
    shares = chain.multiplier
    return PositionGreeks(
        delta_shares=shares * sums.delta,
        gamma_shares_per_usd=shares * sums.gamma_per_usd,
        vega_usd_per_volpt=shares * PER_POINT * sums.vega_per_vol,
        theta_usd_per_day=shares * sums.theta_per_year / DAYS_PER_YEAR,
        rho_usd_per_bp=shares * 1e-4 * sums.rho_per_unit,
        vanna_shares_per_volpt=shares * PER_POINT * sums.vanna_per_vol,
        charm_shares_per_day=shares * sums.charm_per_year / DAYS_PER_YEAR,
    )
