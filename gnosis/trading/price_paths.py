"""Price paths of one decision: seeded, antithetic, one array of shape (paths, steps) whatever the model.

All candidates of a decision are judged on the same paths, so that their difference is theirs and not the draw's.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
PathModelName: TypeAlias = Literal["gbm", "fhs", "t_jump"]

RESIDUAL_BARS = 504
FEWEST_RESIDUALS = 250


@dataclass(frozen=True, slots=True)
class PathModel:
    """How one bar moves, in units of the forecast volatility of a bar.

    Attributes
    ----------
    name
        ``gbm``: Gaussian (Black and Scholes 1973). ``fhs``: standardised residuals drawn again (Barone-Adesi,
        Giannopoulos and Vosper 1999). ``t_jump``: Student t of unit variance with jumps (Merton 1976), scaled so that
        both together have unit variance.
    residuals
        Sorted, mean zero and variance one; the residuals that ``fhs`` draws from, else empty.
    degrees_of_freedom
        Of the Student t, above 2.
    jumps_per_bar
        Mean number of jumps in a bar.
    jump_sigma
        Standard deviation of one jump, in volatilities of the bar's diffusive part.
    """

    name: PathModelName
    residuals: tuple[float, ...] = ()
    degrees_of_freedom: float = 5.0
    jumps_per_bar: float = 0.02
    jump_sigma: float = 3.0

    def __post_init__(self) -> None:
        if (self.name == "fhs") != bool(self.residuals):
            raise ValueError(
                f"expected residuals for fhs and for no other model, found {len(self.residuals)} in {self.name}"
            )
        if self.degrees_of_freedom <= 2.0:
            raise ValueError(f"expected degrees_of_freedom above 2, found {self.degrees_of_freedom}")


def decision_seed(symbol: str, as_of: dt.datetime, horizon_bars: int, model_version: str) -> int:
    """Return the seed of a decision: the first 8 bytes of the SHA-256 of what identifies it.

    Raises
    ------
    ValueError
        For an ``as_of`` without time zone.

    Examples
    --------
    >>> decision_seed("SPY", dt.datetime(2024, 6, 21, 20, tzinfo=dt.UTC), 5, "direction-3")
    17992977202122718250
    """
    if as_of.tzinfo is None:
        raise ValueError(f"expected as_of with a time zone, found {as_of}")
    named = "\n".join((symbol, as_of.astimezone(dt.UTC).isoformat(), str(horizon_bars), model_version))
    return int.from_bytes(hashlib.sha256(named.encode()).digest()[:8], "big")


def path_model(log_returns: Floats, sigma_per_bar: Floats) -> PathModel:
    """Return filtered historical simulation from the trailing bars, or ``t_jump`` when they are too few.

    Parameters
    ----------
    log_returns
        float64, shape (bars,): log return of each bar, oldest first; NaN where unknown.
    sigma_per_bar
        float64, shape (bars,): volatility of the bar as it was forecast before it; NaN where unknown.

    Returns
    -------
    PathModel
        Of the last 504 bars; ``t_jump`` with fewer than 250 residuals or when they are all alike.

    Raises
    ------
    ValueError
        For arrays of different shapes.

    Examples
    --------
    >>> returns = np.sin(np.arange(300.0)) / 100
    >>> path_model(returns, np.full(300, 0.01)).name, path_model(returns[:200], np.full(200, 0.01)).name
    ('fhs', 't_jump')
    """
    if log_returns.shape != sigma_per_bar.shape:
        raise ValueError(f"expected one volatility per return, found {sigma_per_bar.shape} for {log_returns.shape}")
    latest, scale = log_returns[-RESIDUAL_BARS:], sigma_per_bar[-RESIDUAL_BARS:]
    is_usable = np.isfinite(latest) & np.isfinite(scale) & (scale > 0.0)
    residuals = latest[is_usable] / scale[is_usable]
    if residuals.size < FEWEST_RESIDUALS or np.ptp(residuals) == 0.0:
        return PathModel("t_jump")
    return PathModel("fhs", tuple(np.sort((residuals - residuals.mean()) / residuals.std()).tolist()))


def innovations(model: PathModel, n_pairs: int, n_steps: int, seed: int) -> Floats:
    """Return antithetic innovations: row ``i + n_pairs`` mirrors row ``i``.

    Returns
    -------
    numpy.ndarray
        float64, shape (2 n_pairs, n_steps), in volatilities of a bar, mean zero, variance one. ``gbm`` and
        ``t_jump`` mirror the sign, ``fhs`` the rank: a draw from the left tail meets one as far into the right tail.

    Raises
    ------
    ValueError
        Unless ``n_pairs`` and ``n_steps`` are positive.

    Examples
    --------
    >>> drawn = innovations(PathModel("gbm"), 2_000, 20, seed=7)
    >>> drawn.shape, bool((drawn[0] == -drawn[2_000]).all())
    ((4000, 20), True)
    """
    if n_pairs < 1 or n_steps < 1:
        raise ValueError(f"expected at least one pair and one step, found {n_pairs} and {n_steps}")
    return _DRAWS[model.name](model, np.random.default_rng(np.random.SeedSequence(seed)), (n_pairs, n_steps))


def log_paths(drawn: Floats, drift_per_bar: float, sigma_per_bar: float) -> Floats:
    """Return log price relative to the entry after each step: the running sum of drift and scaled innovation.

    The drift is a mean log return, so no half variance is taken off it.

    Returns
    -------
    numpy.ndarray
        float64, shape (paths, steps).

    Raises
    ------
    ValueError
        For a drift that is not finite or a volatility that is not positive.

    Examples
    --------
    >>> log_paths(np.array([[1.0, -1.0]]), drift_per_bar=0.001, sigma_per_bar=0.01).round(4).tolist()
    [[0.011, 0.002]]
    """
    if not np.isfinite(drift_per_bar) or not (np.isfinite(sigma_per_bar) and sigma_per_bar > 0.0):
        raise ValueError(
            f"expected a finite drift and a positive volatility, found {drift_per_bar} and {sigma_per_bar}"
        )
    return np.cumsum(drawn * sigma_per_bar + drift_per_bar, axis=1)


def _gaussian(_: PathModel, generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    normal = generator.standard_normal(shape)
    return np.concatenate([normal, -normal])


def _resampled(model: PathModel, generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    residuals = np.array(model.residuals)
    rank = generator.integers(0, residuals.size, shape, dtype=np.int32)
    return residuals[np.concatenate([rank, residuals.size - 1 - rank])]


def _heavy_tailed(model: PathModel, generator: np.random.Generator, shape: tuple[int, int]) -> Floats:
    freedom = model.degrees_of_freedom
    diffusive = generator.standard_t(freedom, shape) * np.sqrt((freedom - 2.0) / freedom)
    n_jumps = generator.poisson(model.jumps_per_bar, shape)
    jumps = generator.standard_normal(shape) * np.sqrt(n_jumps) * model.jump_sigma
    drawn = (diffusive + jumps) / np.sqrt(1.0 + model.jumps_per_bar * model.jump_sigma**2)
    return np.concatenate([drawn, -drawn])


_DRAWS: dict[PathModelName, Callable[[PathModel, np.random.Generator, tuple[int, int]], Floats]] = {
    "gbm": _gaussian,
    "fhs": _resampled,
    "t_jump": _heavy_tailed,
}
