"""Phase rule: every line by a plain twin and by a made case, earlier points, and bars that are missing."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.indicators import atr
from gnosis.engines.regimes import WyckoffPhase
from gnosis.engines.wyckoff import Range, extremes, wyckoff_phase, wyckoff_phase_of_extremes

NAMES = list(WyckoffPhase)
N = 180


def walk(seed, n=N, symbols=1):
    """Return high, low, close and volume that stay in a range and leave it at times."""
    rng = np.random.default_rng(seed)
    close = np.empty((symbols, n))
    price = np.full(symbols, 100.0)
    for t in range(n):
        price = price + rng.normal(0, 1.5, symbols) - 0.1 * (price - 100)
        close[:, t] = price
    reach = rng.uniform(0, 2, close.shape)
    jumps = rng.random(close.shape) < 0.04
    close[:, 120:] += np.cumsum(rng.normal(0, 1, symbols) * (rng.random(symbols) < 0.5))[:, None]
    high, low = close + reach + 4 * jumps, close - reach - 4 * (rng.random(close.shape) < 0.04)
    return high, low, close, rng.lognormal(0, 0.5, close.shape) + 5 * jumps


def plain(high, low, close, volume, t, n, edges, earlier, a):
    """Return the phase by the table of the specification; lists in, last bar t."""
    (lo, up), (lo2, up2) = edges, earlier
    if t < 145:
        return "unknown"
    last5 = range(t - 4, t + 1)
    if all(close[j] > up for j in (t, t - 1, t - 2)) or all(close[j] < lo for j in (t, t - 1, t - 2)):
        return "E"
    if any(low[j] < lo - a / 2 for j in last5) and close[t] > lo:
        return "C"
    if any(high[j] > up + a / 2 for j in last5) and close[t] < up:
        return "C"
    if statistics.mean(volume[j] for j in last5) > statistics.mean(volume[t - n + 1 : t + 1]):
        tests = range(t - 19, t - 4)
        third = (up2 - lo2) / 3
        if any(low[j] < lo2 - a / 2 for j in tests) and up2 - third <= close[t] <= up2:
            return "D"
        if any(high[j] > up2 + a / 2 for j in tests) and lo2 <= close[t] <= lo2 + third:
            return "D"
    last10 = range(t - 9, t + 1)
    move = abs(close[t - 10] - close[t - 30])
    span = max(high[j] for j in last10) - min(low[j] for j in last10)

    def score(j):
        sample = volume[j - 60 : j]
        return (volume[j] - statistics.mean(sample)) / statistics.stdev(sample)

    if move > 3 * a and span < move / 2 and any(score(j) > 2 for j in last10):
        return "A"
    if lo <= close[t] <= up and all(low[j] >= lo and high[j] <= up for j in last10):
        return "B"
    return "unknown"


def named(codes):
    return [NAMES[int(code)].value for code in codes]


@pytest.mark.parametrize("window", [50, 120])
def test_it_is_the_table_of_the_specification(window):
    bars = walk(11, n=260, symbols=30)
    reach = atr(*bars[:3])
    symbol, column = (side.ravel() for side in np.mgrid[:30, 140:260:3])
    found = named(wyckoff_phase_of_extremes(*bars, symbol, column, window=window, atr14=reach))
    lists = [side.tolist() for side in bars]
    for number, (s, t) in enumerate(zip(symbol.tolist(), column.tolist(), strict=True)):
        h, low, c, v = (side[s] for side in lists)
        edges = [(min(low[t - window + 1 : t - out + 1]), max(h[t - window + 1 : t - out + 1])) for out in (5, 20)]
        assert found[number] == plain(h, low, c, v, t, window, *edges, reach[s, t - 5]), (s, t)
    assert {"B", "C", "D", "E", "unknown"} <= set(found)


def calm(n=146):
    """Return bars that swing between 99 and 101, true range about 2, equal volume."""
    close = np.where(np.arange(n) % 2, 100.5, 99.5)[None]
    return [close + 0.5, close - 0.5, close, np.full((1, n), 100.0)]


def phase(bars, low=98.0, high=102.0, reach=2.0, low2=98.0, high2=102.0):
    point = np.array([0]), np.array([145])
    sides = Range(np.array([low]), np.array([high])), Range(np.array([low2]), np.array([high2]))
    return named(
        wyckoff_phase(*bars, *point, window=50, edges=sides[0], earlier_edges=sides[1], reach=np.array([reach]))
    )[0]


def test_every_phase_by_hand():
    assert phase(calm()) == "B"

    for close in (103.0, 97.0):
        left = calm()
        for side in left[:3]:
            side[0, -3:] = close
        assert phase(left) == "E"
        left[2][0, -3] = 100.0
        assert phase(left) != "E"

    spring = calm()
    spring[1][0, -4] = 96.9
    assert phase(spring) == "C"
    spring[1][0, -4] = 97.0
    assert phase(spring) == "unknown"
    upthrust = calm()
    upthrust[0][0, -1] = 103.1
    assert phase(upthrust) == "C"

    strong = calm()
    strong[1][0, -15] = 96.0
    strong[2][0, -1] = 101.0
    strong[0][0, -1] = 101.0
    strong[3][0, -5:] = 101.0
    assert phase(strong) == "D"
    strong[3][0, -5:] = 99.0
    assert phase(strong) == "B"

    stopped = calm()
    for side in stopped[:3]:
        side[0, :-10] -= 10.0
        side[0, -11] += 10.0
    assert phase(stopped) == "B"
    stopped[3][0, :-10] += np.arange(136) % 2
    stopped[3][0, -6] = 110.0
    assert phase(stopped) == "A"
    assert phase(stopped, reach=4.0) == "B"

    outside = calm()
    outside[0][0, -8] = 102.5
    assert phase(outside) == "unknown"


@pytest.mark.parametrize(("bar", "expected"), [(-61, "B"), (-62, "A")])
def test_phase_a_scores_a_volume_against_the_sixty_before_it(bar, expected):
    stopped = calm()
    for side in stopped[:3]:
        side[0, :-10] -= 10.0
        side[0, -11] += 10.0
    stopped[3][0] += np.arange(146) % 2
    stopped[3][0, -1] = 110.0
    stopped[3][0, bar] = 10_000.0
    assert phase(stopped) == expected


@pytest.mark.parametrize(("bar", "expected"), [(-10, "unknown"), (-11, "B")])
def test_phase_b_looks_at_ten_bars(bar, expected):
    outside = calm()
    outside[0][0, bar] = 102.5
    assert phase(outside) == expected


@pytest.mark.parametrize(("bar", "expected"), [(-5, "B"), (-6, "D"), (-20, "D"), (-21, "B")])
@pytest.mark.parametrize("is_low", [True, False], ids=["low", "high"])
def test_phase_d_follows_a_test_of_the_fifteen_bars_before_the_last_five(bar, expected, is_low):
    tested = calm()
    tested[3][0, -5:] = 101.0
    if is_low:
        tested[1][0, bar] = 96.9
        tested[2][0, -1] = tested[0][0, -1] = 101.0
    else:
        tested[0][0, bar] = 103.1
        tested[2][0, -1] = tested[1][0, -1] = 99.0
    assert phase(tested, low=90.0, high=110.0) == expected


def test_phase_d_needs_more_volume_than_the_window():
    equal = calm()
    equal[1][0, -15] = 96.0
    equal[2][0, -1] = equal[0][0, -1] = 101.0
    assert phase(equal) == "B"
    equal[3][0, -1] = 100.1
    assert phase(equal) == "D"


def test_the_first_line_that_matches_wins():
    both = calm()
    both[1][0, -4] = 90.0
    for side in both[:3]:
        side[0, -3:] = 103.0
    assert phase(both) == "E"


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("column", [0, 70, 145])
def test_fewer_than_146_bars_are_unknown(side, column):
    bars = calm()
    bars[side][0, column] = np.nan
    assert phase(bars) == "unknown"


@pytest.mark.parametrize("edge", ["low", "high", "low2", "high2", "reach"])
def test_unknown_edges_are_unknown(edge):
    assert phase(calm(), **{edge: np.nan}) == "unknown"


def test_a_short_history_is_unknown():
    bars = calm(145)
    point = np.array([0]), np.array([144])
    assert named(wyckoff_phase_of_extremes(*bars, *point, window=50, atr14=np.full((1, 145), 2.0))) == ["unknown"]
    assert named(wyckoff_phase_of_extremes(*bars, point[0], point[1] - 300, window=50, atr14=bars[2])) == ["unknown"]


def test_extremes_leave_the_last_bars_out():
    high, low = np.arange(30.0)[None], -np.arange(30.0)[None]
    found = extremes(high, low, np.array([0, 0]), np.array([29, 12]), window=20, without=5)
    assert (found.low.tolist()[0], found.high.tolist()[0]) == (-24.0, 24.0)
    assert np.isnan([found.low[1], found.high[1]]).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100.0), st.floats(0.01, 100.0))
def test_units_and_later_bars_do_not_matter(seed, a, b):
    bars = walk(seed)
    point = np.zeros(5, dtype=int), np.arange(145, 150)
    one = wyckoff_phase_of_extremes(*bars, *point, window=50, atr14=atr(*bars[:3]))
    scaled = [a * side for side in bars[:3]] + [b * bars[3]]
    cut = [side[:, :150] for side in bars]
    for other in (scaled, cut):
        assert named(wyckoff_phase_of_extremes(*other, *point, window=50, atr14=atr(*other[:3]))) == named(one)
