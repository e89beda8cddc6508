"""Fitted surfaces against surfaces that are known, and against themselves."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.options.surface import svi
from gnosis.options.surface.fit import volatility_surface
from gnosis.options.surface.quotes import surface_quotes
from gnosis.options.surface.ssvi import Ssvi
from gnosis.options.surface.svi import RawSvi
from gnosis.tables import TABLES

TAU = np.array([7, 30, 60, 180]) / 365
STRIKES = np.linspace(-0.25, 0.2, 17)
KNOWN = Ssvi(-0.6, 1.1, 0.45)
THETA = 0.04 * TAU**0.9
SLICES, CERTIFICATE = TABLES["greeks.surface"], TABLES["greeks.surface_certificate"]


def ssvi_variance(k, number):
    return KNOWN.total_variance(k, THETA[number])


def iv_of(row: dict[str, float], k: np.ndarray) -> np.ndarray:
    raw = RawSvi(*(row[f"svi_{name}"] for name in RawSvi._fields))
    return np.sqrt(svi.total_variance(raw, k).w / row["tau_years"])


@pytest.fixture(scope="module")
def quotes(surface_greeks):
    return surface_greeks(TAU, STRIKES, ssvi_variance)


@pytest.fixture(scope="module")
def noisy(surface_greeks):
    return surface_greeks(TAU, STRIKES, ssvi_variance, noise=0.002, seed=3)


def test_ssvi_quotes_return_their_surface(quotes):
    found = volatility_surface(quotes)
    SLICES.schema.validate(found.slices, cast=False)
    CERTIFICATE.schema.validate(found.certificate, cast=False)
    rows = found.slices.sort("slice_number")
    assert rows["tau_years"].to_list() == TAU.tolist()
    assert rows["n_quotes"].to_list() == [17] * 4
    assert rows["ssvi_theta"].to_numpy() == pytest.approx(THETA, rel=1e-7)
    for name, expected in (("rho", -0.6), ("eta", 1.1), ("gamma", 0.45)):
        assert rows[f"ssvi_{name}"].to_numpy() == pytest.approx(np.full(4, expected), abs=1e-6)
    for number, row in enumerate(rows.iter_rows(named=True)):
        k = np.linspace(-0.4, 0.4, 41)
        assert iv_of(row, k) == pytest.approx(np.sqrt(ssvi_variance(k, number) / TAU[number]), abs=1e-7)
        assert row["atm_iv"] == pytest.approx(np.sqrt(THETA[number] / TAU[number]), abs=1e-8)
        wings = svi.jump_wing(RawSvi(*(row[f"svi_{name}"] for name in RawSvi._fields)), row["tau_years"])
        assert np.array(wings) == pytest.approx([row[f"jw_{name}"] for name in wings._fields], rel=1e-12)
    assert set(found.certificate["share_inside"]) == {1.0}
    assert set(found.slices["certificate"]) == {"passed"}
    assert set(found.slices["spot"]) == {99.0} and set(found.slices["provider"]) == {"cboe"}


def test_svi_quotes_return_their_surface(surface_greeks):
    """Slices with wings of their own, which no SSVI surface has."""
    known = [
        RawSvi(0.004, 0.045, -0.35, 0.02, 0.09),
        RawSvi(0.010, 0.070, -0.55, 0.00, 0.12),
        RawSvi(0.022, 0.100, -0.70, 0.05, 0.18),
    ]
    tau, k = np.array([0.1, 0.25, 0.6]), np.linspace(-0.5, 0.4, 31)
    found = volatility_surface(surface_greeks(tau, k, lambda k, j: svi.total_variance(known[j], k).w))
    rows = found.slices.sort("slice_number")
    assert rows["model"].to_list() == ["svi"] * 3
    assert rows["certificate"].to_list() == ["passed"] * 3
    for raw, row in zip(known, rows.iter_rows(named=True), strict=True):
        assert iv_of(row, k) == pytest.approx(np.sqrt(svi.total_variance(raw, k).w / row["tau_years"]), abs=1e-6)
    assert set(found.certificate["share_inside"]) == {1.0}


def test_noise_within_the_spread_stays_certified(noisy):
    found = volatility_surface(noisy)
    assert set(found.slices["certificate"]) == {"passed"}
    whole = found.certificate.filter(pl.col("slice_number") == 0).row(0, named=True)
    assert 0.05 < whole["rmse_vol_points"] < 0.25
    # The mean square miss of a fit with fewer parameters than quotes is below that of the noise.
    assert whole["rmse_vol_points"] < 0.21


def test_quotes_with_arbitrage_give_a_surface_without(surface_greeks):
    """Quotes of the Vogt slice, and of a longer slice that lies below a shorter one."""
    vogt = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
    crossing = [vogt, RawSvi(-0.0420, 0.1331, 0.3060, 0.3586, 0.4153), RawSvi(0.05, 0.2, -0.3, 0.0, 0.3)]
    tau = [1.0, 1.1, 2.0]
    quotes = surface_greeks(tau, np.linspace(-1.2, 1.2, 25), lambda k, j: svi.total_variance(crossing[j], k).w)
    found = volatility_surface(quotes)
    rows = found.certificate.filter(pl.col("slice_number") > 0)
    assert rows["min_g"].min() >= 0
    assert rows["min_calendar_gap"].min() >= -1e-10
    assert rows["density_mass"].to_numpy() == pytest.approx(np.ones(3), abs=1e-8)
    assert found.slices["model"].to_list() == ["svi"] * 3
    # The quotes deny what the surface must have: it lies off them, but not far.
    assert rows["share_inside"][0] < 0.8 < rows["share_inside"][2]
    assert rows["rmse_vol_points"].max() < 1.0


def test_few_strikes_take_the_ssvi_slice(surface_greeks):
    quotes = surface_greeks(TAU, STRIKES, ssvi_variance, noise=0.002)
    thin = quotes.filter((pl.col("dte_days") != 30) | pl.col("strike").is_in(quotes["strike"].unique().sort()[6:10]))
    none = thin.with_columns(iv_source=pl.when(pl.col("dte_days") == 60).then(pl.lit("none")).otherwise("iv_source"))
    found = volatility_surface(none.cast(TABLES["greeks.option_greeks"].polars_schema))
    rows = found.slices.sort("slice_number")
    assert rows["model"].to_list() == ["svi", "ssvi", "svi"]
    assert rows["n_quotes"].to_list() == [17, 4, 17]
    ssvi = rows.row(1, named=True)
    raw = Ssvi(*(ssvi[f"ssvi_{name}"] for name in ("rho", "eta", "gamma"))).raw_svi(np.array(ssvi["ssvi_theta"]))
    assert [ssvi[f"svi_{name}"] for name in raw._fields] == pytest.approx(np.array(raw), rel=1e-12)
    rising = rows["ssvi_theta"].to_numpy()
    assert (np.diff(rising) >= 0).all()


def test_too_few_strikes_for_any_shape_give_no_surface(surface_greeks):
    found = volatility_surface(surface_greeks(TAU, [-0.05], ssvi_variance))
    assert found.slices.equals(SLICES.empty()) and found.certificate.equals(CERTIFICATE.empty())
    assert volatility_surface(TABLES["greeks.option_greeks"].empty()).slices.equals(SLICES.empty())


def test_morning_and_afternoon_roots_are_separate_slices(surface_greeks):
    hours = 6.5 / 8760
    tau = np.array([30 / 365 - hours, 30 / 365])
    quotes = surface_greeks(tau, STRIKES, lambda k, j: KNOWN.total_variance(k, 0.04 * tau[j]))
    is_morning = pl.col("tau_years") < 30 / 365
    quotes = quotes.with_columns(
        settlement=pl.when(is_morning).then(pl.lit("am")).otherwise(pl.lit("pm")),
        root=pl.when(is_morning).then(pl.lit("SPX")).otherwise(pl.lit("SPXW")),
    ).cast(TABLES["greeks.option_greeks"].polars_schema)
    rows = volatility_surface(quotes).slices.sort("slice_number")
    assert rows["expiry"].n_unique() == 1
    assert rows.select("settlement", "root").rows() == [("am", "SPX"), ("pm", "SPXW")]
    assert rows["svi_b"].n_unique() == 2


def test_result_depends_on_nothing_but_the_session(noisy, surface_greeks):
    """Permuted rows, one session alone or in a batch, one thread or two: the same bytes."""
    other = surface_greeks(TAU[:3], STRIKES, ssvi_variance, noise=0.003, seed=5, symbol="ABC")
    earlier = surface_greeks(TAU, STRIKES, ssvi_variance, noise=0.004, seed=7, session=dt.date(2019, 5, 14))
    batch = pl.concat([noisy, other, earlier])
    alone = volatility_surface(noisy)
    together = volatility_surface(batch.sample(fraction=1.0, shuffle=True, seed=2), threads=2)
    for one, many in zip(alone, together, strict=True):
        assert_frame_equal(one, many.filter((pl.col("symbol") == "XYZ") & (pl.col("session") == one["session"][0])))
    assert together.slices.select("session", "symbol").unique().height == 3
    for name, one, two in zip(alone._fields, together, volatility_surface(batch, threads=1), strict=True):
        assert one.equals(two), name
    for threads in (0, 1.5):
        with pytest.raises(ValueError, match=f"threads: expected a positive whole number, found {threads}"):
            volatility_surface(noisy, threads=threads)


def test_scaling_prices_changes_nothing_but_spot_and_forward(noisy):
    dollars = ["spot", "strike", "forward"]
    scaled = volatility_surface(noisy.with_columns(pl.col(dollars) * 8.0))
    found = volatility_surface(noisy)
    assert_frame_equal(scaled.certificate, found.certificate)
    assert_frame_equal(scaled.slices.drop("spot", "forward"), found.slices.drop("spot", "forward"))


def test_one_quote_per_strike_and_what_its_width_is(quotes):
    bid, ask = pl.col("iv_bid"), pl.col("iv_ask")
    row = pl.int_range(pl.len())
    k = (pl.col("strike") / 100).log().round(6)
    first = pl.col("dte_days") == 7
    rare = quotes.with_columns(
        iv_bid=pl.when(first & (k == k.min())).then(None).when(first & (k == k.max())).then(None).otherwise(bid),
        iv_ask=pl.when(first & (k == k.max())).then(None).otherwise(ask),
        multiplier=pl.lit(100.0),
        deliverable_shares=pl.when(row.over("expiry", "strike") < 2).then(100.0),
    ).with_columns(
        deliverable_shares=pl.when(pl.col("dte_days") == 30).then(150.0).otherwise("deliverable_shares"),
        iv_ask=pl.when(pl.col("dte_days") == 60).then(pl.col("iv") + 1e-5).otherwise("iv_ask"),
        iv_bid=pl.when(pl.col("dte_days") == 60).then(pl.col("iv") - 1e-5).otherwise("iv_bid"),
    )
    found = surface_quotes(rare.cast(quotes.schema))
    assert found.group_by("expiry").len().sort("expiry")["len"].to_list() == [16, 17, 17]
    week = found.filter(pl.col("tau_years") == TAU[0])
    assert week["width"].to_numpy() == pytest.approx(np.full(16, 0.008))
    assert week["iv_bid"].to_list()[0] == 0.0
    assert set(found.filter(pl.col("tau_years") == TAU[2])["width"]) == {0.001}
    assert found["log_moneyness"].to_numpy()[:3] == pytest.approx(STRIKES[:3])


def test_a_chain_made_from_the_fitted_surface_returns_it(noisy, surface_greeks):
    fitted = volatility_surface(noisy).slices.sort("slice_number")
    raw = [RawSvi(*row) for row in fitted.select([f"svi_{name}" for name in RawSvi._fields]).iter_rows()]
    again = volatility_surface(surface_greeks(TAU, STRIKES, lambda k, j: svi.total_variance(raw[j], k).w))
    for one, two in zip(
        fitted.iter_rows(named=True), again.slices.sort("slice_number").iter_rows(named=True), strict=True
    ):
        assert iv_of(two, STRIKES) == pytest.approx(iv_of(one, STRIKES), abs=2e-5)
    assert set(again.certificate["share_inside"]) == {1.0}


def test_whatever_the_quotes_no_surface_has_arbitrage(surface_greeks):
    """Noise of a fifth of the volatility, an hour to three years, 3 % to 300 %: at worst the quotes are missed."""
    draws = np.random.default_rng(11)
    frames = []
    for number in range(60):
        tau = np.sort(np.exp(draws.uniform(np.log(1 / 8760), np.log(3), draws.integers(1, 7))))
        level, skew = np.exp(draws.uniform(np.log(0.03), np.log(3))), draws.uniform(-1, 1)
        k = np.sort(draws.uniform(-1, 0.5, draws.integers(1, 25))) * draws.choice([0.02, 0.1, 0.5, 1.5])
        noise = np.exp(draws.choice([0.001, 0.02, 0.2]) * draws.standard_normal((tau.size, k.size)))
        w = tau[:, None] * (level * noise * np.maximum(0.2, 1 + skew * k / np.sqrt(tau[:, None] + 0.01))) ** 2
        frames.append(surface_greeks(tau, k, lambda k, j, w=w: w[j], 0.02 * level, symbol=f"S{number:02d}"))
        days = (1 + pl.col("tau_years").rank("dense")).cast(pl.Int64)
        frames[-1] = frames[-1].with_columns(expiry=pl.col("session") + pl.duration(days=1) * days)
    found = volatility_surface(pl.concat(frames), threads=2)
    SLICES.schema.validate(found.slices, cast=False)
    CERTIFICATE.schema.validate(found.certificate, cast=False)
    assert set(found.certificate["failed_rules"]) <= {"", "share_inside"}
    assert found.slices["model"].n_unique() == 2
