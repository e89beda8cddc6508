"""When an observation of a FRED series became known, by its archived publication or by a fixed lag.

One rule for both: of a publication only the day is known, not the hour, so a value counts from the end of that day in
New York, and belongs to the next session.

* With a key the day is ``realtime_start`` of ALFRED, the archive of what FRED showed on each day. A restated value is a
  row of its own and cannot be seen before its own day.
* Without a key it is the first session at least ``RELEASE_LAG_DAYS`` calendar days after the reference date, and
  ``is_vintage`` is false. The values are then those of today: a figure that was revised since is shown as it never was
  at the time. Lags hold for an ordinary month; after a government shutdown releases have been weeks later.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

from gnosis.sessions import schedule, shift_session
from resources.providers.live.known import new_york, under_session
from resources.providers.protocol import conform
from resources.providers.rejections import NO_VALUE, rejected_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DAILY = ("AAA10Y", "BAA10Y", "BAMLC0A0CM", "BAMLH0A0HYM2", "DAAA", "DBAA", "DFF", "DTB3", "SOFR", "T10Y2Y", "T10Y3M",
         "T10YIE", "T5YIE", "VIXCLS", *(f"DGS{tenor}" for tenor in ("1MO", "3MO", "6MO", "1", "2", "3", "5", "7", "10",
         "20", "30")))  # fmt: skip
"""Rates, spreads and closes that are published on the next business day."""

RELEASE_LAG_DAYS: dict[str, int] = {
    **dict.fromkeys(DAILY, 1),
    # Week that ends on Saturday, published on Thursday.
    "ICSA": 5,
    # Week that ends on Friday, published on Wednesday.
    "NFCI": 5,
    # First Friday after the month, in some years the second one.
    "UNRATE": 45,
    "PAYEMS": 45,
    # Around the middle of the next month.
    "CPIAUCSL": 55,
    "CPILFESL": 55,
    "INDPRO": 55,
    # At the end of the next month.
    "PCEPI": 65,
    "PCEPILFE": 65,
    # The third estimate, about 90 days after the quarter: by then the value of today is likeliest the one shown.
    "GDPC1": 185,
    "A191RL1Q025SBEA": 185,
}
"""Calendar days from the reference date (first day of the period) to the publication."""

REACH = dt.timedelta(days=3653)
"""Values about dates more than ten years before a session are not collected for it. Regular revisions of prices and
output reach back five years; rarer ones that restate the whole past are cut here."""

MOST_DAYS = 1900
"""Days in one request: ALFRED refuses more than 2,000 publication days of a series at once."""


def vintage_windows(sessions: Sequence[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """Yield the first and last day of publication to ask for, in windows that ALFRED allows.

    The first day of a window is one day early on purpose: ALFRED cuts ``realtime_start`` to the window, so on its first
    day everything published ever before seems to be published. That day belongs to a session that is not asked for.

    Examples
    --------
    >>> [(str(first), str(last)) for first, last in vintage_windows([dt.date(2013, 1, 2), dt.date(2013, 1, 3)])]
    [('2012-12-30', '2013-01-02')]
    """
    first, day_before = sessions[0], dt.timedelta(days=1)
    for session, following in zip(sessions, [*sessions[1:], None], strict=True):
        if following is None or (following - first).days > MOST_DAYS:
            yield shift_session(first, -1) - day_before, session - day_before
            first = following or first


def publication_day(ref_dates: pl.DataFrame, lag_days: int) -> pl.DataFrame:
    """Add ``published``: the first session at least so many days after ``ref_date``.

    Examples
    --------
    >>> friday = pl.DataFrame({"ref_date": [dt.date(2013, 1, 4)]})
    >>> publication_day(friday, 1)["published"].item().isoformat()
    '2013-01-07'
    """
    days = schedule().select(published="session")
    due = ref_dates.with_columns(due=pl.col("ref_date").dt.offset_by(f"{lag_days}d")).sort("due")
    return due.join_asof(days, left_on="due", right_on="published", strategy="forward", coalesce=False).drop("due")


def reference_window(sessions: Sequence[dt.date], lag_days: int) -> tuple[dt.date, dt.date]:
    """Return the first and last reference date whose publication falls under one of ``sessions``.

    Examples
    --------
    >>> [str(day) for day in reference_window([dt.date(2013, 1, 8)], 1)]
    ['2013-01-04', '2013-01-06']
    """
    lag, day = dt.timedelta(days=lag_days), dt.timedelta(days=1)
    return shift_session(sessions[0], -2) + day - lag, shift_session(sessions[-1], -1) - lag


def macro_rows(
    rows: pl.DataFrame, series: str, sessions: Sequence[dt.date], provider: str, *, is_vintage: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of ``raw.macro`` that became known under ``sessions``, and those without a value.

    Parameters
    ----------
    rows
        ``ref_date``, ``published`` (dates) and ``value`` (null where the series has none).
    is_vintage
        True when ``published`` was archived, false when it follows from a lag.

    Examples
    --------
    >>> prints = pl.DataFrame({"ref_date": [dt.date(2012, 12, 1)] * 2, "value": [7.8, 7.9],
    ...     "published": [dt.date(2013, 1, 4), dt.date(2013, 2, 1)]})
    >>> frame, _ = macro_rows(prints, "UNRATE", [dt.date(2013, 1, 7), dt.date(2013, 1, 8)], "fred", is_vintage=True)
    >>> frame.select("session", "known_at", "value").rows()[0]
    (datetime.date(2013, 1, 7), datetime.datetime(2013, 1, 5, 5, 0, tzinfo=zoneinfo.ZoneInfo(key='UTC')), 7.8)
    """
    known = rows.with_columns(known_at=new_york(pl.col("published").dt.offset_by("1d"), dt.time(0)))
    wanted = under_session(known, "known_at").filter(
        pl.col("session").is_in(list(sessions)), pl.col("ref_date") >= pl.col("session") - REACH
    )
    has_value = pl.col("value").is_not_null()
    missing = wanted.filter(~has_value).select("session", "ref_date", "known_at", series_id=pl.lit(series))
    frame = wanted.filter(has_value).with_columns(
        series_id=pl.lit(series),
        is_vintage=pl.lit(is_vintage),
        provider=pl.lit(provider),
        synthetic=pl.lit(False),
    )
    rejected = rejected_rows(missing.sort("ref_date"), date="session", rule=NO_VALUE, provider=provider)
    return conform(frame, "raw.macro"), rejected
