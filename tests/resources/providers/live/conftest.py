"""Processes of the scripted services, and repeats that do not wait."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stamina

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = Path(__file__).with_name("scripted.py")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Repeats happen at once."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process of the script; it begins at :func:`go`. All are killed at the end."""
    running: list[subprocess.Popen[str]] = []

    def start_one(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            text=True,
        )
        running.append(process)
        return process

    yield start_one
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def go() -> Callable[..., None]:
    """Let processes begin, all at once."""

    def go_all(*processes: subprocess.Popen[str]) -> None:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

    return go_all
