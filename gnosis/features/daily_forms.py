"""Daily forms of the features: what the engines and the feature library say of some symbols that have daily bars only.

Every formula is the one of its room: here they are only put together, for all sessions of a block of symbols at once,
without what serves other columns. The tests hold the result to the rows of the engines, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.engines import indicators, physics
from gnosis.engines.indicators import directional_index
from gnosis.engines.liquidity import book_quality, structure_and_regime
from gnosis.engines.liquidity.inputs import WINDOW, daily_quantities
from gnosis.engines.liquidity.order_book_imbalance import daily_proxies
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.liquidity.slippage_field import FRICTION_ORDER, model_slippage_bps
from gnosis.engines.liquidity.spread_estimator import WINDOW as SPREAD_WINDOW
from gnosis.engines.liquidity.spread_estimator import daily_edge
from gnosis.engines.liquidity.state import regime_confidence
from gnosis.engines.liquidity.structure_and_regime import PROFILE_SESSIONS, liquidity_score, score_regime
from gnosis.engines.liquidity.toxicity_vpin import DAILY_WINDOW, daily_sweep
from gnosis.engines.points import Floats, Panel, Points
from gnosis.engines.protocol import ProcessorResult, engine_confidence
from gnosis.engines.sentiment import technical_regime
from gnosis.engines.sentiment.flow_and_dark_pool import composite_flow_bias, daily_pressure, flow_regime
from gnosis.engines.sentiment.fusion import fuse
from gnosis.engines.sentiment.parameters import SentimentParameters
from gnosis.engines.sentiment.state import READINGS, bias
from gnosis.engines.trailing import YEAR, Series, least
from gnosis.features.panel import Rows
from gnosis.features.regime import liquidity_of_session, market_structure
from gnosis.features.technical import Averages, technical_values
from gnosis.tables.engines import PROCESSORS

LOOKBACK = 323
"""Sessions of bars, the current one included, that suffice: 252 earlier flow biases, of 71 sessions each."""


@dataclass(frozen=True)
class Market:
    """What is the same for all symbols, by session of the block.

    Attributes
    ----------
    breadth, regime
        Market-wide features by name, shape (sessions,), NaN where unknown.
    vix_changes
        Last daily changes of VIX known at each session, the newest last, shape (sessions, 20).
    """

    breadth: Mapping[str, Floats]
    regime: Mapping[str, Floats]
    vix_changes: Floats


def daily_forms(panel: Panel, points: Points, market: Market) -> dict[str, Floats]:
    """Return every feature that has a daily form of its own symbol, at the points, by name; NaN where unknown.

    Labels are given by their position; what is the same for all symbols is in ``market``.

    Parameters
    ----------
    panel
        Bars of some symbols, all known at the close of their session, from :data:`LOOKBACK` sessions before the points.
    points
        All symbols in the same sessions, up to the last of the panel.
    market
        Of these sessions.
    """
    symbols, width = panel.close.shape
    every = points_of(symbols, panel.first, panel.first + width)
    breadth = {name: np.tile(values, symbols) for name, values in market.breadth.items()}
    return {
        **_liquidity(panel, points, every),
        **_sentiment(panel, points, every, breadth),
        **_library(panel, points, every),
        "hedge_cross_asset_correlation": _correlation(panel, points, market),
    }


def points_of(symbols: int, first: int, end: int) -> Points:
    """Return a point for each of so many symbols in each session from rank ``first`` to before ``end``.

    Examples
    --------
    >>> points_of(2, 10, 12).position.tolist()
    [10, 11, 10, 11]
    """
    position = np.tile(np.arange(first, end), symbols)
    symbol = np.repeat(np.arange(symbols), end - first)
    return Points(pl.DataFrame(), tuple(map(str, range(symbols))), symbol, position, np.zeros_like(position))


def _past(panel: Panel, points: Points, every: Floats) -> Series:
    """Return a quantity of every session as the history of its value at the points; without a bar there is no row."""
    known = np.where(np.isnan(panel.close), np.nan, every.reshape(panel.close.shape))
    return Series(known, points.symbol, points.position - panel.first, panel.at(points, known))


def _liquidity(panel: Panel, points: Points, every: Points) -> dict[str, Floats]:
    parameters = LiquidityParameters()

    def covered(sessions: int, values: Floats = panel.volume, at: Points = points) -> Floats:
        return panel.share_known(at, values, sessions)

    quantities = daily_quantities(panel, every)
    adv_usd, sigma_d = quantities["adv_usd"], quantities["sigma_d"]
    spread_bps = np.maximum(1e4 * daily_edge(panel, every), 0.0)
    friction = model_slippage_bps(spread_bps, sigma_d, FRICTION_ORDER, parameters.y)
    is_whole = covered(WINDOW + 1, at=every) == 1.0
    kyle = 1e10 / np.where(is_whole, physics.linear_depth(adv_usd, sigma_d, parameters.y), np.nan)
    frictions, kyles = _past(panel, points, friction), _past(panel, points, kyle)
    proxies = daily_proxies(panel, points)
    own_sigma = panel.at(points, sigma_d.reshape(panel.close.shape))
    is_quiet = np.abs(proxies["log_return"]) < 0.25 * own_sigma
    is_known = ~np.isnan(proxies["volume_z"] * proxies["log_return"] * own_sigma)
    iceberg = np.where(is_known, (proxies["volume_z"] > 2) & is_quiet, np.nan)

    found = structure_and_regime.daily_structure(panel, points)
    values = {name: found[name] for name in found if name.startswith("liq_")}
    score = liquidity_score(
        frictions.percentile_rank(), kyles.percentile_rank(), found["amihud_rank"], found["scarcity_rank"]
    )

    bars, bars60 = covered(WINDOW), covered(DAILY_WINDOW)
    prices = np.full(panel.close.shape, np.nan)
    prices[:, 1:] = panel.close[:, 1:] + panel.close[:, :-1]
    none = np.zeros(len(points))
    is_proxy = np.ones(len(points), dtype=bool)

    def of_book(daily: Floats, has_output: np.ndarray) -> Floats:
        return book_quality.book_confidence(none, daily, is_proxy, has_output)

    own_adv = panel.at(points, adv_usd.reshape(panel.close.shape))
    confidence = {
        "order_book_imbalance": of_book(bars, ~np.isnan(proxies["money_flow"]) | ~np.isnan(iceberg)),
        "depth_profile": of_book(bars, ~np.isnan(own_adv) & (own_sigma > 0.0)),
        # Two neighbouring bars are enough for one of the estimates.
        "spread_estimator": of_book(covered(SPREAD_WINDOW, panel.close), covered(SPREAD_WINDOW - 1, prices) > 0.0),
        "slippage_field": of_book(bars, ~np.isnan(frictions.values)),
        "impact_and_lambda": 0.3 * bars,
        "toxicity_vpin": 0.3 * bars60,
        "dark_pool_and_shorts": none,
        "structure_and_regime": np.minimum(1.0, covered(YEAR, panel.close)) * (0.3 * covered(PROFILE_SESSIONS)),
    }
    overall = engine_confidence({name: ProcessorResult({}, confidence[name]) for name in PROCESSORS["liquidity"]})
    return values | {
        "liq_friction_cost": frictions.values,
        "liq_kyle_lambda": kyles.values,
        "liq_amihud": found["amihud"],
        "liq_orderbook_imbalance": proxies["money_flow"],
        "liq_sweep_alert": daily_sweep(panel, points),
        "liq_iceberg_alert": iceberg,
        "liq_score": score,
        "liq_regime": score_regime(score),
        "liq_regime_confidence": regime_confidence(score, overall),
        "liq_polr_strength": np.abs(values["liq_polr_direction"]) * score,
        "liq_confidence": overall,
    }


def _sentiment(panel: Panel, points: Points, every: Points, breadth: Mapping[str, Floats]) -> dict[str, Floats]:
    technical = technical_regime.of_values(
        {**technical_regime.daily_features(panel, points), **breadth}, SentimentParameters()
    )
    values = {name: np.asarray(found) for name, found in technical.values.items()}
    pressures = daily_pressure(panel, every)
    coverage = panel.at(points, pressures.pop("coverage").reshape(panel.close.shape))
    pressure = pressures["sent_net_aggressor_pressure"]
    flow = _past(panel, points, composite_flow_bias(pressure, np.full(pressure.size, np.nan)))
    values |= {name: panel.at(points, found.reshape(panel.close.shape)) for name, found in pressures.items()}
    values["sent_composite_flow_bias"] = flow.values
    values["sent_flow_regime"] = flow_regime(flow.values, *flow.quantiles(0.2, 0.8))

    n = len(points)
    readings = {
        "flow_and_dark_pool": (flow.values, 0.7 * (0.3 * coverage)),
        "technical_regime": (values.pop("technical_regime_v"), technical.confidence),
    }
    silent = (np.full(n, np.nan), np.zeros(n))
    # One of the six that say nothing stands for all: they matter where the largest of several zeros is named.
    v, given = (np.stack(part) for part in zip(silent, *readings.values(), strict=True))
    confidence = np.where(np.isnan(v), 0.0, given)
    fused = fuse(v, confidence, np.full(len(v), 1.0 / len(READINGS)))
    of_reading = dict.fromkeys(READINGS, silent[1]) | dict(zip(readings, confidence[1:], strict=True))
    return values | {
        "sent_bias": bias(fused.value),
        "sent_strength": np.abs(fused.value),
        "sent_energy": values["sent_metabolic_load"] * fused.mean_square / 2.0,
        "sent_confidence": engine_confidence({name: ProcessorResult({}, c) for name, c in of_reading.items()}),
        "sent_top_driver_contribution": fused.top_contribution,
    }


def _library(panel: Panel, points: Points, every: Points) -> dict[str, Floats]:
    """Return the technical features and the regimes of each symbol's own bars."""
    shape = panel.close.shape
    place = np.arange(shape[1])
    gaps = np.maximum.accumulate(np.where(np.isnan(panel.close), place, -1), axis=1)
    own = Rows(
        symbol=every.symbol,
        position=every.position,
        known_at=every.as_of,
        high=panel.high.reshape(-1),
        low=panel.low.reshape(-1),
        close=panel.close.reshape(-1),
        volume=panel.adjusted_volume.reshape(-1),
        run=(place - gaps).reshape(-1),
    )
    plus, minus = (directional_index(indicators.wilder(side), panel.atr14) for side in panel.moves[3:])
    adx = indicators.adx_of(panel.moves).reshape(-1)
    rsi, mean_range, plus, minus = (part.reshape(-1) for part in (panel.rsi, panel.atr14, plus, minus))
    averages = Averages(rsi, mean_range, plus, minus, adx)
    values = technical_values(own, averages)
    codes = {
        "regime_market_structure": market_structure(own, adx),
        "regime_liquidity_time": liquidity_of_session(own),
    }
    values |= {name: np.where(code < 0, np.nan, code) for name, code in codes.items()}
    return {name: panel.at(points, found.reshape(shape)) for name, found in values.items()}


def _correlation(panel: Panel, points: Points, market: Market) -> Floats:
    from gnosis.engines.liquidity.inputs import log_changes
    from gnosis.engines.pairwise_kernel import trailing_correlation

    first = int(points.position[0]) - panel.first
    windows = np.ascontiguousarray(market.vix_changes)
    return trailing_correlation(log_changes(panel.close), windows, first, least(WINDOW)).reshape(-1)
