"""What errors of exchanges mean: by HTTP status, and by the words inside an HTTP 200."""

from __future__ import annotations

import pytest

from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    EntitlementError,
    NotFound,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback.server import RETRY_AFTER_S, Response
from tests.loopback.vendors.binance import BinanceVendor
from tests.loopback.vendors.bybit import BybitVendor
from tests.loopback.vendors.coinbase import CoinbaseVendor
from tests.loopback.vendors.kraken import KrakenVendor

VENDORS = {
    "binance": (BinanceVendor, "BTC/USDT", "klines"),
    "bybit": (BybitVendor, "BTC/USDT", "kline"),
    "coinbase": (CoinbaseVendor, "BTC/USD", "candles"),
    "kraken": (KrakenVendor, "BTC/USD", "OHLC"),
}


def raised(loopback, access_to, world, vendor, pair):
    loopback.serve(vendor)
    service = make_service(access_to(vendor.service))
    with pytest.raises(Exception, match=f"^{vendor.service}: expected ") as caught:
        service.fetch(Ask("raw.crypto_bars", (pair,), world.sessions[-2:]))
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("403", EntitlementError),
        ("404", NotFound),
        ("418", RateLimited),
        ("429_retry_after", RateLimited),
        ("451", EntitlementError),
        ("503", Transient),
        ("html", SchemaDrift),
        ("truncated", SchemaDrift),
        ("wrong_types", SchemaDrift),
        ("empty", EmptyResult),
    ],
)
def test_an_error_after_a_good_list_of_pairs(loopback, access_to, world, name, mode, expected):
    vendor, pair, path = VENDORS[name]
    loopback.set_mode(name, mode, path)
    error = raised(loopback, access_to, world, vendor(world), pair)
    assert type(error) is expected, repr(error)
    if mode == "429_retry_after":
        assert error.retry_after == RETRY_AFTER_S


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("EAPI:Rate limit exceeded", RateLimited),
        ("EGeneral:Too many requests", RateLimited),
        ("EGeneral:Temporary lockout", RateLimited),
        ("EService: Throttled: 1795476600", RateLimited),
        ("EQuery:Unknown asset pair", NotFound),
        ("EQuery:Invalid asset pair", NotFound),
        ("EService:Unavailable", Transient),
        ("EService:Busy", Transient),
        ("EService:Deadline elapsed", Transient),
        ("EGeneral:Internal error", Transient),
        ("EGeneral:Permission denied", EntitlementError),
        ("EAPI:Invalid key", AuthError),
        ("EGeneral:Invalid arguments", SchemaDrift),
        ("ENew:Something nobody has seen", SchemaDrift),
    ],
)
def test_words_of_kraken_inside_http_200(loopback, access_to, world, words, expected):
    vendor = KrakenVendor(world)
    vendor.error = words
    error = raised(loopback, access_to, world, vendor, "BTC/USD")
    assert type(error) is expected, repr(error)
    assert words in str(error)


@pytest.mark.parametrize(
    ("code", "words", "expected"),
    [
        (10006, "Too many visits!", RateLimited),
        (10018, "Exceeded the IP Rate Limit.", RateLimited),
        (10024, "Compliance rules triggered", EntitlementError),
        (10003, "API key is invalid.", AuthError),
        (10001, "Not supported symbols", NotFound),
        (10001, "params error: start is invalid", SchemaDrift),
        (10000, "Server Timeout", Transient),
        (10016, "Internal System Error.", Transient),
        (999999, "words that nobody has seen", SchemaDrift),
    ],
)
def test_codes_of_bybit_inside_http_200(loopback, access_to, world, code, words, expected):
    vendor = BybitVendor(world)
    vendor.code, vendor.words = code, words
    error = raised(loopback, access_to, world, vendor, "BTC/USDT")
    assert type(error) is expected, repr(error)


def test_a_forbidden_request_at_bybit_is_a_refused_country_unless_it_says_too_often(loopback, access_to, world):
    vendor = BybitVendor(world)
    loopback.set_mode("bybit", "403")
    assert type(raised(loopback, access_to, world, vendor, "BTC/USDT")) is EntitlementError
    vendor.refusal = lambda status: Response(b"403, access too frequent. Please try later.", status, "text/plain")
    assert type(raised(loopback, access_to, world, vendor, "BTC/USDT")) is RateLimited


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"code":-1121,"msg":"Invalid symbol."}', NotFound),
        (b'{"code":-1003,"msg":"Too much request weight used."}', RateLimited),
        (b'{"code":-1008,"msg":"Server is currently overloaded with other requests."}', Transient),
        (b'{"code":-1104,"msg":"Not all sent parameters were read."}', SchemaDrift),
        (b"Bad Request", SchemaDrift),
    ],
)
def test_a_bad_request_is_what_binance_says_it_is(loopback, access_to, world, body, expected):
    vendor = BinanceVendor(world)
    good = vendor.answer
    vendor.answer = lambda request: Response(body, 400) if "klines" in request.path else good(request)
    error = raised(loopback, access_to, world, vendor, "BTC/USDT")
    assert type(error) is expected, repr(error)
