"""Candidates in the underlying itself: side from the composed odds, event of the registered label, size from paths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.learning.triple_barrier import LOWER_WIDTH, UPPER_WIDTH
from gnosis.trading.monte_carlo import BARRIER_SHIFT, QUANTILES, TARGET, LinearCosts, LinearEvent, Outcomes, figures
from gnosis.trading.price_paths import PathModel, decision_seed, innovations
from gnosis.trading.shrinkage import ShrinkageMap
from gnosis.trading.sizing import Floats, growth_fraction
from gnosis.trading.validation import Z_80

N_PAIRS = 4_000
MOST_NOTIONAL = 20.0
"""Largest notional that the growth-optimal fraction may reach, in equities; caps come after it."""
DECISION: dict[str, pl.DataType | type[pl.DataType]] = {
    "symbol": pl.String,
    "as_of": pl.Datetime("us", "UTC"),
    "horizon_bars": pl.Int64,
    "model_version": pl.String,
    "p_dir": pl.Float64,
    "z_se": pl.Float64,
    "sigma_per_bar": pl.Float64,
    "entry_cost": pl.Float64,
    "exit_cost": pl.Float64,
    "borrow_per_bar": pl.Float64,
}
"""Columns of a decision. Costs are ratios of notional; the model version is empty where no model voted; the rest is
never null: what is not known is vetoed before."""
_FIGURES = (
    *(f"{name}{end}" for name in ("p_target", "p_stop", "p_horizon", "expectancy") for end in ("", "_se")),
    *(f"return_q{round(100 * q):02d}" for q in QUANTILES),
    *("var_95", "cvar_95", "bars_held", "adverse_log_median"),
)
CANDIDATE: dict[str, pl.DataType | type[pl.DataType]] = {
    "symbol": pl.String,
    "as_of": pl.Datetime("us", "UTC"),
    "side": pl.Int8,
    **dict.fromkeys(("drift_per_bar", "target_log", "stop_log"), pl.Float64),
    "path_model": pl.String,
    "seed": pl.UInt64,
    "n_paths": pl.Int64,
    **dict.fromkeys(_FIGURES, pl.Float64),
    **dict.fromkeys(("p_raw", "p_event", "p_low", "p_high", "p_baseline"), pl.Float64),
    **dict.fromkeys(("gross_edge", "net_edge", "net_edge_se", "kelly_fraction"), pl.Float64),
}
"""Columns of a candidate."""


def linear_candidates(
    decisions: pl.DataFrame,
    models: Mapping[str, PathModel],
    n_pairs: int = N_PAIRS,
    maps: Sequence[ShrinkageMap] | None = None,
) -> pl.DataFrame:
    """Return one candidate per decision: its event, the odds of it, its edge with error, and its Kelly fraction.

    The composed probability of a rise, p, sets the drift: over the horizon h the mean log return is
    ``sigma sqrt(h) Phi^-1(p)``, so that a Gaussian path ends above its start with probability p. Target and stop lie
    one ``sigma sqrt(h)`` away, as in the label of the triple barrier. The error of the edge is what one standard error
    of the composed log odds does to it on the same paths.

    Parameters
    ----------
    decisions
        Rows with the columns of :data:`DECISION`, one per symbol and ``as_of``.
    models
        Path model of each symbol.
    n_pairs
        Antithetic pairs per decision.
    maps
        Map of earlier odds for each decision; none: odds stay as they were simulated. Edge and fraction are those of
        the outcomes weighted so that the target has its mapped probability.

    Returns
    -------
    polars.DataFrame
        In the order of the decisions: ``symbol``, ``as_of``, ``side`` (1, -1), ``drift_per_bar``, ``target_log``,
        ``stop_log``, ``path_model``, ``seed``, ``n_paths``, the figures of
        :func:`gnosis.trading.monte_carlo.figures`, ``p_raw`` (``p_target``, half a path away from 0 and 1), ``p_event``
        with its 80 % interval ``p_low`` to ``p_high``, ``p_baseline`` (of the target without drift), ``gross_edge`` and
        ``net_edge`` (mean profit per unit notional before and after costs), ``net_edge_se``, ``kelly_fraction``.

    Raises
    ------
    ValueError
        For missing columns, nulls, probabilities outside (0, 1), or a symbol without a path model.

    Examples
    --------
    >>> import datetime as dt
    >>> row = {"symbol": "SPY", "as_of": dt.datetime(2024, 6, 21, 20, tzinfo=dt.UTC), "horizon_bars": 5,
    ...     "model_version": "", "p_dir": 0.6, "z_se": 0.1, "sigma_per_bar": 0.01, "entry_cost": 2e-4,
    ...     "exit_cost": 2e-4, "borrow_per_bar": 0.0}
    >>> found = linear_candidates(pl.DataFrame([row], schema=DECISION), {"SPY": PathModel("gbm")})
    >>> [round(value, 4) for value in found.select("p_target", "p_baseline", "net_edge", "kelly_fraction").row(0)]
    [0.4085, 0.3169, 0.0039, 11.0064]
    """
    _require(decisions, models)
    known = [ShrinkageMap(covariance=(0.0, 0.0, 0.0))] * decisions.height if maps is None else maps
    if len(known) != decisions.height:
        raise ValueError(f"expected one map per decision, found {len(known)} for {decisions.height}")
    rows = [
        _candidate(row, models[row["symbol"]], n_pairs, earlier)
        for row, earlier in zip(decisions.iter_rows(named=True), known, strict=True)
    ]
    return pl.DataFrame(rows, schema=CANDIDATE)


def _candidate(row: Mapping[str, Any], model: PathModel, n_pairs: int, earlier: ShrinkageMap) -> dict[str, Any]:
    horizon, sigma, p_up = row["horizon_bars"], row["sigma_per_bar"], row["p_dir"]
    side = 1 if p_up >= 0.5 else -1
    scale = sigma * math.sqrt(horizon)
    # The label's barriers are named by direction of the price, the event's by direction of the gain.
    widths = (UPPER_WIDTH, LOWER_WIDTH) if side > 0 else (LOWER_WIDTH, UPPER_WIDTH)
    event = LinearEvent(side, side * widths[0] * scale, -side * widths[1] * scale)
    seed = decision_seed(row["symbol"], row["as_of"], horizon, row["model_version"])
    drawn = innovations(model, n_pairs, horizon, seed)
    costs = LinearCosts(row["entry_cost"], row["exit_cost"], row["borrow_per_bar"] if side < 0 else 0.0)
    logit = _logit(p_up)

    def drift(log_odds: float) -> float:
        return scale * NormalDist().inv_cdf(_odds(log_odds)) / horizon

    def walked(drift_per_bar: float) -> _Walk:
        return _Walk.of(drawn, drift_per_bar, sigma, event, has_gaps=model.name != "gbm")

    middle_walk = walked(drift(logit))
    net = middle_walk.outcomes(event, costs)
    shown = figures(net, n_pairs)
    low, middle, high = (
        _Calibrated.of(walked(drift(logit + step * row["z_se"])).outcomes(event, costs) if step else net, earlier)
        for step in (-1.0, 0.0, 1.0)
    )
    # One standard error of the composed odds, carried through paths and map, and the map's own.
    of_view = abs(_logit(high.p_event) - _logit(low.p_event)) / 2.0
    half = Z_80 * math.hypot(of_view, earlier.log_odds_error(middle.p_raw))
    # What the odds of the event are worth: the profit of the target beyond that of everything else.
    of_map = middle.worth * middle.p_event * (1.0 - middle.p_event) * earlier.log_odds_error(middle.p_raw)
    without_view = float((walked(0.0).ended_by == TARGET).mean())
    return {
        "symbol": row["symbol"],
        "as_of": row["as_of"],
        "side": side,
        "drift_per_bar": drift(logit),
        "target_log": event.target_log,
        "stop_log": event.stop_log,
        "path_model": model.name,
        "seed": seed,
        "n_paths": 2 * n_pairs,
        **shown,
        "p_raw": middle.p_raw,
        "p_event": middle.p_event,
        "p_low": _odds(_logit(middle.p_event) - half),
        "p_high": _odds(_logit(middle.p_event) + half),
        "p_baseline": _inside(without_view, 2 * n_pairs),
        "gross_edge": float(middle_walk.outcomes(event, LinearCosts(0.0, 0.0)).returns.mean()),
        "net_edge": middle.edge,
        "net_edge_se": math.hypot((high.edge - low.edge) / 2.0, of_map),
        "kelly_fraction": growth_fraction(net.returns, MOST_NOTIONAL, middle.weights),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """Where each path left, before costs: what a compiled walk finds of :func:`linear_outcomes`."""

    relative: Floats
    ended_by: NDArray[np.int8]
    held: NDArray[np.int64]
    adverse: Floats

    @classmethod
    def of(cls, drawn: Floats, drift: float, sigma: float, event: LinearEvent, *, has_gaps: bool) -> _Walk:
        from gnosis.trading.first_exits_kernel import first_exits

        n = len(drawn)
        walk = cls(np.empty(n), np.empty(n, np.int8), np.empty(n, np.int64), np.empty(n))
        first_exits(
            drawn, drift, sigma, event.side, event.target_log, event.stop_log, BARRIER_SHIFT * sigma, has_gaps,
            walk.relative, walk.ended_by, walk.held, walk.adverse,
        )  # fmt: skip
        return walk

    def outcomes(self, event: LinearEvent, costs: LinearCosts) -> Outcomes:
        gained = event.side * (self.relative - 1.0)
        returns = gained - costs.entry - costs.exit * self.relative - costs.borrow_per_bar * self.held
        return Outcomes(returns, self.ended_by, self.held, self.adverse)


@dataclass(frozen=True, slots=True, eq=False)
class _Calibrated:
    """Outcomes weighted so that the target has the probability that the map of earlier odds gives it."""

    p_raw: float
    p_event: float
    weights: Floats
    edge: float
    worth: float

    @classmethod
    def of(cls, outcomes: Outcomes, earlier: ShrinkageMap) -> _Calibrated:
        is_target = outcomes.ended_by == TARGET
        n, n_target = is_target.size, int(is_target.sum())
        p_raw = _inside(n_target / n, n)
        p_event = float(earlier(np.array([p_raw]))[0])
        weights = np.full(n, 1.0 / n)
        if 0 < n_target < n and p_event != p_raw:
            weights = np.where(is_target, p_event / n_target, (1.0 - p_event) / (n - n_target))
        worth = 0.0
        if 0 < n_target < n:
            worth = float(outcomes.returns[is_target].mean() - outcomes.returns[~is_target].mean())
        return cls(p_raw, p_event, weights, float(weights @ outcomes.returns), worth)


def _inside(probability: float, n_paths: int) -> float:
    return min(max(probability, 0.5 / n_paths), 1.0 - 0.5 / n_paths)


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


def _odds(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def _require(decisions: pl.DataFrame, models: Mapping[str, PathModel]) -> None:
    if missing := [name for name in DECISION if name not in decisions.columns]:
        raise ValueError(f"expected the columns {list(DECISION)}, missing {missing}")
    nulls = {
        name: count
        for name, count in decisions.select(pl.col(list(DECISION)).null_count()).row(0, named=True).items()
        if count
    }
    if nulls:
        raise ValueError(f"expected decisions without nulls, found {nulls}: veto what is not known before")
    outside = decisions.filter((pl.col("p_dir") <= 0.0) | (pl.col("p_dir") >= 1.0))
    if outside.height:
        raise ValueError(f"expected p_dir within (0, 1), found {outside['p_dir'][0]} for {outside['symbol'][0]}")
    if unknown := sorted(set(decisions["symbol"]) - set(models)):
        raise ValueError(f"expected a path model for every symbol, missing {unknown}")
