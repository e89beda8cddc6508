"""Cboe quotedata downloads: languages, layouts, clocks and damaged files."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import polars as pl
import pytest

from gnosis.tables import TABLES
from resources.providers.errors import UnreadableFileError, WrongTypeError
from resources.providers.files.quotedata import parse_moment, read_quotedata, session_of_download

HEADER = (
    "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,"
    "Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest"
)
ROW = (
    "Fri Jan 18 2013,SPX130119C01450000,12.1,0,11.5,12.5,340,0.13,0.5,0.01,2150,"
    "1450.00,SPX130119P01450000,9.1,0,8.5,9.5,20,0.13,-0.5,0.01,780"
).replace("Fri Jan 18", "Sat Jan 19")
WEEKLY = ROW.replace("Sat Jan 19", "Fri Jan 04").replace("SPX130119", "SPXW130104")


def download(file: Path, *rows: str, date: str = '"Date: January 2, 2013 at 3:45 PM EST",Bid: 1455') -> Path:
    lines = ["", "S&P 500 INDEX,Last: 1455.25,Change:  1.0", date, HEADER, *rows]
    file.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("line", "utc"),
    [
        ("Date: September 14, 2023 at 4:31 PM EDT", "2023-09-14T20:31:00+00:00"),
        ("Date: June 11, 2022, 8:47 PM EDT", "2022-06-12T00:47:00+00:00"),
        ("Date: January 2, 2013 at 12:05 AM EST", "2013-01-02T05:05:00+00:00"),
        ("Date: January 2, 2013 at 12:05 PM ET", "2013-01-02T17:05:00+00:00"),
        ("Date: 23 de marzo de 2022, 10:11 GMT-4", "2022-03-23T14:11:00+00:00"),
        ("Date: 5 de setembro de 2025 às 10:16 GMT-4", "2025-09-05T14:16:00+00:00"),
        ("Date: 1 de março de 2024 às 15:00 GMT-03:30", "2024-03-01T18:30:00+00:00"),
        ("Date: 1 de mayo de 2024, 15:00 GMT", "2024-05-01T15:00:00+00:00"),
    ],
)
def test_moments_in_three_languages(line, utc):
    assert parse_moment(line).isoformat() == utc


@pytest.mark.parametrize(
    "line", ["Date: 5 syyskuuta 2025 10:16 GMT-4", "Date: May 5, 2025 10:16", "Date: May 2025 EDT"]
)
def test_a_moment_that_is_not_understood(line):
    with pytest.raises(ValueError, match="expected a date, a time and a zone"):
        parse_moment(line)


@pytest.mark.parametrize(
    ("downloaded", "session", "quoted"),
    [
        ("2013-01-02T20:45", "2013-01-02", "2013-01-02T20:30"),  # during the session: 15 minutes old
        ("2013-01-02T21:10", "2013-01-02", "2013-01-02T20:55"),  # after the close, quotes from before it
        ("2013-01-02T23:00", "2013-01-02", "2013-01-02T21:00"),  # evening: the close
        ("2013-01-02T14:40", "2012-12-31", "2012-12-31T21:00"),  # just opened, quotes still those of the last close
        ("2013-01-05T18:00", "2013-01-04", "2013-01-04T21:00"),  # Saturday
        ("2013-01-01T18:00", "2012-12-31", "2012-12-31T21:00"),  # holiday
        ("2012-12-24T20:00", "2012-12-24", "2012-12-24T18:00"),  # early close
    ],
)
def test_session_and_quote_instant_of_a_download(downloaded, session, quoted):
    found, ts = session_of_download(dt.datetime.fromisoformat(downloaded + "+00:00"))
    assert (found.isoformat(), ts.isoformat()) == (session, quoted + ":00+00:00")


def test_a_download_becomes_the_table(tmp_path):
    frame, rejected = read_quotedata(download(tmp_path / "q.csv", ROW, WEEKLY), "files")
    assert rejected.is_empty()
    assert frame.schema == TABLES["raw.option_quotes"].polars_schema
    assert TABLES["raw.option_quotes"].schema.filter(frame)[1].counts() == {}
    columns = ["expiry", "settlement", "right", "strike", "root", "bid", "ask", "volume", "open_interest"]
    assert frame.select(pl.col(columns)).select(columns).rows() == [
        (dt.date(2013, 1, 4), "pm", "C", 1450.0, "SPXW", 11.5, 12.5, 340.0, 2150.0),
        (dt.date(2013, 1, 4), "pm", "P", 1450.0, "SPXW", 8.5, 9.5, 20.0, 780.0),
        (dt.date(2013, 1, 19), "am", "C", 1450.0, "SPX", 11.5, 12.5, 340.0, 2150.0),
        (dt.date(2013, 1, 19), "am", "P", 1450.0, "SPX", 8.5, 9.5, 20.0, 780.0),
    ]
    row = frame.row(0, named=True)
    assert (row["symbol"], row["style"], row["spot"], row["oi_session"]) == ("SPX", "E", 1455.25, dt.date(2012, 12, 31))
    assert row["ts"] == dt.datetime(2013, 1, 2, 20, 30, tzinfo=dt.UTC)
    assert row["known_at"] == dt.datetime(2013, 1, 2, 20, 45, tzinfo=dt.UTC)


def test_open_interest_of_a_weekend_download_has_no_stated_session(tmp_path):
    file = download(tmp_path / "q.csv", ROW, date="Date: 5 de enero de 2013, 10:11 GMT-5,Bid: 1455")
    frame, _ = read_quotedata(file, "files")
    assert frame["oi_session"].to_list() == [None, None]
    assert frame["open_interest"].to_list() == [2150.0, 780.0]
    assert frame["known_at"][0] > frame["ts"][0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_an_unquoted_date_line(tmp_path, encoding, packed):
    file = download(tmp_path / "q.csv", ROW, date="Date: 2 de março de 2012 às 10:16 GMT-5,Bid: 1,Volume: 71,039,449")
    content = file.read_text(encoding="utf-8").encode(encoding)
    file.write_bytes(gzip.compress(content) if packed else content)
    frame, rejected = read_quotedata(file, "files")
    assert (frame.height, rejected.height) == (2, 0)
    assert frame["session"][0] == dt.date(2012, 3, 2)


def test_thousands_separators_in_quotes_are_read_and_unquoted_ones_rejected(tmp_path):
    quoted = ROW.replace(",340,", ',"1,340",')
    unquoted = WEEKLY.replace(",340,", ",1,340,")
    frame, rejected = read_quotedata(download(tmp_path / "q.csv", quoted, unquoted), "files")
    assert frame["volume"].to_list() == [1340.0, 20.0]
    assert rejected.select("session", "rule").rows() == [(dt.date(2013, 1, 2), "number_of_fields")]


def test_rows_that_contradict_themselves_are_rejected(tmp_path):
    other_strike = ROW.replace("1450.00", "1455.00")
    other_day = WEEKLY.replace("Fri Jan 04 2013", "Mon Jan 07 2013")
    unreadable = ROW.replace("C01450000", "X01450000").replace("P01450000", "P01460000").replace("1450.00", "1460.00")
    frame, rejected = read_quotedata(download(tmp_path / "q.csv", other_strike, other_day, unreadable), "files")
    assert frame["strike"].to_list() == [1460.0]
    assert sorted(rejected["rule"]) == ["contract_agrees_with_row"] * 4 + ["readable"]


def test_equity_options_are_american_and_the_symbol_can_be_given(tmp_path):
    row = ROW.replace("SPX130119", "SPY130119")
    frame, _ = read_quotedata(download(tmp_path / "q.csv", row), "files")
    assert frame.select("symbol", "root", "settlement", "style").row(0) == ("SPY", "SPY", "pm", "A")
    frame, _ = read_quotedata(download(tmp_path / "q.csv", row), "files", symbol="ETF")
    assert frame["symbol"].unique().to_list() == ["ETF"]


def test_a_download_outside_the_window_is_left_out(tmp_path):
    file = download(tmp_path / "q.csv", ROW)
    frame, _ = read_quotedata(file, "files", window=(dt.date(2013, 1, 3), dt.date(2013, 1, 4)))
    assert frame.is_empty()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Forbidden</html>", "expected a quotedata table with the heading"),
        (b"", "expected a quotedata table"),
        (f"Date: January 2, 2013 at 3:45 PM EST\n{HEADER}\n".encode(), "expected lines with 'Last: <price>'"),
        (f"Last: 1\nDate: 2. tammikuuta 2013\n{HEADER}\n".encode(), "in English, Spanish or Portuguese"),
        (gzip.compress(HEADER.encode(), mtime=0)[:-9], "expected a whole gzip file"),
    ],
    ids=["a page", "nothing", "no price", "another language", "cut short"],
)
def test_a_bad_download_is_named(tmp_path, content, message):
    (tmp_path / "q.csv").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=rf"q\.csv: .*{message}"):
        read_quotedata(tmp_path / "q.csv", "files")


def test_a_column_without_numbers_is_named(tmp_path):
    row = ROW.replace(",11.5,", ",bid,").replace(",8.5,", ",bid,")
    with pytest.raises(WrongTypeError, match="expected column 'bid' to hold numbers, found 'bid'"):
        read_quotedata(download(tmp_path / "q.csv", row), "files")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "rows", "session", "quoted", "known", "oi_session", "spot", "roots"),
    [
        (
            "spx_quotedata_2022-03-23_es.csv.gz",
            19_002,
            "2022-03-23",
            "2022-03-23T13:56:00+00:00",
            "2022-03-23T14:11:00+00:00",
            dt.date(2022, 3, 22),
            4479.0898,
            {"SPX": 6600, "SPXW": 12_402},
        ),
        (
            "spx_quotedata_2022-06-11_en_oldformat.csv.gz",
            19_670,
            "2022-06-10",
            "2022-06-10T20:00:00+00:00",
            "2022-06-12T00:47:00+00:00",
            None,
            3900.8601,
            {"SPX": 6906, "SPXW": 12_764},
        ),
        (
            "spy_quotedata_2023-09-14_en.csv.gz",
            7292,
            "2023-09-14",
            "2023-09-14T20:00:00+00:00",
            "2023-09-14T20:31:00+00:00",
            dt.date(2023, 9, 13),
            450.81,
            {"SPY": 7292},
        ),
        (
            "spx_quotedata_2025-09-05_pt_unquoted.csv.gz",
            24_122,
            "2025-09-05",
            "2025-09-05T14:01:00+00:00",
            "2025-09-05T14:16:00+00:00",
            dt.date(2025, 9, 4),
            6515.9399,
            {"SPX": 8402, "SPXW": 15_720},
        ),
    ],
)
def test_real_downloads(shared_data, name, rows, session, quoted, known, oi_session, spot, roots):
    frame, rejected = read_quotedata(shared_data / "options" / name, "files")
    assert (frame.height, rejected.height) == (rows, 0)
    assert TABLES["raw.option_quotes"].schema.filter(frame)[1].counts() == {}
    facts = frame.select("session", "ts", "known_at", "oi_session", "spot").unique()
    assert facts.height == 1
    found = facts.row(0)
    assert [value.isoformat() for value in found[:3]] == [session, quoted, known]
    assert found[3:] == (oi_session, spot)
    assert dict(frame.group_by("root").len().iter_rows()) == roots
    settled = dict(frame.select("root", pl.col("settlement").cast(pl.String)).unique().iter_rows())
    assert settled == {root: "am" if root == "SPX" else "pm" for root in roots}
    assert frame["symbol"].unique().to_list() == ["SPY" if "SPY" in roots else "SPX"]
