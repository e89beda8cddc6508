"""Regime features: the state of the market (VIX, S&P 500) and the way the symbol itself trades."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import numpy as np
import polars as pl

from gnosis.features.group_rows import library_features
from gnosis.features.panel import Rows, joined_providers, microseconds, origin_columns, read_panel, session_positions
from gnosis.features.registry import BY_NAME, lookback_of
from gnosis.sessions import NEW_YORK, schedule
from gnosis.tables import TABLES

VIX, SPX = "^VIX", "^GSPC"
STALE_AFTER = 3
VIX_CUTS = (15.0, 20.0, 30.0)
SMA_SESSIONS = 200
VOL_RETURNS = 20
VOL_HISTORY, VOL_FEWEST = 504, 126
VOL_LOWER, VOL_UPPER = 0.33, 0.67
TREND_ABOVE, CHOP_BELOW = 25.0, 20.0
VOLUME_WINDOW, VOLUME_FEWEST = 20, 10
VOLUME_HIGH, VOLUME_LOW = 1.2, 0.8
# Bars: the ADX window. Index levels: two years of volatilities and the staleness limit.
BAR_SESSIONS = BY_NAME["regime_market_structure"].lookback_sessions
PRE_FROM, AFTER_UNTIL = dt.time(4, 0), dt.time(20, 0)


def regime(bars: pl.DataFrame, index_levels: pl.DataFrame, sessions: Collection[dt.date] | None = None) -> pl.DataFrame:
    """Compute the regime features of every bar, or of those of some sessions.

    The state of the market is that of the latest VIX and S&P 500 close that is about the bar's session or one of the
    two before it and was known at the bar's ``known_at``; an older one is not used. A level that became known after the
    bar is used from the next bar on.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of any symbols and sessions, in any order; 281 sessions give every value.
    index_levels
        Rows of ``raw.index_levels``; read are ^VIX and ^GSPC. ``lookback_of("regime")`` sessions give every value.
    sessions
        Sessions whose rows are wanted; all of the bars by default.

    Returns
    -------
    polars.DataFrame
        Rows of ``features.regime``, one per bar, sorted by session and symbol. ``synthetic`` and ``provider`` speak of
        all bars and index levels within the lookback.

    Raises
    ------
    ValueError
        When a column is missing, a bar or level occurs twice or a session is not one of the exchange.

    Examples
    --------
    >>> origin = {"provider": pl.lit("example"), "synthetic": pl.lit(True), "known_at": "close_at", "ts": "close_at"}
    >>> bars = schedule().head(1).select(
    ...     "session", symbol=pl.lit("SPY"), high=pl.lit(36.0), low=pl.lit(34.0), close=pl.lit(35.0),
    ...     volume=pl.lit(1e6), adjustment_factor=pl.lit(1.0), **origin,
    ... )
    >>> levels = schedule().head(1).select("session", symbol=pl.lit("^VIX"), close=pl.lit(17.24), **origin)
    >>> row = regime(bars, levels).row(0, named=True)
    >>> row["regime_vix"], row["regime_vix_bucket"], row["regime_session"], row["regime_market_structure"]
    (17.24, 1, 1, None)
    """
    from gnosis.engines import indicators_kernel as kernel

    panel = read_panel(bars, BAR_SESSIONS, sessions)
    _, _, _, plus, minus = kernel.moves(panel.high, panel.low, panel.close)
    structure = market_structure(panel, kernel.adx(plus, minus))
    own = panel.keys.with_columns(
        labels("regime_market_structure", structure),
        labels("regime_liquidity_time", liquidity_of_session(panel)),
        known_at="as_of",
    )
    own = panel.wanted(own)
    if own.is_empty():
        return TABLES["features.regime"].empty()
    moments = own.select("session", "as_of").unique().sort("session", "as_of")
    frame = own.with_columns(trading_period(own["ts"])).join(
        market_state(moments, index_levels), on=["session", "as_of"], how="left", maintain_order="left"
    )
    frame = frame.with_columns(
        joined_providers(frame.select("provider", "index_provider")), pl.col("synthetic") | pl.col("index_synthetic")
    )
    return library_features("regime", frame)


def market_state(moments: pl.DataFrame, index_levels: pl.DataFrame) -> pl.DataFrame:
    """Compute the features that are the same for all symbols, for every distinct session and cut-off.

    Parameters
    ----------
    moments
        ``session`` (date), ``as_of`` (UTC).
    index_levels
        As in :func:`regime`.

    Returns
    -------
    polars.DataFrame
        ``moments`` with the VIX and S&P 500 features, ``index_provider`` and ``index_synthetic``.
    """
    from gnosis.features import index_levels as idx

    window = lookback_of("regime")
    position = session_positions(moments["session"], "raw.equity_bars")
    as_of = microseconds(moments["as_of"])
    first, last = int(position.min()) - window + 1, int(position.max())
    layouts, names = idx.read_index_levels(index_levels, (VIX, SPX), first, last)
    rank = position - first

    vix = layouts[VIX]
    at = idx.latest_known(vix.known_at, rank, as_of, STALE_AFTER)
    level = np.where(at >= 0, vix.close[at], np.nan)
    has_previous = (at >= 1) & (vix.known_at[at - 1] <= as_of)
    change = np.where(has_previous, level / vix.close[at - 1] - 1.0, np.nan)

    spx = layouts[SPX]
    at = idx.latest_known(spx.known_at, rank, as_of, STALE_AFTER)
    vol = idx.realized_vol(spx.close, VOL_RETURNS)
    vol_known = idx.known_of_all(spx.known_at, VOL_RETURNS + 1)
    gap_known = idx.known_of_all(spx.known_at, SMA_SESSIONS)
    gap = np.where((at >= 0) & (gap_known[at] <= as_of), idx.gap_to_mean(spx.close, SMA_SESSIONS)[at], np.nan)
    own_vol = np.where((at >= 0) & (vol_known[at] <= as_of), vol[at], np.nan)
    bucket = idx.bucket_in_history(vol, vol_known, at, as_of, VOL_HISTORY, VOL_FEWEST, VOL_LOWER, VOL_UPPER)

    origins = idx.origins_known(vix.origin, vix.known_at, rank, as_of, window) | idx.origins_known(
        spx.origin, spx.known_at, rank, as_of, window
    )
    provider, synthetic = origin_columns(origins, names)
    vix_bucket = np.where(np.isnan(level), -1, np.searchsorted(VIX_CUTS, level, side="right"))
    return moments.with_columns(
        pl.Series("regime_vix", level).fill_nan(None),
        labels("regime_vix_bucket", vix_bucket),
        pl.Series("regime_vix_change", change).fill_nan(None),
        pl.Series("regime_spx_price_gap", gap).fill_nan(None),
        pl.Series("regime_spx_realized_vol", own_vol).fill_nan(None),
        labels("regime_spx_vol_bucket", bucket),
        provider.alias("index_provider"),
        synthetic.alias("index_synthetic"),
    )


def trading_period(ends: pl.Series) -> pl.Series:
    """Name the part of the trading day that each instant ends.

    Parameters
    ----------
    ends
        Ends of bars (UTC).

    Returns
    -------
    polars.Series
        ``regime_session``: pre (04:00, open], regular (open, close], after (close, 20:00], closed otherwise, in New
        York time, with the open and close of the exchange calendar.

    Examples
    --------
    The day after Thanksgiving closes at 13:00 New York time.

    >>> day = dt.datetime(2012, 11, 23, tzinfo=NEW_YORK)
    >>> ends = pl.Series([day.replace(hour=hour) for hour in (9, 13, 14, 21)]).dt.convert_time_zone("UTC")
    >>> trading_period(ends).to_list()
    ['pre', 'regular', 'after', 'closed']
    """
    local = pl.col("ts").dt.convert_time_zone(NEW_YORK.key)
    days = ends.alias("ts").to_frame().with_columns(session=local.dt.date(), clock=local.dt.time())
    known = days.join(schedule(), on="session", how="left", maintain_order="left")
    period = (
        pl.when(pl.col("open_at").is_null())
        .then(pl.lit("closed"))
        .when((pl.col("ts") > pl.col("open_at")) & (pl.col("ts") <= pl.col("close_at")))
        .then(pl.lit("regular"))
        .when((pl.col("clock") > PRE_FROM) & (pl.col("ts") <= pl.col("open_at")))
        .then(pl.lit("pre"))
        .when((pl.col("clock") <= AFTER_UNTIL) & (pl.col("ts") > pl.col("close_at")))
        .then(pl.lit("after"))
        .otherwise(pl.lit("closed"))
    )
    categories = pl.Enum(BY_NAME["regime_session"].categories)
    return known.select(period.cast(categories).alias("regime_session")).to_series()


def market_structure(panel: Rows, strength: np.ndarray) -> np.ndarray:
    """Return the code of ``regime_market_structure`` of every bar from its ADX; -1 is unknown."""
    from gnosis.engines.rolling_kernel import SUM, rolling

    # SMA50_t - SMA50_{t-10} has the sign of the ten closes that entered less the ten that left.
    ten = rolling(panel.close, 10, SUM)
    slope = np.full(len(ten), np.nan)
    slope[50:] = ten[50:] - ten[:-50]
    uptrend, downtrend, chop, rotation = range(4)
    code = np.full(len(strength), rotation)
    code[strength < CHOP_BELOW] = chop
    code[(strength > TREND_ABOVE) & (slope > 0.0)] = uptrend
    code[(strength > TREND_ABOVE) & (slope < 0.0)] = downtrend
    code[(panel.run < BAR_SESSIONS) | np.isnan(strength)] = -1
    return code


def liquidity_of_session(panel: Rows) -> np.ndarray:
    """Return the code of ``regime_liquidity_time`` of every bar, by its volume; -1 is unknown."""
    from gnosis.features.indicators import ratio_to_usual

    ratio = ratio_to_usual(panel.symbol, panel.position, panel.known_at, panel.volume, VOLUME_WINDOW, VOLUME_FEWEST)
    high, normal, low = range(3)
    code = np.where(ratio > VOLUME_HIGH, high, np.where(ratio < VOLUME_LOW, low, normal))
    return np.where(np.isnan(ratio), -1, code)


def labels(name: str, codes: np.ndarray) -> pl.Series:
    """Return integer codes as the category of the feature ``name``; negative codes are null.

    Examples
    --------
    >>> labels("regime_vix_bucket", np.array([0, 3, -1])).to_list()
    ['low', 'crisis', None]
    """
    categories = BY_NAME[name].categories
    named = pl.Series(name, categories, dtype=pl.Enum(categories))
    known = pl.Series(codes >= 0)
    return named.gather(np.maximum(codes, 0)).to_frame().select(pl.when(known).then(pl.col(name))).to_series()


__all__ = ["liquidity_of_session", "market_state", "market_structure", "regime", "trading_period"]
