"""The checks of stored tables, each on rows that pass and rows that do not."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from assets.checks import (
    FEW_QUARANTINED,
    KNOWN_IN_TIME,
    NO_SESSION_MISSING,
    NO_SYMBOL_MISSING,
    SCHEMA,
    UNIQUE_KEY,
    Stored,
    checks_of,
    evaluate,
)
from gnosis.sessions import schedule, sessions_between
from gnosis.tables import TABLES
from resources.lake import Lake

NAME = "features.macro"
TABLE = TABLES[NAME]
DAYS = sessions_between(dt.date(2012, 3, 12), dt.date(2012, 3, 16))


def rows_of(days, symbols=("AAPL", "IBM")):
    keys = pl.DataFrame(
        [(day, symbol) for day in days for symbol in symbols], schema=["session", "symbol"], orient="row"
    )
    closes = schedule().select("session", known_at="close_at")
    filled = keys.join(closes, on="session").with_columns(provider=pl.lit("example"), synthetic=pl.lit(False))
    others = [
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in TABLE.polars_schema.items() if name not in filled
    ]
    return filled.with_columns(others).select(list(TABLE.polars_schema)).cast(TABLE.polars_schema)


def stored(tmp_path, frame, sessions, made=None):
    lake = Lake(tmp_path)
    lake.write(NAME, frame, sessions, run_id="test")
    made = sessions if made is None else made
    return Stored(TABLE, lake, lake.scan(NAME, made[0], made[-1]), made)


def quarantine(lake, days, n_rows):
    name = "quarantine.features_macro"
    schema = TABLES[name].polars_schema
    rows = [(day, number, "close", "{}", "example") for day in days for number in range(n_rows)]
    lake.write(name, pl.DataFrame(rows, schema=schema, orient="row"), days, run_id="test")


def test_whole_rows_pass_every_check(tmp_path):
    state = stored(tmp_path, rows_of(DAYS), DAYS)
    results = list(evaluate(checks_of(TABLE), TABLE, state.lake, DAYS))
    assert {result.name for result in results} == {
        "schema",
        "unique_key",
        "few_quarantined",
        "known_in_time",
        "no_session_missing",
        "no_symbol_missing",
    }
    assert all(result.passed for result in results)
    assert [result.name for result in results if not result.is_blocking] == ["no_symbol_missing"]


def test_a_session_without_rows_is_named(tmp_path):
    state = stored(tmp_path, rows_of([day for day in DAYS if day != DAYS[2]]), DAYS)
    finding = NO_SESSION_MISSING.look(state)
    assert not finding.passed
    assert finding.finding == "4 of 5 sessions have rows; first without: 2012-03-14"


def test_a_symbol_that_stops_in_a_range_is_named(tmp_path):
    frame = rows_of(DAYS).filter(~((pl.col("symbol") == "IBM") & (pl.col("session") == DAYS[2])))
    finding = NO_SYMBOL_MISSING.look(stored(tmp_path, frame, DAYS))
    assert not finding.passed
    assert finding.finding == "symbols missing: ['IBM'], first in 2012-03-14"


def test_one_night_finds_the_missing_symbol_that_a_backfill_finds(tmp_path):
    frame = rows_of(DAYS).filter(~((pl.col("symbol") == "IBM") & (pl.col("session") == DAYS[2])))
    nights = [NO_SYMBOL_MISSING.look(stored(tmp_path, frame, DAYS, made=[day])).passed for day in DAYS]
    assert nights == [True, True, False, True, True]


def test_a_symbol_that_is_new_is_no_gap(tmp_path):
    frame = rows_of(DAYS).filter((pl.col("symbol") != "IBM") | (pl.col("session") >= DAYS[3]))
    assert NO_SYMBOL_MISSING.look(stored(tmp_path, frame, DAYS)).passed


def test_the_first_night_has_no_session_to_compare_with(tmp_path):
    assert NO_SYMBOL_MISSING.look(stored(tmp_path, rows_of(DAYS[:1]), DAYS[:1])).passed


def test_a_row_known_after_the_next_open_is_counted(tmp_path):
    frame = rows_of(DAYS)
    one_minute_late = pl.lit(dt.datetime(2012, 3, 13, 13, 31, tzinfo=dt.UTC), TABLE.polars_schema["known_at"])
    is_first = pl.int_range(pl.len()) == 0
    late = frame.with_columns(known_at=pl.when(is_first).then(one_minute_late).otherwise("known_at"))
    finding = KNOWN_IN_TIME.look(stored(tmp_path, late, DAYS))
    assert not finding.passed
    assert finding.figures == {"late_rows": 1, "rows": 10}


def test_repeated_keys_and_other_columns_are_found(tmp_path):
    state = stored(tmp_path, rows_of(DAYS), DAYS)
    twice = Stored(TABLE, state.lake, pl.concat([state.rows, state.rows.head(1)]), DAYS)
    assert UNIQUE_KEY.look(twice).finding == "11 rows, 10 different keys"
    narrower = Stored(TABLE, state.lake, state.rows.drop("synthetic"), DAYS)
    assert SCHEMA.look(narrower).finding == "columns ['synthetic'] differ"


@pytest.mark.parametrize(("n_bad", "passes"), [(0, True), (1, False)])
def test_more_than_a_fifth_of_the_rows_in_quarantine_blocks(tmp_path, n_bad, passes):
    # Two rows and half a row a session are a fifth; one a session is a third.
    state = stored(tmp_path, rows_of(DAYS), DAYS)
    if n_bad:
        quarantine(state.lake, DAYS, n_bad)
    finding = FEW_QUARANTINED.look(state)
    assert finding.passed is passes
    assert finding.figures["quarantined_rows"] == 5 * n_bad


def test_exactly_a_fifth_is_accepted(tmp_path):
    state = stored(tmp_path, rows_of(DAYS[:2]), DAYS[:2])
    quarantine(state.lake, DAYS[:1], 1)
    finding = FEW_QUARANTINED.look(state)
    assert finding.passed
    assert finding.figures["share"] == pytest.approx(0.2)


def test_findings_of_other_sessions_are_not_counted(tmp_path):
    state = stored(tmp_path, rows_of(DAYS), DAYS, made=DAYS[3:])
    quarantine(state.lake, DAYS[:2], 9)
    assert FEW_QUARANTINED.look(state).passed


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if not table.is_companion])
def test_every_table_has_blocking_checks_of_schema_and_key(name):
    found = {check.name: check.is_blocking for check in checks_of(TABLES[name])}
    assert found["schema"]
    assert found["unique_key"]
    assert ("few_quarantined" in found) == (TABLES[name].period != "all")
