"""Sentiment features: what is said, positioned and seen in prices, from the sentiment engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnosis.features.group_rows import engine_features

if TYPE_CHECKING:
    import polars as pl


def sentiment(bars: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``features.sentiment``: one per bar.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of the sessions to make.
    rows
        Rows of ``engines.sentiment`` of the same sessions.

    Raises
    ------
    ValueError
        When a column is missing or a key occurs twice.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> sentiment(TABLES["raw.equity_bars"].empty(), TABLES["engines.sentiment"].empty()).shape
    (0, 70)
    """
    return engine_features("sentiment", bars, rows, confidence="sent_confidence", absent="SOURCE_MISSING")


__all__ = ["sentiment"]
