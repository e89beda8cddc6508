"""Seconds of fits, from the ledger's entries to the run that they are logged with."""

from __future__ import annotations

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from assets.fit_clock import FitClock
from assets.model_tracking import remember_fitting
from gnosis.backtest.trials import MemoryLedger, Trial
from resources.tracking import Tracking, recorded_figures
from tests.resources.trainings import training_of

DAY = dt.date(2024, 1, 2)
WAIT_S = 0.02


def trial_of(family: str) -> Trial:
    return Trial(family, "training", "{}", "0" * 64, "1" * 64, DAY, DAY)


def test_fits_of_one_configuration_side_by_side_are_added_up():
    ledger = MemoryLedger()
    clock = FitClock(ledger)

    def fit(family: str) -> None:
        clock.begin(trial_of(family))
        time.sleep(WAIT_S)
        clock.finish(trial_of(family), loss=1.0, n=3)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fit, ["a", "a", "b"]))
    assert set(clock.seconds) == {"a", "b"}
    assert 2 * WAIT_S <= clock.seconds["a"] < 100.0
    assert ledger.rows()["status"].cast(str).to_list().count("complete") == 2


def test_seconds_wait_for_the_run_of_exactly_these_models(tmp_path):
    training = training_of("direction", n_folds=1)
    rows = training.scored.select("symbol")
    clock = FitClock(MemoryLedger())
    clock.seconds["SPY h5 direction"] = 12.5

    class Home:
        tracking = Tracking(tmp_path)

    remember_fitting(Home, 5, rows, training.trained, clock)
    assert recorded_figures(Home.tracking, training.trained) == {"fit_s": 12.5}
    assert recorded_figures(Home.tracking, training.trained.head(1)) == {}
    assert recorded_figures(Tracking(tmp_path / "other"), training.trained) == {}
    remember_fitting(Home, 5, rows, training.trained, FitClock(MemoryLedger()))
    assert recorded_figures(Home.tracking, training.trained)["fit_s"] == pytest.approx(12.5)
