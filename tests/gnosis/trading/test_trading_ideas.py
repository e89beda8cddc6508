from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.tables.trades import VETOES
from gnosis.trading import BARS_LOOKBACK_SESSIONS, IdeaParameters, ideas
from gnosis.trading.trailing import trailing_sigma_d, trailing_windows

SYMBOLS = ["A", "B", "C"]
FIRST = dt.date(2020, 1, 2)
N = 60
WARM = 30
UTC_US = pl.Datetime("us", "UTC")


def days(n: int = N) -> pl.DataFrame:
    return schedule().filter(pl.col("session") >= FIRST).head(n).select("session", "close_at")


def keys(n: int = N) -> pl.DataFrame:
    return days(n).join(pl.DataFrame({"symbol": SYMBOLS}), how="cross").sort("session", "symbol")


def make_bars(n: int = N, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frame = keys(n)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (n, len(SYMBOLS))), axis=0)).ravel()
    frame = frame.with_columns(
        ts="close_at", known_at="close_at", open=pl.Series(closes), high=pl.Series(closes * 1.01),
        low=pl.Series(closes * 0.99), close=pl.Series(closes), volume=1e6, adjustment_factor=1.0,
        provider=pl.lit("bars"), synthetic=False,
    )  # fmt: skip
    return as_table(frame, "raw.equity_bars")


def make_predictions(n: int = N, seed: int = 1, first: int = WARM) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frame = keys(n)
    odds = rng.dirichlet([4, 1, 4], frame.height)
    frame = frame.with_columns(
        as_of="close_at", known_at="close_at", p_down=pl.Series(odds[:, 0]), p_flat=pl.Series(odds[:, 1]),
        p_up=pl.Series(odds[:, 2]), horizon_bars=5, prediction_id=pl.col("symbol") + pl.col("session").cast(pl.String),
        model_version=pl.lit("h5-f0"), model_name=pl.lit("xgboost"), n_missing=0, feature_row_sha256=pl.lit("0"),
        provider=pl.lit("bars+chains"), synthetic=False,
    )  # fmt: skip
    return as_table(frame, "models.predictions").filter(pl.col("session") >= days(n)["session"][first])


def make_elasticity(n: int = N, seed: int = 2) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frame = keys(n)
    frame = frame.with_columns(
        as_of=pl.col("close_at") - pl.duration(minutes=15), known_at=pl.col("close_at") - pl.duration(minutes=15),
        hedge_movement_energy=pl.Series(rng.lognormal(0, 0.4, frame.height)), amplification_regime=pl.lit("neutral"),
        movement_energy_confidence=0.3, confidence=0.3, spot=100.0,
        revaluation=pl.lit("sticky_moneyness"), reasons=pl.lit("DEPTH_PROXY"),
        provider=pl.lit("chains"), synthetic=True,
    )  # fmt: skip
    frame = frame.join(pl.DataFrame({"sign_convention": ["naive", "inverted"]}), how="cross")
    other = pl.col("sign_convention") == "inverted"
    frame = frame.with_columns(hedge_movement_energy=pl.when(other).then(99.0).otherwise("hedge_movement_energy"))
    return as_table(frame, "engines.elasticity")


def as_table(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    schema = TABLES[name].polars_schema
    empty = [pl.lit(None).alias(column) for column in schema if column not in frame.columns]
    return frame.with_columns(empty).select(list(schema)).cast(schema).sort(TABLES[name].key)


def one(**changes: object) -> dict[str, object]:
    """Return the idea of A at the last session after changes to its prediction and elasticity row."""
    last = days()["session"][-1]
    here = (pl.col("session") == last) & (pl.col("symbol") == "A")
    predictions, elasticity, bars = make_predictions(), make_elasticity(), make_bars()
    for name, value in {"p_up": 0.6, "p_down": 0.2, "p_flat": 0.2, **changes}.items():
        if name in predictions.columns:
            predictions = predictions.with_columns(
                pl.when(here).then(pl.lit(value)).otherwise(name).cast(predictions.schema[name]).alias(name)
            )
        if name in elasticity.columns and name not in ("as_of", "known_at"):
            elasticity = elasticity.with_columns(
                pl.when(here).then(pl.lit(value)).otherwise(name).cast(elasticity.schema[name]).alias(name)
            )
    return ideas(predictions, elasticity, bars, IdeaParameters()).filter(here).row(0, named=True)


def test_rows_are_those_of_the_table_one_per_prediction() -> None:
    result = ideas(make_predictions(), make_elasticity(), make_bars(), IdeaParameters())
    table = TABLES["trades.ideas"]
    assert result.schema == table.polars_schema
    table.schema.validate(result)
    assert result.equals(result.sort("session", "symbol"))
    assert result.height == make_predictions().height
    assert set(result["side"]) == {"long", "flat", "short"}


def test_size_is_the_product_of_its_factors() -> None:
    bars, elasticity = make_bars(), make_elasticity()
    closes = bars.filter(pl.col("symbol") == "A")["close"].to_numpy()
    sigma_d = np.std(np.diff(np.log(closes))[-20:], ddof=1)
    energy = elasticity.filter((pl.col("symbol") == "A") & (pl.col("sign_convention") == "naive"))[
        "hedge_movement_energy"
    ].to_numpy()
    row = one(hedge_movement_energy=1.5)
    scale = min(0.10 / (sigma_d * math.sqrt(252)), 1.0)
    median = float(np.median(energy[:-1]))
    assert row["sigma_d"] == pytest.approx(sigma_d, rel=1e-12)
    assert row["volatility_scale"] == pytest.approx(scale, rel=1e-12)
    assert row["energy_scale"] == pytest.approx(median / 1.5, rel=1e-12)
    assert row["target_weight"] == pytest.approx(min(scale * median / 1.5 / 3, 0.10), rel=1e-12)
    assert (row["side"], row["veto"]) == ("long", None)
    assert one(p_up=0.2, p_down=0.6, hedge_movement_energy=1.5)["target_weight"] == -row["target_weight"]


def test_rationale_is_one_sentence_with_units() -> None:
    text = one(hedge_movement_energy=1.5)["rationale"]
    assert text.startswith("Long ")
    for part in ("% of equity from the next open", "P(up) 60.0 % against P(down) 20.0 % over 5 sessions", "% a year"):
        assert part in text
    assert "movement energy 1.5 against a median of" in text
    assert "59 earlier sessions" in text
    assert text.endswith(").") and text.count("\n") == 0


@pytest.mark.parametrize(
    ("changes", "veto", "words"),
    [
        ({"p_up": None, "abstain_reason": "no_model"}, "no_prediction", "no prediction (no_model)"),
        ({"amplification_regime": "storm"}, "storm", "regime storm"),
        ({"movement_energy_confidence": 0.09}, "low_confidence", "0.09, below the floor of 0.1"),
        ({"p_up": 0.42, "p_down": 0.38}, "no_edge", "difference of 4.0 points, inside the threshold of 5 points"),
        # The first veto in the fixed order counts.
        ({"amplification_regime": "storm", "movement_energy_confidence": 0.0, "p_up": 0.2}, "storm", "storm"),
        ({"movement_energy_confidence": 0.0, "p_up": 0.2}, "low_confidence", "confidence"),
        ({"p_up": None, "amplification_regime": "storm"}, "no_prediction", "no prediction"),
    ],
)
def test_vetoes(changes: dict[str, object], veto: str, words: str) -> None:
    row = one(**changes)
    assert (row["side"], row["veto"], row["target_weight"]) == ("flat", veto, 0.0)
    assert words in row["rationale"]
    assert row["rationale"].startswith("Flat: ")


def test_every_veto_can_occur() -> None:
    seen = {
        one(**changes)["veto"]
        for changes in (
            {"p_up": None},
            {"model_state": "stale"},
            {"amplification_regime": "storm"},
            {"movement_energy_confidence": 0.0},
            {"p_up": 0.2},
        )
    }
    short = ideas(make_predictions(first=5), make_elasticity(), make_bars(), IdeaParameters())
    seen |= set(short["veto"].drop_nulls())
    assert seen == set(VETOES)
    assert short.filter(pl.col("session") < days()["session"][20])["veto"].is_in(["no_volatility"]).all()


def test_constant_prices_have_no_volatility() -> None:
    bars = make_bars().with_columns(close=pl.lit(100.0))
    result = ideas(make_predictions(), make_elasticity(), bars, IdeaParameters())
    assert (result["veto"] == "no_volatility").all()


def test_an_old_bar_tells_no_volatility() -> None:
    day = days()["session"]
    for age, expected in ((5, False), (12, True)):
        bars = make_bars().filter((pl.col("session") <= day[-1] - dt.timedelta(days=age)) | (pl.col("symbol") != "A"))
        row = ideas(make_predictions(), make_elasticity(), bars, IdeaParameters()).filter(
            (pl.col("session") == day[-1]) & (pl.col("symbol") == "A")
        )
        assert (row["veto"].item() == "no_volatility") == expected


def test_unknown_energy_leaves_the_size_and_is_mentioned() -> None:
    row = one(hedge_movement_energy=None)
    assert row["energy_scale"] == 1.0
    assert "unknown, so it does not change the size" in row["rationale"]
    short = ideas(
        make_predictions(),
        make_elasticity().filter(pl.col("session") >= days()["session"][50]),
        make_bars(),
        IdeaParameters(),
    )
    late = short.filter(pl.col("session") >= days()["session"][50])
    assert (late["energy_scale"] == 1.0).all()


def test_no_elasticity_row_is_no_confidence_unless_allowed() -> None:
    empty = make_elasticity().clear()
    strict = ideas(make_predictions(), empty, make_bars(), IdeaParameters())
    assert set(strict["veto"].drop_nulls()) == {"low_confidence"}
    assert strict["rationale"].str.contains("confidence in the elasticity row is unknown").all()
    free = ideas(make_predictions(), empty, make_bars(), IdeaParameters(requires_elasticity=False))
    assert set(free["veto"].drop_nulls()) == {"no_edge"}
    assert not free["synthetic"].any()
    assert (free["provider"] == "bars+chains").all()


def test_rows_known_after_the_decision_count_as_missing() -> None:
    elasticity, bars = make_elasticity(), make_bars()
    last = pl.col("session") == days()["session"][-1]
    late = pl.col("known_at") + pl.duration(minutes=20)
    delayed = elasticity.with_columns(known_at=pl.when(last).then(late).otherwise("known_at"))
    result = ideas(make_predictions(), delayed, bars, IdeaParameters()).filter(last)
    assert set(result["veto"].drop_nulls()) == {"low_confidence"}
    assert (result["known_at"] <= result["as_of"]).all()
    # A bar of the past that was corrected later keeps every window with it unusable until then.
    middle = pl.col("session") == days()["session"][45]
    corrected = bars.with_columns(
        known_at=pl.when(middle).then(pl.col("known_at") + pl.duration(days=1)).otherwise("known_at")
    )
    result = ideas(make_predictions(), elasticity, corrected, IdeaParameters())
    assert (result["known_at"] <= result["as_of"]).all()
    before = ideas(make_predictions(), elasticity, bars, IdeaParameters())
    day = days()["session"]
    assert not result.filter(pl.col("session") == day[45])["sigma_d"].equals(
        before.filter(pl.col("session") == day[45])["sigma_d"]
    )
    assert result.filter(pl.col("session") == day[46])["sigma_d"].equals(
        before.filter(pl.col("session") == day[46])["sigma_d"]
    )


def test_history_that_sets_the_size_leaves_its_origin() -> None:
    early = pl.col("session") < days()["session"][40]
    elasticity = make_elasticity().with_columns(
        synthetic=early, provider=pl.when(early).then(pl.lit("simulate")).otherwise(pl.lit("chains"))
    )
    bars = make_bars().with_columns(provider=pl.when(early).then(pl.lit("archive")).otherwise(pl.lit("bars")))
    last = days()["session"][-1]

    def origin(parameters: IdeaParameters, bars: pl.DataFrame = bars) -> list[tuple[object, ...]]:
        found = ideas(make_predictions(), elasticity, bars, parameters).filter(pl.col("session") == last)
        return found.select("provider", "synthetic").unique().rows()

    # The median of today's size rests on generated rows, whatever today's own row says.
    assert origin(IdeaParameters()) == [("archive+bars+chains+simulate", True)]
    assert origin(IdeaParameters(energy_sessions=19, energy_min_sessions=5)) == [("archive+bars+chains", False)]
    recent = bars.with_columns(provider=pl.lit("bars"))
    assert origin(IdeaParameters(energy_sessions=19, energy_min_sessions=5), recent) == [("bars+chains", False)]
    # Too few energies for a median: the history is not used, and not named.
    assert origin(IdeaParameters(energy_min_sessions=60), recent) == [("bars+chains", False)]


@pytest.mark.parametrize("cut", [30, 44, 58])
def test_what_happens_later_changes_nothing_before(cut: int) -> None:
    frames = make_predictions(), make_elasticity(), make_bars()
    day = days()["session"][cut]
    past, later = pl.col("session") <= day, pl.col("session") > day
    whole = ideas(*frames, IdeaParameters()).filter(past)
    truncated = ideas(*(frame.filter(past) for frame in frames), IdeaParameters())
    assert whole.equals(truncated)
    regime = frames[1].schema["amplification_regime"]

    def poison(name: str, value: object) -> pl.Expr:
        return pl.when(later).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)

    storm = pl.when(later).then(pl.lit("storm", dtype=regime)).otherwise("amplification_regime")
    poisons = [
        [poison("p_up", 0.99)],
        [poison("hedge_movement_energy", 1e9), storm.alias("amplification_regime")],
        [poison("close", 1e-3), poison("adjustment_factor", 7.0)],
    ]
    poisoned = ideas(
        *(frame.with_columns(columns) for frame, columns in zip(frames, poisons, strict=True)), IdeaParameters()
    )
    assert whole.equals(poisoned.filter(past))


@pytest.mark.parametrize("gaps", [0.0, 0.15])
def test_one_night_equals_the_backfill_bit_for_bit(gaps: float) -> None:
    rng = np.random.default_rng(11)
    predictions, elasticity, bars = make_predictions(), make_elasticity(), make_bars()
    elasticity = elasticity.filter(pl.Series(rng.random(elasticity.height) >= gaps))
    bars = bars.filter(pl.Series(rng.random(bars.height) >= gaps))
    short = IdeaParameters(energy_sessions=10, energy_min_sessions=3)
    backfill = ideas(predictions, elasticity, bars, short)
    day = days()["session"]
    for number in (45, 52, 59):
        past = [
            pl.col("session").is_between(day[number - back], day[number]) for back in (0, 10, BARS_LOOKBACK_SESSIONS)
        ]
        night = ideas(predictions.filter(past[0]), elasticity.filter(past[1]), bars.filter(past[2]), short)
        assert night.equals(backfill.filter(past[0]))
        assert night["veto"].null_count() > 0


def test_order_of_rows_does_not_matter() -> None:
    frames = make_predictions(), make_elasticity(), make_bars()
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=5) for frame in frames]
    assert ideas(*frames, IdeaParameters()).equals(ideas(*shuffled, IdeaParameters()))


@given(st.floats(0.0, 0.5), st.floats(0.0, 0.5))
@settings(max_examples=15, deadline=None)
def test_a_bigger_edge_is_never_smaller(first: float, second: float) -> None:
    low, high = sorted((first, second))
    small, large = (one(p_up=0.5 + edge / 2, p_down=0.5 - edge / 2, p_flat=0.0) for edge in (low, high))
    assert abs(large["target_weight"]) >= abs(small["target_weight"])


@given(st.floats(0.01, 50.0), st.floats(0.01, 50.0))
@settings(max_examples=15, deadline=None)
def test_more_movement_energy_is_never_bigger(first: float, second: float) -> None:
    low, high = (one(hedge_movement_energy=energy) for energy in sorted((first, second)))
    assert high["target_weight"] <= low["target_weight"]
    assert 0.5 <= high["energy_scale"] <= low["energy_scale"] <= 1.0


def test_twice_the_volatility_is_half_the_scale() -> None:
    bars = make_bars()
    doubled = bars.with_columns(close=100 * (pl.col("close") / 100) ** 2)
    wide = IdeaParameters(max_volatility_scale=10.0, max_weight=10.0)
    calm, wild = (ideas(make_predictions(), make_elasticity(), frame, wide) for frame in (bars, doubled))
    ratio = (calm["volatility_scale"] / wild["volatility_scale"]).to_numpy()
    assert np.abs(ratio - 2).max() < 1e-9


def test_gross_never_exceeds_equity_and_names_keep_their_cap() -> None:
    result = ideas(make_predictions(), make_elasticity(), make_bars(), IdeaParameters(target_volatility_per_year=9.0))
    assert result["target_weight"].abs().max() == 0.10
    wide = IdeaParameters(target_volatility_per_year=9.0, max_weight=1.0)
    gross = (
        ideas(make_predictions(), make_elasticity(), make_bars(), wide)
        .group_by("session")
        .agg(pl.col("target_weight").abs().sum())
    )
    assert gross["target_weight"].max() <= 1 + 1e-12


def test_bad_inputs_are_refused_with_what_was_found() -> None:
    predictions, elasticity, bars = make_predictions(), make_elasticity(), make_bars()
    with pytest.raises(ValueError, match=r"expected the columns of engines.elasticity, missing \['confidence'\]"):
        ideas(predictions, elasticity.drop("confidence"), bars, IdeaParameters())
    with pytest.raises(ValueError, match=r"in raw.equity_bars, found 360 rows that share a key"):
        ideas(predictions, elasticity, pl.concat([bars, bars]), IdeaParameters())
    two = pl.concat([predictions, predictions.with_columns(horizon_bars=pl.lit(1, dtype=pl.Int64))])
    with pytest.raises(ValueError, match=r"one horizon, found \[1, 5\]: choose one"):
        ideas(two, elasticity, bars, IdeaParameters())
    assert ideas(two, elasticity, bars, IdeaParameters(horizon_bars=1)).height == predictions.height
    with pytest.raises(ValueError, match=r"horizon_bars 20, found \[5\]"):
        ideas(predictions, elasticity, bars, IdeaParameters(horizon_bars=20))
    with pytest.raises(ValueError, match="expected max_weight between 0 and 10, found nan"):
        IdeaParameters(max_weight=math.nan)


def test_trailing_windows_stay_within_a_symbol() -> None:
    values = np.arange(10.0)
    symbols = np.repeat([0, 1], 5)
    windows = trailing_windows(values, symbols, 3)
    whole = ~np.isnan(windows).any(axis=1)
    assert whole.tolist() == [False, False, True, True, True] * 2
    assert trailing_windows(values[:0], symbols[:0], 3).shape == (0, 3)
    assert np.isnan(trailing_sigma_d(np.exp(values), symbols)).all()


def test_a_degraded_model_halves_the_size_and_a_stale_one_is_not_believed() -> None:
    whole, half, none = (one(model_state=state) for state in ("ok", "degraded", "stale"))
    assert half["target_weight"] == pytest.approx(whole["target_weight"] / 2)
    assert half["model_scale"] == 0.5 and "degraded by drift (size x 0.5)" in half["rationale"]
    assert none["veto"] == "stale_model" and none["target_weight"] == 0.0
