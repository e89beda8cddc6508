"""Where derived rows come from: the checks on what comes in, and the three columns that every row going out carries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.tables import TABLES

MAX_PROVIDERS = 63
Members = NDArray[np.int64]


def require_table(frame: pl.DataFrame, table: str) -> None:
    """Raise unless the frame has the columns and dtypes of a table; further columns are allowed.

    Raises
    ------
    ValueError
        With the first column that is missing or of another dtype.
    """
    found = frame.schema
    for name, dtype in TABLES[table].polars_schema.items():
        if name not in found:
            raise ValueError(f"{table}: expected a column {name!r}, found {frame.columns}")
        if found[name] != dtype:
            raise ValueError(
                f"{table}: expected {name!r} as {dtype}, found {found[name]}; cast to TABLES[{table!r}].polars_schema"
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
