"""What a run may know beside daily bars, and what it costs: each value acts only when it was known in time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from gnosis.backtest import Configuration, LookAheadError, View, strategy
from gnosis.backtest.conditions import settlement_lag
from gnosis.backtest.fees import SECTION_31, TRADING_ACTIVITY, sale_fee_usd
from gnosis.backtest.publication import publication
from gnosis.backtest.view import UndeclaredTableError
from tests.gnosis.backtest.recorded import run

MakeBars = Callable[..., pl.DataFrame]
FREE = Configuration(
    initial_cash_usd=100_000.0, slippage="proportional", slippage_bps=0.0, fee_bps=0.0, participation=None,
    borrow_rate_per_year=0.0, margin_rate_per_year=0.0, allow_zero_cost=True,
)  # fmt: skip


@pytest.fixture
def bars(make_bars: MakeBars) -> pl.DataFrame:
    return make_bars("A", [50.0] * 26, 50 + 0.5 * np.sin(np.arange(26)))


def hold(bars: pl.DataFrame, shares: float, at: int = 21) -> pl.DataFrame:
    return pl.DataFrame({"session": [bars["session"][at]], "symbol": ["A"], "target_shares": [shares]})


def known(bars: pl.DataFrame, at: int, minutes: int, **values: float) -> pl.DataFrame:
    """Return one row known ``minutes`` after the close of session number ``at``."""
    instant = bars["ts"][at] + dt.timedelta(minutes=minutes)
    return pl.DataFrame({"symbol": ["A"], "known_at": [instant], **{name: [value] for name, value in values.items()}})


def test_a_spread_of_the_time_replaces_the_stated_one(bars: pl.DataFrame) -> None:
    targets, costs = hold(bars, 1_000.0), Configuration(impact_coefficient=1e-12)
    quoted = run(bars, targets, costs, spreads=known(bars, 21, 1, spread_bps=20.0))
    assert quoted.fills["fill_price"].item() == pytest.approx(50 * (1 + 10e-4), abs=1e-7)
    assert quoted.fills["spread_cost_usd"].item() == pytest.approx(50.0, abs=1e-3)
    assert "spread_proxy" not in quoted.runs["labels"].item()
    late = run(bars, targets, costs, spreads=known(bars, 22, -1, spread_bps=20.0))
    assert late.fills["fill_price"].item() == pytest.approx(50 * (1 + 2.5e-4), abs=1e-7)
    assert "spread_proxy" in late.runs["labels"].item()
    estimated = run(bars, targets, costs, spreads=known(bars, 21, 1, spread_bps=20.0).with_columns(is_proxy=True))
    assert "spread_proxy" in estimated.runs["labels"].item()


def test_slippage_is_half_the_spread_and_impact(bars: pl.DataFrame) -> None:
    fill = run(bars, hold(bars, 10_000.0), Configuration()).fills.row(0, named=True)
    assert fill["spread_cost_usd"] == pytest.approx(50 * 2.5e-4 * 10_000, abs=1e-3)
    assert fill["impact_cost_usd"] > 0
    assert fill["spread_cost_usd"] + fill["impact_cost_usd"] == pytest.approx(fill["slippage_usd"], abs=1e-9)


@pytest.mark.parametrize(("amplification", "factor"), [(2.0, 2.0), (0.5, 1.0)])
def test_amplification_multiplies_impact_on_demand(bars: pl.DataFrame, amplification: float, factor: float) -> None:
    given = known(bars, 21, 1, amplification=amplification)
    plain = run(bars, hold(bars, 10_000.0), Configuration(), amplification=given)
    aware = run(bars, hold(bars, 10_000.0), Configuration(amplification_aware_impact=True), amplification=given)
    ratio = aware.fills["impact_cost_usd"].item() / plain.fills["impact_cost_usd"].item()
    assert ratio == pytest.approx(factor, rel=1e-6)
    unknown = run(bars, hold(bars, 10_000.0), Configuration(amplification_aware_impact=True))
    assert "amplification_unknown" in unknown.runs["labels"].item()


def test_impact_of_almgren_needs_shares_outstanding_of_the_time(make_bars: MakeBars) -> None:
    closes = (50 + 0.5 * np.sin(np.arange(26))) / np.where(np.arange(26) < 22, 1.0, 2.0)
    bars = make_bars("A", closes, closes, factor=np.where(np.arange(26) < 22, 1.0, 2.0))
    costs = Configuration(slippage="almgren", execution_days=0.5)
    targets = hold(bars, 10_000.0, 22)
    # Half as many shares before the split as after it, and a count that comes too late.
    before, after = known(bars, 20, 1, shares_outstanding=4e7), known(bars, 22, 1, shares_outstanding=8e7)
    late = known(bars, 23, -1, shares_outstanding=1e9)
    fills = [run(bars, targets, costs, shares_outstanding=pl.concat([rows, late])).fills for rows in (before, after)]
    assert fills[0]["impact_cost_usd"].item() == fills[1]["impact_cost_usd"].item() > 0
    assert fills[0]["spread_cost_usd"].item() > 0
    more = run(bars, targets, costs, shares_outstanding=known(bars, 20, 1, shares_outstanding=8e7)).fills
    assert more["impact_cost_usd"].item() > fills[0]["impact_cost_usd"].item()
    none = run(bars, targets, costs)
    assert none.fills.is_empty()
    assert "waited_for_shares_outstanding" in none.runs["labels"].item()
    with pytest.raises(ValueError, match="expected execution_days in"):
        Configuration(slippage="almgren")


def test_the_book_is_walked_and_ends(bars: pl.DataFrame) -> None:
    opens = bars["ts"][22] - dt.timedelta(hours=6, minutes=40)
    levels = [("A", 1, 50.01, 300.0), ("A", 2, 50.03, 100.0), ("B", 1, 49.99, 500.0)]
    book = pl.DataFrame(levels, schema=["side", "level", "price", "size"], orient="row").with_columns(
        symbol=pl.lit("A"), ts=pl.lit(opens), known_at=pl.lit(opens)
    )
    costs = Configuration(slippage="book", participation=None)
    fills = run(bars, hold(bars, 1_000.0), costs, books=book).fills
    assert fills["quantity_shares"].to_list() == [400.0]
    assert fills["fill_price"].item() == pytest.approx(50 + (300 * 0.01 + 100 * 0.03) / 400, abs=1e-9)
    assert fills["spread_cost_usd"].item() == pytest.approx(400 * 0.01, abs=1e-9)
    none = run(bars, hold(bars, 1_000.0), costs)
    assert none.fills.is_empty()
    assert "waited_for_book" in none.runs["labels"].item()


@pytest.mark.parametrize("held", [100.0, -100.0])
def test_a_dividend_is_due_until_its_payment(make_bars: MakeBars, held: float) -> None:
    bars = make_bars("A", [100, 100, 99, 99, 99, 99], [100, 100, 99, 99, 99, 99], factor=[1, 1] + [1 / 0.99] * 4)
    days = bars["session"]
    pay = pl.DataFrame({"symbol": ["A"], "ex_date": [days[2]], "pay_date": [days[4]]})
    result = run(bars, hold(bars, held, 0), FREE, pay_dates=pay).equity
    due = "receivable_usd" if held > 0 else "payable_usd"
    assert result[due].to_list() == pytest.approx([0, 0, 100, 100, 0, 0], abs=1e-6)
    assert result["equity_usd"].to_list() == pytest.approx([100_000.0] * 6, abs=1e-6)
    assert result["cash_usd"][4] - result["cash_usd"][3] == pytest.approx(held, abs=1e-6)
    assert result["dividends_usd"].to_list() == pytest.approx([0, 0, held, 0, 0, 0], abs=1e-6)


def test_idle_cash_earns_the_stated_rate(make_bars: MakeBars) -> None:
    bars = make_bars("A", [100.0] * 4, [100.0] * 4)
    costs = Configuration(**{**FREE.__dict__, "cash_rate_per_year": 0.036})
    equity = run(bars, hold(bars, 0.0, 0), costs).equity
    days = [(b - a).days for a, b in zip(equity["session"][:-1], equity["session"][1:], strict=True)]
    assert equity["interest_usd"][1] == pytest.approx(-10.0 * days[0], abs=1e-6)
    assert equity["equity_usd"][-1] > 100_000 + 10 * sum(days)


def test_regulatory_fees_are_charged_on_sales_where_they_are_known(make_bars: MakeBars) -> None:
    day, value = dt.date(2020, 3, 2), 1e6
    assert sale_fee_usd(value, 1e4, day, trading_activity_usd_per_share=0.0) == (22.1, True)
    assert sale_fee_usd(value, 1e6, dt.date(2011, 7, 1), section_31_usd_per_million=0.0) == (4.5, True)
    bars = make_bars("A", [100.0] * 4, [100.0] * 4)
    targets = pl.concat([hold(bars, 100.0, 0), hold(bars, 0.0, 1)])
    dated = Configuration(**{**FREE.__dict__, "regulatory_fees": "dated"})
    unknown = run(bars, targets, dated)
    assert unknown.equity["fees_usd"].sum() == 0
    assert "regulatory_fees_unknown" in unknown.runs["labels"].item()
    own = {"section_31_usd_per_million": 20.0, "trading_activity_usd_per_share": 1e-4, "commission_usd_per_share": 0.01}
    paid = run(bars, targets, Configuration(**{**dated.__dict__, **own}))
    assert paid.fills["fee_usd"].to_list() == pytest.approx([1.0, 1.0 + 0.2 + 0.01], abs=1e-8)
    assert "regulatory_fees_unknown" not in paid.runs["labels"].item()


def test_the_fee_tables_overlap_nowhere_and_name_their_sources() -> None:
    for table in (SECTION_31, TRADING_ACTIVITY):
        assert all(period.source and period.first <= period.last and period.rate >= 0 for period in table)
        assert all(earlier.last < later.first for earlier, later in pairwise(table))


def test_settlement_follows_the_rule_of_the_day() -> None:
    days = [dt.date(2017, 9, 1), dt.date(2017, 9, 5), dt.date(2024, 5, 24), dt.date(2024, 5, 28)]
    assert [settlement_lag(day) for day in days] == [3, 2, 2, 1]
    with pytest.raises(ValueError, match="set settlement_days for earlier ones"):
        settlement_lag(dt.date(1990, 1, 2))


def test_declared_tables_are_served_as_far_as_they_are_known(bars: pl.DataFrame) -> None:
    rows = bars.select("session", "symbol", "known_at", value=pl.int_range(pl.len())).with_columns(
        known_at=pl.col("known_at") + pl.when(pl.col("value") == 5).then(dt.timedelta(days=1)).otherwise(dt.timedelta())
    )
    seen: list[tuple[int, int]] = []

    @strategy(reads=("features.test",))
    def look(view: View) -> dict[str, float]:
        """Look."""
        seen.append((view.table("features.test").height, view.today("features.test").height))
        assert view.table("features.test")["known_at"].max() <= view.now
        columns = ("value", "symbol")
        assert view.today_values("features.test", *columns) == view.today("features.test").select(columns).rows()
        with pytest.raises(LookAheadError):
            view.table("features.test", dt.date(2030, 1, 2))
        with pytest.raises(UndeclaredTableError, match=r"found 'features\.other'"):
            view.today("features.other")
        with pytest.raises(UndeclaredTableError, match=r"found 'features\.other'"):
            view.today_values("features.other", "value")
        return {}

    run(bars, look, FREE, tables={"features.test": rows})
    assert [today for _, today in seen] == [int(number != 5) for number in range(26)]
    assert [total for total, _ in seen][3:8] == [4, 5, 5, 7, 8]
    with pytest.raises(ValueError, match=r"expected the tables that look reads, missing \['features\.test'\]"):
        run(bars, look, FREE)


def test_parameters_reach_the_strategy_and_name_the_run(bars: pl.DataFrame) -> None:
    @strategy()
    def part(view: View, *, weight: float = 0.5) -> dict[str, float]:
        """Hold a part."""
        return {} if view.positions_shares else {"A": weight}

    default, other = run(bars, part, FREE), run(bars, part, FREE, parameters={"weight": 0.25})
    assert default.runs.select("strategy", "parameters").row(0) == ("part", '{"weight":0.5}')
    assert other.fills["quantity_shares"][0] == 500
    assert default.run_key != other.run_key


def test_symbols_appear_with_their_first_bar(make_bars: MakeBars) -> None:
    flat = [10.0] * 5
    bars = pl.concat([make_bars("A", flat, flat), make_bars("B", flat, flat).tail(3)])
    seen: list[list[str]] = []

    def look(view: View) -> dict[str, float]:
        seen.append(view.symbols)
        return {}

    run(bars, look, FREE)
    assert seen == [["A"], ["A"], ["A", "B"], ["A", "B"], ["A", "B"]]


def test_what_blocks_publication_is_said() -> None:
    assert publication([], None) == (True, None)
    assert publication([], 0.05) == (True, None)
    assert publication(["opposite_intrabar"], 0.06, ["no reconciliation"])[1] == (
        "the intrabar rule is turned round: a bound, not a result; "
        "6.0 % of closed trades are ambiguous inside a bar, more than 5.0 %; no reconciliation"
    )
