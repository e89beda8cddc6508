"""Readable twins of the hedge features that are read against the past: regimes, their stability, correlation with VIX.

The session's own values are computed anew; those of earlier sessions are the stored ones. None means null.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.hedge_exposures import (
    LEAST_OF_20,
    NORMAL,
    Chain,
    charm_pressure,
    gamma_pressure,
    gamma_sign,
    log_returns,
    on_smile,
    vanna_pressure,
)

YEAR = 252
LEAST_OF_YEAR = 63
PRESSURES = {
    "gamma": ("hedge_gamma_pressure", gamma_pressure),
    "vanna": ("hedge_vanna_pressure", vanna_pressure),
    "charm": ("hedge_charm_pressure", charm_pressure),
}


def past(seen: Seen, column: str, newest: int = 1, sessions: int = YEAR) -> list:
    """Known stored values of so many sessions, the newest so many sessions ago."""
    rows = seen.rows("engines.elasticity", sessions=newest + sessions, sign_convention="naive")
    window = range(newest, newest + sessions)
    return [row[column] for row in rows if seen.back(row["session"]) in window and row[column] is not None]


def quantile(values: Sequence[float], share: float) -> float:
    """Linear between order statistics."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def z_score(value: float | None, sample: Sequence[float]) -> float | None:
    if value is None or len(sample) < LEAST_OF_YEAR or statistics.stdev(sample) == 0:
        return None
    return (value - statistics.fmean(sample)) / statistics.stdev(sample)


def robust_z(value: float | None, sample: Sequence[float]) -> float | None:
    if value is None or len(sample) < LEAST_OF_YEAR:
        return None
    median = statistics.median(sample)
    mad = 1.4826 * statistics.median(abs(x - median) for x in sample)
    return (value - median) / mad if mad else None


def vix_closes(seen: Seen) -> dict[int, float]:
    """Closes of VIX by how many sessions ago they were."""
    rows = seen.rows("raw.index_levels", symbol="^VIX", sessions=YEAR + 21)
    return {seen.back(row["session"]): row["close"] for row in rows}


def vix_volatility(vix: dict[int, float], back: int) -> float | None:
    """Standard deviation of the 20 daily log changes that end so many sessions ago."""
    changes = [math.log(vix[j] / vix[j + 1]) for j in range(back, back + 20) if j in vix and j + 1 in vix]
    return statistics.stdev(changes) if len(changes) >= LEAST_OF_20 else None


def gamma_regime(seen: Seen) -> str | None:
    g, sample = gamma_pressure(seen), past(seen, "hedge_gamma_pressure")
    if g is None or len(sample) < LEAST_OF_YEAR:
        return None
    if g < quantile(sample, 0.2) and g < 0:
        return "short_gamma_squeeze"
    if g > quantile(sample, 0.8) and g > 0:
        return "long_gamma_compression"
    return "low_gamma_expansion" if abs(g) < quantile([abs(x) for x in sample], 0.2) else "neutral"


def vanna_regime(seen: Seen) -> str | None:
    pressure, sample = vanna_pressure(seen), [abs(x) for x in past(seen, "hedge_vanna_pressure")]
    if pressure is None or len(sample) < LEAST_OF_YEAR:
        return None
    v = abs(pressure)
    if v > quantile(sample, 0.8):
        vix = vix_closes(seen)
        earlier = [vix[back] for back in range(1, YEAR + 1) if back in vix]
        if 0 not in vix or len(earlier) < LEAST_OF_YEAR:
            return None
        return "high_vanna_high_vol" if vix[0] > quantile(earlier, 0.8) else "high_vanna_low_vol"
    return "vanna_flow" if v > quantile(sample, 0.5) else "neutral"


def charm_regime(seen: Seen) -> str | None:
    pressure, sample = charm_pressure(seen), [abs(x) for x in past(seen, "hedge_charm_pressure")]
    known = [row for row in Chain(seen).contracts if row["open_interest"] is not None]
    interest = math.fsum(row["open_interest"] for row in known)
    if pressure is None or len(sample) < LEAST_OF_YEAR or interest == 0:
        return None
    days = math.fsum(row["open_interest"] * row["dte_days"] for row in known) / interest
    if abs(pressure) > quantile(sample, 0.8):
        return "high_charm_decay_acceleration" if days < 7 else "charm_decay_dominant"
    return "neutral"


def short_skew(seen: Seen) -> float | None:
    """100 (IV of the 25-delta put - IV of the 25-delta call) at the expiry nearest 10 days within 7 to 14."""
    chain = Chain(seen)
    candidates = {}
    for row in chain.contracts:
        expiry = row["expiry"], row["settlement"], row["root"]
        if row["iv"] is not None and 7 <= row["dte_days"] <= 14 and len(chain.smiles.get(expiry, ())) >= 3:
            # Of two as near the earlier, and of one day the contracts that settle in the afternoon.
            candidates[abs(row["dte_days"] - 10), row["dte_days"], row["settlement"] == "am", expiry] = row
    if not candidates:
        return None
    (*_, expiry), row = min(candidates.items(), key=lambda item: item[0])
    own = (each for each in chain.contracts if (each["expiry"], each["settlement"], each["root"]) == expiry)
    strikes = sorted(math.log(each["strike"] / each["forward"]) for each in own if each["iv"] is not None)
    # |delta| = e^(-q tau) N(+-d1) = 0.25, e^(-q tau) = F DF/S.
    target = NORMAL.inv_cdf(min(0.25 * row["spot"] / (row["forward"] * row["discount"]), 1 - 1e-16))
    put, call = (volatility_where(chain.smiles[expiry], strikes, row["tau_years"], side) for side in (-target, target))
    return None if put is None or call is None else 100 * (put - call)


def volatility_where(knots: list[tuple[float, float]], strikes: list[float], tau: float, target: float) -> float | None:
    """Volatility where d1 falls through a target, by bisection between the listed strikes; None beyond them."""

    def d1(k: float) -> float:
        spread = on_smile(knots, k) * math.sqrt(tau)
        return -k / spread + spread / 2

    for low, high in pairwise(strikes):
        if d1(low) >= target > d1(high):
            for _ in range(100):
                middle = (low + high) / 2
                low, high = (middle, high) if d1(middle) >= target else (low, middle)
            return on_smile(knots, low)
    return None


def jump_risk(seen: Seen) -> str | None:
    vix = vix_closes(seen)
    volatility = [vix_volatility(vix, back) for back in range(YEAR + 1)]
    terms = (
        z_score(volatility[0], [x for x in volatility[1:] if x is not None]),
        z_score(vix.get(0), [vix[back] for back in range(1, YEAR + 1) if back in vix]),
        z_score(short_skew(seen), past(seen, "skew_25d_10d_volpts")),
    )
    known = [z for z in terms if z is not None]
    sign = gamma_sign(seen)
    if not Chain(seen).contracts or len(known) < 2:
        return None
    score = 3 * statistics.fmean(known) + (sign is not None and sign < -0.3)
    if score > 2:
        return "high_jump_risk"
    return "moderate_jump_risk" if score >= 1 else "continuous_diffusion"


def primary_regime(seen: Seen) -> str | None:
    risk = jump_risk(seen)
    if risk == "high_jump_risk":
        return "jump_risk_dominant"
    u = {name: robust_z(of(seen), past(seen, column)) for name, (column, of) in PRESSURES.items()}
    if risk is None or None in u.values():
        return None
    largest = max(u, key=lambda name: abs(u[name]))
    return "neutral" if abs(u[largest]) < 1 else f"{largest}_dominant"


def stability(seen: Seen) -> float | None:
    regimes = [primary_regime(seen), *reversed(past(seen, "hedge_primary_regime", sessions=20))]
    before = past(seen, "hedge_gamma_pressure", sessions=1)
    now = robust_z(gamma_pressure(seen), past(seen, "hedge_gamma_pressure"))
    then = robust_z(before[0] if before else None, past(seen, "hedge_gamma_pressure", newest=2))
    if None in regimes or len(regimes) < 21 or now is None or then is None:
        return None
    changes = sum(new != old for new, old in pairwise(regimes))
    return (1 - changes / 20) * math.exp(-abs(now - then))


def vix_correlation(seen: Seen) -> float | None:
    returns, vix = log_returns(seen, 20), vix_closes(seen)
    pairs = [(r, vix[back] - vix[back + 1]) for back, r in returns.items() if back in vix and back + 1 in vix]
    if not Chain(seen).contracts or len(pairs) < LEAST_OF_20:
        return None
    moves, changes = zip(*pairs, strict=True)
    return statistics.correlation(moves, changes) if len(set(moves)) > 1 and len(set(changes)) > 1 else None
