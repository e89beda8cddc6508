"""Macro features: the state of the economy as it was known, vintage by vintage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import polars.selectors as cs

from gnosis.features.group_rows import library_features
from gnosis.features.panel import joined_providers, require_columns, session_positions
from gnosis.features.registry import BY_NAME, features_of
from gnosis.sessions import schedule

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection


def macro(
    bars_keys: pl.DataFrame, observations: pl.DataFrame, sessions: Collection[dt.date] | None = None
) -> pl.DataFrame:
    """Compute the macro features of every given symbol and session.

    An observation counts once it was published: at or before both ``as_of`` and the close of the row's session. Of a
    value that was revised, the version known then is used. A reference date before the ``lookback_sessions`` sessions
    that end with the row's own is stale and gives null, as does a month or quarter that was never published.

    Parameters
    ----------
    bars_keys
        ``session`` (date), ``symbol`` (text), ``as_of`` (UTC): one row per bar, ``as_of`` being its ``known_at``.
    observations
        Rows of ``raw.macro``; ``lookback_of("macro")`` sessions give every value.
    sessions
        Sessions whose rows are wanted; all of the keys by default.

    Returns
    -------
    polars.DataFrame
        Rows of ``features.macro``, one per key, sorted by session and symbol. ``synthetic`` and ``provider`` speak of
        the observations that were used; the provider is ``none`` when there were none.

    Raises
    ------
    ValueError
        When a column is missing, a version occurs twice or a session is not one of the exchange.

    Examples
    --------
    >>> import datetime as dt
    >>> published = dt.datetime(2013, 1, 3, 13, tzinfo=dt.UTC)
    >>> keys = schedule().filter(pl.col("session").is_between(dt.date(2013, 1, 2), dt.date(2013, 1, 3))).select(
    ...     "session", symbol=pl.lit("SPY"), as_of="close_at")
    >>> observation = pl.DataFrame({
    ...     "session": [published.date()], "series_id": ["DFF"], "ref_date": [dt.date(2013, 1, 2)],
    ...     "known_at": pl.Series([published], dtype=pl.Datetime("us", "UTC")), "value": [0.17],
    ...     "provider": ["fred"], "synthetic": [False],
    ... })
    >>> macro(keys, observation)["macro_fed_funds_rate"].to_list()
    [None, 0.17]
    """
    require_columns(bars_keys, "the keys of bars", ["session", "symbol", "as_of"])
    if sessions is not None:
        bars_keys = bars_keys.filter(pl.col("session").is_in(list(sessions)))
    columns = ["series_id", "ref_date", "known_at", "value", "provider", "synthetic"]
    require_columns(observations, "raw.macro", columns)
    versions = observations.select(columns).sort("series_id", "known_at", "ref_date")
    repeated = versions.filter(pl.struct("series_id", "ref_date", "known_at").is_duplicated())
    if not repeated.is_empty():
        first = repeated.row(0, named=True)
        raise ValueError(
            "expected one row of raw.macro per series, reference date and publication, found two for "
            f"{first['series_id']} of {first['ref_date']} published at {first['known_at']}"
        )
    moments = _moments(bars_keys)
    for feature in features_of("macro"):
        moments = moments.hstack(_feature(moments, versions, feature.name))
    is_synthetic = pl.any_horizontal(cs.ends_with("_synthetic").fill_null(value=False))
    moments = moments.with_columns(
        joined_providers(moments.select(cs.ends_with("_provider"))), synthetic=is_synthetic, known_at="as_of"
    )
    frame = bars_keys.select("session", "symbol", "as_of").join(
        moments, on=["session", "as_of"], how="left", maintain_order="left"
    )
    return library_features("macro", frame)


def _moments(keys: pl.DataFrame) -> pl.DataFrame:
    """Return distinct sessions and cut-offs with ``cut``, the moment up to which a publication counts, sorted by it."""
    moments = keys.select("session", "as_of").unique()
    sessions = schedule().select("session", "close_at").with_row_index("rank")
    session_positions(moments["session"], "the keys of bars")
    return (
        moments.join(sessions, on="session", how="left")
        .with_columns(pl.col("rank").cast(pl.Int64), cut=pl.min_horizontal("as_of", "close_at"))
        .drop("close_at")
        .sort("cut", "session", "as_of")
    )


def _feature(moments: pl.DataFrame, versions: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return one feature per moment with ``<name>_provider`` and ``<name>_synthetic`` of what it used."""
    feature = BY_NAME[name]
    reference = _latest_reference(moments, versions, feature.series)
    if name == "macro_inflation_rate":
        year_before = reference.dt.offset_by("-12mo")
        now = _version(moments, versions, feature.series[0], reference)
        base = _version(moments, versions, feature.series[0], year_before)
        oldest_used, terms = year_before, [now, base]
        value = 100.0 * (now["value"] / base["value"] - 1.0)
    elif name == "macro_yield_curve":
        long, short = (_version(moments, versions, series, reference) for series in feature.series)
        oldest_used, terms = reference, [long, short]
        value = long["value"] - short["value"]
    else:
        latest = _version(moments, versions, feature.series[0], reference)
        oldest_used, terms = reference, [latest]
        value = latest["value"]
    first_rank = (moments["rank"] - feature.lookback_sessions + 1).clip(lower_bound=0)
    is_used = (value.is_not_null() & (oldest_used >= schedule()["session"].gather(first_rank))).fill_null(value=False)
    columns = {name: value} | {
        f"{name}_{number}_{column}": term[column]
        for number, term in enumerate(terms)
        for column in ("provider", "synthetic")
    }
    return pl.DataFrame(columns).select(pl.when(is_used).then(pl.all()))


def _latest_reference(moments: pl.DataFrame, versions: pl.DataFrame, series: tuple[str, ...]) -> pl.Series:
    """Return, per moment, the latest reference date of which every one of the series had been published."""
    complete = (
        versions.filter(pl.col("series_id").is_in(list(series)))
        .group_by("ref_date", "series_id")
        .agg(pl.col("known_at").min())
        .group_by("ref_date")
        .agg(pl.col("known_at").max(), published=pl.len())
        .filter(pl.col("published") == len(series))
        .sort("known_at", "ref_date")
        .with_columns(pl.col("ref_date").cum_max())
        .unique("known_at", keep="last", maintain_order=True)
    )
    return moments.join_asof(complete, left_on="cut", right_on="known_at", check_sortedness=False)["ref_date"]


def _version(moments: pl.DataFrame, versions: pl.DataFrame, series: str, reference: pl.Series) -> pl.DataFrame:
    """Return, per moment, the version of the reference date's value that was the latest at that moment."""
    own = versions.filter(pl.col("series_id") == series)
    wanted = moments.select("cut", reference.alias("ref_date"))
    return wanted.join_asof(own, left_on="cut", right_on="known_at", by="ref_date", check_sortedness=False).select(
        "value", "provider", "synthetic"
    )


__all__ = ["macro"]
