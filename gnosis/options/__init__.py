"""Options: from quotes to forwards, implied volatility, Greeks, the surface and dealer positioning.

Whole chains, as frames, in the order in which they are made:

- forwards, volatilities and Greeks of raw quotes: :func:`chain_analytics`, or :func:`option_greeks` alone
- the surface without arbitrage, and its certificate: :func:`volatility_surface`, :func:`surface_certificate`
- what needs a certified surface: :func:`certified`, :func:`density`, :func:`probability_below`
- dealer exposures by strike, contract and symbol: :func:`exposure`, :func:`contract_exposure`, :func:`exposure_totals`
- zero gamma, walls and bands: :func:`levels`
- dealer gamma and delta by spot: :func:`net_gamma_profile`, :func:`delta_profiles`
- contracts by 0dte, next weekly, next monthly and all: :func:`with_expiry_set`
- dealer sides from signed or open-close volume: :func:`flow_fractions`, :func:`open_close_fractions`
- the prior of dealer sides, and after signed flow: :class:`Prior`, :func:`updated_by_flow`
- how a one-way flow is amplified: :func:`amplification_band`

Single contracts and arrays, as in a notebook:

- European: :func:`implied_vol` (:data:`IV_REASONS`), :func:`price`, :func:`greeks`
- forward and discount factor: :func:`parity_forward`, :func:`carry_forward`, :func:`discount_factor`
- American: :func:`american_implied_vol`, :func:`tree_value`, :func:`early_exercise_bound`, all with :class:`Dividends`
- expiry x strike x right, call and put at once: :func:`grid_implied_vol`, :func:`grid_greeks`, :func:`grid_exposure`

Examples
--------
>>> tau = 30 / 365
>>> forward, discount = carry_forward(100, tau, 0.05, 0.015), discount_factor(0.05, tau)
>>> round(float(price(100, 105, tau, forward, discount, 0.2, is_call=False)), 10)
5.3958756275
>>> round(float(implied_vol(5.3958756275, 105, tau, forward, discount, is_call=False).iv), 8)
0.2
"""

from gnosis.options.chain.analytics import ChainAnalytics, chain_analytics, option_greeks
from gnosis.options.chain.forward import carry_forward, parity_forward
from gnosis.options.chain.rates import discount_factor
from gnosis.options.positioning.amplification import amplification_band
from gnosis.options.positioning.bands import Prior
from gnosis.options.positioning.conventions import flow_fractions, open_close_fractions
from gnosis.options.positioning.delta_profile import DeltaProfiles, delta_profiles
from gnosis.options.positioning.expiry_sets import with_expiry_set
from gnosis.options.positioning.exposure import contract_exposure, exposure, exposure_totals
from gnosis.options.positioning.flow_update import updated_by_flow
from gnosis.options.positioning.levels import levels
from gnosis.options.positioning.zero_gamma import net_gamma_profile
from gnosis.options.pricing.american import (
    Dividends,
    TreeValue,
    american_implied_vol,
    early_exercise_bound,
    tree_value,
)
from gnosis.options.pricing.black_scholes import Greeks, greeks, price
from gnosis.options.pricing.implied_vol import IV_REASONS, ImpliedVol, implied_vol
from gnosis.options.pricing.strike_grid import (
    GridGreeks,
    StrikeExposure,
    grid_exposure,
    grid_greeks,
    grid_implied_vol,
)
from gnosis.options.surface.certificate import UncertifiedSurfaceError, certified, surface_certificate
from gnosis.options.surface.fit import VolatilitySurface, density, probability_below, volatility_surface

__all__ = [
    "IV_REASONS",
    "ChainAnalytics",
    "DeltaProfiles",
    "Dividends",
    "Greeks",
    "GridGreeks",
    "ImpliedVol",
    "Prior",
    "StrikeExposure",
    "TreeValue",
    "UncertifiedSurfaceError",
    "VolatilitySurface",
    "american_implied_vol",
    "amplification_band",
    "carry_forward",
    "certified",
    "chain_analytics",
    "contract_exposure",
    "delta_profiles",
    "density",
    "discount_factor",
    "early_exercise_bound",
    "exposure",
    "exposure_totals",
    "flow_fractions",
    "greeks",
    "grid_exposure",
    "grid_greeks",
    "grid_implied_vol",
    "implied_vol",
    "levels",
    "net_gamma_profile",
    "open_close_fractions",
    "option_greeks",
    "parity_forward",
    "price",
    "probability_below",
    "surface_certificate",
    "tree_value",
    "updated_by_flow",
    "volatility_surface",
    "with_expiry_set",
]
