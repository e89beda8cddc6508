"""Which side of the order book is heavier, and how it changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.indicators import close_location
from gnosis.engines.liquidity.book_quality import (
    Quotes,
    any_known,
    book_confidence,
    book_coverage,
    book_reasons,
    quotes,
    sum_of_levels,
    within,
)
from gnosis.engines.liquidity.inputs import WINDOW, LiquidityInputs, log_changes
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.order_books import MINUTE_US, OrderBooks, regular_hours
from gnosis.engines.points import Floats, Integers, Panel, Points
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import History, Series, banded, least

CLOSING_MINUTES = 5
ICEBERG_MINUTES = 30
ICEBERG_MULTIPLE = 3.0
SELL_BELOW, BUY_ABOVE = 0.1, 0.9


def order_flow_events(bid_price: ArrayLike, bid_size: ArrayLike, ask_price: ArrayLike, ask_size: ArrayLike) -> Floats:
    """Return the order-flow events between successive snapshots (Cont, Kukanov & Stoikov 2014).

    e = 1[Pb >= Pb'] qb - 1[Pb <= Pb'] qb' - 1[Pa <= Pa'] qa + 1[Pa >= Pa'] qa', primes for the snapshot before: what
    was added to the bid or taken from the ask, positive for buying.

    Parameters
    ----------
    bid_price, bid_size, ask_price, ask_size
        $ and shares of n snapshots in the order of time on the first axis, of the best level or of any further axes.

    Returns
    -------
    numpy.ndarray
        Shares, shape (n - 1, ...); NaN where one of the eight values is.

    Examples
    --------
    >>> bids, asks = [10.0, 10.0, 10.01, 10.0], [10.01, 10.01, 10.02, 10.02]
    >>> order_flow_events(bids, [100, 150, 80, 90], asks, [200, 200, 120, 100]).tolist()
    [50.0, 280.0, -60.0]
    """
    pb, qb, pa, qa = (np.asarray(side, dtype=np.float64) for side in (bid_price, bid_size, ask_price, ask_size))
    bid = np.where(pb[1:] >= pb[:-1], qb[1:], 0.0) - np.where(pb[1:] <= pb[:-1], qb[:-1], 0.0)
    ask = np.where(pa[1:] >= pa[:-1], qa[:-1], 0.0) - np.where(pa[1:] <= pa[:-1], qa[1:], 0.0)
    unknown = np.isnan(pb) | np.isnan(qb) | np.isnan(pa) | np.isnan(qa)
    return np.where(unknown[1:] | unknown[:-1], np.nan, bid + ask)


def ofi(events: ArrayLike) -> Floats:
    """Return the order-flow imbalance of events in [-1, 1], their sum over the sum of their sizes; NaN without any.

    Examples
    --------
    >>> ofi([50.0, 280.0, -60.0]).round(10).item()
    0.6923076923
    """
    e = np.asarray(events, dtype=np.float64)
    size = np.nansum(np.abs(e))
    return np.asarray(np.nansum(e) / size if size > 0 else np.nan)


def microprice(bid_price: ArrayLike, bid_size: ArrayLike, ask_price: ArrayLike, ask_size: ArrayLike) -> Floats:
    """Return (Pa Qb + Pb Qa)/(Qa + Qb) in $: the mid drawn towards the thinner side; NaN when both sizes are 0.

    Examples
    --------
    >>> microprice(10.00, 300, 10.02, 100).round(6).item()
    10.015
    """
    pb, qb, pa, qa = (np.asarray(side, dtype=np.float64) for side in (bid_price, bid_size, ask_price, ask_size))
    size = qa + qb
    return (pa * qb + pb * qa) / np.where(size > 0, size, np.nan)


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return imbalance, order-flow imbalance, deviation of the microprice and the iceberg alert.

    The imbalance is that of the last 5 minutes, order flow that of the regular session, the microprice that of its last
    snapshot unless that is more than ``parameters.stale_minutes`` before the close. Without a snapshot in the last 5
    minutes Chaikin money flow stands in for the imbalance, and for the alert a session of high volume and small return.
    With snapshots but no one-minute bars the alert is unknown.
    """
    n = len(inputs.points)
    session = quotes(inputs)
    has_quotes = session.ends > session.starts
    imbalance = np.full(n, np.nan)
    values = dict.fromkeys(
        ("ofi_shares", "ofi_normalised", "ofi_multilevel_normalised", "microprice_deviation_bps"), imbalance
    )
    has_closing, alert = np.zeros(n, dtype=bool), imbalance
    if inputs.books is not None and session.row.size:
        closes = regular_hours(inputs.points.position)[1]
        closing = within(inputs.books, session, closes, CLOSING_MINUTES)
        has_closing = closing.ends > closing.starts
        imbalance = _imbalance(inputs.books, closing, parameters.book_levels)
        values = _flow(inputs.books, session, parameters.book_levels)
        values["microprice_deviation_bps"] = _microprice_deviation(
            inputs.books, within(inputs.books, session, closes, parameters.stale_minutes)
        )
        alert = icebergs(inputs, within(inputs.books, session, closes, ICEBERG_MINUTES))
    daily = inputs.bars.compute_all(daily_proxies)
    is_quiet = np.abs(daily["log_return"]) < 0.25 * inputs.sigma_d
    known = ~np.isnan(daily["volume_z"] * daily["log_return"] * inputs.sigma_d)
    busy_and_quiet = np.where(known, (daily["volume_z"] > 2) & is_quiet, np.nan)
    no_alert = np.isnan(alert)
    imbalance = np.where(has_closing, imbalance, daily["money_flow"])
    values |= {
        "liq_orderbook_imbalance": imbalance,
        "liq_iceberg_alert": np.where(no_alert & ~has_closing, busy_and_quiet, alert),
    }
    book = book_coverage(inputs, parameters, parameters.book_levels)
    bars = inputs.daily_coverage(WINDOW)
    has_output = any_known(values)
    rank = history.series("liq_orderbook_imbalance", imbalance).percentile_rank()
    values["book_pressure"] = banded(rank, below=(SELL_BELOW,), up_to=(BUY_ABOVE,))
    reasons = book_reasons(inputs, book, bars, has_quotes, ~has_closing)
    reasons["SHORT_HISTORY"] = reasons["SHORT_HISTORY"] | (np.isnan(rank) & ~np.isnan(imbalance))
    reasons["NO_INTRADAY"] = has_closing & no_alert
    confidence = book_confidence(book, bars, ~has_closing, has_output)
    return ProcessorResult(values, confidence, reasons, ~has_closing & has_output)


def _imbalance(books: OrderBooks, closing: Quotes, levels: int) -> Floats:
    """Return the mean imbalance of sizes, or of order flow where books have one level only."""
    n = closing.starts.size
    row, point = closing.row, closing.point
    bid, ask = (sum_of_levels(side[row, :levels]) for side in (books.bid_size, books.ask_size))
    deep = ~np.isnan(books.bid_size[row, 1:levels]).all(axis=1) | ~np.isnan(books.ask_size[row, 1:levels]).all(axis=1)
    is_deep = np.bincount(point, weights=deep, minlength=n) > 0
    total = bid + ask
    some = total > 0
    sums = np.bincount(point[some], weights=((bid - ask)[some] / total[some]), minlength=n)
    count = np.bincount(point[some], minlength=n)
    mean = sums / np.where(count > 0, count, np.nan)
    if is_deep.all():
        return mean
    return np.where(is_deep, mean, _flow(books, closing, 1)["ofi_normalised"])


def _flow(books: OrderBooks, session: Quotes, levels: int) -> dict[str, Floats]:
    n, width = session.starts.size, min(levels, books.levels)
    row, point = session.row, session.point
    events = order_flow_events(
        books.bid_price[row, :width], books.bid_size[row, :width], books.ask_price[row, :width],
        books.ask_size[row, :width],
    )  # fmt: skip
    same = point[1:] == point[:-1]
    events, point = events[same], point[1:][same]
    sizes = np.abs(events)
    weights = np.exp(-np.arange(width) / 2)

    def total(amounts: Floats) -> Floats:
        return np.bincount(point, weights=amounts, minlength=n).astype(np.float64)

    def share(amount: Floats, size: Floats) -> Floats:
        return amount / np.where(size > 0, size, np.nan)

    best = total(events[:, 0])
    every, all_sizes = (total(sum_of_levels(weights * part)) for part in (events, sizes))
    return {
        "ofi_shares": np.where(np.bincount(point, minlength=n) > 0, best, np.nan),
        "ofi_normalised": share(best, total(sizes[:, 0])),
        "ofi_multilevel_normalised": share(every, all_sizes),
    }


def _microprice_deviation(books: OrderBooks, fresh: Quotes) -> Floats:
    has = fresh.ends > fresh.starts
    last = fresh.row[fresh.ends[has] - 1]
    deviation = np.full(has.size, np.nan)
    fair = microprice(
        books.bid_price[last, 0], books.bid_size[last, 0], books.ask_price[last, 0], books.ask_size[last, 0]
    )
    deviation[has] = 1e4 * (fair / books.mid[last] - 1)
    return deviation


def icebergs(inputs: LiquidityInputs, closing: Quotes) -> Floats:
    """Return 1 where a minute bar traded more at a best price than is displayed there before and after it, else 0.

    The snapshots are those nearest to the two ends of the bar, at most half a minute off and one minute apart. The
    alert is for a price that did not get worse and a displayed size that did not fall, while the volume of the bar,
    whose range holds the price, exceeded three times that size. NaN where no bar of known volume has two snapshots.
    """
    found = np.full(len(inputs.points), np.nan)
    if inputs.intraday1 is None or inputs.books is None:
        return found
    books = inputs.books
    instants = books.ts[closing.row]
    for seen in inputs.intraday1.groups:
        starts, ends = seen.closing(ICEBERG_MINUTES)
        count = ends - starts
        point = np.repeat(seen.at, count)
        bar = np.arange(point.size) + np.repeat(starts - np.cumsum(count) + count, count)
        before = _nearest(instants, closing, point, seen.ts[bar] - MINUTE_US)
        after = _nearest(instants, closing, point, seen.ts[bar])
        paired = (before >= 0) & (after > before) & ~np.isnan(seen.volume[bar])
        paired[paired] = instants[after[paired]] - instants[before[paired]] <= MINUTE_US
        point, bar, before, after = point[paired], bar[paired], closing.row[before[paired]], closing.row[after[paired]]
        is_alert = np.zeros(point.size, dtype=bool)
        for price, size, sign in ((books.bid_price, books.bid_size, 1.0), (books.ask_price, books.ask_size, -1.0)):
            at, displayed = price[before, 0], size[before, 0]
            stayed = (sign * (price[after, 0] - at) >= 0) & (size[after, 0] >= displayed) & (displayed > 0)
            traded = (seen.low[bar] <= at) & (at <= seen.high[bar])
            is_alert |= stayed & traded & (seen.volume[bar] > ICEBERG_MULTIPLE * displayed)
        found[point] = 0.0
        found[point[is_alert]] = 1.0
    return found


def _nearest(instants: Integers, closing: Quotes, point: Integers, wanted: Integers) -> Integers:
    """Return the position of the snapshot of a point nearest to an instant, within half a minute; -1 for none."""
    from gnosis.engines.order_books_kernel import first_at

    starts, ends = closing.starts[point], closing.ends[point]
    later = first_at(instants, starts, ends, wanted)
    best = np.full(point.size, -1)
    gap = np.full(point.size, MINUTE_US // 2 + 1)
    for candidate in (later - 1, later):
        exists = (candidate >= starts) & (candidate < ends)
        distance = np.abs(instants[np.where(exists, candidate, 0)] - wanted) if instants.size else gap
        nearer = exists & (distance < gap)
        best, gap = np.where(nearer, candidate, best), np.where(nearer, distance, gap)
    return best


def daily_proxies(panel: Panel, points: Points) -> dict[str, Floats]:
    """Return Chaikin money flow over 20 sessions, the z-score of the volume against 20 sessions, the log return."""
    from gnosis.engines.pairwise_kernel import trailing_sums

    volume = panel.adjusted_volume
    signed = close_location(panel.high, panel.low, panel.close) * volume
    flow, n = trailing_sums(signed, WINDOW)
    total, _ = trailing_sums(np.where(np.isnan(signed), np.nan, volume), WINDOW)
    usable = (n >= least(WINDOW)) & ~np.isnan(signed) & (total > 0)
    column = points.position - panel.first
    return {
        "money_flow": panel.at(points, flow / np.where(usable, total, np.nan)),
        "volume_z": Series(volume, points.symbol, column, panel.at(points, volume)).z(WINDOW),
        "log_return": panel.at(points, log_changes(panel.close)),
    }
