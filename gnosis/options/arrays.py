"""Broadcasting, checks and division among threads of the array arguments that the notebook functions take."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]
Positions = NDArray[np.int64]

# Rows that one thread takes at least: a smaller share is done sooner than a thread is started.
LEAST_SHARE = 4096


def positive(name: str, unit: str, values: ArrayLike) -> Floats:
    """Return ``values`` as float64, or raise when one is zero, negative or infinite. NaN means missing and passes.

    Raises
    ------
    ValueError
        With the first value that does not fit and its position.

    Examples
    --------
    >>> positive("strike", "$", [100, 0])
    Traceback (most recent call last):
    ValueError: strike: expected positive finite values in $ (NaN where missing), found 0.0 at position 1
    """
    array = np.asarray(values, dtype=np.float64)
    wrong = (array <= 0.0) | np.isinf(array)
    if wrong.any():
        position = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{name}: expected positive finite values in {unit} (NaN where missing), "
            f"found {array.flat[position]} at position {position}"
        )
    return array


def booleans(is_call: ArrayLike) -> Flags:
    """Return ``is_call`` as an array.

    Raises
    ------
    ValueError
        When ``is_call`` is not boolean.
    """
    array = np.asarray(is_call)
    if array.dtype != np.bool_:
        raise ValueError(f"is_call: expected booleans (True for calls), found dtype {array.dtype}")
    return array


def side(is_call: ArrayLike) -> Floats:
    """Return +1 for calls and -1 for puts.

    Raises
    ------
    ValueError
        When ``is_call`` is not boolean.
    """
    return np.where(booleans(is_call), 1.0, -1.0)


def flat(*arrays: np.ndarray, keep_single: bool = False) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """Return the common shape and the arrays broadcast to it, contiguous, read-only and one-dimensional.

    With ``keep_single`` an array of one element stays one element, for kernels that repeat it themselves.
    """
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    return shape, [
        frozen(array, array.shape if keep_single and array.size == 1 else shape).reshape(-1) for array in arrays
    ]


def frozen(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array broadcast to ``shape``, contiguous and read-only.

    Kernels are compiled anew for every mix of writable and read-only arguments; with all of them read-only, once.
    """
    whole = np.ascontiguousarray(np.broadcast_to(array, shape)).view()
    whole.flags.writeable = False
    return whole


def in_ranges(run: Callable[[int, int], bool], n: int, threads: int) -> bool:
    """Call ``run(first, last)`` for ranges that cover 0 to n, one per thread, and return whether all returned True.

    Results cannot depend on ``threads`` when ``run`` treats every row by itself.

    Raises
    ------
    ValueError
        When ``threads`` is not a positive whole number.
    """
    if threads < 1 or threads != int(threads):
        raise ValueError(f"threads: expected a positive whole number, found {threads}")
    shares = min(int(threads), max(1, n // LEAST_SHARE))
    if shares == 1:
        return run(0, n)
    edges = [n * share // shares for share in range(shares + 1)]
    with ThreadPoolExecutor(shares - 1) as pool:
        others = [pool.submit(run, first, last) for first, last in pairwise(edges[1:])]
        own = run(edges[0], edges[1])
        return all([own, *(other.result() for other in others)])
