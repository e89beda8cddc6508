"""What drift means for a model: its state, and whether a new training is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.learning.drift import DRIFTED_ABOVE, WATCH_FROM
from gnosis.learning.drift_windows import RECENT, WINDOW

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_DRIFTED_SHARE = 0.05
NAMED = 5


def is_beyond(window: int) -> pl.Expr:
    """Return whether the index of ``window`` sessions is above 0.25 and its usual range; null without enough rows.

    Examples
    --------
    >>> rows = pl.DataFrame({"psi_60_sessions": [0.3, 0.3, 0.2, None], "psi_usual_60_sessions": [0.1, 0.4, 0.1, 0.1]})
    >>> rows.select(is_beyond(60)).to_series().to_list()
    [True, False, False, None]
    """
    return pl.col(f"psi_{window}_sessions") > pl.max_horizontal(pl.lit(DRIFTED_ABOVE), f"psi_usual_{window}_sessions")


def is_unusual() -> pl.Expr:
    """Return whether the last 20 sessions are beyond their range; those of 60 where 20 have too few rows."""
    return pl.coalesce(is_beyond(RECENT), is_beyond(WINDOW)).alias("is_unusual")


def status_with(of_index: pl.Expr) -> pl.Expr:
    """Return the status: that of the index of 60 sessions, and drifted from 0.10 on where the last 20 are unusual."""
    has_moved_lately = pl.col("is_unusual") & (pl.col("psi_60_sessions") >= WATCH_FROM)
    return pl.when(has_moved_lately).then(pl.lit("drifted")).otherwise(of_index)


def has_left_its_range() -> pl.Expr:
    """Return whether a subject drifted (L-9.1) and is farther away than its training rows ever were from each other.

    A subject without an index, as the calibration, counts by its status.

    Notes
    -----
    The limits of the index are practice, and do not know how few independent values some sessions of a slow feature
    hold. In simulated markets in which nothing drifted and each float remembered as long as it looks back, with 751
    training sessions, the features of a model of 5 symbols were called drifted by their status in every night, and were
    beyond the usual range as well in 6 to 10 % of the nights; with 50 symbols neither was.

    The window of 20 sessions decides, as it is quicker and errs less: by the usual range of 60 sessions the model of 5
    symbols was degraded in 21 to 28 % of those nights. When all floats moved by 1.5 standard deviations, it was 5 to 9
    sessions later (12 to 16 by 60 sessions), by one standard deviation 8 to 13 (17 to 27). Gate G6 looks at 60
    sessions, as the contract asks.

    The largest window inside the reference is the limit: by its 95th percentile one feature in twenty is beyond it by
    chance, as many as may drift. Each window is compared with the others, as a later one is not among the training rows
    either.

    An output has the calibration rows to compare with, which are few: of outputs of 5 symbols that remember for 60
    sessions 16 % were beyond the usual range (20 sessions: 13 %, 10: 9 %, 2: 1 %), and of those moved by two standard
    deviations at least 96 % were found within 20 sessions. With 50 symbols at most 1 % of the still ones were, and all
    moved ones were found. ``benchmarks/known_truth.py wandering`` measures it.
    """
    return (pl.col("status") == "drifted") & pl.col("is_unusual").ne_missing(False)


def model_state() -> pl.Expr:
    """Return the state of the model of each session from its features and outputs (L-9.4).

    ``degraded`` when more than 5 % of the features or any output drifted beyond their usual range, see
    :func:`has_left_its_range`; ``insufficient`` when the features could not be measured. An output that could not be
    measured yet, as in the first sessions of a model, counts neither way.
    """
    drifted, measured = has_left_its_range(), pl.col("status") != "insufficient"
    is_feature = pl.col("kind") == "feature"
    n_drifted, n_measured = (drifted & is_feature).sum(), (measured & is_feature).sum()
    return (
        pl.when((drifted & ~is_feature).any() | (n_drifted > MOST_DRIFTED_SHARE * n_measured))
        .then(pl.lit("degraded"))
        .when(n_measured > 0)
        .then(pl.lit("ok"))
        .otherwise(pl.lit("insufficient"))
        .over("session", "model_version")
    )


def asks_for_retraining(drift: pl.DataFrame, asked_for: Collection[str] = ()) -> str | None:
    """Return why a new training is asked for, or None (L-9.4). It promotes nothing by itself.

    What :func:`has_left_its_range` says counts.

    Parameters
    ----------
    drift
        Rows of ``models.drift`` of one horizon; the last session counts.
    asked_for
        Versions of models for which a training was asked for before.

    Returns
    -------
    str
        Version, session and what drifted.

    Examples
    --------
    >>> rows = pl.DataFrame({"session": ["2024-01-03"], "model_version": ["direction-h5-f2-ab"], "kind": ["output"],
    ...     "subject": ["p_up"], "status": ["drifted"], "is_unusual": [True], "model_state": ["degraded"]})
    >>> asks_for_retraining(rows)
    'direction-h5-f2-ab is degraded in 2024-01-03: 0 of 0 features drifted (); outputs drifted: p_up'
    >>> asks_for_retraining(rows, asked_for=["direction-h5-f2-ab"]) is None
    True
    """
    if drift.is_empty():
        return None
    last = drift.filter(pl.col("session") == pl.col("session").max()).sort("kind", "subject")
    version = str(last["model_version"][0])
    if last["model_state"][0] != "degraded" or version in asked_for:
        return None
    drifted = {
        kind: last.filter((pl.col("kind") == kind) & has_left_its_range())["subject"].to_list()
        for kind in ("feature", "output")
    }
    named = drifted["feature"][:NAMED]
    more = ["..."] if len(drifted["feature"]) > NAMED else []
    return (
        f"{version} is degraded in {last['session'][0]}: {len(drifted['feature'])} of "
        f"{last.filter(pl.col('kind') == 'feature').height} features drifted ({', '.join([*named, *more])}); "
        f"outputs drifted: {', '.join(drifted['output']) or 'none'}"
    )


__all__ = [
    "MOST_DRIFTED_SHARE",
    "asks_for_retraining",
    "has_left_its_range",
    "is_beyond",
    "is_unusual",
    "model_state",
    "status_with",
]
