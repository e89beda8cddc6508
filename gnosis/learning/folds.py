"""Purged walk-forward folds: which rows a model may learn from and which it is judged on.

Sessions are counted from the first session that has a label. A new session can only lengthen the last fold or open the
next one: it never moves a boundary, so the folds of one night are the folds of a backfill. The newest sessions are in
folds like all others, because the model that serves them is fitted by its fold; what may not be looked at when
something is chosen is said by :mod:`gnosis.learning.vault`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.purging import LATEST, FoldsError, meets
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TRAIN_SESSIONS = 756
TEST_SESSIONS = 63
STEP_SESSIONS = 63


@dataclass(frozen=True)
class Fold:
    """One fold: positions of its rows in the frame that it was cut from.

    Attributes
    ----------
    horizon_bars, number
        Horizon in sessions and number of the fold in time order.
    train, test
        Positions (int64) of the training rows after purging and of all rows of the test block, labelled or not.
    n_purged
        Rows of the training window whose outcome was not known before the test block.
    n_embargoed
        Always 0: the embargo lies after a test block, and a walk-forward model learns from nothing after it.
    n_null
        Rows of the training window whose outcome is known to be no label (a gap, or no volatility scale).
    is_complete
        Whether the test block is full and each of its labels is known.
    """

    horizon_bars: int
    number: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    n_purged: int
    n_embargoed: int
    n_null: int
    is_complete: bool


def _instants(column: pl.Series) -> NDArray[np.int64]:
    return column.dt.epoch("us").fill_null(LATEST).to_numpy()


def walk_forward(
    rows: pl.DataFrame,
    train: int = TRAIN_SESSIONS,
    test: int = TEST_SESSIONS,
    step: int = STEP_SESSIONS,
    *,
    anchored: bool = False,
) -> list[Fold]:
    """Cut the rows of each horizon into purged walk-forward folds (L-4.1, L-4.2, L-4.5).

    Parameters
    ----------
    rows
        Sorted by ``horizon_bars``, ``session``, ``symbol`` (signal session), as made by
        :func:`gnosis.learning.matrix.dataset`, with ``as_of``, ``t1``, ``label_known_at`` and ``y_dir``.
    train, test, step
        Length of the training window, of the test block and of the advance, in sessions present in ``rows``. Test
        blocks may not overlap: ``step >= test``.
    anchored
        Let the training window start at the first session instead of rolling.

    Returns
    -------
    list of Fold
        In the order of horizon and number. A fold exists from the first session of its test block on; by then all
        labels of its training rows are known.

    Raises
    ------
    FoldsError
        Unsorted rows, impossible lengths, or a fold without training rows (L-4.8).

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.sessions import schedule
    >>> days = schedule().filter(pl.col("session") >= dt.date(2015, 1, 2)).head(1000)
    >>> rows = days.select("session", symbol=pl.lit("ABC"), horizon_bars=5, as_of="close_at",
    ...     t1=pl.col("close_at").shift(-5), label_known_at=pl.col("close_at").shift(-5), y_dir=1)
    >>> [(fold.train[[0, -1]].tolist(), fold.test[[0, -1]].tolist()) for fold in walk_forward(rows, 500, 100, 100)][:2]
    [([0, 494], [500, 599]), ([100, 594], [600, 699])]
    """
    if train < 1 or test < 1 or step < test:
        raise FoldsError(
            f"expected train >= 1 and step >= test >= 1 sessions, found train {train}, test {test}, step {step}"
        )
    key = rows.select("horizon_bars", "session", "symbol")
    if not key.equals(key.sort(key.columns)):
        raise FoldsError("expected rows sorted by horizon_bars, session and symbol; pass the result of dataset()")
    folds: list[Fold] = []
    offset = 0
    for horizon in key["horizon_bars"].unique().sort():
        part = rows.filter(pl.col("horizon_bars") == horizon)
        folds += _of_horizon(part, int(horizon), offset, train, test, step, anchored)
        offset += part.height
    return folds


def _of_horizon(
    rows: pl.DataFrame, horizon: int, offset: int, train: int, test: int, step: int, anchored: bool
) -> list[Fold]:
    labelled = rows["y_dir"].is_not_null().to_numpy()
    if not labelled.any():
        return []
    session = rows["session"].rle_id().to_numpy()
    number = session.astype(np.int64) - int(session[np.argmax(labelled)])
    decided, outcome = _instants(rows["as_of"]), _instants(rows["t1"])
    known = np.maximum(outcome, _instants(rows["label_known_at"]))
    folds: list[Fold] = []
    for fold, first in enumerate(range(train, int(number[-1]) + 1, step)):
        test_rows = np.flatnonzero((number >= first) & (number < first + test))
        window = (number >= (0 if anchored else first - train)) & (number < first)
        late = meets(decided, known, int(decided[test_rows].min()))
        kept = np.flatnonzero(window & labelled & ~late)
        if not kept.size:
            raise FoldsError(
                f"expected training rows in fold {fold} of horizon {horizon}, found none: of {int(window.sum())} rows "
                f"in the window {int((window & late).sum())} are known only from "
                f"{rows['session'][int(test_rows[0])]} on and the rest have no label; "
                "check label_known_at and the gaps of the bars"
            )
        full = int(number[-1]) >= first + test - 1
        folds.append(
            Fold(
                horizon_bars=horizon,
                number=fold,
                train=kept + offset,
                test=test_rows + offset,
                n_purged=int((window & late).sum()),
                n_embargoed=0,
                n_null=int((window & ~labelled & ~late).sum()),
                is_complete=full and bool((outcome[test_rows] < LATEST).all()),
            )
        )
    return folds


def _keys_sha256(rows: pl.DataFrame, fold: Fold) -> str:
    """Hash the row keys of the training and of the test rows."""
    digest = hashlib.sha256(f"{fold.horizon_bars}/{fold.number}".encode())
    for positions in (fold.train, fold.test):
        part = rows[positions]
        digest.update(part["session"].to_physical().to_numpy().astype("<i4").tobytes())
        digest.update("\n".join(part["symbol"]).encode() + b"\0")
    return digest.hexdigest()


def folds_frame(rows: pl.DataFrame, folds: Sequence[Fold]) -> pl.DataFrame:
    """Return ``models.folds`` for the folds cut from ``rows``, sorted by key.

    ``test_last`` is the last session so far while a test block is still growing; ``folds_sha256`` grows with it.
    """
    table = TABLES["models.folds"]
    generated = rows["synthetic"].to_numpy() | rows["label_synthetic"].fill_null(False).to_numpy()
    session = rows["session"]
    described = [
        {
            "horizon_bars": fold.horizon_bars,
            "fold": fold.number,
            "train_first": session[int(fold.train[0])],
            "train_last": session[int(fold.train[-1])],
            "test_first": session[int(fold.test[0])],
            "test_last": session[int(fold.test[-1])],
            "n_train": fold.train.size,
            "n_purged": fold.n_purged,
            "n_embargoed": fold.n_embargoed,
            "n_null": fold.n_null,
            "n_test": fold.test.size,
            "is_complete": fold.is_complete,
            "folds_sha256": _keys_sha256(rows, fold),
            "synthetic": bool(generated[fold.train].any() or generated[fold.test].any()),
        }
        for fold in folds
    ]
    return pl.DataFrame(described, schema=table.polars_schema).sort(table.key)
