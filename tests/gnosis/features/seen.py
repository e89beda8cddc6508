"""What could be known of a symbol at a session: the one view of the world that the readable twins have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES

CALENDAR = schedule()["session"].to_list()
RANK = {day: rank for rank, day in enumerate(CALENDAR)}


@dataclass(frozen=True)
class Seen:
    """Tables by name, cut at one row's session and knowledge cut-off.

    Attributes
    ----------
    tables
        Whole tables: raw ones, and greeks and engines with the rows of all sessions.
    symbol, session, as_of
        The row whose feature is wanted.
    """

    tables: Mapping[str, pl.DataFrame]
    symbol: str
    session: dt.date
    as_of: dt.datetime

    def rows(self, table: str, symbol: str | None = "own", sessions: int | None = None, **where: Any) -> list[dict]:
        """Return visible rows, oldest first; of several versions of one row the one known last.

        ``symbol`` is the row's own unless another is named; None takes all. ``sessions`` keeps the last so many
        exchange sessions, the current one included. ``where`` keeps rows with these values.
        """
        frame = self.tables[table]
        kept = frame.filter((pl.col("known_at") <= self.as_of) & (pl.col("session") <= self.session))
        if symbol is not None and "symbol" in frame.columns:
            kept = kept.filter(pl.col("symbol") == (self.symbol if symbol == "own" else symbol))
        if sessions is not None:
            kept = kept.filter(pl.col("session") >= CALENDAR[RANK[self.session] - sessions + 1])
        for column, value in where.items():
            kept = kept.filter(
                pl.col(column).cast(pl.String) == value if isinstance(value, str) else pl.col(column) == value
            )
        key = [name for name in TABLES[table].key if name != "known_at"]
        return kept.sort("known_at").unique(key, keep="last", maintain_order=True).sort(key).to_dicts()

    def back(self, session: dt.date) -> int:
        """Return how many exchange sessions ago a session was."""
        return RANK[self.session] - RANK[session]
