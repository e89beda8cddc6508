"""Evaluation: what the out-of-sample predictions were worth, fold by fold and stitched, beside the baselines.

Only predictions whose label is known are scored, and only rows that every model answered, so that all models are judged
on the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning.metrics import Ranking, bootstrap_counts, row_brier, row_log_loss
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

BASELINES = ("majority", "logistic")
METRICS = ("log_loss", "brier", "directional_accuracy", "coverage", "auc", "log_loss_skill")
MIN_SESSIONS = 63
MIN_MEAN_BLOCK_SESSIONS = 10
REPLICATES = 400
ALARM_AUC = 0.65
ALARM_ACCURACY = 0.60
ALARM_ACCURACY_GAIN = 0.10
ONE_SIDED_95 = 1.6448536269514722

_KEY = ["horizon_bars", "session", "symbol"]
_PROBABILITIES = ["p_down", "p_flat", "p_up"]


def scored(predictions: pl.DataFrame, labels: pl.DataFrame, folds: pl.DataFrame) -> pl.DataFrame:
    """Return the predictions that can be judged, with what happened and the fold they belong to.

    Parameters
    ----------
    predictions
        Rows of ``models.predictions``, of one or several models (concatenate the results of ``predict``).
    labels
        Rows of ``models.labels``.
    folds
        Rows of ``models.folds``.

    Returns
    -------
    polars.DataFrame
        ``model_name``, ``horizon_bars``, ``session`` (of the signal), ``symbol``, ``fold``, the three probabilities,
        ``outcome`` (0 down, 1 flat, 2 up) and ``synthetic``, sorted; rows that all models answered and whose label is
        known.
    """
    outcome = labels.filter(pl.col("y_dir").is_not_null()).select(
        "horizon_bars",
        pl.col("signal_session").alias("session"),
        "symbol",
        outcome=pl.col("y_dir").cast(pl.Int64) + 1,
        label_synthetic="synthetic",
    )
    begins = folds.select("horizon_bars", "fold", pl.col("test_first").alias("session")).sort("horizon_bars", "session")
    answered = predictions.filter(pl.col("abstain_reason").is_null())
    n_models = answered["model_name"].n_unique()
    rows = (
        answered.join(outcome, on=_KEY, how="inner", validate="m:1")
        .filter(pl.col("model_name").n_unique().over(_KEY) == n_models)
        .sort("horizon_bars", "session")
        .join_asof(begins, on="session", by="horizon_bars", strategy="backward", check_sortedness=False)
        .with_columns(synthetic=pl.col("synthetic") | pl.col("label_synthetic"))
    )
    lost = rows.filter(pl.col("fold").is_null())
    if lost.height:
        raise ValueError(
            f"expected every prediction inside a test block of models.folds, found {lost.height} before the first, "
            f"earliest {lost['session'].sort()[0]}; pass the folds that the models were trained on"
        )
    return rows.select("model_name", *_KEY, "fold", *_PROBABILITIES, "outcome", "synthetic").sort("model_name", *_KEY)


def _ratio_parts(
    probabilities: NDArray[np.float64], outcome: NDArray[np.int64]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Numerator and denominator per row of each metric that is a ratio of sums."""
    one = np.ones(len(outcome))
    called = np.argmax(probabilities, axis=1)
    takes_side = ((called != 1) & (outcome != 1)).astype(np.float64)
    return {
        "log_loss": (row_log_loss(probabilities, outcome), one),
        "brier": (row_brier(probabilities, outcome), one),
        "directional_accuracy": (takes_side * (called == outcome), takes_side),
        "coverage": (takes_side, one),
    }


def _divide(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    quotient: NDArray[np.float64] = numerator / np.where(denominator > 0.0, denominator, np.nan)
    return quotient


def _error(resampled: NDArray[np.float64]) -> float:
    """Standard deviation over the replicates in which the metric is defined."""
    defined = resampled[np.isfinite(resampled)]
    return float(defined.std(ddof=1)) if len(defined) >= 2 else np.nan


class _Scope:
    """The rows of one horizon and scope: sessions, outcomes, resampling counts, probabilities by model."""

    def __init__(self, rows: pl.DataFrame, replicates: int, rng: np.random.Generator) -> None:
        horizon = int(rows["horizon_bars"][0])
        self.models = rows["model_name"].unique().sort().to_list()
        by_model = {name: rows.filter(pl.col("model_name") == name) for name in self.models}
        reference = by_model[self.models[0]]
        self.session = reference["session"].rle_id().to_numpy().astype(np.int64)
        self.outcome = reference["outcome"].to_numpy()
        self.n_sessions = int(self.session[-1]) + 1
        self.probabilities = {name: part.select(_PROBABILITIES).to_numpy() for name, part in by_model.items()}
        block = float(max(horizon, MIN_MEAN_BLOCK_SESSIONS))
        self.counts = bootstrap_counts(self.n_sessions, block, replicates, rng)

    def _by_session(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(self.session, weights=values, minlength=self.n_sessions).astype(np.float64)

    def metrics(self, name: str) -> dict[str, tuple[float, float]]:
        """Value and standard error of each metric."""
        probabilities = self.probabilities[name]
        found: dict[str, tuple[float, float]] = {}
        for metric, (above, below) in _ratio_parts(probabilities, self.outcome).items():
            sums, sizes = self._by_session(above), self._by_session(below)
            value = float(_divide(sums.sum(keepdims=True), sizes.sum(keepdims=True))[0])
            found[metric] = value, _error(_divide(self.counts @ sums, self.counts @ sizes))
        ranking = Ranking(probabilities, self.outcome)
        areas = np.array([ranking.area(count[self.session]) for count in self.counts])
        found["auc"] = ranking.area(np.ones(len(self.outcome))), _error(areas)
        if BASELINES[0] in self.probabilities:
            loss = self._by_session(row_log_loss(probabilities, self.outcome))
            base = self._by_session(row_log_loss(self.probabilities[BASELINES[0]], self.outcome))
            resampled = 1.0 - (self.counts @ loss) / (self.counts @ base)
            found["log_loss_skill"] = float(1.0 - loss.sum() / base.sum()), _error(resampled)
        else:
            found["log_loss_skill"] = np.nan, np.nan
        return found

    def beats(self, name: str, other: str) -> bool:
        """Whether the paired log-loss difference favours ``name`` beyond chance (one-sided 5 %)."""
        gain = self._by_session(
            row_log_loss(self.probabilities[other], self.outcome) - row_log_loss(self.probabilities[name], self.outcome)
        )
        size = self._by_session(np.ones(len(self.outcome)))
        error = _error((self.counts @ gain) / (self.counts @ size))
        return bool(gain.sum() / size.sum() > ONE_SIDED_95 * error) if np.isfinite(error) else False


def _verdict(scope: _Scope, name: str, found: dict[str, dict[str, tuple[float, float]]]) -> str:
    """Judge one model on the stitched rows (L-8.2, L-8.3)."""
    if scope.n_sessions < MIN_SESSIONS or not set(BASELINES) <= set(scope.models):
        return "insufficient"
    if name == BASELINES[0]:
        return "no_skill"
    accuracy, base = found[name]["directional_accuracy"][0], found[BASELINES[0]]["directional_accuracy"][0]
    gain = accuracy - max(0.5, base if np.isfinite(base) else 0.5)
    if found[name]["auc"][0] > ALARM_AUC or (accuracy > ALARM_ACCURACY and gain > ALARM_ACCURACY_GAIN):
        return "too_good"
    below_logistic = name == BASELINES[1] or found[name]["log_loss"][0] < found[BASELINES[1]]["log_loss"][0]
    return "skill" if below_logistic and scope.beats(name, BASELINES[0]) else "no_skill"


def evaluate(
    predictions: pl.DataFrame,
    labels: pl.DataFrame,
    folds: pl.DataFrame,
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pl.DataFrame:
    """Score every model on every fold and on the stitched test rows.

    Parameters
    ----------
    predictions
        Rows of ``models.predictions`` of the published model and both baselines, concatenated.
    labels, folds
        Rows of ``models.labels`` and ``models.folds``.
    seed, replicates
        Of the stationary bootstrap over sessions; its mean block is the horizon, at least 10 sessions.

    Returns
    -------
    polars.DataFrame
        ``models.evaluation``, sorted by key; values and errors that are undefined are null.

        ``directional_accuracy`` counts rows that moved beyond the dead zone and whose most probable class is not flat;
        ``coverage`` is their share. The stitched AUC ranks rows across folds, where base rates drift: it may differ
        from 0.5 even for the majority, whose AUC within a fold is 0.5. The verdict is given once per model, on its
        stitched rows:

        - ``insufficient`` below 63 sessions or without a baseline;
        - ``too_good`` when AUC exceeds 0.65, or directional accuracy exceeds 0.60 and is more than 0.10 above both one
          half and the majority baseline. Calling "up" every time was right 71 % of the time over 20 sessions of the
          S&P 500 from 2016 to 2026, and is no leak;
        - ``skill`` when the log loss is below that of the logistic regression and, beyond chance (paired bootstrap,
          one-sided 5 %), below that of the majority;
        - ``no_skill`` otherwise.
    """
    table = TABLES["models.evaluation"]
    rows = scored(predictions, labels, folds)
    written: list[dict[str, Any]] = []
    for horizon in rows["horizon_bars"].unique().sort():
        of_horizon = rows.filter(pl.col("horizon_bars") == horizon)
        scopes = {"stitched": of_horizon} | {
            str(fold): of_horizon.filter(pl.col("fold") == fold) for fold in of_horizon["fold"].unique().sort()
        }
        verdicts: dict[str, str] = {}
        for scope_name, part in scopes.items():
            numbers = [seed, int(horizon), 0 if scope_name == "stitched" else int(scope_name) + 1]
            scope = _Scope(part, replicates, np.random.default_rng(numbers))
            found = {name: scope.metrics(name) for name in scope.models}
            if scope_name == "stitched":
                verdicts = {name: _verdict(scope, name, found) for name in scope.models}
            synthetic = bool(part["synthetic"].any())
            written += [
                {
                    "horizon_bars": horizon,
                    "model_name": name,
                    "scope": scope_name,
                    "metric": metric,
                    "value": value,
                    "standard_error": error,
                    "n": len(scope.outcome),
                    "verdict": verdicts[name],
                    "synthetic": synthetic,
                }
                for name in scope.models
                for metric, (value, error) in found[name].items()
            ]
    frame = pl.DataFrame(written, schema=table.polars_schema)
    return frame.with_columns(pl.col("value", "standard_error").fill_nan(None)).sort(table.key)
