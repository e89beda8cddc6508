"""Articles and filings: what they say, how many there are and how much they differ."""

from __future__ import annotations

from collections.abc import Mapping

from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.sentiment.inputs import SentimentInputs
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.reading import stream_reading
from gnosis.engines.trailing import History, banded


def process(
    inputs: SentimentInputs,
    history: History,
    parameters: SentimentParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the reading of news; ages count from the instant at which an item was known, not from its event."""
    reading = stream_reading(inputs, history, parameters, "news", "news_level")
    window = reading.window
    values = {
        "news_flow_v": reading.v,
        **{f"news_flow_{part}": values for part, values in reading.of_documents.items()},
        "news_level": reading.level,
        "news_surprise_z": reading.surprise_z,
        "news_count_24h": reading.collected(window.count_24h),
        "news_dispersion": reading.collected(window.dispersion),
        "news_outlets_24h": reading.collected(window.outlets_24h),
    }
    rank = history.series("news_level", reading.level).percentile_rank()
    values["news_tone"] = banded(rank, below=(0.05, 0.2), up_to=(0.8, 0.95))
    return ProcessorResult(values, reading.confidence, reading.reasons)
