"""Fixtures that every test may use."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import time_machine

from tests.loopback.desk import DESK_HISTORY, DESK_SESSIONS, LiveDesk, opened_desk
from tests.loopback.server import Loopback
from tests.loopback.world import FRIDAY_EVENING, World

ROOT = Path(__file__).resolve().parents[1]
NO_PEERS = ROOT / "tests" / "no_peers"
"""A folder that is not there: other engines take half a minute a night, and are asked by tests of their own."""
SHARED_DATA = ROOT.parent / "shared" / "data"
NIGHT_HOME_RANGE = ("2008-01-02", "2008-01-31")
TRAINED_HOME_RANGE = ("2008-01-02", "2011-06-30")
OWN_VARIABLES = ("GNOSIS_", "DAGSTER_", "MLFLOW_")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data beside the repository; the test is skipped, named and counted, without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real market data not found beside the repository: ../shared/data")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def no_other_engines() -> Iterator[None]:
    """Nights of tests start no other backtest engine, also where ``make peers`` has made them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNOSIS_PEERS", str(NO_PEERS))
        yield


@dataclass(frozen=True)
class Said:
    """What one call of the command line returned and printed."""

    status: int
    out: str
    err: str


def _environment_of(home: Path, **settings: str) -> dict[str, str]:
    """Return this process's environment with no other settings of the product than those given.

    Pictures are looked at in the homes that tests share; elsewhere nights go without.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    ours = {"GNOSIS_HOME": str(home), "COLUMNS": "200", "GNOSIS_PEERS": str(NO_PEERS), "GNOSIS_PICTURES": "false"}
    return kept | ours | settings


def _run_gnosis(home: Path, *arguments: str, largest_file_bytes: int | None = None, **settings: str) -> Said:
    """Call ``gnosis`` in a process of its own, as a user does."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_file_bytes},) * 2); "
    code = "import sys; from gnosis_dagster.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code if largest_file_bytes is None else limit + code, *arguments],
        cwd=ROOT,
        env=_environment_of(home, **settings),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def run_gnosis() -> Callable[..., Said]:
    """Return a function that calls ``gnosis`` in a process of its own: home, arguments, settings by variable."""
    return _run_gnosis


@pytest.fixture(scope="session")
def parquet_hashes() -> Callable[[Path], dict[str, str]]:
    """Return a function that gives the SHA-256 of every Parquet file in a home, by path below the lake."""

    def hashes(home: Path) -> dict[str, str]:
        lake = home / "lake"
        return {
            str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(lake.rglob("*.parquet"))
        }

    return hashes


def _made_home(folder: Path, first: str, last: str) -> Path:
    said = _run_gnosis(folder, "run", "--from", first, "--to", last, GNOSIS_PICTURES="true")
    assert said.status == 0, said.err
    return folder


@pytest.fixture(scope="session")
def night_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with the sample of January 2008. Read it or copy it; never write into it."""
    return _made_home(tmp_path_factory.mktemp("night") / "home", *NIGHT_HOME_RANGE)


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with sessions enough for trained models and a backtest. Read it or copy it; never write into it."""
    return _made_home(tmp_path_factory.mktemp("trained") / "home", *TRAINED_HOME_RANGE)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Return a function that copies a home into the test's own folder, as a user would move it."""

    def copy(home: Path) -> Path:
        return Path(shutil.copytree(home, tmp_path / "home"))

    return copy


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that calls ``gnosis`` inside this process: quick, and providers can be replaced."""

    def call(home: Path, *arguments: str, **settings: str) -> Said:
        from gnosis_dagster.cli import main

        for name in list(os.environ):
            if name.startswith(OWN_VARIABLES):
                monkeypatch.delenv(name)
        for name, value in _environment_of(home, **settings).items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capfd.readouterr()
        return Said(status, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def loopback_server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture
def loopback(loopback_server: Loopback) -> Loopback:
    """The server, without modes, vendors or log of earlier tests."""
    loopback_server.reset()
    return loopback_server


@pytest.fixture
def live_market(
    loopback: Loopback, tmp_path: Path, command_line: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dt.datetime | None], LiveDesk]]:
    """Return a function that opens a live market on the loopback server: vendors, settings file, home.

    The clock of this process then shows the instant given; None leaves it, for what runs in processes of its own.
    """
    monkeypatch.setattr("gnosis_dagster.nights.HISTORY_SESSIONS", DESK_HISTORY)
    with contextlib.ExitStack() as stack:

        def open_at(now: dt.datetime | None) -> LiveDesk:
            if now is not None:
                stack.enter_context(time_machine.travel(now, tick=True))
            world = World(now or dt.datetime.now(dt.UTC), DESK_SESSIONS)
            return opened_desk(loopback, world, tmp_path, command_line)

        yield open_at


@pytest.fixture
def live_desk(live_market: Callable[[dt.datetime | None], LiveDesk]) -> LiveDesk:
    """The live market on a Friday at 18:30 New York."""
    return live_market(FRIDAY_EVENING)


LONG_GROUPS = ("interface", "real", "engine_market", "clone", "files", "live", "known_truth")
WITHOUT_KERNELS = ("tests/resources/", "tests/jobs/")


def _turn(item: pytest.Item) -> int:
    """Return when a test is due on several workers.

    The longest group begins on the first worker, and compiles every kernel. On the second, what needs none comes before
    the other groups, which would otherwise compile the same at the same time. Single tests fill both to the end.
    """
    groups = [str(mark.args[0]) for mark in item.iter_markers("xdist_group")]
    if "homes" in groups:
        return 0
    if not groups:
        return 1 if item.nodeid.startswith(WITHOUT_KERNELS) else len(LONG_GROUPS) + 3
    return 2 + min(LONG_GROUPS.index(name) if name in LONG_GROUPS else len(LONG_GROUPS) for name in groups)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long groups first where the work is shared out."""
    if config.getoption("loadgroup", default=False):
        items.sort(key=_turn)


def pytest_configure(config: pytest.Config) -> None:
    """Hand out work in the order of :func:`_turn`, not by the number of tests in a group."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch with which the committed snapshot of the asset graph is written anew."""
    parser.addoption("--regenerate-snapshot", action="store_true", help="write graph_snapshot.json anew")
