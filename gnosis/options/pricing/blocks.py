"""Moving rows between arrays and the scratch block of a compiled loop.

The compiler vectorises arithmetic only over one scratch buffer with constant offsets: between separate arrays it has to
assume that writing one may change another. It vectorises copies only between slices: a sum as an index might be
negative, which counts from the end.

This module imports numba; import it where a kernel is needed, not from the package's front.
"""

from __future__ import annotations

from gnosis.options.arrays import Codes, Flags, Floats
from gnosis.options.special_functions import inlined

BLOCK = 256


@inlined
def load(source: Floats, start: int, n: int, into: Floats) -> None:
    """Copy n values of ``source`` to the front of ``into``, or its only value n times."""
    if source.size == 1:
        for i in range(n):
            into[i] = source[0]
    else:
        part = source[start : start + n]
        for i in range(n):
            into[i] = part[i]


@inlined
def load_side(is_call: Flags, start: int, n: int, into: Floats) -> None:
    """Put +1 for calls and -1 for puts at the front of ``into``."""
    if is_call.size == 1:
        for i in range(n):
            into[i] = 1.0 if is_call[0] else -1.0
    else:
        part = is_call[start : start + n]
        for i in range(n):
            into[i] = 1.0 if part[i] else -1.0


@inlined
def store(source: Floats, into: Floats | Codes, start: int, n: int) -> None:
    """Copy the first n values of ``source`` to ``into`` from ``start`` on."""
    part = into[start : start + n]
    for i in range(n):
        part[i] = source[i]
