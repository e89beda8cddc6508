from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options.chain import clock
from gnosis.sessions import UnknownSessionError


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


def settles_at(session: dt.date, expiry: dt.date, settlement: str) -> dt.datetime:
    frame = pl.DataFrame({"session": [session], "expiry": [expiry], "settlement": [settlement]})
    return clock.with_settlement(frame)["settles_at"].item()


def tau(ts: dt.datetime, settlement: dt.datetime) -> tuple[float, bool]:
    frame = pl.DataFrame({"ts": [ts], "settles_at": [settlement]})
    return frame.select(clock.tau_years(), clock.is_tau_floored().alias("floored")).row(0)


@pytest.mark.parametrize(
    ("expiry", "settlement", "expected"),
    [
        (dt.date(2019, 6, 21), "pm", utc(2019, 6, 21, 20, 0)),
        (dt.date(2019, 6, 21), "am", utc(2019, 6, 21, 13, 30)),
        (dt.date(2019, 12, 20), "pm", utc(2019, 12, 20, 21, 0)),
        (dt.date(2019, 7, 3), "pm", utc(2019, 7, 3, 17, 0)),  # closes at 13:00
        (dt.date(2019, 7, 3), "am", utc(2019, 7, 3, 13, 30)),
        (dt.date(2019, 7, 4), "pm", utc(2019, 7, 3, 17, 0)),  # holiday
        (dt.date(2021, 12, 17), "pm", utc(2021, 12, 17, 21, 0)),  # beyond the calendar's reach
        (dt.date(2021, 12, 18), "am", utc(2021, 12, 17, 14, 30)),
    ],
)
def test_settlement_instants(expiry, settlement, expected):
    assert settles_at(dt.date(2019, 5, 15), expiry, settlement) == expected


def test_monthly_contracts_that_expired_on_saturday_settle_on_friday():
    assert settles_at(dt.date(2012, 5, 1), dt.date(2012, 6, 16), "am") == utc(2012, 6, 15, 13, 30)


def test_same_day_quote_is_floored_at_one_hour():
    settlement = settles_at(dt.date(2019, 5, 15), dt.date(2019, 5, 15), "pm")
    assert tau(utc(2019, 5, 15, 19, 45), settlement) == (1 / 8760, True)


def test_weekend_without_clock_change():
    settlement = settles_at(dt.date(2019, 5, 10), dt.date(2019, 5, 13), "pm")
    years, floored = tau(utc(2019, 5, 10, 19, 45), settlement)
    assert years == pytest.approx(0.00824771689, rel=1e-8)
    assert years == pytest.approx(72.25 / 8760, rel=1e-14)
    assert not floored


def test_daylight_saving_counts_elapsed_seconds():
    """Clocks went forward on 2019-03-10: one hour less than the wall clocks say."""
    settlement = settles_at(dt.date(2019, 3, 8), dt.date(2019, 3, 11), "pm")
    assert tau(utc(2019, 3, 8, 20, 45), settlement)[0] == pytest.approx(71.25 / 8760, rel=1e-14)


@settings(max_examples=30, deadline=None)
@given(st.integers(-10_000_000, 100_000_000))
def test_tau_is_never_below_the_floor(seconds):
    ts = utc(2019, 5, 15, 19, 45)
    years, floored = tau(ts, ts + dt.timedelta(seconds=seconds))
    assert years >= 1 / 8760
    assert floored == (seconds < 3600)
    if not floored:
        assert years == pytest.approx(seconds / (365 * 86_400), rel=1e-14)


def test_nominal_snapshot_of_full_and_short_sessions():
    sessions = [dt.date(2019, 7, 2), dt.date(2019, 7, 3)]
    frame = pl.DataFrame({"session": sessions, "expiry": sessions, "settlement": ["pm", "pm"]})
    assert clock.with_settlement(frame)["chain_at"].to_list() == [utc(2019, 7, 2, 19, 45), utc(2019, 7, 3, 16, 45)]


def test_a_date_without_session_is_an_error():
    with pytest.raises(UnknownSessionError, match=r"expected sessions of XNYS .* found 2019-07-04"):
        settles_at(dt.date(2019, 7, 4), dt.date(2019, 7, 5), "pm")
