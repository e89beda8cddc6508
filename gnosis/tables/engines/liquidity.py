"""Table of the liquidity engine: one row per symbol and session; one mixin per processor."""

from __future__ import annotations

import dataframely as dy

from gnosis.tables.dictionary import Origin, SymbolSession, count, flag, instant, label, number, regime, text
from gnosis.tables.feature_columns import engine_column


class OrderBookImbalance(dy.Schema):
    """Which side of the book is heavier, and how it changes."""

    liq_orderbook_imbalance = engine_column("liq_orderbook_imbalance")
    ofi_shares = number("shares", "sum of order-flow events at the best level (Cont, Kukanov & Stoikov 2014)")
    ofi_normalised = number("ratio", "that sum over the sum of absolute events", min=-1, max=1)
    ofi_multilevel_normalised = number("ratio", "the same over ten levels weighted exp(-(level - 1)/2)", min=-1, max=1)
    microprice_deviation_bps = number("bps", "microprice against mid")
    liq_iceberg_alert = engine_column("liq_iceberg_alert")
    book_pressure = regime("book_pressure", "percentile rank of the imbalance: below 0.1, between, above 0.9")
    order_book_imbalance_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    order_book_imbalance_is_proxy = flag("true when a named proxy stands in for the preferred input")
    order_book_imbalance_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class DepthProfile(dy.Schema):
    """Dollars displayed by distance from mid."""

    depth_bid_5bps_usd = number(
        "$",
        "bid dollars displayed within 5 bps of mid, session median; proxy: square-root law",
        min=0,
    )
    depth_bid_10bps_usd = number(
        "$",
        "bid dollars displayed within 10 bps of mid, session median; proxy: square-root law",
        min=0,
    )
    depth_bid_25bps_usd = number(
        "$",
        "bid dollars displayed within 25 bps of mid, session median; proxy: square-root law",
        min=0,
    )
    depth_bid_50bps_usd = number(
        "$",
        "bid dollars displayed within 50 bps of mid, session median; proxy: square-root law",
        min=0,
    )
    depth_ask_5bps_usd = number(
        "$",
        "ask dollars displayed within 5 bps of mid, session median; proxy: square-root law",
        min=0,
    )
    depth_ask_10bps_usd = number(
        "$",
        "ask dollars displayed within 10 bps of mid, session median; proxy: square-root law",
        min=0,
    )
    depth_ask_25bps_usd = number(
        "$",
        "ask dollars displayed within 25 bps of mid, session median; proxy: square-root law",
        min=0,
    )
    depth_ask_50bps_usd = number(
        "$",
        "ask dollars displayed within 50 bps of mid, session median; proxy: square-root law",
        min=0,
    )
    depth_vs_adv = number("ratio", "both depths at 50 bps over 1 % of ADV$", min=0)
    depth_elasticity = number("ratio", "slope of log cumulative depth on log distance; 2 for the square-root law")
    depth_imbalance = number(
        "ratio",
        "bid minus ask depth over their sum, weighted exp(-distance/50 bps)",
        min=-1,
        max=1,
    )
    resilience_half_life_s = number("s", "median time to regain half of a depth loss beyond 30 %", min_exclusive=0)
    depth_regime = regime("depth_regime", "percentile rank of depth_vs_adv: below 0.2, between, above 0.8")
    depth_profile_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    depth_profile_is_proxy = flag("true when a named proxy stands in for the preferred input")
    depth_profile_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class SlippageField(dy.Schema):
    """Cost of orders of 0.1, 0.5, 1 and 5 % of ADV."""

    cost_buy_0_1pct_usd = number(
        "$",
        "liquidity energy: cost over mid of walking the book to buy 0.1 % of ADV; null when it is exhausted",
        min=0,
    )
    cost_buy_0_5pct_usd = number(
        "$",
        "liquidity energy: cost over mid of walking the book to buy 0.5 % of ADV; null when it is exhausted",
        min=0,
    )
    cost_buy_1pct_usd = number(
        "$",
        "liquidity energy: cost over mid of walking the book to buy 1 % of ADV; null when it is exhausted",
        min=0,
    )
    cost_buy_5pct_usd = number(
        "$",
        "liquidity energy: cost over mid of walking the book to buy 5 % of ADV; null when it is exhausted",
        min=0,
    )
    cost_sell_0_1pct_usd = number(
        "$",
        "liquidity energy: cost over mid of walking the book to sell 0.1 % of ADV; null when it is exhausted",
        min=0,
    )
    cost_sell_0_5pct_usd = number(
        "$",
        "liquidity energy: cost over mid of walking the book to sell 0.5 % of ADV; null when it is exhausted",
        min=0,
    )
    cost_sell_1pct_usd = number(
        "$",
        "liquidity energy: cost over mid of walking the book to sell 1 % of ADV; null when it is exhausted",
        min=0,
    )
    cost_sell_5pct_usd = number(
        "$",
        "liquidity energy: cost over mid of walking the book to sell 5 % of ADV; null when it is exhausted",
        min=0,
    )
    slippage_buy_0_1pct_bps = number(
        "bps",
        "that cost over the value of the order; null when the book is exhausted",
        min=0,
    )
    slippage_buy_0_5pct_bps = number(
        "bps",
        "that cost over the value of the order; null when the book is exhausted",
        min=0,
    )
    slippage_buy_1pct_bps = number(
        "bps",
        "that cost over the value of the order; null when the book is exhausted",
        min=0,
    )
    slippage_buy_5pct_bps = number(
        "bps",
        "that cost over the value of the order; null when the book is exhausted",
        min=0,
    )
    slippage_sell_0_1pct_bps = number(
        "bps",
        "that cost over the value of the order; null when the book is exhausted",
        min=0,
    )
    slippage_sell_0_5pct_bps = number(
        "bps",
        "that cost over the value of the order; null when the book is exhausted",
        min=0,
    )
    slippage_sell_1pct_bps = number(
        "bps",
        "that cost over the value of the order; null when the book is exhausted",
        min=0,
    )
    slippage_sell_5pct_bps = number(
        "bps",
        "that cost over the value of the order; null when the book is exhausted",
        min=0,
    )
    unfilled_buy_0_1pct_share = number(
        "ratio",
        "share of an order to buy 0.1 % of ADV beyond the displayed book",
        min=0,
        max=1,
    )
    unfilled_buy_0_5pct_share = number(
        "ratio",
        "share of an order to buy 0.5 % of ADV beyond the displayed book",
        min=0,
        max=1,
    )
    unfilled_buy_1pct_share = number(
        "ratio",
        "share of an order to buy 1 % of ADV beyond the displayed book",
        min=0,
        max=1,
    )
    unfilled_buy_5pct_share = number(
        "ratio",
        "share of an order to buy 5 % of ADV beyond the displayed book",
        min=0,
        max=1,
    )
    unfilled_sell_0_1pct_share = number(
        "ratio",
        "share of an order to sell 0.1 % of ADV beyond the displayed book",
        min=0,
        max=1,
    )
    unfilled_sell_0_5pct_share = number(
        "ratio",
        "share of an order to sell 0.5 % of ADV beyond the displayed book",
        min=0,
        max=1,
    )
    unfilled_sell_1pct_share = number(
        "ratio",
        "share of an order to sell 1 % of ADV beyond the displayed book",
        min=0,
        max=1,
    )
    unfilled_sell_5pct_share = number(
        "ratio",
        "share of an order to sell 5 % of ADV beyond the displayed book",
        min=0,
        max=1,
    )
    slippage_model_0_1pct_bps = number("bps", "half spread plus square-root impact of 0.1 % of ADV", min=0)
    slippage_model_0_5pct_bps = number("bps", "half spread plus square-root impact of 0.5 % of ADV", min=0)
    slippage_model_1pct_bps = number("bps", "half spread plus square-root impact of 1 % of ADV", min=0)
    slippage_model_5pct_bps = number("bps", "half spread plus square-root impact of 5 % of ADV", min=0)
    liq_friction_cost = engine_column("liq_friction_cost")
    cost_regime = regime("cost_regime", "percentile rank of liq_friction_cost: below 0.2, between, above 0.8")
    slippage_field_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    slippage_field_is_proxy = flag("true when a named proxy stands in for the preferred input")
    slippage_field_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class ImpactAndLambda(dy.Schema):
    """Price impact of flow, and the depth that follows from it."""

    liq_kyle_lambda = engine_column("liq_kyle_lambda")
    lambda_t_stat = number("ratio", "t-statistic of the regression slope")
    lambda_n_bars = count("5-minute bars behind the regression")
    lambda_usd_per_share = number("$ per share", "Kyle slope: 1e-10 S^2 liq_kyle_lambda", min=0)
    depth_usd_per_unit = number("$ per unit log move", "market depth D = S^2/lambda", min=0)
    lambda_source = label(["regression", "linear_law"], "how lambda was found")
    hasbrouck_slope = number("bps per sqrt($1m)", "slope on signed square-root dollar volume")
    liq_amihud = engine_column("liq_amihud")
    depth_local_usd_per_unit = number(
        "$ per unit log move",
        "local depth of the square-root law at a move of 1 %",
        min=0,
    )
    almgren_permanent_bps = number(
        "bps",
        "permanent impact of 1 % of ADV (Almgren et al. 2005); needs shares outstanding",
        min=0,
    )
    almgren_temporary_0_1d_bps = number("bps", "temporary impact of 1 % of ADV over 0.1 days", min=0)
    almgren_temporary_0_2d_bps = number("bps", "temporary impact of 1 % of ADV over 0.2 days", min=0)
    almgren_temporary_0_5d_bps = number("bps", "temporary impact of 1 % of ADV over 0.5 days", min=0)
    impact_regime = regime("impact_regime", "percentile rank of liq_kyle_lambda: below 0.2, between, above 0.8")
    impact_and_lambda_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    impact_and_lambda_is_proxy = flag("true when a named proxy stands in for the preferred input")
    impact_and_lambda_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class SpreadEstimator(dy.Schema):
    """Quoted spread and its estimates from daily bars."""

    quoted_spread_bps = number("bps", "median over the last 30 minutes", min=0)
    edge_spread_bps = number("bps", "EDGE of 21 daily bars, signed (Ardia, Guidotti & Kroencke 2024)")
    roll_spread_bps = number("bps", "Roll (1984); null when the covariance is positive", min=0)
    abdi_ranaldo_bps = number("bps", "Abdi & Ranaldo (2017)", min=0)
    corwin_schultz_bps = number("bps", "Corwin & Schultz (2012), overnight-adjusted, signed mean")
    spread_bps = number("bps", "quoted spread, else EDGE, at least 0", min=0)
    spread_source = label(["quoted", "edge"], "where spread_bps comes from")
    spread_regime = regime("spread_regime", "percentile rank of spread_bps: below 0.2, between, above 0.8")
    spread_estimator_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    spread_estimator_is_proxy = flag("true when a named proxy stands in for the preferred input")
    spread_estimator_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class ToxicityVPIN(dy.Schema):
    """Imbalance of buying and selling in volume time."""

    toxicity_proxy = number(
        "ratio",
        "mean imbalance of 50 volume buckets, sides by bulk classification of bars",
        min=0,
        max=1,
    )
    vpin = number(
        "ratio",
        "the same from trades (Easley, Lopez de Prado & O'Hara 2012); null without trades",
        min=0,
        max=1,
    )
    toxicity_percentile = number("ratio", "percentile rank of toxicity_proxy over 252 sessions", min=0, max=1)
    liq_sweep_alert = engine_column("liq_sweep_alert")
    toxicity_regime = regime("toxicity_regime", "toxicity_percentile up to 0.8, up to 0.95, above")
    toxicity_vpin_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    toxicity_vpin_is_proxy = flag("true when a named proxy stands in for the preferred input")
    toxicity_vpin_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class DarkPoolAndShorts(dy.Schema):
    """Off-exchange volume and its short share."""

    liq_off_exchange_ratio = engine_column("liq_off_exchange_ratio")
    liq_hidden_accumulation = engine_column("liq_hidden_accumulation")
    liq_dark_pool_pressure = engine_column("liq_dark_pool_pressure")
    liq_short_volume_ratio = engine_column("liq_short_volume_ratio")
    liq_short_squeeze_pressure = engine_column("liq_short_squeeze_pressure")
    short_volume_trend = number("1/session", "least-squares slope of the short share over 10 published sessions")
    short_share_5 = number("ratio", "mean short share of the last 5 published sessions", min=0, max=1)
    short_flow_regime = regime("short_flow_regime", "percentile rank of short_share_5: below 0.1, between, above 0.9")
    dark_pool_and_shorts_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    dark_pool_and_shorts_is_proxy = flag("true when a named proxy stands in for the preferred input")
    dark_pool_and_shorts_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class StructureAndRegime(dy.Schema):
    """Volume profile, range phases and the liquidity score."""

    liq_n_absorption_zones = engine_column("liq_n_absorption_zones")
    liq_n_displacement_zones = engine_column("liq_n_displacement_zones")
    liq_n_voids = engine_column("liq_n_voids")
    liq_hvn_lvn_balance = engine_column("liq_hvn_lvn_balance")
    liq_polr_direction = engine_column("liq_polr_direction")
    liq_compression_energy = engine_column("liq_compression_energy")
    liq_expansion_energy = engine_column("liq_expansion_energy")
    liq_volume_strength = engine_column("liq_volume_strength")
    liq_buying_effort = engine_column("liq_buying_effort")
    liq_selling_effort = engine_column("liq_selling_effort")
    liq_wyckoff_phase = engine_column("liq_wyckoff_phase")
    liq_wyckoff_energy = engine_column("liq_wyckoff_energy")
    liq_score = engine_column("liq_score")
    liq_regime = engine_column("liq_regime")
    liq_polr_strength = engine_column("liq_polr_strength")
    structure_and_regime_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    structure_and_regime_is_proxy = flag("true when a named proxy stands in for the preferred input")
    structure_and_regime_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class EnginesLiquidity(
    OrderBookImbalance,
    DepthProfile,
    SlippageField,
    ImpactAndLambda,
    SpreadEstimator,
    ToxicityVPIN,
    DarkPoolAndShorts,
    StructureAndRegime,
    SymbolSession,
    Origin,
):
    """What it costs to trade, and how deep, tight and resilient the market is."""

    as_of = instant("knowledge cut-off of the row")
    spot = number("$", "close of the session as traded", min_exclusive=0)
    adv_usd = number("$ per session", "mean close x volume of the 20 sessions before", min=0)
    adv_shares = number("shares per session", "mean volume of the 20 sessions before", min=0)
    sigma_d = number("1/sqrt(session)", "standard deviation of the last 20 daily log returns", min=0)
    parameters = text("settings of the engine as JSON")
    liq_regime_confidence = engine_column("liq_regime_confidence")
    liq_confidence = engine_column("liq_confidence")
    reasons = text("reason codes joined by ','; empty when there is nothing to say")


LIQUIDITY_PROCESSORS: dict[str, type[dy.Schema]] = {
    "order_book_imbalance": OrderBookImbalance,
    "depth_profile": DepthProfile,
    "slippage_field": SlippageField,
    "impact_and_lambda": ImpactAndLambda,
    "spread_estimator": SpreadEstimator,
    "toxicity_vpin": ToxicityVPIN,
    "dark_pool_and_shorts": DarkPoolAndShorts,
    "structure_and_regime": StructureAndRegime,
}
