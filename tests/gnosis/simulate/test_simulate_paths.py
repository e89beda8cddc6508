from __future__ import annotations

import datetime as dt
import io

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.sessions import sessions_between
from gnosis.simulate import MARKETS, MarketSpec, Regime, market, vix_from_index
from gnosis.simulate.volatility import LogVolatility, realised_volatility, trailing_mean
from gnosis.tables import TABLES

DAYS = sessions_between(dt.date(2005, 6, 1), dt.date(2006, 12, 29))


@pytest.fixture(scope="module")
def world():
    return market("daily", ["AAA", "BBB", "CCC"], DAYS, seed=11)


def _bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def test_rerun_gives_the_same_bytes(world):
    again = market("daily", ["AAA", "BBB", "CCC"], DAYS, seed=11)
    for name in ("bars", "index_levels", "macro"):
        assert _bytes(getattr(world, name)) == _bytes(getattr(again, name))
    assert not market("daily", ["AAA"], DAYS[:1], seed=12).bars.equals(market("daily", ["AAA"], DAYS[:1], 11).bars)


@pytest.mark.parametrize("place", [0, 5, 200, -1])
def test_a_session_and_a_symbol_alone_equal_the_run(world, place):
    alone = market("daily", ["BBB"], [DAYS[place]], seed=11)
    assert_frame_equal(alone.bars, world.bars.filter(session=DAYS[place], symbol="BBB"), check_exact=True)
    assert_frame_equal(alone.index_levels, world.index_levels.filter(session=DAYS[place]), check_exact=True)
    truth = world.truth.daily.filter(session=DAYS[place], symbol="BBB")
    assert_frame_equal(alone.truth.daily.drop("edge_return"), truth.drop("edge_return"), check_exact=True)


def test_rows_satisfy_their_tables(world):
    for table, frame in (
        ("raw.equity_bars", world.bars),
        ("raw.index_levels", world.index_levels),
        ("raw.option_quotes", world.option_quotes),
        ("raw.macro", world.macro),
    ):
        TABLES[table].schema.validate(frame)
        assert frame["synthetic"].all()
        assert set(frame["provider"]) <= {"simulate"}


def test_volatility_returns_to_its_level_and_answers_falls():
    dynamics = LogVolatility(0.2, persistence=0.95, log_sd=0.3)
    rng = np.random.default_rng(0)
    returns, noise = rng.standard_normal((2, 40_000))
    path = np.log(dynamics.path(returns, noise) / 0.2)
    assert path.mean() == pytest.approx(0, abs=0.05)
    assert path.std() == pytest.approx(0.3, rel=0.05)
    assert np.corrcoef(path[1:-1], path[2:])[0, 1] == pytest.approx(0.95, abs=0.01)
    shock = path[2:] - 0.95 * path[1:-1]
    assert np.corrcoef(shock, returns[1:-1])[0, 1] == pytest.approx(-0.6, abs=0.02)


def test_bad_volatility_settings_are_refused():
    with pytest.raises(ValueError, match="persistence < 1"):
        LogVolatility(0.2, persistence=1.0)


def test_trailing_mean_excludes_the_present_and_ignores_older_history():
    values = np.random.default_rng(0).standard_normal(300) * 10.0 ** np.random.default_rng(1).integers(-8, 8, 300)
    assert trailing_mean(values, 20)[200] == pytest.approx(values[180:200].mean())
    assert np.array_equal(trailing_mean(values, 20)[150:], trailing_mean(values[100:], 20)[50:])
    assert np.isnan(realised_volatility(np.ones(3), 5)).all()


def test_bars_have_the_planted_volatility(world):
    days = sessions_between(dt.date(2005, 1, 3), dt.date(2012, 12, 31))
    one = market("daily", ["AAA"], days, seed=1)
    returns = one.bars["close"].log().diff().to_numpy()[1:]
    planted = one.truth.daily["volatility_per_year"].to_numpy()[1:]
    assert np.std(returns / planted) * np.sqrt(252) == pytest.approx(1, abs=0.05)
    ranges = (one.bars["high"] / one.bars["low"]).log().to_numpy()[1:] ** 2 / (4 * np.log(2))
    # Parkinson sees 26 steps of 80% of the variance: biased low, as discrete sampling must be.
    assert 0.6 < np.mean(ranges / planted**2) * 252 < 0.8


def test_symbols_move_with_the_index(world):
    index = world.index_levels.filter(symbol="^GSPC").select("session", index="close")
    joined = world.bars.filter(symbol="AAA").join(index, on="session").sort("session")
    moves = joined.select(pl.col("close", "index").log().diff()).drop_nulls()
    assert moves.select(pl.corr("close", "index")).item() > 0.4


def test_planted_edge_is_in_the_bars():
    days = sessions_between(dt.date(2005, 1, 3), dt.date(2014, 12, 31))
    spec = MarketSpec(paths=MARKETS["linear_edge"]().paths)
    world = market(spec, [f"S{n}" for n in range(6)], days, seed=2)
    frame = world.bars.join(world.truth.daily, on=["session", "symbol"]).sort("symbol", "session")
    following = (pl.col("close") / pl.col("open")).log().shift(-1).over("symbol")
    sample = frame.with_columns(following=following).drop_nulls(["following", "edge_return"])
    slope = sample.select(pl.cov("following", "edge_return") / pl.col("edge_return").var()).item()
    error = sample["following"].std() / sample["edge_return"].std() / np.sqrt(sample.height)
    assert abs(slope - 1) < 3 * error
    assert slope > 2 * error


def test_script_reaches_every_state_and_changes_depth_and_gamma():
    days = sessions_between(dt.date(2006, 1, 3), dt.date(2006, 9, 29))
    daily = market("regime_script", ["AAA"], days, seed=7).truth.daily
    by_state = {
        state: daily.filter(regime=state)
        for state in ("calm", "squeeze", "short_gamma", "storm", "thin_book", "crisis", "viral", "usual")
    }
    assert all(frame.height >= 15 for frame in by_state.values())
    assert by_state["storm"]["amplification"].null_count() > 10
    assert 1 < by_state["short_gamma"]["amplification"].median() < 1.25
    assert by_state["crisis"]["volatility_per_year"].median() > 2 * by_state["calm"]["volatility_per_year"].median()
    assert by_state["thin_book"]["depth_usd_per_unit"].median() < 0.4 * by_state["calm"]["depth_usd_per_unit"].median()
    assert by_state["viral"]["posts_per_session"].min() == 2_000


def test_volatility_index_uses_no_later_close(world):
    levels = world.index_levels.filter(symbol="^GSPC")
    cut = DAYS[200]
    poisoned = levels.with_columns(
        close=pl.when(pl.col("session") > cut).then(pl.col("close") * 3).otherwise(pl.col("close"))
    )
    whole = vix_from_index(levels, 5)
    seen = whole.filter(pl.col("session") <= cut)
    assert_frame_equal(vix_from_index(poisoned, 5).filter(pl.col("session") <= cut), seen, check_exact=True)
    assert_frame_equal(vix_from_index(levels.filter(pl.col("session") <= cut), 5), seen, check_exact=True)
    later = vix_from_index(levels.slice(100), 5)
    assert_frame_equal(later, whole.tail(later.height), check_exact=True)
    assert whole.select((pl.col("high") >= pl.max_horizontal("open", "close")).all()).item()
    assert whole.null_count().sum_horizontal().item() == 0
    TABLES["raw.index_levels"].schema.validate(whole)


def test_errors_say_what_to_do(world):
    with pytest.raises(ValueError, match="expected a preset"):
        market("bull", ["A"], DAYS[:1], 1)
    with pytest.raises(ValueError, match="distinct symbols"):
        market("daily", ["A", "A"], DAYS[:1], 1)
    with pytest.raises(ValueError, match="expected sessions of the exchange"):
        market("daily", ["A"], [dt.date(2006, 1, 1)], 1)
    with pytest.raises(ValueError, match="at least one session"):
        market("daily", ["A"], [], 1)
    with pytest.raises(ValueError, match="ascending order"):
        script = (Regime("a", dt.date(2006, 1, 3)), Regime("b", dt.date(2005, 1, 3)))
        market(MarketSpec(script=script), ["A"], DAYS[:1], 1)
    with pytest.raises(ValueError, match=r"\^GSPC"):
        vix_from_index(world.index_levels.clear(), 1)
