"""Pictures of the trades room."""

from __future__ import annotations

import polars as pl

from assets.plots.drawing import lines, origin_note, picture


def sides(frame: pl.DataFrame) -> bytes:
    """Target weights of the ideas."""
    return picture(
        lambda axes: lines(frame, "session", "target_weight", "symbol", axes),
        f"Target weight of each idea{origin_note(frame)}",
        "session",
        "share of equity",
    )


def contributions(frame: pl.DataFrame) -> bytes:
    """Log odds of a rise by the composer."""
    return picture(
        lambda axes: lines(frame, "session", "z", "symbol", axes),
        f"Log odds of a rise, all votes together{origin_note(frame)}",
        "session",
        "log odds",
    )


def reliability(frame: pl.DataFrame) -> bytes | None:
    """What happened of what the odds of all ideas stated."""
    curve = frame.filter(scope="all", has_ambiguous=True).filter(pl.col("statistic").is_in(["predicted", "observed"]))
    if curve.is_empty():
        return None
    wide = curve.pivot("statistic", index="bin", values="value").sort("bin")
    both = pl.concat(
        [
            wide.select("predicted", value="observed", line=pl.lit("happened")),
            wide.select("predicted", value="predicted", line=pl.lit("as stated")),
        ]
    )
    return picture(
        lambda axes: lines(both, "predicted", "value", "line", axes),
        "Stated odds of ideas against what happened",
        "stated probability",
        "share that happened",
    )
