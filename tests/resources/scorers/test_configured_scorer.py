"""Which scorer an installation has, and the word lists that the user brings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnosis.engines.scoring import LexiconScorer
from gnosis_dagster.definitions import build_definitions
from resources.scorer_resource import ScorerResource
from resources.scorers import ScorerError, configured_scorer
from resources.scorers.grok import GrokScorer
from tests.loopback.server import Loopback
from tests.loopback.vendors.xai import KEYS, MODEL, XaiVendor
from tests.loopback.world import World

HEADING = "Word,Seq_num,Negative,Positive,Uncertainty\n"


@pytest.fixture
def loopback_xai():
    with Loopback() as server:
        server.serve(XaiVendor(World()))
        yield server


def test_the_lexicon_unless_something_is_given():
    assert configured_scorer().content_hash == LexiconScorer().content_hash


def test_finbert_when_its_folder_is_given(finbert_folder, tmp_path):
    assert configured_scorer(finbert_folder).name == "finbert"
    assert configured_scorer(str(finbert_folder), tmp_path / "unread").name == "finbert"


def test_a_folder_that_cannot_be_used_is_an_error(finbert_folder):
    (finbert_folder / "model.onnx").unlink()
    with pytest.raises(ScorerError, match=r"expected model\.onnx"):
        configured_scorer(finbert_folder)


def test_words_of_the_master_dictionary_are_counted_in_their_category(tmp_path):
    path = tmp_path / "dictionary.csv"
    path.write_text(HEADING + "MURK,1,2009,0,0\nGLORY,2,0,2011,0\nFOG,3,-2020,0,2009\nPROFIT,4,2009,0,0\n")
    scorer = configured_scorer(lexicon_path=path)
    murk, glory, fog, profit = scorer.score(["murk", "glory", "fog", "profit rose"])
    assert scorer.name == "lexicon" and scorer.content_hash != LexiconScorer().content_hash
    assert murk[1] > murk[0] and glory[0] > glory[1] and fog[0] == fog[1]
    assert (profit == LexiconScorer().score(["profit rose"])[0]).all()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "expected a file at .*, found none; put the master dictionary there"),
        (
            "word,positive\n",
            "expected the columns Word, Negative, Positive .*, found none called Word, Negative, Positive",
        ),
        ("", "expected the columns"),
        (HEADING + "FOG,3,0,0,2009\n", "expected words with a year in 'Positive' or 'Negative', found none"),
        (HEADING + "FOG,3,yes,0,2009\n", "line 2: expected a year or 0 in 'Negative', found 'yes'"),
    ],
)
def test_a_table_that_is_not_the_master_dictionary(tmp_path, content, expected):
    path = tmp_path / "dictionary.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ScorerError, match=expected):
        configured_scorer(lexicon_path=path)


def test_a_table_in_another_encoding_or_with_a_broken_line(tmp_path):
    path = tmp_path / "dictionary.csv"
    for content, expected in (
        ((HEADING + "CAFÉ,1,2009,0,0\n").encode("latin-1"), "expected text in UTF-8, found: .*0xc9.*; save"),
        (HEADING.encode() + b" ,1,2009,0,0\n", "line 2: expected a word in 'Word', found none"),
        (b"Negative,Positive,Word\n2009,0\n", "line 2: expected a word in 'Word', found none"),
        (HEADING.encode() + b"A" * 140_000 + b",1,2009,0,0\n", "expected CSV, found: field larger than field limit"),
    ):
        path.write_bytes(content)
        with pytest.raises(ScorerError, match=expected):
            configured_scorer(lexicon_path=path)


def test_grok_has_a_home_for_what_it_is_paid_for(tmp_path, loopback_xai):
    with pytest.raises(ScorerError, match="expected a home"):
        configured_scorer(grok=MODEL, variables=KEYS)
    scorer = configured_scorer(grok=MODEL, variables=KEYS, home=tmp_path)
    assert isinstance(scorer, GrokScorer)
    scorer.access = replace(scorer.access, base_url=loopback_xai.url("xai"))
    assert not np.isnan(scorer.score(["Good news"])).any()
    scorer.access.close()
    assert len(list((tmp_path / "archive" / "xai" / "engines.document_scores").glob("*.gz"))) == 1
    assert (tmp_path / "live" / "budgets" / "xai.sqlite").is_file()


def test_the_resource_passes_the_home_on(tmp_path):
    scoring = ScorerResource(grok=MODEL, home=str(tmp_path)).scoring()
    assert (scoring.grok, scoring.home) == (MODEL, tmp_path)
    assert isinstance(scoring.scorer(), GrokScorer)
    assert build_definitions().resources["scorer"].home
