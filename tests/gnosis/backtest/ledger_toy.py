"""Vector V1 of the backtest specification as the rows that reconciliation reads: bars, fills and equity."""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.sessions import schedule

COSTS = {
    "initial_cash_usd": 100_000.0,
    "slippage": "proportional",
    "slippage_bps": 5.0,
    "fee_bps": 10.0,
    "cost_multiple": 1.0,
}
EQUITY = [
    100_000.0, 100_134.84495, 100_034.84495, 99_937.0150625, 99_862.0150625, 99_912.0150625, 99_904.249975,
    99_938.494725,
]  # fmt: skip


def toy_bars() -> pl.DataFrame:
    """Return the eight bars."""
    days = schedule().filter(pl.col("session") >= dt.date(2015, 1, 2)).head(8)
    return pl.DataFrame(
        {
            "session": days["session"],
            "symbol": "A",
            "open": [100.00, 101.00, 102.50, 101.50, 103.00, 104.50, 103.50, 105.00],
            "high": [101.50, 103.00, 103.00, 103.50, 105.00, 105.00, 105.50, 106.00],
            "low": [99.50, 100.50, 101.00, 101.00, 102.50, 103.00, 103.00, 104.00],
            "close": [101.00, 102.50, 101.50, 103.00, 104.50, 103.50, 105.00, 105.50],
            "volume": 1e6,
            "adjustment_factor": 1.0,
        }
    )


def toy_fills() -> pl.DataFrame:
    """Return the four fills."""
    return pl.DataFrame(
        {
            "fill_number": [0, 1, 2, 3],
            "session": toy_bars()["session"].gather([1, 3, 6, 7]),
            "symbol": "A",
            "kind": "market",
            "quantity_shares": [100.0, -150.0, 50.0, 100.0],
            "reference_price": [101.0, 101.5, 103.5, 105.0],
            "fill_price": [101.0505, 101.44925, 103.55175, 105.0525],
            "fee_usd": [10.10505, 15.2173875, 5.1775875, 10.50525],
        }
    )


def toy_equity() -> pl.DataFrame:
    """Return the equity at the eight closes."""
    return toy_bars().select(
        "session",
        equity_usd=pl.Series(EQUITY),
        borrow_usd=pl.lit(0.0),
        interest_usd=pl.lit(0.0),
        synthetic=pl.lit(True),
    )
