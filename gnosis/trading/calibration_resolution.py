"""What became of ideas by the price rules of the labels, with the stop counting where one bar holds both prices."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.bar_grid import COLUMNS, BarGrid
from gnosis.learning.obstacles import AMBIGUOUS, HALTED, NO_BAR, TRADED
from gnosis.sessions import schedule
from gnosis.tables.calibration import CALIBRATION

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRACE_SESSIONS = 5
"""How long after its horizon an idea waits for a missing bar before it counts as unresolvable."""
_RESOLUTION = ("session", "kind", "idea_id", "symbol", "horizon_bars", "outcome", "reason", "is_ambiguous")
_COLUMNS = (*_RESOLUTION, "entry_price", "exit_price", "exit_session", "known_at", "provider", "synthetic")


def resolution_rows(pending: pl.DataFrame, bars: pl.DataFrame, as_of: dt.datetime) -> pl.DataFrame:
    """Return the resolutions of ideas that were known at ``as_of``, not numbered or hashed.

    An idea is entered at the open after its session. A bar that opens beyond target or stop is left at its open; one
    that holds both prices is a stop and ambiguous; neither within the horizon is left at the last close. A halted
    session hides what happened, so that the outcome is null, and so does a bar that is still missing five sessions
    after the horizon. Nothing but a price that was met is known before ``resolves_at``.

    Parameters
    ----------
    pending
        Birth rows of ``trades.calibration``.
    bars
        Rows of ``raw.equity_bars`` from the session after the first of them on.
    as_of
        Knowledge cut-off, UTC: bars known later count as missing.

    Returns
    -------
    polars.DataFrame
        ``known_at`` is when the last bar needed was known, ``session`` the first that closes then or later.

    Raises
    ------
    ValueError
        For bars that begin after the entry of an idea.
    """
    calendar = schedule()
    known = bars.select(COLUMNS).filter(pl.col("known_at") <= as_of)
    pending = pending.filter(pl.col("as_of") <= as_of).sort("horizon_bars", "sequence", "idea_id")
    if pending.is_empty() or known.is_empty():
        return _empty()
    signal = calendar["session"].search_sorted(pending["session"]).cast(pl.Int64).to_numpy()
    grid = BarGrid(known)
    first = int(calendar["session"].search_sorted(grid.exchange["session"][0]))
    if (signal.min() + 1) < first:
        raise ValueError(
            f"expected bars from the session after {pending['session'].min()!s} on, found them from "
            f"{grid.exchange['session'][0]!s} on: read them from the first open idea"
        )
    found = _outcomes(grid, pending, signal - first)
    close = calendar["close_at"].dt.epoch("us").to_numpy()
    end = signal + pending["horizon_bars"].to_numpy()
    deadline, resolves_at = close[end + GRACE_SESSIONS], close[end]
    now = int(as_of.timestamp() * 1_000_000)
    # Only a price that was met ends an idea before its horizon.
    told_at = np.where(found["met"], found["known"], np.maximum(found["known"], resolves_at))
    is_gap = (found["obstacle"] == NO_BAR) | (told_at > deadline)
    told_at = np.where(is_gap, deadline, told_at)
    is_blind = is_gap | (found["obstacle"] == HALTED)
    session = calendar["session"].gather(np.minimum(np.searchsorted(close, told_at), close.size - 1))
    words = np.where(found["met"], np.where(found["is_target"], "target", "stop"), "horizon")
    rows = pending.select("idea_id", "symbol", "horizon_bars", "provider", "synthetic").with_columns(
        session=session,
        kind=pl.lit("resolution", CALIBRATION.polars_schema["kind"]),
        outcome=pl.Series(words),
        reason=pl.Series(np.where(is_gap, "gap", "halted")),
        is_ambiguous=pl.Series(found["obstacle"] == AMBIGUOUS),
        entry_price=pl.Series(found["entry"]),
        exit_price=pl.Series(found["price"]),
        exit_session=calendar["session"].gather(first + found["column"]),
        known_at=pl.from_epoch(pl.Series(told_at), "us").dt.replace_time_zone("UTC"),
        is_blind=pl.Series(is_blind),
        # A gap rests on no bar: what a late one says must not leak into the row.
        is_gap=pl.Series(is_gap),
        used_synthetic=pl.Series(found["synthetic"]),
    )
    blind = pl.col("is_blind")
    of_exit = ["outcome", "is_ambiguous", "entry_price", "exit_price", "exit_session"]
    exits = known.select("symbol", exit_session="session", bar_provider="provider")
    both = pl.concat_list(pl.col("provider", "bar_provider").str.split("+").fill_null([]))
    return (
        rows.filter(pl.Series(told_at <= now))
        .join(exits, on=["symbol", "exit_session"], how="left", maintain_order="left")
        .with_columns(
            *(pl.when(~blind).then(name).alias(name) for name in of_exit),
            reason=pl.when(blind).then("reason"),
            synthetic=pl.col("synthetic") | (pl.col("used_synthetic") & ~pl.col("is_gap")),
            provider=pl.when("is_gap").then("provider").otherwise(both.list.unique().list.sort().list.join("+")),
        )
        .select(_COLUMNS)
        .cast({name: CALIBRATION.polars_schema[name] for name in _COLUMNS})
    )


def _empty() -> pl.DataFrame:
    return CALIBRATION.empty().select(_COLUMNS)


def _outcomes(grid: BarGrid, pending: pl.DataFrame, signal: NDArray[np.int64]) -> dict[str, NDArray]:
    """Return what met each idea first: arrays by idea, ideas in the order of their horizons."""
    from gnosis.learning.triple_barrier_kernel import first_touches

    horizons = pending["horizon_bars"].to_numpy()
    wide = grid.exchange.height
    width = max(wide, int((signal + horizons).max()) + 1)

    def padded(values: NDArray, fill: float) -> NDArray:
        """Add a symbol without bars, for ideas about one that has none, and the sessions that are still to come."""
        whole = np.full((len(grid.symbols) + 1, width), fill, dtype=values.dtype)
        whole[:-1, :wide] = values
        return whole

    names = grid.symbols.to_frame("symbol").with_row_index("row")
    rows = pending.select("symbol").join(names, on="symbol", how="left", maintain_order="left")["row"]
    symbol = rows.cast(pl.Int64).fill_null(len(grid.symbols)).to_numpy()
    prices = (
        padded(grid.open, np.nan),
        padded(grid.high, np.nan),
        padded(grid.low, np.nan),
        padded(grid.close, np.nan),
    )
    state = padded(grid.state, NO_BAR)
    entry = prices[0][symbol, signal + 1]
    target = entry * np.exp(pending["target_log"].to_numpy())
    stop = entry * np.exp(pending["stop_log"].to_numpy())
    side = pending["side"].to_numpy()
    upper, lower = np.where(side > 0, target, stop), np.where(side > 0, stop, target)
    parts = []
    for horizon in np.unique(horizons):
        of = horizons == horizon
        parts.append(first_touches(prices, state, symbol[of], signal[of], upper[of], lower[of], int(horizon)))
    outcome, price, column, obstacle = (np.concatenate(values) for values in zip(*parts, strict=True))
    is_both = obstacle == AMBIGUOUS
    used_to = signal[:, None] + 1 + np.arange(int(horizons.max()))
    is_used = used_to <= column[:, None]
    inside = np.minimum(used_to, width - 1)

    def most(values: NDArray, fill: float) -> NDArray:
        of_bars = padded(values, fill)[symbol[:, None], inside]
        return np.where(is_used, of_bars, of_bars.dtype.type(fill)).max(axis=1)

    least = np.iinfo(np.int64).min
    return {
        "entry": entry,
        "price": np.where(is_both, stop, price),
        "column": column,
        "obstacle": obstacle,
        "met": is_both | ((outcome != 0) & (obstacle == TRADED)),
        "is_target": (outcome == side) & (obstacle == TRADED),
        "known": most(grid.integers(pl.col("known_at").dt.epoch("us")), least),
        "synthetic": most(np.nan_to_num(grid.floats(pl.col("synthetic"))), 0.0) > 0.0,
    }
