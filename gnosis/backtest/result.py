"""Frames of a finished backtest, as the tables of the backtests room want them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from gnosis.backtest.ledger import UNIT
from gnosis.backtest.live_orders import LiveOrder
from gnosis.backtest.market import Market
from gnosis.backtest.simulation import Events
from gnosis.tables import TABLES
from gnosis.tables.backtests import BENCHMARK_COLUMNS


@dataclass(frozen=True)
class Result:
    """A backtest.

    Attributes
    ----------
    run_key
        Hash of data, configuration and engine version: equal keys mean equal results.
    runs, orders, fills, trades, equity, metrics
        Rows of the tables of the same name in the room ``backtests``.
    buy_and_hold_equity, buy_and_hold_fills
        Rows of buy-and-hold of the same universe, from the same session, at the same costs.
    actions
        Corporate actions that met a position or an order: ``session``, ``symbol``, ``kind`` (split, dividend,
        delisting), ``per_share`` (ratio for a split, $ otherwise) and ``amount_usd`` (signed; 0 for a split).
    trial_id
        Of the run in the ledger.
    """

    run_key: str
    runs: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    trades: pl.DataFrame
    equity: pl.DataFrame
    metrics: pl.DataFrame
    buy_and_hold_equity: pl.DataFrame
    buy_and_hold_fills: pl.DataFrame
    actions: pl.DataFrame
    trial_id: str


def origin_by_session(market: Market, targets: pl.DataFrame, first: int) -> pl.DataFrame:
    """Return known_at, provider and synthetic of everything used up to each session.

    ``targets`` are the rows with an origin that were used beside the bars; frames without one add nothing.

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
            "receivable_usd": [close.receivable / UNIT for close in closes],
            "payable_usd": [close.payable / UNIT for close in closes],
            "equity_usd": [close.equity / UNIT for close in closes],
            "liquidation_usd": pl.Series([None] * len(closes), dtype=pl.Float64),
            "fees_usd": [close.record.fees / UNIT for close in closes],
            "borrow_usd": [close.record.borrow / UNIT for close in closes],
            "interest_usd": [close.record.interest / UNIT for close in closes],
            "slippage_usd": [close.slippage / UNIT for close in closes],
            "dividends_usd": [close.record.dividends / UNIT for close in closes],
            "gross_exposure_usd": [close.gross / UNIT for close in closes],
            "net_exposure_usd": [close.positions / UNIT for close in closes],
            "margin_usd": pl.Series([None] * len(closes), dtype=pl.Float64),
            "n_stale": [close.n_stale for close in closes],
        }
    )
    return (
        units.join(origin, on="number", how="left", maintain_order="left")
        .with_columns(run_key=pl.lit(run_key), drawdown=pl.col("equity_usd") / pl.col("equity_usd").cum_max() - 1)
        # Benchmarks are put beside a run by whoever makes them.
        .with_columns(pl.lit(None, dtype=schema[name]).alias(name) for name in BENCHMARK_COLUMNS)
        .select(list(schema))
        .cast(schema)
    )


def orders_frame(run_key: str, orders: list[LiveOrder], origin: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``backtests.orders``; a row is known when the order took its last state."""
    schema = TABLES["backtests.orders"].polars_schema
    asked = [order.asked for order in orders]
    rows = pl.DataFrame(
        {
            "order_number": [order.number for order in orders],
            "parent_number": [order.parent for order in orders],
            "session_number": [order.session for order in orders],
            "symbol": [order.symbol for order in orders],
            "kind": [order.kind for order in orders],
            "quantity_shares": [quantity / UNIT for quantity, _, _ in asked],
            "limit_price": [None if limit is None else limit / UNIT for _, limit, _ in asked],
            "stop_price": [None if stop is None else stop / UNIT for _, _, stop in asked],
            "is_day_order": [order.is_day for order in orders],
            "status": [order.status for order in orders],
            "filled_shares": [order.filled / UNIT for order in orders],
            "reason": [order.reason for order in orders],
            "idea_id": [order.idea_id for order in orders],
            "number": [order.changed for order in orders],
        },
        schema_overrides={
            "session_number": pl.Int64, "number": pl.Int64, "symbol": pl.String, "parent_number": pl.Int64,
            "limit_price": pl.Float64, "stop_price": pl.Float64, "reason": pl.String, "idea_id": pl.String,
        },
    )  # fmt: skip
    submitted = origin.select(session_number="number", session="session")
    return (
        rows.join(origin.drop("session"), on="number", how="left", maintain_order="left")
        .join(submitted, on="session_number", how="left", maintain_order="left")
        .with_columns(run_key=pl.lit(run_key))
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
            "order_number": [fill.order.number for fill in fills],
            "number": [fill.session for fill in fills],
            "signal_number": [fill.order.session for fill in fills],
            "symbol": [fill.order.symbol for fill in fills],
            "ts": [fill.at_us for fill in fills],
            "kind": [fill.order.kind for fill in fills],
            "quantity_shares": [fill.quantity / UNIT for fill in fills],
            "reference_price": [fill.reference / UNIT for fill in fills],
            "fill_price": [fill.price / UNIT for fill in fills],
            "slippage_usd": [(fill.price - fill.reference) * fill.quantity / UNIT**2 for fill in fills],
            "spread_cost_usd": [fill.spread * abs(fill.quantity) / UNIT**2 for fill in fills],
            "impact_cost_usd": [fill.impact * abs(fill.quantity) / UNIT**2 for fill in fills],
            "fee_usd": [fill.fee / UNIT for fill in fills],
            "is_ambiguous": [fill.is_ambiguous for fill in fills],
        },
        schema_overrides={"number": pl.Int64, "signal_number": pl.Int64, "ts": pl.Int64, "symbol": pl.String},
    )
    signals = origin.select(signal_number="number", signal_session="session")
    quotes = ("quote_row_id", "quote_side", "quote_at", "quote_size")
    return (
        rows.join(origin, on="number", how="left", maintain_order="left")
        .join(signals, on="signal_number", how="left", maintain_order="left")
        .with_columns(
            *(pl.lit(None, dtype=schema[name]).alias(name) for name in quotes),
            run_key=pl.lit(run_key),
            ts=pl.from_epoch("ts", "us").dt.replace_time_zone("UTC"),
        )
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
