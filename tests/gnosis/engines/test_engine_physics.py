import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from gnosis.engines import physics
from gnosis.engines.potential import POTENTIAL_RATIOS, potential

S, ADV, LAMBDA, TAU, RATE, CARRY, SIGMA = 100.0, 1e8, 1e-6, 30 / 365, 0.05, 0.015, 0.2
BOOK = [("P", 95.0, 1000.0), ("P", 100.0, 300.0), ("C", 100.0, 800.0), ("C", 105.0, 1000.0)]
FRACTION = {"naive": {"C": 1, "P": -1}, "customer_long": {"C": -1, "P": -1}}
positive = st.floats(1e-3, 1e3)


def d1(p, strike, sigma=SIGMA, tau=TAU):
    return (np.log(p / strike) + (RATE - CARRY + sigma**2 / 2) * tau) / (sigma * np.sqrt(tau))


def gamma(p, strike, sigma=SIGMA, tau=TAU):
    return np.exp(-CARRY * tau) * norm.pdf(d1(p, strike, sigma, tau)) / (p * sigma * np.sqrt(tau))


def delta(p, right, strike):
    sign = 1 if right == "C" else -1
    return sign * np.exp(-CARRY * TAU) * norm.cdf(sign * d1(p, strike))


def dealer(convention, p, greek):
    return sum(FRACTION[convention][right] * greek(p, right, k) * oi * 100 for right, k, oi in BOOK)


def dealer_gamma(convention, p):
    return dealer(convention, p, lambda p, right, k: gamma(p, k))


@pytest.mark.parametrize(
    ("g", "e", "a", "flow", "work"),
    [
        (-20e9, 30e9, 1.6666666666667, 300e6, 1.5e6),
        (0.0, 50e9, 1.0, 500e6, 2.5e6),
        (20e9, 70e9, 0.7142857142857, 700e6, 3.5e6),
    ],
)
def test_market_equation(g, e, a, flow, work):
    depth = 50e9
    assert physics.amplification(depth, g) == pytest.approx(a)
    assert physics.log_return(flow, depth, g) == pytest.approx(0.01)
    assert physics.work(depth + g, 0.01) == pytest.approx(work)
    assert physics.amplification(depth, g) * (depth + g) == pytest.approx(depth)
    assert physics.fragility(depth, g) == pytest.approx(-g / depth)
    assert e == depth + g


def test_no_dealers_is_exactly_neutral():
    assert physics.amplification(50e9, 0.0) == 1.0
    assert physics.fragility(50e9, 0.0) == 0.0
    assert not np.signbit(physics.fragility(50e9, 0.0))


def test_gamma_of_a_billion_per_percent():
    dealer_gamma_shares = 1e9 * 100 / 600**2
    assert dealer_gamma_shares == pytest.approx(277_777.8, abs=0.05)
    slope = 0.01 * 600 / 70e6
    inverse = physics.depth_from_lambda(600, 0.01 * 600 / 70e6) / 600**2
    assert 1 / slope == pytest.approx(inverse)
    # One ADV per 1 % is sigma_d = 1 % in the linear law.
    assert 1 / physics.linear_lambda(600, 70e6 * 600, 0.01) == pytest.approx(11_666_666.7, abs=0.05)
    assert slope * dealer_gamma_shares == pytest.approx(0.0238095, abs=5e-8)


@settings(max_examples=60)
@given(positive, st.floats(-2e3, 1e3))
def test_amplification_times_stiffness_is_depth(depth, g):
    a = physics.amplification(depth, g)
    if depth + g > 0:
        assert a * (depth + g) == pytest.approx(depth)
        assert 1 / a == pytest.approx(1 - physics.fragility(depth, g), rel=1e-9, abs=1e-12)
    else:
        assert np.isnan(a)
        assert physics.fragility(depth, g) >= 1


@settings(max_examples=60)
@given(positive, positive, st.floats(0.001, 0.2), st.floats(0.2, 3.0))
def test_depth_laws_agree_where_they_must(spot, adv, sigma, y):
    linear = physics.linear_depth(adv, sigma, y)
    slope = physics.linear_lambda(spot, adv, sigma, y)
    assert physics.depth_from_lambda(spot, slope) == pytest.approx(linear)
    assert physics.lambda_from_bps(spot, y * sigma * 1e10 / adv) == pytest.approx(slope)
    assert 0.01 * linear / adv == pytest.approx(0.01 / (y * sigma))
    assert physics.square_root_depth(y * sigma / 2, adv, sigma, y) == pytest.approx(linear)
    assert physics.square_root_move(adv, adv, sigma, y) == pytest.approx(y * sigma)
    assert adv / linear == pytest.approx(y * sigma)
    assert physics.square_root_flow(y * sigma, adv, sigma, y) == pytest.approx(adv)


@pytest.mark.parametrize(("adv", "sigma"), [(0.0, 0.01), (1e8, 0.0), (np.nan, 0.01), (1e8, np.nan)])
def test_no_volume_or_no_movement_is_no_depth(adv, sigma):
    assert np.isnan(physics.linear_depth(adv, sigma))


def test_printed_depth_values():
    assert physics.lambda_from_bps(S, 1.0) == pytest.approx(LAMBDA)
    assert 0.01 * 1e10 / 100e6 == 1.0
    assert physics.square_root_move(0.01, 1.0, 0.02) * 1e4 == pytest.approx(20.0)
    assert physics.book_depth(2e6, 0.001) == pytest.approx(2e9)


MINI = {
    "naive": {
        "k": 1_004_294.97095,
        "elasticity": 1.00429497095,
        "stiffness": 100_429_497.095,
        "a": 0.99572339694,
        "phi": -0.00429497095,
        "work": (502_565.91693, 501_678.95105),
        "energies": (1.00513183387, 1.00335790210),
        "energy": 1.00424486798,
        "asymmetry": -0.00088321675,
        "elasticities": (1.00492744466, 1.00359564875),
        "pressure": (-0.00492744466, -0.00359564875, -0.00133179592),
    },
    "customer_long": {
        "k": 982_894.71142,
        "elasticity": 0.98289471142,
        "stiffness": 98_289_471.142,
        "a": 1.01740297143,
        "phi": 0.01710528858,
        "work": (491_588.42119, 491_379.34804),
        "energies": (0.98317684238, 0.98275869609),
        "energy": 0.98296776923,
        "asymmetry": -0.00021269583,
        "elasticities": (0.98310041779, 0.98278643615),
        "pressure": (0.01689958221, 0.01721356385, -0.00031398164),
    },
}


@pytest.mark.parametrize("convention", MINI)
def test_mini_book(convention):
    want = MINI[convention]
    k = 1 / LAMBDA + dealer_gamma(convention, S * physics.PATH_RATIOS)
    depth, g = physics.depth_from_lambda(S, LAMBDA), dealer_gamma(convention, S) * S**2
    work = physics.path_work(S, k)
    mean = physics.path_elasticity(S, k, ADV)
    energies = physics.normalised_work(work.up, ADV), physics.normalised_work(work.down, ADV)
    forced = physics.pressure(
        S, *(dealer(convention, p, lambda p, right, strike: delta(p, right, strike)) for p in (99.0, 100.0, 101.0)), ADV
    )
    assert k[50] == pytest.approx(want["k"], abs=6e-6)
    assert 0.01 * S**2 * k[50] / ADV == pytest.approx(want["elasticity"], abs=6e-12)
    assert (depth + g) / 100 == pytest.approx(want["stiffness"], abs=6e-4)
    assert physics.amplification(depth, g) == pytest.approx(want["a"], abs=6e-12)
    assert physics.fragility(depth, g) == pytest.approx(want["phi"], abs=6e-12)
    assert work == pytest.approx(want["work"], abs=6e-6)
    assert energies == pytest.approx(want["energies"], abs=1.1e-11)
    assert physics.movement_energy(*energies) == pytest.approx(want["energy"], abs=1.1e-11)
    assert physics.energy_asymmetry(*work) == pytest.approx(want["asymmetry"], abs=6e-12)
    assert mean == pytest.approx(want["elasticities"], abs=6e-12)
    assert forced == pytest.approx(want["pressure"], abs=6e-12)
    # Flat smile: mean elasticity and forced hedging are one thing.
    base = 0.01 * S**2 / (LAMBDA * ADV)
    assert mean == pytest.approx((base - forced.up, base - forced.down), rel=1e-9)


def test_small_moves_force_the_first_order_hedge():
    gex_adv = dealer_gamma("naive", S) * S**2 * 0.01 / ADV
    for x in (1e-3, 1e-4):
        moved = (dealer("naive", S * (1 + x), delta) - dealer("naive", S, delta)) * S / ADV
        assert -moved == pytest.approx(-gex_adv * x * 100, rel=50 * x)


@settings(max_examples=40)
@given(positive, st.floats(1e3, 1e9))
def test_constant_k_is_one_parabola(spot, k):
    adv = 1e6
    e = 0.01 * spot**2 * k / adv
    work = physics.path_work(spot, np.full(101, k))
    assert physics.normalised_work(work, adv) == pytest.approx(e)
    assert physics.energy_asymmetry(*work) == pytest.approx(0.0, abs=1e-12)
    assert physics.path_elasticity(spot, np.full(101, k), adv) == pytest.approx((e, e))


def test_no_depth_limit():
    k = [1 / slope + dealer_gamma("naive", S * physics.PATH_RATIOS) for slope in (1e-6, 1e-9, 1e-12)]
    works = [physics.path_work(S, row).up for row in k]
    assert works[0] < works[1] < works[2] > 4e11
    assert physics.amplification(1e16, dealer_gamma("naive", S) * S**2) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize(("tau", "worst"), [(1 / 8760, 5e-4), (1 / 365, 1e-6), (7 / 365, 1e-6), (0.5, 1e-6)])
@pytest.mark.parametrize("sigma", [0.08, 0.2])
def test_simpson_against_adaptive_quadrature(tau, worst, sigma):
    def work(strike):
        return quad(
            lambda p: gamma(p, strike, sigma, tau) * (p - S), S, 1.01 * S, points=[min(max(strike, S), 1.01 * S)],
            epsabs=1e-13, limit=400,
        )[0]  # fmt: skip

    at_the_money = work(S)
    for strike in (97.0, 99.5, 100.0, 100.03, 100.51, 101.0, 101.3):
        found = physics.path_work(S, gamma(S * physics.PATH_RATIOS, strike, sigma, tau)).up
        assert abs(found - work(strike)) <= worst * at_the_money


@pytest.mark.parametrize("convention", MINI)
def test_simpson_on_the_mini_book(convention):
    exact = quad(lambda p: (1 / LAMBDA + dealer_gamma(convention, p)) * (p - S), S, 1.01 * S, epsabs=0, epsrel=1e-13)[0]
    found = physics.path_work(S, 1 / LAMBDA + dealer_gamma(convention, S * physics.PATH_RATIOS)).up
    assert found == pytest.approx(exact, rel=1e-11)


def test_potential_is_the_path_integral():
    works = potential(S, 1 / LAMBDA + dealer_gamma("naive", S * POTENTIAL_RATIOS))
    x = POTENTIAL_RATIOS[::2] - 1
    for i in (0, 7, 19, 20, 21, 40):
        exact = quad(lambda p: (1 / LAMBDA + dealer_gamma("naive", p)) * (p - S), S, S * (1 + x[i]), epsabs=1e-6)[0]
        assert works[i] == pytest.approx(exact, rel=1e-7, abs=1e-9)
    assert works[20] == 0.0
    assert potential(np.array([S, S]), np.ones((2, 81))).shape == (2, 41)


def test_wrong_number_of_nodes_is_named():
    with pytest.raises(ValueError, match=r"expected 101 nodes on the last axis, found an array of shape \(100,\)"):
        physics.path_work(S, np.ones(100))


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=51, max_size=51), positive)
def test_symmetric_profile_has_no_asymmetry(side, spot):
    half = np.array(side) + 1.1e6
    work = physics.path_work(spot, np.concatenate([half[:0:-1], half]))
    assert physics.energy_asymmetry(*work) == pytest.approx(0.0, abs=1e-12)


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6), min_size=101, max_size=101), st.floats(1.0, 1e6))
def test_more_gamma_at_every_node_is_more_work(profile, more):
    k = np.array(profile)
    low, high = physics.path_work(S, k), physics.path_work(S, k + more)
    assert high.up > low.up and high.down > low.down


@settings(max_examples=40)
@given(st.floats(1e-8, 1e-4), st.floats(1.01, 10.0), st.lists(st.floats(-1e3, 1e3), min_size=101, max_size=101))
def test_a_steeper_slope_is_less_stiffness_and_less_work(slope, steeper, gammas):
    low, high = (physics.path_work(S, 1 / value + np.array(gammas)) for value in (slope * steeper, slope))
    assert high.up > low.up and high.down > low.down
    assert physics.depth_from_lambda(S, slope) > physics.depth_from_lambda(S, slope * steeper)


@settings(max_examples=40)
@given(positive, st.floats(-0.9, 5.0), st.floats(0.001, 5.0))
def test_more_dealer_gamma_is_less_amplification(depth, g, more):
    calm, nervous = physics.amplification(depth, depth * (g + more)), physics.amplification(depth, depth * g)
    assert calm < nervous


@pytest.mark.parametrize("g", [-50e9, -80e9])
def test_an_unstable_book_has_no_amplification_but_finite_work(g):
    assert np.isnan(physics.amplification(50e9, g)) and np.isnan(physics.log_return(1e6, 50e9, g))
    work = physics.path_work(S, np.full(101, (50e9 + g) / S**2))
    assert np.isfinite(work).all() and work.up <= 0.0
    assert physics.fragility(50e9, g) >= 1.0


def test_pressure_changes_sign_with_the_book():
    forced = physics.pressure(S, 1.0, 2.0, 5.0, ADV)
    turned = physics.pressure(S, -1.0, -2.0, -5.0, ADV)
    assert turned == tuple(-part for part in forced)


def test_energies_are_floored_one_by_one():
    assert physics.movement_energy(-1.0, 3.0) == 1.5
    assert physics.energy_asymmetry(-1.0, 3.0) == 1.0
    assert np.isnan(physics.energy_asymmetry(-1.0, -2.0))
