"""Which contracts an exchange lists: monthly and quarterly expiries, and strikes that follow the price."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR_MONTHS = 3
FAR_MONTHS = 6
STRIKE_SPACINGS_USD = np.array([0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0])
HALF_RANGE_SD = 1.0
STRIKES_PER_SIDE = 4.0


def third_friday(year: int, month: int) -> dt.date:
    """Return the third Friday of a month.

    Examples
    --------
    >>> third_friday(2008, 3).isoformat()
    '2008-03-21'
    """
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(4 - first.weekday()) % 7 + 14)


@lru_cache(maxsize=1)
def expiries() -> pl.DataFrame:
    """Return every monthly expiry and the span of sessions in which it is listed.

    An expiry is the third Friday, or the session before when that is a holiday. The next three are listed, and beyond
    them the next of the quarterly cycle (March, June, September, December).

    Returns
    -------
    polars.DataFrame
        ``expiry``, ``listed_after`` (dates; listed in sessions later than this), ``settles_at`` (UTC).

    Examples
    --------
    >>> day = dt.date(2008, 3, 20)
    >>> live = expiries().filter(pl.col("listed_after") < day, pl.col("expiry") >= day)["expiry"]
    >>> [expiry.isoformat() for expiry in live]
    ['2008-03-20', '2008-04-18', '2008-05-16', '2008-06-20']
    """
    known = schedule().select("session", "close_at").set_sorted("session")
    first, last = known["session"][0], known["session"][-1]
    months = [(year, month) for year in range(first.year, last.year + 1) for month in range(1, 13)]
    fridays = [third_friday(*month) for month in months]
    table = (
        pl.DataFrame({"friday": [day for day in fridays if first <= day <= last]})
        .set_sorted("friday")
        .join_asof(known, left_on="friday", right_on="session", strategy="backward")
    )
    is_quarterly = pl.col("friday").dt.month() % 3 == 0
    return table.select(
        expiry="session",
        listed_after=pl.when(is_quarterly)
        .then(pl.col("session").shift(FAR_MONTHS))
        .otherwise(pl.col("session").shift(NEAR_MONTHS)),
        settles_at="close_at",
    ).drop_nulls()


def strike_spacing_usd(price_usd: NDArray[np.float64], half_range: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the widest exchange spacing that leaves at least four strikes on each side of the price.

    Parameters
    ----------
    price_usd, half_range
        Shape (n,): reference price, and the log distance that the strikes shall cover on each side.

    Examples
    --------
    >>> strike_spacing_usd(np.array([24.0, 150.0, 600.0]), np.array([0.2, 0.2, 0.2])).tolist()
    [1.0, 5.0, 25.0]
    """
    wanted = price_usd * half_range / STRIKES_PER_SIDE
    index = np.searchsorted(STRIKE_SPACINGS_USD, wanted, side="right") - 1
    return STRIKE_SPACINGS_USD[np.maximum(index, 0)]


def with_strikes(lives: pl.DataFrame) -> pl.DataFrame:
    """List strikes: around the price at listing, extended when the price moves, never delisted.

    Parameters
    ----------
    lives
        One row per (life, session), sorted by both: ``life`` (identifies one expiry of one symbol), ``session``,
        ``reference_usd`` (previous close), ``volatility`` (per sqrt(year)), ``tenor_years`` (at listing).

    Returns
    -------
    polars.DataFrame
        One row per listed strike and session with ``strike``, ``age_sessions`` (0 on the first session), ``low_usd``,
        ``high_usd`` (range of the reference since listing) and ``listing_sd`` (volatility x sqrt(tenor) at listing).
    """
    at_listing = pl.col("reference_usd", "volatility", "tenor_years").first().over("life").name.suffix("_listed")
    table = lives.with_columns(
        at_listing,
        low_usd=pl.col("reference_usd").cum_min().over("life"),
        high_usd=pl.col("reference_usd").cum_max().over("life"),
    ).with_columns(listing_sd=pl.col("volatility_listed") * pl.col("tenor_years_listed").sqrt())
    half_range = HALF_RANGE_SD * table["listing_sd"].to_numpy()
    spacing = strike_spacing_usd(table["reference_usd_listed"].to_numpy(), half_range)
    lowest = np.ceil(table["low_usd"].to_numpy() * np.exp(-half_range) / spacing)
    highest = np.floor(table["high_usd"].to_numpy() * np.exp(half_range) / spacing)
    return (
        table.drop("reference_usd_listed", "volatility_listed", "tenor_years_listed")
        .with_columns(
            spacing_usd=spacing,
            rung=pl.int_ranges(
                pl.Series(np.maximum(lowest, 1).astype(np.int32)), pl.Series(highest.astype(np.int32)) + 1
            ),
        )
        .explode("rung", empty_as_null=False, keep_nulls=False)
        .with_columns(
            strike=pl.col("rung") * pl.col("spacing_usd"),
            age_sessions=pl.int_range(pl.len()).over("life", "rung"),
        )
        .drop("rung")
    )
