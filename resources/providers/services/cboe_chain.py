"""One delayed chain of Cboe as rows of ``raw.option_quotes``.

The document has two clocks. ``timestamp`` is the UTC instant at which the file was made; ``data.last_trade_time`` is a
wall clock of New York without a zone and says how old the quotes are. Only the second may be the quote instant. If it
lies after the first, or after the receipt, the zones are no longer what they were, and nothing is taken.

What the document does not say is settled by the rules of the downloaded files
(:mod:`resources.providers.files.quotedata`): the session is the latest one that had opened by the market's time, ``ts``
is at the latest its close, and the open interest is that of the session before if the chain was received on the day of
its session, otherwise not known. After the close the price of the underlying is its ``close``: it may move on.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl

from gnosis.sessions import NEW_YORK, UTC, schedule, shift_session
from gnosis.symbols import contract_fields, root_terms
from resources.providers.live.errors import EmptyResult, SchemaDrift
from resources.providers.live.typed_columns import READABLE, typed_columns
from resources.providers.protocol import conform
from resources.providers.rejections import rejected_rows

NUMBERS = ("bid", "ask", "volume", "open_interest")
SIZES = ("bid_size", "ask_size")
OTHER_CHAIN = "option|other_chain"
MULTIPLIER = 100.0
_ADVICE = "the answer has a new form: look at the archived bytes and report it"


def chain_rows(
    document: Any, chain: str, received_at: dt.datetime, provider: str
) -> tuple[dt.date, pl.DataFrame, pl.DataFrame]:
    """Return the session of a chain, its rows and the rejected rows.

    Parameters
    ----------
    document
        The JSON as Cboe sends it.
    chain
        Symbol under which the contracts are kept: ``SPX`` holds the roots SPX and SPXW. Contracts of another chain,
        such as those adjusted after a corporate action, are set aside: what they deliver is not in the document.
    received_at
        Instant of the receipt: ``known_at``.
    provider
        Name of the service.

    Raises
    ------
    SchemaDrift
        When a field is missing or mistyped, or the clocks contradict each other.
    EmptyResult
        When there are no contracts, or no price or time of the underlying.

    Examples
    --------
    >>> option = {"option": "AAA261218C00100000", "bid": 1.4, "ask": 1.6, "volume": 10.0, "open_interest": 1500.0}
    >>> header = {"current_price": 100.0, "last_trade_time": "2026-11-20T15:00:12", "options": [option]}
    >>> session, rows, _ = chain_rows({"timestamp": "2026-11-20 20:15:40", "data": header}, "AAA",
    ...     dt.datetime(2026, 11, 20, 20, 16, tzinfo=dt.UTC), "cboe")
    >>> session.isoformat(), rows["ts"].item().isoformat(), rows["oi_session"].item().isoformat()
    ('2026-11-20', '2026-11-20T20:00:12+00:00', '2026-11-19')
    """
    expected = f"the chain of {chain}"
    header, options = _parts(document, expected, provider)
    ts, session, is_after = _quoted_at(document, header, expected, received_at, provider)
    spot = spot_of(header, expected, provider, at_close=is_after)
    rows = pl.DataFrame(options, infer_schema_length=None)
    if "option" not in rows.columns or rows.schema["option"] != pl.String:
        raise SchemaDrift(provider, f"contract names in the field option of {expected}", "none", _ADVICE)
    # Sizes are not in every document that has been seen; without them they are not known.
    sizes = [name for name in SIZES if name in rows.columns]
    typed, rule = typed_columns(rows, provider, numbers=(*NUMBERS, *sizes))
    contracts = typed.with_columns(contract_fields("option").struct.unnest()).with_columns(
        root_terms("root").struct.field("chain", "settlement", "style")
    )
    judged = contracts.with_columns(
        rule=pl.when(pl.col("root").is_null())
        .then(pl.lit(f"option|{READABLE}"))
        .when(pl.col("chain") != chain)
        .then(pl.lit(OTHER_CHAIN))
        .otherwise(rule)
    )
    is_good = judged["rule"].is_null()
    as_found = rows.filter(~is_good).with_columns(session=pl.lit(session))
    rejected = rejected_rows(as_found, date="session", rule=judged.filter(~is_good)["rule"], provider=provider)
    # Later the service may or may not have moved on to the next open interest.
    is_of_the_day = received_at.astimezone(NEW_YORK).date() == session
    frame = judged.filter(is_good).with_columns(
        *(pl.lit(None, dtype=pl.Float64).alias(name) for name in SIZES if name not in sizes),
        session=pl.lit(session),
        symbol=pl.lit(chain),
        ts=pl.lit(ts),
        known_at=pl.lit(received_at),
        open_interest=pl.col("open_interest") if is_of_the_day else pl.lit(None, dtype=pl.Float64),
        oi_session=pl.lit(shift_session(session, -1) if is_of_the_day else None, dtype=pl.Date),
        multiplier=pl.lit(MULTIPLIER),
        deliverable_shares=pl.lit(None, dtype=pl.Float64),
        spot=pl.lit(spot),
        provider=pl.lit(provider),
        synthetic=pl.lit(False),
    )
    return session, conform(frame, "raw.option_quotes"), rejected


def spot_of(header: dict[str, Any], expected: str, provider: str, *, at_close: bool) -> float:
    """Return the price of the underlying: ``current_price``, else ``close``, else the middle of its quote.

    Zero and nothing mean that a price is not known. With ``at_close``, for quotes of the close in a document of later,
    only ``close`` is the price at their instant.

    Raises
    ------
    SchemaDrift
        When a price is not a number.
    EmptyResult
        When none is known.

    Examples
    --------
    >>> spot_of({"current_price": 0.0, "close": None, "bid": 99.0, "ask": 101.0}, "the chain of AAA", "cboe",
    ...     at_close=False)
    100.0
    """
    prices: dict[str, float] = {}
    for name in ("current_price", "close", "bid", "ask"):
        value = header.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise SchemaDrift(provider, f"a number in data.{name} of {expected}", repr(value)[:40], _ADVICE)
        if value > 0:
            prices[name] = float(value)
    if "bid" in prices and "ask" in prices:
        prices["mid"] = (prices["bid"] + prices["ask"]) / 2
    for name in ("close",) if at_close else ("current_price", "close", "mid"):
        if name in prices:
            return prices[name]
    raise EmptyResult(provider, f"a price of the underlying in {expected}", "none", "asked again later")


def market_time(header: dict[str, Any], expected: str, provider: str) -> dt.datetime:
    """Return ``last_trade_time``, a wall clock of New York, as an instant (UTC).

    Raises
    ------
    SchemaDrift
        When it is no such time.
    EmptyResult
        When there is none: the underlying has not traded.

    Examples
    --------
    >>> market_time({"last_trade_time": "2026-07-31T16:14:59"}, "the chain of AAA", "cboe").isoformat()
    '2026-07-31T20:14:59+00:00'
    """
    if "last_trade_time" in header and header["last_trade_time"] is None:
        raise EmptyResult(provider, f"the time of the last trade in {expected}", "none", "asked again later")
    wall = _moment(header, "last_trade_time", f"data.last_trade_time of {expected}", provider)
    return wall.replace(tzinfo=NEW_YORK).astimezone(UTC)


def _parts(document: Any, expected: str, provider: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    header = document.get("data") if isinstance(document, dict) else None
    if not isinstance(header, dict):
        raise SchemaDrift(provider, f"an object data in {expected}", repr(document)[:60], _ADVICE)
    options = header.get("options")
    if not isinstance(options, list) or not all(isinstance(option, dict) for option in options):
        raise SchemaDrift(provider, f"a list data.options in {expected}", repr(options)[:60], _ADVICE)
    if not options:
        raise EmptyResult(provider, expected, "no contracts", "it may have no options; another service is asked")
    return header, options


def _quoted_at(
    document: dict[str, Any], header: dict[str, Any], expected: str, received_at: dt.datetime, provider: str
) -> tuple[dt.datetime, dt.date, bool]:
    """Return the quote instant, its session, and whether the document is of after its close."""
    market_at = market_time(header, expected, provider)
    made_at = _moment(document, "timestamp", f"timestamp of {expected}", provider).replace(tzinfo=UTC)
    if market_at > min(made_at, received_at):
        wanted = f"last_trade_time (New York) before timestamp (UTC, {made_at}) and receipt ({received_at})"
        advice = "the zones have changed: no quote is taken until they are known; report it"
        raise SchemaDrift(provider, f"{wanted} in {expected}", str(market_at), advice)
    opened = schedule().filter(pl.col("open_at") <= market_at).row(-1, named=True)
    return min(market_at, opened["close_at"]), opened["session"], market_at > opened["close_at"]


def _moment(holder: dict[str, Any], name: str, what: str, provider: str) -> dt.datetime:
    text = holder.get(name)
    try:
        moment = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise SchemaDrift(provider, f"a time without a zone in {what}", repr(text)[:40], _ADVICE)
    return moment
