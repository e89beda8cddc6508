"""Daily bars from intraday paths: one index, and symbols that move with it and on their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.simulate.draws import stream
from gnosis.simulate.volatility import SESSIONS_PER_YEAR, LogVolatility, persistent_factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

INDEX_VOLATILITY = LogVolatility(0.16)
OWN_VOLATILITY = LogVolatility(0.22, leverage=-0.2)


@dataclass(frozen=True)
class PathSpec:
    """How prices and volumes move.

    Attributes
    ----------
    index_volatility, own_volatility
        Volatility of the index and of each symbol's own part.
    beta
        Share of the index return in each symbol's return.
    drift_per_year
        Expected log return.
    overnight_share
        Share of a session's variance that falls between the closes and the next open.
    steps_per_session
        Intraday steps; high and low are the extremes over them. 26 steps are 15 minutes each.
    price_range_usd
        Range of the first prices, log-uniform by symbol.
    adv_usd
        Average daily dollar volume at the first price.
    edge_ic
        Correlation of the planted signal at a close with the next session's open-to-close return shock.
    """

    index_volatility: LogVolatility = INDEX_VOLATILITY
    own_volatility: LogVolatility = OWN_VOLATILITY
    beta: float = 1.0
    drift_per_year: float = 0.05
    overnight_share: float = 0.2
    steps_per_session: int = 26
    price_range_usd: tuple[float, float] = (20.0, 200.0)
    adv_usd: float = 2e8
    edge_ic: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.overnight_share < 1 and self.steps_per_session >= 2 and abs(self.edge_ic) < 1):
            raise ValueError(
                f"expected 0 <= overnight_share < 1, steps_per_session >= 2 and |edge_ic| < 1, found {self}"
            )


@dataclass(frozen=True)
class Path:
    """Standardised shocks of one price: shapes (n,) overnight and (n, steps) intraday, and annual volatility (n,)."""

    overnight: Floats
    intraday: Floats
    volatility: Floats


def shocks(
    spec: PathSpec, dynamics: LogVolatility, seed: int, symbol: str, length: int, multiple: Floats, signal: Floats
) -> Path:
    """Return the first ``length`` sessions of one path; a longer path begins with a shorter one.

    Parameters
    ----------
    spec, dynamics
        Path settings and volatility dynamics.
    seed, symbol
        Name of the stream.
    length
        Number of sessions n.
    multiple
        Shape (n,), factor on volatility (scripted regimes).
    signal
        Shape (n,), standard normal signal known at each close; enters the next session with weight ``edge_ic``.
    """
    steps = spec.steps_per_session
    draws = stream(seed, "bars.path", symbol).standard_normal((length, steps + 1))
    intraday = draws[:, 1:] / np.sqrt(steps)
    if spec.edge_ic:
        total = intraday.sum(axis=1)
        known = np.concatenate([[0.0], signal[:-1]])
        weight = np.where(np.arange(length) > 0, spec.edge_ic, 0.0)
        wanted = weight * known + np.sqrt(1 - weight**2) * total
        intraday += ((wanted - total) / steps)[:, None]
    share = spec.overnight_share
    daily = np.sqrt(share) * draws[:, 0] + np.sqrt(1 - share) * intraday.sum(axis=1)
    volatility = dynamics.path(daily, stream(seed, "bars.volatility", symbol).standard_normal(length)) * multiple
    return Path(draws[:, 0], intraday, volatility)


def signals(seed: int, symbol: str, length: int) -> Floats:
    """Return the planted signal of a symbol at each close: standard normal, shape (n,)."""
    return stream(seed, "bars.signal", symbol).standard_normal(length)


def price_path(spec: PathSpec, parts: Sequence[tuple[float, Path]], first_usd: float) -> dict[str, Floats]:
    """Return open, high, low, close and the price 15 minutes before the close, shape (n,) each, in dollars.

    Parameters
    ----------
    spec
        Path settings.
    parts
        Loadings and the shocks they apply to.
    first_usd
        Price at the close before the first session.
    """
    share, steps = spec.overnight_share, spec.steps_per_session
    scale = [load * path.volatility / np.sqrt(SESSIONS_PER_YEAR) for load, path in parts]
    variance = sum((np.square(s) for s in scale), np.zeros(len(parts[0][1].volatility)))
    drift = spec.drift_per_year / SESSIONS_PER_YEAR - variance / 2
    gap = np.sqrt(share) * sum(s * path.overnight for s, (_, path) in zip(scale, parts, strict=True)) + drift * share
    moves = np.sqrt(1 - share) * sum(s[:, None] * path.intraday for s, (_, path) in zip(scale, parts, strict=True))
    walk = np.cumsum(moves + (drift * (1 - share) / steps)[:, None], axis=1)
    before = np.log(first_usd) + np.concatenate([[0.0], np.cumsum(gap + walk[:, -1])[:-1]])
    start = before + gap
    snapshot = max(round(steps * (1 - 15 / 390)), 1) - 1
    logs = {
        "open": start,
        "high": start + np.maximum(walk.max(axis=1), 0),
        "low": start + np.minimum(walk.min(axis=1), 0),
        "close": start + walk[:, -1],
        "spot": start + walk[:, snapshot],
    }
    return {name: np.round(np.exp(values), 4) for name, values in logs.items()}


def volume_path(level_shares: Floats, absolute_move: Floats, seed: int, symbol: str) -> Floats:
    """Return shares traded per session, shape (n,): rises with the size of the move, otherwise persistent noise."""
    draws = stream(seed, "bars.volume", symbol).standard_normal(len(level_shares))
    log_excess = 0.25 * persistent_factor(draws, 0.6) + 0.2 * (absolute_move - np.sqrt(2 / np.pi))
    return np.round(level_shares * np.exp(log_excess - 0.04))


def first_price_usd(spec: PathSpec, seed: int, symbol: str) -> float:
    """Return the price from which a symbol's path starts."""
    low, high = np.log(spec.price_range_usd)
    return float(np.round(np.exp(stream(seed, "bars.first_price", symbol).uniform(low, high)), 2))


def bar_frame(calendar: pl.DataFrame, symbol: str, columns: dict[str, Floats]) -> pl.DataFrame:
    """Return columns of one symbol as rows with the session's closing instant and the columns of origin.

    Parameters
    ----------
    calendar
        ``session`` and ``close_at`` of n sessions.
    symbol
        Name of the symbol.
    columns
        Values of shape (n,).
    """
    return calendar.select("session", pl.lit(symbol).alias("symbol"), ts="close_at", known_at="close_at").with_columns(
        *(pl.Series(name, values) for name, values in columns.items()),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
