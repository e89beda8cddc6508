"""Kraken spot as the loopback server plays it: errors inside HTTP 200, 720 candles whatever is asked."""

from __future__ import annotations

from typing import Any

from tests.loopback import crypto
from tests.loopback.server import Request, Response
from tests.loopback.world import World

PAIRS = {"XXBTZUSD": "BTC/USD", "XETHZUSD": "ETH/USD", "XBTUSDT": "BTC/USDT"}
ASSETS = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD", "USDT": "USDT"}
MOST_CANDLES = 720
WORDS = {
    401: "EAPI:Invalid key",
    403: "EGeneral:Permission denied",
    404: "EGeneral:Unknown method",
    429: "EAPI:Rate limit exceeded",
    503: "EService:Unavailable",
}


class KrakenVendor:
    service = "kraken"

    def __init__(self, world: World) -> None:
        self.world = world
        self.error = ""

    def answer(self, request: Request) -> Response:
        if request.host != "api.kraken.com":
            return _refused("EGeneral:Unknown method")
        if self.error and request.path != "/0/public/AssetPairs":
            return _refused(self.error)
        if request.path == "/0/public/AssetPairs":
            return _answered({name: _listed(name) for name in PAIRS})
        if request.path == "/0/public/Time":
            return _answered({"unixtime": int(self.world.now.timestamp()), "rfc1123": "Fri, 20 Nov 26 23:30:00 +0000"})
        made = {
            "/0/public/OHLC": self._candles,
            "/0/public/Ticker": self._ticker,
            "/0/public/Depth": self._depth,
            "/0/public/Trades": self._trades,
        }.get(request.path)
        if made is None:
            return _refused("EGeneral:Unknown method")
        name = request.query.get("pair", "")
        if name not in PAIRS:
            return _refused("EQuery:Unknown asset pair")
        return _answered(made(request, name, PAIRS[name]))

    def refusal(self, status: int) -> Response:
        return Response.of_json({"error": [WORDS.get(status, "EGeneral:Internal error")]}, status)

    def _candles(self, request: Request, name: str, pair: str) -> Any:
        assert request.query["interval"] == "1440"
        rows = [
            [
                row["start_ms"] // 1000,
                *(str(row[part]) for part in ("open", "high", "low", "close")),
                str(row["close"]),
                f"{row['volume']:.8f}",
                100,
            ]
            for row in crypto.candles(self.world, pair)[-MOST_CANDLES:]
        ]
        found = [row for row in rows if row[0] > int(request.query.get("since", 0))]
        return {name: [] if request.is_empty else found, "last": rows[-2][0]}

    def _ticker(self, request: Request, name: str, pair: str) -> Any:
        price = str(crypto.last_price(self.world, pair))
        (bid, bid_size), (ask, ask_size) = crypto.bids(self.world, pair)[0], crypto.asks(self.world, pair)[0]
        ticker = {
            "a": [str(ask), "1", str(ask_size)],
            "b": [str(bid), "1", str(bid_size)],
            "c": [price, "0.04408910"],
            "v": ["4147.94474901", "8896.96086304"],
            "p": [price, price],
            "t": [3907, 10056],
            "l": [price, price],
            "h": [price, price],
            "o": price,
        }
        return {name: ticker}

    def _depth(self, request: Request, name: str, pair: str) -> Any:
        most = 0 if request.is_empty else int(request.query["count"])
        now = int(self.world.now.timestamp())
        sides = {"asks": crypto.asks(self.world, pair), "bids": crypto.bids(self.world, pair)}
        return {
            name: {
                side: [[str(price), f"{size:.3f}", now - 60] for price, size in rows[:most]]
                for side, rows in sides.items()
            }
        }

    def _trades(self, request: Request, name: str, pair: str) -> Any:
        found = [] if request.is_empty else crypto.trades(self.world, pair)[-int(request.query["count"]) :]
        rows = [
            [str(trade["price"]), f"{trade['size']:.8f}", trade["ms"] / 1000, trade["taker"][0], "m", "", trade["id"]]
            for trade in found
        ]
        return {name: rows, "last": "1541439421200678657"}


def _answered(result: Any) -> Response:
    return Response.of_json({"error": [], "result": result})


def _refused(words: str) -> Response:
    return Response.of_json({"error": [words]})


def _listed(name: str) -> dict[str, Any]:
    base, quote = PAIRS[name].split("/")
    written = f"{'XBT' if base == 'BTC' else base}{quote}"
    return {
        "altname": written,
        "wsname": f"{'XBT' if base == 'BTC' else base}/{quote}",
        "aclass_base": "currency",
        "base": ASSETS[base],
        "aclass_quote": "currency",
        "quote": ASSETS[quote],
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [2, 3],
        "leverage_sell": [2, 3],
        "fees": [[0, 0.4], [10000, 0.35]],
        "fees_maker": [[0, 0.25], [10000, 0.2]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


CASES = crypto.cases("kraken", KrakenVendor, "BTC/USD", tickers=crypto.NEVER_EMPTY)
