"""The published catalog: views, comments, as-of macros, and what an open reader sees."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from gnosis.tables import TABLES
from resources.lake import CatalogMissingError, CorruptFileError, Lake

BARS = "raw.equity_bars"
DAY, NEXT, APRIL = dt.date(2012, 3, 1), dt.date(2012, 3, 2), dt.date(2012, 4, 2)


@pytest.fixture
def published(lake, processes):
    lake.write(BARS, processes.bars([DAY, NEXT, APRIL]), [DAY, NEXT, APRIL], "run-1")
    lake.publish_catalog()
    return lake


def test_every_table_is_a_view_of_its_name(published):
    with published.connect() as connection:
        views = connection.execute("SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE NOT internal")
        assert sorted(name for (name,) in views.fetchall()) == sorted(TABLES)
        for name in TABLES:
            expected = published.read(name)
            assert connection.execute(f"SELECT count(*) FROM {name}").fetchall() == [(expected.height,)]
        rows = connection.sql(f"SELECT * FROM {BARS} ORDER BY session, symbol").pl()
        assert rows.cast(dict(TABLES[BARS].polars_schema)).equals(published.read(BARS))


def test_an_empty_view_has_the_types_of_a_full_one(published, processes):
    def types():
        with published.connect() as connection:
            return connection.execute("SELECT column_name, column_type FROM (DESCRIBE raw.index_levels)").fetchall()

    empty = types()
    rows = processes.bars([DAY], table_name="raw.index_levels")
    published.write("raw.index_levels", rows, [DAY], "run-2")
    assert published.publish_catalog().changed
    assert types() == empty
    assert ("known_at", "TIMESTAMP WITH TIME ZONE") in empty


def test_comments_carry_units(published):
    with published.connect() as connection:
        comments = connection.execute(
            "SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns() "
            "WHERE schema_name <> 'main' AND NOT internal"
        ).fetchall()
        titles = dict(
            connection.execute(
                "SELECT schema_name || '.' || view_name, comment FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
        )
    expected = [
        (name, column, f"{table.description(column)} [{table.unit(column)}]")
        for name, table in TABLES.items()
        for column in table.polars_schema
    ]
    assert sorted(comments) == sorted(expected)
    assert titles == {name: table.title for name, table in TABLES.items()}


def test_the_dictionary_and_the_manifest_are_tables(published):
    with published.connect() as connection:
        listed = connection.execute("SELECT schema_name, table_name, column_name, data_type, unit FROM tables")
        assert ("raw", "equity_bars", "close", "DOUBLE", "$") in listed.fetchall()
        stored = connection.execute("SELECT table_name, period, file, rows, sha256, run_id FROM manifest").fetchall()
    entries = published.manifest(BARS).entries
    folder = Path(published.home) / "lake/raw/equity_bars"
    assert sorted(stored) == [
        (BARS, period, str(folder / entries[period].file), entries[period].rows, entries[period].sha256, "run-1")
        for period in ("2012-03", "2012-04")
    ]


def test_as_of_macros_agree_with_as_of_reads(published):
    table = TABLES["raw.macro"]
    published_at = [dt.datetime(2012, month, 5, 13, 30, tzinfo=dt.UTC) for month in (2, 3, 4)]
    rows = [
        (known_at.date(), series, dt.date(2012, 1, 1), known_at, value, True, "example", True)
        for known_at, value in zip(published_at, (243.0, 284.0, 275.0), strict=True)
        for series in ("PAYEMS", "UNRATE")
    ]
    frame = pl.DataFrame(rows, schema=table.polars_schema, orient="row")
    published.write(table.name, frame, frame["session"].unique().to_list(), "run-2")
    published.publish_catalog()
    with published.connect() as connection:
        for name in ("raw.macro", BARS):
            for as_of in (*published_at, dt.datetime(2012, 3, 1, 21, tzinfo=dt.UTC)):
                in_sql = connection.execute(f"SELECT * FROM {name}_as_of(?) ORDER BY ALL", [as_of]).fetchall()
                in_polars = published.read(name, as_of=as_of).cast({pl.Enum: pl.String})
                assert [row[:3] for row in in_sql] == [row[:3] for row in in_polars.rows()]
                assert len(in_sql) == in_polars.height
        macros = connection.execute(
            "SELECT DISTINCT schema_name || '.' || function_name FROM duckdb_functions() "
            "WHERE function_type = 'table_macro' AND NOT internal"
        ).fetchall()
    with_known_at = [name for name, table in TABLES.items() if "known_at" in table.polars_schema]
    assert sorted(name for (name,) in macros) == sorted(["main.lineage", *(f"{name}_as_of" for name in with_known_at)])


def test_nothing_is_built_for_what_is_shown_already(published, processes):
    assert not published.publish_catalog().changed
    published.write(BARS, processes.bars([DAY, NEXT, APRIL]), [DAY, NEXT, APRIL], "the same rows")
    assert not published.publish_catalog().changed
    (Path(published.home) / "gnosis.duckdb").unlink()
    assert published.publish_catalog().changed
    assert not published.publish_catalog().changed


def test_an_open_reader_keeps_its_picture_and_a_new_one_sees_the_last(published, processes):
    query = f"SELECT max(close), count(*) FROM {BARS}"
    with published.connect() as connection:
        for number, close in enumerate((2.0, 3.0, 4.0), 3):
            later = dt.date(2012, number + 2, 1)
            rows = processes.bars([DAY, later], close=close)
            published.write(BARS, rows, [DAY, later], "run")
            published.publish_catalog()
            assert connection.execute(query).fetchall() == [(1.0, 6)]
            assert connection.cursor().execute(query).fetchall() == [(1.0, 6)]
    with published.connect() as connection:
        assert connection.execute(query).fetchall() == [(4.0, 12)]


def test_a_reader_in_another_process_sees_each_publication(published, processes, start):
    with published.connect() as held_open:
        for name in (BARS, "raw.index_levels"):
            frame = processes.bars(processes.MARCH + processes.APRIL, close=5.0, table_name=name)
            published.write(name, frame, processes.MARCH + processes.APRIL, "run-2")
        published.publish_catalog()
        reader = start("query", published.home, 1, 20, 1)
        reader.stdin.write("\n")
        assert reader.communicate()[0].split() == ["ready", "20", "1", "0"]
        assert held_open.execute(f"SELECT max(close) FROM {BARS}").fetchall() == [(1.0,)]


def test_a_failed_publication_keeps_the_catalog(published, processes):
    published.write(BARS, processes.bars([DAY], close=2.0), [DAY], "run-2")
    folder = Path(published.home) / "lake/raw/equity_bars"
    damaged = folder / published.manifest(BARS).entries["2012-03"].file
    damaged.write_bytes(b"not parquet")
    before = (Path(published.home) / "gnosis.duckdb").read_bytes()
    with pytest.raises(CorruptFileError, match=damaged.name):
        published.publish_catalog()
    assert (Path(published.home) / "gnosis.duckdb").read_bytes() == before
    assert not list(Path(published.home).glob(".gnosis*"))


def test_a_home_with_an_awkward_name_works(tmp_path, processes):
    lake = Lake(tmp_path / "it's [a] *home* with=signs")
    lake.write(BARS, processes.bars([DAY]), [DAY], "run-1")
    lake.publish_catalog()
    assert lake.read(BARS).height == 2
    with lake.connect() as connection:
        assert connection.execute(f"SELECT count(*) FROM {BARS}").fetchall() == [(2,)]
        assert len(connection.execute(f"DESCRIBE {BARS}").fetchall()) == len(TABLES[BARS].polars_schema)


def test_a_home_without_catalog_says_what_to_run(lake):
    with pytest.raises(CatalogMissingError, match=r"gnosis\.duckdb.*Run: gnosis run"):
        lake.connect()


def test_a_moved_home_is_published_anew(published, tmp_path):
    moved = tmp_path / "moved"
    Path(published.home).rename(moved)
    lake = Lake(moved)
    assert lake.publish_catalog().changed
    with lake.connect() as connection:
        assert connection.execute(f"SELECT count(*) FROM {BARS}").fetchall() == [(6,)]


def test_a_log_left_by_a_writing_session_is_not_replayed(published, processes):
    stray = Path(published.home) / "gnosis.duckdb.wal"
    stray.write_bytes(b"a log of another file")
    published.write(BARS, processes.bars([DAY], close=2.0), [DAY], "run-2")
    published.publish_catalog()
    assert not stray.exists()
    with published.connect() as connection:
        assert connection.execute(f"SELECT max(close) FROM {BARS}").fetchall() == [(2.0,)]
