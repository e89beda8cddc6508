"""Event log in SQLite for runs over thousands of sessions; what is read from it is unchanged.

A run over five years records one materialisation for each asset and session, and Dagster's own SQLite storage writes
them one by one through a new engine each time, at about 12 ms an event. Five things differ here: a batch is written in
two transactions, engines are kept so that statements are compiled once, a check that looks at a whole range is planned
once for the run instead of once for each session, no event waits for the disk, and a failed run is never overlooked.

What a killed process has logged is kept all the same. After a power cut the last entries of the index may be missing,
and the log of the run that was under way may be unreadable; tables and catalog are written with their own care.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData, serialize_value
from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine
from sqlalchemy.event import listens_for

from gnosis_dagster.settings import EVENT_BATCH_SIZE

BUSY_TIMEOUT_S = 60
MOST_RUN_LOGS = 8
"""Logs of runs whose statements are kept compiled."""
PLANNED_CHECK = DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """SQLite event log whose batches are written in bulk; named in ``dagster.yaml``."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._compiled: dict[Any, Any] = {}
        self._index_file: int | None = None
        super().__init__(base_dir=base_dir, inst_data=inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Return the storage from the instance's configuration, and have Dagster write in batches.

        The web server and the daemon of a plain ``dagster dev`` load this storage and nothing else of Gnosis. Without
        batches they plan a run over 120 sessions in 50 s.
        """
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH_SIZE)
        return cls(inst_data=inst_data, base_dir=config_value["base_dir"])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of one run: changes of its status and results of checks one by one, all others in bulk."""
        bulk = []
        for event in events:
            if _is_stored_alone(event):
                self.store_event(event)
            else:
                bulk.append(event)
        if not bulk:
            return
        rows = [self._event_to_row(event) for event in bulk]
        with self.run_connection(bulk[0].run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        indexed = [(event, row) for event, row in zip(bulk, rows, strict=True) if _is_indexed(event)]
        if indexed:
            self._index([event for event, _ in indexed], [row for _, row in indexed])

    def get_logs_for_all_runs_by_log_id(
        self,
        after_cursor: int = -1,
        dagster_event_type: DagsterEventType | set[DagsterEventType] | None = None,
        limit: int | None = None,
    ) -> Mapping[int, EventLogEntry]:
        """Return the events after a cursor, up to the first failure that its run does not show yet.

        Dagster stores the failure first and changes the run's status after it. Its daemon of retries reads the failure,
        finds the run still started, moves its cursor on and never retries the run. It reads again in five seconds.
        """
        found = super().get_logs_for_all_runs_by_log_id(after_cursor, dagster_event_type, limit)
        return dict(itertools.takewhile(lambda numbered: self._is_shown(numbered[1]), found.items()))

    def _is_shown(self, event: EventLogEntry) -> bool:
        if event.dagster_event_type != DagsterEventType.RUN_FAILURE or not self.has_instance:
            return True
        run = self._instance.get_run_by_id(event.run_id)
        return run is None or run.is_finished

    def _index(self, events: list[EventLogEntry], rows: list[dict[str, Any]]) -> None:
        ids_in_order = SqlEventLogStorageTable.insert().returning(
            SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
        )
        with self.index_transaction() as connection:
            event_ids = connection.execute(ids_in_order, rows).scalars().all()
            numbered = list(zip(events, event_ids, strict=True))
            planned = [_planned_check(*pair) for pair in numbered if pair[0].dagster_event_type == PLANNED_CHECK]
            if planned:
                connection.execute(AssetCheckExecutionsTable.insert(), planned)
            of_assets = [pair for pair in numbered if pair[0].dagster_event_type != PLANNED_CHECK]
            self._store_asset_event_tags(connection, [pair[0] for pair in of_assets], [pair[1] for pair in of_assets])
            newest = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
                for event, event_id in of_assets
            }
            for event, event_id in newest.values():
                self._store_asset_event(connection, event, event_id)

    @property
    def supports_asset_checks(self) -> bool:
        """Always True: the table of checks is made with the index; Dagster looks for it before every result."""
        return True

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), [_planned_check(event, event_id)])

    def wipe(self) -> None:
        """Delete every event, as Dagster does, through connections that know of it."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Stop watching and close what is open."""
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            for shard in list(self._engines):
                self._drop(shard)

    def _forget(self, shard: str) -> None:
        """Drop the connection to an index that was replaced by another file, and run logs beyond the last few."""
        path = Path(self.path_for_shard(INDEX_SHARD_NAME))
        file = path.stat().st_ino if path.is_file() else None
        if file != self._index_file:
            self._index_file = file
            self._drop(INDEX_SHARD_NAME)
        others = [name for name in self._engines if name not in (shard, INDEX_SHARD_NAME)]
        for name in others[: len(others) - MOST_RUN_LOGS + 1]:
            self._drop(name)

    def _drop(self, shard: str) -> None:
        engine = self._engines.pop(shard, None)
        if engine is not None:
            engine.dispose()
            self._initialized_dbs.discard(shard)
            # Compiled statements belong to the engine that they were compiled for.
            self._compiled.clear()

    def _engine(self, shard: str) -> Engine:
        # Closing the last connection writes everything into the database itself and waits for the disk. The index,
        # which every event of an asset touches, stays open; the log of a run is closed after each write, because
        # whoever follows the run in the UI watches its file.
        is_index = shard == INDEX_SHARD_NAME
        engine = create_engine(
            self.conn_string_for_shard(shard),
            **({"poolclass": QueuePool, "pool_size": 1} if is_index else {"poolclass": NullPool}),
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
            execution_options={"compiled_cache": self._compiled},
        )
        synchronous = "NORMAL" if is_index else "OFF"

        @listens_for(engine, "connect")
        def _(connection: Any, _: Any) -> None:
            connection.execute(f"PRAGMA synchronous = {synchronous}")

        return engine

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            self._forget(shard)
            if shard not in self._engines:
                self._engines[shard] = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(self._engines[shard])
                self._initialized_dbs.add(shard)
            with self._engines[shard].connect() as connection, connection.begin():
                yield connection


def _is_stored_alone(event: EventLogEntry) -> bool:
    changes_status = event.dagster_event_type in EVENT_TYPE_TO_PIPELINE_RUN_STATUS
    is_result = event.dagster_event_type in ASSET_CHECK_EVENTS and event.dagster_event_type != PLANNED_CHECK
    return event.is_dagster_event and (changes_status or is_result)


def _is_indexed(event: EventLogEntry) -> bool:
    return event.is_dagster_event and (
        event.dagster_event_type in ASSET_EVENTS or event.dagster_event_type == PLANNED_CHECK
    )


def _planned_check(event: EventLogEntry, event_id: int | None) -> dict[str, Any]:
    planned = event.get_dagster_event().event_specific_data
    if not isinstance(planned, AssetCheckEvaluationPlanned):
        raise TypeError(f"expected a planned asset check, found {type(planned).__name__}")
    return {
        "asset_key": planned.asset_key.to_string(),
        "check_name": planned.check_name,
        "partition": None,
        "run_id": event.run_id,
        "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
        "evaluation_event": serialize_value(event),
        "evaluation_event_timestamp": dt.datetime.fromtimestamp(event.timestamp, dt.UTC).replace(tzinfo=None),
        "evaluation_event_storage_id": event_id,
    }
