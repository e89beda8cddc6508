"""Frames and processes for the tests of the lake."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from resources.lake import Lake

SCRIPT = Path(__file__).with_name("lake_processes.py")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def processes() -> ModuleType:
    """The module behind the processes: its frames and its sessions."""
    spec = importlib.util.spec_from_file_location("lake_processes", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process of the script; it waits for a line before it begins. All are killed at the end."""
    running: list[subprocess.Popen[str]] = []

    def start_one(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            env={"PYTHONPATH": str(Path(__file__).parents[3])},
            text=True,
        )
        running.append(process)
        return process

    yield start_one
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(tmp_path / "home")
