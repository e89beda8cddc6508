"""Scores over the paths of combinatorial purged cross-validation: how much of a score is the luck of one history."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning import fitting, models
from gnosis.learning.cross_validation import combinatorial
from gnosis.learning.evaluation import path_distribution
from gnosis.learning.head_answers import SCHEMA
from gnosis.learning.heads import HEADS, targets
from gnosis.learning.material import Material
from gnosis.learning.purging import FoldsError
from gnosis.learning.vault import VAULT_SESSIONS, outside_vault
from gnosis.tables import TABLES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gnosis.learning.purging import Split

N_GROUPS, N_TESTED = 10, 2
OVER_PATHS = "paths"
"""Scope of the mean over all paths; that of path 1 is ``path 1``."""
HEAD = "direction"


def path_scores(
    features: pl.DataFrame,
    dataset: pl.DataFrame,
    trained: pl.DataFrame,
    last_session: dt.date,
    *,
    horizon: int,
    n_groups: int = N_GROUPS,
    n_tested: int = N_TESTED,
    threads: int = 2,
) -> pl.DataFrame:
    """Fit the published model of the direction and its baselines on every split and score each path (L-4.6).

    The walk-forward tells of one history. Here ten groups of sessions are tested two at a time, each pair by models of
    the other eight, which gives nine histories of answers for the same sessions. Models learn from what came after
    their test block, so the level of a score is no forecast: its spread is what this is for. No session of the vault is
    looked at (L-4.7).

    Parameters
    ----------
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`.
    dataset
        Rows of ``models.dataset``.
    trained
        Rows of ``models.trained``: the newest fold gives parameters, seeds and the verdict about the energy weight, so
        that no configuration is tried that the ledger does not know.
    last_session
        Newest session, from which the vault is counted back.
    horizon
        In sessions.
    n_groups, n_tested
        As of :func:`gnosis.learning.cross_validation.combinatorial`.
    threads
        Splits fitted at a time; no result depends on it.

    Returns
    -------
    polars.DataFrame
        Rows of ``models.evaluation``, sorted by key, without verdicts: ``log_loss``, ``ic`` and ``sharpe`` of the scope
        ``path N``, and of the scope ``paths`` their mean, whose ``standard_error`` is the standard deviation over the
        paths. Paths share models and outcomes: their spread is no error of the mean. Empty without the models, or with
        too few rows outside the vault for one of the splits.

    References
    ----------
    López de Prado (2018), ch. 12.
    """
    from threadpoolctl import threadpool_limits

    table, head = TABLES["models.evaluation"], HEADS[HEAD]
    wanted = (*head.baselines, models.PUBLISHED)
    own = trained.filter(
        (pl.col("horizon_bars") == horizon) & (pl.col("head") == HEAD) & pl.col("model_name").is_in(wanted)
    )
    newest = own.filter(pl.col("fold") == pl.col("fold").max()).sort("model_name")
    if newest.height < len(wanted):
        return table.empty()
    material = Material.of(features, dataset, horizon)
    rows = _judged_rows(material, last_session)
    times = material.rows[rows].select(pl.max_horizontal(head.label_end, "label_known_at").dt.epoch("us"))
    t0, t1 = material.rows[rows]["as_of"].dt.epoch("us").to_numpy(), times.to_series().to_numpy()
    try:
        cut = combinatorial(t0, t1, n_groups=n_groups, n_tested=n_tested)
    except FoldsError:
        return table.empty()
    stitched = []
    for model in newest.iter_rows(named=True):
        with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(partial(_answers, material, rows, model), cut.splits))
        known = [answer for answer in answers if answer is not None]
        if len(known) < len(answers):
            return table.empty()
        stitched.append(_as_answers(material.rows[rows], model, cut.along_paths(known)))
    synthetic = bool(newest["synthetic"].any())
    return _rows(path_distribution(pl.concat(stitched), dataset), rows.size, synthetic=synthetic)


def _judged_rows(material: Material, last_session: dt.date) -> NDArray[np.int64]:
    """Return the positions of the rows with a known direction outside the vault."""
    numbered = material.rows.with_columns(at=pl.int_range(pl.len(), dtype=pl.Int64))
    # Without a volatility scale there is no direction, and nothing is trained on the row.
    is_known = np.isfinite(targets(material.rows, HEADS[HEAD], None))
    return outside_vault(numbered.filter(pl.Series(is_known)), VAULT_SESSIONS, last_session)["at"].to_numpy()


def _answers(
    material: Material, rows: NDArray[np.int64], model: Mapping[str, Any], split: Split
) -> NDArray[np.float64] | None:
    """Return what a model fitted on a split says of its test rows, calibrated; None when it cannot be fitted."""
    part = fitting.Part.of(material.rows, material.inputs, rows[split.train], HEADS[HEAD])
    if part is None:
        return None
    parameters = json.loads(model["parameters"])["model"]
    fitted = fitting.fit(
        model["model_name"], part, parameters, model["seed"], energy_weight=model["energy_weight"] or "unproven"
    )
    raw = fitted.model.predict(material.inputs, rows[split.test])
    return raw if fitted.calibrator is None else fitted.calibrator.apply(raw)


def _as_answers(rows: pl.DataFrame, model: Mapping[str, Any], paths: NDArray[np.float64]) -> pl.DataFrame:
    """Lay answers of shape (paths, rows, classes) out as rows of answers with their path, from 1 on."""
    width = pl.Array(pl.Float64, paths.shape[2])
    told = {name: model[name] for name in ("horizon_bars", "head", "model_name", "model_version", "fold")}
    parts = []
    for number, answers in enumerate(paths, start=1):
        said = pl.Series(answers, dtype=width).arr.to_list()
        parts.append(
            rows.select("session", "symbol").with_columns(
                **{name: pl.lit(value, SCHEMA[name]) for name, value in told.items()},
                answer_raw=said,
                answer=said,
                class_edges=pl.lit(None, SCHEMA["class_edges"]),
                path=pl.lit(number, pl.Int64),
            )
        )
    return pl.concat(parts).select(*SCHEMA, "path")


def _rows(found: pl.DataFrame, n: int, *, synthetic: bool) -> pl.DataFrame:
    """Return a distribution over paths as rows of ``models.evaluation``."""
    table = TABLES["models.evaluation"]
    key = ("horizon_bars", "head", "model_name", "metric")
    whole = found.select(
        *key, pl.lit(OVER_PATHS).alias("scope"), value="mean", standard_error=pl.col("standard_deviation")
    )
    each = (
        found.select(*key, value="values", path=pl.int_ranges(1, pl.col("values").list.len() + 1))
        .explode("value", "path")
        .select(*key, scope=pl.format("path {}", "path"), value="value", standard_error=pl.lit(None, pl.Float64))
    )
    columns = {"n": pl.lit(n, pl.Int64), "verdict": pl.lit(None), "synthetic": pl.lit(synthetic)}
    rows = pl.concat([whole.select(each.columns), each]).with_columns(**columns)
    return rows.select(list(table.polars_schema)).cast(table.polars_schema).sort(table.key)


__all__ = ["N_GROUPS", "N_TESTED", "OVER_PATHS", "path_scores"]
