"""Features: what a model may know about a symbol at the close of a session, as pure functions of raw tables.

:data:`FEATURES` declares each feature once. One module per group computes them for many symbols and sessions at a time:
:func:`gnosis.features.technical.technical`, :func:`gnosis.features.regime.regime` and
:func:`gnosis.features.macro.macro`. :mod:`gnosis.features.proofs` shows that none of them saw the future.

Three rules hold for all of them.

* A row reads only input that is about its own session or an earlier one and was known at its ``as_of``.
* Windows count exchange sessions, not stored rows: a halt never stretches a window silently. A value whose window lacks
  a session is null; only a reference sample (of a score, a percentile, a usual volume) goes on without it while it
  keeps enough.
* A value depends on nothing older than ``lookback_sessions``: one night gives the bits of a ten-year backfill.

Examples
--------
>>> FEATURES[0].name, FEATURES[0].unit, FEATURES[0].lookback_sessions
('tech_macd_histogram', 'ratio', 210)
"""

from gnosis.features.registry import BY_NAME, FEATURES, Feature, features_of, lookback_of

__all__ = ["BY_NAME", "FEATURES", "Feature", "features_of", "lookback_of"]
