"""The SPX and SPXW chains of 2019 against what came with them: sessions by rule, gamma, roots, dealer gamma."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from benchmarks import real_figures as figures
from benchmarks.real_chains import AFTER_CLOSE, AT_MIDDAY, FEW_TRADES, HOLIDAYS, MISSING, SET_ASIDE
from benchmarks.real_data import SPX_SESSIONS, RealData
from gnosis.options.chain.analytics import ChainAnalytics, chain_analytics
from gnosis.options.positioning.exposure import exposure
from gnosis.options.surface.certificate import UncertifiedSurfaceError
from gnosis.options.surface.fit import density, volatility_surface
from gnosis.sessions import is_session
from gnosis.tables import TABLES
from resources.providers.files.snapshots import label_snapshots
from resources.providers.protocol import Fetched

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory) -> RealData:
    return RealData(shared_data, tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def fetched(real) -> Fetched:
    return real.spx.fetch("raw.option_quotes", SPX_SESSIONS)


@pytest.fixture(scope="module")
def quotes(fetched) -> pl.DataFrame:
    return fetched.frame


@pytest.fixture(scope="module")
def found(real, quotes) -> ChainAnalytics:
    return chain_analytics(quotes, real.macro(SPX_SESSIONS[-1], first=SPX_SESSIONS[0]))


@pytest.fixture(scope="module")
def table(real) -> pl.DataFrame:
    return figures.chain_figures(real)


def test_the_limits_of_the_rules_lie_far_from_every_session(table):
    few, midday = pl.col("session") == FEW_TRADES, pl.col("session") == AT_MIDDAY
    assert table.filter(few)["volume_share"].max() < 0.01 / 2.5
    assert table.filter(~few)["volume_share"].min() > 0.01 * 2.5
    assert table["variance_left"].count() > 25
    assert table.filter(midday)["variance_left"].min() > 0.3 * 1.5
    assert table.filter(~midday)["variance_left"].max() < 0.3 / 1.5
    assert table["beyond_bar"].max() <= 1e-12


def test_chains_made_after_the_close_are_those_whose_spot_is_the_close(table, quotes):
    assert table.filter(pl.col("off_close_usd") < 0.005)["session"].to_list() == AFTER_CLOSE
    close = quotes.select("session", "ts").unique().sort("session").filter(pl.col("session").is_in(AFTER_CLOSE))
    assert [f"{ts:%H:%M}" for ts in close["ts"]] == ["20:00"] * 5 + ["17:00"]


def test_every_chain_is_used_set_aside_by_rule_or_missing(real, fetched, quotes):
    assert figures.rejected_days(fetched.rejected) == SET_ASIDE
    days = set(real.vendor["session"])
    assert len(days) == 58
    assert set(quotes["session"]) == days - set(SET_ASIDE)
    assert sorted(set(SPX_SESSIONS) - days) == MISSING


def test_the_expired_rows_belong_to_a_holiday(real, quotes):
    expired = real.vendor.filter(pl.col("expiry") < pl.col("session"))
    assert expired.height == 316
    assert not any(is_session(day) for day in expired["session"].unique())
    assert quotes.filter(pl.col("expiry") < pl.col("session")).is_empty()


@pytest.mark.parametrize("holiday", HOLIDAYS)
def test_a_holiday_download_under_a_wrong_date_is_found_by_its_content(real, holiday):
    chains, day = figures.relabelled(real, holiday)
    assert (label_snapshots(chains).is_not_null() == (chains["session"] == day)).all()


def test_a_chain_of_the_quotes_of_the_day_before_has_no_volatility(real):
    chains, day = figures.relabelled(real, dt.date(2019, 7, 4))
    greeks = chain_analytics(chains, real.macro(day)).greeks.filter(pl.col("session") == day)
    reasons = dict(greeks["reason"].cast(pl.String).value_counts().iter_rows())
    assert reasons == {"repeated": greeks.height - 316, "settled": 316}
    assert set(greeks["iv_source"]) == {"none"}


def test_every_contract_comes_back_valid(quotes, found):
    greeks = found.greeks
    assert greeks.height == quotes.height > 750_000
    for name, frame in (("greeks.option_greeks", greeks), ("greeks.forwards", found.forwards)):
        TABLES[name].schema.validate(frame, cast=False)
    assert greeks.filter(pl.col("iv").is_null() & pl.col("reason").is_null()).is_empty()
    assert greeks["provider"].unique().to_list() == ["files"]
    assert (greeks["iv_source"] == "own").mean() > 0.85
    assert not greeks["reason"].is_in(["repeated", "stale", "crossed", "no_rate", "adjusted"]).any()


def test_morning_and_afternoon_roots_keep_their_own_forwards_and_smiles(found):
    n_both, n_shared = figures.merged_roots(found)
    assert n_both > 250
    assert n_shared == 0
    halves = [
        found.forwards.filter(pl.col("settlement") == half, pl.col("dte_days") > 1).select(
            "session", "expiry", "tau_years", "forward", "forward_source"
        )
        for half in ("am", "pm")
    ]
    both = halves[0].join(halves[1], on=["session", "expiry"], suffix="_pm")
    assert set(both["forward_source"]) | set(both["forward_source_pm"]) == {"parity"}
    hours = (both["tau_years_pm"] - both["tau_years"]) * 8760
    np.testing.assert_allclose(hours.filter(both["expiry"] != dt.date(2019, 7, 3)), 6.5, rtol=1e-9)
    np.testing.assert_allclose(both["forward"], both["forward_pm"], rtol=1e-3)


@pytest.mark.parametrize("root", ["SPX", "SPXW"])
def test_gamma_agrees_with_the_vendor(real, found, root):
    agreement = figures.gamma_agreement(found.greeks.filter(pl.col("root") == root), real.vendor)
    assert agreement.n_contracts > 20_000
    assert 0.98 <= agreement.median_ratio <= 1.02
    assert agreement.share_within >= 0.9


def test_gamma_agrees_with_the_vendor_in_every_session(real, found):
    for day, greeks in found.greeks.group_by("session", maintain_order=True):
        agreement = figures.gamma_agreement(greeks, real.vendor.filter(pl.col("session") == day[0]))
        assert agreement.n_contracts > 1_500, day
        assert 0.98 <= agreement.median_ratio <= 1.02, day
        assert agreement.share_within >= 0.9, day


def test_dealer_gamma_ranks_sessions_as_squeezemetrics_does(real, found):
    table = exposure(found.greeks)
    TABLES["greeks.exposure"].schema.validate(table, cast=False)
    n_sessions, rank = figures.gex_rank(table, real.dix)
    assert n_sessions == 54
    assert rank > 0.8
    live = found.greeks.filter((pl.col("open_interest") > 0) & pl.col("reason").ne_missing("settled"))
    assert table.filter(pl.col("sign_convention") == "naive")["n_contracts"].sum() == live.height


def test_the_surface_of_a_session_has_no_arbitrage(found):
    """Every slice; share_inside may fail: spreads of liquid strikes are narrower than what five parameters can meet."""
    session = dt.date(2019, 6, 11)
    surface = volatility_surface(found.greeks.filter(pl.col("session") == session))
    for name, frame in (("greeks.surface", surface.slices), ("greeks.surface_certificate", surface.certificate)):
        TABLES[name].schema.validate(frame, cast=False)
    slices = surface.certificate.filter(pl.col("slice_number") > 0)
    assert set(slices["failed_rules"]) <= {"", "share_inside"}
    assert slices["min_g"].min() >= 0
    assert slices["min_calendar_gap"].min() >= -1e-10
    np.testing.assert_allclose(slices.select("density_mass", "density_mean").to_numpy(), 1.0, atol=1e-8)
    fit = figures.surface_fit(surface.certificate)
    assert fit.n_slices > 40
    assert fit.rmse_vol_points < 0.5
    assert (slices["certificate"] == "passed").to_list() == (slices["share_inside"] >= 0.8).to_list()

    passed = surface.certificate.filter(pl.col("slice_number") == 0)["share_inside"].item() >= 0.8
    assert set(surface.slices["certificate"]) == {"passed" if passed else "failed"}
    if not passed:
        with pytest.raises(UncertifiedSurfaceError, match=f"{session} SPX with certificate 'failed'"):
            density(surface.slices, [0.0])
