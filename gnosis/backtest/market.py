"""The bars of one backtest, checked and laid out by session and symbol."""

from __future__ import annotations

import bisect
import datetime as dt
import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.backtest.actions import corporate_actions
from gnosis.backtest.ledger import UNIT, to_units
from gnosis.sessions import UnknownSessionError, schedule
from gnosis.trading.trailing import trailing_sigma_d, trailing_windows

LOOKBACK_SESSIONS = 20
BAR_COLUMNS = [
    "session", "symbol", "ts", "open", "high", "low", "close", "volume", "adjustment_factor", "known_at", "provider",
    "synthetic",
]  # fmt: skip
_MAX_PRICE_USD = 2**53 / UNIT


@dataclass(frozen=True)
class Action:
    """A split and/or dividend of one symbol before the open of one session, dividend in units of 1e-8 dollars."""

    split_numerator: int
    split_denominator: int
    dividend: int


@dataclass(frozen=True)
class Market:
    """Bars as arrays of shape (sessions, symbols); a missing bar has price 0 and volume 0.

    Attributes
    ----------
    calendar
        ``session``, ``open_at``, ``close_at`` of every exchange session from the first to the last bar.
    sessions
        The sessions of the calendar.
    first_bars
        Session number of the first bar of each symbol.
    opens, highs, lows, closes
        Prices in units of 1e-8 dollars, int64.
    marks
        Latest close up to each session, in the same units; 0 before the first bar.
    volumes
        Shares; NaN when not known.
    sigma_d
        Sample standard deviation of the 20 adjusted log returns before the bar; NaN when there are fewer.
    adv_shares
        Mean volume of the 20 bars before, in shares of the bar's own day; NaN when there are fewer.
    actions
        By (session number, symbol number).
    """

    calendar: pl.DataFrame
    sessions: list[dt.date]
    symbols: list[str]
    first_bars: np.ndarray
    opens: np.ndarray
    highs: np.ndarray
    lows: np.ndarray
    closes: np.ndarray
    marks: np.ndarray
    volumes: np.ndarray
    sigma_d: np.ndarray
    adv_shares: np.ndarray
    actions: dict[tuple[int, int], Action]
    bars: pl.DataFrame

    def session_number(self, session: dt.date) -> int:
        """Return the position of ``session`` in the calendar of the market, or raise."""
        sessions = self.sessions
        position = bisect.bisect_left(sessions, session)
        if position >= len(sessions) or sessions[position] != session:
            raise ValueError(
                f"expected a session between the first bar {sessions[0]} and the last {sessions[-1]}, found {session}"
            )
        return position


def build_market(bars: pl.DataFrame) -> Market:
    """Check the bars and lay them out.

    Raises
    ------
    ValueError
        For missing columns, no rows, duplicate keys, null or non-positive prices, or dates that are not sessions.
    """
    bars = checked_bars(bars)
    calendar = schedule().filter(pl.col("session").is_between(bars["session"].min(), bars["session"].max()))
    calendar = calendar.select("session", "open_at", "close_at")
    strangers = bars.join(calendar, on="session", how="anti")
    if strangers.height:
        raise UnknownSessionError(
            f"expected bars of exchange sessions, found {strangers.height} of other days, "
            f"first {strangers['session'][0]}"
        )
    symbols = bars["symbol"].unique().sort().to_list()
    rows = calendar["session"].search_sorted(bars["session"]).to_numpy()
    columns = pl.Series(symbols).search_sorted(bars["symbol"]).to_numpy()
    actions = corporate_actions(bars)
    known = _known_before(bars, actions)
    shape = (calendar.height, len(symbols))

    def layout(values: np.ndarray, missing: float) -> np.ndarray:
        grid = np.full(shape, missing, dtype=values.dtype)
        grid[rows, columns] = values
        return grid

    def price(name: str) -> np.ndarray:
        return layout(np.rint(bars[name].to_numpy() * UNIT).astype(np.int64), 0)

    def measure(frame: pl.DataFrame, name: str) -> np.ndarray:
        return layout(frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy(), np.nan)

    closes = price("close")
    # The position of the latest bar of each symbol, found for all sessions at once.
    latest = np.maximum.accumulate(np.where(closes > 0, np.arange(shape[0])[:, None], -1), axis=0)
    marks = np.where(latest >= 0, np.take_along_axis(closes, np.maximum(latest, 0), axis=0), 0)
    return Market(
        calendar=calendar,
        sessions=calendar["session"].to_list(),
        symbols=symbols,
        first_bars=(closes > 0).argmax(axis=0),
        opens=price("open"),
        highs=price("high"),
        lows=price("low"),
        closes=closes,
        marks=marks,
        volumes=measure(bars, "volume"),
        sigma_d=measure(known, "sigma_d"),
        adv_shares=measure(known, "adv_shares"),
        actions=_actions_by_number(actions, calendar["session"], symbols),
        bars=bars,
    )


def checked_bars(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the columns the engine reads, sorted by session and symbol, or raise ValueError."""
    if missing := [name for name in BAR_COLUMNS if name not in bars.columns]:
        raise ValueError(f"expected the columns of raw.equity_bars, missing {missing}")
    bars = bars.select(BAR_COLUMNS).sort("session", "symbol")
    if bars.is_empty():
        raise ValueError("expected bars, found none: a backtest needs at least one session")
    # Rows are sorted, so equal keys are neighbours.
    repeated = (pl.col("session") == pl.col("session").shift()) & (pl.col("symbol") == pl.col("symbol").shift())
    if n := bars.select(repeated.sum()).item():
        raise ValueError(f"expected one bar per session and symbol, found {n} rows that repeat a key: remove them")
    prices = ["open", "high", "low", "close"]
    if n := bars.select((pl.col("volume") < 0).sum()).item():
        raise ValueError(f"expected volume of 0 or more, or null where it is not known, found {n} negative rows")
    limits = dict.fromkeys(prices, _MAX_PRICE_USD) | {"adjustment_factor": np.inf}
    usable = [((pl.col(name) > 0) & (pl.col(name) < limit)).fill_null(False) for name, limit in limits.items()]
    spans = (pl.col("high") >= pl.max_horizontal(prices)) & (pl.col("low") <= pl.min_horizontal(prices))
    fine = bars.select(
        *(condition.all().alias(name) for name, condition in zip(limits, usable, strict=True)), spans=spans.all()
    ).row(0, named=True)
    for (name, limit), condition in zip(limits.items(), usable, strict=True):
        if not fine[name]:
            bad = bars.filter(~condition)
            row = bad.row(0, named=True)
            raise ValueError(
                f"expected {name} above 0 and below {limit:g}, found {row[name]} for {row['symbol']} "
                f"at {row['session']} ({bad.height} rows)"
            )
    if not fine["spans"]:
        bad = bars.filter(~spans)
        row = bad.row(0, named=True)
        raise ValueError(
            f"expected open and close between low and high, found {[row[name] for name in prices]} for "
            f"{row['symbol']} at {row['session']} ({bad.height} rows): correct the bar"
        )
    return bars


def _known_before(bars: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return sigma_d and ADV of each row of ``bars`` from the 20 rows of its symbol before it."""
    split = pl.col("split_numerator").fill_null(1) / pl.col("split_denominator").fill_null(1)
    rows = (
        bars.with_row_index("row")
        .join(actions, on=["session", "symbol"], how="left")
        .sort("symbol", "session")
        .with_columns(
            code=pl.col("symbol").rle_id().cast(pl.Int64),
            adjusted=pl.col("close") * pl.col("adjustment_factor"),
            shares_per_first=split.cum_prod().over("symbol"),
        )
        # Volumes of before a split count in shares of after it.
        .with_columns(
            volume_of_first=(pl.col("volume") / pl.col("shares_per_first")).cast(pl.Float64).fill_null(np.nan)
        )
    )
    codes = rows["code"].to_numpy()
    volumes = trailing_windows(rows["volume_of_first"].to_numpy(), codes, LOOKBACK_SESSIONS).mean(axis=1)
    return (
        rows.with_columns(
            sigma_d=pl.Series(trailing_sigma_d(rows["adjusted"].to_numpy(), codes)), adv_shares=pl.Series(volumes)
        )
        .with_columns(
            sigma_d=pl.col("sigma_d").shift(1).over("symbol"),
            adv_shares=pl.col("adv_shares").shift(1).over("symbol") * pl.col("shares_per_first"),
        )
        .sort("row")
    )


def _actions_by_number(actions: pl.DataFrame, sessions: pl.Series, symbols: list[str]) -> dict[tuple[int, int], Action]:
    session_numbers = sessions.search_sorted(actions["session"]).to_list()
    symbol_numbers = pl.Series(symbols).search_sorted(actions["symbol"]).to_list()
    amounts = actions.select("split_numerator", "split_denominator", "dividend_usd").rows()
    return {
        (session, symbol): Action(numerator, denominator, to_units(dividend))
        for session, symbol, (numerator, denominator, dividend) in zip(
            session_numbers, symbol_numbers, amounts, strict=True
        )
    }


def frame_sha256(frame: pl.DataFrame) -> str:
    """Return a hash of names, dtypes and values that does not depend on the order of rows or columns."""
    frame = frame.select(sorted(frame.columns))
    plain = [name for name, dtype in frame.schema.items() if not dtype.is_nested()]
    return ordered_sha256(frame.sort(plain) if plain else frame)


def ordered_sha256(frame: pl.DataFrame) -> str:
    """Return a hash of names, dtypes and values of rows and columns as they stand."""
    digest = hashlib.sha256()
    for column in frame:
        digest.update(f"{column.name}:{column.dtype}:{len(column)}".encode())
        digest.update(column.is_null().to_numpy().tobytes())
        if column.dtype.is_nested():
            digest.update(column.to_frame().write_json().encode())
        elif column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == pl.Boolean:
            digest.update(column.to_physical().fill_null(0).to_numpy().tobytes())
        else:
            text = column.cast(pl.String).fill_null("")
            digest.update(text.str.len_bytes().to_numpy().tobytes())
            digest.update(text.str.join("").item().encode())
    return digest.hexdigest()
