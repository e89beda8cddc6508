"""The summary after a run says what is stored, how models and the backtest did, and what comes next."""

from __future__ import annotations

import re

import polars as pl
import pytest

from gnosis.features import FEATURES
from gnosis.tables import TABLES
from resources.lake import Lake

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("homes")]


@pytest.fixture(scope="module")
def words(trained_home, run_gnosis):
    said = run_gnosis(trained_home, "summary")
    assert said.status == 0, said.err
    return said.out


def test_every_table_stands_with_its_rows(words, trained_home):
    rows = dict(Lake(trained_home).summary().select("table", "rows").rows())
    for name in TABLES:
        if not TABLES[name].is_companion:
            (line,) = [line for line in words.splitlines() if line.split()[:1] == [name]]
            assert line.split()[1] == f"{rows[name]:,}"


def test_every_model_stands_beside_both_baselines(words, trained_home):
    scores = (
        Lake(trained_home)
        .read("models.evaluation")
        .filter(pl.col("scope") == "stitched", pl.col("metric") == "log_loss", pl.col("head") == "direction")
    )
    for name, value in scores.select("model_name", "value").rows():
        (line,) = [line for line in words.splitlines() if line.split()[:1] == [name]]
        assert f"{value:.4f} ± " in line
    assert set(scores["model_name"]) == {"majority", "logistic", "xgboost"}


def test_the_engines_speak_of_the_newest_session_with_bands_and_confidences(words, trained_home):
    lake = Lake(trained_home)
    newest = lake.sessions("engines.elasticity")[-1]
    rows = lake.read("engines.elasticity", first=newest, last=newest).filter(pl.col("sign_convention") == "naive")
    assert f"Engines, {newest}, naive dealer signs" in words
    for row in rows.iter_rows(named=True):
        (line,) = [line for line in words.splitlines() if line.split()[:1] == [row["symbol"]] and " to " in line]
        for value in ("stiffness_usd_per_pct", "stiffness_p10", "stiffness_p90"):
            assert f"{row[value] / 1e6:,.0f}" in line
        assert row["interpretation"] in line
        assert f"{row['confidence']:.2f}" in line
    calibration = lake.read("engines.calibration", first=newest, last=newest)
    flat = " ".join(words.split())
    for row in calibration.filter(test="range_on_amplification", sign_convention="naive").iter_rows(named=True):
        assert f"± {row['standard_error']:.2f} {row['verdict']}" in flat


def test_the_features_say_how_many_are_known_and_which_are_nowhere(words, trained_home):
    rows = Lake(trained_home).read("features.matrix")
    newest = rows["session"].max()
    rows = rows.filter(session=newest)
    assert f"Features, {newest}" in words
    for row in rows.iter_rows(named=True):
        (line,) = [line for line in words.splitlines() if line.split()[:1] == [row["symbol"]] and " of 141" in line]
        assert f"{141 - row['n_missing']} of 141" in line
        assert line.split()[-1] == f"{row['confidence']:.2f}"
    nowhere = [feature.name for feature in FEATURES if rows[feature.name].null_count() == rows.height]
    assert f"Null for every symbol: {', '.join(nowhere)}." in " ".join(words.split())


def test_every_strategy_stands_with_its_trials_and_what_forbids_to_publish_it(words, trained_home):
    lake = Lake(trained_home)
    runs = lake.read("backtests.runs")
    metrics = lake.read("backtests.metrics").filter(pl.col("scope") == "all", pl.col("series") == "strategy")
    assert runs.height == 5
    for run in runs.iter_rows(named=True):
        (line,) = [line for line in words.splitlines() if line.split()[:1] == [run["strategy"]]]
        own = metrics.filter(pl.col("run_key") == run["run_key"], pl.col("metric") == "maximum_drawdown")
        assert f"{own['value'][0]:,.4f}" in line
        assert line.split()[-1] == ("yes" if run["is_publishable"] else "no")
        assert str(run["n_trials"]) in line.split()
    assert "inputs were generated" in words
    # These nights have no other engine beside them: a run with fills is not published before one has replayed it.
    replayed = runs.select(
        pl.col("blocked_by").str.contains("its orders were not replayed on vectorbt, backtrader, zipline")
    )
    assert replayed.to_series().to_list() == (runs["n_fills"] > 0).to_list()


def test_generated_data_and_the_next_commands_are_told(words, trained_home):
    flat = " ".join(words.split())
    assert "every row that rests on them says so: synthetic" in flat
    assert re.search(r"Quarantined rows", flat)
    for command in (
        "make up",
        "gnosis sql",
        f"duckdb -readonly {trained_home}",
        "gnosis tables",
        "gnosis run --next 1",
    ):
        assert command in flat
