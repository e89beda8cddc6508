"""Rows of a group's table: one per bar, whether there is something to say about it or not."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from gnosis.features.codes import coded
from gnosis.features.feature import Feature
from gnosis.features.panel import require_columns
from gnosis.features.registry import features_of
from gnosis.reasons import reasons_where
from gnosis.tables import TABLES

KEY = ["session", "symbol"]
VOLUME = "raw.equity_bars.volume"


def engine_features(group: str, bars: pl.DataFrame, rows: pl.DataFrame, confidence: str, absent: str) -> pl.DataFrame:
    """Return the rows of a group's table from those of its engine.

    Parameters
    ----------
    group
        ``hedge``, ``liquidity`` or ``sentiment``.
    bars
        ``session``, ``symbol``, ``known_at``, ``provider`` and ``synthetic`` of the bars whose rows are made.
    rows
        Rows of the engine's table, at most one per session and symbol.
    confidence
        Column with the confidence of the engine.
    absent
        Reason code of a bar that the engine has no row for: its values are null, its confidence is 0.

    Raises
    ------
    ValueError
        When a column is missing or the engine has two rows for a session and symbol.
    """
    table = TABLES[f"features.{group}"]
    own = [feature.name for feature in features_of(group)]
    require_columns(bars, "raw.equity_bars", [*KEY, "known_at", "provider", "synthetic"])
    origin = {name: f"engine_{name}" for name in ("as_of", "known_at", "provider", "synthetic", "reasons")}
    told = rows.select(
        *KEY, *map(coded, own), engine_confidence=confidence, **{new: old for old, new in origin.items()}
    )
    if told.select(KEY).is_duplicated().any():
        raise ValueError(f"expected one row of the engine per session and symbol for features.{group}, found two")
    rows_of_bars = in_order(bars.select(*KEY, "known_at", "provider", "synthetic"))
    told = in_order(told)
    if told.select(KEY).equals(rows_of_bars.select(KEY)):
        joined = rows_of_bars.hstack(told.drop(KEY))
    else:
        joined = rows_of_bars.join(told, on=KEY, how="left", maintain_order="left")
    has_row = pl.col("engine_as_of").is_not_null()
    return (
        joined.with_columns(
            pl.coalesce("engine_provider", "provider").alias("provider"),
            pl.coalesce("engine_synthetic", "synthetic").alias("synthetic"),
            pl.coalesce("engine_known_at", "known_at").alias("known_at"),
            as_of=pl.coalesce("engine_as_of", "known_at"),
            confidence=pl.col("engine_confidence").fill_null(0.0),
            reasons=pl.when(has_row).then("engine_reasons").otherwise(pl.lit(absent)),
        )
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
    )


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows sorted by session and symbol; those that are so already are not copied.

    Examples
    --------
    >>> in_order(pl.DataFrame({"session": [2, 1, 1], "symbol": ["A", "B", "A"]})).rows()
    [(1, 'A'), (1, 'B'), (2, 'A')]
    """
    keys = rows.select(KEY)
    here, before = keys.slice(1), keys.head(max(keys.height - 1, 0))
    later = here["session"] > before["session"]
    same = (here["session"] == before["session"]) & (here["symbol"] >= before["symbol"])
    return rows if (later | same).all() else rows.sort(KEY)


def library_features(group: str, computed: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a group's table that the feature library itself computes.

    Parameters
    ----------
    group
        ``technical``, ``regime`` or ``macro``.
    computed
        Every column of the table but ``confidence`` and ``reasons``; categories in words. The confidence is the share
        of the features that are known. A feature is null for ``SOURCE_MISSING`` when all features of its series are,
        for ``UNDEFINED`` when a known one looks back as far on the same bars, otherwise for ``SHORT_HISTORY``.
    """
    table = TABLES[f"features.{group}"]
    own = features_of(group)
    known = pl.sum_horizontal(pl.col(feature.name).is_not_null() for feature in own)
    return in_order(
        computed.with_columns(
            confidence=known / len(own),
            reasons=reasons_where(_why_null(own)),
        )
        .with_columns(coded(feature.name) for feature in own)
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
    )


def _why_null(own: Sequence[Feature]) -> dict[str, pl.Expr]:
    """Return by reason code where it is why some of the features are null."""
    why: dict[str, list[pl.Expr]] = {"SOURCE_MISSING": [], "SHORT_HISTORY": [], "UNDEFINED": []}
    for feature in own:
        is_null = pl.col(feature.name).is_null()
        if feature.series:
            other, beside = "SOURCE_MISSING", [one for one in own if set(one.series) & set(feature.series)]
            is_other = pl.all_horizontal(pl.col(one.name).is_null() for one in beside)
        else:
            other, beside = "UNDEFINED", [one for one in own if _needs_as_much(one, feature)]
            is_other = pl.any_horizontal(pl.lit(False), *(pl.col(one.name).is_not_null() for one in beside))
            if feature.name == "tech_adx":
                # Without true range over the window there is no direction either, however long the history.
                is_other |= pl.col("tech_plus_di").is_null() & pl.col("tech_atr").is_not_null()
        why[other].append(is_null & is_other)
        why["SHORT_HISTORY"].append(is_null & ~is_other)
    return {code: pl.any_horizontal(where) for code, where in why.items() if where}


def _needs_as_much(one: Feature, feature: Feature) -> bool:
    """Return whether one feature, when it is known, tells that there is history enough for the other."""
    is_strict = one.fewest_sessions == one.lookback_sessions and not one.series
    # Every bar has prices; its volume may be unknown.
    has_volume = VOLUME in one.inputs or VOLUME not in feature.inputs
    return is_strict and has_volume and one.lookback_sessions >= feature.lookback_sessions
