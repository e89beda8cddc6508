"""Cboe: delayed option chains of one underlying each, and the histories of its indices. Free, without a promise.

A chain is a snapshot of now, about 15 minutes old: a session that is over cannot be asked for again
(:mod:`resources.providers.services.cboe_chain` tells how its clocks are read). The same chain is pulled at most once in
15 minutes by all processes of a home: after a pull the next one is refused here with the time that is left. A chain is
asked for under the name that ``raw.option_quotes`` keeps it under: ``SPX``, which has the roots SPX and SPXW.

``VIX_History.csv`` has ^VIX from 1990. Other indices come from the data behind Cboe's charts, whose form the service
does not document: an object ``data`` with a list of ``date, open, high, low, close`` in which 0 means not known. Both
files are written after the close; a session that is not in them yet is an EmptyResult.

The files moved from ``cdn.cboe.com`` to ``cdn-api.cboe.com`` in 2026; the old host leads to the new one. ``base_url``
of the service sets another host.
"""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import polars as pl

from gnosis.symbols import ROOTS, InvalidSymbolError, UnmappedSymbolError, chain_symbol, to_provider
from resources.providers.live.access import Access
from resources.providers.live.daily_levels import daily_levels
from resources.providers.live.each_symbol import each_symbol
from resources.providers.live.errors import (
    BudgetExhausted,
    EmptyResult,
    EntitlementError,
    FetchError,
    NotFound,
    SchemaDrift,
)
from resources.providers.live.http import Http, Reply
from resources.providers.live.service import Answer, Ask, Capability, Probe, Profile, Rate, typed_errors
from resources.providers.live.typed_columns import typed_columns
from resources.providers.protocol import conform
from resources.providers.rejections import rejected_rows
from resources.providers.services.cboe_chain import chain_rows, market_time

HOST = "https://cdn.cboe.com"
CHAIN = "/api/global/delayed_quotes/options/{}.json"
QUOTE = "/api/global/delayed_quotes/quotes/_VIX.json"
HISTORY = "/api/global/delayed_quotes/charts/historical/{}.json"
VIX_FILE = "/api/global/us_indices/daily_prices/VIX_History.csv"
VIX_COLUMNS = ["DATE", "OPEN", "HIGH", "LOW", "CLOSE"]
LEVELS = ("open", "high", "low", "close")
BETWEEN_PULLS = dt.timedelta(minutes=15)
DELAY_S = 927.0
"""15 min 27 s: the age of the quotes that one project measured."""

_ADVICE = "the answer has a new form: look at the archived bytes and report it"


class Cboe:
    """The service; see the module."""

    profile = Profile(
        name="cboe",
        title="Cboe delayed quotes and index histories",
        capabilities={
            "raw.option_quotes": Capability(1, 1, delay_s=DELAY_S, reaches_back_sessions=1, preference=0),
            "raw.index_levels": Capability(20, None, delay_s=0.0, preference=0, kinds=frozenset({"index"})),
        },
        rates=(Rate(30, 60.0),),
        hosts=("cdn.cboe.com", "cdn-api.cboe.com"),
        terms="personal research only: automated use is discouraged, one pull per 15 minutes, no redistribution",
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self._http = Http(access, HOST)

    def fetch(self, ask: Ask) -> Answer:
        """Return the chains or levels asked for; see :class:`resources.providers.live.service.Service`."""
        with typed_errors(self.access, f"{ask.table} of {', '.join(ask.symbols[:3])}"):
            one = self._chain if ask.table == "raw.option_quotes" else self._levels
            answers, failures = each_symbol(ask.symbols, lambda symbol: one(symbol, ask.sessions))
            frames, rejected = zip(*answers, strict=True)
            return Answer(conform(pl.concat(frames), ask.table), pl.concat(rejected), failures)

    def probe(self) -> Probe:
        """Ask for the delayed quote of the VIX and say how old it is."""
        expected = "the delayed quote of ^VIX"
        with typed_errors(self.access, expected):
            document = self._http.get(QUOTE, expected).json(expected)
            if not isinstance(document, dict) or not isinstance(document.get("data"), dict):
                raise SchemaDrift(self.profile.name, f"an object data in {expected}", repr(document)[:60], _ADVICE)
            at = market_time(document["data"], expected, self.profile.name)
            return Probe((self.access.clock() - at).total_seconds(), f"the VIX last moved at {at:%Y-%m-%d %H:%M} UTC")

    def _chain(self, symbol: str, sessions: tuple[dt.date, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
        name, expected = self.profile.name, f"the chain of {symbol}"
        with typed_errors(self.access, expected):
            chain = chain_symbol(symbol)
            path = CHAIN.format(self._written(ROOTS[chain].underlying if chain in ROOTS else chain, expected))
            reply = self._pulled(path, expected)
            session, frame, rejected = chain_rows(reply.json(expected), chain, reply.received_at, name)
            if session not in sessions:
                wanted = f"{expected} in the session {sessions[-1]}"
                advice = "a chain is a snapshot of now; ask during or after that session, before the next one opens"
                raise EmptyResult(name, wanted, f"that of the session {session}", advice)
            if frame.is_empty():
                raise EmptyResult(name, expected, f"{rejected.height} contracts and none that fits", _ADVICE)
            return frame, rejected

    def _file(self, path: str, expected: str) -> Reply:
        """Return the file of one symbol.

        The servers say 403 of a file that they do not have, as file stores without a listing do. A block of this
        address looks the same; it shows when ^VIX, whose file is always there, is refused too.
        """
        try:
            return self._http.get(path, expected)
        except EntitlementError as error:
            if not error.found.startswith("HTTP 403"):
                raise
            advice = "check the symbol; when ^VIX is refused too, the service blocks this address"
            raise NotFound(error.service, expected, error.found, advice) from None

    def _pulled(self, path: str, expected: str) -> Reply:
        now, allowance = self.access.clock(), self.access.allowance
        pull = allowance.take(path, 1, limit=1, within=BETWEEN_PULLS, now=now)
        if not pull.amount:
            found = f"a pull at {pull.first_at:%H:%M} UTC"
            advice = "the service tolerates one pull per 15 minutes; asked again later"
            wait_s = (BETWEEN_PULLS - (now - pull.first_at)).total_seconds()
            raise BudgetExhausted(self.profile.name, expected, found, advice, retry_after=wait_s)
        try:
            return self._file(path, expected)
        except FetchError:
            allowance.give_back(pull, 1)
            raise

    def _levels(self, symbol: str, sessions: tuple[dt.date, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
        name, expected = self.profile.name, f"levels of {symbol}"
        with typed_errors(self.access, expected):
            if symbol == "^VIX":
                table, is_whole = self._vix_file(expected)
            else:
                table, is_whole = self._history(self._written(symbol, expected), expected), True
            typed, rule = typed_columns(table, name, numbers=LEVELS, dates={"session": "%Y-%m-%d"})
            is_wrong = rule.is_not_null()
            # A row without a readable date is reported where it stands: under the date of the row before it.
            day = typed["session"].fill_null(strategy="forward").fill_null(strategy="backward").alias("day")
            as_found = table.with_columns(day).filter(is_wrong)
            wrong = rejected_rows(as_found, date="day", rule=rule.filter(is_wrong), provider=name)
            # The service writes 0 where it has no level.
            known = [pl.when(pl.col(column) != 0).then(pl.col(column)).alias(column) for column in LEVELS]
            rows = typed.filter(~is_wrong).with_columns(*known, symbol=pl.lit(symbol))
            frame, rejected = daily_levels(rows, sessions, self.access.clock(), name)
            if frame.is_empty() and not is_whole:
                advice = "the file was cut off on its way; asked again later"
                raise SchemaDrift(name, f"{expected} in a file of whole lines", "half a line at the end", advice)
            if frame.is_empty():
                advice = "the file is written after the close; asked again later"
                raise EmptyResult(name, f"{expected} of {sessions[-1]}", "no row of these sessions", advice)
            return frame, pl.concat([rejected, wrong.filter(pl.col("session").is_in(list(sessions)))])

    def _vix_file(self, expected: str) -> tuple[pl.DataFrame, bool]:
        content = self._http.get(VIX_FILE, expected).content
        header = content.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
        if header.split(",") != VIX_COLUMNS:
            wanted = f"the columns {', '.join(VIX_COLUMNS)} of {expected}"
            raise SchemaDrift(self.profile.name, wanted, repr(header[:60]), _ADVICE)
        # Half a line would pass for a whole one with a shorter number, so a last line without its end is not read.
        whole, _, rest = content.rpartition(b"\n")
        table = pl.read_csv(io.BytesIO(whole), infer_schema=False)
        day = pl.col("DATE").str.to_date("%m/%d/%Y", strict=False).dt.to_string("%Y-%m-%d")
        levels = (pl.col(name.upper()).str.strip_chars().alias(name) for name in LEVELS)
        return table.select(day.fill_null(pl.col("DATE")).alias("session"), *levels), not rest

    def _history(self, written: str, expected: str) -> pl.DataFrame:
        document: Any = self._file(HISTORY.format(written), expected).json(expected)
        rows = document.get("data") if isinstance(document, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SchemaDrift(self.profile.name, f"a list data of {expected}", repr(document)[:60], _ADVICE)
        if not rows:
            raise EmptyResult(self.profile.name, expected, "no rows", "another service is asked")
        return pl.DataFrame(rows, infer_schema_length=None).rename({"date": "session"}, strict=False)

    def _written(self, symbol: str, expected: str) -> str:
        try:
            return to_provider(symbol, self.profile.name)
        except (UnmappedSymbolError, InvalidSymbolError) as error:
            found = "a symbol that it does not have"
            raise NotFound(self.profile.name, expected, found, str(error)[:160]) from None
