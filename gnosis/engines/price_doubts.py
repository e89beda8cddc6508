"""What an unconfirmed close does to the confidence of an engine: the rows stay, and say that they are less sure."""

from __future__ import annotations

import polars as pl

from gnosis.reasons import REASONS

BARS = "raw.equity_bars"
CODES = {"unverified": "CLOSE_UNVERIFIED", "price_disagreement": "CLOSE_DISPUTED"}
"""By kind of event, the reason code of the rows that rest on the close."""

SHARES = {"unverified": 0.75, "price_disagreement": 0.9}
"""Share of its confidence that a row keeps. A convention: below 0.8 a row counts as unsure, and one source alone does
not make a close sure; where two of three agree, it nearly is."""

CONFIDENCES = {
    "engines.liquidity": ("liq_confidence", "liq_regime_confidence"),
    "engines.elasticity": ("confidence", "movement_energy_confidence"),
    "engines.sentiment": ("sent_confidence",),
}
"""By table, the columns that are lowered."""


def with_price_doubts(rows: pl.DataFrame, events: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return an engine's rows with lower confidence and a reason where the session's close is in doubt.

    Parameters
    ----------
    rows
        Rows of ``table``.
    events
        Rows of ``raw.quality_events``; those of other tables or kinds do not matter.

    Examples
    --------
    >>> import datetime as dt
    >>> day = dt.date(2026, 11, 20)
    >>> key = {"session": [day], "symbol": ["AAA"]}
    >>> rows = pl.DataFrame(key | {"sent_confidence": [0.5], "reasons": ["FEW_DOCUMENTS"]})
    >>> event = pl.DataFrame(key | {"table_name": [BARS], "kind": ["unverified"]})
    >>> with_price_doubts(rows, event, "engines.sentiment").row(0)[2:]
    (0.375, 'FEW_DOCUMENTS,CLOSE_UNVERIFIED')
    """
    doubts = events.filter(pl.col("table_name") == BARS, pl.col("kind").cast(pl.String).is_in(list(CODES)))
    if doubts.is_empty():
        return rows
    kind = pl.col("kind").cast(pl.String)
    flags = doubts.group_by("session", "symbol").agg(
        **{code: (kind == name).any() for name, code in CODES.items()},
        kept=kind.replace_strict(SHARES, return_dtype=pl.Float64).min(),
    )
    judged = rows.join(flags, on=["session", "symbol"], how="left", maintain_order="left")
    told = [pl.when(pl.col(code)).then(pl.lit(code)) for code in REASONS if code in CODES.values()]
    before = pl.when(pl.col("reasons") != "").then("reasons")
    return judged.with_columns(
        *(pl.col(name) * pl.col("kept").fill_null(1.0) for name in CONFIDENCES[table]),
        reasons=pl.concat_str(before, *told, separator=",", ignore_nulls=True),
    ).select(rows.columns)
