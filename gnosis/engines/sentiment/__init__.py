"""Sentiment engine: what is said and positioned, how strongly, how surely, and since when known."""

from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.record import SentimentState, states
from gnosis.engines.sentiment.state import BARS_SESSIONS, INTRADAY_SESSIONS, sentiment
from gnosis.engines.sentiment.text_origins import EARNINGS_SESSIONS, NEWS_SESSIONS, POSTS_SESSIONS

__all__ = [
    "BARS_SESSIONS",
    "EARNINGS_SESSIONS",
    "INTRADAY_SESSIONS",
    "NEWS_SESSIONS",
    "POSTS_SESSIONS",
    "SentimentParameters",
    "SentimentState",
    "sentiment",
    "states",
]
