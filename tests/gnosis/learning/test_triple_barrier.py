"""Triple barriers: L-2.7 and vector V4, against a slow twin, and bars of minutes that decide."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning.finer_bars import decided_by_finer_bars
from gnosis.learning.labels import labels
from gnosis.learning.triple_barrier import barriers
from gnosis.learning.triple_barrier_kernel import BOTH, LOWER, NEITHER, UPPER, touched
from gnosis.sessions import schedule
from tests.gnosis.learning.daily_bars import bars_of, minute_bars, v4_bars, walk_bars


def test_barriers_of_the_specification() -> None:
    upper, lower = barriers(np.array([101.0]), np.array([0.012]), 5)
    assert upper[0] == pytest.approx(103.74680179581665, rel=1e-9)
    assert lower[0] == pytest.approx(98.32592256748808, rel=1e-9)
    bars = v4_bars()
    days = bars["session"].to_list()
    known = labels(bars, horizons=(5,), min_observations=1).filter(pl.col("signal_session") == days[60])
    assert known["sigma_bar"].item() == pytest.approx(0.012, rel=1e-9)
    assert known["barrier_outcome"].item() == 1
    assert known["barrier_exit_price"].item() == pytest.approx(103.74680179581665, rel=1e-9)
    assert known["barrier_return"].item() == pytest.approx(0.012 * math.sqrt(5), rel=1e-9)
    close_at = dict(schedule().select("session", "close_at").iter_rows())
    assert known["barrier_t1"].item() == close_at[days[64]]
    assert known["t1"].item() == close_at[days[65]]


@pytest.mark.parametrize(
    ("bar", "side", "price"),
    [
        ((100.0, 103.0, 97.0), BOTH, math.nan),
        ((102.5, 103.0, 97.0), UPPER, 102.5),
        ((97.5, 103.0, 97.0), LOWER, 97.5),
        ((100.0, 102.0, 99.0), UPPER, 102.0),
        ((100.0, 101.0, 98.0), LOWER, 98.0),
        ((100.0, 101.9, 98.1), NEITHER, math.nan),
        ((102.0, 102.0, 101.0), UPPER, 102.0),
    ],
)
def test_one_bar(bar: tuple[float, float, float], side: int, price: float) -> None:
    assert touched(*bar, 102.0, 98.0) == pytest.approx((side, price), nan_ok=True)


def twin(days: list[dict | None], sigma: float | None, width: tuple[float, float]) -> tuple:
    """Outcome, exit price, log return, number of the deciding session and reason, by the words of L-2.7."""
    entry = upper = lower = None
    for number, day in enumerate(days):
        if day is None:
            return None, None, None, None, "gap"
        if day["volume"] == 0.0 and day["high"] == day["low"]:
            return None, None, None, None, "halted"
        if sigma is None:
            return None, None, None, None, "warmup_sigma"
        open_, high, low, close = (day[name] * day["adjustment_factor"] for name in ("open", "high", "low", "close"))
        if number == 0:
            entry = open_
            upper = entry * math.exp(width[0] * sigma * math.sqrt(len(days)))
            lower = entry * math.exp(-width[1] * sigma * math.sqrt(len(days)))
        if open_ >= upper:
            return 1, open_, math.log(open_ / entry), number, None
        if open_ <= lower:
            return -1, open_, math.log(open_ / entry), number, None
        if high >= upper and low <= lower:
            return None, None, None, None, "ambiguous_bar"
        if high >= upper:
            return 1, upper, math.log(upper / entry), number, None
        if low <= lower:
            return -1, lower, math.log(lower / entry), number, None
    return 0, close, math.log(close / entry), len(days) - 1, None


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**31), st.sampled_from([1, 3, 7]), st.floats(0.3, 2.0), st.floats(0.3, 2.0), st.sampled_from([1, 7])
)
def test_every_label_equals_that_of_a_slow_twin(seed: int, h: int, up: float, down: float, ratio: int) -> None:
    rng = np.random.default_rng(seed)
    bars = walk_bars(80, seed, spread=0.01)
    after = pl.int_range(pl.len()) >= 50
    split = pl.when(after).then(pl.lit(float(ratio))).otherwise(pl.lit(1.0))
    bars = bars.with_columns(
        pl.col("open", "high", "low", "close") / split,
        adjustment_factor=split,
        is_halted=pl.Series(rng.random(80) < 0.03),
    )
    halted = pl.when("is_halted")
    bars = bars.with_columns(
        *[halted.then("close").otherwise(name).alias(name) for name in ("open", "high", "low")],
        volume=halted.then(0.0).otherwise("volume"),
    )
    kept = np.append(rng.random(79) > 0.03, True)
    by_day = {row["session"]: row for row in bars.filter(pl.Series(kept)).iter_rows(named=True)}
    calendar = bars["session"].to_list()
    close_at = dict(schedule().select("session", "close_at").iter_rows())
    known = labels(bars.filter(pl.Series(kept)), horizons=(h,), min_observations=10, upper_width=up, lower_width=down)
    assert known["signal_session"].to_list() == [
        day for day in calendar[: 80 - h] if day in by_day and day >= min(by_day)
    ]
    for row in known.iter_rows(named=True):
        at = calendar.index(row["signal_session"])
        held = calendar[at + 1 : at + h + 1]
        outcome, price, log_return, number, reason = twin(
            [by_day.get(day) for day in held], row["sigma_bar"], (up, down)
        )
        assert (row["barrier_outcome"], row["barrier_reason"]) == (outcome, reason)
        assert row["barrier_t1"] == (None if number is None else close_at[held[number]])
        if price is None:
            assert row["barrier_exit_price"] is None and row["barrier_return"] is None
        else:
            assert row["barrier_exit_price"] == pytest.approx(price, rel=1e-12)
            assert row["barrier_return"] == pytest.approx(log_return, rel=1e-9, abs=1e-13)


def test_a_barrier_met_before_a_gap_counts() -> None:
    bars = v4_bars()
    days = bars["session"].to_list()
    first = pl.col("signal_session") == days[60]
    late = labels(
        bars.filter(pl.col("session") != days[65]).vstack(bars.tail(1).with_columns(symbol=pl.lit("XYZ"))),
        horizons=(5,),
        min_observations=1,
    ).filter(first)
    assert (late["reason"].item(), late["barrier_reason"].item(), late["barrier_outcome"].item()) == ("gap", None, 1)
    early = labels(bars.filter(pl.col("session") != days[63]), horizons=(5,), min_observations=1).filter(first)
    assert (early["barrier_reason"].item(), early["barrier_outcome"].item()) == ("gap", None)


def torn_bars(factor: float = 1.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars whose last session touches both barriers of a horizon of one session, and that session alone."""
    close = [100.0 * math.exp(0.01 * (at % 2)) for at in range(70)]
    high = [*close[:-1], close[-1] * 1.05]
    low = [*close[:-1], close[-1] * 0.95]
    bars = bars_of(close, close, high=high, low=low, factor=[1.0] * 60 + [factor] * 10)
    bars = bars.with_columns(pl.col("open", "high", "low", "close") / pl.col("adjustment_factor"))
    return bars, bars.tail(1)


def last_label(bars: pl.DataFrame, intraday: pl.DataFrame | None) -> dict:
    return labels(bars, horizons=(1,), intraday=intraday).tail(1).row(0, named=True)


@pytest.mark.parametrize(("is_high_first", "outcome"), [(True, 1), (False, -1)])
@pytest.mark.parametrize("factor", [1.0, 7.0])
def test_minutes_decide_which_barrier_came_first(is_high_first: bool, outcome: int, factor: float) -> None:
    bars, day = torn_bars(factor)
    alone = last_label(bars, None)
    assert (alone["barrier_outcome"], alone["barrier_reason"], alone["y_meta"]) == (None, "ambiguous_bar", None)
    decided = last_label(bars, minute_bars(day, 5, [is_high_first]))
    assert (decided["barrier_outcome"], decided["barrier_reason"]) == (outcome, None)
    assert decided["barrier_return"] == pytest.approx(outcome * decided["sigma_bar"], rel=1e-9)
    assert decided["barrier_t1"] == decided["t1"]
    changed = {name for name in decided if decided[name] != alone[name]}
    assert changed <= {
        "barrier_outcome",
        "barrier_reason",
        "barrier_exit_price",
        "barrier_return",
        "barrier_t1",
        "y_meta",
        "known_at",
        "provider",
    }


def test_minutes_that_decide_are_part_of_the_origin() -> None:
    bars, day = torn_bars()
    minutes = minute_bars(day, 5, [True]).with_columns(synthetic=True, provider=pl.lit("other+minutes"))
    decided = last_label(bars, minutes)
    assert decided["provider"] == "minutes+other+vendor"
    assert decided["synthetic"] is True
    assert decided["known_at"] == minutes["known_at"].max()
    untouched = labels(bars, horizons=(1,), intraday=minutes).head(-1)
    assert untouched.equals(labels(bars, horizons=(1,)).head(-1))


def test_no_answer_from_minutes_that_cannot_tell() -> None:
    bars, day = torn_bars()
    both_at_once = minute_bars(day, 5, [True], is_torn=True)
    assert last_label(bars, both_at_once)["barrier_reason"] == "ambiguous_bar"
    whole = minute_bars(day, 5, [True])
    assert last_label(bars, whole.tail(-1))["barrier_reason"] == "ambiguous_bar"
    assert last_label(bars, whole.head(1))["barrier_reason"] == "ambiguous_bar"
    silent = whole.with_columns(high="open", low="open")
    assert last_label(bars, silent)["barrier_reason"] == "ambiguous_bar"
    # A bar missing after the touch leaves the answer as it is.
    assert last_label(bars, whole.head(2))["barrier_outcome"] == 1
    assert last_label(bars, whole.with_columns(symbol=pl.lit("XYZ")))["barrier_reason"] == "ambiguous_bar"


def test_the_finest_complete_bars_decide() -> None:
    bars, day = torn_bars()
    coarse, fine = minute_bars(day, 5, [True], is_torn=True), minute_bars(day, 1, [False])
    assert last_label(bars, pl.concat([coarse, fine]))["barrier_outcome"] == -1
    told_by_both = pl.concat([minute_bars(day, 5, [True]), fine])
    assert last_label(bars, told_by_both.sample(fraction=1.0, shuffle=True, seed=1))["barrier_outcome"] == -1
    with_hole = pl.concat([minute_bars(day, 5, [True]), fine.tail(-1)])
    assert last_label(bars, with_hole)["barrier_outcome"] == 1


def test_minutes_that_open_beyond_a_barrier_are_left_at_their_open() -> None:
    bars, day = torn_bars()
    jump = pl.when(pl.int_range(pl.len()) == 1).then(pl.col("high")).otherwise("open")
    minutes = minute_bars(day, 5, [True]).with_columns(open=jump)
    decided = last_label(bars, minutes)
    assert decided["barrier_exit_price"] == pytest.approx(day["high"].item())


def test_minutes_of_another_form_are_refused() -> None:
    bars, day = torn_bars()
    with pytest.raises(ValueError, match="frequency"):
        labels(bars, intraday=minute_bars(day, 5, [True]).drop("frequency"))


def test_nothing_asked_is_nothing_answered() -> None:
    _, day = torn_bars()
    schema = {
        "row": pl.Int64,
        "symbol": pl.String,
        "session": pl.Date,
        "open_at": pl.Datetime("us", "UTC"),
        "adjustment_factor": pl.Float64,
        "upper": pl.Float64,
        "lower": pl.Float64,
    }
    assert decided_by_finer_bars(pl.DataFrame(schema=schema), minute_bars(day, 5, [True])).is_empty()
