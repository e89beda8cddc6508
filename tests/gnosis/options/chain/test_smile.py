from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options.chain.smile import IV_SOURCES, smile

NONE = IV_SOURCES.index("none")


def test_neighbours_are_the_accepted_strikes_of_the_same_expiry():
    k = [0.0, 0.1, 0.2, 0.3, 0.0, 0.1, 0.2, 0.3]
    own = [0.2, np.nan, 0.4, 0.5, np.nan, 0.3, 0.3, np.nan]
    found = smile(k, own, starts=[0, 4, 8])
    np.testing.assert_allclose(found.iv[:4], [0.2, 0.3, 0.4, 0.5])
    assert [IV_SOURCES[code] for code in found.source[:4]] == ["own", "interpolated", "own", "own"]
    assert [IV_SOURCES[code] for code in found.source[4:]] == ["none", "own", "own", "none"]


def test_fewer_than_three_accepted_strikes_make_no_smile():
    found = smile([0.0, 0.1, 0.2], [0.2, np.nan, 0.4])
    assert np.isnan(found.iv[1])
    assert found.source[1] == NONE


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0.05, 3)), min_size=1, max_size=30))
def test_agrees_with_numpy_interpolation(values):
    own = np.array([np.nan if value is None else value for value in values])
    k = np.sort(np.random.default_rng(len(values)).normal(size=own.size))
    accepted = ~np.isnan(own)
    found = smile(k, own)
    if accepted.sum() < 3:
        np.testing.assert_array_equal(found.iv, own)
        return
    np.testing.assert_allclose(found.iv, np.interp(k, k[accepted], own[accepted]), rtol=1e-12)
    np.testing.assert_array_equal(found.iv[accepted], own[accepted])
    inside = (k > k[accepted][0]) & (k < k[accepted][-1])
    expected = np.where(accepted, "own", np.where(inside, "interpolated", "extrapolated"))
    assert [IV_SOURCES[code] for code in found.source] == expected.tolist()


@pytest.mark.parametrize(
    ("k", "own", "starts", "message"),
    [
        (
            [0.1, 0.0, -0.1],
            [0.2] * 3,
            None,
            r"expected strictly ascending values within an expiry, found 0.1 before 0.0",
        ),
        ([0.0, 0.1, 0.1], [0.2] * 3, None, r"found 0.1 before 0.1 at position 1"),
        ([0.0, np.nan, 0.1], [0.2] * 3, None, r"found 0.0 before nan"),
        ([0.0, 0.1], [0.2] * 3, None, r"own_iv: expected one volatility per strike, shape \(2,\), found \(3,\)"),
        ([0.0, 0.1], [0.2] * 2, [0, 1], r"starts: expected positions ascending from 0 to the number of strikes 2"),
        ([0.0, 0.1], [0.2] * 2, [0, 3, 2], r"starts: expected positions ascending"),
    ],
)
def test_strikes_that_do_not_ascend_are_refused(k, own, starts, message):
    with pytest.raises(ValueError, match=message):
        smile(k, own, starts)


def test_strikes_start_anew_in_every_expiry_and_may_be_unknown_throughout_one():
    found = smile([0.0, 0.1, 0.0, np.nan, np.nan], [0.2, 0.3, 0.4, np.nan, np.nan], [0, 2, 2, 3, 5])
    np.testing.assert_array_equal(found.iv, [0.2, 0.3, 0.4, np.nan, np.nan])
