"""Compiled counts of binary digits of sets that are kept as the digits of whole numbers."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def digits(word: np.uint64) -> np.int64:
    """Return how many digits of a uint64 are set (Warren 2012, Hacker's Delight, section 5-1).

    Examples
    --------
    >>> digits(np.uint64(11))
    3
    """
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + ((pairs >> np.uint64(2)) & np.uint64(0x3333333333333333))
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((eights * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True, error_model="numpy")
def lowest(word: np.uint64) -> np.int64:
    """Return the position of the lowest digit that is set, 64 where none is.

    Examples
    --------
    >>> lowest(np.uint64(12))
    2
    """
    return digits((word & (~word + np.uint64(1))) - np.uint64(1))
