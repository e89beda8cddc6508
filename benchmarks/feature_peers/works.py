"""What is measured: each work is made ready apart from the clock, then called a few times in a process of its own."""

from __future__ import annotations

import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from feature_peers import market
from feature_peers.polars_twin import polars_twin
from gnosis.features.daily import DAILY, daily_features
from gnosis.features.daily_forms import LOOKBACK
from gnosis.features.hedge import hedge
from gnosis.features.liquidity import liquidity
from gnosis.features.macro import macro
from gnosis.features.matrix import matrix
from gnosis.features.regime import regime
from gnosis.features.sentiment import sentiment
from gnosis.features.technical import technical
from gnosis.sessions import shift_session

Work = Callable[[], int]
"""Does the work and returns the number of its columns."""

SMALL = 30


def daily(symbols: int, sessions: int) -> Work:
    bars, levels = market.bars(symbols, sessions), market.index_levels(sessions)
    return lambda: len(DAILY) if daily_features(bars, levels).height == bars.height else 0


def session(symbols: int, sessions: int) -> Work:
    """One further session out of the bars that it reads; the first call compares it with the whole."""
    bars, levels = market.bars(symbols, sessions), market.index_levels(sessions)
    last = bars["session"].max()
    needed = bars.filter(pl.col("session") >= shift_session(last, 1 - LOOKBACK))
    whole = daily_features(bars, levels).filter(pl.col("session") == last)
    if not daily_features(needed, levels, [last]).equals(whole):
        raise AssertionError("one session: expected the bits of the batch, found others")
    return lambda: daily_features(needed, levels, [last]).width - 3


def groups(symbols: int, sessions: int) -> Callable[[], pl.DataFrame]:
    bars, levels = market.bars(symbols, sessions), market.index_levels(sessions)
    economy = market.observations(sessions)
    keys = bars.select("session", "symbol", "known_at", "provider", "synthetic", as_of="known_at")
    rows = {group: market.engine_rows(group, keys) for group in market.ENGINES}

    def made() -> pl.DataFrame:
        return matrix(
            {
                "hedge": hedge(bars, rows["hedge"], levels),
                "liquidity": liquidity(bars, rows["liquidity"]),
                "sentiment": sentiment(bars, rows["sentiment"]),
                "technical": technical(bars),
                "regime": regime(bars, levels),
                "macro": macro(keys, economy),
            }
        )

    return made


def all_141(symbols: int, sessions: int) -> Work:
    made = groups(symbols, sessions)
    return lambda: made().width - 9


def lake(symbols: int, sessions: int) -> Work:
    """Read bars and index levels from the lake and write the matrix to it."""
    from resources.lake import Lake

    home = tempfile.TemporaryDirectory()
    store = Lake(Path(home.name))
    for name, frame in (
        ("raw.equity_bars", market.bars(symbols, sessions)),
        ("raw.index_levels", market.index_levels(sessions)),
    ):
        store.write(name, frame, frame["session"].unique().sort().to_list(), "benchmark")
    rows = groups(symbols, sessions)()
    wanted = rows["session"].unique().sort().to_list()

    def stored() -> int:
        read = store.read("raw.equity_bars").height + store.read("raw.index_levels").height
        store.write("features.matrix", rows, wanted, "benchmark")
        return rows.width if read and home.name else 0

    return stored


def library(part: str) -> Callable[[int, int], Work]:
    """The functions of the library's own groups, and the plain Polars expressions beside the technical one."""

    def ready(symbols: int, sessions: int) -> Work:
        bars, levels = market.bars(symbols, sessions), market.index_levels(sessions)
        keys, economy = bars.select("session", "symbol", as_of="known_at"), market.observations(sessions)
        calls: dict[str, Callable[[], pl.DataFrame]] = {
            "technical": lambda: technical(bars),
            "regime": lambda: regime(bars, levels),
            "macro": lambda: macro(keys, economy),
            "polars": lambda: polars_twin(bars),
        }
        return lambda: {"technical": 12, "regime": 9, "macro": 6, "polars": 12}[part] * (calls[part]().height > 0)

    return ready


def talib(symbols: int, sessions: int) -> Work:
    """Every function of TA-Lib on the bars of one symbol after the other, candlestick patterns left out."""
    import talib as ta
    from talib import abstract

    paths = market.prices(symbols, sessions)
    chosen = [
        abstract.Function(name) for group, members in ta.get_function_groups().items() for name in members
        if group not in ("Pattern Recognition", "Math Operators", "Math Transform") and name != "MAVP"
    ]  # fmt: skip

    def computed() -> int:
        columns = 0
        for row in range(symbols):
            inputs = {name: values[row] for name, values in paths.items()}
            columns = 0
            for function in chosen:
                found = function(inputs)
                columns += len(found) if isinstance(found, list) else 1
        return columns

    return computed


WORKS: dict[str, Callable[[int, int], Work]] = {
    "daily": daily,
    "session": session,
    "all_141": all_141,
    "lake": lake,
    "technical": library("technical"),
    "regime": library("regime"),
    "macro": library("macro"),
    "polars": library("polars"),
    "talib": talib,
}


def measure(name: str, symbols: int, sessions: int, rounds: int) -> None:
    """Print the medians of a work as one line of JSON; compilation is the first call on a small market."""
    start = time.process_time()
    WORKS[name](SMALL, min(sessions, 700))()
    compilation = time.process_time() - start
    work = WORKS[name](symbols, sessions)
    cpu, wall, columns = [], [], 0
    for _ in range(rounds):
        used, began = time.process_time(), time.perf_counter()
        columns = work()
        cpu.append(time.process_time() - used)
        wall.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    medians = {"cpu": statistics.median(cpu), "wall": statistics.median(wall)}
    print(json.dumps({"columns": columns, "first": compilation, "peak_mib": peak, **medians}))
