"""What is special about FRED: publications and their windows, a key in the query, and files without either."""

from __future__ import annotations

import datetime as dt
import logging

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.sessions import schedule, sessions_between, shift_session
from resources.providers.live.errors import AuthError, EmptyResult, NotFound, SchemaDrift
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from resources.providers.services.fred_releases import (
    MOST_DAYS,
    macro_rows,
    publication_day,
    reference_window,
    vintage_windows,
)
from tests.loopback.cases import SECRET
from tests.loopback.vendors.fred import FOREVER, KEYS, MOST_PUBLICATIONS, FredVendor

MACRO = "raw.macro"
LEVELS = "raw.index_levels"
OCTOBER = dt.date(2026, 9, 1)
FIRST_PRINT, RESTATED = dt.date(2026, 10, 14), dt.date(2026, 11, 13)
SINCE_2012 = sessions_between(dt.date(2012, 1, 3), dt.date(2026, 11, 20))


@pytest.fixture
def vendor(world, loopback):
    made = FredVendor(world)
    before = RESTATED - dt.timedelta(days=1)
    made.prints["CPIAUCSL"] = [(OCTOBER, FIRST_PRINT, before, "326.1"), (OCTOBER, RESTATED, FOREVER, "325.7")]
    loopback.serve(made)
    return made


@pytest.fixture
def keyed(vendor, access_to):
    return make_service(access_to("fred", keys=KEYS))


@pytest.fixture
def keyless(vendor, access_to):
    return make_service(access_to("fred"))


def macro(service, series, *sessions):
    return service.fetch(Ask(MACRO, (series,), tuple(sessions)))


class TestPublications:
    def test_a_restated_value_is_a_row_of_its_own_and_not_known_before_its_day(self, keyed):
        sessions = sessions_between(dt.date(2026, 10, 1), dt.date(2026, 11, 20))
        rows = macro(keyed, "CPIAUCSL", *sessions).frame
        assert rows.select("session", "ref_date", "value", "is_vintage").rows() == [
            (dt.date(2026, 10, 15), OCTOBER, 326.1, True),
            (dt.date(2026, 11, 16), OCTOBER, 325.7, True),
        ]
        known = rows.with_columns(day=pl.col("known_at").dt.convert_time_zone("America/New_York").dt.date())
        assert known["day"].to_list() == [day + dt.timedelta(days=1) for day in (FIRST_PRINT, RESTATED)]

    def test_asking_before_the_restatement_asks_for_nothing_later(self, keyed, loopback):
        rows = macro(keyed, "CPIAUCSL", *sessions_between(dt.date(2026, 10, 1), RESTATED)).frame
        assert rows["value"].to_list() == [326.1]
        assert loopback.requests("fred")[0].query["realtime_end"] < str(RESTATED)

    def test_what_was_published_before_the_window_is_not_published_again(self, keyed):
        with pytest.raises(EmptyResult, match="no value"):
            macro(keyed, "CPIAUCSL", dt.date(2026, 10, 16))

    def test_nights_one_by_one_give_the_rows_of_the_range(self, keyed, world):
        sessions = world.sessions[-8:]
        nights = pl.concat([macro(keyed, "DGS10", session).frame for session in sessions])
        assert nights.equals(macro(keyed, "DGS10", *sessions).frame)
        assert nights.height == len(sessions)

    def test_a_yield_is_known_two_sessions_after_its_day(self, keyed, world):
        frame = macro(keyed, "DGS10", world.today).frame
        assert frame["ref_date"].to_list() == [world.sessions[-3]]

    def test_a_long_range_is_asked_in_windows_that_alfred_allows(self, keyed, vendor, loopback):
        days = SINCE_2012[:-2]
        vendor.prints["DFF"] = [(day, shift_session(day, 1), FOREVER, "1.5") for day in days]
        assert len(days) > MOST_PUBLICATIONS
        frame = macro(keyed, "DFF", *SINCE_2012).frame
        assert frame["ref_date"].to_list() == days
        assert frame["ref_date"].to_list() == [shift_session(day, -2) for day in frame["session"]]
        assert len(loopback.requests("fred")) == 3

    def test_a_window_before_the_archive_began_has_nothing_and_the_others_count(self, keyed, vendor):
        vendor.prints["DFF"] = [(dt.date(2026, 11, 16), dt.date(2026, 11, 17), FOREVER, "3.9")]
        assert macro(keyed, "DFF", *SINCE_2012).frame["value"].to_list() == [3.9]
        with pytest.raises(NotFound, match="ALFRED keeps no publications"):
            macro(keyed, "DFF", *SINCE_2012[:10])

    def test_a_day_without_a_value_is_set_aside(self, keyed, vendor, world):
        holiday = world.sessions[-4]
        rows = vendor.prints["DGS10"]
        vendor.prints["DGS10"] = [(*row[:3], ".") if row[0] == holiday else row for row in rows]
        answer = macro(keyed, "DGS10", *world.sessions[-3:])
        assert answer.frame.height == 2
        assert answer.rejected.select("session", "rule").rows() == [(world.sessions[-2], "value|nullability")]

    def test_a_period_more_than_ten_years_back_is_not_collected(self, keyed, vendor, world):
        published = world.sessions[-2]
        vendor.prints["GDPC1"] = [(dt.date(year, 1, 1), published, FOREVER, "1.0") for year in (2014, 2015, 2016, 2017)]
        assert macro(keyed, "GDPC1", world.today).frame["ref_date"].dt.year().to_list() == [2017]

    def test_one_unknown_series_does_not_hold_back_the_others(self, keyed, world):
        answer = keyed.fetch(Ask(MACRO, ("DGS10", "NOSUCH"), (world.today,)))
        assert answer.frame["series_id"].to_list() == ["DGS10"]
        assert isinstance(answer.failures["NOSUCH"], NotFound)

    def test_a_cell_that_is_no_number_is_drift(self, keyed, vendor, world):
        vendor.prints["DGS10"][-4] = (*vendor.prints["DGS10"][-4][:3], "4.1%")
        with pytest.raises(SchemaDrift, match=r"4\.1%"):
            macro(keyed, "DGS10", *world.sessions[-8:])


class TestKey:
    def test_a_dead_key_is_an_error_of_the_key_although_the_status_is_400(self, vendor, keyed, world, loopback):
        vendor.key = "another"
        with pytest.raises(AuthError, match="FRED_API_KEY"):
            keyed.fetch(Ask(MACRO, ("DGS10", "DGS3MO"), (world.today,)))
        assert len(loopback.requests("fred")) == 1

    def test_the_key_is_in_the_query_and_in_nothing_that_is_written(self, keyed, world, loopback, caplog):
        caplog.set_level(logging.DEBUG)
        macro(keyed, "DGS10", world.today)
        assert [request.query["api_key"] for request in loopback.requests("fred")] == [SECRET]
        assert "fred/series/observations" in caplog.text
        assert SECRET not in caplog.text
        assert all("api_key=***" in source.url_or_path for source in keyed.access.recorder.taken())

    def test_without_a_key_none_is_sent(self, keyless, world, loopback):
        macro(keyless, "DGS10", world.today)
        assert [request.path for request in loopback.requests("fred")] == ["/graph/fredgraph.csv"]
        assert "api_key" not in loopback.requests("fred")[0].query


class TestLags:
    def test_the_publication_day_is_assumed_and_said_to_be(self, keyed, keyless, world):
        with_key, without = (macro(service, "DGS10", *world.sessions[-5:]).frame for service in (keyed, keyless))
        assert without["is_vintage"].to_list() == [False] * 5
        assert without.drop("is_vintage").equals(with_key.drop("is_vintage"))

    def test_a_series_without_a_lag_needs_a_key(self, keyless, vendor, world, loopback):
        vendor.prints["STLFSI4"] = vendor.prints["DGS10"]
        with pytest.raises(NotFound, match="set FRED_API_KEY"):
            macro(keyless, "STLFSI4", world.today)
        assert loopback.requests("fred") == []

    def test_a_lag_may_be_stated(self, vendor, access_to, world):
        vendor.prints["STLFSI4"] = vendor.prints["DGS10"]
        service = make_service(access_to("fred", options={"release_lag_days": {"STLFSI4": 6}}))
        frame = macro(service, "STLFSI4", *world.sessions[-5:]).frame
        assert ((frame["session"] - frame["ref_date"]).dt.total_days() > 6).all()

    @pytest.mark.parametrize("lag", [0, 1.5, "1"])
    def test_a_lag_that_is_no_number_of_days_is_refused(self, access_to, lag):
        with pytest.raises(ValueError, match="whole days of at least 1"):
            make_service(access_to("fred", options={"release_lag_days": {"STLFSI4": lag}}))

    @pytest.mark.parametrize(("column", "missing"), [("observation_date", ""), ("DATE", ".")])
    def test_both_forms_of_the_file_are_read(self, keyless, vendor, world, column, missing):
        vendor.date_column, vendor.missing = column, missing
        rows = vendor.prints["DGS10"]
        vendor.prints["DGS10"] = [(*row[:3], ".") if row[0] == world.sessions[-4] else row for row in rows]
        answer = macro(keyless, "DGS10", *world.sessions[-3:])
        assert answer.frame["ref_date"].to_list() == [world.sessions[-5], world.sessions[-3]]
        assert answer.rejected["rule"].to_list() == ["value|nullability"]

    @given(st.sampled_from(SINCE_2012[300:-300]), st.integers(1, 15), st.integers(1, 200))
    def test_the_window_holds_every_date_that_counts_and_rows_never_come_early(self, first, n, lag):
        sessions = SINCE_2012[SINCE_2012.index(first) :][:n]
        since, until = reference_window(sessions, lag)
        days = pl.date_range(since - dt.timedelta(days=30), until + dt.timedelta(days=30), eager=True)
        dated = publication_day(pl.DataFrame({"ref_date": days, "value": 1.0}), lag)
        frame, _ = macro_rows(dated, "DGS10", sessions, "fred", is_vintage=False)
        assert frame["ref_date"].is_between(since, until).all()
        inside = days.filter(days.is_between(since, until)).sort()
        assert frame["ref_date"].sort().equals(inside.alias("ref_date"))
        closes = frame.join(schedule(), on="session", how="left")
        assert (closes["known_at"] <= closes["close_at"]).all()
        assert ((frame["session"] - frame["ref_date"]).dt.total_days() > lag).all()


@given(st.lists(st.sampled_from(SINCE_2012[2:]), min_size=1, max_size=30, unique=True).map(sorted))
def test_windows_cover_each_session_and_stay_within_the_limit(sessions):
    windows = list(vintage_windows(sessions))
    for session in sessions:
        published = shift_session(session, -1)
        assert any(first < published <= last for first, last in windows)
    assert all((last - first).days <= MOST_DAYS + 6 < MOST_PUBLICATIONS for first, last in windows)


class TestLevels:
    @pytest.mark.parametrize("service", ["keyed", "keyless"])
    def test_only_closes_are_known(self, service, world, request):
        fred = request.getfixturevalue(service)
        frame = fred.fetch(Ask(LEVELS, ("^GSPC", "^IXIC", "^VIX"), (world.sessions[-2],))).frame
        closes = world.levels.filter(pl.col("session") == world.sessions[-2]).sort("symbol")
        assert frame.select("symbol", "close").equals(closes.select("symbol", "close"))
        assert frame.select("open", "high", "low").null_count().row(0) == (3, 3, 3)

    def test_the_session_of_today_is_not_there_yet(self, keyless, world):
        with pytest.raises(EmptyResult, match="next business day"):
            keyless.fetch(Ask(LEVELS, ("^VIX",), (world.today,)))

    def test_an_index_that_fred_does_not_have_is_named(self, keyless, world):
        answer = keyless.fetch(Ask(LEVELS, ("^RUT", "^VIX"), world.sessions[-2:]))
        assert list(answer.failures) == ["^RUT"]


def test_the_probe_says_what_a_key_would_add(keyed, keyless):
    assert "with publication dates" in keyed.probe().detail
    assert "fredaccount" in keyless.probe().detail


@pytest.mark.real_data
def test_missing_months_stay_missing(shared_data):
    file = shared_data / "macro" / "fred_long_1980_2025.parquet"
    series = pl.read_parquet(file).filter(pl.col("series_id").cast(pl.String) == "UNRATE")
    rows = series.select(ref_date=pl.col("date").dt.date(), value="value")
    sessions = sessions_between(dt.date(2025, 1, 2), dt.date(2026, 3, 31))
    frame, rejected = macro_rows(publication_day(rows, 45), "UNRATE", sessions, "fred", is_vintage=False)
    absent = dt.date(2025, 10, 1)
    assert absent not in set(frame["ref_date"])
    assert dt.date(2025, 9, 1) in set(frame["ref_date"])
    known = dict(rows.drop_nulls().rows())
    assert dict(frame.select("ref_date", "value").rows()).items() <= known.items()
    assert set(rejected["rule"]) <= {"value|nullability"}
