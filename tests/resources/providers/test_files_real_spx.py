"""The example of the documentation on real chains of 2019: every trap of the files is caught by a rule."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.providers.files import FilesProvider

pytestmark = pytest.mark.real_data
DAYS = sessions_between(dt.date(2019, 4, 25), dt.date(2019, 7, 22))
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "real_spx.yaml"


@pytest.fixture(scope="module")
def provider(shared_data, tmp_path_factory) -> FilesProvider:
    folder = tmp_path_factory.mktemp("real_spx")
    (folder / "gnosis.yaml").write_text(EXAMPLE.read_text().replace("PATH_OF_THE_DATA", str(shared_data)))
    return FilesProvider(folder)


@pytest.fixture(scope="module")
def chains(provider):
    return provider.fetch("raw.option_quotes", DAYS)


def test_every_row_is_accounted_for(chains):
    assert chains.frame.height + chains.rejected.height == 809_782
    assert TABLES["raw.option_quotes"].schema.filter(chains.frame)[1].counts() == {}


def test_holiday_downloads_and_chains_quoted_nobody_knows_when_are_rejected(chains):
    found = chains.rejected.group_by("session", "rule", maintain_order=True).len().sort("session").rows()
    assert found == [
        (dt.date(2019, 4, 25), "quote_instant_unknown|volume", 13_340),
        (dt.date(2019, 5, 1), "quote_instant_unknown|variance_left", 13_356),
        (dt.date(2019, 5, 28), "not_a_session", 13_324),
        (dt.date(2019, 7, 5), "not_a_session", 14_506),
    ]
    holidays = chains.rejected.filter(pl.col("rule") == "not_a_session")["found"]
    days = holidays.str.json_path_match("$.session").unique().sort().to_list()
    assert days == ["2019-05-27", "2019-07-04"]


def test_the_example_names_no_session_as_an_exception(provider):
    (source,) = provider.spec.tables["raw.option_quotes"]
    assert (source.reject, source.quote_time.exceptions) == ([], {})


def test_the_five_missing_sessions_stay_missing(chains):
    missing = set(DAYS) - set(chains.frame["session"]) - {dt.date(2019, 4, 25), dt.date(2019, 5, 1)}
    assert [f"{day:%m-%d}" for day in sorted(missing)] == ["05-10", "05-17", "06-14", "06-17", "06-18"]


def test_morning_and_afternoon_settlement_are_kept_apart(chains):
    pairs = chains.frame.select("root", pl.col("settlement").cast(pl.String)).unique().sort("root").rows()
    assert pairs == [("SPX", "am"), ("SPXW", "pm")]
    by_expiry = chains.frame.group_by("session", "expiry").agg(pl.col("root").n_unique())
    assert (by_expiry["root"] == 2).sum() > 0


def test_open_interest_is_that_of_the_session_before(chains):
    pairs = dict(chains.frame.select("session", "oi_session").unique().iter_rows())
    assert pairs[dt.date(2019, 5, 28)] == dt.date(2019, 5, 24)
    assert pairs[dt.date(2019, 7, 5)] == dt.date(2019, 7, 3)


def test_spot_is_intraday_or_the_quote_instant_is_the_close(provider, chains):
    bars = provider.fetch("raw.equity_bars", DAYS).frame.filter(pl.col("symbol") == "SPX")
    spots = chains.frame.select("session", "spot", "ts", "known_at").unique().join(bars, on="session", suffix="_bar")
    assert spots.height == 54
    assert (spots["spot"].is_between(spots["low"] - 0.01, spots["high"] + 0.01)).all()
    at_close = spots.filter(pl.col("ts") == pl.col("ts_bar"))
    assert sorted(at_close["session"]) == [
        dt.date(2019, 4, 26),
        dt.date(2019, 4, 29),
        dt.date(2019, 5, 9),
        dt.date(2019, 5, 20),
        dt.date(2019, 5, 24),
        dt.date(2019, 7, 3),
    ]
    assert (at_close["spot"] == at_close["close"]).all()
    assert (at_close["known_at"] > at_close["ts_bar"]).all()
    before = spots.filter(pl.col("ts") < pl.col("ts_bar"))
    assert (before["spot"] != before["close"]).all()
    assert (before["known_at"] == before["ts_bar"]).all()


@pytest.mark.parametrize("table", ["raw.equity_bars", "raw.index_levels", "raw.macro", "raw.option_quotes"])
def test_a_night_gives_what_a_range_gives(provider, table):
    week = sessions_between(dt.date(2019, 5, 22), dt.date(2019, 5, 29))
    together = provider.fetch(table, week)
    nights = [provider.fetch(table, [day]) for day in week]
    assert_frame_equal(pl.concat(night.frame for night in nights).sort(TABLES[table].key), together.frame)
    assert_frame_equal(pl.concat(night.rejected for night in nights), together.rejected)


def test_the_underlying_of_the_chain_has_bars_without_volume(provider, chains):
    bars = provider.fetch("raw.equity_bars", DAYS).frame
    assert TABLES["raw.equity_bars"].schema.filter(bars)[1].counts() == {}
    assert set(chains.frame["symbol"]) <= set(bars["symbol"])
    index = bars.filter(pl.col("symbol") == "SPX")
    assert index["volume"].null_count() == index.height == len(DAYS)


def test_tickers_that_belonged_to_another_company_are_rejected(provider):
    frame, rejected, _ = provider._load("raw.equity_bars", None)
    assert rejected["rule"].unique().to_list() == ["before_listing"]
    first = dict(frame.group_by("symbol").agg(pl.col("session").min()).iter_rows())
    assert first["FB"] == dt.date(2012, 5, 18)
    assert first["EEM"] == dt.date(2003, 4, 11)
    assert first["USO"] == dt.date(2006, 4, 10)
    assert first["SPY"] == dt.date(1998, 1, 2)


def test_adjusted_returns_have_no_split_in_them(provider):
    frame = provider._all_rows("raw.equity_bars").sort("symbol", "session")
    adjusted = frame.with_columns(adjusted=pl.col("close") * pl.col("adjustment_factor")).with_columns(
        step=(pl.col("adjusted") / pl.col("adjusted").shift(1)).over("symbol"),
        raw_step=(pl.col("close") / pl.col("close").shift(1)).over("symbol"),
    )
    apple = adjusted.filter(pl.col("symbol") == "AAPL", pl.col("session") == dt.date(2014, 6, 9)).row(0, named=True)
    assert apple["raw_step"] < 0.2
    assert apple["step"] == pytest.approx(1.016, abs=0.002)
    spy = adjusted.filter(pl.col("symbol") == "SPY")
    assert spy["adjustment_factor"].is_sorted()
    assert spy["adjustment_factor"][0] == 1.0


def test_macro_is_late_unfilled_and_says_that_its_release_is_assumed(provider):
    frame = provider.fetch("raw.macro", DAYS).frame
    assert not frame["is_vintage"].any()
    assert (frame["known_at"].dt.date() > frame["ref_date"]).all()
    counts = TABLES["raw.macro"].schema.filter(frame)[1].counts()
    assert set(counts) == {"value|nullability"}
    prices = provider._all_rows("raw.macro").filter(pl.col("series_id") == "CPIAUCSL")
    missing = prices.filter(pl.col("value").is_null())
    assert missing["ref_date"].to_list() == [dt.date(2025, 10, 1)]
