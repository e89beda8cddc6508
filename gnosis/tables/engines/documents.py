"""Table of scored texts: what a scorer says of every post and news item."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from gnosis.tables.dictionary import Origin, day, instant, label, number, text

SCORERS = ["finbert", "lexicon", "grok_not_reproducible"]
DOCUMENT_KINDS = ["post", "article", "filing", "earnings_prepared", "earnings_qa"]


class EnginesDocumentScores(Origin):
    """Probabilities that a text is positive, negative or neutral, and what gave them."""

    session = day("session at whose close the text was known first", primary_key=True)
    doc_id = text("post_id or item_id of the text", primary_key=True, min_length=1)
    source = text("source of the post, or outlet kind 'news'", primary_key=True)
    kind = label(DOCUMENT_KINDS, "what kind of text", nullable=False)
    scorer = label(SCORERS, "model or word lists behind the probabilities", nullable=False)
    scorer_hash = text("hash of the model files or word lists")
    text_hash = text("SHA-256 of the normalised text")
    ts = instant("instant of publication")
    p_pos = number("probability", "that the text is positive", nullable=False, min=0, max=1)
    p_neg = number("probability", "that the text is negative", nullable=False, min=0, max=1)
    p_neu = number("probability", "that the text is neutral", nullable=False, min=0, max=1)

    @dy.rule()
    def probabilities_sum_to_one(cls) -> pl.Expr:
        return (pl.col("p_pos") + pl.col("p_neg") + pl.col("p_neu") - 1).abs() < 1e-6

    @dy.rule()
    def known_after_publication(cls) -> pl.Expr:
        return pl.col("known_at") >= pl.col("ts")
