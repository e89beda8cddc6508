"""Frames of a finished options backtest, as the tables of the backtests room want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from gnosis.backtest.ledger import UNIT
from gnosis.backtest.options.account import Account
from gnosis.backtest.options.market import OptionsMarket
from gnosis.backtest.options.trades import round_trips
from gnosis.tables import TABLES

SETTLEMENTS = {
    "session": pl.Date, "contract": pl.String, "event": pl.String, "quantity": pl.Int64, "price_usd": pl.Float64,
    "rule": pl.String, "is_pin_risk": pl.Boolean,
}  # fmt: skip


@dataclass(frozen=True)
class OptionsResult:
    """An options backtest.

    Attributes
    ----------
    run_key
        Hash of data, configuration, orders, code and engine version: equal keys mean equal results.
    title
        Name of the strategy with the improvement over the quotes that its fills assume.
    labels
        What a reader must know, sorted.
    data_sha256
        Hash of all tables read.
    orders, fills, trades, equity
        Rows of the tables of the backtests room. Quantities are contracts, prices $ per share as quoted; money in
        ``_usd`` columns contains the multiplier of ``contracts``. Each leg is an order; settlement events are orders
        and fills of kind ``settlement``.
    metrics
        Rows of ``backtests.metrics`` with the scopes ``dte_by_delta`` and ``greek``.
    settlements
        Expiries, exercises and assignments: ``quantity`` signed as the fill, ``price_usd`` of the underlying, the
        ``rule`` that decided and ``is_pin_risk``.
    contracts
        Terms of every contract traded.
    """

    run_key: str
    title: str
    labels: tuple[str, ...]
    data_sha256: str
    orders: pl.DataFrame
    fills: pl.DataFrame
    trades: pl.DataFrame
    equity: pl.DataFrame
    metrics: pl.DataFrame
    settlements: pl.DataFrame
    contracts: pl.DataFrame


def origin_by_session(market: OptionsMarket) -> pl.DataFrame:
    """Return known_at, provider and synthetic of everything used up to each session; later rows change nothing."""
    rows = []
    known_at, providers, synthetic = None, set[str](), False
    for session in market.sessions:
        origins = market.known[session.day]
        latest = max((session.close_at, *origins["known_at"].to_list()))
        known_at = latest if known_at is None else max(known_at, latest)
        providers |= {name for text in origins["provider"].unique() for name in text.split("+")}
        synthetic = synthetic or bool(origins["synthetic"].any())
        rows.append((session.day, known_at, "+".join(sorted(providers)), synthetic))
    schema: dict[str, Any] = {
        "session": pl.Date,
        "known_at": pl.Datetime("us", "UTC"),
        "provider": pl.String,
        "synthetic": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _frame(name: str, rows: list[dict[str, Any]], run_key: str, origin: pl.DataFrame, session: str) -> pl.DataFrame:
    schema = TABLES[name].polars_schema
    from_origin = {"run_key", "known_at", "provider", "synthetic"}
    own = {column: dtype for column, dtype in schema.items() if column not in from_origin}
    return (
        pl.DataFrame(rows, schema=own)
        .join(origin.rename({"session": session}), on=session, how="left", maintain_order="left")
        .with_columns(run_key=pl.lit(run_key))
        .select(list(schema))
        .cast(schema)
    )


def orders_frame(run_key: str, account: Account, origin: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``backtests.orders``, one per leg; a limit on one leg is given per share."""
    rows = []
    for record in account.events.orders:
        order = record.order
        limit = None
        if order is not None and order.limit_usd is not None and len(order.legs) == 1:
            limit = order.limit_usd / (record.quantity * account.multiplier(record.contract))
        rows.append(
            {
                "order_number": record.number,
                "session": record.session,
                "symbol": record.contract,
                "kind": record.kind,
                "quantity_shares": float(record.quantity),
                "limit_price": limit,
                "is_day_order": order is not None and order.limit_usd is not None and order.is_day_order,
                "status": record.status,
                "filled_shares": float(record.filled),
                "reason": record.reason,
                "idea_id": None if order is None else order.idea_id,
            }
        )
    return _frame("backtests.orders", rows, run_key, origin, "session")


def fills_frame(run_key: str, account: Account, origin: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``backtests.fills``; each fill of a contract from a quote cites it."""
    rows = [
        {
            "fill_number": number,
            "order_number": fill.order.number,
            "session": fill.session,
            "symbol": fill.order.contract,
            "ts": fill.at,
            "kind": fill.order.kind,
            "quantity_shares": float(fill.quantity),
            "reference_price": fill.reference,
            "fill_price": fill.price,
            "slippage_usd": fill.slippage / UNIT,
            "spread_cost_usd": fill.slippage / UNIT,
            "impact_cost_usd": 0.0,
            "fee_usd": fill.fee / UNIT,
            "signal_session": fill.order.session,
            "is_ambiguous": False,
            "quote_row_id": None if fill.quote is None else fill.quote.row_id,
            "quote_side": None if fill.quote is None else fill.quote.side,
            "quote_at": None if fill.quote is None else fill.quote.at,
            "quote_size": None if fill.quote is None else fill.quote.size,
        }
        for number, fill in enumerate(account.events.fills)
    ]
    return _frame("backtests.fills", rows, run_key, origin, "session")


def equity_frame(run_key: str, account: Account, origin: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``backtests.equity``: at mid, and at liquidation value."""
    rows = [
        {
            "session": closed.session,
            "cash_usd": closed.cash / UNIT,
            "positions_usd": closed.positions / UNIT,
            "receivable_usd": 0.0,
            "payable_usd": 0.0,
            "equity_usd": (closed.cash + closed.positions) / UNIT,
            "liquidation_usd": closed.liquidation / UNIT,
            "fees_usd": closed.record.fees / UNIT,
            "borrow_usd": closed.record.borrow / UNIT,
            "interest_usd": closed.record.interest / UNIT,
            "slippage_usd": closed.slippage / UNIT,
            "dividends_usd": closed.record.dividends / UNIT,
            "gross_exposure_usd": closed.gross / UNIT,
            "net_exposure_usd": closed.net / UNIT,
            "margin_usd": closed.margin_usd,
            "n_stale": closed.n_stale,
            "drawdown": 0.0,
        }
        for closed in account.events.closes
    ]
    frame = _frame("backtests.equity", rows, run_key, origin, "session")
    return frame.with_columns(drawdown=pl.col("equity_usd") / pl.col("equity_usd").cum_max() - 1)


def trades_frame(run_key: str, account: Account, origin: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``backtests.trades``; an open trade is as known as the last session."""
    days = [closed.session for closed in account.events.closes]
    rows = sorted(round_trips(account, days), key=lambda row: row["entry_number"])
    for number, row in enumerate(rows):
        row["trade_number"] = number
        del row["entry_number"]
        row["known_session"] = row["exit_session"] or days[-1]
    known = [row.pop("known_session") for row in rows]
    schema = TABLES["backtests.trades"].polars_schema
    own = {name: kind for name, kind in schema.items() if name not in {"run_key", "known_at", "provider", "synthetic"}}
    return (
        pl.DataFrame(rows, schema=own)
        .with_columns(pl.Series("known_session", known, dtype=pl.Date))
        .join(origin.rename({"session": "known_session"}), on="known_session", how="left", maintain_order="left")
        .with_columns(run_key=pl.lit(run_key))
        .select(list(schema))
        .cast(schema)
    )


def settlements_frame(account: Account) -> pl.DataFrame:
    """Return the expiries, exercises and assignments in their order."""
    rows = [
        (item.session, item.contract, item.event, item.quantity, item.price, item.rule, item.is_pin_risk)
        for item in account.events.settlements
    ]
    return pl.DataFrame(rows, schema=SETTLEMENTS, orient="row")


def contracts_frame(account: Account) -> pl.DataFrame:
    """Return the terms of every contract traded, sorted by name."""
    schema = {
        "contract": pl.String, "symbol": pl.String, "root": pl.String, "expiry": pl.Date, "settlement": pl.String,
        "right": pl.String, "strike": pl.Float64, "multiplier": pl.Int64, "is_american": pl.Boolean,
        "settles_on": pl.Date,
    }  # fmt: skip
    rows = [
        (item.name, item.underlying, item.root, item.expiry, item.settlement, item.right, item.strike, item.multiplier,
         item.is_american, item.settles_on)
        for _, item in sorted(account.contracts.items())
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
