"""Where derived rows come from: the checks on what comes in, and the three columns that every row going out carries."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from gnosis.tables import TABLES


def require_table(frame: pl.DataFrame, table: str) -> None:
    """Raise unless the frame has the columns and dtypes of a table; further columns are allowed.

    Raises
    ------
    ValueError
        With the first column that is missing or of another dtype.
    """
    for name, dtype in TABLES[table].polars_schema.items():
        if name not in frame.columns:
            raise ValueError(f"{table}: expected a column {name!r}, found {frame.columns}")
        if frame.schema[name] != dtype:
            raise ValueError(
                f"{table}: expected {name!r} as {dtype}, found {frame.schema[name]}; "
                f"cast to TABLES[{table!r}].polars_schema"
            )


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
    providers = ["provider", *also]
    mixes = rows.select(*by, *providers).unique().sort(*by, *providers)
    names = (
        mixes.select(*by, names=pl.concat_str(providers, separator="+", ignore_nulls=True).str.split("+"))
        .explode("names")
        .unique()
        .sort(*by, "names")
        .group_by(*by, maintain_order=True)
        .agg(provider=pl.col("names").str.join("+"))
    )
    latest = rows.group_by(*by).agg(pl.col("known_at").max(), pl.col("synthetic").any())
    return (
        latest.sort(*by)
        .join(names, on=list(by), how="left", maintain_order="left")
        .select(*by, "known_at", "provider", "synthetic")
    )
