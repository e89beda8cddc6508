"""From bars to predictions: what is trained when, what may be seen, and that nights add up to the backfill."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.features.registry import features_of
from gnosis.learning import (
    FeatureRowsError,
    LookAheadError,
    StaleModelError,
    dataset,
    due_folds,
    feature_rows,
    folds_frame,
    predict,
    train,
    walk_forward,
)
from gnosis.learning.labels import labels
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES, as_array, feature_row_sha256
from gnosis.learning.training import configuration_of, stopping_slice
from gnosis.tables import TABLES


def test_matrix_follows_the_registry(learned) -> None:
    order = [feature.name for group in ("technical", "regime", "macro") for feature in features_of(group)]
    assert list(FEATURE_NAMES) == order and len(order) == 27
    values = as_array(learned.features)
    assert values.dtype == np.float32 and values.shape == (learned.features.height, 27)
    assert np.array_equal(np.isnan(values), learned.features.select(order).select(pl.all().is_null()).to_numpy())
    for at, names in CATEGORIES.items():
        present = values[~np.isnan(values[:, at]), at]
        assert set(present.astype(int)) == set(range(len(names)))


def test_row_hash_sees_every_value_and_no_neighbour(learned) -> None:
    values = as_array(learned.features)[:50]
    base = feature_row_sha256(values)
    assert len(set(base)) == 50
    assert feature_row_sha256(values[7:8]) == base[7:8]
    changed = values.copy()
    changed[7, 26] = np.nan if not np.isnan(changed[7, 26]) else 0.0
    assert [at for at, (one, two) in enumerate(zip(base, feature_row_sha256(changed), strict=True)) if one != two] == [
        7
    ]
    other_nan = values.copy()
    other_nan.view(np.uint32)[np.isnan(values)] = 0xFFC00001
    assert feature_row_sha256(other_nan) == base


def test_rows_known_too_late_are_refused(learned) -> None:
    group = learned.features
    late = group.with_columns(known_at=pl.col("as_of") + pl.duration(seconds=1))
    with pytest.raises(LookAheadError, match="known by their as_of"):
        feature_rows(late)
    after_open = group.with_columns(as_of=pl.col("as_of") + pl.duration(days=4))
    with pytest.raises(LookAheadError, match="before the next open"):
        feature_rows(after_open)


def test_incomplete_or_repeated_feature_rows_are_refused(learned) -> None:
    with pytest.raises(FeatureRowsError, match="macro_credit_spread"):
        feature_rows(learned.features.drop("macro_credit_spread"))
    with pytest.raises(FeatureRowsError, match="repeated keys"):
        feature_rows(pl.concat([learned.features, learned.features.head(1)]))


def test_labels_meet_features_at_the_signal_session(learned) -> None:
    row = learned.rows.filter(pl.col("y_dir").is_not_null()).row(100, named=True)
    label = learned.labels.filter(
        (pl.col("symbol") == row["symbol"]) & (pl.col("signal_session") == row["session"])
    ).row(0, named=True)
    assert (label["y_ret"], label["t1"], label["known_at"]) == (row["y_ret"], row["t1"], row["label_known_at"])
    assert learned.rows.height == learned.features.height


def test_trained_table(learned) -> None:
    trained = learned.trained
    TABLES["models.trained"].schema.validate(trained)
    assert trained.height == 3 * len(learned.folds)
    assert (trained["trained_through"] < trained["valid_from"]).all()
    assert trained["model_version"].n_unique() == trained.height
    assert trained["synthetic"].all()
    assert set(configuration_of(trained)) == {"majority", "logistic", "xgboost"}


def test_everything_a_model_saw_was_known_before_it_was_valid(learned) -> None:
    for fold in learned.folds:
        asked = learned.rows["as_of"][int(fold.test[0])]
        seen = learned.rows[fold.train]
        assert seen["t1"].max() < asked and seen["label_known_at"].max() < asked


def test_stopping_slice_is_purged(learned) -> None:
    rows = learned.rows[learned.folds[0].train]
    earlier, later = stopping_slice(rows)
    assert rows["label_known_at"].gather(earlier).max() < rows["as_of"].gather(later).min()
    assert not set(earlier) & set(later)
    assert later.size / rows.height == pytest.approx(0.2, abs=0.01)
    assert rows.height - earlier.size - later.size == 5 * 6


def test_only_what_is_missing_is_trained(learned, monkeypatch) -> None:
    stored = learned.trained.filter(pl.col("fold") < len(learned.folds) - 1)
    due = due_folds(learned.folds, stored)
    assert [fold.number for fold in due] == [len(learned.folds) - 1]
    assert due_folds(learned.folds, learned.trained) == []
    assert due_folds(learned.folds, None) == learned.folds
    fits = []
    from gnosis.learning import models

    real = models.fit
    monkeypatch.setattr(models, "fit", lambda name, *rest, **named: fits.append(name) or real(name, *rest, **named))
    assert train(learned.rows, learned.folds, stored).equals(learned.trained)
    assert fits == ["majority", "logistic", "xgboost"]


def test_revised_rows_or_parameters_are_trained_anew(learned) -> None:
    (fold,) = learned.folds[:1]
    only = {"majority": {}}
    stored = train(learned.rows, [fold], parameters=only)
    moved = int(fold.train[0])
    revised = learned.rows.with_columns(
        y_dir=pl.when(pl.int_range(pl.len()) == moved)
        .then(-pl.col("y_dir") - (pl.col("y_dir") == 0))
        .otherwise("y_dir")
    ).with_columns(pl.col("y_dir").cast(pl.Int8))
    again = train(revised, [fold], stored, parameters=only)
    assert again["dataset_sha256"].item() != stored["dataset_sha256"].item()
    assert again["model_sha256"].item() != stored["model_sha256"].item()


def test_nights_add_up_to_the_backfill(market, learned) -> None:
    """Folds, models and predictions made night by night are those of one backfill, bit for bit."""
    bars, features = market
    days = features["session"].unique().sort()
    first = learned.folds_table["test_first"]
    stored = None
    checked = [days.index_of(first[0]) - 1, days.index_of(first[0]), days.index_of(first[1]) + 3, len(days) - 1]
    for at in checked:
        until = pl.col("session") <= days[at]
        rows = dataset(features.filter(until), labels(bars.filter(until), horizons=(5,)))
        folds = walk_forward(rows)
        stored = train(rows, folds, stored)
        done = folds_frame(rows, folds).filter("is_complete")
        assert done.equals(learned.folds_table.head(done.height))
        assert stored.equals(learned.trained.filter(pl.col("valid_from") <= days[at]))
        tonight = predict(features.filter(pl.col("session") == days[at]), stored)
        whole = predict(features, learned.trained).filter(pl.col("session") == days[at])
        assert tonight.equals(whole)


def test_predictions_before_the_first_model_abstain(learned) -> None:
    predictions = predict(learned.features, learned.trained)
    TABLES["models.predictions"].schema.validate(predictions)
    before = predictions.filter(pl.col("session") < learned.trained["valid_from"].min())
    assert (before["abstain_reason"] == "no_model").all()
    assert before.select("p_down", "p_flat", "p_up", "model_version").null_count().row(0) == (before.height,) * 4
    after = predictions.filter(pl.col("session") >= learned.trained["valid_from"].min())
    answered = after.filter(pl.col("abstain_reason").is_null())
    assert answered.height > 0.9 * after.height
    total = answered.select(pl.sum_horizontal("p_down", "p_flat", "p_up")).to_series()
    assert (total - 1).abs().max() < 1e-9
    assert predictions["prediction_id"].n_unique() == predictions.height


@pytest.mark.parametrize(("n_missing", "reason"), [(8, None), (9, "too_many_missing")])
def test_rows_with_too_little_in_them_abstain(learned, n_missing: int, reason: str | None) -> None:
    """30 % of 27 features are 8.1."""
    complete = learned.features.filter(~pl.any_horizontal(pl.col(FEATURE_NAMES).is_null())).tail(1)
    row = complete.with_columns(pl.lit(None).alias(name) for name in FEATURE_NAMES[:n_missing])
    prediction = predict(row, learned.trained).row(0, named=True)
    assert prediction["n_missing"] == n_missing
    assert prediction["abstain_reason"] == reason
    assert (prediction["p_up"] is None) == (reason is not None)
    assert prediction["model_version"] is not None


def test_the_newest_valid_model_answers(learned) -> None:
    predictions = predict(learned.features, learned.trained).filter(pl.col("model_version").is_not_null())
    trees = learned.trained.filter(pl.col("model_name") == "xgboost")
    for row in trees.iter_rows(named=True):
        served = predictions.filter(pl.col("model_version") == row["model_version"])
        assert served["session"].min() == row["valid_from"]


def test_one_row_equals_many_and_order_does_not_matter(learned) -> None:
    rows = learned.features.tail(40)
    many = predict(rows, learned.trained)
    assert predict(rows.sample(fraction=1.0, shuffle=True, seed=4), learned.trained).equals(many)
    for at in (0, 13, 39):
        one = rows[at : at + 1]
        key = (pl.col("session") == one["session"].item()) & (pl.col("symbol") == one["symbol"].item())
        assert predict(one, learned.trained).equals(many.filter(key))


def test_the_future_of_features_and_models_does_not_reach_a_prediction(learned) -> None:
    day = learned.folds_table["test_first"][1]
    past = pl.col("session") <= day
    expected = predict(learned.features, learned.trained).filter(past)
    poisoned = learned.features.with_columns(
        pl.when(past).then(pl.col("tech_momentum_zscore")).otherwise(1e9).alias("tech_momentum_zscore")
    )
    assert predict(poisoned, learned.trained).filter(past).equals(expected)
    known = learned.trained.filter(pl.col("valid_from") <= day)
    assert predict(learned.features.filter(past), known).equals(expected)


def test_models_of_another_feature_list_are_refused(learned) -> None:
    other = learned.trained.with_columns(feature_list_sha256=pl.lit("0" * 64))
    with pytest.raises(StaleModelError, match=r"train models\.trained anew"):
        predict(learned.features.tail(4), other)


def test_nothing_to_predict_is_an_empty_table(learned) -> None:
    empty = predict(learned.features.clear(), learned.trained)
    assert empty.is_empty() and empty.schema == TABLES["models.predictions"].polars_schema
    without = predict(learned.features.tail(4), learned.trained.clear())
    assert (without["abstain_reason"] == "no_model").all()
    assert dt.date(2012, 1, 3) <= without["session"].min()
