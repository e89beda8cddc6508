"""What is special about Alpaca: feeds, stamps, symbols, the package's own habits."""

from __future__ import annotations

import datetime as dt
import json
import sys

import polars as pl
import pytest

from gnosis.sessions import shift_session
from resources.providers.live.access import Access
from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    EntitlementError,
    MissingPackageError,
    NotFound,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.live.service import Ask
from resources.providers.rejections import NOT_A_SESSION, OUTSIDE_REGULAR_SESSION
from resources.providers.services import make_service
from resources.providers.services.alpaca import TAKEN_BACK
from tests.loopback.cases import SECRET
from tests.loopback.server import Response
from tests.loopback.vendors.alpaca import DATA, KEYS, AlpacaVendor
from tests.loopback.world import DIVIDEND_USD, SPLIT_RATIO, World


@pytest.fixture
def alpaca(loopback, access_to, world):
    """Return a function that makes the service before a vendor, by default the faithful one at the world's time."""

    def make(vendor=AlpacaVendor, now=None, **options):
        loopback.serve(vendor(world))
        service = make_service(access_to("alpaca", keys=KEYS, options=options))
        if now is not None:
            object.__setattr__(service.access, "clock", lambda: now)
        return service

    return make


def bars_ask(world, *symbols, n=3):
    return Ask("raw.equity_bars", symbols or ("AAA",), world.sessions[-n:])


def edited(change):
    """Return a vendor whose answers are changed by a function of path and document."""

    class Edited(AlpacaVendor):
        def answer(self, request):
            response = super().answer(request)
            document = json.loads(response.body)
            change(request.path, document, self.world)
            return Response.of_json(document, response.status)

    return Edited


class TestDailyBars:
    def test_one_request_brings_many_symbols_raw_and_names_its_feed(self, alpaca, loopback, world):
        frame = alpaca().fetch(bars_ask(world, "AAA", "BBB", "BRK.B", n=10)).frame
        (request,) = loopback.requests("alpaca")
        assert frame.height == 30
        assert request.query["symbols"] == "AAA,BBB,BRK.B"
        assert (request.query["feed"], request.query["adjustment"]) == ("iex", "raw")
        assert request.host == DATA

    def test_prices_are_as_traded_and_known_at_the_close(self, alpaca, world):
        frame = alpaca().fetch(bars_ask(world, n=10)).frame
        truth = world.bars.filter(pl.col("symbol") == "AAA").tail(10)
        prices = ["session", "open", "high", "low", "close"]
        assert frame.select(prices).equals(truth.select(prices))
        assert frame["known_at"].to_list() == truth["close_at"].to_list() == frame["ts"].to_list()
        assert frame["adjustment_factor"].null_count() == frame.height

    def test_volume_of_one_exchange_does_not_pass_for_the_markets(self, alpaca, world):
        assert alpaca().fetch(bars_ask(world)).frame["volume"].null_count() == 3
        consolidated = alpaca(feed="sip").fetch(bars_ask(world)).frame["volume"]
        assert consolidated.to_list() == world.bars.filter(pl.col("symbol") == "AAA")["volume"].tail(3).to_list()

    def test_the_consolidated_tape_is_asked_only_for_what_is_old_enough(self, alpaca, loopback, world):
        close = world.calendar["close_at"][-1]
        soon = close + dt.timedelta(minutes=10)
        frame = alpaca(feed="sip", now=soon).fetch(bars_ask(world)).frame
        assert frame["session"].to_list() == list(world.sessions[-3:-1])
        (request,) = loopback.requests("alpaca")
        assert dt.datetime.fromisoformat(request.query["end"]) <= soon - dt.timedelta(minutes=16)

    def test_an_unfinished_bar_is_not_told(self, alpaca, world):
        noon = world.calendar["close_at"][-1] - dt.timedelta(hours=4)
        frame = alpaca(now=noon).fetch(bars_ask(world)).frame
        assert frame["session"].to_list() == list(world.sessions[-3:-1])
        with pytest.raises(EmptyResult, match="close"):
            alpaca(now=noon).fetch(bars_ask(world, n=1))

    def test_midnight_in_new_york_is_the_session_in_summer_and_in_winter(self, loopback, access_to):
        world = World(now=dt.datetime(2026, 11, 4, 23, tzinfo=dt.UTC), n_sessions=6)
        loopback.serve(AlpacaVendor(world))
        service = make_service(access_to("alpaca", keys=KEYS))
        object.__setattr__(service.access, "clock", lambda: world.now)
        assert service.fetch(bars_ask(world, n=6)).frame["session"].to_list() == list(world.sessions)
        stamps = [row["t"] for row in json.loads(service.access.recorder.taken()[0].content)["bars"]["AAA"]]
        assert {stamp[11:13] for stamp in stamps} == {"04", "05"}

    def test_a_stamp_at_another_hour_is_drift(self, alpaca, world):
        def change(_path, document, _world):
            document["bars"]["AAA"][0]["t"] = "2026-11-18T14:30:00Z"

        with pytest.raises(SchemaDrift, match="midnight New York"):
            alpaca(edited(change)).fetch(bars_ask(world))

    def test_a_bar_of_a_holiday_and_one_without_a_close_are_set_aside(self, alpaca, world):
        def change(_path, document, world):
            rows = document["bars"]["AAA"]
            sunday = world.today - dt.timedelta(days=world.today.weekday() + 1)
            rows.append({**rows[0], "t": f"{sunday}T05:00:00Z"})
            del rows[1]["c"]

        answer = alpaca(edited(change)).fetch(bars_ask(world, n=5))
        assert sorted(answer.rejected["rule"]) == ["c|nullability", NOT_A_SESSION]
        assert answer.frame.height == 4

    def test_a_field_that_is_gone_is_named(self, alpaca, world):
        def change(_path, document, _world):
            for row in document["bars"]["AAA"]:
                del row["h"]

        with pytest.raises(SchemaDrift, match="no h"):
            alpaca(edited(change)).fetch(bars_ask(world))


def test_prices_of_one_exchange_come_behind_those_of_the_market(alpaca):
    others = {name: make_service(Access(name)) for name in ("massive", "yahoo", "alpha_vantage")}
    market = [one.profile.capabilities["raw.equity_bars"].preference for one in others.values()]
    iex, sip = (alpaca(feed=feed).profile.capabilities["raw.equity_bars"].preference for feed in ("iex", "sip"))
    assert iex > max(market)
    assert market[0] < sip < min(market[1:])


class TestSymbols:
    def test_an_unknown_symbol_is_simply_absent_and_named(self, alpaca, world):
        answer = alpaca().fetch(bars_ask(world, "AAA", "NONE"))
        assert set(answer.frame["symbol"]) == {"AAA"}
        assert {name: type(error) for name, error in answer.failures.items()} == {"NONE": EmptyResult}

    def test_a_refused_symbol_does_not_take_the_others_along(self, alpaca, loopback, world):
        class Refusing(AlpacaVendor):
            def _refused(self, symbols, feed, end):
                refused = "BRK.B" in symbols.split(",")
                return Response.of_json({"message": "invalid symbol: BRK.B"}, 400) if refused else None

        answer = alpaca(Refusing).fetch(bars_ask(world, "AAA", "BRK.B"))
        assert set(answer.frame["symbol"]) == {"AAA"}
        assert isinstance(answer.failures["BRK.B"], NotFound)
        assert [request.query["symbols"] for request in loopback.requests("alpaca")] == ["AAA,BRK.B", "AAA"]
        with pytest.raises(NotFound, match=r"BRK\.B"):
            alpaca(Refusing).fetch(bars_ask(world, "BRK.B"))

    def test_an_index_is_not_asked_for(self, alpaca, loopback, world):
        with pytest.raises(NotFound):
            alpaca().fetch(bars_ask(world, "^GSPC"))
        assert loopback.requests("alpaca") == []


class TestPackage:
    def test_it_does_not_repeat_by_itself(self, alpaca, loopback, world):
        for status, expected in (("429", RateLimited), ("503", Transient)):
            loopback.reset()
            service = alpaca()
            loopback.set_mode("alpaca", status)
            with pytest.raises(expected):
                service.fetch(bars_ask(world))
            assert len(loopback.requests("alpaca")) == 1

    def test_the_key_travels_in_headers_only(self, alpaca, loopback, world):
        service = alpaca()
        service.fetch(bars_ask(world))
        (request,) = loopback.requests("alpaca")
        assert request.headers["apca-api-secret-key"] == SECRET
        assert SECRET not in request.url
        assert not any(SECRET.encode() in source.content for source in service.access.recorder.taken())

    def test_the_key_goes_to_no_other_host(self, alpaca, loopback, world):
        class Moving(AlpacaVendor):
            def answer(self, request):
                elsewhere = loopback.url("elsewhere").replace("127.0.0.1", "localhost")
                return Response(b"", 307, headers={"Location": f"{elsewhere}{request.path}"})

        with pytest.raises(NotFound):
            alpaca(Moving).fetch(bars_ask(world))
        (arrived,) = loopback.requests("elsewhere")
        assert not any(name.startswith("apca") for name in arrived.headers)

    def test_forbidden_means_the_key_and_subscription_the_plan(self, alpaca, loopback, world):
        class Forbidding(AlpacaVendor):
            def answer(self, request):
                return Response.of_json({"message": "forbidden."}, 403)

        with pytest.raises(AuthError, match="both halves"):
            alpaca(Forbidding).fetch(bars_ask(world))
        service = alpaca(feed="sip")
        loopback.set_mode("alpaca", "403")
        with pytest.raises(EntitlementError, match="recent SIP data"):
            service.fetch(bars_ask(world))

    def test_a_page_that_comes_again_ends_the_asking(self, alpaca, loopback, world):
        def change(_path, document, _world):
            document["next_page_token"] = "MA=="

        with pytest.raises(SchemaDrift, match="the same page again"):
            alpaca(edited(change)).fetch(bars_ask(world))
        assert len(loopback.requests("alpaca")) == 2

    def test_a_missing_package_is_named(self, alpaca, world, monkeypatch):
        service = alpaca()
        monkeypatch.setitem(sys.modules, "alpaca.data", None)
        with pytest.raises(MissingPackageError, match=r"gnosis\[alpaca\]"):
            service.fetch(bars_ask(world))

    def test_the_second_pair_of_variables_is_taken_too(self, loopback, access_to, world):
        loopback.serve(AlpacaVendor(world))
        keys = dict(zip(("ALPACA_API_KEY", "ALPACA_SECRET_KEY"), KEYS.values(), strict=True))
        assert make_service(access_to("alpaca", keys=keys)).fetch(bars_ask(world)).frame.height == 3

    @pytest.mark.parametrize("options", [{"feed": "otc"}, {"account": "demo"}, {"fed": "sip"}])
    def test_a_mistyped_option_is_refused(self, access_to, options):
        with pytest.raises(ValueError, match="expected"):
            make_service(access_to("alpaca", options=options))

    def test_probe_tells_the_age_of_a_trade(self, alpaca, loopback, world):
        probe = alpaca(feed="sip").probe()
        assert probe.delay_s == pytest.approx((world.now - world.calendar["close_at"][-1]).total_seconds(), abs=1)
        assert loopback.requests("alpaca")[0].query["feed"] == "delayed_sip"


class TestIntradayBars:
    def ask(self, world):
        return Ask("raw.intraday_bars", ("AAA",), (world.today,))

    def test_ts_is_the_end_of_the_bar_and_both_lengths_come(self, alpaca, loopback, world):
        frame = alpaca().fetch(self.ask(world)).frame
        opened = world.calendar["open_at"][-1]
        first = frame.group_by("frequency").agg(pl.col("ts").min()).sort("frequency")
        assert first["ts"].to_list() == [opened + dt.timedelta(minutes=n) for n in (1, 5)]
        assert frame["known_at"].equals(frame["ts"].alias("known_at"))
        assert frame["volume"].null_count() == frame.height
        assert [request.query["timeframe"] for request in loopback.requests("alpaca")] == ["1Min", "5Min"]

    def test_bars_outside_the_session_are_set_aside(self, alpaca, world):
        def change(_path, document, world):
            rows = document["bars"]["AAA"]
            after = world.calendar["close_at"][-1] - dt.timedelta(seconds=30)
            rows.append({**rows[0], "t": f"{after:%Y-%m-%dT%H:%M:%SZ}"})

        answer = alpaca(edited(change)).fetch(self.ask(world))
        assert answer.rejected["rule"].to_list() == [OUTSIDE_REGULAR_SESSION] * 2
        assert answer.frame["ts"].max() <= world.calendar["close_at"][-1]

    def test_a_bar_that_has_not_ended_is_not_told(self, alpaca, world):
        now = world.calendar["open_at"][-1] + dt.timedelta(minutes=32)
        frame = alpaca(now=now).fetch(self.ask(world)).frame
        assert frame["ts"].max() <= now
        assert dict(frame["frequency"].value_counts().iter_rows()) == {"1min": 2, "5min": 1}

    def test_a_bar_that_ends_while_the_answer_is_on_its_way_is_unfinished(self, alpaca, world):
        service = alpaca()
        asked_at = world.calendar["open_at"][-1] + dt.timedelta(minutes=30, seconds=50)
        times = iter([asked_at] + [asked_at + dt.timedelta(minutes=10)] * 20)
        object.__setattr__(service.access, "clock", lambda: next(times))
        assert service.fetch(self.ask(world)).frame["ts"].max() < asked_at


class TestTrades:
    def test_prints_taken_back_are_set_aside_and_numbers_name_their_exchange(self, alpaca, world):
        answer = alpaca().fetch(Ask("raw.trades", ("AAA",), (world.today,)))
        assert answer.frame["trade_id"].to_list() == ["V-101", "V-102", "V-104"]
        assert answer.rejected["rule"].to_list() == [TAKEN_BACK]
        assert answer.frame["aggressor"].null_count() == 3

    def test_nanoseconds_are_cut_never_rounded_up(self, alpaca, world):
        ts = alpaca().fetch(Ask("raw.trades", ("AAA",), (world.today,))).frame["ts"]
        assert ts[0] == world.calendar["open_at"][-1] + dt.timedelta(microseconds=86175)


class TestNews:
    def ask(self, world):
        return Ask("raw.news", ("AAA", "BBB"), world.sessions[-2:])

    def test_an_article_is_told_once_per_symbol_asked_for(self, alpaca, loopback, world):
        def change(_path, document, _world):
            document["news"][0]["symbols"] = ["AAA", "BBB", "ZZZ"]

        frame = alpaca(edited(change)).fetch(self.ask(world)).frame
        assert frame.height == 5
        assert set(frame["symbol"]) == {"AAA", "BBB"}
        assert loopback.requests("alpaca")[0].query["symbols"] == "AAA,BBB"

    def test_a_headline_changed_later_is_known_later(self, alpaca, world):
        changed = world.calendar["close_at"][-2] + dt.timedelta(hours=2)

        def change(_path, document, _world):
            document["news"][0]["updated_at"] = f"{changed:%Y-%m-%dT%H:%M:%SZ}"

        frame = alpaca(edited(change)).fetch(self.ask(world)).frame
        late = frame.filter(pl.col("known_at") == changed).row(0, named=True)
        assert late["session"] == world.today
        assert late["ts"] < world.calendar["close_at"][-2]

    def test_what_is_not_yet_is_not_asked_for(self, alpaca, loopback, world):
        ahead = (shift_session(world.today, 2),)
        with pytest.raises(EmptyResult, match="not begun"):
            alpaca().fetch(Ask("raw.news", ("AAA",), ahead))
        assert loopback.requests("alpaca") == []


class TestCorporateActions:
    def test_splits_are_new_shares_per_old_one_known_at_the_open(self, alpaca, world):
        frame = alpaca().fetch(Ask("raw.splits", ("AAA", "BBB"), world.sessions[-8:])).frame
        assert frame.select("symbol", "ratio").rows() == [("AAA", SPLIT_RATIO), ("BBB", 0.1)]
        opened = world.calendar.filter(pl.col("session") == world.split_date)["open_at"].item()
        assert frame["known_at"][0] == opened
        assert frame["session"].to_list() == frame["ex_date"].to_list() == [world.split_date, world.ex_date]

    def test_a_dividend_paid_weeks_later_is_found_by_its_ex_date(self, alpaca, world):
        frame = alpaca().fetch(Ask("raw.dividends", ("AAA",), (world.ex_date,))).frame
        assert frame.select("ex_date", "amount_usd").rows() == [(world.ex_date, DIVIDEND_USD)]
        empty = alpaca().fetch(Ask("raw.dividends", ("AAA",), (world.today,))).frame
        assert empty.is_empty()

    def test_the_packages_limit_of_a_thousand_does_not_cut_the_answer(self, alpaca, world):
        class Busy(AlpacaVendor):
            def __init__(self, world):
                super().__init__(world)
                (row, _) = self.actions["cash_dividends"]
                self.actions = {
                    "cash_dividends": [{**row, "id": f"cash-{n}", "symbol": f"A{n:04d}"} for n in range(1100)]
                }
                for n, row in enumerate(self.actions["cash_dividends"]):
                    row["symbol"] = "AAA" if n == 1099 else "BBB"

        frame = alpaca(Busy).fetch(Ask("raw.dividends", ("AAA", "BBB"), (world.ex_date,))).frame
        assert set(frame["symbol"]) == {"AAA", "BBB"}

    def test_a_split_into_nothing_is_set_aside(self, alpaca, world):
        def change(_path, document, _world):
            document["corporate_actions"]["forward_splits"][0]["old_rate"] = 0

        answer = alpaca(edited(change)).fetch(Ask("raw.splits", ("AAA", "BBB"), world.sessions[-8:]))
        assert answer.rejected["rule"].to_list() == ["ratio|min_exclusive"]
        assert answer.frame["symbol"].to_list() == ["BBB"]

    def test_two_splits_of_a_day_are_one_step_and_a_repeat_counts_once(self, alpaca, world):
        def change(_path, document, _world):
            (row,) = document["corporate_actions"]["forward_splits"]
            more = [row | {"id": "again"}, row | {"id": "other", "new_rate": 5}]
            document["corporate_actions"]["forward_splits"] += more

        frame = alpaca(edited(change)).fetch(Ask("raw.splits", ("AAA",), world.sessions[-8:])).frame
        assert frame["ratio"].to_list() == [SPLIT_RATIO * 5]

    def test_an_ex_date_on_a_holiday_is_set_aside(self, alpaca, world):
        def change(_path, document, world):
            sunday = world.today - dt.timedelta(days=world.today.weekday() + 1)
            document["corporate_actions"]["cash_dividends"][0]["ex_date"] = f"{sunday}"

        answer = alpaca(edited(change)).fetch(Ask("raw.dividends", ("AAA",), world.sessions[-8:]))
        assert answer.rejected["rule"].to_list() == [NOT_A_SESSION]
        assert answer.frame["amount_usd"].to_list() == [DIVIDEND_USD / 2]
