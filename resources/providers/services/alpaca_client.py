"""alpaca-py 0.44 as it must be used: our time limit, archive and errors laid over it, its own retries switched off.

What the package does by itself and what is done about it:

* It has no time limit and sleeps three seconds before each of three retries, whatever ``Retry-After`` says: its session
  is replaced and its retries are set to none.
* ``APIError.code`` and ``.message`` raise for most bodies: only the status, the headers and the text are read.
* It follows no redirects. They are followed, but the key goes to no other host.
* ``CorporateActionsRequest`` limits the whole answer to 1,000 items unless ``limit`` is None.
* Its import warns of ``websockets.legacy``, which only its streams use; from websockets 18 on it fails.
* It wraps rows in a model each, which drop what they do not know: rows are taken as they come.
"""

from __future__ import annotations

import datetime as dt
import importlib
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from resources.providers.live.access import Access
from resources.providers.live.errors import AuthError, FetchError, MissingPackageError, NotFound, SchemaDrift
from resources.providers.live.http import error_of_status
from resources.providers.live.sessions import watched

NAME = "alpaca"
KEY_HEADERS = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY")
TRADING_HOSTS = {"paper": "https://paper-api.alpaca.markets", "live": "https://api.alpaca.markets"}
CONTRACTS_PAGE = 10_000
REFUSED_SYMBOL = re.compile(r"invalid symbols?: ([^\s\"',]+)")


class RefusedSymbolError(NotFound):
    """The service refuses a whole request for the sake of one symbol.

    Attributes
    ----------
    symbol
        The symbol as the service wrote it.
    """

    def __init__(self, symbol: str, expected: str) -> None:
        self.symbol = symbol
        super().__init__(NAME, expected, f"the symbol {symbol!r} refused as invalid", "correct the symbol")


class AlpacaClient:
    """The endpoints that the adapter needs; each method returns rows as the service sends them, all pages together.

    Parameters
    ----------
    key, secret
        The two halves of the key.
    account
        "paper" or "live": the kind of account that the key belongs to, which decides the host of the contracts.

    Attributes
    ----------
    expected
        What is being asked for, for messages.
    """

    def __init__(self, access: Access, key: str, secret: str, account: str) -> None:
        self.expected = "an answer"
        self._access, self._key, self._secret, self._account = access, key, secret, account
        self._pages: set[str] = set()

    def bars(self, symbols: Sequence[str], minutes: int | None, start: dt.datetime, end: dt.datetime, feed: str) -> Any:
        """Return lists of bars by symbol, as traded; ``minutes`` is their length, None for a day."""
        sdk = _package()
        length = sdk.TimeFrame.Day if minutes is None else sdk.TimeFrame(minutes, sdk.TimeFrameUnit.Minute)
        asked = sdk.StockBarsRequest(
            symbol_or_symbols=list(symbols), timeframe=length, start=start, end=end, adjustment="raw", feed=feed
        )
        return self._asked(lambda: self._stocks.get_stock_bars(asked))

    def trades(self, symbols: Sequence[str], start: dt.datetime, end: dt.datetime, feed: str) -> Any:
        """Return lists of trades by symbol."""
        asked = _package().StockTradesRequest(symbol_or_symbols=list(symbols), start=start, end=end, feed=feed)
        return self._asked(lambda: self._stocks.get_stock_trades(asked))

    def latest_trade(self, symbol: str, feed: str) -> Any:
        """Return the latest trade by symbol."""
        asked = _package().StockLatestTradeRequest(symbol_or_symbols=symbol, feed=feed)
        return self._asked(lambda: self._stocks.get_stock_latest_trade(asked))

    def chain(self, symbol: str, feed: str) -> Any:
        """Return snapshots by contract."""
        sdk = _package()
        client = self._made(sdk.OptionHistoricalDataClient)
        asked = sdk.OptionChainRequest(underlying_symbol=symbol, feed=feed)
        return self._asked(lambda: client.get_option_chain(asked))

    def contracts(self, symbol: str, first: dt.date, last: dt.date) -> list[Any]:
        """Return the active contracts on a symbol that expire from ``first`` to ``last``.

        Both limits are needed: without them the service leaves out whatever expires after the coming weekend.
        """
        from alpaca.common.rest import RESTClient

        # The package's trading client could place orders. What reads data has no use for one.
        client = self._made(RESTClient, base_url=TRADING_HOSTS[self._account])
        params: dict[str, str | int] = {
            "underlying_symbols": symbol,
            "status": "active",
            "expiration_date_gte": first.isoformat(),
            "expiration_date_lte": last.isoformat(),
            "limit": CONTRACTS_PAGE,
        }
        found: list[Any] = []

        def pages() -> list[Any]:
            while True:
                page = client.get("/options/contracts", dict(params))
                if not isinstance(page, dict) or not isinstance(page.get("option_contracts"), list):
                    raise self.drift("option_contracts as a list", repr(page)[:80])
                found.extend(page["option_contracts"])
                token = page.get("next_page_token")
                if not token:
                    return found
                params["page_token"] = token

        return list(self._asked(pages))

    def news(self, symbols: Sequence[str], start: dt.datetime, end: dt.datetime) -> Any:
        """Return the articles last changed from ``start`` to ``end``."""
        sdk = _package()
        client = self._made(sdk.NewsClient)
        asked = sdk.NewsRequest(symbols=",".join(symbols), start=start, end=end, sort="asc")
        return self._asked(lambda: client.get_news(asked))

    def corporate_actions(self, symbols: Sequence[str], kinds: Sequence[str], first: dt.date, last: dt.date) -> Any:
        """Return lists of actions by kind, those that the service processes from ``first`` to ``last``."""
        sdk = _package()
        client = self._made(importlib.import_module("alpaca.data.historical.corporate_actions").CorporateActionsClient)
        asked = sdk.CorporateActionsRequest(
            symbols=list(symbols), types=[sdk.CorporateActionsType(kind) for kind in kinds],
            start=first, end=last, limit=None,
        )  # fmt: skip
        return self._asked(lambda: client.get_corporate_actions(asked))

    def drift(self, expected: str, found: str) -> SchemaDrift:
        """Return the error for an answer that has another form than the documented one."""
        advice = "the answer has a new form: look at the archived bytes and report it"
        return SchemaDrift(NAME, f"{self.expected}: {expected}", self._access.redact(found), advice)

    @cached_property
    def _stocks(self) -> Any:
        return self._made(_package().StockHistoricalDataClient)

    @cached_property
    def _session(self) -> Any:
        return watched(_session_class(self), self._access, raises=False, expected=lambda: self.expected)

    def _made(self, kind: Any, **rest: Any) -> Any:
        made = kind(api_key=self._key, secret_key=self._secret, raw_data=True, **rest)
        if not (hasattr(made, "_session") and hasattr(made, "_retry")):
            raise MissingPackageError(
                NAME, "alpaca-py as of 0.44", "a release that keeps its session elsewhere", "install alpaca-py 0.44"
            )
        made._session.close()
        made._session, made._retry = self._session, 0
        return made

    def _asked(self, call: Callable[[], Any]) -> Any:
        from alpaca.common.exceptions import APIError

        self._pages.clear()
        try:
            return call()
        except APIError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: Any) -> FetchError:
        status, text = error.status_code, str(error)
        refused = REFUSED_SYMBOL.search(text)
        if status in (400, 422) and refused:
            return RefusedSymbolError(refused[1], self.expected)
        if status == 403 and "forbidden" in text.lower():
            # The data host says this of a wrong key; what a plan lacks it names.
            return AuthError(
                NAME, self.expected, "HTTP 403 'forbidden'", "check both halves of the key and the option account"
            )
        made = error_of_status(self._access, self.expected, status, error.response.headers, text)
        return made or self.drift("a status that explains the refusal", f"HTTP {status}")

    def _turned(self, page: str | None) -> None:
        """Refuse a page that was had before: the package would turn pages for ever."""
        if page is None:
            return
        if page in self._pages:
            raise self.drift("another page", "the same page again")
        self._pages.add(page)


def _session_class(client: AlpacaClient) -> type:
    import requests

    class SameHostSession(requests.Session):
        """Follows redirects, and shows the key to no other host."""

        def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> Any:
            client._turned((kwargs.get("params") or {}).get("page_token"))
            return super().request(method, url, *args, **{**kwargs, "allow_redirects": True})

        def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
            super().rebuild_auth(prepared_request, response)
            if self.should_strip_auth(response.request.url, prepared_request.url):
                for name in KEY_HEADERS:
                    prepared_request.headers.pop(name, None)

    return SameHostSession


def _package() -> Any:
    """Return the module of the package that has its requests and clients.

    Raises
    ------
    MissingPackageError
        When it is not installed, or websockets is too new for it.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="websockets.legacy is deprecated", category=DeprecationWarning)
            return importlib.import_module("alpaca.data")
    except ImportError as error:
        raise MissingPackageError(
            NAME, "the package alpaca-py with websockets below 18", str(error), "install gnosis[alpaca]"
        ) from None
