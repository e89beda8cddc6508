"""Corrections of history, rows that come late, clocks and kills: what is kept of restated rows, and what is told."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from gnosis.tables import TABLES
from resources.lake import Correction, CorruptFileError, Lake
from resources.lake.manifest import FORMAT_VERSION
from tests.resources.lake.restated_rows import (
    BAR,
    BARS,
    DAY,
    DAYS,
    KEPT,
    MACRO,
    POST,
    QUOTE,
    at,
    changes,
    known,
    small,
    stored,
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake of few tables."""
    return Lake(tmp_path / "home", small("equity_bars", "macro", "option_quotes", "posts"))


def closes(lake: Lake, *instants: dt.datetime) -> list[list[float]]:
    return [known(lake, BARS, instant)["close"].to_list() for instant in instants]


def bar(close: float, **other: object) -> dict[str, object]:
    return BAR | {"close": close, "known_at": at(1, 21)} | other


def test_a_correction_is_known_all_along_and_what_it_replaced_is_kept(lake):
    stored(lake, BARS, [bar(1.0)], at(1))
    stored(lake, BARS, [bar(2.0)], at(9))
    assert changes(lake, BARS, [bar(3.0)], at(15), Correction()).restated == {DAY: 1}
    assert closes(lake, at(1, 20), at(1), at(9), at(16)) == [[], [3.0], [3.0], [3.0]]
    assert lake.read(BARS)["known_at"].to_list() == [at(1, 21)]
    assert lake.read(KEPT).select("close", "is_corrected").rows() == [(1.0, True), (2.0, True)]
    assert lake.restatements(BARS).is_empty()
    again = lake.write(BARS, lake.read(BARS), [DAY], "run", at(16), Correction())
    assert (again.changed, again.restated_rows) == (False, 0)
    stored(lake, BARS, [bar(4.0)], at(20))
    assert closes(lake, at(2), at(19), at(20)) == [[3.0], [3.0], [4.0]]


def test_what_was_restated_before_is_corrected_when_its_instant_is_named(lake):
    stored(lake, BARS, [bar(1.0), bar(1.0, symbol="BBB")], at(1))
    stored(lake, BARS, [bar(1.0), bar(5.0, symbol="BBB")], at(5))
    stored(lake, BARS, [bar(2.0), bar(5.0, symbol="BBB")], at(9))
    rows = [bar(2.0), bar(5.0, symbol="BBB")]
    assert changes(lake, BARS, rows, at(12), Correction()).restated == {}
    assert changes(lake, BARS, rows, at(15), Correction(at(9))).restated == {DAY: 1}
    assert closes(lake, at(2), at(6), at(16)) == [[2.0, 1.0], [2.0, 5.0], [2.0, 5.0]]
    assert changes(lake, BARS, rows, at(16), Correction(at(9))).restated == {}


def test_a_correction_leaves_rows_alone_that_say_the_same(lake):
    first, second = POST | {"engagement": 3}, POST | {"post_id": "2", "engagement": 1}
    stored(lake, "raw.posts", [first, second, POST | {"post_id": "3"}], at(1, 23))
    stored(lake, "raw.posts", [first | {"engagement": 9999}, second], at(9))
    told = changes(lake, "raw.posts", [first | {"engagement": 9999}, second | {"engagement": 7}], at(15), Correction())
    assert told.restated == {DAY: 1}
    found = [known(lake, "raw.posts", instant).select("post_id", "engagement").rows() for instant in (at(3), at(16))]
    assert found == [[("1", 3), ("2", 7), ("3", None)], [("1", 9999), ("2", 7)]]


@pytest.mark.parametrize(("dies_at", "n_commits"), [(KEPT, 0), (BARS, 0), (KEPT, 1)])
@pytest.mark.parametrize("is_asked_again", [False, True])
def test_a_killed_correction_loses_nothing(lake, dies_at, n_commits, is_asked_again):
    stored(lake, BARS, [bar(1.0)], at(1))
    stored(lake, BARS, [bar(2.0)], at(5))

    class Dying(Lake):
        done = 0

        def commit(self, before, after):
            if after.table == dies_at and self.done == n_commits:
                raise KeyboardInterrupt
            self.done += after.table == dies_at
            super().commit(before, after)

    dying = Dying(lake.home, lake.dictionary)
    with pytest.raises(KeyboardInterrupt):
        changes(dying, BARS, [bar(3.0)], at(9), Correction())
    is_stored = lake.read(BARS)["close"].to_list() == [3.0]
    # Until the versions are marked, what was read before is read still.
    assert closes(lake, at(2)) == [[1.0]]
    assert closes(lake, at(12)) == [[3.0 if is_stored else 2.0]]
    changes(lake, BARS, [bar(3.0)], at(15), Correction() if is_asked_again else None)
    corrected = is_asked_again or is_stored
    assert closes(lake, at(2), at(6), at(16)) == ([[3.0]] * 3 if corrected else [[1.0], [2.0], [3.0]])
    assert lake.read(KEPT)["close"].sort().to_list() == [1.0, 2.0]


def test_damaged_versions_are_named_and_given_up_by_a_correction_only(lake):
    stored(lake, BARS, [bar(1.0)], at(1))
    stored(lake, BARS, [bar(2.0)], at(9))
    file = Path(lake.home) / "lake/superseded/raw_equity_bars" / lake.manifest(KEPT).entries["2012-03"].file
    file.write_bytes(b"damaged")
    command = "--from 2012-03-01 --to 2012-03-01 --again --correct-history raw.equity_bars"
    words = f"give its earlier versions up: gnosis run {command}"
    with pytest.raises(CorruptFileError, match=words):
        lake.read(BARS, as_of=at(10))
    with pytest.raises(CorruptFileError, match=words):
        stored(lake, BARS, [bar(2.0)], at(15))
    changes(lake, BARS, [bar(2.0)], at(15), Correction())
    assert lake.verify() == 2
    assert closes(lake, at(2)) == [[2.0]]


def test_a_clock_set_back_leaves_intervals_that_meet(lake):
    instants = [at(5), at(4), at(4), at(1, 20)]
    stored(lake, BARS, [bar(0.0)], at(1))
    learnt = [changes(lake, BARS, [bar(float(n))], instant).learnt_at for n, instant in enumerate(instants, 1)]
    tick = dt.timedelta(microseconds=1)
    assert learnt == [at(5) + n * tick for n in range(4)]
    kept = lake.read(KEPT).sort("superseded_at")
    assert kept["superseded_at"].to_list() == learnt
    assert [*kept["known_at"], *lake.read(BARS)["known_at"]] == [at(1, 21), *learnt]
    assert closes(lake, *learnt) == [[1.0], [2.0], [3.0], [4.0]]


def test_the_instant_is_taken_under_the_lock(lake):
    stored(lake, BARS, [bar(1.0)], at(1))
    is_held = []

    class Watched(Lake):
        def lock(self, table_name):
            is_held.append(table_name)
            return super().lock(table_name)

    def clock() -> dt.datetime:
        assert is_held == [BARS]
        return at(9)

    watched = Watched(lake.home, lake.dictionary)
    assert changes(watched, BARS, [bar(2.0)], clock).learnt_at == at(9)


def test_two_writers_leave_intervals_that_meet(lake):
    stored(lake, BARS, [bar(0.0)], at(1))

    def write(number: int) -> None:
        for close in range(8):
            changes(Lake(lake.home, lake.dictionary), BARS, [bar(100.0 * number + close)], at(5 + number))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, (1, 2)))
    kept = lake.read(KEPT).sort("superseded_at")
    assert [*kept["known_at"][1:], *lake.read(BARS)["known_at"]] == kept["superseded_at"].to_list()
    assert kept.height == 16
    before = dt.timedelta(microseconds=1)
    read = [lake.read(BARS, as_of=instant - before)["close"].item() for instant in kept["superseded_at"]]
    assert read == kept["close"].to_list()


def test_new_rows_of_stored_sessions_are_told(lake):
    assert changes(lake, BARS, [], at(1)).added == {}
    assert changes(lake, BARS, [bar(1.0)], at(9)).added == {DAY: 1}
    assert closes(lake, at(2)) == [[1.0]]
    assert changes(lake, BARS, [bar(1.0)], at(10)).added == {}
    changes(lake, BARS, [], at(11))
    assert changes(lake, BARS, [bar(1.0)], at(12)).added == {}, "a row that is back is not new"


def test_stored_rows_that_cannot_be_read_are_told(lake):
    stored(lake, BARS, [bar(1.0)], at(1))
    (Path(lake.home) / "lake/raw/equity_bars" / lake.manifest(BARS).entries["2012-03"].file).write_bytes(b"damaged")
    told = changes(lake, BARS, [bar(2.0)], at(9))
    assert (told.unread, told.restated, told.added) == ((DAY,), {}, {})


def test_a_vintage_that_is_back_with_another_value_is_not_read_before(lake):
    for value, day in ((1.0, 2), (None, 9), (2.0, 15)):
        stored(lake, "raw.macro", [] if value is None else [MACRO | {"value": value}], at(day))
    assert [known(lake, "raw.macro", at(day))["value"].to_list() for day in (3, 14, 15)] == [[1.0], [1.0], [2.0]]


def test_a_quote_captured_in_time_is_not_replaced_by_a_later_one(lake):
    name = "raw.option_quotes"
    stored(lake, name, [QUOTE | {"bid": 1.0, "ask": 1.1}], at(1, 21))
    late = dt.datetime(2012, 3, 1, 22, 30, tzinfo=dt.UTC)
    stored(lake, name, [QUOTE | {"bid": 3.0, "ask": 3.1, "ts": late, "known_at": late}], at(1, 23))
    read = [lake.read(name, night_of=day).select("bid", "ts", "known_at").rows() for day in DAYS[:2]]
    assert read == [[(1.0, at(1, 20), at(1, 20))], [(3.0, late, at(1, 20))]]


def test_a_row_known_late_is_there_as_it_first_became_known(lake):
    stored(lake, BARS, [bar(1.0, known_at=at(5))], at(5, 23))
    stored(lake, BARS, [bar(2.0, known_at=at(5))], at(6))
    found = [lake.read(BARS, night_of=day).select("close", "known_at").rows() for day in (DAY, DAYS[3], at(7).date())]
    assert found == [[(1.0, at(5))], [(1.0, at(5))], [(2.0, at(5))]]
    assert lake.read(BARS, night_of="newest").select("close", "known_at").rows() == [(2.0, at(5))]


@pytest.mark.parametrize("asked", [{"version": 1}, {"night_of": DAY}])
def test_one_of_version_instant_and_night_is_asked_for(lake, asked):
    with pytest.raises(ValueError, match=r"expected one of version, as_of and night_of, found .* and "):
        lake.scan(BARS, as_of=at(1), **asked)


def test_a_home_of_the_format_before_is_opened_and_then_closed_to_what_wrote_it(lake):
    stored(lake, BARS, [bar(1.0)], at(1))
    files = [Path(lake.home) / "lake" / name for name in ("format.json", "raw/equity_bars/manifest.json")]
    for file in files:
        file.write_text(file.read_text().replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 1'))
    assert closes(lake, at(2)) == [[1.0]]
    stored(lake, BARS, [bar(2.0)], at(9))
    assert closes(lake, at(2), at(9)) == [[1.0], [2.0]]
    assert [json.loads(file.read_text())["format_version"] for file in files] == [FORMAT_VERSION] * 2


def test_what_tells_of_the_fetching_has_no_versions():
    unversioned = {name for name in TABLES if name.startswith("raw.")} - {
        name.removeprefix("superseded.").replace("_", ".", 1) for name in TABLES if name.startswith("superseded.")
    }
    assert unversioned == {"raw.crypto_tickers", "raw.quality_events", "raw.provider_health"}
    assert pl.Schema(TABLES[KEPT].polars_schema)["is_corrected"] == pl.Boolean()
