"""What an asset sees of a run: the sessions asked for, the tables it declared, and nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import polars as pl

from gnosis import sessions as exchange
from resources.lake import Correction
from resources.lake.errors import CorruptFileError, MigrationNeededError
from resources.scorer_resource import Scoring
from resources.trial_ledger import TrialLedger

if TYPE_CHECKING:
    from resources.lake import Lake
    from resources.market_data import MarketData
    from resources.peer_engines import PeerEngines
    from resources.tracking import Tracking

AGAIN_TAG = "gnosis/again"
REPUBLISH_TAG = "gnosis/republish"
CORRECT_TAG = "gnosis/correct-history"
INDISPENSABLE = "raw.equity_bars"


class HistoryGapError(LookupError):
    """Sessions are missing between those that are stored and those to make, so windows would silently be shorter."""


class UndeclaredReadError(LookupError):
    """An asset read a table that it does not declare, so its lineage would be untrue."""


def correction_of(table: str, tags: Mapping[str, str]) -> Correction | None:
    """Return how the tags of a run ask for the history of a table to be corrected; None when they do not."""
    return Correction.asked_of(table, tags.get(CORRECT_TAG, "").split(","))


@dataclass(frozen=True)
class TableRows:
    """Rows of a table as an asset made them.

    Attributes
    ----------
    frame
        Columns and dtypes of the table; rows that break a rule are quarantined when the frame is stored.
    rejected
        Rows that never fitted the columns: ``session``, ``rule``, ``found`` (JSON), ``provider``.
    metadata
        Figures to show beside the materialisation.
    picture
        Draws the table beside what it was made from, where its own rows do not show enough.
    more_pictures
        Draw what is shown beside the first picture, by name.
    correction
        The rows say what should have been known all along, instead of being known from now on; see
        :meth:`resources.lake.Lake.write`.
    """

    frame: pl.DataFrame
    rejected: pl.DataFrame | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    picture: Callable[[], bytes | None] | None = None
    more_pictures: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    correction: Correction | None = None


@dataclass(frozen=True)
class Night:
    """One run over a range of sessions, as seen by one asset.

    Attributes
    ----------
    table
        Table that the asset makes.
    sessions
        Sessions to make, in order; for a table that is not cut by session, the latest session known to the lake.
    reads
        Tables that the asset declared.
    feedback
        Tables that it declared to read as earlier runs left them, because they are made from its own rows.
    made
        Sessions that the run has made before these, and the rows of them by table, which are not stored yet.
    peers
        Other backtest engines; None outside a run of Dagster, through which they are started.
    """

    table: str
    sessions: tuple[dt.date, ...]
    reads: frozenset[str]
    run_id: str
    lake: Lake
    market_data: MarketData
    tracking: Tracking
    say: Callable[[str], None]
    warn: Callable[[str], None]
    tags: Mapping[str, str] = field(default_factory=dict)
    scoring: Scoring = field(default_factory=Scoring)
    peers: PeerEngines | None = None
    made: tuple[tuple[dt.date, ...], Mapping[str, pl.DataFrame]] | None = None
    feedback: frozenset[str] = frozenset()

    @property
    def first(self) -> dt.date:
        """First session to make."""
        return self.sessions[0]

    @property
    def last(self) -> dt.date:
        """Last session to make."""
        return self.sessions[-1]

    @property
    def ledger(self) -> TrialLedger:
        """The trial ledger of the home."""
        return TrialLedger(self.tracking.home)

    def serves(self, table: str) -> bool:
        """Return True when the provider has the raw table."""
        return table in self.market_data.provider.tables

    def must_have(self, table: str) -> bool:
        """Return True when a session without rows of the raw table is a fault.

        Live services may all be without something; only what everything rests on is then indispensable.
        """
        return self.serves(table) and (self.market_data.live is None or table == INDISPENSABLE)

    def read(
        self, table: str, lookback: int = 0, columns: Sequence[str] | None = None, where: pl.Expr | None = None
    ) -> pl.DataFrame:
        """Return the rows of a declared table for the sessions of this night and ``lookback`` sessions before.

        Of a raw row that was restated, the version that was current when the night of the last session decided.
        ``where`` keeps some of the rows without loading the others.

        Raises
        ------
        UndeclaredReadError
            When the asset does not declare the table.
        HistoryGapError
            When raw sessions of the lookback are missing although older ones are stored.
        """
        first = self.session_before(lookback)
        if lookback and table.startswith("raw."):
            self._require_no_gap(table, first)
        if where is None:
            return self._lake_of(table).read(
                table, first=first, last=self.last, columns=columns, night_of=self._night_of(table)
            )
        rows = self._lake_of(table).scan(table, first, self.last, night_of=self._night_of(table)).filter(where)
        return (rows if columns is None else rows.select(columns)).collect()

    def scan(self, table: str) -> pl.LazyFrame:
        """Return every row of a declared table up to the last session of this night, lazily.

        Raises
        ------
        UndeclaredReadError
            When the asset does not declare the table.
        """
        return self._lake_of(table).scan(table, last=self.last, night_of=self._night_of(table))

    def history(self, lookback: int) -> pl.DataFrame:
        """Return the rows of the table in the making of the ``lookback`` sessions before this night."""
        rows = self.lake.scan(self.table, self.session_before(lookback), self.last)
        stored = rows.filter(pl.col("session") < self.first).collect()
        if self.made is None:
            return stored
        sessions, tables = self.made
        made = tables[self.table].filter(pl.col("session") >= self.session_before(lookback)).select(stored.columns)
        return pl.concat([stored.filter(~pl.col("session").is_in(sessions)), made])

    def past(self, table: str) -> pl.DataFrame:
        """Return the rows of a table that the asset makes, of every session up to the last but those to make.

        Raises
        ------
        UndeclaredReadError
            When the asset does not declare the table as its feedback.
        """
        stored = self._lake_of(table).read(table, last=self.last)
        if self.made is None:
            return stored.filter(~pl.col("session").is_in(self.sessions))
        sessions, tables = self.made
        kept = stored.filter(~pl.col("session").is_in((*self.sessions, *sessions)))
        return pl.concat([kept, tables[table].select(stored.columns)])

    def last_rows(self, by: str) -> pl.DataFrame:
        """Return the last stored row before this night of each value of ``by``, of the table in the making."""
        rows = self.lake.scan(self.table, last=self.session_before(1)).filter(pl.col("session") < self.first)
        return rows.sort(by, "session").group_by(by, maintain_order=True).last().collect()

    def stored_beside(self, by: str) -> tuple[pl.DataFrame, pl.Series]:
        """Return the stored rows of the sessions to make, and the values of ``by`` that have rows after them."""
        same = self.only(self.lake.read(self.table, first=self.first, last=self.last))
        later = self.lake.scan(self.table, first=self.last).filter(pl.col("session") > self.last)
        return same, later.select(pl.col(by).unique().sort()).collect()[by]

    def session_before(self, lookback: int) -> dt.date:
        """Return the session that lies ``lookback`` sessions before the first one to make."""
        calendar = exchange.schedule()["session"]
        return calendar[max(int(calendar.search_sorted(self.first)) - lookback, 0)]

    def _require_no_gap(self, table: str, first: dt.date) -> None:
        stored = self.lake.sessions(table)
        if not stored:
            return
        wanted = exchange.sessions_between(max(first, stored[0]), self.first)[:-1]
        missing = sorted(set(wanted) - set(stored))
        if missing:
            raise HistoryGapError(
                f"expected {table} of every session from {wanted[0]} on, found {len(missing)} missing, {missing[0]} to "
                f"{missing[-1]}: make them first with `gnosis run --from {missing[0]} --to {missing[-1]}`"
            )

    def read_all(self, table: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return every row of a declared table up to the last session of this night.

        Raises
        ------
        UndeclaredReadError
            When the asset does not declare the table.
        """
        has_sessions = "session" in self.lake.table(table).polars_schema
        return self._lake_of(table).read(
            table, last=self.last if has_sessions else None, columns=columns, night_of=self._night_of(table)
        )

    def stored(self, table: str | None = None) -> pl.DataFrame:
        """Return the present rows of the table that the asset makes, or of another one that it makes beside it.

        When they cannot be read and the run was asked to make everything anew, it starts from none and says so.

        Raises
        ------
        CorruptFileError, MigrationNeededError
            Without that demand.
        """
        name = table or self.table
        try:
            return self.lake.read(name)
        except (CorruptFileError, MigrationNeededError) as error:
            if self.tags.get(AGAIN_TAG) != "true":
                raise
            self.warn(f"{error}; made anew from nothing, as this run was asked to")
            return self.lake.table(name).empty()

    def split_at_restatements(self) -> list[Night]:
        """Return the night as nights of consecutive sessions, each of which has one version of every raw row it reads.

        A single night of session t has what was learnt up to 15 minutes before the close of t. A night of a range is
        split so that each of its sessions has the same versions as its single night.
        """
        if len(self.sessions) == 1 or self._is_of_raw:
            return [self]
        restated = [
            self.lake.restatements(table, self.last) for table in sorted(self.reads) if table.startswith("raw.")
        ]
        rows = pl.concat(restated) if restated else pl.DataFrame()
        if rows.is_empty():
            return [self]
        calendar = exchange.schedule()
        # The first session whose night has the new version: the one that decides at or after it was learnt.
        at = calendar["chain_at"].search_sorted(rows["learnt_at"], side="left").cast(pl.Int64)
        from_session = rows.with_columns(since=calendar["session"].gather(at.clip(0, calendar.height - 1)))
        is_split = (pl.col("session") < pl.col("since")) & pl.col("since").is_between(self.first, self.last, "right")
        starts = from_session.filter(is_split)["since"].unique().sort()
        part = starts.search_sorted(pl.Series(self.sessions), side="right")
        frame = pl.DataFrame({"session": self.sessions, "part": part})
        parts = frame.partition_by("part", maintain_order=True)
        return [replace(self, sessions=tuple(sessions["session"])) for sessions in parts]

    def only(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the sessions to make: what a computation over their history is cut down to."""
        return frame.filter(pl.col("session").is_in(self.sessions))

    @property
    def _is_of_raw(self) -> bool:
        return self.table.startswith("raw.")

    def _night_of(self, table: str) -> dt.date | Literal["newest"] | None:
        """Return whose versions of restated rows are read: none where raw rows are made, from all that is known."""
        if self._is_of_raw or not table.startswith("raw."):
            return None
        # What is made of all sessions at once has one version of each of them: prices before and after a split that
        # was learnt late would not belong to one series.
        return "newest" if self.lake.table(self.table).period == "all" else self.last

    def _lake_of(self, table: str) -> Lake:
        declared = self.reads | self.feedback
        if table not in declared:
            raise UndeclaredReadError(f"expected one of the declared tables {sorted(declared)}, found {table!r}")
        return self.lake
