"""Strategies of the user: functions in Python files of one folder, declared with ``gnosis.backtest.strategy``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from gnosis.backtest.strategy import Strategy


class StrategyFileError(Exception):
    """A file of strategies cannot be used; the message says why."""


@dataclass(frozen=True)
class StrategyFile:
    """One strategy with where it comes from.

    Attributes
    ----------
    strategy
        As declared.
    path
        Its file.
    code_sha256
        Hash of the file: another text is another trial.
    """

    strategy: Strategy
    path: Path
    code_sha256: str


@dataclass(frozen=True)
class StrategyFolder:
    """What a folder of strategies holds.

    Attributes
    ----------
    strategies
        In the order of files and names.
    problems
        Of each file that cannot be used, what is wrong with it: one broken file stops neither the others nor a night.
    """

    strategies: tuple[StrategyFile, ...] = ()
    problems: tuple[str, ...] = ()


def read_strategies(folder: Path, taken: Collection[str], tables: Collection[str]) -> StrategyFolder:
    """Return the strategies of every ``*.py`` of ``folder``; none where there is no such folder.

    Parameters
    ----------
    folder
        Folder of the user; it need not exist.
    taken
        Names that the shipped strategies have.
    tables
        Names of the tables that a strategy may read.
    """
    found: list[StrategyFile] = []
    problems: list[str] = []
    names = set(taken)
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else []:
        try:
            declared = _declared(path)
            for value in declared:
                if value.name in names:
                    raise StrategyFileError(f"expected a new name, found {value.name!r} taken: rename the function")
                if unknown := sorted(set(value.reads) - set(tables)):
                    raise StrategyFileError(f"expected reads of stored tables, found {unknown}: see `gnosis tables`")
        except StrategyFileError as error:
            problems.append(f"{path}: {error}")
            continue
        code_sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        names |= {value.name for value in declared}
        found += [StrategyFile(value, path, code_sha256) for value in declared]
    return StrategyFolder(tuple(found), tuple(problems))


def _declared(path: Path) -> list[Strategy]:
    module = _imported(path)
    own = [value for _, value in sorted(vars(module).items()) if isinstance(value, Strategy)]
    declared = [value for value in own if value.function.__module__ == module.__name__]
    if not declared:
        raise StrategyFileError("expected a function declared with @strategy(), found none: see docs/backtests.md")
    return declared


def _imported(path: Path) -> ModuleType:
    name = f"gnosis_strategies_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StrategyFileError("expected a Python file, found something that cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    written = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        # Whatever the user's own code raises is an error of that file.
        del sys.modules[name]
        raise StrategyFileError(
            f"{path}: expected a file that imports, found {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.dont_write_bytecode = written
    return module
