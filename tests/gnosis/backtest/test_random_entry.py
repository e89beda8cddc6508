"""Benchmarks of B-9.4: random entry is a fair coin for a placebo, and volatility targets look back only."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gnosis.backtest.random_entry import RandomEntry, random_entry
from gnosis.backtest.significance import Insufficient
from gnosis.backtest.volatility_targeting import volatility_targeted
from tests.gnosis.backtest.accounts import equity_of, fills_of, sessions_of, trades_of
from tests.gnosis.backtest.conftest import bars_of

N = 240


def market(seed: int, symbol: str = "SPY") -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, N)))
    return bars_of(symbol, closes * np.exp(rng.normal(0, 0.002, N)), closes)


def flat_account() -> tuple[pl.DataFrame, pl.DataFrame]:
    equity = equity_of(np.zeros(N - 1))
    return equity, fills_of(equity, 100.0)


def placed(bars: pl.DataFrame, entries: np.ndarray, exits: list[int | None], side: str = "long") -> pl.DataFrame:
    """Return trades of half the equity that enter at the open."""
    opens = bars["open"].to_numpy()
    return trades_of(
        [1.0] * len(entries),
        entries.tolist(),
        exits,
        sessions_of(N),
        entry_price=opens[entries],
        quantity_shares=5e5 / opens[entries],
        side=[side] * len(entries),
    )


def at_random(bars: pl.DataFrame, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    entries = np.sort(rng.choice(N // 10 - 1, 12, replace=False)) * 10 + rng.integers(1, 4)
    return placed(bars, entries, (entries + rng.integers(2, 7, 12)).tolist())


def test_a_placebo_beats_the_draws_as_often_as_not() -> None:
    equity, fills = flat_account()
    found = np.sort(
        [
            random_entry(at_random(market(s), s), fills, equity, market(s), seed=s, draws=100).percentile
            for s in range(60)
        ]
    )
    # The largest distance from the uniform law stays below the 1 % bound of Kolmogorov and Smirnov.
    assert np.abs(found - (np.arange(60) + 0.5) / 60).max() < 1.63 / np.sqrt(60)


def test_foresight_beats_every_draw() -> None:
    bars = market(1)
    opens = bars["open"].to_numpy()
    gain = opens[5:] / opens[:-5] - 1
    entries = np.array([at + int(gain[at : at + 10].argmax()) for at in range(0, 220, 20)])
    equity, fills = flat_account()
    found = random_entry(placed(bars, entries, (entries + 5).tolist()), fills, equity, bars, seed=1, draws=200)
    assert found.percentile > 0.99
    assert found.sharpe_percentile > 0.99
    shorts = random_entry(
        placed(bars, entries, (entries + 5).tolist(), "short"), fills, equity, bars, seed=1, draws=200
    )
    assert shorts.percentile < 0.01


def test_the_own_trades_are_priced_from_open_to_open_with_costs() -> None:
    bars = market(2)
    opens, closes = bars["open"].to_numpy(), bars["close"].to_numpy()
    equity, fills = flat_account()
    found = random_entry(placed(bars, np.array([3, 20]), [3, None]), fills, equity, bars, seed=1, draws=5)
    cost = 15.0 / 10_000
    assert found.cost_rate == pytest.approx(cost)
    first = 0.5 * (closes[3] / opens[3] - 1) - 0.5 * cost * (1 + closes[3] / opens[3])
    held = 0.5 * np.concatenate([[closes[20] - opens[20]], np.diff(closes[20:])]) / opens[20]
    held[0] -= 0.5 * cost
    assert found.own["total_return"] == pytest.approx((1 + first) * np.prod(1 + held) - 1, rel=1e-12)


def test_where_prices_never_move_all_times_cost_the_same() -> None:
    bars = bars_of("SPY", np.full(N, 100.0), np.full(N, 100.0))
    equity, fills = flat_account()
    trades = placed(bars, np.array([5, 7, 60]), [12, 9, 80])
    found = random_entry(trades, fills, equity, bars, seed=4, draws=50)
    assert found.own["total_return"] == pytest.approx(-6 * 0.5 * 15.0 / 10_000, rel=1e-2)
    assert found.drawn["total_return"] == pytest.approx(np.full(50, found.own["total_return"]), rel=1e-3)


def test_draws_repeat_with_their_seed_and_end_inside_the_prices() -> None:
    bars = pl.concat([market(1), market(2, "QQQ").filter(pl.col("session") >= sessions_of(N)[100])])
    equity, fills = flat_account()
    late = placed(bars.filter(pl.col("symbol") == "SPY"), np.array([150, 170]), [160, None])
    late = late.with_columns(symbol=pl.lit("QQQ"))
    one, two, other = (random_entry(late, fills, equity, bars, seed=seed, draws=40) for seed in (1, 1, 2))
    assert isinstance(one, RandomEntry)
    assert one.curve.equals(two.curve)
    assert not one.curve.equals(other.curve)
    # Before its first bar QQQ is in no draw.
    assert (one.curve["low"][:100] == 1).all()
    assert one.curve["session"].equals(equity["session"])
    early = placed(bars.filter(pl.col("symbol") == "SPY"), np.array([50, 170]), [60, 180]).with_columns(
        symbol=pl.lit("QQQ")
    )
    with pytest.raises(ValueError, match=r"entry of every trade, found none for \['QQQ'\]"):
        random_entry(early, fills, equity, bars, seed=1, draws=2)


def test_one_trade_is_too_few() -> None:
    equity, fills = flat_account()
    found = random_entry(placed(market(1), np.array([3]), [9]), fills, equity, market(1), seed=1)
    assert isinstance(found, Insufficient)
    assert (found.found, found.needed) == (1, 2)


def test_volatility_targets_do_not_see_what_follows() -> None:
    bars = pl.concat([market(1), market(2, "QQQ")])
    day = sessions_of(N)[80]
    whole = volatility_targeted(bars, ["QQQ", "SPY"], day)
    cut = sessions_of(N)[150]
    poisoned = bars.with_columns(close=pl.when(pl.col("session") > cut).then(pl.col("close") * 7).otherwise("close"))
    until = pl.col("session") <= cut
    assert whole.filter(until).equals(volatility_targeted(poisoned, ["QQQ", "SPY"], day).filter(until))
    assert whole["session"][0] == day
    assert whole.group_by("session").agg(pl.col("target_weight").sum())["target_weight"].max() <= 1 + 1e-12
    assert whole["session"].n_unique() < 10
    with pytest.raises(ValueError, match="window of at least 2"):
        volatility_targeted(bars, ["SPY"], day, window=1)


def test_two_sessions_are_too_few_to_place_in() -> None:
    bars = market(1)
    entries = np.array([1, 1])
    trades = placed(bars, entries, [None, None])
    equity, fills = flat_account()
    found = random_entry(trades, fills, equity.head(2), bars, seed=1)
    assert isinstance(found, Insufficient)
    assert (found.found, found.needed, found.unit) == (2, 3, "sessions")
