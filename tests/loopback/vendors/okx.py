"""OKX as the loopback server plays it: reached as ``ccxt:okx``, like any exchange that only ccxt knows."""

from __future__ import annotations

from typing import Any

from tests.loopback import crypto
from tests.loopback.server import Request, Response
from tests.loopback.world import World

PAIRS = {"BTC-USDT": "BTC/USDT"}
CODES = {401: "50103", 403: "50030", 429: "50011", 503: "50001"}


class OkxVendor:
    service = "ccxt:okx"

    def __init__(self, world: World) -> None:
        self.world = world

    def answer(self, request: Request) -> Response:
        if request.host != "www.okx.com":
            return self.refusal(404)
        if request.path == "/api/v5/public/instruments":
            assert request.query["instType"] == "SPOT"
            return _answered([_listed(name) for name in PAIRS])
        if request.path == "/api/v5/public/time":
            return _answered([{"ts": str(crypto.milliseconds(self.world.now))}])
        made = {
            "/api/v5/market/candles": self._candles,
            "/api/v5/market/history-candles": self._candles,
            "/api/v5/market/ticker": self._ticker,
            "/api/v5/market/books": self._book,
            "/api/v5/market/trades": self._trades,
        }.get(request.path)
        if made is None:
            return self.refusal(404)
        if request.query.get("instId") not in PAIRS:
            return _answered([], "51001", "Instrument ID does not exist")
        return _answered([] if request.is_empty else made(request, PAIRS[request.query["instId"]]))

    def refusal(self, status: int) -> Response:
        return Response.of_json({"code": CODES.get(status, str(status)), "data": [], "msg": "refused"}, status)

    def _candles(self, request: Request, pair: str) -> Any:
        # Days of Hong Kong carry the name "1D".
        assert request.query["bar"] == "1Dutc"
        after, before = int(request.query["before"]), int(request.query["after"])
        names = ("open", "high", "low", "close", "volume")
        rows = [row for row in crypto.candles(self.world, pair) if after < row["start_ms"] < before]
        return [
            [str(row["start_ms"]), *(str(row[name]) for name in names), "9.0", "9.0", "1"] for row in reversed(rows)
        ]

    def _ticker(self, request: Request, pair: str) -> Any:
        price = str(crypto.last_price(self.world, pair))
        (bid, bid_size), (ask, ask_size) = crypto.bids(self.world, pair)[0], crypto.asks(self.world, pair)[0]
        return [
            {
                "instType": "SPOT",
                "instId": request.query["instId"],
                "last": price,
                "lastSz": "0.1",
                "askPx": str(ask),
                "askSz": str(ask_size),
                "bidPx": str(bid),
                "bidSz": str(bid_size),
                "open24h": price,
                "high24h": price,
                "low24h": price,
                "volCcy24h": "2222",
                "vol24h": "2222.5",
                "ts": str(crypto.milliseconds(self.world.now) - 90),
            }
        ]

    def _book(self, request: Request, pair: str) -> Any:
        sides = {"bids": crypto.bids(self.world, pair), "asks": crypto.asks(self.world, pair)}
        levels = {side: [[str(price), str(size), "0", "4"] for price, size in rows] for side, rows in sides.items()}
        return [{**levels, "ts": str(crypto.milliseconds(self.world.now) - 200), "seqId": 3235851742}]

    def _trades(self, request: Request, pair: str) -> Any:
        return [
            {
                "instId": request.query["instId"],
                "side": trade["taker"],
                "sz": str(trade["size"]),
                "px": str(trade["price"]),
                "tradeId": str(trade["id"]),
                "ts": str(trade["ms"]),
            }
            for trade in reversed(crypto.trades(self.world, pair))
        ]


def _answered(rows: list[Any], code: str = "0", words: str = "") -> Response:
    return Response.of_json({"code": code, "data": rows, "msg": words})


def _listed(name: str) -> dict[str, Any]:
    base, quote = PAIRS[name].split("/")
    return {
        "instType": "SPOT",
        "instId": name,
        "baseCcy": base,
        "quoteCcy": quote,
        "settleCcy": "",
        "uly": "",
        "lever": "10",
        "lotSz": "0.00000001",
        "minSz": "0.00001",
        "tickSz": "0.1",
        "maxMktSz": "1000000",
        "listTime": "1548133413000",
        "expTime": "",
        "state": "live",
    }


CASES = crypto.cases("ccxt:okx", OkxVendor, "BTC/USDT")[:2]
