"""The report on features: planted edges, drift and copies are found, and every figure has an independent twin."""

from __future__ import annotations

import datetime as dt
import importlib
import math

import numpy as np
import polars as pl
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from gnosis.features import BY_NAME, FEATURES
from gnosis.learning.feature_report import feature_report
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.tables.models import HORIZONS

SESSIONS, SYMBOLS = 130, 12
DAYS = schedule().filter(pl.col("session") <= dt.date(2019, 6, 28)).tail(SESSIONS).select("session")
KEYS = DAYS.join(pl.DataFrame({"symbol": [f"S{n:02d}" for n in range(SYMBOLS)]}), how="cross")
OUTCOME = np.random.default_rng(3).normal(size=KEYS.height)
NOISE = np.random.default_rng(4).normal(size=(4, KEYS.height))
PLANTED = {
    "tech_roc_5": 0.3 * OUTCOME + NOISE[0],
    "tech_roc_10": 0.3 * OUTCOME + NOISE[0] + 0.05 * NOISE[1],
    "tech_roc_20": np.where(np.arange(KEYS.height) >= KEYS.height - 60 * SYMBOLS, NOISE[2] + 2.0, NOISE[2]),
    "regime_vix": np.repeat(0.5 * OUTCOME.reshape(SESSIONS, SYMBOLS).mean(axis=1) + NOISE[3][:SESSIONS], SYMBOLS),
    "regime_vix_bucket": np.repeat(
        np.where(OUTCOME.reshape(SESSIONS, SYMBOLS).mean(axis=1) > 0.2, 3, np.arange(SESSIONS) % 3), SYMBOLS
    ),
    "sent_rsi_oversold": np.where(
        np.arange(KEYS.height) >= KEYS.height - 60 * SYMBOLS, True, np.arange(KEYS.height) % 33 == 0
    ),
    "liq_n_voids": np.where(
        np.arange(KEYS.height) % 20 > 0, 0, np.where(np.arange(KEYS.height) < KEYS.height - 60 * SYMBOLS, 1, 3)
    ),
    "macro_gdp_growth": np.full(KEYS.height, 2.0),
}


def values_of(feature, rng):
    if feature.name in PLANTED:
        return PLANTED[feature.name]
    if feature.dtype == "category":
        return rng.choice(list(feature.codes.values()), KEYS.height)
    return rng.integers(0, 2, KEYS.height) if feature.dtype in ("bool", "int") else rng.normal(size=KEYS.height)


def known(column, share, rng):
    return pl.select(pl.when(pl.Series(rng.random(KEYS.height) >= share)).then(column)).to_series()


@pytest.fixture(scope="module")
def matrix():
    rng = np.random.default_rng(5)
    dtypes = TABLES["features.matrix"].polars_schema
    columns = {}
    for feature in FEATURES:
        share = 1.0 if feature.name == "sent_dix" else 0.0 if feature.name in PLANTED else 0.04
        column = pl.Series(values_of(feature, rng)).cast(dtypes[feature.name])
        columns[feature.name] = known(column, share, rng)
    return KEYS.with_columns(**columns, synthetic=pl.lit(value=True))


@pytest.fixture(scope="module")
def labels():
    return pl.concat(
        KEYS.select(
            "symbol",
            signal_session="session",
            horizon_bars=pl.lit(horizon, pl.Int64),
            y_ret=pl.Series(OUTCOME * 0.02 * math.sqrt(horizon)),
            sigma_bar=pl.lit(0.02),
            synthetic=pl.lit(value=False),
        )
        for horizon in HORIZONS
    )


@pytest.fixture(scope="module")
def report(matrix, labels):
    return feature_report(matrix, labels)


def row_of(report, name):
    return report.row(by_predicate=pl.col("feature") == name, named=True)


def grid(matrix, name):
    return matrix[name].cast(pl.Float64).fill_null(math.nan).to_numpy().reshape(SESSIONS, SYMBOLS)


def newey_west(series, lags):
    """Return the standard error of the mean, written out."""
    n, mean = len(series), sum(series) / len(series)
    lags = max(lags, math.floor(4 * (n / 100) ** (2 / 9)))
    gamma = [sum((series[t] - mean) * (series[t - lag] - mean) for t in range(lag, n)) / n for lag in range(lags + 1)]
    return math.sqrt((gamma[0] + 2 * sum((1 - lag / (lags + 1)) * gamma[lag] for lag in range(1, lags + 1))) / n)


def test_one_row_for_every_feature_in_order(report):
    assert report["feature"].to_list() == [feature.name for feature in FEATURES]
    table = TABLES["models.feature_report"]
    assert report.schema == table.polars_schema
    table.schema.validate(report)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize(("column", "measure"), [("ic", pearsonr), ("rank_ic", spearmanr)])
def test_coefficients_across_symbols_are_those_of_scipy(report, matrix, horizon, column, measure):
    name = "tech_atr"
    x, y = grid(matrix, name), OUTCOME.reshape(SESSIONS, SYMBOLS)
    per_session = []
    for row, outcome in zip(x, y, strict=True):
        there = ~np.isnan(row)
        if there.sum() >= 10:
            per_session.append(measure(row[there], outcome[there]).statistic)
    assert len(per_session) < SESSIONS
    found = row_of(report, name)
    assert found[f"{column}_{horizon}"] == pytest.approx(np.mean(per_session), rel=1e-9)
    assert found[f"{column}_{horizon}_error"] == pytest.approx(newey_west(per_session, horizon - 1), rel=1e-9)


def test_the_coefficient_over_time_is_the_mean_of_those_of_the_symbols(report, matrix):
    x, y = grid(matrix, "regime_vix"), OUTCOME.reshape(SESSIONS, SYMBOLS)
    per_symbol = [pearsonr(x[:, n], y[:, n]).statistic for n in range(SYMBOLS)]
    found = row_of(report, "regime_vix")
    assert found["time_series_ic_5"] == pytest.approx(np.mean(per_symbol), rel=1e-9)
    assert found["time_series_ic_5_error"] > 0
    # The same for all symbols: nothing to compare across them.
    assert found["ic_5"] is None


def test_a_planted_edge_raises_the_alarm_and_noise_does_not(report):
    alarmed = report.filter(pl.col("verdict") == "alarm")["feature"].to_list()
    assert {"tech_roc_5", "tech_roc_10"} <= set(alarmed)
    noise = report.filter(~pl.col("feature").is_in(list(PLANTED)))["verdict"].value_counts()
    assert dict(noise.iter_rows()).get("alarm", 0) == 0


def test_drift_copies_constants_and_empty_features_are_told(report):
    assert row_of(report, "tech_roc_20")["drift"] == "drifted"
    assert row_of(report, "tech_roc_20")["verdict"] == "drifted"
    assert row_of(report, "tech_roc_5")["nearest_feature"] == "tech_roc_10"
    assert row_of(report, "tech_roc_5")["nearest_correlation"] > 0.99
    assert row_of(report, "macro_gdp_growth")["verdict"] == "constant"
    assert row_of(report, "macro_gdp_growth")["ic_5"] is None
    empty = row_of(report, "sent_dix")
    assert (empty["verdict"], empty["missing_share"], empty["mean"]) == ("empty", 1.0, None)


def test_the_distribution_is_that_of_the_known_values(report, matrix):
    column = matrix["tech_atr"].cast(pl.Float64)
    found = row_of(report, "tech_atr")
    assert found["missing_share"] == pytest.approx(column.null_count() / column.len())
    assert found["mean"] == pytest.approx(column.mean())
    assert found["standard_deviation"] == pytest.approx(column.std())
    assert found["p05"] == pytest.approx(column.quantile(0.05, "linear"))
    x = grid(matrix, "tech_atr")
    both = ~(np.isnan(x[1:]) | np.isnan(x[:-1]))
    assert found["autocorrelation_1"] == pytest.approx(pearsonr(x[1:][both], x[:-1][both]).statistic)


def test_a_category_has_no_order(report):
    for feature in FEATURES:
        if feature.dtype == "category":
            row = row_of(report, feature.name)
            assert row["mean"] is row["nearest_feature"] is None
            assert row["n_distinct"] == len(BY_NAME[feature.name].categories)


def test_a_category_has_the_coefficients_of_its_strongest_label(report, matrix):
    found = row_of(report, "regime_vix_bucket")
    assert (found["ic_label"], found["verdict"]) == ("crisis", "alarm")
    codes = grid(matrix, "regime_vix_bucket")
    code = BY_NAME["regime_vix_bucket"].codes["crisis"]
    per_symbol = [
        pearsonr(codes[:, n] == code, OUTCOME.reshape(SESSIONS, SYMBOLS)[:, n]).statistic for n in range(SYMBOLS)
    ]
    assert found["time_series_ic_5"] == pytest.approx(np.mean(per_symbol), rel=1e-9)
    numbers = [feature.name for feature in FEATURES if feature.dtype != "category"]
    assert report.filter(pl.col("feature").is_in(numbers))["ic_label"].null_count() == len(numbers)


def test_flags_and_counts_drift_by_their_values(report):
    # 3 % true, then always; and 5 % of 1, then 5 % of 3: no decile tells these apart.
    assert row_of(report, "sent_rsi_oversold")["drift"] == "drifted"
    assert row_of(report, "liq_n_voids")["drift"] == "drifted"


def test_outcomes_from_generated_data_make_the_report_synthetic(matrix, labels):
    real = matrix.with_columns(synthetic=pl.lit(value=False))
    made_up = pl.col("symbol") == "S03"

    def told(rows):
        return feature_report(real, rows)["synthetic"].unique().to_list()

    assert told(labels) == [False]
    assert told(labels.with_columns(synthetic=made_up)) == [True]
    # Labels that are not used say nothing.
    assert told(labels.with_columns(synthetic=made_up, horizon_bars=pl.lit(2, pl.Int64))) == [False]
    elsewhere = labels.with_columns(synthetic=made_up, signal_session=pl.col("signal_session").dt.offset_by("-5y"))
    assert told(pl.concat([labels, elsewhere])) == [False]


def test_pairs_are_compared_on_all_symbols_when_rows_are_many(matrix, labels, monkeypatch):
    # Rows are ordered by session and symbol: every second one would be that of every second symbol.
    same_for_even = np.where(np.arange(KEYS.height) % 2 == 0, NOISE[0], NOISE[1])
    twins = matrix.with_columns(
        tech_roc_5=pl.Series(NOISE[0], dtype=pl.Float32), tech_roc_10=pl.Series(same_for_even, dtype=pl.Float32)
    )
    module = importlib.import_module("gnosis.learning.feature_report")
    monkeypatch.setattr(module, "MOST_PAIRED_ROWS", KEYS.height // 2)
    found = row_of(feature_report(twins, labels), "tech_roc_5")
    sampled = np.repeat(np.arange(SESSIONS) % 2 == 0, SYMBOLS)
    expected = pearsonr(rankdata(NOISE[0][sampled]), rankdata(same_for_even[sampled])).statistic
    assert found["nearest_feature"] == "tech_roc_10"
    assert found["nearest_correlation"] == pytest.approx(expected, abs=1e-6)
    assert expected < 0.7


def test_few_symbols_have_no_coefficient_across_them(matrix, labels):
    few = matrix.filter(pl.col("symbol") < "S04")
    found = row_of(feature_report(few, labels), "tech_roc_5")
    assert found["ic_5"] is found["rank_ic_5"] is None
    assert found["time_series_ic_5"] > 0.1


def test_order_of_rows_does_not_matter(matrix, labels, report):
    shuffled = (rows.sample(fraction=1.0, shuffle=True, seed=1) for rows in (matrix, labels))
    assert feature_report(*shuffled).equals(report)


def test_repeated_keys_are_refused(matrix, labels):
    with pytest.raises(ValueError, match="repeated keys"):
        feature_report(pl.concat([matrix, matrix.head(1)]), labels)
