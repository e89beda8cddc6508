"""What a strategy sees, truncation and poison, determinism, and the report."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.backtest.options import Leg, OptionOrder, OptionsConfiguration, contract_symbol
from gnosis.backtest.trials import MemoryLedger
from gnosis.backtest.view import LookAheadError

N = 24
EXPIRY_NUMBERS = (8, 16, 30)


def random_market(desk, seed=3):
    """Return bars, quotes and Greeks of a random walk with three expiries and eleven strikes."""
    rng = np.random.default_rng(seed)
    calendar = desk.days(N)
    closes = (100 * np.exp(np.cumsum(rng.normal(0, 0.01, N)))).round(2).tolist()
    expiries = [desk.days(40)["session"][number] for number in EXPIRY_NUMBERS]
    rows = []
    for day, close in zip(calendar["session"], closes, strict=True):
        for expiry in (expiry for expiry in expiries if expiry >= day):
            for strike in np.arange(90.0, 111.0, 2.0).tolist():
                for right in "CP":
                    worth = max(close - strike if right == "C" else strike - close, 0.0)
                    bid = round(worth + rng.uniform(0.1, 1.5), 2)
                    ask = round(bid + rng.uniform(0.02, 0.2), 2)
                    rows.append(desk.quote(day, right, strike, expiry, bid, ask, spot=close, style="E"))
    quotes = desk.quotes(rows)
    greeks = quotes.select("session", "root", "expiry", "right", "strike", "known_at", "spot", "ts").with_columns(
        pl.Series("iv", rng.uniform(0.1, 0.3, quotes.height)),
        pl.Series("delta", rng.uniform(-1, 1, quotes.height)),
        gamma_per_usd=pl.lit(0.05), vega_per_vol=pl.lit(8.0), theta_per_year=pl.lit(-10.0),
    )  # fmt: skip
    return desk.bars(closes), quotes, greeks


def trader(seed=0):
    """Return a strategy that trades spreads of the known chain, decided by that chain alone."""

    def decide(view):
        chain = view.chain()
        rng = np.random.default_rng([seed, int(chain["bid"].sum() * 100)])
        found = chain.filter(pl.col("bid") > 0, pl.col("expiry") > view.session)["contract"].sort()
        if found.is_empty():
            return []
        first, second = rng.choice(found.len(), 2, replace=False)
        legs = (Leg(found[int(first)], int(rng.choice([-2, -1, 1, 2]))), Leg(found[int(second)], 1))
        return [OptionOrder(legs=legs, legging=bool(rng.random() < 0.2))]

    return decide


def run(desk, bars, quotes, greeks=None, **rest):
    return desk.run(quotes, bars, trader(), OptionsConfiguration(**rest), greeks=greeks)


def upto(frame, last):
    return frame.filter(pl.col("session") <= last).drop("run_key")


def test_truncation_and_poison_change_nothing_before(desk):
    bars, quotes, greeks = random_market(desk)
    whole = run(desk, bars, quotes, greeks)
    assert whole.fills.height > 15
    assert not whole.settlements.is_empty()
    rng = np.random.default_rng(9)
    for number in (5, 8, 15):
        last = desk.days(N)["session"][number]
        cut = run(desk, *(frame.filter(pl.col("session") <= last) for frame in (bars, quotes, greeks)))
        later = pl.col("session") > last
        noise = [pl.Series(rng.uniform(0.5, 1.5, frame.height)) for frame in (bars, quotes)]
        scaled = [
            frame.with_columns(pl.when(later).then(pl.col(*names) * factor).otherwise(pl.col(*names)))
            for frame, factor, names in zip(
                (bars, quotes), noise, (["open", "high", "low", "close"], ["bid", "ask"]), strict=True
            )
        ]
        poisoned = run(desk, scaled[0], scaled[1], greeks)
        for other in (cut, poisoned):
            assert_frame_equal(upto(other.fills, last), upto(whole.fills, last))
            assert_frame_equal(upto(other.equity, last), upto(whole.equity, last))
            columns = ["order_number", "session", "symbol", "quantity_shares", "known_at"]
            before = pl.col("session") < last
            assert_frame_equal(
                other.orders.filter(before & (pl.col("kind") != "settlement")).select(columns).drop("order_number"),
                whole.orders.filter(before & (pl.col("kind") != "settlement")).select(columns).drop("order_number"),
            )


def test_rows_known_at_the_next_open_are_never_used(desk):
    bars, quotes, _ = random_market(desk)
    day = desk.days(N)["session"][3]
    opens = desk.days(N)["open_at"][4]
    late = quotes.with_columns(known_at=pl.when(pl.col("session") == day).then(pl.lit(opens)).otherwise("known_at"))
    without = quotes.filter(pl.col("session") != day)

    def quiet(view):
        return trader()(view) if not view.chain().is_empty() else []

    found = [desk.run(frame, bars, quiet, OptionsConfiguration()) for frame in (late, without)]
    assert_frame_equal(found[0].equity.drop("run_key"), found[1].equity.drop("run_key"))
    assert_frame_equal(found[0].fills.drop("run_key"), found[1].fills.drop("run_key"))


def test_two_runs_and_shuffled_rows_give_the_same_bytes(desk):
    bars, quotes, greeks = random_market(desk)
    first = run(desk, bars, quotes, greeks)
    second = run(desk, bars, quotes.sample(fraction=1.0, shuffle=True, seed=4), greeks)
    assert first.run_key == second.run_key
    for name in ("orders", "fills", "trades", "equity", "metrics", "settlements", "contracts"):
        assert_frame_equal(getattr(first, name), getattr(second, name))
    assert run(desk, bars, quotes, greeks, improvement=0.1).run_key != first.run_key


def test_the_view_shows_the_known_chain_and_refuses_later(desk):
    bars, quotes, greeks = random_market(desk)
    days = desk.days(N)
    seen = []

    def look(view):
        number = days["session"].index_of(view.session)
        seen.append(view.session)
        assert view.now == days["close_at"][number]
        assert view.chain()["session"].unique().to_list() == [view.session]
        assert view.greeks()["session"].unique().to_list() == [view.session]
        assert view.bars()["session"].max() == view.session
        assert view.bars(first=view.session).height == 1
        tomorrow = view.session + dt.timedelta(days=1)
        for ask in (view.chain, view.greeks, view.bars):
            with pytest.raises(LookAheadError):
                ask(tomorrow)
        assert max(view._chains) == view.session
        with pytest.raises(TypeError):
            view.positions["XYZ"] = 1
        return []

    desk.run(quotes, bars, look, OptionsConfiguration(), greeks=greeks)
    assert seen == days["session"].to_list()


def test_a_decision_waits_for_a_chain_that_is_known_after_the_close(desk):
    bars, quotes, _ = random_market(desk)
    close_at = desk.days(N)["close_at"][2]
    day = desk.days(N)["session"][2]
    late = quotes.with_columns(
        known_at=pl.when(pl.col("session") == day)
        .then(pl.lit(close_at + dt.timedelta(minutes=30)))
        .otherwise("known_at")
    )
    moments = {}

    def look(view):
        moments[view.session] = view.now
        return []

    desk.run(late, bars, look, OptionsConfiguration(decision_lag_minutes=5.0))
    assert moments[day] == close_at + dt.timedelta(minutes=30)
    assert moments[desk.days(N)["session"][1]] == desk.days(N)["close_at"][1] + dt.timedelta(minutes=5)


def test_attribution_sums_to_the_profit_and_trades_too(desk):
    bars, quotes, greeks = random_market(desk)
    result = run(desk, bars, quotes, greeks)
    profit = result.equity["equity_usd"][-1] - 1e6
    by_greek = result.metrics.filter(pl.col("scope") == "greek")
    assert by_greek["bucket"].to_list() == ["delta", "gamma", "vega", "theta", "residual"]
    assert by_greek["value"].sum() == pytest.approx(profit, abs=1e-6)
    assert (by_greek["value"] != 0).all()
    assert result.trades["profit_usd"].sum() == pytest.approx(profit, abs=1e-6)
    bare = run(desk, bars, quotes).metrics.filter(pl.col("scope") == "greek")
    assert bare["value"].to_list() == pytest.approx([0.0, 0.0, 0.0, 0.0, profit])


def test_attribution_of_one_interval_is_greek_times_move(desk):
    bars, quotes, greeks = random_market(desk)
    days = desk.days(N)
    name = contract_symbol("XYZ", desk.days(40)["session"][30], "C", 100.0)
    decide = desk.orders_on(d0=[OptionOrder(legs=(Leg(name, 2),))], d1=[OptionOrder(legs=(Leg(name, -2),))])
    first = 3
    bars, quotes, greeks = (
        frame.filter(pl.col("session") <= days["session"][first]) for frame in (bars, quotes, greeks)
    )
    result = desk.run(quotes, bars, decide, OptionsConfiguration(), greeks=greeks)
    own = greeks.filter(
        pl.col("strike") == 100.0, pl.col("right") == "C", pl.col("expiry") == desk.days(40)["session"][30]
    ).sort("session")
    start, end = own.row(1, named=True), own.row(2, named=True)
    move = end["spot"] - start["spot"]
    expected = [
        200 * start["delta"] * move,
        200 * 0.05 * move**2 / 2,
        200 * 8.0 * (end["iv"] - start["iv"]),
        200 * -10.0 * (end["ts"] - start["ts"]).total_seconds() / (365 * 86_400),
    ]
    found = result.metrics.filter(pl.col("scope") == "greek")["value"].to_list()
    assert found[:4] == pytest.approx(expected)
    assert sum(found) == pytest.approx(result.equity["equity_usd"][-1] - 1e6)


def test_the_grid_counts_every_closed_option_trade(desk):
    bars, quotes, greeks = random_market(desk)
    result = run(desk, bars, quotes, greeks)
    grid = result.metrics.filter(pl.col("scope") == "dte_by_delta", pl.col("metric") == "profit_per_trade")
    closed = result.trades.filter(pl.col("exit_session").is_not_null())
    assert grid.height == 24
    assert grid["n"].sum() == closed.height
    assert (grid["value"].fill_null(0) * grid["n"]).sum() == pytest.approx(closed["profit_usd"].sum())
    assert grid.filter(pl.col("n") == 0)["reason"].unique().to_list() == ["no closed trades"]
    several = grid.filter(pl.col("n") > 1)
    assert (several["low"] <= several["value"]).all()
    assert (several["value"] <= several["high"]).all()
    assert grid.filter(pl.col("bucket").str.contains("unknown"))["n"].sum() == 0


def test_the_run_is_written_to_the_ledger_before_it_has_a_result(desk):
    bars, quotes, _ = random_market(desk)
    ledger = MemoryLedger()

    def fails(view):
        assert ledger.rows()["status"].to_list() == ["begun"]
        raise ArithmeticError("strategy")

    with pytest.raises(ArithmeticError):
        desk.run(quotes, bars, fails, OptionsConfiguration(), recorder=ledger)
    assert ledger.rows()["status"].to_list() == ["begun", "failed"]
    desk.run(quotes, bars, trader(), OptionsConfiguration(), recorder=ledger)
    assert ledger.rows()["status"].to_list() == ["begun", "failed", "complete"]


def test_quotes_that_name_one_contract_twice_are_refused(desk):
    bars, quotes, _ = random_market(desk)
    with pytest.raises(ValueError, match="one quote per contract and session"):
        run(desk, bars, pl.concat([quotes, quotes.head(1)]))
