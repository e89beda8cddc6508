"""Control markets: the pipeline where there is nothing to find, and where something was planted (G3, L-14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gnosis.backtest.trials import MemoryLedger
from gnosis.learning.bootstrap import base_rate_band, paired_difference
from gnosis.learning.evaluation import LEVEL, MIN_MEAN_BLOCK_SESSIONS
from gnosis.learning.evidence import Placebo
from gnosis.learning.folds import walk_forward
from gnosis.learning.head_answers import head_answers
from gnosis.learning.judged import Judged, scored
from gnosis.learning.known_truth import PLANTED_FEATURE, planted_bars, planted_features
from gnosis.learning.labels import labels
from gnosis.learning.matrix import KEY, dataset, feature_rows
from gnosis.learning.models import PARAMETERS, PUBLISHED
from gnosis.learning.placebo import PlaceboError, placebo_labels
from gnosis.learning.training import train

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

BASE = "majority"
HEAD = "direction"
N_SYMBOLS, N_SESSIONS, EDGE = 6, 1_000, 0.3
"""Size of the planted market, and its edge in standard deviations of a session per unit of the signal."""


def controls(
    features: pl.DataFrame,
    rows: pl.DataFrame,
    *,
    parameters: Mapping[str, Any],
    code_sha256: str,
    seed: int,
) -> Placebo:
    """Walk the pipeline of a model of the direction over outcomes of other sessions, and over a planted edge.

    The edge is detected when the model loses less than the base rate beyond chance (paired bootstrap, one-sided 5 %)
    and leans to the side of the planted signal. Neither walk is a trial of the real market, and none is counted.

    Parameters
    ----------
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`.
    rows
        Rows of ``models.dataset`` of one horizon.
    parameters
        Of the published family: those of the model that is judged.
    code_sha256
        Hash of the code.
    seed
        Of the exchange of outcomes, the planted market and the bootstrap.

    Raises
    ------
    PlaceboError
        When there are too few sessions to exchange outcomes, or to fit a model on exchanged ones.
    """
    horizon = int(rows["horizon_bars"][0])
    exchanged = placebo_labels(rows, seed)
    kept = features.join(exchanged.select(KEY), on=KEY, how="semi", maintain_order="left")
    nothing = _stitched(kept, exchanged, horizon, parameters, code_sha256)
    if nothing is None:
        raise PlaceboError(
            f"expected sessions enough to train on exchanged outcomes, found {exchanged['session'].n_unique()}; "
            "give more rows"
        )
    block = float(max(horizon, MIN_MEAN_BLOCK_SESSIONS))
    low, _ = base_rate_band(nothing.losses(BASE), nothing.session, block=block, seed=seed)
    found, n_planted = _planted(horizon, parameters, code_sha256, seed)
    return Placebo(
        log_loss=float(nothing.losses(PUBLISHED).mean()),
        base_rate_low=low,
        n=nothing.outcome.size,
        is_edge_detected=found["loss_less_base_rate"] < 0.0
        and found["p_value"] < LEVEL
        and found["correlation_with_signal"] > 0.0,
        n_planted=n_planted,
        planted=found,
    )


def _planted(horizon: int, parameters: Mapping[str, Any], code_sha256: str, seed: int) -> tuple[dict[str, float], int]:
    bars, signal = planted_bars(N_SYMBOLS, N_SESSIONS, seed, EDGE)
    features = feature_rows(planted_features(bars, signal, seed + 1))
    rows = dataset(features, labels(bars, (horizon,)))
    judged = _stitched(features, rows, horizon, parameters, code_sha256)
    if judged is None:
        raise PlaceboError(f"expected folds in the planted market of {N_SESSIONS} sessions, found none")
    block = float(max(horizon, MIN_MEAN_BLOCK_SESSIONS))
    difference, p_value = paired_difference(
        judged.losses(PUBLISHED), judged.losses(BASE), judged.session, block=block, seed=seed
    )
    of_rows = judged.keys.join(features.select(*KEY, PLANTED_FEATURE), on=KEY, how="left", maintain_order="left")
    known = of_rows[PLANTED_FEATURE].is_not_null().to_numpy()
    lean = judged.answer[PUBLISHED][:, 2] - judged.answer[PUBLISHED][:, 0]
    # Probabilities that never move lean to no side.
    agreement = (
        float(np.corrcoef(lean[known], of_rows[PLANTED_FEATURE].drop_nulls().to_numpy())[0, 1])
        if np.ptp(lean[known]) > 0.0
        else 0.0
    )
    figures = {
        "edge": EDGE,
        "loss_less_base_rate": difference,
        "p_value": p_value,
        "correlation_with_signal": agreement,
    }
    return figures, judged.outcome.size


def _stitched(
    features: pl.DataFrame, rows: pl.DataFrame, horizon: int, parameters: Mapping[str, Any], code_sha256: str
) -> Judged | None:
    """Train the published family beside the base rate on every fold and return the judged answers, if there are any."""
    trained = train(
        features,
        rows,
        walk_forward(rows),
        horizon=horizon,
        recorder=MemoryLedger(),
        code_sha256=code_sha256,
        families=(BASE, PUBLISHED),
        heads=(HEAD,),
        parameters=PARAMETERS | {PUBLISHED: parameters},  # type: ignore[operator]
    )
    if trained.is_empty():
        return None
    judged = scored(head_answers(features, trained, rows, horizon), rows)
    return None if judged.is_empty() else Judged.of(judged)


__all__ = ["controls"]
