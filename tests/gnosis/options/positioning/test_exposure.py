"""Exposures in dollars: the numbers of the reference book, and what must hold for every book."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options import exposure
from gnosis.options.chain.analytics import GREEK_COLUMNS
from gnosis.options.positioning.conventions import CONTRACT, FRACTIONS_SCHEMA
from gnosis.options.positioning.exposure import ORDER, SUMS, contract_exposure, exposure_totals
from gnosis.tables import TABLES

DOLLARS = [name for name in SUMS if name != "dealer_gamma_shares_per_usd"]
REFERENCE = ["dealer_gamma_shares_per_usd", "gex_usd_per_pct", "dex_usd", "vex_usd_per_volpt", "cex_usd_per_day"]
MINI_BOOK = [("P", 95.0, 1000.0), ("P", 100.0, 300.0), ("C", 100.0, 800.0), ("C", 105.0, 1000.0)]
ALL = ["naive", "customer_long", "inverted"]


def totals(frame: pl.DataFrame, convention: str = "naive") -> dict[str, float]:
    """Sum the rows of one convention."""
    return exposure(frame, [convention]).select(SUMS).sum().row(0, named=True)


def with_values(frame: pl.DataFrame, **columns) -> pl.DataFrame:
    """Set columns to constants or expressions."""
    values = {
        name: value if isinstance(value, pl.Expr) else pl.lit(value, dtype=frame.schema[name])
        for name, value in columns.items()
    }
    return frame.with_columns(**values)


@pytest.mark.parametrize(
    ("contract", "convention", "expected"),
    [
        (
            ("C", 105.0, 1000.0),
            "naive",
            {
                "gex_usd_per_pct": 515_807.65,
                "vex_usd_per_volpt": 122_652.06,
                "cex_usd_per_day": -45_739.81,
                "dex_usd": 2_197_628.04,
            },
        ),
        (("P", 105.0, 1000.0), "inverted", {"cex_usd_per_day": -46_150.26, "dex_usd": -7_790_050.79}),
    ],
)
def test_single_contracts(book, contract, convention, expected):
    found = totals(book([contract]), convention)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.005)


def test_index_contract(book):
    found = totals(book([("C", 5000.0, 10_000.0)], spot=5000.0, smile=lambda _: 0.15))
    assert found["gex_usd_per_pct"] == pytest.approx(461.468872e6, abs=0.5)


@pytest.mark.parametrize(
    ("name", "per_contract"),
    [
        ("dealer_gamma_shares_per_usd", 0.0515807648599),
        ("gex_usd_per_usd", 0.0515807648599 * 100),
        ("gex_usd_per_pct", 0.0515807648599 * 100**2 * 0.01),
        ("dex_usd", 0.219762803564 * 100),
        ("vex_usd_per_volpt", 1.22652063085 * 100 * 0.01),
        ("cex_usd_per_day", -1.66950300249 * 100 / 365),
        ("vega_usd_per_volpt", 8.47902983999 * 0.01),
        ("vomma_usd_per_volpt2", 27.1487988094 * 0.01**2),
        ("speed_usd_per_pct2", 0.00642971854047 * 100**3 * 0.01**2),
        ("zomma_usd_per_pct_volpt", -0.0927486315423 * 100**2 * 0.01 * 0.01),
    ],
)
def test_every_column_scales_its_greek(book, name, per_contract):
    """The Greeks are those of vector 1 as printed: ten digits."""
    assert totals(book([("C", 105.0, 1000.0)]))[name] == pytest.approx(1000 * 100 * per_contract, rel=1e-9)


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("naive", (4_294.97095, 429_497.09498, 9_497_460.198, 234_154.306, -81_779.59401)),
        ("customer_long", (-17_105.28858, -1_710_528.85844, -3_390_040.740, -4_317.151851, 17_702.06539)),
    ],
)
def test_reference_book(mini_book, convention, expected):
    found = totals(mini_book, convention)
    assert [found[name] for name in REFERENCE] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("naive", (-432_688.884, -207_826.998, 554_205.328, 515_807.649)),
        ("customer_long", (-432_688.884, -207_826.998, -554_205.328, -515_807.649)),
    ],
)
def test_reference_book_by_contract(mini_book, convention, expected):
    found = contract_exposure(mini_book, [convention]).sort("strike", "right", descending=[False, True])
    assert found["gex_usd_per_pct"].to_list() == pytest.approx(expected, abs=0.0006)
    assert found["right"].to_list() == ["P", "P", "C", "C"]


@pytest.mark.parametrize(("convention", "expected"), [("naive", 0.2510902361), ("customer_long", -1.0)])
def test_dealer_gamma_sign_of_the_reference_book(mini_book, convention, expected):
    """Net gamma over what it would be if dealers held everything: 1 or -1 exactly when all fractions agree."""
    lines = contract_exposure(mini_book, [convention])["gex_usd_per_pct"]
    assert lines.sum() / lines.abs().sum() == pytest.approx(expected, abs=1e-10)


contracts = st.lists(
    st.tuples(
        st.sampled_from(["C", "P"]),
        st.sampled_from([80.0, 90.0, 95.0, 100.0, 105.0, 120.0]),
        st.floats(1, 1e5).map(round).map(float),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda contract: contract[:2],
)


@settings(max_examples=8, deadline=None)
@given(first=contracts, second=contracts)
def test_exposures_of_two_books_add(book, first, second):
    """The second book is of another root, so that equal contracts stay different rows."""
    other = with_values(book(second), root="AAAW")
    one, two, both = totals(book(first)), totals(other), totals(pl.concat([book(first), other]))
    for name in SUMS:
        assert both[name] == pytest.approx(one[name] + two[name], rel=1e-9, abs=1e-6 * (abs(one[name]) + 1))


@settings(max_examples=8, deadline=None)
@given(held=contracts, random=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_bit(book, held, random):
    frame = pl.concat([book(held), with_values(book(held, smile=lambda k: 0.3 - 0.1 * k), root="AAAW")])
    order = list(range(frame.height))
    random.shuffle(order)
    assert exposure(frame).equals(exposure(frame[order]))
    assert exposure_totals(frame).equals(exposure_totals(frame[order]))
    assert contract_exposure(frame).equals(contract_exposure(frame[order]))


@settings(max_examples=8, deadline=None)
@given(held=contracts)
def test_the_opposite_convention_changes_all_signs(book, held):
    naive, inverted = totals(book(held), "naive"), totals(book(held), "inverted")
    assert all(inverted[name] == -naive[name] for name in SUMS)


@settings(max_examples=8, deadline=None)
@given(held=contracts, n=st.integers(2, 20))
def test_a_split_changes_no_dollar(book, held, n):
    before = totals(book(held))
    after = totals(book([(right, strike / n, oi * n) for right, strike, oi in held], spot=100.0 / n))
    for name in DOLLARS:
        # Dollars per dollar of a share that is worth an nth.
        scale = n if name == "gex_usd_per_usd" else 1
        assert after[name] == pytest.approx(scale * before[name], rel=1e-9, abs=1e-4)


@settings(max_examples=8, deadline=None)
@given(held=contracts, scale=st.floats(0.1, 50))
def test_dollars_scale_with_prices(book, held, scale):
    before = totals(book(held))
    after = totals(book([(right, strike * scale, oi) for right, strike, oi in held], spot=100.0 * scale))
    for name in DOLLARS:
        factor = 1 if name == "gex_usd_per_usd" else scale
        assert after[name] == pytest.approx(factor * before[name], rel=1e-9, abs=1e-4 * scale)


def test_gamma_of_calls_and_puts_under_one_sign_depends_on_their_sum(book):
    one = totals(book([("C", 100.0, 700.0), ("P", 100.0, 300.0)]), "customer_long")
    two = totals(book([("C", 100.0, 100.0), ("P", 100.0, 900.0)]), "customer_long")
    assert one["gex_usd_per_pct"] == pytest.approx(two["gex_usd_per_pct"], rel=1e-12)


def test_first_order_hedges_of_a_revalued_book(book):
    """GEX, VEX and CEX are the changes of DEX: 1 % of spot at fixed shares, a point of volatility, a day."""
    held = [("C", 100.0, 800.0), ("P", 95.0, 1000.0), ("C", 105.0, 1000.0)]
    now = totals(book(held))

    def shares(**change) -> float:
        spot = change.get("spot", 100.0)
        return totals(book(held, **change))["dex_usd"] / spot

    up, down = shares(spot=100.01), shares(spot=99.99)
    assert (up - down) / 0.02 == pytest.approx(now["dealer_gamma_shares_per_usd"], rel=1e-5)
    up, down = shares(smile=lambda _: 0.2001), shares(smile=lambda _: 0.1999)
    assert (up - down) / 0.02 * 100 == pytest.approx(now["vex_usd_per_volpt"], rel=1e-5)
    later, sooner = shares(days=30 - 0.001), shares(days=30 + 0.001)
    assert (later - sooner) / 0.002 * 100 == pytest.approx(now["cex_usd_per_day"], rel=1e-5)


def test_contracts_without_open_interest_do_not_count(book):
    """Contracts listed in the session have no open interest before the next one."""
    frame = book([*MINI_BOOK, ("C", 110.0, 0.0), ("P", 90.0, None)])
    assert exposure(frame).equals(exposure(book(MINI_BOOK)))
    assert contract_exposure(frame).height == 2 * len(MINI_BOOK)


def test_contracts_without_volatility_are_counted_and_not_summed(book):
    frame = book([("C", 100.0, 800.0), ("P", 100.0, 300.0), ("C", 130.0, 50.0)])
    blind = pl.col("right").eq("P") | pl.col("strike").eq(130)
    frame = frame.with_columns(**{name: pl.when(~blind).then(name) for name in ["iv", *GREEK_COLUMNS]})
    found = exposure(frame, ["naive"])
    columns = ["strike", "n_contracts", "n_without_iv", "open_interest", "gex_usd_per_pct"]
    assert found.select(columns).rows()[1] == (130.0, 1, 1, 0.0, 0.0)
    strike, n, without, held, gex = found.select(columns).row(0)
    assert (strike, n, without, held) == (100.0, 2, 1, 800.0)
    assert gex == pytest.approx(554_205.328, abs=0.0006)
    lines = contract_exposure(frame, ["naive"])
    assert lines["gex_usd_per_pct"].is_null().to_list() == [False, True, True]
    assert lines["open_interest"].to_list() == [800.0, 300.0, 50.0]


def test_a_volatility_without_finite_greeks_is_refused(book):
    for value in (None, float("nan")):
        with pytest.raises(ValueError, match="expected finite Greeks where iv is known"):
            exposure(with_values(book(MINI_BOOK), vomma_per_vol2=value))


def test_settled_contracts_do_not_count(mini_book):
    settled = with_values(mini_book, reason="settled")
    assert exposure(settled).is_empty()
    assert exposure(settled).schema == TABLES["greeks.exposure"].polars_schema
    assert contract_exposure(settled).is_empty()


def test_adjusted_contracts_have_no_exposure(mini_book):
    """They have no volatility, as their strikes do not compare with the others; they are counted."""
    unknown = dict.fromkeys(["iv", *GREEK_COLUMNS])
    adjusted = exposure(with_values(mini_book, reason="adjusted", deliverable_shares=150.0, **unknown), ["naive"])
    columns = ["n_contracts", "n_without_iv", "open_interest", "gex_usd_per_pct"]
    assert adjusted.select(columns).sum().row(0) == (4, 4, 0, 0)
    assert totals(with_values(mini_book, deliverable_shares=None)) == totals(mini_book)


def test_cells_by_bucket_and_strike_with_their_origin(book):
    middle = book([("C", 100.0, 10.0)])
    noon = middle["known_at"][0]
    later = noon + dt.timedelta(hours=1)
    near = with_values(middle, dte_days=1, expiry=dt.date(2019, 5, 2), synthetic=True)
    far = with_values(middle, root="AAAW", provider="alpaca+fred", known_at=later)
    found = exposure(pl.concat([near, far, middle]))
    assert TABLES["greeks.exposure"].schema.validate(found, cast=False).select(found.columns).equals(found)
    assert found.select(
        "expiry_bucket", "sign_convention", "n_contracts", "provider", "synthetic", "known_at"
    ).rows() == [
        ("0-1", "naive", 1, "cboe", True, noon),
        ("8-35", "naive", 2, "alpaca+cboe+fred", False, later),
        ("0-1", "customer_long", 1, "cboe", True, noon),
        ("8-35", "customer_long", 2, "alpaca+cboe+fred", False, later),
    ]


def test_spot_is_that_of_the_latest_quote(book):
    first, second = book([("C", 100.0, 10.0)]), book([("P", 90.0, 10.0)], spot=101.0)
    second = second.with_columns(pl.col("ts", "known_at") + pl.duration(minutes=1))
    assert exposure(pl.concat([second, first]))["spot"].unique().to_list() == [101.0]


def test_cells_and_totals_are_sums_of_the_lines(book):
    """One strike in two expiries of different buckets, two symbols, sums in the order of the lines."""
    chains = [
        book([("C", 100.0, 7.0 + days), ("P", 100.0, 3.0), ("C", 110.0, 11.0)], symbol=symbol, days=days, spot=99.0 + i)
        for i, symbol in enumerate(("AAA", "BBB"))
        for days in (1, 5, 30, 60)
    ]
    frame = pl.concat(chains)
    lines = contract_exposure(frame, ALL)
    cells = exposure(frame, ALL)
    assert lines.height == 3 * frame.height
    assert lines["sign_convention"].to_list() == sorted(lines["sign_convention"].to_list(), key=ALL.index)
    assert lines.head(frame.height).equals(lines.head(frame.height).sort(ORDER))
    by = ["session", "symbol", "sign_convention", "expiry_bucket", "strike"]
    for key, group in lines.group_by(by, maintain_order=True):
        row = cells.filter(pl.all_horizontal(pl.col(name) == value for name, value in zip(by, key, strict=True)))
        for name in SUMS:
            # cumsum adds one after the other.
            assert row[name].item() == np.cumsum(group[name].to_numpy())[-1]
    by_symbol = exposure_totals(frame, conventions=ALL)
    assert by_symbol.select("symbol", "sign_convention").rows() == [(s, c) for c in ALL for s in ("AAA", "BBB")]
    summed = cells.group_by("symbol", "sign_convention").agg(pl.col(SUMS).sum()).sort("sign_convention", "symbol")
    for name in SUMS:
        assert by_symbol[name].to_list() == pytest.approx(summed[name].to_list(), rel=1e-9)
    with pytest.raises(ValueError, match="session and symbol among them, found \\['expiry'\\]"):
        exposure_totals(frame, ["expiry"])


def test_fractions_by_contract_give_x_and_their_origin(mini_book):
    later = mini_book["known_at"][0] + dt.timedelta(hours=2)
    values = dict(zip(CONTRACT, mini_book.filter(pl.col("strike") == 105).select(CONTRACT).row(0), strict=True))
    given_one = pl.DataFrame(
        [
            values
            | {"x": -0.25, "sign_convention": "flow_signed", "known_at": later, "provider": "tape", "synthetic": True}
        ],
        schema=FRACTIONS_SCHEMA,
    )
    found = contract_exposure(mini_book, ["flow_signed"], given_one)
    assert found["x"].to_list() == [None, None, None, -0.25]
    assert found["gex_usd_per_pct"].null_count() == 3
    assert found["gex_usd_per_pct"][-1] == pytest.approx(-0.25 * 515_807.649, abs=0.0006)
    assert found.select("known_at", "provider", "synthetic").row(-1) == (later, "cboe+tape", True)
    assert found["provider"].to_list()[:3] == ["cboe"] * 3
    cells = exposure(mini_book, ["naive", "flow_signed"], given_one)
    assert cells.filter(pl.col("sign_convention") == "naive").equals(exposure(mini_book, ["naive"]))
    signed = cells.filter(pl.col("sign_convention") == "flow_signed")
    columns = ["strike", "n_contracts", "open_interest", "provider", "synthetic"]
    assert signed.select(columns).rows() == [
        (95.0, 1, 0.0, "cboe", False),
        (100.0, 2, 0.0, "cboe", False),
        (105.0, 1, 1000.0, "cboe+tape", True),
    ]


def test_fractions_equal_to_a_rule_by_right_give_its_bits(mini_book):
    x = pl.when(pl.col("right") == "C").then(1.0).otherwise(-1.0)
    same = mini_book.with_columns(x=x, sign_convention=pl.lit("open_close")).select(list(FRACTIONS_SCHEMA))
    found = exposure(mini_book, ["open_close"], same.cast(FRACTIONS_SCHEMA))
    assert found.drop("sign_convention").equals(exposure(mini_book, ["naive"]).drop("sign_convention"))


def test_a_column_of_one_stored_value_changes_no_bit(book):
    """At a charm that shows whether a division by 365 was one or a multiplication by the reciprocal."""
    frame = book([(right, 90.0 + i, 7.0) for i in range(12) for right in "CP"])
    charm = np.linspace(-2, -1, 500)
    usd = 7.0 * 100.0 * charm * 100.0
    charm = charm[usd / 365 != usd * (1 / 365)][:5]
    assert charm.size == 5
    once = ["open_interest", "multiplier", "spot", "charm_per_year"]
    for value in charm:
        written_out = with_values(frame, charm_per_year=value)
        written_out = written_out.with_columns(pl.Series(name, written_out[name].to_list()) for name in once)
        stored_once = with_values(written_out, **{name: written_out[name][0] for name in once})
        assert exposure(stored_once).equals(exposure(written_out))


def test_unknown_conventions_are_refused(mini_book):
    with pytest.raises(ValueError, match="found 'dealer_long'"):
        exposure(mini_book, ["naive", "dealer_long"])
    with pytest.raises(ValueError, match="expected a list"):
        exposure(mini_book, "naive")
    with pytest.raises(ValueError, match="dealer fractions by contract for 'flow_signed', found none"):
        contract_exposure(mini_book, ["flow_signed"])


def test_a_frame_of_another_table_is_refused(mini_book):
    with pytest.raises(ValueError, match=r"greeks\.option_greeks: expected a column 'tau_years'"):
        exposure(mini_book.drop("tau_years"))
