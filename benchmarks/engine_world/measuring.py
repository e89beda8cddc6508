"""Times and memory of calls, and the lines that are printed of them."""

from __future__ import annotations

import contextlib
import cProfile
import io
import pstats
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from unittest import mock

T = TypeVar("T")
RUNS, WARM_UPS = 50, 5
PROFILED_CALLS = 20
PROFILE_LINES = 10


@dataclass(frozen=True)
class Used:
    """What calls took."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: Used) -> Used:
        return Used(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)


def median_ms(
    call: Callable[..., object],
    given: Callable[[], object] | None = None,
    runs: int = RUNS,
    warm_ups: int = WARM_UPS,
) -> float:
    """Return the median CPU time of ``runs`` calls after ``warm_ups``.

    With ``given`` every call gets what that returns, made anew and not timed: what an input keeps of its first use is
    then made in every call.
    """
    times = []
    for _ in range(warm_ups + runs):
        arguments = () if given is None else (given(),)
        start = time.process_time()
        call(*arguments)
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times[warm_ups:])


def inner_ms(
    call: Callable[[], object], functions: Mapping[str, tuple[object, str]], runs: int = 15
) -> dict[str, float]:
    """Return the median CPU time that a call spends in functions, each given by its owner and name there."""
    spent: dict[str, list[float]] = {label: [] for label in functions}

    def timed(label: str, function: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **named: object) -> object:
            start = time.process_time()
            found = function(*arguments, **named)
            spent[label][-1] += time.process_time() - start
            return found

        return run

    with contextlib.ExitStack() as stack:
        for label, (owner, name) in functions.items():
            stack.enter_context(mock.patch.object(owner, name, timed(label, getattr(owner, name))))
        for _ in range(1 + runs):
            for times in spent.values():
                times.append(0.0)
            call()
    return {label: 1000 * statistics.median(times[1:]) for label, times in spent.items()}


def used(call: Callable[[], T]) -> tuple[T, Used]:
    """Return what a call returns, and what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = call()
    return found, Used(time.perf_counter() - wall, time.process_time() - cpu)


def peak_mb() -> float:
    """Return the largest resident set of this process so far in MB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1e6 if sys.platform == "darwin" else size * 1024 / 1e6


def line(label: str, value: float, unit: str, limit: float | None = None, note: str = "") -> str:
    """Return a figure, and beside it its limit and whether it holds.

    >>> line("whole call", 7.5, "ms", 10.0)
    '  whole call                                                      7.50 ms   limit 10 ms: yes'
    """
    asked = "" if limit is None else f"   limit {limit:g} {unit}: {'yes' if value < limit else 'NO'}"
    return f"  {label:<58} {value:>9.2f} {unit}{asked}{'   ' if note else ''}{note}"


def profiled(call: Callable[[], object], calls: int = PROFILED_CALLS) -> str:
    """Return the functions in which several calls spend most time of their own, those they call not counted."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(calls):
        call()
    profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(PROFILE_LINES)
    kept = [row for row in text.getvalue().splitlines() if row.strip()]
    return "\n".join(f"    {row}" for row in kept)
