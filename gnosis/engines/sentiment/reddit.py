"""Posts on Reddit: what they say, how many there are, and what r/wallstreetbets makes of the symbol."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.points import Floats
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.sentiment.inputs import SentimentInputs
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.reading import attention, stream_reading
from gnosis.engines.trailing import History

SHRINKAGE = 5.0


def wallstreetbets_score(weighted_score: ArrayLike, weight: ArrayLike, posts: ArrayLike) -> Floats:
    """Return sum u s/(sum u + 5) over posts, u = 1 + ln(1 + upvotes); NaN without a post.

    Examples
    --------
    >>> wallstreetbets_score([1.0, 0.0], [5.0, 0.0], [5, 0]).tolist()
    [0.1, nan]
    """
    score = np.asarray(weighted_score, dtype=np.float64) / (np.asarray(weight, dtype=np.float64) + SHRINKAGE)
    return np.where(np.asarray(posts) > 0, score, np.nan)


def process(
    inputs: SentimentInputs,
    history: History,
    parameters: SentimentParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the reading of posts on Reddit, all communities together."""
    reading = stream_reading(inputs, history, parameters, "reddit", "reddit_level")
    window = reading.window
    count = reading.collected(window.count_24h)
    mentions = inputs.documents.mentions_24h("reddit")
    values = {
        "reddit_v": reading.v,
        **{f"reddit_{part}": values for part, values in reading.of_documents.items()},
        "sent_wsb_score": reading.collected(
            wallstreetbets_score(window.wsb_score, window.wsb_weight, window.wsb_posts)
        ),
        "reddit_level": reading.level,
        "reddit_surprise_z": reading.surprise_z,
        "reddit_count_24h": count,
        "reddit_mention_share": count / np.where(mentions > 0, mentions, np.nan),
        "reddit_attention": attention(history, {"reddit_count_24h": count}),
    }
    return ProcessorResult(values, reading.confidence, reading.reasons)
