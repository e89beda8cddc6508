"""Caps of a book: the waterfall of the specification, each limit alone, and what no order of ideas may change."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from gnosis.trading.caps import COLUMNS, STEPS, SizingLimits, capped, portfolio_scale
from gnosis.trading.sizing import energy_factor, volatility_fraction

EQUITY = 250_000.0
LOOSE = dict.fromkeys(SizingLimits.__slots__, 1e9)
SPOT_MOVES = np.array([-0.2, -0.1, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.2])


def book(*rows: dict[str, object]) -> pl.DataFrame:
    usual = {
        "fraction": 0.05,
        "delta_sign": 1,
        "sector": "Energy",
        "adv_usd": 1e9,
        "unit_usd": 0.01,
        "loss_per_notional": None,
        "margin_per_notional": 0.0,
        "lot_units": 1,
    }
    return pl.DataFrame([{**usual, **row} for row in rows], schema=COLUMNS)


def calm(ideas: pl.DataFrame) -> np.ndarray:
    return np.zeros((ideas.height, 1))


def only(**limit: float) -> SizingLimits:
    return SizingLimits(**{**LOOSE, **limit})


def test_the_waterfall_of_the_specification():
    before = min(float(volatility_fraction(np.array([0.30]), budget=1.0)[0]), 0.9331)
    energy = energy_factor(np.array([1], np.int8), *(np.array([v]) for v in (1.6, 1.6, 0.8, 1.0)), np.array([False]))
    ideas = book({"fraction": before * energy.factor[0], "adv_usd": 1.5e6, "unit_usd": 50.0})
    row = capped(ideas, calm(ideas), EQUITY, SizingLimits()).row(0, named=True)
    assert (before, ideas["fraction"][0]) == (0.5, 0.25)
    assert row["size_after_name"] == 0.10
    assert row["size_after_participation"] == pytest.approx(0.06)
    assert (row["units"], row["binding_cap"]) == (300, "participation")


@pytest.mark.parametrize(
    ("cap", "limits", "row", "size"),
    [
        ("name", only(name=0.04), {}, 0.04),
        ("gross", only(gross=0.02), {}, 0.02),
        ("net", only(net=0.03), {}, 0.03),
        ("sector", only(sector=0.02), {}, 0.02),
        ("participation", only(participation=0.01), {"adv_usd": 250_000.0}, 0.01),
        ("worst_loss", only(worst_loss=0.015), {"loss_per_notional": 0.5}, 0.03),
        ("margin", only(margin=0.01), {"margin_per_notional": 0.25}, 0.04),
    ],
)
def test_each_limit_binds_alone(cap, limits, row, size):
    ideas = book(row)
    found = capped(ideas, calm(ideas), EQUITY, limits).row(0, named=True)
    assert (found["binding_cap"], found[f"size_after_{cap}"]) == (cap, pytest.approx(size))
    assert found["size_after_lot"] == pytest.approx(size, abs=0.01 / EQUITY)
    free = capped(ideas, calm(ideas), EQUITY, only()).row(0, named=True)
    assert (free["binding_cap"], free["size_after_margin"]) == (None, 0.05)


def test_the_worst_cell_of_the_whole_book_is_held_to_its_limit():
    ideas = book({"fraction": 0.3}, {"fraction": 0.1, "delta_sign": -1})
    stress = ideas["delta_sign"].to_numpy()[:, None] * SPOT_MOVES
    found = capped(ideas, stress, EQUITY, only(stress=0.03))
    sizes = found["size_after_stress"].to_numpy()
    assert (sizes @ stress).min() == pytest.approx(-0.03)
    assert sizes[0] / sizes[1] == pytest.approx(3.0)


def test_the_cap_on_net_exposure_shortens_the_heavier_side_only():
    ideas = book({"fraction": 0.5}, {"fraction": 0.5}, {"fraction": 0.3, "delta_sign": -1}, {"delta_sign": 0})
    found = capped(ideas, calm(ideas), EQUITY, only(net=0.6))["size_after_net"]
    assert found.to_list() == pytest.approx([0.45, 0.45, 0.3, 0.05])


def test_a_side_that_lost_its_balance_is_shortened_too():
    ideas = book({"fraction": 0.6, "adv_usd": 1.0}, {"fraction": 0.9, "delta_sign": -1})
    found = capped(ideas, calm(ideas), EQUITY, only(net=0.5, participation=0.01))
    assert found["size_after_net"].to_list() == [0.6, 0.9]
    assert found["size_after_together"].to_list() == pytest.approx([0.0, 0.5], abs=1e-7)
    assert found["binding_cap"].to_list() == ["participation", "net"]


def test_sectors_are_held_each_by_itself_and_unknown_ones_together():
    names = ["Energy", "Energy", "Health", None, None]
    ideas = book(*({"sector": name, "fraction": 0.2} for name in names))
    found = capped(ideas, calm(ideas), EQUITY, only(sector=0.3))["size_after_sector"]
    assert found.to_list() == pytest.approx([0.15, 0.15, 0.2, 0.15, 0.15])


def test_a_lot_that_is_too_large_gives_no_unit():
    ideas = book({"unit_usd": 13_000.0}, {"unit_usd": 100.0, "lot_units": 100}, {"unit_usd": 100.0, "lot_units": 200})
    found = capped(ideas, calm(ideas), EQUITY, only())
    assert found["units"].to_list() == [0, 100, 0]


def test_an_unknown_volume_gives_no_unit():
    ideas = book({"adv_usd": None})
    row = capped(ideas, calm(ideas), EQUITY, SizingLimits()).row(0, named=True)
    assert (row["units"], row["binding_cap"]) == (0, "participation")


IDEAS = st.lists(
    st.fixed_dictionaries(
        {
            "fraction": st.floats(0, 2),
            "delta_sign": st.sampled_from([1, -1, 0]),
            "sector": st.sampled_from(["Energy", "Health", None]),
            "adv_usd": st.floats(1e5, 1e9),
            "unit_usd": st.floats(1, 500),
            "loss_per_notional": st.none() | st.floats(0.01, 1),
            "margin_per_notional": st.floats(0, 1),
        }
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(rows=IDEAS, seed=st.integers(0, 100))
def test_every_limit_holds_at_the_end_in_whatever_order_the_ideas_come(rows, seed):
    limits = SizingLimits()
    ideas = book(*rows).with_row_index("number")
    stress = np.random.default_rng(seed).uniform(-0.3, 0.3, (ideas.height, 5))
    found = capped(ideas, stress, EQUITY, limits)
    size, sign = found["size_after_lot"].to_numpy(), found["delta_sign"].to_numpy()
    slack = 1e-9 * max(found["unit_usd"]) / EQUITY * ideas.height + 1e-12
    assert (size <= limits.name + slack).all() and size.sum() <= limits.gross + slack
    assert found.group_by("sector").agg(pl.col("size_after_lot").sum())["size_after_lot"].max() <= limits.sector + slack
    assert (size * EQUITY <= limits.participation * found["adv_usd"].to_numpy() + slack * EQUITY).all()
    assert (size * found["loss_per_notional"].fill_null(0.0).to_numpy() <= limits.worst_loss + slack).all()
    together = found["size_after_together"].to_numpy()
    assert (together @ stress).min() >= -limits.stress - 1e-9
    assert abs(together @ sign) <= limits.net + 1e-9
    assert size @ found["margin_per_notional"].to_numpy() <= limits.margin + slack
    steps = found.select(f"size_after_{cap}" for cap in STEPS).to_numpy()
    assert (np.diff(steps, axis=1) <= slack).all()

    order = np.random.default_rng(seed + 1).permutation(ideas.height)
    again = capped(ideas[order.tolist()], stress[order], EQUITY, limits).sort("number")
    assert np.allclose(again["size_after_together"], together, rtol=1e-9, atol=1e-15)


def test_the_book_is_scaled_to_its_volatility_by_the_shrunk_covariance():
    generator = np.random.default_rng(4)
    returns = generator.normal(0.0, 0.02, (300, 5)) + generator.normal(0.0, 0.02, (300, 1))
    weights = np.array([0.5, -0.2, 0.3, 0.1, 0.3])
    volatility = math.sqrt(weights @ LedoitWolf().fit(returns).covariance_ @ weights * 252)
    found = portfolio_scale(weights, returns)
    assert found == pytest.approx(0.15 / volatility, abs=1e-12)
    assert portfolio_scale(weights * found * 0.99, returns) == 1.0


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda: SizingLimits(net=0.0), "positive limit for net"),
        (lambda: capped(book({}).drop("sector"), np.zeros((1, 1)), EQUITY, only()), "missing"),
        (lambda: capped(book({}), np.zeros((2, 1)), EQUITY, only()), "stress grid of 1 ideas"),
        (lambda: capped(book({}), np.full((1, 1), math.nan), EQUITY, only()), "every cell"),
        (lambda: capped(book({}), np.zeros((1, 1)), 0.0, only()), "positive equity"),
        (lambda: capped(book({"fraction": -0.1}), np.zeros((1, 1)), EQUITY, only()), "at least 0"),
        (lambda: capped(book({"unit_usd": 0.0}), np.zeros((1, 1)), EQUITY, only()), "unit_usd for every idea"),
        (lambda: capped(book({"margin_per_notional": None}), np.zeros((1, 1)), EQUITY, only()), "margin_per_notional"),
        (lambda: portfolio_scale(np.ones(2), np.zeros((5, 3))), "2 names"),
        (lambda: portfolio_scale(np.ones(1), np.array([[0.1], [math.nan]])), "no missing"),
    ],
)
def test_bad_input_is_refused(attempt, said):
    with pytest.raises(ValueError, match=said):
        attempt()
