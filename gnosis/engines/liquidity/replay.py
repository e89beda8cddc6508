"""Order books rebuilt from the messages of a venue: snapshots and changes of price levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnosis.engines.points import Floats, Integers
from gnosis.engines.protocol import Bools
from gnosis.options.arrays import frozen


@dataclass(frozen=True)
class BookMessages:
    """Messages about one instrument's book in their order of arrival; each sets one or several price levels.

    Attributes
    ----------
    starts
        Shape (messages + 1,): rows ``starts[m]`` to ``starts[m + 1]`` belong to message m.
    is_snapshot
        Shape (messages,): the message holds the whole book; what was known before is dropped.
    is_ask, price, size
        Shape (rows,): side, price ($) and displayed size that is left; size 0 removes the level. Of several rows of a
        message about the same level the last one counts.

    Raises
    ------
    ValueError
        When lengths do not fit, a price is not positive, a size is negative or missing.
    """

    starts: Integers
    is_snapshot: Bools
    is_ask: Bools
    price: Floats
    size: Floats

    def __post_init__(self) -> None:
        n_messages, n_rows = len(self.is_snapshot), len(self.price)
        lengths = (len(self.starts) - 1, len(self.is_ask), len(self.size))
        steps = np.diff(self.starts, prepend=0, append=n_rows)
        if lengths != (n_messages, n_rows, n_rows) or steps.min() < 0 or steps[0] or steps[-1]:
            raise ValueError(
                f"expected starts from 0 to the number of rows and columns of equal length, found {n_messages} "
                f"messages, {n_rows} prices and {lengths} starts less one, sides and sizes"
            )
        wrong = ~((self.price > 0) & np.isfinite(self.price) & (self.size >= 0) & np.isfinite(self.size))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"expected a price > 0 and a size >= 0, found {self.price[row]} and {self.size[row]} in row {row}"
            )


@dataclass(frozen=True)
class BookStates:
    """What the book was after each message, for :attr:`wanted` messages with their best levels.

    Attributes
    ----------
    wanted
        Shape (wanted,): messages whose levels are given.
    rows
        Shape (wanted, 2, levels), int64: row of :class:`BookMessages` that last set the level, bids first, best level
        first; -1 where the side has no such level.
    price, size
        Shape (wanted, 2, levels), float64: $ and displayed size; NaN where there is no level.
    best_bid, best_ask
        Shape (messages,), float64: best prices after every message; NaN where a side is empty or no snapshot has come.
    is_known
        Shape (messages,): a snapshot has come, so the book is known. Earlier changes are not applied.
    is_crossed
        Shape (messages,): the best bid is at or above the best ask after the whole message.
    """

    wanted: Integers
    rows: NDArray[np.int64]
    price: Floats
    size: Floats
    best_bid: Floats
    best_ask: Floats
    is_known: Bools
    is_crossed: Bools


def replay(
    messages: BookMessages, levels: int = 10, depth: int | None = None, wanted: Bools | None = None
) -> BookStates:
    """Apply the messages one after the other and return the book after each.

    Parameters
    ----------
    messages
        Messages of one instrument.
    levels
        Best levels per side to return, >= 1.
    depth
        Levels per side that the venue maintains: what falls out of them after a message is dropped, because the venue
        does not report it any longer. None when it reports the whole book.
    wanted
        Shape (messages,): whose levels to return; all by default.

    Returns
    -------
    BookStates

    Raises
    ------
    ValueError
        When ``levels`` or ``depth`` is below 1, or ``wanted`` has another length than the messages.

    Examples
    --------
    >>> first, later = ([False, True], [10.0, 10.2], [5.0, 7.0]), ([True, True], [10.2, 10.1], [0.0, 2.0])
    >>> sides, prices, sizes = (np.array([*one, *two]) for one, two in zip(first, later))
    >>> book = replay(BookMessages(np.array([0, 2, 4]), np.array([True, False]), sides, prices, sizes), levels=1)
    >>> book.price[:, :, 0].tolist(), book.size[:, :, 0].tolist()
    ([[10.0, 10.2], [10.0, 10.1]], [[5.0, 7.0], [5.0, 2.0]])
    """
    from gnosis.engines.liquidity.replay_kernel import apply

    n = len(messages.is_snapshot)
    chosen = np.ones(n, dtype=bool) if wanted is None else wanted
    if levels < 1 or (depth is not None and depth < 1) or len(chosen) != n:
        raise ValueError(
            f"expected levels >= 1, depth >= 1 or None and {n} flags as wanted, found {levels}, {depth}, {len(chosen)}"
        )
    prices, place = np.unique(messages.price, return_inverse=True)
    top = np.full((int(chosen.sum()), 2, levels), -1, dtype=np.int64)
    best = np.full((n, 2), -1, dtype=np.int64)
    is_known = np.logical_or.accumulate(messages.is_snapshot) if n else np.zeros(0, dtype=bool)
    apply(
        frozen(messages.starts.astype(np.int64), (n + 1,)),
        frozen(messages.is_snapshot, (n,)),
        frozen(is_known, (n,)),
        frozen(messages.is_ask.astype(np.int64), place.shape),
        frozen(place.astype(np.int64), place.shape),
        frozen(messages.size == 0, place.shape),
        len(prices),
        max(len(prices), 1) if depth is None else depth,
        frozen(chosen, (n,)),
        top,
        best,
    )
    best_bid, best_ask = (_gathered(prices, best[:, side]) for side in range(2))
    return BookStates(
        wanted=np.flatnonzero(chosen),
        rows=top,
        price=_gathered(messages.price, top),
        size=_gathered(messages.size, top),
        best_bid=best_bid,
        best_ask=best_ask,
        is_known=is_known,
        is_crossed=best_bid >= best_ask,
    )


def _gathered(values: Floats, places: NDArray[np.int64]) -> Floats:
    return np.append(values, np.nan)[places]


def interval_states(
    instants: Integers, interval: int, stale_after: int, heard: Integers | None = None
) -> tuple[Integers, Integers]:
    """Return which state holds at every full interval: the last one at or before it.

    Nothing is returned before the first state, after the last sign of life, nor where the source had been silent for
    longer than ``stale_after``: a recorder that stops says nothing about the book.

    Parameters
    ----------
    instants
        Shape (n,), ascending: when each state came about.
    interval
        Distance of the boundaries, multiples of it counted from 0; in the unit of ``instants``, > 0.
    stale_after
        Longest silence, >= 0.
    heard
        Shape (m,), ascending: every sign of life of the source, when there are others than the states themselves.

    Returns
    -------
    boundaries : numpy.ndarray
        Shape (k,), int64.
    states : numpy.ndarray
        Shape (k,), int64: positions in ``instants``.

    Raises
    ------
    ValueError
        When ``interval`` or ``stale_after`` is out of range.

    Examples
    --------
    >>> boundaries, states = interval_states(np.array([95, 118, 205, 420]), 100, 60)
    >>> boundaries.tolist(), states.tolist()
    ([100], [0])
    """
    if interval <= 0 or stale_after < 0:
        raise ValueError(f"expected interval > 0 and stale_after >= 0, found {interval} and {stale_after}")
    signs = instants if heard is None else heard
    if not len(instants) or not len(signs):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    boundaries = np.arange(-(-int(instants[0]) // interval), int(signs[-1]) // interval + 1, dtype=np.int64) * interval
    states = np.searchsorted(instants, boundaries, side="right") - 1
    last_sign = signs[np.maximum(np.searchsorted(signs, boundaries, side="right") - 1, 0)]
    is_fresh = boundaries - last_sign <= stale_after
    return boundaries[is_fresh], states[is_fresh].astype(np.int64)
