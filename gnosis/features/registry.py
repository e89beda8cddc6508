"""The registry of features: exactly the 141 of the contract, each declared once, in its order.

The schema classes of the feature tables and of the engines' columns, the comments in SQL, the column lineage in
Dagster, the page ``docs/features.md``, the windows of the functions that compute them and the tests that hold them are
all taken from here. The declarations stand in :mod:`gnosis.features.declarations`, one module per group.
"""

from __future__ import annotations

from typing import get_args

from gnosis.features.declarations import hedge, liquidity, macro, regime, sentiment_prices, sentiment_sources, technical
from gnosis.features.feature import Feature, Group

GROUPS: tuple[Group, ...] = get_args(Group)
"""Groups in the order of the contract; each is a table of the features room."""

FEATURES: tuple[Feature, ...] = (
    *hedge.FEATURES,
    *liquidity.FEATURES,
    *sorted((*sentiment_prices.FEATURES, *sentiment_sources.FEATURES), key=lambda feature: feature.number),
    *technical.FEATURES,
    *regime.FEATURES,
    *macro.FEATURES,
)
BY_NAME: dict[str, Feature] = {feature.name: feature for feature in FEATURES}


def features_of(group: str) -> tuple[Feature, ...]:
    """Return the features of one group in the order of the contract.

    Raises
    ------
    ValueError
        When there is no such group.

    Examples
    --------
    >>> [len(features_of(group)) for group in GROUPS]
    [24, 28, 62, 12, 9, 6]
    """
    if group not in GROUPS:
        raise ValueError(f"expected a group out of {list(GROUPS)}, found {group!r}")
    return tuple(feature for feature in FEATURES if feature.group == group)


def lookback_of(group: str) -> int:
    """Return the exchange sessions, the current one included, that suffice for every feature of the group.

    Examples
    --------
    >>> lookback_of("technical"), lookback_of("regime"), lookback_of("macro")
    (281, 527, 330)
    """
    return max(feature.lookback_sessions for feature in features_of(group))


__all__ = ["BY_NAME", "FEATURES", "GROUPS", "Feature", "features_of", "lookback_of"]
