"""What exists only now is captured after the close, and the night takes it from there."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import polars as pl
import pytest

from jobs.capture import capture_job, capture_schedule
from resources.market_data import MarketDataResource
from tests.loopback.world import World

AFTER_CLOSE = dt.datetime(2026, 11, 20, 21, 2, tzinfo=dt.UTC)


def resource_of(desk) -> MarketDataResource:
    from gnosis_dagster.definitions import market_data_resource
    from gnosis_dagster.settings import Settings

    return market_data_resource(Settings())


@pytest.fixture
def desk(live_market, monkeypatch):
    made = live_market(AFTER_CLOSE)
    for name, value in (made.settings | {"GNOSIS_HOME": str(made.home)}).items():
        monkeypatch.setenv(name, value)
    return made


def decision(tick: dt.datetime, market_data: MarketDataResource):
    with dg.DagsterInstance.ephemeral() as instance:
        return capture_schedule(dg.build_schedule_context(instance, tick, {"market_data": market_data}))


def test_chains_of_after_the_close_land_and_are_not_asked_for_again(desk):
    market_data = resource_of(desk)
    assert capture_job.execute_in_process(resources={"market_data": market_data}).success
    asked = len(desk.loopback.requests("cboe"))
    assert asked
    with market_data.market_data() as source:
        rows = source.live.fetch("raw.option_quotes", [World().today]).frame
    assert len(desk.loopback.requests("cboe")) <= asked + 2, "the chain of AAA has landed; the others have none"
    assert rows["symbol"].unique().to_list() == ["AAA"]
    assert rows["ts"].unique().to_list() == [desk.world.quoted_at]
    assert (rows["known_at"] >= AFTER_CLOSE).all()
    assert rows.filter(pl.col("known_at") > AFTER_CLOSE + dt.timedelta(minutes=5)).is_empty()


def test_a_service_that_fails_does_not_stop_the_capture(desk):
    for name in ("cboe", "massive", "yahoo"):
        desk.loopback.set_mode(name, "503")
    assert capture_job.execute_in_process(resources={"market_data": resource_of(desk)}).success
    with resource_of(desk).market_data() as source:
        assert not source.live.landing.covered("raw.crypto_tickers").is_empty()


def test_it_is_scheduled_on_sessions_of_live_providers_only(desk, tmp_path):
    live, sample = resource_of(desk), MarketDataResource(provider="sample", home=str(tmp_path))
    friday = dt.datetime(2026, 11, 20, 21, 2, tzinfo=dt.UTC)
    asked = decision(friday, live)
    assert isinstance(asked, dg.RunRequest)
    assert asked.run_key == "capture-2026-11-20"
    assert isinstance(decision(friday, sample), dg.SkipReason)
    assert isinstance(decision(dt.datetime(2026, 11, 26, 21, 2, tzinfo=dt.UTC), live), dg.SkipReason)
