"""Which symbols an ask leaves for Alpaca, and what became of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from gnosis.symbols import InvalidSymbolError, UnmappedSymbolError, to_provider
from resources.providers.live.errors import EmptyResult, FetchError, NotFound
from resources.providers.live.service import Ask
from resources.providers.services.alpaca_client import NAME, RefusedSymbolError


class AskedSymbols:
    """The symbols of an ask as Alpaca writes them, and why some of them have no rows.

    Attributes
    ----------
    failures
        By canonical symbol.
    """

    def __init__(self, ask: Ask, expected: str) -> None:
        self.failures: dict[str, FetchError] = {}
        self._expected, self._asked_for = expected, ask.symbols
        self._names: dict[str, str] = {}
        for symbol in ask.symbols:
            try:
                self._names[to_provider(symbol, NAME)] = symbol
            except (InvalidSymbolError, UnmappedSymbolError) as error:
                self.failures[symbol] = NotFound(NAME, expected, str(error), "another service is asked")

    def names(self) -> list[str]:
        """Return the symbols as Alpaca writes them."""
        return list(self._names)

    def canonical_of(self, name: str) -> str:
        """Return the canonical symbol of a name."""
        return self._names[name]

    def canonical(self, column: str) -> pl.Expr:
        """Return canonical symbols, null for those that were not asked for."""
        return pl.col(column).replace_strict(self._names, default=None, return_dtype=pl.String)

    def asked(self, call: Callable[[list[str]], Any], *only: str) -> Any:
        """Return what ``call`` returns for the names (or for ``only``), asking again without one that is refused.

        Raises
        ------
        FetchError
            When no symbol is left.
        """
        while left := [name for name in only or self._names if name in self._names]:
            try:
                return call(left)
            except RefusedSymbolError as error:
                if error.symbol not in self._names:
                    raise
                self.failures[self._names.pop(error.symbol)] = error
        raise next(iter(self.failures.values()))

    def missing_from(self, frame: pl.DataFrame) -> None:
        """Note symbols without rows; raise when there is no row at all."""
        for symbol in sorted(set(self._asked_for) - set(frame["symbol"]) - set(self.failures)):
            advice = "check the symbol; another service is asked"
            self.failures[symbol] = EmptyResult(NAME, self._expected, f"no row of {symbol}", advice)
        if frame.is_empty():
            kinds = sorted(self.failures.values(), key=lambda error: not isinstance(error, EmptyResult))
            raise kinds[0]
