"""Minutes and prints make up the daily bars that they are generated in."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.sessions import schedule, sessions_between
from gnosis.simulate import intraday_bars, market, trades
from gnosis.simulate.chain import spot_at_snapshot
from gnosis.tables import TABLES

DAYS = sessions_between(dt.date(2007, 11, 12), dt.date(2007, 11, 30))
"""The Friday after Thanksgiving closes early."""

EARLY = dt.date(2007, 11, 23)
OF_DAY = {
    "open": pl.col("open").first(),
    "high": pl.col("high").max(),
    "low": pl.col("low").min(),
    "close": pl.col("close").last(),
    "volume": pl.col("volume").sum(),
}


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return market("daily", ["AAA", "BBB"], DAYS, 7).bars


@pytest.fixture(scope="module")
def minutes(bars) -> pl.DataFrame:
    return intraday_bars(bars, 7)


@pytest.mark.parametrize("frequency", ["1min", "5min"])
def test_bars_make_up_the_day_exactly(bars, minutes, frequency):
    made = minutes.filter(frequency=frequency).group_by("session", "symbol", maintain_order=True).agg(**OF_DAY)
    assert_frame_equal(made, bars.sort("session", "symbol").select(made.columns), check_exact=True)


def test_five_minutes_hold_their_minutes_exactly(minutes):
    one = minutes.filter(frequency="1min").with_columns(pl.col("ts").dt.offset_by("-1us").dt.truncate("5m"))
    made = one.group_by("session", "symbol", "ts", maintain_order=True).agg(**OF_DAY)
    five = minutes.filter(frequency="5min").with_columns(pl.col("ts") - pl.duration(minutes=5))
    assert_frame_equal(made, five.select(made.columns), check_exact=True)


def test_bars_cover_the_session_and_obey_the_table(minutes):
    counts = (
        minutes.group_by("session", "frequency").agg(pl.len(), last=pl.col("ts").max()).join(schedule(), on="session")
    )
    assert (counts["last"] == counts["close_at"]).all()
    full = counts.filter(pl.col("session") != EARLY)
    assert set(full.select("frequency", "len").rows()) == {("1min", 780), ("5min", 156)}
    assert set(counts.filter(session=EARLY).select("frequency", "len").rows()) == {("1min", 420), ("5min", 84)}
    typed = minutes.cast(dict(TABLES["raw.intraday_bars"].polars_schema))
    assert TABLES["raw.intraday_bars"].schema.filter(typed)[1].counts() == {}
    assert minutes["synthetic"].all()
    assert (minutes["known_at"] == minutes["ts"]).all()


def test_volume_is_high_at_open_and_close(minutes):
    full = minutes.filter(pl.col("frequency") == "1min", pl.col("session") != EARLY)
    shape = full["volume"].to_numpy().reshape(-1, 390).mean(axis=0)
    assert shape[:30].mean() > 2 * shape[150:240].mean() < shape[-30:].mean()


def test_the_path_passes_the_spot_of_the_option_chain(bars, minutes):
    rows = bars.join(schedule(), on="session").sort("session", "symbol")
    spot = spot_at_snapshot(rows, 7)
    at = minutes.filter(frequency="1min").join(schedule().select("session", "chain_at"), on="session")
    found = at.filter(pl.col("ts") == pl.col("chain_at")).sort("session", "symbol")
    np.testing.assert_array_equal(found["close"].to_numpy(), spot)


def test_minutes_vary_as_much_as_the_range_says(bars, minutes):
    moves = minutes.filter(frequency="1min").with_columns(move=(pl.col("close") / pl.col("open")).log())
    within = moves.group_by("session", "symbol").agg(variance=(pl.col("move") ** 2).sum())
    expected = bars.with_columns(variance=(pl.col("high") / pl.col("low")).log() ** 2 / (4 * np.log(2)))
    both = within.join(expected, on=["session", "symbol"])
    assert (both["variance"] / both["variance_right"]).mean() == pytest.approx(1, abs=0.1)


def test_one_session_equals_the_run(bars, minutes):
    alone = intraday_bars(bars.filter(symbol="BBB"), 7, [EARLY])
    assert alone.equals(minutes.filter(session=EARLY, symbol="BBB"))
    with pytest.raises(ValueError, match="found none"):
        intraday_bars(bars.clear(), 7)


def test_a_bar_without_range_and_one_without_volume(bars):
    flat = bars.head(1).with_columns(high="close", low="close", open="close", volume=pl.lit(None, dtype=pl.Float64))
    made = intraday_bars(flat, 7)
    assert made.select("open", "high", "low", "close").unique().height == 1
    assert made["volume"].null_count() == made.height
    with pytest.raises(ValueError, match="found a null"):
        trades(flat, 7)


def test_prints_make_up_the_minutes(bars, minutes):
    days = [DAYS[0], EARLY]
    made = trades(bars, 7, days)
    one = minutes.filter(pl.col("frequency") == "1min", pl.col("session").is_in(days))
    per_minute = made.group_by("session", "symbol", ts=pl.col("ts").dt.truncate("1m") + pl.duration(minutes=1))
    summed = per_minute.agg(
        high=pl.col("price").max(), low=pl.col("price").min(), close=pl.col("price").last(), volume=pl.col("size").sum()
    ).sort("session", "symbol", "ts")
    assert_frame_equal(summed, one.select(summed.columns), check_exact=True)
    assert made.select("session", "symbol", "trade_id").is_unique().all()
    typed = made.cast(dict(TABLES["raw.trades"].polars_schema))
    assert TABLES["raw.trades"].schema.filter(typed)[1].counts() == {}


def test_buyers_lift_the_price_more_often_than_not(bars):
    made = trades(bars, 7, DAYS[:3]).with_columns(move=pl.col("price").diff().over("session", "symbol").sign())
    up = made.filter(pl.col("move") > 0)["aggressor"] == "buy"
    down = made.filter(pl.col("move") < 0)["aggressor"] == "sell"
    assert up.mean() == pytest.approx(0.85, abs=0.02)
    assert down.mean() == pytest.approx(0.85, abs=0.02)
