"""The serving path: one row, many rows and the native models say the same, to the bit and in time."""

from __future__ import annotations

import datetime as dt
import math
import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning import models
from gnosis.learning.calibrator import Calibrator, calibrator_from_json
from gnosis.learning.forest import UnsupportedModelError
from gnosis.learning.heads import HEADS
from gnosis.learning.problem import Inputs
from gnosis.learning.serving import Served, ServedAnswer, ServingError, StaleModelError
from tests.gnosis.learning.served_models import matrix, trained_fold

FIELDS = ServedAnswer._fields


@pytest.fixture(scope="module")
def trained() -> pl.DataFrame:
    return trained_fold(0, dt.date(2020, 1, 2), seed=1)


@pytest.fixture(scope="module")
def served(trained) -> Served:
    return Served.of(trained)


def native(trained: pl.DataFrame, head: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What XGBoost and the stored calibrator say."""
    row = trained.row(by_predicate=pl.col("head") == head, named=True)
    n = len(values)
    inputs = Inputs(values, np.zeros(n, np.int64), np.arange(n), np.full(n, np.nan))
    raw = models.load("xgboost", row["model_bytes"]).predict(inputs, np.arange(n))
    return raw, calibrator_from_json(row["calibrator"]).apply(raw) if row["calibrator"] else raw


def test_every_head_says_what_xgboost_and_its_calibrator_say(trained, served) -> None:
    values, sigma_bar = matrix(300, seed=7), np.linspace(0.005, 0.05, 300)
    got = dict(zip(FIELDS, served.answers(values, sigma_bar).T, strict=True))
    raw, calibrated = native(trained, "direction", values)
    for at, name in enumerate(("p_down", "p_flat", "p_up")):
        assert np.array_equal(got[f"{name}_raw"], raw[:, at]) and np.array_equal(got[name], calibrated[:, at])
    direction = trained.row(by_predicate=pl.col("head") == "direction", named=True)
    low, high = calibrator_from_json(direction["calibrator"]).interval(raw)
    assert np.array_equal(got["p_up_low"], low[:, 2]) and np.array_equal(got["p_up_high"], high[:, 2])
    for at in range(3):
        assert np.array_equal(got[f"mag_p{at}"], native(trained, "magnitude", values)[1][:, at])
    scale = sigma_bar * math.sqrt(5)
    assert np.array_equal(got["r_hat"], native(trained, "return", values)[0][:, 0] * scale)
    assert np.array_equal(got["r_hat_se"], 0.25 * scale)
    assert got["sigma_hat"] == pytest.approx(np.exp(native(trained, "volatility", values)[0][:, 0]), rel=1e-15)
    assert np.array_equal(got["p_meta"], native(trained, "meta", values)[1][:, 1])


def test_one_row_equals_many_and_threads_change_nothing(served) -> None:
    values, sigma_bar = matrix(70_000, seed=3), np.full(70_000, 0.01)
    many = served.answers(values, sigma_bar)
    assert served.answers(values, sigma_bar, threads=2).tobytes() == many.tobytes()
    for at in (0, 1, 63, 64, 65, 69_999):
        assert np.array(served.answer(values[at], 0.01)).tobytes() == many[at].tobytes()


def test_without_sigma_bar_there_is_no_return_but_everything_else(served) -> None:
    answer = served.answer(matrix(1, seed=2)[0], math.nan)
    unknown = {name for name in FIELDS if math.isnan(getattr(answer, name))}
    assert unknown == {"r_hat", "r_hat_se"}


def test_heads_that_are_not_there_say_nothing(trained) -> None:
    only = Served.of(trained.filter(pl.col("head") == "direction"))
    answer = only.answer(matrix(1, seed=2)[0], 0.01)
    known = [name for name in FIELDS if not math.isnan(getattr(answer, name))]
    assert known == list(FIELDS[:8]) and answer.p_down + answer.p_flat + answer.p_up == pytest.approx(1.0, abs=1e-12)
    assert Served.of(trained.filter(pl.col("head") == "return")).answer(matrix(1, seed=2)[0], 0.01).r_hat_se > 0


def test_the_order_of_the_rows_of_models_trained_does_not_matter(trained, served) -> None:
    values, sigma_bar = matrix(20, seed=5), np.full(20, 0.01)
    assert (
        Served.of(trained.reverse()).answers(values, sigma_bar).tobytes() == served.answers(values, sigma_bar).tobytes()
    )


def test_rows_that_cannot_serve_together_are_refused(trained) -> None:
    with pytest.raises(ServingError, match="one horizon and fold"):
        Served.of(pl.concat([trained, trained.with_columns(fold=pl.lit(1, pl.Int64))]))
    with pytest.raises(ServingError, match="at most one per head"):
        Served.of(pl.concat([trained, trained.head(1)]))
    with pytest.raises(ServingError, match="xgboost"):
        Served.of(trained.clear())
    with pytest.raises(StaleModelError, match="of another; train"):
        Served.of(trained.with_columns(feature_list_sha256=pl.lit("other")))
    swapped = trained.with_columns(
        model_bytes=pl.lit(trained.filter(pl.col("head") == "return")["model_bytes"][0], pl.Binary)
    )
    with pytest.raises(UnsupportedModelError, match="for head direction"):
        Served.of(swapped.filter(pl.col("head") == "direction"))


def test_rows_of_another_form_are_refused(served) -> None:
    with pytest.raises(ValueError, match="float32 row of 141"):
        served.answer(np.zeros(141), 0.01)
    with pytest.raises(ValueError, match="float32 row of 141"):
        served.answer(np.zeros((1, 141), dtype=np.float32), 0.01)
    with pytest.raises(ValueError, match="sigma_bar"):
        served.answers(matrix(3, seed=1), np.zeros(2))


def calibrators() -> st.SearchStrategy[Calibrator]:
    """Calibrators of three classes."""
    number = st.floats(-5, 5).map(lambda value: round(value, 3))
    corner = st.lists(st.integers(0, 1000), min_size=2, max_size=9, unique=True).map(
        lambda found: (tuple(at / 1000 for at in sorted(found)), tuple(np.linspace(0, 1, len(found)).tolist()))
    )
    platt = st.tuples(st.tuples(number), st.tuples(number.map(abs)))
    nothing = ((), (), ())

    def of(method: str, maps: tuple, n: int) -> Calibrator:
        return Calibrator(method, None, n, maps, nothing, nothing, nothing)

    return st.one_of(
        st.builds(of, st.just("platt"), st.tuples(platt, platt, platt), st.integers(1, 5000)),
        st.builds(of, st.just("isotonic"), st.tuples(corner, corner, corner), st.integers(1, 5000)),
        st.builds(of, st.just("identity"), st.just(()), st.integers(0, 5000)),
    )


def twin(calibrator: Calibrator, row: list[float]) -> list[float]:
    """The map of L-7.3 and L-7.4 in plain Python."""
    if calibrator.method == "identity":
        return [value / sum(row) for value in row]
    low = 1 / (calibrator.n + 2)
    mapped = []
    for value, (one, other) in zip(row, calibrator.maps, strict=True):
        if calibrator.method == "isotonic":
            found = float(np.interp(value, one, other))
        else:
            inside = min(max(value, 1e-12), 1 - 1e-12)
            found = 1 / (1 + math.exp(-(one[0] + other[0] * math.log(inside / (1 - inside)))))
        mapped.append(min(max(found, low), 1 - low))
    shares = [value / sum(mapped) for value in mapped]
    if min(shares) < low:
        largest = shares.index(max(shares))
        shares = [max(value, low) for value in shares]
        shares[largest] = 1 - sum(value for at, value in enumerate(shares) if at != largest)
    return shares


@settings(max_examples=60, deadline=None)
@given(calibrators(), st.lists(st.tuples(*[st.floats(1e-6, 1.0)] * 3), min_size=1, max_size=5))
def test_compiled_calibration_is_the_one_of_the_contract(calibrator: Calibrator, odds: list) -> None:
    raw = np.array(odds) / np.array(odds).sum(axis=1, keepdims=True)
    got = calibrator.apply(raw)
    assert got == pytest.approx(np.array([twin(calibrator, row) for row in raw.tolist()]), rel=1e-12, abs=1e-15)
    for at in range(len(raw)):
        assert calibrator.apply(raw[at : at + 1]).tobytes() == got[at].tobytes()
    assert np.isnan(calibrator.interval(raw)[0]).all()


def test_one_row_is_answered_in_time(served) -> None:
    """L-12.3 with room for a busy machine: the figures proper come from benchmarks/learning.py."""
    values = matrix(1_000, seed=4)
    served.answer(values[0], 0.01)
    seconds = []
    for row in values:
        start = time.perf_counter()
        served.answer(row, 0.01)
        seconds.append(time.perf_counter() - start)
    assert np.median(seconds) < 1e-3 and np.quantile(seconds, 0.95) < 1e-2


def test_five_heads_are_served(served) -> None:
    assert list(served.versions) == list(HEADS) and served.horizon == 5
