"""Compiled search behind :mod:`gnosis.options.positioning.zero_gamma`.

Gamma at a hypothetical spot is carried relative to its largest exponent, so that far from every strike, where gamma
itself is below the smallest double, the signs and ratios that the search needs are still right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnosis.options.arrays import Floats
from gnosis.options.positioning.bands import Z90
from gnosis.options.positioning.gamma_profile_kernel import knot_below, smile_iv
from gnosis.options.special_functions import exp, vectorised

TOLERANCE = 2e-13


class Books(NamedTuple):
    """Smiles and lines (strikes of an expiry with open interest) of many chains, in the order chain, expiry, strike.

    Attributes
    ----------
    expiries
        First expiry of each chain, followed by the number of expiries.
    sets
        Per expiry, the expiry sets that it belongs to, one bit each.
    knots
        First knot of each expiry, followed by the number of knots.
    knot_k, knot_iv, knot_slope
        Smiles: log-moneyness ln(K/F), ascending within an expiry, volatility, and its slope up to the next knot.
    lines
        First line of each expiry, followed by the number of lines.
    k, iv, root_tau, scale
        Per line; ``scale`` is F DF/(S^2 sqrt(2 pi)).
    signed
        x OI M per line, shape (lines, conventions + 1): each convention, last the prior mean.
    gross
        OI M per line.
    spread, group
        s OI M and the number of the prior's group of call and put, shape (lines, 2).
    """

    expiries: NDArray[np.int64]
    sets: NDArray[np.int64]
    knots: NDArray[np.int64]
    knot_k: Floats
    knot_iv: Floats
    knot_slope: Floats
    lines: NDArray[np.int64]
    k: Floats
    iv: Floats
    root_tau: Floats
    scale: Floats
    signed: Floats
    gross: Floats
    spread: Floats
    group: NDArray[np.int64]


class Scratch(NamedTuple):
    """Memory of one search: exponent and gamma per line, and the sums of the groups."""

    exponent: Floats
    gamma: Floats
    groups: Floats


@vectorised
def evaluate(
    books: Books,
    scratch: Scratch,
    chain: int,
    expiry_set: int,
    log_ratio: float,
    correlation: float,
    is_sticky_strike: bool,
    out: Floats,
) -> float:
    """Sum gamma of one chain and set at the spot S e^log_ratio and return the logarithm of the unit of the sums.

    ``out`` receives the net gamma of each convention, then mean, variance and hard bound under the prior. In shares
    per $ they are ``out`` e^unit, the variance ``out`` e^(2 unit). Without open interest all are 0.
    """
    # Fields are taken out of the tuples once, as every access counts references; max(., 0) below tells the compiler
    # that no index is negative.
    expiries, sets, knots, lines = books.expiries, books.sets, books.knots, books.lines
    knot_k, knot_iv, knot_slope = books.knot_k, books.knot_iv, books.knot_slope
    k, iv, root_tau, scale = books.k, books.iv, books.root_tau, books.scale
    signed, gross, spread, group = books.signed, books.gross, books.spread, books.group
    exponents, gamma, groups = scratch.exponent, scratch.gamma, scratch.groups
    top = -np.inf
    for e in range(expiries[chain], expiries[chain + 1]):
        if not sets[e] >> expiry_set & 1:
            continue
        first, last = max(knots[e], 0), knots[e + 1] - 1
        knot = first
        for i in range(max(lines[e], 0), lines[e + 1]):
            sigma = iv[i]
            if not is_sticky_strike:
                x = k[i] - log_ratio
                knot = knot_below(knot_k, x, knot, first, last)
                sigma = smile_iv(knot_k, knot_iv, knot_slope, x, knot)
            total = sigma * root_tau[i]
            inverse = 1.0 / total
            d1 = (log_ratio - k[i]) * inverse + 0.5 * total
            exponent = -0.5 * d1 * d1
            top = max(top, exponent)
            exponents[i] = exponent
            gamma[i] = scale[i] * inverse
    out[:] = 0.0
    if top == -np.inf:
        return 0.0
    groups[:] = 0.0
    rows = signed.shape[1]
    all_gamma, own = 0.0, 0.0
    for e in range(expiries[chain], expiries[chain + 1]):
        if not sets[e] >> expiry_set & 1:
            continue
        first, last = max(lines[e], 0), lines[e + 1]
        for i in range(first, last):
            gamma[i] *= exp(exponents[i] - top)
        for i in range(first, last):
            for row in range(rows):
                out[row] += gamma[i] * signed[i, row]
            all_gamma += gamma[i] * gross[i]
        for right in range(2):
            # Neighbouring strikes share a group: it is summed before it is stored.
            part, at = 0.0, 0
            for i in range(first, last):
                if group[i, right] != at:
                    groups[at] += part
                    part, at = 0.0, group[i, right]
                share = gamma[i] * spread[i, right]
                part += share
                own += share * share
            groups[at] += part
    shared = 0.0
    for g in range(groups.size):
        shared += groups[g] * groups[g]
    out[rows] = correlation * shared + (1.0 - correlation) * own
    out[rows + 1] = all_gamma
    return top - log_ratio


@vectorised
def nodes_of(
    books: Books,
    scratch: Scratch,
    chain: int,
    expiry_set: int,
    log_ratios: Floats,
    correlation: float,
    is_sticky_strike: bool,
    out: Floats,
    unit: Floats,
) -> None:
    """Evaluate one chain and set at every node: ``out`` of shape (nodes, values), ``unit`` of shape (nodes,)."""
    for j in range(log_ratios.size):
        unit[j] = evaluate(books, scratch, chain, expiry_set, log_ratios[j], correlation, is_sticky_strike, out[j])


@vectorised
def height(out: Floats, row: int, level: float) -> float:
    """Return what the search brings to zero: net over gross gamma, or for the prior mean/sd minus a level."""
    rows = out.size - 2
    if row < rows - 1:
        return out[row] / out[rows + 1]
    return out[row] / np.sqrt(out[rows]) - level


@vectorised
def refine(
    books: Books,
    scratch: Scratch,
    chain: int,
    expiry_set: int,
    low: float,
    low_height: float,
    high: float,
    high_height: float,
    row: int,
    level: float,
    correlation: float,
    is_sticky_strike: bool,
    out: Floats,
) -> float:
    """Return the log ratio between two with heights of opposite signs at which it is zero (Chandrupatla 1997)."""
    x1, x2 = high, low
    f1, f2 = high_height, low_height
    share = 0.5
    for _ in range(200):
        x = x1 + share * (x2 - x1)
        evaluate(books, scratch, chain, expiry_set, x, correlation, is_sticky_strike, out)
        f = height(out, row, level)
        if (f > 0.0) == (f1 > 0.0):
            x3, f3 = x1, f1
        else:
            x3, f3 = x2, f2
            x2, f2 = x1, f1
        x1, f1 = x, f
        least = TOLERANCE / abs(x2 - x1)
        if f == 0.0 or least > 0.5:
            break
        xi, phi = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
        share = 0.5
        if phi * phi < xi and (1.0 - phi) * (1.0 - phi) < 1.0 - xi:
            # Inverse quadratic interpolation, where it is known to stay inside.
            share = f1 / (f2 - f1) * f3 / (f2 - f3)
            share += (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
        share = min(max(share, least), 1.0 - least)
    return x1 if abs(f1) < abs(f2) else x2


@vectorised
def zone_end(
    books: Books,
    scratch: Scratch,
    chain: int,
    expiry_set: int,
    flip: float,
    flip_score: float,
    step: int,
    log_ratios: Floats,
    score: Floats,
    correlation: float,
    is_sticky_strike: bool,
    out: Floats,
) -> float:
    """Return where the sign first becomes sure on the way from a flip, the last node on that way if it never does."""
    inside, inside_score = flip, flip_score
    j = np.searchsorted(log_ratios, flip)
    if step < 0:
        j -= 1
    while 0 <= j < log_ratios.size:
        if abs(score[j]) >= Z90:
            level = Z90 if score[j] > 0.0 else -Z90
            rows = out.size - 2
            return refine(
                books, scratch, chain, expiry_set, inside, inside_score - level, log_ratios[j], score[j] - level,
                rows - 1, level, correlation, is_sticky_strike, out,
            )  # fmt: skip
        inside, inside_score = log_ratios[j], score[j]
        j += step
    return inside


@vectorised
def search(
    books: Books,
    first_chain: int,
    last_chain: int,
    n_sets: int,
    n_groups: int,
    log_ratios: Floats,
    correlation: float,
    is_sticky_strike: bool,
    counts: NDArray[np.int64],
    signs: NDArray[np.int64],
    nearest: Floats,
    zone: Floats,
    flips: Floats,
) -> int:
    """Find the flips of a range of chains and return how many were written to ``flips``, all as log ratios.

    ``counts`` (-1 without gamma), ``signs`` and ``nearest`` have shape (chains, sets, conventions), ``zone`` one more
    dimension of 2; ``flips`` follow each other in that order, ascending.
    """
    scratch = Scratch(np.empty(books.k.size), np.empty(books.k.size), np.empty(n_groups))
    rows = books.signed.shape[1]
    values = np.empty((log_ratios.size, rows + 2))
    unit, score, out = np.empty(log_ratios.size), np.empty(log_ratios.size), np.empty(rows + 2)
    written = 0
    for c in range(first_chain, last_chain):
        for s in range(n_sets):
            nodes_of(books, scratch, c, s, log_ratios, correlation, is_sticky_strike, values, unit)
            for row in range(rows - 1):
                counts[c, s, row] = -1
            if values[0, rows + 1] == 0.0:
                continue
            for j in range(log_ratios.size):
                score[j] = height(values[j], rows - 1, 0.0)
            for row in range(rows - 1):
                begin = written
                last = -1
                for j in range(log_ratios.size):
                    if values[j, row] == 0.0:
                        continue
                    if last >= 0 and (values[j, row] > 0.0) != (values[last, row] > 0.0):
                        if j > last + 1:
                            flips[written] = log_ratios[last + 1]
                        else:
                            flips[written] = refine(
                                books, scratch, c, s, log_ratios[last], height(values[last], row, 0.0), log_ratios[j],
                                height(values[j], row, 0.0), row, 0.0, correlation, is_sticky_strike, out,
                            )  # fmt: skip
                        written += 1
                    last = j
                counts[c, s, row] = written - begin
                signs[c, s, row] = 0 if last < 0 else 1 if values[last, row] > 0.0 else -1
                if written == begin:
                    continue
                flip = flips[begin]
                for j in range(begin + 1, written):
                    if abs(np.expm1(flips[j])) < abs(np.expm1(flip)):
                        flip = flips[j]
                nearest[c, s, row] = flip
                evaluate(books, scratch, c, s, flip, correlation, is_sticky_strike, out)
                flip_score = height(out, rows - 1, 0.0)
                if abs(flip_score) < Z90:
                    for end in range(2):
                        zone[c, s, row, end] = zone_end(
                            books, scratch, c, s, flip, flip_score, 2 * end - 1, log_ratios, score, correlation,
                            is_sticky_strike, out,
                        )  # fmt: skip
    return written
