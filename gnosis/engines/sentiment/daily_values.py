"""Daily bars of a panel seen from points, and what several technical features share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnosis.engines.points import Floats, Panel, Points
from gnosis.engines.protocol import Bools


@dataclass(frozen=True)
class DailyValues:
    """The daily bars that points see. Arrays on the panel have shape (symbols, sessions), NaN where there is no bar.

    Attributes
    ----------
    panel
        The bars: adjusted prices, and volumes in shares of one kind.
    points
        The points.
    """

    panel: Panel
    points: Points

    def at(self, values: Floats, lag: int = 0) -> Floats:
        """Return values on the panel at the points, or so many sessions before them; NaN before the panel begins."""
        return self.panel.at(self.points, values, lag)

    @property
    def returns(self) -> Floats:
        """Daily log returns on the panel; NaN where a close or the one of the session before is missing."""
        return self.panel.returns

    @property
    def volume(self) -> Floats:
        """Shares on the panel, in units that splits do not change."""
        return self.panel.adjusted_volume


def flag(condition: Bools, *known: Floats) -> Floats:
    """Return 1 where a condition holds, 0 where it does not, NaN where one of the values behind it is.

    Examples
    --------
    >>> rsi = np.array([80.0, 50.0, np.nan])
    >>> flag(rsi > 70.0, rsi).tolist()
    [1.0, 0.0, nan]
    """
    found = condition.astype(np.float64)
    for values in known:
        found[np.isnan(values)] = np.nan
    return found


def positive(values: Floats) -> Floats:
    """Return values as divisors: NaN where they are not positive.

    Examples
    --------
    >>> positive(np.array([2.0, 0.0])).tolist()
    [2.0, nan]
    """
    return np.where(values > 0.0, values, np.nan)
