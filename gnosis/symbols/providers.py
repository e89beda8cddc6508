"""How each provider writes a symbol, and back.

Facts without a mark are those of the provider's own client or documents. Not verified on a live service: Alpha
Vantage's hyphen (a dot has been seen to work too), the names of Massive's indices other than SPX, NDX, VIX and DJI,
Alpaca's dot. FINRA's slash (``BRK/B``) and Cboe's dot (``BRK.B.json``) were seen in files and addresses that others
published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gnosis.symbols.forms import EQUITY, InvalidSymbolError, Kind, UnmappedSymbolError, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FIAT = ("AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "USD")
YAHOO_COINS = ("ADA", "ALGO", "ATOM", "AVAX", "BCH", "BNB", "BTC", "DOGE", "ETC", "ETH", "LINK", "LTC", "SHIB", "SOL",
               "TRX", "XLM", "XMR", "XRP")  # fmt: skip
"""Coins that own their plain name at Yahoo. Others carry a number there (``UNI7083-USD``; ``UNI-USD`` is another coin),
so they are not translated."""

YAHOO_INDICES = ("DJI", "GSPC", "GVZ", "IXIC", "NDX", "OEX", "OVX", "RUT", "RVX", "SKEW", "VIX", "VIX3M", "VIX9D",
                 "VVIX", "VXN", "XSP")  # fmt: skip
CBOE_INDICES = ("DJX", "MRUT", "MXEA", "MXEF", "NDX", "OEX", "RUT", "SKEW", "VIX", "VIX3M", "VIX9D", "VVIX", "XND",
                "XSP")  # fmt: skip
MASSIVE_INDICES = ("DJI", "NDX", "RUT", "VIX", "VIX3M", "VIX9D", "VVIX", "XSP")

FRED_SERIES = {
    "^DJI": "DJIA",
    "^GSPC": "SP500",
    "^GVZ": "GVZCLS",
    "^IXIC": "NASDAQCOM",
    "^NDX": "NASDAQ100",
    "^OVX": "OVXCLS",
    "^RVX": "RVXCLS",
    "^VIX": "VIXCLS",
    "^VIX3M": "VXVCLS",
    "^VXN": "VXNCLS",
}


@dataclass(frozen=True)
class Spelling:
    """How one provider writes symbols; what is not given here it cannot express.

    Attributes
    ----------
    share_class
        What stands between a share and its class; None when the provider has no shares.
    indices
        Canonical index to the provider's text.
    pair
        Format of a crypto pair with ``{base}`` and ``{quote}``; None when the provider has none.
    quotes, coins
        Quote currencies and coins that ``pair`` holds for; None for all.
    """

    share_class: str | None = None
    indices: Mapping[str, str] = field(default_factory=dict)
    pair: str | None = None
    quotes: tuple[str, ...] | None = None
    coins: tuple[str, ...] | None = None


_MASSIVE = Spelling(
    ".", {"^GSPC": "I:SPX", "^IXIC": "I:COMP"} | {f"^{name}": f"I:{name}" for name in MASSIVE_INDICES},
    "X:{base}{quote}", FIAT,
)  # fmt: skip

PROVIDERS: dict[str, Spelling] = {
    "alpaca": Spelling(".", {}, "{base}/{quote}"),
    "alpha_vantage": Spelling("-"),
    "cboe": Spelling(".", {"^GSPC": "_SPX"} | {f"^{name}": f"_{name}" for name in CBOE_INDICES}),
    "ccxt": Spelling(None, {}, "{base}/{quote}"),
    "finra": Spelling("/"),
    "fred": Spelling(None, FRED_SERIES),
    "massive": _MASSIVE,
    "polygon": _MASSIVE,
    "stocktwits": Spelling(".", {}, "{base}.X", ("USD",)),
    "yahoo": Spelling("-", {f"^{name}": f"^{name}" for name in YAHOO_INDICES}, "{base}-{quote}", FIAT, YAHOO_COINS),
}


def to_provider(symbol: str, provider: str) -> str:
    """Return how a provider writes a canonical symbol.

    Raises
    ------
    UnmappedSymbolError
        When the provider cannot express the symbol, or its way of writing it is not known.
    InvalidSymbolError
        When the text is not a canonical symbol.
    ValueError
        When the provider is not known.

    Examples
    --------
    >>> [to_provider("BRK.B", name) for name in ("yahoo", "massive", "finra")]
    ['BRK-B', 'BRK.B', 'BRK/B']
    >>> [to_provider("^GSPC", name) for name in ("yahoo", "cboe", "massive", "fred")]
    ['^GSPC', '_SPX', 'I:SPX', 'SP500']
    >>> [to_provider("BTC/USD", name) for name in ("yahoo", "massive", "alpaca", "stocktwits")]
    ['BTC-USD', 'X:BTCUSD', 'BTC/USD', 'BTC.X']
    """
    spelling = _spelling(provider)
    kind = kind_of(symbol)
    text = _written(symbol, kind, spelling)
    # A text that reads back as something else (a share class X at StockTwits is a coin) names another instrument.
    if text is None or _read(text, spelling) != symbol:
        raise UnmappedSymbolError(
            f"expected a symbol that {provider} has, found {symbol} ({kind}), which it cannot express: ask another "
            "provider, or declare its name in gnosis.symbols.providers"
        )
    return text


def from_provider(text: str, provider: str) -> str:
    """Return the canonical symbol of a provider's text.

    Raises
    ------
    UnmappedSymbolError
        When the text is not one that the provider writes for a symbol known here.
    ValueError
        When the provider is not known.

    Examples
    --------
    >>> from_provider("_SPX", "cboe"), from_provider("X:BTCUSD", "massive"), from_provider("BRK/B", "finra")
    ('^GSPC', 'BTC/USD', 'BRK.B')
    """
    spelling = _spelling(provider)
    symbol = _read(text, spelling)
    if symbol is None or _written(symbol, kind_of(symbol), spelling) != text:
        raise UnmappedSymbolError(
            f"expected a symbol as {provider} writes it, found {text!r}: leave it out, or declare it in "
            "gnosis.symbols.providers"
        )
    return symbol


def _spelling(provider: str) -> Spelling:
    if provider not in PROVIDERS:
        raise ValueError(f"expected one of the providers {', '.join(sorted(PROVIDERS))}, found {provider!r}")
    return PROVIDERS[provider]


def _written(symbol: str, kind: Kind, spelling: Spelling) -> str | None:
    if kind == "index":
        return spelling.indices.get(symbol)
    if kind == "equity":
        return None if spelling.share_class is None else symbol.replace(".", spelling.share_class)
    base, _, quote = symbol.partition("/")
    known = (spelling.quotes is None or quote in spelling.quotes) and (spelling.coins is None or base in spelling.coins)
    return spelling.pair.format(base=base, quote=quote) if spelling.pair and known else None


def _read(text: str, spelling: Spelling) -> str | None:
    for symbol, written in spelling.indices.items():
        if text == written:
            return symbol
    if (pair := _read_pair(text, spelling)) is not None:
        return pair
    if spelling.share_class is None:
        return None
    share, separator, letter = text.partition(spelling.share_class)
    equity = f"{share}.{letter}" if separator else share
    return equity if EQUITY.fullmatch(equity) and _is_symbol(equity) else None


def _read_pair(text: str, spelling: Spelling) -> str | None:
    if spelling.pair is None:
        return None
    quote = "|".join(spelling.quotes) if spelling.quotes else "[A-Z][A-Z0-9]+"
    pattern = re.escape(spelling.pair).replace(r"\{base\}", "(?P<base>[A-Z0-9]+)")
    found = re.fullmatch(pattern.replace(r"\{quote\}", f"(?P<quote>{quote})"), text)
    if found is None or (spelling.coins is not None and found["base"] not in spelling.coins):
        return None
    # A provider that does not write the quote currency has only one.
    symbol = f"{found['base']}/{found.groupdict().get('quote') or quote}"
    return symbol if _is_symbol(symbol) else None


def _is_symbol(symbol: str) -> bool:
    try:
        kind_of(symbol)
    except InvalidSymbolError:
        return False
    return True
