"""Damage, full disks, older and newer homes: what the lake says and what it leaves untouched."""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest

from gnosis.tables import TABLES, Table
from gnosis.tables.dictionary import SymbolSession, label, number
from resources.lake import (
    CorruptFileError,
    DiskFullError,
    Lake,
    MigrationNeededError,
    NewerHomeError,
    VersionNotFoundError,
)
from resources.lake.parquet import is_lossless

BARS = "raw.equity_bars"
DAY, NEXT = dt.date(2012, 3, 1), dt.date(2012, 3, 2)


def stored_file(lake: Lake, table_name: str = BARS, period: str = "2012-03") -> Path:
    return Path(lake.home) / "lake" / lake.folder(table_name) / lake.manifest(table_name).entries[period].file


def everything(lake: Lake) -> dict[str, bytes]:
    paths = [path for path in Path(lake.home).rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path): path.read_bytes() for path in paths}


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_middle(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_short, flip_middle, lambda content: b"", None])
def test_damage_is_named_and_repaired_by_its_command(lake, processes, damage):
    frame = processes.bars([DAY, NEXT])
    lake.write(BARS, frame, [DAY, NEXT], "run-1")
    path = stored_file(lake)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CorruptFileError) as failure:
        lake.verify()
    for words in (str(path), BARS, "2012-03", "gnosis run --from 2012-03-01 --to 2012-03-02"):
        assert words in str(failure.value)
    with pytest.raises(CorruptFileError):
        lake.write(BARS, processes.bars([DAY], close=2.0), [DAY], "part of the damaged period")
    repaired = lake.write(BARS, frame, [DAY, NEXT], "run-2")
    assert (repaired.changed, len(repaired.files)) == (False, 1)
    assert lake.verify() == 1


def test_reading_a_damaged_file_names_it(lake, processes):
    lake.write(BARS, processes.bars([DAY]), [DAY], "run-1")
    path = stored_file(lake)
    path.write_bytes(cut_short(path.read_bytes()))
    with pytest.raises(CorruptFileError, match=path.name):
        lake.read(BARS)


@pytest.mark.parametrize("marker", ["lake/format.json", "lake/raw/equity_bars/manifest.json"])
def test_a_home_of_a_later_version_is_left_alone(lake, processes, marker):
    lake.write(BARS, processes.bars([DAY]), [DAY], "run-1")
    path = Path(lake.home) / marker
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))
    before = everything(lake)
    for attempt in (
        lambda: lake.read(BARS),
        lambda: lake.write(BARS, processes.bars([DAY], close=2.0), [DAY], "run-2"),
        lake.publish_catalog,
    ):
        with pytest.raises(NewerHomeError, match=r"format 99.*Update gnosis"):
            attempt()
    assert everything(lake) == before


@pytest.fixture
def tiny_disk(tmp_path):
    """A real disk of one megabyte; the test is skipped, and said to be, where none may be mounted."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"may not mount a tiny disk here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> None:
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 200_000))


def large(processes, close: float) -> pl.DataFrame:
    symbols = [f"S{number:06d}" for number in range(40_000)]
    noise = pl.int_range(pl.len()).hash(seed=1).cast(pl.Float64)
    return processes.bars([DAY], close=close, symbols=symbols).with_columns(volume=noise, open=noise.reverse())


def test_a_full_disk_leaves_what_was_there(tiny_disk, processes):
    lake = Lake(tiny_disk)
    lake.write(BARS, processes.bars([DAY]), [DAY], "run-1")
    fill(tiny_disk)
    before = everything(lake)
    with pytest.raises(DiskFullError, match=r"No space left.*untouched"):
        lake.write(BARS, large(processes, 2.0), [DAY], "run-2")
    assert everything(lake) == before
    assert lake.write(BARS, processes.bars([DAY], close=3.0), [DAY], "run-3").version == 2


def test_a_disk_that_fills_while_publishing_keeps_the_catalog(tiny_disk, processes):
    lake = Lake(tiny_disk)
    lake.write(BARS, processes.bars([DAY]), [DAY], "run-1")
    fill(tiny_disk)
    with pytest.raises(DiskFullError, match="catalog of before stays"):
        lake.publish_catalog()
    assert not list(tiny_disk.glob("*gnosis.duckdb*"))
    assert lake.read(BARS).height == 2


def test_a_limit_of_file_size_is_a_full_disk_too(lake, processes):
    lake.write(BARS, processes.bars([DAY]), [DAY], "run-1")
    before = everything(lake)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        with pytest.raises(DiskFullError, match="File too large"):
            lake.write(BARS, large(processes, 2.0), [DAY, NEXT], "run-2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert everything(lake) == before


def test_a_manifest_that_does_not_fit_is_not_half_written(lake):
    name, empty = "raw.option_quotes", TABLES["raw.option_quotes"].empty()
    lake.write(name, empty, [DAY], "run-1")
    before = everything(lake)
    days = [DAY + dt.timedelta(days=number) for number in range(100)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        with pytest.raises(DiskFullError, match=r"manifest\.json"):
            lake.write(name, empty, days, "run-2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    after = everything(lake)
    kept = after.pop(f"{lake.home}/lake/raw/option_quotes/manifests/1.json")
    assert kept == before[f"{lake.home}/lake/raw/option_quotes/manifest.json"]
    assert after == before
    assert lake.kept_versions(name) == [1]


class Old(SymbolSession):
    """Prices by symbol."""

    price = dy.Float32(metadata={"unit": "$"}, description="price", nullable=True)
    lots = dy.Int32(metadata={"unit": "lots"}, description="lots", nullable=True)
    side = label(["buy", "sell"], "side")
    gone = number("$", "a column that was dropped later")


class Grown(SymbolSession):
    """Prices by symbol, with an added column and wider dtypes."""

    price = number("$", "price")
    lots = dy.Int64(metadata={"unit": "lots"}, description="lots", nullable=True)
    side = label(["sell", "hold", "buy"], "side")
    added = number("$", "a column that was added later")


class Narrowed(SymbolSession):
    """Prices whose lots are text and whose new column may not be null."""

    price = number("$", "price")
    lots = dy.String(metadata={"unit": "text"}, description="lots", nullable=True)
    side = label(["buy", "sell"], "side")


class Required(SymbolSession):
    """Prices with an added column that may not be null."""

    price = number("$", "price", nullable=False)
    venue = dy.String(metadata={"unit": "text"}, description="venue", nullable=False)


def lake_of(schema: type[dy.Schema], home: Path) -> Lake:
    return Lake(home, {"raw.prices": Table("raw.prices", schema, period="month")})


@pytest.fixture
def old_home(tmp_path):
    lake = lake_of(Old, tmp_path / "home")
    row = {"symbol": "AAA", "price": 1.5, "lots": 3, "side": "sell", "gone": 9.0}
    schema = lake.table("raw.prices").polars_schema
    frame = pl.DataFrame([row | {"session": DAY}, row | {"session": NEXT}], schema=schema)
    lake.write("raw.prices", frame, [DAY, NEXT], "old")
    return tmp_path / "home"


def test_a_grown_schema_reads_old_files(old_home):
    lake = lake_of(Grown, old_home)
    schema = lake.table("raw.prices").polars_schema
    rows = lake.read("raw.prices")
    assert rows.schema == schema
    assert rows.row(0) == (DAY, "AAA", 1.5, 3, "sell", None)
    new = pl.DataFrame([(dt.date(2012, 4, 2), "AAA", 0.1, 2**40, "hold", 7.0)], schema=schema, orient="row")
    lake.write("raw.prices", new, [dt.date(2012, 4, 2)], "april")
    assert lake.read("raw.prices").row(2) == (dt.date(2012, 4, 2), "AAA", 0.1, 2**40, "hold", 7.0)
    lake.publish_catalog()
    with lake.connect() as connection:
        in_sql = connection.execute('SELECT * FROM raw.prices ORDER BY "session"').fetchall()
        assert in_sql == lake.read("raw.prices").rows()
    lake.write("raw.prices", new.with_columns(session=pl.lit(NEXT)), [NEXT], "march, in part")
    assert lake.read("raw.prices")["lots"].to_list() == [3, 2**40, 2**40]
    assert len({entry.schema_sha256 for entry in lake.manifest("raw.prices").entries.values()}) == 1


@pytest.mark.parametrize(
    ("schema", "column", "found"),
    [(Narrowed, "lots: expected String", "found Int32"), (Required, "venue: expected String", "found no such column")],
)
def test_a_change_that_loses_values_asks_for_a_migration(old_home, schema, column, found):
    lake = lake_of(schema, old_home)
    for attempt in (lambda: lake.read("raw.prices"), lake.publish_catalog):
        with pytest.raises(MigrationNeededError) as failure:
            attempt()
        for words in ("raw.prices", "2012-03", column, found, "gnosis run --from 2012-03-01 --to 2012-03-02"):
            assert words in str(failure.value)
    empty = lake.table("raw.prices").empty()
    with pytest.raises(MigrationNeededError):
        lake.write("raw.prices", empty, [DAY], "in part")
    lake.write("raw.prices", empty, [DAY, NEXT], "as the message says")
    assert lake.read("raw.prices").height == 0


@pytest.mark.parametrize(
    ("stored", "expected", "lossless"),
    [
        (pl.UInt32(), pl.Int64(), True),
        (pl.UInt64(), pl.Int64(), False),
        (pl.Int8(), pl.UInt8(), False),
        (pl.Int32(), pl.Float32(), False),
        (pl.Float32(), pl.Float64(), True),
        (pl.Float64(), pl.Float32(), False),
        (pl.Enum(["a"]), pl.String(), True),
        (pl.Enum(["a", "b"]), pl.Enum(["a"]), False),
        (pl.String(), pl.Enum(["a"]), False),
        (pl.Date(), pl.Datetime("us"), False),
        (pl.Datetime("us"), pl.Datetime("us", "UTC"), False),
    ],
)
def test_lossless_means_every_value_survives(stored, expected, lossless):
    assert is_lossless(stored, expected) is lossless


NOW = dt.timedelta(0)


def test_a_sweep_keeps_what_is_current_kept_or_published(lake, processes):
    for close in (1.0, 2.0, 3.0, 4.0, 5.0):
        lake.write(BARS, processes.bars([DAY], close=close), [DAY], "run")
        if close == 2.0:
            lake.publish_catalog()
    assert lake.sweep(keep_versions=1, grace=NOW).versions == 0, "superseded less than a week ago"
    swept = lake.sweep(keep_versions=2, older_than=NOW, grace=NOW)
    assert (swept.versions, swept.files) == (2, 2)
    assert lake.kept_versions(BARS) == [2, 4, 5]
    assert lake.verify() == 1
    with pytest.raises(VersionNotFoundError):
        lake.read(BARS, version=3)
    with lake.connect() as connection:
        assert connection.execute("SELECT max(close) FROM raw.equity_bars").fetchall() == [(2.0,)]
    lake.publish_catalog()
    assert lake.sweep(keep_versions=1, older_than=NOW, grace=NOW).versions == 2
    assert len(list(Path(lake.home).rglob("*.parquet"))) == 1
    with pytest.raises(ValueError, match="at least 1"):
        lake.sweep(keep_versions=0)


def test_a_sweep_removes_remains_once_they_are_old(lake, processes):
    lake.write(BARS, processes.bars([DAY]), [DAY], "run")
    folder = stored_file(lake).parent
    remains = [folder / f"{'0' * 64}.parquet", folder / ".half.parquet.1.tmp"]
    foreign = folder / "notes.txt"
    for path in (*remains, foreign):
        path.write_bytes(b"left behind")
    assert lake.sweep().files == 0, "a running writer may own them"
    for path in remains:
        os.utime(path, (0, 0))
    assert lake.sweep().files == 2
    assert sorted(path.name for path in folder.iterdir()) == sorted([stored_file(lake).name, foreign.name])
