"""Trailing windows of exchange sessions over rows, and how their values stand to those of a reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning.drift import FEWEST_ROWS, decile_edges, status
from gnosis.learning.matrix import KEY
from gnosis.sessions import schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECENT, WINDOW = 20, 60
"""Sessions of the two windows (L-9.1)."""
SPACING, FEWEST_WINDOWS = 10, 5
"""Every how many sessions a window inside the reference ends, and how few of them say nothing about what is usual."""


class DriftError(ValueError):
    """Tables from which the drift of a model cannot be told."""


@dataclass(frozen=True)
class Rows:
    """Rows sorted by session and symbol, with the place of each exchange session among them.

    ``offsets[number]`` is the first row of the session with that number; sessions without rows have none.
    """

    frame: pl.DataFrame
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Rows:
        """Sort rows with one per session and symbol."""
        frame = frame.sort(KEY)
        if frame.select(KEY).is_duplicated().any():
            raise DriftError("expected one row per session and symbol, found repeated keys; remove the repeats")
        exchange = schedule()["session"]
        starts = frame["session"].search_sorted(exchange, side="left").cast(pl.Int64).to_numpy()
        return cls(frame, np.append(starts, frame.height))


@dataclass(frozen=True)
class Trailing:
    """The rows that the windows of some sessions cover, and where each session lies among them."""

    rows: slice
    offsets: NDArray[np.int64]
    asked: NDArray[np.int64]

    @classmethod
    def of(cls, offsets: NDArray[np.int64], asked: NDArray[np.int64]) -> Trailing:
        """Cut the windows that end in the sessions with the numbers ``asked``, ascending."""
        first, last = int(asked[0]) - WINDOW + 1, int(asked[-1])
        own = offsets[first : last + 2]
        return cls(slice(int(own[0]), int(own[-1])), own - own[0], asked - first)

    @classmethod
    def inside(cls, numbers: NDArray[np.int64]) -> Trailing:
        """Lay windows of 20 sessions out inside rows of the sessions ``numbers``, ascending, from the last one back.

        Those that begin late enough hold one of 60 sessions too.
        """
        n_rows = numbers.size
        if not n_rows:
            return cls(slice(0, 0), np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64))
        first, last = int(numbers[0]), int(numbers[-1])
        offsets = np.searchsorted(numbers, np.arange(first, last + 2)).astype(np.int64)
        return cls(slice(0, n_rows), offsets, np.arange(last - first, RECENT - 2, -SPACING)[::-1].copy())

    def of_rows(self, kept: NDArray[np.bool_]) -> Trailing:
        """Return the same windows over those of the rows that are kept."""
        n_kept = np.append(0, np.cumsum(kept))
        return Trailing(slice(0, int(n_kept[-1])), n_kept[self.offsets], self.asked)

    @property
    def n_rows(self) -> NDArray[np.int64]:
        """Rows of each window of 60 sessions."""
        return self.count(WINDOW)

    def count(self, window: int) -> NDArray[np.int64]:
        """Rows of each window."""
        return self.offsets[self.asked + 1] - self.offsets[self.asked - window + 1]

    def any(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether any row of each window of 60 sessions has the flag."""
        so_far = np.append(0, np.cumsum(flags[self.rows]))
        return so_far[self.offsets[self.asked + 1]] > so_far[self.offsets[self.asked - WINDOW + 1]]


def stability(
    reference: NDArray[Any], inside: Trailing, actual: NDArray[np.float64], window: Trailing, *, is_discrete: bool
) -> dict[str, NDArray[Any]]:
    """Return how the values of trailing windows stand to those of a reference.

    Parameters
    ----------
    reference
        Floats of any width, shape (rows of the reference,), NaN where missing.
    inside
        Windows inside the reference, from :meth:`Trailing.inside`.
    actual
        Values of the rows that the windows cover.
    window
        Windows.
    is_discrete
        As of :func:`gnosis.learning.drift.population_stability`, which says the same about one window.

    Returns
    -------
    dict
        Columns of ``models.drift`` with one figure for each session asked: ``psi_20_sessions``, ``psi_60_sessions``,
        ``psi_usual_20_sessions``, ``psi_usual_60_sessions``, ``status`` (of the index of 60 sessions),
        ``missing_share``, ``value`` and ``reference_value``.
    """
    from gnosis.learning.drift_kernel import rolling_mean, rolling_stability

    # Once sorted, in the width in which that is quickest, both deciles and the counts between them are at hand.
    ascending = np.sort(reference)
    known = ascending[: np.searchsorted(ascending, np.nan)].astype(np.float64)
    if is_discrete:
        edges = np.union1d(known, actual[~np.isnan(actual)])
        n_bins, ends = edges.size, np.searchsorted(known, edges, "right")
        codes = np.searchsorted(edges, actual)
    else:
        edges = decile_edges(known)
        n_bins, ends = edges.size + 1, np.append(np.searchsorted(known, edges), known.size)
        codes = np.searchsorted(edges, actual, "right")
    counts = np.append(np.diff(ends, prepend=0), reference.size - known.size)
    codes = np.where(np.isnan(actual), n_bins, codes)
    means, n_known = rolling_mean(actual, window.offsets, window.asked, WINDOW)
    indices = {
        n: np.where(
            (window.count(n) >= FEWEST_ROWS) & (reference.size >= FEWEST_ROWS),
            rolling_stability(codes, window.offsets, window.asked, n, counts, 0.5, False),
            np.nan,
        )
        for n in (RECENT, WINDOW)
    }
    is_known = ~np.isnan(reference)
    learnt = np.searchsorted(edges, reference[is_known].astype(np.float64), "left" if is_discrete else "right")
    parts, known_counts = inside.of_rows(is_known), np.append(counts[:-1], 0)
    n_rows = window.n_rows
    return {
        "psi_20_sessions": indices[RECENT],
        "psi_60_sessions": indices[WINDOW],
        "psi_usual_20_sessions": np.full(means.size, _largest_inside(learnt, parts, RECENT, known_counts)),
        "psi_usual_60_sessions": np.full(means.size, _largest_inside(learnt, parts, WINDOW, known_counts)),
        "status": np.array([status(index) for index in indices[WINDOW]]),
        "missing_share": np.where(n_rows > 0, 1.0 - n_known / np.maximum(n_rows, 1), np.nan),
        "value": means,
        "reference_value": np.full(means.size, known.mean() if known.size else np.nan),
    }


def _largest_inside(codes: NDArray[np.int64], inside: Trailing, window: int, counts: NDArray[np.int64]) -> float:
    """Return the largest index of a window inside the reference against the rest of it; NaN with too few windows.

    Rows without a value are left out: a feature that had none at the start of the reference would otherwise be allowed
    to go missing.
    """
    from gnosis.learning.drift_kernel import rolling_stability

    inside = replace(inside, asked=inside.asked[inside.asked >= window - 1])
    n_rows = inside.count(window)
    enough = (n_rows >= FEWEST_ROWS) & (codes.size - n_rows >= FEWEST_ROWS)
    if np.count_nonzero(enough) < FEWEST_WINDOWS:
        return float("nan")
    asked = inside.asked[enough]
    return float(rolling_stability(codes, inside.offsets, asked, window, counts, 0.5, True).max())


__all__ = ["FEWEST_WINDOWS", "RECENT", "SPACING", "WINDOW", "DriftError", "Rows", "Trailing", "stability"]
