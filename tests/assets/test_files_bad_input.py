"""Bad files through the command line: a clear message and exit status, or a quarantined row; nothing is lost."""

from __future__ import annotations

import datetime as dt
import json

import polars as pl
import pytest

from gnosis.sessions import sessions_between

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("files")]
DAYS = sessions_between(dt.date(2013, 1, 2), dt.date(2013, 1, 4))
TOOK_UP = "what was stored before is untouched and the SQL catalog still shows it. Mend the cause"


def with_rows(bars: pl.DataFrame, *rows: tuple) -> pl.DataFrame:
    return pl.concat([bars, pl.DataFrame(rows, schema=bars.schema, orient="row")])


@pytest.fixture
def bars(desk) -> pl.DataFrame:
    return pl.read_parquet(desk.folder / "bars.parquet")


def test_bars_alone_make_a_whole_night(desk):
    ran = desk.run("run")
    assert ran.status == 0
    for table in ("raw.index_levels", "raw.option_quotes", "raw.macro"):
        assert f"{table}: provider files does not have this table" in ran.err
    lake = desk.lake
    assert lake.read("features.technical").height == lake.read("trades.ideas").height == 6
    assert lake.read("trades.ideas")["reasons"].str.contains("THIN_DATA").all()
    assert set(lake.read("trades.ideas")["side"]) == {"flat"}
    assert lake.read("greeks.exposure").is_empty()
    assert lake.sessions("greeks.exposure") == DAYS
    assert not lake.read("trades.ideas")["synthetic"].any()
    again = desk.run("run")
    assert again.status == 0
    assert "Nothing to do: all 3 sessions from 2013-01-02 to 2013-01-04 are stored" in again.out


def test_a_truncated_file_stops_the_run_and_leaves_what_was_stored(desk):
    assert desk.run("run").status == 0
    before = {name: desk.lake.manifest(name).entries for name in desk.lake.tables()}
    file = desk.folder / "bars.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    ran = desk.run("run", "--again")
    assert ran.status == 1
    assert "gnosis: raw__equity_bars: raw.equity_bars: " in ran.err
    assert "bars.parquet: expected a whole parquet file, found " in ran.err
    assert "fetch the file again or correct its format" in ran.err
    assert TOOK_UP in ran.err
    assert {name: desk.lake.manifest(name).entries for name in desk.lake.tables()} == before
    assert "6" in desk.run("sql", "select count(*) from features.technical").out
    file.write_bytes(whole)
    assert desk.run("run", "--again").status == 0


def test_a_column_of_the_wrong_type_is_named_once(desk, bars):
    desk.bars(bars.with_columns(close=pl.col("date")))
    ran = desk.run("run")
    assert ran.status == 1
    assert "bars.parquet: expected column 'close' to hold Float64, found Date; correct the file" in ran.err
    assert ran.err.count("gnosis: raw__") == 1


def test_a_missing_file_is_named(desk):
    (desk.folder / "bars.parquet").unlink()
    ran = desk.run("run")
    assert ran.status == 1
    assert f"expected at least one file 'bars.parquet' in {desk.folder}, found none; put the file there" in ran.err


def test_a_missing_folder_is_named(desk, monkeypatch):
    absent = desk.folder / "absent"
    monkeypatch.setenv("GNOSIS_FILES", str(absent))
    ran = desk.run("run")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"gnosis: expected a folder at {absent}, found none; create it or correct the path in the settings\n"
    )
    assert not desk.home.joinpath("lake", "raw").exists()


def test_no_folder_at_all_is_a_question_of_settings(desk, monkeypatch):
    import gnosis_dagster.cli

    monkeypatch.delenv("GNOSIS_FILES")
    assert gnosis_dagster.cli.main(["run"]) == 2


def test_an_unknown_key_is_named_with_its_place(desk):
    config = desk.folder / "gnosis.yaml"
    config.write_text(config.read_text().replace("      format:", "      fromat: csv\n      format:"))
    ran = desk.run("run")
    assert ran.status == 2
    assert ran.err == (
        f"gnosis: {config}: tables.raw.equity_bars.0.fromat: expected no such key; correct its name or remove it\n"
    )


def test_a_session_that_is_none_is_refused(desk):
    ran = desk.run("run", "--from", "2013-01-01")
    assert ran.status == 2
    assert "expected a session of XNYS, found 2013-01-01; nearest are 2012-12-31 and 2013-01-02" in ran.err


def test_a_negative_price_is_quarantined_and_the_rest_goes_on(desk, bars):
    desk.bars(with_rows(bars, (DAYS[0], "CCC", 10.0, 11.0, -9.0, 10.5, 1000.0)))
    ran = desk.run("run")
    assert ran.status == 0
    assert desk.rejected() == [(DAYS[0], "low|min_exclusive")]
    found = json.loads(desk.lake.read("quarantine.raw_equity_bars")["found"].item())
    assert (found["symbol"], found["low"], found["session"]) == ("CCC", -9.0, "2013-01-02")
    assert "low|min_exclusive" in ran.out
    assert desk.lake.read("features.technical")["symbol"].unique().sort().to_list() == ["AAA", "BBB"]


def test_a_row_from_the_future_is_quarantined(desk, bars):
    stamps = pl.col("date").cast(pl.Datetime("us")).dt.offset_by("21h").dt.replace_time_zone("UTC")
    later = with_rows(bars, (DAYS[2], "CCC", 10.0, 11.0, 9.0, 10.5, 1000.0)).with_columns(received=stamps)
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    desk.bars(later.with_columns(received=pl.when(pl.col("ticker") == "CCC").then(ahead).otherwise("received")))
    config = desk.folder / "gnosis.yaml"
    config.write_text(config.read_text() + "      known_at: {rule: column, column: received}\n")
    assert desk.run("run").status == 0
    assert desk.rejected() == [(DAYS[2], "known_in_the_future")]
    assert "CCC" not in desk.lake.read("raw.equity_bars")["symbol"].to_list()


def test_a_row_delivered_twice_is_kept_once(desk, bars):
    desk.bars(with_rows(bars, bars.row(0)))
    assert desk.run("run").status == 0
    assert desk.rejected() == [(DAYS[0], "delivered_twice")]
    assert desk.lake.read("raw.equity_bars").height == 6


def test_keys_that_contradict_each_other_block_what_rests_on_them(desk, bars):
    desk.bars(with_rows(bars, (DAYS[0], "AAA", 20.0, 22.0, 18.0, 21.0, 1000.0)))
    ran = desk.run("run")
    assert ran.status == 1
    assert (
        "gnosis: raw__equity_bars: raw.equity_bars failed the check few_quarantined: "
        "2 of 7 rows quarantined; at most 20% is accepted" in ran.err
    )
    assert desk.rejected() == [(DAYS[0], "primary_key"), (DAYS[0], "primary_key")]
    closes = [json.loads(row)["close"] for row in desk.lake.read("quarantine.raw_equity_bars")["found"]]
    assert sorted(closes) == [10.5, 21.0]
    assert desk.lake.sessions("features.technical") == []
    assert not (desk.home / "gnosis.duckdb").exists()
    desk.bars(bars)
    mended = desk.run("run")
    assert mended.status == 0
    assert desk.rejected() == []
    assert desk.lake.read("features.technical").height == 6


def test_a_session_without_bars_blocks(desk, bars):
    desk.bars(bars.filter(pl.col("date") != DAYS[1]))
    ran = desk.run("run")
    assert ran.status == 1
    assert (
        "raw.equity_bars failed the check no_session_missing: 2 of 3 sessions have rows; first without: 2013-01-03"
        in ran.err
    )
