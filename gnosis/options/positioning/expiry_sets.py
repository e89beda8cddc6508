"""The expiries that are published apart: same day, next weekly, next monthly, and all of them.

================ ==============================================================================================
``0dte``         expiry date = session date (``dte_days`` = 0)
``next_weekly``  the earliest expiry still ahead whose last session is the last of its week: Friday, or the
                 session before a Friday holiday; monthly expiries are among them
``next_monthly`` the earliest expiry still ahead whose last session is the third Friday of its month, or the session
                 before when that Friday is a holiday
``all``          every expiry
================ ==============================================================================================

An expiry belongs to its last session, that is its own date or else the session before it: the Saturdays of monthly
contracts before 2015 belong to their Friday. Ahead means that this session comes after that of the snapshot, so on that
Friday the Saturday contracts are in ``all`` only, as their ``dte_days`` is 1. Morning- and afternoon-settled roots of
one day are in the same set. Sets are chosen from the expiries that a chain lists; one that has none has no rows.

The exchange calendar is asked for expiries up to 330 days ahead and their holidays, as in
:mod:`gnosis.options.chain.clock`; later ones go by the day of the week.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.options.chain.clock import CALENDAR_DAYS_AHEAD
from gnosis.options.chain.layout import CHAIN
from gnosis.options.origin import require_table
from gnosis.sessions import schedule
from gnosis.tables.greeks import EXPIRY_SETS

Days = NDArray[Any]

FRIDAY = 5
# 1 January 1970 was the fourth day of its week, counted from Monday.
MONDAY = 3
NEVER = np.iinfo(np.int64).max


def with_expiry_set(greeks: pl.DataFrame) -> pl.DataFrame:
    """Return every row once for each expiry set that contains it.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order; further columns are kept.

    Returns
    -------
    polars.DataFrame
        The rows in their order with ``expiry_set``; repetitions of a row follow each other, in the order of the data
        dictionary.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.tables import TABLES
    >>> row = {"session": dt.date(2019, 5, 15), "symbol": "XYZ", "expiry": dt.date(2019, 5, 15), "strike": 105.0}
    >>> found = with_expiry_set(pl.DataFrame([row], TABLES["greeks.option_greeks"].polars_schema))
    >>> found.select("strike", "expiry_set").rows()
    [(105.0, '0dte'), (105.0, 'all')]
    """
    require_table(greeks, "greeks.option_greeks")
    return greeks.join(expiry_sets(greeks), on=[*CHAIN, "expiry"], how="inner", maintain_order="left_right")


def expiry_sets(contracts: pl.DataFrame) -> pl.DataFrame:
    """Return which expiries of each chain are in which set.

    Parameters
    ----------
    contracts
        With ``session`` (date), ``symbol`` and ``expiry`` (date).

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``expiry`` and ``expiry_set``, sorted.

    Examples
    --------
    >>> import datetime as dt
    >>> listed = [dt.date(2012, 11, day) for day in (14, 16, 17, 30)]
    >>> chain = pl.DataFrame({"session": dt.date(2012, 11, 14), "symbol": "XYZ", "expiry": listed})
    >>> [f"{expiry:%d} {name}" for _, _, expiry, name in expiry_sets(chain).rows() if name != "all"]
    ['14 0dte', '16 next_weekly', '16 next_monthly', '17 next_weekly', '17 next_monthly']
    """
    listed = contracts.select(*CHAIN, "expiry").unique().sort(*CHAIN, "expiry")
    chain = listed.select(pl.struct(CHAIN).rank("dense")).to_series().to_numpy().astype(np.int64) - 1
    bits = set_bits(chain, *(listed[name].to_physical().to_numpy() for name in ("session", "expiry")))
    key = [*CHAIN, "expiry"]
    members = [
        listed.filter(pl.Series(bits >> bit & 1 == 1)).with_columns(
            pl.lit(name, dtype=pl.Enum(EXPIRY_SETS)).alias("expiry_set")
        )
        for bit, name in enumerate(EXPIRY_SETS)
    ]
    return pl.concat(members).sort(*key, "expiry_set")


def set_bits(chain: Days, session: Days, expiry: Days) -> NDArray[np.int64]:
    """Return the sets of each expiry of each chain as one bit per set, in the order of the data dictionary.

    Parameters
    ----------
    chain
        Number of the chain, ascending from 0.
    session, expiry
        Days since 1970.

    Examples
    --------
    >>> wednesday = 15_658
    >>> set_bits(np.zeros(3, int), np.full(3, wednesday), wednesday + np.array([0, 2, 3])).tolist()
    [9, 14, 14]
    """
    last, is_last_of_week = _last_sessions(session.astype(np.int64), expiry.astype(np.int64))
    is_weekly = (_week(last) == _week(expiry)) & (last > session) & is_last_of_week
    friday = 7 * _week(last) - MONDAY + FRIDAY - 1
    day_of_month = (
        friday - friday.astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]").astype(int) + 1
    )
    is_monthly = is_weekly & (day_of_month >= 15) & (day_of_month <= 21)
    starts = np.flatnonzero(np.diff(chain, prepend=-1))

    def earliest(belongs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        day = np.where(belongs, last, NEVER)
        return belongs & (day == np.minimum.reduceat(day, starts)[chain])

    if chain.size == 0:
        return np.zeros(0, dtype=np.int64)
    members = (expiry == session, earliest(is_weekly), earliest(is_monthly), np.ones(chain.size, dtype=bool))
    return np.sum([belongs.astype(np.int64) << bit for bit, belongs in enumerate(members)], axis=0)


def _week(days: Days) -> NDArray[np.int64]:
    """Number the weeks, which begin on Monday."""
    return (np.asarray(days, dtype=np.int64) + MONDAY) // 7


def _last_sessions(session: Days, expiry: Days) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the last session of each expiry, and whether it is the last session of its week."""
    calendar = schedule()["session"].to_physical().to_numpy().astype(np.int64)
    at = np.searchsorted(calendar, expiry, side="right") - 1
    is_in_calendar = (expiry - session <= CALENDAR_DAYS_AHEAD) & (at >= 0) & (at < calendar.size - 1)
    at = np.clip(at, 0, calendar.size - 2)
    weekday = (expiry + MONDAY) % 7 + 1
    nominal = expiry - np.maximum(weekday - FRIDAY, 0)
    is_last = np.where(is_in_calendar, _week(calendar[at]) != _week(calendar[at + 1]), weekday >= FRIDAY)
    return np.where(is_in_calendar, calendar[at], nominal), is_last
