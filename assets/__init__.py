"""Software-defined assets: one module per room, each asset one table."""

from __future__ import annotations

from types import ModuleType

import dagster as dg

from assets import backtests, calibration, engines, features, greeks, models, raw, reconciliation, strategies, trades
from assets.catalog import catalog
from assets.table_asset import TableAsset, declared_in
from resources.strategy_files import StrategyFolder

NO_STRATEGIES = StrategyFolder()
ROOMS: tuple[ModuleType, ...] = (raw, greeks, engines, features, models, trades, calibration, backtests, reconciliation)


def table_assets(own: StrategyFolder = NO_STRATEGIES) -> list[TableAsset]:
    """Return every table asset in the order of the rooms, with the backtests of the user's ``own`` strategies."""
    declared = [asset for room in ROOMS for asset in declared_in(room)]
    return [backtests.backtest_of(own) if asset is backtests.backtest else asset for asset in declared]


def build_assets(
    sessions: dg.PartitionsDefinition[str], own: StrategyFolder = NO_STRATEGIES, *, has_pictures: bool = True
) -> list[dg.AssetsDefinition]:
    """Return the Dagster assets of the house, partitioned by ``sessions``, the catalog and the tear sheets."""
    tables = table_assets(own)
    built = [asset.build(sessions, has_pictures=has_pictures) for asset in tables]
    return [*built, catalog(tables), *strategies.tear_sheets(own)]
