"""Daily bars in order, which symbols of them became known as usual, and panels of blocks of symbols."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.engines.points import Floats, Integers, Panel
from gnosis.features.panel import microseconds, session_positions
from gnosis.sessions import schedule


@dataclass(frozen=True)
class DailyRows:
    """Daily bars sorted by symbol and session.

    Attributes
    ----------
    symbols
        Distinct symbols, sorted.
    symbol, position
        Code of the symbol and rank of the session of each bar.
    known_at
        Microseconds since 1970 UTC.
    wanted
        Whether the row of the bar is wanted.
    columns
        Prices, volume and factor of the bars, and the end of each in microseconds since 1970 UTC as ``ts``.
    is_late
        Per symbol, whether a bar of it was known at another moment than the others of its session, or after later ones.
    instants
        Per session of the calendar, when its bars were known, microseconds since 1970 UTC.
    sessions
        Sessions wanted; None: all.
    """

    symbols: tuple[str, ...]
    symbol: Integers
    position: Integers
    known_at: Integers
    wanted: np.ndarray
    columns: dict[str, np.ndarray]
    is_late: np.ndarray
    instants: Integers
    sessions: frozenset[dt.date] | None

    @classmethod
    def of(cls, bars: pl.DataFrame, sessions: Collection[dt.date] | None) -> DailyRows:
        """Return the bars in order; arguments and errors as of :func:`daily_features`."""
        from gnosis.features.daily_forms import LOOKBACK

        calendar = schedule()
        if sessions is not None and sessions:
            ends = session_positions(pl.Series([min(sessions), max(sessions)]), "the wanted sessions")
            first = calendar["session"][max(int(ends[0]) - LOOKBACK + 1, 0)]
            bars = bars.filter(pl.col("session").is_between(first, max(sessions)))
        symbols = bars["symbol"].unique().sort()
        symbol = bars["symbol"].cast(pl.Enum(symbols)).to_physical().to_numpy().astype(np.int64)
        position = session_positions(bars["session"], "raw.equity_bars")
        key = symbol * calendar.height + position
        if not (np.diff(key) > 0).all():
            order = np.argsort(key, kind="stable")
            symbol, position, key, bars = symbol[order], position[order], key[order], bars[order]
            if (repeated := np.flatnonzero(np.diff(key) == 0)).size:
                first_row = bars.row(int(repeated[0]), named=True)
                raise ValueError(
                    f"expected one row of raw.equity_bars per symbol and session, found two for "
                    f"{first_row['symbol']} on {first_row['session']}; keep the version known at the time"
                )
        known_at = microseconds(bars["known_at"])
        closes = microseconds(calendar["close_at"])
        instants = np.full(calendar.height, np.iinfo(np.int64).max)
        np.minimum.at(instants, position, known_at)
        has_bars = instants < np.iinfo(np.int64).max
        # Bars before the close, or before those of an earlier session, are seen otherwise than the rest.
        in_order = np.maximum.accumulate(np.where(has_bars, instants, np.iinfo(np.int64).min)) == instants
        is_usual = (known_at == instants[position]) & (instants >= closes)[position] & in_order[position]
        is_late = np.zeros(len(symbols), dtype=bool)
        is_late[symbol[~is_usual]] = True
        names = ("open", "high", "low", "close", "adjustment_factor")
        columns = {name: bars[name].to_numpy() for name in names}
        columns["volume"] = bars["volume"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        columns["ts"] = microseconds(bars["ts"])
        wanted = np.ones(symbol.size, dtype=bool)
        if sessions is not None:
            ranks = session_positions(pl.Series(sorted(sessions), dtype=pl.Date), "the wanted sessions")
            wanted = np.isin(position, ranks)
        return cls(
            tuple(symbols),
            symbol,
            position,
            known_at,
            wanted,
            columns,
            is_late,
            instants,
            None if sessions is None else frozenset(sessions),
        )

    def regular_sessions(self) -> Integers:
        """Return the ranks of the sessions in which a row is wanted of a symbol that is not late."""
        is_there = np.zeros(self.instants.size, dtype=bool)
        is_there[self.position[self.wanted & ~self.is_late[self.symbol]]] = True
        return np.flatnonzero(is_there)

    def panel(self, first: int, last: int, start: int, end: int) -> Panel:
        """Return the panel of the symbols with codes from ``first`` to before ``last``, and its sessions likewise."""
        rows = slice(*np.searchsorted(self.symbol, (first, last)))
        position = self.position[rows]
        inside = (position >= start) & (position < end)
        shape = (last - first, end - start)
        cells = ((self.symbol[rows] - first) * shape[1] + position - start)[inside]

        def placed(values: Floats) -> Floats:
            full = np.full(shape, np.nan)
            full.reshape(-1)[cells] = values[inside]
            return full

        own = {name: values[rows] for name, values in self.columns.items()}
        factor = own["adjustment_factor"]
        return Panel(
            first=start,
            **{name: placed(own[name] * factor) for name in ("open", "high", "low", "close")},
            traded_close=placed(own["close"]),
            volume=placed(own["volume"]),
            adjusted_volume=placed(own["volume"] / factor),
            known_at=np.zeros(shape, dtype=np.int64),
        )
