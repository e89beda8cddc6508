"""The trial ledger in memory and what is judged by it: sections 12.1 and 12.2 of the backtest specification."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import polars as pl
import pytest

from gnosis.backtest.deflation import Deflation, deflate, return_moments
from gnosis.backtest.significance import Insufficient, deflated_sharpe_ratio, effective_trials
from gnosis.backtest.trials import (
    ChainError,
    Ended,
    MemoryLedger,
    Trial,
    TrialError,
    count_trials,
    returns_sha256,
    trials_of_family,
    vault_openings,
    verify_chain,
)
from gnosis.tables import TABLES

DAY = dt.date(2024, 1, 2)
FAMILY = "SPY h5 direction"


def trial(number: object, family: str = FAMILY, origin: str = "optuna") -> Trial:
    return Trial(family, origin, json.dumps({"eta": number}), "d" * 64, "c" * 64, DAY, dt.date(2024, 3, 1))


def series(returns: np.ndarray) -> pl.DataFrame:
    days = pl.date_range(DAY, DAY + dt.timedelta(days=returns.size - 1), "1d", eager=True)
    return pl.DataFrame({"session": days, "net_return": returns})


def record(ledger: MemoryLedger, number: object, returns: np.ndarray, family: str = FAMILY) -> None:
    moments = return_moments(returns)
    ledger.begin(trial(number, family))
    ledger.finish(trial(number, family), returns=series(returns), **vars(moments))


def test_a_trial_is_what_was_tried_and_nothing_else() -> None:
    base = trial(1)
    assert base.trial_id == trial(1).trial_id
    others = [
        trial(2),
        trial(1, "QQQ h5 direction"),
        trial(1, origin="sweep"),
        *(Trial(**vars(trial(1)) | {name: "e" * 64}) for name in ("data_sha256", "code_sha256")),
        *(Trial(**vars(trial(1)) | {name: dt.date(2024, 2, 1)}) for name in ("period_first", "period_last")),
    ]
    assert len({each.trial_id for each in [base, *others]}) == 8
    with pytest.raises(TrialError, match="ends after it begins"):
        Trial(FAMILY, "optuna", "{}", "", "", DAY, dt.date(2023, 1, 3))


def test_rows_before_and_after_and_none_for_a_rerun() -> None:
    ledger = MemoryLedger()
    ledger.begin(trial(1))
    assert ledger.rows()["status"].to_list() == ["begun"]
    ledger.finish(trial(1), loss=0.5, n=np.int64(7))
    for _ in range(2):
        ledger.begin(trial(1))
        ledger.finish(trial(1), loss=0.4, n=7)
        ledger.finish(trial(1), status="failed")
    rows = ledger.rows()
    TABLES["backtests.trials"].schema.validate(rows)
    assert rows.select("status", "loss", "n").rows() == [("begun", None, None), ("complete", 0.5, 7)]


def test_many_at_once_are_the_rows_of_one_by_one() -> None:
    one_by_one, at_once = MemoryLedger(), MemoryLedger()
    returns = series(np.array([0.01, -0.02]))
    for number in (1, 2, 1):
        one_by_one.begin(trial(number))
    one_by_one.finish(trial(2), returns=returns, n=2)
    one_by_one.finish(trial(1), status="failed")
    at_once.begin_all([trial(1), trial(2), trial(1)])
    at_once.finish_all([Ended(trial(2), returns=returns, figures={"n": 2}), Ended(trial(1), "failed")])
    assert at_once.rows().equals(one_by_one.rows())
    assert at_once.rows().height == 4
    assert at_once.returns(returns_sha256(returns)).equals(returns)
    with pytest.raises(TrialError, match="call begin"):
        at_once.finish_all([Ended(trial(3))])


def test_a_failed_trial_may_still_be_completed() -> None:
    ledger = MemoryLedger()
    ledger.begin(trial(1))
    ledger.finish(trial(1), status="failed")
    ledger.finish(trial(1), status="failed")
    ledger.finish(trial(1), loss=np.float32(0.5))
    assert ledger.rows()["status"].to_list() == ["begun", "failed", "complete"]
    assert trials_of_family(ledger.rows(), FAMILY).select("status", "loss").rows() == [("complete", 0.5)]


def test_there_is_no_result_without_a_row() -> None:
    ledger = MemoryLedger()
    with pytest.raises(TrialError, match="call begin"):
        ledger.finish(trial(1), loss=0.5)
    ledger.begin(trial(1))
    for wrong in ({"loss": float("nan")}, {"kurtosis": float("inf")}):
        with pytest.raises(TrialError, match="finite figures"):
            ledger.finish(trial(1), **wrong)
    with pytest.raises(TrialError, match="among"):
        ledger.finish(trial(1), los=0.5)
    assert ledger.rows().height == 1


def test_nothing_tried_is_left_out_of_the_count() -> None:
    """B-12.11: pruned, failed and abandoned trials count; reruns and other families do not."""
    ledger = MemoryLedger()
    for number, status in enumerate(["complete", "pruned", "failed", None]):
        ledger.begin(trial(number))
        if status:
            ledger.finish(trial(number), status=status)
    ledger.begin(trial(0))
    ledger.begin(trial(0, "QQQ"))
    rows = ledger.rows()
    assert (count_trials(rows, FAMILY), count_trials(rows, "QQQ"), count_trials(rows, "IWM")) == (4, 1, 0)
    assert trials_of_family(rows, FAMILY)["status"].to_list() == ["complete", "pruned", "failed", "begun"]
    TABLES["backtests.trials"].schema.validate(trials_of_family(rows, FAMILY))


def test_a_vault_opened_twice_is_spent() -> None:
    ledger = MemoryLedger()
    for number in (1, 1, 2):
        ledger.begin(trial({"model_version": number, "reason": "promotion"}, origin="vault"))
    ledger.begin(trial(3))
    assert vault_openings(ledger.rows(), FAMILY) == 2
    assert vault_openings(ledger.rows(), "QQQ") == 0


def chain() -> pl.DataFrame:
    ledger = MemoryLedger()
    for number in range(4):
        ledger.begin(trial(number))
        ledger.finish(trial(number), loss=0.1 * number, n=number)
    return ledger.rows()


def test_the_chain_holds() -> None:
    rows = chain()
    verify_chain(rows)
    verify_chain(rows.head(5))
    verify_chain(rows.head(0))
    assert rows["previous_sha256"].to_list() == ["0" * 64, *rows["row_sha256"][:-1]]


@pytest.mark.parametrize("name", sorted(set(chain().columns)))
def test_no_column_can_be_changed(name) -> None:
    rows = chain()
    column = rows[name]
    other = {"status": "pruned", "origin": "sweep", "family": "x", "parameters": "{}", "n": 99, "loss": 0.7}
    values = column.to_list()
    day = dt.date(2023, 1, 3)
    fresh = day if column.dtype == pl.Date else 0.5 if column.dtype == pl.Float64 else "f" * 64
    values[3] = other.get(name, 77 if name == "sequence" else fresh)
    with pytest.raises(ChainError) as raised:
        verify_chain(rows.with_columns(pl.Series(name, values, dtype=column.dtype)))
    assert raised.value.position == 4


@pytest.mark.parametrize(
    ("rows", "position"),
    [
        (chain()[1:], 1),
        (pl.concat([chain()[:2], chain()[3:]]), 3),
        (chain().reverse(), 1),
        (chain()[[0, 1, 2, 2, 3]], 4),
    ],
)
def test_no_row_can_be_removed_or_moved(rows, position) -> None:
    with pytest.raises(ChainError, match="removed or moved") as raised:
        verify_chain(rows)
    assert raised.value.position == position


@pytest.mark.parametrize(
    "returns",
    [
        series(np.ones(3)).select("net_return", "session"),
        series(np.ones(3)).reverse(),
        pl.concat([series(np.ones(3)), series(np.ones(3))]).sort("session"),
        series(np.array([0.1, np.nan])),
        series(np.ones(2)).with_columns(net_return=pl.lit(None, pl.Float64)),
    ],
)
def test_returns_that_are_no_series_are_refused(returns) -> None:
    with pytest.raises(TrialError):
        returns_sha256(returns)


def test_the_best_of_many_is_judged_by_all_that_were_tried() -> None:
    rng = np.random.default_rng(1)
    common, own = rng.normal(0.0004, 0.01, (400, 1)), rng.normal(0, 0.005, (400, 20))
    tried = common + own
    ledger = MemoryLedger()
    for number in range(20):
        record(ledger, number, tried[:, number])
    ledger.begin(trial("abandoned"))
    ratios = tried.mean(axis=0) / tried.std(axis=0, ddof=1)
    best = tried[:, int(ratios.argmax())]
    found = deflate(best, ledger.rows(), FAMILY, ledger.returns)
    assert isinstance(found, Deflation)
    assert found.n_trials == 21
    assert found.n_effective == pytest.approx(effective_trials(tried, 1))
    assert found.n_effective < 7
    assert found.trial_variance == pytest.approx(ratios.var(ddof=1))
    moments = return_moments(best)
    expected = deflated_sharpe_ratio(
        ratios.max(),
        400,
        n_trials=21,
        trial_variance=ratios.var(ddof=1),
        skewness=moments.skewness,
        kurtosis=moments.kurtosis,
    )
    assert found.deflated == pytest.approx(expected)
    assert found.deflated < found.deflated_effective < found.probabilistic


def test_trials_without_stored_returns_count_in_full() -> None:
    rng = np.random.default_rng(2)
    ledger = MemoryLedger()
    for number in range(5):
        moments = return_moments(rng.normal(0.001, 0.01, 300))
        ledger.begin(trial(number))
        ledger.finish(trial(number), **vars(moments))
    found = deflate(rng.normal(0.001, 0.01, 300), ledger.rows(), FAMILY, ledger.returns)
    assert (found.n_trials, found.n_effective) == (5, 5.0)
    assert found.deflated == found.deflated_effective


def test_trials_with_too_little_in_common_count_in_full() -> None:
    rng = np.random.default_rng(3)
    ledger = MemoryLedger()
    early = rng.normal(0.001, 0.01, 300)
    record(ledger, "early", early)
    ledger.begin(trial("late"))
    late = series(rng.normal(0.001, 0.01, 300)).with_columns(pl.col("session") + pl.duration(days=290))
    ledger.finish(trial("late"), returns=late, **vars(return_moments(late["net_return"].to_numpy())))
    assert deflate(early, ledger.rows(), FAMILY, ledger.returns).n_effective == 2.0


def test_a_single_trial_is_not_deflated() -> None:
    returns = np.random.default_rng(4).normal(0.001, 0.01, 300)
    ledger = MemoryLedger()
    record(ledger, 1, returns)
    record(ledger, 2, -returns, "QQQ")
    found = deflate(returns, ledger.rows(), FAMILY, ledger.returns)
    assert found.probabilistic == found.deflated == found.deflated_effective
    assert (found.n_trials, found.n_effective, found.trial_variance) == (1, 1.0, None)


def test_too_little_is_no_number() -> None:
    rng = np.random.default_rng(5)
    ledger = MemoryLedger()
    ledger.begin(trial(1))
    rows, load = ledger.rows(), ledger.returns
    short = deflate(rng.normal(size=29), rows, FAMILY, load)
    assert isinstance(short, Insufficient)
    assert (short.found, short.needed, short.unit) == (29, 30, "returns")
    assert deflate(np.zeros(50), rows, FAMILY, load).reason == "all returns are the same"
    assert deflate(np.zeros(1), rows, FAMILY, load).needed == 2
    ledger.begin(trial(2))
    ledger.finish(trial(2), loss=0.6)
    unknown = deflate(rng.normal(size=50), ledger.rows(), FAMILY, load)
    assert (unknown.found, unknown.needed, unknown.unit) == (0, 2, "trials with a Sharpe ratio")
    with pytest.raises(TrialError, match="none of family 'IWM'"):
        deflate(rng.normal(size=50), rows, "IWM", load)
    with pytest.raises(ValueError, match="finite returns"):
        return_moments(np.array([0.1, np.nan]))
