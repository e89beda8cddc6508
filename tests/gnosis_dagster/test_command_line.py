"""What a user sees who asks for something that cannot be served: exit status 2 and a sentence, never a traceback."""

from __future__ import annotations

import datetime as dt
import json

import duckdb
import polars as pl
import pytest

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from gnosis_dagster.nights import SESSION_TABLES
from resources.lake import Lake


def refused(said, *words, status=2):
    assert said.status == status, said.err
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "2008-01-01"], ["found 2008-01-01", "nearest are 2007-12-31 and 2008-01-02"]),
        (["--from", "2012-10-29", "--to", "2012-10-29"], ["nearest are 2012-10-26 and 2012-10-31"]),
        (["--to", "2013-03-04"], ["2000-03-01 to 2013-03-01", "found 2013-03-04"]),
        (["--from", "1999-12-31"], ["2000-03-01 to 2013-03-01", "found 1999-12-31"]),
        (["--from", "2008-01-31", "--to", "2008-01-02"], ["found 2008-01-31 and 2008-01-02"]),
        (["--from", "2013-01-02"], ["found 2013-01-02 and 2012-12-31", "give both --from and --to"]),
        (["--from", "tomorrow"], ["expected a session as YYYY-MM-DD, found 'tomorrow'"]),
        (["--next", "0"], ["expected a number of sessions, 1 or more, found '0'"]),
        (["--next", "-3"], ["found '-3'"]),
        (["--next", "1"], ["expected stored sessions before --next, found none"]),
    ],
    ids=" ".join,
)
def test_sessions_that_cannot_be_made(tmp_path, command_line, arguments, words):
    refused(command_line(tmp_path / "home", "run", *arguments), *words)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"GNOSIS_PROVIDER": "files"}, ["GNOSIS_PROVIDER=files needs GNOSIS_FILES"]),
        ({"GNOSIS_PROVIDER": "files", "GNOSIS_FILES": "/nowhere/at/all"}, ["/nowhere/at/all, found none; create it"]),
        ({"GNOSIS_PROVIDER": "bloomberg"}, ["GNOSIS_PROVIDER", "sample, files, live or a live service"]),
        ({"GNOSIS_FIRST_SESSION": "soon"}, ["GNOSIS_FIRST_SESSION", "valid date"]),
        (
            {"GNOSIS_FIRST_SESSION": "2012-12-03", "GNOSIS_LAST_SESSION": "2012-11-30"},
            ["found 2012-12-03 and 2012-11-30"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_settings_that_cannot_be_served(tmp_path, command_line, settings, words):
    refused(command_line(tmp_path / "home", "run", **settings), *words)


def test_a_home_that_cannot_be_made(tmp_path, command_line):
    (tmp_path / "file").write_text("not a folder")
    refused(command_line(tmp_path / "file" / "home", "run"), "Not a directory", "GNOSIS_HOME")


def test_a_home_of_a_later_version_is_left_alone(tmp_path, command_line):
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "format.json").write_text(json.dumps({"format_version": 99}))
    for command in (["run"], ["publish"]):
        refused(command_line(tmp_path, *command), "has format 99", "Update gnosis, or set GNOSIS_HOME")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["format.json"]


def test_queries_before_anything_was_published(tmp_path, command_line):
    refused(command_line(tmp_path, "sql", "select 1"), "nothing was published in this home yet. Run: gnosis run")
    assert list(tmp_path.iterdir()) == []


def test_a_summary_of_an_empty_home_says_that_nothing_is_there(tmp_path, command_line):
    said = command_line(tmp_path, "summary")
    assert said.status == 0
    assert "none yet" in said.out


def test_an_unknown_table_is_answered_with_the_known_ones(tmp_path, command_line):
    refused(command_line(tmp_path, "tables", "raw.bonds"), "greeks.exposure", "found 'raw.bonds'")


def test_the_dictionary_has_the_unit_of_every_column(tmp_path, command_line):
    said = command_line(tmp_path, "tables")
    assert said.status == 0
    for name, table in TABLES.items():
        if table.is_companion:
            continue
        assert f"{name} {table.title}" in " ".join(said.out.split())
    printed = command_line(tmp_path, "tables", "greeks.option_greeks").out
    for column in TABLES["greeks.option_greeks"].polars_schema:
        (line,) = [line for line in printed.splitlines() if line.split()[:1] == [column]]
        assert TABLES["greeks.option_greeks"].unit(column) in line


@pytest.fixture
def published(tmp_path):
    """Return a home with one published row."""
    lake, day = Lake(tmp_path / "home"), dt.date(2012, 3, 14)
    row = {"session": day, "row_number": 0, "rule": "close", "found": "{}", "provider": "example"}
    name = "quarantine.raw_equity_bars"
    lake.write(name, pl.DataFrame([row], schema=TABLES[name].polars_schema), [day], run_id="test")
    lake.publish_catalog()
    return tmp_path / "home"


def test_sql_prints_rows_and_says_when_there_are_more(published, command_line):
    said = command_line(published, "sql", "select rule, session from quarantine.raw_equity_bars")
    assert said.status == 0
    assert "close" in said.out
    assert "2012-03-14" in said.out
    assert "2 of 5 rows; --rows for more" in command_line(published, "sql", "from range(5)", "--rows", "2").out


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("selec 1", "syntax error"),
        ("select * from raw.bonds", "Table with name bonds does not exist"),
        ("drop view raw.equity_bars", "read-only"),
        ("", "expected a query that returns rows"),
        ("set threads = 1", "expected a query that returns rows"),
    ],
)
def test_wrong_sql_is_answered_with_what_is_wrong(published, command_line, query, words):
    refused(command_line(published, "sql", query), words)


def test_any_duckdb_client_reads_the_catalog_with_units(published):
    with duckdb.connect(str(published / "gnosis.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from quarantine.raw_equity_bars").fetchone() == (1,)
        comments = dict(
            connection.execute(
                "select column_name, comment from duckdb_columns() "
                "where schema_name = 'raw' and table_name = 'equity_bars' and comment is not null"
            ).fetchall()
        )
    table = TABLES["raw.equity_bars"]
    assert comments == {column: f"{table.description(column)} [{table.unit(column)}]" for column in table.polars_schema}


def test_upkeep_says_what_it_did(published, command_line):
    assert "1 files have the hash" in command_line(published, "verify").out
    assert "up to date" in command_line(published, "publish").out
    assert command_line(published, "sweep").status == 0


def test_a_home_older_than_a_table_is_told_so(tmp_path, command_line):
    lake, days = Lake(tmp_path), sessions_between(dt.date(2012, 3, 12), dt.date(2012, 3, 13))
    for name in set(SESSION_TABLES) - {"greeks.levels"}:
        lake.write(name, TABLES[name].empty(), days, run_id="test")
    lake.publish_catalog()
    said = command_line(tmp_path, "run", "--next", "1")
    assert said.status == 2
    assert "found none with greeks.levels: the home is older than these tables; run `gnosis run`" in said.err
