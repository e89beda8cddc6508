"""Pictures never stop a night: with nothing to show there is none, and a book without one side is not shown as one."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from assets.plots import engines, raw
from gnosis.tables import TABLES

NOON = dt.datetime(2012, 12, 3, 17, tzinfo=dt.UTC)
OF_ONE_TABLE = {
    raw.closes: "raw.equity_bars",
    raw.quoted_spreads: "raw.option_quotes",
    raw.series: "raw.macro",
    raw.volume_of_day: "raw.intraday_bars",
    raw.order_book: "raw.order_books",
    raw.short_shares: "raw.short_volume",
    raw.dix: "raw.dix",
    raw.posts_by_source: "raw.posts",
    engines.amplification: "engines.elasticity",
    engines.sentiment_by_source: "engines.sentiment",
    engines.tone: "engines.document_scores",
    engines.confidences: "engines.processors",
    engines.calibration: "engines.calibration",
}


def book(*levels):
    """Return rows of (minute, side, level, price, size)."""
    rows = [
        {"ts": NOON + dt.timedelta(minutes=minute), "side": side, "level": level, "price": price, "size": size}
        for minute, side, level, price, size in levels
    ]
    frame = pl.DataFrame(rows).with_columns(
        session=NOON.date(), symbol=pl.lit("AAA"), known_at="ts", provider=pl.lit("venue"), synthetic=False
    )
    schema = TABLES["raw.order_books"].polars_schema
    return frame.select(list(schema)).cast(schema)


@pytest.mark.parametrize("draw", OF_ONE_TABLE, ids=lambda draw: draw.__name__)
def test_nothing_to_show_gives_no_picture(draw):
    assert draw(TABLES[OF_ONE_TABLE[draw]].empty()) is None


def test_pictures_of_two_tables_need_rows_too():
    tables = {
        name: TABLES[name].empty() for name in ("engines.elasticity", "greeks.option_greeks", "engines.liquidity")
    }
    assert engines.elasticity_surface(tables["greeks.option_greeks"], tables["engines.elasticity"]) is None
    assert engines.liquidity_profile(tables["engines.liquidity"], TABLES["raw.equity_bars"].empty()) is None


def test_the_book_shown_is_the_last_with_both_sides():
    whole = [(0, "B", 1, 99.0, 5.0), (0, "A", 1, 101.0, 5.0), (0, "A", 2, 102.0, 5.0)]
    picture = raw.order_book(book(*whole))
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert raw.order_book(book(*whole, (1, "B", 1, 99.5, 5.0))) == picture
    assert raw.order_book(book(*whole, (1, "B", 2, 99.5, 5.0), (1, "A", 2, 102.0, 1.0))) == picture
    assert raw.order_book(book((0, "B", 1, 99.0, 5.0))) is None
