"""Tables of the backtests room: what the event engine did, bar by bar."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from gnosis.tables.dictionary import (
    Origin,
    count,
    day,
    flag,
    instant,
    label,
    number,
    text,
)


class BacktestsRuns(dy.Schema):
    """Configuration and identity of each backtest."""

    run_key = text(
        "hash of data, configuration and code: equal keys mean equal results",
        primary_key=True,
    )
    strategy = text("name of the strategy")
    first_session = day("first bar")
    last_session = day("last bar")
    n_symbols = count("symbols traded", nullable=False)
    fill_rule = text("when and at what price orders fill")
    configuration = text("full configuration as canonical JSON")
    data_sha256 = text("hash of bars and targets")
    labels = text("what a reader must know, joined by ','; diagnostic_no_cost must not be published")
    synthetic = flag("true when any input was generated")


class BacktestsFills(Origin):
    """Every fill with its reference price, slippage and fee."""

    run_key = text("backtest", primary_key=True)
    fill_number = count("order of the fill", nullable=False, primary_key=True)
    session = day("session of the fill")
    symbol = text("symbol traded")
    ts = instant("instant of the fill: open of the session")
    quantity_shares = number("shares", "signed quantity; negative is a sale", nullable=False)
    reference_price = number("$", "opening price", nullable=False)
    fill_price = number("$", "price paid or received", nullable=False)
    slippage_usd = number(
        "$",
        "side x (fill - reference) x quantity; inside the fill price",
        nullable=False,
    )
    fee_usd = number("$", "commission and fees", nullable=False, min=0)
    signal_session = day("session at whose close the target was decided")

    @dy.rule()
    def filled_after_signal(cls) -> pl.Expr:
        return pl.col("session") > pl.col("signal_session")


class BacktestsEquity(Origin):
    """Ledger totals at every close: cash plus positions is equity."""

    run_key = text("backtest", primary_key=True)
    session = day("session", primary_key=True)
    cash_usd = number("$", "cash after all postings", nullable=False)
    positions_usd = number("$", "market value of positions at the close", nullable=False)
    equity_usd = number("$", "cash plus positions", nullable=False)
    fees_usd = number("$", "fees posted in the session", nullable=False)
    borrow_usd = number("$", "borrow cost posted in the session", nullable=False)
    interest_usd = number("$", "interest on negative cash posted in the session", nullable=False)
    slippage_usd = number("$", "slippage memo of the session", nullable=False)
    dividends_usd = number("$", "dividends received less paid in the session", nullable=False)
    gross_exposure_usd = number("$", "sum of absolute position values", nullable=False)
    n_stale = count("positions marked at an earlier close because the bar is missing", nullable=False)
    drawdown = number("ratio", "equity over its running maximum, less 1", nullable=False, max=0)

    @dy.rule()
    def cash_plus_positions_is_equity(cls) -> pl.Expr:
        return (pl.col("cash_usd") + pl.col("positions_usd") - pl.col("equity_usd")).abs() < 0.005


class BacktestsMetrics(dy.Schema):
    """Figures of each backtest beside buy-and-hold of the same universe at the same costs."""

    run_key = text("backtest", primary_key=True)
    series = label(
        ["strategy", "buy_and_hold"],
        "which equity curve",
        nullable=False,
        primary_key=True,
    )
    metric = text("name of the metric", primary_key=True)
    value = number("unit of the metric", "value; null when undefined")
    unit = text("unit of the value")
    reason = text("why the value is null", nullable=True)
    n = count("returns behind the value", nullable=False)
    synthetic = flag("true when any input was generated")


class BacktestsTrials(dy.Schema):
    """The ledger of everything that was ever tried: appended, chained by hashes, never thinned."""

    sequence = count("position in the ledger, from 1", nullable=False, min=1, primary_key=True)
    trial_id = text("hash of what was tried: family, origin, parameters, data, code and period")
    family = text("universe, horizon and strategy or head: what trials are counted within")
    origin = label(
        ["training", "optuna", "sweep", "walk_forward", "backtest", "placebo", "vault"], "what tried it", nullable=False
    )
    parameters = text("what was tried, as canonical JSON")
    data_sha256 = text("hash of the data it was tried on")
    code_sha256 = text("hash of the code that tried it")
    period_first = day("first session of the data")
    period_last = day("last session of the data")
    status = label(["begun", "complete", "pruned", "failed"], "how far it came", nullable=False)
    n = count("returns or rows that the figures rest on")
    sharpe_per_period = number("ratio", "mean over standard deviation of the returns, not annualised")
    skewness = number("ratio", "of the returns")
    kurtosis = number("ratio", "of the returns, raw: 3 for the normal")
    loss = number("nats, or squared target", "what a trained model was judged by")
    returns_sha256 = text("hash of the returns per session, which are kept beside the ledger", nullable=True)
    previous_sha256 = text("row_sha256 of the row before; 64 zeros for the first")
    row_sha256 = text("hash of this row with previous_sha256")
