"""GreekFieldMapper: at-the-money volatility, skew and term slope of the smiles, and the quality of the quotes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnosis.engines.elasticity.contracts import Contracts, Smiles
from gnosis.engines.elasticity.inputs import ElasticityInputs
from gnosis.engines.elasticity.labels import united
from gnosis.engines.elasticity.listing import Listed
from gnosis.engines.elasticity.oi_distribution import group_median
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.points import Floats, Integers
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import History, banded
from gnosis.reasons import LEAST_SHARE, SURE

LEAST_STRIKES = 3
DAYS_PER_YEAR = 365.0


def at_the_money(starts: Integers, k: Floats, iv: Floats, slope: Floats) -> Floats:
    """Return the volatility at K = F of each smile: linear between strikes, flat beyond them.

    Parameters
    ----------
    starts
        First strike of each smile, followed by the number of strikes.
    k, iv, slope
        ln(K/F), ascending within a smile, volatility, and its slope up to the next strike.

    Examples
    --------
    >>> at_the_money(np.array([0, 2]), np.array([-0.1, 0.1]), np.array([0.3, 0.2]), np.array([-0.5, 0.0])).round(9)
    array([0.25])
    """
    if starts.size < 2:
        return np.zeros(0)
    below = np.add.reduceat((k <= 0).astype(np.int64), starts[:-1])
    knot = starts[:-1] + np.maximum(below - 1, 0)
    return iv[knot] + np.maximum(-k[knot], 0.0) * slope[knot]


def volatility_at_d1(
    starts: Integers, k: Floats, iv: Floats, slope: Floats, root_tau: Floats, target: Floats
) -> Floats:
    """Return the volatility of each smile at the strike whose d1 is the target; NaN beyond the listed strikes.

    Parameters
    ----------
    starts, k, iv, slope
        As for :func:`at_the_money`.
    root_tau, target
        sqrt(tau) and d1 of each smile. d1 = -k/(iv sqrt(tau)) + iv sqrt(tau)/2 falls along a smile; where it crosses
        the target more than once the lowest strike counts.

    Examples
    --------
    >>> flat = np.array([0, 2]), np.array([-0.1, 0.1]), np.array([0.2, 0.2]), np.zeros(2)
    >>> volatility_at_d1(*flat, np.array([0.3]), np.array([0.67])).tolist()
    [0.2]
    """
    if starts.size < 2:
        return np.zeros(0)
    smile = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    total = iv * root_tau[smile]
    above = -k / total + 0.5 * total >= target[smile]
    crosses = above[:-1] & ~above[1:] & (smile[1:] == smile[:-1])
    at = np.flatnonzero(crosses)
    which, first = np.unique(smile[at], return_index=True)
    at = at[first]
    # With iv = a + b x at x beyond the strike, d1 = target is a quadratic in x; this is its root near 0.
    w, d, a, b = root_tau[which], target[which], iv[at], slope[at]
    square = 0.5 * (b * w) ** 2
    linear = a * b * w * w - d * b * w - 1.0
    constant = 0.5 * (a * w) ** 2 - d * a * w - k[at]
    x = 2.0 * constant / (-linear + np.sqrt(np.maximum(linear * linear - 4.0 * square * constant, 0.0)))
    found = np.full(starts.size - 1, np.nan)
    found[which] = a + b * np.clip(x, 0.0, k[at + 1] - k[at])
    return found


def constant_maturity(tau_years: Floats, iv: Floats, group: Integers, n: int, years: float) -> Floats:
    """Return the volatility at one maturity, linear in total variance between the expiries around it.

    Parameters
    ----------
    tau_years, iv, group
        Of each expiry; ``group`` in [0, n).
    n
        Number of groups; NaN for one whose expiries do not reach around the maturity.
    years
        The maturity.

    Examples
    --------
    >>> tau, iv = np.array([0.1, 0.3]), np.array([0.2, 0.2])
    >>> constant_maturity(tau, iv, np.zeros(2, dtype=int), 1, 0.2).round(12).tolist()
    [0.2]
    """
    order = np.lexsort((tau_years, group))
    tau, w, of_group = tau_years[order], (iv * iv * tau_years)[order], group[order]
    counts = np.bincount(of_group, minlength=n)
    first = np.cumsum(counts) - counts
    below = np.bincount(of_group[tau <= years], minlength=n)
    low = first + below - 1
    is_low = below > 0
    size = max(tau.size - 1, 0)
    if tau.size == 0:
        return np.full(n, np.nan)
    is_exact = is_low & (tau[np.clip(low, 0, size)] == years)
    high = np.where(is_exact, low, low + 1)
    is_between = is_low & (is_exact | (below < counts))
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    width = np.where(tau[high] > tau[low], tau[high] - tau[low], 1.0)
    variance = w[low] + (years - tau[low]) / width * (w[high] - w[low])
    # Where nothing lies beyond the maturity the next group's expiry stands at ``high``, and the line may be negative.
    return np.asarray(np.sqrt(np.where(is_between, variance / years, np.nan)))


def hedge_confidence(factors: Floats) -> Floats:
    """Return the geometric mean of the four factors, shape (points, 4).

    Examples
    --------
    >>> hedge_confidence(np.array([[1.0, 0.81, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]])).round(12).tolist()
    [0.948683298051, 0.0]
    """
    return np.sqrt(np.sqrt(factors[:, 0] * factors[:, 1] * factors[:, 2] * factors[:, 3]))


def quality_factors(listed: Listed, n: int) -> Floats:
    """Return the factors of ``hedge_confidence`` of each point, shape (points, 4); 0 where nothing is listed.

    They are the share of the listed contracts near the money with 0 < bid < ask, the mean of exp(-age/15 min) of their
    quotes, the share of the listed open interest with a volatility, and one less the median relative spread.
    """
    near = np.flatnonzero(listed.is_near)
    group = listed.point[near]
    count = np.bincount(group, minlength=n)
    whole = np.maximum(count, 1)
    interest = np.bincount(listed.point, listed.weight, n)
    usable = np.bincount(listed.point, np.where(listed.is_usable, listed.weight, 0.0), n)
    spread = np.nan_to_num(group_median(listed.relative_spread[near], group, n), nan=1.0)
    factors = (
        np.bincount(group, listed.has_quote[near], n) / whole,
        np.bincount(group, listed.quote_freshness[near], n) / whole,
        usable / np.where(interest > 0, interest, 1.0),
        1.0 - spread,
    )
    return np.clip(np.stack(factors, axis=1), 0.0, 1.0)


def nearest_expiry(
    contracts: Contracts, of_expiry: Integers, is_smile: Floats, n: int, days: int, first: int, last: int
) -> Integers:
    """Return the smile of each point nearest to some days to expiry within a range, -1 where there is none.

    Of two as near the earlier one, the afternoon-settled before the morning-settled.
    """
    dte = contracts.dte_days[of_expiry]
    point = contracts.point[of_expiry]
    at = np.flatnonzero((is_smile > 0) & (dte >= first) & (dte <= last))
    # Of one day the afternoon-settled expiry has the later settlement.
    order = at[np.lexsort((at, -contracts.tau_years[of_expiry[at]], dte[at], np.abs(dte[at] - days), point[at]))]
    chosen = np.full(n, -1)
    which, where = np.unique(point[order], return_index=True)
    chosen[which] = order[where]
    return chosen


def _skew(contracts: Contracts, smiles: Smiles) -> Floats:
    """Return 100 (volatility of the 25-delta put minus the call) of each smile."""
    from scipy.special import ndtri

    terms = smiles.of_expiry
    carry = contracts.forward[terms] * contracts.discount[terms] / contracts.spot[terms]
    root_tau = np.sqrt(contracts.tau_years[terms])
    # Delta of a call is e^(-q tau) N(d1), of a put -e^(-q tau) N(-d1).
    d1 = ndtri(np.minimum(0.25 / carry, 1.0))
    smile = (smiles.starts, smiles.k, smiles.iv, smiles.slope, root_tau)
    return 100.0 * (volatility_at_d1(*smile, -d1) - volatility_at_d1(*smile, d1))


def process(
    inputs: ElasticityInputs,
    history: History,
    parameters: ElasticityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return volatility of the chain; its confidence is ``hedge_confidence``.

    An expiry with fewer than three strikes has no smile and contributes nothing. A maturity that the expiries do not
    reach around, and a delta beyond the listed strikes, are unknown.
    """
    found = inputs.once("greek_field_mapper", lambda: _mapped(inputs))
    rank = banded(history.series("skew_25d_volpts", np.asarray(found.values["skew_25d_volpts"])).percentile_rank())
    is_short = {"SHORT_HISTORY": np.isnan(rank) & ~found.reasons["NO_CHAIN"]}
    return ProcessorResult({**found.values, "skew_regime": rank}, found.confidence, united(found.reasons, is_short))


def _mapped(inputs: ElasticityInputs) -> ProcessorResult:
    n, contracts, smiles = inputs.n, inputs.contracts, inputs.smiles
    is_smile = (np.diff(smiles.starts) >= LEAST_STRIKES).astype(np.float64)
    point, tau = contracts.point[smiles.of_expiry], contracts.tau_years[smiles.of_expiry]
    atm = at_the_money(smiles.starts, smiles.k, smiles.iv, smiles.slope)
    has = is_smile > 0
    atm_30, atm_90 = (
        constant_maturity(tau[has], atm[has], point[has], n, days / DAYS_PER_YEAR) for days in (30.0, 90.0)
    )
    skew = np.append(_skew(contracts, smiles), np.nan)
    month = nearest_expiry(contracts, smiles.of_expiry, is_smile, n, 30, 0, 1 << 30)
    short = nearest_expiry(contracts, smiles.of_expiry, is_smile, n, 10, 7, 14)
    factors = quality_factors(inputs.listed, n)
    quality = hedge_confidence(factors)
    values = {
        "atm_iv_30d": atm_30,
        "atm_iv_90d": atm_90,
        "skew_25d_volpts": skew[month],
        "skew_25d_10d_volpts": skew[short],
        "term_slope_volpts": 100.0 * (atm_90 - atm_30),
        "hedge_confidence": quality,
    }
    quoted, fresh, covered, tight = factors.T
    worst = factors.min(axis=1)
    is_low = quality < SURE

    def lacks(factor: Floats) -> np.ndarray:
        return (factor < LEAST_SHARE) | (is_low & (factor == worst))

    unknown = np.isnan(atm_30) | np.isnan(atm_90) | np.isnan(values["skew_25d_volpts"])
    has_chain = np.bincount(point, is_smile, n) > 0
    reasons = {
        "NO_CHAIN": ~has_chain,
        "LOW_COVERAGE": lacks(quoted) | lacks(covered) | (has_chain & unknown),
        "STALE_QUOTES": lacks(fresh) & inputs.has_quotes,
        "WIDE_SPREADS": lacks(tight) & inputs.has_quotes,
        "CERTIFICATE_FAILED": inputs.has_failed_certificate == 1.0,
        "SOURCE_MISSING": np.full(n, not inputs.has_quotes),
    }
    return ProcessorResult(values, quality, reasons)
