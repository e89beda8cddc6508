"""Reason codes of single quotes, each inside a chain that is otherwise good."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnosis.options import option_greeks
from gnosis.options.chain.analytics import chain_analytics
from gnosis.options.chain.cleaning import split_duplicates
from gnosis.tables.greeks import QUOTE_REASONS

CLOSE = dt.datetime(2019, 5, 15, 20, 0, tzinfo=dt.UTC)
STRIKES = [90, 94, 96, 98, 99, 100, 101, 102, 104, 106, 110]


@pytest.fixture
def with_quote(model_quotes, rate_rows):
    """Greeks of a good chain in which one contract is quoted as told; returns that contract's row."""

    def run(right: str, strike: float, **changed) -> dict:
        quotes = model_quotes(STRIKES)
        is_it = (pl.col("right") == right) & (pl.col("strike") == strike)
        quotes = quotes.with_columns(
            **{
                name: pl.when(is_it).then(pl.lit(value, dtype=quotes.schema[name])).otherwise(name)
                for name, value in changed.items()
            }
        )
        return option_greeks(quotes, rate_rows()).filter(is_it).row(0, named=True)

    return run


# Call 110 is worth 0.129, put 90 0.048, call 90 10.36, put 110 9.68.
@pytest.mark.parametrize(
    ("right", "strike", "bid", "ask", "reason"),
    [
        ("C", 104, 0.0, 1.0, "zero_bid"),
        ("C", 104, None, 1.0, "zero_bid"),
        ("C", 104, 1.0, 0.9, "crossed"),
        ("C", 104, 1.0, 0.0, "crossed"),
        ("C", 104, 1.0, None, "crossed"),
        ("C", 104, 1.0, 1.0, None),  # locked
        ("C", 104, 0.75, 1.2503, "wide"),
        ("C", 104, 0.75, 1.25, None),  # exactly 0.5
        ("C", 90, 10.2, 10.21, "bound"),
        ("C", 90, 9.85, 10.65, "no_time_value"),
        ("P", 110, 9.0, 9.1, "bound"),
        ("C", 110, 101.0, 101.1, "bound"),
        ("P", 90, 0.01, 0.016, "no_time_value"),
        ("P", 90, 0.02, 0.03, None),
        ("C", 90, 101.0, 101.2, "bound"),  # the put of the strike is good: only the bound itself tells
    ],
)
def test_reasons(with_quote, right, strike, bid, ask, reason):
    row = with_quote(right, strike, bid=bid, ask=ask)
    assert row["reason"] == reason
    is_bad_quote = reason in ("zero_bid", "crossed", "wide")
    assert (row["mid"] is None) == is_bad_quote
    assert row["open_interest"] == 100.0


@pytest.mark.parametrize(("minutes", "reason"), [(15, None), (16, "stale")])
def test_quotes_may_be_a_quarter_of_an_hour_older_than_the_nominal_snapshot(with_quote, minutes, reason):
    ts = CLOSE - dt.timedelta(minutes=15 + minutes)
    assert with_quote("C", 104, ts=ts)["reason"] == reason


def test_quotes_after_the_nominal_snapshot_of_a_short_session_are_fresh(quote_rows, rate_rows, dividend_rows):
    session = dt.date(2019, 7, 3)
    for ts, reason in [((16, 29), "stale"), ((16, 30), None), ((17, 0), None)]:
        moment = dt.datetime(2019, 7, 3, *ts, tzinfo=dt.UTC)
        rates = rate_rows(ref_date=dt.date(2019, 7, 2), known_at=dt.datetime(2019, 7, 3, 12, tzinfo=dt.UTC))
        quotes = quote_rows(
            [("C", 104.0, 0.9, 1.0)], session=session, ts=moment, known_at=moment, expiry=dt.date(2019, 8, 2)
        )
        assert option_greeks(quotes, rates, dividend_rows([]))["reason"].item() == reason


def test_an_out_of_the_money_quote_that_failed_is_replaced_by_the_other_side(with_quote):
    """Put-call parity: the put of the strike still tells the volatility, for both rows."""
    row = with_quote("C", 104, bid=0.0)
    assert (row["reason"], row["iv_source"]) == ("zero_bid", "own")
    assert row["iv"] == pytest.approx(0.2, abs=1e-6)


def test_a_price_that_no_volatility_gives_is_out_of_bounds(quote_rows, rate_rows, dividend_rows):
    """Inside the bounds by the spread's tolerance only."""
    quotes = quote_rows([("C", 105.0, 60.0, 99.7)])
    row = option_greeks(quotes, rate_rows(), dividend_rows([])).row(0, named=True)
    assert (row["iv"], row["iv_source"], row["reason"]) == (None, "none", "bound")


def test_superseded_versions_are_set_apart(model_quotes):
    quotes = model_quotes([99, 100, 101])
    later = quotes.head(2).with_columns(known_at=CLOSE + dt.timedelta(minutes=5), bid=pl.col("bid") + 0.001)
    for order in (pl.concat([quotes, later]), pl.concat([later, quotes])):
        used, superseded = split_duplicates(order)
        assert used.height == 6
        assert used.filter(pl.col("known_at") > CLOSE).height == 2
        assert superseded.select("strike", "known_at").rows() == [(99.0, CLOSE)] * 2


def test_versions_known_at_the_same_moment_do_not_depend_on_row_order(model_quotes, rate_rows):
    quotes = model_quotes([99, 100, 101])
    both = pl.concat([quotes, quotes.with_columns(bid=pl.col("bid") - 0.001)])
    one, other = (option_greeks(frame, rate_rows()) for frame in (both, both.reverse()))
    assert one.equals(other)
    assert one.height == 6


@pytest.mark.parametrize(
    ("right", "strike", "mid", "reason"),
    [
        ("P", 110, 9.95, "bound"),  # below immediate exercise by more than half the spread
        ("P", 110, 9.99, "no_time_value"),
        ("P", 110, 10.02, None),  # a premium of 0.02 above immediate exercise
        ("P", 110, 10.0049, "no_time_value"),
        ("P", 110, 10.0051, None),  # half a tick is $0.005
        ("C", 110, 100.02, "bound"),  # more than the share itself
        ("P", 90, 90.02, "bound"),  # more than the strike
    ],
)
def test_american_prices_are_held_to_american_bounds(model_quotes, rate_rows, right, strike, mid, reason):
    is_it = (pl.col("right") == right) & (pl.col("strike") == strike)
    quotes = model_quotes(STRIKES, style="A").with_columns(
        bid=pl.when(is_it).then(mid - 0.01).otherwise("bid"), ask=pl.when(is_it).then(mid + 0.01).otherwise("ask")
    )
    assert option_greeks(quotes, rate_rows()).filter(is_it)["reason"].item() == reason


def test_a_put_below_its_american_and_above_its_european_bound_is_fine_when_european(with_quote):
    assert with_quote("P", 110, bid=9.84, ask=9.86)["reason"] is None


@pytest.mark.parametrize("style", ["A", "E"])
def test_without_dividends_and_pairs_there_is_no_forward(quote_rows, rate_rows, dividend_rows, style):
    """Nothing declared is something known; dividends that are not known are no zero."""
    quotes = quote_rows(
        [("C", 100, 2.0, 2.1), ("C", 101, 1.5, 1.6), ("C", 102, 0.1, 0.9), ("C", 103, 0.0, 0.5)], style=style
    )
    unknown = chain_analytics(quotes, rate_rows())
    assert unknown.greeks["reason"].to_list() == ["no_forward", "no_forward", "wide", "zero_bid"]
    assert unknown.greeks["mid"].to_list() == [2.05, 1.55, None, None]
    for name in ("forward", "forward_source", "iv", "delta"):
        assert unknown.greeks[name].null_count() == 4
    row = unknown.forwards.row(0, named=True)
    assert row["rate_per_year"] == pytest.approx(0.05)
    for name in ("forward", "forward_source", "carry_implied_per_year", "dividends_usd"):
        assert row[name] is None
    known = chain_analytics(quotes, rate_rows(), dividend_rows([]))
    assert known.greeks["reason"].to_list() == [None, None, "wide", "zero_bid"]
    assert known.forwards["forward_source"].to_list() == ["carry"]
    without_rate = chain_analytics(quotes, rate_rows().clear())
    assert without_rate.greeks["reason"].unique().to_list() == ["no_rate"]


def test_reasons_come_in_the_order_of_the_table(model_quotes, rate_rows):
    """Each row breaks the rule of its reason and those of all later quote rules."""
    late = {"ts": CLOSE - dt.timedelta(hours=1)}
    bad = {"bid": 0.0, "ask": -1.0}
    cases = {
        "settled": {"expiry": dt.date(2019, 5, 15), "settlement": "am", "deliverable_shares": 1.0} | late,
        "adjusted": {"deliverable_shares": 1.0} | late,
        "stale": late,
        "zero_bid": {},
    }
    for reason, columns in cases.items():
        quotes = model_quotes([99, 100, 101], open_interest=None, **columns).with_columns(
            **{name: pl.lit(value) for name, value in bad.items()}
        )
        assert option_greeks(quotes, rate_rows())["reason"].to_list() == [reason] * 6
        without = option_greeks(quotes, rate_rows().clear())["reason"].to_list()
        assert without == ["settled" if reason == "settled" else "no_rate"] * 6
    assert list(cases) == [name for name in QUOTE_REASONS if name in cases]


def two_days(model_quotes, strikes=STRIKES, **second) -> pl.DataFrame:
    """A chain, and one with other prices a session later: the second quotes of it are given."""
    after = {
        "session": dt.date(2019, 5, 16),
        "ts": CLOSE + dt.timedelta(days=1),
        "known_at": CLOSE + dt.timedelta(days=1),
    }
    return pl.concat([model_quotes(strikes), model_quotes(strikes, **(after | second))])


def reasons_of(quotes: pl.DataFrame, rates: pl.DataFrame, session: dt.date = dt.date(2019, 5, 16)) -> list[str | None]:
    return option_greeks(quotes, rates).filter(pl.col("session") == session)["reason"].unique().to_list()


def test_a_chain_that_repeats_the_session_before_is_denied(model_quotes, rate_rows):
    quotes = two_days(model_quotes)
    found = chain_analytics(quotes, rate_rows())
    again = found.greeks.filter(pl.col("session") == dt.date(2019, 5, 16))
    assert again["reason"].unique().to_list() == ["repeated"]
    assert again["iv_source"].unique().to_list() == ["none"]
    assert again["open_interest"].null_count() == 0
    assert again["mid"].null_count() == again.height
    assert found.forwards.filter(pl.col("session") == dt.date(2019, 5, 16))["n_accepted_strikes"].item() == 0
    first = found.greeks.filter(pl.col("session") == dt.date(2019, 5, 15))
    assert first.equals(option_greeks(model_quotes(STRIKES), rate_rows()))
    # Without the session before there is nothing to compare with.
    alone = quotes.filter(pl.col("session") == dt.date(2019, 5, 16))
    assert reasons_of(alone, rate_rows()) == [None]


@pytest.mark.parametrize(
    ("n_changed", "reason"),
    [(0, "repeated"), (2, "repeated"), (3, None)],  # 42 quotes: two changed are 95.2 % the same, three 92.9 %
)
def test_nineteen_of_twenty_equal_quotes_make_a_repeat(model_quotes, rate_rows, n_changed, reason):
    quotes = two_days(model_quotes, np.arange(95.0, 105.5, 0.5))
    is_changed = (pl.col("session") == dt.date(2019, 5, 16)) & pl.col("strike").is_in(np.arange(99.0, 99.0 + n_changed))
    quotes = quotes.with_columns(
        ask=pl.when(is_changed & (pl.col("right") == "C")).then(pl.col("ask") + 0.001).otherwise("ask")
    )
    assert reasons_of(quotes, rate_rows()) == [reason]


def test_a_repeat_needs_twenty_contracts_with_a_bid_in_the_very_session_before(model_quotes, rate_rows):
    nine = two_days(model_quotes, STRIKES[:9])
    assert reasons_of(nine, rate_rows()) == [None]
    no_bids = two_days(model_quotes).with_columns(bid=pl.when(pl.col("strike") > 104).then(0.0).otherwise("bid"))
    assert "repeated" not in reasons_of(no_bids, rate_rows())
    later = dt.date(2019, 5, 17)
    at = CLOSE + dt.timedelta(days=2)
    assert reasons_of(two_days(model_quotes, session=later, ts=at, known_at=at), rate_rows(), later) == [None]
    assert reasons_of(two_days(model_quotes, symbol="ABC"), rate_rows()) == [None]
    assert reasons_of(two_days(model_quotes, root="XYZW"), rate_rows()) == [None]


def test_friday_repeated_on_monday_is_found(model_quotes, rate_rows):
    monday = dt.date(2019, 5, 20)
    friday = {
        "session": dt.date(2019, 5, 17),
        "ts": CLOSE + dt.timedelta(days=2),
        "known_at": CLOSE + dt.timedelta(days=2),
    }
    at = CLOSE + dt.timedelta(days=5)
    quotes = pl.concat(
        [
            model_quotes(STRIKES, **friday),
            model_quotes(STRIKES, session=monday, ts=at, known_at=at, expiry=dt.date(2019, 6, 14)),
        ]
    )
    assert reasons_of(quotes, rate_rows(), monday) == ["repeated"]


def flagged(quotes: pl.DataFrame, rates: pl.DataFrame, name: str) -> list[tuple[str, float]]:
    return option_greeks(quotes, rates).filter(pl.col(name)).select("right", "strike").rows()


def test_a_good_chain_has_no_arbitrage(model_quotes, rate_rows):
    for name in ("is_vertical", "is_butterfly"):
        assert flagged(model_quotes(STRIKES), rate_rows(), name) == []


def test_verticals_are_flagged_on_both_rows_however_far_apart(quote_rows, rate_rows):
    calls = [("C", 95, 3.0, 3.2), ("C", 100, 4.0, 4.4), ("C", 105, 3.3, 3.5), ("C", 110, 1.0, 1.1)]
    assert flagged(quote_rows(calls), rate_rows(), "is_vertical") == [("C", 95.0), ("C", 100.0), ("C", 105.0)]
    puts = [("P", 200 - strike, bid, ask) for _, strike, bid, ask in calls]
    assert flagged(quote_rows(puts), rate_rows(), "is_vertical") == [("P", 95.0), ("P", 100.0), ("P", 105.0)]
    touching = [("C", 95, 3.0, 3.2), ("C", 100, 3.2, 3.4)]
    assert flagged(quote_rows(touching), rate_rows(), "is_vertical") == []


def test_a_butterfly_is_flagged_on_its_middle(quote_rows, rate_rows):
    # w = 10/15: the wings cost 2/3 x 6.0 + 1/3 x 1.5 = 4.5.
    for bid, expected in [(4.51, [("C", 100.0)]), (4.5, [])]:
        quotes = quote_rows([("C", 95, 5.8, 6.0), ("C", 100, bid, 4.7), ("C", 110, 1.4, 1.5)])
        assert flagged(quotes, rate_rows(), "is_butterfly") == expected
        assert flagged(quotes, rate_rows(), "is_vertical") == []


def test_flags_deny_nothing_and_pass_over_quotes_without_two_sides(quote_rows, rate_rows, dividend_rows):
    quotes = quote_rows([("C", 95, 5.8, 6.0), ("C", 98, 0.0, 0.1), ("C", 100, 4.51, 4.7), ("C", 110, 1.4, 1.5)])
    found = option_greeks(quotes, rate_rows(), dividend_rows([]))
    assert found["is_butterfly"].to_list() == [False, False, True, False]
    assert not found["is_vertical"].any()
    assert found["reason"].to_list() == [None, "zero_bid", None, None]


def test_rights_roots_and_expiries_are_not_compared_with_each_other(quote_rows, rate_rows):
    low, high = [("C", 95, 3.0, 3.2)], [("C", 100, 4.0, 4.4)]
    for other in ({"root": "XYZW"}, {"settlement": "am"}, {"expiry": dt.date(2019, 6, 21)}, {"symbol": "ABC"}):
        quotes = pl.concat([quote_rows(low), quote_rows(high, **other)])
        assert flagged(quotes, rate_rows(), "is_vertical") == []
    assert flagged(pl.concat([quote_rows(low), quote_rows([("P", 90, 4.0, 4.4)])]), rate_rows(), "is_vertical") == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from(["C", "P"]))
def test_flags_are_those_of_the_definition(quote_rows, rate_rows, seed, right):
    generator = np.random.default_rng(seed)
    strikes = np.cumsum(generator.integers(1, 5, 9)) + 90.0
    bid = generator.choice([0.0, 1.0, 1.0, 1.0], 9) * generator.integers(1, 60, 9) / 10
    ask = bid + generator.integers(-1, 8, 9) / 10
    found = option_greeks(quote_rows(list(zip([right] * 9, strikes, bid, ask, strict=True))), rate_rows())
    ok = (bid > 0) & (ask >= bid)
    sign = 1 if right == "C" else -1
    vertical, butterfly = np.zeros(9, dtype=bool), np.zeros(9, dtype=bool)
    for i in np.flatnonzero(ok):
        for j in np.flatnonzero(ok):
            if sign * (strikes[j] - strikes[i]) > 0 and bid[j] > ask[i]:
                vertical[[i, j]] = True
    used = np.flatnonzero(ok)
    for a, b, c in zip(used, used[1:], used[2:], strict=False):
        w = (strikes[c] - strikes[b]) / (strikes[c] - strikes[a])
        butterfly[b] = bid[b] > w * ask[a] + (1 - w) * ask[c] + 1e-9
    assert found["is_vertical"].to_list() == vertical.tolist()
    assert found["is_butterfly"].to_list() == butterfly.tolist()
