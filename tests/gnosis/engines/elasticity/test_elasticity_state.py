import datetime as dt

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.engines.elasticity import states
from gnosis.engines.elasticity.elasticity_field import amplification_regime
from gnosis.engines.regimes import REGIMES, AmplificationRegime
from gnosis.reasons import REASONS
from gnosis.sessions import shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
TABLE = TABLES["engines.elasticity"]


@pytest.mark.parametrize(
    ("convention", "want"),
    [
        (
            "naive",
            {
                "dealer_gamma_usd_per_unit": 42_949_709.498,
                "gex_usd_per_pct": 429_497.09498,
                "stiffness_usd_per_pct": 100_429_497.095,
                "hedge_elasticity": 1.00429497095,
                "amplification": 0.99572339694,
                "fragility": -0.00429497095,
                "energy_up_usd": 502_565.91693,
                "energy_down_usd": 501_678.95105,
                "hedge_movement_energy": 1.00424486798,
                "hedge_energy_asymmetry": -0.00088321675,
                "hedge_movement_energy_up": 1.00513183387,
                "hedge_movement_energy_down": 1.00335790210,
                "hedge_elasticity_up": 1.00492744466,
                "hedge_elasticity_down": 1.00359564875,
                "hedge_pressure_up": -0.00492744466,
                "hedge_pressure_down": -0.00359564875,
                "hedge_net_pressure": -0.00133179592,
                "dex_usd": 9_497_460.198,
                "vex_usd_per_volpt": 234_154.306,
                "cex_usd_per_day": -81_779.59401,
                "hedge_dealer_gamma_sign": 0.2510902361,
                "nearest_flip": 97.13207785,
                "call_wall": 100.0,
                "put_wall": 95.0,
            },
        ),
        (
            "customer_long",
            {
                "gex_usd_per_pct": -1_710_528.85844,
                "stiffness_usd_per_pct": 98_289_471.142,
                "hedge_elasticity": 0.98289471142,
                "amplification": 1.01740297143,
                "fragility": 0.01710528858,
                "energy_up_usd": 491_588.42119,
                "energy_down_usd": 491_379.34804,
                "hedge_movement_energy": 0.98296776923,
                "hedge_energy_asymmetry": -0.00021269583,
                "hedge_movement_energy_up": 0.98317684238,
                "hedge_movement_energy_down": 0.98275869609,
                "hedge_elasticity_up": 0.98310041779,
                "hedge_elasticity_down": 0.98278643615,
                "hedge_pressure_up": 0.01689958221,
                "hedge_pressure_down": 0.01721356385,
                "hedge_net_pressure": -0.00031398164,
                "dex_usd": -3_390_040.740,
                "vex_usd_per_volpt": -4_317.151851,
                "cex_usd_per_day": 17_702.06539,
                "hedge_dealer_gamma_sign": -1.0,
            },
        ),
    ],
)
def test_mini_book(mini_book, mini_bars, elasticity_of, quotes_of, row_of, convention, want):
    found = row_of(elasticity_of(mini_book, mini_bars, quotes=quotes_of(mini_book)), convention)
    for name, value in want.items():
        # Printed with 11 decimals at most: small numbers carry fewer digits.
        assert found[name] == pytest.approx(value, rel=1e-9, abs=6e-12), name
    assert found["lambda_usd_per_share"] == pytest.approx(1e-6)
    assert found["amplification_regime"] == "neutral"
    assert found["lambda_source"] == "linear_law"
    assert found["elasticity_field_confidence"] == pytest.approx(0.3 * 1.0)
    assert found["provider"] == "cboe+yahoo"
    assert found["as_of"] == found["known_at"] == dt.datetime(2019, 5, 1, 20, tzinfo=dt.UTC)


def test_conventions_of_the_mini_book_differ_in_flips_and_walls(mini_book, mini_bars, elasticity_of, row_of):
    found = elasticity_of(mini_book, mini_bars)
    naive, long = row_of(found), row_of(found, "customer_long")
    assert (naive["n_flips"], naive["profile_sign"], long["n_flips"], long["profile_sign"]) == (1, None, 0, -1)
    assert (long["flips"], long["call_wall"], long["put_wall"]) == ([], None, 95.0)


def test_frame_is_the_table(whole):
    found = whole()
    assert found.schema == TABLE.polars_schema
    assert found.equals(found.sort(TABLE.key))
    assert found.height == 2 * 3 * 3
    TABLE.schema.validate(found)
    numbers = found.select(pl.col(pl.Float64).is_finite().fill_null(True).all())
    assert all(numbers.row(0))


def test_states_are_the_rows(whole):
    found = whole()
    records = states(found)
    assert [one.hedge_elasticity for one in records] == found["hedge_elasticity"].to_list()
    assert records[0].amplification_regime is AmplificationRegime(found["amplification_regime"][0])
    assert records[0].flips == tuple(found["flips"][0])
    assert set(records[0].reasons) <= set(REASONS)
    with pytest.raises(AttributeError):
        records[0].spot = 1.0


def test_engine_confidence_is_the_mean_of_eight(whole):
    found = whole()
    parts = [name for name in found.columns if name.endswith("_confidence") and not name.startswith(("hedge_", "gex_"))]
    assert len(parts) == 8
    mean = found.select(pl.mean_horizontal(parts)).to_series()
    assert (found["confidence"] - mean).abs().max() < 1e-15


def test_confidences_of_a_plain_day(mini_book, mini_bars, elasticity_of, quotes_of, row_of):
    found = row_of(elasticity_of(mini_book, mini_bars, quotes=quotes_of(mini_book)))
    quality = (1 - 0.02) ** 0.25
    assert found["hedge_confidence"] == pytest.approx(quality, rel=1e-12)
    assert found["oi_distribution_confidence"] == 1.0
    for name in ("greek_field_mapper", "dealer_positioning", "vanna_flow", "charm_decay"):
        assert found[f"{name}_confidence"] == pytest.approx(quality, rel=1e-12), name
    assert found["elasticity_field_confidence"] == found["movement_energy_confidence"] == pytest.approx(0.3)
    assert found["elasticity_field_is_proxy"] and found["movement_energy_is_proxy"]
    assert found["regime_and_flip_confidence"] == 0.0
    assert not found["is_amplification_unbounded"]


def test_reasons_of_a_plain_day(mini_book, mini_bars, elasticity_of, quotes_of, vix_of, row_of):
    given = {"quotes": quotes_of(mini_book), "index_levels": vix_of(np.linspace(15, 20, 280))}
    found = elasticity_of(mini_book, mini_bars, **given)
    # One expiry reaches neither 90 days nor the short skew; no history is stored.
    assert row_of(found)["reasons"] == "LOW_COVERAGE,SIGN_UNDETERMINED,DEPTH_PROXY,SHORT_HISTORY"
    assert row_of(found)["elasticity_field_reasons"] == "LOW_COVERAGE,DEPTH_PROXY"
    assert row_of(found)["dealer_positioning_reasons"] == "LOW_COVERAGE,SIGN_UNDETERMINED,SHORT_HISTORY"
    assert "SIGN" not in row_of(found, "customer_long")["reasons"]
    assert "SIGN" not in row_of(elasticity_of(mini_book, mini_bars, index_symbols=["AAA"], **given))["reasons"]
    assert "SOURCE_MISSING" in row_of(elasticity_of(mini_book, mini_bars))["greek_field_mapper_reasons"]


def test_index_with_absurd_gamma_is_suspected_of_a_unit_error(mini_book, mini_bars, elasticity_of, row_of):
    grams = mini_book.with_columns(pl.col("open_interest") * 100)
    found = elasticity_of(grams, mini_bars, index_symbols=["AAA"])
    assert "BOUND_VIOLATION" in row_of(found)["reasons"]
    assert "BOUND_VIOLATION" not in row_of(elasticity_of(grams, mini_bars))["reasons"]


def test_synthetic_input_is_said(mini_book, mini_bars, elasticity_of, quotes_of, row_of):
    made = mini_bars.with_columns(synthetic=pl.col("session") == shift_session(SESSION, -20))
    found = row_of(elasticity_of(mini_book, made))
    assert found["synthetic"] and "SYNTHETIC_INPUT" in found["reasons"]
    old = mini_bars.with_columns(synthetic=pl.lit(True), session=shift_session(SESSION, -71)).head(1)
    assert not row_of(elasticity_of(mini_book, pl.concat([mini_bars, old])))["synthetic"]
    quotes = quotes_of(mini_book).with_columns(synthetic=pl.col("strike") == 95.0, provider=pl.lit("opra"))
    found = row_of(elasticity_of(mini_book, mini_bars, quotes=quotes))
    assert found["synthetic"] and found["provider"] == "cboe+opra+yahoo"


def test_storm(mini_book, mini_bars, elasticity_of, row_of):
    heavy = mini_book.with_columns(pl.col("open_interest") * 100)
    found = row_of(elasticity_of(heavy, mini_bars), "customer_long")
    assert found["stiffness_usd_per_pct"] < 0
    assert found["amplification"] is None
    assert found["amplification_regime"] == found["interpretation"] == "storm"
    assert found["fragility"] > 1
    assert found["energy_up_usd"] < 0 and found["energy_down_usd"] < 0
    assert found["hedge_movement_energy"] == 0.0
    assert found["hedge_energy_asymmetry"] is None


def test_band_of_amplification_is_open_where_the_book_may_be_unstable(mini_book, mini_bars, elasticity_of, row_of):
    found = row_of(elasticity_of(mini_book.with_columns(pl.col("open_interest") * 300), mini_bars))
    assert found["gex_p10"] * 100 + found["depth_usd_per_unit"] < 0
    assert found["amplification_p90"] is None and found["is_amplification_unbounded"]
    assert found["amplification_p10"] == pytest.approx(1 / (1 + found["gex_p90"] * 100 / found["depth_usd_per_unit"]))
    assert found["stiffness_p10"] == pytest.approx(found["depth_usd_per_unit"] / 100 + found["gex_p10"])


@pytest.mark.parametrize(
    ("a", "label"),
    [
        (0.5, "damping"),
        (0.98, "neutral"),
        (1.02, "neutral"),
        (1.0201, "amplifying"),
        (1.2, "amplifying"),
        (1.21, "storm"),
    ],
)
def test_regime_cuts(a, label):
    code = amplification_regime([1.0], [a]).item()
    assert list(AmplificationRegime)[int(code)].value == label


def test_every_amplification_regime_and_every_word_is_reached_by_scaling_one_book(mini_book, mini_bars, elasticity_of):
    rows = []
    for scale in (1, 5, 20):
        heavy = mini_book.with_columns(
            open_interest=pl.col("open_interest") * scale * pl.when(pl.col("right") == "C").then(9.0).otherwise(1.0)
        )
        rows += [elasticity_of(heavy, mini_bars, index_symbols=symbols) for symbols in ([], ["AAA"])]
    found = pl.concat([*rows, elasticity_of(mini_book.with_columns(open_interest=pl.lit(0.0)), mini_bars)])
    found = found.with_columns(is_open=pl.col("is_sign_undetermined").fill_null(False))
    for name in ("amplification_regime", "hedge_potential_shape"):
        assert set(found[name].drop_nulls()) <= {label.value for label in REGIMES[name]}
    assert set(found["amplification_regime"]) == {label.value for label in AmplificationRegime}
    assert {"undetermined", "storm", "damping"} <= set(found["interpretation"])
    told = found.filter("is_open")["interpretation"]
    assert set(told) <= {"undetermined", "storm"}


def test_index_without_volume_keeps_gamma_only(mini_book, mini_bars, elasticity_of, quotes_of, row_of):
    silent = mini_bars.with_columns(volume=pl.lit(None, dtype=pl.Float64))
    found = row_of(elasticity_of(mini_book, silent, quotes=quotes_of(mini_book)))
    assert found["gex_usd_per_pct"] == pytest.approx(429_497.09498)
    assert found["dealer_positioning_confidence"] > 0.9
    assert found["sigma_d"] == pytest.approx(0.01)
    for name in (
        "adv_usd",
        "depth_usd_per_unit",
        "stiffness_usd_per_pct",
        "amplification",
        "amplification_p90",
        "is_amplification_unbounded",
        "energy_up_usd",
        "lambda_source",
        "hedge_gamma_pressure",
        "amplification_regime",
        "interpretation",
    ):
        assert found[name] is None, name
    assert found["elasticity_field_confidence"] == found["movement_energy_confidence"] == 0.0
    assert {"SIGN_UNDETERMINED", "SOURCE_MISSING", "SHORT_HISTORY"} <= set(found["reasons"].split(","))


def test_no_bars_at_all(mini_book, mini_bars, elasticity_of, row_of):
    found = row_of(elasticity_of(mini_book, mini_bars.clear()))
    assert found["gex_usd_per_pct"] == pytest.approx(429_497.09498)
    assert found["provider"] == "cboe"
    assert found["as_of"] == dt.datetime(2019, 5, 1, 19, 45, tzinfo=dt.UTC)


@pytest.mark.parametrize(("column", "reason"), [("open_interest", "OI_MISSING"), ("iv", "NO_CHAIN")])
def test_nothing_known_about_dealers_leaves_depth(
    mini_book, mini_bars, elasticity_of, quotes_of, row_of, column, reason
):
    empty = mini_book.with_columns(pl.lit(None, dtype=pl.Float64).alias(column))
    found = row_of(elasticity_of(empty, mini_bars, quotes=quotes_of(mini_book)))
    assert found["gex_usd_per_pct"] is None and found["stiffness_usd_per_pct"] is None
    assert found["energy_up_usd"] is None and found["amplification_regime"] is None
    assert found["hedge_pressure_up"] is None and found["charm_flow_usd_next_session"] is None
    assert found["depth_usd_per_unit"] == pytest.approx(1e10)
    assert found["dealer_positioning_confidence"] == found["elasticity_field_confidence"] == 0.0
    assert reason in found["reasons"].split(",")


def test_no_open_interest_is_not_unknown_open_interest(mini_book, mini_bars, elasticity_of, row_of):
    found = row_of(elasticity_of(mini_book.with_columns(open_interest=pl.lit(0.0)), mini_bars))
    assert found["gex_usd_per_pct"] == 0.0
    assert found["amplification"] == 1.0
    assert found["hedge_movement_energy"] == pytest.approx(0.01 / 0.01)
    assert found["hedge_dealer_gamma_sign"] is None and found["hedge_mtf_agreement"] is None
    assert (found["oi_notional_usd"], found["oi_hhi"], found["profile_sign"]) == (0.0, None, 0)


def test_sign_reversal(world, elasticity_of):
    found = elasticity_of(*world)
    naive, inverted = (found.filter(pl.col("sign_convention") == name) for name in ("naive", "inverted"))
    assert naive["gex_usd_per_pct"].to_list() == (-inverted["gex_usd_per_pct"]).to_list()
    signed = ["hedge_pressure_up", "hedge_pressure_down", "hedge_net_pressure", "vex_usd_per_volpt", "cex_usd_per_day"]
    signed += ["charm_flow_usd_next_session", "speed_usd_per_pct2", "hedge_dealer_gamma_sign"]
    for name in signed:
        assert_frame_equal(naive.select(name), inverted.select(-pl.col(name)), abs_tol=1e-9)
    total = naive["stiffness_usd_per_pct"] + inverted["stiffness_usd_per_pct"]
    assert (total - naive["depth_usd_per_unit"] / 50).abs().max() == pytest.approx(0.0, abs=1e-5)


def test_revaluation_is_written_down_and_moves_the_energy(world, elasticity_of):
    moneyness, strike = elasticity_of(*world), elasticity_of(*world, revaluation="sticky_strike")
    assert strike["revaluation"].unique().to_list() == ["sticky_strike"]
    assert moneyness["gex_usd_per_pct"].equals(strike["gex_usd_per_pct"])
    assert (moneyness["hedge_energy_asymmetry"] - strike["hedge_energy_asymmetry"]).abs().min() > 0


def test_sticky_strike_makes_mean_elasticity_the_pressure(world, elasticity_of):
    found = elasticity_of(*world, revaluation="sticky_strike")
    flat = found["spot"] ** 2 / found["lambda_usd_per_share"] * 0.01 / found["adv_usd"]
    for side in ("up", "down"):
        gap = found[f"hedge_elasticity_{side}"] - (flat - found[f"hedge_pressure_{side}"])
        assert gap.abs().max() < 1e-6


def test_contracts_without_forward_are_in_no_gamma(mini_book, mini_bars, elasticity_of):
    """Levels and profiles leave out the same contracts, so that they still agree."""
    is_known = pl.col("strike") != 95
    frame = mini_book.with_columns(forward=pl.when(is_known).then("forward"))
    name = "dealer_gamma_usd_per_unit"
    found = elasticity_of(frame, mini_bars, ["naive"])[name].item()
    assert found == elasticity_of(mini_book.filter(is_known), mini_bars, ["naive"])[name].item()
