"""Imbalance of buying and selling in volume time, and bars of extreme one-sided flow.

The measure is disputed (Andersen & Bondarenko 2014): it describes, and claims no forecast.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from gnosis.engines.indicators import close_location
from gnosis.engines.intraday_bars import IntradayBars, SeenBars, expected_bars
from gnosis.engines.liquidity.inputs import WINDOW, LiquidityInputs, daily_quantities
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.points import Floats, Integers, Panel, Points
from gnosis.engines.protocol import Bools, ProcessorResult
from gnosis.engines.trailing import History, Series, least
from gnosis.engines.visible_rows import visible_rows
from gnosis.options.origin import require_table
from gnosis.reasons import SURE

DAILY_WINDOW = 60
SWEEP_MINUTES = 30
SWEEP_BARS = ("closing_bars", "reference_bars")
TRADES_SESSIONS = 20
"""Sessions of trades that may be needed to fill the buckets."""


def volume_imbalance(volume: ArrayLike, imbalance: ArrayLike, bucket: float, buckets: int) -> float:
    """Return the mean |bought - sold|/volume of the last full buckets of equal volume (Easley et al. 2012).

    Parameters
    ----------
    volume
        Shares of each bar or trade, in the order of time; a bar may be split over buckets.
    imbalance
        Bought minus sold share of it, -1 to 1; 2b - 1 with b of
        :func:`gnosis.engines.volume_signing.buy_share`, or the side of a trade.
    bucket
        Shares of a bucket.
    buckets
        Number of buckets, the last of them full with the last event.

    Returns
    -------
    float
        In [0, 1], NaN when the volume does not fill the buckets.

    Examples
    --------
    >>> volume_imbalance([100.0, 100.0, 100.0], [1.0, -1.0, 0.5], bucket=150.0, buckets=2)
    0.16666666666666666
    """
    from gnosis.engines.liquidity.flow_kernel import bucket_imbalance

    sizes, sides = (np.array(part, dtype=np.float64, order="C") for part in (volume, imbalance))
    if sizes.ndim != 1 or sizes.shape != sides.shape:
        raise ValueError(f"expected one imbalance for each volume, found shapes {sizes.shape} and {sides.shape}")
    return float(bucket_imbalance(sizes, sides, float(bucket), buckets))


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return toxicity and the sweep alert at every point.

    Toxicity is read from bars of one minute where they cover at least as much of the last 20 sessions as those of five.
    The sweep alert reads those of five only: without one in the last half hour (``NO_INTRADAY``), or without a quarter
    of those of the 20 sessions before, it is that of the daily bar. The confidence is 0.7 x the larger of both shares,
    nothing where the alert is the daily one, + 0.3 x share of the 60 daily bars.
    """
    del earlier
    covered, toxicity = _toxicity(inputs, parameters)
    sweep, has_closing, has_reference = _sweep(inputs)
    is_daily = ~(has_closing & has_reference)
    daily = inputs.daily_coverage(DAILY_WINDOW)
    percentile = history.series("toxicity_proxy", toxicity).percentile_rank()
    no_bars = covered == 0.0
    return ProcessorResult(
        {
            "toxicity_proxy": toxicity,
            "vpin": _vpin(inputs, parameters),
            "toxicity_percentile": percentile,
            "liq_sweep_alert": np.where(is_daily, inputs.bars.compute(daily_sweep), sweep),
            "toxicity_regime": np.where(np.isnan(percentile), np.nan, 0.0 + (percentile > 0.8) + (percentile > 0.95)),
        },
        np.where(is_daily, 0.0, 0.7 * covered) + 0.3 * daily,
        {
            "NO_INTRADAY": no_bars | ~has_closing,
            "SOURCE_MISSING": ~no_bars & ((covered < SURE) | ~has_reference),
            "SHORT_HISTORY": daily < 1.0,
        },
        is_daily,
    )


def _toxicity(inputs: LiquidityInputs, parameters: LiquidityParameters) -> tuple[Floats, Floats]:
    """Return the share of the expected bars and the toxicity from them."""
    covered, toxicity = np.zeros(len(inputs.points)), np.full(len(inputs.points), np.nan)
    for bars in (inputs.intraday5, inputs.intraday1):
        if bars is None:
            continue
        share, found = bars.coverage(WINDOW), _bar_toxicity(inputs, bars, parameters.volume_buckets)
        better = (share > 0.0) & (share >= covered)
        covered, toxicity = np.where(better, share, covered), np.where(better, found, toxicity)
    return covered, toxicity


def _bar_toxicity(inputs: LiquidityInputs, bars: IntradayBars, buckets: int) -> Floats:
    from gnosis.engines.liquidity.flow_kernel import volume_time

    def of(seen: SeenBars, panel: Panel) -> dict[str, Floats]:
        # Shares of all sessions in those of the first bar, so that a split within the window changes nothing.
        own = panel.at(seen.points, panel.traded_close) / panel.at(seen.points, panel.close)
        found = volume_time(
            seen.volume / seen.factor(panel),
            seen.log_change,
            *seen.last(WINDOW),
            *seen.before(WINDOW),
            _fewest(seen),
            inputs.adv_shares[seen.at] * own / buckets,
            buckets,
        )
        return {"toxicity": found}

    return bars.compute_with(inputs.bars, of).get("toxicity", np.zeros(0))


def _sweep(inputs: LiquidityInputs) -> tuple[Floats, Bools, Bools]:
    """Return the alert of 5-minute bars, and whether the last half hour and the sessions before have bars for it."""
    from gnosis.engines.liquidity.flow_kernel import sweeps

    n = len(inputs.points)
    if inputs.intraday5 is None or n == 0:
        return np.full(n, np.nan), np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)

    def of(seen: SeenBars, panel: Panel) -> dict[str, Floats]:
        volume = seen.volume / seen.factor(panel)
        closing, reference, fewest = seen.closing(SWEEP_MINUTES), seen.before(WINDOW), _fewest(seen)
        known = np.concatenate([[0], np.cumsum(~np.isnan(volume))])
        counts = (known[ends] - known[starts] for starts, ends in (closing, reference))
        return {
            "sweep": sweeps(volume, seen.log_change, *closing, *reference, fewest),
            **{
                name: 1.0 * (count >= least) for name, count, least in zip(SWEEP_BARS, counts, (1, fewest), strict=True)
            },
        }

    found = inputs.intraday5.compute_with(inputs.bars, of)
    has_closing, has_reference = (found[name] == 1.0 for name in SWEEP_BARS)
    return found["sweep"], has_closing, has_reference


def _fewest(seen: SeenBars) -> Integers:
    """Return how many bars a reference of the 20 sessions before needs: a quarter of the expected ones."""
    expected = expected_bars(np.maximum(seen.points.position - 1, 0), seen.frequency, WINDOW)
    return np.maximum(10, -(-expected // 4))


def daily_sweep(panel: Panel, points: Points) -> Floats:
    """Return the alert of the daily bar: |V CLV| > 3 mad60 and |return| > 2 sd60, of one sign."""
    effort = panel.adjusted_volume * close_location(panel.high, panel.low, panel.close)
    returns = panel.returns
    column = points.position - panel.first
    own, change = panel.at(points, effort), panel.at(points, returns)
    efforts = Series(effort, points.symbol, column, own)
    # The reference sample of the session after ends with the current return.
    sd = Series(returns, points.symbol, column + 1, change).sd(DAILY_WINDOW)
    is_known = ~np.isnan(own + change + sd) & (efforts.count(DAILY_WINDOW) >= least(DAILY_WINDOW))
    is_sweep = is_known & (np.abs(change) > 2 * sd) & (own * change > 0)
    # The deviation matters for large returns alone.
    large = np.flatnonzero(is_sweep)
    mad = Series(effort, points.symbol[large], column[large], own[large]).mad(DAILY_WINDOW)
    is_sweep[large] = np.abs(own[large]) > 3 * mad
    return np.where(is_known, is_sweep, np.nan)


def _vpin(inputs: LiquidityInputs, parameters: LiquidityParameters) -> Floats:
    """Return the imbalance of buckets of trades; sides by the venue, else by the tick rule."""
    if inputs.trades is None or inputs.trades.is_empty():
        return np.full(len(inputs.points), np.nan)
    require_table(inputs.trades, "raw.trades")
    # Trades of one instant are told apart by their number and kept in its order.
    trades = inputs.trades.sort("symbol", "session", "ts", "trade_id", "known_at", "provider")
    event = trades.select(pl.struct("symbol", "session", "ts", "trade_id").rle_id()).to_series()
    trades = trades.with_columns(event=event.cast(pl.Int64))
    buckets = parameters.volume_buckets
    return inputs.bars.compute(lambda panel, points: _trade_toxicity(panel, points, trades, buckets))


def _trade_toxicity(panel: Panel, points: Points, trades: pl.DataFrame, buckets: int) -> Floats:
    from gnosis.engines.liquidity.flow_kernel import trade_buckets

    vpin = np.full(len(points), np.nan)
    price, size = trades["price"].to_numpy(), trades["size"].to_numpy()
    named = trades["aggressor"].cast(pl.String)
    aggressor = (named == "buy").fill_null(False).to_numpy() * 1.0 - (named == "sell").fill_null(False).to_numpy()
    own = panel.at(points, panel.traded_close) / panel.at(points, panel.close)
    bucket = daily_quantities(panel, points)["adv_shares"] * own / buckets
    for visible in visible_rows(points, trades, "event", "raw.trades"):
        starts, ends = visible.between(visible.points.position - TRADES_SESSIONS + 1, visible.points.position)
        side = trade_sides(aggressor[visible.rows], price[visible.rows], visible.symbol())
        shares = size[visible.rows] / panel.factor(visible.symbol(), visible.session())
        vpin[visible.at] = trade_buckets(shares, side, starts, ends, bucket[visible.at], buckets)
    return vpin


def trade_sides(aggressor: Floats, price: Floats, symbol: Integers) -> Floats:
    """Return the side of each trade: that of the venue, else the sign of the last change of the price (tick rule).

    Parameters
    ----------
    aggressor
        1 bought, -1 sold, 0 unknown.
    price, symbol
        $ and code of the symbol, in the order of symbol and time.

    Examples
    --------
    >>> trade_sides(np.array([0.0, 0.0, 0.0, 1.0]), np.array([10.0, 10.1, 10.1, 10.0]), np.zeros(4, int)).tolist()
    [0.0, 1.0, 1.0, 1.0]
    """
    change = np.zeros(price.size)
    change[1:] = np.where(symbol[1:] == symbol[:-1], np.sign(np.diff(price)), 0.0)
    is_start = np.ones(price.size, dtype=bool)
    is_start[1:] = symbol[1:] != symbol[:-1]
    last = np.maximum.accumulate(np.where((change != 0.0) | is_start, np.arange(price.size), 0))
    return np.where(aggressor != 0.0, aggressor, change[last] if price.size else change)
