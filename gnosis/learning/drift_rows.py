"""The rows of ``models.drift``: features and answers of the model in force against those of its training rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnosis.features.registry import BY_NAME
from gnosis.learning.drift import distances, holm, p_values
from gnosis.learning.drift_outputs import ANSWERS, calibration
from gnosis.learning.drift_state import is_unusual, model_state, status_with
from gnosis.learning.drift_windows import WINDOW, DriftError, Rows, Trailing, stability
from gnosis.learning.in_force import in_force
from gnosis.learning.matrix import FEATURE_NAMES, KEY
from gnosis.learning.prediction import predict
from gnosis.learning.training_rows import LearntFrom, learnt_from, session_numbers
from gnosis.sessions import schedule
from gnosis.tables import TABLES

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from gnosis.features.registry import Feature

SIGNIFICANT = 0.05
HEADS = ("direction", "volatility")
"""Heads whose answers are monitored (L-9.3)."""


def drift(
    features: pl.DataFrame,
    dataset: pl.DataFrame,
    folds: pl.DataFrame,
    trained: pl.DataFrame,
    promotion: pl.DataFrame,
    sessions: Sequence[dt.date],
    *,
    horizon: int,
) -> pl.DataFrame:
    """Tell how far features and answers have moved from the training rows of the model in force.

    The windows are the last 20 and 60 exchange sessions. An output is compared with the answers of the same model for
    its calibration rows: those of the training rows that it was not fitted to, as a model may answer for fitted
    rows as for none that follow. What is said of a session depends on no later row, and a night says the same bits as a
    backfill.

    Parameters
    ----------
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`, from the first training row of each model in force on.
    dataset, folds, trained, promotion
        Rows of ``models.dataset``, ``models.folds``, ``models.trained`` and ``models.promotion``.
    sessions
        Sessions to tell about; those before the first model have no rows.
    horizon
        In sessions.

    Returns
    -------
    polars.DataFrame
        ``models.drift``, sorted by its key.

        Bins of a float are the deciles of the reference; every category, flag and count is a bin; missing is one more.
        The Kolmogorov-Smirnov test of numbers looks at every n-th session, n the look-back of the feature: rows of
        neighbouring sessions share most of what they are made from. Symbols count as independent, so a feature of the
        whole market looks more significant than it is. It decides nothing (L-9.2).

    Notes
    -----
    A status is that of the index of 60 sessions (L-9.1), and ``drifted`` from 0.10 on where ``is_unusual``. Of floats
    in simulated markets without drift, which remembered as long as they look back, 55 % were called drifted with 5
    symbols and 1 % with 50. So the state of the model rests on ``is_unusual`` too, see
    :func:`gnosis.learning.drift_state.has_left_its_range`: 3 and 1 % of them were.

    Raises
    ------
    DriftError
        When a model, its fold or its training rows are not there.
    """
    asked = in_force(pl.Series("session", sorted(set(sessions)), dtype=pl.Date), trained, promotion, horizon=horizon)
    by_version = asked.drop_nulls("model_version").group_by("model_version", maintain_order=True).agg("session")
    parts = [
        drift_of(version, features, dataset, folds, trained, of_version, horizon=horizon)
        for version, of_version in by_version.iter_rows()
    ]
    table = TABLES["models.drift"]
    return pl.concat([table.empty(), *parts]).sort(table.key)


def drift_of(
    version: str,
    features: pl.DataFrame,
    dataset: pl.DataFrame,
    folds: pl.DataFrame,
    trained: pl.DataFrame,
    sessions: Sequence[dt.date],
    *,
    horizon: int,
) -> pl.DataFrame:
    """Return the rows of :func:`drift` for one model of the direction, as if it were in force in every session."""
    table = TABLES["models.drift"]
    rows, known = Rows.of(features), dataset.filter(pl.col("horizon_bars") == horizon)
    asked = session_numbers(pl.Series(sorted(sessions)))
    model = learnt_from(version, rows, known, folds, trained, horizon=horizon)
    model = replace(model, rows=model.rows.filter(pl.col("head").is_in(HEADS)))
    parts = [_of_features(rows, model, asked), *_of_outputs(rows, known, model, asked, horizon)]
    # Feature rows and labels are known by the close of the session at which they are measured.
    closes = schedule().select("session", known_at="close_at")
    found = (
        pl.concat(parts, how="diagonal")
        .with_columns(horizon_bars=pl.lit(horizon, pl.Int64), model_version=pl.lit(version))
        .join(closes, on="session", how="left")
        .with_columns(synthetic=pl.col("synthetic") | bool(model.rows["synthetic"].any()))
    )
    return (
        found.with_columns(is_unusual=is_unusual())
        .with_columns(status=status_with(pl.col("status")))
        .with_columns(model_state=model_state())
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
        .sort(table.key)
    )


def _of_features(rows: Rows, model: LearntFrom, asked: NDArray[np.int64]) -> pl.DataFrame:
    window, inside = Trailing.of(rows.offsets, asked), Trailing.inside(-model.age)
    found = []
    for name in FEATURE_NAMES:
        # Models read float32: what they see is what is compared.
        column = rows.frame[name].cast(pl.Float32).fill_null(np.nan).to_numpy()
        found.append(_of_feature(BY_NAME[name], column, inside, window, model))
    figures = {name: np.stack([each[name] for each in found]) for name in found[0]}
    figures["ks_p_holm"] = np.stack([holm(p) for p in figures["ks_p"].T], axis=1)
    synthetic = rows.frame["synthetic"].to_numpy()
    flags = synthetic[model.reference].any() | window.any(synthetic)
    return _frame("feature", FEATURE_NAMES, asked, figures, window, model.reference.size, flags).with_columns(
        is_shape_change=pl.when(pl.col("ks_p_holm").is_not_null()).then(
            (pl.col("ks_p_holm") < SIGNIFICANT) & (pl.col("status") == "stable")
        )
    )


def _of_feature(
    feature: Feature, column: NDArray[np.float32], inside: Trailing, window: Trailing, model: LearntFrom
) -> dict[str, NDArray[Any]]:
    """Return the figures of one feature for the asked sessions."""
    from gnosis.learning.drift_kernel import rolling_distance

    actual, reference = column[window.rows].astype(np.float64), column[model.reference]
    found = stability(reference, inside, actual, window, is_discrete=feature.dtype != "float")
    unknown = np.full(window.asked.size, np.nan)
    if feature.categories:
        found |= {"value": unknown, "reference_value": unknown}
    if feature.dtype not in ("float", "int"):
        return found | {"ks_statistic": unknown, "ks_p": unknown}
    thinned = reference[model.age % feature.lookback_sessions == 0]
    thinned = np.sort(thinned[~np.isnan(thinned)]).astype(np.float64)
    steps, n = rolling_distance(actual, window.offsets, window.asked, WINDOW, feature.lookback_sessions, thinned)
    return found | {"ks_statistic": distances(steps, thinned.size, n), "ks_p": p_values(steps, thinned.size, n)}


def _of_outputs(
    rows: Rows, known: pl.DataFrame, model: LearntFrom, asked: NDArray[np.int64], horizon: int
) -> Iterator[pl.DataFrame]:
    """Yield the rows of the answers, of the share without one, and of what became of them."""
    served = model.rows.row(by_predicate=pl.col("head") == "direction", named=True)
    calibrated_on = model.reference[model.reference.size - served["n_calibration"] :]
    # Outcomes that became known in a window are those of decisions up to a horizon before it.
    recent = np.arange(rows.offsets[asked[0] - WINDOW + 1 - horizon], rows.offsets[asked[-1] + 1])
    asked_for = np.union1d(calibrated_on, recent)
    answers = _answers(rows.frame[asked_for], model, horizon)
    answers = answers.with_columns(abstentions=pl.col("abstain_reason").is_not_null().cast(pl.Float64))
    learnt, later = (answers.filter(np.isin(asked_for, which)) for which in (calibrated_on, recent))
    n_rows = Trailing.of(rows.offsets, asked).n_rows
    for name in (*ANSWERS, "abstentions"):
        reference, answered = learnt.drop_nulls(name), Rows.of(later.drop_nulls(name))
        window = Trailing.of(answered.offsets, asked)
        actual = answered.frame[name].to_numpy()[window.rows]
        inside = Trailing.inside(session_numbers(reference["session"]))
        figures = stability(reference[name].to_numpy(), inside, actual, window, is_discrete=name == "abstentions")
        figures["missing_share"] = np.where(n_rows > 0, 1.0 - window.n_rows / np.maximum(n_rows, 1), np.nan)
        flags = served["synthetic"] | reference["synthetic"].any() | window.any(answered.frame["synthetic"].to_numpy())
        stacked = {key: values[None, :] for key, values in figures.items()}
        yield _frame("output", [name], asked, stacked, window, reference.height, flags)
    out_of_sample = later.filter(pl.col("session") >= served["valid_from"])
    outcomes = known.select(*KEY, "y_dir", "label_known_at")
    yield calibration(out_of_sample, outcomes, asked, horizon, served["n_calibration"]).with_columns(
        session=schedule()["session"].gather(asked), kind=pl.lit("output"), subject=pl.lit("calibration")
    )


def _answers(rows: pl.DataFrame, model: LearntFrom, horizon: int) -> pl.DataFrame:
    """Return what the model would have said of rows, whenever it was trained, the same way as it is served."""
    ageless = model.rows.with_columns(valid_from=rows["session"].min())
    no_sides = pl.DataFrame(schema={"session": pl.Date, "symbol": pl.String, "side": pl.Int8})
    return predict(
        rows,
        ageless,
        TABLES["models.promotion"].empty(),
        TABLES["models.drift"].empty(),
        no_sides,
        horizon=horizon,
        code_sha256="",
    )


def _frame(
    kind: str,
    subjects: Sequence[str],
    asked: NDArray[np.int64],
    figures: dict[str, NDArray[Any]],
    window: Trailing,
    n_reference: int,
    synthetic: NDArray[np.bool_],
) -> pl.DataFrame:
    """Lay figures of shape (subjects, sessions) out as rows."""
    n = len(subjects)
    columns = {
        name: pl.Series(values.ravel(), nan_to_null=values.dtype.kind == "f") for name, values in figures.items()
    }
    return pl.DataFrame(
        {
            "session": pl.concat([schedule()["session"].gather(asked)] * n),
            "kind": pl.repeat(kind, n * asked.size, eager=True),
            "subject": pl.Series(np.repeat(list(subjects), asked.size).tolist(), dtype=pl.String),
            **columns,
            "n_rows": np.tile(window.n_rows, n),
            "n_reference": pl.repeat(n_reference, n * asked.size, dtype=pl.Int64, eager=True),
            "synthetic": np.tile(synthetic, n),
        }
    )


__all__ = ["DriftError", "drift", "drift_of"]
