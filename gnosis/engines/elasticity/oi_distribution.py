"""OIDistribution: where open interest sits, by strike and by days to expiry."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnosis.engines.elasticity.inputs import ElasticityInputs
from gnosis.engines.elasticity.labels import united
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.points import Floats, Integers
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import History, banded
from gnosis.options.positioning.bands import summed
from gnosis.reasons import SURE

BUCKETS = ("oi_share_0_1", "oi_share_2_7", "oi_share_8_35", "oi_share_36_plus")
BUCKET_ENDS = (1, 7, 35)


def concentration(strike: Floats, weight: Floats, group: Integers, n: int) -> Floats:
    """Return the sum over strikes of squared shares of each group: 1 when all weight is on one strike.

    Parameters
    ----------
    strike, weight, group
        Of each line, its group in [0, n); NaN for a group without weight.
    n
        Number of groups.

    Examples
    --------
    >>> concentration(np.array([95.0, 100.0, 95.0]), np.array([1.0, 2.0, 1.0]), np.array([0, 0, 0]), 1).tolist()
    [0.5]
    """
    total = np.bincount(group, weight, n)
    order = np.lexsort((strike, group))
    k, g = strike[order], group[order]
    is_new = np.ones(k.size, dtype=bool)
    is_new[1:] = (k[1:] != k[:-1]) | (g[1:] != g[:-1])
    starts = np.flatnonzero(is_new)
    by_strike = np.bincount(np.cumsum(is_new) - 1, weight[order], starts.size)
    squares = np.bincount(g[starts], by_strike * by_strike, n)
    return squares / np.where(total > 0, total, np.nan) ** 2


def process(
    inputs: ElasticityInputs,
    history: History,
    parameters: ElasticityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the distribution of open interest; its confidence is the mean freshness over the listed contracts.

    Null without any contract whose open interest is known; shares are null where it is zero everywhere. The change
    needs the listing: it is over contracts whose open interest is of a later session than that of the listing.
    """
    found = inputs.once("oi_distribution", lambda: _distribution(inputs))
    rank = banded(history.series("oi_hhi", np.asarray(found.values["oi_hhi"])).percentile_rank())
    is_short = {"SHORT_HISTORY": np.isnan(rank) & ~found.reasons["OI_MISSING"]}
    values = {**found.values, "oi_concentration": rank}
    return ProcessorResult(values, found.confidence, united(found.reasons, is_short))


def _distribution(inputs: ElasticityInputs) -> ProcessorResult:
    n, contracts, listed = inputs.n, inputs.contracts, inputs.listed
    known = np.flatnonzero(np.isfinite(contracts.open_interest))
    point, held = contracts.point[known], contracts.open_interest[known]
    has_oi = np.bincount(point, minlength=n) > 0

    def total(values: Floats) -> Floats:
        return summed(point, values, n)

    whole = total(held)
    positive = np.where(whole > 0, whole, np.nan)
    calls = total(np.where(contracts.is_call[known], held, 0.0))
    moneyness = np.log(contracts.strike[known] / inputs.chains.spot[point])
    bucket = np.searchsorted(BUCKET_ENDS, contracts.dte_days[known], side="left")
    notional = total(held * contracts.multiplier[known]) * inputs.chains.spot
    is_pair = np.isfinite(listed.oi_change)
    pairs = np.bincount(listed.point, is_pair, n)
    change = np.bincount(listed.point, np.where(is_pair, listed.oi_change, 0.0), n)
    hhi = concentration(contracts.strike[known], held, point, n)
    values = {
        "put_call_oi_ratio": (whole - calls) / np.where(calls > 0, calls, np.nan),
        "oi_hhi": hhi,
        "oi_effective_strikes": 1.0 / hhi,
        "oi_weighted_dte_days": total(held * contracts.dte_days[known]) / positive,
        "oi_center_log_moneyness": total(held * moneyness) / positive,
        **{name: total(np.where(bucket == b, held, 0.0)) / positive for b, name in enumerate(BUCKETS)},
        "oi_notional_usd": np.where(has_oi, notional, np.nan),
        "oi_change_contracts": np.where(pairs > 0, change, np.nan),
    }
    fresh, coverage, median_age = freshness(listed.oi_age, listed.point, n)
    undated = np.isfinite(contracts.open_interest) & (contracts.oi_session < 0)
    is_low = fresh < SURE
    reasons = {
        "LOW_COVERAGE": has_oi & is_low & (coverage < SURE),
        "OI_MISSING": ~has_oi,
        "OI_STALE": (median_age > 1) | (has_oi & is_low & (coverage >= SURE)),
        "OI_SESSION_UNKNOWN": np.bincount(contracts.point, undated, n) > 0,
        "SHORT_HISTORY": has_oi & (pairs == 0),
    }
    return ProcessorResult(values, np.where(has_oi, fresh, 0.0), reasons)


def freshness(age_sessions: Floats, group: Integers, n: int) -> tuple[Floats, Floats, Floats]:
    """Return the mean of 2^-(age - 1) per group, the share of known ages, and their median.

    Parameters
    ----------
    age_sessions
        Sessions since that of the open interest, at least 1; NaN where unknown, which counts 0 in the mean.
    group, n
        Group of each contract, and how many there are; a group without contracts has freshness and share 0.

    Examples
    --------
    >>> fresh, share, median = freshness(np.array([1.0, 1.0, 3.0, np.nan]), np.zeros(4, dtype=int), 1)
    >>> fresh.item(), share.item(), median.item()
    (0.5625, 0.75, 1.0)
    """
    count = np.maximum(np.bincount(group, minlength=n), 1)
    is_known = np.isfinite(age_sessions)
    weight = np.where(is_known, np.exp2(1.0 - np.where(is_known, age_sessions, 1.0)), 0.0)
    at = np.flatnonzero(is_known)
    share = np.bincount(group[at], minlength=n) / count
    return np.bincount(group, weight, n) / count, share, group_median(age_sessions[at], group[at], n)


def group_median(values: Floats, group: Integers, n: int) -> Floats:
    """Return the median of each group, NaN of an empty one.

    Examples
    --------
    >>> group_median(np.array([3.0, 1.0, 2.0, 7.0]), np.array([0, 0, 0, 2]), 3).tolist()
    [2.0, nan, 7.0]
    """
    order = np.lexsort((values, group))
    ordered = np.append(values[order], np.nan)
    counts = np.bincount(group, minlength=n)
    first = np.cumsum(counts) - counts
    low, high = first + np.maximum(counts - 1, 0) // 2, first + counts // 2
    middle = 0.5 * (ordered[np.minimum(low, values.size)] + ordered[np.minimum(high, values.size)])
    return np.where(counts > 0, middle, np.nan)
