"""Predictions: each session is answered by the model in force before its close, or refused with a reason."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning.in_force import SERVED_HEAD, MissingChampionError, in_force
from gnosis.learning.labels import DEAD_ZONE
from gnosis.learning.matrix import KEY, as_array, feature_row_sha256
from gnosis.learning.models import PUBLISHED
from gnosis.learning.refusal import MOST_OUTSIDE, lacks_too_much, ood_score
from gnosis.learning.serving import Served, ServedAnswer, ServingError, StaleModelError, require_todays_features
from gnosis.sessions import schedule
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MissingChampionError", "StaleModelError", "in_force", "predict"]

STALE_AFTER_SESSIONS = 2 * 63
"""Age from which a model is stale: two test blocks of the walk-forward passed without a newer one in force."""

_TOLD = {
    "model_version": pl.String,
    "calibrator_id": pl.String,
    "model_sha256": pl.String,
    "model_synthetic": pl.Boolean,
    "label_spec": pl.String,
}


def predict(
    features: pl.DataFrame,
    trained: pl.DataFrame,
    promotion: pl.DataFrame,
    drift: pl.DataFrame,
    sides: pl.DataFrame,
    *,
    horizon: int,
    code_sha256: str,
) -> pl.DataFrame:
    """Return one out-of-sample prediction per feature row.

    The model in force answers, see :func:`gnosis.learning.in_force.in_force`: the champion, or before there is one the
    newest model of the direction. The other heads answer with the models of its fold.

    Parameters
    ----------
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`, for the sessions to predict.
    trained, promotion
        Rows of ``models.trained`` and ``models.promotion``; what is later than a session does not change its rows, so a
        backfill says bit for bit what each night said.
    drift
        Rows of ``models.drift``, at least those of the exchange session before each session.
    sides
        ``session``, ``symbol``, ``side`` of the primary rule and ``sigma_bar``, the volatility per square root of a
        session, both known at the decision. Null or no row: there is no ``p_meta``, no ``r_hat``.
    horizon
        In sessions.
    code_sha256
        Hash of the code that makes the prediction.

    Returns
    -------
    polars.DataFrame
        ``models.predictions``, sorted by key. ``abstain_reason`` is set and all answers are null before the first model
        (``no_model``), when ``as_of`` is not of the session's close (``stale_inputs``), when more than 30 % of the
        features that carry 90 % of the importance are missing (``too_many_missing``, L-12.1), or when more than half of
        the known features lie outside the range of training (``ood``); the first that applies. ``model_state`` is null
        when drift was not measured for the model in the session before; ``stale`` stands before ``degraded``.

    Raises
    ------
    gnosis.learning.serving.StaleModelError
        When a model that would answer was trained on another list of features.
    gnosis.learning.in_force.MissingChampionError
        When the champion is not stored.
    """
    table = TABLES["models.predictions"]
    rows = features.sort(KEY)
    ours = trained.filter((pl.col("horizon_bars") == horizon) & (pl.col("model_name") == PUBLISHED))
    chosen = in_force(rows["session"], ours, promotion, horizon=horizon)
    require_todays_features(
        ours.filter((pl.col("head") == SERVED_HEAD) & pl.col("model_version").is_in(chosen["model_version"].implode()))
    )
    values = as_array(rows)
    known = rows.select(KEY).join(sides, on=KEY, how="left", maintain_order="left", validate="1:1")
    answers, told = _answers(rows, values, chosen, ours, _sigma_bar(known), horizon)
    frame = pl.concat(
        [
            rows.select("session", "symbol", "as_of", "known_at", "provider", "synthetic", "confidence"),
            chosen.select("model_version", "valid_from", "is_promoted"),
            told,
            pl.DataFrame(answers, schema=list(ServedAnswer._fields)).fill_nan(None),
            known.select("side"),
        ],
        how="horizontal",
    )
    predictions = frame.with_columns(
        horizon_bars=pl.lit(horizon, pl.Int64),
        model_name=pl.lit(PUBLISHED),
        p_meta=pl.when(pl.col("side").is_not_null()).then("p_meta"),
        synthetic=pl.col("synthetic") | pl.col("model_synthetic").fill_null(False),
        n_missing=pl.Series(np.isnan(values).sum(axis=1), dtype=pl.Int64),
        model_state=_model_state(chosen, drift, horizon),
        feature_row_sha256=pl.Series(feature_row_sha256(values), dtype=pl.String),
        code_sha256=pl.lit(code_sha256),
    )
    return (
        predictions.with_columns(prediction_id=_prediction_ids(predictions))
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
        .sort(table.key)
    )


def _sigma_bar(known: pl.DataFrame) -> NDArray[np.float64]:
    if "sigma_bar" not in known.columns:
        return np.full(known.height, np.nan)
    return known["sigma_bar"].cast(pl.Float64).fill_null(float("nan")).to_numpy(writable=True)


def _answers(
    rows: pl.DataFrame,
    values: NDArray[np.float32],
    chosen: pl.DataFrame,
    ours: pl.DataFrame,
    sigma_bar: NDArray[np.float64],
    horizon: int,
) -> tuple[NDArray[np.float64], pl.DataFrame]:
    """Return the answers, NaN where refused, and what is told of each row beside them."""
    answers = np.full((rows.height, len(ServedAnswer._fields)), np.nan)
    score = np.full(rows.height, np.nan)
    lacking = np.zeros(rows.height, dtype=np.bool_)
    stale = _is_stale(rows)
    version = chosen["model_version"].to_numpy()
    used = [_described(name, ours, horizon) for name in chosen["model_version"].drop_nulls().unique().sort()]
    for model in used:
        which = np.flatnonzero(version == model["model_version"])
        score[which] = ood_score(values[which], model["low"], model["high"])
        lacking[which] = lacks_too_much(values[which], model["importance"])
        asked = which[~(stale[which] | lacking[which] | (score[which] > MOST_OUTSIDE))]
        answers[asked] = Served.of(model["rows"]).answers(values[asked], sigma_bar[asked])
    reason = (
        pl.when(pl.col("model_version").is_null())
        .then(pl.lit("no_model"))
        .when(pl.Series(stale))
        .then(pl.lit("stale_inputs"))
        .when(pl.Series(lacking))
        .then(pl.lit("too_many_missing"))
        .when(pl.Series(score > MOST_OUTSIDE))
        .then(pl.lit("ood"))
    )
    of_models = pl.DataFrame([{name: model[name] for name in _TOLD} for model in used], schema=_TOLD)
    told = chosen.select("model_version").join(of_models, on="model_version", how="left", maintain_order="left")
    return answers, told.select(
        pl.col("label_spec").fill_null(_label_spec(horizon, None)),
        *("calibrator_id", "model_sha256", "model_synthetic"),
        abstain_reason=reason,
        ood_score=pl.Series(score, nan_to_null=True),
    )


def _described(version: str, ours: pl.DataFrame, horizon: int) -> dict[str, Any]:
    """Return what serving needs of one model of the direction and of the other heads of its fold."""
    served = ours.row(by_predicate=(pl.col("head") == SERVED_HEAD) & (pl.col("model_version") == version), named=True)
    if served["importance"] is None or served["feature_low"] is None or served["feature_high"] is None:
        raise ServingError(
            f"expected importance and range of every feature beside {version}, found none; train models.trained anew"
        )
    rows = ours.filter(pl.col("fold") == served["fold"])
    edges = rows.filter(pl.col("head") == "magnitude")["class_edges"].to_list()
    return {
        "model_version": version,
        "calibrator_id": served["calibrator_id"],
        "model_sha256": served["model_sha256"],
        "model_synthetic": rows["synthetic"].any(),
        "label_spec": _label_spec(horizon, edges[0] if edges else None),
        "rows": rows,
        "importance": np.array(served["importance"], dtype=np.float64),
        "low": np.array(served["feature_low"], dtype=np.float64),
        "high": np.array(served["feature_high"], dtype=np.float64),
    }


def _label_spec(horizon: int, edges: list[float] | None) -> str:
    """Return what the answers are about.

    Examples
    --------
    >>> _label_spec(5, [0.4, 0.9])
    'h=5 sessions from the next open; s=sigma_bar*sqrt(h); direction: beyond 0.1 s; magnitude: |return|/s cut at 0.4 and
    0.9; sigma_hat: median of the volatility; meta: the first of barriers at 1 s, after costs'
    """
    cuts = f"cut at {edges[0]!r} and {edges[1]!r}" if edges else "has no model"
    return (
        f"h={horizon} sessions from the next open; s=sigma_bar*sqrt(h); direction: beyond {DEAD_ZONE} s; "
        f"magnitude: |return|/s {cuts}; sigma_hat: median of the volatility; meta: the first of barriers at 1 s, after "
        "costs"
    )


def _is_stale(rows: pl.DataFrame) -> NDArray[np.bool_]:
    """Return which rows were known as of a moment before their own session: they are not about its close."""
    opens = rows.select("session", "as_of").join(
        schedule().select("session", "open_at"), on="session", how="left", maintain_order="left"
    )
    stale: NDArray[np.bool_] = opens.select(pl.col("as_of") < pl.col("open_at")).to_series().to_numpy()
    return stale


def _model_state(chosen: pl.DataFrame, drift: pl.DataFrame, horizon: int) -> pl.Series:
    """Return the state of each row's model by its age and by its drift in the exchange session before."""
    calendar = schedule()["session"]
    number = calendar.search_sorted(chosen["session"]).cast(pl.Int64)
    age = number - calendar.search_sorted(chosen["valid_from"]).cast(pl.Int64)
    state = pl.col("model_state").cast(pl.String)
    measured = (
        drift.filter(pl.col("horizon_bars") == horizon)
        .group_by(before="session", model_version="model_version")
        .agg(
            drifted=pl.when((state == "degraded").any())
            .then(pl.lit("degraded"))
            .when((state == "ok").any())
            .then(pl.lit("ok"))
        )
    )
    joined = chosen.select("model_version", before=calendar.gather(number - 1)).join(
        measured, on=["before", "model_version"], how="left", maintain_order="left"
    )
    is_stale = chosen["model_version"].is_not_null() & (age > STALE_AFTER_SESSIONS)
    return joined.select(pl.when(is_stale).then(pl.lit("stale")).otherwise("drifted")).to_series()


def _prediction_ids(predictions: pl.DataFrame) -> pl.Series:
    """Hash the grain and the feature row of each prediction (section 12)."""
    grain = predictions.select(
        pl.concat_str(
            "model_name",
            pl.col("model_version").fill_null(""),
            "symbol",
            pl.col("as_of").dt.epoch("us"),
            "horizon_bars",
            "feature_row_sha256",
            separator="|",
        )
    ).to_series()
    return pl.Series([hashlib.sha256(text.encode()).hexdigest() for text in grain], dtype=pl.String)
