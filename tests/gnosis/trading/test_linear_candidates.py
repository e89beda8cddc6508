"""Candidates in the underlying: the side is that of the odds, the size follows them, and no odds give no size."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.trading.linear_candidates import DECISION, linear_candidates
from gnosis.trading.price_paths import PathModel, path_model

AS_OF = dt.datetime(2024, 6, 21, 20, tzinfo=dt.UTC)
USUAL = {
    "symbol": "SPY",
    "as_of": AS_OF,
    "horizon_bars": 5,
    "model_version": "",
    "p_dir": 0.6,
    "z_se": 0.1,
    "sigma_per_bar": 0.01,
    "entry_cost": 2e-4,
    "exit_cost": 2e-4,
    "borrow_per_bar": 0.0,
}
MODELS = {
    "gbm": PathModel("gbm"),
    "fhs": path_model(np.random.default_rng(2).standard_t(5, 504), np.ones(504)),
    "t_jump": PathModel("t_jump"),
}


def candidates(*changes: dict[str, object], model: str = "gbm", n_pairs: int = 1_000) -> pl.DataFrame:
    rows = pl.DataFrame([{**USUAL, **change} for change in changes], schema=DECISION)
    return linear_candidates(rows, dict.fromkeys(rows["symbol"], MODELS[model]), n_pairs)


@pytest.mark.parametrize("model", MODELS)
def test_the_size_follows_the_odds_and_the_side_is_theirs(model):
    odds = [0.65, 0.60, 0.55, 0.5, 0.45, 0.40, 0.35]
    found = candidates(*({"p_dir": p} for p in odds), model=model)
    assert found["side"].to_list() == [1, 1, 1, 1, -1, -1, -1]
    size = found["kelly_fraction"].to_numpy()
    assert (np.diff(size[:3]) < 0).all() and (np.diff(size[4:]) > 0).all()
    assert size[3] == 0.0 and found["net_edge"][3] < 0.0
    assert (found["p_target"] > found["p_baseline"]).to_list() == [True, True, True, False, True, True, True]


def test_a_short_is_the_mirror_of_a_long_but_for_the_asymmetry_of_simple_returns():
    long, short = candidates({"p_dir": 0.6}), candidates({"p_dir": 0.4})
    assert long["p_target"][0] == pytest.approx(short["p_target"][0], abs=0.03)
    assert long["target_log"][0] == -short["target_log"][0] and long["stop_log"][0] == -short["stop_log"][0]
    assert long["drift_per_bar"][0] == pytest.approx(-short["drift_per_bar"][0])


def test_costs_and_borrow_are_taken_from_the_edge_once():
    free = candidates({"entry_cost": 0.0, "exit_cost": 0.0})
    paid = candidates({})
    assert free["net_edge"][0] == pytest.approx(free["gross_edge"][0], rel=1e-12)
    assert free["gross_edge"][0] == paid["gross_edge"][0]
    assert paid["net_edge"][0] == pytest.approx(paid["gross_edge"][0] - 4e-4, abs=2e-6)
    lent = candidates({"p_dir": 0.4, "borrow_per_bar": 1e-4})
    bare = candidates({"p_dir": 0.4})
    assert bare["net_edge"][0] - lent["net_edge"][0] == pytest.approx(1e-4 * bare["bars_held"][0])
    assert candidates({"borrow_per_bar": 1e-4})["net_edge"][0] == paid["net_edge"][0]


def test_the_error_of_the_edge_grows_with_that_of_the_odds():
    errors = candidates({"z_se": 0.0}, {"z_se": 0.1}, {"z_se": 0.2})["net_edge_se"].to_list()
    assert errors[0] == 0.0
    assert errors[2] == pytest.approx(2 * errors[1], rel=0.1)
    steeper = candidates({"p_dir": 1 / (1 + np.exp(-np.log(1.5) - 0.1))})["net_edge"][0]
    assert steeper - candidates({})["net_edge"][0] == pytest.approx(errors[1], rel=0.15)


def test_another_unit_of_volatility_scales_the_barriers_and_leaves_the_odds():
    small, large = (candidates({"sigma_per_bar": s, "entry_cost": 0.0, "exit_cost": 0.0}) for s in (0.001, 0.01))
    assert large["target_log"][0] == pytest.approx(10 * small["target_log"][0])
    assert large["p_target"][0] == small["p_target"][0]
    assert large["kelly_fraction"][0] <= small["kelly_fraction"][0]


def test_a_decision_gives_the_same_bytes_and_the_company_of_others_changes_nothing():
    alone = candidates({})
    assert candidates({}).equals(alone)
    together = candidates({"symbol": "QQQ"}, {}, {"as_of": AS_OF + dt.timedelta(days=1)})
    assert together[1].equals(alone[0])
    assert together["seed"].n_unique() == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [({"p_dir": 1.0}, r"within \(0, 1\)"), ({"sigma_per_bar": None}, "without nulls, found {'sigma_per_bar': 1}")],
)
def test_bad_decisions_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        candidates(change)


def test_a_symbol_without_a_model_or_a_column_is_refused():
    rows = pl.DataFrame([USUAL], schema=DECISION)
    with pytest.raises(ValueError, match="missing \\['SPY'\\]"):
        linear_candidates(rows, {})
    with pytest.raises(ValueError, match="missing \\['z_se'\\]"):
        linear_candidates(rows.drop("z_se"), {"SPY": MODELS["gbm"]})
