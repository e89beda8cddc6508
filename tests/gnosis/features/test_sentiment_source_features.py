"""Features of texts, flows and fusion against their readable twins and numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest

from gnosis.engines.sentiment.dark_index import dark_index
from gnosis.sessions import shift_session
from tests.gnosis.features.engine_market import LAST, market_tables
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.sentiment_sources import NUMBERS, TWINS

pytestmark = pytest.mark.xdist_group("engine_market")

Tables = Mapping[str, pl.DataFrame]
PAIRS = [("AAA", 0), ("BBB", 0), ("CCC", 1), ("BBB", 22), ("CCC", 40), ("AAA", 240), ("BBB", 299)]
"""Symbols and sessions back: with books and minutes; with too few minutes before; with daily bars alone; with little or
no history."""


@pytest.fixture(scope="module")
def tables() -> Tables:
    return market_tables()


def seen_at(tables: Tables, symbol: str, back: int) -> Seen:
    session = shift_session(LAST, -back)
    rows = tables["engines.sentiment"].filter(pl.col("session") == session, pl.col("symbol") == symbol)
    return Seen(tables, symbol, session, rows["as_of"].item())


@pytest.mark.parametrize(("symbol", "back"), PAIRS)
def test_engine_equals_the_readable_twins(tables: Tables, symbol: str, back: int) -> None:
    seen = seen_at(tables, symbol, back)
    stored = tables["engines.sentiment"].filter(pl.col("session") == seen.session, pl.col("symbol") == symbol)
    row = stored.row(0, named=True)
    found = {name: twin(seen) for name, twin in TWINS.items()}
    assert found == pytest.approx({name: row[name] for name in TWINS}, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("without", [1, 5, 300])
def test_dark_index_equals_the_twin_as_the_file_gets_old(tables: Tables, without: int) -> None:
    """The last of five sessions counts; then the short share of the members stands in, and no gamma does."""
    session = shift_session(LAST, -1)
    file = tables["raw.dix"].filter(pl.col("session") < shift_session(session, 1 - without))
    seen = seen_at({**tables, "raw.dix": file}, "AAA", 1)
    cut_off = pl.DataFrame({"session": [session], "as_of": [seen.as_of]})
    row = dark_index(cut_off, file, tables["raw.short_volume"], tables["raw.equity_bars"]).row(0, named=True)
    assert row["dix_source"] == (0.0 if without < 5 else 1.0)
    assert row["sent_dix"] == pytest.approx(TWINS["sent_dix"](seen), rel=1e-12)
    assert row["sent_gex"] == pytest.approx(TWINS["sent_gex"](seen), rel=1e-12)


@pytest.mark.parametrize("name", list(NUMBERS))
def test_number_worked_out_by_hand(name: str) -> None:
    value, expected = NUMBERS[name]()
    assert value == pytest.approx(expected, rel=1e-9)
