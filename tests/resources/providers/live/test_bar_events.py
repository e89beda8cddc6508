"""Doubts about bars that show only beside what is stored, as rows of the table of events."""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.corporate_actions import NOT_APPLIED_SCHEMA
from gnosis.listings import listing_gaps
from gnosis.tables import TABLES
from resources.providers.live.events import late_actions, listing_gap_events

DAY = dt.date(2012, 5, 18)


def test_actions_of_one_symbol_and_session_are_one_event_with_every_sentence():
    rows = [(DAY, "FB", DAY, "split", "late"), (DAY, "FB", DAY, "dividend", "too large")]
    told = late_actions(pl.DataFrame(rows, schema=NOT_APPLIED_SCHEMA, orient="row"), "yahoo")
    assert told.schema == TABLES["raw.quality_events"].polars_schema
    assert told["detail"].to_list() == [
        "dividend of 2012-05-18 is not in the adjustment factor: too large; "
        "split of 2012-05-18 is not in the adjustment factor: late"
    ]
    assert told["kind"].to_list() == ["late_action"]
    _, failures = TABLES["raw.quality_events"].schema.filter(told)
    assert failures.counts() == {}


def test_a_gap_names_its_length_and_the_setting_that_decides():
    bars = pl.DataFrame({"session": [dt.date(2003, 3, 28), DAY], "symbol": ["FB", "FB"]})
    told = listing_gap_events(listing_gaps(bars), "yahoo")
    assert told.select("session", "symbol").rows() == [(DAY, "FB")]
    assert "2302 sessions after 2003-03-28" in told["detail"][0]
    assert "live.listed_from" in told["detail"][0]
    assert told["known_at"][0] == dt.datetime(2012, 5, 18, 20, tzinfo=dt.UTC)


def test_nothing_to_tell_is_an_empty_table():
    nothing = pl.DataFrame(schema=NOT_APPLIED_SCHEMA)
    assert late_actions(nothing, "yahoo").schema == TABLES["raw.quality_events"].polars_schema
