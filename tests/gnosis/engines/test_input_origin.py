"""Origin of the rows behind points, against its definition."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.input_origin import input_origin
from gnosis.engines.points import Points
from gnosis.sessions import UnknownSessionError, schedule

DAYS = schedule().slice(2000, 30).select("session", "close_at")


def table(rng, n):
    """Return n rows in disorder, some known late, of two symbols that have points and one that has none."""
    day = rng.integers(0, 30, n)
    known_at = DAYS["close_at"].gather(np.minimum(day + rng.choice([0, 0, 0, 1, 12], n), 29))
    return pl.DataFrame(
        {
            "symbol": rng.choice(["A", "B", "Z"], n),
            "session": DAYS["session"].gather(day),
            "known_at": known_at,
            "provider": rng.choice(["x", "x+y", "z"], n, p=[0.6, 0.3, 0.1]),
            "synthetic": rng.random(n) < 0.1,
        }
    )


def plain(points, inputs):
    providers, synthetic = [], []
    order = DAYS["session"].to_list()
    for point in points.frame.iter_rows(named=True):
        names, generated = set(), False
        for frame, sessions in inputs:
            for row in frame.iter_rows(named=True) if frame is not None else ():
                age = order.index(point["session"]) - order.index(row["session"])
                if row["symbol"] == point["symbol"] and 0 <= age < sessions and row["known_at"] <= point["as_of"]:
                    names |= set(row["provider"].split("+"))
                    generated |= row["synthetic"]
        providers.append("+".join(sorted(names)) or None)
        synthetic.append(generated)
    return providers, synthetic


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([1, 2, 3, 7, 30, 400]))
def test_origin_is_that_of_the_rows_in_sight(seed, n, sessions):
    rng = np.random.default_rng(seed)
    wanted = pl.DataFrame({"symbol": ["A", "B", "C"]}).join(DAYS.rename({"close_at": "as_of"}), how="cross")
    points = Points.of(wanted.sample(int(rng.integers(1, 40)), seed=int(rng.integers(1000))))
    inputs = [(table(rng, n), sessions), (None, 5), (table(rng, 5).sort("symbol", "session"), 3)]
    provider, synthetic = input_origin(points, inputs)
    assert (provider.to_list(), synthetic.tolist()) == plain(points, inputs)


def test_nothing_in_sight_has_no_origin():
    points = Points.of(DAYS.select(symbol=pl.lit("A"), session="session", as_of="close_at").head(2))
    for inputs in ([], [(None, 3)], [(table(np.random.default_rng(1), 0), 3)]):
        provider, synthetic = input_origin(points, inputs)
        assert (provider.to_list(), synthetic.tolist()) == ([None, None], [False, False])
    nobody = points.only(np.zeros(0, np.int64))
    provider, synthetic = input_origin(nobody, [(table(np.random.default_rng(1), 5), 3)])
    assert (provider.len(), synthetic.size) == (0, 0)


def test_rows_of_closed_days_are_refused():
    rows = table(np.random.default_rng(1), 3).with_columns(session=pl.date(2012, 11, 22))
    points = Points.of(DAYS.select(symbol=pl.lit("A"), session="session", as_of="close_at").head(2))
    with pytest.raises(UnknownSessionError, match="inputs: expected sessions of XNYS, found 2012-11-22"):
        input_origin(points, [(rows, 3)])
