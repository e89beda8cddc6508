"""One row of the sentiment engine as a frozen record."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields

import polars as pl

from gnosis.engines.regimes import REGIMES, SentimentBias, SentimentRegime
from gnosis.engines.sentiment.state import READINGS, TABLE
from gnosis.options.origin import require_table


@dataclass(frozen=True)
class ProcessorReading:
    """What one processor says: value in [-1, 1] or None, how sure its data are, and why not surer."""

    v: float | None
    confidence: float
    is_proxy: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SentimentState:
    """Sentiment of one symbol in one session.

    Fields are columns of ``engines.sentiment`` under their names, None where unknown; ``readings`` has the readings by
    name of the processor.
    """

    symbol: str
    session: dt.date
    as_of: dt.datetime
    fused: float | None
    sent_bias: SentimentBias | None
    sent_strength: float | None
    sent_energy: float | None
    sent_confidence: float
    sent_top_driver_contribution: float | None
    sent_social_volume: float | None
    agreement: float | None
    dispersion: float | None
    momentum: float | None
    sentiment_regime: SentimentRegime | None
    contrarian_effect: float | None
    contrarian_effect_se: float | None
    sent_gamma_shift_usd_per_unit: float | None
    sent_amplification: float | None
    sent_price_impulse: float | None
    readings: dict[str, ProcessorReading]
    parameters: str
    provider: str
    synthetic: bool
    reasons: tuple[str, ...]


def states(frame: pl.DataFrame) -> list[SentimentState]:
    """Return rows of ``engines.sentiment`` as records, in their order.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> states(TABLES["engines.sentiment"].empty())
    []
    """
    require_table(frame, TABLE)
    names = [field.name for field in fields(SentimentState) if field.name not in ("readings", "reasons")]
    found = []
    for row in frame.iter_rows(named=True):
        plain = {name: row[name] for name in names}
        for name in REGIMES.keys() & plain.keys():
            plain[name] = None if plain[name] is None else REGIMES[name](plain[name])
        readings = {
            name: ProcessorReading(
                row[column], row[f"{name}_confidence"], row[f"{name}_is_proxy"], _codes(row[f"{name}_reasons"])
            )
            for name, column in READINGS.items()
        }
        found.append(SentimentState(**plain, readings=readings, reasons=_codes(row["reasons"])))
    return found


def _codes(text: str) -> tuple[str, ...]:
    return tuple(code for code in text.split(",") if code)
