"""Markets of which everything is known: a planted Sharpe ratio is found, luck is not taken for skill, nothing leaks.

``benchmarks/backtest_truth.py`` asks the same of many more markets.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from gnosis.backtest import Configuration, Strategy, View, run, strategy
from gnosis.backtest.metrics import Account, metrics_rows, net_returns, return_figures
from gnosis.backtest.overfitting_report import overfitting_report
from gnosis.backtest.study import Market, study
from gnosis.backtest.trials import MemoryLedger
from gnosis.trading.strategies import placebo
from tests.gnosis.backtest.conftest import bars_of, walk

CODE = "c" * 64
SIGNAL = "truth.signal"
NO_STATES = pl.DataFrame(schema={"session": pl.Date, "scope": pl.String, "bucket": pl.String})
SIGMA = 0.02
"""Standard deviation of the returns from open to close of every market here; nothing moves overnight."""
COST = 0.0020
"""Share of the traded value that a fill costs: 19 basis points of slippage and 1 of fee."""
COSTLY = Configuration(slippage="proportional", slippage_bps=19.0, fee_bps=1.0, participation=None)
FREE = Configuration(
    slippage="proportional", slippage_bps=0.0, fee_bps=0.0, borrow_rate_per_year=0.0, margin_rate_per_year=0.0,
    participation=None, allow_zero_cost=True,
)  # fmt: skip
LONG_WEIGHT = 0.9
LIKELY = 0.99
"""Probability that a count stays within its binomial bound while the rate is the nominal one."""


@strategy(reads=(SIGNAL,))
def long_on_signal(view: View) -> dict[str, float]:
    """Long while the signal is up, else flat."""
    ups = view.today(SIGNAL).select("symbol", "is_up").iter_rows()
    return {symbol: LONG_WEIGHT if is_up else 0.0 for symbol, is_up in ups}


@strategy(reads=(SIGNAL,), grid={"coin": tuple(range(21))})
def signal_or_coin(view: View, *, coin: int = 0) -> dict[str, float]:
    """Half the equity with the signal; any coin but 0 is thrown without looking at it."""
    if coin:
        return placebo.function(view, seed=coin)
    ups = view.today(SIGNAL).select("symbol", "is_up").iter_rows()
    return {symbol: (0.5 if is_up else -0.5) / len(view.symbols) for symbol, is_up in ups}


def planted_market(n: int, seed: int, edge: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return bars and a signal known at each close: a fair coin, and the mean of the next return is its sign's edge.

    Returns from open to close are ``SIGMA * (edge * sign + noise)``; ``edge`` 0 makes the signal worthless.
    """
    rng = np.random.default_rng(seed)
    is_up = rng.random(n) < 0.5
    noise = rng.standard_normal(n)
    noise[1:] += edge * np.where(is_up[:-1], 1.0, -1.0)
    closes = 100 * np.cumprod(1 + SIGMA * noise)
    bars = bars_of("SPY", np.append(100.0, closes[:-1]), closes, volume=1e9)
    return bars, bars.select("session", "symbol", "known_at", is_up=pl.Series(is_up))


def true_sharpe_per_year(edge: float) -> float:
    """Return the ratio of :func:`long_on_signal` after costs.

    A fair coin is up in half of the sessions and changes in half of them, independently of where it goes, so one
    session earns ``up * r - cost * changed`` times the weight, without memory. Keeping the weight while prices move
    costs less than a five-hundredth of that.
    """
    mean = (SIGMA * edge - COST) / 2
    variance = SIGMA**2 / 2 + (SIGMA * edge) ** 2 / 4 + COST**2 / 4
    return mean / math.sqrt(variance) * math.sqrt(252)


def published_sharpe(n: int, seed: int, edge: float, resamples: int) -> tuple[float, float, float]:
    """Return the published ratio of :func:`long_on_signal` with its interval, from a run of the engine."""
    bars, signal = planted_market(n, seed, edge)
    found = run(bars, long_on_signal, COSTLY, recorder=MemoryLedger(), code_sha256=CODE, tables={SIGNAL: signal})
    accounts = {
        "strategy": Account(found.equity, found.fills, found.trades),
        "buy_and_hold": Account(found.buy_and_hold_equity, found.buy_and_hold_fills),
    }
    rows = metrics_rows(found.run_key, accounts, seed=seed, resamples=resamples, is_cut=False)
    return rows.filter(series="strategy", scope="all", metric="sharpe").select("value", "low", "high").row(0)


def binomial_range(n: int, rate: float) -> tuple[int, int]:
    """Return the fewest and the most of ``n`` that a rate explains: each is passed in at most 1 - LIKELY of cases."""
    from scipy.stats import binom

    return int(binom.ppf(1 - LIKELY, n, rate)), int(binom.ppf(LIKELY, n, rate))


def judged_placebos(n: int, seed: int, n_placebos: int, configuration: Configuration) -> dict[str, list[float]]:
    """Return what is published about placebos on a random walk: of each, of the best and of the family."""
    closes = 100 * np.cumprod(1 + SIGMA * np.random.default_rng(seed).standard_normal(n))
    bars = bars_of("SPY", np.append(100.0, closes[:-1]), closes, volume=1e9)
    ledger = MemoryLedger()
    runs = [
        run(bars, placebo, configuration, recorder=ledger, code_sha256=CODE, parameters={"seed": seed * 1000 + each})
        for each in range(n_placebos)
    ]
    chances = []
    for each in runs:
        returns = net_returns(each.equity)
        assert returns is not None
        chances.append(return_figures(returns)["psr_against_zero"].value)
    best = runs[int(np.argmax(chances))]
    report = overfitting_report(
        best.run_key, per_session(best.equity), ledger.rows(), ledger.returns, per_session(best.buy_and_hold_equity),
        trial_id=best.trial_id, seed=seed, resamples=1000, synthetic=True,
    )  # fmt: skip
    told = dict(report.rows.select("statistic", "value").iter_rows())
    return {
        "psr": chances,
        "dsr_all_trials": [told["dsr_all_trials"]],
        "spa_consistent_p": [told["spa_consistent_p"]],
        "n_trials": [told["n_trials"]],
    }


def per_session(equity: pl.DataFrame) -> pl.DataFrame:
    return equity.select("session", net_return=pl.col("equity_usd").pct_change())[1:]


def judged_signal(n: int, seed: int, edge: float) -> dict[str, float]:
    """Return the statistics of :func:`signal_or_coin`, studied with the twenty coins of its grid."""
    bars, signal = planted_market(n, seed, edge)
    market = Market(bars, {SIGNAL: signal}, NO_STATES)
    costs = replace(COSTLY, slippage_bps=1.0)
    rows = study(signal_or_coin, market, costs, bars["session"][0], ledger=MemoryLedger(), code_sha256=CODE, seed=seed)
    return dict(rows["backtests.overfitting"].select("statistic", "value").iter_rows())


def test_a_planted_sharpe_ratio_lies_inside_its_interval() -> None:
    edge, n_markets, n = 0.3, 20, 378
    truth = true_sharpe_per_year(edge)
    found = np.array([published_sharpe(n, seed, edge, resamples=300) for seed in range(n_markets)])
    covered = int(((found[:, 1] <= truth) & (truth <= found[:, 2])).sum())
    fewest, _ = binomial_range(n_markets, 0.95)
    assert covered >= fewest, f"{covered} of {n_markets} intervals hold {truth:.2f}, at least {fewest} expected"
    # An error of the costs by a half would move the mean by more than this.
    error = math.sqrt((252 + truth**2 / 2) / (n - 1) / n_markets)
    assert found[:, 0].mean() == pytest.approx(truth, abs=2.58 * error)


def test_placebos_are_taken_for_skill_at_the_nominal_rate() -> None:
    n_markets, n_placebos, n = 24, 4, 126
    found = [judged_placebos(n, seed, n_placebos, FREE) for seed in range(n_markets)]
    assert {each["n_trials"][0] for each in found} == {n_placebos}
    fewest, most = binomial_range(n_markets * n_placebos, 0.05)
    lucky = sum(chance >= 0.95 for each in found for chance in each["psr"])
    assert fewest <= lucky <= most
    _, most = binomial_range(n_markets, 0.05)
    assert sum(each["spa_consistent_p"][0] <= 0.05 for each in found) <= most
    assert sum(each["dsr_all_trials"][0] >= 0.95 for each in found) <= most


def test_costs_leave_placebos_less_chance() -> None:
    for seed in range(3):
        free, costly = (judged_placebos(126, seed, 2, configuration)["psr"] for configuration in (FREE, COSTLY))
        assert all(after < before for before, after in zip(free, costly, strict=True))


def test_a_planted_edge_survives_the_twenty_placebos_tried_beside_it() -> None:
    told = judged_signal(504, 1, edge=0.3)
    assert told["n_trials"] == 21
    assert told["dsr_all_trials"] > 0.95
    assert told["dsr_effective_trials"] > 0.95
    assert told["spa_consistent_p"] < 0.05


def test_a_signal_without_edge_does_not() -> None:
    told = judged_signal(189, 1, edge=0.0)
    assert told["n_trials"] == 21
    assert told["dsr_all_trials"] < 0.95
    assert told["spa_consistent_p"] > 0.05


def studied(bars: pl.DataFrame, signal: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the rows of a study that belong to a session."""
    few: Strategy = replace(signal_or_coin, grid={"coin": (0, 1)})
    # Enough history for the volatility-targeted benchmark at the first decision.
    first = bars["session"].unique().sort()[70]
    market = Market(bars, {SIGNAL: signal}, NO_STATES)
    rows = study(few, market, Configuration(), first, ledger=MemoryLedger(), code_sha256=CODE)
    # Random entries are drawn with the trades of the whole run.
    drawn = [f"random_entry_{name}_usd" for name in ("low", "median", "high")]
    # The last state of an order may be reached later.
    state = ["status", "reason", "known_at"]
    return {
        "orders": rows["backtests.orders"].drop("run_key", *state),
        "fills": rows["backtests.fills"].drop("run_key"),
        "equity": rows["backtests.equity"].drop("run_key", *drawn),
    }


def test_what_happens_later_changes_no_study_before() -> None:
    bars = walk(["A", "B", "C"], 140, seed=4, volume=40_000.0)
    rng = np.random.default_rng(5)
    signal = bars.select("session", "symbol", "known_at", is_up=pl.Series(rng.random(bars.height) < 0.5))
    day = bars["session"].unique().sort()[110]
    is_past, later = pl.col("session") <= day, pl.col("session") > day
    whole = studied(bars, signal)
    truncated = studied(bars.filter(is_past), signal.filter(is_past))
    noise = pl.Series(rng.uniform(0.2, 3.0, bars.height))
    poisoned_bars = bars.with_columns(
        pl.when(later).then(pl.col(name) * noise).otherwise(name).alias(name)
        for name in ("open", "high", "low", "close", "volume")
    )
    turned = pl.col("is_up").not_()
    # What is said of the past only afterwards is poison too.
    corrected = signal.filter(is_past).with_columns(is_up=turned, known_at=pl.lit(bars["known_at"].max()))
    poisoned_signal = pl.concat([signal.with_columns(is_up=pl.when(later).then(turned).otherwise("is_up")), corrected])
    poisoned = studied(poisoned_bars, poisoned_signal)
    assert truncated["equity"]["volatility_targeted_usd"].null_count() == 0
    for name, frame in whole.items():
        # Orders of the last session of the cut data have no open to fill at.
        until = pl.col("session") < day if name == "orders" else is_past
        before = frame.filter(until)
        assert before.height > 30, name
        assert before.equals(truncated[name].filter(until)), name
        assert before.equals(poisoned[name].filter(until)), name
        assert not frame.equals(poisoned[name]), name
