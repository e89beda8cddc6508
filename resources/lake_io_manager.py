"""The lake as a Dagster resource and as the place where assets put their rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from gnosis.tables import TABLES, Table
from resources.lake import Commit, Correction, Lake
from resources.lake.errors import LakeError
from resources.lake.versions import companion_of

if TYPE_CHECKING:
    from dataframely import FailureInfo


class LakeResource(dg.ConfigurableResource):
    """Opens the lake of one home folder."""

    home: str

    def lake(self) -> Lake:
        """Return the lake."""
        return Lake(self.home)


class LakeIOManager(dg.ConfigurableIOManager):
    """Stores what an asset returned: rows that keep the table's rules in the table, the others in its quarantine.

    Assets read tables through the lake resource with the range they need; loading an input through the manager is
    refused, because it would load a whole range session by session.
    """

    home: str

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Validate, quarantine and store the rows, and attach the counts."""
        table = TABLES[".".join(context.asset_key.path)]
        lake = Lake(self.home)
        sessions = (
            [dt.date.fromisoformat(key) for key in context.asset_partition_keys]
            if context.has_asset_partitions
            else None
        )
        good, quarantined = split_by_rules(table, obj.frame, obj.rejected, sessions)
        try:
            # The quarantine comes first: a process killed between the two writes has lost no row.
            if sessions is not None:
                write_quarantine(lake, table, quarantined, sessions, context.run_id)
            commit = lake.write(
                table.name,
                good,
                sessions,
                run_id=context.run_id,
                learnt_at=lambda: dt.datetime.now(dt.UTC),
                correction=obj.correction,
            )
        except LakeError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        for words, is_warning in words_of_changes(lake, table, commit, obj.correction):
            (context.log.warning if is_warning else context.log.info)(words)
        context.add_output_metadata(
            {
                "dagster/row_count": sum(entry.rows for entry in lake.manifest(table.name).entries.values()),
                # One entry instead of eight: it stands in the event of every session of the run.
                "run": dg.MetadataValue.json(
                    {
                        "rows": good.height,
                        "sessions": len(sessions) if sessions is not None else 1,
                        "quarantined_rows": quarantined.height,
                        "restated_rows": commit.restated_rows,
                        "new_rows_in_stored_sessions": sum(commit.changes.added.values()),
                        "files_written": len(commit.files),
                        "bytes_written": commit.size_bytes,
                        "version": commit.version,
                        "changed": commit.changed,
                    }
                ),
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Refuse: assets read ranges through the lake."""
        raise NotImplementedError(f"read {'.'.join(context.asset_key.path)} through the lake resource with a range")


def words_of_changes(
    lake: Lake, table: Table, commit: Commit, correction: Correction | None
) -> Iterator[tuple[str, bool]]:
    """Say what a write changed in sessions stored before, and whether that is a warning.

    The newest stored session is rewritten in the same evening as a matter of course: what changed in it alone is told
    and not warned of.
    """
    changes, newest = commit.changes, lake.sessions(table.name)[-1:]
    if changes.unread:
        yield (
            f"{table.name}: the stored rows of {_span(changes.unread)} could not be read: no version of them is kept, "
            "and what came now counts as it came",
            True,
        )
    if changes.added:
        yield (
            f"{table.name}: {sum(changes.added.values())} new rows in sessions stored before, {_span(changes.added)}: "
            "they count as known since their own known_at",
            [*changes.added] != newest,
        )
    if correction is not None and companion_of(lake, table) is not None and not changes.restated:
        yield f"{table.name}: {_nothing_corrected(lake, table, commit)}", True
    if not changes.restated or changes.learnt_at is None:
        return
    words = (
        f"{table.name}: {commit.restated_rows} stored rows were restated or are gone, {_span(changes.restated)}; as "
        f"they were, they are in superseded.{table.room}_{table.short_name}"
    )
    if correction is not None:
        yield f"{words}, marked as corrected, and history is made from the new ones", True
    elif [*changes.restated] == newest:
        yield words, False
    else:
        command = (
            f"gnosis run --from {min(changes.restated)} --to {max(changes.restated)} --again "
            f"--correct-history {table.name}@{changes.learnt_at.isoformat()}"
        )
        yield (
            f"{words}. Nights decided before now are still made from them, because nobody knew better; if they were "
            f"wrong, have history made from the new ones: {command} (later sessions whose windows reach back are made "
            "anew with a later --to; predictions and ideas stay as published)",
            True,
        )


def _nothing_corrected(lake: Lake, table: Table, commit: Commit) -> str:
    restated = lake.restatements(table.name).filter(pl.col("session").is_in(commit.sessions))
    instants = restated["learnt_at"].unique().sort(descending=True).head(3)
    words = "expected rows that differ from the stored ones to correct, found none"
    if instants.is_empty():
        return words
    found = ", ".join(instant.isoformat() for instant in instants)
    return f"{words}; to correct what was restated before, name its instant, --correct-history {table.name}@{found}"


def _span(sessions: Collection[dt.date]) -> str:
    first, last = min(sessions), max(sessions)
    return f"session {first}" if first == last else f"{len(sessions)} sessions from {first} to {last}"


def split_by_rules(
    table: Table, frame: pl.DataFrame, rejected: pl.DataFrame | None, sessions: Sequence[dt.date] | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that keep every rule of ``table``, and the quarantine rows of the others.

    Raises
    ------
    dg.Failure
        When a table that is not cut by session breaks its rules: it is computed as a whole, so one wrong row means
        that the computation is wrong.
    """
    expected = table.polars_schema
    if dict(frame.schema) != dict(expected):
        wrong = {
            name: (str(expected.get(name)), str(frame.schema.get(name)))
            for name in {*expected, *frame.schema}
            if expected.get(name) != frame.schema.get(name)
        }
        raise dg.Failure(f"{table.name}: expected and found dtypes differ: {wrong}", allow_retries=False)
    good, failures = table.schema.filter(frame)
    if sessions is None:
        if len(failures):
            raise dg.Failure(f"{table.name}: {len(failures)} rows break {failures.counts()}", allow_retries=False)
        return good.select(list(expected)), TABLES[f"quarantine.{table.room}_{table.short_name}"].empty()
    if "primary_key" in failures.counts():
        copies = frame.filter(~pl.struct(pl.all()).is_first_distinct())
        good, failures = table.schema.filter(frame.unique(maintain_order=True))
        delivered_twice = _as_found(copies, pl.lit("delivered_twice"), table)
        rejected = delivered_twice if rejected is None else pl.concat([rejected, delivered_twice])
    return good.select(list(expected)), quarantine_rows(table, failures, rejected, sessions)


def _as_found(rows: pl.DataFrame, rule: pl.Expr, table: Table) -> pl.DataFrame:
    return rows.select(
        session=pl.col("session"),
        rule=rule,
        found=pl.struct(list(table.polars_schema)).struct.json_encode(),
        provider=pl.col("provider") if "provider" in rows.columns else pl.lit(None, pl.String),
    )


def quarantine_rows(
    table: Table, failures: FailureInfo, rejected: pl.DataFrame | None, sessions: Sequence[dt.date]
) -> pl.DataFrame:
    """Return broken rows as rows of the quarantine table: session, number within it, rules broken, the row as JSON."""
    quarantine = TABLES[f"quarantine.{table.room}_{table.short_name}"]
    parts = []
    if len(failures):
        details = failures.details()
        rules = [name for name in details.columns if name not in table.polars_schema]
        broken = pl.concat_list(
            pl.when(pl.col(name).cast(pl.String) == "invalid").then(pl.lit(name)) for name in rules
        ).list.drop_nulls()
        parts.append(_as_found(details, broken.list.join(","), table))
    if rejected is not None and rejected.height:
        parts.append(rejected.select("session", "rule", "found", "provider"))
    if not parts:
        return quarantine.empty()
    first = min(sessions)
    return (
        pl.concat(parts)
        .with_columns(pl.when(pl.col("session").is_in(sorted(sessions))).then("session").otherwise(pl.lit(first)))
        .sort("session", "rule", "found", "provider", nulls_last=True)
        .with_columns(row_number=pl.int_range(pl.len()).over("session"))
        .select(list(quarantine.polars_schema))
        .cast(quarantine.polars_schema)
    )


def write_quarantine(
    lake: Lake, table: Table, quarantined: pl.DataFrame, sessions: Sequence[dt.date], run_id: str
) -> None:
    """Store the quarantine rows of ``sessions``; earlier findings of the same sessions are replaced."""
    name = f"quarantine.{table.room}_{table.short_name}"
    before = set(lake.sessions(name))
    touched = [session for session in sessions if session in before]
    if quarantined.height or touched:
        lake.write(name, quarantined, sorted({*touched, *quarantined["session"].to_list()}), run_id=run_id)
