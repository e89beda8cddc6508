"""The feature matrix: all 141 features side by side, neither scaled nor imputed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from gnosis.features.group_rows import in_order
from gnosis.features.panel import joined_providers
from gnosis.features.registry import FEATURES, GROUPS, features_of
from gnosis.tables import TABLES

KEY = ["session", "symbol"]
ENGINE_GROUPS = ("hedge", "liquidity", "sentiment")


class FeatureRowsError(ValueError):
    """Rows of the group tables that do not belong together."""


def matrix(groups: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Put the rows of the six groups side by side.

    Parameters
    ----------
    groups
        Rows of the table of every group, by name of the group, for the same sessions and symbols.

    Returns
    -------
    polars.DataFrame
        Rows of ``features.matrix``, sorted by session and symbol: numbers as float32, categories and counts as
        integers, flags as booleans, null where missing. ``missing_mask`` has one flag per feature in the order of the
        contract. ``as_of`` and ``known_at`` are the latest of the groups. ``confidence`` is the mean over the 141
        features of the confidence of their engine, 1 for those of the feature library, 0 where they are null.

    Raises
    ------
    FeatureRowsError
        When a group is missing, a key occurs twice or the groups have different keys.

    Examples
    --------
    >>> rows = matrix({group: TABLES[f"features.{group}"].empty() for group in GROUPS})
    >>> rows.columns[2], rows.columns[142], rows.columns[143:]
    ('hedge_pressure_up', 'macro_credit_spread', ['missing_mask', 'n_missing', 'as_of', 'confidence', 'known_at', \
'provider', 'synthetic'])
    """
    table = TABLES["features.matrix"]
    if set(groups) != set(GROUPS):
        raise FeatureRowsError(f"expected the rows of {list(GROUPS)}, found those of {list(groups)}")
    sides = {group: in_order(groups[group]) for group in GROUPS}
    keys = sides["technical"].select(KEY)
    if keys.is_duplicated().any():
        raise FeatureRowsError("expected one row per session and symbol, found repeated keys")
    for group, rows in sides.items():
        if not rows.select(KEY).equals(keys):
            raise FeatureRowsError(
                f"expected features.{group} to have the {keys.height} sessions and symbols of features.technical, "
                f"found {rows.height} rows, not all of the same keys; make the group tables of these sessions anew"
            )
    n = keys.height
    missing = np.empty((n, len(FEATURES)), dtype=bool)
    weight = np.zeros(n)
    columns: list[pl.Series] = []
    for group, rows in sides.items():
        own = features_of(group)
        for feature in own:
            missing[:, feature.number - 1] = rows[feature.name].is_null().to_numpy()
            columns.append(rows[feature.name].cast(table.polars_schema[feature.name]))
        present = len(own) - missing[:, [feature.number - 1 for feature in own]].sum(axis=1)
        weight += present * (rows["confidence"].to_numpy() if group in ENGINE_GROUPS else 1.0)
    parts = list(sides.values())
    providers = pl.DataFrame([rows["provider"].alias(str(number)) for number, rows in enumerate(parts)])
    frame = keys.with_columns(
        *columns,
        pl.Series("missing_mask", missing, dtype=pl.Array(pl.Boolean, len(FEATURES))).cast(pl.List(pl.Boolean)),
        pl.Series("n_missing", missing.sum(axis=1)),
        _latest([rows["as_of"] for rows in parts]).alias("as_of"),
        pl.Series("confidence", weight / len(FEATURES)),
        _latest([rows["known_at"] for rows in parts]).alias("known_at"),
        joined_providers(providers),
        pl.DataFrame([rows["synthetic"].alias(str(number)) for number, rows in enumerate(parts)])
        .select(synthetic=pl.any_horizontal(pl.all()))
        .to_series(),
    )
    return frame.select(list(table.polars_schema)).cast(table.polars_schema)


def _latest(instants: list[pl.Series]) -> pl.Series:
    return (
        pl.DataFrame([series.alias(str(number)) for number, series in enumerate(instants)])
        .select(pl.max_horizontal(pl.all()))
        .to_series()
    )


__all__ = ["FeatureRowsError", "matrix"]
