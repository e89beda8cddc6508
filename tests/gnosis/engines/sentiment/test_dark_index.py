import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.points import daily_points
from gnosis.engines.sentiment.dark_index import (
    DARK_INDEX_SCHEMA,
    MAX_AGE,
    dark_index,
    dark_index_at,
    dollar_short_share,
)
from gnosis.engines.sentiment.market_panels import MEMBERSHIP_SCHEMA
from gnosis.sessions import sessions_between, shift_session
from gnosis.tables import TABLES

LAST = dt.date(2019, 5, 1)
MEMBERS = tuple(f"S{i:02d}" for i in range(11))


def published(day):
    """Return the evening of a session, after its close."""
    return dt.datetime.combine(day, dt.time(22), tzinfo=dt.UTC)


def dix_rows(n=300, last=LAST, seed=2):
    days = sessions_between(shift_session(last, 1 - n), last)
    rng = np.random.default_rng(seed)
    schema = TABLES["raw.dix"].polars_schema
    frame = pl.DataFrame(
        {
            "session": days,
            "known_at": [published(day) for day in days],
            "provider": "squeeze",
            "synthetic": False,
            "dix": 0.42 + 0.02 * rng.standard_normal(n),
            "gex": 3e9 + 1e9 * rng.standard_normal(n),
        }
    )
    return frame.select(list(schema)).cast(schema)


def short_rows(bars, share):
    schema = TABLES["raw.short_volume"].polars_schema
    frame = bars.with_columns(
        known_at=pl.col("known_at") + pl.duration(hours=2),
        total_volume=pl.col("volume") * 0.4,
        short_volume=pl.col("volume") * 0.4 * share,
        short_exempt_volume=pl.lit(None, pl.Float64),
    )
    return frame.select(list(schema)).cast(schema)


@pytest.fixture(scope="module")
def pairs(walk):
    return daily_points(walk(n=40)).frame


def row(pairs, *frames, day=LAST, **settings):
    found = dark_index(pairs.filter(pl.col("session") == day), *frames, **settings)
    assert dict(found.schema) == DARK_INDEX_SCHEMA and found.height == 1
    return found.row(0, named=True)


def test_the_session_before_is_the_last_one_published_at_the_close(pairs):
    dix = dix_rows()
    found = row(pairs, dix)
    yesterday = dix.filter(pl.col("session") == shift_session(LAST, -1))
    reference = dix.filter(pl.col("session") < shift_session(LAST, -1)).tail(252)["gex"]
    assert found["sent_dix"] == yesterday["dix"][0] and found["dix_age"] == 1.0
    assert found["sent_gex"] == pytest.approx(yesterday["gex"][0] / reference.std(), rel=1e-12)
    assert (found["dix_source"], found["gex_source"]) == (0.0, 0.0)


@pytest.mark.parametrize("age", [1, 3, MAX_AGE, MAX_AGE + 1])
def test_a_value_counts_among_the_last_five_sessions(pairs, age):
    found = row(pairs, dix_rows(last=shift_session(LAST, -age)))
    assert (found["sent_dix"] is None) == (age > MAX_AGE)
    assert found["dix_age"] == (None if age > MAX_AGE else age)


def test_gamma_needs_a_quarter_of_its_year_and_reads_no_more_than_it(pairs):
    dix = dix_rows()
    whole = row(pairs, dix)
    # The published session, and the 252 before it; the session itself is not out.
    assert row(pairs, dix.tail(254))["sent_gex"] == whole["sent_gex"]
    assert row(pairs, dix.tail(253))["sent_gex"] != whole["sent_gex"]
    assert row(pairs, dix.tail(65))["sent_gex"] is not None
    assert row(pairs, dix.tail(64))["sent_gex"] is None
    assert row(pairs, dix.with_columns(gex=2.0))["sent_gex"] is None


def test_scale_of_the_vendor_cancels(pairs):
    dix = dix_rows()
    scaled = row(pairs, dix.with_columns(pl.col("gex") * 1e-9))["sent_gex"]
    assert scaled == pytest.approx(row(pairs, dix)["sent_gex"], rel=1e-12)


def test_without_the_file_the_members_short_share_stands_in(pairs, walk):
    bars = walk((*MEMBERS, "XLK"), n=40)
    shares = pl.DataFrame({"symbol": MEMBERS, "share": np.linspace(0.3, 0.6, len(MEMBERS))})
    shorts = short_rows(
        bars.join(shares, on="symbol", how="left").with_columns(pl.col("share").fill_null(0.9)), pl.col("share")
    )
    found = row(pairs, None, shorts, bars)
    before = bars.filter(pl.col("session") == shift_session(LAST, -1)).join(shares, on="symbol")
    dollars = before["close"] * before["volume"]
    assert found["sent_dix"] == pytest.approx((dollars * before["share"]).sum() / dollars.sum(), rel=1e-12)
    assert found["dix_source"] == 1.0 and found["dix_age"] is None and found["sent_gex"] is None
    assert row(pairs, dix_rows(), shorts, bars)["dix_source"] == 0.0
    nine = shorts.filter(pl.col("symbol").is_in(MEMBERS[:9]))
    assert row(pairs, None, nine, bars)["sent_dix"] is None
    assert row(pairs, None, nine, bars, fewest_members=9)["sent_dix"] is not None
    assert row(pairs, None, shorts, None)["sent_dix"] is None
    only_fund = pl.DataFrame(
        {"symbol": ["XLK"], "first_session": [dt.date(2010, 1, 4)], "last_session": [None]}, schema=MEMBERSHIP_SCHEMA
    )
    fund = row(pairs, None, shorts, bars, membership=only_fund, fewest_members=1)
    assert fund["sent_dix"] == pytest.approx(0.9)


def test_impossible_short_volume_does_not_count():
    short, total = np.array([[40.0], [60.0]]), np.array([[100.0], [50.0]])
    found = dollar_short_share(short, total, np.ones((2, 1)), np.ones((2, 1), dtype=bool), fewest=1)
    assert found.tolist() == [0.4]


def test_chain_of_an_index_fund_stands_in_for_the_vendors_gamma(pairs):
    dix = dix_rows()
    chain = dix.select("session", "provider", "synthetic", "gex", known_at=pl.col("known_at") - pl.duration(hours=3))
    found = row(pairs, None, index_gamma=chain)
    today, before = chain["gex"][-1], chain["gex"][-253:-1]
    assert found["gex_source"] == 1.0 and found["sent_dix"] is None
    assert found["sent_gex"] == pytest.approx(today / before.std(), rel=1e-12)
    assert row(pairs, dix, index_gamma=chain)["gex_source"] == 0.0
    with pytest.raises(ValueError, match=r"index_gamma: expected the columns \['synthetic'\]"):
        row(pairs, None, index_gamma=chain.drop("synthetic"))


def test_rows_published_later_are_invisible_and_revisions_count_from_their_instant(pairs):
    dix = dix_rows()
    day = shift_session(LAST, -3)
    revised = dix.filter(pl.col("session") == day).with_columns(
        dix=0.9, known_at=pl.lit(published(shift_session(day, 1))).cast(pl.Datetime("us", "UTC"))
    )
    both = dark_index(pairs, pl.concat([revised, dix]))
    plain = dark_index(pairs, dix)
    replaced = dark_index(
        pairs,
        pl.concat([dix.filter(pl.col("session") != day), revised.with_columns(known_at=published(day))])
        .sort("session")
        .cast(TABLES["raw.dix"].polars_schema),
    )
    early = pl.col("session") <= shift_session(day, 1)
    assert both.filter(early).equals(plain.filter(early))
    assert both.filter(~early).equals(replaced.filter(~early))
    cut = dark_index(pairs, dix.filter(pl.col("session") < LAST))
    assert plain.equals(cut)
    assert dark_index(pairs, dix.reverse()).equals(plain)


def test_points_without_a_row_know_nothing(walk, pairs):
    points = daily_points(walk(("AAA", "BBB"), n=45))
    table = dark_index(pairs, dix_rows())
    found = dark_index_at(points, table)
    assert np.isnan(found["sent_dix"]).sum() == 2 * 5
    for own in (slice(0, 45), slice(45, 90)):
        assert found["sent_dix"][own][5:].tolist() == table["sent_dix"].to_list()
