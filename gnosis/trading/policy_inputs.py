"""What each policy looks at: a few inputs by name, and the quality of the data behind them."""

from __future__ import annotations

import polars as pl

HEDGE = (
    "energy_asymmetry",
    "net_pressure",
    "charm_flow_per_adv",
    "vanna_flow_of_forecast_fall_per_adv",
    "gamma_sign_times_momentum",
)
LIQUIDITY = ("polr_direction", "orderbook_imbalance", "hvn_lvn_balance", "dark_pool_pressure")
SENTIMENT = (
    "signed_strength",
    "composite_flow_bias",
    "retail_score",
    "fused_times_extremity_calm",
    "fused_times_extremity_stressed",
)
INPUTS: dict[str, tuple[str, ...]] = {"hedge": HEDGE, "liquidity": LIQUIDITY, "sentiment": SENTIMENT}
"""Inputs of each policy that learns its odds, in the order in which a vote stores their values."""

MARKET_CONVENTION = "naive"
CALM_VIX = 20.0
"""Points of the VIX from which the effect of an extreme in sentiment is learned apart."""
READS: dict[str, tuple[str, ...]] = {
    "features.matrix": (
        "hedge_energy_asymmetry", "hedge_net_pressure", "hedge_dealer_gamma_sign", "tech_momentum_zscore",
        "liq_polr_direction", "liq_orderbook_imbalance", "liq_hvn_lvn_balance", "liq_dark_pool_pressure",
        "sent_bias", "sent_strength", "sent_composite_flow_bias", "sent_retail_score",
    ),
    "engines.elasticity": (
        "as_of", "sign_convention", "charm_flow_usd_to_close", "vanna_flow_usd_volpt_down", "atm_iv_30d",
        "vix", "amplification", "amplification_regime", "hedge_movement_energy_up", "hedge_movement_energy_down",
        "stiffness_p10", "stiffness_p90", "gex_p_positive", "movement_energy_confidence",
        "movement_energy_is_proxy", "dealer_positioning_is_proxy", "charm_decay_is_proxy", "vanna_flow_is_proxy",
    ),
    "engines.liquidity": (
        "as_of", "liq_regime", "spread_bps", "slippage_model_0_1pct_bps", "adv_usd", "structure_and_regime_is_proxy",
        "order_book_imbalance_is_proxy", "dark_pool_and_shorts_is_proxy",
    ),
    "engines.sentiment": (
        "as_of", "fused", "technical_regime_is_proxy", "flow_and_dark_pool_is_proxy", "stocktwits_is_proxy",
    ),
}  # fmt: skip
"""Columns read of each table, beside session, symbol, ``known_at``, ``provider`` and ``synthetic``."""

_PROXIES = {
    "hedge": (
        "movement_energy_is_proxy",
        "dealer_positioning_is_proxy",
        "charm_decay_is_proxy",
        "vanna_flow_is_proxy",
        "dealer_positioning_is_proxy",
    ),
    "liquidity": (
        "structure_and_regime_is_proxy",
        "order_book_imbalance_is_proxy",
        "structure_and_regime_is_proxy",
        "dark_pool_and_shorts_is_proxy",
    ),
    "sentiment": (
        "technical_regime_is_proxy",
        "flow_and_dark_pool_is_proxy",
        "stocktwits_is_proxy",
        None,
        None,
    ),
}
"""Whether each input rests on a stand-in; None where its score counts the documents themselves."""


def policy_inputs(state: pl.DataFrame) -> pl.DataFrame:
    """Return the inputs of every learning policy and the quality of the data behind each.

    Quality is coverage x (1 - share of stand-ins): the share of the inputs that are known, times the share of the known
    ones whose processor measured rather than estimated. What was not known at the decision is null in ``state``, so
    that it is neither covered nor fresh.

    Parameters
    ----------
    state
        One row per symbol and session with the columns of :data:`READS` that are known at the decision, and
        ``sigma_hat`` (volatility the model expects, 1/sqrt(year), null without).

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, one float64 column ``<policy>.<input>`` per input, ``<policy>.confidence``.

    Examples
    --------
    >>> INPUTS["liquidity"][0], len(INPUTS["sentiment"])
    ('polr_direction', 5)
    """
    c = pl.col
    adv = pl.when(c("adv_usd") > 0).then("adv_usd")
    fall = c("atm_iv_30d") - c("sigma_hat")
    extreme = c("fused") * c("fused").abs()
    values = {
        "hedge.energy_asymmetry": c("hedge_energy_asymmetry"),
        "hedge.net_pressure": c("hedge_net_pressure"),
        "hedge.charm_flow_per_adv": c("charm_flow_usd_to_close") / adv,
        "hedge.vanna_flow_of_forecast_fall_per_adv": c("vanna_flow_usd_volpt_down") / adv * fall * 100.0,
        "hedge.gamma_sign_times_momentum": c("hedge_dealer_gamma_sign") * c("tech_momentum_zscore"),
        "liquidity.polr_direction": c("liq_polr_direction"),
        "liquidity.orderbook_imbalance": c("liq_orderbook_imbalance"),
        "liquidity.hvn_lvn_balance": c("liq_hvn_lvn_balance"),
        "liquidity.dark_pool_pressure": c("liq_dark_pool_pressure"),
        "sentiment.signed_strength": c("sent_bias").cast(pl.Float64) * c("sent_strength"),
        "sentiment.composite_flow_bias": c("sent_composite_flow_bias"),
        "sentiment.retail_score": c("sent_retail_score"),
        "sentiment.fused_times_extremity_calm": pl.when(c("vix") < CALM_VIX)
        .then(extreme)
        .when(c("vix").is_not_null())
        .then(0.0),
        "sentiment.fused_times_extremity_stressed": pl.when(c("vix") >= CALM_VIX)
        .then(extreme)
        .when(c("vix").is_not_null())
        .then(0.0),
    }
    floats = state.select(
        "session",
        "symbol",
        *(value.cast(pl.Float64).fill_nan(None).alias(name) for name, value in values.items()),
        *sorted({name for names in _PROXIES.values() for name in names if name}),
    )
    return floats.with_columns(_confidence(policy).alias(f"{policy}.confidence") for policy in INPUTS).select(
        "session", "symbol", *values, *(f"{policy}.confidence" for policy in INPUTS)
    )


def _confidence(policy: str) -> pl.Expr:
    names = [f"{policy}.{name}" for name in INPUTS[policy]]
    known = [pl.col(name).is_not_null() for name in names]
    measured = [
        has if proxy is None else has & ~pl.col(proxy).fill_null(True)
        for has, proxy in zip(known, _PROXIES[policy], strict=True)
    ]
    # coverage x (1 - stand-ins among the known) = measured / all
    return pl.sum_horizontal(flag.cast(pl.Float64) for flag in measured) / len(names)
