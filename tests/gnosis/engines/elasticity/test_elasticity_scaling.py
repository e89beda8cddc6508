"""Dollars follow prices, volumes and open interest; what has no unit follows none of them (D1 to D5)."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

DOLLARS = [
    "depth_usd_per_unit",
    "dealer_gamma_usd_per_unit",
    "gex_usd_per_pct",
    "stiffness_usd_per_pct",
    "stiffness_p10",
    "energy_up_usd",
    "charm_flow_usd_next_session",
    "vega_usd_per_volpt",
    "gex_p90",
    "potential_a2",
]
SCALE_FREE = [
    "hedge_elasticity",
    "hedge_elasticity_up",
    "amplification",
    "amplification_p90",
    "fragility",
    "hedge_movement_energy",
    "hedge_energy_asymmetry",
    "hedge_gamma_pressure",
    "hedge_vanna_pressure",
    "hedge_charm_pressure",
    "hedge_pressure_up",
    "hedge_dealer_gamma_sign",
    "hedge_mtf_agreement",
    "charm_share_0dte",
    "sigma_d",
    "atm_iv_30d",
    "skew_25d_volpts",
    "oi_hhi",
    "put_call_oi_ratio",
    "oi_center_log_moneyness",
]
PRICES = ["nearest_flip", "call_wall", "put_wall", "gamma_wall", "oi_wall", "flip_zone_low"]


def frames_of(world, price=1.0, shares=1.0, interest=1.0):
    greeks, bars = world
    powers = dict.fromkeys(("spot", "strike", "forward", "mid", "vega_per_vol", "vomma_per_vol2"), 1)
    powers |= {"gamma_per_usd": -1, "zomma_per_usd_vol": -1, "speed_per_usd2": -2}
    greeks = greeks.with_columns(
        *(pl.col(name) * price**power for name, power in powers.items()), pl.col("open_interest") * interest
    )
    bars = bars.with_columns(
        *(pl.col(name) * price for name in ("open", "high", "low", "close")), pl.col("volume") * shares
    )
    return greeks, bars


def scaled(world, elasticity_of, **factors):
    return elasticity_of(*frames_of(world, **factors), ["naive", "customer_long"])


def assert_scaled(found, plain, factors):
    for name, factor in factors.items():
        assert_frame_equal(found.select(name), plain.select(pl.col(name) * factor), rel_tol=1e-8, abs_tol=1e-12)


@pytest.fixture(scope="module")
def plain(world, elasticity_of):
    return scaled(world, elasticity_of)


@settings(max_examples=4, deadline=None)
@given(st.floats(0.05, 40.0))
def test_prices_scaled(world, elasticity_of, plain, a):
    factors = dict.fromkeys([*DOLLARS, *PRICES, "lambda_usd_per_share", "adv_usd"], a) | dict.fromkeys(SCALE_FREE, 1.0)
    assert_scaled(scaled(world, elasticity_of, price=a), plain, factors)


@pytest.mark.parametrize("n", [2.0, 7.0])
def test_split(world, elasticity_of, plain, n):
    factors = dict.fromkeys(DOLLARS + SCALE_FREE, 1.0) | dict.fromkeys(PRICES, 1 / n) | {"lambda_usd_per_share": n**-2}
    assert_scaled(scaled(world, elasticity_of, price=1 / n, shares=n, interest=n), plain, factors)


@settings(max_examples=4, deadline=None)
@given(st.floats(0.05, 40.0))
def test_volumes_and_open_interest_scaled(world, elasticity_of, plain, b):
    factors = dict.fromkeys(DOLLARS, b) | dict.fromkeys(SCALE_FREE + PRICES, 1.0) | {"lambda_usd_per_share": 1 / b}
    assert_scaled(scaled(world, elasticity_of, shares=b, interest=b), plain, factors)


@settings(max_examples=4, deadline=None)
@given(st.floats(0.05, 40.0))
def test_open_interest_scaled(world, elasticity_of, plain, b):
    found = scaled(world, elasticity_of, interest=b)
    factors = {"gex_usd_per_pct": b, "charm_flow_usd_to_close": b, "depth_usd_per_unit": 1.0}
    assert_scaled(found, plain, factors | dict.fromkeys(PRICES, 1.0))
    depth, gamma = plain["depth_usd_per_unit"], plain["dealer_gamma_usd_per_unit"]
    assert ((depth + b * gamma) / 100 - found["stiffness_usd_per_pct"]).abs().max() <= 1e-8 * depth.max()


@pytest.mark.parametrize(("unit", "of"), [("price", 100.0), ("shares", 1e-3)])
def test_units_converted_back_change_nothing(world, elasticity_of, plain, unit, of):
    there = frames_of(world, **{unit: of})
    found = scaled(there, elasticity_of, **{unit: 1 / of})
    assert_scaled(found, plain, dict.fromkeys(DOLLARS + SCALE_FREE + PRICES, 1.0))


@pytest.mark.parametrize(
    ("factors", "pressures"),
    [
        ({"price": 0.3}, 1.0),
        ({"price": 0.25, "shares": 4.0, "interest": 4.0}, 1.0),
        ({"shares": 5.0, "interest": 5.0}, 1.0),
        ({"interest": 6.0}, 6.0),
    ],
)
def test_regimes_do_not_change_where_their_past_is_scaled_as_well(
    whole, world, stored_past, quotes_of, factors, pressures
):
    names = ["hedge_gamma_pressure", "hedge_vanna_pressure", "hedge_charm_pressure"]
    past = stored_past.with_columns(pl.col(names) * pressures)
    greeks, bars = frames_of(world, **factors)
    found = whole(greeks=greeks, bars=bars, quotes=quotes_of(greeks), stored=past)
    plain = whole(stored=stored_past)
    labels = [name for name in plain.columns if name.startswith("hedge_") and name.endswith("_regime")]
    labels += ["oi_concentration", "skew_regime"]
    assert len(labels) == 7 and all(plain[name].is_not_null().any() for name in labels)
    assert found.select(labels).equals(plain.select(labels))
    for name in ("jump_score", "gamma_pressure_u", "hedge_regime_stability", "hedge_cross_asset_correlation"):
        assert_frame_equal(found.select(name), plain.select(name), rel_tol=1e-8, abs_tol=1e-10)
