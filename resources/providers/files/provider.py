"""Provider "files": a folder of the user's own Parquet, CSV or Cboe quotedata files, described by ``gnosis.yaml``."""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gnosis.tables import TABLES
from resources.providers.errors import FolderConfigError, UnknownSymbolError, UnknownTableError
from resources.providers.files.books import messages_of, read_books
from resources.providers.files.chain_rules import is_spot_of_close, label_chains, with_bar
from resources.providers.files.config import ChainRules, FolderSpec, SourceSpec, load_config
from resources.providers.files.consistency import BOOK_FORMATS, OF_INSTANTS, TEXTS
from resources.providers.files.instants import identified, placed
from resources.providers.files.known_at import AfterQuote, AtClose, Evening, NextMorning, ReleaseLag
from resources.providers.files.parts import added_up
from resources.providers.files.quotedata import read_quotedata
from resources.providers.files.reading import matching_files, read_table
from resources.providers.files.snapshots import label_snapshots
from resources.providers.files.timing import (
    day_before,
    evening_at,
    forward_factors,
    mornings,
    quoted_at,
    with_release,
    with_session,
)
from resources.providers.protocol import Fetched, Source, conform
from resources.providers.rejections import (
    BEFORE_LISTING,
    NOT_A_SESSION,
    is_session,
    no_rejections,
    rejected_rows,
    require_covered,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME = "files"
CONFIG_NAME = "gnosis.yaml"


class FilesProvider:
    """The user's own files.

    Parameters
    ----------
    folder
        Folder that holds ``gnosis.yaml``; see :mod:`resources.providers.files.config`.
    symbols
        Symbols of bars and option quotes to serve; None for all. Index levels are served whole.

    Raises
    ------
    MissingFolderError, MissingFileError, FolderConfigError
        When the folder or its description is missing or wrong.
    UnknownSymbolError
        When the bar files lack one of the symbols.
    """

    name = NAME

    def __init__(self, folder: Path | str, symbols: Sequence[str] | None = None) -> None:
        self.config = Path(folder) / CONFIG_NAME
        self.spec: FolderSpec = load_config(self.config)
        self.root = self.spec.root or Path(folder)
        self.symbols: tuple[str, ...] | None = None
        self._hashes: dict[tuple[Path, int, int], str] = {}
        if symbols is not None and "raw.equity_bars" in self.spec.tables:
            known = self._all_rows("raw.equity_bars")["symbol"].unique().sort().to_list()
            if unknown := [symbol for symbol in symbols if symbol not in known]:
                raise UnknownSymbolError(NAME, unknown, known)
        self.symbols = None if symbols is None else tuple(symbols)

    @property
    def tables(self) -> frozenset[str]:
        """Tables described in ``gnosis.yaml``."""
        return frozenset(self.spec.tables)

    @cached_property
    def coverage(self) -> Mapping[str, tuple[dt.date, dt.date]]:
        """First and last session, the same for every table: a table may have gaps."""
        first, last = self.spec.first_session, self.spec.last_session
        if first is None or last is None:
            table = next(iter(self.spec.tables))
            rows, rejected, _ = self._load(table, None)
            # A session whose rows were all rejected is covered too: its night reports them.
            found = pl.concat([rows["session"], rejected["session"]])
            if found.is_empty():
                raise FolderConfigError(self.config, [f"expected rows of {table}, found none; state first_session"])
            first, last = first or found.min(), last or found.max()  # type: ignore[assignment]
        return dict.fromkeys(self.spec.tables, (first, last))  # type: ignore[arg-type]

    @property
    def first_session(self) -> dt.date:
        """First session, stated in ``gnosis.yaml`` or found in the files of its first table."""
        return next(iter(self.coverage.values()))[0]

    @property
    def last_session(self) -> dt.date:
        """Last session, stated in ``gnosis.yaml`` or found in the files of its first table."""
        return next(iter(self.coverage.values()))[1]

    def fetch(self, table: str, sessions: Sequence[dt.date]) -> Fetched:
        """Return the rows of ``table`` for ``sessions``; see :class:`resources.providers.protocol.Provider`.

        Raises
        ------
        UnknownTableError, SessionNotCoveredError
            When the request does not fit the folder.
        MissingFileError, UnreadableFileError, MissingColumnError, WrongTypeError
            When a file does not fit its description.
        """
        if table not in self.spec.tables:
            raise UnknownTableError(NAME, table, sorted(self.spec.tables))
        asked = require_covered(NAME, table, sessions, self.coverage[table])
        if not asked:
            return Fetched(TABLES[table].empty(), no_rejections(), ())
        frame, rejected, files = self._load(table, (day_before(asked[0]), asked[-1]))
        wanted = pl.col("session").is_in(asked)
        return Fetched(
            conform(frame.filter(wanted), table),
            rejected.filter(wanted).sort("session", "rule", "found"),
            tuple(self._source(file) for file in [self.config, *files]),
        )

    def _all_rows(self, table: str) -> pl.DataFrame:
        return self._load(table, None)[0]

    def _sources(self, table: str) -> list[SourceSpec]:
        return next(sources for name, sources in self.spec.tables.items() if name == table)

    def _load(
        self, table: str, window: tuple[dt.date, dt.date] | None
    ) -> tuple[pl.DataFrame, pl.DataFrame, list[Path]]:
        """Return rows, rejected rows and files; the window holds the session before the first one wanted."""
        frame, aside, used = self._of_all_symbols(table, window)
        if self.symbols is not None and "symbol" in frame.columns and table != "raw.index_levels":
            frame = frame.filter(pl.col("symbol").is_in(self.symbols))
        return frame, aside, used

    def _of_all_symbols(
        self, table: str, window: tuple[dt.date, dt.date] | None
    ) -> tuple[pl.DataFrame, pl.DataFrame, list[Path]]:
        frames, rejected = [TABLES[table].empty()], [no_rejections()]
        used: list[Path] = []
        bars = TABLES["raw.equity_bars"].empty()
        if any(source.needs_bars for source in self._sources(table)):
            bars, _, used = self._of_all_symbols("raw.equity_bars", window)
        for source in self._sources(table):
            # A release may be published months after the date that it is about: macro has no window.
            dates = None if table == "raw.macro" or window is None else window
            days = None if dates is None else pl.date_range(*dates, eager=True).to_list()
            files = matching_files(self.root, source.path, days)
            for file in files:
                rows, wrong = self._read(file, table, source, dates, bars)
                frames.append(rows)
                rejected.append(wrong)
            used += files
            if source.format == "lobster":
                used += [messages_of(file) for file in files]
            if source.adjustment:
                used += matching_files(self.root, source.adjustment.path, None)
        frame, aside = pl.concat(frames), pl.concat(rejected)
        if table == "raw.option_quotes":
            rule = label_snapshots(frame)
            stale = frame.with_columns(rule.alias("rule|")).filter(rule.is_not_null())
            aside = pl.concat([aside, _aside(stale)])
            frame = frame.filter(rule.is_null())
        return frame, aside, used

    def _read(
        self,
        file: Path,
        table: str,
        source: SourceSpec,
        window: tuple[dt.date, dt.date] | None,
        bars: pl.DataFrame,
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        if source.format == "quotedata":
            delay = dt.timedelta(minutes=source.delay_minutes)
            rows, wrong = read_quotedata(file, NAME, symbol=source.underlying, delay=delay, window=window)
        else:
            if source.format in BOOK_FORMATS:
                mapped, unread = read_books(file, source)
            else:
                mapped, unread = read_table(file, table, source, window)
            wrong = _aside(unread, date="day")
            if source.sum_over:
                symbol = pl.col(source.columns["symbol"]) if "symbol" in source.columns else pl.lit(None, pl.String)
                incomplete = unread.select(session="day", symbol=symbol)
                mapped, repeated = added_up(mapped, incomplete)
                wrong = pl.concat([wrong, _aside(repeated)])
            if table in OF_INSTANTS:
                rows, aside = self._of_instants(mapped, table, source)
            else:
                rows, aside = self._timed(mapped, table, source, bars)
            wrong = pl.concat([wrong, aside])
        for session, rule in ((entry.session, entry.rule) for entry in source.reject):
            chosen = rows.filter(pl.col("session") == session).with_columns(pl.lit(rule).alias("rule|"))
            wrong = pl.concat([wrong, _aside(chosen)])
            rows = rows.filter(pl.col("session") != session)
        if table == "raw.option_quotes" and (source.chain_rules or source.needs_bars):
            judged = with_bar(rows, bars) if source.needs_bars else rows
            broken = label_chains(judged, source.chain_rules or ChainRules())
            wrong = pl.concat([wrong, _aside(rows.with_columns(broken.alias("rule|")).filter(broken.is_not_null()))])
            rows = rows.filter(broken.is_null())
        return rows, wrong

    def _of_instants(self, rows: pl.DataFrame, table: str, source: SourceSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows under the sessions of their instants, and those that have no place."""
        rows = placed(rows, table, source)
        outside = rows.filter(pl.col("rule|").is_not_null()).with_columns(day=pl.col("ts").dt.date())
        rows = rows.filter(pl.col("rule|").is_null())
        found = [column for column in TABLES[table].polars_schema if column in outside.columns and column != "session"]
        aside = _aside(outside.select(*found, "rule|", "day"), date="day")
        return self._completed(identified(rows, table) if table in TEXTS else rows, table), aside

    def _timed(
        self, rows: pl.DataFrame, table: str, source: SourceSpec, bars: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows with every column that follows by rule, and those that have no place."""
        rule = source.known_at
        wrong = no_rejections()
        if table == "raw.macro":
            rows = (
                with_release(rows, rule)
                if isinstance(rule, ReleaseLag)
                else with_session(rows, "known_at").drop_nulls("session")
            )
            vintage = not isinstance(rule, ReleaseLag)
            return self._completed(rows, table, is_vintage=pl.lit(vintage)), wrong
        outside = rows.filter(~is_session("session")).with_columns(pl.lit(NOT_A_SESSION).alias("rule|"))
        wrong = _aside(outside)
        rows = rows.filter(is_session("session")).join(mornings(), on="session", how="left", maintain_order="left")
        derived: dict[str, pl.Expr] = {}
        if source.needs_bars:
            rows = with_bar(rows, bars)
        if source.quote_time:
            rows = rows.with_columns(stamp=quoted_at(source.quote_time))
            if source.quote_time.close_if_spot_is_close:
                rows = rows.with_columns(stamp=pl.when(is_spot_of_close()).then("close_at").otherwise("stamp"))
            derived["ts"] = pl.min_horizontal("stamp", "close_at")
        elif "ts" in rows.columns:
            rows = rows.with_columns(stamp=pl.col("ts"))
        else:
            derived["ts"] = pl.col("close_at")
        if isinstance(rule, NextMorning):
            derived["known_at"] = pl.col("next_morning_at")
        elif table == "raw.option_quotes" and (rule is None or isinstance(rule, AfterQuote)):
            derived["known_at"] = pl.col("stamp") + dt.timedelta(minutes=rule.delay_minutes if rule else 0)
        elif isinstance(rule, Evening) or (rule is None and table == "raw.short_volume"):
            derived["known_at"] = evening_at(rule or Evening())
        elif rule is None or isinstance(rule, AtClose):
            derived["known_at"] = pl.col("close_at")
        if source.needs_bars:
            # What the bar decides about a quote is not known before the bar.
            derived["known_at"] = pl.max_horizontal(derived.get("known_at", pl.col("known_at")), "bar_known_at")
        if "open_interest" in rows.columns and "oi_session" not in rows.columns:
            derived["oi_session"] = pl.col("previous_session")
        if source.adjustment:
            rows, early = self._adjusted(rows, source)
            wrong = pl.concat([wrong, early])
        return self._completed(rows, table, **derived), wrong

    def _adjusted(self, rows: pl.DataFrame, source: SourceSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
        assert source.adjustment is not None
        (file,) = matching_files(self.root, source.adjustment.path, None)
        steps, listed = forward_factors(file, source.adjustment)
        rows = rows.join(listed, on="symbol", how="left", maintain_order="left")
        early = rows.filter(pl.col("session") < pl.col("listed")).with_columns(pl.lit(BEFORE_LISTING).alias("rule|"))
        rows = (
            rows.filter((pl.col("session") >= pl.col("listed")) | pl.col("listed").is_null())
            .sort("session", maintain_order=True)
            .join_asof(
                steps,
                left_on="session",
                right_on="last_date",
                by="symbol",
                strategy="forward",
                check_sortedness=False,  # both sides were sorted by date just before
            )
        )
        found = [column for column in TABLES["raw.equity_bars"].polars_schema if column in early.columns]
        return rows, _aside(early.select(*found, "rule|"))

    def _completed(self, rows: pl.DataFrame, table: str, **derived: pl.Expr) -> pl.DataFrame:
        schema = TABLES[table].polars_schema
        rows = rows.with_columns(**derived)
        rest = {"provider": pl.lit(NAME), "synthetic": pl.lit(False)}
        return rows.with_columns(
            rest.get(column, pl.lit(None)).cast(dtype).alias(column)
            for column, dtype in schema.items()
            if column not in rows.columns
        ).select(pl.col(column).cast(dtype) for column, dtype in schema.items())

    def _source(self, file: Path) -> Source:
        stat = file.stat()
        key = (file, stat.st_mtime_ns, stat.st_size)
        if key not in self._hashes:
            with file.open("rb") as stream:
                self._hashes[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        return Source(file.name, self._hashes[key], None, str(file))


def _aside(rows: pl.DataFrame, date: str = "session") -> pl.DataFrame:
    """Return rows that carry their broken rule in the column ``rule|`` as rejected rows."""
    return rejected_rows(rows.drop("rule|"), date=date, rule=rows["rule|"], provider=NAME)
