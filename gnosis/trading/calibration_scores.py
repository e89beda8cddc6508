"""What the stated odds were worth: by model, structure, horizon and regime, with and without ambiguous ideas."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.learning.bootstrap import REPLICATES, Resampling, ratio
from gnosis.learning.platt import NoLineError, fit_line, logits, sigmoid
from gnosis.learning.reliability import Z_95, equal_mass_bins, reliability, wilson
from gnosis.tables.calibration import CALIBRATION_SCORES
from gnosis.trading.calibration_ledger import resolved_ideas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SUSPENSION_IDEAS = 200
IDEAS_PER_COVERAGE_BIN = 50
Z_80 = 1.2815515655446004
_SEED = 12
_GROUPS = {
    "all": pl.lit("all"),
    "model": pl.col("model_version"),
    "structure": pl.col("structure"),
    "horizon": pl.col("horizon_bars").cast(pl.String),
    "regime": pl.col("regime"),
    "policies": pl.col("policies"),
}


def scores(ledger: pl.DataFrame, as_of: dt.datetime | None = None) -> pl.DataFrame:
    """Return the scores of all resolved ideas of a ledger.

    Brier score (Brier 1950) and log score of ``p_event``, skill ``1 - brier / brier_baseline``, the slope of Cox
    (1958) of ``p_event`` and of ``p_raw``, the reliability curve, and the coverage of ``p_low`` to ``p_high``: share
    of bins of about 50 ideas whose frequency lies in the mean interval, widened by what chance does to the frequency
    of so many ideas; 80 % is nominal. Intervals are 95 %: of scores and skill by the stationary bootstrap over sessions
    with blocks of the longest horizon, of frequencies Wilson's, of slopes from the Fisher information, both as if ideas
    were independent.

    Parameters
    ----------
    ledger
        Rows of ``trades.calibration``.
    as_of
        Only what was known then; None: everything.

    Returns
    -------
    polars.DataFrame
        Rows of ``trades.calibration_scores``, sorted by its key. Ideas without a regime are in no group of regimes.

    Examples
    --------
    >>> from gnosis.tables.calibration import CALIBRATION
    >>> scores(CALIBRATION.empty()).height
    0
    """
    known = resolved_ideas(ledger, as_of)
    rows: list[dict[str, Any]] = []
    for scope, group in _GROUPS.items():
        named = known.with_columns(group=group).drop_nulls("group").sort("group", "sequence")
        for part in named.partition_by("group", maintain_order=True):
            for has_ambiguous in (True, False):
                judged = part if has_ambiguous else part.filter(~pl.col("is_ambiguous"))
                key = {"scope": scope, "group": part["group"][0], "has_ambiguous": has_ambiguous}
                rows += [key | {"n": judged.height} | figure for figure in _figures(judged)]
    told = pl.DataFrame(rows, schema=CALIBRATION_SCORES.polars_schema)
    number = pl.col("value", "low", "high").fill_nan(None)
    return told.with_columns(number, is_suspended=_is_suspended()).sort(CALIBRATION_SCORES.key)


def skill_interval(
    sessions: NDArray[np.int64],
    horizon_bars: int,
    p_event: NDArray[np.float64],
    p_baseline: NDArray[np.float64],
    happened: NDArray[np.bool_],
) -> tuple[float, float]:
    """Return the 95 % interval of the skill ``1 - brier / brier_baseline`` of resolved ideas.

    Stationary bootstrap over sessions with blocks of the horizon (Politis and Romano 1994); NaN with too few sessions.

    Parameters
    ----------
    sessions
        int64, shape (ideas,): session of each as a day number.
    horizon_bars
        Longest horizon, sessions.
    p_event, p_baseline
        float64, shape (ideas,): stated odds and base rate.
    happened
        bool, shape (ideas,).

    Examples
    --------
    >>> days, sure = np.repeat(np.arange(100), 2), np.full(200, 0.9)
    >>> low, high = skill_interval(days, 1, sure, np.full(200, 0.5), np.arange(200) % 2 == 0)
    >>> low <= high < 0.0
    True
    """
    resampling = Resampling(sessions, float(horizon_bars), REPLICATES, np.random.default_rng(_SEED))
    squared, of_base = (p_event - happened) ** 2, (p_baseline - happened) ** 2
    found = _resampled("skill", resampling, resampling.sums(of_base - squared), resampling.sums(of_base))
    return found["low"], found["high"]


def suspended(scored: pl.DataFrame, scope: str) -> list[str]:
    """Return the groups of a scope whose skill's interval lies below zero after 200 resolved ideas (T-12.5).

    Examples
    --------
    >>> suspended(CALIBRATION_SCORES.empty(), "model")
    []
    """
    of_scope = pl.col("scope").cast(pl.String) == scope
    return scored.filter(of_scope & pl.col("is_suspended"))["group"].unique().sort().to_list()


def _is_suspended() -> pl.Expr:
    is_skill = (pl.col("statistic").cast(pl.String) == "skill") & pl.col("has_ambiguous")
    return (is_skill & (pl.col("n") >= SUSPENSION_IDEAS) & (pl.col("high") < 0.0)).fill_null(False)


def _figure(statistic: str, value: float, low: float = np.nan, high: float = np.nan, **rest: Any) -> dict[str, Any]:
    reason = None
    if np.isnan(value):
        reason = "too few ideas"
    elif np.isnan(low) and statistic in ("brier", "brier_baseline", "skill", "log_score"):
        reason = "no interval: fewer sessions than two horizons"
    return {"statistic": statistic, "bin": 0, "value": value, "low": low, "high": high, "reason": reason} | rest


def _figures(judged: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Return the figures of one group of ideas."""
    happened = judged["happened"].to_numpy().astype(bool)
    yield _figure("n", float(judged.height))
    if judged.is_empty():
        return
    yield _figure("happened", float(happened.sum()))
    p, base = judged["p_event"].to_numpy(), judged["p_baseline"].to_numpy()
    block = float(judged["horizon_bars"].max())  # type: ignore[arg-type]
    resampling = Resampling(judged["session"].to_physical().to_numpy(), block, REPLICATES, np.random.default_rng(_SEED))
    squared, of_base = (p - happened) ** 2, (base - happened) ** 2
    log_loss = -np.log(np.where(happened, p, 1.0 - p))
    one = resampling.sums(np.ones(p.size))
    for name, losses in (("brier", squared), ("brier_baseline", of_base), ("log_score", log_loss)):
        yield _resampled(name, resampling, resampling.sums(losses), one)
    yield _resampled("skill", resampling, resampling.sums(of_base - squared), resampling.sums(of_base))
    yield _slope("slope", p, happened)
    yield _slope("slope_raw", judged["p_raw"].to_numpy(), happened)
    yield _coverage(judged, happened)
    for number, row in enumerate(reliability(p, happened).iter_rows(named=True), 1):
        yield _figure("predicted", row["predicted"], bin=number, n=row["n"])
        curve = row["observed"], row["observed_low"], row["observed_high"]
        yield _figure("observed", *curve, bin=number, n=row["n"])


def _resampled(
    statistic: str, resampling: Resampling, above: NDArray[np.float64], below: NDArray[np.float64]
) -> dict[str, Any]:
    value, _ = resampling.estimate(ratio, above, below)
    drawn = resampling.resampled(ratio, above, below)
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn.size else (np.nan, np.nan)
    return _figure(statistic, value, float(low), float(high))


def _slope(statistic: str, probability: NDArray[np.float64], happened: NDArray[np.bool_]) -> dict[str, Any]:
    score = logits(probability)
    try:
        (intercept,), slope = fit_line(score[:, None], happened[:, None].astype(np.float64))
    except NoLineError as error:
        return _figure(statistic, np.nan) | {"reason": str(error)}
    fitted = sigmoid(intercept + slope * score)
    weight = fitted * (1.0 - fitted)
    centred = score - (weight * score).sum() / weight.sum()
    half = Z_95 / np.sqrt((weight * centred**2).sum())
    return _figure(statistic, slope, float(slope - half), float(slope + half))


def _coverage(judged: pl.DataFrame, happened: NDArray[np.bool_]) -> dict[str, Any]:
    n_bins = judged.height // IDEAS_PER_COVERAGE_BIN
    if n_bins == 0:
        return _figure("coverage", np.nan) | {"reason": f"fewer than {IDEAS_PER_COVERAGE_BIN} ideas"}
    p = judged["p_event"].to_numpy()
    place = equal_mass_bins(p, n_bins)
    n = np.bincount(place)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(place, weights=values) / n

    low, high = mean(judged["p_low"].to_numpy()), mean(judged["p_high"].to_numpy())
    observed, middle = mean(happened.astype(np.float64)), mean(p)
    chance = Z_80 * np.sqrt(mean(p * (1.0 - p)) / n)
    is_inside = (observed >= middle - np.hypot(middle - low, chance)) & (
        observed <= middle + np.hypot(high - middle, chance)
    )
    inside, of = np.array([int(is_inside.sum())]), np.array([n.size])
    (below,), (above,) = wilson(inside, of)
    return _figure("coverage", float(is_inside.mean()), float(below), float(above))
