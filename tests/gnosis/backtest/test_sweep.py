"""The sweep against the event engine, exact averages, ties, the ledger, and independence of threads (section 6)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from gnosis.backtest import Configuration
from gnosis.backtest.conditions import build_conditions
from gnosis.backtest.deciding import by_targets, checked_targets
from gnosis.backtest.ledger import UNIT
from gnosis.backtest.market import build_market
from gnosis.backtest.simulation import Simulation
from gnosis.backtest.sweep import moving_average_cross, sweep_signals
from gnosis.backtest.trials import MemoryLedger, verify_chain

COSTS = Configuration(
    strategy="cross",
    slippage="proportional",
    slippage_bps=5.0,
    fee_bps=10.0,
    participation=None,
    initial_cash_usd=100_000.0,
    borrow_rate_per_year=0.0,
    margin_rate_per_year=0.0,
    allow_zero_cost=True,
)
CODE = "c" * 64
V1_OPENS = [100.00, 101.00, 102.50, 101.50, 103.00, 104.50, 103.50, 105.00]
V1_CLOSES = [101.00, 102.50, 101.50, 103.00, 104.50, 103.50, 105.00, 105.50]

V1_EQUITY = [
    100000,
    100134.84495,
    100034.84495,
    99937.0150625,
    99862.0150625,
    99912.0150625,
    99904.249975,
    99938.494725,
]


def event_curves(bars: pl.DataFrame, signals: list[np.ndarray], shares: int) -> list[np.ndarray]:
    """The event engine over one market, without the frames that a whole run makes of it."""
    market = build_market(bars)
    conditions = build_conditions(market)
    curves = []
    for signal in signals:
        targets = bars.select("session", "symbol", target_shares=pl.Series(signal * shares).cast(pl.Float64))
        decide = by_targets(checked_targets(targets, market), market, 0)
        closes = Simulation(market, COSTS, {}, conditions).run(0, decide).closes
        curves.append(np.array([(close.cash + close.positions) / UNIT for close in closes]))
    return curves


def cross(bars, fast, slow, **rest):
    given = {"shares": 100, "configuration": COSTS, "recorder": MemoryLedger(), "code_sha256": CODE} | rest
    return moving_average_cross(bars, fast, slow, **given)


def exact_signal(closes: np.ndarray, fast: int, slow: int) -> np.ndarray:
    """The sign of the difference of two averages of decimal prices, in fractions."""
    cents = [Fraction(str(price)) for price in closes.tolist()]
    found = np.zeros(closes.size, dtype=np.int8)
    for t in range(max(fast, slow) - 1, closes.size):
        gap = sum(cents[t + 1 - fast : t + 1]) / fast - sum(cents[t + 1 - slow : t + 1]) / slow
        found[t] = (gap > 0) - (gap < 0)
    return found


def test_two_hundred_random_sets_equal_the_event_engine_at_every_bar(make_walk) -> None:
    """B-6.2."""
    bars = make_walk(["SPY"], 80, seed=11)
    rng = np.random.default_rng(3)
    fast, slow = rng.integers(1, 20, 200), rng.integers(2, 50, 200)
    found = cross(bars, fast, slow, is_short_below=True, curves_of=range(200))
    curves = found.curves["equity_usd"].to_numpy().reshape(200, -1)
    closes = bars["close"].to_numpy()
    signals = [exact_signal(closes, int(one), int(other)) for one, other in zip(fast, slow, strict=True)]
    for number, (signal, expected) in enumerate(zip(signals, event_curves(bars, signals, 100), strict=True)):
        np.testing.assert_allclose(curves[number], expected, rtol=1e-9, atol=0)
        row = found.sets.row(number, named=True)
        assert row["n_fills"] == np.count_nonzero(np.diff(signal[:-1], prepend=0))
        assert round(row["final_equity_usd"], 2) == round(expected[-1], 2)
        peaks = np.maximum.accumulate(expected)
        assert row["maximum_drawdown"] == pytest.approx((expected / peaks - 1).min(), abs=1e-12)
        if row["n_fills"]:
            returns = expected[1:] / expected[:-1] - 1
            assert row["sharpe_per_period"] == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-6, abs=1e-12)
    assert found.sets["n_fills"].sum() > 1_000


def test_the_ledger_toy_of_the_specification(make_bars) -> None:
    """V1: fees and the equity of every bar. Its 100 long and 50 short are two sets, because a sweep has one size."""
    bars = make_bars("SPY", V1_OPENS, V1_CLOSES)
    sides = {"long": ([1, 1, 0, 0, 0, 0, 1, 1], 100), "short": ([0, 0, -1, -1, -1, 0, 0, 0], 50)}
    parts = [
        sweep_signals(
            bars,
            np.array([signal], dtype=np.int8).T,
            [{"side": side}],
            shares=shares,
            configuration=COSTS,
            recorder=MemoryLedger(),
            code_sha256=CODE,
            curves_of=[0],
        )
        for side, (signal, shares) in sides.items()
    ]
    equity = parts[0].curves["equity_usd"] + parts[1].curves["equity_usd"] - 100_000
    assert equity.to_list() == pytest.approx(V1_EQUITY, abs=1e-8)
    assert sum(part.sets["fees_usd"].item() for part in parts) == pytest.approx(41.005275, abs=1e-10)


def test_ties_of_averages_are_decided_exactly(make_bars) -> None:
    """Prices in a cycle of three make averages over 3 and 6 bars equal at every bar; floats differ by rounding."""
    closes = np.tile([10.1, 10.2, 10.4], 20)
    totals = np.concatenate([[0], np.cumsum(closes)])
    floats = ((totals[6:] - totals[:-6]) / 6) > ((totals[6:] - totals[3:-3]) / 3)
    assert floats.any()
    found = cross(make_bars("SPY", closes, closes), [3], [6], is_short_below=True)
    assert found.sets["n_fills"].to_list() == [0]
    assert found.sets.select("sharpe_per_period", "reason").row(0) == (None, "never traded")


def test_averages_equal_as_floats_are_told_apart_as_whole_numbers() -> None:
    from gnosis.backtest.sweep_kernel import _add_above

    totals = np.cumsum(np.array([0, 1, 1, 2, 1, 1], dtype=np.int64))
    equal = np.zeros(5)
    equal[:2] = np.nan
    masks = np.zeros((2, 5), dtype=np.int32)
    _add_above(equal, equal, totals, (2, 3), masks[0], 4)
    _add_above(equal, equal, totals, (3, 2), masks[1], 4)
    # Means over 2 and 3 bars at bars 2 and 3: 1.5 > 4/3 and 1.5 > 4/3.
    assert (masks >> 4).tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]


def test_signals_and_averages_are_one_engine(make_walk) -> None:
    bars = make_walk(["SPY"], 300, seed=5)
    rng = np.random.default_rng(0)
    fast, slow = rng.integers(1, 20, 37), rng.integers(2, 60, 37)
    closes = bars["close"].to_numpy()
    wanted = np.stack([exact_signal(closes, int(a), int(b)) for a, b in zip(fast, slow, strict=True)], axis=1)
    direct = cross(bars, fast, slow, is_short_below=True).sets
    given = [{"fast": int(a), "slow": int(b)} for a, b in zip(fast, slow, strict=True)]
    shared = {"shares": 100, "configuration": COSTS, "code_sha256": CODE}
    found = [
        sweep_signals(bars, wanted, given, recorder=MemoryLedger(), threads=threads, **shared).sets
        for threads in (1, 2, 5)
    ]
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
    figures = ["final_equity_usd", "maximum_drawdown", "sharpe_per_period", "n_fills", "fees_usd", "lowest_cash_usd"]
    assert found[0].select(figures).equals(direct.select(figures))
    # A set is the same alone as in the company of others.
    alone = cross(bars, fast[20:21], slow[20:21], is_short_below=True).sets
    assert alone.select(figures).row(0) == direct.select(figures).row(20)


class Refusing(MemoryLedger):
    def begin_all(self, trials) -> None:
        raise RuntimeError(f"no room for {len(trials)} rows")


def test_every_set_is_in_the_ledger_before_any_is_computed(make_walk) -> None:
    """B-6.3."""
    bars = make_walk(["SPY"], 60)
    with pytest.raises(RuntimeError, match="no room for 3 rows"):
        cross(bars, [2, 3, 4], [9, 9, 9], recorder=Refusing())
    ledger = MemoryLedger()
    found = cross(bars, [2, 3, 4], [9, 9, 9], recorder=ledger, curves_of=[1])
    rows = ledger.rows()
    verify_chain(rows)
    assert rows["status"].to_list() == ["begun"] * 3 + ["complete"] * 3
    assert rows["family"].unique().to_list() == ["SPY cross"]
    assert rows["trial_id"].to_list() == found.sets["trial_id"].to_list() * 2
    kept = ledger.returns(rows["returns_sha256"].drop_nulls().item())
    curve = found.curves["equity_usd"]
    np.testing.assert_array_equal(kept["net_return"], curve.to_numpy()[1:] / curve.to_numpy()[:-1] - 1)
    cross(bars, [2, 3, 4], [9, 9, 9], recorder=ledger)
    assert ledger.rows().height == 6


def test_a_ruined_set_has_no_ratio(make_bars) -> None:
    prices = [100.0, 100.0, 101.0, 102.0, 20.0, 20.0]
    found = cross(make_bars("SPY", prices, prices), [1], [2], shares=2_000).sets
    assert found.select("sharpe_per_period", "reason").row(0) == (None, "the equity fell to 0 or below")
    assert found["lowest_cash_usd"][0] < 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"configuration": Configuration()}, "slippage='proportional'"),
        ({"shares": 0}, "whole number of shares"),
        ({"shares": 1.5}, "whole number of shares"),
        ({"curves_of": [2]}, "sets 0 to 1"),
        ({"threads": 0}, "1 thread"),
        ({"slow": [9]}, "as many fast as slow"),
        ({"slow": [9, 0]}, "1 bar or more"),
    ],
)
def test_what_the_sweep_cannot_honour_is_refused(make_walk, change, message) -> None:
    given = {"fast": [2, 3], "slow": [9, 9]} | change
    with pytest.raises(ValueError, match=message):
        cross(make_walk(["SPY"], 30), given.pop("fast"), given.pop("slow"), **given)


def test_bars_of_another_kind_are_refused(make_bars, make_walk) -> None:
    with pytest.raises(ValueError, match="one symbol"):
        cross(make_walk(["QQQ", "SPY"], 30), [2], [9])
    with pytest.raises(ValueError, match="2 adjustment factors"):
        cross(make_bars("SPY", [1.0, 2.0], [1.0, 2.0], factor=[0.5, 1.0]), [1], [2])
    steps = [8e7 + 1e-8, 8e7]
    with pytest.raises(ValueError, match="round the prices"):
        cross(make_bars("SPY", steps, steps), [1], [200])


@pytest.mark.parametrize(
    "signals", [np.zeros((30, 2), dtype=np.int8), np.zeros((30, 1)), np.full((30, 1), 2, dtype=np.int8)]
)
def test_signals_of_another_kind_are_refused(make_walk, signals) -> None:
    with pytest.raises(ValueError, match="expected signals"):
        sweep_signals(
            make_walk(["SPY"], 30),
            signals,
            [{}],
            shares=1,
            configuration=COSTS,
            recorder=MemoryLedger(),
            code_sha256=CODE,
        )
