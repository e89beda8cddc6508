"""Purging, embargo, k-fold, CPCV and vault: section 4 and vectors V7 and V8 of the learning specification."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.learning.cross_validation import combinatorial, path_assignment, purged_k_fold
from gnosis.learning.purging import LATEST, FoldsError, embargo_end, embargo_length, session_numbers
from gnosis.learning.vault import first_vault_session, outside_vault
from gnosis.sessions import schedule, shift_session

DAYS = schedule().filter(pl.col("session") >= dt.date(2012, 1, 3))
CLOSE = DAYS["close_at"].dt.epoch("us").to_numpy()
OPEN = DAYS["open_at"].dt.epoch("us").to_numpy()


def rows_of(n: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    return CLOSE[:n], CLOSE[horizon : n + horizon]


def trained(splits) -> list[list[int]]:
    return [split.train.tolist() for split in splits]


def test_k_fold_of_the_specification() -> None:
    splits = purged_k_fold(*rows_of(12, 2), n_splits=3, embargo=1)
    assert trained(splits) == [[7, 8, 9, 10, 11], [0, 1, 11], [0, 1, 2, 3, 4, 5]]
    assert [split.test.tolist() for split in splits] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert [(split.n_purged, split.n_embargoed, split.n_null) for split in splits] == [(2, 1, 0), (4, 1, 0), (2, 0, 0)]


def test_combinatorial_of_the_specification() -> None:
    cut = combinatorial(*rows_of(12, 1), n_groups=3, n_tested=2, embargo=1)
    assert cut.tested.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert trained(cut.splits) == [[10, 11], [6], [0, 1, 2]]
    cut = combinatorial(*rows_of(120, 2), n_groups=6, n_tested=2, embargo=2)
    split = cut.splits[cut.tested.tolist().index([1, 3])]
    assert split.train.tolist() == [*range(18), *range(44, 58), *range(84, 120)]
    assert split.train.size == 68


@pytest.mark.parametrize(
    ("n_groups", "n_tested", "n_splits", "n_paths"), [(6, 2, 15, 5), (10, 2, 45, 9), (10, 8, 45, 36)]
)
def test_counts_of_the_specification(n_groups, n_tested, n_splits, n_paths) -> None:
    tested, paths = path_assignment(n_groups, n_tested)
    assert (tested.shape, paths.shape) == ((n_splits, n_tested), (n_paths, n_groups))
    assert n_paths == n_tested * math.comb(n_groups, n_tested) // n_groups
    for group in range(n_groups):
        of_group = paths[:, group]
        assert len(set(of_group)) == n_paths
        assert all(group in tested[split] for split in of_group)


def test_every_path_answers_for_every_row_once() -> None:
    cut = combinatorial(*rows_of(60, 1), n_groups=6, n_tested=2)
    answers = [np.column_stack([split.test, np.full(split.test.size, at)]) for at, split in enumerate(cut.splits)]
    found = cut.along_paths([answer.astype(float) for answer in answers])
    assert found.shape == (5, 60, 2)
    assert (found[:, :, 0] == np.arange(60)).all()
    assert (found[:, :, 1] == cut.paths[:, cut.groups]).all()


@st.composite
def intervals(draw) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Decisions of some symbols on the same sessions, each with a label of its own length."""
    n_sessions, n_symbols = draw(st.integers(60, 120)), draw(st.integers(1, 3))
    lag = draw(st.sampled_from([0, 1, 3_600_000_000]))
    start = np.repeat(np.arange(n_sessions), n_symbols)
    lengths = np.array(draw(st.lists(st.integers(0, 6), min_size=start.size, max_size=start.size)))
    unlabelled = np.array(draw(st.lists(st.booleans(), min_size=start.size, max_size=start.size))) & (start % 3 == 0)
    t0 = CLOSE[start] + lag
    return t0, np.maximum(CLOSE[start + lengths], t0), ~unlabelled, draw(st.integers(0, 4))


def is_allowed(at: int, test: set[int], t0: np.ndarray, t1: np.ndarray, embargo: int) -> bool:
    """The rule in plain words: for each run of tested rows, not within its hull nor in the sessions after it."""
    runs: list[list[int]] = []
    for row in sorted(test):
        if runs and runs[-1][-1] == row - 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    for run in runs:
        begin, finish = min(t0[row] for row in run), max(t1[row] for row in run)
        if t1[at] >= begin and t0[at] <= finish:
            return False
        last = sum(1 for opening in OPEN if opening <= finish) - 1
        if embargo and finish < t0[at] < OPEN[last + embargo + 1]:
            return False
    return True


def judge(splits, t0, t1, labelled, embargo) -> None:
    for split in splits:
        test = set(split.test.tolist())
        allowed = [at for at in range(t0.size) if at not in test and is_allowed(at, test, t0, t1, embargo)]
        assert split.train.tolist() == [at for at in allowed if labelled[at]]
        assert split.n_null == len(allowed) - split.train.size
        assert split.test.size + split.train.size + split.n_purged + split.n_embargoed + split.n_null == t0.size
        assert not set(t0[split.train]) & set(t0[split.test])


@settings(max_examples=25, deadline=None)
@given(intervals(), st.integers(2, 4))
def test_folds_keep_what_the_rule_allows_and_nothing_else(sample, n_splits) -> None:
    t0, t1, labelled, embargo = sample
    splits = purged_k_fold(t0, t1, n_splits=n_splits, embargo=embargo, labelled=labelled)
    judge(splits, t0, t1, labelled, embargo)
    assert np.concatenate([split.test for split in splits]).tolist() == list(range(t0.size))


@settings(max_examples=10, deadline=None)
@given(intervals())
def test_combinations_keep_what_the_rule_allows_and_nothing_else(sample) -> None:
    t0, t1, labelled, embargo = sample
    cut = combinatorial(t0, t1, n_groups=4, n_tested=2, embargo=embargo, labelled=labelled)
    judge(cut.splits, t0, t1, labelled, embargo)
    assert np.bincount(np.concatenate([split.test for split in cut.splits])).tolist() == [3] * t0.size


def test_the_embargo_is_the_longest_label_or_one_percent_of_the_sessions() -> None:
    assert embargo_length(*rows_of(100, 1)) == 1
    assert embargo_length(*rows_of(101, 1)) == 2
    assert embargo_length(*rows_of(700, 5)) == 7
    assert embargo_length(*rows_of(700, 20)) == 20
    t0, t1 = rows_of(100, 5)
    assert embargo_length(t0, np.where(np.arange(100) > 94, LATEST, t1)) == 5
    by_default = purged_k_fold(t0, t1, n_splits=4)
    assert trained(by_default) == trained(purged_k_fold(t0, t1, n_splits=4, embargo=5))
    assert by_default[0].n_embargoed == 5


def test_the_embargo_counts_sessions_over_holidays_and_publication_lags() -> None:
    """Hurricane Sandy closed the exchange on 2012-10-29 and 30; the 28th was a Sunday."""
    numbers = {day: at for at, day in enumerate(DAYS["session"])}
    friday = numbers[dt.date(2012, 10, 26)]
    until = embargo_end(int(CLOSE[friday]), 1)
    assert CLOSE[numbers[dt.date(2012, 10, 31)]] + 3_600_000_000 <= until < OPEN[numbers[dt.date(2012, 11, 1)]]
    assert embargo_end(int(CLOSE[friday]), 0) == CLOSE[friday]
    assert embargo_end(int(CLOSE[-1]), 3) == LATEST


def test_an_outcome_still_open_purges_all_that_comes_later() -> None:
    t0, t1 = (values.copy() for values in rows_of(30, 1))
    t1[12] = LATEST
    split = purged_k_fold(t0, t1, n_splits=3, embargo=1)[1]
    assert split.train.tolist() == list(range(9))


def test_impossible_requests_are_named() -> None:
    t0, t1 = rows_of(30, 1)
    with pytest.raises(FoldsError, match="sorted by t0"):
        purged_k_fold(t0[::-1], t1[::-1])
    with pytest.raises(FoldsError, match="end before they begin"):
        purged_k_fold(t1, t0)
    with pytest.raises(FoldsError, match="one shape"):
        purged_k_fold(t0, t1[1:])
    with pytest.raises(FoldsError, match="2 to 30 groups"):
        purged_k_fold(t0, t1, n_splits=31)
    with pytest.raises(FoldsError, match="1 to 5 tested groups"):
        combinatorial(t0, t1, n_groups=6, n_tested=6)
    with pytest.raises(FoldsError, match="found none: 10 purged, 0 in the embargo"):
        purged_k_fold(*rows_of(20, 20), n_splits=2)
    with pytest.raises(FoldsError, match="14 without a label"):
        purged_k_fold(t0, t1, n_splits=2, embargo=0, labelled=np.zeros(30, dtype=bool))
    with pytest.raises(FoldsError, match="in microseconds"):
        session_numbers(np.array([0]))


def test_the_vault_hides_its_sessions_and_every_outcome_in_them() -> None:
    days = DAYS.head(300)
    rows = days.select("session", t1=pl.col("close_at").shift(-5))
    last = days["session"][-1]
    open_rows = outside_vault(rows, 126, last)
    # 126 sessions in the vault, and the 5 before them whose labels end in it.
    assert open_rows["session"].to_list() == days["session"][: 300 - 126 - 5].to_list()
    opening = days["open_at"][300 - 126]
    assert (open_rows["t1"] < opening).all()


def test_the_vault_follows_its_last_session_and_nothing_else() -> None:
    rows = DAYS.head(300).select("session", t1=pl.col("close_at").shift(-5))
    for at in (200, 250, 299):
        night = rows.head(at + 1)
        assert outside_vault(night, 60, night["session"][-1]).equals(outside_vault(rows, 60, night["session"][-1]))
    last = rows["session"][-1]
    assert shift_session(first_vault_session(last, 60), 59) == last
    with pytest.raises(ValueError, match="at least 1 session"):
        outside_vault(rows, 0, last)
