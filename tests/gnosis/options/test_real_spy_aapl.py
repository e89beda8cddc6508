"""American chains: SPY's crossed quotes and parity, AAPL through its 7:1 split of 2014-06-09."""

from __future__ import annotations

import polars as pl
import pytest

from benchmarks import real_figures as figures
from benchmarks.real_chains import HALF_CONVERTED
from benchmarks.real_data import SPLIT_RATIO, SPLIT_SESSION, RealData
from gnosis.options.chain.analytics import chain_analytics
from gnosis.options.positioning.exposure import contract_exposure
from gnosis.tables import TABLES

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory) -> RealData:
    return RealData(shared_data, tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def spy(real) -> tuple[pl.DataFrame, pl.DataFrame]:
    return figures.spy(real)


@pytest.fixture(scope="module")
def split(real) -> tuple[pl.DataFrame, pl.DataFrame]:
    return figures.split_tables(real)


def test_the_crossed_quotes_are_named_and_no_others(spy):
    quotes, greeks = spy
    assert quotes.height == greeks.height == 5040
    key = TABLES["raw.option_quotes"].key
    crossed = quotes.filter(pl.col("bid") > pl.col("ask")).select(key).sort(key)
    named = greeks.filter(pl.col("reason") == "crossed").select(key).sort(key)
    assert crossed.height == 17
    assert named.rows() == crossed.rows()
    locked = quotes.filter(pl.col("bid") == pl.col("ask")).select(key).join(greeks, on=key)
    assert locked["reason"].to_list() == [None]


def test_a_chain_off_european_parity_keeps_its_volatilities(spy):
    """C - P of American options lies between S - PV(dividends) - K and S - K DF: a difference proves nothing wrong."""
    quotes, greeks = spy
    pairs = figures.parity(quotes, greeks)
    assert pairs.n_pairs > 400
    assert pairs.n_off > 0.5 * pairs.n_pairs
    assert pairs.n_off_with_reason == 0
    assert set(greeks["style"]) == {"A"}
    assert set(greeks["reason"].drop_nulls()) <= {"crossed", "settled", "zero_bid", "wide", "no_time_value"}
    assert greeks.filter(pl.col("iv_source") == "own")["exercise_model"].null_count() == 0


def test_the_split_conserves_open_interest_in_shares(split):
    found = figures.through_split(*split)
    assert found.n_found == found.n_live == 2180
    assert found.median_ratio == SPLIT_RATIO
    assert 0.95 < found.share_equivalents < 1.05
    assert set(split[0]["multiplier"]) == set(split[1]["multiplier"]) == {100.0}


def test_the_gamma_of_all_positions_goes_through_the_split(real, split):
    quoted = [table.filter(pl.col("bid").is_not_null()) for table in split]
    old, new = (figures.gamma_of_positions(table, real.macro(SPLIT_SESSION)) for table in quoted)
    assert 0.8 < new / old < 1.25


def test_a_chain_converted_by_hand_has_the_same_dollar_exposures(real, split):
    """Strikes and prices / 7, open interest x 7, the multiplier as it was; half ticks decide on a few volatilities."""
    before = split[0].filter(pl.col("bid") > 1.0, pl.col("expiry") > SPLIT_SESSION)
    after = before.with_columns(
        pl.col("strike", "bid", "ask", "spot") / SPLIT_RATIO, open_interest=pl.col("open_interest") * SPLIT_RATIO
    )
    sums = []
    for table in (before, after):
        greeks = chain_analytics(table, real.macro(SPLIT_SESSION)).greeks
        lines = contract_exposure(greeks.filter(pl.col("reason").is_null()), conventions=("naive",))
        sums.append(lines.select("gex_usd_per_pct", "dex_usd", "vega_usd_per_volpt").sum().row(0))
    assert sums[1] == pytest.approx(sums[0], rel=2e-3)


def test_the_half_converted_file_is_set_aside_by_rule(real):
    """Its spot is in new dollars, the bar of its session in old ones."""
    found = figures.aapl_rejected(real)
    assert found[HALF_CONVERTED] == "spot|outside_bar"
    assert SPLIT_SESSION not in found
