"""Structure 28, the overlay: shares against the delta of a position, traded only outside a band.

Inside the band hedging costs more than the risk it takes away. Beyond the cost-aware band the trade leads back to its
edge (Whalley & Wilmott 1997); beyond a fixed band it takes away the whole delta.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.trading.structures.chain import Floats

FIXED_BAND_SHARES = 50.0
"""Position delta in share-equivalents beyond which the overlay acts."""


def whalley_wilmott_band(
    spot_usd: Floats,
    gamma_shares_per_usd: Floats,
    discount: Floats,
    *,
    cost_share: float,
    risk_aversion_per_usd: float,
) -> Floats:
    """Return half the width of the no-trade band around a delta of zero, shares.

    ``(3/2 e^(-r tau) cost S Gamma^2 / risk aversion)^(1/3)`` (Whalley & Wilmott 1997, small proportional costs and
    exponential utility).

    Parameters
    ----------
    spot_usd
        float64, shape (positions,): $ per share.
    gamma_shares_per_usd
        float64, shape (positions,): of the whole position.
    discount
        float64, shape (positions,): discount factor to the expiry of the position.
    cost_share
        Proportional cost of trading shares, as a share of their value.
    risk_aversion_per_usd
        Absolute risk aversion.

    Raises
    ------
    ValueError
        For a cost below 0, or a spot, discount factor or risk aversion that is not positive.

    Examples
    --------
    >>> one = np.ones(1)
    >>> whalley_wilmott_band(100 * one, 20 * one, one, cost_share=0.001, risk_aversion_per_usd=1e-4).round(3)
    array([84.343])
    """
    positive = {"spot_usd": spot_usd, "discount": discount}
    for name, values in (positive | {"risk_aversion_per_usd": np.array(risk_aversion_per_usd)}).items():
        if not (values > 0.0).all():
            raise ValueError(f"{name}: expected positive values, found {np.min(values)}")
    if not cost_share >= 0.0:
        raise ValueError(f"cost_share: expected at least 0, found {cost_share}")
    return np.cbrt(1.5 * discount * cost_share * spot_usd * gamma_shares_per_usd**2 / risk_aversion_per_usd)


def delta_hedges(positions: pl.DataFrame, *, is_cost_aware: bool) -> pl.DataFrame:
    """Return the shares to trade against each position whose delta leaves its band.

    Parameters
    ----------
    positions
        ``position_id``, ``delta_shares``, ``greeks_row_ids`` (what the delta was computed from) and, when cost-aware,
        ``band_shares`` of :func:`whalley_wilmott_band`.
    is_cost_aware
        True trades back to the edge of ``band_shares``; False takes away the whole delta beyond 50 shares.

    Returns
    -------
    polars.DataFrame
        ``position_id``, ``shares`` (signed, not zero), ``delta_shares``, ``band_shares``, ``greeks_row_ids``, sorted by
        position; positions inside their band have no row.

    Raises
    ------
    ValueError
        When a delta or a band is missing: an unknown delta is no reason not to hedge.

    Examples
    --------
    >>> book = {"position_id": ["a", "b"], "delta_shares": [80.4, -49.0], "greeks_row_ids": [["g1"], ["g2"]]}
    >>> delta_hedges(pl.DataFrame(book), is_cost_aware=False).rows()
    [('a', -80, 80.4, 50.0, ['g1'])]
    """
    book = positions if is_cost_aware else positions.with_columns(band_shares=pl.lit(FIXED_BAND_SHARES))
    unknown = book.filter(
        pl.any_horizontal(pl.col(name).is_null() | pl.col(name).is_nan() for name in ("delta_shares", "band_shares"))
        | (pl.col("greeks_row_ids").list.len() == 0)
    )
    if unknown.height:
        raise ValueError(
            f"expected delta, band and the rows behind them of every position, found none of "
            f"{unknown['position_id'][0]}; recompute its Greeks before hedging"
        )
    size, band = pl.col("delta_shares").abs(), pl.col("band_shares")
    traded = (size - band) if is_cost_aware else size
    return (
        book.filter(size > band)
        .with_columns(shares=(-pl.col("delta_shares").sign() * traded.round()).cast(pl.Int64))
        .filter(pl.col("shares") != 0)
        .select("position_id", "shares", "delta_shares", "band_shares", "greeks_row_ids")
        .sort("position_id")
    )
