"""The scorer of texts as a Dagster resource: FinBERT from a local folder, or word lists."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from gnosis.engines.scoring import Scorer


@dataclass(frozen=True)
class Scoring:
    """Where the scorer's files are; without any, the word lists that are shipped score.

    Attributes
    ----------
    finbert
        Folder with a FinBERT model in ONNX form.
    lexicon
        CSV of the Loughran-McDonald master dictionary, whose words are added to those that are shipped.
    grok
        Name of a model of xAI that scores instead; its key is read from ``XAI_API_KEY`` when texts are scored.
    home
        Folder with the archive and the budgets of requests, for a model of xAI.
    """

    finbert: Path | None = None
    lexicon: Path | None = None
    grok: str | None = None
    home: Path | None = None

    def scorer(self) -> Scorer:
        """Return the scorer, loaded.

        Raises
        ------
        ScorerError
            When a folder or file was named and cannot be used; nothing else takes its place.
        """
        from resources.scorers import configured_scorer

        return configured_scorer(self.finbert, self.lexicon, self.grok, os.environ, self.home)


class ScorerResource(dg.ConfigurableResource):
    """Names the files of the scorer."""

    finbert: str | None = None
    lexicon: str | None = None
    grok: str | None = None
    home: str | None = None

    def scoring(self) -> Scoring:
        """Return where the scorer's files are; it is loaded when texts are scored."""
        return Scoring(
            finbert=Path(self.finbert) if self.finbert else None,
            lexicon=Path(self.lexicon) if self.lexicon else None,
            grok=self.grok,
            home=Path(self.home) if self.home else None,
        )
