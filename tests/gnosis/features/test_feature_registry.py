"""The registry against the contract of the 141 features."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gnosis.features import BY_NAME, FEATURES, GROUPS, Feature, features_of, lookback_of
from gnosis.features.feature import KNOWN_AT
from gnosis.tables import TABLES

CONTRACT = Path(__file__).resolve().parents[4] / "shared" / "spec" / "features_141.csv"
EACH = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)

TABLE_OF = {
    "option quotes": "raw.option_quotes",
    "order book snapshots": "raw.order_books",
    "off-exchange short volume": "raw.short_volume",
    "social posts": "raw.posts",
    "news items": "raw.news",
    "macro observations with vintages": "raw.macro",
    "index levels": "raw.index_levels",
    "dix": "raw.dix",
}
SERIES = re.compile(r"\^[A-Z]+|\b(?:DFF|DGS\d+|CPIAUCSL|UNRATE|A191RL1Q025SBEA|BAA10Y)\b")
UNITS = {"pts/bar": "points per session", "pp": "percentage points", "% saar": "% per year"}
"""Units of the contract that are declared in full words."""
BEYOND_THE_CONTRACT = {
    "raw.dividends": "declared dividends belong to the forward of every chain",
    "raw.macro": "yields belong to every volatility, also where the contract names the quotes alone",
    "raw.equity_bars": "the daily form, or the daily bars that adjust and bound those of minutes",
}
ONLY_DAILY = {"regime_liquidity_time": "rows are daily, so it has the daily form alone"}


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
    if feature.dtype == "bool":
        return "{0,1}"
    if feature.dtype == "int" and feature.low == -1.0:
        return "{-1,0,1}"
    if feature.low is None and feature.high is None:
        return "R"
    low = "(" if feature.is_low_open else "["
    high = "inf)" if feature.high is None else f"{feature.high:g}]"
    return f"{low}{feature.low:g},{high}"


def required_tables(raw_inputs: str) -> set[str]:
    """Return the raw tables that the contract names as inputs."""
    found = set()
    for part in re.split(r";(?![^(]*\))", raw_inputs):
        name, _, inside = part.strip().partition(" (")
        if name == "raw equity bars":
            found.add("raw.intraday_bars" if "min" in inside else "raw.equity_bars")
        else:
            found.add(TABLE_OF[name])
    return found


def test_features_are_those_of_the_contract_in_its_order(contract: dict[str, dict[str, str]]) -> None:
    assert [feature.name for feature in FEATURES] == list(contract)
    assert [feature.number for feature in FEATURES] == list(range(1, 142))
    assert len(BY_NAME) == 141


@EACH
def test_feature_is_as_contracted(feature: Feature, contract: dict[str, dict[str, str]]) -> None:
    row = contract[feature.name]
    assert (feature.number, feature.group, feature.dtype) == (int(row["n"]), row["group"], row["dtype"])
    assert feature.lookback_sessions == int(row["lookback_sessions"])
    assert 1 <= feature.fewest_sessions <= feature.lookback_sessions
    assert feature.fallback == row["daily_fallback"]
    interval, _, unit = row["range"].partition(" ")
    assert declared_range(feature) == interval.rstrip(",")
    if interval[-1] != ",":
        assert not unit or feature.unit == UNITS.get(unit, unit)
    assert feature.unit


@EACH
def test_inputs_are_those_of_the_contract(feature: Feature, contract: dict[str, dict[str, str]]) -> None:
    raw_inputs = contract[feature.name]["raw_inputs"]
    assert set(feature.series) == set(SERIES.findall(raw_inputs))
    required, declared = required_tables(raw_inputs), set(feature.tables)
    assert required <= declared or feature.name in ONLY_DAILY
    assert declared - required <= set(BEYOND_THE_CONTRACT)


@EACH
def test_inputs_are_columns_of_the_data_dictionary(feature: Feature) -> None:
    assert feature.inputs
    assert len(set(feature.inputs)) == len(feature.inputs)
    for column in feature.inputs:
        table, _, name = column.rpartition(".")
        assert name in TABLES[table].polars_schema, column
    assert feature.known_at_rules == tuple(KNOWN_AT[table] for table in feature.tables)


@pytest.mark.parametrize("raw_inputs", ["raw equity bars (1d; universe); dix", "dix; raw equity bars (1d)"])
def test_a_semicolon_in_brackets_parts_nothing(raw_inputs: str) -> None:
    assert required_tables(raw_inputs) == {"raw.dix", "raw.equity_bars"}


@pytest.mark.parametrize("group", GROUPS)
def test_tables_hold_the_features_in_order(group: str) -> None:
    names = [feature.name for feature in features_of(group)]
    assert [name for name in TABLES[f"features.{group}"].polars_schema if name in BY_NAME] == names
    assert lookback_of(group) == max(feature.lookback_sessions for feature in features_of(group))


def test_matrix_holds_all_features_in_order() -> None:
    schema = TABLES["features.matrix"].polars_schema
    assert [name for name in schema if name in BY_NAME] == [feature.name for feature in FEATURES]


def test_registry_is_quick_to_import() -> None:
    code = "import sys, gnosis.features, gnosis.features.technical; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
