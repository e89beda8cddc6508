"""Candidates in the underlying itself: side from the composed odds, event of the registered label, size from paths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import polars as pl

from gnosis.learning.triple_barrier import LOWER_WIDTH, UPPER_WIDTH
from gnosis.trading.monte_carlo import LinearCosts, LinearEvent, Outcomes, figures, linear_outcomes
from gnosis.trading.price_paths import PathModel, decision_seed, innovations, log_paths
from gnosis.trading.sizing import Floats, growth_fraction

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


def linear_candidates(decisions: pl.DataFrame, models: Mapping[str, PathModel], n_pairs: int = N_PAIRS) -> pl.DataFrame:
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

    Returns
    -------
    polars.DataFrame
        In the order of the decisions: ``symbol``, ``as_of``, ``side`` (1, -1), ``drift_per_bar``, ``target_log``,
        ``stop_log``, ``path_model``, ``seed``, ``n_paths``, the figures of
        :func:`gnosis.trading.monte_carlo.figures`, ``p_baseline`` (of the target without drift), ``gross_edge`` and
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
    rows = [_candidate(row, models[row["symbol"]], n_pairs) for row in decisions.iter_rows(named=True)]
    if not rows:
        return pl.DataFrame(schema={"symbol": pl.String, "as_of": DECISION["as_of"]})
    return pl.DataFrame(rows, schema_overrides={"as_of": DECISION["as_of"], "seed": pl.UInt64, "side": pl.Int8})


def _candidate(row: Mapping[str, Any], model: PathModel, n_pairs: int) -> dict[str, Any]:
    horizon, sigma, p_up = row["horizon_bars"], row["sigma_per_bar"], row["p_dir"]
    side = 1 if p_up >= 0.5 else -1
    scale = sigma * math.sqrt(horizon)
    # The label's barriers are named by direction of the price, the event's by direction of the gain.
    widths = (UPPER_WIDTH, LOWER_WIDTH) if side > 0 else (LOWER_WIDTH, UPPER_WIDTH)
    event = LinearEvent(side, side * widths[0] * scale, -side * widths[1] * scale)
    seed = decision_seed(row["symbol"], row["as_of"], horizon, row["model_version"])
    drawn = innovations(model, n_pairs, horizon, seed)
    costs = LinearCosts(row["entry_cost"], row["exit_cost"], row["borrow_per_bar"] if side < 0 else 0.0)
    logit = math.log(p_up / (1.0 - p_up))

    def drift(log_odds: float) -> float:
        return scale * NormalDist().inv_cdf(1.0 / (1.0 + math.exp(-log_odds))) / horizon

    def outcomes(drift_per_bar: float, charged: LinearCosts) -> Outcomes:
        paths: Floats = log_paths(drawn, drift_per_bar, sigma)
        return linear_outcomes(paths, event, charged, sigma, has_gaps=model.name != "gbm")

    net = outcomes(drift(logit), costs)
    shown = figures(net, n_pairs)
    high, low = (outcomes(drift(logit + step * row["z_se"]), costs).returns.mean() for step in (1.0, -1.0))
    free = LinearCosts(0.0, 0.0)
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
        "p_baseline": figures(outcomes(0.0, free), n_pairs)["p_target"],
        "gross_edge": float(outcomes(drift(logit), free).returns.mean()),
        "net_edge": shown["expectancy"],
        "net_edge_se": abs(float(high - low)) / 2.0,
        "kelly_fraction": growth_fraction(net.returns, MOST_NOTIONAL),
    }


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
