"""One volatility per strike and expiry: from the out-of-the-money quote, or the other side when only it is usable."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gnosis.options.arrays import Codes, Flags, Floats
from gnosis.options.chain.cleaning import NO_REASON
from gnosis.options.chain.declared_dividends import DeclaredDividends
from gnosis.options.chain.early_exercise import MAX_IV_ERROR, Terms, takes_tree, tree_volatility
from gnosis.options.chain.layout import Contracts, Layout
from gnosis.options.pricing.implied_vol import IV_REASONS, implied_vol
from gnosis.tables.greeks import QUOTE_REASONS

SOLVED, IMPRECISE = IV_REASONS.index("solved"), IV_REASONS.index("imprecise")
BOUND, NO_TIME_VALUE = QUOTE_REASONS.index("bound"), QUOTE_REASONS.index("no_time_value")


class StrikeVolatility(NamedTuple):
    """Volatility of each strike from its own quote, NaN without.

    Attributes
    ----------
    iv, iv_bid, iv_ask
        Of the mid price, of the bid and of the ask of one quote.
    error
        Bound on the rounding error of ``iv``.
    is_tree
        Whether the American tree gave them rather than the closed form.
    reason
        Why a quote that seemed usable gave none: bound or no_time_value, as positions in QUOTE_REASONS.
    """

    iv: Floats
    iv_bid: Floats
    iv_ask: Floats
    error: Floats
    is_tree: Flags
    reason: Codes


def strike_volatility(
    rows: Contracts,
    is_usable: Flags,
    tau_years: Floats,
    discount: Floats,
    forward: Floats,
    belonging: Layout,
    declared: DeclaredDividends | None,
) -> StrikeVolatility:
    """Return the volatility of each strike from its own quote.

    Parameters
    ----------
    rows, is_usable
        The quotes, and which of them may be inverted.
    tau_years, discount
        Of each row.
    forward
        Of each expiry.
    belonging
        How the rows belong together.
    declared
        Declared dividends, None where nothing is known about any.
    """
    call, put, n = belonging.call, belonging.put, belonging.expiry.size
    call_ok, put_ok = (call >= 0) & is_usable[call], (put >= 0) & is_usable[put]
    strike, own_forward = rows.strike[belonging.any_row], forward[belonging.expiry]
    has_quote = np.flatnonzero(call_ok | put_ok)
    is_call = np.where(strike >= own_forward, call_ok, ~put_ok)[has_quote]
    row = np.where(is_call, call[has_quote], put[has_quote])
    terms = Terms(
        rows.spot[row],
        rows.strike[row],
        tau_years[row],
        own_forward[has_quote],
        discount[row],
        is_call,
        belonging.expiry[has_quote],
    )
    bid, ask = rows.bid[row], rows.ask[row]
    prices = (0.5 * (bid + ask), bid, ask)
    solved = [implied_vol(price, *terms[1:6], max_error=MAX_IV_ERROR) for price in prices]
    volatility = np.array([one.iv for one in solved])
    error, status, is_tree = solved[0].error.copy(), solved[0].reason.copy(), np.zeros(row.size, dtype=bool)

    american = np.flatnonzero(rows.is_american[row])
    if american.size:
        taken = takes_tree(terms.at(american), volatility[0, american], (ask - bid)[american], declared)
        chosen = american[taken]
        solved = [tree_volatility(price[chosen], terms.at(chosen), declared) for price in prices]
        volatility[:, chosen] = [one.iv for one in solved]
        error[chosen], status[chosen], is_tree[chosen] = solved[0].error, solved[0].reason, True

    is_solved = status == SOLVED
    volatility[:, ~is_solved] = np.nan
    reason = np.where(is_solved, NO_REASON, np.where(status == IMPRECISE, NO_TIME_VALUE, BOUND)).astype(np.int8)
    columns = np.full((4, n), np.nan)
    columns[:3, has_quote] = volatility
    columns[3, has_quote] = np.where(is_solved, error, np.nan)
    tree, reasons = np.zeros(n, dtype=bool), np.full(n, NO_REASON, dtype=np.int8)
    tree[has_quote], reasons[has_quote] = is_tree & is_solved, reason
    return StrikeVolatility(columns[0], columns[1], columns[2], columns[3], tree, reasons)
