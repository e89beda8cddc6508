"""Limits that cleaning and the parity forward share with their compiled loops."""

from __future__ import annotations

HALF_TICK = 0.005
"""Half of the smallest price step, $: no price is known better."""

MIN_PAIRS = 3
"""Pairs of call and put that a forward or a discount factor needs."""
