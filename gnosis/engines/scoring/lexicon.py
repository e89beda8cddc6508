"""Scorer of texts by word lists and rules: no model, no training, no weights to install."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gnosis.engines.scoring import evidence as rules
from gnosis.engines.scoring.text import normalise
from gnosis.engines.scoring.vocabulary import vocabulary

# What the rules make of these is part of the content hash: it changes with the rules, not only with the words.
_EXAMPLES = (
    "operating profit rose to eur 13.1 mn in 2009 from eur 8.7 mn in 2008",
    "net sales fell 5 % but the loss narrowed",
    "the margin was 8.2 % (6.9 %)",
    "a profit of $1.2 bn, compared with a loss of $900 m a year earlier",
    "it turned from a loss into a profit",
    "costs did not fall despite weak demand",
    "the solution helps customers to reduce costs",
    "record fine; strong orders",
    "shares up 4 % after the company wins an order. it makes pumps.",
)


def probabilities(evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p = (1 + tokens of the side)/(3 + tokens of all sides), the softmax of ln(1 + tokens).

    Parameters
    ----------
    evidence
        Shape (n, 3): positive, negative and neutral tokens, not negative.

    Returns
    -------
    (n, 3) probabilities in the same order.

    Examples
    --------
    >>> probabilities(np.array([[4.0, 0.0, 1.0], [0.0, 0.0, 1.5]])).round(4).tolist()
    [[0.625, 0.125, 0.25], [0.2222, 0.2222, 0.5556]]
    """
    weights = 1.0 + evidence
    return weights / weights.sum(axis=1, keepdims=True)


class LexiconScorer:
    """Scores texts by what moved, which way, against what, and by good and bad events (:mod:`.evidence`).

    Parameters
    ----------
    positive, negative
        Further words, as of Loughran & McDonald (2011); words of our own lists keep the part that they play there.

    Examples
    --------
    >>> LexiconScorer().score(["Operating profit fell 20 %", "The company makes pumps"]).round(3).tolist()
    [[0.125, 0.625, 0.25], [0.222, 0.222, 0.556]]
    """

    name = "lexicon"

    def __init__(self, positive: Iterable[str] = (), negative: Iterable[str] = ()) -> None:
        self._vocabulary = vocabulary(positive, negative)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the word lists, the weights of the rules and what the rules make of some examples."""
        content = (
            sorted((entry, part.value, value) for entry, (part, value) in self._vocabulary.entries.items()),
            [rules.REACH, rules.TOKENS, rules.FACTORS, rules.NEUTRAL],
            [rules.evidence(example, self._vocabulary) for example in _EXAMPLES],
        )
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return (n, 3) probabilities that each text is positive, negative and neutral."""
        counts = [rules.evidence(normalise(text), self._vocabulary) for text in texts]
        return probabilities(np.array(counts, dtype=np.float64).reshape(len(counts), 3))
