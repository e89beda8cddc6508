"""Order books whose depth follows a planted law: exact ones (market K5) and ones over sessions of given daily bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.chain import underlying_states
from gnosis.simulate.draws import keyed_normal, keyed_uniform
from gnosis.simulate.intraday import minute_bars, repeated
from gnosis.simulate.volatility import SESSIONS_PER_YEAR

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gnosis.simulate.intraday import MinuteBars

LOST_SHARE = 0.6
"""Share of a side's sizes that a sudden loss takes away."""

HALF_LIFE_MINUTES = 3.0
"""Time in which half of a sudden loss comes back."""

TILT_PERSISTENCE = 0.95
TILT = 0.3


@dataclass(frozen=True)
class BookTruth:
    """Planted law: displayed dollars within a relative distance x of mid are ``adv_usd`` (x / move)^exponent.

    ``move`` is Y sigma_d, the move that one average daily volume makes. Exponent 2 is the square-root impact law,
    1 the linear law; it is what ``depth_elasticity`` has to find.
    """

    adv_usd: float
    move: float
    exponent: float

    def depth_usd(self, x: float) -> float:
        """Return displayed dollars on one side within distance ``x``."""
        return float(self.adv_usd * (x / self.move) ** self.exponent)

    def stiffness_usd_per_unit(self, x: float) -> float:
        """Return local D(x) = dQ/dx; for the square-root law 2 ADV$ x / (Y sigma_d)^2."""
        return float(self.exponent * self.adv_usd / self.move * (x / self.move) ** (self.exponent - 1))


def square_root_book(
    sessions: Sequence[dt.date],
    levels: int = 20,
    mid_usd: float = 100.0,
    tick_usd: float = 0.05,
    adv_usd: float = 1e8,
    move: float = 0.02,
    exponent: float = 2.0,
    symbol: str = "K5",
) -> tuple[pl.DataFrame, BookTruth]:
    """Return one snapshot per session, 15 minutes before the close, with depth exactly on the law.

    Level j lies j ticks from mid and carries the dollars between its distance and the one before. No randomness.

    Parameters
    ----------
    sessions
        Sessions of the exchange.
    levels
        Levels per side.
    mid_usd, tick_usd
        Mid price and distance of neighbouring levels in dollars.
    adv_usd, move, exponent
        See :class:`BookTruth`; ``exponent`` 1 gives a book of the linear law.
    symbol
        Name in the rows.

    Returns
    -------
    frame : polars.DataFrame
        ``session``, ``symbol``, ``ts``, ``side`` (B, A), ``level`` (1 = best), ``price`` ($), ``size`` (shares),
        ``known_at``, ``provider``, ``synthetic``.
    truth : BookTruth

    Raises
    ------
    ValueError
        When the lowest bid would not be positive.

    Examples
    --------
    >>> import datetime as dt
    >>> book, truth = square_root_book([dt.date(2012, 1, 3)])
    >>> dollars = book.filter(pl.col("side") == "A").select(pl.col("price") * pl.col("size")).sum().item()
    >>> round(dollars, 2), round(truth.depth_usd(0.01), 2)
    (25000000.0, 25000000.0)
    """
    if not (tick_usd > 0 and levels >= 1 and mid_usd > levels * tick_usd and min(adv_usd, move, exponent) > 0):
        raise ValueError(
            f"expected positive settings and mid above {levels} levels x tick, found mid {mid_usd}, tick {tick_usd}"
        )
    truth = BookTruth(adv_usd, move, exponent)
    level = np.arange(1, levels + 1)
    distance = level * tick_usd
    within = adv_usd * (distance / mid_usd / move) ** exponent
    dollars = np.diff(within, prepend=0.0)
    sides = pl.concat(
        pl.DataFrame(
            {
                "side": [side] * levels,
                "level": level,
                "price": mid_usd + sign * distance,
                "size": dollars / (mid_usd + sign * distance),
            }
        )
        for side, sign in (("A", 1), ("B", -1))
    )
    days = schedule().filter(pl.col("session").is_in(pl.Series(sessions).implode()))
    return (
        days.select("session", pl.lit(symbol).alias("symbol"), ts="chain_at")
        .join(sides, how="cross", maintain_order="left_right")
        .with_columns(known_at="ts", provider=pl.lit("simulate"), synthetic=pl.lit(True)),
        truth,
    )


def order_books(
    bars: pl.DataFrame,
    seed: int,
    sessions: Sequence[dt.date] | None = None,
    levels: int = 10,
    half_spread_bps: float = 2.0,
    size_noise: float = 0.2,
    loss_chance: float = 0.01,
    depth: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return generated books at the end of every minute of the session, on given daily bars.

    Mid is the close of the generated minute bar. Level j lies at (2j - 1) half spreads. The dollars within a relative
    distance x of mid follow the square-root law ADV$ (x / sigma_d)^2 on each side, each level times lognormal noise;
    ADV and sigma_d come from the bars before the session. Buyers and sellers take turns in showing more (a persistent
    tilt of 0.3 in logs, opposite on the two sides), and now and then a side loses 0.6 of its sizes and regains half of
    the loss every three minutes.

    Parameters
    ----------
    bars
        Rows of raw.equity_bars with at least 64 sessions before the first wanted one; others have no book.
    seed
        Integer >= 0.
    sessions
        Wanted sessions; all that the bars allow by default.
    levels, half_spread_bps, size_noise
        Levels per side; half of the quoted spread in basis points of mid; log standard deviation of level sizes.
    loss_chance
        Probability of a sudden loss per side and minute.
    depth
        ``session``, ``symbol`` and ``depth_share``: what is displayed as a multiple of the law; 1 where no row says so.

    Returns
    -------
    frame : polars.DataFrame
        Columns of raw.order_books, sorted by (session, symbol, ts, side, level); ``known_at`` is ``ts``.
    truth : polars.DataFrame
        ``session``, ``symbol``, ``adv_usd``, ``move`` (sigma_d) and ``depth_share`` of the planted law.

    Raises
    ------
    ValueError
        For settings outside their range, or bars without sessions.

    Examples
    --------
    >>> from gnosis.sessions import sessions_between
    >>> from gnosis.simulate.market import market
    >>> import datetime as dt
    >>> days = sessions_between(dt.date(2005, 1, 3), dt.date(2005, 6, 30))
    >>> book, truth = order_books(market("daily", ["AAA"], days, seed=7).bars, seed=7, sessions=days[-1:])
    >>> book.height, round(truth["move"].item(), 4)
    (7800, 0.0176)
    """
    if not (levels >= 1 and 0 < half_spread_bps * (2 * levels - 1) < 1e4 and size_noise >= 0 and 0 <= loss_chance < 1):
        raise ValueError(
            "expected levels >= 1, size_noise >= 0, bids above 0 and 0 <= loss_chance < 1, "
            f"found {levels}, {size_noise}, {half_spread_bps}, {loss_chance}"
        )
    states = underlying_states(bars, seed)
    if sessions is not None:
        states = states.filter(pl.col("session").is_in(pl.Series(sessions, dtype=pl.Date).implode()))
    truth = states.select(
        "session",
        "symbol",
        adv_usd=pl.col("adv_shares") * pl.col("reference_usd"),
        move=pl.col("volatility") / SESSIONS_PER_YEAR**0.5,
    ).sort("session", "symbol")
    truth = _with_share(truth, depth)
    known = bars.join(truth, on=["session", "symbol"], how="inner", maintain_order="left")
    steps = (2.0 * np.arange(1, levels + 1) - 1) * half_spread_bps / 1e4
    frames = [
        _book_rows(group, seed, np.asarray(steps, dtype=np.float64), size_noise, loss_chance)
        for group in minute_bars(known, seed, truth["session"].unique().to_list())
    ]
    if not frames:
        raise ValueError("expected bars with 64 sessions before the wanted ones, found none; pass a longer history")
    return pl.concat(frames).sort("session", "symbol", "ts", "side", "level"), truth


def _with_share(truth: pl.DataFrame, depth: pl.DataFrame | None) -> pl.DataFrame:
    if depth is None:
        return truth.with_columns(depth_share=pl.lit(1.0))
    given = depth.select("session", "symbol", "depth_share")
    if not (given["depth_share"] > 0).fill_null(value=False).all():
        raise ValueError("depth: expected depth_share > 0, found others")
    joined = truth.join(given, on=["session", "symbol"], how="left", maintain_order="left", validate="m:1")
    return joined.with_columns(pl.col("depth_share").fill_null(1.0))


def _book_rows(
    group: MinuteBars, seed: int, steps: NDArray[np.float64], size_noise: float, loss_chance: float
) -> pl.DataFrame:
    points, minutes, levels = group.rows.height, group.minutes, len(steps)
    shape = (points, minutes, 2, levels)
    noise = keyed_normal(seed, "book.size", *group.keys(*shape[1:])).reshape(shape)
    tilt = keyed_normal(seed, "book.tilt", *group.keys(minutes)).reshape(points, minutes)
    is_lost = keyed_uniform(seed, "book.loss", *group.keys(minutes, 2)).reshape(points, minutes, 2) < loss_chance
    lack = np.where(is_lost, LOST_SHARE, 0.0)
    tilt[:, 1:] *= np.sqrt(1 - TILT_PERSISTENCE**2)
    for n in range(1, minutes):
        tilt[:, n] += TILT_PERSISTENCE * tilt[:, n - 1]
        left = lack[:, n - 1] * 0.5 ** (1 / HALF_LIFE_MINUTES)
        lack[:, n] = np.maximum(lack[:, n], left)
    sides = np.array([-1.0, 1.0])
    leaning = np.exp(-sides * TILT * tilt[:, :, None] - TILT**2 / 2) * (1 - lack)
    law = (group.rows["adv_usd"] * group.rows["depth_share"]).to_numpy() / group.rows["move"].to_numpy() ** 2
    dollars = law[:, None, None, None] * np.diff(steps**2, prepend=0.0) * leaning[..., None]
    price = group.close[:, :, None, None] * (1 + sides[:, None] * steps)
    size = dollars * np.exp(size_noise * noise - size_noise**2 / 2) / price
    cells = 2 * levels
    minute = np.tile(np.repeat(np.arange(1, minutes + 1), cells), points)
    return (
        repeated(group.rows, minutes * cells)
        .with_columns(
            ts=pl.col("open_at") + pl.Series(minute) * pl.duration(minutes=1),
            side=pl.Series(np.tile(np.repeat([0, 1], levels), points * minutes), dtype=pl.UInt8).replace_strict(
                [0, 1], ["B", "A"], return_dtype=pl.Enum(["B", "A"])
            ),
            level=pl.Series(np.tile(np.arange(1, levels + 1), points * minutes * 2)),
            price=pl.Series(price.ravel()),
            # A displayed order is at least one share.
            size=pl.Series(np.maximum(np.round(size), 1).ravel()),
        )
        .select(
            *("session", "symbol", "ts", "side", "level", "price", "size"),
            known_at="ts",
            provider=pl.lit("simulate"),
            synthetic=pl.lit(True),
        )
    )
