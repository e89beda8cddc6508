"""Table of the elasticity engine: one row per symbol, session and sign convention; one mixin per processor."""

from __future__ import annotations

import dataframely as dy

from gnosis.tables.dictionary import Origin, SymbolSession, count, flag, instant, label, number, numbers, regime, text
from gnosis.tables.feature_columns import engine_column
from gnosis.tables.greeks import REVALUATIONS, SIGN_CONVENTIONS


class OIDistribution(dy.Schema):
    """Where open interest sits."""

    put_call_oi_ratio = number("ratio", "open interest of puts over that of calls", min=0)
    oi_hhi = number("ratio", "sum over strikes of squared shares of open interest", min=0, max=1)
    oi_effective_strikes = number("strikes", "1/oi_hhi", min=1)
    oi_weighted_dte_days = number("calendar days", "days to expiry weighted by open interest", min=0)
    oi_center_log_moneyness = number("log-moneyness", "mean ln(K/S) weighted by open interest")
    oi_share_0_1 = number("ratio", "share of open interest with 0 or 1 days to expiry", min=0, max=1)
    oi_share_2_7 = number("ratio", "share of open interest with 2 to 7 days", min=0, max=1)
    oi_share_8_35 = number("ratio", "share of open interest with 8 to 35 days", min=0, max=1)
    oi_share_36_plus = number("ratio", "share of open interest with more than 35 days", min=0, max=1)
    oi_notional_usd = number("$", "open interest x multiplier x spot", min=0)
    oi_change_contracts = number("contracts", "change of open interest over contracts listed in both sessions")
    oi_concentration = regime("oi_concentration", "percentile rank of oi_hhi: below 0.2, between, above 0.8")
    oi_distribution_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    oi_distribution_is_proxy = flag("true when a named proxy stands in for the preferred input")
    oi_distribution_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class GreekFieldMapper(dy.Schema):
    """Volatility of the chain and the quality of its quotes."""

    atm_iv_30d = number("1/sqrt(year)", "volatility at K = F, 30 days, linear in total variance", min=0)
    atm_iv_90d = number("1/sqrt(year)", "volatility at K = F, 90 days, linear in total variance", min=0)
    skew_25d_volpts = number("vol points", "volatility of the 25-delta put minus the call, expiry nearest 30 days")
    skew_25d_10d_volpts = number("vol points", "the same at the expiry nearest 10 days within 7 to 14")
    term_slope_volpts = number("vol points", "100 (atm_iv_90d - atm_iv_30d)")
    hedge_confidence = engine_column("hedge_confidence")
    skew_regime = regime("skew_regime", "percentile rank of skew_25d_volpts: below 0.2, between, above 0.8")
    greek_field_mapper_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    greek_field_mapper_is_proxy = flag("true when a named proxy stands in for the preferred input")
    greek_field_mapper_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class DealerPositioning(dy.Schema):
    """Net dealer exposures under the sign convention, with their band."""

    gex_usd_per_pct = number("$ per 1 % move", "dealer gamma exposure")
    dex_usd = number("$", "dealer delta exposure")
    vex_usd_per_volpt = number("$ of delta per vol point", "dealer vanna exposure")
    cex_usd_per_day = number("$ of delta per calendar day", "dealer charm exposure")
    vega_usd_per_volpt = number("$ per vol point", "dealer vega exposure")
    vomma_usd_per_volpt2 = number("$ of vega per vol point, per vol point", "dealer vomma exposure")
    speed_usd_per_pct2 = number("$ per (1 %)^2", "dealer speed exposure")
    zomma_usd_per_pct_volpt = number("$ per 1 % per vol point", "dealer zomma exposure")
    dealer_gamma_usd_per_unit = number("$ per unit log move", "dealer dollar gamma G = 100 x gex_usd_per_pct")
    hedge_gamma_pressure = engine_column("hedge_gamma_pressure")
    hedge_dealer_gamma_sign = engine_column("hedge_dealer_gamma_sign")
    hedge_pressure_up = engine_column("hedge_pressure_up")
    hedge_pressure_down = engine_column("hedge_pressure_down")
    hedge_net_pressure = engine_column("hedge_net_pressure")
    hedge_mtf_agreement = engine_column("hedge_mtf_agreement")
    gex_p10 = number("$ per 1 % move", "10 % quantile of the exposure over dealer sides")
    gex_p50 = number("$ per 1 % move", "median of the exposure over dealer sides")
    gex_p90 = number("$ per 1 % move", "90 % quantile of the exposure over dealer sides")
    gex_hard_bound = number("$ per 1 % move", "unsigned exposure: no side can exceed it", min=0)
    gex_p_positive = number("probability", "probability that dealers are net long gamma", min=0, max=1)
    is_sign_undetermined = flag("true when 0 lies between gex_p10 and gex_p90", nullable=True)
    hedge_gamma_regime = engine_column("hedge_gamma_regime")
    dealer_positioning_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    dealer_positioning_is_proxy = flag("true when a named proxy stands in for the preferred input")
    dealer_positioning_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class VannaFlow(dy.Schema):
    """What dealers trade when volatility moves."""

    hedge_vanna_pressure = engine_column("hedge_vanna_pressure")
    vanna_flow_usd_volpt_down = number("$", "what dealers buy when volatility falls one point")
    spot_vol_beta_volpts_per_pct = number(
        "vol points per 1 %",
        "slope of the change of volatility on the return, 60 sessions",
    )
    spot_vol_beta_pairs = count("pairs of changes behind the slope")
    spot_vol_beta_source = label(
        ["chain", "vix"], "volatility behind the slope: atm_iv_30d, or VIX when fewer than 20 chains"
    )
    gex_vol_adjusted_usd_per_pct = number("$ per 1 % move", "gex_usd_per_pct + slope x vex_usd_per_volpt")
    gex_vol_adjusted_confidence = number("ratio", "confidence of gex_vol_adjusted_usd_per_pct", min=0, max=1)
    hedge_cross_asset_correlation = engine_column("hedge_cross_asset_correlation")
    hedge_vanna_regime = engine_column("hedge_vanna_regime")
    vanna_flow_confidence = number("ratio", "quality of the data behind this processor", min=0, max=1, nullable=False)
    vanna_flow_is_proxy = flag("true when a named proxy stands in for the preferred input")
    vanna_flow_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class CharmDecay(dy.Schema):
    """What dealers trade as time passes."""

    hedge_charm_pressure = engine_column("hedge_charm_pressure")
    charm_flow_usd_to_close = number("$", "what dealers buy until the close at unchanged spot and smile")
    charm_flow_usd_next_session = number("$", "what dealers buy until the same time of the next session")
    expiry_unwind_usd = number("$", "delta of cash-settled contracts that expire in between: hedges lifted")
    charm_share_0dte = number("ratio", "share of absolute charm from contracts that expire today", min=0, max=1)
    hedge_charm_regime = engine_column("hedge_charm_regime")
    charm_decay_confidence = number("ratio", "quality of the data behind this processor", min=0, max=1, nullable=False)
    charm_decay_is_proxy = flag("true when a named proxy stands in for the preferred input")
    charm_decay_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class ElasticityField(dy.Schema):
    """How many dollars move the symbol, and whether hedging damps or feeds the move."""

    depth_usd_per_unit = number("$ per unit log move", "market depth D without dealers", min=0)
    lambda_usd_per_share = number("$ per share", "Kyle slope", min=0)
    lambda_source = label(["regression", "linear_law"], "how lambda was found")
    stiffness_usd_per_pct = number("$ per 1 % move", "one-way flow that moves the price by 1 %: (D + G)/100")
    stiffness_p10 = number("$ per 1 % move", "the same at gex_p10")
    stiffness_p90 = number("$ per 1 % move", "the same at gex_p90")
    hedge_elasticity = engine_column("hedge_elasticity")
    hedge_elasticity_up = engine_column("hedge_elasticity_up")
    hedge_elasticity_down = engine_column("hedge_elasticity_down")
    amplification = number(
        "ratio",
        "move with dealers / move without: D/(D + G); null when D + G <= 0",
        min_exclusive=0,
    )
    amplification_p10 = number("ratio", "10 % quantile of the amplification", min_exclusive=0)
    amplification_p50 = number("ratio", "median of the amplification: the value to plan with", min_exclusive=0)
    amplification_p90 = number(
        "ratio",
        "90 % quantile of the amplification; null where it is unbounded",
        min_exclusive=0,
    )
    is_amplification_unbounded = flag(
        "true when D + G <= 0 at gex_p10: the upper end of the band is infinite",
        nullable=True,
    )
    fragility = number("ratio", "-G/D; at 1 the book is unstable")
    amplification_regime = regime(
        "amplification_regime",
        "damping < 0.98 <= neutral <= 1.02 < amplifying <= 1.2 < storm",
    )
    elasticity_field_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    elasticity_field_is_proxy = flag("true when a named proxy stands in for the preferred input")
    elasticity_field_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class MovementEnergy(dy.Schema):
    """Work of moving the price."""

    energy_up_usd = number("$", "work to move the price up by 1 %")
    energy_down_usd = number("$", "work to move the price down by 1 %")
    hedge_movement_energy = engine_column("hedge_movement_energy")
    hedge_movement_energy_up = engine_column("hedge_movement_energy_up")
    hedge_movement_energy_down = engine_column("hedge_movement_energy_down")
    hedge_energy_asymmetry = engine_column("hedge_energy_asymmetry")
    potential_a2 = number("$", "coefficient of x^2 of the work within 5 %")
    potential_a3 = number("$", "coefficient of x^3")
    potential_a4 = number("$", "coefficient of x^4")
    potential_residual = number("$", "norm of the residual of the fit", min=0)
    hedge_potential_shape = engine_column("hedge_potential_shape")
    movement_energy_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    movement_energy_is_proxy = flag("true when a named proxy stands in for the preferred input")
    movement_energy_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class RegimeAndFlip(dy.Schema):
    """Where hedging changes sign, the walls, and which hedging dominates."""

    flips = numbers("$", "zero-gamma spots, ascending; empty when there is none")
    nearest_flip = number("$", "zero-gamma spot nearest to spot", min_exclusive=0)
    n_flips = count("number of zero-gamma spots")
    flip_distance_sd = number("standard deviations of one session", "distance of the nearest flip")
    profile_sign = count("sign of the net gamma profile where it has no root", min=-1, max=1)
    flip_zone_low = number("$", "lower end of the zone in which the sign is undetermined", min_exclusive=0)
    flip_zone_high = number("$", "upper end of that zone", min_exclusive=0)
    call_wall = number("$", "strike of the largest call gamma above spot", min_exclusive=0)
    put_wall = number("$", "strike of the largest put gamma below spot", min_exclusive=0)
    gamma_wall = number("$", "strike of the largest absolute net gamma", min_exclusive=0)
    oi_wall = number("$", "strike of the largest open interest", min_exclusive=0)
    jump_score = number(
        "ratio",
        "3 x mean of the z-scores of VIX, its volatility and the short skew, + 1 for short gamma",
    )
    vix = number("points", "VIX close known at as_of", min_exclusive=0)
    vix_change_sd = number("1/sqrt(session)", "standard deviation of 20 log changes of VIX", min=0)
    gamma_pressure_u = number("ratio", "hedge_gamma_pressure less its median over its spread (MAD), 252 sessions")
    hedge_jump_risk_regime = engine_column("hedge_jump_risk_regime")
    hedge_primary_regime = engine_column("hedge_primary_regime")
    hedge_regime_stability = engine_column("hedge_regime_stability")
    regime_and_flip_confidence = number(
        "ratio",
        "quality of the data behind this processor",
        min=0,
        max=1,
        nullable=False,
    )
    regime_and_flip_is_proxy = flag("true when a named proxy stands in for the preferred input")
    regime_and_flip_reasons = text("reason codes joined by ','; empty when there is nothing to say")


class EnginesElasticity(
    OIDistribution,
    GreekFieldMapper,
    DealerPositioning,
    VannaFlow,
    CharmDecay,
    ElasticityField,
    MovementEnergy,
    RegimeAndFlip,
    SymbolSession,
    Origin,
):
    """How many dollars move the symbol, and whether dealer hedging damps or feeds the move."""

    sign_convention = label(SIGN_CONVENTIONS, "assumed dealer side", nullable=False, primary_key=True)
    as_of = instant("knowledge cut-off of the row")
    chain_ts = instant("latest quote instant of the chain")
    spot = number("$", "price of the underlying at the chain snapshot", nullable=False)
    adv_usd = number("$ per session", "mean close x volume of the 20 sessions before", min=0)
    sigma_d = number("1/sqrt(session)", "standard deviation of the last 20 daily log returns", min=0)
    revaluation = label(REVALUATIONS, "how volatility moves with spot", nullable=False)
    certificate = label(["passed", "failed"], "no-arbitrage certificate of the surface; null without a surface")
    easier_direction = label(
        ["up", "none", "down"], "direction of less work, when the asymmetry is large for the symbol"
    )
    interpretation = label(
        ["storm", "undetermined", "damping", "neutral", "amplifying"],
        "amplification_regime, except that nothing is said of a move whose dealer side is undetermined",
    )
    parameters = text("settings of the engine as JSON")
    confidence = number(
        "ratio",
        "weighted sum of the confidences of the eight processors",
        nullable=False,
        min=0,
        max=1,
    )
    reasons = text("reason codes joined by ','; empty when there is nothing to say")


class EnginesElasticitySurface(SymbolSession, Origin):
    """Stiffness and amplification at hypothetical prices and times: contracts expired by then are gone."""

    sign_convention = label(SIGN_CONVENTIONS, "assumed dealer side", nullable=False, primary_key=True)
    horizon_number = count("position of the horizon, from 0 = now", nullable=False, primary_key=True)
    price_number = count("position of the price, ascending from 0", nullable=False, primary_key=True)
    as_of = instant("knowledge cut-off of the row")
    horizon_days = number("calendar days", "time from the chain snapshot", nullable=False, min=0)
    price_usd = number("$", "hypothetical spot", nullable=False, min_exclusive=0)
    spot = number("$", "price of the underlying at the chain snapshot", nullable=False)
    dealer_gamma_usd_per_unit = number("$ per unit log move", "dealer dollar gamma at that price and time")
    stiffness_usd_per_pct = number("$ per 1 % move", "(D + G)/100 there")
    amplification = number("ratio", "D/(D + G) there; null when D + G <= 0", min_exclusive=0)
    n_contracts = count("contracts that are alive at the horizon", nullable=False)
    confidence = number("ratio", "confidence of the elasticity field", nullable=False, min=0, max=1)
    reasons = text("reason codes joined by ','; empty when there is nothing to say")


ELASTICITY_PROCESSORS: dict[str, type[dy.Schema]] = {
    "oi_distribution": OIDistribution,
    "greek_field_mapper": GreekFieldMapper,
    "dealer_positioning": DealerPositioning,
    "vanna_flow": VannaFlow,
    "charm_decay": CharmDecay,
    "elasticity_field": ElasticityField,
    "movement_energy": MovementEnergy,
    "regime_and_flip": RegimeAndFlip,
}
