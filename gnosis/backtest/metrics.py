"""The rows of ``backtests.metrics``: every figure of a run beside its benchmarks, with intervals and reasons.

A figure without a defined value is null with a reason, never 0 or infinity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.backtest.account_figures import ACCOUNT_UNITS, NOT_POSITIVE, account_figures, capacity
from gnosis.backtest.benchmark_figures import BENCHMARK_UNITS, benchmark_figures
from gnosis.backtest.breakdowns import breakdown, periods, with_intervals
from gnosis.backtest.return_figures import RETURN_UNITS, Figure, return_figures
from gnosis.backtest.significance import Insufficient
from gnosis.backtest.trade_figures import trade_figures
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.backtest.random_entry import RandomEntry

RESAMPLES = 2000


@dataclass(frozen=True)
class Account:
    """What became of one series: rows of ``backtests.equity``, ``.fills`` and ``.trades``.

    Attributes
    ----------
    equity, fills
        The first row of ``equity`` is the deposit.
    trades
        None for a benchmark whose trades are of no interest.
    """

    equity: pl.DataFrame
    fills: pl.DataFrame
    trades: pl.DataFrame | None = None


def metrics_rows(
    run_key: str,
    accounts: Mapping[str, Account],
    *,
    seed: int,
    rates: pl.DataFrame | None = None,
    states: pl.DataFrame | None = None,
    random_entry: RandomEntry | Insufficient | None = None,
    resamples: int = RESAMPLES,
    is_cut: bool = True,
    only: str | None = None,
) -> pl.DataFrame:
    """Return the rows of ``backtests.metrics`` of one run.

    Parameters
    ----------
    run_key
        Of the run.
    accounts
        By series: ``strategy`` and ``buy_and_hold``, and ``volatility_targeted`` where there is one, all on the same
        sessions.
    seed
        Of every resampling.
    rates
        ``session`` and ``rate`` (simple return of cash over the bar that ends there) for every session after the first.
        None: a rate of zero, which the row ``risk_free_rate`` states.
    states
        ``session``, ``scope`` and ``bucket``, see :func:`gnosis.backtest.breakdowns.breakdown`. Months and years are
        cut in any case.
    random_entry
        Result of :func:`gnosis.backtest.random_entry.random_entry`, or why there is none.
    resamples
        0 makes no interval. Parts of a benchmark have none in any case.
    is_cut
        False leaves the parts of the run out.
    only
        The one series whose rows are wanted; None for all.

    Returns
    -------
    polars.DataFrame
        Sorted by its key; ``n`` counts returns, or closed trades for figures of trades.

    Raises
    ------
    ValueError
        For a missing series, series of different sessions, or sessions without a rate.
    """
    if missing := {"strategy", "buy_and_hold"} - set(accounts):
        raise ValueError(f"expected the accounts strategy and buy_and_hold, missing {sorted(missing)}")
    sessions = accounts["strategy"].equity["session"]
    for series, account in accounts.items():
        if not account.equity["session"].equals(sessions):
            raise ValueError(
                f"expected {series} on the {sessions.len()} sessions of the strategy, found other sessions "
                f"({account.equity.height}): run benchmarks from the same first session"
            )
    cash = _rates(sessions, rates)
    held = net_returns(accounts["buy_and_hold"].equity)
    rows: list[tuple[object, ...]] = []

    def add(series: str, scope: str, bucket: str, figures: Mapping[str, Figure], n: int) -> None:
        rows.extend(
            (run_key, series, scope, bucket, name, each.value, each.low, each.high, each.unit, each.reason, n)
            for name, each in figures.items()
        )

    cuts = periods(sessions) if states is None else pl.concat([periods(sessions), _cuts(states)])
    wanted = {series: account for series, account in accounts.items() if only in (None, series)}
    for series, account in wanted.items():
        own, n = net_returns(account.equity), account.equity.height - 1
        beside = _beside_benchmark(own, held, cash) if series == "strategy" else {}
        benchmark = held if series == "strategy" else None
        add(series, "all", "all", _whole(account, own, cash, beside, benchmark, seed, resamples), n)
        if account.trades is not None:
            n_closed = account.trades["exit_session"].drop_nulls().len()
            add(series, "all", "all", trade_figures(account.trades, seed=seed, resamples=resamples), n_closed)
        if is_cut and own is not None and own.size:
            frame = pl.DataFrame({"session": sessions[1:], "net_return": own, "rate": cash})
            drawn = resamples if series == "strategy" else 0
            for (scope, bucket), (figures, count) in breakdown(frame, cuts, seed=seed, resamples=drawn).items():
                add(series, scope, bucket, figures, count)
    if isinstance(random_entry, Insufficient):
        percentile = Figure(None, "ratio", random_entry.reason)
        add("strategy", "all", "all", {"random_entry_percentile": percentile}, random_entry.found)
    elif random_entry is not None:
        add("strategy", "all", "all", random_entry.strategy_figures(), random_entry.n_draws)
        add("random_entry", "all", "all", random_entry.figures(), random_entry.n_draws)
    schema = TABLES["backtests.metrics"].polars_schema
    columns = ["run_key", "series", "scope", "bucket", "metric", "value", "low", "high", "unit", "reason", "n"]
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in columns}, orient="row")
    synthetic = any(bool(account.equity["synthetic"].any()) for account in accounts.values())
    frame = frame.with_columns(synthetic=pl.lit(synthetic)).select(list(schema))
    return frame.sort(TABLES["backtests.metrics"].key)


def metrics_frame(
    run_key: str,
    equity: pl.DataFrame,
    fills: pl.DataFrame,
    held_equity: pl.DataFrame,
    held_fills: pl.DataFrame,
    *,
    only: str | None = None,
) -> pl.DataFrame:
    """Return the rows of the whole run that need no resampling: the strategy beside buy-and-hold, or one of them."""
    accounts = {"strategy": Account(equity, fills), "buy_and_hold": Account(held_equity, held_fills)}
    return metrics_rows(run_key, accounts, seed=0, resamples=0, is_cut=False, only=only)


def net_returns(equity: pl.DataFrame) -> NDArray[np.float64] | None:
    """Return the simple returns of the equity rows, or None when equity was not positive throughout."""
    values = equity["equity_usd"].to_numpy()
    return values[1:] / values[:-1] - 1 if (values > 0).all() else None


def _whole(
    account: Account,
    own: NDArray[np.float64] | None,
    cash: NDArray[np.float64],
    beside: dict[str, Figure],
    benchmark: NDArray[np.float64] | None,
    seed: int,
    resamples: int,
) -> dict[str, Figure]:
    if own is None:
        values = account.equity["equity_usd"]
        figures = _null(RETURN_UNITS, NOT_POSITIVE) | beside
        figures["total_return"] = Figure(values[-1] / values[0] - 1, "ratio")
        figures["maximum_drawdown"] = Figure(account.equity["drawdown"].min(), "ratio")  # type: ignore[arg-type]
    else:
        figures = return_figures(own, rates=cash) | beside
        figures = with_intervals(figures, own, rates=cash, benchmark=benchmark, seed=seed, resamples=resamples)
    figures |= account_figures(account.equity, account.fills, seed=seed, resamples=resamples)
    return figures | {"capacity": capacity(account.equity, account.fills, rates=cash)}


def _beside_benchmark(
    own: NDArray[np.float64] | None, held: NDArray[np.float64] | None, cash: NDArray[np.float64]
) -> dict[str, Figure]:
    if own is None or held is None:
        return _null(BENCHMARK_UNITS, NOT_POSITIVE if own is None else f"of buy-and-hold {NOT_POSITIVE}")
    return benchmark_figures(own, held, rates=cash)


def _null(units: Mapping[str, str], reason: str) -> dict[str, Figure]:
    return {name: Figure(None, unit, reason) for name, unit in units.items()}


def _cuts(states: pl.DataFrame) -> pl.DataFrame:
    return states.select("session", pl.col("scope", "bucket").cast(pl.String))


def _rates(sessions: pl.Series, rates: pl.DataFrame | None) -> NDArray[np.float64]:
    if rates is None:
        return np.zeros(max(sessions.len() - 1, 0))
    wanted = sessions[1:].to_frame()
    joined = wanted.join(rates.select("session", "rate"), on="session", how="left", maintain_order="left")
    if joined.height != wanted.height or joined["rate"].null_count():
        raise ValueError(
            f"expected one rate for each of the {wanted.height} sessions after the first, found {joined.height} rows, "
            f"{joined['rate'].null_count()} of them without a rate"
        )
    return joined["rate"].to_numpy()


__all__ = [
    "ACCOUNT_UNITS",
    "BENCHMARK_UNITS",
    "RETURN_UNITS",
    "Account",
    "Figure",
    "benchmark_figures",
    "metrics_frame",
    "metrics_rows",
    "net_returns",
    "return_figures",
]
