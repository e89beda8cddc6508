"""Purged cross-validation inside a training window: k contiguous folds, and combinations of groups with their paths.

Both cut on the moments of decision, so that all symbols of one moment are in the same fold (L-4.1), keep the order of
time, and learn on both sides of a test block, purged and with an embargo after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.purging import FoldsError, Split, embargo_length, split_around

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def _groups(t0: NDArray[np.int64], t1: NDArray[np.int64], n_groups: int) -> NDArray[np.int64]:
    """Return the number of the contiguous group of each row; their sizes differ by at most one decision."""
    if t0.shape != t1.shape or t0.ndim != 1:
        raise FoldsError(f"expected t0 and t1 of one shape (rows,), found {t0.shape} and {t1.shape}")
    if np.any(np.diff(t0) < 0):
        raise FoldsError("expected rows sorted by t0, found a later decision before an earlier one; sort by session")
    if np.any(t1 < t0):
        raise FoldsError(f"expected t1 at or after t0, found {int((t1 < t0).sum())} rows that end before they begin")
    moments, of_row = np.unique(t0, return_inverse=True)
    if not 2 <= n_groups <= moments.size:
        raise FoldsError(f"expected 2 to {moments.size} groups of {moments.size} moments of decision, found {n_groups}")
    sizes = [part.size for part in np.array_split(moments, n_groups)]
    return np.repeat(np.arange(n_groups, dtype=np.int64), sizes)[of_row]


def purged_k_fold(
    t0: NDArray[np.int64],
    t1: NDArray[np.int64],
    *,
    n_splits: int = 5,
    embargo: int | None = None,
    labelled: NDArray[np.bool_] | None = None,
) -> list[Split]:
    """Cut rows into contiguous, unshuffled folds, each tested once by what was learned from the others (L-4.4).

    Parameters
    ----------
    t0, t1
        Moment of decision and end of the label interval, int64 microseconds, shape (rows,), sorted by ``t0``.
    n_splits
        Number of folds.
    embargo
        In exchange sessions; by default :func:`gnosis.learning.purging.embargo_length` of these rows.
    labelled
        Rows that can be learned from; all when omitted. The others are still tested.

    Returns
    -------
    list of Split
        In time order of the test blocks. López de Prado (2018), ch. 7.

    Raises
    ------
    FoldsError
        Unsorted rows, fewer moments of decision than folds, or a fold with nothing to learn from (L-4.8).

    Examples
    --------
    >>> from gnosis.sessions import schedule
    >>> close = schedule()["close_at"].dt.epoch("us").to_numpy()[:14]
    >>> [split.train.tolist() for split in purged_k_fold(close[:12], close[2:], n_splits=3, embargo=1)]
    [[7, 8, 9, 10, 11], [0, 1, 11], [0, 1, 2, 3, 4, 5]]
    """
    group = _groups(t0, t1, n_splits)
    sessions = embargo_length(t0, t1) if embargo is None else embargo
    return [split_around(t0, t1, group == number, sessions, labelled) for number in range(n_splits)]


@dataclass(frozen=True)
class Combinatorial:
    """Splits of combinatorial purged cross-validation and the paths through them.

    Attributes
    ----------
    splits
        One for each choice of tested groups, in lexicographic order.
    groups
        int64, shape (rows,): group of each row.
    tested
        int64, shape (splits, tested groups): which groups a split tests.
    paths
        int64, shape (paths, groups): the split whose answers a path takes for each group.
    """

    splits: list[Split]
    groups: NDArray[np.int64]
    tested: NDArray[np.int64]
    paths: NDArray[np.int64]

    def along_paths(self, answers: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Stitch answers into paths, each of which answers for every row once.

        Parameters
        ----------
        answers
            One array per split, its rows those of ``split.test``.

        Returns
        -------
        numpy.ndarray
            Shape (paths, rows, ...).
        """
        found = np.full((self.paths.shape[0], self.groups.size, *answers[0].shape[1:]), np.nan)
        for number, (split, answer) in enumerate(zip(self.splits, answers, strict=True)):
            of_test = self.groups[split.test]
            for path, group in np.argwhere(self.paths == number):
                found[path, split.test[of_test == group]] = answer[of_test == group]
        return found


def path_assignment(n_groups: int, n_tested: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tested groups of each split and the split of each group of each path (L-4.6).

    There are ``C(N, k)`` splits; every group is tested in ``k / N C(N, k)`` of them, and path ``j`` takes its j-th.
    López de Prado (2018), ch. 12.

    Examples
    --------
    >>> tested, paths = path_assignment(6, 2)
    >>> tested.shape, paths.shape, paths[1].tolist()
    ((15, 2), (5, 6), [1, 5, 5, 6, 7, 8])
    """
    if not 1 <= n_tested < n_groups:
        raise FoldsError(f"expected 1 to {n_groups - 1} tested groups of {n_groups}, found {n_tested}")
    tested = np.array(list(combinations(range(n_groups), n_tested)), dtype=np.int64)
    is_tested = (tested[:, :, None] == np.arange(n_groups)).any(axis=1)
    return tested, np.array([np.flatnonzero(column) for column in is_tested.T], dtype=np.int64).T


def combinatorial(
    t0: NDArray[np.int64],
    t1: NDArray[np.int64],
    *,
    n_groups: int = 10,
    n_tested: int = 2,
    embargo: int | None = None,
    labelled: NDArray[np.bool_] | None = None,
) -> Combinatorial:
    """Cut rows into groups and test every choice of ``n_tested`` of them on what the others teach (L-4.6).

    Parameters
    ----------
    t0, t1, embargo, labelled
        As of :func:`purged_k_fold`. Every test block is purged on both sides; the embargo lies after it.
    n_groups, n_tested
        Number of contiguous groups, and of those tested in each split.

    Raises
    ------
    FoldsError
        As :func:`purged_k_fold`.

    Examples
    --------
    >>> from gnosis.sessions import schedule
    >>> close = schedule()["close_at"].dt.epoch("us").to_numpy()[:13]
    >>> cut = combinatorial(close[:12], close[1:], n_groups=3, n_tested=2, embargo=1)
    >>> [split.train.tolist() for split in cut.splits]
    [[10, 11], [6], [0, 1, 2]]
    """
    tested, paths = path_assignment(n_groups, n_tested)
    group = _groups(t0, t1, n_groups)
    sessions = embargo_length(t0, t1) if embargo is None else embargo
    splits = [split_around(t0, t1, np.isin(group, chosen), sessions, labelled) for chosen in tested]
    return Combinatorial(splits, group, tested, paths)
