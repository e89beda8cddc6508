"""What one training left behind, and the hashes that identify it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from gnosis.learning.canonical import canonical_json
from gnosis.learning.heads import PUBLISHED

REQUIRED_TAGS = (
    "git_commit",
    "dirty",
    "dagster_run_id",
    "partition",
    "model_family",
    "code_sha256",
    "lock_sha256",
    "threads",
)
"""Tags that only the caller knows (L-10.2); the other ones follow from the tables."""


@dataclass(frozen=True)
class Training:
    """What one training of one head and horizon left behind.

    Frames may hold rows of other heads and horizons: they are left out.

    Attributes
    ----------
    horizon_bars
        In sessions.
    head
        What the models answer.
    universe
        Short name of the symbols trained on, part of the name of the registered model.
    trained, folds, studies, evaluation
        Rows of ``models.trained``, ``models.folds``, ``models.studies`` and ``models.evaluation``.
    scored
        Judged rows: ``model_name``, ``horizon_bars``, ``head``, ``session``, ``symbol``, ``fold``, ``answer_raw``,
        ``answer`` (lists of probabilities, or of one number) and ``outcome``.
    importance
        Permutation importance of the published model by feature.
    configuration
        Full resolved configuration, nested; logged as params with dotted names.
    tags
        Where the training came from: all of :data:`REQUIRED_TAGS`, and whatever else is worth a filter.
    dagster_url
        Address of the Dagster interface, for links back; None leaves the links out.
    example
        A few feature rows as an input example of the model; None leaves it out.
    tables
        Further tables to keep with the run by name, such as ``drift_reference``; ``ablation``, a result of
        :func:`gnosis.learning.importance.group_ablation`, is drawn too.
    measured
        Figures of the training itself with their unit in the name, such as ``fit_s``.
    n_trials
        Trials of the ledger on this universe, head and horizon; None when they were not counted.
    """

    horizon_bars: int
    head: str
    universe: str
    trained: pl.DataFrame
    folds: pl.DataFrame
    studies: pl.DataFrame
    evaluation: pl.DataFrame
    scored: pl.DataFrame
    importance: pl.DataFrame
    configuration: Mapping[str, Any]
    tags: Mapping[str, str]
    dagster_url: str | None = None
    example: pl.DataFrame | None = None
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    n_trials: int | None = None

    def __post_init__(self) -> None:
        absent = [name for name in REQUIRED_TAGS if not self.tags.get(name)]
        if absent:
            raise ValueError(f"expected the tags {list(REQUIRED_TAGS)} of a training, found no {absent}; give each")
        for name in ("trained", "studies", "evaluation", "scored"):
            mine = (pl.col("horizon_bars") == self.horizon_bars) & (pl.col("head") == self.head)
            object.__setattr__(self, name, getattr(self, name).filter(mine))
        object.__setattr__(self, "trained", self.trained.sort("fold", "model_name"))
        mine_too = self.folds.filter(pl.col("horizon_bars") == self.horizon_bars).sort("fold")
        # A head may have too few answers to be trained on a fold that another head was trained on.
        object.__setattr__(self, "folds", mine_too.join(self.trained.select("fold").unique(), on="fold", how="semi"))
        if self.trained.is_empty():
            raise ValueError(
                f"expected trained models of head {self.head} at {self.horizon_bars} sessions, found none; train first"
            )

    @property
    def is_synthetic(self) -> bool:
        """True when any model rests on generated data."""
        return bool(self.trained["synthetic"].any())

    @property
    def published(self) -> pl.DataFrame:
        """Rows of the published family, oldest fold first."""
        return self.trained.filter(pl.col("model_name") == PUBLISHED)

    @property
    def judged(self) -> pl.DataFrame:
        """Judged rows of the published family."""
        return self.scored.filter(pl.col("model_name") == PUBLISHED)


def joined_sha256(values: pl.Series) -> str:
    """Return one hash over hashes in their order."""
    return hashlib.sha256("\n".join(values).encode()).hexdigest()


def predictions_sha256(judged: pl.DataFrame) -> str:
    """Return the hash of stitched predictions: who, when and the calibrated answers to the last bit (L-10.2)."""
    rows = judged.sort("session", "symbol", "fold")
    digest = hashlib.sha256("\n".join(rows["symbol"]).encode() + b"\0")
    digest.update(rows["session"].to_physical().cast(pl.Int64).to_numpy().astype("<i8").tobytes())
    answers = rows["answer"].explode(empty_as_null=False).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    digest.update(np.ascontiguousarray(answers, dtype="<f8").tobytes())
    return digest.hexdigest()


def identity_tags(training: Training) -> dict[str, str]:
    """Return the tags that follow from the tables; ``models_sha256`` alone decides whether it was logged before."""
    by_fold = training.trained.unique("fold", keep="first", maintain_order=True)
    published = training.published
    tags = {
        "models_sha256": joined_sha256(training.trained["model_sha256"]),
        "dataset_sha256": joined_sha256(by_fold["dataset_sha256"]),
        "feature_list_sha256": joined_sha256(by_fold["feature_list_sha256"].unique().sort()),
        "folds_sha256": joined_sha256(training.folds["folds_sha256"]),
        "predictions_sha256": predictions_sha256(training.judged),
        "head": training.head,
        "horizon_bars": str(training.horizon_bars),
        "universe": training.universe,
        "synthetic": str(training.is_synthetic).lower(),
    }
    if published.height:
        tags |= {name: str(published[name][-1]) for name in ("model_sha256", "model_version", "seed")}
    return tags


def flattened(configuration: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested configuration as dotted names and text.

    Examples
    --------
    >>> flattened({"xgboost": {"eta": 0.05}, "train": 756})
    {'xgboost.eta': '0.05', 'train': '756'}
    """
    flat: dict[str, str] = {}
    for name, value in configuration.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else canonical_json(value)
    return flat
