"""Of sessions before a point's own only the best prices are read, whatever else is at hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.engines.liquidity import BOOKS_SESSIONS, liquidity


@pytest.fixture(scope="module")
def books(flow_world, make_books):
    """Books at the ends of 5-minute bars; every seventh of the earlier sessions is disordered at its third level."""
    rng = np.random.default_rng(11)
    frames = []
    for day in flow_world.days[-BOOKS_SESSIONS - 1 :]:
        own = flow_world.intraday.filter(symbol="AAA", session=day).sort("ts")
        levels = 5 if day >= flow_world.days[-2] else 12
        mid = own["close"].to_numpy()[:, None] * np.exp(2e-3 * rng.standard_normal((own.height, 1)))
        steps = 1e-4 * mid * np.cumsum(rng.uniform(0.5, 1.5, (2, own.height, levels)), axis=2)
        if day < flow_world.days[-1]:
            steps[0, ::7, 2] = steps[0, ::7, 0] / 2
        bid_size, ask_size = rng.uniform(10, 1000, steps.shape)
        instants = own["ts"].dt.epoch("us").to_numpy()
        frames.append(make_books(mid - steps[0], bid_size, mid + steps[1], ask_size, session=day, ts=instants))
    return pl.concat(frames)


def test_a_night_with_best_prices_of_earlier_sessions_gives_the_rows_of_the_whole_books(flow_world, books):
    before, night = flow_world.days[-2:]
    bars, intraday = (frame.filter(symbol="AAA") for frame in (flow_world.bars, flow_world.intraday))
    whole = liquidity(bars, intraday=intraday, books=books, sessions=[before, night])
    best = books.filter((pl.col("session") == night) | (pl.col("level") == 1))
    first = whole.filter(session=before)
    found = liquidity(bars, intraday=intraday, books=best, stored=first, sessions=[night])
    assert_frame_equal(found, whole.filter(session=night), check_exact=True)
    assert first["order_book_imbalance_reasons"].str.contains("PARTIAL_BOOK").all()

    def slope(frame):
        return liquidity(bars, intraday=intraday, books=frame, sessions=[night])["lambda_t_stat"].item()

    bids = pl.col("price").filter((pl.col("side") == "B") & (pl.col("level") <= 3))
    ordered = bids.n_unique().over("session", "ts") == bids.len().over("session", "ts")
    sorted_bids = bids.diff().max().over("session", "ts") < 0
    assert slope(books.filter(ordered & sorted_bids)) != slope(books)
