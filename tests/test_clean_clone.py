"""The first command of the README on a clean clone: what is committed, in an empty home, under a path with a space."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FIRST, LAST, N_SESSIONS = "2008-01-02", "2008-01-15", 10
INDEX_SETTINGS = ("PIP_", "UV_", "SSL_", "HTTP_", "HTTPS_", "NO_PROXY", "http_", "https_", "no_proxy", "REQUESTS_CA_")

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("clone"), pytest.mark.timeout(1500)]


@dataclass(frozen=True)
class Clone:
    """A clone in which ``make run`` was done once."""

    folder: Path
    environment: dict[str, str]
    first_output: str

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return run(self.folder, self.environment, *command)


def run(folder: Path, environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def empty_home_environment(home: Path) -> dict[str, str]:
    """Return an environment without this session's settings, but with its package index and uv's downloads."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    own_scripts = str(ROOT / ".venv" / "bin")
    return {
        "PATH": os.pathsep.join(entry for entry in os.environ["PATH"].split(os.pathsep) if entry != own_scripts),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "UV_CACHE_DIR": str(cache / "uv"),
        "PIP_CACHE_DIR": str(cache / "pip"),
        **{name: value for name, value in os.environ.items() if name.startswith(INDEX_SETTINGS)},
        # The trap: where this is set, nothing that is imported leaves compiled modules behind.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHON": sys._base_executable,  # type: ignore[attr-defined]
        "GNOSIS_FIRST_SESSION": FIRST,
        "GNOSIS_LAST_SESSION": LAST,
    }


def take_over_compiled_kernels(folder: Path) -> None:
    """Give the clone what Numba compiled of these same sources here: another minute of compiling proves nothing more.

    Numba believes a cache whose source has the size and the time of the one it was made from. A kernel has code of
    other modules in it, so nothing is taken over unless all sources of the library are those of the clone.
    """
    sources = [path.relative_to(ROOT) for path in ROOT.glob("gnosis/**/*.py")]
    if any(not (folder / source).exists() for source in sources) or any(
        (ROOT / source).read_bytes() != (folder / source).read_bytes() for source in sources
    ):
        return
    for source in sources:
        compiled = [*(ROOT / source).parent.glob(f"__pycache__/{source.stem}.*.nb?")]
        if not compiled:
            continue
        stat = (ROOT / source).stat()
        os.utime(folder / source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        cache = (folder / source).parent / "__pycache__"
        cache.mkdir(exist_ok=True)
        for path in compiled:
            shutil.copy2(path, cache)


@pytest.fixture(scope="module")
def clean_clone() -> Iterator[Clone]:
    """A clone after its first ``make run``; skipped when git, make or the package index is not to be had."""
    for tool in ("git", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"a clean clone needs {tool}, which is not on the path")
    with tempfile.TemporaryDirectory(prefix="clean clone ") as scratch:
        home, folder = Path(scratch) / "home", Path(scratch) / "gnosis"
        home.mkdir()
        environment = empty_home_environment(home)
        cloned = run(Path(scratch), environment, "git", "clone", "--quiet", str(ROOT), str(folder))
        if cloned.returncode:
            pytest.skip(f"git cannot clone this folder: {cloned.stderr.strip()}")
        installed = run(folder, environment, "make", "install")
        if installed.returncode:
            asked = (".venv/bin/python", "-m", "pip", "--retries", "1", "--timeout", "15", "index", "versions", "uv")
            answer = run(folder, environment, *asked)
            if answer.returncode:
                pytest.skip(f"the package index is unreachable: {answer.stderr.strip().splitlines()[-1]}")
            pytest.fail(f"make install failed although the package index answers:\n{installed.stderr}")
        take_over_compiled_kernels(folder)
        ended = run(folder, environment, "make", "run")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        yield Clone(folder, environment, ended.stdout)


def test_make_run_on_a_clean_clone_ends_with_summary_and_next_commands(clean_clone: Clone) -> None:
    lines = clean_clone.first_output.splitlines()
    titles = ("Tables", "Model scores", "Backtest", "Quarantined rows", "Seconds", "Everything is in")
    at = [next(n for n, line in enumerate(lines) if line.startswith(title)) for title in titles]
    assert at == sorted(at)
    made = next(line.split() for line in lines if line.split()[:1] == ["engines.elasticity"])
    assert made[2:5] == [str(N_SESSIONS), FIRST, LAST]
    commands = [line.strip() for line in lines[at[-1] :] if line.startswith("  ") and not line.startswith("   ")]
    assert any(command.startswith("make up") for command in commands)
    assert any(command.startswith(".venv/bin/gnosis sql") for command in commands)


def test_query_that_make_run_prints_answers(clean_clone: Clone) -> None:
    printed = next(
        line for line in clean_clone.first_output.splitlines() if line.strip().startswith(".venv/bin/gnosis sql")
    )
    answer = clean_clone.run("sh", "-c", printed)
    assert answer.returncode == 0, answer.stderr
    assert LAST in answer.stdout


def test_make_run_again_on_a_clean_clone_changes_nothing(
    clean_clone: Clone, parquet_hashes: Callable[[Path], dict[str, str]]
) -> None:
    home = clean_clone.folder / ".gnosis"
    before, catalog = parquet_hashes(home), (home / "gnosis.duckdb").read_bytes()
    again = clean_clone.run("make", "run")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(f"Nothing to do: all {N_SESSIONS} sessions from {FIRST} to {LAST} are stored")
    assert before
    assert parquet_hashes(home) == before
    assert (home / "gnosis.duckdb").read_bytes() == catalog


def test_make_run_leaves_the_work_tree_clean(clean_clone: Clone) -> None:
    assert clean_clone.run("git", "status", "--porcelain").stdout == ""


def test_packages_of_a_clean_clone_are_compiled(clean_clone: Clone) -> None:
    (package,) = (clean_clone.folder / ".venv").glob("lib/*/site-packages/dagster")
    modules = list(package.rglob("*.py"))
    compiled = {path.name.split(".")[0] for path in package.rglob("*.pyc")}
    assert modules
    assert {path.stem for path in modules} <= compiled


def test_unsupported_python_is_named(clean_clone: Clone, tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\ntest "$1" = -V && echo Python 3.10.13 && exit\nexit 1\n')
    old.chmod(0o755)
    refused = run(clean_clone.folder, clean_clone.environment | {"PYTHON": str(old)}, "make", "run")
    assert refused.returncode != 0
    assert "gnosis needs Python 3.11, 3.12 or 3.13, found Python 3.10.13" in refused.stderr
    assert (clean_clone.folder / ".venv" / "installed").exists()
