from __future__ import annotations

import numba
import numpy as np
from scipy.special import erfcx

from gnosis.options import special_functions


def over(function, values):
    @numba.njit
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    out = np.empty_like(values)
    loop(values, out)
    return out


RANDOM = np.random.default_rng(7)


def test_exp_agrees_with_numpy_to_rounding():
    x = RANDOM.uniform(-700, 700, 50_000)
    assert np.abs(over(special_functions.exp, x) / np.exp(x) - 1).max() < 1e-15


def test_log_agrees_with_numpy_to_rounding_also_near_one():
    x = np.concatenate([np.exp(RANDOM.uniform(-700, 700, 50_000)), RANDOM.uniform(0.9, 1.1, 50_000)])
    assert np.abs(over(special_functions.log, x) / np.log(x) - 1).max() < 1e-15


def test_erfcx_agrees_with_scipy_far_into_the_tail():
    x = np.concatenate([RANDOM.uniform(0, 3, 50_000), np.exp(RANDOM.uniform(-20, 12, 50_000))])
    assert np.abs(over(special_functions.erfcx_positive, x) / erfcx(x) - 1).max() < 4e-15
    x = np.concatenate([RANDOM.uniform(-1.5, 3, 50_000), x])
    assert np.abs(over(special_functions.erfcx_wide, x) / erfcx(x) - 1).max() < 4e-15
