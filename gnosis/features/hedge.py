"""Hedge features: what dealers must trade when the price moves, from the elasticity engine."""

from __future__ import annotations

import polars as pl

from gnosis.features.group_rows import engine_features

CONVENTION = "naive"
"""Sign convention of the stored features: dealers are long calls and short puts."""


def hedge(bars: pl.DataFrame, elasticity: pl.DataFrame, convention: str = CONVENTION) -> pl.DataFrame:
    """Return the rows of ``features.hedge``: one per bar, null with ``NO_CHAIN`` where the symbol has no chain.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of the sessions to make.
    elasticity
        Rows of ``engines.elasticity`` of the same sessions.
    convention
        Sign convention whose rows are taken.

    Raises
    ------
    ValueError
        When a column is missing.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> hedge(TABLES["raw.equity_bars"].empty(), TABLES["engines.elasticity"].empty()).shape
    (0, 32)
    """
    own = elasticity.filter(pl.col("sign_convention").cast(pl.String) == convention)
    return engine_features("hedge", bars, own, confidence="confidence", absent="NO_CHAIN")


__all__ = ["CONVENTION", "hedge"]
