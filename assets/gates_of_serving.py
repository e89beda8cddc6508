"""What gates G8 and G9 look at: published predictions made again, and how long an answer takes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.learning.decisions import known_at_decision
from gnosis.learning.evidence import Latency
from gnosis.learning.gate_statistics import FEWEST_CALLS
from gnosis.learning.in_force import MissingChampionError
from gnosis.learning.labels import LOOKBACK_SESSIONS
from gnosis.learning.matrix import KEY, as_array
from gnosis.learning.prediction import predict
from gnosis.learning.serving import Served, ServingError, StaleModelError
from gnosis.learning.serving_parity import LIVE_SESSIONS, serving_parity
from resources.code_identity import code_sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from assets.night import Night
    from gnosis.learning.evidence import Parity

WARM_CALLS = 100
MS_PER_S = 1_000.0


def parity(night: Night, features: pl.DataFrame, horizon: int) -> tuple[Parity | None, pl.DataFrame]:
    """Make the predictions of the last published sessions again, as their nights did, and compare bit for bit.

    Parameters
    ----------
    night
        Of the promotion.
    features
        Result of :func:`gnosis.learning.matrix.feature_rows`: the offline rows.
    horizon
        In sessions.

    Returns
    -------
    tuple
        The comparison, None when the model that answered is no longer stored; and the published rows compared.
    """
    published = night.read_all("models.predictions").filter(pl.col("horizon_bars") == horizon)
    last = published["session"].unique().sort().tail(LIVE_SESSIONS)
    stored = published.filter(pl.col("session").is_in(last.implode()))
    if last.is_empty():
        return serving_parity(stored, stored), stored
    trained, promotion = night.read_all("models.trained"), night.stored()
    # What each session knew: rows that were restated later are read as its night read them.
    nights = replace(night, table="models.predictions", sessions=tuple(last)).split_at_restatements()
    try:
        again = [_predicted(part, features, trained, promotion, horizon) for part in nights]
    except (MissingChampionError, ServingError, StaleModelError) as error:
        night.warn(f"models.promotion: no prediction was made again: {error}")
        return None, stored
    return serving_parity(stored, pl.concat(again)), stored


def _predicted(
    night: Night, features: pl.DataFrame, trained: pl.DataFrame, promotion: pl.DataFrame, horizon: int
) -> pl.DataFrame:
    bars = night.read("raw.equity_bars", lookback=LOOKBACK_SESSIONS)
    return predict(
        night.only(features),
        trained,
        promotion,
        night.read("models.drift", lookback=1),
        known_at_decision(bars, night.sessions),
        horizon=horizon,
        code_sha256=code_sha256(),
    )


def latency(models: pl.DataFrame, features: pl.DataFrame, rows: pl.DataFrame, calls: int = FEWEST_CALLS) -> Latency:
    """Time warm answers of one row each, one thread.

    Parameters
    ----------
    models
        Rows of ``models.trained`` of the published family and one fold: what serves together.
    features, rows
        Feature rows, and rows of ``models.dataset`` of the horizon for the volatility scale.
    calls
        Timed calls, at least one.

    Returns
    -------
    Latency
        Median of the margins of all trees of all heads, and 95th percentile of the whole calibrated answer.
    """
    served = Served.of(models)
    asked = features.tail(calls)
    values = as_array(asked)
    scale = asked.select(KEY).join(rows.select(*KEY, "sigma_bar"), on=KEY, how="left", maintain_order="left")
    sigma_bar = scale["sigma_bar"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    n = len(values)
    native = _timed(lambda at: served.forest.margins(values[at % n : at % n + 1]), calls)
    whole = _timed(lambda at: served.answer(values[at % n], float(sigma_bar[at % n])), calls)
    return Latency(
        native_median_ms=float(np.median(native)), answer_p95_ms=float(np.quantile(whole, 0.95)), calls=calls
    )


def _timed(call: Callable[[int], object], calls: int) -> np.ndarray:
    """Return the milliseconds of each call after some that are not timed."""
    for at in range(WARM_CALLS):
        call(at)
    taken = np.empty(calls)
    for at in range(calls):
        started = time.perf_counter()
        call(at)
        taken[at] = time.perf_counter() - started
    return taken * MS_PER_S
