"""The bars that orders meet in one session, in the order of events, with the moments that fills are priced and made."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from gnosis.backtest.conditions import Conditions
from gnosis.backtest.fill_rules import Bar
from gnosis.backtest.ledger import to_units
from gnosis.backtest.market import Market


class Moment(NamedTuple):
    """When an order meets a bar, in microseconds since 1970.

    Attributes
    ----------
    priced_us
        What was known by then prices the fill: the start of the bar, or the auction.
    filled_us
        By when the fill has happened.
    fine_volume
        Shares traded in a bar inside the session; None for the daily bar.
    is_closing
        True in the closing auction.
    """

    priced_us: int
    filled_us: int
    fine_volume: float | None = None
    is_closing: bool = False


class Meeting(NamedTuple):
    """One bar that orders of a symbol meet, with the moments of its open and of what follows, or one quote.

    The bar of a quote stands at its mid, from which concessions are measured; ``bid`` and ``ask`` are what sales and
    purchases find there.
    """

    bar: Bar
    at_open: Moment
    inside: Moment
    bid: int | None = None
    ask: int | None = None

    def seen_by(self, side: int) -> Bar:
        """Return the bar as a purchase (1) or a sale (-1) finds it."""
        price = self.ask if side > 0 else self.bid
        return self.bar if price is None else Bar(price, price, price, price)


def quotes_of(conditions: Conditions, columns: Iterable[int], first_us: int, close_us: int) -> list[dict[int, Meeting]]:
    """Return the quotes known from ``first_us`` until the close, one step for each instant, by symbol number."""
    steps: dict[int, dict[int, Meeting]] = {}
    for column in columns:
        books = conditions.books.get(column, [])
        start = bisect_left(books, first_us, key=lambda book: book.known_at)
        end = bisect_left(books, close_us, start, key=lambda book: book.known_at)
        for book in books[start:end]:
            bid, ask = to_units(book.bids[0][0]), to_units(book.asks[0][0])
            mid = to_units((book.bids[0][0] + book.asks[0][0]) / 2)
            at = Moment(book.known_at, book.known_at)
            steps.setdefault(book.known_at, {})[column] = Meeting(Bar(mid, mid, mid, mid), at, at, bid, ask)
    return [steps[at] for at in sorted(steps)]


def meetings_of(
    market: Market, conditions: Conditions, session: int, columns: Iterable[int], open_us: int, close_us: int
) -> list[dict[int, Meeting]]:
    """Return the meetings of a session step by step, by symbol number: finer bars if there are any, or the daily.

    A symbol without a bar in the session has none.
    """
    steps: dict[int, dict[int, Meeting]] = {}
    for column in columns:
        finer = conditions.intraday.get((session, column))
        if finer:
            for piece in finer:
                at_open = Moment(piece.began_at, piece.began_at, piece.volume)
                inside = Moment(piece.began_at, piece.ended_at, piece.volume)
                steps.setdefault(piece.ended_at, {})[column] = Meeting(piece.bar, at_open, inside)
        elif opened := int(market.opens[session, column]):
            rest = (int(grid[session, column]) for grid in (market.highs, market.lows, market.closes))
            # Daily bars first: they begin with the session.
            steps.setdefault(0, {})[column] = Meeting(
                Bar(opened, *rest), Moment(open_us, open_us), Moment(open_us, close_us)
            )
    return [steps[at] for at in sorted(steps)]
