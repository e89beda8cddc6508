"""From candidates to the book of each evening: validated, sized by every factor in turn, capped, rounded to lots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.trading.caps import STEPS, capped, portfolio_scale
from gnosis.trading.sizing import energy_factor, estimation_shrinkage, volatility_fraction
from gnosis.trading.stress import linear_stress
from gnosis.trading.validation import CANDIDATE, findings

if TYPE_CHECKING:
    from gnosis.trading.parameters import IdeaParameters
    from gnosis.trading.path_forecasts import PathForecasts


def with_factors(candidates: pl.DataFrame, parameters: IdeaParameters) -> pl.DataFrame:
    """Return the candidates with every factor of their size and their product.

    ``fraction = min(volatility_fraction, kelly_share x estimation_shrinkage x kelly_fraction) x energy_factor x
    size_multiplier``, 0 where the edge is not positive.

    Parameters
    ----------
    candidates
        ``side`` (1, -1), ``net_edge``, ``net_edge_se``, ``kelly_fraction``, ``volatility_per_year``, the movement
        energies with their medians, ``amplification``, ``stiffness_p10``, ``stiffness_p90``, ``size_multiplier``.
    parameters
        Shares and targets.
    """

    def values(name: str) -> np.ndarray:
        return candidates[name].cast(pl.Float64).fill_null(np.nan).to_numpy()

    shrinkage = estimation_shrinkage(values("net_edge"), values("net_edge_se"))
    volatility = volatility_fraction(
        values("volatility_per_year"), parameters.target_volatility_per_year, parameters.risk_budget
    )
    side = candidates["side"].to_numpy()
    energy = energy_factor(
        side,
        values("hedge_movement_energy_up"),
        values("hedge_movement_energy_down"),
        np.where(side > 0, values("energy_up_median"), values("energy_down_median")),
        values("amplification"),
        values("stiffness_p10") * values("stiffness_p90") <= 0.0,
    )
    kelly = parameters.kelly_share * shrinkage * values("kelly_fraction")
    fraction = np.fmin(volatility, kelly) * energy.factor * values("size_multiplier")
    return candidates.with_columns(
        estimation_shrinkage=pl.Series(shrinkage).fill_nan(None),
        kelly_share=pl.lit(parameters.kelly_share),
        volatility_fraction=pl.Series(volatility).fill_nan(None),
        energy_factor=pl.Series(energy.factor),
        is_unstable=pl.Series(energy.is_unstable),
        fraction=pl.Series(np.where(np.isfinite(fraction), np.maximum(fraction, 0.0), 0.0)),
    )


def sized(
    candidates: pl.DataFrame, forecasts: PathForecasts, parameters: IdeaParameters
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the candidates with their sizes, and the findings of their validation.

    A candidate with an error gets no size and takes none from the others. What is left of an evening is capped, scaled
    to the volatility of the book and rounded to lots.

    Parameters
    ----------
    candidates
        Rows of :func:`with_factors` with the columns of :data:`gnosis.trading.validation.CANDIDATE` but ``units`` and
        ``breached_cap``, those of :data:`gnosis.trading.caps.COLUMNS`, ``session`` and ``symbol``.
    forecasts
        Returns behind the covariance.
    parameters
        Limits.
    """
    # A map shrinks odds: an edge that only the map has made is none.
    told = candidates.with_columns(
        net_edge=pl.min_horizontal("net_edge", "expectancy"),
        units=pl.lit(1, pl.Int64),
        breached_cap=pl.lit(None, pl.String),
    )
    before = findings(told, parameters.validation)
    barred = before.filter(severity="error")["candidate_id"].unique()
    is_barred = pl.col("candidate_id").is_in(barred.implode())
    free = candidates.with_columns(fraction=pl.when(is_barred).then(0.0).otherwise("fraction"))
    evenings = [_evening(part, forecasts, parameters) for part in free.partition_by("session", maintain_order=True)]
    if not evenings:
        return _nothing(free), before
    whole = pl.concat(evenings)
    final = whole.with_columns(
        breached_cap=pl.lit(None, pl.String), units=pl.when(is_barred).then(1).otherwise("units")
    )
    return whole, findings(final.select(list(CANDIDATE)), parameters.validation)


def _evening(ideas: pl.DataFrame, forecasts: PathForecasts, parameters: IdeaParameters) -> pl.DataFrame:
    stress = linear_stress(ideas["delta_sign"].to_numpy().astype(np.float64))
    first = capped(ideas, stress, parameters.equity_usd, parameters.sizing)
    weights = (first["size_after_together"] * first["delta_sign"]).to_numpy()
    scale = _book_scale(ideas, weights, forecasts, parameters)
    if scale == 1.0:
        return first.with_columns(portfolio_scale=pl.lit(1.0))
    # Smaller shares of the same book break no cap.
    again = ideas.with_columns(fraction=first["size_after_together"] * scale)
    rounded = capped(again, stress, parameters.equity_usd, parameters.sizing)
    return first.with_columns(rounded["size_after_lot"], rounded["units"], portfolio_scale=pl.lit(scale, pl.Float64))


def _book_scale(
    ideas: pl.DataFrame, weights: np.ndarray, forecasts: PathForecasts, parameters: IdeaParameters
) -> float:
    held = np.flatnonzero(weights)
    if held.size == 0:
        return 1.0
    place = {symbol: number for number, symbol in enumerate(forecasts.symbols)}
    lines = [place[symbol] for symbol in ideas["symbol"].gather(held).to_list()]
    end = int(forecasts.sessions.search_sorted(ideas["session"][0])) + 1
    window = forecasts.log_returns[lines, max(end - parameters.portfolio_sessions, 0) : end].T
    common = window[np.isfinite(window).all(axis=1)]
    if len(common) < 2:
        return 1.0
    return portfolio_scale(weights[held], common, parameters.target_volatility_per_year)


def _nothing(free: pl.DataFrame) -> pl.DataFrame:
    none = [pl.lit(None, pl.Float64).alias(f"size_after_{step}") for step in STEPS]
    return free.with_columns(
        *none,
        binding_cap=pl.lit(None, pl.String),
        units=pl.lit(None, pl.Int64),
        portfolio_scale=pl.lit(None, pl.Float64),
    )
