"""Rows of equity, fills and trades made by hand, for tests of what is computed from them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from gnosis.backtest.metrics import Account
from gnosis.sessions import schedule
from gnosis.tables import TABLES

RUN_KEY = "k" * 64


def rows_of(table: str, columns: dict[str, object]) -> pl.DataFrame:
    """Return rows of a table; text columns that are not given are empty, numbers 0, times the first session's close."""
    schema = TABLES[table].polars_schema
    nullable = {name for name, column in TABLES[table].columns.items() if column.nullable}
    frame = pl.DataFrame(
        {name: value for name, value in columns.items() if not np.isscalar(value) and value is not None}
    )
    at = dt.datetime(2015, 1, 2, 21, tzinfo=dt.UTC)
    plain: dict[str, object] = {
        "run_key": RUN_KEY, "provider": "test", "synthetic": True, "known_at": at, "ts": at, "kind": "market",
        "is_ambiguous": False,
    }  # fmt: skip
    rest = {}
    for name, dtype in schema.items():
        if name in frame.columns:
            continue
        value = columns.get(name, plain.get(name, None if name in nullable else 0))
        rest[name] = pl.lit(value).cast(dtype)
    return frame.with_columns(**rest).select(list(schema)).cast(schema)


def sessions_of(n: int) -> pl.Series:
    return schedule().filter(pl.col("session") >= dt.date(2015, 1, 2)).head(n)["session"]


def equity_of(returns: np.ndarray, *, deposit: float = 1e6, gross: float = 0.5, costs: float = 10.0) -> pl.DataFrame:
    """Return equity rows that earn the returns, the deposit first."""
    values = deposit * np.concatenate([[1.0], np.cumprod(1 + returns)])
    charged = np.full(values.size, costs)
    charged[0] = 0.0
    return rows_of(
        "backtests.equity",
        {
            "session": sessions_of(values.size),
            "cash_usd": values * (1 - gross),
            "positions_usd": values * gross,
            "equity_usd": values,
            "gross_exposure_usd": values * gross,
            "net_exposure_usd": values * gross,
            "fees_usd": charged,
            "drawdown": values / np.maximum.accumulate(values) - 1,
        },
    )


def fills_of(equity: pl.DataFrame, quantity: float, *, impact: float = 5.0, fee: float = 10.0) -> pl.DataFrame:
    """Return one fill at 100 $ in each session after the first, alternately a purchase and a sale."""
    days = equity["session"][1:]
    n = days.len()
    return rows_of(
        "backtests.fills",
        {
            "fill_number": np.arange(n),
            "order_number": np.arange(n),
            "session": days,
            "signal_session": equity["session"][:-1],
            "symbol": ["SPY"] * n,
            "quantity_shares": np.where(np.arange(n) % 2, -quantity, quantity),
            "reference_price": np.full(n, 100.0),
            "fill_price": np.full(n, 100.0),
            "slippage_usd": np.full(n, impact),
            "impact_cost_usd": np.full(n, impact),
            "fee_usd": np.full(n, fee),
        },
    )


def trades_of(profits: list[float], entries: list[int], exits: list[int | None], sessions: pl.Series, **rest: object):
    """Return trades of SPY between session numbers."""
    n = len(profits)
    columns: dict[str, object] = {
        "trade_number": np.arange(n),
        "symbol": ["SPY"] * n,
        "side": ["long"] * n,
        "quantity_shares": np.ones(n),
        "entry_session": [sessions[at] for at in entries],
        "exit_session": pl.Series([None if at is None else sessions[at] for at in exits], dtype=pl.Date),
        "entry_price": np.full(n, 100.0),
        "exit_price": np.full(n, 100.0),
        "profit_usd": np.array(profits, dtype=float),
        "holding_sessions": [(sessions.len() if b is None else b) - a for a, b in zip(entries, exits, strict=True)],
        "mae_usd": np.full(n, -1.0),
        "mfe_usd": np.full(n, 2.0),
    }
    return rows_of("backtests.trades", columns | rest)


def account_of(returns: np.ndarray, *, with_trades: bool = False, quantity: float = 100.0) -> Account:
    """Return an account of the returns, with a trade of two sessions every third one."""
    equity = equity_of(returns)
    entries = list(range(1, equity.height - 3, 3))
    trades = trades_of(
        [float((-1) ** at * (10 + at)) for at in range(len(entries))],
        entries,
        [at + 2 for at in entries],
        equity["session"],
        quantity_shares=np.full(len(entries), 1000.0),
    )
    return Account(equity, fills_of(equity, quantity), trades if with_trades else None)
