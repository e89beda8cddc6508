from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.backtest import LedgerError
from gnosis.backtest.invariants import BarRecord, Expected, check_bar
from gnosis.backtest.ledger import UNIT, Ledger, divide_half_even, to_units


def units(value: float) -> int:
    return to_units(value)


def fresh() -> tuple[Ledger, Expected]:
    return Ledger(units(1_000)), Expected(deposit=units(1_000), equity=units(1_000))


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_rounding_is_within_half_and_mirrors(numerator: int, denominator: int) -> None:
    quotient = divide_half_even(numerator, denominator)
    assert 2 * abs(quotient * denominator - numerator) <= denominator
    assert divide_half_even(-numerator, denominator) == -quotient


def test_first_lot_in_is_first_out() -> None:
    ledger = Ledger(units(10_000))
    ledger.trade("A", units(10), units(10), units(10), 0)
    ledger.trade("A", units(10), units(20), units(20), 0)
    ledger.trade("A", units(-15), units(30), units(30), 0)
    # 10 shares gain 20 $, 5 shares gain 10 $; a gain is a credit.
    assert ledger.accounts["realised"] == -units(250)
    assert ledger.accounts["positions"] == units(100)
    assert [(lot.quantity, lot.cost) for lot in ledger.lots["A"]] == [(units(5), units(100))]


def test_short_sale_credits_proceeds_and_falling_price_raises_equity() -> None:
    ledger = Ledger(units(1_000))
    ledger.trade("A", units(-10), units(50), units(50), 0)
    assert ledger.accounts["cash"] == units(1_500)
    assert ledger.market_values({"A": units(50)}) == {"A": -units(500)}
    assert ledger.accounts["cash"] + ledger.market_values({"A": units(40)})["A"] == units(1_100)


def test_crossing_zero_closes_the_long_and_opens_the_short() -> None:
    ledger = Ledger(units(10_000))
    ledger.trade("A", units(100), units(10), units(10), 0)
    ledger.trade("A", units(-150), units(11), units(11), 0)
    assert ledger.accounts["realised"] == -units(100)
    assert ledger.accounts["positions"] == -units(550)
    assert ledger.quantities == {"A": -units(50)}


def test_dividends_are_received_by_longs_and_paid_by_shorts() -> None:
    ledger = Ledger(0)
    ledger.trade("L", units(100), units(10), units(10), 0)
    ledger.trade("S", units(-100), units(10), units(10), 0)
    assert ledger.dividend("L", units(0.25)) == units(25)
    assert ledger.dividend("S", units(0.25)) == -units(25)


def test_split_keeps_cost_and_spreads_the_shares() -> None:
    ledger = Ledger(units(10_000))
    ledger.trade("A", units(3), units(10), units(10), 0)
    ledger.trade("A", units(4), units(12), units(12), 0)
    cash, cost = ledger.accounts["cash"], ledger.accounts["positions"]
    ledger.split("A", 3, 2)
    assert ledger.quantities["A"] == units(10.5) == sum(lot.quantity for lot in ledger.lots["A"])
    assert (ledger.accounts["cash"], ledger.accounts["positions"]) == (cash, cost)


def test_postings_that_do_not_balance_are_refused() -> None:
    with pytest.raises(LedgerError, match=r"I3: expected the postings of gift to sum to 0.*100"):
        Ledger(0).post("gift", cash=100)


@given(st.lists(st.tuples(st.integers(-500, 500), st.integers(1, 10**12)), max_size=30), st.integers(1, 10**12))
@settings(max_examples=60)
def test_any_sequence_of_trades_balances(trades: list[tuple[int, int]], mark: int) -> None:
    ledger = Ledger(units(1e6))
    expected, record = Expected(deposit=units(1e6), equity=units(1e6)), BarRecord()
    for shares, price in trades:
        fee = divide_half_even(abs(shares) * price, 1000)
        record.traded += ledger.trade("A", shares * UNIT, price, price - 7, fee)
        record.fees += fee
        record.touched.add("A")
        expected.slippage_exact += 7 * shares * UNIT
        expected.n_fills += 1
    total = sum(shares for shares, _ in trades) * UNIT
    expected.quantities = {"A": total} if total else {}
    check_bar("test", ledger, sum(ledger.market_values({"A": mark}).values()), record, expected)
    assert sum(ledger.accounts.values()) == 0


@pytest.mark.parametrize(
    ("account", "message"),
    [("cash", "I2: equity change"), ("fees", "I2: fees"), ("realised", "I3: sum of all accounts")],
)
def test_a_wrong_account_is_found_with_its_numbers(account: str, message: str) -> None:
    ledger, expected = fresh()
    ledger.accounts[account] += 1
    with pytest.raises(LedgerError, match=rf"{message}.* at bar 7: expected .*, found "):
        check_bar("bar 7", ledger, 0, BarRecord(), expected)


def test_other_broken_books_are_found() -> None:
    ledger, expected = fresh()
    ledger.quantities["A"] = 1
    with pytest.raises(LedgerError, match="I4"):
        check_bar("x", ledger, 0, BarRecord(), expected)
    ledger, expected = fresh()
    ledger.slippage = 10
    with pytest.raises(LedgerError, match="I7"):
        check_bar("x", ledger, 0, BarRecord(), expected)
    ledger, expected = fresh()
    ledger.accounts["realised"] += 5
    ledger.accounts["positions"] -= 5
    with pytest.raises(LedgerError, match="I5: cost of positions"):
        check_bar("x", ledger, 0, BarRecord(), expected)
    ledger, expected = fresh()
    expected.deposit += 1
    with pytest.raises(LedgerError, match="I5: profit since inception"):
        check_bar("x", ledger, 0, BarRecord(), expected)
