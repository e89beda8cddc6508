"""Liquidity features: what it costs to trade and who is trading, from the liquidity engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnosis.features.group_rows import engine_features

if TYPE_CHECKING:
    import polars as pl


def liquidity(bars: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``features.liquidity``: one per bar.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of the sessions to make.
    rows
        Rows of ``engines.liquidity`` of the same sessions.

    Raises
    ------
    ValueError
        When a column is missing or a key occurs twice.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> liquidity(TABLES["raw.equity_bars"].empty(), TABLES["engines.liquidity"].empty()).shape
    (0, 36)
    """
    return engine_features("liquidity", bars, rows, confidence="liq_confidence", absent="SOURCE_MISSING")


__all__ = ["liquidity"]
