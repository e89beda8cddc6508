"""The registry as a page for people: ``docs/features.md`` holds what this module returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnosis.features.feature import KNOWN_AT
from gnosis.features.registry import FEATURES, GROUPS, features_of

if TYPE_CHECKING:
    from gnosis.features.feature import Feature


def registry_page() -> str:
    """Return when each raw table may be used, and one table per group with a line for each feature, as Markdown.

    Examples
    --------
    >>> print(registry_page().splitlines()[4])
    | `raw.dividends` | each dividend at its declaration |
    """
    used = sorted({table for feature in FEATURES for table in feature.tables})
    lines = ["## Since when an input counts", "", "| input | usable from |", "|---|---|"]
    lines += [f"| `{table}` | {KNOWN_AT[table]} |" for table in used]
    for group in GROUPS:
        own = features_of(group)
        lines += ["", f"## `features.{group}`: {own[0].number} to {own[-1].number}", ""]
        lines += ["| | feature | what it says | unit | range | sessions | from daily bars alone | made from |"]
        lines += ["|---|---|---|---|---|---|---|---|", *map(_line, own)]
    return "\n".join(lines) + "\n"


def range_of(feature: Feature) -> str:
    """Return the admissible values in mathematical notation, or the codes of a category.

    Examples
    --------
    >>> from gnosis.features.registry import BY_NAME
    >>> range_of(BY_NAME["tech_atr_expansion"]), range_of(BY_NAME["sent_bias"])
    ('(0, inf)', '-1 bearish, 0 neutral, 1 bullish')
    """
    if feature.categories:
        return ", ".join(f"{code} {label}" for label, code in feature.codes.items())
    if feature.dtype == "bool":
        return "true, false"
    low = "(-inf" if feature.low is None else f"{'(' if feature.is_low_open else '['}{feature.low:g}"
    high = "inf)" if feature.high is None else f"{feature.high:g}]"
    return f"{low}, {high}"


def _line(feature: Feature) -> str:
    sessions = str(feature.lookback_sessions)
    if feature.fewest_sessions < feature.lookback_sessions:
        sessions = f"{feature.fewest_sessions} to {sessions}"
    fallback = {"same": "the same", "null": "null"}.get(feature.fallback, feature.fallback)
    made_from = [f"`{table.removeprefix('raw.')}`" for table in feature.tables]
    made_from += [f"`{series}`" for series in feature.series]
    cells = [
        str(feature.number),
        f"`{feature.name}`",
        feature.description.replace("|", "\\|"),
        feature.unit,
        range_of(feature),
        sessions,
        fallback.replace("|", "\\|"),
        ", ".join(made_from),
    ]
    return f"| {' | '.join(cells)} |"


__all__ = ["range_of", "registry_page"]
