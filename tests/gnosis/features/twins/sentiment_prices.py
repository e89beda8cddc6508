"""Readable twins of the sentiment features made from prices, indices and volumes, and a number of each by hand."""

from __future__ import annotations

from collections.abc import Callable

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins import (
    sentiment_bands,
    sentiment_breadth,
    sentiment_momentum,
    sentiment_oscillators,
    sentiment_range,
)
from tests.gnosis.features.twins.daily_bars import of_bars

OF_BARS = (sentiment_range, sentiment_momentum, sentiment_bands, sentiment_oscillators)

TWINS: dict[str, Callable[[Seen], object]] = {
    **{name: of_bars(formula) for module in OF_BARS for name, formula in module.FORMULAS.items()},
    **sentiment_breadth.TWINS,
}
NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    name: number for module in (*OF_BARS, sentiment_breadth) for name, number in module.NUMBERS.items()
}
