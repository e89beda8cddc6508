"""The matrix of all features: nothing is scaled or filled in, and what is missing says so."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.features.matrix import FeatureRowsError, matrix
from gnosis.features.registry import BY_NAME, FEATURES, GROUPS, features_of
from gnosis.sessions import schedule
from gnosis.tables import TABLES

DAYS = schedule().filter(pl.col("session") >= dt.date(2016, 3, 1)).head(2).select("session", "close_at")
KEYS = [(day, symbol) for day in DAYS["session"] for symbol in ("AAA", "BBB")]
FLOATS = [feature.name for feature in FEATURES if feature.dtype == "float"]


def group_rows(group: str, rng: np.random.Generator, missing: float = 0.3) -> pl.DataFrame:
    """Return rows of a group's table with random values inside their ranges, some of them null."""
    table = TABLES[f"features.{group}"]
    n = len(KEYS)
    columns: dict[str, object] = {}
    for feature in features_of(group):
        low = 0.0 if feature.low is None else feature.low
        high = low + 1.0 if feature.high is None else feature.high
        values: list[object] = (low + (high - low) * (1.0 - rng.random(n))).tolist()
        if feature.dtype == "bool":
            values = (rng.random(n) < 0.5).tolist()
        elif feature.dtype == "category":
            values = rng.choice(list(feature.codes.values()), n).tolist()
        elif feature.dtype == "int":
            values = rng.integers(int(low), int(high) + 1, n).tolist()
        columns[feature.name] = [None if rng.random() < missing else value for value in values]
    closes = dict(DAYS.iter_rows())
    keys = pl.DataFrame(KEYS, schema=["session", "symbol"], orient="row")
    return (
        keys.with_columns(
            **{
                name: pl.Series(values, dtype=table.polars_schema[name], strict=False)
                for name, values in columns.items()
            },
            as_of=pl.col("session").replace_strict(closes),
            known_at=pl.col("session").replace_strict(closes),
            confidence=pl.Series(rng.random(n)),
            reasons=pl.lit(""),
            provider=pl.lit(group),
            synthetic=pl.lit(value=False),
        )
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
    )


def groups_of(seed: int, missing: float = 0.3) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    return {group: group_rows(group, rng, missing) for group in GROUPS}


def test_matrix_is_a_valid_table_sorted_by_key() -> None:
    table = TABLES["features.matrix"]
    rows = matrix({group: frame.reverse() for group, frame in groups_of(1).items()})
    assert rows.schema == table.polars_schema
    table.schema.validate(rows)
    assert rows.select("session", "symbol").rows() == KEYS
    assert rows.equals(matrix(groups_of(1)))


@pytest.mark.parametrize("seed", range(3))
def test_missing_mask_is_where_values_are_null(seed: int) -> None:
    rows = matrix(groups_of(seed))
    for row in rows.iter_rows(named=True):
        assert row["missing_mask"] == [row[feature.name] is None for feature in FEATURES]
        assert row["n_missing"] == sum(row["missing_mask"])
    assert 0 < rows["n_missing"].sum() < rows.height * len(FEATURES)


def test_values_are_those_of_the_groups() -> None:
    groups, rows = groups_of(4), matrix(groups_of(4))
    for feature in FEATURES:
        own = groups[feature.group][feature.name]
        if feature.dtype == "float":
            expected = [None if value is None else float(np.float32(value)) for value in own]
            assert rows[feature.name].to_list() == expected
        else:
            assert rows[feature.name].equals(own)


def test_single_precision_rounds_to_the_nearest() -> None:
    groups = groups_of(5, missing=0.0)
    exact = [1.0 + 2.0**-25, 1.0 + 2.0**-23, 0.1, 1e-300]
    groups["technical"] = groups["technical"].with_columns(tech_atr=pl.Series(exact))
    assert matrix(groups)["tech_atr"].to_list() == [1.0, 1.0 + 2.0**-23, 0.10000000149011612, 0.0]


def test_full_and_empty_rows() -> None:
    known, unknown = matrix(groups_of(6, missing=0.0)), matrix(groups_of(6, missing=1.1))
    assert known["n_missing"].to_list() == [0] * 4
    assert unknown["n_missing"].to_list() == [141] * 4
    assert unknown["confidence"].to_list() == [0.0] * 4


def test_confidence_is_the_mean_over_all_features() -> None:
    """24 features of 0.5, 28 of 0.25, 62 of 0.75 and 27 of 1, over 141: 92.5/141."""
    groups = groups_of(7, missing=0.0)
    told = {"hedge": 0.5, "liquidity": 0.25, "sentiment": 0.75, "technical": 0.1, "regime": 0.1, "macro": 0.1}
    groups = {group: frame.with_columns(confidence=pl.lit(told[group])) for group, frame in groups.items()}
    assert matrix(groups)["confidence"].to_list() == pytest.approx([92.5 / 141] * 4)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(list(BY_NAME)), seed=st.integers(0, 50), place=st.integers(0, 3))
def test_a_null_never_raises_the_confidence(name: str, seed: int, place: int) -> None:
    groups = groups_of(seed)
    before = matrix(groups)
    group = BY_NAME[name].group
    is_place = pl.int_range(pl.len()) == place
    groups[group] = groups[group].with_columns(pl.when(~is_place).then(pl.col(name)).alias(name))
    after = matrix(groups)
    assert (after["confidence"] <= before["confidence"]).all()
    assert (after["n_missing"] >= before["n_missing"]).all()


def test_latest_instants_joined_providers_and_any_synthetic() -> None:
    groups = groups_of(8)
    later = dt.timedelta(hours=3)
    groups["hedge"] = groups["hedge"].with_columns(
        known_at=pl.col("known_at") + later, provider=pl.lit("simulate+yahoo"), synthetic=pl.col("symbol") == "AAA"
    )
    groups["macro"] = groups["macro"].with_columns(as_of=pl.col("as_of") + later / 2)
    rows = matrix(groups)
    close = pl.Series([dict(DAYS.iter_rows())[day] for day, _ in KEYS])
    assert rows["known_at"].to_list() == (close + later).to_list()
    assert rows["as_of"].to_list() == (close + later / 2).to_list()
    assert rows["synthetic"].to_list() == [True, False, True, False]
    assert set(rows["provider"]) == {"liquidity+macro+regime+sentiment+simulate+technical+yahoo"}


def test_group_that_is_missing_is_refused() -> None:
    groups = groups_of(9)
    del groups["macro"]
    with pytest.raises(FeatureRowsError, match=r"expected the rows of .*macro.*, found those of"):
        matrix(groups)


@pytest.mark.parametrize("group", GROUPS)
def test_group_with_other_keys_is_refused(group: str) -> None:
    groups = groups_of(10)
    groups[group] = groups[group].head(3)
    with pytest.raises(FeatureRowsError, match="not all of the same keys"):
        matrix(groups)


@pytest.mark.parametrize("group", GROUPS)
def test_repeated_key_is_refused(group: str) -> None:
    groups = groups_of(11)
    groups[group] = pl.concat([groups[group], groups[group].head(1)])
    with pytest.raises(FeatureRowsError):
        matrix(groups)


def test_all_floats_are_of_single_precision() -> None:
    schema = matrix(groups_of(12)).schema
    assert {schema[name] for name in FLOATS} == {pl.Float32()}
