from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options import Greeks, carry_forward, discount_factor, greeks, price


def book(spot, strike, tau, rate, carry, iv, is_call) -> Greeks:
    """Greeks from rate and carry yield instead of forward and discount factor."""
    forward = carry_forward(spot, tau, rate, carry)
    return greeks(spot, strike, tau, forward, discount_factor(rate, tau), iv, is_call)


VECTOR_1 = {
    "price": (0.7032853291, 5.3958756275),
    "delta": (0.219762803564, -0.779005079404),
    "gamma_per_usd": (0.0515807648599, 0.0515807648599),
    "vega_per_vol": (8.47902983999, 8.47902983999),
    "theta_per_year": (-11.050158518, -7.31984141269),
    "rho_per_unit": (1.74846534471, -6.84627810147),
    "vanna_per_vol": (1.22652063085, 1.22652063085),
    "charm_per_year": (-1.66950300249, -1.68448452073),
    "vomma_per_vol2": (27.1487988094, 27.1487988094),
    "speed_per_usd2": (0.00642971854047, 0.00642971854047),
    "zomma_per_usd_vol": (-0.0927486315423, -0.0927486315423),
}


@pytest.mark.parametrize("name", VECTOR_1)
def test_vector_1(name):
    found = getattr(book(100, 105, 30 / 365, 0.05, 0.015, 0.2, [True, False]), name)
    np.testing.assert_allclose(found, VECTOR_1[name], rtol=1e-9)


# (S, K, tau, r, q, sigma, is_call), quantity, value, printed digits of the source
PUBLISHED = [
    ("Hull", (42, 40, 0.5, 0.1, 0, 0.2, True), "price", 4.759422393, "4.76"),
    ("Hull", (42, 40, 0.5, 0.1, 0, 0.2, False), "price", 0.808599373, "0.81"),
    ("Hull", (49, 50, 0.3846, 0.05, 0, 0.2, True), "delta", 0.5216016, "0.522"),
    ("Hull", (49, 50, 0.3846, 0.05, 0, 0.2, True), "gamma_per_usd", 0.0655454, "0.066"),
    ("Hull", (49, 50, 0.3846, 0.05, 0, 0.2, True), "vega_per_vol", 12.1052, "12.1"),
    ("Hull", (49, 50, 0.3846, 0.05, 0, 0.2, True), "theta_per_year", -4.30539, "-4.31"),
    ("Hull", (49, 50, 0.3846, 0.05, 0, 0.2, True), "rho_per_unit", 8.90657, "8.91"),
    ("Haug", (60, 65, 0.25, 0.08, 0, 0.3, True), "price", 2.133368, "2.1334"),
    ("Haug", (55, 60, 0.75, 0.1, 0, 0.3, True), "gamma_per_usd", 0.0278212, "0.0278"),
    ("Haug", (55, 60, 0.75, 0.1, 0, 0.3, True), "vega_per_vol", 18.9358, "18.9358"),
    ("Haug", (90, 80, 0.25, 0.05, 0, 0.2, True), "vanna_per_vol", -1.00083, "-1.0008"),
    ("Haug", (90, 80, 0.25, 0.05, 0.05, 0.2, True), "vanna_per_vol", -1.04552, "-1.0455"),
    ("Haug", (105, 90, 0.25, 0.14, 0.14, 0.24, False), "charm_per_year", 0.369989, "0.3700"),
    ("index", (5000, 5000, 30 / 365, 0.05, 0.015, 0.15, True), "gamma_per_usd", 0.00184587549, "0.001846"),
]


@pytest.mark.parametrize(("source", "inputs", "name", "value", "printed"), PUBLISHED)
def test_published_numbers(source, inputs, name, value, printed):
    found = float(getattr(book(*inputs), name))
    digits = len(f"{value!r}".split(".")[1])
    assert round(found, digits) == pytest.approx(value, abs=0.6 * 10**-digits)
    assert f"{found:.{len(printed.split('.')[1])}f}" == printed


def test_haug_charm_per_calendar_day():
    found = book(105, 90, 0.25, 0.14, 0.14, 0.24, False).charm_per_year / 365
    assert round(float(found), 7) == 0.0010137


admissible = {
    "spot": st.floats(5, 5000),
    "moneyness": st.floats(-2.5, 2.5),
    "tau": st.floats(1 / 365, 3),
    "rate": st.floats(-0.02, 0.12),
    "carry": st.floats(-0.02, 0.08),
    "iv": st.floats(0.05, 1.5),
}


def both_rights(spot, moneyness, tau, rate, carry, iv) -> tuple[float, Greeks, Greeks]:
    strike = spot * np.exp(moneyness * iv * np.sqrt(tau))
    return strike, book(spot, strike, tau, rate, carry, iv, True), book(spot, strike, tau, rate, carry, iv, False)


@settings(max_examples=60, deadline=None)
@given(**admissible)
def test_calls_and_puts_belong_together(spot, moneyness, tau, rate, carry, iv):
    """G1, G2, G3: parity of price, delta and charm; equality of everything else."""
    strike, call, put = both_rights(spot, moneyness, tau, rate, carry, iv)
    spot_leg, strike_leg = spot * np.exp(-carry * tau), strike * np.exp(-rate * tau)
    assert call.price - put.price == pytest.approx(spot_leg - strike_leg, rel=1e-9, abs=1e-11 * spot)
    assert call.delta - put.delta == pytest.approx(np.exp(-carry * tau), rel=1e-9)
    assert call.charm_per_year - put.charm_per_year == pytest.approx(carry * np.exp(-carry * tau), rel=1e-9, abs=1e-11)
    for name in (
        "gamma_per_usd",
        "vega_per_vol",
        "vanna_per_vol",
        "vomma_per_vol2",
        "speed_per_usd2",
        "zomma_per_usd_vol",
    ):
        assert getattr(call, name) == getattr(put, name)


def test_charm_parity_of_vector_1():
    charm = book(100, 105, 30 / 365, 0.05, 0.015, 0.2, [True, False]).charm_per_year
    assert charm[0] - charm[1] == pytest.approx(0.014981518245, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(**admissible, is_call=st.booleans())
def test_relations_between_greeks(spot, moneyness, tau, rate, carry, iv, is_call):
    """G4, G5, G6, G9: vega from gamma, vanna from vega, the pricing equation, homogeneity in spot and strike."""
    strike = spot * np.exp(moneyness * iv * np.sqrt(tau))
    found = book(spot, strike, tau, rate, carry, iv, is_call)
    total = iv * np.sqrt(tau)
    d1 = (np.log(spot / strike) + (rate - carry) * tau) / total + total / 2
    assert found.vega_per_vol == pytest.approx(found.gamma_per_usd * spot**2 * iv * tau, rel=1e-9)
    assert found.vanna_per_vol == pytest.approx(
        found.vega_per_vol / spot * (1 - d1 / total), rel=1e-9, abs=1e-9 * float(found.vega_per_vol / spot)
    )
    drift = (rate - carry) * spot * found.delta
    pieces = [found.theta_per_year, iv**2 * spot**2 * found.gamma_per_usd / 2, drift, -rate * found.price]
    assert sum(pieces) == pytest.approx(0, abs=1e-9 * max(map(abs, pieces)))
    # dV/dK follows from rho = -tau K dV/dK.
    assert found.price == pytest.approx(spot * found.delta - found.rho_per_unit / tau, rel=1e-9, abs=1e-11 * spot)


@settings(max_examples=40, deadline=None)
@given(
    moneyness=st.floats(-1.5, 1.5),
    tau=st.floats(0.5, 2),
    rate=st.floats(-0.02, 0.12),
    carry=st.floats(-0.02, 0.08),
    iv=st.floats(0.3, 0.8),
    is_call=st.booleans(),
)
def test_every_greek_is_the_derivative_of_its_parent(moneyness, tau, rate, carry, iv, is_call):
    """G7: central differences with steps 1e-4 S, 1e-5 vol, 1e-6 year."""
    spot, total = 100.0, iv * np.sqrt(tau)
    strike = spot * np.exp(moneyness * total)

    def difference(name: str, in_spot=0.0, in_iv=0.0, in_time=0.0, in_rate=0.0) -> float:
        up, down = (
            getattr(
                book(
                    spot + way * in_spot,
                    strike,
                    tau - way * in_time,
                    rate + way * in_rate,
                    carry,
                    iv + way * in_iv,
                    is_call,
                ),
                name,
            )
            for way in (1, -1)
        )
        return float(up - down) / (2 * (in_spot + in_iv + in_time + in_rate))

    found = book(spot, strike, tau, rate, carry, iv, is_call)
    gamma, vega = float(found.gamma_per_usd), float(found.vega_per_vol)
    step_s, step_v, step_t = 1e-4 * spot, 1e-5, 1e-6
    # (Greek, difference of its parent, natural size for those that pass through zero)
    pairs = [
        (found.delta, difference("price", in_spot=step_s), 0.1),
        (found.gamma_per_usd, difference("delta", in_spot=step_s), gamma),
        (found.vega_per_vol, difference("price", in_iv=step_v), vega),
        (found.theta_per_year, difference("price", in_time=step_t), 0.5 * iv * vega / tau),
        (found.rho_per_unit, difference("price", in_rate=1e-5), tau * spot * 0.1),
        (found.vanna_per_vol, difference("delta", in_iv=step_v), vega / (spot * total)),
        (found.charm_per_year, difference("delta", in_time=step_t), vega / (spot * tau)),
        (found.vomma_per_vol2, difference("vega_per_vol", in_iv=step_v), vega / iv),
        (found.speed_per_usd2, difference("gamma_per_usd", in_spot=step_s), gamma / (spot * total)),
        (found.zomma_per_usd_vol, difference("gamma_per_usd", in_iv=step_v), gamma / iv),
    ]
    for greek, numeric, size in pairs:
        assert numeric == pytest.approx(float(greek), rel=1e-6, abs=1e-6 * size)


@settings(max_examples=40, deadline=None)
@given(**admissible, is_call=st.booleans(), scale=st.floats(0.01, 100))
def test_scaling_spot_and_strike(spot, moneyness, tau, rate, carry, iv, is_call, scale):
    """G8."""
    strike = spot * np.exp(moneyness * iv * np.sqrt(tau))
    one = book(spot, strike, tau, rate, carry, iv, is_call)
    other = book(scale * spot, scale * strike, tau, rate, carry, iv, is_call)
    power = dict.fromkeys(("price", "vega_per_vol", "vomma_per_vol2", "theta_per_year", "rho_per_unit"), 1)
    power |= dict.fromkeys(("delta", "vanna_per_vol", "charm_per_year"), 0)
    power |= {"gamma_per_usd": -1, "zomma_per_usd_vol": -1, "speed_per_usd2": -2}
    size = {
        "theta_per_year": spot * iv / np.sqrt(tau),
        "charm_per_year": 1 / tau,
        "vanna_per_vol": 1 / iv,
        "vomma_per_vol2": spot / iv,
        "speed_per_usd2": 1 / (spot * iv) ** 2 / tau,
        "zomma_per_usd_vol": 1 / (spot * iv**2 * np.sqrt(tau)),
    }
    for name in Greeks._fields:
        found = float(getattr(other, name)) / scale ** power[name]
        assert found == pytest.approx(float(getattr(one, name)), rel=1e-9, abs=1e-11 * size.get(name, 0.0))


def test_far_from_the_money_at_the_floor_everything_dies_without_nan():
    """G10."""
    tau, strikes = 1 / 8760, np.array([20.0, 60.0, 90.0, 99.0, 100.0, 101.0, 110.0, 170.0, 500.0])
    found = book(100, strikes, tau, 0.05, 0.015, 0.05, np.array([[True], [False]]))
    assert np.isfinite(np.array(found)).all()
    for name in ("gamma_per_usd", "vega_per_vol", "vanna_per_vol", "speed_per_usd2"):
        assert (getattr(found, name)[:, [0, 1, 2, 6, 7, 8]] == 0).all()
    np.testing.assert_allclose(found.delta[0, [0, 8]], [1, 0], atol=1e-5)


def test_prices_in_the_tail_keep_their_relative_accuracy():
    from scipy.special import log_ndtr

    spot, tau, iv = 100.0, 30 / 365, 0.2
    strike = np.array([150.0, 250.0, 400.0])
    total = iv * np.sqrt(tau)
    d1 = np.log(spot / strike) / total + total / 2
    # Both tails on the log scale; their difference is found without cancelling magnitudes.
    spot_leg, strike_leg = np.log(spot) + log_ndtr(d1), np.log(strike) + log_ndtr(d1 - total)
    expected = np.exp(spot_leg) * -np.expm1(strike_leg - spot_leg)
    np.testing.assert_allclose(price(spot, strike, tau, spot, 1.0, iv, True), expected, rtol=1e-9)


@given(st.integers(1, 600))
@settings(max_examples=20, deadline=None)
def test_a_contract_does_not_depend_on_its_neighbours(n):
    strike = np.linspace(50, 200, n)
    together = np.array(book(100, strike, 0.1, 0.03, 0.01, 0.25, True))
    alone = np.array(book(100, strike[-1], 0.1, 0.03, 0.01, 0.25, True))
    assert (together[:, -1] == alone).all()


def test_threads_do_not_change_a_bit():
    strike = np.linspace(20, 500, 9001)
    one, two = (
        np.array(greeks(100, strike, 0.7, 101, 0.98, 0.35, strike >= 101, threads=threads)) for threads in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_low_total_volatility_keeps_its_digits_in_the_wing():
    """An hour, 3 %, 31 standard deviations out; values of 50-digit arithmetic on the same doubles."""
    found = greeks(100.0, 101.0, 1 / 8760, 100.0, 1.0, 0.03, True)
    np.testing.assert_allclose([found.price, found.delta], [7.267332093171093e-215, 7.053001325804875e-212], rtol=1e-11)


def test_missing_arguments_give_missing_results():
    found = book(100, [95, np.nan, 105], 0.1, 0.03, 0.01, [0.2, 0.2, np.nan], True)
    assert np.isfinite(np.array(found)[:, 0]).all()
    assert np.isnan(np.array(found)[:, 1:]).all()


@pytest.mark.parametrize(
    ("name", "value"), [("spot", 0.0), ("strike", -5.0), ("tau_years", 0.0), ("forward", np.inf), ("iv", -0.2)]
)
def test_impossible_arguments_are_refused_by_name(name, value):
    inputs = {"spot": 100, "strike": 105, "tau_years": 0.1, "forward": 100, "discount": 1, "iv": 0.2, "is_call": True}
    with pytest.raises(ValueError, match=rf"{name}: expected positive finite values in .*, found {value}"):
        greeks(**inputs | {name: value})


def test_letters_are_no_booleans():
    with pytest.raises(ValueError, match="is_call: expected booleans"):
        greeks(100, 105, 0.1, 100, 1, 0.2, "C")


def test_results_can_be_written_to_memory_of_the_caller():
    out = np.empty((11, 2))
    found = greeks(100, [95, 105], 0.1, 100, 1, 0.2, True, out=out)
    assert np.shares_memory(found.zomma_per_usd_vol, out)
    assert (found.price == price(100, [95, 105], 0.1, 100, 1, 0.2, True)).all()
    with pytest.raises(ValueError, match=r"out: expected C-contiguous float64 of shape \(11, 2\)"):
        greeks(100, [95, 105], 0.1, 100, 1, 0.2, True, out=out.T)


def test_shapes_follow_broadcasting():
    found = greeks(100, np.array([90, 100, 110]), np.array([[0.1], [0.2]]), 100, 1, 0.2, True)
    assert found.delta.shape == (2, 3)
    assert np.ndim(greeks(100, 100, 0.1, 100, 1, 0.2, True).delta) == 0
