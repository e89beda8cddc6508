"""Labels: what became of each decision, filed under the session in which the outcome became known.

A signal is formed at the close of session ``t``, filled at the open of ``t+1`` and closed at the close of ``t+h``. Its
label is the property of session ``t+h``: before that session it does not exist, so the tail of a history has no rows
rather than null rows, and no table of labels can hold a number from its own future.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.tables.models import HORIZONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HALF_LIFE = 20.0
MIN_OBSERVATIONS = 60
DEAD_ZONE = 0.1
# The weight beyond 512 sessions at half-life 20 is 2e-8 of the total. A finite window is what lets one night's label
# equal the same label of a ten-year backfill, bit for bit.
SIGMA_WINDOW = 512
LOOKBACK_SESSIONS = SIGMA_WINDOW + 1

_NEEDED = ("session", "symbol", "open", "close", "adjustment_factor", "known_at", "provider", "synthetic")


class BarsError(ValueError):
    """Bars from which no labels can be formed."""


def _shifted(values: NDArray, by: int, fill: float) -> NDArray:
    """Move the columns of a (symbols, sessions) array ``by`` sessions to the right."""
    moved = np.full_like(values, fill)
    if by < values.shape[1]:
        moved[:, by:] = values[:, : values.shape[1] - by]
    return moved


def _trailing_sum(values: NDArray, window: int, decay: float) -> NDArray:
    """Sum ``decay**i * values[:, t-i]`` over ``i < window`` (a power of two), by doubling.

    Element by element and in the same order whatever the frame's start, hence exact repetition; no running total.
    """
    total, width = values, 1
    while width < window:
        total = total + decay**width * _shifted(total, width, 0)
        width *= 2
    return total


def _trailing_max(values: NDArray, window: int, lowest: float) -> NDArray:
    """Maximum of ``values[:, t-i]`` over ``i < window``, by doubling and one overlapping step."""
    highest, width = values, 1
    while 2 * width <= window:
        highest = np.maximum(highest, _shifted(highest, width, lowest))
        width *= 2
    if width < window:
        highest = np.maximum(highest, _shifted(highest, window - width, lowest))
    return highest


def ewm_sigma(
    log_returns: NDArray[np.float64],
    half_life: float = HALF_LIFE,
    min_observations: int = MIN_OBSERVATIONS,
) -> NDArray[np.float64]:
    """Return the exponentially weighted volatility per session around a mean of zero (L-2.2).

    Parameters
    ----------
    log_returns
        Close-to-close log returns, shape (symbols, sessions), NaN where missing.
    half_life
        Sessions after which a return counts half.
    min_observations
        Fewer returns than this in the window give NaN.

    Returns
    -------
    numpy.ndarray
        1/sqrt(session), shape of ``log_returns``; position ``t`` uses returns up to ``t`` and no more than
        ``SIGMA_WINDOW`` of them. NaN also where every return is zero: a scale of zero measures nothing.

    Notes
    -----
    RiskMetrics (1996): ``sigma_t^2 = sum w_i r^2_{t-i} / sum w_i`` with ``w_i = 0.5^(i / half_life)``.

    Examples
    --------
    >>> float(ewm_sigma(np.array([[0.01, -0.02, 0.015]]), half_life=2, min_observations=3)[0, -1].round(12))
    0.015898062845
    """
    present = np.isfinite(log_returns)
    squared = np.where(present, log_returns, 0.0) ** 2
    decay = 0.5 ** (1.0 / half_life)
    weight = _trailing_sum(present.astype(np.float64), SIGMA_WINDOW, decay)
    observations = _trailing_sum(present.astype(np.float64), SIGMA_WINDOW, 1.0)
    sigma = np.sqrt(_trailing_sum(squared, SIGMA_WINDOW, decay) / np.where(weight > 0.0, weight, np.nan))
    return np.where((observations >= min_observations) & (sigma > 0.0), sigma, np.nan)


class _Grid:
    """Bars laid out as arrays of shape (symbols, exchange sessions), missing bars NaN."""

    def __init__(self, bars: pl.DataFrame) -> None:
        absent = [name for name in _NEEDED if name not in bars.columns]
        if absent:
            raise BarsError(f"expected columns {list(_NEEDED)}, found none of {absent}; pass rows of raw.equity_bars")
        first, last = bars["session"].min(), bars["session"].max()
        self.exchange = schedule().filter(pl.col("session").is_between(first, last))
        self.symbols = bars["symbol"].unique().sort()
        unknown = bars.filter(~pl.col("session").is_in(self.exchange["session"].implode()))
        if unknown.height:
            raise BarsError(
                f"expected sessions of XNYS only, found {unknown.height} rows of other days, first "
                f"{unknown['symbol'][0]} {unknown['session'][0]}; clean raw.equity_bars before labelling"
            )
        duplicated = bars.filter(bars.select("session", "symbol").is_duplicated())
        if duplicated.height:
            raise BarsError(
                f"expected one bar per symbol and session, found {duplicated.height} rows sharing a key, first "
                f"{duplicated['symbol'][0]} {duplicated['session'][0]}; remove the repeats"
            )
        self.row = self.symbols.search_sorted(bars["symbol"]).to_numpy()
        self.column = self.exchange["session"].search_sorted(bars["session"]).to_numpy()
        self.bars = bars

    def floats(self, expression: pl.Expr) -> NDArray[np.float64]:
        return self._fill(self.bars.select(expression).to_series().cast(pl.Float64).to_numpy(), np.nan)

    def integers(self, expression: pl.Expr) -> NDArray[np.int64]:
        values = self.bars.select(expression).to_series().cast(pl.Int64).to_numpy()
        return self._fill(values, np.iinfo(np.int64).min)

    def _fill(self, values: NDArray, missing: float) -> NDArray:
        grid = np.full((len(self.symbols), self.exchange.height), missing, dtype=values.dtype)
        grid[self.row, self.column] = values
        return grid


def _origin(grid: _Grid, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Latest known_at (µs), and a bit set of providers and the synthetic flag over the trailing window."""
    known = _trailing_max(grid.integers(pl.col("known_at").dt.epoch("us")), window, np.iinfo(np.int64).min)
    providers = sorted({part for name in grid.bars["provider"].unique() for part in name.split("+")})
    sources = [pl.col("provider").str.split("+").list.contains(name) for name in providers] + [pl.col("synthetic")]
    bits = np.zeros(known.shape, dtype=np.int64)
    for position, source in enumerate(sources):
        used = np.maximum(grid.integers(source), 0)
        bits |= _trailing_max(used, window, 0) << position
    return known, bits, providers


def _provider_names(bits: pl.Series, providers: list[str]) -> pl.DataFrame:
    """Names and synthetic flag that each bit set stands for."""
    distinct = bits.unique().sort()
    names = ["+".join(name for at, name in enumerate(providers) if code >> at & 1) for code in distinct]
    synthetic = [bool(code >> len(providers) & 1) for code in distinct]
    return pl.DataFrame({"bits": distinct, "provider": names, "synthetic": synthetic})


def labels(
    bars: pl.DataFrame,
    horizons: Sequence[int] = HORIZONS,
    *,
    half_life: float = HALF_LIFE,
    min_observations: int = MIN_OBSERVATIONS,
    dead_zone: float = DEAD_ZONE,
) -> pl.DataFrame:
    """Return the label of every decision whose outcome is known within ``bars``.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars``, any order. To label the decisions that end in one session, pass that session and
        the ``LOOKBACK_SESSIONS + max(horizons)`` sessions before it: more history changes nothing.
    horizons
        Holding periods in sessions.
    half_life, min_observations
        Of the volatility scale, see :func:`ewm_sigma`.
    dead_zone
        Width of the flat class in units of ``sigma * sqrt(horizon)`` (L-2.4).

    Returns
    -------
    polars.DataFrame
        ``models.labels``, sorted by its key. ``y_ret = ln(C[t+h] f[t+h] / (O[t+1] f[t+1]))`` with the forward-anchored
        adjustment factor ``f``: a split or dividend after ``t+h`` cannot reach it and the buyer at the open of an
        ex-date is not entitled (L-2.3). The factor reinvests a dividend at its ex-date, where L-2.3 adds it in cash;
        with one dividend ``D`` the two differ by about ``D/C`` times the return after the ex-date.

        ``reason`` is null exactly when ``y_dir`` is known. ``gap``: a session of the exchange between ``t`` and ``t+h``
        has no bar, nothing is computed. ``warmup_sigma``: no volatility scale yet, ``y_ret`` is kept, the class and the
        magnitude are null. There is no ``tail``: those rows come into being when their outcome does.

    Raises
    ------
    BarsError
        Missing columns, days that are not sessions, repeated keys or a horizon below one.

    Notes
    -----
    Entry at the next open: López de Prado (2018), ch. 3, on labels that could have been traded.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.sessions import sessions_between
    >>> days = sessions_between(dt.date(2024, 1, 2), dt.date(2024, 1, 5))
    >>> close_at = schedule().filter(pl.col("session").is_in(days))["close_at"]
    >>> bars = pl.DataFrame({"session": days, "symbol": "ABC", "open": [100.0, 101, 102, 101],
    ...     "close": [101.0, 102, 101, 103], "adjustment_factor": 1.0, "known_at": close_at,
    ...     "provider": "simulated", "synthetic": True})
    >>> known = labels(bars, horizons=(2,))
    >>> known["signal_session"].dt.to_string().to_list(), [round(value, 6) for value in known["y_ret"]]
    (['2024-01-02', '2024-01-03'], [0.0, 0.009756])
    """
    if not horizons or min(horizons) < 1:
        raise BarsError(f"expected horizons of at least one session, found {tuple(horizons)}")
    table = TABLES["models.labels"]
    if bars.is_empty():
        return table.empty()
    grid = _Grid(bars)
    open_ = np.log(grid.floats(pl.col("open") * pl.col("adjustment_factor")))
    close = np.log(grid.floats(pl.col("close") * pl.col("adjustment_factor")))
    sigma = ewm_sigma(close - _shifted(close, 1, np.nan), half_life, min_observations)
    has_bar = np.isfinite(open_) & np.isfinite(close)
    frames = [_horizon(grid, open_, close, sigma, has_bar, h, dead_zone) for h in sorted(set(horizons))]
    return pl.concat(frames).sort(table.key)


def _horizon(
    grid: _Grid,
    open_: NDArray[np.float64],
    close: NDArray[np.float64],
    sigma: NDArray[np.float64],
    has_bar: NDArray[np.bool_],
    h: int,
    dead_zone: float,
) -> pl.DataFrame:
    """Labels of one horizon: arrays are indexed by the session of the outcome, ``t+h``."""
    table = TABLES["models.labels"]
    symbol, end = np.nonzero(_shifted(has_bar, h, False))
    start = end - h
    bars_held = np.cumsum(has_bar, axis=1)
    complete: NDArray[np.bool_] = (bars_held[symbol, end] - bars_held[symbol, start]) == h
    y_ret = np.where(complete, close[symbol, end] - open_[symbol, start + 1], np.nan)
    scale = sigma[symbol, start] * np.sqrt(h)
    known, bits, providers = _origin(grid, LOOKBACK_SESSIONS + h)
    sessions = grid.exchange
    frame = pl.DataFrame(
        {
            "session": sessions["session"].gather(end),
            "symbol": grid.symbols.gather(symbol),
            "horizon_bars": np.full(len(end), h),
            "signal_session": sessions["session"].gather(start),
            "t0": sessions["close_at"].gather(start),
            "t1": sessions["close_at"].gather(end),
            "sigma_bar": sigma[symbol, start],
            "y_ret": y_ret,
            "threshold": dead_zone * scale,
            "y_mag": np.abs(y_ret) / scale,
            "complete": complete,
            "known_at": pl.Series(known[symbol, end]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "bits": bits[symbol, end],
        }
    ).fill_nan(None)
    return (
        frame.join(_provider_names(frame["bits"], providers), on="bits", how="left", maintain_order="left")
        .with_columns(
            known_at=pl.max_horizontal("known_at", "t1"),
            y_dir=(pl.col("y_ret") > pl.col("threshold")).cast(pl.Int8)
            - (pl.col("y_ret") < -pl.col("threshold")).cast(pl.Int8),
            reason=pl.when(~pl.col("complete"))
            .then(pl.lit("gap"))
            .when(pl.col("sigma_bar").is_null())
            .then(pl.lit("warmup_sigma")),
        )
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
    )
