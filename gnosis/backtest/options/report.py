"""The standard report of an options backtest: results by days to expiry and delta, and profit by Greek."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import polars as pl

from gnosis.backtest.options.account import Account
from gnosis.backtest.options.market import OptionsMarket
from gnosis.options.chain.clock import SECONDS_PER_YEAR, expiry_bucket
from gnosis.tables import TABLES
from gnosis.tables.greeks import EXPIRY_BUCKETS

DELTA_EDGES = [0.10, 0.25, 0.40, 0.60]
DELTA_BUCKETS = ["0.00-0.10", "0.10-0.25", "0.25-0.40", "0.40-0.60", "0.60-1.00"]
UNKNOWN_DELTA = "unknown"
GREEKS = ["delta", "gamma", "vega", "theta"]
CONFIDENCE = 0.95


def mean_interval(values: list[float]) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a mean by Student's t; None for fewer than two values.

    Examples
    --------
    >>> [round(end, 4) for end in mean_interval([1.0, 2.0, 3.0])]
    [-0.4841, 4.4841]
    """
    if len(values) < 2:
        return None, None
    import numpy as np
    from scipy import stats

    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    mean = float(np.mean(values))
    return mean - float(half), mean + float(half)


def share_interval(successes: int, n: int) -> tuple[float | None, float | None]:
    """Return the 95 % interval of a share (Wilson 1927); None without observations.

    Examples
    --------
    >>> [round(end, 4) for end in share_interval(7, 10)]
    [0.3968, 0.8922]
    """
    if n == 0:
        return None, None
    from scipy import stats

    found = stats.binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def delta_bucket(delta: float | None) -> str:
    """Return the bucket of an absolute delta.

    Examples
    --------
    >>> delta_bucket(-0.3), delta_bucket(0.1), delta_bucket(None)
    ('0.25-0.40', '0.10-0.25', 'unknown')
    """
    return UNKNOWN_DELTA if delta is None else DELTA_BUCKETS[bisect_right(DELTA_EDGES, abs(delta))]


def grid_rows(trades: pl.DataFrame, contracts: pl.DataFrame, market: OptionsMarket) -> pl.DataFrame:
    """Return profit per closed trade and share of winners by days to expiry and absolute delta at entry.

    Parameters
    ----------
    trades, contracts
        As in :class:`gnosis.backtest.options.result.OptionsResult`.
    market
        With the Greeks of the entry sessions; a trade without them is in the bucket ``unknown``.
    """
    closed = trades.filter(pl.col("exit_session").is_not_null()).join(
        contracts.select(symbol="contract", expiry="expiry"), on="symbol", how="inner", maintain_order="left"
    )
    deltas = [
        market.greeks_of(session, {name}).get(name, {}).get("delta")
        for session, name in zip(closed["entry_session"], closed["symbol"], strict=True)
    ]
    sized = closed.with_columns(
        dte=expiry_bucket((pl.col("expiry") - pl.col("entry_session")).dt.total_days()).cast(pl.String),
        delta=pl.Series([delta_bucket(delta) for delta in deltas], dtype=pl.String),
    )
    rows = []
    for days in EXPIRY_BUCKETS:
        for delta in (*DELTA_BUCKETS, UNKNOWN_DELTA):
            profits = sized.filter(pl.col("dte") == days, pl.col("delta") == delta)["profit_usd"].to_list()
            n, wins = len(profits), sum(profit > 0 for profit in profits)
            bucket = f"{days} days, |delta| {delta}"
            reason = None if n else "no closed trades"
            mean = (sum(profits) / n, *mean_interval(profits)) if n else (None, None, None)
            share = (wins / n, *share_interval(wins, n)) if n else (None, None, None)
            rows.append((bucket, "profit_per_trade", *mean, "$", reason, n))
            rows.append((bucket, "hit_rate", *share, "ratio", reason, n))
    return _rows("dte_by_delta", rows)


def attribution_rows(account: Account, market: OptionsMarket, profit_usd: float) -> pl.DataFrame:
    """Return the profit by delta, gamma, vega, theta and residual; the five sum to the profit.

    Greeks are those at the beginning of each interval between two quotes of a position: delta dS, gamma dS^2/2, vega
    dsigma and theta dt, with dsigma where both ends have a volatility. Shares are delta. The residual holds everything
    else: higher orders, intervals without Greeks, spreads, fees, interest and dividends.

    Parameters
    ----------
    account
        Account of a finished run.
    market
        With the Greeks; without any, all profit is residual.
    profit_usd
        Change of equity over the run.
    """
    states = _intervals(account)
    starts = [
        market.greeks_of(session, {name}).get(name, {})
        for session, name in zip(states["session"], states["contract"], strict=True)
    ]
    ends = [
        market.greeks_of(session, {name}).get(name, {})
        for session, name in zip(states["next_session"], states["contract"], strict=True)
    ]
    fields = {"delta": "delta", "gamma": "gamma_per_usd", "vega": "vega_per_vol", "theta": "theta_per_year", "iv": "iv"}
    known = states.with_columns(
        *(pl.Series(name, [row.get(column) for row in starts], dtype=pl.Float64) for name, column in fields.items()),
        next_iv=pl.Series([row.get("iv") for row in ends], dtype=pl.Float64),
    )
    move, years = pl.col("next_spot") - pl.col("spot"), pl.col("seconds") / SECONDS_PER_YEAR
    terms = known.select(
        delta=pl.col("delta") * move * pl.col("shares"),
        gamma=pl.col("gamma") * move**2 / 2 * pl.col("shares"),
        vega=pl.col("vega") * (pl.col("next_iv") - pl.col("iv")) * pl.col("shares"),
        theta=pl.col("theta") * years * pl.col("shares"),
    )
    n = {name: terms[name].count() for name in GREEKS}
    sums = {name: float(terms[name].sum()) for name in GREEKS}
    shares_usd, n_shares = _profit_of_shares(account)
    sums["delta"] += shares_usd
    n["delta"] += n_shares
    residual = profit_usd - sum(sums[name] for name in GREEKS)
    rows: list[tuple[object, ...]] = [(name, "profit", sums[name], None, None, "$", None, n[name]) for name in GREEKS]
    rows.append(("residual", "profit", residual, None, None, "$", None, states.height))
    return _rows("greek", rows)


def _intervals(account: Account) -> pl.DataFrame:
    """Return spot, instant and quantity at both ends of every interval in which a contract was held."""
    schema: dict[str, Any] = {
        "session": pl.Date, "contract": pl.String, "quantity": pl.Int64, "spot": pl.Float64,
        "at": pl.Datetime("us", "UTC"),
    }  # fmt: skip
    rows = [(item.session, item.contract, item.quantity, item.spot, item.at) for item in account.events.states]
    states = pl.DataFrame(rows, schema=schema, orient="row")
    multipliers = {name: contract.multiplier for name, contract in account.contracts.items()}
    later = {
        "next_session": pl.col("session").shift(-1).over("contract"),
        "next_spot": pl.col("spot").shift(-1).over("contract"),
        "seconds": (pl.col("at").shift(-1).over("contract") - pl.col("at")).dt.total_microseconds() / 1e6,
    }
    return (
        states.with_columns(**later)
        .filter(pl.col("quantity") != 0, pl.col("next_spot").is_not_null())
        .with_columns(
            shares=pl.col("quantity")
            * pl.col("contract").replace_strict(multipliers, default=None, return_dtype=pl.Int64)
        )
    )


def _profit_of_shares(account: Account) -> tuple[float, int]:
    """Return what shares made between the closes at which they were held, before dividends, and the intervals."""
    quantities: dict[str, int] = {}
    traded: dict[object, list[tuple[str, int]]] = {}
    for fill in account.events.fills:
        if fill.order.contract not in account.contracts:
            traded.setdefault(fill.session, []).append((fill.order.contract, fill.quantity))
    marks: dict[object, dict[str, float]] = {}
    for session, name, mid in account.events.marks:
        marks.setdefault(session, {})[name] = mid
    total, n, before = 0.0, 0, dict[str, float]()
    for closed in account.events.closes:
        now = marks.get(closed.session, {})
        for symbol in sorted(set(before) & set(now) & set(quantities)):
            total += quantities[symbol] * (now[symbol] - before[symbol])
            n += 1
        for symbol, quantity in traded.get(closed.session, []):
            quantities[symbol] = quantities.get(symbol, 0) + quantity
        quantities = {symbol: held for symbol, held in quantities.items() if held}
        before = now
    return total, n


def _rows(scope: str, rows: list[tuple[object, ...]]) -> pl.DataFrame:
    schema = {
        "bucket": pl.String, "metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
        "unit": pl.String, "reason": pl.String, "n": pl.Int64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(scope=pl.lit(scope))


def metrics_frame(run_key: str, parts: list[pl.DataFrame], is_synthetic: bool) -> pl.DataFrame:
    """Return the rows of ``backtests.metrics``."""
    schema = TABLES["backtests.metrics"].polars_schema
    return (
        pl.concat(parts)
        .with_columns(run_key=pl.lit(run_key), series=pl.lit("strategy"), synthetic=pl.lit(is_synthetic))
        .select(list(schema))
        .cast(schema)
    )
