"""Yahoo as the loopback server plays it: the cookie host, the crumb, charts, option chains and news."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl

from gnosis.sessions import NEW_YORK, schedule
from gnosis.symbols import UnmappedSymbolError, from_provider
from resources.providers.live.errors import AuthError
from resources.providers.live.service import Ask
from tests.loopback.cases import Case
from tests.loopback.server import Loopback, Request, Response
from tests.loopback.world import DIVIDEND_USD, SPLIT_RATIO, World

LONG_AGO = dt.datetime(2024, 11, 22, 23, 30, tzinfo=dt.UTC)
"""A Friday evening that is past on every clock, so that yfinance would keep what it gets."""

COOKIE = "A3=d=AQABBtest&S=AQAAA"
CRUMB = "x1Yz.Ab/cD9"
CRUMB_PATH = "/v1/test/getcrumb"
CHART, OPTIONS = "/v8/finance/chart/", "/v7/finance/options/"
ZONES = {"^VIX": "America/Chicago"}
REFUSALS = {
    401: ("finance", "Unauthorized", "Invalid Crumb"),
    404: ("chart", "Not Found", "No data found, symbol may be delisted"),
}


class YahooVendor:
    service = "yahoo"

    def __init__(self, world: World) -> None:
        self.world = world

    def answer(self, request: Request) -> Response:
        host, path = request.host, request.path
        if host == "fc.yahoo.com":
            # The cookie comes with a page that says that there is none.
            return Response(b"", 404, "text/html", {"Set-Cookie": f"{COOKIE}; Path=/"})
        if path == CRUMB_PATH and host in ("query1.finance.yahoo.com", "query2.finance.yahoo.com"):
            return self._crumb(request)
        if path.startswith(CHART) and host == "query2.finance.yahoo.com":
            return self._chart(request, path.removeprefix(CHART))
        if path.startswith(OPTIONS) and host == "query2.finance.yahoo.com":
            return self._options(request, path.removeprefix(OPTIONS))
        if path == "/xhr/ncp" and host == "finance.yahoo.com" and request.method == "POST":
            return self._news(request)
        return self.refusal(404)

    def refusal(self, status: int) -> Response:
        if status == 429:
            return Response(b"Too Many Requests\r\n", 429, "text/html")
        if status not in REFUSALS:
            return Response(b"<html><body>Yahoo! - error</body></html>", status, "text/html")
        root, code, description = REFUSALS[status]
        return Response.of_json({root: {"result": None, "error": {"code": code, "description": description}}}, status)

    def _crumb(self, request: Request) -> Response:
        if COOKIE.split("=", 1)[0] + "=" not in request.headers.get("cookie", ""):
            return Response(b'{"finance":{"result":null,"error":{"code":"Unauthorized"}}}', 401)
        return Response(CRUMB.encode(), 200, "text/plain")

    def rows(self, symbol: str) -> pl.DataFrame:
        """Closed sessions of a symbol as traded."""
        table = self.world.levels if symbol.startswith("^") else self.world.bars
        return table.filter(pl.col("symbol") == symbol)

    def splits(self, symbol: str) -> list[tuple[dt.date, float, float]]:
        """Ex-date, numerator, denominator."""
        return [(self.world.split_date, SPLIT_RATIO, 1.0)] if symbol == "AAA" else []

    def dividends(self, symbol: str) -> list[dict[str, Any]]:
        """Amounts as paid: ``date`` (ex-date), ``amount`` and perhaps ``currency``."""
        return [{"date": self.world.ex_date, "amount": DIVIDEND_USD}] if symbol == "AAA" else []

    def meta(self, symbol: str) -> dict[str, Any]:
        zone = ZONES.get(symbol, "America/New_York")
        last = self.world.calendar["close_at"][-1]
        period = {"timezone": "EST", "start": _epoch(last) - 23400, "end": _epoch(last), "gmtoffset": -18000}
        return {
            "currency": "USD",
            "symbol": symbol,
            "instrumentType": "INDEX" if symbol.startswith("^") else "EQUITY",
            "firstTradeDate": _epoch(self.world.calendar["open_at"][0]),
            "regularMarketTime": _epoch(last) + 1,
            "gmtoffset": -18000,
            "timezone": "EST",
            "exchangeTimezoneName": zone,
            "priceHint": 2,
            "currentTradingPeriod": {name: dict(period) for name in ("pre", "regular", "post")},
            "dataGranularity": "1d",
            "range": "",
            "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
        }

    def _chart(self, request: Request, written: str) -> Response:
        symbol = _symbol(written)
        if symbol is None or self.rows(symbol).is_empty():
            return self.refusal(404)
        splits = self.splits(symbol)
        rows = self.rows(symbol).with_columns(at=pl.col("open_at").dt.epoch("s").cast(pl.Int64))
        live = schedule().filter(pl.col("open_at") <= self.world.now, pl.col("close_at") > self.world.now)
        if live.height:
            today = {"session": live["session"].item(), "at": _epoch(self.world.now), "volume": 5.0}
            newest = rows.tail(1).with_columns(**{name: pl.lit(value) for name, value in today.items()})
            rows = pl.concat([rows, newest.cast(rows.schema)])
        for day, numerator, denominator in splits:
            ratio = numerator / denominator
            by = pl.when(pl.col("session") < day).then(ratio).otherwise(1.0)
            prices = [pl.col(name) / by for name in ("open", "high", "low", "close")]
            rows = rows.with_columns(*prices, volume=pl.col("volume") * by)
        first, end = int(request.query.get("period1", 0)), int(request.query.get("period2", 2**40))
        rows = rows.filter(pl.col("at").is_between(first, end, closed="left"))
        if "range" in request.query:
            rows = rows.tail(int(request.query["range"].removesuffix("d")))
        meta = self.meta(symbol)
        if request.is_empty or rows.is_empty():
            result = {"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}}
            return Response.of_json({"chart": {"result": [result], "error": None}})
        quote = rows.select("open", "high", "low", "close", pl.col("volume").cast(pl.Int64)).to_dict(as_series=False)
        result = {
            "meta": meta,
            "timestamp": rows["at"].to_list(),
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": self.adjusted_closes(symbol, rows)}]},
        }
        events = self._events(symbol, first, end)
        if events:
            result["events"] = events
        return Response.of_json({"chart": {"result": [result], "error": None}})

    def adjusted_closes(self, symbol: str, rows: pl.DataFrame) -> list[float]:
        """Closes lowered for every later dividend too, by its share of the close before its ex-date."""
        rows = rows.with_columns(adjclose="close")
        for paid in self._events(symbol, 0, 2**40).get("dividends", {}).values():
            is_before = pl.col("at") < paid["date"]
            before = rows.filter(is_before)["close"]
            kept = 1.0 - paid["amount"] / before[-1] if len(before) else 1.0
            rows = rows.with_columns(adjclose=pl.when(is_before).then(pl.col("adjclose") * kept).otherwise("adjclose"))
        return rows["adjclose"].to_list()

    def _events(self, symbol: str, first: int, end: int) -> dict[str, Any]:
        splits = [
            {"date": _opening(day), "numerator": n, "denominator": d, "splitRatio": f"{n:g}:{d:g}"}
            for day, n, d in self.splits(symbol)
        ]
        dividends = []
        for paid in self.dividends(symbol):
            by = 1.0
            for day, numerator, denominator in self.splits(symbol):
                by *= numerator / denominator if paid["date"] < day else 1.0
            dividends.append(paid | {"date": _opening(paid["date"]), "amount": paid["amount"] / by})
        named = {"splits": splits, "dividends": dividends}
        kept = {
            kind: {str(event["date"]): event for event in events if first <= event["date"] < end}
            for kind, events in named.items()
        }
        return {kind: events for kind, events in kept.items() if events}

    def contracts(self) -> pl.DataFrame:
        """Contracts of AAA in the fields of Yahoo, with ``expiry`` and ``right``."""
        chain = self.world.chain
        name = pl.concat_str(
            pl.lit("AAA"),
            pl.col("expiry").dt.strftime("%y%m%d"),
            "right",
            (pl.col("strike") * 1000).cast(pl.Int64).cast(pl.String).str.zfill(8),
        )
        return chain.select(
            "expiry",
            "right",
            "strike",
            "bid",
            "ask",
            contractSymbol=name,
            currency=pl.lit("USD"),
            lastPrice=pl.col("bid"),
            change=pl.lit(0.0),
            percentChange=pl.lit(0.0),
            volume=pl.col("volume").cast(pl.Int64),
            openInterest=pl.col("open_interest").cast(pl.Int64),
            contractSize=pl.lit("REGULAR"),
            expiration=pl.col("expiry").dt.epoch("s"),
            lastTradeDate=pl.lit(_epoch(self.world.quoted_at) - 60),
            impliedVolatility=pl.lit(1e-5),
            inTheMoney=pl.lit(False),
        )

    def underlying(self) -> dict[str, Any]:
        return {
            "quoteType": "EQUITY",
            "currency": "USD",
            "symbol": "AAA",
            "regularMarketPrice": self.world.spot("AAA"),
            "regularMarketTime": _epoch(self.world.quoted_at),
        }

    def _options(self, request: Request, written: str) -> Response:
        if request.query.get("crumb") != CRUMB:
            return self.refusal(401)
        if written != "AAA" or request.is_empty:
            return Response.of_json({"optionChain": {"result": [], "error": None}})
        contracts = self.contracts()
        epochs = contracts["expiration"].unique().sort().to_list()
        wanted = int(request.query.get("date", epochs[0]))
        sides = {
            name: [
                {key: value for key, value in row.items() if value is not None}
                for row in contracts.filter(pl.col("expiration") == wanted, pl.col("right") == right)
                .drop("expiry", "right")
                .to_dicts()
            ]
            for name, right in (("calls", "C"), ("puts", "P"))
        }
        result = {
            "underlyingSymbol": "AAA",
            "expirationDates": epochs,
            "strikes": contracts["strike"].unique().sort().to_list(),
            "hasMiniOptions": False,
            "quote": self.underlying(),
            "options": [{"expirationDate": wanted, "hasMiniOptions": False, **sides}],
        }
        return Response.of_json({"optionChain": {"result": [result], "error": None}})

    def articles(self, symbol: str) -> list[dict[str, Any]]:
        """The stream of a symbol, newest first, with an advertisement; the oldest was changed after an hour."""
        texts = self.world.documents.filter(pl.col("symbol") == symbol).sort("ts", descending=True).to_dicts()
        stories = [
            {
                "id": f"00000000-0000-4000-8000-{row['id']:0>12}",
                "content": {
                    "contentType": "STORY",
                    "title": row["text"],
                    "summary": "",
                    "pubDate": row["ts"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "displayTime": (row["ts"] + (row is texts[-1]) * CHANGED_AFTER).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "provider": {"displayName": "Example Wire"},
                },
            }
            for row in texts
        ]
        return [*stories, {"id": "advertisement", "ad": [{"id": "sponsor"}]}]

    def _news(self, request: Request) -> Response:
        if request.query != {"queryRef": "latestNews", "serviceKey": "ncp_fin"} | request.query:
            return self.refusal(404)
        asked = json.loads(request.body)["serviceConfig"]
        stream = [] if request.is_empty else self.articles(asked["s"][0])[: asked["snippetCount"]]
        return Response.of_json({"status": "OK", "data": {"tickerStream": {"stream": stream}}})


def ask_of(world: World, symbol: str = "AAA", last: int = 10, table: str = "raw.equity_bars") -> Ask:
    """Return an ask for the last sessions of a world."""
    return Ask(table, (symbol,), world.sessions[-last:])


def paths(loopback: Loopback) -> list[str]:
    """Return the paths that Yahoo was asked for."""
    return [request.path for request in loopback.requests("yahoo")]


def as_in_world(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that bars of a world and of the product share."""
    return frame.select("session", "symbol", "open", "high", "low", "close", "volume")


def _symbol(written: str) -> str | None:
    try:
        return from_provider(written, "yahoo")
    except UnmappedSymbolError:
        return None


def _epoch(instant: dt.datetime) -> int:
    return int(instant.timestamp())


def _opening(day: dt.date) -> int:
    return _epoch(dt.datetime.combine(day, dt.time(9, 30), NEW_YORK))


CHANGED_AFTER = dt.timedelta(hours=1)
PLAIN = {"backend": "requests"}
NO_PAGES = {"paging": None}  # Every answer is whole.
AS_BARS = NO_PAGES | {"slow": None}  # The same request as that for bars.


def _case(table: str, symbol: str, last: int, otherwise: dict[str, Any]) -> Case:
    return Case(
        service="yahoo",
        vendor=YahooVendor,
        ask=lambda world: ask_of(world, symbol, last, table),
        options=PLAIN,
        otherwise=otherwise,
    )


CASES = [
    _case("raw.equity_bars", "AAA", 10, NO_PAGES),
    _case("raw.index_levels", "^VIX", 3, AS_BARS),
    _case("raw.dividends", "AAA", 10, AS_BARS),
    _case("raw.splits", "AAA", 10, AS_BARS),
    # A spoilt crumb is refused before there is anything to read.
    _case("raw.option_quotes", "AAA", 1, NO_PAGES | {"truncated": AuthError, "wrong_types": AuthError}),
    # Headlines hold no number.
    _case("raw.news", "AAA", 2, NO_PAGES | {"wrong_types": None}),
]
