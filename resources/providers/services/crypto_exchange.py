"""Crypto exchanges: daily candles, tickers, order books and recent trades of spot pairs, all through ccxt.

One class for Binance, Coinbase, Kraken, Bybit and any exchange that ccxt knows (``ccxt:okx``). Only public data: no key
is read and no order can be placed. A pair means what it says: an exchange that lists ``BTC/USDT`` but not ``BTC/USD``
does not have ``BTC/USD``. Prices are in the quote currency and sizes in the base currency, as the exchange gives them,
with instants to the millisecond.

A candle belongs to the first session whose close is at or after its end (midnight UTC), so Monday has those of the
weekend; the unfinished one is dropped. A snapshot belongs to the latest session that had opened when it was received,
a trade to the latest that had opened when it was made: a night that asks after the close finds both under its session,
and ``known_at`` says that they are of the evening. Trades are the newest that one request gives (on Binance, fills of
one order at one price count as one trade), not all of the session.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.symbols import InvalidSymbolError, UnmappedSymbolError, to_provider
from resources.providers.live.errors import EmptyResult, FetchError, NotFound, SchemaDrift
from resources.providers.live.known import INSTANT
from resources.providers.live.service import Answer, Ask, Probe, typed_errors
from resources.providers.protocol import conform
from resources.providers.rejections import no_rejections, rejected_rows
from resources.providers.services.crypto_client import open_exchange, translated
from resources.providers.services.crypto_days import DAY, finished_candles, in_opened_session
from resources.providers.services.exchanges import exchange_of, profile_of

if TYPE_CHECKING:
    from resources.providers.live.access import Access

DAY_MS = 86_400_000
PAIRS_KEPT = dt.timedelta(hours=1)
"""How long a list of pairs answers for a pair that is not on it."""

METHODS = {
    "raw.crypto_bars": "fetchOHLCV",
    "raw.crypto_tickers": "fetchTicker",
    "raw.order_books": "fetchOrderBook",
    "raw.trades": "fetchTrades",
}
CANDLE = {"start_ms": pl.Int64} | dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64)
TRADE = {
    "trade_id": pl.String,
    "time_ms": pl.Int64,
    "price": pl.Float64,
    "size": pl.Float64,
    "aggressor": pl.String,
    "pair": pl.String,
}


class CryptoExchange:
    """The service; see the module. Its profile is that of the exchange that ``access.service`` names."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.profile = profile_of(access.service)
        self.terms = exchange_of(access.service)
        self._exchange: Any = None
        self._expected = ""
        self._pairs_at: dt.datetime | None = None

    def fetch(self, ask: Ask) -> Answer:
        """Return the rows of the pairs asked for; see :class:`resources.providers.live.service.Service`."""
        read: dict[str, Callable[[str, Sequence[dt.date]], tuple[pl.DataFrame, pl.DataFrame]]] = {
            "raw.crypto_bars": self._bars,
            "raw.crypto_tickers": self._tickers,
            "raw.order_books": self._books,
            "raw.trades": self._trades,
        }
        parts: list[tuple[pl.DataFrame, pl.DataFrame]] = []
        failures: dict[str, FetchError] = {}
        for symbol in ask.symbols:
            self._expected = f"{ask.table} of {symbol}"
            try:
                with typed_errors(self.access, self._expected, self._translate):
                    frame, rejected = read[ask.table](symbol, ask.sessions)
                    constants = {"symbol": symbol, "provider": self.access.service, "synthetic": False}
                    literals = {name: pl.lit(value) for name, value in constants.items()}
                    parts.append((conform(frame.with_columns(**literals), ask.table), rejected))
            except (EmptyResult, NotFound) as error:
                failures[symbol] = error
        if not parts:
            raise next(iter(failures.values()))
        frames, rejections = zip(*parts, strict=True)
        return Answer(conform(pl.concat(frames), ask.table), pl.concat(rejections), failures)

    def probe(self) -> Probe:
        """Ask for the time at the exchange, or for its pairs where it tells no time."""
        self._expected = "the time at the exchange"
        with typed_errors(self.access, self._expected, self._translate):
            exchange = self._opened()
            if exchange.has.get("fetchTime") is not True:
                self._load_pairs(exchange)
                return Probe(None, f"{self.terms.title} lists {len(exchange.markets)} spot pairs")
            stamp = exchange.fetch_time()
            if stamp is None:
                raise self._drifted("no time in the answer")
            ahead = (_instant(stamp) - self.access.clock()).total_seconds()
            return Probe(None, f"{self.terms.title} answers; its clock is {ahead:+.1f} s from this one")

    def _bars(self, symbol: str, sessions: Sequence[dt.date]) -> tuple[pl.DataFrame, pl.DataFrame]:
        exchange, _ = self._pair(symbol, "raw.crypto_bars")
        wanted = finished_candles(sessions, self.access.clock(), self.terms.newest_candles)
        if wanted.is_empty():
            kept = self.terms.newest_candles
            found = "no finished candle" + ("" if kept is None else f" among the newest {kept} of the exchange")
            raise self._empty(found, "ask for sessions with a finished candle, or another exchange")
        found_rows = self._candles(exchange, symbol, wanted["start"].to_list())
        candles, malformed = self._whole(pl.DataFrame(found_rows, schema=CANDLE, orient="row"))
        if (candles["start_ms"] % DAY_MS != 0).any():
            odd = _instant(candles.filter(pl.col("start_ms") % DAY_MS != 0)["start_ms"][0])
            raise self._drifted(f"a daily candle that begins at {odd.isoformat()}, not at midnight UTC")
        ended = pl.from_epoch("start_ms", time_unit="ms").dt.replace_time_zone("UTC").cast(INSTANT) + DAY
        rows = candles.with_columns(ts=ended).unique("ts", keep="last").join(wanted, on="ts")
        if rows.is_empty():
            raise self._empty("no candle of these sessions", "the pair may be listed later, or not have traded")
        return rows.with_columns(known_at="ts"), self._rejected(malformed, "start_ms", sessions)

    def _candles(self, exchange: Any, symbol: str, starts: list[dt.datetime]) -> list[list[float]]:
        rows = []
        while starts:
            end = starts[0] + self.terms.candles_per_request * DAY
            last = max(start for start in starts if start < end)
            # ccxt writes the end of a window for every exchange that takes one; only some need it from us.
            bounds = {"until": _milliseconds(last + DAY) - 1} if self.terms.bounds_candles else {}
            days = (last - starts[0]) // DAY + 1
            rows += exchange.fetch_ohlcv(symbol, "1d", _milliseconds(starts[0]), days, bounds)
            starts = [start for start in starts if start >= end]
        return rows

    def _tickers(self, symbol: str, sessions: Sequence[dt.date]) -> tuple[pl.DataFrame, pl.DataFrame]:
        exchange, market = self._pair(symbol, "raw.crypto_tickers")
        self._require_now(sessions, market)
        ticker = exchange.fetch_ticker(symbol)
        received = self.access.clock()
        if not ticker["info"]:
            raise self._empty("no ticker", "the pair may not have traded")
        stamp = ticker["timestamp"] if self.terms.dates_quotes else None
        if self.terms.dates_quotes and stamp is None:
            raise self._drifted("a ticker without an instant")
        if ticker["last"] is None:
            raise self._drifted("a ticker without a last price")
        quoted_at = received if stamp is None else _instant(stamp)
        schema = dict.fromkeys(("bid", "ask", "last", "volume_24h"), pl.Float64)
        values = {
            "bid": ticker["bid"] or None,
            "ask": ticker["ask"] or None,
            "last": ticker["last"],
            "volume_24h": ticker["baseVolume"],
        }
        row = pl.DataFrame([values], schema=schema).with_columns(**_received(quoted_at, received))
        return self._of_now(row, sessions), no_rejections()

    def _books(self, symbol: str, sessions: Sequence[dt.date]) -> tuple[pl.DataFrame, pl.DataFrame]:
        exchange, market = self._pair(symbol, "raw.order_books")
        self._require_now(sessions, market)
        book = exchange.fetch_order_book(symbol, self.terms.most_levels)
        received = self.access.clock()
        # Kraken adds a third column, the instant of the level.
        rows = [
            {"side": side, "level": level, "price": row[0], "size": row[1]}
            for side, levels in (("B", book["bids"]), ("A", book["asks"]))
            for level, row in enumerate(levels, start=1)
        ]
        if not rows:
            raise self._empty("a book without a level", "the pair may not trade now")
        schema = {"side": pl.String, "level": pl.Int64, "price": pl.Float64, "size": pl.Float64}
        frame = pl.DataFrame(rows, schema=schema)
        if frame.null_count().sum_horizontal().item():
            # One level less would move all below it: the snapshot is whole or nothing.
            raise self._drifted("levels without a price or a size")
        taken_at = received if book["timestamp"] is None else _instant(book["timestamp"])
        stamped = frame.with_columns(**_received(taken_at, received))
        return self._of_now(stamped, sessions), no_rejections()

    def _trades(self, symbol: str, sessions: Sequence[dt.date]) -> tuple[pl.DataFrame, pl.DataFrame]:
        exchange, _ = self._pair(symbol, "raw.trades")
        found = exchange.fetch_trades(symbol, limit=self.terms.most_trades)
        names = ("id", "timestamp", "price", "amount", "side", "symbol")
        rows = pl.DataFrame([[trade[name] for name in names] for trade in found], schema=TRADE, orient="row")
        others = rows.filter(pl.col("pair") != symbol)
        if not others.is_empty():
            raise self._drifted(f"trades of {others['pair'][0]}")
        if not self.terms.names_taker:
            rows = rows.with_columns(aggressor=pl.lit(None, pl.String))
        trades, malformed = self._whole(rows, nullable=("aggressor",))
        made_at = pl.from_epoch("time_ms", time_unit="ms").dt.replace_time_zone("UTC").cast(INSTANT)
        stamped = trades.with_columns(ts=made_at, known_at=made_at).unique(["ts", "trade_id"], keep="last")
        return in_opened_session(stamped, "ts", sessions), self._rejected(malformed, "time_ms", sessions)

    def _whole(self, rows: pl.DataFrame, nullable: tuple[str, ...] = ()) -> tuple[pl.DataFrame, pl.DataFrame]:
        needed = [name for name in rows.columns if name not in nullable]
        is_whole = pl.all_horizontal(pl.col(needed).is_not_null())
        whole, malformed = rows.filter(is_whole), rows.filter(~is_whole)
        if whole.is_empty() and not malformed.is_empty():
            lacking = [name for name in needed if malformed[name].has_nulls()]
            raise self._drifted(f"{malformed.height} rows without a readable {', '.join(lacking)}")
        return whole, malformed

    def _rejected(self, malformed: pl.DataFrame, stamp: str, sessions: Sequence[dt.date]) -> pl.DataFrame:
        if malformed.is_empty():
            return no_rejections()
        lacking = pl.concat_list(
            pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in malformed.columns if name != "aggressor"
        )
        rules = malformed.select(lacking.list.drop_nulls().list.join("+") + "|missing").to_series()
        day = pl.from_epoch(stamp, time_unit="ms").dt.date().fill_null(max(sessions))
        dated = malformed.with_columns(day=day)
        return rejected_rows(dated, date="day", rule=rules, provider=self.access.service)

    def _pair(self, symbol: str, table: str) -> tuple[Any, dict[str, Any]]:
        """Return the exchange and the market of a pair, which is listed there under exactly this name."""
        try:
            pair = to_provider(symbol, "ccxt")
        except (InvalidSymbolError, UnmappedSymbolError):
            raise self._not_found(f"{symbol}, which is no crypto pair", "write BASE/QUOTE") from None
        exchange = self._opened()
        if exchange.has.get(METHODS[table]) is not True:
            raise self._not_found("an exchange without this in public", "ask another exchange")
        now = self.access.clock()
        is_old = self._pairs_at is None or now - self._pairs_at > PAIRS_KEPT
        if not exchange.markets or (pair not in exchange.markets and is_old):
            self._load_pairs(exchange)
        market: dict[str, Any] | None = exchange.markets.get(pair)
        if market is None or not market["spot"]:
            base, _, quote = pair.partition("/")
            others = sorted(
                other["quote"] for other in exchange.markets.values() if other["spot"] and other["base"] == base
            )
            found = f"{base} only against {', '.join(others[:8])}" if others else f"no spot pair of {base}"
            raise self._not_found(found, f"ask another exchange for prices in {quote}")
        return exchange, market

    def _load_pairs(self, exchange: Any) -> None:
        exchange.load_markets(reload=True)
        if not exchange.markets:
            raise self._empty("a list without pairs", "the exchange may be in maintenance")
        self._pairs_at = self.access.clock()

    def _opened(self) -> Any:
        if self._exchange is None:
            self._exchange = open_exchange(self.access, lambda: self._expected)
        return self._exchange

    def _require_now(self, sessions: Sequence[dt.date], market: dict[str, Any]) -> None:
        self._of_now(pl.DataFrame({"known_at": [self.access.clock()]}, schema={"known_at": INSTANT}), sessions)
        if market["active"] is False:
            raise self._empty("a pair whose trading is halted", "ask again when it trades, or another exchange")

    def _of_now(self, rows: pl.DataFrame, sessions: Sequence[dt.date]) -> pl.DataFrame:
        found = in_opened_session(rows, "known_at", sessions)
        if found.is_empty():
            raise self._empty("only a snapshot of now", "ask for the latest session that has opened")
        return found

    def _translate(self, error: Exception) -> FetchError | None:
        return translated(error, self.access, self._expected)

    def _drifted(self, found: str) -> SchemaDrift:
        advice = "the answer has a new form: look at the archived bytes and report it"
        return SchemaDrift(self.access.service, self._expected, found, advice)

    def _empty(self, found: str, advice: str) -> EmptyResult:
        return EmptyResult(self.access.service, self._expected, found, advice)

    def _not_found(self, found: str, advice: str) -> NotFound:
        return NotFound(self.access.service, self._expected, found, advice)


def _received(stamp: dt.datetime, received: dt.datetime) -> dict[str, pl.Expr]:
    # A clock at the exchange that is ahead of ours must not make a row known before it was made.
    return {"ts": pl.lit(stamp, INSTANT), "known_at": pl.lit(max(stamp, received), INSTANT)}


def _instant(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=milliseconds)


def _milliseconds(instant: dt.datetime) -> int:
    return (instant - dt.datetime.fromtimestamp(0, dt.UTC)) // dt.timedelta(milliseconds=1)
