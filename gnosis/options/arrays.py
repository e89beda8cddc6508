"""Broadcasting and checks of the array arguments that the notebook functions take."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


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
    if array.size == 0 or (array.min() > 0.0 and array.max() < np.inf):
        return array
    wrong = (array <= 0.0) | np.isinf(array)
    if wrong.any():
        position = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{name}: expected positive finite values in {unit} (NaN where missing), "
            f"found {array.flat[position]} at position {position}"
        )
    return array


def side(is_call: ArrayLike) -> Floats:
    """Return +1 for calls and -1 for puts.

    Raises
    ------
    ValueError
        When ``is_call`` is not boolean.
    """
    array = np.asarray(is_call)
    if array.dtype != np.bool_:
        raise ValueError(f"is_call: expected booleans (True for calls), found dtype {array.dtype}")
    return np.where(array, 1.0, -1.0)


def flat(*arrays: Floats) -> tuple[tuple[int, ...], list[Floats]]:
    """Return the common shape and the arrays broadcast to it, contiguous, read-only and one-dimensional."""
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    return shape, [frozen(array, shape).reshape(-1) for array in arrays]


def frozen(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array broadcast to ``shape``, contiguous and read-only.

    Kernels are compiled anew for every mix of writable and read-only arguments; with all of them read-only, once.
    """
    whole = np.ascontiguousarray(np.broadcast_to(array, shape)).view()
    whole.flags.writeable = False
    return whole
