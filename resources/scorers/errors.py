"""What can go wrong with a scorer. Every message says what was expected, what was found and what to do."""

from __future__ import annotations


class ScorerError(Exception):
    """A scorer that was asked for and cannot be used as it is."""
