"""Rows of a table in the order in which they became known, served up to an instant without looking at later ones."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import polars as pl


class KnownRows:
    """One table of a run.

    Parameters
    ----------
    frame
        Rows with ``session`` and ``known_at``.
    name
        For messages.

    Raises
    ------
    ValueError
        When either column is missing or has nulls.
    """

    def __init__(self, frame: pl.DataFrame, name: str) -> None:
        missing = [column for column in ("session", "known_at") if column not in frame.columns]
        if missing:
            raise ValueError(f"expected {name} with session and known_at, missing {missing}")
        if frame.select("session", "known_at").null_count().sum_horizontal().item():
            raise ValueError(f"expected {name} with session and known_at in every row, found nulls")
        plain = [column for column, dtype in frame.schema.items() if not dtype.is_nested()]
        rest = sorted(set(plain) - {"known_at", "session", "symbol"})
        order = ["known_at", "session", *(["symbol"] if "symbol" in plain else []), *rest]
        # The full order makes what a strategy is shown independent of the order in which rows were given.
        self._by_instant = frame.sort(order)
        self._instants = self._by_instant["known_at"].to_list()
        by_session = self._by_instant.sort("session", maintain_order=True)
        self._by_session = by_session
        runs = by_session.select(pl.col("session").rle()).unnest("session")
        ends = runs["len"].cum_sum().to_list()
        self._spans = dict(zip(runs["value"].to_list(), zip([0, *ends[:-1]], ends, strict=True), strict=True))
        self._session_instants = by_session["known_at"].to_list()
        self._values: dict[str, list[Any]] = {}

    def until(self, now: dt.datetime) -> pl.DataFrame:
        """Return the rows known by ``now``, in the order in which they became known."""
        return self._by_instant.head(bisect_right(self._instants, now))

    def of_session(self, session: dt.date, now: dt.datetime) -> pl.DataFrame:
        """Return the rows of ``session`` known by ``now``."""
        first, end = self._known_span(session, now)
        return self._by_session[first:end]

    def values_of_session(self, session: dt.date, now: dt.datetime, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return what :meth:`of_session` does as tuples of some columns, a hundred times quicker than as a frame."""
        first, end = self._known_span(session, now)
        return list(zip(*(self._column(name)[first:end] for name in columns), strict=True))

    def _known_span(self, session: dt.date, now: dt.datetime) -> tuple[int, int]:
        first, end = self._spans.get(session, (0, 0))
        return first, bisect_right(self._session_instants, now, first, end)

    def _column(self, name: str) -> list[Any]:
        if name not in self._values:
            self._values[name] = self._by_session[name].to_list()
        return self._values[name]
