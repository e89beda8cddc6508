"""Tables of the features room, generated from the registry of features."""

from __future__ import annotations

from typing import Any

import dataframely as dy

from gnosis.features.registry import FEATURES, GROUPS, features_of
from gnosis.tables.dictionary import Origin, SymbolSession, count, instant, label, number, text
from gnosis.tables.feature_columns import feature_column, matrix_column


class FeatureRow(SymbolSession, Origin):
    """Key and knowledge cut-off of a feature row."""

    as_of = instant("knowledge cut-off: no input known later was used")
    confidence = number("ratio", "quality of the data behind the row, 0 without any", nullable=False, min=0, max=1)


class GroupRow(FeatureRow):
    """A row of one group."""

    reasons = text("reason codes joined by ',' for what is null or uncertain; empty when there is nothing to say")


def _table(name: str, group: str) -> type[dy.Schema]:
    columns: dict[str, Any] = {feature.name: feature_column(feature) for feature in features_of(group)}
    documentation = f"The {len(columns)} {group} features per symbol and session; categories by their code."
    return type(name, (GroupRow,), {"__doc__": documentation, "__module__": __name__, **columns})


FEATURE_GROUPS: dict[str, type[dy.Schema]] = {group: _table(f"Features{group.title()}", group) for group in GROUPS}
"""Schema of the table of each group."""

FeaturesMatrix = type(
    "FeaturesMatrix",
    (FeatureRow,),
    {
        "__doc__": "All 141 features per symbol and session in the order of the contract, neither scaled nor imputed.",
        "__module__": __name__,
        **{feature.name: matrix_column(feature) for feature in FEATURES},
        "missing_mask": dy.List(
            dy.Bool(nullable=False),
            nullable=False,
            metadata={"unit": "bool"},
            description="one flag per feature in the order of the contract, true where it is null; in SQL "
            "missing_mask[25] is that of feature 25",
        ),
        "n_missing": count("features that are null", nullable=False, max=len(FEATURES)),
    },
)


class FeaturesCategories(dy.Schema):
    """The integer code of every label of every category among the features."""

    feature = label(
        [feature.name for feature in FEATURES if feature.categories],
        "name of the feature",
        nullable=False,
        primary_key=True,
    )
    code = dy.Int8(
        nullable=False, primary_key=True, metadata={"unit": "code"}, description="code stored in the features room"
    )
    label = text("label in words, as the engines store it")
