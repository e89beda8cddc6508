"""The two baselines that every model stands beside: the base rate and the multinomial logistic regression.

Their canonical form is JSON with sorted keys and shortest round-trip floats, preprocessing included; no pickle.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.learning.matrix import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

N_CLASSES = 3


def canonical_json(value: Any) -> str:
    """Return JSON that is the same bytes for the same value (RFC 8785 in spirit).

    Examples
    --------
    >>> canonical_json({"b": 0.1, "a": [1, None]})
    '{"a":[1,null],"b":0.1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True)
class Majority:
    """Class frequencies of the training rows, smoothed by one row per class so that no class is called impossible.

    Attributes
    ----------
    probabilities
        Of a fall, a flat outcome and a rise.
    """

    probabilities: tuple[float, float, float]

    @classmethod
    def fit(
        cls,
        features: NDArray[np.float32],  # noqa: ARG003
        target: NDArray[np.int64],
        weights: NDArray[np.float64],
        **_: Any,
    ) -> Majority:
        """Count the classes 0 (down), 1 (flat), 2 (up); the features are not looked at."""
        counts = np.bincount(target, weights=weights, minlength=N_CLASSES) + 1.0
        down, flat, up = (counts / counts.sum()).tolist()
        return cls((down, flat, up))

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the base rates for every row, shape (rows, 3)."""
        return np.tile(np.array(self.probabilities), (len(features), 1))

    def to_bytes(self) -> bytes:
        """Return the model as canonical JSON."""
        return canonical_json({"model": "majority", "probabilities": self.probabilities}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Majority:
        """Read what :meth:`to_bytes` wrote."""
        down, flat, up = json.loads(content)["probabilities"]
        return cls((down, flat, up))


@dataclass(frozen=True)
class Preparation:
    """What turns a row of the model matrix into numbers a linear model can use, learnt from training rows only.

    Attributes
    ----------
    numeric, medians
        Positions of the numeric features and the values imputed; a feature without a value in training is left out.
    flagged
        Positions of the features that get a missing flag: those missing in some but not all training rows.
    encoded
        Pairs (position, code): one indicator per category seen in training.
    """

    numeric: tuple[int, ...]
    medians: tuple[float, ...]
    flagged: tuple[int, ...]
    encoded: tuple[tuple[int, int], ...]

    @classmethod
    def fit(cls, features: NDArray[np.float32]) -> Preparation:
        """Look at the training rows, shape (rows, 27)."""
        missing = np.isnan(features)
        share = missing.mean(axis=0)
        numeric = [at for at in range(features.shape[1]) if at not in CATEGORIES and share[at] < 1.0]
        present = [features[~missing[:, at], at].astype(np.float64) for at in numeric]
        return cls(
            numeric=tuple(numeric),
            medians=tuple(float(np.median(values)) for values in present),
            flagged=tuple(int(at) for at in np.flatnonzero((share > 0.0) & (share < 1.0))),
            encoded=tuple((at, int(code)) for at in CATEGORIES for code in np.unique(features[~missing[:, at], at])),
        )

    def design(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return numeric columns, missing flags and category indicators, shape (rows, columns)."""
        values = features.astype(np.float64)
        missing = np.isnan(values)
        numeric = list(self.numeric)
        blocks = [
            np.where(missing[:, numeric], np.array(self.medians), values[:, numeric]),
            missing[:, list(self.flagged)].astype(np.float64),
            *[(values[:, [at]] == code).astype(np.float64) for at, code in self.encoded],
        ]
        return np.hstack(blocks)


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression with an L2 penalty on imputed, flagged, standardised, one-hot features.

    Attributes
    ----------
    preparation
        Imputation, flags and encoding.
    centre, scale
        Mean and standard deviation of every column of the design; columns that do not vary have scale 0 and are left
        out of the sum.
    coefficients, intercept
        Shapes (columns, 3) and (3,).
    """

    preparation: Preparation
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    intercept: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        features: NDArray[np.float32],
        target: NDArray[np.int64],
        weights: NDArray[np.float64],
        *,
        parameters: Mapping[str, Any],
        **_: Any,
    ) -> Logistic:
        """Fit preprocessing and coefficients on the same rows, on one BLAS thread.

        Parameters
        ----------
        features, target, weights
            Shapes (rows, 27), (rows,) with classes 0 to 2, (rows,).
        parameters
            ``inverse_penalty`` (C of scikit-learn), ``tolerance`` and ``max_iterations``.

        Raises
        ------
        RuntimeError
            When the solver did not converge.
        """
        preparation = Preparation.fit(features)
        design = preparation.design(features)
        centre = np.average(design, axis=0, weights=weights)
        spread = np.sqrt(np.average((design - centre) ** 2, axis=0, weights=weights))
        # A column that varies by rounding only is a constant: dividing by its spread would turn noise into signal.
        scale = np.where(spread > 1e-9 * np.maximum(np.abs(centre), 1e-3), spread, 0.0)
        standard = np.where(scale > 0.0, (design - centre) / np.where(scale > 0.0, scale, 1.0), 0.0)
        coefficients, intercept = _solve(standard, target, weights, parameters)
        return cls(
            preparation=preparation,
            centre=tuple(centre.tolist()),
            scale=tuple(scale.tolist()),
            coefficients=tuple(map(tuple, coefficients.tolist())),
            intercept=tuple(intercept.tolist()),
        )

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of a fall, a flat outcome and a rise, shape (rows, 3)."""
        design = self.preparation.design(features)
        score = np.tile(np.array(self.intercept), (len(features), 1))
        # Column by column instead of a matrix product: BLAS adds in another order for one row than for many (L-12.4).
        for column, (centre, scale) in enumerate(zip(self.centre, self.scale, strict=True)):
            if scale > 0.0:
                score += ((design[:, column] - centre) / scale)[:, None] * np.array(self.coefficients[column])
        odds = np.exp(score - score.max(axis=1, keepdims=True))
        probabilities: NDArray[np.float64] = odds / (odds[:, [0]] + odds[:, [1]] + odds[:, [2]])
        return probabilities

    def to_bytes(self) -> bytes:
        """Return the model with its preprocessing as canonical JSON."""
        return canonical_json({"model": "logistic", **asdict(self)}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Logistic:
        """Read what :meth:`to_bytes` wrote."""
        state = json.loads(content)
        prepared = state["preparation"]
        return cls(
            preparation=Preparation(
                numeric=tuple(prepared["numeric"]),
                medians=tuple(prepared["medians"]),
                flagged=tuple(prepared["flagged"]),
                encoded=tuple((at, code) for at, code in prepared["encoded"]),
            ),
            centre=tuple(state["centre"]),
            scale=tuple(state["scale"]),
            coefficients=tuple(map(tuple, state["coefficients"])),
            intercept=tuple(state["intercept"]),
        )


def _solve(
    design: NDArray[np.float64],
    target: NDArray[np.int64],
    weights: NDArray[np.float64],
    parameters: Mapping[str, Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients (columns, 3) and intercepts; a class without training rows gets an intercept no row can reach."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    classes = np.unique(target)
    coefficients = np.zeros((design.shape[1], N_CLASSES))
    intercept = np.full(N_CLASSES, -50.0)
    if len(classes) == 1:
        intercept[classes] = 0.0
        return coefficients, intercept
    model = LogisticRegression(
        C=parameters["inverse_penalty"],
        solver="newton-cholesky",
        tol=parameters["tolerance"],
        max_iter=parameters["max_iterations"],
    )
    with threadpool_limits(limits=1, user_api="blas"):
        model.fit(design, target, sample_weight=weights)
    if model.n_iter_.max() >= parameters["max_iterations"]:
        raise RuntimeError(
            f"expected the logistic regression to converge within {parameters['max_iterations']} iterations on "
            f"{len(design)} rows, found it did not; look for infinite or enormous feature values"
        )
    if len(classes) == 2:
        coefficients[:, classes[1]] = model.coef_[0]
        intercept[classes] = [0.0, model.intercept_[0]]
    else:
        coefficients[:, classes] = model.coef_.T
        intercept[classes] = model.intercept_
    return coefficients, intercept
