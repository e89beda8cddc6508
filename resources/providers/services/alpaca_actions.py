"""Splits and cash dividends of Alpaca.

The service gives no day of announcement, so an action is known from the open of its ex-date on. It asks for the day on
which it processes an action, and for the current day alone when no interval is given.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from resources.providers.live.service import Ask
from resources.providers.rejections import NOT_A_SESSION, is_session
from resources.providers.services.alpaca_client import AlpacaClient
from resources.providers.services.alpaca_rows import (
    DAY,
    NUMBER,
    TEXT,
    Parts,
    breaking,
    by_symbol,
    parted,
    typed_rows,
    with_hours,
)
from resources.providers.services.alpaca_symbols import AskedSymbols
from resources.providers.services.ex_dates import one_ratio

NO_RATIO = "ratio|min_exclusive"
PROCESSED_BEFORE, PROCESSED_AFTER = dt.timedelta(days=14), dt.timedelta(days=190)
"""How far the day on which Alpaca processes an action, by which it is asked for, can lie from the ex-date: cash is paid
weeks after it, a split with due bills processed a little before it."""


def splits(client: AlpacaClient, ask: Ask, names: AskedSymbols) -> Parts:
    """Return forward and reverse splits with their ratio, new shares per old one; and rejected rows."""
    kinds = ("forward_split", "reverse_split")
    rows, rejected = _actions(client, ask, names, kinds, {"new_rate": NUMBER, "old_rate": NUMBER})
    no_ratio = (pl.col("new_rate") <= 0) | (pl.col("old_rate") <= 0)
    rows, senseless = parted(rows.with_columns(rule=pl.when(no_ratio).then(pl.lit(NO_RATIO))), "day")
    ratios = rows.with_columns(ratio=pl.col("new_rate") / pl.col("old_rate"))
    return one_ratio(ratios, "session", "ex_date", "known_at"), pl.concat([rejected, senseless])


def dividends(client: AlpacaClient, ask: Ask, names: AskedSymbols) -> Parts:
    """Return cash dividends, one row per share and ex-date; and rejected rows."""
    rows, rejected = _actions(client, ask, names, ("cash_dividend",), {"rate": NUMBER})
    # A regular and a special dividend of one day are one drop of the price, and one row.
    keys = ["session", "symbol", "ex_date", "known_at"]
    return rows.group_by(keys, maintain_order=True).agg(amount_usd=pl.col("rate").sum()), rejected


def _actions(
    client: AlpacaClient,
    ask: Ask,
    names: AskedSymbols,
    kinds: tuple[str, ...],
    fields: dict[str, pl.DataType],
) -> Parts:
    first, last = ask.sessions[0] - PROCESSED_BEFORE, ask.sessions[-1] + PROCESSED_AFTER
    answer = names.asked(lambda symbols: client.corporate_actions(symbols, kinds, first, last))
    fields = {"id": TEXT, "symbol": TEXT, "ex_date": DAY, **fields}
    rows = typed_rows(by_symbol(answer, client.expected), fields, client.expected)
    rows = rows.unique("id", keep="first", maintain_order=True).with_columns(
        session=pl.col("ex_date"), day=pl.col("ex_date").fill_null(ask.sessions[-1])
    )
    rows = rows.filter(pl.col("day").is_between(ask.sessions[0], ask.sessions[-1]))
    good, rejected = parted(rows.with_columns(breaking(~is_session("session"), NOT_A_SESSION)), "day")
    good = with_hours(good).with_columns(symbol=names.canonical("symbol"), known_at="open_at")
    return good, rejected
