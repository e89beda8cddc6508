"""Trees without XGBoost: margins equal to the native ones bit for bit, or an error that names why not."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning.forest import Forest, UnsupportedModelError
from gnosis.learning.ubjson import UbjsonError, read_ubjson

KINDS = ["q", "q", "c", "q", "c", "q"]
ODD_CATEGORIES = [-1.0, -0.5, -0.0, 0.7, 40.0, 41.0, 63.5, 1e6, 2.0**24, np.inf, -np.inf, np.nan]
ODD_NUMBERS = [np.inf, -np.inf, 3e38, -3e38, 1e-40, -0.0, 0.0, np.nan]


def rows(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=(n, 6)), 1).astype(np.float32)
    values[:, 2], values[:, 4] = rng.integers(0, 41, n), rng.integers(0, 3, n)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


def fitted(objective: str, seed: int, rounds: int = 7, **parameters: object) -> xgb.Booster:
    rng = np.random.default_rng(seed)
    values = rows(300, seed)
    target = {"multi:softprob": rng.integers(0, 3, 300), "binary:logistic": rng.random(300) < rng.uniform(0.05, 0.95)}
    classes = {"num_class": 3} if objective == "multi:softprob" else {}
    data = xgb.QuantileDMatrix(
        values,
        label=target.get(objective, rng.normal(size=300) * 10.0 ** rng.integers(-3, 4)),
        feature_types=KINDS,
        enable_categorical=True,
    )
    settings = {"objective": objective, "nthread": 1, "seed": seed, "max_depth": 3, **classes, **parameters}
    return xgb.train(settings, data, num_boost_round=rounds)


def forest_of(booster: xgb.Booster) -> Forest:
    return Forest.from_ubj(bytes(booster.save_raw(raw_format="ubj")))


@settings(max_examples=30, deadline=None)
@given(
    objective=st.sampled_from(["multi:softprob", "binary:logistic", "reg:squarederror"]),
    seed=st.integers(0, 10_000),
    rounds=st.integers(1, 12),
    parameters=st.fixed_dictionaries(
        {
            "max_depth": st.integers(1, 9),
            "eta": st.floats(0.01, 1.0),
            "min_child_weight": st.sampled_from([0.1, 1.0, 20.0]),
            "max_cat_to_onehot": st.sampled_from([1, 4, 64]),
            "subsample": st.floats(0.5, 1.0),
            "grow_policy": st.sampled_from(["depthwise", "lossguide"]),
            "num_parallel_tree": st.integers(1, 2),
        }
    ),
)
def test_margins_are_the_native_ones_bit_for_bit(objective: str, seed: int, rounds: int, parameters: dict) -> None:
    booster = fitted(objective, seed, rounds, **parameters)
    asked = rows(150, seed + 1)
    rng = np.random.default_rng(seed)
    for at, kind in enumerate(KINDS):
        odd = ODD_CATEGORIES if kind == "c" else ODD_NUMBERS
        asked[rng.permutation(150)[: len(odd)], at] = odd
    native = booster.inplace_predict(asked, predict_type="margin", strict_shape=True)
    forest = forest_of(booster)
    assert forest.margins(asked).tobytes() == native.tobytes()
    lone = [forest.margins(asked[at : at + 1]) for at in range(0, 150, 7)]
    assert np.vstack(lone).tobytes() == native[::7].tobytes()


@pytest.mark.parametrize("share", [1e-6, 0.01, 0.3, 0.5, 0.7, 0.999])
def test_base_score_of_a_probability_becomes_the_native_margin(share: float) -> None:
    booster = fitted("binary:logistic", 3, rounds=1, base_score=share, gamma=1e9)
    asked = rows(5, 4)
    native = booster.inplace_predict(asked, predict_type="margin", strict_shape=True)
    assert forest_of(booster).margins(asked).tobytes() == native.tobytes()


def test_threads_change_nothing() -> None:
    forest = forest_of(fitted("multi:softprob", 8, max_depth=8))
    asked = rows(70_000, 9)
    assert forest.margins(asked, threads=2).tobytes() == forest.margins(asked).tobytes()


def test_forests_side_by_side_answer_as_each_alone() -> None:
    forests = [forest_of(fitted(name, 5)) for name in ("multi:softprob", "reg:squarederror", "binary:logistic")]
    asked = rows(130, 6)
    alone = np.hstack([forest.margins(asked) for forest in forests])
    joined = Forest.joined(forests)
    assert joined.margins(asked).tobytes() == alone.tobytes()
    assert joined.margins(asked[:1]).tobytes() == alone[:1].tobytes()


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        ({"objective": "binary:hinge"}, "objective"),
        ({"objective": "reg:squarederror", "booster": "dart"}, "booster"),
        ({"objective": "reg:squarederror", "max_depth": 14, "min_child_weight": 0, "lambda": 0}, "levels"),
    ],
)
def test_what_would_differ_is_refused(parameters: dict, what: str) -> None:
    # Noise, fitted without restraint, grows as deep as it is allowed to.
    values = np.random.default_rng(1).normal(size=(3000, 3)).astype(np.float32)
    target = np.abs(values).sum(axis=1) > 2.5 if what != "levels" else np.exp(3.0 * values[::-1, 0])
    booster = xgb.train({"nthread": 1, **parameters}, xgb.DMatrix(values, label=target), 1)
    with pytest.raises(UnsupportedModelError, match=what):
        forest_of(booster)


def test_another_version_is_refused() -> None:
    content = bytes(fitted("reg:squarederror", 1).save_raw(raw_format="ubj"))
    assert content.endswith(b"i\x03i\x02i\x00}") or b"version" in content
    at = content.rindex(b"i\x03i")
    with pytest.raises(UnsupportedModelError, match="version"):
        Forest.from_ubj(content[: at + 1] + b"\x04" + content[at + 2 :])


def test_rows_of_another_form_are_refused() -> None:
    forest = forest_of(fitted("reg:squarederror", 1))
    with pytest.raises(ValueError, match="float32 features"):
        forest.margins(np.zeros((3, 6)))
    with pytest.raises(ValueError, match="float32 features"):
        forest.margins(np.zeros((3, 5), dtype=np.float32))
    with pytest.raises(ValueError, match="C-contiguous"):
        forest.margins(np.zeros((6, 3), dtype=np.float32).T)


def test_no_rows_have_no_margins() -> None:
    assert forest_of(fitted("multi:softprob", 1)).margins(np.empty((0, 6), dtype=np.float32)).shape == (0, 3)


def test_ubjson_reads_what_xgboost_says_in_json() -> None:
    import json

    def plain(value: object) -> object:
        if isinstance(value, np.ndarray):
            return value.tolist()
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value

    booster = fitted("multi:softprob", 2)
    read = plain(read_ubjson(bytes(booster.save_raw(raw_format="ubj"))))
    told = json.loads(bytes(booster.save_raw(raw_format="json")))
    assert read["learner"]["learner_model_param"] == told["learner"]["learner_model_param"]
    for one, other in zip(
        read["learner"]["gradient_booster"]["model"]["trees"],
        told["learner"]["gradient_booster"]["model"]["trees"],
        strict=True,
    ):
        assert one["split_indices"] == other["split_indices"] and one["categories"] == other["categories"]
        assert np.array_equal(np.float32(one["split_conditions"]), np.float32(other["split_conditions"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off"),
        (b"{i\x01aU", "cut off"),
        (b"i\x01i\x02", "after it"),
        (b"Q", "marker"),
        (b"[$S#i\x01", "array of numbers"),
        (b"{d\x3f\x80\x00\x00U\x01}", "length"),
    ],
)
def test_damaged_bytes_are_named(content: bytes, message: str) -> None:
    with pytest.raises(UbjsonError, match=message):
        read_ubjson(content)
