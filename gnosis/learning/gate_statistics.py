"""What each gate measures against which limit (learning.md, section 11): one statistic or several per gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from gnosis.learning.drift import DRIFTED_ABOVE
from gnosis.learning.drift_state import MOST_DRIFTED_SHARE, is_beyond
from gnosis.learning.drift_windows import WINDOW
from gnosis.learning.evidence import Evidence, Moved, Proof
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.tables.model_scores import GATES

FEWEST_PAIRS = 30
P_BELOW = 0.05
MOST_STANDARD_ERRORS_BEHIND_CHAMPION = 1.0
LARGEST_ECE = 0.03
LEAST_SLOPE, LARGEST_SLOPE = 0.8, 1.25
LEAST_DEFLATED_SHARPE_RATIO = 0.95
LARGEST_OVERFITTING_PROBABILITY = 0.20
LARGEST_SPA_P = 0.05
FEWEST_LIVE_SESSIONS = 5
FEWEST_CALLS = 1_000
NATIVE_MEDIAN_BELOW_MS, ANSWER_P95_BELOW_MS = 1.0, 10.0
HASHES = ("model_sha256", "predictions_sha256")


@dataclass(frozen=True)
class Statistic:
    """A statistic before it is judged: ``detail`` is told when it fails, ``lacking`` what there was too little of."""

    name: str
    value: float | None
    comparator: str
    threshold: float
    n: int
    lacking: str | None = None
    detail: str = ""


def leaking(proofs: Mapping[str, Proof]) -> list[str]:
    """Return the features whose values changed when their future was cut off or poisoned, in the registry's order.

    Raises
    ------
    ValueError
        When there is no such feature.

    Examples
    --------
    >>> leaking({"tech_roc_5": Proof(pairs=30, failures=0), "tech_atr": Proof(pairs=30, failures=2)})
    ['tech_atr']
    """
    unknown = sorted(set(proofs) - set(FEATURE_NAMES))
    if unknown:
        raise ValueError(f"expected proofs of the {len(FEATURE_NAMES)} features, found some of {unknown}")
    return [name for name in FEATURE_NAMES if name in proofs and proofs[name].failures > 0]


def moved(drift: pl.DataFrame) -> Moved:
    """Return what gate G6 looks at: the drift of one model in the last session of its rows of ``models.drift``.

    The gate judges what drifted over 60 sessions beyond its usual range, for the reason given at
    :func:`gnosis.learning.drift_state.has_left_its_range`: by the index alone no model of few symbols would ever be
    promoted. What the index alone says is evidence beside it.
    """
    last = drift.filter((pl.col("session") == pl.col("session").max()) & pl.col("psi_60_sessions").is_not_null())
    features, outputs = (last.filter(pl.col("kind") == kind) for kind in ("feature", "output"))
    n_features, n_outputs = features.height, outputs.height
    return Moved(
        drifted_feature_share=_n(features["psi_60_sessions"] > DRIFTED_ABOVE) / n_features if n_features else None,
        unusual_feature_share=_beyond_range(features) / n_features if n_features else None,
        n_features=n_features,
        output_psi=float(outputs["psi_60_sessions"].max()) if n_outputs else None,  # type: ignore[arg-type]
        unusual_outputs=_beyond_range(outputs) if n_outputs else None,
        n_outputs=n_outputs,
    )


def _n(flags: pl.Series) -> int:
    return int(flags.sum())


def _beyond_range(subjects: pl.DataFrame) -> int:
    return _n(subjects.select(is_beyond(WINDOW)).to_series())


def _data(evidence: Evidence) -> Iterator[Statistic]:
    red = sorted(name for name, is_green in evidence.checks.items() if not is_green)
    yield Statistic("red_checks", len(red), "==", 0, len(evidence.checks), detail=", ".join(red))


def _look_ahead(evidence: Evidence) -> Iterator[Statistic]:
    leaks = leaking(evidence.proofs)
    pairs = {name: evidence.proofs[name].pairs if name in evidence.proofs else 0 for name in FEATURE_NAMES}
    few = [name for name, n in pairs.items() if n < FEWEST_PAIRS]
    yield Statistic("leaking_features", len(leaks), "==", 0, len(evidence.proofs), detail=", ".join(leaks))
    yield Statistic(
        "fewest_pairs_of_a_feature",
        min(pairs.values()),
        ">=",
        FEWEST_PAIRS,
        sum(pairs.values()),
        lacking=f"fewer than {FEWEST_PAIRS} pairs for {len(few)} features, first {few[0]}" if few else None,
    )


def _placebo(evidence: Evidence) -> Iterator[Statistic]:
    found = evidence.placebo
    yield Statistic(
        "placebo_log_loss_less_base_rate_low",
        None if found is None else found.log_loss - found.base_rate_low,
        ">=",
        0.0,
        0 if found is None else found.n,
    )
    yield Statistic(
        "planted_edge_detected",
        None if found is None else float(found.is_edge_detected),
        "==",
        1.0,
        0 if found is None else found.n_planted,
    )


def _skill(evidence: Evidence) -> Iterator[Statistic]:
    for baseline in HEADS[evidence.head].baselines:
        found = evidence.against.get(baseline)
        n = 0 if found is None else found.n
        yield Statistic(f"loss_less_{baseline}", None if found is None else found.difference, "<", 0.0, n)
        yield Statistic(f"p_against_{baseline}", None if found is None else found.p_value, "<", P_BELOW, n)
    if evidence.champion is None:
        return
    found = evidence.against.get("champion")
    is_known = found is not None and found.standard_error > 0.0
    yield Statistic(
        "standard_errors_behind_champion",
        found.difference / found.standard_error if found is not None and is_known else None,
        "<=",
        MOST_STANDARD_ERRORS_BEHIND_CHAMPION,
        0 if found is None else found.n,
    )


def _calibration(evidence: Evidence) -> Iterator[Statistic]:
    found = evidence.calibrated
    n = 0 if found is None else found.n
    ece, slope, skill = (None, None, None) if found is None else (found.ece, found.slope, found.brier_skill)
    yield Statistic("ece", ece, "<=", LARGEST_ECE, n)
    yield Statistic("recalibration_slope", slope, ">=", LEAST_SLOPE, n)
    yield Statistic("recalibration_slope_upper", slope, "<=", LARGEST_SLOPE, n)
    yield Statistic("brier_skill", skill, ">", 0.0, n)


def _drift(evidence: Evidence) -> Iterator[Statistic]:
    found = evidence.moved or Moved(None, None, 0, None, None, 0)
    yield Statistic("unusual_feature_share", found.unusual_feature_share, "<=", MOST_DRIFTED_SHARE, found.n_features)
    yield Statistic("unusual_outputs", found.unusual_outputs, "==", 0, found.n_outputs)


def _overfitting(evidence: Evidence) -> Iterator[Statistic]:
    found = evidence.overfitting
    limits = {
        "deflated_sharpe_ratio": (">=", LEAST_DEFLATED_SHARPE_RATIO),
        "probability_of_backtest_overfitting": ("<=", LARGEST_OVERFITTING_PROBABILITY),
        "spa_p_value": ("<=", LARGEST_SPA_P),
    }
    for name, (comparator, threshold) in limits.items():
        if found is None:
            yield Statistic(name, None, comparator, threshold, 0)
            continue
        lacking = found.lacking.get(name) if found.n_trials else "no trial in the ledger"
        yield Statistic(name, getattr(found, name), comparator, threshold, found.n, lacking)


def _parity(evidence: Evidence) -> Iterator[Statistic]:
    found = evidence.parity
    sessions = 0 if found is None else found.sessions
    few = f"{sessions} of {FEWEST_LIVE_SESSIONS} live sessions" if sessions < FEWEST_LIVE_SESSIONS else None
    for name in ("feature_rows_different", "predictions_different"):
        value = None if found is None else getattr(found, name)
        yield Statistic(name, value, "==", 0, 0 if found is None else found.rows, few)


def _latency(evidence: Evidence) -> Iterator[Statistic]:
    found = evidence.latency
    calls = 0 if found is None else found.calls
    few = f"{calls} of {FEWEST_CALLS} calls" if calls < FEWEST_CALLS else None
    limits = {"native_median_ms": NATIVE_MEDIAN_BELOW_MS, "answer_p95_ms": ANSWER_P95_BELOW_MS}
    for name, threshold in limits.items():
        yield Statistic(name, None if found is None else getattr(found, name), "<", threshold, calls, few)


def _determinism(evidence: Evidence) -> Iterator[Statistic]:
    absent = [name for name in HASHES if name not in evidence.hashes]
    different = sorted(name for name, (first, second) in evidence.hashes.items() if first != second)
    yield Statistic(
        "hashes_different",
        len(different),
        "==",
        0,
        len(evidence.hashes),
        lacking=f"no {', '.join(absent)} of two trainings" if absent else None,
        detail=", ".join(different),
    )


_JUDGES = (_data, _look_ahead, _placebo, _skill, _calibration, _drift, _overfitting, _parity, _latency, _determinism)
JUDGED_BY: Mapping[str, Callable[[Evidence], Iterator[Statistic]]] = dict(zip(GATES, _JUDGES, strict=True))
"""By gate, what yields its statistics from the evidence."""

__all__ = ["FEWEST_CALLS", "FEWEST_PAIRS", "JUDGED_BY", "Statistic", "leaking", "moved"]
