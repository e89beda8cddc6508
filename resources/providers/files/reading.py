"""From a file to typed columns: the names and types of our table, and the rows that could not be read."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.tables import TABLES
from resources.providers.errors import MissingColumnError, MissingFileError, UnreadableFileError, WrongTypeError
from resources.providers.files.consistency import OF_INSTANTS, TEXTS

if TYPE_CHECKING:
    from pathlib import Path

    from resources.providers.files.config import SourceSpec

INSTANT = pl.Datetime("us", "UTC")
PART = "part:"
"""Beginning of the names of the columns that tell the parts of a sum apart."""

TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}
ZONED = r"(?i)(Z|UTC|[+-]\d{2}:?\d{2})$"


def matching_files(root: Path, pattern: str, days: list[dt.date] | None) -> list[Path]:
    """Return the files of a pattern, sorted; with ``{session...}`` in it, those of ``days`` only.

    Raises
    ------
    MissingFileError
        When a pattern without ``{session}`` has no file. A day without its file is a gap, not an error.
    """
    if "{session" not in pattern:
        files = sorted(root.glob(pattern))
        if not files:
            raise MissingFileError(pattern, root, "put the file there or correct 'path' in gnosis.yaml")
        return files
    if days is None:
        return sorted(root.glob(_any_session(pattern)))
    return sorted({file for day in days for file in root.glob(pattern.format(session=day))})


def _any_session(pattern: str) -> str:
    start = pattern.index("{session")
    return pattern[:start] + "*" + pattern[pattern.index("}", start) + 1 :]


def open_table(file: Path, spec_format: str, separator: str = ",") -> pl.LazyFrame:
    """Return a Parquet file, or a CSV file with all its columns as text.

    Raises
    ------
    UnreadableFileError
        When the file is truncated, damaged or of another format.
    """
    try:
        if spec_format == "parquet":
            frame = pl.scan_parquet(file, glob=False)
            frame.collect_schema()
            return frame
        # CSV carries no types: they are ours to state, and a column is never guessed from its first rows.
        table = pl.read_csv(file, separator=separator, infer_schema=False, null_values=[""], glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFileError(file, f"a whole {spec_format} file", _first_line(error)) from error
    return table.lazy()


def read_table(
    file: Path, table: str, source: SourceSpec, window: tuple[dt.date, dt.date] | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the mapped columns of a file, and the rows with cells of a wrong type.

    Parameters
    ----------
    file
        Parquet or CSV.
    table
        Name of our table.
    source
        Its description.
    window
        First and last date wanted (of the column mapped to ``session``); None for all.

    Returns
    -------
    tuple of polars.DataFrame
        The rows with our names and types (mapped and constant columns only, plus ``known_at`` when a column gives it),
        and the rejected rows: their columns as text, with ``rule`` such as ``close|type``, and ``day``.

    Raises
    ------
    UnreadableFileError, MissingColumnError
        See there.
    WrongTypeError
        When no cell of a column has the type that the table demands.
    """
    schema = TABLES[table].polars_schema
    lazy = open_table(file, source.format, source.separator)
    found = lazy.collect_schema()
    known = source.known_at if source.known_at and source.known_at.rule == "column" else None
    used = {*source.columns.values(), *source.keep, *source.sum_over, *({known.column} if known else set())}
    if missing := sorted(used - set(found)):
        raise MissingColumnError(file, missing, found.names())
    for theirs, wanted in source.keep.items():
        lazy = lazy.filter(pl.col(theirs).cast(pl.String).is_in(wanted))
    typed: dict[str, pl.Expr] = {}
    for ours, theirs in source.columns.items():
        expression = _translated(pl.col(theirs), source.values[ours]) if ours in source.values else pl.col(theirs)
        kind: Any = pl.String() if ours in source.values else found[theirs]
        typed[ours] = _typed(expression, kind, schema[ours], file, ours, source)
        if ours in source.scale:
            typed[ours] = typed[ours] * source.scale[ours]
    if known:
        kind = found[known.column]
        typed["known_at"] = _instant(pl.col(known.column), kind, file, known.column, known.zone, None, source.epoch)
    day = _day(lazy, table, source, typed, file)
    if window:
        # Without any date that can be read nothing may be left out: the file is then told to be of a wrong type.
        lazy = lazy.filter(day.is_between(*window) | day.is_null())
    names = dict(source.columns) | ({"known_at": known.column} if known else {})
    both = collected(
        lazy.select(
            *(expression.alias(f"ours:{ours}") for ours, expression in typed.items()),
            *(pl.col(theirs).alias(f"theirs:{theirs}") for theirs in sorted(set(names.values()))),
            *(pl.col(theirs).cast(pl.String).alias(f"{PART}{theirs}") for theirs in source.sum_over),
            day=day,
        ),
        file,
    )
    return _split(both, names, source, table, file)


def collected(lazy: pl.LazyFrame, file: Path) -> pl.DataFrame:
    """Return the rows of a file, or raise UnreadableFileError when it is damaged inside."""
    try:
        return lazy.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableFileError(file, "whole data pages", _first_line(error)) from error


def _day(lazy: pl.LazyFrame, table: str, source: SourceSpec, typed: dict[str, pl.Expr], file: Path) -> pl.Expr:
    """Return the date that reports a row: its own, or that of the row before it when it cannot be read.

    A row that is known from an instant on is reported by the date of the instant that decides its session.
    """
    ours = next(name for name in ("session", "ref_date", "ts") if name in typed)
    theirs = source.columns[ours]
    decides = typed[ours]
    if ours == "ts":
        if table in TEXTS and "known_at" in typed:
            decides = typed["known_at"]
        elif table in TEXTS and source.known_at is not None and source.known_at.rule == "after_ts":
            decides = decides + dt.timedelta(minutes=source.known_at.delay_minutes)
        decides = decides.dt.date()
    elif lazy.collect_schema()[theirs].is_temporal():
        empty = collected(lazy.select(pl.col(theirs).null_count()), file).item()
        if empty:
            raise WrongTypeError(file, theirs, "a date in every row", f"{empty} empty cells")
        return decides
    return decides.forward_fill().backward_fill()


def _split(
    both: pl.DataFrame, names: dict[str, str], source: SourceSpec, table: str, file: Path
) -> tuple[pl.DataFrame, pl.DataFrame]:
    schema = TABLES[table].polars_schema
    lost = {
        ours: pl.col(f"ours:{ours}").is_null() & pl.col(f"theirs:{theirs}").is_not_null() & ~_is_nan(both, theirs)
        for ours, theirs in names.items()
    }
    flags = both.select(**lost)
    for ours, theirs in names.items():
        present = both[f"theirs:{theirs}"].drop_nulls()
        if len(present) and flags[ours].sum() == len(present):
            expected = str(schema[ours]) if schema[ours] != INSTANT else "instants with a zone, or 'zone' or 'epoch'"
            raise WrongTypeError(file, theirs, expected, f"{present.dtype} such as {str(present[0])!r}")
    # An empty date is set aside like one that cannot be read: the row belongs to no session.
    dated = ("ts", "known_at") if table in OF_INSTANTS else ("session", "ref_date")
    flags = flags.with_columns(both[f"ours:{name}"].is_null().alias(name) for name in dated if name in names)
    rule = pl.concat_str(
        [pl.when(pl.col(ours)).then(pl.lit(f"{ours}|type")) for ours in names], separator=",", ignore_nulls=True
    )
    wrong = flags.select(any=pl.any_horizontal(pl.all()), rule=rule)
    theirs_only = [column for column in both.columns if column.startswith("theirs:")]
    rejected = both.with_columns(wrong["rule"]).filter(wrong["any"])
    rejected = rejected.select(
        *(pl.col(column).cast(pl.String).alias(column.removeprefix("theirs:")) for column in theirs_only),
        pl.col("rule").alias("rule|"),
        "day",
    )
    frame = both.filter(~wrong["any"]).select(
        *(pl.col(f"ours:{ours}").alias(ours) for ours in names), pl.col(f"^{PART}.*$")
    )
    return frame.with_columns(
        pl.lit(value).cast(schema[ours]).alias(ours) for ours, value in source.constants.items()
    ), rejected


def _is_nan(frame: pl.DataFrame, theirs: str) -> pl.Expr:
    column = f"theirs:{theirs}"
    return pl.col(column).is_nan() if frame.schema[column].is_float() else pl.lit(False)


def _translated(column: pl.Expr, values: dict[str, Any]) -> pl.Expr:
    ours = [str(value) for value in values.values()]
    return column.cast(pl.String).replace_strict(list(values), ours, default=None, return_dtype=pl.String)


def _typed(
    column: pl.Expr, found: pl.DataType, expected: pl.DataType, file: Path, ours: str, source: SourceSpec
) -> pl.Expr:
    textual = isinstance(found, pl.String | pl.Categorical | pl.Enum)
    if isinstance(expected, pl.Enum | pl.String):
        return column.cast(pl.String).cast(expected, strict=False)
    if isinstance(expected, pl.Date):
        if isinstance(found, pl.Date) or (isinstance(found, pl.Datetime) and found.time_zone is None):
            return column.cast(pl.Date)
        if textual or (found.is_integer() and source.date_format):
            return column.cast(pl.String).str.to_date(source.date_format, strict=False)
    elif isinstance(expected, pl.Datetime):
        return _instant(column, found, file, ours, source.zone, source.date_format, source.epoch)
    elif isinstance(expected, pl.Boolean):
        if isinstance(found, pl.Boolean):
            return column
    elif textual or found.is_numeric():
        number = column.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False) if textual else column
        number = number.cast(pl.Float64).fill_nan(None)
        return pl.when(number == number.floor()).then(number) if expected.is_integer() else number
    raise WrongTypeError(file, ours, str(expected), str(found))


def _instant(
    column: pl.Expr,
    found: pl.DataType,
    file: Path,
    name: str,
    zone: str | None,
    date_format: str | None,
    epoch: str | None,
) -> pl.Expr:
    """Return instants in UTC; null where a cell cannot be read, or carries no zone and none is stated."""
    if epoch is not None and (found.is_numeric() or isinstance(found, pl.String)):
        whole, ticks = column.cast(pl.Int64, strict=False), TICKS[epoch]
        fine = (column.cast(pl.Float64, strict=False) * ticks).round(0)
        exact = pl.lit(True) if isinstance(found, pl.String) or found.is_integer() else whole == column
        number = pl.coalesce(pl.when(exact).then(whole * ticks), fine.cast(pl.Int64, strict=False))
        return (number // 1_000 if epoch == "ns" else number).cast(INSTANT)
    if isinstance(found, pl.String):
        is_zoned = pl.lit("%z" in date_format.lower()) if date_format else column.str.contains(ZONED)
        zoned = pl.when(is_zoned).then(column).str.to_datetime(date_format, time_zone="UTC", strict=False).cast(INSTANT)
        if zone is None or (date_format and "%z" in date_format.lower()):
            return zoned
        plain = pl.when(~is_zoned).then(column).str.to_datetime(date_format, strict=False).cast(pl.Datetime("us"))
        return pl.coalesce(zoned, _in_zone(plain, zone))
    if not isinstance(found, pl.Datetime):
        raise WrongTypeError(file, name, "instants, or 'epoch' for numbers", str(found))
    if found.time_zone is None:
        if zone is None:
            raise WrongTypeError(file, name, "instants with a zone, or 'zone'", str(found))
        return _in_zone(column, zone)
    return column.dt.convert_time_zone("UTC").cast(INSTANT)


def _in_zone(column: pl.Expr, zone: str) -> pl.Expr:
    # Of the two instants of an hour that is repeated in autumn the later one: nothing is known before it was.
    placed = column.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    return placed.dt.convert_time_zone("UTC").cast(INSTANT)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
