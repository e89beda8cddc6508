"""Which missing sessions stop a night: bars and what is made from a chain; not the chain itself."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from assets.checks import FEW_QUARANTINED, NO_SESSION_MISSING, Result, evaluate
from gnosis.tables import TABLES
from resources.lake import Lake

DAYS = [dt.date(2013, 1, 2), dt.date(2013, 1, 3), dt.date(2013, 1, 4)]
WORDS = {"symbol": "AAA", "root": "AAA", "settlement": "pm", "right": "C", "style": "A", "provider": "files"}


def rows(name: str, days: list[dt.date], **values: object) -> pl.DataFrame:
    """Return one row per session in which only the session and the given values matter."""
    schema = TABLES[name].polars_schema
    stamp = dt.datetime(2013, 1, 4, 21, tzinfo=dt.UTC)
    defaults = {pl.Float64: 1.0, pl.Date: DAYS[-1], pl.Datetime("us", "UTC"): stamp, pl.Boolean: False, pl.Int64: 1}
    given = {column: defaults.get(dtype, WORDS.get(column)) for column, dtype in schema.items()} | values
    return pl.DataFrame([given | {"session": day} for day in days], schema=schema)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path)


def missing(lake: Lake, name: str, days: list[dt.date], *, is_served: bool = True, **values: object) -> Result:
    lake.write(name, rows(name, days, **values), DAYS, run_id="made")
    (result,) = evaluate([NO_SESSION_MISSING], TABLES[name], lake, DAYS, is_served=is_served)
    return result


def test_a_session_without_bars_stops_what_rests_on_them(lake):
    result = missing(lake, "raw.equity_bars", DAYS[:2])
    assert (result.passed, result.is_blocking) == (False, True)
    assert result.finding == "2 of 3 sessions have rows; first without: 2013-01-04"


def test_a_session_without_a_chain_is_told_and_stops_nothing(lake):
    result = missing(lake, "raw.option_quotes", DAYS[1:])
    assert (result.passed, result.is_blocking) == (False, False)
    assert result.figures == {"missing_sessions": 1, "first_missing": "2013-01-02"}


@pytest.mark.parametrize("name", ["greeks.option_greeks", "greeks.exposure"])
def test_what_is_made_from_chains_has_the_sessions_of_the_chains(lake, name):
    words = {"sign_convention": "naive", "expiry_bucket": "2-7"} if name == "greeks.exposure" else {"iv_source": "own"}
    missing(lake, "raw.option_quotes", DAYS[1:])
    result = missing(lake, name, DAYS[1:], **words)
    assert result.passed
    assert result.finding.startswith("2 of 2 sessions have rows; 1 sessions have no ")
    result = missing(lake, name, DAYS[2:], **words)
    assert (result.passed, result.is_blocking) == (False, True)
    assert result.figures["first_missing"] == "2013-01-03"


def test_without_open_interest_no_exposure_is_expected(lake):
    missing(lake, "raw.option_quotes", DAYS, open_interest=None)
    assert missing(lake, "greeks.exposure", []).passed
    assert not missing(lake, "greeks.option_greeks", []).passed


def test_a_table_that_the_provider_does_not_have_stops_nothing(lake):
    result = missing(lake, "raw.index_levels", [], is_served=False)
    assert (result.passed, result.is_blocking) == (False, False)
    assert "the provider does not have it" in result.finding
    assert missing(lake, "raw.index_levels", []).is_blocking


def quarantined(lake: Lake, name: str, rule: str, n_rows: int, days: list[dt.date]) -> Result:
    lake.write(name, rows(name, days), DAYS, run_id="made")
    aside = f"quarantine.{name.replace('.', '_')}"
    found = [
        {"session": DAYS[0], "row_number": number, "rule": rule, "found": "{}", "provider": "files"}
        for number in range(n_rows)
    ]
    lake.write(aside, pl.DataFrame(found, schema=TABLES[aside].polars_schema), DAYS, run_id="made")
    (result,) = evaluate([FEW_QUARANTINED], TABLES[name], lake, DAYS)
    return result


@pytest.mark.parametrize("rule", ["not_a_session", "before_listing", "superseded_snapshot", "value|nullability"])
def test_rows_without_a_place_say_nothing_against_the_others(lake, rule):
    result = quarantined(lake, "raw.option_quotes", rule, 1000, DAYS)
    assert result.passed
    assert result.figures[rule] == result.figures["set_aside_rows"] == 1000


@pytest.mark.parametrize("rule", ["bid|min", "repeats_previous_session", "value|nullability,known_after_reference"])
def test_wrong_rows_speak_against_the_others(lake, rule):
    result = quarantined(lake, "raw.option_quotes", rule, 1, DAYS)
    assert (result.passed, result.is_blocking) == (False, True)
    assert result.finding == "1 of 4 rows quarantined; at most 20% is accepted"


def test_a_chain_of_which_nothing_is_left_counts_as_missing(lake):
    assert quarantined(lake, "raw.option_quotes", "repeats_previous_session", 1000, DAYS[1:]).passed
    assert not quarantined(lake, "raw.equity_bars", "close|type", 1000, DAYS[1:]).passed
