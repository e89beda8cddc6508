"""Declarations of the hedge features, in the order of the contract.

Symbols: S spot of the chain's snapshot; x the side of the dealers by the sign convention, +1 long and -1 short; OI open
interest of the session before; M shares per contract; ADV$ mean of close x volume of the 20 sessions before; lambda the
slope of Kyle in $ per share; k(p) = 1/lambda + sum x gamma(p) OI M in shares per $. Greeks at another price p are
revalued with the volatility that the smile has at the moneyness K/F(p).

A bar, a chain and an index level count for their session; yields and dividends are the last that were published.
"""

from __future__ import annotations

from functools import partial

from gnosis.features.feature import Feature, bars, declare

VIX = "^VIX"

_VOLATILITY = (
    *(
        f"raw.option_quotes.{column}"
        for column in (
            "expiry",
            "settlement",
            "right",
            "strike",
            "root",
            "ts",
            "bid",
            "ask",
            "spot",
            "style",
            "multiplier",
            "deliverable_shares",
        )
    ),
    "raw.macro.ref_date",
    "raw.macro.value",
    "raw.dividends.ex_date",
    "raw.dividends.amount_usd",
)
"""What a forward and a volatility follow from: rows of the session, and of the one before to tell a repeated chain."""

_GREEKS = (*_VOLATILITY, "raw.option_quotes.open_interest", "raw.option_quotes.oi_session")
_ADV = bars("close", "volume")
_DEPTH = (
    *bars("close", "volume", "adjustment_factor"),
    "raw.intraday_bars.frequency",
    "raw.intraday_bars.ts",
    "raw.intraday_bars.open",
    "raw.intraday_bars.close",
    "raw.intraday_bars.volume",
    "raw.order_books.ts",
    "raw.order_books.side",
    "raw.order_books.level",
    "raw.order_books.price",
)
"""What lambda follows from: 5-minute bars and mids of 20 sessions, or the daily bars of the linear law."""

_VIX_CLOSE = ("raw.index_levels.close",)
_PRESSURE = (*_GREEKS, *_ADV)
_STIFFNESS = (*_GREEKS, *_DEPTH)

_ADV_SESSIONS = 11
"""Ten of the 20 sessions before the current one: fewer volumes have no mean."""
_SLOPE_SESSIONS = 3
"""200 bars of five minutes: fewer have no significant slope."""
_REFERENCE = 63
"""Earlier values without which a window of 252 sessions says nothing."""

_declare = partial(declare, fallback="null")

FEATURES: tuple[Feature, ...] = (
    _declare(
        1,
        "hedge_pressure_up",
        "ADV per 1 % move",
        _PRESSURE,
        21,
        "What dealers must buy when the price rises 1 %; positive feeds the rise, negative damps it. "
        "P_up = -[D(1.01 S) - D(S)] S/ADV$, D(p) = sum x delta(p) OI M. "
        "Null when no contract has both a volatility and an open interest, or without ADV$.",
        producer="dealer_positioning",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        2,
        "hedge_pressure_down",
        "ADV per 1 % move",
        _PRESSURE,
        21,
        "What dealers must sell when the price falls 1 %; positive feeds the fall, negative damps it. "
        "P_dn = [D(0.99 S) - D(S)] S/ADV$, D(p) = sum x delta(p) OI M. "
        "Null when no contract has both a volatility and an open interest, or without ADV$.",
        producer="dealer_positioning",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        3,
        "hedge_net_pressure",
        "ADV per 1 % move",
        _PRESSURE,
        21,
        "Tilt of forced hedging: positive when a rise of 1 % makes dealers chase more than a fall of 1 %. "
        "hedge_pressure_up - hedge_pressure_down; null with either.",
        producer="dealer_positioning",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        4,
        "hedge_elasticity",
        "ADV per 1 % move",
        _STIFFNESS,
        21,
        "One-way flow that moves the price by 1 %, in average daily volumes; 0 or less means an unstable book. "
        "0.01 S^2 k(S)/ADV$. "
        "Null when no contract has both a volatility and an open interest, or without lambda or ADV$.",
        producer="elasticity_field",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        5,
        "hedge_movement_energy",
        "ratio",
        _STIFFNESS,
        21,
        "Work of moving the price by 1 %, mean of up and down, over the work of one ADV spread over the move. "
        "(max(hedge_movement_energy_up, 0) + max(hedge_movement_energy_down, 0))/2; null with either.",
        producer="movement_energy",
        low=0.0,
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        6,
        "hedge_elasticity_up",
        "ADV per 1 % move",
        _STIFFNESS,
        21,
        "Elasticity on the way up, as the hedging changes with the price. "
        "Mean of 0.01 S^2 k(p)/ADV$ over p from S to 1.01 S, Simpson on 51 points; null where hedge_elasticity is.",
        producer="elasticity_field",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        7,
        "hedge_elasticity_down",
        "ADV per 1 % move",
        _STIFFNESS,
        21,
        "Elasticity on the way down, as the hedging changes with the price. "
        "Mean of 0.01 S^2 k(p)/ADV$ over p from 0.99 S to S, Simpson on 51 points; null where hedge_elasticity is.",
        producer="elasticity_field",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        8,
        "hedge_movement_energy_up",
        "ratio",
        _STIFFNESS,
        21,
        "Work of moving the price up by 1 %, over the work of one ADV spread over the move. "
        "W_up/(ADV$ 0.005), W_up = integral of k(p)(p - S) dp from S to 1.01 S, Simpson on 51 points; null where "
        "hedge_elasticity is.",
        producer="movement_energy",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        9,
        "hedge_movement_energy_down",
        "ratio",
        _STIFFNESS,
        21,
        "Work of moving the price down by 1 %, over the work of one ADV spread over the move. "
        "W_dn/(ADV$ 0.005), W_dn = integral of k(p)(S - p) dp from 0.99 S to S, Simpson on 51 points; null where "
        "hedge_elasticity is.",
        producer="movement_energy",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        10,
        "hedge_energy_asymmetry",
        "ratio",
        _STIFFNESS,
        21,
        "Which way the price moves more easily: positive means less work upward. "
        "(D - U)/(D + U), U = max(W_up, 0), D = max(W_dn, 0). "
        "Null when no contract has both a volatility and an open interest, without lambda, or when U + D = 0.",
        producer="movement_energy",
        low=-1.0,
        high=1.0,
        fewest=_SLOPE_SESSIONS,
    ),
    _declare(
        11,
        "hedge_gamma_pressure",
        "ADV per 1 % move",
        _PRESSURE,
        21,
        "Dealer gamma against what is usually traded; positive means that dealers are long gamma and trade against the "
        "move. sum x gamma OI M S^2 0.01/ADV$. "
        "Null when no contract has both a volatility and an open interest, or without ADV$.",
        producer="dealer_positioning",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        12,
        "hedge_vanna_pressure",
        "ADV per vol point",
        _PRESSURE,
        21,
        "Change of the dealers' delta when volatility rises by one point, against what is usually traded. "
        "sum x vanna OI M S 0.01/ADV$. "
        "Null when no contract has both a volatility and an open interest, or without ADV$.",
        producer="vanna_flow",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        13,
        "hedge_charm_pressure",
        "ADV per calendar day",
        _PRESSURE,
        21,
        "Change of the dealers' delta as a day passes, against what is usually traded. "
        "sum x charm OI M S/365/ADV$, charm per year of calendar time. "
        "Null when no contract has both a volatility and an open interest, or without ADV$.",
        producer="charm_decay",
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        14,
        "hedge_dealer_gamma_sign",
        "ratio",
        _GREEKS,
        2,
        "How one-sided dealer gamma is: +1 when dealers are long all of it, -1 when they are short all. "
        "sum x gamma OI M / sum gamma OI M; null when no contract has gamma with open interest.",
        producer="dealer_positioning",
        low=-1.0,
        high=1.0,
        fewest=1,
    ),
    _declare(
        15,
        "hedge_primary_regime",
        "label",
        (*_PRESSURE, *_VIX_CLOSE),
        275,
        "Which hedging dominates. jump_risk_dominant if hedge_jump_risk_regime is high_jump_risk; else neutral if all "
        "|u| < 1, u = (x - median)/mad over 252 sessions of the gamma, vanna and charm pressures; else the one of the "
        "largest |u|, ties in that order. Unless jump risk is high, null when jump risk or a u is; mad = 0 gives no u.",
        dtype="category",
        producer="regime_and_flip",
        series=(VIX,),
        fewest=_REFERENCE + 1,
    ),
    _declare(
        16,
        "hedge_gamma_regime",
        "label",
        _PRESSURE,
        273,
        "Dealer gamma against its own past. With g = hedge_gamma_pressure and quantiles of 252 sessions: "
        "short_gamma_squeeze if g < q20 and g < 0; else long_gamma_compression if g > q80 and g > 0; else "
        "low_gamma_expansion if |g| < q20 of |g|; else neutral. Null when g is or fewer than 63 earlier g are known.",
        dtype="category",
        producer="dealer_positioning",
        fewest=_ADV_SESSIONS + _REFERENCE,
    ),
    _declare(
        17,
        "hedge_vanna_regime",
        "label",
        (*_PRESSURE, *_VIX_CLOSE),
        273,
        "Dealer vanna against its own past, and the level of VIX. With v = |hedge_vanna_pressure| and quantiles of 252 "
        "sessions: if v > q80, high_vanna_high_vol when VIX > its q80 and high_vanna_low_vol otherwise; else "
        "vanna_flow if v > q50; else neutral. Null when v is, when fewer than 63 earlier v are known, or when v > q80 "
        "and VIX or its q80 is unknown.",
        dtype="category",
        producer="vanna_flow",
        series=(VIX,),
        fewest=_ADV_SESSIONS + _REFERENCE,
    ),
    _declare(
        18,
        "hedge_charm_regime",
        "label",
        _PRESSURE,
        273,
        "Dealer charm against its own past, and how near the expiries are. With c = |hedge_charm_pressure|: if c > q80 "
        "of 252 sessions, high_charm_decay_acceleration when the days to expiry weighted by open interest are below 7 "
        "and charm_decay_dominant otherwise; else neutral. Null when c is, when fewer than 63 earlier c are known, or "
        "without open interest.",
        dtype="category",
        producer="charm_decay",
        fewest=_ADV_SESSIONS + _REFERENCE,
    ),
    _declare(
        19,
        "hedge_jump_risk_regime",
        "label",
        (*_GREEKS, *_VIX_CLOSE),
        275,
        "How much a jump is feared. score = 3 x mean of the known z-scores over 252 sessions of the volatility of VIX "
        "(sd of 20 log changes), of VIX and of the 25-delta put less call volatility at the expiry nearest 10 days "
        "within 7 to 14, + 1 if hedge_dealer_gamma_sign < -0.3. continuous_diffusion below 1, moderate_jump_risk up to "
        "2, high_jump_risk above; null with fewer than two z-scores.",
        dtype="category",
        producer="regime_and_flip",
        series=(VIX,),
        fewest=_REFERENCE + 1,
    ),
    _declare(
        20,
        "hedge_potential_shape",
        "label",
        _STIFFNESS,
        21,
        "Shape of the work W(x) of moving the price by x, within 5 %. W(x) = integral of k(p)(p - S) dp from S to "
        "S(1 + x), fitted by a2 x^2 + a3 x^3 + a4 x^4 at 41 points. double_well if a2 < 0 < a4; otherwise with shares "
        "t_j of |a_j| 0.05^j: quartic if t4 > 0.5; else cubic if t3 > 0.25; else quadratic. "
        "Null when no contract has both a volatility and an open interest, without lambda, or when all a_j are 0.",
        dtype="category",
        producer="movement_energy",
        fewest=_SLOPE_SESSIONS,
    ),
    _declare(
        21,
        "hedge_confidence",
        "ratio",
        _GREEKS,
        2,
        "Quality of the option chain: 1 when every contract that was expected came with a fresh and tight quote. "
        "(a b c d)^(1/4) over the contracts of the session before that have not settled and those that came: a share "
        "within 10 % of spot with 0 < bid < ask; b mean of exp(-age/15 minutes) of those quotes, 0 without; c share of "
        "the open interest that has a volatility; d 1 - median of min(1, (ask - bid)/mid), 1 without. Null without a "
        "chain.",
        producer="greek_field_mapper",
        low=0.0,
        high=1.0,
        fewest=1,
    ),
    _declare(
        22,
        "hedge_regime_stability",
        "ratio",
        (*_PRESSURE, *_VIX_CLOSE),
        295,
        "How settled the regime is: 1 when it did not change in 20 sessions and dealer gamma stood still. "
        "(1 - changes of hedge_primary_regime over the last 20 pairs of sessions/20) exp(-|u_t - u_{t-1}|), u = "
        "(x - median)/mad over 252 sessions of hedge_gamma_pressure. Null when one of the 21 regimes or of the two u "
        "is.",
        producer="regime_and_flip",
        series=(VIX,),
        low=0.0,
        high=1.0,
        fewest=_REFERENCE + 21,
    ),
    _declare(
        23,
        "hedge_cross_asset_correlation",
        "ratio",
        (*bars("close", "adjustment_factor"), *_VIX_CLOSE),
        23,
        "Whether the symbol falls when fear rises: the more negative, the more it does. Pearson correlation over 20 "
        "sessions of the log return and the change of VIX. Null with fewer than 10 pairs or when one side never moves.",
        producer="vanna_flow",
        fallback="same",
        series=(VIX,),
        low=-1.0,
        high=1.0,
        fewest=_ADV_SESSIONS,
    ),
    _declare(
        24,
        "hedge_mtf_agreement",
        "ratio",
        _GREEKS,
        2,
        "Whether dealer gamma has the same sign at near and far expiries: 1 when it has. "
        "|sum_b w_b sign(GEX_b)|, w_b = |GEX_b|/sum_b |GEX_b|, over expiries of 0-1, 2-7, 8-35 and more days; null "
        "when all GEX_b are 0.",
        producer="dealer_positioning",
        low=0.0,
        high=1.0,
        fewest=1,
    ),
)
