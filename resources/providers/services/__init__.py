"""The live services, one module each. Named here, imported when they are used: some SDKs take seconds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.providers.live.access import Access
    from resources.providers.live.service import Service

SERVICES: dict[str, str] = {
    "yahoo": "yahoo:Yahoo",
    "cboe": "cboe:Cboe",
    "massive": "massive:Massive",
    "polygon": "massive:Polygon",
    "alpaca": "alpaca:Alpaca",
    "alpha_vantage": "alpha_vantage:AlphaVantage",
    "binance": "crypto_exchange:CryptoExchange",
    "coinbase": "crypto_exchange:CryptoExchange",
    "kraken": "crypto_exchange:CryptoExchange",
    "bybit": "crypto_exchange:CryptoExchange",
    "fred": "fred:Fred",
    "finra": "finra:Finra",
    "squeezemetrics": "squeezemetrics:SqueezeMetrics",
    "stocktwits": "stocktwits:StockTwits",
    "reddit": "reddit:Reddit",
    "x": "x:X",
    "gdelt": "gdelt:Gdelt",
    "rss": "rss:Rss",
}
"""Module and class by name. Any other exchange that ccxt knows is ``ccxt:<id>``, for example ``ccxt:okx``."""

EXCHANGE = "ccxt:"


def make_service(access: Access) -> Service:
    """Return the service that ``access`` reaches; nothing is asked and no SDK is imported.

    Raises
    ------
    LookupError
        When there is no service of this name.
    """
    name = access.service
    place = SERVICES["binance"] if name.startswith(EXCHANGE) else SERVICES.get(name)
    if place is None:
        raise LookupError(
            f"expected one of the services {', '.join(SERVICES)} or {EXCHANGE}<exchange>, found {name!r}; "
            "correct its name in gnosis.toml"
        )
    module, class_name = place.split(":")
    made: Service = getattr(import_module(f"{__name__}.{module}"), class_name)(access)
    return made
