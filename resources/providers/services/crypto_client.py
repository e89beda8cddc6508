"""The client of an exchange: ccxt without keys, its HTTP under our rules, its errors in our words.

ccxt is asked for less than it would ask by itself: only spot pairs, no currencies, no waiting (the budget of requests
is ours). Its errors are judged by the HTTP status and by the words of the exchange, since its own classes mix a refused
country with a request that came too soon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from resources.providers.live.errors import (
    AuthError,
    EntitlementError,
    FetchError,
    MissingPackageError,
    NotFound,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.live.http import USER_AGENT, error_of_status
from resources.providers.live.sessions import watched
from resources.providers.services.exchanges import exchange_id, exchange_of

if TYPE_CHECKING:
    from resources.providers.live.access import Access

FOUND_LENGTH = 160
TOO_SOON = ("access too frequent", "too many visits")
"""What Bybit says with HTTP 403 when the address asked too often; its 403 without these words is a refused country."""

SPOKEN: tuple[tuple[str, type[FetchError]], ...] = (
    ("Throttled", RateLimited),
    ("Rate limit exceeded", RateLimited),
    ("Unknown asset pair", NotFound),
    ("EService:Deadline elapsed", Transient),
    ("Server Timeout", Transient),
    ("System error", Transient),
    ("Internal System Error", Transient),
)
"""Errors inside an HTTP 200 for which ccxt has no class of its own, by the words of the exchange."""

ADVICE: dict[type[FetchError], str] = {
    RateLimited: "asked again later; lower the rates of this service",
    NotFound: "check the pair; the exchange may not list it",
    EntitlementError: "the account or the country may not have this",
    AuthError: "no key is used here: the exchange may have blocked this address",
    Transient: "asked again later",
    SchemaDrift: "the exchange no longer takes this request; report it",
}


def open_exchange(access: Access, expected: Callable[[], str]) -> Any:
    """Return the ccxt object of an exchange, without keys; nothing is asked.

    Parameters
    ----------
    access
        Names the service and rules its HTTP.
    expected
        What is being asked for, for messages.

    Raises
    ------
    MissingPackageError, NotFound
        When ccxt is not installed or does not know the exchange.
    """
    try:
        import ccxt
        import requests
    except ModuleNotFoundError as error:
        advice = f"install the package {error.name}"
        raise MissingPackageError(access.service, "the package ccxt", f"no {error.name}", advice) from None
    name = exchange_id(access.service)
    if name not in ccxt.exchanges:
        advice = "correct the name of the service in gnosis.toml"
        raise NotFound(access.service, "an exchange that ccxt knows", repr(name), advice)
    session = watched(requests.Session, access, raises=False, expected=expected)
    exchange = getattr(ccxt, name)({"enableRateLimit": False, "session": session})
    exchange.userAgent = USER_AGENT
    exchange.options.update(exchange_of(access.service).options)
    exchange.has["fetchCurrencies"] = False
    _only_spot(exchange)
    _keep_every_row(exchange)
    _judge_answers(exchange, access, expected)
    return exchange


def translated(error: Exception, access: Access, expected: str) -> FetchError | None:
    """Return our error for one of ccxt, None for anything else."""
    import ccxt

    if not isinstance(error, ccxt.BaseError):
        return None
    text = " ".join(access.redact(str(error)).split())[:FOUND_LENGTH]
    kind = _kind(error, text)
    return kind(access.service, expected, repr(text), ADVICE[kind])


def _kind(error: Exception, text: str) -> type[FetchError]:
    import ccxt

    for words, kind in SPOKEN:
        if words in text:
            return kind
    classes: tuple[tuple[tuple[type[Exception], ...], type[FetchError]], ...] = (
        ((ccxt.BadSymbol, ccxt.NotSupported), NotFound),
        ((ccxt.RateLimitExceeded, ccxt.DDoSProtection), RateLimited),
        ((ccxt.PermissionDenied, ccxt.AccountSuspended, ccxt.RestrictedLocation), EntitlementError),
        ((ccxt.AuthenticationError,), AuthError),
        ((ccxt.BadResponse,), SchemaDrift),
        ((ccxt.OperationFailed,), Transient),
    )
    return next((kind for of_ccxt, kind in classes if isinstance(error, of_ccxt)), SchemaDrift)


def _only_spot(exchange: Any) -> None:
    listed = exchange.options.get("fetchMarkets")
    if isinstance(listed, dict) and "spot" in listed.get("types", ()):
        listed["types"] = ["spot"]
    elif isinstance(listed, list) and "spot" in listed:
        exchange.options["fetchMarkets"] = ["spot"]
    if exchange.id == "coinbase":
        # ccxt asks for futures too, in two more requests whose errors it swallows.
        exchange.fetch_markets = lambda _=None: _coinbase_markets(exchange)


def _coinbase_markets(exchange: Any) -> list[dict[str, Any]]:
    products = exchange.v3PublicGetBrokerageMarketProducts({"product_type": "SPOT"})["products"]
    # A product with an alias (BTC-USDC) has no book of its own: its prices are those of another quote currency.
    return [exchange.parse_spot_market(product, {}) for product in products if not product.get("alias")]


def _keep_every_row(exchange: Any) -> None:
    # ccxt drops rows without an instant or of another pair and says nothing, or fails to sort them; here they must be
    # seen. The order is that of the table in the end.
    exchange.filter_by_since_limit = lambda rows, *_, **__: rows
    exchange.filter_by_symbol_since_limit = lambda rows, *_, **__: rows
    exchange.sort_by_2 = lambda rows, *_, **__: rows


def _judge_answers(exchange: Any, access: Access, expected: Callable[[], str]) -> None:
    parse = exchange.parse_json

    def on_rest_response(
        status: int, reason: str, url: str, method: str, headers: Any, body: str, sent: Any, sent_body: Any
    ) -> str:
        refusal = error_of_status(access, expected(), status, headers, body[:300])
        if refusal is None:
            return body.strip()
        if status == 403 and any(words in body for words in TOO_SOON):
            raise RateLimited(access.service, expected(), "HTTP 403 for asking too often", ADVICE[RateLimited])
        if isinstance(refusal, SchemaDrift):
            # The exchange may say in the body what was wrong with the request, such as an unknown pair.
            exchange.handle_errors(status, reason, url, method, headers, body, parse(body), sent, sent_body)
        raise refusal

    def parse_json(body: str) -> Any:
        document = parse(body)
        if document is None:
            advice = "the exchange is in maintenance, blocks this address or has changed; look at the archived bytes"
            raise SchemaDrift(access.service, f"{expected()} as JSON", f"a body starting {body[:40]!r}", advice)
        return document

    exchange.on_rest_response = on_rest_response
    exchange.parse_json = parse_json
