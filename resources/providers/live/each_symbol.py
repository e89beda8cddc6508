"""Several symbols asked one after another: what holds for one does not hold back the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from resources.providers.live.errors import AuthError, FetchError, RateLimited, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

OF_THE_SERVICE = (AuthError, RateLimited, Transient)
"""Errors that the next symbol would meet too."""


def each_symbol(symbols: Sequence[str], fetch: Callable[[str], T]) -> tuple[list[T], dict[str, FetchError]]:
    """Return what ``fetch`` gave for each symbol, and why it gave nothing for the others.

    After an error of the service itself the remaining symbols are not asked: they have the same error.

    Raises
    ------
    FetchError
        The first one, when no symbol has an answer.

    Examples
    --------
    >>> from resources.providers.live.errors import NotFound
    >>> def fetch(symbol):
    ...     if symbol == "ZZZZ":
    ...         raise NotFound("example", "bars of ZZZZ", "HTTP 404", "correct the symbol")
    ...     return symbol.lower()
    >>> answers, failures = each_symbol(("AAA", "ZZZZ", "BBB"), fetch)
    >>> answers, list(failures)
    (['aaa', 'bbb'], ['ZZZZ'])
    """
    answers: list[T] = []
    failures: dict[str, FetchError] = {}
    for position, symbol in enumerate(symbols):
        try:
            answers.append(fetch(symbol))
        except OF_THE_SERVICE as error:
            failures |= dict.fromkeys(symbols[position:], error)
            break
        except FetchError as error:
            failures[symbol] = error
    if failures and not answers:
        raise next(iter(failures.values()))
    return answers, failures
