from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.options.chain.rates import (
    LOOKBACK_SESSIONS,
    MATURITY_YEARS,
    MAX_AGE,
    continuous_rate,
    curves_known_at,
    discount_factor,
    rate_at,
)
from gnosis.sessions import schedule, sessions_between


def at(day: int, hour: int = 20) -> dt.datetime:
    return dt.datetime(2019, 5, day, hour, tzinfo=dt.UTC)


def instants(*moments: dt.datetime) -> pl.Series:
    return pl.Series(list(moments), dtype=pl.Datetime("us", "UTC"))


def known_rate(macro: pl.DataFrame, moment: dt.datetime, tau: float = 0.25) -> float:
    curve = curves_known_at(macro, instants(moment)).rate_per_year
    return float(rate_at(curve, np.array([tau]))[0])


def test_bond_equivalent_yield_becomes_continuous():
    assert continuous_rate(0.04) == pytest.approx(2 * np.log(1.02), rel=1e-15)


def test_discount_factor_of_the_parity_vector():
    assert float(discount_factor(0.05, 30 / 365)) == pytest.approx(0.99589884376, rel=1e-10)


def test_linear_between_nodes_and_flat_outside(rate_rows):
    macro = pl.concat([rate_rows(series_id="DGS1", value=2.0), rate_rows(series_id="DGS3", value=4.0)])
    low, high = continuous_rate(0.02), continuous_rate(0.04)
    for tau, expected in [(0.01, low), (1, low), (1.5, 0.75 * low + 0.25 * high), (3, high), (40, high)]:
        assert known_rate(macro, at(15), tau) == pytest.approx(expected, rel=1e-14)


def test_only_what_was_known_at_the_quote(rate_rows):
    macro = pl.concat([rate_rows(value=2.0), rate_rows(value=9.0, ref_date=dt.date(2019, 5, 15), known_at=at(15, 21))])
    assert known_rate(macro, at(15, 20)) == pytest.approx(continuous_rate(0.02))
    assert known_rate(macro, at(15, 21)) == pytest.approx(continuous_rate(0.09))
    assert np.isnan(known_rate(macro, at(15, 11)))


def test_newest_vintage_of_the_newest_date(rate_rows):
    macro = pl.concat(
        [
            rate_rows(value=2.0, known_at=at(14), ref_date=dt.date(2019, 5, 13)),
            rate_rows(value=3.0, known_at=at(15), ref_date=dt.date(2019, 5, 14)),
            # A correction of the older date comes later and must not become today's rate.
            rate_rows(value=2.1, known_at=at(16), ref_date=dt.date(2019, 5, 13)),
            rate_rows(value=3.1, known_at=at(17), ref_date=dt.date(2019, 5, 14)),
        ]
    )
    found = [known_rate(macro, at(day)) for day in (14, 15, 16, 17)]
    np.testing.assert_allclose(found, continuous_rate([0.02, 0.03, 0.03, 0.031]))


def test_a_stale_yield_is_not_a_rate(rate_rows):
    old = rate_rows(ref_date=dt.date(2019, 4, 13), known_at=at(1))
    assert np.isfinite(known_rate(old, at(14)))
    assert np.isnan(known_rate(old, at(15)))


def test_other_series_are_ignored(rate_rows):
    assert np.isnan(known_rate(rate_rows(series_id="FEDFUNDS"), at(15)))


def test_providers_and_synthetic_flags_travel_with_the_curve(rate_rows):
    macro = pl.concat(
        [
            rate_rows(series_id="DGS1", provider="treasury"),
            rate_rows(series_id="DGS2", provider="fred", synthetic=True, known_at=at(15, 18)),
        ]
    )
    curves = curves_known_at(macro, instants(at(15, 11), at(15, 13), at(15, 19)))
    assert curves.provider.to_list() == [None, "treasury", "fred+treasury"]
    assert curves.synthetic.tolist() == [False, False, True]


def test_every_instant_has_one_curve_without_any_rates(rate_rows):
    curves = curves_known_at(rate_rows().clear(), instants(at(15), at(16)))
    assert curves.rate_per_year.shape == (2, len(MATURITY_YEARS))
    assert np.isnan(curves.rate_per_year).all()
    assert curves.provider.to_list() == [None, None]


def test_the_lookback_holds_every_rate_that_may_still_count():
    # No rate is known before its date, so a window that reaches back MAX_AGE lets one night see what a backfill sees.
    sessions = schedule().select("session", oldest=pl.col("session").shift(LOOKBACK_SESSIONS)).drop_nulls()
    assert (sessions["session"] - sessions["oldest"]).min() >= MAX_AGE


def test_one_night_after_a_long_silence_finds_the_rate_of_a_backfill(rate_rows):
    days = sessions_between(dt.date(2019, 4, 1), dt.date(2019, 5, 15))
    old = rate_rows(value=2.0, ref_date=dt.date(2019, 4, 16), known_at=dt.datetime(2019, 4, 17, 13, tzinfo=dt.UTC))
    first_read = days[-1 - LOOKBACK_SESSIONS]
    night = old.filter(pl.col("known_at").dt.date() >= first_read)
    assert known_rate(night, at(15)) == known_rate(old, at(15)) == pytest.approx(continuous_rate(0.02))


def test_a_yield_that_no_rate_has_is_refused(rate_rows):
    for value in (-200.0, -250.0, float("nan"), float("inf")):
        message = rf"raw\.macro: expected Treasury yields in percent above -200, found {value} for DGS3MO of 2019-05-14"
        with pytest.raises(ValueError, match=message):
            known_rate(rate_rows(value=value), at(15))
    assert np.isnan(known_rate(rate_rows(value=-250.0, series_id="FEDFUNDS"), at(15)))
    with pytest.raises(ValueError, match=r"yield: expected decimals per year above -2\.0, .* found -2\.5"):
        continuous_rate([0.02, -2.5])
