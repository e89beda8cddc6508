"""The rows of ``backtests.overfitting``: what is left of a result after counting how often was tried (B-12.10).

Statistics that cannot be given are null with the length or number they need; none is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.backtest.configuration import BARS_PER_YEAR
from gnosis.backtest.significance import (
    Insufficient,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe_ratio,
)
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from gnosis.backtest.deflation import Deflation, Moments
    from gnosis.backtest.overfitting import Overfitting
    from gnosis.backtest.predictive_ability import PredictiveAbility

RESAMPLES = 5000
LEAST_COVERED = 0.9
"""Share of the sessions of a run that the returns of a trial must have to be compared with it."""
UNITS = {
    "n_trials": "count",
    "n_effective_trials": "count",
    "psr": "probability",
    "dsr_all_trials": "probability",
    "dsr_effective_trials": "probability",
    "minimum_track_record": "returns",
    "minimum_backtest_length": "years",
    "pbo": "probability",
    "pbo_slope": "ratio",
    "pbo_probability_of_loss": "probability",
    "pbo_configurations": "count",
    "pbo_splits": "count",
    "reality_check_p": "probability",
    "spa_lower_p": "probability",
    "spa_consistent_p": "probability",
    "spa_upper_p": "probability",
    "spa_models": "count",
}


@dataclass(frozen=True)
class Report:
    """The rows of the report and what its pictures need.

    Attributes
    ----------
    rows
        ``backtests.overfitting``.
    logits
        Of the splits of the cross-validation, float64, shape (splits,); empty without a probability of overfitting.
    """

    rows: pl.DataFrame
    logits: NDArray[np.float64]


Stated = tuple[float | None, str | None, int]
"""Value, why there is none, and the returns behind it."""


def overfitting_report(
    run_key: str,
    returns: pl.DataFrame,
    trials: pl.DataFrame,
    returns_of: Callable[[str], pl.DataFrame],
    benchmark: pl.DataFrame,
    *,
    trial_id: str,
    seed: int,
    synthetic: bool,
    fresh: Mapping[str, pl.DataFrame] | None = None,
    resamples: int = RESAMPLES,
) -> Report:
    """Judge a run by everything that was tried in its family.

    Parameters
    ----------
    run_key
        Of the run.
    returns
        ``session`` and ``net_return`` (simple, per bar) of the run, sorted.
    trials
        Rows of ``backtests.trials`` of one family, every one of them: pruned, failed and abandoned trials count.
    returns_of
        Returns of a trial by ``returns_sha256``: the method ``returns`` of a ledger.
    benchmark
        ``session`` and ``net_return`` of what the trials are to beat, on the sessions of the run.
    trial_id
        Trial of this run. Its returns are those given, also when the ledger keeps an earlier, shorter record of them.
    fresh
        Returns of further trials by ``trial_id`` that were run again over the same sessions, for the same reason.
    seed, resamples
        Of the stationary bootstrap of the reality check and the test of superior predictive ability.
    synthetic
        Whether any input of the run was generated.

    Returns
    -------
    Report
        One row for each statistic of :data:`UNITS`. The family is compared on the sessions that all its trials share;
        a trial whose returns cover less than nine tenths of the run counts as one without returns.
        Trials that hardly ever trade have no Sharpe ratio in some half of the sessions and are left out of the
        probability of overfitting alone; they count in every other statistic.

    Raises
    ------
    ValueError
        For trials of several families, or returns whose sessions repeat or are not sorted.
    gnosis.backtest.trials.TrialError
        When the trial is not among the trials.
    """
    from gnosis.backtest.deflation import deflate, return_moments
    from gnosis.backtest.trials import TrialError, count_trials, trials_of_family

    families = trials["family"].unique().sort().to_list()
    if len(families) != 1:
        raise ValueError(f"expected the trials of one family, found {len(families)}: {families[:3]}")
    for name, frame in (("returns", returns), ("benchmark", benchmark)):
        if not (frame["session"].is_sorted() and frame["session"].is_unique().all()):
            raise ValueError(f"expected {name} with one row per session, sorted, found others")
    latest = trials_of_family(trials, families[0])
    if trial_id not in latest["trial_id"]:
        raise TrialError(f"expected the trial of this run among those of {families[0]!r}, found no {trial_id}")
    own = returns.select("session", "net_return")
    # A name that no stored series has: the ledger may hold an earlier record of the same trial.
    anew = {**(fresh or {}), trial_id: own}
    is_anew = pl.col("trial_id").is_in(list(anew))
    sharpes = {name: _sharpe_per_period(rows) for name, rows in anew.items()}
    known_anew = pl.col("trial_id").replace_strict(sharpes, default=None, return_dtype=pl.Float64)
    ledger = trials.with_columns(
        returns_sha256=pl.when(is_anew).then("trial_id").otherwise("returns_sha256"),
        sharpe_per_period=pl.when(is_anew).then(known_anew).otherwise("sharpe_per_period"),
    )

    loaded: dict[str, pl.DataFrame] = {}

    def load(name: str) -> pl.DataFrame:
        if name not in loaded:
            loaded[name] = anew[name] if name in anew else returns_of(name)
        return loaded[name]

    ledger = _with_covering_returns(ledger, own["session"], load)

    r = own["net_return"].to_numpy()
    moments = return_moments(r)
    deflation = deflate(r, ledger, families[0], load)
    tried = _common(trials_of_family(ledger, families[0]), load, benchmark)
    n_trials = count_trials(ledger, families[0])
    stated: dict[str, Stated] = {"n_trials": (float(n_trials), None, r.size)}
    stated |= _deflated(moments, deflation)
    stated |= _lengths(moments, deflation)
    chance, n_configurations = _chance(tried)
    stated |= _chosen(chance, n_configurations, len(tried))
    stated |= _tested(tried, seed, resamples)
    schema = TABLES["backtests.overfitting"].polars_schema
    rows = pl.DataFrame(
        [(run_key, name, *stated[name][:2], unit, stated[name][2], synthetic) for name, unit in UNITS.items()],
        schema={name: schema[name] for name in ("run_key", "statistic", "value", "reason", "unit", "n", "synthetic")},
        orient="row",
    )
    logits = np.empty(0) if isinstance(chance, Insufficient) else chance.logits
    return Report(rows.select(list(schema)).sort("run_key", "statistic"), logits)


def _sharpe_per_period(returns: pl.DataFrame) -> float | None:
    """Return the ratio as the engine writes it into the ledger."""
    net = returns["net_return"]
    spread = net.std()
    return float(net.mean() / spread) if net.len() > 1 and spread else None  # type: ignore[operator, arg-type]


def _with_covering_returns(
    trials: pl.DataFrame, sessions: pl.Series, load: Callable[[str], pl.DataFrame]
) -> pl.DataFrame:
    """Return the trials without the returns of those that hardly meet the run: they count, and as independent ones.

    The training windows of a walk-forward would else leave no session that all trials share.
    """
    needed = LEAST_COVERED * sessions.len()
    meeting = [
        name
        for name in trials["returns_sha256"].drop_nulls().unique().sort()
        if load(name)["session"].is_in(sessions.implode()).sum() >= needed
    ]
    is_meeting = pl.col("returns_sha256").is_in(meeting)
    return trials.with_columns(returns_sha256=pl.when(is_meeting).then("returns_sha256"))


def _none(found: Insufficient) -> Stated:
    if found.needed is None:
        reason = f"insufficient: {found.reason}"
    else:
        reason = f"insufficient: {found.reason}; {found.found} {found.unit} of {found.needed} needed"
    return None, reason, found.found if found.unit == "returns" else 0


def _deflated(moments: Moments | Insufficient, deflation: Deflation | Insufficient) -> dict[str, Stated]:
    names = ("psr", "dsr_all_trials", "dsr_effective_trials", "n_effective_trials")
    if isinstance(moments, Insufficient):
        return dict.fromkeys(names, _none(moments))
    if not isinstance(deflation, Insufficient):
        figures = (
            deflation.probabilistic, deflation.deflated, deflation.deflated_effective, deflation.n_effective,
        )  # fmt: skip
        return {name: (value, None, moments.n) for name, value in zip(names, figures, strict=True)}
    stated = dict.fromkeys(names, _none(deflation))
    if deflation.unit != "returns":
        # The spread of the trials is unknown, not the error of this ratio.
        psr = probabilistic_sharpe_ratio(
            moments.sharpe_per_period, moments.n, skewness=moments.skewness, kurtosis=moments.kurtosis
        )
        undefined = "skewness leaves the error of the Sharpe ratio undefined" if psr is None else None
        stated["psr"] = (psr, undefined, moments.n)
    return stated


def _lengths(moments: Moments | Insufficient, deflation: Deflation | Insufficient) -> dict[str, Stated]:
    if isinstance(moments, Insufficient):
        return dict.fromkeys(("minimum_track_record", "minimum_backtest_length"), _none(moments))
    sharpe = moments.sharpe_per_period
    record = minimum_track_record(sharpe, skewness=moments.skewness, kurtosis=moments.kurtosis)
    losing = "the Sharpe ratio is not above 0: no length would tell it from luck"
    found: dict[str, Stated] = {
        "minimum_track_record": (record, losing if record is None else None, moments.n),
    }
    if sharpe <= 0:
        found["minimum_backtest_length"] = (None, losing, moments.n)
    elif isinstance(deflation, Insufficient):
        found["minimum_backtest_length"] = _none(deflation)
    else:
        years = minimum_backtest_years(sharpe * math.sqrt(BARS_PER_YEAR), deflation.n_effective)
        found["minimum_backtest_length"] = (years, None, moments.n)
    return found


def _common(trials: pl.DataFrame, load: Callable[[str], pl.DataFrame], benchmark: pl.DataFrame) -> NDArray[np.float64]:
    """Return the benchmark and the stored returns of all trials on the sessions they share, shape (n, 1 + trials)."""
    from gnosis.backtest.deflation import common_returns

    held = benchmark.select("session", "net_return")
    with_benchmark = pl.concat([pl.Series("returns_sha256", ["benchmark"]).to_frame(), trials.select("returns_sha256")])
    return common_returns(with_benchmark, lambda name: held if name == "benchmark" else load(name))


def _chance(tried: NDArray[np.float64]) -> tuple[Overfitting | Insufficient, int]:
    from gnosis.backtest.overfitting import FEWEST_PER_BLOCK, N_BLOCKS, move_in_most_blocks, probability_of_overfitting

    n, needed = len(tried), N_BLOCKS * FEWEST_PER_BLOCK
    if n < needed:
        reason = "too few returns that all trials share"
        return Insufficient("pbo", n, needed, "returns", reason), tried.shape[1] - 1
    values = np.ascontiguousarray(tried[:, 1:])
    chosen = values[:, move_in_most_blocks(values)]
    return probability_of_overfitting(chosen), chosen.shape[1]


def _chosen(chance: Overfitting | Insufficient, n_configurations: int, n: int) -> dict[str, Stated]:
    names = ("pbo", "pbo_slope", "pbo_probability_of_loss", "pbo_splits")
    stated: dict[str, Stated] = {"pbo_configurations": (float(n_configurations), None, n)}
    if isinstance(chance, Insufficient):
        return stated | dict.fromkeys(names, _none(chance))
    flat = "the chosen ratio in sample is the same in all splits" if chance.slope is None else None
    return stated | {
        "pbo": (chance.probability, None, chance.n_rows),
        "pbo_slope": (chance.slope, flat, chance.n_rows),
        "pbo_probability_of_loss": (chance.probability_of_loss, None, chance.n_rows),
        "pbo_splits": (float(chance.n_splits), None, chance.n_rows),
    }


def _tested(tried: NDArray[np.float64], seed: int, resamples: int) -> dict[str, Stated]:
    from gnosis.backtest.predictive_ability import superior_predictive_ability

    n, models = len(tried), tried.shape[1] - 1
    ability: PredictiveAbility | Insufficient = superior_predictive_ability(
        tried[:, 1:] - tried[:, :1], seed=seed, resamples=resamples
    )
    stated: dict[str, Stated] = {"spa_models": (float(models), None, n)}
    names = ("reality_check_p", "spa_lower_p", "spa_consistent_p", "spa_upper_p")
    if isinstance(ability, Insufficient):
        return stated | dict.fromkeys(names, _none(ability))
    values = (ability.reality_check, ability.lower, ability.consistent, ability.upper)
    return stated | {name: (value, None, n) for name, value in zip(names, values, strict=True)}
