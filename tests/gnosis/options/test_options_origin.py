from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.options.origin import Providers, origin_of

NOON = dt.datetime(2019, 5, 1, 12, tzinfo=dt.UTC)


def test_sets_of_providers_are_united_and_named_in_order():
    quotes, rates = pl.Series(["b+a", "c", "a"]), pl.Series([None, "a", "d+b"], dtype=pl.String)
    providers = Providers(quotes, rates)
    assert providers.names == ["a", "b", "c", "d"]
    both = providers.members(quotes) | providers.members(rates)
    assert providers.joined(both).to_list() == ["a+b", "a+c", "a+b+d"]
    assert providers.joined(both * 0).to_list() == [None] * 3


def test_more_providers_than_bits_are_an_error():
    with pytest.raises(ValueError, match="expected at most 63 of them, found 64"):
        Providers(pl.Series([f"p{i}" for i in range(64)]))


def test_groups_have_the_latest_moment_every_provider_and_any_synthetic_row():
    rows = pl.DataFrame(
        {
            "k": [2, 1, 2],
            "known_at": [NOON, NOON, NOON + dt.timedelta(hours=1)],
            "provider": ["cboe", "cboe", "alpaca+cboe"],
            "rate_provider": ["fred", None, None],
            "synthetic": [True, False, False],
        }
    )
    found = origin_of(rows, ["k"], also=["rate_provider"])
    assert found.rows() == [
        (1, NOON, "cboe", False),
        (2, NOON + dt.timedelta(hours=1), "alpaca+cboe+fred", True),
    ]
    assert origin_of(rows.reverse(), ["k"], also=["rate_provider"]).equals(found)
