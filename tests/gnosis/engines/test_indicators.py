"""Indicators against plain definitions, small numbers made by hand, exact windows, and the rules D6 and D7."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines import indicators as ind

N = 300


def bars_of(seed, n=N, symbols=2):
    """Return open, high, low, close and volume of random walks."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (symbols, n)), axis=1))
    start = np.roll(close, 1, axis=1)
    high = np.maximum(start, close) * (1 + rng.uniform(0, 0.01, close.shape))
    low = np.minimum(start, close) * (1 - rng.uniform(0, 0.01, close.shape))
    return high, low, close, rng.uniform(1e5, 1e6, close.shape)


# Every indicator as a function of high, low, close and volume, with the bars that it needs.
INDICATORS = {
    "rsi": (lambda h, low, c, v: ind.rsi(c), 141),
    "atr14": (lambda h, low, c, v: ind.atr(h, low, c), 141),
    "atr20": (lambda h, low, c, v: ind.atr(h, low, c, 20), 201),
    "adx": (lambda h, low, c, v: ind.adx(h, low, c), 281),
    "plus_di": (lambda h, low, c, v: ind.directional(h, low, c).plus_di, 141),
    "minus_di": (lambda h, low, c, v: ind.directional(h, low, c).minus_di, 141),
    "ema20": (lambda h, low, c, v: ind.ema(c, 20), 120),
    "macd": (lambda h, low, c, v: ind.macd_histogram(c), 210),
    "percent_b": (lambda h, low, c, v: ind.bollinger(c).percent_b(c), 20),
    "bandwidth": (lambda h, low, c, v: ind.bollinger(c).bandwidth, 20),
    "stochastic_k": (lambda h, low, c, v: ind.stochastic_k(h, low, c), 14),
    "mfi": (lambda h, low, c, v: ind.mfi(h, low, c, v), 15),
    "close_location": (lambda h, low, c, v: ind.close_location(h, low, c), 1),
    "log_returns": (lambda h, low, c, v: ind.log_returns(c), 2),
    "mean": (lambda h, low, c, v: ind.rolling_mean(c, 50), 50),
    "sd": (lambda h, low, c, v: ind.rolling_sd(c, 60), 60),
    "slope": (lambda h, low, c, v: ind.rolling_slope(c, 20), 20),
    "highest": (lambda h, low, c, v: ind.rolling_max(h, 45), 45),
    "lowest": (lambda h, low, c, v: ind.rolling_min(low, 45), 45),
    "before": (lambda h, low, c, v: ind.reference_mean(v, 60), 61),
}


def recursive(values, seed, weight):
    mean = sum(values[:seed]) / seed
    for value in values[seed:]:
        mean += weight * (value - mean)
    return mean


def wilder(values):
    assert len(values) == 140
    return recursive(values, 14, 1 / 14)


def plain(h, low, c, v):
    """Return the last value of every indicator from its definition, lists in, numbers out."""
    n = len(c)

    def changes(k):
        return [c[t] - c[t - 1] for t in range(n - k, n)]

    ranges = [max(h[t] - low[t], abs(h[t] - c[t - 1]), abs(low[t] - c[t - 1])) for t in range(1, n)]
    plus, minus = [], []
    for t in range(1, n):
        up, down = h[t] - h[t - 1], low[t - 1] - low[t]
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)
    dx = []
    for last in range(141, 281):
        part = slice(n - 1 - 280, n - 1 - 280 + last)
        p, m = recursive(plus[part], 14, 1 / 14), recursive(minus[part], 14, 1 / 14)
        dx.append(100 * abs(p - m) / (p + m))
    ups, downs = wilder([max(x, 0) for x in changes(140)]), wilder([max(-x, 0) for x in changes(140)])
    fast, slow = [c[-210]], [c[-210]]
    for x in c[-209:]:
        fast.append(fast[-1] + 2 / 13 * (x - fast[-1]))
        slow.append(slow[-1] + 2 / 27 * (x - slow[-1]))
    macd = [a - b for a, b in zip(fast, slow, strict=True)]
    mean, sd = statistics.mean(c[-20:]), statistics.stdev(c[-20:])
    lowest, highest = min(low[-14:]), max(h[-14:])
    typical = [(h[t] + low[t] + c[t]) / 3 for t in range(n)]
    rising = sum(typical[t] * v[t] for t in range(n - 14, n) if typical[t] > typical[t - 1])
    falling = sum(typical[t] * v[t] for t in range(n - 14, n) if typical[t] < typical[t - 1])
    return {
        "rsi": 100 * ups / (ups + downs),
        "atr14": wilder(ranges[-140:]),
        "atr20": recursive(ranges[-200:], 20, 1 / 20),
        "adx": wilder(dx),
        "plus_di": 100 * wilder(plus[-140:]) / wilder(ranges[-140:]),
        "minus_di": 100 * wilder(minus[-140:]) / wilder(ranges[-140:]),
        "ema20": recursive(c[-120:], 1, 2 / 21),
        "macd": (macd[-1] - recursive(macd[-54:], 1, 0.2)) / c[-1],
        "percent_b": (c[-1] - mean + 2 * sd) / (4 * sd),
        "bandwidth": 4 * sd / mean,
        "stochastic_k": 100 * (c[-1] - lowest) / (highest - lowest),
        "mfi": 100 * rising / (rising + falling),
        "close_location": (2 * c[-1] - h[-1] - low[-1]) / (h[-1] - low[-1]),
        "log_returns": math.log(c[-1] / c[-2]),
        "mean": statistics.mean(c[-50:]),
        "sd": statistics.stdev(c[-60:]),
        "slope": statistics.linear_regression(range(20), c[-20:]).slope,
        "highest": max(h[-45:]),
        "lowest": min(low[-45:]),
        "before": statistics.mean(v[-61:-1]),
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_indicators_are_their_definitions(seed):
    bars = bars_of(seed)
    for symbol in range(2):
        expected = plain(*(side[symbol].tolist() for side in bars))
        for name, (of, _) in INDICATORS.items():
            assert of(*bars)[symbol, -1] == pytest.approx(expected[name], rel=1e-9), name


@pytest.mark.parametrize("name", INDICATORS)
def test_exactly_the_window_gives_the_same_bits_as_any_longer_history(name):
    of, bars = INDICATORS[name]
    whole = bars_of(7, n=bars + 140)
    long = of(*whole)
    assert np.isnan(long[:, : bars - 1]).all() and np.isfinite(long[:, bars - 1 :]).all()
    for last in (bars, bars + 1, bars + 129, bars + 140):
        alone = of(*(side[:, last - bars : last] for side in whole))
        assert alone[:, -1].tobytes() == np.ascontiguousarray(long[:, last - 1]).tobytes()
        assert np.isnan(alone[:, :-1]).all()


@pytest.mark.parametrize("name", INDICATORS)
def test_a_gap_leaves_a_gap_as_long_as_the_window(name):
    of, bars = INDICATORS[name]
    whole = [side.copy() for side in bars_of(8, n=2 * bars + 10)]
    expected = of(*whole)
    for side in whole:
        side[0, bars + 2] = np.nan
    found = of(*whole)
    # The values before the current one do not contain it.
    own = 1 if name == "before" else 0
    hole = slice(bars + 2 + own, 2 * bars + 2)
    assert np.isnan(found[0, hole]).all()
    expected[0, hole] = np.nan
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", INDICATORS)
def test_one_symbol_or_many_read_only_or_strided(name):
    of, bars = INDICATORS[name]
    whole = bars_of(9, n=bars + 3, symbols=3)
    expected = of(*whole)
    for symbol in range(3):
        np.testing.assert_array_equal(of(*(side[symbol : symbol + 1] for side in whole))[0], expected[symbol])
    strided = [np.asfortranarray(side) for side in whole]
    for side in strided:
        side.flags.writeable = False
    np.testing.assert_array_equal(of(*strided), expected)
    assert of(*(side[:0] for side in whole)).shape == (0, bars + 3)


def test_wilder_by_hand():
    """Span 1: the mean of the first value, then each value itself. Span 2, moves 1 and 3: 2, then halves."""
    assert ind.wilder(np.arange(10.0)[None], 1)[0, -1] == 9.0
    assert ind.wilder(np.array([[1.0, 3.0] + [2.0] * 18]), 2)[0, -1] == 2.0
    assert ind.wilder(np.array([[1.0, 3.0] + [2.0] * 17 + [4.0]]), 2)[0, -1] == 3.0


def test_rsi_by_hand():
    rising = np.arange(141.0)[None] + 1.0
    assert ind.rsi(rising)[0, -1] == 100.0
    assert ind.rsi(-rising + 500.0)[0, -1] == 0.0
    assert ind.rsi(np.full((1, 141), 7.0))[0, -1] == 50.0
    one_fall = rising.copy()
    one_fall[0, -1] = one_fall[0, -2] - 1.0
    # Mean up 13/14, mean down 1/14.
    assert ind.rsi(one_fall)[0, -1] == pytest.approx(100 * 13 / 14)


def test_atr_by_hand():
    close = np.full((1, 141), 50.0)
    high, low = close + 1.5, close - 0.5
    assert ind.atr(high, low, close)[0, -1] == 2.0
    high[0, -1] = 66.0
    assert ind.atr(high, low, close)[0, -1] == pytest.approx(2 + (16.5 - 2) / 14)
    gap = np.array([[10.0, 20.0]])
    assert ind.true_range(gap, gap, gap).tolist()[0][1] == 10.0


def test_undefined_is_null_not_a_neutral_number():
    flat = np.full((1, 300), 7.0)
    assert np.isnan(ind.adx(flat, flat, flat)).all()
    assert np.isnan(ind.stochastic_k(flat, flat, flat)).all()
    assert np.isnan(ind.bollinger(flat).percent_b(flat)).all()
    assert np.isnan(ind.directional(flat, flat, flat).plus_di).all()
    tenth = np.full((1, 20), 0.1)
    assert ind.bollinger(tenth).bandwidth[0, -1] == 0.0
    assert ind.close_location(flat, flat, flat)[0, 0] == 0.0
    assert ind.mfi(flat, flat, flat, flat)[0, -1] == 50.0


seeds = st.integers(0, 10_000)


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.05, 20.0))
def test_stretching_the_prices_about_the_last_one(seed, a):
    """D6: P -> P_t + a (P - P_t)."""
    high, low, close, _ = bars_of(seed, n=201, symbols=1)
    last = close[0, -1]
    h, lo, c = (last + a * (side - last) for side in (high, low, close))
    for of in (
        lambda h, lo, c: ind.rsi(c),
        ind.stochastic_k,
        lambda h, lo, c: ind.bollinger(c).percent_b(c),
        ind.close_location,
        lambda h, lo, c: (c - ind.ema(c, 20)) / (2 * ind.atr(h, lo, c, 20)),
    ):
        assert of(h, lo, c)[0, -1] == pytest.approx(of(high, low, close)[0, -1], rel=1e-7, abs=1e-7)
    assert ind.atr(h, lo, c)[0, -1] == pytest.approx(a * ind.atr(high, low, close)[0, -1])
    width = [bands.upper[0, -1] - bands.lower[0, -1] for bands in (ind.bollinger(c), ind.bollinger(close))]
    assert width[0] == pytest.approx(a * width[1])


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_mirroring_the_prices_about_the_last_one(seed):
    """D7: P -> 2 P_t - P, high and low swapped."""
    high, low, close, _ = bars_of(seed, n=201, symbols=1)
    last = close[0, -1]
    h, lo, c = 2 * last - low, 2 * last - high, 2 * last - close
    now = (0, -1)
    assert ind.rsi(c)[now] == pytest.approx(100 - ind.rsi(close)[now])
    assert ind.stochastic_k(h, lo, c)[now] == pytest.approx(100 - ind.stochastic_k(high, low, close)[now])
    percent_b = [ind.bollinger(side).percent_b(side)[now] for side in (c, close)]
    assert percent_b[0] == pytest.approx(1 - percent_b[1])
    assert ind.close_location(h, lo, c)[now] == pytest.approx(-ind.close_location(high, low, close)[now])
    keltner = [
        ((side[2] - ind.ema(side[2], 20)) / (2 * ind.atr(*side, 20)))[now] for side in ((h, lo, c), (high, low, close))
    ]
    assert keltner[0] == pytest.approx(-keltner[1])
    assert ind.atr(h, lo, c)[now] == pytest.approx(ind.atr(high, low, close)[now])
    mirrored, own = ind.directional(h, lo, c), ind.directional(high, low, close)
    assert mirrored.plus_di[now] == pytest.approx(own.minus_di[now])


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.01, 100.0))
def test_money_flow_index_is_free_of_units_and_bounded(seed, a):
    bars = bars_of(seed, n=20)
    index = ind.mfi(*bars)[:, -1]
    assert ((index >= 0) & (index <= 100)).all()
    np.testing.assert_allclose(ind.mfi(*(side * a for side in bars[:3]), bars[3] / a)[:, -1], index, rtol=1e-9)
