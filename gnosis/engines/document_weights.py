"""How much a document counts: half-lives, the confidence of its score, engagement, shrinkage of means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.points import Floats

STREAMS = ("news", "x", "reddit", "stocktwits", "earnings_prepared", "earnings_qa")
"""Kinds of documents that are counted apart: articles and filings, the sources of posts, the sections of a call."""

HOUR_US = 3_600_000_000
MOST_ENGAGEMENT = 5.0


@dataclass(frozen=True)
class DocumentParameters:
    """How texts are counted and weighted.

    Attributes
    ----------
    news_half_life_hours, social_half_life_hours, earnings_half_life_hours
        T: age at which the weight has halved.
    longest_age_half_lives
        Documents older than that many T do not count.
    shrinkage_documents
        kappa: documents at which a mean keeps half of its size.
    least_similarity, similarity_hours
        Jaccard similarity of the sets of words from which two texts within these hours are one.
    posts_per_author
        Most posts of one author and symbol that count in 24 hours; the days end at 16:00 in New York.
    most_symbols, fewest_words
        Posts that name more symbols or have fewer words do not count.
    """

    news_half_life_hours: float = 24.0
    social_half_life_hours: float = 6.0
    earnings_half_life_hours: float = 480.0
    longest_age_half_lives: float = 10.0
    shrinkage_documents: float = 5.0
    least_similarity: float = 0.8
    similarity_hours: float = 48.0
    posts_per_author: int = 3
    most_symbols: int = 5
    fewest_words: int = 3

    def half_life_us(self, stream: str) -> float:
        """Return T of a stream of documents in microseconds."""
        if stream == "news":
            return self.news_half_life_hours * HOUR_US
        return HOUR_US * (
            self.earnings_half_life_hours if stream.startswith("earnings") else self.social_half_life_hours
        )

    def longest_age_us(self, stream: str) -> int:
        """Return the age up to which documents of a stream count, in microseconds."""
        return int(self.half_life_us(stream) * self.longest_age_half_lives)


def certainty(p_pos: ArrayLike, p_neg: ArrayLike, p_neu: ArrayLike) -> Floats:
    """Return the confidence of a document, 1 - H/ln 3 with H the entropy of its three probabilities.

    Examples
    --------
    >>> certainty([0.7, 1.0, 0.5], [0.1, 0.0, 0.5], [0.2, 0.0, 0.0]).round(10).tolist()
    [0.2701533008, 1.0, 0.3690702464]
    """
    entropy = np.zeros(np.broadcast(p_pos, p_neg, p_neu).shape)
    for part in (p_pos, p_neg, p_neu):
        p = np.asarray(part, dtype=np.float64)
        entropy = entropy - p * np.log(np.where(p > 0, p, 1.0))
    return np.clip(1.0 - entropy / np.log(3.0), 0.0, 1.0)


def engagement_weight(engagement: ArrayLike) -> Floats:
    """Return min(5, 1 + ln(1 + engagement)) of a post; 1 where the engagement is unknown.

    Examples
    --------
    >>> engagement_weight([0, 9, 1000, np.nan]).round(4).tolist()
    [1.0, 3.3026, 5.0, 1.0]
    """
    count = np.nan_to_num(np.asarray(engagement, dtype=np.float64), nan=0.0)
    return np.minimum(MOST_ENGAGEMENT, 1.0 + np.log1p(np.maximum(count, 0.0)))


def shrunk(mean: ArrayLike, mass: ArrayLike, shrinkage: float = 5.0) -> Floats:
    """Return the level m n/(n + kappa) of a mean score m with information mass n.

    Examples
    --------
    >>> shrunk(1 / 3, 1.5).round(10).item()
    0.0769230769
    """
    n = np.asarray(mass, dtype=np.float64)
    return np.asarray(mean, dtype=np.float64) * n / (n + shrinkage)


def information_confidence(mass: ArrayLike, model_mass: ArrayLike, shrinkage: float = 5.0) -> Floats:
    """Return f n/(n + kappa), f = 1 for the model and 0.5 for word lists.

    Of documents of both kinds, half of it comes from the mass of all and half from that of the model's: so no document
    that is left out raises it, whichever gave its score.

    Examples
    --------
    >>> information_confidence([1.5, 1.5], [1.5, 0.0]).round(10).tolist()
    [0.2307692308, 0.1153846154]
    """
    n, model = np.asarray(mass, dtype=np.float64), np.asarray(model_mass, dtype=np.float64)
    return (n / (n + shrinkage) + model / (model + shrinkage)) / 2.0
