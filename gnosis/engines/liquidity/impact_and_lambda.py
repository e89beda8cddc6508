"""Price impact of flow: Kyle's slope from 5-minute bars or by the linear law, and the depth that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines import physics
from gnosis.engines.indicators import previous
from gnosis.engines.intraday_bars import MINUTE_US, SeenBars
from gnosis.engines.liquidity.inputs import WINDOW, LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.order_books import OrderBooks
from gnosis.engines.points import Floats, Panel
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import History, Series, banded
from gnosis.reasons import SURE

PERMANENT, TEMPORARY = 0.314, 0.142
ORDER_SHARE = 0.01
LOCAL_MOVE = 0.01
DAYS = {"0_1d": 0.1, "0_2d": 0.2, "0_5d": 0.5}


class FlowRegression(NamedTuple):
    """Slope of moves on signed flow, its t-statistic (infinite without residuals) and the number of pairs."""

    slope: float
    t_stat: float
    n: int


def flow_regression(signed_flow: ArrayLike, move: ArrayLike) -> FlowRegression:
    """Return the regression of moves on total signed flow, without intercept (Kyle 1985).

    On total flow, dealer hedges included, the slope estimates lambda; on customer flow alone it would be A lambda.

    Parameters
    ----------
    signed_flow
        Bought minus sold, for instance $1m per bar.
    move
        Change of the price in the same interval, for instance bps; pairs with a NaN are left out.

    Raises
    ------
    ValueError
        When the arguments are not of one and the same length.

    Examples
    --------
    >>> found = flow_regression([1.0, -1.0, 2.0], [2.0, -2.2, 3.8])
    >>> round(found.slope, 6), round(found.t_stat, 3), found.n
    (1.966667, 25.158, 3)
    """
    from gnosis.engines.liquidity.flow_kernel import slope_through_origin

    x, y = (np.array(side, dtype=np.float64, order="C") for side in (signed_flow, move))
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"expected one move for each flow, found shapes {x.shape} and {y.shape}")
    return FlowRegression(*slope_through_origin(x, y))


def amihud(close: Floats, dollars: Floats, sessions: int = WINDOW) -> Floats:
    """Return the mean of |simple return|/dollar volume of the last sessions, 1/$m (Amihud 2002).

    Parameters
    ----------
    close, dollars
        Adjusted close and dollar volume as traded, shape (symbols, sessions), NaN where there is no bar.
    sessions
        Sessions of the mean, the current one among them.

    Returns
    -------
    numpy.ndarray
        Shape (symbols, sessions); NaN without the session's own return or with fewer than 10 of its 20.

    Examples
    --------
    >>> close = 100.0 * 1.01 ** np.arange(21.0)[None]
    >>> amihud(close, np.full((1, 21), 10e6))[0, -1].round(9).item()
    0.001
    """
    ratio = np.abs(close / previous(close) - 1.0) / np.where(dollars > 0.0, dollars / 1e6, np.nan)
    symbol, column = (place.reshape(-1) for place in np.indices(ratio.shape))
    # The reference sample of the column after ends with the current value.
    mean = Series(ratio, symbol, column + 1, ratio.reshape(-1)).mean(sessions).reshape(ratio.shape)
    return np.where(np.isnan(ratio), np.nan, mean)


def amihud_of(panel: Panel) -> Floats:
    """Return :func:`amihud` of every bar of a panel."""
    return amihud(panel.close, panel.traded_close * panel.volume)


def permanent_impact_bps(
    sigma_d: ArrayLike, order_share: ArrayLike, adv_shares: ArrayLike, shares_outstanding: ArrayLike
) -> Floats:
    """Return 1e4 gamma sigma (X/V)(Theta/V)^(1/4), gamma = 0.314 (Almgren, Thum, Hauptmann & Li 2005).

    Parameters
    ----------
    sigma_d
        Daily volatility.
    order_share
        X/V, the order over the average daily volume.
    adv_shares, shares_outstanding
        V and Theta in shares.

    Examples
    --------
    >>> permanent_impact_bps(0.0157, 0.1, 6.561e6, 1728e6).round(2).item()
    19.86
    """
    turnover = np.asarray(shares_outstanding, dtype=np.float64) / np.asarray(adv_shares, dtype=np.float64)
    return np.asarray(1e4 * PERMANENT * np.asarray(sigma_d) * np.asarray(order_share) * turnover**0.25)


def temporary_impact_bps(sigma_d: ArrayLike, order_share: ArrayLike, days: ArrayLike) -> Floats:
    """Return 1e4 eta sigma |X/(V T)|^0.6, eta = 0.142, of an order traded over T days (Almgren et al. 2005).

    Examples
    --------
    >>> temporary_impact_bps(0.0157, 0.1, [0.1, 0.2, 0.5]).round(2).tolist()
    [22.29, 14.71, 8.49]
    """
    rate = np.abs(np.asarray(order_share, dtype=np.float64) / np.asarray(days, dtype=np.float64))
    return np.asarray(1e4 * TEMPORARY * np.asarray(sigma_d) * rate**0.6)


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return lambda, depth and impact at every point; the linear law stands in for an insignificant slope.

    The linear law needs all of the last 21 daily bars. Prices of the regression are mids at the end of the bars, or
    closes of bars without a snapshot. The confidence is 0.7 x share of the expected 5-minute bars of 20 sessions
    + 0.3 x share of their daily bars.
    """
    del earlier
    slope, t_stat, n_bars, root_slope = _regressions(inputs)
    has_flow = n_bars > 0
    is_significant = (n_bars >= parameters.least_lambda_bars) & (t_stat >= parameters.least_lambda_t)
    is_whole = inputs.daily_coverage(WINDOW + 1) == 1.0
    linear = np.where(is_whole, physics.linear_depth(inputs.adv_usd, inputs.sigma_d, parameters.y), np.nan)
    depth = np.where(is_significant, 1e10 / np.where(is_significant, slope, 1.0), linear)
    kyle = np.where(is_significant, slope, 1e10 / linear)
    adv_shares = np.where(inputs.adv_shares > 0, inputs.adv_shares, np.nan)
    moving = np.where(inputs.sigma_d > 0, inputs.sigma_d, np.nan)
    n_points = len(inputs.points)
    covered = np.zeros(n_points) if inputs.intraday5 is None else inputs.intraday5.coverage(WINDOW)
    daily = inputs.daily_coverage(WINDOW)
    values = {
        "liq_kyle_lambda": kyle,
        "lambda_t_stat": np.where(np.isinf(t_stat), np.nan, t_stat),
        "lambda_n_bars": np.where(has_flow, n_bars, np.nan),
        "lambda_usd_per_share": physics.lambda_from_bps(inputs.spot, kyle),
        "depth_usd_per_unit": depth,
        "lambda_source": np.where(np.isnan(kyle), np.nan, np.where(is_significant, 0.0, 1.0)),
        "hasbrouck_slope": np.where(n_bars >= parameters.least_lambda_bars, root_slope, np.nan),
        "liq_amihud": inputs.bars.compute(lambda panel, points: panel.at(points, amihud_of(panel))),
        "depth_local_usd_per_unit": np.where(
            np.isnan(linear), np.nan, physics.square_root_depth(LOCAL_MOVE, inputs.adv_usd, moving, parameters.y)
        ),
        "almgren_permanent_bps": permanent_impact_bps(
            inputs.sigma_d, ORDER_SHARE, adv_shares, inputs.shares_outstanding
        ),
        "impact_regime": banded(history.series("liq_kyle_lambda", kyle).percentile_rank()),
    }
    for name, days in DAYS.items():
        found = np.where(adv_shares > 0, temporary_impact_bps(inputs.sigma_d, ORDER_SHARE, days), np.nan)
        values[f"almgren_temporary_{name}_bps"] = found
    return ProcessorResult(
        values,
        0.7 * covered + 0.3 * daily,
        {
            "NO_INTRADAY": ~has_flow,
            "LAMBDA_INSIGNIFICANT": has_flow & ~is_significant,
            "DEPTH_PROXY": ~is_significant,
            "SOURCE_MISSING": has_flow & (covered < SURE),
            "SHORT_HISTORY": (daily < 1.0) | ~is_whole,
        },
        ~is_significant,
    )


def _regressions(inputs: LiquidityInputs) -> tuple[Floats, Floats, Floats, Floats]:
    """Return slope, t-statistic, number of bars and the slope on signed roots of each point's last 20 sessions."""
    from gnosis.engines.liquidity.flow_kernel import impact_slopes

    n = len(inputs.points)
    if inputs.intraday5 is None or n == 0:
        none = np.full(n, np.nan)
        return none, none, np.zeros(n), none

    def slopes(seen: SeenBars) -> dict[str, Floats]:
        starts, ends = seen.last(WINDOW)
        dollars_m = seen.close * seen.volume / 1e6
        if inputs.books is None:
            found = impact_slopes(1e4 * seen.log_change, seen.log_change, dollars_m, starts, ends)
        else:
            rows, first, last = _gathered(starts, ends)
            moves = _mid_moves(seen, inputs.books, rows, starts, ends)
            found = impact_slopes(1e4 * moves, seen.log_change[rows], dollars_m[rows], first, last)
        return dict(zip(("slope", "t", "n", "root"), found, strict=True))

    found = inputs.intraday5.compute_all(slopes)
    return found["slope"], found["t"], found["n"], found["root"]


def _gathered(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of all slices one after the other, and where each slice begins and ends among them."""
    last = np.cumsum(ends - starts)
    first = last - (ends - starts)
    return np.arange(last[-1]) + np.repeat(starts - first, ends - starts), first, last


def _mid_moves(seen: SeenBars, books: OrderBooks, rows: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Floats:
    """Return changes of the log price over bars, prices being mids at their ends where a snapshot lies in the bar."""
    point = np.repeat(seen.at, ends - starts)
    mid = books.mid_before(point, seen.session[rows], seen.ts[rows] + 1, 5 * MINUTE_US)
    price = np.log(np.where(np.isnan(mid), seen.close[rows], mid))
    before = np.empty_like(price)
    before[1:] = price[:-1]
    is_first = np.ones(rows.size, dtype=bool)
    is_first[1:] = (seen.session[rows[1:]] != seen.session[rows[:-1]]) | (point[1:] != point[:-1])
    before[is_first] = np.log(seen.open[rows[is_first]])
    return price - before
