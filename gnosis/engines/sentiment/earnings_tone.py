"""Tone of the last earnings call against the calls before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.document_rows import DocumentRows
from gnosis.engines.document_weights import STREAMS
from gnosis.engines.documents import DAY_US
from gnosis.engines.points import Floats, Integers
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.sentiment.inputs import SentimentInputs
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.trailing import History
from gnosis.reasons import SURE
from gnosis.sessions import schedule

SECTIONS = ("earnings_prepared", "earnings_qa")
MOST_PRIOR = 4
PRIOR_SESSIONS = 400
LEAST_SD = 0.05


def tone_surprise(tone: ArrayLike, prior_mean: ArrayLike, prior_sd: ArrayLike) -> Floats:
    """Return (tone - mean of the prior calls)/max(0.05, their standard deviation).

    Examples
    --------
    >>> tone_surprise(0.5, 0.3, [0.1, 0.0]).round(12).tolist()
    [2.0, 4.0]
    """
    spread = np.maximum(LEAST_SD, np.asarray(prior_sd, dtype=np.float64))
    return (np.asarray(tone, dtype=np.float64) - np.asarray(prior_mean, dtype=np.float64)) / spread


def process(
    inputs: SentimentInputs,
    history: History,
    parameters: SentimentParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the reading of earnings calls.

    A section without a scored document is absent; the tone of a call is the mean of the sections that are there. Age
    counts from the instant at which the call was known first. Calls that begin within 60 days of each other are one,
    whose age is that of the last.
    """
    is_collected = inputs.collected["news"]
    found = np.where(is_collected[:, None], _tones(inputs, parameters), np.nan)
    prepared, qa, age, documents, by_model, by_words, priors, mean, sd, mass, newest = np.ascontiguousarray(found.T)
    tone = np.where(np.isnan(prepared), qa, np.where(np.isnan(qa), prepared, (prepared + qa) / 2.0))
    z = tone_surprise(tone, mean, sd)
    decay = np.exp2(-age / parameters.documents.half_life_us(SECTIONS[0]))
    v = np.tanh(z / 2.0) * decay
    # Word lists count half of the model, section by section.
    sections = (by_model + by_words / 2.0) / len(SECTIONS)
    confidence = np.where(np.isnan(v), 0.0, sections * priors / MOST_PRIOR * decay)
    has_call = ~np.isnan(age)
    values = {
        "earnings_tone_v": v,
        "earnings_tone_n_documents": np.where(is_collected, np.where(has_call, documents, 0.0), np.nan),
        "earnings_tone_information_mass": np.where(is_collected, np.where(has_call, mass * decay, 0.0), np.nan),
        "earnings_tone_newest_known_at": newest,
        "tone_prepared": prepared,
        "tone_qa": qa,
        "tone_gap": qa - prepared,
        "tone_surprise_z": z,
        "earnings_tone": np.where(np.isnan(z), np.nan, 1.0 + (z >= 1.0) - (z <= -1.0)),
    }
    reasons = {
        "SOURCE_MISSING": ~is_collected,
        "FEW_DOCUMENTS": is_collected & (confidence < SURE),
        "SCORER_FALLBACK": has_call & (by_words > 0),
        "SHORT_HISTORY": has_call & (priors < MOST_PRIOR),
    }
    return ProcessorResult(values, confidence, reasons)


def _tones(inputs: SentimentInputs, parameters: SentimentParameters) -> Floats:
    from gnosis.engines.sentiment import earnings_tone_kernel

    points, rows = inputs.points, inputs.documents.rows
    row, symbol, section = _sections(rows)
    birth = rows.instants[2, row]
    event = rows.event[row]
    order = np.lexsort((birth, event, symbol))
    begun = birth.copy()
    if row.size:
        is_first = np.ones(row.size, dtype=bool)
        is_first[1:] = (np.diff(symbol[order]) != 0) | (np.diff(event[order]) != 0)
        begun[order] = birth[order][is_first][np.cumsum(is_first) - 1]
    order = np.lexsort((np.arange(row.size), section, event, begun, symbol))
    row, symbol, section, begun = row[order], symbol[order], section[order], begun[order]
    closes = schedule()["close_at"].dt.epoch("us").to_numpy().astype(np.int64)
    before = points.position - PRIOR_SESSIONS
    of_point = rows.buckets(STREAMS[0], points.symbols)[points.symbol]
    return earnings_tone_kernel.tones(
        np.ascontiguousarray(of_point),
        inputs.documents.read_until,
        np.where(before >= 0, closes[np.maximum(before, 0)], np.iinfo(np.int64).min),
        parameters.documents.longest_age_us(SECTIONS[0]),
        np.searchsorted(symbol, np.arange(len(rows.symbols) + 1)).astype(np.int64),
        np.stack([rows.instants[0, row], rows.instants[1, row], begun]),
        earnings_tone_kernel.merged(symbol, begun, int(parameters.events_apart_days * DAY_US)),
        section,
        np.stack([rows.floats[0, row], rows.floats[1, row], rows.floats[3, row]]),
    )


def _sections(rows: DocumentRows) -> tuple[Integers, Integers, Integers]:
    """Return the rows of both sections, their symbol and their section."""
    n = len(rows.symbols)
    symbol = np.repeat(np.arange(rows.bucket_starts.size - 1) % max(n, 1), np.diff(rows.bucket_starts))
    parts = []
    for name in SECTIONS:
        first = STREAMS.index(name) * n
        parts.append(np.arange(rows.bucket_starts[first], rows.bucket_starts[first + n]))
    row = np.concatenate(parts).astype(np.int64)
    section = np.repeat(np.arange(len(SECTIONS)), [part.size for part in parts])
    return row, symbol[row].astype(np.int64), section.astype(np.int64)
