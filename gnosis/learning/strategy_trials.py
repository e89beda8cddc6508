"""Every strategy that the stored models imply, written into the trial ledger, and how much of the best is luck (G7)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from gnosis.backtest.deflation import deflate, return_moments
from gnosis.backtest.overfitting import FEWEST_PER_BLOCK, N_BLOCKS, move_in_most_blocks, probability_of_overfitting
from gnosis.backtest.predictive_ability import superior_predictive_ability
from gnosis.backtest.significance import Insufficient
from gnosis.backtest.trials import Figures, Recorder, Trial, count_trials
from gnosis.learning.canonical import canonical_json
from gnosis.learning.derived_strategy import EDGE_THRESHOLD, derived_strategy_returns
from gnosis.learning.evidence import Overfitting
from gnosis.learning.models import PUBLISHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

COST_BPS = 10.0
"""Basis points of the traded value, per side."""
HELD = "held"
"""The strategy that needs no model: every symbol at equal weight, all the time."""


class Ledger(Recorder, Protocol):
    """A recorder that can be read."""

    def rows(self) -> pl.DataFrame:
        """Return ``backtests.trials``."""
        ...

    def returns(self, sha256: str) -> pl.DataFrame:
        """Return the series that a trial ended with."""
        ...


def strategy_returns(
    answers: pl.DataFrame, trained: pl.DataFrame, bars: pl.DataFrame, ledger: Ledger, *, family: str, code_sha256: str
) -> pl.DataFrame:
    """Return what each family would have earned out of sample, and holding without a model: each a trial of the ledger.

    A trial is the fixed rule on the answers of certain models: judging the same models a week later is the same trial,
    whose figures stay those of the first time, and models of a further fold are a new one. No threshold is chosen, so
    no other one is tried: siblings that differ in it would count as trials and spread the Sharpe ratios that the best
    of them is deflated by, without anybody having had the choice.

    Parameters
    ----------
    answers
        Stitched answers of the direction, see :func:`gnosis.learning.head_answers.head_answers`.
    trained
        Rows of ``models.trained`` behind them.
    bars
        Rows of ``raw.equity_bars`` of the symbols asked about.
    ledger
        Each trial is begun before its returns are made.
    family
        Of the ledger, see :func:`gnosis.learning.material.trial_family`.
    code_sha256
        Hash of the code.

    Returns
    -------
    polars.DataFrame
        ``session`` and one column of net returns per family and for :data:`HELD`, on the sessions that all have,
        sorted. No column but ``session`` without answers.
    """
    joined = pl.DataFrame(schema={"session": pl.Date})
    for name, said, models in _configurations(answers, trained):
        first = said.select("session").min().to_series()[0]
        data = hashlib.sha256("\n".join(models).encode()).hexdigest()
        rule = {"cost_bps": COST_BPS, "edge_threshold": EDGE_THRESHOLD, "model_name": name}
        trial = Trial(family, "walk_forward", canonical_json(rule), data, code_sha256, first, first)
        ledger.begin(trial)
        returns = derived_strategy_returns(said, bars, cost_bps=COST_BPS).select("session", "net_return")
        ledger.finish(trial, returns=returns, **_figures(returns["net_return"].to_numpy()))
        column = returns.rename({"net_return": name})
        joined = column if joined.width == 1 else joined.join(column, on="session", how="inner")
    return joined.sort("session")


def _configurations(answers: pl.DataFrame, trained: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, pl.Series]]:
    """Yield the name of each strategy, the probabilities that it follows and what identifies them."""
    for (name,), told in answers.sort("model_name").group_by(["model_name"], maintain_order=True):
        of_models = trained.filter((pl.col("model_name") == name) & (pl.col("head") == "direction")).sort("fold")
        chances = {"p_down": pl.col("answer").list.get(0), "p_up": pl.col("answer").list.get(2)}
        yield str(name), told.select("session", "symbol", **chances), of_models["model_sha256"]
    asked = answers.select("session", "symbol").unique().sort("session", "symbol")
    if asked.height:
        yield HELD, asked.with_columns(p_down=0.0, p_up=1.0), asked["symbol"].unique().sort()


def overfitting(returns: pl.DataFrame, ledger: Ledger, *, family: str, seed: int) -> Overfitting | None:
    """Judge the derived strategy of the published family by everything that was tried beside it.

    Parameters
    ----------
    returns
        Result of :func:`strategy_returns`.
    ledger, family
        Whose trials deflate the Sharpe ratio.
    seed
        Of the bootstrap.

    Returns
    -------
    Overfitting or None
        None without returns of the published family. The probability of backtest overfitting is that of choosing the
        best strategy among those that trade often enough to have a Sharpe ratio in every half of the time, holding
        without a model among them; it is None when the judged one does not. Superior predictive ability is that of all
        families over holding nothing, after costs: a market that rises is no ability. ``lacking`` says of each figure
        that is None why there is none.
    """
    if PUBLISHED not in returns.columns or returns.is_empty():
        return None
    names = [name for name in returns.columns if name != "session"]
    values = np.ascontiguousarray(returns.select(names).to_numpy(), dtype=np.float64)
    mine = values[:, names.index(PUBLISHED)]
    deflated = deflate(mine, ledger.rows(), family, ledger.returns)
    n_trials = count_trials(ledger.rows(), family)
    is_short = len(values) < N_BLOCKS * FEWEST_PER_BLOCK
    chosen_from = np.full(len(names), fill_value=True) if is_short else move_in_most_blocks(values)
    chance = (
        probability_of_overfitting(values[:, chosen_from])
        if chosen_from[names.index(PUBLISHED)]
        else Insufficient("pbo", mine.size, None, "returns", "the judged strategy hardly trades")
    )
    of_families = np.ascontiguousarray(values[:, [name != HELD for name in names]])
    ability = superior_predictive_ability(of_families, seed=seed)
    found = None if isinstance(deflated, Insufficient) else deflated
    figures = {
        "deflated_sharpe_ratio": deflated,
        "deflated_sharpe_ratio_of_all": deflated,
        "probability_of_backtest_overfitting": chance,
        "spa_p_value": ability,
    }
    return Overfitting(
        deflated_sharpe_ratio=None if found is None else found.deflated_effective,
        deflated_sharpe_ratio_of_all=None if found is None else found.deflated,
        probability_of_backtest_overfitting=None if isinstance(chance, Insufficient) else chance.probability,
        spa_p_value=None if isinstance(ability, Insufficient) else ability.consistent,
        n_trials=n_trials,
        n_effective=float(n_trials) if found is None else found.n_effective,
        n=mine.size,
        lacking={name: _told(figure) for name, figure in figures.items() if isinstance(figure, Insufficient)},
    )


def _told(lacking: Insufficient) -> str:
    """Say what there is too little of.

    Examples
    --------
    >>> _told(Insufficient("pbo", 70, 80, "returns", "too few returns in a block"))
    'too few returns in a block: 70 of 80 returns'
    >>> _told(Insufficient("sharpe", 70, None, "returns", "all returns are the same"))
    'all returns are the same: 70 returns, and no number would do'
    """
    if lacking.needed is None:
        return f"{lacking.reason}: {lacking.found} {lacking.unit}, and no number would do"
    return f"{lacking.reason}: {lacking.found} of {lacking.needed} {lacking.unit}"


def _figures(returns: NDArray[np.float64]) -> Figures:
    moments = return_moments(returns)
    if isinstance(moments, Insufficient):
        return {"n": returns.size}
    return {
        "n": moments.n,
        "sharpe_per_period": moments.sharpe_per_period,
        "skewness": moments.skewness,
        "kurtosis": moments.kurtosis,
    }


__all__ = ["Ledger", "overfitting", "strategy_returns"]
