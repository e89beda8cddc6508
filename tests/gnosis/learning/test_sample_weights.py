"""Sample weights: section 3 and vectors V5 and V6 of the learning specification."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning.labels import labels
from gnosis.learning.uniqueness import WeightingError, average_uniqueness, draw_probabilities, sequential_bootstrap
from gnosis.learning.weights import (
    age_factor,
    effective_sample_size,
    energy_factor,
    normalised,
    sample_weights,
    weights_verdict,
)
from gnosis.sessions import schedule
from tests.gnosis.learning.daily_bars import walk_bars

ONE = np.zeros(3, dtype=np.int64)
START, END = np.array([1, 3, 5]), np.array([3, 4, 6])


def test_uniqueness_of_the_specification() -> None:
    assert average_uniqueness(ONE, START, END).tolist() == pytest.approx([5 / 6, 3 / 4, 1], rel=1e-9)


def test_draw_probabilities_of_the_specification() -> None:
    after = draw_probabilities(ONE, START, END, np.array([1]))
    assert after.tolist() == pytest.approx([5 / 14, 3 / 14, 6 / 14], rel=1e-9)
    before = draw_probabilities(ONE, START, END, np.array([], dtype=np.int64))
    assert before.tolist() == pytest.approx([1 / 3] * 3, rel=1e-9)


def test_weights_of_the_specification() -> None:
    energy = energy_factor(np.array([0.5, 1.0, 2.0, 8.0, 20.0]))
    assert energy.tolist() == pytest.approx([4, 2, 1, 0.25, 0.2], rel=1e-8)
    age = age_factor(np.array([200, 150, 100, 50, 0]))
    weights = normalised(np.array([1, 0.75, 5 / 6, 1, 0.5]), energy, age)
    expected = [2.71161559, 1.16806064, 0.74541630, 0.25687754, 0.11802992]
    assert weights.tolist() == pytest.approx(expected, abs=1e-8)
    assert effective_sample_size(weights) == pytest.approx(2.67300, abs=1e-5)


@st.composite
def intervals(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 40))
    symbol = draw(st.lists(st.sampled_from([3, 7, 1000]), min_size=n, max_size=n))
    start = draw(st.lists(st.integers(8000, 8030), min_size=n, max_size=n))
    length = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    return np.array(symbol), np.array(start), np.array(start) + np.array(length)


def slow_uniqueness(symbol, start, end, among) -> list[float]:
    """Average uniqueness of each label if it stood beside the labels ``among`` (positions, itself not counted)."""
    found = []
    for i in range(len(symbol)):
        shares = []
        for bar in range(start[i], end[i] + 1):
            others = sum(symbol[j] == symbol[i] and start[j] <= bar <= end[j] for j in among)
            shares.append(1 / (1 + others))
        found.append(sum(shares) / len(shares))
    return found


@settings(max_examples=40, deadline=None)
@given(intervals())
def test_uniqueness_equals_that_of_a_slow_twin(spans) -> None:
    symbol, start, end = spans
    n = len(symbol)
    expected = [slow_uniqueness(symbol, start, end, [j for j in range(n) if j != i])[i] for i in range(n)]
    np.testing.assert_allclose(average_uniqueness(symbol, start, end), expected, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(intervals(), st.integers(0, 2**31))
def test_the_bootstrap_draws_in_sequence(spans, seed: int) -> None:
    symbol, start, end = spans
    drawn = sequential_bootstrap(symbol, start, end, 12, np.random.default_rng(seed))
    assert np.array_equal(drawn, sequential_bootstrap(symbol, start, end, 12, np.random.default_rng(seed)))
    # Where labels start on the same line is where the kernel looks for them.
    line = np.lexsort((np.arange(len(symbol)), start, symbol))
    numbers = np.random.default_rng(seed).random(12)
    for draw, number in enumerate(numbers):
        share = slow_uniqueness(symbol, start, end, drawn[:draw].tolist())
        until = np.cumsum(np.array(share)[line]) / sum(share)
        at = line.tolist().index(drawn[draw])
        assert until[at] > number - 1e-9 and (at == 0 or until[at - 1] <= number + 1e-9)
        np.testing.assert_allclose(
            draw_probabilities(symbol, start, end, drawn[:draw]), np.array(share) / sum(share), rtol=1e-12
        )


def test_the_bootstrap_draws_more_unique_labels_than_chance() -> None:
    start = np.arange(200)
    symbol = np.zeros(200, dtype=np.int64)
    rng = np.random.default_rng(5)

    def uniqueness(chosen: np.ndarray) -> float:
        return average_uniqueness(symbol[chosen], start[chosen], start[chosen] + 9).mean()

    drawn = [uniqueness(sequential_bootstrap(symbol, start, start + 9, 20, rng)) for _ in range(100)]
    chance = [uniqueness(rng.integers(0, 200, 20)) for _ in range(100)]
    error = np.sqrt((np.var(drawn) + np.var(chance)) / 100)
    assert np.mean(drawn) - np.mean(chance) > 3 * error


def test_energy_needs_a_positive_scale() -> None:
    assert energy_factor(np.array([np.nan, np.nan])).tolist() == [1.0, 1.0]
    assert energy_factor(np.array([1.0, np.nan, 3.0])).tolist() == pytest.approx([2.0, 1.0, 2 / 3])
    assert energy_factor(np.array([0.0, 1.0, 1000.0])).tolist() == pytest.approx([5.0, 1.0, 0.2])
    for wrong in (-0.5, np.inf):
        with pytest.raises(WeightingError, match="not standardised"):
            energy_factor(np.array([1.0, wrong]))


def rows_of(decided: list[int], ended: list[int], energy: list[float | None], symbol: str = "ABC") -> pl.DataFrame:
    """Rows of models.dataset by the numbers of their sessions from 2014 on."""
    closes = schedule().filter(pl.col("session") >= dt.date(2014, 1, 2))["close_at"]
    return pl.DataFrame(
        {
            "horizon_bars": pl.Series([5] * len(decided), dtype=pl.Int64),
            "symbol": pl.Series([symbol] * len(decided), dtype=pl.String),
            "t0": closes.gather(np.array(decided, dtype=np.int64)),
            "t1": closes.gather(np.array(decided, dtype=np.int64) + 5),
            "barrier_t1": closes.gather(np.array(ended, dtype=np.int64)),
            "movement_energy": pl.Series(energy, dtype=pl.Float64),
        }
    )


def test_a_label_covers_the_bars_after_its_decision() -> None:
    # Bars 1 to 3, 3 to 4 and 5 to 6 of V5 are the labels decided one bar before.
    rows = rows_of([0, 2, 4], [3, 4, 6], [None] * 3)
    found = sample_weights(rows, "barrier_t1", with_energy=False, half_life=1e12)
    assert found.tolist() == pytest.approx((np.array([5 / 6, 3 / 4, 1]) / (31 / 36)).tolist(), rel=1e-9)
    fixed = sample_weights(rows, "t1", with_energy=False, half_life=1e12)
    # Five bars each: 1 to 5, 3 to 7 and 5 to 9.
    sums = [1 + 1 + 1 / 2 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 2 + 1 / 3 + 1 / 2 + 1 / 2, 1 / 3 + 1 / 2 + 1 / 2 + 1 + 1]
    shares = np.array(sums) / 5
    assert fixed.tolist() == pytest.approx((shares / shares.mean()).tolist(), rel=1e-9)


def test_weights_are_the_product_of_their_factors() -> None:
    # No two of these labels share a bar: their uniqueness is 1.
    one = rows_of([0, 1, 10, 500], [1, 5, 12, 505], [0.5, 1.0, None, 8.0])
    rows = pl.concat([one, rows_of([3], [6], [2.0], "XYZ")])
    age = 0.5 ** (np.array([500, 499, 490, 0, 497]) / 250)
    energy = np.array([3.0, 1.5, 1.0, 0.2, 0.75])
    plain = sample_weights(rows, "barrier_t1", with_energy=False)
    assert plain.tolist() == pytest.approx((age / age.mean()).tolist(), rel=1e-8)
    both = age * energy
    heavy = sample_weights(rows, "barrier_t1", with_energy=True)
    assert heavy.tolist() == pytest.approx((both / both.mean()).tolist(), rel=1e-8)
    turned = sample_weights(rows.reverse(), "barrier_t1", with_energy=True)
    assert turned[::-1].tolist() == pytest.approx(heavy.tolist(), rel=1e-12)


def test_weights_of_real_labels() -> None:
    """Labels of overlapping horizons: in the middle of the history h of them cover each bar."""
    bars = pl.concat([walk_bars(150, 1), walk_bars(150, 2, "XYZ")])
    known = labels(bars, horizons=(5,)).drop_nulls("y_meta").with_columns(movement_energy=pl.lit(None, pl.Float64))
    weights = sample_weights(known, "t1", with_energy=True, half_life=1e12)
    assert weights.mean() == pytest.approx(1.0)
    inner = known.with_columns(weight=pl.Series(weights)).filter(symbol="ABC").sort("session")["weight"]
    ratio = inner / inner[40]
    # The first label has its first bar for itself, shares the next with one more, and so on.
    assert ratio[0] == pytest.approx(sum(1 / k for k in range(1, 6)), rel=1e-6)
    assert ratio[20:60].to_list() == pytest.approx([1.0] * 40, rel=1e-6)
    early = sample_weights(known, "barrier_t1", with_energy=True)
    assert np.isfinite(early).all() and (early > 0).all() and early.mean() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: pl.concat([rows, rows.with_columns(horizon_bars=pl.lit(1, pl.Int64))]), "one horizon"),
        (lambda rows: rows.with_columns(t1=pl.lit(None, pl.Datetime("us", "UTC"))), "t1 in every row, found 3 nulls"),
        (lambda rows: rows.with_columns(t1="t0"), "end after they start"),
        (lambda rows: rows.with_columns(movement_energy=-1.0), "0 or more"),
    ],
)
def test_rows_without_weights_are_named(change, message: str) -> None:
    rows = rows_of([0, 2, 4], [3, 4, 6], [1.0] * 3)
    with pytest.raises(WeightingError, match=message):
        sample_weights(change(rows), "t1", with_energy=True)


def test_other_bad_arguments_are_named() -> None:
    with pytest.raises(WeightingError, match="one shape"):
        average_uniqueness(ONE, START, END[:2])
    with pytest.raises(WeightingError, match="none"):
        sequential_bootstrap(ONE[:0], START[:0], END[:0], 3, np.random.default_rng(1))
    with pytest.raises(WeightingError, match="half-life"):
        age_factor(np.array([1]), 0.0)
    for wrong in ([], [1.0, 0.0], [1.0, np.nan]):
        with pytest.raises(WeightingError, match="positive, finite"):
            weights_verdict(np.array(wrong))


def test_verdict_on_the_effective_number_of_rows() -> None:
    """100 rows of which one has nearly all the weight count as hardly more than one (L-3.5)."""

    def of_share(n_heavy: int) -> str:
        return weights_verdict(np.array([1.0] * n_heavy + [1e-9] * (100 - n_heavy)))

    assert [of_share(n) for n in (31, 29, 11, 9)] == ["ok", "warn", "warn", "fail"]
    assert effective_sample_size(np.ones(7)) == pytest.approx(7.0)


def test_nothing_to_weigh() -> None:
    assert sample_weights(rows_of([], [], []), "t1", with_energy=True).shape == (0,)
