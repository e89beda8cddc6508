"""Corporate actions: the factor as known at the time, bit for bit the same by night and by backfill."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.backtest.actions import corporate_actions
from gnosis.corporate_actions import NOT_APPLIED_SCHEMA, adjustment_factors, as_traded, with_stored_factors
from gnosis.sessions import sessions_between
from gnosis.tables import TABLES

DAYS = sessions_between(dt.date(2019, 5, 1), dt.date(2019, 5, 31))
BARS = {"session": pl.Date, "symbol": pl.String, "close": pl.Float64}
STORED = BARS | {"adjustment_factor": pl.Float64}
SPLITS = {"session": pl.Date, "symbol": pl.String, "ex_date": pl.Date, "ratio": pl.Float64}
DIVIDENDS = {"session": pl.Date, "symbol": pl.String, "ex_date": pl.Date, "amount_usd": pl.Float64}


def bars_of(closes: dict[int, float | None], symbol: str = "AAA") -> pl.DataFrame:
    """Return bars of one symbol: close by number of session."""
    return pl.DataFrame([(DAYS[n], symbol, close) for n, close in closes.items()], schema=BARS, orient="row")


def splits_of(*rows: tuple[int | None, int, float | None], symbol: str = "AAA") -> pl.DataFrame:
    """Return splits: session in which it became known, ex-date, ratio."""
    return _events(SPLITS, rows, symbol)


def dividends_of(*rows: tuple[int | None, int, float | None], symbol: str = "AAA") -> pl.DataFrame:
    """Return dividends: session in which it became known, ex-date, amount."""
    return _events(DIVIDENDS, rows, symbol)


def _events(schema, rows, symbol):
    found = [(None if known is None else DAYS[known], symbol, DAYS[ex], value) for known, ex, value in rows]
    return pl.DataFrame(found, schema=schema, orient="row")


def adjusted(bars, splits=None, dividends=None, previous=None):
    return adjustment_factors(
        bars,
        pl.DataFrame(schema=SPLITS) if splits is None else splits,
        pl.DataFrame(schema=DIVIDENDS) if dividends is None else dividends,
        pl.DataFrame(schema=STORED) if previous is None else previous,
    )


def factors_of(*arguments):
    found = adjusted(*arguments)
    assert found.not_applied.is_empty()
    return found.bars["adjustment_factor"].to_list()


def test_a_split_and_a_dividend_move_the_factor_at_their_ex_dates():
    bars = bars_of({0: 100.0, 1: 100.0, 2: 25.0, 3: 24.5})
    assert factors_of(bars, splits_of((0, 2, 4.0)), dividends_of((1, 3, 0.5))) == [
        1.0,
        1.0,
        4.0,
        4.0 / (1 - 0.5 / 25.0),
    ]
    assert factors_of(bars, splits_of((0, 2, 0.1))) == [1.0, 1.0, 0.1, 0.1]


def test_a_dividend_on_the_day_of_a_split_is_per_new_share():
    """Four shares at 24.75 $ and four times 0.25 $ in cash are worth the one share at 100 $ before."""
    before, ratio, amount = 100.0, 4.0, 0.25
    after = before / ratio - amount
    bars = bars_of({0: before, 1: after})
    splits, dividends = splits_of((0, 1, ratio)), dividends_of((0, 1, amount))
    first, second = factors_of(bars, splits, dividends)
    assert first == 1.0
    assert second * after == pytest.approx(before, rel=1e-15)
    found = corporate_actions(adjusted(bars, splits, dividends).bars)
    assert found.select("split_numerator", "split_denominator").row(0) == (4, 1)
    assert found["dividend_usd"][0] == pytest.approx(amount, rel=1e-12)


def test_a_dividend_before_a_split_within_a_gap_is_per_old_share():
    bars = bars_of({0: 100.0, 4: 23.0})
    assert factors_of(bars, splits_of((0, 3, 4.0)), dividends_of((0, 2, 8.0))) == [1.0, 4.0 / (1 - 8.0 / 100.0)]
    assert factors_of(bars, splits_of((0, 2, 4.0)), dividends_of((0, 3, 2.0))) == [1.0, 4.0 / (1 - 8.0 / 100.0)]


def test_an_action_without_a_bar_on_its_day_waits_for_the_next_bar():
    bars = bars_of({0: 100.0, 1: 100.0, 4: 50.0, 5: 50.0})
    assert factors_of(bars, splits_of((0, 2, 2.0))) == [1.0, 1.0, 2.0, 2.0]
    assert factors_of(bars, splits_of((0, 2, 2.0), (0, 3, 3.0))) == [1.0, 1.0, 6.0, 6.0]


def test_dividends_of_one_announcement_add_up_and_a_later_one_takes_their_place():
    bars = bars_of({0: 100.0, 1: 100.0, 2: 98.0})
    assert factors_of(bars, None, dividends_of((0, 2, 0.5), (0, 2, 1.5)))[2] == 1 / (1 - 2.0 / 100.0)
    assert factors_of(bars, None, dividends_of((0, 2, 0.5), (1, 2, 1.5)))[2] == 1 / (1 - 1.5 / 100.0)
    assert factors_of(bars, None, dividends_of((0, 2, 0.5), (1, 2, 0.0)))[2] == 1.0
    assert factors_of(bars, None, dividends_of((None, 2, 0.5), (1, 2, 0.75)))[2] == 1 / (1 - 0.75 / 100.0)
    assert factors_of(bars, splits_of((0, 2, 2.0), (1, 2, 3.0)))[2] == 3.0
    assert factors_of(bars, splits_of((0, 2, 2.0), (0, 2, 2.0)))[2] == 2.0


def test_two_dividends_of_one_ex_date_declared_on_different_days_are_their_sum_whichever_row_is_missing():
    """1 $ and 5 $ on 100 $: the rows of the declarations, the second with both, and that of the ex-date."""
    bars = bars_of({0: 100.0, 1: 100.0, 2: 100.0, 3: 94.0})
    first, second, at_ex_date = (0, 3, 1.0), (1, 3, 6.0), (3, 3, 6.0)
    for told in ([first, second, at_ex_date], [first, at_ex_date], [second, at_ex_date], [at_ex_date]):
        assert factors_of(bars, None, dividends_of(*told))[3] == pytest.approx(1.0638, abs=5e-5)
    # Even where each declaration states its own amount.
    assert factors_of(bars, None, dividends_of(first, (1, 3, 5.0), at_ex_date))[3] == 1 / (1 - 6.0 / 100.0)


@settings(max_examples=40, deadline=None)
@given(
    paid=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.floats(0.01, 3.0)), max_size=6),
    split=st.lists(
        st.tuples(st.integers(0, 11), st.sampled_from([4.0, 0.1])), max_size=2, unique_by=lambda row: row[0]
    ),
    kept=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_whichever_declarations_were_missed_the_factor_is_that_of_the_ex_dates(paid, split, kept):
    paid = [(min(told, ex), ex, amount) for told, ex, amount in paid]
    bars = bars_of(dict.fromkeys(range(12), 100.0))
    totals = {ex: sum(amount for _, of, amount in paid if of == ex) for _, ex, _ in paid}
    at_ex_dates = [(ex, ex, total) for ex, total in totals.items()]
    declared = {
        (told, ex): sum(amount for told_too, of, amount in paid if of == ex and told_too <= told)
        for told, ex, _ in paid
        if told < ex
    }
    rows = [(told, ex, amount) for (told, ex), amount in declared.items()]
    missed = [row for row, keep in zip(rows, kept, strict=False) if keep]
    splits = splits_of(*((ex, ex, ratio) for ex, ratio in split))
    repeated = splits_of(
        *((max(ex - 2, 0), ex, ratio) for ex, ratio in split), *((ex, ex, ratio) for ex, ratio in split)
    )
    alone = factors_of(bars, splits, dividends_of(*at_ex_dates))
    assert factors_of(bars, repeated.unique(), dividends_of(*missed, *at_ex_dates)) == alone


def test_what_becomes_known_after_its_bar_is_reported_and_changes_nothing():
    bars = bars_of({0: 100.0, 1: 100.0, 2: 25.0, 3: 25.0})
    found = adjusted(bars, splits_of((3, 2, 4.0)), dividends_of((2, 1, 0.5), (9, 3, 1.0)))
    assert found.bars["adjustment_factor"].to_list() == [1.0] * 4
    assert found.not_applied.drop("reason").rows() == [
        (DAYS[2], "AAA", DAYS[1], "dividend"),
        (DAYS[3], "AAA", DAYS[2], "split"),
    ]
    assert (
        found.not_applied["reason"][1]
        == "became known in the session 2019-05-06, after the first bar from its ex-date on"
    )


def test_a_late_correction_leaves_what_was_known_in_place():
    bars = bars_of({0: 100.0, 1: 99.0, 2: 99.0})
    found = adjusted(bars, None, dividends_of((0, 1, 1.0), (2, 1, 2.0)))
    assert found.bars["adjustment_factor"].to_list() == [1.0, 1 / 0.99, 1 / 0.99]
    assert found.not_applied.select("session", "kind").rows() == [(DAYS[2], "dividend")]


def test_what_came_up_to_the_first_bar_does_not_matter():
    bars = bars_of({2: 100.0, 3: 100.0})
    assert factors_of(bars, splits_of((0, 1, 4.0), (None, 2, 2.0)), dividends_of((0, 2, 1.0))) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("splits", "dividends", "reason"),
    [
        (splits_of((0, 1, 0.0)), None, "expected a ratio above 0, found 0"),
        (splits_of((0, 1, -2.0)), None, "expected a ratio above 0, found -2"),
        (splits_of((0, 1, None)), None, "expected a ratio above 0, found none"),
        (splits_of((0, 1, float("inf"))), None, "expected a ratio above 0, found inf"),
        (splits_of((0, 1, 2.0), (0, 1, 3.0)), None, "one announcement gives several ratios"),
        (None, dividends_of((0, 1, -1.0)), "expected an amount of 0 $ or more, found -1"),
        (None, dividends_of((0, 1, float("nan"))), "expected an amount of 0 $ or more, found NaN"),
        (None, dividends_of((0, 1, 100.0)), r"expected dividends below the close before (100.0 $), found 100.0 $"),
        (None, dividends_of((0, 1, 60.0), (0, 2, 60.0)), r"expected dividends below the close before (100.0 $), found"),
    ],
)
def test_what_cannot_be_applied_is_reported(splits, dividends, reason):
    found = adjusted(bars_of({0: 100.0, 3: 100.0}), splits, dividends)
    assert found.bars["adjustment_factor"].to_list() == [1.0, 1.0]
    assert found.not_applied["session"].unique().to_list() == [DAYS[3]]
    assert all(said.startswith(reason) for said in found.not_applied["reason"])


def test_a_dividend_after_a_bar_without_close_is_reported_and_the_split_of_the_day_applied():
    found = adjusted(bars_of({0: 100.0, 1: None, 2: 50.0}), splits_of((0, 2, 2.0)), dividends_of((0, 2, 1.0)))
    assert found.bars["adjustment_factor"].to_list() == [1.0, 1.0, 2.0]
    assert found.not_applied["reason"].to_list() == [
        "expected dividends below the close before (unknown $), found 2.0 $ for a share then"
    ]


def test_columns_and_order_of_the_bars_are_kept_and_symbols_do_not_mix():
    bars = pl.concat([bars_of({0: 10.0, 1: 10.0}, "BBB"), bars_of({1: 100.0, 0: 100.0})])
    bars = bars.with_columns(adjustment_factor=pl.lit(None, dtype=pl.Float64), provider=pl.lit("here"))
    found = adjusted(bars, splits_of((0, 1, 2.0), symbol="BBB"), dividends_of((0, 1, 1.0), symbol="CCC"))
    assert found.bars.columns == bars.columns
    assert found.bars.select("symbol", "session", "adjustment_factor").rows() == [
        ("AAA", DAYS[0], 1.0), ("AAA", DAYS[1], 1.0), ("BBB", DAYS[0], 1.0), ("BBB", DAYS[1], 2.0)
    ]  # fmt: skip
    assert dict(found.not_applied.schema) == NOT_APPLIED_SCHEMA


def test_no_bars_give_no_rows():
    found = adjusted(pl.DataFrame(schema=BARS), splits_of((0, 1, 2.0)))
    assert (found.bars.height, found.not_applied.height) == (0, 0)
    assert found.bars.schema["adjustment_factor"] == pl.Float64


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ([(DAYS[1], "AAA", 1.0, 1.0)], "found a missing or repeated key"),
        ([(DAYS[2], "AAA", 1.0, 1.0)], "expected bars of AAA after 2019-05-03, its last stored bar"),
        ([(DAYS[0], "AAA", 1.0, None)], "expected a positive adjustment_factor of the stored bar of AAA"),
    ],
)
def test_a_stored_bar_that_does_not_fit_is_refused(stored, message):
    with pytest.raises(ValueError, match=message):
        adjusted(bars_of({1: 1.0}), None, None, pl.DataFrame(stored, schema=STORED, orient="row"))


@st.composite
def markets(draw):
    """Return bars with gaps, actions good and bad, and the sessions after which the range is cut."""
    number = st.integers(0, 11)
    known = st.one_of(st.none(), number)
    symbols = st.sampled_from(["AAA", "BBB"])
    bars = [
        (DAYS[n], symbol, draw(st.floats(1.0, 500.0)))
        for symbol in ("AAA", "BBB")
        for n in sorted(draw(st.sets(number, min_size=1)))
    ]
    ratio = st.sampled_from([7.0, 4.0, 1.5, 0.1, 1 / 3, 0.0, None])
    amount = st.one_of(st.floats(0.0, 3.0), st.sampled_from([600.0, -1.0, None]))

    def events(value):
        rows = draw(st.lists(st.tuples(known, symbols, number, value), max_size=8))
        return [(None if k is None else DAYS[k], symbol, DAYS[ex], v) for k, symbol, ex, v in rows]

    return (
        pl.DataFrame(bars, schema=BARS, orient="row"),
        pl.DataFrame(events(ratio), schema=SPLITS, orient="row"),
        pl.DataFrame(events(amount), schema=DIVIDENDS, orient="row"),
        sorted(draw(st.sets(number))),
    )


@settings(max_examples=40, deadline=None)
@given(markets())
def test_nights_write_the_bits_of_a_backfill(market):
    bars, splits, dividends, cuts = market
    whole = adjusted(bars, splits, dividends)
    stored, reported, begin = pl.DataFrame(schema=STORED), [], DAYS[0] - dt.timedelta(days=1)
    for cut in [DAYS[n] for n in cuts] + [DAYS[-1]]:
        new = bars.filter(pl.col("session").is_between(begin, cut, closed="right"))
        last = stored.sort("session").group_by("symbol", maintain_order=True).last().select(list(STORED))
        night = adjusted(new, splits, dividends, last)
        stored = pl.concat([stored, night.bars.select(list(STORED))])
        reported.append(night.not_applied)
        begin = cut
    bits = [
        frame.sort("symbol", "session")["adjustment_factor"].to_numpy().view(np.int64).tolist()
        for frame in (stored, whole.bars)
    ]
    assert bits[0] == bits[1]
    assert pl.concat(reported).sort(list(NOT_APPLIED_SCHEMA)).equals(whole.not_applied)


@settings(max_examples=40, deadline=None)
@given(markets(), st.integers(0, 11))
def test_what_is_told_later_changes_no_earlier_factor(market, n):
    bars, splits, dividends, _ = market
    told = [frame.filter(pl.col("session").is_null() | (pl.col("session") <= DAYS[n])) for frame in (splits, dividends)]
    seen = bars.filter(pl.col("session") <= DAYS[n])
    full = adjusted(bars, splits, dividends).bars.filter(pl.col("session") <= DAYS[n])
    assert adjusted(seen, *told).bars.equals(full)


@given(markets())
@settings(max_examples=30, deadline=None)
def test_a_vendor_that_divides_by_later_splits_is_undone(market):
    bars, splits, _, _ = market
    splits = splits.filter(pl.col("ratio") > 0).unique(["symbol", "ex_date"], maintain_order=True)
    traded = bars.with_columns(volume=pl.lit(1000.0))
    divided = traded.clone()
    for symbol, ex_date, ratio in splits.select("symbol", "ex_date", "ratio").iter_rows():
        before = (pl.col("symbol") == symbol) & (pl.col("session") < ex_date)
        divided = divided.with_columns(
            close=pl.when(before).then(pl.col("close") / pl.lit(ratio)).otherwise("close"),
            volume=pl.when(before).then(pl.col("volume") * ratio).otherwise("volume"),
        )
    found = as_traded(divided, splits.drop("session"))
    assert found.columns == divided.columns
    for name in ("close", "volume"):
        np.testing.assert_allclose(found[name], traded[name], rtol=1e-14)
    assert found.select("session", "symbol").equals(traded.select("session", "symbol"))


def test_a_list_of_splits_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="expected split ratios above 0, found"):
        as_traded(bars_of({0: 1.0}), splits_of((0, 1, None)))
    with pytest.raises(ValueError, match="found a repeated one"):
        as_traded(bars_of({0: 1.0}), splits_of((0, 1, 2.0), (1, 1, 2.0)))


def real_bars(shared_data: Path, symbol: str, first: dt.date, last: dt.date) -> pl.DataFrame:
    raw = pl.read_parquet(shared_data / "equities" / "lean_us_daily_raw.parquet").filter(pl.col("ticker") == symbol)
    return (
        raw.select(
            pl.col("open", "high", "low", "close"),
            pl.col("volume").cast(pl.Float64),
            session=pl.col("date").dt.date(),
            symbol=pl.lit(symbol),
        )
        .filter(pl.col("session").is_between(first, last))
        .sort("session")
    )


def factor_steps(shared_data: Path, symbol: str, bars: pl.DataFrame) -> pl.DataFrame:
    """Return the events in the factor file: last day before, price and split part of the step, close of that day."""
    rows = pl.read_csv(shared_data / "equities" / "lean_factor_files.csv").filter(pl.col("ticker") == symbol)
    return (
        rows.select(
            before=pl.col("0").cast(pl.String).str.to_date("%Y%m%d"),
            paid=1 - pl.col("1") / pl.col("1").shift(-1),
            ratio=pl.col("2").shift(-1) / pl.col("2"),
            reference=pl.col("3"),
        )
        .filter(pl.col("before") >= bars["session"][0], pl.col("before") < bars["session"][-1], pl.col("reference") > 1)
        .sort("before")
        .join_asof(
            bars.select(ex_date="session"), left_on="before", right_on="ex_date", strategy="forward",
            allow_exact_matches=False,
        )
    )  # fmt: skip


@pytest.mark.real_data
@pytest.mark.parametrize(("symbol", "dividends"), [("SPY", 94), ("AAPL", 35), ("IBM", 93)])
def test_a_real_factor_file_is_reproduced_from_its_events(shared_data, symbol, dividends):
    bars = real_bars(shared_data, symbol, dt.date(1998, 1, 2), dt.date(2021, 3, 31))
    steps = factor_steps(shared_data, symbol, bars)
    splits = steps.filter((pl.col("ratio") - 1).abs() > 1e-3).select(
        "ex_date", ratio=pl.col("ratio").round(3), session=pl.lit(None, dtype=pl.Date), symbol=pl.lit(symbol)
    )
    paid = steps.filter(pl.col("paid") > 1e-6).select(
        "ex_date", session=pl.lit(None, dtype=pl.Date), symbol=pl.lit(symbol),
        amount_usd=(pl.col("paid") * pl.col("reference")).round(6),
    )  # fmt: skip
    assert paid.height == dividends
    found = adjusted(bars, splits, paid)
    assert found.not_applied.is_empty()
    assert TABLES["raw.equity_bars"].polars_schema["adjustment_factor"] == found.bars.schema["adjustment_factor"]
    rows = pl.read_csv(shared_data / "equities" / "lean_factor_files.csv").filter(pl.col("ticker") == symbol)
    theirs = rows.select(
        last=pl.col("0").cast(pl.String).str.to_date("%Y%m%d"), backward=pl.col("1") * pl.col("2")
    ).sort("last")
    both = found.bars.join_asof(theirs, left_on="session", right_on="last", strategy="forward")
    ours = (both["close"] * both["adjustment_factor"]).log().diff().drop_nulls().to_numpy()
    known = (both["close"] * both["backward"]).log().diff().drop_nulls().to_numpy()
    assert np.abs(ours - known).max() < 5e-6  # The file keeps seven digits of the split factor.


@pytest.mark.real_data
def test_published_dividends_and_the_split_of_apple(shared_data):
    """Amounts as Apple announced them, per share as traded, against the factors of the file."""
    bars = real_bars(shared_data, "AAPL", dt.date(2012, 8, 1), dt.date(2014, 8, 29))
    announced = {
        "2012-08-09": 2.65, "2012-11-07": 2.65, "2013-02-07": 2.65, "2013-05-09": 3.05, "2013-08-08": 3.05,
        "2013-11-06": 3.05, "2014-02-06": 3.05, "2014-05-08": 3.29, "2014-08-07": 0.47,
    }  # fmt: skip
    unknown = pl.lit(None, dtype=pl.Date)
    dividends = pl.DataFrame({"ex_date": list(announced), "amount_usd": list(announced.values())}).select(
        pl.col("ex_date").str.to_date(), "amount_usd", session=unknown, symbol=pl.lit("AAPL")
    )
    splits = pl.DataFrame({"ex_date": [dt.date(2014, 6, 9)], "ratio": [7.0]}).with_columns(
        session=unknown, symbol=pl.lit("AAPL")
    )
    found = adjusted(bars, splits, dividends)
    assert found.not_applied.is_empty()
    backward = {dt.date(2012, 8, 8): 0.8613657 * 0.0357143, dt.date(2014, 8, 29): 0.9056639 * 0.25}
    expected = backward[dt.date(2014, 8, 29)] / backward[dt.date(2012, 8, 8)]
    assert found.bars["adjustment_factor"][-1] == pytest.approx(expected, rel=2e-5)


@pytest.mark.real_data
def test_the_splits_of_apple_are_undone(shared_data):
    """Prices divided by 7 and 4 come back as traded, down to the last digit of a cent."""
    bars = real_bars(shared_data, "AAPL", dt.date(2012, 9, 4), dt.date(2020, 12, 31))
    splits = pl.DataFrame(
        {"symbol": "AAPL", "ex_date": [dt.date(2014, 6, 9), dt.date(2020, 8, 31)], "ratio": [7.0, 4.0]}
    )
    by = pl.when(pl.col("session") < dt.date(2014, 6, 9)).then(28.0)
    by = by.when(pl.col("session") < dt.date(2020, 8, 31)).then(4.0).otherwise(1.0)
    vendor = bars.with_columns(pl.col("open", "high", "low", "close") / by, pl.col("volume") * by)
    found = as_traded(vendor, splits)
    for name in ("open", "high", "low", "close"):
        np.testing.assert_allclose(found[name], bars[name], rtol=1e-15)
    np.testing.assert_allclose(found["volume"], bars["volume"], rtol=1e-15)
    assert found.filter(pl.col("session") == dt.date(2014, 6, 6))["close"].round(2).item() == 645.57


@pytest.mark.real_data
def test_a_vendor_of_2017_and_the_tape_agree(shared_data):
    """Yahoo's bars of 2017, divided by the split of 2014, against another vendor's bars as traded."""
    yahoo = pl.read_parquet(shared_data / "equities" / "stocknet_stocks_daily.parquet").filter(
        pl.col("ticker") == "AAPL"
    )
    bars = yahoo.select(
        session=pl.col("Date").dt.date(), symbol=pl.lit("AAPL"), close=pl.col("Close").cast(pl.Float64), volume="Volume"
    )
    splits = pl.DataFrame({"symbol": ["AAPL"], "ex_date": [dt.date(2014, 6, 9)], "ratio": [7.0]})
    theirs = real_bars(shared_data, "AAPL", dt.date(2012, 9, 4), dt.date(2017, 8, 31))
    both = as_traded(bars, splits).join(theirs, on="session", suffix="_tape")
    assert both.height > 1200
    apart = (both["close"] / both["close_tape"] - 1).abs()
    assert apart.median() < 1e-7 and apart.quantile(0.99) < 1e-3
    assert 0.9 < (both["volume"] / both["volume_tape"]).median() < 1.2


SPLIT_DAYS = (dt.date(2014, 6, 5), dt.date(2014, 6, 6), dt.date(2014, 6, 9))


class TestStoredFactors:
    def bars(self, *factors, symbol="AAPL", days=None):
        days = SPLIT_DAYS if days is None else days
        return pl.DataFrame({"session": list(days), "symbol": symbol, "adjustment_factor": list(factors)})

    def test_a_middle_session_keeps_its_factor_where_later_bars_rest_on_it(self):
        again, before = self.bars(1.0, 7.0, 7.0), self.bars(1.0, 1.0, 1.0)
        kept, told = with_stored_factors(again, before, pl.Series(["AAPL"]))
        assert kept["adjustment_factor"].to_list() == [1.0, 1.0, 1.0]
        assert told.select("session", "symbol", "kind").rows() == [(SPLIT_DAYS[1], "AAPL", "factor")]
        assert "from 2014-06-06 on" in told["reason"][0]

    def test_the_end_of_a_line_takes_the_new_factor(self):
        again, before = self.bars(1.0, 7.0, 7.0), self.bars(1.0, 1.0, 1.0)
        kept, told = with_stored_factors(again, before, pl.Series([], dtype=pl.String))
        assert kept.equals(again)
        assert told.is_empty()

    def test_bars_that_were_not_stored_take_the_new_factor_and_other_symbols_do_not_matter(self):
        again = pl.concat([self.bars(7.0, 7.0, 7.0), self.bars(1.0, 1.0, 2.0, symbol="IBM")])
        before = pl.concat([self.bars(7.0, days=SPLIT_DAYS[:1]), self.bars(1.0, 1.0, 2.0, symbol="IBM")])
        kept, told = with_stored_factors(again, before, pl.Series(["AAPL", "IBM"]))
        assert kept.equals(again)
        assert told.is_empty()
