"""Registry of the regime labels that engines produce: one enumeration per regime, in the order of its stored codes."""

from __future__ import annotations

from enum import StrEnum


class AmplificationRegime(StrEnum):
    """What dealer hedging does to a move; the cuts are economic, as amplification is free of scale.

    Examples
    --------
    >>> [label.value for label in AmplificationRegime]
    ['damping', 'neutral', 'amplifying', 'storm']
    """

    DAMPING = "damping"
    NEUTRAL = "neutral"
    AMPLIFYING = "amplifying"
    STORM = "storm"


DAMPING_BELOW = 0.98
NEUTRAL_UP_TO = 1.02
AMPLIFYING_UP_TO = 1.2

AMPLIFICATION_REGIMES = [label.value for label in AmplificationRegime]
