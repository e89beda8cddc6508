"""Every implied strategy is a trial, and the one that is judged is deflated by all of them."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from gnosis.backtest.trials import MemoryLedger, count_trials
from gnosis.learning.derived_strategy import EDGE_THRESHOLD, derived_strategy_returns
from gnosis.learning.evidence import Evidence
from gnosis.learning.gates import gates
from gnosis.learning.models import PUBLISHED
from gnosis.learning.strategy_trials import COST_BPS, HELD, overfitting, strategy_returns

FAMILY = "S00+S01 h5 direction"


def walk(learned, answers=None, ledger=None):
    ledger = MemoryLedger() if ledger is None else ledger
    told = learned.answers if answers is None else answers
    made = strategy_returns(told, learned.trained, learned.bars, ledger, family=FAMILY, code_sha256="0" * 64)
    return made, ledger


@pytest.fixture(scope="module")
def walked(learned):
    return walk(learned)


def test_every_family_is_one_trial_and_so_is_holding_without_a_model(learned, walked):
    returns, ledger = walked
    names = [*learned.answers["model_name"].unique().sort(), HELD]
    assert returns.columns == ["session", *names]
    assert count_trials(ledger.rows(), FAMILY) == len(names)
    done = ledger.rows().filter(pl.col("status") == "complete")
    assert done["origin"].cast(pl.String).unique().to_list() == ["walk_forward"]
    assert {json.loads(text)["edge_threshold"] for text in done["parameters"]} == {EDGE_THRESHOLD}
    again, same = walk(learned, ledger=ledger)
    assert again.equals(returns)
    assert same.rows().height == 2 * len(names)


def test_the_judged_column_is_the_derived_strategy(learned, walked):
    returns, _ = walked
    own = learned.answers.filter(pl.col("model_name") == "xgboost")
    said = own.select("session", "symbol", p_down=pl.col("answer").list.get(0), p_up=pl.col("answer").list.get(2))
    expected = derived_strategy_returns(said, learned.bars, cost_bps=COST_BPS, edge_threshold=EDGE_THRESHOLD)
    assert returns[PUBLISHED].to_list() == expected["net_return"].to_list()


def test_holding_without_a_model_earns_the_mean_move_of_the_symbols(learned, walked):
    returns, _ = walked
    opens = learned.bars.pivot("symbol", index="session", values="open").sort("session")
    moves = opens.select("session", pl.exclude("session").shift(-1) / pl.exclude("session") - 1.0)
    expected = returns.select("session").join(
        moves.select("session", held=pl.mean_horizontal(pl.exclude("session"))), on="session", how="left"
    )
    assert returns[HELD].to_numpy()[1:] == pytest.approx(expected["held"].to_numpy()[1:], abs=1e-12)
    # The first open is when the symbols are bought.
    assert returns[HELD][0] == pytest.approx(expected["held"][0] - COST_BPS * 1e-4, abs=1e-12)


def test_a_market_that_rises_is_no_ability(walked):
    returns, ledger = walked
    rising = returns.with_columns(pl.col(HELD) + 0.01)
    found, plain = (overfitting(each, ledger, family=FAMILY, seed=1) for each in (rising, returns))
    assert found.spa_p_value == plain.spa_p_value
    assert found.probability_of_backtest_overfitting != plain.probability_of_backtest_overfitting


def test_a_planted_edge_earns_more_than_luck_and_more_trials_take_from_it(walked):
    returns, ledger = walked
    found = overfitting(returns, ledger, family=FAMILY, seed=1)
    assert found.n == returns.height
    assert (found.n_trials, 1.0 <= found.n_effective <= found.n_trials) == (returns.width - 1, True)
    assert found.spa_p_value < 0.05
    assert 0.0 <= found.probability_of_backtest_overfitting <= 1.0
    assert found.deflated_sharpe_ratio >= found.deflated_sharpe_ratio_of_all > 0.5


def test_a_model_that_never_leans_has_no_figures(learned):
    third = [1 / 3, 1 / 3, 1 / 3]
    is_mine = pl.col("model_name") == "xgboost"
    flat = learned.answers.with_columns(answer=pl.when(is_mine).then(pl.lit(third)).otherwise("answer"))
    returns, ledger = walk(learned, flat)
    assert not np.any(returns[PUBLISHED].to_numpy())
    found = overfitting(returns, ledger, family=FAMILY, seed=1)
    assert found.deflated_sharpe_ratio is None
    assert found.probability_of_backtest_overfitting is None
    assert found.n_trials == returns.width - 1
    judged = gates(Evidence(horizon_bars=5, head="direction", champion=None, overfitting=found))
    said = {each.statistic: each.reason for each in judged if each.gate == "G7"}
    n = f"{returns.height} returns, and no number would do"
    assert said["deflated_sharpe_ratio"] == f"insufficient: all returns are the same: {n}"
    assert said["probability_of_backtest_overfitting"] == f"insufficient: the judged strategy hardly trades: {n}"


def test_too_few_returns_are_told_with_the_number_it_takes(walked):
    returns, ledger = walked
    found = overfitting(returns.head(25), ledger, family=FAMILY, seed=1)
    assert found.lacking["probability_of_backtest_overfitting"] == "too few returns in a block: 25 of 80 returns"
    assert found.lacking["deflated_sharpe_ratio"].endswith(": 25 of 30 returns")
    assert (
        set(found.lacking) >= {name for name in found.__dataclass_fields__ if getattr(found, name) is None}
        and not overfitting(returns, ledger, family=FAMILY, seed=1).lacking
    )


def test_without_the_published_family_nothing_is_judged(learned):
    returns, ledger = walk(learned, learned.answers.filter(pl.col("model_name") != "xgboost"))
    assert overfitting(returns, ledger, family=FAMILY, seed=1) is None
