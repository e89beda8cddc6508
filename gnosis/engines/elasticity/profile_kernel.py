"""Compiled loop behind :mod:`gnosis.engines.elasticity.profile`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnosis.engines.physics import Floats
from gnosis.options.special_functions import exp, vectorised


@vectorised
def add_gamma(
    starts: NDArray[np.int64],
    chain: NDArray[np.int64],
    k: Floats,
    iv: Floats,
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
    ``scale`` is F DF/(S^2 sqrt(2 pi tau)).
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
                while knot < last and k[knot + 1] <= x:
                    knot += 1
                while knot >= first and k[knot] > x:
                    knot -= 1
                if knot < first:
                    sigma[j] = iv[first]
                    knot = first
                elif knot == last:
                    sigma[j] = iv[last]
                else:
                    share = (x - k[knot]) / (k[knot + 1] - k[knot])
                    sigma[j] = iv[knot] + share * (iv[knot + 1] - iv[knot])
            for j in range(nodes):
                total = sigma[j] * root_tau[i]
                d1 = (log_ratios[j] - k[i]) / total + 0.5 * total
                gamma[j] = scale[i] * exp(-0.5 * d1 * d1) / (ratios[j] * sigma[j])
            c = chain[e]
            for j in range(nodes):
                call[c, j] += call_size[i] * gamma[j]
                put[c, j] += put_size[i] * gamma[j]
