"""The whole way from quotes to Greeks."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnosis.options import carry_forward, greeks, option_greeks
from gnosis.options.chain.analytics import GREEK_COLUMNS, chain_analytics
from gnosis.tables import TABLES

CLOSE = dt.datetime(2019, 5, 15, 20, 0, tzinfo=dt.UTC)
TAU = 30 / 365
STRIKES = np.arange(85.0, 116.0)
KEY = TABLES["greeks.option_greeks"].key


def skew(strike):
    return 0.2 - 0.3 * np.log(strike / 100)


def test_a_model_chain_comes_back(model_quotes, rate_rows):
    found = option_greeks(model_quotes(STRIKES, skew), rate_rows())
    assert (
        TABLES["greeks.option_greeks"].schema.validate(found, cast=False).select(found.columns).equals(found.sort(KEY))
    )
    assert found.height == 2 * len(STRIKES)
    np.testing.assert_allclose(found["tau_years"], TAU, rtol=1e-14)
    np.testing.assert_allclose(found["discount"], np.exp(-0.05 * TAU), rtol=1e-14)
    np.testing.assert_allclose(found["forward"], float(carry_forward(100, TAU, 0.05, 0.015)), rtol=1e-12)
    assert found["forward_source"].unique().to_list() == ["parity"]
    # Beyond these strikes prices are below $0.02 or have too little time value.
    own = found.filter((pl.col("iv_source") == "own") & pl.col("strike").is_between(88, 112))
    assert own.height == 2 * 25
    np.testing.assert_allclose(own["iv"], skew(own["strike"].to_numpy()), atol=1e-7)
    assert found["iv"].null_count() == 0


def test_greeks_are_those_of_the_row(model_quotes, rate_rows):
    found = option_greeks(model_quotes(STRIKES, skew), rate_rows())
    inputs = [found[name].to_numpy() for name in ("spot", "strike", "tau_years", "forward", "discount", "iv")]
    expected = greeks(*inputs, (found["right"] == "C").to_numpy())
    for name in GREEK_COLUMNS:
        np.testing.assert_array_equal(found[name], getattr(expected, name))


def test_vector_1_through_quotes(model_quotes, rate_rows):
    found = option_greeks(model_quotes([95, 100, 105]), rate_rows())
    row = found.filter((pl.col("right") == "C") & (pl.col("strike") == 105)).row(0, named=True)
    expected = {
        "iv": 0.2,
        "delta": 0.219762803564,
        "gamma_per_usd": 0.0515807648599,
        "vega_per_vol": 8.47902983999,
        "theta_per_year": -11.050158518,
        "rho_per_unit": 1.74846534471,
        "vanna_per_vol": 1.22652063085,
        "charm_per_year": -1.66950300249,
        "vomma_per_vol2": 27.1487988094,
        "speed_per_usd2": 0.00642971854047,
        "zomma_per_usd_vol": -0.0927486315423,
    }
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-8), name


def test_both_rights_of_a_strike_share_volatility_and_gamma(model_quotes, rate_rows):
    found = option_greeks(model_quotes(STRIKES, skew, half_spread=0.03), rate_rows())
    call, put = (found.filter(pl.col("right") == right).sort("strike") for right in ("C", "P"))
    for name in ("iv", "iv_source", "gamma_per_usd", "vega_per_vol", "vanna_per_vol", "vomma_per_vol2"):
        assert call[name].equals(put[name])


def test_without_a_known_rate_there_is_nothing_but_a_reason(model_quotes, rate_rows):
    for macro in (rate_rows(known_at=CLOSE + dt.timedelta(microseconds=1)), rate_rows().clear()):
        found = option_greeks(model_quotes([99, 100, 101]), macro)
        assert found["reason"].to_list() == ["no_rate"] * 6
        assert found["iv_source"].to_list() == ["none"] * 6
        for name in ("discount", "forward", "forward_source", "iv", *GREEK_COLUMNS):
            assert found[name].null_count() == 6
        assert found["provider"].unique().to_list() == ["cboe"]


def test_what_is_known_after_the_quote_changes_nothing(model_quotes, rate_rows, dividend_rows):
    """Poison: rates and dividends known a moment later, and quotes and open interest of the next session."""
    ts, later = CLOSE, CLOSE + dt.timedelta(microseconds=1)
    tomorrow = {
        "session": dt.date(2019, 5, 16),
        "ts": CLOSE + dt.timedelta(days=1),
        "known_at": CLOSE + dt.timedelta(days=1),
    }
    quotes = model_quotes(STRIKES, skew, style="A")
    rates, dividends = rate_rows(), dividend_rows([(dt.date(2019, 6, 7), 0.5, ts)])
    poisoned = (
        pl.concat([quotes, model_quotes(STRIKES, spot=140.0, open_interest=9e9, **tomorrow)]),
        pl.concat([rates, rate_rows(value=55.0, known_at=later, ref_date=dt.date(2019, 5, 15), synthetic=True)]),
        pl.concat([dividends, dividend_rows([(dt.date(2019, 6, 7), 9.0, later), (dt.date(2019, 6, 6), 9.0, later)])]),
    )
    clean, spoilt = chain_analytics(quotes, rates, dividends), chain_analytics(*poisoned)
    for before, after in zip(clean, spoilt, strict=True):
        assert before.equals(after.filter(pl.col("session") == dt.date(2019, 5, 15)))


def test_open_interest_published_after_the_session_is_taken_as_missing(model_quotes, rate_rows):
    for oi_session, known in [(dt.date(2019, 5, 14), True), (dt.date(2019, 5, 15), False), (None, True)]:
        found = option_greeks(model_quotes([99, 100, 101], oi_session=oi_session), rate_rows())
        assert found["open_interest"].to_list() == [100.0 if known else None] * 6
        assert found["oi_session"].to_list() == [oi_session if known else None] * 6
        assert found["reason"].to_list() == [None if known else "oi_missing"] * 6
        assert found["iv"].null_count() == 0


def test_known_at_is_never_before_a_delayed_feed(model_quotes, rate_rows):
    delayed = CLOSE + dt.timedelta(minutes=15)
    for frame in chain_analytics(model_quotes([99, 100, 101], known_at=delayed), rate_rows()):
        assert frame["known_at"].unique().to_list() == [delayed]


def test_rates_known_later_change_nothing(model_quotes, rate_rows):
    quotes = model_quotes(STRIKES)
    poison = rate_rows(
        known_at=CLOSE + dt.timedelta(seconds=1), ref_date=dt.date(2019, 5, 15), value=55.0, synthetic=True
    )
    assert option_greeks(quotes, pl.concat([rate_rows(), poison])).equals(option_greeks(quotes, rate_rows()))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_bit(model_quotes, rate_rows, random):
    quotes = model_quotes(STRIKES, skew, half_spread=0.05)
    order = list(range(quotes.height))
    random.shuffle(order)
    assert option_greeks(quotes[order], rate_rows()).equals(option_greeks(quotes, rate_rows()))


def many(model_quotes) -> pl.DataFrame:
    """Two symbols, two sessions, two expiries, two roots."""
    shift = dt.timedelta(days=1)
    frames: list[pl.DataFrame] = []
    for spot, symbol in [(100.0, "AAA"), (250.0, "BBB")]:
        strikes = np.linspace(0.9, 1.1, 9) * spot
        for days in range(2):
            session, ts = dt.date(2019, 5, 15) + days * shift, CLOSE + days * shift
            for root, settlement in [(symbol, "am"), (symbol + "W", "pm")]:
                frames += [
                    model_quotes(
                        strikes,
                        lambda strike, days=days: 0.2 + 0.01 * days + 0.0 * strike,
                        spot=spot,
                        symbol=symbol,
                        root=root,
                        settlement=settlement,
                        session=session,
                        ts=ts,
                        known_at=ts,
                        expiry=expiry,
                    )
                    for expiry in (dt.date(2019, 6, 14), dt.date(2019, 6, 21))
                ]
    return pl.concat(frames)


def test_one_night_equals_the_backfill_bit_for_bit(model_quotes, rate_rows):
    quotes = many(model_quotes)
    together = option_greeks(quotes, rate_rows())
    assert together.height == quotes.height
    apart = pl.concat([option_greeks(night, rate_rows()) for night in quotes.partition_by("session", "symbol")])
    assert together.equals(apart.sort(KEY))


def test_morning_and_afternoon_settled_contracts_of_a_date_are_separate_expiries(model_quotes, rate_rows):
    found = option_greeks(many(model_quotes), rate_rows())
    terms = (
        found.filter(pl.col("symbol") == "AAA")
        .group_by("session", "expiry", "settlement")
        .agg(pl.col("tau_years").n_unique().alias("taus"), pl.col("tau_years").first(), pl.col("forward").n_unique())
    )
    assert terms["taus"].to_list() == [1] * 8
    assert terms["forward"].to_list() == [1] * 8
    hours = terms.pivot("settlement", index=["session", "expiry"], values="tau_years").select(
        (pl.col("pm") - pl.col("am")) * 8760
    )
    np.testing.assert_allclose(hours.to_series(), 6.5, rtol=1e-9)


def test_spoiling_one_expiry_leaves_the_others_alone(model_quotes, rate_rows):
    quotes = many(model_quotes)
    is_one = (pl.col("symbol") == "AAA") & (pl.col("root") == "AAA") & (pl.col("expiry") == dt.date(2019, 6, 14))
    spoilt = quotes.with_columns(bid=pl.when(is_one).then(0.0).otherwise("bid"))
    before, after = (option_greeks(frame, rate_rows()).filter(~is_one) for frame in (quotes, spoilt))
    assert before.equals(after)


def test_the_carry_forward_stands_in_when_pairs_are_missing(quote_rows, rate_rows, dividend_rows):
    quotes = quote_rows([("C", strike, 2.0, 2.1) for strike in (100, 101, 102)])
    found = option_greeks(quotes, rate_rows(), dividend_rows([]))
    assert found["forward_source"].unique().to_list() == ["carry"]
    np.testing.assert_allclose(found["forward"], 100 * np.exp(0.05 * TAU), rtol=1e-12)


def test_pairs_more_than_a_minute_apart_are_no_pairs(model_quotes, rate_rows, dividend_rows):
    quotes = model_quotes([98, 99, 100, 101, 102])
    for seconds, source in [(60, "parity"), (61, "carry")]:
        early = pl.when(pl.col("right") == "P").then(pl.col("ts") - dt.timedelta(seconds=seconds)).otherwise("ts")
        found = option_greeks(quotes.with_columns(ts=early), rate_rows(), dividend_rows([]))
        assert found["forward_source"].unique().to_list() == [source]


def test_a_chain_of_two_strikes_has_no_smile(model_quotes, rate_rows, dividend_rows):
    quotes = model_quotes([99, 101]).vstack(model_quotes([100]).with_columns(bid=0.0))
    found = option_greeks(quotes, rate_rows(), dividend_rows([])).sort("strike", "right")
    assert found["iv_source"].to_list() == ["own", "own", "none", "none", "own", "own"]
    assert found["reason"].to_list()[2:4] == ["zero_bid"] * 2
    assert found["gamma_per_usd"].is_null().to_list() == [False, False, True, True, False, False]


def test_settled_contracts_have_no_volatility(model_quotes, rate_rows):
    quotes = model_quotes(STRIKES, expiry=dt.date(2019, 5, 15), settlement="am")
    found = option_greeks(quotes, rate_rows())
    assert found["reason"].unique().to_list() == ["settled"]
    assert found["iv"].null_count() == found.height
    assert found["iv_source"].unique().to_list() == ["none"]
    assert found["is_tau_floored"].all()


def test_missing_open_interest_is_a_reason_that_denies_no_volatility(model_quotes, rate_rows):
    quotes = model_quotes([99, 100, 101], open_interest=None)
    found = option_greeks(quotes, rate_rows())
    assert found["open_interest"].null_count() == 6
    assert found["reason"].to_list() == ["oi_missing"] * 6
    whole = option_greeks(model_quotes([99, 100, 101]), rate_rows())
    assert found.drop("open_interest", "reason").equals(whole.drop("open_interest", "reason"))
    no_bid = option_greeks(quotes.with_columns(bid=0.0), rate_rows())
    assert no_bid["reason"].to_list() == ["zero_bid"] * 6


def test_origin_is_that_of_the_whole_expiry_and_its_rates(model_quotes, rate_rows):
    later = CLOSE + dt.timedelta(minutes=3)
    is_one = (pl.col("strike") == 100) & (pl.col("right") == "P")
    quotes = model_quotes([99, 100, 101]).with_columns(
        known_at=pl.when(is_one).then(pl.lit(later)).otherwise("known_at").cast(pl.Datetime("us", "UTC")),
        provider=pl.when(is_one).then(pl.lit("alpaca")).otherwise("provider"),
    )
    found = option_greeks(quotes, rate_rows(synthetic=True))
    assert found["known_at"].unique().to_list() == [later]
    assert found["provider"].unique().to_list() == ["alpaca+cboe+fred"]
    assert found["synthetic"].all()
    assert not option_greeks(quotes, rate_rows())["synthetic"].any()


def test_every_row_has_a_volatility_or_a_reason(model_quotes, rate_rows):
    generator = np.random.default_rng(3)
    quotes = model_quotes(STRIKES, skew, half_spread=0.05)
    noise = pl.Series(generator.choice([0.0, 1.0, 1.0, 3.0], quotes.height))
    found = option_greeks(quotes.with_columns(bid=pl.col("bid") * noise), rate_rows())
    assert found.height == quotes.height
    assert found.filter(pl.col("iv").is_null() & pl.col("reason").is_null()).is_empty()
    assert (found["iv"].is_null() == (found["iv_source"] == "none")).all()
    assert (found["iv"].is_null() == found["delta"].is_null()).all()


def test_a_frame_of_another_dtype_is_refused(model_quotes, rate_rows):
    quotes = model_quotes([100])
    with pytest.raises(ValueError, match=r"raw\.option_quotes: expected 'strike' as Float64, found Float32"):
        option_greeks(quotes.with_columns(pl.col("strike").cast(pl.Float32)), rate_rows())
    with pytest.raises(ValueError, match=r"raw\.macro: expected a column 'value'"):
        option_greeks(quotes, rate_rows().drop("value"))


def test_bid_and_ask_of_the_quote_have_volatilities_around_that_of_the_mid(model_quotes, rate_rows):
    found = option_greeks(model_quotes(STRIKES, skew, half_spread=0.03), rate_rows())
    own = found.filter(pl.col("iv_source") == "own")
    assert ((own["iv_bid"] < own["iv"]) & (own["iv"] < own["iv_ask"])).all()
    assert own["iv_error"].max() < 1e-6
    assert own["exercise_model"].unique().to_list() == ["closed_form"]
    other = found.filter(pl.col("iv_source") != "own")
    assert other.height > 0
    for name in ("iv_bid", "iv_ask", "iv_error", "exercise_model"):
        assert other[name].null_count() == other.height


def test_a_bid_below_intrinsic_value_has_no_volatility(quote_rows, rate_rows, dividend_rows):
    row = option_greeks(quote_rows([("C", 95.0, 4.9, 6.5)]), rate_rows(), dividend_rows([])).row(0, named=True)
    assert row["iv_bid"] is None
    assert row["iv"] < row["iv_ask"]


def test_an_in_the_money_quote_alone_tells_the_volatility_by_parity(model_quotes, rate_rows):
    quotes = model_quotes(STRIKES, skew)
    is_out = pl.col("strike") >= pl.when(pl.col("right") == "C").then(100.288).otherwise(0.0)
    is_out = pl.when(pl.col("right") == "C").then(is_out).otherwise(pl.col("strike") < 100.288)
    hidden = is_out & pl.col("strike").is_in([96.0, 104.0])
    found = option_greeks(quotes.with_columns(bid=pl.when(hidden).then(0.0).otherwise("bid")), rate_rows())
    changed = found.filter(pl.col("strike").is_in([96.0, 104.0]))
    assert changed["iv_source"].unique().to_list() == ["own"]
    np.testing.assert_allclose(changed["iv"], skew(changed["strike"].to_numpy()), atol=1e-6)


def test_volatility_is_flat_beyond_the_accepted_strikes_and_linear_between_them(model_quotes, rate_rows):
    quotes = model_quotes([90, 95, 98, 100, 102, 105, 110], skew)
    quotes = quotes.with_columns(bid=pl.when(pl.col("strike").is_in([90.0, 98.0, 110.0])).then(0.0).otherwise("bid"))
    found = option_greeks(quotes, rate_rows()).filter(pl.col("right") == "C").sort("strike")
    assert found["iv_source"].to_list() == ["extrapolated", "own", "interpolated", "own", "own", "own", "extrapolated"]
    iv, strike = found["iv"].to_numpy(), found["strike"].to_numpy()
    assert (iv[0], iv[-1]) == (iv[1], iv[-2])
    assert iv[2] == pytest.approx(np.interp(np.log(98), np.log(strike[[1, 3]]), iv[[1, 3]]), rel=1e-12)


def test_roots_of_one_date_and_settlement_stay_apart(model_quotes, rate_rows):
    one = model_quotes(STRIKES, skew, root="XYZ")
    other = model_quotes(STRIKES, lambda strike: 0.35 + 0.0 * strike, root="XYZW")
    found = option_greeks(pl.concat([other, one]), rate_rows())
    assert found.equals(found.sort(KEY))
    for root, alone in [("XYZ", one), ("XYZW", other)]:
        assert found.filter(pl.col("root") == root).equals(option_greeks(alone, rate_rows()))
