import datetime as dt
import math
from statistics import fmean, stdev

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.points import daily_points
from gnosis.engines.protocol import columns_of, joined_reasons
from gnosis.engines.regimes import labels
from gnosis.engines.sentiment.dark_index import dark_index
from gnosis.engines.sentiment.flow_and_dark_pool import process
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.trailing import History
from gnosis.sessions import schedule, shift_session
from gnosis.tables import TABLES
from gnosis.tables.engines.sentiment import FlowAndDarkPool
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.sentiment_sources import TWINS

LAST = dt.date(2019, 5, 1)
OWN = {"flow_and_dark_pool_confidence", "flow_and_dark_pool_is_proxy", "flow_and_dark_pool_reasons"}
PRESSURES = ("sent_aggressive_buy_ratio", "sent_aggressive_sell_ratio", "sent_net_aggressor_pressure")
MINUTE = dt.timedelta(minutes=1)


def run(inputs, stored=None):
    return process(inputs, History(inputs.points, stored), SentimentParameters(), {})


def first(result):
    return {name: values[0] for name, values in result.values.items()}


def close_of(day):
    return schedule().filter(pl.col("session") == day)["close_at"][0]


def minute_bars(days, seed=3, symbol="AAA", minutes=60):
    """Return the last minutes of each session."""
    rng = np.random.default_rng(seed)
    rows, price = [], 100.0
    for day in days:
        close_at = close_of(day)
        for minute in range(minutes):
            before, price = price, price * math.exp(0.001 * rng.standard_normal())
            ts = close_at - (minutes - 1 - minute) * MINUTE
            rows.append(
                (day, symbol, "1min", ts, before, max(before, price), min(before, price), price, 1e3 * rng.random())
            )
    names = ["session", "symbol", "frequency", "ts", "open", "high", "low", "close", "volume"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    schema = TABLES["raw.intraday_bars"].polars_schema
    return frame.with_columns(known_at="ts", provider=pl.lit("x"), synthetic=False).select(list(schema)).cast(schema)


def snapshots(quotes, day=LAST, symbol="AAA"):
    """Return books of one level: minutes before the close, bid, ask, bid size, ask size."""
    rows = []
    for minutes, bid, ask, bid_size, ask_size in quotes:
        ts = close_of(day) - minutes * MINUTE
        rows += [(day, symbol, ts, "B", bid, bid_size), (day, symbol, ts, "A", ask, ask_size)]
    frame = pl.DataFrame(rows, schema=["session", "symbol", "ts", "side", "price", "size"], orient="row")
    schema = TABLES["raw.order_books"].polars_schema
    return (
        frame.with_columns(known_at="ts", provider=pl.lit("x"), synthetic=False, level=1)
        .select(list(schema))
        .cast(schema)
    )


def dix_rows(n, last=LAST, seed=2):
    days = schedule().filter(pl.col("session") <= last).tail(n)
    rng = np.random.default_rng(seed)
    schema = TABLES["raw.dix"].polars_schema
    return (
        days.select(
            "session",
            known_at=pl.col("close_at") + pl.duration(hours=2),
            provider=pl.lit("x"),
            synthetic=False,
            dix=pl.Series(0.42 + 0.02 * rng.standard_normal(n)),
            gex=pl.Series(rng.standard_normal(n)),
        )
        .select(list(schema))
        .cast(schema)
    )


def twins(names, bars=None, minutes=None, books=None, day=LAST):
    """Return what the readable twins of features say at the close of a session."""
    given = {"raw.equity_bars": bars, "raw.intraday_bars": minutes, "raw.order_books": books}
    tables = {name: TABLES[name].empty() if frame is None else frame for name, frame in given.items()}
    return [TWINS[name](Seen(tables, "AAA", day, close_of(day))) for name in names]


@pytest.fixture(scope="module")
def minutes():
    days = schedule().filter(pl.col("session") <= LAST).tail(22)["session"].to_list()
    return minute_bars(days, minutes=150)


def test_fills_exactly_its_part_of_the_table(walk, technical_inputs):
    assert set(run(technical_inputs(walk(n=80))).values) == set(FlowAndDarkPool.columns()) - OWN


def test_daily_bars_alone_equal_the_readable_twin(walk, technical_inputs):
    bars = walk(n=140)
    result = run(technical_inputs(bars))
    names = (*PRESSURES, "sent_bid_ask_imbalance")
    for t in (70, 99, 139):
        found = [result.values[name][t] for name in names]
        assert found == pytest.approx(twins(names, bars, day=bars["session"][t]), abs=1e-12)
        assert result.values["sent_composite_flow_bias"][t] == found[2]
    assert result.is_proxy[70:].all() and result.reasons["NO_BOOK"].all() and result.reasons["NO_INTRADAY"].all()
    np.testing.assert_allclose(result.confidence[70:], 0.7 * 0.3)
    assert np.isnan(result.values["sent_dix"]).all()


def test_daily_lookback_is_71_sessions_and_10_for_the_imbalance(walk, technical_inputs):
    bars = walk(n=140)
    whole = first(run(technical_inputs(bars, [LAST])))
    exact, short = (first(run(technical_inputs(bars.tail(n), [LAST]))) for n in (71, 70))
    for name in (*PRESSURES, "sent_composite_flow_bias"):
        assert exact[name].tobytes() == whole[name].tobytes()
        assert np.isnan(short[name])
    ten, nine = (first(run(technical_inputs(bars.tail(n), [LAST])))["sent_bid_ask_imbalance"] for n in (10, 9))
    assert ten.tobytes() == whole["sent_bid_ask_imbalance"].tobytes() and np.isnan(nine)


def test_bars_of_one_minute_equal_the_readable_twin(walk, technical_inputs, minutes):
    result = run(technical_inputs(walk(n=80), [LAST], minutes=minutes))
    found = first(result)
    assert [found[name] for name in PRESSURES] == pytest.approx(twins(PRESSURES, minutes=minutes), abs=1e-12)
    assert result.is_proxy[0], "the imbalance still comes from daily bars"
    assert result.confidence[0] == pytest.approx(0.7 * 0.6)
    assert found["sent_flow_regime"] != found["sent_flow_regime"], "no history, no regime"


def test_mids_sign_the_bars_and_the_ones_without_keep_their_probability(walk, technical_inputs, minutes):
    closes = minutes.sort("ts")["close"].to_list()
    # Mids in the middle of the bar they sign; the second one ties.
    mids = {0: closes[-1] * 1.001, 4: closes[-5]}
    quotes = [(back + 0.5, mid - 0.01, mid + 0.01, 300.0, 100.0) for back, mid in sorted(mids.items(), reverse=True)]
    books = snapshots(quotes)
    result = run(technical_inputs(walk(n=80), [LAST], minutes=minutes, books=books))
    found = first(result)
    assert [found[name] for name in PRESSURES] == pytest.approx(twins(PRESSURES, None, minutes, books), abs=1e-12)
    assert found["sent_bid_ask_imbalance"] == 0.5
    assert not result.is_proxy[0]
    assert result.reasons["PARTIAL_BOOK"][0] and not result.reasons["NO_BOOK"][0]


def test_a_mid_of_the_last_second_of_a_bar_does_not_sign_it(walk, technical_inputs, minutes):
    close = minutes.sort("ts")["close"][-1]
    quotes = [(0.5, close * 1.001, close * 1.002, 300.0, 100.0), (0.5 / 60, 0.5, 1.0, 300.0, 100.0)]
    plain, sudden = (
        first(run(technical_inputs(walk(n=80), [LAST], minutes=minutes, books=snapshots(given_quotes))))
        for given_quotes in (quotes[:1], quotes)
    )
    assert sudden["sent_net_aggressor_pressure"] == plain["sent_net_aggressor_pressure"]
    want = twins(PRESSURES, minutes=minutes, books=snapshots(quotes[:1]))
    assert plain["sent_net_aggressor_pressure"] == pytest.approx(want[2], abs=1e-12)


def test_mids_tell_the_pressure_where_no_minutes_came_before(walk, technical_inputs, minutes):
    """The sign against a mid needs no sigma; the shares of the volume do, and fall back to daily bars."""
    own = minutes.filter(pl.col("session") == LAST)
    books = snapshots([(back + 0.5, 99.0, 101.0 + back % 3, 1.0, 1.0) for back in range(0, 30, 10)])
    bars = walk(n=80)
    result = run(technical_inputs(bars, [LAST], minutes=own, books=books))
    found = [result.values[name][0] for name in PRESSURES]
    assert found == pytest.approx(twins(PRESSURES, bars, own, books), abs=1e-12)
    alone = first(run(technical_inputs(bars, [LAST], minutes=own)))
    assert found[:2] == [alone[name] for name in PRESSURES[:2]]
    assert found[2] != alone[PRESSURES[2]]
    assert not result.reasons["NO_INTRADAY"][0] and result.is_proxy[0]


def test_the_short_share_is_not_read_against_the_vendors_index(walk, technical_inputs):
    """A z-score is made of values of one source."""
    bars, n = walk(n=130), 200
    points = daily_points(bars)
    source = np.where(np.arange(n) < 120, 0.0, 1.0)
    level = np.where(source == 0.0, 0.42, 0.52) + 0.02 * np.random.default_rng(3).standard_normal(n)
    days = schedule().filter(pl.col("session") <= shift_session(LAST, -1)).tail(n)
    stored = days.select(symbol=pl.lit("AAA"), session="session", as_of="close_at").with_columns(
        sent_dix=level, dix_source=source
    )
    today = points.frame.tail(1).select("session", "as_of")
    for code in (0.0, 1.0):
        known = {"sent_dix": 0.5, "sent_gex": None, "dix_source": code, "gex_source": None, "dix_age": 1.0}
        dark = today.with_columns(*(pl.lit(value, pl.Float64).alias(name) for name, value in known.items()))
        dark = dark.with_columns(provider=pl.lit("x"), synthetic=False)
        result = run(technical_inputs(bars, [LAST], dark=dark), stored)
        own = level[source == code]
        z = (0.5 - own.mean()) / own.std(ddof=1)
        found = first(result)
        want = 0.7 * found["sent_net_aggressor_pressure"] + 0.3 * np.tanh(z / 2)
        assert found["sent_composite_flow_bias"] == pytest.approx(want)
        few = run(technical_inputs(bars, [LAST], dark=dark), stored.with_columns(dix_source=1.0 - code))
        assert first(few)["sent_composite_flow_bias"] == found["sent_net_aggressor_pressure"]
        assert few.reasons["UNCALIBRATED"][0] and not result.reasons["UNCALIBRATED"][0]


def test_imbalance_is_the_mean_over_the_last_half_hour(walk, technical_inputs):
    quotes = [
        (31, 99.0, 101.0, 1e6, 1.0),
        (30, 99.0, 101.0, 300.0, 100.0),
        (10, 99.0, 101.0, 100.0, 100.0),
        (0, 99.0, 101.0, 0.0, 50.0),
    ]
    found = run(technical_inputs(walk(n=80), [LAST], books=snapshots(quotes)))
    assert found.values["sent_bid_ask_imbalance"][0] == pytest.approx((0.5 + 0.0 - 1.0) / 3)
    assert found.confidence[0] == pytest.approx(0.7 * (0.4 * 3 / 30 + 0.3))
    mirrored = [(at, bid, ask, ask_size, bid_size) for at, bid, ask, bid_size, ask_size in quotes]
    other = run(technical_inputs(walk(n=80), [LAST], books=snapshots(mirrored)))
    assert other.values["sent_bid_ask_imbalance"][0] == -found.values["sent_bid_ask_imbalance"][0]


def test_dark_index_enters_with_its_z_score_over_its_own_year(walk, technical_inputs):
    bars = walk(n=340)
    dix = dix_rows(360)
    points = daily_points(bars)
    result = run(technical_inputs(bars, dark=dark_index(points.frame, dix)))
    series = result.values["sent_dix"]
    sample = series[339 - 252 : 339].tolist()
    z = (series[339] - fmean(sample)) / stdev(sample)
    net = result.values["sent_net_aggressor_pressure"][339]
    assert result.values["sent_composite_flow_bias"][339] == pytest.approx(0.7 * net + 0.3 * math.tanh(z / 2))
    assert result.confidence[339] == pytest.approx(0.21 + 0.3)
    # 70 sessions lack bars, and a z-score wants 63 earlier values.
    assert result.reasons["UNCALIBRATED"].tolist() == [t < 63 for t in range(340)]


def test_every_flow_label_occurs_against_the_stored_past(walk, technical_inputs):
    bars = walk(n=500)
    inputs = technical_inputs(bars)
    result = run(inputs)
    codes = result.values["sent_flow_regime"]
    assert {labels("sent_flow_regime")[int(code)] for code in codes[~np.isnan(codes)]} == set(
        labels("sent_flow_regime")
    )
    bias = result.values["sent_composite_flow_bias"]
    past = bias[499 - 252 : 499]
    want = 0 if bias[499] > max(0, np.quantile(past, 0.8)) else 1 if bias[499] < min(0, np.quantile(past, 0.2)) else 2
    assert codes[499] == want
    stored = inputs.points.frame.with_columns(sent_composite_flow_bias=pl.Series(bias))
    nightly = run(technical_inputs(bars, [LAST]), stored)
    assert nightly.values["sent_flow_regime"][0] == codes[499]


@given(st.data())
@settings(max_examples=12, deadline=None)
def test_deleting_rows_never_raises_the_confidence(walk, technical_inputs, minutes, data):
    bars, dix = walk(n=90), dix_rows(300)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    quotes = [(back, 99.0, 101.0, *rng.uniform(1, 100, 2)) for back in range(30)]
    frames = {"bars": bars, "minutes": minutes, "books": snapshots(quotes), "dix": dix}
    points = daily_points(bars, [LAST])

    def confidence(given_frames):
        dark = dark_index(points.frame, given_frames["dix"])
        inputs = technical_inputs(
            given_frames["bars"], points=points, minutes=given_frames["minutes"], books=given_frames["books"], dark=dark
        )
        result = run(inputs)
        if result.confidence[0] < 0.8:
            assert joined_reasons(result.reasons, 1)[0]
        return result.confidence[0]

    shares = {name: data.draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]), label=name) for name in frames}
    fewer = {name: frame.filter(pl.Series(rng.random(frame.height) >= shares[name])) for name, frame in frames.items()}
    assert confidence(fewer) <= confidence(frames) == pytest.approx(1.0)


def test_future_minutes_books_and_row_order_do_not_matter(walk, technical_inputs, minutes):
    bars = walk(n=90)
    books = pl.concat([snapshots([(5, 99.0, 101.0, 3.0, 1.0)], day) for day in (shift_session(LAST, -1), LAST)])
    day = shift_session(LAST, -1)
    until = pl.col("session") <= day
    whole = run(technical_inputs(bars, [day, LAST], minutes=minutes, books=books))
    cut = run(technical_inputs(bars.filter(until), [day], minutes=minutes.filter(until), books=books.filter(until)))
    mixed = run(
        technical_inputs(
            bars.reverse(),
            [day, LAST],
            minutes=minutes.sample(fraction=1.0, shuffle=True, seed=1),
            books=books.reverse(),
        )
    )
    for name, values in whole.values.items():
        np.testing.assert_array_equal(values[:1], cut.values[name], err_msg=name)
        np.testing.assert_array_equal(values, mixed.values[name], err_msg=name)


def test_scale_and_ranges(walk, technical_inputs, minutes):
    schema = TABLES["engines.sentiment"].polars_schema
    bars = walk(n=120, sigma=0.05)
    plain = run(technical_inputs(bars, minutes=minutes))
    scaled = bars.with_columns(pl.col("volume") * 9, *(pl.col(name) * 3 for name in ("open", "high", "low", "close")))
    more = minutes.with_columns(pl.col("volume") * 9, *(pl.col(name) * 3 for name in ("open", "high", "low", "close")))
    other = run(technical_inputs(scaled, minutes=more))
    for name, values in plain.values.items():
        np.testing.assert_allclose(other.values[name], values, atol=1e-12, err_msg=name)
        columns_of({name: values}, schema)
        column = FlowAndDarkPool.columns()[name]
        known = values[~np.isnan(values)]
        assert getattr(column, "min", None) is None or (known >= column.min).all()
        assert getattr(column, "max", None) is None or (known <= column.max).all()
