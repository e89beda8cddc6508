"""Forward, discount factor and carry of every expiry of many chains: ``greeks.forwards``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from gnosis.options.arrays import Floats, Positions
from gnosis.options.chain.declared_dividends import DeclaredDividends
from gnosis.options.chain.early_exercise import Terms, pairs_without_premium
from gnosis.options.chain.forward import (
    MAX_ERROR_OF_SPOT,
    MAX_SECONDS_APART,
    carry_forward,
    median_forward,
    near_pairs,
    regression_discount,
)
from gnosis.options.chain.layout import EXPIRY_KEY, Contracts, Layout

SHORTEST_CARRY_YEARS = 7 / 365
SHORTEST_REGRESSION_YEARS = 30 / 365
ROUNDS_WITHOUT_DIVIDENDS = 2
"""Each finds early-exercise premiums at the parity forward of the round before, and leaves a tenth of its error."""
SOURCES = pl.Series(["parity", "carry", None], dtype=pl.Enum(["parity", "carry"]))
PARITY, CARRY, NOWHERE = range(3)


class Market(NamedTuple):
    """What the quotes of an expiry and the Treasury curve say of it, one entry per expiry; NaN where unknown."""

    spot: Floats
    tau_years: Floats
    rate_per_year: Floats
    discount: Floats
    forward: Floats
    source: Positions
    parity_forward: Floats
    parity_error: Floats
    n_pairs: Positions
    n_deamericanised: Positions
    dividends_usd: Floats
    discount_regression: Floats
    discount_error: Floats


def market(
    rows: Contracts,
    mid: Floats,
    tau_years: Floats,
    rate_per_year: Floats,
    newest: Positions,
    belonging: Layout,
    declared: DeclaredDividends | None,
) -> Market:
    """Return one forward per expiry: from parity when that is known within 0.5 % of spot, else from carry.

    Carry needs the declared dividends: where these are not known there is no forward from carry.

    Parameters
    ----------
    rows
        The quotes.
    mid
        Mean of bid and ask of each row, $, NaN where the quote is not usable.
    tau_years, rate_per_year
        Time to settlement and rate of each row, NaN where no rate is known.
    newest
        Row of each expiry whose spot, time and rate stand for the expiry.
    belonging
        How the rows belong together.
    declared
        Declared dividends, None where they are not known.

    Raises
    ------
    ValueError
        When the declared dividends of an expiry are worth as much as the spot.
    """
    call, put, row = belonging.call, belonging.put, belonging.any_row
    spot, tau, rate = rows.spot[newest], tau_years[newest], rate_per_year[newest]
    dividends = np.full(spot.size, np.nan) if declared is None else declared.present_value(rate)
    # What is worth more than the share cannot be paid: the caller refuses it by name.
    carry = carry_forward(np.where(dividends < spot, spot - dividends, np.nan), tau, rate)

    is_pair = (call >= 0) & (put >= 0) & ~np.isnan(mid[call] + mid[put] + rate_per_year[row])
    is_pair &= np.abs(rows.ts[call] - rows.ts[put]) <= 1e6 * MAX_SECONDS_APART
    strike, starts, is_american = rows.strike[row], belonging.starts, rows.is_american[row]
    spread_sum = (rows.ask - rows.bid)[call] + (rows.ask - rows.bid)[put]
    discount = np.exp(-rate_per_year * tau_years)[row]
    call_mid, put_mid = mid[call], mid[put]
    near, inside = near_pairs(strike, call_mid, put_mid, rows.spot[row], is_american, is_pair, starts)
    parity = median_forward(strike, call_mid, put_mid, spread_sum, discount, near, starts)
    changed = np.zeros(near.size, dtype=bool)
    american = np.flatnonzero(near & is_american)
    if american.size:
        expiry, at, quoted = belonging.expiry[american], row[american], (call_mid[american], put_mid[american])
        # Where dividends are not known, the pairs themselves tell the forward at which their premium is found.
        for _ in range(ROUNDS_WITHOUT_DIVIDENDS if declared is None else 1):
            guess = (parity.forward if declared is None else carry)[expiry]
            is_call_out = strike[american] >= guess
            terms = Terms(
                rows.spot[at], strike[american], tau_years[at], guess, discount[american], is_call_out, expiry
            )
            call_mid[american], put_mid[american], changed[american] = pairs_without_premium(
                *quoted, spread_sum[american], terms, declared
            )
            parity = median_forward(strike, call_mid, put_mid, spread_sum, discount, near, starts)
    with np.errstate(invalid="ignore"):
        is_parity = parity.error <= MAX_ERROR_OF_SPOT * spot
    forward = np.where(is_parity, parity.forward, carry)
    is_regressed = (tau >= SHORTEST_REGRESSION_YEARS) & ~rows.is_american[newest]
    regression = regression_discount(strike, call_mid, put_mid, spread_sum, inside, starts)
    return Market(
        spot=spot,
        tau_years=tau,
        rate_per_year=rate,
        discount=np.exp(-rate * tau),
        forward=forward,
        source=np.where(is_parity, PARITY, np.where(np.isnan(forward), NOWHERE, CARRY)),
        parity_forward=parity.forward,
        parity_error=parity.error,
        n_pairs=np.add.reduceat(near.astype(np.int64), starts[:-1]),
        n_deamericanised=np.add.reduceat(changed.astype(np.int64), starts[:-1]),
        dividends_usd=dividends,
        discount_regression=np.where(is_regressed, regression.discount, np.nan),
        discount_error=np.where(is_regressed, regression.error, np.nan),
    )


def forwards(
    rows: pl.DataFrame, newest: Positions, found: Market, columns: dict[str, np.ndarray | pl.Series]
) -> pl.DataFrame:
    """Return rows of ``greeks.forwards``, sorted by key.

    Parameters
    ----------
    rows
        Rows of ``raw.option_quotes``.
    newest
        Row that stands for each expiry.
    found
        From :func:`market`.
    columns
        The columns that do not come from it: settlement, counts and origin.
    """
    tau, rate = found.tau_years, found.rate_per_year
    with np.errstate(invalid="ignore"):
        carry = rate - np.log(found.forward / found.spot) / tau
        gap = -np.log(found.discount_regression) / tau - rate
    told: dict[str, np.ndarray | pl.Series] = {
        "spot": found.spot,
        "tau_years": tau,
        "rate_per_year": rate,
        "discount": found.discount,
        "forward": found.forward,
        "forward_source": SOURCES.gather(found.source),
        "parity_forward": found.parity_forward,
        "parity_forward_se": found.parity_error,
        "n_pairs": found.n_pairs,
        "n_deamericanised": found.n_deamericanised,
        "dividends_usd": found.dividends_usd,
        "carry_implied_per_year": np.where(tau < SHORTEST_CARRY_YEARS, np.nan, carry),
        "discount_regression": found.discount_regression,
        "discount_gap_per_year": gap,
        "discount_gap_se_per_year": found.discount_error / found.discount_regression / tau,
    }
    return rows.select(*EXPIRY_KEY, "ts", "style")[newest].with_columns(
        pl.Series(name, values, nan_to_null=True) for name, values in (told | columns).items()
    )
