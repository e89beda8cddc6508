"""A feature that is null says why, in the words of the processor that makes it."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from assets.checks import Stored
from assets.feature_checks import ENGINES, NULLS_HAVE_REASONS, explaining
from gnosis.features import BY_NAME, GROUPS, features_of
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
    without_chain = [feature for feature in features_of("hedge") if "raw.option_quotes" not in feature.tables]
    row = row_of("features.hedge", reasons="NO_CHAIN", **{feature.name: 0.5 for feature in without_chain})
    found = look("hedge", row, row_of("engines.elasticity", symbol="BBB", sign_convention="naive"))
    assert found.passed
    assert found.finding.startswith(
        f"{len(without_chain)} of 24 features have values; null throughout, with reasons: hedge_pressure_up"
    )


def test_only_the_convention_of_the_features_counts(look):
    row = row_of("features.hedge", **known("hedge") | {"hedge_gamma_regime": None})
    other = row_of("engines.elasticity", sign_convention="customer_long", dealer_positioning_reasons="SHORT_HISTORY")
    own = row_of("engines.elasticity", sign_convention="naive")
    assert not look("hedge", row, pl.concat([other, own])).passed


CHAIN_CODES = ("NO_CHAIN", "STALE_QUOTES", "LOW_COVERAGE", "OI_MISSING", "OI_STALE")
STANDING = "NO_INTRADAY,LAMBDA_INSIGNIFICANT,DEPTH_PROXY,SPREAD_PROXY,SYNTHETIC_INPUT,SCORER_FALLBACK"


def test_what_stands_in_every_row_is_no_excuse(look):
    """On daily bars alone the processor says so in every row, and makes the feature all the same."""
    row = row_of("features.liquidity", reasons=STANDING, **known("liquidity") | {"liq_amihud": None})
    assert known_silent(look("liquidity", row, row_of("engines.liquidity", impact_and_lambda_reasons=STANDING)))
    excused = row_of("engines.liquidity", impact_and_lambda_reasons=f"{STANDING},SHORT_HISTORY")
    assert look("liquidity", row, excused).passed


def known_silent(found):
    return not found.passed and found.finding.endswith("null without a reason: liq_amihud")


@pytest.mark.parametrize(
    ("feature", "codes"),
    [
        ("liq_amihud", {"SHORT_HISTORY", "UNCALIBRATED"}),
        ("liq_short_volume_ratio", {"SHORT_HISTORY", "SHORTS_STALE"}),
        ("liq_confidence", {"SHORTS_STALE"}),
        ("liq_iceberg_alert", {"NO_INTRADAY"}),
        ("hedge_elasticity", {*CHAIN_CODES, "SHORT_HISTORY", "UNCALIBRATED"}),
        ("sent_wsb_score", {"FEW_DOCUMENTS"}),
        ("sent_flow_regime", {"SHORT_HISTORY", "UNCALIBRATED", "SHORTS_STALE"}),
        ("regime_vix", set()),
        ("tech_adx", {"SHORT_HISTORY", "UNCALIBRATED"}),
    ],
)
def test_codes_that_can_be_why(feature, codes):
    always = {"SOURCE_MISSING", "CERTIFICATE_FAILED", "UNDEFINED", "BOUND_VIOLATION"}
    assert set(explaining(BY_NAME[feature])) == codes | always


def test_every_feature_without_a_chain_may_say_so():
    for feature in features_of("hedge"):
        reads_chain = "raw.option_quotes" in feature.tables
        assert ("NO_CHAIN" in explaining(feature)) == reads_chain, feature.name


@pytest.mark.heavy
@pytest.mark.xdist_group("homes")
def test_the_nulls_of_a_small_home_are_explained_and_a_planted_one_is_not(night_home):
    lake = Lake(night_home)
    for group in GROUPS:
        table = TABLES[f"features.{group}"]
        sessions = lake.sessions(table.name)
        rows = lake.scan(table.name, sessions[0], sessions[-1])
        found = NULLS_HAVE_REASONS.look(Stored(table, lake, rows, sessions))
        assert found.passed, found.finding
        if group == "liquidity":
            planted = rows.with_columns(liq_amihud=pl.lit(None, pl.Float64))
            found = NULLS_HAVE_REASONS.look(Stored(table, lake, planted, sessions))
            assert found.finding.endswith("null without a reason: liq_amihud")


def test_no_rows_is_no_fault(look):
    assert look("macro", TABLES["features.macro"].empty()).passed
