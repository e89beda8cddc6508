"""Compiled loop that puts the positions of a run at random times."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def _book(
    out: np.ndarray, opens: np.ndarray, closes: np.ndarray, first: int, last: int, weight: float, cost: float
) -> None:
    """Add the returns of one lot: in at the open of ``first``, out at the open of ``last``.

    A lot that ends at or before its first session leaves at that session's close; one that ends after the last bar is
    marked there.
    """
    n = out.size
    entry = opens[first]
    out[first] += weight * (closes[first] / entry - 1) - abs(weight) * cost
    if last <= first:
        out[first] -= abs(weight) * cost * closes[first] / entry
        return
    for t in range(first + 1, min(last, n)):
        out[t] += weight * (closes[t] - closes[t - 1]) / entry
    if last < n:
        out[last] += weight * (opens[last] - closes[last - 1]) / entry - abs(weight) * cost * opens[last] / entry


@njit(cache=True, nogil=True, error_model="numpy")
def placed_returns(
    opens: np.ndarray,
    closes: np.ndarray,
    known: np.ndarray,
    spells: np.ndarray,
    spells_of: np.ndarray,
    lots: np.ndarray,
    weights: np.ndarray,
    cost: float,
    n_draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the returns per bar of each draw, shape (draws + 1, n); the first row has everything where it was.

    Parameters
    ----------
    opens, closes
        Adjusted prices, float64, shape (symbols, n).
    known
        First session with a price and one after the last, int64, shape (symbols, 2).
    spells
        Of each spell of uninterrupted holding its first session, its length, and its first and one after its last lot,
        int64, shape (spells, 4), by symbol and time.
    spells_of
        First and one after the last spell of each symbol, int64, shape (symbols, 2).
    lots
        First and last session of each lot, int64, shape (lots, 2), by spell.
    weights
        Signed share of equity of each lot at its entry, float64, shape (lots,).
    cost
        Share of the traded value, per side.
    n_draws
        How often the order of spells and the gaps between them are drawn anew.
    rng
        Seeded.
    """
    n_symbols, n = opens.shape
    out = np.zeros((n_draws + 1, n))
    order = np.empty(max(1, spells.shape[0]), dtype=np.int64)
    gaps = np.empty(max(1, spells.shape[0]), dtype=np.int64)
    for draw in range(n_draws + 1):
        for symbol in range(n_symbols):
            begin, end = spells_of[symbol]
            count = end - begin
            held = 0
            for i in range(count):
                order[i] = begin + i
                held += spells[begin + i, 1]
            free = known[symbol, 1] - known[symbol, 0] - held
            if draw > 0:
                for i in range(count - 1, 0, -1):
                    j = int(rng.random() * (i + 1))
                    order[i], order[j] = order[j], order[i]
                # Sorted positions of the spells among the free sessions: every way to place them is equally likely.
                for i in range(count):
                    gaps[i] = int(rng.random() * (free + count))
                _distinct(gaps[:count], free + count, rng)
            before = known[symbol, 0]
            for i in range(count):
                spell = order[i]
                shift = 0
                if draw > 0:
                    shift = before + gaps[i] - i - spells[spell, 0]
                    before += spells[spell, 1]
                for lot in range(spells[spell, 2], spells[spell, 3]):
                    _book(
                        out[draw],
                        opens[symbol],
                        closes[symbol],
                        lots[lot, 0] + shift,
                        lots[lot, 1] + shift,
                        weights[lot],
                        cost,
                    )
    return out


@njit(cache=True, nogil=True)
def _distinct(values: np.ndarray, limit: int, rng: np.random.Generator) -> None:
    """Sort values in [0, limit), replacing repeated ones until all differ: a uniform choice without repetition."""
    count = values.size
    taken = np.zeros(limit, dtype=np.bool_)
    for i in range(count):
        while taken[values[i]]:
            values[i] = int(rng.random() * limit)
        taken[values[i]] = True
    at = 0
    for value in range(limit):
        if taken[value]:
            values[at] = value
            at += 1
