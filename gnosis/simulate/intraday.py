"""Bars of one and five minutes inside given daily bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.chain import SNAPSHOT_LEAD_MINUTES, spot_at_snapshot
from gnosis.simulate.draws import check_seed, date_keys, keyed_normal, keyed_uniform, text_keys

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

VOLUME_NOISE = 0.5
"""Log standard deviation of the volume of a minute around the shape of the day."""

DIGITS = 6


@dataclass(frozen=True)
class MinuteBars:
    """The minutes of sessions of equal length.

    Attributes
    ----------
    rows
        One row per point: ``session``, ``symbol``, ``open_at`` and the daily bar.
    open, high, low, close, volume
        Shape (points, minutes), float64: $ and shares; NaN volume where the daily bar has none.
    """

    rows: pl.DataFrame
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @property
    def minutes(self) -> int:
        """Number of minutes of the session."""
        return int(self.close.shape[1])

    def keys(self, *shape: int) -> list[NDArray[np.uint64]]:
        """Return the keys of symbol and session, and one per axis of ``shape``, each of shape (points x shape,)."""
        axes = np.indices((self.rows.height, *shape), dtype=np.uint64)
        point = axes[0].ravel()
        own = text_keys(self.rows["symbol"]), date_keys(self.rows["session"])
        return [*(key[point] for key in own), *(axis.ravel() for axis in axes[1:])]


def shape_of_day(minutes: int) -> Floats:
    """Return the share of a day's volume, and of its variance, in each minute: high at open and close, shape (n,).

    Examples
    --------
    >>> shape_of_day(390)[[0, 195, 389]].round(5).tolist()
    [0.00511, 0.00128, 0.00511]
    """
    place = (np.arange(minutes) + 0.5) / minutes
    share = 1 + 3 * (2 * place - 1) ** 2
    return np.asarray(share / share.sum())


def minute_bars(bars: pl.DataFrame, seed: int, sessions: Sequence[dt.date] | None = None) -> Iterator[MinuteBars]:
    """Yield the minutes of the points of ``bars``, sessions of equal length together.

    Log price is a Brownian bridge from the open over the spot of the option chain of the same seed to the close, with
    the day's variance after Parkinson (1980), folded back into [low, high]. High and low of a minute follow the law of
    the extremes of a bridge between its ends; the highest minute is then given the day's high and the lowest its low.

    Parameters
    ----------
    bars
        Rows of raw.equity_bars.
    seed
        Integer >= 0.
    sessions
        Wanted sessions; those of ``bars`` by default.
    """
    check_seed(seed)
    calendar = schedule().select("session", "open_at", "close_at")
    rows = bars.join(calendar, on="session", how="inner", maintain_order="left")
    if sessions is not None:
        rows = rows.filter(pl.col("session").is_in(pl.Series(sessions, dtype=pl.Date).implode()))
    rows = rows.sort("session", "symbol").with_columns(
        minutes=(pl.col("close_at") - pl.col("open_at")).dt.total_minutes()
    )
    for group in rows.partition_by("minutes", maintain_order=True):
        yield _minutes_of(group, seed)


def _minutes_of(rows: pl.DataFrame, seed: int) -> MinuteBars:
    minutes = int(rows["minutes"][0])
    empty = np.empty((rows.height, 0))
    keys = MinuteBars(rows, empty, empty, empty, empty, empty).keys(minutes)
    shape = shape_of_day(minutes)
    first, highest, lowest, last = (rows[name].to_numpy()[:, None] for name in ("open", "high", "low", "close"))
    pin = minutes - SNAPSHOT_LEAD_MINUTES
    spot = spot_at_snapshot(rows, seed)[:, None]
    width = np.log(highest / lowest)
    sd = width / np.sqrt(4 * np.log(2)) * np.sqrt(shape)
    steps = keyed_normal(seed, "minutes.close", *keys).reshape(rows.height, minutes) * sd
    before = _bridge(np.log(first), np.log(spot), steps[:, :pin], shape[:pin])
    after = _bridge(np.log(spot), np.log(last), steps[:, pin:], shape[pin:])
    path = _folded(np.concatenate([np.log(first), before, after], axis=1), np.log(lowest), width)
    path[:, [0]], path[:, [pin]], path[:, [-1]] = np.log(first), np.log(spot), np.log(last)
    start, end = path[:, :-1], path[:, 1:]

    def extreme(name: str, sign: int) -> Floats:
        draw = keyed_uniform(seed, f"minutes.{name}", *keys).reshape(rows.height, minutes)
        return np.asarray((start + end + sign * np.sqrt((end - start) ** 2 - 2 * sd**2 * np.log(draw))) / 2)

    def price(log_price: Floats) -> Floats:
        return np.clip(np.round(np.exp(log_price), DIGITS), lowest, highest)

    prices = price(path)
    prices[:, [0]], prices[:, [pin]], prices[:, [-1]] = first, spot, last
    opened, close = prices[:, :-1], prices[:, 1:]
    high = np.maximum(price(extreme("high", 1)), np.maximum(opened, close))
    low = np.minimum(price(extreme("low", -1)), np.minimum(opened, close))
    np.put_along_axis(high, high.argmax(axis=1)[:, None], highest, axis=1)
    np.put_along_axis(low, low.argmin(axis=1)[:, None], lowest, axis=1)
    noise = keyed_normal(seed, "minutes.volume", *keys).reshape(rows.height, minutes)
    volume = divided(rows["volume"].cast(pl.Float64).to_numpy(), shape * np.exp(VOLUME_NOISE * noise))
    return MinuteBars(rows, opened, high, low, close, volume)


def _bridge(start: Floats, end: Floats, steps: Floats, variance: Floats) -> Floats:
    path = np.cumsum(steps, axis=1)
    place = np.cumsum(variance) / variance.sum()
    return np.asarray(start + path + place * (end - start - path[:, -1:]))


def _folded(path: Floats, low: Floats, width: Floats) -> Floats:
    safe = np.maximum(width, 1e-300)
    place = np.mod(path - low, 2 * safe)
    return np.asarray(low + np.where(place > safe, 2 * safe - place, place))


def divided(total: Floats, weights: Floats) -> Floats:
    """Return whole shares in proportion to ``weights`` (points, parts) that add up to ``total`` (points,) exactly.

    Examples
    --------
    >>> divided(np.array([10.0]), np.array([[1.0, 1.0, 1.0]])).tolist()
    [[3.0, 3.0, 4.0]]
    """
    up_to = np.cumsum(weights, axis=1)
    shares = np.floor(total[:, None] * up_to / up_to[:, -1:])
    shares[:, -1] = total
    return np.diff(shares, axis=1, prepend=0.0)


def intraday_bars(bars: pl.DataFrame, seed: int, sessions: Sequence[dt.date] | None = None) -> pl.DataFrame:
    """Return generated bars of one and five minutes that make up the given daily bars.

    First open, highest high, lowest low, last close and total volume of a session are those of its daily bar; a bar of
    five minutes holds exactly its five minutes; volume is high at the open and the close. What happens inside a session
    thus knows how the session ends: nothing about later sessions, but it is no evidence about trading within the day.

    Parameters
    ----------
    bars
        Rows of raw.equity_bars.
    seed
        Integer >= 0.
    sessions
        Wanted sessions; those of ``bars`` by default.

    Returns
    -------
    polars.DataFrame
        Columns of raw.intraday_bars, sorted by (session, symbol, frequency, ts); ``known_at`` is the end of the bar.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.sessions import sessions_between
    >>> from gnosis.simulate.market import market
    >>> days = sessions_between(dt.date(2012, 11, 20), dt.date(2012, 11, 23))
    >>> daily = market("daily", ["AAA"], days, seed=7).bars
    >>> frame = intraday_bars(daily, seed=7)
    >>> frame.group_by("session", "frequency").len().sort("session", "frequency")["len"].to_list()
    [390, 78, 390, 78, 210, 42]
    >>> bool(frame.filter(frequency="1min")["volume"].sum() == daily["volume"].sum())
    True
    """
    frames = []
    for group in minute_bars(bars, seed, sessions):
        for length in (1, 5):
            starts = np.arange(0, group.minutes, length)
            ends = np.minimum(starts + length, group.minutes)
            n = len(starts)
            columns = {
                "open": group.open[:, starts],
                "high": np.maximum.reduceat(group.high, starts, axis=1),
                "low": np.minimum.reduceat(group.low, starts, axis=1),
                "close": group.close[:, ends - 1],
                "volume": np.add.reduceat(group.volume, starts, axis=1),
            }
            frames.append(
                repeated(group.rows, n)
                .with_columns(
                    frequency=pl.lit(f"{length}min"),
                    ts=pl.col("open_at") + pl.Series(np.tile(ends, group.rows.height)) * pl.duration(minutes=1),
                    **{name: pl.Series(values.ravel()).fill_nan(None) for name, values in columns.items()},
                )
                .select(
                    *("session", "symbol", "frequency", "ts", *columns),
                    known_at="ts",
                    provider=pl.lit("simulate"),
                    synthetic=pl.lit(True),
                )
            )
    if not frames:
        raise ValueError("expected rows of raw.equity_bars in the wanted sessions, found none")
    return pl.concat(frames).sort("session", "symbol", "frequency", "ts")


def repeated(rows: pl.DataFrame, times: int) -> pl.DataFrame:
    """Return ``session``, ``symbol`` and ``open_at`` of each row ``times`` times over."""
    places = pl.Series(np.repeat(np.arange(rows.height), times))
    return rows.select(pl.col("session", "symbol", "open_at").gather(places))
