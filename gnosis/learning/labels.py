"""Labels: what became of each decision, filed under the session in which the outcome became known.

A signal is formed at the close of session ``t``, filled at the open of ``t+1`` and closed at the close of ``t+h``. Its
label is the property of session ``t+h``: before that session it does not exist, so the tail of a history has no rows
rather than null rows, and no table of labels can hold a number from its own future. The barriers may decide sooner;
their row waits for the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning import meta_labels, triple_barrier
from gnosis.learning.bar_grid import BarGrid, BarsError, shifted
from gnosis.learning.obstacles import HALTED, NO_BAR, NO_SCALE, TRADED, reasons
from gnosis.learning.volatility import (
    HALF_LIFE,
    MIN_OBSERVATIONS,
    SIGMA_WINDOW,
    ewm_sigma,
    realised_volatility,
    volatility_estimator,
)
from gnosis.tables import TABLES
from gnosis.tables.models import HORIZONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DEAD_ZONE = 0.1
LOOKBACK_SESSIONS = SIGMA_WINDOW + 1


@dataclass(frozen=True)
class _Rules:
    """How outcomes are turned into labels, see :func:`labels`."""

    dead_zone: float
    upper_width: float
    lower_width: float
    round_trip_cost_bps: float

    def __post_init__(self) -> None:
        if not (self.dead_zone >= 0.0 and self.upper_width > 0.0 and self.lower_width > 0.0):
            raise ValueError(
                f"expected a dead zone of 0 or more and positive barrier widths, found {self.dead_zone}, "
                f"{self.upper_width} and {self.lower_width}"
            )


def labels(
    bars: pl.DataFrame,
    horizons: Sequence[int] = HORIZONS,
    *,
    intraday: pl.DataFrame | None = None,
    half_life: float = HALF_LIFE,
    min_observations: int = MIN_OBSERVATIONS,
    dead_zone: float = DEAD_ZONE,
    upper_width: float = triple_barrier.UPPER_WIDTH,
    lower_width: float = triple_barrier.LOWER_WIDTH,
    round_trip_cost_bps: float = meta_labels.ROUND_TRIP_COST_BPS,
) -> pl.DataFrame:
    """Return the label of every decision whose outcome is known within ``bars``.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars``, any order. To label the decisions that end in one session, pass that session and
        the ``LOOKBACK_SESSIONS + max(horizons)`` sessions before it: more history changes nothing.
    horizons
        Holding periods in sessions.
    intraday
        Rows of ``raw.intraday_bars`` of the last ``max(horizons)`` sessions, to decide sessions that touched both
        barriers. None: those labels stay null.
    half_life, min_observations
        Of the volatility scale, see :func:`gnosis.learning.volatility.ewm_sigma`.
    dead_zone
        Width of the flat class in units of ``sigma * sqrt(horizon)`` (L-2.4).
    upper_width, lower_width
        Log distances of the barriers from the entry in units of ``sigma * sqrt(horizon)`` (L-2.7).
    round_trip_cost_bps
        Basis points that a side must earn when no barrier is met (L-2.8).

    Returns
    -------
    polars.DataFrame
        ``models.labels``, sorted by its key. ``y_ret = ln(C[t+h] f[t+h] / (O[t+1] f[t+1]))`` with the forward-anchored
        adjustment factor ``f``: a split or dividend after ``t+h`` cannot reach it and the buyer at the open of an
        ex-date is not entitled (L-2.3). The factor reinvests a dividend at its ex-date, where L-2.3 adds it in cash;
        with one dividend ``D`` the two differ by about ``D/C`` times the return after the ex-date.

        ``reason`` is null exactly when ``y_dir`` is known. ``gap``: a session of the exchange between ``t`` and ``t+h``
        has no bar, nothing is computed. ``halted``: there is one, without volume and range, whose prices are nobody's.
        ``warmup_sigma``: no volatility scale yet, ``y_ret`` and ``y_vol`` are kept, the class, the magnitude and the
        barriers are null. There is no ``tail``: those rows come into being when their outcome does. There is no
        ``delisted``: no table tells of it. ``barrier_reason`` is null exactly when ``barrier_outcome`` is known; what
        happens after a barrier was met does not matter to it.

    Raises
    ------
    BarsError
        Missing columns, days that are not sessions, repeated keys or a horizon below one.
    ValueError
        A negative dead zone or cost, a width that is not positive, or ``intraday`` with other columns than its table.

    Notes
    -----
    Entry at the next open: López de Prado (2018), ch. 3, on labels that could have been traded.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.sessions import schedule
    >>> days = schedule().filter(pl.col("session").is_between(dt.date(2024, 1, 2), dt.date(2024, 1, 5)))
    >>> bars = days.select("session", known_at="close_at").with_columns(symbol=pl.lit("ABC"),
    ...     open=pl.Series([100.0, 101, 102, 101]), high=pl.Series([101.5, 102.5, 103, 103.5]),
    ...     low=pl.Series([99.5, 100.5, 100.5, 100.5]), close=pl.Series([101.0, 102, 101, 103]), volume=1e6,
    ...     adjustment_factor=1.0, provider=pl.lit("simulated"), synthetic=True)
    >>> known = labels(bars, horizons=(2,))
    >>> known["signal_session"].dt.to_string().to_list(), [round(value, 6) for value in known["y_ret"]]
    (['2024-01-02', '2024-01-03'], [0.0, 0.009756])
    """
    if not horizons or min(horizons) < 1:
        raise BarsError(f"expected horizons of at least one session, found {tuple(horizons)}")
    rules = _Rules(dead_zone, upper_width, lower_width, round_trip_cost_bps)
    table = TABLES["models.labels"]
    if bars.is_empty():
        return table.empty()
    grid = BarGrid(bars)
    close = np.log(grid.close)
    sigma = ewm_sigma(close - shifted(close, 1, np.nan), half_life, min_observations)
    frames = [_horizon(grid, sigma, h, rules, intraday) for h in sorted(set(horizons))]
    return pl.concat(frames).sort(table.key)


def _horizon(
    grid: BarGrid, sigma_at: NDArray[np.float64], h: int, rules: _Rules, intraday: pl.DataFrame | None
) -> pl.DataFrame:
    """Labels of one horizon: one row per bar that has ``h`` sessions after it."""
    table = TABLES["models.labels"]
    decided = grid.has_bar[:, : max(grid.exchange.height - h, 0)]
    start, symbol = (np.ascontiguousarray(axis) for axis in np.nonzero(decided.T))
    end = start + h
    sigma = sigma_at[symbol, start]
    y_ret = np.log(grid.close[symbol, end]) - np.log(grid.open[symbol, start + 1])
    obstacle = _obstacles(grid, symbol, start, end, sigma)
    y_ret[(obstacle == NO_BAR) | (obstacle == HALTED)] = np.nan
    met = triple_barrier.barrier_outcomes(
        grid,
        symbol,
        start,
        sigma,
        h,
        upper_width=rules.upper_width,
        lower_width=rules.lower_width,
        intraday=intraday,
    )
    side = meta_labels.sides(grid)[symbol, start]
    y_meta = meta_labels.meta_labels(side, met.outcome, met.log_return, rules.round_trip_cost_bps)
    scale = sigma * np.sqrt(h)
    threshold = rules.dead_zone * scale
    sessions = grid.exchange
    frame = pl.DataFrame(
        {
            "session": sessions["session"].gather(end),
            "symbol": grid.symbols.gather(symbol),
            "horizon_bars": np.full(len(end), h),
            "signal_session": sessions["session"].gather(start),
            "t0": sessions["close_at"].gather(start),
            "t1": sessions["close_at"].gather(end),
            "sigma_bar": sigma,
            "y_ret": y_ret,
            "y_dir": _known(((y_ret > threshold).astype(np.int8) - (y_ret < -threshold)), obstacle == TRADED),
            "y_mag": np.abs(y_ret) / scale,
            "y_vol": realised_volatility(grid, h)[symbol, end],
            "barrier_outcome": _known(met.outcome, met.obstacle == TRADED),
            "barrier_exit_price": met.exit_price,
            "barrier_return": met.log_return,
            "barrier_t1": sessions["close_at"].gather(pl.Series(_known(met.column, met.obstacle == TRADED))),
            "barrier_reason": reasons(met.obstacle, "barrier_reason"),
            "side": _known(side, side != 0),
            "y_meta": _known(y_meta, y_meta >= 0),
            "reason": reasons(obstacle, "reason"),
        }
    ).with_columns(pl.selectors.float().fill_nan(None))
    estimator = pl.when(pl.col("y_vol").is_not_null()).then(pl.lit(volatility_estimator(h)))
    frame = _with_origin(frame, grid, symbol, end, LOOKBACK_SESSIONS + h, met.finer)
    return (
        frame.with_columns(known_at=pl.max_horizontal("known_at", "t1"), volatility_estimator=estimator)
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
    )


def _known(values: NDArray, is_known: NDArray[np.bool_]) -> pl.Series:
    """Values with null where they are not known."""
    return pl.select(pl.when(pl.Series(is_known)).then(pl.Series(values))).to_series()


def _obstacles(
    grid: BarGrid,
    symbol: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    sigma: NDArray[np.float64],
) -> NDArray[np.int8]:
    """What stands between each decision and its class: a session without a price before a scale that is not there."""

    def is_met(state: int) -> NDArray[np.bool_]:
        until = np.cumsum(grid.state == state, axis=1)
        return until[symbol, end] > until[symbol, start]

    met = [is_met(NO_BAR), is_met(HALTED), np.isnan(sigma)]
    return np.select(met, [NO_BAR, HALTED, NO_SCALE], TRADED).astype(np.int8)


def _with_origin(
    frame: pl.DataFrame,
    grid: BarGrid,
    symbol: NDArray[np.int64],
    end: NDArray[np.int64],
    window: int,
    finer: pl.DataFrame,
) -> pl.DataFrame:
    """Add when, from whom and of what kind the bars of each label's window were, minutes that decided it included."""
    known, bits, providers = grid.origin(window)
    distinct, code = np.unique(bits[symbol, end], return_inverse=True)
    names = ["+".join(name for at, name in enumerate(providers) if one >> at & 1) for one in distinct.tolist()]
    synthetic = pl.Series((distinct >> len(providers) & 1).astype(bool))
    frame = frame.with_columns(
        known_at=pl.Series(known[symbol, end]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        provider=pl.Series(names, dtype=pl.String).gather(code),
        synthetic=synthetic.gather(code),
    )
    if finer.is_empty():
        return frame
    numbered = frame.with_row_index("row").cast({"row": pl.Int64})
    both = pl.concat([numbered.select(finer.columns).join(finer, on="row", how="semi"), finer])
    merged = both.group_by("row").agg(
        pl.col("known_at").max(),
        pl.col("provider").str.split("+").explode().unique().sort().str.join("+"),
        pl.col("synthetic").any(),
    )
    return numbered.update(merged, on="row")
