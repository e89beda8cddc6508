"""Whether a stored quote fills a leg, and at what price: buys at the ask, sells at the bid."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from gnosis.backtest.options.configuration import OptionsConfiguration
from gnosis.backtest.options.contracts import is_adjusted

Rejection = Literal[
    "adjusted", "not_trading", "no_quote", "stale", "crossed", "one_sided", "zero_bid", "size_unknown", "size"
]


@dataclass(frozen=True, slots=True)
class QuoteFill:
    """A leg filled from a quote; prices in $ per share.

    Attributes
    ----------
    price, reference
        Paid or received, and the mid of the quote.
    row_id, side, at, size
        The quote row (contract and instant), side taken, instant and displayed size (None where unknown).
    """

    price: float
    reference: float
    row_id: str
    side: Literal["bid", "ask"]
    at: dt.datetime
    size: float | None


def quote_row_id(contract: str, at: dt.datetime) -> str:
    """Return the identity of a stored quote.

    Examples
    --------
    >>> quote_row_id("SPXW190517C02900000", dt.datetime(2019, 5, 1, 19, 45, tzinfo=dt.UTC))
    'SPXW190517C02900000@2019-05-01T19:45:00+00:00'
    """
    return f"{contract}@{at.isoformat()}"


def is_two_sided(quote: dict[str, Any]) -> bool:
    """Return whether a quote has an ask and is not crossed; a bid of zero is none to sell at, but a side all the same.

    Examples
    --------
    >>> [is_two_sided({"bid": bid, "ask": ask}) for bid, ask in ((0.0, 0.05), (1.0, 1.0), (1.1, 1.0), (1.0, 0.0))]
    [True, True, False, False]
    """
    bid, ask = quote["bid"], quote["ask"]
    return bid is not None and ask is not None and ask > 0 and ask >= bid


def oldest_usable(chain_at: dt.datetime, configuration: OptionsConfiguration) -> dt.datetime:
    """Return the instant before which a quote of a chain whose latest quote is of ``chain_at`` is stale."""
    return chain_at - dt.timedelta(seconds=configuration.max_quote_age_seconds)


def largest_quantity(
    quote: dict[str, Any], side: Literal["bid", "ask"], taken: int, configuration: OptionsConfiguration
) -> int | None:
    """Return how many contracts a quote can still fill after ``taken``; None where no size is known nor assumed."""
    size = quote[f"{side}_size"]
    if size is None:
        allowed = configuration.size_unknown_contracts
        return None if allowed is None else max(allowed - taken, 0)
    return max(int(size * configuration.size_multiple) - taken, 0)


def fill_from_quote(
    quote: dict[str, Any],
    quantity: int,
    taken: int,
    eligible_at: dt.datetime,
    chain_at: dt.datetime,
    configuration: OptionsConfiguration,
) -> QuoteFill | Rejection:
    """Return the fill of a leg from a quote, or why the quote does not fill it.

    Parameters
    ----------
    quote
        Row of ``raw.option_quotes`` with its ``contract``.
    quantity
        Signed contracts; positive buys.
    taken
        Contracts that earlier fills took from this side of this quote.
    eligible_at
        Earliest instant of a quote that can fill, latency included.
    chain_at
        Instant of the latest quote of the chain.
    configuration
        Improvement, size and age limits.

    Notes
    -----
    A quote without an ask is rejected for sales as well: it has no mid to measure slippage against or to mark at.

    Examples
    --------
    >>> at = dt.datetime(2019, 5, 1, 19, 45, tzinfo=dt.UTC)
    >>> quote = {"contract": "SPXW190517C02900000", "root": "SPXW", "multiplier": 100.0, "deliverable_shares": None,
    ...          "ts": at, "bid": 3.0, "ask": 3.4, "bid_size": 5.0, "ask_size": 2.0}
    >>> assumed = OptionsConfiguration(improvement=0.25)
    >>> fill_from_quote(quote, 2, 0, at, at, assumed).price, fill_from_quote(quote, 3, 0, at, at, assumed)
    (3.3, 'size')
    """
    side: Literal["bid", "ask"] = "ask" if quantity > 0 else "bid"
    if is_adjusted(quote):
        return "adjusted"
    if quote["ts"] < max(eligible_at, oldest_usable(chain_at, configuration)):
        return "stale"
    bid, ask = quote["bid"], quote["ask"]
    if bid is None or ask is None or ask == 0:
        return "one_sided"
    if ask < bid:
        return "crossed"
    if side == "bid" and bid == 0:
        return "zero_bid"
    largest = largest_quantity(quote, side, taken, configuration)
    if largest is None:
        return "size_unknown"
    if abs(quantity) > largest:
        return "size"
    won = configuration.improvement * (ask - bid)
    return QuoteFill(
        price=ask - won if side == "ask" else bid + won,
        reference=(bid + ask) / 2,
        row_id=quote_row_id(quote["contract"], quote["ts"]),
        side=side,
        at=quote["ts"],
        size=quote[f"{side}_size"],
    )
