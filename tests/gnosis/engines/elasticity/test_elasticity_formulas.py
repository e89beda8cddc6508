import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import ndtr

from gnosis.engines.elasticity.dealer_positioning import gamma_sign, sign_agreement
from gnosis.engines.elasticity.greek_field_mapper import constant_maturity, hedge_confidence, volatility_at_d1
from gnosis.engines.elasticity.oi_distribution import concentration, group_median
from gnosis.engines.elasticity.vanna_flow import above_own_quantile, correlation, spot_vol_beta
from gnosis.options.pricing.black_scholes import greeks as black_scholes
from gnosis.sessions import schedule, shift_session

SESSION = dt.date(2019, 5, 1)
CLOSE = dt.datetime(2019, 5, 1, 20, tzinfo=dt.UTC)
signed = st.floats(-1e6, 1e6)


def test_open_interest_by_strike_expiry_and_right(book, mini_bars, elasticity_of, row_of):
    near = book([("C", 100.0, 10.0), ("P", 90.0, 20.0)], days=1)
    far = book([("C", 100.0, 30.0), ("P", 110.0, None), ("P", 80.0, 40.0)], days=40)
    found = row_of(elasticity_of(pl.concat([near, far]), mini_bars))
    assert found["put_call_oi_ratio"] == pytest.approx(60 / 40)
    assert found["oi_hhi"] == pytest.approx((40**2 + 20**2 + 40**2) / 100**2)
    assert found["oi_effective_strikes"] == pytest.approx(1 / 0.36)
    assert found["oi_weighted_dte_days"] == pytest.approx((30 * 1 + 70 * 40) / 100)
    assert found["oi_center_log_moneyness"] == pytest.approx((20 * np.log(0.9) + 40 * np.log(0.8)) / 100)
    shares = [found[f"oi_share_{name}"] for name in ("0_1", "2_7", "8_35", "36_plus")]
    assert shares == pytest.approx([0.3, 0, 0, 0.7])
    assert found["oi_notional_usd"] == pytest.approx(100 * 100 * 100)
    puts = row_of(elasticity_of(book([("P", 90.0, 20.0)]), mini_bars))
    assert puts["put_call_oi_ratio"] is None


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=20))
def test_concentration_lies_between_equal_shares_and_one(weights):
    w = np.array(weights)
    found = concentration(np.arange(w.size) * 1.0, w, np.zeros(w.size, dtype=int), 1).item()
    assert 1 / w.size - 1e-12 <= found <= 1 + 1e-12
    assert np.isnan(concentration(np.ones(1), np.zeros(1), np.zeros(1, dtype=int), 2)).all()


@given(st.lists(signed, min_size=1, max_size=9))
def test_median_of_a_group(values):
    found = group_median(np.array(values), np.ones(len(values), dtype=int), 3)
    assert np.isnan(found[[0, 2]]).all() and found[1] == pytest.approx(np.median(values))


@given(st.lists(signed, min_size=4, max_size=4))
def test_agreement_is_one_exactly_when_all_buckets_share_a_sign(buckets):
    found = sign_agreement(buckets).item()
    if not any(buckets):
        assert np.isnan(found)
        return
    assert 0 <= found <= 1
    share_a_sign = all(x >= 0 for x in buckets) or all(x <= 0 for x in buckets)
    assert share_a_sign <= (found == pytest.approx(1.0))
    assert sign_agreement(-np.array(buckets)).item() == found


def test_sign_of_gamma_is_one_exactly_when_all_sides_agree(book, mini_bars, elasticity_of, row_of):
    assert gamma_sign([5.0, -5.0], [5.0, 5.0]).tolist() == [1.0, -1.0]
    calls = row_of(elasticity_of(book([("C", 100.0, 3.0), ("C", 110.0, 5.0)]), mini_bars))
    assert (calls["hedge_dealer_gamma_sign"], calls["hedge_mtf_agreement"]) == (1.0, 1.0)
    both = row_of(elasticity_of(book([("C", 100.0, 3.0), ("P", 110.0, 5.0)]), mini_bars))
    assert abs(both["hedge_dealer_gamma_sign"]) < 1


def test_exposures_add_up(book, mini_bars, elasticity_of, row_of):
    parts = [book([("C", 100.0, 30.0), ("P", 95.0, 10.0)], days=9), book([("P", 105.0, 7.0)], days=40)]
    names = ["vega_usd_per_volpt", "vomma_usd_per_volpt2", "speed_usd_per_pct2", "zomma_usd_per_pct_volpt"]
    names += ["gex_usd_per_pct", "dex_usd", "charm_flow_usd_next_session", "hedge_pressure_up", "gex_hard_bound"]
    rows = [row_of(elasticity_of(greeks, mini_bars)) for greeks in (*parts, pl.concat(parts))]
    for name in names:
        assert rows[0][name] + rows[1][name] == pytest.approx(rows[2][name], rel=1e-9), name


@settings(max_examples=5, deadline=None)
@given(st.floats(1.1, 30.0))
def test_more_long_gamma_and_less_impact_make_it_stiffer(mini_book, mini_bars, elasticity_of, row_of, factor):
    plain = row_of(elasticity_of(mini_book, mini_bars))
    more_calls = pl.when(pl.col("right") == "C").then(pl.col("open_interest") * factor).otherwise("open_interest")
    longer = row_of(elasticity_of(mini_book.with_columns(open_interest=more_calls), mini_bars))
    deeper = row_of(elasticity_of(mini_book, mini_bars.with_columns(pl.col("volume") * factor)))
    for name in ("stiffness_usd_per_pct", "energy_up_usd", "energy_down_usd"):
        assert plain[name] < min(longer[name], deeper[name])
    assert longer["amplification"] < plain["amplification"] < 1
    # Without impact nothing is amplified.
    assert abs(deeper["amplification"] - 1) < abs(plain["amplification"] - 1)


def test_constant_slope_is_quadratic_and_symmetric(mini_book, mini_bars, elasticity_of, row_of):
    found = row_of(elasticity_of(mini_book.with_columns(open_interest=pl.lit(0.0)), mini_bars))
    assert found["hedge_movement_energy_up"] == pytest.approx(found["hedge_elasticity"])
    assert found["hedge_movement_energy_down"] == pytest.approx(found["hedge_elasticity"])
    assert found["hedge_energy_asymmetry"] == pytest.approx(0.0, abs=1e-12)
    assert found["hedge_potential_shape"] == "quadratic"
    assert found["potential_a2"] == pytest.approx(found["depth_usd_per_unit"] / 2)
    assert found["depth_usd_per_unit"] == pytest.approx(found["spot"] ** 2 / found["lambda_usd_per_share"])


@pytest.mark.parametrize("minutes", [30, 5, 1])
def test_revalued_charm_tends_to_the_exposure(book, mini_bars, elasticity_of, row_of, minutes):
    contracts = [("C", 98.0, 30.0), ("P", 97.0, 50.0), ("C", 101.0, 20.0)]
    at = CLOSE - dt.timedelta(minutes=minutes)
    frame = book(contracts, days=1).with_columns(ts=pl.lit(at), known_at=pl.lit(at))
    found = row_of(elasticity_of(frame.cast(book(contracts).schema), mini_bars))
    first_order = -found["cex_usd_per_day"] * minutes / 60 / 24
    assert found["charm_flow_usd_to_close"] != first_order
    assert found["charm_flow_usd_to_close"] == pytest.approx(first_order, rel=0.002 * minutes)
    later = book(contracts, days=2).with_columns(ts=pl.lit(at), known_at=pl.lit(at)).cast(frame.schema)
    found = row_of(elasticity_of(later, mini_bars))
    assert found["charm_flow_usd_to_close"] == pytest.approx(-found["cex_usd_per_day"] * minutes / 60 / 24, rel=1e-12)


def test_flow_until_the_next_session_is_a_revaluation(book, mini_bars, elasticity_of, row_of):
    found = row_of(elasticity_of(book([("C", 103.0, 50.0)]), mini_bars))
    deltas = []
    for days in (30, 29):
        tau = days / 365
        forward, discount = 100 * np.exp(0.035 * tau), np.exp(-0.05 * tau)
        deltas.append(float(black_scholes(100.0, 103.0, tau, forward, discount, 0.2, True).delta))
    assert found["charm_flow_usd_next_session"] == pytest.approx(-(deltas[1] - deltas[0]) * 50 * 100 * 100, rel=1e-9)


def same_day(book, contracts, style="E"):
    """Return contracts that settle at today's close, with Greeks of the floor of one hour."""
    frame = book(contracts, days=1 / 24)
    return frame.with_columns(
        expiry=pl.lit(SESSION), dte_days=pl.lit(0, dtype=pl.Int64), style=pl.lit(style), is_tau_floored=pl.lit(True)
    ).cast(frame.schema)


@pytest.mark.parametrize(("style", "is_lifted"), [("E", True), ("A", False)])
def test_what_expires_ends_at_its_intrinsic_delta(book, mini_bars, elasticity_of, row_of, style, is_lifted):
    contracts = [("C", 99.0, 30.0), ("C", 101.0, 20.0), ("P", 102.0, 10.0)]
    frame = same_day(book, contracts, style)
    found = row_of(elasticity_of(frame, mini_bars))
    assert found["oi_share_0_1"] == 1.0 and found["charm_share_0dte"] == 1.0
    dollars = 100.0 * 100.0
    ends = (30 * 1 + 20 * 0 - 10 * -1) * dollars
    assert found["charm_flow_usd_to_close"] == pytest.approx(-(ends - found["dex_usd"]))
    assert found["charm_flow_usd_next_session"] == pytest.approx(found["charm_flow_usd_to_close"])
    assert found["expiry_unwind_usd"] == pytest.approx(ends if is_lifted else 0.0)


def test_same_time_of_the_next_session_follows_the_calendar(book, bars, elasticity_of, row_of):
    """From Wednesday before Thanksgiving to Friday, which closes early."""
    wednesday = dt.date(2012, 11, 21)
    friday = shift_session(wednesday, 1)
    frame = (
        book([("C", 99.0, 30.0)], session=wednesday, days=2)
        .with_columns(style=pl.lit("E"))
        .cast({"style": pl.Enum(["A", "E"])})
    )
    found = row_of(elasticity_of(frame, bars(last=wednesday)), session=wednesday)
    assert frame["expiry"][0] == friday
    assert schedule().filter(session=friday)["close_at"].item().hour == 18
    assert found["expiry_unwind_usd"] == pytest.approx(30 * 100 * 100)
    longer = book([("C", 99.0, 30.0)], session=wednesday, days=5)
    assert row_of(elasticity_of(longer, bars(last=wednesday)), session=wednesday)["expiry_unwind_usd"] == 0.0


def test_volatility_at_thirty_and_ninety_days(book, mini_bars, elasticity_of, row_of):
    levels = {10: 0.3, 50: 0.2, 120: 0.25}
    contracts = [(r, k, 1.0) for r in "CP" for k in (90.0, 100.0, 110.0)]
    greeks = pl.concat([book(contracts, days=days, smile=lambda k, v=v: v + k / 10) for days, v in levels.items()])
    found = row_of(elasticity_of(greeks, mini_bars))
    w = {days: (v * v) * days for days, v in levels.items()}
    for days, low, high in ((30, 10, 50), (90, 50, 120)):
        want = np.sqrt((w[low] + (days - low) / (high - low) * (w[high] - w[low])) / days)
        assert found[f"atm_iv_{days}d"] == pytest.approx(want, rel=1e-12)
    assert found["term_slope_volpts"] == pytest.approx(100 * (found["atm_iv_90d"] - found["atm_iv_30d"]))
    two_strikes = greeks.filter((pl.col("dte_days") != 120) | (pl.col("strike") != 90.0))
    assert row_of(elasticity_of(two_strikes, mini_bars))["atm_iv_90d"] is None


def test_skew_is_of_the_strikes_with_25_delta(book, mini_bars, elasticity_of, row_of):
    contracts = [(r, float(k), 1.0) for r in "CP" for k in range(80, 122, 2)]

    def smile(k):
        return 0.2 - 0.3 * k

    def skew(days):
        tau = days / 365
        forward, discount = 100 * np.exp(0.035 * tau), np.exp(-0.05 * tau)

        def delta(k, sign):
            total = smile(k) * np.sqrt(tau)
            return sign * forward * discount / 100 * ndtr(sign * (-k / total + total / 2)) - sign * 0.25

        put, call = (brentq(delta, -0.2, 0.2, args=(sign,), xtol=1e-14) for sign in (-1, 1))
        return 100 * (smile(put) - smile(call))

    greeks = pl.concat([book(contracts, days=days, smile=smile) for days in (5, 9, 13, 27, 60)])
    found = row_of(elasticity_of(greeks, mini_bars))
    assert found["skew_25d_volpts"] == pytest.approx(skew(27), rel=1e-9)
    assert found["skew_25d_10d_volpts"] == pytest.approx(skew(9), rel=1e-9)
    narrow = greeks.filter(pl.col("strike").is_between(98, 102))
    found = row_of(elasticity_of(narrow, mini_bars))
    assert found["skew_25d_volpts"] is None and "LOW_COVERAGE" in found["greek_field_mapper_reasons"]


def test_smiles_without_the_delta_have_no_volatility_there():
    starts, flat = np.array([0, 2]), np.full(2, 0.2)
    args = (starts, np.array([-0.01, 0.01]), flat, np.zeros(2), np.array([0.5]))
    assert np.isnan(volatility_at_d1(*args, np.array([2.0]))).all()
    assert volatility_at_d1(*args, np.array([0.05])).tolist() == [0.2]


def test_maturities_are_not_extrapolated():
    tau, iv, group = np.array([0.1, 0.2]), np.array([0.2, 0.3]), np.zeros(2, dtype=int)
    found = [constant_maturity(tau, iv, group, 2, years).tolist() for years in (0.05, 0.1, 0.2, 0.3)]
    assert [x[0] for x in found] == pytest.approx([np.nan, 0.2, 0.3, np.nan], nan_ok=True)
    assert all(np.isnan(x[1]) for x in found)
    assert np.isnan(constant_maturity(np.zeros(0), np.zeros(0), np.zeros(0, dtype=int), 1, 0.1)).all()


def test_a_falling_chain_before_another_one_is_silently_unknown():
    """Its line to the other chain's expiry would be negative; warnings are errors here."""
    tau, iv, group = np.array([0.02, 0.05, 0.06, 0.4]), np.array([1.0, 1.0, 0.13, 0.13]), np.array([0, 0, 1, 1])
    np.testing.assert_allclose(constant_maturity(tau, iv, group, 2, 90 / 365), [np.nan, 0.13])


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_quality_is_a_geometric_mean(factors):
    found = hedge_confidence(np.array([factors])).item()
    assert found == pytest.approx(np.prod(factors) ** 0.25, abs=1e-12)
    assert min(factors) - 1e-12 <= found <= max(factors) + 1e-12


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_slope_and_correlation_are_numpys(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 3, 30))
    y[1, :4] = np.nan
    slope, n = spot_vol_beta(x, y)
    assert n.tolist() == [30, 26, 30]
    for i, first in enumerate((0, 4, 0)):
        assert slope[i] == pytest.approx(np.polyfit(x[i, first:], y[i, first:], 1)[0])
        assert correlation(x, y, 10)[i] == pytest.approx(np.corrcoef(x[i, first:], y[i, first:])[0, 1])
    assert np.isnan(spot_vol_beta(x, y, 31)[0]).all() and np.isnan(correlation(x, 0 * y, 10)).all()


def test_quantile_of_a_window_with_gaps():
    rng = np.random.default_rng(0)
    window = rng.normal(size=(2, 300))
    window[0, 100:180] = np.nan
    past = window[:, -253:-1]
    want = [float(window[i, -1] > np.nanpercentile(past[i], 80)) for i in range(2)]
    assert above_own_quantile(window, 0.8).tolist() == want
    assert np.isnan(above_own_quantile(window[:, -60:], 0.8)).all()


def test_pressure_of_a_small_move_is_the_exposure(book, mini_bars, elasticity_of, row_of):
    """On a flat smile and far from expiry gamma hardly changes within 1 %."""
    found = row_of(elasticity_of(book([("C", 100.0, 1000.0)], days=700, smile=lambda k: 0.8), mini_bars))
    for side in ("up", "down"):
        assert found[f"hedge_pressure_{side}"] == pytest.approx(-found["hedge_gamma_pressure"], rel=0.02)


def test_failed_certificate_is_said(mini_book, mini_bars, elasticity_of, row_of):
    from gnosis.tables import TABLES

    schema = TABLES["greeks.surface_certificate"].polars_schema
    known = {"session": SESSION, "symbol": "AAA", "slice_number": 0, "certificate": "failed", "synthetic": False}
    known |= {"known_at": CLOSE, "provider": "fit"}
    frame = pl.DataFrame([known], schema={name: schema[name] for name in known})
    frame = frame.with_columns(
        **{name: pl.lit(None, dtype=dtype) for name, dtype in schema.items() if name not in known}
    ).select(list(schema))
    found = row_of(elasticity_of(mini_book, mini_bars, certificates=frame))
    assert found["certificate"] == "failed" and "CERTIFICATE_FAILED" in found["reasons"]
    assert found["provider"] == "cboe+fit+yahoo"
    slices = frame.with_columns(slice_number=pl.lit(1, dtype=pl.Int64))
    assert row_of(elasticity_of(mini_book, mini_bars, certificates=slices))["certificate"] is None
    passed = frame.with_columns(certificate=pl.lit("passed").cast(schema["certificate"]))
    assert row_of(elasticity_of(mini_book, mini_bars, certificates=passed))["certificate"] == "passed"
