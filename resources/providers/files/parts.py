"""Figures that a file gives in parts, one row per part: they are added up, each part once."""

from __future__ import annotations

import polars as pl

from resources.providers.files.reading import PART

KEY = ["session", "symbol"]
CONTRADICTORY, COPY, PART_MISSING = "primary_key", "delivered_twice", "part_missing"


def added_up(rows: pl.DataFrame, incomplete: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return one row per session and symbol, and the rows that were not added.

    Parameters
    ----------
    rows
        ``session``, ``symbol``, figures, and columns whose names begin with ``part:``, which tell the parts apart.
    incomplete
        ``session``, ``symbol`` (null for all): of these a part could not be read.

    Returns
    -------
    frame : polars.DataFrame
        The sums, without the part columns. A sum is null when one of its parts is.
    rejected : polars.DataFrame
        Exact copies of a part (``delivered_twice``), and every part of a session and symbol of which two rows about one
        part contradict each other (``primary_key``) or one could not be read (``part_missing``), with ``rule|``.

    Examples
    --------
    >>> rows = pl.DataFrame({"session": [1, 1], "symbol": ["A", "A"], "volume": [2.0, 3.0], "part:venue": ["N", "Q"]})
    >>> added_up(rows, rows.clear())[0].rows()
    [(1, 'A', 5.0)]
    """
    parts = [column for column in rows.columns if column.startswith(PART)]
    counted = rows.sort([*KEY, *parts]).with_columns(is_copy=pl.struct(rows.columns).is_first_distinct().not_())
    contradicts = (pl.len().over([*KEY, *parts, "is_copy"]) > 1) & ~pl.col("is_copy")
    of_all = incomplete.filter(pl.col("symbol").is_null())["session"]
    lacking = pl.struct(KEY).is_in(incomplete.select(pl.struct(KEY)).to_series().implode())
    lacking |= pl.col("session").is_in(of_all.implode())
    rule = (
        pl.when("is_copy")
        .then(pl.lit(COPY))
        .when(contradicts.any().over(KEY))
        .then(pl.lit(CONTRADICTORY))
        .when(lacking)
        .then(pl.lit(PART_MISSING))
    )
    judged = counted.with_columns(rule.alias("rule|"))
    figures = [column for column in rows.columns if column not in (*KEY, *parts)]
    sums = (
        judged.filter(pl.col("rule|").is_null())
        .group_by(KEY, maintain_order=True)
        .agg(pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).alias(name) for name in figures)
    )
    rejected = judged.filter(pl.col("rule|").is_not_null()).select(
        *(pl.col(name).alias(name.removeprefix(PART)) for name in rows.columns),
        "rule|",
    )
    return sums, rejected
