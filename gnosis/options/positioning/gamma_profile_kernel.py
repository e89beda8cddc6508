"""Compiled loop behind :mod:`gnosis.options.positioning.gamma_profile`, and the smile lookup at a hypothetical spot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnosis.options.arrays import Floats
from gnosis.options.special_functions import exp, inlined, vectorised


@inlined
def knot_below(k: Floats, x: float, knot: int, first: int, last: int) -> int:
    """Return the last of the ascending knots ``first`` to ``last`` that is not above x, ``first`` where all are."""
    while knot < last and k[knot + 1] <= x:
        knot += 1
    while knot > first and k[knot] > x:
        knot -= 1
    return knot


@inlined
def smile_iv(k: Floats, iv: Floats, slope: Floats, x: float, knot: int) -> float:
    """Return the volatility at log-moneyness x: linear from its knot to the next, flat beyond the ends."""
    return iv[knot] + max(x - k[knot], 0.0) * slope[knot]


@vectorised
def add_gamma(
    starts: NDArray[np.int64],
    chain: NDArray[np.int64],
    k: Floats,
    iv: Floats,
    slope: Floats,
    root_tau: Floats,
    scale: Floats,
    call_size: Floats,
    put_size: Floats,
    ratios: Floats,
    log_ratios: Floats,
    is_sticky_strike: bool,
    call: Floats,
    put: Floats,
) -> None:
    """Add gamma x size of every line to the profiles of its chain, ``call`` and ``put`` of shape (chains, nodes).

    Lines of expiry e, of the chain ``chain[e]``, run from ``starts[e]`` to ``starts[e + 1]``, ascending in k = ln(K/F);
    ``slope`` is that of the volatility up to the next line, 0 on the last; ``scale`` is F DF/(S^2 sqrt(2 pi tau)).
    """
    nodes = ratios.size
    sigma = np.empty(nodes)
    gamma = np.empty(nodes)
    for e in range(starts.size - 1):
        first, last = starts[e], starts[e + 1] - 1
        for i in range(first, last + 1):
            if call_size[i] == 0.0 and put_size[i] == 0.0:
                continue
            knot = i
            for j in range(nodes):
                if is_sticky_strike:
                    sigma[j] = iv[i]
                    continue
                x = k[i] - log_ratios[j]
                knot = knot_below(k, x, knot, first, last)
                sigma[j] = smile_iv(k, iv, slope, x, knot)
            for j in range(nodes):
                total = sigma[j] * root_tau[i]
                d1 = (log_ratios[j] - k[i]) / total + 0.5 * total
                gamma[j] = scale[i] * exp(-0.5 * d1 * d1) / (ratios[j] * sigma[j])
            c = chain[e]
            for j in range(nodes):
                call[c, j] += call_size[i] * gamma[j]
                put[c, j] += put_size[i] * gamma[j]


@vectorised
def smile_at(starts: NDArray[np.int64], k: Floats, iv: Floats, slope: Floats, log_ratio: float, out: Floats) -> None:
    """Fill ``out`` with the volatility of every line at k - log_ratio on the smile of its expiry."""
    for e in range(starts.size - 1):
        first, last = starts[e], starts[e + 1] - 1
        knot = first
        for i in range(first, last + 1):
            x = k[i] - log_ratio
            knot = knot_below(k, x, knot, first, last)
            out[i] = smile_iv(k, iv, slope, x, knot)
