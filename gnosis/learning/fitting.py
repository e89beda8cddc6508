"""Fitting one model of one head on the training rows of one fold: weights, stopping, calibration, what serving needs.

The training window is cut by time. The first part is fitted; within it the last sessions decide when to stop and
whether energy weighs. The last part of the window calibrates: no model ever sees it (L-5.1, L-7.1). It is longer than
the vault, so what is chosen on the fitted part is chosen outside the vault (L-4.7).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning import models
from gnosis.learning.calibration import Calibrator, fit_calibrator
from gnosis.learning.cross_validation import purged_k_fold
from gnosis.learning.heads import Head, class_edges, targets
from gnosis.learning.importance import calibration_importance
from gnosis.learning.metrics import row_log_loss
from gnosis.learning.problem import Inputs, Problem, TrainedModel
from gnosis.learning.purging import meets
from gnosis.learning.weights import effective_sample_size, sample_weights, weights_verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CALIBRATION_SHARE = 0.2
STOPPING_SHARE = 0.2
INNER_FOLDS = 5
FEWEST_ROWS = 250
"""A head with fewer known rows in a training window is not fitted: the split into parts would leave too little."""
DESCRIPTION = {
    "calibration_share": CALIBRATION_SHARE,
    "stopping_share": STOPPING_SHARE,
    "weights": "uniqueness, age of 250 sessions, energy where it won",
}


class WeightsError(ValueError):
    """Weights so uneven that hardly any row counts."""


def late_slice(rows: pl.DataFrame, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut rows into earlier ones and those of the last sessions, purged against each other.

    Parameters
    ----------
    rows
        Sorted by session, with ``as_of``, ``t1`` and ``label_known_at``.
    share
        Share of the sessions in the later part.

    Returns
    -------
    tuple of numpy.ndarray
        Positions. An earlier row whose label was not known when the later part begins is in neither.
    """
    number = rows["session"].rle_id().to_numpy().astype(np.int64)
    later = np.flatnonzero(number > number[-1] - round(share * (number[-1] + 1)))
    if not later.size:
        return later, later
    decided = rows["as_of"].dt.epoch("us").to_numpy()
    known = rows.select(pl.max_horizontal("t1", "label_known_at").dt.epoch("us")).to_series().to_numpy()
    return np.flatnonzero(~meets(decided, known, int(decided[later].min()))), later


@dataclass(frozen=True)
class Part:
    """The training rows of one fold that a head has an answer for.

    Attributes
    ----------
    head
        The question.
    inputs
        All feature rows.
    rows
        Rows of ``models.dataset``, sorted by session and symbol.
    positions
        Of these rows in ``inputs``.
    edges
        Of the magnitude classes, from the fitted rows; None for other heads.
    target
        What the head is judged by, no NaN.
    fit, calibration
        Positions within ``rows``.
    """

    head: Head
    inputs: Inputs
    rows: pl.DataFrame
    positions: NDArray[np.int64]
    edges: tuple[float, float] | None
    target: NDArray[np.float64]
    fit: NDArray[np.int64]
    calibration: NDArray[np.int64]

    @classmethod
    def of(cls, rows: pl.DataFrame, inputs: Inputs, train: NDArray[np.int64], head: Head) -> Part | None:
        """Return the part of the training rows ``train``; None when too few of them have an answer."""
        unit = (0.0, 1.0) if head.name == "magnitude" else None
        # Without a volatility scale nothing but y_vol is known; then no head of a decision is trained on it.
        has_scale = rows[train]["sigma_bar"].is_not_null().to_numpy()
        known = train[np.isfinite(targets(rows[train], head, unit)) & has_scale]
        if known.size < FEWEST_ROWS:
            return None
        part = rows[known]
        fit, calibration = late_slice(part, CALIBRATION_SHARE)
        if not fit.size or not calibration.size:
            return None
        edges = class_edges(part["y_mag"].to_numpy()[fit]) if unit else None
        return cls(head, inputs, part, known, edges, targets(part, head, edges), fit, calibration)

    @cached_property
    def times(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Start and end of each row's label interval in microseconds, the end no earlier than the label was known."""
        known = self.rows.select(pl.max_horizontal(self.head.label_end, "label_known_at").dt.epoch("us"))
        return self.rows["as_of"].dt.epoch("us").to_numpy(), known.to_series().to_numpy()

    def weights(self, *, with_energy: bool) -> NDArray[np.float64]:
        """Return the weights of the fitted rows (L-3).

        Raises
        ------
        WeightsError
            When the effective number of rows is below a tenth of them (L-3.5).
        """
        weights = sample_weights(self.rows[self.fit], self.head.label_end, with_energy=with_energy)
        if weights_verdict(weights) == "fail":
            raise WeightsError(
                f"expected an effective number of rows of at least a tenth of {weights.size}, found "
                f"{effective_sample_size(weights):.0f} for head {self.head.name}; look at the movement energies and at "
                "the overlap of the labels"
            )
        return weights

    def problem(
        self, which: NDArray[np.int64], weights: NDArray[np.float64], parameters: Mapping[str, Any], seed: int
    ) -> Problem:
        """Return the problem of fitting rows ``which`` (positions within ``rows``), stopping on the last of them."""
        earlier, later = late_slice(self.rows[which], STOPPING_SHARE)
        return Problem(
            head=self.head,
            inputs=self.inputs,
            rows=self.positions[which],
            target=self.target[which],
            weights=weights / weights.mean(),
            earlier=earlier,
            later=later,
            parameters=parameters,
            seed=seed,
        )

    def losses(self, answers: NDArray[np.float64], which: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the log loss of class answers, the squared error of numbers, row by row."""
        if self.head.is_classes:
            return row_log_loss(answers, self.target[which].astype(np.int64))
        errors: NDArray[np.float64] = (answers[:, 0] - self.target[which]) ** 2
        return errors


@dataclass(frozen=True)
class Fitted:
    """One fitted model with everything that is stored beside it.

    Attributes
    ----------
    model
        The model.
    calibrator
        Fitted on the calibration rows; None for numbers.
    residual_error
        Root mean squared error on the calibration rows; None for classes.
    n_effective
        Effective number of fitted rows.
    energy_weight
        ``kept``, ``dropped`` or ``unproven``: what the ablation said about weighting by movement energy.
    loss
        Mean loss on the calibration rows before calibration.
    """

    model: TrainedModel
    calibrator: Calibrator | None
    residual_error: float | None
    n_effective: float
    energy_weight: str
    loss: float


@dataclass(frozen=True)
class Base:
    """A model under a stack, with what it takes to fit it again on other rows."""

    model: TrainedModel
    parameters: Mapping[str, Any]
    seed: int


def fit(
    name: str,
    part: Part,
    parameters: Mapping[str, Any],
    seed: int,
    *,
    energy_weight: str = "unproven",
    base: Mapping[str, Base] | None = None,
) -> Fitted:
    """Fit one family on a part and calibrate it.

    Parameters
    ----------
    name
        Family.
    part
        Rows.
    parameters, seed
        Of the family.
    energy_weight
        What :func:`gnosis.learning.energy_ablation.ablation` said: the energy weighs when it is ``kept``.
    base
        For ``stack``: the models fitted on the same part, by family.
    """
    if name == "stack":
        plain = part.weights(with_energy=False)
        return _calibrated(part, _stack(part, base or {}, parameters, plain), plain, energy_weight)
    weights = part.weights(with_energy=energy_weight == "kept")
    model = models.fit(name, part.problem(part.fit, weights, parameters, seed))
    return _calibrated(part, model, weights, energy_weight)


def _calibrated(part: Part, model: TrainedModel, weights: NDArray[np.float64], energy_weight: str) -> Fitted:
    answers = model.predict(part.inputs, part.positions[part.calibration])
    losses = part.losses(answers, part.calibration)
    fitted = Fitted(model, None, None, effective_sample_size(weights), energy_weight, float(losses.mean()))
    if not part.head.is_classes:
        return replace(fitted, residual_error=float(np.sqrt(losses.mean())))
    t0, t1 = (instants[part.calibration] for instants in part.times)
    outcome = part.target[part.calibration].astype(np.int64)
    return replace(fitted, calibrator=fit_calibrator(answers, outcome, t0, t1))


def _stack(
    part: Part,
    base: Mapping[str, Base],
    parameters: Mapping[str, Any],
    weights: NDArray[np.float64],
) -> TrainedModel:
    """Fit the stack to answers of base models for rows that they were not fitted on (L-5.2)."""
    answers = {
        name: out_of_fold(name, part, each.parameters, each.seed, weights) for name, each in sorted(base.items())
    }
    answered = np.logical_and.reduce([np.isfinite(values).all(axis=1) for values in answers.values()])
    return models.fit_stack(
        part.head,
        {name: values[answered] for name, values in answers.items()},
        part.target[part.fit][answered],
        weights[answered],
        parameters,
        {name: each.model for name, each in sorted(base.items())},
    )


def out_of_fold(
    name: str, part: Part, parameters: Mapping[str, Any], seed: int, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the answers for every fitted row of a model that was not fitted on it, by purged k-fold (L-4.4).

    Returns
    -------
    numpy.ndarray
        Shape (fitted rows, classes or 1); NaN for rows of an inner fold that had nothing to be fitted on.
    """
    t0, t1 = (instants[part.fit] for instants in part.times)
    answers = np.full((part.fit.size, part.head.n_classes or 1), np.nan)
    for split in purged_k_fold(t0, t1, n_splits=INNER_FOLDS):
        problem = part.problem(part.fit[split.train], weights[split.train], parameters, seed)
        model = models.fit(name, problem)
        answers[split.test] = model.predict(part.inputs, part.positions[part.fit[split.test]])
    return answers


def known_ranges(part: Part) -> tuple[list[float | None], list[float | None]]:
    """Return the 0.1th and 99.9th percentile of each feature over the fitted rows, None without any value."""
    features = part.inputs.features[part.positions[part.fit]].astype(np.float64)
    low: list[float | None] = []
    high: list[float | None] = []
    for column in features.T:
        known = column[~np.isnan(column)]
        low.append(float(np.quantile(known, 0.001)) if known.size else None)
        high.append(float(np.quantile(known, 0.999)) if known.size else None)
    return low, high


def importance(part: Part, model: TrainedModel, seed: int) -> list[float]:
    """Return the rise of the loss on the calibration rows when each feature is permuted."""
    rows = part.positions[part.calibration]
    return calibration_importance(model, part.inputs, rows, part.target[part.calibration], part.head, seed)
