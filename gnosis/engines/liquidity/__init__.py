"""Liquidity engine: what it costs to trade, and how deep, tight and resilient the market is."""

from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.liquidity.state import BOOKS_SESSIONS, LiquidityState, liquidity, states
from gnosis.engines.liquidity.structure_and_regime import PROFILE_SESSIONS
from gnosis.engines.liquidity.toxicity_vpin import TRADES_SESSIONS

__all__ = [
    "BOOKS_SESSIONS",
    "PROFILE_SESSIONS",
    "TRADES_SESSIONS",
    "LiquidityParameters",
    "LiquidityState",
    "liquidity",
    "states",
]
