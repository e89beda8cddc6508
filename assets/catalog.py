"""The SQL catalog: published only when every table of the run was stored and passed its blocking checks."""

from collections.abc import Sequence

import dagster as dg

from assets.table_asset import OWNERS, TableAsset, dependency
from resources.lake_io_manager import LakeResource

KEY = dg.AssetKey(["catalog"])


def catalog(tables: Sequence[TableAsset]) -> dg.AssetsDefinition:
    """Return the asset that swaps ``gnosis.duckdb`` after all of ``tables``."""

    @dg.asset(
        key=KEY,
        deps=[dependency(table.name, is_by_session=False) for asset in tables for table in asset.tables],
        group_name="catalog",
        kinds={"duckdb"},
        owners=OWNERS,
        description=(
            "DuckDB views over the immutable Parquet files of every table, built aside and swapped by rename. "
            "When anything upstream fails, yesterday's catalog stays."
        ),
    )
    def publish(lake: LakeResource) -> dg.MaterializeResult[None]:
        publication = lake.lake().publish_catalog()
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(publication.path)),
                "changed": publication.changed,
                "tables": publication.views,
                "files": publication.files,
            }
        )

    return publish
