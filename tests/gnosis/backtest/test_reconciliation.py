"""Section 8 of the backtest specification: differences to the cent, their causes, and what has none."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import polars as pl
import pytest

from gnosis.backtest import Configuration
from gnosis.backtest.conventions import Conventions, ReplayMarket, replayed_equity
from gnosis.backtest.order_tape import order_tape, replay_bars
from gnosis.backtest.reconciliation import PeerResult, reconcile, replay_market, unexplained
from gnosis.tables import TABLES
from gnosis.tables.backtests import CAUSES
from tests.gnosis.backtest.conftest import walk
from tests.gnosis.backtest.ledger_toy import COSTS, EQUITY, toy_bars, toy_equity, toy_fills
from tests.gnosis.backtest.recorded import run


def peer_fills(**changes: pl.Expr) -> pl.DataFrame:
    return toy_fills().rename({"fill_number": "tape_number"}).with_columns(**changes)


def peer(fills: pl.DataFrame, equity: list[float] | None = None) -> PeerResult:
    """Return a peer with these fills and the equity that follows from them by the plainest arithmetic."""
    bars = toy_bars()
    if equity is None:
        equity = []
        for session, close in bars.select("session", "close").rows():
            cash, held = 100_000.0, 0.0
            for filled_at, quantity, price, fee in fills.select(
                "session", "quantity_shares", "fill_price", "fee_usd"
            ).rows():
                if filled_at <= session:
                    cash, held = cash - quantity * price - fee, held + quantity
            equity.append(cash + held * close)
    return PeerResult("backtrader", "1", fills, pl.DataFrame({"session": bars["session"], "equity_usd": equity}))


def compared(result: PeerResult, equity: pl.DataFrame | None = None) -> pl.DataFrame:
    return reconcile("k", toy_fills(), toy_equity() if equity is None else equity, toy_bars(), COSTS, [result])


def causes(rows: pl.DataFrame) -> set[str]:
    return set(rows.filter(pl.col("cause").cast(pl.String) != "unexplained")["cause"].cast(pl.String))


def test_equal_books_agree_on_every_bar() -> None:
    rows = compared(peer(peer_fills()))
    assert rows["status"].to_list() == ["agreed"] * 8 and rows["difference_usd"].abs().max() < 1e-9
    assert unexplained(rows).is_empty() and TABLES["backtests.reconciliation"].schema.is_valid(rows)


def test_causes_are_switched_in_the_order_of_the_specification() -> None:
    assert [field.name for field in dataclasses.fields(Conventions)] == CAUSES[:-1]


REFERENCE, SIZE = pl.col("reference_price"), pl.col("quantity_shares").abs()
CLOSE = pl.Series([102.5, 103.0, 105.0, 105.5])
SIDE = pl.col("quantity_shares").sign()


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("fee_basis", {"fee_usd": REFERENCE * SIZE * 0.001}),
        ("fee_basis", {"fee_usd": pl.lit(0.0)}),
        ("slippage_basis", {"fill_price": REFERENCE, "fee_usd": pl.col("fee_usd")}),
        ("fill_price_source", {"fill_price": CLOSE * (1 + SIDE * 0.0005)}),
        ("participation", {"quantity_shares": pl.Series([80.0, -80.0, 50.0, 80.0])}),
    ],
)
def test_a_planted_convention_is_named_and_nothing_is_left(cause: str, changes: dict[str, pl.Expr]) -> None:
    fills = peer_fills(**changes)
    if cause != "fee_basis":
        fills = fills.with_columns(fee_usd=pl.col("fill_price") * SIZE * 0.001)
    rows = compared(peer(fills))
    assert causes(rows) == {cause}
    rest = rows.filter(pl.col("cause").cast(pl.String) == "unexplained")
    assert rest["difference_usd"].abs().max() < 1e-6
    is_alike = ((rest["peer_equity_usd"] - rest["equity_usd"]).abs() < 0.005).to_list()
    assert rest["status"].to_list() == ["agreed" if alike else "explained" for alike in is_alike]
    assert not all(is_alike)
    assert unexplained(rows).is_empty()


def test_a_later_fill_time_is_named_beside_the_price_it_brings() -> None:
    bars = toy_bars()
    at = bars["session"].search_sorted(toy_fills()["session"]).to_numpy() + 1
    kept = at < bars.height
    reference = np.append(bars["open"].to_numpy(), np.nan)[at]
    price = reference * (1 + np.sign(toy_fills()["quantity_shares"].to_numpy()) * 0.0005)
    days = pl.Series([*bars["session"], None])
    fills = peer_fills(session=days.gather(at), fill_price=pl.Series(price)).filter(pl.Series(kept))
    rows = compared(peer(fills.with_columns(fee_usd=pl.col("fill_price") * SIZE * 0.001)))
    assert "fill_time" in causes(rows) and "fill_price_source" not in causes(rows)
    assert unexplained(rows).is_empty()


@pytest.mark.parametrize(("cents", "fails"), [(0.4, False), (1.0, False), (1.5, True), (200.0, True)])
def test_more_than_a_cent_without_a_cause_fails(cents: float, fails: bool) -> None:
    equity = list(EQUITY)
    equity[4] += cents / 100
    rows = compared(peer(peer_fills(), equity))
    assert (not unexplained(rows).is_empty()) is fails
    assert rows["status"][4] == ("unexplained" if cents >= 0.5 else "agreed")


def test_a_missing_fill_is_no_convention() -> None:
    rows = compared(peer(peer_fills().filter(pl.col("tape_number") != 2)))
    failing = unexplained(rows)
    assert failing["session"].to_list() == toy_bars()["session"].to_list()[6:]
    assert "fill 2 of A" in failing["reason"][0]


def test_one_odd_fill_price_is_named_although_equity_agrees() -> None:
    """Two wrongs that cancel in the equity are seen in the fills."""
    odd = pl.when(pl.col("tape_number") == 1)
    fills = peer_fills(
        fill_price=odd.then(pl.col("fill_price") - 0.01).otherwise("fill_price"),
        fee_usd=odd.then(pl.col("fee_usd") - 1.5).otherwise("fee_usd"),
    )
    rows = compared(peer(fills, EQUITY))
    assert rows.filter(pl.col("status").cast(pl.String) == "unexplained")["session"].to_list() == [
        toy_bars()["session"][3]
    ]


def test_charges_that_no_peer_makes_earn_no_credit() -> None:
    charges = pl.Series([0.0, 0.0, 0.0, 0.0, 1.25, 1.5, 0.0, 0.0])
    equity = toy_equity().with_columns(borrow_usd=charges, equity_usd=pl.col("equity_usd") - charges.cum_sum())
    rows = compared(peer(peer_fills()), equity)
    assert causes(rows) == {"borrow_and_interest"} and unexplained(rows).is_empty()
    of_charges = rows.filter(pl.col("cause").cast(pl.String) == "borrow_and_interest")
    assert of_charges["difference_usd"].to_list() == pytest.approx([1.25, 2.75, 2.75, 2.75])
    assert set(rows.filter(pl.col("session") >= toy_bars()["session"][4])["status"]) == {"unsupported"}


def test_splits_dividends_and_delistings_of_the_replay() -> None:
    """100 shares at 10 $, 2 for 1 with 0.25 $ for each new share, then delisted at 4 $: 100 * 2 * (0.25 + 4) - 1000."""
    days = toy_bars()["session"].head(4)
    ones = np.ones((4, 1))
    splits, dividends = ones.copy(), 0 * ones
    splits[2], dividends[2] = 2.0, 0.25
    prices = {name: np.array([[10.0], [10.0], [5.0], [5.0]]) for name in ("open", "high", "low", "close", "volume")}
    market = ReplayMarket(days, ["A"], 1000.0, prices, splits, dividends, np.zeros(4), [(3, 0, 4.0)])
    tape = pl.DataFrame(
        {"session": days[1:2], "symbol": "A", "quantity_shares": 100.0, "price": None, "slippage_ratio": 0.0,
         "fee_ratio": 0.0}
    )  # fmt: skip
    assert replayed_equity(market, tape, Conventions()).tolist() == [1000.0, 1000.0, 1050.0, 850.0]
    assert replayed_equity(market, tape, Conventions(corporate_actions=False, close_out=False)).tolist() == [
        1000.0, 1000.0, 500.0, 500.0,
    ]  # fmt: skip


def test_prices_of_the_engines_own_rules_earn_no_credit() -> None:
    fills = toy_fills().with_columns(kind=pl.Series(["market", "stop", "market", "market"]))
    tape = order_tape(fills, COSTS)
    assert tape["price"].to_list() == [None, 101.5, None, None]
    rows = reconcile("k", fills, toy_equity(), toy_bars(), COSTS, [peer(peer_fills())])
    assert rows["status"].to_list() == ["agreed"] * 3 + ["unsupported"] + ["agreed"] * 4


def test_options_are_unsupported_and_absent_and_failed_peers_are_named() -> None:
    options = toy_fills().with_columns(symbol=pl.lit("A 20150117C100"))
    rows = reconcile("k", options, toy_equity(), toy_bars(), COSTS, [peer(peer_fills())])
    assert set(rows["status"]) == {"unsupported"} and rows["peer_equity_usd"].is_null().all()
    absent = compared(PeerResult("zipline", reason="run `make peers`", is_installed=False))
    assert set(absent["status"]) == {"not_run"} and unexplained(absent).is_empty()
    failed = compared(PeerResult("zipline", reason="zipline: ended with code 1"))
    assert unexplained(failed).height == 8 and set(failed["reason"]) == {"zipline: ended with code 1"}


def test_missing_bars_repeat_the_close_and_begin_null() -> None:
    bars = toy_bars()
    days = bars["session"]
    later = bars.filter(~pl.col("session").is_in([days[0], days[4]])).with_columns(symbol=pl.lit("B"))
    tape = pl.DataFrame({"symbol": ["A", "B"]})
    laid = replay_bars(pl.concat([bars, later]), toy_equity(), tape).filter(pl.col("symbol") == "B")
    assert laid["session"].to_list() == days.to_list()
    assert laid["close"].to_list() == [None, *bars["close"][1:4], 103.0, *bars["close"][5:]]
    assert laid["open"][4] == 103.0 and laid["volume"][4] == 1.0


def test_engines_that_the_table_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="found \\['bt'\\]"):
        compared(PeerResult("bt"))


def test_the_replay_gives_the_equity_of_the_engine_with_every_cost_and_action_on() -> None:
    """Half a cent is the tolerance of the comparison; the two computations share no code."""
    bars = walk(["A", "B", "C"], 60)
    days = bars["session"].unique().sort()
    factor = np.where(np.arange(60) < 50, np.where(np.arange(60) < 40, 1.0, 1.01), 2.02)
    price = np.where(np.arange(60) < 50, 1.0, 0.5)
    step = pl.DataFrame({"session": days, "symbol": "B", "step": factor, "half": price})
    bars = bars.join(step, on=["session", "symbol"], how="left", maintain_order="left").with_columns(
        pl.col("open", "high", "low", "close") * pl.col("half").fill_null(1.0),
        adjustment_factor=pl.col("step").fill_null(1.0),
    )
    traded = bars.filter(pl.col("session") >= days[25]).select("session", "symbol")
    weights = np.random.default_rng(0).uniform(-0.9, 0.9, traded.height).round(2)
    configuration = Configuration(initial_cash_usd=20_000_000.0)
    result = run(bars, traded.with_columns(target_weight=pl.Series(weights)), configuration)
    assert set(result.actions["kind"]) == {"split", "dividend"} and result.equity["borrow_usd"].max() > 0
    costs = json.loads(configuration.canonical_json())
    own = result.fills.select("session", "quantity_shares", "fill_price", "fee_usd", tape_number="fill_number")
    same = PeerResult("backtrader", "1", own, result.equity.select("session", "equity_usd"))
    rows = reconcile("k", result.fills, result.equity, bars, costs, [same])
    assert set(rows["status"]) == {"agreed"}
    tape = order_tape(result.fills, costs)
    market = replay_market(bars, result.equity, tape, costs, None)
    gap = replayed_equity(market, tape, Conventions()) - result.equity["equity_usd"].to_numpy()
    assert np.abs(gap).max() < 0.005
