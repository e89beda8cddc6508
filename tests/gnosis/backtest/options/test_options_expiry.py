"""Expiry, exercise, early assignment, pins and margin, with the literal vectors of the specification."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest

from gnosis.backtest.options import (
    Leg,
    MissingSettlementError,
    OptionOrder,
    OptionsConfiguration,
    OptionsDataError,
    contract_symbol,
)
from gnosis.backtest.options.assignment import (
    call_pays_early,
    continuation_pays_early,
    continuation_value,
    put_pays_early,
)
from gnosis.backtest.options.contracts import Contract
from gnosis.backtest.options.margin import Held, naked_margin, required_margin
from gnosis.backtest.trials import MemoryLedger
from gnosis.options.pricing.black_scholes import price

NO_DIVIDENDS = pl.DataFrame(
    schema={"symbol": pl.String, "ex_date": pl.Date, "amount_usd": pl.Float64, "known_at": pl.Datetime("us", "UTC")}
)
DAY = dt.date(2024, 2, 16)


@pytest.mark.parametrize(
    ("dividend", "value", "is_assigned"),
    [(0.05, 10.011728122874715, False), (0.10, 9.96173568522073, True), (0.75, 9.311895016962623, True)],
)
def test_v4_call_is_assigned_when_holding_is_worth_less(dividend, value, is_assigned):
    holding = continuation_value(100.0 - dividend, 90.0, 5 / 365, 0.05, 0.25, True)
    assert holding == pytest.approx(value, abs=1e-12)
    assert continuation_pays_early(10.0, holding) is is_assigned


def test_v4_call_threshold_from_quotes():
    assert 90 * -math.expm1(-0.05 * 5 / 365) == pytest.approx(0.06162272953, abs=1e-11)
    discount = math.exp(-0.05 * 5 / 365)
    put = float(price(99.25, 90.0, 5 / 365, 99.25 / discount, discount, 0.25, False))
    assert put == pytest.approx(0.00027228743, abs=1e-11)
    threshold = 0.06162272953 + 0.00027228743
    for dividend in (0.75, threshold + 1e-9, threshold - 1e-9):
        pays, rule = call_pays_early(100.0, 90.0, 5 / 365, 0.05, dividend, 0.00027228743)
        assert (pays, rule) == (dividend > threshold, "quotes")


def test_v4_put_is_assigned_when_interest_exceeds_the_call():
    tau, discount = 30 / 365, math.exp(-0.05 * 30 / 365)
    assert float(price(100.0, 130.0, tau, 100 / discount, discount, 0.25, False)) == pytest.approx(
        29.467164279209555, abs=1e-11
    )
    assert 130 * -math.expm1(-0.05 * tau) == pytest.approx(0.5331503107, abs=1e-10)
    assert put_pays_early(100.0, 130.0, tau, 0.05, 0.0, 0.0003145899) == (True, "quotes")
    assert continuation_pays_early(30.0, continuation_value(100.0, 130.0, tau, 0.05, 0.25, False))


def test_a_put_near_the_money_is_held_and_a_dividend_delays_exercise():
    assert not continuation_pays_early(1.0, continuation_value(100.0, 101.0, 30 / 365, 0.05, 0.25, False))
    interest = 130 * -math.expm1(-0.05 * 30 / 365)
    assert not put_pays_early(100.0, 130.0, 30 / 365, 0.05, interest, 0.0003)[0]
    assert not continuation_pays_early(
        30.0, continuation_value(100.0, 130.0, 30 / 365, 0.05, 0.25, False, ((10 / 365, 2.0),))
    )


class OneContract:
    """One contract bought or sold on the second session, over bars and terms that a test chooses."""

    def __init__(self, desk):
        self.desk = desk

    def run(self, closes, right, strike, quantity, n_to_expiry, *, configuration=None, bid=None, **rest):
        days = self.desk.days(len(closes))["session"]
        self.days = days
        expiry = days[n_to_expiry]
        terms = rest.pop("terms", {})
        self.name = contract_symbol(terms.get("root", "XYZ"), expiry, right, strike)
        rows = []
        for number, day in enumerate(days[: n_to_expiry + 1]):
            paid = max(closes[number] - strike if right == "C" else strike - closes[number], 0.0) + 0.5
            rows.append(self.desk.quote(day, right, strike, expiry, paid, paid + 0.1, spot=closes[number], **terms))
            rows.extend(rest.get("others", {}).get(number, []))
        rest.pop("others", None)
        decide = self.desk.orders_on(d0=[OptionOrder(legs=(Leg(self.name, quantity),))])
        bars = self.desk.bars(closes, **rest.pop("bars", {}))
        return self.desk.run(self.desk.quotes(rows), bars, decide, configuration or OptionsConfiguration(), **rest)


@pytest.fixture
def one(desk):
    return OneContract(desk)


@pytest.mark.parametrize(
    ("right", "quantity", "close", "event", "shares"),
    [
        ("C", 2, 103.0, "exercise", 200), ("C", -2, 103.0, "assignment", -200), ("C", 2, 100.0, "expiry", 0),
        ("P", 2, 97.0, "exercise", -200), ("P", -2, 97.0, "assignment", 200), ("P", -2, 103.0, "expiry", 0),
        ("C", 2, 100.009, "expiry", 0), ("C", 2, 100.01, "exercise", 200),
    ],
)  # fmt: skip
def test_physical_delivery_at_the_strike(one, right, quantity, close, event, shares):
    rates = pl.DataFrame(
        {"session": [dt.date(2024, 1, 1)], "rate_per_year": [0.0], "known_at": [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]}
    )
    result = one.run([100.0, 100.0, close, close], right, 100.0, quantity, 2, dividends=NO_DIVIDENDS, rates=rates)
    row = result.settlements.row(0, named=True)
    assert (row["event"], row["quantity"], row["is_pin_risk"]) == (event, -quantity, False)
    ended = result.fills.filter(pl.col("kind") == "settlement")
    moved = [(one.name, float(-quantity), 0.0)] + ([("XYZ", float(shares), 100.0)] if shares else [])
    assert ended.select("symbol", "quantity_shares", "fill_price").rows() == moved
    assert ended["fee_usd"].sum() == 0
    premium = result.fills["fill_price"][0] * 100 * quantity
    cash = 1e6 - premium - 1.30 - shares * 100.0
    assert result.equity["cash_usd"][2] == pytest.approx(cash, abs=1e-6)
    assert result.equity["positions_usd"][2] == pytest.approx(shares * close, abs=1e-6)
    assert result.trades["exit_reason"][0] == event


def test_european_contracts_pay_cash_on_the_official_close(one):
    result = one.run([100.0, 100.0, 103.0, 104.0], "C", 100.0, 1, 2, terms={"style": "E"})
    settled = result.fills.filter(pl.col("kind") == "settlement")
    assert settled.select("symbol", "fill_price").rows() == [(one.name, 3.0)]
    assert result.equity["cash_usd"][2] == pytest.approx(1e6 - 60 - 0.65 + 300)
    assert result.trades["profit_usd"].to_list() == pytest.approx([240 - 0.65])


MORNING = {"style": "E", "settlement": "am", "root": "XYZ"}


def test_morning_contracts_stop_before_and_settle_on_the_opening_quotation(one, desk):
    days = desk.days(4)
    settlements = pl.DataFrame(
        {"root": ["XYZ"], "session": [days["session"][2]], "value": [105.0], "known_at": [days["open_at"][2]]}
    )
    result = one.run([100.0, 100.0, 103.0, 104.0], "C", 100.0, 1, 2, terms=MORNING, settlements=settlements)
    settled = result.fills.filter(pl.col("kind") == "settlement")
    assert settled.select("fill_price", "ts").rows() == [(5.0, days["open_at"][2])]
    assert result.settlements["rule"].to_list() == ["opening quotation"]
    late = one.run([100.0, 100.0, 103.0], "C", 100.0, 1, 1, terms=MORNING)
    assert late.orders["reason"].to_list() == [f"not_trading: {one.name}"]


def test_a_missing_opening_quotation_fails_the_run_and_its_trial(one):
    ledger = MemoryLedger()
    with pytest.raises(
        MissingSettlementError, match=r"special opening quotation of XYZ for 2024-01-04.*1 of XYZ240104"
    ):
        one.run([100.0, 100.0, 103.0, 104.0], "C", 100.0, 1, 2, terms=MORNING, recorder=ledger)
    assert ledger.rows()["status"].to_list() == ["begun", "failed"]


def test_an_opening_quotation_known_too_late_is_missing(one, desk):
    days = desk.days(4)
    settlements = pl.DataFrame(
        {"root": ["XYZ"], "session": [days["session"][2]], "value": [105.0], "known_at": [days["open_at"][3]]}
    )
    with pytest.raises(MissingSettlementError):
        one.run([100.0, 100.0, 103.0, 104.0], "C", 100.0, 1, 2, terms=MORNING, settlements=settlements)


def test_a_missing_official_close_fails_the_run(one, desk):
    late = [*desk.days(2)["close_at"], desk.days(4)["close_at"][3], desk.days(4)["close_at"][3]]
    with pytest.raises(MissingSettlementError, match="official close"):
        one.run([100.0, 100.0, 103.0, 104.0], "C", 100.0, 1, 2, terms={"style": "E"}, bars={"known_at": late})


def known(desk, number=0):
    return desk.days(6)["open_at"][number]


def rates_of(desk, rate):
    return pl.DataFrame({"session": [desk.days(1)["session"][0]], "rate_per_year": [rate], "known_at": [known(desk)]})


@pytest.mark.parametrize(("dividend", "is_assigned"), [(0.75, True), (0.001, False)])
def test_short_call_is_assigned_before_the_ex_date(one, desk, dividend, is_assigned):
    days = desk.days(8)["session"]
    declared = pl.DataFrame(
        {"symbol": ["XYZ"], "ex_date": [days[3]], "amount_usd": [dividend], "known_at": [known(desk)]}
    )
    put = desk.quote(days[2], "P", 90.0, days[7], 0.0, 0.01)
    result = one.run([100.0] * 8, "C", 90.0, -1, 7, dividends=declared, rates=rates_of(desk, 0.05), others={2: [put]})
    early = result.settlements.filter(pl.col("event") == "early_assignment")
    assert early.select("session", "rule").rows() == ([(days[2], "quotes")] if is_assigned else [])
    if is_assigned:
        delivered = result.fills.filter(pl.col("symbol") == "XYZ").row(0, named=True)
        assert (delivered["quantity_shares"], delivered["fill_price"]) == (-100.0, 90.0)


def test_continuation_value_decides_where_a_volatility_is_known(one, desk):
    days = desk.days(8)["session"]
    for dividend, is_assigned in ((0.05, False), (0.10, True)):
        declared = pl.DataFrame(
            {"symbol": ["XYZ"], "ex_date": [days[3]], "amount_usd": [dividend], "known_at": [known(desk)]}
        )
        greeks = pl.DataFrame(
            {
                "session": days[2:3], "root": "XYZ", "expiry": days[7], "right": "C", "strike": 90.0, "iv": 0.25,
                "spot": 100.0, "ts": desk.days(8)["chain_at"][2:3], "known_at": desk.days(8)["close_at"][2:3],
                "delta": 1.0, "gamma_per_usd": 0.0, "vega_per_vol": 0.0, "theta_per_year": 0.0,
            }
        )  # fmt: skip
        result = one.run([100.0] * 8, "C", 90.0, -1, 7, dividends=declared, rates=rates_of(desk, 0.05), greeks=greeks)
        rules = result.settlements.filter(pl.col("event") == "early_assignment")["rule"].to_list()
        assert rules == (["continuation"] if is_assigned else [])


def test_short_put_is_assigned_at_the_first_close_that_pays(one, desk):
    days = desk.days(8)["session"]
    call = desk.quote(days[1], "C", 130.0, days[7], 0.0, 0.01)
    result = one.run(
        [100.0] * 8, "P", 130.0, -4, 7, dividends=NO_DIVIDENDS, rates=rates_of(desk, 0.05), others={1: [call]}
    )
    assert result.settlements.select("session", "event", "quantity").row(0) == (days[1], "early_assignment", 4)


def test_a_share_of_assignment_is_seeded(one, desk):
    def assigned(seed):
        made = OptionsConfiguration(share_assigned=0.5, seed=seed, size_multiple=10.0)
        result = one.run(
            [100.0] * 4, "P", 130.0, -40, 3, configuration=made, dividends=NO_DIVIDENDS, rates=rates_of(desk, 0.5)
        )
        return result.settlements["quantity"].to_list()

    assert assigned(1) == assigned(1)
    assert 0 < assigned(1)[0] < 40
    assert assigned(1) != assigned(2)


def test_early_assignment_without_dividends_or_rates_is_refused(one, desk):
    with pytest.raises(OptionsDataError, match="expected dividends known"):
        one.run([100.0] * 4, "C", 90.0, -1, 3)
    with pytest.raises(OptionsDataError, match="expected rates known"):
        one.run([100.0] * 4, "P", 130.0, -1, 3, dividends=NO_DIVIDENDS)


@pytest.mark.parametrize(("next_open", "event"), [(104.0, "assignment"), (97.0, "expiry")])
def test_a_pin_is_carried_to_the_next_open_and_the_worse_is_booked(one, desk, next_open, event):
    rest = {
        "dividends": NO_DIVIDENDS,
        "rates": rates_of(desk, 0.05),
        "bars": {"open": [100.0, 100.0, 100.0, next_open]},
    }
    result = one.run([100.0, 100.0, 100.2, 101.0], "C", 100.0, -1, 2, **rest)
    row = result.settlements.row(0, named=True)
    assert (row["session"], row["event"], row["is_pin_risk"]) == (one.days[3], event, True)
    assert "pin_risk" in result.labels
    assert result.equity["positions_usd"][2] == pytest.approx(-20.0)
    received = 100 * result.fills["fill_price"][0] - 0.65
    worse = -100 * max(101.0 - 100.0, 0.0) if event == "assignment" else 0.0
    assert result.equity["equity_usd"][3] == pytest.approx(1e6 + received + worse)


def test_a_close_outside_the_pin_window_settles_at_once(one, desk):
    rest = {"dividends": NO_DIVIDENDS, "rates": rates_of(desk, 0.05)}
    result = one.run([100.0, 100.0, 100.3, 101.0], "C", 100.0, -1, 2, **rest)
    assert result.settlements.select("session", "is_pin_risk").rows() == [(one.days[2], False)]


def test_a_split_under_open_options_is_refused(one):
    with pytest.raises(OptionsDataError, match="splits 2 for 1"):
        one.run(
            [100.0, 100.0, 50.0, 50.0],
            "C",
            100.0,
            1,
            3,
            bars={"adjustment_factor": [1.0, 1.0, 2.0, 2.0], "open": [100.0, 100.0, 50.0, 50.0]},
        )


def contract(right, strike, expiry=DAY):
    return Contract(f"X{right}{strike}{expiry}", "X", "X", expiry, "pm", right, strike, 100, True, expiry)


def held(*legs):
    return [Held(contract(right, strike, *expiry), quantity, mid) for quantity, right, strike, mid, *expiry in legs]


LATER = dt.date(2024, 4, 19)


@pytest.mark.parametrize(
    ("what", "shares", "legs", "expected"),
    [
        ("naked put of the specification", 0, [(-1, "P", 97.0, 1.133034)], 1813.3034),
        ("naked call", 0, [(-1, "C", 105.0, 0.842667)], 100 * (0.842667 + 15.0)),
        ("far call at the floor", 0, [(-1, "C", 130.0, 0.1)], 100 * (0.1 + 10.0)),
        ("strangle: larger side and other premium", 0,
         [(-1, "C", 107.0, 0.5), (-1, "P", 94.0, 0.4)], 100 * (14 + 0.4 + 0.5)),
        ("iron condor: one wing", 0,
         [(1, "P", 94.0, 0.3), (-1, "P", 97.0, 1.1), (-1, "C", 104.0, 1.1), (1, "C", 107.0, 0.4)], 300.0),
        ("bull call spread", 0, [(1, "C", 100.0, 2.6), (-1, "C", 104.0, 1.1)], 0.0),
        ("bear call spread", 0, [(-1, "C", 100.0, 2.6), (1, "C", 104.0, 1.1)], 400.0),
        ("ratio backspread", 0, [(-1, "C", 100.0, 2.6), (2, "C", 104.0, 1.1)], 400.0),
        ("covered call", 100, [(-1, "C", 104.0, 1.1)], 5000.0),
        ("half covered", 100, [(-2, "C", 105.0, 0.842667)], 5000.0 + 1584.2667),
        ("calendar", 0, [(-1, "C", 100.0, 2.6), (1, "C", 100.0, 4.0, LATER)], 0.0),
        ("short calendar: the long ends first", 0,
         [(1, "C", 100.0, 2.6), (-1, "C", 100.0, 4.0, LATER)], 100 * (4.0 + 20.0)),
        ("long only", 0, [(1, "P", 100.0, 2.3), (3, "C", 120.0, 0.1)], 0.0),
    ],
)  # fmt: skip
def test_margin_by_structure(what, shares, legs, expected):
    assert required_margin(100.0, shares, held(*legs), OptionsConfiguration()) == pytest.approx(expected), what


def test_cash_secured_put_needs_its_strike():
    configuration = OptionsConfiguration(short_puts="cash_secured")
    assert required_margin(100.0, 0.0, held((-1, "P", 97.0, 1.1)), configuration) == 9700.0
    assert naked_margin(contract("P", 97.0), 100.0, 1.133034) == pytest.approx(18.133034)


def test_a_deficit_closes_at_the_next_snapshot(one, desk):
    small = OptionsConfiguration(initial_cash_usd=2_000.0)
    result = one.run([100.0] * 5, "C", 104.0, -1, 4, configuration=small)
    assert result.equity["margin_usd"].to_list() == pytest.approx([0, 1655, 1655, 1655, 0])
    broke = OptionsConfiguration(initial_cash_usd=1_500.0)
    result = one.run([100.0] * 5, "C", 104.0, -1, 4, configuration=broke)
    assert result.trades.select("exit_reason", "exit_session").rows() == [("margin", one.days[2])]
    assert "margin_deficit" in result.labels
