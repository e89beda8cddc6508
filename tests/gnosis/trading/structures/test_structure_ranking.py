"""Ranked candidates against a loop that does one at a time, under a fair forecast, and as frames."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gnosis.trading.structures import (
    BY_ID,
    STRUCTURES,
    Execution,
    PriceForecast,
    SizeRule,
    candidate_frame,
    leg_frame,
    lognormal_forecast,
    margin_rule,
    ranked_candidates,
)
from gnosis.trading.structures.probability import forecast_profit
from gnosis.trading.structures.scoring import scores
from tests.gnosis.trading.structures.flat_market import CARRY, RATE, SESSION, VOLATILITY, chain_of, skewed_slice
from tests.gnosis.trading.structures.naive_candidates import grids_of, naive_candidate, naive_growth

DAYS = (25, 35, 70, 240)
RULE = margin_rule(SESSION)
FEE = 0.65


def ranked_in(chain, forecast, structures=STRUCTURES, fee=FEE, half_spreads=1.0, **rest):
    execution = Execution(half_spreads=half_spreads, fee_usd_per_contract=fee)
    return ranked_candidates(chain, structures, forecast, execution, RULE, SizeRule(), **rest)


@pytest.fixture(scope="module")
def market():
    chain = chain_of(DAYS, half_spread=0.01, style="A", smile=skewed_slice)
    forecast = lognormal_forecast(chain, 0.05, 0.16)
    return chain, forecast, ranked_in(chain, forecast)


def test_every_structure_has_candidates_and_a_rank(market):
    _, _, ranked = market
    assert {STRUCTURES[place].number for place in np.unique(ranked.candidates.structure)} == set(range(1, 28))
    growth, tail = ranked.scores.log_growth, ranked.scores.cvar_95
    assert (np.diff(growth) <= 0).all()
    assert (np.diff(tail)[np.diff(growth) == 0] >= 0).all()


def test_figures_are_those_of_a_loop_over_candidates(market):
    chain, forecast, ranked = market
    grids = grids_of(chain, forecast, ranked)
    for row in range(0, len(ranked.candidates), 7):
        grid = grids[int(ranked.candidates.near[row])]
        naive = naive_candidate(chain, forecast, ranked, row, grid, SizeRule(), FEE)
        net, best, worst, mass, size, growth, tail = naive
        assert ranked.premium.net_usd[row] == pytest.approx(net, abs=1e-12)
        assert ranked.payoffs.max_profit_usd[row] == pytest.approx(best, abs=1e-6)
        assert ranked.payoffs.max_loss_usd[row] == pytest.approx(worst, abs=1e-6)
        assert forecast_profit(forecast, ranked.candidates.near, ranked.payoffs)[row] == pytest.approx(mass, abs=1e-4)
        assert ranked.scores.size_share[row] == pytest.approx(size, abs=2e-4)
        assert ranked.scores.log_growth[row] == pytest.approx(growth, abs=2e-6)
        assert ranked.scores.cvar_95[row] == pytest.approx(tail, abs=2e-3)


def test_results_do_not_depend_on_threads(market):
    chain, forecast, ranked = market
    other = ranked_in(chain, forecast, threads=2)
    assert candidate_frame(chain, other, forecast).equals(candidate_frame(chain, ranked, forecast))
    assert leg_frame(chain, other).equals(leg_frame(chain, ranked))


def test_without_an_edge_or_costs_nothing_is_earned_beyond_interest():
    """Under the risk-neutral law a payoff is worth its premium with interest; shares pay dividends on top."""
    chain = chain_of(DAYS, style="E")
    forecast = lognormal_forecast(chain, RATE - CARRY - VOLATILITY**2 / 2, VOLATILITY)
    ranked = ranked_in(chain, forecast, fee=0.0, half_spreads=0.0)
    drawn, tau = ranked.candidates, chain.tau_years[ranked.candidates.near]
    base = ranked.payoffs.max_loss_usd.copy()
    is_unlimited = np.isinf(base)
    base[is_unlimited] = ranked.margin_usd[is_unlimited] / chain.multiplier
    interest = ranked.premium.net_usd * np.expm1(RATE * tau)
    dividends = drawn.shares * chain.spot_usd * np.exp(RATE * tau) * -np.expm1(-CARRY * tau)
    assert ranked.scores.expected_return * base == pytest.approx(interest - dividends, abs=2e-3)


def test_spread_and_fees_are_paid_once(market):
    chain, forecast, ranked = market
    frame = candidate_frame(chain, ranked, forecast)
    quantity = np.abs(ranked.candidates.quantity).sum(axis=1)
    assert frame["fees_usd"].to_numpy() == pytest.approx(FEE * quantity)
    assert frame["spread_cost_usd"].to_numpy() == pytest.approx(100 * 0.01 * quantity)


def test_the_frame_has_no_infinity_and_says_what_is_unlimited(market):
    chain, forecast, ranked = market
    frame = candidate_frame(chain, ranked, forecast)
    numbers = frame.select(pl.col(pl.Float64))
    assert not numbers.select(pl.any_horizontal(pl.all().is_infinite() | pl.all().is_nan()).any()).item()
    for name in ("profit", "loss"):
        assert (frame[f"max_{name}_usd"].is_null() == frame[f"is_{name}_unlimited"]).all()
    assert (frame["is_loss_unlimited"] == (frame["permission"] == "simulation_only")).all()
    assert frame["pop_rn"].is_between(0, 1).all()
    assert (frame["volatility_convention"].is_not_null() == frame["is_model_dependent"]).all()
    assert frame["rank"].to_list() == list(range(1, frame.height + 1))


def test_an_uncertified_surface_gives_null_odds_with_a_reason():
    chain = chain_of((35,), style="A", certificate="failed")
    forecast = lognormal_forecast(chain, 0.0, 0.2)
    frame = candidate_frame(chain, ranked_in(chain, forecast, [BY_ID["iron_condor"]]), forecast)
    assert frame["pop_rn"].null_count() == frame.height > 0
    assert frame["pop_rn_reason"].unique().to_list() == ["uncertified_surface"]
    assert frame["pop_forecast"].null_count() == 0


def test_legs_cite_the_quote_that_they_pay(market):
    chain, _, ranked = market
    legs = leg_frame(chain, ranked)
    options = legs.filter(pl.col("right") != "S")
    paid = pl.when(pl.col("quantity") > 0).then("ask").otherwise("bid")
    assert options.select((pl.col("price_usd") - paid).abs().max()).item() < 1e-12
    net = legs.group_by("rank").agg((pl.col("quantity") * pl.col("price_usd")).sum()).sort("rank")
    assert net["quantity"].to_numpy() == pytest.approx(ranked.premium.net_usd, abs=1e-9)
    assert options.select("expiry", "root", "strike", "bid", "ask").null_count().sum_horizontal().item() == 0
    shares = legs.filter(pl.col("right") == "S")
    assert (shares["price_usd"] == chain.spot_usd).all()


def test_exits_are_on_their_sides(market):
    chain, forecast, ranked = market
    frame = candidate_frame(chain, ranked, forecast)
    assert (frame["target_usd"] > 0).all()
    assert (frame["stop_usd"] < 0).all()
    expected = {"debit": (0.5, 0.5, 5), "credit": (0.5, 1.0, 3), "long_volatility": (0.75, 0.75, 7)}
    premium = 100 * frame["net_premium_usd_per_share"].abs()
    for rule, (target, stop, days) in expected.items():
        rows = frame["exit_rule"] == rule
        assert frame["target_usd"].filter(rows).to_numpy() == pytest.approx(target * premium.filter(rows).to_numpy())
        assert frame["stop_usd"].filter(rows).to_numpy() == pytest.approx(-stop * premium.filter(rows).to_numpy())
        assert frame["close_out_dte_days"].filter(rows).unique().to_list() == [days]


def test_nothing_is_ranked_where_nothing_is_listed():
    chain = chain_of((3,))
    forecast = lognormal_forecast(chain, 0.0, 0.2)
    ranked = ranked_in(chain, forecast)
    assert candidate_frame(chain, ranked, forecast).height == leg_frame(chain, ranked).height == 0
    assert set(ranked.rejections["reason"]) == {"no_expiry"}


@pytest.mark.parametrize("structures", [[], [BY_ID["delta_hedge"]]])
def test_an_empty_shortlist_gives_empty_frames(market, structures):
    chain, forecast, ranked = market
    none = ranked_in(chain, forecast, structures)
    assert candidate_frame(chain, none, forecast).schema == candidate_frame(chain, ranked, forecast).schema
    assert leg_frame(chain, none).schema == leg_frame(chain, ranked).schema
    assert candidate_frame(chain, none, forecast).height == leg_frame(chain, none).height == 0


def test_a_forecast_of_other_expiries_is_refused(market):
    chain, forecast, _ = market
    with pytest.raises(ValueError, match="one row per expiry"):
        ranked_in(chain, PriceForecast(forecast.price_usd[:2], forecast.cumulative[:2]))


@pytest.mark.parametrize("seed", range(5))
def test_growth_and_tail_loss_are_those_of_a_search_and_a_sort(seed):
    rng = np.random.default_rng(seed)
    grid = np.sort(rng.uniform(50, 150, 300))
    weights = rng.dirichlet(np.ones(300))
    worth = np.maximum(grid - rng.uniform(80, 120, 6)[:, None], 0)
    place, quantity = rng.integers(0, 6, (40, 3)), rng.choice([-1.0, 1.0], (40, 3))
    outlay, shares = rng.normal(0, 3, 40), np.zeros(40)
    pnl = (quantity[:, :, None] * worth[place]).sum(axis=1) - outlay[:, None]
    base = np.maximum(-pnl.min(axis=1), 1.0)
    found = scores(worth, weights, place, quantity, shares, grid, outlay, base, np.full(40, 0.5), 0.25)
    for row in range(40):
        size, growth, tail = naive_growth(pnl[row], weights, base[row], 0.5, 0.25)
        assert found.size_share[row] == pytest.approx(size, abs=1e-9)
        assert found.log_growth[row] == pytest.approx(growth, abs=1e-12)
        assert found.cvar_95[row] == pytest.approx(tail, abs=1e-9)


def test_scores_need_probabilities_and_a_risk_base():
    one = np.ones(1)
    bet = [np.array([[0.0, 2.0]]), np.array([0.4, 0.6]), np.zeros((1, 1), np.int64), np.ones((1, 1)), np.zeros(1)]
    with pytest.raises(ValueError, match="sum of 1"):
        scores(bet[0], np.array([0.4, 0.4]), *bet[2:], np.array([0.0, 2.0]), one, one, one, 0.5)
    with pytest.raises(ValueError, match="positive finite"):
        scores(*bet, np.array([0.0, 2.0]), one, 0 * one, one, 0.5)
