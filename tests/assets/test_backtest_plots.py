"""Pictures of the tear sheet: one for each thing to show, none where there is nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assets.plots import backtests as plots
from gnosis.tables import TABLES

DAYS = pl.date_range(pl.date(2015, 1, 2), pl.date(2016, 3, 1), eager=True).alias("session")


def equity_of(returns: np.ndarray) -> pl.DataFrame:
    values = 1e6 * np.concatenate([[1.0], np.cumprod(1 + returns)])
    return pl.DataFrame(
        {
            "session": DAYS.head(values.size),
            "equity_usd": values,
            "drawdown": values / np.maximum.accumulate(values) - 1,
            "synthetic": True,
        }
    )


EQUITY = equity_of(np.random.default_rng(1).normal(0, 0.01, 300))
HELD = equity_of(np.random.default_rng(2).normal(0, 0.01, 300))
BAND = pl.DataFrame({"session": EQUITY["session"], "median": 1.0, "low": 0.9, "high": 1.1})
COSTS = pl.DataFrame(
    {
        "series": ["strategy"] * 3, "scope": ["cost_multiple"] * 3, "bucket": ["2", "0.5", "10"],
        "metric": ["total_return"] * 3, "value": [0.1, 0.2, -0.3], "synthetic": True,
    }
)  # fmt: skip
TRADES = pl.DataFrame(
    {"exit_session": DAYS.head(2), "profit_usd": [5.0, -2.0], "mae_usd": -1.0, "mfe_usd": 6.0, "synthetic": False}
)
DRAWN = {
    "equity": lambda: plots.equity_beside_benchmarks(EQUITY, HELD, BAND),
    "no band": lambda: plots.equity_beside_benchmarks(EQUITY, HELD, None),
    "drawdown": lambda: plots.drawdown(EQUITY, HELD),
    "months": lambda: plots.monthly_returns(EQUITY),
    "rolling": lambda: plots.rolling_sharpe(EQUITY),
    "distribution": lambda: plots.return_distribution(EQUITY),
    "excursions": lambda: plots.trade_excursions(TRADES),
    "logits": lambda: plots.overfitting_logits(np.array([-1.0, 0.5, 2.0]), True),
    "costs": lambda: plots.cost_multiples(COSTS),
}


@pytest.mark.parametrize("name", DRAWN)
def test_equal_rows_give_equal_pictures(name) -> None:
    picture = DRAWN[name]()
    assert picture.startswith(b"\x89PNG")
    assert picture == DRAWN[name]()


def test_nothing_to_show_gives_no_picture() -> None:
    one, flat = EQUITY.head(1), equity_of(np.zeros(300))
    ruined = EQUITY.with_columns(equity_usd=pl.col("equity_usd") - 2e6)
    assert plots.equity_beside_benchmarks(one, one, None) is None
    assert plots.drawdown(one, one) is None
    assert plots.monthly_returns(one) is None
    assert plots.rolling_sharpe(EQUITY.head(200)) is None
    assert plots.return_distribution(flat) is None
    assert plots.return_distribution(ruined) is None
    assert plots.trade_excursions(TABLES["backtests.trades"].empty()) is None
    assert plots.overfitting_logits(np.empty(0), False) is None
    assert plots.cost_multiples(COSTS.with_columns(scope=pl.lit("all"))) is None


def test_stored_rows_are_enough_for_the_pictures_of_a_tear_sheet() -> None:
    columns = {"buy_and_hold_usd": HELD["equity_usd"]} | {
        f"random_entry_{name}_usd": pl.lit(1e6) for name in ("low", "median", "high")
    }
    rows = {"backtests.equity": EQUITY.with_columns(**columns), "backtests.trades": TRADES, "backtests.metrics": COSTS}
    assert list(plots.tear_sheet_pictures(rows)) == [
        "Equity", "Drawdown", "Return of each month", "Rolling Sharpe ratio", "Distribution of returns",
        "Excursions of trades", "Cost multiples",
    ]  # fmt: skip
    nothing = pl.lit(None, pl.Float64)
    alone = rows["backtests.equity"].with_columns(**dict.fromkeys(columns, nothing))
    assert "Equity" in plots.tear_sheet_pictures({**rows, "backtests.equity": alone})
