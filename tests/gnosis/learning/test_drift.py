"""Drift: the population stability index by hand, distances of distributions and many tests at once (V11)."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from scipy.stats import ks_2samp

from gnosis.learning.drift import (
    LARGEST_EXACT,
    holm,
    kolmogorov_smirnov,
    population_stability,
    stability_of_counts,
    status,
)
from gnosis.tables import TABLES
from gnosis.tables.model_scores import DriftStatus


def by_hand(reference, actual):
    """Return the index of counts by bin, the bin of the missing included."""
    bins = len(reference)
    total = 0.0
    for r, a in zip(reference, actual, strict=True):
        expected = (r + 0.5) / (sum(reference) + 0.5 * bins)
        found = (a + 0.5) / (sum(actual) + 0.5 * bins)
        total += (found - expected) * math.log(found / expected)
    return total


def test_of_a_category_by_hand():
    # 100 and 100 against 150 and 50, and the empty bin of the missing.
    reference, actual = np.repeat([0.0, 1.0], 100), np.repeat([0.0, 1.0], [150, 50])
    expected = [(100.5 / 201.5, 150.5 / 201.5), (100.5 / 201.5, 50.5 / 201.5), (0.5 / 201.5, 0.5 / 201.5)]
    worked = sum((a - r) * math.log(a / r) for r, a in expected)
    assert population_stability(reference, actual, is_discrete=True) == pytest.approx(worked)


@pytest.mark.parametrize("n_true", [0, 144, 240])
def test_of_a_rare_flag_by_hand(n_true):
    reference, actual = np.repeat([1.0, 0.0], [60, 1940]), np.repeat([1.0, 0.0], [n_true, 240 - n_true])
    expected = by_hand([1940, 60, 0], [240 - n_true, n_true, 0])
    assert population_stability(reference, actual, is_discrete=True) == pytest.approx(expected)
    assert status(expected) == ("drifted" if n_true else "stable")


def test_of_a_count_with_a_new_value_by_hand():
    reference, actual = np.repeat([0.0, 1.0, 2.0], [1900, 60, 40]), np.repeat([0.0, 5.0], [100, 140])
    expected = by_hand([1900, 60, 40, 0, 0], [100, 0, 0, 140, 0])
    assert population_stability(reference, actual, is_discrete=True) == pytest.approx(expected)


class TestAnAtom:
    # 910 values are 0, the others 1 to 90: every decile is 0, and so the bins are below, at and above it.
    REFERENCE = np.r_[np.zeros(910), np.arange(1.0, 91.0)]

    @pytest.mark.parametrize(
        ("actual", "counts"),
        [
            (np.arange(1.0, 101.0), [0, 0, 100, 0]),
            (np.zeros(100), [0, 100, 0, 0]),
            (np.r_[np.full(50, -1.0), np.zeros(50)], [50, 50, 0, 0]),
            (np.r_[np.full(20, np.nan), np.full(80, 5e-324)], [0, 0, 80, 20]),
        ],
    )
    def test_is_a_bin_of_its_own(self, actual, counts):
        expected = by_hand([0, 910, 90, 0], counts)
        assert population_stability(self.REFERENCE, actual) == pytest.approx(expected)

    def test_leaves_the_other_deciles_as_they_are(self):
        # Deciles 0, 0, 0, 0, then 10.8, 28.6, 46.4, 64.2, 82.1 or so between the values 1 to 100.
        reference = np.r_[np.zeros(80), np.arange(1.0, 101.0)]
        edges = np.quantile(reference, [0.5, 0.6, 0.7, 0.8, 0.9])
        assert np.quantile(reference, 0.4) == 0.0 < edges[0]
        actual = np.r_[np.zeros(20), np.arange(1.0, 101.0)]
        bins = [np.searchsorted(edges, side[side > 0], "right") for side in (reference, actual)]
        counts = [
            [0, zeros, *np.bincount(inside, minlength=6), 0] for zeros, inside in zip((80, 20), bins, strict=True)
        ]
        assert population_stability(reference, actual) == pytest.approx(by_hand(*counts))

    def test_equal_rows_do_not_drift(self):
        assert population_stability(self.REFERENCE, self.REFERENCE) == 0.0


def test_missing_values_are_a_bin():
    reference = np.arange(200.0)
    gone = np.where(np.arange(200) % 2 == 0, np.nan, reference)
    assert status(population_stability(reference, gone)) == "drifted"


def test_too_few_rows_say_nothing():
    assert status(population_stability(np.arange(99.0), np.arange(500.0))) == "insufficient"


def test_every_status_has_its_label_in_the_table():
    found = [status(index) for index in (0.0, 0.1, 0.3, math.nan)]
    assert found == list(get_args(DriftStatus))
    assert TABLES["models.feature_report"].polars_schema["drift"].categories.to_list() == found


class TestVectorsOfTheContract:
    """V11."""

    @pytest.mark.parametrize(
        ("shares", "expected"),
        [
            ([0.05, 0.05, *[0.1] * 6, 0.15, 0.15], 0.10986122886681095),
            ([0.02, 0.03, 0.05, 0.1, 0.1, 0.1, 0.1, 0.15, 0.15, 0.2], 0.3575517171923518),
        ],
    )
    def test_plain_shares(self, shares, expected):
        found = stability_of_counts(np.full(10, 0.1), np.array(shares), pseudo_count=0.0)
        assert found == pytest.approx(expected, rel=1e-9)

    def test_smoothed_counts(self):
        found = stability_of_counts(np.full(10, 20.0), np.array([0.0, 10, 20, 20, 20, 20, 20, 20, 30, 40]))
        assert found == pytest.approx(0.4807438895509642, rel=1e-9)

    def test_distance_of_two_samples(self):
        distance, p = kolmogorov_smirnov(np.arange(1.0, 11.0), np.arange(4.0, 14.0))
        assert distance == pytest.approx(0.3, rel=1e-12)
        assert p == pytest.approx(0.7869297884777761, rel=1e-9)

    def test_many_tests_at_once(self):
        found = holm(np.array([0.001, 0.01, 0.02, 0.04, 0.2]))
        assert found.tolist() == pytest.approx([0.005, 0.04, 0.06, 0.08, 0.2], rel=1e-12)


class TestKolmogorovSmirnov:
    @pytest.mark.parametrize(("m", "n"), [(1, 1), (7, 3), (40, 13), (100, 100), (199, 50)])
    @pytest.mark.parametrize("shift", [0.0, 0.7, 3.0])
    def test_is_exact_for_small_samples(self, m, n, shift):
        rng = np.random.default_rng(m * n)
        reference, actual = rng.normal(size=m), rng.normal(size=n) + shift
        expected = ks_2samp(reference, actual, method="exact")
        found = kolmogorov_smirnov(reference, actual)
        assert found == (pytest.approx(expected.statistic, rel=1e-12), pytest.approx(expected.pvalue, rel=1e-9))

    def test_takes_the_limit_for_large_ones(self):
        rng = np.random.default_rng(5)
        reference, actual = rng.normal(size=2000), rng.normal(size=400) + 0.06
        assert reference.size * actual.size > LARGEST_EXACT
        expected = ks_2samp(reference, actual, method="exact")
        distance, p = kolmogorov_smirnov(reference, actual)
        assert distance == pytest.approx(expected.statistic, rel=1e-12)
        assert expected.pvalue < p < 1.1 * expected.pvalue

    def test_counts_equal_values_once(self):
        reference, actual = np.repeat([0.0, 1.0], [30, 10]), np.repeat([0.0, 1.0, 2.0], [10, 5, 5])
        assert kolmogorov_smirnov(reference, actual)[0] == pytest.approx(ks_2samp(reference, actual).statistic)

    def test_says_nothing_without_values(self):
        assert np.isnan(kolmogorov_smirnov(np.empty(0), np.arange(3.0))).all()


def test_holm_leaves_out_what_was_not_tested():
    p = np.array([0.04, np.nan, 0.01, 0.9])
    found = holm(p)
    assert math.isnan(found[1])
    assert found[[2, 0, 3]].tolist() == pytest.approx([0.03, 0.08, 0.9])
