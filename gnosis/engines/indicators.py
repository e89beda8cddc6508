"""Price indicators of daily bars, each over a fixed, finite window.

Arrays have shape (symbols, sessions), one row per symbol on the exchange calendar, NaN where there is no bar. A value
needs every bar of its window: with fewer, or with a NaN among them, it is NaN. Values from exactly the bars of the
window equal, to the bit, those from any longer history.

Prices must be adjusted for splits and dividends, volumes for splits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Bollinger(NamedTuple):
    """Bands around a moving average, $."""

    middle: Floats
    upper: Floats
    lower: Floats

    @property
    def bandwidth(self) -> Floats:
        """(upper - lower)/middle."""
        return (self.upper - self.lower) / self.middle

    def percent_b(self, close: Floats) -> Floats:
        """Return (C - lower)/(upper - lower); NaN where the band has no width."""
        width = self.upper - self.lower
        return (close - self.lower) / np.where(width > 0.0, width, np.nan)


class Directional(NamedTuple):
    """Wilder's directional indicators, 0 to 100."""

    plus_di: Floats
    minus_di: Floats


class Moves(NamedTuple):
    """Up and down moves of the close, true range, and directional moves +DM and -DM, $."""

    up: Floats
    down: Floats
    true_range: Floats
    plus: Floats
    minus: Floats


class MoneyFlow(NamedTuple):
    """Typical price x volume of the bars whose typical price rises, and of those where it falls; 0 on the others."""

    positive: Floats
    negative: Floats


def _flat(values: Floats) -> Floats:
    """Return the rows one after the other, contiguous and writable: kernels are compiled anew for any other kind."""
    flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
    return flat if flat.flags.writeable else flat.copy()


def _rows(flat: Floats, like: Floats, bars: int) -> Floats:
    """Return rows of the shape of ``like``, without the windows that begin in the row before."""
    rows = flat.reshape(like.shape)
    rows[:, : bars - 1] = np.nan
    return rows


def _average(values: Floats, length: int, seed: int, weight: float) -> Floats:
    from gnosis.engines.indicators_kernel import window_average

    return _rows(window_average(_flat(values), length, seed, weight), values, length)


def moves(high: Floats, low: Floats, close: Floats) -> Moves:
    """Return the moves of each session, from 2 bars (Wilder 1978).

    Examples
    --------
    >>> found = moves(np.array([[10.0, 12.0]]), np.array([[9.0, 11.0]]), np.array([[9.5, 11.5]]))
    >>> found.up.tolist(), found.true_range.tolist(), found.plus.tolist()
    ([[nan, 2.0]], [[nan, 2.5]], [[nan, 2.0]])
    """
    from gnosis.engines import indicators_kernel as kernel

    return Moves(*(_rows(move, close, 2) for move in kernel.moves(_flat(high), _flat(low), _flat(close))))


def previous(values: Floats, sessions: int = 1) -> Floats:
    """Return the values that many sessions earlier, NaN in the first columns.

    Examples
    --------
    >>> previous(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[nan, 1.0, 2.0]]
    """
    earlier = np.full(values.shape, np.nan)
    earlier[:, sessions:] = values[:, : max(values.shape[1] - sessions, 0)]
    return earlier


def log_returns(close: Floats) -> Floats:
    """Return ln(C_t/C_{t-1}), from 2 bars.

    Examples
    --------
    >>> log_returns(np.array([[100.0, 101.0]])).round(6).tolist()
    [[nan, 0.00995]]
    """
    return np.log(close / previous(close))


def wilder(values: Floats, span: int = 14) -> Floats:
    """Return Wilder's mean over exactly ``10 span`` values, started at the mean of the first ``span``, weight 1/span.

    Examples
    --------
    >>> wilder(np.arange(20.0)[None], 2)[0, -1].round(6).item()
    18.000002
    """
    return _average(values, 10 * span, span, 1.0 / span)


def ema(close: Floats, span: int) -> Floats:
    """Return the exponential mean over exactly ``6 span`` values, started at the first of them, weight 2/(span + 1).

    Examples
    --------
    >>> ema(np.arange(12.0)[None], 2)[0, -1].round(6).item()
    10.500003
    """
    return _average(close, 6 * span, 1, 2.0 / (span + 1))


def relative_strength(mean_up: Floats, mean_down: Floats) -> Floats:
    """Return 100 U/(U + D) of mean up and down moves (Wilder 1978); 50 when both are 0.

    Examples
    --------
    >>> relative_strength(np.array([3.0, 0.0]), np.array([1.0, 0.0])).tolist()
    [75.0, 50.0]
    """
    moved = mean_up + mean_down
    return np.where(moved == 0.0, 50.0, 100.0 * (mean_up / np.where(moved == 0.0, 1.0, moved)))


def rsi(close: Floats) -> Floats:
    """Return Wilder's RSI(14), 0 to 100, from 141 bars.

    Examples
    --------
    >>> rsi(np.cumsum(np.where(np.arange(141) % 2, 3.0, -1.0))[None] + 100.0)[0, -1].round(3).item()
    73.585
    """
    up, down, *_ = moves(close, close, close)
    return relative_strength(wilder(up), wilder(down))


def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return max(H - L, |H - C_{t-1}|, |L - C_{t-1}|) in $, from 2 bars (Wilder 1978).

    Examples
    --------
    >>> true_range(np.array([[10.0, 12.0]]), np.array([[9.0, 11.0]]), np.array([[9.5, 11.5]])).tolist()
    [[nan, 2.5]]
    """
    return moves(high, low, close).true_range


def atr(high: Floats, low: Floats, close: Floats, span: int = 14) -> Floats:
    """Return the average true range in $, Wilder's mean over ``10 span`` true ranges, from ``10 span + 1`` bars.

    Examples
    --------
    >>> close = np.full((1, 141), 100.0)
    >>> atr(close + 1.0, close - 1.0, close)[0, -1].item()
    2.0
    """
    return wilder(true_range(high, low, close), span)


def directional_index(mean_move: Floats, mean_range: Floats) -> Floats:
    """Return 100 x mean directional move/mean true range, 0 to 100; NaN where the range is 0.

    Examples
    --------
    >>> directional_index(np.array([1.0, 0.0]), np.array([4.0, 0.0])).tolist()
    [25.0, nan]
    """
    # Rounding may lift a mean of +DM that equals the mean true range a last bit above it.
    return 100.0 * np.minimum(mean_move / np.where(mean_range > 0.0, mean_range, np.nan), 1.0)


def directional(high: Floats, low: Floats, close: Floats) -> Directional:
    """Return +DI(14) and -DI(14), from 141 bars (Wilder 1978).

    Examples
    --------
    >>> close = np.arange(141.0)[None] + 100.0
    >>> [side[0, -1].item() for side in directional(close + 1.0, close - 1.0, close)]
    [50.0, 0.0]
    """
    _, _, span, plus, minus = moves(high, low, close)
    mean_range = wilder(span)
    return Directional(directional_index(wilder(plus), mean_range), directional_index(wilder(minus), mean_range))


def adx(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return Wilder's ADX(14), 0 to 100, from 281 bars; NaN where the price did not move in either direction.

    Examples
    --------
    >>> close = np.arange(281.0)[None] + 100.0
    >>> adx(close + 1.0, close - 1.0, close)[0, -1].item()
    100.0
    """
    return adx_of(moves(high, low, close))


def adx_of(moved: Moves) -> Floats:
    """Return :func:`adx` of the directional moves of :func:`moves`.

    Examples
    --------
    >>> close = np.arange(281.0)[None] + 100.0
    >>> adx_of(moves(close + 1.0, close - 1.0, close))[0, -1].item()
    100.0
    """
    from gnosis.engines import indicators_kernel as kernel

    return _rows(kernel.adx(_flat(moved.plus), _flat(moved.minus)), moved.plus, 2 * kernel.WILDER_MOVES + 1)


def macd_histogram(close: Floats) -> Floats:
    """Return (MACD - signal)/C, EMA12 - EMA26 over 210 bars and EMA9 of its last 54 values (Appel 1979).

    Examples
    --------
    >>> macd_histogram(np.arange(210.0)[None] ** 2)[0, -1].round(8).item()
    0.00128201
    """
    from gnosis.engines import indicators_kernel as kernel

    return _rows(kernel.macd_histogram(_flat(close)), close, kernel.MACD_BARS)


def bollinger(close: Floats, length: int = 20, width: float = 2.0) -> Bollinger:
    """Return the mean close and the bands ``width`` sample standard deviations above and below it.

    Examples
    --------
    >>> bands = bollinger(np.arange(20.0)[None])
    >>> bands.middle[0, -1].item(), bands.upper[0, -1].round(6).item(), bands.bandwidth[0, -1].round(6).item()
    (9.5, 21.33216, 2.490981)
    """
    middle = rolling_mean(close, length)
    half = width * rolling_sd(close, length)
    return Bollinger(middle, middle + half, middle - half)


def stochastic_k(high: Floats, low: Floats, close: Floats, length: int = 14) -> Floats:
    """Return 100 (C - LL)/(HH - LL), lowest low and highest high of the last ``length`` bars; NaN where they are equal.

    Examples
    --------
    >>> close = np.arange(14.0)[None]
    >>> stochastic_k(close + 1.0, close - 1.0, close)[0, -1].round(6).item()
    93.333333
    """
    lowest = rolling_min(low, length)
    width = rolling_max(high, length) - lowest
    return 100.0 * ((close - lowest) / np.where(width > 0.0, width, np.nan))


def typical_price(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return (H + L + C)/3 in $.

    Examples
    --------
    >>> typical_price(np.array([[12.0]]), np.array([[9.0]]), np.array([[9.0]])).tolist()
    [[10.0]]
    """
    return (high + low + close) / 3.0


def money_flow(high: Floats, low: Floats, close: Floats, volume: Floats) -> MoneyFlow:
    """Return the money flow of each bar by the direction of its typical price, in $, from 2 bars.

    Examples
    --------
    >>> close = np.array([[10.0, 11.0, 10.0]])
    >>> [side.tolist() for side in money_flow(close, close, close, np.full((1, 3), 5.0))]
    [[[nan, 55.0, 0.0]], [[nan, 0.0, 50.0]]]
    """
    typical = typical_price(high, low, close)
    flow = typical * volume
    change = typical - previous(typical)
    unknown = np.isnan(change) | np.isnan(flow)
    sides = (np.where(unknown, np.nan, np.where(toward, flow, 0.0)) for toward in (change > 0.0, change < 0.0))
    return MoneyFlow(*sides)


def mfi(high: Floats, low: Floats, close: Floats, volume: Floats, length: int = 14) -> Floats:
    """Return the money flow index, 0 to 100, from ``length + 1`` bars; 50 when no typical price changed.

    Examples
    --------
    >>> close = np.array([[10.0, 11.0, 10.0]])
    >>> mfi(close, close, close, np.ones((1, 3)), length=2)[0, -1].round(6).item()
    52.380952
    """
    positive, negative = money_flow(high, low, close, volume)
    return relative_strength(rolling_sum(positive, length), rolling_sum(negative, length))


def close_location(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return ((C - L) - (H - C))/(H - L), -1 at the low to 1 at the high; 0 where H = L.

    Examples
    --------
    >>> close_location(np.array([[12.0, 9.0]]), np.array([[8.0, 9.0]]), np.array([[11.0, 9.0]])).tolist()
    [[0.5, 0.0]]
    """
    width = high - low
    return np.where(width == 0.0, 0.0, ((close - low) - (high - close)) / np.where(width == 0.0, 1.0, width))


def _rolling(values: Floats, length: int, statistic: str) -> Floats:
    from gnosis.engines import rolling_kernel as kernel

    return _rows(kernel.rolling(_flat(values), length, kernel.STATISTICS.index(statistic)), values, length)


def rolling_sum(values: Floats, length: int) -> Floats:
    """Return the sum of the last ``length`` values, the current one included.

    Examples
    --------
    >>> rolling_sum(np.array([[1.0, 2.0, 3.0]]), 2).tolist()
    [[nan, 3.0, 5.0]]
    """
    return _rolling(values, length, "sum")


def rolling_mean(values: Floats, length: int) -> Floats:
    """Return the mean of the last ``length`` values, the current one included.

    Examples
    --------
    >>> rolling_mean(np.array([[1.0, 2.0, 3.0]]), 2).tolist()
    [[nan, 1.5, 2.5]]
    """
    return _rolling(values, length, "mean")


def rolling_sd(values: Floats, length: int) -> Floats:
    """Return the standard deviation (n - 1) of the last ``length`` values; exactly 0 when they are equal.

    Examples
    --------
    >>> rolling_sd(np.array([[1.0, 2.0, 3.0]]), 3).tolist()
    [[nan, nan, 1.0]]
    """
    return _rolling(values, length, "sd")


def rolling_max(values: Floats, length: int) -> Floats:
    """Return the largest of the last ``length`` values, the current one included.

    Examples
    --------
    >>> rolling_max(np.array([[3.0, 2.0, 1.0]]), 2).tolist()
    [[nan, 3.0, 2.0]]
    """
    return _rolling(values, length, "max")


def rolling_min(values: Floats, length: int) -> Floats:
    """Return the smallest of the last ``length`` values, the current one included.

    Examples
    --------
    >>> rolling_min(np.array([[1.0, 2.0, 3.0]]), 2).tolist()
    [[nan, 1.0, 2.0]]
    """
    return _rolling(values, length, "min")


def rolling_slope(values: Floats, length: int) -> Floats:
    """Return the least-squares slope per session of the last ``length`` values.

    Examples
    --------
    >>> rolling_slope(np.array([[1.0, 2.0, 4.0]]), 3).tolist()
    [[nan, nan, 1.5]]
    """
    return _rolling(values, length, "slope")


def reference_mean(values: Floats, length: int) -> Floats:
    """Return the mean of the ``length`` values before the current one, all of them known.

    Examples
    --------
    >>> reference_mean(np.array([[1.0, 2.0, 9.0]]), 2).tolist()
    [[nan, nan, 1.5]]
    """
    return previous(rolling_mean(values, length))
