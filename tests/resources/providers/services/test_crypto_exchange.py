"""What is special about crypto exchanges: pairs, candles and their sessions, instants of snapshots, requests made."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from dataclasses import replace

import polars as pl
import pytest

from resources.providers.live.access import Access
from resources.providers.live.errors import EmptyResult, MissingPackageError, NotFound, SchemaDrift
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback import crypto
from tests.loopback.server import Response
from tests.loopback.vendors.binance import BinanceVendor
from tests.loopback.vendors.bybit import BybitVendor
from tests.loopback.vendors.coinbase import CoinbaseVendor
from tests.loopback.vendors.kraken import KrakenVendor
from tests.loopback.vendors.okx import OkxVendor
from tests.loopback.world import World

UTC = dt.UTC
VENDORS = {
    "binance": (BinanceVendor, "BTC/USDT"),
    "bybit": (BybitVendor, "BTC/USDT"),
    "ccxt:okx": (OkxVendor, "BTC/USDT"),
    "coinbase": (CoinbaseVendor, "BTC/USD"),
    "kraken": (KrakenVendor, "BTC/USD"),
}
every_exchange = pytest.mark.parametrize("name", VENDORS)


@pytest.fixture
def served(loopback, world, access_to):
    """Return a function that serves an exchange and returns the service and a pair that it lists."""

    def make(name, vendor=None, **access):
        made, pair = VENDORS[name]
        loopback.serve(vendor or made(world))
        return make_service(access_to(name, **access)), pair

    return make


def paths(loopback, name):
    return [request.path for request in loopback.requests(name)]


def spoilt(vendor_class, spoil):
    """Return the vendor with every good body but the list of pairs passed through ``spoil`` as a document."""

    class Spoilt(vendor_class):
        def answer(self, request):
            response = super().answer(request)
            if any(part in request.path for part in ("exchangeInfo", "AssetPairs")):
                return response
            return replace(response, body=json.dumps(spoil(json.loads(response.body))).encode())

    return Spoilt


class TestPairs:
    def test_another_quote_currency_is_not_taken_for_the_one_asked_for(self, served, loopback, world):
        service, _ = served("binance")
        with pytest.raises(NotFound, match="found BTC only against USDT; ask another exchange for prices in USD"):
            service.fetch(Ask("raw.crypto_bars", ("BTC/USD",), world.sessions[-1:]))
        assert paths(loopback, "binance") == ["/api/v3/exchangeInfo"]

    def test_a_product_of_coinbase_that_shows_the_book_of_another_is_not_listed(self, served, world):
        service, _ = served("coinbase")
        with pytest.raises(NotFound, match="BTC only against USD"):
            service.fetch(Ask("raw.trades", ("BTC/USDC",), world.sessions[-1:]))

    @pytest.mark.parametrize("symbol", ["AAPL", "^GSPC", "BTC-USD", "XXBTZUSD"])
    def test_what_is_no_pair_is_not_asked_for(self, served, loopback, world, symbol):
        service, _ = served("kraken")
        with pytest.raises(NotFound, match="no crypto pair"):
            service.fetch(Ask("raw.crypto_bars", (symbol,), world.sessions[-1:]))
        assert paths(loopback, "kraken") == []

    def test_names_of_the_exchange_become_ours(self, served, loopback, world):
        service, _ = served("kraken")
        frame = service.fetch(Ask("raw.crypto_bars", ("BTC/USD",), world.sessions[-1:])).frame
        assert loopback.requests("kraken")[-1].query["pair"] == "XXBTZUSD"
        assert frame["symbol"].unique().to_list() == ["BTC/USD"]

    def test_one_unknown_pair_does_not_spoil_the_others(self, served, world):
        service, _ = served("kraken")
        answer = service.fetch(Ask("raw.crypto_bars", ("BTC/USD", "DOGE/USD"), world.sessions[-1:]))
        assert answer.frame["symbol"].to_list() == ["BTC/USD"]
        assert isinstance(answer.failures["DOGE/USD"], NotFound)

    @pytest.mark.parametrize("mode", ["html", "truncated", "wrong_types", "500", "429"])
    def test_a_bad_list_of_pairs_is_not_kept(self, served, loopback, world, mode):
        service, pair = served("kraken")
        ask = Ask("raw.crypto_bars", (pair,), world.sessions[-2:])
        loopback.set_mode("kraken", mode, "AssetPairs", times=1)
        with pytest.raises(Exception, match=r"^kraken: expected raw\.crypto_bars of BTC/USD"):
            service.fetch(ask)
        assert service.fetch(ask).frame.height == 2

    def test_an_empty_list_of_pairs_is_not_kept(self, served, world):
        vendor = BinanceVendor(world)
        good, vendor.answer = vendor.answer, lambda _: Response.of_json({"symbols": []})
        service, pair = served("binance", vendor)
        ask = Ask("raw.crypto_bars", (pair,), world.sessions[-1:])
        with pytest.raises(EmptyResult, match="list without pairs"):
            service.fetch(ask)
        vendor.answer = good
        assert service.fetch(ask).frame.height == 1

    def test_a_pair_listed_later_is_found_after_an_hour(self, loopback, world, monkeypatch):
        loopback.serve(BinanceVendor(world))
        clock = [world.now]
        service = make_service(Access("binance", base_url=loopback.url("binance"), clock=lambda: clock[0]))
        ask = Ask("raw.crypto_bars", ("ETH/USD",), world.sessions[-1:])
        with pytest.raises(NotFound):
            service.fetch(ask)
        monkeypatch.setitem(sys.modules[BinanceVendor.__module__].PAIRS, "ETHUSD", "ETH/USD")
        with pytest.raises(NotFound):
            service.fetch(ask)
        clock[0] += dt.timedelta(hours=1, seconds=1)
        assert service.fetch(ask).frame.height == 1
        assert paths(loopback, "binance").count("/api/v3/exchangeInfo") == 2
        service.access.close()

    def test_a_pair_that_was_taken_off_since_is_not_found(self, served, world):
        service, pair = served(
            "binance", spoilt(BinanceVendor, lambda _: {"code": -1121, "msg": "Invalid symbol."})(world)
        )
        with pytest.raises(NotFound):
            service.fetch(Ask("raw.crypto_bars", (pair,), world.sessions[-1:]))


class TestCandles:
    @every_exchange
    def test_prices_are_those_of_the_exchange(self, served, world, name):
        service, pair = served(name)
        frame = service.fetch(Ask("raw.crypto_bars", (pair,), world.sessions[-5:])).frame
        said = world.candles.filter(pl.col("symbol") == pair).with_columns(
            ts=(pl.col("day") + dt.timedelta(days=1)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        )
        joined = frame.join(said, on="ts", suffix="_said")
        assert joined.height == frame.height == 7
        for part in ("open", "high", "low", "close"):
            assert joined[part].equals(joined[f"{part}_said"], check_names=False)
        assert (joined["volume"] - joined["volume_said"]).abs().max() < 1e-7

    @every_exchange
    def test_the_unfinished_candle_is_dropped(self, served, world, name):
        service, pair = served(name)
        frame = service.fetch(Ask("raw.crypto_bars", (pair,), world.sessions[-2:])).frame
        assert frame["ts"].max() == dt.datetime(2026, 11, 20, tzinfo=UTC)
        assert frame["known_at"].equals(frame["ts"], check_names=False)

    def test_nothing_is_asked_when_no_candle_has_finished(self, served, loopback):
        service, pair = served("kraken")
        with pytest.raises(EmptyResult, match="finished"):
            service.fetch(Ask("raw.crypto_bars", (pair,), (dt.date(2026, 11, 23),)))
        assert paths(loopback, "kraken") == ["/0/public/AssetPairs"]

    @every_exchange
    def test_history_comes_in_as_few_windows_as_the_exchange_allows(self, loopback, name):
        world = World(n_sessions=280)
        vendor, pair = VENDORS[name]
        loopback.serve(vendor(world))
        service = make_service(Access(name, base_url=loopback.url(name), clock=lambda: world.now))
        reach = service.profile.capabilities["raw.crypto_bars"].reaches_back_sessions
        asked = world.sessions[1:] if reach is None else world.sessions[-min(reach, 279) :]
        frame = service.fetch(Ask("raw.crypto_bars", (pair,), asked)).frame
        assert set(frame["session"]) == set(asked)
        gaps = frame["ts"].diff().drop_nulls().unique().to_list()
        assert gaps == [dt.timedelta(days=1)]
        windows = {"binance": 1, "bybit": 1, "ccxt:okx": 1, "coinbase": 2, "kraken": 1}
        assert len(loopback.requests(name)) == 1 + windows[name]
        service.access.close()

    def test_sessions_far_apart_do_not_fetch_what_lies_between(self, loopback):
        world = World(n_sessions=600)
        loopback.serve(CoinbaseVendor(world))
        service = make_service(Access("coinbase", base_url=loopback.url("coinbase"), clock=lambda: world.now))
        asked = (world.sessions[1], world.sessions[-1])
        assert set(service.fetch(Ask("raw.crypto_bars", ("BTC/USD",), asked)).frame["session"]) == set(asked)
        spans = [
            int(request.query["end"]) - int(request.query["start"])
            for request in loopback.requests("coinbase")
            if request.path.endswith("candles")
        ]
        assert len(spans) == 2
        assert max(spans) <= 4 * 86400
        service.access.close()

    def test_kraken_gives_the_newest_720_whatever_is_asked(self, loopback):
        world = World(n_sessions=600)
        loopback.serve(KrakenVendor(world))
        service = make_service(Access("kraken", base_url=loopback.url("kraken"), clock=lambda: world.now))
        frame = service.fetch(Ask("raw.crypto_bars", ("BTC/USD",), world.sessions)).frame
        assert frame.height == 719
        reach = service.profile.capabilities["raw.crypto_bars"].reaches_back_sessions
        assert set(world.sessions[-reach:]) <= set(frame["session"])
        before = len(loopback.log)
        with pytest.raises(EmptyResult, match="no finished candle among the newest 720"):
            service.fetch(Ask("raw.crypto_bars", ("BTC/USD",), world.sessions[:3]))
        assert len(loopback.log) == before
        service.access.close()

    def test_a_candle_without_a_price_is_set_aside_with_the_reason(self, served, world):
        def spoil(rows):
            rows[0][1] = "none"
            return rows

        service, pair = served("binance", spoilt(BinanceVendor, spoil)(world))
        answer = service.fetch(Ask("raw.crypto_bars", (pair,), world.sessions[-2:]))
        assert answer.frame.height == 1
        assert answer.rejected.select("session", "rule").rows() == [(dt.date(2026, 11, 18), "open|missing")]

    def test_days_of_another_time_zone_are_refused(self, served, world):
        def spoil(rows):
            return [[row[0] - 8 * 3_600_000, *row[1:]] for row in rows]

        service, pair = served("binance", spoilt(BinanceVendor, spoil)(world))
        with pytest.raises(SchemaDrift, match="not at midnight UTC"):
            service.fetch(Ask("raw.crypto_bars", (pair,), world.sessions[-2:]))


class TestWeekend:
    @pytest.fixture
    def world(self):
        return World(now=dt.datetime(2026, 11, 23, 23, 30, tzinfo=UTC))

    def test_its_candles_belong_to_monday(self, served, world):
        service, pair = served("kraken")
        frame = service.fetch(Ask("raw.crypto_bars", (pair,), world.sessions[-2:])).frame
        ends = [(session.day, ts.day, ts.hour) for session, ts in frame.select("session", "ts").iter_rows()]
        assert ends == [(20, 20, 0), (23, 21, 0), (23, 22, 0), (23, 23, 0)]


class TestSnapshots:
    def ticker(self, served, world, name, vendor=None):
        service, pair = served(name, vendor)
        return service.fetch(Ask("raw.crypto_tickers", (pair,), (world.today,))).frame.row(0, named=True)

    def test_binance_says_when_the_quotes_were_taken(self, served, world):
        row = self.ticker(served, world, "binance")
        assert row["ts"] == world.now - dt.timedelta(milliseconds=750)
        assert row["known_at"] == world.now
        assert row["session"] == world.today

    @pytest.mark.parametrize("name", ["kraken", "coinbase", "bybit", "ccxt:okx"])
    def test_others_say_nothing_of_it_so_it_is_the_receipt(self, served, world, name):
        row = self.ticker(served, world, name)
        assert row["ts"] == row["known_at"] == world.now

    @every_exchange
    def test_a_ticker_has_the_best_quotes_and_the_last_price(self, served, world, name):
        pair = VENDORS[name][1]
        row = self.ticker(served, world, name)
        assert (row["bid"], row["ask"]) == (crypto.bids(world, pair)[0][0], crypto.asks(world, pair)[0][0])
        traded = crypto.trades(world, pair)[-1]["price"]
        assert row["last"] == (traded if name == "coinbase" else crypto.last_price(world, pair))

    def test_volume_is_of_a_day_in_the_base_currency_and_null_where_not_said(self, served, world):
        said = {name: self.ticker(served, world, name)["volume_24h"] for name in ("kraken", "bybit", "coinbase")}
        assert said == {"kraken": 8896.96086304, "bybit": 11801.27771, "coinbase": None}

    def test_a_side_without_orders_is_null(self, served, world):
        vendor = spoilt(BinanceVendor, lambda ticker: ticker | {"bidPrice": "0.00000000", "bidQty": "0.00000000"})
        assert self.ticker(served, world, "binance", vendor(world))["bid"] is None

    def test_a_clock_ahead_of_ours_makes_nothing_known_before_it_was_quoted(self, served, world):
        stamp = crypto.milliseconds(world.now) + 40
        row = self.ticker(
            served, world, "binance", spoilt(BinanceVendor, lambda body: body | {"closeTime": stamp})(world)
        )
        assert row["known_at"] == row["ts"] == world.now + dt.timedelta(milliseconds=40)

    @every_exchange
    def test_levels_of_a_book_count_from_the_best_price(self, served, world, name):
        service, pair = served(name)
        book = service.fetch(Ask("raw.order_books", (pair,), (world.today,))).frame.cast({"side": pl.String})
        for side, said in (("B", crypto.bids(world, pair)), ("A", crypto.asks(world, pair))):
            rows = book.filter(pl.col("side") == side).select("level", "price", "size").rows()
            assert rows == [(level, *row) for level, row in enumerate(said, start=1)]

    @pytest.mark.parametrize(
        ("name", "age_ms"), [("bybit", 300), ("coinbase", 400), ("ccxt:okx", 200), ("binance", 0), ("kraken", 0)]
    )
    def test_a_book_has_the_instant_that_the_exchange_gives_or_else_of_receipt(self, served, world, name, age_ms):
        service, pair = served(name)
        book = service.fetch(Ask("raw.order_books", (pair,), (world.today,))).frame
        assert book["ts"].unique().to_list() == [world.now - dt.timedelta(milliseconds=age_ms)]
        assert book["known_at"].unique().to_list() == [world.now]

    def test_a_book_with_an_unreadable_level_is_refused_whole(self, served, world):
        def spoil(book):
            book["bids"][1][0] = "?"
            return book

        service, pair = served("binance", spoilt(BinanceVendor, spoil)(world))
        with pytest.raises(SchemaDrift, match="levels without a price"):
            service.fetch(Ask("raw.order_books", (pair,), (world.today,)))

    @pytest.mark.parametrize("table", ["raw.crypto_tickers", "raw.order_books"])
    def test_the_past_has_no_snapshot(self, served, loopback, world, table):
        service, pair = served("kraken")
        with pytest.raises(EmptyResult, match="only a snapshot of now"):
            service.fetch(Ask(table, (pair,), world.sessions[-3:-1]))
        assert paths(loopback, "kraken") == ["/0/public/AssetPairs"]

    def test_a_halted_pair_has_no_quotes_but_keeps_its_candles(self, served, world):
        class Halted(BinanceVendor):
            def answer(self, request):
                response = super().answer(request)
                return replace(response, body=response.body.replace(b"TRADING", b"BREAK"))

        service, pair = served("binance", Halted(world))
        with pytest.raises(EmptyResult, match="halted"):
            service.fetch(Ask("raw.crypto_tickers", (pair,), (world.today,)))
        assert service.fetch(Ask("raw.crypto_bars", (pair,), (world.today,))).frame.height == 1


class TestTrades:
    @every_exchange
    def test_side_is_of_the_taker_and_null_where_that_is_not_certain(self, served, world, name):
        service, pair = served(name)
        frame = service.fetch(Ask("raw.trades", (pair,), (world.today,))).frame.cast({"aggressor": pl.String})
        said = crypto.trades(world, pair)
        takers = [None] * 5 if name in ("coinbase", "ccxt:okx") else [trade["taker"] for trade in said]
        assert frame["aggressor"].to_list() == takers
        assert frame["price"].to_list() == [trade["price"] for trade in said]
        assert frame["size"].to_list() == pytest.approx([trade["size"] for trade in said])
        assert [crypto.milliseconds(ts) for ts in frame["ts"]] == [trade["ms"] for trade in said]
        assert frame["known_at"].equals(frame["ts"], check_names=False)

    def test_a_trade_without_an_instant_is_set_aside(self, served, world):
        def spoil(trades):
            del trades[1]["T"]
            return trades

        service, pair = served("binance", spoilt(BinanceVendor, spoil)(world))
        answer = service.fetch(Ask("raw.trades", (pair,), (world.today,)))
        assert answer.frame["trade_id"].to_list() == ["5000", "5002", "5003", "5004"]
        assert answer.rejected.select("session", "rule").rows() == [(world.today, "time_ms|missing")]

    def test_trades_of_other_sessions_are_left_out(self, served, world):
        service, pair = served("kraken")
        assert service.fetch(Ask("raw.trades", (pair,), world.sessions[-2:-1])).frame.is_empty()


class TestRequests:
    @pytest.mark.parametrize(
        ("name", "listed"),
        [
            ("binance", "/api/v3/exchangeInfo"),
            ("coinbase", "/api/v3/brokerage/market/products"),
            ("kraken", "/0/public/AssetPairs"),
            ("bybit", "/v5/market/instruments-info"),
            ("ccxt:okx", "/api/v5/public/instruments"),
        ],
    )
    def test_pairs_are_asked_once_and_each_fetch_asks_once_more(self, served, loopback, world, name, listed):
        waited = []
        service, pair = served(name, gate=lambda: waited.append(1))
        for _ in range(3):
            service.fetch(Ask("raw.crypto_bars", (pair,), (world.today,)))
        asked = paths(loopback, name)
        assert asked[0] == listed
        assert len(asked) == len(waited) == 4
        assert asked.count(listed) == 1

    @every_exchange
    def test_nothing_of_a_key_is_sent_and_the_program_says_who_it_is(self, served, loopback, world, name):
        service, pair = served(name, keys={"BINANCE_API_KEY": "a-key-of-another-use"})
        service.fetch(Ask("raw.trades", (pair,), (world.today,)))
        assert service.profile.key is None
        for request in loopback.requests(name):
            assert request.method == "GET"
            assert request.headers["user-agent"].startswith("gnosis/")
            assert "a-key-of-another-use" not in request.url + str(request.headers)

    def test_ccxt_does_not_wait_by_itself(self, served, world):
        service, pair = served("kraken")
        started = time.perf_counter()
        for _ in range(6):
            service.fetch(Ask("raw.crypto_bars", (pair,), (world.today,)))
        # Its own pace for Kraken is one request a second.
        assert time.perf_counter() - started < 5.0

    @every_exchange
    def test_probe_is_one_request(self, served, loopback, name):
        service, _ = served(name)
        probe = service.probe()
        assert len(loopback.requests(name)) == 1
        assert probe.delay_s is None
        assert "clock is +0.0 s" in probe.detail or "clock is -0.0 s" in probe.detail


class TestAnyExchange:
    def test_profile_of_an_unknown_one_is_cautious(self):
        profile = make_service(Access("ccxt:okx")).profile
        assert profile.name == "ccxt:okx"
        assert profile.key is None
        assert [(rate.requests, rate.seconds) for rate in profile.rates] == [(1, 2.0)]
        assert profile.capabilities["raw.crypto_bars"].reaches_back_sessions < 100

    def test_making_one_imports_no_sdk(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ccxt", None)
        service = make_service(Access("kraken"))
        with pytest.raises(MissingPackageError, match="install the package ccxt"):
            service.fetch(Ask("raw.crypto_bars", ("BTC/USD",), (dt.date(2026, 11, 20),)))

    @pytest.mark.parametrize("name", ["ccxt:nosuch", "ccxt:Exchange", "ccxt:base.errors"])
    def test_a_name_that_ccxt_does_not_know_is_not_found(self, access_to, world, name):
        with pytest.raises(NotFound, match="expected an exchange that ccxt knows"):
            make_service(access_to(name)).fetch(Ask("raw.crypto_bars", ("BTC/USD",), (world.today,)))

    @pytest.mark.parametrize("table", ["raw.order_books", "raw.trades"])
    def test_okx_answers_through_the_same_path(self, served, world, table):
        service, pair = served("ccxt:okx")
        frame = service.fetch(Ask(table, (pair,), (world.today,))).frame
        assert frame["provider"].unique().to_list() == ["ccxt:okx"]

    def test_a_table_that_an_exchange_has_not_in_public_is_not_found(self, access_to, world, loopback):
        service = make_service(access_to("ccxt:blockchaincom"))
        with pytest.raises(NotFound, match="an exchange without this in public"):
            service.fetch(Ask("raw.crypto_bars", ("BTC/USD",), (world.today,)))
        assert loopback.log == []
