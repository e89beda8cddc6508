"""Proofs with real processes: concurrent writers, kills at random moments, readers during writes and publications."""

from __future__ import annotations

import datetime as dt
import random
import subprocess
import time
from pathlib import Path

import pytest

from resources.lake import Lake

pytestmark = pytest.mark.heavy


def go(process: subprocess.Popen[str], line: str = "") -> None:
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_two_processes_that_write_one_month_lose_nothing(lake, processes, start):
    odd, even = (",".join(map(str, range(first, 32, 2))) for first in (1, 2))
    for round_number in range(3):
        home = lake.home / str(round_number)
        writers = [start("one_by_one", home, days) for days in (odd, even)]
        for writer in writers:
            go(writer)
        assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
        stored = Lake(home)
        assert stored.manifest(processes.BARS).version == 31
        assert stored.sessions(processes.BARS) == [dt.date(2012, 3, day) for day in range(1, 32)]
        rows = stored.read(processes.BARS)
        assert rows["close"].to_list() == rows["session"].dt.day().cast(float).to_list()
        assert rows.height == 62


def test_a_kill_at_any_moment_leaves_the_old_table_or_the_new_one(lake, processes, start):
    delays = random.Random(7)
    stored = dict.fromkeys((processes.BARS, processes.LEVELS), 0)
    n_remains = 0
    waiting = start("generations", lake.home, 0)
    for _ in range(30):
        writer, waiting = waiting, start("generations", lake.home, 0)
        first = max(stored.values()) + 1
        go(writer, str(first))
        time.sleep(delays.uniform(0.0, 0.4))
        writer.kill()
        said = [line.split() for line in writer.communicate()[0].splitlines()]
        lake.verify()
        for name in stored:
            rows = lake.read(name)
            assert rows["close"].n_unique() == (1 if rows.height else 0), "half a commit is visible"
            assert rows.height == 2 * len(lake.sessions(name)) == (30 if rows.height else 0)
            before = stored[name]
            stored[name] = int(rows["close"].max() or 0)
            acknowledged = [int(generation) for what, generation in said if what == name]
            last, begun = (acknowledged[-1], acknowledged[-1] + 1) if acknowledged else (before, first)
            assert stored[name] in (last, begun), "an acknowledged commit was lost"
        n_remains += len(list(lake.home.rglob("*.tmp"))) + len(list(lake.home.glob(".gnosis.duckdb.*")))
        if (lake.home / "gnosis.duckdb").exists():
            with lake.connect() as connection:
                left, right = connection.execute(processes.PAIR).fetchall()[0]
                assert left == right
                assert left >= max((int(generation) for what, generation in said if what == "catalog"), default=0)
    assert n_remains, "no kill struck in the middle of a write: the delays prove nothing"

    final = float(max(stored.values()) + 1)
    undisturbed = Lake(lake.home.parent / "undisturbed")
    for each in (lake, undisturbed):
        for name in (processes.BARS, processes.LEVELS):
            sessions = processes.MARCH + processes.APRIL
            each.write(name, processes.bars(sessions, final, table_name=name), sessions, "repair")
    lake.publish_catalog()
    lake.sweep(keep_versions=1, older_than=dt.timedelta(0), grace=dt.timedelta(0))
    names = [{file.name for file in Path(each.home).rglob("*.parquet")} for each in (lake, undisturbed)]
    assert names[0] == names[1], "a repaired home holds the files of an undisturbed one and nothing else"
    assert not list(Path(lake.home).rglob("*.tmp")) + list(Path(lake.home).glob(".gnosis*"))


@pytest.mark.timeout(1500)
def test_one_hundred_thousand_queries_during_writes_and_none_fails(lake, processes, start):
    sessions = processes.MARCH + processes.APRIL
    for name in (processes.BARS, processes.LEVELS):
        lake.write(name, processes.bars(sessions, 1.0, table_name=name), sessions, "first")
    lake.publish_catalog()
    writer = start("generations", lake.home, 0.5)
    readers = [start("query", lake.home, 50, 1_000, 22) for _ in range(2)]
    for process in (writer, *readers):
        go(process, "2")
    answers = [reader.communicate()[0].split(maxsplit=3) for reader in readers]
    writer.kill()
    n_publications = writer.communicate()[0].count("catalog")
    assert [answer[2:] for answer in answers] == [["0"], ["0"]]
    assert all(int(answer[0]) >= 50_000 for answer in answers)
    assert n_publications > 20
    assert all(int(answer[1]) > 20 for answer in answers), "every reconnection sees a later publication"
