"""Which strikes and expiries are chosen, and every reason for which combinations are not."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest

from gnosis.trading.structures import (
    BY_ID,
    STRUCTURES,
    ChainError,
    Execution,
    PriceForecast,
    Rejection,
    lognormal_forecast,
    margin_rule,
    option_chain,
    ranked_candidates,
)
from gnosis.trading.structures.schema import Fixed, Leg, delta
from gnosis.trading.structures.selection import enumerated, rejection_frame
from tests.gnosis.trading.structures.flat_market import SESSION, chain_of, frames

STRIKES = np.arange(80.0, 120.5, 0.5)


def reasons_of(chain, *structures, forecast=None, fee=0.0, **rest):
    forecast = forecast or lognormal_forecast(chain, 0.0, 0.2)
    execution = Execution(fee_usd_per_contract=fee)
    ranked = ranked_candidates(chain, structures, forecast, execution, margin_rule(SESSION), **rest)
    return set(ranked.rejections["reason"])


def without(quotes: pl.DataFrame, right: str, low: float, high: float) -> pl.DataFrame:
    is_gone = (pl.col("right").cast(pl.String) == right) & pl.col("strike").is_between(low, high)
    return quotes.with_columns(bid=pl.when(is_gone).then(0.0).otherwise("bid"))


def test_all_combinations_within_five_delta_points_are_those_of_a_plain_search():
    chain = chain_of((35,), strikes=STRIKES)
    drawn, _ = enumerated(chain, [BY_ID["iron_condor"]])
    size, strike = np.abs(chain.greeks.delta), chain.strike_usd

    def near(is_call, target):
        return [row for row in range(size.size) if chain.is_call[row] == is_call and abs(size[row] - target) <= 0.05]

    expected = {
        rows
        for rows in product(near(False, 0.16), near(False, 0.30), near(True, 0.30), near(True, 0.16))
        if strike[rows[0]] < strike[rows[1]] < strike[rows[2]] < strike[rows[3]]
    }
    assert {tuple(row) for row in drawn.contract.tolist()} == expected
    assert drawn.is_central.sum() == 1


@pytest.mark.parametrize(("right", "sizes", "chosen"), [("C", [0.32, 0.28], 1), ("P", [0.28, 0.32], 0)])
def test_ties_go_to_the_strike_more_out_of_the_money(right, sizes, chosen):
    chain = chain_of((35,), strikes=STRIKES)
    deltas = np.zeros(2 * STRIKES.size)
    first = chain.rows(0, right).start + 40
    deltas[[first, first + 1]] = sizes
    tied = replace(chain, greeks=chain.greeks._replace(delta=deltas))
    drawn, _ = enumerated(tied, [replace(BY_ID["long_call"], legs=(Leg(right, 1, delta(30)),))])
    assert tied.strike_usd[drawn.contract[drawn.is_central]].tolist() == [[STRIKES[40 + chosen]]]


def test_a_quote_without_a_bid_is_no_strike():
    quotes, greeks, surface = frames((35,), strikes=STRIKES, half_spread=0.01)
    whole = option_chain(quotes, greeks, surface)
    drawn, _ = enumerated(whole, [BY_ID["naked_put"]])
    chosen = whole.strike_usd[drawn.contract[drawn.is_central][0, 0]]
    fewer = option_chain(without(quotes, "P", chosen, chosen), greeks, surface)
    drawn, _ = enumerated(fewer, [BY_ID["naked_put"]])
    assert chosen not in fewer.strike_usd[drawn.contract].tolist()


@pytest.mark.parametrize("reason", ["stale", "wide", "crossed", "adjusted"])
def test_a_quote_with_a_reason_against_it_is_no_strike(reason):
    quotes, greeks, surface = frames((35,), strikes=STRIKES)
    marked = greeks.with_columns(
        reason=pl.when(pl.col("strike") == 100)
        .then(pl.lit(reason))
        .otherwise(pl.lit("oi_missing"))
        .cast(greeks.schema["reason"])
    )
    chain = option_chain(quotes, marked, surface)
    assert 100.0 not in chain.strike_usd
    assert chain.strike_usd.size == 2 * (STRIKES.size - 1)


def test_no_expiry():
    assert reasons_of(chain_of((10,)), BY_ID["iron_condor"]) == {Rejection.NO_EXPIRY}


def test_no_quote_no_strike_in_range_and_strike_not_quoted():
    quotes, greeks, surface = frames((25,), strikes=STRIKES)
    calls_only = option_chain(without(quotes, "P", 0, 1000), greeks, surface)
    assert reasons_of(calls_only, BY_ID["short_guts"]) == {Rejection.NO_QUOTE}
    assert reasons_of(calls_only, BY_ID["short_straddle"]) == {Rejection.STRIKE_NOT_QUOTED}
    sparse = chain_of((25,), strikes=[60.0, 100.0, 140.0])
    assert reasons_of(sparse, BY_ID["short_guts"]) == {Rejection.NO_STRIKE_IN_RANGE}
    fixed = replace(BY_ID["long_call"], legs=(Leg("C", 1, Fixed(101.25)),))
    assert reasons_of(sparse, fixed) == {Rejection.STRIKE_NOT_QUOTED}


def test_a_fixed_strike_is_taken_as_it_is():
    chain = chain_of((25,), strikes=STRIKES)
    drawn, _ = enumerated(chain, [replace(BY_ID["long_call"], legs=(Leg("C", 1, Fixed(117.5)),))])
    assert chain.strike_usd[drawn.contract].tolist() == [[117.5]]


def test_wing_width_and_strike_order_reject_and_repair_nothing():
    chain = chain_of((35,), strikes=STRIKES)
    row = BY_ID["broken_wing_butterfly_call"]
    assert Rejection.WING_WIDTH in reasons_of(chain, row)
    swapped = replace(row, legs=(row.legs[2], row.legs[1], row.legs[0]), constraints=row.constraints[:1])
    assert Rejection.STRIKE_ORDER in reasons_of(chain, swapped)


def test_legs_out_of_the_money_are_no_guts():
    row = replace(BY_ID["short_guts"], constraints=BY_ID["short_guts"].constraints[1:])
    far = replace(row, legs=(Leg("C", -1, delta(40)), Leg("P", -1, delta(40))))
    assert reasons_of(chain_of((25,), strikes=STRIKES), far) == {Rejection.NOT_IN_THE_MONEY}


def test_a_diagonal_narrower_than_its_debit_is_rejected():
    assert Rejection.WIDTH_BELOW_DEBIT in reasons_of(chain_of((35, 365), style="A"), BY_ID["poor_mans_covered_call"])


def test_premium_sign_profit_and_loss_that_cannot_be():
    chain = chain_of((35,), strikes=STRIKES, half_spread=0.0)
    wide = replace(chain, ask_usd=chain.ask_usd + 2.0)
    assert Rejection.NO_POSSIBLE_PROFIT in reasons_of(wide, BY_ID["bull_call_spread"])
    assert Rejection.PREMIUM_SIGN in reasons_of(wide, BY_ID["jade_lizard"])
    free = replace(chain, ask_usd=np.where(chain.is_call, 0.001, 0.0011), bid_usd=np.full(chain.bid_usd.size, 0.001))
    lots = replace(free, bid_usd=np.where(np.abs(chain.greeks.delta) > 0.4, 9.0, 0.001))
    assert Rejection.NO_POSSIBLE_LOSS in reasons_of(lots, BY_ID["call_ratio_backspread"])


def test_a_european_call_calendar_on_an_index_with_dividends_has_unbounded_loss():
    assert reasons_of(chain_of((25, 70)), BY_ID["call_calendar"]) == {Rejection.UNBOUNDED_LOSS}


def test_an_expiry_without_a_forecast_has_no_candidates():
    chain = chain_of((25, 35), strikes=STRIKES)
    known = lognormal_forecast(chain, 0.0, 0.2)
    price = known.price_usd.copy()
    price[1] = np.nan
    partly = PriceForecast(price, known.cumulative)
    assert reasons_of(chain, BY_ID["iron_condor"], forecast=partly) == {Rejection.NO_FORECAST}


def test_more_combinations_than_wanted_keep_the_nearest_strikes_and_are_counted():
    chain = chain_of((35,), strikes=STRIKES)
    whole, _ = enumerated(chain, [BY_ID["iron_condor"]])
    some, rejected = enumerated(chain, [BY_ID["iron_condor"]], most_combinations=20)
    frame = rejection_frame(rejected)
    assert frame["reason"].to_list() == [Rejection.COMBINATION_LIMIT]
    assert len(some) + frame["n"].sum() == len(whole)
    assert some.is_central.sum() == 1
    with pytest.raises(ValueError, match="at least 1"):
        enumerated(chain, [BY_ID["iron_condor"]], most_combinations=0)


def test_every_structure_is_rejected_with_a_reason_on_an_empty_market():
    chain = chain_of((3,))
    drawn, rejected = enumerated(chain, STRUCTURES)
    assert len(drawn) == 0
    assert {name for name, *_ in rejected} == {item.id for item in STRUCTURES if item.legs}


def test_a_chain_of_nothing_or_of_two_classes_is_refused():
    quotes, greeks, surface = frames((35,), strikes=STRIKES)
    with pytest.raises(ChainError, match="one multiplier"):
        option_chain(quotes.with_columns(bid=pl.lit(0.0)), greeks, surface)
    mini = quotes.with_columns(multiplier=pl.when(pl.col("strike") > 100).then(10.0).otherwise(100.0))
    with pytest.raises(ChainError, match="one multiplier"):
        option_chain(mini, greeks, surface)
    with pytest.raises(ChainError, match="one symbol and session"):
        option_chain(quotes, greeks, surface.clear())
