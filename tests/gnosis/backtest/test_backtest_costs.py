from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from gnosis.backtest import Configuration
from gnosis.backtest.configuration import DAYS_PER_YEAR
from gnosis.backtest.costs import almgren_concession_usd_per_share, sqrt_concession_usd_per_share
from gnosis.backtest.ledger import UNIT, divide_half_even, to_units


def test_published_square_root_law() -> None:
    law = {"spread_usd": 0.02, "sigma_d": 0.02, "adv_shares": 1_000_000}
    concession = sqrt_concession_usd_per_share(50, 10_000, **law)
    assert concession == pytest.approx(0.11, abs=1e-15)
    assert concession * 10_000 == pytest.approx(1_100, abs=1e-10)
    impact_bps = sqrt_concession_usd_per_share(50, 10_000, **law | {"spread_usd": 0.0}) / 50 * 1e4
    assert impact_bps == pytest.approx(20.0, abs=1e-12)


def test_slices_cost_what_the_parent_costs() -> None:
    law = {"spread_usd": 0.02, "sigma_d": 0.02, "adv_shares": 1_000_000}
    whole = sqrt_concession_usd_per_share(50, 10_000, **law) * 10_000
    slices = [(0, 1_000), (1_000, 4_000), (5_000, 5_000)]
    parts = sum(
        sqrt_concession_usd_per_share(50, size, filled_before_shares=before, **law) * size for before, size in slices
    )
    assert parts == pytest.approx(whole, rel=1e-14)


@pytest.mark.parametrize(
    ("sigma_d", "adv", "outstanding", "days", "permanent_bps", "temporary_bps"),
    [
        (0.0157, 6.561e6, 1728e6, 0.1, 20, 22),
        (0.0157, 6.561e6, 1728e6, 0.5, 20, 8),
        (0.0226, 1.929e6, 168e6, 0.2, 22, 21),
    ],
)
def test_published_impact_of_almgren(
    sigma_d: float, adv: float, outstanding: float, days: float, permanent_bps: float, temporary_bps: float
) -> None:
    """IBM and DRI of the table in Almgren et al. (2005), whose figures are rounded to a basis point."""
    law = {"spread_usd": 0.0, "sigma_d": sigma_d, "adv_shares": adv, "shares_outstanding": outstanding, "days": days}
    half = almgren_concession_usd_per_share(1e4, adv / 10, temporary=0.0, **law)
    rest = almgren_concession_usd_per_share(1e4, adv / 10, permanent=0.0, **law)
    assert 2 * half == pytest.approx(permanent_bps, abs=0.6)
    assert rest == pytest.approx(temporary_bps, abs=0.6)
    whole = almgren_concession_usd_per_share(1e4, adv / 10, **law) * adv / 10
    first = almgren_concession_usd_per_share(1e4, adv / 30, **law) * adv / 30
    second = almgren_concession_usd_per_share(1e4, adv / 15, filled_before_shares=adv / 30, **law) * adv / 15
    assert first + second == pytest.approx(whole, rel=1e-12)


def test_published_borrow() -> None:
    amount = divide_half_even(to_units(100 * 50) * to_units(0.03) * 1, UNIT * DAYS_PER_YEAR)
    assert amount / UNIT == pytest.approx(0.4166667, abs=5e-8)


@pytest.mark.parametrize(
    "zero", ["fee_bps", "spread_bps", "impact_coefficient", "borrow_rate_per_year", "margin_rate_per_year"]
)
def test_zero_costs_must_be_asked_for(zero: str) -> None:
    with pytest.raises(ValueError, match=f"found {zero} = 0; set allow_zero_cost=True"):
        Configuration(**{zero: 0.0})
    assert "diagnostic_no_cost" in Configuration(**{zero: 0.0}, allow_zero_cost=True).labels()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("initial_cash_usd", 0.0),
        ("participation", 0.0),
        ("fee_bps", -1.0),
        ("spread_bps", float("nan")),
        ("slippage", "none"),
        ("decision_lag_minutes", -1.0),
    ],
)
def test_bad_configuration_is_refused_with_the_value(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{field}.*found"):
        Configuration(**{field: value})


def test_canonical_json_has_every_assumption() -> None:
    text = Configuration().canonical_json()
    assert json.loads(text) == asdict(Configuration())
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert '"lot_method":"first in first out"' in text


def test_an_unknown_volume_has_no_price() -> None:
    with pytest.raises(ValueError, match="above 0, found 100 and 0"):
        sqrt_concession_usd_per_share(50, 100, spread_usd=0.01, sigma_d=0.02, adv_shares=0)
