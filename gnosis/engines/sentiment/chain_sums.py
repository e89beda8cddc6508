"""Volume and open interest of option chains, summed by what positioning asks of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.points import Floats, Integers, Points
from gnosis.options.origin import require_table

LONGEST_DTE = 60
SHORT_DTE = 35
CONTRACT = ("symbol", "session", "expiry", "settlement", "right", "strike", "root")


@dataclass(frozen=True)
class ChainSums:
    """Sums over the option chain of each point as known at its cut-off; NaN where nothing of the kind is known.

    Attributes
    ----------
    call_volume, put_volume, call_oi, put_oi
        Contracts that expire within 60 calendar days.
    total_volume, otm_short_call_volume
        Contracts of the whole chain, and of its calls above spot that expire within 35 days.
    call_gamma_usd_per_unit
        G_c: gamma x volume x multiplier x S^2 of the latter, $ per unit log move; NaN without Greeks.
    """

    call_volume: Floats
    put_volume: Floats
    call_oi: Floats
    put_oi: Floats
    total_volume: Floats
    otm_short_call_volume: Floats
    call_gamma_usd_per_unit: Floats

    @classmethod
    def of(cls, points: Points, quotes: pl.DataFrame | None, greeks: pl.DataFrame | None = None) -> ChainSums:
        """Return the sums out of rows of ``raw.option_quotes`` and ``greeks.option_greeks`` in any order.

        Raises
        ------
        ValueError
            When a column is missing or of another dtype.
        """
        if quotes is None:
            return cls(*np.full((7, len(points)), np.nan))
        require_table(quotes, "raw.option_quotes")
        rows = _known(points, quotes, ["volume", "open_interest", "multiplier", "spot"])
        if greeks is None:
            rows = rows.with_columns(gamma_per_usd=pl.lit(None, pl.Float64))
        else:
            require_table(greeks, "greeks.option_greeks")
            gamma = _known(points, greeks, ["gamma_per_usd"]).select(*CONTRACT, "gamma_per_usd")
            rows = rows.join(gamma, on=list(CONTRACT), how="left", maintain_order="left")
        point, n = rows["point"].to_numpy(), len(points)
        dte = (rows["expiry"] - rows["session"]).dt.total_days().to_numpy()
        is_call = (rows["right"] == "C").to_numpy()
        number = {
            name: rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for name in ("volume", "open_interest", "multiplier", "spot", "strike", "gamma_per_usd")
        }
        is_near = dte <= LONGEST_DTE
        is_short_otm = is_call & (dte <= SHORT_DTE) & (number["strike"] > number["spot"])
        dollars = number["gamma_per_usd"] * number["volume"] * number["multiplier"] * number["spot"] ** 2
        parts = (
            (number["volume"], is_near & is_call),
            (number["volume"], is_near & ~is_call),
            (number["open_interest"], is_near & is_call),
            (number["open_interest"], is_near & ~is_call),
            (number["volume"], np.ones(is_call.size, dtype=bool)),
            (number["volume"], is_short_otm),
            (dollars, is_short_otm),
        )
        return cls(*(_sum_by(point, values, among, n) for values, among in parts))


def _known(points: Points, frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return the last known version of the contracts of each point's chain, sorted by contract."""
    wanted = points.frame.with_row_index("point")
    seen = frame.select(*CONTRACT, "known_at", "ts", "provider", *columns).join(wanted, on=["symbol", "session"])
    seen = seen.filter(pl.col("known_at") <= pl.col("as_of"))
    versions = ["known_at", "ts", "provider", *columns]
    return seen.sort(*CONTRACT, *versions).unique(list(CONTRACT), keep="last", maintain_order=True)


def _sum_by(point: Integers, values: Floats, among: NDArray[np.bool_], n: int) -> Floats:
    """Return sums by point over known values; 0 where values are known but none is among them, NaN without any."""
    known = ~np.isnan(values)
    total = np.bincount(point[known & among], values[known & among], n)
    return np.where(np.bincount(point[known], minlength=n) > 0, total, np.nan)
