"""Folds: section 4 and vector V9 of the learning specification."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning.folds import FoldsError, folds_frame, walk_forward
from gnosis.learning.purging import meets
from gnosis.sessions import schedule
from gnosis.tables import TABLES


def rows_of(n_sessions: int, horizon: int = 5, n_symbols: int = 1, first_labelled: int = 0) -> pl.DataFrame:
    """Rows whose label is known ``horizon`` sessions later, the last ones not yet."""
    days = schedule().filter(pl.col("session") >= dt.date(2012, 1, 3)).head(n_sessions)
    one = days.select(
        "session",
        as_of="close_at",
        t1=pl.col("close_at").shift(-horizon),
        label_known_at=pl.col("close_at").shift(-horizon) + pl.duration(hours=2),
        y_dir=pl.when(pl.col("close_at").shift(-horizon).is_not_null() & (pl.int_range(pl.len()) >= first_labelled))
        .then(pl.int_range(pl.len()) % 3 - 1)
        .cast(pl.Int8),
        horizon_bars=pl.lit(horizon, pl.Int64),
        synthetic=pl.lit(False),
        label_synthetic=pl.lit(False),
    )
    symbols = pl.DataFrame({"symbol": [f"S{at}" for at in range(n_symbols)]})
    return one.join(symbols, how="cross").sort("horizon_bars", "session", "symbol")


def spans(folds, part: str) -> list[tuple[int, int]]:
    return [(int(getattr(fold, part)[0]), int(getattr(fold, part)[-1])) for fold in folds]


def test_walk_forward_of_the_specification() -> None:
    rolling = walk_forward(rows_of(1000), 500, 100, 100)
    assert spans(rolling, "test") == [(500, 599), (600, 699), (700, 799), (800, 899), (900, 999)]
    assert spans(rolling, "train") == [(0, 494), (100, 594), (200, 694), (300, 794), (400, 894)]
    anchored = walk_forward(rows_of(1000), 500, 100, 100, anchored=True)
    assert spans(anchored, "train") == [(0, 494), (0, 594), (0, 694), (0, 794), (0, 894)]
    assert [fold.n_purged for fold in rolling] == [5] * 5
    assert [fold.n_embargoed for fold in rolling] == [0] * 5
    assert [fold.is_complete for fold in rolling] == [True] * 4 + [False]


@settings(max_examples=40, deadline=None)
@given(
    n_sessions=st.integers(30, 160),
    horizon=st.sampled_from([1, 5, 20]),
    train=st.integers(21, 60),
    test=st.integers(1, 20),
    extra=st.integers(0, 10),
    n_symbols=st.integers(1, 3),
    anchored=st.booleans(),
)
def test_no_training_interval_meets_the_test_hull(n_sessions, horizon, train, test, extra, n_symbols, anchored) -> None:
    rows = rows_of(n_sessions, horizon, n_symbols)
    t0, t1 = (rows[name].dt.epoch("us").fill_null(2**62).to_numpy() for name in ("as_of", "t1"))
    seen: set[int] = set()
    for fold in walk_forward(rows, train, test, test + extra, anchored=anchored):
        hull = t0[fold.test].min(), t1[fold.test].max()
        assert not meets(t0[fold.train], t1[fold.train], *hull).any()
        assert t1[fold.train].max() < hull[0]
        assert not seen & set(fold.test.tolist())
        seen |= set(fold.test.tolist())
        of_symbols = rows[fold.test].group_by("session").len()["len"]
        assert (of_symbols == n_symbols).all()


def test_new_sessions_append_and_never_move(n_sessions: int = 200) -> None:
    whole = rows_of(n_sessions, n_symbols=2)
    days = whole["session"].unique().sort()
    frame = folds_frame(whole, walk_forward(whole, 60, 20, 20))
    fixed = ["fold", "train_first", "train_last", "test_first", "n_train", "n_purged", "n_embargoed", "n_null"]
    for at in range(60, n_sessions):
        rows = rows_of(at + 1, n_symbols=2)
        night = folds_frame(rows, walk_forward(rows, 60, 20, 20))
        assert night.height == (at - 60) // 20 + 1
        assert night.select(fixed).equals(frame.head(night.height).select(fixed))
        done = night.filter("is_complete")
        assert done.equals(frame.head(done.height))
        assert rows["session"][-1] == days[at]


def test_counting_begins_with_the_first_label() -> None:
    folds = walk_forward(rows_of(200, first_labelled=60), 100, 20, 20)
    assert spans(folds, "test")[0] == (160, 179)
    assert spans(folds, "train")[0] == (60, 154)


def test_rows_without_a_label_are_counted_not_trained_on() -> None:
    rows = rows_of(120).with_columns(
        y_dir=pl.when(pl.int_range(pl.len()).is_in([10, 11])).then(None).otherwise("y_dir")
    )
    (fold, *_) = walk_forward(rows, 60, 20, 20)
    assert (fold.n_null, fold.n_purged, fold.train.size) == (2, 5, 53)
    assert not {10, 11} & set(fold.train.tolist())


def test_a_label_published_late_is_purged() -> None:
    rows = rows_of(120)
    late = rows.with_columns(label_known_at=pl.col("label_known_at") + pl.duration(days=14))
    assert walk_forward(late, 60, 20, 20)[0].train[-1] < walk_forward(rows, 60, 20, 20)[0].train[-1]


def test_several_horizons_keep_their_own_rows() -> None:
    rows = pl.concat([rows_of(120, 1), rows_of(120, 5)])
    folds = walk_forward(rows, 60, 20, 20)
    for fold in folds:
        used = np.concatenate([fold.train, fold.test])
        assert set(rows["horizon_bars"].gather(used)) == {fold.horizon_bars}
    frame = folds_frame(rows, folds)
    TABLES["models.folds"].schema.validate(frame)
    assert frame.select("horizon_bars", "fold").rows() == [(h, k) for h in (1, 5) for k in range(3)]
    assert frame["folds_sha256"].n_unique() == 6


def test_impossible_requests_are_named() -> None:
    with pytest.raises(FoldsError, match="step >= test"):
        walk_forward(rows_of(100), 50, 20, 10)
    with pytest.raises(FoldsError, match="sorted"):
        walk_forward(rows_of(100).reverse(), 50, 20, 20)
    never = rows_of(100).with_columns(label_known_at=pl.lit(dt.datetime(2030, 1, 1, tzinfo=dt.UTC)))
    with pytest.raises(FoldsError, match="check label_known_at"):
        walk_forward(never, 50, 20, 20)


def test_too_short_a_history_has_no_folds() -> None:
    assert walk_forward(rows_of(50), 60, 20, 20) == []
    assert folds_frame(rows_of(50), []).schema == TABLES["models.folds"].polars_schema
