"""What a sweep hands back and what the trial ledger is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.backtest.trials import Ended, Recorder, Trial
from gnosis.learning.canonical import canonical_json


@dataclass(frozen=True)
class Sweep:
    """What became of every parameter set.

    Attributes
    ----------
    sets
        One row per set in the order given: ``set_number``, ``parameters`` (canonical JSON), ``final_equity_usd``,
        ``maximum_drawdown`` (ratio, 0 or below), ``sharpe_per_period`` (not annualised; null with a ``reason``),
        ``n_fills``, ``fees_usd``, ``lowest_cash_usd`` and ``trial_id``.
    curves
        ``set_number``, ``session`` and ``equity_usd`` of the sets asked for.
    """

    sets: pl.DataFrame
    curves: pl.DataFrame


def recorded(
    bars: pl.DataFrame,
    parameters: Sequence[Mapping[str, Any]],
    trials: Sequence[Trial],
    recorder: Recorder,
    curves_of: Sequence[int],
    states: NDArray[np.float64],
    curves: NDArray[np.float64],
) -> Sweep:
    """Return the frames, after the ledger knows how every trial ended."""
    sets = _sets_frame(states, parameters, trials, bars.height - 1)
    sessions = bars["session"]
    returns = {
        number: pl.DataFrame({"session": sessions[1:], "net_return": curve[1:] / curve[:-1] - 1})
        for number, curve in zip(curves_of, curves, strict=True)
        if curve.min() > 0
    }
    columns = zip(trials, sets["sharpe_per_period"].to_list(), strict=True)
    recorder.finish_all(
        [
            Ended(trial, returns=returns.get(number), figures={"n": bars.height - 1, "sharpe_per_period": sharpe})
            for number, (trial, sharpe) in enumerate(columns)
        ]
    )
    frame = pl.DataFrame(
        {
            "set_number": np.repeat(np.asarray(curves_of, dtype=np.int64), bars.height),
            "session": pl.concat([sessions] * len(curves_of)) if len(curves_of) else sessions.clear(),
            "equity_usd": curves.ravel(),
        }
    )
    return Sweep(sets, frame)


def _sets_frame(
    states: NDArray[np.float64], parameters: Sequence[Mapping[str, Any]], trials: Sequence[Trial], n_returns: int
) -> pl.DataFrame:
    from gnosis.backtest import sweep_kernel as state

    low, fills = states[:, state.LOW], states[:, state.FILLS]
    total, squares = states[:, state.SUM], states[:, state.SQUARES]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.divide(total, n_returns)
        sharpe = mean / np.sqrt((squares - total * mean) / (n_returns - 1))
    frame = pl.DataFrame(
        {
            "set_number": np.arange(states.shape[0]),
            "parameters": [canonical_json(each) for each in parameters],
            "final_equity_usd": states[:, state.PREVIOUS],
            "maximum_drawdown": low / states[:, state.LOW_PEAK] - 1,
            "sharpe_per_period": sharpe,
            "n_fills": fills.astype(np.int64),
            "fees_usd": states[:, state.FEES],
            "lowest_cash_usd": states[:, state.LOWEST_CASH],
            "trial_id": [trial.trial_id for trial in trials],
        }
    )
    reason = (
        pl.when(pl.Series(low <= 0))
        .then(pl.lit("the equity fell to 0 or below"))
        .when(pl.col("n_fills") == 0)
        .then(pl.lit("never traded"))
        .when(~pl.col("sharpe_per_period").is_finite())
        .then(pl.lit("fewer than 2 returns, or all the same"))
    )
    return frame.with_columns(reason=reason).with_columns(
        sharpe_per_period=pl.when(pl.col("reason").is_null()).then("sharpe_per_period")
    )
