"""What a strategy may look at: the rows known at the moment of its decision, and nothing else."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl


class LookAheadError(RuntimeError):
    """A strategy or a target used something that was not known at the moment of the decision."""


class View:
    """The market as known at one decision, with the account of the strategy.

    The view holds no later rows, so they cannot be reached by any route; asking for a later session raises.

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

    Examples
    --------
    >>> day, next_day = dt.date(2024, 1, 3), dt.date(2024, 1, 4)
    >>> now = dt.datetime(2024, 1, 3, 21, tzinfo=dt.UTC)
    >>> bars = pl.DataFrame({"session": [day], "symbol": ["SPY"], "close": [468.79]})
    >>> view = View(day, now, bars, 1e6, {})
    >>> view.bar(day, "SPY")["close"]
    468.79
    >>> view.bar(next_day, "SPY")
    Traceback (most recent call last):
    gnosis.backtest.view.LookAheadError: asked for 2024-01-04, but the decision is at 2024-01-03T21:00:00+00:00 ...
    """

    __slots__ = ("_known", "equity_usd", "now", "positions_shares", "session")

    def __init__(
        self,
        session: dt.date,
        now: dt.datetime,
        known: pl.DataFrame,
        equity_usd: float,
        positions_shares: dict[str, float],
    ) -> None:
        self.session = session
        self.now = now
        self.equity_usd = equity_usd
        self.positions_shares = positions_shares
        self._known = known

    def bars(self, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
        """Return the known bars from ``first`` to ``last`` (default: the session of the view), both inclusive.

        Raises
        ------
        LookAheadError
            When either date lies after the session of the view.
        """
        self._refuse_later(first)
        self._refuse_later(last)
        frame = self._known
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
        found = self._known.filter((pl.col("session") == session) & (pl.col("symbol") == symbol))
        return found.row(0, named=True) if found.height else None

    def _refuse_later(self, session: dt.date | None) -> None:
        if session is not None and session > self.session:
            raise LookAheadError(
                f"asked for {session}, but the decision is at {self.now.isoformat()} after the close of "
                f"{self.session}: use sessions up to that one"
            )
