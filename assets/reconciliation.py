"""Every backtest replayed on other engines, with the cause of each difference."""

from __future__ import annotations

import json

import polars as pl

from assets.checks import Finding, Stored, TableCheck
from assets.night import Night
from assets.table_asset import table_asset
from gnosis.backtest.reconciliation import reconcile, unexplained
from gnosis.tables import TABLES

RECONCILIATION = "backtests.reconciliation"


def _unexplained_to_the_cent(stored: Stored) -> Finding:
    rows = stored.rows.collect()
    failing = unexplained(rows).sort("run_key", "engine", "session")
    status = pl.col("status").cast(pl.String)
    bars = dict(
        rows.filter(pl.col("cause").cast(pl.String) == "unexplained").group_by(status).len().sort("status").rows()
    )
    figures = {f"bars_{name}": count for name, count in bars.items()}
    told = ", ".join(f"{count} bars {name}" for name, count in bars.items()) or "no bars"
    if failing.is_empty():
        return Finding(True, told, figures)
    first = failing.row(0, named=True)
    found = "no result" if first["difference_usd"] is None else f"{first['difference_usd']:.4f} $ without a cause"
    return Finding(
        False,
        f"{told}; {first['engine']} at {first['session']}: {found}; {first['reason'] or 'every fill is alike'}",
        figures,
    )


@table_asset(
    RECONCILIATION,
    reads=("raw.equity_bars", "backtests.runs", "backtests.fills", "backtests.equity"),
    kinds=("polars", "parquet", "vectorbt", "backtrader", "zipline"),
    own_checks=[
        TableCheck(
            "unexplained_to_the_cent",
            "No bar differs between the engines by more than a cent that no convention explains.",
            _unexplained_to_the_cent,
        )
    ],
)
def reconciliation(night: Night) -> pl.DataFrame:
    """The orders of each backtest replayed on vectorbt, backtrader and zipline, to the cent, with every cause named."""
    if night.peers is None:
        raise RuntimeError("expected a run of Dagster, through which other engines are started, found none")
    runs = night.read_all("backtests.runs").sort("run_key")
    fills, equity = night.read_all("backtests.fills"), night.read_all("backtests.equity")
    bars = night.read_all("raw.equity_bars")
    parts = [TABLES[RECONCILIATION].empty()]
    told: set[str] = set()
    for run_key, stored in runs.select("run_key", "configuration").iter_rows():
        configuration = json.loads(stored)
        own_fills, own_equity = (rows.filter(pl.col("run_key") == run_key) for rows in (fills, equity))
        traded = bars.filter(pl.col("symbol").is_in(own_fills["symbol"].unique().implode()))
        results = night.peers.replay(own_fills, own_equity, traded, configuration)
        for result in results:
            if result.reason is not None and result.reason not in told:
                told.add(result.reason)
                # An engine that nobody installed is no fault.
                say = night.warn if result.is_installed else night.say
                say(f"{RECONCILIATION}: {result.reason}")
        parts.append(reconcile(run_key, own_fills, own_equity, traded, configuration, results))
    return pl.concat(parts)
