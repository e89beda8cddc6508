"""Forward prices: from put-call parity of the quotes nearest to spot, or from carry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats, frozen

MAX_SECONDS_APART = 60.0
MAX_ERROR_OF_SPOT = 0.005


class ParityForward(NamedTuple):
    """Forward per expiry and its standard error, $; NaN where parity gives none."""

    forward: Floats
    error: Floats


def carry_forward(
    spot: ArrayLike, tau_years: ArrayLike, rate_per_year: ArrayLike, carry_per_year: ArrayLike = 0.0
) -> Floats:
    """Return S exp((r - q) tau), rate and carry yield continuously compounded.

    Examples
    --------
    >>> round(float(carry_forward(100, 30 / 365, 0.05, 0.015)), 9)
    100.288085404
    """
    rate = np.asarray(rate_per_year, dtype=np.float64) - np.asarray(carry_per_year, dtype=np.float64)
    return np.asarray(spot, dtype=np.float64) * np.exp(rate * np.asarray(tau_years, dtype=np.float64))


def parity_forward(
    strike: ArrayLike,
    call_mid: ArrayLike,
    put_mid: ArrayLike,
    spread_sum: ArrayLike,
    spot: ArrayLike,
    discount: ArrayLike,
    is_american: ArrayLike = False,
    is_pair: ArrayLike = True,
    starts: ArrayLike | None = None,
) -> ParityForward:
    """Return the forward implied by C - P = DF (F - K), the weighted median over the pairs nearest to spot.

    Pairs within 3 sigma sqrt(tau) of spot, at least 2 %, count (2 % for American exercise), sigma from the straddle
    nearest to spot; at most the 12 nearest, at least 3. Weights are inverse squares of half the spreads of call and
    put together.

    Parameters
    ----------
    strike
        $, ascending within an expiry.
    call_mid, put_mid, spread_sum
        Mid prices of call and put, and the sum of their bid-ask spreads, $.
    spot
        $ per share at the quote.
    discount
        Discount factor to settlement.
    is_american, is_pair
        Exercise style; whether the strike has two usable quotes at most 60 s apart.
    starts
        Positions at which the expiries start, followed by the number of strikes; one expiry when omitted.

    Examples
    --------
    >>> found = parity_forward(
    ...     [95, 100, 105], [5.7816027400, 2.4273730419, 0.7032853291], [0.5152046008, 2.1404691215, 5.3958756275],
    ...     0.1, 100, 0.9958988437605,
    ... )
    >>> found.forward.round(6).tolist()
    [100.288085]
    """
    from gnosis.options import chain_kernels

    strikes = np.asarray(strike, dtype=np.float64)

    def full(values: ArrayLike, dtype: type = np.float64) -> np.ndarray:
        return frozen(np.asarray(values, dtype=dtype), strikes.shape)

    cuts = np.asarray([0, strikes.size] if starts is None else starts, dtype=np.int64)
    forward, error = np.empty(cuts.size - 1), np.empty(cuts.size - 1)
    chain_kernels.parity_forwards(
        frozen(cuts, cuts.shape),
        full(strikes),
        full(call_mid),
        full(put_mid),
        full(spread_sum),
        full(is_pair, np.bool_),
        full(spot),
        full(discount),
        full(is_american, np.bool_),
        forward,
        error,
    )
    return ParityForward(forward, error)
