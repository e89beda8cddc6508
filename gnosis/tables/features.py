"""Tables of the features room, generated from the registry of features."""

from __future__ import annotations

from typing import Any

import dataframely as dy

from gnosis.features.registry import Feature, features_of
from gnosis.tables.dictionary import Origin, SymbolSession, instant, label, number


class FeatureRow(SymbolSession, Origin):
    """Key and knowledge cut-off of a feature row."""

    as_of = instant("knowledge cut-off: no input known later was used")


def _column(feature: Feature) -> dy.Column:
    if feature.categories:
        return label(list(feature.categories), feature.description)
    bounds: dict[str, Any] = {"max": feature.high}
    bounds["min_exclusive" if feature.is_low_open else "min"] = feature.low
    return number(feature.unit, feature.description, **bounds)


def _table(name: str, group: str) -> type[dy.Schema]:
    columns: dict[str, Any] = {feature.name: _column(feature) for feature in features_of(group)}
    documentation = f"The {group} features per symbol and session."
    return type(
        name,
        (FeatureRow,),
        {"__doc__": documentation, "__module__": __name__, **columns},
    )


FeaturesTechnical = _table("FeaturesTechnical", "technical")
FeaturesRegime = _table("FeaturesRegime", "regime")
FeaturesMacro = _table("FeaturesMacro", "macro")
