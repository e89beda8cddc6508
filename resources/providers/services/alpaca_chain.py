"""The option chain of Alpaca: snapshots, contracts and minute bars of the underlying made into one table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import polars as pl

from gnosis.symbols import contract_fields, root_terms
from resources.providers.live.errors import SchemaDrift
from resources.providers.live.known import INSTANT
from resources.providers.rejections import NO_VALUE, rejected_rows
from resources.providers.services.alpaca_rows import (
    DAY,
    NAME,
    NUMBER,
    TEXT,
    Parts,
    breaking,
    by_symbol,
    new_york_date,
    parted,
    typed_rows,
)

UNREADABLE = "contract|readable"
OTHER_CHAIN = "contract|of_this_chain"
NO_SPOT = "spot|nullability"
SHARES_PER_CONTRACT = 100.0
OLDEST_SPOT = dt.timedelta(minutes=15)
QUOTE = {"t": INSTANT, "bp": NUMBER, "bs": NUMBER, "ap": NUMBER, "as": NUMBER}


def quotes(snapshots: Any, symbol: str, received_at: dt.datetime, expected: str) -> Parts:
    """Return one row per contract on ``symbol`` that has a quote, and the rejected rows.

    ``session`` is that of the quote: each contract carries its own instant, and one that nobody quoted today still
    shows its last quote of an earlier session. ``volume`` is that of the daily bar of the same session, else null.
    Contracts of another root (adjusted ones such as ``XOM2``) are set aside: what they deliver is not known.
    """
    rows, day = _flat(snapshots, expected), pl.lit(received_at).cast(INSTANT)
    unquoted = pl.DataFrame([{"contract": row["contract"]} for row in rows if "t" not in row], {"contract": TEXT})
    unquoted = unquoted.with_columns(day=day.dt.date())
    fields = {"contract": TEXT, **QUOTE, "day_t": INSTANT, "day_v": NUMBER}
    table = typed_rows((row for row in rows if "t" in row), fields, expected, frozenset({"day_t", "day_v"}))
    terms = root_terms("root").struct
    table = (
        table.with_columns(contract_fields("contract").alias("parts"), session=new_york_date("t"))
        .with_columns(pl.col("parts").struct.field("root", "expiry", "right", "strike"))
        .drop("parts")
        .with_columns(settlement=terms["settlement"], style=terms["style"], chain=terms["chain"])
    )
    table = table.with_columns(
        breaking(pl.col("root").is_null(), UNREADABLE), day=pl.col("session").fill_null(received_at.date())
    )
    table = table.with_columns(breaking(pl.col("chain") != symbol, OTHER_CHAIN))
    good, rejected = parted(table, "day")
    volume = pl.when(new_york_date("day_t") == pl.col("session")).then("day_v")
    none = rejected_rows(unquoted, date="day", rule=NO_VALUE, provider=NAME)
    return good.with_columns(volume=volume), pl.concat([rejected, none])


def with_open_interest(rows: pl.DataFrame, contracts: Iterable[Any], expected: str) -> pl.DataFrame:
    """Add ``open_interest`` and ``oi_session`` as the list of contracts dates it.

    A contract that is not in the list has null. So has one whose open interest is of the session of the quote or of a
    later one: it was published after the quote.
    """
    fields = {"symbol": TEXT, "open_interest": TEXT, "open_interest_date": DAY}
    listed = typed_rows(contracts, fields, expected, frozenset({"open_interest", "open_interest_date"}))
    number = listed["open_interest"].cast(pl.Float64, strict=False)
    if unread := listed.filter(number.is_null() & listed["open_interest"].is_not_null())["open_interest"].to_list():
        advice = "the answer has a new form: look at the archived bytes and report it"
        raise SchemaDrift(NAME, f"{expected}: open_interest as a number in quotes", repr(unread[0])[:60], advice)
    listed = listed.select(
        contract="symbol", open_interest=number, oi_session="open_interest_date"
    ).unique("contract", keep="first", maintain_order=True)  # fmt: skip
    was_known = pl.col("oi_session") < pl.col("session")
    return rows.join(listed, on="contract", how="left", maintain_order="left").with_columns(
        pl.when(was_known, pl.col("open_interest").is_not_null()).then(name).alias(name)
        for name in ("open_interest", "oi_session")
    )


def with_spot(rows: pl.DataFrame, bars: Any, expected: str) -> Parts:
    """Add ``spot``: the close of the last minute of the same session that had ended by the quote; and rejected rows.

    Quotes without a trade in the 15 minutes before them have no spot and are rejected.
    """
    fields = {"S": TEXT, "t": INSTANT, "c": NUMBER}
    minutes, _ = parted(typed_rows(by_symbol(bars, expected), fields, expected).with_columns(day=None), "day")
    prices = minutes.select(
        ended_at=pl.col("t") + pl.duration(minutes=1), session=new_york_date("t"), spot="c"
    ).sort("ended_at")  # fmt: skip
    priced = rows.sort("t", maintain_order=True).join_asof(
        prices,
        left_on="t",
        right_on="ended_at",
        by="session",
        strategy="backward",
        tolerance=OLDEST_SPOT,
        check_sortedness=False,
    )
    priced = priced.drop("ended_at").with_columns(
        rule=pl.when(pl.col("spot").is_null()).then(pl.lit(NO_SPOT))
    )  # fmt: skip
    return parted(priced, "session")


def option_quotes(rows: pl.DataFrame, received_at: dt.datetime) -> pl.DataFrame:
    """Return rows with the columns of ``raw.option_quotes``; they were known when they were received."""
    return rows.select(
        "session",
        "expiry",
        "settlement",
        "right",
        "strike",
        "root",
        "volume",
        "open_interest",
        "oi_session",
        "style",
        "spot",
        symbol="chain",
        ts="t",
        bid="bp",
        ask="ap",
        bid_size="bs",
        ask_size="as",
        multiplier=pl.lit(SHARES_PER_CONTRACT),
        deliverable_shares=pl.lit(None, dtype=pl.Float64),
        known_at=pl.lit(received_at).cast(INSTANT),
    )


def _flat(snapshots: Any, expected: str) -> list[dict[str, Any]]:
    if not isinstance(snapshots, dict) or not all(isinstance(row, dict) for row in snapshots.values()):
        advice = "the answer has a new form: look at the archived bytes and report it"
        raise SchemaDrift(NAME, f"{expected}: snapshots by contract", repr(snapshots)[:60], advice)
    rows = []
    for contract, snapshot in snapshots.items():
        day, quote = snapshot.get("dailyBar") or {}, snapshot.get("latestQuote") or {}
        rows.append({"contract": contract, "day_t": day.get("t"), "day_v": day.get("v"), **quote})
    return rows
