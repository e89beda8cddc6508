"""greeks.forwards: one row per expiry with its forward, carry and what parity says of the discount factor."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.options.chain.analytics import chain_analytics
from gnosis.options.chain.forward import near_pairs, regression_discount
from gnosis.tables import TABLES

CLOSE = dt.datetime(2019, 5, 15, 20, 0, tzinfo=dt.UTC)
TAU = 30 / 365
DISCOUNT = np.exp(-0.05 * TAU)
STRIKES = np.arange(95.0, 106.0)


def forwards(*tables) -> pl.DataFrame:
    return chain_analytics(*tables).forwards


def only(*tables) -> dict:
    found = forwards(*tables)
    assert found.height == 1
    return found.row(0, named=True)


def test_a_model_chain(model_quotes, rate_rows):
    found = forwards(model_quotes(STRIKES), rate_rows())
    table = TABLES["greeks.forwards"]
    assert table.schema.validate(found, cast=False).height == 1
    assert found.schema == table.polars_schema
    row = found.row(0, named=True)
    assert row["forward"] == pytest.approx(100 * np.exp(0.035 * TAU), rel=1e-10)
    assert row["forward"] == row["parity_forward"] == pytest.approx(100.288085404, rel=1e-10)
    assert (row["forward_source"], row["n_pairs"], row["n_deamericanised"]) == ("parity", 11, 0)
    assert row["rate_per_year"] == pytest.approx(0.05, rel=1e-12)
    assert row["discount"] == pytest.approx(DISCOUNT, rel=1e-12)
    assert row["carry_implied_per_year"] == pytest.approx(0.015, rel=1e-8)
    assert row["discount_regression"] == pytest.approx(0.99589884376, rel=1e-10)
    assert row["discount_gap_per_year"] == pytest.approx(0.0, abs=1e-9)
    assert (row["n_contracts"], row["n_accepted_strikes"]) == (22, 11)
    assert row["settles_at"] == dt.datetime(2019, 6, 14, 20, tzinfo=dt.UTC)
    assert (row["dte_days"], row["style"], row["ts"], row["dividends_usd"]) == (30, "E", CLOSE, None)


def test_the_published_pairs_through_a_regression():
    calls, puts = (
        np.array([5.7816027400, 2.4273730419, 0.7032853291]),
        np.array([0.5152046008, 2.1404691215, 5.3958756275]),
    )
    near = near_pairs([95, 100, 105], calls, puts, 100).near
    assert near.all()
    found = regression_discount([95, 100, 105], calls, puts, 0.1, near)
    assert found.discount[0] == pytest.approx(0.99589884376, rel=1e-10)
    # Half of the spreads, 0.05, over the root of the sum of squared distances from the mean strike.
    assert found.error[0] == pytest.approx(0.05 / np.sqrt(50))
    for shift in (-0.3, 2.0):
        moved = regression_discount([95, 100, 105], calls + shift, puts + shift, 0.1, near)
        assert moved.discount[0] == pytest.approx(0.99589884376, rel=1e-9)
    scaled = regression_discount([950, 1000, 1050], 10 * calls, 10 * puts, 1.0, near)
    assert scaled.discount[0] == pytest.approx(0.99589884376, rel=1e-9)


def test_the_regression_is_weighted_like_the_median():
    """A straight line through two precise pairs; a third that is far off and 1,000 times less precise."""
    calls, spread = np.array([5.0, 2.5, 9.0]), np.array([0.02, 0.02, 20.0])
    slope = -regression_discount([95, 100, 105], calls, [0.0, 2.5, 5.0], spread, [True] * 3).discount[0]
    weight = 1 / (spread / 2) ** 2
    expected = np.polyfit([95, 100, 105], calls - [0.0, 2.5, 5.0], 1, w=np.sqrt(weight))[0]
    assert slope == pytest.approx(expected, rel=1e-9)
    assert slope == pytest.approx(-1.0, rel=1e-4)


@pytest.mark.parametrize(("calls", "near"), [([5.0, 2.5, 0.5], [True, False, True]), ([0.5, 2.5, 9.0], [True] * 3)])
def test_no_discount_factor_from_two_pairs_or_a_rising_line(calls, near):
    assert np.isnan(regression_discount([95, 100, 105], calls, [0.5, 2.5, 5.0], 0.1, near).discount).all()


def test_a_discount_factor_unlike_the_curve_is_told(model_quotes, rate_rows):
    """The quotes discount at 5 %, the curve says 4 %."""
    row = only(model_quotes(STRIKES), rate_rows(value=200 * float(np.expm1(0.02))))
    assert row["rate_per_year"] == pytest.approx(0.04, rel=1e-12)
    assert row["discount_gap_per_year"] == pytest.approx(0.01, rel=1e-6)


@pytest.mark.parametrize(
    ("expiry", "style", "carry", "regression"),
    [
        (dt.date(2019, 6, 14), "E", True, True),
        (dt.date(2019, 6, 13), "E", True, False),
        (dt.date(2019, 6, 14), "A", True, False),
        (dt.date(2019, 5, 22), "E", True, False),
        (dt.date(2019, 5, 21), "E", False, False),
    ],
)
def test_carry_needs_a_week_and_the_regression_a_month_of_european_exercise(
    model_quotes, rate_rows, expiry, style, carry, regression
):
    row = only(model_quotes(STRIKES, expiry=expiry, style=style), rate_rows())
    assert (row["carry_implied_per_year"] is not None) == carry
    assert (row["discount_regression"] is not None) == regression
    assert (row["discount_gap_per_year"] is not None) == regression


def test_an_uncertain_parity_forward_is_shown_and_not_used(quote_rows, rate_rows, dividend_rows):
    quotes = quote_rows(
        [
            (right, strike, mid - 0.05, mid + 0.05)
            for strike, call, put in [(99, 4.0, 3.0), (100, 5.0, 3.0), (101, 3.0, 3.0), (102, 2.0, 5.5)]
            for right, mid in [("C", call), ("P", put)]
        ]
    )
    row = only(quotes, rate_rows(), dividend_rows([]))
    assert row["parity_forward_se"] > 0.5
    assert row["parity_forward"] > 0
    assert (row["forward_source"], row["n_pairs"]) == ("carry", 4)
    assert row["forward"] == pytest.approx(100 * np.exp(0.05 * TAU), rel=1e-12)


def test_two_pairs_are_too_few(model_quotes, rate_rows, dividend_rows):
    row = only(model_quotes([99, 100]), rate_rows(), dividend_rows([]))
    assert (row["n_pairs"], row["parity_forward"], row["parity_forward_se"]) == (2, None, None)
    assert row["forward_source"] == "carry"


def test_without_a_rate_there_is_no_forward(model_quotes, rate_rows, dividend_rows):
    dividends = dividend_rows([(dt.date(2019, 6, 7), 0.5, CLOSE)])
    row = only(model_quotes(STRIKES), rate_rows().clear(), dividends)
    for name in ("rate_per_year", "discount", "forward", "forward_source", "parity_forward", "dividends_usd"):
        assert row[name] is None
    assert (row["n_pairs"], row["n_accepted_strikes"], row["provider"]) == (0, 0, "cboe+issuer")


def test_the_carry_forward_goes_without_declared_dividends(quote_rows, rate_rows, dividend_rows):
    quotes = quote_rows([("C", strike, 2.0, 2.1) for strike in (100, 101, 102)])
    ex_date = dt.date(2019, 6, 7)
    until_ex = (dt.datetime(2019, 6, 7, 13, 30, tzinfo=dt.UTC) - CLOSE) / dt.timedelta(days=365)
    row = only(quotes, rate_rows(), dividend_rows([(ex_date, 0.8, CLOSE)]))
    worth = 0.8 * np.exp(-0.05 * until_ex)
    assert row["dividends_usd"] == pytest.approx(worth, rel=1e-12)
    assert row["forward"] == pytest.approx((100 - worth) * np.exp(0.05 * TAU), rel=1e-12)
    assert row["provider"] == "cboe+fred+issuer"
    none = only(quotes, rate_rows(), dividend_rows([]))
    assert (none["dividends_usd"], none["provider"]) == (0.0, "cboe+fred")


def test_a_generated_dividend_makes_the_expiry_synthetic(model_quotes, rate_rows, dividend_rows):
    dividends = dividend_rows([(dt.date(2019, 6, 7), 0.8, CLOSE)], synthetic=True)
    for frame in chain_analytics(model_quotes(STRIKES), rate_rows(), dividends):
        assert frame["synthetic"].all()


def test_dividends_worth_more_than_the_share_are_an_error(model_quotes, rate_rows, dividend_rows):
    dividends = dividend_rows([(dt.date(2019, 6, 7), 110.0, CLOSE)])
    with pytest.raises(ValueError, match=r"expected declared dividends of XYZ up to .* worth less than the spot"):
        chain_analytics(model_quotes(STRIKES), rate_rows(), dividends)


def test_spot_and_time_are_those_of_the_latest_quote(model_quotes, rate_rows):
    early = pl.col("strike") == 100
    quotes = model_quotes(STRIKES).with_columns(
        ts=pl.when(early).then(pl.col("ts") + dt.timedelta(seconds=30)).otherwise("ts"),
        known_at=pl.col("known_at") + dt.timedelta(seconds=30),
        spot=pl.when(early).then(100.5).otherwise("spot"),
    )
    row = only(quotes, rate_rows())
    assert (row["ts"], row["spot"]) == (CLOSE + dt.timedelta(seconds=30), 100.5)
    assert row["tau_years"] == pytest.approx(TAU - 30 / (365 * 86_400), rel=1e-14)


def test_forwards_agree_with_the_rows_of_the_contracts(model_quotes, rate_rows):
    frames = [
        model_quotes(STRIKES, root=root, settlement=settlement, expiry=expiry)
        for root, settlement in [("XYZ", "am"), ("XYZW", "pm")]
        for expiry in (dt.date(2019, 6, 14), dt.date(2019, 6, 21))
    ]
    found = chain_analytics(pl.concat(frames), rate_rows())
    key = TABLES["greeks.forwards"].key
    assert found.forwards.height == 4
    assert found.forwards.equals(found.forwards.sort(key))
    shared = [*key, "forward", "forward_source", "discount", "tau_years", "dte_days", "known_at", "provider"]
    assert found.greeks.select(shared).unique().sort(key).equals(found.forwards.select(shared))


def test_scaling_all_prices_scales_the_forward(model_quotes, rate_rows):
    one = only(model_quotes(STRIKES), rate_rows())
    ten = only(model_quotes(10 * STRIKES, spot=1000.0, half_spread=0.05), rate_rows())
    assert ten["forward"] == pytest.approx(10 * one["forward"], rel=1e-10)
    for name in ("discount", "discount_regression", "carry_implied_per_year"):
        assert ten[name] == pytest.approx(one[name], rel=1e-8)


def test_american_pairs_beyond_two_percent_are_left_out(model_quotes, rate_rows):
    row = only(model_quotes(STRIKES, style="A"), rate_rows())
    assert row["n_pairs"] == 4  # 99 to 102: ln(102/100) is 1.98 %, ln(98/100) -2.02 %


def test_the_slope_uses_every_pair_of_the_window_and_the_forward_the_twelve_nearest(model_quotes, rate_rows):
    """Some calls near spot are 0.03 too dear: a slope over strikes 2.4 apart is off by percents."""
    is_dear = (pl.col("right") == "C") & pl.col("strike").is_between(100.1, 101.3)
    quotes = model_quotes(np.linspace(90, 110, 101), half_spread=0.05)
    quotes = quotes.with_columns(pl.when(is_dear).then(pl.col("bid", "ask") + 0.03).otherwise(pl.col("bid", "ask")))
    row = only(quotes, rate_rows())
    assert row["n_pairs"] == 12
    assert row["discount_regression"] == pytest.approx(DISCOUNT, abs=2e-3)
    nearest = only(quotes.filter(pl.col("strike").is_between(98.8, 101.2)), rate_rows())
    assert abs(nearest["discount_regression"] - DISCOUNT) > 5e-3
    assert nearest["forward"] == row["forward"]
