"""Which model answers for a session: the champion, or before there is one the newest that was complete in time."""

from __future__ import annotations

import polars as pl

from gnosis.learning.models import PUBLISHED

SERVED_HEAD = "direction"
"""The head whose model is promoted; the other heads answer with the models of its fold."""


class MissingChampionError(ValueError):
    """A champion whose model is not stored."""


def in_force(sessions: pl.Series, trained: pl.DataFrame, promotion: pl.DataFrame, *, horizon: int) -> pl.DataFrame:
    """Return the model of the direction that answers for each session.

    It is the champion named by the newest promotion or rollback that was decided before the session (L-11.2). Without
    one it is the published model with the latest ``valid_from`` that is not after the session (L-11.3). Nothing that
    happened in a later session changes the answer, so a backfill says what each night said.

    Parameters
    ----------
    sessions
        Dates, any order, repeats allowed.
    trained, promotion
        Rows of ``models.trained`` and ``models.promotion``.
    horizon
        In sessions.

    Returns
    -------
    polars.DataFrame
        In the order of ``sessions``: ``session``, ``model_version``, ``fold``, ``valid_from`` and ``is_promoted``;
        null (false) before the first model.

    Raises
    ------
    MissingChampionError
        When a champion is not in ``trained``: nobody decided that another model may answer in its place.
    """
    published = trained.filter(
        (pl.col("horizon_bars") == horizon) & (pl.col("head") == SERVED_HEAD) & (pl.col("model_name") == PUBLISHED)
    ).select("model_version", "fold", "valid_from")
    asked = sessions.alias("session").unique().sort().to_frame()
    champions = (
        promotion.filter(
            (pl.col("horizon_bars") == horizon)
            & (pl.col("head") == SERVED_HEAD)
            & pl.col("decision").cast(pl.String).is_in(["promote", "rollback"])
        )
        .sort("session", "decision_number")
        .unique("session", keep="last", maintain_order=True)
        .select("champion", decided="session")
    )
    named = asked.join_asof(
        champions, left_on="session", right_on="decided", strategy="backward", allow_exact_matches=False
    )
    newest = asked.join_asof(
        published.select("model_version", "valid_from").sort("valid_from"),
        left_on="session",
        right_on="valid_from",
        strategy="backward",
    )
    chosen = named.select(
        "session",
        model_version=pl.coalesce("champion", newest["model_version"]),
        is_promoted=pl.col("champion").is_not_null(),
    ).join(published, on="model_version", how="left", maintain_order="left")
    absent = chosen.filter(pl.col("is_promoted") & pl.col("fold").is_null())
    if absent.height:
        raise MissingChampionError(
            f"expected the champion {absent['model_version'][0]} of session {absent['session'][0]} in models.trained, "
            "found no such model: its training rows were revised; promote a stored model or roll back"
        )
    order = sessions.alias("session").to_frame()
    return order.join(chosen, on="session", how="left", maintain_order="left").select(
        "session", "model_version", "fold", "valid_from", "is_promoted"
    )
