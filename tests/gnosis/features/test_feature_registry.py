"""The registry against the contract of the 141 features."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from gnosis.features import BY_NAME, FEATURES, Feature, features_of, lookback_of
from gnosis.tables import TABLES

CONTRACT = Path(__file__).resolve().parents[4] / "shared" / "spec" / "features_141.csv"


@pytest.fixture(scope="module")
def contract() -> dict[str, dict[str, str]]:
    if not CONTRACT.is_file():
        pytest.skip("contract of the features not found beside the repository: ../shared/spec/features_141.csv")
    with CONTRACT.open(newline="") as lines:
        return {row["name"]: row for row in csv.DictReader(lines)}


def declared_range(feature: Feature) -> str:
    """Return the range as the contract writes it, without its unit."""
    if feature.categories:
        return "{" + ",".join(feature.categories) + "}"
    if feature.low is None and feature.high is None:
        return "R"
    low = "(" if feature.is_low_open else "["
    high = "inf)" if feature.high is None else f"{feature.high:g}]"
    return f"{low}{feature.low:g},{high}"


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_feature_is_as_contracted(feature: Feature, contract: dict[str, dict[str, str]]) -> None:
    row = contract[feature.name]
    assert (feature.number, feature.group, feature.dtype) == (int(row["n"]), row["group"], row["dtype"])
    assert feature.lookback_sessions == int(row["lookback_sessions"])
    assert declared_range(feature) == row["range"].split(" ")[0]
    for series in feature.series:
        assert series in row["raw_inputs"]


def test_groups_are_complete_and_in_order(contract: dict[str, dict[str, str]]) -> None:
    declared = {feature.group for feature in FEATURES}
    expected = [name for name, row in contract.items() if row["group"] in declared]
    assert [feature.name for feature in FEATURES] == expected


def test_inputs_are_columns_of_the_data_dictionary() -> None:
    for feature in FEATURES:
        for column in feature.inputs:
            room, table, name = column.split(".")
            assert name in TABLES[f"{room}.{table}"].polars_schema


def test_names_are_unique_and_tables_hold_them_in_order() -> None:
    assert len(BY_NAME) == len(FEATURES)
    for group in ("technical", "regime", "macro"):
        names = [feature.name for feature in features_of(group)]
        assert [name for name in TABLES[f"features.{group}"].polars_schema if name in BY_NAME] == names
        assert lookback_of(group) >= max(feature.fewest_sessions for feature in features_of(group))


def test_registry_is_quick_to_import() -> None:
    code = "import sys, gnosis.features, gnosis.features.technical; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
