"""Several symbols asked one after another: what holds for one does not hold back the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from resources.providers.live.errors import AuthError, FetchError, RateLimited, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

OF_THE_SERVICE = (AuthError, RateLimited)
"""Errors that the next symbol would meet too; so it would a second :class:`Transient` in a row."""


def each_symbol(symbols: Sequence[str], fetch: Callable[[str], T]) -> tuple[list[T], dict[str, FetchError]]:
    """Return what ``fetch`` gave for each symbol, and why it gave nothing for the others.

    After an error of the service itself, or two broken answers in a row, the remaining symbols are not asked: they have
    the same error. Those whose errors may pass are asked again by the router.

    Raises
    ------
    FetchError
        When no symbol has an answer: that which ended the asking, or else the first one.

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
    is_shaken = False
    ended_by: FetchError | None = None
    for position, symbol in enumerate(symbols):
        try:
            answers.append(fetch(symbol))
            is_shaken = False
        except FetchError as error:
            failures[symbol] = error
            if isinstance(error, OF_THE_SERVICE) or (is_shaken and isinstance(error, Transient)):
                failures |= dict.fromkeys(symbols[position:], error)
                ended_by = error
                break
            is_shaken = isinstance(error, Transient)
    if failures and not answers:
        raise ended_by or next(iter(failures.values()))
    return answers, failures
