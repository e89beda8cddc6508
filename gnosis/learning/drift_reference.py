"""What drift is measured against: bins of the training rows of a model and how many rows fell into each (L-10.2)."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.features.registry import BY_NAME
from gnosis.learning.drift import decile_edges
from gnosis.learning.matrix import FEATURE_NAMES

PSEUDO_COUNT = 0.5


def drift_reference(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the bins of each feature as the population stability index cuts them.

    Parameters
    ----------
    rows
        Feature rows that a model learnt from, see :func:`gnosis.learning.training_rows.training_rows`.

    Returns
    -------
    polars.DataFrame
        ``feature``, ``bin`` (from 0), ``from_value`` (where the bin begins; for codes, flags and counts its one value;
        null for the first bin of a float, which is open, and for missing values), ``is_missing``, ``n`` (rows) and
        ``share`` (smoothed: (n + 0.5)/(N + 0.5 B) with B bins), in the order of the registry.

    Examples
    --------
    >>> rows = pl.DataFrame({name: [0.0, 1.0, None] for name in FEATURE_NAMES})
    >>> flag = drift_reference(rows).filter(feature="sent_rsi_oversold")
    >>> flag.select("from_value", "is_missing", "n", pl.col("share").round(3)).rows()
    [(0.0, False, 1, 0.333), (1.0, False, 1, 0.333), (None, True, 1, 0.333)]
    """
    return pl.concat([_bins(name, rows[name]) for name in FEATURE_NAMES])


def _bins(name: str, column: pl.Series) -> pl.DataFrame:
    # Models read float32: what they see is what is compared.
    values = column.cast(pl.Float32).cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = values[~np.isnan(values)]
    if BY_NAME[name].dtype == "float":
        edges = decile_edges(known)
        counts = np.bincount(np.searchsorted(edges, known, "right"), minlength=edges.size + 1)
        starts: list[float | None] = [None, *edges.tolist()]
    else:
        edges, counts = np.unique(known, return_counts=True)
        starts = edges.tolist()
    n = [*counts.tolist(), values.size - known.size]
    return pl.DataFrame(
        {
            "feature": [name] * len(n),
            "bin": range(len(n)),
            "from_value": [*starts, None],
            "is_missing": [False] * (len(n) - 1) + [True],
            "n": n,
            "share": [(count + PSEUDO_COUNT) / (values.size + PSEUDO_COUNT * len(n)) for count in n],
        },
        schema={
            "feature": pl.String,
            "bin": pl.Int64,
            "from_value": pl.Float64,
            "is_missing": pl.Boolean,
            "n": pl.Int64,
            "share": pl.Float64,
        },
    )


__all__ = ["drift_reference"]
