"""Weights of training rows: how unique a label is, how heavy the market moved, how old the row is.

A label of a decision at session ``t`` depends on the bars ``t+1`` to ``t+h``: it is entered at the open of the first
and left at the close of the last. These bars are its interval here; the bar of the decision itself gives the label
nothing, and two labels that only meet there share no return. Purging is stricter: there the interval begins with the
decision.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from gnosis.learning.uniqueness import WeightingError, average_uniqueness
from gnosis.sessions import schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

AGE_HALF_LIFE = 250.0
ENERGY_LIMITS = (0.2, 5.0)
FEWEST_EFFECTIVE_SHARE = 0.3
"""Below this share of the rows the effective number is a warning."""
LEAST_EFFECTIVE_SHARE = 0.1
"""Below this share it is a failure: hardly any row counts."""
_NEGLIGIBLE_ENERGY = 1e-9

LabelEnd = Literal["t1", "barrier_t1"]
Verdict = Literal["ok", "warn", "fail"]


def energy_factor(movement_energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of each row by how little energy a move took, relative to the median row (L-3.2).

    Parameters
    ----------
    movement_energy
        Raw ``hedge_movement_energy`` of the training rows, not standardised, NaN where unknown.

    Returns
    -------
    numpy.ndarray
        float64, median over energy between 0.2 and 5; 1 where the energy is unknown.

    Raises
    ------
    WeightingError
        A negative or infinite energy: it was standardised, or is wrong.

    Examples
    --------
    >>> energy_factor(np.array([0.5, 1, 2, 8, 20, np.nan])).round(6).tolist()
    [4.0, 2.0, 1.0, 0.25, 0.2, 1.0]
    """
    is_known = ~np.isnan(movement_energy)
    known = movement_energy[is_known]
    if known.size == 0:
        return np.ones(movement_energy.shape)
    if (known < 0.0).any() or np.isinf(known).any():
        raise WeightingError(
            f"expected raw movement energies of 0 or more, found {known.min()} to {known.max()}; pass "
            "hedge_movement_energy as it is in features.matrix, not standardised"
        )
    factor = np.clip(np.median(known) / (movement_energy + _NEGLIGIBLE_ENERGY), *ENERGY_LIMITS)
    return np.where(is_known, factor, 1.0)


def age_factor(age_sessions: NDArray[np.int64], half_life: float = AGE_HALF_LIFE) -> NDArray[np.float64]:
    """Return the weight of each row by its age in sessions before the newest training row (L-3.3).

    Raises
    ------
    WeightingError
        A half-life that is not positive.

    Examples
    --------
    >>> age_factor(np.array([0, 250, 500])).tolist()
    [1.0, 0.5, 0.25]
    """
    if not half_life > 0.0:
        raise WeightingError(f"expected a half-life of more than 0 sessions, found {half_life}")
    return np.power(0.5, age_sessions / half_life)


def normalised(*factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the product of factors, scaled to mean 1.

    Examples
    --------
    >>> normalised(np.array([1.0, 0.5]), np.array([3.0, 2.0])).tolist()
    [1.5, 0.5]
    """
    product = np.prod(factors, axis=0)
    return product / product.mean() if product.size else product


@lru_cache(maxsize=1)
def _closes_us() -> NDArray[np.int64]:
    return schedule()["close_at"].dt.epoch("us").to_numpy()


def _session_number(instants: pl.Series) -> NDArray[np.int64]:
    """Number of the last session that had closed by each instant."""
    return np.searchsorted(_closes_us(), instants.dt.epoch("us").to_numpy(), side="right") - 1


def sample_weights(
    rows: pl.DataFrame, label_end: LabelEnd, *, with_energy: bool, half_life: float = AGE_HALF_LIFE
) -> NDArray[np.float64]:
    """Return the weights of the training rows of one fold: uniqueness, energy and age, with mean 1 (L-3).

    Parameters
    ----------
    rows
        Rows of ``models.dataset`` of one horizon whose label is known: all that are fitted, and no others.
    label_end
        Column with the end of the interval that the label depends on.
    with_energy
        False leaves the energy factor out (L-3.4).
    half_life
        Sessions after which a row counts half.

    Returns
    -------
    numpy.ndarray
        float64, positive, in the order of the rows.

    Raises
    ------
    WeightingError
        Rows of several horizons, a row without label or with a label that ends with its decision, or an energy that is
        negative.

    Examples
    --------
    >>> import datetime as dt
    >>> closes = [dt.datetime(2024, 1, day, 21, tzinfo=dt.UTC) for day in (2, 3, 4, 5)]
    >>> rows = pl.DataFrame({"horizon_bars": 2, "symbol": "ABC", "t0": closes[:2], "t1": closes[2:],
    ...     "movement_energy": [None, None]}, schema_overrides={"movement_energy": pl.Float64})
    >>> sample_weights(rows, "t1", with_energy=True, half_life=1.0).round(6).tolist()
    [0.666667, 1.333333]
    """
    if rows["horizon_bars"].n_unique() > 1:
        raise WeightingError(
            f"expected rows of one horizon, found {rows['horizon_bars'].unique().sort().to_list()}; weigh each apart"
        )
    unknown = rows["t0"].null_count() + rows[label_end].null_count()
    if unknown:
        raise WeightingError(
            f"expected t0 and {label_end} in every row, found {unknown} nulls; drop rows without label"
        )
    decided, ended = _session_number(rows["t0"]), _session_number(rows[label_end])
    symbols = rows["symbol"].unique().sort()
    symbol = symbols.search_sorted(rows["symbol"]).cast(pl.Int64).to_numpy()
    newest = decided.max() if decided.size else 0
    factors = [average_uniqueness(symbol, decided + 1, ended), age_factor(newest - decided, half_life)]
    if with_energy:
        factors.append(energy_factor(rows["movement_energy"].fill_null(float("nan")).to_numpy()))
    return normalised(*factors)


def effective_sample_size(weights: NDArray[np.float64]) -> float:
    """Return the effective number of rows, ``(sum w)^2 / sum w^2`` (Kish 1965).

    Examples
    --------
    >>> effective_sample_size(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / np.square(weights).sum()) if weights.size else 0.0


def weights_verdict(weights: NDArray[np.float64]) -> Verdict:
    """Return whether enough rows count: warn below 30 % of them as an effective number, fail below 10 % (L-3.5).

    Raises
    ------
    WeightingError
        A weight that is not positive and finite, or no weight.

    Examples
    --------
    >>> weights_verdict(np.ones(10)), weights_verdict(np.array([20.0, *[0.1] * 9]))
    ('ok', 'warn')
    """
    if not (weights.size and np.isfinite(weights).all() and (weights > 0.0).all()):
        raise WeightingError(f"expected positive, finite weights, found {weights.size} with others among them")
    share = effective_sample_size(weights) / weights.size
    if share < LEAST_EFFECTIVE_SHARE:
        return "fail"
    return "warn" if share < FEWEST_EFFECTIVE_SHARE else "ok"
