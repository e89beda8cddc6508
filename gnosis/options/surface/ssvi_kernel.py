"""Compiled SSVI fit: all slices of one surface jointly, within the sufficient conditions against arbitrage.

Levenberg-Marquardt on (artanh rho, logit gamma, ln eta) shared by the slices and ln theta of each slice. A slice meets
the others only through the shared three, so the normal equations are solved by eliminating the thetas. After every step
the thetas are made non-decreasing (pool adjacent violators, exact for the quadratic model at given shared parameters)
and eta is held below its largest admissible value; with 0 <= gamma <= 1 the calendar condition then always holds.
"""

from __future__ import annotations

import math

import numpy as np

from gnosis.options.arrays import Floats, Positions
from gnosis.options.special_functions import vectorised
from gnosis.options.surface.svi_kernel import SLOPE_BOUND, copy_into, solve_band

MAX_ITERATIONS = 80
STOPPING_GAIN = 1e-9
LARGEST_STEP = 1.0
LARGEST_ARTANH, LARGEST_LOGIT = 4.0, 12.0
INSIDE = 1.0 - 1e-9
START_RHO = np.array([-0.9, -0.7, -0.4, 0.0, 0.4])
START_GAMMA = np.array([0.3, 0.5])
START_ETA = np.array([0.1, 0.3, 0.6, 0.95])


@vectorised
def atm_variance(k: Floats, iv: Floats, tau: float) -> float:
    """Return total variance at k = 0, linear between the nearest quotes, flat outside; k ascending."""
    above = 0
    while above < k.size and k[above] < 0.0:
        above += 1
    if above == 0 or above == k.size:
        nearest = iv[min(above, k.size - 1)]
        return nearest * nearest * tau
    low, high = iv[above - 1] * iv[above - 1], iv[above] * iv[above]
    share = -k[above - 1] / (k[above] - k[above - 1])
    return ((1.0 - share) * low + share * high) * tau


@vectorised
def make_rising(log_theta: Floats, weight: Floats) -> None:
    """Replace values that fall by their weighted means (pool adjacent violators)."""
    n = log_theta.size
    mean, mass, size = np.empty(n), np.empty(n), np.empty(n, np.int64)
    blocks = 0
    for i in range(n):
        mean[blocks], mass[blocks], size[blocks] = log_theta[i], weight[i], 1
        blocks += 1
        while blocks > 1 and mean[blocks - 2] > mean[blocks - 1]:
            total = mass[blocks - 2] + mass[blocks - 1]
            mean[blocks - 2] += (mean[blocks - 1] - mean[blocks - 2]) * mass[blocks - 1] / total
            mass[blocks - 2] = total
            size[blocks - 2] += size[blocks - 1]
            blocks -= 1
    at = 0
    for block in range(blocks):
        for _ in range(size[block]):
            log_theta[at] = mean[block]
            at += 1


@vectorised
def largest_log_eta(rho: float, gamma: float, log_theta: Floats, by: Floats) -> float:
    """Return ln of the largest eta free of butterfly arbitrage; ``by`` gets its derivatives by rho and gamma."""
    least = math.inf
    skew = math.log1p(abs(rho))
    for j in range(log_theta.size):
        rise = math.log1p(math.exp(log_theta[j]))
        log_phi = -gamma * log_theta[j] + (gamma - 1.0) * rise
        # theta phi (1 + |rho|) < 4, with room for the density to be summed, and theta phi^2 (1 + |rho|) <= 4
        wing = math.log(2.0 * SLOPE_BOUND) - log_theta[j] - skew - log_phi
        curvature = 0.5 * (math.log(4.0) - log_theta[j] - skew) - log_phi
        if min(wing, curvature) < least:
            least = min(wing, curvature)
            by[0] = -math.copysign(1.0 if wing < curvature else 0.5, rho) / (1.0 + abs(rho))
            by[1] = log_theta[j] - rise
    return least + math.log(INSIDE)


@vectorised
def _normal_equations(
    x: Floats, k: Floats, iv: Floats, width: Floats, tau: Floats, starts: Positions, equations: Floats
) -> float:
    """Fill J'J and J'r and return the objective r'r.

    ``x`` is ln theta of the n slices, artanh rho, logit gamma, ln eta. Column j < n of ``equations`` (5, n + 4) holds
    the products of slice j with the shared three, with itself, and J'r; the last columns those of the shared three
    among themselves, and their J'r.
    """
    n = tau.size
    rho, gamma = math.tanh(x[n]), 1.0 / (1.0 + math.exp(-x[n + 1]))
    row = np.empty(3)
    equations[:] = 0.0
    objective = 0.0
    for j in range(n):
        theta = math.exp(x[j])
        rise = math.log1p(theta)
        phi = math.exp(x[n + 2] - gamma * x[j] + (gamma - 1.0) * rise)
        by_gamma = (rise - x[j]) * gamma * (1.0 - gamma)
        by_theta = -gamma + (gamma - 1.0) * theta / (1.0 + theta)
        for i in range(starts[j], starts[j + 1]):
            z = phi * k[i]
            root = math.sqrt((z + rho) * (z + rho) + 1.0 - rho * rho)
            w = 0.5 * theta * (1.0 + rho * z + root)
            sd = math.sqrt(w * tau[j])
            residual = (sd / tau[j] - iv[i]) / width[i]
            factor = 0.5 / (sd * width[i])
            by_phi = factor * 0.5 * theta * z * (rho + (z + rho) / root)
            row[0] = factor * 0.5 * theta * z * (1.0 + 1.0 / root) * (1.0 - rho * rho)
            row[1] = by_phi * by_gamma
            row[2] = by_phi
            own = factor * w + by_phi * by_theta
            for p in range(3):
                equations[p, j] += row[p] * own
                equations[p, n + 3] += row[p] * residual
                for q in range(p + 1):
                    equations[p, n + q] += row[p] * row[q]
            equations[3, j] += own * own
            equations[4, j] += own * residual
            objective += residual * residual
    return objective


@vectorised
def _hold_at_bound(by_rho: float, by_gamma: float, equations: Floats) -> None:
    """Let ln eta follow its bound: fold its part into those of rho and gamma."""
    n = equations.shape[1] - 4
    corner = equations[2, n + 2]
    equations[0, n] += 2.0 * by_rho * equations[2, n] + by_rho * by_rho * corner
    equations[1, n] += by_gamma * equations[2, n] + by_rho * equations[2, n + 1] + by_rho * by_gamma * corner
    equations[1, n + 1] += 2.0 * by_gamma * equations[2, n + 1] + by_gamma * by_gamma * corner
    for j in range(n):
        equations[0, j] += by_rho * equations[2, j]
        equations[1, j] += by_gamma * equations[2, j]
    equations[0, n + 3] += by_rho * equations[2, n + 3]
    equations[1, n + 3] += by_gamma * equations[2, n + 3]
    for j in range(n + 4):
        equations[2, j] = 0.0
    equations[2, n + 2] = 1.0


@vectorised
def _start(x: Floats, k: Floats, iv: Floats, width: Floats, tau: Floats, starts: Positions, equations: Floats) -> None:
    """Fill ``x`` with ATM total variances and the best of a few shapes, all from the quotes."""
    n = tau.size
    log_theta, weight, by = x[:n], np.empty(n), np.empty(2)
    for j in range(n):
        log_theta[j] = math.log(atm_variance(k[starts[j] : starts[j + 1]], iv[starts[j] : starts[j + 1]], tau[j]))
        weight[j] = starts[j + 1] - starts[j]
    make_rising(log_theta, weight)
    least, best_rho, best_gamma, best_eta = math.inf, 0.0, 0.0, 0.0
    for rho in START_RHO:
        for gamma in START_GAMMA:
            for share in START_ETA:
                x[n], x[n + 1] = math.atanh(rho), math.log(gamma / (1.0 - gamma))
                x[n + 2] = largest_log_eta(rho, gamma, log_theta, by) + math.log(share)
                found = _normal_equations(x, k, iv, width, tau, starts, equations)
                if found < least:
                    least, best_rho, best_gamma, best_eta = found, x[n], x[n + 1], x[n + 2]
    x[n], x[n + 1], x[n + 2] = best_rho, best_gamma, best_eta


@vectorised
def _step(equations: Floats, damping: float, step: Floats) -> bool:
    """Fill ``step`` with the solution of the damped equations, eliminating the thetas; False when there is none."""
    n = step.size - 3
    shared, right = np.empty((3, 3)), np.empty(3)
    for p in range(3):
        right[p] = equations[p, n + 3]
        for q in range(p + 1):
            shared[p, p - q] = equations[p, n + q]
        shared[p, 0] = shared[p, 0] * (1.0 + damping) + 1e-30
    for j in range(n):
        own = equations[3, j] * (1.0 + damping)
        for p in range(3):
            right[p] -= equations[p, j] * equations[4, j] / own
            for q in range(p + 1):
                shared[p, p - q] -= equations[p, j] * equations[q, j] / own
    if not solve_band(shared, right):
        return False
    for j in range(n):
        move = equations[4, j]
        for p in range(3):
            move -= equations[p, j] * right[p]
        step[j] = move / (equations[3, j] * (1.0 + damping))
    for p in range(3):
        step[n + p] = right[p]
    return True


@vectorised
def fit_ssvi(
    k: Floats,
    iv: Floats,
    width: Floats,
    tau: Floats,
    starts: Positions,
    ssvi: Floats,
    raw: Floats,
) -> None:
    """Fill ``ssvi`` (slices, 4: theta, rho, eta, gamma) and ``raw`` (slices, 5), the same slices in raw form.

    Quotes of slice j are ``starts[j]:starts[j + 1]``, k ascending; slices ascend in tau.
    """
    n = tau.size
    equations, trial_equations = np.empty((5, n + 4)), np.empty((5, n + 4))
    x, trial, step, weight, by = np.empty(n + 3), np.empty(n + 3), np.empty(n + 3), np.empty(n), np.empty(2)
    _start(x, k, iv, width, tau, starts, equations)
    objective = _normal_equations(x, k, iv, width, tau, starts, equations)
    damping = 1e-3
    for _ in range(MAX_ITERATIONS):
        rho, gamma = math.tanh(x[n]), 1.0 / (1.0 + math.exp(-x[n + 1]))
        bound = largest_log_eta(rho, gamma, x[:n], by)
        is_bound = x[n + 2] >= bound - 1e-12 and equations[2, n + 3] < 0.0
        copy_into(equations, trial_equations)
        if is_bound:
            _hold_at_bound(by[0] * (1.0 - rho * rho), by[1] * gamma * (1.0 - gamma), trial_equations)
        if not _step(trial_equations, damping, step):
            damping *= 10.0
            continue
        longest = 0.0
        for i in range(n + 3):
            move = min(max(step[i], -LARGEST_STEP), LARGEST_STEP)
            trial[i] = x[i] - move
            longest = max(longest, abs(move))
        for j in range(n):
            weight[j] = equations[3, j]
        make_rising(trial[:n], weight)
        trial[n] = min(max(trial[n], -LARGEST_ARTANH), LARGEST_ARTANH)
        trial[n + 1] = min(max(trial[n + 1], -LARGEST_LOGIT), LARGEST_LOGIT)
        bound = largest_log_eta(math.tanh(trial[n]), 1.0 / (1.0 + math.exp(-trial[n + 1])), trial[:n], by)
        trial[n + 2] = bound if is_bound else min(trial[n + 2], bound)
        found = _normal_equations(trial, k, iv, width, tau, starts, trial_equations)
        if found < objective:
            gain = objective - found
            objective = found
            x, trial = trial, x
            equations, trial_equations = trial_equations, equations
            damping = max(0.1 * damping, 1e-12)
            if gain <= STOPPING_GAIN * objective or objective < 1e-18:
                break
        else:
            damping *= 10.0
            if damping > 1e8 or longest < 1e-13:
                break
    rho, gamma, eta = math.tanh(x[n]), 1.0 / (1.0 + math.exp(-x[n + 1])), math.exp(x[n + 2])
    for j in range(n):
        theta = math.exp(x[j])
        phi = eta * math.exp(-gamma * x[j] + (gamma - 1.0) * math.log1p(theta))
        spread = (1.0 - rho) * (1.0 + rho)
        ssvi[j, 0], ssvi[j, 1], ssvi[j, 2], ssvi[j, 3] = theta, rho, eta, gamma
        raw[j, 0], raw[j, 1], raw[j, 2] = 0.5 * theta * spread, 0.5 * theta * phi, rho
        raw[j, 3], raw[j, 4] = -rho / phi, math.sqrt(spread) / phi
