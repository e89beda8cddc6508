"""The same orders on other engines: compared to the cent, and each difference with its cause.

Only arithmetic: who runs the other engines hands their fills and equity over as frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import polars as pl

from gnosis.backtest.actions import corporate_actions
from gnosis.backtest.conventions import (
    OURS,
    PRICE_TOLERANCE_USD,
    QUANTITY_TOLERANCE_SHARES,
    Conventions,
    ReplayedFills,
    ReplayMarket,
    conventions_of,
    replayed_equity,
    replayed_fills,
)
from gnosis.backtest.order_tape import PRICES, order_tape, replay_bars
from gnosis.tables import TABLES
from gnosis.tables.backtests import PEERS

HALF_A_CENT = 0.005
ONE_CENT = 0.01
LACKING = ("corporate_actions", "borrow_and_interest", "close_out")
"""What no peer is handed: they replay orders on unadjusted bars. Such a difference earns no credit for agreement."""


@dataclass(frozen=True)
class PeerResult:
    """What another engine made of the tape.

    Attributes
    ----------
    fills
        ``tape_number``, ``session``, ``quantity_shares`` (signed), ``fill_price`` ($) and ``fee_usd``.
    equity
        ``session`` and ``equity_usd`` of every session.
    reason
        Why there are none: it is not installed, or how it failed.
    is_installed
        False when it was not run because it is not there.
    """

    engine: str
    version: str | None = None
    fills: pl.DataFrame | None = None
    equity: pl.DataFrame | None = None
    reason: str | None = None
    is_installed: bool = True


def reconcile(
    run_key: str,
    fills: pl.DataFrame,
    equity: pl.DataFrame,
    bars: pl.DataFrame,
    configuration: Mapping[str, object],
    peer_results: Sequence[PeerResult],
    delistings: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Compare a run with what other engines made of its tape.

    Parameters
    ----------
    run_key
        The run.
    fills, equity
        Its rows of ``backtests.fills`` and ``backtests.equity``.
    bars
        Rows of ``raw.equity_bars`` that it ran on.
    configuration
        Its configuration, as ``backtests.runs`` stores it.
    peer_results
        One for each engine.
    delistings
        As given to the run.

    Returns
    -------
    polars.DataFrame
        Rows of ``backtests.reconciliation``: for each engine and session one of cause ``unexplained`` with what is
        left, and one for each cause that makes half a cent or more.

    Raises
    ------
    ValueError
        For an engine that the table does not know.
    """
    if strangers := {result.engine for result in peer_results} - set(PEERS):
        raise ValueError(f"expected engines of {PEERS}, found {sorted(strangers)}")
    schema = TABLES["backtests.reconciliation"].polars_schema
    if equity.is_empty():
        return pl.DataFrame(schema=schema)
    equity = equity.sort("session")
    options = sorted(set(fills["symbol"]) - set(bars["symbol"]))
    parts = []
    for result in peer_results:
        if options:
            reason = f"{len(options)} symbols without bars, first {options[0]}: options are not replayed"
            part = _without_peer(equity, "unsupported", reason)
        elif result.equity is None or result.fills is None:
            part = _without_peer(equity, "unexplained" if result.is_installed else "not_run", result.reason)
        else:
            tape = order_tape(fills, configuration)
            market = replay_market(bars, equity, tape, configuration, delistings)
            part = _compared(market, tape, fills.sort("fill_number"), equity, result.fills, result.equity)
        parts.append(part.with_columns(engine=pl.lit(result.engine), version=pl.lit(result.version, dtype=pl.String)))
    empty = pl.DataFrame(schema={name: dtype for name, dtype in schema.items() if dtype == pl.Float64})
    rows = pl.concat([empty, *parts], how="diagonal").with_columns(run_key=pl.lit(run_key))
    return rows.select(list(schema)).cast(schema).sort("engine", "session", "cause")


def unexplained(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a reconciliation that fail it: more than a cent without a cause, or no result at all."""
    gap = pl.col("difference_usd").abs().round(8)
    return rows.filter((pl.col("status") == "unexplained") & (gap.is_null() | (gap > ONE_CENT)))


def _without_peer(equity: pl.DataFrame, status: str, reason: str | None) -> pl.DataFrame:
    return equity.select("session", "equity_usd", "synthetic").with_columns(
        cause=pl.lit("unexplained"), status=pl.lit(status), reason=pl.lit(reason, dtype=pl.String)
    )


def replay_market(
    bars: pl.DataFrame,
    equity: pl.DataFrame,
    tape: pl.DataFrame,
    configuration: Mapping[str, object],
    delistings: pl.DataFrame | None,
) -> ReplayMarket:
    """Return bars, corporate actions, charges and delistings of a run as arrays over its sessions and symbols."""
    rows = replay_bars(bars, equity, tape)
    sessions, symbols = rows["session"].unique().sort(), tape["symbol"].unique().sort()
    shape = (sessions.len(), symbols.len())
    actions = corporate_actions(bars.filter(pl.col("symbol").is_in(symbols.implode())))
    actions = actions.filter(pl.col("session").is_in(sessions.implode()))
    at = sessions.search_sorted(actions["session"]).to_numpy(), symbols.search_sorted(actions["symbol"]).to_numpy()
    splits, dividends = np.ones(shape), np.zeros(shape)
    splits[at] = (actions["split_numerator"] / actions["split_denominator"]).to_numpy()
    dividends[at] = actions["dividend_usd"].to_numpy()
    posted = equity.select("session", charge=pl.col("borrow_usd") + pl.col("interest_usd"))
    charges = pl.DataFrame({"session": sessions}).join(posted, on="session", how="left", maintain_order="left")
    gone: list[tuple[int, int, float | None]] = []
    if delistings is not None:
        filled = tape.select("session", "symbol")
        inside = delistings.filter(
            pl.col("session").is_in(sessions.implode()), pl.col("symbol").is_in(symbols.implode())
        ).join(filled, on=["session", "symbol"], how="anti")
        numbers = inside.select(
            sessions.search_sorted(inside["session"]).cast(pl.Int64).alias("session"),
            symbols.search_sorted(inside["symbol"]).cast(pl.Int64).alias("symbol"),
            "delisting_price_usd",
        )
        gone = numbers.rows()
    return ReplayMarket(
        sessions=sessions,
        symbols=symbols.to_list(),
        initial_cash_usd=float(configuration["initial_cash_usd"]),  # type: ignore[arg-type]
        prices={name: rows[name].cast(pl.Float64).to_numpy().reshape(shape) for name in PRICES},
        splits=splits,
        dividends=dividends,
        charges=charges["charge"].fill_null(0.0).to_numpy(),
        delistings=gone,
    )


def _compared(
    market: ReplayMarket,
    tape: pl.DataFrame,
    fills: pl.DataFrame,
    equity: pl.DataFrame,
    their_fills: pl.DataFrame,
    their_equity: pl.DataFrame,
) -> pl.DataFrame:
    ours = equity["equity_usd"].to_numpy()
    at = market.sessions.search_sorted(equity["session"]).to_numpy()
    joined = equity.select("session").join(their_equity, on="session", how="left", maintain_order="left")
    theirs = joined["equity_usd"].to_numpy()
    their = _their_fills(market, tape, their_fills)
    base = replayed_equity(market, tape, OURS)
    grid_ours, grid_theirs = base.copy(), base.copy()
    grid_ours[at], grid_theirs[at] = ours, theirs
    how = conventions_of(market, tape, their, grid_theirs, grid_ours)
    parts, left = [], theirs - ours
    current, reached = OURS, base
    kept = equity.select("session", "equity_usd", "synthetic").with_columns(peer_equity_usd=pl.Series(theirs))
    for field in fields(Conventions):
        switched = replace(current, **{field.name: getattr(how, field.name)})
        if switched == current:
            continue
        worth = replayed_equity(market, tape, switched)
        difference = (worth - reached)[at]
        current, reached, left = switched, worth, left - difference
        reason = f"{getattr(OURS, field.name)} -> {getattr(how, field.name)}"
        rows = kept.with_columns(
            cause=pl.lit(field.name),
            status=pl.lit("unsupported" if field.name in LACKING else "explained"),
            difference_usd=pl.Series(difference),
            reason=pl.lit(f"{field.name}: {reason}"),
        )
        parts.append(rows.filter(pl.col("difference_usd").abs() >= HALF_A_CENT))
    causes = pl.concat([part.select("session", "status") for part in parts]) if parts else None
    faults = _unlike_fills(market, tape, fills, their, their_fills, how)
    parts.append(_rest(kept, left, causes, tape, faults))
    return pl.concat(parts, how="diagonal")


def _rest(
    kept: pl.DataFrame, left: np.ndarray, causes: pl.DataFrame | None, tape: pl.DataFrame, faults: pl.DataFrame
) -> pl.DataFrame:
    """Return the row of each session that says what no cause makes."""
    named = pl.DataFrame(schema={"session": pl.Date, "status": pl.String}) if causes is None else causes
    by_session = named.group_by("session").agg(is_explained=(pl.col("status") == "explained").any())
    given = tape.filter(pl.col("price").is_not_null()).group_by("session").agg(
        given=pl.format("{} of {} given with its price: no engine shares the rule", "kind", "symbol").sort().first()
    )  # fmt: skip
    rows = (
        kept.with_columns(cause=pl.lit("unexplained"), difference_usd=pl.Series(left))
        .join(by_session, on="session", how="left", maintain_order="left")
        .join(given, on="session", how="left", maintain_order="left")
        .join(faults, on="session", how="left", maintain_order="left")
    )
    is_left = pl.col("fault").is_not_null() | (pl.col("difference_usd").abs() >= HALF_A_CENT)
    is_lacking = pl.col("given").is_not_null() | (~pl.col("is_explained")).fill_null(False)
    status = (
        pl.when(is_left)
        .then(pl.lit("unexplained"))
        .when(is_lacking)
        .then(pl.lit("unsupported"))
        .when(pl.col("is_explained"))
        .then(pl.lit("explained"))
        .otherwise(pl.lit("agreed"))
    )
    return rows.with_columns(status=status, reason=pl.coalesce("fault", "given")).drop("is_explained", "given", "fault")


def _their_fills(market: ReplayMarket, tape: pl.DataFrame, fills: pl.DataFrame) -> ReplayedFills:
    """Return their fills by row of the tape, parts of one order together; price NaN where there is none."""
    size = pl.col("quantity_shares").abs()
    by_row = fills.group_by("tape_number").agg(
        pl.col("session").min(),
        pl.col("quantity_shares").sum(),
        ((size * pl.col("fill_price")).sum() / size.sum()).alias("fill_price"),
        pl.col("fee_usd").sum(),
    )
    own = tape.select("tape_number", "symbol", eligible="session")
    rows = own.join(by_row, on="tape_number", how="left", maintain_order="left")
    session = market.sessions.search_sorted(rows["session"].fill_null(rows["eligible"])).to_numpy().astype(np.int64)
    symbol = pl.Series(market.symbols).search_sorted(rows["symbol"]).to_numpy().astype(np.int64)
    names = ("quantity_shares", "fill_price", "fee_usd")
    quantity, price, fee = (rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names)
    return ReplayedFills(session, symbol, np.nan_to_num(quantity), price, np.nan_to_num(fee))


def _unlike_fills(
    market: ReplayMarket,
    tape: pl.DataFrame,
    fills: pl.DataFrame,
    theirs: ReplayedFills,
    their_fills: pl.DataFrame,
    how: Conventions,
) -> pl.DataFrame:
    """Return for each session the first fill that is not what the run's own fill becomes under ``how``."""
    base, switched = replayed_fills(market, tape, OURS), replayed_fills(market, tape, how)
    tolerances = {"quantity": QUANTITY_TOLERANCE_SHARES, "price": PRICE_TOLERANCE_USD, "fee": HALF_A_CENT}
    recorded = {"quantity": "quantity_shares", "price": "fill_price", "fee": "fee_usd"}
    found = tape.select("tape_number", "session", "symbol")
    parts = []
    for name, tolerance in tolerances.items():
        expected = fills[recorded[name]].to_numpy() + getattr(switched, name) - getattr(base, name)
        got = getattr(theirs, name)
        # The noise of binary fractions is below what prices have as decimals.
        is_unlike = ~(np.round(np.abs(got - expected), 10) <= tolerance)
        is_unlike &= (switched.quantity != 0) | (theirs.quantity != 0)
        text = pl.format("fill {} of {}: {} {}, expected {}", "tape_number", "symbol", pl.lit(name), "got", "expected")
        rows = found.with_columns(expected=pl.Series(expected), got=pl.Series(got)).filter(pl.Series(is_unlike))
        parts.append(rows.select("session", fault=text))
    strange = their_fills.join(tape, on="tape_number", how="anti").select(
        "session", fault=pl.format("a fill that is not on the tape: {} shares", "quantity_shares")
    )
    return pl.concat([*parts, strange]).group_by("session", maintain_order=True).agg(pl.col("fault").first())
