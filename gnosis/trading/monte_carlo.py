"""Monte Carlo of one linear idea: which barrier a path meets first, what it earns after costs, and how sure we are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

BARRIER_SHIFT = 0.5825971579390106
"""-zeta(1/2) / sqrt(2 pi), in volatilities of a step (Broadie, Glasserman and Kou 1997)."""
HORIZON, TARGET, STOP = 0, 1, 2
QUANTILES = (0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class LinearEvent:
    """A position in the underlying with a target and a stop.

    Attributes
    ----------
    side
        1 long, -1 short.
    target_log, stop_log
        Log distance of target and stop from the entry, in the direction of the price: positive above the entry.
    """

    side: int
    target_log: float
    stop_log: float

    def __post_init__(self) -> None:
        if self.side not in (1, -1):
            raise ValueError(f"expected side 1 or -1, found {self.side}")
        if not self.side * self.target_log > 0.0 > self.side * self.stop_log:
            found = f"target {self.target_log}, stop {self.stop_log} for side {self.side}"
            raise ValueError(f"expected the target on the side of the gain and the stop on the other, found {found}")


@dataclass(frozen=True, slots=True)
class LinearCosts:
    """Costs of a round trip per unit notional at the entry: ratios, and borrow per bar held."""

    entry: float
    exit: float
    borrow_per_bar: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What each path came to.

    Attributes
    ----------
    returns
        float64, shape (paths,): net profit per unit notional at the entry.
    ended_by
        int8, shape (paths,): :data:`TARGET`, :data:`STOP` or :data:`HORIZON`.
    bars_held
        int64, shape (paths,): bars until the exit.
    adverse_log
        float64, shape (paths,): the worst log move against the side while held, at least zero.
    """

    returns: Floats
    ended_by: NDArray[np.int8]
    bars_held: NDArray[np.int64]
    adverse_log: Floats


def linear_outcomes(
    paths: Floats,
    event: LinearEvent,
    costs: LinearCosts,
    sigma_per_bar: float,
    *,
    is_shifted: bool = True,
    has_gaps: bool = False,
) -> Outcomes:
    """Return the outcome of each path: the first barrier met, or the price at the horizon.

    A path is known at the end of each step only, a position is watched all the time. Each barrier is therefore moved
    towards the entry by ``BARRIER_SHIFT`` volatilities of a step; a diffusive path still leaves at the barrier itself
    (Broadie, Glasserman and Kou 1997). A path of a model with gaps leaves at its own price: at the barrier it would be
    spared every gap through its stop, and a price without drift would earn. When one step meets both barriers, the stop
    counts.

    Parameters
    ----------
    paths
        float64, shape (paths, steps): log price relative to the entry.
    event
        Side and barriers.
    costs
        Costs of entry and exit.
    sigma_per_bar
        Volatility of a step, for the shift of the barriers.
    is_shifted
        False when the position is looked at after each step only.
    has_gaps
        True for every model but ``gbm``.

    Raises
    ------
    ValueError
        For paths that are not of shape (paths, steps) with at least one of each.

    Examples
    --------
    >>> paths = np.log([[1.02, 1.07], [0.97, 1.10], [1.00, 1.01]])
    >>> event = LinearEvent(1, np.log(1.06), np.log(0.98))
    >>> found = linear_outcomes(paths, event, LinearCosts(0.0, 0.0), 0.015, is_shifted=False)
    >>> found.returns.round(4).tolist(), found.ended_by.tolist(), found.bars_held.tolist()
    ([0.06, -0.02, 0.01], [1, 2, 0], [2, 1, 2])
    """
    if paths.ndim != 2 or paths.size == 0:
        raise ValueError(f"expected paths of shape (paths, steps), found {paths.shape}")
    n_steps = paths.shape[1]
    shift = BARRIER_SHIFT * sigma_per_bar if is_shifted else 0.0
    gained = event.side * paths
    to_target = _first(gained >= max(event.side * event.target_log - shift, 0.0), n_steps)
    to_stop = _first(gained <= min(event.side * event.stop_log + shift, 0.0), n_steps)
    is_stop = (to_stop <= to_target) & (to_stop < n_steps)
    is_target = ~is_stop & (to_target < n_steps)
    ended_by = np.where(is_stop, STOP, np.where(is_target, TARGET, HORIZON)).astype(np.int8)
    last = np.minimum(np.minimum(to_target, to_stop), n_steps - 1)
    reached = paths[np.arange(len(paths)), last]
    exit_log = (
        reached if has_gaps else np.where(is_stop, event.stop_log, np.where(is_target, event.target_log, reached))
    )
    relative = np.exp(exit_log)
    held = last + 1
    returns = event.side * (relative - 1.0) - costs.entry - costs.exit * relative - costs.borrow_per_bar * held
    before = np.minimum.accumulate(gained, axis=1)[np.arange(len(paths)), np.maximum(last - 1, 0)]
    adverse = np.maximum(-np.minimum(np.where(last > 0, before, 0.0), event.side * exit_log), 0.0)
    return Outcomes(returns, ended_by, held, adverse)


def figures(outcomes: Outcomes, n_pairs: int) -> dict[str, float]:
    """Return what is published of a simulation; standard errors count an antithetic pair as one draw.

    ``var_95`` and ``cvar_95`` are losses per unit notional: the 95 % quantile of the loss and the mean loss beyond it.

    Parameters
    ----------
    outcomes
        Of ``2 n_pairs`` paths; row ``i + n_pairs`` is the mirror of row ``i``.
    n_pairs
        Number of antithetic pairs.

    Raises
    ------
    ValueError
        When the outcomes are not ``2 n_pairs``.

    Examples
    --------
    >>> ended = np.array([TARGET, STOP, TARGET, HORIZON], dtype=np.int8)
    >>> returns = np.array([0.06, -0.02, 0.06, 0.0])
    >>> found = figures(Outcomes(returns, ended, np.array([3, 2, 5, 5]), np.zeros(4)), n_pairs=2)
    >>> found["p_target"], found["p_stop"], round(found["expectancy"], 4), found["bars_held"]
    (0.5, 0.25, 0.025, 3.75)
    """
    if outcomes.returns.size != 2 * n_pairs:
        raise ValueError(f"expected {2 * n_pairs} outcomes of {n_pairs} pairs, found {outcomes.returns.size}")
    found: dict[str, float] = {}
    for name, kind in (("p_target", TARGET), ("p_stop", STOP), ("p_horizon", HORIZON)):
        found[name], found[f"{name}_se"] = _mean_of_pairs((outcomes.ended_by == kind).astype(np.float64), n_pairs)
    found["expectancy"], found["expectancy_se"] = _mean_of_pairs(outcomes.returns, n_pairs)
    ordered = np.sort(outcomes.returns)
    values = np.quantile(ordered, QUANTILES)
    found |= {f"return_q{round(100 * q):02d}": float(value) for q, value in zip(QUANTILES, values, strict=True)}
    found["var_95"] = -float(values[1])
    found["cvar_95"] = -float(ordered[: math.ceil(0.05 * ordered.size)].mean())
    found["bars_held"] = float(outcomes.bars_held.mean())
    found["adverse_log_median"] = float(np.median(outcomes.adverse_log))
    return found


def _first(is_met: NDArray[np.bool_], n_steps: int) -> NDArray[np.int64]:
    """Return the first step of each path where the condition holds, ``n_steps`` where it never does."""
    return np.where(is_met.any(axis=1), is_met.argmax(axis=1), n_steps)


def _mean_of_pairs(values: Floats, n_pairs: int) -> tuple[float, float]:
    pairs = (values[:n_pairs] + values[n_pairs:]) / 2.0
    error = float(pairs.std(ddof=1)) / math.sqrt(n_pairs) if n_pairs > 1 else math.nan
    return float(pairs.mean()), error
