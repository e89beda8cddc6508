"""Rows of ``backtests.overfitting``: B-12.10 and the mistakes of B-12.11 at the place where they would be made."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.backtest.deflation import return_moments
from gnosis.backtest.overfitting_report import UNITS, overfitting_report
from gnosis.backtest.significance import probabilistic_sharpe_ratio
from gnosis.backtest.trials import MemoryLedger, Trial, TrialError
from gnosis.tables import TABLES
from tests.gnosis.backtest.accounts import sessions_of

DAY = dt.date(2015, 1, 2)


def trial(number: int, family: str = "SPY rule") -> Trial:
    return Trial(family, "backtest", f'{{"number":{number}}}', "d" * 64, "c" * 64, DAY, DAY)


def series(values: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"session": sessions_of(values.size), "net_return": values})


def family(values: np.ndarray, n_pruned: int = 0) -> MemoryLedger:
    """Return a ledger with one finished trial per column and some that were given up."""
    ledger = MemoryLedger()
    for number, column in enumerate(values.T):
        ledger.begin(trial(number))
        found = return_moments(column)
        ledger.finish(
            trial(number), returns=series(column), n=found.n, sharpe_per_period=found.sharpe_per_period,
            skewness=found.skewness, kurtosis=found.kurtosis,
        )  # fmt: skip
    for number in range(n_pruned):
        ledger.begin(trial(1000 + number))
        ledger.finish(trial(1000 + number), status="pruned")
    return ledger


def report(ledger: MemoryLedger, own: np.ndarray, number: int = 0, **rest):
    held = series(np.random.default_rng(99).normal(0.0002, 0.01, own.size))
    return overfitting_report(
        "k" * 64, series(own), ledger.rows(), ledger.returns, held,
        trial_id=trial(number).trial_id, seed=1, synthetic=True, resamples=200, **rest,
    )  # fmt: skip


def values_of(rows: pl.DataFrame) -> dict[str, float]:
    return dict(zip(rows["statistic"], rows["value"], strict=True))


def noise(n: int = 400, k: int = 12, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0003, 0.01, (n, k))


def test_every_statistic_is_there_and_obeys_its_table() -> None:
    values = noise()
    found = report(family(values, n_pruned=5), values[:, 3], 3)
    TABLES["backtests.overfitting"].schema.validate(found.rows)
    assert sorted(found.rows["statistic"]) == sorted(UNITS)
    assert found.rows["reason"].is_null().all()
    told = values_of(found.rows)
    assert told["n_trials"] == 17
    assert told["spa_lower_p"] <= told["spa_consistent_p"] <= told["spa_upper_p"]
    assert told["pbo"] == pytest.approx(float((found.logits <= 0).mean()))
    assert told["pbo_splits"] == found.logits.size == 12_870


def test_ratios_are_per_period_and_kurtosis_is_raw() -> None:
    values = noise()
    own = values[:, 3]
    told = values_of(report(family(values), own, 3).rows)
    away = (own - own.mean()) / own.std()
    expected = probabilistic_sharpe_ratio(
        own.mean() / own.std(ddof=1), own.size, skewness=(away**3).mean(), kurtosis=(away**4).mean()
    )
    assert told["psr"] == pytest.approx(expected, rel=1e-12)
    assert told["dsr_all_trials"] < told["psr"]


def test_copies_of_one_idea_are_few_effective_trials() -> None:
    common = noise(k=1)
    copies = common + 1e-5 * noise(k=30, seed=4)
    told = values_of(report(family(copies), copies[:, 0]).rows)
    assert told["n_trials"] == 30
    assert told["n_effective_trials"] < 2
    assert values_of(report(family(noise(k=30)), noise(k=30)[:, 0]).rows)["n_effective_trials"] > 25


def test_trials_that_were_given_up_or_hardly_trade_still_count() -> None:
    values = noise()
    idle = np.where(np.arange(400) < 390, 0.0, noise(k=1)[:, 0])
    told = values_of(report(family(np.column_stack([values, idle]), n_pruned=40), values[:, 3], 3).rows)
    assert (told["n_trials"], told["pbo_configurations"], told["spa_models"]) == (53, 12, 13)
    assert told["n_effective_trials"] > 40
    fewer = values_of(report(family(values), values[:, 3], 3).rows)
    assert told["dsr_effective_trials"] < fewer["dsr_effective_trials"]


def test_too_little_data_says_how_much_is_needed() -> None:
    values = noise(20, 3)
    rows = report(family(values), values[:, 0]).rows
    TABLES["backtests.overfitting"].schema.validate(rows)
    reasons = dict(zip(rows["statistic"], rows["reason"], strict=True))
    assert reasons["pbo"] == "insufficient: too few returns that all trials share; 20 returns of 80 needed"
    assert "20 returns of 30 needed" in reasons["psr"]
    assert "20 returns of 30 needed" in reasons["spa_consistent_p"]
    assert values_of(rows)["n_trials"] == 3
    alone = report(family(noise(200, 1)), noise(200, 1)[:, 0]).rows
    assert "1 configurations of 2 needed" in dict(zip(alone["statistic"], alone["reason"], strict=True))["pbo"]


def test_a_loser_has_no_length_that_would_do() -> None:
    values = noise() - 0.01
    rows = report(family(values), values[:, 0]).rows.filter(pl.col("statistic").str.starts_with("minimum"))
    assert rows["value"].to_list() == [None, None]
    assert rows["reason"].str.contains("not above 0").all()


def test_the_run_is_judged_by_its_own_returns_not_by_an_earlier_record() -> None:
    values = noise()
    ledger = family(values)
    longer = noise(seed=2, n=400, k=12)[:, 3].copy()
    longer[-1] += 0.05
    told, before = (values_of(report(ledger, own, 3).rows) for own in (longer, values[:, 3]))
    assert told["pbo_slope"] != before["pbo_slope"]


def test_a_run_that_is_not_in_the_ledger_is_refused() -> None:
    values = noise()
    with pytest.raises(TrialError, match="expected the trial of this run"):
        report(family(values), values[:, 0], 77)
    ledger = family(values)
    ledger.begin(trial(1, "another family"))
    with pytest.raises(ValueError, match="one family, found 2"):
        report(ledger, values[:, 0])
