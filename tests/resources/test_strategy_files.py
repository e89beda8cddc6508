"""Strategies of the user's folder: good files are served, broken ones are named and stop nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnosis.tables import TABLES
from resources.strategy_files import StrategyFolder, read_strategies

ROOT = Path(__file__).resolve().parents[2]
GOOD = '''
from gnosis.backtest import strategy

@strategy(grid={"share": (0.5, 1.0)})
def half(view, *, share=0.5):
    """Half of the equity."""
    return {symbol: share / len(view.symbols) for symbol in view.symbols}
'''


def folder_with(path: Path, **files: str) -> StrategyFolder:
    for name, text in files.items():
        (path / f"{name}.py").write_text(text)
    return read_strategies(path, {"placebo"}, TABLES)


def test_a_file_gives_its_strategy_with_the_hash_of_its_text(tmp_path: Path) -> None:
    (found,) = folder_with(tmp_path, half=GOOD).strategies
    assert found.strategy.name == "half"
    assert found.strategy.description == "Half of the equity."
    assert found.strategy.candidates() == [{"share": 0.5}, {"share": 1.0}]
    (changed,) = folder_with(tmp_path, half=GOOD.replace("Half of", "One half of")).strategies
    assert changed.code_sha256 != found.code_sha256


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import a_package_that_is_not_there", "found ModuleNotFoundError"),
        ("def half(view): return {", "found SyntaxError"),
        ("1 / 0", "found ZeroDivisionError"),
        ("x = 1", "declared with @strategy(), found none"),
        (GOOD.replace("def half", "def placebo"), "found 'placebo' taken"),
        (GOOD.replace('grid={"share": (0.5, 1.0)}', 'reads=("raw.nothing",)'), "found ['raw.nothing']"),
        (GOOD.replace('{"share"', '{"weight"'), "found StrategyError"),
        (GOOD.replace("*, share=0.5", "share"), "found StrategyError"),
    ],
)
def test_a_broken_file_is_named_and_the_others_are_served(tmp_path: Path, text: str, said: str) -> None:
    found = folder_with(tmp_path, a_broken_one=text, half=GOOD)
    assert [file.strategy.name for file in found.strategies] == ["half"]
    (problem,) = found.problems
    assert problem.startswith(str(tmp_path / "a_broken_one.py"))
    assert said in problem


def test_two_files_with_one_name_are_told_apart(tmp_path: Path) -> None:
    found = folder_with(tmp_path, a=GOOD, b=GOOD)
    assert len(found.strategies) == 1
    assert found.problems[0].startswith(str(tmp_path / "b.py"))


def test_no_folder_is_no_strategy(tmp_path: Path) -> None:
    assert read_strategies(tmp_path / "none", set(), TABLES) == StrategyFolder()


def test_the_example_of_the_documents_is_a_strategy_and_is_printed_there() -> None:
    folder = ROOT / "docs" / "examples" / "strategies"
    (found,) = read_strategies(folder, set(), TABLES).strategies
    assert found.strategy.reads == ("features.regime",)
    assert found.path.read_text() in (ROOT / "docs" / "backtests.md").read_text()
