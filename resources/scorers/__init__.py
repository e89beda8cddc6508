"""Scorers of texts that live in files: FinBERT in a folder, word lists in a table; and the choice between them.

Examples
--------
>>> configured_scorer().name
'lexicon'
"""

from __future__ import annotations

from pathlib import Path

from gnosis.engines.scoring import LexiconScorer, Scorer
from resources.scorers.errors import ScorerError
from resources.scorers.finbert import load_finbert
from resources.scorers.loughran_mcdonald import load_loughran_mcdonald


def configured_scorer(folder: Path | str | None = None, lexicon_path: Path | str | None = None) -> Scorer:
    """Return FinBERT when its folder is given, else the lexicon, with further words when their table is given.

    Parameters
    ----------
    folder
        Folder with a FinBERT model in ONNX form (:func:`load_finbert`).
    lexicon_path
        Master dictionary of Loughran & McDonald (:func:`load_loughran_mcdonald`); it plays no part beside FinBERT.

    Raises
    ------
    ScorerError
        When what is given cannot be used: there is no silent way back to the lexicon.
    """
    if folder is not None:
        return load_finbert(folder)
    if lexicon_path is not None:
        return load_loughran_mcdonald(lexicon_path)
    return LexiconScorer()


__all__ = ["ScorerError", "configured_scorer", "load_finbert", "load_loughran_mcdonald"]
