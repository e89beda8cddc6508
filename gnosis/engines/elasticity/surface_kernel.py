"""Compiled loop behind :mod:`gnosis.engines.elasticity.surface`: gamma at hypothetical prices as time passes."""

from __future__ import annotations

import numpy as np

from gnosis.engines.points import Floats, Integers
from gnosis.options.positioning.gamma_profile_kernel import knot_below, smile_iv
from gnosis.options.special_functions import exp, vectorised


@vectorised
def add_gamma_through_time(
    starts: Integers,
    chain: Integers,
    k: Floats,
    iv: Floats,
    slope: Floats,
    tau: Floats,
    log_carry: Floats,
    log_discount: Floats,
    spot: Floats,
    call_size: Floats,
    put_size: Floats,
    log_ratios: Floats,
    horizons: Floats,
    least_tau: float,
    call: Floats,
    put: Floats,
) -> None:
    """Add gamma x size of every line to ``call`` and ``put``, shape (chains, horizons, prices).

    Lines of expiry e, of the chain ``chain[e]``, run from ``starts[e]`` to ``starts[e + 1]``, ascending in k = ln(K/F).
    ``log_ratios`` (chains, prices) are log prices over spot, ``horizons`` (chains, horizons) years from now. A line
    whose time to settlement has run out by then adds nothing.
    """
    prices = log_ratios.shape[1]
    sigma, gamma = np.empty(prices), np.empty(prices)
    for e in range(starts.size - 1):
        first, last = starts[e], starts[e + 1] - 1
        c = chain[e]
        for h in range(horizons.shape[1]):
            left = tau[first] - horizons[c, h]
            if left <= 0.0:
                continue
            share = left / tau[first]
            left = max(left, least_tau)
            root = np.sqrt(left)
            for i in range(first, last + 1):
                if call_size[i] == 0.0 and put_size[i] == 0.0:
                    continue
                at = k[i] + log_carry[i] * (1.0 - share)
                scale = exp(log_discount[i] * share + log_carry[i] * share) / (spot[c] * np.sqrt(2.0 * np.pi * left))
                knot = i
                for j in range(prices):
                    x = at - log_ratios[c, j]
                    knot = knot_below(k, x, knot, first, last)
                    sigma[j] = smile_iv(k, iv, slope, x, knot)
                for j in range(prices):
                    total = sigma[j] * root
                    d1 = (log_ratios[c, j] - at) / total + 0.5 * total
                    gamma[j] = scale * exp(-0.5 * d1 * d1 - log_ratios[c, j]) / sigma[j]
                for j in range(prices):
                    call[c, h, j] += call_size[i] * gamma[j]
                    put[c, h, j] += put_size[i] * gamma[j]
