"""Settings of the sentiment engine, stored with every row."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field

from gnosis.engines.document_weights import DocumentParameters


@dataclass(frozen=True)
class SentimentParameters:
    """Settings of the sentiment engine.

    Attributes
    ----------
    documents
        How texts are counted and weighted.
    events_apart_days
        Earnings calls that begin closer together are one.
    weight_cap
        Greatest weight of one reading in the fused one.
    kappa_s
        Strength with which sentiment shifts dealer gamma; 0 = off, until evidence out of sample supports it.
    snapshots_per_session
        Order book snapshots expected in a regular session of 390 minutes.
    trend_weight, reversion_weight
        Weights of the two scores in the reading of the technical regime.
    trend_weight_by_volatility, reversion_weight_by_volatility
        The same by label of ``sent_volatility_regime``, where they were estimated out of sample.
    """

    documents: DocumentParameters = field(default_factory=DocumentParameters)
    events_apart_days: float = 60.0
    weight_cap: float = 0.35
    kappa_s: float = 0.0
    snapshots_per_session: int = 390
    trend_weight: float = 1.0
    reversion_weight: float = 0.0
    trend_weight_by_volatility: dict[str, float] = field(default_factory=dict)
    reversion_weight_by_volatility: dict[str, float] = field(default_factory=dict)

    def as_json(self, **also: object) -> str:
        """Return the settings, and whatever else is given, as JSON with sorted keys.

        Examples
        --------
        >>> SentimentParameters(weight_cap=0.4).as_json()[-19:]
        ' "weight_cap": 0.4}'
        """
        return json.dumps(dataclasses.asdict(self) | also, sort_keys=True)
