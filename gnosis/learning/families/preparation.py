"""What turns a feature row into numbers that a linear model or a network can use, learnt from training rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from gnosis.learning.matrix import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NUMBER, MISSING, CATEGORY = 0, 1, 2


@dataclass(frozen=True)
class Preparation:
    """Columns made of features: the number with missing ones imputed, the missing flag, one indicator per category.

    All columns are standardised. A column that does not vary in training is left out.

    Attributes
    ----------
    kind
        int64, shape (columns,): 0 number, 1 missing flag, 2 indicator of a category.
    feature
        int64, shape (columns,): position of the feature in the registry.
    value
        float64, shape (columns,): the training median that is imputed (kind 0), the code of the category (kind 2).
    centre, scale
        float64, shape (columns,): weighted mean and standard deviation in training.
    """

    kind: NDArray[np.int64]
    feature: NDArray[np.int64]
    value: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.float32], weights: NDArray[np.float64]) -> Preparation:
        """Look at the training rows.

        Parameters
        ----------
        features
            float32, shape (rows, features), NaN where missing, categories as registry codes.
        weights
            float64, shape (rows,).

        Examples
        --------
        >>> rows = np.full((4, 141), np.nan, dtype=np.float32)
        >>> rows[:, 0] = [1.0, 2.0, 6.0, np.nan]
        >>> fitted = Preparation.fit(rows, np.ones(4))
        >>> fitted.kind.tolist(), fitted.value.tolist(), fitted.centre.tolist()
        ([0, 1], [2.0, 0.0], [2.75, 0.25])
        """
        columns = np.array(list(_columns(features)), dtype=np.float64).reshape(-1, 3)
        kind, feature = columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64)
        value, count = columns[:, 2].copy(), len(columns)
        raw = standardised(features, np.arange(len(features)), kind, feature, value, np.zeros(count), np.ones(count))
        centre = np.average(raw, axis=0, weights=weights)
        scale = np.sqrt(np.average((raw - centre) ** 2, axis=0, weights=weights))
        # A column that varies by rounding only is a constant: dividing by its spread would turn noise into signal.
        varies = scale > 1e-9 * np.maximum(np.abs(centre), 1e-3)
        return cls(kind[varies], feature[varies], value[varies], centre[varies], scale[varies])

    def design(self, features: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the standardised columns of the rows at positions ``rows``, shape (rows, columns)."""
        return standardised(features, rows, self.kind, self.feature, self.value, self.centre, self.scale)

    def linear(
        self,
        features: NDArray[np.float32],
        rows: NDArray[np.int64],
        coefficients: NDArray[np.float64],
        intercept: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return ``intercept + design @ coefficients``, shape (rows, outputs), without making the design."""
        return linear_scores(
            features, rows, self.kind, self.feature, self.value, self.centre, self.scale, coefficients, intercept
        )

    def as_json(self) -> list[list[Any]]:
        """Return one list per column: kind, feature, value, centre, scale."""
        fields = (self.kind, self.feature, self.value, self.centre, self.scale)
        return [list(column) for column in zip(*(field.tolist() for field in fields), strict=True)]

    @classmethod
    def of_json(cls, columns: Sequence[Sequence[Any]]) -> Preparation:
        """Read what :meth:`as_json` gave."""
        kind, feature, *rest = zip(*columns, strict=True) if columns else ((),) * 5
        value, centre, scale = (np.array(field, dtype=np.float64) for field in rest)
        return cls(np.array(kind, dtype=np.int64), np.array(feature, dtype=np.int64), value, centre, scale)


def _columns(features: NDArray[np.float32]) -> Any:
    """Yield (kind, feature, value) of every column that the training rows give rise to."""
    for at, column in enumerate(features.T):
        known = column[~np.isnan(column)]
        if not known.size:
            continue
        if at in CATEGORIES:
            yield from ((CATEGORY, at, float(code)) for code in np.unique(known))
        else:
            yield NUMBER, at, float(np.median(known.astype(np.float64)))
        if known.size < column.size:
            yield MISSING, at, 0.0


@njit(cache=True, nogil=True, inline="always")
def _standard(number: float, kind: int, value: float, centre: float, scale: float) -> float:
    missing = np.isnan(number)
    if kind == NUMBER:
        raw = value if missing else number
    elif kind == MISSING:
        raw = 1.0 if missing else 0.0
    else:
        raw = 1.0 if number == value else 0.0
    return (raw - centre) / scale


@njit(cache=True, nogil=True, error_model="numpy")
def standardised(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    kind: NDArray[np.int64],
    feature: NDArray[np.int64],
    value: NDArray[np.float64],
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the columns of a :class:`Preparation` for positions ``rows``, shape (rows, columns)."""
    out = np.empty((rows.size, kind.size))
    for row in range(rows.size):
        for column in range(kind.size):
            number = np.float64(features[rows[row], feature[column]])
            out[row, column] = _standard(number, kind[column], value[column], centre[column], scale[column])
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def linear_scores(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    kind: NDArray[np.int64],
    feature: NDArray[np.int64],
    value: NDArray[np.float64],
    centre: NDArray[np.float64],
    scale: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    intercept: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the linear scores of a :class:`Preparation`, shape (rows, outputs).

    Column by column instead of a matrix product: BLAS adds in another order for one row than for many (L-12.4).
    """
    outputs = intercept.size
    out = np.empty((rows.size, outputs))
    for row in range(rows.size):
        for output in range(outputs):
            out[row, output] = intercept[output]
        for column in range(kind.size):
            number = np.float64(features[rows[row], feature[column]])
            standard = _standard(number, kind[column], value[column], centre[column], scale[column])
            for output in range(outputs):
                out[row, output] += standard * coefficients[column, output]
    return out
