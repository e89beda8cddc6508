"""What a strategy may look at: the rows known at the moment of its decision, and nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from gnosis.backtest.known_rows import KnownRows


class LookAheadError(RuntimeError):
    """A strategy or a target used something that was not known at the moment of the decision."""


class UndeclaredTableError(LookupError):
    """A strategy asked for a table that it did not declare, or that was not given to the run."""


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """An order that is still alive at the decision.

    Attributes
    ----------
    order_number
        What :class:`gnosis.backtest.orders.Cancel` takes.
    symbol, kind, limit_price, stop_price
        As submitted, restated for splits.
    quantity_shares
        Signed quantity still to be filled.
    parent_number
        Entry that it protects; None for other orders.
    """

    order_number: int
    symbol: str
    kind: str
    quantity_shares: float
    limit_price: float | None
    stop_price: float | None
    parent_number: int | None


class View:
    """The market as known at one decision, with the account of the strategy.

    The view serves no later rows; asking for a later session raises.

    Attributes
    ----------
    session
        Session whose bars have just closed.
    now
        Moment of the decision (UTC).
    equity_usd
        Equity at the close.
    positions_shares
        Shares held by symbol; negative is short.
    symbols
        Symbols of the run that have had a bar by now and are not delisted, sorted.
    resting_orders
        Orders still alive, by number.

    Examples
    --------
    >>> day, next_day = dt.date(2024, 1, 3), dt.date(2024, 1, 4)
    >>> now = dt.datetime(2024, 1, 3, 21, tzinfo=dt.UTC)
    >>> bars = pl.DataFrame({"session": [day], "symbol": ["SPY"], "close": [468.79], "known_at": [now]})
    >>> view = View(day, now, KnownRows(bars, "bars"), 1e6, {}, symbols=["SPY"])
    >>> view.bar(day, "SPY")["close"], view.symbols
    (468.79, ['SPY'])
    >>> view.bar(next_day, "SPY")
    Traceback (most recent call last):
    gnosis.backtest.view.LookAheadError: asked for 2024-01-04, but the decision is at 2024-01-03T21:00:00+00:00 ...
    """

    __slots__ = (
        "_bars", "_tables", "equity_usd", "now", "positions_shares", "resting_orders", "session", "symbols",
    )  # fmt: skip

    def __init__(
        self,
        session: dt.date,
        now: dt.datetime,
        bars: KnownRows,
        equity_usd: float,
        positions_shares: dict[str, float],
        *,
        symbols: Sequence[str] = (),
        resting_orders: Sequence[RestingOrder] = (),
        tables: Mapping[str, KnownRows] | None = None,
    ) -> None:
        self.session = session
        self.now = now
        self.equity_usd = equity_usd
        self.positions_shares = positions_shares
        self.symbols = list(symbols)
        self.resting_orders = list(resting_orders)
        self._bars = bars
        self._tables = {} if tables is None else tables

    def bars(self, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
        """Return the known bars from ``first`` to ``last`` (default: the session of the view), both inclusive.

        Raises
        ------
        LookAheadError
            When either date lies after the session of the view.
        """
        self._refuse_later(first)
        self._refuse_later(last)
        frame = self._bars.until(self.now)
        if first is not None:
            frame = frame.filter(pl.col("session") >= first)
        if last is not None:
            frame = frame.filter(pl.col("session") <= last)
        return frame.sort("session", "symbol")

    def bar(self, session: dt.date, symbol: str) -> dict[str, Any] | None:
        """Return one bar as a dictionary, or None when no such bar is known.

        Raises
        ------
        LookAheadError
            When ``session`` lies after the session of the view.
        """
        self._refuse_later(session)
        rows = self._bars.of_session(session, self.now)
        found = rows.filter(pl.col("symbol") == symbol)
        return found.row(0, named=True) if found.height else None

    def table(self, name: str, session: dt.date | None = None) -> pl.DataFrame:
        """Return the rows of a declared table known by now, of all sessions or of one.

        Raises
        ------
        UndeclaredTableError
            For a table that the strategy does not declare.
        LookAheadError
            When ``session`` lies after the session of the view.
        """
        self._refuse_later(session)
        rows = self._rows(name)
        return rows.until(self.now) if session is None else rows.of_session(session, self.now)

    def today(self, name: str) -> pl.DataFrame:
        """Return the rows that a declared table has of the view's session, as far as they are known by now.

        Raises
        ------
        UndeclaredTableError
            For a table that the strategy does not declare.
        """
        return self._rows(name).of_session(self.session, self.now)

    def today_values(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return what :meth:`today` does as tuples of ``columns``: quicker, for decisions made thousands of times.

        Raises
        ------
        UndeclaredTableError
            For a table that the strategy does not declare.
        polars.exceptions.ColumnNotFoundError
            For a column that the table does not have.
        """
        return self._rows(name).values_of_session(self.session, self.now, columns)

    def _rows(self, name: str) -> KnownRows:
        if name not in self._tables:
            raise UndeclaredTableError(
                f"expected one of the declared tables {sorted(self._tables)}, found {name!r}: name it in "
                "@strategy(reads=...) and give it to the run"
            )
        return self._tables[name]

    def _refuse_later(self, session: dt.date | None) -> None:
        if session is not None and session > self.session:
            raise LookAheadError(
                f"asked for {session}, but the decision is at {self.now.isoformat()} after the close of "
                f"{self.session}: use sessions up to that one"
            )
