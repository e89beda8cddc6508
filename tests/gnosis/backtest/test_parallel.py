"""Work units on every backend: one suite for serial, joblib and Ray (section 10)."""

from __future__ import annotations

import importlib.util
import os
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gnosis.backtest import Configuration
from gnosis.backtest.parallel import Failed, map_units
from gnosis.backtest.strategy import strategy
from gnosis.backtest.trials import MemoryLedger
from gnosis.backtest.walk_forward import walk_forward
from gnosis.backtest.windows import Windows

WITH_RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed: gnosis[ray]")
BACKENDS = ["serial", "joblib", pytest.param("ray", marks=[WITH_RAY, pytest.mark.xdist_group("ray")])]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One local Ray cluster for the suite."""
    import ray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.fixture(params=BACKENDS)
def backend(request) -> str:
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return request.param


def drawn(unit, rng, values):
    return unit, values[unit] + rng.normal(size=3), (os.environ.get("OMP_NUM_THREADS"), pl.thread_pool_size())


def careful(unit, rng, folder):
    """Fails at the first attempt of unit 1, always at unit 2."""
    path = Path(folder) / str(unit)
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    if unit == 2 or (unit == 1 and path.read_text() == "x"):
        raise RuntimeError(f"unit {unit}")
    return rng.integers(1000)


def greedy(unit, rng, values):
    values[0] = 1.0


def deadly(unit, rng, folder):
    """Ends its process: the first time for unit 1, always for unit 2."""
    path = Path(folder) / str(unit)
    is_first = not path.exists()
    path.touch()
    if unit == 2 or (unit == 1 and is_first):
        os._exit(3)
    return unit * 10


def test_bytes_do_not_depend_on_backend_or_workers(backend) -> None:
    values = np.arange(200_000.0)
    expected = [(unit, value.tobytes()) for unit, value, _ in map_units(
        drawn, range(7), backend="serial", seed=5, shared={"values": values}
    )]  # fmt: skip
    for n_workers in (1, 2):
        found = map_units(drawn, range(7), backend=backend, n_workers=n_workers, seed=5, shared={"values": values})
        assert [(unit, value.tobytes()) for unit, value, _ in found] == expected
        if backend != "serial":
            assert {threads for _, _, threads in found} == {("1", 1)}
    assert len({value for _, value in expected}) == 7
    other = map_units(drawn, range(7), backend="serial", seed=6, shared={"values": values})
    assert other[0][1].tobytes() != expected[0][1]


def test_a_failed_unit_is_tried_once_more_and_then_reported(backend, tmp_path) -> None:
    """B-10.4: the second attempt draws what the first would have drawn."""
    found = map_units(careful, range(4), backend=backend, seed=1, shared={"folder": str(tmp_path)})
    assert found[2] == Failed(2, "RuntimeError: unit 2")
    assert [len(path.read_text()) for path in sorted(tmp_path.iterdir())] == [1, 2, 2, 1]
    again = map_units(careful, range(4), backend="serial", seed=1, shared={"folder": str(tmp_path)})
    assert pickle.dumps(found) == pickle.dumps(again)


def test_shared_arrays_are_read_only(backend) -> None:
    values = np.zeros(200_000)
    found = map_units(greedy, [0], backend=backend, shared={"values": values})
    assert isinstance(found[0], Failed)
    assert "read-only" in found[0].error
    assert values[0] == 0.0


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True)
def test_a_unit_that_ends_its_process_takes_no_other_along(backend, tmp_path) -> None:
    found = map_units(deadly, range(4), backend=backend, shared={"folder": str(tmp_path)})
    assert [found[0], found[1], found[3]] == [0, 10, 30]
    assert isinstance(found[2], Failed)
    assert "died" in found[2].error


@strategy(grid={"weight": (0.2, 0.9), "weekday": (0, 3)})
def one_day_a_week(view, *, weight=0.2, weekday=0):
    """In the market after one weekday."""
    return {"SPY": weight if view.session.weekday() == weekday else 0.0}


def test_a_walk_forward_is_the_same_on_every_backend(backend, make_walk) -> None:
    bars, costs = make_walk(["SPY"], 75), Configuration(slippage="proportional", participation=None)

    def optimised(on: str) -> bytes:
        ledger = MemoryLedger()
        windows = Windows(train_sessions=45, test_sessions=20)
        found = walk_forward(
            one_day_a_week, bars, costs, recorder=ledger, code_sha256="c" * 64, windows=windows, backend=on
        )
        frames = [found.windows, found.scores, found.surface, found.result.equity, found.result.fills, ledger.rows()]
        return pickle.dumps([frame.write_csv() for frame in frames])

    assert optimised(backend) == optimised("serial")


def test_nothing_to_do_and_nobody_to_do_it() -> None:
    assert map_units(drawn, [], backend="joblib") == []
    with pytest.raises(ValueError, match="serial, joblib, ray"):
        map_units(drawn, [1], backend="threads")
    with pytest.raises(ValueError, match="1 worker"):
        map_units(drawn, [1], n_workers=0)
