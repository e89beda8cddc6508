"""Yahoo through yfinance: bars, index levels, option chains, dividends, splits and news, without a key.

Not an official service: the limits are undocumented and requests are refused often, also for clients that behave. One
request in two seconds, never the only source. The first ask of a process makes two more requests, for cookie and crumb.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.symbols import InvalidSymbolError, UnmappedSymbolError, kind_of, to_provider
from resources.providers.live.access import Access
from resources.providers.live.errors import NotFound
from resources.providers.live.service import EVENTS, Answer, Ask, Capability, Probe, Profile, Rate, typed_errors
from resources.providers.protocol import conform
from resources.providers.services.yahoo_chain import ask_chain, quotes_of
from resources.providers.services.yahoo_chart import NO_CHART, Chart, ask_chart, bars_of, dividends_of, splits_of
from resources.providers.services.yahoo_client import SERVICE, YahooClient, error_of_yfinance
from resources.providers.services.yahoo_news import ask_news, news_of

PROBED = "^GSPC"
DELAY_S = 900.0


class Yahoo:
    """The service; see the module. Options: those of :class:`YahooClient`."""

    profile = Profile(
        name=SERVICE,
        title="Yahoo Finance",
        capabilities={
            "raw.equity_bars": Capability(1, None, delay_s=DELAY_S, preference=2),
            "raw.index_levels": Capability(1, None, delay_s=DELAY_S, preference=2),
            "raw.option_quotes": Capability(1, None, delay_s=DELAY_S, reaches_back_sessions=1, preference=3),
            "raw.dividends": Capability(1, None, delay_s=0.0, preference=2),
            "raw.splits": Capability(1, None, delay_s=0.0, preference=2),
            "raw.news": Capability(1, None, delay_s=0.0, reaches_back_sessions=2, preference=2),
        },
        rates=(Rate(1, 2.0),),
        hosts=(
            "query1.finance.yahoo.com",
            "query2.finance.yahoo.com",
            "finance.yahoo.com",
            "fc.yahoo.com",
            "consent.yahoo.com",
        ),
        terms="personal use only; no redistribution; not an official interface",
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self._client = YahooClient(access)

    def fetch(self, ask: Ask) -> Answer:
        """Return the rows of one symbol; see :class:`resources.providers.live.service.Service`."""
        expected = f"{ask.table} of {', '.join(ask.symbols)} from {ask.sessions[0]} to {ask.sessions[-1]}"
        with typed_errors(self.access, expected, lambda error: error_of_yfinance(self.access, expected, error)):
            frame, rejected = self._rows(ask, expected)
            stamped = frame.with_columns(provider=pl.lit(SERVICE), synthetic=pl.lit(False))
            return Answer(conform(stamped, ask.table), rejected)

    def probe(self) -> Probe:
        """Ask for the last levels of the S&P 500 and say when Yahoo's price is of."""
        expected = f"last levels of {PROBED}"
        with typed_errors(self.access, expected, lambda error: error_of_yfinance(self.access, expected, error)):
            client = self._client
            _, document = client.ask(PROBED, expected, lambda ticker: (ticker.history(period="5d"), client.document()))
            meta = document["chart"]["result"][0]["meta"]
            at = dt.datetime.fromtimestamp(meta["regularMarketTime"], dt.UTC)
            delay_s = max((self.access.clock() - at).total_seconds(), 0.0)
            return Probe(delay_s, f"last price of {PROBED} is of {at:%Y-%m-%d %H:%M} UTC")

    def _rows(self, ask: Ask, expected: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        (symbol,) = ask.symbols
        written, sessions, now = _written(ask.table, symbol, expected), ask.sessions, self.access.clock()
        if ask.table == "raw.news":
            return news_of(ask_news(self._client, written, expected), symbol, sessions, now, expected)
        if ask.table == "raw.option_quotes":
            return quotes_of(ask_chain(self._client, written, expected), symbol, sessions, expected)
        chart = self._chart(ask, symbol, written, expected)
        if ask.table == "raw.splits":
            return splits_of(chart, sessions, now)
        if ask.table == "raw.dividends":
            return dividends_of(chart, sessions, now)
        frame, rejected = bars_of(chart, ask.table, sessions, now, expected)
        return frame.with_columns(adjustment_factor=pl.lit(None, dtype=pl.Float64)), rejected

    def _chart(self, ask: Ask, symbol: str, written: str, expected: str) -> Chart:
        from yfinance.exceptions import YFPricesMissingError

        try:
            return ask_chart(self._client, ask.table, symbol, written, ask.sessions[0], expected)
        except YFPricesMissingError as error:
            # Yahoo knows the symbol, names no reason and has nothing of these days: no event either.
            if ask.table in EVENTS and error.yahoo_reason is None:
                return NO_CHART
            raise


def _written(table: str, symbol: str, expected: str) -> str:
    """Return how Yahoo writes ``symbol``; raises NotFound for what it does not have in ``table``."""
    kinds = {"raw.index_levels": ("index",), "raw.news": ("equity", "index")}.get(table, ("equity",))
    try:
        kind, written = kind_of(symbol), to_provider(symbol, SERVICE)
    except (InvalidSymbolError, UnmappedSymbolError) as error:
        raise NotFound(SERVICE, expected, "no name for it", str(error)) from None
    if kind not in kinds:
        raise NotFound(SERVICE, f"{expected}: {' or '.join(kinds)}", f"{symbol}, {kind}", "take another service")
    return written
