"""Importance: what a model loses when it is robbed of a feature, by permuting it, or of a group, by fitting without it.

Both are measured on rows that the model never saw. Impurity importance, which is measured on the fitted rows and
favours features with many values, is not offered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.features import BY_NAME, GROUPS
from gnosis.learning import models
from gnosis.learning.families.sequence import LENGTH
from gnosis.learning.heads import Head, targets
from gnosis.learning.material import Material
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.learning.metrics import row_log_loss
from gnosis.learning.problem import Inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gnosis.learning.problem import Problem, TrainedModel

MOST_ROWS = 1_000
_ROWS_AT_ONCE = 65_536


def calibration_importance(
    model: TrainedModel,
    inputs: Inputs,
    rows: NDArray[np.int64],
    target: NDArray[np.float64],
    head: Head,
    seed: int,
) -> list[float]:
    """Return the rise of the loss when each feature is permuted (Breiman 2001), in the order of the registry.

    Parameters
    ----------
    model
        Fitted on other rows.
    inputs
        Feature rows.
    rows
        int64, ascending positions in ``inputs`` of rows that the model never saw; at most 1,000 of them, evenly spread,
        are looked at.
    target
        float64, shape of ``rows``, no NaN.
    head
        What the model answers.
    seed
        Of the permutations.

    Returns
    -------
    list of float
        141 rises in nats, for a head of numbers in squared units of the target; 0 for a feature that does not vary.
    """
    step = -(-rows.size // MOST_ROWS)
    return permuted_losses(model, inputs, rows[::step], target[::step], head, np.random.default_rng(seed)).tolist()


def permuted_losses(
    model: TrainedModel,
    inputs: Inputs,
    rows: NDArray[np.int64],
    target: NDArray[np.float64],
    head: Head,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the rise of the mean loss over ``rows`` when each feature is permuted, float64 of shape (141,).

    A feature is permuted over the sessions of ``rows`` and those that a model that looks back reads before them, so
    that it finds nothing of the true order there either. Several features are answered for at once: each has its own
    copy of the rows under symbols of its own.
    """
    block, asked = _block(inputs, rows)
    base = _losses(model.predict(block, asked), target, head).mean()
    rise = np.zeros(block.features.shape[1])
    varying = [at for at, column in enumerate(block.features.T) if np.unique(column).size > 1]
    size = max(1, _ROWS_AT_ONCE // len(block.session))
    for start in range(0, len(varying), size):
        columns = varying[start : start + size]
        copies = _copies(block, len(columns))
        for copy, at in enumerate(columns):
            copies.features[copy :: len(columns), at] = rng.permutation(block.features[:, at])
        of_copy = (asked[:, None] * len(columns) + np.arange(len(columns))).ravel()
        losses = _losses(model.predict(copies, of_copy), np.repeat(target, len(columns)), head)
        # Row by feature turned to feature by row, so that a mean is summed in the same order whatever the batch.
        rise[columns] = np.ascontiguousarray(losses.reshape(asked.size, len(columns)).T).mean(axis=1) - base
    return rise


def permutation_importance(
    features: pl.DataFrame,
    dataset: pl.DataFrame,
    trained: pl.DataFrame,
    head: Head,
    *,
    model_name: str = models.PUBLISHED,
    seed: int = 0,
) -> pl.DataFrame:
    """Return the rise of the out-of-sample loss when a feature is permuted within each purged fold (L-5.5).

    Parameters
    ----------
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`.
    dataset
        Rows of ``models.dataset`` of one horizon, made from ``features``.
    trained
        Rows of ``models.trained``. A model is judged from the session it is valid from until the next one is.
    head, model_name
        Which models to explain, before calibration.
    seed
        Of the permutations.

    Returns
    -------
    polars.DataFrame
        ``feature``, ``loss_increase`` (nats, or squared units of the target; mean over folds), ``spread`` (standard
        deviation over folds, null with one fold), ``folds``; largest increase first.
    """
    horizon = int(dataset["horizon_bars"][0])
    material = Material.of(features, dataset, horizon)
    wanted = (pl.col("horizon_bars") == horizon, pl.col("head") == head.name, pl.col("model_name") == model_name)
    in_turn = trained.filter(*wanted).sort("fold")
    session = material.rows["session"].to_physical().to_numpy()
    # Sessions are sorted: a model answers from its own first session up to that of the next model.
    starts = np.searchsorted(session, in_turn["valid_from"].to_physical().to_numpy())
    ends = np.append(starts[1:], len(session)) if starts.size else starts
    rises: list[NDArray[np.float64]] = []
    for row, start, end in zip(in_turn.iter_rows(named=True), starts, ends, strict=True):
        rows = np.arange(start, end)
        edges = row["class_edges"]
        target = targets(material.rows[rows], head, None if edges is None else (edges[0], edges[1]))
        known = np.isfinite(target)
        if known.any():
            model = models.load(model_name, row["model_bytes"])
            rng = np.random.default_rng([seed, horizon, row["fold"]])
            rises.append(permuted_losses(model, material.inputs, rows[known], target[known], head, rng))
    return _summary("feature", FEATURE_NAMES, rises)


def group_ablation(
    model_name: str,
    folds: Sequence[tuple[Problem, NDArray[np.int64], NDArray[np.float64]]],
) -> pl.DataFrame:
    """Return the rise of the out-of-sample loss when a model is fitted without a group of features (L-5.5).

    Parameters
    ----------
    model_name
        Family.
    folds
        Per purged fold the problem, the positions in its inputs of the rows to judge, and their targets.

    Returns
    -------
    polars.DataFrame
        ``group``, ``loss_increase``, ``spread`` and ``folds`` as in :func:`permutation_importance`. A group whose
        absence lowers the loss has a negative increase.
    """
    rises = []
    for problem, rows, target in folds:
        losses = [_refitted_loss(model_name, problem, rows, target, group) for group in (None, *GROUPS)]
        rises.append(np.array(losses[1:]) - losses[0])
    return _summary("group", tuple(GROUPS), rises)


def _refitted_loss(
    model_name: str, problem: Problem, rows: NDArray[np.int64], target: NDArray[np.float64], left_out: str | None
) -> float:
    features = problem.inputs.features.copy()
    features[:, [BY_NAME[name].group == left_out for name in FEATURE_NAMES]] = np.nan
    inputs = replace(problem.inputs, features=features)
    model = models.fit(model_name, replace(problem, inputs=inputs))
    return float(_losses(model.predict(inputs, rows), target, problem.head).mean())


def _losses(answers: NDArray[np.float64], target: NDArray[np.float64], head: Head) -> NDArray[np.float64]:
    if head.is_classes:
        return row_log_loss(answers, target.astype(np.int64))
    errors: NDArray[np.float64] = (answers[:, 0] - target) ** 2
    return errors


def _block(inputs: Inputs, rows: NDArray[np.int64]) -> tuple[Inputs, NDArray[np.int64]]:
    """Return the inputs that the answers for ``rows`` can depend on, and the positions of ``rows`` in them."""
    first = int(np.searchsorted(inputs.session, inputs.session[rows[0]] - LENGTH))
    kept = slice(first, int(rows[-1]) + 1)
    block = Inputs(inputs.features[kept], inputs.symbol[kept], inputs.session[kept], inputs.sigma_bar[kept])
    return block, rows - first


def _copies(block: Inputs, n: int) -> Inputs:
    """Return each row ``n`` times in turn, every copy under symbols of its own; sorted by session as the block is."""
    numbers = np.tile(np.arange(n, dtype=np.int64), len(block.session))
    return Inputs(
        features=np.repeat(block.features, n, axis=0),
        symbol=np.repeat(block.symbol, n) * n + numbers,
        session=np.repeat(block.session, n),
        sigma_bar=np.repeat(block.sigma_bar, n),
    )


def _summary(column: str, names: tuple[str, ...], rises: list[NDArray[np.float64]]) -> pl.DataFrame:
    spread = np.std(rises, axis=0, ddof=1) if len(rises) > 1 else np.full(len(names), np.nan)
    mean = np.mean(rises, axis=0) if rises else np.full(len(names), np.nan)
    return (
        pl.DataFrame({column: list(names), "loss_increase": mean, "spread": spread})
        .with_columns(pl.col("loss_increase", "spread").fill_nan(None), folds=pl.lit(len(rises), pl.Int64))
        .sort("loss_increase", column, descending=[True, False], nulls_last=True)
    )
