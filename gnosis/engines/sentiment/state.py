"""Sentiment state: eight readings of every symbol, fused by their weights and confidences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.documents import Documents
from gnosis.engines.input_origin import input_origin
from gnosis.engines.intraday_bars import IntradayBars
from gnosis.engines.order_books import OrderBooks
from gnosis.engines.points import DailyBars, Floats, daily_points
from gnosis.engines.protocol import ProcessorResult, engine_confidence, engine_frame, joined_reasons, united_reasons
from gnosis.engines.sentiment import (
    earnings_tone,
    flow_and_dark_pool,
    news_flow,
    options_positioning,
    reddit,
    stocktwits,
    technical_regime,
    x_twitter,
)
from gnosis.engines.sentiment.breadth import breadth_at, universe_breadth
from gnosis.engines.sentiment.chain_sums import ChainSums
from gnosis.engines.sentiment.dark_index import dark_index, dark_index_at
from gnosis.engines.sentiment.fusion import Fused, fuse, fusion_weights
from gnosis.engines.sentiment.inputs import SentimentInputs, collected_at, elasticity_at, hours_at
from gnosis.engines.sentiment.market_panels import origin_at
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.reading import posts_over_time
from gnosis.engines.sentiment.text_origins import text_origins
from gnosis.engines.sentiment_field import gamma_shift, price_impulse, sentiment_amplification
from gnosis.engines.trailing import History, banded
from gnosis.options.origin import require_table
from gnosis.tables import TABLES

TABLE = "engines.sentiment"
BULLISH_FROM = 0.15
MOMENTUM_SESSIONS = 5
VOLUME_SESSIONS = 30
# Sessions up to a point's own that are read of each table.
BARS_SESSIONS = 320
INTRADAY_SESSIONS = 21

PROCESSES = {
    "news_flow": news_flow.process,
    "x_twitter": x_twitter.process,
    "reddit": reddit.process,
    "stocktwits": stocktwits.process,
    "earnings_tone": earnings_tone.process,
    "options_positioning": options_positioning.process,
    "flow_and_dark_pool": flow_and_dark_pool.process,
    "technical_regime": technical_regime.process,
}
READINGS = {name: f"{name}_v" for name in PROCESSES} | {"flow_and_dark_pool": "sent_composite_flow_bias"}
"""Column of the reading of each processor, in the order of the weights."""

SOCIAL_COUNTS = {
    "stocktwits": ("stocktwits_bull", "stocktwits_bear", "stocktwits_untagged"),
    "reddit": ("reddit_count_24h",),
}


def sentiment(
    bars: pl.DataFrame,
    *,
    index_levels: pl.DataFrame | None = None,
    posts: pl.DataFrame | None = None,
    news: pl.DataFrame | None = None,
    scores: pl.DataFrame | None = None,
    quotes: pl.DataFrame | None = None,
    greeks: pl.DataFrame | None = None,
    elasticity: pl.DataFrame | None = None,
    dix: pl.DataFrame | None = None,
    shorts: pl.DataFrame | None = None,
    index_gamma: pl.DataFrame | None = None,
    membership: pl.DataFrame | None = None,
    breadth: pl.DataFrame | None = None,
    dark: pl.DataFrame | None = None,
    books: pl.DataFrame | None = None,
    intraday: pl.DataFrame | None = None,
    stocktwits_hours: pl.DataFrame | None = None,
    stored: pl.DataFrame | None = None,
    symbols: Collection[str] | None = None,
    sessions: Collection[dt.date] | None = None,
    collected: Collection[str] | Mapping[str, dt.date] = frozenset(),
    error_variances: Mapping[str, float] | None = None,
    parameters: SentimentParameters | None = None,
) -> pl.DataFrame:
    """Return the sentiment of every symbol and session that has a daily bar.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` in any order, of the symbols and of the universe whose breadth counts; a row needs
        up to 320 sessions.
    index_levels
        Rows of ``raw.index_levels``.
    posts, news, scores
        Rows of ``raw.posts``, ``raw.news`` and ``engines.document_scores``, see
        :class:`gnosis.engines.documents.Documents` for how far back. Give the posts of all symbols: a post that names
        many of them does not count.
    quotes, greeks
        Rows of ``raw.option_quotes`` of the wanted sessions; those of ``greeks.option_greeks`` are read for the gamma
        of traded calls alone, on which nothing rests while ``kappa_s`` is 0.
    elasticity
        Rows of ``engines.elasticity`` of the wanted sessions.
    dix, shorts, index_gamma, membership
        See :func:`gnosis.engines.sentiment.dark_index.dark_index`. Membership is a choice and has no provider.
    breadth, dark
        Results of :func:`gnosis.engines.sentiment.breadth.universe_breadth` and of ``dark_index`` made before, instead
        of their inputs; they bring the providers of these.
    books, intraday
        Rows of ``raw.order_books`` and ``raw.intraday_bars``.
    stocktwits_hours
        See :func:`gnosis.engines.sentiment.inputs.hours_at`.
    stored
        Rows of ``engines.sentiment`` of earlier sessions: readings are standardised against them.
    symbols, sessions
        Wanted symbols and sessions; all of the bars by default.
    collected
        Sources of texts that were collected, out of ``news``, ``x``, ``reddit`` and ``stocktwits``, or by source the
        first session of which it was: that one of them
        has no document then means that nothing was written. Texts of other sources do not count.
    error_variances
        By processor the variance of its reading's error out of sample; None: equal weights.
    parameters
        Settings.

    Returns
    -------
    polars.DataFrame
        ``engines.sentiment``, sorted by its key. What cannot be known is null, and the reasons say why.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, or a source or processor does not exist.
    UnknownSessionError
        When a session is not one of the exchange.

    Examples
    --------
    >>> sentiment(TABLES["raw.equity_bars"].empty()).height
    0
    """
    settings = SentimentParameters() if parameters is None else parameters
    weights = _weights(error_variances, settings)
    wanted = bars if symbols is None else bars.filter(pl.col("symbol").is_in(list(symbols)))
    points = daily_points(wanted, sessions)
    if len(points) == 0:
        return TABLES[TABLE].empty()
    if stored is not None:
        require_table(stored, TABLE)
    if breadth is None:
        breadth = universe_breadth(points.frame, bars, index_levels, membership)
    if dark is None:
        dark = dark_index(points.frame, dix, shorts, bars, index_gamma, membership)
    minutes = None if intraday is None else IntradayBars(points, intraday, "1min")
    inputs = SentimentInputs(
        points=points,
        bars=DailyBars(points, wanted),
        breadth=breadth_at(points, breadth),
        dark_index=dark_index_at(points, dark),
        documents=Documents(points, posts, news, scores, settings.documents),
        chains=ChainSums.of(points, quotes, greeks),
        elasticity=elasticity_at(points, elasticity),
        books=None if books is None or books.is_empty() else OrderBooks(points, books),
        intraday1=None if minutes is None or minutes.is_empty else minutes,
        collected=collected_at(points, collected),
        stocktwits_hours=hours_at(points, stocktwits_hours),
    )
    provider, synthetic = input_origin(
        points,
        [
            (wanted, BARS_SESSIONS),
            (origin_at(points, breadth, "breadth"), 1),
            (origin_at(points, dark, "dark index"), 1),
            *text_origins(points, posts, news, scores),
            (quotes, 1),
            (greeks, 1),
            (elasticity, 1),
            (books, 1),
            (intraday, INTRADAY_SESSIONS),
        ],
    )
    history = History(points, stored)
    results = process(inputs, history, settings)
    return interpret(inputs, history, results, settings, weights, provider, synthetic)


def process(inputs: SentimentInputs, history: History, parameters: SentimentParameters) -> dict[str, ProcessorResult]:
    """Return the results of the eight processors by name, in the order of the table."""
    results: dict[str, ProcessorResult] = {}
    for name, of in PROCESSES.items():
        results[name] = of(inputs, history, parameters, results)
    return results


def interpret(
    inputs: SentimentInputs,
    history: History,
    results: Mapping[str, ProcessorResult],
    parameters: SentimentParameters,
    weights: Floats,
    provider: pl.Series,
    synthetic: NDArray[np.bool_],
) -> pl.DataFrame:
    """Return the rows of ``engines.sentiment`` out of the results of the processors and the origin of their inputs."""
    points = inputs.points
    v = np.stack([np.asarray(results[name].values[column]) for name, column in READINGS.items()])
    confidence = np.where(np.isnan(v), 0.0, np.stack([results[name].confidence for name in READINGS]))
    counted = {name: ProcessorResult({}, c) for name, c in zip(READINGS, confidence, strict=True)}
    fused = fuse(v, confidence, weights)
    past = history.series("fused", fused.value)
    load = np.asarray(results["technical_regime"].values["sent_metabolic_load"])
    overall = engine_confidence(counted)
    unknown = np.full(len(points), np.nan)
    reasons = united_reasons(results)
    reasons["SYNTHETIC_INPUT"] = synthetic
    settings = parameters.as_json(weights=dict(zip(READINGS, weights.tolist(), strict=True)))
    return engine_frame(
        points.frame,
        results,
        TABLE,
        known_at=points.frame["as_of"],
        provider=provider,
        synthetic=pl.Series(synthetic),
        fused=fused.value,
        sent_bias=bias(fused.value),
        sent_strength=np.abs(fused.value),
        sent_energy=load * fused.mean_square / 2.0,
        sent_confidence=overall,
        sent_top_driver_contribution=fused.top_contribution,
        sent_social_volume=_social_volume(history, results),
        agreement=fused.agreement,
        dispersion=fused.dispersion,
        momentum=fused.value - past.mean(MOMENTUM_SESSIONS, fewest=MOMENTUM_SESSIONS),
        sentiment_regime=banded(past.percentile_rank(), below=(0.05, 0.35), up_to=(0.65, 0.95)),
        contrarian_effect=unknown,
        contrarian_effect_se=unknown,
        **_field(inputs, parameters.kappa_s, fused),
        parameters=pl.Series([settings], dtype=pl.String).new_from_index(0, len(points)),
        reasons=joined_reasons(reasons, len(points)),
    )


def bias(fused: Floats) -> Floats:
    """Return the position of the label of ``SentimentBias``: bearish up to -0.15, bullish from 0.15.

    Examples
    --------
    >>> bias(np.array([-0.15, 0.1, 0.15, np.nan])).tolist()
    [0.0, 1.0, 2.0, nan]
    """
    return np.where(np.isnan(fused), np.nan, 1.0 + (fused >= BULLISH_FROM) - (fused <= -BULLISH_FROM))


def _social_volume(history: History, results: Mapping[str, ProcessorResult]) -> Floats:
    """Return the z-score over 30 sessions of ln(1 + posts of 24 hours on StockTwits and Reddit)."""
    counts = {column: results[name].values[column] for name, columns in SOCIAL_COUNTS.items() for column in columns}
    return posts_over_time(history, {name: np.asarray(values) for name, values in counts.items()}).z(VOLUME_SESSIONS)


def _field(inputs: SentimentInputs, kappa: float, fused: Fused) -> dict[str, Floats]:
    depth, gamma = inputs.elasticity["depth_usd_per_unit"], inputs.elasticity["dealer_gamma_usd_per_unit"]
    call_gamma = inputs.chains.call_gamma_usd_per_unit
    shift = gamma_shift(kappa, fused.value, call_gamma)
    return {
        "sent_gamma_shift_usd_per_unit": shift,
        "sent_amplification": sentiment_amplification(depth, gamma, shift),
        "sent_price_impulse": price_impulse(kappa, fused.value, depth, gamma, call_gamma),
    }


def _weights(error_variances: Mapping[str, float] | None, parameters: SentimentParameters) -> Floats:
    if error_variances is None:
        return np.full(len(READINGS), 1.0 / len(READINGS))
    if set(error_variances) != set(READINGS):
        raise ValueError(f"error_variances: expected one for each of {list(READINGS)}, found {sorted(error_variances)}")
    return fusion_weights([error_variances[name] for name in READINGS], parameters.weight_cap)
