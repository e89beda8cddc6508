"""Discount factors from Treasury constant-maturity yields, as they were known at each quote.

Of every series the newest observation known at the instant is taken, in its newest vintage then known. A yield whose
date lies more than 31 days back is not a rate of today and counts as unknown. Without any rate there is no discount
factor; nothing is assumed.
"""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from gnosis.options.arrays import Flags, Floats
from gnosis.options.origin import Providers

MATURITY_YEARS = {
    "DGS1MO": 1 / 12,
    "DGS3MO": 1 / 4,
    "DGS6MO": 1 / 2,
    "DGS1": 1.0,
    "DGS2": 2.0,
    "DGS3": 3.0,
    "DGS5": 5.0,
    "DGS7": 7.0,
    "DGS10": 10.0,
    "DGS20": 20.0,
    "DGS30": 30.0,
}
LOWEST_YIELD = -2.0
MAX_AGE = dt.timedelta(days=31)
LOOKBACK_SESSIONS = 24
"""Sessions before a quote in which every rate that is not too old for it became known."""


class Curves(NamedTuple):
    """Zero rates known at each instant.

    Attributes
    ----------
    rate_per_year
        (instants, series of :data:`MATURITY_YEARS`), continuously compounded, NaN where unknown.
    provider
        Providers of each curve, sorted and joined by '+'; null where no rate is known.
    synthetic
        Whether any rate of the curve was generated.
    """

    rate_per_year: Floats
    provider: pl.Series
    synthetic: Flags


def continuous_rate(bond_equivalent_yield: ArrayLike) -> Floats:
    """Return the continuously compounded rate of a yield with half-yearly compounding, both decimals per year.

    Raises
    ------
    ValueError
        When a yield is -200 % or less: no rate has that value.

    Examples
    --------
    >>> round(float(continuous_rate(0.0235)), 10)
    0.0233630095
    """
    half = np.asarray(bond_equivalent_yield, dtype=np.float64) / 2.0
    if (half <= -1.0).any():
        raise ValueError(
            f"yield: expected decimals per year above {LOWEST_YIELD}, where half-yearly compounding ends, found "
            f"{2.0 * half.min()}"
        )
    return 2.0 * np.log1p(half)


def discount_factor(rate_per_year: ArrayLike, tau_years: ArrayLike) -> Floats:
    """Return exp(-r tau) of a continuously compounded rate.

    Examples
    --------
    >>> round(float(discount_factor(0.05, 30 / 365)), 10)
    0.9958988438
    """
    return np.exp(-np.asarray(rate_per_year, dtype=np.float64) * np.asarray(tau_years, dtype=np.float64))


def curves_known_at(macro: pl.DataFrame, instants: pl.Series) -> Curves:
    """Return the Treasury curve that was known at each instant.

    Parameters
    ----------
    macro
        Rows of ``raw.macro``; Treasury yields in percent, other series are ignored.
    instants
        UTC instants; only rows with ``known_at`` at or before them are read.

    Raises
    ------
    ValueError
        When a Treasury yield is -200 % or less, or not finite.
    """
    n, m = len(instants), len(MATURITY_YEARS)
    series = pl.Enum(list(MATURITY_YEARS))
    yields = (
        macro.filter(pl.col("series_id").is_in(series.categories.implode()) & pl.col("value").is_not_null())
        .with_columns(pl.col("series_id").cast(series))
        .sort("series_id", "known_at", "ref_date", "value", "provider")
    )
    wrong = yields.filter(~(pl.col("value").is_finite() & (pl.col("value") > 100.0 * LOWEST_YIELD)))
    if not wrong.is_empty():
        first = wrong.row(0, named=True)
        raise ValueError(
            f"raw.macro: expected Treasury yields in percent above {100.0 * LOWEST_YIELD:g}, found {first['value']} "
            f"for {first['series_id']} of {first['ref_date']}; correct or leave out the row"
        )
    providers = Providers(yields["provider"])
    member, generated = providers.members(yields["provider"]), yields["synthetic"].to_numpy()
    known_at, ref_day = yields["known_at"].dt.epoch("us").to_numpy(), yields["ref_date"].to_physical().to_numpy()
    value, bounds = yields["value"].to_numpy(), np.searchsorted(yields["series_id"].to_physical(), np.arange(m + 1))
    when, day = instants.dt.epoch("us").to_numpy(), instants.dt.date().to_physical().to_numpy()

    rate = np.full((n, m), np.nan)
    synthetic, members = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64)
    for column, (start, stop) in enumerate(pairwise(bounds.tolist())):
        # A row that appears later about an earlier date is a correction of the past, not the latest value.
        is_latest = ref_day[start:stop] >= np.maximum.accumulate(ref_day[start:stop])
        rows = start + np.flatnonzero(is_latest)
        if not rows.size:
            continue
        position = np.searchsorted(known_at[rows], when, side="right") - 1
        chosen = rows[np.maximum(position, 0)]
        is_known = (position >= 0) & (day - ref_day[chosen] <= MAX_AGE.days)
        rate[:, column] = np.where(is_known, continuous_rate(value[chosen] / 100.0), np.nan)
        synthetic |= is_known & generated[chosen]
        members |= np.where(is_known, member[chosen], 0)
    return Curves(rate, providers.joined(members), synthetic)


def rate_at(rate_per_year: Floats, tau_years: Floats) -> Floats:
    """Return the rate at each maturity: linear between the known nodes of its curve, flat outside, NaN without nodes.

    Parameters
    ----------
    rate_per_year
        (n, series), one curve per row as in :class:`Curves`.
    tau_years
        (n,) maturities.

    Examples
    --------
    >>> curve = np.full((3, len(MATURITY_YEARS)), np.nan)
    >>> curve[:, 4], curve[:, 8] = 0.02, 0.04
    >>> rate_at(curve, np.array([0.1, 6.0, 30.0])).round(6).tolist()
    [0.02, 0.03, 0.04]
    """
    nodes = np.array(list(MATURITY_YEARS.values()))
    is_known = ~np.isnan(rate_per_year)
    tau = tau_years[:, None]
    below = is_known & (nodes <= tau)
    above = is_known & (nodes >= tau)
    left = np.where(below.any(axis=1), nodes.size - 1 - below[:, ::-1].argmax(axis=1), above.argmax(axis=1))
    right = np.where(above.any(axis=1), above.argmax(axis=1), left)
    rows = np.arange(tau_years.size)
    width = nodes[right] - nodes[left]
    weight = np.where(width > 0, (tau_years - nodes[left]) / np.where(width > 0, width, 1.0), 0.0)
    return (1.0 - weight) * rate_per_year[rows, left] + weight * rate_per_year[rows, right]
