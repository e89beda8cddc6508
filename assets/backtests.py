"""The backtests room: what the published ideas would have earned after costs, from books that balance on every bar."""

from __future__ import annotations

import polars as pl

from assets.checks import Finding, Stored, TableCheck
from assets.night import Night
from assets.plots import backtests as plots
from assets.table_asset import table_asset
from gnosis.backtest import Configuration, model_long_flat_short, run, tradable_symbols
from gnosis.backtest.trials import ChainError, verify_chain
from gnosis.tables import TABLES
from resources.code_identity import code_sha256

HALF_A_CENT = 0.005
MADE = ("backtests.runs", "backtests.fills", "backtests.equity", "backtests.metrics")


def _cash_plus_positions(stored: Stored) -> Finding:
    gap = (pl.col("cash_usd") + pl.col("positions_usd") - pl.col("equity_usd")).abs()
    worst, bars = stored.rows.select(gap.max(), pl.len()).collect().row(0)
    worst = worst or 0.0
    return Finding(worst < HALF_A_CENT, f"{bars} bars, worst difference {worst:.6f} $", {"worst_difference_usd": worst})


@table_asset(
    *MADE,
    reads=("raw.equity_bars", "trades.ideas"),
    plots={"backtests.fills": plots.fills, "backtests.equity": plots.equity},
    own_checks={
        "backtests.equity": [
            TableCheck("books_balance", "Cash plus positions is equity on every bar.", _cash_plus_positions)
        ]
    },
)
def backtest(night: Night) -> dict[str, pl.DataFrame]:
    """The published ideas traded at the next open with costs, from the first session that a model answered on."""
    ideas = night.read_all("trades.ideas")
    modelled = ideas.filter(pl.col("model_version").is_not_null())["session"].unique().sort().to_list()
    bars = night.read_all("raw.equity_bars")
    tradable = tradable_symbols(bars, modelled[0]) if modelled else []
    targets = model_long_flat_short(ideas).filter(pl.col("symbol").is_in(tradable))
    if targets.is_empty():
        night.say("backtests: no idea rests on a model yet")
        return {name: TABLES[name].empty() for name in MADE}
    targets = targets.filter(pl.col("session").is_between(modelled[0], modelled[-1]))
    universe = bars.filter(pl.col("symbol").is_in(targets["symbol"].unique().implode()))
    configuration = Configuration(strategy="model_long_flat_short")
    result = run(universe, targets, configuration, recorder=night.ledger, code_sha256=code_sha256())
    return {
        "backtests.runs": result.runs,
        "backtests.fills": result.fills,
        "backtests.equity": result.equity,
        "backtests.metrics": result.metrics,
    }


def _unbroken(stored: Stored) -> Finding:
    rows = stored.rows.sort("sequence").collect()
    try:
        verify_chain(rows)
    except ChainError as error:
        return Finding(False, str(error))
    n_trials, n_families = rows["trial_id"].n_unique(), rows["family"].n_unique()
    return Finding(True, f"{rows.height} rows, {n_trials} trials of {n_families} families", {"trials": n_trials})


@table_asset(
    "backtests.trials",
    reads=("models.dataset", "models.trained", "models.studies", "backtests.runs"),
    own_checks=[TableCheck("unbroken_chain", "No row was changed, removed or moved since it was written.", _unbroken)],
)
def trials(night: Night) -> pl.DataFrame:
    """The ledger of everything ever fitted, tuned or backtested in this home; statistics are deflated by its count."""
    return night.ledger.rows()
