"""Compiled SVI: total variance, the density factor, and the joint fit of raw slices by Levenberg-Marquardt.

The fit works on (logit of left slope/2, logit of right slope/2, m/scale, ln s, ln of least variance) of every slice.
Every real vector is then a slice with positive variance and wings within the bound of Lee (2004). Slices meet only
through the penalty on calendar gaps between neighbours, so the normal equations are banded.
"""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.arrays import Flags, Floats, Positions
from gnosis.options.special_functions import vectorised

N_PARAMETERS = 5
N_CONSTANTS = 12
BAND = 2 * N_PARAMETERS
MAX_ITERATIONS = 200
STOPPING_GAIN = 1e-7
LARGEST_STEP = 2.0
SLOPE_BOUND = 1.99
LOWEST = np.array([-18.0, -18.0, -1e4, -20.0, -40.0])
HIGHEST = np.array([18.0, 18.0, 1e4, 3.0, 5.0])
G_MARGIN = 1e-3
CALENDAR_MARGIN = 1e-5


@vectorised
def variance_at(a: float, b: float, rho: float, m: float, s: float, k: float) -> float:
    """Return w(k) of a raw slice."""
    x = k - m
    return a + b * (rho * x + math.sqrt(x * x + s * s))


@vectorised
def g_of(w: float, slope: float, curvature: float, k: float) -> float:
    """Return the density factor g from w and its derivatives."""
    tilt = 1.0 - k * slope / (2.0 * w)
    return tilt * tilt - 0.25 * slope * slope * (1.0 / w + 0.25) + 0.5 * curvature


@vectorised
def g_at(a: float, b: float, rho: float, m: float, s: float, k: float) -> float:
    """Return g(k) of a raw slice."""
    x = k - m
    root = math.sqrt(x * x + s * s)
    return g_of(a + b * (rho * x + root), b * (rho + x / root), b * s * s / (root * root * root), k)


@vectorised
def free_of_raw(raw: Floats, scale: float, free: Floats) -> None:
    """Write the unconstrained parameters of a raw slice, moved into the bounds of the fit."""
    a, b, rho, m, s = raw[0], raw[1], raw[2], raw[3], raw[4]
    left = b * (1.0 - rho) / SLOPE_BOUND
    right = b * (1.0 + rho) / SLOPE_BOUND
    free[0] = math.log(max(left, 1e-300) / max(1.0 - left, 1e-300))
    free[1] = math.log(max(right, 1e-300) / max(1.0 - right, 1e-300))
    free[2] = m / scale
    free[3] = math.log(s)
    free[4] = math.log(max(a + b * s * math.sqrt(1.0 - rho * rho), 1e-300))
    for i in range(N_PARAMETERS):
        free[i] = min(max(free[i], LOWEST[i]), HIGHEST[i])


@vectorised
def raw_of_free(free: Floats, scale: float, raw: Floats) -> None:
    """Write the raw slice of unconstrained parameters."""
    left = SLOPE_BOUND / (1.0 + math.exp(-free[0]))
    right = SLOPE_BOUND / (1.0 + math.exp(-free[1]))
    s = math.exp(free[3])
    raw[0] = math.exp(free[4]) - s * math.sqrt(left * right)
    raw[1] = 0.5 * (left + right)
    raw[2] = (right - left) / (right + left)
    raw[3] = free[2] * scale
    raw[4] = s


@vectorised
def _prepare(free: Floats, scale: float, constants: Floats) -> None:
    """Fill what every point of a slice needs: a, tilt, b, m, s and the factors of the derivatives."""
    left = SLOPE_BOUND / (1.0 + math.exp(-free[0]))
    right = SLOPE_BOUND / (1.0 + math.exp(-free[1]))
    s, least, mixed = math.exp(free[3]), math.exp(free[4]), math.sqrt(left * right)
    constants[0] = least - s * mixed
    constants[1] = 0.5 * (right - left)
    constants[2] = 0.5 * (left + right)
    constants[3] = free[2] * scale
    constants[4] = s
    constants[5] = left * (1.0 - left / SLOPE_BOUND)
    constants[6] = right * (1.0 - right / SLOPE_BOUND)
    constants[7] = 0.5 * s * right / mixed
    constants[8] = 0.5 * s * left / mixed
    constants[9] = mixed
    constants[10] = least
    constants[11] = scale


@vectorised
def _variance(constants: Floats, k: float) -> float:
    x = k - constants[3]
    return constants[0] + constants[1] * x + constants[2] * math.sqrt(x * x + constants[4] * constants[4])


@vectorised
def _variance_row(constants: Floats, k: float, factor: float, row: Floats) -> None:
    """Fill ``row`` with the derivatives of w(k) by the five parameters, times ``factor``."""
    x, s = k - constants[3], constants[4]
    root = math.sqrt(x * x + s * s)
    row[0] = factor * (0.5 * (root - x) - constants[7]) * constants[5]
    row[1] = factor * (0.5 * (root + x) - constants[8]) * constants[6]
    row[2] = -factor * (constants[1] + constants[2] * x / root) * constants[11]
    row[3] = factor * (constants[2] * s / root - constants[9]) * s
    row[4] = factor * constants[10]


@vectorised
def _shape_row(constants: Floats, k: float, by_w: float, by_slope: float, by_bend: float, row: Floats) -> None:
    """Fill ``row`` with the derivatives of a function of w, w' and w'' at k; those by the three are given."""
    x, s, b = k - constants[3], constants[4], constants[2]
    root = math.sqrt(x * x + s * s)
    u, steep, bend = x / root, x / (root * root), s * s / (root * root * root)
    slope = constants[1] + b * u
    row[0] = by_w * (0.5 * (root - x) - constants[7]) + by_slope * 0.5 * (u - 1.0) + by_bend * 0.5 * bend
    row[1] = by_w * (0.5 * (root + x) - constants[8]) + by_slope * 0.5 * (u + 1.0) + by_bend * 0.5 * bend
    row[0] *= constants[5]
    row[1] *= constants[6]
    row[2] = (-by_w * slope - by_slope * b * bend + by_bend * 3.0 * b * bend * steep) * constants[11]
    row[3] = by_w * (b * s / root - constants[9]) - by_slope * b * steep * s / root
    row[3] = (row[3] + by_bend * b * bend * (2.0 / s - 3.0 * s / (root * root))) * s
    row[4] = by_w * constants[10]


@vectorised
def _add(normal: Floats, gradient: Floats, at: int, row: Floats, residual: float) -> None:
    """Add a residual of parameters ``at`` to ``at + row.size`` to the band of J'J and to J'r."""
    for i in range(row.size):
        gradient[at + i] += row[i] * residual
        for j in range(i + 1):
            normal[at + i, i - j] += row[i] * row[j]


@vectorised
def _normal_equations(
    free: Floats,
    scale: Floats,
    k: Floats,
    iv: Floats,
    width: Floats,
    tau: Floats,
    starts: Positions,
    points: Floats,
    n_points: int,
    penalty: float,
    clearance: float,
    constants: Floats,
    normal: Floats,
    gradient: Floats,
) -> float:
    """Fill J'J (lower band: row i, distance to the diagonal) and J'r and return the objective r'r."""
    n = tau.size
    pair = np.empty(2 * N_PARAMETERS)
    row, other = pair[:N_PARAMETERS], pair[N_PARAMETERS:]
    normal[:] = 0.0
    gradient[:] = 0.0
    g_margin, calendar_margin = G_MARGIN * clearance, CALENDAR_MARGIN * clearance
    objective = 0.0
    for j in range(n):
        _prepare(free[j], scale[j], constants[j])
    for j in range(n):
        own, at = constants[j], j * N_PARAMETERS
        a, tilt, b, m, s = own[0], own[1], own[2], own[3], own[4]
        for i in range(starts[j], starts[j + 1]):
            sd = math.sqrt(_variance(own, k[i]) * tau[j])
            residual = (sd / tau[j] - iv[i]) / width[i]
            _variance_row(own, k[i], 0.5 / (sd * width[i]), row)
            _add(normal, gradient, at, row, residual)
            objective += residual * residual
        for i in range(n_points):
            point = points[j, i]
            x = point - m
            root = math.sqrt(x * x + s * s)
            w = a + tilt * x + b * root
            slope = tilt + b * x / root
            pull = 1.0 - point * slope / (2.0 * w)
            g = g_of(w, slope, b * s * s / (root * root * root), point)
            if g < g_margin:
                by_w = (pull * point * slope + 0.25 * slope * slope) / (w * w)
                by_slope = -pull * point / w - 0.5 * slope * (1.0 / w + 0.25)
                _shape_row(own, point, penalty * by_w, penalty * by_slope, penalty * 0.5, row)
                residual = penalty * (g - g_margin)
                _add(normal, gradient, at, row, residual)
                objective += residual * residual
            rise = pull - 0.25 * abs(slope)
            if rise < g_margin:
                by_slope = -0.5 * point / w - math.copysign(0.25, slope)
                _shape_row(own, point, penalty * 0.5 * point * slope / (w * w), penalty * by_slope, 0.0, row)
                residual = penalty * (rise - g_margin)
                _add(normal, gradient, at, row, residual)
                objective += residual * residual
            if j + 1 == n:
                continue
            later = _variance(constants[j + 1], point)
            if w * (1.0 + calendar_margin) > later:
                residual = penalty * (math.log(w / later) + calendar_margin)
                _variance_row(own, point, penalty / w, row)
                _variance_row(constants[j + 1], point, -penalty / later, other)
                _add(normal, gradient, at, pair, residual)
                objective += residual * residual
    return objective


@vectorised
def copy_into(source: Floats, target: Floats) -> None:
    """Copy a matrix; compiles ten times as fast as an assignment of slices, which checks shapes."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@vectorised
def solve_band(normal: Floats, right: Floats) -> bool:
    """Solve a positive definite system given by its lower band, in place; False when it is not definite."""
    n, band = normal.shape
    for i in range(n):
        for j in range(max(0, i - band + 1), i + 1):
            total = normal[i, i - j]
            for q in range(max(0, i - band + 1), j):
                total -= normal[i, i - q] * normal[j, j - q]
            if i > j:
                normal[i, i - j] = total / normal[j, 0]
            elif total > 0.0:
                normal[i, 0] = math.sqrt(total)
            else:
                return False
    for i in range(n):
        for q in range(max(0, i - band + 1), i):
            right[i] -= normal[i, i - q] * right[q]
        right[i] /= normal[i, 0]
    for i in range(n - 1, -1, -1):
        for q in range(i + 1, min(n, i + band)):
            right[i] -= normal[q, q - i] * right[q]
        right[i] /= normal[i, 0]
    return True


@vectorised
def fit_slices(
    free: Floats,
    is_fixed: Flags,
    scale: Floats,
    k: Floats,
    iv: Floats,
    width: Floats,
    tau: Floats,
    starts: Positions,
    points: Floats,
    n_points: int,
    penalty: float,
    clearance: float,
) -> float:
    """Improve the slices ``free`` (n, 5) in place and return the objective: squared misses in widths, and penalties.

    At the first ``n_points`` of ``points`` (n, any) g and 1 - k w'/(2w) - |w'|/4 are held above a small margin. The
    second is necessary for g >= 0 (Fukasawa 2012: d1 and d2 fall in k) and, unlike g, tells which way leads out of a
    bad wing. Also w of each slice is held by a small margin below w of the next one; ``clearance`` multiplies the
    margins. Slices that are fixed stay as they are, and their neighbours keep clear of them.
    """
    n = tau.size
    normal, trial_normal = np.empty((n * N_PARAMETERS, BAND)), np.empty((n * N_PARAMETERS, BAND))
    damped, constants = np.empty((n * N_PARAMETERS, BAND)), np.empty((n, N_CONSTANTS))
    gradient, trial_gradient = np.empty(n * N_PARAMETERS), np.empty(n * N_PARAMETERS)
    step = np.empty(n * N_PARAMETERS)
    trial = np.empty((n, N_PARAMETERS))
    objective = _normal_equations(
        free, scale, k, iv, width, tau, starts, points, n_points, penalty, clearance, constants, normal, gradient
    )
    damping = 1e-3
    for _ in range(MAX_ITERATIONS):
        copy_into(normal, damped)
        for i in range(n * N_PARAMETERS):
            step[i] = gradient[i]
            damped[i, 0] = normal[i, 0] * (1.0 + damping) + 1e-30
        for j in range(n):
            if is_fixed[j]:
                for i in range(j * N_PARAMETERS, (j + 1) * N_PARAMETERS):
                    step[i] = 0.0
                    for q in range(BAND):
                        damped[i, q] = 0.0
                        if i + q < n * N_PARAMETERS:
                            damped[i + q, q] = 0.0
                    damped[i, 0] = 1.0
        if not solve_band(damped, step):
            damping *= 10.0
            continue
        longest = 0.0
        for j in range(n):
            for i in range(N_PARAMETERS):
                move = min(max(step[j * N_PARAMETERS + i], -LARGEST_STEP), LARGEST_STEP)
                trial[j, i] = min(max(free[j, i] - move, LOWEST[i]), HIGHEST[i])
                longest = max(longest, abs(trial[j, i] - free[j, i]))
        found = _normal_equations(
            trial,
            scale,
            k,
            iv,
            width,
            tau,
            starts,
            points,
            n_points,
            penalty,
            clearance,
            constants,
            trial_normal,
            trial_gradient,
        )
        if found < objective:
            gain = objective - found
            copy_into(trial, free)
            normal, trial_normal = trial_normal, normal
            gradient, trial_gradient = trial_gradient, gradient
            objective = found
            damping = max(0.1 * damping, 1e-12)
            if gain <= STOPPING_GAIN * objective or objective < 1e-18:
                break
        else:
            damping *= 10.0
            if damping > 1e8 or longest < 1e-13:
                break
    return objective


@vectorised
def spaced_points(low: float, high: float, scale: float, points: Floats) -> None:
    """Fill ``points`` with k = scale sinh(t), t equally spaced: dense within ``scale`` of 0, sparse in the wings."""
    first = math.asinh(low / scale)
    step = (math.asinh(high / scale) - first) / (points.size - 1)
    for i in range(points.size):
        points[i] = scale * math.sinh(first + i * step)
