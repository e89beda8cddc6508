"""The offline sample: ranges, factors, determinism, and that a night gives what a range gives."""

from __future__ import annotations

import datetime as dt
import importlib.util
import types

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.providers import sample
from resources.providers.errors import (
    MissingFileError,
    SessionNotCoveredError,
    UnknownSymbolError,
    UnknownTableError,
    UnreadableFileError,
)
from resources.providers.protocol import REJECTED_SCHEMA, Provider
from resources.providers.sample import SampleProvider

WEEK = sessions_between(dt.date(2013, 2, 25), dt.date(2013, 3, 1))


@pytest.fixture(scope="module")
def provider() -> SampleProvider:
    return SampleProvider()


@pytest.fixture(scope="module")
def bars(provider) -> pl.DataFrame:
    return provider.fetch("raw.equity_bars", sessions_between(provider.first_session, provider.last_session)).frame


@pytest.mark.parametrize("table", sorted(SampleProvider.tables))
def test_every_table_obeys_its_schema(provider: Provider, table):
    fetched = provider.fetch(table, WEEK)
    assert fetched.frame.schema == TABLES[table].polars_schema
    assert fetched.rejected.schema == REJECTED_SCHEMA
    good, failures = TABLES[table].schema.filter(fetched.frame)
    assert failures.counts() == {}
    assert_frame_equal(good.select(fetched.frame.columns), fetched.frame.sort(TABLES[table].key))
    assert set(fetched.frame["session"]) == set(WEEK)


@pytest.mark.parametrize("table", sorted(SampleProvider.tables))
def test_a_night_gives_what_a_range_gives(table):
    together = SampleProvider().fetch(table, WEEK).frame
    nights = [SampleProvider().fetch(table, [day]).frame for day in WEEK]
    assert_frame_equal(pl.concat(nights).sort(TABLES[table].key), together)


@pytest.mark.parametrize("table", sorted(SampleProvider.tables - {"raw.equity_bars", "raw.index_levels"}))
def test_generated_tables_depend_on_the_seed_and_say_so(table):
    one, other = (SampleProvider(seed=seed).fetch(table, WEEK[-1:]).frame for seed in (1, 2))
    assert not one.equals(other)
    assert one["synthetic"].all()
    assert one["provider"].unique().to_list() == ["simulate"]


def test_bars_are_complete_and_break_no_rule(bars):
    assert bars.height == 12_154
    ranges = bars.group_by("symbol").agg(pl.len(), first=pl.col("session").min(), last=pl.col("session").max())
    assert ranges.sort("symbol").rows() == [
        ("AAPL", 3270, dt.date(2000, 3, 1), dt.date(2013, 3, 1)),
        ("FB", 196, dt.date(2012, 5, 18), dt.date(2013, 3, 1)),
        ("GOOG", 2148, dt.date(2004, 8, 19), dt.date(2013, 3, 1)),
        ("IBM", 3270, dt.date(2000, 3, 1), dt.date(2013, 3, 1)),
        ("MSFT", 3270, dt.date(2000, 3, 1), dt.date(2013, 3, 1)),
    ]
    assert TABLES["raw.equity_bars"].schema.filter(bars)[1].counts() == {}
    assert not bars["synthetic"].any()
    assert (bars["known_at"] == bars["ts"]).all()


def test_volume_is_of_shares_as_traded(bars):
    # The flotation of GOOG traded 22.4 million shares; a file that counts shares of after 2014 has twice as many.
    first = bars.filter((pl.col("symbol") == "GOOG") & (pl.col("session") == dt.date(2004, 8, 19)))
    assert first["volume"].item() == 22_351_852.0


@pytest.mark.real_data
def test_volumes_agree_with_another_vendor(bars, shared_data):
    other = pl.read_parquet(shared_data / "equities" / "lean_us_daily_raw.parquet").select(
        session=pl.col("date").dt.date(), symbol=pl.col("ticker").cast(pl.String), other="volume"
    )
    both = bars.join(other, on=["session", "symbol"])
    ratios = both.group_by("symbol", pl.col("session").dt.year()).agg(
        ratio=(pl.col("volume") / pl.col("other")).median()
    )
    assert set(ratios["symbol"]) == {"AAPL", "FB", "GOOG", "IBM"}
    assert ratios["ratio"].min() > 0.9
    assert ratios["ratio"].max() < 1.2


def test_factor_moves_at_real_events_only(bars):
    ordered = bars.sort("symbol", "session")
    moves = ordered.with_columns(
        step=(pl.col("adjustment_factor") / pl.col("adjustment_factor").shift(1)).over("symbol")
    ).filter(pl.col("step") != 1)
    counts = dict(moves.group_by("symbol").len().iter_rows())
    assert counts == {"AAPL": 5, "IBM": 52, "MSFT": 38}
    assert (moves["step"] - 1).abs().min() > 1e-3
    splits = moves.filter(pl.col("step") > 1.5).select("symbol", "session").rows()
    assert splits == [
        ("AAPL", dt.date(2000, 6, 21)),
        ("AAPL", dt.date(2005, 2, 28)),
        ("MSFT", dt.date(2003, 2, 18)),
    ]
    first = ordered.group_by("symbol").agg(pl.col("adjustment_factor").first())
    assert first["adjustment_factor"].to_list() == [1.0] * 5


def test_adjusted_returns_equal_those_of_the_packaged_adjusted_close(bars):
    packaged = pl.read_csv(
        importlib.util.find_spec("bokeh_sampledata").origin.replace("__init__.py", "_data/stocks.csv.gz")
    )
    for symbol in ("AAPL", "IBM", "MSFT"):
        ours = bars.filter(pl.col("symbol") == symbol).sort("session")
        adjusted = (ours["close"] * ours["adjustment_factor"]).to_numpy()
        theirs = packaged.filter(pl.col("Ticker") == symbol).sort("Date")["Adj Close"].to_numpy()
        np.testing.assert_allclose(np.diff(np.log(adjusted)), np.diff(np.log(theirs)), atol=1e-9)


def test_a_later_event_never_changes_an_earlier_factor(monkeypatch):
    # The packaged series ends with a dividend of AAPL on 2013-02-07; without its last month the rest must not move.
    whole = SampleProvider(symbols=["AAPL"])._bars
    table, source = sample._packaged(*sample.STOCKS)
    dividend_factor = 0.99437
    early = table.filter(pl.col("Date") < "2013-02-01").with_columns(
        (pl.col("Adj Close").cast(pl.Float64) / dividend_factor).cast(pl.String)
    )
    monkeypatch.setattr(sample, "_packaged", lambda *_: (early, source))
    cut = SampleProvider(symbols=["AAPL"])._bars
    joined = cut.join(whole, on="session")
    assert joined.height == cut.height > 3000
    assert joined["adjustment_factor"].to_list() == joined["adjustment_factor_right"].to_list()


def test_index_levels_are_observed_but_for_the_early_vix(provider):
    first, last = provider.coverage["raw.index_levels"]
    fetched = provider.fetch("raw.index_levels", sessions_between(first, last))
    ranges = fetched.frame.group_by("symbol", "synthetic").agg(
        pl.len(), first=pl.col("session").min(), last=pl.col("session").max()
    )
    assert ranges.filter(~pl.col("synthetic")).sort("symbol").rows() == [
        ("^GSPC", False, 5031, dt.date(1999, 1, 4), dt.date(2018, 12, 31)),
        ("^IXIC", False, 5031, dt.date(1999, 1, 4), dt.date(2018, 12, 31)),
        ("^VIX", False, 1257, dt.date(2014, 1, 3), dt.date(2018, 12, 31)),
    ]
    generated = fetched.frame.filter("synthetic")["session"].to_list()
    assert generated == sessions_between(generated[0], dt.date(2014, 1, 2))
    assert generated[0] < dt.date(1999, 7, 1)
    assert TABLES["raw.index_levels"].schema.filter(fetched.frame)[1].counts() == {}


def test_holidays_of_the_packaged_vix_are_rejected_by_the_night_that_follows(provider):
    fetched = provider.fetch("raw.index_levels", sessions_between(dt.date(2018, 12, 3), dt.date(2018, 12, 31)))
    assert fetched.rejected.rows() == [
        (dt.date(2018, 12, 6), "not_a_session", '{"session":"2018-12-05","symbol":"^VIX","close":"."}', "sample"),
        (dt.date(2018, 12, 26), "not_a_session", '{"session":"2018-12-25","symbol":"^VIX","close":"."}', "sample"),
    ]


def test_chains_belong_to_symbols_of_the_bars(provider, bars):
    chain = provider.fetch("raw.option_quotes", WEEK[-1:]).frame
    assert set(chain["symbol"]) <= set(bars["symbol"])
    assert (chain["oi_session"] < chain["session"]).all()


def test_symbols_can_be_chosen():
    chosen = SampleProvider(symbols=["IBM"])
    assert chosen.fetch("raw.equity_bars", WEEK).frame["symbol"].unique().to_list() == ["IBM"]
    assert chosen.fetch("raw.option_quotes", WEEK).frame["symbol"].unique().to_list() == ["IBM"]


def test_no_sessions_give_no_rows(provider):
    assert provider.fetch("raw.macro", []).frame.schema == TABLES["raw.macro"].polars_schema


def test_unknown_symbol():
    with pytest.raises(UnknownSymbolError, match=r"expected symbols among \(AAPL, .*found \(AAAA\).*correct"):
        SampleProvider(symbols=["AAPL", "AAAA"])


def test_unknown_table(provider):
    with pytest.raises(UnknownTableError, match=r"expected one of the tables .*found 'raw.dividends'"):
        provider.fetch("raw.dividends", WEEK)


def test_session_outside_the_range(provider):
    with pytest.raises(SessionNotCoveredError, match="from 2000-03-01 to 2013-03-01, found 2013-03-04"):
        provider.fetch("raw.equity_bars", [dt.date(2013, 3, 4)])


def test_a_date_that_is_no_session(provider):
    with pytest.raises(ValueError, match="nearest are 2012-12-24 and 2012-12-26"):
        provider.fetch("raw.equity_bars", [dt.date(2012, 12, 25)])


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingFileError, match="install the package bokeh-sampledata"):
        SampleProvider().fetch("raw.equity_bars", WEEK)


def test_a_damaged_package_is_named(monkeypatch, tmp_path):
    (tmp_path / "_data").mkdir()
    (tmp_path / "_data" / "stocks.csv.gz").write_bytes(b"")
    spec = types.SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(UnreadableFileError, match=r"stocks\.csv\.gz: expected a whole CSV file"):
        SampleProvider().fetch("raw.equity_bars", WEEK)


@pytest.mark.parametrize("table", ["raw.intraday_bars", "raw.order_books", "raw.trades"])
def test_a_run_that_begins_before_a_bulky_table_has_the_rows_that_exist(provider, table):
    first = provider.coverage[table][0]
    days = sessions_between(dt.date(2012, 8, 31), first)
    fetched = provider.fetch(table, days)
    assert fetched.frame["session"].unique().to_list() == [first]
    assert provider.fetch(table, days[:1]).frame.is_empty()
    with pytest.raises(SessionNotCoveredError, match="from 2000-03-01 to 2013-03-01, found 2013-03-04"):
        provider.fetch(table, [dt.date(2013, 3, 4)])


@pytest.mark.parametrize("table", ["raw.posts", "raw.news", "raw.short_volume"])
def test_nothing_is_said_about_a_stock_before_it_was_listed(provider, bars, table):
    days = sessions_between(dt.date(2012, 5, 14), dt.date(2012, 6, 15))
    found = provider.fetch(table, days).frame.filter(symbol="FB")
    assert found["session"].min() >= bars.filter(symbol="FB")["session"].min()
    assert not found.is_empty()


def test_bars_within_the_day_make_up_the_observed_bars(provider, bars):
    minutes = provider.fetch("raw.intraday_bars", WEEK).frame.filter(frequency="1min").sort("symbol", "session", "ts")
    made = minutes.group_by("session", "symbol", maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )
    observed = bars.filter(pl.col("session").is_in(WEEK)).sort("symbol", "session").select(made.columns)
    assert_frame_equal(made, observed, check_exact=True)
