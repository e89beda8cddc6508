"""Bybit spot as the loopback server plays it: newest first, errors inside HTTP 200, a refused country as HTTP 403."""

from __future__ import annotations

from typing import Any

from tests.loopback import crypto
from tests.loopback.server import Request, Response
from tests.loopback.world import World

PAIRS = {"BTCUSDT": "BTC/USDT"}
MOST_CANDLES = 1000
MOST_TRADES = 60
BLOCKED = (
    b"<!DOCTYPE HTML><HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY>"
    b"The Amazon CloudFront distribution is configured to block access from your country.</BODY></HTML>"
)


class BybitVendor:
    service = "bybit"

    def __init__(self, world: World) -> None:
        self.world = world
        self.code, self.words = 0, "OK"

    def answer(self, request: Request) -> Response:
        made = {
            "/v5/market/instruments-info": self._listed,
            "/v5/market/kline": self._candles,
            "/v5/market/tickers": self._ticker,
            "/v5/market/orderbook": self._book,
            "/v5/market/recent-trade": self._trades,
        }.get(request.path)
        if request.host != "api.bybit.com" or (made is None and request.path != "/v5/market/time"):
            return Response(b"404 page not found", 404, "text/plain")
        if made is None:
            now = crypto.milliseconds(self.world.now)
            return self._answered({"timeSecond": str(now // 1000), "timeNano": f"{now}000000"})
        if request.query.get("category") != "spot":
            return self._answered({}, 10001, "params error: Category is invalid")
        if request.path == "/v5/market/instruments-info":
            return self._answered(self._listed(request, ""))
        if request.query.get("symbol") not in PAIRS:
            return self._answered({}, 10001, "Not supported symbols")
        if self.code:
            return self._answered({}, self.code, self.words)
        return self._answered(made(request, PAIRS[request.query["symbol"]]))

    def refusal(self, status: int) -> Response:
        if status == 403:
            return Response(BLOCKED, 403, "text/html")
        return Response.of_json({"error": f"refused with {status}"}, status)

    def _answered(self, result: Any, code: int = 0, words: str = "OK") -> Response:
        time = crypto.milliseconds(self.world.now)
        return Response.of_json({"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}, "time": time})

    def _listed(self, _: Request, __: str) -> Any:
        rows = [
            {
                "symbol": name,
                "baseCoin": pair.split("/")[0],
                "quoteCoin": pair.split("/")[1],
                "innovation": "0",
                "status": "Trading",
                "marginTrading": "both",
                "lotSizeFilter": {
                    "basePrecision": "0.000001",
                    "quotePrecision": "0.00000001",
                    "minOrderQty": "0.00004",
                    "maxOrderQty": "63.01197227",
                    "minOrderAmt": "1",
                    "maxOrderAmt": "100000",
                },
                "priceFilter": {"tickSize": "0.01"},
            }
            for name, pair in PAIRS.items()
        ]
        return {"category": "spot", "list": rows}

    def _candles(self, request: Request, pair: str) -> Any:
        assert request.query["interval"] == "D"
        first, last = int(request.query["start"]), int(request.query["end"])
        most = min(int(request.query["limit"]), MOST_CANDLES)
        found = [row for row in crypto.candles(self.world, pair) if first <= row["start_ms"] <= last]
        names = ("open", "high", "low", "close", "volume")
        rows = [
            [str(row["start_ms"]), *(str(row[name]) for name in names), "2.4343353100000003"]
            for row in reversed([] if request.is_empty else found)
        ]
        return {"category": "spot", "symbol": request.query["symbol"], "list": rows[:most]}

    def _ticker(self, request: Request, pair: str) -> Any:
        price = str(crypto.last_price(self.world, pair))
        (bid, bid_size), (ask, ask_size) = crypto.bids(self.world, pair)[0], crypto.asks(self.world, pair)[0]
        row = {
            "symbol": request.query["symbol"],
            "bid1Price": str(bid),
            "bid1Size": str(bid_size),
            "ask1Price": str(ask),
            "ask1Size": str(ask_size),
            "lastPrice": price,
            "prevPrice24h": price,
            "price24hPcnt": "0.0068",
            "highPrice24h": price,
            "lowPrice24h": price,
            "turnover24h": "243765620.65899866",
            "volume24h": "11801.27771",
        }
        return {"category": "spot", "list": [] if request.is_empty else [row]}

    def _book(self, request: Request, pair: str) -> Any:
        most = 0 if request.is_empty else int(request.query["limit"])
        sides = {"b": crypto.bids(self.world, pair), "a": crypto.asks(self.world, pair)}
        levels = {side: [[str(price), str(size)] for price, size in rows[:most]] for side, rows in sides.items()}
        return {"s": request.query["symbol"], **levels, "ts": crypto.milliseconds(self.world.now) - 300, "u": 5277055}

    def _trades(self, request: Request, pair: str) -> Any:
        most = min(int(request.query["limit"]), MOST_TRADES)
        found = [] if request.is_empty else crypto.trades(self.world, pair)[-most:]
        rows = [
            {
                "execId": f"2100000000{trade['id']}",
                "symbol": request.query["symbol"],
                "price": str(trade["price"]),
                "size": str(trade["size"]),
                "side": trade["taker"].capitalize(),
                "time": str(trade["ms"]),
                "isBlockTrade": False,
            }
            for trade in reversed(found)
        ]
        return {"category": "spot", "list": rows}


CASES = crypto.cases("bybit", BybitVendor, "BTC/USDT")
