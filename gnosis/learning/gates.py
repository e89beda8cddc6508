"""The gates before promotion: what was measured against the limits of the contract (learning.md, section 11)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning.drift import DRIFTED_ABOVE
from gnosis.learning.drift_state import MOST_DRIFTED_SHARE
from gnosis.learning.evidence import Evidence, Moved, Proof
from gnosis.learning.heads import HEADS
from gnosis.learning.matrix import FEATURE_NAMES
from gnosis.tables import TABLES
from gnosis.tables.model_scores import GATES

if TYPE_CHECKING:
    from collections.abc import Sequence

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

_COMPARATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Measured:
    """One statistic of one gate, as in ``models.gates``.

    Attributes
    ----------
    gate, statistic
        Names.
    value
        Measured; None when there was too little data.
    comparator, threshold
        How the value has to stand to the limit.
    n
        Cases behind the value.
    reason
        Why it failed; None when it passed. It begins with ``insufficient`` when there was too little data.
    evidence_sha256
        Hash of the artefact that the value was computed from.
    """

    gate: str
    statistic: str
    value: float | None
    comparator: str
    threshold: float
    n: int
    reason: str | None
    evidence_sha256: str | None

    @property
    def passed(self) -> bool:
        """Whether the limit is kept by enough data."""
        return self.reason is None

    def to_dict(self) -> dict[str, Any]:
        """Return the statistic as in the promotion document (L-11.4)."""
        return {
            "comparator": self.comparator,
            "evidence": self.evidence_sha256,
            "gate": self.gate,
            "n": self.n,
            "pass": self.passed,
            "reason": self.reason,
            "statistic": self.statistic,
            "threshold": self.threshold,
            "value": self.value,
        }


def gates(evidence: Evidence) -> list[Measured]:
    """Judge a candidate by every gate.

    Parameters
    ----------
    evidence
        Everything measured about it.

    Returns
    -------
    list
        Statistics in the order of the gates; each gate has at least one. A gate passes when all of its statistics
        pass. A figure that was not measured, or rests on too little, fails as ``insufficient`` (L-11.5).

        G5 and G7 ask for probabilities: a candidate of a head that answers with a number cannot pass them, and serves
        beside the champion of the direction.

    Raises
    ------
    ValueError
        When a proof is about a feature that does not exist, or a head does not.

    Examples
    --------
    >>> nothing = gates(Evidence(horizon_bars=5, head="direction", champion=None))
    >>> sorted({each.gate for each in nothing if not each.passed}, key=lambda gate: int(gate[1:]))
    ['G1', 'G2', 'G3', 'G4', 'G5', 'G6', 'G7', 'G8', 'G9', 'G10']
    """
    if evidence.head not in HEADS:
        raise ValueError(f"expected a head out of {list(HEADS)}, found {evidence.head!r}")
    judges = (_data, _look_ahead, _placebo, _skill, _calibration, _drift, _overfitting, _parity, _latency, _determinism)
    return [
        _judged(gate, statistic, evidence.artefacts.get(gate))
        for gate, judge in zip(GATES, judges, strict=True)
        for statistic in judge(evidence)
    ]


def failed_gates(measured: Sequence[Measured]) -> list[str]:
    """Return the gates with a statistic that failed, in order; a gate without any statistic failed too."""
    present = {each.gate for each in measured}
    failed = {each.gate for each in measured if not each.passed}
    return [gate for gate in GATES if gate in failed or gate not in present]


def gates_frame(
    measured: Sequence[Measured], *, horizon_bars: int, head: str, model_version: str, document_sha256: str
) -> pl.DataFrame:
    """Return the statistics of one promotion document as rows of ``models.gates``."""
    table = TABLES["models.gates"]
    key = {
        "horizon_bars": horizon_bars,
        "head": head,
        "model_version": model_version,
        "document_sha256": document_sha256,
    }
    rows = [
        key
        | {
            "gate": each.gate,
            "statistic": each.statistic,
            "value": each.value,
            "comparator": each.comparator,
            "threshold": each.threshold,
            "n": each.n,
            "passed": each.passed,
            "reason": each.reason,
            "evidence_sha256": each.evidence_sha256,
        }
        for each in measured
    ]
    return pl.DataFrame(rows, schema=table.polars_schema).sort(table.key)


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

    The gate judges what drifted beyond its usual range, as :func:`gnosis.learning.drift_state.has_left_its_range` does
    and for the figures given there: by the index alone no model of few symbols would ever be promoted. What the index
    alone says is evidence beside it.
    """
    last = drift.filter((pl.col("session") == pl.col("session").max()) & pl.col("psi_60_sessions").is_not_null())
    features, outputs = (last.filter(pl.col("kind") == kind) for kind in ("feature", "output"))
    n_features, n_outputs = features.height, outputs.height
    return Moved(
        drifted_feature_share=_n(features["psi_60_sessions"] > DRIFTED_ABOVE) / n_features if n_features else None,
        unusual_feature_share=_n(features["is_unusual"]) / n_features if n_features else None,
        n_features=n_features,
        output_psi=float(outputs["psi_60_sessions"].max()) if n_outputs else None,  # type: ignore[arg-type]
        unusual_outputs=_n(outputs["is_unusual"]) if n_outputs else None,
        n_outputs=n_outputs,
    )


def _n(flags: pl.Series) -> int:
    return int(flags.sum())


@dataclass(frozen=True)
class _Statistic:
    """A statistic before it is judged; ``lacking`` says what there was too little of."""

    name: str
    value: float | None
    comparator: str
    threshold: float
    n: int
    lacking: str | None = None
    detail: str = ""


def _judged(gate: str, found: _Statistic, artefact: str | None) -> Measured:
    value = None if found.value is None or math.isnan(found.value) else float(found.value)
    if found.lacking is not None or value is None or found.n <= 0:
        reason: str | None = f"insufficient: {found.lacking or 'not measured'}"
    elif _COMPARATORS[found.comparator](value, found.threshold):
        reason = None
    else:
        reason = f"expected {found.comparator} {found.threshold:g}, found {value:g}"
        reason += f": {found.detail}" if found.detail else ""
    return Measured(gate, found.name, value, found.comparator, found.threshold, found.n, reason, artefact)


def _data(evidence: Evidence) -> Iterator[_Statistic]:
    red = sorted(name for name, is_green in evidence.checks.items() if not is_green)
    yield _Statistic("red_checks", len(red), "==", 0, len(evidence.checks), detail=", ".join(red))


def _look_ahead(evidence: Evidence) -> Iterator[_Statistic]:
    leaks = leaking(evidence.proofs)
    pairs = {name: evidence.proofs[name].pairs if name in evidence.proofs else 0 for name in FEATURE_NAMES}
    few = [name for name, n in pairs.items() if n < FEWEST_PAIRS]
    yield _Statistic("leaking_features", len(leaks), "==", 0, len(evidence.proofs), detail=", ".join(leaks))
    yield _Statistic(
        "fewest_pairs_of_a_feature",
        min(pairs.values()),
        ">=",
        FEWEST_PAIRS,
        sum(pairs.values()),
        lacking=f"fewer than {FEWEST_PAIRS} pairs for {len(few)} features, first {few[0]}" if few else None,
    )


def _placebo(evidence: Evidence) -> Iterator[_Statistic]:
    found = evidence.placebo
    yield _Statistic(
        "placebo_log_loss_less_base_rate_low",
        None if found is None else found.log_loss - found.base_rate_low,
        ">=",
        0.0,
        0 if found is None else found.n,
    )
    yield _Statistic(
        "planted_edge_detected",
        None if found is None else float(found.is_edge_detected),
        "==",
        1.0,
        0 if found is None else found.n_planted,
    )


def _skill(evidence: Evidence) -> Iterator[_Statistic]:
    for baseline in HEADS[evidence.head].baselines:
        found = evidence.against.get(baseline)
        n = 0 if found is None else found.n
        yield _Statistic(f"loss_less_{baseline}", None if found is None else found.difference, "<", 0.0, n)
        yield _Statistic(f"p_against_{baseline}", None if found is None else found.p_value, "<", P_BELOW, n)
    if evidence.champion is None:
        return
    found = evidence.against.get("champion")
    is_known = found is not None and found.standard_error > 0.0
    yield _Statistic(
        "standard_errors_behind_champion",
        found.difference / found.standard_error if found is not None and is_known else None,
        "<=",
        MOST_STANDARD_ERRORS_BEHIND_CHAMPION,
        0 if found is None else found.n,
    )


def _calibration(evidence: Evidence) -> Iterator[_Statistic]:
    found = evidence.calibrated
    n = 0 if found is None else found.n
    ece, slope, skill = (None, None, None) if found is None else (found.ece, found.slope, found.brier_skill)
    yield _Statistic("ece", ece, "<=", LARGEST_ECE, n)
    yield _Statistic("recalibration_slope", slope, ">=", LEAST_SLOPE, n)
    yield _Statistic("recalibration_slope_upper", slope, "<=", LARGEST_SLOPE, n)
    yield _Statistic("brier_skill", skill, ">", 0.0, n)


def _drift(evidence: Evidence) -> Iterator[_Statistic]:
    found = evidence.moved or Moved(None, None, 0, None, None, 0)
    yield _Statistic("unusual_feature_share", found.unusual_feature_share, "<=", MOST_DRIFTED_SHARE, found.n_features)
    yield _Statistic("unusual_outputs", found.unusual_outputs, "==", 0, found.n_outputs)


def _overfitting(evidence: Evidence) -> Iterator[_Statistic]:
    found = evidence.overfitting
    limits = {
        "deflated_sharpe_ratio": (">=", LEAST_DEFLATED_SHARPE_RATIO),
        "probability_of_backtest_overfitting": ("<=", LARGEST_OVERFITTING_PROBABILITY),
        "spa_p_value": ("<=", LARGEST_SPA_P),
    }
    for name, (comparator, threshold) in limits.items():
        if found is None:
            yield _Statistic(name, None, comparator, threshold, 0)
            continue
        lacking = found.lacking.get(name) if found.n_trials else "no trial in the ledger"
        yield _Statistic(name, getattr(found, name), comparator, threshold, found.n, lacking)


def _parity(evidence: Evidence) -> Iterator[_Statistic]:
    found = evidence.parity
    sessions = 0 if found is None else found.sessions
    few = f"{sessions} of {FEWEST_LIVE_SESSIONS} live sessions" if sessions < FEWEST_LIVE_SESSIONS else None
    for name in ("feature_rows_different", "predictions_different"):
        value = None if found is None else getattr(found, name)
        yield _Statistic(name, value, "==", 0, 0 if found is None else found.rows, few)


def _latency(evidence: Evidence) -> Iterator[_Statistic]:
    found = evidence.latency
    calls = 0 if found is None else found.calls
    few = f"{calls} of {FEWEST_CALLS} calls" if calls < FEWEST_CALLS else None
    limits = {"native_median_ms": NATIVE_MEDIAN_BELOW_MS, "answer_p95_ms": ANSWER_P95_BELOW_MS}
    for name, threshold in limits.items():
        yield _Statistic(name, None if found is None else getattr(found, name), "<", threshold, calls, few)


def _determinism(evidence: Evidence) -> Iterator[_Statistic]:
    absent = [name for name in HASHES if name not in evidence.hashes]
    different = sorted(name for name, (first, second) in evidence.hashes.items() if first != second)
    yield _Statistic(
        "hashes_different",
        len(different),
        "==",
        0,
        len(evidence.hashes),
        lacking=f"no {', '.join(absent)} of two trainings" if absent else None,
        detail=", ".join(different),
    )


__all__ = ["Measured", "failed_gates", "gates", "gates_frame", "leaking", "moved"]
