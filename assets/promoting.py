"""Promotion: the newest model of the direction goes through the gates, or the previous champion comes back.

Every decision is about the head ``direction``: the other heads answer with the models of its fold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from assets.gate_evidence import HEAD, Case, gather, open_vault
from assets.model_tracking import universe_of
from assets.night import Night, TableRows
from gnosis.backtest.trials import vault_openings
from gnosis.learning.heads import PUBLISHED
from gnosis.learning.promotion import PromotionError, decide, rollback

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMOTE_TAG = "gnosis/promote"
ROLLBACK_TAG = "gnosis/rollback"
"""Its value is the reason."""
REJECT_TAG = "gnosis/reject"
"""Its value is why a person rejects the newest model, whatever its gates say."""


@dataclass(frozen=True)
class _Decided:
    """All decisions and gates after this run, and what to show of it."""

    promotion: pl.DataFrame
    gates: pl.DataFrame
    shown: Mapping[str, object] = field(default_factory=dict)


def promote(night: Night, horizon: int) -> dict[str, TableRows]:
    """Return the decisions about champions and their gates: those stored, and what this run decides.

    Parameters
    ----------
    night
        Its tag ``gnosis/promote: true`` puts the newest published model through the gates, ``gnosis/rollback: reason``
        makes the previous champion the champion again, ``gnosis/reject: reason`` judges the newest model and rejects
        it whatever the gates say, now and later. Without any of them nothing is judged; aliases that the registry does
        not show yet are shown.
    horizon
        In sessions.

    Raises
    ------
    dagster.Failure
        When there is no champion to return to, no challenger to reject, no reason, or a later decision exists; a retry
        does not help.
    """
    stored = _Decided(night.stored(), night.stored("models.gates"))
    try:
        if ROLLBACK_TAG in night.tags:
            decided = _rolled_back(night, stored, horizon)
        elif REJECT_TAG in night.tags:
            decided = _judged(night, stored, horizon, rejection=_reason(night, REJECT_TAG, "reject"))
        elif night.tags.get(PROMOTE_TAG) == "true":
            decided = _judged(night, stored, horizon)
        else:
            decided = stored
    except PromotionError as error:
        raise dg.Failure(f"models.promotion: {error}", allow_retries=False) from error
    shown = {**decided.shown, **_mirrored(night, decided.promotion)}
    return {
        "models.promotion": TableRows(decided.promotion, metadata=shown),
        "models.gates": TableRows(decided.gates, metadata=decided.shown),
    }


def _rolled_back(night: Night, stored: _Decided, horizon: int) -> _Decided:
    reason = _reason(night, ROLLBACK_TAG, "rollback")
    last = _last_decision(stored.promotion, horizon)
    if last is not None and last["decision"] == "rollback" and last["session"] == night.last:
        document = json.loads(last["document"])
        if document["reason"] == reason:
            # A run that is started again must not swap the champions back.
            night.say(f"models.promotion: rolled back to {last['champion']} for this reason already")
            return stored
    row = rollback(stored.promotion, head=HEAD, horizon=horizon, session=night.last, reason=reason)
    decision = row.row(0, named=True)
    versions = night.read_all("models.trained", ["horizon_bars", "model_version"]).filter(horizon_bars=horizon)
    if decision["champion"] not in versions["model_version"]:
        raise PromotionError(
            f"expected the model {decision['champion']} of the previous champion in models.trained, found none: nobody "
            "would answer; restore the table, or train and promote a newer version"
        )
    night.say(f"models.promotion: {decision['champion']} is the champion again: {reason}")
    shown = {"decision": "rollback", "champion": decision["champion"], "document_sha256": decision["document_sha256"]}
    return _Decided(pl.concat([stored.promotion, row]), stored.gates, shown)


def _reason(night: Night, tag: str, command: str) -> str:
    reason = night.tags[tag].strip()
    if not reason:
        raise dg.Failure(
            f"models.promotion: expected a reason as the value of the tag {tag}, found none; start it with "
            f"`gnosis {command} --reason ...`",
            allow_retries=False,
        )
    return reason


def _judged(night: Night, stored: _Decided, horizon: int, rejection: str | None = None) -> _Decided:
    last = _last_decision(stored.promotion, horizon)
    champion = None if last is None else last["champion"]
    model = candidate_of(night.read_all("models.trained"), horizon)
    if rejection is not None and model is not None and model["model_version"] == champion:
        raise PromotionError(
            f"expected a challenger to reject, found the champion {champion}; "
            "`gnosis rollback --reason ...` returns to the one before it"
        )
    spared = _why_not(model, stored.promotion, last, night, horizon, is_rejected=rejection is not None)
    if model is None or spared:
        night.say(f"models.promotion: {spared}")
        return stored
    case = Case.of(night, model, champion)
    opening = open_vault(case)
    evidence = gather(case)
    decided = decide(
        stored.promotion,
        evidence,
        candidate=case.version,
        session=night.last,
        synthetic=case.is_synthetic,
        rejection=rejection,
    )
    night.ledger.finish(opening)
    openings = vault_openings(night.ledger.rows(), case.family)
    row = decided.promotion.row(0, named=True)
    failed = row["failed_gates"]
    told = [f"failed: {failed}"] * bool(failed) + [f"by a person: {rejection}"] * (rejection is not None)
    night.say(", ".join([f"models.promotion: {row['decision']} {case.version}", *told]))
    shown = {
        "decision": row["decision"],
        "candidate": case.version,
        "champion": row["champion"] or "none",
        "failed_gates": failed or "none",
        "gates": dg.MetadataValue.md(markdown(decided.gates)),
        "document_sha256": row["document_sha256"],
        "vault_openings": openings,
        "vault_is_spent": openings > 1,
    }
    promotion = pl.concat([stored.promotion, decided.promotion])
    return _Decided(
        promotion, pl.concat([stored.gates, decided.gates]).sort(night.lake.table("models.gates").key), shown
    )


def candidate_of(trained: pl.DataFrame, horizon: int) -> dict[str, Any] | None:
    """Return the published model of the direction of the newest fold, None before there is one."""
    own = trained.filter(
        (pl.col("horizon_bars") == horizon) & (pl.col("head") == HEAD) & (pl.col("model_name") == PUBLISHED)
    ).sort("fold")
    return own.row(-1, named=True) if own.height else None


def _why_not(
    model: dict[str, Any] | None,
    promotion: pl.DataFrame,
    last: dict[str, Any] | None,
    night: Night,
    horizon: int,
    *,
    is_rejected: bool,
) -> str | None:
    """Return why the newest model is not judged; None when it is."""
    if model is None:
        return "nothing to judge, because no model of the direction is trained yet"
    version = model["model_version"]
    if last is not None and version == last["champion"]:
        return f"nothing to judge, because the newest model {version} is the champion"
    if last is not None and last["decision"] == "rollback" and version == last["previous"]:
        reason = json.loads(last["document"])["reason"]
        return f"{version} is not judged again, because it was rolled back: {reason}; a newer model will be"
    judged = promotion.filter(
        (pl.col("horizon_bars") == horizon)
        & (pl.col("head") == HEAD)
        & (pl.col("model_version") == version)
        & (pl.col("decision") != "rollback")
    )
    for text in judged["document"]:
        if reason := json.loads(text)["rejected_by_a_person"]:
            return f"{version} is not judged again, because a person rejected it: {reason}; a newer model will be"
    before = judged.filter(pl.col("session") == night.last)
    if before.height and not is_rejected:
        return f"{version} was judged as of {night.last} before: {before['decision'][0]}"
    return None


def _last_decision(promotion: pl.DataFrame, horizon: int) -> dict[str, Any] | None:
    own = promotion.filter((pl.col("head") == HEAD) & (pl.col("horizon_bars") == horizon)).sort("decision_number")
    return own.row(-1, named=True) if own.height else None


def _mirrored(night: Night, promotion: pl.DataFrame) -> dict[str, object]:
    """Show the decisions as aliases in the registry, unless it is known to show them."""
    from resources.tracking import TrackingError, recorded_promotion

    if promotion.is_empty():
        return {}
    universe = universe_of(night.read_all("models.dataset", ["symbol"]))
    if recorded_promotion(night.tracking, promotion, universe):
        return {}
    try:
        aliases = night.tracking.mirror_promotion(promotion, universe)
    except TrackingError as error:
        night.warn(str(error))
        return {"mlflow_error": str(error)}
    return {"mlflow_aliases": {name: dict(held) for name, held in aliases.items()}}


def markdown(gates: pl.DataFrame) -> str:
    """Return rows of ``models.gates`` as a table for people.

    Examples
    --------
    >>> from gnosis.learning.evidence import Evidence
    >>> from gnosis.learning.gates import gates, gates_frame
    >>> listed = gates(Evidence(horizon_bars=5, head="direction", champion=None))[:1]
    >>> print(markdown(gates_frame(listed, horizon_bars=5, head="direction", model_version="v", document_sha256="0")))
    | gate | statistic | value | limit | n | passed |
    |---|---|---|---|---|---|
    | G1 | red_checks | 0 | == 0 | 0 | no: insufficient: not measured |
    """
    lines = ["| gate | statistic | value | limit | n | passed |", "|---|---|---|---|---|---|"]
    for row in gates.sort(pl.col("gate").cast(pl.String).str.slice(1).cast(pl.Int64), "statistic").iter_rows(
        named=True
    ):
        value = "-" if row["value"] is None else f"{row['value']:.4g}"
        passed = "yes" if row["passed"] else f"no: {row['reason']}"
        limit = f"{row['comparator']} {row['threshold']:.4g}"
        lines.append(f"| {row['gate']} | {row['statistic']} | {value} | {limit} | {row['n']:,} | {passed} |")
    return "\n".join(lines)
