"""Every feature of a symbol's daily bars against a readable twin that sees exactly the bars of its definition."""

from statistics import fmean

import numpy as np
import polars as pl
import pytest

from gnosis.engines.points import DailyBars as SeenBars
from gnosis.engines.points import daily_points
from gnosis.engines.regimes import REGIMES, labels
from gnosis.engines.sentiment.technical_regime import daily_features
from gnosis.features.registry import BY_NAME
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.daily_bars import DailyBars, value_of
from tests.gnosis.features.twins.sentiment_momentum import votes
from tests.gnosis.features.twins.sentiment_prices import OF_BARS

FORMULAS = {name: formula for module in OF_BARS for name, formula in module.FORMULAS.items()}
FORMULAS["vote"] = lambda bars: fmean(votes(bars))
LOOKBACK = {name: BY_NAME[name].lookback_sessions for name in FORMULAS if name in BY_NAME} | {"vote": 61}

UNKNOWN_LABEL = ("sent_wyckoff_phase", "sent_multi_period_regime")
"""Features that say unknown where bars are missing; only without the session's own bar they are null."""


def computed(bars, sessions=None):
    points = daily_points(bars, sessions)
    return points, SeenBars(points, bars).compute_all(daily_features)


def told(name, value):
    if np.isnan(value):
        return None
    return labels(name)[int(value)] if name in REGIMES else float(value)


def assert_same_as_twin(bars, places):
    points, found = computed(bars)
    assert set(FORMULAS) | {"coverage"} == set(found)
    for place in places:
        symbol, session, as_of = points.frame.row(place)
        seen = DailyBars.of(Seen({"raw.equity_bars": bars}, symbol, session, as_of))
        for name, formula in FORMULAS.items():
            want, have = value_of(formula, seen), told(name, found[name][place])
            if want is None or isinstance(want, str):
                assert have == want, (name, session)
            else:
                assert have == pytest.approx(float(want), rel=1e-8, abs=1e-9), (name, session)


@pytest.mark.parametrize(("sigma", "drift"), [(0.02, 0.0), (0.008, 0.003), (0.03, -0.004)])
def test_random_walks_equal_the_twin(walk, sigma, drift):
    assert_same_as_twin(walk(n=330, sigma=sigma, drift=drift), [*range(300, 330, 6), 260, 259, 150, 149, 60, 59, 14, 0])


def test_every_lookback_is_exact(walk):
    bars = walk(n=300, seed=4)
    _, long = computed(bars, [bars["session"][-1]])
    for lookback in sorted(set(LOOKBACK.values())):
        _, exact = computed(bars.tail(lookback), [bars["session"][-1]])
        _, short = computed(bars.tail(lookback - 1), [bars["session"][-1]])
        for name in (name for name, own in LOOKBACK.items() if own == lookback):
            assert exact[name].tobytes() == long[name].tobytes(), name
            assert not np.isnan(long[name][0]), name
            assert told(name, short[name][0]) in (("unknown",) if name in UNKNOWN_LABEL else (None,)), name


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_declared_inputs_are_those_that_are_read(walk, column):
    bars = walk(n=270, seed=6)
    last = [bars["session"][-1]]
    plain, blind = computed(bars, last)[1], computed(bars.with_columns(pl.lit(np.nan).alias(column)), last)[1]
    for name in LOOKBACK.keys() & BY_NAME.keys():
        if f"raw.equity_bars.{column}" in BY_NAME[name].inputs:
            assert told(name, blind[name][0]) in (None, "unknown"), name
        else:
            assert blind[name].tobytes() == plain[name].tobytes(), name


def test_a_missing_session_is_not_bridged(walk):
    bars = walk(n=420, gaps=0.004, seed=9)
    assert 1 <= 420 - bars.height <= 4
    assert_same_as_twin(bars, [*range(20, bars.height, 23)])


def test_a_missing_volume_is_not_filled(walk):
    bars = walk(n=330, seed=9)
    place = bars.height - 75
    holed = bars.with_columns(volume=pl.when(pl.int_range(pl.len()) == place).then(None).otherwise("volume"))
    assert_same_as_twin(holed, [place, place + 1, place + 13, place + 49, place + 50, place + 60, bars.height - 1])


def test_a_bar_that_came_late_is_missing_until_it_came(walk):
    bars = walk(n=330, seed=10)
    is_late = pl.int_range(pl.len()) == 310
    late = bars.with_columns(
        known_at=pl.when(is_late).then(bars["known_at"][315] + pl.duration(minutes=1)).otherwise("known_at")
    )
    assert_same_as_twin(late, [309, 310, 311, 315, 316, 329])


def test_constant_prices_and_idle_volume_say_nothing_rather_than_zero(walk):
    bars = walk(n=270).with_columns(open=100.0, high=100.0, low=100.0, close=100.0, volume=0.0)
    assert_same_as_twin(bars, [269])
    _, found = computed(bars, [bars["session"][-1]])
    unknown = {name for name, values in found.items() if np.isnan(values[0])}
    assert unknown >= {"sent_stoch_k", "sent_bb_percent_b", "sent_keltner_position", "sent_trend_coherence"}
    assert found["sent_rsi"][0] == found["sent_mfi"][0] == 50.0
    assert found["sent_bb_bandwidth"][0] == 0.0


def test_splits_and_dividends_inside_the_windows_equal_the_twin_of_adjusted_bars(walk):
    bars = walk(n=280, seed=3)
    late = pl.col("session") >= bars["session"][-40]
    split = bars.with_columns(
        *(
            pl.when(late).then(pl.col(name) / 4).otherwise(name).alias(name)
            for name in ("open", "high", "low", "close")
        ),
        volume=pl.when(late).then(pl.col("volume") * 4).otherwise("volume"),
        adjustment_factor=pl.when(late).then(4.0).otherwise(1.0),
    )
    assert_same_as_twin(split, [279])
    plain, after = computed(bars)[1], computed(split)[1]
    for name in FORMULAS:
        np.testing.assert_allclose(after[name], plain[name], rtol=1e-9, err_msg=name)
