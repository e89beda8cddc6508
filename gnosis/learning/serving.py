"""Serving: the published models of one horizon, loaded once, answering rows of the matrix without XGBoost.

Trees are evaluated by :class:`gnosis.learning.forest.Forest`, whose margins are those of XGBoost bit for bit, and
calibrated by the compiled map that :class:`gnosis.learning.calibrator.Calibrator` applies: a lone row, a million rows
and the rows of a backfill get the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from gnosis.learning.calibrator import calibrator_from_json
from gnosis.learning.calibrator_kernel import Maps
from gnosis.learning.forest import Forest, UnsupportedModelError
from gnosis.learning.forest_kernel import add_row_margins
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import FEATURE_NAMES, feature_list_sha256
from gnosis.learning.models import PUBLISHED
from gnosis.learning.serving_kernel import ABSENT, answer
from gnosis.options.arrays import frozen, in_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_OBJECTIVES = {0: "reg:squarederror", 2: "binary:logistic", 3: "multi:softprob"}


class StaleModelError(ValueError):
    """A stored model that was trained on other features than those it is asked about."""


class ServingError(ValueError):
    """Rows of models.trained that cannot serve together."""


class ServedAnswer(NamedTuple):
    """What all heads of one horizon say of one row; NaN where a head is not there or sigma_bar is unknown.

    Attributes
    ----------
    p_down, p_flat, p_up
        Calibrated probabilities of the direction.
    p_down_raw, p_flat_raw, p_up_raw
        The same before calibration.
    p_up_low, p_up_high
        95 % interval of ``p_up``, see :meth:`gnosis.learning.calibrator.Calibrator.interval`.
    mag_p0, mag_p1, mag_p2
        Calibrated probabilities of a small, middling and large absolute return.
    r_hat, r_hat_se
        Expected log return over the horizon and its standard error as a forecast.
    sigma_hat
        Volatility over the horizon per square root of a year: the exponential of the expected logarithm, so a median
        and not a mean.
    p_meta
        Calibrated probability that the primary side earns more than its costs, whatever that side is.
    """

    p_down: float
    p_flat: float
    p_up: float
    p_down_raw: float
    p_flat_raw: float
    p_up_raw: float
    p_up_low: float
    p_up_high: float
    mag_p0: float
    mag_p1: float
    mag_p2: float
    r_hat: float
    r_hat_se: float
    sigma_hat: float
    p_meta: float


@dataclass(frozen=True)
class Served:
    """The published models of one horizon and fold, ready to answer.

    Attributes
    ----------
    horizon
        In sessions.
    versions
        ``model_version`` by head.
    forest
        Trees of all heads.
    first_margin, first_class
        int64, shape (5,): by head in the order of :data:`HEADS`, its first margin and its first class in ``maps``.
    maps
        Calibrators of all class heads.
    residual_error
        Of the return head, NaN without it.
    """

    horizon: int
    versions: Mapping[str, str]
    forest: Forest
    first_margin: NDArray[np.int64]
    first_class: NDArray[np.int64]
    maps: Maps
    residual_error: float

    @classmethod
    def of(cls, trained: pl.DataFrame) -> Served:
        """Load models.

        Parameters
        ----------
        trained
            Rows of ``models.trained``: of the published family, one horizon and one fold, at most one per head.

        Raises
        ------
        ServingError
            No rows, rows of other families, of several horizons or folds, or several of one head.
        StaleModelError
            A model of another list of features.
        gnosis.learning.forest.UnsupportedModelError
            A model that would not be answered bit for bit as XGBoost does.
        """
        _require_one_set(trained)
        rows = {row["head"]: row for row in trained.iter_rows(named=True)}
        names = [name for name in HEADS if name in rows]
        forests = [_forest(rows[name]) for name in names]
        calibrators = [
            calibrator_from_json(rows[name]["calibrator"]).maps_as_arrays for name in names if HEADS[name].is_classes
        ]
        margins = dict(zip(names, np.cumsum([0, *(forest.base.size for forest in forests)]), strict=False))
        classes = dict(
            zip(
                [name for name in names if HEADS[name].is_classes],
                np.cumsum([0, *(maps.method.size for maps in calibrators)]),
                strict=False,
            )
        )
        return cls(
            horizon=int(trained["horizon_bars"][0]),
            versions={name: rows[name]["model_version"] for name in names},
            forest=Forest.joined(forests),
            first_margin=np.array([margins.get(name, ABSENT) for name in HEADS], dtype=np.int64),
            first_class=np.array([classes.get(name, ABSENT) for name in HEADS], dtype=np.int64),
            maps=_joined(calibrators),
            residual_error=rows["return"]["residual_error"] if "return" in rows else math.nan,
        )

    def answer(self, row: NDArray[np.float32], sigma_bar: float) -> ServedAnswer:
        """Return what all heads say of one row.

        Parameters
        ----------
        row
            float32, shape (141,), contiguous, NaN where missing, categories as codes.
        sigma_bar
            Volatility per square root of a session known at the decision, NaN where unknown.

        Raises
        ------
        ValueError
            A row of another dtype or shape.
        """
        if row.dtype != np.float32 or row.shape != (self.forest.n_features,):
            raise ValueError(
                f"expected one float32 row of {self.forest.n_features} features, found {row.dtype} of shape "
                f"{row.shape}; make it with gnosis.learning.matrix.as_array"
            )
        margins = self.forest.base.reshape(1, -1).copy()
        add_row_margins(self.forest.nodes, self.forest.trees, frozen(row, row.shape), margins[0])
        out = np.full((1, len(ServedAnswer._fields)), np.nan)
        self._write(margins, frozen(np.array([sigma_bar]), (1,)), out)
        return ServedAnswer(*out[0].tolist())

    def answers(
        self, features: NDArray[np.float32], sigma_bar: NDArray[np.float64], threads: int = 1
    ) -> NDArray[np.float64]:
        """Return what all heads say of many rows.

        Parameters
        ----------
        features
            float32, shape (rows, 141), C-contiguous.
        sigma_bar
            float64, shape (rows,).
        threads
            No result depends on it.

        Returns
        -------
        numpy.ndarray
            float64, shape (rows, 15), columns as the fields of :class:`ServedAnswer`; each row has the bits of
            :meth:`answer`.

        Raises
        ------
        ValueError
            Arrays of another dtype, shape or order.
        """
        if sigma_bar.shape != features.shape[:1] or sigma_bar.dtype != np.float64:
            raise ValueError(
                f"expected sigma_bar as float64 of shape ({len(features)},), found {sigma_bar.dtype} of shape "
                f"{sigma_bar.shape}"
            )
        margins = self.forest.margins(features, threads)
        scale = frozen(sigma_bar, sigma_bar.shape)
        out = np.full((len(features), len(ServedAnswer._fields)), np.nan)

        def run(first: int, last: int) -> bool:
            self._write(margins[first:last], scale[first:last], out[first:last])
            return True

        in_ranges(run, len(features), threads)
        return out

    def _write(self, margins: NDArray[np.float32], sigma_bar: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        answer(
            margins,
            self.first_margin,
            self.first_class,
            self.maps,
            sigma_bar,
            math.sqrt(self.horizon),
            self.residual_error,
            out,
        )


def require_todays_features(trained: pl.DataFrame) -> None:
    """Raise :class:`StaleModelError` when rows of ``models.trained`` are of another list of features."""
    stale = trained.filter(pl.col("feature_list_sha256") != feature_list_sha256())
    if stale.height:
        raise StaleModelError(
            f"expected models of today's feature list, found {stale['model_version'].to_list()} of another; train "
            "models.trained anew before predicting"
        )


def _require_one_set(trained: pl.DataFrame) -> None:
    sets = trained.select("model_name", "horizon_bars", "fold").unique()
    if sets.height != 1 or trained["model_name"][0] != PUBLISHED or trained["head"].is_duplicated().any():
        raise ServingError(
            f"expected models of {PUBLISHED} of one horizon and fold, at most one per head, found "
            f"{trained['model_version'].to_list()} of {sets.rows()}; filter models.trained"
        )
    require_todays_features(trained)


def _forest(row: Mapping[str, Any]) -> Forest:
    """Read one model and make sure that it answers its head."""
    forest = Forest.from_ubj(row["model_bytes"])
    n_classes = HEADS[row["head"]].n_classes
    expected = (_OBJECTIVES[n_classes], max(n_classes, 1) if n_classes != 2 else 1, len(FEATURE_NAMES))
    found = (forest.objective[0], forest.base.size, forest.n_features)
    if found != expected:
        raise UnsupportedModelError(
            f"{row['model_version']}: expected objective, margins and features {expected} for head {row['head']}, "
            f"found {found}; train models.trained anew"
        )
    return forest


def _joined(parts: list[Maps]) -> Maps:
    """Lay the maps of several calibrators end to end."""
    if not parts:
        nothing, zero = np.empty(0), np.zeros(1, dtype=np.int64)
        return Maps(np.empty(0, dtype=np.int64), nothing, zero, nothing, nothing, zero, nothing, nothing)
    joined = Maps(*map(np.concatenate, zip(*parts, strict=True)))
    return joined._replace(
        first=np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.first) for part in parts]))]),
        first_bin=np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.first_bin) for part in parts]))]),
    )
