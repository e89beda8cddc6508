"""American exercise inside a chain: prices without it for put-call parity, volatilities with it.

A contract takes the tree when, at its closed-form volatility, the tree's American value exceeds its European one by
more than a quarter of the quoted spread; a pair of call and put loses its early-exercise premium before parity when
that exceeds half of its spread. Trees are built only where :func:`gnosis.options.pricing.american.early_exercise_bound`
does not rule this out.

The premium of a pair is found at the forward from carry. Where dividends are not known there is none, and it is found
at the forward of the pairs as they are quoted, then once more at the forward so found, as if carry accrued steadily.
That is exact to a cent in 100 $ for a steady carry; a cash dividend that is not known leaves an error of the size of
the premium itself (0.2 % of spot for 2 % paid in the middle of half a year, 0.6 % for 2 % just before settlement).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gnosis.options.arrays import Flags, Floats, Positions
from gnosis.options.chain.declared_dividends import DeclaredDividends
from gnosis.options.pricing.american import Dividends, american_implied_vol, early_exercise_bound, tree_value
from gnosis.options.pricing.implied_vol import ImpliedVol, implied_vol

MAX_PREMIUM_OF_SPREAD = 0.25
MAX_PAIR_PREMIUM_OF_SPREAD = 0.5
MAX_IV_ERROR = 1e-4


class Terms(NamedTuple):
    """What contracts are besides their prices, one entry each: $, years, expiry as a position."""

    spot: Floats
    strike: Floats
    tau_years: Floats
    forward: Floats
    discount: Floats
    is_call: Flags
    expiry: Positions

    def at(self, chosen: np.ndarray) -> Terms:
        """Return the terms of some of the contracts."""
        return Terms(*(column[chosen] for column in self))


def premium(terms: Terms, iv: Floats, declared: DeclaredDividends | None) -> Floats:
    """Return what early exercise adds to the value on the tree, $ per share."""
    value = tree_value(*terms[:5], iv, terms.is_call, _dividends(terms, declared))
    return value.american - value.european


def takes_tree(terms: Terms, iv: Floats, spread: Floats, declared: DeclaredDividends | None) -> Flags:
    """Return which American contracts have a premium above a quarter of their spread at the closed-form volatility.

    A contract without closed-form volatility takes the tree as well: its price may lie above every European one.
    """
    limit = MAX_PREMIUM_OF_SPREAD * spread
    takes = np.isnan(iv)
    may = np.flatnonzero(~takes & (_bound(terms, declared) > limit))
    takes[may] = premium(terms.at(may), iv[may], declared) > limit[may]
    return takes


def tree_volatility(price: Floats, terms: Terms, declared: DeclaredDividends | None) -> ImpliedVol:
    """Return the volatility at which the tree gives each contract its price."""
    return american_implied_vol(price, *terms[:5], terms.is_call, _dividends(terms, declared), max_error=MAX_IV_ERROR)


def pairs_without_premium(
    call_mid: Floats, put_mid: Floats, spread_sum: Floats, terms: Terms, declared: DeclaredDividends | None
) -> tuple[Floats, Floats, Flags]:
    """Return the mid prices of calls and puts of American pairs as if they were European, and which were changed.

    Parameters
    ----------
    call_mid, put_mid
        $ per share.
    spread_sum
        Bid-ask spreads of call and put together, $.
    terms
        Of the pairs, with a preliminary forward, NaN where there is none; ``is_call`` names the out-of-the-money side,
        whose volatility the pair has.
    declared
        Declared dividends.
    """
    call, put = (
        terms._replace(is_call=np.ones_like(terms.is_call)),
        terms._replace(is_call=np.zeros_like(terms.is_call)),
    )
    limit = MAX_PAIR_PREMIUM_OF_SPREAD * spread_sum
    may = np.flatnonzero(_bound(call, declared) + _bound(put, declared) > limit)
    mid = np.where(terms.is_call, call_mid, put_mid)[may]
    own = terms.at(may)
    iv = implied_vol(mid, *own[1:6], max_error=MAX_IV_ERROR).iv
    extra_call, extra_put = (premium(side.at(may), iv, declared) for side in (call, put))
    above = extra_call + extra_put > limit[may]
    chosen = may[above]
    call_mid, put_mid, is_changed = call_mid.copy(), put_mid.copy(), np.zeros(call_mid.size, dtype=bool)
    call_mid[chosen] -= extra_call[above]
    put_mid[chosen] -= extra_put[above]
    is_changed[chosen] = True
    return call_mid, put_mid, is_changed


def _dividends(terms: Terms, declared: DeclaredDividends | None) -> Dividends | None:
    return None if declared is None else declared.of_contracts(terms.expiry)


def _bound(terms: Terms, declared: DeclaredDividends | None) -> Floats:
    return early_exercise_bound(*terms[:5], terms.is_call, _dividends(terms, declared))
