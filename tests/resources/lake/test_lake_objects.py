"""Both homes keep the same promises: a local disk, and an object store through fsspec."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from gnosis.tables import TABLES
from resources.lake import CorruptFileError, Lake, LakeBusyError, NotLocalError
from resources.lake.objects import LocalObjects, objects_at

BARS = "raw.equity_bars"
DAY, NEXT, APRIL = dt.date(2012, 3, 1), dt.date(2012, 3, 2), dt.date(2012, 4, 2)


@pytest.fixture(params=["local", "memory"])
def root(request, tmp_path):
    return UPath(tmp_path / "home") if request.param == "local" else UPath(f"memory://{uuid.uuid4().hex}")


def test_objects_are_whole_and_listed(root):
    objects = objects_at(root)
    objects.write("a/b/one", b"1")
    objects.write("a/two", b"22")
    objects.write("a/two", b"333")
    objects.settle(["a/b/one", "a/two"])
    assert [(found.key, found.size_bytes) for found in objects.found("a")] == [("a/b/one", 1), ("a/two", 3)]
    assert all(
        abs(found.modified_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5) for found in objects.found("a")
    )
    assert objects.found("nothing") == []
    objects.keep("a/two", "kept/two")
    objects.write("a/two", b"4")
    assert (objects.read("kept/two"), objects.read("a/two")) == (b"333", b"4")
    objects.remove("a/two")
    objects.remove("a/two")
    assert not objects.exists("a/two")
    with pytest.raises(FileNotFoundError):
        objects.read("a/two")


def test_a_lock_has_one_holder(root):
    objects = objects_at(root)
    with objects.lock("a/.lock", 1.0), pytest.raises(LakeBusyError, match="lock"), objects.lock("a/.lock", 0.05):
        pass
    with objects.lock("a/.lock", 0.05):
        pass


def test_a_lake_lives_in_either(root, processes):
    lake = Lake(root)
    lake.write(BARS, processes.bars([DAY, APRIL]), [DAY, APRIL], "run-1")
    lake.write(BARS, processes.bars([NEXT], close=2.0), [NEXT], "run-2")
    assert lake.sessions(BARS) == [DAY, NEXT, APRIL]
    assert lake.read(BARS)["close"].to_list() == [1.0, 1.0, 2.0, 2.0, 1.0, 1.0]
    assert lake.read(BARS, version=1).height == 4
    assert lake.scan(BARS, first=APRIL).select(pl.len()).collect().item() == 2
    assert lake.read("raw.macro").schema == TABLES["raw.macro"].polars_schema
    assert lake.verify() == 2
    assert lake.sweep(keep_versions=1, older_than=dt.timedelta(0), grace=dt.timedelta(0)).files == 1
    entry = lake.manifest(BARS).entries["2012-03"]
    lake.objects.write(f"raw/equity_bars/{entry.file}", b"damaged")
    with pytest.raises(CorruptFileError, match="2012-03"):
        lake.read(BARS)


def test_both_hold_the_same_bytes(tmp_path, processes):
    lakes = [Lake(tmp_path), Lake(UPath(f"memory://{uuid.uuid4().hex}"))]
    for lake in lakes:
        lake.write(BARS, processes.bars([DAY]), [DAY], "run-1")
    assert lakes[0].manifest(BARS).entries == lakes[1].manifest(BARS).entries


def test_the_catalog_asks_for_a_local_home():
    lake = Lake(UPath(f"memory://{uuid.uuid4().hex}"))
    for attempt in (lake.publish_catalog, lake.connect):
        with pytest.raises(NotLocalError, match="local disk"):
            attempt()


def test_a_relative_home_is_resolved_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lake = Lake("home")
    monkeypatch.chdir("/")
    assert lake.objects == LocalObjects(tmp_path / "home" / "lake")
    assert Path(lake.home) == tmp_path / "home"
