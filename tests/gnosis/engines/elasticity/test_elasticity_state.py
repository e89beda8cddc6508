import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from gnosis.engines.elasticity import ElasticityParameters, elasticity, states
from gnosis.engines.elasticity.elasticity_field import amplification_regime
from gnosis.engines.regimes import REGIMES, AmplificationRegime
from gnosis.options.positioning.levels import levels
from gnosis.reasons import REASONS
from gnosis.sessions import shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
ALL = ("naive", "customer_long", "inverted")
TABLE = TABLES["engines.elasticity"]
DOLLARS = [
    "depth_usd_per_unit",
    "dealer_gamma_usd_per_unit",
    "gex_usd_per_pct",
    "stiffness_usd_per_pct",
    "stiffness_p10",
    "energy_up_usd",
    "charm_flow_usd_next_session",
    "vega_usd_per_volpt",
    "gex_p90",
    "potential_a2",
]
SCALE_FREE = [
    "hedge_elasticity",
    "hedge_elasticity_up",
    "amplification",
    "amplification_p90",
    "fragility",
    "hedge_movement_energy",
    "hedge_energy_asymmetry",
    "hedge_gamma_pressure",
    "hedge_vanna_pressure",
    "hedge_charm_pressure",
    "hedge_pressure_up",
    "hedge_dealer_gamma_sign",
    "hedge_mtf_agreement",
    "charm_share_0dte",
    "sigma_d",
    "atm_iv_30d",
    "skew_25d_volpts",
    "oi_hhi",
    "put_call_oi_ratio",
    "oi_center_log_moneyness",
]
PRICES = ["nearest_flip", "call_wall", "put_wall", "gamma_wall", "oi_wall", "flip_zone_low"]


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


def test_rows_in_any_order_and_delivered_twice_give_the_same_bytes(whole, world, quotes_of, vix_of):
    greeks, bars = world
    vix = vix_of(np.linspace(15, 20, 280))
    frames = {"greeks": greeks, "bars": bars, "quotes": quotes_of(greeks), "index_levels": vix}
    plain = whole(**frames)
    mixed = {name: frame.sample(fraction=1.0, shuffle=True, seed=1) for name, frame in frames.items()}
    assert whole(**mixed, conventions=ALL[::-1]).equals(plain)
    assert whole(**{name: pl.concat([frame, frame]) for name, frame in mixed.items()}).equals(plain)


def test_symbol_or_session_alone_gives_the_bits_it_has_together(whole, world):
    greeks, bars = world
    together = whole()
    for symbol in ("AAA", "BBB"):
        here = pl.col("symbol") == symbol
        assert whole(greeks=greeks.filter(here), bars=bars.filter(here)).equals(together.filter(here))
    last = pl.col("session") == SESSION
    before = together.filter(pl.col("session") < SESSION)
    # With the sessions before stored, one night makes the row that the whole range makes.
    assert whole(greeks=greeks.filter(last), stored=before).equals(together.filter(last))


def test_names_of_symbols_do_not_matter(whole, world, quotes_of):
    greeks, bars = world
    greeks, bars = (frame.filter(pl.col("symbol") == "AAA") for frame in (greeks, bars))
    plain = whole(greeks=greeks, bars=bars)
    other = [frame.with_columns(symbol=pl.lit("ZZ")) for frame in (greeks, bars)]
    other[0] = other[0].with_columns(root=pl.lit("ZZ"))
    found = whole(greeks=other[0], bars=other[1], quotes=quotes_of(other[0]))
    assert found.drop("symbol").equals(plain.drop("symbol"))


def test_the_future_changes_nothing(whole, world, quotes_of, vix_of):
    greeks, bars = world
    vix = vix_of(np.linspace(15, 20, 280))
    cut = shift_session(SESSION, -1)
    past = pl.col("session") <= cut
    full = whole(index_levels=vix).filter(past)
    assert full.select(pl.col("jump_score", "vix").is_not_null().all()).row(0) == (True, True)
    known = {"greeks": greeks.filter(past), "bars": bars.filter(past), "index_levels": vix.filter(past)}
    assert whole(**known).equals(full)
    poison = pl.when(pl.col("session") > cut)
    wild = bars.with_columns(
        close=poison.then(pl.col("close") * 1000).otherwise("close"), volume=poison.then(None).otherwise("volume")
    )
    strange = greeks.with_columns(open_interest=poison.then(pl.col("open_interest") * 1000).otherwise("open_interest"))
    panic = vix.with_columns(close=poison.then(pl.col("close") * 1000).otherwise("close"))
    found = whole(greeks=strange, bars=wild, quotes=quotes_of(strange), index_levels=panic)
    assert found.filter(past).equals(full)
    stored = (
        whole(index_levels=vix)
        .with_columns(session=pl.lit(shift_session(SESSION, 1)))
        .unique(["symbol", "session", "sign_convention"], keep="first", maintain_order=True)
    )
    assert whole(index_levels=vix, stored=stored).equals(whole(index_levels=vix))


def test_restated_inputs_count_from_the_moment_at_which_they_are_known(whole, world, quotes_of, vix_of):
    """A later version of a bar, a quote or an index level is seen by rows whose cut-off is not before it."""
    greeks, bars = world
    quotes, vix = quotes_of(greeks), vix_of(np.linspace(15, 20, 280))
    plain = whole(quotes=quotes, index_levels=vix)
    second = shift_session(SESSION, -1)
    late = dt.datetime.combine(second, dt.time(23), dt.UTC)
    day = pl.col("session") == shift_session(SESSION, -2)
    restated = bars.filter(day).with_columns(pl.col("volume") * 3, known_at=late)
    again = vix.filter(day).with_columns(pl.col("close") * 2, known_at=late)
    wide = quotes.filter(pl.col("session") == SESSION).with_columns(
        pl.col("ask") * 1.5, known_at=dt.datetime(2019, 6, 1, tzinfo=dt.UTC)
    )
    found = whole(
        bars=pl.concat([bars, restated]), quotes=pl.concat([quotes, wide]), index_levels=pl.concat([vix, again])
    )
    earlier = pl.col("session") <= second
    assert found.filter(earlier).equals(plain.filter(earlier))
    assert (found["adv_usd"] != plain["adv_usd"]).to_list() == (
        ~plain["session"].is_between(dt.date(2000, 1, 1), second)
    ).to_list()
    assert found["hedge_confidence"].equals(plain["hedge_confidence"])


def scaled(world, elasticity_of, *, price=1.0, shares=1.0, interest=1.0):
    greeks, bars = world
    powers = dict.fromkeys(("spot", "strike", "forward", "mid", "vega_per_vol", "vomma_per_vol2"), 1)
    powers |= {"gamma_per_usd": -1, "zomma_per_usd_vol": -1, "speed_per_usd2": -2}
    greeks = greeks.with_columns(
        *(pl.col(name) * price**power for name, power in powers.items()), pl.col("open_interest") * interest
    )
    bars = bars.with_columns(
        *(pl.col(name) * price for name in ("open", "high", "low", "close")), pl.col("volume") * shares
    )
    return elasticity_of(greeks, bars, ["naive", "customer_long"])


def assert_scaled(found, plain, factors):
    for name, factor in factors.items():
        assert_frame_equal(found.select(name), plain.select(pl.col(name) * factor), rel_tol=1e-8, abs_tol=1e-12)


@pytest.fixture(scope="module")
def plain(world, elasticity_of):
    return scaled(world, elasticity_of)


@settings(max_examples=4, deadline=None)
@given(st.floats(0.05, 40.0))
def test_prices_scaled(world, elasticity_of, plain, a):
    factors = dict.fromkeys([*DOLLARS, *PRICES, "lambda_usd_per_share", "adv_usd"], a) | dict.fromkeys(SCALE_FREE, 1.0)
    assert_scaled(scaled(world, elasticity_of, price=a), plain, factors)


@pytest.mark.parametrize("n", [2.0, 7.0])
def test_split(world, elasticity_of, plain, n):
    factors = dict.fromkeys(DOLLARS + SCALE_FREE, 1.0) | dict.fromkeys(PRICES, 1 / n) | {"lambda_usd_per_share": n**-2}
    assert_scaled(scaled(world, elasticity_of, price=1 / n, shares=n, interest=n), plain, factors)


@settings(max_examples=4, deadline=None)
@given(st.floats(0.05, 40.0))
def test_volumes_and_open_interest_scaled(world, elasticity_of, plain, b):
    factors = dict.fromkeys(DOLLARS, b) | dict.fromkeys(SCALE_FREE + PRICES, 1.0) | {"lambda_usd_per_share": 1 / b}
    assert_scaled(scaled(world, elasticity_of, shares=b, interest=b), plain, factors)


@settings(max_examples=4, deadline=None)
@given(st.floats(0.05, 40.0))
def test_open_interest_scaled(world, elasticity_of, plain, b):
    found = scaled(world, elasticity_of, interest=b)
    factors = {"gex_usd_per_pct": b, "charm_flow_usd_to_close": b, "depth_usd_per_unit": 1.0}
    assert_scaled(found, plain, factors | dict.fromkeys(PRICES, 1.0))
    depth, gamma = plain["depth_usd_per_unit"], plain["dealer_gamma_usd_per_unit"]
    assert ((depth + b * gamma) / 100 - found["stiffness_usd_per_pct"]).abs().max() <= 1e-8 * depth.max()


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
