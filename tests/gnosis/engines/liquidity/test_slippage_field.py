import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines import physics
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.liquidity.slippage_field import model_slippage_bps, walk
from gnosis.tables.engines.liquidity import SlippageField

WALKED = [
    (f"{kind}_{side}", unit)
    for kind, unit in (("cost", "usd"), ("slippage", "bps"), ("unfilled", "share"))
    for side in ("buy", "sell")
]
PRICE, SIZE = [100.01, 100.02, 100.05], [100.0, 200.0, 400.0]


def test_reference_book():
    found = walk(PRICE, SIZE, 100.0, [50, 100, 300, 500, 700])
    np.testing.assert_allclose(found.cost_usd, [0.5, 1, 5, 15, 25], rtol=1e-9)
    assert found.slippage_bps[3] == pytest.approx(3.0, rel=1e-9) and (found.unfilled_share == 0).all()


def test_exhausted_book_names_what_is_left():
    found = walk(PRICE, SIZE, 100.0, 800)
    assert np.isnan(found.cost_usd) and np.isnan(found.slippage_bps) and found.unfilled_share * 800 == 100


def test_no_order_costs_nothing_and_has_no_slippage():
    found = walk(PRICE, SIZE, 100.0, 0.0)
    assert found.cost_usd == 0.0 and np.isnan(found.slippage_bps)


def test_infinitesimal_order_pays_half_the_quoted_spread():
    assert walk(PRICE, SIZE, 100.0, 1e-9).slippage_bps == pytest.approx(1e4 * 0.01 / 100, rel=1e-6)


books = st.integers(1, 20).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0.005, 1.0), min_size=n, max_size=n), st.lists(st.floats(1.0, 1e4), min_size=n, max_size=n)
    )
)


@settings(max_examples=60, deadline=None)
@given(books, st.floats(1.0, 1e4), st.integers(0, 19), st.booleans())
def test_cost_is_convex_grows_with_the_order_and_falls_with_depth(book, added, level, is_bid):
    steps, size = (np.array(part) for part in book)
    price = 100 + (-1 if is_bid else 1) * np.cumsum(steps)
    order = np.linspace(0, size.sum(), 50)
    found = walk(price, size, 100.0, order)
    scale = 1e-9 * (1 + np.nanmax(found.cost_usd))
    assert found.cost_usd[0] == 0
    known = ~np.isnan(found.cost_usd)
    cost = found.cost_usd[known]
    assert (np.diff(cost) >= -scale).all() and (np.diff(cost, 2) >= -scale).all()
    assert (np.diff(found.slippage_bps[known][1:]) >= -1e-7).all()
    deeper = size.copy()
    deeper[level % size.size] += added
    assert (walk(price, deeper, 100.0, order[known]).cost_usd <= cost + scale).all()


def test_model_is_half_the_spread_plus_square_root_impact():
    impact = 1e4 * physics.square_root_move(1.0, 100.0, 0.02)
    assert impact == pytest.approx(20.0)
    assert model_slippage_bps(0.0, 0.02, 0.01) == pytest.approx(20.0)
    assert model_slippage_bps(3.0, 0.02, 0.01, y=2.0) == pytest.approx(41.5)


def test_last_snapshot_of_the_session_is_walked_for_shares_of_volume(point, make_daily, make_books, run_books):
    steps = 0.01 * np.arange(1, 11)
    thin, thick = np.full(10, 10.0), np.full(10, 1000.0)
    books = make_books([100 - steps] * 2, [thin, thick], [100 + steps] * 2, [thin, thick * 2])
    bars = make_daily()
    values = run_books(point, bars, books)["slippage_field"].values
    adv = bars["volume"].to_numpy()[-21:-1].mean()
    for name, share in (("0_1pct", 0.001), ("0_5pct", 0.005), ("1pct", 0.01), ("5pct", 0.05)):
        for side, price, size in (("buy", 100 + steps, thick * 2), ("sell", 100 - steps, thick)):
            expected = walk(price, size, 100.0, share * adv)
            for column, value in zip(
                (f"cost_{side}_{name}_usd", f"slippage_{side}_{name}_bps", f"unfilled_{side}_{name}_share"),
                expected,
                strict=True,
            ):
                assert values[column].item() == pytest.approx(float(value), rel=1e-9, nan_ok=True)
    assert np.isnan(values["cost_buy_5pct_usd"]).all() and values["unfilled_sell_5pct_share"].item() > 0.7


@pytest.mark.parametrize(("minutes", "limit", "is_fresh"), [(30, 30, True), (31, 30, False), (31, 40, True)])
def test_a_snapshot_long_before_the_close_is_not_walked(
    point, make_daily, make_books, run_books, minutes, limit, is_fresh
):
    ts = [int(point.as_of[0]) - 60_000_000 * minutes]
    books = make_books([[99.99]], [[1e9]], [[100.01]], [[1e9]], ts=ts)
    settings = LiquidityParameters(stale_minutes=limit)
    found = run_books(point, make_daily(), books, parameters=settings)
    result, fair = found["slippage_field"], found["order_book_imbalance"].values["microprice_deviation_bps"]
    assert np.isnan(fair.item()) != is_fresh
    walked = [f"{name}_1pct_{unit}" for name, unit in WALKED]
    assert all(np.isnan(result.values[name].item()) != is_fresh for name in walked)
    assert result.values["slippage_model_1pct_bps"].item() > 0
    assert result.reasons["PARTIAL_BOOK"].all() and not result.reasons["NO_BOOK"].any()
    assert result.is_proxy.item() == (minutes > 30) and f'"stale_minutes": {limit}' in settings.json()


def test_a_stale_book_is_partial_however_many_snapshots_there_are(point, make_daily, make_random_books, run_books):
    books = make_random_books().filter(pl.col("ts") < point.frame["as_of"][0] - dt.timedelta(minutes=4))
    settings = LiquidityParameters(stale_minutes=3)
    result = run_books(point, make_daily(), books, parameters=settings)["slippage_field"]
    assert result.reasons["PARTIAL_BOOK"].all() and np.isnan(result.values["cost_buy_0_1pct_usd"]).all()
    assert result.is_proxy.all() and result.confidence.item() == pytest.approx(0.3)


def test_friction_reads_the_spread_of_the_quotes_or_of_the_bars(point, make_daily, make_random_books, run_books):
    bars = make_daily()
    for books, is_proxy in ((make_random_books(), False), (None, True)):
        found = run_books(point, bars, books)
        spread = found["spread_estimator"].values["spread_bps"].item()
        sigma = np.diff(np.log(bars["close"].to_numpy()))[-20:].std(ddof=1)
        result = found["slippage_field"]
        assert result.values["liq_friction_cost"].item() == pytest.approx(spread / 2 + 1e3 * sigma, rel=1e-12)
        assert result.values["slippage_model_1pct_bps"].item() == result.values["liq_friction_cost"].item()
        assert result.is_proxy.item() == is_proxy == result.reasons["SPREAD_PROXY"].item()
        assert result.confidence.item() == (0.3 if is_proxy else 1.0)
    assert (
        np.isnan(result.values["cost_buy_1pct_usd"]).all() and np.isnan(result.values["unfilled_buy_1pct_share"]).all()
    )


def test_order_sizes_follow_a_split_inside_the_window(point, make_daily, make_random_books, run_books):
    bars, books = make_daily(), make_random_books()
    before = pl.col("session") < bars["session"][-8]
    prices = [
        pl.when(before).then(pl.col(p) * 4).otherwise(pl.col(p)).alias(p) for p in ("open", "high", "low", "close")
    ]
    split = bars.with_columns(
        *prices,
        volume=pl.when(before).then(pl.col("volume") / 4).otherwise(pl.col("volume")),
        adjustment_factor=pl.when(before).then(1.0).otherwise(4.0),
    )
    one, other = (run_books(point, frame, books)["slippage_field"].values for frame in (bars, split))
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9)


def test_values_are_the_columns_of_the_cost_part(point, make_daily, run_books):
    own = set(SlippageField.columns()) - {f"slippage_field_{part}" for part in ("confidence", "is_proxy", "reasons")}
    assert set(run_books(point, make_daily())["slippage_field"].values) == own
