"""The chain of Alpaca: whose quote, when it was quoted, what was known of its open interest."""

from __future__ import annotations

import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.providers.live.errors import EmptyResult
from resources.providers.live.service import Ask
from resources.providers.rejections import NO_VALUE
from resources.providers.services import make_service
from resources.providers.services.alpaca_chain import NO_SPOT, OTHER_CHAIN, UNREADABLE, with_spot
from tests.loopback.server import Response
from tests.loopback.vendors.alpaca import DATA, KEYS, PAPER, AlpacaVendor


@pytest.fixture
def chain(loopback, access_to, world):
    """Return a function that fetches the chain of today, after a change of the answers at some path."""

    def fetch(at="", change=lambda document, world: None, session=None):
        class Edited(AlpacaVendor):
            def answer(self, request):
                response = super().answer(request)
                document = json.loads(response.body)
                if at in request.path:
                    change(document, self.world)
                return Response.of_json(document, response.status)

        loopback.serve(Edited(world))
        service = make_service(access_to("alpaca", keys=KEYS))
        return service.fetch(Ask("raw.option_quotes", ("AAA",), (session or world.today,)))

    return fetch


def first_quote(document):
    return next(iter(document["snapshots"].values()))["latestQuote"]


class TestChain:
    def test_quotes_carry_the_markets_instant_and_are_known_at_receipt(self, chain, world):
        frame = chain().frame
        truth = world.chain.sort("expiry", "right", "strike")
        columns = ["expiry", "right", "strike", "bid", "ask", "bid_size", "ask_size", "volume", "open_interest"]
        found = frame.cast({"right": pl.String}).sort("expiry", "right", "strike").select(columns)
        assert found.equals(truth.select(columns))
        assert set(frame["ts"]) == {world.quoted_at}
        assert set(frame["known_at"]) == {world.now}
        assert frame.select("root", "settlement", "style", "multiplier").unique().rows() == [("AAA", "pm", "A", 100.0)]

    def test_open_interest_comes_from_the_trading_host_with_both_limits_of_expiry(self, chain, loopback, world):
        frame = chain().frame
        by_host = {request.path: request for request in loopback.requests("alpaca")}
        contracts = by_host["/v2/options/contracts"]
        assert contracts.host == PAPER
        assert by_host["/v1beta1/options/snapshots/AAA"].host == DATA
        assert by_host["/v1beta1/options/snapshots/AAA"].query["feed"] == "indicative"
        # Without limits the service leaves out what expires after the coming weekend.
        assert {"expiration_date_gte", "expiration_date_lte"} <= set(contracts.query)
        assert contracts.query["limit"] == "10000"
        assert frame["open_interest"].null_count() == 0
        assert set(frame["oi_session"]) == {world.sessions[-2]}
        assert len(loopback.requests("alpaca")) == 3

    def test_open_interest_published_after_the_quote_is_not_told(self, chain, world):
        def change(document, world):
            for n, row in enumerate(document["option_contracts"]):
                row["open_interest_date"] = f"{world.today}" if n else None

        frame = chain("contracts", change).frame
        assert frame["open_interest"].null_count() == frame["oi_session"].null_count() == frame.height

    def test_spot_is_the_last_price_before_the_quote(self, chain, world):
        last = world.quoted_at - dt.timedelta(minutes=1)

        def change(document, _world):
            rows = document["bars"]["AAA"]
            rows[-1].update(t=f"{last:%Y-%m-%dT%H:%M:%SZ}", c=77.0)
            rows.append({**rows[-1], "t": f"{world.quoted_at:%Y-%m-%dT%H:%M:%SZ}", "c": 999.0})

        assert set(chain("bars", change).frame["spot"]) == {77.0}

    def test_volume_of_another_day_is_not_volume_of_this_one(self, chain):
        def change(document, _world):
            for snapshot in document["snapshots"].values():
                snapshot["dailyBar"]["t"] = "2026-11-19T05:00:00Z"

        frame = chain("snapshots", change).frame
        assert frame["volume"].null_count() == frame.height

    def test_what_is_no_quote_of_this_chain_is_set_aside_by_rule(self, chain, world):
        def change(document, _world):
            snapshots = document["snapshots"]
            one = next(iter(snapshots.values()))
            snapshots["AAA2261218P00280000"] = one
            snapshots["no contract"] = one
            snapshots["AAA261218C00999000"] = {"latestTrade": {"p": 1.0}}

        answer = chain("snapshots", change)
        assert sorted(answer.rejected["rule"]) == sorted([OTHER_CHAIN, UNREADABLE, NO_VALUE])
        assert answer.frame.height == world.chain.height

    def test_the_last_quote_of_an_earlier_session_is_not_one_of_today(self, chain, world):
        def change(document, _world):
            first_quote(document)["t"] = f"{world.sessions[-2]}T20:59:00Z"

        assert chain("snapshots", change).frame.height == world.chain.height - 1

    def test_a_quote_before_the_first_trade_has_no_spot(self, chain, world):
        def change(document, _world):
            first_quote(document)["t"] = f"{world.calendar['open_at'][-1]:%Y-%m-%dT%H:%M:%SZ}"

        answer = chain("snapshots", change)
        assert answer.rejected["rule"].to_list() == [NO_SPOT]
        assert answer.frame.height == world.chain.height - 1

    @pytest.mark.parametrize(("minutes", "is_spot"), [(15, True), (16, False)])
    def test_a_price_of_an_hour_ago_is_no_spot(self, chain, world, minutes, is_spot):
        def change(document, world):
            last = world.quoted_at - dt.timedelta(minutes=minutes + 1)
            row = document["bars"]["AAA"][-1] | {"t": f"{last:%Y-%m-%dT%H:%M:%SZ}"}
            document["bars"]["AAA"] = [row]

        if is_spot:
            assert chain("bars", change).frame.height == world.chain.height
        else:
            with pytest.raises(EmptyResult, match="no row of AAA"):
                chain("bars", change)

    def test_a_chain_of_now_is_none_of_last_week(self, chain, world):
        with pytest.raises(EmptyResult, match="as it stands now"):
            chain(session=world.sessions[-5])


OPEN = dt.datetime(2026, 11, 20, 14, 30, tzinfo=dt.UTC)


@settings(max_examples=40, deadline=None)
@given(
    starts=st.lists(st.integers(0, 389), min_size=1, max_size=20, unique=True),
    quoted=st.lists(st.integers(0, 390 * 60), min_size=1, max_size=20),
)
def test_spot_never_comes_from_after_the_quote(starts, quoted):
    bars = [{"t": f"{OPEN + dt.timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ}", "c": float(n + 1)} for n in sorted(starts)]
    rows = pl.DataFrame(
        {"session": [OPEN.date()] * len(quoted), "t": [OPEN + dt.timedelta(seconds=n) for n in quoted]},
        {"session": pl.Date, "t": pl.Datetime("us", "UTC")},
    )
    good, rejected = with_spot(rows, {"AAA": bars}, "chain")
    assert good.height + rejected.height == len(quoted)
    for row in good.to_dicts():
        minutes = (row["t"] - OPEN).total_seconds() / 60
        assert row["spot"] == max(n + 1 for n in starts if n + 1 <= minutes)
    recent = [any(0 <= second - (n + 1) * 60 <= 15 * 60 for n in starts) for second in quoted]
    assert good.height == sum(recent)
