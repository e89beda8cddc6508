"""What the crypto exchanges of the loopback server agree on: candles, quotes, books and trades of the world's pairs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from resources.providers.live.errors import FetchError
from resources.providers.live.service import Ask
from tests.loopback.cases import Case
from tests.loopback.world import World

DAY_MS = 86_400_000
BIDS, ASKS = 4, 3
NOT_PAGED: dict[str, type[FetchError] | None] = {"paging": None}
"""Candles come in windows that the client chooses; trades and books are the newest ones."""

NEVER_EMPTY = NOT_PAGED | {"empty": None}
"""A pair that is listed always has a ticker in this exchange's answer."""


def milliseconds(instant: dt.datetime) -> int:
    return int(instant.timestamp() * 1000)


def candles(world: World, pair: str) -> list[dict[str, Any]]:
    """Daily candles from the oldest on, the unfinished one of today last: start_ms, open, high, low, close, volume."""
    rows = [
        {"start_ms": milliseconds(dt.datetime.combine(row["day"], dt.time(), dt.UTC)), **row}
        for row in world.candles.filter(pl.col("symbol") == pair).iter_rows(named=True)
    ]
    last = rows[-1]
    price = last["close"]
    today = {"start_ms": last["start_ms"] + DAY_MS, "open": price, "high": price, "low": price, "close": price}
    return [*rows, {**today, "volume": 1.5}]


def last_price(world: World, pair: str) -> float:
    return float(candles(world, pair)[-1]["close"])


def bids(world: World, pair: str) -> list[tuple[float, float]]:
    """Price and size from the best bid down."""
    return [(round(last_price(world, pair) - 0.5 * n, 2), 0.25 * n) for n in range(1, BIDS + 1)]


def asks(world: World, pair: str) -> list[tuple[float, float]]:
    """Price and size from the best ask up."""
    return [(round(last_price(world, pair) + 0.5 * n, 2), 0.125 * n) for n in range(1, ASKS + 1)]


def trades(world: World, pair: str) -> list[dict[str, Any]]:
    """The newest trades from the oldest on: id, ms, price, size, taker."""
    return [
        {
            "id": 5000 + n,
            "ms": milliseconds(world.now) - 1500 + 250 * n,
            "price": round(last_price(world, pair) + 0.25 * n, 2),
            "size": 0.01 * (n + 1),
            "taker": "buy" if n % 2 else "sell",
        }
        for n in range(5)
    ]


def cases(
    service: str, vendor: Any, pair: str, tickers: dict[str, type[FetchError] | None] | None = None
) -> list[Case]:
    """One case per table, all of them for the pair."""
    said = {"raw.crypto_tickers": NOT_PAGED if tickers is None else tickers}
    sessions = {"raw.crypto_bars": 3}

    def ask(table: str) -> Any:
        return lambda world: Ask(table, (pair,), world.sessions[-sessions.get(table, 1) :])

    # The list of pairs is asked first whatever the table is, so waiting for it is tried with one table.
    rest = {"slow": None}
    tables = ("raw.crypto_bars", "raw.crypto_tickers", "raw.order_books", "raw.trades")
    return [
        Case(
            service,
            vendor,
            ask(table),
            otherwise=said.get(table, NOT_PAGED) | ({} if table == "raw.crypto_bars" else rest),
        )
        for table in tables
    ]
