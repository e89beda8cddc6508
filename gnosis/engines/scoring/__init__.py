"""Scores of texts: from posts and news to the probabilities that each is positive, negative or neutral.

Examples
--------
>>> LexiconScorer().score(["Net loss widened", "Orders rose"]).round(3)[:, :2].tolist()
[[0.125, 0.625], [0.625, 0.125]]
"""

from gnosis.engines.scoring.documents import NEWS_SOURCE, Scorer, document_scores
from gnosis.engines.scoring.lexicon import LexiconScorer, probabilities
from gnosis.engines.scoring.text import normalise, text_hash

__all__ = ["NEWS_SOURCE", "LexiconScorer", "Scorer", "document_scores", "normalise", "probabilities", "text_hash"]
