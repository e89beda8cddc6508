import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options.positioning.conventions import FRACTIONS_SCHEMA
from gnosis.options.positioning.exposure import exposure
from gnosis.options.positioning.levels import levels
from gnosis.sessions import shift_session
from gnosis.tables import TABLES

TABLE = TABLES["greeks.levels"]
TOTALS = ["gex_usd_per_pct", "dex_usd", "vex_usd_per_volpt", "cex_usd_per_day"]
BANDS = [name for name in TABLE.polars_schema if "_p10_" in name or "_p90_" in name or "bound" in name]


def row(greeks, convention="naive", expiry_set="all", **settings):
    found = levels(greeks, [convention], **settings)
    assert TABLE.schema.validate(found, cast=False).select(found.columns).equals(found)
    assert found.columns == list(TABLE.polars_schema)
    return found.filter(pl.col("expiry_set") == expiry_set).row(0, named=True)


@pytest.mark.parametrize(
    ("convention", "totals", "flips", "call_wall"),
    [
        ("naive", [429_497.09498, 9_497_460.198, 234_154.306, -81_779.59401], [97.13207785], 100.0),
        ("customer_long", [-1_710_528.85844, -3_390_040.740, -4_317.151851, 17_702.06539], [], None),
    ],
)
def test_reference_mini_book(mini_book, convention, totals, flips, call_wall):
    found = row(mini_book, convention, index_symbols=["AAA"])
    assert [found[name] for name in TOTALS] == pytest.approx(totals, rel=1e-8)
    assert found["flips"] == pytest.approx(flips, rel=1e-9)
    assert (found["call_wall"], found["put_wall"]) == (call_wall, 95.0)
    assert found["profile_sign"] == (None if flips else -1)
    assert (found["n_contracts"], found["n_without_iv"], found["open_interest"]) == (4, 0, 3100.0)
    assert (found["atm_iv"], found["oi_age_sessions"], found["spot"]) == (pytest.approx(0.2), 1.0, 100.0)
    assert found["reasons"] == ""


def test_band_of_the_mini_book(mini_book):
    found = row(mini_book, index_symbols=["AAA"])
    # Each contract is its own group but for the two calls near the money.
    g = {("P", 95): 432_688.884, ("P", 100): 207_826.998, ("C", 100): 554_205.328, ("C", 105): 515_807.649}
    mean = 0.5 * (g["C", 100] + g["C", 105] - g["P", 95] - g["P", 100])
    variance = 0.16 * sum(x * x for x in g.values())
    assert found["gex_p50_usd_per_pct"] == pytest.approx(mean, rel=1e-8)
    assert found["gex_p90_usd_per_pct"] == pytest.approx(mean + 1.2815515655 * np.sqrt(variance), rel=1e-8)
    assert found["gex_bound_usd_per_pct"] == pytest.approx(sum(g.values()), rel=1e-8)
    assert found["gex_sign"] == "undetermined"
    assert (found["prior_mean"], found["prior_sd"], found["prior_correlation"]) == (0.5, 0.4, 0.8)


def test_a_single_name_has_no_sign(mini_book):
    naive, long = row(mini_book), row(mini_book, "customer_long")
    assert (naive["gex_positive_probability"], naive["prior_mean"], naive["prior_sd"]) == (0.5, 0.0, 0.5)
    assert (naive["reasons"], long["reasons"]) == ("SIGN_UNDETERMINED", "")
    assert (naive["flip_zone_low"], naive["flip_zone_high"]) == (pytest.approx(80.0), pytest.approx(120.0))


def test_distance_of_the_flip_is_in_daily_standard_deviations(mini_book):
    found = row(mini_book)
    assert found["flip_distance_sd"] == pytest.approx(np.log(100 / 97.13207785) / (0.2 / np.sqrt(252)), rel=1e-8)


def test_every_set_and_convention_has_a_row(book):
    parts = [book([("C", 100.0, 5.0)], days=days, symbol=name) for days, name in ((16, "AAA"), (9, "BBB"))]
    found = levels(pl.concat(parts))
    assert found.height == 2 * 4 * 2
    assert found.equals(found.sort(TABLE.key))
    empty = found.filter((pl.col("symbol") == "AAA") & (pl.col("expiry_set") == "0dte")).row(0, named=True)
    assert (empty["gex_usd_per_pct"], empty["flips"], empty["n_contracts"]) == (None, None, 0)
    assert empty["reasons"] == "NO_CHAIN"


def test_unknown_open_interest_is_null_and_zero_is_zero(book):
    unknown = row(book([("C", 100.0, None)]))
    assert unknown["reasons"] == "OI_MISSING,SIGN_UNDETERMINED"
    assert unknown["gex_usd_per_pct"] is None and unknown["n_flips"] is None and unknown["oi_age_sessions"] is None
    zero = row(book([("C", 100.0, 0.0)]))
    assert (zero["gex_usd_per_pct"], zero["flips"], zero["n_flips"], zero["profile_sign"]) == (0.0, [], 0, 0)
    assert zero["gex_sign"] == "undetermined"


def test_contracts_without_volatility_are_counted_and_limit_the_row(book):
    frame = book([("C", 100.0, 10.0), ("P", 80.0, 90.0)])
    found = row(frame.with_columns(iv=pl.when(pl.col("strike") == 100).then("iv")), index_symbols=["AAA"])
    assert (found["n_contracts"], found["n_without_iv"], found["open_interest"]) == (2, 1, 10.0)
    assert (found["reasons"], found["oi_wall"]) == ("LOW_COVERAGE", 80.0)
    none = row(frame.with_columns(iv=pl.lit(None, dtype=pl.Float64)), index_symbols=["AAA"])
    assert none["reasons"] == "NO_CHAIN,LOW_COVERAGE"
    assert none["atm_iv"] is None and none["gex_usd_per_pct"] is None and none["profile_sign"] is None


def test_contracts_without_forward_are_without_exposure_here_and_there(book):
    frame = book([("C", 100.0, 10.0), ("P", 80.0, 90.0)])
    frame = frame.with_columns(forward=pl.when(pl.col("strike") == 100).then("forward"))
    found, cells = row(frame, index_symbols=["AAA"]), exposure(frame, ["naive"])
    assert (found["n_contracts"], found["n_without_iv"], found["open_interest"]) == (2, 1, 10.0)
    assert cells.select("n_contracts", "n_without_iv", "open_interest").sum().row(0) == (2, 1, 10.0)
    assert found["gex_usd_per_pct"] == cells["gex_usd_per_pct"].sum()
    nowhere = frame.with_columns(forward=pl.lit(None, dtype=pl.Float64))
    assert row(nowhere)["reasons"].startswith("NO_CHAIN") and row(nowhere)["gex_usd_per_pct"] is None
    assert exposure(nowhere, ["naive"])["gex_usd_per_pct"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize(("unknown", "reasons"), [(39.0, ""), (41.0, "LOW_COVERAGE")])
def test_contracts_of_unknown_side_are_counted_and_not_summed(book, unknown, reasons):
    frame = book([("C", 100.0, 100.0 - unknown), ("P", 95.0, unknown)])
    sign = pl.lit("open_close", dtype=FRACTIONS_SCHEMA["sign_convention"])
    given = frame.head(1).with_columns(sign_convention=sign, x=pl.lit(0.5)).select(list(FRACTIONS_SCHEMA))
    found = row(frame, "open_close", fractions=given)
    assert (found["n_contracts"], found["n_without_iv"]) == (2, 0)
    assert found["open_interest"] == 100 - unknown
    assert found["gex_usd_per_pct"] == exposure(frame, ["open_close"], given)["gex_usd_per_pct"].sum()
    assert found["reasons"] == reasons
    both = levels(frame, ["naive", "open_close"], fractions=given).filter(pl.col("expiry_set") == "all")
    assert both["open_interest"].to_list() == [100.0, 100.0 - unknown]
    # The bands are those of the prior, whatever is known of the sides.
    assert both.select(BANDS).n_unique() == 1


def test_open_interest_of_an_unknown_session_is_said(book):
    frame = book([("C", 100.0, 10.0), ("P", 95.0, 5.0), ("P", 90.0, 0.0)])
    session = pl.when(pl.col("strike") != 95).then("oi_session")
    found = row(frame.with_columns(oi_session=session), index_symbols=["AAA"])
    assert found["reasons"] == "OI_SESSION_UNKNOWN"
    assert found["open_interest"] == 15.0
    nothing_held = pl.when(pl.col("strike") != 90).then("oi_session")
    assert row(frame.with_columns(oi_session=nothing_held), index_symbols=["AAA"])["reasons"] == ""


def test_settled_contracts_never_count(mini_book, book):
    settled = book([("P", 99.0, 1e6)], days=2).with_columns(reason=pl.lit("settled").cast(mini_book.schema["reason"]))
    assert row(pl.concat([mini_book, settled])) == row(mini_book)
    alone = row(settled)
    assert (alone["spot"], alone["n_contracts"], alone["gex_usd_per_pct"]) == (100.0, 0, None)
    assert alone["reasons"].startswith("NO_CHAIN")


def test_age_of_open_interest_is_weighted_by_it(book):
    session = book([("C", 100.0, 1.0)])["session"][0]
    frame = book([("C", 100.0, 30.0), ("C", 105.0, 10.0), ("P", 95.0, 60.0)])
    old = {100.0: shift_session(session, -1), 105.0: shift_session(session, -5), 95.0: None}
    found = row(frame.with_columns(oi_session=pl.col("strike").replace_strict(old, return_dtype=pl.Date)))
    assert found["oi_age_sessions"] == pytest.approx((30 * 1 + 10 * 5) / 40)


def test_at_the_money_volatility_of_the_expiry_nearest_to_thirty_days(book):
    parts = [
        book([("C", k, 1.0) for k in (95.0, 105.0)], days=d, smile=lambda x, d=d: d / 100 - x) for d in (9, 29, 31)
    ]
    found = row(pl.concat(parts))
    assert found["atm_iv"] == pytest.approx(0.29)
    pm = book([("C", k, 1.0) for k in (95.0, 105.0)])
    am = book([("C", k, 1.0) for k in (95.0, 105.0)], smile=lambda k: 0.3)
    am = am.with_columns(settlement=pl.lit("am", dtype=am.schema["settlement"]), root=pl.lit("AAA1"))
    assert row(pl.concat([am, pm]))["atm_iv"] == pytest.approx(0.2)
    one_sided = row(book([("C", 120.0, 1.0), ("C", 130.0, 1.0)], smile=lambda k: 0.3 + k))
    assert one_sided["atm_iv"] == pytest.approx(0.3 + np.log(120 / (100 * np.exp(0.035 * 30 / 365))))


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_the_rows_changes_no_bit(mini_book, book, random):
    frame = pl.concat([mini_book, book([("C", 101.0, 7.0), ("P", 99.0, 9.0)], days=2)])
    order = list(range(frame.height))
    random.shuffle(order)
    assert levels(frame[order]).equals(levels(frame))


def test_opposite_convention_and_split_and_scale(mini_book):
    naive, inverted = row(mini_book), row(mini_book, "inverted")
    assert [inverted[name] for name in TOTALS] == [-naive[name] for name in TOTALS]
    assert inverted["flips"] == naive["flips"]
    prices = pl.col("spot", "strike", "forward")
    parts = mini_book.with_columns(
        prices / 4, pl.col("gamma_per_usd", "speed_per_usd2") * 4, open_interest=pl.col("open_interest") * 4
    )
    split = row(parts)
    for name in [*TOTALS, *BANDS]:
        assert split[name] == pytest.approx(naive[name], rel=1e-12)
    assert split["nearest_flip"] == pytest.approx(naive["nearest_flip"] / 4, rel=1e-12)
    assert split["call_wall"] == naive["call_wall"] / 4
    assert split["call_wall_share"] == naive["call_wall_share"]


def test_fractions_by_contract_and_where_they_come_from(mini_book):
    later = mini_book["known_at"][0] + dt.timedelta(hours=1)
    given = mini_book.select(
        [name for name in FRACTIONS_SCHEMA if name in mini_book.columns]
    ).with_columns(
        known_at=pl.lit(later), provider=pl.lit("opra"), synthetic=pl.lit(True),
        sign_convention=pl.lit("flow_signed", dtype=FRACTIONS_SCHEMA["sign_convention"]),
        x=pl.when(pl.col("right") == "C").then(0.5).otherwise(-0.25),
    ).select(list(FRACTIONS_SCHEMA))  # fmt: skip
    flow = row(mini_book, "flow_signed", fractions=given.filter(pl.col("strike") != 95))
    want = 0.5 * (554_205.328 + 515_807.649) - 0.25 * 207_826.998
    assert flow["gex_usd_per_pct"] == pytest.approx(want, rel=1e-8)
    assert (flow["known_at"], flow["provider"], flow["synthetic"]) == (later, "cboe+opra", True)
    assert flow["reasons"] == "SYNTHETIC_INPUT"
    both = levels(mini_book, ["naive", "flow_signed"], fractions=given)
    assert both.filter(pl.col("sign_convention") == "naive").equals(levels(mini_book, ["naive"]))


def test_open_interest_of_another_chain_changes_nothing(mini_book, book):
    other = book([("C", 100.0, 1e7), ("P", 97.0, 1e7)], symbol="ZZZ")
    found = levels(pl.concat([other, mini_book]), index_symbols=["AAA"])
    assert found.filter(pl.col("symbol") == "AAA").equals(levels(mini_book, index_symbols=["AAA"]))


def test_nothing_in_nothing_out():
    none = TABLES["greeks.option_greeks"].empty()
    assert levels(none).equals(TABLE.empty())
    with pytest.raises(ValueError, match="revaluation: expected one of"):
        levels(none, revaluation="sticky")
    with pytest.raises(ValueError, match="conventions: expected names"):
        levels(none, ["dealer"])


def test_volatility_without_greeks_is_refused(mini_book):
    broken = mini_book.with_columns(vanna_per_vol=pl.when(pl.col("strike") > 100).then("vanna_per_vol"))
    with pytest.raises(ValueError, match=r"expected \['delta', .* where iv is known, found .* 95.0"):
        levels(broken)
