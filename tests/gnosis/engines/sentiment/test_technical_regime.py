import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.points import Points, daily_points
from gnosis.engines.protocol import columns_of, joined_reasons
from gnosis.engines.sentiment.breadth import CYCLICAL, DEFENSIVE
from gnosis.engines.sentiment.oscillators import centred, oscillator_composite
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.technical_regime import process, reading, trend_score
from gnosis.engines.trailing import History
from gnosis.sessions import shift_session
from gnosis.tables import TABLES
from gnosis.tables.engines.sentiment import TechnicalRegime

MEMBERS = tuple(f"S{i:02d}" for i in range(10))
FUNDS = (*CYCLICAL, *DEFENSIVE)
OWN = {"technical_regime_confidence", "technical_regime_is_proxy", "technical_regime_reasons"}
DEFAULTS = SentimentParameters()


def run(inputs, parameters=DEFAULTS):
    return process(inputs, History(inputs.points), parameters, {})


def rows(inputs):
    """Return every output of every point as a frame."""
    result = run(inputs)
    schema = TABLES["engines.sentiment"].polars_schema
    columns = columns_of(dict(sorted(result.values.items())), schema).values()
    reasons = joined_reasons(result.reasons, len(inputs.points)).alias("reasons")
    return inputs.points.frame.with_columns(*columns, pl.Series("confidence", result.confidence), reasons)


@pytest.fixture(scope="module")
def market(walk, index_walk):
    return walk((*MEMBERS, *FUNDS), n=340), index_walk(n=340)


def of(technical_inputs, market, symbols, sessions=None, bars=None, points=None):
    universe, index = market if bars is None else (bars, market[1])
    own = universe.filter(pl.col("symbol").is_in(symbols))
    return rows(technical_inputs(own, sessions, points=points, universe=universe, index=index))


def test_fills_exactly_its_part_of_the_table(technical_inputs, market):
    result = run(technical_inputs(market[0], [market[0]["session"].max()], index=market[1]))
    assert set(result.values) == set(TechnicalRegime.columns()) - OWN
    assert result.is_proxy is None
    np.testing.assert_array_equal(result.confidence, 1.0)
    assert not any(where.any() for where in result.reasons.values())


@pytest.mark.parametrize("sigma", [0.001, 0.02, 0.2])
def test_values_stay_within_the_ranges_of_the_table(walk, index_walk, technical_inputs, sigma):
    universe = walk((*MEMBERS, *FUNDS), n=300, sigma=sigma, gaps=0.002)
    found = rows(technical_inputs(universe, index=index_walk(n=300, sigma=sigma)))
    for name, column in TechnicalRegime.columns().items():
        if name in OWN:
            continue
        low, high = getattr(column, "min", None), getattr(column, "max", None)
        values = found[name].drop_nulls()
        assert len(values), name
        assert low is None or values.min() >= low, name
        assert high is None or values.max() <= high, name
    assert found["confidence"].is_between(0.0, 1.0).all()
    assert (found.filter(pl.col("confidence") < 0.8)["reasons"] != "").all()


def test_scores_are_the_means_of_the_definition(technical_inputs, market):
    inputs = technical_inputs(market[0], [market[0]["session"].max()], index=market[1])
    found = {name: values[0] for name, values in run(inputs).values.items()}
    assert found["reversion_score"] == found["sent_bb_mean_reversion_pressure"]
    assert found["technical_regime_v"] == found["trend_score"]
    fixed = [
        found["sent_oscillator_composite"],
        found["sent_operator_bias"],
        np.clip(found["sent_keltner_position"], -1, 1),
        2 * found["sent_advance_decline_ratio"] - 1,
    ]
    vote = 5 * found["trend_score"] - sum(fixed)
    assert 3 * vote == pytest.approx(round(3 * vote), abs=1e-9) and abs(vote) <= 1 + 1e-9


def test_weights_follow_the_volatility_regime_where_they_were_estimated(technical_inputs, market):
    inputs = technical_inputs(market[0], index=market[1])
    plain = run(inputs).values
    estimated = SentimentParameters(
        reversion_weight=0.5,
        trend_weight_by_volatility={"squeeze": 0.25},
        reversion_weight_by_volatility={"squeeze": 0.0},
    )
    found = run(inputs, estimated).values["technical_regime_v"]
    trend, reversion = plain["trend_score"], plain["reversion_score"]
    squeeze = plain["sent_volatility_regime"] == 0.0
    assert squeeze.any()
    want = np.where(squeeze, 0.25 * trend, np.clip(trend + 0.5 * reversion, -1, 1))
    np.testing.assert_allclose(found, want, atol=1e-15)
    with pytest.raises(ValueError, match=r"expected labels out of \['squeeze', .*found \['calm'\]"):
        run(inputs, SentimentParameters(trend_weight_by_volatility={"calm": 1.0}))


def test_fewer_than_three_components_are_no_reading(technical_inputs, walk):
    bars = walk(n=330)
    alone = rows(technical_inputs(bars))
    assert alone["sent_advance_decline_ratio"].null_count() == 330
    # Votes come with 61 bars, the oscillators with 141, the bias with 146, the Keltner position with 201.
    assert alone["trend_score"].null_count() == 145
    assert alone["confidence"].to_list()[144:146] == [0.0, 3 / 5 * 146 / 320]
    assert alone["confidence"][-1] == 4 / 5 and "SOURCE_MISSING" in alone["reasons"][-1]


def test_truncation_poison_and_row_order_change_nothing(technical_inputs, market):
    universe, index = market
    day = shift_session(universe["session"].max(), -15)
    until = pl.col("session") <= day
    whole = of(technical_inputs, market, MEMBERS[:3]).filter(until)
    cut = technical_inputs(
        universe.filter(until & pl.col("symbol").is_in(MEMBERS[:3])),
        universe=universe.filter(until),
        index=index.filter(until),
    )
    assert rows(cut).equals(whole)
    for factor in (1000.0, 0.001):
        poisoned = universe.with_columns(
            pl.when(until).then(pl.col(name)).otherwise(pl.col(name) * factor).alias(name)
            for name in ("open", "high", "low", "close", "volume")
        )
        assert of(technical_inputs, market, MEMBERS[:3], bars=poisoned).filter(until).equals(whole)
    shuffled = pl.concat([universe, universe.tail(400)]).sample(fraction=1.0, shuffle=True, seed=5)
    assert of(technical_inputs, market, MEMBERS[:3], bars=shuffled).filter(until).equals(whole)


def test_symbols_alone_or_together_and_one_session_or_many_give_the_same_bits(technical_inputs, market):
    last = market[0]["session"].max()
    together = of(technical_inputs, market, MEMBERS)
    for symbol in MEMBERS[:2]:
        own = pl.col("symbol") == symbol
        assert of(technical_inputs, market, [symbol]).equals(together.filter(own))
        assert of(technical_inputs, market, [symbol], [last]).equals(together.filter(own, pl.col("session") == last))


def test_revised_bar_counts_from_the_instant_at_which_it_was_known(technical_inputs, market):
    universe, _ = market
    last = universe["session"].max()
    day, known = shift_session(last, -6), shift_session(last, -3)
    of_day = (pl.col("session") == day) & (pl.col("symbol") == "S00")
    noon = dt.datetime.combine(known, dt.time(15), tzinfo=dt.UTC)
    revised = universe.filter(of_day).with_columns(
        pl.col("close") * 1.2, pl.col("high") * 1.2, known_at=pl.lit(noon).cast(pl.Datetime("us", "UTC"))
    )
    both = pl.concat([revised, universe])
    replaced = pl.concat(
        [universe.filter(~of_day), revised.with_columns(known_at=universe.filter(of_day)["known_at"][0])]
    )
    found = of(technical_inputs, market, ["S00"], bars=both)
    before = pl.col("session") < known
    assert found.filter(before).equals(of(technical_inputs, market, ["S00"]).filter(before))
    assert found.filter(~before).equals(of(technical_inputs, market, ["S00"], bars=replaced).filter(~before))
    assert not found.filter(~before).equals(of(technical_inputs, market, ["S00"]).filter(~before))


@given(st.data())
@settings(max_examples=15, deadline=None)
def test_deleting_bars_never_raises_the_confidence(technical_inputs, market, data):
    universe, _ = market
    last = universe["session"].max()
    points = daily_points(universe.filter(pl.col("symbol").is_in(MEMBERS[:2])), [last])
    share = data.draw(st.sampled_from([0.001, 0.02, 0.5, 1.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    left = universe.filter(pl.Series(rng.random(universe.height) >= share))
    before = of(technical_inputs, market, MEMBERS[:2], points=points)
    after = of(technical_inputs, market, MEMBERS[:2], bars=left, points=points)
    assert (after["confidence"] <= before["confidence"]).all()
    if share == 1.0:
        assert after.drop(
            "symbol", "session", "as_of", "confidence", "reasons", "sent_risk_regime"
        ).null_count().sum_horizontal()[0] == 2 * len(set(TechnicalRegime.columns()) - OWN - {"sent_risk_regime"})
        assert after["confidence"].to_list() == [0.0, 0.0] and (after["reasons"] != "").all()


def test_symbols_without_any_bar_have_rows(technical_inputs, market):
    universe, _ = market
    last = universe["session"].max()
    close = universe.filter(pl.col("session") == last)["known_at"][0]
    points = Points.of(pl.DataFrame({"symbol": ["NONE"], "session": [last], "as_of": [close]}))
    found = of(technical_inputs, market, ["NONE"], points=points)
    assert found["sent_rsi"][0] is None and found["sent_advance_decline_ratio"][0] is not None
    assert found["sent_wyckoff_phase"][0] is None


@given(st.floats(0, 100), st.floats(0, 100))
def test_centred_oscillator_is_strictly_increasing(a, b):
    low, high = sorted((a, b))
    if high - low > 1e-9:
        assert centred(low) < centred(high)
        assert oscillator_composite(low, 50.0, 50.0) < oscillator_composite(high, 50.0, 50.0)
        assert oscillator_composite(50.0, low, 50.0) < oscillator_composite(50.0, high, 50.0)
        assert oscillator_composite(50.0, 50.0, low) < oscillator_composite(50.0, 50.0, high)
    assert -1.0 <= centred(a) <= 1.0


@given(st.lists(st.floats(-1, 1) | st.just(float("nan")), min_size=5, max_size=5), st.integers(0, 4), st.floats(0, 1))
def test_trend_score_does_not_fall_when_a_component_rises(parts, which, rise):
    before = np.array(parts)[:, None]
    after = before.copy()
    after[which] = np.minimum(after[which] + rise, 1.0)
    low, high = trend_score(before)[0], trend_score(after)[0]
    assert np.isnan(low) == np.isnan(high) == ((~np.isnan(before)).sum() < 3)
    assert np.isnan(low) or (high >= low and -1.0 <= low <= 1.0)


def test_reading_is_clipped():
    one = np.ones(1)
    assert reading(one, one, one, one).tolist() == [1.0]
    assert np.isnan(reading(one, np.nan * one, one, one)).all()
