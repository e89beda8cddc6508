"""Every structure is found on a simulated market, from raw quotes through the fitted surface."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from gnosis.options import chain_analytics, volatility_surface
from gnosis.sessions import sessions_between
from gnosis.simulate import ChainSpec, MarketSpec, market
from gnosis.tables import TABLES
from gnosis.trading.structures import (
    STRUCTURES,
    Execution,
    candidate_frame,
    lognormal_forecast,
    margin_rule,
    option_chain,
    ranked_candidates,
)


def test_every_structure_has_a_candidate_on_a_simulated_market():
    """Sessions on which an expiry of half a year, one of a month and one of three months are listed."""
    days = sessions_between(dt.date(2007, 3, 19), dt.date(2007, 3, 21))
    spec = MarketSpec(
        has_options=True,
        chain=ChainSpec(style="A", half_spread_share=0.005, tick_below_usd=None, tick_above_usd=None),
    )
    world = market(spec, ["AAA", "BBB", "CCC"], days, seed=7)
    analytics = chain_analytics(world.option_quotes, world.macro, TABLES["raw.dividends"].empty())
    surface = volatility_surface(analytics.greeks)
    reached: set[int] = set()
    for (session, symbol), slices in surface.slices.group_by("session", "symbol", maintain_order=True):
        own = (pl.col("session") == session) & (pl.col("symbol") == symbol)
        chain = option_chain(world.option_quotes.filter(own), analytics.greeks.filter(own), slices)
        forecast = lognormal_forecast(chain, 0.05, 0.15)
        execution = Execution(fee_usd_per_contract=0.65)
        ranked = ranked_candidates(chain, STRUCTURES, forecast, execution, margin_rule(chain.session))
        frame = candidate_frame(chain, ranked, forecast)
        assert np.isfinite(frame["log_growth"].to_numpy()).all()
        assert frame["pop_rn"].is_between(0, 1).all()
        reached |= set(frame["number"])
    assert reached == set(range(1, 28))
