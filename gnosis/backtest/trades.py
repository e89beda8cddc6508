"""Round trips, first in first out: what each lot cost, earned and went through between its entry and its exit."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.backtest.execution import Fill
from gnosis.backtest.ledger import UNIT, Closing, Ledger, LedgerError, divide_half_even
from gnosis.backtest.market import Market
from gnosis.backtest.simulation import Delisted, Events
from gnosis.tables import TABLES


def trades_frame(run_key: str, market: Market, events: Events, ledger: Ledger, origin: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of ``backtests.trades``: each lot from its entry to its exit, open ones at the last mark.

    Parameters
    ----------
    run_key
        Backtest.
    market
        Bars of the run, for the marks and for the worst and best open results.
    events
        Fills, corporate actions and delistings of the run.
    ledger
        Books at the end: which lots were closed at what, and which are left.
    origin
        ``number``, ``known_at``, ``provider`` and ``synthetic`` by session number.

    Raises
    ------
    LedgerError
        When the gains before fees do not add up to realised and unrealised profit of the books, to the last unit.
    """
    last = len(market.sessions) - 1
    column = {symbol: number for number, symbol in enumerate(market.symbols)}
    closings = list(ledger.closings)
    delisted = {gone.number: gone for gone in events.delisted}
    for symbol in sorted(ledger.quantities):
        mark = int(market.marks[last, column[symbol]])
        held, left = ledger.quantities[symbol], 0
        lots = list(ledger.lots[symbol])
        total = divide_half_even(mark * held, UNIT)
        for lot in lots:
            value = divide_half_even(mark * lot.quantity, UNIT) if lot is not lots[-1] else total - left
            left += value
            closings.append(Closing(lot.entry, -1, lot.quantity, lot.shares_per_first, lot.cost, value))
    _check_sum(closings, ledger)
    schema = TABLES["backtests.trades"].polars_schema
    if not closings:
        return pl.DataFrame(schema=schema)
    closings.sort(key=lambda closing: (closing.entry, closing.exit if closing.exit != -1 else len(events.fills)))
    rows = _rows(closings, events.fills, delisted, column, last)
    paths = _worst_and_best(market, rows)
    dividends = _dividends(rows, events, column)
    side, size = np.sign(rows["held"]), np.abs(rows["held"]) / UNIT
    gain = np.array([(closing.value - closing.cost) / UNIT for closing in closings])
    low, high = paths
    worst = np.where(side > 0, low, high)
    best = np.where(side > 0, high, low)
    entry_price = rows["entry_price"]
    fees = rows["entry_fee"] + rows["exit_fee"]
    day = pl.Series(market.sessions)
    is_open = rows["exit"] == -1
    frame = pl.DataFrame(
        {
            "trade_number": np.arange(len(closings)),
            "symbol": [market.symbols[number] for number in rows["column"]],
            "side": np.where(side > 0, "long", "short"),
            "quantity_shares": size,
            "entry_session": day.gather(rows["entry_session"]),
            "exit_session": day.gather(rows["exit_session"]).zip_with(
                pl.Series(~is_open), pl.Series([None] * len(is_open), dtype=pl.Date)
            ),
            "entry_price": entry_price,
            "exit_price": rows["exit_price"] * rows["shares_per_first"],
            "profit_usd": gain - fees + dividends,
            "fees_usd": fees,
            "slippage_usd": rows["entry_slippage"] + rows["exit_slippage"],
            "dividends_usd": dividends,
            "initial_risk_usd": pl.Series(np.abs(entry_price - rows["stop"]) * size).fill_nan(None),
            "mae_usd": np.minimum(side * (worst - entry_price) * size, 0.0),
            "mfe_usd": np.maximum(side * (best - entry_price) * size, 0.0),
            "holding_sessions": rows["exit_session"] - rows["entry_session"],
            "exit_reason": pl.Series(rows["reason"].tolist(), dtype=pl.String),
            "is_ambiguous": rows["is_ambiguous"],
            "idea_id": pl.Series(rows["idea"].tolist(), dtype=pl.String),
            "number": rows["exit_session"],
        }
    )
    return (
        frame.join(origin, on="number", how="left", maintain_order="left")
        .with_columns(run_key=pl.lit(run_key))
        .select(list(schema))
        .cast(schema)
    )


def _check_sum(closings: list[Closing], ledger: Ledger) -> None:
    realised = -ledger.accounts["realised"]
    value = sum(closing.value for closing in closings if closing.exit == -1)
    found = sum(closing.value - closing.cost for closing in closings)
    wanted = realised + value - ledger.accounts["positions"]
    if found != wanted:
        raise LedgerError(
            f"expected trades that add up to realised and unrealised profit of {wanted}, found {found} (units of 1e-8)"
        )


def _rows(
    closings: list[Closing],
    fills: list[Fill],
    delisted: dict[int, Delisted],
    column: dict[str, int],
    last: int,
) -> dict[str, NDArray]:
    """Return the columns of the round trips; prices in $, fees and slippage shared out by quantity."""
    n = len(closings)
    entry = np.array([closing.entry for closing in closings])
    exit_ = np.array([closing.exit for closing in closings])
    quantity = np.array([closing.quantity / UNIT for closing in closings])
    ratio = np.array([closing.shares_per_first for closing in closings])
    size = np.array([abs(fill.quantity) / UNIT for fill in fills])
    price = np.array([fill.price / UNIT for fill in fills])
    reference = np.array([fill.reference / UNIT for fill in fills])
    fee = np.array([fill.fee / UNIT for fill in fills])
    slip = np.abs(price - reference)
    session = np.array([fill.session for fill in fills])
    by_fill = exit_ >= 0
    taken = np.where(by_fill, exit_, 0)
    first_held = quantity / ratio
    part_in = np.abs(first_held) / size[entry]
    part_out = np.where(by_fill, np.abs(quantity) / size[taken], 0.0)
    exit_session = np.where(by_fill, session[taken], last)
    value = np.array([closing.value / UNIT for closing in closings])
    exit_price = np.where(by_fill, price[taken], value / quantity)
    reasons: list[str | None] = [fills[number].order.role if number >= 0 else None for number in exit_.tolist()]
    for position in np.flatnonzero(exit_ < -1).tolist():
        gone = delisted[closings[position].exit]
        exit_session[position], exit_price[position], reasons[position] = gone.session, gone.price / UNIT, "delisting"
    stop = [fills[number].stop_protecting for number in entry.tolist()]
    # Where the exit met the bar: only what came before it counts for the worst and best open result.
    exit_reference = np.where(by_fill, reference[taken], exit_price)
    return {
        "column": np.array([column[fills[number].order.symbol] for number in entry.tolist()]),
        "held": first_held * UNIT,
        "shares_per_first": ratio,
        "entry": entry,
        "exit": exit_,
        "entry_session": session[entry],
        "exit_session": exit_session.astype(np.int64),
        "entry_price": price[entry],
        "entry_reference": reference[entry],
        "exit_price": exit_price,
        "exit_reference": exit_reference,
        "entry_fee": fee[entry] * part_in,
        "exit_fee": np.where(by_fill, fee[taken] * part_out, 0.0),
        "entry_slippage": slip[entry] * np.abs(first_held),
        "exit_slippage": np.where(by_fill, slip[taken] * np.abs(quantity), 0.0),
        "is_entry_at_close": np.array(
            [not fills[number].is_at_open and not fills[number].is_inside for number in entry.tolist()]
        ),
        "stop": np.array([np.nan if level is None else level / UNIT for level in stop], dtype=np.float64),
        "reason": np.array(reasons, dtype=object),
        "is_ambiguous": np.array([number >= 0 and fills[number].is_ambiguous for number in exit_.tolist()]),
        "idea": np.array([fills[number].order.idea_id for number in entry.tolist()], dtype=object).reshape(n),
    }


def _worst_and_best(market: Market, rows: dict[str, NDArray]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest price met while each trade was open, in $ per share of its entry day.

    The bar of the entry counts unless it was made at its close, the bar of the exit only up to the exit itself.
    """
    shape = market.closes.shape
    ratio = np.ones(shape)
    for (session, number), action in market.actions.items():
        if action.split_numerator != action.split_denominator:
            ratio[session:, number] *= action.split_numerator / action.split_denominator
    missing = market.closes == 0
    lows = np.where(missing, np.inf, market.lows / UNIT * ratio)
    highs = np.where(missing, -np.inf, market.highs / UNIT * ratio)
    column, entry = rows["column"], rows["entry_session"]
    first = entry + rows["is_entry_at_close"]
    # Open trades are exposed to the last bar as well.
    end = rows["exit_session"] + (rows["exit"] == -1)
    scale = ratio[entry, column]
    left = rows["exit_reference"] * rows["shares_per_first"]
    met = rows["entry_reference"]
    low = np.minimum(np.minimum(_range(lows, np.minimum, np.inf, column, first, end) / scale, left), met)
    high = np.maximum(np.maximum(_range(highs, np.maximum, -np.inf, column, first, end) / scale, left), met)
    return low, high


def _range(
    grid: NDArray[np.float64],
    extreme: np.ufunc,
    empty: float,
    column: NDArray[np.int64],
    first: NDArray[np.int64],
    end: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the extreme of ``grid[first:end, column]`` of each trade, from a table over powers of two."""
    found = np.full(len(column), empty)
    length = end - first
    level, step = grid, 1
    while step <= max(int(length.max(initial=0)), 1):
        # Two overlapping spans of length step cover every span from step to 2 step - 1.
        fits = (length >= step) & (length < 2 * step)
        found[fits] = extreme(level[first[fits], column[fits]], level[end[fits] - step, column[fits]])
        level = extreme(level, np.concatenate([level[step:], np.full((min(step, len(level)), level.shape[1]), empty)]))
        step *= 2
    return found


def _dividends(rows: dict[str, NDArray], events: Events, column: dict[str, int]) -> NDArray[np.float64]:
    """Return the dividends of each trade: those with an ex-date after its entry and not after its exit."""
    paid = np.zeros(len(rows["entry"]))
    ratios: dict[int, list[tuple[int, float]]] = {}
    for session, symbol, kind, per_share, _ in events.actions:
        number = column[symbol]
        if kind == "split":
            ratios.setdefault(number, []).append((session, per_share))
        elif kind == "dividend":
            own = (rows["column"] == number) & (rows["entry_session"] < session) & (rows["exit_session"] >= session)
            scale = np.ones(int(own.sum()))
            for at, ratio in ratios.get(number, ()):
                scale *= np.where(rows["entry_session"][own] < at, ratio, 1.0)
            paid[own] += per_share * rows["held"][own] / UNIT * scale
    return paid
