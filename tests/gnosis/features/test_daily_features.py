"""Features of daily bars: the bits of what the engines and the feature library say when nothing else is known."""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np
import polars as pl
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gnosis.engines.elasticity.vanna_flow import correlation
from gnosis.engines.liquidity import liquidity
from gnosis.engines.liquidity.profile_shape_kernel import shapes
from gnosis.engines.liquidity.spread_estimator import edge_spread
from gnosis.engines.liquidity.spread_kernel import edge_spreads
from gnosis.engines.liquidity.structure_and_regime import volume_below
from gnosis.engines.pairwise_kernel import trailing_correlation, trailing_deviation, trailing_sums
from gnosis.engines.points import daily_points, visible_panels
from gnosis.engines.sentiment import sentiment
from gnosis.engines.trailing import Series
from gnosis.engines.volume_profile import VolumeProfile, bin_kinds, clusters
from gnosis.features.codes import coded
from gnosis.features.daily import DAILY, daily_features
from gnosis.features.daily_forms import LOOKBACK
from gnosis.features.regime import regime
from gnosis.features.registry import BY_NAME, features_of
from gnosis.features.technical import technical
from gnosis.sessions import UnknownSessionError, schedule, shift_session
from gnosis.tables import TABLES

LAST = dt.date(2024, 6, 28)
SESSIONS = 400
FUNDS = ("XLB", "XLI", "XLK", "XLP", "XLU", "XLV", "XLY")
OWN = ("CLEAN", "COARSE", "HALTED", "IDLE", "LATE", "LISTED", "MORE1", "MORE2", "MORE3", "RISING", "SPLIT", "UNCOUNTED")
SYMBOLS = tuple(sorted((*FUNDS, *OWN)))
KEY = ["session", "symbol"]
NAMES = [feature.name for feature in DAILY]


def in_schema(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    schema = TABLES[table].polars_schema
    told = {"provider": pl.lit("made"), "synthetic": pl.lit(value=True), "ts": "close_at"}
    rows = rows.with_columns(**told)
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
    return rows.with_columns(absent).select(list(schema)).cast(schema)


@cache
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return bars and index levels of a market with halts, a split, late bars and whatever else bars can be."""
    rng = np.random.default_rng(4)
    days = schedule().filter(pl.col("session") <= LAST).tail(SESSIONS).select("session", "close_at")
    shape = (len(SYMBOLS), SESSIONS)
    calm = np.exp(0.6 * np.sin(np.arange(SESSIONS) / 25.0))
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.015, shape) * calm, axis=1))
    row = {symbol: number for number, symbol in enumerate(SYMBOLS)}
    close[row["RISING"]] = 20.0 * 1.01 ** np.arange(SESSIONS)
    opening = close * np.exp(rng.normal(0.0, 0.005, shape))
    high = np.maximum(opening, close) * np.exp(np.abs(rng.normal(0.0, 0.006, shape)))
    low = np.minimum(opening, close) * np.exp(-np.abs(rng.normal(0.0, 0.006, shape)))
    for side in (opening, high, low, close):
        side[row["COARSE"]] = np.round(side[row["COARSE"]])
    volume = np.exp(rng.normal(13.0, 0.6, shape)).round()
    volume[row["IDLE"], rng.random(SESSIONS) < 0.2] = 0.0
    factor = np.ones(shape)
    factor[row["SPLIT"], SESSIONS // 2 :] = 2.0
    values = {"open": opening, "high": high, "low": low, "close": close, "volume": volume, "adjustment_factor": factor}
    day = np.tile(np.arange(SESSIONS), len(SYMBOLS))
    symbol = np.repeat(np.array(SYMBOLS), SESSIONS)
    chance = rng.random(day.size)
    gone = (symbol == "HALTED") & ((chance < 0.02) | ((day > 200) & (day < 206))) | (symbol == "LISTED") & (day < 250)
    unknown = (symbol == "UNCOUNTED") & (day % 37 == 0)
    late = (symbol == "LATE") & (day % 41 == 0)
    bars = (
        pl.DataFrame({"symbol": SYMBOLS})
        .join(days, how="cross")
        .with_columns(pl.Series(name, side.ravel()) for name, side in values.items())
        .with_columns(
            volume=pl.when(~pl.Series(unknown)).then("volume"),
            known_at=pl.col("close_at") + pl.duration(hours=60 * pl.Series(late).cast(pl.Int64)),
        )
        .filter(~pl.Series(gone))
    )
    paths = {
        "^GSPC": 3000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, SESSIONS))),
        "^VIX": np.exp(rng.normal(2.9, 0.3, SESSIONS)),
    }
    levels = pl.concat(
        days.with_columns(symbol=pl.lit(name), close=pl.Series(path), known_at="close_at")
        for name, path in paths.items()
    )
    return in_schema(bars, "raw.equity_bars"), in_schema(levels, "raw.index_levels")


@cache
def computed() -> pl.DataFrame:
    bars, levels = market()
    return daily_features(bars.sample(fraction=1.0, shuffle=True, seed=1), levels)


@cache
def stored(group: str) -> pl.DataFrame:
    bars, levels = market()
    match group:
        case "liquidity":
            rows = liquidity(bars)
        case "sentiment":
            rows = sentiment(bars, index_levels=levels)
        case "technical":
            return technical(bars)
        case _:
            return regime(bars, levels)
    return rows.select(*KEY, "as_of", *(coded(feature.name) for feature in features_of(group)))


def different(left: pl.DataFrame, right: pl.DataFrame, names: list[str]) -> dict[str, int]:
    """Return how many values of each column differ in a bit."""
    other = left.select(KEY).join(right, on=KEY, how="left", maintain_order="left")
    assert other.height == left.height
    found = {}
    for name in names:
        ours, theirs = left[name], other[name].cast(left[name].dtype)
        same = ours.eq_missing(theirs)
        if ours.dtype.is_float():
            signs = [np.signbit(side.fill_null(0.0).to_numpy()) for side in (ours, theirs)]
            same &= pl.Series(signs[0] == signs[1])
        if not same.all():
            found[name] = int((~same).sum())
    return found


@pytest.mark.parametrize("group", ["liquidity", "sentiment", "technical", "regime"])
def test_values_are_those_of_the_engines_and_of_the_feature_library(group):
    names = [feature.name for feature in DAILY if feature.group == group]
    assert different(computed(), stored(group), names) == {}


def test_the_correlation_with_vix_is_that_of_its_definition():
    bars, levels = market()
    vix = dict(levels.filter(pl.col("symbol") == "^VIX").select("session", "close").iter_rows())
    own = bars.filter(pl.col("symbol") == "CLEAN").sort("session").tail(21)
    returns = np.diff(np.log((own["close"] * own["adjustment_factor"]).to_numpy()))
    changes = np.diff([vix[session] for session in own["session"]])
    row = computed().filter((pl.col("symbol") == "CLEAN") & (pl.col("session") == LAST))
    assert row["hedge_cross_asset_correlation"].item() == pytest.approx(np.corrcoef(returns, changes)[0, 1], rel=1e-9)


def test_columns_rows_and_cut_offs():
    bars, _ = market()
    found = computed()
    assert found.columns == [*KEY, "as_of", *NAMES]
    assert [name for name in BY_NAME if BY_NAME[name].fallback != "null"] == NAMES
    assert found.select(KEY).equals(bars.select(KEY).sort(KEY))
    assert different(found, stored("liquidity"), ["as_of"]) == {}
    dtypes = {"float": pl.Float64, "bool": pl.Boolean, "int": pl.Int8, "category": pl.Int8}
    assert all(found.schema[feature.name] == dtypes[feature.dtype] for feature in DAILY)


def test_every_feature_is_known_at_the_end():
    last = computed().filter(pl.col("session") == LAST)
    assert [name for name in NAMES if last[name].null_count() == last.height] == []


def test_some_sessions_from_their_lookback_alone_equal_the_batch():
    bars, levels = market()
    wanted = [shift_session(LAST, -2), LAST]
    needed = bars.filter(pl.col("session") >= shift_session(wanted[0], 1 - LOOKBACK))
    found = daily_features(needed, levels, wanted)
    assert found["session"].unique().sort().to_list() == wanted
    assert different(found, computed(), NAMES) == {}
    assert different(daily_features(bars, levels, wanted), computed(), NAMES) == {}


def test_threads_and_order_of_rows_change_nothing():
    bars, levels = market()
    wanted = [shift_session(LAST, -30), LAST]
    one = daily_features(bars, levels, wanted, threads=1)
    assert one.equals(daily_features(bars.reverse(), levels.reverse(), wanted, threads=3))


def test_a_level_that_came_late_is_used_from_then_on():
    bars, levels = market()
    session = shift_session(LAST, -1)
    late = pl.when(pl.col("session") == session).then(pl.col("known_at") + pl.duration(hours=1)).otherwise("known_at")
    found = daily_features(bars, levels.with_columns(known_at=late), [session, LAST])
    own = found.filter(pl.col("symbol") == "CLEAN").sort("session")
    vix = levels.filter(pl.col("symbol") == "^VIX").sort("session")["close"]
    assert own["regime_vix"].to_list() == [vix[-3], vix[-1]]
    names = ["regime_vix", "sent_risk_regime", "sent_breadth_divergence"]
    expected = sentiment(bars, index_levels=levels.with_columns(known_at=late), sessions=[session, LAST])
    assert different(found, expected.select(*KEY, *map(coded, names[1:])), names[1:]) == {}


def test_a_bar_that_comes_twice_or_on_no_session_is_refused():
    bars, levels = market()
    with pytest.raises(ValueError, match="found two for CLEAN"):
        daily_features(pl.concat([bars, bars.filter(pl.col("symbol") == "CLEAN").tail(1)]), levels)
    with pytest.raises(UnknownSessionError, match="quarantine"):
        daily_features(bars.head(1).with_columns(session=dt.date(2024, 6, 29)), levels)
    assert daily_features(bars, levels, []).is_empty()


def windows(values: np.ndarray, length: int) -> np.ndarray:
    padded = np.concatenate([np.full((values.shape[0], length - 1), np.nan), values], axis=1)
    return np.ascontiguousarray(sliding_window_view(padded, length, axis=1))


@cache
def panel():
    bars, _ = market()
    points = daily_points(bars)
    return next(visible_panels(points, bars))[1]


def test_window_sums_have_the_bits_of_numpy():
    values = panel().adjusted_volume / 3.0
    window = windows(values, 20)
    known = ~np.isnan(window)
    total, count = trailing_sums(values, 20)
    np.testing.assert_array_equal(total, np.where(known, window, 0.0).sum(axis=-1))
    np.testing.assert_array_equal(count, known.sum(axis=-1))
    mean = np.where(known, window, 0.0).sum(axis=-1) / np.maximum(count, 1)
    squares = np.where(known, (window - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    expected = np.sqrt(squares / np.maximum(count, 1) * (count / np.maximum(count - 1, 1)))
    expected[(count < 10) | np.isnan(values)] = np.nan
    np.testing.assert_array_equal(trailing_deviation(values, 20, 10), expected)


def test_compiled_spread_and_correlation_have_the_bits_of_their_readable_forms():
    own = panel()
    bars = (own.open, own.high, own.low, own.close)
    expected = edge_spread(*(windows(side, 21) for side in bars))
    np.testing.assert_array_equal(edge_spreads(*map(np.log, bars), 21), expected)
    returns = np.diff(np.log(own.close), axis=1, prepend=np.nan)
    other = windows(np.cumsum(returns[:1], axis=1), 20)[0]
    expected = correlation(windows(returns, 20), other, 10)
    np.testing.assert_array_equal(trailing_correlation(returns, other, 0, 10), expected)


def test_compiled_shape_of_a_profile_is_that_of_its_readable_form():
    rng = np.random.default_rng(0)
    volume = rng.lognormal(0.0, 1.0, (300, 50)) * (rng.random((300, 50)) < 0.9)
    volume[::7] = np.round(volume[::7])
    profile = VolumeProfile(volume, rng.uniform(10, 11, 300), rng.uniform(12, 13, 300))
    close, step = rng.uniform(9.5, 13.5, 300), rng.uniform(0.0, 1.0, 300)
    near, thin, heavy_below, heavy, down, here, up = shapes(
        volume, profile.low, profile.high, close, step, 1.5, 0.5, 0.1
    )
    kinds = bin_kinds(profile)
    full = VolumeProfile(np.where(kinds == 1, volume, 0.0), profile.low, profile.high)
    for found, price in ((down, close - step), (here, close), (up, close + step)):
        np.testing.assert_array_equal(found, volume_below(profile, price))
    np.testing.assert_array_equal(heavy_below, volume_below(full, close))
    np.testing.assert_array_equal(heavy, np.cumsum(full.volume, axis=1)[:, -1])
    high, low = clusters(profile, kinds, 1), clusters(profile, kinds, -1)
    is_near = np.abs(high.centre / close[high.window] - 1.0) <= 0.1
    np.testing.assert_array_equal(near, np.bincount(high.window[is_near], minlength=300))
    for window in range(300):
        own = high.window == window
        runs = [
            (first, last)
            for at, first, last in zip(low.window, low.first, low.last, strict=True)
            if at == window and own.any() and first > high.first[own].min() and last < high.last[own].max()
        ]
        assert thin[window] == len(runs)


def test_statistics_of_neighbouring_points_are_those_of_points_alone():
    values = panel().close.copy()
    values[3] = np.round(values[3])
    symbol, column = (np.ascontiguousarray(place.reshape(-1)) for place in np.indices(values.shape))
    own = values.reshape(-1)
    together = Series(values, symbol, column, own)
    # In steps of three sessions no point is the next of another.
    order = np.lexsort((column, column % 3, symbol))
    alone = Series(values, symbol[order], column[order], own[order])
    for statistic in ("count", "mean", "sd", "z", "percentile_rank"):
        found, expected = (getattr(series, statistic)(60) for series in (together, alone))
        np.testing.assert_array_equal(found[order], expected)
    for share, found in zip((0.2, 0.8), together.quantiles(0.2, 0.8, window=60), strict=True):
        np.testing.assert_array_equal(found, together.quantile(share, 60))
