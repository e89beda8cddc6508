"""Tables of the backtests room: what was ordered, filled, held, earned and proven, one run after the other."""

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

ORDER_KINDS = ["market", "limit", "stop", "stop_limit", "opening_auction", "closing_auction", "settlement"]
ORDER_STATUS = ["resting", "partly_filled", "filled", "cancelled", "expired", "rejected"]
EXIT_REASONS = ["signal", "stop", "target", "delisting", "close_out", "expiry", "assignment", "exercise", "margin"]
SERIES = ["strategy", "buy_and_hold", "volatility_targeted", "random_entry"]
SCOPES = [
    "all", "month", "year", "vix_bucket", "liquidity_regime", "hedge_regime", "energy_quintile", "cost_multiple",
    "ablation", "dte_by_delta", "greek",
]  # fmt: skip
PEERS = ["vectorbt", "backtrader", "zipline"]
BENCHMARK_COLUMNS = (
    "buy_and_hold_usd",
    "volatility_targeted_usd",
    "random_entry_low_usd",
    "random_entry_median_usd",
    "random_entry_high_usd",
)
"""Columns of ``backtests.equity`` that are not of the account."""
CAUSES = [
    "fill_time", "fill_price_source", "slippage_basis", "fee_basis", "participation", "corporate_actions",
    "borrow_and_interest", "size_rounding", "close_out", "unexplained",
]  # fmt: skip


class BacktestsRuns(dy.Schema):
    """Configuration, identity and verdict of each backtest."""

    run_key = text(
        "hash of data, configuration and code: equal keys mean equal results",
        primary_key=True,
    )
    strategy = text("name of the strategy")
    family = text("what its trials are counted within")
    first_session = day("first bar")
    last_session = day("last bar")
    n_symbols = count("symbols traded", nullable=False)
    n_orders = count("orders submitted", nullable=False)
    n_fills = count("fills", nullable=False)
    n_trades = count("round trips, open ones included", nullable=False)
    n_trials = count("trials of its family in the ledger up to this run", nullable=False)
    share_ambiguous = number("ratio", "share of closed trades whose stop and target lay inside one bar", min=0, max=1)
    fill_rule = text("when and at what price orders fill")
    configuration = text("full configuration as canonical JSON")
    parameters = text("parameters of the strategy as canonical JSON")
    data_sha256 = text("hash of bars, orders and every table the strategy read")
    code_sha256 = text("hash of the code that decided")
    labels = text("what a reader must know, joined by ','; diagnostic_no_cost must not be published")
    is_publishable = flag("true when every condition of publication holds")
    blocked_by = text("the conditions that do not hold, joined by '; '", nullable=True)
    synthetic = flag("true when any input was generated")


class BacktestsOrders(Origin):
    """Every order with what became of it: the tape that other engines can replay."""

    run_key = text("backtest", primary_key=True)
    order_number = count("order of submission, from 0", nullable=False, primary_key=True)
    parent_number = count("entry that a stop or target protects; null for other orders")
    session = day("session at whose close it was submitted")
    symbol = text("symbol, or option contract")
    kind = label(ORDER_KINDS, "order type", nullable=False)
    quantity_shares = number("shares", "signed quantity asked for; negative is a sale", nullable=False)
    limit_price = number("$", "limit")
    stop_price = number("$", "stop")
    is_day_order = flag("true when what the first eligible session leaves is cancelled")
    status = label(ORDER_STATUS, "state at the end of the run", nullable=False)
    filled_shares = number("shares", "signed quantity filled", nullable=False)
    reason = text("why it was cancelled, expired or rejected", nullable=True)
    idea_id = text("idea that it follows", nullable=True)


class BacktestsFills(Origin):
    """Every fill with its reference price, slippage and fee."""

    run_key = text("backtest", primary_key=True)
    fill_number = count("order of the fill", nullable=False, primary_key=True)
    order_number = count("order filled", nullable=False)
    session = day("session of the fill")
    symbol = text("symbol traded, or option contract")
    ts = instant("instant of the fill; inside a bar its close, as the moment is not known")
    kind = label(ORDER_KINDS, "type of the order", nullable=False)
    quantity_shares = number("shares", "signed quantity; negative is a sale. Contracts for options", nullable=False)
    reference_price = number("$", "price before slippage: open, stop, limit, close or mid", nullable=False)
    fill_price = number("$", "price paid or received", nullable=False)
    slippage_usd = number(
        "$",
        "side x (fill - reference) x quantity; inside the fill price",
        nullable=False,
    )
    spread_cost_usd = number("$", "part of the slippage that is half the spread", nullable=False)
    impact_cost_usd = number("$", "part of the slippage that is impact", nullable=False)
    fee_usd = number("$", "commission, exchange and regulatory fees", nullable=False, min=0)
    signal_session = day("session at whose close the order was submitted")
    is_ambiguous = flag("true when stop and target lay inside the same bar")
    quote_row_id = text("option quote that filled it: contract and instant", nullable=True)
    quote_side = label(["bid", "ask"], "side of the quote taken")
    quote_at = instant("instant of the quote", nullable=True)
    quote_size = number("contracts", "size displayed on that side")

    @dy.rule()
    def filled_after_signal(cls) -> pl.Expr:
        return pl.col("session") >= pl.col("signal_session")


class BacktestsTrades(Origin):
    """Round trips, first in first out: each lot from its entry to its exit."""

    run_key = text("backtest", primary_key=True)
    trade_number = count("order of the entry, from 0", nullable=False, primary_key=True)
    symbol = text("symbol, or option contract")
    side = label(["long", "short"], "direction", nullable=False)
    quantity_shares = number("shares", "size of the round trip in shares of the entry day", nullable=False, min=0)
    entry_session = day("session of the entry")
    exit_session = day("session of the exit; null while open", nullable=True)
    entry_price = number("$", "fill price of the entry", nullable=False)
    exit_price = number("$", "fill price of the exit per share of the entry day; last mark while open", nullable=False)
    profit_usd = number("$", "gain after fees with dividends, before borrow and interest", nullable=False)
    fees_usd = number("$", "fees of entry and exit", nullable=False, min=0)
    slippage_usd = number("$", "slippage of entry and exit, inside the prices", nullable=False)
    dividends_usd = number("$", "dividends received less paid while held", nullable=False)
    initial_risk_usd = number("$", "distance to the protecting stop at entry x quantity; null without one", min=0)
    mae_usd = number("$", "worst open result at a bar's low or high before costs of exit", nullable=False, max=0)
    mfe_usd = number("$", "best open result at a bar's high or low before costs of exit", nullable=False, min=0)
    holding_sessions = count("sessions from entry to exit", nullable=False)
    exit_reason = label(EXIT_REASONS, "what closed it; null while open")
    is_ambiguous = flag("true when stop and target lay inside the same bar")
    idea_id = text("idea that it follows", nullable=True)


class BacktestsEquity(Origin):
    """Ledger totals at every close: cash, positions and dividends due are equity."""

    run_key = text("backtest", primary_key=True)
    session = day("session", primary_key=True)
    cash_usd = number("$", "cash after all postings", nullable=False)
    positions_usd = number("$", "market value of positions at the close; options at mid", nullable=False)
    receivable_usd = number("$", "dividends due to longs", nullable=False, min=0)
    payable_usd = number("$", "dividends owed by shorts", nullable=False, min=0)
    equity_usd = number("$", "cash, positions and receivables less payables", nullable=False)
    liquidation_usd = number("$", "equity with longs at bid and shorts at ask; null where no quotes are used")
    fees_usd = number("$", "fees posted in the session", nullable=False)
    borrow_usd = number("$", "borrow cost posted in the session", nullable=False)
    interest_usd = number("$", "interest paid on negative cash less received on cash in the session", nullable=False)
    slippage_usd = number("$", "slippage memo of the session", nullable=False)
    dividends_usd = number("$", "dividends received less paid in the session", nullable=False)
    gross_exposure_usd = number("$", "sum of absolute position values", nullable=False)
    net_exposure_usd = number("$", "sum of signed position values", nullable=False)
    margin_usd = number("$", "margin required; null for accounts without options")
    n_stale = count("positions marked at an earlier close because the bar is missing", nullable=False)
    drawdown = number("ratio", "equity over its running maximum, less 1", nullable=False, max=0)
    buy_and_hold_usd = number("$", "equity of buy-and-hold of the same universe at the same costs")
    volatility_targeted_usd = number("$", "equity of buy-and-hold scaled to 15 % volatility per year")
    random_entry_low_usd = number("$", "5 % of the draws with the same holding times and exposure lie below")
    random_entry_median_usd = number("$", "median of the draws with the same holding times and exposure")
    random_entry_high_usd = number("$", "95 % of the draws with the same holding times and exposure lie below")

    @dy.rule()
    def parts_are_equity(cls) -> pl.Expr:
        parts = pl.col("cash_usd") + pl.col("positions_usd") + pl.col("receivable_usd") - pl.col("payable_usd")
        return (parts - pl.col("equity_usd")).abs() < 0.005


class BacktestsMetrics(dy.Schema):
    """Figures of each backtest beside its benchmarks, whole and by market state, each ratio with its interval."""

    run_key = text("backtest", primary_key=True)
    series = label(SERIES, "which equity curve", nullable=False, primary_key=True)
    scope = label(SCOPES, "what the run is cut by; all is the whole run", nullable=False, primary_key=True)
    bucket = text("which part of it; all for the whole run", primary_key=True)
    metric = text("name of the metric", primary_key=True)
    value = number("unit of the metric", "value; null when undefined")
    low = number("unit of the metric", "lower end of its 95 % interval; null where none is made")
    high = number("unit of the metric", "upper end of its 95 % interval; null where none is made")
    unit = text("unit of the value")
    reason = text("why the value is null", nullable=True)
    n = count("returns or trades behind the value", nullable=False)
    synthetic = flag("true when any input was generated")


class BacktestsOverfitting(dy.Schema):
    """What is left of a result after counting how often was tried; too little data says how much is needed."""

    run_key = text("backtest", primary_key=True)
    statistic = text(
        "psr, dsr_all_trials, dsr_effective_trials, pbo, reality_check_p, spa_lower_p, spa_consistent_p, spa_upper_p, "
        "minimum_track_record, minimum_backtest_length, n_trials, n_effective_trials and what belongs to them",
        primary_key=True,
    )
    value = number("unit of the statistic", "value; null when there is too little data")
    unit = text("unit of the value")
    reason = text("why the value is null, with the length needed", nullable=True)
    n = count("returns behind the value", nullable=False)
    synthetic = flag("true when any input was generated")


class BacktestsWalkForward(dy.Schema):
    """Windows of a walk-forward optimisation: what was chosen before each test window, and what it then earned."""

    run_key = text("backtest of the stitched out-of-sample curve", primary_key=True)
    window_number = count("order of the window, from 0", nullable=False, primary_key=True)
    strategy = text("name of the strategy")
    scheme = label(["anchored", "rolling"], "whether training windows keep their first session", nullable=False)
    train_first = day("first session of training")
    train_last = day("last session of training, after purging")
    test_first = day("first session of the test window")
    test_last = day("last session of the test window")
    n_purged = count("sessions between training and test that belong to neither", nullable=False)
    search = label(["grid", "random", "optuna"], "how parameters were searched", nullable=False)
    n_candidates = count("parameter sets scored inside the training window", nullable=False)
    objective = text("what was maximised, declared before the run")
    parameters = text("parameters chosen, as canonical JSON")
    in_sample_score = number("unit of the objective", "score of the chosen set in purged validation inside training")
    in_sample_return = number("1/year", "annualised net return of the chosen set over the training window")
    out_of_sample_return = number("1/year", "annualised net return over the test window")
    net_profit_usd = number("$", "profit over the test window after costs", nullable=False)
    score_rank_correlation = number(
        "ratio", "rank correlation of candidate scores with those of the window before", min=-1, max=1
    )
    is_complete = flag("false when a unit of work failed twice; such a run feeds no overfitting statistic")
    synthetic = flag("true when any input was generated")


class BacktestsReconciliation(dy.Schema):
    """The same orders on other engines: each difference of a bar with its cause, to the cent."""

    run_key = text("backtest", primary_key=True)
    engine = label(PEERS, "engine that replayed the orders", nullable=False, primary_key=True)
    session = day("bar", primary_key=True)
    cause = label(CAUSES, "convention that makes the difference", nullable=False, primary_key=True)
    status = label(
        ["agreed", "explained", "unexplained", "unsupported", "not_run"],
        "agreed: equal to the cent; unsupported: the engine lacks what the run uses; not_run: it is not installed",
        nullable=False,
    )
    equity_usd = number("$", "equity of our engine at the close")
    peer_equity_usd = number("$", "equity of the other engine at the close")
    difference_usd = number("$", "theirs less ours that this cause makes")
    version = text("version of the engine", nullable=True)
    reason = text("what was switched, missing or unsupported", nullable=True)
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
