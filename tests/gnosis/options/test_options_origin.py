from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.options import chain_analytics
from gnosis.options.origin import Providers, origin_of, require_table
from gnosis.tables import TABLES

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


@pytest.mark.parametrize(
    "name",
    [
        *("session", "symbol", "expiry", "settlement", "right", "strike", "root", "ts", "multiplier", "style", "spot"),
        *("known_at", "provider", "synthetic"),
    ],
)
def test_a_quote_without_a_value_that_it_must_have_is_refused(quote_rows, name):
    quotes = quote_rows([("C", 100.0, 1.0, 1.1), ("P", 100.0, 1.0, 1.1)])
    wrong = quotes.with_columns(pl.when(pl.col("right") == "P").then(None).otherwise(name).alias(name))
    message = rf"raw\.option_quotes: expected a value in every row in '{name}', found None in row 1 \(session .*, root"
    with pytest.raises(ValueError, match=message):
        require_table(wrong, "raw.option_quotes")
    require_table(quotes, "raw.option_quotes")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("spot", 0.0, "positive values"),
        ("spot", -1.0, "positive values"),
        ("strike", 0.0, "positive values"),
        ("multiplier", 0.0, "positive values"),
        ("deliverable_shares", 0.0, "positive values"),
        ("spot", float("nan"), "finite numbers, null where missing"),
        ("strike", float("inf"), "finite numbers, null where missing"),
        ("bid", float("nan"), "finite numbers, null where missing"),
        ("ask", float("inf"), "finite numbers, null where missing"),
        ("open_interest", float("nan"), "finite numbers, null where missing"),
    ],
)
def test_a_quote_with_an_impossible_number_is_refused(quote_rows, rate_rows, name, value, expected):
    quotes = quote_rows([("C", 100.0, 1.0, 1.1), ("P", 100.0, 1.0, 1.1)])
    wrong = quotes.with_columns(pl.when(pl.col("right") == "P").then(value).otherwise(name).alias(name))
    with pytest.raises(ValueError, match=rf"expected {expected} in '{name}', found {value} in row 1 .*right P"):
        chain_analytics(wrong, rate_rows())


def test_missing_prices_and_open_interest_are_no_error(quote_rows):
    missing = quote_rows([("C", 100.0, None, None)], open_interest=None)
    require_table(missing, "raw.option_quotes")


@pytest.mark.parametrize(("table", "name"), [("raw.macro", "known_at"), ("raw.dividends", "amount_usd")])
def test_rates_and_dividends_without_a_value_are_refused(rate_rows, dividend_rows, table, name):
    rows = rate_rows() if table == "raw.macro" else dividend_rows([(NOON.date(), 0.5, NOON)])
    wrong = rows.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name))
    with pytest.raises(ValueError, match=rf"{table}: expected a value in every row in '{name}'"):
        require_table(wrong, table)
    assert not wrong.equals(rows)
    require_table(TABLES[table].empty(), table)
