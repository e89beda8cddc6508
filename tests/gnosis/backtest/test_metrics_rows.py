"""Every figure of section 11 with its interval or reason, as rows of ``backtests.metrics``."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from gnosis.backtest.account_figures import account_figures, capacity
from gnosis.backtest.intervals import return_intervals
from gnosis.backtest.metrics import Account, benchmark_figures, metrics_frame, metrics_rows, return_figures
from gnosis.backtest.random_entry import RandomEntry
from gnosis.backtest.resampling import bootstrap_intervals
from gnosis.backtest.trade_figures import TRADE_UNITS, independent_bets, trade_figures
from gnosis.tables import TABLES
from tests.gnosis.backtest.accounts import RUN_KEY, account_of, equity_of, fills_of, sessions_of, trades_of

R = np.array([0.010, -0.005, 0.007, -0.012, 0.004, 0.015, -0.020, 0.006, 0.009, -0.003, 0.011, -0.008])
B = np.array([0.008, -0.004, 0.005, -0.010, 0.006, 0.010, -0.015, 0.004, 0.007, -0.001, 0.009, -0.006])
PROFITS = [120.0, -80.0, 60.0, -40.0, 200.0, -100.0, 30.0]
OF_TRADES = {
    "expectancy": 27.142857142857142,
    "profit_factor": 1.8636363636363635,
    "payoff_ratio": 1.3977272727272727,
    "trade_hit_rate": 0.5714285714285714,
    "sqn": 0.6567360733292693,
}


def noise(n: int, seed: int = 3, mean: float = 0.0008) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.01, n)


def trades_of_vector(risk: float | None = 1.0) -> pl.DataFrame:
    sessions = sessions_of(40)
    entries = list(range(0, 28, 4))
    known = None if risk is None else np.full(7, risk)
    return trades_of(PROFITS, entries, [at + 2 for at in entries], sessions, initial_risk_usd=known)


def test_trades_of_the_specification() -> None:
    figures = trade_figures(trades_of_vector(), seed=0, resamples=0)
    assert set(figures) == set(TRADE_UNITS)
    for name, expected in OF_TRADES.items():
        assert figures[name].value == pytest.approx(expected, rel=1e-12), name
    assert figures["n_independent_bets"].value == pytest.approx(7)


def test_results_in_units_of_risk_do_not_depend_on_the_risk_of_all_trades() -> None:
    one, fifty = (trade_figures(trades_of_vector(risk), seed=0, resamples=0) for risk in (1.0, 50.0))
    assert fifty["sqn"].value == pytest.approx(one["sqn"].value)
    assert fifty["expectancy_r"].value == pytest.approx(one["expectancy"].value / 50)
    assert fifty["mean_mae_r"].value == pytest.approx(-1 / 50)


def test_a_trade_without_a_stop_has_no_result_in_units_of_risk() -> None:
    figures = trade_figures(trades_of_vector(None), seed=0, resamples=0)
    assert figures["sqn"].value is None
    assert figures["sqn"].reason.startswith("7 of 7 closed trades had no protecting stop")
    assert figures["expectancy"].value == pytest.approx(OF_TRADES["expectancy"])


def test_no_closed_trade_gives_reasons_and_no_zero() -> None:
    open_only = trades_of([5.0], [0], [None], sessions_of(10))
    figures = trade_figures(open_only, seed=0, resamples=0)
    assert figures["expectancy"].reason == "no closed trade"
    assert (figures["n_open_trades"].value, figures["n_closed_trades"].value) == (1.0, 0.0)
    only_winners = trade_figures(trades_of([5.0, 6.0], [0, 2], [1, 3], sessions_of(10)), seed=0, resamples=0)
    assert (only_winners["profit_factor"].value, only_winners["payoff_ratio"].value) == (None, None)


def test_trades_that_overlap_are_fewer_bets() -> None:
    sessions = sessions_of(30)
    apart = trades_of([1.0] * 3, [0, 2, 4], [2, 4, 6], sessions)
    together = trades_of([1.0] * 3, [0, 0, 0], [6, 6, 6], sessions)
    assert independent_bets(apart) == pytest.approx(3)
    assert independent_bets(together) == pytest.approx(1)
    half = trades_of([1.0, 1.0], [0, 0], [5, 5], sessions)
    assert independent_bets(pl.concat([half, trades_of([1.0], [10], [12], sessions)])) == pytest.approx(2)


def test_alpha_errors_are_those_of_newey_and_west() -> None:
    import statsmodels.api as sm

    r, b = noise(400) + 0.4 * noise(400, 4), noise(400, 4)
    figures = benchmark_figures(r, b)
    fit = sm.OLS(r, sm.add_constant(b)).fit(
        cov_type="HAC", cov_kwds={"maxlags": int(4 * (400 / 100) ** (2 / 9)), "use_correction": True}
    )
    assert figures["alpha_standard_error"].value == pytest.approx(fit.bse[0] * 252, rel=1e-9)
    width = figures["beta"].high - figures["beta"].low
    assert width / (2 * 1.959963984540054) == pytest.approx(fit.bse[1], rel=1e-9)


def test_a_rate_without_risk_lowers_the_sharpe_ratio_and_is_stated() -> None:
    rates = np.full(R.size, 0.0001)
    figures = return_figures(R, rates=rates)
    assert figures["sharpe"].value == pytest.approx((R.mean() - 0.0001) / R.std(ddof=1) * math.sqrt(252), rel=1e-12)
    assert figures["risk_free_rate"].value == pytest.approx(0.0252)
    assert return_figures(R)["risk_free_rate"].value == 0.0
    with pytest.raises(ValueError, match="one finite rate per return"):
        return_figures(R, rates=rates[:3])


def test_recovery_runs_from_the_lowest_point_to_the_old_maximum() -> None:
    assert return_figures(np.array([0.1, -0.1, -0.1, 0.05, 0.3]))["recovery_time"].value == 2
    never = return_figures(np.array([0.1, -0.1, -0.1, 0.05]))["recovery_time"]
    assert (never.value, never.reason) == (None, "not recovered 1 bars after the lowest point")
    assert return_figures(np.array([0.1, 0.1]))["recovery_time"].reason == "no drawdown"


def test_intervals_are_those_of_the_plain_bootstrap() -> None:
    r = noise(300)
    mine, error = return_intervals(r, seed=5, resamples=300)
    plain = bootstrap_intervals(r, seed=5, resamples=300)
    for name in ("sharpe", "cagr", "maximum_drawdown"):
        assert (mine[name].low, mine[name].high) == pytest.approx((plain[name].low, plain[name].high), rel=1e-9)
    assert 0.5 < error / (return_figures(r)["sharpe_standard_error"].value) < 2


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """95 % intervals of the Sharpe ratio over 60 samples: fewer than 51 hits have a chance below 1 in 1,000."""
    truth = 0.0008 / 0.01 * math.sqrt(252)
    hits = 0
    for seed in range(60):
        found, _ = return_intervals(noise(250, seed), seed=seed, resamples=200)
        hits += found["sharpe"].low <= truth <= found["sharpe"].high
    assert hits >= 51


def test_capacity_is_where_the_sharpe_ratio_is_halved() -> None:
    r = noise(500)
    equity = equity_of(r)
    fills = fills_of(equity, 100.0, impact=60.0)
    found = capacity(equity, fills)
    values = equity["equity_usd"].to_numpy()
    impact = 60.0 / values[:-1]
    multiple = found.value / values.mean()
    larger = r + impact * (1 - math.sqrt(multiple))
    assert multiple > 1
    assert larger.mean() / larger.std(ddof=1) == pytest.approx(0.5 * r.mean() / r.std(ddof=1), rel=1e-9)
    assert capacity(equity, fills_of(equity, 100.0, impact=0.0)).value is None
    assert capacity(equity_of(-r), fills).reason == "net Sharpe ratio is not positive"


def test_turnover_and_cost_share() -> None:
    equity = equity_of(np.full(252, 0.001))
    figures = account_figures(equity, fills_of(equity, 100.0), seed=1, resamples=100)
    values = equity["equity_usd"]
    assert figures["turnover"].value == pytest.approx(252 * 100 * 100 / (2 * values.mean()))
    assert figures["exposure"].value == pytest.approx(0.5)
    gross = values[-1] - values[0] + 2520
    assert figures["cost_share"].value == pytest.approx(2520 / gross)
    assert figures["turnover"].low <= figures["turnover"].value * 1.001
    losing = account_figures(equity_of(np.full(252, -0.001)), fills_of(equity, 100.0), seed=1, resamples=0)
    assert losing["cost_share"].reason == "gross profit is not positive"


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    r = noise(300, mean=0.003)
    sessions = sessions_of(301)
    states = pl.DataFrame(
        {"session": sessions[1:], "scope": "vix_bucket", "bucket": ["calm", "stressed", "calm"] * 100}
    )
    drawn = {"total_return": np.linspace(-0.1, 0.1, 100), "sharpe": np.full(100, np.nan)}
    random = RandomEntry(100, 9, 0.7, None, 0.001, {"total_return": 0.05}, drawn, pl.DataFrame())
    accounts = {
        "strategy": account_of(r, with_trades=True),
        "buy_and_hold": account_of(noise(300, 8)),
        "volatility_targeted": account_of(noise(300, 9)),
    }
    return metrics_rows(RUN_KEY, accounts, seed=1, states=states, random_entry=random, resamples=200)


def value_of(rows: pl.DataFrame, metric: str, *, scope: str = "all", bucket: str = "all") -> dict[str, object]:
    found = rows.filter(
        (pl.col("series") == "strategy")
        & (pl.col("scope") == scope)
        & (pl.col("bucket") == bucket)
        & (pl.col("metric") == metric)
    )
    assert found.height == 1
    return found.row(0, named=True)


def test_rows_obey_their_table(rows) -> None:
    TABLES["backtests.metrics"].schema.validate(rows)
    assert rows.equals(rows.sort(TABLES["backtests.metrics"].key))
    assert (rows["value"].is_null() == rows["reason"].is_not_null()).all()
    assert rows["value"].drop_nulls().is_finite().all()
    assert rows.filter(pl.col("low").is_not_null() != pl.col("high").is_not_null()).is_empty()


def test_every_ratio_has_an_interval(rows) -> None:
    whole = rows.filter((pl.col("scope") == "all") & (pl.col("series") == "strategy") & pl.col("value").is_not_null())
    without = set(whole.filter(pl.col("low").is_null())["metric"])
    counted = {name for name in without if name.startswith(("n_", "mean_", "median_", "random_entry", "cost_per"))}
    assert without - counted == {
        "alpha_standard_error", "borrow_usd", "capacity", "fees_usd", "gross_profit_usd", "interest_usd",
        "longest_drawdown", "psr_against_zero", "recovery_time", "risk_free_rate", "sharpe_bootstrap_error",
        "sharpe_standard_error", "slippage_usd",
    } & without  # fmt: skip
    sharpe = value_of(rows, "sharpe")
    assert sharpe["low"] < sharpe["value"] < sharpe["high"]


def test_parts_of_the_run_make_the_whole(rows) -> None:
    total = 1 + value_of(rows, "total_return")["value"]
    for scope in ("month", "year", "vix_bucket"):
        parts = rows.filter(
            (pl.col("series") == "strategy") & (pl.col("scope") == scope) & (pl.col("metric") == "total_return")
        )
        assert (1 + parts["value"]).product() == pytest.approx(total, rel=1e-9)
        assert parts["n"].sum() == 300
    assert value_of(rows, "sharpe", scope="vix_bucket", bucket="stressed")["n"] == 100


def test_an_undefined_percentile_of_the_draws_has_a_reason(rows) -> None:
    assert value_of(rows, "random_entry_percentile")["value"] == 0.7
    assert value_of(rows, "random_entry_sharpe_percentile")["reason"] == "no Sharpe ratio in some draw"


def test_equity_below_zero_is_null_with_the_reason() -> None:
    ruined = account_of(noise(40))
    lost = ruined.equity.with_columns(equity_usd=pl.col("equity_usd") - 2e6, drawdown=pl.lit(-1.0))
    broke = Account(lost, ruined.fills)
    found = metrics_rows(RUN_KEY, {"strategy": broke, "buy_and_hold": ruined}, seed=1, resamples=0)
    TABLES["backtests.metrics"].schema.validate(found)
    assert value_of(found, "sharpe")["reason"] == "equity was not positive"
    assert value_of(found, "alpha")["reason"] == "equity was not positive"


def test_figures_without_resampling_are_the_same(rows) -> None:
    strategy, held = account_of(noise(300, mean=0.003), with_trades=True), account_of(noise(300, 8))
    quick = metrics_frame(RUN_KEY, strategy.equity, strategy.fills, held.equity, held.fills)
    keys = TABLES["backtests.metrics"].key
    both = quick.join(rows, on=keys, suffix="_full")
    assert both.height == quick.height
    assert both["value"].equals(both["value_full"], null_equal=True)
    alone = metrics_frame(RUN_KEY, strategy.equity, strategy.fills, held.equity, held.fills, only="strategy")
    assert alone.equals(quick.filter(pl.col("series") == "strategy"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {"strategy": a["strategy"]}, "buy_and_hold"),
        (lambda a: {**a, "buy_and_hold": account_of(noise(30))}, "other sessions"),
    ],
)
def test_accounts_that_do_not_fit_are_refused(change, message) -> None:
    accounts = {"strategy": account_of(noise(40)), "buy_and_hold": account_of(noise(40, 1))}
    with pytest.raises(ValueError, match=message):
        metrics_rows(RUN_KEY, change(accounts), seed=1, resamples=0)
    short = pl.DataFrame({"session": sessions_of(10), "rate": 0.0})
    with pytest.raises(ValueError, match="one rate for each"):
        metrics_rows(RUN_KEY, accounts, seed=1, resamples=0, rates=short)
