"""Zero rates for pricing, from Treasury yields as they were known at the snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

TENORS_YEARS = {"DGS1MO": 1 / 12, "DGS3MO": 0.25, "DGS6MO": 0.5, "DGS1": 1.0}


def zero_rates(macro: pl.DataFrame, as_of: pl.Series) -> NDArray[np.float64]:
    """Return continuously compounded rates at the nodes of :data:`TENORS_YEARS`.

    Bond-equivalent yield y becomes 2 ln(1 + y/2). Of the values known at ``as_of`` the one about the latest day counts.

    Parameters
    ----------
    macro
        Rows of raw.macro.
    as_of
        Shape (n,), UTC instants in ascending order.

    Returns
    -------
    numpy.ndarray
        Shape (n, 4), per year.

    Raises
    ------
    ValueError
        When a Treasury yield was not known at some instant.
    """
    asked = as_of.alias("as_of").to_frame().set_sorted("as_of")
    nodes = []
    for series in TENORS_YEARS:
        known = (
            macro.filter(pl.col("series_id") == series)
            .sort("known_at", "ref_date")
            .filter(pl.col("ref_date") == pl.col("ref_date").cum_max())
            .select("known_at", "value")
            .set_sorted("known_at")
        )
        values = asked.join_asof(known, left_on="as_of", right_on="known_at", strategy="backward")["value"]
        if values.null_count():
            missing = asked.filter(values.is_null())["as_of"][0]
            raise ValueError(
                f"expected a value of {series} known by {missing.isoformat()}, found none in macro; "
                "pass earlier rows of raw.macro"
            )
        nodes.append(2 * np.log1p(values.to_numpy() / 200))
    return np.column_stack(nodes)


def interpolate(rates: NDArray[np.float64], tau_years: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rates at ``tau_years``: linear between the nodes, flat outside; shapes (n, 4) and (n,) to (n,).

    Examples
    --------
    >>> interpolate(np.array([[0.01, 0.02, 0.03, 0.04]]), np.array([0.375])).round(6).tolist()
    [0.025]
    """
    nodes = np.array(list(TENORS_YEARS.values()))
    right = np.clip(np.searchsorted(nodes, tau_years), 1, len(nodes) - 1)
    share = np.clip((tau_years - nodes[right - 1]) / (nodes[right] - nodes[right - 1]), 0, 1)
    rows = np.arange(len(tau_years))
    return rates[rows, right - 1] * (1 - share) + rates[rows, right] * share
