"""Bars of many symbols as one sorted panel, with the exchange position, visibility and origin of every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import UnknownSessionError, schedule

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable

MAX_ORIGINS = 62
NO_PROVIDER = "none"


@dataclass(frozen=True)
class Rows:
    """Bars sorted by symbol and session; every array has one element per bar, in that order.

    Attributes
    ----------
    symbol
        Symbol as an integer code (int64).
    position
        Session as its rank in the exchange calendar (int64).
    known_at
        First moment the bar could have been known, microseconds since 1970 UTC (int64). It is the row's own cut-off.
    high, low, close
        Adjusted prices, price x adjustment_factor (float64, $).
    volume
        Split-adjusted volume, volume / adjustment_factor (float64, shares); NaN when unknown.
    run
        Sessions in a row, up to and including this one, whose bars were known at this row's cut-off; counted up to the
        window (int64).
    """

    symbol: np.ndarray
    position: np.ndarray
    known_at: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    run: np.ndarray


@dataclass(frozen=True)
class Panel(Rows):
    """Bars with what identifies them.

    Attributes
    ----------
    keys
        ``symbol``, ``session``, ``as_of`` (UTC), ``ts`` (UTC), ``provider`` and ``synthetic`` of the window read.
    sessions
        Sessions whose rows are wanted; all when None.
    """

    keys: pl.DataFrame
    sessions: tuple[dt.date, ...] | None

    def wanted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the wanted sessions."""
        return frame if self.sessions is None else frame.filter(pl.col("session").is_in(self.sessions))


def read_panel(bars: pl.DataFrame, window: int, sessions: Collection[dt.date] | None = None) -> Panel:
    """Sort bars and find out, for each, which of the ``window`` sessions up to it were known at its cut-off.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` in any order.
    window
        Sessions, the current one included, that the caller reads.
    sessions
        Sessions whose rows are wanted: bars that no row of theirs reads are left out. All when None.

    Raises
    ------
    ValueError
        When a column is missing, a symbol has two bars for one session or a session is not one of the exchange.

    Examples
    --------
    >>> import datetime as dt
    >>> close = dt.datetime(2013, 1, 2, 21, tzinfo=dt.UTC)
    >>> bars = pl.DataFrame({
    ...     "session": [close.date()], "symbol": ["SPY"], "known_at": [close], "ts": [close],
    ...     "high": [147.0], "low": [145.0], "close": [146.0], "volume": [1e6], "adjustment_factor": [2.0],
    ...     "provider": ["file"], "synthetic": [False],
    ... }).cast({"known_at": pl.Datetime("us", "UTC"), "ts": pl.Datetime("us", "UTC")})
    >>> panel = read_panel(bars, window=5)
    >>> float(panel.close[0]), float(panel.volume[0]), int(panel.run[0]), panel.keys["provider"].item()
    (292.0, 500000.0, 1, 'file')
    """
    from gnosis.features.indicators import visible_history

    needed = ["session", "symbol", "ts", "high", "low", "close", "volume", "adjustment_factor"]
    require_columns(bars, "raw.equity_bars", [*needed, "known_at", "provider", "synthetic"])
    rows = (bars if sessions is None else _within_reach(bars, window, sessions)).sort("symbol", "session")
    symbol = rows["symbol"].rle_id().cast(pl.Int64).to_numpy()
    position = session_positions(rows["session"], "raw.equity_bars")
    repeated = np.flatnonzero((np.diff(symbol) == 0) & (np.diff(position) == 0))
    if repeated.size:
        first = rows.row(int(repeated[0]), named=True)
        raise ValueError(
            f"expected one row of raw.equity_bars per symbol and session, found two for {first['symbol']} on "
            f"{first['session']}; keep the version known at the time"
        )
    known_at = microseconds(rows["known_at"])
    origin, names = origin_codes(rows)
    run, origins = visible_history(symbol, position, known_at, origin, window)
    factor = rows["adjustment_factor"].to_numpy()
    provider, synthetic = origin_columns(origins, names)
    return Panel(
        sessions=None if sessions is None else tuple(sorted(sessions)),
        keys=rows.select("symbol", "session", pl.col("known_at").alias("as_of"), "ts").with_columns(
            provider, synthetic
        ),
        symbol=symbol,
        position=position,
        known_at=known_at,
        high=rows["high"].to_numpy() * factor,
        low=rows["low"].to_numpy() * factor,
        close=rows["close"].to_numpy() * factor,
        volume=rows["volume"].cast(pl.Float64).fill_null(np.nan).to_numpy() / factor,
        run=run,
    )


def _within_reach(bars: pl.DataFrame, window: int, sessions: Collection[dt.date]) -> pl.DataFrame:
    """Return the bars of the windows that end with some sessions; only their first and last session matter."""
    if not sessions:
        return bars.clear()
    wanted = pl.Series("session", [min(sessions), max(sessions)], dtype=pl.Date)
    first = int(session_positions(wanted, "the wanted sessions")[0])
    return bars.filter(pl.col("session").is_between(schedule()["session"][max(first - window + 1, 0)], wanted[1]))


def require_columns(frame: pl.DataFrame, table: str, columns: list[str]) -> None:
    """Raise ValueError with the names when a frame lacks columns of its table."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"expected the columns of {table}, missing are {missing}; found {frame.columns}")


def session_positions(sessions: pl.Series, table: str) -> np.ndarray:
    """Return the rank of each session in the exchange calendar (int64).

    Raises
    ------
    UnknownSessionError
        When a date is not a session: its row belongs in quarantine.

    Examples
    --------
    >>> import datetime as dt
    >>> friday_to_monday = pl.Series([dt.date(2013, 1, 4), dt.date(2013, 1, 7)])
    >>> int(np.diff(session_positions(friday_to_monday, "raw.equity_bars"))[0])
    1
    """
    known = schedule()["session"].to_physical().to_numpy()
    days = sessions.to_physical().to_numpy()
    position = np.searchsorted(known, days)
    is_session = known[np.minimum(position, len(known) - 1)] == days
    if not is_session.all():
        found = sessions.filter(pl.Series(~is_session)).unique().sort().to_list()
        raise UnknownSessionError(
            f"expected sessions of the exchange in {table}, found {len(found)} other dates, first {found[0]}; "
            "quarantine their rows"
        )
    return position.astype(np.int64)


def microseconds(instants: pl.Series) -> np.ndarray:
    """Return UTC instants as microseconds since 1970 (int64)."""
    return instants.dt.epoch("us").to_numpy().astype(np.int64)


def origin_codes(rows: pl.DataFrame) -> tuple[np.ndarray, list[tuple[str, bool]]]:
    """Number the distinct (provider, synthetic) pairs of a frame.

    Returns
    -------
    tuple
        Code of each row (int64) and the pairs in the order of their codes.
    """
    names = rows.select("provider", "synthetic").unique().sort("provider", "synthetic")
    if names.height > MAX_ORIGINS:
        raise ValueError(f"expected at most {MAX_ORIGINS} providers in one panel, found {names.height}")
    codes = rows.select("provider", "synthetic").join(
        names.with_row_index("origin"), on=["provider", "synthetic"], how="left", maintain_order="left"
    )
    return codes["origin"].cast(pl.Int64).to_numpy(), [(row[0], row[1]) for row in names.iter_rows()]


def origin_columns(origins: np.ndarray, names: list[tuple[str, bool]]) -> tuple[pl.Series, pl.Series]:
    """Turn sets of origins, one bit per code, into the columns ``provider`` and ``synthetic``.

    Examples
    --------
    >>> provider, synthetic = origin_columns(np.array([1, 3, 0]), [("cboe", False), ("yahoo", True)])
    >>> provider.to_list(), synthetic.to_list()
    (['cboe', 'cboe+yahoo', 'none'], [False, True, False])
    """
    distinct, which = np.unique(origins, return_inverse=True)
    sets = [[pair for code, pair in enumerate(names) if int(mask) >> code & 1] for mask in distinct]
    providers = pl.Series("provider", [_joined(pair[0] for pair in pairs) for pairs in sets], dtype=pl.String)
    synthetic = pl.Series("synthetic", [any(pair[1] for pair in pairs) for pairs in sets], dtype=pl.Boolean)
    return providers.gather(which), synthetic.gather(which)


def joined_providers(columns: pl.DataFrame) -> pl.Series:
    """Join the providers named in each row: distinct, sorted, with '+' between; 'none' when there are none.

    Examples
    --------
    >>> joined_providers(pl.DataFrame({"provider": ["yahoo", None], "other": ["cboe+yahoo", None]})).to_list()
    ['cboe+yahoo', 'none']
    """
    distinct = columns.unique().sort(columns.columns)
    joined = [_joined(name for name in row if name is not None) for row in distinct.iter_rows()]
    known = distinct.with_columns(joined=pl.Series(joined, dtype=pl.String))
    rows = columns.join(known, on=columns.columns, how="left", nulls_equal=True, maintain_order="left")
    return rows["joined"].alias("provider")


def _joined(names: Iterable[str]) -> str:
    parts = {part for name in names for part in name.split("+")} - {NO_PROVIDER}
    return "+".join(sorted(parts)) or NO_PROVIDER
