"""What a walk-forward optimisation reports beside its out-of-sample curve (B-9.3)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.result import Result
from gnosis.backtest.search import Search
from gnosis.backtest.strategy import Strategy
from gnosis.backtest.windows import Windows
from gnosis.learning.canonical import canonical_json
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from gnosis.backtest.walk_forward import Chosen

FEWEST_COMMON_SETS = 3


@dataclass(frozen=True)
class WalkForward:
    """A walk-forward optimisation.

    Attributes
    ----------
    windows
        Rows of ``backtests.walk_forward``: the parameter path with what it was chosen by and what it then earned.
    result
        The out-of-sample run; labelled ``incomplete`` when a unit failed twice.
    scores
        ``window_number``, ``parameters`` (canonical JSON), ``score`` (null where undefined) and ``error`` (null unless
        the unit failed) of every set tried.
    surface
        ``window_number``, ``parameter``, ``value`` (JSON) and ``score``: the sets that differ from the chosen one in
        this parameter alone, the chosen one among them.
    share_positive
        Share of windows with a positive net result.
    out_of_sample_return
        Annualised net return of the whole out-of-sample curve, 1/year; None after ruin.
    efficiency_ratio
        That over the mean annualised return in training; None where that mean is not above 0 (``efficiency_reason``).
    """

    windows: pl.DataFrame
    result: Result
    scores: pl.DataFrame
    surface: pl.DataFrame
    share_positive: float
    out_of_sample_return: float | None
    efficiency_ratio: float | None
    efficiency_reason: str | None

    @property
    def is_complete(self) -> bool:
        """Whether every unit gave a result; otherwise nothing of this may feed an overfitting statistic (B-10.4)."""
        return bool(self.windows["is_complete"].all())


def annualised(growth: float, n_periods: int) -> float | None:
    """Return the yearly rate of a growth factor over so many sessions; None without sessions or after ruin.

    Examples
    --------
    >>> annualised(1.21, 504)
    0.1...
    """
    return growth ** (BARS_PER_YEAR / n_periods) - 1 if n_periods > 0 and growth > 0 else None


def report(
    strategy: Strategy,
    windows: Windows,
    search: Search,
    sessions: Sequence[dt.date],
    chosen: Sequence[Chosen],
    result: Result,
) -> WalkForward:
    """Return the rows and figures of an optimisation whose out-of-sample run is ``result``."""
    equity = dict(zip(result.equity["session"].to_list(), result.equity["equity_usd"].to_list(), strict=True))
    synthetic = dict(zip(result.equity["session"].to_list(), result.equity["synthetic"].to_list(), strict=True))
    rows = []
    for number, each in enumerate(chosen):
        window = each.window
        # A window earns from the close before it; the first begins with the deposit, at its own first close.
        before = equity[sessions[max(window.test_first - 1, chosen[0].window.test_first)]]
        after = equity[sessions[window.test_last]]
        n_tested = window.test_last - max(window.test_first - 1, chosen[0].window.test_first)
        rows.append(
            {
                "run_key": result.run_key,
                "window_number": window.number,
                "strategy": strategy.name,
                "scheme": windows.scheme,
                "train_first": sessions[window.train_first],
                "train_last": sessions[window.train_last],
                "test_first": sessions[window.test_first],
                "test_last": sessions[window.test_last],
                "n_purged": window.n_purged,
                "search": search.kind,
                "n_candidates": len(each.scores),
                "objective": f"mean {search.objective} over {search.n_folds} folds purged by {search.purge_sessions}",
                "parameters": strategy.parameters_json(each.parameters),
                "in_sample_score": each.scores[each.key],
                "in_sample_return": annualised(each.in_sample_growth, window.train_last - window.train_first),
                "out_of_sample_return": annualised(after / before, n_tested) if before > 0 else None,
                "net_profit_usd": after - before,
                "score_rank_correlation": rank_correlation(chosen[number - 1].scores, each.scores) if number else None,
                "is_complete": not each.failed,
                "synthetic": synthetic[sessions[window.test_last]],
            }
        )
    frame = pl.DataFrame(rows, schema=TABLES["backtests.walk_forward"].polars_schema)
    curve = result.equity["equity_usd"]
    earned = annualised(curve[-1] / curve[0], curve.len() - 1)
    trained = [row["in_sample_return"] for row in rows if row["in_sample_return"] is not None]
    in_sample = float(np.mean(trained)) if trained else None
    is_ratio = earned is not None and in_sample is not None and in_sample > 0
    reason = None if is_ratio else "the mean return in training is not above 0, or the account was ruined"
    return WalkForward(
        windows=frame,
        result=result,
        scores=_scores(chosen),
        surface=_surface(strategy, chosen),
        share_positive=float((frame["net_profit_usd"] > 0).mean()),  # type: ignore[arg-type]
        out_of_sample_return=earned,
        efficiency_ratio=earned / in_sample if is_ratio else None,  # type: ignore[operator]
        efficiency_reason=reason,
    )


def rank_correlation(before: dict[str, float | None], now: dict[str, float | None]) -> float | None:
    """Return Spearman's correlation of the scores of the sets that both have, ties with their average rank.

    None with fewer than three sets in common, or where all scores are equal.

    Examples
    --------
    >>> rank_correlation({"a": 1.0, "b": 2.0, "c": 3.0}, {"c": 0.1, "b": 0.2, "a": 0.3})
    -1.0
    """
    pairs = [(score, now.get(key)) for key, score in before.items()]
    common = pl.DataFrame(
        [pair for pair in pairs if None not in pair], schema={"one": pl.Float64, "other": pl.Float64}, orient="row"
    )
    if common.height < FEWEST_COMMON_SETS or common["one"].n_unique() == 1 or common["other"].n_unique() == 1:
        return None
    found = common.select(pl.corr(pl.col("one").rank(), pl.col("other").rank())).item()
    return float(min(max(found, -1.0), 1.0))


def _scores(chosen: Sequence[Chosen]) -> pl.DataFrame:
    schema = {"window_number": pl.Int64, "parameters": pl.String, "score": pl.Float64, "error": pl.String}
    rows = [
        (each.window.number, key, score, each.failed.get(key)) for each in chosen for key, score in each.scores.items()
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _surface(strategy: Strategy, chosen: Sequence[Chosen]) -> pl.DataFrame:
    schema = {"window_number": pl.Int64, "parameter": pl.String, "value": pl.String, "score": pl.Float64}
    rows: list[tuple[Any, ...]] = []
    for each in chosen:
        for name, values in strategy.grid.items():
            beside = [(value, canonical_json({**each.parameters, name: value})) for value in values]
            rows += [
                (each.window.number, name, json.dumps(value), each.scores[key])
                for value, key in beside
                if key in each.scores
            ]
    return pl.DataFrame(rows, schema=schema, orient="row")
