import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.liquidity.order_book_imbalance import microprice, ofi, order_flow_events
from gnosis.tables import TABLES
from gnosis.tables.engines.liquidity import OrderBookImbalance

BIDS, BID_SIZES = np.array([10.00, 10.00, 10.01, 10.00]), np.array([100.0, 150.0, 80.0, 90.0])
ASKS, ASK_SIZES = np.array([10.01, 10.01, 10.02, 10.02]), np.array([200.0, 200.0, 120.0, 100.0])


def test_events_of_the_reference_quotes():
    events = order_flow_events(BIDS, BID_SIZES, ASKS, ASK_SIZES)
    assert events.tolist() == [50.0, 280.0, -60.0] and events.sum() == 270.0
    assert ofi(events) == pytest.approx(0.6923076923, abs=5e-11)


def test_microprice_of_the_reference_book():
    assert microprice(10.00, 300, 10.02, 100) == pytest.approx(10.015, abs=1e-12)
    assert np.isnan(microprice(10.00, 0, 10.02, 0))


def test_unchanged_book_has_no_flow_and_no_share():
    events = order_flow_events([10.0, 10.0], [5.0, 5.0], [10.1, 10.1], [7.0, 7.0])
    assert events.tolist() == [0.0] and np.isnan(ofi(events))


def test_event_with_an_absent_side_is_unknown():
    assert np.isnan(order_flow_events([10.0, np.nan], [5.0, np.nan], [10.1, 10.1], [7.0, 7.0])).all()


def test_events_are_those_of_a_loop():
    rng = np.random.default_rng(5)
    pb, pa = rng.integers(1, 4, 200) * 1.0, rng.integers(5, 8, 200) * 1.0
    qb, qa = rng.integers(0, 5, (2, 200)) * 100.0
    slow = [
        (pb[i] >= pb[i - 1]) * qb[i] - (pb[i] <= pb[i - 1]) * qb[i - 1]
        - (pa[i] <= pa[i - 1]) * qa[i] + (pa[i] >= pa[i - 1]) * qa[i - 1]
        for i in range(1, 200)
    ]  # fmt: skip
    np.testing.assert_array_equal(order_flow_events(pb, qb, pa, qa), slow)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_swapping_sides_and_reflecting_prices_changes_the_signs(seed):
    rng = np.random.default_rng(seed)
    pb, pa = 10 - rng.integers(1, 4, 30) / 100, 10 + rng.integers(1, 4, 30) / 100
    qb, qa = rng.integers(1, 9, (2, 30)) * 100.0
    events, mirrored = order_flow_events(pb, qb, pa, qa), order_flow_events(20 - pa, qa, 20 - pb, qb)
    np.testing.assert_array_equal(mirrored, -events)
    there, back = microprice(pb, qb, pa, qa) - (pb + pa) / 2, microprice(20 - pa, qa, 20 - pb, qb) - (40 - pb - pa) / 2
    np.testing.assert_allclose(back, -there, atol=1e-12)


def test_values_are_the_columns_of_the_table(point, make_daily, make_random_books, run_books):
    result = run_books(point, make_daily(), make_random_books())["order_book_imbalance"]
    own = set(OrderBookImbalance.columns()) - {
        f"order_book_imbalance_{s}" for s in ("confidence", "is_proxy", "reasons")
    }
    assert set(result.values) == own <= set(TABLES["engines.liquidity"].polars_schema)


def test_processor_gives_the_reference_numbers(point, make_daily, make_books, run_books):
    books = make_books(BIDS[:, None], BID_SIZES[:, None], ASKS[:, None], ASK_SIZES[:, None])
    values = run_books(point, make_daily(), books)["order_book_imbalance"].values
    assert values["ofi_shares"].item() == 270.0
    assert values["ofi_normalised"].item() == pytest.approx(0.6923076923, abs=5e-11)
    # One level a side: the imbalance is that of the order flow over the same 5 minutes.
    assert values["liq_orderbook_imbalance"].item() == values["ofi_normalised"].item()
    assert values["ofi_multilevel_normalised"].item() == values["ofi_normalised"].item()
    fair = (10.02 * 90 + 10.00 * 100) / 190
    assert values["microprice_deviation_bps"].item() == pytest.approx(1e4 * (fair / 10.01 - 1), rel=1e-9)


def test_imbalance_is_the_mean_of_the_last_five_minutes(point, make_daily, make_books, run_books):
    n, levels = 10, 12
    steps = 0.01 * np.arange(1, levels + 1)
    bid_size = np.tile(np.arange(1, n + 1)[:, None] * 100.0, (1, levels))
    books = make_books(np.tile(10 - steps, (n, 1)), bid_size, np.tile(10 + steps, (n, 1)), np.full((n, levels), 500.0))
    values = run_books(point, make_daily(), books)["order_book_imbalance"].values
    bids = np.arange(5, 11) * 100.0  # Six snapshots lie within five minutes of the close, both ends included.
    assert values["liq_orderbook_imbalance"].item() == pytest.approx(((bids - 500) / (bids + 500)).mean(), rel=1e-12)


def test_mirrored_session_changes_the_signs(point, make_daily, make_books, run_books):
    rng = np.random.default_rng(2)
    steps = np.cumsum(rng.integers(1, 3, (2, 60, 10)), axis=2) / 128
    sizes = rng.integers(1, 9, (2, 60, 10)) * 100.0
    one = run_books(point, make_daily(), make_books(64 - steps[0], sizes[0], 64 + steps[1], sizes[1]))
    other = run_books(point, make_daily(), make_books(64 - steps[1], sizes[1], 64 + steps[0], sizes[0]))
    for name in ("liq_orderbook_imbalance", "ofi_shares", "ofi_normalised", "ofi_multilevel_normalised"):
        there, back = (run["order_book_imbalance"].values[name].item() for run in (one, other))
        assert there != 0 and back == pytest.approx(-there, rel=1e-12)


@pytest.mark.parametrize(
    ("volume", "low", "later_size", "alert"),
    [(901.0, 9.98, 300.0, 1.0), (900.0, 9.98, 300.0, 0.0), (901.0, 10.0, 300.0, 0.0), (901.0, 9.98, 299.0, 0.0)],
    ids=["iceberg", "not more than three times", "price not traded", "size fell"],
)
def test_iceberg(point, make_daily, make_books, make_minutes, run_books, volume, low, later_size, alert):
    books = make_books([[9.99], [9.99]], [[300.0], [later_size]], [[10.01], [10.01]], [[500.0], [400.0]])
    bars = make_minutes([10.0], [low], [volume])
    values = run_books(point, make_daily(), books, bars)["order_book_imbalance"].values
    assert values["liq_iceberg_alert"].item() == alert


def test_iceberg_on_the_ask_and_a_price_that_got_worse(point, make_daily, make_books, make_minutes, run_books):
    bars = make_minutes([10.02], [10.0], [2000.0])
    for later_ask, alert in ((10.01, 1.0), (10.00, 1.0), (10.02, 0.0)):
        books = make_books([[9.98], [9.98]], [[300.0], [300.0]], [[10.01], [later_ask]], [[500.0], [500.0]])
        values = run_books(point, make_daily(), books, bars)["order_book_imbalance"].values
        assert values["liq_iceberg_alert"].item() == alert


def test_bar_of_unknown_volume_says_nothing_about_icebergs(point, make_daily, make_books, make_minutes, run_books):
    books = make_books([[9.99], [9.99]], [[300.0], [300.0]], [[10.01], [10.01]], [[500.0], [400.0]])
    values = run_books(point, make_daily(), books, make_minutes([10.0], [9.98], [None]))["order_book_imbalance"].values
    assert np.isnan(values["liq_iceberg_alert"]).all()


def test_without_minute_bars_the_alert_is_unknown_and_says_why(point, make_daily, make_random_books, run_books):
    result = run_books(point, make_daily(), make_random_books())["order_book_imbalance"]
    assert np.isnan(result.values["liq_iceberg_alert"]).all() and result.reasons["NO_INTRADAY"].all()
    assert not result.is_proxy.any() and result.confidence.tolist() == [1.0]


def test_without_a_book_money_flow_stands_in(point, make_daily, run_books):
    bars = make_daily()
    result = run_books(point, bars)["order_book_imbalance"]
    last = bars.tail(20)
    h, low, c, v = (last[name].to_numpy() for name in ("high", "low", "close", "volume"))
    expected = (((c - low) - (h - c)) / (h - low) * v).sum() / v.sum()
    assert result.values["liq_orderbook_imbalance"].item() == pytest.approx(expected, rel=1e-12)
    assert np.isnan(result.values["ofi_shares"]).all() and np.isnan(result.values["microprice_deviation_bps"]).all()
    assert result.is_proxy.all() and result.reasons["NO_BOOK"].all() and result.confidence.item() == 0.3


def test_deeper_levels_weigh_less_by_the_root_of_e_each(point, make_daily, make_books, run_books):
    bids, asks = [[10.00, 9.99, 9.98]] * 2, [[10.01, 10.02, 10.03]] * 2
    sizes = [[500.0, 500.0, 500.0], [600.0, 200.0, 900.0]]
    books = make_books(bids, sizes, asks, [[500.0] * 3] * 2)
    second, third = np.exp(-0.5), np.exp(-1.0)
    values = run_books(point, make_daily(), books)["order_book_imbalance"].values
    expected = (100 - 300 * second + 400 * third) / (100 + 300 * second + 400 * third)
    assert values["ofi_multilevel_normalised"].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("z", "alert"), [(1.99, 0.0), (2.01, 1.0)])
def test_daily_form_of_the_iceberg_needs_a_volume_two_deviations_above(point, make_daily, run_books, z, alert):
    bars = make_daily()
    before, last = bars.head(60), bars.tail(1)
    volume = before["volume"][-20:].mean() + z * before["volume"][-20:].std()
    flat = last.with_columns(close=pl.lit(before["close"][-1]), low=1.0, high=1000.0, volume=volume)
    values = run_books(point, pl.concat([before, flat.select(before.columns)]))["order_book_imbalance"].values
    assert values["liq_iceberg_alert"].item() == alert


def test_busy_session_without_a_move_is_the_daily_form_of_the_iceberg(point, make_daily, run_books):
    bars = make_daily()
    before, last = bars.head(60), bars.tail(1)
    flat = last.with_columns(close=pl.lit(before["close"][-1]), low=pl.lit(1.0), high=pl.lit(1000.0))
    for factor, alert in ((5.0, 1.0), (1.0, 0.0)):
        frame = pl.concat([before, flat.with_columns(volume=pl.lit(before["volume"].mean() * factor))])
        values = run_books(point, frame)["order_book_imbalance"].values
        assert values["liq_iceberg_alert"].item() == alert
