"""Restated rows: what was known at an instant comes back, through the lake and through SQL, whatever happened since."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from resources.lake import Correction, Lake
from tests.resources.lake.restated_rows import (
    BAR,
    BARS,
    DAY,
    DAYS,
    KEPT,
    MACRO,
    NEXT,
    POST,
    QUOTE,
    UTC,
    Killed,
    at,
    in_sql,
    known,
    small,
    stored,
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake of few tables."""
    return Lake(tmp_path / "home", small("equity_bars", "macro", "option_quotes", "posts"))


@pytest.mark.parametrize(
    ("name", "row", "column", "values"),
    [
        ("raw.macro", MACRO, "value", (226.0, 227.5)),
        ("raw.option_quotes", QUOTE, "open_interest", (100.0, 40.0)),
        ("raw.equity_bars", BAR, "adjustment_factor", (1.0, 0.25)),
        ("raw.posts", POST, "engagement", (3, 4000)),
    ],
)
def test_a_restated_row_is_read_as_it_was_known(lake, name, row, column, values):
    first_known = row.get("known_at", at(1))
    assert stored(lake, name, [row | {column: values[0]}], at(1, 23)) == 0
    assert stored(lake, name, [row | {column: values[1]}], at(9)) == 1
    second = dt.timedelta(seconds=1)
    found = {
        t: known(lake, name, t)[column].to_list() for t in (first_known - second, first_known, at(9) - second, at(9))
    }
    assert list(found.values()) == [[], [values[0]], [values[0]], [values[1]]]
    assert lake.read(name)[column].to_list() == [values[1]]
    (version,) = lake.read(f"superseded.{name.replace('.', '_')}").rows(named=True)
    assert (version[column], version["known_at"], version["superseded_at"]) == (values[0], first_known, at(9))


def test_each_vintage_and_its_restatement_are_told_apart(lake):
    name, schema = "raw.macro", TABLES["raw.macro"].polars_schema
    published = [at(5, 13), at(5, 13, 4)]
    rows = [
        MACRO | {"session": moment.date(), "known_at": moment, "value": value, "provider": "example", "synthetic": True}
        for moment, value in zip(published, (226.0, 227.0), strict=True)
    ]
    frame = pl.DataFrame(rows, schema=schema)
    days = frame["session"].to_list()
    lake.write(name, frame, days, "run", at(6, month=4))
    restated = frame.with_columns(value=pl.when(pl.col("session") == days[0]).then(1.0).otherwise("value"))
    lake.write(name, restated, days, "again", at(9, month=4))
    instants = [published[0], at(4, month=4), published[1], at(9, month=4)]
    assert [known(lake, name, t)["value"].to_list() for t in instants] == [[226.0], [226.0], [227.0], [227.0]]


def test_a_deleted_post_is_there_until_it_was_gone_and_again_since_it_is_back(lake):
    name, post = "raw.posts", POST | {"engagement": 3}
    stored(lake, name, [post, post | {"post_id": "2"}], at(1, 23))
    assert stored(lake, name, [post], at(9)) == 1
    stored(lake, name, [post, post | {"post_id": "2"}], at(15))
    found = [known(lake, name, t)["post_id"].to_list() for t in (at(1, 15), at(8), at(9), at(14), at(15))]
    assert found == [["1", "2"], ["1", "2"], ["1"], ["1"], ["1", "2"]]


def test_a_row_that_says_the_same_stays_as_it_is_stored(lake, processes):
    rows = processes.bars([DAY, NEXT])
    lake.write(BARS, rows, [DAY, NEXT], "run", at(2))
    later = rows.with_columns(pl.col("known_at").dt.offset_by("9h"), provider=pl.lit("another"))
    again = lake.write(BARS, later, [DAY, NEXT], "again", at(9))
    assert (again.changed, again.restated_rows) == (False, 0)
    assert lake.read(BARS).equals(rows.sort("session", "symbol"))
    assert KEPT not in lake.tables()


def test_a_new_row_is_no_restatement(lake, processes):
    lake.write(BARS, processes.bars([DAY], symbols=["AAA"]), [DAY], "run", at(1))
    assert lake.write(BARS, processes.bars([DAY]), [DAY], "again", at(9)).restated_rows == 0
    assert known(lake, BARS, at(2))["symbol"].to_list() == ["AAA", "BBB"]
    assert KEPT not in lake.tables()


def test_what_cannot_be_read_leaves_no_version_and_the_same_bytes_come_back(lake, processes):
    for close, day in ((1.0, 1), (2.0, 9)):
        lake.write(BARS, processes.bars([DAY], close=close), [DAY], "run", at(day))
    entry = lake.manifest(BARS).entries["2012-03"]
    file = Path(lake.home) / "lake/raw/equity_bars" / entry.file
    file.write_bytes(b"damaged")
    commit = lake.write(BARS, processes.bars([DAY], close=2.0), [DAY], "run", at(15))
    assert commit.restated_rows == 0
    assert lake.manifest(BARS).entries["2012-03"].sha256 == entry.sha256
    assert lake.verify() == 2


def test_a_sweep_keeps_every_version(lake, processes):
    for number in range(1, 6):
        lake.write(BARS, processes.bars([DAY], close=float(number)), [DAY], "run", at(number))
    before = [known(lake, BARS, at(day)) for day in range(1, 6)]
    none = dt.timedelta(0)
    assert lake.sweep(keep_versions=1, older_than=none, grace=none).files > 0
    assert [rows["close"][0] for rows in before] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert all(known(lake, BARS, at(day)).equals(rows) for day, rows in enumerate(before, 1))


class Twin:
    """What happened to each row: its first version, then each later one (None: gone) with when it was learnt."""

    def __init__(self) -> None:
        self.events: dict[tuple[dt.date, str], list[tuple[dt.datetime | None, float | None]]] = {}

    def write(self, days, rows, learnt_at, *, corrects: bool) -> None:
        for day in days:
            for symbol in ("AAA", "BBB"):
                close, events = rows.get((day, symbol)), self.events.get((day, symbol), [])
                if events and events[-1][1] == close:
                    continue
                if corrects or not events:
                    self.events[day, symbol] = [] if close is None else [(None, close)]
                else:
                    events.append((learnt_at, close))

    def read(self, instant_of, *, of_night: bool) -> list[tuple[dt.date, str, float, dt.datetime]]:
        found = []
        for (day, symbol), events in sorted(self.events.items()):
            own, instant = dt.datetime.combine(day, dt.time(21), UTC), instant_of(day)
            learnt = [(since, close) for since, close in events if since is None or since <= instant]
            # What nobody knew at the decision is there as it first became known.
            learnt = events[:1] if of_night and own > instant else learnt
            if not learnt or learnt[-1][1] is None:
                continue
            since, close = learnt[-1]
            known_at = own if since is None else max(own, since)
            if of_night or known_at <= instant:
                found.append((day, symbol, close, own if of_night else known_at))
        return found


WRITES = st.lists(
    st.tuples(
        st.sets(st.sampled_from(DAYS), min_size=1),
        st.dictionaries(st.tuples(st.sampled_from(DAYS), st.sampled_from(["AAA", "BBB"])), st.sampled_from([1.0, 2.0])),
        st.sampled_from(["done"] * 6 + ["killed"] * 2 + ["corrects"]),
        st.integers(1, 70),
    ),
    min_size=2,
    max_size=6,
)
DECIDED = dict(schedule().filter(pl.col("session").dt.year() == 2012).select("session", "chain_at").rows())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=WRITES)
def test_any_history_is_read_as_a_person_would_tell_it(writes, processes, tmp_path_factory):
    home, twin = tmp_path_factory.mktemp("home"), Twin()
    lake, dying = Lake(home, small("equity_bars")), Killed(home, small("equity_bars"))
    learnt_at, instants = at(6), [at(1, 20), at(1, 21), at(3), at(6, 21)]
    for days, values, fate, hours in writes:
        learnt_at += dt.timedelta(hours=hours)
        instants += [learnt_at - dt.timedelta(microseconds=1), learnt_at]
        rows = {key: close for key, close in values.items() if key[0] in days}
        frame = pl.concat(
            [processes.bars([], symbols=[])]
            + [processes.bars([day], close=close, symbols=[symbol]) for (day, symbol), close in rows.items()]
        )
        how = {
            "sessions": sorted(days),
            "run_id": "run",
            "learnt_at": learnt_at,
            "correction": Correction() if fate == "corrects" else None,
        }
        if fate == "killed":
            try:
                dying.write(BARS, frame, **how)
            except KeyboardInterrupt:
                continue
        else:
            lake.write(BARS, frame, **how)
        twin.write(days, rows, learnt_at, corrects=fate == "corrects")
    lake.publish_catalog()
    shown = ["session", "symbol", "close", "known_at"]
    for instant, told in zip(instants, in_sql(lake, BARS, instants), strict=True):
        found = lake.read(BARS, as_of=instant)
        assert found.select(shown).rows() == twin.read(lambda _, t=instant: t, of_night=False)
        assert found.equals(told)
    for night in [day for day in DECIDED if DAYS[-1] <= day <= learnt_at.date()][::4]:
        found = lake.read(BARS, last=night, night_of=night)
        assert found.select(shown).rows() == twin.read(lambda _, at=DECIDED[night]: at, of_night=True)
    assert lake.read(BARS, night_of="newest").select(shown).rows() == twin.read(lambda _: learnt_at, of_night=True)
    shutil.rmtree(home)
