"""Alpha Vantage: daily bars of US shares as traded, the newest hundred of one symbol per request.

The free plan allows 25 requests a day and one a second, and only ``outputsize=compact``: a spare for a handful of
symbols. Every refusal comes with status 200 and a sentence under ``Error Message``, ``Information`` or ``Note``, which
is read for its meaning. The key travels in the address, and the service repeats it in its sentences: both are struck
out of errors and of the archive.
"""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from gnosis.sessions import schedule
from gnosis.symbols import InvalidSymbolError, UnmappedSymbolError, to_provider
from resources.providers.live.access import Access
from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    EntitlementError,
    FetchError,
    NotFound,
    RateLimited,
    SchemaDrift,
)
from resources.providers.live.http import Http, Reply, retry_after
from resources.providers.live.known import at_close
from resources.providers.live.service import Answer, Ask, Capability, Key, Probe, Profile, Rate, typed_errors
from resources.providers.protocol import conform
from resources.providers.rejections import NOT_A_SESSION, is_session, no_rejections, rejected_rows

NAME = "alpha_vantage"
SERIES = "Time Series (Daily)"
FIELDS = {"open": "1. open", "high": "2. high", "low": "3. low", "close": "4. close", "volume": "5. volume"}
ZONE = "US/Eastern"
SENTENCES = ("Error Message", "Information", "Note")
PREMIUM = re.compile(r"is a premium (endpoint|feature)", re.IGNORECASE)
TOO_MANY = re.compile(r"rate limit|call frequency|(requests?|calls?) per|more sparingly", re.IGNORECASE)
PER_SECOND = re.compile(r"per second|more sparingly", re.IGNORECASE)
WRONG_KEY = re.compile(r"apikey is invalid|api key is (invalid|for demo)", re.IGNORECASE)
NEW_FORM = "the answer has a new form: look at the archived bytes and report it"
PROBED = "IBM"


class AlphaVantage:
    """The service; see the module."""

    profile = Profile(
        name=NAME,
        title="Alpha Vantage",
        capabilities={
            # When the free plan has the bar of the day is not documented; four hours is a cautious guess.
            "raw.equity_bars": Capability(
                1, None, delay_s=4 * 3600.0, reaches_back_sessions=100, preference=3, kinds=frozenset({"equity"})
            )
        },
        rates=(Rate(25, 86_400.0), Rate(1, 1.0)),
        hosts=("www.alphavantage.co",),
        terms="free plan for own use, 25 requests a day; no redistribution",
        key=Key((("ALPHAVANTAGE_API_KEY",),), "claim a free key at https://www.alphavantage.co/support/#api-key"),
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self._http = Http(access, "https://www.alphavantage.co")

    def fetch(self, ask: Ask) -> Answer:
        """Return daily bars of the sessions asked for; see :class:`resources.providers.live.service.Service`."""
        expected = f"bars of {', '.join(ask.symbols[:3])} from {ask.sessions[0]} to {ask.sessions[-1]}"
        frames, rejected = [], [no_rejections()]
        failures: dict[str, FetchError] = {}
        with typed_errors(self.access, expected):
            for symbol in ask.symbols:
                try:
                    bars, wrong = self._bars(symbol, ask, f"bars of {symbol} from {ask.sessions[0]}")
                except (NotFound, EmptyResult) as error:
                    failures[symbol] = error
                    continue
                frames.append(bars)
                rejected.append(wrong)
            if not frames:
                raise next(iter(failures.values()))
            return Answer(conform(pl.concat(frames), ask.table), pl.concat(rejected), failures)

    def probe(self) -> Probe:
        """Fetch the bars of one share, at the cost of one of the day's requests, and say how old the last one is."""
        expected = f"bars of {PROBED}"
        with typed_errors(self.access, expected):
            days = self._table(PROBED, expected)["session"]
            now = self.access.clock()
            closed = schedule().filter(pl.col("session").is_in(days.implode()), pl.col("close_at") <= now)
            if closed.is_empty():
                raise EmptyResult(NAME, expected, "no bar of a session that has closed", "asked again later")
            last = closed.row(-1, named=True)
            return Probe((now - last["close_at"]).total_seconds(), f"last bar of {PROBED} is of {last['session']}")

    def _bars(self, symbol: str, ask: Ask, expected: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        try:
            written = to_provider(symbol, NAME)
        except (InvalidSymbolError, UnmappedSymbolError) as error:
            raise NotFound(NAME, expected, str(error), "another service is asked") from None
        table = self._table(written, expected)
        table = table.filter(pl.col("session").is_between(ask.sessions[0], ask.sessions[-1]))
        broken = pl.coalesce(
            pl.when(~is_session("session")).then(pl.lit(NOT_A_SESSION)),
            *(pl.when(pl.col(name).is_null()).then(pl.lit(f"{name}|nullability")) for name in FIELDS),
        )
        table = table.with_columns(rule=broken)
        wrong = table.filter(pl.col("rule").is_not_null())
        rejected = rejected_rows(wrong.drop("rule"), date="session", rule=wrong["rule"], provider=NAME)
        good = at_close(table.filter(pl.col("rule").is_null(), pl.col("session").is_in(ask.sessions)))
        # During the session the newest bar is unfinished.
        good = good.filter(pl.col("ts") <= self.access.clock())
        if good.is_empty():
            advice = "the free answer has the newest 100 bars of finished sessions; another service is asked"
            raise EmptyResult(NAME, expected, "no finished bar of these sessions", advice)
        frame = good.select(
            "session", "ts", "known_at", *FIELDS, symbol=pl.lit(symbol), provider=pl.lit(NAME),
            adjustment_factor=pl.lit(None, dtype=pl.Float64), synthetic=pl.lit(False),
        )  # fmt: skip
        return frame, rejected

    def _table(self, written: str, expected: str) -> pl.DataFrame:
        """Return the newest hundred bars: ``session`` and the fields as numbers, in order of session."""
        assert self.profile.key is not None
        (key,) = self.access.credentials(self.profile.key)
        params = {
            "function": "TIME_SERIES_DAILY", "symbol": written, "outputsize": "compact", "datatype": "json",
            "apikey": key,
        }  # fmt: skip
        reply = self._http.get("/query", expected, params)
        document = reply.json(expected)
        if not isinstance(document, dict):
            raise SchemaDrift(NAME, expected, type(document).__name__, NEW_FORM)
        for name in SENTENCES:
            if name in document:
                raise self._refusal(str(document[name]), reply, expected)
        if document.get(SERIES, document) == {}:
            raise EmptyResult(NAME, expected, "an empty answer", "the symbol may be delisted; another service is asked")
        meta, series = document.get("Meta Data"), document.get(SERIES)
        if not isinstance(meta, dict) or not isinstance(series, dict):
            raise SchemaDrift(NAME, f"{expected}: Meta Data and {SERIES}", ", ".join(map(str, document)), NEW_FORM)
        said = (meta.get("2. Symbol"), meta.get("5. Time Zone"))
        if said != (written, ZONE):
            raise SchemaDrift(NAME, f"{expected}: bars of {written} in {ZONE}", f"{said[0]} in {said[1]}", NEW_FORM)
        return _numbers(series, expected)

    def _refusal(self, sentence: str, reply: Reply, expected: str) -> FetchError:
        # Struck out before it is cut: half a key is a key told.
        found = repr(self.access.redact(sentence)[:160])
        if WRONG_KEY.search(sentence):
            return AuthError(NAME, expected, found, "check the key; claim one at https://www.alphavantage.co/support/")
        if PREMIUM.search(sentence):
            return EntitlementError(NAME, expected, found, "the free plan does not have this")
        if TOO_MANY.search(sentence):
            wait = retry_after(reply.headers.get("Retry-After"), self.access.clock())
            wait = 1.0 if wait is None and PER_SECOND.search(sentence) else wait
            return RateLimited(NAME, expected, found, "asked again later; the free plan has 25 requests a day", wait)
        if "invalid api call" in sentence.lower():
            return NotFound(NAME, expected, found, "check the symbol")
        return SchemaDrift(NAME, expected, found, "the service says something new: report it")


def _numbers(series: dict[str, Any], expected: str) -> pl.DataFrame:
    if strange := next((row for row in series.values() if not isinstance(row, dict)), None):
        raise SchemaDrift(NAME, f"{expected}: fields by day", repr(strange)[:60], NEW_FORM)
    found = pl.from_dicts([{"day": day, **row} for day, row in series.items()], infer_schema_length=None)
    if lacking := [field for field in FIELDS.values() if field not in found.columns]:
        raise SchemaDrift(NAME, f"{expected}: the fields {', '.join(FIELDS.values())}", f"no {lacking}", NEW_FORM)
    table = found.select(
        pl.col("day").str.to_date("%Y-%m-%d", strict=False).alias("session"),
        *(pl.col(field).cast(pl.Float64, strict=False).alias(name) for name, field in FIELDS.items()),
    )
    for name, field in {"session": "day", **FIELDS}.items():
        unread = found.filter(table[name].is_null() & found[field].is_not_null())[field]
        if len(unread):
            raise SchemaDrift(NAME, f"{expected}: {field} as a number or date", repr(unread[0])[:60], NEW_FORM)
    return table.sort("session")
