"""One call of an engine in its parts: inputs out of frames, processors, interpreter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

from engine_world.measuring import median_ms

Replaced = Callable[[str, Callable[..., Any]], Callable[..., Any]]


class Parts:
    """A call of an engine whose inner functions can be timed on inputs that are made as the engine makes them.

    Parameters
    ----------
    call
        Whole call of the engine.
    state
        Module of the engine.
    inner
        Names of the functions of that module which the call hands prepared inputs to; the first runs the processors.
    processes
        Processors by name.
    """

    def __init__(
        self, call: Callable[[], object], state: ModuleType, inner: Sequence[str], processes: Mapping[str, Any]
    ) -> None:
        self.call, self.state, self.inner, self.processes = call, state, inner, processes
        self._functions = {name: getattr(state, name) for name in inner}
        self._results: list[tuple[str, Any]] = []

        def keeping(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
            def kept(*arguments: Any) -> Any:
                self._results.append((name, function(*arguments)))
                return self._results[-1][1]

            return kept

        with self._replaced(keeping):
            call()

    @contextlib.contextmanager
    def _replaced(self, by: Replaced) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for name, function in self._functions.items():
                stack.enter_context(mock.patch.object(self.state, name, by(name, function)))
            yield

    def prepared(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the calls of the inner functions on inputs made anew; none of them is done."""
        calls: list[tuple[str, tuple[Any, ...]]] = []

        def known(name: str, _: Callable[..., Any]) -> Callable[..., Any]:
            def told(*arguments: Any) -> Any:
                calls.append((name, arguments))
                expected, result = self._results[len(calls) - 1]
                if expected != name:
                    raise RuntimeError(f"expected {expected} to be called as before, found {name}")
                return result

            return told

        with self._replaced(known):
            self.call()
        return calls

    def done(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        """Run processors and interpreter on prepared inputs."""
        for name, arguments in calls:
            self._functions[name](*arguments)

    def processor_ms(self, runs: int = 15) -> dict[str, float]:
        """Return the median CPU time of each processor on prepared inputs, all sign conventions together."""
        all_results = [result for name, result in self._results if name == self.inner[0]]

        def inputs_of_processors() -> list[tuple[Any, ...]]:
            given = [arguments for name, arguments in self.prepared() if name == self.inner[0]]
            return [(*arguments, results) for arguments, results in zip(given, all_results, strict=True)]

        def timed(process: Callable[..., object]) -> float:
            def every(given: list[tuple[Any, ...]]) -> None:
                for arguments in given:
                    process(*arguments)

            return median_ms(every, inputs_of_processors, runs, warm_ups=1)

        return {name: timed(process) for name, process in self.processes.items()}
