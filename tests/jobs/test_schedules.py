"""The schedules over years of ticks, as the daemon would make them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator
from pydantic import Field

from gnosis import sessions as exchange
from jobs.nightly import nightly_schedule, training_schedule
from resources.lake_io_manager import LakeResource
from resources.market_data import MarketData, MarketDataResource
from resources.providers.archive import Archive
from resources.providers.sample import SampleProvider

NEW_YORK = ZoneInfo("America/New_York")
Evaluate = Callable[[dt.datetime, LakeResource, MarketDataResource], dg.RunRequest | dg.SkipReason]


@dataclass(frozen=True)
class Vendor:
    name: str = "vendor"
    first_session: dt.date = dt.date(2005, 1, 3)
    last_session: dt.date = dt.date(2012, 12, 28)


class Live(MarketDataResource):
    provider: str = "vendor"

    def market_data(self) -> MarketData:
        return MarketData(Vendor(), Archive(Path(self.home)), is_replay=False)


class Replay(MarketDataResource):
    provider: str = "sample"

    def market_data(self) -> MarketData:
        return MarketData(SampleProvider(), Archive(Path(self.home)), is_replay=True)


class Stored(LakeResource):
    """A lake of which only the stored sessions matter."""

    days: list[str] = Field(default_factory=list)

    def lake(self) -> SimpleNamespace:
        return SimpleNamespace(sessions=lambda table: [dt.date.fromisoformat(day) for day in self.days])


def ticks_of(schedule: dg.ScheduleDefinition, first: dt.date, last: dt.date) -> Iterator[dt.datetime]:
    start = dt.datetime.combine(first, dt.time(), NEW_YORK).timestamp()
    for tick in cron_string_iterator(start, schedule.cron_schedule, schedule.execution_timezone):
        if tick.date() > last:
            return
        yield tick


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture
def evaluated(
    instance: dg.DagsterInstance,
) -> Evaluate:
    def evaluate(
        tick: dt.datetime, lake: LakeResource, market_data: MarketDataResource
    ) -> dg.RunRequest | dg.SkipReason:
        resources = {"lake": lake, "market_data": market_data}
        with dg.build_schedule_context(instance, tick, resources) as context:
            return nightly_schedule(context)

    return evaluate


def test_a_year_of_ticks_asks_for_each_session_once_and_skips_every_other_weekday(
    evaluated: Evaluate, tmp_path: Path
) -> None:
    lake, live = Stored(home=str(tmp_path)), Live(home=str(tmp_path))
    asked, skipped = [], {}
    for tick in ticks_of(nightly_schedule, dt.date(2012, 1, 1), dt.date(2012, 12, 28)):
        result = evaluated(tick, lake, live)
        if isinstance(result, dg.RunRequest):
            assert result.run_key == result.partition_key == result.tags["gnosis/session"] == tick.date().isoformat()
            asked.append(tick.date())
        else:
            skipped[tick.date()] = result.skip_message
    assert asked == exchange.sessions_between(dt.date(2012, 1, 3), dt.date(2012, 12, 28))
    holidays = ["01-02", "01-16", "02-20", "04-06", "05-28", "07-04", "09-03", "10-29", "10-30", "11-22", "12-25"]
    assert list(skipped) == [dt.date.fromisoformat(f"2012-{day}") for day in holidays]
    assert skipped[dt.date(2012, 10, 29)] == "2012-10-29 is not a session of the exchange"
    assert {dt.date(2012, 7, 3), dt.date(2012, 11, 23), dt.date(2012, 12, 24)} <= set(asked)


def test_a_provider_that_has_ended_is_named_in_the_skip_reason(evaluated: Evaluate, tmp_path: Path) -> None:
    tick = dt.datetime(2012, 12, 31, 18, 30, tzinfo=NEW_YORK)
    result = evaluated(tick, Stored(home=str(tmp_path)), Live(home=str(tmp_path)))
    assert isinstance(result, dg.SkipReason)
    assert result.skip_message == "provider vendor has no session after 2012-12-28"


def test_each_session_from_2005_to_2014_has_one_tick_between_its_close_and_the_next_open() -> None:
    first, last = dt.date(2005, 1, 3), dt.date(2014, 12, 31)
    by_day = {tick.date(): tick for tick in ticks_of(nightly_schedule, first, last)}
    table = exchange.schedule()
    hours = dict(zip(table["session"], table["close_at"], strict=True))
    for session in exchange.sessions_between(first, last):
        tick = by_day[session]
        assert (tick.hour, tick.minute) == (18, 30)
        next_open = table["open_at"][int(table["session"].search_sorted(session)) + 1]
        assert hours[session] < tick.astimezone(dt.UTC) < next_open


@pytest.mark.parametrize(
    ("session", "tick_utc_hour"),
    [("2012-03-09", 23), ("2012-03-12", 22), ("2012-11-02", 22), ("2012-11-05", 23)],
)
def test_the_tick_moves_in_utc_with_daylight_saving(session: str, tick_utc_hour: int) -> None:
    day = dt.date.fromisoformat(session)
    (tick,) = ticks_of(nightly_schedule, day, day)
    assert tick.astimezone(dt.UTC).hour == tick_utc_hour


def test_a_late_tick_still_asks_for_the_session_it_was_meant_for(evaluated: Evaluate, tmp_path: Path) -> None:
    tick = dt.datetime(2012, 5, 16, 18, 30, tzinfo=NEW_YORK)
    result = evaluated(tick, Stored(home=str(tmp_path)), Live(home=str(tmp_path)))
    assert isinstance(result, dg.RunRequest)
    assert result.partition_key == "2012-05-16"


def test_a_replay_moves_on_by_one_session_a_night(evaluated: Evaluate, tmp_path: Path) -> None:
    replay = Replay(home=str(tmp_path))
    stored, asked = ["2008-01-30"], []
    for tick in ticks_of(nightly_schedule, dt.date(2026, 1, 1), dt.date(2026, 1, 9)):
        result = evaluated(tick, Stored(home=str(tmp_path), days=stored), replay)
        if isinstance(result, dg.RunRequest):
            asked.append(result.partition_key)
            stored = [*stored, str(result.partition_key)]
    assert asked == ["2008-01-31", "2008-02-01", "2008-02-04", "2008-02-05", "2008-02-06", "2008-02-07"]


def test_a_session_of_a_replay_that_failed_is_asked_for_again(evaluated: Evaluate, tmp_path: Path) -> None:
    replay, stored = Replay(home=str(tmp_path)), Stored(home=str(tmp_path), days=["2008-01-30"])
    nights = [evaluated(dt.datetime(2026, 1, day, 18, 30, tzinfo=NEW_YORK), stored, replay) for day in (7, 8)]
    assert [night.partition_key for night in nights if isinstance(night, dg.RunRequest)] == ["2008-01-31"] * 2
    assert len({night.run_key for night in nights if isinstance(night, dg.RunRequest)}) == 2


def test_a_replay_needs_a_stored_session_and_skips_after_the_last(evaluated: Evaluate, tmp_path: Path) -> None:
    tick = dt.datetime(2026, 1, 8, 18, 30, tzinfo=NEW_YORK)
    replay, provider = Replay(home=str(tmp_path)), SampleProvider()
    empty = evaluated(tick, Stored(home=str(tmp_path)), replay)
    assert isinstance(empty, dg.SkipReason)
    assert "call `gnosis run` first" in str(empty.skip_message)
    ended = evaluated(tick, Stored(home=str(tmp_path), days=[provider.last_session.isoformat()]), replay)
    assert isinstance(ended, dg.SkipReason)
    assert ended.skip_message == f"provider sample has no session after {provider.last_session}"


def test_training_is_asked_for_once_each_saturday(instance: dg.DagsterInstance) -> None:
    requests = [
        training_schedule(dg.build_schedule_context(instance, tick))
        for tick in ticks_of(training_schedule, dt.date(2012, 1, 1), dt.date(2012, 12, 31))
    ]
    keys = [request.run_key for request in requests]
    assert len(keys) == len(set(keys)) == 52
    assert keys[:2] == ["training-2012-01-07", "training-2012-01-14"]
