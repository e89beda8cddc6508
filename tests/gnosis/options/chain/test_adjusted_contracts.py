"""Contracts that deliver something else than their multiplier in shares."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gnosis.options import exposure, option_greeks

STRIKES = [90, 94, 96, 98, 99, 100, 101, 102, 104, 106, 110]


@pytest.mark.parametrize("changed", [("deliverable_shares", 150.0), ("multiplier", 10.0)])
def test_adjusted_contracts_have_no_volatility_at_all(model_quotes, rate_rows, changed):
    name, value = changed
    quotes = model_quotes(STRIKES, deliverable_shares=100.0)
    is_it = pl.col("strike") == 104
    found = option_greeks(quotes.with_columns(pl.when(is_it).then(value).otherwise(name).alias(name)), rate_rows())
    adjusted, rest = found.filter(is_it), found.filter(~is_it)
    assert adjusted["reason"].to_list() == ["adjusted"] * 2
    assert adjusted["iv_source"].to_list() == ["none"] * 2
    for column in ("mid", "iv", "iv_bid", "delta", "gamma_per_usd"):
        assert adjusted[column].null_count() == 2
    assert adjusted["open_interest"].to_list() == [100.0] * 2
    assert rest["reason"].null_count() == rest.height
    np.testing.assert_allclose(rest["iv"], 0.2, atol=1e-6)


@pytest.mark.parametrize(
    ("root", "columns", "reason"),
    [
        ("XYZ7", {}, "adjusted"),
        ("XYZ7", {"deliverable_shares": 100.0}, None),
        ("XYZ7", {"multiplier": 10.0}, None),  # a mini
        ("7XYZ", {}, None),
        ("XYZ", {"deliverable_shares": 10.0, "multiplier": 10.0}, None),
    ],
)
def test_a_root_that_ends_in_a_digit_is_adjusted_unless_it_says_otherwise(
    model_quotes, rate_rows, root, columns, reason
):
    found = option_greeks(model_quotes(STRIKES, root=root, **columns), rate_rows())
    assert found["reason"].unique().to_list() == [reason]
    assert found["iv"].null_count() == (found.height if reason else 0)
    beside = option_greeks(pl.concat([model_quotes(STRIKES, root=root, **columns), model_quotes(STRIKES)]), rate_rows())
    plain = beside.filter((pl.col("root") == "XYZ") & pl.col("deliverable_shares").is_null())
    assert plain["reason"].null_count() == plain.height


def test_adjusted_contracts_have_no_exposure(model_quotes, rate_rows):
    quotes = pl.concat([model_quotes(STRIKES), model_quotes(STRIKES, root="XYZ7", open_interest=1e6)])
    found, plain = (option_greeks(frame, rate_rows()) for frame in (quotes, model_quotes(STRIKES)))
    totals = [exposure(frame)["gex_usd_per_pct"].sum() for frame in (found, plain)]
    assert totals[0] == totals[1] != 0.0
