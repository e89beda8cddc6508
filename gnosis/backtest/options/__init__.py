"""Options backtests: fills at stored quotes, assignment, settlement and margin on the fixed-point ledger.

Examples
--------
>>> from gnosis.backtest.options import OptionsConfiguration
>>> OptionsConfiguration(strategy="iron_condor").title()
'iron_condor, fills at the quote'
"""

from gnosis.backtest.options.configuration import OptionsConfiguration
from gnosis.backtest.options.contracts import OptionsDataError, contract_symbol
from gnosis.backtest.options.engine import run_options
from gnosis.backtest.options.orders import Leg, OptionOrder
from gnosis.backtest.options.result import OptionsResult
from gnosis.backtest.options.settling import MissingSettlementError
from gnosis.backtest.options.view import OptionsView

__all__ = [
    "Leg",
    "MissingSettlementError",
    "OptionOrder",
    "OptionsConfiguration",
    "OptionsDataError",
    "OptionsResult",
    "OptionsView",
    "contract_symbol",
    "run_options",
]
