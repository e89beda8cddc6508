"""Bars and levels of Massive: as traded, stamped with their end, in as few requests as possible."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest

from resources.providers.live.errors import (
    EmptyResult,
    NotFound,
    SchemaDrift,
)
from resources.providers.live.service import Ask
from resources.providers.rejections import NOT_A_SESSION
from resources.providers.services import make_service
from tests.loopback.cases import SECRET
from tests.loopback.vendors.massive import MassiveVendor, midnight

BARS = "raw.equity_bars"


@pytest.fixture
def vendor(loopback, world):
    vendor = MassiveVendor(world)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def service(vendor, access_to):
    return make_service(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}))


def of(loopback, service="massive"):
    return loopback.requests(service)


class TestBars:
    def test_the_whole_market_is_one_request(self, service, world, loopback):
        answer = service.fetch(Ask(BARS, ("AAA", "BBB", "BRK.B", "ZZZZ"), world.sessions[-1:]))
        (request,) = of(loopback)
        assert request.path == f"/v2/aggs/grouped/locale/us/market/stocks/{world.today}"
        assert request.query == {"adjusted": "false", "locale": "us", "market_type": "stocks", "include_otc": "false"}
        assert answer.frame["symbol"].to_list() == ["AAA", "BBB", "BRK.B"]
        assert isinstance(answer.failures["ZZZZ"], EmptyResult)

    @pytest.mark.parametrize(("n_symbols", "n_sessions"), [(1, 1), (3, 1), (1, 10), (2, 3), (3, 3), (3, 2)])
    def test_there_are_as_few_requests_as_symbols_or_sessions(self, service, world, loopback, n_symbols, n_sessions):
        symbols = ("AAA", "BBB", "BRK.B")[:n_symbols]
        frame = service.fetch(Ask(BARS, symbols, world.sessions[-n_sessions:])).frame
        assert len(of(loopback)) == min(n_symbols, n_sessions)
        assert frame.height == n_symbols * n_sessions

    @pytest.mark.parametrize("symbols", [("AAA",), ("AAA", "BBB", "BRK.B")])
    def test_prices_are_as_traded_on_both_sides_of_a_split(self, service, world, symbols):
        sessions = tuple(day for day in world.sessions if abs((day - world.split_date).days) <= 1)
        assert len(sessions) >= 2
        found = service.fetch(Ask(BARS, symbols, sessions)).frame
        columns = ["session", "symbol", "open", "high", "low", "close", "volume"]
        wanted = world.bars.filter(pl.col("symbol").is_in(symbols), pl.col("session").is_in(sessions))
        assert found.select(columns).equals(wanted.select(columns).sort("session", "symbol"))
        assert found["adjustment_factor"].is_null().all()

    def test_bars_that_come_adjusted_all_the_same_are_refused(self, vendor, service, world):
        vendor.document = lambda document: document | {"adjusted": True}
        with pytest.raises(SchemaDrift, match="adjusted for splits"):
            service.fetch(Ask(BARS, ("AAA",), world.sessions[-2:]))

    @pytest.mark.parametrize("seconds", [-60, 5, 899])
    def test_a_session_that_has_not_closed_a_delay_ago_is_not_asked_for(
        self, vendor, world, loopback, access_to, seconds
    ):
        early = world.calendar["close_at"][-1] + dt.timedelta(seconds=seconds)
        access = replace(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}), clock=lambda: early)
        service = make_service(access)
        with pytest.raises(EmptyResult, match="not closed"):
            service.fetch(Ask(BARS, ("AAA",), world.sessions[-1:]))
        assert of(loopback) == []
        assert service.fetch(Ask(BARS, ("AAA",), world.sessions[-2:])).frame["session"].to_list() == [
            world.sessions[-2]
        ]

    def test_a_bar_of_a_holiday_is_set_aside(self, service, vendor, world):
        saturday = midnight(dt.date(2026, 11, 14))
        vendor.changed = lambda rows: [rows[0] | {"t": saturday}, *rows]
        answer = service.fetch(Ask(BARS, ("AAA",), world.sessions[-10:]))
        assert answer.frame.height == 10
        assert answer.rejected.select("session", "rule").rows() == [(dt.date(2026, 11, 16), NOT_A_SESSION)]

    def test_an_unknown_symbol_does_not_hold_back_the_others(self, service, world):
        answer = service.fetch(Ask(BARS, ("AAA", "BTC/USD", "ZZZZ"), world.sessions[-10:]))
        assert set(answer.frame["symbol"]) == {"AAA"}
        assert {symbol: type(error) for symbol, error in answer.failures.items()} == {
            "BTC/USD": NotFound,
            "ZZZZ": EmptyResult,
        }

    def test_an_index_goes_by_the_name_it_has_there(self, service, world, loopback):
        frame = service.fetch(Ask("raw.index_levels", ("^GSPC",), world.sessions[-5:])).frame
        assert "/ticker/I:SPX/" in of(loopback)[0].path
        assert frame["close"].to_list() == world.levels.filter(pl.col("symbol") == "^GSPC")["close"].tail(5).to_list()

    @pytest.mark.parametrize(("after_close", "n_levels"), [(29, 1), (30, 2)])
    def test_the_vix_closes_later_and_comes_with_the_delay(self, vendor, world, access_to, after_close, n_levels):
        now = world.calendar["close_at"][-1] + dt.timedelta(minutes=after_close)
        access = replace(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}), clock=lambda: now)
        frame = make_service(access).fetch(Ask("raw.index_levels", ("^VIX",), world.sessions[-2:])).frame
        assert frame.height == n_levels
        assert frame["known_at"][0] == world.calendar["close_at"][-2] + dt.timedelta(minutes=15)


class TestIntraday:
    def test_a_bar_is_stamped_with_its_end_within_regular_hours(self, service, world, loopback):
        frame = service.fetch(Ask("raw.intraday_bars", ("AAA",), world.sessions[-2:])).frame
        assert len(of(loopback)) == 2
        hours = frame.join(world.calendar, on="session").filter(pl.col("frequency") == "5min")
        first = hours.filter(pl.col("session") == world.today).row(0, named=True)
        assert first["ts"] == first["open_at"] + dt.timedelta(minutes=5)
        assert first["known_at"] == first["ts"]
        assert hours.filter(pl.col("ts") > pl.col("close_at")).is_empty()
        # The vendor has two bars before the open and two from the close on of each session: none is here.
        assert frame.group_by("session", "frequency").len()["len"].to_list() == [13] * 4

    def test_a_bar_that_has_not_ended_is_left_out(self, vendor, world, access_to):
        # The delay of a quarter of an hour and 33 minutes.
        at = world.calendar["open_at"][-1] + dt.timedelta(minutes=48)
        access = replace(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}), clock=lambda: at)
        frame = make_service(access).fetch(Ask("raw.intraday_bars", ("AAA",), world.sessions[-1:])).frame
        assert frame.group_by("frequency").len().sort("frequency").rows() == [("1min", 2), ("5min", 1)]
