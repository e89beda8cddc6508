"""The tables of docs/features.md are what the registry says; ``--regenerate-snapshot`` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnosis.features import FEATURES
from gnosis.features.page import registry_page

DOCUMENT = Path(__file__).parents[3] / "docs" / "features.md"
BEGIN, END = "<!-- registry -->\n", "<!-- end of registry -->"


def test_the_documented_features_are_those_of_the_registry(request):
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    found, _, after = rest.partition(END)
    if request.config.getoption("--regenerate-snapshot"):
        DOCUMENT.write_text(before + BEGIN + registry_page() + END + after)
        pytest.skip("docs/features.md was written anew; look at its diff")
    assert found == registry_page()


def test_every_feature_has_its_line():
    lines = [line for line in registry_page().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [line.split(" | ")[1] for line in lines] == [f"`{feature.name}`" for feature in FEATURES]
    assert all(line.replace("\\|", "").count("|") == 9 for line in lines)
