"""What a person sees of a table in the Dagster UI."""

from __future__ import annotations

import polars as pl
import pytest

from assets import table_assets
from assets.presentation import definition_metadata, description_of, markdown_table, null_shares
from assets.table_asset import declared_in, key_of, table_asset
from gnosis.tables import TABLES

BARS = TABLES["raw.equity_bars"]


def test_the_description_says_how_rows_are_made():
    assert (
        description_of(BARS, "Daily bars\n    from the provider.") == f"{BARS.title}\n\nDaily bars from the provider."
    )


def test_every_column_is_described_with_its_unit():
    columns = definition_metadata(BARS, [])["dagster/column_schema"].columns
    assert {column.name: column.description for column in columns} == {
        name: f"{BARS.description(name)} [{BARS.unit(name)}]" for name in BARS.polars_schema
    }


def test_a_column_comes_from_columns_of_its_name_in_the_tables_that_are_read():
    lineage = definition_metadata(TABLES["features.macro"], ["raw.macro", "raw.equity_bars"])["dagster/column_lineage"]
    sources = {source.asset_key.to_user_string() for source in lineage.deps_by_column["symbol"]}
    assert sources == {"raw/equity_bars"}
    assert len(lineage.deps_by_column["known_at"]) == 2


def test_a_cell_cannot_break_the_table_and_bytes_are_not_shown():
    frame = pl.DataFrame({"a|b": ["x|y", None], "model": [b"123", b"4"], "long": ["z" * 99, ""]})
    lines = markdown_table(frame).splitlines()
    assert lines[2] == "| x\\|y | 3 bytes | " + "z" * 40 + " |"
    assert lines[3] == "|  | 1 bytes |  |"


def test_shares_of_nulls_name_only_columns_that_have_any():
    assert null_shares(pl.DataFrame({"a": [1, None, 3], "b": [1, 2, 3]})) == {"a": 0.333333}
    assert null_shares(pl.DataFrame()) == {}


def test_every_table_of_the_house_is_made_by_exactly_one_asset():
    made = [table.name for asset in table_assets() for table in asset.tables]
    assert sorted(made) == sorted(name for name, table in TABLES.items() if not table.is_companion)


@pytest.mark.parametrize("asset", table_assets(), ids=lambda asset: asset.tables[0].name)
def test_the_name_of_an_asset_is_that_of_its_table(asset):
    assert [".".join(key.path) for key in asset.keys] == [table.name for table in asset.tables]
    assert asset.keys[0] == key_of(asset.tables[0].name)
    assert asset.reads <= set(TABLES)
    assert not asset.reads & {table.name for table in asset.tables}
    assert asset.make.__doc__


def test_a_declaration_is_found_where_it_was_made():
    class Module:
        pass

    @table_asset("trades.ideas")
    def ideas(night):
        """Ideas."""

    Module.ideas = ideas
    assert declared_in(Module) == [ideas]
