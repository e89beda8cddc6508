"""Software-defined assets: one module per room, each asset one table."""

from __future__ import annotations

from types import ModuleType

import dagster as dg

from assets import backtests, engines, features, greeks, models, raw, trades
from assets.catalog import catalog
from assets.table_asset import TableAsset, declared_in

ROOMS: tuple[ModuleType, ...] = (raw, greeks, engines, features, models, trades, backtests)


def table_assets() -> list[TableAsset]:
    """Return every table asset in the order of the rooms."""
    return [asset for room in ROOMS for asset in declared_in(room)]


def build_assets(sessions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Return the Dagster assets of the house, partitioned by ``sessions``, and the catalog after them."""
    tables = table_assets()
    return [asset.build(sessions) for asset in tables] + [catalog(tables)]
