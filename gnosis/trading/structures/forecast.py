"""The price at each expiry as a forecast sees it, and as the market prices it: distributions on a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnosis.options.surface.svi import RawSvi, log_moneyness_distribution
from gnosis.trading.structures.chain import Flags, Floats, OptionChain, Positions

LEAST_POINTS = 16


@dataclass(frozen=True, slots=True, eq=False)
class PriceForecast:
    """Distribution of the price at each expiry, linear between the points of a grid.

    Attributes
    ----------
    price_usd
        float64, shape (expiries, points): ascending and positive; NaN in the rows of expiries without a forecast.
    cumulative
        float64, shape (expiries, points): probability of a price up to each point, rising within [0, 1]. What lies
        below the first point is spread between 0 and it, what lies above the last is counted at the last.

    Raises
    ------
    ValueError
        For shapes that differ, fewer than 16 points, prices that do not ascend or probabilities that fall.
    """

    price_usd: Floats
    cumulative: Floats

    def __post_init__(self) -> None:
        shape = self.price_usd.shape
        if self.cumulative.shape != shape or len(shape) != 2 or shape[1] < LEAST_POINTS:
            raise ValueError(
                f"expected prices and probabilities of one shape (expiries, at least {LEAST_POINTS} points), "
                f"found {shape} and {self.cumulative.shape}"
            )
        known = self.is_known
        price, cumulative = self.price_usd[known], self.cumulative[known]
        if not ((np.diff(price, axis=1) > 0.0).all() and (price > 0.0).all()):
            raise ValueError("expected ascending positive prices, found a row that is not; sort and remove repeats")
        if not ((np.diff(cumulative, axis=1) >= 0.0).all() and (cumulative >= 0.0).all() and (cumulative <= 1.0).all()):
            raise ValueError("expected probabilities that rise within [0, 1], found a row that does not")

    @property
    def is_known(self) -> Flags:
        """Whether an expiry has a forecast, shape (expiries,)."""
        return np.asarray(np.isfinite(self.price_usd + self.cumulative).all(axis=1), dtype=np.bool_)

    def below(self, expiry: int, price_usd: Floats) -> Floats:
        """Return the probability of a price up to each of ``price_usd`` at an expiry, in their shape."""
        at, known = self.price_usd[expiry], self.cumulative[expiry]
        return np.interp(price_usd, np.append(0.0, at), np.append(0.0, known))

    def weights(self, expiry: int, grid_usd: Floats) -> Floats:
        """Return probabilities of the points of a grid: half of each of both cells beside a point; they sum to 1."""
        return _cell_weights(self.below(expiry, grid_usd))

    def deviation(self, expiry: int) -> float:
        """Return the standard deviation of the log price at an expiry."""
        log = np.log(self.price_usd[expiry])
        weights = _cell_weights(self.cumulative[expiry])
        mean = float(weights @ log)
        return float(np.sqrt(weights @ (log - mean) ** 2))


def lognormal_forecast(
    chain: OptionChain, drift_per_year: float, volatility_per_year: float, points: int = 1001
) -> PriceForecast:
    """Return a forecast with normal log returns: mean ``drift_per_year`` x time, one volatility for all expiries.

    Parameters
    ----------
    chain
        Spot and times to expiry.
    drift_per_year
        Mean log return per year.
    volatility_per_year
        Standard deviation of the log return, per sqrt(year), positive.
    points
        Points per expiry, over eight deviations both ways.

    Raises
    ------
    ValueError
        For a volatility that is not positive.

    Examples
    --------
    See :func:`gnosis.trading.structures.ranking.ranked_candidates`.
    """
    from scipy.special import ndtr

    if not volatility_per_year > 0.0:
        raise ValueError(f"volatility_per_year: expected a positive value, found {volatility_per_year}")
    z = np.linspace(-8.0, 8.0, points)
    tau = chain.tau_years[:, None]
    price = chain.spot_usd * np.exp(drift_per_year * tau + volatility_per_year * np.sqrt(tau) * z)
    return PriceForecast(price, np.broadcast_to(ndtr(z), price.shape))


def sampled_forecast(samples_usd: Floats, points: int = 401) -> PriceForecast:
    """Return the forecast of simulated prices: their quantiles, linear in between.

    Parameters
    ----------
    samples_usd
        float64, shape (expiries, paths): simulated prices at each expiry, at least one per point.
    points
        Number of quantiles.

    Raises
    ------
    ValueError
        For fewer paths than points.

    Examples
    --------
    >>> found = sampled_forecast(np.linspace(90.0, 110.0, 1001)[None, :], points=21)
    >>> found.below(0, np.array([90.0, 100.0, 105.0])).round(3).tolist()
    [0.0, 0.5, 0.75]
    """
    if samples_usd.ndim != 2 or samples_usd.shape[1] < points:
        raise ValueError(f"expected samples of shape (expiries, at least {points} paths), found {samples_usd.shape}")
    levels = np.linspace(0.0, 1.0, points)
    price = np.quantile(samples_usd, levels, axis=1).T
    return PriceForecast(price, np.broadcast_to(levels, price.shape))


def risk_neutral_below(chain: OptionChain, expiry: Positions, price_usd: Floats) -> Floats:
    """Return the probability of a price up to ``price_usd`` under the surface's density, arrays of one shape.

    NaN prices stay NaN; a price of 0 has probability 0. The caller answers for the certificate of the surface.
    """
    taken = RawSvi(*(np.asarray(field)[expiry] for field in chain.surface))
    is_positive = price_usd > 0.0
    ratio = np.where(is_positive, price_usd, 1.0) / chain.forward_usd[expiry]
    below = np.where(is_positive, log_moneyness_distribution(taken, np.log(ratio)), 0.0)
    return np.where(np.isnan(price_usd), np.nan, below)


def _cell_weights(cumulative: Floats) -> Floats:
    return np.diff(np.concatenate([[0.0], (cumulative[1:] + cumulative[:-1]) / 2.0, [1.0]]))
