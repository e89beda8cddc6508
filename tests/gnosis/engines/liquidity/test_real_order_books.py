"""The functions on books of two venues; the files are beside the repository."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.liquidity.depth_profile import cumulative_depth, depth_elasticity
from gnosis.engines.liquidity.order_book_imbalance import microprice, ofi, order_flow_events
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.liquidity.slippage_field import walk
from gnosis.engines.order_books import OrderBooks
from gnosis.engines.points import Points
from gnosis.sessions import NEW_YORK, schedule

pytestmark = pytest.mark.real_data


def point_of(session):
    close = schedule().filter(pl.col("session") == session)["close_at"].item()
    as_of = close + dt.timedelta(days=1)
    return Points.of(pl.DataFrame({"symbol": ["AAA"], "session": [session], "as_of": [as_of]}))


@pytest.fixture(scope="module")
def lobster_rows(shared_data, make_books):
    """AAPL on 2012-06-21, ten levels, 999 messages of 49 seconds; the last book of every microsecond."""
    folder = shared_data / "orderbook"
    name = "AAPL_2012-06-21_34200000_57600000_{}_10.csv.gz"
    levels = pl.read_csv(folder / name.format("orderbook"), has_header=False).to_numpy().astype(float)
    seconds = pl.read_csv(folder / name.format("message"), has_header=False).to_series(0).to_numpy()
    midnight = dt.datetime(2012, 6, 21, tzinfo=NEW_YORK).timestamp()
    ts = np.round((midnight + seconds) * 1e6).astype(np.int64)
    last = np.append(ts[1:] != ts[:-1], True)
    sides = (levels[last, 2::4] / 1e4, levels[last, 3::4], levels[last, 0::4] / 1e4, levels[last, 1::4])
    return make_books(*sides, session=dt.date(2012, 6, 21), ts=ts[last]), int(last.sum())


def test_every_lobster_book_is_sound(lobster_rows):
    rows, n = lobster_rows
    books = OrderBooks(point_of(dt.date(2012, 6, 21)), rows)
    assert books.dropped.tolist() == [0] and books.ends.tolist() == [n] and books.levels == 10
    assert (books.bid_price[:, 0] < books.ask_price[:, 0]).all() and (np.diff(books.ts) > 0).all()
    assert 580 < books.mid.min() < books.mid.max() < 590
    fair = microprice(books.bid_price[:, 0], books.bid_size[:, 0], books.ask_price[:, 0], books.ask_size[:, 0])
    assert ((books.bid_price[:, 0] <= fair) & (fair <= books.ask_price[:, 0])).all()


def test_order_flow_goes_with_the_price(lobster_rows):
    rows, n = lobster_rows
    books = OrderBooks(point_of(dt.date(2012, 6, 21)), rows)
    events = order_flow_events(books.bid_price[:, 0], books.bid_size[:, 0], books.ask_price[:, 0], books.ask_size[:, 0])
    assert -1 <= ofi(events) <= 1
    parts = np.array_split(np.arange(n - 1), 30)
    flow = np.array([events[part].sum() for part in parts])
    move = np.array([books.mid[part[-1] + 1] - books.mid[part[0]] for part in parts])
    # Contemporaneous, in line with the published regressions; it says nothing about the next move.
    assert np.corrcoef(flow, move)[0, 1] > 0.4


def test_small_orders_pay_half_the_spread_on_every_book(lobster_rows):
    rows, _ = lobster_rows
    books = OrderBooks(point_of(dt.date(2012, 6, 21)), rows)
    half = 1e4 * (books.ask_price[:, 0] - books.bid_price[:, 0]) / 2 / books.mid
    for price, size in ((books.ask_price, books.ask_size), (books.bid_price, books.bid_size)):
        np.testing.assert_allclose(walk(price, size, books.mid, 1.0).slippage_bps, half, rtol=1e-9)
        by_size = walk(price[:, None], size[:, None], books.mid[:, None], np.array([1, 50, 200, 500])).slippage_bps
        steps = np.diff(by_size, axis=1)
        assert (steps[~np.isnan(steps)] >= -1e-9).all() and np.isnan(steps).any()
        depth = cumulative_depth(price[:, None], size[:, None], books.mid[:, None], np.array([5, 10, 25, 50]) / 1e4)
        assert (np.diff(depth, axis=1) >= 0).all()


def test_processors_read_the_lobster_session(lobster_rows, make_daily, run_books):
    rows, _ = lobster_rows
    session = dt.date(2012, 6, 21)
    found = run_books(point_of(session), make_daily(last=session, close=585.0), rows)
    for name in ("order_book_imbalance", "depth_profile", "slippage_field"):
        assert 0.0 < found[name].confidence.item() < 0.31 and found[name].reasons["PARTIAL_BOOK"].all()
    # 49 seconds after the open say nothing about the last 5 or 30 minutes.
    assert found["order_book_imbalance"].is_proxy.all() and found["spread_estimator"].is_proxy.all()
    depth = found["depth_profile"].values
    assert 0.2 < depth["depth_elasticity"].item() < 3 and depth["depth_ask_50bps_usd"].item() > 1e5
    assert np.isnan(found["slippage_field"].values["unfilled_buy_5pct_share"]).all()
    whole_day = LiquidityParameters(stale_minutes=390)
    walked = run_books(point_of(session), make_daily(last=session, close=585.0), rows, parameters=whole_day)
    assert walked["slippage_field"].values["unfilled_buy_5pct_share"].item() > 0.9


def test_every_binance_book_is_sound(shared_data, make_books):
    frame = pl.read_csv(shared_data / "orderbook" / "nautilus_binance-futures_book_snapshot_25_BTCUSDT.csv")
    sides = [
        frame.select(f"{side}[{level}].{value}" for level in range(25)).cast(pl.Float64).to_numpy()
        for side in ("bids", "asks")
        for value in ("price", "amount")
    ]
    session = dt.datetime.fromtimestamp(frame["timestamp"][0] / 1e6, dt.UTC).date()
    session = schedule().filter(pl.col("session") >= session)["session"][0]
    rows = make_books(*sides, session=session, ts=frame["timestamp"].to_numpy())
    books = OrderBooks(point_of(session), rows)
    assert books.dropped.tolist() == [0] and books.ends.tolist() == [frame["timestamp"].n_unique()]
    assert books.levels == 20 and (books.bid_price[:, 0] < books.ask_price[:, 0]).all()
    slope = depth_elasticity(books.bid_price, books.bid_size, books.ask_price, books.ask_size)
    assert ((slope > 0) & (slope < 3)).all()
