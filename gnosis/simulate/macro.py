"""Macroeconomic series with vintages: plausible levels, realistic release days, revisions."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import FIRST_SESSION, NEW_YORK, schedule
from gnosis.simulate.draws import check_seed, stream
from gnosis.simulate.rows import rows_of
from gnosis.simulate.volatility import persistent_factor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Round figures on which the series run, by year; flat before the first and after the last.
POLICY_RATE_PCT = {2004.0: 1.0, 2005.0: 2.25, 2006.5: 5.25, 2007.7: 5.25, 2008.3: 2.2, 2008.95: 0.2, 2014.0: 0.1}
TEN_YEAR_PCT = {2004.0: 4.2, 2006.5: 5.1, 2007.5: 4.9, 2008.95: 2.4, 2010.2: 3.7, 2012.5: 1.6, 2014.0: 2.8}
CREDIT_SPREAD_PCT = {2004.0: 2.0, 2007.4: 1.7, 2008.6: 3.2, 2008.95: 6.0, 2009.8: 2.9, 2012.0: 3.2, 2014.0: 2.4}
INFLATION_PCT = {2004.0: 2.8, 2008.0: 4.0, 2008.6: 3.5, 2008.8: -3.0, 2009.3: 0.5, 2010.0: 2.0, 2014.0: 1.7}
UNEMPLOYMENT_PCT = {2004.0: 5.6, 2007.2: 4.5, 2008.3: 5.1, 2009.8: 9.9, 2011.0: 9.1, 2014.0: 6.6}
GROWTH_PCT = {2004.0: 3.2, 2007.5: 2.2, 2008.5: -1.0, 2008.9: -7.0, 2009.6: 1.5, 2010.0: 2.4, 2014.0: 2.4}
CPI_IN_1990 = 127.4

TREASURY_TENORS_YEARS = {
    "DGS1MO": 1 / 12,
    "DGS3MO": 0.25,
    "DGS6MO": 0.5,
    "DGS1": 1.0,
    "DGS2": 2.0,
    "DGS5": 5.0,
    "DGS10": 10.0,
}
DAILY_SERIES = ("BAA10Y", "DFF", *TREASURY_TENORS_YEARS)

# Rows from before the first wanted session, so that it knows 13 months of prices and the last of the rest.
LOOKBACK_DAYS = {"daily": 60, "monthly": 520, "quarterly": 400}
MORNING = dt.time(9, 0)
RELEASE = dt.time(8, 30)


def macro_vintages(sessions: Sequence[dt.date], seed: int) -> pl.DataFrame:
    """Return every value that had been published by the close of the last session, each at its own moment.

    Daily series appear at 09:00 New York of the next session. Consumer prices and unemployment appear in the next
    month at 08:30 and are revised with each January release, five and one years back. Growth has an advance, a second
    and a third estimate, about 30, 60 and 90 days after the quarter.

    Parameters
    ----------
    sessions
        Wanted sessions; rows that became known before the first are included (60 days of daily series, 520 of monthly
        and 400 of quarterly ones), because the first session has to know them.
    seed
        Integer >= 0.

    Returns
    -------
    polars.DataFrame
        Rows of raw.macro sorted by key. A value never depends on which sessions are asked for.

    Raises
    ------
    ValueError
        Without sessions.

    Examples
    --------
    >>> rows = macro_vintages([dt.date(2008, 11, 3)], seed=7)
    >>> growth = rows.filter(pl.col("series_id") == "A191RL1Q025SBEA", pl.col("ref_date") == dt.date(2008, 4, 1))
    >>> [(day.isoformat(), value) for day, value in growth.select("session", "value").iter_rows()]
    [('2008-07-28', -1.4), ('2008-08-28', -1.4), ('2008-09-29', -1.2)]
    """
    if not sessions:
        raise ValueError("expected at least one session, found none; pass the sessions of the wanted range")
    first, last = min(sessions), max(sessions)
    close = schedule().filter(pl.col("session") <= last)["close_at"][-1]
    parts = [
        rows.filter(
            pl.col("known_at").dt.date() >= first - dt.timedelta(days=LOOKBACK_DAYS[name]), pl.col("known_at") <= close
        )
        for name, rows in _history(check_seed(seed)).items()
    ]
    return rows_of("raw.macro", pl.concat(parts))


@lru_cache(maxsize=2)
def _history(seed: int) -> dict[str, pl.DataFrame]:
    return {
        name: _with_session(rows)
        for name, rows in (("daily", _daily(seed)), ("monthly", _monthly(seed)), ("quarterly", _quarterly(seed)))
    }


def _with_session(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the first session at whose close each value was known, and the columns of origin."""
    closes = schedule().select("session", "close_at").set_sorted("close_at")
    return (
        rows.sort("known_at", maintain_order=True)
        .join_asof(closes, left_on="known_at", right_on="close_at", strategy="forward")
        .drop_nulls("session")
        .with_columns(is_vintage=pl.lit(True), provider=pl.lit("simulate"), synthetic=pl.lit(True))
    )


def _years(days: pl.Series) -> NDArray[np.float64]:
    return (days.dt.year() + (days.dt.ordinal_day() - 1) / 365.25).to_numpy()


def _script(knots: dict[float, float], years: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(years, list(knots), list(knots.values()))


def _at(days: pl.Series, time: dt.time) -> pl.Series:
    """Return the UTC instants of a New York wall-clock time on each day."""
    return (
        days.cast(pl.Datetime("us"))
        .dt.offset_by(f"{time.hour}h{time.minute}m")
        .dt.replace_time_zone(str(NEW_YORK))
        .dt.convert_time_zone("UTC")
    )


def _daily(seed: int) -> pl.DataFrame:
    days = schedule()["session"]
    years, count = _years(days), len(days)

    def noise(name: str, sd: float) -> NDArray[np.float64]:
        return sd * persistent_factor(stream(seed, f"macro.{name}").standard_normal(count), 0.985)

    policy = _script(POLICY_RATE_PCT, years)
    long = _script(TEN_YEAR_PCT, years) + noise("ten_year", 0.18)
    scale = np.minimum(1.0, policy / 2)
    values = {
        "DFF": policy + scale * 0.03 * stream(seed, "macro.DFF").standard_normal(count),
        "BAA10Y": _script(CREDIT_SPREAD_PCT, years) + noise("BAA10Y", 0.12),
    }
    short = noise("short", 0.08) * scale
    for name, tenor in TREASURY_TENORS_YEARS.items():
        weight = (1 - np.exp(-tenor / 3.5)) / (1 - np.exp(-10 / 3.5))
        values[name] = policy * (1 - weight) + long * weight + short * (1 - weight)
    published = _at(days.shift(-1), MORNING)
    return pl.concat(
        pl.DataFrame(
            {
                "series_id": [name] * count,
                "ref_date": days,
                "known_at": published,
                "value": np.round(np.maximum(values[name], 0.01), 2),
            }
        ).drop_nulls("known_at")
        for name in DAILY_SERIES
    )


def _months() -> list[dt.date]:
    last = schedule()["session"][-1]
    return [dt.date(y, m, 1) for y in range(FIRST_SESSION.year, last.year + 1) for m in range(1, 13)]


def _release_days(wanted: Sequence[dt.date]) -> list[dt.date | None]:
    """Return the first session at or after each wanted day, None beyond the calendar."""
    known = schedule()["session"]
    places = known.search_sorted(pl.Series(wanted, dtype=pl.Date))
    return [known[place] if place < len(known) else None for place in places]


def _after(month: dt.date, months: int) -> dt.date:
    year, index = divmod(month.year * 12 + month.month - 1 + months, 12)
    return dt.date(year, index + 1, 1)


def _monthly(seed: int) -> pl.DataFrame:
    months = _months()
    years, count = _years(pl.Series(months)), len(months)
    growth = _script(INFLATION_PCT, years) / 1200 + 0.0012 * stream(seed, "macro.CPIAUCSL").standard_normal(count)
    jobless = _script(UNEMPLOYMENT_PCT, years) + 0.12 * persistent_factor(
        stream(seed, "macro.UNRATE").standard_normal(count), 0.7
    )
    jitter = stream(seed, "macro.release").integers(-2, 4, count)
    cpi_days = [_after(m, 1) + dt.timedelta(days=14 + int(j)) for m, j in zip(months, jitter, strict=True)]
    fridays = [_after(m, 1) + dt.timedelta(days=(4 - _after(m, 1).weekday()) % 7) for m in months]
    settings = (
        ("CPIAUCSL", CPI_IN_1990 * np.exp(np.cumsum(growth)), cpi_days, 3, 5, 0.0006),
        ("UNRATE", jobless, fridays, 1, 1, 0.06),
    )
    parts = []
    for name, final, wanted, decimals, years_back, sd in settings:
        released = _release_days(wanted)
        # Column v holds the error of the v-th print; the last print of a month is its final value.
        errors = sd * stream(seed, f"macro.{name}.revision").standard_normal((count, years_back))
        scale = final if name == "CPIAUCSL" else np.ones(count)
        prints: list[tuple[int, int, dt.date]] = []
        for index, month in enumerate(months):
            # The release of January's figure, in February, revises all months of the years before it.
            januaries = [12 * (month.year - FIRST_SESSION.year + ahead) for ahead in range(1, years_back + 1)]
            for version, source in enumerate([index, *januaries]):
                day = released[source] if source < count else None
                if day is not None:
                    prints.append((index, version, day))
        rows, versions = np.array([p[0] for p in prints]), np.array([p[1] for p in prints])
        error = np.where(
            versions < years_back, errors[rows, np.minimum(versions, years_back - 1)] / (1.0 + versions), 0.0
        )
        parts.append(
            pl.DataFrame(
                {
                    "series_id": [name] * len(prints),
                    "ref_date": [months[i] for i in rows],
                    "known_at": _at(pl.Series([p[2] for p in prints]), RELEASE),
                    "value": np.round(final[rows] + error * scale[rows], decimals),
                }
            )
        )
    return pl.concat(parts)


def _quarterly(seed: int) -> pl.DataFrame:
    quarters = [month for month in _months() if month.month % 3 == 1]
    count = len(quarters)
    final = _script(GROWTH_PCT, _years(pl.Series(quarters))) + 0.9 * stream(seed, "macro.growth").standard_normal(count)
    noise = stream(seed, "macro.growth.revision").standard_normal((count, 2))
    parts = []
    for estimate, error in enumerate((0.6 * noise[:, 0] + 0.3 * noise[:, 1], 0.3 * noise[:, 1], np.zeros(count))):
        wanted = [_after(quarter, 3 + estimate) + dt.timedelta(days=27) for quarter in quarters]
        parts.append(
            pl.DataFrame(
                {
                    "series_id": ["A191RL1Q025SBEA"] * count,
                    "ref_date": quarters,
                    "known_at": _at(pl.Series(_release_days(wanted), dtype=pl.Date), RELEASE),
                    "value": np.round(final + error, 1),
                }
            ).drop_nulls("known_at")
        )
    return pl.concat(parts)
