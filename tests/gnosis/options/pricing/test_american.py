from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options.pricing.american import Dividends, american_implied_vol, early_exercise_bound, tree_value
from gnosis.options.pricing.american_kernel import rounding_bound
from gnosis.options.pricing.black_scholes import price
from gnosis.options.pricing.implied_vol import IV_REASONS, implied_vol

ONE_HOUR = 1 / 8760
RATES, CARRIES = st.floats(-0.03, 0.12), st.floats(-0.05, 0.15)
quick = settings(max_examples=100, deadline=None)


def book(spot, strike, tau, rate, carry, is_call):
    return {
        "spot": spot,
        "strike": strike,
        "tau_years": tau,
        "forward": spot * np.exp((rate - carry) * tau),
        "discount": np.exp(-rate * tau),
        "is_call": is_call,
    }


HULL = book(50.0, 50.0, 5 / 12, 0.10, 0.0, False)
SIGMA = 0.40


def scale_of(contract):
    return contract["spot"] + contract["strike"] + contract["forward"]


def rounding_of(contract, sigma):
    terms = (contract[name] for name in ("spot", "strike", "tau_years", "forward", "discount"))
    sign = 1.0 if contract["is_call"] else -1.0
    return rounding_bound(tree_value(**contract, iv=sigma).american, sigma, sign, *terms, 201)


@st.composite
def cases(draw, most_dividends=4):
    """A contract within six deviations of the money with dividends in its forward (together up to 20 %), and its iv."""
    sigma = draw(st.floats(0.03, 3))
    is_call = draw(st.booleans())
    tau = draw(st.floats(ONE_HOUR, 3))
    contract = book(draw(st.floats(1, 1000)), 1.0, tau, *draw(st.tuples(RATES, CARRIES)), is_call)
    times = np.array(sorted(draw(st.lists(st.floats(0.01, 0.99), max_size=most_dividends)))) * tau
    amounts = np.array([contract["spot"] * draw(st.floats(1e-4, 0.05)) for _ in times])
    if times.size:
        present = amounts * contract["discount"] ** (times / tau)
        contract["forward"] *= 1 - float(present.sum()) / contract["spot"]
        contract["dividends"] = Dividends(times, amounts, np.array([0, times.size]))
    contract["strike"] = contract["forward"] * math.exp(sigma * math.sqrt(tau) * draw(st.floats(-6, 6)))
    return contract, sigma


def binomial_parameters(kind, strike, tau, forward, spot, sigma, steps):
    """Return (up, down, probability of up) of the trees of Cox-Ross-Rubinstein (1979) and Leisen-Reimer (1996)."""
    growth = (forward / spot) ** (1 / np.longdouble(steps))
    root = sigma * np.sqrt(np.longdouble(tau))
    if kind == "crr":
        up = np.exp(root / np.sqrt(np.longdouble(steps)))
        return up, 1 / up, (growth - 1 / up) / (up - 1 / up)

    def inverted(z):
        ratio = z / (steps + 1 / np.longdouble(3) + 1 / np.longdouble(10 * (steps + 1)))
        return 0.5 + np.sign(z) * 0.5 * np.sqrt(-np.expm1(-(ratio**2) * (steps + 1 / np.longdouble(6))))

    d1 = np.log(forward / strike) / root + root / 2
    p, p_up = inverted(d1 - root), inverted(d1)
    return growth * p_up / p, growth * (1 - p_up) / (1 - p), p


def slow_tree(kind, steps, spot, strike, tau_years, forward, discount, is_call, iv, dividends=None):
    """Return the textbook's American and European value: the underlying itself, discounted step by step."""
    spot, strike, tau, forward, discount, iv = map(np.longdouble, (spot, strike, tau_years, forward, discount, iv))
    sign = 1 if is_call else -1
    times, amounts = (dividends.times_years, dividends.amounts_usd) if dividends else (np.empty(0), np.empty(0))

    def to_come(j):
        later = times * steps > tau_years * j
        return (amounts * discount ** (times / tau - np.longdouble(j) / steps))[later].sum()

    escrowed = spot - to_come(0)
    up, down, p = binomial_parameters(kind, strike, tau, forward, escrowed, iv, steps)
    nodes = escrowed * up ** np.arange(steps + 1) * down ** np.arange(steps, -1, -1)
    american = european = np.maximum(sign * (nodes - strike), 0)
    for j in range(steps - 1, -1, -1):
        nodes = escrowed * up ** np.arange(j + 1) * down ** np.arange(j, -1, -1)
        held, european = (
            (p * value[1:] + (1 - p) * value[:-1]) * discount ** (1 / np.longdouble(steps))
            for value in (american, european)
        )
        american = np.maximum(held, sign * (nodes + to_come(j) - strike))
    return float(american[0]), float(european[0])


def test_published_value_of_the_five_step_tree():
    american, _ = slow_tree("crr", 5, **HULL, iv=SIGMA)
    assert american == pytest.approx(4.488458535, abs=5e-10)


def test_reference_values():
    value = tree_value(**HULL, iv=SIGMA)
    assert value.american == pytest.approx(4.283929657, abs=5e-10)
    assert value.european == pytest.approx(4.075974993, abs=5e-10)
    assert price(**HULL, iv=SIGMA) == pytest.approx(4.075980985, abs=5e-10)
    terms = {name: HULL[name] for name in ("strike", "tau_years", "forward", "discount", "is_call")}
    assert implied_vol(4.283929657, **terms).iv == pytest.approx(0.4168433913, abs=5e-9)


def test_inverting_the_tree_on_its_own_price():
    found = american_implied_vol(tree_value(**HULL, iv=SIGMA).american, **HULL)
    assert found.iv == pytest.approx(0.4, abs=1e-8)
    assert abs(found.iv - 0.4) <= found.error <= 1e-8
    assert found.reason == 0


@given(cases(), st.sampled_from([21, 51, 201]))
@settings(max_examples=40, deadline=None)
def test_the_kernel_equals_the_textbook_tree(case, steps):
    contract, sigma = case
    value = tree_value(**contract, iv=sigma, steps=steps)
    expected = slow_tree("lr", steps, **contract, iv=sigma)
    assert (value.american, value.european) == pytest.approx(expected, rel=1e-11, abs=1e-13 * scale_of(contract))
    if steps == 201:
        assert abs(value.american - expected[0]) <= rounding_of(contract, sigma)


@given(cases())
@quick
def test_american_is_worth_european_and_intrinsic_and_at_most_the_bound_more(case):
    contract, sigma = case
    value, bound = tree_value(**contract, iv=sigma), early_exercise_bound(**contract)
    sign = 1 if contract["is_call"] else -1
    rounding = 1e-12 * scale_of(contract)
    assert value.american >= value.european
    assert value.american >= sign * (contract["spot"] - contract["strike"]) - rounding
    assert bound >= 0
    assert value.american - value.european <= bound + rounding


@given(cases(most_dividends=0), st.floats(0, 0.12))
@quick
def test_a_call_without_dividends_is_never_exercised_early(case, rate):
    contract, sigma = case
    contract |= book(contract["spot"], contract["strike"], contract["tau_years"], rate, 0.0, True)
    value = tree_value(**contract, iv=sigma)
    assert value.american == pytest.approx(value.european, rel=1e-12, abs=1e-12 * contract["spot"])
    assert early_exercise_bound(**contract) <= 1e-12 * contract["spot"]


@given(cases(most_dividends=0))
@quick
def test_a_put_without_interest_and_carry_is_never_exercised_early(case):
    contract, sigma = case
    contract |= book(contract["spot"], contract["strike"], contract["tau_years"], 0.0, 0.0, False)
    value = tree_value(**contract, iv=sigma)
    assert value.american == pytest.approx(value.european, rel=1e-12, abs=1e-12 * contract["strike"])
    assert early_exercise_bound(**contract) == 0


@given(cases())
@quick
def test_value_rises_with_volatility(case):
    contract, sigma = case
    n = 36
    if "dividends" in contract:
        times, amounts, _ = contract["dividends"]
        contract["dividends"] = Dividends(np.tile(times, n), np.tile(amounts, n), np.arange(n + 1) * times.size)
    american = tree_value(**contract, iv=sigma * np.linspace(0.25, 2, n)).american
    assert (np.diff(american) >= -1e-12 * scale_of(contract)).all()


@given(cases(), st.floats(0.01, 100))
@quick
def test_value_and_bound_scale_with_the_currency(case, factor):
    contract, sigma = case
    larger = contract | {name: factor * contract[name] for name in ("spot", "strike", "forward")}
    if "dividends" in contract:
        larger["dividends"] = contract["dividends"]._replace(amounts_usd=factor * contract["dividends"].amounts_usd)
    rounding = 1e-12 * scale_of(larger)
    before, after = (tree_value(**terms, iv=sigma).american for terms in (contract, larger))
    assert after == pytest.approx(factor * before, rel=1e-12, abs=rounding)
    before, after = (early_exercise_bound(**terms) for terms in (contract, larger))
    assert after == pytest.approx(factor * before, rel=1e-12, abs=rounding)


@given(cases())
@settings(max_examples=200, deadline=None)
def test_round_trip_within_its_error_or_a_reason(case):
    contract, sigma = case
    found = american_implied_vol(tree_value(**contract, iv=sigma).american, **contract)
    if found.reason == 0:
        assert abs(found.iv - sigma) <= found.error <= 1e-8
    else:
        assert np.isnan(found.iv)
        assert IV_REASONS[found.reason] in {"below_intrinsic", "below_lowest", "imprecise"}
        near = [tree_value(**contract, iv=max(sigma + step, 1e-6)).american for step in (-4e-9, 0, 4e-9)]
        assert min(np.diff(near)) <= 2 * rounding_of(contract, sigma)


@pytest.mark.parametrize("rate", [-0.02, 0.0, 0.05])
@pytest.mark.parametrize("tau", [ONE_HOUR, 7 / 365, 0.5, 3.0])
@pytest.mark.parametrize("is_call", [True, False])
def test_out_of_the_money_round_trip(tau, rate, is_call):
    deviations = np.linspace(0, 4, 21) * (1 if is_call else -1)
    sigma = np.repeat([[0.1], [0.2], [0.8], [3.0]], deviations.size, axis=1)
    strike = 100 * np.exp(deviations * np.minimum(sigma * math.sqrt(tau), 1.5))
    contract = book(100.0, strike, tau, rate, 0.01, is_call)
    found = american_implied_vol(tree_value(**contract, iv=sigma).american, **contract)
    solved = found.reason == 0
    assert (np.abs(found.iv - sigma)[solved] <= np.minimum(found.error[solved], 1e-8)).all()
    assert solved.all()


def test_every_price_without_a_volatility_says_why():
    prices = [np.nan, 9.99, 10.0, 60.0, 61.0, 10.0 + 1e-11]
    found = american_implied_vol(prices, **HULL | {"strike": 60.0})
    reasons = [IV_REASONS[code] for code in found.reason]
    assert reasons[:5] == ["missing", "below_intrinsic", "below_intrinsic", "above_maximum", "above_maximum"]
    assert reasons[5] == "imprecise"
    assert found.error[5] > 1e-8
    assert np.isnan(found.iv).all()
    assert np.isnan(found.error[:5]).all()
    highest = tree_value(**HULL, iv=5.0).american
    assert IV_REASONS[american_implied_vol(highest + 0.01, **HULL).reason] == "above_highest"
    assert american_implied_vol(tree_value(**HULL, iv=4.99).american, **HULL).iv == pytest.approx(4.99, abs=1e-8)
    subnormal = american_implied_vol(1e-310, **book(100.0, 110.0, 0.5, 0.0, 0.0, True))
    assert IV_REASONS[subnormal.reason] == "imprecise"


def test_european_value_converges_with_the_square_of_the_steps():
    strikes = np.array([35.0, 45.0, 50.0, 55.0, 70.0])
    contract = HULL | {"strike": strikes}
    exact = price(**contract, iv=SIGMA)
    gaps = [np.abs(tree_value(**contract, iv=SIGMA, steps=steps).european - exact).max() for steps in (51, 201, 801)]
    assert gaps[1] < 2e-4
    assert 10 < gaps[0] / gaps[1] < 22
    assert 10 < gaps[1] / gaps[2] < 22


def test_deep_in_the_money_is_exercised_at_once():
    put = HULL | {"strike": 150.0}
    assert tree_value(**put, iv=0.2).american == pytest.approx(100.0, rel=1e-14)
    assert IV_REASONS[american_implied_vol(100.0, **put).reason] == "below_intrinsic"


def test_negative_rates_make_calls_and_not_puts_worth_exercising():
    call, put = (book(100.0, 80.0 if is_call else 120.0, 1.0, -0.05, 0.0, is_call) for is_call in (True, False))
    above = [float(np.subtract(*tree_value(**side, iv=0.2))) for side in (call, put)]
    assert above[0] > 0.1
    assert above[1] == pytest.approx(0, abs=1e-10)
    assert early_exercise_bound(**call) == pytest.approx(80 * math.expm1(0.05))
    assert early_exercise_bound(**put) == pytest.approx(0, abs=1e-12)


def test_a_call_is_exercised_before_a_dividend_above_its_time_value():
    tau, discount, paid, when = 0.25, math.exp(-0.01), 5.0, 0.1
    present = paid * discount ** (when / tau)
    contract = {
        "spot": 100.0,
        "strike": 80.0,
        "tau_years": tau,
        "forward": (100 - present) / discount,
        "discount": discount,
        "is_call": True,
        "dividends": Dividends(np.array([when]), np.array([paid]), np.array([0, 1])),
    }
    value = tree_value(**contract, iv=0.15)
    last_node = math.floor(when / tau * 201) / 201 * tau
    exercised = 100 - 80 * discount ** (last_node / tau)
    assert value.american == pytest.approx(exercised, abs=2e-3)
    assert value.american - value.european == pytest.approx(early_exercise_bound(**contract), abs=0.02)


def test_a_put_waits_for_the_dividend():
    tau, discount = 0.25, math.exp(-0.0125)
    paid = Dividends(np.array([0.2]), np.array([3.0]), np.array([0, 1]))
    terms = {"spot": 100.0, "strike": 120.0, "tau_years": tau, "discount": discount, "is_call": False}
    forward = (100 - 3 * discount**0.8) / discount
    bound = early_exercise_bound(**terms, forward=forward, dividends=paid)
    assert bound == pytest.approx(120 * (discount**0.8 - discount))
    assert early_exercise_bound(**terms, forward=100 / discount) == pytest.approx(120 * (1 - discount))


def test_contracts_own_their_dividends_in_the_order_of_the_flattened_shape():
    tau, discount = 0.5, 0.98
    paid = Dividends(np.array([0.1, 0.1, 0.4]), np.array([1.0, 1.0, 2.0]), np.array([0, 1, 1, 3, 3]))
    strike, is_call = np.array([[95.0, 100.0]]), np.array([[True], [False]])
    together = tree_value(100.0, strike, tau, 99.0, discount, 0.3, is_call, paid)
    assert together.american.shape == (2, 2)
    for place in range(4):
        own = slice(paid.starts[place], paid.starts[place + 1])
        alone = Dividends(paid.times_years[own], paid.amounts_usd[own], np.array([0, own.stop - own.start]))
        value = tree_value(100.0, strike[0, place % 2], tau, 99.0, discount, 0.3, place < 2, alone)
        assert value.american == together.american.flat[place]


def test_threads_change_nothing():
    strike = np.linspace(80, 120, 8200)
    terms = book(100.0, strike, 0.1, 0.05, 0.0, strike > 100) | {"steps": 3}
    one, two = (tree_value(**terms, iv=0.3, threads=threads).american for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    one, two = (american_implied_vol(one, **terms, threads=threads).iv for threads in (1, 2))
    assert one.tobytes() == two.tobytes()


def test_missing_arguments_give_missing_values():
    terms = HULL | {"strike": [50.0, np.nan, 50.0], "forward": [HULL["forward"], 50.0, np.nan]}
    value, found = tree_value(**terms, iv=SIGMA), american_implied_vol(4.0, **terms)
    assert np.isnan(value.american).tolist() == np.isnan(found.iv).tolist() == [False, True, True]
    assert np.isnan(early_exercise_bound(**terms)).tolist() == [False, True, True]
    assert found.reason.tolist() == [0, 1, 1]
    assert tree_value(**HULL | {"strike": []}, iv=SIGMA).american.size == 0


@pytest.mark.parametrize(
    ("times", "amounts", "starts", "message"),
    [
        ([0.5], [1.0], [0, 1], "before settlement"),
        ([0.0], [1.0], [0, 1], "after the quote"),
        ([0.2, 0.1], [1.0, 1.0], [0, 2], "ascending"),
        ([0.1], [60.0], [0, 1], "less present value"),
        ([0.1], [0.0], [0, 1], "amounts_usd"),
        ([0.1], [1.0], [0, 1, 1], "starts"),
        ([0.1], [1.0], [0, 0], "starts"),
    ],
)
def test_dividends_that_do_not_fit_are_named(times, amounts, starts, message):
    with pytest.raises(ValueError, match=message):
        tree_value(**HULL, iv=SIGMA, dividends=Dividends(np.array(times), np.array(amounts), np.array(starts)))


@pytest.mark.parametrize("steps", [0, -1, 200, 201.5, float("nan"), float("inf")])
def test_steps_that_are_no_odd_whole_number_are_refused(steps):
    with pytest.raises(ValueError, match=f"steps: expected an odd whole number of steps, found {steps};"):
        tree_value(**HULL, iv=SIGMA, steps=steps)
    with pytest.raises(ValueError, match=f"steps: expected an odd whole number of steps, found {steps};"):
        american_implied_vol(4.28, **HULL, steps=steps)
