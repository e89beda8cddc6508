from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.options.chain.declared_dividends import LOOKBACK_SESSIONS, MAX_AGE, declared_dividends
from gnosis.sessions import schedule

SESSION, EXPIRY = dt.date(2019, 5, 15), dt.date(2019, 6, 14)
CLOSE = dt.datetime(2019, 5, 15, 20, 0, tzinfo=dt.UTC)
LATER = CLOSE + dt.timedelta(microseconds=1)
JUNE_7 = dt.date(2019, 6, 7)


def expiries(*last: dt.date, symbol: str = "XYZ") -> pl.DataFrame:
    days = [(day - SESSION).days for day in last]
    return pl.DataFrame(
        {
            "session": [SESSION] * len(last),
            "symbol": [symbol] * len(last),
            "expiry": list(last),
            "ts": [CLOSE] * len(last),
            "tau_years": [count / 365 for count in days],
        }
    )


@pytest.mark.parametrize(
    ("announced", "amounts"),
    [
        ([(JUNE_7, 0.5, CLOSE)], [0.5]),
        ([(JUNE_7, 0.5, LATER)], []),
        ([(SESSION, 0.5, CLOSE)], []),  # the spot is already without it
        ([(dt.date(2019, 5, 16), 0.5, CLOSE)], [0.5]),
        ([(EXPIRY, 0.5, CLOSE)], [0.5]),
        ([(dt.date(2019, 6, 17), 0.5, CLOSE)], []),
        ([(JUNE_7, 0.5, CLOSE - dt.timedelta(days=9)), (JUNE_7, 0.6, CLOSE)], [0.6]),
        ([(JUNE_7, 0.6, CLOSE), (JUNE_7, 0.5, CLOSE - dt.timedelta(days=9))], [0.6]),
        ([(JUNE_7, 0.5, CLOSE), (JUNE_7, 0.6, LATER)], [0.5]),
        ([(JUNE_7, 0.5, CLOSE - dt.timedelta(days=9)), (JUNE_7, 0.5, CLOSE)], [0.5]),  # told again
        ([(JUNE_7, 0.5, CLOSE - dt.timedelta(days=9)), (JUNE_7, 0.0, CLOSE)], []),  # taken back
        ([(JUNE_7, 0.5, CLOSE), (dt.date(2019, 5, 20), 0.2, CLOSE)], [0.2, 0.5]),
    ],
)
def test_which_dividends_count(dividend_rows, announced, amounts):
    found = declared_dividends(expiries(EXPIRY), dividend_rows(announced))
    assert found.amounts_usd.tolist() == amounts
    assert found.starts.tolist() == [0, len(amounts)]
    assert (np.diff(found.times_years) > 0).all()
    assert ((found.times_years > 0) & (found.times_years < 30 / 365)).all()


def test_the_row_of_the_ex_date_counts_for_no_quote_a_second_time(dividend_rows):
    """It repeats the announcement, known at the open of the ex-date: quotes of that session are already without it."""
    ex_date, after = dt.date(2019, 5, 16), dt.date(2019, 5, 17)
    opening = dt.datetime(2019, 5, 16, 13, 30, tzinfo=dt.UTC)
    told = pl.concat(
        [
            dividend_rows([(ex_date, 0.5, CLOSE - dt.timedelta(days=9))], session=dt.date(2019, 5, 6)),
            dividend_rows([(ex_date, 0.5, opening)], session=ex_date),
        ]
    )
    quotes = [
        expiries(EXPIRY).with_columns(session=pl.lit(day), ts=pl.lit(CLOSE + (day - SESSION)))
        for day in (SESSION, ex_date, after)
    ]
    found = declared_dividends(pl.concat(quotes), told)
    assert found.starts.tolist() == [0, 1, 1, 1]
    assert found.amounts_usd.tolist() == [0.5]


def test_dividends_of_other_symbols_do_not_count(dividend_rows):
    found = declared_dividends(expiries(EXPIRY), dividend_rows([(JUNE_7, 0.5, CLOSE)], symbol="ABC"))
    assert found.starts.tolist() == [0, 0]


def test_each_expiry_has_those_up_to_it(dividend_rows):
    told = dividend_rows([(dt.date(2019, 5, 20), 0.2, CLOSE), (JUNE_7, 0.5, CLOSE)])
    found = declared_dividends(expiries(dt.date(2019, 5, 17), dt.date(2019, 5, 24), EXPIRY), told)
    assert found.starts.tolist() == [0, 0, 1, 3]
    assert found.amounts_usd.tolist() == [0.2, 0.2, 0.5]
    worth = found.present_value(np.array([0.05, 0.05, np.nan]))
    assert worth[0] == 0.0
    assert worth[1] == pytest.approx(0.2 * np.exp(-0.05 * found.times_years[0]), rel=1e-14)
    assert np.isnan(worth[2])
    contracts = found.of_contracts(np.array([2, 0, 1, 2]))
    assert contracts.starts.tolist() == [0, 2, 2, 3, 5]
    assert contracts.amounts_usd.tolist() == [0.2, 0.5, 0.2, 0.2, 0.5]


def test_time_runs_to_the_opening_of_the_ex_date(dividend_rows):
    found = declared_dividends(expiries(EXPIRY), dividend_rows([(JUNE_7, 0.5, CLOSE)]))
    opening = dt.datetime(2019, 6, 7, 13, 30, tzinfo=dt.UTC)
    assert found.times_years[0] == pytest.approx((opening - CLOSE).total_seconds() / (365 * 86_400), rel=1e-14)


def test_the_ex_date_must_follow_the_session_of_each_expiry(dividend_rows):
    """The share trades without it from the ex-date on: for quotes of that very session it is no dividend to come."""
    both = pl.concat([expiries(EXPIRY), expiries(EXPIRY).with_columns(session=dt.date(2019, 5, 16))])
    found = declared_dividends(both, dividend_rows([(dt.date(2019, 5, 16), 0.5, CLOSE)]))
    assert found.starts.tolist() == [0, 1, 1]


@pytest.mark.parametrize(("days", "amounts"), [(365, [0.5]), (366, [])])
def test_an_announcement_older_than_a_year_does_not_count(dividend_rows, days, amounts):
    told_in = SESSION - dt.timedelta(days=days)
    told = dividend_rows([(JUNE_7, 0.5, CLOSE - dt.timedelta(days=days))], session=told_in)
    assert declared_dividends(expiries(EXPIRY), told).amounts_usd.tolist() == amounts


def test_the_lookback_holds_every_announcement_that_may_still_count():
    days = schedule().select("session", oldest=pl.col("session").shift(LOOKBACK_SESSIONS)).drop_nulls()
    assert (days["session"] - days["oldest"]).min() >= MAX_AGE


def test_one_night_counts_what_a_backfill_counts(dividend_rows):
    """Announcements of 300 and of 240 sessions ago: the night reads only the last ones."""
    days = schedule().filter(pl.col("session") <= SESSION)["session"]
    told = pl.concat(
        dividend_rows([(JUNE_7 + dt.timedelta(days=n), 0.5, CLOSE - dt.timedelta(days=500))], session=days[-1 - back])
        for n, back in enumerate((300, 240))
    )
    night = told.filter(pl.col("session") >= days[-1 - LOOKBACK_SESSIONS])
    assert night.height == 1
    seen, all_seen = (declared_dividends(expiries(EXPIRY), frame).times_years.tolist() for frame in (night, told))
    assert seen == all_seen
    assert len(seen) == 1
