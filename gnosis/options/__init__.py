"""Options: from quotes to implied volatility, Greeks and dealer exposures.

Whole chains, as frames: :func:`option_greeks` and :func:`exposure`. Single contracts and arrays, as in a notebook:
:func:`implied_vol`, :func:`price` and :func:`greeks`.

Examples
--------
>>> tau = 30 / 365
>>> forward, discount = carry_forward(100, tau, 0.05, 0.015), discount_factor(0.05, tau)
>>> round(float(price(100, 105, tau, forward, discount, 0.2, is_call=False)), 10)
5.3958756275
"""

from gnosis.options.black_scholes import Greeks, greeks, price
from gnosis.options.chain import option_greeks
from gnosis.options.exposure import exposure
from gnosis.options.forward import carry_forward, parity_forward
from gnosis.options.implied_vol import implied_vol
from gnosis.options.rates import discount_factor

__all__ = [
    "Greeks",
    "carry_forward",
    "discount_factor",
    "exposure",
    "greeks",
    "implied_vol",
    "option_greeks",
    "parity_forward",
    "price",
]
