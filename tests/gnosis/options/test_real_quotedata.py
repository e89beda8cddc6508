"""Four downloads of Cboe's page from raw text to Greeks: one schema, whatever the language and the layout."""

from __future__ import annotations

import polars as pl
import pytest

from benchmarks.real_data import DOWNLOADS, RealData
from benchmarks.real_figures import QUOTED_AT_CLOSE
from gnosis.options.chain.analytics import chain_analytics
from gnosis.options.positioning.exposure import exposure
from gnosis.tables import TABLES

pytestmark = pytest.mark.real_data
QUOTED_IN_THE_MORNING = [name for name in DOWNLOADS if "2022-03-23" in name or "2025-09-05" in name]


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory) -> RealData:
    return RealData(shared_data, tmp_path_factory.mktemp("real"))


@pytest.mark.parametrize("name", DOWNLOADS)
def test_every_download_becomes_the_same_table_and_comes_back_valid(real, name):
    frame, rejected = real.download(name)
    assert rejected.is_empty()
    table = TABLES["raw.option_quotes"]
    assert frame.schema == table.polars_schema
    assert table.schema.filter(frame)[1].counts() == {}
    assert frame.select(table.key).is_duplicated().sum() == 0
    greeks = chain_analytics(frame, real.macro(frame["session"].max())).greeks
    assert greeks.height == frame.height > 7_000
    TABLES["greeks.option_greeks"].schema.validate(greeks, cast=False)
    is_stale = (greeks["reason"].ne_missing("stale")).sum() == 0
    assert is_stale == (name in QUOTED_IN_THE_MORNING)


def test_a_chain_of_the_close_has_volatilities_and_exposures(real):
    frame, _ = real.download(QUOTED_AT_CLOSE)
    greeks = chain_analytics(frame, real.macro(frame["session"].max())).greeks
    assert (greeks["iv_source"] == "own").mean() > 0.9
    near = greeks.filter((pl.col("strike") / pl.col("spot") - 1).abs() < 0.01, pl.col("dte_days").is_between(20, 40))
    # The VIX closed at 27.75 on that day; volatility at the money lies a few points below it.
    assert 0.22 < near["iv"].median() < 0.28
    net = exposure(greeks).group_by("sign_convention").agg(pl.col("gex_usd_per_pct").sum()).sort("sign_convention")
    naive, customer_long = net["gex_usd_per_pct"]
    assert customer_long < -abs(naive) < 0
