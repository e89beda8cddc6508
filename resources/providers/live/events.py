"""Rows of ``raw.quality_events`` about bars that show only beside what is stored."""

from __future__ import annotations

import polars as pl

from gnosis.sessions import schedule
from resources.providers.protocol import conform

EVENTS_TABLE = "raw.quality_events"
BARS = "raw.equity_bars"


def late_actions(not_applied: pl.DataFrame, provider: str) -> pl.DataFrame:
    """Return the events of corporate actions that the adjustment factor leaves out.

    Parameters
    ----------
    not_applied
        As :func:`gnosis.corporate_actions.adjustment_factors` returns it.
    provider
        Name of the provider of the bars.
    """
    detail = pl.format("{} of {} is not in the adjustment factor: {}", "kind", "ex_date", "reason")
    return _events(not_applied.select("session", "symbol", detail=detail), "late_action", provider)


def listing_gap_events(gaps: pl.DataFrame, provider: str) -> pl.DataFrame:
    """Return the events of symbols that trade again after so long that they may be another company's.

    Parameters
    ----------
    gaps
        As :func:`gnosis.listings.listing_gaps` returns it.
    provider
        Name of the provider of the bars.
    """
    detail = pl.format(
        "no bar in the {} sessions after {}: it may be another listing; set the symbol's first session in "
        "live.listed_from",
        "missing_sessions",
        "last_session",
    )
    return _events(gaps.select("symbol", session="first_session", detail=detail), "listing_gap", provider)


def _events(rows: pl.DataFrame, kind: str, provider: str) -> pl.DataFrame:
    told = rows.group_by("session", "symbol").agg(pl.col("detail").sort().str.join("; "))
    closes = schedule().select("session", known_at="close_at")
    dated = told.join(closes, on="session", how="left").with_columns(
        table_name=pl.lit(BARS),
        kind=pl.lit(kind),
        providers=pl.lit(provider),
        chosen=pl.lit(None, dtype=pl.String),
        value=pl.lit(None, dtype=pl.Float64),
        largest_deviation=pl.lit(None, dtype=pl.Float64),
        provider=pl.lit(provider),
        synthetic=pl.lit(False),
    )
    return conform(dated, EVENTS_TABLE)
