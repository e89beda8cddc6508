"""Liquidity state: what it costs to trade every symbol, and how deep, tight and resilient its market is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl

from gnosis.engines.input_origin import input_origin
from gnosis.engines.liquidity import (
    dark_pool_and_shorts,
    depth_profile,
    impact_and_lambda,
    order_book_imbalance,
    slippage_field,
    spread_estimator,
    structure_and_regime,
    toxicity_vpin,
)
from gnosis.engines.liquidity.inputs import LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.liquidity.slippage_field import ORDER_SIZES
from gnosis.engines.liquidity.structure_and_regime import PROFILE_SESSIONS, distance_to_cut
from gnosis.engines.liquidity.toxicity_vpin import TRADES_SESSIONS
from gnosis.engines.points import Floats, Points, daily_points
from gnosis.engines.protocol import ProcessorResult, engine_confidence, engine_frame, joined_reasons, united_reasons
from gnosis.engines.regimes import REGIMES, LiquidityRegime
from gnosis.engines.trailing import History
from gnosis.options.origin import require_table
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.tables.engines import PROCESSORS

TABLE = "engines.liquidity"
BARS_SESSIONS = 320
SHORTS_SESSIONS = 270
BOOKS_SESSIONS = 20
CUT_WIDTH = 0.1

# SlippageField reads the spread, StructureAndRegime the costs of the others.
_PROCESS = {
    "order_book_imbalance": order_book_imbalance.process,
    "depth_profile": depth_profile.process,
    "spread_estimator": spread_estimator.process,
    "slippage_field": slippage_field.process,
    "impact_and_lambda": impact_and_lambda.process,
    "toxicity_vpin": toxicity_vpin.process,
    "dark_pool_and_shorts": dark_pool_and_shorts.process,
    "structure_and_regime": structure_and_regime.process,
}


def liquidity(
    bars: pl.DataFrame,
    *,
    intraday: pl.DataFrame | None = None,
    books: pl.DataFrame | None = None,
    trades: pl.DataFrame | None = None,
    shorts: pl.DataFrame | None = None,
    stored: pl.DataFrame | None = None,
    sessions: Collection[dt.date] | None = None,
    shares_outstanding: pl.DataFrame | None = None,
    parameters: LiquidityParameters | None = None,
) -> pl.DataFrame:
    """Return the liquidity of every symbol and session that has a daily bar.

    Parameters
    ----------
    bars
        Rows of ``raw.equity_bars`` in any order; a row needs up to 320 sessions.
    intraday
        Rows of ``raw.intraday_bars``, of 60 sessions for the profile and of 21 for the rest.
    books
        Rows of ``raw.order_books`` of the wanted sessions; level 1 of 20 sessions gives mids to the regression of
        impact.
    trades
        Rows of ``raw.trades``; without them ``vpin`` is null.
    shorts
        Rows of ``raw.short_volume``, of 270 sessions.
    stored
        Rows of ``engines.liquidity`` of earlier sessions; percentiles of costs and toxicity read them.
    sessions
        Wanted sessions; all of the bars by default.
    shares_outstanding
        ``symbol``, ``known_at`` and ``shares_outstanding``; without them the permanent impact is null.
    parameters
        Settings.

    Returns
    -------
    polars.DataFrame
        ``engines.liquidity``, sorted by its key. What cannot be known is null, and the reasons say why.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.
    UnknownSessionError
        When a session is not one of the exchange.

    Examples
    --------
    >>> liquidity(TABLES["raw.equity_bars"].empty()).height
    0
    """
    settings = LiquidityParameters() if parameters is None else parameters
    points = daily_points(bars, sessions)
    if len(points) == 0:
        return TABLES[TABLE].empty()
    if stored is not None:
        require_table(stored, TABLE)
    given = {
        "equity_bars": (bars, BARS_SESSIONS),
        "order_books": (books, BOOKS_SESSIONS),
        "intraday_bars": (intraday, PROFILE_SESSIONS),
        "trades": (trades, TRADES_SESSIONS),
        "short_volume": (shorts, SHORTS_SESSIONS),
    }
    read = {name: _since(points, frame, f"raw.{name}", n) for name, (frame, n) in given.items() if frame is not None}
    inputs = LiquidityInputs.of(points, **read, shares_outstanding=shares_outstanding)
    provider, synthetic = input_origin(points, [(frame, given[name][1]) for name, frame in read.items()])
    return interpret(inputs, process(inputs, History(points, stored), settings), settings, provider, synthetic)


def process(inputs: LiquidityInputs, history: History, parameters: LiquidityParameters) -> dict[str, ProcessorResult]:
    """Return the results of the eight processors by name, in the order of the table."""
    results: dict[str, ProcessorResult] = {}
    for name, of in _PROCESS.items():
        results[name] = of(inputs, history, parameters, results)
    return {name: results[name] for name in PROCESSORS["liquidity"]}


def interpret(
    inputs: LiquidityInputs,
    results: Mapping[str, ProcessorResult],
    parameters: LiquidityParameters,
    provider: pl.Series,
    synthetic: np.ndarray,
) -> pl.DataFrame:
    """Return the rows of ``engines.liquidity`` out of the results of the processors and the origin of their inputs."""
    points = inputs.points
    confidence = engine_confidence(results)
    score = np.asarray(results["structure_and_regime"].values["liq_score"])
    return engine_frame(
        points.frame,
        results,
        TABLE,
        known_at=points.frame["as_of"],
        provider=provider,
        synthetic=pl.Series(synthetic),
        spot=inputs.spot,
        adv_usd=inputs.adv_usd,
        adv_shares=inputs.adv_shares,
        sigma_d=inputs.sigma_d,
        parameters=pl.Series([parameters.json()], dtype=pl.String).new_from_index(0, len(points)),
        liq_regime_confidence=regime_confidence(score, confidence),
        liq_confidence=confidence,
        reasons=joined_reasons(united_reasons(results) | {"SYNTHETIC_INPUT": synthetic}, len(points)),
    )


def regime_confidence(score: Floats, confidence: Floats) -> Floats:
    """Return min(1, distance of the score to the nearest cut/0.1) x confidence of the engine.

    Examples
    --------
    >>> regime_confidence(np.array([0.6, 0.65, 0.95]), np.array([0.5, 0.5, 0.5])).round(12).tolist()
    [0.0, 0.25, 0.5]
    """
    return np.minimum(1.0, distance_to_cut(score) / CUT_WIDTH) * confidence


def _since(points: Points, frame: pl.DataFrame, table: str, sessions: int) -> pl.DataFrame:
    """Return the rows of the sessions that any point reads."""
    require_table(frame, table)
    calendar = schedule()["session"]
    first = calendar[max(int(points.position.min()) - sessions, 0)]
    last = calendar[int(points.position.max())]
    inside = frame["session"].is_between(first, last)
    return frame if inside.all() else frame.filter(inside)


@dataclass(frozen=True)
class LiquidityState:
    """Liquidity of one symbol at one session; None where a value is unknown.

    Slippages and unfilled shares are by the size of the order as a share of the average daily volume.
    """

    symbol: str
    session: dt.date
    as_of: dt.datetime
    spot: float | None
    adv_usd: float | None
    sigma_d: float | None
    spread_bps: float | None
    friction_cost_bps: float | None
    slippage_buy_bps: Mapping[float, float | None]
    slippage_sell_bps: Mapping[float, float | None]
    unfilled_buy_share: Mapping[float, float | None]
    unfilled_sell_share: Mapping[float, float | None]
    depth_usd_per_unit: float | None
    lambda_usd_per_share: float | None
    lambda_source: str | None
    depth_elasticity: float | None
    resilience_half_life_s: float | None
    imbalance: float | None
    ofi_normalised: float | None
    toxicity_percentile: float | None
    off_exchange_ratio: float | None
    dark_pool_pressure: float | None
    score: float | None
    regime: LiquidityRegime | None
    regime_confidence: float | None
    polr_direction: float | None
    polr_strength: float | None
    regimes: Mapping[str, StrEnum | None]
    confidence: float
    reasons: tuple[str, ...]
    provider: str
    synthetic: bool


_RENAMED = {
    "friction_cost_bps": "liq_friction_cost",
    "imbalance": "liq_orderbook_imbalance",
    "off_exchange_ratio": "liq_off_exchange_ratio",
    "dark_pool_pressure": "liq_dark_pool_pressure",
    "score": "liq_score",
    "regime_confidence": "liq_regime_confidence",
    "polr_direction": "liq_polr_direction",
    "polr_strength": "liq_polr_strength",
    "confidence": "liq_confidence",
}
_OWN = ("regime", "regimes", "reasons")


def states(frame: pl.DataFrame) -> tuple[LiquidityState, ...]:
    """Return the rows of ``engines.liquidity`` as records, in their order.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.

    Examples
    --------
    >>> states(TABLES["engines.liquidity"].empty())
    ()
    """
    require_table(frame, TABLE)
    sized = {
        f"{kind}_{side}_{unit}": {share: f"{kind}_{side}_{name}_{unit}" for name, share in ORDER_SIZES.items()}
        for kind, unit in (("slippage", "bps"), ("unfilled", "share"))
        for side in ("buy", "sell")
    }
    plain = [name for name in LiquidityState.__dataclass_fields__ if name not in sized and name not in _OWN]
    kinds = [name for name in REGIMES if name in frame.columns]

    def label(row: Mapping[str, str | None], column: str) -> StrEnum | None:
        text = row[column]
        return None if text is None else REGIMES[column](text)

    def fields(row: Mapping[str, Any]) -> dict[str, Any]:
        found = {name: row[_RENAMED.get(name, name)] for name in plain}
        found |= {name: {share: row[column] for share, column in by.items()} for name, by in sized.items()}
        return found | {
            "regime": label(row, "liq_regime"),
            "regimes": {column: label(row, column) for column in kinds},
            "reasons": tuple(filter(None, row["reasons"].split(","))),
        }

    return tuple(LiquidityState(**fields(row)) for row in frame.iter_rows(named=True))
