"""The elasticity surface against gamma of the pricing room, and what must hold as time passes."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.elasticity.surface import elasticity_surface
from gnosis.options.positioning.gamma_profile import gamma_profiles
from gnosis.options.pricing.black_scholes import greeks as black_scholes
from gnosis.sessions import schedule, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
RATE, CARRY, SPOT = 0.05, 0.015, 100.0
DEPTH = 1e9


def smile(k):
    return 0.2 - 0.3 * k + 0.4 * k * k


def chain(days=(9, 16, 44), oi=100.0, at=SPOT, size=100.0):
    row = schedule().filter(pl.col("session") == SESSION).row(0, named=True)
    parts = []
    for dte in days:
        tau = dte / 365
        forward, discount = at * np.exp((RATE - CARRY) * tau), np.exp(-RATE * tau)
        strike = at * np.arange(0.8, 1.21, 0.05)
        strike = np.repeat(strike, 2)
        is_call = np.arange(strike.size) % 2 == 0
        iv = smile(np.log(strike / forward))
        values = black_scholes(at, strike, tau, forward, discount, iv, is_call)
        parts.append(
            pl.DataFrame({name: getattr(values, name) for name in values._fields[1:]}).with_columns(
                expiry=SESSION + dt.timedelta(days=dte), settlement=pl.lit("pm"), strike=pl.Series(strike),
                right=pl.Series(np.where(is_call, "C", "P")), root=pl.lit("AAA"), dte_days=dte, tau_years=tau,
                forward=forward, discount=discount, iv=pl.Series(iv), mid=pl.Series(values.price),
            )
        )  # fmt: skip
    frame = pl.concat(parts).with_columns(
        session=SESSION, symbol=pl.lit("AAA"), ts=row["chain_at"], spot=at, is_tau_floored=False, style=pl.lit("E"),
        forward_source=pl.lit("parity"), iv_source=pl.lit("own"), exercise_model=pl.lit("closed_form"),
        is_vertical=False, is_butterfly=False, open_interest=oi, oi_session=shift_session(SESSION, -1),
        multiplier=size, known_at=row["chain_at"], provider=pl.lit("cboe"), synthetic=False,
    )  # fmt: skip
    schema = TABLES["greeks.option_greeks"].polars_schema
    unknown = [pl.lit(None).alias(name) for name in schema if name not in frame.columns]
    return frame.with_columns(unknown).select(list(schema)).cast(schema)


def state(at=SPOT, depth=DEPTH, conventions=("naive", "customer_long"), **values):
    row = schedule().filter(pl.col("session") == SESSION).row(0, named=True)
    table = TABLES["engines.elasticity"]
    columns = table.schema.columns()
    blank = {pl.Float64: 0.0, pl.String: "", pl.Boolean: False, pl.Datetime: row["close_at"]}
    record = {
        name: None if columns[name].nullable else blank.get(dtype.base_type())
        for name, dtype in table.polars_schema.items()
    } | {
        "session": SESSION, "symbol": "AAA", "spot": at, "as_of": row["close_at"], "known_at": row["close_at"],
        "atm_iv_30d": 0.2, "depth_usd_per_unit": depth, "lambda_usd_per_share": at * at / depth if depth else None,
        "revaluation": "sticky_moneyness", "provider": "cboe", "elasticity_field_confidence": 0.3,
        "elasticity_field_reasons": "DEPTH_PROXY",
    } | values  # fmt: skip
    return pl.DataFrame([record | {"sign_convention": name} for name in conventions], schema=table.polars_schema)


def test_now_is_the_gamma_profile():
    rows = elasticity_surface(chain(), state(), prices=9, horizons=3).filter(pl.col("horizon_number") == 0)
    naive = rows.filter(pl.col("sign_convention") == "naive").sort("price_number")
    ratios = naive["price_usd"].to_numpy() / SPOT
    profile = gamma_profiles(chain(), ratios)
    expected = (profile.call - profile.put)[0] * naive["price_usd"].to_numpy() ** 2
    np.testing.assert_allclose(naive["dealer_gamma_usd_per_unit"], expected, rtol=1e-10, atol=1e-6)
    assert naive["price_usd"][4] == SPOT
    assert naive["n_contracts"].to_list() == [54] * 9


def test_later_is_the_gamma_of_shorter_contracts_at_the_same_moneyness():
    rows = elasticity_surface(chain(), state(), prices=5, horizons=4)
    one = rows.filter((pl.col("sign_convention") == "customer_long") & (pl.col("horizon_number") == 2))
    years = one["horizon_days"][0] / 365
    expected = np.zeros(5)
    for tau in (9 / 365, 16 / 365, 44 / 365):
        left = tau - years
        if left <= 0:
            continue
        for j, price in enumerate(one["price_usd"]):
            forward = price * np.exp((RATE - CARRY) * left)
            strike = np.repeat(SPOT * np.arange(0.8, 1.21, 0.05), 2)
            knots = np.log(strike[::2] / (SPOT * np.exp((RATE - CARRY) * tau)))
            iv = np.interp(np.log(strike / forward), knots, smile(knots))
            gamma = black_scholes(
                price, strike, left, forward, np.exp(-RATE * left), iv, np.ones(strike.size, dtype=bool)
            ).gamma_per_usd
            expected[j] -= (gamma * 100 * 100).sum() * price**2
    np.testing.assert_allclose(one["dealer_gamma_usd_per_unit"], expected, rtol=1e-9)


def test_contracts_leave_at_their_settlement_and_the_grid_ends_with_the_monthly_expiry():
    rows = elasticity_surface(chain(), state(), prices=3, horizons=5)
    alive = rows.filter(pl.col("sign_convention") == "naive").unique("horizon_number").sort("horizon_number")
    # 17 May is the third Friday: 16 days ahead. The expiry of 9 days is gone after it, that of 16 days at the end.
    assert alive["horizon_days"].to_list() == pytest.approx([0, 4, 8, 12, 16])
    assert alive["n_contracts"].to_list() == [54, 54, 54, 36, 18]


@pytest.mark.parametrize("prices", [4, 5])
def test_prices_reach_three_expected_moves_until_the_last_horizon(prices):
    rows = elasticity_surface(chain(), state(conventions=("naive",)), prices=prices, horizons=2)
    # 17 May, the next monthly expiry, is 16 days ahead.
    moves = np.log(rows.filter(pl.col("horizon_number") == 1)["price_usd"] / SPOT) / (0.2 * np.sqrt(16 / 365))
    np.testing.assert_allclose(moves, np.linspace(-3, 3, prices), rtol=1e-12, atol=1e-12)


def test_depth_is_a_constant_number_of_shares_per_dollar():
    rows = elasticity_surface(chain(oi=0.0), state(), prices=3, horizons=1)
    np.testing.assert_allclose(
        rows["stiffness_usd_per_pct"], DEPTH / SPOT**2 * rows["price_usd"] ** 2 / 100, rtol=1e-12
    )
    assert rows["amplification"].to_list() == [1.0] * 6


def test_unknown_depth_leaves_gamma_and_an_unstable_book_has_no_amplification():
    unknown = elasticity_surface(chain(), state(depth=None), prices=3, horizons=2)
    assert unknown["stiffness_usd_per_pct"].null_count() == unknown["amplification"].null_count() == unknown.height
    assert unknown["dealer_gamma_usd_per_unit"].null_count() == 0
    weak = elasticity_surface(chain(oi=1e6), state(conventions=("customer_long",)), prices=3, horizons=1)
    assert weak["amplification"].null_count() == 3
    assert (weak["stiffness_usd_per_pct"] < 0).all()


def test_dollars_scale_with_prices_and_with_open_interest():
    plain = elasticity_surface(chain(), state(), prices=5, horizons=3)
    tall = elasticity_surface(chain(at=10 * SPOT), state(at=10 * SPOT, depth=10 * DEPTH), prices=5, horizons=3)
    wide = elasticity_surface(chain(oi=300.0), state(depth=3 * DEPTH), prices=5, horizons=3)
    for other, factor in ((tall, 10.0), (wide, 3.0)):
        np.testing.assert_allclose(other["stiffness_usd_per_pct"], factor * plain["stiffness_usd_per_pct"], rtol=1e-9)
        np.testing.assert_allclose(other["amplification"], plain["amplification"], rtol=1e-9)


def test_order_of_rows_does_not_matter_and_a_chain_without_volatility_has_no_rows():
    greeks = chain()
    shuffled = elasticity_surface(greeks.sample(fraction=1, shuffle=True, seed=1), state())
    assert shuffled.equals(elasticity_surface(greeks, state()))
    assert elasticity_surface(greeks, state(atm_iv_30d=None)).height == 0
    with pytest.raises(ValueError, match="expected at least 2 prices and 1 horizon, found 1 and 1"):
        elasticity_surface(greeks, state(), prices=1, horizons=1)
