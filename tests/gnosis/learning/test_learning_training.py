"""From bars to trained models: what is trained when, what may be seen, and that nights add up to the backfill."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from gnosis.backtest.trials import MemoryLedger, count_trials
from gnosis.features.registry import FEATURES
from gnosis.learning import (
    FeatureRowsError,
    LookAheadError,
    dataset,
    feature_rows,
    fitting,
    folds_frame,
    models,
    train,
    tune,
    tuning,
    walk_forward,
)
from gnosis.learning.heads import HEADS
from gnosis.learning.labels import labels
from gnosis.learning.material import Material, trial_family
from gnosis.learning.matrix import CATEGORIES, FEATURE_NAMES, as_array, feature_row_sha256
from gnosis.learning.training import configuration_of, roster_of
from gnosis.learning.tuning import best_parameters
from gnosis.learning.vault import first_vault_session
from gnosis.tables import TABLES

CODE = "0" * 64
XGBOOST = models.PARAMETERS["xgboost"] | {"max_rounds": 12, "eta": 0.2}
FEW_ROUNDS = models.PARAMETERS | {"xgboost": XGBOOST}


def fit_again(learned, **options):
    asked = {
        "horizon": 5,
        "recorder": MemoryLedger(),
        "code_sha256": CODE,
        "heads": ("direction",),
        "parameters": FEW_ROUNDS,
        "folds": learned.folds,
        "rows": learned.rows,
        "features": learned.features,
    } | options
    return train(asked.pop("features"), asked.pop("rows"), asked.pop("folds"), **asked)


def part_of(learned, head: str = "direction") -> fitting.Part:
    material = Material.of(learned.features, learned.rows, 5)
    part = fitting.Part.of(material.rows, material.inputs, learned.folds[0].train, HEADS[head])
    assert part is not None
    return part


def test_matrix_follows_the_registry(learned) -> None:
    order = [feature.name for feature in FEATURES]
    assert list(FEATURE_NAMES) == order and len(order) == 141
    values = as_array(learned.features)
    assert values.dtype == np.float32 and values.shape == (learned.features.height, 141)
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
    changed[7, 140] = np.nan if not np.isnan(changed[7, 140]) else 0.0
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
    assert set(configuration_of(trained)) == {"direction.majority", "direction.logistic", "direction.xgboost"}
    served = trained.filter(pl.col("model_name") == "xgboost")
    assert served["importance"].list.len().to_list() == [141] * served.height
    assert (served["n_fit"] + served["n_calibration"] < served["n_train"]).all()


def test_every_head_is_trained_on_what_it_is_asked(learned) -> None:
    trained = fit_again(learned, folds=learned.folds[:1], heads=tuple(HEADS))
    TABLES["models.trained"].schema.validate(trained)
    found = {head: set(part["model_name"]) for (head,), part in trained.group_by("head")}
    assert found["direction"] == found["magnitude"] == found["meta"] == {"majority", "logistic", "xgboost"}
    assert found["volatility"] == {"majority", "ewma", "ridge", "xgboost"}
    assert found["return"] == {"majority", "ridge", "xgboost"}
    numbers = pl.col("head").is_in(["volatility", "return"])
    assert trained.filter(numbers)["calibrator"].null_count() == 7
    assert trained.filter(~numbers)["calibrator"].null_count() == 0
    assert trained.filter(~numbers)["residual_error"].null_count() == 9
    assert trained.filter(pl.col("head") == "magnitude")["class_edges"].list.len().to_list() == [2, 2, 2]


def test_everything_a_model_saw_was_known_before_it_was_valid(learned) -> None:
    for fold in learned.folds:
        asked = learned.rows["as_of"][int(fold.test[0])]
        seen = learned.rows[fold.train]
        assert seen["t1"].max() < asked and seen["label_known_at"].max() < asked


def test_calibration_and_stopping_rows_were_never_fitted(learned) -> None:
    part = part_of(learned)
    rows = part.rows
    assert rows["label_known_at"].gather(part.fit).max() < rows["as_of"].gather(part.calibration).min()
    assert part.calibration.size / rows.height == pytest.approx(0.2, abs=0.01)
    assert rows.height - part.fit.size - part.calibration.size == 5 * 6
    problem = part.problem(part.fit, part.weights(with_energy=False), {}, 1)
    earlier, later = problem.rows[problem.earlier], problem.rows[problem.later]
    assert learned.rows["label_known_at"].gather(earlier).max() < learned.rows["as_of"].gather(later).min()


def test_out_of_fold_answers_come_from_models_of_other_rows(learned, monkeypatch) -> None:
    part = part_of(learned)
    seen = []
    real = models.fit

    def watched(name, problem):
        seen.append(problem.rows)
        return real(name, problem)

    monkeypatch.setattr(models, "fit", watched)
    weights = part.weights(with_energy=False)
    answers = fitting.out_of_fold("majority", part, {}, 1, weights)
    assert np.isfinite(answers).all() and len(seen) == fitting.INNER_FOLDS
    t0, t1 = (instants[part.fit] for instants in part.times)
    at = {position: number for number, position in enumerate(part.positions[part.fit])}
    for rows in seen:
        used = np.array([at[row] for row in rows])
        asked = np.setdiff1d(np.arange(part.fit.size), used)
        # What was not used is the inner test block, the rows that overlap it and the embargo.
        assert asked.size > part.fit.size / 6
        block = asked[(t0[asked] > t0[asked].min()) & (t1[asked] < t1[asked].max())]
        assert not set(block) & set(used)


def test_only_what_is_missing_is_trained(learned, monkeypatch) -> None:
    stored = learned.trained.filter(pl.col("fold") < len(learned.folds) - 1)
    fits = []
    real = models.fit
    monkeypatch.setattr(models, "fit", lambda name, problem: fits.append(name) or real(name, problem))
    assert fit_again(learned, already_trained=stored).equals(learned.trained)
    # The published family is also fitted with and without the energy weight, to choose.
    assert sorted(fits) == ["logistic", "majority", "xgboost", "xgboost", "xgboost"]


def test_threads_change_no_byte(learned) -> None:
    both = [fit_again(learned, folds=learned.folds[:2], threads=threads) for threads in (1, 2)]
    assert both[0].equals(both[1])


def test_revised_rows_or_parameters_are_trained_anew(learned) -> None:
    only = {"folds": learned.folds[:1], "families": ("majority",)}
    stored = fit_again(learned, **only)
    moved = int(learned.folds[0].train[0])
    revised = learned.rows.with_columns(
        y_dir=pl.when(pl.int_range(pl.len()) == moved)
        .then(-pl.col("y_dir") - (pl.col("y_dir") == 0))
        .otherwise("y_dir")
        .cast(pl.Int8)
    )
    again = fit_again(learned, rows=revised, already_trained=stored, **only)
    assert again["dataset_sha256"].item() != stored["dataset_sha256"].item()
    assert again["model_sha256"].item() != stored["model_sha256"].item()


def test_a_frozen_fold_keeps_its_models_though_its_rows_were_revised(learned) -> None:
    only = {"folds": learned.folds[:2], "families": ("majority",)}
    stored = fit_again(learned, **only)
    flipped = pl.int_range(pl.len()).is_in([int(fold.train[0]) for fold in learned.folds[:2]])
    other = pl.when(flipped).then((1 - pl.col("y_dir").abs()).cast(pl.Int8)).otherwise("y_dir")
    revised = {"rows": learned.rows.with_columns(y_dir=other), "already_trained": stored, **only}
    again, thawed = fit_again(learned, frozen=[0], **revised), fit_again(learned, **revised)
    assert again.head(1).equals(stored.head(1)) and again.tail(1).equals(thawed.tail(1))
    assert not set(thawed["dataset_sha256"]) & set(stored["dataset_sha256"])


def test_rows_of_other_features_are_refused(learned) -> None:
    with pytest.raises(FeatureRowsError, match=r"materialise models\.dataset anew"):
        fit_again(learned, features=learned.features.tail(600))


def test_nights_add_up_to_the_backfill(market, learned) -> None:
    """Folds and models made night by night are those of one backfill, bit for bit."""
    bars, features = market
    days = features["session"].unique().sort()
    first = learned.folds_table["test_first"]
    stored = None
    checked = [days.index_of(first[0]) - 1, days.index_of(first[0]), days.index_of(first[1]) + 3, len(days) - 1]
    for at in checked:
        until = pl.col("session") <= days[at]
        known = features.filter(until)
        rows = dataset(known, labels(bars.filter(until), horizons=(5,)))
        folds = walk_forward(rows)
        stored = fit_again(learned, features=known, rows=rows, folds=folds, already_trained=stored)
        done = folds_frame(rows, folds).filter("is_complete")
        assert done.equals(learned.folds_table.head(done.height))
        assert stored.equals(learned.trained.filter(pl.col("valid_from") <= days[at]))


def test_every_configuration_is_a_trial_whatever_the_number_of_folds(learned) -> None:
    family = trial_family(learned.rows["symbol"], 5, "direction")
    rows = learned.ledger.rows()
    # Three families, and the published one with and without the energy weight, whose losses the ledger holds.
    assert count_trials(rows, family) == 5
    compared = [json.loads(text)["fit"] for text in rows["parameters"]]
    losses = [
        rows["loss"].gather([at for at, fit in enumerate(compared) if fit.get("with_energy") is weighs]).drop_nulls()
        for weighs in (True, False)
    ]
    assert len(losses[0]) == len(losses[1]) > 0 and losses[0].to_list() != losses[1].to_list()
    ledger = MemoryLedger()
    fit_again(
        learned,
        recorder=ledger,
        folds=learned.folds[:1],
        parameters=FEW_ROUNDS | {"xgboost": XGBOOST | {"max_rounds": 3}},
    )
    fit_again(learned, recorder=ledger, folds=learned.folds[:1])
    # The same ablation of other parameters is another pair of trials.
    assert count_trials(ledger.rows(), family) == 8


def test_a_study_decides_the_parameters(learned) -> None:
    table = TABLES["models.studies"]
    ledger = MemoryLedger()
    few = XGBOOST | {"max_rounds": 3}
    asked = {"horizon": 5, "recorder": ledger, "code_sha256": CODE, "n_trials": 3, "parameters": few}
    fold = learned.folds[:1]
    studies = tune(learned.features, learned.rows, fold, stored=table.empty(), **asked)
    table.schema.validate(studies)
    assert studies.height == 3 and studies["is_best"].sum() == 1
    best = studies.filter("is_best")
    assert best["loss"].item() == studies.filter(pl.col("state") == "complete")["loss"].min()
    assert count_trials(ledger.rows(), trial_family(learned.rows["symbol"], 5, "direction")) == 3
    # A finished study of the same name is reused; the same study is the same trials.
    assert tune(learned.features, learned.rows, fold, stored=studies, **asked).equals(studies)
    assert tune(learned.features, learned.rows, fold, stored=table.empty(), **asked).equals(studies)
    trained = fit_again(learned, folds=fold, studies=studies).filter(pl.col("model_name") == "xgboost")
    assert trained["study_name"].item() == best["study_name"].item()
    assert json.loads(trained["parameters"].item())["model"] == json.loads(best["parameters"].item())
    other = {"head": "direction", "horizon_bars": 5, "fold": 0, "model_name": "xgboost", "dataset_sha256": "1" * 64}
    assert best_parameters(studies, **other) is None


def test_a_study_looks_at_no_row_of_the_vault(learned) -> None:
    part = part_of(learned)
    last = part.rows["session"][-1]
    # A short window, whose fitted part would reach into the vault.
    short = replace(part, fit=np.arange(part.rows.height))
    seen = part.rows[tuning._outside_vault(short, last).fit]
    assert seen["t1"].dt.date().max() < first_vault_session(last) <= last
    assert 0 < seen.height < part.rows.height
    assert np.array_equal(tuning._outside_vault(part, last).fit, part.fit)


def test_a_library_that_is_absent_removes_its_family_only(monkeypatch) -> None:
    monkeypatch.setattr(models, "is_installed", lambda name: name not in ("lightgbm", "sequence"))
    names = roster_of(HEADS["direction"], models.FAMILIES)
    assert set(names) == {"xgboost", "majority", "logistic", "hist_gradient_boosting", "stack"}
    assert names[0] == "xgboost" and names[-1] == "stack"


def test_every_family_is_fitted_and_stacked(learned) -> None:
    small = FEW_ROUNDS | {"hist_gradient_boosting": models.PARAMETERS["hist_gradient_boosting"] | {"max_iter": 10}}
    families = ("majority", "logistic", "hist_gradient_boosting", "xgboost", "stack")
    trained = fit_again(learned, folds=learned.folds[:1], families=families, parameters=small)
    assert set(trained["model_name"]) == set(families)
    nightly = fit_again(learned, folds=learned.folds[:1], already_trained=trained, parameters=small)
    assert nightly.equals(trained), "a night keeps what the weekly training made"
