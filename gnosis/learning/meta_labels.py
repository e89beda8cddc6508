"""The side of the primary rule at each decision, and whether that side was worth taking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gnosis.learning.bar_grid import shifted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gnosis.learning.bar_grid import BarGrid

TREND_SESSIONS = 20
ROUND_TRIP_COST_BPS = 10.0
# Adjusted prices that did not move differ by rounding of the factor, some 1e-16: that is no trend.
LEAST_TREND = 1e-12
_UNKNOWN = np.int8(-1)


def sides(grid: BarGrid) -> NDArray[np.int8]:
    """Return the side of the primary rule at the close of each session: +1, -1, or 0 where there is none.

    The rule is the sign of the adjusted close-to-close return over the last ``TREND_SESSIONS`` sessions: the
    time-series momentum of Moskowitz, Ooi and Pedersen (2012) over one month. There is no side without both closes, nor
    when they are equal.
    """
    close = np.log(grid.close)
    trend = close - shifted(close, TREND_SESSIONS, np.nan)
    return np.where(np.abs(trend) > LEAST_TREND, np.sign(trend), 0.0).astype(np.int8)


def meta_labels(
    side: NDArray[np.int8],
    outcome: NDArray[np.int8],
    log_return: NDArray[np.float64],
    round_trip_cost_bps: float = ROUND_TRIP_COST_BPS,
) -> NDArray[np.int8]:
    """Return whether the primary side was worth taking (L-2.8; López de Prado 2018, ch. 3.6).

    Parameters
    ----------
    side
        +1, -1, or 0 where there is none.
    outcome, log_return
        Of :class:`gnosis.learning.triple_barrier.BarrierOutcomes`; the return is NaN where the outcome is unknown.
    round_trip_cost_bps
        What entering and leaving costs, in basis points of the entry, compared with the log return.

    Returns
    -------
    numpy.ndarray
        int8: 1 when the barrier on the side's own end was met first, or when neither was and the side's return at the
        end of the horizon exceeds the cost; 0 otherwise; -1 where side or outcome is unknown.

    Raises
    ------
    ValueError
        When the cost is negative.

    Examples
    --------
    >>> met = np.array([-1, 1, 0, 0], dtype=np.int8)
    >>> meta_labels(np.full(4, -1, dtype=np.int8), met, np.array([-0.02, 0.02, -0.0015, -0.0005])).tolist()
    [1, 0, 1, 0]
    """
    if not round_trip_cost_bps >= 0.0:
        raise ValueError(f"expected a round trip cost of 0 basis points or more, found {round_trip_cost_bps}")
    is_earned = (outcome == 0) & (side * log_return > round_trip_cost_bps * 1e-4)
    is_worth = ((outcome == side) | is_earned).astype(np.int8)
    return np.where((side == 0) | np.isnan(log_return), _UNKNOWN, is_worth)
