"""Promotion: the document that decides about a champion, the decision, and the way back (learning.md, section 11)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.learning.canonical import canonical_json
from gnosis.learning.gates import Measured, failed_gates, gates, gates_frame
from gnosis.tables import TABLES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from gnosis.learning.evidence import Evidence


class PromotionError(ValueError):
    """A decision that does not follow from the decisions before it."""


class NoPreviousChampionError(PromotionError):
    """A rollback where there is no champion to return to."""


@dataclass(frozen=True)
class Document:
    """Canonical JSON and its hash."""

    text: str
    sha256: str

    @classmethod
    def of(cls, content: dict[str, Any]) -> Document:
        """Write sorted keys in UTF-8 (L-11.4)."""
        written = canonical_json(content)
        return cls(written, hashlib.sha256(written.encode()).hexdigest())

    @property
    def content(self) -> dict[str, Any]:
        """What the JSON says."""
        read: dict[str, Any] = json.loads(self.text)
        return read


@dataclass(frozen=True)
class Decision:
    """A decision about one candidate.

    Attributes
    ----------
    promotion
        One row of ``models.promotion``, to append.
    gates
        The rows of ``models.gates`` of its document.
    """

    promotion: pl.DataFrame
    gates: pl.DataFrame


def document(
    evidence: Evidence,
    measured: Sequence[Measured],
    candidate: str,
    session: dt.date,
    rejection: str | None = None,
) -> Document:
    """Return the promotion document: every figure, every gate and what follows from them.

    Parameters
    ----------
    evidence, measured
        What was measured, and the gates that judged it.
    candidate
        Version.
    session
        Partition: the last session known to the decision. The only time in the document.
    rejection
        Why a person rejects the candidate although it may pass; None when nobody does.

    Returns
    -------
    Document
        ``decision`` is ``promote`` when every gate passed and nobody rejected, else ``reject``. There is no way for a
        person to promote (L-11.5).
    """
    failed = failed_gates(measured)
    return Document.of(
        {
            "candidate": candidate,
            "champion": evidence.champion,
            "decision": "reject" if failed or rejection is not None else "promote",
            "evidence": evidence.to_dict(),
            "evidence_sha256": evidence.sha256,
            "failed_gates": failed,
            "gates": [each.to_dict() for each in measured],
            "head": evidence.head,
            "horizon_bars": evidence.horizon_bars,
            "partition": session.isoformat(),
            "rejected_by_a_person": rejection,
        }
    )


def decide(
    promotion: pl.DataFrame,
    evidence: Evidence,
    *,
    candidate: str,
    session: dt.date,
    synthetic: bool,
    rejection: str | None = None,
) -> Decision:
    """Decide about a candidate: it becomes champion if and only if every gate passes and nobody rejects it.

    Parameters
    ----------
    promotion
        Rows of ``models.promotion`` so far.
    evidence
        What was measured about the candidate.
    candidate, session, rejection
        As of :func:`document`.
    synthetic
        Whether the model or its gates rest on generated data.

    Raises
    ------
    PromotionError
        When the candidate is the champion already, the evidence compares it with another model than the champion, or a
        later decision exists.
    """
    standing = _standing(promotion, evidence.head, evidence.horizon_bars, session)
    if candidate == standing.champion:
        raise PromotionError(f"expected a candidate that is not the champion, found {candidate}; nothing is to decide")
    if evidence.champion != standing.champion:
        raise PromotionError(
            f"expected evidence against the champion {standing.champion}, found {evidence.champion}; measure it anew"
        )
    measured = gates(evidence)
    written = document(evidence, measured, candidate, session, rejection)
    decision = written.content["decision"]
    champion, previous = standing.champion, standing.previous
    if decision == "promote":
        champion, previous = candidate, standing.champion
    row = standing.row(
        decision, candidate, champion, previous, written, failed=written.content["failed_gates"], synthetic=synthetic
    )
    listed = gates_frame(
        measured,
        horizon_bars=evidence.horizon_bars,
        head=evidence.head,
        model_version=candidate,
        document_sha256=written.sha256,
    )
    return Decision(row, listed)


def rollback(promotion: pl.DataFrame, *, head: str, horizon: int, session: dt.date, reason: str) -> pl.DataFrame:
    """Return the decision that swaps the champion and the previous one, with its own document.

    Parameters
    ----------
    promotion
        Rows of ``models.promotion`` so far.
    head, horizon
        Whose champion.
    session
        Last session known to the decision.
    reason
        Why, in words; part of the document.

    Raises
    ------
    NoPreviousChampionError
        When no champion went before the present one.
    PromotionError
        When a later decision exists.
    """
    standing = _standing(promotion, head, horizon, session)
    if standing.previous is None or standing.champion is None:
        raise NoPreviousChampionError(
            f"expected a champion of {head} before {standing.champion or 'now'} to return to, found none: "
            "a second version has to be promoted first"
        )
    written = Document.of(
        {
            "champion": standing.previous,
            "decision": "rollback",
            "head": head,
            "horizon_bars": horizon,
            "partition": session.isoformat(),
            "previous": standing.champion,
            "reason": reason,
        }
    )
    promoted = promotion.filter((pl.col("model_version") == standing.previous) & (pl.col("decision") == "promote"))
    return standing.row(
        "rollback",
        standing.previous,
        standing.previous,
        standing.champion,
        written,
        failed=[],
        synthetic=bool(promoted["synthetic"].any()),
    )


def champion_of(promotion: pl.DataFrame, head: str, horizon: int, session: dt.date) -> str | None:
    """Return the version that answers in a session: the champion of the last decision taken before it.

    Parameters
    ----------
    promotion
        Rows of ``models.promotion``.
    head, horizon, session
        Whose champion, and when.

    Examples
    --------
    >>> import datetime as dt
    >>> champion_of(TABLES["models.promotion"].empty(), "direction", 5, dt.date(2024, 1, 3)) is None
    True
    """
    before = _of(promotion, head, horizon).filter(pl.col("session") < session)
    return before["champion"][-1] if before.height else None


@dataclass(frozen=True)
class _Standing:
    """Where a head stands: its champion, the one before and the number of decisions."""

    head: str
    horizon: int
    session: dt.date
    champion: str | None
    previous: str | None
    decisions: int

    def row(
        self,
        decision: str,
        model_version: str,
        champion: str | None,
        previous: str | None,
        written: Document,
        *,
        failed: Sequence[str],
        synthetic: bool,
    ) -> pl.DataFrame:
        """Return the next row of ``models.promotion``."""
        row = {
            "horizon_bars": self.horizon,
            "head": self.head,
            "decision_number": self.decisions + 1,
            "session": self.session,
            "model_version": model_version,
            "decision": decision,
            "champion": champion,
            "previous": previous,
            "failed_gates": ",".join(failed) or None,
            "document": written.text,
            "document_sha256": written.sha256,
            "synthetic": synthetic,
        }
        return pl.DataFrame([row], schema=TABLES["models.promotion"].polars_schema)


def _of(promotion: pl.DataFrame, head: str, horizon: int) -> pl.DataFrame:
    own = promotion.filter((pl.col("head") == head) & (pl.col("horizon_bars") == horizon))
    return own.sort("decision_number")


def _standing(promotion: pl.DataFrame, head: str, horizon: int, session: dt.date) -> _Standing:
    own = _of(promotion, head, horizon)
    if not own.height:
        return _Standing(head, horizon, session, None, None, 0)
    last = own.row(-1, named=True)
    if last["session"] > session:
        raise PromotionError(
            f"expected a decision no earlier than the last one, of {last['session']}, found {session}; decisions are "
            "appended and never changed"
        )
    return _Standing(head, horizon, session, last["champion"], last["previous"], int(last["decision_number"]))


__all__ = [
    "Decision",
    "Document",
    "NoPreviousChampionError",
    "PromotionError",
    "champion_of",
    "decide",
    "document",
    "rollback",
]
