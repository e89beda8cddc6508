"""Fills at stored quotes: price, side, citation, and every reason for a rejection."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from dataframely import Schema

from gnosis.backtest.options import Leg, OptionOrder, OptionsConfiguration, contract_symbol
from gnosis.backtest.options.fills import quote_row_id
from gnosis.backtest.orders import OrderError
from gnosis.tables.backtests import BacktestsEquity, BacktestsFills, BacktestsMetrics, BacktestsOrders, BacktestsTrades

EXPIRY = dt.date(2024, 2, 16)
CALL = contract_symbol("XYZ", EXPIRY, "C", 100.0)
PUT = contract_symbol("XYZ", EXPIRY, "P", 95.0)


@pytest.fixture
def market(desk):
    """Return bars and a chain of a call and a put over four sessions; a test replaces the second chain's quotes."""

    def make(call=(3.0, 3.4), put=(1.0, 1.2), call_terms=None, put_terms=None, skip=()):
        rows = []
        for number, day in enumerate(desk.days(4)["session"]):
            if number in skip:
                continue
            prices = (call, put) if number == 1 else ((3.0, 3.4), (1.0, 1.2))
            terms = (call_terms or {}, put_terms or {}) if number == 1 else ({}, {})
            rows.append(desk.quote(day, "C", 100.0, EXPIRY, *prices[0], **terms[0]))
            rows.append(desk.quote(day, "P", 95.0, EXPIRY, *prices[1], **terms[1]))
        return desk.quotes(rows), desk.bars([100.0] * 4)

    return make


def order(*legs: tuple[str, int], **rest) -> OptionOrder:
    return OptionOrder(legs=tuple(Leg(name, quantity) for name, quantity in legs), **rest)


def test_buys_at_ask_sells_at_bid_and_cites_the_quote(desk, market):
    quotes, bars = market()
    decide = desk.orders_on(d0=[order((CALL, 2), (PUT, -3))])
    result = desk.run(quotes, bars, decide, OptionsConfiguration())
    snapshot = desk.days(4)["chain_at"][1]
    columns = ["symbol", "quantity_shares", "fill_price", "reference_price", "quote_side", "quote_size", "quote_row_id"]
    assert result.fills.select(columns).rows() == [
        (CALL, 2.0, 3.4, 3.2, "ask", 10.0, quote_row_id(CALL, snapshot)),
        (PUT, -3.0, 1.0, 1.1, "bid", 10.0, quote_row_id(PUT, snapshot)),
    ]
    assert result.fills["quote_at"].to_list() == [snapshot] * 2
    assert result.fills["session"].to_list() == [desk.days(4)["session"][1]] * 2
    assert result.fills["fee_usd"].to_list() == pytest.approx([1.30, 1.95])
    # Slippage is the distance to mid times the multiplier, bought and sold alike.
    assert result.fills["slippage_usd"].to_list() == pytest.approx([40.0, 30.0])
    spent = -2 * 340 + 3 * 100 - 3.25
    second = result.equity.row(1, named=True)
    assert second["cash_usd"] == pytest.approx(1e6 + spent, abs=1e-9)
    assert second["equity_usd"] == pytest.approx(1e6 + spent + 2 * 320 - 3 * 110, abs=1e-9)
    assert second["liquidation_usd"] == pytest.approx(1e6 + spent + 2 * 300 - 3 * 120, abs=1e-9)
    assert (result.equity["liquidation_usd"] <= result.equity["equity_usd"]).all()


@pytest.mark.parametrize(("improvement", "paid", "received"), [(0.0, 3.4, 1.0), (0.25, 3.3, 1.05), (0.5, 3.2, 1.1)])
def test_improvement_moves_the_fill_and_the_title(desk, market, improvement, paid, received):
    quotes, bars = market()
    decide = desk.orders_on(d0=[order((CALL, 1), (PUT, -1))])
    result = desk.run(quotes, bars, decide, OptionsConfiguration(improvement=improvement))
    assert result.fills["fill_price"].to_list() == pytest.approx([paid, received])
    assert ("better than the quote" in result.title) == (improvement > 0)
    assert [name for name in result.labels if name.startswith("improvement")] == (
        [f"improvement_{improvement:g}"] if improvement else []
    )


LATE = dt.timedelta(minutes=16)


@pytest.mark.parametrize(
    ("reason", "given"),
    [
        ("crossed", {"call": (3.5, 3.4)}),
        ("one_sided", {"call": (3.0, 0.0)}),
        ("one_sided", {"call": (None, 3.4)}),
        ("size", {"call_terms": {"ask_size": 1.0}}),
        ("size_unknown", {"call_terms": {"ask_size": None}}),
        ("adjusted", {"call_terms": {"deliverable_shares": 150.0}}),
        ("zero_bid", {"put": (0.0, 0.05)}),
    ],
)
def test_a_leg_that_cannot_fill_rejects_all_legs(desk, market, reason, given):
    quotes, bars = market(**given)
    decide = desk.orders_on(d0=[order((CALL, 2), (PUT, -2))])
    result = desk.run(quotes, bars, decide, OptionsConfiguration())
    assert result.fills.is_empty()
    bad = PUT if "put" in given else CALL
    assert result.orders.select("status", "reason").rows() == [("rejected", f"{reason}: {bad}")] * 2
    assert result.equity["equity_usd"].to_list() == [1e6] * 4


def test_a_bid_of_zero_can_be_bought_over(desk, market):
    quotes, bars = market(put=(0.0, 0.05))
    result = desk.run(quotes, bars, desk.orders_on(d0=[order((PUT, 1))]), OptionsConfiguration())
    assert result.fills["fill_price"].to_list() == [0.05]


def test_an_old_quote_is_stale_and_the_limit_is_the_boundary(desk, market):
    snapshot = desk.days(4)["chain_at"][1]
    for seconds, status in ((900, "filled"), (901, "rejected")):
        quotes, bars = market(call_terms={"ts": snapshot - dt.timedelta(seconds=seconds)})
        result = desk.run(quotes, bars, desk.orders_on(d0=[order((CALL, 1))]), OptionsConfiguration())
        assert result.orders["status"].to_list() == [status]
        assert result.orders["reason"].to_list() == [None if status == "filled" else f"stale: {CALL}"]


def test_displayed_size_is_shared_by_the_orders_of_a_snapshot(desk, market):
    quotes, bars = market()
    decide = desk.orders_on(d0=[order((CALL, 7)), order((CALL, 4)), order((CALL, 3))])
    result = desk.run(quotes, bars, decide, OptionsConfiguration())
    assert result.orders["status"].to_list() == ["filled", "rejected", "filled"]
    doubled = desk.run(quotes, bars, decide, OptionsConfiguration(size_multiple=2.0))
    assert doubled.orders["status"].to_list() == ["filled"] * 3


def test_unknown_size_fills_only_up_to_what_is_stated(desk, market):
    quotes, bars = market(call_terms={"ask_size": None})
    decide = desk.orders_on(d0=[order((CALL, 5)), order((CALL, 1))])
    result = desk.run(quotes, bars, decide, OptionsConfiguration(size_unknown_contracts=5))
    assert result.orders["reason"].to_list() == [None, f"size: {CALL}"]
    assert result.fills["quote_size"].to_list() == [None]
    assert "size_unknown_allowed" in result.labels


def test_latency_beyond_the_snapshot_waits_for_the_next(desk, market):
    quotes, bars = market()
    decide = desk.orders_on(d0=[order((CALL, 1))])
    # The chain is of 15:45, six hours and a quarter after the open.
    prompt = desk.run(quotes, bars, decide, OptionsConfiguration(latency_seconds=6.25 * 3600))
    late = desk.run(quotes, bars, decide, OptionsConfiguration(latency_seconds=6.25 * 3600 + 1))
    days = desk.days(4)["session"]
    assert prompt.fills["session"].to_list() == [days[1]]
    assert late.fills["session"].to_list() == [days[2]]


def test_an_order_waits_for_the_first_stored_chain(desk, market):
    quotes, bars = market(skip=(1,))
    result = desk.run(quotes, bars, desk.orders_on(d0=[order((CALL, 1))]), OptionsConfiguration())
    assert result.fills["session"].to_list() == [desk.days(4)["session"][2]]


def test_a_contract_that_is_not_in_the_chain_is_rejected(desk, market):
    quotes, bars = market()
    stranger = contract_symbol("XYZ", EXPIRY, "C", 101.0)
    decide = desk.orders_on(d0=[order((stranger, 1)), order((CALL, 1), (stranger, -1))])
    result = desk.run(quotes, bars, decide, OptionsConfiguration())
    assert result.orders["reason"].to_list() == [f"no_quote: {stranger}"] * 3


def test_a_limit_holds_for_the_whole_order(desk, market):
    quotes, bars = market()
    met, missed = order((CALL, 1), (PUT, -1), limit_usd=240.0), order((CALL, 1), (PUT, -1), limit_usd=239.0)
    result = desk.run(quotes, bars, desk.orders_on(d0=[met, missed]), OptionsConfiguration())
    assert result.orders["status"].to_list() == ["filled", "filled", "cancelled", "cancelled"]
    assert result.orders["kind"].to_list() == ["limit"] * 4


def test_a_resting_limit_fills_when_the_quote_comes(desk, market):
    quotes, bars = market(call=(3.3, 3.6))
    decide = desk.orders_on(d0=[order((CALL, 1), limit_usd=340.0, is_day_order=False)])
    result = desk.run(quotes, bars, decide, OptionsConfiguration())
    assert result.fills["session"].to_list() == [desk.days(4)["session"][2]]
    assert result.orders["limit_price"].to_list() == [3.4]


def test_legging_fills_leg_by_leg_and_stops_at_a_rejection(desk, market):
    quotes, bars = market()
    result = desk.run(
        quotes, bars, desk.orders_on(d0=[order((CALL, 1), (PUT, -1), legging=True)]), OptionsConfiguration()
    )
    days = desk.days(4)["session"]
    assert result.fills.select("symbol", "session").rows() == [(CALL, days[1]), (PUT, days[2])]
    quotes, bars = market(call=(3.5, 3.4))
    result = desk.run(
        quotes, bars, desk.orders_on(d0=[order((CALL, 1), (PUT, -1), legging=True)]), OptionsConfiguration()
    )
    assert result.orders["status"].to_list() == ["rejected", "cancelled"]


def test_a_missing_quote_marks_stale_at_the_last(desk, market):
    quotes, bars = market()
    without = quotes.filter((pl.col("session") != desk.days(4)["session"][2]) | (pl.col("right") == "P"))
    result = desk.run(without, bars, desk.orders_on(d0=[order((CALL, 1))]), OptionsConfiguration())
    assert result.equity["n_stale"].to_list() == [0, 0, 1, 0]
    assert result.equity["positions_usd"].to_list() == [0.0, 320.0, 320.0, 320.0]


def test_shares_fill_beside_options_at_the_spot_of_the_snapshot(desk, market):
    quotes, bars = market()
    result = desk.run(quotes, bars, desk.orders_on(d0=[order(("XYZ", 100), (CALL, -1))]), OptionsConfiguration())
    assert result.fills["fill_price"].to_list() == pytest.approx([100.025, 3.0])
    assert result.fills["quote_row_id"].to_list()[0] is None
    assert "stock_at_spot" in result.labels
    assert result.equity["margin_usd"].to_list() == [0.0, 5000.0, 5000.0, 5000.0]


def test_frames_are_rows_of_the_tables(desk, market):
    quotes, bars = market()
    decide = desk.orders_on(d0=[order((CALL, 1), (PUT, -1))], d2=[order((CALL, -1))])
    result = desk.run(quotes, bars, decide, OptionsConfiguration())
    tables: list[tuple[type[Schema], pl.DataFrame]] = [
        (BacktestsOrders, result.orders), (BacktestsFills, result.fills), (BacktestsTrades, result.trades),
        (BacktestsEquity, result.equity), (BacktestsMetrics, result.metrics),
    ]  # fmt: skip
    for table, frame in tables:
        assert not frame.is_empty()
        table.validate(frame)
    closed, still_open = result.trades.rows(named=True)
    assert (closed["symbol"], closed["exit_reason"]) == (CALL, "signal")
    assert closed["profit_usd"] == pytest.approx(-40 - 1.30)
    assert (still_open["exit_session"], still_open["exit_price"]) == (None, 1.1)
    assert result.trades["profit_usd"].sum() == pytest.approx(result.equity["equity_usd"][-1] - 1e6)


def test_orders_that_make_no_sense_are_refused():
    with pytest.raises(OrderError, match="different contracts"):
        order((CALL, 1), (CALL, -1))
    with pytest.raises(OrderError, match="other than 0"):
        Leg(CALL, 0)
    with pytest.raises(OrderError, match="legs in"):
        order((CALL, 1), (PUT, -1), legging=True, limit_usd=1.0)
