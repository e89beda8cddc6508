"""Answers beside what happened: the rows that can be judged, and the same as arrays for one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.heads import HEADS, Head, targets
from gnosis.learning.metrics import row_log_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROW = ["horizon_bars", "head", "session", "symbol"]
ANSWER_KEY = ["horizon_bars", "head", "model_name", "session", "symbol"]
_OUTCOME = ["y_dir", "y_mag", "y_vol", "y_ret", "y_meta", "sigma_bar", "synthetic", "label_synthetic"]


def scored(answers: pl.DataFrame, dataset: pl.DataFrame, folds: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the answers that can be judged, with what happened.

    Parameters
    ----------
    answers, dataset
        As for :func:`gnosis.learning.evaluation.evaluate`.
    folds
        Rows of ``models.folds``: an answer for a session before the test block of its fold is refused. None where the
        folds are not those of the walk-forward.

    Returns
    -------
    polars.DataFrame
        ``horizon_bars``, ``head``, ``model_name``, ``model_version``, ``fold``, ``session``, ``symbol``,
        ``answer_raw``, ``answer``, ``outcome`` (class or number, see :func:`gnosis.learning.heads.targets`),
        ``realised`` (return in units of its label scale), ``gained`` (log return), ``moved`` (``y_dir``) and
        ``synthetic``, sorted; rows that all models of the head answered and whose outcome is known.

    Raises
    ------
    ValueError
        As in :func:`gnosis.learning.evaluation.evaluate`.
    """
    answered = answers.filter(pl.col("answer").is_not_null())
    if answered.select(ANSWER_KEY).is_duplicated().any():
        raise ValueError("expected one answer per model, session and symbol, found repeated ones")
    if folds is not None:
        _require_out_of_sample(answered, folds)
    outcomes = dataset.select("horizon_bars", "session", "symbol", *_OUTCOME)
    joined = answered.join(outcomes, on=["horizon_bars", "session", "symbol"], how="inner", validate="m:1")
    parts = [
        _with_outcome(part, HEADS[str(head)], edges)
        for (head, edges), part in joined.group_by(["head", "class_edges"], maintain_order=True)
    ]
    rows = pl.concat(parts) if parts else _with_outcome(joined, HEADS["direction"], None)
    of_head = pl.col("model_name").n_unique().over("horizon_bars", "head")
    rows = rows.filter(pl.col("outcome").is_not_nan(), pl.col("model_name").n_unique().over(ROW) == of_head)
    torn = rows.filter(pl.col("outcome").n_unique().over(ROW) > 1)
    if torn.height:
        raise ValueError(
            f"expected models of one fold to mean the same classes, found different class_edges on {torn.height} rows, "
            f"first {torn['symbol'][0]} {torn['session'][0]}; train the models of a fold on the same rows"
        )
    return rows.select(
        *ROW[:2], "model_name", "model_version", "fold", "session", "symbol", "answer_raw", "answer", "outcome",
        "realised", gained="y_ret", moved=pl.col("y_dir"),
        synthetic=pl.col("synthetic") | pl.col("label_synthetic"),
    ).sort(ANSWER_KEY)  # fmt: skip


def _require_out_of_sample(answered: pl.DataFrame, folds: pl.DataFrame) -> None:
    begins = folds.select("horizon_bars", "fold", "test_first")
    early = answered.join(begins, on=["horizon_bars", "fold"], how="left").filter(
        pl.col("test_first").is_null() | (pl.col("session") < pl.col("test_first"))
    )
    if early.height:
        raise ValueError(
            f"expected every answer at or after the first test session of its fold in models.folds, found "
            f"{early.height} before, first fold {early['fold'][0]} session {early['session'][0]}; pass the folds that "
            "the models were trained on"
        )


def _with_outcome(part: pl.DataFrame, head: Head, edges: object) -> pl.DataFrame:
    bounds = None if edges is None else (float(edges[0]), float(edges[1]))  # type: ignore[index]
    return part.with_columns(
        outcome=pl.Series(targets(part, head, bounds), dtype=pl.Float64),
        realised=pl.Series(targets(part, HEADS["return"]), dtype=pl.Float64),
    )


@dataclass(frozen=True)
class Judged:
    """Judged rows of one head and horizon as arrays, sorted by session and symbol.

    Attributes
    ----------
    horizon, head
        What was asked.
    keys
        ``session``, ``symbol``, ``fold`` and ``synthetic`` of each row.
    session, symbol
        Day since 1970 and number of the symbol from 0, shape (rows,).
    outcome, realised, gained
        Class or number, standardised and log return, float64 (rows,).
    moved
        -1, 0 or +1, int64 (rows,); 0 where unknown.
    answer, answer_raw
        By model, float64 (rows, classes or 1).
    """

    horizon: int
    head: Head
    keys: pl.DataFrame
    session: NDArray[np.int64]
    symbol: NDArray[np.int64]
    outcome: NDArray[np.float64]
    realised: NDArray[np.float64]
    gained: NDArray[np.float64]
    moved: NDArray[np.int64]
    answer: dict[str, NDArray[np.float64]]
    answer_raw: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Judged:
        """Take rows of one head and horizon out of the result of :func:`scored`.

        Raises
        ------
        ValueError
            Answers of another length than the head asks for.
        """
        head = HEADS[str(rows["head"][0])]
        by_model = {str(name): part for (name,), part in rows.group_by(["model_name"], maintain_order=True)}
        first = next(iter(by_model.values()))
        symbols = first["symbol"].unique().sort()
        return cls(
            horizon=int(rows["horizon_bars"][0]),
            head=head,
            keys=first.select("session", "symbol", "fold", "synthetic"),
            session=first["session"].to_physical().cast(pl.Int64).to_numpy(),
            symbol=symbols.search_sorted(first["symbol"]).cast(pl.Int64).to_numpy(),
            outcome=first["outcome"].to_numpy(),
            realised=first["realised"].to_numpy(),
            gained=first["gained"].fill_null(np.nan).to_numpy(),
            moved=first["moved"].cast(pl.Int64).fill_null(0).to_numpy(),
            answer={name: _matrix(part, "answer", head, name) for name, part in by_model.items()},
            answer_raw={
                name: _matrix(part, "answer_raw", head, name) for name, part in by_model.items() if head.is_classes
            },
        )

    @property
    def models(self) -> list[str]:
        """Models in alphabetical order."""
        return sorted(self.answer)

    def at(self, where: NDArray[np.int64]) -> Judged:
        """Return some of the rows, by ascending position."""
        return Judged(
            horizon=self.horizon,
            head=self.head,
            keys=self.keys[where],
            session=self.session[where],
            symbol=self.symbol[where],
            outcome=self.outcome[where],
            realised=self.realised[where],
            gained=self.gained[where],
            moved=self.moved[where],
            answer={name: values[where] for name, values in self.answer.items()},
            answer_raw={name: values[where] for name, values in self.answer_raw.items()},
        )

    def losses(self, model: str) -> NDArray[np.float64]:
        """Return the log loss of classes, the squared error of numbers, shape (rows,)."""
        if self.head.is_classes:
            return row_log_loss(self.answer[model], self.outcome.astype(np.int64))
        errors: NDArray[np.float64] = (self.answer[model][:, 0] - self.outcome) ** 2
        return errors


def _matrix(rows: pl.DataFrame, column: str, head: Head, model: str) -> NDArray[np.float64]:
    width = head.n_classes or 1
    wrong = rows.filter(pl.col(column).is_null() | (pl.col(column).list.len() != width))
    if wrong.height:
        raise ValueError(
            f"expected {column} of {width} numbers for head {head.name}, found other lengths in {wrong.height} rows of "
            f"{model}, first {wrong[column][0]}"
        )
    values: NDArray[np.float64] = rows[column].explode().cast(pl.Float64).to_numpy().reshape(rows.height, width)
    if not np.isfinite(values).all():
        raise ValueError(f"expected finite {column} for head {head.name}, found others from {model}")
    return values
