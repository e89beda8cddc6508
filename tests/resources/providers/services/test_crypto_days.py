"""Sessions of candles, snapshots and trades."""

from __future__ import annotations

import datetime as dt

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from gnosis.sessions import schedule, sessions_between, shift_session
from resources.providers.live.known import INSTANT
from resources.providers.services.crypto_days import finished_candles, in_opened_session

SESSIONS = sessions_between(dt.date(2001, 8, 1), dt.date(2001, 12, 31)) + sessions_between(
    dt.date(2026, 6, 1), dt.date(2026, 11, 20)
)
LATER = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
chosen = st.lists(st.sampled_from(SESSIONS), min_size=1, max_size=12, unique=True)


@given(chosen)
def test_every_candle_ends_after_the_close_before_and_by_the_close_of_its_session(sessions):
    candles = finished_candles(sessions, LATER, None)
    closes = schedule().select("session", "close_at", closed_before=pl.col("close_at").shift(1))
    judged = candles.join(closes, on="session")
    assert judged.height == candles.height
    assert judged.filter(~pl.col("ts").is_between("closed_before", "close_at", closed="right")).is_empty()


@given(st.integers(0, len(SESSIONS) - 1), st.integers(1, 9))
def test_no_candle_belongs_to_two_sessions_and_none_is_lost(start, length):
    stretch = [day for day in SESSIONS[start : start + length] if day.year == SESSIONS[start].year]
    candles = finished_candles(stretch, LATER, None)
    assert candles["ts"].diff().drop_nulls().n_unique() <= 1
    one_by_one = pl.concat([finished_candles([day], LATER, None) for day in stretch])
    assert one_by_one.equals(candles)


@given(st.sampled_from(SESSIONS), st.integers(0, 5 * 24 * 60))
def test_no_candle_is_given_before_it_has_ended(session, minutes):
    now = dt.datetime.combine(session, dt.time(), dt.UTC) - dt.timedelta(days=3) + dt.timedelta(minutes=minutes)
    assert finished_candles([session], now, None).filter(pl.col("ts") > now).is_empty()


def test_eleven_september_left_the_candles_of_a_week_to_one_session():
    candles = finished_candles([dt.date(2001, 9, 17)], LATER, None)
    assert candles["ts"].dt.date().to_list() == [dt.date(2001, 9, day) for day in range(11, 18)]


def test_only_the_newest_are_asked_for():
    now = dt.datetime(2026, 11, 20, 23, tzinfo=dt.UTC)
    candles = finished_candles(sessions_between(dt.date(2026, 11, 2), dt.date(2026, 11, 20)), now, 3)
    assert candles["start"].dt.day().to_list() == [18, 19]


def test_a_session_is_that_of_the_latest_opening():
    friday = dt.date(2026, 11, 20)
    opened = schedule().filter(pl.col("session") == friday)["open_at"].item()
    instants = [opened - dt.timedelta(seconds=1), opened, opened + dt.timedelta(days=2)]
    rows = pl.DataFrame({"at": instants}, schema={"at": INSTANT})
    found = in_opened_session(rows, "at", [shift_session(friday, -1), friday])
    assert found["session"].to_list() == [shift_session(friday, -1), friday, friday]
    assert in_opened_session(rows, "at", [friday]).height == 2
