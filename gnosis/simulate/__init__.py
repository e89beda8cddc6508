"""The known-truth market generator: markets whose every parameter is known, and data conditioned on observed bars.

Nothing here is observed. Every row says ``synthetic`` and names ``simulate`` as provider. Use it to test engines and
models, to run at scale, to fill what cannot be had freely (option chains of the past); never to judge whether an idea
makes money.
"""

from gnosis.simulate.chain import ChainSpec, option_chain
from gnosis.simulate.index import vix_from_index
from gnosis.simulate.macro import macro_vintages
from gnosis.simulate.market import Market, MarketSpec, MarketTruth, Regime, market
from gnosis.simulate.presets import MARKETS

__all__ = [
    "MARKETS",
    "ChainSpec",
    "Market",
    "MarketSpec",
    "MarketTruth",
    "Regime",
    "macro_vintages",
    "market",
    "option_chain",
    "vix_from_index",
]
