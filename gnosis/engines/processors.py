"""The long form of the engines: one row for each value of each processor, with its confidence and its reasons."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from gnosis.engines.regimes import FIRST_CODE
from gnosis.tables import TABLES
from gnosis.tables.engines.processors import PROCESSORS, VALUES

NO_CONVENTION = "none"


def processor_rows(engines: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return ``engines.processors`` of the tables of the engines.

    Every processor has a row ``confidence``; values that are unknown have none, nor have lists and instants.
    Flags are 0 and 1; a label is its code and, in ``text``, its name.

    Parameters
    ----------
    engines
        Rows of ``engines.elasticity``, ``engines.liquidity`` and ``engines.sentiment`` by name of the engine; any may
        be left out.

    Raises
    ------
    ValueError
        When an engine does not exist or a column is missing.

    Examples
    --------
    >>> processor_rows({"liquidity": TABLES["engines.liquidity"].empty()}).height
    0
    """
    if unknown := sorted(set(engines) - set(PROCESSORS)):
        raise ValueError(f"expected engines out of {list(PROCESSORS)}, found {unknown}")
    table = TABLES["engines.processors"]
    parts = [table.empty()]
    for engine, frame in engines.items():
        units = TABLES[f"engines.{engine}"]
        for processor, columns in VALUES[engine].items():
            known = _known(frame, engine, processor)
            scalar = [name for name in columns if not isinstance(frame.schema[name], pl.List)]
            parts += [_values(frame, known, name, units.unit(name)) for name in scalar]
            parts.append(
                known.with_columns(
                    name=pl.lit("confidence"), value="confidence", text=pl.lit(None, pl.String), unit=pl.lit("ratio")
                )
                .select(list(table.polars_schema))
                .cast(table.polars_schema)
            )
    return pl.concat(parts).sort(table.key)


def _known(frame: pl.DataFrame, engine: str, processor: str) -> pl.DataFrame:
    """Return what the rows of one processor share."""
    needed = ["session", "symbol", "as_of", "known_at", "provider", "synthetic"]
    own = {part: f"{processor}_{part}" for part in ("confidence", "is_proxy", "reasons")}
    if missing := [name for name in (*needed, *own.values()) if name not in frame.columns]:
        raise ValueError(f"engines.{engine}: expected the columns {missing}, found {frame.columns}")
    convention = pl.col("sign_convention").cast(pl.String) if engine == "elasticity" else pl.lit(NO_CONVENTION)
    return frame.select(
        *needed,
        engine=pl.lit(engine),
        processor=pl.lit(processor),
        sign_convention=convention,
        **{part: pl.col(name) for part, name in own.items()},
    )


def _values(frame: pl.DataFrame, known: pl.DataFrame, name: str, unit: str) -> pl.DataFrame:
    schema = TABLES["engines.processors"].polars_schema
    column = frame[name]
    text = pl.Series("text", [None], dtype=pl.String).new_from_index(0, len(column))
    value = column
    if isinstance(column.dtype, pl.Enum):
        text = column.cast(pl.String)
        value = column.to_physical().cast(pl.Float64) + FIRST_CODE.get(name, 0)
    rows = known.with_columns(name=pl.lit(name), value=value.cast(pl.Float64), text=text, unit=pl.lit(unit))
    return rows.filter(pl.col("value").is_not_null()).select(list(schema)).cast(schema)
