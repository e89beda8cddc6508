"""The engine: rows of its table, fusion, regimes, and the properties of section 6 (C1-C4, C7, C8, S5, S8, S9)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.engines import physics
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.regimes import REGIMES
from gnosis.engines.sentiment import SentimentParameters, sentiment, state, states
from gnosis.engines.sentiment.breadth import BREADTH_SCHEMA
from gnosis.engines.sentiment.dark_index import DARK_INDEX_SCHEMA
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
CLOSE = dt.datetime(2019, 5, 1, 20, tzinfo=dt.UTC)
ALL = {"news", "x", "reddit", "stocktwits"}
# Measures of the whole market have their own tests.
NO_MARKET = {"breadth": pl.DataFrame(schema=BREADTH_SCHEMA), "dark": pl.DataFrame(schema=DARK_INDEX_SCHEMA)}


def documents(symbols=("AAA", "BBB"), n=30, seed=0):
    """Return posts and news of several days, some known after the close."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        p = rng.dirichlet([2, 1, 1])
        row = {
            "age": round(float(rng.uniform(-8.0, 40.0)), 2),
            "p": tuple(p / p.sum()),
            "symbol": symbols[number % len(symbols)],
        }
        row["id"] = f"d{number}"
        source = ("news", "x", "reddit", "stocktwits")[number // len(symbols) % 4]
        if source == "news":
            row |= {"kind": "article", "outlet": "abc"[number % 3]}
        else:
            row |= {"source": source, "author": "abcde"[number % 5], "tag": ("none", "bullish")[number % 2]}
        found.append(row)
    return found


@pytest.fixture(scope="module")
def world(walk, texts):
    bars = walk(("AAA", "BBB"), n=60)
    return (
        {"bars": bars, "collected": ALL, "sessions": [shift_session(SESSION, -1), SESSION]}
        | texts(documents())
        | NO_MARKET
    )


def run(world, **changes):
    given = world | changes
    return sentiment(given.pop("bars"), **given)


def elasticity(**columns):
    schema = TABLES["engines.elasticity"].polars_schema
    row = {"session": SESSION, "symbol": "AAA", "known_at": CLOSE, "as_of": CLOSE, "sign_convention": "naive"}
    row |= {"provider": "cboe", "synthetic": False} | columns
    plain = {name: pl.String() if isinstance(dtype, pl.Enum) else dtype for name, dtype in schema.items()}
    return pl.DataFrame([{name: row.get(name) for name in schema}], schema=plain).cast(schema)


def stored(n=252, **columns):
    """Return rows of earlier sessions of which only some columns are known."""
    schema = TABLES["engines.sentiment"].polars_schema
    days = sessions_between(shift_session(SESSION, -n), shift_session(SESSION, -1))
    closes = schedule().filter(pl.col("session").is_in(days))["close_at"]
    keys = {
        "symbol": "AAA",
        "session": days,
        "as_of": closes,
        "known_at": closes,
        "provider": "files",
        "synthetic": False,
    }
    frame = pl.DataFrame(keys | columns)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(absent).select(list(schema)).cast(schema)


def confidences(frame):
    names = [name for name in frame.columns if name.endswith("_confidence")]
    return frame.select(names).to_numpy()


def test_rows_fit_the_table(world):
    table = TABLES["engines.sentiment"]
    frame = run(world)
    assert frame.schema == table.polars_schema
    assert frame.height == 4
    assert_frame_equal(frame, frame.sort(table.key))
    table.schema.validate(frame)
    assert frame["provider"].unique().to_list() == ["files+yahoo"]
    assert (frame["as_of"] == frame["known_at"]).all()


def test_every_uncertain_row_says_why(world):
    frame = run(world)
    for name in [name.removesuffix("_reasons") for name in frame.columns if name.endswith("_reasons")]:
        assert frame.filter((pl.col(f"{name}_confidence") < 0.8) & (pl.col(f"{name}_reasons") == "")).is_empty(), name
    assert frame.filter((pl.col("sent_confidence") < 0.8) & (pl.col("reasons") == "")).is_empty()


def test_what_is_known_later_changes_nothing(world):
    """C1, C2 and S7."""
    expected = run(world)
    texts = ("posts", "news", "scores")
    cut = {name: world[name].filter(pl.col("known_at") <= CLOSE) for name in texts}
    assert expected.equals(run(world, **cut))
    poison = {
        name: world[name].with_columns(
            pl.when(pl.col("known_at") > CLOSE)
            .then(pl.lit(poisoned))
            .otherwise(pl.col(column))
            .cast(world[name].schema[column])
            .alias(column)
        )
        for name, column, poisoned in (
            ("posts", "text_hash", "x"),
            ("news", "outlet", "zzz"),
            ("scores", "p_pos", 1000.0),
        )
    }
    assert expected.equals(run(world, **poison))
    before = expected.filter(pl.col("session") < SESSION)
    assert before.equals(run(world, bars=world["bars"].filter(pl.col("session") < SESSION)))


def test_a_leak_is_caught(world):
    """The test above would see a processor that reads what is known later."""
    eager = {
        name: world[name].with_columns(
            known_at=pl.col("known_at") - dt.timedelta(hours=8), session=pl.min_horizontal("session", pl.lit(SESSION))
        )
        for name in ("posts", "news", "scores")
    }
    cut = {name: frame.filter(pl.col("known_at") <= CLOSE - dt.timedelta(hours=8)) for name, frame in eager.items()}
    assert not run(world, **eager).equals(run(world, **cut))


def test_order_repeated_delivery_and_second_runs_change_nothing(world):
    """C3 and S9."""
    expected = run(world)
    names = ("bars", "posts", "news", "scores")
    shuffled = {name: pl.concat([world[name]] * 2).sample(fraction=1.0, shuffle=True, seed=4) for name in names}
    assert expected.equals(run(world, **shuffled))
    assert expected.equals(run(world))


def test_symbols_together_or_alone(world):
    """C8 and S9."""
    together = run(world)
    for symbol in ("AAA", "BBB"):
        assert together.filter(pl.col("symbol") == symbol).equals(run(world, symbols=[symbol]))
    renamed = {
        name: world[name].with_columns(symbol=pl.col("symbol").replace({"AAA": "ZZZ"}))
        for name in ("bars", "posts", "news")
    }
    drop = ["symbol"]
    expected = together.filter(pl.col("symbol") == "AAA").drop(drop)
    assert expected.equals(run(world, **renamed).filter(pl.col("symbol") == "ZZZ").drop(drop))


def test_leaving_documents_out_never_raises_a_confidence(walk, texts, world):
    """C4."""
    rows = documents(n=40)
    whole = confidences(run(world, **texts(rows)))
    rng = np.random.default_rng(8)
    for _ in range(5):
        kept = [row for row in rows if rng.random() < 0.6]
        assert (confidences(run(world, **texts(kept))) <= whole + 1e-12).all()


def test_without_texts_only_bars_speak(world):
    frame = run(world, posts=None, news=None, scores=None)
    for name, column in state.READINGS.items():
        if name in ("flow_and_dark_pool", "technical_regime"):
            continue
        assert frame[column].is_null().all()
        assert (frame[f"{name}_confidence"] == 0).all()
        assert (frame[f"{name}_reasons"] != "").all()


def test_a_revised_score_changes_only_what_follows(world):
    """C7."""
    revised = world["scores"].with_columns(
        known_at=pl.lit(CLOSE - dt.timedelta(hours=1)).cast(pl.Datetime("us", "UTC")),
        p_pos=pl.col("p_neg"),
        p_neg=pl.col("p_pos"),
    )
    earlier = pl.col("session") < SESSION
    expected, found = run(world), run(world, scores=pl.concat([world["scores"], revised]))
    assert expected.filter(earlier).equals(found.filter(earlier))
    assert not expected.filter(~earlier).equals(found.filter(~earlier))


def test_removing_a_source_lowers_the_confidence_by_its_share(world):
    """S5, with the omega of one eighth."""
    whole, without = run(world), run(world, collected=ALL - {"x"})
    lost = whole["x_twitter_confidence"] * whole["x_twitter_v"].is_not_null() / 8
    assert (whole["sent_confidence"] - without["sent_confidence"] - lost).abs().max() < 1e-15


def test_uncollected_social_sources_leave_attention_unknown(walk, texts):
    bars = walk(("AAA",), n=80)
    days = bars["session"].to_list()[-60:]
    posts = [{"source": "reddit", "age": 24.0 * n + m} for n in range(80) for m in range(n % 3)]
    world = {"bars": bars, "sessions": days} | texts(posts) | NO_MARKET
    collected = run(world, collected={"reddit", "stocktwits"})
    assert collected["sent_social_volume"].tail(5).is_not_null().all()
    assert collected["stocktwits_bull"].to_list() == [0] * 60
    assert run(world, collected={"reddit"})["sent_social_volume"].is_null().all()


def test_social_volume_is_the_surprise_of_the_log_count(walk, texts):
    counts = np.append(np.full(10, 90), np.arange(30) % 7)
    zero = np.zeros(40, dtype=np.int64)
    past = stored(40, reddit_count_24h=counts, stocktwits_bull=zero, stocktwits_bear=zero + 1, stocktwits_untagged=zero)
    frame = sentiment(
        walk(("AAA",), n=60),
        stored=past,
        sessions=[SESSION],
        collected=ALL,
        **texts([{"source": "reddit"}] * 1),
        **NO_MARKET,
    )
    logs = np.log(2 + counts)[-30:]
    assert frame["sent_social_volume"].item() == pytest.approx((np.log(2) - logs.mean()) / logs.std(ddof=1))


@pytest.mark.parametrize(
    ("share", "label"),
    [
        (0.0, "extreme_bearish"),
        (0.04, "extreme_bearish"),
        (0.06, "bearish"),
        (0.34, "bearish"),
        (0.36, "neutral"),
        (0.64, "neutral"),
        (0.66, "bullish"),
        (0.94, "bullish"),
        (0.96, "extreme_bullish"),
        (1.0, "extreme_bullish"),
    ],
)
def test_every_regime_of_the_fused_reading(world, share, label):
    past = stored(fused=np.where(np.arange(252) < share * 252, -1.0, 1.0))
    frame = run(world, stored=past, sessions=[SESSION], symbols=["AAA"])
    assert frame["sentiment_regime"].to_list() == [label]
    assert {kind.value for kind in REGIMES["sentiment_regime"]} >= {label}
    expected = frame["fused"].item() - (-1.0 if share == 1.0 else 1.0)
    assert frame["momentum"].item() == pytest.approx(expected)


def test_momentum_is_against_five_sessions(world):
    past = stored(fused=np.append(np.full(247, 0.9), [0.1, -0.2, 0.3, 0.0, 0.2]))
    frame = run(world, stored=past, sessions=[SESSION], symbols=["AAA"])
    assert frame["momentum"].item() == pytest.approx(frame["fused"].item() - 0.08)


def interpreted(world, v, c, load=2.0):
    """Return the rows that the interpreter makes of given readings and confidences."""
    captured = {}

    def keep(inputs, history, parameters):
        captured.update(inputs=inputs, history=history)
        return original(inputs, history, parameters)

    original = state.process
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "process", keep)
        run(world, sessions=[SESSION], symbols=["AAA"])
    inputs, history = captured["inputs"], captured["history"]
    results = original(inputs, history, SentimentParameters())
    for (name, column), value, sure in zip(state.READINGS.items(), v, c, strict=True):
        values = dict(results[name].values) | {column: np.array([value])}
        if name == "technical_regime":
            values["sent_metabolic_load"] = np.array([load])
        results[name] = dataclasses.replace(results[name], values=values, confidence=np.array([sure]))
    weights = np.full(8, 1 / 8)
    return state.interpret(
        inputs, history, results, SentimentParameters(), weights, pl.Series(["a"]), np.array([False])
    )


def test_fusion_of_the_specification(world):
    v, c = [0.5, -0.2] + [np.nan] * 6, [0.8, 0.4] + [0.9] * 6
    row = interpreted(world, v, c)
    assert row["fused"].item() == pytest.approx(0.2666666667, abs=1e-10)
    assert row["sent_confidence"].item() == pytest.approx(0.15)
    assert row["sent_bias"].item() == "bullish"
    assert row["sent_strength"].item() == row["fused"].item()
    assert row["sent_top_driver_contribution"].item() == pytest.approx(1 / 3)
    assert row["sent_energy"].item() == pytest.approx(0.5 * 2.0 * (0.8 * 0.25 + 0.4 * 0.04) / 1.2)
    scaled = interpreted(world, [0.5 * x for x in v], c)
    assert scaled["sent_energy"].item() == pytest.approx(row["sent_energy"].item() / 4)


@pytest.mark.parametrize(("v", "label"), [(-0.15, "bearish"), (0.0, "neutral"), (0.15, "bullish")])
def test_every_bias(world, v, label):
    row = interpreted(world, [v] * 8, [1.0] * 8)
    assert row["sent_bias"].item() == label
    assert (row["sent_energy"].item() == 0.0) == (v == 0.0)


def test_kappa_of_zero_is_the_amplification_of_the_elasticity_engine(world):
    """S8, bit for bit, whether G_c is known or not."""
    depth, gamma = 50.123e9, -20.7e9
    own = physics.amplification(depth, gamma).item()
    frame = run(
        world, elasticity=elasticity(depth_usd_per_unit=depth, dealer_gamma_usd_per_unit=gamma, amplification=own)
    )
    row = frame.filter((pl.col("symbol") == "AAA") & (pl.col("session") == SESSION))
    assert row["sent_amplification"].item() == own
    assert row["sent_gamma_shift_usd_per_unit"].item() == 0.0
    assert row["sent_price_impulse"].item() == 0.0
    others = frame.filter(pl.col("symbol") == "BBB")
    assert others["sent_amplification"].is_null().all()


def test_elasticity_known_after_the_cut_off_is_not_read(world):
    late = elasticity(depth_usd_per_unit=1e9, dealer_gamma_usd_per_unit=0.0).with_columns(
        known_at=pl.col("known_at") + dt.timedelta(hours=1)
    )
    assert run(world, elasticity=late)["sent_amplification"].is_null().all()


def test_weights_come_from_error_variances_and_are_stored(world):
    variances = dict.fromkeys(state.READINGS, 4.0) | {"news_flow": 1.0}
    frame = run(world, error_variances=variances)
    assert json.loads(frame["parameters"][0])["weights"]["news_flow"] == pytest.approx(0.35)
    with pytest.raises(ValueError, match="error_variances"):
        run(world, error_variances={"news_flow": 1.0})
    with pytest.raises(ValueError, match="collected"):
        run(world, collected={"telegram"})


def test_rows_as_records(world):
    frame = run(world)
    found = states(frame)
    assert [one.session for one in found] == frame["session"].to_list()
    assert found[0].readings.keys() == state.READINGS.keys()
    assert found[0].readings["news_flow"].v == frame["news_flow_v"][0]
    assert found[0].reasons == tuple(frame["reasons"][0].split(","))
    with pytest.raises(dataclasses.FrozenInstanceError):
        found[0].fused = 0.0


def test_generated_texts_mark_the_row(world):
    frame = run(world, posts=world["posts"].with_columns(synthetic=True))
    assert frame["synthetic"].sum() == 3
    assert (frame["reasons"].str.contains("SYNTHETIC_INPUT") == frame["synthetic"]).all()


def test_no_symbol_no_row(world):
    assert_frame_equal(run(world, symbols=[]), TABLES["engines.sentiment"].empty())
    assert ProcessorResult({}, np.zeros(0)).is_proxy is None
