"""The vault: the newest sessions, which no choice may have looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.sessions import schedule, shift_session

if TYPE_CHECKING:
    import datetime as dt

VAULT_SESSIONS = 126


def first_vault_session(last_session: dt.date, vault_sessions: int = VAULT_SESSIONS) -> dt.date:
    """Return the first of the ``vault_sessions`` exchange sessions that end with ``last_session``.

    Examples
    --------
    >>> import datetime as dt
    >>> first_vault_session(dt.date(2024, 7, 3)).isoformat()
    '2024-01-03'
    """
    if vault_sessions < 1:
        raise ValueError(f"expected a vault of at least 1 session, found {vault_sessions}")
    return shift_session(last_session, 1 - vault_sessions)


def outside_vault(rows: pl.DataFrame, vault_sessions: int, last_session: dt.date) -> pl.DataFrame:
    """Return the rows that a choice may look at: decided, and their outcome over, before the vault begins (L-4.7).

    Everything that is *chosen* on outcomes (hyper-parameters, the energy weight, the family, the parameters of a
    strategy) is chosen on these rows only. Models are still fitted, and calibrated by the method that suits their
    calibration rows, on all rows whose labels are known: a walk-forward model never saw the block it answers for,
    so its answers for the sessions of the vault are out of sample, and as no choice saw them either, the promotion
    gate may judge by them once. Leaving the newest rows out of the fit as well would serve half a year old models
    and protect nothing more.

    The vault is counted back from ``last_session`` by the exchange calendar and not from the newest row, so it is a
    function of its arguments alone. A choice that belongs to a fold passes the last session of the fold's training
    window: then the vault of that choice never moves, and the choices of one night are those of a backfill. A judgement
    as of tonight passes tonight's session: a session leaves the vault once ``vault_sessions`` newer ones have closed.

    Parameters
    ----------
    rows
        With ``session`` (of the signal) and ``t1`` (UTC), as ``models.dataset``.
    vault_sessions
        Length of the vault in exchange sessions, at least 1; :data:`VAULT_SESSIONS` by default of the specification.
    last_session
        The newest session of the vault.

    Returns
    -------
    polars.DataFrame
        In the order of ``rows``. Rows without ``t1`` are left out: their outcome may still lie in the vault.

    Examples
    --------
    >>> import datetime as dt
    >>> days = schedule().filter(pl.col("session") >= dt.date(2024, 1, 2)).head(10)
    >>> rows = days.select("session", t1=pl.col("close_at").shift(-2))
    >>> outside_vault(rows, 4, days["session"][-1])["session"].to_list()[-1].isoformat()
    '2024-01-05'
    """
    first = first_vault_session(last_session, vault_sessions)
    opening = schedule().filter(pl.col("session") == first)["open_at"].item()
    return rows.filter(pl.col("session") < first, pl.col("t1") < opening)
