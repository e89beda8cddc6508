"""What drift means for a model: its state, and whether a new training is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_DRIFTED_SHARE = 0.05
NAMED = 5


def has_left_its_range() -> pl.Expr:
    """Return whether a subject drifted (L-9.1) and is farther away than its training rows ever were from each other.

    A subject without an index, as the calibration, counts by its status.

    Notes
    -----
    The limits of the index are practice, and do not know how few independent values 60 sessions of a slow feature hold.
    In simulated markets in which nothing drifted and each float remembered as long as it looks back, with 751 training
    sessions, the index alone called the features of a model of 5 symbols drifted in 100 % of the nights, and beyond the
    usual range in 0.2 %; with 50 symbols neither did. When all floats moved by two standard deviations, the model was
    degraded 8 to 13 sessions later (either size).

    The largest window is the limit: beyond the 95th percentile is by chance one feature in twenty, as many as may
    drift, and the model was degraded in 34 % of the nights. Each window is compared with the others, as a later one is
    not among the training rows either: against all of them, it was in 74 %.

    An output has the calibration rows to compare with, which are few: of outputs of 5 symbols that remember for 60
    sessions, 41 % drifted by the index alone and 11 % beyond the usual range (20 sessions: 12 and 7 %; 10: 2 and 2 %),
    and of those moved by two standard deviations 40 % were found within 20 sessions (59 and 80 %). With 50 symbols no
    still one drifted and at least 94 % of the moved ones were found.
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


__all__ = ["MOST_DRIFTED_SHARE", "asks_for_retraining", "has_left_its_range", "model_state"]
