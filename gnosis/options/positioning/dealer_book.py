"""The contracts of many chains with all that levels are made of: size, sides under each convention, prior, sets.

One book serves the zero-gamma search, the walls and the bands, so that all speak of the same contracts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from gnosis.options.chain.layout import CHAIN, changes
from gnosis.options.origin import origin_of
from gnosis.options.positioning.bands import DELTA_EDGES, Prior, prior_lines
from gnosis.options.positioning.contracts import (
    ORDER,
    chain_spots,
    is_priced,
    live_contracts,
    one_version,
    require_contracts,
)
from gnosis.options.positioning.conventions import BY_CONTRACT, CONTRACT, dealer_fraction, require_conventions
from gnosis.options.positioning.expiry_sets import set_bits
from gnosis.tables.greeks import EXPIRY_BUCKETS

N_GROUPS = 4 * (len(DELTA_EDGES) + 1) * len(EXPIRY_BUCKETS)
"""Groups of the prior: class x right x |delta| bucket x expiry bucket."""

GREEKS_IN_USE = ["delta", "gamma_per_usd", "vanna_per_vol", "charm_per_year"]


class DealerBook(NamedTuple):
    """Contracts that had not settled, and who is assumed to hold them.

    Attributes
    ----------
    chains
        ``session``, ``symbol``, ``spot`` (of the latest quote), ``known_at``, ``provider`` and ``synthetic``, one row
        per chain, sorted; chains whose contracts have all settled are among them.
    contracts
        Sorted by :data:`gnosis.options.positioning.contracts.ORDER`, the order of the sums: the columns of
        ``greeks.option_greeks``; ``chain`` and ``smile``, numbers of the chain and of the expiry; ``size`` (shares, 0
        where unknown); ``sets`` (one bit per expiry set); ``group``, ``prior_mean`` and ``prior_sd``; and ``x_`` with
        the name of each convention (null where a fraction by contract is not known).
    priced
        The contracts that can be revalued, sorted by :data:`gnosis.options.positioning.contracts.SMILE_ORDER`.
    conventions
        In the order of the data dictionary.
    prior
        Settings behind the bands.
    """

    chains: pl.DataFrame
    contracts: pl.DataFrame
    priced: pl.DataFrame
    conventions: list[str]
    prior: Prior


def dealer_book(
    greeks: pl.DataFrame,
    conventions: Sequence[str],
    index_symbols: Collection[str],
    prior: Prior | None,
    fractions: pl.DataFrame | None,
) -> DealerBook:
    """Return the book of all chains of a frame.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order.
    conventions, fractions
        As for :func:`gnosis.options.positioning.exposure.exposure`.
    index_symbols, prior
        As for :func:`gnosis.options.positioning.bands.prior_lines`.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a convention is unknown or lacks its fractions, an open interest
        is negative or not finite, ``index_symbols`` is no collection of symbols, or a contract with volatility has no
        Greeks.
    """
    require_contracts(greeks)
    prior = prior or Prior()
    names = require_conventions(conventions, fractions)
    rows = one_version(greeks)
    contracts = prior_lines(live_contracts(rows), index_symbols, prior)
    unknown = contracts.filter(is_priced() & pl.any_horizontal(pl.col(GREEKS_IN_USE).is_null()))
    if not unknown.is_empty():
        found = unknown.select(*CONTRACT, *GREEKS_IN_USE).row(0)
        raise ValueError(f"greeks.option_greeks: expected {GREEKS_IN_USE} where iv is known, found {found}")
    chain, session, expiry = (contracts[name].to_physical().to_numpy() for name in ("chain", "session", "expiry"))
    is_new = changes(chain, expiry) if chain.size else np.zeros(0, dtype=bool)
    first = np.flatnonzero(is_new)
    numbers = np.cumsum(changes(chain[first])) - 1 if chain.size else first
    sets = set_bits(numbers, session[first], expiry[first])
    contracts = contracts.with_columns(sets=pl.Series(sets[np.cumsum(is_new) - 1]))
    for name in names:
        if name not in BY_CONTRACT:
            contracts = contracts.with_columns(dealer_fraction(name).alias(f"x_{name}"))
            continue
        assert fractions is not None
        given = fractions.filter(pl.col("sign_convention") == name).select(*CONTRACT, pl.col("x").alias(f"x_{name}"))
        contracts = contracts.join(given, on=CONTRACT, how="left", maintain_order="left")
    chains = chain_spots(rows).join(origin_of(rows, CHAIN), on=CHAIN, how="left", maintain_order="left")
    return DealerBook(chains, contracts.sort(ORDER), contracts.filter(is_priced()), names, prior)
