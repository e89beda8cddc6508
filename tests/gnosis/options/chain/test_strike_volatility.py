from __future__ import annotations

import numpy as np
import pytest

from gnosis.options.chain.layout import contracts, layout
from gnosis.options.chain.strike_volatility import strike_volatility
from gnosis.tables.greeks import QUOTE_REASONS

TAU = 30 / 365


@pytest.mark.parametrize(
    ("time_value", "reason"), [(1e-13, "no_time_value"), (-0.01, "bound"), (50.1, "bound"), (5.0, None)]
)
def test_a_price_that_rounding_hides_has_no_time_value_and_an_impossible_one_breaks_a_bound(
    quote_rows, time_value, reason
):
    """A call of 50 with the share at 100 is worth 50 at least and 100 at most."""
    price = 50.0 + time_value
    rows = contracts(quote_rows([("C", 50.0, price, price)]))
    one = np.ones(1)
    found = strike_volatility(rows, np.array([True]), TAU * one, one, 100 * one, layout(rows), None)
    assert [*QUOTE_REASONS, None][found.reason[0]] == reason
    assert np.isnan(found.iv[0]) == np.isnan(found.error[0]) == (reason is not None)
