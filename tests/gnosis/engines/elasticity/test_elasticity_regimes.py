"""Every regime of the engine is reached from a history that asks for it."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.elasticity import elasticity
from gnosis.engines.elasticity.inputs import windows
from gnosis.engines.elasticity.regime_and_flip import jump_score
from gnosis.engines.elasticity.state import READ_BACK
from gnosis.engines.regimes import REGIMES, labels
from gnosis.engines.volatility import trailing_sd
from gnosis.options.positioning.levels import levels
from gnosis.sessions import sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
TABLE = TABLES["engines.elasticity"]
N = 252
CALM_VIX = 15 + np.sin(np.arange(280))


def stored_of(row, conventions=("naive", "customer_long"), n=N, **columns):
    """Return n sessions before with the values of ``row`` but for some columns."""
    days = sessions_between(shift_session(SESSION, -n), shift_session(SESSION, -1))
    frames = []
    for name in conventions:
        one = pl.DataFrame([row], schema=TABLE.polars_schema)
        frame = pl.concat([one] * n).with_columns(session=pl.Series(days), sign_convention=pl.lit(name))
        given = {key: pl.Series([values[i % len(values)] for i in range(n)]) for key, values in columns.items()}
        frames.append(frame.with_columns(**given).cast(TABLE.polars_schema))
    return pl.concat(frames)


@pytest.fixture(scope="module")
def engine(mini_book, bars, quotes_of, vix_of, row_of):
    """Return a row of the mini-book under a history."""
    made = {}
    history = bars(n=80)

    def run(convention="naive", vix=CALM_VIX, greeks=mini_book, n=N, index_symbols=(), late=None, **columns):
        key = (id(greeks), *index_symbols)
        if key not in made:
            # Kept with its chain, so that no other one gets its identity.
            made[key] = levels(greeks, index_symbols=index_symbols), greeks
        given = {"quotes": quotes_of(greeks), "index_levels": vix_of(vix), "index_symbols": index_symbols}
        if "plain" not in made:
            made["plain"] = row_of(elasticity(mini_book, levels(mini_book), history, **given | {"index_symbols": ()}))
        stored = stored_of(made["plain"], n=n, **columns) if n else None
        if late is not None:
            stored = late(stored)
        return row_of(elasticity(greeks, made[key][0], history, stored=stored, **given), convention)

    return run


@pytest.mark.parametrize(
    ("convention", "past", "label"),
    [
        ("customer_long", np.linspace(-0.01, 0.01, N), "short_gamma_squeeze"),
        ("naive", np.linspace(-0.003, 0.003, N), "long_gamma_compression"),
        ("naive", [-1.0, 1.0], "low_gamma_expansion"),
        ("naive", np.linspace(-0.01, 0.01, N), "neutral"),
    ],
)
def test_gamma_regimes(engine, convention, past, label):
    assert engine(convention, hedge_gamma_pressure=past)["hedge_gamma_regime"] == label


@pytest.mark.parametrize(
    ("past", "last_vix", "label"),
    [
        ([0.001, -0.001, 0.0005], 30.0, "high_vanna_high_vol"),
        ([0.001, -0.001, 0.0005], 10.0, "high_vanna_low_vol"),
        # Between the 70th and the 80th percentile of its own past VIX is not high.
        ([0.001, -0.001, 0.0005], float(np.quantile(CALM_VIX[-N:], 0.75)), "high_vanna_low_vol"),
        ([0.001, -0.001, 0.0005], float(np.quantile(CALM_VIX[-N:], 0.81)), "high_vanna_high_vol"),
        (np.linspace(0, 0.004, N), 10.0, "vanna_flow"),
        (np.linspace(0, 0.01, N), 10.0, "neutral"),
    ],
)
def test_vanna_regimes(engine, past, last_vix, label):
    assert engine(vix=np.append(CALM_VIX, last_vix), hedge_vanna_pressure=past)["hedge_vanna_regime"] == label


def test_large_vanna_without_vix_is_not_labelled(engine, vix_of):
    found = engine(vix=CALM_VIX[:3], hedge_vanna_pressure=[0.001, -0.001])
    assert found["hedge_vanna_regime"] is None


@pytest.mark.parametrize(
    ("days", "past", "label"),
    [
        (3, [1e-5, -2e-5], "high_charm_decay_acceleration"),
        (30, [1e-5, -2e-5], "charm_decay_dominant"),
        (30, [1.0, 2.0], "neutral"),
    ],
)
def test_charm_regimes(engine, book, days, past, label):
    greeks = book([("P", 95.0, 1000.0), ("C", 100.0, 800.0), ("C", 105.0, 1000.0)], days=days)
    assert engine(greeks=greeks, hedge_charm_pressure=past)["hedge_charm_regime"] == label


def test_terciles_of_concentration_and_skew(engine, book):
    greeks = book(
        [(r, k, 10.0) for r in "CP" for k in (85.0, 90.0, 95.0, 100.0, 105.0, 110.0)], smile=lambda k: 0.2 - k
    )
    for past, concentration, skew in ((5.0, "diffuse", "flat"), (0.0, "concentrated", "steep")):
        found = engine(greeks=greeks, oi_hhi=[past, past], skew_25d_volpts=[10 * past, 10 * past])
        assert (found["oi_concentration"], found["skew_regime"]) == (concentration, skew)
    both = engine(greeks=greeks, oi_hhi=[0.0, 5.0], skew_25d_volpts=[0.0, 50.0])
    assert (both["oi_concentration"], both["skew_regime"]) == ("normal", "normal")


@pytest.mark.parametrize(
    ("last", "label"),
    [
        ([15.0] * 25, "continuous_diffusion"),
        ([15.9], "moderate_jump_risk"),
        ([20.0, 14.0] * 10 + [22.0], "high_jump_risk"),
    ],
)
def test_jump_risk(engine, last, label):
    found = engine("customer_long", vix=np.append(CALM_VIX, last))
    assert found["hedge_jump_risk_regime"] == label, found["jump_score"]
    assert found["vix"] == last[-1]
    assert (found["hedge_primary_regime"] == "jump_risk_dominant") == (label == "high_jump_risk")


def test_jump_score_is_its_definition(engine):
    rng = np.random.default_rng(8)
    vix = 15 * np.exp(np.cumsum(rng.normal(0, 0.03, 280)))
    past = rng.normal(1, 2, N)
    found = engine("customer_long", vix=vix, skew_25d_10d_volpts=past)
    changes = np.diff(np.log(vix))
    sds = np.array([np.std(changes[i - 19 : i + 1], ddof=1) for i in range(19, changes.size)])
    z = [(x[-1] - x[-253:-1].mean()) / x[-253:-1].std(ddof=1) for x in (sds, vix)]
    assert found["vix_change_sd"] == pytest.approx(sds[-1], rel=1e-12)
    # The mini-book has no expiry of 7 to 14 days, and dealers are short all gamma.
    assert found["jump_score"] == pytest.approx(3 * np.mean(z) + 1, rel=1e-10)


def test_jump_score_needs_two_terms():
    assert np.isnan(jump_score([[np.nan, 1.0, np.nan]], [0.0])).all()
    assert jump_score([[0.2, 0.4, 0.6]], [-0.3]).tolist() == pytest.approx([1.2])


def test_windows_of_vix_with_gaps():
    values = np.random.default_rng(1).normal(size=(3, 300))
    values[1, 40:55] = np.nan
    assert trailing_sd(values, 20).shape == (3, 281)
    assert np.isnan(trailing_sd(values, 20)[1, 36:40]).all() and not np.isnan(trailing_sd(values, 20)[1, 25:30]).any()
    assert np.isnan(windows(values[:, :50]).z(N)).all()
    assert np.isnan(windows(np.ones((1, 253))).z(N)).all()


NARROW, WIDE = [1e-9, -1e-9], [1e3, -1e3]


@pytest.mark.parametrize(
    ("gamma", "vanna", "charm", "label"),
    [
        (NARROW, WIDE, WIDE, "gamma_dominant"),
        (WIDE, NARROW, WIDE, "vanna_dominant"),
        (WIDE, WIDE, NARROW, "charm_dominant"),
        (WIDE, WIDE, WIDE, "neutral"),
    ],
)
def test_primary_regimes(engine, gamma, vanna, charm, label):
    found = engine(hedge_gamma_pressure=gamma, hedge_vanna_pressure=vanna, hedge_charm_pressure=charm)
    assert found["hedge_jump_risk_regime"] == "continuous_diffusion"
    assert found["hedge_primary_regime"] == label


def test_stability_counts_changes_of_the_primary_regime(engine):
    wide = dict.fromkeys(["hedge_gamma_pressure", "hedge_vanna_pressure", "hedge_charm_pressure"], WIDE)
    past = ["neutral"] * (N - 3) + ["gamma_dominant", "neutral", "neutral"]
    found = engine(**wide, hedge_primary_regime=past, gamma_pressure_u=[0.25])
    u = found["gamma_pressure_u"]
    assert found["hedge_regime_stability"] == pytest.approx((1 - 2 / 20) * np.exp(-abs(u - 0.25)))
    gap = engine(**wide, hedge_primary_regime=[None, *["neutral"] * 9], gamma_pressure_u=[0.25])
    assert gap["hedge_regime_stability"] is None


@pytest.mark.parametrize(("n", "is_known"), [(62, False), (63, True)])
def test_regimes_need_63_stored_sessions(engine, n, is_known):
    found = engine(n=n, hedge_gamma_pressure=np.linspace(-0.01, 0.01, n))
    assert (found["hedge_gamma_regime"] is not None) == is_known
    assert ("SHORT_HISTORY" in found["dealer_positioning_reasons"]) == (not is_known)
    assert found["regime_and_flip_confidence"] == pytest.approx(found["dealer_positioning_confidence"] * n / 252)
    assert "SHORT_HISTORY" in found["regime_and_flip_reasons"]


def test_every_shape_of_the_potential(mini_bars, book, elasticity_of):
    """Short gamma at the money makes a double well; gamma on one side a cubic; gamma that offsets depth a quartic."""
    seen = set()
    for right, strike, days in (("C", 100.0, 4), ("C", 106.0, 8)):
        for interest in (1e3, 2e4, 5e4, 9e4, 1.1e5, 4e5):
            rows = elasticity_of(book([(right, strike, interest)], days=days), mini_bars, ["naive", "customer_long"])
            seen |= set(rows["hedge_potential_shape"])
    assert seen == set(labels("hedge_potential_shape"))


def test_words_of_a_determined_sign(engine, book):
    strikes = (85.0, 92.0, 96.0, 100.0, 104.0, 108.0)
    for right, scale, word in (("C", 9e3, "damping"), ("P", 1e3, "amplifying"), ("C", 10.0, "neutral")):
        greeks = pl.concat([book([(right, k, scale) for k in strikes], days=days) for days in (5, 30, 90)])
        found = engine(greeks=greeks, index_symbols=["AAA"])
        assert not found["is_sign_undetermined"]
        assert found["interpretation"] == found["amplification_regime"] == word


def test_easier_direction_is_named_when_it_is_unusual(engine):
    found = engine(hedge_energy_asymmetry=[1e-9, -1e-9])
    assert found["hedge_energy_asymmetry"] < 0 and found["easier_direction"] == "down"
    assert engine(hedge_energy_asymmetry=[0.5, -0.5])["easier_direction"] == "none"
    assert engine(n=0)["easier_direction"] is None
    # Between the 70th and the 80th percentile of its past, and above both.
    size = abs(found["hedge_energy_asymmetry"])
    ranks = np.arange(N) / (N - 1)
    assert engine(hedge_energy_asymmetry=ranks * size / 0.75)["easier_direction"] == "none"
    assert engine(hedge_energy_asymmetry=ranks * size / 0.81)["easier_direction"] == "down"


def test_slope_of_volatility_on_the_return(engine, bars):
    """The stored volatilities answer to every return with -0.8 points per 1 %."""
    close = np.log(bars(n=80)["close"].to_numpy())
    returns = 100 * np.diff(close)[-61:-1]
    path = 0.2 + np.append(0.0, np.cumsum(-0.008 * returns))
    # The current volatility is 0.2: make the last step fit as well.
    path += 0.2 + 0.008 * 100 * np.diff(close)[-1] - path[-1]
    past = np.append(np.full(N - path.size, np.nan), path)
    found = engine(atm_iv_30d=np.where(np.isnan(past), 0.3, past))
    assert found["spot_vol_beta_source"] == "chain"
    assert found["spot_vol_beta_pairs"] == 60
    assert found["spot_vol_beta_volpts_per_pct"] == pytest.approx(-0.8, rel=1e-9)
    want = found["gex_usd_per_pct"] - 0.8 * found["vex_usd_per_volpt"]
    assert found["gex_vol_adjusted_usd_per_pct"] == pytest.approx(want)
    assert found["gex_vol_adjusted_confidence"] == found["vanna_flow_confidence"]
    assert found["vanna_flow_usd_volpt_down"] == found["vex_usd_per_volpt"]


def test_vix_answers_while_there_are_few_chains(engine, bars):
    returns = np.diff(np.log(bars(n=80)["close"].to_numpy()))
    vix = np.append(np.full(220, 40.0), 40.0 + np.cumsum(-150 * returns))
    found = engine(vix=vix, n=18)
    assert found["spot_vol_beta_source"] == "vix" and not found["vanna_flow_is_proxy"]
    assert found["spot_vol_beta_volpts_per_pct"] == pytest.approx(-1.5, rel=1e-9)
    assert found["hedge_cross_asset_correlation"] == pytest.approx(-1.0)
    assert engine(vix=vix, n=19)["spot_vol_beta_source"] == "chain"
    few = engine(vix=vix[-15:], n=0)
    assert (few["spot_vol_beta_pairs"], few["spot_vol_beta_volpts_per_pct"]) == (14, None)
    assert few["gex_vol_adjusted_confidence"] == 0.0


def test_correlation_is_that_with_daily_changes_of_vix(engine, bars):
    returns = np.diff(np.log(bars(n=80)["close"].to_numpy()))[-20:]
    vix = np.random.default_rng(2).uniform(12.0, 60.0, 280)
    want = np.corrcoef(returns, np.diff(vix)[-20:])[0, 1]
    assert engine(vix=vix)["hedge_cross_asset_correlation"] == pytest.approx(want, rel=1e-9)
    assert want != pytest.approx(np.corrcoef(returns, np.diff(np.log(vix))[-20:])[0, 1], rel=1e-3)


def test_rows_that_were_stored_late_are_not_read(engine):
    """A row made anew after the cut-off counts for nothing: neither level nor change nor a session of history."""
    rng = np.random.default_rng(4)
    past = {name: rng.normal(0, 0.01, N) for name in READ_BACK} | {"atm_iv_30d": rng.uniform(0.1, 0.4, N)}
    past |= {"hedge_primary_regime": ["neutral"]}
    first = shift_session(SESSION, -20)
    is_late = pl.col("session").is_in([first, shift_session(SESSION, -1)])

    def rewritten(stored):
        numbers = pl.col([name for name in READ_BACK if name != "hedge_primary_regime"])
        known = pl.col("as_of") + pl.when(is_late).then(pl.duration(microseconds=1)).otherwise(pl.duration())
        return stored.with_columns(pl.when(is_late).then(numbers * 1000).otherwise(numbers), as_of=known)

    found = engine(late=rewritten, **past)
    assert found == engine(late=lambda stored: stored.filter(~is_late), **past)
    assert found["spot_vol_beta_pairs"] == 56
    assert engine(**past)["spot_vol_beta_pairs"] == 60


def test_registry_of_the_engine():
    regimes = {name for name in TABLE.polars_schema if name in REGIMES}
    assert len(regimes) == 9
