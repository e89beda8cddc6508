"""The vendor's dark index and gamma exposure of the market, generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import NEW_YORK, schedule
from gnosis.simulate.draws import stream
from gnosis.simulate.volatility import persistent_factor

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


def dark_index(sessions: Sequence[dt.date], seed: int) -> pl.DataFrame:
    """Return one row per session of a dark index around 0.43 and a gamma exposure around 2e9.

    Both are persistent, correlated with nothing: neither prices nor generated chains know of them.

    Parameters
    ----------
    sessions
        Wanted sessions.
    seed
        Integer >= 0.

    Returns
    -------
    polars.DataFrame
        Columns of raw.dix; ``known_at`` is 20:00 New York of the session.

    Examples
    --------
    >>> import datetime as dt
    >>> dark_index([dt.date(2012, 1, 3)], seed=7).select("dix", "gex").row(0)
    (0.417626, 3169615859.0)
    """
    calendar = schedule().select("session").with_row_index("place")
    rows = calendar.filter(pl.col("session").is_in(pl.Series(sessions, dtype=pl.Date).implode()))
    places = rows["place"].to_numpy()
    draws = stream(seed, "dix").standard_normal((int(places.max(initial=0)) + 1, 2))
    share, gamma = (persistent_factor(draws[:, n], 0.9)[places] for n in range(2))
    published = pl.col("session").cast(pl.Datetime("us")).dt.offset_by("20h")
    return rows.select(
        "session",
        dix=pl.Series(np.round(1 / (1 + np.exp(0.28 - 0.12 * share)), 6)),
        gex=pl.Series(np.round(2e9 + 1.5e9 * gamma)),
        known_at=published.dt.replace_time_zone(str(NEW_YORK)).dt.convert_time_zone("UTC"),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )
