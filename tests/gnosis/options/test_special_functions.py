from __future__ import annotations

import mpmath
import numba
import numpy as np

from gnosis.options import special_functions

RANDOM = np.random.default_rng(7)
MP = mpmath.mp.clone()
MP.dps = 40


@numba.njit
def exp_of(x, out):
    for i in range(x.size):
        out[i] = special_functions.exp(x[i])


@numba.njit
def log_ratio_of(a, b, rest, out):
    for i in range(a.size):
        out[i] = special_functions.log_ratio(a[i], b[i], rest[i])


@numba.njit
def erfcx_of(x, gap, far, difference):
    for i in range(x.size):
        far[i], difference[i] = special_functions.erfcx_pair(x[i], gap[i])


@numba.njit
def product_and_rest_of(a, b):
    return a * b, special_functions.multiply_add(a, b, -(a * b))


def erfcx(x: mpmath.mpf) -> mpmath.mpf:
    return MP.exp(x * x) * MP.erfc(x)


def relative_error(found, expected) -> float:
    return max(float(abs(value / true - 1)) for value, true in zip(found.tolist(), expected, strict=True))


def test_exp_agrees_with_numpy_to_rounding():
    x = RANDOM.uniform(-700, 700, 50_000)
    found = np.empty_like(x)
    exp_of(x, found)
    assert np.abs(found / np.exp(x) - 1).max() < 1e-15


def test_log_agrees_with_numpy_to_rounding():
    x = np.exp(RANDOM.uniform(-700, 700, 50_000))
    found = np.empty_like(x)
    log_ratio_of(x, np.ones_like(x), np.zeros_like(x), found)
    assert np.abs(found / np.log(x) - 1).max() < 1e-15


def test_log_ratio_keeps_its_digits_near_one():
    a = RANDOM.uniform(1, 9000, 400)
    b = a * (1 + RANDOM.choice([-0.5, 1.0], 400) * np.exp(RANDOM.uniform(-35, 0.5, 400)))
    a, b = a[a != b], b[a != b]
    # The rest is what a product lost in rounding, up to half an ulp.
    rest = a * RANDOM.uniform(-(2.0**-53), 2.0**-53, a.size)
    found = np.empty_like(a)
    for lost in (np.zeros_like(a), rest):
        log_ratio_of(a, b, lost, found)
        expected = [
            MP.log((MP.mpf(x) + MP.mpf(z)) / MP.mpf(y))
            for x, y, z in zip(a.tolist(), b.tolist(), lost.tolist(), strict=True)
        ]
        assert relative_error(found, expected) < 6e-16


def test_the_rest_of_a_product_is_what_rounding_took():
    product, rest = product_and_rest_of(6001.7, 0.9963)
    assert MP.mpf(product) + MP.mpf(rest) == MP.mpf(6001.7) * MP.mpf(0.9963)
    assert rest != 0


def test_erfcx_and_differences_of_it_agree_with_forty_digits():
    """Gaps from 1e-13 to 20, where the plain difference would keep two digits."""
    x = np.concatenate([RANDOM.uniform(special_functions.ERFCX_FROM, 3, 300), np.exp(RANDOM.uniform(-3, 3.3, 300))])
    gap = np.exp(RANDOM.uniform(-30, 3, 600))
    far, difference = np.empty_like(x), np.empty_like(x)
    erfcx_of(x, gap, far, difference)
    pairs = [(erfcx(MP.mpf(a)), erfcx(MP.mpf(a) + MP.mpf(b))) for a, b in zip(x.tolist(), gap.tolist(), strict=True)]
    assert relative_error(far, [pair[1] for pair in pairs]) < 2e-15
    assert relative_error(difference, [pair[0] - pair[1] for pair in pairs]) < 1e-14
    assert relative_error(far + difference, [pair[0] for pair in pairs]) < 2e-15


def test_erfcx_far_into_the_tail():
    x = np.exp(RANDOM.uniform(5, 12, 100))
    far, difference = np.empty_like(x), np.empty_like(x)
    erfcx_of(x, np.zeros_like(x), far, difference)
    series = [
        (1 - 1 / (2 * y**2) + 3 / (4 * y**4) - 15 / (8 * y**6) + 105 / (16 * y**8)) for y in map(MP.mpf, x.tolist())
    ]
    assert (
        relative_error(far, [s / (MP.mpf(y) * MP.sqrt(MP.pi)) for s, y in zip(series, x.tolist(), strict=True)]) < 2e-15
    )
    assert (difference == 0).all()
