"""Scorers of texts from outside: FinBERT in a folder, word lists in a table, Grok at xAI; and the choice between them.

Examples
--------
>>> configured_scorer().name
'lexicon'
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gnosis.engines.scoring import LexiconScorer, Scorer
from resources.scorers.errors import ScorerError
from resources.scorers.finbert import load_finbert
from resources.scorers.loughran_mcdonald import load_loughran_mcdonald

GROK_TIMEOUT_S = 120.0
LONGEST_WAIT_S = 60.0
"""For the budget of requests, before one of them."""


def configured_scorer(
    folder: Path | str | None = None,
    lexicon_path: Path | str | None = None,
    grok: str | None = None,
    variables: Mapping[str, str] | None = None,
    home: Path | str | None = None,
) -> Scorer:
    """Return FinBERT when its folder is given, Grok when its model is, else the lexicon with the words that are given.

    Parameters
    ----------
    folder
        Folder with a FinBERT model in ONNX form (:func:`load_finbert`).
    lexicon_path
        Master dictionary of Loughran & McDonald (:func:`load_loughran_mcdonald`); it plays no part beside a model.
    grok
        Name of a model of xAI (:class:`resources.scorers.grok.GrokScorer`).
    variables
        Environment variables in which xAI's key is looked for.
    home
        Folder with the archive, which keeps what xAI answers, and with the budgets of requests; Grok needs one.

    Raises
    ------
    ScorerError
        When what is given cannot be used: there is no silent way back to the lexicon.
    """
    if folder is not None and grok is not None:
        raise ScorerError("expected one model to score texts, found GNOSIS_FINBERT and GNOSIS_GROK: remove one of them")
    if grok is not None:
        if home is None:
            raise ScorerError("expected a home that keeps the answers of Grok, found none: give it, they are paid for")
        return _grok(grok, variables or {}, Path(home))
    if folder is not None:
        return load_finbert(folder)
    if lexicon_path is not None:
        return load_loughran_mcdonald(lexicon_path)
    return LexiconScorer()


def _grok(model: str, variables: Mapping[str, str], home: Path) -> Scorer:
    from resources.providers.archive import Archive
    from resources.providers.live.access import Access
    from resources.providers.live.rate_limit import RateBudget
    from resources.scorers.grok import KEY, RATES, SERVICE, GrokScorer

    names = [name for alternative in KEY.alternatives for name in alternative]
    found = {name: value for name in names if (value := variables.get(name))}
    budget = RateBudget(home / "live" / "budgets", SERVICE, RATES, LONGEST_WAIT_S)
    access = Access(SERVICE, keys=found, timeout_s=GROK_TIMEOUT_S, gate=budget.acquire)
    return GrokScorer(access, model, archive=Archive(home / "archive"))


__all__ = ["ScorerError", "configured_scorer", "load_finbert", "load_loughran_mcdonald"]
