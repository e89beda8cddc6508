"""Reason codes of single quotes, each inside a chain that is otherwise good."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.options import option_greeks
from gnosis.options.cleaning import split_duplicates

CLOSE = dt.datetime(2019, 5, 15, 20, 0, tzinfo=dt.UTC)
STRIKES = [90, 94, 96, 98, 99, 100, 101, 102, 104, 106, 110]


@pytest.fixture
def with_quote(model_quotes, rate_rows):
    """Greeks of a good chain in which one contract is quoted as told; returns that contract's row."""

    def run(right: str, strike: float, **changed) -> dict:
        quotes = model_quotes(STRIKES)
        is_it = (pl.col("right") == right) & (pl.col("strike") == strike)
        quotes = quotes.with_columns(
            **{
                name: pl.when(is_it).then(pl.lit(value, dtype=quotes.schema[name])).otherwise(name)
                for name, value in changed.items()
            }
        )
        return option_greeks(quotes, rate_rows()).filter(is_it).row(0, named=True)

    return run


# Call 110 is worth 0.129, put 90 0.048, call 90 10.36, put 110 9.68.
@pytest.mark.parametrize(
    ("right", "strike", "bid", "ask", "reason"),
    [
        ("C", 104, 0.0, 1.0, "zero_bid"),
        ("C", 104, None, 1.0, "zero_bid"),
        ("C", 104, 1.0, 0.9, "crossed"),
        ("C", 104, 1.0, 0.0, "crossed"),
        ("C", 104, 1.0, None, "crossed"),
        ("C", 104, 1.0, 1.0, None),  # locked
        ("C", 104, 0.75, 1.2503, "wide"),
        ("C", 104, 0.75, 1.25, None),  # exactly 0.5
        ("C", 90, 10.2, 10.21, "bound"),
        ("C", 90, 9.85, 10.65, "no_time_value"),
        ("P", 110, 9.0, 9.1, "bound"),
        ("C", 110, 101.0, 101.1, "bound"),
        ("P", 90, 0.01, 0.016, "no_time_value"),
        ("P", 90, 0.02, 0.03, None),
    ],
)
def test_reasons(with_quote, right, strike, bid, ask, reason):
    row = with_quote(right, strike, bid=bid, ask=ask)
    assert row["reason"] == reason
    is_bad_quote = reason in ("zero_bid", "crossed", "wide")
    assert (row["mid"] is None) == is_bad_quote
    assert row["open_interest"] == 100.0


@pytest.mark.parametrize(("minutes", "reason"), [(15, None), (16, "stale")])
def test_quotes_may_be_a_quarter_of_an_hour_older_than_the_nominal_snapshot(with_quote, minutes, reason):
    ts = CLOSE - dt.timedelta(minutes=15 + minutes)
    assert with_quote("C", 104, ts=ts)["reason"] == reason


def test_quotes_after_the_nominal_snapshot_of_a_short_session_are_fresh(quote_rows, rate_rows):
    session = dt.date(2019, 7, 3)
    for ts, reason in [((16, 29), "stale"), ((16, 30), None), ((17, 0), None)]:
        moment = dt.datetime(2019, 7, 3, *ts, tzinfo=dt.UTC)
        rates = rate_rows(ref_date=dt.date(2019, 7, 2), known_at=dt.datetime(2019, 7, 3, 12, tzinfo=dt.UTC))
        quotes = quote_rows(
            [("C", 104.0, 0.9, 1.0)], session=session, ts=moment, known_at=moment, expiry=dt.date(2019, 8, 2)
        )
        assert option_greeks(quotes, rates)["reason"].item() == reason


def test_an_out_of_the_money_quote_that_failed_is_replaced_by_the_other_side(with_quote):
    """Put-call parity: the put of the strike still tells the volatility, for both rows."""
    row = with_quote("C", 104, bid=0.0)
    assert (row["reason"], row["iv_source"]) == ("zero_bid", "own")
    assert row["iv"] == pytest.approx(0.2, abs=1e-6)


def test_a_price_that_no_volatility_gives_is_out_of_bounds(quote_rows, rate_rows):
    """Inside the bounds by the spread's tolerance only."""
    quotes = quote_rows([("C", 105.0, 60.0, 99.7)])
    row = option_greeks(quotes, rate_rows()).row(0, named=True)
    assert (row["iv"], row["iv_source"], row["reason"]) == (None, "none", "bound")


def test_superseded_versions_are_set_apart(model_quotes):
    quotes = model_quotes([99, 100, 101])
    later = quotes.head(2).with_columns(known_at=CLOSE + dt.timedelta(minutes=5), bid=pl.col("bid") + 0.001)
    for order in (pl.concat([quotes, later]), pl.concat([later, quotes])):
        used, superseded = split_duplicates(order)
        assert used.height == 6
        assert used.filter(pl.col("known_at") > CLOSE).height == 2
        assert superseded.select("strike", "known_at").rows() == [(99.0, CLOSE)] * 2


def test_versions_known_at_the_same_moment_do_not_depend_on_row_order(model_quotes, rate_rows):
    quotes = model_quotes([99, 100, 101])
    both = pl.concat([quotes, quotes.with_columns(bid=pl.col("bid") - 0.001)])
    one, other = (option_greeks(frame, rate_rows()) for frame in (both, both.reverse()))
    assert one.equals(other)
    assert one.height == 6
