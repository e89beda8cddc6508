"""What a feature is: its name, unit, range, inputs and the history that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gnosis.engines.regimes import FIRST_CODE, REGIMES, labels

Group = Literal["hedge", "liquidity", "sentiment", "technical", "regime", "macro"]
Dtype = Literal["float", "int", "bool", "category"]

KNOWN_AT: dict[str, str] = {
    "raw.equity_bars": "the bar of a session at its close; its own known_at is the row's cut-off",
    "raw.intraday_bars": "each bar at its end",
    "raw.order_books": "each snapshot at its instant",
    "raw.option_quotes": "the chain at its snapshot, 15 minutes before the close; open interest is that of the session "
    "before, known on the next morning",
    "raw.index_levels": "the level of a session at its close",
    "raw.macro": "each vintage at its publication",
    "raw.dividends": "each dividend at its declaration",
    "raw.short_volume": "the file of a session at its publication in the evening, for the next session",
    "raw.dix": "the value of a session at its publication in the evening, for the next session",
    "raw.posts": "each post when it was collected",
    "raw.news": "each item when it was collected",
}
"""Since when a row of each raw table may be used: the rule behind ``known_at``."""


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes
    ----------
    number, name, group, dtype
        As in the contract of the 141 features.
    unit
        Unit of the stored value.
    description
        What it says in plain language, the formula, and when it is null although history suffices.
    inputs
        Columns that the value depends on, as ``room.table.column``.
    producer
        Processor or interpreter (``state``) of the engine that computes it; empty for the feature library itself.
    fallback
        How it is computed from daily bars alone: ``same``, ``null``, or the daily form in words.
    series
        Rows of ``raw.index_levels`` or ``raw.macro`` that it reads, by symbol or series identifier.
    lookback_sessions
        Exchange sessions, the current one included, that suffice for the value: nothing about an older session is read.
    fewest_sessions
        Exchange sessions with data, the newest included, below which the value is always null. It is smaller than
        ``lookback_sessions`` where the definition allows for a stale level or for gaps in a reference sample.
    low, high, is_low_open
        Range of admissible values; None means unbounded.
    categories
        Labels of a category in the order of their integer codes.
    first_code
        Code of the first label.
    """

    number: int
    name: str
    group: Group
    dtype: Dtype
    unit: str
    description: str
    inputs: tuple[str, ...]
    lookback_sessions: int
    fewest_sessions: int
    producer: str = ""
    fallback: str = "same"
    series: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    is_low_open: bool = False
    categories: tuple[str, ...] = ()
    first_code: int = 0

    @property
    def tables(self) -> tuple[str, ...]:
        """Raw tables of the inputs, sorted."""
        return tuple(sorted({column.rpartition(".")[0] for column in self.inputs}))

    @property
    def known_at_rules(self) -> tuple[str, ...]:
        """Since when each of the inputs may be used, in the order of :attr:`tables`."""
        return tuple(KNOWN_AT[table] for table in self.tables)

    @property
    def codes(self) -> dict[str, int]:
        """Stored integer code of each label of a category."""
        return {label: self.first_code + position for position, label in enumerate(self.categories)}


def bars(*columns: str) -> tuple[str, ...]:
    """Return columns of ``raw.equity_bars`` by their full names."""
    return tuple(f"raw.equity_bars.{column}" for column in columns)


_GROUPS: dict[str, Group] = {
    "hedge": "hedge",
    "liq": "liquidity",
    "sent": "sentiment",
    "tech": "technical",
    "regime": "regime",
    "macro": "macro",
}


def declare(
    number: int,
    name: str,
    unit: str,
    inputs: tuple[str, ...],
    lookback: int,
    description: str,
    *,
    dtype: Dtype | None = None,
    producer: str = "",
    fallback: str = "same",
    fewest: int | None = None,
    series: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    is_low_open: bool = False,
    categories: tuple[str, ...] = (),
) -> Feature:
    """Return a feature whose group is the first word of its name; with categories it is a category, else a number.

    The labels of a regime of the engines are those of :data:`gnosis.engines.regimes.REGIMES`.

    Examples
    --------
    >>> declare(118, "tech_atr", "ratio", bars("close"), 141, "Usual span of a session.", low=0.0).group
    'technical'
    >>> declare(53, "sent_bias", "label", bars("close"), 400, "Which way.", dtype="category").codes
    {'bearish': -1, 'neutral': 0, 'bullish': 1}
    """
    if dtype == "category" and name in REGIMES:
        categories = tuple(labels(name))
    return Feature(
        number=number,
        name=name,
        group=_GROUPS[name.split("_")[0]],
        dtype=dtype or ("category" if categories else "float"),
        unit=unit,
        description=description,
        inputs=inputs,
        producer=producer,
        fallback=fallback,
        series=series,
        lookback_sessions=lookback,
        fewest_sessions=fewest or lookback,
        low=low,
        high=high,
        is_low_open=is_low_open,
        categories=categories,
        first_code=FIRST_CODE.get(name, 0),
    )
