"""Options: from quotes to forwards, implied volatility, Greeks, the surface and dealer positioning.

Whole chains, as frames, in the order in which they are made: :func:`chain_analytics` (or :func:`option_greeks` alone),
:func:`volatility_surface`, :func:`exposure`, :func:`levels`. Single contracts and arrays, as in a notebook:
:func:`implied_vol`, :func:`price`, :func:`greeks`, :func:`american_implied_vol` and :func:`tree_value`.

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
from gnosis.options.positioning.bands import Prior
from gnosis.options.positioning.conventions import flow_fractions, open_close_fractions
from gnosis.options.positioning.delta_profile import DeltaProfiles, delta_profiles
from gnosis.options.positioning.exposure import contract_exposure, exposure, exposure_totals
from gnosis.options.positioning.levels import levels
from gnosis.options.positioning.zero_gamma import net_gamma_profile
from gnosis.options.pricing.american import Dividends, TreeValue, american_implied_vol, tree_value
from gnosis.options.pricing.black_scholes import Greeks, greeks, price
from gnosis.options.pricing.implied_vol import IV_REASONS, ImpliedVol, implied_vol
from gnosis.options.surface.certificate import UncertifiedSurfaceError, certified
from gnosis.options.surface.fit import VolatilitySurface, density, probability_below, volatility_surface

__all__ = [
    "IV_REASONS",
    "ChainAnalytics",
    "DeltaProfiles",
    "Dividends",
    "Greeks",
    "ImpliedVol",
    "Prior",
    "TreeValue",
    "UncertifiedSurfaceError",
    "VolatilitySurface",
    "american_implied_vol",
    "carry_forward",
    "certified",
    "chain_analytics",
    "contract_exposure",
    "delta_profiles",
    "density",
    "discount_factor",
    "exposure",
    "exposure_totals",
    "flow_fractions",
    "greeks",
    "implied_vol",
    "levels",
    "net_gamma_profile",
    "open_close_fractions",
    "option_greeks",
    "parity_forward",
    "price",
    "probability_below",
    "tree_value",
    "volatility_surface",
]
