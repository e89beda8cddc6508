"""How parameters are searched inside a training window: what is proposed, how it is scored, and which one is taken.

Objective, folds and tie rule are part of :class:`Search` and so declared before anything runs (B-9.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gnosis.backtest.strategy import Strategy
from gnosis.learning.canonical import canonical_json

Kind = Literal["grid", "random", "optuna"]
PROPOSED_AT_ONCE = 4
FEWEST_RETURNS = 2


class SearchError(ValueError):
    """A search that cannot be done as declared."""


def sharpe_per_period(returns: NDArray[np.float64]) -> float | None:
    """Return mean over standard deviation (n - 1) of returns; None when they never move or are fewer than two."""
    if returns.size < FEWEST_RETURNS:
        return None
    spread = float(returns.std(ddof=1))
    # A position that is never opened leaves returns of exactly zero.
    return float(returns.mean()) / spread if spread > 0 else None


def mean_log_return(returns: NDArray[np.float64]) -> float | None:
    """Return the mean log return per period; None when there is none, or everything was lost."""
    return float(np.log1p(returns).mean()) if returns.size and returns.min() > -1 else None


OBJECTIVES: Mapping[str, Callable[[NDArray[np.float64]], float | None]] = {
    "sharpe_per_period": sharpe_per_period,
    "mean_log_return": mean_log_return,
}


@dataclass(frozen=True)
class Search:
    """What is searched and by which rule one set is taken.

    Attributes
    ----------
    kind
        ``grid``: every set of the strategy's grid; ``random``: ``n_candidates`` of them, drawn without replacement;
        ``optuna``: as many proposals of the tree-structured Parzen estimator (Bergstra et al. 2011), repeats counted
        once.
    n_candidates
        For ``random`` and ``optuna``.
    objective
        Name in :data:`OBJECTIVES`, maximised.
    n_folds
        Contiguous folds of the training window.
    purge_sessions
        First sessions of each fold but the first that are not scored: their positions were decided in the fold before.

    Notes
    -----
    The score of a set is the mean of the objective over the folds. Of equal scores the set that comes first in the grid
    is taken: list the simpler values first.
    """

    kind: Kind = "grid"
    n_candidates: int = 20
    objective: str = "sharpe_per_period"
    n_folds: int = 3
    purge_sessions: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("grid", "random", "optuna"):
            raise SearchError(f"expected a search by grid, random or optuna, found {self.kind!r}")
        if self.objective not in OBJECTIVES:
            raise SearchError(f"expected an objective of {', '.join(OBJECTIVES)}, found {self.objective!r}")
        if self.n_candidates < 1 or self.n_folds < 1 or self.purge_sessions < 0:
            raise SearchError(f"expected at least one candidate and one fold and a purge of 0 or more, found {self}")

    def score(self, equity: NDArray[np.float64]) -> float | None:
        """Return the mean over the folds; None after ruin, or when the objective is undefined in one of them.

        Parameters
        ----------
        equity
            At every close of the training window in $, float64.

        Raises
        ------
        SearchError
            When a fold has no more sessions than are purged.

        Examples
        --------
        >>> Search(objective="mean_log_return", n_folds=2).score(np.array([100.0, 100.0, 100.0, 900.0, 900.0]))
        0.0
        """
        if equity.min() <= 0:
            return None
        returns = equity[1:] / equity[:-1] - 1
        folds = np.array_split(returns, self.n_folds)
        folds = [fold[self.purge_sessions :] if number else fold for number, fold in enumerate(folds)]
        if min(fold.size for fold in folds) < FEWEST_RETURNS - 1:
            raise SearchError(
                f"expected folds longer than {self.purge_sessions} purged sessions, found {returns.size} returns in "
                f"{self.n_folds} folds: take fewer folds or longer training windows"
            )
        scores = [OBJECTIVES[self.objective](fold) for fold in folds]
        known = [score for score in scores if score is not None and np.isfinite(score)]
        return float(np.mean(known)) if len(known) == len(folds) else None


class Proposals:
    """The sets that are tried in one training window, round by round.

    Parameters
    ----------
    strategy
        With a grid.
    search
        How it is searched.
    seed
        Of this window.

    Attributes
    ----------
    parameters
        Every set of the grid by its canonical JSON.
    scores
        Of every set tried so far, by the same key.
    """

    def __init__(self, strategy: Strategy, search: Search, seed: int) -> None:
        self._search = search
        self._all = strategy.candidates()
        if not strategy.grid:
            raise SearchError(f"expected a grid of values for {strategy.name}, found none: declare @strategy(grid=...)")
        self.parameters = {canonical_json(each): each for each in self._all}
        self._rank = {key: rank for rank, key in enumerate(self.parameters)}
        self.scores: dict[str, float | None] = {}
        self._proposed = 0
        self._asked: list[tuple[Any, str]] = []
        if search.kind == "random":
            drawn = np.random.default_rng(seed).permutation(len(self._all))[: search.n_candidates]
            self._all = [self._all[number] for number in sorted(drawn.tolist())]
        elif search.kind == "optuna":
            import optuna

            self._grid = {name: list(range(len(values))) for name, values in strategy.grid.items()}
            self._values = strategy.grid
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=PROPOSED_AT_ONCE)
            self._study = optuna.create_study(direction="maximize", sampler=sampler)

    def next_round(self) -> list[dict[str, Any]]:
        """Return sets that were not tried before, none when the search is over."""
        if self._search.kind != "optuna":
            return [] if self.scores else list(self._all)
        fresh: dict[str, dict[str, Any]] = {}
        while self._proposed < self._search.n_candidates and not fresh:
            self._asked = []
            for _ in range(min(PROPOSED_AT_ONCE, self._search.n_candidates - self._proposed)):
                trial = self._study.ask()
                chosen = {name: trial.suggest_categorical(name, places) for name, places in self._grid.items()}
                parameters = {name: self._values[name][place] for name, place in chosen.items()}
                key = canonical_json(parameters)
                self._asked.append((trial, key))
                if key not in self.scores:
                    fresh[key] = parameters
            self._proposed += len(self._asked)
            if not fresh:
                self.learn({})
        return list(fresh.values())

    def learn(self, scores: Mapping[str, float | None]) -> None:
        """Take the scores of a round, by the canonical JSON of the parameters."""
        self.scores.update(scores)
        if self._search.kind == "optuna":
            from optuna.trial import TrialState

            for trial, key in self._asked:
                score = self.scores[key]
                state = TrialState.FAIL if score is None else TrialState.COMPLETE
                self._study.tell(trial, score, state=state)
            self._asked = []

    def best(self, among: Iterable[str]) -> str:
        """Return the set with the highest score; of equals, and where no score is defined, the first of the grid."""
        return min(among, key=lambda key: (-_value(self.scores[key]), self._rank[key]))

    def ordered(self) -> Iterable[tuple[str, float | None]]:
        """Return all sets with their scores in the order of the grid."""
        return sorted(self.scores.items(), key=lambda item: self._rank[item[0]])


def _value(score: float | None) -> float:
    return -np.inf if score is None else score
