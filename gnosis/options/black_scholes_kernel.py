"""Compiled loops behind :mod:`gnosis.options.black_scholes`."""

from __future__ import annotations

import numpy as np

from gnosis.options.arrays import Floats
from gnosis.options.special_functions import SQRT_HALF, erfcx_positive, exp, log, vectorised

BLOCK = 256
INVERSE_SQRT_2PI = 0.3989422804014327
N_INPUTS = 7
N_OUTPUTS = 11


# The compiler vectorises the arithmetic only over one scratch buffer with constant offsets: between separate arrays it
# has to assume that writing one may change another.
@vectorised
def price_and_greeks(
    sign: Floats,
    spot: Floats,
    strike: Floats,
    tau: Floats,
    forward: Floats,
    discount: Floats,
    iv: Floats,
    out: Floats,
) -> None:
    """Fill ``out`` (11, n) with price and ten Greeks; inputs have length n; sign is +1 for calls, -1 for puts."""
    n = spot.size
    w = np.empty((N_INPUTS + N_OUTPUTS) * BLOCK)
    for start in range(0, n, BLOCK):
        m = min(BLOCK, n - start)
        for i in range(m):
            w[i] = sign[start + i]
        for i in range(m):
            w[BLOCK + i] = spot[start + i]
        for i in range(m):
            w[2 * BLOCK + i] = strike[start + i]
        for i in range(m):
            w[3 * BLOCK + i] = tau[start + i]
        for i in range(m):
            w[4 * BLOCK + i] = forward[start + i]
        for i in range(m):
            w[5 * BLOCK + i] = discount[start + i]
        for i in range(m):
            w[6 * BLOCK + i] = iv[start + i]
        for i in range(m, BLOCK):
            for k in range(N_INPUTS):
                w[k * BLOCK + i] = 1.0
        for i in range(BLOCK):
            side = w[i]
            s = w[BLOCK + i]
            x = w[2 * BLOCK + i]
            t = w[3 * BLOCK + i]
            f = w[4 * BLOCK + i]
            df = w[5 * BLOCK + i]
            v = w[6 * BLOCK + i]

            root_t = np.sqrt(t)
            total = v * root_t
            carry_discount = f * df / s
            r = -log(df) / t
            b = log(f / s) / t
            q = r - b

            d1 = log(f / x) / total + 0.5 * total
            d2 = d1 - total
            exponent = -0.5 * d1 * d1
            bell = exp(exponent) if exponent > -708.0 else 0.0
            density = carry_discount * bell * INVERSE_SQRT_2PI
            scaled1 = erfcx_positive(abs(d1) * SQRT_HALF)
            scaled2 = erfcx_positive(abs(d2) * SQRT_HALF)
            # F phi(d1) = K phi(d2): one exponential serves both tails, and their difference keeps relative accuracy.
            half_f_bell = 0.5 * f * bell
            tail1 = 0.5 * bell * scaled1
            tail2 = half_f_bell * scaled2 / x
            probability1 = 1.0 - tail1 if side * d1 > 0 else tail1
            probability2 = 1.0 - tail2 if side * d2 > 0 else tail2

            is_call_out = f < x
            near = d1 if is_call_out else -d2
            scaled_near = scaled1 if is_call_out else scaled2
            scaled_far = scaled2 if is_call_out else scaled1
            smaller = f if is_call_out else x
            out_of_money = (
                half_f_bell * (scaled_near - scaled_far)
                if near <= 0
                else smaller - half_f_bell * (scaled_near + scaled_far)
            )
            intrinsic = side * (f - x)

            delta = side * carry_discount * probability1
            strike_leg = side * x * df * probability2
            gamma = density / (s * total)
            vega = s * density * root_t
            w[7 * BLOCK + i] = df * (out_of_money + (intrinsic if intrinsic > 0 else 0.0))
            w[8 * BLOCK + i] = delta
            w[9 * BLOCK + i] = gamma
            w[10 * BLOCK + i] = vega
            w[11 * BLOCK + i] = -0.5 * s * density * v / root_t - r * strike_leg + q * s * delta
            w[12 * BLOCK + i] = t * strike_leg
            w[13 * BLOCK + i] = -density * d2 / v
            w[14 * BLOCK + i] = q * delta - density * (b / total - d2 / (2.0 * t))
            w[15 * BLOCK + i] = vega * d1 * d2 / v
            w[16 * BLOCK + i] = -gamma * (d1 / total + 1.0) / s
            w[17 * BLOCK + i] = gamma * (d1 * d2 - 1.0) / v
        for k in range(N_OUTPUTS):
            for i in range(m):
                out[k, start + i] = w[(N_INPUTS + k) * BLOCK + i]
