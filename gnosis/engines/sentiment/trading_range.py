"""Trading range of daily bars: Wyckoff phase, demand and supply, false breaks, features 58 and 62 to 66."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines import indicators as bars
from gnosis.engines import wyckoff
from gnosis.engines.points import Floats
from gnosis.engines.regimes import WyckoffPhase
from gnosis.engines.sentiment.daily_values import DailyValues, flag

WINDOW = 50
PERSISTENCE = 5
"""Sessions whose phase is compared with today's."""

PHASES = list(WyckoffPhase)
UNKNOWN = float(PHASES.index(WyckoffPhase.UNKNOWN))


def trading_range(daily: DailyValues) -> dict[str, Floats]:
    """Return the features 58 and 62 to 66 at the points, by column."""
    panel, at = daily.panel, daily.at
    volume = daily.volume
    true_range = panel.atr14
    close = at(panel.close)

    change = panel.close - bars.previous(panel.close)
    unknown = np.isnan(change) | np.isnan(volume)
    up, down = (np.where(unknown, np.nan, np.where(side, volume, 0.0)) for side in (change > 0.0, change < 0.0))
    demand = demand_supply_ratio(at(bars.rolling_sum(up, WINDOW)), at(bars.rolling_sum(down, WINDOW)))

    # The edges leave out the last 6 bars, and the reach is that of the bar between the edges and the last 5.
    reach = at(true_range, 5) / at(panel.close, 5)
    low, high = at(bars.rolling_min(panel.low, 25), 6), at(bars.rolling_max(panel.high, 25), 6)
    recent, usual = at(bars.rolling_mean(volume, 5)), at(bars.rolling_mean(volume, 25), 6)
    lowest, highest = at(bars.rolling_min(panel.low, 5)), at(bars.rolling_max(panel.high, 5))
    known = (reach, low, high, recent, usual, lowest, highest, close)
    spring = flag((lowest < low * (1.0 - 0.5 * reach)) & (close > low) & (recent < 1.1 * usual), *known)
    utad = flag((highest > high * (1.0 + 0.5 * reach)) & (close < high) & (recent > 1.2 * usual), *known)

    phases = _phases(daily, true_range)
    phase = phases[0].copy()
    phase[np.isnan(close)] = np.nan
    bias = operator_bias(demand, spring, utad, phase)
    bias[np.isnan(at(true_range, 5))] = np.nan
    same = np.mean(phases == phases[0], axis=0)
    persistence = np.where(phases[0] == UNKNOWN, 0.0, same)
    persistence[np.isnan(at(true_range, 5 + PERSISTENCE - 1))] = np.nan
    return {
        "sent_wyckoff_phase": phase,
        "sent_demand_supply_ratio": demand,
        "sent_spring_detected": spring,
        "sent_utad_detected": utad,
        "sent_operator_bias": bias,
        "sent_wyckoff_strength": 0.5 * persistence + 0.3 * np.abs(demand - 1.0) + 0.2 * np.maximum(spring, utad),
    }


def demand_supply_ratio(up_volume: ArrayLike, down_volume: ArrayLike) -> Floats:
    """Return volume of up bars over volume of down bars, at most 2; 2 when only up bars traded, NaN when neither did.

    Examples
    --------
    >>> demand_supply_ratio([50.0, 500.0, 5.0, 0.0], [100.0, 100.0, 0.0, 0.0]).tolist()
    [0.5, 2.0, 2.0, nan]
    """
    up, down = np.asarray(up_volume, dtype=np.float64), np.asarray(down_volume, dtype=np.float64)
    ratio = np.minimum(up / np.where(down > 0.0, down, np.nan), 2.0)
    return np.where((down == 0.0) & (up > 0.0), 2.0, ratio)


def operator_bias(demand_supply: Floats, spring: Floats, utad: Floats, phase: Floats) -> Floats:
    """Return clip(b sgn(d - 1) + 0.3 spring - 0.3 utad + 0.3 (d - 1), -1, 1), b = 0.2 in phase B, 0.5 in D, 0.3 in E.

    Parameters
    ----------
    demand_supply
        d, in [0, 2].
    spring, utad
        0 or 1.
    phase
        Position in ``WyckoffPhase``.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> operator_bias(1.5 * one, one, 0.0 * one, 3.0 * one).round(12).tolist()
    [0.95]
    """
    weight = np.zeros(phase.shape)
    for label, value in ((WyckoffPhase.B, 0.2), (WyckoffPhase.D, 0.5), (WyckoffPhase.E, 0.3)):
        weight[phase == PHASES.index(label)] = value
    excess = demand_supply - 1.0
    return np.clip(weight * np.sign(excess) + 0.3 * spring - 0.3 * utad + 0.3 * excess, -1.0, 1.0)


def _phases(daily: DailyValues, true_range: Floats) -> Floats:
    """Return the phase of each point and of the sessions before it, shape (PERSISTENCE, points)."""
    panel, points = daily.panel, daily.points
    last = points.position - panel.first
    # Neighbouring points share sessions: each session is judged once.
    wanted = np.zeros(panel.close.shape, dtype=bool)
    for lag in range(PERSISTENCE):
        wanted[points.symbol, np.maximum(last - lag, 0)] = True
    symbol, column = np.nonzero(wanted)
    found = np.full(panel.close.shape, UNKNOWN)
    found[symbol, column] = wyckoff.wyckoff_phase(
        panel.high,
        panel.low,
        panel.close,
        daily.volume,
        symbol,
        column,
        window=WINDOW,
        edges=wyckoff.extremes(panel.high, panel.low, symbol, column, WINDOW, wyckoff.LAST_BARS),
        earlier_edges=wyckoff.extremes(panel.high, panel.low, symbol, column, WINDOW, wyckoff.TEST_BARS),
        reach=wyckoff.value_at(true_range, symbol, column - wyckoff.LAST_BARS),
    )
    return np.stack([daily.at(found, lag) for lag in range(PERSISTENCE)])
