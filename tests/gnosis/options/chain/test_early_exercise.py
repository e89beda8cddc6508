"""Where the premium of early exercise begins to matter."""

from __future__ import annotations

import numpy as np
import pytest

from gnosis.options.chain.early_exercise import Terms, pairs_without_premium, premium, takes_tree
from gnosis.options.pricing.american import tree_value
from gnosis.options.pricing.implied_vol import implied_vol

TAU, RATE = 0.5, 0.05
DISCOUNT = float(np.exp(-RATE * TAU))


def terms(strike: float, is_call: bool) -> Terms:
    one = np.ones(1)
    return Terms(
        100 * one, strike * one, TAU * one, 100 / DISCOUNT * one, DISCOUNT * one, np.array([is_call]), np.zeros(1, int)
    )


@pytest.mark.parametrize(("share", "takes"), [(0.2499, False), (0.2501, True)])
def test_a_premium_above_a_quarter_of_the_spread_takes_the_tree(share, takes):
    put, iv = terms(100, False), np.array([0.3])
    extra = premium(put, iv, None)
    assert extra[0] > 0.1
    assert takes_tree(put, iv, extra / share, None).tolist() == [takes]


@pytest.mark.parametrize(("share", "changes"), [(0.4999, False), (0.5001, True)])
def test_a_pair_loses_a_premium_above_half_of_its_spread(share, changes):
    out = terms(103, True)
    call, put = (
        tree_value(100, 103.0, TAU, 100 / DISCOUNT, DISCOUNT, 0.3, is_call).american.reshape(1)
        for is_call in (True, False)
    )
    iv = implied_vol(call, *out[1:6]).iv
    extra = premium(out, iv, None) + premium(out._replace(is_call=np.array([False])), iv, None)
    found_call, found_put, changed = pairs_without_premium(call, put, extra / share, out, None)
    assert changed.tolist() == [changes]
    taken_off = call - found_call + put - found_put
    assert taken_off[0] == pytest.approx(extra[0] if changes else 0.0, rel=1e-12)


def test_a_pair_without_preliminary_forward_stays_as_it_is():
    unknown = terms(103, False)._replace(forward=np.array([np.nan]))
    call, put, changed = pairs_without_premium(np.array([8.0]), np.array([9.0]), np.array([0.01]), unknown, None)
    assert (call.tolist(), put.tolist(), changed.tolist()) == ([8.0], [9.0], [False])
