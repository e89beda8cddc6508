"""Random streams of every kind of order: balanced books, no look-ahead, equal results from equal inputs (B-2.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.backtest import Bracket, Cancel, Configuration, Order, Result, View
from tests.gnosis.backtest.recorded import run

MakeBars = Callable[..., pl.DataFrame]
N = 45
CONFIGURATIONS = [
    Configuration(),
    Configuration(slippage="proportional", participation=None, opposite_intrabar=True),
    Configuration(slippage="proportional", participation=0.05, account="cash", settlement_days=2),
    Configuration(slippage="proportional", borrow_rate_per_year=None, limit_touch_fills=True),
]
KINDS = ("market", "opening_auction", "closing_auction", "limit", "stop", "stop_limit")


def wild_market(make_bars: MakeBars, seed: int) -> pl.DataFrame:
    """Return two symbols with gaps, wide bars, splits, dividends, missing bars and little volume."""
    rng = np.random.default_rng(seed)
    parts = []
    for symbol in ("A", "B"):
        split = np.where(rng.random(N) < 0.03, rng.choice([2.0, 0.1], N), 1.0)
        dividend = np.where(rng.random(N) < 0.08, 1 / (1 - rng.uniform(0.001, 0.0195, N)), 1.0)
        closes = np.clip(50 * np.exp(np.cumsum(rng.normal(0, 0.03, N))) / np.cumprod(split), 0.5, 1e5)
        opens = closes * np.exp(rng.normal(0, 0.02, N))
        bars = make_bars(symbol, opens, closes, volume=rng.integers(100, 5_000, N), factor=np.cumprod(split * dividend))
        wide = np.exp(np.abs(rng.normal(0, 0.02, (2, N))))
        bars = bars.with_columns(pl.col("high") * pl.Series(wide[0]), pl.col("low") / pl.Series(wide[1]))
        at_split = (split != 1) | np.append(split[1:] != 1, False)
        parts.append(bars.filter(pl.Series((rng.random(N) > 0.06) | at_split)))
    return pl.concat(parts)


def random_orders(seed: int) -> Callable[[View], list[Order | Cancel]]:
    """Return a strategy that throws dice of its own for each session, so that it decides alike on cut data."""

    def strategy(view: View) -> list[Order | Cancel]:
        rng = np.random.default_rng([seed, view.session.toordinal()])
        decided: list[Order | Cancel] = [
            Cancel(order.order_number) for order in view.resting_orders if rng.random() < 0.1
        ]
        for symbol in view.symbols:
            bar = view.bar(view.session, symbol)
            if bar is None or rng.random() < 0.4:
                continue
            side, kind = int(rng.choice([-1, 1])), str(rng.choice(KINDS))
            stop = round(bar["close"] * (1 + side * rng.uniform(-0.01, 0.04)), 2)
            limit = round(stop * (1 + side * rng.uniform(0, 0.01)), 2)
            limit = limit if kind == "stop_limit" else round(bar["close"] * (1 - side * rng.uniform(-0.01, 0.03)), 2)
            guard = Bracket(
                stop_price=round(bar["close"] * (1 - side * rng.uniform(0.01, 0.05)), 2),
                target_price=round(bar["close"] * (1 + side * rng.uniform(0.01, 0.05)), 2),
            )
            decided.append(
                Order(
                    symbol=symbol, quantity_shares=side * float(rng.integers(1, 400)), kind=kind,
                    limit_price=limit if kind in ("limit", "stop_limit") else None,
                    stop_price=stop if kind in ("stop", "stop_limit") else None,
                    is_day_order=bool(rng.random() < 0.3), bracket=guard if rng.random() < 0.5 else None,
                )
            )  # fmt: skip
        return decided

    return strategy


def until(result: Result, session: object) -> dict[str, pl.DataFrame]:
    """Return what was known up to a session; the final state of an order only where it was reached by then."""
    by_session = {name: getattr(result, name) for name in ("fills", "equity", "actions", "buy_and_hold_equity")}
    orders = result.orders.select(
        "order_number", "parent_number", "session", "symbol", "kind", "is_day_order", "idea_id"
    ).filter(pl.col("session") < session)
    closed = result.trades.filter(pl.col("exit_session") <= session).drop("trade_number")
    frames = {name: frame.filter(pl.col("session") <= session) for name, frame in by_session.items()}
    frames |= {"trades": closed.sort("entry_session", "symbol", "exit_session", "profit_usd")}
    # The exits of an entry are numbered when it fills, so orders are compared by what they are.
    orders = orders.filter(pl.col("parent_number").is_null()).drop("order_number")
    frames["orders"] = orders
    return {name: frame.drop("run_key", "known_at", strict=False) for name, frame in frames.items()}


@given(seed=st.integers(0, 100_000), cut=st.integers(23, N - 2), configuration=st.sampled_from(CONFIGURATIONS))
@settings(max_examples=8, deadline=None)
def test_later_data_change_nothing_before(
    make_bars: MakeBars, seed: int, cut: int, configuration: Configuration
) -> None:
    bars = wild_market(make_bars, seed)
    sessions = bars["session"].unique().sort()
    # Bars are left out at random, now and then all those of a session.
    day = sessions[min(cut, sessions.len() - 2)]
    whole = until(run(bars, random_orders(seed), configuration), day)
    truncated = until(run(bars.filter(pl.col("session") <= day), random_orders(seed), configuration), day)
    noise = pl.Series(np.random.default_rng(seed + 1).uniform(0.2, 3.0, bars.height))
    later = pl.col("session") > day
    poison = bars.with_columns(
        pl.when(later).then(pl.col(name) * noise).otherwise(pl.col(name)).alias(name)
        for name in ("open", "high", "low", "close", "volume")
    )
    poisoned = until(run(poison, random_orders(seed), configuration), day)
    for name, frame in whole.items():
        assert frame.equals(truncated[name]), name
        assert frame.equals(poisoned[name]), name


@given(seed=st.integers(0, 100_000), configuration=st.sampled_from(CONFIGURATIONS))
@settings(max_examples=8, deadline=None)
def test_every_stream_keeps_its_promises(make_bars: MakeBars, seed: int, configuration: Configuration) -> None:
    bars = wild_market(make_bars, seed)
    result = run(bars, random_orders(seed), configuration)
    fills, orders, equity = result.fills, result.orders, result.equity
    assert (fills["session"] > fills["signal_session"]).all()
    assert (fills["slippage_usd"] >= 0).all()
    met = fills.join(bars.select("session", "symbol", "low", "high"), on=["session", "symbol"], how="left")
    slack = 1e-7
    assert (met["reference_price"] >= met["low"] - slack).all()
    assert (met["reference_price"] <= met["high"] + slack).all()
    if configuration.participation is not None:
        share = fills.group_by("session", "symbol").agg(pl.col("quantity_shares").abs().sum())
        share = share.join(bars.select("session", "symbol", "volume"), on=["session", "symbol"])
        assert (share["quantity_shares"] <= configuration.participation * share["volume"] + slack).all()
    if configuration.borrow_rate_per_year is None or configuration.account == "cash":
        assert (equity["gross_exposure_usd"] - equity["net_exposure_usd"]).abs().max() < slack
    if configuration.account == "cash":
        assert equity["cash_usd"].min() > -slack
    status = orders["status"].cast(pl.String)
    ended_empty = orders.filter(status.is_in(["cancelled", "expired", "rejected"]))
    assert ended_empty["reason"].null_count() == 0
    profit = equity["equity_usd"][-1] - 1e6 + equity["borrow_usd"].sum() + equity["interest_usd"].sum()
    assert result.trades["profit_usd"].sum() == pytest.approx(profit, abs=1e-3)
    again = run(bars.sample(fraction=1, shuffle=True, seed=seed), random_orders(seed), configuration)
    for name in ("runs", "orders", "fills", "trades", "equity", "actions"):
        assert getattr(result, name).equals(getattr(again, name)), name


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_published_intrabar_rule_and_its_opposite_bound_each_other(make_bars: MakeBars, seed: int) -> None:
    bars = wild_market(make_bars, seed).with_columns(
        high=pl.max_horizontal("open", "close") * 1.06, low=pl.min_horizontal("open", "close") * 0.94
    )
    worse = Configuration(slippage="proportional", participation=None)
    better = replace(worse, opposite_intrabar=True)
    entries = pl.DataFrame({"session": bars["session"].unique().sort()[[2]]})

    def strategy(view: View) -> list[Order]:
        if view.session != entries["session"][0]:
            return []
        price = view.bar(view.session, "A")["close"]
        guard = Bracket(stop_price=round(price * 0.97, 2), target_price=round(price * 1.03, 2))
        return [Order(symbol="A", quantity_shares=100.0, bracket=guard)]

    low, high = run(bars, strategy, worse), run(bars, strategy, better)
    assert low.trades["profit_usd"].sum() <= high.trades["profit_usd"].sum()


@pytest.mark.parametrize("seed", [1, 4, 7])
@pytest.mark.parametrize(
    "configuration",
    [*CONFIGURATIONS, Configuration(slippage="proportional", participation=0.05, initial_cash_usd=8_000.0)],
)
def test_the_tape_of_any_stream_gives_its_equity_again(
    make_bars: MakeBars, seed: int, configuration: Configuration
) -> None:
    """Splits while orders rest, cancelled exits and, in the poorest account, margin calls are all on the tape."""
    bars = wild_market(make_bars, seed)
    first = run(bars, random_orders(seed), configuration)
    again = run(bars, first.orders, configuration, first_session=bars["session"].min())
    assert again.equity.drop("run_key", "known_at").equals(first.equity.drop("run_key", "known_at"))
    assert ("margin_call" in first.runs["labels"].item()) == (configuration.initial_cash_usd < 1e4)
