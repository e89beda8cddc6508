"""Compiled loops behind :mod:`gnosis.engines.sentiment.earnings_tone`."""

from __future__ import annotations

import numpy as np
from numba import njit

from gnosis.engines.points import Floats, Integers

PREPARED, QA = range(2)
MOST_PRIOR = 4


@njit(cache=True, nogil=True, error_model="numpy")
def merged(symbol: Integers, event_birth: Integers, gap_us: int) -> Integers:
    """Return the number of each document's call; calls that begin within ``gap_us`` of the first of them are one."""
    out = np.zeros(symbol.size, dtype=np.int64)
    number, first = -1, 0
    for i in range(symbol.size):
        if i == 0 or symbol[i] != symbol[i - 1] or event_birth[i] - first >= gap_us:
            number += 1
            first = event_birth[i]
        out[i] = number
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def tones(
    symbol_of_point: Integers,
    as_of: Integers,
    oldest_prior: Integers,
    longest_us: int,
    symbol_starts: Integers,
    instants: Integers,
    call: Integers,
    section: Integers,
    floats: Floats,
) -> Floats:
    """Return, per point, what its last call and the calls before say.

    Parameters
    ----------
    oldest_prior
        Instant after which an earlier call must have begun.
    instants
        Rows: visible_from, visible_until, beginning of the call.
    call
        Number of the call, ascending within a symbol.
    floats
        Rows: score (NaN without), confidence, 1 for scores of the model.

    Returns
    -------
    numpy.ndarray
        Columns: tone of the prepared remarks, of the answers, age in microseconds, documents, sections by the model,
        sections by word lists, number of prior calls, mean and standard deviation of their tones, confidence of the
        documents of the last call, instant at which the newest of them was known.
    """
    out = np.full((as_of.size, 11), np.nan)
    prior = np.empty(MOST_PRIOR)
    weight, weighted, by_model = np.zeros(2), np.zeros(2), np.zeros(2)
    for p in range(as_of.size):
        n_prior = -1
        i = symbol_starts[symbol_of_point[p] + 1] - 1
        start = symbol_starts[symbol_of_point[p]]
        while i >= start and n_prior < MOST_PRIOR:
            number = call[i]
            weight[:], weighted[:], by_model[:] = 0.0, 0.0, 0.0
            begun, newest, n = 0, 0, 0
            while i >= start and call[i] == number:
                if instants[0, i] <= as_of[p] < instants[1, i] and not np.isnan(floats[0, i]):
                    begun = max(begun, instants[2, i])
                    newest = max(newest, instants[0, i])
                    weight[section[i]] += floats[1, i]
                    weighted[section[i]] += floats[1, i] * floats[0, i]
                    by_model[section[i]] += floats[1, i] * floats[2, i]
                    n += 1
                i -= 1
            if weight.sum() == 0.0:
                continue
            prepared, qa = weighted[PREPARED] / weight[PREPARED], weighted[QA] / weight[QA]
            tone = qa if np.isnan(prepared) else prepared if np.isnan(qa) else (prepared + qa) / 2.0
            if n_prior < 0:
                if as_of[p] - begun > longest_us:
                    break
                n_prior = 0
                model = float((by_model > 0.0).sum())
                out[p, 0], out[p, 1], out[p, 2], out[p, 3] = prepared, qa, as_of[p] - begun, n
                out[p, 4], out[p, 5] = model, (weight > 0.0).sum() - model
                out[p, 9], out[p, 10] = weight.sum(), newest
            elif begun > oldest_prior[p]:
                prior[n_prior] = tone
                n_prior += 1
            else:
                break
        if n_prior >= 0:
            out[p, 6] = n_prior
        if n_prior >= 2:
            known = prior[:n_prior]
            out[p, 7] = known.mean()
            out[p, 8] = np.sqrt(((known - known.mean()) ** 2).sum() / (n_prior - 1))
    return out
