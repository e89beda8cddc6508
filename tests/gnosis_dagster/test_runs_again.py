"""Running again: nothing changes and it says so; what is damaged, full or moved is repaired by the words it prints."""

from __future__ import annotations

import re
import shlex
import shutil

import polars as pl
import pytest

from resources.lake import Lake
from resources.lake.errors import DiskFullError

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("homes")]

JANUARY = ("--from", "2008-01-02", "--to", "2008-01-31")


def versions(home):
    return dict(Lake(home).summary().select("table", "version").rows())


def done(said):
    assert said.status == 0, said.err
    return said


def test_running_again_changes_no_file_and_says_so(night_home, copy_of, command_line, parquet_hashes):
    home = copy_of(night_home)
    before, files = versions(home), parquet_hashes(home)
    said = done(command_line(home, "run", *JANUARY))
    assert "Nothing to do: all 21 sessions from 2008-01-02 to 2008-01-31 are stored; no file was changed." in said.out
    assert (versions(home), parquet_hashes(home)) == (before, files)
    # The copy is a home that was moved: its catalog names its own files from now on.
    with Lake(home).connect() as connection:
        (path,) = connection.execute("select file from main.manifest limit 1").fetchone()
    assert path.startswith(str(home))

    again = done(command_line(home, "run", *JANUARY, "--again"))
    assert "21 sessions to make" in again.out
    assert (versions(home), parquet_hashes(home)) == (before, files)


def test_one_further_night_adds_one_session_to_its_home_and_nothing_to_another(
    night_home, tmp_path, command_line, parquet_hashes
):
    first, second = (shutil.copytree(night_home, tmp_path / name) for name in ("one", "two"))
    done(command_line(first, "run", *JANUARY))
    files = parquet_hashes(first)
    before = {name: Lake(second).sessions(name) for name in ("raw.option_quotes", "trades.ideas")}
    said = done(command_line(second, "run", "--next", "1"))
    assert str(second) in said.out
    assert "1 sessions to make, 2008-02-01 to 2008-02-01" in said.out
    for name, sessions in before.items():
        after = Lake(second).sessions(name)
        assert after[:-1] == sessions
        assert str(after[-1]) == "2008-02-01"
    assert parquet_hashes(first) == files
    assert str(Lake(first).sessions("trades.ideas")[-1]) == "2008-01-31"


def test_a_changed_model_does_not_change_what_was_published(trained_home, copy_of, command_line):
    home = copy_of(trained_home)
    lake = Lake(home)
    (last,) = lake.sessions("models.predictions")[-1:]
    published = lake.read("models.predictions", first=last, last=last)
    changed = published.with_columns(model_version=pl.lit("another model"))
    assert published["model_version"].null_count() == 0
    lake.write("models.predictions", changed, [last], run_id="test")
    day = ("--from", str(last), "--to", str(last))
    done(command_line(home, "run", *day, "--again"))
    assert lake.read("models.predictions", first=last, last=last).equals(changed)
    done(command_line(home, "run", *day, "--again", "--republish"))
    assert lake.read("models.predictions", first=last, last=last).equals(published)


def damaged(home, table):
    lake = Lake(home)
    entry = next(iter(reversed(lake.manifest(table).entries.values())))
    path = home / "lake" / lake.folder(table) / entry.file
    path.write_bytes(path.read_bytes()[: entry.size_bytes // 2])
    return path


@pytest.mark.parametrize(
    "tables",
    [("raw.option_quotes", "models.trained"), ("features.technical", "models.predictions", "backtests.metrics")],
    ids=["raw", "derived"],
)
def test_damaged_files_are_named_and_the_printed_commands_repair_them(
    night_home, copy_of, command_line, parquet_hashes, tables
):
    home = copy_of(night_home)
    files = parquet_hashes(home)
    paths = [damaged(home, table) for table in tables]
    while (said := command_line(home, "verify")).status == 2:
        named = [path for path in paths if str(path) in said.err]
        assert named
        paths = named[:-1]
        commands = re.findall(r"make it anew: gnosis (run .*)", said.err)
        done(command_line(home, *shlex.split(max(commands, key=len))))
    assert parquet_hashes(home) == files


def test_a_damaged_file_is_named_by_whatever_reads_it(night_home, copy_of, command_line):
    home = copy_of(night_home)
    path = damaged(home, "features.technical")
    for command in (["summary"], ["run", *JANUARY]):
        said = command_line(home, *command)
        assert (said.status, "Traceback" in said.err) == (2, False)
        assert str(path) in said.err


@pytest.mark.parametrize("size_bytes", [8_192, 400_000], ids=["at once", "within the run"])
def test_a_full_disk_is_told_and_the_next_run_goes_on(
    night_home, copy_of, run_gnosis, command_line, parquet_hashes, size_bytes
):
    """No file may grow beyond the limit, as on a disk that has no more room for Dagster's own log."""
    home = copy_of(night_home)
    before, files = versions(home), parquet_hashes(home)
    said = run_gnosis(home, "run", "--next", "1", largest_file_bytes=size_bytes)
    assert (said.status, "Traceback" in said.err) == (2, False)
    assert "make room or set GNOSIS_HOME" in said.err
    assert versions(home) == before
    assert parquet_hashes(home) == files
    done(command_line(home, "run", "--next", "1"))
    assert str(Lake(home).sessions("trades.ideas")[-1]) == "2008-02-01"


def test_a_table_without_room_stops_what_follows_and_the_next_run_goes_on(
    night_home, copy_of, command_line, monkeypatch
):
    home = copy_of(night_home)
    before = versions(home)
    write = Lake.write

    def full(self, table_name, *arguments, **options):
        if table_name == "greeks.option_greeks":
            raise DiskFullError("no room for greeks.option_greeks")
        return write(self, table_name, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "write", full)
        said = command_line(home, "run", "--next", "1")
    assert said.status == 1
    assert "gnosis: greeks__option_greeks: no room for greeks.option_greeks" in said.err
    assert "run the same command again" in said.err
    after = versions(home)
    assert {name for name in before if after[name] == before[name]} >= {"greeks.exposure", "engines.elasticity"}
    done(command_line(home, "run", "--next", "1"))
    assert str(Lake(home).sessions("trades.ideas")[-1]) == "2008-02-01"
