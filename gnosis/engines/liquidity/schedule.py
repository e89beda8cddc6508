"""Splitting an order over time: holdings of Almgren & Chriss (2001), slower where hedging amplifies impact."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines.points import Floats


def remaining_holdings(shares: float, times: ArrayLike, horizon: float, kappa: float) -> Floats:
    """Return what is still to be traded at each time, X sinh(kappa (T - t))/sinh(kappa T).

    Parameters
    ----------
    shares
        X, the order.
    times
        t from 0 to ``horizon``.
    horizon
        T > 0 in the unit of the times.
    kappa
        Urgency per unit of time, at least 0; 0 is the straight line.

    Raises
    ------
    ValueError
        When the horizon is not positive, the urgency negative, or a time outside the horizon.

    Examples
    --------
    >>> remaining_holdings(1e6, [0, 1, 5], 5.0, 0.5).round(3).tolist()
    [1000000.0, 599460.798, 0.0]
    """
    t = np.asarray(times, dtype=np.float64)
    if not (horizon > 0 and kappa >= 0 and np.isfinite(kappa)) or not ((t >= 0) & (t <= horizon)).all():
        raise ValueError(
            f"expected horizon > 0, kappa >= 0 and times within [0, horizon], found horizon {horizon}, kappa {kappa}, "
            f"times {t.tolist()}"
        )
    left = horizon - t
    if kappa * horizon < 1e-8:
        return shares * left / horizon
    # sinh a/sinh b without overflow, for a <= b.
    a, b = kappa * left, kappa * horizon
    return shares * np.exp(a - b) * np.expm1(-2 * a) / np.expm1(-2 * b)


def urgency(
    risk_aversion: ArrayLike,
    volatility: ArrayLike,
    temporary: ArrayLike,
    step: ArrayLike,
    *,
    permanent: ArrayLike = 0.0,
    amplification: ArrayLike = 1.0,
) -> Floats:
    """Return kappa of slices of length tau (Almgren & Chriss 2001).

    cosh(kappa tau) = 1 + tau^2 lambda sigma^2/(2 A eta~) with eta~ = eta - gamma tau/2.
    Hedging multiplies both impacts by A, so that kappa, for small steps proportional to 1/sqrt(A), falls as A rises.

    Parameters
    ----------
    risk_aversion
        lambda, 1/$.
    volatility
        sigma, $ per share and square root of the unit of time.
    temporary
        eta, $ per share for a rate of one share per unit of time.
    step
        tau, unit of time.
    permanent
        gamma, $ per share traded.
    amplification
        A > 0.

    Raises
    ------
    ValueError
        When A eta~ or the step is not positive: such an order has no best schedule.

    Examples
    --------
    >>> urgency(1e-6, 0.5, 2.5e-6, 1e-3, amplification=[1.0, 4.0]).round(6).tolist()
    [0.316228, 0.158114]
    """
    tau = np.asarray(step, dtype=np.float64)
    eta = np.asarray(amplification) * (np.asarray(temporary) - np.asarray(permanent) * tau / 2)
    if not ((eta > 0).all() and (tau > 0).all()):
        raise ValueError(f"expected step > 0 and A (eta - gamma tau/2) > 0, found step {tau}, {eta}: shorten the step")
    half = tau * np.sqrt(np.asarray(risk_aversion) / eta) * np.asarray(volatility) / 2
    # cosh x = 1 + 2 sinh^2(x/2), exact for small steps.
    return np.asarray(2 * np.arcsinh(half) / tau)
