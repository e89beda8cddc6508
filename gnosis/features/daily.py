"""All features that need daily bars and index levels alone, many symbols at once: for research without other data.

The values are those that the engines and the feature library store when nothing else is known, bit for bit, with less
work: the formulas are shared, blocks of symbols stay in the processor's cache, and indicators are made once for all
that read them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.engines.points import Floats, Integers, daily_points
from gnosis.engines.sentiment.breadth import COLUMNS as BREADTH
from gnosis.engines.sentiment.breadth import universe_breadth
from gnosis.features.daily_rows import DailyRows
from gnosis.features.feature import Feature
from gnosis.features.registry import FEATURES
from gnosis.options.origin import require_table
from gnosis.sessions import schedule

if TYPE_CHECKING:
    from gnosis.features.daily_forms import Market

DAILY: tuple[Feature, ...] = tuple(feature for feature in FEATURES if feature.fallback != "null")
"""Features with a value, or a daily form, from daily bars and index levels, in the order of the contract."""

CELLS = 21_000
"""Symbols x sessions worked on at a time: a dozen arrays of them fit into a processor's cache."""

UNKNOWN = -128
MARKET_REGIME = (
    "regime_vix",
    "regime_vix_bucket",
    "regime_vix_change",
    "regime_spx_price_gap",
    "regime_spx_realized_vol",
    "regime_spx_vol_bucket",
)


def daily_features(
    bars: pl.DataFrame,
    index_levels: pl.DataFrame,
    sessions: Collection[dt.date] | None = None,
    *,
    threads: int = 2,
) -> pl.DataFrame:
    """Compute the features that daily bars and index levels give, for every symbol and session with a bar.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` of the symbols and of the universe whose breadth counts, in any order, each bar
        once. A row reads the 323 sessions that end with its own.
    index_levels
        Rows of ``raw.index_levels``; read are ^VIX and ^GSPC, of 527 sessions.
    sessions
        Sessions whose rows are wanted; all of the bars by default.
    threads
        Blocks of symbols worked on at once; the values do not depend on it.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``as_of`` (the close, or when the bar was known if that is later) and the features of
        :data:`DAILY`, sorted by session and symbol: numbers as float64, categories and counts as their codes, flags as
        booleans, null where unknown.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, or a bar occurs twice.
    UnknownSessionError
        When a date is not a session of the exchange.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> none = daily_features(TABLES["raw.equity_bars"].empty(), TABLES["raw.index_levels"].empty())
    >>> none.height, len(DAILY), none.columns[:4]
    (0, 102, ['session', 'symbol', 'as_of', 'hedge_cross_asset_correlation'])
    """
    require_table(bars, "raw.equity_bars")
    require_table(index_levels, "raw.index_levels")
    rows = DailyRows.of(bars, sessions)
    if not rows.wanted.any():
        return pl.DataFrame(schema=_schema())
    regular = rows.wanted & ~rows.is_late[rows.symbol]
    parts = []
    breadth = _breadth(rows, bars, index_levels)
    if regular.any():
        parts.append(_of_regular(rows, regular, breadth, index_levels, threads))
    if rows.is_late.any():
        from gnosis.features.daily_late import late_features

        late = [symbol for symbol, is_late in zip(rows.symbols, rows.is_late, strict=True) if is_late]
        own = bars.filter(pl.col("symbol").is_in(late))
        found = late_features(own, index_levels, breadth, rows.sessions).select(list(_schema()))
        parts.append(found.cast(pl.Schema(_schema())))
    return parts[0] if len(parts) == 1 else pl.concat(parts).sort("session", "symbol")


def _breadth(rows: DailyRows, bars: pl.DataFrame, index_levels: pl.DataFrame) -> pl.DataFrame:
    """Return the market-wide measures at every session and cut-off of the wanted rows."""
    late = rows.wanted & rows.is_late[rows.symbol]
    ranks = rows.regular_sessions()
    cut_offs = _moments(ranks, rows.instants)
    if late.any():
        names = [symbol for symbol, is_late in zip(rows.symbols, rows.is_late, strict=True) if is_late]
        own = daily_points(bars.filter(pl.col("symbol").is_in(names)), rows.sessions).frame
        cut_offs = pl.concat([cut_offs, own.select("session", "as_of")])
    return universe_breadth(cut_offs, bars, index_levels)


def _moments(ranks: Integers, instants: Integers) -> pl.DataFrame:
    as_of = pl.Series(instants[ranks], dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.DataFrame({"session": schedule()["session"].gather(ranks), "as_of": as_of})


def _of_regular(
    rows: DailyRows, wanted: np.ndarray, breadth: pl.DataFrame, index_levels: pl.DataFrame, threads: int
) -> pl.DataFrame:
    """Return the features of the symbols whose bars were all known at the usual moment."""
    from gnosis.features.daily_forms import LOOKBACK, daily_forms, points_of
    from gnosis.features.daily_kernel import put, put_codes, session_major

    start, end = int(rows.position[wanted].min()), int(rows.position[wanted].max()) + 1
    first = max(start - LOOKBACK + 1, int(rows.position.min()))
    market = _market(rows, start, end, breadth, index_levels)
    at = np.flatnonzero(wanted)
    symbol, position = rows.symbol[at], rows.position[at]
    places = session_major(position)
    columns = {
        feature.name: np.empty(at.size, np.float64 if feature.dtype == "float" else np.int8) for feature in DAILY
    }
    of_market = {**market.breadth, **market.regime}
    bars_of_session = np.bincount(position - start, minlength=end - start)
    for feature in DAILY:
        if feature.name in of_market:
            columns[feature.name] = np.repeat(_stored(feature, of_market[feature.name]), bars_of_session)
    block = max(CELLS // (end - first), 1)
    blocks = np.unique(symbol // block).tolist()

    def fill(number: int) -> None:
        low, high = number * block, min((number + 1) * block, len(rows.symbols))
        panel = rows.panel(low, high, first, end)
        width = end - start
        values = daily_forms(panel, points_of(high - low, start, end), market)
        mine = slice(*np.searchsorted(symbol, (low, high)))
        own_places = np.full((width, high - low), -1, np.int32)
        own_places[position[mine] - start, symbol[mine] - low] = places[mine]
        for feature in DAILY:
            if feature.name in of_market or feature.name == "regime_session":
                continue
            found = np.ascontiguousarray(values[feature.name], dtype=np.float64).reshape(high - low, width)
            if feature.dtype == "float":
                put(found, own_places, columns[feature.name])
            else:
                shift = feature.first_code if feature.dtype == "category" else 0
                put_codes(found, own_places, UNKNOWN, shift, columns[feature.name])

    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(fill, blocks))
    columns["regime_session"][places] = _trading_periods(rows.columns["ts"][at], position)
    return _frame(rows, at, places, columns)


def _stored(feature: Feature, values: Floats) -> np.ndarray:
    """Return values as a column holds them: numbers as they are, codes as small integers."""
    if feature.dtype == "float":
        return values
    shift = feature.first_code if feature.dtype == "category" else 0
    return np.where(np.isnan(values), UNKNOWN, np.nan_to_num(values) + shift).astype(np.int8)


def _market(rows: DailyRows, start: int, end: int, breadth: pl.DataFrame, index_levels: pl.DataFrame) -> Market:
    """Return what is the same for all symbols in the sessions with ranks from ``start`` to before ``end``."""
    from gnosis.features.daily_forms import Market
    from gnosis.features.regime import market_state
    from gnosis.features.volatility_correlation import vix_changes

    ranks = rows.regular_sessions()
    moments = _moments(ranks, rows.instants)
    state = market_state(moments, index_levels)
    own = moments.join(breadth, on=["session", "as_of"], how="left", maintain_order="left")
    width = end - start

    def laid_out(column: pl.Series) -> Floats:
        codes = column.to_physical() if isinstance(column.dtype, pl.Enum) else column
        full = np.full(width, np.nan)
        full[ranks - start] = codes.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return full

    changes = np.full((width, 20), np.nan)
    changes[ranks - start] = vix_changes(moments, index_levels)
    return Market(
        {name: laid_out(own[name]) for name in BREADTH},
        {name: laid_out(state[name]) for name in MARKET_REGIME},
        changes,
    )


def _trading_periods(ends: Integers, position: Integers) -> np.ndarray:
    """Return the code of the part of the trading day that each instant ends, of bars of the sessions with these ranks.

    As a rule all bars of a session end together, and a session is named once.
    """
    from gnosis.features.regime import trading_period

    together = np.zeros(int(position.max()) + 1, dtype=np.int64)
    together[position] = ends
    alone = np.flatnonzero(ends != together[position])
    instants = pl.Series(np.concatenate([together, ends[alone]]), dtype=pl.Datetime("us"))
    codes = trading_period(instants.dt.replace_time_zone("UTC")).to_physical().cast(pl.Int8).to_numpy()
    found = codes[position]
    found[alone] = codes[together.size :]
    return found


def _frame(rows: DailyRows, at: Integers, places: Integers, columns: dict[str, np.ndarray]) -> pl.DataFrame:
    row = np.empty(at.size, np.int64)
    row[places] = at
    position = rows.position[row]
    as_of = pl.Series(rows.instants[position], dtype=pl.Datetime("us")).dt.replace_time_zone("UTC")
    keys = [
        schedule()["session"].gather(position),
        pl.Series("symbol", rows.symbols).gather(rows.symbol[row]),
        as_of.alias("as_of"),
    ]
    found = []
    for feature in DAILY:
        values = columns[feature.name]
        if feature.dtype == "float":
            found.append(pl.Series(feature.name, values, nan_to_null=True))
            continue
        code = pl.Series(feature.name, values)
        known = pl.when(pl.col(feature.name) != UNKNOWN).then(pl.col(feature.name))
        found.append(code.to_frame().select(known.cast(_schema()[feature.name])).to_series())
    return pl.DataFrame([*keys, *found])


def _schema() -> dict[str, pl.DataType]:
    dtypes = {"float": pl.Float64(), "bool": pl.Boolean(), "int": pl.Int8(), "category": pl.Int8()}
    keys: dict[str, pl.DataType] = {"session": pl.Date(), "symbol": pl.String(), "as_of": pl.Datetime("us", "UTC")}
    return keys | {feature.name: dtypes[feature.dtype] for feature in DAILY}


__all__ = ["DAILY", "daily_features"]
