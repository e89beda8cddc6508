"""Off-exchange volume and its short share.

Short-sale volume counts trades of one session, most of them by market makers who fill buyers; it is not the number of
open short positions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnosis.engines.indicators import log_returns, previous
from gnosis.engines.liquidity.inputs import WINDOW, LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.off_exchange import STALE_AFTER, OffExchange
from gnosis.engines.points import Floats, Panel, Points
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import YEAR, History, Series, banded

MEAN_OF = 5
TREND_OF = 10
QUIET_OF = 20
QUIET_MOVE = 0.5
FEWEST_QUIET = 3
SHARE_WINDOW = 60
# Sessions up to the point's own that are read: where files are missing, older ones do not take their place.
SHORT_SESSIONS = YEAR + MEAN_OF + STALE_AFTER + 1
OFF_SESSIONS = QUIET_OF + SHARE_WINDOW + STALE_AFTER + 1


def published_slope(share: Floats) -> Floats:
    """Return the least-squares slope of each row on 0, 1, 2, ..., per published session; NaN where a value is.

    Examples
    --------
    >>> published_slope(np.array([[0.40, 0.41, 0.42, 0.43]])).round(12).tolist()
    [0.01]
    """
    step = np.arange(share.shape[1]) - (share.shape[1] - 1) / 2
    return (share * step).sum(axis=1) / (step**2).sum()


def last_known(values: Floats, length: int) -> Floats:
    """Return the last ``length`` known values of each row, oldest first; NaN in front where there are fewer.

    Examples
    --------
    >>> last_known(np.array([[0.1, np.nan, 0.3, np.nan]]), 3).tolist()
    [[nan, 0.1, 0.3]]
    """
    known = ~np.isnan(values)
    if known.all():
        return values[:, values.shape[1] - length :]
    order = np.argsort(known, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1)[:, values.shape[1] - length :]


def _mean_of_published(share: Floats) -> Floats:
    """Return the mean of the last 5 published values at every published session of each row, NaN elsewhere."""
    known = ~np.isnan(share)
    order = np.argsort(known, axis=1, kind="stable")
    packed = np.take_along_axis(share, order, axis=1)
    means = np.full(share.shape, np.nan)
    means[:, MEAN_OF - 1 :] = np.lib.stride_tricks.sliding_window_view(packed, MEAN_OF, axis=1).mean(axis=2)
    found = np.empty_like(share)
    np.put_along_axis(found, order, means, axis=1)
    return found


def _last_column(values: Floats) -> Series:
    """Return the rows as the pasts of their last values."""
    rows = np.arange(values.shape[0])
    whole = np.ascontiguousarray(values)
    return Series(whole, rows, np.full(rows.size, values.shape[1] - 1), np.ascontiguousarray(values[:, -1]))


def sigmoid(x: Floats) -> Floats:
    """Return 1/(1 + e^-x)."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the shares at the last published session of every point, null when it is not one of the last five.

    The confidence is 2^(-max(0, age - 1)/2), 0 without such a file.
    """
    del history, parameters, earlier
    n = len(inputs.points)
    shorts = OffExchange(inputs.points) if inputs.shorts is None else inputs.shorts
    is_fresh = shorts.age <= STALE_AFTER
    age = np.where(is_fresh, shorts.age, 0.0).astype(np.int64)
    share = _within(shorts.short_share(SHORT_SESSIONS), age)
    share[~is_fresh] = np.nan
    means = _mean_of_published(share)
    mean_series = _last_column(means[:, -YEAR - 1 :])
    ratio = _last_column(share)
    daily = inputs.bars.compute_all(_daily)
    off_share = _within(shorts.trailing("total_volume", OFF_SESSIONS), age) / _aligned(daily["volume"], age)
    off_share[~is_fresh] = np.nan
    is_above = off_share[:, -1] > 1.0
    off_share[off_share > 1.0] = np.nan
    # sigma_d, too, reads nothing older.
    is_quiet = _within(_aligned(daily["is_quiet"], age), age + WINDOW)
    squeeze = sigmoid(ratio.z(WINDOW) + daily["return_score"] + daily["volume_score"])
    accumulation = hidden_accumulation(off_share, is_quiet)
    pressure = np.tanh(mean_series.z(YEAR) / 2)
    is_short = np.isnan(pressure + squeeze)
    return ProcessorResult(
        {
            "liq_off_exchange_ratio": off_share[:, -1],
            "liq_hidden_accumulation": accumulation,
            "liq_dark_pool_pressure": pressure,
            "liq_short_volume_ratio": share[:, -1],
            "liq_short_squeeze_pressure": np.where(
                np.isnan(squeeze + daily["return"]), np.nan, np.where(daily["return"] > 0, squeeze, 0.0)
            ),
            "short_volume_trend": published_slope(last_known(share[:, -3 * TREND_OF :], TREND_OF)),
            "short_share_5": means[:, -1],
            "short_flow_regime": banded(mean_series.percentile_rank(), below=(0.1,), up_to=(0.9,)),
        },
        np.where(is_fresh, 0.5 ** (np.maximum(0.0, np.nan_to_num(shorts.age) - 1) / 2), 0.0),
        {
            "SHORTS_STALE": ~(shorts.age <= 1),
            "SHORT_HISTORY": is_fresh & is_short,
            "UNDEFINED": is_fresh & ~is_short & np.isnan(accumulation),
            "BOUND_VIOLATION": is_above | shorts.has_rejected,
        },
        np.zeros(n, dtype=bool),
    )


def hidden_accumulation(off_share: Floats, is_quiet: Floats) -> Floats:
    """Return sigmoid of the mean z60 of the off-exchange share in the latest 5 quiet of the last 20 published sessions.

    Parameters
    ----------
    off_share
        Off-exchange over consolidated volume, shape (points, sessions), the last published session last, NaN where
        nothing was published.
    is_quiet
        1 where the return was less than half of sigma_d, 0 where not, NaN where unknown; same shape.

    Returns
    -------
    numpy.ndarray
        NaN with fewer than 3 such sessions.

    Examples
    --------
    >>> share = np.r_[np.tile([0.4, 0.5], 40), [0.45] * 10][None]
    >>> hidden_accumulation(share, np.r_[np.zeros(85), np.ones(5)][None]).round(2).tolist()
    [0.5]
    """
    published = ~np.isnan(off_share)
    is_recent = np.cumsum(published[:, ::-1], axis=1)[:, ::-1] <= QUIET_OF
    chosen = published & is_recent & (is_quiet == 1.0)
    chosen &= np.cumsum(chosen[:, ::-1], axis=1)[:, ::-1] <= MEAN_OF
    row, column = (np.ascontiguousarray(axis) for axis in np.nonzero(chosen))
    z = Series(off_share, row, column, off_share[row, column]).z(SHARE_WINDOW)
    known = ~np.isnan(z)
    count = np.bincount(row[known], minlength=len(off_share))
    total = np.bincount(row[known], weights=z[known], minlength=len(off_share))
    return np.where(count >= FEWEST_QUIET, sigmoid(total / np.maximum(count, 1)), np.nan)


def _daily(panel: Panel, points: Points) -> dict[str, Floats]:
    """Return what the daily bars say up to each point's own session; matrices end with it."""
    returns = log_returns(panel.close)
    symbol, column = (place.reshape(-1) for place in np.indices(returns.shape))
    # The reference sample of the column after ends with the current value.
    sd = Series(returns, symbol, column + 1, returns.reshape(-1)).sd(WINDOW).reshape(returns.shape)
    quiet = np.where(np.isnan(returns + sd), np.nan, np.abs(returns) < QUIET_MOVE * sd)
    log_close = np.log(panel.close)
    five = log_close - previous(log_close, 5)
    log_volume = np.log(np.where(panel.adjusted_volume > 0, panel.adjusted_volume, np.nan))
    at = points.position - panel.first
    length = OFF_SESSIONS + STALE_AFTER
    return {
        "volume": panel.trailing(points, np.where(panel.volume > 0, panel.volume, np.nan), length),
        "is_quiet": panel.trailing(points, quiet, length),
        "return": panel.at(points, five),
        "return_score": Series(five, points.symbol, at, panel.at(points, five)).z(SHARE_WINDOW),
        "volume_score": Series(log_volume, points.symbol, at, panel.at(points, log_volume)).z(WINDOW),
    }


def _within(values: Floats, age: np.ndarray) -> Floats:
    """Return values (points, n) that end ``age`` sessions ago without those of more than n sessions ago."""
    return np.where(np.arange(values.shape[1]) >= age[:, None], values, np.nan)


def _aligned(values: Floats, age: np.ndarray) -> Floats:
    """Return the values (points, sessions) that end at the last published session instead of the point's own."""
    columns = np.arange(STALE_AFTER, values.shape[1]) - age[:, None]
    return np.take_along_axis(values, columns, axis=1)
