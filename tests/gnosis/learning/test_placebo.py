"""Placebo labels: outcomes of other sessions, in whole blocks, for the same rows."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.learning.placebo import BARRIERS, OUTCOMES, PlaceboError, placebo_labels
from gnosis.sessions import schedule

DAYS = schedule().filter(pl.col("session") <= dt.date(2019, 6, 28)).tail(407)
SYMBOLS = 4


def dataset(horizon=5, n=407, unknown=7):
    """Outcomes that tell which row they are of; the last sessions have none yet."""
    days = DAYS.tail(n)
    keys = days.select("session", "close_at").join(
        pl.DataFrame({"symbol": [f"S{at}" for at in range(SYMBOLS)]}), how="cross"
    )
    number = np.arange(keys.height)
    is_known = pl.Series(number < keys.height - unknown * SYMBOLS)
    ambiguous = pl.Series(number % 11 == 0)
    when, met = pl.when(is_known), pl.when(is_known & ~ambiguous)
    return keys.select(
        "session",
        "symbol",
        horizon_bars=pl.lit(horizon, pl.Int64),
        t1=when.then("close_at"),
        sigma_bar=pl.Series(number / 1e4),
        y_ret=when.then(pl.Series(number.astype(float))),
        y_dir=when.then(pl.Series((number % 3 - 1).astype(np.int8))),
        y_mag=when.then(pl.Series(number + 0.25)),
        y_vol=when.then(pl.Series(number + 0.5)),
        barrier_outcome=met.then(pl.Series((number % 3 - 1).astype(np.int8))),
        barrier_exit_price=met.then(pl.Series(number + 0.75)),
        barrier_return=met.then(pl.Series(-number.astype(float))),
        barrier_t1=met.then("close_at"),
        barrier_reason=pl.when(is_known & ambiguous).then(pl.lit("ambiguous_bar")),
        side=when.then(pl.Series(np.ones(number.size, dtype=np.int8))),
        y_meta=met.then(pl.Series((number % 2).astype(np.int8))),
    )


def sources(rows, placebo, horizon):
    """Number of the session whose outcome each session took, for each session of the placebo with outcomes."""
    first = rows.filter(pl.col("horizon_bars") == horizon)
    of_value = dict(zip(first["y_ret"], first["session"], strict=True))
    number = {day: at for at, day in enumerate(first["session"].unique().sort())}
    known = placebo.filter((pl.col("horizon_bars") == horizon) & pl.col("y_ret").is_not_null())
    pairs = [(number[row["session"]], number[of_value[row["y_ret"]]]) for row in known.iter_rows(named=True)]
    return np.array(sorted(set(pairs)))


def test_whole_blocks_change_places():
    rows = dataset()
    place, source = sources(rows, placebo_labels(rows, seed=3), 5).T
    # 400 sessions with an outcome are 20 blocks of 20.
    assert place.tolist() == list(range(400))
    assert sorted(source) == list(range(400))
    blocks = source.reshape(20, 20)
    assert (np.diff(blocks, axis=1) == 1).all()
    assert (blocks[:, 0] % 20 == 0).all()
    assert (np.abs(source - place) >= 20).all()


def test_symbols_move_together_and_each_outcome_as_a_whole():
    rows = dataset()
    placebo = placebo_labels(rows, seed=3)
    assert placebo.columns == rows.columns
    whole = rows.select("symbol", *OUTCOMES).drop_nulls()
    moved = placebo.select("symbol", *OUTCOMES).drop_nulls()
    assert moved.sort("y_ret").equals(whole.sort("y_ret"))
    kept = ["session", "symbol", "t1", "sigma_bar", "barrier_t1"]
    assert placebo.select(kept).equals(rows.select(kept))


def test_barriers_move_where_the_row_has_an_end():
    placebo = placebo_labels(dataset(), seed=3).filter(pl.col("y_ret").is_not_null())
    endless = placebo.filter(pl.col("barrier_t1").is_null())
    assert endless.select(BARRIERS).null_count().row(0) == (endless.height,) * len(BARRIERS)
    assert endless["barrier_reason"].unique().to_list() == ["ambiguous_bar"]
    met = placebo.filter(pl.col("barrier_exit_price").is_not_null())
    assert (met["barrier_exit_price"] - met["y_ret"]).unique().to_list() == [0.75]
    without = placebo.filter(pl.col("barrier_t1").is_not_null() & pl.col("barrier_outcome").is_null())
    assert without["barrier_reason"].unique().to_list() == ["ambiguous_bar"]


def test_unknown_outcomes_stay_unknown():
    rows = dataset()
    unknown = rows.filter(pl.col("y_dir").is_null())
    placebo = placebo_labels(rows, seed=3)
    assert placebo.filter(pl.col("session").is_in(unknown["session"].implode())).equals(unknown)


def test_the_seed_decides():
    rows = dataset()
    assert placebo_labels(rows, seed=3).equals(placebo_labels(rows.reverse(), seed=3))
    assert not placebo_labels(rows, seed=3).equals(placebo_labels(rows, seed=4))


def test_horizons_are_exchanged_by_themselves():
    rows = pl.concat([dataset(5), dataset(20, unknown=20)])
    placebo = placebo_labels(rows, seed=1)
    place, source = sources(rows, placebo, 20).T
    # 387 sessions with an outcome are 4 blocks of 80, and the first 67 are left out.
    assert place.tolist() == list(range(67, 387))
    assert (np.abs(source - place) >= 80).all()


def test_a_row_without_a_partner_is_left_out():
    rows = dataset()
    gone = rows.filter(~((pl.col("symbol") == "S1") & (pl.col("session") == rows["session"][200 * SYMBOLS])))
    placebo = placebo_labels(gone, seed=3)
    # Neither the row that would have taken the missing outcome, nor the missing row itself.
    assert placebo.height == rows.height - 2
    assert placebo.filter(pl.col("symbol") == "S1")["y_ret"].is_duplicated().sum() == 7


def test_two_blocks_are_the_least():
    assert placebo_labels(dataset(n=47), seed=0).height == 47 * SYMBOLS
    with pytest.raises(PlaceboError, match="at least 40 sessions for horizon 5, found 39"):
        placebo_labels(dataset(n=46), seed=0)
