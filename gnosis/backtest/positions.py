"""The engine's own tally of what is held, kept apart from the ledger, and its value and margin at a close."""

from __future__ import annotations

import numpy as np

from gnosis.backtest.configuration import Configuration
from gnosis.backtest.invariants import Expected
from gnosis.backtest.ledger import UNIT, divide_half_even, to_units
from gnosis.backtest.market import Market

_INT64_SAFE = 2**62


class Positions:
    """Holdings by symbol number, in units of 1e-8 shares; ``expected`` is told of every change.

    Parameters
    ----------
    market
        Bars of the run, for the marks.
    configuration
        For the margin.
    expected
        What the engine expects of the books.
    """

    def __init__(self, market: Market, configuration: Configuration, expected: Expected) -> None:
        self._market, self._expected = market, expected
        self._whole = np.zeros(len(market.symbols), dtype=np.int64)
        self._fractional: dict[int, int] = {}
        self._values = np.zeros(len(market.symbols), dtype=np.int64)
        self._has_shorts = False
        self._largest_holding = 0
        self._largest_mark = int(market.marks.max(initial=0))
        is_cash = configuration.account == "cash"
        shares = (configuration.maintenance_margin_long, configuration.maintenance_margin_short)
        self._margin_long, self._margin_short = (0 if is_cash else to_units(share) for share in shares)

    def add(self, column: int, quantity: int) -> None:
        """Add a signed quantity to a holding."""
        self.put(column, self._expected.quantities.get(self._market.symbols[column], 0) + quantity)

    def put(self, column: int, held: int) -> None:
        """Replace a holding."""
        symbol = self._market.symbols[column]
        whole, rest = divmod(held, UNIT)
        if rest:
            self._fractional[column], whole = held, 0
        else:
            self._fractional.pop(column, None)
        self._whole[column] = whole
        self._largest_holding = max(self._largest_holding, abs(whole))
        if held:
            self._expected.quantities[symbol] = held
        else:
            self._expected.quantities.pop(symbol, None)

    def mark(self, session: int) -> tuple[int, int]:
        """Value the holdings at the latest closes; return their sum and the sum of absolute values, units of 1e-8 $."""
        marks = self._market.marks[session]
        # The sum of all products fits 64 bits for anything but absurd accounts; those are told in Python integers.
        if self._largest_holding * self._largest_mark * len(marks) < _INT64_SAFE:
            values = marks * self._whole
            positions, gross = int(np.add.reduce(values)), int(np.add.reduce(np.abs(values)))
        else:
            values = marks.astype(object) * self._whole.astype(object)
            positions, gross = sum(values), sum(map(abs, values))
        for column, held in self._fractional.items():
            value = divide_half_even(int(marks[column]) * held, UNIT)
            values[column] = value
            positions, gross = positions + value, gross + abs(value)
        self._values, self._has_shorts = values, positions != gross
        return positions, gross

    def shorts(self) -> list[int]:
        """Return the market values of the short holdings at the latest mark, all negative."""
        return self._values[self._values < 0].tolist() if self._has_shorts else []

    def margin(self, positions: int, gross: int) -> int:
        """Return the equity that a margin account must have for holdings of these values; 0 for a cash account."""
        return divide_half_even(
            (gross + positions) * self._margin_long + (gross - positions) * self._margin_short, 2 * UNIT
        )
