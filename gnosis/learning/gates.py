"""The gates before promotion: what was measured against the limits of the contract (learning.md, section 11)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning.evidence import Evidence
from gnosis.learning.gate_statistics import JUDGED_BY, Statistic
from gnosis.learning.heads import HEADS
from gnosis.tables import TABLES
from gnosis.tables.model_scores import GATES

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    return [
        _judged(gate, statistic, evidence.artefacts.get(gate))
        for gate, judge in JUDGED_BY.items()
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


def _judged(gate: str, found: Statistic, artefact: str | None) -> Measured:
    value = None if found.value is None or math.isnan(found.value) else float(found.value)
    if found.lacking is not None or value is None or found.n <= 0:
        reason: str | None = f"insufficient: {found.lacking or 'not measured'}"
    elif _COMPARATORS[found.comparator](value, found.threshold):
        reason = None
    else:
        reason = f"expected {found.comparator} {found.threshold:g}, found {value:g}"
        reason += f": {found.detail}" if found.detail else ""
    return Measured(gate, found.name, value, found.comparator, found.threshold, found.n, reason, artefact)


__all__ = ["Measured", "failed_gates", "gates", "gates_frame"]
