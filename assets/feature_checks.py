"""Checks of the features room: what is null says why."""

from __future__ import annotations

import polars as pl

from assets.checks import Finding, Stored, TableCheck
from gnosis.features import Feature, features_of
from gnosis.features.hedge import CONVENTION
from gnosis.reasons import REASONS

EXPLAIN_ALWAYS = ("SOURCE_MISSING", "CERTIFICATE_FAILED", "UNDEFINED", "BOUND_VIOLATION")
OF_INPUTS = {
    "NO_CHAIN": ("raw.option_quotes",),
    "STALE_QUOTES": ("raw.option_quotes",),
    "LOW_COVERAGE": ("raw.option_quotes",),
    "OI_MISSING": ("raw.option_quotes",),
    "OI_STALE": ("raw.option_quotes",),
    "SHORTS_STALE": ("raw.short_volume", "raw.dix"),
    "FEW_DOCUMENTS": ("raw.posts", "raw.news"),
}
"""Codes that explain a null only of a feature that reads one of these tables."""
NEED_MINUTES = ("liq_iceberg_alert",)
"""Features for which daily bars do not stand in where there is a book: the others have a value without a book and
without intraday bars, and ``NO_BOOK`` and ``NO_INTRADAY`` stand beside it in every row."""
FEWEST_TO_STANDARDISE = 11
"""A reference sample has at least ten sessions besides the row's own."""
ENGINES = {"hedge": "elasticity", "liquidity": "liquidity", "sentiment": "sentiment"}
KEY = ["session", "symbol"]


def explaining(feature: Feature) -> list[str]:
    """Return the reason codes that can be why a feature is null.

    Others lower a confidence, or say what stood in for what, and are no excuse for a null.
    """
    codes = {code for code, tables in OF_INPUTS.items() if set(tables) & set(feature.tables)}
    if feature.name in NEED_MINUTES:
        codes.add("NO_INTRADAY")
    if feature.fewest_sessions > 1:
        codes.add("SHORT_HISTORY")
    if feature.fewest_sessions >= FEWEST_TO_STANDARDISE:
        codes.add("UNCALIBRATED")
    return [code for code in REASONS if code in codes or code in EXPLAIN_ALWAYS]


def _nulls_have_reasons(stored: Stored) -> Finding:
    own = features_of(stored.table.short_name)
    rows = _with_reasons(stored, own)
    if rows.is_empty():
        return Finding(True, "no rows")
    reasons = {feature.name: _reasons_column(feature) for feature in own}
    is_silent = [
        (
            pl.col(feature.name).is_null()
            & pl.col(reasons[feature.name]).str.split(",").list.set_intersection(explaining(feature)).list.len().eq(0)
        )
        .sum()
        .alias(feature.name)
        for feature in own
    ]
    silent = [name for name, count in rows.select(is_silent).row(0, named=True).items() if count]
    absent = [feature.name for feature in own if rows[feature.name].null_count() == rows.height]
    shares = {name: rows[name].null_count() / rows.height for name in reasons}
    why = {
        name: {"share": round(share, 4), "reasons": _most_common(rows, name, reasons[name])}
        for name, share in shares.items()
        if share
    }
    found = f"{len(own) - len(absent)} of {len(own)} features have values"
    if absent:
        found += (
            f"; null throughout, with reasons: {', '.join(name for name in absent if name not in silent) or 'none'}"
        )
    if silent:
        found += f"; null without a reason: {', '.join(silent)}"
    return Finding(not silent, found, {"null": why})


def _with_reasons(stored: Stored, own: tuple[Feature, ...]) -> pl.DataFrame:
    """Return the rows with the reasons of every producer: for features of an engine they stand in its table."""
    rows = stored.rows.select(*KEY, "reasons", *(feature.name for feature in own))
    engine = ENGINES.get(stored.table.short_name)
    if engine is None or not stored.sessions:
        return rows.collect()
    columns = sorted({_reasons_column(feature) for feature in own} - {"reasons"})
    told = stored.lake.scan(f"engines.{engine}", stored.sessions[0], stored.sessions[-1])
    if engine == "elasticity":
        told = told.filter(pl.col("sign_convention") == CONVENTION)
    # Without a row of the engine the reasons of the feature row are those of every feature.
    joined = rows.join(told.select(*KEY, *columns), on=KEY, how="left")
    return joined.with_columns(pl.col(column).fill_null(pl.col("reasons")) for column in columns).collect()


def _reasons_column(feature: Feature) -> str:
    return "reasons" if feature.producer in ("", "state") else f"{feature.producer}_reasons"


def _most_common(rows: pl.DataFrame, name: str, column: str) -> str:
    counts = rows.filter(pl.col(name).is_null())[column].value_counts(sort=True)
    return str(counts.sort("count", column, descending=[True, False])[column][0])


NULLS_HAVE_REASONS = TableCheck(
    "nulls_have_reasons",
    "Every feature that is null in a row has a reason code of the processor that makes it, and one that can be why.",
    _nulls_have_reasons,
    is_blocking=False,
)
