from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gnosis.options import greeks, implied_vol
from gnosis.options.pricing.implied_vol import IV_REASONS
from gnosis.options.pricing.strike_grid import grid_exposure, grid_greeks, grid_implied_vol

SHARED = ("gamma_per_usd", "vega_per_vol", "vanna_per_vol", "vomma_per_vol2", "speed_per_usd2", "zomma_per_usd_vol")
OWN = ("price", "delta", "theta_per_year", "rho_per_unit", "charm_per_year")


class Chain:
    """Expiries with 0, 1, 700 and 90 lines, in and out of the money."""

    def __init__(self) -> None:
        generator = np.random.default_rng(3)
        counts = np.array([0, 1, 700, 90])
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.tau = np.array([1 / 8760, 2 / 365, 0.25, 1.5])
        self.forward, self.discount = 6000 * np.exp(0.02 * self.tau), np.exp(-0.04 * self.tau)
        self.terms = (self.tau, self.forward, self.discount, self.starts)
        self.by_line = tuple(np.repeat(term, counts) for term in self.terms[:3])
        self.strike = np.round(self.by_line[1] * np.exp(generator.uniform(-0.4, 0.3, counts.sum())))
        self.iv = generator.uniform(0.08, 0.6, counts.sum())


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


@pytest.fixture(scope="module")
def valued(chain):
    return grid_greeks(6000, chain.strike, chain.iv, *chain.terms)


@pytest.mark.parametrize("right", [0, 1])
@pytest.mark.parametrize("name", OWN + SHARED)
def test_greeks_are_those_of_the_single_contracts(chain, valued, right, name):
    single = getattr(greeks(6000, chain.strike, *chain.by_line, chain.iv, right == 0), name)
    found = getattr(valued, name)[right] if name in OWN else getattr(valued, name)
    np.testing.assert_allclose(found, single, rtol=1e-13, atol=1e-15 * np.abs(single).max())


def test_volatilities_are_those_of_the_option_out_of_the_money(chain, valued):
    is_call = chain.strike >= chain.by_line[1]
    found = grid_implied_vol(*valued.price, chain.strike, *chain.terms)
    single = implied_vol(np.where(is_call, *valued.price), chain.strike, *chain.by_line, is_call)
    np.testing.assert_array_equal(found.iv, single.iv)
    np.testing.assert_array_equal(found.reason, single.reason)
    assert (found.reason == 0).sum() > 700
    solved = found.reason == 0
    assert (np.abs(found.iv - chain.iv)[solved] <= found.error[solved]).all()


def test_the_other_price_serves_by_parity_where_one_is_missing(chain, valued):
    call, put = valued.price.copy()
    is_call = chain.strike >= chain.by_line[1]
    call[is_call], put[~is_call] = np.nan, np.nan
    found = grid_implied_vol(call, put, chain.strike, *chain.terms)
    single = implied_vol(np.where(is_call, put, call), chain.strike, *chain.by_line, ~is_call)
    np.testing.assert_array_equal(found.iv, single.iv)
    np.testing.assert_array_equal(found.error, single.error)
    solved = found.reason == 0
    assert solved.any() and (np.abs(found.iv - chain.iv)[solved] <= found.error[solved]).all()
    neither = grid_implied_vol(call * np.nan, put * np.nan, chain.strike, *chain.terms)
    assert (neither.reason == IV_REASONS.index("missing")).all()


def test_threads_do_not_change_a_bit(chain):
    strike, iv = np.tile(np.sort(chain.strike), 12), np.tile(chain.iv, 12)
    terms = ([0.1, 0.5], [6000.0, 6100.0], [0.99, 0.97], [0, 4100, strike.size])
    one, two = (grid_greeks(6000, strike, iv, *terms, threads=threads) for threads in (1, 2))
    for column, other in zip(one, two, strict=True):
        np.testing.assert_array_equal(column, other)
    for column, other in zip(
        *(grid_implied_vol(*one.price, strike, *terms, threads=threads) for threads in (1, 2)), strict=True
    ):
        np.testing.assert_array_equal(column, other)


def test_missing_volatilities_and_terms_give_missing_greeks():
    terms = ([0.1, np.nan], [100.0, 100.0], [1.0, 1.0], [0, 2, 3])
    found = grid_greeks(100, [95, 105, 95], [0.2, np.nan, 0.2], *terms)
    for column in found:
        assert np.isfinite(column[..., 0]).all() and np.isnan(column[..., 1:]).all()


def test_a_spot_per_expiry():
    terms = ([0.1, 0.1], [100.0, 50.0], [1.0, 1.0], [0, 1, 2])
    found = grid_greeks([100, 50], [105, 52.5], [0.2, 0.2], *terms)
    np.testing.assert_allclose(found.delta[:, 0], found.delta[:, 1], rtol=1e-14)
    np.testing.assert_allclose(found.gamma_per_usd[1], 2 * found.gamma_per_usd[0], rtol=1e-14)


def test_results_can_be_written_to_memory_of_the_caller(chain, valued):
    out = np.empty((16, chain.strike.size))
    found = grid_greeks(6000, chain.strike, chain.iv, *chain.terms, out=out)
    assert all(np.shares_memory(column, out) for column in found)
    np.testing.assert_array_equal(found.charm_per_year, valued.charm_per_year)
    with pytest.raises(ValueError, match="out: expected C-contiguous float64 of shape"):
        grid_greeks(6000, chain.strike, chain.iv, *chain.terms, out=out.T)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strike": [95.0, -105.0]}, "strike: expected positive finite values in"),
        ({"strike": [[95.0], [105.0]]}, "strike: expected one number per strike line"),
        ({"iv": [0.2]}, r"iv: expected one number per strike line \(2\)"),
        ({"iv": [0.2, np.inf]}, "iv: expected positive finite values in"),
        ({"forward": [100.0, 100.0]}, r"forward: expected one number per expiry \(1\)"),
        ({"discount": [0.0]}, "discount: expected positive finite values in"),
        ({"starts": [0, 1]}, r"starts: expected ascending positions from 0 to the number of lines \(2\)"),
        ({"starts": []}, "starts: expected ascending positions"),
    ],
)
def test_impossible_arguments_are_refused_by_name(change, message):
    inputs = {"spot": 100, "strike": [95.0, 105.0], "iv": [0.2, 0.2], "tau_years": [0.1], "forward": [100.0]}
    inputs |= {"discount": [1.0], "starts": [0, 2]}
    with pytest.raises(ValueError, match=message):
        grid_greeks(**inputs | change)


# The mini-book of the option specification, section 9.1: dealers long calls and short puts, then customers long.
BOOK = {"interest": [[0, 800, 1000], [1000, 300, 0]], "strike": [95.0, 100.0, 105.0]}
NAIVE = {"gex_usd_per_pct": 429_497.09498, "dex_usd": 9_497_460.198, "vex_usd_per_volpt": 234_154.306}
NAIVE |= {"cex_usd_per_day": -81_779.59401}
CUSTOMER_LONG = {"gex_usd_per_pct": -1_710_528.85844, "dex_usd": -3_390_040.740, "vex_usd_per_volpt": -4_317.151851}
CUSTOMER_LONG |= {"cex_usd_per_day": 17_702.06539}


def mini_book():
    tau = 30 / 365
    terms = ([tau], [100 * np.exp(0.035 * tau)], [np.exp(-0.05 * tau)], [0, 3])
    prices = grid_greeks(100, BOOK["strike"], [0.2] * 3, *terms).price
    return prices, terms


@pytest.mark.parametrize(("fraction", "expected"), [([[1], [-1]], NAIVE), (-1.0, CUSTOMER_LONG)])
def test_exposures_of_the_mini_book(fraction, expected):
    prices, terms = mini_book()
    found = grid_exposure(100, *prices, BOOK["strike"], *terms, np.array(BOOK["interest"], float), fraction)
    for name, value in expected.items():
        assert getattr(found, name).sum() == pytest.approx(value, rel=1e-8)
    assert found.strike.tolist() == BOOK["strike"] and found.n_without_iv.tolist() == [0, 0, 0]


def test_exposures_by_strike_add_up_over_expiries_and_count_what_they_miss(chain, valued):
    call, put = valued.price.copy()
    call[5:9], put[5:9] = np.nan, np.nan
    interest = np.random.default_rng(1).integers(0, 3, (2, chain.strike.size)).astype(float)
    interest[0, 20] = np.nan
    found = grid_exposure(6000, call, put, chain.strike, *chain.terms, interest, [[1], [-1]])
    solved = grid_implied_vol(call, put, chain.strike, *chain.terms).iv
    rows = pl.concat(
        pl.DataFrame({"strike": chain.strike, "oi": interest[right], "iv": solved}).with_columns(
            gamma=pl.Series(valued.gamma_per_usd), delta=pl.Series(valued.delta[right]), x=pl.lit(1.0 - 2 * right)
        )
        for right in (0, 1)
    ).with_columns(pl.col("oi", "iv").fill_nan(None))
    held = rows.filter(pl.col("oi") > 0, pl.col("iv").is_not_null())
    size = pl.col("x") * pl.col("oi") * 100 * 6000
    sums = held.group_by("strike").agg(gex=(size * pl.col("gamma") * 60).sum(), dex=(size * pl.col("delta")).sum())
    expected = pl.DataFrame({"strike": found.strike}).join(sums, on="strike", how="left", maintain_order="left")
    np.testing.assert_allclose(found.gex_usd_per_pct, expected["gex"].fill_null(0), rtol=1e-9, atol=1e-3)
    np.testing.assert_allclose(found.dex_usd, expected["dex"].fill_null(0), rtol=1e-9, atol=1e-3)
    assert found.n_without_iv.sum() == rows.filter(pl.col("oi") > 0, pl.col("iv").is_null()).height > 0


def test_impossible_open_interest_and_fractions_are_refused():
    prices, terms = mini_book()
    with pytest.raises(ValueError, match=r"open_interest: expected contracts >= 0 of shape \(2, 3\)"):
        grid_exposure(100, *prices, BOOK["strike"], *terms, [[1.0] * 3], 1.0)
    with pytest.raises(ValueError, match=r"dealer_fraction: expected numbers in \[-1, 1\]"):
        grid_exposure(100, *prices, BOOK["strike"], *terms, np.ones((2, 3)), 1.5)
