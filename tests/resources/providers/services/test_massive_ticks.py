"""Trades and best quotes of Massive: nanoseconds, identifiers, corrections, and the unit of sizes."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from resources.providers.live.errors import (
    NotFound,
)
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback.cases import SECRET
from tests.loopback.vendors.massive import MassiveVendor
from tests.loopback.world import World


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


class TestTicks:
    def test_trades_are_those_of_the_regular_session(self, service, world):
        frame = service.fetch(Ask("raw.trades", ("AAA",), world.sessions[-1:])).frame
        # Neither before the open nor after the close, of this day or of the one before.
        assert frame["size"].to_list() == [101.0, 102.0, 103.0]
        assert frame["known_at"].is_between(world.calendar["open_at"][-1], world.calendar["close_at"][-1]).all()
        assert frame["aggressor"].is_null().all()

    def test_nanoseconds_of_exchange_and_feed_are_kept_apart(self, service, world):
        row = service.fetch(Ask("raw.trades", ("AAA",), world.sessions[-1:])).frame.row(-1, named=True)
        assert row["known_at"] == world.calendar["close_at"][-1]
        assert row["known_at"] - row["ts"] == dt.timedelta(microseconds=250_001)

    def test_identifiers_are_unique_though_exchanges_share_them(self, service, world):
        frame = service.fetch(Ask("raw.trades", ("AAA",), world.sessions[-1:])).frame
        assert frame["trade_id"].to_list() == ["5:-:0", "4:-:1", "5:-:1"]

    def test_corrected_trades_are_set_aside_and_parts_of_shares_kept(self, service, vendor, world):
        def changed(rows):
            assert len(rows) == 3
            return [rows[0] | {"correction": 12}, rows[1] | {"size": 0, "decimal_size": "0.25"}, *rows[2:]]

        vendor.changed = changed
        answer = service.fetch(Ask("raw.trades", ("AAA",), world.sessions[-1:]))
        assert answer.rejected["rule"].to_list() == ["correction|not_standing"]
        assert answer.frame["size"].to_list() == [0.25, 103.0]

    @pytest.mark.parametrize("table", ["raw.trades", "raw.order_books"])
    def test_a_pair_is_refused_without_a_request(self, service, world, loopback, table):
        with pytest.raises(NotFound, match="BTC/USD"):
            service.fetch(Ask(table, ("BTC/USD",), world.sessions[-1:]))
        assert of(loopback) == []

    def test_the_top_of_the_book_is_the_last_quote_of_each_minute(self, service, world):
        frame = service.fetch(Ask("raw.order_books", ("AAA",), world.sessions[-1:])).frame
        opened = world.calendar["open_at"][-1]
        seconds = [(at - opened).total_seconds() for at in frame["ts"].unique().sort()]
        assert seconds == [59.0, 65.0, 600.0]
        first = frame.filter(pl.col("ts") == frame["ts"].min()).sort("side")
        assert first.select(pl.col("side").cast(pl.String), "level", "size").rows() == [
            ("B", 1, 359.0),
            ("A", 1, 200.0),
        ]

    def test_a_side_without_a_quote_has_no_level(self, service, vendor, world):
        vendor.changed = lambda rows: [row | {"bid_price": 0, "bid_size": 0} for row in rows]
        frame = service.fetch(Ask("raw.order_books", ("AAA",), world.sessions[-1:])).frame
        assert frame["side"].cast(pl.String).unique().to_list() == ["A"]

    def test_sizes_in_round_lots_are_refused(self, loopback, access_to):
        old = World(now=dt.datetime(2025, 10, 31, 22, tzinfo=dt.UTC), n_sessions=5)
        loopback.serve(MassiveVendor(old))
        service = make_service(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}))
        with pytest.raises(NotFound, match="round lots"):
            service.fetch(Ask("raw.order_books", ("AAA",), old.sessions[-1:]))
        assert of(loopback) == []
