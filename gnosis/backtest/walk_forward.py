"""Walk-forward optimisation: parameters chosen in each training window act on the next test window only (section 9).

The out-of-sample curve is one run of the event engine with a strategy that changes its parameters by date: positions
are carried over the boundary, the new rule decides first at the close of the first test session, and what its change
of position costs is charged.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from gnosis.backtest.configuration import Configuration
from gnosis.backtest.engine import run
from gnosis.backtest.market import checked_bars, frame_sha256
from gnosis.backtest.parallel import Backend, Failed, map_units
from gnosis.backtest.playing import family_of, play
from gnosis.backtest.prepared import prepare
from gnosis.backtest.publication import publication
from gnosis.backtest.result import Result
from gnosis.backtest.search import Proposals, Search, sharpe_per_period
from gnosis.backtest.strategy import Decision, Strategy
from gnosis.backtest.trials import Ended, Figures, MemoryLedger, Recorder, Trial
from gnosis.backtest.view import View
from gnosis.backtest.walk_forward_report import WalkForward, report
from gnosis.backtest.windows import Window, Windows
from gnosis.learning.canonical import canonical_json

INCOMPLETE = "incomplete"


class WalkForwardError(RuntimeError):
    """A window in which no parameter set gave a result."""


@dataclass(frozen=True)
class Chosen:
    """What the search of one window came to.

    Attributes
    ----------
    window
        Positions of its sessions.
    parameters, key
        The set that is taken, and its canonical JSON.
    scores
        Score of every set tried, in the order of the grid; None where the objective is undefined or the unit failed.
    in_sample_growth
        Last over first equity of the chosen set in training.
    failed
        Sets that gave no result, with the error.
    """

    window: Window
    parameters: dict[str, Any]
    key: str
    scores: dict[str, float | None]
    in_sample_growth: float
    failed: dict[str, str]


@dataclass(frozen=True)
class _Unit:
    """One parameter set to be tried in one training window."""

    window: Window
    parameters: dict[str, Any]
    key: str


def walk_forward(
    strategy: Strategy,
    bars: pl.DataFrame,
    configuration: Configuration,
    *,
    recorder: Recorder,
    code_sha256: str,
    windows: Windows | None = None,
    search: Search | None = None,
    backend: Backend = "serial",
    n_workers: int = 2,
    seed: int = 0,
    run_options: Mapping[str, Any] | None = None,
) -> WalkForward:
    """Optimise a strategy window by window and run what was chosen out of sample.

    Parameters
    ----------
    strategy
        With a grid; the family of its trials is counted within its name.
    bars
        Rows of ``raw.equity_bars``; sessions with a bar are counted.
    configuration
        Costs and limits of all runs.
    recorder
        Trial ledger: every set of every window is written there before it is run, with ``walk_forward`` as origin.
    code_sha256
        Hash of the code that decides, part of each trial.
    windows, search
        Lengths, and how one set is chosen; by default 756 and 63 sessions, rolling, and the whole grid.
    backend, n_workers
        See :func:`gnosis.backtest.parallel.map_units`; nothing in the result depends on them.
    seed
        Of random and Optuna searches.
    run_options
        Further keywords of :func:`gnosis.backtest.run`, such as ``tables`` and ``delistings``, for all runs alike.

    Returns
    -------
    WalkForward
        Rows of ``backtests.walk_forward``, the out-of-sample :class:`Result`, and what belongs to them.

    Raises
    ------
    WalkForwardError
        When every set of a window failed.
    gnosis.backtest.windows.WindowsError, gnosis.backtest.search.SearchError
        When history, windows and folds do not fit.
    """
    windows, search = windows or Windows(), search or Search()
    configuration = replace(configuration, strategy=strategy.name)
    given = checked_bars(bars)
    sessions = given["session"].unique().sort().to_list()
    cut = windows.cut(len(sessions))
    seeds = np.random.SeedSequence(seed).generate_state(len(cut)).tolist()
    searches = [Proposals(strategy, search, each) for each in seeds]
    shared = {
        "bars": bars,
        "sessions": sessions,
        "strategy": strategy,
        "configuration": configuration,
        "options": dict(run_options or {}),
    }
    hashes = [frame_sha256(given.filter(pl.col("session") <= sessions[window.train_last])) for window in cut]
    growth: dict[tuple[int, str], float] = {}
    failed: list[dict[str, str]] = [{} for _ in cut]
    while units := [
        _Unit(window, parameters, canonical_json(parameters))
        for window, each in zip(cut, searches, strict=True)
        for parameters in each.next_round()
    ]:
        trials = [
            _trial(unit, given, sessions, configuration, strategy, search, hashes[unit.window.number], code_sha256)
            for unit in units
        ]
        recorder.begin_all(trials)
        found = map_units(_equity_of, units, backend=backend, n_workers=n_workers, seed=seed, shared=shared)
        scores: list[dict[str, float | None]] = [{} for _ in cut]
        ended = []
        for unit, trial, equity in zip(units, trials, found, strict=True):
            score = None
            if isinstance(equity, Failed):
                failed[unit.window.number][unit.key] = equity.error
                ended.append(Ended(trial, "failed"))
            else:
                growth[unit.window.number, unit.key] = float(equity[-1] / equity[0])
                score = search.score(equity)
                ended.append(_ended(trial, sessions[unit.window.train_first : unit.window.train_last + 1], equity))
            scores[unit.window.number][unit.key] = score
        recorder.finish_all(ended)
        for each, of_window in zip(searches, scores, strict=True):
            each.learn(of_window)
    chosen = [_chosen(window, each, growth, lost) for window, each, lost in zip(cut, searches, failed, strict=True)]
    result = _stitched(strategy, bars, sessions, configuration, chosen, recorder, code_sha256, run_options or {})
    return report(strategy, windows, search, sessions, chosen, result)


def _equity_of(
    unit: _Unit,
    rng: np.random.Generator,  # noqa: ARG001 a run draws nothing
    *,
    bars: pl.DataFrame,
    sessions: list[dt.date],
    strategy: Strategy,
    configuration: Configuration,
    options: Mapping[str, Any],
) -> np.ndarray:
    """Run one set over its training window, on bars that end with it; return the equity at every close."""
    prepared = prepare(bars.filter(pl.col("session") <= sessions[unit.window.train_last]), **options)
    played = play(
        prepared,
        strategy,
        configuration,
        recorder=MemoryLedger(),
        code_sha256="",
        parameters=unit.parameters,
        first_session=sessions[unit.window.train_first],
    )
    # The engine also closes its books on sessions without any bar.
    return played.curve.filter(pl.col("session").is_in(sessions))["equity_usd"].to_numpy()


def _trial(
    unit: _Unit,
    bars: pl.DataFrame,
    sessions: list[dt.date],
    configuration: Configuration,
    strategy: Strategy,
    search: Search,
    data_sha256: str,
    code_sha256: str,
) -> Trial:
    tried = {
        "configuration": asdict(configuration),
        "parameters": {**strategy.defaults, **unit.parameters},
        "search": asdict(search),
    }
    return Trial(
        family=family_of(bars["symbol"].unique().sort().to_list(), configuration.strategy),
        origin="walk_forward",
        parameters=canonical_json(tried),
        data_sha256=data_sha256,
        code_sha256=code_sha256,
        period_first=sessions[unit.window.train_first],
        period_last=sessions[unit.window.train_last],
    )


def _ended(trial: Trial, days: list[dt.date], equity: np.ndarray) -> Ended:
    if equity.min() <= 0:
        return Ended(trial, figures={"n": equity.size - 1})
    returns = equity[1:] / equity[:-1] - 1
    figures: Figures = {"n": returns.size, "sharpe_per_period": sharpe_per_period(returns)}
    return Ended(trial, returns=pl.DataFrame({"session": days[1:], "net_return": returns}), figures=figures)


def _chosen(
    window: Window, proposals: Proposals, growth: Mapping[tuple[int, str], float], failed: dict[str, str]
) -> Chosen:
    ran = {key: score for key, score in proposals.ordered() if key not in failed}
    if not ran:
        key, error = next(iter(failed.items()))
        raise WalkForwardError(
            f"expected a result of at least one parameter set in window {window.number}, found {len(failed)} failed; "
            f"{key} with {error}"
        )
    best = proposals.best(among=ran)
    scores = dict(proposals.ordered())
    return Chosen(window, proposals.parameters[best], best, scores, growth[window.number, best], failed)


def _stitched(
    strategy: Strategy,
    bars: pl.DataFrame,
    sessions: list[dt.date],
    configuration: Configuration,
    chosen: list[Chosen],
    recorder: Recorder,
    code_sha256: str,
    options: Mapping[str, Any],
) -> Result:
    """Run the strategy over all test windows, each session by the parameters of its window."""
    firsts = [sessions[each.window.test_first] for each in chosen]
    rules = [strategy.decide(each.parameters) for each in chosen]

    def by_date(view: View, *, path: Mapping[str, Any]) -> Decision:  # noqa: ARG001 the path is stored with the run
        return rules[bisect.bisect_right(firsts, view.session) - 1](view)

    path = {first.isoformat(): each.parameters for first, each in zip(firsts, chosen, strict=True)}
    result = run(
        bars,
        Strategy(strategy.name, by_date, strategy.reads, defaults={"path": path}),
        configuration,
        recorder=recorder,
        code_sha256=code_sha256,
        first_session=firsts[0],
        **options,
    )
    if not any(each.failed for each in chosen):
        return result
    row = result.runs.row(0, named=True)
    labels = {*filter(None, row["labels"].split(",")), INCOMPLETE}
    is_publishable, blocked_by = publication(labels, row["share_ambiguous"])
    changed = {"labels": ",".join(sorted(labels)), "is_publishable": is_publishable, "blocked_by": blocked_by}
    return replace(result, runs=result.runs.with_columns(**{name: pl.lit(value) for name, value in changed.items()}))
