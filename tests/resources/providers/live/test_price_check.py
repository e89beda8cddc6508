"""Prices are compared like with like; of three the median row is taken whole; doubt is always said."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.tables import TABLES
from resources.providers.live.price_check import check_prices
from resources.providers.protocol import conform
from tests.resources.providers.live.scripted import BARS, NOW, SESSIONS, bars

DAY = SESSIONS[-1]
TICKERS = "raw.crypto_tickers"


def bar(provider, close, symbol="AAA", session=DAY):
    return bars([symbol], [session], provider, close)


def ticker(provider, last, at, symbol="BTC/USD"):
    given_ = {"session": [DAY], "symbol": [symbol], "ts": [at], "last": [last], "known_at": [at]}
    rows = pl.DataFrame(given_).with_columns(
        bid=None, ask=None, volume_24h=None, provider=pl.lit(provider), synthetic=pl.lit(False)
    )
    return conform(rows, TICKERS)


def none_of(table=BARS):
    return TABLES[table].empty()


def check(preferred, second, third=None, table=BARS, **rest):
    asked = []

    def third_of(disputed):
        asked.append(disputed)
        return none_of(table) if third is None else third

    checked = check_prices(table, preferred, second, third_of, known_at=NOW, alone="b Transient: HTTP 503", **rest)
    return checked, asked


def told(checked):
    return [(row["kind"], row["chosen"]) for row in checked.events.to_dicts()]


@pytest.mark.parametrize("second", [102.0, 98.0, 100.0])
def test_up_to_two_percent_apart_is_agreement(second):
    checked, asked = check(bar("a", 100.0), bar("b", second))
    assert checked.frame.equals(bar("a", 100.0))
    assert checked.events.is_empty()
    assert asked == []


@pytest.mark.parametrize(("price", "second"), [(1.0, 1.02), (10.0, 10.2), (0.1, 0.102), (3.0, 3.06)])
def test_exactly_two_percent_is_not_more_whatever_the_digits(price, second):
    assert check(bar("a", price), bar("b", second))[0].events.is_empty()


@pytest.mark.parametrize(
    ("third", "chosen", "deviation"), [(103.0, "b", 3 / 103), (99.0, "a", 0.03), (101.5, "c", 1.5 / 101.5)]
)
def test_of_three_the_median_row_is_taken_whole(third, chosen, deviation):
    rows = {"a": bar("a", 100.0), "b": bar("b", 103.0), "c": bar("c", third)}
    checked, asked = check(rows["a"], rows["b"], rows["c"])
    assert checked.frame.equals(rows[chosen])
    event = checked.events.to_dicts()[0]
    assert (event["kind"], event["chosen"], event["providers"]) == ("price_disagreement", chosen, "a+b+c")
    assert event["value"] == rows[chosen]["close"].item()
    assert event["largest_deviation"] == pytest.approx(deviation)
    assert event["known_at"] == NOW
    assert len(asked) == 1
    assert asked[0].select("symbol", "disputed_by").rows() == [("AAA", "b")]


def test_two_that_disagree_without_a_third_keep_the_preferred_and_say_so():
    checked, _ = check(bar("a", 100.0), bar("b", 150.0))
    assert checked.frame.equals(bar("a", 100.0))
    event = checked.events.to_dicts()[0]
    assert (event["kind"], event["chosen"], event["value"], event["largest_deviation"]) == (
        "unverified",
        "a",
        100.0,
        0.5,
    )
    assert "no third service answered" in event["detail"]
    assert "b says 150.0" in event["detail"]


def test_one_answer_is_unverified_with_the_reason():
    checked, _ = check(bar("a", 100.0), none_of())
    assert told(checked) == [("unverified", "a")]
    assert checked.events["detail"].item() == "only a gave a price: b Transient: HTTP 503"


def test_only_the_same_bar_is_compared():
    others = pl.concat([bar("b", 500.0, symbol="BBB"), bar("b", 500.0, session=SESSIONS[-2])])
    checked, _ = check(bar("a", 100.0), others)
    assert told(checked) == [("unverified", "a")]
    elsewhen = bar("b", 500.0).with_columns(ts=pl.col("ts") + dt.timedelta(hours=3))
    checked, _ = check(bar("a", 100.0), elsewhen)
    assert told(checked) == [("unverified", "a")]
    assert checked.events["detail"].item() == "only a gave a price: b gave that of another instant"


def test_of_opinions_with_one_key_the_first_counts():
    twice = pl.concat([bar("b", 100.0), bar("b", 500.0)])
    checked, asked = check(bar("a", 100.0), twice, twice)
    assert (checked.frame.equals(bar("a", 100.0)), asked, told(checked)) == (True, [], [])
    checked, _ = check(bar("a", 10.0), twice, pl.concat([bar("c", 101.0)] * 2))
    assert checked.frame.equals(bar("b", 100.0))


def test_tickers_are_compared_when_their_instants_are_close():
    at = NOW
    near, far = at + dt.timedelta(seconds=20), at + dt.timedelta(seconds=31)
    preferred = ticker("a", 100.0, at)
    assert told(check(preferred, ticker("b", 101.0, near), table=TICKERS)[0]) == []
    assert told(check(preferred, ticker("b", 101.0, far), table=TICKERS)[0]) == [("unverified", "a")]
    checked, _ = check(preferred, ticker("b", 110.0, near), ticker("c", 111.0, near), table=TICKERS)
    assert checked.frame.equals(ticker("b", 110.0, near))
    assert told(check(preferred, ticker("b", 101.0, near, symbol="ETH/USD"), table=TICKERS)[0]) == [("unverified", "a")]


def test_several_bars_of_a_pair_in_a_session_make_one_event():
    weekend = [NOW - dt.timedelta(days=days) for days in (2, 1)]
    prices = dict.fromkeys(("open", "high", "low", "close"), 100.0)

    def pair(provider, *closes):
        rows = pl.DataFrame({"ts": weekend, **prices, "close": closes}).with_columns(
            session=pl.lit(DAY), symbol=pl.lit("BTC/USD"), volume=None, known_at="ts", provider=pl.lit(provider)
        )
        return conform(rows.with_columns(synthetic=pl.lit(False)), "raw.crypto_bars")

    checked, _ = check(pair("a", 100.0, 100.0), pair("b", 110.0, 150.0), table="raw.crypto_bars")
    assert checked.frame.height == 2
    event = checked.events.to_dicts()
    assert len(event) == 1
    assert event[0]["largest_deviation"] == 0.5


prices = st.floats(0.01, 1e5).map(lambda price: round(price, 2)).filter(bool)


@given(prices, st.none() | prices, st.none() | prices)
def test_what_is_taken_is_a_row_that_somebody_gave_and_any_doubt_is_said(first, second, third):
    given_ = {"a": bar("a", first)}
    if second is not None:
        given_["b"] = bar("b", second)
    if third is not None:
        given_["c"] = bar("c", third)
    checked, asked = check(given_["a"], given_.get("b", none_of()), given_.get("c"))
    taken = checked.frame.row(0, named=True)
    assert checked.frame.equals(given_[taken["provider"]])
    is_apart = second is not None and abs(second - first) > 0.02 * first * (1 + 1e-6)
    if is_apart:
        assert len(asked) == 1
        if third is not None:
            assert taken["close"] == sorted([first, second, third])[1]
    _, failures = TABLES["raw.quality_events"].schema.filter(checked.events)
    assert failures.counts() == {}
    if second is None or is_apart:
        assert checked.events.height == 1
    elif abs(second - first) <= 0.02 * first:
        assert checked.events.is_empty()
