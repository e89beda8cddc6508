"""Figures of closed trades, and how many independent bets they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.backtest.return_figures import Figure, divide

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRADE_UNITS = {
    "trade_hit_rate": "ratio",
    "profit_factor": "ratio",
    "payoff_ratio": "ratio",
    "expectancy": "$",
    "expectancy_r": "initial risk",
    "sqn": "ratio",
    "mean_holding": "bars",
    "median_holding": "bars",
    "mean_mae_r": "initial risk",
    "mean_mfe_r": "initial risk",
    "mean_mae": "$",
    "mean_mfe": "$",
    "n_closed_trades": "count",
    "n_open_trades": "count",
    "n_independent_bets": "count",
}
_NO_TRADE = "no closed trade"
_UNDEFINED = {
    "profit_factor": "no losing trade",
    "payoff_ratio": "needs a winning and a losing trade",
    "sqn": "results in units of risk never vary",
}
_OF_RISK = ("expectancy_r", "sqn", "mean_mae_r", "mean_mfe_r")


def trade_paths(profit: NDArray[np.float64], risk: NDArray[np.float64] | None) -> dict[str, NDArray[np.float64]]:
    """Return the figures of trades for many samples at a time.

    Parameters
    ----------
    profit
        Profit of each trade in $, float64, shape (samples, trades).
    risk
        Initial risk of each trade in $, same shape; None when some trade had none.

    Returns
    -------
    dict of str to numpy.ndarray
        Shape (samples,), NaN where a figure is not defined. SQN is ``sqrt(N) mean(R) / sd(R)`` (Tharp 1998).

    Examples
    --------
    >>> trade_paths(np.array([[100.0, -50.0]]), np.array([[50.0, 50.0]]))["expectancy_r"].tolist()
    [0.5]
    """
    gains, losses = np.maximum(profit, 0).sum(axis=1), -np.minimum(profit, 0).sum(axis=1)
    n_gains, n_losses = (profit > 0).sum(axis=1), (profit < 0).sum(axis=1)
    mean_gain, mean_loss = divide(gains, n_gains.astype(float)), divide(losses, n_losses.astype(float))
    found = {
        "trade_hit_rate": np.mean(profit > 0, axis=1),
        "profit_factor": divide(gains, losses),
        "payoff_ratio": mean_gain / mean_loss,
        "expectancy": profit.mean(axis=1),
    }
    if risk is not None:
        results = profit / risk
        n = results.shape[1]
        moves = np.ptp(results, axis=1) > 0
        sd = np.where(moves, results.std(axis=1, ddof=1), 0.0) if n > 1 else np.zeros(len(results))
        found["expectancy_r"] = results.mean(axis=1)
        found["sqn"] = divide(results.mean(axis=1), sd) * np.sqrt(n)
    return found


def trade_figures(trades: pl.DataFrame, *, seed: int, resamples: int) -> dict[str, Figure]:
    """Return the figures of the closed trades of one run, ratios with their interval.

    Parameters
    ----------
    trades
        Rows of ``backtests.trades``.
    seed, resamples
        Of the stationary bootstrap over trades in the order of their entry, from 30 closed trades on; 0 resamples make
        no interval.

    Examples
    --------
    >>> import datetime as dt
    >>> day = dt.date(2024, 1, 2)
    >>> trades = pl.DataFrame({"trade_number": [0, 1], "entry_session": day, "exit_session": [day, None],
    ...     "profit_usd": [10.0, 5.0], "initial_risk_usd": [5.0, None], "mae_usd": -1.0, "mfe_usd": 12.0,
    ...     "holding_sessions": [3, 1]})
    >>> figures = trade_figures(trades, seed=1, resamples=0)
    >>> figures["expectancy_r"].value, figures["profit_factor"].reason, figures["n_open_trades"].value
    (2.0, 'no losing trade', 1.0)
    """
    closed = trades.filter(pl.col("exit_session").is_not_null()).sort("trade_number")
    n = closed.height
    counts = {
        "n_closed_trades": Figure(float(n), "count"),
        "n_open_trades": Figure(float(trades.height - n), "count"),
        "n_independent_bets": Figure(independent_bets(trades), "count"),
    }
    if n == 0:
        return {name: Figure(None, unit, _NO_TRADE) for name, unit in TRADE_UNITS.items()} | counts
    profit = closed["profit_usd"].to_numpy()
    without_risk = int((closed["initial_risk_usd"].fill_null(0.0) <= 0).sum())
    risk = None if without_risk else closed["initial_risk_usd"].to_numpy()
    values = {name: float(value[0]) for name, value in trade_paths(profit[None], _row(risk)).items()}
    values["mean_holding"] = float(closed["holding_sessions"].to_numpy().mean())
    values["median_holding"] = float(np.median(closed["holding_sessions"].to_numpy()))
    for name in ("mae", "mfe"):
        excursion = closed[f"{name}_usd"].to_numpy()
        values[f"mean_{name}"] = float(excursion.mean())
        if risk is not None:
            values[f"mean_{name}_r"] = float((excursion / risk).mean())
    edges = _intervals(profit, risk, seed, resamples)
    figures = {}
    for name, unit in TRADE_UNITS.items():
        value = values.get(name)
        if name in counts:
            figures[name] = counts[name]
        elif value is None and name in _OF_RISK:
            reason = f"{without_risk} of {n} closed trades had no protecting stop, so no initial risk"
            figures[name] = Figure(None, unit, reason)
        elif value is None or not np.isfinite(value):
            figures[name] = Figure(None, unit, _UNDEFINED[name])
        else:
            figures[name] = Figure(value, unit, None, *edges.get(name, (None, None)))
    return figures


def independent_bets(trades: pl.DataFrame) -> float:
    """Return the number of trades adjusted for overlap: the sum of their average uniqueness.

    A trade is unique to the extent that no other trade of the run is open at the same time, averaged over its days;
    trades of different symbols overlap as much as those of one, as if fully correlated. López de Prado (2018), ch. 4.

    Parameters
    ----------
    trades
        Rows of ``backtests.trades``; open ones count up to the last session of any trade.

    Examples
    --------
    >>> import datetime as dt
    >>> day = [dt.date(2024, 1, number) for number in (2, 3, 4)]
    >>> independent_bets(pl.DataFrame({"entry_session": [day[0], day[0], day[1]],
    ...     "exit_session": [day[1], day[1], day[2]]}))
    2.0
    """
    if trades.is_empty():
        return 0.0
    entry = trades["entry_session"].to_physical().to_numpy()
    leave = trades["exit_session"].to_physical()
    last = int(max(entry.max(), leave.drop_nulls().to_numpy().max(initial=entry.max()))) + 1
    # A session ends one trade and begins the next without both being held: intervals are half-open, at least one long.
    until = np.maximum(leave.fill_null(last).to_numpy(), entry + 1)
    times = np.unique(np.concatenate([entry, until]))
    start, stop = np.searchsorted(times, entry), np.searchsorted(times, until)
    change = np.bincount(start, minlength=times.size) - np.bincount(stop, minlength=times.size)
    held = np.cumsum(change)[:-1]
    length = np.diff(times).astype(np.float64)
    shared = np.concatenate([[0.0], np.cumsum(np.where(held > 0, length / np.maximum(held, 1), 0.0))])
    return float(((shared[stop] - shared[start]) / (until - entry)).sum())


def _row(values: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    return None if values is None else values[None]


def _intervals(
    profit: NDArray[np.float64], risk: NDArray[np.float64] | None, seed: int, resamples: int
) -> dict[str, tuple[float, float]]:
    from gnosis.backtest.resampling import FEWEST_RETURNS, mean_block_length, stationary_indices

    if resamples == 0 or profit.size < FEWEST_RETURNS:
        return {}
    chosen = stationary_indices(profit.size, mean_block_length(profit), resamples, seed)
    drawn = trade_paths(profit[chosen], None if risk is None else risk[chosen])
    edges = {}
    for name, values in drawn.items():
        if np.isfinite(values).all():
            low, high = np.quantile(values, [0.025, 0.975])
            edges[name] = (float(low), float(high))
    return edges
