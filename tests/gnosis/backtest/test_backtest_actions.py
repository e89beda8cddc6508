from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.backtest.actions import SPLIT_RATIOS, corporate_actions

MakeBars = Callable[..., pl.DataFrame]


@pytest.mark.parametrize("ratio", SPLIT_RATIOS)
def test_every_usual_split_is_a_split_and_nothing_else(make_bars: MakeBars, ratio: float) -> None:
    bars = make_bars("A", [100.0] * 3, [100.0] * 3, factor=[2.0, 2.0, 2.0 * float(ratio) * (1 - 1e-6)])
    (row,) = corporate_actions(bars).rows(named=True)
    assert (row["split_numerator"], row["split_denominator"]) == (ratio.numerator, ratio.denominator)
    assert row["dividend_usd"] == 0.0


@given(st.floats(1.0, 900.0), st.floats(0.0001, 0.15))
@settings(max_examples=50)
def test_dividends_come_back_from_the_factor(make_bars: MakeBars, close: float, share: float) -> None:
    dividend = close * share
    bars = make_bars("A", [close] * 2, [close] * 2, factor=[1.7, 1.7 / (1 - dividend / close)])
    (row,) = corporate_actions(bars).rows(named=True)
    assert (row["split_numerator"], row["split_denominator"]) == (1, 1)
    assert row["dividend_usd"] == pytest.approx(dividend, rel=1e-9)


def test_split_and_dividend_of_one_day_are_told_apart(make_bars: MakeBars) -> None:
    bars = make_bars("A", [700.0, 100.0], [700.0, 100.0], factor=[1.0, 7 / (1 - 3.5 / 700)])
    (row,) = corporate_actions(bars).rows(named=True)
    assert (row["split_numerator"], row["split_denominator"]) == (7, 1)
    assert row["dividend_usd"] == pytest.approx(0.5, rel=1e-9)  # 3.50 $ per old share


def test_symbols_do_not_mix_and_rounding_noise_is_nothing(make_bars: MakeBars) -> None:
    bars = pl.concat(
        [
            make_bars(name, [10.0] * 4, [10.0] * 4, factor=level * np.array([1, 1 + 1e-8, 1, 1]))
            for name, level in (("A", 1), ("B", 9))
        ]
    )
    assert corporate_actions(bars.sort("session", "symbol")).is_empty()


def test_a_factor_that_falls_without_a_reverse_split_is_refused(make_bars: MakeBars) -> None:
    bars = make_bars("A", [10.0] * 2, [10.0] * 2, factor=[1.0, 0.97])
    with pytest.raises(ValueError, match=r"found a step of 0\.97 for A at 2015-01-05"):
        corporate_actions(bars)
