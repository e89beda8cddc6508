"""vollib and pyvolr in this project's units and column names: the one place where their scaling is converted.

vollib gives vega and rho per 1 % and theta per calendar day; pyvolr gives raw partial derivatives, as this project
does. Both take a rate and a carry yield, and both have the first five Greeks.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from pyvolr import bs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from py_lets_be_rational.exceptions import VolatilityValueException
    from vollib.black_scholes_merton import black_scholes_merton
    from vollib.black_scholes_merton.greeks import analytical
    from vollib.black_scholes_merton.implied_volatility import implied_volatility
    from vollib.helpers.exceptions import PriceIsAboveMaximum, PriceIsBelowIntrinsic

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

COLUMNS = {
    "delta": "delta",
    "gamma": "gamma_per_usd",
    "vega": "vega_per_vol",
    "theta": "theta_per_year",
    "rho": "rho_per_unit",
}
TO_PER_UNIT = {"vollib": {"vega": 100.0, "theta": 365.0, "rho": 100.0}, "pyvolr": {}}


def per_unit(library: str, name: str, value: float | Floats) -> float | Floats:
    """Return a library's Greek per 1.00 of volatility or rate and per year."""
    return value * TO_PER_UNIT[library].get(name, 1.0)


def vollib_greeks(
    spot: Floats, strike: Floats, tau_years: Floats, rate: Floats, carry: Floats, iv: Floats, is_call: Booleans
) -> dict[str, Floats]:
    """Return price and five Greeks by column name; vollib is called contract by contract."""
    rows = list(zip(*_lists(is_call, spot, strike, tau_years, rate, iv, carry), strict=True))
    found = {"price": np.array([black_scholes_merton(*row) for row in rows])}
    for name, column in COLUMNS.items():
        function = getattr(analytical, name)
        found[column] = per_unit("vollib", name, np.array([function(*row) for row in rows]))
    return found


def vollib_implied_vol(
    price: Floats, spot: Floats, strike: Floats, tau_years: Floats, rate: Floats, carry: Floats, is_call: Booleans
) -> Floats:
    """Return volatilities, NaN where vollib refuses the price."""
    flag, *columns = _lists(is_call, price, spot, strike, tau_years, rate, carry)
    found = np.full(len(flag), np.nan)
    for i, row in enumerate(zip(*columns, flag, strict=True)):
        try:
            found[i] = implied_volatility(*row)
        except (VolatilityValueException, PriceIsAboveMaximum, PriceIsBelowIntrinsic):
            continue
    return found


def pyvolr_greeks(
    spot: Floats, strike: Floats, tau_years: Floats, rate: Floats, carry: Floats, iv: Floats, is_call: Booleans
) -> dict[str, Floats]:
    """Return price and five Greeks by column name."""
    arguments = (np.where(is_call, 1, -1), spot, strike, tau_years, rate, iv, carry)
    found = {"price": np.asarray(bs.price(*arguments))}
    for name, value in bs.greeks(*arguments).items():
        found[COLUMNS[name]] = per_unit("pyvolr", name, np.asarray(value))
    return found


def pyvolr_implied_vol(
    price: Floats, spot: Floats, strike: Floats, tau_years: Floats, rate: Floats, carry: Floats, is_call: Booleans
) -> Floats:
    """Return volatilities, NaN where pyvolr finds none."""
    flag = np.where(is_call, 1, -1)
    return np.asarray(bs.implied_vol(price, flag, spot, strike, tau_years, rate, carry, on_error="ignore"))


def _lists(is_call: Booleans, *columns: Floats) -> list[list]:
    """Return flags and columns of equal length as plain lists, which scalar code reads fastest."""
    is_call, *columns = np.broadcast_arrays(is_call, *columns)
    return [["c" if call else "p" for call in is_call], *(column.tolist() for column in columns)]
