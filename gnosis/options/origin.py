"""Where derived rows come from: the checks on what comes in, and the three columns that every row going out carries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NoReturn

import dataframely as dy
import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.tables import TABLES

MAX_PROVIDERS = 63
Members = NDArray[np.int64]


def require_table(frame: pl.DataFrame, table: str) -> None:
    """Raise unless the frame has the columns and dtypes of a table; further columns are allowed.

    Raw tables, in which data enter, have no null where the table has none either; prices and sizes of
    ``raw.option_quotes`` are finite where they are known, and positive where the table says so.

    Raises
    ------
    ValueError
        With the first column that is missing, of another dtype, or holds such a value, and the key of its row.

    Examples
    --------
    >>> require_table(pl.DataFrame({"session": []}), "raw.macro")
    Traceback (most recent call last):
    ValueError: raw.macro: expected 'session' as Date, found Null; cast to TABLES['raw.macro'].polars_schema
    """
    found = frame.schema
    for name, dtype in TABLES[table].polars_schema.items():
        if name not in found:
            raise ValueError(f"{table}: expected a column {name!r}, found {frame.columns}")
        if found[name] != dtype:
            raise ValueError(
                f"{table}: expected {name!r} as {dtype}, found {found[name]}; cast to TABLES[{table!r}].polars_schema"
            )
    required, positive, finite = _rules(table)
    for name in required:
        if frame[name].null_count():
            _refuse(frame, table, name, frame[name].is_null(), "a value in every row")
    for name in positive:
        _require(frame, table, name, frame[name] > 0.0, "positive values")
    for name in finite:
        _require(frame, table, name, frame[name].is_finite(), "finite numbers, null where missing")


# Listing the columns of a schema class takes a millisecond.
@cache
def _rules(table: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the columns of a raw table without nulls, and those of quotes with positive and with finite values."""
    if TABLES[table].room != "raw":
        return (), (), ()
    columns = TABLES[table].schema.columns()
    required = tuple(name for name in TABLES[table].polars_schema if not columns[name].nullable)
    if table != "raw.option_quotes":
        return required, (), ()
    numbers = {name: column for name, column in columns.items() if isinstance(column, dy.Float64)}
    return required, tuple(name for name, column in numbers.items() if column.min_exclusive == 0), tuple(numbers)


def _require(frame: pl.DataFrame, table: str, name: str, holds: pl.Series, expected: str) -> None:
    if not holds.all():
        _refuse(frame, table, name, ~holds.fill_null(True), expected)


def _refuse(frame: pl.DataFrame, table: str, name: str, is_wrong: pl.Series, expected: str) -> NoReturn:
    at = int(is_wrong.arg_true()[0])
    key = ", ".join(f"{column} {frame[column][at]}" for column in TABLES[table].key)
    raise ValueError(
        f"{table}: expected {expected} in {name!r}, found {frame[name][at]} in row {at} ({key}); rows like it: "
        f"{is_wrong.sum()}; correct them or leave them out"
    )


class Providers:
    """Sets of provider names as bits of integers, so that many of them can be united at once.

    Parameters
    ----------
    *columns
        Every column of providers, joined by '+' and possibly null, that sets are to be made of.

    Raises
    ------
    ValueError
        When there are more than 63 providers.

    Examples
    --------
    >>> quotes, rates = pl.Series(["cboe", "alpaca+cboe"]), pl.Series(["fred", None], dtype=pl.String)
    >>> providers = Providers(quotes, rates)
    >>> providers.joined(providers.members(quotes) | providers.members(rates)).to_list()
    ['cboe+fred', 'alpaca+cboe']
    """

    def __init__(self, *columns: pl.Series) -> None:
        joined = {text for column in columns for text in column.unique() if text is not None}
        self.names = sorted({name for text in joined for name in text.split("+")})
        if len(self.names) > MAX_PROVIDERS:
            raise ValueError(f"provider: expected at most {MAX_PROVIDERS} of them, found {len(self.names)}")
        bit = {name: 1 << position for position, name in enumerate(self.names)}
        self._members = {text: sum(bit[name] for name in set(text.split("+"))) for text in sorted(joined)}

    def members(self, column: pl.Series) -> Members:
        """Return the set of each row of a column, 0 for null."""
        distinct = column.unique()
        if len(distinct) == 1:
            return np.full(len(column), self._members.get(distinct[0], 0), dtype=np.int64)
        found = column.replace_strict(
            list(self._members), list(self._members.values()), default=0, return_dtype=pl.Int64
        )
        return found.to_numpy()

    def joined(self, members: Members) -> pl.Series:
        """Return the names of each set, sorted and joined by '+', null for none."""
        distinct, which = np.unique(members, return_inverse=True)
        texts = [
            "+".join(name for position, name in enumerate(self.names) if one >> position & 1) or None
            for one in distinct.tolist()
        ]
        return pl.Series(texts, dtype=pl.String).gather(which)


def origin_of(rows: pl.DataFrame, by: Sequence[str], also: Sequence[str] = ()) -> pl.DataFrame:
    """Return the origin of groups of rows: latest ``known_at``, distinct providers, whether any row is synthetic.

    Parameters
    ----------
    rows
        With the columns of ``by``, ``known_at``, ``provider`` and ``synthetic``.
    by
        Columns that identify a group.
    also
        Further columns with providers, possibly null.

    Examples
    --------
    >>> import datetime as dt
    >>> noon, one = dt.datetime(2019, 5, 1, 12, tzinfo=dt.UTC), dt.datetime(2019, 5, 1, 13, tzinfo=dt.UTC)
    >>> rows = pl.DataFrame(
    ...     {"k": [1, 1], "known_at": [noon, one], "provider": ["cboe+fred", "alpaca"], "synthetic": [False, True]}
    ... )
    >>> origin_of(rows, ["k"]).row(0)[2:]
    ('alpaca+cboe+fred', True)
    """
    columns = [rows[name] for name in ("provider", *also)]
    providers = Providers(*columns)
    members = np.bitwise_or.reduce([providers.members(column) for column in columns])
    found = (
        rows.select(*by, "known_at", "synthetic", pl.Series("provider", members))
        .group_by(*by)
        .agg(pl.col("known_at").max(), pl.col("provider").bitwise_or(), pl.col("synthetic").any())
        .sort(*by)
    )
    return found.with_columns(provider=providers.joined(found["provider"].to_numpy()))
