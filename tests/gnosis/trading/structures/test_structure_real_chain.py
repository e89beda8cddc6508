"""A whole real chain of SPX: every candidate is made of stored quotes and keeps the bounds of its row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks.real_data import SPX_SESSIONS, RealData
from gnosis.options import chain_analytics, volatility_surface
from gnosis.trading.structures import (
    STRUCTURES,
    Execution,
    leg_frame,
    lognormal_forecast,
    margin_rule,
    option_chain,
    ranked_candidates,
)
from gnosis.trading.structures.chain import CONTRACT_KEY
from gnosis.trading.structures.formulas import table_bounds

pytestmark = pytest.mark.real_data
SESSION = SPX_SESSIONS[3]


@pytest.fixture(scope="module")
def market(shared_data, tmp_path_factory):
    real = RealData(shared_data, tmp_path_factory.mktemp("real"))
    quotes = real.spx.fetch("raw.option_quotes", [SESSION]).frame
    found = chain_analytics(quotes, real.macro(SESSION)).greeks
    chain = option_chain(quotes, found, volatility_surface(found).slices)
    forecast = lognormal_forecast(chain, 0.0, 0.14)
    execution = Execution(fee_usd_per_contract=0.65)
    return quotes, chain, ranked_candidates(chain, STRUCTURES, forecast, execution, margin_rule(chain.session))


def test_every_leg_pays_a_stored_quote(market):
    quotes, chain, ranked = market
    legs = leg_frame(chain, ranked).filter(pl.col("right") != "S")
    stored = quotes.with_columns(pl.col("right").cast(pl.String)).select(
        *CONTRACT_KEY, stored_bid="bid", stored_ask="ask"
    )
    joined = legs.join(stored, on=CONTRACT_KEY, how="left")
    assert joined.height == legs.height > 10_000
    paid = pl.when(pl.col("quantity") > 0).then("stored_ask").otherwise("stored_bid")
    assert joined.select((pl.col("price_usd") - paid).abs().max()).item() < 1e-9
    assert joined.select((pl.col("stored_bid") <= 0).any()).item() is False


def test_the_table_formulas_hold_on_real_quotes(market):
    _, chain, ranked = market
    profit, loss = table_bounds(chain, ranked.candidates, ranked.premium.outlay_usd)
    exact = ~ranked.candidates.is_model_dependent
    assert profit[exact] == pytest.approx(ranked.payoffs.max_profit_usd[exact], abs=1e-8)
    assert loss[exact] == pytest.approx(ranked.payoffs.max_loss_usd[exact], abs=1e-8)


def test_structures_with_a_later_call_are_refused_on_an_index_with_dividends(market):
    """European calls that outlive the near expiry are worth less than the index less the strike once it is far up."""
    _, _, ranked = market
    numbers = {STRUCTURES[place].number for place in np.unique(ranked.candidates.structure)}
    assert numbers >= set(range(1, 28)) - {4, 15, 22}
    refused = ranked.rejections.filter(pl.col("reason") == "unbounded_loss")["structure"].unique()
    assert set(refused) == {"poor_mans_covered_call", "call_calendar", "double_diagonal"}
