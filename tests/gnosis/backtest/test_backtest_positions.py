"""The engine's own tally of holdings: exact values, whatever the size, and the margin that they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl
import pytest

from gnosis.backtest import Configuration
from gnosis.backtest.invariants import Expected
from gnosis.backtest.ledger import UNIT, divide_half_even, to_units
from gnosis.backtest.market import build_market
from gnosis.backtest.positions import Positions

MakeBars = Callable[..., pl.DataFrame]


def positions_of(make_bars: MakeBars, configuration: Configuration | None = None) -> tuple[Positions, Expected]:
    bars = pl.concat([make_bars("A", [10.0] * 2, [10.0, 12.34]), make_bars("B", [50.0] * 2, [50.0, 49.99])])
    expected = Expected(deposit=0, equity=0)
    return Positions(build_market(bars), configuration or Configuration(), expected), expected


@pytest.mark.parametrize(("a", "b"), [(100.0, -7.0), (0.3333, -2.5), (5e8, -5e8), (-0.00000001, 0.0)])
def test_values_are_exact_for_any_size(make_bars: MakeBars, a: float, b: float) -> None:
    positions, expected = positions_of(make_bars)
    positions.add(0, to_units(a))
    positions.add(1, to_units(b))
    values = [divide_half_even(to_units(price) * to_units(held), UNIT) for price, held in ((12.34, a), (49.99, b))]
    assert positions.mark(1) == (sum(values), sum(map(abs, values)))
    assert positions.shorts() == [value for value in values if value < 0]
    assert expected.quantities == {name: to_units(held) for name, held in (("A", a), ("B", b)) if held}


def test_a_holding_is_replaced_and_forgotten(make_bars: MakeBars) -> None:
    positions, expected = positions_of(make_bars)
    positions.add(0, to_units(1.5))
    positions.put(0, to_units(3.0))
    assert positions.mark(0) == (to_units(30.0), to_units(30.0))
    positions.add(0, to_units(-3.0))
    assert positions.mark(0) == (0, 0)
    assert expected.quantities == {}


def test_margin_is_a_quarter_of_longs_and_three_tenths_of_shorts(make_bars: MakeBars) -> None:
    longs, shorts = to_units(1_000.0), to_units(500.0)
    positions, _ = positions_of(make_bars)
    assert positions.margin(longs - shorts, longs + shorts) == to_units(250.0 + 150.0)
    cash, _ = positions_of(make_bars, replace(Configuration(), account="cash"))
    assert cash.margin(longs, longs) == 0
