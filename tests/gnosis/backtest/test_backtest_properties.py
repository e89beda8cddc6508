"""What must hold for any market and any targets: balanced books, no look-ahead, equal results from equal inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.backtest import Configuration, Result
from tests.gnosis.backtest.recorded import run

MakeBars = Callable[..., pl.DataFrame]


def frames(result: Result) -> dict[str, pl.DataFrame]:
    return {name: getattr(result, name).drop("run_key") for name in ("fills", "equity", "metrics", "runs")}


def until(result: Result, session: object) -> list[pl.DataFrame]:
    kept = [result.fills, result.equity, result.buy_and_hold_equity, result.actions]
    return [frame.drop("run_key", strict=False).filter(pl.col("session") <= session) for frame in kept]


@given(seed=st.integers(0, 10_000), cost=st.sampled_from(["sqrt", "proportional"]), wild=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_books_balance_on_any_market(make_bars: MakeBars, seed: int, cost: str, wild: bool) -> None:
    rng = np.random.default_rng(seed)
    parts = []
    for symbol in ("A", "B", "C"):
        split = np.where(rng.random(45) < 0.04, rng.choice([2.0, 1.5, 7.0, 0.1], 45), 1.0)
        dividend = np.where(rng.random(45) < 0.1, 1 / (1 - rng.uniform(0.001, 0.0195, 45)), 1.0)
        steps = rng.normal(0, 0.2 if wild else 0.02, 45)
        closes = np.clip(50 * np.exp(np.cumsum(steps)) / np.cumprod(split), 0.01, 1e6)
        opens = closes * np.exp(rng.normal(0, 0.01, 45))
        volume = rng.integers(0, 10**6, 45).astype(float)
        bars = make_bars(symbol, opens, closes, volume=volume, factor=np.cumprod(split * dividend))
        # Over a missing bar two steps of the factor become one, and no rule can tell 1/10 x 3/2 from a wrong factor.
        at_split = (split != 1) | np.append(split[1:] != 1, False)
        parts.append(bars.filter(pl.Series((rng.random(45) > 0.1) | at_split)))
    bars = pl.concat(parts)
    chosen = bars.filter(pl.Series(rng.random(bars.height) > 0.3)).select("session", "symbol").sort("session", "symbol")
    weight = rng.uniform(-1.5, 1.5, chosen.height)
    result = run(bars, chosen.with_columns(target_weight=pl.Series(weight)), Configuration(slippage=cost))
    equity, fills = result.equity, result.fills
    cost_columns = ["fees_usd", "borrow_usd", "interest_usd"]
    assert equity.select(pl.col(cost_columns).min()).row(0) >= (0.0, 0.0, 0.0)
    assert (fills["slippage_usd"] >= 0).all()
    assert (fills["session"] > fills["signal_session"]).all()
    assert equity["slippage_usd"].sum() == pytest.approx(fills["slippage_usd"].sum(), abs=1e-4)
    # The books told again in floats: cash moves by trades, costs and dividends only.
    traded = float((fills["quantity_shares"] * fills["fill_price"]).sum())
    flows = equity["dividends_usd"].sum() - sum(equity[name].sum() for name in cost_columns)
    assert equity["cash_usd"][-1] == pytest.approx(1e6 - traded + flows, abs=1e-2)


@pytest.mark.parametrize("cut", [30, 41, 59])
def test_what_happens_later_changes_nothing_before(make_walk: MakeBars, random_targets: MakeBars, cut: int) -> None:
    bars = make_walk(["A", "B", "C"], 80, volume=20_000.0)
    targets = random_targets(bars)
    day = bars["session"].unique().sort()[cut]
    whole = until(run(bars, targets, Configuration()), day)
    is_past = pl.col("session") <= day
    truncated = run(bars.filter(is_past), targets.filter(is_past), Configuration())
    later = pl.col("session") > day
    noise = pl.Series(np.random.default_rng(9).uniform(0.2, 3.0, bars.height))
    poisoned_bars = bars.with_columns(
        [
            pl.when(later).then(pl.col(name) * noise).otherwise(pl.col(name))
            for name in ("open", "high", "low", "close", "volume")
        ]
    ).with_columns(
        adjustment_factor=pl.when(later).then(2.0).otherwise("adjustment_factor"),
        provider=pl.when(later).then(pl.lit("poison")).otherwise("provider"),
    )
    poisoned_targets = targets.with_columns(
        target_weight=pl.when(later).then(-pl.col("target_weight")).otherwise("target_weight")
    )
    poisoned = run(poisoned_bars, poisoned_targets, Configuration())
    for frame, cut_frame, poisoned_frame in zip(whole, until(truncated, day), until(poisoned, day), strict=True):
        assert frame.equals(cut_frame)
        assert frame.equals(poisoned_frame)
    assert whole[0].height > 0


def test_equal_inputs_give_equal_results_in_any_order(make_walk: MakeBars, random_targets: MakeBars) -> None:
    bars = make_walk(["A", "B", "C"], 60)
    targets = random_targets(bars)
    first = run(bars, targets, Configuration())
    again = run(
        bars.sample(fraction=1, shuffle=True, seed=3),
        targets.reverse().select(reversed(targets.columns)),
        Configuration(),
    )
    assert first.run_key == again.run_key
    for name in ("runs", "orders", "fills", "trades", "equity", "metrics", "actions"):
        assert getattr(first, name).equals(getattr(again, name))


def test_the_run_key_names_data_targets_and_configuration(make_walk: MakeBars, random_targets: MakeBars) -> None:
    bars = make_walk(["A", "B"], 50)
    targets = random_targets(bars)
    keys = {
        run(bars, targets, Configuration()).run_key,
        run(bars, targets, Configuration(fee_bps=2.0)).run_key,
        run(bars.with_columns(pl.col("close", "high") + 0.01), targets, Configuration()).run_key,
        run(bars, targets.with_columns(target_weight=pl.col("target_weight") / 2), Configuration()).run_key,
    }
    assert len(keys) == 4


def test_scale_of_money_and_prices_does_not_matter_without_rounding_to_shares(make_walk: MakeBars) -> None:
    bars = make_walk(["A"], 60, volume=1e12)
    targets = pl.DataFrame({"session": [bars["session"][25]], "symbol": ["A"], "target_shares": [1_000.0]})
    tenfold = bars.with_columns(pl.col("open", "high", "low", "close") * 10)
    small = run(bars, targets, Configuration(initial_cash_usd=1e6)).equity["equity_usd"]
    large = run(tenfold, targets, Configuration(initial_cash_usd=1e7)).equity["equity_usd"]
    assert np.abs(large.to_numpy() / small.to_numpy() - 10).max() < 1e-9


def test_mirrored_positions_mirror_without_costs(make_walk: MakeBars) -> None:
    free = Configuration(
        slippage="proportional", slippage_bps=0.0, fee_bps=0.0, borrow_rate_per_year=0.0, margin_rate_per_year=0.0,
        participation=None, allow_zero_cost=True,
    )  # fmt: skip
    bars = make_walk(["A"], 60)
    targets = pl.DataFrame({"session": bars["session"][:2], "symbol": "A", "target_shares": [1_000.0, 500.0]})
    long = run(bars, targets, free).equity["equity_usd"] - 1e6
    short = run(bars, targets.with_columns(-pl.col("target_shares")), free).equity["equity_usd"] - 1e6
    assert (long + short).abs().max() < 1e-6
