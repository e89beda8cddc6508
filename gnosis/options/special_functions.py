"""Branch-free exponential, logarithm and scaled complementary error function for compiled kernels.

Loops over these functions are vectorised by the compiler, which calls to the C library are not. Largest relative
errors over the ranges of use: exp 4e-16, log_ratio 3e-16, erfcx 1e-15, the difference of two erfcx 5e-15 however near
to each other their arguments are.

The polynomial of erfcx is the Chebyshev interpolant of ``erfcx(x) (x + 2)`` in the variable ``(x - 2.5)/(x + 4)``,
which maps the half line from -0.75 to a bounded interval (the device of Schonfelder 1978 and Shepherd & Laframboise
1981).

This module imports numba; import it where a kernel is needed, not from the package's front.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic

# "contract" lets a multiplication and an addition be one fused instruction; it reorders nothing.
inlined = numba.njit(inline="always", fastmath={"contract"}, error_model="numpy")
vectorised = numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
compiled = numba.njit(cache=True, nogil=True)

SQRT_HALF = 0.7071067811865476
LN2_HIGH = 0.693147180369123816490
LN2_LOW = 1.90821492927058770002e-10
ROUND_TO_INTEGER = 6755399441055744.0
ERFCX_FROM = -0.75


def _fused(_context: Any, a: Any, b: Any, c: Any) -> Any:
    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return numba.types.float64(a, b, c), build


# a b + c with one rounding, whether or not the processor has an instruction for it.
multiply_add: Any = intrinsic(_fused)


# Even and odd powers are summed apart: two short chains of dependent operations take half the time of a long one.
@inlined
def _erfcx_polynomial(u: float, v: float) -> tuple[float, float]:
    """Return the value at v and the divided difference between u and v, which loses nothing when they meet."""
    uu, vv = u * u, v * v
    even = 1.2701327020436386e-08
    even_slope = even
    even = even * vv + -1.3531949110788347e-07
    even_slope = even_slope * uu + even
    even = even * vv + 8.33148387355885e-07
    even_slope = even_slope * uu + even
    even = even * vv + -4.443929845518733e-06
    even_slope = even_slope * uu + even
    even = even * vv + 2.4872583374661954e-05
    even_slope = even_slope * uu + even
    even = even * vv + -0.00014891538236933412
    even_slope = even_slope * uu + even
    even = even * vv + 0.0008228273256909937
    even_slope = even_slope * uu + even
    even = even * vv + -0.00214230756503126
    even_slope = even_slope * uu + even
    even = even * vv + -0.030006089538554433
    even_slope = even_slope * uu + even
    even = even * vv + 0.035754071922362456
    even_slope = even_slope * uu + even
    even = even * vv + 0.4104049502922494
    even_slope = even_slope * uu + even
    even = even * vv + 0.7957427670277897
    even_slope = even_slope * uu + even
    even = even * vv + 0.948628638275146
    odd = -3.1794317823139667e-09
    odd_slope = odd
    odd = odd * vv + 3.939055814656861e-08
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + -2.741354421134448e-07
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + 1.4755096934794132e-06
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + -6.731562022627927e-06
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + 2.2769124628914073e-05
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + 1.761858671268316e-05
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + -0.001416380120101126
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + 0.014145179782189902
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + 0.02631220990218134
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + -0.18560692325245423
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + -0.6439379508357315
    odd_slope = odd_slope * uu + odd
    odd = odd * vv + -0.8044185272040607
    return even + v * odd, odd + (u + v) * (even_slope + u * odd_slope)


@inlined
def _exp_polynomial(t: float) -> float:
    tt = t * t
    even = 2.08767569878681e-09
    even = even * tt + 2.755731922398589e-07
    even = even * tt + 2.48015873015873e-05
    even = even * tt + 0.001388888888888889
    even = even * tt + 0.041666666666666664
    even = even * tt + 0.5
    even = even * tt + 1.0
    odd = 2.505210838544172e-08
    odd = odd * tt + 2.7557319223985893e-06
    odd = odd * tt + 0.0001984126984126984
    odd = odd * tt + 0.008333333333333333
    odd = odd * tt + 0.16666666666666666
    odd = odd * tt + 1.0
    return even + t * odd


@inlined
def _log_polynomial(t: float) -> float:
    tt = t * t
    even = 0.05263157894736842
    even = even * tt + 0.06666666666666667
    even = even * tt + 0.09090909090909091
    even = even * tt + 0.14285714285714285
    even = even * tt + 0.3333333333333333
    odd = 0.047619047619047616
    odd = odd * tt + 0.058823529411764705
    odd = odd * tt + 0.07692307692307693
    odd = odd * tt + 0.1111111111111111
    odd = odd * tt + 0.2
    return even + t * odd


@inlined
def exp(x: float) -> float:
    """Return e^x; arguments beyond +-708 are clipped, so the result is never 0, subnormal or infinite."""
    x = min(max(x, -708.0), 708.0)
    shifted = x * 1.4426950408889634 + ROUND_TO_INTEGER
    n = shifted - ROUND_TO_INTEGER
    rest = (x - n * LN2_HIGH) - n * LN2_LOW
    power = (np.float64(shifted).view(np.int64) + 1023) << 52 & 0x7FF0000000000000
    return _exp_polynomial(rest) * np.int64(power).view(np.float64)


@inlined
def log_ratio(a: float, b: float, rest: float = 0.0) -> float:
    """Return ln((a + rest)/b) of positive normal numbers, where rest is less than the rounding of a.

    Relative accuracy is kept near a = b, where ln of the rounded quotient has none: after a power of two has brought b
    near a the subtraction is exact.
    """
    exponent = (np.float64(a).view(np.int64) - np.float64(b).view(np.int64) + 0x8000000000000) >> 52
    near = b * np.int64((exponent + 1023) << 52).view(np.float64)
    n = np.int64(0x4338000000000000 + exponent).view(np.float64) - ROUND_TO_INTEGER
    s = ((a - near) + rest) / (a + near)
    z = s * s
    return n * LN2_HIGH + (n * LN2_LOW + (2.0 * s * z * _log_polynomial(z) + 2.0 * s))


@inlined
def erfcx_pair(x: float, gap: float) -> tuple[float, float]:
    """Return erfcx(x + gap) and erfcx(x) - erfcx(x + gap) for x from -0.75 to 1e70 and gap >= 0.

    erfcx(x) = e^(x^2) erfc(x). The difference keeps its relative accuracy when gap is small.
    """
    y = x + gap
    pole_x, pole_y = x + 4.0, y + 4.0
    scale_x, scale_y = x + 2.0, y + 2.0
    poles, scales = pole_x * pole_y, scale_x * scale_y
    # One division instead of four.
    inverse = 1.0 / (poles * scales)
    inverse_poles = inverse * scales
    value, slope = _erfcx_polynomial((x - 2.5) * pole_y * inverse_poles, (y - 2.5) * pole_x * inverse_poles)
    far = value * scale_x * poles * inverse
    return far, gap * inverse * (value * poles - 6.5 * slope * scale_y)
