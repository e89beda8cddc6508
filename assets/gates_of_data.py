"""What gates G1 and G2 look at: the checks of what a model was trained on, and features made again without a future."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets import proofs
from assets.checks import evaluate
from assets.night import HistoryGapError
from gnosis import sessions as exchange
from gnosis.learning.evidence import Proof
from gnosis.learning.gate_statistics import FEWEST_PAIRS
from gnosis.learning.matrix import FEATURE_NAMES

if TYPE_CHECKING:
    import datetime as dt

    from assets.night import Night

CHECKED = (
    "features.matrix",
    "models.labels",
    "models.dataset",
    "models.folds",
    "models.trained",
    "models.evaluation",
)
SYMBOLS_PER_SESSION = 10
MOST_SESSIONS = 40
"""Sessions made again at most: each takes seconds."""


def green_checks(night: Night, first: dt.date, last: dt.date) -> dict[str, bool]:
    """Evaluate the blocking checks on what is stored of the training sessions, and of what is made as a whole.

    Left out is the one that makes features again: gate G2 does that on more rows.

    Returns
    -------
    dict
        By table and check, whether it is green.
    """
    # The rooms import the modules of this one's callers to declare their assets.
    from assets import table_assets

    found: dict[str, bool] = {}
    for asset in table_assets():
        for table in asset.tables:
            if table.name not in CHECKED:
                continue
            wanted = [
                check
                for check in asset.checks_of(table)
                if check.is_blocking and check.name != proofs.SEES_NO_FUTURE.name
            ]
            sessions = None if table.period == "all" else exchange.sessions_between(first, last)
            for result in evaluate(wanted, table, night.lake, sessions, night=night):
                found[f"{table.name}.{result.name}"] = result.passed or not result.is_blocking
    return found


def proven_features(night: Night, training: pl.DataFrame) -> tuple[dict[str, Proof], bool, pl.DataFrame]:
    """Make rows of the newest sessions again without a future and with a poisoned one.

    Sessions are drawn until every feature has 30 pairs with a stored value, as far as the newest sessions hold them. A
    feature without a value in any training row has taught the model nothing and cannot have leaked: the pairs on which
    it came out null again count as its pairs. A failure of either proof counts, whether the future moved the value or
    the stored value does not follow from what is stored.

    Parameters
    ----------
    night
        Of the promotion.
    training
        Rows of ``features.matrix`` that the model was trained on.

    Returns
    -------
    tuple
        Proofs by feature, whether the columns that tell of the row came out again too, and the report of
        :func:`assets.proofs.prove`; no proof at all when no session has a stored future, or history has gaps.
    """
    pairs = drawn_pairs(night)
    if pairs.is_empty():
        night.warn("models.promotion: no feature was proven, because no session has stored sessions after it")
        return {}, False, pl.DataFrame(schema=proofs.REPORT)
    try:
        report = proofs.prove(night, pairs, seed=night.last.toordinal())
    except HistoryGapError as gap:
        night.warn(f"models.promotion: no feature was proven: {gap}")
        return {}, False, pl.DataFrame(schema=proofs.REPORT)
    taught = {name for name in FEATURE_NAMES if training[name].null_count() < training.height}
    return *proofs_of(report, taught), report


def proofs_of(report: pl.DataFrame, taught: set[str]) -> tuple[dict[str, Proof], bool]:
    """Return the proofs of the features, and whether the columns that tell of the row came out again.

    Parameters
    ----------
    report
        Result of :func:`assets.proofs.prove`.
    taught
        Features with a value in a training row.
    """
    by_column = report.group_by("column").agg(
        pl.col("n_pairs").min(), pl.col("n_nulls").max(), pl.col("n_failures").sum()
    )
    found: dict[str, Proof] = {}
    told = True
    for name, n_pairs, n_nulls, n_failures in by_column.iter_rows():
        if name in FEATURE_NAMES:
            found[name] = Proof(pairs=n_pairs - n_nulls if name in taught else n_pairs, failures=n_failures)
        else:
            told = told and n_failures == 0
    return found, told


def drawn_pairs(night: Night) -> pl.DataFrame:
    """Draw ``session`` and ``symbol`` of rows to prove, the same ones for the same last session."""
    key = proofs.KEY
    sessions = proofs.provable_sessions(night.lake, night.last)
    if not sessions:
        return pl.DataFrame(schema={"session": pl.Date, "symbol": pl.String})
    rows = night.lake.read(proofs.MATRIX, sessions[0], sessions[-1], columns=[*key, "as_of", *FEATURE_NAMES]).sort(key)
    attainable = _known(rows)
    rng = np.random.default_rng(night.last.toordinal())
    have = np.zeros(len(FEATURE_NAMES), dtype=np.int64)
    drawn = [rows.select(key).clear()]
    for at in rng.permutation(len(sessions)):
        if len(drawn) > MOST_SESSIONS:
            break
        of_session = rows.filter(pl.col("session") == sessions[at])
        if of_session.is_empty():
            continue
        # Rows of one cut-off are made together.
        beside = of_session.filter(pl.col("as_of") == of_session["as_of"].mode().sort()[0])
        chosen = rng.choice(beside.height, size=min(SYMBOLS_PER_SESSION, beside.height), replace=False)
        part = beside[np.sort(chosen)]
        brings = _known(part)
        is_wanted = have < np.minimum(attainable, FEWEST_PAIRS)
        few_rows = sum(frame.height for frame in drawn) < FEWEST_PAIRS
        if not few_rows and not (is_wanted & (brings > 0)).any():
            continue
        have += brings
        drawn.append(part.select(key))
    return pl.concat(drawn).sort(key)


def _known(rows: pl.DataFrame) -> np.ndarray:
    return np.array([rows.height - rows[name].null_count() for name in FEATURE_NAMES], dtype=np.int64)
