"""Which sessions a run makes: those that are not stored and published, with the history that they need."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from gnosis.sessions import UnknownSessionError, sessions_between
from gnosis.tables import TABLES
from gnosis_dagster import nights
from jobs.nightly import HISTORY_TABLES
from resources.lake import Lake
from resources.lake.errors import ForeignHomeError
from resources.market_data import MarketData
from resources.providers.archive import Archive
from resources.providers.sample import SampleProvider

DAYS = sessions_between(dt.date(2012, 3, 12), dt.date(2012, 3, 16))
WHOLE, *FOLLOWING = sessions_between(dt.date(2012, 3, 12), dt.date(2012, 8, 31))
LACKING = dict(zip(nights.SESSION_TABLES, FOLLOWING, strict=False))
assert len(LACKING) == len(nights.SESSION_TABLES)
SAMPLE = MarketData(SampleProvider(), Archive(Path("unused")), is_replay=True)


def store(lake, names, days):
    for name in names:
        lake.write(name, TABLES[name].empty(), days, run_id="test")


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def test_everything_is_pending_in_a_new_home(lake):
    assert nights.pending_sessions(lake, DAYS) == DAYS


def test_a_session_is_made_when_every_table_has_it_and_the_catalog_shows_it(lake):
    store(lake, nights.SESSION_TABLES, DAYS[:2])
    assert nights.pending_sessions(lake, DAYS) == DAYS
    lake.publish_catalog()
    assert nights.pending_sessions(lake, DAYS) == DAYS[2:]
    assert nights.made_sessions(lake) == set(DAYS[:2])


@pytest.fixture(scope="module")
def lake_with_gaps(tmp_path_factory):
    """A published lake in which each table lacks one session, a different one each, which all others have."""
    lake = Lake(tmp_path_factory.mktemp("gaps"))
    for name, lacking in LACKING.items():
        store(lake, [name], [day for day in (WHOLE, *LACKING.values()) if day != lacking])
    lake.publish_catalog()
    return lake


@pytest.mark.parametrize("name", nights.SESSION_TABLES)
def test_a_session_that_one_table_lacks_is_pending(lake_with_gaps, name):
    assert nights.pending_sessions(lake_with_gaps, [WHOLE, LACKING[name]]) == [LACKING[name]]


def test_what_a_red_run_stored_is_pending(lake):
    store(lake, nights.SESSION_TABLES, DAYS[:2])
    lake.publish_catalog()
    store(lake, nights.SESSION_TABLES, DAYS[2:3])
    assert nights.pending_sessions(lake, DAYS) == DAYS[2:]


def test_the_catalog_is_not_rebuilt_from_what_a_red_run_stored(lake):
    store(lake, nights.SESSION_TABLES, DAYS[:1])
    path = lake.publish_catalog().path
    path.unlink()
    nights.publish_again(lake)
    assert path.exists()
    path.unlink()
    store(lake, ["backtests.equity"], None)
    nights.publish_again(lake)
    assert not path.exists()


def test_the_history_of_a_first_night_covers_the_longest_lookback(lake):
    history = nights.pending_history(lake, SAMPLE, dt.date(2008, 1, 2))
    assert len(history) == nights.HISTORY_SESSIONS
    assert history[-1] == dt.date(2007, 12, 31)


def test_history_begins_with_the_provider(lake):
    assert nights.pending_history(lake, SAMPLE, dt.date(2000, 3, 3)) == sessions_between(
        dt.date(2000, 3, 1), dt.date(2000, 3, 2)
    )
    assert nights.pending_history(lake, SAMPLE, dt.date(2000, 3, 1)) == []


@pytest.mark.parametrize("missing", HISTORY_TABLES)
def test_history_that_a_stopped_run_left_in_part_is_still_pending(lake, missing):
    first = dt.date(2008, 1, 2)
    history = nights.pending_history(lake, SAMPLE, first)
    store(lake, [name for name in HISTORY_TABLES if name != missing], history)
    assert nights.pending_history(lake, SAMPLE, first) == history
    store(lake, [missing], history)
    assert nights.pending_history(lake, SAMPLE, first) == []


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (dt.date(2008, 1, 1), None, "nearest are 2007-12-31 and 2008-01-02"),
        (dt.date(2013, 3, 4), None, "sample covers, 2000-03-01 to 2013-03-01, found 2013-03-04"),
        (dt.date(2000, 2, 29), None, "sample covers, 2000-03-01 to 2013-03-01, found 2000-02-29"),
        (dt.date(2012, 3, 13), dt.date(2012, 3, 12), "found 2012-03-13 and 2012-03-12"),
    ],
)
def test_sessions_that_cannot_be_made_are_refused(first, last, message):
    with pytest.raises(UnknownSessionError, match=message):
        nights.asked_sessions(SAMPLE, first, last)


def test_all_sessions_of_the_provider_are_asked_for_when_none_is_named():
    asked = nights.asked_sessions(SAMPLE, None, None)
    assert (asked[0], asked[-1]) == (SampleProvider.first_session, SampleProvider.last_session)


def test_one_range_covers_what_is_pending_with_what_lies_between():
    assert nights.ranges([DAYS[0], DAYS[4]], max_sessions=5) == [(DAYS[0], DAYS[4])]
    assert nights.ranges([DAYS[2]], max_sessions=1) == [(DAYS[2], DAYS[2])]
    assert nights.ranges([], max_sessions=1) == []


def test_long_ranges_are_cut_at_the_new_year_and_years_without_pending_sessions_left_out():
    pending = sessions_between(dt.date(2008, 12, 30), dt.date(2009, 1, 5)) + sessions_between(
        dt.date(2011, 6, 1), dt.date(2011, 6, 3)
    )
    assert nights.ranges(pending, max_sessions=100) == [
        (dt.date(2008, 12, 30), dt.date(2008, 12, 31)),
        (dt.date(2009, 1, 2), dt.date(2009, 1, 5)),
        (dt.date(2011, 6, 1), dt.date(2011, 6, 3)),
    ]


def test_the_parts_of_a_long_range_hold_every_pending_session_once():
    pending = sessions_between(dt.date(2008, 1, 2), dt.date(2012, 12, 31))
    parts = nights.ranges(pending, max_sessions=300)
    together = [day for first, last in parts for day in sessions_between(first, last)]
    assert together == pending
    assert len(parts) == 5


def test_tables_of_the_nightly_are_those_cut_by_session():
    assert "raw.option_quotes" in nights.SESSION_TABLES
    assert "models.trained" not in nights.SESSION_TABLES
    assert all(pl.Date == TABLES[name].polars_schema["session"] for name in nights.SESSION_TABLES)


def test_a_home_of_another_provider_is_refused(lake):
    nights.require_same_provider(lake, SAMPLE)
    bar = {"session": DAYS[0], "symbol": "AAA", "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "synthetic": False}
    instant = dt.datetime(2012, 3, 12, 20, tzinfo=dt.UTC)
    bar |= {"adjustment_factor": 1.0, "ts": instant, "known_at": instant, "provider": "files"}
    lake.write(
        "raw.equity_bars", pl.DataFrame([bar], schema=TABLES["raw.equity_bars"].polars_schema), DAYS[:1], run_id="t"
    )
    with pytest.raises(ForeignHomeError, match="expected a home made with provider sample, found bars of files"):
        nights.require_same_provider(lake, SAMPLE)
    nights.require_same_provider(
        lake, SimpleNamespace(provider=SimpleNamespace(name="files"), origins=frozenset({"files"}))
    )


def live_home(lake, symbols, missing=()):
    events = TABLES["raw.quality_events"].empty()
    if missing:
        key = {"table_name": ["raw.equity_bars"] * len(missing), "symbol": list(missing)}
        events = pl.DataFrame(key)
    live = SimpleNamespace(configuration=SimpleNamespace(symbols_of=lambda _: symbols), quality_events=lambda _: events)
    return replace(SAMPLE, live=live)


@pytest.mark.parametrize(
    ("symbols", "missing", "new"),
    [
        (("AAPL", "IBM"), (), ["IBM"]),
        (("AAPL",), (), []),
        (("AAPL", "ZZZZ"), ("ZZZZ",), []),
    ],
)
def test_a_symbol_that_is_added_later_is_new_until_it_was_looked_for(lake, symbols, missing, new):
    bars = SampleProvider(["AAPL"]).fetch("raw.equity_bars", DAYS).frame
    lake.write("raw.equity_bars", bars, DAYS, run_id="test")
    store(lake, [name for name in HISTORY_TABLES if name != "raw.equity_bars"], DAYS)
    home = live_home(lake, symbols, missing)
    assert nights.new_symbols(lake, home) == new
    following = sessions_between(dt.date(2012, 3, 19), dt.date(2012, 3, 19))[0]
    assert (DAYS[0] in nights.pending_history(lake, home, following)) is bool(new)


def test_a_fresh_or_offline_home_has_no_new_symbols(lake):
    assert nights.new_symbols(lake, live_home(lake, ("AAPL",))) == []
    assert nights.new_symbols(lake, SAMPLE) == []
