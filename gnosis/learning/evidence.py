"""What is measured about a candidate before it may become champion: the inputs of the gates, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gnosis.learning.canonical import canonical_json


@dataclass(frozen=True)
class Proof:
    """What the truncation and poison proofs of one feature exercised: (symbol, date) pairs, and how many failed."""

    pairs: int
    failures: int


@dataclass(frozen=True)
class Placebo:
    """What the pipeline scored where there is nothing to find, and where something was planted.

    Attributes
    ----------
    log_loss, n
        Stitched log loss on permuted labels, in nats, and its rows.
    base_rate_low
        Lower end of the 95 % band of the stitched log loss of the base rate on the same rows.
    is_edge_detected, n_planted
        Whether the planted edge was found, and the rows of its market.
    planted
        Figures of the planted market by name, for the document.
    """

    log_loss: float
    base_rate_low: float
    n: int
    is_edge_detected: bool
    n_planted: int
    planted: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Stitched out-of-sample loss of the candidate less that of another model, on common rows.

    Attributes
    ----------
    difference, standard_error
        Mean and its stationary bootstrap error, in the unit of the loss; negative means the candidate is better.
    p_value
        One-sided, of no advantage.
    n
        Common rows.
    """

    difference: float
    standard_error: float
    p_value: float
    n: int


@dataclass(frozen=True)
class Calibrated:
    """Stitched out-of-sample calibration of the candidate: expected error, slope of the recalibration, Brier skill."""

    ece: float
    slope: float
    brier_skill: float
    n: int


@dataclass(frozen=True)
class Moved:
    """Drift of the candidate in the last session, from :func:`moved`.

    Attributes
    ----------
    drifted_feature_share, n_features
        Share of the features measured over 60 sessions whose index is above 0.25.
    unusual_feature_share
        Share of them whose index is also beyond the usual range of the feature.
    output_psi, n_outputs
        Largest index of an output over 60 sessions, in nats.
    unusual_outputs
        Outputs whose index is above 0.25 and beyond their usual range.
    """

    drifted_feature_share: float | None
    unusual_feature_share: float | None
    n_features: int
    output_psi: float | None
    unusual_outputs: int | None
    n_outputs: int


@dataclass(frozen=True)
class Overfitting:
    """Whether the derived strategy may be luck.

    Attributes
    ----------
    deflated_sharpe_ratio
        Probability, by the effective number of trials.
    deflated_sharpe_ratio_of_all
        The same by the number of all trials, for the document.
    probability_of_backtest_overfitting, spa_p_value
        By CSCV, and the consistent p-value of the test for superior predictive ability; None when undefined.
    n_trials, n_effective
        From the ledger.
    n
        Returns of the strategy.
    lacking
        By name of a figure that is None, what there was too little of.
    """

    deflated_sharpe_ratio: float | None
    deflated_sharpe_ratio_of_all: float | None
    probability_of_backtest_overfitting: float | None
    spa_p_value: float | None
    n_trials: int
    n_effective: float
    n: int
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Parity:
    """Stored live rows against rows made anew, from :func:`gnosis.learning.serving_parity.serving_parity`."""

    sessions: int
    rows: int
    feature_rows_different: int
    predictions_different: int


@dataclass(frozen=True)
class Latency:
    """Milliseconds of warm single-row calls: median of the native predict, 95th percentile of the whole answer."""

    native_median_ms: float
    answer_p95_ms: float
    calls: int


@dataclass(frozen=True)
class Evidence:
    """All that the gates look at; None, or an empty mapping, is a thing that was not measured and fails its gate.

    Attributes
    ----------
    horizon_bars, head
        What the candidate answers.
    champion
        Version that the candidate was compared with; None when there is no champion.
    checks
        By name, whether each blocking check of the training partitions is green.
    proofs
        By feature.
    against
        By name of the baseline, and ``champion``.
    hashes
        By name, the hashes of two clean trainings.
    artefacts
        By gate, the hash of the artefact that the figures were computed from.
    """

    horizon_bars: int
    head: str
    champion: str | None
    checks: Mapping[str, bool] = field(default_factory=dict)
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    placebo: Placebo | None = None
    against: Mapping[str, Comparison] = field(default_factory=dict)
    calibrated: Calibrated | None = None
    moved: Moved | None = None
    overfitting: Overfitting | None = None
    parity: Parity | None = None
    latency: Latency | None = None
    hashes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    artefacts: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, NaN as None: it is a figure that could not be measured."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @property
    def sha256(self) -> str:
        """Hash of the canonical form."""
        return hashlib.sha256(canonical_json(self.to_dict()).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and value != value else value


__all__ = [
    "Calibrated",
    "Comparison",
    "Evidence",
    "Latency",
    "Moved",
    "Overfitting",
    "Parity",
    "Placebo",
    "Proof",
]
