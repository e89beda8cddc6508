"""Splits and cash dividends applied as they were known at the time, and undone where a vendor applied them.

Prices are stored as traded. ``adjustment_factor`` is 1 at a symbol's first bar and moves only at ex-dates, so no later
event ever changes a stored row. Between two bars of a symbol it is multiplied by ::

    R / (1 - A / C)

where C is the close as traded of the earlier bar, R the product of the splits (new shares per old one) and A the cash
that one share of the earlier bar earned: each dividend is paid per share as traded on its ex-date, so it counts as many
times as one old share has become shares by then. For a split and a dividend D of the same day, ``A = D x R``: whoever
held one share worth C holds R shares and R x D in cash, which are worth C together when a share costs ``C / R - D``.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

NOT_APPLIED_SCHEMA = {
    "session": pl.Date,
    "symbol": pl.String,
    "ex_date": pl.Date,
    "kind": pl.String,
    "reason": pl.String,
}
_BAR = ["symbol", "bar_session"]
_EVENT = ["symbol", "ex_date", "kind"]


class AdjustedBars(NamedTuple):
    """Bars with their factor, and the corporate actions that the factor leaves out.

    Attributes
    ----------
    bars
        The rows as given, with ``adjustment_factor``, sorted by symbol and session.
    not_applied
        ``session`` (of the bar that would have moved, or at which a late action became known), ``symbol``, ``ex_date``,
        ``kind`` ("split" or "dividend") and ``reason``, sorted.
    """

    bars: pl.DataFrame
    not_applied: pl.DataFrame


def adjustment_factors(
    bars: pl.DataFrame, splits: pl.DataFrame, dividends: pl.DataFrame, previous: pl.DataFrame
) -> AdjustedBars:
    """Return the bars with their forward-anchored adjustment factor.

    An action belongs to the first bar on or after its ex-date. It is applied when it was known by that bar's session;
    an action that became known later never changes the past: it is returned instead, under the first bar at which it
    was known. Of several announcements of one ex-date the latest known by the bar counts: each states the whole of that
    ex-date, so one that is repeated under the ex-date itself counts once, and a dividend of $0 takes an earlier one
    back. Rows of one session add up. Whatever came up to a symbol's first bar does not matter.

    The factor is a product taken bar by bar, so a night that continues from the last stored bar writes the same bits as
    a backfill of the whole range.

    Parameters
    ----------
    bars
        ``session``, ``symbol``, ``close`` ($, as traded) and whatever else; one row per key. A column
        ``adjustment_factor`` is replaced.
    splits
        ``session`` (in which it became known; null: known from the beginning), ``symbol``, ``ex_date`` and ``ratio``
        (new shares per old one).
    dividends
        Rows of ``raw.dividends``: ``session`` (as above), ``symbol``, ``ex_date``, ``amount_usd``.
    previous
        ``session``, ``symbol``, ``close`` and ``adjustment_factor`` of the last stored bar of each symbol; no row for a
        symbol that has none.

    Raises
    ------
    ValueError
        When a bar is not after the last stored one, or a key or a stored factor is missing or repeated.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2014, 6, day) for day in (5, 6, 9)]
    >>> bars = pl.DataFrame({"session": days, "symbol": "AAPL", "close": [647.35, 645.57, 93.70]})
    >>> known = {"session": [None], "symbol": ["AAPL"], "ex_date": [days[2]]}
    >>> none = bars.clear().with_columns(adjustment_factor=pl.lit(None, dtype=pl.Float64))
    >>> splits = pl.DataFrame(known | {"ratio": [7.0]})
    >>> dividends = pl.DataFrame(known | {"amount_usd": [0.5]}).clear()
    >>> adjustment_factors(bars, splits, dividends, none).bars["adjustment_factor"].to_list()
    [1.0, 1.0, 7.0]
    """
    line = _line(bars, previous)
    events = _events(splits, dividends, line)
    late = events.filter(pl.col("known") > pl.col("bar_session")).with_columns(
        reason=pl.format("became known in the session {}, after the first bar from its ex-date on", "known"),
        bar_session=pl.col("known_at_bar"),
    )
    # An action that becomes known after the last bar is the business of the night that has the next one.
    late = late.drop_nulls("bar_session")
    on_time = events.filter(pl.col("known").is_null() | (pl.col("known") <= pl.col("bar_session")), ~pl.col("is_first"))
    steps, wrong = _steps(_latest_known(on_time))
    factors = line.join(steps, left_on=["symbol", "session"], right_on=_BAR, how="left", maintain_order="left").select(
        "session", "symbol", "is_stored", adjustment_factor=_running_product()
    )
    adjusted = (
        bars.drop("adjustment_factor", strict=False)
        .join(factors.filter(~pl.col("is_stored")).drop("is_stored"), on=["session", "symbol"], how="left")
        .sort("symbol", "session")
    )
    columns = bars.columns if "adjustment_factor" in bars.columns else [*bars.columns, "adjustment_factor"]
    not_applied = pl.concat([_reported(late), _reported(wrong)]).unique().sort(list(NOT_APPLIED_SCHEMA))
    return AdjustedBars(adjusted.select(columns), not_applied)


def with_stored_factors(bars: pl.DataFrame, stored: pl.DataFrame, followed: pl.Series) -> AdjustedBars:
    """Return bars that are made again, with the factors of before where later bars rest on them.

    The bars after them rest on the factor that was stored: another one here would show a move that never was. Such a
    symbol keeps its stored factors, and the sessions that would have changed are told.

    Parameters
    ----------
    bars
        Bars with their new factor (:func:`adjustment_factors`).
    stored
        ``session``, ``symbol`` and ``adjustment_factor`` of the same sessions as stored before.
    followed
        Symbols that have stored bars after the last of these sessions.

    Returns
    -------
    AdjustedBars
        ``not_applied`` has one row per symbol, of the kind "factor" and the first session that differs.

    Examples
    --------
    >>> import datetime as dt
    >>> key = {"session": [dt.date(2014, 6, 9)], "symbol": ["AAPL"]}
    >>> again = pl.DataFrame(key | {"adjustment_factor": [7.0]})
    >>> before = pl.DataFrame(key | {"adjustment_factor": [1.0]})
    >>> kept, told = with_stored_factors(again, before, pl.Series(["AAPL"]))
    >>> kept["adjustment_factor"].to_list(), told["kind"].to_list()
    ([1.0], ['factor'])
    """
    known = stored.select("session", "symbol", stored_factor="adjustment_factor")
    beside = bars.join(known, on=["session", "symbol"], how="left", maintain_order="left")
    differs = pl.col("stored_factor").is_not_null() & (pl.col("stored_factor") != pl.col("adjustment_factor"))
    torn = beside.filter(pl.col("symbol").is_in(followed.implode())).filter(differs)
    must_stay = pl.col("symbol").is_in(torn["symbol"].unique().implode()) & pl.col("stored_factor").is_not_null()
    factor = pl.when(must_stay).then("stored_factor").otherwise("adjustment_factor")
    told = (
        torn.group_by("symbol")
        .agg(pl.col("session").min())
        .with_columns(
            ex_date="session",
            kind=pl.lit("factor"),
            reason=pl.format("bars after it rest on the stored one; make every session from {} on again", "session"),
        )
        .select(list(NOT_APPLIED_SCHEMA))
        .cast(pl.Schema(NOT_APPLIED_SCHEMA))
    )
    return AdjustedBars(
        beside.with_columns(adjustment_factor=factor).select(bars.columns), told.sort(list(NOT_APPLIED_SCHEMA))
    )


def as_traded(bars: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Return bars as traded from a vendor's bars whose prices are divided by all later splits.

    Prices are multiplied and volumes divided by the ratios of the splits with an ex-date after the bar. Nothing is
    rounded: the vendor's own rounding stays.

    Parameters
    ----------
    bars
        ``session``, ``symbol`` and any of ``open``, ``high``, ``low``, ``close`` ($) and ``volume`` (shares).
    splits
        The vendor's whole list up to the moment of the answer: ``symbol``, ``ex_date``, ``ratio``. It says what the
        vendor did, so it does not matter when a split became known.

    Raises
    ------
    ValueError
        When a ratio is not a positive number, or a split is listed twice.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2014, 6, 6), dt.date(2014, 6, 9)]
    >>> bars = pl.DataFrame({"session": days, "symbol": "AAPL", "close": [92.25, 93.75], "volume": [700.0, 100.0]})
    >>> splits = pl.DataFrame({"symbol": ["AAPL"], "ex_date": [days[1]], "ratio": [7.0]})
    >>> as_traded(bars, splits).select("close", "volume").rows()
    [(645.75, 100.0), (93.75, 100.0)]
    """
    wrong = splits.filter(~_is_positive("ratio").fill_null(False))
    if wrong.height:
        raise ValueError(f"expected split ratios above 0, found {wrong.row(0, named=True)}: correct the list of splits")
    if splits.select("symbol", "ex_date").is_duplicated().any():
        raise ValueError("expected one split per symbol and ex_date, found a repeated one: remove it from the list")
    later = (
        splits.sort("ex_date", "symbol")
        .select("symbol", "ex_date", later=pl.col("ratio").cum_prod(reverse=True).over("symbol"))
        .cast({"ex_date": pl.Date})
    )
    by = pl.col("later").fill_null(1.0)
    prices = [name for name in ("open", "high", "low", "close") if name in bars.columns]
    volumes = [name for name in ("volume",) if name in bars.columns]
    return (
        bars.with_row_index("position")
        .sort("session", "symbol")
        .join_asof(
            later,
            left_on="session",
            right_on="ex_date",
            by="symbol",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .with_columns(*(pl.col(name) * by for name in prices), *(pl.col(name) / by for name in volumes))
        .sort("position")
        .select(bars.columns)
    )


def _line(bars: pl.DataFrame, previous: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of every symbol in order, each after the last stored one."""
    stored = previous.select("symbol", "session", "close", "adjustment_factor", is_stored=pl.lit(True))
    stored = stored.join(bars.select("symbol").unique(), on="symbol", how="semi")
    new = bars.select(
        "symbol", "session", "close", adjustment_factor=pl.lit(None, dtype=pl.Float64), is_stored=pl.lit(False)
    )
    line = pl.concat([stored, new], how="vertical_relaxed").sort("symbol", "session", "is_stored")
    keys = line.select("symbol", "session")
    if keys.is_duplicated().any() or keys.null_count().sum_horizontal().item():
        raise ValueError(
            "expected one bar per symbol and session, all after the last stored one, found a missing or repeated key"
        )
    first = pl.col("session") == pl.col("session").min().over("symbol")
    if (misplaced := line.filter("is_stored", ~first)).height:
        row = misplaced.row(0, named=True)
        raise ValueError(
            f"expected bars of {row['symbol']} after {row['session']}, its last stored bar, found earlier ones or two "
            "stored bars: pass only new bars and one stored bar per symbol"
        )
    if (unknown := stored.filter(~_is_positive("adjustment_factor").fill_null(False))).height:
        row = unknown.row(0, named=True)
        raise ValueError(
            f"expected a positive adjustment_factor of the stored bar of {row['symbol']} at {row['session']}, found "
            f"{row['adjustment_factor']}: rebuild the stored bars"
        )
    return line.with_columns(close_before=pl.col("close").shift(1).over("symbol"), is_first=first)


def _running_product() -> pl.Expr:
    anchor = pl.col("adjustment_factor").fill_null(1.0)
    step = pl.when("is_first").then(anchor).otherwise(pl.col("step").fill_null(1.0))
    return step.cum_prod().over("symbol")


def _events(splits: pl.DataFrame, dividends: pl.DataFrame, line: pl.DataFrame) -> pl.DataFrame:
    """Return every action with the bar that it belongs to and the bar at which it was known."""
    known = pl.col("session").cast(pl.Date).alias("known")
    events = pl.concat(
        [
            splits.select("symbol", "ex_date", known, kind=pl.lit("split"), value=pl.col("ratio").cast(pl.Float64)),
            dividends.select(
                "symbol", "ex_date", known, kind=pl.lit("dividend"), value=pl.col("amount_usd").cast(pl.Float64)
            ),
        ]
    ).cast({"ex_date": pl.Date})
    days = line.select("symbol", "close_before", "is_first", bar_session="session").sort("bar_session", "symbol")
    known_days = days.select("symbol", known_at_bar="bar_session")
    return (
        events.sort("ex_date", "symbol")
        .join_asof(
            days, left_on="ex_date", right_on="bar_session", by="symbol", strategy="forward",
            coalesce=False, check_sortedness=False,
        )
        .drop_nulls("bar_session")
        .sort("known", "symbol", nulls_last=False)
        .join_asof(
            known_days, left_on="known", right_on="known_at_bar", by="symbol", strategy="forward",
            coalesce=False, check_sortedness=False,
        )
    )  # fmt: skip


def _latest_known(events: pl.DataFrame) -> pl.DataFrame:
    """Return the announcements that count: of each ex-date the one known last."""
    since = pl.col("known").fill_null(pl.date(1, 1, 1))
    return events.filter(since == since.max().over(_EVENT))


def _steps(events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the step of the factor per bar, and the actions that cannot be applied."""
    valid = _is_positive("value") | ((pl.col("kind") == "dividend") & (pl.col("value") == 0))
    checked = events.with_columns(
        reason=pl.when(valid.fill_null(False).not_() & (pl.col("kind") == "split"))
        .then(pl.format("expected a ratio above 0, found {}", pl.col("value").cast(pl.String).fill_null("none")))
        .when(valid.fill_null(False).not_())
        .then(
            pl.format("expected an amount of 0 $ or more, found {}", pl.col("value").cast(pl.String).fill_null("none"))
        )
        .when((pl.col("kind") == "split") & (pl.col("value").n_unique().over(_EVENT) > 1))
        .then(pl.lit("one announcement gives several ratios"))
    )
    good = checked.filter(pl.col("reason").is_null())
    ratios = (
        good.filter(pl.col("kind") == "split")
        .unique([*_BAR, "ex_date"], keep="first", maintain_order=True)
        .sort("ex_date", "symbol")
        .select(*_BAR, "ex_date", shares=pl.col("value").cum_prod().over(_BAR))
    )
    close = pl.col("close_before").cast(pl.String).fill_null("unknown")
    too_large = pl.format(
        "expected dividends below the close before ({} $), found {} $ for a share then", close, "whole"
    )
    cash = (
        good.filter(pl.col("kind") == "dividend")
        .sort("ex_date", "symbol", "value")
        .join_asof(ratios, on="ex_date", by=_BAR, strategy="backward", check_sortedness=False)
        .with_columns(earned=pl.col("value") * pl.col("shares").fill_null(1.0))
        .with_columns(whole=pl.col("earned").cum_sum().over(_BAR).last().over(_BAR))
        .with_columns(
            reason=pl.when((pl.col("close_before") > pl.col("whole")).fill_null(False).not_()).then(too_large)
        )
    )
    paid = cash.filter(pl.col("reason").is_null()).group_by(_BAR).agg(pl.col("whole", "close_before").first())
    split = ratios.group_by(_BAR, maintain_order=True).agg(pl.col("shares").last())
    steps = split.join(paid, on=_BAR, how="full", coalesce=True).select(
        *_BAR,
        step=pl.col("shares").fill_null(1.0) / (1.0 - (pl.col("whole") / pl.col("close_before")).fill_null(0.0)),
    )
    wrong = [frame.drop_nulls("reason").select(*_BAR, "ex_date", "kind", "reason") for frame in (checked, cash)]
    return steps, pl.concat(wrong)


def _is_positive(name: str) -> pl.Expr:
    return pl.col(name).is_finite() & (pl.col(name) > 0)


def _reported(events: pl.DataFrame) -> pl.DataFrame:
    return events.select(pl.col("bar_session").alias("session"), *_EVENT, "reason").cast(pl.Schema(NOT_APPLIED_SCHEMA))
