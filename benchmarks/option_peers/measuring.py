"""Process time in alternating rounds, and the table that is printed of it."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

ROUNDS = 5


class Call(NamedTuple):
    """A call to time: how many contracts it does, the call, and how often it is repeated in one round."""

    n: int
    run: Callable[[], object]
    repeats: int = 1


@contextlib.contextmanager
def one_processor() -> Iterator[None]:
    """Keep this process on one processor: libraries that start a thread per processor then start one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def seconds(calls: dict[str, Call], clock: Callable[[], float] = time.process_time) -> dict[str, float]:
    """Return the median seconds of every call over alternating rounds, after one warm-up."""
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            start = clock()
            for _ in range(call.repeats):
                call.run()
            if turn:
                measured[name].append((clock() - start) / call.repeats)
    return {name: statistics.median(values) for name, values in measured.items()}


def compare(
    title: str,
    calls: dict[str, Call],
    limits: dict[str, float] | None = None,
    verdicts: dict[str, str] | None = None,
    missing: tuple[str, ...] = (),
) -> dict[str, float]:
    """Time the calls and print contracts per second; the first is the one that the others are compared with.

    ``limits`` is what the first call must reach over another, ``verdicts`` what the hard grid said of a library.
    """
    rates = {name: calls[name].n / value for name, value in seconds(calls).items()}
    own = next(iter(rates.values()))
    print(f"\n{title}")
    for name, rate in rates.items():
        limit = (limits or {}).get(name)
        asked = "" if limit is None else f"   limit {limit:4.1f}: {'reached' if own / rate >= limit else 'MISSED'}"
        verdict = next((text for start, text in (verdicts or {}).items() if name.startswith(start)), "")
        print(f"  {name:<50} {rate:>13,.0f} contracts/s   own/this {own / rate:8.1f}{asked}   {verdict}".rstrip())
    for name in missing:
        print(f"  {name:<50} not installed: uv sync --group bench")
    return rates
