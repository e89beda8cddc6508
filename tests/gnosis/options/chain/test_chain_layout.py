from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnosis.options.chain.cleaning import KEY
from gnosis.options.chain.layout import EXPIRY_KEY, contracts, layout, newest_rows


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_strikes_and_expiries_are_those_of_a_group_by(quote_rows, seed):
    generator = np.random.default_rng(seed)
    whole = pl.concat(
        [
            quote_rows([(right, k, 1.0, 1.1) for k in (98.0, 99.5, 101.0) for right in "CP"], symbol=symbol, root=root)
            for symbol in ("AAA", "BBB")
            for root in ("R", "RW")
        ]
    )
    kept = np.sort(generator.choice(whole.height, generator.integers(1, whole.height + 1), replace=False))
    rows = whole[kept].sort(KEY)
    seconds = pl.Series(generator.integers(0, 3, rows.height))
    rows = rows.with_columns(ts=pl.col("ts") + pl.duration(seconds=seconds))
    belonging = layout(contracts(rows))
    numbered = rows.with_columns(expiry_number=pl.Series(belonging.expiry_of_row)).with_row_index("row")
    by_expiry = numbered.group_by(EXPIRY_KEY).agg(pl.all()).sort(EXPIRY_KEY)
    assert by_expiry["expiry_number"].list.unique().to_list() == [[i] for i in range(belonging.n_expiries)]
    strike = rows["strike"].to_numpy()[belonging.any_row]
    for i in range(belonging.n_expiries):
        assert (np.diff(strike[belonging.starts[i] : belonging.starts[i + 1]]) > 0).all()
    for right, position in [("C", belonging.call), ("P", belonging.put)]:
        found = position[position >= 0]
        assert rows["right"].gather(found).unique().to_list() in ([right], [])
        np.testing.assert_array_equal(belonging.of_row[found], np.flatnonzero(position >= 0))
    ts = rows["ts"].to_physical().to_numpy()
    latest = numbered.group_by("expiry_number").agg(pl.col("ts").max()).sort("expiry_number")
    np.testing.assert_array_equal(belonging.per_expiry(np.maximum, ts), latest["ts"].to_physical())
    newest = newest_rows(ts, np.ones(ts.size, dtype=bool), belonging)
    np.testing.assert_array_equal(ts[newest], latest["ts"].to_physical())
    np.testing.assert_array_equal(belonging.expiry_of_row[newest], np.arange(belonging.n_expiries))
