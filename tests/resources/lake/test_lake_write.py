"""Writing and reading tables: what a commit replaces, what it refuses, what a scan opens."""

from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnosis.tables import TABLES
from resources.lake import (
    Lake,
    LakeBusyError,
    SchemaMismatchError,
    SessionMismatchError,
    UnknownTableError,
    VersionNotFoundError,
)

BARS = "raw.equity_bars"
FIRST, SECOND = dt.date(2012, 3, 1), dt.date(2012, 3, 2)
APRIL = dt.date(2012, 4, 2)


def file_hashes(lake: Lake, table_name: str) -> dict[str, str]:
    return {period: entry.sha256 for period, entry in lake.manifest(table_name).entries.items()}


def test_rows_come_back_sorted_by_key(lake, processes):
    frame = processes.bars([APRIL, FIRST, SECOND], symbols=["BBB", "AAA"])
    commit = lake.write(BARS, frame, [FIRST, SECOND, APRIL], run_id="run-1")
    table = TABLES[BARS]
    assert lake.read(BARS).equals(frame.sort(table.key))
    assert lake.read(BARS).schema == table.polars_schema
    assert (commit.version, commit.rows, commit.changed, len(commit.files)) == (1, 6, True, 2)
    assert commit.sessions == (FIRST, SECOND, APRIL)
    assert commit.size_bytes == sum(path.stat().st_size for path in Path(lake.home).rglob("*.parquet"))


def test_files_lie_where_the_design_says(lake, processes):
    lake.write(BARS, processes.bars([FIRST]), [FIRST], "run-1")
    entry = lake.manifest(BARS).entries["2012-03"]
    assert (Path(lake.home) / "lake/raw/equity_bars/2012-03" / f"{entry.sha256}.parquet").is_file()
    assert (entry.rows, entry.run_id, entry.sessions) == (2, "run-1", (FIRST,))
    assert entry.known_at_min == entry.known_at_max == dt.datetime(2012, 3, 1, 21, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("table_name", "period"),
    [("greeks.option_greeks", "2012-03-01"), (BARS, "2012-03"), ("quarantine.raw_macro", "2012")],
)
def test_the_dictionary_gives_the_period(lake, table_name, period):
    lake.write(table_name, TABLES[table_name].empty(), [FIRST], "run-1")
    assert list(lake.manifest(table_name).entries) == [period]


def test_only_the_given_sessions_are_replaced(lake, processes):
    lake.write(BARS, processes.bars([FIRST, SECOND, APRIL], close=1.0), [FIRST, SECOND, APRIL], "run-1")
    april = lake.manifest(BARS).entries["2012-04"]
    commit = lake.write(BARS, processes.bars([SECOND], close=2.0, symbols=["CCC"]), [SECOND], "run-2")
    rows = lake.read(BARS).select("session", "symbol", "close").rows()
    assert rows == [
        (FIRST, "AAA", 1.0),
        (FIRST, "BBB", 1.0),
        (SECOND, "CCC", 2.0),
        (APRIL, "AAA", 1.0),
        (APRIL, "BBB", 1.0),
    ]
    assert lake.manifest(BARS).entries["2012-04"] == april
    assert len(commit.files) == 1


def test_the_same_content_is_no_change(lake, processes):
    frame = processes.bars([FIRST, APRIL])
    lake.write(BARS, frame, [FIRST, APRIL], "run-1")
    again = lake.write(BARS, frame.reverse(), [APRIL, FIRST], "run-2")
    assert (again.changed, again.version, again.files, again.size_bytes) == (False, 1, (), 0)
    assert lake.manifest(BARS).entries["2012-03"].run_id == "run-1"


def test_a_session_without_rows_is_materialised(lake, processes):
    lake.write(BARS, processes.bars([FIRST]), [FIRST, SECOND, APRIL], "run-1")
    assert lake.sessions(BARS) == [FIRST, SECOND, APRIL]
    assert lake.read(BARS, first=SECOND).height == 0
    emptied = lake.write(BARS, TABLES[BARS].empty(), [FIRST], "run-2")
    assert emptied.changed
    assert lake.read(BARS).height == 0
    assert lake.read(BARS).schema == TABLES[BARS].polars_schema


def test_a_table_in_one_file_is_replaced_as_a_whole(lake):
    table = TABLES["backtests.metrics"]
    row = {"run_key": "a", "series": "strategy", "metric": "sharpe", "value": 0.5, "unit": "1", "n": 9}
    for key in ("a", "b"):
        frame = pl.DataFrame([row | {"run_key": key, "synthetic": True}], schema=table.polars_schema)
        lake.write(table.name, frame, None, "run-1")
    assert lake.read(table.name)["run_key"].to_list() == ["b"]
    assert list(lake.manifest(table.name).entries) == ["all"]
    with pytest.raises(SessionMismatchError, match="sessions=None"):
        lake.write(table.name, frame, [FIRST], "run-1")


def test_rows_outside_the_sessions_are_refused(lake, processes):
    with pytest.raises(SessionMismatchError, match="2012-04-02"):
        lake.write(BARS, processes.bars([FIRST, APRIL]), [FIRST], "run-1")
    with pytest.raises(SessionMismatchError, match="pass its sessions"):
        lake.write(BARS, processes.bars([FIRST]), None, "run-1")
    with pytest.raises(SessionMismatchError, match="as dates"):
        lake.write(BARS, processes.bars([FIRST]), [dt.datetime(2012, 3, 1, tzinfo=dt.UTC)], "run-1")
    assert lake.tables() == []


def test_a_repeated_key_is_refused_and_shown(lake, processes):
    frame = processes.bars([FIRST], symbols=["AAA", "AAA"])
    with pytest.raises(SchemaMismatchError, match=r"one row per session, symbol.*symbol=AAA"):
        lake.write(BARS, frame, [FIRST], "run-1")
    assert not list(Path(lake.home).rglob("*.parquet"))


def test_wrong_columns_are_all_named(lake, processes):
    frame = processes.bars([FIRST]).drop("open").with_columns(pl.col("volume").cast(pl.Int64), extra=pl.lit(1))
    with pytest.raises(SchemaMismatchError) as failure:
        lake.write(BARS, frame, [FIRST], "run-1")
    for words in ("open: expected Float64, found no such", "volume: expected Float64, found Int64", "extra: not in"):
        assert words in str(failure.value)


def test_a_failed_write_leaves_no_file_of_its_own(lake, processes):
    lake.write(BARS, processes.bars([FIRST]), [FIRST], "run-1")
    before = {path.name for path in Path(lake.home).rglob("*.parquet")}
    broken = pl.concat([processes.bars([FIRST], close=2.0), processes.bars([APRIL], symbols=["AAA", "AAA"])])
    with pytest.raises(SchemaMismatchError):
        lake.write(BARS, broken, [FIRST, APRIL], "run-2")
    assert {path.name for path in Path(lake.home).rglob("*.parquet")} == before
    assert lake.manifest(BARS).version == 1


def test_filters_and_columns(lake, processes):
    lake.write(BARS, processes.bars([FIRST, SECOND, APRIL]), [FIRST, SECOND, APRIL], "run-1")
    rows = lake.read(BARS, first=SECOND, last=APRIL, symbols=["BBB"], columns=["session"])
    assert rows.to_dict(as_series=False) == {"session": [SECOND, APRIL]}
    assert lake.scan(BARS, first=dt.date(2020, 1, 1)).collect().schema == TABLES[BARS].polars_schema
    assert lake.scan(BARS, symbols=[]).collect().height == 0
    with pytest.raises(ValueError, match="no column symbol"):
        lake.scan("raw.macro", symbols=["DGS10"])
    with pytest.raises(ValueError, match="no column session"):
        lake.scan("models.folds", first=FIRST)
    with pytest.raises(ValueError, match="time zone"):
        lake.scan(BARS, as_of=dt.datetime(2012, 3, 1))  # noqa: DTZ001


def test_a_scan_opens_the_asked_periods_only(lake, processes):
    lake.write(BARS, processes.bars([FIRST, APRIL]), [FIRST, APRIL], "run-1")
    (Path(lake.home) / "lake/raw/equity_bars" / lake.manifest(BARS).entries["2012-04"].file).unlink()
    assert lake.read(BARS, last=dt.date(2012, 3, 31)).height == 2


def test_as_of_shows_what_was_known(lake, processes):
    lake.write(BARS, processes.bars([FIRST, SECOND]), [FIRST, SECOND], "run-1")
    noon = dt.datetime(2012, 3, 2, 12, tzinfo=dt.UTC)
    assert lake.read(BARS, as_of=noon)["session"].unique().to_list() == [FIRST]
    assert lake.read(BARS, as_of=dt.datetime(2012, 3, 2, 21, tzinfo=dt.UTC)).height == 4


def test_as_of_shows_the_vintage_of_that_day(lake):
    table = TABLES["raw.macro"]
    published = [dt.datetime(2012, month, 5, 13, 30, tzinfo=dt.UTC) for month in (2, 3, 4)]
    base = {"series_id": "PAYEMS", "ref_date": dt.date(2012, 1, 1), "is_vintage": True, "provider": "example"}
    rows = [
        base | {"session": known_at.date(), "known_at": known_at, "value": value, "synthetic": True}
        for known_at, value in zip(published, (243.0, 284.0, 275.0), strict=True)
    ]
    frame = pl.DataFrame(rows, schema=table.polars_schema)
    lake.write(table.name, frame, frame["session"].to_list(), "run-1")
    values = [lake.read(table.name, as_of=instant)["value"].to_list() for instant in published]
    assert values == [[243.0], [284.0], [275.0]]
    assert lake.read(table.name, as_of=published[0] - dt.timedelta(seconds=1)).height == 0
    assert lake.read(table.name).height == 3


def test_earlier_versions_stay_readable(lake, processes):
    for close in (1.0, 2.0, 3.0):
        lake.write(BARS, processes.bars([FIRST], close=close), [FIRST], f"run-{close}")
    assert [lake.read(BARS, version=version)["close"][0] for version in (1, 2, 3)] == [1.0, 2.0, 3.0]
    assert lake.kept_versions(BARS) == [1, 2, 3]
    with pytest.raises(VersionNotFoundError, match=r"no version 9.*keeps"):
        lake.read(BARS, version=9)


def test_unknown_tables_are_named(lake):
    with pytest.raises(UnknownTableError, match=r"raw\.equity_bars"):
        lake.scan("raw.bars")


def test_a_lake_travels_to_other_processes(lake, processes):
    lake.write(BARS, processes.bars([FIRST]), [FIRST], "run-1")
    assert pickle.loads(pickle.dumps(lake)).read(BARS).height == 2


def test_the_summary_counts_every_table(lake, processes):
    assert lake.summary().height == 0
    lake.write(BARS, processes.bars([FIRST, APRIL]), [FIRST, SECOND, APRIL], "run-1")
    summary = lake.summary().row(0, named=True)
    size = sum(path.stat().st_size for path in Path(lake.home).rglob("*.parquet"))
    assert summary == {
        "table": BARS,
        "version": 1,
        "rows": 4,
        "sessions": 3,
        "first": FIRST,
        "last": APRIL,
        "files": 2,
        "bytes": size,
    }


def test_a_busy_table_says_so(lake, processes):
    hasty = Lake(lake.home, lock_timeout_s=0.05)
    with lake.lock(BARS), pytest.raises(LakeBusyError, match="another writer"):
        hasty.write(BARS, processes.bars([FIRST]), [FIRST], "run-1")


DAYS = [dt.date(2012, month, day) for month in (3, 4) for day in (2, 5, 6)]
WRITES = st.lists(
    st.tuples(st.sets(st.sampled_from(DAYS), min_size=1), st.integers(1, 9), st.booleans()), min_size=1, max_size=5
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=WRITES)
def test_the_bytes_depend_on_the_rows_and_not_on_the_way_there(writes, processes, tmp_path_factory):
    by_steps, at_once = (Lake(tmp_path_factory.mktemp("home")) for _ in range(2))
    model: dict[dt.date, pl.DataFrame] = {}
    for days, close, is_empty in writes:
        frame = processes.bars([] if is_empty else sorted(days), close=float(close))
        by_steps.write(BARS, frame, sorted(days), "step")
        model |= {day: frame.filter(pl.col("session") == day) for day in days}
    rows = pl.concat(model.values())
    at_once.write(BARS, rows.sample(fraction=1, shuffle=True, seed=len(writes)), list(model), "once")
    assert by_steps.read(BARS).equals(rows.sort("session", "symbol"))
    assert by_steps.sessions(BARS) == sorted(model)
    assert file_hashes(by_steps, BARS) == file_hashes(at_once, BARS)


def test_nights_give_the_bytes_of_a_backfill(processes, tmp_path):
    days = [FIRST + dt.timedelta(days=number) for number in range(45)]
    rows = pl.concat(processes.bars([day], close=float(number), symbols="AB") for number, day in enumerate(days, 1))
    nightly, backfill, batches = (Lake(tmp_path / name) for name in ("nightly", "backfill", "batches"))
    for day in days:
        nightly.write(BARS, rows.filter(session=day), [day], f"night-{day}")
    backfill.write(BARS, rows, days, "backfill")
    for batch in (days[30:], days[::2], days[1::2]):
        batches.write(BARS, rows.filter(pl.col("session").is_in(batch)).reverse(), batch, "batch")
    assert file_hashes(nightly, BARS) == file_hashes(backfill, BARS) == file_hashes(batches, BARS)
    assert len(file_hashes(backfill, BARS)) == 2
