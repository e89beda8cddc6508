"""The parts of the judged rows that are scored apart: folds, years and market states (section 8, stability)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

CALM_VIX = 15.0
STORMY_VIX = 25.0
THIRDS = ("low", "middle", "high")


def scopes(keys: pl.DataFrame, states: pl.DataFrame | None) -> dict[str, NDArray[np.int64]]:
    """Return the positions of the rows of each scope, ascending.

    Parameters
    ----------
    keys
        ``session``, ``symbol`` and ``fold`` of the judged rows.
    states
        ``session``, ``symbol``, ``vix``, ``liquidity_regime`` and ``movement_energy``; rows without a state are in no
        scope of it.

    Returns
    -------
    dict
        ``stitched``; ``fold N``; ``year Y``; ``vix low`` below 15, ``vix middle``, ``vix high`` above 25;
        ``liquidity L`` by label; ``energy low`` to ``energy high`` by the thirds of the energies of these rows.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2024, 12, 31), dt.date(2025, 1, 2)]
    >>> keys = pl.DataFrame({"session": days, "symbol": ["A", "A"], "fold": [3, 3]})
    >>> {name: where.tolist() for name, where in scopes(keys, None).items()}
    {'stitched': [0, 1], 'fold 3': [0, 1], 'year 2024': [0], 'year 2025': [1]}
    """
    labels = {
        "fold": keys["fold"].cast(pl.String),
        "year": keys["session"].dt.year().cast(pl.String),
    }
    if states is not None:
        labels |= _states(keys, states)
    found = {"stitched": np.arange(keys.height)}
    for kind, column in labels.items():
        for label in column.drop_nulls().unique().sort():
            found[f"{kind} {label}"] = np.flatnonzero((column == label).fill_null(value=False).to_numpy())
    return found


def _states(keys: pl.DataFrame, states: pl.DataFrame) -> dict[str, pl.Series]:
    known = states.select("session", "symbol", "vix", "liquidity_regime", "movement_energy")
    rows = keys.select("session", "symbol").join(
        known, on=["session", "symbol"], how="left", validate="m:1", maintain_order="left"
    )
    vix, energy = pl.col("vix"), pl.col("movement_energy")
    low, high = (energy.quantile(share, "linear") for share in (1 / 3, 2 / 3))
    named = rows.select(
        vix=pl.when(vix < CALM_VIX).then(pl.lit(THIRDS[0])).when(vix <= STORMY_VIX).then(pl.lit(THIRDS[1]))
        .when(vix.is_not_null()).then(pl.lit(THIRDS[2])),
        liquidity=pl.col("liquidity_regime").cast(pl.String),
        energy=pl.when(energy <= low).then(pl.lit(THIRDS[0])).when(energy <= high).then(pl.lit(THIRDS[1]))
        .when(energy.is_not_null()).then(pl.lit(THIRDS[2])),
    )  # fmt: skip
    return {name: named[name] for name in named.columns}
