"""Trading: from stored predictions to ideas with a side, a size and reasons.

Examples
--------
>>> from gnosis.trading import IdeaParameters
>>> IdeaParameters().edge_threshold
0.05
"""

from gnosis.trading.ideas import BARS_LOOKBACK_SESSIONS, ENERGY_LOOKBACK_SESSIONS, ideas
from gnosis.trading.parameters import IdeaParameters

__all__ = ["BARS_LOOKBACK_SESSIONS", "ENERGY_LOOKBACK_SESSIONS", "IdeaParameters", "ideas"]
