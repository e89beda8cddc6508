"""The heads: the questions that models answer about a decision, and the loss that judges an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Head:
    """One question about a decision.

    Attributes
    ----------
    name
        As in ``models.trained``.
    n_classes
        Classes of the answer; 0 when the answer is a number.
    label_end
        Column of the data set with the end of the interval that the label depends on (L-2.9).
    models
        Families that can answer, baselines first.
    """

    name: str
    n_classes: int
    label_end: Literal["t1", "barrier_t1"]
    models: tuple[str, ...]

    @property
    def is_classes(self) -> bool:
        """True when the answer is a class with probabilities."""
        return self.n_classes > 0

    @property
    def baselines(self) -> tuple[str, ...]:
        """Families that every other one stands beside (L-8.2)."""
        return tuple(name for name in self.models if name in ("majority", "logistic", "ridge", "ewma"))


PUBLISHED = "xgboost"
"""Family whose answers are published; the others stand beside it."""
_CLASSIFIERS = ("majority", "logistic", "hist_gradient_boosting", "xgboost", "lightgbm", "sequence", "stack")
_REGRESSORS = ("majority", "ridge", "hist_gradient_boosting", "xgboost", "lightgbm", "sequence", "stack")

HEADS: dict[str, Head] = {
    head.name: head
    for head in (
        Head("direction", 3, "t1", _CLASSIFIERS),
        Head("magnitude", 3, "t1", _CLASSIFIERS),
        Head("volatility", 0, "t1", ("majority", "ewma", *_REGRESSORS[1:])),
        Head("return", 0, "t1", _REGRESSORS),
        Head("meta", 2, "barrier_t1", _CLASSIFIERS),
    )
}
"""By name: ``majority`` is the base rate of a class head and the training mean of a number."""


def class_edges(y_mag: NDArray[np.float64]) -> tuple[float, float]:
    """Return the edges of the magnitude classes: the 1/3 and 2/3 quantiles of the fitted rows (L-2.5).

    Examples
    --------
    >>> class_edges(np.array([0.0, 1.0, 2.0, 3.0]))
    (1.0, 2.0)
    """
    low, high = np.quantile(y_mag[np.isfinite(y_mag)], [1 / 3, 2 / 3])
    return float(low), float(high)


def targets(rows: pl.DataFrame, head: Head, edges: tuple[float, float] | None = None) -> NDArray[np.float64]:
    """Return what a head is judged by, NaN where it is unknown.

    Parameters
    ----------
    rows
        Rows of ``models.dataset``.
    head
        One of :data:`HEADS`.
    edges
        Of the magnitude classes, from :func:`class_edges` of the fitted rows; needed by ``magnitude`` only.

    Returns
    -------
    numpy.ndarray
        Shape (rows,). direction: 0 down, 1 flat, 2 up. magnitude: 0 small to 2 large. meta: 0 or 1. volatility: natural
        logarithm of ``y_vol``. return: ``y_ret / (sigma_bar sqrt(h))``.

    Raises
    ------
    ValueError
        ``magnitude`` without edges.

    Examples
    --------
    >>> rows = pl.DataFrame({"y_dir": [1, None, -1]})
    >>> targets(rows, HEADS["direction"]).tolist()
    [2.0, nan, 0.0]
    """
    if head.name == "direction":
        return _floats(rows, pl.col("y_dir") + 1.0)
    if head.name == "meta":
        return _floats(rows, pl.col("y_meta"))
    if head.name == "volatility":
        # A bar without any movement has no logarithm: unknown, as a volatility of zero measures nothing.
        return _floats(rows, pl.when(pl.col("y_vol") > 0.0).then(pl.col("y_vol").log()))
    if head.name == "return":
        return _floats(rows, pl.col("y_ret") / (pl.col("sigma_bar") * pl.col("horizon_bars").sqrt()))
    if edges is None:
        raise ValueError("expected the edges of the magnitude classes, found none; pass class_edges() of the fold")
    magnitude = _floats(rows, pl.col("y_mag"))
    return np.where(np.isnan(magnitude), np.nan, np.searchsorted(np.array(edges), magnitude, side="left"))


def _floats(rows: pl.DataFrame, expression: pl.Expr) -> NDArray[np.float64]:
    values: NDArray[np.float64] = rows.select(expression.cast(pl.Float64)).to_series().to_numpy()
    return values
