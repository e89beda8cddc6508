"""CPU seconds of the technical, regime and macro features, beside plain Polars expressions in the same run.

Run ``python benchmarks/features.py``. Ratios matter; absolute figures move with the machine. Rounds alternate, the
median of the process times counts, compilation is left out and shown alone. The Polars twin has the same 12 technical
columns, but one running recursion over all history that happens to be loaded where the contract wants 126 to 280 steps
for each row: far less work, and another number for every length of history. The last line says how far they are apart.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from gnosis.features.macro import macro
from gnosis.features.regime import regime
from gnosis.features.registry import features_of
from gnosis.features.technical import technical
from gnosis.sessions import schedule

ROUNDS = 3
LAST = dt.date(2024, 6, 28)


def days(count: int) -> pl.DataFrame:
    return schedule().filter(pl.col("session") <= LAST).tail(count).select("session", "close_at")


def bars(symbols: int, sessions: int) -> pl.DataFrame:
    """Return seeded random daily bars."""
    rng = np.random.default_rng(0)
    shape = (symbols, sessions)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.015, shape), axis=1))
    opening = close * np.exp(rng.normal(0.0, 0.005, shape))
    high = np.maximum(opening, close) * np.exp(np.abs(rng.normal(0.0, 0.006, shape)))
    low = np.minimum(opening, close) * np.exp(-np.abs(rng.normal(0.0, 0.006, shape)))
    names = pl.DataFrame({"symbol": [f"S{number:03d}" for number in range(symbols)]})
    prices = {"open": opening, "high": high, "low": low, "close": close}
    return names.join(days(sessions), how="cross").with_columns(
        *(pl.Series(name, values.ravel()) for name, values in prices.items()),
        ts="close_at",
        known_at="close_at",
        volume=pl.Series(rng.uniform(1e6, 5e6, close.size).round()),
        adjustment_factor=pl.lit(1.0),
        provider=pl.lit("benchmark"),
        synthetic=pl.lit(value=True),
    )


def index_levels(sessions: int) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    paths = {
        "^VIX": np.exp(rng.normal(2.9, 0.3, sessions)),
        "^GSPC": 3000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, sessions))),
    }
    return pl.concat(
        days(sessions).with_columns(
            symbol=pl.lit(name),
            close=pl.Series(path),
            known_at="close_at",
            provider=pl.lit("benchmark"),
            synthetic=pl.lit(value=True),
        )
        for name, path in paths.items()
    )


def observations(sessions: int) -> pl.DataFrame:
    published = days(sessions).with_columns(known_at=pl.col("close_at").shift(-1)).drop_nulls()
    return pl.concat(
        published.select(
            "known_at",
            series_id=pl.lit(series),
            ref_date="session",
            value=2.0 + pl.int_range(pl.len()) / 10_000,
            provider=pl.lit("benchmark"),
            synthetic=pl.lit(value=True),
        )
        for feature in features_of("macro")
        for series in feature.series
    )


def polars_twin(rows: pl.DataFrame) -> pl.DataFrame:
    """The 12 technical features as plain expressions over the symbol."""

    def ema(column: str, span: int) -> pl.Expr:
        return pl.col(column).ewm_mean(span=span, adjust=False)

    def wilder(column: str) -> pl.Expr:
        return pl.col(column).ewm_mean(alpha=1 / 14, adjust=False)

    price, before = pl.col("close"), pl.col("close").shift(1)
    change, step = price - before, (price / before).log()
    higher, lower = pl.col("high") - pl.col("high").shift(1), pl.col("low").shift(1) - pl.col("low")
    span = pl.max_horizontal(
        pl.col("high") - pl.col("low"), (pl.col("high") - before).abs(), (pl.col("low") - before).abs()
    )
    stages: list[dict[str, pl.Expr]] = [
        {
            "macd": ema("close", 12) - ema("close", 26),
            "up": change.clip(lower_bound=0.0),
            "down": (-change).clip(lower_bound=0.0),
            "span": span,
            "plus": pl.when((higher > lower) & (higher > 0)).then(higher).otherwise(0.0),
            "minus": pl.when((lower > higher) & (lower > 0)).then(lower).otherwise(0.0),
            "step": step,
        },
        {
            "tech_macd_histogram": (pl.col("macd") - ema("macd", 9)) / price,
            "rsi": 100.0 * wilder("up") / (wilder("up") + wilder("down")),
            "atr": wilder("span"),
            "tech_plus_di": 100.0 * wilder("plus") / wilder("span"),
            "tech_minus_di": 100.0 * wilder("minus") / wilder("span"),
        },
        {
            "dx": 100.0
            * (pl.col("tech_plus_di") - pl.col("tech_minus_di")).abs()
            / (pl.col("tech_plus_di") + pl.col("tech_minus_di")),
        },
        {"dx": pl.col("dx").fill_nan(None)},
        {
            "tech_macd_histogram_slope": pl.col("tech_macd_histogram").diff(3) / 3.0,
            "tech_rsi_slope": pl.col("rsi").diff(3) / 3.0,
            "tech_atr": pl.col("atr") / price,
            "tech_atr_expansion": pl.col("atr") / pl.col("atr").rolling_mean(20),
            "tech_roc_5": price / price.shift(5) - 1.0,
            "tech_roc_10": price / price.shift(10) - 1.0,
            "tech_roc_20": price / price.shift(20) - 1.0,
            "tech_momentum_zscore": (pl.col("step") - pl.col("step").rolling_mean(20).shift(1))
            / pl.col("step").rolling_std(20).shift(1),
            "tech_adx": wilder("dx"),
        },
    ]
    rows = rows.sort("symbol", "session")
    for stage in stages:
        rows = rows.with_columns(expression.over("symbol").alias(name) for name, expression in stage.items())
    return rows.select("session", "symbol", *(feature.name for feature in features_of("technical"))).sort(
        "session", "symbol"
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    schedule()
    small = bars(2, 600)
    small_levels = index_levels(600)
    compilation = cpu_seconds(lambda: (technical(small), regime(small, small_levels)))
    print(f"first call (compilation, or reading it from disk): {compilation:.2f} CPU-s")
    print(
        f"{'symbols':>8}{'sessions':>9}{'technical':>11}{'regime':>8}{'macro':>7}{'polars':>8}{'polars/technical':>18}"
    )
    for symbols, sessions in ((5, 1_800), (500, 2_520)):
        rows, levels, economy = bars(symbols, sessions), index_levels(sessions), observations(sessions)
        keys = rows.select("session", "symbol", as_of="known_at")
        work: dict[str, Callable[[], object]] = {
            "technical": lambda rows=rows: technical(rows),
            "regime": lambda rows=rows, levels=levels: regime(rows, levels),
            "macro": lambda keys=keys, economy=economy: macro(keys, economy),
            "polars": lambda rows=rows: polars_twin(rows),
        }
        rounds = [{name: cpu_seconds(call) for name, call in work.items()} for _ in range(ROUNDS)]
        median = {name: statistics.median(taken[name] for taken in rounds) for name in work}
        ratio = median["polars"] / median["technical"]
        print(
            f"{symbols:>8}{sessions:>9}{median['technical']:>11.2f}{median['regime']:>8.2f}{median['macro']:>7.2f}"
            f"{median['polars']:>8.2f}{ratio:>18.1f}"
        )
    late = pl.col("session") > days(2_000)["session"][0]
    ours, theirs = technical(rows).filter(late), polars_twin(rows).filter(late)
    apart = {
        feature.name: (ours[feature.name] - theirs[feature.name]).abs().max() for feature in features_of("technical")
    }
    print("largest difference after 520 sessions:", {name: f"{value:.0e}" for name, value in apart.items()})


if __name__ == "__main__":
    main()
