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

import polars as pl

from gnosis.options.chain.clock import CALENDAR_DAYS_AHEAD
from gnosis.options.chain.layout import CHAIN
from gnosis.options.origin import require_table
from gnosis.sessions import schedule
from gnosis.tables.greeks import EXPIRY_SETS

FRIDAY = 5


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
    dated = _with_last_session(listed)
    in_week = pl.col("last_session").dt.truncate("1w") == pl.col("expiry").dt.truncate("1w")
    is_ahead = pl.col("last_session") > pl.col("session")
    is_weekly = in_week & is_ahead & pl.col("is_last_of_week")
    friday = pl.col("last_session").dt.truncate("1w") + pl.duration(days=FRIDAY - 1)
    is_monthly = is_weekly & friday.dt.day().is_between(15, 21)

    def earliest(belongs: pl.Expr) -> pl.Expr:
        day = pl.when(belongs).then("last_session")
        return (day == day.min().over(CHAIN)).fill_null(False)

    same_day, weekly, monthly, every = EXPIRY_SETS
    is_member = {
        same_day: pl.col("expiry") == pl.col("session"),
        weekly: earliest(is_weekly),
        monthly: earliest(is_monthly),
        every: pl.lit(True),
    }
    key = [*CHAIN, "expiry"]
    members = [
        dated.filter(belongs).select(*key, pl.lit(name, dtype=pl.Enum(EXPIRY_SETS)).alias("expiry_set"))
        for name, belongs in is_member.items()
    ]
    return pl.concat(members).sort(*key, "expiry_set")


def _with_last_session(listed: pl.DataFrame) -> pl.DataFrame:
    """Add the last session of each expiry and whether it is the last session of its week."""
    calendar = schedule().select(
        last_session="session",
        is_last_of_week=pl.col("session").dt.truncate("1w") != pl.col("session").shift(-1).dt.truncate("1w"),
    )
    last = listed.select("expiry").unique().sort("expiry")
    last = last.join_asof(calendar, left_on="expiry", right_on="last_session", strategy="backward")
    days_ahead = (pl.col("expiry") - pl.col("session")).dt.total_days()
    is_in_calendar = (days_ahead <= CALENDAR_DAYS_AHEAD) & pl.col("is_last_of_week").is_not_null()
    weekday = pl.col("expiry").dt.weekday().cast(pl.Int64)
    nominal = pl.col("expiry") - pl.duration(days=(weekday - FRIDAY).clip(0))
    return listed.join(last, on="expiry", how="left", maintain_order="left").with_columns(
        last_session=pl.when(is_in_calendar).then("last_session").otherwise(nominal),
        is_last_of_week=pl.when(is_in_calendar).then("is_last_of_week").otherwise(weekday >= FRIDAY),
    )
