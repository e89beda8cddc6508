import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from gnosis.engines.elasticity import elasticity
from gnosis.engines.elasticity.state import amplification_regime
from gnosis.options.positioning.exposure import exposure
from gnosis.sessions import shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
ALL = ["naive", "customer_long", "inverted"]
DOLLARS = [
    "depth_usd_per_unit",
    "dealer_gamma_usd_per_unit",
    "gex_usd_per_pct",
    "stiffness_usd_per_pct",
    "energy_up_usd",
]
SCALE_FREE = ["elasticity_adv_per_pct", "amplification", "fragility", "movement_energy", "energy_asymmetry", "sigma_d"]


def state(greeks, bars, conventions=ALL, **options):
    return elasticity(greeks, exposure(greeks, conventions), bars, conventions, **options)


def row(frame, convention="naive", symbol="AAA"):
    return frame.filter(pl.col("sign_convention") == convention, pl.col("symbol") == symbol).row(0, named=True)


def skewed(k):
    return 0.2 - 0.4 * k + 1.5 * k * k


@pytest.fixture(scope="module")
def world(book, bars):
    """Three sessions of two symbols."""
    sessions = [shift_session(SESSION, by) for by in (-2, -1, 0)]
    chains, history = [], []
    for i, symbol in enumerate(("AAA", "BBB")):
        spot = 100.0 + 55.5 * i
        history.append(bars(symbol=symbol, n=40, sigma_d=0.013 + 0.01 * i, close=spot, adv_usd=3e8))
        for j, session in enumerate(sessions):
            for days in (3, 30):
                contracts = [
                    (r, round(spot * m, 2), 100.0 * (n + i + j + 1) * (2 if r == "C" else 1))
                    for r in "CP"
                    for n, m in enumerate((0.9, 0.97, 1.0, 1.04, 1.1))
                ]
                chains.append(book(contracts, session=session, symbol=symbol, spot=spot + j, days=days, smile=skewed))
    return pl.concat(chains), pl.concat(history)


@pytest.mark.parametrize(
    ("convention", "want"),
    [
        (
            "naive",
            {
                "dealer_gamma_usd_per_unit": 42_949_709.498,
                "gex_usd_per_pct": 429_497.09498,
                "stiffness_usd_per_pct": 100_429_497.095,
                "elasticity_adv_per_pct": 1.00429497095,
                "amplification": 0.99572339694,
                "fragility": -0.00429497095,
                "energy_up_usd": 502_565.91693,
                "energy_down_usd": 501_678.95105,
                "movement_energy": 1.00424486798,
                "energy_asymmetry": -0.00088321675,
            },
        ),
        (
            "customer_long",
            {
                "gex_usd_per_pct": -1_710_528.85844,
                "stiffness_usd_per_pct": 98_289_471.142,
                "elasticity_adv_per_pct": 0.98289471142,
                "amplification": 1.01740297143,
                "fragility": 0.01710528858,
                "energy_up_usd": 491_588.42119,
                "energy_down_usd": 491_379.34804,
                "movement_energy": 0.98296776923,
                "energy_asymmetry": -0.00021269583,
            },
        ),
    ],
)
def test_mini_book(mini_book, mini_bars, convention, want):
    found = row(state(mini_book, mini_bars), convention)
    for name, value in want.items():
        # Printed with 11 decimals at most: small numbers carry fewer digits.
        assert found[name] == pytest.approx(value, rel=1e-9, abs=6e-12), name
    assert found["lambda_usd_per_share"] == pytest.approx(1e-6)
    assert found["amplification_regime"] == "neutral"
    assert found["lambda_source"] == "linear_law"
    assert found["confidence"] == pytest.approx(0.3)
    assert found["provider"] == "cboe+yahoo"
    assert found["as_of"] == found["known_at"] == dt.datetime(2019, 5, 1, 20, tzinfo=dt.UTC)


def test_frame_is_the_table(world):
    found = state(*world)
    table = TABLES["engines.elasticity"]
    assert found.schema == table.polars_schema
    assert found.equals(found.sort(table.key))
    assert found.height == 2 * 3 * 3
    table.schema.validate(found)


def test_reasons_of_a_plain_day(mini_book, mini_bars):
    found = state(mini_book, mini_bars)
    assert row(found, "naive")["reasons"] == "SIGN_UNDETERMINED,DEPTH_PROXY"
    assert row(found, "customer_long")["reasons"] == "DEPTH_PROXY"
    assert row(state(mini_book, mini_bars, index_symbols=["AAA"]))["reasons"] == "DEPTH_PROXY"


def test_index_with_absurd_gamma_is_suspected_of_a_unit_error(mini_book, mini_bars):
    grams = mini_book.with_columns(pl.col("open_interest") * 100)
    found = state(grams, mini_bars, index_symbols=["AAA"])
    assert "BOUND_VIOLATION" in row(found, "naive")["reasons"]
    assert "BOUND_VIOLATION" not in row(state(grams, mini_bars))["reasons"]


def test_synthetic_input_is_said(mini_book, mini_bars):
    made = mini_bars.with_columns(synthetic=pl.col("session") == shift_session(SESSION, -20))
    found = row(state(mini_book, made))
    assert found["synthetic"] and "SYNTHETIC_INPUT" in found["reasons"]
    old = mini_bars.with_columns(synthetic=pl.lit(True), session=shift_session(SESSION, -21)).head(1)
    assert not row(state(mini_book, pl.concat([mini_bars, old])))["synthetic"]


def test_storm(mini_book, mini_bars):
    heavy = mini_book.with_columns(pl.col("open_interest") * 100)
    found = row(state(heavy, mini_bars), "customer_long")
    assert found["stiffness_usd_per_pct"] < 0
    assert found["amplification"] is None
    assert found["amplification_regime"] == "storm"
    assert found["fragility"] > 1
    assert found["energy_up_usd"] < 0 and found["energy_down_usd"] < 0
    assert found["movement_energy"] == 0.0
    assert found["energy_asymmetry"] is None


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
    assert amplification_regime(pl.Series([1.0]), pl.Series([a])).item() == label


def test_every_regime_is_reached_by_scaling_one_book(mini_book, mini_bars):
    seen = set()
    for scale in (1, 5, 20):
        heavy = mini_book.with_columns(pl.col("open_interest") * scale)
        seen |= set(state(heavy, mini_bars)["amplification_regime"])
    assert seen == set(TABLES["engines.elasticity"].polars_schema["amplification_regime"].categories)


def test_index_without_volume_keeps_gamma_only(mini_book, mini_bars):
    found = row(state(mini_book, mini_bars.with_columns(volume=pl.lit(None, dtype=pl.Float64))))
    assert found["gex_usd_per_pct"] == pytest.approx(429_497.09498)
    assert found["sigma_d"] == pytest.approx(0.01)
    for name in (
        "adv_usd",
        "depth_usd_per_unit",
        "stiffness_usd_per_pct",
        "amplification",
        "energy_up_usd",
        "lambda_source",
    ):
        assert found[name] is None
    assert found["amplification_regime"] is None
    assert found["confidence"] == 0.0
    assert found["reasons"] == "SIGN_UNDETERMINED,SOURCE_MISSING,SHORT_HISTORY"


def test_no_bars_at_all(mini_book, mini_bars):
    found = row(state(mini_book, mini_bars.clear()))
    assert found["gex_usd_per_pct"] == pytest.approx(429_497.09498)
    assert found["provider"] == "cboe"
    assert found["as_of"] == dt.datetime(2019, 5, 1, 19, 45, tzinfo=dt.UTC)


@pytest.mark.parametrize(("column", "reason"), [("open_interest", "OI_MISSING"), ("iv", "NO_CHAIN")])
def test_nothing_known_about_dealers_leaves_depth(mini_book, mini_bars, column, reason):
    empty = mini_book.with_columns(pl.lit(None, dtype=pl.Float64).alias(column))
    found = row(state(empty, mini_bars))
    assert found["gex_usd_per_pct"] is None and found["stiffness_usd_per_pct"] is None
    assert found["energy_up_usd"] is None and found["amplification_regime"] is None
    assert found["depth_usd_per_unit"] == pytest.approx(1e10)
    assert found["confidence"] == 0.0
    assert reason in found["reasons"].split(",")


def test_no_open_interest_is_not_unknown_open_interest(mini_book, mini_bars):
    found = row(state(mini_book.with_columns(open_interest=pl.lit(0.0)), mini_bars))
    assert found["gex_usd_per_pct"] == 0.0
    assert found["amplification"] == 1.0
    assert found["movement_energy"] == pytest.approx(0.01 / 0.01)


def test_sign_reversal(world):
    found = state(*world)
    naive, inverted = (found.filter(pl.col("sign_convention") == name) for name in ("naive", "inverted"))
    assert naive["gex_usd_per_pct"].to_list() == (-inverted["gex_usd_per_pct"]).to_list()
    total = naive["stiffness_usd_per_pct"] + inverted["stiffness_usd_per_pct"]
    assert (total - naive["depth_usd_per_unit"] / 50).abs().max() == pytest.approx(0.0, abs=1e-5)


def test_rows_in_any_order_and_delivered_twice_give_the_same_bytes(world):
    greeks, bars = world
    exposures = exposure(greeks, ALL)
    plain = elasticity(greeks, exposures, bars, ALL)
    for seed in (1, 2):
        mixed = [frame.sample(fraction=1.0, shuffle=True, seed=seed) for frame in (greeks, exposures, bars)]
        assert elasticity(*mixed, ALL[::-1]).equals(plain)
        twice = [pl.concat([frame, frame]) for frame in mixed]
        assert elasticity(*twice, ALL).equals(plain)


def test_symbol_or_session_alone_gives_the_bits_it_has_together(world):
    greeks, bars = world
    together = state(greeks, bars)
    for symbol in ("AAA", "BBB"):
        here = pl.col("symbol") == symbol
        assert state(greeks.filter(here), bars.filter(here)).equals(together.filter(here))
    last = pl.col("session") == SESSION
    assert state(greeks.filter(last), bars).equals(together.filter(last))


def test_the_future_changes_nothing(world):
    greeks, bars = world
    cut = shift_session(SESSION, -1)
    past = pl.col("session") <= cut
    full = state(greeks, bars).filter(past)
    assert state(greeks.filter(past), bars.filter(past)).equals(full)
    poison = pl.when(pl.col("session") > cut)
    wild = bars.with_columns(
        close=poison.then(pl.col("close") * 1000).otherwise("close"), volume=poison.then(None).otherwise("volume")
    )
    strange = greeks.with_columns(open_interest=poison.then(pl.col("open_interest") * 1000).otherwise("open_interest"))
    assert state(strange, wild).filter(past).equals(full)


def scaled(world, *, price=1.0, shares=1.0, interest=1.0):
    greeks, bars = world
    greeks = greeks.with_columns(
        *(pl.col(name) * price for name in ("spot", "strike", "forward", "mid")),
        pl.col("gamma_per_usd") / price,
        pl.col("open_interest") * interest,
    )
    bars = bars.with_columns(
        *(pl.col(name) * price for name in ("open", "high", "low", "close")), pl.col("volume") * shares
    )
    return state(greeks, bars)


def assert_scaled(found, plain, factors):
    for name, factor in factors.items():
        assert_frame_equal(found.select(name), plain.select(pl.col(name) * factor), rel_tol=1e-8, abs_tol=1e-12)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.05, 40.0))
def test_prices_scaled(world, a):
    factors = dict.fromkeys(DOLLARS, a) | dict.fromkeys(SCALE_FREE, 1.0) | {"lambda_usd_per_share": a, "adv_usd": a}
    assert_scaled(scaled(world, price=a), state(*world), factors)


@pytest.mark.parametrize("n", [2.0, 7.0])
def test_split(world, n):
    factors = dict.fromkeys(DOLLARS + SCALE_FREE, 1.0) | {"lambda_usd_per_share": n**-2}
    assert_scaled(scaled(world, price=1 / n, shares=n, interest=n), state(*world), factors)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.05, 40.0))
def test_volumes_and_open_interest_scaled(world, b):
    factors = dict.fromkeys(DOLLARS, b) | dict.fromkeys(SCALE_FREE, 1.0) | {"lambda_usd_per_share": 1 / b}
    assert_scaled(scaled(world, shares=b, interest=b), state(*world), factors)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.05, 40.0))
def test_open_interest_scaled(world, b):
    plain, found = state(*world), scaled(world, interest=b)
    assert_scaled(found, plain, {"gex_usd_per_pct": b, "depth_usd_per_unit": 1.0})
    depth, gamma = plain["depth_usd_per_unit"], plain["dealer_gamma_usd_per_unit"]
    assert ((depth + b * gamma) / 100 - found["stiffness_usd_per_pct"]).abs().max() <= 1e-8 * depth.max()


def test_exposures_of_other_greeks_are_refused(mini_book, mini_bars):
    other = exposure(mini_book.with_columns(pl.col("open_interest") * 2))
    with pytest.raises(ValueError, match=r"for AAA of 2019-05-01 under naive.*make the exposures from these Greeks"):
        elasticity(mini_book, other, mini_bars)
    with pytest.raises(ValueError, match="under customer_long"):
        elasticity(mini_book, exposure(mini_book, ["naive"]), mini_bars)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conventions": ["long"]}, "found 'long'"),
        ({"conventions": []}, "expected a list"),
        ({"revaluation": "none"}, "'none'"),
    ],
)
def test_unknown_names(mini_book, mini_bars, options, message):
    with pytest.raises(ValueError, match=message):
        elasticity(mini_book, exposure(mini_book), mini_bars, **options)


def test_missing_column_of_bars(mini_book, mini_bars):
    with pytest.raises(ValueError, match=r"raw\.equity_bars: expected a column 'volume'"):
        elasticity(mini_book, exposure(mini_book), mini_bars.drop("volume"))


def test_revaluation_is_written_down_and_moves_the_energy(world):
    moneyness, strike = state(*world), state(*world, revaluation="sticky_strike")
    assert strike["revaluation"].unique().to_list() == ["sticky_strike"]
    assert moneyness["gex_usd_per_pct"].equals(strike["gex_usd_per_pct"])
    assert (moneyness["energy_asymmetry"] - strike["energy_asymmetry"]).abs().min() > 0


def test_contracts_without_forward_are_in_no_gamma(mini_book, mini_bars):
    """Exposures and profiles leave out the same contracts, so that they still agree."""
    is_known = pl.col("strike") != 95
    frame = mini_book.with_columns(forward=pl.when(is_known).then("forward"))
    found = elasticity(frame, exposure(frame), mini_bars, ["naive"])["dealer_gamma_usd_per_unit"].item()
    alone = mini_book.filter(is_known)
    assert found == elasticity(alone, exposure(alone), mini_bars, ["naive"])["dealer_gamma_usd_per_unit"].item()
