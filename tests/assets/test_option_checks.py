"""The checks of the greeks room: net exposures against sums by strike, certificates, implied discount factors."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from assets.checks import Stored
from assets.option_checks import CHAINS_HAVE_VOLATILITIES, DISCOUNT_AGREES, SURFACES_CERTIFIED, TOTALS_AGREE
from gnosis.tables import TABLES
from resources.lake import Lake

SESSION = pl.date(2012, 3, 12)


@pytest.fixture(scope="module")
def exposures() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two strikes of exposures, and the net exposures that belong to them."""
    key = {"session": SESSION, "symbol": pl.lit("AAA"), "sign_convention": pl.lit("naive")}
    strikes = pl.DataFrame({"strike": [95.0, 100.0], "gex_usd_per_pct": [3e6, -1e6], "dex_usd": [5e7, 1e7]})
    strikes = strikes.with_columns(**key, vex_usd_per_volpt=2e5, cex_usd_per_day=-4e4, expiry_bucket=pl.lit("8-35"))
    net = strikes.group_by("session", "symbol", "sign_convention").agg(
        pl.col("gex_usd_per_pct", "dex_usd", "vex_usd_per_volpt", "cex_usd_per_day").sum(), n_contracts=pl.lit(4)
    )
    return strikes, net.with_columns(expiry_set=pl.lit("all"))


def whole(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with every column of the table, those not given null."""
    schema = TABLES[name].polars_schema
    rest = [pl.lit(None).alias(column) for column in schema if column not in frame.columns]
    return frame.with_columns(rest).select(list(schema)).cast(schema)


def stored(folder: Path, **tables: pl.DataFrame) -> Stored:
    """Return what a check of the last table looks at."""
    lake = Lake(folder)
    for short_name, frame in tables.items():
        name = f"greeks.{short_name}"
        days = sorted(set(frame.select(SESSION.alias("session"))["session"]))
        lake.write(name, whole(name, frame), days, run_id="test")
    return Stored(TABLES[name], lake, lake.scan(name, days[0], days[-1]), days)


def test_net_exposures_that_are_the_sums_pass(tmp_path, exposures):
    strikes, net = exposures
    finding = TOTALS_AGREE.look(stored(tmp_path, exposure=strikes, levels=net))
    assert finding.passed
    assert finding.finding == "1 of 1 net exposures equal the sums over strikes"


@pytest.mark.parametrize("column", ["gex_usd_per_pct", "dex_usd", "vex_usd_per_volpt", "cex_usd_per_day"])
def test_a_net_exposure_off_by_a_millionth_is_found(tmp_path, exposures, column):
    strikes, net = exposures
    off = net.with_columns(pl.col(column) * (1 + 1e-6))
    assert not TOTALS_AGREE.look(stored(tmp_path, exposure=strikes, levels=off)).passed


def test_a_net_exposure_that_is_missing_is_found(tmp_path, exposures):
    strikes, net = exposures
    without = net.with_columns(gex_usd_per_pct=pl.lit(None, pl.Float64))
    assert not TOTALS_AGREE.look(stored(tmp_path, exposure=strikes, levels=without)).passed


def test_a_chain_whose_levels_are_missing_is_found(tmp_path, exposures):
    strikes, net = exposures
    other = strikes.with_columns(symbol=pl.lit("BBB"))
    assert not TOTALS_AGREE.look(stored(tmp_path, exposure=pl.concat([strikes, other]), levels=net)).passed


def test_failed_certificates_are_counted_and_the_first_is_named(tmp_path):
    rows = pl.DataFrame(
        {
            "symbol": ["AAA", "BBB", "BBB"],
            "slice_number": [0, 0, 1],
            "certificate": ["passed", "failed", "failed"],
            "failed_rules": ["", "min_g,share_inside", "min_g"],
        }
    ).with_columns(session=SESSION)
    greeks = pl.DataFrame({"symbol": ["AAA", "BBB", "CCC", "DDD"], "iv_source": ["own", "own", "own", "none"]})
    finding = SURFACES_CERTIFIED.look(
        stored(tmp_path, option_greeks=greeks.with_columns(session=SESSION), surface_certificate=rows)
    )
    assert not finding.passed
    assert finding.figures == {"surfaces": 2, "failed": 1, "without_surface": 1}
    assert "first BBB of 2012-03-12: min_g,share_inside" in finding.finding
    assert "1 chains have too few volatilities" in finding.finding


def test_a_chain_without_any_volatility_is_named_with_its_reason(tmp_path):
    rows = pl.DataFrame(
        {
            "symbol": ["AAA", "AAA", "BBB", "BBB", "BBB"],
            "strike": [95.0, 100.0, 95.0, 100.0, 105.0],
            "iv": [0.2, None, None, None, None],
            "reason": [None, "wide", "no_forward", "no_forward", "wide"],
        }
    )
    finding = CHAINS_HAVE_VOLATILITIES.look(stored(tmp_path, option_greeks=rows.with_columns(session=SESSION)))
    assert not finding.passed
    assert finding.figures == {"chains": 2, "without_volatility": 1}
    assert "first without: BBB of 2012-03-12, most contracts because of no_forward" in finding.finding


def test_discount_factors_far_from_the_curve_are_counted(tmp_path):
    """A small gap, a large one, a larger one that the width of the quotes explains, and none."""
    gaps = pl.DataFrame(
        {
            "root": ["A", "B", "C", "D"],
            "discount_gap_per_year": [0.0024, -0.0026, 0.0040, None],
            "discount_gap_se_per_year": [0.0001, 0.0001, 0.0021, None],
        }
    )
    finding = DISCOUNT_AGREES.look(stored(tmp_path, forwards=gaps.with_columns(session=SESSION, symbol=pl.lit("AAA"))))
    assert not finding.passed
    assert finding.figures == {"compared": 3, "apart": 1, "largest_gap_per_year": 0.0040}
