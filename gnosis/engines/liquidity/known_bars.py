"""Bars for volume profiles: those of which low, high and volume are known, and windows of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gnosis.engines.points import Floats, Integers


class KnownBars(NamedTuple):
    """Low, high and volume of the bars that are wholly known, and how many of them come before each of all bars."""

    low: Floats
    high: Floats
    volume: Floats
    before: Integers

    @classmethod
    def of(cls, low: Floats, high: Floats, volume: Floats) -> KnownBars:
        """Return the known ones of some bars, shape (bars,)."""
        known = ~np.isnan(low + high + volume)
        before = np.concatenate([[0], np.cumsum(known)])
        return cls(low, high, volume, before) if known.all() else cls(low[known], high[known], volume[known], before)

    def places(self, starts: Integers, ends: Integers) -> tuple[Integers, Integers]:
        """Return slices of all bars as slices of the known ones."""
        return self.before[starts], self.before[ends]

    def windows(
        self, first: Integers, column: Integers, window: int, without: int, fewest: int
    ) -> tuple[Floats, Floats, Floats, Integers, Integers]:
        """Return the bars and, for each point, those of a window less its last bars; none of too few.

        ``first`` is the first bar of the symbol of each point, ``column`` that of the point after it.
        """
        starts = first + np.maximum(column - window + 1, 0)
        ends = first + np.maximum(column - without + 1, 0)
        starts, ends = self.places(starts, np.maximum(starts, ends))
        return self.low, self.high, self.volume, starts, np.where(ends - starts >= fewest, ends, starts)
