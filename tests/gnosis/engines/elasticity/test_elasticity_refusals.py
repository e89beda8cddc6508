"""What the engine refuses, and its settings."""

import datetime as dt

import polars as pl
import pytest

from gnosis.engines.elasticity import ElasticityParameters, elasticity
from gnosis.options.positioning.levels import levels

SESSION = dt.date(2019, 5, 1)


def test_levels_of_other_greeks_are_refused(mini_book, mini_bars):
    other = levels(mini_book.with_columns(pl.col("open_interest") * 2))
    with pytest.raises(ValueError, match=r"for AAA of 2019-05-01 under naive.*make the levels from these Greeks"):
        elasticity(mini_book, other, mini_bars)
    with pytest.raises(ValueError, match="under customer_long, found none"):
        elasticity(mini_book, levels(mini_book, ["naive"]), mini_bars)
    with pytest.raises(ValueError, match="expected revaluation 'sticky_strike', found 'sticky_moneyness'"):
        elasticity(mini_book, levels(mini_book), mini_bars, revaluation="sticky_strike")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conventions": ["long"]}, "found 'long'"),
        ({"conventions": []}, "expected a list"),
        ({"conventions": ["flow_signed"]}, "expected dealer fractions"),
        ({"revaluation": "none"}, "'none'"),
        ({"index_symbols": "AAA"}, "expected a collection"),
        ({"listing": pl.DataFrame({"session": [SESSION]})}, "listing: expected columns"),
        ({"liquidity": pl.DataFrame({"session": [SESSION]})}, r"engines\.liquidity: expected a column 'symbol'"),
    ],
)
def test_unknown_names(mini_book, mini_bars, options, message):
    with pytest.raises(ValueError, match=message):
        elasticity(mini_book, levels(mini_book), mini_bars, **options)


def test_settings_must_be_positive():
    with pytest.raises(ValueError, match="found y = 0"):
        ElasticityParameters(y=0)


def test_y_scales_depth(mini_book, mini_bars, row_of):
    found = row_of(elasticity(mini_book, levels(mini_book), mini_bars, parameters=ElasticityParameters(y=2.0)))
    assert found["depth_usd_per_unit"] == pytest.approx(5e9)
    assert '"y": 2.0' in found["parameters"]


def test_missing_column_of_bars(mini_book, mini_bars):
    with pytest.raises(ValueError, match=r"raw\.equity_bars: expected a column 'volume'"):
        elasticity(mini_book, levels(mini_book), mini_bars.drop("volume"))
