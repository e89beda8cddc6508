"""How much of the expected order book each point has, and the snapshots that can be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gnosis.engines.liquidity.inputs import LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.order_books import MINUTE_US, OrderBooks, regular_hours
from gnosis.engines.points import Floats, Integers
from gnosis.engines.protocol import Bools
from gnosis.reasons import SURE

SESSION_MINUTES = 390


@dataclass(frozen=True)
class Quotes:
    """Snapshots with a best price on both sides, point by point in the order of time.

    Attributes
    ----------
    row
        Position of the snapshot in the arrays of the order books.
    point
        Point that it belongs to.
    starts, ends
        Slice of each point in ``row``.
    """

    row: Integers
    point: Integers
    starts: Integers
    ends: Integers


def quotes(inputs: LiquidityInputs, minutes: int | None = None) -> Quotes:
    """Return the usable snapshots of the regular session, or of its last minutes."""
    n = len(inputs.points)
    if inputs.books is None:
        none, zero = np.zeros(0, np.int64), np.zeros(n, np.int64)
        return Quotes(none, none, zero, zero)
    starts, ends = inputs.books.regular(minutes=minutes)
    count = ends - starts
    total = np.cumsum(count)
    row = np.arange(int(total[-1]) if n else 0) + np.repeat(starts - total + count, count)
    point = np.repeat(np.arange(n), count)
    usable = ~np.isnan(inputs.books.mid[row])
    if not usable.all():
        row, point = row[usable], point[usable]
        count = np.bincount(point, minlength=n)
        total = np.cumsum(count)
    return Quotes(row, point, total - count, total)


def within(books: OrderBooks, session: Quotes, closes: Integers, minutes: int) -> Quotes:
    """Return those of the snapshots of a session that lie in its last minutes."""
    row, point = session.row, session.point
    late = books.ts[row] >= closes[point] - minutes * MINUTE_US
    count = np.bincount(point[late], minlength=closes.size)
    total = np.cumsum(count)
    return Quotes(row[late], point[late], total - count, total)


def book_coverage(
    inputs: LiquidityInputs, parameters: LiquidityParameters, levels: int, minutes: int | None = None
) -> Floats:
    """Return level rows present over expected ones in the regular session, or in its last minutes.

    Expected are ``parameters.snapshots_per_session`` snapshots in 390 minutes, each with ``levels`` levels of two
    sides. Of the snapshots that share a part of the session in which one is expected, the fullest counts.
    """
    from gnosis.engines.liquidity.book_kernel import coverage

    books = inputs.books
    if books is None:
        return np.zeros(len(inputs.points))
    opens, closes = regular_hours(inputs.points.position)
    first = opens if minutes is None else np.maximum(opens, closes - minutes * MINUTE_US)
    length = (closes - first) / MINUTE_US
    expected = np.maximum(np.round(parameters.snapshots_per_session * length / SESSION_MINUTES), 1).astype(np.int64)
    starts, ends = books.regular(minutes=minutes)
    return coverage(books.ts, books.bid_price, books.ask_price, starts, ends, first, closes, expected, levels)


def sum_of_levels(levels: Floats) -> Floats:
    """Return the sum over the last axis, level after level: absent levels, 0 or NaN, do not change a bit of it.

    Examples
    --------
    >>> sum_of_levels(np.array([[0.1, 0.2, 0.3], [0.1, np.nan, 0.0]])).tolist()
    [0.6000000000000001, 0.1]
    """
    return np.asarray(np.nancumsum(levels, axis=-1)[..., -1])


def any_known(values: Mapping[str, Floats]) -> Bools:
    """Return where at least one of the values is known."""
    return np.asarray((~np.isnan(np.stack(list(values.values())))).any(axis=0))


def book_confidence(book: Floats, daily: Floats, is_proxy: Bools, has_output: Bools) -> Floats:
    """Return 0.7 x coverage of the book + 0.3 x coverage of the daily bars; without the first term for a proxy."""
    return np.where(has_output, np.where(is_proxy, 0.0, 0.7 * book) + 0.3 * daily, 0.0)


def book_reasons(
    inputs: LiquidityInputs, book: Floats, daily: Floats, has_quotes: Bools, is_proxy: Bools
) -> dict[str, Bools]:
    """Return why the book or the daily bars may say little.

    Parameters
    ----------
    inputs
        Inputs of the engine.
    book, daily
        Coverage of the book and of the daily bars.
    has_quotes
        Whether the regular session has a usable snapshot.
    is_proxy
        Where daily bars stand in for the book.
    """
    dropped = np.zeros(len(inputs.points), dtype=bool) if inputs.books is None else inputs.books.dropped > 0
    has_book = has_quotes | dropped
    return {
        "NO_BOOK": ~has_book,
        "PARTIAL_BOOK": has_book & (dropped | is_proxy | (book < SURE)),
        "SHORT_HISTORY": daily < 1.0,
    }
