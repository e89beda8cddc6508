"""Training: fit the models of each fold whose training labels are all known, and only those that are missing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning import fitting, models
from gnosis.learning.canonical import canonical_json
from gnosis.learning.energy_ablation import ablation, can_be_compared, compared_parameters
from gnosis.learning.heads import HEADS, Head
from gnosis.learning.material import Material, dataset_sha256, trial
from gnosis.learning.matrix import feature_list_sha256
from gnosis.learning.tuning import Tuned, best_parameters
from gnosis.sessions import NEW_YORK
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from gnosis.backtest.trials import Recorder, Trial
    from gnosis.learning.folds import Fold

NIGHTLY = ("majority", "logistic", "ridge", "ewma", models.PUBLISHED)
"""Families that a night fits: the published one beside its baselines."""
EVERY = tuple(models.FAMILIES)
"""Families that the weekly training fits, as far as their libraries are installed."""

_IDENTITY = ("head", "fold", "model_name", "dataset_sha256", "parameters", "seed")


def roster_of(head: Head, names: Iterable[str]) -> list[str]:
    """Return the families among ``names`` that can answer a head and are installed (L-5.3), the published one first.

    Examples
    --------
    >>> roster_of(HEADS["volatility"], NIGHTLY)
    ['xgboost', 'majority', 'ewma', 'ridge']
    """
    wanted = set(names)
    able = [name for name in head.models if name in wanted and models.is_installed(name)]
    return sorted(able, key=lambda name: (name != models.PUBLISHED, name == "stack", head.models.index(name)))


def train(
    features: pl.DataFrame,
    dataset: pl.DataFrame,
    folds: Sequence[Fold],
    *,
    horizon: int,
    recorder: Recorder,
    code_sha256: str,
    already_trained: pl.DataFrame | None = None,
    studies: pl.DataFrame | None = None,
    families: Sequence[str] = NIGHTLY,
    heads: Sequence[str] = tuple(HEADS),
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    threads: int = 2,
    frozen: Collection[int] = (),
) -> pl.DataFrame:
    """Fit every model of every fold that is not stored yet and return all of them.

    A model is a pure function of its training rows, its parameters and the seed that follows from its configuration.
    A stored model with the same identity is kept as it is; one whose rows were revised or whose parameters changed is
    fitted anew, so that what a year of nights leaves behind is what one backfill makes.

    Parameters
    ----------
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`.
    dataset
        Rows of ``models.dataset``.
    folds
        Walk-forward folds cut from the rows of ``horizon`` in ``dataset``.
    horizon
        In sessions.
    recorder
        Trial ledger: every configuration is written there before it is fitted.
    code_sha256
        Hash of the code that trains.
    already_trained, studies
        Rows of ``models.trained`` and ``models.studies``. A study of the same rows decides the parameters.
    families, heads
        What to fit. Stored models of other families stay when their rows are unchanged.
    parameters
        By family, in place of :data:`gnosis.learning.models.PARAMETERS`.
    threads
        Folds and heads fitted at a time; no result depends on it.
    frozen
        Folds whose stored models stay although their rows were revised: those of the champion, which goes on serving.

    Returns
    -------
    polars.DataFrame
        ``models.trained``, sorted by key. ``valid_from`` is the first session of the fold's test block: the model was
        complete before that session's close and serves until the next fold's model is valid.
    """
    from threadpoolctl import threadpool_limits

    table = TABLES["models.trained"]
    if not folds:
        return table.empty() if already_trained is None else already_trained.sort(table.key)
    material = Material.of(features, dataset, horizon)
    settings = models.PARAMETERS if parameters is None else parameters
    stored = {} if already_trained is None else _by_identity(already_trained, horizon)
    data = {fold.number: dataset_sha256(material, fold) for fold in folds}
    jobs = [
        _Job(
            material,
            fold,
            HEADS[name],
            data[fold.number],
            settings,
            studies,
            stored,
            recorder,
            code_sha256,
            is_frozen=fold.number in frozen,
        )
        for fold in folds
        for name in heads
    ]
    # Sums of BLAS depend on the number of its threads; each model is fitted by one, several models at a time.
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        trained = [row for rows in pool.map(lambda job: job.rows(families), jobs) for row in rows]
    others = [] if already_trained is None else _of_other_horizons(already_trained, horizon)
    return pl.DataFrame([*trained, *others], schema=table.polars_schema).sort(table.key)


def _by_identity(trained: pl.DataFrame, horizon: int) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = trained.filter(pl.col("horizon_bars") == horizon).iter_rows(named=True)
    return {tuple(row[name] for name in _IDENTITY): row for row in rows}


def _of_other_horizons(trained: pl.DataFrame, horizon: int) -> list[dict[str, Any]]:
    return list(trained.filter(pl.col("horizon_bars") != horizon).iter_rows(named=True))


@dataclass(frozen=True)
class _Job:
    """All families of one head of one fold."""

    material: Material
    fold: Fold
    head: Head
    data: str
    settings: Mapping[str, Mapping[str, Any]]
    studies: pl.DataFrame | None
    stored: Mapping[tuple[Any, ...], dict[str, Any]]
    recorder: Recorder
    code_sha256: str
    is_frozen: bool = False

    def rows(self, families: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of ``models.trained``: those asked for and those stored that are still true."""
        part = fitting.Part.of(self.material.rows, self.material.inputs, self.fold.train, self.head)
        if part is None:
            return []
        rows = self._still_true()
        energy = rows[models.PUBLISHED]["energy_weight"] if models.PUBLISHED in rows else None
        for name in roster_of(self.head, families):
            if name in rows:
                continue
            identity = self._identity(name)
            if energy is None:
                energy = self._energy_weight(name, identity, part)
            base = self._base(rows) if name == "stack" else None
            trial = self._trial(name, json.loads(identity.described))
            self.recorder.begin(trial)
            fitted = fitting.fit(name, part, identity.tuned.parameters, identity.seed, energy_weight=energy, base=base)
            self.recorder.finish(trial, status="complete", loss=fitted.loss, n=part.fit.size)
            rows[name] = self._row(name, fitted, identity, part)
        return [rows[name] for name in sorted(rows)]

    def _energy_weight(self, name: str, identity: _Identity, part: fitting.Part) -> str:
        """Return whether the energy weighs in this fold; both models that decide it are trials (L-3.4)."""
        if name == "stack" or not can_be_compared(part):
            return "unproven"
        compared = compared_parameters(identity.tuned.parameters)
        both = [self._trial(name, {"model": compared, "with_energy": weighs}) for weighs in (True, False)]
        for each in both:
            self.recorder.begin(each)
        found = ablation(name, part, compared, identity.seed)
        for each, loss in zip(both, (found.with_energy, found.without_energy), strict=True):
            self.recorder.finish(each, status="complete", loss=loss, n=found.n)
        return found.verdict

    def _still_true(self) -> dict[str, dict[str, Any]]:
        """Stored models of this head and fold that the same rows, parameters and seed would give again."""
        if self.is_frozen:
            mine = [
                row for row in self.stored.values() if (row["head"], row["fold"]) == (self.head.name, self.fold.number)
            ]
            return {row["model_name"]: row for row in mine}
        identities = {name: self._identity(name) for name in self.head.models}
        found = {
            name: self.stored.get((self.head.name, self.fold.number, name, self.data, each.described, each.seed))
            for name, each in identities.items()
        }
        return {name: row for name, row in found.items() if row is not None}

    def _identity(self, name: str) -> _Identity:
        tuned = best_parameters(
            self.studies,
            head=self.head.name,
            horizon_bars=self.material.horizon,
            fold=self.fold.number,
            model_name=name,
            dataset_sha256=self.data,
        ) or Tuned(None, self.settings[name])
        described = canonical_json({"model": dict(tuned.parameters), **fitting.DESCRIPTION})
        seed = models.seed_of(
            {
                "horizon_bars": self.material.horizon,
                "head": self.head.name,
                "fold": self.fold.number,
                "model_name": name,
                "parameters": described,
            }
        )
        return _Identity(tuned, described, seed)

    def _base(self, rows: Mapping[str, dict[str, Any]]) -> dict[str, fitting.Base]:
        """Return the models that the stack is made of: every one of this fold that is no baseline rate."""
        return {
            name: fitting.Base(
                models.load(name, row["model_bytes"]), self._identity(name).tuned.parameters, row["seed"]
            )
            for name, row in rows.items()
            if name not in ("majority", "ewma", "stack")
        }

    def _trial(self, name: str, described: Mapping[str, Any]) -> Trial:
        """Return the ledger's entry: one configuration is one trial, however many folds and nights it is fitted to."""
        first = self.material.rows["session"][0]
        configuration = {"model_name": name, "fit": dict(described)}
        data = feature_list_sha256()
        return trial(
            self.material,
            self.head.name,
            "training",
            configuration,
            data_sha256=data,
            code_sha256=self.code_sha256,
            last=first,
        )

    def _row(self, name: str, fitted: fitting.Fitted, identity: _Identity, part: fitting.Part) -> dict[str, Any]:
        """Build one row of ``models.trained``."""
        content = fitted.model.to_bytes()
        digest = models.model_sha256(content)
        first_test = self.material.rows["session"][int(self.fold.test[0])]
        is_served = name == models.PUBLISHED and self.head.name == "direction"
        low, high = fitting.known_ranges(part) if is_served else (None, None)
        ends = part.rows.select(pl.max_horizontal(self.head.label_end, "label_known_at")).to_series()
        return {
            "horizon_bars": self.material.horizon,
            "head": self.head.name,
            "fold": self.fold.number,
            "model_name": name,
            "trained_through": ends.dt.convert_time_zone(NEW_YORK.key).dt.date().max(),
            "valid_from": first_test,
            "model_version": f"{self.head.name}-h{self.material.horizon}-f{self.fold.number}-{digest[:12]}",
            "model_sha256": digest,
            "dataset_sha256": self.data,
            "feature_list_sha256": feature_list_sha256(),
            "code_sha256": self.code_sha256,
            "n_train": part.rows.height,
            "n_fit": part.fit.size,
            "n_calibration": part.calibration.size,
            "n_effective": fitted.n_effective,
            "energy_weight": fitted.energy_weight,
            "seed": identity.seed,
            "study_name": identity.tuned.study_name,
            "parameters": identity.described,
            "class_edges": list(part.edges) if part.edges else None,
            "calibrator_id": fitted.calibrator.calibrator_id if fitted.calibrator else None,
            "calibrator": fitted.calibrator.to_json() if fitted.calibrator else None,
            "residual_error": fitted.residual_error,
            "importance": fitting.importance(part, fitted.model, identity.seed) if is_served else None,
            "feature_low": low,
            "feature_high": high,
            "model_bytes": content,
            "synthetic": bool((part.rows["synthetic"] | part.rows["label_synthetic"]).any()),
        }


@dataclass(frozen=True)
class _Identity:
    """With the data, all that a model depends on: parameters, all that they mean as canonical JSON, and the seed."""

    tuned: Tuned
    described: str
    seed: int


def configuration_of(trained: pl.DataFrame) -> dict[str, Any]:
    """Return the resolved configuration of each head and model in ``models.trained``, as logged with a training.

    Where a study gave each fold its own parameters they are listed by fold.
    """
    found: dict[str, Any] = {}
    rows = trained.select("head", "model_name", "fold", "parameters").sort("head", "model_name", "fold")
    for (head, name), part in rows.group_by("head", "model_name", maintain_order=True):
        distinct = part["parameters"].unique()
        found[f"{head}.{name}"] = (
            json.loads(distinct[0])
            if len(distinct) == 1
            else {f"fold_{fold}": json.loads(text) for fold, text in part.select("fold", "parameters").iter_rows()}
        )
    return found
