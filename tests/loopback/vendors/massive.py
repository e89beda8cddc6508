"""Massive and Polygon as the loopback server plays them: one vendor behind two names, refusals in its own words."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import polars as pl

from gnosis.sessions import NEW_YORK
from gnosis.symbols import format_contracts, to_provider
from resources.providers.live.service import Ask
from tests.loopback.cases import SECRET, Case
from tests.loopback.server import Request, Response
from tests.loopback.world import DIVIDEND_USD, SPLIT_RATIO, World

Rows = list[dict[str, Any]]
OUTSIDE = dt.timedelta(minutes=30)
UPGRADE = "You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing"
TOO_MANY = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
    "https://massive.com/pricing"
)
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "": lambda a, b: bool(a == b),
    "gt": lambda a, b: bool(a > b),
    "gte": lambda a, b: bool(a >= b),
    "lt": lambda a, b: bool(a < b),
    "lte": lambda a, b: bool(a <= b),
}


def millis(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)


def nanos(at: dt.datetime) -> int:
    return millis(at) * 1_000_000


def midnight(day: dt.date) -> int:
    return millis(dt.datetime.combine(day, dt.time(), NEW_YORK))


class MassiveVendor:
    """Answers for ``service``; ``changed`` and ``document`` let a test alter rows and whole answers."""

    def __init__(self, world: World, service: str = "massive") -> None:
        self.world, self.service = world, service
        self.key = SECRET
        self.changed: Callable[[Rows], Rows] = lambda rows: rows
        self.document: Callable[[dict[str, Any]], dict[str, Any]] = lambda document: document

    def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.key}" or "apiKey" in request.query:
            return self.refusal(401)
        query = dict(request.query)
        start = 0
        if "cursor" in query:
            start, query = json.loads(base64.urlsafe_b64decode(query["cursor"]))
        for pattern, made, is_bars in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found:
                answered = made(self, query, *found.groups())
                if isinstance(answered, Response):
                    return answered
                rows = [] if request.is_empty else self.changed(answered)
                return self.page(request, query, rows, start, is_bars=is_bars)
        return Response(b"404 page not found", 404, "text/plain")

    def refusal(self, status: int) -> Response:
        body = {
            401: {"status": "ERROR", "request_id": "1", "error": "Unknown API Key"},
            403: {"status": "NOT_AUTHORIZED", "request_id": "1", "message": UPGRADE},
            404: {"status": "NOT_FOUND", "request_id": "1", "message": "Data not found."},
            429: {"status": "ERROR", "request_id": "1", "error": TOO_MANY},
        }.get(status, {"status": "ERROR", "request_id": "1", "error": f"refused with {status}"})
        return Response.of_json(body, status)

    def page(self, request: Request, query: Mapping[str, str], rows: Rows, start: int, *, is_bars: bool) -> Response:
        is_grouped = "/grouped/" in request.path
        size = len(rows) if is_grouped else request.page_size or int(query.get("limit", 5000 if is_bars else 10))
        part = rows[start : start + size]
        document: dict[str, Any] = {"status": "OK", "request_id": "1"}
        if is_bars:
            document |= {"adjusted": query.get("adjusted") != "false", "queryCount": len(part)}
            document |= {"resultsCount": len(part)}
        # Bars leave the list out when it is empty; the other lists do not.
        if part or not is_bars:
            document["results"] = part
        if start + size < len(rows):
            cursor = base64.urlsafe_b64encode(json.dumps([start + size, query]).encode()).decode()
            document["next_url"] = f"https://api.{self.service}.com{request.path}?cursor={cursor}"
        return Response.of_json(self.document(document))

    def bars(self, query: Mapping[str, str], frame: pl.DataFrame, stamp: Callable[[dict[str, Any]], int]) -> Rows:
        is_adjusted = query.get("adjusted") != "false"
        rows = []
        for row in frame.iter_rows(named=True):
            before = row["symbol"] == "AAA" and row["session"] < self.world.split_date and is_adjusted
            ratio = SPLIT_RATIO if before else 1.0
            bar = {
                letter: row[name] / ratio for letter, name in zip("ohlc", ("open", "high", "low", "close"), strict=True)
            }
            volume = {} if row["symbol"].startswith("^") else {"v": row["volume"] * ratio, "vw": bar["c"], "n": 1000}
            rows.append({"T": to_provider(row["symbol"], "massive"), **bar, **volume, "t": stamp(row)})
        return rows

    def grouped(self, query: Mapping[str, str], day: str) -> Rows:
        frame = self.world.bars.filter(pl.col("session") == dt.date.fromisoformat(day))
        preferred = [{"T": "AAApA", "o": 25.0, "h": 25.0, "l": 25.0, "c": 25.0, "v": 10.0, "t": 0}]
        rows = self.bars(query, frame, lambda row: millis(row["close_at"]))
        return rows + (preferred if rows else [])

    def daily(self, query: Mapping[str, str], text: str, first: str, last: str) -> Rows:
        frame = pl.concat([self.world.bars, self.world.levels])
        named = frame.filter(
            pl.col("symbol").map_elements(lambda name: to_provider(name, "massive"), pl.String) == text,
            pl.col("session").is_between(dt.date.fromisoformat(first), dt.date.fromisoformat(last)),
        )
        rows = self.bars(query, named, lambda row: midnight(row["session"]))
        return [{name: value for name, value in row.items() if name != "T"} for row in rows]

    def minutes(self, query: Mapping[str, str], text: str, length: str, first: str, last: str) -> Rows:
        rows = []
        for row in self.world.bars.filter(pl.col("symbol") == text).iter_rows(named=True):
            at = row["open_at"] - OUTSIDE
            while at <= row["close_at"] + OUTSIDE:
                bar = {letter: row[name] for letter, name in zip("ohlc", ("open", "high", "low", "close"), strict=True)}
                rows.append({**bar, "v": 100.0 * int(length), "t": millis(at)})
                at += dt.timedelta(minutes=30)
        return [row for row in rows if int(first) <= row["t"] <= int(last)]

    def trades(self, query: Mapping[str, str], text: str) -> Rows:
        rows: Rows = []
        for row in self.world.bars.filter(pl.col("symbol") == text).tail(3).iter_rows(named=True):
            opened, closed = row["open_at"], row["close_at"]
            marks = [opened - OUTSIDE, opened, opened + OUTSIDE, closed, closed + OUTSIDE]
            for n, at in enumerate(marks):
                trade = {"id": str(n // 2), "exchange": 4 + n % 2, "price": row["close"], "size": 100.0 + n}
                stamps = {"participant_timestamp": nanos(at) - 250_000_123, "sip_timestamp": nanos(at)}
                rows.append({**trade, **stamps, "conditions": [12, 37], "sequence_number": n, "tape": 3})
        return ordered(matching(rows, query, {"timestamp": "sip_timestamp"}), query)

    def quotes(self, query: Mapping[str, str], text: str) -> Rows:
        rows: Rows = []
        for row in self.world.bars.filter(pl.col("symbol") == text).tail(3).iter_rows(named=True):
            for seconds in (-60, 5, 20, 59, 65, 600):
                at = nanos(row["open_at"] + dt.timedelta(seconds=seconds)) + 77
                prices = {"bid_price": row["open"] - 0.01, "ask_price": row["open"] + 0.01}
                sizes = {"bid_size": 300 + seconds, "ask_size": 200}
                rows.append({**prices, **sizes, "sip_timestamp": at, "participant_timestamp": at - 1000, "tape": 3})
        return ordered(matching(rows, query, {"timestamp": "sip_timestamp"}), query)

    def chain(self, query: Mapping[str, str], text: str) -> Rows:
        if text != "AAA":
            return []
        chain = self.world.chain.with_columns(root=pl.lit("AAA"))
        names = format_contracts(chain, prefix="O:")
        today = midnight(self.world.today) * 1_000_000
        rows = []
        for n, (row, name) in enumerate(zip(chain.iter_rows(named=True), names, strict=True)):
            details = {
                "contract_type": "call" if row["right"] == "C" else "put",
                "exercise_style": "american",
                "expiration_date": row["expiry"].isoformat(),
                "shares_per_contract": 100,
                "strike_price": row["strike"],
                "ticker": name,
            }
            quote = {field: row[field] for field in ("bid", "ask", "bid_size", "ask_size")}
            known = {} if n == 0 else {"implied_volatility": row["iv"]}
            rows.append(
                {
                    "details": details,
                    "greeks": {} if n == 0 else {field: row[field] for field in ("delta", "gamma", "vega")},
                    **known,
                    "last_quote": quote | {"last_updated": nanos(self.world.quoted_at), "timeframe": "DELAYED"},
                    "day": {"volume": row["volume"], "last_updated": today},
                    "open_interest": row["open_interest"],
                    "underlying_asset": {
                        "ticker": "AAA",
                        "price": self.world.spot("AAA"),
                        "timeframe": "DELAYED",
                        "last_updated": nanos(self.world.quoted_at),
                    },
                }
            )
        return rows

    def splits(self, query: Mapping[str, str]) -> Rows:
        day = self.world.split_date.isoformat()
        rows: Rows = [
            {"id": "E1", "ticker": "AAA", "execution_date": day, "split_from": 1, "split_to": SPLIT_RATIO},
            {"id": "E2", "ticker": "ZZZW", "execution_date": day, "split_from": 10, "split_to": 1},
        ]
        return matching(rows, query, {})

    def dividends(self, query: Mapping[str, str]) -> Rows:
        told, ex = self.world.sessions[-8].isoformat(), self.world.ex_date.isoformat()
        shared = {"cash_amount": DIVIDEND_USD, "currency": "USD", "dividend_type": "CD", "frequency": 4}
        rows: Rows = [
            {"id": "E1", "ticker": "AAA", "declaration_date": told, "ex_dividend_date": ex, **shared},
            {"id": "E2", "ticker": "BBB", "ex_dividend_date": ex, **shared},
        ]
        return matching(rows, query, {})

    def status(self, query: Mapping[str, str]) -> Response:
        told = self.world.now.astimezone(NEW_YORK).isoformat()
        venues = {"nyse": "closed", "nasdaq": "closed", "otc": "closed"}
        return Response.of_json({"market": "closed", "afterHours": True, "exchanges": venues, "serverTime": told})


def matching(rows: Rows, query: Mapping[str, str], columns: Mapping[str, str]) -> Rows:
    """Return the rows that fit the filters ``field`` and ``field.gt`` to ``field.lte``; nothing fits a null."""
    for name, wanted in query.items():
        field, _, operator = name.partition(".")
        if field in ("limit", "order", "sort"):
            continue
        column = columns.get(field, field)
        held = [row for row in rows if row.get(column) is not None]
        kind = type(held[0][column]) if held else str
        rows = [row for row in held if COMPARE[operator](row[column], kind(wanted))]
    return rows


def ordered(rows: Rows, query: Mapping[str, str]) -> Rows:
    # Newest first unless told otherwise.
    return sorted(rows, key=lambda row: int(row["sip_timestamp"]), reverse=query.get("order") != "asc")


ROUTES: list[tuple[str, Callable[..., Rows | Response], bool]] = [
    (r"/v2/aggs/grouped/locale/us/market/stocks/([\d-]+)", MassiveVendor.grouped, True),
    (r"/v2/aggs/ticker/([^/]+)/range/1/day/([\d-]+)/([\d-]+)", MassiveVendor.daily, True),
    (r"/v2/aggs/ticker/([^/]+)/range/(1|5)/minute/(\d+)/(\d+)", MassiveVendor.minutes, True),
    (r"/v3/trades/([^/]+)", MassiveVendor.trades, False),
    (r"/v3/quotes/([^/]+)", MassiveVendor.quotes, False),
    (r"/v3/snapshot/options/([^/]+)", MassiveVendor.chain, False),
    (r"/v3/reference/splits", MassiveVendor.splits, False),
    (r"/v3/reference/dividends", MassiveVendor.dividends, False),
    (r"/v1/marketstatus/now", MassiveVendor.status, False),
]


def _case(table: str, *symbols: str, n_sessions: int = 1, service: str = "massive") -> Case:
    return Case(
        service=service,
        vendor=partial(MassiveVendor, service=service),
        ask=lambda world: Ask(table, symbols, world.sessions[-n_sessions:]),
        keys={f"{service.upper()}_API_KEY": SECRET},
    )


CASES = [
    _case("raw.equity_bars", "AAA", "BBB", "BRK.B"),
    _case("raw.index_levels", "^GSPC", n_sessions=5),
    _case("raw.intraday_bars", "AAA"),
    _case("raw.trades", "AAA"),
    _case("raw.order_books", "AAA"),
    _case("raw.option_quotes", "AAA"),
    _case("raw.splits", "AAA", "BBB", n_sessions=10),
    _case("raw.dividends", "AAA", "BBB", n_sessions=10),
    _case("raw.equity_bars", "AAA", n_sessions=5, service="polygon"),
]
