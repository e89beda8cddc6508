"""Tear sheets: each strategy, shipped or own, as an asset whose page shows what its backtest came to."""

import base64
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import polars as pl

from assets.backtests import MADE
from assets.plots.backtests import tear_sheet_pictures
from assets.table_asset import OWNERS, dependency
from gnosis.backtest.strategy import Strategy
from gnosis.backtest.tear_sheet import tear_sheet_html
from gnosis.trading.strategies import SHIPPED
from resources.lake_io_manager import LakeResource
from resources.strategy_files import StrategyFolder

ROOM = "strategies"
TEAR_SHEETS = "tear_sheets"
WALK_FORWARD = " walk-forward"
READS = (*MADE, "backtests.reconciliation")
SHOWN = ("total_return", "cagr", "sharpe", "maximum_drawdown", "turnover", "cost_share")


def tear_sheets(own: StrategyFolder) -> list[dg.AssetsDefinition]:
    """Return one asset for each strategy."""
    strategies: Sequence[Strategy] = [*SHIPPED, *(file.strategy for file in own.strategies)]
    return [tear_sheet(strategy) for strategy in strategies]


def tear_sheet(strategy: Strategy) -> dg.AssetsDefinition:
    """Return the asset ``strategies/<name>``."""

    @dg.asset(
        key=dg.AssetKey([ROOM, strategy.name]),
        deps=[dependency(name, is_by_session=False) for name in READS],
        group_name=ROOM,
        kinds={"python"},
        owners=OWNERS,
        description=f"{strategy.description}\n\nReads {', '.join(('raw.equity_bars', *strategy.reads))}.",
        metadata={
            "reads": ", ".join(strategy.reads),
            "defaults": strategy.parameters_json(),
            "grid": str(strategy.grid),
        },
    )
    def materialise(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        stored = lake.lake()
        named = pl.col("strategy").is_in([strategy.name, f"{strategy.name}{WALK_FORWARD}"])
        runs = stored.read("backtests.runs").filter(named).sort("strategy")
        if runs.is_empty():
            context.log.warning(f"{strategy.name}: no backtest is stored; the log of backtests.runs says why")
        metadata: dict[str, dg.MetadataValue] = {}
        for run in runs.iter_rows(named=True):
            rows = {name: stored.scan(name).filter(pl.col("run_key") == run["run_key"]).collect() for name in READS}
            pictures = tear_sheet_pictures(rows)
            page = Path(str(stored.home)) / TEAR_SHEETS / f"{run['strategy'].replace(' ', '_')}.html"
            _write(page, tear_sheet_html(run, rows, pictures))
            prefix = "" if run["strategy"] == strategy.name else "walk-forward "
            metadata |= {prefix + name: value for name, value in _metadata(run, rows, pictures, page).items()}
        return dg.MaterializeResult(metadata=metadata)

    return materialise


def _metadata(
    run: dict[str, object], rows: dict[str, pl.DataFrame], pictures: dict[str, bytes], path: Path
) -> dict[str, dg.MetadataValue]:
    metrics = rows["backtests.metrics"].filter(
        pl.col("series").cast(pl.String) == "strategy",
        pl.col("scope").cast(pl.String) == "all",
        pl.col("metric").is_in(SHOWN),
    )
    shown = {name: dg.MetadataValue.md(_image(png)) for name, png in pictures.items()}
    figures = {
        name: dg.MetadataValue.float(value)
        for name, value in metrics.select("metric", "value").drop_nulls().iter_rows()
    }
    return {
        "run_key": dg.MetadataValue.text(str(run["run_key"])),
        "tear_sheet": dg.MetadataValue.path(str(path)),
        "publishable": dg.MetadataValue.bool(bool(run["is_publishable"])),
        "blocked_by": dg.MetadataValue.text(str(run["blocked_by"] or "")),
        "labels": dg.MetadataValue.text(str(run["labels"])),
        **figures,
        **shown,
    }


def _image(png: bytes) -> str:
    return f"![picture](data:image/png;base64,{base64.b64encode(png).decode()})"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)
