"""yfinance without its memory: one ask at a time, no answer of an earlier one, nothing written into the user's home.

yfinance keeps one object for the whole process: a session, a cookie, a crumb (the token that goes with the cookie) and
the last 64 answers about past ranges. A page for people that came with status 200 would stay there and be returned for
ever, and a page that came in place of the crumb would be sent along for ever. So the answers are dropped before and
after each ask, cookie and crumb after each that failed, and all services of a process wait for each other. Processes
share nothing but the folder of the cookie, where they are told to.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from resources.providers.live.access import Access
from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    FetchError,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.live.http import error_of_status
from resources.providers.live.sessions import watched

Result = TypeVar("Result")

SERVICE = "yahoo"
BACKENDS = ("curl_cffi", "requests")
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
COOKIE_HOST = "fc.yahoo.com"
CRUMB = "/v1/test/getcrumb"
LONGEST_CRUMB = 64
NO_DATA_IN_RANGE = b"Data doesn't exist"

_ONE_AT_A_TIME = threading.RLock()
_in_use: dict[str, Any] = {"session": None, "folder": None}


class YahooClient:
    """Asks yfinance for one symbol at a time.

    Parameters
    ----------
    access
        How Yahoo is reached. Options: ``backend``, "curl_cffi" (looks like a browser to Yahoo, which refuses most other
        clients; the default) or "requests" (the default where ``YF_DISABLE_CURL_CFFI`` is set); ``cache``, the folder
        in which processes share the cookie, by default a temporary one for this process that only its user can read
        (yfinance unpickles what it finds there).
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._session: Any = None
        self._expected = "an answer"
        self._body = b""
        self._refused: FetchError | None = None
        self._renewed: set[str] = set()

    def ask(self, symbol: str, expected: str, call: Callable[[Any], Result]) -> Result:
        """Return what ``call`` gets from the ``yfinance.Ticker`` of ``symbol``, as Yahoo writes it.

        Raises
        ------
        FetchError
            By the status of the answer, and Transient when none came; besides, whatever yfinance raises:
            :func:`error_of_yfinance` tells what it means.
        """
        with _ONE_AT_A_TIME:
            self._expected = expected
            try:
                return self._once(symbol, call)
            except AuthError:
                # A crumb ages while a process lives, a cookie in its folder: only new ones prove a refusal.
                if self._renewed == {"cookie", "crumb"}:
                    raise
            self._drop_cookie()
            return self._once(symbol, call)

    def document(self) -> Any:
        """Return the last answer as JSON, for what yfinance leaves out of its frames. To be called within ``call``."""
        return json.loads(self._body)

    def _once(self, symbol: str, call: Callable[[Any], Result]) -> Result:
        import yfinance
        from yfinance.data import YfData

        class Ticker(yfinance.Ticker):
            def _get_ticker_tz(self, timeout: float) -> str:  # noqa: ARG002 the SDK's signature
                # Otherwise asked for, only to know where a day begins: days here are those of New York.
                return "America/New_York"

        self._take_over()
        self._refused, self._renewed, is_done = None, set(), False
        YfData.cache_get.cache_clear()
        try:
            result = call(Ticker(symbol, session=self._session))
            is_done = True
            return result
        finally:
            YfData.cache_get.cache_clear()
            if not is_done or self._refused is not None:
                _forget()
            if isinstance(self._refused, AuthError):
                self._drop_cookie()

    def _take_over(self) -> None:
        import yfinance
        from pandas.errors import Pandas4Warning

        # yfinance shows what pandas says to its developers.
        warnings.filterwarnings("ignore", category=Pandas4Warning, module="yfinance")
        yfinance.config.debug.hide_exceptions = False
        yfinance.config.network.retries = 0
        _keep_cookies_in(self.access.options.get("cache"))
        if self._session is None:
            self._session = self._guarded(
                watched(self._backend(), self.access, raises=False, expected=lambda: self._expected)
            )
        if _in_use["session"] is not self._session:
            _forget()
            _in_use["session"] = self._session

    def _drop_cookie(self) -> None:
        from yfinance.cache import get_cookie_cache

        get_cookie_cache().store("curlCffi", None)
        # What is left here would be stored again.
        self._session.cookies.clear()

    def _backend(self) -> type:
        from yfinance._http import HAS_CURL_CFFI

        name = self.access.options.get("backend", BACKENDS[0] if HAS_CURL_CFFI else BACKENDS[1])
        if name == "curl_cffi":
            from curl_cffi import requests as curl

            class Browser(curl.Session):
                def __init__(self) -> None:
                    super().__init__(impersonate="chrome")

            return Browser
        if name == "requests":
            import requests

            class Plain(requests.Session):
                def __init__(self) -> None:
                    super().__init__()
                    self.headers["User-Agent"] = BROWSER

            return Plain
        raise SchemaDrift(SERVICE, f"backend {' or '.join(BACKENDS)}", repr(name), "correct the option of this service")

    def _guarded(self, session: Any) -> Any:
        """Let the SDK see good answers only, except at the door: where cookie and crumb come from."""
        through = session.request

        def request(method: str, url: str, *args: Any, **rest: Any) -> Any:
            parts = urlsplit(url)
            if parts.hostname == COOKIE_HOST or parts.path == CRUMB:
                return self._at_the_door(lambda: through(method, url, *args, **rest), is_crumb=parts.path == CRUMB)
            response = through(method, url, *args, **rest)
            refusal = self._refusal(response)
            if response.status_code == 400 and NO_DATA_IN_RANGE in response.content:
                advice = "check that the symbol was listed then"
                raise EmptyResult(SERVICE, self._expected, "no data for this range", advice)
            if isinstance(refusal, AuthError) and self._refused is not None:
                raise self._refused
            if refusal is not None:
                raise refusal
            self._body = response.content
            return response

        session.request = request
        return session

    def _at_the_door(self, send: Callable[[], Any], *, is_crumb: bool) -> Any:
        # Bars and news are given without cookie and crumb, so only the answer about them decides; but the SDK would
        # take any text for a crumb, the one of an error as well.
        nothing = SimpleNamespace(status_code=204, text="", content=b"", headers={}, url="")
        # Where the cookie does not stay, the SDK asks for it twice.
        if isinstance(self._refused, Transient) or (not is_crumb and "cookie" in self._renewed):
            return nothing
        try:
            response = send()
        except Transient as error:
            self._refused = error
            return nothing
        self._renewed.add("crumb" if is_crumb else "cookie")
        if not is_crumb:
            return response
        self._refused = self._refusal(response) or self._wrong_crumb(response.content)
        return response if self._refused is None else nothing

    def _wrong_crumb(self, content: bytes) -> FetchError | None:
        expected = "a crumb for " + self._expected
        if b"Too Many Requests" in content:
            return RateLimited(SERVICE, expected, "Too Many Requests", "asked again later")
        if not content or len(content) > LONGEST_CRUMB or b"<" in content or b" " in content:
            return SchemaDrift(SERVICE, expected, repr(content[:40]), "Yahoo blocks or has changed")
        return None

    def _refusal(self, response: Any) -> FetchError | None:
        text = response.content[:300].decode("utf-8", "replace")
        return error_of_status(self.access, self._expected, response.status_code, response.headers, text)


def drift(expected: str, found: str) -> SchemaDrift:
    """Return the error of an answer that lacks a field or has another type in it."""
    advice = "the answer has a new form: look at the archived bytes and report it"
    return SchemaDrift(SERVICE, expected, found, advice)


def error_of_yfinance(access: Access, expected: str, error: Exception) -> FetchError | None:
    """Return what an exception of yfinance means, None when it says only that the answer has a new form."""
    import peewee
    from yfinance.exceptions import YFDataException, YFPricesMissingError, YFRateLimitError

    text = access.redact(str(error))[:160]
    if isinstance(error, YFRateLimitError):
        return RateLimited(SERVICE, expected, text, "asked again later; lower the rates of this service")
    if isinstance(error, YFPricesMissingError):
        return EmptyResult(SERVICE, expected, text, "check the symbol and that it was traded then")
    if isinstance(error, peewee.PeeweeException):
        found = f"{type(error).__name__} in the folder of the cookie: {text}"
        return Transient(SERVICE, expected, found, "another process writes there; asked again later")
    # Both kinds of session have a class of this name of their own.
    if isinstance(error, YFDataException) or type(error).__name__ == "JSONDecodeError":
        advice = "Yahoo is in maintenance, blocks this address or has changed; look at the archived bytes"
        return SchemaDrift(SERVICE, f"{expected} as JSON", text, advice)
    return None


def _forget() -> None:
    """Drop the object in which yfinance keeps session, cookie and crumb; the next ask makes a new one."""
    from yfinance.data import SingletonMeta, YfData

    SingletonMeta._instances.pop(YfData, None)


def _keep_cookies_in(folder: str | Path | None) -> None:
    """Lead the databases of yfinance to ``folder``, None for a temporary one; they stay where they are once opened."""
    import yfinance
    from yfinance.cache import _CookieCacheManager, _ISINCacheManager, _TzCacheManager

    if _in_use["folder"] is not None and (folder is None or str(folder) == _in_use["folder"]):
        return
    if folder is None:
        folder = tempfile.mkdtemp(prefix="yfinance-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Told alone of a new place, it would go on with the databases that it has open.
    _TzCacheManager._tz_cache = _CookieCacheManager._Cookie_cache = _ISINCacheManager._isin_cache = None
    yfinance.set_tz_cache_location(str(folder))
    _in_use["folder"] = str(folder)
