"""The delta overlay: a fixed band, the band of Whalley and Wilmott, and what it refuses."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gnosis.trading.structures import delta_hedges, whalley_wilmott_band

ONE = np.ones(1)


def book(deltas, bands=None, rows=None):
    frame = pl.DataFrame(
        {
            "position_id": [f"p{place}" for place in range(len(deltas))],
            "delta_shares": deltas,
            "greeks_row_ids": rows or [["g"]] * len(deltas),
        },
        schema_overrides={"delta_shares": pl.Float64, "greeks_row_ids": pl.List(pl.String)},
    )
    return frame if bands is None else frame.with_columns(band_shares=pl.Series(bands, dtype=pl.Float64))


def test_beyond_fifty_shares_the_whole_delta_is_hedged():
    found = delta_hedges(book([50.0, 50.4, -120.6, 0.0]), is_cost_aware=False)
    assert found.select("position_id", "shares").rows() == [("p1", -50), ("p2", 121)]
    assert found["greeks_row_ids"].to_list() == [["g"], ["g"]]


def test_beyond_the_cost_aware_band_the_trade_stops_at_its_edge():
    found = delta_hedges(book([80.0, -80.0, 29.0], [30.0, 30.0, 30.0]), is_cost_aware=True)
    assert found.select("position_id", "shares").rows() == [("p0", -50), ("p1", 50)]


def test_the_band_has_the_formula_and_the_powers_of_whalley_and_wilmott():
    def band(spot=100.0, gamma=20.0, discount=0.99, cost=0.001, aversion=1e-4):
        return whalley_wilmott_band(
            spot * ONE, gamma * ONE, discount * ONE, cost_share=cost, risk_aversion_per_usd=aversion
        )[0]

    assert band() == pytest.approx((1.5 * 0.99 * 0.001 * 100 * 400 / 1e-4) ** (1 / 3), rel=1e-14)
    assert band(gamma=-40.0) / band() == pytest.approx(2 ** (2 / 3))
    assert band(cost=0.008) / band() == pytest.approx(2.0)
    assert band(aversion=8e-4) / band() == pytest.approx(0.5)
    assert band(cost=0.0) == 0.0


def test_the_band_lowers_cost_and_keeps_risk_close_to_that_of_hedging_all():
    """A short straddle-like gamma over simulated moves: far fewer shares traded, a little more variance."""
    rng = np.random.default_rng(2)
    moves, gamma = rng.normal(0, 1.0, 500), -10.0
    band = whalley_wilmott_band(100 * ONE, gamma * ONE, ONE, cost_share=0.0005, risk_aversion_per_usd=1e-3)[0]
    traded, risk = {}, {}
    for name, edge in (("all", 0.0), ("band", float(band))):
        held, exposure, shares, squares = 0.0, 0.0, 0.0, 0.0
        for move in moves:
            exposure = 0.98 * exposure + gamma * move
            frame = book([exposure + held], [edge])
            found = delta_hedges(frame, is_cost_aware=True)
            step = float(found["shares"].sum())
            held, shares = held + step, shares + abs(step)
            squares += (exposure + held) ** 2
        traded[name], risk[name] = shares, squares
    assert traded["band"] < 0.8 * traded["all"]
    assert risk["band"] <= len(moves) * (band + 0.5) ** 2


@pytest.mark.parametrize(
    "frame",
    [book([None]), book([float("nan")]), book([80.0], rows=[[]])],
)
def test_an_unknown_delta_or_one_that_cites_nothing_is_refused(frame):
    with pytest.raises(ValueError, match="recompute its Greeks"):
        delta_hedges(frame, is_cost_aware=False)


def test_a_missing_band_is_refused():
    with pytest.raises(ValueError, match="recompute its Greeks"):
        delta_hedges(book([80.0], [None]), is_cost_aware=True)


@pytest.mark.parametrize(("name", "arguments"), [("spot_usd", (0, 1, 1)), ("discount", (1, 1, 0))])
def test_the_band_needs_positive_numbers(name, arguments):
    with pytest.raises(ValueError, match=name):
        whalley_wilmott_band(*(value * ONE for value in arguments), cost_share=0.1, risk_aversion_per_usd=1.0)
    with pytest.raises(ValueError, match="cost_share"):
        whalley_wilmott_band(ONE, ONE, ONE, cost_share=-0.1, risk_aversion_per_usd=1.0)
