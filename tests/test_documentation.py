"""What the documents promise exists: commands, settings, files, and SQL that answers."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from gnosis_dagster.settings import Settings
from resources.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def queries() -> list[str]:
    block = re.search(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    return [query.strip() for query in block[1].split(";\n") if query.strip()]


@pytest.mark.heavy
@pytest.mark.xdist_group("homes")
def test_sql_of_the_readme_answers(trained_home: Path) -> None:
    found = []
    with Lake(trained_home).connect() as connection:
        found = [connection.execute(query).fetchall() for query in queries()]
    stiffness, zero_gamma, processors, calibration, ideas, dependence, features, odds = found
    assert {row[0] for row in stiffness} == {"AAPL", "GOOG", "IBM", "MSFT"}
    assert all(row[1] > 0 and row[2] > 0 for row in stiffness)
    assert {row[0] for row in zero_gamma} == {"AAPL", "GOOG", "IBM", "MSFT"}
    assert all(low < high and 0.5 * spot < wall < 2 * spot for _, spot, _, wall, _, _, low, high, _ in zero_gamma)
    assert {row[0] for row in processors} == {"liquidity", "elasticity", "sentiment"}
    assert all(0 <= row[6] <= 1 and (row[6] >= 0.8 or row[7]) for row in processors)
    assert {row[1] for row in calibration} >= {"range_on_amplification", "range_on_gamma_pressure"}
    assert [row[0] for row in ideas] == ["AAPL", "GOOG", "IBM", "MSFT"]
    assert all(0 < row[2] < 1 and (row[1] != "flat" or row[5]) and row[6] for row in ideas)
    assert all(0 <= row[1] <= 1 for row in dependence)
    assert {row[0] for row in features} == {"AAPL", "GOOG", "IBM", "MSFT"}
    assert all(0 <= row[1] < 40 and 0.3 < row[2] <= 1 for row in features)
    assert sum(row[1] for row in odds) > 100


@pytest.mark.heavy
@pytest.mark.xdist_group("homes")
def test_sql_of_the_engines_answers(trained_home: Path) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "engines.md").read_text(), re.DOTALL)
    with Lake(trained_home).connect() as connection:
        rows = connection.execute(query).fetchall()
    assert {row[0] for row in rows} == {"AAPL", "GOOG", "IBM", "MSFT"}


@pytest.mark.heavy
@pytest.mark.xdist_group("homes")
def test_sql_of_learning_answers(trained_home: Path) -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "learning.md").read_text(), re.DOTALL)
    with Lake(trained_home).connect() as connection:
        gates, skills, trials = [connection.execute(query).fetchall() for query in block.split(";\n") if query.strip()]
    assert gates == [], "no night judges a version"
    assert {row[0] for row in skills} == {"direction", "magnitude", "volatility", "return", "meta"}
    assert {row[4] for row in skills} <= {"skill", "no_skill", "insufficient"}
    # Three families, and one of them with and without the energy weight.
    assert any(row[0].endswith("h5 direction") and row[1] == 5 for row in trials)


@pytest.mark.heavy
@pytest.mark.xdist_group("homes")
def test_sql_of_the_features_answers(trained_home: Path) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "features.md").read_text(), re.DOTALL)
    with Lake(trained_home).connect() as connection:
        rows = connection.execute(query).fetchall()
    assert len(rows) == 8
    assert {row[3] for row in rows} <= {"Abundant", "Normal", "Thin", "Stressed", "Crisis"}


@pytest.mark.parametrize(("name", "least"), [("options.md", 20), ("engines.md", 2)])
def test_examples_print_what_they_say(name: str, least: int) -> None:
    found = doctest.testfile(str(ROOT / "docs" / name), module_relative=False)
    assert found.attempted > least
    assert found.failed == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document: Path) -> None:
    defined = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`|\s)make ([a-z]+)(?:`|\s|$)", document.read_text(), re.MULTILINE))
    assert named - defined == set()


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    variables = {
        str(field.validation_alias or f"GNOSIS_{name.upper()}") for name, field in Settings.model_fields.items()
    }
    assert {name for name in variables if name not in text} == set()


def test_every_command_is_documented() -> None:
    from gnosis_dagster.cli import _COMMANDS

    text = (ROOT / "docs" / "operating.md").read_text()
    assert {name for name in _COMMANDS if f"gnosis {name}" not in text} == set()
