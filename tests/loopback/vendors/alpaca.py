"""Alpaca as the loopback server plays it: the data host and the trading host of a paper account.

Bodies follow the service's documents: pages by token, a default of days for the interval of corporate actions and of
the coming weekend for contracts, numbers of contracts as texts.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl

from gnosis.sessions import NEW_YORK
from gnosis.symbols import format_contracts
from resources.providers.live.service import Ask
from tests.loopback.cases import SECRET, Case
from tests.loopback.server import Request, Response
from tests.loopback.world import DIVIDEND_USD, SPLIT_RATIO, World

DATA, PAPER = "data.alpaca.markets", "paper-api.alpaca.markets"
KEYS = {"APCA_API_KEY_ID": f"PK{SECRET}", "APCA_API_SECRET_KEY": SECRET}
RECENT = dt.timedelta(minutes=15)
REFUSALS = {
    401: {"code": 40110000, "message": "request is not authorized"},
    402: {"message": "subscription does not permit this"},
    403: {"message": "subscription does not permit querying recent SIP data"},
    404: {"message": "endpoint not found."},
    429: {"message": "too many requests."},
}


class AlpacaVendor:
    service = "alpaca"

    def __init__(self, world: World) -> None:
        self.world = world
        self.actions = {
            "forward_splits": [
                {
                    "id": "split-1", "symbol": "AAA", "cusip": "000000001", "new_rate": int(SPLIT_RATIO), "old_rate": 1,
                    "process_date": f"{world.split_date}", "ex_date": f"{world.split_date}",
                }
            ],
            "reverse_splits": [
                {
                    "id": "split-2", "symbol": "BBB", "old_cusip": "000000002", "new_cusip": "000000003",
                    "new_rate": 1, "old_rate": 10, "process_date": f"{world.ex_date}", "ex_date": f"{world.ex_date}",
                }
            ],
            "cash_dividends": [
                {
                    "id": f"cash-{n}", "symbol": "AAA", "cusip": "000000001", "rate": DIVIDEND_USD / 2,
                    "special": bool(n), "foreign": False, "ex_date": f"{world.ex_date}",
                    "process_date": f"{world.ex_date + dt.timedelta(days=15)}",
                    "payable_date": f"{world.ex_date + dt.timedelta(days=15)}",
                }
                for n in range(2)
            ],
        }  # fmt: skip

    def refusal(self, status: int) -> Response:
        if status in REFUSALS:
            return Response.of_json(REFUSALS[status], status)
        return Response(b"<html><body>upstream</body></html>", status, "text/html")

    def answer(self, request: Request) -> Response:
        keys = (request.headers.get("apca-api-key-id"), request.headers.get("apca-api-secret-key"))
        if keys != tuple(KEYS.values()):
            return self.refusal(401)
        routes: dict[tuple[str, str], Callable[[Request], Response]] = {
            (DATA, "/v2/stocks/bars"): self._bars,
            (DATA, "/v2/stocks/trades"): self._trades,
            (DATA, "/v2/stocks/trades/latest"): self._latest_trade,
            (DATA, "/v1beta1/news"): self._news,
            (DATA, "/v1/corporate-actions"): self._actions,
            (PAPER, "/v2/options/contracts"): self._contracts,
        }
        route = routes.get((request.host, request.path))
        if route is None and request.host == DATA and request.path.startswith("/v1beta1/options/snapshots/"):
            route = self._snapshots
        return route(request) if route else self.refusal(404)

    def _bars(self, request: Request) -> Response:
        query = request.query
        start, end = (dt.datetime.fromisoformat(query[name]) for name in ("start", "end"))
        if refused := self._refused(query["symbols"], query["feed"], end):
            return refused
        assert query["adjustment"] == "raw"
        rows = {"1Day": self._daily, "1Min": self._minutes, "5Min": self._minutes}[query["timeframe"]]()
        return self._by_symbol(request, "bars", rows.filter(pl.col("t").is_between(start, end)), 1000)

    def _daily(self) -> pl.DataFrame:
        midnight = pl.col("session").dt.combine(dt.time()).dt.replace_time_zone(str(NEW_YORK))
        return self.world.bars.select(
            "symbol", t=midnight.dt.convert_time_zone("UTC"), o="open", h="high", l="low", c="close", v="volume"
        )

    def _minutes(self) -> pl.DataFrame:
        """Bars of a thin market: every 30 minutes, at the last minute before the chain, and one after the close."""
        starts = [pl.col("open_at") + dt.timedelta(minutes=30 * n) for n in range(13)]
        starts += [pl.col("close_at") - dt.timedelta(minutes=16), pl.col("close_at") + dt.timedelta(minutes=5)]
        return (
            self.world.bars.with_columns(t=pl.concat_list(starts))
            .explode("t")
            .select("symbol", "t", o="open", h="high", l="low", c="close", v=pl.lit(300))
        )

    def _trades(self, request: Request) -> Response:
        query = request.query
        start, end = (dt.datetime.fromisoformat(query[name]) for name in ("start", "end"))
        if refused := self._refused(query["symbols"], query["feed"], end):
            return refused
        day = self.world.bars.filter(pl.col("open_at").is_between(start, end))
        prints = day.select(
            "symbol",
            p="close",
            x=pl.lit("V"),
            z=pl.lit("C"),
            t=pl.concat_list(pl.col("open_at") + dt.timedelta(seconds=n) for n in range(4)),
            i=pl.lit([101, 102, 103, 104]),
            s=pl.lit([100, 7, 50, 1]),
            u=pl.lit(["", "", "canceled", "corrected"]),
        ).explode("t", "i", "s", "u")
        return self._by_symbol(request, "trades", prints, 1000, digits="086175744")

    def _latest_trade(self, request: Request) -> Response:
        stamp = _rfc3339(self.world.calendar["close_at"][-1], "123456789")
        return Response.of_json({"trades": {"SPY": {"t": stamp, "x": "V", "p": 500.25, "s": 100, "i": 9, "z": "B"}}})

    def _snapshots(self, request: Request) -> Response:
        underlying = request.path.rsplit("/", 1)[1]
        chain = self.world.chain.with_columns(root=pl.lit("AAA"))
        midnight = dt.datetime.combine(self.world.today, dt.time(), NEW_YORK).astimezone(dt.UTC)
        stamp = _rfc3339(self.world.quoted_at, "000000001")
        snapshots = [
            (
                name,
                {
                    "latestQuote": {
                        "t": stamp, "bp": row["bid"], "bs": int(row["bid_size"]), "bx": "C",
                        "ap": row["ask"], "as": int(row["ask_size"]), "ax": "C", "c": " ",
                    },
                    "latestTrade": {"t": stamp, "p": row["bid"], "s": 1, "x": "C", "c": "a"},
                    "dailyBar": {"t": _rfc3339(midnight), "c": row["bid"], "v": int(row["volume"])},
                    "impliedVolatility": row["iv"],
                    "greeks": {"delta": row["delta"], "gamma": row["gamma"], "theta": -0.1, "rho": 0.01, "vega": 0.1},
                },
            )
            for name, row in zip(format_contracts(chain), chain.to_dicts(), strict=True)
        ]  # fmt: skip
        none = request.is_empty or underlying != "AAA"
        page, token = _page(request, [] if none else snapshots, 100, 1000)
        return Response.of_json({"snapshots": dict(page), "next_page_token": token})

    def _contracts(self, request: Request) -> Response:
        first = dt.date.fromisoformat(request.query.get("expiration_date_gte", f"{self.world.now.date()}"))
        weekend = self.world.now.date() + dt.timedelta(days=6 - self.world.now.weekday())
        last = dt.date.fromisoformat(request.query.get("expiration_date_lte", f"{weekend}"))
        chain = self.world.chain.with_columns(root=pl.lit("AAA"))
        rows = [
            {
                "id": f"contract-{n}", "symbol": name, "status": "active", "underlying_symbol": "AAA",
                "root_symbol": "AAA", "style": "american", "strike_price": f"{row['strike']:g}", "size": "100",
                "expiration_date": f"{row['expiry']}", "open_interest": f"{row['open_interest']:.0f}",
                "open_interest_date": f"{self.world.sessions[-2]}", "close_price": None, "close_price_date": None,
            }
            for n, (name, row) in enumerate(zip(format_contracts(chain), chain.to_dicts(), strict=True))
            if first <= row["expiry"] <= last
        ]  # fmt: skip
        page, token = _page(request, [] if request.is_empty else rows, 100, 10_000)
        return Response.of_json({"option_contracts": page, "next_page_token": token})

    def _news(self, request: Request) -> Response:
        query = request.query
        start, end = (dt.datetime.fromisoformat(query[name]) for name in ("start", "end"))
        assert query["sort"] == "asc"
        articles = [
            {
                "id": 24843000 + int(row["id"]), "headline": row["text"], "author": "A. Writer", "source": "benzinga",
                "created_at": _rfc3339(row["ts"]), "updated_at": _rfc3339(row["ts"] + dt.timedelta(seconds=1)),
                "summary": "", "content": "", "url": None, "images": [], "symbols": [row["symbol"], "ZZZ"],
            }
            for row in self.world.documents.sort("ts").to_dicts()
            if start <= row["ts"] + dt.timedelta(seconds=1) <= end and row["symbol"] in query["symbols"].split(",")
        ]  # fmt: skip
        page, token = _page(request, [] if request.is_empty else articles, 10, 50)
        return Response.of_json({"news": page, "next_page_token": token})

    def _actions(self, request: Request) -> Response:
        query, today = request.query, f"{self.world.now.date()}"
        items = [
            (kind, row)
            for kind, rows in self.actions.items()
            for row in rows
            if kind.removesuffix("s") in query["types"].split(",")
            and row["symbol"] in query["symbols"].split(",")
            and query.get("start", today) <= row["process_date"] <= query.get("end", today)
        ]
        page, token = _page(request, [] if request.is_empty else items, 100, 1000)
        grouped: dict[str, list[Any]] = {}
        for kind, row in page:
            grouped.setdefault(kind, []).append(row)
        return Response.of_json({"corporate_actions": grouped, "next_page_token": token})

    def _refused(self, symbols: str, feed: str, end: dt.datetime) -> Response | None:
        for symbol in symbols.split(","):
            if not symbol.replace(".", "").isalpha():
                return Response.of_json({"message": f"invalid symbol: {symbol}"}, 400)
        if feed == "sip" and end > self.world.now - RECENT:
            return self.refusal(403)
        return None

    def _by_symbol(self, request: Request, kind: str, rows: pl.DataFrame, limit: int, digits: str = "") -> Response:
        rows = rows.filter(pl.col("symbol").is_in(request.query["symbols"].split(","))).sort("symbol", "t")
        found = [] if request.is_empty else rows.to_dicts()
        page, token = _page(request, found, limit, 10_000)
        grouped: dict[str, list[Any]] = {}
        for row in page:
            row["t"] = _rfc3339(row["t"], digits)
            grouped.setdefault(row.pop("symbol"), []).append({k: v for k, v in row.items() if v != ""})
        return Response.of_json({kind: grouped, "next_page_token": token})


def _page(request: Request, items: list[Any], usual: int, most: int) -> tuple[list[Any], str | None]:
    limit = request.page_size or min(int(request.query.get("limit", usual)), most)
    start = int(base64.b64decode(request.query.get("page_token", "")) or 0)
    rest = start + limit < len(items)
    return items[start : start + limit], base64.b64encode(str(start + limit).encode()).decode() if rest else None


def _rfc3339(instant: dt.datetime, digits: str = "") -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S") + (f".{digits}Z" if digits else "Z")


def _case(table: str, symbols: tuple[str, ...], n_sessions: int, **otherwise: Any) -> Case:
    return Case(
        service="alpaca",
        vendor=AlpacaVendor,
        ask=lambda world: Ask(table, symbols, world.sessions[-n_sessions:]),
        keys=KEYS,
        otherwise=otherwise,
    )


CASES = [
    _case("raw.equity_bars", ("AAA", "BBB", "BRK.B"), 5),
    _case("raw.intraday_bars", ("AAA",), 1),
    _case("raw.trades", ("AAA", "BBB"), 1),
    _case("raw.option_quotes", ("AAA",), 1),
    _case("raw.news", ("AAA", "BBB"), 2),
    _case("raw.splits", ("AAA", "BBB"), 8),
    _case("raw.dividends", ("AAA",), 5),
]
