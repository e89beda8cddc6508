"""The Greeks of a chain summed by right, at spot and at hypothetical spots and times, before any dealer side.

Every sum is linear in open interest, so that a sign convention is a weighted sum of calls and puts and needs no second
pass over the contracts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnosis.engines.elasticity.contracts import EXPOSURES, Contracts, Smiles
from gnosis.engines.physics import PATH_RATIOS
from gnosis.engines.points import Floats, Integers
from gnosis.engines.potential import POTENTIAL_RATIOS
from gnosis.options.arrays import frozen
from gnosis.options.chain.clock import SECONDS_PER_YEAR
from gnosis.options.positioning.bands import summed as added
from gnosis.options.positioning.conventions import DEALER_FRACTION
from gnosis.options.pricing.black_scholes import greeks
from gnosis.sessions import schedule

RATIOS = np.concatenate([PATH_RATIOS, POTENTIAL_RATIOS])
PATH, POTENTIAL = slice(0, PATH_RATIOS.size), slice(PATH_RATIOS.size, None)
BUCKET_ENDS = (1, 7, 35)
MICROSECONDS_PER_DAY = 86_400e6
MICROSECONDS_PER_YEAR = SECONDS_PER_YEAR * 1e6
# Results do not depend on it.
THREADS = 2


@dataclass(frozen=True)
class ByRight:
    """Sums over the calls and over the puts of each chain, arrays of shape (points, ...)."""

    call: Floats
    put: Floats

    def under(self, convention: str) -> Floats:
        """Return the sum with the dealer fractions of a convention.

        Examples
        --------
        >>> ByRight(np.array([3.0]), np.array([2.0])).under("naive").tolist()
        [1.0]
        """
        x = DEALER_FRACTION[convention]
        return x["C"] * self.call + x["P"] * self.put

    def gross(self) -> Floats:
        """Return the sum of both."""
        return self.call + self.put


@dataclass(frozen=True)
class GreekField:
    """Sums by right at dealer fraction 1; zero where nothing is known.

    Attributes
    ----------
    exposures
        By name, in the units of :mod:`gnosis.options.positioning.exposure`.
    gamma_by_bucket
        $ per 1 %, shape (points, 4): expiries of 0 to 1, 2 to 7, 8 to 35 and more days.
    profile
        gamma OI M in shares per $ at the spots S x ``RATIOS``, shape (points, nodes).
    delta_down, delta_at, delta_up
        delta OI M in shares at 0.99 S, S and 1.01 S.
    charm_to_close, charm_next_session
        Change of delta exposure in $ until the close, and until the same clock time of the next session.
    expiring
        $, delta exposure at expiry of cash-settled contracts that expire before that time of the next session.
    charm_size, charm_size_0dte
        $ per day, sum of absolute charm exposures, and that of contracts that expire today.
    has_gamma
        Whether any contract has both a volatility and a known open interest.
    """

    exposures: dict[str, ByRight]
    gamma_by_bucket: ByRight
    profile: ByRight
    delta_down: ByRight
    delta_at: ByRight
    delta_up: ByRight
    charm_to_close: ByRight
    charm_next_session: ByRight
    expiring: ByRight
    charm_size: Floats
    charm_size_0dte: Floats
    has_gamma: NDArray[np.bool_]


def greek_field(
    contracts: Contracts,
    smiles: Smiles,
    spot: Floats,
    ts: Integers,
    position: Integers,
    revaluation: str,
) -> GreekField:
    """Return the sums of every chain.

    Parameters
    ----------
    contracts, smiles
        Of all chains.
    spot, ts, position
        Of each chain: $, microseconds since 1970 UTC of its snapshot, rank of its session in the exchange calendar.
    revaluation
        ``sticky_moneyness`` or ``sticky_strike``.
    """
    n = spot.size
    at = np.flatnonzero(contracts.size > 0)
    point, is_put, size = contracts.point[at], ~contracts.is_call[at], contracts.size[at]
    cell = 2 * point + is_put

    def summed(values: Floats, cells: Integers = cell, count: int = n) -> ByRight:
        both = added(cells, values, 2 * count).reshape(count, 2)
        return ByRight(both[:, 0], both[:, 1])

    exposures = {name: summed(contracts.exposures[name][at]) for name in EXPOSURES}
    bucket = np.searchsorted(BUCKET_ENDS, contracts.dte_days[at], side="left")
    buckets = summed(contracts.exposures["gex_usd_per_pct"][at], 2 * (4 * point + bucket) + is_put, 4 * n)
    deltas = _deltas(contracts, smiles, at, revaluation)
    close, following = next_instants(ts, position)
    dollars = size * contracts.spot[at]
    change_to_close = np.zeros(at.size)
    near = np.flatnonzero(contracts.dte_days[at] <= 1)
    cex = contracts.exposures["cex_usd_per_day"][at]
    change_to_close[:] = cex * np.maximum(close - ts, 0)[point] / MICROSECONDS_PER_DAY
    later = delta_at_instant(contracts, at[near], ts[point[near]], close[point[near]])
    change_to_close[near] = dollars[near] * (later - contracts.delta[at[near]])
    later = delta_at_instant(contracts, at, ts[point], following[point])
    expires = contracts.is_cash_settled[at] & (contracts.settles_at[at] <= following[point])
    absolute = np.abs(cex)
    has_gamma = np.zeros(n, dtype=bool)
    has_gamma[contracts.point[contracts.is_priced & np.isfinite(contracts.open_interest)]] = True
    return GreekField(
        exposures=exposures,
        gamma_by_bucket=ByRight(buckets.call.reshape(n, 4), buckets.put.reshape(n, 4)),
        profile=_profile(contracts, smiles, spot, revaluation),
        delta_down=summed(size * deltas[0]),
        delta_at=summed(size * contracts.delta[at]),
        delta_up=summed(size * deltas[1]),
        charm_to_close=summed(change_to_close),
        charm_next_session=summed(dollars * (later - contracts.delta[at])),
        expiring=summed(np.where(expires, dollars * later, 0.0)),
        charm_size=added(point, absolute, n),
        charm_size_0dte=added(point, np.where(contracts.dte_days[at] == 0, absolute, 0.0), n),
        has_gamma=has_gamma,
    )


def next_instants(ts: Integers, position: Integers) -> tuple[Integers, Integers]:
    """Return the close of the session of each instant, and the same time of the next session, its close at the latest.

    Parameters
    ----------
    ts
        Microseconds since 1970 UTC.
    position
        Rank of the session in the exchange calendar.

    Examples
    --------
    >>> import datetime as dt
    >>> days = schedule()["session"]
    >>> wednesday = int(days.search_sorted(dt.date(2012, 11, 21)))
    >>> ts = np.array([schedule()["chain_at"].dt.epoch("us")[wednesday]])
    >>> [dt.datetime.fromtimestamp(x.item() / 1e6, dt.UTC).isoformat() for x in next_instants(ts, np.array(wednesday))]
    ['2012-11-21T21:00:00+00:00', '2012-11-23T18:00:00+00:00']
    """
    calendar = schedule()
    opens, closes = (calendar[name].dt.epoch("us").to_numpy() for name in ("open_at", "close_at"))
    following = np.minimum(position + 1, opens.size - 1)
    return closes[position], np.minimum(opens[following] + ts - opens[position], closes[following])


def intrinsic_delta(spot: ArrayLike, strike: ArrayLike, is_call: ArrayLike) -> Floats:
    """Return the delta of a contract at its expiry: 1 or 0 of a call, -1 or 0 of a put, half of it at the strike.

    Examples
    --------
    >>> intrinsic_delta(100.0, [95.0, 100.0, 95.0, 105.0], [True, True, False, False]).tolist()
    [1.0, 0.5, 0.0, -1.0]
    """
    above = 0.5 * (1.0 + np.sign(np.asarray(spot, dtype=np.float64) - np.asarray(strike, dtype=np.float64)))
    return np.where(np.asarray(is_call), above, above - 1.0)


def delta_after(
    spot: ArrayLike,
    strike: ArrayLike,
    tau_years: ArrayLike,
    forward: ArrayLike,
    discount: ArrayLike,
    iv: ArrayLike,
    is_call: ArrayLike,
    years: ArrayLike,
) -> Floats:
    """Return delta after some time at unchanged spot, volatility, rate and carry; the intrinsic one after expiry.

    Parameters
    ----------
    spot, strike, tau_years, forward, discount, iv, is_call
        As for :func:`gnosis.options.pricing.black_scholes.greeks`, now.
    years
        Time that passes, calendar years, at least 0.

    Examples
    --------
    >>> tau, call = 30 / 365, (100.0, 105.0, 30 / 365, 100.0 * np.exp(0.035 * 30 / 365), np.exp(-0.05 * 30 / 365), 0.2)
    >>> day = delta_after(*call, True, 1 / 365) - delta_after(*call, True, 0.0)
    >>> delta_after(*call, True, tau).item(), round(float(day) * 365, 1)
    (0.0, -1.7)
    """
    s, k, tau, f, df, sigma, passed = (
        np.asarray(values, dtype=np.float64) for values in (spot, strike, tau_years, forward, discount, iv, years)
    )
    calls = np.asarray(is_call)
    left = tau - passed
    is_over = left <= 0
    left = np.where(is_over, tau, left)
    share = left / tau
    found = greeks(s, k, left, s * (f / s) ** share, df**share, sigma, calls, threads=THREADS).delta
    return np.where(is_over, intrinsic_delta(s, k, calls), found)


def delta_at_instant(contracts: Contracts, rows: Integers, now: Integers, then: Integers) -> Floats:
    """Return the delta of some contracts at a later instant (microseconds), that of expiry where they have settled."""
    years = np.maximum(then - now, 0) / MICROSECONDS_PER_YEAR
    tau = contracts.tau_years[rows]
    # The time to settlement has a floor of an hour: what settles is told by the calendar, not by it.
    passed = np.where(contracts.settles_at[rows] <= then, tau, np.minimum(years, tau))
    return delta_after(
        contracts.spot[rows],
        contracts.strike[rows],
        tau,
        contracts.forward[rows],
        contracts.discount[rows],
        contracts.iv[rows],
        contracts.is_call[rows],
        passed,
    )


def _deltas(contracts: Contracts, smiles: Smiles, rows: Integers, revaluation: str) -> list[Floats]:
    """Return the deltas of some contracts at both ends of the path."""
    from gnosis.options.positioning import gamma_profile_kernel

    line = np.full(contracts.size.size, -1)
    line[contracts.is_priced] = smiles.of_contract
    spot, strike, tau, forward, discount, own, is_call = (
        getattr(contracts, name)[rows]
        for name in ("spot", "strike", "tau_years", "forward", "discount", "iv", "is_call")
    )
    starts, k, iv, slope = (
        frozen(values, values.shape) for values in (smiles.starts, smiles.k, smiles.iv, smiles.slope)
    )
    found = []
    for ratio in (RATIOS[0], RATIOS[PATH.stop - 1]):
        sigma = own
        if revaluation == "sticky_moneyness":
            moved = np.empty(k.size)
            gamma_profile_kernel.smile_at(starts, k, iv, slope, np.log(ratio), moved)
            sigma = moved[line[rows]]
        found.append(
            greeks(spot * ratio, strike, tau, forward * ratio, discount, sigma, is_call, threads=THREADS).delta
        )
    return found


def _profile(contracts: Contracts, smiles: Smiles, spot: Floats, revaluation: str) -> ByRight:
    from gnosis.options.positioning import gamma_profile_kernel

    call, put = np.zeros((2, spot.size, RATIOS.size))
    if smiles.k.size == 0:
        return ByRight(call, put)
    priced = np.flatnonzero(contracts.is_priced)
    size, is_call = contracts.size[priced], contracts.is_call[priced]
    sizes = [np.bincount(smiles.of_contract, np.where(side, size, 0.0), smiles.k.size) for side in (is_call, ~is_call)]
    tau = contracts.tau_years[smiles.first]
    forward, discount = contracts.forward[smiles.first], contracts.discount[smiles.first]
    chain = contracts.point[smiles.of_expiry]
    here = spot[contracts.point[smiles.first]]
    scale = forward * discount / (here**2 * np.sqrt(2 * np.pi * tau))
    arrays = [smiles.starts, chain, smiles.k, smiles.iv, smiles.slope, np.sqrt(tau), scale, *sizes, RATIOS]
    starts, chain, k, iv, slope, root_tau, scale, calls, puts, nodes, logs = (
        frozen(values, values.shape) for values in [*arrays, np.log(RATIOS)]
    )
    is_sticky_strike = revaluation == "sticky_strike"
    gamma_profile_kernel.add_gamma(
        starts, chain, k, iv, slope, root_tau, scale, calls, puts, nodes, logs, is_sticky_strike, call, put
    )
    return ByRight(call, put)
