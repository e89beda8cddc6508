"""How a function that returns rows becomes a Dagster asset: key = table, with its checks and its documentation."""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import polars as pl

from assets import checks, presentation
from assets.night import REPUBLISH_TAG, HistoryGapError, Night, TableRows, UndeclaredReadError, correction_of
from assets.published import published
from gnosis.sessions import UnknownSessionError
from gnosis.tables import TABLES, Table
from resources.lake import Lake
from resources.lake.errors import LakeError
from resources.lake_io_manager import LakeResource
from resources.market_data import MarketDataResource
from resources.peer_engines import PeerEnginesResource
from resources.providers.errors import ProviderError
from resources.providers.live.errors import UnavailableError
from resources.scorer_resource import ScorerResource
from resources.scorers import ScorerError
from resources.tracking_resource import TrackingResource

PERMANENT = (ProviderError, ScorerError, UnknownSessionError, LakeError, UndeclaredReadError, HistoryGapError)
OWNERS = ["team:research"]

Plot = Callable[[pl.DataFrame], bytes | None]
Rows = pl.DataFrame | TableRows
Make = Callable[[Night], Rows] | Callable[[Night], Mapping[str, Rows]]


@dataclass(frozen=True)
class TableAsset:
    """One table, or several that one computation makes, not yet bound to a partitions definition.

    Attributes
    ----------
    tables
        Tables made; all cut by session or none.
    make
        Returns the rows of the one table, or a mapping from table name to rows.
    reads
        Tables that ``make`` may read: the lineage.
    feedback
        Tables made from these that ``make`` may read as earlier runs left them. They are no edges of the graph, where
        they would close a circle.
    plots, own_checks
        By table name.
    """

    tables: tuple[Table, ...]
    make: Make
    reads: frozenset[str]
    feedback: frozenset[str]
    kinds: frozenset[str]
    plots: Mapping[str, Plot]
    own_checks: Mapping[str, Sequence[checks.TableCheck]]
    retry: dg.RetryPolicy | None
    pool: str | None

    @property
    def keys(self) -> list[dg.AssetKey]:
        """Asset keys: room and table."""
        return [key_of(table.name) for table in self.tables]

    @property
    def is_by_session(self) -> bool:
        """True when the tables are cut by session."""
        return self.tables[0].period != "all"

    def checks_of(self, table: Table) -> tuple[checks.TableCheck, ...]:
        """Return the checks of one of the tables: those of its form and its own."""
        return (*checks.checks_of(table), *self.own_checks.get(table.name, ()))

    def build(self, sessions: dg.PartitionsDefinition[str], *, has_pictures: bool = True) -> dg.AssetsDefinition:
        """Return the Dagster asset, partitioned by ``sessions`` when its tables are."""
        options: dict[str, Any] = {}
        if self.is_by_session:
            options = {"partitions_def": sessions, "backfill_policy": dg.BackfillPolicy.single_run()}
        specs = [
            dg.AssetCheckSpec(
                check.name, asset=key_of(table.name), description=check.description, blocking=check.is_blocking
            )
            for table in self.tables
            for check in self.checks_of(table)
        ]

        @dg.multi_asset(
            name="__".join((self.tables[0].room, self.make.__name__)),
            outs={table.short_name: self._out(table) for table in self.tables},
            deps=[dependency(name, is_by_session=self.is_by_session) for name in sorted(self.reads)],
            group_name=self.tables[0].room,
            retry_policy=self.retry,
            pool=self.pool,
            check_specs=specs,
            **options,
        )
        def materialise(
            context: dg.AssetExecutionContext,
            lake: LakeResource,
            market_data: MarketDataResource,
            tracking: TrackingResource,
            scorer: ScorerResource,
            peer_engines: PeerEnginesResource,
        ) -> Iterator[dg.Output[TableRows] | dg.AssetCheckResult]:
            started = time.perf_counter()
            asked = self._sessions(context, lake)
            source = market_data.market_data()
            night = Night(
                table=self.tables[0].name,
                sessions=asked,
                reads=self.reads,
                feedback=self.feedback,
                run_id=context.run.run_id,
                lake=lake.lake(),
                market_data=source,
                tracking=tracking.tracking(),
                scoring=scorer.scoring(),
                peers=peer_engines.engines(context),
                say=context.log.info,
                warn=context.log.warning,
                tags=dict(context.run.tags),
            )
            try:
                made = self._rows(night)
            finally:
                source.close()
            for table in self.tables:
                rows = replace(made[table.name], correction=correction_of(table.name, night.tags))
                newest = asked[-1] if self.is_by_session else None
                plot = self.plots.get(table.name)
                presentation.show(context, table, rows, plot, newest, has_pictures=has_pictures)
                yield dg.Output(rows, output_name=table.short_name)
                spent = time.perf_counter() - started
                night.say(f"{table.name:<22} {rows.frame.height:>10,} rows {len(asked):>6,} sessions {spent:6.1f} s")
            for table in self.tables:
                yield from self._check_results(table, night)

        return materialise

    def _out(self, table: Table) -> dg.AssetOut:
        return dg.AssetOut(
            key=key_of(table.name),
            io_manager_key="lake_io",
            kinds=set(self.kinds),
            owners=OWNERS,
            description=presentation.description_of(table, self.make.__doc__),
            metadata=presentation.definition_metadata(table, self.reads),
        )

    def _sessions(self, context: dg.AssetExecutionContext, lake: LakeResource) -> tuple[dt.date, ...]:
        if self.is_by_session:
            return tuple(dt.date.fromisoformat(key) for key in context.partition_keys)
        newest = [_newest_session(lake.lake(), name) for name in self.reads]
        known = [session for session in newest if session is not None]
        if not known:
            raise dg.Failure(
                f"expected sessions of {sorted(self.reads)} in the lake, found none: run the nightly job first",
                allow_retries=False,
            )
        return (max(known),)

    def _rows(self, night: Night) -> dict[str, TableRows]:
        table = self.tables[0]
        is_demanded = night.tags.get(REPUBLISH_TAG) == "true"
        if not table.is_published_once or (is_demanded and not table.is_append_only):
            return self.made(night)
        kept, todo = published(night, [table.name for table in self.tables], may_lose=is_demanded)
        n_kept = kept[table.name].height
        if is_demanded and n_kept:
            night.warn(
                f"{table.name}: expected nothing to replace, found {n_kept:,} published rows; they are kept, "
                "because what was published is never replaced: --republish replaces predictions only"
            )
        if not todo:
            night.say(f"{table.name}: published before, kept as it is")
            return {name: TableRows(rows) for name, rows in kept.items()}
        new = self.made(replace(night, sessions=todo))
        return {name: replace(rows, frame=pl.concat([kept[name], rows.frame])) for name, rows in new.items()}

    def made(self, night: Night) -> dict[str, TableRows]:
        """Return the rows of each table, those of every session from what its own night knew.

        Raises
        ------
        dg.Failure
            When ``make`` cannot make them; it says whether a retry may help.
        """
        try:
            return self.in_parts(night)
        except PERMANENT as error:
            raise dg.Failure(f"{night.table}: {error}", allow_retries=False) from error
        except UnavailableError as error:
            raise dg.Failure(f"{night.table}: {error}", allow_retries=error.is_temporary) from error

    def in_parts(self, night: Night) -> dict[str, TableRows]:
        """Return the rows of :meth:`made` and leave errors as they are."""
        parts: list[dict[str, TableRows]] = []
        done: tuple[tuple[dt.date, ...], Mapping[str, pl.DataFrame]] | None = None
        for part in night.split_at_restatements():
            made = self.make(replace(part, made=done))
            by_name = made if isinstance(made, Mapping) else {night.table: made}
            parts.append(
                {name: rows if isinstance(rows, TableRows) else TableRows(rows) for name, rows in by_name.items()}
            )
            before, frames = done or ((), {})
            frames = {
                name: pl.concat([frames[name], rows.frame] if name in frames else [rows.frame])
                for name, rows in parts[-1].items()
            }
            done = (before + part.sessions, frames)
        return {name: _together([part[name] for part in parts]) for name in parts[0]}

    def _check_results(self, table: Table, night: Night) -> Iterator[dg.AssetCheckResult]:
        made_for = night.sessions if self.is_by_session else None
        is_served = table.room != "raw" or night.must_have(table.name)
        for result in checks.evaluate(
            self.checks_of(table),
            table,
            night.lake,
            made_for,
            is_served=is_served,
            may_begin_late=night.market_data.live is not None,
            night=night,
        ):
            if not result.passed and not result.is_blocking:
                night.warn(f"{table.name}: {result.name}: {result.finding}")
            yield dg.AssetCheckResult(
                asset_key=key_of(table.name),
                check_name=result.name,
                passed=result.passed,
                severity=dg.AssetCheckSeverity.ERROR if result.is_blocking else dg.AssetCheckSeverity.WARN,
                description=result.finding,
                metadata=dict(result.figures),
            )


def _newest_session(lake: Lake, name: str) -> dt.date | None:
    """Return the last session that a stored table tells of, None when it tells of none."""
    if TABLES[name].period != "all":
        return max(lake.sessions(name), default=None)
    if "session" not in TABLES[name].polars_schema:
        return None
    newest: dt.date | None = lake.scan(name).select(pl.col("session").max()).collect().item()
    return newest


def _together(parts: Sequence[TableRows]) -> TableRows:
    """Return the rows of consecutive sessions as those of all of them; figures that are counts are added up."""
    last = parts[-1]
    if len(parts) == 1:
        return last
    rejected = [part.rejected for part in parts if part.rejected is not None]
    counts = {
        name: sum(part.metadata[name] for part in parts)  # type: ignore[misc]
        for name in last.metadata
        if all(type(part.metadata.get(name)) is int for part in parts)
    }
    return replace(
        last,
        frame=pl.concat([part.frame for part in parts]),
        rejected=pl.concat(rejected) if rejected else None,
        metadata={**last.metadata, **counts},
    )


def key_of(name: str) -> dg.AssetKey:
    """Return the asset key of the table ``room.table``."""
    return dg.AssetKey(name.split("."))


def dependency(name: str, *, is_by_session: bool) -> dg.AssetDep:
    """Return the dependency on a table. What is made as a whole becomes stale with the newest session it rests on."""
    is_whole_of_sessions = not is_by_session and TABLES[name].period != "all"
    return dg.AssetDep(key_of(name), partition_mapping=dg.LastPartitionMapping() if is_whole_of_sessions else None)


def table_asset(
    *names: str,
    reads: Sequence[str] = (),
    feedback: Sequence[str] = (),
    kinds: Sequence[str] = ("polars", "parquet"),
    plots: Mapping[str, Plot] | Plot | None = None,
    own_checks: Mapping[str, Sequence[checks.TableCheck]] | Sequence[checks.TableCheck] = (),
    retry: dg.RetryPolicy | None = None,
    pool: str | None = None,
) -> Callable[[Make], TableAsset]:
    """Declare that a function makes the rows of the tables ``names`` from the tables that it ``reads``.

    What it reads of ``feedback`` was decided in earlier runs: the champion of a night is chosen by a promotion before.
    ``plots`` and ``own_checks`` are given by table name, or bare when there is one table.
    """

    def declare(make: Make) -> TableAsset:
        return TableAsset(
            tables=tuple(TABLES[name] for name in names),
            make=make,
            reads=frozenset(reads),
            feedback=frozenset(feedback),
            kinds=frozenset(kinds),
            plots=plots if isinstance(plots, Mapping) else {names[0]: plots} if plots else {},
            own_checks=own_checks if isinstance(own_checks, Mapping) else {names[0]: own_checks},
            retry=retry,
            pool=pool,
        )

    return declare


def declared_in(module: Any) -> list[TableAsset]:
    """Return the table assets of a module in the order of their definition."""
    return [value for value in vars(module).values() if isinstance(value, TableAsset)]
