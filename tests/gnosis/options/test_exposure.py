from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.options import carry_forward, discount_factor, exposure, greeks
from gnosis.options.chain import GREEK_COLUMNS
from gnosis.options.exposure import SUMS
from gnosis.tables import TABLES

TAU = 30 / 365
SESSION, EXPIRY = dt.date(2019, 5, 15), dt.date(2019, 6, 14)
NOON = dt.datetime(2019, 5, 15, 19, 45, tzinfo=dt.UTC)
DOLLARS = [name for name in SUMS if name != "dealer_gamma_shares_per_usd"]


def book(contracts: list[tuple], spot: float = 100.0, iv: float = 0.2, **columns) -> pl.DataFrame:
    """Rows of greeks.option_greeks from (right, strike, open interest), r = 5 %, q = 1.5 %, 30 days."""
    right, strike, held = (list(values) for values in zip(*contracts, strict=True))
    forward, discount = carry_forward(spot, TAU, 0.05, 0.015), discount_factor(0.05, TAU)
    found = greeks(spot, strike, TAU, forward, discount, iv, np.array(right) == "C")
    table = TABLES["greeks.option_greeks"]
    frame = pl.DataFrame(
        {"right": right, "strike": strike, "open_interest": held}
        | {name: getattr(found, name) for name in GREEK_COLUMNS},
        strict=False,
    ).with_columns(
        known_at=NOON,
        provider=pl.lit("cboe+fred"),
        synthetic=False,
        session=SESSION,
        symbol=pl.lit("XYZ"),
        expiry=EXPIRY,
        settlement=pl.lit("pm"),
        root=pl.lit("XYZ"),
        ts=NOON,
        spot=spot,
        mid=None,
        tau_years=TAU,
        is_tau_floored=False,
        dte_days=30,
        forward=float(forward),
        forward_source=pl.lit("parity"),
        forward_se=0.01,
        discount=float(discount),
        iv=iv,
        iv_source=pl.lit("own"),
        reason=None,
        oi_session=None,
        multiplier=100.0,
    )
    return (
        frame.with_columns(**{name: pl.lit(value) for name, value in columns.items()})
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
    )


def totals(frame: pl.DataFrame, convention: str = "naive") -> dict[str, float]:
    found = exposure(frame, ["naive", "customer_long", "inverted"])
    return found.filter(pl.col("sign_convention") == convention).select(SUMS).sum().row(0, named=True)


MINI_BOOK = [("P", 95.0, 1000.0), ("P", 100.0, 300.0), ("C", 100.0, 800.0), ("C", 105.0, 1000.0)]


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
def test_single_contracts(contract, convention, expected):
    found = totals(book([contract]), convention)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.005)


def test_index_contract():
    found = totals(book([("C", 5000.0, 10_000.0)], spot=5000.0, iv=0.15))
    assert found["gex_usd_per_pct"] == pytest.approx(461.468872e6, abs=0.5)


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("naive", (4_294.97095, 429_497.09498, 9_497_460.198, 234_154.306, -81_779.59401)),
        ("customer_long", (-17_105.28858, -1_710_528.85844, -3_390_040.740, -4_317.151851, 17_702.06539)),
    ],
)
def test_reference_book(convention, expected):
    found = totals(book(MINI_BOOK), convention)
    assert [found[name] for name in SUMS[:5]] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("naive", (-432_688.884, -207_826.998, 554_205.328, 515_807.649)),
        ("customer_long", (-432_688.884, -207_826.998, -554_205.328, -515_807.649)),
    ],
)
def test_reference_book_by_contract(convention, expected):
    found = [totals(book([contract]), convention)["gex_usd_per_pct"] for contract in MINI_BOOK]
    assert found == pytest.approx(expected, abs=0.0006)


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


@settings(max_examples=20, deadline=None)
@given(contracts, contracts)
def test_exposures_of_two_books_add(first, second):
    """The second book is of another root, so that equal contracts stay different rows."""
    one, two = totals(book(first)), totals(book(second, root="XYZW"))
    both = totals(pl.concat([book(first), book(second, root="XYZW")]))
    for name in SUMS:
        assert both[name] == pytest.approx(one[name] + two[name], rel=1e-9, abs=1e-6 * (abs(one[name]) + 1))


@settings(max_examples=20, deadline=None)
@given(contracts, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_bit(held, random):
    frame = book(held)
    order = list(range(frame.height))
    random.shuffle(order)
    assert exposure(frame).equals(exposure(frame[order]))


@settings(max_examples=20, deadline=None)
@given(contracts)
def test_the_opposite_convention_changes_all_signs(held):
    naive, inverted = totals(book(held), "naive"), totals(book(held), "inverted")
    assert all(inverted[name] == -naive[name] for name in SUMS)


@settings(max_examples=20, deadline=None)
@given(contracts, st.integers(2, 20))
def test_a_split_changes_no_dollar(held, n):
    before = totals(book(held))
    after = totals(book([(right, strike / n, oi * n) for right, strike, oi in held], spot=100.0 / n))
    for name in DOLLARS:
        assert after[name] == pytest.approx(before[name], rel=1e-9, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(contracts, st.floats(0.1, 50))
def test_dollars_scale_with_prices(held, scale):
    before = totals(book(held))
    after = totals(book([(right, strike * scale, oi) for right, strike, oi in held], spot=100.0 * scale))
    for name in DOLLARS:
        assert after[name] == pytest.approx(scale * before[name], rel=1e-9, abs=1e-4 * scale)


def test_gamma_of_calls_and_puts_under_one_sign_depends_on_their_sum():
    one = totals(book([("C", 100.0, 700.0), ("P", 100.0, 300.0)]), "customer_long")
    two = totals(book([("C", 100.0, 100.0), ("P", 100.0, 900.0)]), "customer_long")
    assert one["gex_usd_per_pct"] == pytest.approx(two["gex_usd_per_pct"], rel=1e-12)


def test_contracts_without_open_interest_do_not_count():
    frame = book([*MINI_BOOK, ("C", 110.0, 0.0), ("P", 90.0, None)])
    assert exposure(frame).equals(exposure(book(MINI_BOOK)))


def test_contracts_without_volatility_are_counted_and_not_summed():
    frame = book([("C", 100.0, 800.0), ("P", 100.0, 300.0), ("C", 130.0, 50.0)])
    blind = pl.col("right").eq("P") | pl.col("strike").eq(130)
    hidden = {name: pl.when(~blind).then(name) for name in ["iv", *GREEK_COLUMNS]}
    found = exposure(frame.with_columns(**hidden), ["naive"])
    columns = ["strike", "n_contracts", "n_without_iv", "open_interest", "gex_usd_per_pct"]
    assert found.select(columns).rows()[1] == (130.0, 1, 1, 0.0, 0.0)
    strike, n, without, held, gex = found.select(columns).row(0)
    assert (strike, n, without, held) == (100.0, 2, 1, 800.0)
    assert gex == pytest.approx(554_205.328, abs=0.0006)


def test_settled_contracts_do_not_count():
    assert exposure(book(MINI_BOOK, reason="settled")).is_empty()


def test_cells_by_bucket_and_strike_with_their_origin():
    near = book([("C", 100.0, 10.0)], dte_days=1, expiry=dt.date(2019, 5, 16), provider="cboe", synthetic=True)
    later = NOON + dt.timedelta(hours=1)
    far = book([("C", 100.0, 10.0)], root="XYZW", provider="alpaca+fred", known_at=later)
    found = exposure(pl.concat([near, far, book([("C", 100.0, 10.0)])]))
    assert TABLES["greeks.exposure"].schema.validate(found, cast=False).select(found.columns).equals(found)
    assert found.select(
        "expiry_bucket", "sign_convention", "n_contracts", "provider", "synthetic", "known_at"
    ).rows() == [
        ("0-1", "naive", 1, "cboe", True, NOON),
        ("8-35", "naive", 2, "alpaca+cboe+fred", False, later),
        ("0-1", "customer_long", 1, "cboe", True, NOON),
        ("8-35", "customer_long", 2, "alpaca+cboe+fred", False, later),
    ]


def test_unknown_conventions_are_refused():
    with pytest.raises(ValueError, match="found 'dealer_long'"):
        exposure(book(MINI_BOOK), ["naive", "dealer_long"])
    with pytest.raises(ValueError, match="expected a list"):
        exposure(book(MINI_BOOK), "naive")


def test_a_frame_of_another_table_is_refused():
    with pytest.raises(ValueError, match=r"greeks\.option_greeks: expected a column 'tau_years'"):
        exposure(book(MINI_BOOK).drop("tau_years"))
