"""A folder of the user's own files: each bad file has its own error, each bad row its own rule."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.providers.errors import (
    MissingColumnError,
    MissingFileError,
    SessionNotCoveredError,
    UnknownSymbolError,
    UnknownTableError,
    UnreadableFileError,
    WrongTypeError,
)
from resources.providers.files import FilesProvider
from resources.providers.rejections import future_rows

DAYS = sessions_between(dt.date(2012, 12, 21), dt.date(2013, 1, 4))
THEIRS = {"session": "date", "symbol": "ticker", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
MAPPING = {"columns": THEIRS, "constants": {"adjustment_factor": 1.0}}
AAA_BBB = [(day, ticker, 10.0, 11.0, 9.0, 10.5, 1000) for day in DAYS for ticker in ("AAA", "BBB")]


def table_of(rows: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=list(THEIRS.values()), orient="row", strict=False)


def folder_with(folder: Path, tables: dict, **rest) -> Path:
    (folder / "gnosis.yaml").write_text(yaml.safe_dump({"tables": tables} | rest))
    return folder


def bars_folder(folder: Path, frame: pl.DataFrame, **source) -> Path:
    frame.write_parquet(folder / "bars.parquet")
    return folder_with(folder, {"raw.equity_bars": [{"path": "bars.parquet", "format": "parquet"} | MAPPING | source]})


def csv_folder(folder: Path, text: str, **source) -> Path:
    (folder / "bars.csv").write_text(text)
    return folder_with(
        folder,
        {"raw.equity_bars": [{"path": "bars.csv", "format": "csv"} | MAPPING | source]},
        first_session="2012-12-21",
        last_session="2013-01-04",
    )


def test_parquet_becomes_the_table(tmp_path):
    provider = FilesProvider(bars_folder(tmp_path, table_of(AAA_BBB)))
    fetched = provider.fetch("raw.equity_bars", DAYS)
    assert fetched.frame.schema == TABLES["raw.equity_bars"].polars_schema
    assert fetched.frame.height == 2 * len(DAYS)
    assert fetched.rejected.is_empty()
    assert (provider.first_session, provider.last_session) == (DAYS[0], DAYS[-1])
    first = fetched.frame.row(0, named=True)
    assert first["ts"] == first["known_at"] == dt.datetime(2012, 12, 21, 21, tzinfo=dt.UTC)
    assert (first["provider"], first["synthetic"], first["volume"]) == ("files", False, 1000.0)
    assert [source.name for source in fetched.sources] == ["gnosis.yaml", "bars.parquet"]
    assert all(source.content is None and len(source.sha256) == 64 for source in fetched.sources)


@pytest.mark.parametrize("packed", [False, True])
def test_csv_gives_what_parquet_gives(tmp_path, packed):
    from_parquet = FilesProvider(bars_folder(tmp_path, table_of(AAA_BBB))).fetch("raw.equity_bars", DAYS).frame
    text = table_of(AAA_BBB).write_csv()
    name = "bars.csv.gz" if packed else "bars.csv"
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    folder_with(tmp_path, {"raw.equity_bars": [{"path": name, "format": "csv"} | MAPPING]})
    assert_frame_equal(FilesProvider(tmp_path).fetch("raw.equity_bars", DAYS).frame, from_parquet)


def test_a_night_gives_what_a_range_gives(tmp_path):
    holiday = [(dt.date(2012, 12, 25), "AAA", 10.0, 11.0, 9.0, 10.5, 1000)]
    provider = FilesProvider(bars_folder(tmp_path, table_of(AAA_BBB + holiday)))
    together = provider.fetch("raw.equity_bars", DAYS)
    nights = [provider.fetch("raw.equity_bars", [day]) for day in DAYS]
    assert_frame_equal(pl.concat(night.frame for night in nights), together.frame)
    assert_frame_equal(pl.concat(night.rejected for night in nights), together.rejected)
    assert together.rejected.select("session", "rule").rows() == [(dt.date(2012, 12, 26), "not_a_session")]


def test_one_file_per_session_opens_only_what_is_wanted(tmp_path):
    for day in DAYS:
        table_of([row for row in AAA_BBB if row[0] == day]).write_parquet(tmp_path / f"bars_{day:%Y%m%d}.parquet")
    source = {"path": "bars_{session:%Y%m%d}.parquet", "format": "parquet"} | MAPPING
    fetched = FilesProvider(folder_with(tmp_path, {"raw.equity_bars": [source]})).fetch("raw.equity_bars", DAYS[-1:])
    assert fetched.frame["session"].unique().to_list() == DAYS[-1:]
    assert [source.name for source in fetched.sources] == [
        "gnosis.yaml",
        "bars_20130103.parquet",
        "bars_20130104.parquet",
    ]


def test_rows_that_break_a_rule_reach_the_caller(tmp_path):
    negative = (DAYS[0], "CCC", -1.0, 11.0, 9.0, 10.5, 1000)
    provider = FilesProvider(bars_folder(tmp_path, table_of([*AAA_BBB, negative, AAA_BBB[0]])))
    frame = provider.fetch("raw.equity_bars", DAYS[:1]).frame
    assert frame.height == 4
    _, failures = TABLES["raw.equity_bars"].schema.filter(frame)
    assert failures.counts() == {"primary_key": 2, "open|min_exclusive": 1, "low_is_lowest": 1}


def test_a_row_from_the_future_is_found_by_rule(tmp_path):
    provider = FilesProvider(bars_folder(tmp_path, table_of(AAA_BBB)))
    frame = provider.fetch("raw.equity_bars", DAYS).frame
    now = dt.datetime(2013, 1, 4, 20, tzinfo=dt.UTC)
    assert future_rows(frame, now)["session"].unique().to_list() == DAYS[-1:]


def test_cells_that_cannot_be_read_reject_their_row(tmp_path):
    text = table_of(AAA_BBB).write_csv().replace("10.5", "n/a", 1).replace("2012-12-24,BBB", "24th,BBB", 1)
    fetched = FilesProvider(csv_folder(tmp_path, text)).fetch("raw.equity_bars", DAYS)
    assert fetched.frame.height == len(AAA_BBB) - 2
    assert fetched.rejected.select("session", "rule").rows() == [
        (dt.date(2012, 12, 21), "close|type"),
        (dt.date(2012, 12, 24), "session|type"),
    ]
    assert '"c":"n/a"' in fetched.rejected["found"][0]


def test_not_a_number_is_missing(tmp_path):
    nan = (DAYS[0], "CCC", float("nan"), 11.0, 9.0, 10.5, 1000)
    fetched = FilesProvider(bars_folder(tmp_path, table_of([*AAA_BBB, nan]))).fetch("raw.equity_bars", DAYS[:1])
    assert fetched.rejected.is_empty()
    assert fetched.frame.filter(pl.col("symbol") == "CCC")["open"].to_list() == [None]


def test_keep_scale_and_date_format(tmp_path):
    text = "date,ticker,o,h,l,c,v\n21.12.2012,AAA,1000,1100,900,1050,5\n21.12.2012,BBB,1,1,1,1,1\n"
    cents = dict.fromkeys(("open", "high", "low", "close"), 0.01)
    folder = csv_folder(tmp_path, text, date_format="%d.%m.%Y", keep={"ticker": ["AAA"]}, scale=cents)
    frame = FilesProvider(folder).fetch("raw.equity_bars", DAYS[:1]).frame
    assert frame.select("symbol", "open", "close").rows() == [("AAA", 10.0, 10.5)]


def test_known_at_next_morning_and_from_a_column(tmp_path):
    folder = bars_folder(tmp_path, table_of(AAA_BBB), known_at={"rule": "next_morning"})
    frame = FilesProvider(folder).fetch("raw.equity_bars", DAYS[:1]).frame
    assert frame["known_at"][0] == dt.datetime(2012, 12, 24, 14, tzinfo=dt.UTC)
    received = table_of(AAA_BBB).with_columns(received=pl.col("date").cast(pl.Datetime("us")).dt.offset_by("18h"))
    rule = {"rule": "column", "column": "received", "zone": "America/New_York"}
    frame = FilesProvider(bars_folder(tmp_path, received, known_at=rule)).fetch("raw.equity_bars", DAYS[:1]).frame
    assert frame["known_at"][0] == dt.datetime(2012, 12, 21, 23, tzinfo=dt.UTC)


def test_factors_are_anchored_at_the_listing_and_older_bars_rejected(tmp_path):
    (tmp_path / "factors.csv").write_text(
        "ticker,until,price,split\nAAA,20121224,0.9,0.5\nAAA,20121226,0.9,0.5\nAAA,20130102,0.9,1.0\nAAA,20501231,1,1\n"
    )
    rule = {
        "path": "factors.csv",
        "symbol": "ticker",
        "last_date": "until",
        "date_format": "%Y%m%d",
        "factors": ["price", "split"],
    }
    rows = [row for row in AAA_BBB if row[1] == "AAA"]
    bars_folder(tmp_path, table_of(rows))
    source = {"path": "bars.parquet", "format": "parquet", "columns": THEIRS, "adjustment": rule}
    folder = folder_with(tmp_path, {"raw.equity_bars": [source]})
    fetched = FilesProvider(folder).fetch("raw.equity_bars", DAYS)
    assert fetched.rejected.select("session", "rule").rows() == [(dt.date(2012, 12, 21), "before_listing")]
    factors = dict(fetched.frame.select("session", pl.col("adjustment_factor").round(9)).iter_rows())
    assert [factors[day] for day in DAYS[1:]] == [1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.222222222, 2.222222222]


def test_macro_waits_for_its_lag_and_is_never_filled_forward(tmp_path):
    (tmp_path / "macro.csv").write_text(
        "id,date,value\nDGS10,2012-12-24,1.79\nDGS10,2012-12-25,\nCPI,2012-11-01,231.2\nUSREC,2012-11-01,0\n"
    )
    source = {
        "path": "macro.csv",
        "format": "csv",
        "columns": {"series_id": "id", "ref_date": "date", "value": "value"},
        "known_at": {"rule": "release_lag", "days": {"DGS10": 1, "CPI": 55}},
    }
    folder = folder_with(tmp_path, {"raw.macro": [source]}, first_session=DAYS[0], last_session=DAYS[-1])
    frame = FilesProvider(folder).fetch("raw.macro", DAYS).frame
    morning = dt.datetime(2012, 12, 26, 14, tzinfo=dt.UTC)
    assert frame.select("session", "series_id", "ref_date", "known_at", "value", "is_vintage").rows() == [
        (dt.date(2012, 12, 26), "CPI", dt.date(2012, 11, 1), morning, 231.2, False),
        (dt.date(2012, 12, 26), "DGS10", dt.date(2012, 12, 24), morning, 1.79, False),
        (dt.date(2012, 12, 26), "DGS10", dt.date(2012, 12, 25), morning, None, False),
    ]
    assert TABLES["raw.macro"].schema.filter(frame)[1].counts() == {"value|nullability": 1}


def test_symbols_can_be_chosen(tmp_path):
    folder = bars_folder(tmp_path, table_of(AAA_BBB))
    frame = FilesProvider(folder, symbols=["BBB"]).fetch("raw.equity_bars", DAYS).frame
    assert frame["symbol"].unique().to_list() == ["BBB"]
    with pytest.raises(UnknownSymbolError, match=r"among \(AAA, BBB\), found \(CCC\)"):
        FilesProvider(folder, symbols=["AAA", "CCC"])


def test_a_truncated_parquet_file_is_named(tmp_path):
    folder = bars_folder(tmp_path, table_of(AAA_BBB))
    file = folder / "bars.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UnreadableFileError, match=r"bars\.parquet: expected a whole parquet file, found .*fetch"):
        FilesProvider(folder).fetch("raw.equity_bars", DAYS)


def test_a_parquet_file_damaged_inside_is_named(tmp_path):
    folder = bars_folder(tmp_path, table_of(AAA_BBB * 200))
    file = folder / "bars.parquet"
    content = bytearray(file.read_bytes())
    content[4:400] = bytes(396)
    file.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"bars\.parquet"):
        FilesProvider(folder).fetch("raw.equity_bars", DAYS)


@pytest.mark.parametrize("text", ["", "date,ticker,o,h,l,c,v\n2012-12-21,AAA,1,1,1,1,1,1,1\n"])
def test_a_bad_csv_file_is_named(tmp_path, text):
    with pytest.raises(UnreadableFileError, match=r"bars\.csv: expected a whole csv file"):
        FilesProvider(csv_folder(tmp_path, text)).fetch("raw.equity_bars", DAYS)


def test_a_truncated_gzip_file_is_named(tmp_path):
    packed = gzip.compress(table_of(AAA_BBB).write_csv().encode())
    (tmp_path / "bars.csv.gz").write_bytes(packed[: len(packed) // 2])
    folder_with(tmp_path, {"raw.equity_bars": [{"path": "bars.csv.gz", "format": "csv"} | MAPPING]})
    with pytest.raises(UnreadableFileError, match=r"bars\.csv\.gz"):
        FilesProvider(tmp_path).fetch("raw.equity_bars", DAYS)


def test_a_column_of_the_wrong_type_is_named(tmp_path):
    dates_as_prices = table_of(AAA_BBB).with_columns(c=pl.col("date"))
    with pytest.raises(WrongTypeError, match=r"bars\.parquet: expected column 'close' to hold Float64, found Date"):
        FilesProvider(bars_folder(tmp_path, dates_as_prices)).fetch("raw.equity_bars", DAYS)


def test_a_text_column_without_any_number_is_named(tmp_path):
    text = table_of(AAA_BBB).with_columns(c=pl.lit("high")).write_csv()
    with pytest.raises(WrongTypeError, match="expected column 'c' to hold Float64, found String such as 'high'"):
        FilesProvider(csv_folder(tmp_path, text)).fetch("raw.equity_bars", DAYS)


def test_an_empty_date_in_parquet_is_named(tmp_path):
    frame = table_of(AAA_BBB).with_columns(date=pl.when(pl.int_range(pl.len()) > 0).then("date"))
    with pytest.raises(WrongTypeError, match="expected column 'date' to hold a date in every row, found 1 empty cells"):
        FilesProvider(bars_folder(tmp_path, frame)).fetch("raw.equity_bars", DAYS)


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(MissingColumnError, match=r"expected the columns \(v\), found \(date, ticker, o, h, l, c\)"):
        FilesProvider(bars_folder(tmp_path, table_of(AAA_BBB).drop("v"))).fetch("raw.equity_bars", DAYS)


def test_a_missing_file_is_named(tmp_path):
    folder = bars_folder(tmp_path, table_of(AAA_BBB))
    (folder / "bars.parquet").unlink()
    with pytest.raises(MissingFileError, match=r"expected at least one file 'bars\.parquet' in"):
        FilesProvider(folder).fetch("raw.equity_bars", DAYS)


def test_a_table_that_is_not_described(tmp_path):
    with pytest.raises(UnknownTableError, match=r"\(raw.equity_bars\), found 'raw.macro'"):
        FilesProvider(bars_folder(tmp_path, table_of(AAA_BBB))).fetch("raw.macro", DAYS)


def test_a_session_outside_the_files(tmp_path):
    with pytest.raises(SessionNotCoveredError, match="from 2012-12-21 to 2013-01-04, found 2013-01-07"):
        FilesProvider(bars_folder(tmp_path, table_of(AAA_BBB))).fetch("raw.equity_bars", [dt.date(2013, 1, 7)])
