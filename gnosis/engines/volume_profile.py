"""Volume by price: the profile of many windows at once, its clusters and its value area.

A window is a run of bars; its range, from the lowest low to the highest high, is cut into bins of equal width, and each
bar spreads its volume evenly over its own range. Prices must be adjusted for splits and dividends, volumes for splits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Kinds = NDArray[np.int8]

BINS = 50
HIGH_VOLUME = 1.5
LOW_VOLUME = 0.5
VALUE_AREA = 0.7


@dataclass(frozen=True)
class VolumeProfile:
    """Volume by price of each window.

    Attributes
    ----------
    volume
        Volume of each bin from the lowest price on, shape (windows, bins); NaN in a window without bars or with a bar
        that is not wholly known.
    low, high
        Lowest low and highest high of each window in $.
    """

    volume: Floats
    low: Floats
    high: Floats

    @property
    def edges(self) -> Floats:
        """Edges of the bins in $, shape (windows, bins + 1)."""
        share = np.arange(self.volume.shape[1] + 1) / self.volume.shape[1]
        return self.low[:, None] + (self.high - self.low)[:, None] * share

    @property
    def centres(self) -> Floats:
        """Middle of the bins in $, shape (windows, bins)."""
        share = (np.arange(self.volume.shape[1]) + 0.5) / self.volume.shape[1]
        return self.low[:, None] + (self.high - self.low)[:, None] * share


class Clusters(NamedTuple):
    """Runs of adjacent bins of one kind, sorted by window and price.

    ``window`` is the position of the window, ``first`` and ``last`` are bins, ``centre`` is the mean price in $
    (middles of the bins, weighted with their volume), ``volume`` is that of the run.
    """

    window: Integers
    first: Integers
    last: Integers
    centre: Floats
    volume: Floats


class ValueArea(NamedTuple):
    """Range of adjacent bins that holds most of the volume, $."""

    low: Floats
    high: Floats


def volume_profiles(
    low: Floats, high: Floats, volume: Floats, starts: Integers, ends: Integers, bins: int = BINS
) -> VolumeProfile:
    """Return the volume profile of each window.

    Parameters
    ----------
    low, high, volume
        Low and high in $ and volume in shares of each bar, shape (bars,).
    starts, ends
        First bar of each window and the one after its last, shape (windows,).
    bins
        Bins of equal width.

    Returns
    -------
    VolumeProfile
        A bar whose high is its low puts all its volume into the bin of that price; a price on an edge belongs to the
        bin above it, the highest price to the last bin.

    Raises
    ------
    ValueError
        When the arrays do not fit together.

    Examples
    --------
    >>> bars = np.array([10.0, 10.0]), np.array([20.0, 12.0]), np.array([100.0, 40.0])
    >>> volume_profiles(*bars, np.array([0]), np.array([2]), bins=5).volume.tolist()
    [[60.0, 20.0, 20.0, 20.0, 20.0]]
    """
    from gnosis.engines.volume_profile_kernel import profiles

    bars, first, after = _windows(low, high, volume, starts, ends)
    return VolumeProfile(*profiles(*bars, first, after, bins))


def _windows(
    low: Floats, high: Floats, volume: Floats, starts: Integers, ends: Integers
) -> tuple[tuple[Floats, Floats, Floats], Integers, Integers]:
    """Return bars and windows as kernels take them.

    Raises
    ------
    ValueError
        When they do not fit together.
    """
    bottom, top, traded = (np.array(side, dtype=np.float64, order="C") for side in (low, high, volume))
    first, after = np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64)
    n = bottom.size
    if not bottom.shape == top.shape == traded.shape == (n,) or first.shape != after.shape or first.ndim != 1:
        raise ValueError(
            "expected one low, high and volume per bar and one start and end per window, found shapes "
            f"{bottom.shape}, {top.shape}, {traded.shape} and {first.shape}, {after.shape}"
        )
    if first.size and (first.min() < 0 or after.max() > n):
        raise ValueError(f"expected windows within {n} bars, found bars {first.min()} to {after.max()}")
    return (bottom, top, traded), first, after


def bin_kinds(profile: VolumeProfile) -> Kinds:
    """Return the kind of each bin, shape (windows, bins): 1 high volume, -1 low volume, 0 neither.

    High is more than 1.5 times the median of the bins that are not empty, low is less than half of it and not empty.

    Examples
    --------
    >>> bin_kinds(VolumeProfile(np.array([[10.0, 10.0, 20.0, 4.0, 0.0]]), np.zeros(1), np.ones(1))).tolist()
    [[0, 0, 1, -1, 0]]
    """
    volume, middle = profile.volume, median_volume(profile)[:, None]
    is_low = (volume > 0.0) & (volume < LOW_VOLUME * middle)
    return (volume > HIGH_VOLUME * middle).astype(np.int8) - is_low.astype(np.int8)


def median_volume(profile: VolumeProfile) -> Floats:
    """Return the median volume of the bins that are not empty, NaN where all are; shape (windows,).

    Examples
    --------
    >>> median_volume(VolumeProfile(np.array([[10.0, 30.0, 0.0, 4.0]]), np.zeros(1), np.ones(1))).tolist()
    [10.0]
    """
    from gnosis.engines.profile_median_kernel import medians

    return medians(np.array(profile.volume, order="C"))


def clusters(profile: VolumeProfile, kinds: Kinds, kind: int) -> Clusters:
    """Return the runs of adjacent bins of one kind of :func:`bin_kinds`.

    Examples
    --------
    >>> profile = VolumeProfile(np.array([[10.0, 20.0, 60.0, 10.0, 4.0, 10.0]]), np.zeros(1), np.full(1, 6.0))
    >>> found = clusters(profile, bin_kinds(profile), 1)
    >>> found.first.tolist(), found.last.tolist(), found.centre.tolist()
    ([1], [2], [2.25])
    """
    inside = np.zeros((kinds.shape[0], kinds.shape[1] + 2), dtype=np.int8)
    inside[:, 1:-1] = kinds == kind
    step = np.diff(inside, axis=1)
    window, first = np.nonzero(step == 1)
    last = np.nonzero(step == -1)[1] - 1
    shape = (profile.volume.shape[0], profile.volume.shape[1] + 1)
    totals = np.zeros(shape), np.zeros(shape)
    np.cumsum(np.nan_to_num(profile.volume), axis=1, out=totals[0][:, 1:])
    np.cumsum(np.nan_to_num(profile.volume * profile.centres), axis=1, out=totals[1][:, 1:])
    volume, worth = (total[window, last + 1] - total[window, first] for total in totals)
    return Clusters(window, first, last, worth / volume, volume)


def value_area(profile: VolumeProfile, share: float = VALUE_AREA) -> ValueArea:
    """Return the edges of the value area: from the fullest bin on, the fuller neighbour joins until enough is inside.

    Of equally full bins the lower one is taken.

    Examples
    --------
    >>> profile = VolumeProfile(np.array([[5.0, 20.0, 50.0, 20.0, 5.0]]), np.zeros(1), np.full(1, 5.0))
    >>> [side.item() for side in value_area(profile)]
    [1.0, 3.0]
    """
    from gnosis.engines.volume_profile_kernel import value_bins

    first, last = value_bins(np.array(profile.volume, order="C"), share)
    return _area(first, last, profile.low, profile.high, profile.volume.shape[1])


def value_areas(
    low: Floats,
    high: Floats,
    volume: Floats,
    starts: Integers,
    ends: Integers,
    bins: int = BINS,
    share: float = VALUE_AREA,
) -> ValueArea:
    """Return :func:`value_area` of :func:`volume_profiles` without keeping the profiles; arguments as there.

    Examples
    --------
    >>> bars = np.array([10.0, 14.0]), np.array([20.0, 16.0]), np.array([100.0, 400.0])
    >>> [side.item() for side in value_areas(*bars, np.array([0]), np.array([2]), bins=5)]
    [14.0, 16.0]
    """
    from gnosis.engines import volume_profile_kernel as kernel

    bars, first, after = _windows(low, high, volume, starts, ends)
    begin, last, lowest, highest = kernel.value_areas(*bars, first, after, bins, share)
    return _area(begin, last, lowest, highest, bins)


def _area(first: Integers, last: Integers, low: Floats, high: Floats, bins: int) -> ValueArea:
    known = first >= 0
    lower, upper = (
        low + (high - low) * (bin_edge / bins) for bin_edge in (np.maximum(first, 0), np.maximum(last + 1, 0))
    )
    return ValueArea(np.where(known, lower, np.nan), np.where(known, upper, np.nan))
