"""Meta-labels: L-2.8."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning.bar_grid import BarsError
from gnosis.learning.decisions import known_at_decision
from gnosis.learning.labels import LOOKBACK_SESSIONS, labels
from gnosis.learning.meta_labels import meta_labels
from tests.gnosis.learning.daily_bars import bars_of, walk_bars


def asked(side: int, outcome: int, log_return: float, cost_bps: float = 10.0) -> int:
    arrays = np.array([side], dtype=np.int8), np.array([outcome], dtype=np.int8), np.array([log_return])
    return int(meta_labels(*arrays, cost_bps)[0])


@pytest.mark.parametrize(
    ("side", "outcome", "log_return", "expected"),
    [
        (1, 1, 0.02, 1),
        (1, -1, -0.02, 0),
        (-1, -1, -0.02, 1),
        (-1, 1, 0.02, 0),
        (1, 0, 0.0011, 1),
        (1, 0, 0.0009, 0),
        (-1, 0, -0.0011, 1),
        (-1, 0, -0.0009, 0),
        (-1, 0, 0.0011, 0),
        (1, 0, np.nan, -1),
        (0, 1, 0.02, -1),
        (0, 0, 0.02, -1),
        # Between the entry and a near barrier there is less than the cost: the target was met all the same.
        (1, 1, 0.0005, 1),
    ],
)
def test_what_was_worth_taking(side: int, outcome: int, log_return: float, expected: int) -> None:
    assert asked(side, outcome, log_return) == expected


def test_the_cost_is_in_basis_points() -> None:
    assert [asked(1, 0, 0.0011, bps) for bps in (0.0, 10.9, 11.1)] == [1, 1, 0]
    with pytest.raises(ValueError, match="0 basis points or more"):
        asked(1, 0, 0.0, -1.0)
    with pytest.raises(ValueError, match="found nan"):
        labels(walk_bars(30, 1), round_trip_cost_bps=float("nan"))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 100))
def test_every_label_equals_that_of_a_slow_twin(seed: int, cost_bps: float) -> None:
    bars = pl.concat([walk_bars(110, seed), walk_bars(110, seed + 1, "XYZ").filter(pl.int_range(pl.len()) != 70)])
    calendar = sorted(bars["session"].unique())
    close = {(row["symbol"], row["session"]): row["close"] for row in bars.iter_rows(named=True)}
    for row in labels(bars, horizons=(5,), round_trip_cost_bps=cost_bps).iter_rows(named=True):
        at = calendar.index(row["signal_session"])
        now, then = close.get((row["symbol"], calendar[at])), close.get((row["symbol"], calendar[at - 20]))
        side = None if at < 20 or now is None or then is None or now == then else 1 if now > then else -1
        assert row["side"] == side
        outcome = row["barrier_outcome"]
        if side is None or outcome is None:
            expected = None
        elif outcome == 0:
            expected = int(side * row["barrier_return"] > cost_bps / 10_000)
        else:
            expected = int(outcome == side)
        assert row["y_meta"] == expected


def test_a_decision_knows_side_and_scale_before_its_label() -> None:
    bars = pl.concat([walk_bars(80, 3), walk_bars(60, 4, "XYZ")])
    now = known_at_decision(bars.sample(fraction=1.0, shuffle=True, seed=1))
    assert now.select("session", "symbol").equals(bars.select("session", "symbol").sort("session", "symbol"))
    known = labels(bars, horizons=(5,)).select("symbol", "side", "sigma_bar", session="signal_session")
    both = known.join(now, on=["session", "symbol"], how="left", suffix="_now", maintain_order="left")
    assert both["side"].equals(both["side_now"]) and both["side"].null_count() == 40
    assert both["sigma_bar"].equals(both["sigma_bar_now"]) and both["sigma_bar"].count() == 15
    days = bars["session"].unique().sort()
    past = pl.col("session") <= days[65]
    assert known_at_decision(bars.filter(past)).equals(now.filter(past))
    assert known_at_decision(bars, [days[50]]).equals(now.filter(session=days[50]))


def test_one_night_knows_what_the_backfill_knows() -> None:
    bars = walk_bars(LOOKBACK_SESSIONS + 50, 6)
    tonight = bars["session"][-10]
    first = bars["session"][-10 - LOOKBACK_SESSIONS]
    night = bars.filter(pl.col("session").is_between(first, tonight))
    assert known_at_decision(night, [tonight]).equals(known_at_decision(bars, [tonight]))


def test_rounding_of_a_factor_is_no_trend() -> None:
    factor = [1.0] * 15 + [1.2] * 15
    prices = [9.7 / each for each in factor]
    bars = bars_of(prices, prices, factor)
    assert (bars["close"] * bars["adjustment_factor"]).n_unique() > 1
    assert known_at_decision(bars)["side"].null_count() == 30
    assert known_at_decision(bars_of(prices, prices))["side"].to_list()[20:] == [-1] * 10


def test_no_bars_and_bad_bars() -> None:
    empty = known_at_decision(walk_bars(5, 5).clear())
    assert empty.schema == known_at_decision(walk_bars(5, 5)).schema and empty.is_empty()
    with pytest.raises(BarsError, match="close"):
        known_at_decision(walk_bars(5, 5).drop("close"))
