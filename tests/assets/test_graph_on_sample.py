"""The whole graph on the sample: every table has rows with a true origin, every check passed, and a person can look."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import polars as pl
import pytest

from assets import table_assets
from assets.table_asset import key_of
from gnosis.sessions import schedule, sessions_between
from gnosis.tables import TABLES
from resources.lake import Lake

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("homes")]

HOUSE = {name: table for name, table in TABLES.items() if not table.is_companion}
NOT_SERVED = {"raw.dividends", "raw.splits", "raw.crypto_bars", "raw.crypto_tickers"}
LIVE_ONLY = {"raw.quality_events", "raw.provider_health"}
"""What live services left in doubt, and how they did: an offline provider has neither."""
LATER = {"raw.intraday_bars", "raw.order_books", "raw.trades"}
"""What the provider has from autumn 2012 on, after the sessions of these homes."""
WEEKLY = {"models.studies", "models.gates", "models.promotion", "backtests.walk_forward"}
"""What only the weekly training and backtesting make."""
EMPTY = sorted(NOT_SERVED | LATER | LIVE_ONLY | WEEKLY)
FILLED = [name for name in HOUSE if name not in EMPTY]
BY_SESSION = [name for name, table in HOUSE.items() if table.period != "all"]
WITH_ORIGIN = [name for name in FILLED if "synthetic" in HOUSE[name].polars_schema]
JANUARY = sessions_between(dt.date(2008, 1, 2), dt.date(2008, 1, 31))
OBSERVED = {"raw.equity_bars", "features.technical", "models.labels"}
MIXED = {"raw.index_levels"}
OF_STRATEGIES = {name for name in HOUSE if name.startswith("backtests.") and name != "backtests.trials"}
OF_OBSERVED_BARS = {"buy_and_hold", "placebo"}
"""Strategies that read nothing but bars."""


@pytest.fixture(scope="module")
def january(night_home):
    return Lake(night_home)


@pytest.fixture(scope="module")
def years(trained_home):
    return Lake(trained_home)


@pytest.fixture(scope="module")
def instance(trained_home):
    with dg.DagsterInstance.from_config(str(trained_home / "dagster")) as opened:
        yield opened


@pytest.mark.parametrize("name", [name for name in BY_SESSION if name in FILLED])
def test_every_session_of_the_range_has_rows(january, name):
    rows = january.read(name, first=JANUARY[0], last=JANUARY[-1])
    missing = sorted(set(JANUARY) - set(rows["session"]))
    # Nothing was published on these days of the generated calendar of releases, or no outcome became known.
    assert not missing or name in ("raw.macro", "raw.news", "models.labels", "models.drift")
    assert rows.height > 0 or name == "models.drift", "before the first model there is no drift"
    if name in BY_SESSION:
        assert set(january.sessions(name)) >= set(JANUARY)


@pytest.mark.parametrize("name", EMPTY)
def test_a_table_that_the_provider_does_not_have_is_empty_and_its_sessions_are_made(january, name):
    assert january.scan(name).select(pl.len()).collect().item() == 0
    if name in BY_SESSION:
        assert set(january.sessions(name)) >= set(JANUARY)


@pytest.mark.parametrize("name", FILLED)
def test_every_table_has_rows_once_models_are_trained(years, name):
    assert years.scan(name).select(pl.len()).collect().item() > 0


@pytest.mark.parametrize("name", WITH_ORIGIN)
def test_every_row_says_whether_it_rests_on_generated_data(years, name):
    flags = years.scan(name).select("synthetic").unique().collect()["synthetic"].to_list()
    if name in MIXED:
        generated = years.scan(name).filter("synthetic").select(pl.col("symbol").unique()).collect()
        assert generated["symbol"].to_list() == ["^VIX"]
        assert sorted(flags) == [False, True]
    elif name in OF_STRATEGIES:
        runs = years.read("backtests.runs").select("run_key", "strategy")
        known = years.scan(name).select("run_key", "synthetic").unique().collect().join(runs, on="run_key")
        assert {strategy for _, synthetic, strategy in known.iter_rows() if not synthetic} == OF_OBSERVED_BARS
        assert sorted(flags) == [False, True]
    else:
        assert flags == [name not in OBSERVED]


@pytest.mark.parametrize("name", [name for name in WITH_ORIGIN if "provider" in HOUSE[name].polars_schema])
def test_every_row_names_the_providers_that_it_rests_on(years, name):
    by_origin = years.scan(name).select("synthetic", "provider").unique().collect()
    assert by_origin["provider"].null_count() == 0
    for is_synthetic, provider in by_origin.rows():
        assert set(provider.split("+")) <= {"sample", "simulate"}
        assert ("simulate" in provider) == is_synthetic


@pytest.mark.parametrize(
    "name", [name for name in WITH_ORIGIN if {"session", "known_at"} <= set(HOUSE[name].polars_schema)]
)
def test_no_row_was_known_after_its_sessions_close(years, name):
    closes = schedule().lazy().select("session", "close_at")
    late = years.scan(name).join(closes, on="session").filter(pl.col("known_at") > pl.col("close_at"))
    nulls = years.scan(name).select(pl.col("known_at").null_count()).collect().item()
    assert nulls == 0
    # What is published at hours of its own is held to the next open by a check.
    published = ("raw.macro", "raw.short_volume", "raw.dix", "models.labels", "backtests.fills", "backtests.orders")
    assert late.select(pl.len()).collect().item() == 0 or name in published


def test_a_chain_is_known_a_quarter_of_an_hour_before_the_close(january):
    moments = schedule().lazy().select("session", "chain_at")
    quotes = january.scan("raw.option_quotes").join(moments, on="session")
    assert quotes.select((pl.col("known_at") == pl.col("chain_at")).all()).collect().item()


@pytest.mark.parametrize("asset", table_assets(), ids=lambda asset: asset.tables[0].name)
def test_every_check_of_every_table_passed(instance, asset):
    for table in asset.tables:
        keys = [dg.AssetCheckKey(key_of(table.name), check.name) for check in asset.checks_of(table)]
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        assert {key.name: latest[key].status.value for key in keys} == {key.name: "SUCCEEDED" for key in keys}


@pytest.mark.parametrize("asset", table_assets(), ids=lambda asset: asset.tables[0].name)
def test_every_materialisation_shows_counts_and_a_preview(instance, years, asset):
    for table in asset.tables:
        event = instance.get_latest_materialization_event(key_of(table.name))
        metadata = {name: value.value for name, value in event.asset_materialization.metadata.items()}
        preview = metadata["preview"].splitlines()
        assert preview[0].startswith(f"| {next(iter(table.polars_schema))} |")
        assert (len(preview) > 2) == (table.name in FILLED)
        assert (metadata["dagster/row_count"] > 0) == (table.name in FILLED)
        assert metadata["run"]["version"] <= years.manifest(table.name).version
        assert set(metadata["null_share"]) <= set(table.polars_schema)
        if table.name in WITH_ORIGIN:
            assert 0 <= metadata["synthetic_share"] <= 1
        session = event.asset_materialization.partition
        if session is not None and table.name in FILLED:
            rows = years.read(table.name, first=dt.date.fromisoformat(session), last=dt.date.fromisoformat(session))
            assert metadata.get("dagster/partition_row_count", 0) == rows.height


def test_every_room_shows_a_plot(instance):
    with_plot = set()
    for asset in table_assets():
        for table in asset.tables:
            event = instance.get_latest_materialization_event(key_of(table.name))
            plot = event.asset_materialization.metadata.get("plot")
            if plot is not None:
                assert plot.value.startswith(f"![{table.name}](data:image/png;base64,iVBOR")
                with_plot.add(table.room)
    assert with_plot == {table.room for table in HOUSE.values()}


@pytest.mark.parametrize("name", BY_SESSION)
def test_dagster_knows_exactly_the_sessions_that_the_lake_has(instance, years, name):
    partitions = instance.get_materialized_partitions(key_of(name))
    assert sorted(partitions) == [day.isoformat() for day in years.sessions(name)]


def test_the_catalog_shows_what_the_lake_holds(trained_home, years):
    with years.connect() as connection:
        for name in HOUSE:
            shown = connection.execute(f"select count(*) from {name}").fetchone()[0]
            assert shown == years.scan(name).select(pl.len()).collect().item()
        comments = connection.execute(
            "select column_name, comment from duckdb_columns() where schema_name = 'greeks' and comment is not null"
        ).fetchall()
    assert dict(comments)["gamma_per_usd"].endswith("[1/$]")
