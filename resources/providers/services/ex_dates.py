"""What all services do with several splits of one share and day."""

from __future__ import annotations

import polars as pl


def one_ratio(splits: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Return one row per symbol and ``by``: the product of the different ratios of the day.

    A reverse split and a forward split of one day, by which small holders are paid out, are one step of the price. An
    equal ratio is the same split told twice.

    Parameters
    ----------
    splits
        ``symbol``, ``ratio`` and the columns of ``by``; others are dropped.

    Examples
    --------
    >>> splits = pl.DataFrame({"symbol": "AAA", "ex_date": ["a", "a", "b", "b"], "ratio": [0.01, 100.0, 2.0, 2.0]})
    >>> one_ratio(splits, "ex_date").rows()
    [('AAA', 'a', 1.0), ('AAA', 'b', 2.0)]
    """
    keys = ["symbol", *by]
    once = splits.unique([*keys, "ratio"], keep="first", maintain_order=True)
    return once.group_by(keys, maintain_order=True).agg(pl.col("ratio").product())
