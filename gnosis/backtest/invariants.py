"""What must hold at every bar. The engine keeps its own record of a bar; the books must agree with it to the last unit.

I1 cash, market value and receivables less payables are equity; I2 the equity change is price profit + dividends -
fees - borrow - interest; I3 the accounts sum to zero; I4 shares from fills and corporate actions are the shares in the
books and in their lots; I5 realised plus unrealised profit is equity less deposits; I7 the slippage memo is the sum of
side x (fill - reference) x quantity. I6 (the curve ends at the final equity) and I8 (inputs unchanged) are checked
once, at the end of a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gnosis.backtest.ledger import UNIT, Ledger, LedgerError


@dataclass(slots=True)
class BarRecord:
    """What the engine did in one bar, in units of 1e-8, kept apart from the ledger.

    Attributes
    ----------
    traded
        Signed value bought less sold.
    fees, borrow, interest, dividends
        Flows of the bar; dividends are received less paid, interest is paid less received.
    dividends_paid
        Dividends that became cash, booked before or in the bar.
    touched
        Symbols whose lots changed.
    """

    traded: int = 0
    fees: int = 0
    borrow: int = 0
    interest: int = 0
    dividends: int = 0
    dividends_paid: int = 0
    touched: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Expected:
    """What the engine expects of the books, carried from bar to bar.

    Attributes
    ----------
    deposit
        Initial cash.
    equity, market_value
        At the previous close.
    costs, cost
        Cost by symbol, summed over its lots when they last changed, and their sum.
    due
        Dividends booked and not yet paid, received less owed.
    totals
        Fees, borrow, interest and dividends since inception.
    quantities
        Shares by symbol from fills and corporate actions.
    slippage_exact
        Sum of (fill - reference) x signed quantity in units of 1e-16.
    n_fills
        Fills so far; each may round the memo by half a unit.
    """

    deposit: int
    equity: int
    market_value: int = 0
    costs: dict[str, int] = field(default_factory=dict)
    cost: int = 0
    due: int = 0
    totals: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("fees", "borrow", "interest", "dividends"), 0)
    )
    quantities: dict[str, int] = field(default_factory=dict)
    slippage_exact: int = 0
    n_fills: int = 0


def check_bar(where: object, ledger: Ledger, market_value: int, record: BarRecord, expected: Expected) -> int:
    """Check the invariants at one close, move ``expected`` on to it and return the equity in units of 1e-8.

    Raises
    ------
    LedgerError
        With the invariant, the place and both numbers.
    """
    accounts = ledger.accounts
    due = accounts["receivables"] + accounts["payables"]
    expected.due += record.dividends - record.dividends_paid
    _equal("I1: dividends due less owed", where, due, expected.due)
    equity = accounts["cash"] + market_value + due
    price_profit = market_value - expected.market_value - record.traded
    flows = record.dividends - record.fees - record.borrow - record.interest
    _equal("I2: equity change and its components", where, equity - expected.equity, price_profit + flows)

    for name, sign in (("fees", 1), ("borrow", 1), ("interest", 1), ("dividends", -1)):
        expected.totals[name] += getattr(record, name)
        _equal(f"I2: {name} since inception", where, sign * accounts[name], expected.totals[name])
    _equal("I3: sum of all accounts", where, sum(accounts.values()), 0)

    if ledger.quantities != expected.quantities:
        raise LedgerError(
            f"I4 at {where}: expected shares {expected.quantities}, found {ledger.quantities} in the books"
        )
    for symbol in record.touched:
        lots = ledger.lots.get(symbol, ())
        in_lots = sum(lot.quantity for lot in lots)
        cost = sum(lot.cost for lot in lots)
        expected.cost += cost - expected.costs.get(symbol, 0)
        expected.costs[symbol] = cost
        _equal(f"I4: shares of {symbol} in lots", where, in_lots, expected.quantities.get(symbol, 0))

    cost = expected.cost
    _equal("I5: cost of positions and of their lots", where, accounts["positions"], cost)
    unrealised = market_value - cost
    profit = unrealised - sum(accounts[name] for name in ("realised", "dividends", "fees", "borrow", "interest"))
    _equal("I5: profit since inception and equity less deposits", where, profit, equity - expected.deposit)
    if abs(ledger.slippage * UNIT - expected.slippage_exact) > expected.n_fills * UNIT // 2:
        raise LedgerError(
            f"I7 at {where}: expected a slippage memo of {expected.slippage_exact / UNIT**2} $ from "
            f"{expected.n_fills} fills, found {ledger.slippage / UNIT} $"
        )
    expected.equity, expected.market_value = equity, market_value
    return equity


def _equal(what: str, where: object, found: int, wanted: int) -> None:
    if found != wanted:
        raise LedgerError(f"{what} at {where}: expected {wanted}, found {found} (units of 1e-8)")
