"""The one form of a symbol, its kind, and what people type instead."""

from __future__ import annotations

import re
from typing import Literal

from gnosis.symbols.roots import INDEX_CHAINS, ROOTS, chain_symbol

Kind = Literal["equity", "index", "crypto"]

EQUITY = re.compile(r"[A-Z]{1,5}(?:\.[A-OQSTVX-Z])?")
"""One to five letters and a share class. After a dot P, R, U and W mean preferred shares, rights, units, warrants."""
INDEX = re.compile(r"\^[A-Z][A-Z0-9]{0,9}")
CRYPTO = re.compile(r"[A-Z0-9]{1,10}/[A-Z][A-Z0-9]{2,9}")

QUOTES = ("BTC", "BUSD", "ETH", "EUR", "FDUSD", "GBP", "JPY", "PYUSD", "TUSD", "USD", "USDC", "USDT")
"""Quote currencies that a pair written in one word may end with."""

INDEX_ALIASES = {"^SPX": "^GSPC"} | {
    name: ROOTS[name].underlying for name in INDEX_CHAINS if chain_symbol(ROOTS[name].underlying) == name
}
"""What else people write for an index: the exchange's own name, which is also the name of the option chain."""


class InvalidSymbolError(ValueError):
    """A text that is no symbol, or could be several."""


class UnmappedSymbolError(ValueError):
    """A symbol that a provider does not have, or whose name at the provider is not known."""


def kind_of(symbol: str) -> Kind:
    """Return what a canonical symbol names.

    Raises
    ------
    InvalidSymbolError
        When the text is not the canonical form of a symbol.

    Examples
    --------
    >>> [kind_of(symbol) for symbol in ("AAPL", "BRK.B", "^GSPC", "BTC/USDT")]
    ['equity', 'equity', 'index', 'crypto']
    >>> kind_of("BRK-B")
    Traceback (most recent call last):
    gnosis.symbols.forms.InvalidSymbolError: expected a symbol such as AAPL, BRK.B, ^GSPC or BTC/USD, found 'BRK-B': ...
    """
    if symbol in INDEX_CHAINS or symbol in INDEX_ALIASES:
        index = INDEX_ALIASES.get(symbol) or ROOTS[symbol].underlying
        raise InvalidSymbolError(
            f"expected a symbol such as AAPL, BRK.B, ^GSPC or BTC/USD, found {symbol!r}, the exchange's name of an "
            f"index or its options: write {index}"
        )
    if EQUITY.fullmatch(symbol):
        return "equity"
    if INDEX.fullmatch(symbol):
        return "index"
    if CRYPTO.fullmatch(symbol):
        return "crypto"
    raise InvalidSymbolError(
        f"expected a symbol such as AAPL, BRK.B, ^GSPC or BTC/USD, found {symbol!r}: write it like this, or translate "
        "it with canonical or from_provider"
    )


def canonical(text: str) -> str:
    """Return the canonical form of what a person typed.

    Upper case is not needed; a share class may follow a dot or a hyphen; a pair may be written with a slash, a hyphen
    or in one word, if only one reading is possible; indices may be named as the exchange does.

    Raises
    ------
    InvalidSymbolError
        When the text names nothing, or more than one thing.

    Examples
    --------
    >>> [canonical(text) for text in ("brk-b", "^spx", "VIX", "btc-usd", "BTCUSDT")]
    ['BRK.B', '^GSPC', '^VIX', 'BTC/USD', 'BTC/USDT']
    >>> canonical("ETHBUSD")
    Traceback (most recent call last):
    gnosis.symbols.forms.InvalidSymbolError: expected one reading, found 'ETHBUSD' to be ETH/BUSD or ETHB/USD: ...
    """
    typed = text.strip().upper()
    if typed in INDEX_ALIASES:
        return INDEX_ALIASES[typed]
    hyphened = typed.partition("-")
    if hyphened[2]:
        for separator in (".", "/"):
            written = f"{hyphened[0]}{separator}{hyphened[2]}"
            if EQUITY.fullmatch(written) or CRYPTO.fullmatch(written):
                return written
    if len(typed) > 5 and typed.isalnum():
        readings = pairs_in(typed, QUOTES)
        if len(readings) > 1:
            raise InvalidSymbolError(
                f"expected one reading, found {text!r} to be {' or '.join(readings)}: write the pair with a slash"
            )
        if readings:
            return readings[0]
    kind_of(typed)
    return typed


def pairs_in(text: str, quotes: tuple[str, ...]) -> list[str]:
    """Return the pairs that a text in one word can be read as, given the quote currencies.

    Examples
    --------
    >>> pairs_in("BTCUSDT", ("USD", "USDT"))
    ['BTC/USDT']
    """
    pairs = [f"{text.removesuffix(quote)}/{quote}" for quote in sorted(quotes) if text.endswith(quote)]
    return [pair for pair in pairs if CRYPTO.fullmatch(pair)]
