"""The raw archive keeps bytes once, under their hash, and finds damage."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import pytest

from resources.providers.archive import Archive, DamagedArchiveError
from resources.providers.protocol import Source
from resources.providers.sample import SampleProvider

SOURCE = Source.of_bytes("a.csv", b"session,close\n" * 100, "memory", dt.datetime(2013, 1, 2, tzinfo=dt.UTC))


def test_put_keeps_the_bytes_and_a_record(tmp_path):
    archive = Archive(tmp_path / "archive")
    record = archive.put("sample", "raw.equity_bars", SOURCE)
    assert json.loads(record.read_text()) == {
        "name": "a.csv",
        "sha256": SOURCE.sha256,
        "url_or_path": "memory",
        "fetched_at": "2013-01-02T00:00:00+00:00",
        "bytes": 1400,
        "kept": True,
    }
    assert archive.get("sample", "raw.equity_bars", SOURCE.sha256) == SOURCE.content


def test_put_twice_changes_no_byte(tmp_path):
    archive = Archive(tmp_path)
    archive.put("sample", "raw.equity_bars", SOURCE)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()}
    later = dataclasses.replace(SOURCE, fetched_at=dt.datetime(2014, 1, 2, tzinfo=dt.UTC))
    archive.put("sample", "raw.equity_bars", later)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()}
    assert before == after
    assert len(after) == 2


def test_two_archives_hold_equal_bytes(tmp_path):
    files = [Archive(tmp_path / name).put("p", "t", SOURCE).with_suffix(".gz").read_bytes() for name in "ab"]
    assert files[0] == files[1]


def test_a_source_without_content_leaves_a_record_only(tmp_path):
    record = Archive(tmp_path).put("files", "raw.macro", dataclasses.replace(SOURCE, content=None))
    assert json.loads(record.read_text())["kept"] is False
    assert [path.name for path in record.parent.iterdir()] == [record.name]


def test_bytes_that_are_not_those_of_the_hash_are_refused(tmp_path):
    with pytest.raises(DamagedArchiveError, match="expected bytes with SHA-256"):
        Archive(tmp_path).put("p", "t", dataclasses.replace(SOURCE, content=b"other"))


def test_a_truncated_file_is_found(tmp_path):
    archive = Archive(tmp_path)
    content = archive.put("p", "t", SOURCE).with_suffix(".gz")
    content.write_bytes(content.read_bytes()[:-12])
    with pytest.raises(DamagedArchiveError, match="restore the file"):
        archive.get("p", "t", SOURCE.sha256)


def test_the_sample_is_archived_once_for_all_nights(tmp_path):
    archive, provider = Archive(tmp_path), SampleProvider()
    for day in (dt.date(2013, 2, 28), dt.date(2013, 3, 1)):
        for source in provider.fetch("raw.equity_bars", [day]).sources:
            archive.put(provider.name, "raw.equity_bars", source)
    assert len(list(tmp_path.rglob("*.gz"))) == 1
