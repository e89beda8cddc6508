"""The replay of order books: by hand, against a slow dictionary, and against books that a venue recorded."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.liquidity.replay import BookMessages, interval_states, replay

SNAPSHOT = (True, [(False, 10.0, 5.0), (False, 9.9, 6.0), (True, 10.2, 7.0), (True, 10.3, 8.0)])


def messages(*found: tuple[bool, list[tuple[bool, float, float]]]) -> BookMessages:
    rows = [row for _, levels in found for row in levels]
    return BookMessages(
        starts=np.cumsum([0, *(len(levels) for _, levels in found)]),
        is_snapshot=np.array([is_snapshot for is_snapshot, _ in found], dtype=bool),
        is_ask=np.array([row[0] for row in rows], dtype=bool),
        price=np.array([row[1] for row in rows], dtype=float),
        size=np.array([row[2] for row in rows], dtype=float),
    )


def slow_books(found, levels, depth):
    """Return the best levels after every message, from dictionaries."""
    book, is_known, states = ({}, {}), False, []
    for is_snapshot, rows in found:
        if is_snapshot:
            book, is_known = ({}, {}), True
        for is_ask, price, size in rows if is_known else []:
            book[is_ask].pop(price, None)
            if size:
                book[is_ask][price] = size
        for is_ask in (False, True):
            for price in sorted(book[is_ask], reverse=not is_ask)[depth:]:
                del book[is_ask][price]
        states.append([sorted(book[is_ask].items(), reverse=not is_ask)[:levels] for is_ask in (False, True)])
    return states


def test_levels_are_set_changed_and_removed():
    book = replay(messages(SNAPSHOT, (False, [(False, 10.0, 0.0), (True, 10.1, 3.0)]), (False, [(True, 10.1, 4.0)])), 2)
    np.testing.assert_array_equal(book.price[1], [[9.9, np.nan], [10.1, 10.2]])
    np.testing.assert_array_equal(book.size[1], [[6.0, np.nan], [3.0, 7.0]])
    np.testing.assert_array_equal(book.size[2, 1], [4.0, 7.0])
    assert book.best_bid.tolist() == [10.0, 9.9, 9.9]
    assert book.best_ask.tolist() == [10.2, 10.1, 10.1]


def test_removing_a_level_that_is_not_there_changes_nothing():
    book = replay(messages(SNAPSHOT, (False, [(False, 9.5, 0.0)])), 3)
    np.testing.assert_array_equal(book.price[0], book.price[1])


def test_the_same_message_twice_changes_nothing():
    change = (False, [(False, 10.05, 2.0), (True, 10.2, 0.0)])
    once, twice = replay(messages(SNAPSHOT, change)), replay(messages(SNAPSHOT, change, change))
    np.testing.assert_array_equal(once.price[-1], twice.price[-1])
    np.testing.assert_array_equal(once.size[-1], twice.size[-1])


def test_changes_before_the_first_snapshot_are_not_applied():
    book = replay(messages((False, [(False, 10.1, 1.0)]), SNAPSHOT))
    assert book.is_known.tolist() == [False, True]
    assert np.isnan(book.best_bid[0])
    assert book.best_bid[1] == 10.0


def test_a_second_snapshot_replaces_the_book():
    book = replay(messages(SNAPSHOT, (True, [(False, 8.0, 1.0)])), 2)
    np.testing.assert_array_equal(book.price[1], [[8.0, np.nan], [np.nan, np.nan]])


def test_a_book_may_cross_inside_a_message_but_not_after_it():
    inside = (False, [(True, 9.95, 1.0), (False, 10.0, 0.0)])
    after = (False, [(True, 9.95, 1.0)])
    assert replay(messages(SNAPSHOT, inside)).is_crossed.tolist() == [False, False]
    assert replay(messages(SNAPSHOT, after)).is_crossed.tolist() == [False, True]
    assert replay(messages(SNAPSHOT, (False, [(True, 10.0, 1.0)]))).is_crossed.tolist() == [False, True]


def test_levels_beyond_the_maintained_depth_are_dropped():
    found = [SNAPSHOT, (False, [(False, 10.1, 1.0)]), (False, [(False, 10.1, 0.0)])]
    book = replay(messages(*found), levels=3, depth=2)
    np.testing.assert_array_equal(book.price[1, 0], [10.1, 10.0, np.nan])
    np.testing.assert_array_equal(book.price[2, 0], [10.0, np.nan, np.nan])


def test_only_wanted_messages_have_levels():
    wanted = np.array([False, True])
    book = replay(messages(SNAPSHOT, (False, [(False, 10.1, 1.0)])), 1, wanted=wanted)
    assert book.wanted.tolist() == [1]
    assert book.price.shape == (1, 2, 1)
    assert len(book.best_bid) == 2


level = st.tuples(st.booleans(), st.integers(1, 12).map(float), st.integers(0, 3).map(float))
streams = st.lists(st.tuples(st.integers(0, 5).map(lambda n: n == 0), st.lists(level, max_size=6)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(streams, st.integers(1, 5), st.integers(1, 6))
def test_the_replay_equals_a_slow_one(found, levels, depth):
    book = replay(messages(*found), levels, depth)
    for state, expected in enumerate(slow_books(found, levels, depth)):
        for side in range(2):
            prices = [price for price in book.price[state, side] if not np.isnan(price)]
            sizes = [size for size in book.size[state, side] if not np.isnan(size)]
            assert list(zip(prices, sizes, strict=True)) == expected[side]
    has_both = ~np.isnan(book.best_bid) & ~np.isnan(book.best_ask)
    np.testing.assert_array_equal(book.is_crossed[has_both], (book.best_bid >= book.best_ask)[has_both])
    assert not book.is_crossed[~has_both].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((False, 0.0, 1.0), "price > 0 and a size >= 0, found 0.0 and 1.0 in row 4"),
        ((False, 1.0, -1.0), "found 1.0 and -1.0 in row 4"),
        ((True, np.nan, 1.0), "found nan and 1.0"),
    ],
)
def test_impossible_levels_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        messages(SNAPSHOT, (False, [change]))


def test_shapes_that_do_not_fit_are_refused():
    whole = messages(SNAPSHOT)
    with pytest.raises(ValueError, match="columns of equal length"):
        BookMessages(whole.starts[:1], whole.is_snapshot, whole.is_ask, whole.price, whole.size)
    with pytest.raises(ValueError, match="levels >= 1"):
        replay(whole, 0)


def test_the_state_of_an_interval_is_the_last_one_known_at_it():
    boundaries, states = interval_states(np.array([100, 150, 200, 201, 390]), 100, 1_000)
    assert boundaries.tolist() == [100, 200, 300]
    assert states.tolist() == [0, 2, 3]


def test_no_state_is_made_up_for_a_silent_source():
    states = np.array([100, 900])
    assert interval_states(states, 100, 150)[0].tolist() == [100, 200, 900]
    assert interval_states(states, 100, 100)[0].tolist() == [100, 200, 900]
    heard = np.arange(100, 901, 50)
    assert interval_states(states, 100, 150, heard)[0].tolist() == list(range(100, 901, 100))
    assert interval_states(states[:0], 100, 150)[0].tolist() == []
    with pytest.raises(ValueError, match="interval > 0"):
        interval_states(states, 0, 1)


@pytest.mark.real_data
def test_each_recorded_book_follows_from_the_one_before_it_and_the_message(shared_data):
    """LOBSTER has ten levels a side and the message behind each change; what was eleventh before is not in the file."""
    folder = shared_data / "orderbook"
    books, found = (
        pl.read_csv(folder / f"AAPL_2012-06-21_34200000_57600000_{kind}_10.csv.gz", has_header=False).to_numpy()
        for kind in ("orderbook", "message")
    )
    asks, ask_sizes, bids, bid_sizes = (books[:, start::4].astype(float) for start in range(4))
    pairs = []
    for before in range(len(books) - 1):
        _, kind, _, size, price, direction = found[before + 1]
        is_ask = direction == -1
        prices, sizes = (asks, ask_sizes) if is_ask else (bids, bid_sizes)
        held = float(sizes[before][prices[before] == price].sum())
        left = {1: held + size, 2: held - size, 3: held - size, 4: held - size, 5: held}[int(kind)]
        rows = [(False, p, s) for p, s in zip(bids[before], bid_sizes[before], strict=True)]
        rows += [(True, p, s) for p, s in zip(asks[before], ask_sizes[before], strict=True)]
        pairs += [(True, rows), (False, [(bool(is_ask), float(price), left)])]
    book = replay(messages(*pairs), levels=9)
    np.testing.assert_array_equal(book.price[1::2, 0], bids[1:, :9])
    np.testing.assert_array_equal(book.size[1::2, 0], bid_sizes[1:, :9])
    np.testing.assert_array_equal(book.price[1::2, 1], asks[1:, :9])
    np.testing.assert_array_equal(book.size[1::2, 1], ask_sizes[1:, :9])
    assert len(pairs) == 2 * 998
    assert not book.is_crossed.any()
