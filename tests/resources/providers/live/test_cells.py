"""Asks together hold every cell, once, and none is larger than the service takes."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from resources.providers.live.cells import cut, cut_cells, every_cell, without
from resources.providers.live.service import Capability
from tests.resources.providers.live.scripted import BARS, SESSIONS

cells = st.sets(st.tuples(st.sampled_from("ABCDE"), st.sampled_from(SESSIONS[:6])))
sizes = st.none() | st.integers(1, 4)


@given(cells, sizes, sizes)
def test_every_cell_is_in_one_ask_that_is_small_enough(wanted, max_symbols, max_sessions):
    frame = pl.DataFrame(sorted(wanted), schema={"symbol": pl.String, "session": pl.Date}, orient="row")
    pairs = cut_cells(frame, BARS, Capability(max_symbols, max_sessions, 0.0))
    assert [ask for ask, _ in pairs] == cut(frame, BARS, Capability(max_symbols, max_sessions, 0.0))
    held = [cell for _, part in pairs for cell in part.select("symbol", "session").rows()]
    assert sorted(held) == sorted(wanted)
    for ask, part in pairs:
        assert len(ask.symbols) <= (max_symbols or 5)
        assert len(ask.sessions) <= (max_sessions or 6)
        assert set(part.rows()) <= {(symbol, day) for symbol in ask.symbols for day in ask.sessions}
        assert list(ask.symbols) == sorted(ask.symbols)
        assert list(ask.sessions) == sorted(ask.sessions)


def test_a_whole_block_takes_no_more_asks_than_it_must():
    block = every_cell([f"S{number:02}" for number in range(10)], SESSIONS)
    n_asks = [
        len(cut(block, BARS, Capability(*limits, 0.0))) for limits in [(None, None), (None, 1), (1, None), (4, 3)]
    ]
    assert n_asks == [1, 8, 10, 9]


def test_a_table_without_symbols_is_asked_for_by_session_only():
    asks = cut(every_cell([""], SESSIONS), "raw.dix", Capability(None, None, 0.0))
    assert [(ask.symbols, ask.sessions) for ask in asks] == [((), SESSIONS)]


def test_symbols_that_lack_the_same_sessions_are_asked_for_together():
    block = every_cell(["A", "B", "C", "D"], SESSIONS)
    lacking = without(block, every_cell(["A", "C"], SESSIONS[:7]))
    asks = cut(lacking, BARS, Capability(2, None, 0.0))
    assert [(ask.symbols, len(ask.sessions)) for ask in asks] == [(("B", "D"), 8), (("A", "C"), 1)]
