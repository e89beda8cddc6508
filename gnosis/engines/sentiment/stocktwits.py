"""Posts on StockTwits, whose authors may tag them bullish or bearish."""

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
HOURS = 24.0
COUNTS = ("stocktwits_bull", "stocktwits_bear", "stocktwits_untagged")


def retail_score(bullish: ArrayLike, bearish: ArrayLike, untagged: ArrayLike = 0.0) -> Floats:
    """Return (bull - bear)/(bull + bear + 5); 0 with untagged posts only, NaN with no post.

    Examples
    --------
    >>> retail_score([8, 0, 0], [2, 0, 0], [0, 3, 0]).tolist()
    [0.4, 0.0, nan]
    """
    bull, bear = np.asarray(bullish, dtype=np.float64), np.asarray(bearish, dtype=np.float64)
    posts = bull + bear + np.asarray(untagged, dtype=np.float64)
    return np.where(posts > 0, (bull - bear) / (bull + bear + SHRINKAGE), np.nan)


def process(
    inputs: SentimentInputs,
    history: History,
    parameters: SentimentParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the reading of posts on StockTwits; where pages did not reach back 24 hours, with less confidence."""
    reading = stream_reading(inputs, history, parameters, "stocktwits", "stocktwits_level")
    window = reading.window
    bull, bear = window.bullish_24h, window.bearish_24h
    untagged = window.count_24h - bull - bear
    counts = dict(zip(COUNTS, map(reading.collected, (bull, bear, untagged)), strict=True))
    hours = np.clip(inputs.stocktwits_hours, 0.0, HOURS)
    values = {
        "stocktwits_v": reading.v,
        **{f"stocktwits_{part}": values for part, values in reading.of_documents.items()},
        "sent_retail_score": reading.collected(retail_score(bull, bear, untagged)),
        "stocktwits_level": reading.level,
        **counts,
        "message_velocity_per_h": reading.collected(window.count_24h / np.where(hours > 0, hours, np.nan)),
        "stocktwits_attention": attention(history, counts),
    }
    reasons = {**reading.reasons, "LOW_COVERAGE": reading.is_collected & (hours < HOURS)}
    return ProcessorResult(values, reading.confidence * hours / HOURS, reasons)
