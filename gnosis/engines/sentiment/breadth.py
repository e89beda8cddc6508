"""Market-wide measures behind the technical regime: breadth of the universe, state of the index, rotation of sectors.

They belong to a session and a knowledge cut-off, not to a symbol, and are made once for all symbols.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from gnosis.engines.input_origin import market_origin
from gnosis.engines.points import Floats, Integers, Points
from gnosis.engines.regimes import RiskRegime
from gnosis.engines.sentiment.market_panels import ORIGIN_SCHEMA, Bools, CutOffs, Versions, members, rows_at, views
from gnosis.options.origin import require_table

INDEX_SYMBOL = "^GSPC"
CYCLICAL = ("XLB", "XLI", "XLK", "XLY")
DEFENSIVE = ("XLP", "XLU", "XLV")
FEWEST_MEMBERS = 10
INDEX_MAX_AGE = 2
"""Sessions by which the latest known level of the index may lag."""

COLUMNS = (
    "sent_advance_decline_ratio",
    "sent_pct_above_ma",
    "sent_breadth_thrust",
    "sent_breadth_divergence",
    "sent_risk_regime",
    "sent_rotation_score",
)
BREADTH_SCHEMA: dict[str, pl.DataType] = {
    "session": pl.Date(),
    "as_of": pl.Datetime("us", "UTC"),
    **dict.fromkeys(COLUMNS, pl.Float64()),
    **ORIGIN_SCHEMA,
}
"""Flags are 0 and 1, the regime is the position of its label, null where unknown."""

LOOKBACK = 123
"""Sessions that the measures look back on, the current one included."""


def universe_breadth(
    cut_offs: pl.DataFrame,
    bars: pl.DataFrame,
    index_levels: pl.DataFrame | None = None,
    membership: pl.DataFrame | None = None,
    *,
    cyclical: Sequence[str] = CYCLICAL,
    defensive: Sequence[str] = DEFENSIVE,
    index_symbol: str = INDEX_SYMBOL,
    fewest_members: int = FEWEST_MEMBERS,
) -> pl.DataFrame:
    """Return the market-wide measures of every session and knowledge cut-off.

    Parameters
    ----------
    cut_offs
        ``session`` and ``as_of``; pairs that come twice count once. The frame of ``Points`` will do.
    bars
        Rows of ``raw.equity_bars`` of the universe and of the sector funds, at least ``LOOKBACK`` sessions up to each
        cut-off; of several versions the one known last counts.
    index_levels
        Rows of ``raw.index_levels``. The latest level counts that was known at the cut-off, at most two sessions old.
    membership
        Dated members, see ``MEMBERSHIP_SCHEMA`` of :mod:`gnosis.engines.sentiment.market_panels`. None: every symbol of
        the bars that is not one of the sector funds.
    cyclical, defensive
        Sector funds whose ratio is the rotation.
    index_symbol
        Symbol of the broad index.
    fewest_members
        Members of a session below which breadth is unknown.

    Returns
    -------
    polars.DataFrame
        ``session``, ``as_of``, :data:`COLUMNS` and the origin of the bars and levels behind them, sorted by session and
        cut-off.

    Raises
    ------
    ValueError
        When a frame lacks a column or has it in another dtype.
    UnknownSessionError
        When a date is not a session of the exchange.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> universe_breadth(pl.DataFrame(schema=BREADTH_SCHEMA), TABLES["raw.equity_bars"].empty()).height
    0
    """
    require_table(bars, "raw.equity_bars")
    if cut_offs.is_empty():
        return pl.DataFrame(schema=BREADTH_SCHEMA)
    pairs = CutOffs(cut_offs, LOOKBACK)
    funds = (*cyclical, *defensive)
    symbols = bars["symbol"].unique().sort().to_list()
    adjusted = {"close": pl.col("close") * pl.col("adjustment_factor")}
    closes = Versions(pairs, bars, adjusted, "raw.equity_bars", symbols)
    if index_levels is not None:
        require_table(index_levels, "raw.index_levels")
        index_levels = index_levels.filter(pl.col("symbol") == index_symbol)
    levels = Versions(pairs, index_levels, {"close": pl.col("close")}, "raw.index_levels")
    is_member = members(pairs, membership, symbols, funds)
    place = {symbol: row for row, symbol in enumerate(symbols)}
    out = np.full((len(COLUMNS), pairs.frame.height), np.nan)
    for at, (bar, index) in views(pairs, closes, levels):
        column, panel = pairs.column[at], bar["close"]
        out[:3, at], above = _breadth(panel, is_member, column, fewest_members)
        out[3:5, at] = _index_state(index["close"][0], above, column)
        if all(fund in place for fund in funds):
            baskets = ([place[fund] for fund in cyclical], [place[fund] for fund in defensive])
            out[5, at] = rotation_score(panel[baskets[0]], panel[baskets[1]])[column]
    known = ~np.isnan(out)
    counts = {symbols[row] for row in np.flatnonzero(is_member.max(axis=1))} | set(funds)
    provider, synthetic = market_origin(
        pairs.frame,
        [
            (bars.filter(pl.col("symbol").is_in(sorted(counts))), LOOKBACK, known[[0, 1, 2, 3, 5]].any(axis=0)),
            (index_levels, LOOKBACK, known[3:5].any(axis=0)),
        ],
    )
    measures = [pl.Series(name, values, nan_to_null=True) for name, values in zip(COLUMNS, out, strict=True)]
    return pairs.frame.with_columns(*measures, provider=provider, synthetic=pl.Series(synthetic))


def breadth_at(points: Points, breadth: pl.DataFrame) -> dict[str, Floats]:
    """Return the market-wide measures at every point, NaN where there is no row of its session.

    Of several rows of the session the latest counts whose cut-off is not after that of the point.

    Raises
    ------
    ValueError
        When a column of ``BREADTH_SCHEMA`` is missing or of another dtype.
    """
    return rows_at(points, breadth, BREADTH_SCHEMA, "breadth")


def rotation_score(cyclical: Floats, defensive: Floats) -> Floats:
    """Return tanh of the mean of two z-scores over 60 sessions: of q and of its change over 10 sessions.

    q = ln(mean normalised price of cyclical funds / the same of defensive funds), prices normalised by the first of
    the 71 sessions up to each.

    Parameters
    ----------
    cyclical, defensive
        Adjusted closes, shape (funds, sessions), NaN where missing.

    Returns
    -------
    numpy.ndarray
        Shape (sessions,), in [-1, 1]; NaN without 71 closes of every fund.

    Examples
    --------
    >>> day = np.arange(80.0)
    >>> rotation_score(np.exp([1e-3 * day**1.5]), np.ones((1, 80)))[[69, 79]].round(6).tolist()
    [nan, 0.939635]
    """
    out = np.full(cyclical.shape[1], np.nan)
    if out.size < 71:
        return out
    means = []
    for basket in (cyclical, defensive):
        windows = sliding_window_view(np.ascontiguousarray(basket), 71, axis=1)
        total = np.zeros(windows.shape[1:])
        for fund in windows:
            total = total + fund / fund[:, :1]
        means.append(total / len(basket))
    q = np.log(means[0] / means[1])
    change = q[:, 10:] - q[:, :-10]
    out[70:] = np.tanh((_last_z(q[:, 10:]) + _last_z(change)) / 2)
    return out


def _last_z(windows: Floats) -> Floats:
    """Return the last value of each row against the ones before it."""
    sample = np.ascontiguousarray(windows[:, :-1])
    mean = sample.mean(axis=1)
    sd = np.sqrt(((sample - mean[:, None]) ** 2).sum(axis=1) / (sample.shape[1] - 1))
    return (windows[:, -1] - mean) / np.where(sd > 1e-14 * np.abs(mean), sd, np.nan)


def _breadth(panel: Floats, is_member: Bools, column: Integers, fewest: int) -> tuple[Floats, Floats]:
    """Return features 97 to 99 at the columns, and the share above the mean of every session."""
    from gnosis.engines.indicators import ema, rolling_mean

    change = np.full_like(panel, np.nan)
    change[:, 1:] = panel[:, 1:] - panel[:, :-1]
    there = is_member & ~np.isnan(change)
    up, down = ((there & side).sum(axis=0) for side in (change > 0.0, change < 0.0))
    known = (there.sum(axis=0) >= fewest) & (up + down > 0)
    advancing = np.where(known, up / np.maximum(up + down, 1), np.nan)

    mean = rolling_mean(panel, 50)
    there = is_member & ~np.isnan(mean)
    counted = there.sum(axis=0)
    above = np.where(counted >= fewest, (there & (panel > mean)).sum(axis=0) / np.maximum(counted, 1), np.nan)

    smooth = ema(advancing[None, :], 10)[0]
    before = np.full((smooth.size, 10), np.nan)
    for lag in range(1, min(11, smooth.size)):
        before[lag:, lag - 1] = smooth[:-lag]
    thrust = np.where(
        np.isnan(smooth) | np.isnan(before).any(axis=1), np.nan, (smooth > 0.615) & (before < 0.40).any(axis=1)
    )
    return np.stack([advancing[column], above[column], thrust[column]]), above


def _index_state(level: Floats, above: Floats, column: Integers) -> Floats:
    """Return the divergence of breadth and the position of the risk regime at the columns."""
    from gnosis.engines.indicators import rolling_sd

    log_level = np.log(level)
    returns = np.full_like(log_level, np.nan)
    returns[1:] = np.diff(log_level)
    sd = {n: rolling_sd(returns[None, :], n)[0] for n in (20, 60, 120)}
    last = np.full(column.size, -1)
    for age in range(INDEX_MAX_AGE, -1, -1):
        at = column - age
        last = np.where((at >= 0) & ~np.isnan(level[np.maximum(at, 0)]), at, last)
    place, start = np.maximum(last, 0), np.maximum(last - 20, 0)
    month = np.where(last >= 20, log_level[place] - log_level[start], np.nan)
    sd20, sd60, sd120 = (np.where(last >= 0, sd[n][place], np.nan) for n in (20, 60, 120))

    earlier = np.maximum(column - 20, 0)
    change = np.where(column >= 20, above[column] - above[earlier], np.nan)
    edge = 0.5 * sd60 * np.sqrt(20.0)
    divergence = np.where((month > edge) & (change < -0.10), -1.0, 0.0) + ((month < -edge) & (change > 0.10))
    divergence[np.isnan(month + edge + change)] = np.nan

    ratio = sd20 / np.where(sd120 > 0.0, sd120, np.nan)
    labels = list(RiskRegime)
    risk = np.full(column.size, float(labels.index(RiskRegime.NEUTRAL)))
    risk[(month > 0.0) & (ratio < 1.2)] = labels.index(RiskRegime.RISK_ON)
    risk[(month < 0.0) & (ratio > 1.3)] = labels.index(RiskRegime.RISK_OFF)
    risk[np.isnan(month + ratio)] = np.nan
    return np.stack([divergence, risk])
