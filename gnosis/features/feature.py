"""What a feature is: its name, unit, range, inputs and the history that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["technical", "regime", "macro"]


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
    """

    number: int
    name: str
    group: Group
    dtype: Literal["float", "int", "bool", "category"]
    unit: str
    description: str
    inputs: tuple[str, ...]
    lookback_sessions: int
    fewest_sessions: int
    series: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    is_low_open: bool = False
    categories: tuple[str, ...] = ()


def bars(*columns: str) -> tuple[str, ...]:
    """Return columns of ``raw.equity_bars`` by their full names."""
    return tuple(f"raw.equity_bars.{column}" for column in columns)


_GROUPS: dict[str, Group] = {"tech": "technical", "regime": "regime", "macro": "macro"}


def declare(
    number: int,
    name: str,
    unit: str,
    inputs: tuple[str, ...],
    lookback: int,
    description: str,
    *,
    fewest: int | None = None,
    series: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    is_low_open: bool = False,
    categories: tuple[str, ...] = (),
) -> Feature:
    """Return a feature whose group is the first word of its name; with categories it is a category, else a number.

    Examples
    --------
    >>> declare(118, "tech_atr", "ratio", bars("close"), 141, "Usual span of a session.", low=0.0).group
    'technical'
    """
    return Feature(
        number=number,
        name=name,
        group=_GROUPS[name.split("_")[0]],
        dtype="category" if categories else "float",
        unit=unit,
        description=description,
        inputs=inputs,
        series=series,
        lookback_sessions=lookback,
        fewest_sessions=fewest or lookback,
        low=low,
        high=high,
        is_low_open=is_low_open,
        categories=categories,
    )
