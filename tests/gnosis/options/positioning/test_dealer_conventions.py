"""Dealer fractions: by right under a rule, by contract from signed flow and from open positions."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.options.positioning.conventions import (
    CONTRACT,
    FLOW_SCHEMA,
    FRACTIONS_SCHEMA,
    POSITIONS_SCHEMA,
    dealer_fraction,
    flow_fractions,
    open_close_fractions,
    require_conventions,
)
from gnosis.options.positioning.exposure import contract_exposure, exposure


def flow_of(frame: pl.DataFrame, q: list[float | None], provider: str = "tape") -> pl.DataFrame:
    """Customers' net contracts for every row of a chain; None leaves the contract out."""
    flow = frame.with_columns(customer_net_contracts=pl.Series(q, dtype=pl.Float64), provider=pl.lit(provider))
    return flow.filter(pl.col("customer_net_contracts").is_not_null()).select(list(FLOW_SCHEMA))


def positions_of(frame: pl.DataFrame, rows: list[tuple[str, float, float]]) -> pl.DataFrame:
    """The same open positions of each participant (name, long, short) in every contract."""
    parts = [
        frame.with_columns(participant=pl.lit(name), long_open_contracts=long, short_open_contracts=short)
        for name, long, short in rows
    ]
    return pl.concat(parts).select(list(POSITIONS_SCHEMA))


@pytest.mark.parametrize(
    ("convention", "call", "put"), [("naive", 1, -1), ("customer_long", -1, -1), ("inverted", -1, 1)]
)
def test_fractions_by_right(convention, call, put):
    rights = pl.DataFrame({"right": ["C", "P"]})
    assert rights.select(dealer_fraction(convention)).to_series().to_list() == [call, put]


def test_conventions_come_in_the_order_of_the_dictionary(mini_book):
    fractions = flow_fractions(mini_book, flow_of(mini_book, [0.0] * 4)).fractions
    assert require_conventions(["flow_signed", "inverted", "naive"], fractions) == ["naive", "inverted", "flow_signed"]


def test_a_convention_by_contract_needs_its_fractions(mini_book):
    with pytest.raises(ValueError, match="for 'open_close', found none; make them with open_close_fractions"):
        require_conventions(["open_close"])
    fractions = flow_fractions(mini_book, flow_of(mini_book, [0.0] * 4)).fractions
    with pytest.raises(ValueError, match=r"for 'open_close', found those of \['flow_signed'\]"):
        require_conventions(["open_close"], fractions)
    with pytest.raises(ValueError, match="for 'flow_signed', found none"):
        dealer_fraction("flow_signed")


def test_flow_gives_minus_q_over_open_interest(mini_book):
    """Rows of the book: put 95 OI 1000, put 100 OI 300, call 100 OI 800, call 105 OI 1000."""
    found = flow_fractions(mini_book, flow_of(mini_book, [250.0, -300.0, 0.0, 1000.0]))
    assert found.violations.is_empty()
    assert found.fractions.schema == pl.Schema(FRACTIONS_SCHEMA)
    by_contract = {(right, strike): x for right, strike, x in found.fractions.select("right", "strike", "x").rows()}
    assert by_contract == {("P", 95.0): -0.25, ("P", 100.0): 1.0, ("C", 100.0): 0.0, ("C", 105.0): -1.0}
    assert found.fractions["provider"].unique().to_list() == ["tape"]


def test_flow_beyond_open_interest_is_set_aside_with_its_identifiers(mini_book):
    found = flow_fractions(mini_book, flow_of(mini_book, [1000.0, 301.0, -801.0, None]))
    assert found.fractions["strike"].to_list() == [95.0]
    assert found.violations.columns == [*CONTRACT, "customer_net_contracts", "open_interest"]
    assert found.violations.select("right", "strike", "customer_net_contracts", "open_interest").rows() == [
        ("C", 100.0, -801.0, 800.0),
        ("P", 100.0, 301.0, 300.0),
    ]
    lines = contract_exposure(mini_book, ["flow_signed"], found.fractions)
    assert lines["gex_usd_per_pct"].null_count() == 3


def test_open_interest_that_is_unknown_or_nil_gives_no_fraction(book):
    frame = book([("C", 100.0, None), ("C", 105.0, 0.0), ("C", 110.0, 0.0)])
    found = flow_fractions(frame, flow_of(frame, [10.0, 0.0, 1.0]))
    assert found.fractions.is_empty()
    assert found.violations["strike"].to_list() == [110.0]


def test_customers_long_everything_is_the_convention_of_that_name(mini_book):
    everything = flow_of(mini_book, mini_book["open_interest"].to_list())
    fractions = flow_fractions(mini_book, everything).fractions
    found = exposure(mini_book, ["flow_signed"], fractions).drop("sign_convention", "provider")
    assert found.equals(exposure(mini_book, ["customer_long"]).drop("sign_convention", "provider"))


def test_open_positions_of_all_but_market_makers(mini_book):
    rows = [("customer", 200.0, 50.0), ("firm", 10.0, 100.0), ("market_maker", 90.0, 150.0)]
    positions = positions_of(mini_book, rows)
    found = open_close_fractions(mini_book, positions).fractions
    assert found["x"].to_list() == [-60 / oi for oi in mini_book.sort(CONTRACT)["open_interest"]]
    assert found["sign_convention"].unique().to_list() == ["open_close"]
    without = positions.filter(pl.col("participant") != "market_maker")
    assert open_close_fractions(mini_book, without).fractions.equals(found)
    assert open_close_fractions(mini_book, positions.reverse()).fractions.equals(found)


def test_open_positions_keep_the_latest_origin(mini_book):
    rows = positions_of(mini_book, [("customer", 10.0, 0.0), ("firm", 0.0, 5.0)])
    later = mini_book["known_at"][0] - dt.timedelta(hours=1)
    rows = rows.with_columns(known_at=pl.col("known_at") - dt.timedelta(hours=2))
    is_firm = pl.col("participant") == "firm"
    rows = rows.with_columns(
        known_at=pl.when(is_firm).then(pl.lit(later)).otherwise("known_at"),
        provider=pl.when(is_firm).then(pl.lit("cboe+cme")).otherwise(pl.lit("cboe")),
        synthetic=is_firm,
    )
    found = open_close_fractions(mini_book, rows).fractions
    assert found.select("known_at", "provider", "synthetic").unique().rows() == [(later, "cboe+cme", True)]


def test_what_was_known_after_the_quotes_is_not_read(mini_book):
    """A second row of the same contracts that came a month later changes nothing, and neither does a poisoned one."""
    flow, positions = flow_of(mini_book, [250.0, 0.0, -80.0, 1.0]), positions_of(mini_book, [("firm", 20.0, 0.0)])
    month = pl.col("known_at") + dt.timedelta(days=31)
    late_flow = flow.with_columns(known_at=month, customer_net_contracts=pl.lit(float("nan")))
    late_positions = positions.with_columns(known_at=month, long_open_contracts=pl.lit(300.0))
    assert flow_fractions(mini_book, pl.concat([flow, late_flow])).fractions.equals(
        flow_fractions(mini_book, flow).fractions
    )
    assert open_close_fractions(mini_book, pl.concat([late_positions, positions])).fractions.equals(
        open_close_fractions(mini_book, positions).fractions
    )
    only_late = flow_fractions(mini_book, late_flow)
    assert only_late.fractions.is_empty() and only_late.violations.is_empty()
    at_the_quote = flow.with_columns(known_at=pl.lit(mini_book["ts"].max()))
    assert flow_fractions(mini_book, at_the_quote).fractions.height == 4


def test_a_quote_after_its_session_does_not_make_flow_known(mini_book):
    """The close of the session is the latest quote that counts, however late another row of the chain is dated."""
    late = mini_book.head(1).with_columns(
        strike=pl.lit(60.0), ts=pl.col("ts") + dt.timedelta(days=2), reason=pl.lit("late", mini_book.schema["reason"])
    )
    flow = flow_of(mini_book, [1.0] * 4).with_columns(pl.col("known_at") + dt.timedelta(days=1))
    assert flow_fractions(pl.concat([mini_book, late]), flow).fractions.is_empty()


def test_fractions_do_not_depend_on_how_a_column_is_stored(book):
    frame = book([("C", 90.0 + i, 7.0) for i in range(20)])
    q = [round(0.31 * i, 2) for i in range(20)]
    same = frame.with_columns(open_interest=pl.lit(7.0))
    wanted = [(0.0 - value) / 7.0 for value in q]
    assert flow_fractions(frame, flow_of(frame, q)).fractions["x"].to_list() == wanted
    assert flow_fractions(same, flow_of(frame, q)).fractions["x"].to_list() == wanted


def test_bad_flow_is_refused(mini_book):
    flow = flow_of(mini_book, [1.0] * 4)
    with pytest.raises(ValueError, match="flow: expected a column 'customer_net_contracts' as Float64, found only"):
        flow_fractions(mini_book, flow.drop("customer_net_contracts"))
    with pytest.raises(ValueError, match=r"flow: expected one row per session, symbol, .*, found two of"):
        flow_fractions(mini_book, pl.concat([flow, flow]))
    with pytest.raises(ValueError, match="expected finite customer_net_contracts"):
        flow_fractions(mini_book, flow.with_columns(customer_net_contracts=pl.lit(None, dtype=pl.Float64)))


def test_bad_positions_are_refused(mini_book):
    with pytest.raises(ValueError, match="positions: expected open contracts >= 0"):
        open_close_fractions(mini_book, positions_of(mini_book, [("customer", -1.0, 0.0)]))
    with pytest.raises(ValueError, match=r"positions: expected one row per .*participant, found two of"):
        open_close_fractions(mini_book, positions_of(mini_book, [("firm", 1.0, 0.0), ("firm", 2.0, 0.0)]))


def test_bad_fractions_are_refused(mini_book):
    good = flow_fractions(mini_book, flow_of(mini_book, [1.0] * 4)).fractions
    for x in (1.01, None, float("nan")):
        with pytest.raises(ValueError, match=r"fractions: expected x in \[-1, 1\]"):
            exposure(mini_book, ["flow_signed"], good.with_columns(x=pl.lit(x, dtype=pl.Float64)))
    with pytest.raises(ValueError, match="fractions: expected one row per"):
        exposure(mini_book, ["flow_signed"], pl.concat([good, good]))
    with pytest.raises(ValueError, match="found 'naive'"):
        naive = pl.lit("naive", dtype=FRACTIONS_SCHEMA["sign_convention"])
        exposure(mini_book, ["flow_signed"], good.with_columns(sign_convention=naive))
