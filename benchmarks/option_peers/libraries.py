"""Libraries beside which gnosis is measured, each called the way that is fastest for it.

A library whose call takes one right gets calls and puts as two sets of arrays, split before the clock starts. Each
function returns a call without arguments; those of the optional dependency group ``bench`` return None when the library
is not installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from pyvolr import bs
from scipy.special import ndtr

from option_peers.chains import Book

Run = Callable[[], Any]


def is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def halves(book: Book) -> list[tuple[bool, Book]]:
    return [(is_call, book.take(book.is_call == is_call)) for is_call in (True, False)]


def merged(book: Book, parts: list[np.ndarray]) -> np.ndarray:
    """Put results of calls and puts back in the order of the book."""
    out = np.empty(book.tau.size)
    for is_call, part in zip((True, False), parts, strict=True):
        out[book.is_call == is_call] = part
    return out


def iv_engine_implied_vol(book: Book) -> Run | None:
    """Black-76 on undiscounted prices, one thread."""
    if not is_installed("iv_engine"):
        return None
    from iv_engine import implied_volatilities

    parts = halves(book)
    return lambda: [
        implied_volatilities(part.price / part.discount, part.forward, part.strike, part.tau, is_call, parallel=False)
        for is_call, part in parts
    ]


def pyvolr_implied_vol(book: Book) -> Run:
    parts = halves(book)
    return lambda: [
        bs.implied_vol(
            part.price,
            "c" if is_call else "p",
            part.spot,
            part.strike,
            part.tau,
            part.rate,
            part.carry,
            on_error="ignore",
        )
        for is_call, part in parts
    ]


def pyvolr_greeks(book: Book) -> Run:
    """Price and five Greeks, all that it has."""
    parts = halves(book)
    return lambda: [_pyvolr_five(is_call, part, part.iv) for is_call, part in parts]


def pyvolr_and_numpy_greeks(book: Book) -> Run:
    """Price and eight Greeks: five from pyvolr; vanna, charm and vomma from those in numpy."""
    parts = halves(book)

    def run() -> list[Any]:
        found = [(part, *_pyvolr_five(is_call, part, part.iv)) for is_call, part in parts]
        return [(price, five, _numpy_three(part, part.iv, five)) for part, price, five in found]

    return run


def _pyvolr_five(is_call: bool, part: Book, iv: np.ndarray) -> tuple[Any, Any]:
    arguments = ("c" if is_call else "p", part.spot, part.strike, part.tau, part.rate, iv, part.carry)
    return bs.price(*arguments), bs.greeks(*arguments)


def _numpy_three(part: Book, iv: np.ndarray, five: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vanna, charm and vomma from delta and vega."""
    root = np.sqrt(part.tau)
    total = iv * root
    drift = (part.rate - part.carry) * part.tau
    d1 = (np.log(part.spot / part.strike) + drift) / total + total / 2
    d2 = d1 - total
    density = five["vega"] / (part.spot * root)
    charm = part.carry * five["delta"] - density * (2 * drift - d2 * total) / (2 * part.tau * total)
    return -density * d2 / iv, charm, five["vega"] * d1 * d2 / iv


def jax_greeks(book: Book) -> Run | None:
    """Price and eight Greeks in closed form, compiled, in double precision."""
    if not is_installed("jax"):
        return None
    import jax

    jax.config.update("jax_enable_x64", True)
    from jax import numpy as jnp
    from jax.scipy.special import ndtr as normal

    @jax.jit
    def closed_form(side: Any, s: Any, k: Any, tau: Any, r: Any, q: Any, v: Any) -> tuple[Any, ...]:
        root = jnp.sqrt(tau)
        total = v * root
        d1 = (jnp.log(s / k) + (r - q) * tau) / total + total / 2
        d2 = d1 - total
        eq, er = jnp.exp(-q * tau), jnp.exp(-r * tau)
        density = eq * jnp.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi)
        delta, leg = side * eq * normal(side * d1), side * k * er * normal(side * d2)
        vega = s * density * root
        return (
            s * delta - leg,
            delta,
            density / (s * total),
            vega,
            -s * density * v / (2 * root) - r * leg + q * s * delta,
            tau * leg,
            -density * d2 / v,
            q * delta - density * (2 * (r - q) * tau - d2 * total) / (2 * tau * total),
            vega * d1 * d2 / v,
        )

    side = np.where(book.is_call, 1.0, -1.0)
    arguments = [
        jnp.asarray(column) for column in (side, book.spot, book.strike, book.tau, book.rate, book.carry, book.iv)
    ]
    return lambda: jax.block_until_ready(closed_form(*arguments))


def numpy_greeks(book: Book) -> Run:
    """Price and ten Greeks as the textbook writes them."""

    def run() -> list[np.ndarray]:
        side, k, tau, v = np.where(book.is_call, 1.0, -1.0), book.strike, book.tau, book.iv
        s, r, q = book.spot, book.rate, book.carry
        root, total = np.sqrt(tau), v * np.sqrt(tau)
        d1 = (np.log(s / k) + (r - q + v * v / 2) * tau) / total
        d2 = d1 - total
        eq, er = np.exp(-q * tau), np.exp(-r * tau)
        density = eq * np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi)
        delta, leg = side * eq * ndtr(side * d1), side * k * er * ndtr(side * d2)
        gamma, vega = density / (s * total), s * density * root
        return [
            s * delta - leg,
            delta,
            gamma,
            vega,
            -s * density * v / (2 * root) - r * leg + q * s * delta,
            tau * leg,
            -density * d2 / v,
            q * delta - density * (2 * (r - q) * tau - d2 * total) / (2 * tau * total),
            vega * d1 * d2 / v,
            -gamma * (d1 / total + 1) / s,
            gamma * (d1 * d2 - 1) / v,
        ]

    return run


def numpy_implied_vol(book: Book) -> Run:
    """Newton steps inside a shrinking bracket, all contracts together."""

    def run() -> np.ndarray:
        side, root = np.where(book.is_call, 1.0, -1.0), np.sqrt(book.tau)
        low, high = np.full(book.tau.size, 1e-4), np.full(book.tau.size, 5.0)
        v = np.full(book.tau.size, 0.3)
        x = np.log(book.forward / book.strike)
        for _ in range(60):
            d1 = x / (v * root) + v * root / 2
            value = side * (book.forward * ndtr(side * d1) - book.strike * ndtr(side * (d1 - v * root)))
            gap = book.discount * value - book.price
            low, high = np.where(gap < 0, v, low), np.where(gap < 0, high, v)
            vega = book.discount * book.forward * np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) * root
            step = v - gap / np.maximum(vega, 1e-300)
            following = np.where((step > low) & (step < high), step, (low + high) / 2)
            if np.abs(following - v).max() < 1e-12:
                return following
            v = following
        return v

    return run


def vollib_implied_vol(book: Book, oracles: Any) -> Run:
    """Contract by contract; for samples."""
    return lambda: oracles.vollib_implied_vol(
        book.price, book.spot, book.strike, book.tau, book.rate, book.carry, book.is_call
    )


def vollib_greeks(book: Book, oracles: Any) -> Run:
    """Price and five Greeks, contract by contract; for samples."""
    return lambda: oracles.vollib_greeks(book.spot, book.strike, book.tau, book.rate, book.carry, book.iv, book.is_call)


def pyvolr_exposure_by_strike(book: Book, strike_number: np.ndarray, size: np.ndarray) -> Run:
    """Prices to exposures by strike: volatilities and five Greeks from pyvolr, vanna, charm and sums from numpy."""
    parts = [
        (is_call, part, strike_number[book.is_call == is_call], size[book.is_call == is_call])
        for is_call, part in halves(book)
    ]
    n_strikes = int(strike_number.max()) + 1

    def run() -> np.ndarray:
        sums = np.zeros((4, n_strikes))
        for is_call, part, number, held in parts:
            flag = "c" if is_call else "p"
            iv = bs.implied_vol(
                part.price, flag, part.spot, part.strike, part.tau, part.rate, part.carry, on_error="ignore"
            )
            _, five = _pyvolr_five(is_call, part, iv)
            # pyvolr answers some prices below intrinsic value with a volatility of 0.
            with np.errstate(divide="ignore", invalid="ignore"):
                vanna, charm, _ = _numpy_three(part, iv, five)
            lines = (
                five["gamma"] * part.spot**2 * 0.01,
                vanna * part.spot * 0.01,
                charm * part.spot / 365,
                five["delta"] * part.spot,
            )
            for row, line in zip(sums, lines, strict=True):
                row += np.bincount(number, weights=np.nan_to_num(line * held), minlength=n_strikes)
        return sums

    return run
