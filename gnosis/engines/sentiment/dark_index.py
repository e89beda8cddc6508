"""Dark index and dealer gamma of the whole market, as published by a knowledge cut-off."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.engines.input_origin import market_origin
from gnosis.engines.points import Floats, Integers, Points
from gnosis.engines.sentiment.breadth import CYCLICAL, DEFENSIVE, FEWEST_MEMBERS
from gnosis.engines.sentiment.market_panels import ORIGIN_SCHEMA, Bools, CutOffs, Versions, members, rows_at, views
from gnosis.engines.trailing import YEAR, Series
from gnosis.options.origin import require_table

MAX_AGE = 4
"""Sessions by which the last published session may lag: it is one of the last five, the row's own included."""

LOOKBACK = YEAR + MAX_AGE + 1

DIX_SOURCES = ("dix", "short_volume")
GEX_SOURCES = ("dix", "index_chain")

DARK_INDEX_SCHEMA: dict[str, pl.DataType] = {
    "session": pl.Date(),
    "as_of": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("sent_dix", "sent_gex", "dix_source", "gex_source", "dix_age"), pl.Float64()),
    **ORIGIN_SCHEMA,
}
"""Sources are positions in ``DIX_SOURCES`` and ``GEX_SOURCES``; ``dix_age`` counts sessions since the one published
last in ``raw.dix``, null when it is too old."""


def dark_index(
    cut_offs: pl.DataFrame,
    dix: pl.DataFrame | None = None,
    short_volume: pl.DataFrame | None = None,
    bars: pl.DataFrame | None = None,
    index_gamma: pl.DataFrame | None = None,
    membership: pl.DataFrame | None = None,
    *,
    fewest_members: int = FEWEST_MEMBERS,
) -> pl.DataFrame:
    """Return the dark index and the scaled dealer gamma of every session and knowledge cut-off.

    The dark index is that of the last session published by the cut-off, among the last five; without one the
    dollar-weighted short share of the members' off-exchange volume, of the last such session. Gamma is divided by its
    own standard deviation over the 252 sessions before it, so that the vendor's unit cancels.

    Parameters
    ----------
    cut_offs
        ``session`` and ``as_of``; pairs that come twice count once. The frame of ``Points`` will do.
    dix
        Rows of ``raw.dix``; None: not collected.
    short_volume, bars
        Rows of ``raw.short_volume`` and ``raw.equity_bars`` of the members; None: not collected.
    index_gamma
        ``session``, ``known_at``, ``provider``, ``synthetic`` and ``gex``, the dealer gamma of the chain of an index
        fund, $ per 1 % move; it stands in where ``raw.dix`` says nothing. None: not collected.
    membership
        Dated members, see ``MEMBERSHIP_SCHEMA`` of :mod:`gnosis.engines.sentiment.market_panels`. None: every symbol
        with short volume that is not a sector fund.
    fewest_members
        Members with short volume below which their share is unknown.

    Returns
    -------
    polars.DataFrame
        As :data:`DARK_INDEX_SCHEMA`, sorted by session and cut-off.

    Raises
    ------
    ValueError
        When a frame lacks a column or has it in another dtype.
    UnknownSessionError
        When a date is not a session of the exchange.

    Examples
    --------
    >>> dark_index(pl.DataFrame(schema=DARK_INDEX_SCHEMA)).height
    0
    """
    if cut_offs.is_empty():
        return pl.DataFrame(schema=DARK_INDEX_SCHEMA)
    for frame, table in ((dix, "raw.dix"), (short_volume, "raw.short_volume"), (bars, "raw.equity_bars")):
        if frame is not None:
            require_table(frame, table)
    needed = {"session", "known_at", "provider", "synthetic", "gex"}
    if index_gamma is not None and (missing := sorted(needed - set(index_gamma.columns))):
        raise ValueError(f"index_gamma: expected the columns {missing}, found {index_gamma.columns}")
    pairs = CutOffs(cut_offs, LOOKBACK)
    vendor = Versions(pairs, dix, {"dix": pl.col("dix"), "gex": pl.col("gex")}, "raw.dix")
    chain = Versions(pairs, index_gamma, {"gex": pl.col("gex")}, "index gamma")
    traded = bars is not None and short_volume is not None
    symbols = short_volume["symbol"].unique().sort().to_list() if traded and short_volume is not None else []
    volumes = {"short": pl.col("short_volume"), "total": pl.col("total_volume")}
    off_exchange = Versions(pairs, short_volume if traded else None, volumes, "raw.short_volume", symbols)
    own_bars = bars.filter(pl.col("symbol").is_in(symbols)) if traded and bars is not None else None
    closes = Versions(pairs, own_bars, {"close": pl.col("close")}, "raw.equity_bars", symbols)
    is_member = members(pairs, membership, symbols, (*CYCLICAL, *DEFENSIVE))
    out = np.full((5, pairs.frame.height), np.nan)
    for at, (published, index, volume, bar) in views(pairs, vendor, chain, off_exchange, closes):
        column = pairs.column[at]
        share = dollar_short_share(volume["short"], volume["total"], bar["close"], is_member, fewest_members)
        dix_values, dix_ages = zip(*(last_known(row, column) for row in (published["dix"][0], share)), strict=True)
        scaled = [_scaled(panel["gex"], column) for panel in (published, index)]
        out[0, at], out[2, at] = _first_known(dix_values)
        out[1, at], out[3, at] = _first_known(scaled)
        out[4, at] = dix_ages[0]
    names = ("sent_dix", "sent_gex", "dix_source", "gex_source", "dix_age")
    from_shares = out[2] == DIX_SOURCES.index("short_volume")
    counts = [symbols[row] for row in np.flatnonzero(is_member.max(axis=1))]
    of_members = pl.col("symbol").is_in(counts)
    provider, synthetic = market_origin(
        pairs.frame,
        [
            (dix, LOOKBACK, (out[2] == DIX_SOURCES.index("dix")) | (out[3] == GEX_SOURCES.index("dix"))),
            (None if short_volume is None else short_volume.filter(of_members), MAX_AGE + 1, from_shares),
            (None if own_bars is None else own_bars.filter(of_members), MAX_AGE + 1, from_shares),
            (index_gamma, LOOKBACK, out[3] == GEX_SOURCES.index("index_chain")),
        ],
    )
    measures = [pl.Series(name, values, nan_to_null=True) for name, values in zip(names, out, strict=True)]
    return pairs.frame.with_columns(*measures, provider=provider, synthetic=pl.Series(synthetic))


def dark_index_at(points: Points, rows: pl.DataFrame) -> dict[str, Floats]:
    """Return the rows of :func:`dark_index` at every point, NaN where its session has none.

    Of several rows of a session the latest counts whose cut-off is not after that of the point.

    Raises
    ------
    ValueError
        When a column of ``DARK_INDEX_SCHEMA`` is missing or of another dtype.
    """
    return rows_at(points, rows, DARK_INDEX_SCHEMA, "dark index")


def dollar_short_share(short: Floats, total: Floats, close: Floats, is_member: Bools, fewest: int) -> Floats:
    """Return short over total off-exchange volume of all members in dollars, by session.

    Parameters
    ----------
    short, total
        Shares, shape (symbols, sessions), NaN where nothing was published. Rows with more short than total volume are
        impossible and do not count.
    close
        $ as traded, same shape.
    is_member
        Whether the symbol belongs to the universe in the session, same shape.
    fewest
        Members with short volume and a close below which the share is NaN.

    Examples
    --------
    >>> short, total, close = np.array([[40.0], [10.0]]), np.array([[100.0], [50.0]]), np.array([[10.0], [20.0]])
    >>> dollar_short_share(short, total, close, np.ones((2, 1), dtype=bool), fewest=2).tolist()
    [0.3]
    """
    counts = is_member & (short <= total) & ~np.isnan(close)
    known = counts.sum(axis=0) >= fewest
    # Row after row: the order of a sum over symbols must not depend on the number of sessions.
    parts = np.zeros((2, short.shape[1]))
    for row in range(short.shape[0]):
        for side, volume in enumerate((short[row], total[row])):
            parts[side] += np.where(counts[row], volume * close[row], 0.0)
    return np.where(known & (parts[1] > 0.0), parts[0] / np.where(parts[1] > 0.0, parts[1], 1.0), np.nan)


def last_known(values: Floats, column: Integers) -> tuple[Floats, Floats]:
    """Return the last known value of the five sessions up to each column, and its age in sessions.

    Examples
    --------
    >>> value, age = last_known(np.array([0.4, 0.5, np.nan, np.nan]), np.array([1, 3]))
    >>> value.tolist(), age.tolist()
    ([0.5, 0.5], [0.0, 2.0])
    """
    found, age = np.full(column.size, np.nan), np.full(column.size, np.nan)
    for lag in range(MAX_AGE, -1, -1):
        at = column - lag
        value = np.where(at >= 0, values[np.maximum(at, 0)], np.nan)
        is_known = ~np.isnan(value)
        found[is_known], age[is_known] = value[is_known], lag
    return found, age


def _scaled(gamma: Floats, column: Integers) -> Floats:
    """Return the last known gamma over its standard deviation in the 252 sessions before its own."""
    value, age = last_known(gamma[0], column)
    own = np.where(np.isnan(age), 0.0, column - age).astype(np.int64)
    sd = Series(gamma, np.zeros(column.size, dtype=np.int64), own, value).sd(YEAR)
    return value / np.where(sd > 0.0, sd, np.nan)


def _first_known(choices: tuple[Floats, ...] | list[Floats]) -> tuple[Floats, Floats]:
    """Return the first of two values that is known, and which one it is."""
    preferred, other = choices
    value = np.where(np.isnan(preferred), other, preferred)
    source = np.where(np.isnan(preferred), 1.0, 0.0)
    return value, np.where(np.isnan(value), np.nan, source)
