"""The known-truth market generator: markets whose every parameter is known, and data conditioned on observed bars.

Nothing here is observed. Every row says ``synthetic`` and names ``simulate`` as provider. Use it to test engines and
models, to run at scale, to fill what cannot be had freely (option chains of the past); never to judge whether an idea
makes money.
"""

from gnosis.simulate.book import order_books
from gnosis.simulate.chain import ChainSpec, option_chain
from gnosis.simulate.dark_index import dark_index
from gnosis.simulate.index import vix_from_index
from gnosis.simulate.intraday import intraday_bars
from gnosis.simulate.macro import macro_vintages
from gnosis.simulate.market import Market, MarketSpec, MarketTruth, Regime, market
from gnosis.simulate.news import news_items
from gnosis.simulate.posts import social_posts
from gnosis.simulate.presets import MARKETS
from gnosis.simulate.shorts import short_volume
from gnosis.simulate.trades import trades

__all__ = [
    "MARKETS",
    "ChainSpec",
    "Market",
    "MarketSpec",
    "MarketTruth",
    "Regime",
    "dark_index",
    "intraday_bars",
    "macro_vintages",
    "market",
    "news_items",
    "option_chain",
    "order_books",
    "short_volume",
    "social_posts",
    "trades",
    "vix_from_index",
]
