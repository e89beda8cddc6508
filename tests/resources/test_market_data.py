"""The provider with its clock: which session is next, what is set aside because it comes from the future."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from resources.market_data import MarketData, MarketDataResource, split_untimely
from resources.providers import Fetched
from resources.providers.archive import Archive
from resources.providers.protocol import Source
from resources.providers.rejections import no_rejections

DAY, NEXT_DAY = dt.date(2012, 3, 14), dt.date(2012, 3, 15)
NOW = dt.datetime(2013, 1, 2, tzinfo=dt.UTC)
QUARANTINED = ["session", "rule", "found", "provider"]


def moments(session):
    return schedule().filter(pl.col("session") == session).row(0, named=True)


def rows(*known_at, session=DAY):
    table = pl.DataFrame({"known_at": list(known_at)}, schema={"known_at": pl.Datetime("us", "UTC")})
    return table.with_columns(session=pl.lit(session), provider=pl.lit("example"), close=1.0)


class Replay:
    name = "replay"
    first_session, last_session = DAY, NEXT_DAY

    def fetch(self, table, sessions):
        close = moments(DAY)["close_at"]
        frame = rows(close, close + dt.timedelta(days=400))
        return Fetched(frame, no_rejections(), (Source.of_bytes("day.csv", b"session,close", "memory"),))


def replay(tmp_path, *, is_replay=True):
    return MarketData(Replay(), Archive(tmp_path / "archive"), is_replay=is_replay)


def test_a_row_known_before_the_next_open_is_in_time_and_one_at_it_is_not():
    # A decision on it would be made at the very open at which it fills: features and backtests refuse that.
    opens = moments(NEXT_DAY)["open_at"]
    before = opens - dt.timedelta(microseconds=1)
    timely, late = split_untimely(rows(before, opens), NOW)
    assert timely["known_at"].to_list() == [before]
    assert late["rule"].to_list() == ["known_after_next_open"]
    assert late.columns == QUARANTINED


def test_a_row_from_after_now_is_named_so():
    opens = moments(NEXT_DAY)["open_at"]
    timely, future = split_untimely(rows(opens, session=DAY), opens - dt.timedelta(seconds=1))
    assert timely.is_empty()
    assert future["rule"].to_list() == ["known_in_the_future"]
    assert '"close":1.0' in future["found"].item()


def test_columns_and_order_of_timely_rows_stay():
    frame = rows(*[moments(DAY)["close_at"]] * 3).with_columns(close=pl.Series([3.0, 1.0, 2.0]))
    timely, _ = split_untimely(frame, NOW)
    assert timely.equals(frame)


def test_a_fetch_is_archived_and_its_future_set_aside(tmp_path):
    fetched = replay(tmp_path).fetch("raw.equity_bars", [DAY])
    assert fetched.frame.height == 1
    assert fetched.rejected["rule"].to_list() == ["known_after_next_open"]
    assert [path.suffix for path in sorted((tmp_path / "archive" / "replay" / "raw.equity_bars").iterdir())] == [
        ".gz",
        ".json",
    ]


def test_a_replay_moves_on_by_one_session_and_ends_with_its_data(tmp_path):
    source = replay(tmp_path)
    assert source.next_session([], NOW) == DAY
    assert source.next_session([DAY], NOW) == NEXT_DAY
    assert source.next_session([NEXT_DAY, DAY], NOW) is None


def test_without_a_replay_the_session_that_has_closed_is_next(tmp_path):
    source = replay(tmp_path, is_replay=False)
    closes = moments(DAY)["close_at"]
    assert source.next_session([], closes) == DAY
    assert source.next_session([], closes - dt.timedelta(seconds=1)) is None or (
        source.next_session([], closes - dt.timedelta(seconds=1)) < DAY
    )
    assert source.next_session([], NOW) is None


def test_the_resource_builds_the_provider_that_is_named(tmp_path):
    source = MarketDataResource(provider="sample", home=str(tmp_path)).market_data()
    assert (source.provider.name, source.is_replay) == ("sample", True)
    assert source.fetch("raw.equity_bars", [DAY]).frame.schema == TABLES["raw.equity_bars"].polars_schema


def test_a_missing_folder_is_named(tmp_path):
    from resources.providers.errors import MissingFolderError

    resource = MarketDataResource(provider="files", home=str(tmp_path), folder=str(tmp_path / "nowhere"))
    with pytest.raises(MissingFolderError, match=r"nowhere, found none"):
        resource.market_data()
