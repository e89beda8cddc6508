"""Replay an order tape on vectorbt; started through Dagster Pipes, which names the folder with ``bars`` and ``tape``.

``Portfolio.from_orders`` with the price of the open, signed sizes and proportional fees and slippage. It takes one
order for each bar and column, so what a symbol is ordered beyond the first time in a session has a column of its own;
all columns share cash. Cash is lent, so that no order is cut, and taken off again from the equity.
"""

from __future__ import annotations

import os
from pathlib import Path

# Compiling costs a minute on a new machine; without, an order costs some microseconds more. Read at the first import.
os.environ["NUMBA_DISABLE_JIT"] = "1"

import numpy as np
import pandas as pd
import polars as pl
import vectorbt as vbt
from dagster_pipes import open_dagster_pipes


def replay(bars: pl.DataFrame, tape: pl.DataFrame, cash: float) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the fills, and the equity at each session."""
    sessions = bars["session"].unique().sort()
    lanes = tape.select("symbol", "lane").unique().sort("symbol", "lane")
    columns = lanes.with_row_index("column")
    place = tape.join(columns, on=["symbol", "lane"], how="left", maintain_order="left")
    at = sessions.search_sorted(place["session"]).to_numpy(), place["column"].to_numpy()

    def grid(name: str) -> np.ndarray:
        values = np.full((sessions.len(), lanes.height), np.nan)
        values[at] = place[name].to_numpy()
        return values

    def of_bars(name: str) -> np.ndarray:
        wide = bars.pivot("symbol", index="session", values=name).sort("session")
        return np.column_stack([wide[symbol].to_numpy() for symbol in lanes["symbol"]])

    given = grid("price")
    portfolio = vbt.Portfolio.from_orders(
        pd.DataFrame(of_bars("close"), index=pd.DatetimeIndex(sessions.to_list())),
        size=grid("quantity_shares"),
        price=np.where(np.isnan(given), of_bars("open"), given),
        fees=np.nan_to_num(grid("fee_ratio")),
        slippage=np.nan_to_num(grid("slippage_ratio")),
        init_cash=cash,
        cash_sharing=True,
        group_by=True,
    )
    orders = portfolio.orders.records
    filled = pl.DataFrame(
        {
            "session": sessions.gather(orders["idx"].to_numpy()),
            "column": orders["col"].to_numpy(),
            "quantity_shares": np.where(orders["side"] == 0, orders["size"], -orders["size"]),
            "fill_price": orders["price"].to_numpy(),
            "fee_usd": orders["fees"].to_numpy(),
        },
        schema_overrides={"column": pl.UInt32},
    )
    numbered = place.select("tape_number", "session", "column")
    fills = filled.join(numbered, on=["session", "column"], how="left").drop("column")
    return fills, portfolio.value().to_numpy().ravel()


def main() -> None:
    """Replay the tape and write fills and equity beside it."""
    with open_dagster_pipes() as pipes:
        pipes.report_custom_message({"version": vbt.__version__})
        folder, lent = Path(pipes.get_extra("folder")), pipes.get_extra("lent_cash_usd")
        bars = pl.read_parquet(folder / "bars.parquet")
        tape = pl.read_parquet(folder / "tape.parquet").sort("tape_number")
        tape = tape.with_columns(lane=pl.int_range(pl.len()).over("session", "symbol"))
        fills, equity = replay(bars, tape, pipes.get_extra("initial_cash_usd") + lent)
        fills.write_parquet(folder / "fills.parquet")
        sessions = bars["session"].unique().sort()
        pl.DataFrame({"session": sessions, "equity_usd": equity - lent}).write_parquet(folder / "equity.parquet")


main()
