"""Seeded randomness: named streams, and draws that are looked up by key.

A *stream* is a NumPy generator for one (seed, component, symbol, ...). A *keyed draw* is a number that belongs to its
keys (contract, session, ...), so it is the same whether one session or ten years are asked for.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

Key = str | int | dt.date

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def text_key(text: str) -> int:
    """Return a 64-bit number that belongs to a text on every machine.

    Examples
    --------
    >>> text_key("SPY") == text_key("SPY"), text_key("SPY") == text_key("QQQ")
    (True, False)
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def check_seed(seed: int) -> int:
    """Return ``seed``, or raise when it is not a non-negative integer.

    Raises
    ------
    ValueError
        For negative numbers, floats and booleans.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"expected seed as an integer >= 0, found {seed!r}; pass for example seed=7")
    return int(seed)


def _word(key: Key) -> int:
    if isinstance(key, str):
        return text_key(key)
    return key.toordinal() if isinstance(key, dt.date) else int(key)


def stream(seed: int, component: str, *keys: Key) -> np.random.Generator:
    """Return the generator of one component; other components and keys do not disturb it.

    Examples
    --------
    >>> round(float(stream(7, "bars", "SPY").standard_normal()), 6)
    -0.53618
    """
    words = [check_seed(seed), text_key(component), *map(_word, keys)]
    return np.random.default_rng(np.random.SeedSequence(words))


def text_keys(column: pl.Series) -> NDArray[np.uint64]:
    """Return the keys of a text column, shape (n,); each distinct text is hashed once."""
    names = column.unique().sort()
    keys = np.array([text_key(name) for name in names], dtype=np.uint64)
    return keys[names.search_sorted(column).to_numpy()] if len(names) else keys


def date_keys(column: pl.Series) -> NDArray[np.uint64]:
    """Return the keys of a date column, shape (n,): days since 1970."""
    return column.to_physical().to_numpy().astype(np.int64).view(np.uint64)


def keyed_uniform(seed: int, component: str, *keys: NDArray[Any]) -> NDArray[np.float64]:
    """Return one number of the open interval (0, 1) per row of keys.

    The seed and the component pass through ``SeedSequence``; the keys are mixed in with the finaliser of SplitMix64
    (Steele, Lea & Flood 2014).

    Parameters
    ----------
    seed, component
        Which table of numbers to look in.
    *keys
        Integer arrays of equal shape (n,).

    Returns
    -------
    numpy.ndarray
        Shape (n,), float64.

    Examples
    --------
    >>> keyed_uniform(7, "oi", np.array([1, 2])).round(6).tolist()
    [0.555066, 0.461636]
    """
    words = [check_seed(seed), text_key(component)]
    state = np.random.SeedSequence(words).generate_state(1, np.uint64)
    for key in keys:
        state = state + key.astype(np.int64).view(np.uint64) * _GOLDEN + _GOLDEN
        state = (state ^ (state >> np.uint64(30))) * _MIX_1
        state = (state ^ (state >> np.uint64(27))) * _MIX_2
        state = state ^ (state >> np.uint64(31))
    return ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def keyed_normal(seed: int, component: str, *keys: NDArray[Any]) -> NDArray[np.float64]:
    """Return one standard normal number per row of keys, shape (n,)."""
    from scipy.special import ndtri

    return ndtri(keyed_uniform(seed, component, *keys))
