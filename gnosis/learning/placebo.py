"""Placebo: the same rows with outcomes of other sessions, on which no pipeline may show skill (L-11 G3, L-14)."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.learning.matrix import KEY

FEWEST_BLOCK_SESSIONS = 20
HORIZONS_PER_BLOCK = 4
OUTCOMES = ("y_ret", "y_dir", "y_mag", "y_vol")
BARRIERS = ("barrier_outcome", "barrier_exit_price", "barrier_return", "side", "y_meta")


class PlaceboError(ValueError):
    """Rows whose outcomes cannot be exchanged."""


def placebo_labels(dataset: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the data set with the outcomes of each horizon exchanged between blocks of sessions.

    A block is at least 20 sessions and four horizons long and keeps its order and its symbols, so outcomes overlap each
    other and move together as before. No block stays where it was. Features, weights, intervals and the volatility
    scale stay: only what became of a decision is that of another one.

    Parameters
    ----------
    dataset
        Rows of ``models.dataset``.
    seed
        Of the permutation.

    Returns
    -------
    polars.DataFrame
        The columns and order of ``dataset``. Left out are the first sessions that do not fill a block, and rows whose
        symbol has no outcome in the session that took their place; rows without an outcome stay as they are.

    Raises
    ------
    PlaceboError
        When a horizon has fewer sessions with an outcome than two blocks.
    """
    rng = np.random.default_rng(seed)
    horizons = dataset["horizon_bars"].unique().sort()
    parts = [_exchanged(dataset.filter(pl.col("horizon_bars") == horizon), horizon, rng) for horizon in horizons]
    return pl.concat([dataset.clear(), *parts]).sort("horizon_bars", *KEY)


def _exchanged(rows: pl.DataFrame, horizon: int, rng: np.random.Generator) -> pl.DataFrame:
    known = rows.filter(pl.col("y_dir").is_not_null())
    sessions = known["session"].unique().sort()
    length = max(FEWEST_BLOCK_SESSIONS, HORIZONS_PER_BLOCK * horizon)
    n_blocks = sessions.len() // length
    if n_blocks < 2:
        raise PlaceboError(
            f"expected outcomes of at least {2 * length} sessions for horizon {horizon}, found {sessions.len()}; "
            "give more rows"
        )
    sessions = sessions.tail(n_blocks * length)
    order = _without_fixed_points(n_blocks, rng)
    source = (order[:, None] * length + np.arange(length)).ravel()
    places = pl.DataFrame({"session": sessions, "source": sessions.gather(source)})
    moved = known.select(
        pl.col("session").alias("source"),
        "symbol",
        *OUTCOMES,
        *BARRIERS,
        pl.col("barrier_reason").alias("source_reason"),
    )
    # A row whose own barriers have no end cannot lend its interval to an outcome.
    has_end = pl.col("barrier_t1").is_not_null()
    exchanged = (
        known.drop(*OUTCOMES, *BARRIERS)
        .join(places, on="session", how="inner")
        .join(moved, on=["source", "symbol"], how="inner")
        .with_columns(
            *(pl.when(has_end).then(pl.col(name)).alias(name) for name in BARRIERS),
            barrier_reason=pl.when(has_end).then("source_reason").otherwise("barrier_reason"),
        )
        .select(rows.columns)
    )
    return pl.concat([exchanged, rows.filter(pl.col("y_dir").is_null())])


def _without_fixed_points(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random cyclic order of n blocks (Sattolo 1986): no block stays where it was."""
    order = np.arange(n)
    for last in range(n - 1, 0, -1):
        other = int(rng.integers(last))
        order[last], order[other] = order[other], order[last]
    return order


__all__ = ["PlaceboError", "placebo_labels"]
