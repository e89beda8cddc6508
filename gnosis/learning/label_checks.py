"""What must hold of stored labels, counted so that a check can say what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES

if TYPE_CHECKING:
    import datetime as dt

_TABLE = TABLES["models.labels"]


def ambiguous_share(labels: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return how often one bar met both barriers and nothing finer told which came first (L-2.7).

    Parameters
    ----------
    labels
        Rows of ``models.labels``.

    Returns
    -------
    polars.DataFrame
        Per ``symbol`` and ``horizon_bars``, sorted: ``n_met`` (labels whose barriers were met, reached the end of their
        horizon, or were torn), ``n_ambiguous`` of them and ``ambiguous_share`` (null without any).

    Examples
    --------
    >>> labels = pl.DataFrame({"symbol": "ABC", "horizon_bars": 5, "barrier_outcome": [1, 0, None, None],
    ...     "barrier_reason": [None, None, "ambiguous_bar", "gap"]})
    >>> ambiguous_share(labels).row(0)
    ('ABC', 5, 3, 1, 0.3333333333333333)
    """
    is_ambiguous = pl.col("barrier_reason").cast(pl.String).eq_missing("ambiguous_bar")
    counted = (
        labels.lazy()
        .group_by("symbol", "horizon_bars")
        .agg(
            n_met=(pl.col("barrier_outcome").is_not_null() | is_ambiguous).sum().cast(pl.Int64),
            n_ambiguous=is_ambiguous.sum().cast(pl.Int64),
        )
        .with_columns(
            ambiguous_share=pl.when(pl.col("n_met") > 0).then(pl.col("n_ambiguous") / pl.col("n_met")),
        )
    )
    return counted.sort("symbol", "horizon_bars").collect()


def label_faults(labels: pl.DataFrame | pl.LazyFrame, last_session: dt.date) -> pl.DataFrame:
    """Return every rule that a stored label breaks, with how many rows break it; none when all is well.

    Parameters
    ----------
    labels
        Rows of ``models.labels``.
    last_session
        Session of the newest bar that the labels were made from.

    Returns
    -------
    polars.DataFrame
        ``fault`` and ``n`` (rows), in the order of the rules.

    Examples
    --------
    >>> import datetime as dt
    >>> label_faults(TABLES["models.labels"].empty(), dt.date(2024, 1, 5)).height
    0
    """
    number = schedule().lazy().select("session").with_row_index("number").cast({"number": pl.Int64})
    numbered = (
        labels.lazy()
        .join(number.rename({"number": "ended"}), on="session", how="left")
        .join(number.rename({"session": "signal_session", "number": "decided"}), on="signal_session", how="left")
    )
    faults = {
        "filed before its outcome was known": pl.col("session") > last_session,
        "not horizon_bars sessions after its decision": (pl.col("ended") - pl.col("decided")).ne_missing(
            pl.col("horizon_bars")
        ),
        "t1 not after t0": pl.col("t1") <= pl.col("t0"),
        "known before t1": pl.col("known_at") < pl.col("t1"),
        "barrier_t1 not after t0": pl.col("barrier_t1") <= pl.col("t0"),
        "barrier_t1 after t1": pl.col("barrier_t1") > pl.col("t1"),
        "y_dir and reason both or neither": pl.col("y_dir").is_null() == pl.col("reason").is_null(),
        "barrier_outcome and barrier_reason both or neither": pl.col("barrier_outcome").is_null()
        == pl.col("barrier_reason").is_null(),
        "y_meta without side or barrier_outcome": pl.col("y_meta").is_not_null()
        & (pl.col("side").is_null() | pl.col("barrier_outcome").is_null()),
    }
    counted = numbered.select(**{name: rule.fill_null(False).sum().cast(pl.Int64) for name, rule in faults.items()})
    return counted.collect().unpivot(variable_name="fault", value_name="n").filter(pl.col("n") > 0)


def differing_labels(stored: pl.DataFrame, again: pl.DataFrame) -> pl.DataFrame:
    """Return the keys of labels that are not the same, to the bit, when made again from truncated bars.

    Parameters
    ----------
    stored
        Rows of ``models.labels``.
    again
        The labels of the same sessions from bars up to the last of them only.

    Returns
    -------
    polars.DataFrame
        Key columns of the rows that either side has otherwise or not at all, sorted.

    Examples
    --------
    >>> empty = TABLES["models.labels"].empty()
    >>> differing_labels(empty, empty).height
    0
    """
    columns = list(_TABLE.polars_schema)
    left, right = stored.select(columns), again.select(columns)
    parts = [
        one.join(other, on=columns, how="anti", nulls_equal=True).select(_TABLE.key)
        for one, other in ((left, right), (right, left))
    ]
    return pl.concat(parts).unique().sort(_TABLE.key)
