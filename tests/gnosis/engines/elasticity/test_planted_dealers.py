"""Chains of a certified surface with dealers of known sides through the whole engine (K4), and its bands (E7)."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq

from gnosis.engines.elasticity import elasticity
from gnosis.options import levels, option_greeks
from gnosis.options.surface.ssvi import Ssvi
from gnosis.sessions import sessions_between
from gnosis.simulate import market
from gnosis.simulate.surface import gamma_per_usd

CONVENTIONS = ("naive", "customer_long", "inverted")
SIDES = {"naive": (1.0, -1.0), "customer_long": (-1.0, -1.0), "inverted": (-1.0, 1.0)}
DRAWS = 2_000


@pytest.fixture(scope="module")
def planted():
    """Eight sessions of a chain without ticks, its truth, and what is found; the next expiry is on 2009-01-16.

    On the last two days before an expiry contracts beyond the accepted quotes, whose volatility is taken as flat, weigh
    0.5% of gross gamma: more than 1% of a net sum in which calls and puts nearly cancel.
    """
    days = sessions_between(dt.date(2009, 1, 5), dt.date(2009, 1, 14))
    world = market("certified_surface", ["AAA"], days, seed=7)
    daily = market("daily", ["AAA"], sessions_between(dt.date(2008, 9, 2), days[-1]), seed=7)
    greeks = option_greeks(world.option_quotes, world.macro)
    found = levels(greeks, CONVENTIONS, ["AAA"], threads=1)
    rows = elasticity(
        greeks, found, daily.bars, quotes=world.option_quotes, conventions=CONVENTIONS, index_symbols=["AAA"]
    )
    return SimpleNamespace(days=days, truth=world.truth, greeks=greeks, levels=found, rows=rows)


def with_truth(planted):
    contracts = planted.truth.contracts.select(
        "session", "expiry", "strike", "forward", "discount", "iv", "tau_years", "theta", "rho", "eta"
    )
    return planted.greeks.join(contracts, on=["session", "expiry", "strike"], suffix="_planted", how="inner")


def test_forwards_are_the_planted_ones(planted):
    joined = with_truth(planted)
    assert joined.height == planted.greeks.height
    assert (joined["forward"] / joined["forward_planted"] - 1).abs().max() < 1e-4


def test_volatilities_are_the_planted_ones_within_two_standard_deviations(planted):
    distance = (pl.col("strike") / pl.col("forward_planted")).log().abs()
    near = with_truth(planted).filter(distance <= 2 * pl.col("iv_planted") * pl.col("tau_years_planted").sqrt())
    assert near.height > 500
    assert near["iv"].null_count() == 0
    assert (near["iv"] - near["iv_planted"]).abs().max() < 0.001


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_dealer_gamma_is_the_planted_one(planted, convention):
    call, put = SIDES[convention]
    held = call * pl.col("call_interest") + put * pl.col("put_interest")
    line = pl.col("gamma_per_usd") * held * 100.0 * pl.col("spot") ** 2
    lines = planted.truth.contracts.drop_nulls("oi_session")
    truth = lines.group_by("session").agg(gamma=line.sum(), gross=line.abs().sum()).sort("session")
    rows = planted.rows.filter(sign_convention=convention).sort("session")
    if convention == "naive":
        daily = planted.truth.daily.sort("session")
        np.testing.assert_allclose(daily["dealer_gamma_usd_per_unit"], truth["gamma"])
    np.testing.assert_allclose(rows["dealer_gamma_usd_per_unit"], truth["gamma"], rtol=0.01)
    np.testing.assert_allclose(rows["gex_usd_per_pct"], truth["gamma"] / 100, rtol=0.01)
    depth = rows["depth_usd_per_unit"].to_numpy()
    stiffness = depth + truth["gamma"].to_numpy()
    np.testing.assert_allclose(rows["stiffness_usd_per_pct"], stiffness / 100, rtol=0.01)
    np.testing.assert_allclose(rows["amplification"], np.where(stiffness > 0, depth / stiffness, np.nan), rtol=0.01)


def planted_gamma(lines, price):
    """Return the gamma of naive dealers at another price of the underlying, the smile at fixed moneyness."""
    column = {name: lines[name].to_numpy() for name in lines.columns if lines.schema[name].is_numeric()}
    forward = column["forward"] / column["spot"] * price
    k = np.log(column["strike"] / forward)
    w = Ssvi(column["rho"], column["eta"]).total_variance(k, column["theta"])
    spot = np.full_like(k, price)
    gamma = gamma_per_usd(spot, forward, column["discount"], column["strike"], w)
    return float((gamma * (column["call_interest"] - column["put_interest"])).sum())


def test_flips_are_the_planted_ones(planted):
    rows = planted.rows.filter(sign_convention="naive").sort("session")
    compared = 0
    for row in rows.iter_rows(named=True):
        lines = planted.truth.contracts.filter(session=row["session"]).drop_nulls("oi_session")
        grid = row["spot"] * np.exp(np.linspace(-0.1, 0.1, 201))
        net = np.array([planted_gamma(lines, price) for price in grid])
        crossings = np.flatnonzero(np.sign(net[1:]) != np.sign(net[:-1]))
        if crossings.size == 0:
            continue
        roots = [brentq(lambda p, of=lines: planted_gamma(of, p), grid[at], grid[at + 1]) for at in crossings]
        nearest = min(roots, key=lambda root: abs(np.log(root / row["spot"])))
        assert row["nearest_flip"] == pytest.approx(nearest, rel=1e-3)
        compared += 1
    assert compared >= 6


def test_band_and_totals_are_those_of_the_levels(planted):
    wanted = planted.levels.filter(pl.col("expiry_set") == "all").sort("session", "sign_convention")
    rows = planted.rows.sort("session", "sign_convention")
    for name, source in {
        "gex_usd_per_pct": "gex_usd_per_pct",
        "gex_p10": "gex_p10_usd_per_pct",
        "gex_p50": "gex_p50_usd_per_pct",
        "gex_p90": "gex_p90_usd_per_pct",
        "gex_hard_bound": "gex_bound_usd_per_pct",
        "gex_p_positive": "gex_positive_probability",
        "nearest_flip": "nearest_flip",
        "n_flips": "n_flips",
    }.items():
        assert rows[name].equals(wanted[source], check_names=False, check_dtypes=False), name


def test_the_band_of_the_engine_holds_the_truth_four_times_in_five(planted):
    """E7: sides drawn from the prior of an index (mean half of the naive side, sd 0.4, 0.8 of it in common)."""
    draws = np.random.default_rng(11)
    for day in planted.days[::4]:
        chain = planted.greeks.filter(pl.col("session") == day).drop_nulls(["gamma_per_usd", "open_interest"])
        weight = (chain["gamma_per_usd"] * chain["open_interest"] * 100.0 * chain["spot"] ** 2).to_numpy() / 100
        days = (chain["expiry"] - chain["session"]).dt.total_days().to_numpy()
        bucket = np.searchsorted([0.25, 0.75], chain["delta"].abs().to_numpy())
        is_call = (chain["right"] == "C").to_numpy()
        _, group = np.unique(
            np.stack([is_call, bucket, np.searchsorted([1, 7, 35], days)]), axis=1, return_inverse=True
        )
        common = draws.standard_normal((DRAWS, group.max() + 1))[:, group.ravel()]
        alone = draws.standard_normal((DRAWS, weight.size))
        side = 0.5 * np.where(is_call, 1, -1) + 0.4 * (np.sqrt(0.8) * common + np.sqrt(0.2) * alone)
        (row,) = planted.rows.filter(pl.col("session") == day, sign_convention="naive").iter_rows(named=True)
        net = side @ weight
        assert 0.77 < ((net > row["gex_p10"]) & (net < row["gex_p90"])).mean() < 0.83
        assert (net > 0).mean() == pytest.approx(row["gex_p_positive"], abs=0.03)


def test_an_undetermined_sign_is_never_called_damping_or_amplifying(planted):
    undetermined = planted.rows.filter("is_sign_undetermined")
    assert not set(undetermined["interpretation"].drop_nulls()) & {"damping", "amplifying", "neutral"}
