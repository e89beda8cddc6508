"""What a strategy is: a plain function over a view, with the tables it reads and the parameters it may be given."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

from gnosis.backtest.orders import Cancel, Order
from gnosis.backtest.view import View

Decision = Mapping[str, float] | Sequence[Order | Cancel]
"""Target weights by symbol (share of equity, signed; a symbol left out keeps its position), or orders."""

Decide = Callable[[View], Decision]


class StrategyError(ValueError):
    """A strategy is declared in a way that cannot be run."""


@dataclass(frozen=True)
class Strategy:
    """A named strategy.

    Attributes
    ----------
    name
        Stored with each run: the name of the function.
    function
        Takes a view and the parameters by keyword.
    reads
        Tables beside ``raw.equity_bars`` that the view serves.
    defaults
        Value of each parameter.
    grid
        Values that a walk-forward optimisation may choose from, by parameter; empty when nothing is to be chosen.
    description
        First line of the docstring.
    """

    name: str
    function: Callable[..., Decision]
    reads: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    description: str = ""

    def decide(self, parameters: Mapping[str, Any] | None = None) -> Decide:
        """Return the function of a view with ``parameters`` over the defaults.

        Raises
        ------
        StrategyError
            For parameters the strategy does not have.
        """
        given = dict(parameters or {})
        if unknown := sorted(set(given) - set(self.defaults)):
            raise StrategyError(f"expected parameters of {sorted(self.defaults)} for {self.name}, found {unknown}")
        return partial(self.function, **{**self.defaults, **given})

    def parameters_json(self, parameters: Mapping[str, Any] | None = None) -> str:
        """Return all parameters as canonical JSON."""
        return json.dumps({**self.defaults, **(parameters or {})}, sort_keys=True, separators=(",", ":"))

    def candidates(self) -> list[dict[str, Any]]:
        """Return every parameter set of the grid, in the order of the grid."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]


def strategy(
    *, reads: Sequence[str] = (), grid: Mapping[str, Sequence[Any]] | None = None
) -> Callable[[Callable[..., Decision]], Strategy]:
    """Declare a function ``name(view, *, parameter=default, ...)`` as a strategy.

    Raises
    ------
    StrategyError
        For a parameter without a default, or a grid over something that is no parameter.

    Examples
    --------
    >>> @strategy(grid={"weight": (0.5, 1.0)})
    ... def half_in(view, *, weight=0.5):
    ...     "Half of the equity in the first symbol."
    ...     return {view.symbols[0]: weight}
    >>> half_in.name, half_in.defaults, half_in.candidates()
    ('half_in', {'weight': 0.5}, [{'weight': 0.5}, {'weight': 1.0}])
    """

    def declare(function: Callable[..., Decision]) -> Strategy:
        view, *rest = inspect.signature(function).parameters.values()
        del view
        if loose := [item.name for item in rest if item.kind is not item.KEYWORD_ONLY or item.default is item.empty]:
            raise StrategyError(
                f"expected parameters of {function.__name__} after a * and with a default, found {loose}"
            )
        defaults = {item.name: item.default for item in rest}
        chosen = {name: tuple(values) for name, values in (grid or {}).items()}
        if unknown := sorted(set(chosen) - set(defaults)) + [name for name, values in chosen.items() if not values]:
            raise StrategyError(f"expected a grid of values over {sorted(defaults)}, found {unknown}")
        description = (inspect.getdoc(function) or "").split("\n", 1)[0]
        return Strategy(function.__name__, function, tuple(reads), defaults, chosen, description)

    return declare
