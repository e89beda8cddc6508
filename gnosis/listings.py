"""Reused tickers are never spliced: bars of a company that had the ticker before are set aside.

A ticker that trades again after more than :data:`LONGEST_GAP_SESSIONS` sessions without a bar is taken to be another
listing. On twelve US tickers of 1998 to 2021 this finds each of the three that were reused (FB 2,302 sessions, EEM 86,
USO 1,828 without a bar) and has nothing to say on the eight that lack no session. It sets aside the first years of QQQ
too, whose data lacks 1,588 sessions although it is one fund, and an illiquid share can go without a trade for longer:
the company that was USO before 1999 did for 51 sessions. A ticker reused sooner is not seen. Prices do not help: EEM
went from 9.98 to 100.12 $, but so does a reverse split. In all these cases the declared first session of the listing
is right, and where it is declared it decides alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from gnosis.sessions import UnknownSessionError, schedule

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

LONGEST_GAP_SESSIONS = 30


class ListingBreaks(NamedTuple):
    """Bars of the present listing of each ticker, and those of earlier ones.

    Attributes
    ----------
    kept, set_aside
        Rows as given, sorted by symbol and session. The rule of those set aside is ``before_listing``.
    """

    kept: pl.DataFrame
    set_aside: pl.DataFrame


def listing_gaps(
    bars: pl.DataFrame,
    previous: pl.DataFrame | None = None,
    longest_gap_sessions: int = LONGEST_GAP_SESSIONS,
    listed_from: Mapping[str, dt.date] | None = None,
) -> pl.DataFrame:
    """Return the places where the bars of a symbol pass from one listing to another.

    Parameters
    ----------
    bars
        ``session`` and ``symbol``; for one night, the new bars.
    previous
        ``session`` and ``symbol`` of the last stored bar of each symbol. None: there is none.
    longest_gap_sessions
        Sessions without a bar that one listing may have.
    listed_from
        First session of the present listing, by symbol. For such a symbol that date is the only break, whatever gaps
        there are.

    Returns
    -------
    polars.DataFrame
        ``symbol``, ``last_session`` (of the earlier listing), ``first_session`` (of the later one), both Date, and
        ``missing_sessions`` (Int64: sessions between them), sorted.

    Raises
    ------
    gnosis.sessions.UnknownSessionError
        When a date is not a session of the exchange.
    ValueError
        When the longest gap is negative or a key is repeated.

    Examples
    --------
    >>> import datetime as dt
    >>> stored = pl.DataFrame({"session": [dt.date(2003, 3, 28)], "symbol": ["FB"]})
    >>> tonight = pl.DataFrame({"session": [dt.date(2012, 5, 18)], "symbol": ["FB"]})
    >>> listing_gaps(tonight, stored)["missing_sessions"].to_list()
    [2302]
    """
    if longest_gap_sessions < 0:
        raise ValueError(f"expected longest_gap_sessions of 0 or more, found {longest_gap_sessions}")
    frames = [frame.select("symbol", "session") for frame in (bars, previous) if frame is not None]
    days = pl.concat(frames, how="vertical_relaxed").sort("symbol", "session")
    if days.is_duplicated().any():
        raise ValueError("expected one bar per symbol and session, all after the last stored one, found a repeated key")
    numbered = days.join(_positions(), on="session", how="left", maintain_order="left")
    if (unknown := numbered.filter(pl.col("position").is_null())).height:
        row = unknown.row(0, named=True)
        raise UnknownSessionError(f"expected bars on sessions of XNYS, found {row['symbol']} on {row['session']}")
    declared = _declared(listed_from)
    pairs = (
        numbered.with_columns(
            last_session=pl.col("session").shift(1).over("symbol"),
            missing_sessions=(pl.col("position").diff() - 1).over("symbol"),
        )
        .drop_nulls("last_session")
        .join(declared, on="symbol", how="left", maintain_order="left")
    )
    too_long = pl.col("missing_sessions") > longest_gap_sessions
    crosses = (pl.col("last_session") < pl.col("listed")) & (pl.col("session") >= pl.col("listed"))
    return (
        pairs.filter(pl.when(pl.col("listed").is_null()).then(too_long).otherwise(crosses))
        .select("symbol", "last_session", "missing_sessions", first_session="session")
        .select("symbol", "last_session", "first_session", "missing_sessions")
    )


def listing_breaks(
    bars: pl.DataFrame,
    longest_gap_sessions: int = LONGEST_GAP_SESSIONS,
    listed_from: Mapping[str, dt.date] | None = None,
) -> ListingBreaks:
    """Return the bars of the last listing of each symbol, and those before it.

    Parameters
    ----------
    bars
        ``session``, ``symbol`` and whatever else; one row per key.
    longest_gap_sessions, listed_from
        See :func:`listing_gaps`.

    Raises
    ------
    gnosis.sessions.UnknownSessionError
        When a date is not a session of the exchange.
    ValueError
        When the longest gap is negative or a key is repeated.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2002, 12, 5), dt.date(2003, 4, 11)]
    >>> bars = pl.DataFrame({"session": days, "symbol": "EEM", "close": [9.98, 99.70]})
    >>> kept, set_aside = listing_breaks(bars)
    >>> kept["close"].to_list(), set_aside["close"].to_list()
    ([99.7], [9.98])
    >>> listing_breaks(bars, listed_from={"EEM": days[0]}).set_aside.height
    0
    """
    gaps = listing_gaps(bars, None, longest_gap_sessions, listed_from)
    first = pl.concat(
        [
            gaps.group_by("symbol").agg(listed=pl.col("first_session").max()),
            _declared(listed_from),
        ]
    ).unique("symbol", keep="last", maintain_order=True)
    ordered = bars.sort("symbol", "session").join(first, on="symbol", how="left", maintain_order="left")
    is_before = (pl.col("session") < pl.col("listed")).fill_null(False)
    return ListingBreaks(
        ordered.filter(~is_before).select(bars.columns), ordered.filter(is_before).select(bars.columns)
    )


def _positions() -> pl.DataFrame:
    return schedule().select("session", position=pl.int_range(pl.len(), dtype=pl.Int64))


def _declared(listed_from: Mapping[str, dt.date] | None) -> pl.DataFrame:
    days = dict(sorted((listed_from or {}).items()))
    return pl.DataFrame(
        {"symbol": list(days), "listed": list(days.values())}, schema={"symbol": pl.String, "listed": pl.Date}
    )
