"""American contracts through the chain: which take the tree, and parity without early exercise."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.options import carry_forward
from gnosis.options.chain.analytics import chain_analytics, option_greeks
from gnosis.options.pricing.american import Dividends, tree_value

CLOSE = dt.datetime(2019, 5, 15, 20, 0, tzinfo=dt.UTC)
EXPIRY = dt.date(2019, 11, 15)
TAU = (dt.datetime(2019, 11, 15, 21, tzinfo=dt.UTC) - CLOSE) / dt.timedelta(days=365)
RATE, SIGMA = 0.05, 0.3
DISCOUNT = np.exp(-RATE * TAU)
EX_DATE = dt.date(2019, 8, 9)
UNTIL_EX = (dt.datetime(2019, 8, 9, 13, 30, tzinfo=dt.UTC) - CLOSE) / dt.timedelta(days=365)


@pytest.fixture
def american_quotes(quote_rows):
    """Quotes half a year before expiry around the values of the tree."""

    def build(strikes, half_spread=0.005, dividend=0.0, borrow=0.0, style="A") -> pl.DataFrame:
        strike = np.repeat(np.asarray(strikes, dtype=float), 2)
        is_call = np.tile([True, False], strike.size // 2)
        worth = dividend * np.exp(-RATE * UNTIL_EX)
        forward = carry_forward(100 - worth, TAU, RATE, borrow)
        n = strike.size
        dividends = Dividends(np.full(n, UNTIL_EX), np.full(n, dividend), np.arange(n + 1)) if dividend else None
        value = tree_value(100, strike, TAU, forward, DISCOUNT, SIGMA, is_call, dividends).american
        return quote_rows(
            [
                ("C" if call else "P", k, v - half_spread, v + half_spread)
                for call, k, v in zip(is_call, strike, value, strict=True)
            ],
            expiry=EXPIRY,
            style=style,
        )

    return build


def test_volatility_of_american_puts_comes_from_the_tree(american_quotes, rate_rows, dividend_rows):
    found = option_greeks(american_quotes([98, 99, 100, 101, 102, 110]), rate_rows(), dividend_rows([]))
    forward = 100 * np.exp(RATE * TAU)
    np.testing.assert_allclose(found["forward"], forward, rtol=2e-5)
    puts = found.filter(pl.col("strike") < forward)
    assert puts["exercise_model"].unique().to_list() == ["tree"]
    np.testing.assert_allclose(puts["iv"], SIGMA, atol=2e-4)
    assert ((puts["iv_bid"] < puts["iv"]) & (puts["iv"] < puts["iv_ask"])).all()
    assert puts["iv_error"].max() <= 1e-4
    european = option_greeks(american_quotes([98, 99, 100, 101, 102, 110], style="E"), rate_rows(), dividend_rows([]))
    assert european["exercise_model"].unique().to_list() == ["closed_form"]
    # The whole premium ends up in the volatility when it is taken for European.
    assert european.filter(pl.col("strike") == 100)["iv"].max() > SIGMA + 0.004


def test_calls_without_dividends_keep_the_closed_form(american_quotes, rate_rows):
    found = option_greeks(american_quotes([100, 101, 102, 110, 120]), rate_rows())
    calls = found.filter(pl.col("strike") > 102.6)
    assert calls["exercise_model"].unique().to_list() == ["closed_form"]
    np.testing.assert_allclose(calls["iv"], SIGMA, atol=1e-3)  # 201 steps of a tree made the prices


def test_a_premium_below_a_quarter_of_the_spread_keeps_the_closed_form(american_quotes, rate_rows):
    strikes = [98, 99, 100, 101, 102]
    at_100 = (pl.col("strike") == 100) & (pl.col("right") == "P")
    forward = 100 * np.exp(RATE * TAU)
    value = tree_value(100, 100.0, TAU, forward, DISCOUNT, SIGMA, False)
    premium = float(value.american - value.european)
    assert 0.1 < premium < 0.5
    for half_spread, model in [(0.4 * premium, "tree"), (3 * premium, "closed_form")]:
        found = option_greeks(american_quotes(strikes, half_spread=half_spread), rate_rows()).filter(at_100)
        assert (found["reason"].item(), found["exercise_model"].item()) == (None, model)


def test_early_exercise_is_taken_off_before_parity(american_quotes, rate_rows, dividend_rows):
    """What is taken off is found from the carry forward; taking nothing off would leave the forward 0.35 too low."""
    strikes = [98.5, 99, 99.5, 100, 100.5, 101, 101.5]
    american = chain_analytics(american_quotes(strikes), rate_rows(), dividend_rows([])).forwards.row(0, named=True)
    assert american["n_pairs"] == american["n_deamericanised"] == 7
    assert american["forward_source"] == "parity"
    forward = 100 * np.exp(RATE * TAU)
    assert american["parity_forward"] == pytest.approx(forward, abs=0.01)
    naive = chain_analytics(american_quotes(strikes, style="E"), rate_rows(), dividend_rows([])).forwards.row(
        0, named=True
    )
    assert naive["n_deamericanised"] == 0
    assert naive["parity_forward"] < forward - 0.2


@pytest.mark.parametrize(
    ("dividend", "borrow", "error"),
    [
        (0.0, 0.0, 0.01),
        (0.0, 0.06, 0.01),
        (0.5, 0.0, 0.07),  # the premium is that of a steady carry, and cash on one day is worth another one
        (2.0, 0.0, 0.21),
    ],
)
def test_where_dividends_are_not_known_the_pairs_tell_the_forward_themselves(
    american_quotes, rate_rows, dividend, borrow, error
):
    """Rates alone would say 102.55 to all of them."""
    strikes = [98.5, 99, 99.5, 100, 100.5, 101, 101.5]
    quotes = american_quotes(strikes, dividend=dividend, borrow=borrow)
    row = chain_analytics(quotes, rate_rows()).forwards.row(0, named=True)
    worth = dividend * np.exp(-RATE * UNTIL_EX)
    expected = float(carry_forward(100 - worth, TAU, RATE, borrow))
    assert row["n_deamericanised"] > 0
    assert row["forward"] == row["parity_forward"] == pytest.approx(expected, abs=error)
    as_quoted = chain_analytics(american_quotes(strikes, dividend=dividend, borrow=borrow, style="E"), rate_rows())
    assert abs(as_quoted.forwards["forward"].item() - expected) > abs(row["forward"] - expected) + 0.02


def test_wide_pairs_keep_their_premium(american_quotes, rate_rows):
    quotes = american_quotes([98.5, 99, 99.5, 100, 100.5, 101, 101.5], half_spread=1.0)
    row = chain_analytics(quotes, rate_rows()).forwards.row(0, named=True)
    assert (row["n_pairs"], row["n_deamericanised"]) == (7, 0)


def test_declared_dividends_reach_the_tree(american_quotes, rate_rows, dividend_rows):
    quotes = american_quotes([99, 99.5, 100, 100.5, 101, 90], dividend=2.0)
    told = dividend_rows([(EX_DATE, 2.0, CLOSE)])
    found = chain_analytics(quotes, rate_rows(), told)
    worth = 2.0 * np.exp(-RATE * UNTIL_EX)
    row = found.forwards.row(0, named=True)
    assert row["dividends_usd"] == pytest.approx(worth, rel=1e-12)
    assert row["parity_forward"] == pytest.approx((100 - worth) * np.exp(RATE * TAU), abs=0.02)
    own = found.greeks.filter(pl.col("iv_source") == "own")
    np.testing.assert_allclose(own["iv"], SIGMA, atol=6e-4)
    assert own.height == quotes.height


def test_an_american_put_above_every_european_price_takes_the_tree(quote_rows, rate_rows, dividend_rows):
    """At 300 % volatility over two years it is worth more than the discounted strike."""
    tau = (dt.datetime(2021, 5, 14, 20, tzinfo=dt.UTC) - CLOSE) / dt.timedelta(days=365)
    discount = np.exp(-RATE * tau)
    mid = float(tree_value(100, 100.0, tau, 100 / discount, discount, 3.0, False).american)
    assert mid > 100 * discount
    quotes = quote_rows([("P", 100.0, mid - 0.01, mid + 0.01)], expiry=dt.date(2021, 5, 14), style="A")
    row = option_greeks(quotes, rate_rows(), dividend_rows([])).row(0, named=True)
    assert (row["reason"], row["exercise_model"]) == (None, "tree")
    assert row["iv"] == pytest.approx(3.0, abs=1e-6)
    european = quotes.with_columns(style=pl.lit("E").cast(quotes.schema["style"]))
    assert option_greeks(european, rate_rows(), dividend_rows([]))["reason"].item() == "bound"


def test_one_night_equals_the_backfill_with_american_exercise(american_quotes, rate_rows, dividend_rows):
    quotes = pl.concat([american_quotes([99, 100, 101]).with_columns(symbol=pl.lit(name)) for name in ("AAA", "BBB")])
    told = pl.concat(
        [dividend_rows([(EX_DATE, usd, CLOSE)], symbol=name) for name, usd in [("AAA", 0.5), ("BBB", 1.5)]]
    )
    together = chain_analytics(quotes, rate_rows(), told)
    apart = [chain_analytics(part, rate_rows(), told) for part in quotes.partition_by("symbol")]
    for position in range(2):
        assert together[position].equals(pl.concat([part[position] for part in apart]))
