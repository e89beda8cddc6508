"""Compiled loops behind :mod:`gnosis.engines.documents` and :mod:`gnosis.engines.duplicates`."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gnosis.engines.points import Floats, Integers

Bools = NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max
DAY_US = 86_400_000_000
WIDTH = 15


@njit(cache=True, nogil=True, error_model="numpy")
def near_duplicates(
    starts: Integers, tokens: Integers, bucket: Integers, birth: Integers, n_tokens: int, least: float, horizon: int
) -> Bools:
    """Return which texts resemble an earlier one of their bucket.

    Two sets of Jaccard similarity ``least`` share a token among the first n - ceil(least n) + 1 of each, when the
    tokens of all sets stand in one order: only texts that meet in such a prefix are compared.
    """
    n = bucket.size
    found = np.zeros(n, dtype=np.bool_)
    head = np.full(n_tokens, -1, dtype=np.int64)
    behind = np.full(tokens.size, -1, dtype=np.int64)
    owner = np.empty(tokens.size, dtype=np.int64)
    compared = np.full(n, -1, dtype=np.int64)
    for i in range(n):
        size = starts[i + 1] - starts[i]
        prefix = size - int(np.ceil(least * size - 1e-9)) + 1 if size > 0 else 0
        for k in range(starts[i], starts[i] + prefix):
            entry = head[tokens[k]]
            while entry != -1 and not found[i]:
                j = owner[entry]
                if bucket[j] != bucket[i] or birth[i] - birth[j] > horizon:
                    break
                if compared[j] != i:
                    compared[j] = i
                    a, b, both = starts[i], starts[j], 0
                    while a < starts[i + 1] and b < starts[j + 1]:
                        if tokens[a] == tokens[b]:
                            both += 1
                            a += 1
                            b += 1
                        elif tokens[a] < tokens[b]:
                            a += 1
                        else:
                            b += 1
                    either = size + starts[j + 1] - starts[j] - both
                    found[i] = both >= least * either - 1e-9
                entry = behind[entry]
            owner[k] = i
            behind[k] = head[tokens[k]]
            head[tokens[k]] = k
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def displaced_at(group: Integers, since: Integers, most: int) -> Integers:
    """Return when ``most`` stronger members of the same group are there; members sorted by group, strongest first."""
    out = np.full(group.size, NEVER, dtype=np.int64)
    earliest = np.empty(most, dtype=np.int64)
    n = 0
    for i in range(group.size):
        if i == 0 or group[i] != group[i - 1]:
            n = 0
        if n == most:
            out[i] = earliest[most - 1]
        place = n if n < most else most - 1
        if n < most or since[i] < earliest[most - 1]:
            while place > 0 and earliest[place - 1] > since[i]:
                earliest[place] = earliest[place - 1]
                place -= 1
            earliest[place] = since[i]
            n = min(n + 1, most)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def windows(
    as_of: Integers,
    bucket: Integers,
    bucket_starts: Integers,
    instants: Integers,
    floats: Floats,
    codes: Integers,
    sizes: Integers,
    half_life_us: float,
    longest_us: int,
) -> Floats:
    """Return sums over the documents that each point counts, in the order of ``documents.Window``.

    Parameters
    ----------
    instants
        Rows: visible_from, visible_until, birth.
    floats
        Rows: score (NaN without), confidence, engagement weight, 1 for the model's scores, weight in r/wallstreetbets
        (NaN elsewhere).
    codes
        Rows: tag, author, outlet; both -1 when unknown.
    sizes
        Number of authors and of outlets.
    """
    out = np.zeros((as_of.size, WIDTH))
    out[:, 14] = np.nan
    by_author = np.zeros(sizes[0])
    last_seen = np.full(sizes[1], -1, dtype=np.int64)
    for p in range(as_of.size):
        first, end = bucket_starts[bucket[p]], bucket_starts[bucket[p] + 1]
        oldest = as_of[p] - longest_us
        start = first + np.searchsorted(instants[0, first:end], oldest)
        for i in range(start, end):
            if instants[0, i] > as_of[p]:
                break
            if instants[1, i] <= as_of[p] or instants[2, i] < oldest:
                continue
            age = as_of[p] - instants[2, i]
            score, confidence = floats[0, i], floats[1, i]
            if not np.isnan(score):
                decay = np.exp2(-age / half_life_us)
                weight = confidence * floats[2, i] * decay
                out[p, 0] += 1.0
                # Rows stand in the order of their instants.
                out[p, 14] = instants[0, i]
                out[p, 1] += confidence * decay
                out[p, 2] += floats[3, i] * confidence * decay
                out[p, 3] += weight
                out[p, 4] += weight * score
                out[p, 5] += weight * score * score
                if codes[1, i] >= 0:
                    by_author[codes[1, i]] += weight
                else:
                    out[p, 10] += weight * weight
            if age > DAY_US:
                continue
            out[p, 6] += 1.0
            out[p, 7] += codes[0, i] == 1
            out[p, 8] += codes[0, i] == 2
            if codes[2, i] >= 0 and last_seen[codes[2, i]] != p:
                last_seen[codes[2, i]] = p
                out[p, 9] += 1.0
            if not np.isnan(floats[4, i]) and not np.isnan(score):
                out[p, 11] += 1.0
                out[p, 12] += floats[4, i]
                out[p, 13] += floats[4, i] * score
        for i in range(start, end):
            if instants[0, i] > as_of[p]:
                break
            author = codes[1, i]
            if author >= 0:
                out[p, 10] += by_author[author] * by_author[author]
                by_author[author] = 0.0
    return out
