"""Yahoo's chart: daily bars, levels, dividends and splits from one answer.

Yahoo divides the prices, and the dividends, by every split that came later, and multiplies the volumes. To bring them
back, the splits up to the day of the answer must be known, so the range asked for always reaches to now.

Prices come from the frame of yfinance; the splits and dividends from the answer itself, because the frame moves an
event of a day without a bar to the bar before, and does not say in which currency a dividend is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl

from gnosis.corporate_actions import as_traded
from gnosis.sessions import NEW_YORK, schedule
from resources.providers.live.errors import EmptyResult, NotFound
from resources.providers.live.known import at_close, at_level_close
from resources.providers.rejections import NO_VALUE, NOT_A_SESSION, is_session, rejected_rows
from resources.providers.services.ex_dates import one_ratio
from resources.providers.services.yahoo_client import SERVICE, YahooClient, drift

if TYPE_CHECKING:
    from collections.abc import Sequence

QUOTES_DELAYED = dt.timedelta(minutes=15)
"""Delay of prices at some exchanges: a bar is whole this long after the close."""

PRICES = ("open", "high", "low", "close")
SPLIT: dict[str, type[pl.DataType]] = {"numerator": pl.Float64, "denominator": pl.Float64}
DIVIDEND: dict[str, type[pl.DataType]] = {"amount": pl.Float64, "currency": pl.String}
INDEX = ("INDEX",)
SHARES = ("EQUITY", "ETF")
PRICE_MISSING = "price|missing"
NOT_DOLLARS = "currency|not_usd"


@dataclass(frozen=True)
class Chart:
    """One answer in Yahoo's own units: ``session``, ``symbol``, prices and ``volume``; the events with ``ex_date``."""

    bars: pl.DataFrame
    splits: pl.DataFrame
    dividends: pl.DataFrame


def ask_chart(client: YahooClient, table: str, symbol: str, written: str, first: dt.date, expected: str) -> Chart:
    """Return the chart of ``symbol``, which Yahoo writes ``written``, from ``first`` until now.

    Raises
    ------
    NotFound
        When what Yahoo has under this name is no share in dollars (for levels: no index).
    SchemaDrift
        When a field is missing or has another type; names it.
    """
    tomorrow = client.access.clock().astimezone(NEW_YORK).date() + dt.timedelta(days=1)
    span = {"start": first.isoformat(), "end": tomorrow.isoformat(), "interval": "1d"}
    frame, document = client.ask(
        written,
        expected,
        lambda ticker: (ticker.history(**span, auto_adjust=False, keepna=True), client.document()),
    )
    result = document["chart"]["result"][0]
    meta = result["meta"]
    kinds = INDEX if table == "raw.index_levels" else SHARES
    if table != "raw.index_levels" and meta["currency"] != "USD":
        raise NotFound(SERVICE, f"{expected} in USD", f"prices in {meta['currency']}", "take a listing in the US")
    if meta["instrumentType"] not in kinds:
        advice = "another instrument has this name at Yahoo: correct the symbol"
        raise NotFound(SERVICE, f"{expected}, {' or '.join(kinds)}", str(meta["instrumentType"]), advice)
    zone = ZoneInfo(meta["exchangeTimezoneName"])
    splits = _events(result, "splits", SPLIT, symbol, zone)
    dividends = _events(result, "dividends", DIVIDEND, symbol, zone)
    return Chart(
        _bars(frame, symbol),
        one_ratio(splits.select("symbol", "ex_date", ratio=pl.col("numerator") / pl.col("denominator")), "ex_date"),
        dividends.group_by("symbol", "ex_date", "currency", maintain_order=True).agg(pl.col("amount").sum()),
    )


def bars_of(
    chart: Chart, table: str, sessions: Sequence[dt.date], now: dt.datetime, expected: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the finished bars of ``sessions`` as traded with ``ts`` and ``known_at``, and the rows set aside.

    Raises
    ------
    EmptyResult
        When none is left.
    """
    wanted = chart.bars.filter(pl.col("session").is_between(sessions[0], sessions[-1]))
    is_strange = ~is_session("session")
    strange = rejected_rows(wanted.filter(is_strange), date="session", rule=NOT_A_SESSION, provider=SERVICE)
    timed = at_level_close if table == "raw.index_levels" else at_close
    finished = timed(wanted.filter(~is_strange, pl.col("session").is_in(sessions))).filter(
        pl.col("ts") + QUOTES_DELAYED <= now
    )
    needed = ("close",) if table == "raw.index_levels" else PRICES
    is_bare = pl.all_horizontal(pl.col(PRICES).is_null())
    is_partial = ~is_bare & pl.any_horizontal(pl.col(needed).is_null())
    found = [
        rejected_rows(
            finished.filter(condition).select("session", "symbol", *PRICES, "volume"),
            date="session",
            rule=rule,
            provider=SERVICE,
        )
        for condition, rule in ((is_bare, NO_VALUE), (is_partial, PRICE_MISSING))
    ]
    rows = finished.filter(~is_bare & ~is_partial)
    if rows.is_empty():
        raise EmptyResult(SERVICE, expected, "no finished bar of these sessions", "asked again after the close")
    # yfinance writes 0 for a missing volume, and a session with prices had trades.
    volume = pl.when(pl.col("volume") > 0).then(pl.col("volume"))
    return as_traded(rows.with_columns(volume=volume), chart.splits), pl.concat([strange, *found])


def splits_of(chart: Chart, sessions: Sequence[dt.date], now: dt.datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the splits with an ex-date in ``sessions``, and those whose ex-date is no session."""
    return _known(chart.splits, sessions, now)


def dividends_of(chart: Chart, sessions: Sequence[dt.date], now: dt.datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the dividends per share as traded on the ex-date, and the rows set aside."""
    priced = chart.dividends.select("symbol", "ex_date", "currency", session="ex_date", close="amount")
    paid = as_traded(priced, chart.splits).select("symbol", "ex_date", "currency", amount_usd="close")
    rows, rejected = _known(paid, sessions, now)
    is_foreign = pl.col("currency").is_not_null() & ~pl.col("currency").is_in(["", "USD"])
    foreign = rejected_rows(rows.filter(is_foreign), date="ex_date", rule=NOT_DOLLARS, provider=SERVICE)
    return rows.filter(~is_foreign), pl.concat([rejected, foreign])


def _known(events: pl.DataFrame, sessions: Sequence[dt.date], now: dt.datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return events under the session of their ex-date, known when it opens: Yahoo does not say when announced."""
    wanted = events.filter(pl.col("ex_date").is_between(sessions[0], sessions[-1]))
    is_strange = ~is_session("ex_date")
    rejected = rejected_rows(wanted.filter(is_strange), date="ex_date", rule=NOT_A_SESSION, provider=SERVICE)
    opens = schedule().select(ex_date="session", known_at="open_at")
    rows = (
        wanted.filter(~is_strange, pl.col("ex_date").is_in(sessions))
        .join(opens, on="ex_date", how="left", maintain_order="left")
        .filter(pl.col("known_at") <= now)
    )
    return rows.with_columns(session="ex_date"), rejected


def _bars(frame: Any, symbol: str) -> pl.DataFrame:
    columns = {name: frame[name.capitalize()].to_numpy() for name in (*PRICES, "volume")}
    days = frame.index.tz_localize(None).as_unit("us").to_numpy()
    return pl.DataFrame({"session": days, **columns}).select(
        pl.col("session").cast(pl.Date),
        pl.lit(symbol).alias("symbol"),
        *(pl.col(name).cast(pl.Float64).fill_nan(None) for name in columns),
    )


def _events(
    result: dict[str, Any], kind: str, fields: dict[str, type[pl.DataType]], symbol: str, zone: ZoneInfo
) -> pl.DataFrame:
    events = list(result.get("events", {}).get(kind, {}).values())
    numbers = [name for name, dtype in fields.items() if dtype == pl.Float64]
    for event in events:
        for name in ("date", *numbers):
            if isinstance(event.get(name), bool) or not isinstance(event.get(name), int | float):
                raise drift(f"a number in chart.result.events.{kind}.{name}", repr(event.get(name)))
    instant = pl.from_epoch("date", time_unit="s").dt.replace_time_zone("UTC").dt.convert_time_zone(zone.key)
    table = pl.DataFrame(events, schema={"date": pl.Int64, **fields})
    return table.select(pl.lit(symbol).alias("symbol"), instant.dt.date().alias("ex_date"), *fields).sort("ex_date")


NO_CHART = Chart(
    pl.DataFrame(schema={"session": pl.Date, "symbol": pl.String} | dict.fromkeys((*PRICES, "volume"), pl.Float64)),
    pl.DataFrame(schema={"symbol": pl.String, "ex_date": pl.Date, "ratio": pl.Float64}),
    pl.DataFrame(schema={"symbol": pl.String, "ex_date": pl.Date, **DIVIDEND}),
)
"""The chart of a symbol of which Yahoo has nothing in the range."""
