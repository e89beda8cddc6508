"""Properties that hold for all processors that read order books."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.points import Points
from gnosis.sessions import schedule, shift_session
from gnosis.tables import TABLES

PRICES = ("open", "high", "low", "close")
SCHEMA = TABLES["engines.liquidity"].polars_schema


@pytest.fixture(scope="module")
def world(make_daily, make_random_books, make_minutes):
    minutes = make_minutes(np.full(30, 100.5), np.full(30, 99.5), np.full(30, 5000.0))
    return {"bars": make_daily(), "books": make_random_books(n=120), "intraday": minutes}


def flat(results):
    """All values, confidences and reasons by name."""
    found = {}
    for name, result in results.items():
        found |= {f"{name}.{column}": np.asarray(values) for column, values in result.values.items()}
        found[f"{name}.confidence"] = result.confidence
        found[f"{name}.is_proxy"] = result.is_proxy
        found |= {f"{name}.{code}": where for code, where in result.reasons.items()}
    return found


def assert_same(one, other, rtol=0.0):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=rtol, err_msg=name)


def confidences(results):
    return {name: result.confidence.item() for name, result in results.items()}


def test_ranges_of_the_table_hold_and_low_confidence_has_a_reason(point, world, run_books):
    for given_ in (world, {"bars": world["bars"]}, {**world, "books": world["books"].sample(fraction=0.5, seed=1)}):
        results = run_books(point, **given_)
        for name, result in results.items():
            assert (result.confidence >= 0.8).all() or any(where.any() for where in result.reasons.values()), name
            for column, values in result.values.items():
                assert not np.isinf(values).any(), column
                rule = TABLES["engines.liquidity"].schema.columns()[column]
                known = values[~np.isnan(values)]
                least, most = getattr(rule, "min", None), getattr(rule, "max", None)
                assert least is None or (known >= least).all(), column
                assert most is None or (known <= most).all(), column


def test_order_and_second_delivery_of_rows_change_nothing(point, world, run_books):
    plain = flat(run_books(point, **world))
    shuffled = {
        name: pl.concat([frame, frame]).sample(fraction=1, shuffle=True, seed=9) for name, frame in world.items()
    }
    assert_same(plain, flat(run_books(point, **shuffled)))


def test_later_rows_change_nothing(point, world, make_daily, make_random_books, run_books):
    plain = flat(run_books(point, **world))
    after = shift_session(point.frame["session"].item(), 1)
    late = world["books"].with_columns(
        pl.col("price", "size") * 1000, known_at=pl.col("known_at") + pl.duration(hours=9)
    )
    books = pl.concat([world["books"], late, make_random_books(session=after, seed=5)])
    bars = pl.concat([world["bars"], make_daily(n=1, last=after, close=1e6)])
    poisoned = {"bars": bars, "books": books, "intraday": world["intraday"]}
    assert_same(plain, flat(run_books(point, **poisoned)))


def test_symbols_together_or_alone_give_the_same_values(world, make_daily, make_random_books, run_books):
    day = schedule().filter(pl.col("session") == dt.date(2019, 5, 1))
    rows = {"session": [day["session"].item()] * 2, "as_of": [day["close_at"].item()] * 2}
    both = Points.of(pl.DataFrame({"symbol": ["AAA", "BBB"], **rows}))
    bars = pl.concat([world["bars"], make_daily(symbol="BBB", seed=4)])
    books = pl.concat([world["books"], make_random_books(symbol="BBB", seed=4)])
    together = flat(run_books(both, bars, books, world["intraday"]))
    for i, symbol in enumerate(both.symbols):
        alone = flat(
            run_books(both.only(np.array([i])), bars.filter(pl.col("symbol") == symbol), books, world["intraday"])
        )
        assert_same({name: values[i : i + 1] for name, values in together.items()}, alone)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.02, 0.98), st.sampled_from(["bars", "books", "intraday", "all"]))
def test_deletion_never_raises_a_confidence(point, world, run_books, seed, kept, which):
    full = confidences(run_books(point, **world))
    fewer = dict(world)
    for name in world if which == "all" else [which]:
        fewer[name] = world[name].sample(fraction=kept, seed=seed)
    once = confidences(run_books(point, **fewer))
    again = {name: frame.sample(fraction=kept, seed=seed + 1) for name, frame in fewer.items()}
    twice = confidences(run_books(point, **again))
    for name in full:
        assert twice[name] <= once[name] + 1e-12 <= full[name] + 2e-12, name


def test_nothing_at_all_gives_nulls_and_a_reason(point, world, run_books):
    for name, result in run_books(point, world["bars"].clear(), world["books"].clear()).items():
        assert all(np.isnan(values).all() for values in result.values.values()), name
        assert result.confidence.tolist() == [0.0] and any(where.all() for where in result.reasons.values())
        assert not result.is_proxy.any()


def test_a_second_snapshot_does_not_make_up_for_a_missing_minute(point, make_daily, make_random_books, run_books):
    close = int(point.as_of[0])
    crowded = make_random_books(n=390, ts=close - 1_000_000 * np.arange(390)[::-1])
    found = run_books(point, make_daily(), crowded)["order_book_imbalance"]
    assert found.confidence.item() == pytest.approx(0.7 * 7 / 390 + 0.3) and found.reasons["PARTIAL_BOOK"].all()
    for shift in (0, -30_000_000, -60_000_000):
        steady = make_random_books(n=390, ts=close + shift - 60_000_000 * np.arange(390)[::-1])
        assert run_books(point, make_daily(), steady)["order_book_imbalance"].confidence.item() == 1.0


def test_one_expected_snapshot_is_enough_where_the_settings_say_so(point, make_daily, make_random_books, run_books):
    one = make_random_books(n=1)
    settings_ = LiquidityParameters(snapshots_per_session=1)
    assert set(confidences(run_books(point, make_daily(), one, parameters=settings_)).values()) == {1.0}
    assert run_books(point, make_daily(), one)["depth_profile"].confidence.item() < 0.31


def test_crossed_snapshots_say_nothing_and_are_reported(point, world, run_books):
    last = pl.col("ts") == world["books"]["ts"].max()
    crossed = world["books"].with_columns(price=pl.when(last & (pl.col("side") == "B")).then(200.0).otherwise("price"))
    one, without = (run_books(point, world["bars"], books) for books in (crossed, world["books"].filter(~last)))
    for name in one:
        assert one[name].reasons["PARTIAL_BOOK"].all()
        for column in one[name].values:
            np.testing.assert_array_equal(one[name].values[column], without[name].values[column])


# What each transformation multiplies the values of a unit by; other units do not change.
def scaled(results, factors):
    columns = TABLES["engines.liquidity"]
    found = {}
    for name, values in flat(results).items():
        column = name.split(".")[1]
        unit = columns.unit(column) if column in SCHEMA else ""
        found[name] = values * factors.get(unit, 1.0)
    return found


def test_scaling_prices(point, world, run_books):
    a = 3.7
    bars = world["bars"].with_columns(pl.col(*PRICES) * a)
    books, intraday = (
        world["books"].with_columns(pl.col("price") * a),
        world["intraday"].with_columns(pl.col(*PRICES) * a),
    )
    plain, other = run_books(point, **world), run_books(point, bars, books, intraday)
    assert_same(scaled(plain, {"$": a}), flat(other), rtol=1e-7)


def test_splitting_shares(point, world, run_books):
    n = 4.0
    bars = world["bars"].with_columns(pl.col(*PRICES) / n, pl.col("volume") * n)
    books = world["books"].with_columns(pl.col("price") / n, pl.col("size") * n)
    intraday = world["intraday"].with_columns(pl.col(*PRICES) / n, pl.col("volume") * n)
    plain, other = run_books(point, **world), run_books(point, bars, books, intraday)
    assert_same(scaled(plain, {"shares": n}), flat(other), rtol=1e-7)


def test_scaling_volumes_and_sizes(point, world, run_books):
    b = 2.5
    bars, intraday = (world[name].with_columns(pl.col("volume") * b) for name in ("bars", "intraday"))
    books = world["books"].with_columns(pl.col("size") * b)
    plain, other = run_books(point, **world), run_books(point, bars, books, intraday)
    assert_same(scaled(plain, {"shares": b, "$": b}), flat(other), rtol=1e-7)


@pytest.mark.parametrize(
    ("processor", "column", "regime"),
    [
        ("order_book_imbalance", "liq_orderbook_imbalance", "book_pressure"),
        ("depth_profile", "depth_vs_adv", "depth_regime"),
        ("slippage_field", "liq_friction_cost", "cost_regime"),
        ("spread_estimator", "spread_bps", "spread_regime"),
    ],
)
def test_regimes_rank_the_value_among_stored_ones(point, world, run_books, processor, column, regime):
    value = run_books(point, **world)[processor].values[column].item()
    days = schedule().filter(pl.col("session") < point.frame["session"].item()).tail(100)
    for below, label in ((2, 0.0), (50, 1.0), (95, 2.0)):
        past = np.where(np.arange(100) < below, value - 0.1, value + 0.1)
        stored = days.select("session", pl.lit("AAA").alias("symbol"), pl.Series(column, past), as_of="close_at")
        result = run_books(point, **world, stored=stored)[processor]
        assert result.values[regime].tolist() == [label] and not result.reasons["SHORT_HISTORY"].any()
