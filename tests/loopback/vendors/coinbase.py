"""Coinbase Advanced Trade as the loopback server plays it: newest first, and one product that is another's alias."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from tests.loopback import crypto
from tests.loopback.server import Request, Response
from tests.loopback.world import World

PRODUCTS = {"BTC-USD": "BTC/USD", "ETH-USD": "ETH/USD"}
ALIASES = {"BTC-USDC": "BTC-USD"}
MOST_CANDLES = 350
ROOT = "/api/v3/brokerage/"
UNKNOWN = {
    "error": "NOT_FOUND",
    "error_details": "valid product_id is required",
    "message": "valid product_id is required",
}
WORDS = {
    403: {
        "error": "PERMISSION_DENIED",
        "error_details": "Missing required scopes",
        "message": "Missing required scopes",
    },
    404: UNKNOWN,
    429: {"errors": [{"id": "rate_limit_exceeded", "message": "You have exceeded the rate limit."}]},
}


class CoinbaseVendor:
    service = "coinbase"

    def __init__(self, world: World) -> None:
        self.world = world

    def answer(self, request: Request) -> Response:
        if request.host != "api.coinbase.com" or not request.path.startswith(ROOT):
            return Response(b"404 page not found", 404, "text/plain")
        path = request.path.removeprefix(ROOT)
        if path == "market/products":
            return self._products(request)
        if path == "time":
            return Response.of_json(
                {"iso": _written(self.world.now), "epochSeconds": str(int(self.world.now.timestamp()))}
            )
        if path == "market/product_book":
            product = request.query.get("product_id", "")
            return self._of(product, lambda pair: self._book(request, pair))
        named = re.fullmatch(r"market/products/([A-Z-]+)/(candles|ticker)", path)
        if named is None:
            return Response(b"404 page not found", 404, "text/plain")
        made = {"candles": self._candles, "ticker": self._ticker}[named[2]]
        return self._of(named[1], lambda pair: made(request, pair))

    def refusal(self, status: int) -> Response:
        if status == 401:
            return Response(b"Unauthorized\n", 401, "text/plain")
        return Response.of_json(WORDS.get(status, {"error": "internal_server_error", "message": "try later"}), status)

    def _of(self, product: str, made: Any) -> Response:
        product = ALIASES.get(product, product)
        if product not in PRODUCTS:
            return Response.of_json(UNKNOWN, 404)
        return Response.of_json(made(PRODUCTS[product]))

    def _products(self, request: Request) -> Response:
        if request.query.get("product_type", "SPOT") != "SPOT":
            return Response.of_json({"products": [], "num_products": 0})
        products = [self._product(name, ALIASES.get(name, "")) for name in (*PRODUCTS, *ALIASES)]
        return Response.of_json({"products": products, "num_products": len(products)})

    def _product(self, name: str, alias: str) -> dict[str, Any]:
        base, quote = name.split("-")
        price = crypto.last_price(self.world, PRODUCTS[alias or name])
        return {
            "product_id": name,
            "price": str(price),
            "price_percentage_change_24h": "3.30054960636883",
            "volume_24h": "10967.87426597",
            "base_increment": "0.00000001",
            "quote_increment": "0.01",
            "quote_min_size": "1",
            "quote_max_size": "150000000",
            "base_min_size": "0.00000001",
            "base_max_size": "3400",
            "base_name": base,
            "quote_name": quote,
            "is_disabled": False,
            "status": "online",
            "trading_disabled": False,
            "product_type": "SPOT",
            "quote_currency_id": quote,
            "base_currency_id": base,
            "fcm_trading_session_details": None,
            "mid_market_price": "",
            "alias": alias,
            "alias_to": [other for other, of in ALIASES.items() if of == name],
            "price_increment": "0.01",
            "display_name": name,
        }

    def _candles(self, request: Request, pair: str) -> Any:
        assert request.query["granularity"] == "ONE_DAY"
        first, last = int(request.query["start"]) * 1000, int(request.query["end"]) * 1000
        assert (last - first) // crypto.DAY_MS <= MOST_CANDLES
        found = [row for row in crypto.candles(self.world, pair) if first <= row["start_ms"] <= last]
        names = ("low", "high", "open", "close", "volume")
        return {
            "candles": [
                {"start": str(row["start_ms"] // 1000), **{name: str(row[name]) for name in names}}
                for row in reversed([] if request.is_empty else found)
            ]
        }

    def _ticker(self, request: Request, pair: str) -> Any:
        found = [] if request.is_empty else crypto.trades(self.world, pair)[-int(request.query["limit"]) :]
        (bid, _), (ask, _) = crypto.bids(self.world, pair)[0], crypto.asks(self.world, pair)[0]
        trades = [
            {
                "trade_id": str(trade["id"]),
                "product_id": pair.replace("/", "-"),
                "price": str(trade["price"]),
                "size": str(trade["size"]),
                "time": _written(dt.datetime.fromtimestamp(trade["ms"] / 1000, dt.UTC)),
                # The side of the order that waited in the book.
                "side": "SELL" if trade["taker"] == "buy" else "BUY",
                "bid": "",
                "ask": "",
            }
            for trade in reversed(found)
        ]
        return {"trades": trades, "best_bid": str(bid), "best_ask": str(ask)}

    def _book(self, request: Request, pair: str) -> Any:
        most = 0 if request.is_empty else int(request.query["limit"])
        sides = {"bids": crypto.bids(self.world, pair), "asks": crypto.asks(self.world, pair)}
        levels = {
            side: [{"price": str(price), "size": str(size)} for price, size in rows[:most]]
            for side, rows in sides.items()
        }
        taken_at = _written(self.world.now - dt.timedelta(milliseconds=400))
        return {"pricebook": {"product_id": pair.replace("/", "-"), **levels, "time": taken_at}}


def _written(instant: dt.datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


CASES = crypto.cases("coinbase", CoinbaseVendor, "BTC/USD")
