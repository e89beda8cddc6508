"""Off-exchange short volume on given daily bars, with planted shares."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import NEW_YORK, schedule
from gnosis.simulate.draws import stream
from gnosis.simulate.volatility import persistent_factor

if TYPE_CHECKING:
    from collections.abc import Sequence

PUBLISHED = dt.time(18, 0)


def short_volume(
    bars: pl.DataFrame, seed: int, sessions: Sequence[dt.date] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return generated off-exchange short volume for the symbols and sessions of ``bars``.

    The off-exchange share of volume wanders around 0.4 and the short share of it around 0.45, independently of prices.

    Parameters
    ----------
    bars
        Rows of raw.equity_bars; only ``session``, ``symbol`` and ``volume`` are read.
    seed
        Integer >= 0.
    sessions
        Wanted sessions; those of ``bars`` by default.

    Returns
    -------
    frame : polars.DataFrame
        ``session``, ``symbol``, ``short_volume``, ``short_exempt_volume``, ``total_volume`` (shares, off exchange
        only), ``known_at`` (18:00 New York of the session), ``provider``, ``synthetic``.
    truth : polars.DataFrame
        ``session``, ``symbol``, ``off_exchange_share``, ``short_share``.

    Examples
    --------
    >>> bars = pl.DataFrame({"session": [dt.date(2012, 1, 3)], "symbol": ["AAA"], "volume": [1e6]})
    >>> frame, truth = short_volume(bars, seed=7)
    >>> bool(abs(frame["total_volume"].item() - 1e6 * truth["off_exchange_share"].item()) <= 0.5)
    True
    """
    calendar = schedule()["session"]
    rows = bars.select("session", "symbol", "volume")
    if sessions is not None:
        rows = rows.filter(pl.col("session").is_in(pl.Series(sessions).implode()))
    parts = []
    for group in rows.sort("symbol", "session").partition_by("symbol", maintain_order=True):
        places = calendar.search_sorted(group["session"]).to_numpy()
        draws = stream(seed, "shorts", str(group["symbol"][0])).standard_normal((int(places.max()) + 1, 2))
        off, short = (persistent_factor(draws[:, n], 0.95)[places] for n in range(2))
        parts.append(
            group.with_columns(
                off_exchange_share=1 / (1 + np.exp(0.4 - 0.15 * off)), short_share=1 / (1 + np.exp(0.2 - 0.2 * short))
            )
        )
    if not parts:
        raise ValueError("expected rows of raw.equity_bars in the wanted sessions, found none")
    truth = pl.concat(parts).sort("session", "symbol")
    published = (
        pl.col("session")
        .cast(pl.Datetime("us"))
        .dt.offset_by(f"{PUBLISHED.hour}h")
        .dt.replace_time_zone(str(NEW_YORK))
        .dt.convert_time_zone("UTC")
    )
    total = (pl.col("volume") * pl.col("off_exchange_share")).round()
    frame = truth.select(
        "session",
        "symbol",
        short_volume=(total * pl.col("short_share")).round(),
        short_exempt_volume=(total * pl.col("short_share") * 0.01).round(),
        total_volume=total,
        known_at=published,
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
    return frame, truth.drop("volume")
