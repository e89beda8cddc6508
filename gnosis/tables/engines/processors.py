"""Table of the processors in long form: each value of each processor with its confidence and reasons."""

from __future__ import annotations

import dataframely as dy

from gnosis.tables.dictionary import Origin, SymbolSession, flag, instant, label, number, text
from gnosis.tables.engines.elasticity import ELASTICITY_PROCESSORS
from gnosis.tables.engines.liquidity import LIQUIDITY_PROCESSORS
from gnosis.tables.engines.sentiment import SENTIMENT_PROCESSORS
from gnosis.tables.greeks import SIGN_CONVENTIONS

ENGINES = ["elasticity", "liquidity", "sentiment"]
PROCESSORS = {
    "elasticity": ELASTICITY_PROCESSORS,
    "liquidity": LIQUIDITY_PROCESSORS,
    "sentiment": SENTIMENT_PROCESSORS,
}
"""Mixin with the columns of every processor, by engine and name; eight of each engine."""


OWN = {
    f"{processor}_{part}"
    for processors in PROCESSORS.values()
    for processor in processors
    for part in ("confidence", "is_proxy", "reasons")
}
VALUES = {
    engine: {
        name: [
            column for column, kind in part.columns().items() if column not in OWN and not isinstance(kind, dy.Datetime)
        ]
        for name, part in processors.items()
    }
    for engine, processors in PROCESSORS.items()
}
"""Columns of the values of every processor but instants; the lists among them have no rows in the long form."""

UNITS = sorted(
    {
        str((part.columns()[column].metadata or {})["unit"])
        for engine, processors in PROCESSORS.items()
        for name, part in processors.items()
        for column in VALUES[engine][name]
    }
    | {"ratio"}
)


class EnginesProcessors(SymbolSession, Origin):
    """Every value of every processor in long form, with the confidence of the processor and its reasons."""

    engine = label(ENGINES, "engine of the processor", nullable=False, primary_key=True)
    processor = label(
        [name for processors in PROCESSORS.values() for name in processors],
        "name of the processor",
        nullable=False,
        primary_key=True,
    )
    sign_convention = label(
        [*SIGN_CONVENTIONS, "none"], "assumed dealer side; none where it has no part", nullable=False, primary_key=True
    )
    name = label(
        sorted({"confidence", *(c for by in VALUES.values() for columns in by.values() for c in columns)}),
        "column of the engine's table; confidence: the processor's own, there also where it has no value",
        nullable=False,
        primary_key=True,
    )
    as_of = instant("knowledge cut-off of the row")
    value = number("unit of the column", "the value; flags as 0 and 1, labels as their code", nullable=False)
    reasons = text("reason codes of the processor joined by ','; empty when there is nothing to say")
    text = text("the label of a regime or source; null for numbers and flags", nullable=True)
    unit = label(UNITS, "unit of the value", nullable=False)
    is_proxy = flag("true when a named proxy stands in for the preferred input")
    confidence = number("ratio", "confidence of the processor", nullable=False, min=0, max=1)
