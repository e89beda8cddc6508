"""A feature that is null says why, in the words of the processor that makes it."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from assets.checks import Stored
from assets.feature_checks import ENGINES, NULLS_HAVE_REASONS
from gnosis.features import features_of
from gnosis.tables import TABLES
from resources.lake import Lake

DAY = dt.date(2013, 1, 2)
CLOSE = dt.datetime(2013, 1, 2, 21, tzinfo=dt.UTC)


def row_of(name, **values):
    """Return one row of a table: 0 for whatever must not be null, null for the rest."""
    columns = {}
    for column, dtype in TABLES[name].polars_schema.items():
        neutral = "" if dtype == pl.String else dtype.categories[0] if isinstance(dtype, pl.Enum) else 0
        is_needed = not TABLES[name].columns[column].nullable
        told = {"session": DAY, "symbol": "AAA", "known_at": CLOSE, "as_of": CLOSE} | values
        columns[column] = pl.Series(column, [told.get(column, neutral if is_needed else None)]).cast(dtype)
    return pl.DataFrame(columns)


@pytest.fixture
def look(tmp_path):
    lake = Lake(tmp_path)

    def look(name, feature_row, engine_rows=None):
        if engine_rows is not None:
            lake.write(f"engines.{ENGINES[name]}", engine_rows, [DAY], run_id="run")
        table = TABLES[f"features.{name}"]
        lake.write(table.name, feature_row, [DAY], run_id="run")
        return NULLS_HAVE_REASONS.look(Stored(table, lake, lake.scan(table.name), [DAY]))

    return look


def known(group):
    return {feature.name: 0.5 if feature.dtype == "float" else 0 for feature in features_of(group)}


def test_what_is_there_needs_no_reason(look):
    found = look("technical", row_of("features.technical", **known("technical")))
    assert found.passed
    assert found.finding == "12 of 12 features have values"


def test_a_silent_null_is_named(look):
    found = look("technical", row_of("features.technical", **known("technical") | {"tech_adx": None}))
    assert not found.passed
    assert found.finding.endswith("null without a reason: tech_adx")


def test_the_reason_is_that_of_the_processor_and_not_of_its_neighbour(look):
    row = row_of("features.liquidity", reasons="NO_BOOK", **known("liquidity") | {"liq_amihud": None})
    told = row_of("engines.liquidity", impact_and_lambda_reasons="SHORT_HISTORY")
    found = look("liquidity", row, told)
    assert found.passed
    assert found.figures["null"] == {"liq_amihud": {"share": 1.0, "reasons": "SHORT_HISTORY"}}
    silent = look("liquidity", row, row_of("engines.liquidity", spread_estimator_reasons="SHORT_HISTORY"))
    assert not silent.passed
    assert "null without a reason: liq_amihud" in silent.finding


def test_without_a_row_of_the_engine_the_row_itself_says_why(look):
    row = row_of("features.hedge", reasons="NO_CHAIN")
    found = look("hedge", row, row_of("engines.elasticity", symbol="BBB", sign_convention="naive"))
    assert found.passed
    assert found.finding.startswith("0 of 24 features have values; null throughout, with reasons: hedge_pressure_up")


def test_only_the_convention_of_the_features_counts(look):
    row = row_of("features.hedge", **known("hedge") | {"hedge_gamma_regime": None})
    other = row_of("engines.elasticity", sign_convention="customer_long", dealer_positioning_reasons="SHORT_HISTORY")
    own = row_of("engines.elasticity", sign_convention="naive")
    assert not look("hedge", row, pl.concat([other, own])).passed


def test_no_rows_is_no_fault(look):
    assert look("macro", TABLES["features.macro"].empty()).passed
