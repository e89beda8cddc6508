"""Rejected rows and the rules that need no schema."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from resources.providers.protocol import REJECTED_SCHEMA
from resources.providers.rejections import future_rows, no_rejections, rejected_rows

NOON = dt.datetime(2013, 1, 2, 17, tzinfo=dt.UTC)


def test_rows_are_kept_whole_in_their_order():
    rows = pl.DataFrame({"day": [dt.date(2012, 12, 25), dt.date(2012, 12, 24)], "close": [None, 2.5]})
    found = rejected_rows(rows, date="day", rule=pl.Series(["a", "b"]), provider="files")
    assert found.rows() == [
        (dt.date(2012, 12, 26), "a", '{"day":"2012-12-25","close":null}', "files"),
        (dt.date(2012, 12, 24), "b", '{"day":"2012-12-24","close":2.5}', "files"),
    ]


def test_no_rows_keep_the_schema():
    rows = pl.DataFrame({"day": []}, schema={"day": pl.Date})
    assert rejected_rows(rows, date="day", rule="a", provider="files").schema == REJECTED_SCHEMA
    assert no_rejections().height == 0


def test_rows_from_the_future_are_found():
    frame = pl.DataFrame({"known_at": [NOON, NOON + dt.timedelta(microseconds=1)]})
    assert future_rows(frame, NOON)["known_at"].to_list() == [NOON + dt.timedelta(microseconds=1)]


def test_now_must_have_a_zone():
    with pytest.raises(ValueError, match="expected an aware datetime"):
        future_rows(pl.DataFrame({"known_at": [NOON]}), NOON.replace(tzinfo=None))
