"""Binance spot as the loopback server plays it: it knows dollars only as tethers."""

from __future__ import annotations

from typing import Any

from tests.loopback import crypto
from tests.loopback.server import Request, Response
from tests.loopback.world import World

PAIRS = {"BTCUSDT": "BTC/USDT"}
MOST_CANDLES = 1000
WORDS = {
    401: (-2015, "Invalid API-key, IP, or permissions for action."),
    418: (-1003, "Way too much request weight used; IP banned until 1795476600000."),
    429: (-1003, "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."),
    451: (0, "Service unavailable from a restricted location according to 'b. Eligibility' in the terms of use."),
    500: (-1000, "An unknown error occurred while processing the request."),
}


class BinanceVendor:
    service = "binance"

    def __init__(self, world: World) -> None:
        self.world = world

    def answer(self, request: Request) -> Response:
        if request.host != "api.binance.com":
            return Response(b"<html><body><h2>404 Not found</h2></body></html>", 404, "text/html")
        if request.path == "/api/v3/exchangeInfo":
            return Response.of_json({"timezone": "UTC", "symbols": [_listed(name) for name in PAIRS]})
        if request.path == "/api/v3/time":
            return Response.of_json({"serverTime": crypto.milliseconds(self.world.now)})
        made = {
            "/api/v3/klines": self._klines,
            "/api/v3/ticker/24hr": self._ticker,
            "/api/v3/depth": self._depth,
            "/api/v3/aggTrades": self._trades,
        }.get(request.path)
        if made is None:
            return Response(b"<html><body><h2>404 Not found</h2></body></html>", 404, "text/html")
        if request.query.get("symbol") not in PAIRS:
            return Response.of_json({"code": -1121, "msg": "Invalid symbol."}, 400)
        return Response.of_json(made(request, PAIRS[request.query["symbol"]]))

    def refusal(self, status: int) -> Response:
        if status not in WORDS:
            return Response(
                b"<html><head><title>ERROR: The request could not be satisfied</title>", status, "text/html"
            )
        code, message = WORDS[status]
        return Response.of_json({"code": code, "msg": message}, status)

    def _klines(self, request: Request, pair: str) -> Any:
        assert request.query["interval"] == "1d"
        first, most = int(request.query["startTime"]), min(int(request.query["limit"]), MOST_CANDLES)
        found = [row for row in crypto.candles(self.world, pair) if row["start_ms"] >= first][:most]
        return [
            [
                row["start_ms"],
                *(f"{row[name]:.8f}" for name in ("open", "high", "low", "close", "volume")),
                row["start_ms"] + crypto.DAY_MS - 1,
                "1000.00000000",
                40,
                "7.00000000",
                "500.00000000",
                "0",
            ]
            for row in ([] if request.is_empty else found)
        ]

    def _ticker(self, request: Request, pair: str) -> Any:
        price, now = crypto.last_price(self.world, pair), crypto.milliseconds(self.world.now)
        (bid, bid_size), (ask, ask_size) = crypto.bids(self.world, pair)[0], crypto.asks(self.world, pair)[0]
        return {
            "symbol": request.query["symbol"],
            "priceChange": "-188.18000000",
            "priceChangePercent": "-0.159",
            "weightedAvgPrice": f"{price:.8f}",
            "prevClosePrice": f"{price + 188.18:.8f}",
            "lastPrice": f"{price:.8f}",
            "lastQty": "0.00731000",
            "bidPrice": f"{bid:.8f}",
            "bidQty": f"{bid_size:.8f}",
            "askPrice": f"{ask:.8f}",
            "askQty": f"{ask_size:.8f}",
            "openPrice": f"{price + 188.18:.8f}",
            "highPrice": f"{price + 200:.8f}",
            "lowPrice": f"{price - 200:.8f}",
            "volume": "14741.41491000",
            "quoteVolume": "1744744445.80640740",
            "openTime": now - crypto.DAY_MS - 750,
            "closeTime": now - 750,
            "firstId": 5116031635,
            "lastId": 5117964946,
            "count": 1933312,
        }

    def _depth(self, request: Request, pair: str) -> Any:
        most = 0 if request.is_empty else int(request.query["limit"])
        sides = {"bids": crypto.bids(self.world, pair), "asks": crypto.asks(self.world, pair)}
        levels = {
            side: [[f"{price:.8f}", f"{size:.8f}"] for price, size in rows[:most]] for side, rows in sides.items()
        }
        return {"lastUpdateId": 333598053905, **levels}

    def _trades(self, request: Request, pair: str) -> Any:
        found = [] if request.is_empty else crypto.trades(self.world, pair)
        return [
            {
                "a": trade["id"],
                "p": f"{trade['price']:.8f}",
                "q": f"{trade['size']:.8f}",
                "f": trade["id"] * 2,
                "l": trade["id"] * 2 + 1,
                "T": trade["ms"],
                # The buyer made the price, so the seller took it.
                "m": trade["taker"] == "sell",
                "M": True,
            }
            for trade in found[-int(request.query["limit"]) :]
        ]


def _listed(name: str) -> dict[str, Any]:
    base, quote = PAIRS[name].split("/")
    return {
        "symbol": name,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.0", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.00000000"},
        ],
        "permissions": [],
    }


CASES = crypto.cases("binance", BinanceVendor, "BTC/USDT", tickers=crypto.NEVER_EMPTY)
