"""A lake in memory in which a stored night is made again while its future is damaged. Nothing of it is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from assets import engines
from assets.night import Night
from gnosis.features.proofs import garbage
from gnosis.tables import TABLES
from resources.lake import Lake
from resources.lake_io_manager import split_by_rules

if TYPE_CHECKING:
    from assets.table_asset import TableAsset

TRUNCATION, POISON = PROOFS = ("truncation", "poison")
ACROSS_SYMBOLS = {"engines.sentiment": ("raw.equity_bars", "raw.short_volume")}
"""Tables that an asset reads across symbols: the breadth of the market and the short share of its members. Others are
cut down to the symbols drawn and the index fund, whose chain stands in for the gamma of the market."""
OF_SYMBOLS = (
    "raw.equity_bars",
    "raw.option_quotes",
    "raw.intraday_bars",
    "raw.order_books",
    "raw.trades",
    "raw.short_volume",
)


@dataclass(frozen=True)
class Damage:
    """What is done to the rows that nobody could know at ``as_of``, or that are about a session after ``session``."""

    proof: str
    session: dt.date
    as_of: dt.datetime
    seed: int = 0

    def of(self, table: str, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return the rows with those of the future deleted, or replaced by garbage that keeps keys, times and signs."""
        is_future = (pl.col("known_at") > self.as_of) | (pl.col("session") > self.session)
        past = rows.filter(~is_future)
        if self.proof == TRUNCATION:
            return past
        return pl.concat([past, garbage(table, rows.filter(is_future).collect(), self.seed).lazy()])


class ShadowLake(Lake):
    """A lake to be read whose future is damaged, and whose tables of the sampled session are made when first read.

    Parameters
    ----------
    night
        A night of the run, whose lake is read and whose other resources the assets get.
    chain
        Asset of each table that is made anew.
    damage
        What is done to the future.
    sessions
        Sessions to make, the sampled one first.
    symbols
        Symbols to make; the index fund is made beside them.
    """

    def __init__(
        self,
        night: Night,
        chain: Mapping[str, TableAsset],
        damage: Damage,
        sessions: Sequence[dt.date],
        symbols: Sequence[str],
    ) -> None:
        lake = night.lake
        super().__init__(lake.home, lake.dictionary, lake.lock_timeout_s)
        self._night, self._chain, self._damage = night, chain, damage
        self._sessions, self._symbols = tuple(sessions), sorted({*symbols, engines.INDEX_FUND})
        self._made: dict[str, pl.DataFrame] = {}
        self._making: list[str] = []

    def scan(
        self,
        table_name: str,
        first: dt.date | None = None,
        last: dt.date | None = None,
        symbols: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *versions: Any,
        **version: Any,
    ) -> pl.LazyFrame:
        """Return the rows as :meth:`Lake.scan` does, damaged. What chooses among versions is passed on."""
        rows = super().scan(table_name, first, last, symbols, None, *versions, **version)
        if self._is_narrowed(table_name):
            rows = rows.filter(pl.col("symbol").is_in(self._symbols))
        if table_name in self._chain:
            # An asset finds what it stored of earlier sessions, as in the night that made the sampled one.
            past = self._damage.of(table_name, rows.filter(pl.col("session") < self._sessions[0]))
            is_needed = table_name not in self._making and (last is None or last >= self._sessions[0])
            rows = pl.concat([past, self._own(table_name, first, last)]) if is_needed else past
        else:
            rows = self._damage.of(table_name, rows)
        return rows if columns is None else rows.select(columns)

    def read(
        self,
        table_name: str,
        first: dt.date | None = None,
        last: dt.date | None = None,
        symbols: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *versions: Any,
        **version: Any,
    ) -> pl.DataFrame:
        """Return the rows as :meth:`Lake.read` does, damaged. What chooses among versions is passed on."""
        rows = self.scan(table_name, first, last, symbols, None, *versions, **version)
        rows = rows.sort(self.table(table_name).key, nulls_last=True)
        return (rows if columns is None else rows.select(columns)).collect()

    def _is_narrowed(self, table_name: str) -> bool:
        if table_name not in OF_SYMBOLS and table_name not in self._chain:
            return False
        return not self._making or table_name not in ACROSS_SYMBOLS.get(self._making[-1], ())

    def _own(self, table_name: str, first: dt.date | None, last: dt.date | None) -> pl.LazyFrame:
        if table_name not in self._made:
            self._make(self._chain[table_name])
        rows = self._made[table_name].lazy()
        if first is not None:
            rows = rows.filter(pl.col("session") >= first)
        return rows if last is None else rows.filter(pl.col("session") <= last)

    def _make(self, asset: TableAsset) -> None:
        name = asset.tables[0].name
        self._making.append(name)
        night = replace(
            self._night, table=name, sessions=self._sessions, reads=asset.reads, lake=self, say=_silent, warn=_silent
        )
        made = asset.in_parts(night)
        self._making.pop()
        for table_name, rows in made.items():
            own = self._as_stored(table_name, rows.frame)
            self._made[table_name] = own.filter(pl.col("symbol").is_in(self._symbols))

    def _as_stored(self, table_name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows without those that were set aside for breaking a rule when the session was stored."""
        session = self._sessions[0]
        aside = super().scan(f"quarantine.{table_name.replace('.', '_')}", session, session)
        if aside.select(pl.len()).collect().item() == 0:
            return frame
        own, others = frame.filter(pl.col("session") == session), frame.filter(pl.col("session") != session)
        return pl.concat([split_by_rules(TABLES[table_name], own, None, [session])[0], others])


def _silent(_: str) -> None:
    """Say nothing: what a sampled night has to tell was told when it was made."""
