"""Hyper-parameter studies: each sees the fitted part of one outer training window only, by inner purged folds.

No row of the vault of the window is looked at (L-4.7). With the default lengths the fitted part ends before it begins:
the last fifth of the window calibrates and is longer than the vault.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning import models
from gnosis.learning.canonical import canonical_json
from gnosis.learning.cross_validation import purged_k_fold
from gnosis.learning.fitting import INNER_FOLDS, Part
from gnosis.learning.heads import HEADS
from gnosis.learning.material import Material, dataset_sha256, trial
from gnosis.learning.vault import VAULT_SESSIONS, outside_vault
from gnosis.tables import TABLES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    import optuna

    from gnosis.backtest.trials import Recorder, Trial
    from gnosis.learning.folds import Fold

STARTUP_TRIALS = 10
_OF_A_STUDY = ("head", "horizon_bars", "fold", "model_name", "dataset_sha256")


@dataclass(frozen=True)
class Study:
    """What a study is a pure function of (L-6.3).

    Attributes
    ----------
    head, horizon_bars, fold, model_name
        What is tuned.
    dataset_sha256
        Of the outer training rows.
    n_trials
        Configurations to try.
    fixed
        Parameters that are not searched.
    """

    head: str
    horizon_bars: int
    fold: int
    model_name: str
    dataset_sha256: str
    n_trials: int
    fixed: Mapping[str, Any]

    @property
    def seed(self) -> int:
        """Seed of the sampler, from everything else."""
        return models.seed_of(self._described)

    @property
    def name(self) -> str:
        """Name that holds all that the study depends on."""
        space = hashlib.sha256(canonical_json(self._described).encode()).hexdigest()[:12]
        return (
            f"{self.head}-h{self.horizon_bars}-{self.model_name}-f{self.fold}-{self.dataset_sha256[:12]}"
            f"-{space}-n{self.n_trials}-s{self.seed}"
        )

    @property
    def _described(self) -> dict[str, Any]:
        return {
            "head": self.head,
            "horizon_bars": self.horizon_bars,
            "fold": self.fold,
            "model_name": self.model_name,
            "dataset_sha256": self.dataset_sha256,
            "n_trials": self.n_trials,
            "fixed": dict(self.fixed),
            "space": models.SEARCH_SPACES[self.model_name],
            "inner_folds": INNER_FOLDS,
        }


@dataclass(frozen=True)
class Tuned:
    """Parameters to fit with, and the study that found them."""

    study_name: str | None
    parameters: Mapping[str, Any]


def best_parameters(studies: pl.DataFrame | None, **wanted: Any) -> Tuned | None:
    """Return the best parameters of the newest study of exactly these rows, or None.

    Parameters
    ----------
    studies
        Rows of ``models.studies``.
    **wanted
        ``head``, ``horizon_bars``, ``fold``, ``model_name`` and ``dataset_sha256``.
    """
    if studies is None or studies.is_empty():
        return None
    if set(wanted) != set(_OF_A_STUDY):
        raise TypeError(f"expected {_OF_A_STUDY}, found {tuple(wanted)}")
    found = studies.filter(pl.col("is_best"), *(pl.col(name) == value for name, value in wanted.items()))
    if found.is_empty():
        return None
    # Of several studies of the same rows the one with most trials was asked for last or should have been.
    trials = studies.group_by("study_name").len("n_trials")
    best = found.join(trials, on="study_name").sort("n_trials", "study_name", descending=[True, False])
    return Tuned(best["study_name"][0], json.loads(best["parameters"][0]))


def run(
    study: Study, part: Part, *, recorder: Recorder, trial_of: Callable[[Mapping[str, Any]], Trial]
) -> pl.DataFrame:
    """Try ``n_trials`` configurations and return every one of them (L-6.1, L-6.2, L-6.4).

    Parameters
    ----------
    study
        What to tune.
    part
        Training rows of the outer fold; only those of its fitted part are looked at.
    recorder
        Trial ledger: each configuration is written there before it is tried.
    trial_of
        Makes the ledger's entry of a configuration.

    Returns
    -------
    polars.DataFrame
        ``models.studies``, sorted by key.

    Raises
    ------
    ValueError
        When no trial was completed.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    weights = part.weights(with_energy=False)
    t0, t1 = (instants[part.fit] for instants in part.times)
    splits = purged_k_fold(t0, t1, n_splits=INNER_FOLDS)
    tried: dict[int, dict[str, Any]] = {}

    def loss(trial: optuna.Trial) -> float:
        parameters = _suggested(study, trial)
        entry = trial_of(parameters)
        tried[trial.number] = {"parameters": canonical_json(parameters), "n_inner_folds": 0, "entry": entry}
        recorder.begin(entry)
        total = mass = 0.0
        for step, split in enumerate(splits):
            problem = part.problem(part.fit[split.train], weights[split.train], parameters, study.seed)
            model = models.fit(study.model_name, problem)
            which = part.fit[split.test]
            losses = part.losses(model.predict(part.inputs, part.positions[which]), which)
            total += float((losses * weights[split.test]).sum())
            mass += float(weights[split.test].sum())
            tried[trial.number] |= {"n_inner_folds": step + 1, "loss": total / mass}
            trial.report(total / mass, step)
            if trial.should_prune():
                recorder.finish(entry, status="pruned", loss=total / mass, n=part.fit.size)
                raise optuna.TrialPruned
        recorder.finish(entry, status="complete", loss=total / mass, n=part.fit.size)
        return total / mass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        search = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=study.seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=1),
        )
        search.optimize(loss, n_trials=study.n_trials, n_jobs=1)
    if not any(trial.state == optuna.trial.TrialState.COMPLETE for trial in search.trials):
        raise ValueError(f"expected a complete trial of study {study.name}, found none of {len(search.trials)}")
    return _frame(study, search, tried)


def _suggested(study: Study, trial: optuna.Trial) -> dict[str, Any]:
    """Return the fixed parameters with those of the search space drawn anew."""
    drawn: dict[str, Any] = {}
    for name, space in models.SEARCH_SPACES[study.model_name].items():
        draw = trial.suggest_int if space["kind"] == "int" else trial.suggest_float
        drawn[name] = draw(name, space["low"], space["high"], log=space["log"])
    return {**study.fixed, **drawn}


def _frame(study: Study, search: optuna.Study, tried: Mapping[int, Mapping[str, Any]]) -> pl.DataFrame:
    table = TABLES["models.studies"]
    rows = [
        {
            "study_name": study.name,
            "trial": trial.number,
            **{name: getattr(study, name) for name in _OF_A_STUDY},
            "state": trial.state.name.lower(),
            "loss": tried[trial.number].get("loss"),
            "n_inner_folds": tried[trial.number]["n_inner_folds"],
            "is_best": trial.number == search.best_trial.number,
            "parameters": tried[trial.number]["parameters"],
            "seed": study.seed,
        }
        for trial in search.trials
    ]
    return pl.DataFrame(rows, schema=table.polars_schema).sort(table.key)


def _outside_vault(part: Part, last: dt.date) -> Part:
    """Return the part without the fitted rows of the vault that ends with the last training session (L-4.7)."""
    rows = part.rows[part.fit].with_columns(at=pl.Series(part.fit))
    return replace(part, fit=outside_vault(rows, VAULT_SESSIONS, last)["at"].to_numpy())


def _trial(material: Material, study: Study, code_sha256: str, last: dt.date, parameters: Mapping[str, Any]) -> Trial:
    configuration = {"model_name": study.model_name, "fit": dict(parameters)}
    return trial(
        material,
        study.head,
        "optuna",
        configuration,
        data_sha256=study.dataset_sha256,
        code_sha256=code_sha256,
        last=last,
    )


def tune(
    features: pl.DataFrame,
    dataset: pl.DataFrame,
    folds: Sequence[Fold],
    *,
    horizon: int,
    n_trials: int,
    recorder: Recorder,
    code_sha256: str,
    stored: pl.DataFrame,
    heads: Sequence[str] = ("direction",),
    model_name: str = models.PUBLISHED,
    parameters: Mapping[str, Any] | None = None,
) -> pl.DataFrame:
    """Run the study of each fold that has none yet and return all studies (L-6).

    Parameters
    ----------
    features, dataset, folds, horizon, recorder, code_sha256
        As of :func:`train`.
    n_trials
        Configurations to try in each study; 0 runs none.
    stored
        Rows of ``models.studies``; a finished study of the same name is kept, there are no half-finished ones.
    heads, model_name
        What to tune.
    parameters
        Those that are not searched, in place of :data:`gnosis.learning.models.PARAMETERS`.

    Returns
    -------
    polars.DataFrame
        ``models.studies``, sorted by key.
    """
    from threadpoolctl import threadpool_limits

    table = TABLES["models.studies"]
    if n_trials < 1 or not folds:
        return stored.sort(table.key)
    material = Material.of(features, dataset, horizon)
    fixed = models.PARAMETERS[model_name] if parameters is None else parameters
    known = set(stored["study_name"])
    found = [stored]
    for fold in folds:
        data = dataset_sha256(material, fold)
        for head in heads:
            study = Study(head, horizon, fold.number, model_name, data, n_trials, fixed)
            part = Part.of(material.rows, material.inputs, fold.train, HEADS[head])
            if part is None or study.name in known:
                continue
            last = material.rows["session"][int(fold.train[-1])]
            part = _outside_vault(part, last)
            trial_of = partial(_trial, material, study, code_sha256, last)
            with threadpool_limits(limits=1, user_api="blas"):
                found.append(run(study, part, recorder=recorder, trial_of=trial_of))
    return pl.concat(found).sort(table.key)


__all__ = ["Study", "Tuned", "best_parameters", "run", "tune"]
