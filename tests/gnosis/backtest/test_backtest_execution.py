"""What one session does to orders: finer bars, shared books, splits while an order rests, margin at the close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import polars as pl
import pytest

from gnosis.backtest import Bracket, Configuration, Order, Result, View
from gnosis.backtest.orders import OrderError
from gnosis.sessions import schedule
from tests.gnosis.backtest.recorded import run

MakeBars = Callable[..., pl.DataFrame]
FREE = Configuration(
    initial_cash_usd=100_000.0, slippage="proportional", slippage_bps=0.0, fee_bps=0.0, participation=None,
    borrow_rate_per_year=0.0, margin_rate_per_year=0.0, allow_zero_cost=True,
)  # fmt: skip


def at_session(number: int, *orders: Order) -> Callable[[View], list[Order]]:
    """Return a strategy that submits the orders at one session, whatever the data it runs on."""
    day = schedule().filter(pl.col("session") >= dt.date(2015, 1, 2))["session"][number]
    return lambda view: list(orders) if view.session == day else []


def five_minutes(bars: pl.DataFrame, number: int, opens: list[float], volume: float) -> pl.DataFrame:
    """Return flat bars from the open of one session on."""
    day = bars["session"][number]
    began = schedule().filter(pl.col("session") == day)["open_at"].item()
    return pl.DataFrame(
        {
            "session": day, "symbol": "A", "frequency": "5min",
            "ts": [began + dt.timedelta(minutes=5 * (step + 1)) for step in range(len(opens))],
            "open": opens, "high": opens, "low": opens, "close": opens, "volume": volume,
        }
    )  # fmt: skip


def traded(result: Result) -> list[tuple[float, float]]:
    return result.fills.select("quantity_shares", "fill_price").rows()


def test_a_market_order_works_through_the_finer_bars(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 25, [100.0] * 25)
    fine = five_minutes(bars, 23, [100.0, 101.0, 102.0, 103.0], 1_000.0)
    limited = replace(FREE, participation=0.1)
    order = Order(symbol="A", quantity_shares=250.0)
    result = run(bars, at_session(22, order), limited, intraday=fine)
    assert traded(result) == [(100.0, 100.0), (100.0, 101.0), (50.0, 102.0)]
    began = fine["ts"][0] - dt.timedelta(minutes=5)
    assert result.fills["ts"].to_list() == [began + dt.timedelta(minutes=5 * step) for step in range(3)]
    auction = run(bars, at_session(22, replace(order, kind="opening_auction")), limited, intraday=fine)
    assert traded(auction) == [(250.0, 100.0)]


def test_the_rest_of_a_triggered_stop_goes_on_in_the_next_finer_bar(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 25, [100.0] * 25).with_columns(low=pl.lit(90.0))
    fine = five_minutes(bars, 23, [100.0, 97.0, 96.0, 99.0], 1_000.0)
    order = Order(symbol="A", quantity_shares=-150.0, kind="stop", stop_price=98.0)
    result = run(bars, at_session(22, order), replace(FREE, participation=0.1), intraday=fine)
    assert traded(result) == [(-100.0, 97.0), (-50.0, 96.0)]


def test_all_finer_bars_together_take_no_more_than_a_share_of_average_volume(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 25, [100.0] * 25, volume=2_000.0)
    fine = five_minutes(bars, 23, [100.0] * 3, 1_500.0)
    result = run(
        bars, at_session(22, Order(symbol="A", quantity_shares=900.0, is_day_order=True)),
        replace(FREE, participation=0.1), intraday=fine,
    )  # fmt: skip
    assert traded(result) == [(150.0, 100.0), (50.0, 100.0)]


def book_at(known_at: dt.datetime, ask: float, size: float) -> pl.DataFrame:
    levels = [("A", 1, ask, size), ("A", 2, ask + 1, 1e6), ("B", 1, 99.0, 1e6)]
    frame = pl.DataFrame(levels, schema=["side", "level", "price", "size"], orient="row")
    return frame.with_columns(symbol=pl.lit("A"), ts=pl.lit(known_at), known_at=pl.lit(known_at))


def test_a_book_from_after_the_start_of_a_bar_prices_no_fill_in_it(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 4, [100.0] * 4).with_columns(low=pl.lit(95.0))
    began = schedule().filter(pl.col("session") == bars["session"][2])["open_at"].item()
    early = book_at(began, 101.0, 1e6)
    books = pl.concat([early, book_at(began + dt.timedelta(hours=1), 150.0, 1e6)])
    costs = Configuration(slippage="book", participation=None)
    order = at_session(1, Order(symbol="A", quantity_shares=10.0, kind="limit", limit_price=98.0))
    fills = run(bars, order, costs, books=books).fills
    assert fills["fill_price"].to_list() == [99.0]
    assert fills.equals(run(bars, order, costs, books=early).fills.with_columns(run_key=fills["run_key"]))


def test_two_orders_do_not_take_the_same_displayed_size(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 4, [100.0] * 4)
    began = schedule().filter(pl.col("session") == bars["session"][2])["open_at"].item()
    costs = Configuration(slippage="book", participation=None)
    one = Order(symbol="A", quantity_shares=60.0)
    twice = run(bars, at_session(1, one, one), costs, books=book_at(began, 101.0, 100.0)).fills
    whole = run(
        bars, at_session(1, replace(one, quantity_shares=120.0)), costs, books=book_at(began, 101.0, 100.0)
    ).fills
    assert twice["slippage_usd"].sum() == pytest.approx(whole["slippage_usd"].sum(), abs=1e-6) == 100 + 20 * 2
    sold = run(
        bars, at_session(1, one, replace(one, quantity_shares=-60.0)), costs, books=book_at(began, 101.0, 60.0)
    ).fills
    assert sold["slippage_usd"].to_list() == pytest.approx([60.0, 60.0], abs=1e-6)


def split_bars(make_bars: MakeBars) -> pl.DataFrame:
    """Return bars around 100 $ that split 2 for 1 before the fourth, then fall through 46 $."""
    opens = [100.0, 100.0, 100.0, 50.0, 50.0, 45.0, 45.0]
    return make_bars("A", opens, opens, factor=[1.0] * 3 + [2.0] * 4)


def test_a_bracket_and_its_tape_survive_a_split(make_bars: MakeBars) -> None:
    bars = split_bars(make_bars)
    guard = Bracket(stop_price=92.0, target_price=120.0)
    for number, entry in (
        (0, Order(symbol="A", quantity_shares=100.0, bracket=guard)),
        # This entry rests through the split and is protected after it.
        (0, Order(symbol="A", quantity_shares=100.0, kind="stop", stop_price=99.0, bracket=guard)),
        (1, Order(symbol="A", quantity_shares=100.0, kind="limit", limit_price=100.0, bracket=guard)),
    ):
        result = run(bars, at_session(number, entry), FREE)
        assert traded(result)[-1] == (-200.0, 45.0)
        legs = result.orders.filter(pl.col("parent_number").is_not_null())
        assert legs["stop_price"].drop_nulls().to_list() == [92.0]
        assert legs["limit_price"].drop_nulls().to_list() == [120.0]
        again = run(bars, result.orders, FREE, first_session=bars["session"][0])
        assert traded(again) == traded(result)
        assert again.equity.drop("run_key").equals(result.equity.drop("run_key"))


def test_a_later_split_does_not_change_the_risk_taken(make_bars: MakeBars) -> None:
    opens = [100.0] * 24 + [90.0] + [45.0] * 3
    bars = make_bars("A", opens, opens, volume=[1_000.0] * 28, factor=[1.0] * 25 + [2.0] * 3)
    guarded = Order(
        symbol="A", quantity_shares=150.0, kind="limit", limit_price=101.0,
        bracket=Bracket(stop_price=80.0, target_price=200.0),
    )  # fmt: skip
    limited = replace(FREE, participation=0.1)
    whole = run(bars, at_session(23, guarded), limited).trades
    # The entry is filled in part before the split and goes on after it.
    assert whole["entry_session"].n_unique() > 1
    first = whole.filter(pl.col("entry_session") == whole["entry_session"].min())
    assert first["initial_risk_usd"].sum() == pytest.approx(100 * (90.0 - 80.0), abs=1e-6)


@pytest.mark.parametrize(("held", "moved", "kept"), [(4_000.0, 90.0, 2_666.0), (-3_000.0, 105.0, -2_698.0)])
def test_a_margin_call_cuts_positions_in_proportion(
    make_bars: MakeBars, held: float, moved: float, kept: float
) -> None:
    bars = make_bars("A", [100.0, 100.0, 100.0, moved, moved], [100.0, 100.0, moved, moved, moved])
    resting = Order(symbol="A", quantity_shares=-held / 4, kind="limit", limit_price=1_000.0 if held > 0 else 1.0)
    entry = at_session(0, Order(symbol="A", quantity_shares=held), resting)
    result = run(bars, entry, FREE)
    equity = 100_000 + held * (moved - 100)
    required = abs(held) * moved * (0.25 if held > 0 else 0.30)
    assert equity < required
    assert int(abs(held) * equity / required) == abs(kept)
    assert result.fills["quantity_shares"].to_list() == [held, kept - held]
    assert result.trades["exit_reason"].cast(pl.String).to_list() == ["margin", None]
    assert "margin_call" in result.runs["labels"].item()
    assert result.orders.filter(pl.col("kind") == "limit")["reason"].to_list() == ["margin call"]
    calm = run(bars, entry, replace(FREE, maintenance_margin_long=0.0, maintenance_margin_short=0.0))
    assert calm.fills.height == 1


@pytest.mark.parametrize(
    "given",
    [
        {"quantity_shares": 4e-9},
        {"quantity_shares": float("nan")},
        {"kind": "limit", "limit_price": 1e-9},
        {"bracket": Bracket(stop_price=106.0, target_price=98.0)},
        {"quantity_shares": -1.0, "bracket": Bracket(stop_price=98.0, target_price=106.0)},
    ],
)
def test_orders_of_nothing_and_exits_the_wrong_way_round_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(OrderError, match="expected"):
        Order(**{"symbol": "A", "quantity_shares": 1.0} | given)


def test_a_spread_older_than_a_week_is_not_of_the_time(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 30, [100.0 + step % 2 for step in range(30)])
    known = bars["known_at"][20]
    spreads = pl.DataFrame({"symbol": ["A"], "known_at": [known], "spread_bps": [40.0]})
    order = Order(symbol="A", quantity_shares=1.0)
    fresh = run(bars, at_session(21, order), Configuration(), spreads=spreads)
    stale = run(bars, at_session(27, order), Configuration(), spreads=spreads)
    assert fresh.fills["spread_cost_usd"].item() == pytest.approx(0.2, abs=1e-6)
    assert stale.fills["spread_cost_usd"].item() == pytest.approx(0.025, abs=1e-6)
    assert "spread_proxy" not in fresh.runs["labels"].item()
    assert "spread_proxy" in stale.runs["labels"].item()


def test_negative_volume_is_refused(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 3, [100.0] * 3, volume=[1.0, -1.0, 1.0])
    with pytest.raises(ValueError, match="volume of 0 or more"):
        run(bars, at_session(0, Order(symbol="A", quantity_shares=1.0)), FREE)


def test_a_close_out_that_meets_no_bar_says_so(make_bars: MakeBars) -> None:
    bars = pl.concat([make_bars("A", [100.0] * 5, [100.0] * 5), make_bars("B", [100.0] * 6, [100.0] * 6)])
    closing = replace(FREE, close_out=True)
    for symbol, label in (("A", "close_out_incomplete,diagnostic_no_cost"), ("B", "diagnostic_no_cost")):
        result = run(bars, at_session(0, Order(symbol=symbol, quantity_shares=1.0)), closing)
        assert result.runs["labels"].item() == label


def test_delistings_of_other_symbols_do_not_matter(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 5, [100.0] * 5)
    gone = pl.DataFrame({"session": [dt.date(2010, 1, 4)], "symbol": ["Z"], "delisting_price_usd": [1.0]})
    result = run(bars, at_session(0, Order(symbol="A", quantity_shares=1.0)), FREE, delistings=gone)
    assert traded(result) == [(1.0, 100.0)]


@pytest.mark.parametrize("decision", [None, Order(symbol="A", quantity_shares=1.0), "A"])
def test_what_is_no_list_of_orders_is_refused(make_bars: MakeBars, decision: object) -> None:
    with pytest.raises(TypeError, match=f"found {type(decision).__name__}: return an empty list"):
        run(make_bars("A", [100.0] * 3, [100.0] * 3), lambda view: decision, FREE)


def quotes(bars: pl.DataFrame, number: int, rows: list[tuple[float, float, float, float]]) -> pl.DataFrame:
    """Return books of one session from (seconds after the open, bid, ask, size)."""
    began = schedule().filter(pl.col("session") == bars["session"][number])["open_at"].item()
    levels = [
        (began + dt.timedelta(seconds=at), side, price, size)
        for at, bid, ask, size in rows
        for side, price in (("B", bid), ("A", ask))
    ]
    frame = pl.DataFrame(levels, schema=["ts", "side", "price", "size"], orient="row")
    return frame.with_columns(symbol=pl.lit("A"), known_at="ts", level=pl.lit(1))


QUOTED = Configuration(slippage="book", fills_on="quotes", participation=None, fee_bps=0.0, allow_zero_cost=True)
DAY = [(-60.0, 90.0, 91.0, 1e3), (0.5, 95.0, 96.0, 1e3), (1.0, 99.0, 101.0, 60.0), (5.0, 99.5, 100.5, 1e3)]


def test_market_orders_meet_the_first_quotes_after_the_latency(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 4, [100.0] * 4)
    books = quotes(bars, 2, DAY)
    for side, prices in ((1, [101.0, 100.5]), (-1, [99.0, 99.5])):
        result = run(bars, at_session(1, Order(symbol="A", quantity_shares=side * 100.0)), QUOTED, books=books)
        assert traded(result) == [(side * 60.0, prices[0]), (side * 40.0, prices[1])]
        assert result.fills["reference_price"].to_list() == [100.0, 100.0]
        assert result.fills["ts"].to_list() == books["ts"].unique().sort()[2:].to_list()
    slow = run(
        bars, at_session(1, Order(symbol="A", quantity_shares=100.0)), replace(QUOTED, latency_seconds=2.0),
        books=books,
    )  # fmt: skip
    assert traded(slow) == [(100.0, 100.5)]
    assert run(bars, at_session(1, Order(symbol="A", quantity_shares=1.0)), QUOTED).fills.is_empty()
    with pytest.raises(ValueError, match="expected slippage 'book' with fills_on 'quotes'"):
        Configuration(fills_on="quotes")


def test_resting_orders_look_at_their_own_side_of_the_quote(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 4, [100.0] * 4)
    books = quotes(bars, 2, [(1, 99.0, 101.0, 1e3), (9, 97.5, 99.5, 1e3), (20, 97.0, 98.9, 1e3)])
    for order, price in (
        (Order(symbol="A", quantity_shares=10.0, kind="limit", limit_price=99.0), 98.9),
        (Order(symbol="A", quantity_shares=-10.0, kind="stop", stop_price=98.0), 97.5),
        (Order(symbol="A", quantity_shares=-10.0, kind="stop_limit", stop_price=98.0, limit_price=97.2), 97.5),
    ):
        assert traded(run(bars, at_session(1, order), QUOTED, books=books)) == [(order.quantity_shares, price)]


def test_the_exits_of_a_quoted_entry_wait_for_the_latency(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 4, [100.0] * 4)
    books = quotes(bars, 2, [(1, 99.0, 101.0, 1e3), (1.5, 90.0, 92.0, 1e3), (3, 91.0, 93.0, 1e3), (4, 80.0, 82.0, 1e3)])
    entry = Order(symbol="A", quantity_shares=10.0, bracket=Bracket(stop_price=98.0, target_price=120.0))
    assert traded(run(bars, at_session(1, entry), QUOTED, books=books)) == [(10.0, 101.0), (-10.0, 91.0)]


def test_orders_of_one_side_in_one_session_share_their_impact(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 30, [100.0 + step % 2 for step in range(30)])
    whole = Order(symbol="A", quantity_shares=1_000.0)
    piece = replace(whole, quantity_shares=100.0)
    costs = Configuration()
    once = run(bars, at_session(25, whole), costs).fills
    cut = run(bars, at_session(25, *[piece] * 10), costs).fills
    assert cut.height == 10
    assert cut["impact_cost_usd"].sum() == pytest.approx(once["impact_cost_usd"].item(), rel=1e-6)
    both = run(bars, at_session(25, piece, replace(piece, quantity_shares=-100.0)), costs).fills
    assert both["impact_cost_usd"].n_unique() == 1


@pytest.mark.parametrize(("name", "value"), [("open", float("nan")), ("low", 0.0), ("high", 99.0), ("close", None)])
def test_intraday_bars_that_cannot_be_are_refused(make_bars: MakeBars, name: str, value: float | None) -> None:
    bars = make_bars("A", [100.0] * 3, [100.0] * 3)
    fine = five_minutes(bars, 1, [100.0], 1e3).with_columns(pl.lit(value, dtype=pl.Float64).alias(name))
    with pytest.raises(ValueError, match="expected intraday prices above 0"):
        run(bars, at_session(0, Order(symbol="A", quantity_shares=1.0)), FREE, intraday=fine)


def test_the_rest_of_an_entry_is_met_on_the_way_to_its_stop(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 27, [100.0] * 27, volume=1_000.0).with_columns(
        low=pl.when(pl.int_range(pl.len()) == 23).then(98.5).when(pl.int_range(pl.len()) == 24).then(97.0).otherwise(
            pl.col("low")
        )
    )  # fmt: skip
    entry = Order(symbol="A", quantity_shares=200.0, kind="limit", limit_price=99.0, bracket=Bracket(stop_price=98.0))
    result = run(bars, at_session(22, entry), replace(FREE, participation=0.1))
    assert traded(result) == [(100.0, 99.0), (100.0, 99.0), (-100.0, 100.0), (-100.0, 100.0)]
    assert result.orders["status"].cast(pl.String).to_list() == ["filled", "filled"]
