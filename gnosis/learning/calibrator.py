"""Calibrators: fitted maps of probabilities to frequencies, as they are stored and applied."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from gnosis.learning.calibrator_kernel import IDENTITY, ISOTONIC, PLATT, Maps, calibrate, intervals, odds
from gnosis.learning.canonical import canonical_json
from gnosis.options.arrays import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

Method = Literal["platt", "isotonic", "identity"]
_CODES: dict[Method, int] = {"identity": IDENTITY, "platt": PLATT, "isotonic": ISOTONIC}


@dataclass(frozen=True)
class Calibrator:
    """A map of the probabilities of a model, one class against the rest, then to the sum 1 (L-7.3).

    Attributes
    ----------
    method
        ``platt``, ``isotonic`` or ``identity``.
    reason
        Why it is the identity; None for the others.
    n
        Calibration rows.
    maps
        Two tuples per class: (intercept,) and (slope,) of Platt's line, or the corners of the isotonic map; empty for
        the identity.
    bin_starts, bin_counts, bin_happened
        Per class the bins of equal mass of the uncalibrated probabilities: where each but the first begins, its rows,
        and how many of them were of the class.
    """

    method: Method
    reason: str | None
    n: int
    maps: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]
    bin_starts: tuple[tuple[float, ...], ...]
    bin_counts: tuple[tuple[int, ...], ...]
    bin_happened: tuple[tuple[int, ...], ...]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.bin_starts)

    def per_class(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each class against the rest before the sum is made 1: non-decreasing in its own probability.

        Raises
        ------
        ValueError
            When the number of classes is another one.
        """
        raw = self._classes(probabilities)
        out = np.empty(raw.shape)
        odds(self.maps_as_arrays, 0, raw, out)
        return out

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return calibrated probabilities.

        Parameters
        ----------
        probabilities
            Of the model, shape (rows, classes).

        Returns
        -------
        numpy.ndarray
            Same shape, rows sum to 1, each within [1/(n+2), 1 - 1/(n+2)] (L-7.4). The identity changes nothing but the
            rounding of the sum. A row's answer does not depend, to the bit, on the other rows.
        """
        raw = self._classes(probabilities)
        out = np.empty(raw.shape)
        calibrate(self.maps_as_arrays, 0, raw, out)
        return out

    def interval(self, probabilities: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the 95 % intervals of the calibrated probabilities.

        Parameters
        ----------
        probabilities
            Of the model, before calibration as in :meth:`apply`, shape (rows, classes).

        Returns
        -------
        tuple of numpy.ndarray
            Ends, same shape; NaN without calibration rows. Each interval contains its calibrated probability.

        Notes
        -----
        Wilson's (1927) score interval of a frequency equal to the calibrated probability among as many rows as the bin
        of calibration rows that the probability of the model falls into: how far the true probability may lie from what
        is said when nothing but those rows tells. The map rests on the rows of all bins, so the interval is wide where
        the map has the right form. Rows count as independent; with outcomes that overlap the interval is too narrow by
        up to the square root of the horizon.
        """
        raw = self._classes(probabilities)
        calibrated, low, high = self.apply(raw), np.empty(raw.shape), np.empty(raw.shape)
        for at in range(self.n_classes):
            intervals(self.maps_as_arrays, at, raw[:, at], calibrated[:, at], low[:, at], high[:, at])
        return low, high

    def to_json(self) -> str:
        """Return the calibrator as canonical JSON."""
        return canonical_json(
            {
                "method": self.method,
                "reason": self.reason,
                "n": self.n,
                "maps": self.maps,
                "bin_starts": self.bin_starts,
                "bin_counts": self.bin_counts,
                "bin_happened": self.bin_happened,
            }
        )

    @cached_property
    def calibrator_id(self) -> str:
        """First 16 characters of the SHA-256 of the JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @cached_property
    def maps_as_arrays(self) -> Maps:
        """The same as compiled code reads it."""
        lowest = 0.0 if self.method == "identity" else 1.0 / (self.n + 2)
        starts = [
            [-np.inf, *of_class] if counts else []
            for of_class, counts in zip(self.bin_starts, self.bin_counts, strict=True)
        ]
        pairs = self.maps or (((), ()),) * self.n_classes
        return Maps(
            method=np.full(self.n_classes, _CODES[self.method], dtype=np.int64),
            low=np.full(self.n_classes, lowest),
            first=np.cumsum([0, *(len(one) for one, _ in pairs)], dtype=np.int64),
            x=np.array([number for one, _ in pairs for number in one], dtype=np.float64),
            y=np.array([number for _, other in pairs for number in other], dtype=np.float64),
            first_bin=np.cumsum([0, *map(len, starts)], dtype=np.int64),
            bin_start=np.array([start for of_class in starts for start in of_class], dtype=np.float64),
            bin_rows=np.array([rows for counts in self.bin_counts for rows in counts], dtype=np.float64),
        )

    def _classes(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities as compiled code reads them."""
        if probabilities.ndim != 2 or probabilities.shape[1] != self.n_classes:
            raise ValueError(
                f"expected probabilities of shape (rows, {self.n_classes}), found {probabilities.shape}; apply the "
                "calibrator of this model's head"
            )
        return frozen(np.asarray(probabilities, dtype=np.float64), probabilities.shape)


def calibrator_from_json(content: str) -> Calibrator:
    """Read what :meth:`Calibrator.to_json` wrote.

    Examples
    --------
    >>> identity = Calibrator("identity", "too few rows", 0, (), ((), ()), ((), ()), ((), ()))
    >>> calibrator_from_json(identity.to_json()) == identity, identity.calibrator_id
    (True, '94abe32f3acb8e9b')
    """
    state = json.loads(content)
    return Calibrator(
        method=state["method"],
        reason=state["reason"],
        n=state["n"],
        maps=tuple((tuple(one), tuple(other)) for one, other in state["maps"]),
        bin_starts=tuple(map(tuple, state["bin_starts"])),
        bin_counts=tuple(map(tuple, state["bin_counts"])),
        bin_happened=tuple(map(tuple, state["bin_happened"])),
    )
