"""Which rows may be learned from beside a test block: purging by label intervals and the embargo after it.

Instants are int64 microseconds since 1970 (UTC). An interval ``[t0, t1]`` runs from the decision to the last instant
that the label depends on and is closed at both ends; it is what is compared, never a number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gnosis.sessions import schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

LATEST = np.iinfo(np.int64).max
"""End of an interval that has not ended yet."""

EMBARGO_SHARE_PERCENT = 1


class FoldsError(ValueError):
    """Rows from which no valid folds can be cut."""


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to be judged on.

    Attributes
    ----------
    train, test
        Positions (int64), ascending: the training rows that are kept, and all rows of the test blocks.
    n_purged
        Rows outside the test blocks whose interval meets the hull of one.
    n_embargoed
        Rows of the rest that begin within the embargo after a test block.
    n_null
        Rows of the rest after that which cannot be learned from, because they have no label.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    n_purged: int
    n_embargoed: int
    n_null: int


def meets(t0: NDArray[np.int64], t1: NDArray[np.int64], hull_start: int, hull_end: int = LATEST) -> NDArray[np.bool_]:
    """Return which closed intervals ``[t0, t1]`` meet the closed hull of a test block (L-4.2).

    López de Prado (2018), ch. 7: such rows share outcome time with the test block and are purged from training.

    Examples
    --------
    >>> start = np.array([0, 1, 2, 3])
    >>> meets(start, start + 2, hull_start=4).tolist()
    [False, False, True, True]
    """
    return (t1 >= hull_start) & (t0 <= hull_end)


@lru_cache(maxsize=1)
def _opens() -> NDArray[np.int64]:
    return schedule()["open_at"].dt.epoch("us").to_numpy()


def session_numbers(instants: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the exchange session that an instant belongs to: the last one that had opened by then.

    Raises
    ------
    FoldsError
        An instant before the calendar begins.
    """
    numbers = np.searchsorted(_opens(), instants, side="right") - 1
    if numbers.size and numbers.min() < 0:
        raise FoldsError(
            f"expected instants from {schedule()['open_at'][0]} on in microseconds, found {int(instants.min())}"
        )
    return numbers.astype(np.int64)


def embargo_length(t0: NDArray[np.int64], t1: NDArray[np.int64]) -> int:
    """Return the length of the embargo in sessions: the longest label, at least 1 % of the sessions rounded up (L-4.3).

    Parameters
    ----------
    t0, t1
        Intervals of all rows of the sample, int64 microseconds; those without an end do not count as long.

    Examples
    --------
    >>> close = schedule()["close_at"].dt.epoch("us").to_numpy()[:150]
    >>> embargo_length(close[:-1], close[1:]), embargo_length(close[:-5], close[5:])
    (2, 5)
    """
    begun = session_numbers(t0)
    ended = t1 < LATEST
    longest = int((session_numbers(t1[ended]) - begun[ended]).max()) if ended.any() else 0
    return max(longest, -(-np.unique(begun).size * EMBARGO_SHARE_PERCENT // 100))


def embargo_end(hull_end: int, embargo: int) -> int:
    """Return the last instant of an embargo of ``embargo`` sessions after ``hull_end``, by the exchange calendar.

    The embargo lasts until the session after it opens: a decision published some time after the close of its last
    session is still within it.

    Examples
    --------
    >>> friday = schedule().filter(schedule()["session"].dt.to_string() == "2012-12-28")["close_at"].dt.epoch("us")[0]
    >>> ends = np.array([embargo_end(friday, 1)]).view("datetime64[us]")
    >>> str(ends[0])
    '2013-01-02T14:29:59.999999'
    """
    if embargo == 0 or hull_end == LATEST:
        return hull_end
    opens = _opens()
    after = int(session_numbers(np.array([hull_end]))[0]) + embargo + 1
    # Nothing can begin after the end of the calendar.
    return int(opens[after]) - 1 if after < opens.size else LATEST


def split_around(
    t0: NDArray[np.int64],
    t1: NDArray[np.int64],
    tested: NDArray[np.bool_],
    embargo: int,
    labelled: NDArray[np.bool_] | None = None,
) -> Split:
    """Return what may be learned from beside the tested rows.

    Parameters
    ----------
    t0, t1
        Intervals of the rows, int64 microseconds, shape (rows,), sorted by ``t0``.
    tested
        Rows of the test blocks: all or none of the rows of a ``t0``. Neighbouring rows form one block with one hull.
    embargo
        In sessions, after each block.
    labelled
        Rows that can be learned from; all when omitted.

    Raises
    ------
    FoldsError
        When nothing is left to learn from (L-4.8).
    """
    edges = np.flatnonzero(np.diff(tested.astype(np.int8), prepend=0, append=0))
    purged = np.zeros(t0.size, dtype=np.bool_)
    embargoed = np.zeros(t0.size, dtype=np.bool_)
    for first, end in edges.reshape(-1, 2):
        hull_end = int(t1[first:end].max())
        purged |= meets(t0, t1, int(t0[first]), hull_end)
        embargoed |= (t0 > hull_end) & (t0 <= embargo_end(hull_end, embargo))
    purged &= ~tested
    embargoed &= ~tested & ~purged
    rest = ~(tested | purged | embargoed)
    kept = rest if labelled is None else rest & labelled
    split = Split(
        train=np.flatnonzero(kept),
        test=np.flatnonzero(tested),
        n_purged=int(purged.sum()),
        n_embargoed=int(embargoed.sum()),
        n_null=int((rest & ~kept).sum()),
    )
    if not split.train.size:
        raise FoldsError(
            f"expected training rows beside {split.test.size} tested ones, found none: {split.n_purged} purged, "
            f"{split.n_embargoed} in the embargo of {embargo} sessions, {split.n_null} without a label; "
            "take fewer folds or a longer sample"
        )
    return split
