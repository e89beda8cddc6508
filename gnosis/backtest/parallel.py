"""Work units spread over processes, with results that do not depend on how: serial, joblib or Ray (section 10).

Units are fixed before they are handed out, carry a seed of their own and come back in their order. A unit that fails,
or whose process dies, is tried once more and then reported; the others are not lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

Backend = Literal["serial", "joblib", "ray"]
BACKENDS: tuple[Backend, ...] = ("serial", "joblib", "ray")
ATTEMPTS = 2

# Read once, when polars is loaded: it must be set before a worker imports anything of this package.
_POLARS_THREADS = ("POLARS_MAX_THREADS", "1")

UnitT = TypeVar("UnitT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Failed:
    """A unit that gave no result.

    Attributes
    ----------
    number
        Position of the unit.
    error
        Type and message of what its last attempt raised.
    """

    number: int
    error: str


def map_units(
    function: Callable[..., ResultT],
    units: Sequence[UnitT],
    *,
    backend: Backend = "joblib",
    n_workers: int = 2,
    seed: int = 0,
    shared: Mapping[str, Any] | None = None,
) -> list[ResultT | Failed]:
    """Return ``function(unit, rng, **shared)`` of every unit, in the order of the units.

    Parameters
    ----------
    function
        Deterministic in its arguments. It may not write to ``shared``: arrays arrive read-only.
    units
        What to do, all of it known before anything starts.
    backend
        ``serial``: in this process; ``joblib``: in processes of this machine; ``ray``: on the Ray cluster this process
        is connected to, or a local one that lasts as long as the call (needs the extra ``ray``).
    n_workers
        Processes at work at once; libraries inside them run on one thread.
    seed
        Each unit draws from a generator of its own, spawned from this by its number.
    shared
        Handed to every call by keyword. Large arrays are mapped into the memory of the workers, not copied.

    Returns
    -------
    list
        A result, or :class:`Failed` after two attempts, for every unit.

    Raises
    ------
    ValueError
        For an unknown backend or fewer workers than one.

    Examples
    --------
    >>> map_units(lambda unit, rng, offset: unit + offset, [1, 2], backend="serial", shared={"offset": 10})
    [11, 12]
    >>> map_units(lambda unit, rng: 1 // unit, [1, 0], backend="serial")
    [1, Failed(number=1, error='ZeroDivisionError: integer division or modulo by zero')]
    """
    if backend not in BACKENDS:
        raise ValueError(f"expected a backend of {', '.join(BACKENDS)}, found {backend!r}")
    if n_workers < 1:
        raise ValueError(f"expected 1 worker or more, found {n_workers}")
    seeds = np.random.SeedSequence(seed).spawn(len(units))
    tasks = [(number, unit, each) for number, (unit, each) in enumerate(zip(units, seeds, strict=True))]
    spread = {"serial": _serial, "joblib": _joblib, "ray": _ray}[backend]
    found = spread(function, tasks, n_workers, dict(shared or {})) if tasks else {}
    return [found[number] for number in range(len(units))]


def _attempted(
    function: Callable[..., Any], task: tuple[int, Any, np.random.SeedSequence], shared: Mapping[str, Any]
) -> tuple[int, Any]:
    """Return the number of a unit and its result; both attempts draw the same numbers."""
    from threadpoolctl import threadpool_limits

    number, unit, seed = task
    frozen = {name: _read_only(value) for name, value in shared.items()}
    error = ""
    for _ in range(ATTEMPTS):
        try:
            with threadpool_limits(1):
                return number, function(unit, np.random.default_rng(seed), **frozen)
        except Exception as raised:  # noqa: BLE001 whatever a unit raises is reported with its number, not swallowed
            error = f"{type(raised).__name__}: {raised}"
    return number, Failed(number, error)


def _read_only(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value = value.view()
        value.flags.writeable = False
    return value


def _serial(
    function: Callable[..., Any],
    tasks: Sequence[tuple[int, Any, np.random.SeedSequence]],
    n_workers: int,  # noqa: ARG001 one process is at work
    shared: Mapping[str, Any],
) -> dict[int, Any]:
    return dict(_attempted(function, task, shared) for task in tasks)


def _joblib(
    function: Callable[..., Any],
    tasks: Sequence[tuple[int, Any, np.random.SeedSequence]],
    n_workers: int,
    shared: Mapping[str, Any],
) -> dict[int, Any]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    found: dict[int, Any] = {}

    def spread(some: Sequence[tuple[int, Any, np.random.SeedSequence]]) -> None:
        # Two processes even for one unit: with one, joblib would work in this process.
        with parallel_config(
            "loky", n_jobs=max(n_workers, 2), inner_max_num_threads=1, initializer=os.putenv, initargs=_POLARS_THREADS
        ):
            pool = Parallel(return_as="generator_unordered", pre_dispatch=n_workers)
            found.update(pool(delayed(_attempted)(function, task, shared) for task in some))

    try:
        spread(tasks)
    except TerminatedWorkerError:
        # A worker died and took the units of the others along: each is tried once more, by itself.
        for task in tasks:
            if task[0] not in found:
                try:
                    spread([task])
                except TerminatedWorkerError as died:
                    found[task[0]] = Failed(task[0], f"{type(died).__name__}: the process of the unit died")
    return found


def _ray(
    function: Callable[..., Any],
    tasks: Sequence[tuple[int, Any, np.random.SeedSequence]],
    n_workers: int,
    shared: Mapping[str, Any],
) -> dict[int, Any]:
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "expected the package ray, found none: install gnosis[ray], or take backend='joblib'"
        ) from error
    is_ours = not ray.is_initialized()
    if is_ours:
        ray.init(num_cpus=n_workers, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        # Arrays in the store are read-only and shared by the workers of a machine.
        held = {name: ray.put(value) for name, value in shared.items()}
        names = list(held)

        @ray.remote(max_retries=ATTEMPTS - 1, runtime_env={"env_vars": dict([_POLARS_THREADS])})
        def attempt(task: tuple[int, Any, np.random.SeedSequence], *values: Any) -> tuple[int, Any]:
            return _attempted(function, task, dict(zip(names, values, strict=True)))

        found: dict[int, Any] = {}
        for task, waiting in [(task, attempt.remote(task, *held.values())) for task in tasks]:
            try:
                found[task[0]] = ray.get(waiting)[1]
            except ray.exceptions.WorkerCrashedError as died:
                found[task[0]] = Failed(task[0], f"{type(died).__name__}: the process of the unit died")
        return found
    finally:
        if is_ours:
            ray.shutdown()
