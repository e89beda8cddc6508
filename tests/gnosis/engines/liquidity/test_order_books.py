import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.order_books import OrderBooks
from gnosis.engines.points import Points, session_ranks
from gnosis.sessions import UnknownSessionError, schedule, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)
CLOSE = dt.datetime(2019, 5, 1, 20, 0, tzinfo=dt.UTC)
SCHEMA = TABLES["raw.order_books"].polars_schema


def snapshot(minutes_to_close, bids, asks, *, symbol="AAA", session=SESSION, known_after=0, provider="venue"):
    """Rows of one snapshot; sides as lists of (price, size)."""
    close = schedule().filter(pl.col("session") == session)["close_at"].item()
    ts = close - dt.timedelta(minutes=minutes_to_close)
    rows = [
        {"side": side, "level": level, "price": float(price), "size": float(size)}
        for side, levels in (("B", bids), ("A", asks))
        for level, (price, size) in enumerate(levels, 1)
    ]
    frame = pl.DataFrame(rows).with_columns(
        session=pl.lit(session),
        symbol=pl.lit(symbol),
        ts=pl.lit(ts),
        known_at=pl.lit(ts + dt.timedelta(minutes=known_after)),
        provider=pl.lit(provider),
        synthetic=pl.lit(False),
    )
    return frame.select(list(SCHEMA)).cast(SCHEMA)


def points(*rows):
    """Points of (symbol, session, as_of)."""
    return Points.of(pl.DataFrame(rows, schema=["symbol", "session", "as_of"], orient="row"))


POINT = points(("AAA", SESSION, CLOSE))
BIDS, ASKS = [(99.99, 100), (99.98, 200)], [(100.01, 300), (100.02, 400), (100.03, 50)]


def same(one, other):
    names = ("ts", "position", "bid_price", "bid_size", "ask_price", "ask_size", "mid", "starts", "ends", "dropped")
    return all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=True) for n in names)


def test_rows_become_levels_with_nan_where_one_is_absent():
    books = OrderBooks(POINT, snapshot(1, BIDS, ASKS))
    assert books.levels == 3
    np.testing.assert_array_equal(books.bid_price, [[99.99, 99.98, np.nan]])
    np.testing.assert_array_equal(books.ask_size, [[300, 400, 50]])
    assert books.mid.tolist() == [100.0]


def test_order_of_rows_and_second_delivery_change_nothing():
    frame = pl.concat([snapshot(m, BIDS, ASKS) for m in (5, 3, 1)])
    plain = OrderBooks(POINT, frame)
    again = pl.concat([frame, frame.with_columns(known_at=pl.col("known_at"))]).sample(fraction=1, shuffle=True, seed=3)
    assert same(plain, OrderBooks(POINT, again))


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([(100.02, 100)], ASKS),
        ([(100.01, 100)], ASKS),
        ([(99.98, 100), (99.99, 100)], ASKS),
        (BIDS, [(100.02, 100), (100.01, 100)]),
        ([(99.98, 100), (99.98, 200)], ASKS),
        (BIDS, [(100.02, 100), (100.02, 200)]),
    ],
    ids=["crossed", "locked", "bids disordered", "asks disordered", "bids at one price", "asks at one price"],
)
def test_impossible_books_stay_out_and_are_counted(bids, asks):
    books = OrderBooks(POINT, pl.concat([snapshot(2, bids, asks), snapshot(1, BIDS, ASKS)]))
    assert (books.ends - books.starts).tolist() == [1] and books.dropped.tolist() == [1]
    assert books.mid.tolist() == [100.0]


def test_mid_needs_the_best_level_of_both_sides():
    frame = snapshot(1, BIDS, ASKS).filter((pl.col("side") == "A") | (pl.col("level") == 2))
    books = OrderBooks(POINT, frame)
    assert np.isnan(books.mid).all() and books.ends.tolist() == [1]


def test_rows_known_after_the_cut_off_are_not_seen():
    frame = pl.concat([snapshot(2, BIDS, ASKS), snapshot(1, [(99.0, 1)], [(101.0, 1)], known_after=2)])
    assert OrderBooks(POINT, frame).mid.tolist() == [100.0]
    late = points(("AAA", SESSION, CLOSE + dt.timedelta(minutes=1)))
    assert OrderBooks(late, frame).bid_price[:, 0].tolist() == [99.99, 99.0]


def test_of_several_versions_each_point_sees_the_last_one_it_knew():
    day = shift_session(SESSION, 1)
    both = points(("AAA", SESSION, CLOSE), ("AAA", day, CLOSE + dt.timedelta(days=1)))
    restated = snapshot(1, [(99.985, 7)], [(100.005, 7)], known_after=60)
    books = OrderBooks(both, pl.concat([snapshot(1, BIDS, ASKS), restated]))
    starts, ends = books.of(np.array([0, 1]), both.position[[0, 0]])
    assert (ends - starts).tolist() == [1, 1]
    assert books.bid_price[starts, :2].tolist() == [[99.99, 99.98], [99.985, 99.98]]
    assert books.ask_size[starts].tolist() == [[300, 400, 50], [7, 400, 50]]


def test_truncation_gives_the_arrays_of_the_full_store():
    day = shift_session(SESSION, 1)
    two = points(("AAA", SESSION, CLOSE), ("AAA", day, CLOSE + dt.timedelta(days=1)))
    frame = pl.concat(
        [
            snapshot(m, BIDS, ASKS, session=s, known_after=k)
            for s in (SESSION, day)
            for m, k in ((9, 0), (5, 30), (1, 0))
        ]
    )
    full, seen = OrderBooks(two, frame), OrderBooks(POINT, frame.filter(pl.col("known_at") <= CLOSE))
    rows = slice(full.starts[0], full.ends[0])
    np.testing.assert_array_equal(full.ts[rows], seen.ts)
    np.testing.assert_array_equal(full.ask_size[rows], seen.ask_size)


def test_symbols_together_or_alone_give_the_same_books():
    frame = pl.concat([snapshot(m, BIDS, ASKS, symbol=s) for s in ("BBB", "AAA", "ZZZ") for m in (3, 1)])
    together = OrderBooks(points(("AAA", SESSION, CLOSE), ("BBB", SESSION, CLOSE)), frame)
    assert together.starts.tolist() == [0, 2] and together.ends.tolist() == [2, 4]
    assert same(OrderBooks(POINT, frame), OrderBooks(POINT, frame.filter(pl.col("symbol") == "AAA")))


def test_windows_end_with_the_close_also_of_an_early_one():
    day = dt.date(2018, 11, 23)
    close = dt.datetime(2018, 11, 23, 18, 0, tzinfo=dt.UTC)
    frame = pl.concat([snapshot(m, BIDS, ASKS, session=day) for m in (250, 210, 31, 30, 5, 0, -10)])
    books = OrderBooks(points(("AAA", day, close + dt.timedelta(hours=1))), frame)
    counts = [
        (ends - starts).item() for starts, ends in (books.of_session(), books.regular(), books.regular(minutes=30))
    ]
    assert counts == [7, 5, 3]


def test_mid_before_an_instant_is_earlier_and_not_too_old():
    frame = pl.concat([snapshot(10, BIDS, ASKS), snapshot(6, [(98.99, 1)], [(99.01, 1)])])
    books = OrderBooks(POINT, frame)
    close = int(CLOSE.timestamp() * 1e6)
    at = close - np.array([5, 6, 10, 1]) * 60_000_000
    found = books.mid_before(np.zeros(4, int), np.repeat(POINT.position, 4), at, longest_us=4 * 60_000_000)
    np.testing.assert_array_equal(found, [99.0, 100.0, np.nan, np.nan])


def test_sessions_before_are_seen_by_later_points():
    day = shift_session(SESSION, -2)
    books = OrderBooks(POINT, snapshot(1, BIDS, ASKS, session=day))
    assert (books.ends - books.starts).tolist() == [0]
    starts, ends = books.of_session(2)
    assert (ends - starts).tolist() == [1] and books.regular(2)[1].tolist() == [1]


def test_no_rows_and_no_points():
    nothing = OrderBooks(POINT, TABLES["raw.order_books"].empty())
    assert nothing.ends.tolist() == [0] and nothing.ts.size == 0
    assert OrderBooks(POINT.only(np.zeros(0, np.int64)), snapshot(1, BIDS, ASKS)).ends.size == 0


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("price", float("nan"), "positive finite prices"), ("size", -1.0, "finite sizes"), ("level", 0, "levels from 1")],
)
def test_impossible_values_are_named(column, value, said):
    frame = snapshot(1, BIDS, ASKS).with_columns(pl.lit(value).cast(SCHEMA[column]).alias(column))
    with pytest.raises(ValueError, match=said):
        OrderBooks(POINT, frame)


def test_closed_exchange_is_named():
    frame = snapshot(1, BIDS, ASKS).with_columns(session=pl.lit(dt.date(2019, 5, 4)))
    with pytest.raises(UnknownSessionError, match="2019-05-04"):
        OrderBooks(POINT, frame)


def test_position_is_the_rank_of_the_session():
    books = OrderBooks(POINT, snapshot(1, BIDS, ASKS))
    assert books.position.tolist() == session_ranks(pl.Series([SESSION]), "x").tolist()


def seen_by_filtering(frame, symbol, session, as_of):
    """What a point sees of a session, by plain filters: instants and best sizes."""
    rows = frame.filter((pl.col("symbol") == symbol) & (pl.col("session") == session) & (pl.col("known_at") <= as_of))
    last = rows.sort("known_at", "price", "size").unique(["ts", "side", "level"], keep="last", maintain_order=True)
    sides = [
        last.filter((pl.col("side") == side) & (pl.col("level") == level)).select(
            "ts", pl.col("size").alias(f"{side}{level}")
        )
        for side in ("B", "A")
        for level in (1, 2)
    ]
    wide = last.select("ts").unique().sort("ts")
    for side in sides:
        wide = wide.join(side, on="ts", how="left")
    return wide["ts"].dt.epoch("us").to_list(), wide.drop("ts").to_numpy()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_every_point_sees_what_plain_filters_leave(seed):
    rng = np.random.default_rng(seed)
    days = [shift_session(SESSION, i) for i in range(3)]
    rows = [
        snapshot(
            int(rng.integers(0, 4)), [(99.99, rng.integers(1, 9)), (99.98, rng.integers(1, 9))],
            [(100.01, rng.integers(1, 9)), (100.02, rng.integers(1, 9))], symbol=str(rng.choice(["AAA", "BBB", "CCC"])),
            session=days[rng.integers(0, 3)], known_after=int(rng.choice([0, 1, 30, 1440, 2900, 99999])),
        ).sample(fraction=rng.choice([0.5, 1.0]), seed=seed)
        for _ in range(25)
    ]  # fmt: skip
    frame = pl.concat(rows).sample(fraction=1, shuffle=True, seed=seed)
    closes = [CLOSE + dt.timedelta(days=i, minutes=int(rng.choice([0, 0, 45, 1500]))) for i in range(3)]
    wanted = [(s, days[i], closes[i]) for s in ("AAA", "BBB") for i in range(3) if rng.random() < 0.8]
    if not wanted:
        return
    seen = points(*wanted)
    books = OrderBooks(seen, frame)
    for i, (symbol, session, as_of) in enumerate(seen.frame.select("symbol", "session", "as_of").iter_rows()):
        for lag in range(days.index(session) + 1):
            starts, ends = books.of_session(lag)
            part = slice(starts[i], ends[i])
            ts, sizes = seen_by_filtering(frame, symbol, days[days.index(session) - lag], as_of)
            assert books.ts[part].tolist() == ts
            if ts and books.levels == 2:
                found = np.hstack([books.bid_size[part], books.ask_size[part]])
                np.testing.assert_array_equal(found, sizes.astype(float))
