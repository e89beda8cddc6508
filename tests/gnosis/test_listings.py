"""Reused tickers: what belongs to an earlier company is set aside, by the gap or by declaration."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.listings import listing_breaks, listing_gaps
from gnosis.sessions import UnknownSessionError, sessions_between

DAYS = sessions_between(dt.date(2012, 1, 3), dt.date(2012, 12, 31))
LISTED = {
    "EEM": dt.date(2003, 4, 11),
    "FB": dt.date(2012, 5, 18),
    "USO": dt.date(2006, 4, 10),
    "QQQ": dt.date(2011, 3, 23),
}
"""First bars of the present listings; of QQQ, of the data after its gap."""


def bars_of(*numbers: int, symbol: str = "AAA") -> pl.DataFrame:
    return pl.DataFrame({"session": [DAYS[n] for n in numbers], "symbol": symbol, "close": [float(n) for n in numbers]})


def test_a_gap_of_thirty_sessions_is_one_listing_and_of_thirty_one_two():
    kept, set_aside = listing_breaks(bars_of(0, 1, 32, 33))
    assert (kept["close"].to_list(), set_aside.height) == ([0.0, 1.0, 32.0, 33.0], 0)
    kept, set_aside = listing_breaks(bars_of(0, 1, 33, 34))
    assert (kept["close"].to_list(), set_aside["close"].to_list()) == ([33.0, 34.0], [0.0, 1.0])


def test_only_the_last_listing_is_kept():
    kept, set_aside = listing_breaks(bars_of(0, 50, 51, 100, 101))
    assert (kept["close"].to_list(), set_aside["close"].to_list()) == ([100.0, 101.0], [0.0, 50.0, 51.0])
    gaps = listing_gaps(bars_of(0, 50, 51, 100, 101))
    assert gaps.rows() == [("AAA", DAYS[0], DAYS[50], 49), ("AAA", DAYS[51], DAYS[100], 48)]


def test_a_declared_first_session_decides_alone():
    bars = bars_of(0, 50, 51, 100, 101)
    assert listing_breaks(bars, listed_from={"AAA": DAYS[0]}).set_aside.is_empty()
    assert listing_breaks(bars, listed_from={"AAA": DAYS[51]}).set_aside["close"].to_list() == [0.0, 50.0]
    assert listing_breaks(bars, listed_from={"AAA": DAYS[200]}).kept.is_empty()
    assert listing_breaks(bars, listed_from={"BBB": DAYS[0]}).kept["close"].to_list() == [100.0, 101.0]


def test_symbols_do_not_mix_and_columns_stay():
    bars = pl.concat([bars_of(0, 99, symbol="BBB"), bars_of(1, 2)])
    kept, set_aside = listing_breaks(bars)
    assert kept.columns == set_aside.columns == bars.columns
    assert kept.select("symbol", "close").rows() == [("AAA", 1.0), ("AAA", 2.0), ("BBB", 99.0)]
    assert set_aside.select("symbol", "close").rows() == [("BBB", 0.0)]
    assert listing_breaks(bars.clear()).kept.is_empty()


def test_one_night_after_the_stored_bars():
    stored = pl.concat([bars_of(10), bars_of(60, symbol="BBB")])
    tonight = pl.concat([bars_of(62), bars_of(62, symbol="BBB"), bars_of(62, symbol="NEW")])
    assert listing_gaps(tonight, stored).rows() == [("AAA", DAYS[10], DAYS[62], 51)]
    assert listing_gaps(tonight, stored, listed_from={"AAA": DAYS[5]}).is_empty()
    assert listing_gaps(tonight, stored, listed_from={"BBB": DAYS[61]})["symbol"].to_list() == ["AAA", "BBB"]


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 249), min_size=1, max_size=12), st.integers(0, 249), st.integers(0, 60))
def test_nights_see_the_gaps_of_a_backfill(numbers, cut, longest):
    bars = bars_of(*sorted(numbers))
    early, late = bars.filter(pl.col("close") <= cut), bars.filter(pl.col("close") > cut)
    parts = [listing_gaps(early, None, longest), listing_gaps(late, early.tail(1), longest)]
    assert pl.concat(parts).equals(listing_gaps(bars, None, longest))
    kept, set_aside = listing_breaks(bars, longest)
    assert pl.concat([set_aside, kept]).equals(bars)
    assert listing_gaps(kept, None, longest).is_empty()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UnknownSessionError, match="expected bars on sessions of XNYS, found AAA on 2012-12-25"):
        listing_gaps(pl.DataFrame({"session": [dt.date(2012, 12, 25)], "symbol": ["AAA"]}))
    with pytest.raises(ValueError, match="found a repeated key"):
        listing_gaps(bars_of(1, 2), bars_of(2))
    with pytest.raises(ValueError, match="expected longest_gap_sessions of 0 or more, found -1"):
        listing_gaps(bars_of(1), None, -1)


def real_bars(shared_data: Path) -> pl.DataFrame:
    raw = pl.read_parquet(shared_data / "equities" / "lean_us_daily_raw.parquet")
    return raw.select("close", session=pl.col("date").dt.date(), symbol=pl.col("ticker").cast(pl.String))


@pytest.mark.real_data
def test_the_reused_tickers_are_found_by_their_gaps_and_no_other_is(shared_data):
    bars = real_bars(shared_data)
    assert bars["symbol"].n_unique() == 12
    kept, set_aside = listing_breaks(bars)
    first = kept.group_by("symbol").agg(pl.col("session").min())
    assert (
        dict(first.filter(pl.col("symbol").is_in(set_aside["symbol"].implode())).sort("symbol").iter_rows()) == LISTED
    )
    assert dict(set_aside.group_by("symbol").len().sort("symbol").iter_rows()) == {
        "EEM": 722, "FB": 716, "QQQ": 1441, "USO": 140
    }  # fmt: skip
    gaps = listing_gaps(bars)
    assert dict(gaps.group_by("symbol").agg(pl.col("missing_sessions").max()).sort("symbol").iter_rows()) == {
        "EEM": 86, "FB": 2302, "QQQ": 1588, "USO": 1828
    }  # fmt: skip
    assert listing_breaks(bars, longest_gap_sessions=85).set_aside.equals(set_aside)
    assert "EEM" not in listing_breaks(bars, longest_gap_sessions=86).set_aside["symbol"]


@pytest.mark.real_data
def test_the_declared_listing_of_a_fund_with_missing_years_keeps_them(shared_data):
    bars = real_bars(shared_data)
    set_aside = listing_breaks(bars, listed_from={"QQQ": dt.date(1999, 3, 10)}).set_aside
    assert set_aside["symbol"].unique().sort().to_list() == ["EEM", "FB", "USO"]


@pytest.mark.real_data
def test_no_return_of_a_kept_listing_spans_two_companies(shared_data):
    """The splice shows as a return: EEM from 9.98 to 99.70 $, USO from 0.06 to 68.00 $."""
    step = (pl.col("close") / pl.col("close").shift(1)).log().abs().over("symbol")
    bars = real_bars(shared_data).sort("symbol", "session")
    spliced = bars.filter((step > 1.9) & pl.col("symbol").is_in(["EEM", "FB", "USO"]))
    assert {(row[0], row[1]) for row in spliced.select("symbol", "session").iter_rows()} >= {
        ("EEM", LISTED["EEM"]),
        ("USO", LISTED["USO"]),
    }
    kept = listing_breaks(bars).kept
    left = kept.filter(step > 1.9).select("symbol", "session").rows()
    # Splits of 7 for 1, 1 for 20 and 1 for 8, which the factor takes out.
    assert left == [("AAPL", dt.date(2014, 6, 9)), ("AIG", dt.date(2009, 7, 1)), ("USO", dt.date(2020, 4, 29))]
