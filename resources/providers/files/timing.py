"""Session, instants and factors that follow by rule from what a file says."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

from gnosis.sessions import NEW_YORK, OPEN_INTEREST_PUBLISHED, schedule
from resources.providers.errors import MissingColumnError, WrongTypeError
from resources.providers.files.reading import collected, open_table

if TYPE_CHECKING:
    from pathlib import Path

    from resources.providers.files.config import Adjustment, QuoteTime
    from resources.providers.files.known_at import Evening, ReleaseLag

INSTANT = pl.Datetime("us", "UTC")


def mornings() -> pl.DataFrame:
    """Return each session with 09:00 New York of itself and of the next one: ``morning_at``, ``next_morning_at``."""
    known = schedule().select("session", "open_at", "close_at")
    morning = _new_york(pl.col("session"), pl.lit(OPEN_INTEREST_PUBLISHED))
    return known.with_columns(morning_at=morning).with_columns(
        next_morning_at=pl.col("morning_at").shift(-1), previous_session=pl.col("session").shift(1)
    )


def _new_york(day: pl.Expr, time: pl.Expr) -> pl.Expr:
    return day.dt.combine(time).dt.replace_time_zone(str(NEW_YORK)).dt.convert_time_zone("UTC").cast(INSTANT)


def quoted_at(quote_time: QuoteTime) -> pl.Expr:
    """Return the stamp of the quotes of ``session`` (UTC), not yet limited to the close."""
    return _new_york(
        pl.col("session"),
        pl.col("session").replace_strict(
            list(quote_time.exceptions),
            list(quote_time.exceptions.values()),
            default=quote_time.time,
            return_dtype=pl.Time,
        ),
    )


def with_release(frame: pl.DataFrame, rule: ReleaseLag) -> pl.DataFrame:
    """Add ``known_at`` and ``session`` to macro observations, from ``ref_date`` and the lag of each series.

    ``known_at`` is 09:00 New York of the first session at least so many days after ``ref_date``. Rows that become
    known after the end of the calendar, and series without a lag, are left out: they are not asked for.
    """
    lags = pl.DataFrame({"series_id": list(rule.days), "lag_days": list(rule.days.values())})
    return (
        frame.join(lags, on="series_id", how="inner", maintain_order="left")
        .with_columns(due=pl.col("ref_date").dt.offset_by(pl.format("{}d", "lag_days")))
        .sort("due", maintain_order=True)
        .join_asof(mornings(), left_on="due", right_on="session", strategy="forward", coalesce=False)
        .drop_nulls("session")
        .with_columns(known_at=pl.col("morning_at"))
    )


def with_session(frame: pl.DataFrame, instant: str) -> pl.DataFrame:
    """Add ``session``: the first one whose close is at or after ``instant``; null after the end of the calendar."""
    return frame.sort(instant, maintain_order=True).join_asof(
        schedule().select("session", "close_at"), left_on=instant, right_on="close_at", strategy="forward"
    )


def evening_at(rule: Evening) -> pl.Expr:
    """Return the instant (UTC) of the evening of ``session``."""
    return _new_york(pl.col("session"), pl.lit(rule.time))


def forward_factors(file: Path, rule: Adjustment) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the forward-anchored factor of each symbol, and the date on which it was listed.

    The file gives backward factors, which change with every later event. Divided by the first one they do not, up to
    the digits that the file keeps.

    Returns
    -------
    tuple of polars.DataFrame
        ``symbol``, ``last_date`` (last date on which it holds), ``adjustment_factor`` (1 at the listing), sorted by
        date; and ``symbol``, ``listed`` (first date in the file).

    Raises
    ------
    UnreadableFileError, MissingColumnError, WrongTypeError
        When the file is damaged or not as described.
    """
    table = collected(open_table(file, "csv" if ".csv" in file.suffixes else "parquet"), file)
    if missing := sorted({rule.symbol, rule.last_date, *rule.factors} - set(table.columns)):
        raise MissingColumnError(file, missing, table.columns)
    product = pl.lit(1.0)
    for name in rule.factors:
        product = product * pl.col(name).cast(pl.Float64, strict=False)
    last_date = pl.col(rule.last_date).cast(pl.String).str.to_date(rule.date_format, strict=False)
    steps = table.select(symbol=pl.col(rule.symbol).cast(pl.String), last_date=last_date, backward=product)
    if steps.null_count().sum_horizontal().item():
        raise WrongTypeError(file, f"{rule.last_date}, {', '.join(rule.factors)}", "a date and factors", "empty cells")
    steps = steps.sort("last_date", "symbol")
    forward = steps.with_columns(
        adjustment_factor=pl.col("backward") / pl.col("backward").first().over("symbol"),
    ).drop("backward")
    return forward, steps.group_by("symbol", maintain_order=True).agg(listed=pl.col("last_date").first())


def day_before(day: dt.date) -> dt.date:
    """Return the session before the first one on or after ``day``: where the window of a fetch begins."""
    known = schedule()["session"]
    return known[max(int(known.search_sorted(day)) - 1, 0)]
