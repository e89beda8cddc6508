"""Cboe as the loopback server plays it: delayed chains, a delayed quote, and the histories of indices."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from gnosis.sessions import NEW_YORK
from gnosis.symbols import format_contracts
from resources.providers.live.errors import NotFound
from resources.providers.live.service import Ask
from tests.loopback.cases import Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

PREFIX = "/api/global/"
LAG = dt.timedelta(minutes=15, seconds=27)
MISSING = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)
INDICES = {"_SPX": "^GSPC", "_VIX": "^VIX"}


class CboeVendor:
    """``chains``, ``header`` and the two clocks may be changed; SPX and SPXW share one document."""

    service = "cboe"

    def __init__(self, world: World) -> None:
        self.world = world
        self.market_at = world.quoted_at
        self.made_at = world.quoted_at + LAG
        self.chains = {"AAA": self.contracts("AAA"), "_SPX": [*self.contracts("SPX"), *self.contracts("SPXW")]}
        self.header: dict[str, Any] = {"bid": 0.0, "ask": 0.0, "close": 0.0, "iv30": 25.1, "seqno": 7}

    def contracts(self, root: str) -> list[dict[str, Any]]:
        chain = self.world.chain.with_columns(root=pl.lit(root))
        named = chain.with_columns(option=format_contracts(chain))
        wanted = ["option", "bid", "bid_size", "ask", "ask_size", "iv", "open_interest", "volume", "delta", "gamma"]
        return named.select(*wanted, "vega", theta=-0.1, rho=0.01, theo="bid", last_trade_time=pl.lit(None)).to_dicts()

    def answer(self, request: Request) -> Response:
        path = request.path.removeprefix(PREFIX)
        if path == "us_indices/daily_prices/VIX_History.csv":
            return Response(self._vix(request.is_empty), 200, "text/csv")
        folder, _, name = path.removeprefix("delayed_quotes/").rpartition("/")
        symbol = name.removesuffix(".json")
        if folder == "options" and symbol in self.chains:
            data = self._header(symbol) | {"options": [] if request.is_empty else self.chains[symbol]}
            return Response.of_json(self._document(symbol, data))
        if folder == "quotes" and symbol in INDICES:
            return Response.of_json(self._document(symbol, self._header(symbol)))
        if folder == "charts/historical" and symbol in INDICES:
            return Response.of_json({"symbol": symbol, "data": [] if request.is_empty else self._history(symbol)})
        return Response(MISSING, 403, "application/xml")

    def refusal(self, status: int) -> Response:
        return Response(MISSING, status, "application/xml")

    def _document(self, symbol: str, data: dict[str, Any]) -> dict[str, Any]:
        return {"timestamp": f"{self.made_at:%Y-%m-%d %H:%M:%S}", "data": data, "symbol": symbol}

    def _header(self, symbol: str) -> dict[str, Any]:
        wall = self.market_at.astimezone(NEW_YORK).strftime("%Y-%m-%dT%H:%M:%S")
        price = self.world.spot(INDICES.get(symbol, symbol))
        return {"symbol": symbol, "current_price": price, "last_trade_time": wall} | self.header

    def _vix(self, is_empty: bool) -> bytes:
        rows = self.world.levels.filter(pl.col("symbol") == "^VIX")
        days = pl.col("session").dt.strftime("%m/%d/%Y").alias("DATE")
        table = rows.select(
            days, *(pl.col(name).round(2).alias(name.upper()) for name in ("open", "high", "low", "close"))
        )
        return table.head(0 if is_empty else table.height).write_csv(float_precision=6).encode()

    def _history(self, symbol: str) -> list[dict[str, Any]]:
        rows = self.world.levels.filter(pl.col("symbol") == INDICES[symbol])
        levels = [pl.col(name).cast(pl.String) for name in ("open", "high", "low", "close")]
        return rows.select(pl.col("session").cast(pl.String).alias("date"), *levels, volume=pl.lit("0")).to_dicts()


# The same 403 says that there is no such file: it must not close the door to the other symbols.
OF_ONE_SYMBOL = {"403": NotFound}

CASES = [
    Case(
        "cboe",
        CboeVendor,
        lambda world: Ask("raw.option_quotes", ("AAA",), world.sessions[-1:]),
        otherwise=OF_ONE_SYMBOL,
    ),
    Case("cboe", CboeVendor, lambda world: Ask("raw.index_levels", ("^VIX",), world.sessions[-2:])),
    Case(
        "cboe",
        CboeVendor,
        lambda world: Ask("raw.index_levels", ("^GSPC",), world.sessions[-3:]),
        otherwise=OF_ONE_SYMBOL,
    ),
]
