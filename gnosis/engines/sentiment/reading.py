"""The reading that one stream of documents gives: level, surprise, value in [-1, 1] and confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gnosis.engines.document_weights import information_confidence, shrunk
from gnosis.engines.documents import Window
from gnosis.engines.points import Floats
from gnosis.engines.protocol import Bools
from gnosis.engines.sentiment.inputs import SentimentInputs
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.trailing import History, Series, banded, least
from gnosis.reasons import SURE

REFERENCE = 60


@dataclass(frozen=True)
class Reading:
    """What the documents of a stream say at each point; NaN where the source was not collected.

    Attributes
    ----------
    window
        Sums over the documents.
    level
        Shrunk mean score.
    surprise_z
        z-score of the level over 60 sessions.
    v
        tanh(surprise_z/2); the level itself while the reference sample is too short.
    confidence, reasons
        As in :class:`gnosis.engines.protocol.ProcessorResult`.
    is_collected
        Where the source was collected.
    """

    window: Window
    level: Floats
    surprise_z: Floats
    v: Floats
    confidence: Floats
    reasons: Mapping[str, Bools]
    is_collected: Bools

    @property
    def of_documents(self) -> dict[str, Floats]:
        """Number and mass of the scored documents, and when the newest of them was known, by end of the column."""
        window = self.window
        return {
            "n_documents": self.collected(window.n_documents),
            "information_mass": self.collected(window.mass),
            "newest_known_at": self.collected(window.newest_known_at),
        }

    def collected(self, values: Floats) -> Floats:
        """Return values, NaN where the source was not collected."""
        return np.where(self.is_collected, values, np.nan)


def stream_reading(
    inputs: SentimentInputs, history: History, parameters: SentimentParameters, stream: str, level_column: str
) -> Reading:
    """Return the reading of a stream whose levels are stored in ``level_column``.

    Before the reference sample is large enough the level stands for the reading, with half of the confidence. When all
    of its values are equal there is no z-score either: then the level stands for it with all of the confidence.
    """
    window = inputs.documents.window(stream)
    is_collected = inputs.collected[stream]
    shrinkage = parameters.documents.shrinkage_documents
    level = np.where(is_collected, shrunk(window.mean, window.mass, shrinkage), np.nan)
    levels = history.series(level_column, level)
    surprise_z = levels.z(REFERENCE)
    v = np.where(np.isnan(surprise_z), level, np.tanh(surprise_z / 2.0))
    is_short = levels.count(REFERENCE) < least(REFERENCE)
    confidence = information_confidence(window.mass, window.model_mass, shrinkage) * np.where(is_short, 0.5, 1.0)
    confidence = np.where(np.isnan(v), 0.0, confidence)
    reasons = {
        "SOURCE_MISSING": ~is_collected,
        "FEW_DOCUMENTS": is_collected & ((window.mass < 1.0) | (window.mass / (window.mass + shrinkage) < SURE)),
        "SCORER_FALLBACK": is_collected & (window.model_mass < window.mass),
        "UNCALIBRATED": ~np.isnan(v) & np.isnan(surprise_z),
    }
    return Reading(window, level, surprise_z, v, confidence, reasons, is_collected)


def transformed(series: Series, function: Callable[[Floats], Floats]) -> Series:
    """Return a function of each value of a series."""
    return replace(series, matrix=function(series.matrix), values=function(series.values))


def posts_over_time(history: History, columns: Mapping[str, Floats]) -> Series:
    """Return ln(1 + sum) of columns that count posts."""
    parts = [history.series(name, values) for name, values in columns.items()]
    total = replace(
        parts[0],
        matrix=np.sum([part.matrix for part in parts], axis=0),
        values=np.sum([part.values for part in parts], axis=0),
    )
    return transformed(total, np.log1p)


def attention(history: History, columns: Mapping[str, Floats]) -> Floats:
    """Return the position of the label of ``Attention`` by the rank of the number of posts among 252 sessions."""
    return banded(posts_over_time(history, columns).percentile_rank(), below=(0.2,), up_to=(0.8, 0.97))
