"""Features: what a model may know about a symbol at the close of a session, as pure functions of raw tables.

:data:`FEATURES` declares each of the 141 once. One module per group makes their rows for many symbols and sessions at a
time: ``technical``, ``regime`` and ``macro`` from raw tables, ``hedge``, ``liquidity`` and ``sentiment`` from what the
engines stored; :func:`gnosis.features.matrix.matrix` puts them side by side. :mod:`gnosis.features.proofs` shows that
none of them saw the future.

Three rules hold for all of them.

* A row reads only input that is about its own session or an earlier one and was known at its ``as_of``.
* Windows count exchange sessions, not stored rows: a halt never stretches a window silently. A value whose window lacks
  a session is null; only a reference sample (of a score, a percentile, a usual volume) goes on without it while it
  keeps enough.
* A value depends on nothing older than ``lookback_sessions``: one night gives the bits of a ten-year backfill.

Examples
--------
>>> feature = BY_NAME["tech_macd_histogram"]
>>> feature.number, feature.unit, feature.lookback_sessions
(115, 'ratio', 210)
"""

from gnosis.features.registry import BY_NAME, FEATURES, GROUPS, Feature, features_of, lookback_of

__all__ = ["BY_NAME", "FEATURES", "GROUPS", "Feature", "features_of", "lookback_of"]
