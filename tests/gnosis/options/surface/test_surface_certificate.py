"""The certificate: what it must find in surfaces with known faults, and what it blocks."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad

from gnosis.options.surface import svi
from gnosis.options.surface.certificate import RULES, UncertifiedSurfaceError, certified, surface_certificate
from gnosis.options.surface.fit import density, probability_below, volatility_surface
from gnosis.options.surface.ssvi import Ssvi
from gnosis.options.surface.svi import RawSvi
from gnosis.tables import TABLES

TAU = np.array([0.25, 1.0, 2.0])
THETA = np.array([0.01, 0.04, 0.16])
STRIKES = np.linspace(-0.4, 0.3, 15)
KNOWN = Ssvi(-0.7, 1.0)
VOGT = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
PARAMETERS = [f"svi_{name}" for name in RawSvi._fields]


@pytest.fixture(scope="module")
def quotes(surface_greeks):
    return surface_greeks(TAU, STRIKES, lambda k, j: KNOWN.total_variance(k, THETA[j]))


@pytest.fixture(scope="module")
def surface(quotes):
    return volatility_surface(quotes)


@pytest.fixture(scope="module")
def with_slice(surface):
    """The slices with the parameters of one of them replaced."""

    def build(number: int, raw: RawSvi) -> pl.DataFrame:
        values = {
            name: pl.when(pl.col("slice_number") == number).then(pl.lit(float(value))).otherwise(pl.col(name))
            for name, value in zip(PARAMETERS, raw, strict=True)
        }
        return surface.slices.with_columns(**values)

    return build


def row_of(certificate: pl.DataFrame, number: int) -> dict:
    return certificate.filter(pl.col("slice_number") == number).row(0, named=True)


def test_published_surface_passes_with_its_vectors(surface):
    rows = [row_of(surface.certificate, number) for number in range(4)]
    assert [row["certificate"] for row in rows] == ["passed"] * 4
    assert [row["failed_rules"] for row in rows] == [""] * 4
    gaps = [row["min_calendar_gap"] for row in rows]
    assert gaps[1:3] == pytest.approx([0.0136245, 0.05367646], abs=1e-8)
    assert gaps[0] == gaps[1] and gaps[3] is None
    # Density of theta = 0.04: mass and mean of e^k.
    assert [rows[2]["density_mass"], rows[2]["density_mean"]] == pytest.approx([1.0, 1.0], abs=1e-8)
    for row in rows[1:]:
        k = np.linspace(-1.5, 1.5, 2001)
        g = svi.density_factor(KNOWN.raw_svi(THETA[row["slice_number"] - 1]), k)
        assert row["min_g"] == pytest.approx(g.min(), abs=1e-7)
        assert row["argmin_g"] == pytest.approx(k[g.argmin()], abs=2e-3)
        assert row["share_inside"] == 1.0
        assert row["n_quotes"] == 15
    assert (rows[0]["n_quotes"], rows[0]["expiry"], rows[0]["root"]) == (45, None, None)
    assert rows[0]["min_g"] == min(row["min_g"] for row in rows[1:])


def test_vogt_slice_fails(with_slice, quotes):
    found = surface_certificate(with_slice(2, VOGT), quotes)
    row, whole = row_of(found, 2), row_of(found, 0)
    assert row["min_g"] == pytest.approx(-0.0328635735, abs=6e-11)
    assert row["argmin_g"] == pytest.approx(0.8792625, abs=1e-6)
    assert (row["g_limit_left"], row["g_limit_right"]) == pytest.approx((0.2494667203, 0.2481114761), abs=6e-11)
    assert (row["wing_left"], row["wing_right"]) == pytest.approx((0.1331 * 0.694, 0.1331 * 1.306))
    assert "min_g" in row["failed_rules"].split(",") and row["certificate"] == "failed"
    assert whole["certificate"] == "failed" and "min_g" in whole["failed_rules"]
    assert (whole["min_g"], whole["argmin_g"]) == (row["min_g"], row["argmin_g"])


def test_swapped_slices_cross(surface, quotes):
    order = {1: 2, 2: 1, 3: 3}
    source = surface.slices.select("slice_number", *PARAMETERS).with_columns(
        pl.col("slice_number").replace_strict(order, return_dtype=pl.Int64)
    )
    swapped = surface.slices.drop(PARAMETERS).join(source, on="slice_number").select(surface.slices.columns)
    found = surface_certificate(swapped, quotes)
    row, whole = row_of(found, 1), row_of(found, 0)
    assert row["min_calendar_gap"] < -0.01
    assert "min_calendar_gap" in row["failed_rules"] and whole["certificate"] == "failed"
    assert whole["min_calendar_gap"] == row["min_calendar_gap"]


def test_steep_wings_fail(with_slice, quotes):
    row = row_of(surface_certificate(with_slice(3, RawSvi(0.1, 1.9, 0.3, 0.0, 0.2)), quotes), 3)
    assert {"wing_right", "g_limit_right"} <= set(row["failed_rules"].split(","))
    assert "wing_left" not in row["failed_rules"]
    assert row["wing_right"] == pytest.approx(2.47)


@pytest.mark.parametrize(
    ("raw", "rule", "kept"),
    [
        (RawSvi(0.1, 1.9, 0.3, 0.0, 0.2), "density_mean", "density_mass"),
        (RawSvi(0.1, 1.9, -0.3, 0.0, 0.2), "density_mass", "density_mean"),
    ],
)
def test_mass_lost_in_a_steep_wing_fails(with_slice, quotes, raw, rule, kept):
    """Beyond Lee's slope of 2 on the right a part of the mean is at infinity, on the left a part of the mass."""
    found = surface_certificate(with_slice(3, raw), quotes)
    for row in (row_of(found, 3), row_of(found, 0)):
        failed = row["failed_rules"].split(",")
        assert rule in failed and kept not in failed
        assert not abs(row[rule] - 1) < 0.1
        assert row[kept] == pytest.approx(1.0, abs=1e-6)


LIMITS = {
    "min_g": (0.0, -1e-15),
    "wing_left": (1.999999, 2.0),
    "wing_right": (1.999999, 2.0),
    "g_limit_left": (0.0, -1e-15),
    "g_limit_right": (0.0, -1e-15),
    "density_mass": (1.0 - 0.99e-4, 1.0 - 1.01e-4),
    "density_mean": (1.0 + 0.99e-4, 1.0 + 1.01e-4),
    "min_calendar_gap": (-1e-10, -1.01e-10),
    "share_inside": (0.8, 0.799),
}


def test_every_rule_has_its_published_limit():
    assert list(RULES) == list(LIMITS)
    rows = pl.DataFrame({name: list(limit) for name, limit in LIMITS.items()})
    found = rows.with_columns(least_share_inside=0.8).select(**RULES)
    assert found.rows() == [(True,) * len(LIMITS), (False,) * len(LIMITS)]


@pytest.mark.parametrize(("name", "value"), [("density_mass", float("nan")), ("density_mean", float("nan"))])
def test_an_integral_without_a_value_is_not_passed(name, value):
    passes = pl.DataFrame({name: [value, None]}, schema={name: pl.Float64}).select(RULES[name]).to_series()
    assert passes.to_list() == [None, None]


def test_integrals_of_short_and_of_heavy_slices(with_slice, quotes):
    slices = {
        "an hour, 12 % volatility": RawSvi(8e-7, 6e-4, -0.3, 4e-4, 2e-3),
        "a kink": RawSvi(0.01, 0.05, -0.5, 0.02, 1e-4),
        "heavy wings": RawSvi(0.3, 1.2, -0.2, 0.1, 0.8),
    }
    for name, raw in slices.items():
        row = row_of(surface_certificate(with_slice(1, raw), quotes), 1)
        assert (row["density_mass"], row["density_mean"]) == pytest.approx((1.0, 1.0), abs=1e-8), name
    mass = quad(lambda k: float(svi.log_moneyness_density(VOGT, k)), -30, 12, limit=500, epsabs=1e-11)[0]
    row = row_of(surface_certificate(with_slice(1, VOGT), quotes), 1)
    assert row["density_mass"] == pytest.approx(mass, abs=1e-9)


def test_shape_between_the_grid_points_of_a_short_slice_is_seen(with_slice, quotes):
    """A density that is negative only within 0.001 of the money, where 2,001 points have two."""
    raw = RawSvi(1e-6, 0.02, 0.0, 0.0004, 1e-4)
    row = row_of(surface_certificate(with_slice(1, raw), quotes), 1)
    k = np.linspace(-0.002, 0.002, 400_001)
    assert row["min_g"] <= svi.density_factor(raw, k).min() + 1e-9 < 0


def test_misses_against_black_scholes_prices(with_slice, quotes):
    from gnosis.options import price

    raw = RawSvi(0.0090, 0.1000, -0.7, 0.13, 0.15)
    row = row_of(surface_certificate(with_slice(2, raw), quotes), 2)
    own = quotes.filter((pl.col("tau_years") == 1.0) & ((pl.col("right") == "C") == (pl.col("strike") >= 100)))
    own = own.sort("strike")
    strike, is_call = own["strike"].to_numpy(), (own["right"] == "C").to_numpy()
    model = np.sqrt(svi.total_variance(raw, np.log(strike / 100)).w)
    mid, ask, found = (price(99.0, strike, 1.0, 100.0, 0.99, iv, is_call) for iv in (own["iv"], own["iv_ask"], model))
    inside = (model >= own["iv_bid"].to_numpy()) & (model <= own["iv_ask"].to_numpy())
    assert 0 < inside.mean() < 1
    assert row["share_inside"] == pytest.approx(inside.mean())
    assert row["worst_miss_half_spreads"] == pytest.approx(np.max(np.abs(found - mid) / (ask - mid)), rel=1e-9)
    assert row["rmse_vol_points"] == pytest.approx(100 * np.sqrt(np.mean((model - own["iv"].to_numpy()) ** 2)))
    assert row["failed_rules"].split(",")[-1] == "share_inside"


def test_locked_quotes_have_no_half_spread(surface, quotes):
    locked = quotes.with_columns(iv_bid="iv", iv_ask="iv")
    row = row_of(surface_certificate(surface.slices, locked), 0)
    assert row["worst_miss_half_spreads"] is None


def test_rejected_contracts_are_counted_by_reason(quotes):
    reason = pl.Series(["wide", "zero_bid", "oi_missing", "wide"], dtype=quotes.schema["reason"])
    bad = quotes.head(4).with_columns(reason=reason, iv_source=pl.lit("none"), strike=pl.col("strike") + 0.5)
    found = volatility_surface(pl.concat([quotes, bad.cast(quotes.schema)])).certificate
    counts = [row["n_rejected_by_code"] for row in found.iter_rows(named=True)]
    assert counts == ['{"wide":2,"zero_bid":1}', '{"wide":2,"zero_bid":1}', "{}", "{}"]
    assert json.loads(counts[0]) == {"wide": 2, "zero_bid": 1}


def test_every_rule_names_a_column():
    assert set(RULES) <= set(TABLES["greeks.surface_certificate"].polars_schema)


def test_failed_surface_blocks_what_needs_a_density(surface, quotes, with_slice):
    points = np.linspace(-0.5, 0.5, 5)
    assert certified(surface.slices) is surface.slices
    expected = [svi.log_moneyness_distribution(KNOWN.raw_svi(theta), points) for theta in THETA]
    ordered = surface.slices.sort("slice_number")
    assert probability_below(ordered, points) == pytest.approx(np.array(expected), abs=1e-7)
    assert density(ordered, points).shape == (3, 5)
    failed = surface.slices.with_columns(certificate=pl.lit("failed")).cast(surface.slices.schema)
    certificate = surface_certificate(with_slice(2, VOGT), quotes)
    with pytest.raises(UncertifiedSurfaceError, match=r"expected certificate 'passed', found 2019-05-15 XYZ .*min_g"):
        certified(failed, certificate)
    for blocked in (density, probability_below):
        with pytest.raises(UncertifiedSurfaceError, match="2019-05-15 XYZ"):
            blocked(failed, points)


def test_a_surface_without_a_verdict_is_not_certified(surface):
    """Neither a missing verdict nor one of many slices passes."""
    for verdict in (None, "failed"):
        slices = surface.slices.with_columns(
            certificate=pl.when(pl.col("slice_number") == 2).then(pl.lit(verdict)).otherwise("certificate")
        ).cast(surface.slices.schema)
        with pytest.raises(ValueError, match=f"certificate.*{verdict}"):
            certified(slices)


def test_slices_without_their_quotes_are_refused(surface, quotes):
    with pytest.raises(ValueError, match="expected the quotes of every slice, found none of session 2019-05-15"):
        surface_certificate(surface.slices, quotes.filter(pl.col("dte_days") > 100))


def test_a_surface_is_judged_by_the_share_of_all_its_quotes(quotes, surface):
    """A third of the quotes of one slice moved away from the surface: the slice fails, the whole does not."""
    moved = (pl.col("tau_years") == TAU[0]) & (pl.col("strike").rank("dense").over("expiry") <= 5)
    names = ("iv", "iv_bid", "iv_ask")
    far = quotes.with_columns(pl.when(moved).then(pl.col(name) + 0.05).otherwise(pl.col(name)) for name in names)
    certificate = surface_certificate(surface.slices, far)
    assert [row_of(certificate, number)["certificate"] for number in range(4)] == [
        "passed",
        "failed",
        "passed",
        "passed",
    ]
    assert row_of(certificate, 1)["share_inside"] == pytest.approx(10 / 15)
    assert row_of(certificate, 0)["share_inside"] == pytest.approx(40 / 45)

    strict = surface_certificate(surface.slices, far, least_share_inside=0.9)
    assert row_of(strict, 0)["failed_rules"] == "share_inside"
    assert strict["least_share_inside"].unique().to_list() == [0.9]


def test_four_fifths_of_the_quotes_are_asked_for(surface, quotes):
    assert surface.certificate["least_share_inside"].unique().to_list() == [0.8]
    assert surface_certificate(surface.slices, quotes)["least_share_inside"].unique().to_list() == [0.8]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_of_zero_to_one_is_refused(quotes, share):
    with pytest.raises(ValueError, match="least_share_inside: expected a share between 0 and 1, found"):
        volatility_surface(quotes, least_share_inside=share)
