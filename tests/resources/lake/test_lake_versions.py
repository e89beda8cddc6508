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
from gnosis.tables import TABLES, Table
from resources.lake import CorruptFileError, Lake

BARS, KEPT = "raw.equity_bars", "superseded.raw_equity_bars"
DAYS = [dt.date(2012, 3, day) for day in (1, 2, 5, 6)]
DAY, NEXT = DAYS[:2]
UTC = dt.UTC


def small(*names: str) -> dict[str, Table]:
    """Return raw tables with their companions: a catalog of few tables is built fast."""
    return {name: TABLES[name] for raw in names for name in (f"raw.{raw}", f"superseded.raw_{raw}")}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake of few tables."""
    return Lake(tmp_path / "home", small("equity_bars", "macro", "option_quotes", "posts"))


def at(day: int, hour: int = 22, month: int = 3) -> dt.datetime:
    return dt.datetime(2012, month, day, hour, tzinfo=UTC)


def in_sql(lake: Lake, name: str, instants: list[dt.datetime]) -> list[pl.DataFrame]:
    """Return what the macro gives at each instant, in the table's types and order."""
    schema, key = lake.table(name).polars_schema, lake.table(name).key
    with lake.connect() as connection:
        connection.execute("SET threads = 1")
        found = [connection.execute(f"SELECT * FROM {name}_as_of(?)", [instant]).fetchall() for instant in instants]
    return [pl.DataFrame(rows, schema=schema, orient="row").sort(key) for rows in found]


def known(lake: Lake, name: str, instant: dt.datetime) -> pl.DataFrame:
    """Return what was known, after seeing that the lake and the macro agree."""
    lake.publish_catalog()
    rows = lake.read(name, as_of=instant)
    assert rows.equals(in_sql(lake, name, [instant])[0])
    return rows


def stored(lake: Lake, name: str, rows: list[dict[str, object]], learnt_at: dt.datetime, **how: bool) -> int:
    """Store rows of one session and return how many were restated."""
    table = TABLES[name]
    base = dict.fromkeys(table.polars_schema) | {"session": DAY, "known_at": at(1), "provider": "example"}
    frame = pl.DataFrame([base | {"synthetic": True} | row for row in rows], schema=table.polars_schema)
    return lake.write(name, frame, [DAY], "run", learnt_at, **how).restated_rows


MACRO = {"series_id": "CPIAUCSL", "ref_date": dt.date(2012, 1, 1), "is_vintage": True}
QUOTE = {
    "symbol": "AAA", "expiry": dt.date(2012, 3, 16), "settlement": "pm", "right": "C", "strike": 10.0, "root": "AAA",
    "ts": at(1, 20), "known_at": at(1, 20), "multiplier": 100.0, "style": "A", "spot": 10.0,
}  # fmt: skip
BAR = dict.fromkeys(("open", "high", "low", "close", "volume"), 9.0) | {"symbol": "AAA", "ts": at(1, 21)}
POST = {"symbol": "AAA", "source": "x", "post_id": "1", "ts": at(1, 15), "known_at": at(1, 15), "tag": "none"}
POST |= {"text_hash": "0"}


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


def test_a_correction_is_known_all_along_and_what_it_replaced_is_kept(lake, processes):
    for close, day in ((1.0, 1), (2.0, 9)):
        lake.write(BARS, processes.bars([DAY], close=close), [DAY], "run", at(day))
    corrected = lake.write(BARS, processes.bars([DAY], close=2.0), [DAY], "mended", at(15), corrects_history=True)
    assert corrected.restated_rows == 2, "only when they count as known changes"
    for instant in (at(1), at(9), at(16)):
        assert known(lake, BARS, instant)["close"].to_list() == [2.0, 2.0]
        assert known(lake, BARS, instant)["known_at"].to_list() == [at(1, 21)] * 2
    assert known(lake, BARS, at(1, 20)).is_empty()
    kept = lake.read(KEPT).filter(pl.col("symbol") == "AAA")
    assert kept.select("close", "is_corrected").rows() == [(1.0, True), (2.0, True)]
    assert lake.restatements(BARS).is_empty()
    lake.write(BARS, processes.bars([DAY], close=3.0), [DAY], "run", at(20))
    assert [known(lake, BARS, t)["close"][0] for t in (at(2), at(19), at(20))] == [2.0, 2.0, 3.0]


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


def test_damaged_versions_are_named_and_given_up_by_a_correction_only(lake, processes):
    for close, day in ((1.0, 1), (2.0, 9)):
        lake.write(BARS, processes.bars([DAY], close=close), [DAY], "run", at(day))
    file = Path(lake.home) / "lake/superseded/raw_equity_bars" / lake.manifest(KEPT).entries["2012-03"].file
    file.write_bytes(b"damaged")
    words = r"give its earlier versions up: gnosis run --from 2012-03-01 --to 2012-03-01 --again --correct-history"
    with pytest.raises(CorruptFileError, match=words):
        lake.read(BARS, as_of=at(10))
    rows = processes.bars([DAY], close=3.0)
    with pytest.raises(CorruptFileError, match=words):
        lake.write(BARS, rows, [DAY], "run", at(15))
    assert lake.read(BARS)["close"].unique().to_list() == [2.0]
    lake.write(BARS, rows, [DAY], "run", at(15), corrects_history=True)
    assert lake.verify() == 2
    assert known(lake, BARS, at(2))["close"].to_list() == [3.0, 3.0]


def test_a_sweep_keeps_every_version(lake, processes):
    for number in range(1, 6):
        lake.write(BARS, processes.bars([DAY], close=float(number)), [DAY], "run", at(number))
    before = [known(lake, BARS, at(day)) for day in range(1, 6)]
    none = dt.timedelta(0)
    assert lake.sweep(keep_versions=1, older_than=none, grace=none).files > 0
    assert [rows["close"][0] for rows in before] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert all(known(lake, BARS, at(day)).equals(rows) for day, rows in enumerate(before, 1))


def test_an_instant_and_a_night_are_not_asked_for_together(lake):
    with pytest.raises(ValueError, match="asked for alone"):
        lake.scan(BARS, as_of=at(1), night_of=DAY)


class Killed(Lake):
    """A lake whose process dies when the versions are stored and the table itself is not."""

    def commit(self, before, after):
        if after.table == BARS:
            raise KeyboardInterrupt
        super().commit(before, after)


class Twin:
    """What happened to each row: its first version, then each later one (None: gone) with when it was learnt."""

    def __init__(self) -> None:
        self.events: dict[tuple[dt.date, str], list[tuple[dt.datetime | None, float | None]]] = {}

    def write(self, days, rows, learnt_at, *, corrects: bool) -> None:
        for day in days:
            for symbol in ("AAA", "BBB"):
                close, events = rows.get((day, symbol)), self.events.get((day, symbol), [])
                if corrects or not events:
                    self.events[day, symbol] = [] if close is None else [(None, close)]
                elif events[-1][1] != close:
                    events.append((learnt_at, close))

    def read(self, instant_of, *, of_night: bool) -> list[tuple[dt.date, str, float, dt.datetime]]:
        found = []
        for (day, symbol), events in sorted(self.events.items()):
            own, instant = dt.datetime.combine(day, dt.time(21), UTC), instant_of(day)
            learnt = [(since, close) for since, close in events if since is None or since <= instant]
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
NIGHTS = schedule().select("session", ends=pl.col("open_at").shift(-1))
ENDS = dict(NIGHTS.filter(pl.col("session").dt.year() == 2012).rows())


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
            "corrects_history": fate == "corrects",
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
    for night in [day for day in ENDS if DAYS[-1] <= day <= learnt_at.date()][::4]:
        found = lake.read(BARS, last=night, night_of=night)
        assert found.select(shown).rows() == twin.read(lambda _, end=ENDS[night]: end, of_night=True)
    assert lake.read(BARS, night_of="each").select(shown).rows() == twin.read(ENDS.get, of_night=True)
    shutil.rmtree(home)
