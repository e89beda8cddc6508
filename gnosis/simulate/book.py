"""Order books whose depth follows a planted law: exact ones (market K5) and ones on given daily bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.chain import underlying_states
from gnosis.simulate.draws import date_keys, keyed_normal, text_keys
from gnosis.simulate.volatility import SESSIONS_PER_YEAR

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


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
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return one generated book per symbol and session, 15 minutes before the close, on given daily bars.

    Mid is the drawn spot of the option chain of the same seed. The dollars within a relative distance x of mid follow
    the square-root law ADV$ (x / sigma_d)^2 on each side, each level times lognormal noise; ADV and sigma_d come from
    the bars before the session. Level j lies at (2j - 1) half spreads.

    Parameters
    ----------
    bars
        Rows of raw.equity_bars with at least 64 sessions before the first wanted one.
    seed
        Integer >= 0.
    sessions
        Wanted sessions; all that the bars allow by default.
    levels, half_spread_bps, size_noise
        Levels per side; half of the quoted spread in basis points of mid; log standard deviation of level sizes.

    Returns
    -------
    frame : polars.DataFrame
        Columns of :func:`square_root_book`, sorted by (session, symbol, side, level).
    truth : polars.DataFrame
        ``session``, ``symbol``, ``mid`` ($), ``adv_usd``, ``move`` (sigma_d) of the planted law.

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
    (20, 0.0176)
    """
    if not (levels >= 1 and 0 < half_spread_bps * (2 * levels - 1) < 1e4 and size_noise >= 0):
        raise ValueError(
            f"expected levels >= 1, size_noise >= 0 and bids above 0, found {levels}, {size_noise}, {half_spread_bps}"
        )
    states = underlying_states(bars, seed)
    if sessions is not None:
        states = states.filter(pl.col("session").is_in(pl.Series(sessions, dtype=pl.Date).implode()))
    truth = states.select(
        "session",
        "symbol",
        "ts",
        mid="spot",
        adv_usd=pl.col("adv_shares") * pl.col("reference_usd"),
        move=pl.col("volatility") / SESSIONS_PER_YEAR**0.5,
    ).sort("session", "symbol")
    steps = 2.0 * np.arange(1, levels + 1) - 1
    sides = pl.DataFrame(
        {
            "side": ["A"] * levels + ["B"] * levels,
            "level": [*range(1, levels + 1)] * 2,
            "offset": np.concatenate([steps, -steps]) * half_spread_bps / 1e4,
            "share": np.tile(np.diff(steps**2, prepend=0.0), 2) * (half_spread_bps / 1e4) ** 2,
        }
    )
    rows = truth.join(sides, how="cross", maintain_order="left_right")
    keys = (
        text_keys(rows["symbol"]),
        date_keys(rows["session"]),
        (rows["side"] == "A").to_numpy(),
        rows["level"].to_numpy(),
    )
    noise = np.exp(size_noise * keyed_normal(seed, "book.size", *keys) - size_noise**2 / 2)
    price = pl.col("mid") * (1 + pl.col("offset"))
    frame = rows.select(
        "session",
        "symbol",
        "ts",
        "side",
        "level",
        price=price,
        size=(pl.col("adv_usd") / pl.col("move") ** 2 * pl.col("share") * pl.Series(noise) / price),
        known_at="ts",
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
    return frame, truth.drop("ts")
