"""The option chain of Massive: instants, roots, entitlements, and what a snapshot does not tell."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest

from resources.providers.live.errors import (
    EmptyResult,
    EntitlementError,
    SchemaDrift,
)
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback.cases import SECRET
from tests.loopback.vendors.massive import MassiveVendor, midnight


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


def contract(name, ts_ns, **rest):
    quote = {"bid": 1.0, "ask": 1.2, "bid_size": 5, "ask_size": 6, "last_updated": ts_ns}
    asset = {"ticker": "I:SPX", "value": 5000.5, "last_updated": ts_ns}
    return {
        "details": {"ticker": name, "shares_per_contract": 100},
        "last_quote": quote,
        "underlying_asset": asset,
    } | rest


class TestChain:
    CHAIN = "raw.option_quotes"

    @pytest.fixture
    def at(self, world):
        return int(world.quoted_at.timestamp()) * 1_000_000_000 + 123_456_789

    def test_quotes_carry_the_instant_of_the_market(self, service, world, loopback):
        frame = service.fetch(Ask(self.CHAIN, ("AAA",), world.sessions[-1:])).frame
        assert of(loopback)[0].query == {"limit": "250"}
        assert set(frame["ts"]) == {world.quoted_at}
        assert set(frame["known_at"]) == {world.now}
        assert set(frame["oi_session"]) == {world.sessions[-2]}
        columns = ["expiry", "right", "strike", "bid", "ask", "bid_size", "ask_size", "open_interest", "volume"]
        found = frame.with_columns(pl.col("right").cast(pl.String)).select(columns).sort("expiry", "right", "strike")
        assert found.equals(world.chain.select(columns))

    def test_free_keys_are_refused(self, service, world, loopback):
        loopback.set_mode("massive", "403")
        with pytest.raises(EntitlementError, match="NOT_AUTHORIZED"):
            service.fetch(Ask(self.CHAIN, ("AAA",), world.sessions[-1:]))

    @pytest.mark.parametrize("symbol", ["SPX", "^GSPC"])
    def test_an_index_has_two_roots_and_a_value(self, service, vendor, world, loopback, at, symbol):
        names = ["O:SPX261218C05000000", "O:SPXW261218C05000000", "O:SPX1261218C05000000", "O:FUTURE"]
        vendor.changed = lambda rows: [contract(name, at) for name in names]
        answer = service.fetch(Ask(self.CHAIN, (symbol,), world.sessions[-1:]))
        assert of(loopback)[0].path == "/v3/snapshot/options/I:SPX"
        columns = [pl.col(name).cast(pl.String) for name in ("symbol", "root", "settlement", "style")]
        assert answer.frame.select(columns).rows() == [("SPX", "SPX", "am", "E"), ("SPX", "SPXW", "pm", "E")]
        assert set(answer.frame["spot"]) == {5000.5}
        assert answer.frame["ts"][0].microsecond == 123_456
        assert answer.rejected["rule"].to_list() == ["ticker|not_a_contract"]

    def test_a_contract_that_moves_between_pages_is_one_row(self, service, vendor, world, at):
        seen = contract("O:SPX261218C05000000", at, open_interest=1)
        vendor.changed = lambda rows: [seen, seen | {"open_interest": 2}]
        frame = service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-1:])).frame
        assert frame["open_interest"].to_list() == [2.0]

    def test_what_is_not_told_is_null(self, service, vendor, world, at):
        day = {"volume": 7, "last_updated": midnight(world.sessions[-2]) * 1_000_000}
        vendor.changed = lambda rows: [contract("O:SPX261218C05000000", at, day=day)]
        row = service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-1:])).frame.row(0, named=True)
        assert [row[name] for name in ("volume", "open_interest", "oi_session", "deliverable_shares")] == [None] * 4

    def test_an_odd_deliverable_is_told(self, service, vendor, world, at):
        details = {"ticker": "O:SPX261218C05000000", "shares_per_contract": 150}
        vendor.changed = lambda rows: [contract("", at, details=details)]
        row = service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-1:])).frame.row(0, named=True)
        assert (row["multiplier"], row["deliverable_shares"]) == (100.0, 150.0)

    def test_open_interest_seen_on_a_later_day_is_of_no_known_session(self, vendor, world, access_to):
        later = world.now + dt.timedelta(days=1)
        access = replace(access_to("massive", keys={"MASSIVE_API_KEY": SECRET}), clock=lambda: later)
        frame = make_service(access).fetch(Ask(self.CHAIN, ("AAA",), world.sessions[-1:])).frame
        assert frame.height == world.chain.height
        assert frame["open_interest"].is_null().all()
        assert frame["oi_session"].is_null().all()

    def test_a_contract_quoted_in_another_session_is_left_out(self, service, vendor, world, at):
        stale = at - 24 * 3600 * 1_000_000_000
        rows = [contract("O:SPX261218C05000000", at), contract("O:SPX261218C09000000", stale)]
        vendor.changed = lambda _: rows
        assert service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-1:])).frame["strike"].to_list() == [5000.0]
        with pytest.raises(EmptyResult, match="2 contracts last quoted in 2026-11-19, 2026-11-20"):
            service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-5:-4]))

    def test_a_plan_without_quotes_is_an_entitlement(self, service, vendor, world, at):
        vendor.changed = lambda rows: [contract("O:SPX261218C05000000", at, last_quote={})]
        with pytest.raises(EntitlementError, match="plan"):
            service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-1:]))

    @pytest.mark.parametrize("asset", [{}, {"value": 5000.5}, {"value": 5000.5, "last_updated": 1}])
    def test_one_index_without_a_price_of_the_quotes_is_not_a_missing_plan(self, service, vendor, world, at, asset):
        vendor.changed = lambda rows: [contract("O:SPX261218C05000000", at, underlying_asset=asset)]
        with pytest.raises(EmptyResult, match="price of the underlying"):
            service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-1:]))

    @pytest.mark.parametrize("apart_s", [-901, -900, 900, 901])
    def test_the_price_of_another_time_is_no_spot(self, service, vendor, world, at, apart_s):
        other = at + apart_s * 1_000_000_000
        asset = {"value": 5100.5, "last_updated": other}
        rows = [contract("O:SPX261218C05000000", at), contract("O:SPX261218C05100000", at, underlying_asset=asset)]
        vendor.changed = lambda _: rows
        answer = service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-1:]))
        is_near = abs(apart_s) <= 900
        assert answer.frame["spot"].to_list() == ([5000.5, 5100.5] if is_near else [5000.5])
        assert answer.rejected["rule"].to_list() == ([] if is_near else ["spot|nullability"])

    def test_quotes_under_other_names_are_drift(self, service, vendor, world, at):
        quote = {"bid_price": 1.0, "ask": 1.1, "last_updated": at}
        vendor.changed = lambda rows: [contract("O:SPX261218C05000000", at, last_quote=quote)]
        with pytest.raises(SchemaDrift, match="field 'bid'"):
            service.fetch(Ask(self.CHAIN, ("SPX",), world.sessions[-1:]))
