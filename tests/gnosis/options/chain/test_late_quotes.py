"""Quotes that were taken long after the close of their session."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.options import chain_analytics, exposure

CLOSE = dt.datetime(2019, 5, 15, 20, 0, tzinfo=dt.UTC)
TWO_DAYS_LATER = CLOSE + dt.timedelta(days=2)
STRIKES = np.arange(95.0, 106.0)
IT = (pl.col("right") == "C") & (pl.col("strike") == 104)


@pytest.mark.parametrize(
    ("session", "ts", "reason"),
    [
        (dt.date(2019, 5, 15), dt.datetime(2019, 5, 15, 20, 15, tzinfo=dt.UTC), None),
        (dt.date(2019, 5, 15), dt.datetime(2019, 5, 15, 20, 15, 0, 1, tzinfo=dt.UTC), "late"),
        (dt.date(2019, 7, 3), dt.datetime(2019, 7, 3, 17, 15, tzinfo=dt.UTC), None),  # closes at 13:00
        (dt.date(2019, 7, 3), dt.datetime(2019, 7, 3, 17, 15, 0, 1, tzinfo=dt.UTC), "late"),
    ],
)
def test_a_quarter_of_an_hour_after_the_close_is_the_last_moment(
    quote_rows, rate_rows, dividend_rows, session, ts, reason
):
    quotes = quote_rows(
        [("C", 104.0, 0.9, 1.0)], session=session, ts=ts, known_at=ts, expiry=session + dt.timedelta(days=30)
    )
    rates = rate_rows(known_at=ts - dt.timedelta(hours=8), ref_date=session - dt.timedelta(days=1))
    row = chain_analytics(quotes, rates, dividend_rows([])).greeks.row(0, named=True)
    assert row["reason"] == reason
    assert (row["iv"] is None) == (row["mid"] is None) == (row["discount"] is None) == (reason == "late")
    assert row["open_interest"] == 100.0


@pytest.fixture
def one_late(model_quotes):
    """A chain, and the same with one contract quoted two days after its session."""
    quotes = model_quotes(STRIKES, style="A")
    told = {"ts": TWO_DAYS_LATER, "known_at": TWO_DAYS_LATER, "spot": 140.0, "provider": "tape", "synthetic": True}
    late = quotes.with_columns(
        pl.when(IT).then(pl.lit(value, dtype=quotes.schema[name])).otherwise(name).alias(name)
        for name, value in told.items()
    )
    return quotes, late


def test_a_late_quote_serves_nothing_but_its_own_row(one_late, rate_rows, dividend_rows):
    """Its day knew other rates and dividends: none of them reaches the rest of the chain."""
    quotes, late = one_late
    later = CLOSE + dt.timedelta(days=1)
    rates = pl.concat([rate_rows(), rate_rows(value=55.0, known_at=later, ref_date=dt.date(2019, 5, 16))])
    dividends = dividend_rows([(dt.date(2019, 6, 7), 0.5, CLOSE), (dt.date(2019, 6, 7), 9.0, later)])
    found, without = chain_analytics(late, rates, dividends), chain_analytics(quotes.filter(~IT), rates, dividends)
    assert found.greeks.filter(~IT).equals(without.greeks)
    assert found.forwards.drop("n_contracts").equals(without.forwards.drop("n_contracts"))
    row = found.greeks.filter(IT).row(0, named=True)
    assert (row["reason"], row["iv_source"], row["open_interest"]) == ("late", "none", 100.0)
    assert (row["known_at"], row["provider"], row["synthetic"]) == (TWO_DAYS_LATER, "cboe+fred+issuer+tape", True)
    for name in ("mid", "discount", "iv", "iv_bid", "delta", "gamma_per_usd"):
        assert row[name] is None
    # Its open interest is counted as one without a volatility.
    assert exposure(found.greeks)["n_without_iv"].sum() == 2


def test_an_expiry_of_late_quotes_alone_has_neither_rate_nor_forward(model_quotes, rate_rows, dividend_rows):
    quotes = model_quotes(STRIKES, ts=TWO_DAYS_LATER, known_at=TWO_DAYS_LATER)
    found = chain_analytics(quotes, rate_rows(), dividend_rows([]))
    assert found.greeks["reason"].unique().to_list() == ["late"]
    row = found.forwards.row(0, named=True)
    assert (row["ts"], row["known_at"], row["provider"]) == (TWO_DAYS_LATER, TWO_DAYS_LATER, "cboe")
    for name in ("rate_per_year", "discount", "forward", "forward_source", "parity_forward"):
        assert row[name] is None


def test_no_chain_repeats_quotes_that_were_taken_after_it(model_quotes, rate_rows):
    strikes = np.arange(95.0, 105.5, 0.5)
    after = CLOSE + dt.timedelta(days=1)
    second = model_quotes(strikes, session=dt.date(2019, 5, 16), ts=after, known_at=after)
    for ts, reason in [(CLOSE, "repeated"), (TWO_DAYS_LATER, None)]:
        quotes = pl.concat([model_quotes(strikes, ts=ts, known_at=ts), second])
        found = chain_analytics(quotes, rate_rows()).greeks.filter(pl.col("session") == dt.date(2019, 5, 16))
        assert found["reason"].unique().to_list() == [reason]


def test_settled_comes_before_late(model_quotes, rate_rows):
    quotes = model_quotes(STRIKES, expiry=dt.date(2019, 5, 15), ts=TWO_DAYS_LATER, known_at=TWO_DAYS_LATER)
    assert chain_analytics(quotes, rate_rows()).greeks["reason"].unique().to_list() == ["settled"]
