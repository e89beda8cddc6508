"""The evidence about a candidate: everything that the gates look at, measured on what the lake holds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.gates_of_data import green_checks, proven_features
from assets.gates_of_serving import latency, parity
from gnosis.backtest.trials import Trial
from gnosis.learning.canonical import canonical_json
from gnosis.learning.comparison import CHAMPION, against_baselines, against_champion
from gnosis.learning.control_markets import controls
from gnosis.learning.drift_rows import drift_of
from gnosis.learning.evidence import Calibrated, Evidence, Placebo
from gnosis.learning.gate_statistics import moved
from gnosis.learning.head_answers import head_answers
from gnosis.learning.material import trial_family
from gnosis.learning.matrix import FEATURE_NAMES, KEY, ORIGIN, feature_rows
from gnosis.learning.models import PUBLISHED, seed_of
from gnosis.learning.placebo import PlaceboError
from gnosis.learning.refit import refitted_hashes
from gnosis.learning.strategy_trials import overfitting, strategy_returns
from gnosis.learning.vault import first_vault_session
from resources.code_identity import code_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assets.night import Night

HEAD = "direction"
CALIBRATION = ("ece", "recalibration_slope", "brier_skill")


@dataclass(frozen=True)
class Case:
    """A candidate and what the lake holds beside it.

    Attributes
    ----------
    night
        Of the promotion.
    horizon
        In sessions.
    model
        The candidate: its row of ``models.trained``.
    champion
        Version in force; None when there is none.
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`.
    rows, folds, trained
        ``models.dataset``, ``models.folds`` and ``models.trained`` of the horizon.
    """

    night: Night
    horizon: int
    model: Mapping[str, Any]
    champion: str | None
    features: pl.DataFrame
    rows: pl.DataFrame
    folds: pl.DataFrame
    trained: pl.DataFrame

    @classmethod
    def of(cls, night: Night, model: Mapping[str, Any], champion: str | None) -> Case:
        """Read what is judged."""
        horizon = int(model["horizon_bars"])
        own = pl.col("horizon_bars") == horizon
        columns = [*KEY, *ORIGIN, "confidence", *FEATURE_NAMES]
        return cls(
            night=night,
            horizon=horizon,
            model=model,
            champion=champion,
            features=feature_rows(night.read_all("features.matrix", columns)),
            rows=night.read_all("models.dataset").filter(own),
            folds=night.read_all("models.folds").filter(own),
            trained=night.read_all("models.trained").filter(own),
        )

    @property
    def version(self) -> str:
        """The candidate's version."""
        return str(self.model["model_version"])

    @property
    def family(self) -> str:
        """What its trials are counted within."""
        return trial_family(self.rows["symbol"], self.horizon, HEAD)

    @property
    def seed(self) -> int:
        """Seed of every sample drawn to judge this version: judged twice, it is judged alike."""
        return seed_of({"judged": self.version})

    @property
    def is_synthetic(self) -> bool:
        """True when the model, or a row that it is judged by, rests on generated data."""
        of_rows = self.rows.select(pl.col("synthetic") | pl.col("label_synthetic").fill_null(value=False)).to_series()
        return bool(self.model["synthetic"]) or bool(of_rows.any())


def open_vault(case: Case) -> Trial:
    """Write into the ledger that the newest sessions are looked at to judge a version, and why (L-4.7)."""
    trial = Trial(
        family=case.family,
        origin="vault",
        parameters=canonical_json({"model_version": case.version, "reason": "promotion gates"}),
        data_sha256=str(case.model["dataset_sha256"]),
        code_sha256=code_sha256(),
        period_first=first_vault_session(case.night.last),
        period_last=case.night.last,
    )
    case.night.ledger.begin(trial)
    return trial


def gather(case: Case) -> Evidence:
    """Measure everything that the gates look at.

    The skill is that of the candidate's pipeline: the stitched answers of the walk-forward, each fold's model on its
    own test sessions, as the candidate itself has answered for few sessions whose outcome is known.
    """
    night = case.night
    of_direction = case.trained.filter(pl.col("head") == HEAD)
    answers = head_answers(case.features, of_direction, case.rows, case.horizon)
    fold = case.folds.row(by_predicate=pl.col("fold") == case.model["fold"], named=True)
    in_training = pl.col("session").is_between(fold["train_first"], fold["train_last"])
    training = case.features.filter(in_training)
    checks = green_checks(night, fold["train_first"], fold["train_last"])
    proofs, is_told_again, report = proven_features(night, training)
    checks["features.matrix.rows_tell_the_same_again"] = is_told_again
    checks["models.trained.of_the_same_origin"] = is_of_the_same_origin(case.model, case.features)
    of_drift = drift_of(
        case.version, case.features, case.rows, case.folds, case.trained, [night.last], horizon=case.horizon
    )
    scores = _scores(case)
    placebo = _controls(case)
    against = against_baselines(answers, case.rows, HEAD, case.seed)
    champion = of_direction.filter(pl.col("model_version").is_in([case.champion] if case.champion else []))
    beside = against_champion(case.features, answers, case.rows, champion, case.seed)
    if beside is not None:
        against[CHAMPION] = beside
    returns = strategy_returns(
        answers,
        of_direction,
        night.read_all("raw.equity_bars"),
        night.ledger,
        family=case.family,
        code_sha256=code_sha256(),
    )
    compared, published = parity(night, case.features, case.horizon)
    served = case.trained.filter((pl.col("fold") == case.model["fold"]) & (pl.col("model_name") == PUBLISHED))
    timed = latency(served, case.features, case.rows)
    hashes = refitted_hashes(case.features, case.rows, case.model)
    return Evidence(
        horizon_bars=case.horizon,
        head=HEAD,
        champion=case.champion,
        checks=checks,
        proofs=proofs,
        placebo=placebo,
        against=against,
        calibrated=calibrated(scores),
        moved=moved(of_drift),
        overfitting=overfitting(returns, night.ledger, family=case.family, seed=case.seed),
        parity=compared,
        latency=timed,
        hashes=hashes,
        artefacts={
            "G1": _sha256_of(checks),
            "G2": sha256_of_frame(report),
            "G3": _sha256_of(None if placebo is None else asdict(placebo)),
            "G4": sha256_of_frame(answers),
            "G5": sha256_of_frame(scores),
            "G6": sha256_of_frame(of_drift),
            "G7": sha256_of_frame(returns),
            "G8": sha256_of_frame(published),
            "G9": _sha256_of(asdict(timed)),
            "G10": _sha256_of(hashes),
        },
    )


def is_of_the_same_origin(model: Mapping[str, Any], features: pl.DataFrame) -> bool:
    """Return whether a model may answer for the newest rows: one that learnt from generated rows, for generated ones.

    Examples
    --------
    >>> rows = pl.DataFrame({"session": [1, 2], "synthetic": [True, False]})
    >>> [is_of_the_same_origin({"synthetic": generated}, rows) for generated in (True, False)]
    [False, True]
    >>> is_of_the_same_origin({"synthetic": True}, rows.head(1))
    True
    """
    newest = features.filter(pl.col("session") == pl.col("session").max())
    return not model["synthetic"] or bool(newest["synthetic"].all())


def calibrated(scores: pl.DataFrame) -> Calibrated | None:
    """Return what gate G5 looks at.

    Parameters
    ----------
    scores
        Rows of ``models.evaluation`` of one model, head and scope.

    Returns
    -------
    Calibrated or None
        A figure that is undefined is NaN and fails its gate; None when one was not scored at all.
    """
    found = {metric: (value, n) for metric, value, n in scores.select("metric", "value", "n").iter_rows()}
    if not set(CALIBRATION) <= set(found):
        return None
    ece, slope, skill = (float("nan") if found[name][0] is None else found[name][0] for name in CALIBRATION)
    return Calibrated(ece=ece, slope=slope, brier_skill=skill, n=found["ece"][1])


def sha256_of_frame(frame: pl.DataFrame) -> str:
    """Return the hash of rows as lines of JSON, which hold every number to its last bit.

    Examples
    --------
    >>> sha256_of_frame(pl.DataFrame({"a": [0.1, None]}))[:12]
    'd69df78116a4'
    """
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()


def _sha256_of(value: Any) -> str:
    # A figure that is not a number is null in the document, and here.
    plain = json.loads(json.dumps(value), parse_constant=lambda _: None)
    return hashlib.sha256(canonical_json(plain).encode()).hexdigest()


def _scores(case: Case) -> pl.DataFrame:
    return case.night.read_all("models.evaluation").filter(
        (pl.col("horizon_bars") == case.horizon)
        & (pl.col("head") == HEAD)
        & (pl.col("model_name") == PUBLISHED)
        & (pl.col("scope") == "stitched")
    )


def _controls(case: Case) -> Placebo | None:
    parameters = json.loads(case.model["parameters"])["model"]
    try:
        return controls(case.features, case.rows, parameters=parameters, code_sha256=code_sha256(), seed=case.seed)
    except PlaceboError as error:
        case.night.warn(f"models.promotion: no placebo: {error}")
        return None
