"""Posts on X: what they say, how many there are, and whether few authors write them."""

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


def concentration(sum_of_squares: ArrayLike, weight: ArrayLike) -> Floats:
    """Return the Herfindahl index of weights, sum of squares over squared sum; NaN without weight.

    Examples
    --------
    >>> concentration(4 * 0.25**2, 1.0).item()
    0.25
    """
    total = np.asarray(weight, dtype=np.float64)
    return np.minimum(np.asarray(sum_of_squares) / np.where(total > 0, total, np.nan) ** 2, 1.0)


def process(
    inputs: SentimentInputs,
    history: History,
    parameters: SentimentParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the reading of posts on X."""
    reading = stream_reading(inputs, history, parameters, "x", "x_level")
    window = reading.window
    count = reading.collected(window.count_24h)
    values = {
        "x_twitter_v": reading.v,
        **{f"x_twitter_{part}": values for part, values in reading.of_documents.items()},
        "x_level": reading.level,
        "x_surprise_z": reading.surprise_z,
        "x_count_24h": count,
        "x_author_hhi": reading.collected(concentration(window.author_square, window.weight)),
        "x_attention": attention(history, {"x_count_24h": count}),
    }
    return ProcessorResult(values, reading.confidence, reading.reasons)
