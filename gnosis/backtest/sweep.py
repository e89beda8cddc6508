"""Many parameter sets of one symbol at once: the semantics of the event engine without stops, limits or financing.

The position wanted at a close is filled at the next open with proportional slippage and fee, and marked at the close
(B-6.1). On that ground the equity of a set is that of :func:`gnosis.backtest.run` (B-6.2). Beyond it the event engine
charges interest on negative cash and borrow on shorts and calls margin; the sweep does none of that, and
``lowest_cash_usd`` and the sign of the position say where it would have been.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.backtest.configuration import Configuration
from gnosis.backtest.ledger import UNIT
from gnosis.backtest.market import checked_bars, frame_sha256
from gnosis.backtest.sweep_result import Sweep, recorded
from gnosis.backtest.trials import Recorder, Trial
from gnosis.learning.canonical import canonical_json

_Walk = Callable[[slice, tuple[float, float, float, float], NDArray[np.float64], NDArray[np.float64]], None]


def moving_average_cross(
    bars: pl.DataFrame,
    fast: Sequence[int],
    slow: Sequence[int],
    *,
    shares: int,
    configuration: Configuration,
    recorder: Recorder,
    code_sha256: str,
    is_short_below: bool = False,
    curves_of: Sequence[int] = (),
    threads: int = 2,
) -> Sweep:
    """Hold ``shares`` while the fast moving average of the close is above the slow one.

    Averages are compared exactly, as whole numbers of the smallest price step: no rounding decides a tie, and on a tie
    the position is flat. Each average is made once, however many sets share it.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of one symbol, without splits or dividends: pass adjusted prices for those.
    fast, slow
        Windows in bars of each set, of equal length.
    shares
        Whole shares held, above 0.
    configuration
        With ``slippage="proportional"`` and ``participation=None``; trials are counted within its ``strategy``.
    recorder
        Trial ledger: every set is written there before any is computed (B-6.3).
    code_sha256
        Hash of the code that asks, part of each trial.
    is_short_below
        Be short as many shares, and not flat, while the fast average is below the slow one.
    curves_of
        Numbers of the sets whose equity is wanted at every bar; their returns are kept with their trials.
    threads
        Sets are shared out among so many threads; the result does not depend on it.

    Raises
    ------
    ValueError
        For bars, windows, shares or a configuration that the sweep cannot honour; the message says which.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.backtest.trials import MemoryLedger
    >>> days = [dt.date(2024, 1, day) for day in (2, 3, 4, 5)]
    >>> at = [dt.datetime(2024, 1, day, 21, tzinfo=dt.UTC) for day in (2, 3, 4, 5)]
    >>> bars = pl.DataFrame({"session": days, "symbol": "SPY", "ts": at, "open": [100.0, 101.0, 102.0, 103.0],
    ...     "high": 104.0, "low": 99.0, "close": [100.0, 102.0, 103.0, 101.0], "volume": 1e6,
    ...     "adjustment_factor": 1.0, "known_at": at, "provider": "example", "synthetic": True})
    >>> costs = Configuration(slippage="proportional", participation=None, initial_cash_usd=100_000.0)
    >>> found = moving_average_cross(
    ...     bars, [1], [2], shares=100, configuration=costs, recorder=MemoryLedger(), code_sha256="c" * 64)
    >>> found.sets.select("parameters", "final_equity_usd", "n_fills").row(0)
    ('{"fast":1,"is_short_below":false,"shares":100,"slow":2}', 99893.879..., 1)
    """
    given = _checked(bars, shares, configuration)
    pairs, widths, totals, averages = exact_averages(given["close"].to_numpy(), fast, slow)
    opens, closes = given["open"].to_numpy(), given["close"].to_numpy()

    def walk(
        part: slice,
        account: tuple[float, float, float, float],
        out: NDArray[np.float64],
        curves: NDArray[np.float64],
    ) -> None:
        from gnosis.backtest.sweep_kernel import crosses

        crosses(opens, closes, averages, totals, widths, pairs[part], is_short_below, account, out, curves)

    rest = {"shares": int(shares), "is_short_below": bool(is_short_below)}
    parameters = [{"fast": int(n), "slow": int(m), **rest} for n, m in zip(fast, slow, strict=True)]
    trials = _trials(given, parameters, configuration, code_sha256)
    found = _walked(walk, given, trials, shares, configuration, recorder, curves_of, threads)
    return recorded(given, parameters, trials, recorder, curves_of, *found)


def sweep_signals(
    bars: pl.DataFrame,
    signals: NDArray[np.int8],
    parameters: Sequence[Mapping[str, Any]],
    *,
    shares: int,
    configuration: Configuration,
    recorder: Recorder,
    code_sha256: str,
    curves_of: Sequence[int] = (),
    threads: int = 2,
) -> Sweep:
    """Hold ``shares`` times the signal of each set.

    Parameters
    ----------
    bars, shares, configuration, recorder, code_sha256, curves_of, threads
        As of :func:`moving_average_cross`.
    signals
        int8 or bool, shape (bars, sets), decided at the close of each bar: 1 long, 0 flat, -1 short.
    parameters
        What made each set, one mapping per column.

    Raises
    ------
    ValueError
        As :func:`moving_average_cross`, and for signals of another shape, dtype or value.
    """
    given = _checked(bars, shares, configuration)
    if signals.dtype == np.bool_:
        signals = signals.view(np.int8)
    if signals.dtype != np.int8 or signals.shape != (given.height, len(parameters)) or not len(parameters):
        raise ValueError(
            f"expected signals of int8 or bool and shape (bars, sets) = ({given.height}, {len(parameters)}), found "
            f"{signals.dtype} {signals.shape}"
        )
    if signals.size and (signals.min() < -1 or signals.max() > 1):
        raise ValueError(f"expected signals of -1, 0 or 1, found {signals.min()} to {signals.max()}")
    opens, closes = given["open"].to_numpy(), given["close"].to_numpy()

    def walk(
        part: slice,
        account: tuple[float, float, float, float],
        out: NDArray[np.float64],
        curves: NDArray[np.float64],
    ) -> None:
        from gnosis.backtest.sweep_kernel import signals as walk_signals

        walk_signals(opens, closes, signals[:, part], account, out, curves)

    described = [{**each, "shares": int(shares)} for each in parameters]
    trials = _trials(given, described, configuration, code_sha256)
    found = _walked(walk, given, trials, shares, configuration, recorder, curves_of, threads)
    return recorded(given, described, trials, recorder, curves_of, *found)


def _checked(bars: pl.DataFrame, shares: int, configuration: Configuration) -> pl.DataFrame:
    given = checked_bars(bars)
    if given["symbol"].n_unique() != 1:
        raise ValueError(f"expected bars of one symbol, found {given['symbol'].unique().sort().to_list()}")
    if given["adjustment_factor"].n_unique() != 1:
        raise ValueError(
            f"expected bars without splits or dividends, found {given['adjustment_factor'].n_unique()} adjustment "
            "factors: multiply the prices by the factor and set it to 1, or use the event engine"
        )
    if configuration.slippage != "proportional" or configuration.participation is not None:
        raise ValueError(
            "expected slippage='proportional' and participation=None, found "
            f"{configuration.slippage!r} and {configuration.participation}: use the event engine for other costs"
        )
    if shares != int(shares) or shares < 1:
        raise ValueError(f"expected a whole number of shares of 1 or more, found {shares}")
    return given


def exact_averages(
    closes: NDArray[np.float64], fast: Sequence[int], slow: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return what :func:`gnosis.backtest.sweep_kernel.crosses` compares: pairs, windows, running totals and averages.

    Prices are counted in the largest step that all of them are multiples of, so that totals are whole numbers and an
    average is rounded once.

    Raises
    ------
    ValueError
        For windows that are no pairs of 1 bar or more, or prices whose totals would not be exact.

    Examples
    --------
    >>> exact_averages(np.array([10.0, 10.5, 11.5]), [1], [2])[3].tolist()
    [[20.0, 21.0, 23.0], [nan, 20.5, 22.0]]
    """
    windows = np.concatenate([np.asarray(fast, dtype=np.int64), np.asarray(slow, dtype=np.int64)])
    if len(fast) != len(slow) or not windows.size or windows.min() < 1:
        raise ValueError(
            f"expected as many fast as slow windows, each of 1 bar or more, found {len(fast)} and {len(slow)}, the "
            f"shortest of {windows.min(initial=2**31)} bars"
        )
    steps = np.rint(closes * UNIT).astype(np.int64)
    steps //= np.gcd.reduce(steps)
    widths, places = np.unique(windows, return_inverse=True)
    largest = int(steps.max()) * int(widths[-1])
    if largest >= 2**53 or largest * int(widths[-1]) >= 2**63:
        raise ValueError(
            f"expected prices and windows whose sums are exact, found {largest} price steps in {widths[-1]} bars: "
            "round the prices to cents or take shorter windows"
        )
    totals = np.concatenate([[0], np.cumsum(steps)])
    averages = np.full((widths.size, closes.size), np.nan)
    for row, width in zip(averages, widths.tolist(), strict=True):
        if width < totals.size:
            np.divide(totals[width:] - totals[:-width], width, out=row[width - 1 :])
    return places.reshape(2, -1).T.astype(np.int64).copy(), widths, totals, averages


def _trials(
    bars: pl.DataFrame, parameters: Sequence[Mapping[str, Any]], configuration: Configuration, code_sha256: str
) -> list[Trial]:
    first, last = bars["session"][0], bars["session"][-1]
    data_sha256, family = frame_sha256(bars), f"{bars['symbol'][0]} {configuration.strategy}"
    costs = asdict(configuration)
    return [
        Trial(family, "sweep", canonical_json({"configuration": costs, **each}), data_sha256, code_sha256, first, last)
        for each in parameters
    ]


def _walked(
    walk: _Walk,
    bars: pl.DataFrame,
    trials: Sequence[Trial],
    shares: int,
    configuration: Configuration,
    recorder: Recorder,
    curves_of: Sequence[int],
    threads: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write the trials down, then return the last state of every set and the curves asked for."""
    from gnosis.backtest.sweep_kernel import LANES, N_STATES

    n_sets = len(trials)
    if strangers := [number for number in curves_of if not 0 <= number < n_sets]:
        raise ValueError(f"expected curves of sets 0 to {n_sets - 1}, found {strangers}")
    if threads < 1:
        raise ValueError(f"expected 1 thread or more, found {threads}")
    recorder.begin_all(trials)
    multiple = configuration.cost_multiple
    rates = [
        round(bps * multiple * UNIT / 10_000) / UNIT for bps in (configuration.slippage_bps, configuration.fee_bps)
    ]
    account = (float(configuration.initial_cash_usd), float(shares), rates[0], rates[1])
    states, none = np.empty((n_sets, N_STATES)), np.empty((0, bars.height))
    n_blocks = -(-n_sets // LANES)
    edges = [min(LANES * (n_blocks * part // threads), n_sets) for part in range(threads + 1)]
    parts = [slice(first, last) for first, last in itertools.pairwise(edges) if first < last]
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        list(pool.map(lambda part: walk(part, account, states[part], none), parts))
    curves = np.empty((len(curves_of), bars.height))
    for row, number in enumerate(curves_of):
        walk(slice(number, number + 1), account, np.empty((1, N_STATES)), curves[row : row + 1])
    return states, curves
