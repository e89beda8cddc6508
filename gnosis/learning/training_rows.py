"""Which rows a stored model learnt from, as everything later is compared with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.drift_windows import DriftError, Rows
from gnosis.learning.matrix import KEY
from gnosis.sessions import schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LearntFrom:
    """A model of the direction and the rows that it learnt from.

    Attributes
    ----------
    version
        Of the model.
    rows
        Of ``models.trained``: the models of its family and fold.
    reference, age
        Positions of the training rows among the feature rows, and how many sessions each lies before the last one.
    """

    version: str
    rows: pl.DataFrame
    reference: NDArray[np.int64]
    age: NDArray[np.int64]


def session_numbers(sessions: pl.Series) -> NDArray[np.int64]:
    """Return the places of sessions in the exchange calendar."""
    return schedule()["session"].search_sorted(sessions).cast(pl.Int64).to_numpy()


def learnt_from(
    version: str, rows: Rows, known: pl.DataFrame, folds: pl.DataFrame, trained: pl.DataFrame, *, horizon: int
) -> LearntFrom:
    """Find the rows that a model of the direction learnt from.

    Parameters
    ----------
    version
        Of the model.
    rows
        Feature rows.
    known, folds, trained
        Rows of ``models.dataset`` of the horizon, of ``models.folds`` and ``models.trained``.
    horizon
        In sessions.

    Raises
    ------
    DriftError
        When the model, its fold or its training rows are not there.
    """
    own = trained.filter(pl.col("horizon_bars") == horizon)
    of_version = own.filter((pl.col("head") == "direction") & (pl.col("model_version") == version))
    if of_version.height != 1:
        raise DriftError(f"expected the model {version} once in models.trained, found {of_version.height} rows")
    number, name, n_train = of_version.select("fold", "model_name", "n_train").row(0)
    fold = folds.filter((pl.col("horizon_bars") == horizon) & (pl.col("fold") == number))
    if fold.height != 1:
        raise DriftError(f"expected fold {number} of the model {version} once in models.folds, found {fold.height}")
    first, last, test_first = fold.select("train_first", "train_last", "test_first").row(0)
    learnt = known.filter(
        pl.col("session").is_between(first, last)
        & pl.col("y_dir").is_not_null()
        & (pl.col("label_known_at").dt.date() < test_first)
    )
    keys = rows.frame.select(KEY).with_row_index("row")
    reference = keys.join(learnt.select(KEY), on=KEY, how="semi").sort("row")
    if reference.height < n_train:
        raise DriftError(
            f"expected the {n_train} training rows of the model {version}, found {reference.height} of them; read "
            f"features and outcomes from {first} on"
        )
    numbers = session_numbers(reference["session"])
    return LearntFrom(
        version,
        own.filter((pl.col("fold") == number) & (pl.col("model_name") == name)),
        reference["row"].cast(pl.Int64).to_numpy(),
        numbers.max() - numbers,
    )


def training_rows(
    version: str,
    features: pl.DataFrame,
    dataset: pl.DataFrame,
    folds: pl.DataFrame,
    trained: pl.DataFrame,
    *,
    horizon: int,
) -> pl.DataFrame:
    """Return the feature rows that a model of the direction learnt from: what its drift is measured against."""
    rows, known = Rows.of(features), dataset.filter(pl.col("horizon_bars") == horizon)
    return rows.frame[learnt_from(version, rows, known, folds, trained, horizon=horizon).reference]


__all__ = ["LearntFrom", "learnt_from", "session_numbers", "training_rows"]
