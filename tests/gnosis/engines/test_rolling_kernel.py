"""Statistics of moving windows: an exact twin, bits that only the window decides, equal values and unknown ones."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest

from gnosis.engines.rolling_kernel import BLOCK, MAX, MEAN, MIN, SD, SLOPE, STATISTICS, SUM, rolling

LENGTHS = (2, 3, 5, 14, 20, 50, 60, 120)


def twin(window, statistic):
    exact = [Fraction(x) for x in window]
    n, mean = len(exact), sum(exact) / len(exact)
    middle = Fraction(n - 1, 2)
    match statistic:
        case 0:
            return float(sum(exact))
        case 1:
            return float(mean)
        case 2:
            return sqrt(sum((x - mean) ** 2 for x in exact) / (n - 1))
        case 3:
            return float(max(exact))
        case 4:
            return float(min(exact))
        case _:
            return float(
                sum((k - middle) * (x - mean) for k, x in enumerate(exact)) / sum((k - middle) ** 2 for k in range(n))
            )


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("statistic", range(len(STATISTICS)), ids=STATISTICS)
def test_values_are_those_of_exact_arithmetic(length, statistic):
    x = 1000.0 + np.cumsum(np.random.default_rng(length).normal(0.0, 1.0, length + 5))
    found = rolling(x, length, statistic)
    assert np.isnan(found[: length - 1]).all()
    expected = [twin(x[t - length + 1 : t + 1], statistic) for t in range(length - 1, x.size)]
    # Of a price of 1000 the last digit is 1e-13.
    np.testing.assert_allclose(found[length - 1 :], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("statistic", (SUM, MEAN, SD, MAX, MIN, SLOPE))
def test_the_window_alone_decides_the_bits(statistic):
    x = np.random.default_rng(1).lognormal(0.0, 1.0, 2 * BLOCK + 77)
    for length in (14, 120):
        whole = rolling(x, length, statistic)
        for last in (length - 1, 500, BLOCK + length - 2, BLOCK + length - 1, x.size - 1):
            alone = rolling(x[last - length + 1 : last + 1].copy(), length, statistic)[-1]
            assert alone.tobytes() == whole[last].tobytes()


@pytest.mark.parametrize("length", LENGTHS)
def test_equal_values_do_not_deviate_at_all(length):
    assert (rolling(np.full(200, 0.1), length, SD)[length - 1 :] == 0.0).all()


@pytest.mark.parametrize("statistic", (SUM, MEAN, SD, MAX, MIN, SLOPE))
def test_an_unknown_value_makes_its_windows_unknown_and_no_other(statistic):
    x = np.random.default_rng(2).normal(0.0, 1.0, 90)
    x[40] = np.nan
    is_unknown = np.isnan(rolling(x, 14, statistic))
    assert np.flatnonzero(is_unknown).tolist() == [*range(13), *range(40, 54)]
