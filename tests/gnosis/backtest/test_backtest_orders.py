"""Orders through the engine: every type, what protects an entry, what ends an order, and what is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from gnosis.backtest import Bracket, Cancel, Configuration, Order, Result, View
from tests.gnosis.backtest.recorded import run

MakeBars = Callable[..., pl.DataFrame]
FREE = Configuration(
    initial_cash_usd=100_000.0, slippage="proportional", slippage_bps=0.0, fee_bps=0.0, participation=None,
    borrow_rate_per_year=0.0, margin_rate_per_year=0.0, allow_zero_cost=True,
)  # fmt: skip


def bars_ohl(make_bars: MakeBars, rows: list[tuple[float, ...]], **given: object) -> pl.DataFrame:
    """Return bars of A from (open, high, low) or (open, high, low, close); without a close it is the open."""
    opened, high, low = (np.array([row[number] for row in rows], dtype=float) for number in range(3))
    close = np.array([row[3] if len(row) > 3 else row[0] for row in rows], dtype=float)
    return make_bars("A", opened, close, **given).with_columns(high=pl.Series(high), low=pl.Series(low))


def submit(plan: dict[int, list[Order | Cancel]]) -> Callable[[View], list[Order | Cancel]]:
    """Return a strategy that submits its plan by number of the decision."""
    count = iter(range(10_000))
    return lambda view: plan.get(next(count), [])


def traded(result: Result) -> list[tuple[int, float, float]]:
    days = result.equity["session"].to_list()
    rows = result.fills.select("session", "quantity_shares", "fill_price").rows()
    return [(days.index(day), quantity, price) for day, quantity, price in rows]


def buy(**given: object) -> Order:
    return Order(**{"symbol": "A", "quantity_shares": 100.0} | given)


BRACKET = Bracket(stop_price=98.0, target_price=106.0)


@pytest.mark.parametrize(
    ("second", "price", "is_ambiguous", "reason"),
    [
        ((97, 99, 96), 97.0, False, "stop"),
        ((100, 107, 97), 98.0, True, "stop"),
        ((107, 108, 105), 107.0, False, "target"),
        ((100, 106.01, 99), 106.0, False, "target"),
    ],
)
def test_published_exits(
    make_bars: MakeBars, second: tuple[float, ...], price: float, is_ambiguous: bool, reason: str
) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100), (100, 101, 99), second, (100, 100, 100)])
    result = run(bars, submit({0: [buy(bracket=BRACKET)]}), FREE)
    assert traded(result) == [(1, 100.0, 100.0), (2, -100.0, price)]
    trade = result.trades.row(0, named=True)
    assert (trade["exit_reason"], trade["is_ambiguous"], trade["profit_usd"]) == (
        reason, is_ambiguous, 100 * (price - 100),
    )  # fmt: skip
    assert trade["initial_risk_usd"] == 200.0
    legs = result.orders.filter(pl.col("parent_number") == 0)
    assert sorted(legs["status"].cast(pl.String).to_list()) == ["cancelled", "filled"]
    assert result.runs["share_ambiguous"].item() == float(is_ambiguous)
    assert ("ambiguous" in (result.runs["blocked_by"].item())) == is_ambiguous


def test_published_exit_in_the_entry_bar(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100), (100, 101, 97.5), (100, 120, 90)])
    result = run(bars, submit({0: [buy(bracket=BRACKET)]}), FREE)
    assert traded(result) == [(1, 100.0, 100.0), (1, -100.0, 98.0)]


def test_a_touch_leaves_the_target_resting(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100), (100, 101, 99), (100, 106.0, 99)])
    result = run(bars, submit({0: [buy(bracket=BRACKET)]}), FREE)
    assert traded(result) == [(1, 100.0, 100.0)]
    assert result.orders["status"].to_list() == ["filled", "resting", "resting"]
    assert result.trades.select("exit_session", "exit_price", "exit_reason").row(0) == (None, 100.0, None)


def test_published_short_exits(make_bars: MakeBars) -> None:
    bracket = Bracket(stop_price=102.0, target_price=94.0)
    for second, price in (((103, 104, 101), 103.0), ((100, 103, 93), 102.0), ((93, 95, 92), 93.0)):
        bars = bars_ohl(make_bars, [(100, 100, 100), (100, 101, 99), second])
        result = run(bars, submit({0: [buy(quantity_shares=-100.0, bracket=bracket)]}), FREE)
        assert traded(result)[1] == (2, 100.0, price)


def test_published_participation_with_a_day_and_a_lasting_order(make_bars: MakeBars) -> None:
    volume = [120_000.0] * 22 + [100_000.0, 80_000.0, 90_000.0]
    bars = make_bars("A", [50.0] * 25, 50 + 0.1 * np.sin(np.arange(25)), volume=volume)
    lasting = run(bars, submit({21: [buy(quantity_shares=15_000.0)]}), Configuration())
    assert lasting.fills["quantity_shares"].to_list() == [10_000, 5_000]
    day = run(bars, submit({21: [buy(quantity_shares=15_000.0, is_day_order=True)]}), Configuration())
    assert day.fills["quantity_shares"].to_list() == [10_000]
    assert day.orders.select(pl.col("status").cast(pl.String), "filled_shares", "reason").row(0) == (
        "expired", 10_000.0, "day order",
    )  # fmt: skip


def test_a_bracket_protects_each_partial_fill_at_once(make_bars: MakeBars) -> None:
    rows = [(100, 100.5, 99.5, 100 + 0.1 * (number % 2)) for number in range(22)]
    bars = bars_ohl(make_bars, [*rows, (100, 101, 99), (100, 101, 97), (96, 97, 95)], volume=1_000.0)
    result = run(bars, submit({21: [buy(quantity_shares=150.0, bracket=BRACKET)]}), Configuration())
    rows = result.fills.select("order_number", "quantity_shares", "reference_price").rows()
    # The second bar has room for the rest of the entry and half of the exit; the stop, once reached, goes on at opens.
    assert rows == [(0, 100.0, 100.0), (0, 50.0, 100.0), (1, -50.0, 98.0), (1, -100.0, 96.0)]
    assert result.trades["profit_usd"].len() == 3


def test_stop_limit_orders_rest_after_a_gap(make_bars: MakeBars) -> None:
    bars = bars_ohl(
        make_bars, [(100, 100, 100), (100, 101, 99), (97, 97.3, 96), (97, 97.4, 96), (97, 97.6, 96), (99, 99, 99)]
    )
    order = buy(quantity_shares=-100.0, kind="stop_limit", stop_price=98.0, limit_price=97.5)
    assert traded(run(bars, submit({1: [order]}), FREE)) == [(4, -100.0, 97.5)]


def test_auctions_limits_and_stops_fill_where_they_should(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100), (101, 104, 98, 103), (102, 105, 97, 99)])
    plan = [
        buy(kind="opening_auction"), buy(kind="closing_auction"), buy(kind="limit", limit_price=99.0),
        buy(kind="stop", stop_price=103.5), buy(kind="limit", limit_price=97.0), buy(kind="stop", stop_price=104.5),
        buy(kind="limit", limit_price=110.0),
    ]  # fmt: skip
    assert traded(run(bars, submit({0: plan}), FREE)) == [
        (1, 100.0, 101.0), (1, 100.0, 101.0), (1, 100.0, 103.5), (1, 100.0, 99.0), (1, 100.0, 103.0),
        (2, 100.0, 104.5),
    ]  # fmt: skip


def test_finer_bars_order_what_happens_inside_a_session(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100), (100, 101, 99), (100, 107, 97), (100, 100, 100)])
    day, close = bars.select("session", "ts").row(2)
    fine = pl.DataFrame(
        {
            "session": day, "symbol": "A", "frequency": "5min",
            "ts": [close - dt.timedelta(minutes=10), close - dt.timedelta(minutes=5), close],
            "open": [100.0, 106.5, 100.0], "high": [105.0, 107.0, 100.0], "low": [99.0, 100.0, 97.0],
            "close": [105.0, 100.0, 97.0], "volume": [1e5] * 3,
        }
    )  # fmt: skip
    result = run(bars, submit({0: [buy(bracket=BRACKET)]}), FREE, intraday=fine)
    assert traded(result) == [(1, 100.0, 100.0), (2, -100.0, 106.5)]
    # The second bar opens beyond the target, five minutes before its end.
    assert result.fills["ts"][1] == close - dt.timedelta(minutes=10)
    assert not result.fills["is_ambiguous"].any()


def test_a_cancel_takes_back_what_is_left(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100)] * 5)
    seen = []

    def strategy(view: View) -> list[Order | Cancel]:
        seen.append([(order.order_number, order.quantity_shares, order.limit_price) for order in view.resting_orders])
        if len(seen) == 1:
            return [buy(kind="limit", limit_price=90.0), buy(kind="limit", limit_price=80.0)]
        return [Cancel(0)] if len(seen) == 2 else []

    result = run(bars, strategy, FREE)
    assert seen[1] == [(0, 100.0, 90.0), (1, 100.0, 80.0)]
    assert seen[2] == [(1, 100.0, 80.0)]
    assert result.orders["status"].to_list() == ["cancelled", "resting"]
    with pytest.raises(ValueError, match="expected to cancel one of the 0 orders so far, found 7 at 2015-01-02"):
        run(bars, lambda view: [Cancel(7)], FREE)


def test_refused_orders_are_kept_with_the_reason(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100)] * 4)
    wrong = buy(quantity_shares=-1.0, kind="stop_limit", stop_price=98.0, limit_price=99.0)
    plan = {0: [buy(symbol="Z"), buy(quantity_shares=-1.0), wrong]}
    result = run(bars, submit(plan), Configuration(borrow_rate_per_year=None))
    assert result.orders["status"].to_list() == ["rejected"] * 3
    reasons = result.orders["reason"].to_list()
    assert reasons[0] == "no bar of Z is known: load its bars"
    assert reasons[1].startswith("no stock to borrow")
    assert "wrong side" in reasons[2]


def test_a_closed_position_leaves_no_exit_behind(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100)] * 3 + [(90, 91, 89)])
    result = run(bars, submit({0: [buy(bracket=BRACKET)], 1: [buy(quantity_shares=-100.0)]}), FREE)
    assert traded(result) == [(1, 100.0, 100.0), (2, -100.0, 100.0)]
    assert set(result.orders.filter(pl.col("parent_number") == 0)["reason"]) == {"the position is closed"}


def test_a_cash_account_waits_for_settlement(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 100, 100)] * 8)
    cash = Configuration(**{**FREE.__dict__, "account": "cash", "settlement_days": 2})
    plan = {0: [buy(quantity_shares=1_000.0)], 1: [buy(quantity_shares=-1_000.0)], 2: [buy(quantity_shares=500.0)]}
    result = run(bars, submit(plan), cash)
    assert traded(result) == [(1, 1000.0, 100.0), (2, -1000.0, 100.0), (4, 500.0, 100.0)]
    assert "unsettled_cash" in result.runs["labels"].item()


def test_the_close_out_meets_the_last_auction_with_costs(make_bars: MakeBars) -> None:
    bars = bars_ohl(make_bars, [(100, 101, 99, 101)] * 4)
    costs = Configuration(slippage="proportional", participation=None, close_out=True)
    result = run(bars, submit({0: [buy()]}), costs)
    assert traded(result)[-1] == (3, -100.0, 101 * (1 - 5e-4))
    assert result.trades["exit_reason"].to_list() == ["close_out"]
    assert result.equity["positions_usd"][-1] == 0


def test_the_tape_of_a_run_gives_the_run_again(make_walk: MakeBars) -> None:
    bars = make_walk(["A", "B"], 60).with_columns(high=pl.col("high") * 1.01, low=pl.col("low") * 0.99)
    rng = np.random.default_rng(3)

    def strategy(view: View) -> list[Order | Cancel]:
        orders: list[Order | Cancel] = [Cancel(order.order_number) for order in view.resting_orders[:1]]
        for symbol in view.symbols:
            price = view.bar(view.session, symbol)["close"]
            size = float(rng.integers(1, 50))
            guard = Bracket(stop_price=round(price * 0.97, 2), target_price=round(price * 1.03, 2))
            orders.append(Order(symbol=symbol, quantity_shares=size, bracket=guard))
            orders.append(Order(symbol=symbol, quantity_shares=-size, kind="limit", limit_price=round(price * 1.01, 2)))
        return orders

    costs = Configuration(slippage="proportional", participation=None)
    first = run(bars, strategy, costs)
    again = run(bars, first.orders, costs)
    assert first.fills.height > 100
    assert set(first.orders["status"].cast(pl.String)) >= {"filled", "cancelled", "resting"}
    for name in ("orders", "fills", "equity", "trades"):
        ours, theirs = (getattr(result, name).drop("run_key", "known_at", "reason", strict=False)
                        for result in (first, again))  # fmt: skip
        assert ours.equals(theirs), name
