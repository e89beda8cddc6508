"""SVI slices of total variance: raw and jump-wing form, the density they imply, and their repair.

Total variance is w = iv^2 tau, log-moneyness k = ln(K/F). The fields of a slice are scalars or arrays of one shape, one
element per slice; functions of ``log_moneyness`` broadcast the two.

Sources: Gatheral (2004) for the raw form, Gatheral & Jacquier (2014) for jump wings, density and repair, Lee (2004) for
the wings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats


class RawSvi(NamedTuple):
    """Raw parameters: w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + s^2)).

    Attributes
    ----------
    a, b
        Total variance; b >= 0 and a + b s sqrt(1 - rho^2) >= 0.
    rho
        In (-1, 1).
    m, s
        Log-moneyness; s > 0.
    """

    a: ArrayLike
    b: ArrayLike
    rho: ArrayLike
    m: ArrayLike
    s: ArrayLike


class JumpWing(NamedTuple):
    """Jump-wing parameters, which mean the same at every maturity.

    Attributes
    ----------
    v
        At-the-money variance w(0)/tau, per year.
    psi
        At-the-money skew, d sqrt(w)/dk at k = 0.
    p, c
        Slopes of the left (put) and the right (call) wing over sqrt(w(0)).
    v_min
        Least variance, per year.
    """

    v: ArrayLike
    psi: ArrayLike
    p: ArrayLike
    c: ArrayLike
    v_min: ArrayLike


class TotalVariance(NamedTuple):
    """Total variance and its first two derivatives in log-moneyness."""

    w: Floats
    slope: Floats
    curvature: Floats


def total_variance(raw: RawSvi, log_moneyness: ArrayLike) -> TotalVariance:
    """Return w(k), w'(k) and w''(k).

    Examples
    --------
    >>> vogt = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
    >>> round(float(total_variance(vogt, 0.0).w), 12)
    0.017426252555
    """
    a, b, rho, m, s = (np.asarray(field, dtype=np.float64) for field in raw)
    x = np.asarray(log_moneyness, dtype=np.float64) - m
    root = np.hypot(x, s)
    return TotalVariance(a + b * (rho * x + root), b * (rho + x / root), b * s**2 / root**3)


def jump_wing(raw: RawSvi, tau_years: ArrayLike) -> JumpWing:
    """Return the jump-wing form of raw slices.

    Parameters
    ----------
    raw
        Raw slices with w(0) > 0.
    tau_years
        Time to settlement, ACT/365F, positive.

    Examples
    --------
    >>> wings = jump_wing(RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153), 1.0)
    >>> [round(float(field), 12) for field in wings]
    [0.017426252555, -0.175211140809, 0.699738104117, 1.316798218986, 0.011624903235]
    """
    a, b, rho, _, s = (np.asarray(field, dtype=np.float64) for field in raw)
    tau = np.asarray(tau_years, dtype=np.float64)
    w, slope, _ = total_variance(raw, 0.0)
    sd = np.sqrt(w)
    least = a + b * s * np.sqrt(1 - rho**2)
    return JumpWing(w / tau, slope / (2 * sd), b * (1 - rho) / sd, b * (1 + rho) / sd, least / tau)


def raw_svi(wings: JumpWing, tau_years: ArrayLike) -> RawSvi:
    """Return the raw form of jump-wing slices.

    Raises
    ------
    ValueError
        When a slice has its least variance at the money (psi = 0): its wings leave s undetermined; and when
        p, c, v are not positive, v_min > v, or psi lies outside (-p/2, c/2).

    Notes
    -----
    With rho = sin A and m/sqrt(m^2 + s^2) = sin B the equation for sqrt(m^2 + s^2) of Gatheral & Jacquier (2014, lemma
    3.2) has the denominator 2 sin^2((A - B)/2), which does not cancel.

    Examples
    --------
    >>> raw = raw_svi(JumpWing(0.01742625, -0.1752111, 0.6997381, 0.8564763, 0.0116249), 1.0)
    >>> [round(float(field), 6) for field in raw]
    [-0.03052, 0.102717, 0.100718, 0.272344, 0.412398]
    """
    v, psi, p, c, v_min = (np.asarray(field, dtype=np.float64) for field in wings)
    tau = np.asarray(tau_years, dtype=np.float64)
    fits = (v > 0) & (p > 0) & (c > 0) & (v_min <= v) & (2 * psi > -p) & (2 * psi < c)
    if not np.all(fits):
        raise ValueError(
            f"jump wings: expected v, p, c > 0, v_min <= v and -p/2 < psi < c/2, found {wings}; "
            "such numbers belong to no SVI slice"
        )
    sd = np.sqrt(v * tau)
    b = sd * (c + p) / 2
    rho = (c - p) / (c + p)
    centre = rho - 4 * psi / (c + p)
    half_angle = (np.arcsin(rho) - np.arcsin(centre)) / 2
    if np.any((half_angle == 0) | (v == v_min)):
        raise ValueError(f"jump wings: expected psi other than 0 and v_min < v, found {wings}; s is undetermined there")
    radius = (v - v_min) * tau / (2 * b * np.sin(half_angle) ** 2)
    s = radius * np.sqrt((1 - centre) * (1 + centre))
    a = v_min * tau - b * s * np.sqrt((1 - rho) * (1 + rho))
    return RawSvi(a, b, rho, radius * centre, s)


def guaranteed_repair(wings: JumpWing) -> JumpWing:
    """Return the slice with the same v, psi and p whose c and v_min exclude butterfly arbitrage.

    Gatheral & Jacquier (2014, section 5.1): c' = p + 2 psi and v_min' = v 4 p c'/(p + c')^2 make it an SSVI slice.

    Examples
    --------
    >>> repaired = guaranteed_repair(JumpWing(0.01742625, -0.1752111, 0.6997381, 1.316798, 0.0116249))
    >>> round(float(repaired.c), 7), round(float(repaired.v_min), 8)
    (0.3493159, 0.01548182)
    """
    v, psi, p = (np.asarray(field, dtype=np.float64) for field in wings[:3])
    c = p + 2 * psi
    return JumpWing(v, psi, p, c, v * 4 * p * c / (p + c) ** 2)


def wing_slopes(raw: RawSvi) -> tuple[Floats, Floats]:
    """Return b (1 - rho) and b (1 + rho), the slopes of w far to the left and right; each must be below 2 (Lee 2004).

    Examples
    --------
    >>> left, right = wing_slopes(RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153))
    >>> round(float(left), 7), round(float(right), 7)
    (0.0923714, 0.1738286)
    """
    b, rho = np.asarray(raw.b, dtype=np.float64), np.asarray(raw.rho, dtype=np.float64)
    return b * (1 - rho), b * (1 + rho)


def g_limits(raw: RawSvi) -> tuple[Floats, Floats]:
    """Return the limits of g far to the left and right: 1/4 - wing slope^2/16.

    Examples
    --------
    >>> left, right = g_limits(RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153))
    >>> round(float(left), 10), round(float(right), 10)
    (0.2494667203, 0.2481114761)
    """
    left, right = wing_slopes(raw)
    return 0.25 - left**2 / 16, 0.25 - right**2 / 16


def density_factor(raw: RawSvi, log_moneyness: ArrayLike) -> Floats:
    """Return g(k), which has the sign of the density: g >= 0 everywhere means no butterfly arbitrage.

    g = (1 - k w'/(2w))^2 - (w'^2/4)(1/w + 1/4) + w''/2 (Gatheral & Jacquier 2014, equation 2.1).

    Examples
    --------
    >>> round(float(density_factor(RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153), 0.8792625)), 10)
    -0.0328635735
    """
    k = np.asarray(log_moneyness, dtype=np.float64)
    w, slope, curvature = total_variance(raw, k)
    return (1 - k * slope / (2 * w)) ** 2 - slope**2 / 4 * (1 / w + 0.25) + curvature / 2


def log_moneyness_density(raw: RawSvi, log_moneyness: ArrayLike) -> Floats:
    """Return the risk-neutral density of ln(S_T/F) per unit of log-moneyness; negative where there is arbitrage.

    p(k) = g(k) exp(-d2^2/2)/sqrt(2 pi w), d2 = -k/sqrt(w) - sqrt(w)/2 (Gatheral & Jacquier 2014, lemma 2.2).

    Examples
    --------
    >>> round(float(log_moneyness_density(RawSvi(0.0102, 0.09805806757, -0.7, 0.14277254638, 0.14565713165), 0.0)), 6)
    1.991967
    """
    k = np.asarray(log_moneyness, dtype=np.float64)
    w = total_variance(raw, k).w
    d2 = -k / np.sqrt(w) - np.sqrt(w) / 2
    return density_factor(raw, k) * np.exp(-(d2**2) / 2) / np.sqrt(2 * np.pi * w)


def log_moneyness_distribution(raw: RawSvi, log_moneyness: ArrayLike) -> Floats:
    """Return the risk-neutral probability that ln(S_T/F) ends below ``log_moneyness``.

    The derivative of the undiscounted put in strike: Phi(-d2) + phi(d2) w'/(2 sqrt(w)).

    Examples
    --------
    >>> ssvi = RawSvi(0.0102, 0.09805806757, -0.7, 0.14277254638, 0.14565713165)
    >>> log_moneyness_distribution(ssvi, [-0.5, 0.0, 0.5]).round(6).tolist()
    [0.058724, 0.403592, 0.999687]
    """
    from scipy.special import ndtr

    k = np.asarray(log_moneyness, dtype=np.float64)
    w, slope, _ = total_variance(raw, k)
    d2 = -k / np.sqrt(w) - np.sqrt(w) / 2
    return ndtr(-d2) + np.exp(-(d2**2) / 2) / np.sqrt(2 * np.pi) * slope / (2 * np.sqrt(w))
