"""Implied volatility, price and Greeks against 50-digit references on contracts that are hard to value."""

from __future__ import annotations

import numpy as np
import pytest

from gnosis.options import Greeks, greeks, implied_vol
from gnosis.options.pricing.implied_vol import IV_REASONS

SOLVED = IV_REASONS.index("solved")
# Below this a double has no relative accuracy left to ask for.
SMALLEST = 1e-280


@pytest.fixture(scope="module")
def solved(hard_grid):
    contracts, references = hard_grid
    return implied_vol(
        references.value[0],
        contracts.strike,
        contracts.tau_years,
        contracts.forward,
        contracts.discount,
        contracts.is_call,
    )


def worst(contracts, error, n=3) -> str:
    """Describe the contracts with the largest errors."""
    rows = np.argsort(-error)[:n]
    return "\n".join(f"{error[i]:.2e} {[column[i].item() for column in contracts]}" for i in rows)


def test_the_grid_holds_every_kind_of_contract(hard_grid):
    contracts, references = hard_grid
    kinds, counts = np.unique(references.kind, return_counts=True)
    assert kinds.tolist() == ["below_intrinsic", "identified", "unidentified", "vanished"]
    assert counts.min() >= 5
    assert counts[1] > 0.8 * counts.sum()
    identified = references.kind == "identified"
    for column in (contracts.rate, contracts.carry):
        assert min((column < -1e-3).sum(), (abs(column) < 1e-9).sum(), (column > 1e-3).sum()) > 40
    assert contracts.tau_years.min() < 1.1 / 8760 and contracts.tau_years.max() > 2.8
    assert contracts.iv.min() < 0.033 and contracts.iv.max() > 2.8
    in_the_money = np.where(contracts.is_call, 1, -1) * (contracts.forward - contracts.strike) > 0
    assert min((in_the_money & identified).sum(), (~in_the_money & identified).sum()) > 100
    assert references.value[0][identified].min() < 1e-200


def test_references_give_vector_1_of_the_specification(hard_grid_module):
    assert Greeks._fields == hard_grid_module.QUANTITIES
    tau, both = 30 / 365, np.ones(2)
    forward, discount = 100 * np.exp(0.035 * tau), np.exp(-0.05 * tau)
    columns = (100 * both, 105 * both, tau * both, forward * both, discount * both, 0.2 * both, np.array([True, False]))
    found = hard_grid_module.references(hard_grid_module.Contracts(np.array(["vector 1"] * 2), *columns))
    call = [0.7032853291, 0.219762803564, 0.0515807648599, 8.47902983999, -11.050158518, 1.74846534471]
    put = [5.3958756275, -0.779005079404, 0.0515807648599, 8.47902983999, -7.31984141269, -6.84627810147]
    same = [27.1487988094, 0.00642971854047, -0.0927486315423]
    expected = [[*call, 1.22652063085, -1.66950300249, *same], [*put, 1.22652063085, -1.68448452073, *same]]
    np.testing.assert_allclose(found.value.T, expected, rtol=1e-10)
    np.testing.assert_allclose(found.iv, 0.2, atol=1e-14)


def test_the_rounding_of_a_price_moves_its_volatility_by_less_than_the_stated_error(hard_grid):
    contracts, references = hard_grid
    identified = references.kind == "identified"
    moved = np.abs(references.iv - contracts.iv)[identified]
    # One of the four roundings is that of the price; the last term is the rounding of the reference itself.
    assert (moved <= references.error[identified] / 4 + 2.0**-53 * contracts.iv[identified]).all()


def test_every_identified_price_gives_its_volatility(hard_grid, solved):
    contracts, references = hard_grid
    identified = references.kind == "identified"
    error = np.where(identified, np.nan_to_num(np.abs(solved.iv - references.iv), nan=np.inf), 0.0)
    assert error.max() <= 1e-9, worst(contracts, error)


def test_the_error_bound_holds_on_every_solved_row(hard_grid, solved):
    """Against the exact inverse of the rounded price, and against the volatility that the price was made from."""
    contracts, references = hard_grid
    is_solved = solved.reason == SOLVED
    assert is_solved.any()
    assert (solved.error[is_solved] <= 1e-9).all()
    for expected in (references.iv, contracts.iv):
        error = np.where(is_solved, np.abs(solved.iv - expected) / solved.error, 0.0)
        assert error.max() <= 1.0, worst(contracts, error)


def test_a_wider_tolerance_solves_more_and_its_bounds_hold_as_well(hard_grid, solved):
    contracts, references = hard_grid
    wide = implied_vol(
        references.value[0],
        contracts.strike,
        contracts.tau_years,
        contracts.forward,
        contracts.discount,
        contracts.is_call,
        max_error=1e-3,
    )
    is_solved = wide.reason == SOLVED
    assert is_solved.sum() > (solved.reason == SOLVED).sum()
    assert (wide.error[is_solved] <= 1e-3).all()
    error = np.where(is_solved, np.abs(wide.iv - references.iv) / wide.error, 0.0)
    assert error.max() <= 1.0, worst(contracts, error)


def test_a_price_without_a_solution_has_a_reason_and_no_number(hard_grid, solved):
    contracts, references = hard_grid
    hopeless = (references.kind == "below_intrinsic") | (references.value[0] == 0.0)
    assert hopeless.sum() >= 15
    assert (solved.reason[hopeless] != SOLVED).all(), worst(contracts, (hopeless & (solved.reason == SOLVED)) * 1.0)
    assert (np.isnan(solved.iv) == (solved.reason != SOLVED)).all()


@pytest.mark.parametrize("quantity", Greeks._fields)
def test_relative_error_of_price_and_greeks(hard_grid, quantity):
    """At most 1e-11; of a sum whose terms differ in sign, of its largest term."""
    contracts, references = hard_grid
    row = Greeks._fields.index(quantity)
    found = getattr(greeks(*contracts[1:]), quantity)
    error = np.abs(found - references.value[row]) / np.maximum(references.scale[row], SMALLEST)
    assert error.max() <= 1e-11, worst(contracts, error)
