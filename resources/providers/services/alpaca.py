"""Alpaca: bars, trades, option chains, news and corporate actions of US shares. Market data only; it places no orders.

Options of the service
----------------------
feed
    "iex" (default) or "sip". IEX is one exchange with two or three per cent of the trading. Its bars have the prices
    of its own trades, so high, low and last price can differ from those of the market. The volume of one exchange must
    not pass for the market's: ``volume`` is null with "iex", and for daily bars every service with the prices of the
    whole market goes first (preference 4; with "sip" 1). "sip" is the consolidated tape, with volume; without a
    subscription it may be asked only for what is 15 minutes old, so what is younger than 16 is never asked for.
options_feed
    "indicative" (default) or "opra". Indicative quotes are made by the vendor from those of the market, which only
    "opra", a paid subscription, tells.
account
    "paper" (default) or "live": the kind of account that the key belongs to. It decides the host of the contract list.

What rows mean
--------------
A share is followed through its earlier tickers: rows of ``META`` before 2022 are those of the company that has the
ticker today. Trades and intraday bars are those of the regular session, as the other services have them. The text of
an article is its headline as changed last, so ``known_at`` is the last change and ``ts`` the publication. Splits and
dividends carry no announcement: they are known from the open of the ex-date on. Stock dividends, spin-offs and mergers
are not told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl

from gnosis.engines.scoring.text import text_hash
from gnosis.sessions import NEW_YORK, schedule
from resources.providers.live.access import Access
from resources.providers.live.errors import EmptyResult
from resources.providers.live.known import INSTANT, at_close, under_session
from resources.providers.live.service import (
    EVENTS,
    Answer,
    Ask,
    Capability,
    Key,
    Probe,
    Profile,
    Rate,
    typed_errors,
)
from resources.providers.protocol import conform
from resources.providers.rejections import NOT_A_SESSION, OUTSIDE_REGULAR_SESSION, is_session, no_rejections
from resources.providers.services import alpaca_chain as chain
from resources.providers.services.alpaca_actions import dividends, splits
from resources.providers.services.alpaca_client import AlpacaClient
from resources.providers.services.alpaca_rows import (
    NAME,
    NUMBER,
    TEXT,
    TEXTS,
    WHOLE,
    Parts,
    breaking,
    by_symbol,
    new_york_date,
    parted,
    typed_rows,
)
from resources.providers.services.alpaca_symbols import AskedSymbols

SHARES = frozenset({"equity"})
CHOICES = {"feed": ("iex", "sip"), "options_feed": ("indicative", "opra"), "account": ("paper", "live")}
SIP_AGE = dt.timedelta(minutes=16)
MINUTES = {"1min": 1, "5min": 5}
BAR = {"S": TEXT, "t": INSTANT, "o": NUMBER, "h": NUMBER, "l": NUMBER, "c": NUMBER, "v": NUMBER}
TRADE = {"S": TEXT, "t": INSTANT, "i": WHOLE, "x": TEXT, "p": NUMBER, "s": NUMBER, "u": TEXT}
ARTICLE = {
    "id": WHOLE,
    "headline": TEXT,
    "source": TEXT,
    "created_at": INSTANT,
    "updated_at": INSTANT,
    "symbols": TEXTS,
}
PRICES = {"open": "o", "high": "h", "low": "l", "close": "c"}
TAKEN_BACK = "trade|taken_back"
SIP_BARS, IEX_BARS = 1, 4
LONGEST_CHAIN = dt.timedelta(days=4 * 366)


class Alpaca:
    """The service; see the module."""

    profile = Profile(
        name=NAME,
        title="Alpaca market data",
        capabilities={
            # 100 symbols x 100 sessions is one page of 10,000 bars; 25 symbols a minute bar each, likewise.
            "raw.equity_bars": Capability(100, 100, delay_s=0.0, preference=IEX_BARS, kinds=SHARES),
            "raw.intraday_bars": Capability(25, 1, delay_s=0.0, preference=1, kinds=SHARES),
            "raw.trades": Capability(10, 1, delay_s=0.0, preference=1, kinds=SHARES),
            "raw.option_quotes": Capability(1, 1, 900.0, reaches_back_sessions=1, preference=2, kinds=SHARES),
            "raw.news": Capability(50, 20, delay_s=0.0, preference=1, kinds=SHARES),
            "raw.splits": Capability(100, None, delay_s=0.0, preference=1, kinds=SHARES),
            "raw.dividends": Capability(100, None, delay_s=0.0, preference=1, kinds=SHARES),
        },
        rates=(Rate(200, 60.0),),
        hosts=("data.alpaca.markets", "paper-api.alpaca.markets", "api.alpaca.markets"),
        terms="free plan for own use with the IEX and indicative feeds; no redistribution",
        key=Key(
            (("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"), ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")),
            "open a free paper account at https://alpaca.markets and generate a key on its dashboard",
        ),
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        if unknown := sorted(set(access.options) - set(CHOICES)):
            raise ValueError(f"expected options of alpaca among {', '.join(CHOICES)}, found {', '.join(unknown)}")
        said = {name: access.options.get(name, choices[0]) for name, choices in CHOICES.items()}
        for name, choices in CHOICES.items():
            if said[name] not in choices:
                raise ValueError(f"expected {name} of alpaca as one of {', '.join(choices)}, found {said[name]!r}")
        self._feed, self._options_feed, self._account = said["feed"], said["options_feed"], said["account"]
        self._made: AlpacaClient | None = None
        if self._feed == "sip":
            late = {"raw.equity_bars", "raw.intraday_bars", "raw.trades"}
            capabilities = {
                table: replace(known, delay_s=SIP_AGE.total_seconds()) if table in late else known
                for table, known in self.profile.capabilities.items()
            }
            bars = replace(capabilities["raw.equity_bars"], preference=SIP_BARS)
            self.profile = replace(self.profile, capabilities=capabilities | {"raw.equity_bars": bars})

    def fetch(self, ask: Ask) -> Answer:
        """Return rows of ``ask.table``; see :class:`resources.providers.live.service.Service`."""
        tables: dict[str, Callable[[AlpacaClient, Ask, AskedSymbols], Parts]] = {
            "raw.equity_bars": self._daily_bars,
            "raw.intraday_bars": self._intraday_bars,
            "raw.trades": self._trades,
            "raw.option_quotes": self._chains,
            "raw.news": self._news,
            "raw.splits": splits,
            "raw.dividends": dividends,
        }
        expected = f"{ask.table} of {', '.join(ask.symbols[:3])} from {ask.sessions[0]} to {ask.sessions[-1]}"
        with typed_errors(self.access, expected):
            client = self._client(expected)
            names = AskedSymbols(ask, expected)
            found, rejected = tables[ask.table](client, ask, names)
            frame = conform(
                found.with_columns(provider=pl.lit(NAME), synthetic=pl.lit(False)).filter(
                    pl.col("session").is_in(ask.sessions), pl.col("symbol").is_in(ask.symbols)
                ),
                ask.table,
            )
            if ask.table not in EVENTS:
                names.missing_from(frame)
            return Answer(frame, rejected, names.failures)

    def probe(self) -> Probe:
        """Ask for the latest trade of SPY and say how old it is."""
        expected = "the latest trade of SPY"
        with typed_errors(self.access, expected):
            client = self._client(expected)
            feed = "delayed_sip" if self._feed == "sip" else self._feed
            answer = client.latest_trade("SPY", feed)
            last = typed_rows([(answer or {}).get("SPY")], {"t": INSTANT, "p": NUMBER}, expected).row(0, named=True)
            delay = (self.access.clock() - last["t"]).total_seconds()
            return Probe(delay, f"SPY traded at {last['p']:.2f} $ at {last['t']:%Y-%m-%d %H:%M:%S} UTC ({feed})")

    def _client(self, expected: str) -> AlpacaClient:
        assert self.profile.key is not None
        key, secret = self.access.credentials(self.profile.key)
        if self._made is None:
            self._made = AlpacaClient(self.access, key, secret, self._account)
        self._made.expected = expected
        return self._made

    def _latest(self) -> dt.datetime:
        """Return the end of what may be asked for, and what is whole, by now."""
        return self.access.clock() - (SIP_AGE if self._feed == "sip" else dt.timedelta(0))

    def _hours(self, ask: Ask, instant: str, expected: str) -> list[dict[str, Any]]:
        """Return the hours of the sessions asked for whose ``instant`` ("open_at" or "close_at") has come."""
        hours = schedule().filter(pl.col("session").is_in(ask.sessions), pl.col(instant) <= self._latest())
        if hours.is_empty():
            found = f"none that had come to its {instant.removesuffix('_at')} by {self._latest():%Y-%m-%d %H:%M} UTC"
            raise EmptyResult(NAME, expected, found, "asked again later")
        return hours.to_dicts()

    def _daily_bars(self, client: AlpacaClient, ask: Ask, names: AskedSymbols) -> Parts:
        hours = self._hours(ask, "close_at", client.expected)
        start = dt.datetime.combine(hours[0]["session"], dt.time(), NEW_YORK)
        answer = names.asked(lambda symbols: client.bars(symbols, None, start, hours[-1]["close_at"], self._feed))
        rows = typed_rows(by_symbol(answer, client.expected), BAR, client.expected)
        if rows.select((pl.col("t").dt.convert_time_zone(str(NEW_YORK)).dt.time() != dt.time()).any()).item():
            raise client.drift("daily bars stamped at midnight New York", "another hour")
        rows = rows.with_columns(session=new_york_date("t"), day=new_york_date("t").fill_null(ask.sessions[-1]))
        good, rejected = parted(rows.with_columns(breaking(~is_session("session"), NOT_A_SESSION)), "day")
        good = at_close(good.filter(pl.col("session").is_in([row["session"] for row in hours])))
        return self._bars(good, names, adjustment_factor=pl.lit(None, dtype=pl.Float64)), rejected

    def _intraday_bars(self, client: AlpacaClient, ask: Ask, names: AskedSymbols) -> Parts:
        # Read once: a bar that had not ended when it was asked for is unfinished, even if the answer comes later.
        latest, parts = self._latest(), []
        for hour in self._hours(ask, "open_at", client.expected):
            # The service includes a bar that starts at the end asked for; the last one of a session starts before it.
            end = min(hour["close_at"] - dt.timedelta(seconds=1), latest)
            for frequency, minutes in MINUTES.items():
                span = {"minutes": minutes, "start": hour["open_at"], "end": end, "feed": self._feed}
                answer = names.asked(partial(client.bars, **span))
                rows = typed_rows(by_symbol(answer, client.expected), BAR, client.expected)
                rows = rows.with_columns(
                    session=pl.lit(hour["session"]),
                    frequency=pl.lit(frequency),
                    ts=pl.col("t") + pl.duration(minutes=minutes),
                )
                is_inside = (pl.col("t") >= hour["open_at"]) & (pl.col("ts") <= hour["close_at"])
                good, rejected = parted(rows.with_columns(breaking(~is_inside, OUTSIDE_REGULAR_SESSION)), "session")
                good = good.filter(pl.col("ts") <= latest).with_columns(known_at="ts")
                parts.append((self._bars(good, names, frequency=pl.col("frequency")), rejected))
        return pl.concat([part[0] for part in parts]), pl.concat([part[1] for part in parts])

    def _bars(self, rows: pl.DataFrame, names: AskedSymbols, **rest: pl.Expr) -> pl.DataFrame:
        volume = pl.col("v") if self._feed == "sip" else pl.lit(None, dtype=pl.Float64)
        return rows.select("session", "ts", "known_at", symbol=names.canonical("S"), volume=volume, **PRICES, **rest)

    def _trades(self, client: AlpacaClient, ask: Ask, names: AskedSymbols) -> Parts:
        parts = []
        for hour in self._hours(ask, "open_at", client.expected):
            end = min(hour["close_at"], self._latest())
            answer = names.asked(partial(client.trades, start=hour["open_at"], end=end, feed=self._feed))
            rows = typed_rows(by_symbol(answer, client.expected), TRADE, client.expected, frozenset({"u"}))
            rows = rows.with_columns(session=pl.lit(hour["session"]))
            is_inside = pl.col("t").is_between(hour["open_at"], end)
            rows = rows.with_columns(breaking(pl.col("u").is_in(["canceled", "incorrect"]), TAKEN_BACK))
            good, rejected = parted(rows.with_columns(breaking(~is_inside, OUTSIDE_REGULAR_SESSION)), "session")
            # The number of a print is its exchange's own.
            good = good.select(
                "session", symbol=names.canonical("S"), ts="t", known_at="t", price="p", size="s",
                trade_id=pl.format("{}-{}", "x", "i"), aggressor=pl.lit(None, dtype=pl.String),
            )  # fmt: skip
            parts.append((good, rejected))
        return pl.concat([part[0] for part in parts]), pl.concat([part[1] for part in parts])

    def _chains(self, client: AlpacaClient, ask: Ask, names: AskedSymbols) -> Parts:
        frames, refused = [], [no_rejections()]
        for symbol in names.names():
            snapshots = names.asked(lambda symbols: client.chain(symbols[0], self._options_feed), symbol)
            received_at = self.access.clock()
            rows, rejected = chain.quotes(snapshots, names.canonical_of(symbol), received_at, client.expected)
            rows = rows.filter(pl.col("session").is_in(ask.sessions))
            refused.append(rejected)
            if rows.is_empty():
                continue
            first = rows["session"].min()
            assert isinstance(first, dt.date)
            contracts = client.contracts(symbol, first, first + LONGEST_CHAIN)
            rows = chain.with_open_interest(rows, contracts, client.expected)
            opened = schedule().filter(pl.col("session") == first)["open_at"].item()
            last = rows["t"].max()
            assert isinstance(last, dt.datetime)
            # The consolidated tape is late; the last price on IEX is that of the quote's own minute.
            bars = client.bars([symbol], 1, opened, last, "iex")
            rows, unpriced = chain.with_spot(rows, bars, client.expected)
            refused.append(unpriced)
            frames.append(chain.option_quotes(rows, received_at))
        if not frames:
            advice = "the chain is told as it stands now: ask during or after the session"
            raise EmptyResult(NAME, client.expected, "no quote of these sessions", advice)
        return pl.concat(frames), pl.concat(refused)

    def _news(self, client: AlpacaClient, ask: Ask, names: AskedSymbols) -> Parts:
        closes = schedule().select("session", "close_at", before=pl.col("close_at").shift(1))
        asked = closes.filter(pl.col("session").is_in(ask.sessions))
        start, end = asked["before"][0], min(asked["close_at"][-1], self.access.clock())
        if start >= end:
            raise EmptyResult(NAME, client.expected, "sessions that have not begun", "asked again later")
        answer = names.asked(lambda symbols: client.news(symbols, start, end))
        rows = typed_rows(answer["news"], ARTICLE, client.expected, frozenset({"source"}))
        good, rejected = parted(rows.with_columns(day=pl.lit(ask.sessions[-1])), "day")
        good = good.unique("id", keep="first", maintain_order=True).explode("symbols")
        good = good.with_columns(
            symbol=names.canonical("symbols"),
            known_at=pl.max_horizontal("created_at", "updated_at"),
            text_hash=pl.col("headline").map_elements(text_hash, return_dtype=pl.String),
        )
        placed = under_session(good, "known_at").select(
            "session", "symbol", "known_at", "text_hash",
            item_id=pl.col("id").cast(pl.String), kind=pl.lit("article"), event_id=pl.lit(None, dtype=pl.String),
            outlet="source", ts="created_at", text="headline",
        )  # fmt: skip
        return placed, rejected
