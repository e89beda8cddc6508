"""What an options strategy may look at: chains, bars and Greeks known at its decision, and nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from gnosis.backtest.view import LookAheadError


@dataclass(frozen=True)
class OptionsView:
    """The market as known at one decision, with the account of the strategy.

    The view holds no later rows, so they cannot be reached by any route; asking for a later session raises.

    Attributes
    ----------
    session
        Session whose chain is the latest.
    now
        Moment of the decision (UTC): after the close and once the chain of the session is known.
    equity_usd, liquidation_usd, cash_usd, margin_usd
        Equity at mid and at liquidation value, cash, and margin required, at the close.
    positions
        Signed contracts by contract, and shares by symbol.
    """

    session: dt.date
    now: dt.datetime
    equity_usd: float
    liquidation_usd: float
    cash_usd: float
    margin_usd: float
    positions: Mapping[str, int]
    _chains: Mapping[dt.date, pl.DataFrame] = field(repr=False)
    _bars: pl.DataFrame = field(repr=False)
    _greeks: Mapping[dt.date, pl.DataFrame] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", MappingProxyType(dict(self.positions)))

    def chain(self, session: dt.date | None = None) -> pl.DataFrame:
        """Return the known quotes of a session (default: the latest) with the name of each ``contract``.

        The frame is empty when no chain of the session is known.

        Raises
        ------
        LookAheadError
            For a session after that of the view.
        """
        return self._known(self._chains, session)

    def greeks(self, session: dt.date | None = None) -> pl.DataFrame:
        """Return the known rows of ``greeks.option_greeks`` of a session with the name of each ``contract``.

        Raises
        ------
        LookAheadError
            For a session after that of the view.
        """
        return self._known(self._greeks, session)

    def bars(self, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
        """Return the known bars from ``first`` to ``last`` (default: the session of the view), both inclusive.

        Raises
        ------
        LookAheadError
            When either date lies after the session of the view.
        """
        for day in (first, last):
            self._refuse_later(day)
        frame = self._bars.filter(pl.col("session") <= (last or self.session))
        return frame if first is None else frame.filter(pl.col("session") >= first)

    def _known(self, frames: Mapping[dt.date, pl.DataFrame], session: dt.date | None) -> pl.DataFrame:
        self._refuse_later(session)
        return frames.get(session or self.session, frames[self.session].clear())

    def _refuse_later(self, session: dt.date | None) -> None:
        if session is not None and session > self.session:
            raise LookAheadError(
                f"asked for {session}, but the decision is at {self.now.isoformat()} after the close of "
                f"{self.session}: use sessions up to that one"
            )
