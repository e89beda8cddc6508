"""Real SPX chains of May 2019: condors and calls by stored quotes, and morning settlement without its quotation."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from gnosis.backtest.options import (
    Leg,
    MissingSettlementError,
    OptionOrder,
    OptionsConfiguration,
    OptionsResult,
)
from gnosis.backtest.options.contracts import contract_names
from gnosis.sessions import schedule
from gnosis.tables import TABLES

pytestmark = [pytest.mark.real_data, pytest.mark.xdist_group("real")]
FIRST, LAST = dt.date(2019, 5, 2), dt.date(2019, 6, 7)
THIRD_FRIDAY = dt.date(2019, 5, 17)
SIZES = OptionsConfiguration(strategy="condor", size_unknown_contracts=10)
"""The files show no sizes, so that the largest order has to be stated."""


@pytest.fixture(scope="module")
def bars(shared_data) -> pl.DataFrame:
    found = pl.read_csv(shared_data / "equities" / "spx_ohlc_2016_2026.csv", try_parse_dates=True)
    renamed = found.select(
        session="date", open=pl.col("o").cast(pl.Float64), high=pl.col("h").cast(pl.Float64),
        low=pl.col("l").cast(pl.Float64), close=pl.col("c").cast(pl.Float64),
    )  # fmt: skip
    closes = schedule().select("session", ts="close_at", known_at="close_at")
    return (
        renamed.filter(pl.col("session").is_between(FIRST, LAST))
        .join(closes, on="session")
        .with_columns(
            symbol=pl.lit("SPX"), volume=pl.lit(None, pl.Float64), adjustment_factor=1.0, provider=pl.lit("files"),
            synthetic=False,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def quotes(shared_data) -> pl.DataFrame:
    schema = TABLES["raw.option_quotes"].polars_schema
    file = shared_data / "options" / "spx_cboe_chain_daily_2019-04-25_2019-07-22.parquet"
    root = pl.col("root").cast(pl.String)
    return (
        pl.scan_parquet(file)
        .with_columns(session=pl.col("quote_date").dt.date(), expiry=pl.col("expiration").dt.date())
        .filter(
            pl.col("session").is_between(FIRST, LAST),
            pl.col("expiry") >= pl.col("session"),
            pl.col("expiry") <= dt.date(2019, 6, 21),
        )
        .with_columns(
            symbol=pl.lit("SPX"), root=root, settlement=root.replace_strict({"SPX": "am", "SPXW": "pm"}),
            right=pl.col("right").cast(pl.String), strike=pl.col("strike").cast(pl.Float64),
            bid_size=pl.lit(None), ask_size=pl.lit(None), oi_session=pl.lit(None), multiplier=100.0,
            deliverable_shares=pl.lit(None), style=pl.lit("E"), provider=pl.lit("files"), synthetic=False,
        )
        .collect()
        .join(schedule().select("session", ts="chain_at"), on="session")
        .with_columns(known_at=pl.col("ts") + dt.timedelta(minutes=15))
        .select(list(schema))
        .cast(schema)
    )  # fmt: skip


def condors(view) -> list[OptionOrder]:
    """Sell a condor of afternoon-settled weeklies, one to two weeks out, whenever nothing is held; keep to expiry."""
    if view.positions:
        return []
    chain = view.chain()
    if chain.is_empty():
        return []
    spot = chain["spot"][0]
    own = chain.filter(
        pl.col("settlement") == "pm", pl.col("bid") > 0.1,
        (pl.col("expiry") - pl.col("session")).dt.total_days().is_between(5, 12),
    )  # fmt: skip
    if own.is_empty():
        return []
    own = own.filter(pl.col("expiry") == pl.col("expiry").min())

    def nearest(right: str, strike: float) -> str:
        side = own.filter(pl.col("right") == right)
        return side.sort((pl.col("strike") - strike).abs(), "strike")["contract"][0]

    legs = [("P", 0.96, 3), ("P", 0.975, -3), ("C", 1.02, -3), ("C", 1.035, 3)]
    return [OptionOrder(legs=tuple(Leg(nearest(right, share * spot), quantity) for right, share, quantity in legs))]


@pytest.fixture(scope="module")
def result(desk, quotes, bars) -> OptionsResult:
    return desk.run(quotes, bars, condors, SIZES)


def test_every_fill_is_a_stored_quote(result, quotes):
    traded = result.fills.filter(pl.col("kind") != "settlement")
    assert traded.height >= 12
    stored = quotes.with_columns(symbol=contract_names()).select("symbol", "session", "ts", "bid", "ask", "spot")
    cited = traded.join(stored, on=["symbol", "session"], how="left", maintain_order="left")
    assert (cited["ts_right"] == cited["quote_at"]).all()
    side = pl.when(pl.col("quantity_shares") > 0).then("ask").otherwise("bid")
    assert cited.select((side == pl.col("fill_price")).all()).item()
    assert (traded["session"] > traded["signal_session"]).all()
    assert (traded["quote_at"] > traded["session"].cast(pl.Datetime("us", "UTC"))).all()


def test_condors_fill_whole_or_not_at_all(result):
    whole = (
        result.orders.filter(pl.col("kind") == "market").group_by("session").agg(pl.col("status").n_unique(), pl.len())
    )
    assert whole["status"].unique().to_list() == [1]
    assert whole["len"].unique().to_list() == [4]


def test_books_balance_and_liquidation_is_below_mid(result):
    equity = result.equity
    assert (equity["liquidation_usd"] <= equity["equity_usd"]).all()
    held = equity.filter(pl.col("gross_exposure_usd") > 0)
    assert held.height > 15
    assert (held["liquidation_usd"] < held["equity_usd"]).all()
    profit = equity["equity_usd"][-1] - SIZES.initial_cash_usd
    assert result.trades["profit_usd"].sum() == pytest.approx(profit, abs=1e-4)
    cash = (result.fills["quantity_shares"] * result.fills["fill_price"]).sum() * 100 + result.fills["fee_usd"].sum()
    assert equity["cash_usd"][-1] == pytest.approx(SIZES.initial_cash_usd - cash, abs=1e-4)
    # Three contracts with wings of some 43 points: the worst case of a defined structure.
    assert held["margin_usd"].is_between(300 * 30, 300 * 60).all()


def test_afternoon_contracts_settle_on_the_official_close(result, bars):
    settled = result.settlements.join(bars.select("session", "close"), on="session")
    assert settled.height >= 8
    assert (settled["price_usd"] == settled["close"]).all()
    terms = result.contracts.select("contract", "right", "strike")
    paid = (
        result.fills.filter(pl.col("kind") == "settlement")
        .join(terms, left_on="symbol", right_on="contract", maintain_order="left")
        .join(bars.select("session", "close"), on="session", maintain_order="left")
    )
    beyond = pl.when(pl.col("right") == "C").then(pl.col("close") - pl.col("strike")).otherwise(
        pl.col("strike") - pl.col("close")
    )  # fmt: skip
    assert paid.select((pl.col("fill_price") - beyond.clip(0)).abs().max()).item() < 1e-9


def long_morning_call(view) -> list[OptionOrder]:
    if view.session != dt.date(2019, 5, 7):
        return []
    own = view.chain().filter(
        pl.col("settlement") == "am", pl.col("right") == "C", pl.col("expiry") == THIRD_FRIDAY, pl.col("strike") == 2850
    )
    return [OptionOrder(legs=(Leg(own["contract"][0], 1),))]


def test_morning_settlement_without_its_quotation_fails_loudly(desk, quotes, bars):
    with pytest.raises(MissingSettlementError, match="special opening quotation of SPX for 2019-05-17"):
        desk.run(quotes, bars, long_morning_call, SIZES)


def test_morning_settlement_pays_the_quotation_before_the_open(desk, quotes, bars):
    opens = schedule().filter(pl.col("session") == THIRD_FRIDAY)["open_at"]
    # The index's own first print stands in for the special quotation, which no file has.
    value = bars.filter(pl.col("session") == THIRD_FRIDAY)["open"]
    settlements = pl.DataFrame({"root": ["SPX"], "session": [THIRD_FRIDAY], "value": value, "known_at": opens})
    result = desk.run(quotes, bars, long_morning_call, SIZES, settlements=settlements)
    bought, paid = result.fills.rows(named=True)
    assert bought["session"] == dt.date(2019, 5, 8)
    assert paid["ts"] == opens[0]
    assert paid["fill_price"] == pytest.approx(value[0] - 2850.0)
    assert result.equity["equity_usd"][-1] - 1e6 == pytest.approx(
        100 * (paid["fill_price"] - bought["fill_price"]) - 0.65
    )


def test_without_a_stated_size_nothing_fills(desk, quotes, bars):
    result = desk.run(quotes, bars, long_morning_call, OptionsConfiguration())
    assert result.fills.is_empty()
    assert result.orders["reason"].str.starts_with("size_unknown").all()
