"""Backtests: a daily event engine with fills at the next open, explicit costs and a fixed-point double-entry ledger.

Examples
--------
>>> from gnosis.backtest import Configuration
>>> Configuration(strategy="model_long_flat_short").labels()
['spread_proxy']
"""

from gnosis.backtest.configuration import Configuration
from gnosis.backtest.engine import run
from gnosis.backtest.ledger import LedgerError
from gnosis.backtest.orders import Bracket, Cancel, Order
from gnosis.backtest.result import Result
from gnosis.backtest.strategies import buy_and_hold, model_long_flat_short, tradable_symbols
from gnosis.backtest.strategy import Strategy, strategy
from gnosis.backtest.view import LookAheadError, View

__all__ = [
    "Bracket",
    "Cancel",
    "Configuration",
    "LedgerError",
    "LookAheadError",
    "Order",
    "Result",
    "Strategy",
    "View",
    "buy_and_hold",
    "model_long_flat_short",
    "run",
    "strategy",
    "tradable_symbols",
]
