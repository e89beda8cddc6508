"""Which side trades aggressively, on exchange in the last half hour and off exchange by the dark index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gnosis.engines.indicators import close_location, previous, rolling_mean, rolling_sum
from gnosis.engines.intraday_bars import SeenBars, expected_bars
from gnosis.engines.order_books import MINUTE_US, OrderBooks
from gnosis.engines.points import Floats, Panel, Points
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.regimes import FlowRegime
from gnosis.engines.sentiment.daily_values import positive
from gnosis.engines.sentiment.inputs import SentimentInputs
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.trailing import YEAR, History, least
from gnosis.engines.volume_signing import buy_share, quote_rule
from gnosis.reasons import LEAST_SHARE

MINUTES = 30
"""Length of the window before the close."""

REGULAR_MINUTES = 390
SIGMA_SESSIONS = 20
DAILY_BARS = 10
LONGEST_MID_US = 5 * MINUTE_US
SECOND_US = 1_000_000

PRESSURES = ("sent_aggressive_buy_ratio", "sent_aggressive_sell_ratio", "sent_net_aggressor_pressure")


def process(
    inputs: SentimentInputs,
    history: History,
    parameters: SentimentParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return imbalance, aggressor pressure, dark index and the reading of every point.

    The last 30 minutes count; without snapshots or bars of one minute the last 10 daily bars stand in.
    """
    n = len(inputs.points)
    daily = inputs.bars.compute_all(daily_pressure)
    covered = daily.pop("coverage")
    imbalance, snapshots = _imbalance(inputs.books, n)
    minute = _minute_pressure(inputs)
    bars = minute.pop("known")
    is_proxy = np.zeros(n, dtype=bool)
    values = {}
    for name, preferred in {"sent_bid_ask_imbalance": imbalance, **minute}.items():
        stands_in = np.isnan(preferred) & ~np.isnan(daily[name])
        values[name] = np.where(stands_in, daily[name], preferred)
        is_proxy |= stands_in
    pressure, dark = values["sent_net_aggressor_pressure"], inputs.dark_index
    z = dark_index_z(history, dark["sent_dix"], dark["dix_source"])
    bias = composite_flow_bias(pressure, z)
    past = history.series("sent_composite_flow_bias", bias)
    values |= {name: dark[name] for name in ("sent_dix", "sent_gex", "dix_source", "gex_source")}
    values["sent_composite_flow_bias"] = bias
    values["sent_flow_regime"] = flow_regime(bias, past.quantile(0.2), past.quantile(0.8))

    expected = parameters.snapshots_per_session * MINUTES / REGULAR_MINUTES
    book_share = np.minimum(snapshots / expected, 1.0)
    bar_share = np.minimum(bars / MINUTES, 1.0)
    age = dark["dix_age"]
    freshness = np.where(np.isnan(age), 0.0, 0.5 ** (np.maximum(age - 1.0, 0.0) / 2.0))
    confidence = 0.7 * (0.4 * book_share + 0.3 * bar_share + 0.3 * covered) + 0.3 * freshness
    return ProcessorResult(
        values=values,
        confidence=np.where(np.isnan(bias), 0.0, confidence),
        reasons={
            "NO_BOOK": snapshots == 0,
            "PARTIAL_BOOK": (snapshots > 0) & (book_share < LEAST_SHARE),
            "NO_INTRADAY": bars == 0,
            "LOW_COVERAGE": (bars > 0) & (bar_share < LEAST_SHARE),
            "SHORTS_STALE": age > 1.0,
            "SOURCE_MISSING": np.isnan(age),
            "UNCALIBRATED": np.isnan(z) & ~np.isnan(dark["sent_dix"]),
            "SHORT_HISTORY": (covered < 1.0) | np.isnan(bias),
        },
        is_proxy=is_proxy,
    )


def daily_pressure(panel: Panel, points: Points) -> dict[str, Floats]:
    """Return the daily forms of imbalance and aggressor shares at the points, and the share of the 10 bars present.

    The imbalance is the mean close location, the buy probability of a bar that of its log change against the standard
    deviation of the 60 changes before it.
    """
    changes, volume = panel.returns, panel.adjusted_volume
    share = buy_share(changes, previous(panel.sd60))
    counted = np.where(np.isnan(share), np.nan, volume)
    total = positive(panel.at(points, rolling_sum(counted, DAILY_BARS)))
    parts = (np.where(share > 0.6, counted, 0.0), np.where(share < 0.4, counted, 0.0), counted * (2.0 * share - 1.0))
    found = {
        name: panel.at(points, rolling_sum(part, DAILY_BARS)) / total
        for name, part in zip(PRESSURES, parts, strict=True)
    }
    location = close_location(panel.high, panel.low, panel.close)
    found["sent_bid_ask_imbalance"] = panel.at(points, rolling_mean(location, DAILY_BARS))
    return found | {"coverage": panel.share_known(points, volume, DAILY_BARS)}


def dark_index_z(history: History, dix: Floats, source: Floats) -> Floats:
    """Return the z-score of the dark index among the values of 252 sessions that come from the source of today's.

    The vendor's index and the short share that stands in for it are two quantities with levels of their own.

    Parameters
    ----------
    history
        Sessions before the points.
    dix, source
        ``sent_dix`` of the points and the position of its ``dix_source``.

    Examples
    --------
    >>> import polars as pl
    >>> from gnosis.sessions import schedule
    >>> rows = schedule().head(253).select(symbol=pl.lit("A"), session="session", as_of="close_at")
    >>> stored = rows.head(252).with_columns(sent_dix=pl.int_range(252) % 3 * 0.01, dix_source=pl.lit(0.0))
    >>> history = History(Points.of(rows.tail(1)), stored)
    >>> [dark_index_z(history, np.array([0.02]), np.array([source])).round(4).item() for source in (0.0, 1.0)]
    [1.2223, nan]
    """
    series, sources = history.series("sent_dix", dix), history.series("dix_source", source)
    found = np.full(dix.size, np.nan)
    for one in np.unique(source[~np.isnan(source)]):
        own = replace(series, matrix=np.where(sources.matrix == one, series.matrix, np.nan))
        found = np.where(source == one, own.z(YEAR), found)
    return found


def composite_flow_bias(net_aggressor_pressure: Floats, dix_z: Floats) -> Floats:
    """Return 0.7 of the pressure + 0.3 tanh(z/2) of the dark index; the pressure alone where z is NaN.

    Examples
    --------
    >>> composite_flow_bias(np.array([0.5, 0.5, np.nan]), np.array([2.0, np.nan, 2.0])).round(6).tolist()
    [0.578478, 0.5, nan]
    """
    mixed = 0.7 * net_aggressor_pressure + 0.3 * np.tanh(dix_z / 2.0)
    return np.clip(np.where(np.isnan(dix_z), net_aggressor_pressure, mixed), -1.0, 1.0)


def flow_regime(bias: Floats, low: Floats, high: Floats) -> Floats:
    """Return the position of the label in ``FlowRegime``: beyond its own trailing quantile and of that sign.

    Examples
    --------
    >>> found = flow_regime(np.array([0.3, -0.3, 0.1]), np.full(3, -0.2), np.full(3, 0.2))
    >>> [list(FlowRegime)[int(code)].value for code in found]
    ['bullish_flow', 'bearish_flow', 'balanced_flow']
    """
    labels = list(FlowRegime)
    found = np.full(bias.shape, float(labels.index(FlowRegime.BALANCED_FLOW)))
    found[(bias > 0.0) & (bias > high)] = labels.index(FlowRegime.BULLISH_FLOW)
    found[(bias < 0.0) & (bias < low)] = labels.index(FlowRegime.BEARISH_FLOW)
    found[np.isnan(bias + low + high)] = np.nan
    return found


def _imbalance(books: OrderBooks | None, n: int) -> tuple[Floats, Floats]:
    """Return the mean imbalance at the best level in the last 30 minutes, and the number of snapshots behind it."""
    from gnosis.engines.sentiment.flow_kernel import mean_imbalance

    if books is None or books.ts.size == 0:
        return np.full(n, np.nan), np.zeros(n)
    starts, ends = books.regular(minutes=MINUTES)
    found = mean_imbalance(np.array(books.bid_size[:, 0]), np.array(books.ask_size[:, 0]), starts, ends)
    return found[0], found[1]


def _minute_pressure(inputs: SentimentInputs) -> dict[str, Floats]:
    """Return the aggressor shares of the last 30 minutes, and the number of bars behind them as ``known``."""
    from gnosis.engines.sentiment.flow_kernel import aggressor_shares

    names = (*PRESSURES, "known")
    n = len(inputs.points)
    if inputs.intraday1 is None or n == 0:
        return dict.fromkeys(PRESSURES, np.full(n, np.nan)) | {"known": np.zeros(n)}

    def shares(seen: SeenBars) -> dict[str, Floats]:
        starts, ends = seen.closing(MINUTES)
        before = expected_bars(seen.points.position - 1, seen.frequency, SIGMA_SESSIONS)
        fewest = np.maximum(least(SIGMA_SESSIONS), -(-before // 4))
        sides, side_starts = _sides(seen, inputs.books, starts, ends)
        first, last = seen.before(SIGMA_SESSIONS)
        found = aggressor_shares(seen.volume, seen.log_change, sides, starts, ends, side_starts, first, last, fewest)
        return dict(zip(names, found, strict=True))

    return {name: part.astype(np.float64) for name, part in inputs.intraday1.compute_all(shares).items()}


def _sides(seen: SeenBars, books: OrderBooks | None, starts: np.ndarray, ends: np.ndarray) -> tuple[Floats, np.ndarray]:
    """Return the side of each bar of the slices by the quote rule, NaN without a snapshot, and where slices begin."""
    length = ends - starts
    first = np.cumsum(length) - length
    rows = np.arange(int(length.sum())) + np.repeat(starts - first, length)
    if books is None or rows.size == 0:
        return np.full(rows.size, np.nan), first
    mid = books.mid_before(np.repeat(seen.at, length), seen.session[rows], seen.ts[rows] - SECOND_US, LONGEST_MID_US)
    before = np.maximum(rows - 1, 0)
    follows = (rows > 0) & (seen.visible.place[before] == seen.visible.place[rows])
    return quote_rule(seen.close[rows], mid, np.where(follows, seen.close[before], np.nan)), first
