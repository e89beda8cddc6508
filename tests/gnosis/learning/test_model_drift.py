"""Drift of a model: every figure by hand, drift at a known date, nothing from later, and what follows from it."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from scipy.stats import ks_2samp

from gnosis.features.registry import BY_NAME
from gnosis.learning import drift_rows
from gnosis.learning.drift import holm, population_stability, stability_of_counts, status
from gnosis.learning.drift_outputs import calibration_p
from gnosis.learning.drift_rows import drift, drift_of
from gnosis.learning.drift_state import asks_for_retraining, model_state
from gnosis.learning.drift_windows import DriftError, Trailing, stability
from gnosis.learning.gate_statistics import moved
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.learning.prediction import predict
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from tests.gnosis.learning.served_models import trained_fold

HORIZON, SYMBOLS, TRAIN, SESSIONS, CALIBRATION = 5, 8, 200, 330, 40
SHIFTED_FROM = 260
DAYS = schedule().filter(pl.col("session") <= dt.date(2019, 6, 28)).tail(SESSIONS)
SESSION = DAYS["session"].to_list()
VERSION = "direction-h5-f0-aa"
DRIVER = "tech_momentum_zscore"
PLANTED = {
    "tech_roc_5": "shift",
    "regime_vix_bucket": "new category",
    "sent_rsi_oversold": "flag",
    "liq_n_voids": "count",
}


def features_of(seed=0, planted=PLANTED, driver_shift=0.0):
    """Noise in every column; what is in ``planted`` moves at SHIFTED_FROM, and so does the driver of the answers."""
    rng = np.random.default_rng(seed)
    n = SESSIONS * SYMBOLS
    after = np.repeat(np.arange(SESSIONS) >= SHIFTED_FROM, SYMBOLS)
    columns = {}
    for name in FEATURE_NAMES:
        feature = BY_NAME[name]
        if feature.categories:
            values = rng.integers(0, 3, n).astype(float)
        elif feature.dtype == "bool":
            values = (rng.random(n) < 0.2).astype(float)
        elif feature.dtype == "int":
            values = rng.integers(0, 3, n).astype(float)
        else:
            values = rng.normal(size=n)
        moved = {"shift": values + 2.0, "new category": np.full(n, 3.0), "flag": np.ones(n), "count": np.full(n, 7.0)}
        if name in planted:
            values = np.where(after, moved[planted[name]], values)
        if name == DRIVER:
            values = values + driver_shift * after
        values[rng.random(n) < 0.03] = np.nan
        columns[name] = pl.Series(values.astype(np.float32), nan_to_null=True)
    keys = DAYS.select("session", "close_at").join(
        pl.DataFrame({"symbol": [f"S{at}" for at in range(SYMBOLS)]}), how="cross"
    )
    origin = {
        "known_at": pl.col("close_at"),
        "provider": pl.lit("a"),
        "synthetic": pl.lit(True),
        "confidence": pl.lit(0.9),
    }
    return keys.select("session", "symbol", as_of="close_at", **origin).with_columns(**columns)


def up_probability(features):
    driver = features[DRIVER].cast(pl.Float64).fill_null(0.0).to_numpy()
    return 0.45 + 0.3 * np.tanh(driver)


def dataset_of(features, seed=1, bias=0.0):
    """Outcomes as likely as the answers say, but for ``bias`` towards a rise from SHIFTED_FROM on."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(SESSIONS), SYMBOLS)
    is_known = number + HORIZON < SESSIONS
    up = up_probability(features) + bias * (number >= SHIFTED_FROM)
    draw = rng.random(number.size)
    outcome = np.where(draw < up, 1, np.where(draw < up + 0.1, 0, -1))
    known_at = DAYS["close_at"].gather(np.minimum(number + HORIZON, SESSIONS - 1))
    return features.select("session", "symbol").with_columns(
        horizon_bars=pl.lit(HORIZON, pl.Int64),
        y_dir=pl.select(pl.when(pl.Series(is_known)).then(pl.Series(outcome, dtype=pl.Int8))).to_series(),
        label_known_at=pl.select(pl.when(pl.Series(is_known)).then(known_at)).to_series(),
    )


FOLDS = pl.DataFrame(
    {
        "horizon_bars": [HORIZON],
        "fold": [0],
        "train_first": [SESSION[0]],
        "train_last": [SESSION[TRAIN - HORIZON - 1]],
        "test_first": [SESSION[TRAIN]],
    }
)
TRAINED = pl.DataFrame(
    {
        "horizon_bars": HORIZON,
        "head": ["direction", "volatility"],
        "fold": 0,
        "model_name": "xgboost",
        "model_version": [VERSION, "volatility-h5-f0-bb"],
        "valid_from": SESSION[TRAIN],
        "n_train": (TRAIN - HORIZON) * SYMBOLS,
        "n_calibration": CALIBRATION * SYMBOLS,
        "synthetic": True,
    },
    schema_overrides={"horizon_bars": pl.Int64, "fold": pl.Int64},
)


def said(features, trained, *_, **__):
    """Answers of a model that knows the truth about :func:`dataset_of`, and refuses a symbol without its driver."""
    up = up_probability(features)
    refused = features[DRIVER].is_null()
    return features.select("session", "symbol", "synthetic").with_columns(
        *(
            pl.when(~refused).then(pl.Series(values)).alias(name)
            for name, values in {"p_down": 0.9 - up, "p_flat": np.full(up.size, 0.1), "p_up": up}.items()
        ),
        sigma_hat=pl.when(~refused).then(pl.Series(0.1 + 0.1 * up)),
        abstain_reason=pl.when(refused).then(pl.lit("too_many_missing")),
    )


@pytest.fixture(autouse=True)
def model(monkeypatch):
    """The answers of this module in place of those of a trained model."""
    monkeypatch.setattr(drift_rows, "predict", said)


@pytest.fixture(scope="module")
def features():
    return features_of()


@pytest.fixture(scope="module")
def rows(features):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift_rows, "predict", said)
        return told(features, dataset_of(features))


def told(features, dataset, sessions=SESSION[TRAIN:]):
    return drift_of(VERSION, features, dataset, FOLDS, TRAINED, sessions, horizon=HORIZON)


class TestByHand:
    AT = (TRAIN, TRAIN + 37, SHIFTED_FROM + 11, SESSIONS - 1)
    NAMES = ("tech_roc_5", "regime_vix_bucket", "sent_rsi_oversold", "liq_n_voids", "hedge_pressure_up", "tech_atr")

    @pytest.mark.parametrize("at", AT)
    @pytest.mark.parametrize("name", NAMES)
    def test_of_a_feature(self, features, rows, at, name):
        reference = features.filter(pl.col("session") <= SESSION[TRAIN - HORIZON - 1])
        row = rows.row(by_predicate=(pl.col("session") == SESSION[at]) & (pl.col("subject") == name), named=True)
        learnt = values_of(reference, name)
        feature = BY_NAME[name]
        indices = []
        for n in (20, 60):
            window = features.filter(pl.col("session").is_in(SESSION[at - n + 1 : at + 1]))
            expected = population_stability(learnt, values_of(window, name), is_discrete=feature.dtype != "float")
            assert row[f"psi_{n}_sessions"] == pytest.approx(expected, rel=1e-12)
            indices.append(expected)
        seen = values_of(window, name)
        has_moved_lately = row["is_unusual"] and indices[1] >= 0.10
        assert row["status"] == ("drifted" if has_moved_lately else status(indices[1]))
        assert row["missing_share"] == pytest.approx(np.isnan(seen).mean(), rel=1e-12)
        assert (row["n_rows"], row["n_reference"]) == (60 * SYMBOLS, (TRAIN - HORIZON) * SYMBOLS)
        if feature.categories:
            assert row["value"] is row["reference_value"] is None
        else:
            assert row["value"] == pytest.approx(np.nanmean(seen), rel=1e-12)
            assert row["reference_value"] == pytest.approx(np.nanmean(learnt), rel=1e-12)

    @pytest.mark.parametrize("at", AT)
    @pytest.mark.parametrize("name", NAMES)
    def test_of_a_test_on_thinned_rows(self, features, rows, at, name):
        row = rows.row(by_predicate=(pl.col("session") == SESSION[at]) & (pl.col("subject") == name), named=True)
        feature = BY_NAME[name]
        if feature.dtype not in ("float", "int"):
            assert row["ks_statistic"] is row["ks_p"] is row["is_shape_change"] is None
            return
        last = TRAIN - HORIZON - 1
        every = feature.lookback_sessions
        sides = [
            values_of(features.filter(pl.col("session").is_in([SESSION[k] for k in kept])), name)
            for kept in (range(last, -1, -every), range(at, at - 60, -every))
        ]
        sides = [side[~np.isnan(side)] for side in sides]
        expected = ks_2samp(*sides, method="exact")
        assert row["ks_statistic"] == pytest.approx(expected.statistic, rel=1e-12)
        assert row["ks_p"] == pytest.approx(expected.pvalue, rel=1e-9)

    @pytest.mark.parametrize("name", [*NAMES, "p_up"])
    def test_of_what_is_usual(self, features, rows, name):
        found = rows.filter(pl.col("subject") == name)
        if name == "p_up":
            # Calibration rows of 40 sessions hold three windows of 20 and none of 60.
            assert found.select("psi_usual_20_sessions", "psi_usual_60_sessions").null_count().row(0) == (
                found.height,
                found.height,
            )
            assert (found["is_unusual"] == (found["psi_20_sessions"] > 0.25)).all()
            return
        days = SESSION[: TRAIN - HORIZON]
        is_discrete = BY_NAME[name].dtype != "float"
        learnt = features.filter(pl.col("session").is_in(days))
        for n in (60, 20):
            largest = max(
                index_inside(learnt, name, days[end - n : end], is_discrete) for end in range(len(days), n - 1, -10)
            )
            assert found[f"psi_usual_{n}_sessions"].to_list() == pytest.approx([largest] * found.height, rel=1e-12)
        expected = found["psi_20_sessions"] > max(0.25, largest)
        assert found["is_unusual"].to_list() == expected.to_list()

    def test_of_many_tests_in_a_session(self, rows):
        session = rows.filter((pl.col("session") == SESSION[-1]) & pl.col("ks_p").is_not_null())
        assert session["ks_p_holm"].to_list() == holm(session["ks_p"].to_numpy()).tolist()
        expected = (session["ks_p_holm"] < 0.05) & (session["status"] == "stable")
        assert session["is_shape_change"].to_list() == expected.to_list()

    @pytest.mark.parametrize("name", ["p_up", "sigma_hat", "abstentions"])
    def test_of_an_output(self, features, rows, name):
        row = rows.row(by_predicate=(pl.col("session") == SESSION[-1]) & (pl.col("subject") == name), named=True)
        answers = said(features, TRAINED).with_columns(
            abstentions=pl.col("abstain_reason").is_not_null().cast(pl.Float64)
        )
        slices = SESSION[TRAIN - HORIZON - CALIBRATION : TRAIN - HORIZON], SESSION[-60:]
        sides = [answers.filter(pl.col("session").is_in(part)).drop_nulls(name)[name].to_numpy() for part in slices]
        expected = population_stability(*sides, is_discrete=name == "abstentions")
        assert row["psi_60_sessions"] == pytest.approx(expected, rel=1e-12)
        assert (row["n_reference"], row["n_rows"]) == (sides[0].size, sides[1].size)
        assert row["value"] == pytest.approx(sides[1].mean(), rel=1e-12)
        assert row["missing_share"] == pytest.approx(1 - sides[1].size / (60 * SYMBOLS), abs=1e-12)

    def test_of_what_became_of_answers(self, features, rows):
        row = rows.row(
            by_predicate=(pl.col("session") == SESSION[-1]) & (pl.col("subject") == "calibration"), named=True
        )
        judged = (
            said(features, TRAINED).join(dataset_of(features), on=["session", "symbol"]).drop_nulls(["p_up", "y_dir"])
        )
        judged = judged.filter(pl.col("session").is_in(SESSION[-60 - HORIZON : -HORIZON]))
        p = judged.select("p_down", "p_flat", "p_up").to_numpy()
        given = p[np.arange(judged.height), judged["y_dir"].to_numpy().astype(int) + 1]
        assert row["n_rows"] == judged.height
        assert row["value"] == pytest.approx(given.mean(), rel=1e-12)
        assert row["reference_value"] == pytest.approx((p * p).sum(axis=1).mean(), rel=1e-12)
        assert row["psi_60_sessions"] is None
        assert 0.01 < row["calibration_p"] <= 1.0


def values_of(frame, name):
    return frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def index_inside(reference, name, window, is_discrete):
    """Index of a window against the rest of its reference, in the bins of the whole, missing values left out."""
    known = reference.drop_nulls(name)
    values, is_in = values_of(known, name), known["session"].is_in(window).to_numpy()
    if is_discrete:
        bins = [values == value for value in sorted(set(values))]
    else:
        edges = [-np.inf, *np.quantile(values, np.arange(1, 10) / 10), np.inf]
        bins = [(low <= values) & (values < high) for low, high in pairwise(edges)]
    inside, outside = ([int((each & side).sum()) for each in [*bins, values != values]] for side in (is_in, ~is_in))
    return stability_of_counts(np.array(outside, dtype=float), np.array(inside, dtype=float))


def test_keeps_to_its_table(rows):
    schema = TABLES["models.drift"].schema
    assert schema.validate(rows, cast=False).height == rows.height
    assert rows.height == (SESSIONS - TRAIN) * (len(FEATURE_NAMES) + 6)


@pytest.mark.parametrize("name", PLANTED)
def test_drift_is_reported_within_20_sessions(rows, name):
    found = rows.filter((pl.col("subject") == name) & (pl.col("status") == "drifted"))["session"]
    assert SESSION[SHIFTED_FROM] <= found.min() <= SESSION[SHIFTED_FROM + 11]
    assert found.max() == SESSION[-1]


def test_stable_features_are_not_reported(rows):
    stable = rows.filter((pl.col("kind") == "feature") & ~pl.col("subject").is_in(list(PLANTED)))
    assert stable.filter(pl.col("status") == "drifted").is_empty()
    assert stable.filter(pl.col("is_shape_change"))["session"].n_unique() <= 0.05 * (SESSIONS - TRAIN)


def test_a_night_says_what_a_backfill_says(features, rows):
    dataset = dataset_of(features)
    for at in (TRAIN, TRAIN + 62, SESSIONS - 1):
        night = told(features, dataset, [SESSION[at]])
        assert night.equals(rows.filter(pl.col("session") == SESSION[at]))


def test_a_night_knows_no_more_of_a_late_outcome_than_a_backfill(features):
    is_late = pl.col("session") == SESSION[TRAIN + 2]
    dataset = dataset_of(features).with_columns(
        label_known_at=pl.when(is_late).then(DAYS["close_at"][-1]).otherwise("label_known_at")
    )
    backfill = told(features, dataset).filter(pl.col("session") == SESSION[-1])
    assert told(features, dataset, SESSION[-1:]).equals(backfill)


def test_outcomes_known_too_late_to_learn_from_are_no_reference(features):
    is_late = (pl.col("session") == SESSION[100]) & (pl.col("symbol") == "S0")
    dataset = dataset_of(features).with_columns(
        label_known_at=pl.when(is_late).then(DAYS["close_at"][TRAIN]).otherwise("label_known_at")
    )
    trained = TRAINED.with_columns(n_train=pl.col("n_train") - 1)
    rows = drift_of(VERSION, features, dataset, FOLDS, trained, SESSION[-1:], horizon=HORIZON)
    assert rows.filter(pl.col("kind") == "feature")["n_reference"].unique().to_list() == [
        (TRAIN - HORIZON) * SYMBOLS - 1
    ]


def test_nothing_comes_from_later(features, rows):
    at = TRAIN + 40
    is_later = pl.col("session") > SESSION[at]
    dataset = dataset_of(features)
    # Outcomes that became known later were not there, whatever session they are about.
    early = dataset.filter(~is_later).with_columns(
        pl.when(pl.col("label_known_at") <= DAYS["close_at"][at]).then(name).alias(name)
        for name in ("y_dir", "label_known_at")
    )
    expected = rows.filter(pl.col("session") == SESSION[at])
    assert told(features.filter(~is_later), early, [SESSION[at]]).equals(expected)
    poisoned = features.with_columns(
        pl.when(is_later).then(pl.lit(1e6, pl.Float32)).otherwise(name).alias(name) for name in FEATURE_NAMES
    )
    assert told(poisoned, dataset, [SESSION[at]]).equals(expected)


def test_the_order_of_rows_does_not_matter(features, rows):
    mixed = features.sample(fraction=1.0, shuffle=True, seed=3)
    found = told(mixed, dataset_of(features).reverse(), [SESSION[-1]])
    assert found.equals(rows.filter(pl.col("session") == SESSION[-1]))


def wandering(planted=False, missing=False, memory=30, n_symbols=3):
    """Few symbols whose slow floats remember for many sessions, so that each window of theirs lies elsewhere."""
    rng = np.random.default_rng(5)
    features = features_of(planted={}).sort("session", "symbol")
    floats = [name for name in FEATURE_NAMES if BY_NAME[name].dtype == "float" and name != DRIVER][::3]
    keep = np.exp(-2 / memory)
    values = rng.normal(size=(SESSIONS, SYMBOLS, len(floats)))
    for at in range(1, SESSIONS):
        values[at] = keep * values[at - 1] + np.sqrt(1 - keep**2) * values[at]
    if planted:
        values[SHIFTED_FROM:] += 4.0
    if missing:
        values[:60] = values[SHIFTED_FROM:] = np.nan
    wide = values.reshape(-1, len(floats)).astype(np.float32)
    columns = {name: pl.Series(wide[:, at], nan_to_null=True) for at, name in enumerate(floats)}
    few = [f"S{at}" for at in range(n_symbols)]
    return features.with_columns(**columns).filter(pl.col("symbol").is_in(few))


def told_of_few(features, sessions):
    n_symbols = features["symbol"].n_unique()
    trained = TRAINED.with_columns(n_train=(TRAIN - HORIZON) * n_symbols, n_calibration=CALIBRATION * n_symbols)
    dataset = dataset_of(features_of(planted={})).join(features, on=["session", "symbol"], how="semi")
    rows = drift_of(VERSION, features, dataset, FOLDS, trained, sessions, horizon=HORIZON)
    return rows.filter(pl.col("kind") == "feature")


class TestUsualRange:
    def test_features_that_wander_are_drifted_but_no_reason_to_act(self):
        rows = told_of_few(wandering(), [SESSION[SHIFTED_FROM - 1]])
        assert (rows["status"] == "drifted").sum() > 8
        assert moved(rows).drifted_feature_share > 0.05
        assert moved(rows).unusual_feature_share <= 0.05
        assert rows["model_state"].unique().to_list() == ["ok"]

    def test_what_moves_farther_than_ever_is_found_within_20_sessions(self):
        rows = told_of_few(wandering(planted=True), SESSION[SHIFTED_FROM - 1 : SHIFTED_FROM + 20])
        degraded = rows.filter(pl.col("model_state") == "degraded")["session"]
        assert SESSION[SHIFTED_FROM] <= degraded.min() <= SESSION[SHIFTED_FROM + 19]
        assert degraded.max() == SESSION[SHIFTED_FROM + 19]

    def test_no_values_at_first_are_no_leave_to_go_missing(self):
        rows = told_of_few(wandering(missing=True, memory=2), [SESSION[SHIFTED_FROM + 59]])
        found = rows.row(by_predicate=pl.col("subject") == FEATURE_NAMES[0], named=True)
        assert found["psi_usual_20_sessions"] is found["psi_20_sessions"] is None
        assert found["psi_usual_60_sessions"] < 0.25 < found["psi_60_sessions"]
        assert found["is_unusual"]

    @pytest.mark.parametrize(
        ("n_sessions", "length", "is_known"), [(99, 60, False), (100, 60, True), (59, 20, False), (60, 20, True)]
    )
    def test_asks_for_five_windows(self, n_sessions, length, is_known):
        # Windows that end 0, 10, 20, 30 and 40 sessions before the last one: the fifth begins 40 and its length before.
        reference = np.random.default_rng(2).normal(size=n_sessions * 5)
        inside = Trailing.inside(np.repeat(np.arange(n_sessions) + 1000, 5))
        window = Trailing(slice(0, 300), np.arange(61) * 5, np.array([59]))
        found = stability(reference, inside, np.resize(reference, 300), window, is_discrete=False)
        found = found[f"psi_usual_{length}_sessions"]
        assert (not np.isnan(found[0])) == is_known

    def test_follows_the_training_rows_only(self, rows, features):
        usual = ["psi_usual_20_sessions", "psi_usual_60_sessions"]
        assert rows.select("subject", *usual).unique().height == rows["subject"].n_unique()
        late = told(features, dataset_of(features), [SESSION[-1]]).select("subject", *usual)
        early = told(features.filter(pl.col("session") <= SESSION[TRAIN]), dataset_of(features), [SESSION[TRAIN]])
        assert early.select("subject", *usual).equals(late)


class TestOutputs:
    def test_answers_that_move_degrade_the_model(self):
        features = features_of(planted={}, driver_shift=2.0)
        rows = told(features, dataset_of(features), [SESSION[SHIFTED_FROM - 1], SESSION[SHIFTED_FROM + 19]])
        states = rows.group_by("session", maintain_order=True).agg(pl.col("model_state").unique())["model_state"]
        assert states.to_list() == [["ok"], ["degraded"]]
        drifted = rows.filter((pl.col("status") == "drifted") & (pl.col("kind") == "output"))["subject"].unique()
        assert set(drifted) == {"p_down", "p_up", "sigma_hat"}

    def test_outcomes_that_leave_the_answers_degrade_the_model(self):
        features = features_of(planted={})
        rows = told(features, dataset_of(features, bias=0.25), [SESSION[-1]])
        found = rows.row(by_predicate=pl.col("subject") == "calibration", named=True)
        assert (found["status"], found["model_state"]) == ("drifted", "degraded")

    def test_bold_answers_are_found(self, monkeypatch):
        def bold(features, *_, **__):
            answers = said(features, TRAINED)
            up = answers["p_up"].to_numpy()
            shifted = np.clip(0.45 + 3.0 * (up - 0.45), 0.001, 0.899)
            return answers.with_columns(
                p_up=pl.Series(shifted, nan_to_null=True), p_down=pl.Series(0.9 - shifted, nan_to_null=True)
            )

        monkeypatch.setattr(drift_rows, "predict", bold)
        features = features_of(planted={})
        rows = told(features, dataset_of(features), [SESSION[-1]])
        found = rows.row(by_predicate=pl.col("subject") == "calibration", named=True)
        assert found["status"] == "drifted"
        assert found["value"] < found["reference_value"]

    def test_a_trained_model_answers_as_it_is_served(self, monkeypatch, features):
        monkeypatch.setattr(drift_rows, "predict", predict)
        trained = trained_fold(0, SESSION[TRAIN], seed=4).with_columns(
            n_train=pl.lit((TRAIN - HORIZON) * SYMBOLS, pl.Int64), n_calibration=pl.lit(CALIBRATION * SYMBOLS, pl.Int64)
        )
        nothing = (TABLES["models.promotion"].empty(), TABLES["models.drift"].empty())
        rows = drift(features, dataset_of(features), FOLDS, trained, nothing[0], SESSION[-1:], horizon=HORIZON)
        served = predict(
            features.filter(pl.col("session").is_in(SESSION[-60:])),
            trained,
            *nothing,
            pl.DataFrame(schema={"session": pl.Date, "symbol": pl.String, "side": pl.Int8}),
            horizon=HORIZON,
            code_sha256="",
        )
        assert served["sigma_hat"].null_count() == 0
        for name in ("p_down", "p_flat", "p_up", "sigma_hat"):
            found = rows.row(by_predicate=pl.col("subject") == name, named=True)
            assert found["value"] == pytest.approx(served[name].mean(), rel=1e-12)
            assert found["n_reference"] == CALIBRATION * SYMBOLS

    def test_a_young_model_has_no_outcomes_yet(self, rows):
        early = rows.filter((pl.col("subject") == "calibration") & (pl.col("session") < SESSION[TRAIN + 3 * HORIZON]))
        assert early["status"].unique().to_list() == ["insufficient"]
        assert early["model_state"].unique().to_list() == ["ok"]


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_right_probabilities_are_rarely_called_wrong(horizon):
    # Returns of single sessions add up over the horizon, as outcomes do; four gaps of which three are the same one.
    rng = np.random.default_rng(8)
    alarms, trials = 0, 2000
    for _ in range(trials):
        shocks = rng.normal(size=(60 + horizon, 2))
        sums = np.lib.stride_tricks.sliding_window_view(shocks, horizon, axis=0).sum(axis=-1)[:60]
        blocks = sums.reshape(60 // horizon, horizon, 2).mean(axis=1)
        alarms += calibration_p(blocks[:, [0, 0, 0, 1]], horizon) < 0.01
    assert alarms <= 0.015 * trials


class TestState:
    @staticmethod
    def rows(n_drifted, outputs=("stable",), features="stable", is_unusual=True):
        statuses = ["drifted"] * n_drifted + [features] * (len(FEATURE_NAMES) - n_drifted)
        return pl.DataFrame(
            {
                "session": dt.date(2024, 1, 3),
                "model_version": VERSION,
                "kind": ["feature"] * len(statuses) + ["output"] * len(outputs),
                "subject": [*FEATURE_NAMES, *[f"output {at}" for at in range(len(outputs))]],
                "status": [*statuses, *outputs],
                "is_unusual": pl.Series([is_unusual] * (len(statuses) + len(outputs)), dtype=pl.Boolean),
            }
        ).with_columns(model_state=model_state())

    @pytest.mark.parametrize(
        ("n_drifted", "outputs", "features", "state"),
        [
            (7, ("stable",), "stable", "ok"),
            (8, ("stable",), "stable", "degraded"),
            (0, ("drifted",), "stable", "degraded"),
            (0, ("watch", "insufficient"), "watch", "ok"),
            (0, ("stable",), "insufficient", "insufficient"),
            (0, ("drifted",), "insufficient", "degraded"),
        ],
    )
    def test_follows_the_rule(self, n_drifted, outputs, features, state):
        assert self.rows(n_drifted, outputs, features)["model_state"].unique().to_list() == [state]

    def test_what_is_usual_is_no_reason(self):
        assert self.rows(141, ("drifted",), is_unusual=False)["model_state"].unique().to_list() == ["ok"]
        # Only the calibration has no index: its status counts.
        assert self.rows(0, ("drifted",), is_unusual=None)["model_state"].unique().to_list() == ["degraded"]

    def test_asks_only_for_what_is_unusual(self):
        rows = self.rows(60, ("drifted",)).with_columns(is_unusual=pl.col("subject").is_in(FEATURE_NAMES[:9]))
        reason = asks_for_retraining(rows.with_columns(model_state=model_state()))
        assert "9 of 141 features drifted" in reason
        assert reason.endswith("outputs drifted: none")

    def test_asks_once_for_a_version(self):
        rows = self.rows(8, ("drifted",))
        reason = asks_for_retraining(rows)
        assert reason is not None
        assert "8 of 141 features drifted" in reason
        assert "output 0" in reason
        assert asks_for_retraining(rows, asked_for={VERSION}) is None
        assert asks_for_retraining(rows, asked_for={"another"}) == reason

    def test_asks_only_about_the_last_session(self):
        later = self.rows(0).with_columns(session=dt.date(2024, 1, 4))
        assert asks_for_retraining(pl.concat([self.rows(8), later])) is None
        assert asks_for_retraining(later.clear()) is None


class TestWhatCannotBeTold:
    def test_a_model_that_is_not_stored(self, features):
        with pytest.raises(DriftError, match="expected the model other once"):
            drift_of("other", features, dataset_of(features), FOLDS, TRAINED, SESSION[-1:], horizon=HORIZON)

    def test_training_rows_that_were_not_read(self, features):
        late = features.filter(pl.col("session") > SESSION[3])
        with pytest.raises(DriftError, match="read features and outcomes from"):
            told(late, dataset_of(features), SESSION[-1:])

    def test_repeated_rows(self, features):
        with pytest.raises(DriftError, match="repeated keys"):
            told(pl.concat([features, features.tail(1)]), dataset_of(features), SESSION[-1:])

    def test_few_rows(self, features):
        few = features.filter((pl.col("session") <= SESSION[TRAIN - 1]) | (pl.col("symbol") == "S0"))
        rows = told(few, dataset_of(features), SESSION[-1:])
        assert rows["status"].unique().to_list() == ["insufficient"]
        assert rows["psi_60_sessions"].null_count() == rows.height
        assert rows["model_state"].unique().to_list() == ["insufficient"]

    def test_sessions_before_the_first_model(self, features):
        found = drift(
            features,
            dataset_of(features),
            FOLDS,
            TRAINED,
            TABLES["models.promotion"].empty(),
            SESSION[:5],
            horizon=HORIZON,
        )
        assert found.equals(TABLES["models.drift"].empty())
