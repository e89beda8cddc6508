"""Evaluation: what out-of-sample answers were worth, fold by fold, by market state and stitched, beside the baselines.

Only answers whose outcome is known are scored, and only rows that every model of a head answered, so that all models
are judged on the same rows.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning.bootstrap import REPLICATES, Resampling, base_rate_band, paired_difference
from gnosis.learning.judged import Judged, scored
from gnosis.learning.metrics import daily_coefficients
from gnosis.learning.scopes import scopes
from gnosis.learning.scores import Scores, class_scores, coefficient_scores, direction_scores, number_scores
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SESSIONS = 63
MIN_MEAN_BLOCK_SESSIONS = 10
ALARM_AUC = 0.65
ALARM_ACCURACY = 0.60
ALARM_ACCURACY_GAIN = 0.10
ALARM_IC = 0.10
LEVEL = 0.05
BASE = "majority"


def evaluate(
    answers: pl.DataFrame,
    dataset: pl.DataFrame,
    folds: pl.DataFrame,
    *,
    states: pl.DataFrame | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pl.DataFrame:
    """Score every model of every head on every fold, year and market state, and on the stitched test rows.

    Parameters
    ----------
    answers
        Out-of-sample answers with ``horizon_bars``, ``head``, ``model_name``, ``model_version``, ``fold``, ``session``,
        ``symbol``, ``answer_raw`` and ``answer`` (list of float64: probabilities before and after calibration, or one
        number) and ``class_edges`` (list of float64, of the magnitude model). Null ``answer`` is an abstention.
    dataset
        Rows of ``models.dataset``.
    folds
        Rows of ``models.folds``, of the folds that the models were trained on.
    states
        ``session``, ``symbol``, ``vix`` (points), ``liquidity_regime`` (label), ``movement_energy``; without it there
        are no scopes of market states.
    seed, replicates
        Of the stationary bootstrap over sessions; its mean block is the horizon, at least 10 sessions. Scopes other
        than the stitched rows get half of the replicates.

    Returns
    -------
    polars.DataFrame
        ``models.evaluation``, sorted by key. Values that are undefined are null, errors too with fewer sessions than
        two blocks. In scopes of market states the sessions are those of the state, one after the other.

        ``directional_accuracy`` counts rows that moved beyond the dead zone and whose most probable class is not flat
        (for the return: whose number is not 0); ``coverage`` is their share. Information coefficients are of
        ``p_up - p_down`` and of the expected return. Calibration errors are the mean over the classes, each against
        the rest; of two classes the second counts. The stitched AUC ranks rows across folds, where base rates drift:
        it may differ from 0.5 even for the majority, whose AUC within a fold is 0.5.

        The verdict is given once per model, on its stitched rows:

        - ``insufficient`` below 63 sessions or without a baseline;
        - ``too_good`` when the AUC exceeds 0.65, the information coefficient exceeds 0.10, or directional accuracy
          exceeds 0.60 and is more than 0.10 above both one half and the majority baseline. Calling "up" every time was
          right 71 % of the time over 20 sessions of the S&P 500 from 2016 to 2026, and is no leak;
        - ``skill`` when the loss is below that of every other baseline and, beyond chance (paired bootstrap, one-sided
          5 %), below that of the majority. The loss is the log loss of classes and the squared error of numbers: of the
          logarithm of volatility, and of the return in units of its label scale;
        - ``no_skill`` otherwise, and always for the majority.

    Raises
    ------
    ValueError
        Answers that were given twice, for sessions before the test block of their fold, of another shape than their
        head asks for, or about different classes on the same row.
    """
    table = TABLES["models.evaluation"]
    rows = scored(answers, dataset, folds)
    written: list[dict[str, Any]] = []
    for (horizon, head), part in rows.group_by(["horizon_bars", "head"], maintain_order=True):
        judged = Judged.of(part)
        verdicts: dict[str, str | None] = {}
        for name, where in scopes(judged.keys, states).items():
            scope = judged.at(where)
            resampling = _resampling(scope, name, seed, replicates if name == "stitched" else replicates // 2)
            found = {model: _scores(scope, model, resampling) for model in scope.models}
            if name == "stitched":
                verdicts = {model: _verdict(scope, model, resampling.n_sessions, found, seed) for model in scope.models}
            synthetic = bool(scope.keys["synthetic"].any())
            written += [
                {
                    "horizon_bars": horizon,
                    "head": head,
                    "model_name": model,
                    "scope": name,
                    "metric": metric,
                    "value": value,
                    "standard_error": error,
                    "n": scope.outcome.size,
                    "verdict": verdicts[model],
                    "synthetic": synthetic,
                }
                for model in scope.models
                for metric, (value, error) in found[model].items()
            ]
    frame = pl.DataFrame(written, schema=table.polars_schema)
    defined = [pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in ("value", "standard_error")]
    return frame.with_columns(defined).sort(table.key)


def _block(horizon: int) -> float:
    return float(max(horizon, MIN_MEAN_BLOCK_SESSIONS))


def _resampling(scope: Judged, name: str, seed: int, replicates: int) -> Resampling:
    """Replicates that all models of a scope share; they depend on nothing but the scope and the seed."""
    digest = hashlib.sha256(f"{scope.horizon} {scope.head.name} {name}".encode()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
    return Resampling(scope.session, _block(scope.horizon), replicates, rng)


def _scores(scope: Judged, model: str, resampling: Resampling) -> Scores:
    answer, base = scope.answer[model], scope.answer.get(BASE)
    if scope.head.is_classes:
        found = class_scores(resampling, answer, scope.answer_raw[model], base, scope.outcome.astype(np.int64))
    else:
        mean = None if base is None else base[:, 0]
        is_volatility = scope.head.name == "volatility"
        found = number_scores(resampling, answer[:, 0], mean, scope.outcome, is_log_volatility=is_volatility)
    if scope.head.name == "direction":
        found |= direction_scores(resampling, np.argmax(answer, axis=1) - 1, scope.moved)
        found |= coefficient_scores(
            resampling, answer[:, 2] - answer[:, 0], scope.realised, scope.symbol, scope.horizon
        )
    if scope.head.name == "return":
        found |= direction_scores(resampling, np.sign(answer[:, 0]).astype(np.int64), scope.moved)
        found |= coefficient_scores(resampling, answer[:, 0], scope.realised, scope.symbol, scope.horizon)
    return found


def _verdict(scope: Judged, model: str, n_sessions: int, found: dict[str, Scores], seed: int) -> str:
    """Judge one model on the stitched rows (L-8.2, L-8.3)."""
    baselines = scope.head.baselines
    if n_sessions < MIN_SESSIONS or not set(baselines) <= set(scope.models):
        return "insufficient"
    if model == BASE:
        return "no_skill"
    if _is_too_good(found[model], found[BASE]):
        return "too_good"
    losses = {name: scope.losses(name) for name in (model, *baselines)}
    others = [name for name in baselines if name not in (BASE, model)] if model not in baselines else []
    if any(losses[model].mean() >= losses[name].mean() for name in others):
        return "no_skill"
    _, p_value = paired_difference(losses[model], losses[BASE], scope.session, block=_block(scope.horizon), seed=seed)
    return "skill" if p_value < LEVEL else "no_skill"


def _is_too_good(found: Scores, base: Scores) -> bool:
    area, coefficient = (found.get(name, (np.nan, np.nan))[0] for name in ("auc", "ic"))
    accuracy, usual = (each.get("directional_accuracy", (np.nan, np.nan))[0] for each in (found, base))
    gain = accuracy - max(0.5, usual if np.isfinite(usual) else 0.5)
    lucky = accuracy > ALARM_ACCURACY and gain > ALARM_ACCURACY_GAIN
    return bool(area > ALARM_AUC or coefficient > ALARM_IC or lucky)


def path_distribution(answers: pl.DataFrame, dataset: pl.DataFrame) -> pl.DataFrame:
    """Return how scores are distributed over the paths of combinatorial purged cross-validation (L-4.6).

    Parameters
    ----------
    answers
        As for :func:`evaluate`, with the number of the ``path`` (int64). Each path answers every row once.
    dataset
        Rows of ``models.dataset``.

    Returns
    -------
    polars.DataFrame
        ``horizon_bars``, ``head``, ``model_name``, ``metric``, ``n_paths``, ``mean``, ``standard_deviation`` (n - 1),
        ``minimum``, ``median``, ``maximum`` and ``values`` (by path, ascending path), sorted. The metrics are
        ``log_loss`` (of numbers ``squared_error``), and for direction and return ``ic`` and ``sharpe``: the mean over
        its standard deviation, in units of a year, of a bet per row of ``p_up - p_down`` (of the expected return) on
        the return of the label, averaged over the symbols of a session, before costs. Null where undefined.

    References
    ----------
    López de Prado (2018), ch. 12.
    """
    found: list[dict[str, Any]] = []
    for (path,), of_path in answers.group_by(["path"]):
        rows = scored(of_path.drop("path"), dataset)
        for (horizon, head), part in rows.group_by(["horizon_bars", "head"]):
            judged = Judged.of(part)
            for model in judged.models:
                found += [
                    {"horizon_bars": horizon, "head": head, "model_name": model, "metric": metric, "path": path}
                    | {"value": value}
                    for metric, value in _path_scores(judged, model).items()
                ]
    key = ["horizon_bars", "head", "model_name", "metric"]
    schema = {"horizon_bars": pl.Int64, "head": pl.String, "model_name": pl.String, "metric": pl.String}
    frame = pl.DataFrame(found, schema={**schema, "path": pl.Int64, "value": pl.Float64})
    value = pl.col("value")
    return (
        frame.with_columns(pl.when(value.is_finite()).then(value))
        .sort(*key, "path")
        .group_by(key, maintain_order=True)
        .agg(
            n_paths=value.count().cast(pl.Int64),
            mean=value.mean(),
            standard_deviation=value.std(),
            minimum=value.min(),
            median=value.median(),
            maximum=value.max(),
            values=value,
        )
    )


def _path_scores(judged: Judged, model: str) -> dict[str, float]:
    losses = float(judged.losses(model).mean())
    answer = judged.answer[model]
    if judged.head.name not in ("direction", "return"):
        return {"log_loss" if judged.head.is_classes else "squared_error": losses}
    bet = answer[:, 2] - answer[:, 0] if judged.head.is_classes else answer[:, 0]
    place = np.unique(judged.session, return_inverse=True)[1]
    daily = daily_coefficients(bet, judged.realised, place, judged.symbol)
    return {
        "log_loss" if judged.head.is_classes else "squared_error": losses,
        "ic": float(np.nanmean(daily)) if np.isfinite(daily).any() else np.nan,
        "sharpe": _sharpe(bet * judged.gained, place, judged.horizon),
    }


def _sharpe(gains: NDArray[np.float64], place: NDArray[np.int64], horizon: int) -> float:
    by_session = np.bincount(place, weights=gains) / np.bincount(place)
    spread = float(by_session.std(ddof=1)) if by_session.size > 1 else 0.0
    return float(by_session.mean()) / spread * float(np.sqrt(252.0 / horizon)) if spread > 0.0 else np.nan


__all__ = ["base_rate_band", "evaluate", "paired_difference", "path_distribution", "scored"]
