"""What a horizon is trained on: feature rows as arrays beside their outcomes, and how both are identified."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.backtest.trials import Origin, Trial
from gnosis.learning.canonical import canonical_json
from gnosis.learning.matrix import KEY, FeatureRowsError, feature_list_sha256, inputs

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from gnosis.learning.folds import Fold
    from gnosis.learning.problem import Inputs

_INSTANTS = ("as_of", "t0", "t1", "barrier_t1", "label_known_at")
_TARGETS = ("y_dir", "y_ret", "y_mag", "y_vol", "y_meta", "sigma_bar", "movement_energy")


@dataclass(frozen=True)
class Material:
    """What a horizon is trained on.

    Attributes
    ----------
    inputs
        Feature rows as arrays.
    rows
        Rows of ``models.dataset`` of one horizon: row ``i`` is about row ``i`` of the inputs.
    """

    inputs: Inputs
    rows: pl.DataFrame

    @classmethod
    def of(cls, features: pl.DataFrame, dataset: pl.DataFrame, horizon: int) -> Material:
        """Put the rows of a horizon beside the feature rows they are about.

        Raises
        ------
        FeatureRowsError
            When the data set was made from other feature rows.
        """
        rows = dataset.filter(pl.col("horizon_bars") == horizon)
        if not rows.select(KEY).equals(features.select(KEY)):
            raise FeatureRowsError(
                f"expected models.dataset of the {features.height} rows of features.matrix, found {rows.height} rows "
                f"for horizon {horizon} or other keys; materialise models.dataset anew"
            )
        return cls(inputs(features, rows), rows)

    @property
    def horizon(self) -> int:
        """Horizon in sessions."""
        return int(self.rows["horizon_bars"][0])


def dataset_sha256(material: Material, fold: Fold) -> str:
    """Hash the training rows of a fold: keys, features, labels and the instants that purging rests on (L-1.4)."""
    part = material.rows[fold.train]
    digest = hashlib.sha256(feature_list_sha256().encode())
    digest.update(np.ascontiguousarray(material.inputs.features[fold.train], dtype="<f4").tobytes())
    digest.update("\n".join(part["symbol"]).encode() + b"\0")
    for name in ("horizon_bars", "session", *_INSTANTS):
        digest.update(part[name].to_physical().cast(pl.Int64).fill_null(-1).to_numpy().astype("<i8").tobytes())
    for name in _TARGETS:
        digest.update(part[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype("<f8").tobytes())
    return digest.hexdigest()


def trial_family(symbols: pl.Series, horizon: int, head: str) -> str:
    """Return what the trials of a head are counted within: its universe, horizon and question.

    Examples
    --------
    >>> trial_family(pl.Series(["SPY", "AAPL", "SPY"]), 5, "direction")
    'AAPL+SPY h5 direction'
    """
    universe = "+".join(symbols.unique().sort())
    if len(universe) > 80:
        universe = f"{symbols.n_unique()} symbols {hashlib.sha256(universe.encode()).hexdigest()[:12]}"
    return f"{universe} h{horizon} {head}"


def trial(
    material: Material,
    head: str,
    origin: Origin,
    configuration: Mapping[str, Any],
    *,
    data_sha256: str,
    code_sha256: str,
    last: dt.date,
) -> Trial:
    """Return the ledger's entry of one configuration of one head."""
    return Trial(
        family=trial_family(material.rows["symbol"], material.horizon, head),
        origin=origin,
        parameters=canonical_json(configuration),
        data_sha256=data_sha256,
        code_sha256=code_sha256,
        period_first=material.rows["session"][0],
        period_last=last,
    )
