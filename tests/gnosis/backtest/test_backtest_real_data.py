"""Real bars and factors: the ledger must earn what the adjusted series says, splits and dividends included."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from gnosis.backtest import Configuration
from gnosis.sessions import schedule
from tests.gnosis.backtest.recorded import run

FREE = Configuration(
    initial_cash_usd=100_000_000.0, slippage="proportional", slippage_bps=0.0, fee_bps=0.0, participation=None,
    borrow_rate_per_year=0.0, margin_rate_per_year=0.0, allow_zero_cost=True,
)  # fmt: skip


def real_bars(shared_data: Path, symbol: str) -> pl.DataFrame:
    """Return bars of ``symbol`` as ``raw.equity_bars``; a factor row holds up to and including its own date."""
    raw = pl.read_parquet(shared_data / "equities" / "lean_us_daily_raw.parquet").filter(pl.col("ticker") == symbol)
    factors = (
        pl.read_csv(shared_data / "equities" / "lean_factor_files.csv", infer_schema_length=0)
        .filter(pl.col("ticker") == symbol)
        .select(
            session=pl.col("0").str.to_date("%Y%m%d"),
            adjustment_factor=pl.col("1").cast(pl.Float64) * pl.col("2").cast(pl.Float64),
        )
        .sort("session")
    )
    return (
        raw.select("open", "high", "low", "close", "volume", session=pl.col("date").dt.date(), symbol=pl.lit(symbol))
        .sort("session")
        .join_asof(factors, on="session", strategy="forward")
        .join(schedule().select("session", "close_at"), on="session", how="inner")
        .sort("session")
        .with_columns(
            pl.col("volume").cast(pl.Float64),
            adjustment_factor=pl.col("adjustment_factor") / pl.col("adjustment_factor").first(),
            ts="close_at",
            known_at="close_at",
            provider=pl.lit("lean"),
            synthetic=pl.lit(False),
        )
        .drop("close_at")
    )


@pytest.mark.real_data
@pytest.mark.parametrize("symbol", ["SPY", "AAPL", "IBM"])
def test_reinvested_holding_earns_the_adjusted_series(shared_data: Path, symbol: str) -> None:
    """Dividends are reinvested at the next open here and on the ex-date there: 0.4 basis points a year are left."""
    bars = real_bars(shared_data, symbol)
    targets = bars.select("session", "symbol", target_weight=pl.lit(1.0))
    result = run(bars, targets, FREE)
    adjusted = bars.select(pl.col("close") * pl.col("adjustment_factor")).to_series()
    bought = bars["open"][1] * bars["adjustment_factor"][1]
    ratio = result.equity["equity_usd"][-1] / 1e8 / (adjusted[-1] / bought)
    years = bars.height / 252
    assert abs(ratio ** (1 / years) - 1) * 1e4 < 1.0


@pytest.mark.real_data
def test_held_shares_and_dividends_add_up(shared_data: Path) -> None:
    bars = real_bars(shared_data, "SPY")
    targets = pl.DataFrame({"session": bars["session"][:1], "symbol": ["SPY"], "target_shares": [1_000_000.0]})
    result = run(bars, targets, FREE)
    dividends = result.equity["dividends_usd"].sum()
    expected = 1e8 + 1e6 * (bars["close"][-1] - bars["open"][1]) + dividends
    assert result.equity["equity_usd"][-1] == pytest.approx(expected, abs=1e-4)
    # The first-quarter dividend of 2020 was 1.40556 $ a share, ex 2020-03-20.
    paid = result.actions.filter(pl.col("session").dt.to_string("%Y-%m") == "2020-03")
    assert paid["per_share"].to_list() == pytest.approx([1.40556], abs=2e-4)


@pytest.mark.real_data
def test_real_splits_are_found(shared_data: Path) -> None:
    bars = real_bars(shared_data, "AAPL")
    targets = pl.DataFrame({"session": bars["session"][:1], "symbol": ["AAPL"], "target_shares": [100.0]})
    splits = run(bars, targets, FREE).actions.filter(pl.col("kind") == "split")
    days = [day.isoformat() for day in splits["session"]]
    assert list(zip(days, splits["per_share"], strict=True)) == [
        ("2000-06-21", 2.0),
        ("2005-02-28", 2.0),
        ("2014-06-09", 7.0),
        ("2020-08-31", 4.0),
    ]
