from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from gnosis.backtest import (
    Configuration,
    LookAheadError,
    View,
    buy_and_hold,
    model_long_flat_short,
    tradable_symbols,
)
from gnosis.tables import TABLES
from tests.gnosis.backtest.recorded import run

MakeBars = Callable[..., pl.DataFrame]

TOY = Configuration(
    initial_cash_usd=100_000.0, slippage="proportional", slippage_bps=5.0, fee_bps=10.0, participation=None,
    borrow_rate_per_year=0.0, allow_zero_cost=True,
)  # fmt: skip
FREE = Configuration(
    initial_cash_usd=100_000.0, slippage="proportional", slippage_bps=0.0, fee_bps=0.0, participation=None,
    borrow_rate_per_year=0.0, margin_rate_per_year=0.0, allow_zero_cost=True,
)  # fmt: skip


def shares(bars: pl.DataFrame, wanted: dict[int, float], symbol: str = "A") -> pl.DataFrame:
    days = bars["session"].unique().sort()
    return pl.DataFrame(
        {
            "session": [days[number] for number in wanted],
            "symbol": symbol,
            "target_shares": list(map(float, wanted.values())),
        }
    )


def test_which_symbols_can_be_traded_does_not_depend_on_later_bars(make_bars: MakeBars) -> None:
    flat = np.full(30, 100.0)
    hole = np.where(np.arange(30) == 25, np.nan, 1e6)
    bars = pl.concat(
        [
            make_bars("HOLE", flat, flat, volume=hole),
            make_bars("INDEX", flat, flat, volume=np.nan),
            make_bars("LATER", flat, flat).tail(5),
            make_bars("WHOLE", flat, flat),
        ]
    ).with_columns(pl.col("volume").fill_nan(None))
    days = bars["session"].unique().sort()
    assert tradable_symbols(bars, days[10]) == ["HOLE", "LATER", "WHOLE"]
    for end in (11, 24, 26):
        until = bars.filter(pl.col("session") <= days[end])
        assert tradable_symbols(until, days[10]) == [
            name for name in ("HOLE", "LATER", "WHOLE") if end > 24 or name != "LATER"
        ]


def test_published_ledger_toy(make_bars: MakeBars) -> None:
    opens = [100.00, 101.00, 102.50, 101.50, 103.00, 104.50, 103.50, 105.00]
    closes = [101.00, 102.50, 101.50, 103.00, 104.50, 103.50, 105.00, 105.50]
    bars = make_bars("A", opens, closes)
    result = run(bars, shares(bars, dict(enumerate([100, 100, -50, -50, -50, 0, 100, 100]))), TOY)
    sessions = bars["session"].to_list()
    fills = {sessions.index(row["session"]): row for row in result.fills.rows(named=True)}
    assert {bar: row["quantity_shares"] for bar, row in fills.items()} == {1: 100, 3: -150, 6: 50, 7: 100}
    prices = {1: 101.0505, 3: 101.44925, 6: 103.55175, 7: 105.0525}
    assert {bar: row["fill_price"] for bar, row in fills.items()} == prices
    fees = {1: 10.10505, 3: 15.2173875, 6: 5.1775875, 7: 10.50525}
    assert {bar: row["fee_usd"] for bar, row in fills.items()} == fees
    equity = [
        100000,
        100134.84495,
        100034.84495,
        99937.0150625,
        99862.0150625,
        99912.0150625,
        99904.249975,
        99938.494725,
    ]
    assert result.equity["equity_usd"].to_list() == equity
    assert result.equity["fees_usd"].sum() == pytest.approx(41.005275, abs=1e-12)
    assert result.equity["slippage_usd"].sum() == result.fills["slippage_usd"].sum() == pytest.approx(20.5, abs=1e-12)
    assert result.runs["labels"].item() == "diagnostic_no_cost"


def test_published_participation(make_bars: MakeBars) -> None:
    volume = [120_000.0] * 22 + [100_000.0, 80_000.0, 90_000.0]
    bars = make_bars("A", [50.0] * 25, 50 + 0.1 * np.sin(np.arange(25)), volume=volume)
    result = run(bars, shares(bars, {21: 15_000}), Configuration())
    assert result.fills["quantity_shares"].to_list() == [10_000, 5_000]
    assert result.fills["signal_session"].n_unique() == 1
    assert "partial_fills" in result.runs["labels"].item()


def test_slices_of_one_parent_keep_their_impact(make_bars: MakeBars) -> None:
    closes = 50 + 0.5 * np.sin(np.arange(26))
    bars = make_bars("A", [50.0] * 26, closes, volume=100_000.0)
    once = run(bars, shares(bars, {21: 20_000}), Configuration()).fills
    renewed = run(bars, shares(bars, {21: 20_000, 22: 20_000, 23: 20_000}), Configuration()).fills
    columns = ["session", "quantity_shares", "fill_price"]
    assert once.select(columns).equals(renewed.select(columns))
    assert once["quantity_shares"].to_list() == [10_000, 10_000]
    assert once["fill_price"][1] > once["fill_price"][0]


def test_square_root_fill_uses_only_bars_before(make_bars: MakeBars) -> None:
    closes = 100 * np.exp(0.02 * np.resize([1.0, -1.0], 22).cumsum())
    bars = make_bars("A", [50.0] * 24, [*closes, 77.0, 33.0], volume=[1e6] * 22 + [9e6, 9e6])
    fill = run(bars, shares(bars, {21: 10_000}), Configuration(spread_bps=4.0)).fills.row(0, named=True)
    sigma = np.std(np.diff(np.log(closes))[-20:], ddof=1)
    assert fill["fill_price"] == pytest.approx(50 + 0.01 + 50 * sigma * math.sqrt(0.01), abs=1e-8)


def test_published_borrow_in_the_engine(make_bars: MakeBars) -> None:
    bars = make_bars("A", [50.0] * 6, [50.0] * 6)
    costs = Configuration(slippage="proportional", participation=None)
    result = run(bars, shares(bars, {0: -100}), costs)
    days = [(b - a).days for a, b in zip(result.equity["session"][1:-1], result.equity["session"][2:], strict=True)]
    expected = [0.0, 0.0, *(round(0.4166666667 * d, 8) for d in days)]
    assert result.equity["borrow_usd"].to_list() == pytest.approx(expected, abs=1e-7)
    assert run(bars, shares(bars, {0: 100}), costs).equity["borrow_usd"].sum() == 0


def test_margin_interest_is_paid_on_negative_cash(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 4, [100.0] * 4)
    result = run(
        bars, shares(bars, {0: 2_000}), Configuration(initial_cash_usd=1e5, slippage="proportional", participation=None)
    )
    debt = -result.equity["cash_usd"][1]
    assert debt > 100_000
    assert result.equity["interest_usd"][2] == pytest.approx(debt * 0.06 / 360, abs=1e-8)


def test_a_short_needs_a_borrow_rate(make_bars: MakeBars) -> None:
    bars = make_bars("A", [50.0] * 3, [50.0] * 3)
    with pytest.raises(ValueError, match="found a short target of A at 2015-01-02: set borrow_rate_per_year"):
        run(bars, shares(bars, {0: -1}), Configuration(borrow_rate_per_year=None))


@pytest.mark.parametrize("held", [100, -100])
@pytest.mark.parametrize("ratio", [2.0, 7.0, 0.1])
def test_a_split_leaves_equity_unchanged(make_bars: MakeBars, held: int, ratio: float) -> None:
    prices = np.array([70.0, 70.0, 70.0, 70.0 / ratio, 70.0 / ratio])
    bars = make_bars("A", prices, prices, factor=[1, 1, 1, ratio, ratio])
    result = run(bars, shares(bars, {0: held}), FREE)
    assert result.equity["equity_usd"].to_list() == [100_000.0] * 5
    assert result.actions.rows() == [(bars["session"][3], "A", "split", ratio, 0.0)]


def test_a_resting_order_is_split_too(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0, 50.0, 50.0], [100.0, 50.0, 50.0], factor=[1, 2, 2])
    assert run(bars, shares(bars, {0: 30}), FREE).fills["quantity_shares"].to_list() == [60]


def test_average_volume_crosses_a_split_in_new_shares(make_bars: MakeBars) -> None:
    prices = np.array([100.0] * 22 + [50.0] * 4)
    bars = make_bars(
        "A", prices, prices + np.resize([0.1, -0.1], 26), volume=[1e5] * 22 + [2e5] * 4, factor=[1.0] * 22 + [2.0] * 4
    )
    fill = run(bars, shares(bars, {22: 50_000}), Configuration()).fills
    assert fill["quantity_shares"].to_list() == [20_000, 20_000, 10_000]


@pytest.mark.parametrize("held", [100, -100])
def test_dividends_are_paid_on_the_ex_date(make_bars: MakeBars, held: int) -> None:
    bars = make_bars("A", [100, 100, 100, 99, 99], [100, 100, 100, 99, 99], factor=[1, 1, 1, 1 / 0.99, 1 / 0.99])
    result = run(bars, shares(bars, {0: held}), FREE)
    assert result.equity["equity_usd"].to_list() == pytest.approx([100_000.0] * 5, abs=1e-6)
    assert result.equity["dividends_usd"].to_list() == pytest.approx([0, 0, 0, held, 0], abs=1e-6)


def test_who_buys_at_the_open_of_the_ex_date_gets_no_dividend(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100, 99, 99], [100, 99, 99], factor=[1, 1 / 0.99, 1 / 0.99])
    assert run(bars, shares(bars, {0: 100}), FREE).equity["dividends_usd"].sum() == 0


def test_a_missing_bar_fills_nothing_and_is_marked_stale(make_bars: MakeBars) -> None:
    a = make_bars("A", [10.0, 11, 12, 13, 14], [10.5, 11.5, 12.5, 13.5, 14.5])
    b = make_bars("B", [20.0] * 5, [20.0] * 5)
    days = b["session"]
    bars = pl.concat([a.filter(~pl.col("session").is_in([days[1], days[3]])), b])
    targets = shares(bars, {0: 10})
    result = run(bars, targets, FREE)
    assert result.fills.select("session", "reference_price", "signal_session").rows() == [(days[2], 12.0, days[0])]
    assert result.equity["n_stale"].to_list() == [0, 0, 0, 1, 0]
    assert result.equity["positions_usd"].to_list() == [0, 0, 125, 125, 145]


def test_unknown_volume_fills_nothing_and_says_so(make_bars: MakeBars) -> None:
    bars = make_bars("A", [10.0] * 5, [10.0] * 5).with_columns(volume=pl.lit(None, dtype=pl.Float64))
    result = run(bars, shares(bars, {0: 10}), Configuration())
    assert result.fills.is_empty()
    assert "waited_for_history" in result.runs["labels"].item()


@pytest.mark.parametrize(
    ("held", "price", "equity"),
    [(100, 4.0, 99_400.0), (100, None, 99_000.0), (-100, None, 99_800.0), (-100, 4.0, 100_600.0)],
)
def test_delisting_closes_the_position(make_bars: MakeBars, held: int, price: float | None, equity: float) -> None:
    a = make_bars("A", [10.0, 10, 12], [10.0, 10, 12])
    bars = pl.concat([a, make_bars("B", [20.0] * 5, [20.0] * 5)])
    gone = pl.DataFrame(
        {"session": [bars["session"].unique().sort()[3]], "symbol": ["A"], "delisting_price_usd": [price]},
        schema_overrides={"delisting_price_usd": pl.Float64},
    )
    result = run(bars, shares(bars, {0: held}), FREE, delistings=gone)
    assert result.equity["equity_usd"][-1] == equity
    assert result.actions["kind"].to_list() == ["delisting"]
    assert ("delisted_without_price" in result.runs["labels"].item()) == (price is None)
    with pytest.raises(ValueError, match=r"found A at .* after its delisting"):
        run(bars, shares(bars, {0: held, 4: held}), FREE, delistings=gone)
    with pytest.raises(ValueError, match="expected no bars of B from its delisting"):
        run(bars, shares(bars, {0: held}), FREE, delistings=gone.with_columns(symbol=pl.lit("B")))


def test_weights_become_whole_shares_at_the_close(make_bars: MakeBars) -> None:
    bars = make_bars("A", [10.0, 30.0, 30.0], [30.0, 30.0, 30.0])
    targets = pl.DataFrame({"session": bars["session"][:1], "symbol": ["A"], "target_weight": [-0.5]})
    assert run(bars, targets, FREE).fills["quantity_shares"].to_list() == [-1_666]


def test_ruin_closes_everything_and_is_labelled(make_bars: MakeBars) -> None:
    bars = make_bars("A", [10.0, 10, 10, 40, 40, 40], [10.0, 10, 40, 40, 40, 40])
    targets = shares(bars, {0: -10_000, 4: -10_000})
    result = run(bars, targets, FREE)
    assert result.fills["quantity_shares"].to_list() == [-10_000, 10_000]
    assert "ruined" in result.runs["labels"].item()
    sharpe = result.metrics.filter((pl.col("metric") == "sharpe") & (pl.col("series") == "strategy"))
    assert sharpe.select("value", "reason").row(0) == (None, "equity was not positive")
    lost = result.metrics.filter(
        pl.col("metric").is_in(["total_return", "maximum_drawdown"]) & pl.col("value").is_not_null()
    )
    assert lost.filter(pl.col("series") == "strategy")["value"].to_list() == [-3.0, -3.0]
    assert result.metrics.filter(pl.col("metric") == "beta")["value"].to_list() == [None]


def test_frames_are_those_of_the_tables(make_walk: MakeBars, random_targets: MakeBars) -> None:
    bars = make_walk(["A", "B"], 60)
    result = run(bars, random_targets(bars), Configuration())
    for name in ("runs", "orders", "fills", "trades", "equity", "metrics"):
        table, frame = TABLES[f"backtests.{name}"], getattr(result, name)
        assert frame.schema == table.polars_schema
        table.schema.validate(frame)
        assert frame.equals(frame.sort(table.key))
    assert set(result.metrics["series"]) == {"strategy", "buy_and_hold"}
    assert result.equity["equity_usd"][0] == 1_000_000


def test_costs_only_ever_cost(make_walk: MakeBars, random_targets: MakeBars) -> None:
    bars = make_walk(["A", "B"], 120)
    targets = random_targets(bars)
    ends = [
        run(bars, targets, Configuration(cost_multiple=multiple)).equity["equity_usd"][-1]
        for multiple in (0.5, 1, 2, 3)
    ]
    assert ends == sorted(ends, reverse=True)


def test_model_targets_come_from_ideas(make_walk: MakeBars) -> None:
    bars = make_walk(["A"], 40)
    ideas = bars.select("session", "symbol", "known_at", "provider", "synthetic", target_weight=pl.lit(0.1))
    assert model_long_flat_short(ideas).columns == [
        "session", "symbol", "target_weight", "known_at", "provider", "synthetic",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"missing \['target_weight'\]"):
        model_long_flat_short(bars)


def test_a_strategy_function_sees_the_past_only(make_walk: MakeBars) -> None:
    bars = make_walk(["A", "B"], 40)
    days = bars["session"].unique().sort().to_list()

    def momentum(view: View) -> dict[str, float]:
        seen = view.bars()
        assert seen["session"].max() == view.session
        assert seen["known_at"].max() <= view.now
        first, last = seen.filter(pl.col("symbol") == "A")["close"].gather([0, -1])
        assert view.bar(view.session, "A")["close"] == last
        return {"A": 0.2 if last > first else -0.2}

    costs = Configuration(participation=None, slippage="proportional")
    result = run(bars, momentum, costs)
    again = run(bars, momentum, costs)
    assert result.run_key == again.run_key
    assert result.fills.equals(again.fills)

    def peek(view: View) -> dict[str, float]:
        later = days[min(days.index(view.session) + 1, len(days) - 1)]
        return {"A": 0.1 if view.bar(later, "A")["close"] > 0 else 0.0}

    with pytest.raises(LookAheadError, match="asked for 2015-01-05, but the decision is at 2015-01-02T21:00:00"):
        run(bars, peek, costs)
    with pytest.raises(LookAheadError):
        run(bars, lambda view: {"A": float(view.bars(last=days[-1]).height)}, costs)


def test_rows_known_late_are_not_in_the_view(make_walk: MakeBars) -> None:
    bars = make_walk(["A"], 30).with_columns(known_at=pl.col("known_at") + dt.timedelta(minutes=20))
    seen: list[bool] = []

    def look(view: View) -> dict[str, float]:
        seen.append(view.bar(view.session, "A") is not None)
        return {}

    run(bars, look, Configuration())
    assert not any(seen)
    seen.clear()
    run(bars, look, Configuration(decision_lag_minutes=20))
    assert all(seen)


def test_targets_known_after_the_open_are_refused(make_walk: MakeBars) -> None:
    bars = make_walk(["A"], 40)
    day, next_open = bars["session"][30], dt.datetime(2015, 2, 18, 14, 30, tzinfo=dt.UTC)
    targets = pl.DataFrame({"session": [day], "symbol": ["A"], "target_weight": [0.1], "known_at": [next_open]})
    with pytest.raises(LookAheadError, match="found A of 2015-02-17 known at 2015-02-18T14:30:00"):
        run(bars, targets, Configuration())
    run(bars, targets.with_columns(known_at=pl.col("known_at") - dt.timedelta(minutes=1)), Configuration())


def test_buy_and_hold_takes_the_symbols_that_are_there(make_bars: MakeBars) -> None:
    a, b = make_bars("A", [1.0] * 3, [1.0] * 3), make_bars("B", [1.0] * 3, [1.0] * 3)
    bars = pl.concat([a, b[1:]])
    assert buy_and_hold(bars, ["A", "B"], a["session"][0]).select("symbol", "target_weight").rows() == [("A", 1.0)]


def bad_targets(targets: pl.DataFrame) -> list[tuple[pl.DataFrame, str]]:
    return [
        (targets.drop("symbol"), "expected targets with session, symbol and one of"),
        (targets.with_columns(target_shares=pl.lit(1.0)), "one of target_weight or target_shares"),
        (targets.clear(), "at least one target"),
        (pl.concat([targets, targets]), "rows that share a key"),
        (
            targets.with_columns(target_weight=pl.lit(float("nan"))),
            "expected finite targets, found nan for A at 2015-01-05",
        ),
        (targets.with_columns(symbol=pl.lit("Z")), "expected targets of symbols with bars, found 'Z' at 2015-01-05"),
        (targets.with_columns(session=pl.lit(dt.date(2015, 1, 4))), "expected targets of sessions with bars"),
    ]


def test_bad_targets_are_refused_with_what_was_found(make_walk: MakeBars) -> None:
    bars = make_walk(["A"], 30)
    targets = pl.DataFrame({"session": [bars["session"][1]], "symbol": ["A"], "target_weight": [0.5]})
    for bad, message in bad_targets(targets):
        with pytest.raises(ValueError, match=message):
            run(bars, bad, Configuration())


def test_bad_bars_are_refused_with_what_was_found(make_walk: MakeBars) -> None:
    bars = make_walk(["A"], 30)
    targets = pl.DataFrame({"session": [bars["session"][1]], "symbol": ["A"], "target_weight": [0.5]})
    cases = [
        (bars.drop("volume"), r"missing \['volume'\]"),
        (bars.clear(), "found none"),
        (pl.concat([bars, bars.head(1)]), "found 1 rows that repeat a key"),
        (bars.with_columns(open=pl.lit(-1.0)), "expected open above 0 and below 9.0072e.07, found -1.0 for A"),
        (bars.with_columns(close=pl.lit(float("nan"))), "expected close above 0"),
        (bars.with_columns(high=pl.col("low")), "expected open and close between low and high, found"),
        (
            bars.with_columns(session=pl.col("session").replace(bars["session"][3], dt.date(2015, 1, 4))),
            "exchange sessions",
        ),
    ]
    for bad, message in cases:
        with pytest.raises(ValueError, match=message):
            run(bad, targets, Configuration())


def test_costs_are_told_by_component_and_beside_buy_and_hold(make_walk: MakeBars, random_targets: MakeBars) -> None:
    bars = make_walk(["A", "B"], 120)
    result = run(bars, random_targets(bars), Configuration())
    values = {(row["series"], row["metric"]): row["value"] for row in result.metrics.rows(named=True)}
    equity = result.equity
    costs = sum(values["strategy", name] for name in ("fees_usd", "slippage_usd", "borrow_usd", "interest_usd"))
    profit = equity["equity_usd"][-1] - 1e6
    assert values["strategy", "gross_profit_usd"] == pytest.approx(profit + costs, abs=1e-6)
    assert values["buy_and_hold", "fees_usd"] > 0
    assert 0 < values["buy_and_hold", "exposure"] <= 1.01
    assert values["buy_and_hold", "turnover"] < values["strategy", "turnover"]
    held = result.buy_and_hold_equity["equity_usd"]
    assert values["buy_and_hold", "total_return"] == pytest.approx(held[-1] / 1e6 - 1, rel=1e-12)
