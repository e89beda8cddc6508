"""What a person sees of a table in the Dagster UI: description, column schema, lineage, counts, preview and plot."""

from __future__ import annotations

import base64
import datetime as dt
import functools
from collections.abc import Callable, Iterable
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.execution.context.metadata_logging import AssetMetadataHandle, OutputMetadataAccumulator

from assets.night import TableRows
from gnosis.features import BY_NAME
from gnosis.tables import TABLES, Table

PREVIEW_ROWS = 5
PREVIEW_COLUMNS = 12


def description_of(table: Table, documentation: str | None) -> str:
    """Return the table's title and how its rows are made."""
    return f"{table.title}\n\n{' '.join((documentation or '').split())}"


def definition_metadata(table: Table, reads: Iterable[str]) -> dict[str, Any]:
    """Return the column schema with units, and the lineage of each column.

    One quantity has one name everywhere in the house, so a column comes from the columns of the same name in the
    tables that are read. A feature that is not in them is made there from the inputs that the registry declares.
    """
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=str(dtype),
                description=f"{table.description(name)} [{table.unit(name)}]",
                constraints=dg.TableColumnConstraints(nullable=table.columns[name].nullable),
            )
            for name, dtype in table.polars_schema.items()
        ]
    )
    lineage = {name: _sources(name, reads) for name in table.polars_schema}
    return {
        "dagster/column_schema": schema,
        "dagster/column_lineage": dg.TableColumnLineage(lineage),
        "dagster/table_name": table.name,
        "period": table.period,
        "key": ", ".join(table.key),
    }


def _sources(name: str, reads: Iterable[str]) -> list[dg.TableColumnDep]:
    read = sorted(reads)
    sources = [(source, name) for source in read if name in TABLES[source].columns]
    if not sources and name in BY_NAME:
        declared = [tuple(column.rsplit(".", 1)) for column in BY_NAME[name].inputs]
        sources = [(source, column) for source, column in declared if source in read]
    return [dg.TableColumnDep(asset_key=source.split("."), column_name=column) for source, column in sources]


def show_counts(context: dg.AssetExecutionContext, table: Table, frame: pl.DataFrame) -> None:
    """Attach to each session of the run that has rows their number.

    ``context.add_asset_metadata`` lists every session of the run and copies all that was attached before, each time
    anew, so that five years of sessions would take it seconds for each table; they are attached at once instead.
    """
    counts = frame.group_by("session").len().sort("session").select(pl.col("session").cast(pl.String), "len")
    counts = counts.filter(pl.col("session").is_in(list(context.partition_keys)))
    key = dg.AssetKey([table.room, table.short_name])
    step = context.get_step_execution_context()
    attached = dict(step._metadata_accumulator.per_output_metadata)
    for session, rows in counts.iter_rows():
        handle = AssetMetadataHandle(asset_key=key, partition_key=session)
        attached[handle] = {"dagster/partition_row_count": rows}
    step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=attached)


def show(
    context: dg.AssetExecutionContext,
    table: Table,
    rows: TableRows,
    plot: Callable[[pl.DataFrame], bytes | None] | None,
    last: dt.date | None,
    *,
    has_pictures: bool = True,
) -> None:
    """Attach preview, null shares and pictures to the newest materialisation of the run, and its rows to each session.

    Pictures are a seventh of the time of a night, and go unseen where a machine makes nights for others.
    """
    if last is not None:
        show_counts(context, table, rows.frame)
    frame = rows.frame
    newest = frame if last is None else frame.filter(pl.col("session") == last)
    metadata: dict[str, Any] = dict(rows.metadata)
    metadata["preview"] = dg.MetadataValue.md(markdown_table(newest.head(PREVIEW_ROWS)))
    metadata["null_share"] = dg.MetadataValue.json(null_shares(frame))
    if "synthetic" in frame.columns and frame.height:
        metadata["synthetic_share"] = float(frame["synthetic"].cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type]
    if has_pictures and frame.height:
        draw = rows.picture or (None if plot is None else functools.partial(plot, frame))
        picture = draw() if draw is not None else None
        if picture is not None:
            metadata["plot"] = embedded(picture, table.name)
        metadata |= {name: embedded(draw_more(), name) for name, draw_more in rows.more_pictures.items()}
    context.add_asset_metadata(
        metadata,
        asset_key=dg.AssetKey([table.room, table.short_name]),
        partition_key=None if last is None else last.isoformat(),
    )


def embedded(png: bytes, name: str) -> dg.MetadataValue:
    """Return a picture as metadata that the UI shows."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")


def null_shares(frame: pl.DataFrame) -> dict[str, float]:
    """Return the share of nulls of each column that has any.

    Examples
    --------
    >>> null_shares(pl.DataFrame({"close": [1.0, None], "symbol": ["A", "B"]}))
    {'close': 0.5}
    """
    if frame.is_empty():
        return {}
    shares = frame.null_count().row(0, named=True)
    return {name: round(nulls / frame.height, 6) for name, nulls in shares.items() if nulls}


def markdown_table(frame: pl.DataFrame) -> str:
    """Return the first columns of a small frame as a Markdown table.

    Examples
    --------
    >>> print(markdown_table(pl.DataFrame({"symbol": ["AAPL"], "close": [430.4712345]})))
    | symbol | close |
    |---|---|
    | AAPL | 430.471 |
    """
    shown = frame.select(frame.columns[:PREVIEW_COLUMNS])
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + "---|" * len(shown.columns)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in shown.rows()]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return str(value).replace("|", "\\|")[:40]
