"""A night on live services, played by the loopback server: whole, with one failing in the middle, with most down."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from resources.lake import Lake
from tests.loopback.cases import SECRET
from tests.loopback.desk import SYMBOLS, VENDORS

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("live")]


def test_switching_to_yahoo_makes_the_session_that_has_closed(live_desk):
    said = live_desk.run("run")
    assert said.status == 0, said.err
    today = live_desk.world.today
    lake = live_desk.lake
    bars = lake.read("raw.equity_bars", first=today, last=today)
    truth = live_desk.world.bars.filter(pl.col("session") == today).sort("symbol")
    assert bars["symbol"].to_list() == SYMBOLS
    assert bars["close"].to_list() == truth["close"].to_list()
    assert set(bars["provider"]) == {"yahoo"}
    for table in ("raw.index_levels", "raw.option_quotes", "raw.short_volume", "raw.dix", "raw.crypto_bars"):
        assert lake.sessions(table)[-1] == today, table
    assert live_desk.events("unverified").filter(pl.col("table_name") == "raw.equity_bars").is_empty()
    health = lake.read("raw.provider_health")
    assert {"yahoo", "massive", "cboe", "finra"} <= set(health["service"])
    assert not any(SECRET in path.read_text(errors="replace") for path in live_desk.home.rglob("*.json"))
    assert SECRET not in said.out + said.err

    bars = lake.read("raw.equity_bars").filter(pl.col("symbol") == "AAA").sort("session")
    steps = bars.select("session", step=pl.col("adjustment_factor") / pl.col("adjustment_factor").shift(1)).drop_nulls()
    moved = steps.filter(pl.col("step") != 1.0)
    assert moved["session"].to_list() == [live_desk.world.split_date, live_desk.world.ex_date]
    assert moved["step"][0] == pytest.approx(2.0)

    again = live_desk.run("run")
    assert "Nothing to do" in again.out


def test_a_service_that_fails_in_the_middle_is_replaced_and_the_event_says_so(live_desk):
    charts = []

    def fail_at_the_second_symbol(request):
        if request.service == "yahoo" and "/chart/BBB" in request.path:
            charts.append(request)
            live_desk.loopback.set_mode("yahoo", "503")

    live_desk.loopback.watcher = fail_at_the_second_symbol
    said = live_desk.run("run")
    assert said.status == 0, said.err
    assert charts
    today = live_desk.world.today
    bars = live_desk.lake.read("raw.equity_bars", first=today, last=today)
    assert bars["symbol"].to_list() == SYMBOLS
    assert "massive" in set(bars["provider"])
    truth = live_desk.world.bars.filter(pl.col("session") == today).sort("symbol")
    assert bars["close"].to_list() == pytest.approx(truth["close"].to_list())
    failover = live_desk.events("failover")
    assert failover["detail"].str.contains("503").any()


def test_on_monday_with_most_services_down_friday_is_made_and_says_what_it_lacks(live_market):
    # After the open of the next session chains of Friday are gone for good, and everything is known late.
    desk = live_market(dt.datetime(2026, 11, 23, 15, 5, tzinfo=dt.UTC))
    for name in ("massive", "cboe", "finra", "squeezemetrics", "coinbase"):
        desk.loopback.set_mode(name, "503")
    said = desk.run("run")
    assert said.status == 0, said.err
    today = dt.date(2026, 11, 20)
    assert desk.lake.sessions("trades.ideas") == [today]
    liquidity = desk.lake.read("engines.liquidity", first=today, last=today)
    assert liquidity["reasons"].str.contains("CLOSE_UNVERIFIED").all()
    assert (liquidity["liq_confidence"] < 0.75).all()
    missing = desk.events("missing")
    chains = missing.filter(pl.col("table_name") == "raw.option_quotes", pl.col("session") == today)
    assert set(chains["symbol"]) == set(SYMBOLS)
    assert {"raw.short_volume", "raw.dix"} <= set(missing["table_name"])
    assert missing["detail"].str.contains("503").any()
    assert "raw.dix" in said.err
    assert "missing" in said.err


def test_with_nobody_left_the_night_is_red_and_the_catalog_stays(live_desk):
    for name in VENDORS:
        live_desk.loopback.set_mode(name, "403")
    said = live_desk.run("run")
    assert said.status == 1
    assert "expected rows of raw.equity_bars from at least one service" in said.err
    assert "403" in said.err
    assert not (live_desk.home / "gnosis.duckdb").exists()


def test_nights_and_a_range_make_the_same_rows(live_desk, tmp_path, monkeypatch):
    from gnosis_dagster import nights
    from gnosis_dagster.definitions import build_definitions
    from gnosis_dagster.home import open_home
    from gnosis_dagster.settings import Settings

    for name, value in live_desk.settings.items():
        monkeypatch.setenv(name, value)
    days = live_desk.world.sessions[-7:]
    for name, spans in {"nights": [(day, day) for day in days], "range": [(days[0], days[-1])]}.items():
        monkeypatch.setenv("GNOSIS_HOME", str(tmp_path / name))
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / name / "dagster"))
        settings = Settings()
        Lake(settings.home).claim_home()
        instance, definitions = open_home(settings), build_definitions(settings)
        for first, last in spans:
            assert nights.execute(definitions, instance, nights.HISTORY, first, last).failures == []
    for table in ("raw.equity_bars", "raw.dividends", "raw.splits", "raw.index_levels", "raw.quality_events"):
        made, whole = (Lake(tmp_path / name).read(table) for name in ("nights", "range"))
        assert made.equals(whole), table
    assert set(days) >= {live_desk.world.split_date, live_desk.world.ex_date}
