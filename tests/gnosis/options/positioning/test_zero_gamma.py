import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import ndtr

from gnosis.options.arrays import frozen
from gnosis.options.positioning.bands import Prior, prior_lines
from gnosis.options.positioning.conventions import DEALER_FRACTION, FRACTIONS_SCHEMA
from gnosis.options.positioning.dealer_book import dealer_book
from gnosis.options.positioning.zero_gamma import net_gamma_profile, profile_ratios, zero_gamma

RATE, CARRY, TAU = 0.05, 0.015, 30 / 365
KEY = ["session", "symbol", "expiry", "settlement", "root"]


def found(greeks, convention="naive", expiry_set="all", index_symbols=(), revaluation="sticky_moneyness"):
    rows = zero_gamma(dealer_book(greeks, [convention], index_symbols, None, None), revaluation)
    return rows.filter(pl.col("expiry_set") == expiry_set).row(0, named=True)


def drift(sigma, tau=TAU):
    return np.exp(-(RATE - CARRY + sigma**2 / 2) * tau)


def skewed(k):
    return 0.2 - 0.4 * k + 1.5 * k * k


def slow_moments(greeks, ratio, convention, revaluation, index_symbols=(), prior=None):
    """Net, mean, variance and bound of gamma at one spot, in shares per $, contract by contract."""
    x, rho, net, mean, own, bound, groups = DEALER_FRACTION[convention], 0.8, 0.0, 0.0, 0.0, 0.0, {}
    for _, expiry in prior_lines(greeks, index_symbols, prior).group_by(KEY):
        smile = expiry.drop_nulls("iv").unique("strike").sort("strike")
        knots = np.log((smile["strike"] / smile["forward"]).to_numpy())
        for row in expiry.drop_nulls(["iv", "open_interest"]).iter_rows(named=True):
            k = np.log(row["strike"] / (row["forward"] * ratio))
            sigma = row["iv"] if revaluation == "sticky_strike" else np.interp(k, knots, smile["iv"].to_numpy())
            root = sigma * np.sqrt(row["tau_years"])
            d1 = -k / root + root / 2
            carry = row["forward"] * row["discount"] / row["spot"]
            gamma = carry * np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) / (row["spot"] * ratio * root)
            g = gamma * row["open_interest"] * row["multiplier"]
            net += x[row["right"]] * g
            mean += row["prior_mean"] * g
            bound += g
            own += (row["prior_sd"] * g) ** 2
            groups[row["group"]] = groups.get(row["group"], 0.0) + row["prior_sd"] * g
    return net, mean, rho * sum(s * s for s in groups.values()) + (1 - rho) * own, bound


@pytest.fixture(scope="module")
def chain(book):
    """Three expiries with skewed smiles and gaps, one of them also morning-settled; unknown interest; more puts."""
    rng = np.random.default_rng(7)
    strikes = [82.0, 90.0, 95.0, 98.0, 99.5, 100.0, 100.5, 102.0, 105.0, 112.0]

    def contracts():
        sizes = {"C": 3000, "P": 3600}
        return [
            (r, k, None if rng.random() < 0.1 else float(rng.integers(0, sizes[r]) * np.exp(-abs(k - 97) / 15)))
            for r in ("C", "P")
            for k in strikes
            if rng.random() < 0.9
        ]

    parts = [book(contracts(), days=days, smile=skewed) for days in (1, 16, 90)]
    morning = book(contracts(), days=16, smile=lambda k: skewed(k) + 0.05)
    parts.append(morning.with_columns(root=pl.lit("AAAW"), settlement=pl.lit("am").cast(morning.schema["settlement"])))
    return pl.concat(parts)


def test_nodes_are_those_of_the_definition():
    nodes = profile_ratios()
    assert nodes.size == 182
    assert (nodes[0], nodes[-1]) == (0.8, 1.2)
    assert 1.0 in nodes
    wide = nodes[(nodes < 0.99) | (nodes > 1.01)]
    assert np.diff(np.log(wide))[:5] == pytest.approx(np.log(1.5) / 80)
    assert np.isin(0.99 + 0.0002 * np.arange(101), nodes.round(12)).sum() > 95


@pytest.mark.parametrize("revaluation", ["sticky_moneyness", "sticky_strike"])
@pytest.mark.parametrize("convention", ["naive", "customer_long"])
def test_profile_and_band_equal_their_slow_twin(chain, revaluation, convention):
    fast = net_gamma_profile(chain, "all", convention, ["AAA"], revaluation=revaluation)
    assert fast.height == 182
    for row in fast[::7].iter_rows(named=True):
        slow = slow_moments(chain, row["spot_ratio"], convention, revaluation, ["AAA"])
        net, mean, bound = (slow[i] * row["spot"] ** 2 * 0.01 for i in (0, 1, 3))
        sd = np.sqrt(slow[2]) * row["spot"] ** 2 * 0.01
        assert row["gex_usd_per_pct"] == pytest.approx(net, rel=1e-12, abs=1e-12 * bound)
        assert row["gex_p10_usd_per_pct"] == pytest.approx(max(mean - 1.2815515655446004 * sd, -bound), rel=1e-11)
        assert row["gex_p90_usd_per_pct"] == pytest.approx(min(mean + 1.2815515655446004 * sd, bound), rel=1e-11)
        assert row["gex_positive_probability"] == pytest.approx(ndtr(mean / sd), rel=1e-11)


@pytest.mark.parametrize("revaluation", ["sticky_moneyness", "sticky_strike"])
def test_flips_are_all_the_roots_of_the_slow_twin(chain, revaluation):
    def net(ratio):
        return slow_moments(chain, ratio, "naive", revaluation)[0]

    grid = np.linspace(0.8, 1.2, 161)
    values = [net(ratio) for ratio in grid]
    brackets = [(a, b) for a, b, u, v in zip(grid, grid[1:], values, values[1:], strict=False) if u * v < 0]
    roots = [100 * brentq(net, a, b, xtol=1e-13) for a, b in brackets]
    assert roots, "a chain without a flip proves nothing"
    assert found(chain, revaluation=revaluation)["flips"] == pytest.approx(roots, abs=1e-6)


def test_zone_ends_where_the_sign_is_nine_tenths_sure(chain):
    prior = Prior(sd_index=0.1)
    book = dealer_book(chain, ["naive"], ["AAA"], prior, None)
    zone = zero_gamma(book).filter(pl.col("expiry_set") == "all").row(0, named=True)
    low, flip, high = (zone[name] / 100 for name in ("flip_zone_low", "nearest_flip", "flip_zone_high"))
    assert 0.8 < low < flip < high < 1.2

    def odds(ratio):
        _, mean, variance, _ = slow_moments(chain, ratio, "naive", "sticky_moneyness", ["AAA"], prior)
        return ndtr(mean / np.sqrt(variance))

    assert sorted([odds(low), odds(high)]) == pytest.approx([0.1, 0.9], rel=1e-9)
    assert all(0.1 < odds(ratio) < 0.9 for ratio in np.linspace(low, high, 9)[1:-1])


def test_a_prior_without_sign_is_nowhere_sure(book):
    single = found(book([("P", 95.0, 1.0), ("C", 105.0, 1.0)]))
    assert (single["flip_zone_low"], single["flip_zone_high"]) == (pytest.approx(80), pytest.approx(120))


def test_no_zone_where_the_prior_contradicts_the_convention(book):
    strikes = [("C", 95.0, 1000.0), ("C", 105.0, 1000.0), ("P", 100.0, 1.0)]
    frame = book(strikes)
    x = pl.when(pl.col("strike") == 95).then(-1.0).otherwise(1.0)
    fractions = frame.select(
        *KEY, "right", "strike", "known_at", "provider", "synthetic",
        sign_convention=pl.lit("flow_signed", dtype=FRACTIONS_SCHEMA["sign_convention"]),
        x=x,
    )  # fmt: skip
    rows = zero_gamma(dealer_book(frame, ["flow_signed"], ["AAA"], None, fractions))
    row = rows.filter(pl.col("expiry_set") == "all").row(0, named=True)
    assert row["n_flips"] == 1
    assert row["flip_zone_low"] is None and row["flip_zone_high"] is None


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.85, 0.999), st.floats(1.001, 1.15), st.floats(0.05, 0.8), st.sampled_from([1, 7, 30, 200]),
    st.floats(1, 1e5),
)  # fmt: skip
def test_one_call_and_one_put(book, low, high, sigma, days, held):
    root = 100 * np.sqrt(low * high) * drift(sigma, days / 365)
    assume(80 < root < 120)
    row = found(book([("P", 100 * low, held), ("C", 100 * high, held)], days=days, smile=lambda k: sigma))
    assert row["flips"] == pytest.approx([root], rel=1e-8)
    assert row["nearest_flip"] == row["flips"][0] and row["profile_sign"] is None


def test_published_root_of_one_call_and_one_put(book):
    assert found(book([("P", 95.0, 1.0), ("C", 105.0, 1.0)]))["flips"] == pytest.approx([99.42445135846], abs=1e-10)


def test_root_where_gamma_is_smaller_than_any_double(book):
    frame = book([("P", 95.0, 1.0), ("C", 105.0, 1.0)], days=1 / 24, smile=lambda k: 0.02)
    frame = frame.with_columns(dte_days=pl.lit(0, dtype=pl.Int64))
    assert found(frame)["flips"] == pytest.approx([100 * np.sqrt(0.95 * 1.05) * drift(0.02, 1 / 8760)], abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.03, 0.08), st.floats(0.1, 0.4), st.floats(0.1, 3.0))
def test_two_calls_around_a_put(book, h, sigma, c):
    alpha = h / (sigma * np.sqrt(TAU))
    z = c / 2 * np.exp(alpha**2 / 2)
    assume(abs(z - 1) > 0.05)
    row = found(
        book([("C", 100 * np.exp(-h), 1.0), ("C", 100 * np.exp(h), 1.0), ("P", 100.0, c)], smile=lambda k: sigma)
    )
    if z < 1:
        assert (row["flips"], row["profile_sign"]) == ([], 1)
        return
    u = np.arccosh(z) / alpha * sigma * np.sqrt(TAU)
    roots = [100 * drift(sigma) * np.exp(side * u) for side in (-1, 1)]
    assert row["flips"] == pytest.approx([root for root in roots if 80 < root < 120], rel=1e-9)


@pytest.mark.parametrize(("c", "roots"), [(0.5, []), (1.0, []), (1.5, [96.7302195107, 102.4498504124])])
def test_published_roots_of_two_calls_around_a_put(book, c, roots):
    row = found(book([("C", 100 * np.exp(-0.05), 1.0), ("C", 100 * np.exp(0.05), 1.0), ("P", 100.0, c)]))
    assert row["flips"] == pytest.approx(roots, abs=1e-9)
    assert row["n_flips"] == len(roots)
    assert row["profile_sign"] == (None if roots else 1)


def test_nearest_flip_of_two(book):
    row = found(book([("C", 100 * np.exp(-0.05), 1.0), ("C", 100 * np.exp(0.05), 1.0), ("P", 100.0, 1.5)]))
    assert row["nearest_flip"] == row["flips"][1]


@pytest.mark.parametrize(
    ("convention", "roots", "sign"),
    [("naive", [97.13207785], None), ("inverted", [97.13207785], None), ("customer_long", [], -1)],
)
def test_reference_mini_book(mini_book, convention, roots, sign):
    row = found(mini_book, convention)
    assert row["flips"] == pytest.approx(roots, rel=1e-9)
    assert row["profile_sign"] == sign


def test_only_calls_have_a_sign_and_no_flip(book):
    row = found(book([("C", 95.0, 10.0), ("C", 105.0, 3.0)]))
    assert (row["flips"], row["n_flips"], row["profile_sign"], row["nearest_flip"]) == ([], 0, 1, None)


def test_gamma_that_cancels_everywhere_has_no_sign(book):
    row = found(book([("C", 100.0, 10.0), ("P", 100.0, 10.0)]))
    assert (row["flips"], row["profile_sign"]) == ([], 0)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-3, 1e4), st.floats(0.01, 100))
def test_roots_do_not_depend_on_size_and_scale_with_price(chain, a, b):
    flips = np.array(found(chain)["flips"])
    more = chain.with_columns(pl.col("open_interest") * a)
    np.testing.assert_allclose(found(more)["flips"], flips, rtol=1e-9)
    prices = chain.with_columns(pl.col("spot", "strike", "forward") * b, gamma_per_usd=pl.col("gamma_per_usd") / b)
    np.testing.assert_allclose(found(prices)["flips"], b * flips, rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.floats(85, 115))
def test_roots_do_not_depend_on_where_spot_is_on_a_flat_smile(book, spot):
    contracts = [("C", 100 * np.exp(-0.05), 1.0), ("C", 100 * np.exp(0.05), 1.0), ("P", 100.0, 1.5)]
    seen = [root for root in (96.7302195107, 102.4498504124) if 0.8 * spot < root < 1.2 * spot]
    assert found(book(contracts, spot=spot))["flips"] == pytest.approx(seen, rel=1e-9)


def test_a_node_that_is_exactly_zero_counts_once():
    from gnosis.options.positioning.zero_gamma_kernel import Books, search

    # k = 1/32 +- 1/8 with volatility 1/4 and one year: d1 = -+0.5 at spot, to the bit.
    k, iv = 1 / 32 + np.array([-0.125, 0.125]), np.full(2, 0.25)
    cuts = np.array([0, 2])
    books = Books(
        expiries=np.array([0, 1]), sets=np.array([1]), knots=cuts, knot_k=k, knot_iv=iv, knot_slope=np.zeros(2),
        lines=cuts, k=k, iv=iv, root_tau=np.ones(2), scale=np.ones(2), signed=np.array([[-1.0, 0.0], [1.0, 0.0]]),
        gross=np.ones(2), spread=np.zeros((2, 2)), group=np.zeros((2, 2), dtype=np.int64),
    )  # fmt: skip
    counts, sign, nearest = np.zeros((1, 1, 1), np.int64), np.zeros((1, 1, 1), np.int64), np.zeros((1, 1, 1))
    frozen_books = Books(*(frozen(values, values.shape) for values in books))
    nodes, flips = np.log(profile_ratios()), np.empty(181)
    written = search(frozen_books, 0, 1, 1, 1, nodes, 0.8, True, counts, sign, nearest, np.zeros((1, 1, 1, 2)), flips)
    assert flips[:written].tolist() == [0.0]


def test_sets_are_searched_apart(chain):
    book = dealer_book(chain, ["naive"], [], None, None)
    rows = zero_gamma(book)
    assert rows["expiry_set"].to_list() == ["0dte", "next_weekly", "next_monthly", "all"]
    assert rows["n_flips"].is_null().to_list() == [True, False, False, False]
    weekly = book.contracts.filter(pl.col("sets") & 2 > 0)["expiry"].unique()
    alone = chain.filter(pl.col("expiry").is_in(weekly.implode()))
    assert rows["flips"].to_list()[1] == found(alone)["flips"]


def test_one_night_equals_the_backfill_on_any_number_of_threads(chain):
    names = ("AAA", "BBB", "CCC")
    other = [
        chain.with_columns(symbol=pl.lit(name), open_interest=pl.col("open_interest") * (pl.col("strike") % 7 + i))
        for i, name in enumerate(names)
    ]
    together = [
        zero_gamma(dealer_book(pl.concat(other), ["naive", "customer_long"], ["BBB"], None, None), threads=n)
        for n in (1, 2, 5)
    ]
    assert together[0].equals(together[1]) and together[0].equals(together[2])
    alone = zero_gamma(dealer_book(other[1], ["naive", "customer_long"], ["BBB"], None, None))
    assert together[0].filter(pl.col("chain") == 1).drop("chain").equals(alone.drop("chain"))


def test_profile_of_several_chains_is_refused(book):
    two = pl.concat([book([("C", 100.0, 1.0)], symbol=name) for name in ("AAA", "BBB")])
    with pytest.raises(ValueError, match="expected one chain, found 2"):
        net_gamma_profile(two)
    with pytest.raises(ValueError, match="expiry_set: expected one of"):
        net_gamma_profile(two, "monthly")
    with pytest.raises(ValueError, match="revaluation: expected one of"):
        net_gamma_profile(two, revaluation="sticky")


def test_profile_of_an_empty_set_has_no_rows(mini_book):
    assert net_gamma_profile(mini_book, "0dte").is_empty()
