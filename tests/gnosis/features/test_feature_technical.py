"""Technical features: numbers made by hand, gaps, late bars and bad input."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.indicators_kernel import window_average
from gnosis.features import indicators
from gnosis.features.technical import technical
from gnosis.sessions import UnknownSessionError
from tests.gnosis.features.twins.hand_made import bars_of


def last(bars: pl.DataFrame) -> dict[str, float | None]:
    return technical(bars).row(-1, named=True)


def test_steady_rise() -> None:
    row = last(bars_of(100.0 + np.arange(300.0), reach=1.0))
    assert row["tech_atr"] == pytest.approx(2.0 / 399.0, rel=1e-12)
    assert row["tech_atr_expansion"] == pytest.approx(1.0, rel=1e-12)
    assert row["tech_plus_di"] == pytest.approx(50.0, rel=1e-12)
    assert row["tech_minus_di"] == 0.0
    assert row["tech_adx"] == 100.0
    assert row["tech_rsi_slope"] == 0.0
    assert row["tech_roc_5"] == pytest.approx(399.0 / 394.0 - 1.0, rel=1e-12)
    # Both averages lag by a constant, 5.5 and 12.5 sessions, so MACD is 7 and its signal as well.
    assert row["tech_macd_histogram"] == pytest.approx(0.0, abs=1e-8)


def test_first_move_after_calm() -> None:
    row = last(bars_of([100.0] * 299 + [113.0]))
    # EMA12 gains 2 of the 13 dollars, EMA26 gains 26/27, the signal takes a fifth of the difference.
    assert row["tech_macd_histogram"] == pytest.approx(0.8 * (2.0 - 26.0 / 27.0) / 113.0, rel=1e-12)
    assert row["tech_macd_histogram_slope"] == pytest.approx(row["tech_macd_histogram"] / 3.0, rel=1e-12)
    assert row["tech_rsi_slope"] == pytest.approx((100.0 - 50.0) / 3.0, rel=1e-12)
    assert row["tech_atr"] == pytest.approx(13.0 / 14.0 / 113.0, rel=1e-12)
    assert row["tech_atr_expansion"] == pytest.approx(20.0, rel=1e-12)
    assert row["tech_momentum_zscore"] is None


def test_standard_score_by_hand() -> None:
    returns = [0.01, -0.01] * 10 + [0.02]
    close = 100.0 * np.exp(np.cumsum([0.0, *returns]))
    assert last(bars_of(close))["tech_momentum_zscore"] == pytest.approx(2.0 / math.sqrt(20.0 / 19.0), rel=1e-9)


def test_classics_equal_ta_lib() -> None:
    """On windows of the definition's length TA-Lib starts Wilder's means as the definition does."""
    rng = np.random.default_rng(8)
    bars = bars_of(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, 144))), reach=1.0)
    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    row = last(bars)
    window = slice(-141, None)
    assert row["tech_atr"] == pytest.approx(talib.ATR(high[window], low[window], close[window], 14)[-1] / close[-1])
    strengths = [talib.RSI(closes, 14)[-1] for closes in (close[:141], close[window])]
    assert row["tech_rsi_slope"] == pytest.approx((strengths[1] - strengths[0]) / 3.0, rel=1e-9)
    for sessions in (5, 10, 20):
        assert row[f"tech_roc_{sessions}"] == pytest.approx(talib.ROCP(close, sessions)[-1], rel=1e-9)


def test_flat_price_has_no_direction_and_no_expansion() -> None:
    row = last(bars_of([25.0] * 300))
    assert row["tech_atr"] == 0.0
    assert row["tech_rsi_slope"] == 0.0
    assert row["tech_macd_histogram"] == 0.0
    for name in ("tech_adx", "tech_plus_di", "tech_minus_di", "tech_atr_expansion", "tech_momentum_zscore"):
        assert row[name] is None


def test_constant_growth_has_no_spread() -> None:
    assert last(bars_of(100.0 * 1.01 ** np.arange(40)))["tech_momentum_zscore"] is None


def test_missing_session_is_not_bridged() -> None:
    bars = bars_of(100.0 + np.arange(40.0))
    halted = technical(bars.filter(pl.col("session") != bars["session"][30]))
    after = halted.filter(pl.col("session") > bars["session"][30])
    assert after["tech_roc_5"].is_null().to_list() == [True] * 5 + [False] * 4
    # The score needs the return of the session itself; two returns are missing from the reference sample.
    assert after["tech_momentum_zscore"].is_null().to_list() == [True] + [False] * 8


def test_bar_that_came_late_is_missing_until_it_came() -> None:
    bars = bars_of(100.0 + np.arange(20.0))
    came = bars["known_at"][12]
    is_late = pl.col("session") == bars["session"][10]
    rows = technical(bars.with_columns(known_at=pl.when(is_late).then(came).otherwise("known_at")))
    # Sessions 11: bar 10 unknown. Session 12 on: known. The late bar's own row is as late as itself.
    assert rows["tech_roc_5"].is_null().to_list() == [True] * 5 + [False] * 6 + [True] + [False] * 8
    assert rows["as_of"][10] == came


def test_origin_covers_the_lookback_only() -> None:
    bars = bars_of(100.0 + np.arange(300.0), reach=1.0)
    first = pl.col("session") == bars["session"][0]
    made = bars.with_columns(synthetic=first, provider=pl.when(first).then(pl.lit("made")).otherwise(pl.lit("tape")))
    rows = technical(made)
    assert rows["synthetic"].to_list() == [True] * 281 + [False] * 19
    assert rows["provider"][[0, 280, 281]].to_list() == ["made", "made+tape", "tape"]


def test_confidence_is_the_share_that_is_known() -> None:
    rows = technical(bars_of(100.0 + np.arange(300.0), reach=1.0))
    # From 6, 11, 12, 21 sessions on: the returns over 5 and 10, the score, the return over 20.
    shares = rows["confidence"][[4, 5, 10, 11, 20]] * 12
    assert shares.to_list() == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0])
    assert rows["confidence"].is_sorted()
    assert (rows["confidence"][279], rows["confidence"][280]) == (pytest.approx(11 / 12), 1.0)
    assert rows["reasons"].to_list() == ["SHORT_HISTORY"] * 280 + [""] * 20


def test_a_price_that_never_moved_is_undefined_and_not_young() -> None:
    rows = technical(bars_of([5.0] * 420))
    last = rows.row(-1, named=True)
    assert last["tech_atr"] == 0.0
    assert [last[name] for name in ("tech_adx", "tech_plus_di", "tech_atr_expansion")] == [None] * 3
    assert last["reasons"] == "UNDEFINED"
    # Over 141 sessions there is no direction; the returns need fewer, the MACD more.
    assert [rows["reasons"][at] for at in (4, 140, 212)] == ["SHORT_HISTORY", "SHORT_HISTORY,UNDEFINED", "UNDEFINED"]


def test_symbols_do_not_touch() -> None:
    both = technical(pl.concat([bars_of(100.0 + np.arange(50.0)), bars_of([7.0] * 50, symbol="AAA")]))
    assert both.filter(pl.col("symbol") == "SPY").equals(technical(bars_of(100.0 + np.arange(50.0))))


def test_bad_input_says_what_to_do() -> None:
    bars = bars_of([100.0, 101.0])
    with pytest.raises(ValueError, match=r"missing are \['adjustment_factor'\]"):
        technical(bars.drop("adjustment_factor"))
    with pytest.raises(ValueError, match=f"found two for SPY on {bars['session'][0]}"):
        technical(pl.concat([bars, bars.head(1)]))
    with pytest.raises(UnknownSessionError, match="first 2015-01-03; quarantine"):
        technical(bars.with_columns(session=pl.lit(dt.date(2015, 1, 3))))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), drift=st.sampled_from([-0.2, 0.0, 0.2]), spread=st.sampled_from([1e-9, 0.02, 1.0])
)
def test_bounded_indicators_stay_in_their_bounds(seed: int, drift: float, spread: float) -> None:
    rng = np.random.default_rng(seed)
    close = np.exp(np.clip(np.cumsum(rng.normal(drift, spread, 320)), -300.0, 300.0))
    bars = bars_of(close).with_columns(high=pl.col("close") * math.exp(spread), low=pl.col("close") * math.exp(-spread))
    rows = technical(bars)
    for name in ("tech_adx", "tech_plus_di", "tech_minus_di"):
        assert rows[name].drop_nulls().is_between(0.0, 100.0).all()
    assert (rows["tech_atr_expansion"].drop_nulls() > 0.0).all()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), window=st.integers(1, 6))
def test_visible_history_against_its_definition(data: st.DataObject, window: int) -> None:
    n = data.draw(st.integers(1, 12))

    def integers(low: int, high: int) -> np.ndarray:
        return np.array(data.draw(st.lists(st.integers(low, high), min_size=n, max_size=n)), dtype=np.int64)

    symbol = np.sort(integers(0, 1))
    position = np.cumsum(integers(1, 2))
    known_at, origin = integers(0, 4), integers(0, 2)
    run, origins = indicators.visible_history(symbol, position, known_at, origin, window)
    for t in range(n):
        seen = {
            int(position[t] - position[j]): int(origin[j])
            for j in range(t + 1)
            if symbol[j] == symbol[t] and position[t] - position[j] < window and known_at[j] <= known_at[t]
        }
        assert run[t] == next((k for k in range(window) if k not in seen), window)
        assert origins[t] == sum(1 << code for code in set(seen.values()))


@pytest.mark.parametrize("length", [3, 140, 210])
def test_value_of_a_window_does_not_depend_on_its_neighbours(length: int) -> None:
    x = np.random.default_rng(3).normal(size=1000)
    full = window_average(x, length, 2, 1.0 / 14.0)
    for t in (length - 1, length, 400, 511, 998, 999):
        alone = window_average(x[t - length + 1 : t + 1].copy(), length, 2, 1.0 / 14.0)
        assert alone[-1].tobytes() == full[t].tobytes()
