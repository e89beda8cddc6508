"""Columns of features, generated from their declarations, so that nothing about a feature is said twice."""

from __future__ import annotations

from typing import Any

import dataframely as dy

from gnosis.features.feature import Feature
from gnosis.features.registry import BY_NAME
from gnosis.tables.dictionary import flag, label, number


def engine_column(name: str) -> dy.Column:
    """Return the column in which the engine stores a feature: labels in words, numbers in full precision.

    Examples
    --------
    >>> engine_column("liq_regime").dtype.categories.to_list()
    ['Abundant', 'Normal', 'Thin', 'Stressed', 'Crisis']
    """
    feature = BY_NAME[name]
    if feature.dtype == "category":
        return label(list(feature.categories), feature.description)
    if feature.dtype == "bool":
        return flag(feature.description, nullable=True)
    if feature.dtype == "int":
        return dy.Int64(**_meaning(feature), **_integer_range(feature))
    return number(feature.unit, feature.description, **_range(feature))


def feature_column(feature: Feature) -> dy.Column:
    """Return the column of a group's table: categories by their code, numbers in full precision."""
    if feature.dtype == "category":
        codes = list(feature.codes.values())
        return dy.Int8(**_meaning(feature, unit="code"), min=codes[0], max=codes[-1])
    if feature.dtype == "bool":
        return flag(feature.description, nullable=True)
    if feature.dtype == "int":
        return dy.Int8(**_meaning(feature), **_integer_range(feature))
    return number(feature.unit, feature.description, **_range(feature))


def matrix_column(feature: Feature) -> dy.Column:
    """Return the column of the matrix: as in the group's table, numbers in single precision.

    An open end of a range is closed here: single precision rounds the values next to it onto it.
    """
    if feature.dtype != "float":
        return feature_column(feature)
    return dy.Float32(**_meaning(feature), min=feature.low, max=feature.high)


def _meaning(feature: Feature, unit: str | None = None) -> dict[str, Any]:
    return {
        "nullable": True,
        "metadata": {"unit": unit or feature.unit},
        "description": feature.description,
    }


def _range(feature: Feature) -> dict[str, Any]:
    return {"max": feature.high, "min_exclusive" if feature.is_low_open else "min": feature.low}


def _integer_range(feature: Feature) -> dict[str, Any]:
    return {name: None if end is None else int(end) for name, end in (("min", feature.low), ("max", feature.high))}
