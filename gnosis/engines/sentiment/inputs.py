"""What the eight processors of the sentiment engine read, made once per call from tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.documents import Documents
from gnosis.engines.intraday_bars import IntradayBars
from gnosis.engines.order_books import OrderBooks
from gnosis.engines.points import DailyBars, Floats, Points
from gnosis.engines.sentiment.chain_sums import ChainSums
from gnosis.options.origin import require_table

SOURCES = ("news", "x", "reddit", "stocktwits")
Bools = NDArray[np.bool_]
ELASTICITY = (
    "atm_iv_30d",
    "skew_25d_volpts",
    "term_slope_volpts",
    "hedge_confidence",
    "depth_usd_per_unit",
    "dealer_gamma_usd_per_unit",
    "amplification",
)
COLLECTED_HOURS = 24.0


@dataclass(frozen=True)
class SentimentInputs:
    """Inputs of the points, each already cut to what a point may see.

    Attributes
    ----------
    points
        Symbols and sessions of the rows to make.
    bars
        Daily bars of the points' symbols.
    breadth
        Market-wide measures at each point by column, see :func:`gnosis.engines.sentiment.breadth.breadth_at`.
    dark_index
        Dark index and vendor gamma at each point, see :func:`gnosis.engines.sentiment.dark_index.dark_index_at`.
    documents
        Posts and news with their scores.
    chains
        Sums over the option chain of each point, NaN where there is no chain.
    elasticity
        By column of ``engines.elasticity`` its value under the naive convention at each point, NaN where unknown or
        not yet known: those of :data:`ELASTICITY`.
    books
        Order books; None: not collected.
    intraday1
        Bars of one minute; None: not collected.
    collected
        Where texts were collected, by source: ``news``, ``x``, ``reddit`` and ``stocktwits``.
    stocktwits_hours
        Hours before each cut-off over which the posts of StockTwits were followed, at most 24.
    """

    points: Points
    bars: DailyBars
    breadth: Mapping[str, Floats]
    dark_index: Mapping[str, Floats]
    documents: Documents
    chains: ChainSums
    elasticity: Mapping[str, Floats]
    books: OrderBooks | None
    intraday1: IntradayBars | None
    collected: Mapping[str, Bools]
    stocktwits_hours: Floats


def collected_at(points: Points, collected: Collection[str] | Mapping[str, dt.date]) -> dict[str, Bools]:
    """Return where each source of texts was collected.

    Parameters
    ----------
    points
        Points of the rows in the making.
    collected
        Sources, collected from the beginning; or by source the first session of which it was collected.

    Raises
    ------
    ValueError
        When a source does not exist.

    Examples
    --------
    >>> close = dt.datetime(2012, 1, 3, 21, tzinfo=dt.UTC)
    >>> points = Points.of(pl.DataFrame({"symbol": ["A"], "session": [close.date()], "as_of": [close]}))
    >>> found = collected_at(points, {"news": dt.date(2012, 1, 3), "x": dt.date(2012, 1, 4)})
    >>> {source: where.item() for source, where in found.items()}
    {'news': True, 'x': False, 'reddit': False, 'stocktwits': False}
    """
    if unknown := set(collected) - set(SOURCES):
        raise ValueError(f"collected: expected sources out of {sorted(SOURCES)}, found {sorted(unknown)}")
    since = dict(collected) if isinstance(collected, Mapping) else dict.fromkeys(collected, dt.date.min)
    sessions = points.frame["session"]
    return {
        source: (sessions >= since[source]).to_numpy() if source in since else np.zeros(len(points), dtype=bool)
        for source in SOURCES
    }


def elasticity_at(points: Points, elasticity: pl.DataFrame | None) -> dict[str, Floats]:
    """Return columns of ``engines.elasticity`` under the naive convention at the points, NaN where unknown.

    Of several versions of a row the one counts that was known last at the cut-off.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.
    """
    found = {name: np.full(len(points), np.nan) for name in ELASTICITY}
    if elasticity is None:
        return found
    require_table(elasticity, "engines.elasticity")
    rows = elasticity.filter(pl.col("sign_convention") == "naive").select("symbol", "session", "known_at", *ELASTICITY)
    seen = (
        points.frame.with_row_index("point")
        .join(rows, on=["symbol", "session"])
        .filter(pl.col("known_at") <= pl.col("as_of"))
        .sort("point", "known_at", *ELASTICITY)
        .unique("point", keep="last", maintain_order=True)
    )
    at = seen["point"].to_numpy()
    for name, values in found.items():
        values[at] = seen[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return found


def hours_at(points: Points, hours: pl.DataFrame | None) -> Floats:
    """Return the hours before each point over which posts were collected: 24 where nothing else is said.

    Parameters
    ----------
    points
        Points.
    hours
        ``symbol``, ``session`` and ``collected_hours`` of the points whose pages were not followed back to 24 hours.

    Raises
    ------
    ValueError
        When a column is missing, or hours are not between 0 and 24.
    """
    found = np.full(len(points), COLLECTED_HOURS)
    if hours is None:
        return found
    if missing := {"symbol", "session", "collected_hours"} - set(hours.columns):
        raise ValueError(f"stocktwits_hours: expected the columns {sorted(missing)}, found {hours.columns}")
    if not hours["collected_hours"].is_between(0.0, COLLECTED_HOURS).all():
        raise ValueError("stocktwits_hours: expected collected_hours between 0 and 24, found others or null")
    seen = points.frame.with_row_index("point").join(hours, on=["symbol", "session"])
    if seen["point"].is_duplicated().any():
        raise ValueError("stocktwits_hours: expected each symbol and session once, found some twice")
    found[seen["point"].to_numpy()] = seen["collected_hours"].cast(pl.Float64).to_numpy()
    return found
