"""Frames of a finished backtest, as the tables of the backtests room want them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from gnosis.backtest.ledger import UNIT
from gnosis.backtest.market import Market
from gnosis.backtest.simulation import Events
from gnosis.tables import TABLES


@dataclass(frozen=True)
class Result:
    """A backtest.

    Attributes
    ----------
    run_key
        Hash of data, configuration and engine version: equal keys mean equal results.
    runs, fills, equity, metrics
        Rows of ``backtests.runs``, ``backtests.fills``, ``backtests.equity`` and ``backtests.metrics``.
    buy_and_hold_equity
        Equity rows of buy-and-hold of the same universe, from the same session, at the same costs.
    actions
        Corporate actions that met a position or an order: ``session``, ``symbol``, ``kind`` (split, dividend,
        delisting), ``per_share`` (ratio for a split, $ otherwise) and ``amount_usd`` (signed; 0 for a split).
    """

    run_key: str
    runs: pl.DataFrame
    fills: pl.DataFrame
    equity: pl.DataFrame
    metrics: pl.DataFrame
    buy_and_hold_equity: pl.DataFrame
    actions: pl.DataFrame


def origin_by_session(market: Market, targets: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return known_at, provider and synthetic of everything used up to each session.

    A row of the ledger rests on all bars and targets before it, so these only ever grow; later rows change nothing.
    """
    columns = ["session", "known_at", "provider", "synthetic"]
    rows = market.bars.select(columns)
    if set(columns) <= set(targets.columns):
        rows = pl.concat([rows, targets.select(columns)])
    calendar = market.calendar.with_row_index("number")
    daily = (
        calendar.join(
            rows.group_by("session").agg(
                pl.col("known_at").max(),
                pl.col("provider").str.split("+").explode().unique(),
                pl.col("synthetic").any(),
            ),
            on="session",
            how="left",
        )
        .sort("session")
        .with_columns(
            known_at=pl.max_horizontal("known_at", "close_at").cum_max(),
            synthetic=pl.col("synthetic").fill_null(False).cum_max(),
        )
    )
    seen: set[str] = set()
    providers = []
    for names in daily["provider"].to_list():
        seen |= set(names or ())
        providers.append("+".join(sorted(seen)))
    return (
        daily.with_columns(provider=pl.Series(providers, dtype=pl.String))
        .filter(pl.col("number") >= first)
        .select(pl.col("number").cast(pl.Int64), *columns, "open_at")
    )


def equity_frame(run_key: str, events: Events, origin: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``backtests.equity``."""
    schema = TABLES["backtests.equity"].polars_schema
    closes = events.closes
    units = pl.DataFrame(
        {
            "number": [close.session for close in closes],
            "cash_usd": [close.cash / UNIT for close in closes],
            "positions_usd": [close.positions / UNIT for close in closes],
            "equity_usd": [(close.cash + close.positions) / UNIT for close in closes],
            "fees_usd": [close.record.fees / UNIT for close in closes],
            "borrow_usd": [close.record.borrow / UNIT for close in closes],
            "interest_usd": [close.record.interest / UNIT for close in closes],
            "slippage_usd": [close.slippage / UNIT for close in closes],
            "dividends_usd": [close.record.dividends / UNIT for close in closes],
            "gross_exposure_usd": [close.gross / UNIT for close in closes],
            "n_stale": [close.n_stale for close in closes],
        }
    )
    return (
        units.join(origin, on="number", how="left", maintain_order="left")
        .with_columns(run_key=pl.lit(run_key), drawdown=pl.col("equity_usd") / pl.col("equity_usd").cum_max() - 1)
        .select(list(schema))
        .cast(schema)
    )


def fills_frame(run_key: str, events: Events, origin: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``backtests.fills``."""
    schema = TABLES["backtests.fills"].polars_schema
    fills = events.fills
    rows = pl.DataFrame(
        {
            "fill_number": range(len(fills)),
            "number": [fill.session for fill in fills],
            "signal_number": [fill.signal for fill in fills],
            "symbol": [fill.symbol for fill in fills],
            "quantity_shares": [fill.quantity / UNIT for fill in fills],
            "reference_price": [fill.reference / UNIT for fill in fills],
            "fill_price": [fill.price / UNIT for fill in fills],
            "slippage_usd": [(fill.price - fill.reference) * fill.quantity / UNIT**2 for fill in fills],
            "fee_usd": [fill.fee / UNIT for fill in fills],
        },
        schema_overrides={"number": pl.Int64, "signal_number": pl.Int64, "symbol": pl.String},
    )
    signals = origin.select(signal_number="number", signal_session="session")
    return (
        rows.join(origin, on="number", how="left", maintain_order="left")
        .join(signals, on="signal_number", how="left", maintain_order="left")
        .with_columns(run_key=pl.lit(run_key), ts="open_at")
        .select(list(schema))
        .cast(schema)
    )


def actions_frame(events: Events, origin: pl.DataFrame) -> pl.DataFrame:
    """Return the corporate actions of the run, in the order in which they were booked."""
    schema = {
        "number": pl.Int64,
        "symbol": pl.String,
        "kind": pl.String,
        "per_share": pl.Float64,
        "amount_usd": pl.Float64,
    }
    rows = pl.DataFrame(events.actions, schema=schema, orient="row")
    return rows.join(origin, on="number", how="left", maintain_order="left").select("session", *list(schema)[1:])
