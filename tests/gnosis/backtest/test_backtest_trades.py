from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.backtest import Configuration
from tests.gnosis.backtest.recorded import run

MakeBars = Callable[..., pl.DataFrame]
COSTS = Configuration(initial_cash_usd=100_000.0, slippage="proportional", participation=None)


def shares(bars: pl.DataFrame, wanted: dict[int, float]) -> pl.DataFrame:
    days = bars["session"].unique().sort()
    return pl.DataFrame(
        {
            "session": [days[number] for number in wanted],
            "symbol": "A",
            "target_shares": list(map(float, wanted.values())),
        }
    )


def test_round_trips_of_the_published_toy(make_bars: MakeBars) -> None:
    opens = [100.00, 101.00, 102.50, 101.50, 103.00, 104.50, 103.50, 105.00]
    closes = [101.00, 102.50, 101.50, 103.00, 104.50, 103.50, 105.00, 105.50]
    high, low = [101.5, 103, 103, 103.5, 105, 105, 105.5, 106], [99.5, 100.5, 101, 101, 102.5, 103, 103, 104.0]
    bars = make_bars("A", opens, closes).with_columns(high=pl.Series(high), low=pl.Series(low))
    toy = Configuration(
        initial_cash_usd=100_000.0, slippage="proportional", slippage_bps=5.0, fee_bps=10.0, participation=None,
        borrow_rate_per_year=0.0, allow_zero_cost=True,
    )  # fmt: skip
    result = run(bars, shares(bars, dict(enumerate([100, 100, -50, -50, -50, 0, 100, 100]))), toy)
    trades = result.trades
    assert trades.select("side", "quantity_shares", "entry_price", "exit_price").rows() == [
        ("long", 100.0, 101.0505, 101.44925),
        ("short", 50.0, 101.44925, 103.55175),
        ("long", 100.0, 105.0525, 105.5),
    ]
    assert trades["profit_usd"].sum() == pytest.approx(99938.494725 - 100_000, abs=1e-9)
    assert trades["fees_usd"].sum() == pytest.approx(41.005275, abs=1e-9)
    assert trades["slippage_usd"].sum() == pytest.approx(20.5, abs=1e-9)
    assert trades["holding_sessions"].to_list() == [2, 3, 0]
    # Open from bar 1 to the open of bar 3: low 100.5 of bar 1, high 103.
    assert trades["mae_usd"][0] == pytest.approx((100.5 - 101.0505) * 100, abs=1e-9)
    assert trades["mfe_usd"][0] == pytest.approx((103.0 - 101.0505) * 100, abs=1e-9)
    assert trades["mae_usd"][1] == pytest.approx((101.44925 - 105.0) * 50, abs=1e-9)
    assert trades["exit_reason"].to_list() == ["signal", "signal", None]


@pytest.mark.parametrize("held", [101.0, -101.0])
def test_a_split_and_a_dividend_stay_in_the_round_trip(make_bars: MakeBars, held: float) -> None:
    prices = np.array([100.0, 100.0, 50.0, 49.5, 49.5])
    bars = make_bars("A", prices, prices, factor=[1, 1, 2, 2 / 0.99, 2 / 0.99])
    free = Configuration(**{**COSTS.__dict__, "slippage_bps": 0.0, "fee_bps": 0.0, "allow_zero_cost": True})
    result = run(bars, shares(bars, {0: held, 3: 0.0}), free)
    trade = result.trades.row(0, named=True)
    assert (trade["quantity_shares"], trade["entry_price"], trade["exit_price"]) == (101.0, 100.0, 99.0)
    assert trade["dividends_usd"] == pytest.approx(held, abs=1e-6)
    assert trade["profit_usd"] == pytest.approx(0.0, abs=1e-6)
    assert trade["mae_usd" if held > 0 else "mfe_usd"] == pytest.approx(-held, abs=1e-6)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_round_trips_add_up_to_the_ledger(make_bars: MakeBars, seed: int) -> None:
    rng = np.random.default_rng(seed)
    split = np.where(rng.random(30) < 0.1, rng.choice([2.0, 1.5, 0.1], 30), 1.0)
    closes = np.clip(50 * np.exp(np.cumsum(rng.normal(0, 0.03, 30))) / np.cumprod(split), 0.05, 1e5)
    dividend = np.where(rng.random(30) < 0.1, 1 / 0.99, 1.0)
    bars = make_bars("A", closes * np.exp(rng.normal(0, 0.01, 30)), closes, factor=np.cumprod(split * dividend))
    wanted = {number: float(rng.integers(-80, 80)) for number in range(30) if rng.random() < 0.6}
    result = run(bars, shares(bars, wanted or {0: 1.0}), COSTS)
    trades, equity = result.trades, result.equity
    profit = equity["equity_usd"][-1] - 100_000 + equity["borrow_usd"].sum() + equity["interest_usd"].sum()
    assert trades["profit_usd"].sum() == pytest.approx(profit, abs=1e-4)
    assert trades["fees_usd"].sum() == pytest.approx(equity["fees_usd"].sum(), abs=1e-6)
    assert trades["dividends_usd"].sum() == pytest.approx(equity["dividends_usd"].sum(), abs=1e-4)
    assert (trades["mae_usd"] <= 0).all()
    assert (trades["mfe_usd"] >= 0).all()


def test_a_lot_that_is_never_closed_has_no_reason(make_bars: MakeBars) -> None:
    bars = make_bars("A", [10.0] * 3, [10.0] * 3)
    trades = run(bars, shares(bars, {0: 5.0}), COSTS).trades
    assert trades.select("exit_session", "exit_reason", "idea_id").row(0) == (None, None, None)
