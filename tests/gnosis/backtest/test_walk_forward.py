"""Walk-forward optimisation: windows, search, planted edges, no look-ahead, one stitched run (section 9)."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from gnosis.backtest import Configuration, run
from gnosis.backtest.playing import family_of
from gnosis.backtest.search import Proposals, Search, SearchError, mean_log_return, sharpe_per_period
from gnosis.backtest.strategy import strategy
from gnosis.backtest.trials import MemoryLedger, trials_of_family, verify_chain
from gnosis.backtest.walk_forward import WalkForwardError, walk_forward
from gnosis.backtest.walk_forward_report import rank_correlation
from gnosis.backtest.windows import Windows, WindowsError
from gnosis.tables import TABLES

COSTS = Configuration(slippage="proportional", participation=None, initial_cash_usd=100_000.0)
CODE = "c" * 64
PLANTED = 0
SMALL = Windows("rolling", train_sessions=60, test_sessions=20)


@strategy(grid={"weekday": (4, 2, PLANTED)})
def one_day_a_week(view, *, weekday=4, symbol="SPY"):
    """In the market from the open after this weekday's close to the open after the next."""
    return {symbol: 0.9 if view.session.weekday() == weekday else 0.0}


@strategy(grid={"weekday": (4, 2, PLANTED), "weight": (0.3, 0.6, 0.9)})
def weighted_day(view, *, weekday=4, weight=0.3):
    """The same with a weight to choose."""
    return {"SPY": weight if view.session.weekday() == weekday else 0.0}


@strategy(grid={"colour": ("red", "green", "blue")})
def colour_blind(view, *, colour="blue"):
    """A rule that ignores its parameter."""
    return {"SPY": 0.5}


@strategy(grid={"n": (1, 2)})
def breaks_at_two(view, *, n=1):
    """A rule that cannot work with 2."""
    if n == 2:
        raise RuntimeError("two is too many")
    return {"SPY": 0.5}


@strategy(grid={"n": (1, 2)})
def always_breaks(view, *, n=1):
    """A rule that cannot work."""
    raise RuntimeError("no good")


def planted(make_bars, then: int = PLANTED, n: int = 130) -> pl.DataFrame:
    """Bars that gain 1 % between open and close on the session after each Monday; from session 70, another weekday."""
    rng = np.random.default_rng(3)
    weekday = make_bars("SPY", np.ones(n), np.ones(n))["session"].dt.weekday().to_numpy() - 1
    is_good = np.concatenate([[False], weekday[:-1] == np.where(np.arange(n - 1) < 70, PLANTED, then)])
    intraday = rng.normal(0, 0.003, n) + 0.01 * is_good
    night = rng.normal(0, 0.003, n)
    closes = 100 * np.exp(np.cumsum(intraday + night))
    return make_bars("SPY", (closes / np.exp(intraday)).round(2), closes.round(2))


@pytest.fixture(scope="module")
def bars(make_bars) -> pl.DataFrame:
    return planted(make_bars)


def optimised(bars, rule=one_day_a_week, **rest):
    given = {"recorder": MemoryLedger(), "code_sha256": CODE, "windows": SMALL} | rest
    return walk_forward(rule, bars, COSTS, **given)


@pytest.fixture(scope="module")
def found(bars):
    return optimised(bars)


def test_windows_are_those_of_the_specification() -> None:
    """V9 of the learning specification."""
    rolling = Windows("rolling", 500, 100, 5).cut(1_000)
    assert [(each.test_first, each.test_last) for each in rolling] == [(n, n + 99) for n in range(500, 1_000, 100)]
    assert [(each.train_first, each.train_last) for each in rolling] == [
        (0, 494), (100, 594), (200, 694), (300, 794), (400, 894)
    ]  # fmt: skip
    anchored = Windows("anchored", 500, 100, 3, 2).cut(1_000)
    assert [(each.train_first, each.train_last) for each in anchored] == [(0, n) for n in (494, 594, 694, 794, 894)]
    assert {each.n_purged for each in rolling + anchored} == {5}
    assert Windows("rolling", 500, 100).cut(501)[0].test_last == 500
    with pytest.raises(WindowsError, match="longer history"):
        Windows("rolling", 500, 100).cut(500)
    for wrong in ({"scheme": "sliding"}, {"test_sessions": 0}, {"purge_sessions": 756}, {"embargo_sessions": -1}):
        with pytest.raises(WindowsError):
            Windows(**wrong)


def test_the_planted_parameter_is_found_and_pays(found, bars) -> None:
    TABLES["backtests.walk_forward"].schema.validate(found.windows)
    assert [json.loads(each)["weekday"] for each in found.windows["parameters"]] == [PLANTED] * 4
    assert found.share_positive == 1.0
    assert found.out_of_sample_return > 0.1
    assert found.efficiency_ratio == pytest.approx(
        found.out_of_sample_return / found.windows["in_sample_return"].mean()
    )
    curve = found.result.equity["equity_usd"]
    assert found.windows["net_profit_usd"].sum() == pytest.approx(curve[-1] - 100_000.0)
    assert found.windows["run_key"].unique().to_list() == [found.result.run_key]
    assert found.windows["test_last"][-1] == bars["session"][-1]
    assert found.windows["score_rank_correlation"].is_null().to_list() == [True, False, False, False]
    assert found.surface.filter(window_number=0)["value"].to_list() == ["4", "2", "0"]
    assert found.is_complete
    path = json.loads(found.result.runs["parameters"].item())["path"]
    assert list(path) == [day.isoformat() for day in found.windows["test_first"]]
    assert found.result.runs["labels"].item() == ""


def test_the_stitched_curve_is_one_run_that_switches_by_date(make_bars) -> None:
    """B-9.2: equal to a run of target weights made by hand from the chosen parameters; costs of switching included."""
    bars = planted(make_bars, then=2)
    found = optimised(bars)
    days = [json.loads(each)["weekday"] for each in found.windows["parameters"]]
    assert (days[0], days[-1]) == (PLANTED, 2)
    rows = []
    for first, last, weekday in zip(found.windows["test_first"], found.windows["test_last"], days, strict=True):
        held = bars["session"].filter(bars["session"].is_between(first, last))
        rows += [(session, "SPY", 0.9 if session.weekday() == weekday else 0.0) for session in held]
    targets = pl.DataFrame(rows, schema=["session", "symbol", "target_weight"], orient="row")
    by_hand = run(bars, targets, COSTS, recorder=MemoryLedger(), code_sha256=CODE)
    figures = ["session", "cash_usd", "equity_usd", "fees_usd"]
    assert found.result.equity.select(figures).equals(by_hand.equity.select(figures))


@pytest.mark.parametrize("number", [0, 1, 3])
def test_no_session_of_a_test_window_is_used_before_it(found, bars, number) -> None:
    """Everything from the purged sessions of a window on is poisoned: what was chosen for it does not move."""
    last = found.windows["train_last"][number]
    is_late = pl.col("session") > last
    rng = np.random.default_rng(9)
    factor = pl.Series(rng.uniform(0.2, 5.0, bars.height))
    poisoned = bars.with_columns(
        pl.when(is_late).then(pl.col(name) * factor).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close")
    )
    again = optimised(poisoned)
    choice = ["window_number", "parameters", "in_sample_score", "in_sample_return", "score_rank_correlation"]
    assert again.windows.select(choice).head(number + 1).equals(found.windows.select(choice).head(number + 1))
    known = pl.col("session") <= last
    figures = ["session", "equity_usd"]
    assert again.result.equity.filter(known).select(figures).equals(found.result.equity.filter(known).select(figures))
    assert not again.result.equity["equity_usd"].equals(found.result.equity["equity_usd"])


def test_later_sessions_change_no_earlier_window(found, bars) -> None:
    shorter = optimised(bars.head(100))
    choice = ["window_number", "parameters", "in_sample_score", "test_last", "net_profit_usd"]
    assert shorter.windows.select(choice).equals(found.windows.select(choice).head(2))


def test_every_set_is_a_trial_of_the_family_of_the_run(bars) -> None:
    ledger = MemoryLedger()
    found = optimised(bars.head(85), recorder=ledger)
    rows = ledger.rows()
    verify_chain(rows)
    family = family_of(bars["symbol"].unique().sort().to_list(), "one_day_a_week")
    trials = trials_of_family(rows, family)
    assert trials["origin"].cast(pl.String).to_list() == ["walk_forward"] * 6 + ["backtest"]
    assert trials["status"].cast(pl.String).unique().to_list() == ["complete"]
    assert rows["status"].cast(pl.String).to_list()[:6] == ["begun"] * 6
    assert trials["period_last"].to_list()[:6] == [found.windows["train_last"][n] for n in (0, 0, 0, 1, 1, 1)]
    returns = ledger.returns(trials["returns_sha256"][0])
    assert returns["session"][-1] == found.windows["train_last"][0]
    assert trials["sharpe_per_period"][0] == pytest.approx(sharpe_per_period(returns["net_return"].to_numpy()))


def test_of_equal_sets_the_first_of_the_grid_is_taken(bars) -> None:
    found = optimised(bars.head(85), colour_blind)
    assert [json.loads(each)["colour"] for each in found.windows["parameters"]] == ["red", "red"]
    assert found.windows["score_rank_correlation"].is_null().all()


def test_a_set_that_fails_leaves_the_run_incomplete(bars) -> None:
    ledger = MemoryLedger()
    found = optimised(bars.head(85), breaks_at_two, recorder=ledger)
    assert not found.is_complete
    stitched = found.result.runs.row(0, named=True)
    assert "incomplete" in stitched["labels"].split(",")
    assert not stitched["is_publishable"]
    assert "a unit of work failed" in stitched["blocked_by"]
    assert found.scores["error"].to_list() == [None, "RuntimeError: two is too many"] * 2
    assert ledger.rows().filter(status="failed").height == 2
    with pytest.raises(WalkForwardError, match="RuntimeError: no good"):
        optimised(bars.head(85), always_breaks)


@pytest.mark.parametrize("kind", ["random", "optuna"])
def test_searches_are_seeded_and_learn(bars, kind) -> None:
    search = Search(kind, n_candidates=5)
    found, again = (optimised(bars.head(85), weighted_day, search=search, seed=4) for _ in range(2))
    assert found.scores.equals(again.scores)
    assert found.windows.equals(again.windows)
    tried = found.scores.group_by("window_number").len()["len"]
    assert tried.max() <= 5
    assert tried.to_list() == found.windows["n_candidates"].to_list()
    best = found.scores.group_by("window_number", maintain_order=True).agg(pl.col("score").max())
    assert found.windows["in_sample_score"].equals(best["score"].alias("in_sample_score"))
    assert not optimised(bars.head(85), weighted_day, search=search, seed=5).scores.equals(found.scores)


def test_optuna_finds_what_is_planted_in_the_scores() -> None:
    proposals = Proposals(weighted_day, Search("optuna", n_candidates=40), seed=1)
    while proposed := proposals.next_round():
        proposals.learn(
            {
                json.dumps(each, sort_keys=True, separators=(",", ":")): each["weight"] - each["weekday"]
                for each in proposed
            }
        )
    assert proposals.best(proposals.scores) == '{"weekday":0,"weight":0.9}'


def test_scores_rest_on_decisions_of_their_own_fold() -> None:
    rng = np.random.default_rng(0)
    returns = rng.normal(0.001, 0.01, 30)
    equity = 100 * np.cumprod(np.concatenate([[1.0], 1 + returns]))
    search = Search(n_folds=3, purge_sessions=2)
    folds = [returns[:10], returns[12:20], returns[22:]]
    assert search.score(equity) == pytest.approx(np.mean([fold.mean() / fold.std(ddof=1) for fold in folds]))
    assert search.score(np.full(31, 100.0)) is None
    assert search.score(np.linspace(100.0, -1.0, 31)) is None
    with pytest.raises(SearchError, match="fewer folds"):
        Search(n_folds=3, purge_sessions=10).score(equity)
    assert mean_log_return(np.array([0.1, -1.0])) is None
    assert mean_log_return(np.array([0.1])) == pytest.approx(np.log(1.1))


def test_searches_that_cannot_be_done_are_refused(bars) -> None:
    for wrong in ({"kind": "genetic"}, {"objective": "beauty"}, {"n_folds": 0}, {"n_candidates": 0}):
        with pytest.raises(SearchError):
            Search(**wrong)

    @strategy()
    def fixed(view):
        return {}

    with pytest.raises(SearchError, match="declare"):
        optimised(bars, fixed)


def test_rank_correlations_need_three_sets_and_some_order() -> None:
    before = {"a": 1.0, "b": 2.0, "c": 3.0, "d": None}
    assert rank_correlation(before, before) == 1.0
    assert rank_correlation(before, {"a": 1.0, "b": 2.0, "d": 3.0}) is None
    assert rank_correlation(before, dict.fromkeys("abc", 1.0)) is None
