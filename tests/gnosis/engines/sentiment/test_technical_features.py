"""Every feature of a symbol's daily bars against a readable twin that sees exactly the bars of its definition."""

import math
from statistics import fmean, stdev

import numpy as np
import polars as pl
import pytest

from gnosis.engines.points import DailyBars, daily_points
from gnosis.engines.regimes import labels
from gnosis.engines.sentiment.technical_regime import daily_features
from gnosis.sessions import sessions_between


class Window:
    """The last bars up to a session, oldest first, as lists."""

    def __init__(self, rows):
        self.o, self.h, self.l, self.c, self.v = ([row[i] for row in rows] for i in range(5))

    def __len__(self):
        return len(self.c)

    def until(self, lag):
        """Return the window that ends ``lag`` bars earlier."""
        found = Window([])
        for name in "ohlcv":
            setattr(found, name, getattr(self, name)[: len(self) - lag])
        return found

    def returns(self, n, lag=0):
        """Return n log returns, the last one ``lag`` bars ago."""
        c = self.c[: len(self.c) - lag]
        return [math.log(c[i] / c[i - 1]) for i in range(len(c) - n, len(c))]


def ema(values, n):
    values = values[-6 * n :]
    mean = values[0]
    for value in values[1:]:
        mean = mean + (value - mean) * 2 / (n + 1)
    return mean


def wilder(values, n):
    values = values[-10 * n :]
    assert len(values) == 10 * n
    mean = sum(values[:n]) / n
    for value in values[n:]:
        mean = mean + (value - mean) / n
    return mean


def rsi(w):
    moves = [w.c[i] - w.c[i - 1] for i in range(1, len(w))]
    up, down = wilder([max(m, 0) for m in moves], 14), wilder([max(-m, 0) for m in moves], 14)
    return 50.0 if up + down == 0 else 100 * up / (up + down)


def true_ranges(w):
    return [max(w.h[i] - w.l[i], abs(w.h[i] - w.c[i - 1]), abs(w.l[i] - w.c[i - 1])) for i in range(1, len(w))]


def atr(w, n):
    return wilder(true_ranges(w), n)


def flows(w, n):
    typical = [sum(prices) / 3 for prices in zip(w.h, w.l, w.c, strict=True)]
    last = range(len(w) - n, len(w))
    up = sum(typical[i] * w.v[i] for i in last if typical[i] > typical[i - 1])
    down = sum(typical[i] * w.v[i] for i in last if typical[i] < typical[i - 1])
    return up, down


def mfi(w):
    up, down = flows(w, 14)
    return 50.0 if up + down == 0 else 100 * up / (up + down)


def pressure(w, side):
    total = sum(flows(w, 20))
    return None if total == 0 else min(1.0, 2 * flows(w, 5)[side] / total)


def stochastic(w):
    lowest, highest = min(w.l[-14:]), max(w.h[-14:])
    return None if highest == lowest else 100 * (w.c[-1] - lowest) / (highest - lowest)


def stochastic_d(w):
    parts = [stochastic(w.until(lag)) for lag in range(3)]
    return None if None in parts else fmean(parts)


def crossing(w, sign):
    now, before = (stochastic(w), stochastic_d(w)), (stochastic(w.until(1)), stochastic_d(w.until(1)))
    if None in (*now, *before):
        return None
    return float(sign * (now[0] - now[1]) > 0 and sign * (before[0] - before[1]) <= 0)


def divergence(w):
    closes, x = w.c[-20:], [i - 9.5 for i in range(20)]
    slope = sum(a * (b - closes[0]) for a, b in zip(x, closes, strict=True))
    change = rsi(w) - rsi(w.until(20))
    return float((slope < 0 and change > 10) - (slope > 0 and change < -10))


def composite(w):
    parts = (rsi(w), mfi(w), stochastic(w))
    return None if None in parts else sum(a * (p - 50) / 50 for a, p in zip((0.4, 0.3, 0.3), parts, strict=True))


def band(w):
    mean, sd = fmean(w.c[-20:]), 0.0 if len(set(w.c[-20:])) == 1 else stdev(w.c[-20:])
    return mean, mean + 2 * sd, mean - 2 * sd


def percent_b(w):
    _, upper, lower = band(w)
    return None if upper == lower else (w.c[-1] - lower) / (upper - lower)


def bandwidth(w):
    middle, upper, lower = band(w)
    return (upper - lower) / middle


def reversion(w):
    b = percent_b(w)
    if b is None:
        return None
    if b > 0.8:
        return max((0.8 - b) / 0.2, -1.0)
    return min((0.2 - b) / 0.2, 1.0) if b < 0.2 else 0.0


def keltner(w):
    reach = atr(w, 20)
    return None if reach == 0 else (w.c[-1] - ema(w.c, 20)) / (2 * reach)


def range_ratio(w):
    usual = fmean(atr(w.until(lag), 20) for lag in range(1, 61))
    return atr(w, 20), usual


def squeeze(w):
    _, upper, lower = band(w)
    centre, reach = ema(w.c, 20), 1.5 * atr(w, 20)
    return float(upper < centre + reach and lower > centre - reach)


def envelope(w):
    parts = (reversion(w), keltner(w))
    return None if None in parts else 0.6 * parts[0] + 0.4 * max(-1.0, min(1.0, parts[1]))


def volatility_regime(w):
    now, usual = range_ratio(w)
    if squeeze(w):
        return "squeeze"
    return "expansion" if now > 1.2 * usual else "compression" if now < 0.8 * usual else "normal"


def demand(w):
    last = range(len(w) - 50, len(w))
    up = sum(w.v[i] for i in last if w.c[i] > w.c[i - 1])
    down = sum(w.v[i] for i in last if w.c[i] < w.c[i - 1])
    if down == 0:
        return 2.0 if up > 0 else None
    return min(2.0, up / down)


def spring(w):
    floor = min(w.l[-31:-6])
    reach = 0.5 * atr(w.until(5), 14) / w.c[-6]
    light = fmean(w.v[-5:]) < 1.1 * fmean(w.v[-31:-6])
    return float(min(w.l[-5:]) < floor * (1 - reach) and w.c[-1] > floor and light)


def utad(w):
    ceiling = max(w.h[-31:-6])
    reach = 0.5 * atr(w.until(5), 14) / w.c[-6]
    heavy = fmean(w.v[-5:]) > 1.2 * fmean(w.v[-31:-6])
    return float(max(w.h[-5:]) > ceiling * (1 + reach) and w.c[-1] < ceiling and heavy)


def phase(w):
    a = atr(w.until(5), 14)
    c, h, low, v = w.c, w.h, w.l, w.v
    lo, up, lo2, up2 = min(low[-50:-5]), max(h[-50:-5]), min(low[-50:-20]), max(h[-50:-20])
    if all(x > up for x in c[-3:]) or all(x < lo for x in c[-3:]):
        return "E"
    if (min(low[-5:]) < lo - a / 2 and c[-1] > lo) or (max(h[-5:]) > up + a / 2 and c[-1] < up):
        return "C"
    third = (up2 - lo2) / 3
    low_test = min(low[-20:-5]) < lo2 - a / 2 and up2 - third <= c[-1] <= up2
    high_test = max(h[-20:-5]) > up2 + a / 2 and lo2 <= c[-1] <= lo2 + third
    if fmean(v[-5:]) > fmean(v[-50:]) and (low_test or high_test):
        return "D"
    move = abs(c[-11] - c[-31])
    loud = False
    for j in range(len(v) - 10, len(v)):
        sample = v[j - 60 : j]
        loud |= len(set(sample)) > 1 and (v[j] - fmean(sample)) / stdev(sample) > 2
    if move > 3 * a and loud and max(h[-10:]) - min(low[-10:]) < move / 2:
        return "A"
    return "B" if lo <= c[-1] <= up and min(low[-10:]) >= lo and max(h[-10:]) <= up else "unknown"


def operator(w):
    d = demand(w)
    if d is None:
        return None
    weight = {"B": 0.2, "D": 0.5, "E": 0.3}.get(phase(w), 0.0)
    return max(-1.0, min(1.0, weight * np.sign(d - 1) + 0.3 * spring(w) - 0.3 * utad(w) + 0.3 * (d - 1)))


def strength(w):
    phases = [phase(w.until(lag)) for lag in range(5)]
    share = 0.0 if phases[0] == "unknown" else phases.count(phases[0]) / 5
    d = demand(w)
    return None if d is None else 0.5 * share + 0.3 * abs(d - 1) + 0.2 * max(spring(w), utad(w))


def votes(w):
    sd = stdev(w.returns(60))
    totals = [(sum(w.returns(n)), n) for n in (10, 20, 50)]
    return [float(np.sign(r)) if abs(r) > sd * math.sqrt(n) else 0.0 for r, n in totals]


def consensus(w):
    v = votes(w)
    if v.count(1.0) >= 2 and -1.0 not in v:
        return "bullish_consensus"
    return "bearish_consensus" if v.count(-1.0) >= 2 and 1.0 not in v else "mixed"


def energy(w):
    return 100 * sum(abs(r) for r in w.returns(14))


def coherence(w):
    r = w.returns(20)
    path = sum(abs(x) for x in r)
    return None if path == 0 else abs(sum(r)) / path


def change_of_state(w, grows, fades):
    now, before = (energy(w), coherence(w)), (energy(w.until(10)), coherence(w.until(10)))
    if None in (*now, *before):
        return None
    more, less = (0, 1) if grows == "energy" else (1, 0)
    return float(now[more] > 1.2 * before[more] and now[less] < 0.8 * before[less])


def exhaustion(w):
    return change_of_state(w, "energy", "coherence")


def buildup(w):
    return change_of_state(w, "coherence", "energy")


def volume_correlation(w):
    x = [abs(r) for r in w.returns(14)]
    if min(w.v[-14:]) <= 0:
        return None
    y = [math.log(v) for v in w.v[-14:]]
    return None if len(set(x)) == 1 or len(set(y)) == 1 else float(np.corrcoef(x, y)[0, 1])


def energy_per_volume(w):
    means = [fmean(w.v[i - 60 : i]) for i in range(len(w) - 14, len(w))]
    if min(means) == 0:
        return None
    relative = sum(v / m for v, m in zip(w.v[-14:], means, strict=True))
    return None if relative == 0 else sum(abs(r) for r in w.returns(14)) / relative


def confirmation(w):
    return float(fmean(w.v[-14:]) > 1.1 * fmean(w.v[-60:]))


def continuation(w):
    parts = (exhaustion(w), buildup(w), coherence(w))
    if None in parts:
        return None
    e, b, c = parts
    return 0.4 * (b - e) + 0.2 * (c > 0.7) - 0.2 * (c < 0.3) + 0.2 * (2 * confirmation(w) - 1)


def load(w):
    before, usual = w.returns(120, 14), fmean(w.v[-134:-14])
    if len(set(before)) == 1 or usual == 0:
        return None
    return stdev(w.returns(14)) / stdev(before) * fmean(w.v[-14:]) / usual


TWINS = {
    "sent_wyckoff_phase": (146, phase),
    "sent_multi_period_regime": (61, consensus),
    "sent_volatility_regime": (261, volatility_regime),
    "sent_demand_supply_ratio": (51, demand),
    "sent_spring_detected": (146, spring),
    "sent_utad_detected": (146, utad),
    "sent_operator_bias": (146, operator),
    "sent_wyckoff_strength": (150, strength),
    "sent_rsi": (141, rsi),
    "sent_rsi_overbought": (141, lambda w: float(rsi(w) > 70)),
    "sent_rsi_oversold": (141, lambda w: float(rsi(w) < 30)),
    "sent_rsi_energy_decay_slope": (146, lambda w: (rsi(w) - rsi(w.until(5))) / 5),
    "sent_rsi_divergence": (161, divergence),
    "sent_mfi": (15, mfi),
    "sent_mfi_buy_pressure": (21, lambda w: pressure(w, 0)),
    "sent_mfi_sell_pressure": (21, lambda w: pressure(w, 1)),
    "sent_stoch_k": (14, stochastic),
    "sent_stoch_d": (16, stochastic_d),
    "sent_stoch_impulse": (17, lambda w: crossing(w, 1)),
    "sent_stoch_reversion": (17, lambda w: crossing(w, -1)),
    "sent_oscillator_composite": (141, composite),
    "sent_bb_percent_b": (20, percent_b),
    "sent_bb_bandwidth": (20, bandwidth),
    "sent_bb_mean_reversion_pressure": (20, reversion),
    "sent_bb_squeeze_active": (
        140,
        lambda w: float(bandwidth(w) < 0.7 * fmean(bandwidth(w.until(lag)) for lag in range(1, 121))),
    ),
    "sent_keltner_position": (201, keltner),
    "sent_keltner_expansion": (261, lambda w: float(range_ratio(w)[0] > 1.2 * range_ratio(w)[1])),
    "sent_keltner_compression": (261, lambda w: float(range_ratio(w)[0] < 0.8 * range_ratio(w)[1])),
    "sent_keltner_force_boundary": (
        201,
        lambda w: None if keltner(w) is None else min(2.0, abs(abs(keltner(w)) - 1)),
    ),
    "sent_squeeze_detected": (201, squeeze),
    "sent_envelope_score": (201, envelope),
    "sent_momentum_energy": (15, energy),
    "sent_trend_coherence": (21, coherence),
    "sent_exhaustion_detected": (31, exhaustion),
    "sent_buildup_detected": (31, buildup),
    "sent_volume_trend_correlation": (15, volume_correlation),
    "sent_energy_per_volume": (74, energy_per_volume),
    "sent_volume_confirmation": (60, confirmation),
    "sent_exhaustion_vs_continuation": (60, continuation),
    "sent_metabolic_load": (135, load),
    "vote": (61, lambda w: fmean(votes(w))),
}
"""Lookback in sessions and twin of every feature; the lookbacks are those of the definitions."""

UNKNOWN_LABEL = ("sent_wyckoff_phase", "sent_multi_period_regime")
"""Features that say unknown where bars are missing; only without the session's own bar they are null."""


def computed(bars, sessions=None):
    points = daily_points(bars, sessions)
    return points, DailyBars(points, bars).compute_all(daily_features)


def expected_of(name, calendar, at):
    lookback, twin = TWINS[name]
    rows = calendar[max(at - lookback + 1, 0) : at + 1]
    if calendar[at] is None:
        return None
    if len(rows) < lookback or None in rows:
        return "unknown" if name in UNKNOWN_LABEL else None
    return twin(Window(rows))


def told(name, value):
    if np.isnan(value):
        return None
    return labels(name)[int(value)] if name in labels_of else float(value)


labels_of = ("sent_wyckoff_phase", "sent_multi_period_regime", "sent_volatility_regime")


def on_calendar(bars):
    days = sessions_between(bars["session"].min(), bars["session"].max())
    adjusted = bars.with_columns(
        *(pl.col(name) * pl.col("adjustment_factor") for name in ("open", "high", "low", "close")),
        volume=pl.col("volume") / pl.col("adjustment_factor"),
    )
    by_day = {row[0]: row[1:] for row in adjusted.select("session", "open", "high", "low", "close", "volume").rows()}
    return days, [by_day.get(day) for day in days]


def assert_same_as_twin(bars, places):
    days, calendar = on_calendar(bars)
    points, found = computed(bars)
    row_of = {day: row for row, day in enumerate(points.frame["session"].to_list())}
    assert set(TWINS) | {"coverage"} == set(found)
    for place in places:
        if days[place] not in row_of:
            continue
        for name in TWINS:
            want, have = expected_of(name, calendar, place), told(name, found[name][row_of[days[place]]])
            if want is None or isinstance(want, str):
                assert have == want, (name, days[place])
            else:
                assert have == pytest.approx(want, rel=1e-8, abs=1e-9), (name, days[place])


@pytest.mark.parametrize(("sigma", "drift"), [(0.02, 0.0), (0.008, 0.003), (0.03, -0.004)])
def test_random_walks_equal_the_twin(walk, sigma, drift):
    assert_same_as_twin(walk(n=330, sigma=sigma, drift=drift), [*range(300, 330, 6), 260, 259, 150, 149, 60, 59, 14, 0])


def test_every_lookback_is_exact(walk):
    bars = walk(n=300, seed=4)
    lookbacks = {lookback for lookback, _ in TWINS.values()}
    _, long = computed(bars, [bars["session"][-1]])
    for lookback in sorted(lookbacks):
        _, exact = computed(bars.tail(lookback), [bars["session"][-1]])
        _, short = computed(bars.tail(lookback - 1), [bars["session"][-1]])
        for name in (name for name, (own, _) in TWINS.items() if own == lookback):
            assert exact[name].tobytes() == long[name].tobytes(), name
            assert not np.isnan(long[name][0]), name
            assert told(name, short[name][0]) in (("unknown",) if name in UNKNOWN_LABEL else (None,)), name


def test_a_missing_session_is_not_bridged(walk):
    bars = walk(n=420, gaps=0.004, seed=9)
    assert 1 <= 420 - bars.height <= 4
    assert_same_as_twin(bars, [*range(20, 420, 23)])


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
    for name in TWINS:
        np.testing.assert_allclose(after[name], plain[name], rtol=1e-9, err_msg=name)
