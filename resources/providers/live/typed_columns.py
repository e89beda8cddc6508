"""Text of a service as numbers and dates: a column of the wrong kind is an error, a single wrong cell breaks a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from resources.providers.live.errors import SchemaDrift

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READABLE = "readable"
_ADVICE = "the answer has a new form: look at the archived bytes and report it"


def typed_columns(
    rows: pl.DataFrame,
    service: str,
    *,
    numbers: Sequence[str] = (),
    dates: Mapping[str, str] | None = None,
) -> tuple[pl.DataFrame, pl.Series]:
    """Return the rows with typed columns, and per row the rule that one of its cells breaks.

    Parameters
    ----------
    rows
        As parsed; cells are text or numbers, null where the service gave nothing.
    service
        Name for the error.
    numbers
        Columns that become Float64; anything but a finite number breaks the rule ``<column>|readable``.
    dates
        Columns that become Date, with their format.

    Returns
    -------
    frame : polars.DataFrame
        The rows; a cell that cannot be read is null.
    rule : polars.Series
        ``<column>|readable`` or null.

    Raises
    ------
    SchemaDrift
        When a column is missing, or holds something and nothing in it can be read.

    Examples
    --------
    >>> frame, rule = typed_columns(pl.DataFrame({"bid": ["1.5", "x", None]}), "example", numbers=["bid"])
    >>> frame["bid"].to_list(), rule.to_list()
    ([1.5, None, None], [None, 'bid|readable', None])
    """
    kinds = dict.fromkeys(numbers, "numbers") | {name: f"dates as {form}" for name, form in (dates or {}).items()}
    for name, kind in kinds.items():
        if name not in rows.columns:
            raise SchemaDrift(service, f"the field {name} with {kind}", f"only {', '.join(rows.columns)}", _ADVICE)
    typed = rows.with_columns(
        *(_number(name, rows.schema[name]) for name in numbers),
        *(pl.col(name).cast(pl.String).str.to_date(form, strict=False) for name, form in (dates or {}).items()),
    )
    rule = pl.Series("rule", [None] * rows.height, dtype=pl.String)
    for name, kind in kinds.items():
        is_wrong = rows[name].is_not_null() & typed[name].is_null()
        if is_wrong.any() and typed[name].is_null().all():
            raise SchemaDrift(service, f"{kind} in the field {name}", repr(rows[name].drop_nulls()[0])[:40], _ADVICE)
        rule = rule.zip_with(rule.is_not_null() | ~is_wrong, pl.repeat(f"{name}|{READABLE}", rows.height, eager=True))
    return typed, rule


def _number(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_nested() or dtype == pl.Boolean:
        return pl.lit(None, dtype=pl.Float64).alias(name)
    number = pl.col(name).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number).alias(name)
