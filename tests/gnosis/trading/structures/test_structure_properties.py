"""What holds for every structure on every chain (Hypothesis)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.trading.structures import (
    STRUCTURES,
    Candidates,
    Execution,
    Risk,
    SizeRule,
    delta_hedges,
    lognormal_forecast,
    margin_rule,
    ranked_candidates,
)
from gnosis.trading.structures.formulas import table_bounds
from gnosis.trading.structures.payoff import expiry_curve, payoffs
from gnosis.trading.structures.schema import Ascending, Delta, InTheMoney, SameAs, Wider, WidthAboveDebit
from tests.gnosis.trading.structures.flat_market import SESSION, chain_of, flat_slice, skewed_slice

ENTERED = [item for item in STRUCTURES if item.legs]
STRIKES = np.arange(60.0, 141.0)
markets = st.tuples(
    st.sampled_from([0.16, 0.22, 0.31, 0.40]),
    st.sampled_from([0.0, 0.02, 0.05]),
    st.sampled_from([0.0, 0.01, 0.03]),
    st.booleans(),
    st.sampled_from([0.001, 0.02]),
)


@lru_cache(maxsize=16)
def ranked_in(market, scale: float = 1.0):
    """Return the chain and every candidate of every structure; strikes, spot and spreads times ``scale``."""
    volatility, rate, carry, is_skewed, half_spread = market
    smile = skewed_slice if is_skewed else flat_slice
    chain = chain_of(
        (25, 35, 70, 240),
        spot=100.0 * scale,
        strikes=STRIKES * scale,
        half_spread=half_spread * scale,
        style="A",
        smile=lambda tau: smile(tau, volatility),
        rate=rate,
        carry=carry,
    )
    forecast = lognormal_forecast(chain, 0.03, 0.9 * volatility)
    execution = Execution(fee_usd_per_contract=0.0)
    return chain, ranked_candidates(chain, ENTERED, forecast, execution, margin_rule(SESSION), SizeRule())


@settings(max_examples=12, deadline=None)
@given(market=markets)
def test_every_candidate_of_every_structure_is_what_its_row_says(market):
    chain, ranked = ranked_in(market)
    for position, item in enumerate(ENTERED):
        rows = np.flatnonzero(ranked.candidates.structure == position)
        if rows.size:
            holds_to_its_row(item, chain, ranked, rows)
        else:
            assert item.id in ranked.rejections["structure"].to_list(), "neither candidates nor a reason"


def holds_to_its_row(item, chain, ranked, rows):
    drawn, net = ranked.candidates.take(rows), ranked.premium.net_usd[rows]
    legs = len(item.options)
    assert (drawn.quantity[:, :legs] == [leg.quantity for leg in item.options]).all()
    assert (drawn.quantity[:, legs:] == 0).all()
    assert (drawn.shares == item.shares).all()
    assert (chain.is_call[drawn.contract[:, :legs]] == [leg.right == "C" for leg in item.options]).all()
    strike, size = chain.strike_usd[drawn.contract], np.abs(chain.greeks.delta[drawn.contract])
    for place, leg in enumerate(item.options):
        if isinstance(leg.strike, Delta):
            assert (size[:, place] >= leg.strike.low - 1e-12).all()
            assert (size[:, place] <= leg.strike.high + 1e-12).all()
        if isinstance(leg.strike, SameAs):
            assert (strike[:, place] == strike[:, leg.strike.leg]).all()
        low, high = item.dte[leg.expiry]
        days = chain.expiries["dte_days"].to_numpy()[chain.expiry[drawn.contract[:, place]]]
        assert ((days >= low) & (days <= high)).all()
    for constraint in item.constraints:
        if isinstance(constraint, Ascending):
            assert (np.diff(strike[:, list(constraint.legs)], axis=1) > 0).all()
        elif isinstance(constraint, Wider):
            wing, than = (np.abs(strike[:, a] - strike[:, b]) for a, b in (constraint.wing, constraint.than))
            assert (wing > than).all()
        elif isinstance(constraint, InTheMoney):
            assert (strike[:, 0] < chain.spot_usd).all()
            assert (strike[:, 1] > chain.spot_usd).all()
        else:
            assert isinstance(constraint, WidthAboveDebit)
            assert (strike[:, constraint.high] - strike[:, constraint.low] > net).all()
    if item.premium != "either":
        assert ((net > 0) == (item.premium == "debit")).all()
    loss, profit = ranked.payoffs.max_loss_usd[rows], ranked.payoffs.max_profit_usd[rows]
    assert (np.isinf(loss) == (item.risk is Risk.UNLIMITED)).all()
    assert (profit > 0).all()
    stated_profit, stated_loss = table_bounds(chain, drawn, ranked.premium.outlay_usd[rows])
    if item.max_profit != "model":
        assert stated_profit == pytest.approx(profit, abs=1e-9)
    if item.is_model_dependent:
        assert (loss <= np.nan_to_num(stated_loss, nan=np.inf) + 1e-9).all()
    else:
        assert stated_loss == pytest.approx(loss, abs=1e-9)


@settings(max_examples=5, deadline=None)
@given(market=markets, scale=st.sampled_from([0.5, 2.0, 8.0]))
def test_scaling_spot_and_strikes_scales_profit_and_loss_and_leaves_shares_alone(market, scale):
    _, one = ranked_in(market)
    _, other = ranked_in(market, scale)

    def by_contract(ranked):
        order = np.lexsort((*ranked.candidates.contract.T, ranked.candidates.near, ranked.candidates.structure))
        return order, ranked.candidates.take(order)

    (order, drawn), (order_other, drawn_other) = by_contract(one), by_contract(other)
    assert (drawn.contract == drawn_other.contract).all()
    for name in ("max_profit_usd", "max_loss_usd", "breakeven_usd"):
        mine, theirs = getattr(one.payoffs, name)[order], getattr(other.payoffs, name)[order_other]
        assert theirs / scale == pytest.approx(mine, rel=1e-8, abs=1e-8, nan_ok=True)
    assert other.margin_usd[order_other] / scale == pytest.approx(one.margin_usd[order], rel=1e-8)
    assert other.scores.cvar_95[order_other] == pytest.approx(one.scores.cvar_95[order], rel=1e-6)


@settings(max_examples=5, deadline=None)
@given(market=markets)
def test_closing_every_leg_leaves_nothing(market):
    chain, ranked = ranked_in(market)
    drawn = ranked.candidates
    drawn = drawn.take(~drawn.is_model_dependent)
    flat = Candidates(
        drawn.structures,
        drawn.structure,
        drawn.near,
        np.concatenate([drawn.contract, drawn.contract], axis=1),
        np.concatenate([drawn.quantity, -drawn.quantity], axis=1),
        np.zeros(len(drawn)),
        drawn.is_central,
    )
    curve = expiry_curve(chain, flat, np.zeros(len(drawn)))
    found = payoffs(curve)
    assert (curve.slope == 0).all()
    assert np.abs(curve.pnl_usd).max() == 0
    assert (found.flat_zero_usd[:, 0, 0] == 0).all()
    assert not found.ends_in_profit.any()


@settings(max_examples=50, deadline=None)
@given(
    deltas=st.lists(st.floats(-5000, 5000), min_size=1, max_size=8),
    band=st.floats(0, 400),
    is_cost_aware=st.booleans(),
)
def test_the_overlay_trades_against_the_delta_and_only_outside_its_band(deltas, band, is_cost_aware):
    book = pl.DataFrame(
        {
            "position_id": [f"p{place}" for place in range(len(deltas))],
            "delta_shares": deltas,
            "band_shares": [band] * len(deltas),
            "greeks_row_ids": [["row"]] * len(deltas),
        }
    )
    edge = band if is_cost_aware else 50.0
    found = {row["position_id"]: row["shares"] for row in delta_hedges(book, is_cost_aware=is_cost_aware).to_dicts()}
    for place, delta in enumerate(deltas):
        shares = found.get(f"p{place}", 0)
        if abs(delta) <= edge:
            assert shares == 0
        else:
            assert shares * delta <= 0
            assert abs(delta + shares) <= (edge if is_cost_aware else 0.0) + 0.5
