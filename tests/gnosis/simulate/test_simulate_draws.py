from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.simulate.draws import date_keys, keyed_normal, keyed_uniform, stream, text_key, text_keys


def test_streams_of_different_names_are_unrelated():
    first, second = (stream(3, "bars", symbol).standard_normal(4_000) for symbol in ("A", "B"))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_a_longer_stream_begins_with_a_shorter_one():
    assert np.array_equal(stream(3, "x", "A").standard_normal((9, 5))[:4], stream(3, "x", "A").standard_normal((4, 5)))


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=30), st.integers(0, 29))
@settings(max_examples=50, deadline=None)
def test_a_keyed_draw_belongs_to_its_key_alone(keys, place):
    together = keyed_uniform(1, "c", np.array(keys))
    index = place % len(keys)
    assert together[index] == keyed_uniform(1, "c", np.array([keys[index]]))[0]
    assert 0 < together[index] < 1


def test_keyed_draws_are_uniform_and_uncorrelated_over_neighbouring_keys():
    days = np.repeat(np.arange(400), 100)
    strikes = np.tile(np.arange(100), 400)
    grid = keyed_normal(1, "c", days, strikes).reshape(400, 100)
    assert abs(grid.mean()) < 0.02
    assert abs(grid.std() - 1) < 0.02
    assert abs(np.corrcoef(grid[:-1].ravel(), grid[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(grid[:, :-1].ravel(), grid[:, 1:].ravel())[0, 1]) < 0.02


def test_order_of_keys_and_component_and_seed_matter():
    one, two = np.array([1]), np.array([2])
    values = {
        keyed_uniform(1, "c", one, two)[0],
        keyed_uniform(1, "c", two, one)[0],
        keyed_uniform(2, "c", one, two)[0],
        keyed_uniform(1, "d", one, two)[0],
    }
    assert len(values) == 4


def test_keys_of_columns():
    assert text_keys(pl.Series(["B", "A", "B"])).tolist() == [text_key("B"), text_key("A"), text_key("B")]
    assert text_keys(pl.Series([], dtype=pl.String)).size == 0
    assert date_keys(pl.Series([dt.date(1970, 1, 3)])).tolist() == [2]


@pytest.mark.parametrize("seed", [-1, 1.5, True, "7"])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="expected seed as an integer >= 0"):
        stream(seed, "bars")
