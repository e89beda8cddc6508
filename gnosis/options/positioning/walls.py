"""Walls: the strikes with the most gamma exposure, and how often they would be so if the sides were drawn anew.

=========== ====================================================================================
call wall   strike K >= S with the largest positive sum of signed call gamma exposure
put wall    strike K <= S with the most negative sum of signed put gamma exposure
gamma wall  strike with the largest absolute net gamma exposure
OI wall     strike with the largest open interest, with or without volatility; no gamma in it
=========== ====================================================================================

There is no wall where no strike qualifies. Ties go to the strike nearest to spot, then to the lower one; distances that
differ by less than a billionth of spot are the same. Nothing is smoothed. The share of a wall is the share of 512 draws
of the prior (:mod:`gnosis.options.positioning.bands`) in which the same strike is the wall of that kind. Every chain is
given the same normal numbers, drawn once from a fixed seed: a share depends on its own chain and on nothing else, and
does not move from session to session by chance alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import polars as pl

from gnosis.options.arrays import Floats, frozen
from gnosis.options.chain.layout import changes
from gnosis.options.positioning.contracts import require_threads
from gnosis.options.positioning.dealer_book import N_GROUPS, DealerBook
from gnosis.options.positioning.exposure import unsigned_exposures
from gnosis.options.positioning.zero_gamma import cells_of
from gnosis.tables.greeks import EXPIRY_SETS

SAME_DISTANCE = 1e-9
DRAWS = 512
SEED = 512
WALLS = ["call_wall", "put_wall", "gamma_wall"]


def walls(book: DealerBook, threads: int = 2) -> pl.DataFrame:
    """Return the walls of every chain, expiry set and convention.

    Parameters
    ----------
    book
        From :func:`gnosis.options.positioning.dealer_book.dealer_book`.
    threads
        Chains are shared out among so many threads; the result does not depend on it.

    Returns
    -------
    polars.DataFrame
        One row per chain, expiry set and convention in that order: ``chain`` (position in ``book.chains``),
        ``expiry_set``, ``sign_convention``; ``call_wall``, ``put_wall`` and ``gamma_wall`` ($), each with its
        ``_share`` (ratio of draws); ``oi_wall`` ($). Null where there is none.

    Raises
    ------
    ValueError
        When ``threads`` is not a positive whole number.
    """
    require_threads(threads)
    shape = (book.chains.height, len(EXPIRY_SETS), len(book.conventions))
    found, shares = np.full((*shape, len(WALLS)), np.nan), np.full((*shape, len(WALLS)), np.nan)
    interest = np.full(shape[:2], np.nan)
    held = book.contracts.filter(pl.col("open_interest") > 0)
    if not held.is_empty():
        _fill(book, held, threads, found, shares, interest)
    columns = {name: found[..., kind] for kind, name in enumerate(WALLS)}
    columns |= {f"{name}_share": shares[..., kind] for kind, name in enumerate(WALLS)}
    columns["oi_wall"] = np.broadcast_to(interest[..., None], shape)
    return cells_of(book).with_columns(
        pl.Series(name, values.ravel(), nan_to_null=True) for name, values in columns.items()
    )


@lru_cache(maxsize=1)
def _normals(rows: int) -> Floats:
    """Return the numbers of all draws; those of a row are the same however many rows follow."""
    return frozen(np.random.default_rng(SEED).standard_normal((rows, DRAWS)), (rows, DRAWS))


def _fill(
    book: DealerBook,
    held: pl.DataFrame,
    threads: int,
    found: np.ndarray,
    shares: np.ndarray,
    interest: np.ndarray,
) -> None:
    from gnosis.options.positioning import walls_kernel

    taken = held.select(
        "chain",
        "strike",
        "sets",
        "open_interest",
        pl.col("prior_mean", "prior_sd"),
        pl.col("group").fill_null(0),
        *(pl.col(f"x_{name}").fill_null(0.0) for name in book.conventions),
        is_put=(pl.col("right") == "P").cast(pl.Int64),
        gex=unsigned_exposures()["gex_usd_per_pct"].fill_null(0.0),
    )
    chain, strike = taken["chain"].to_numpy().astype(np.int64), taken["strike"].to_numpy()
    # In NumPy, as Polars divides a column by a repeated number by way of its reciprocal.
    distance = np.round(np.abs(strike / book.chains["spot"].to_numpy()[chain] - 1) / SAME_DISTANCE)
    order = np.lexsort((strike, distance, chain))
    is_new = changes(chain[order], strike[order])
    number, first = np.cumsum(is_new) - 1, order[is_new]
    chains = np.arange(book.chains.height + 1)
    first_place = np.searchsorted(chain[first], chains)
    of_row = np.empty(order.size, dtype=np.int64)
    of_row[order] = number
    group = taken["group"].to_numpy()
    holdings = walls_kernel.Holdings(
        starts=np.searchsorted(chain, chains),
        place=of_row - first_place[chain],
        sets=taken["sets"].to_numpy(),
        is_put=taken["is_put"].to_numpy(),
        gex=taken["gex"].to_numpy(),
        open_interest=taken["open_interest"].to_numpy(),
        x=np.stack([taken[f"x_{name}"].to_numpy() for name in book.conventions], axis=1),
        mean=taken["prior_mean"].to_numpy(),
        sd=taken["prior_sd"].to_numpy(),
        group=group,
        first_place=first_place,
        strike=strike[first],
    )
    holdings = walls_kernel.Holdings(*(frozen(values, values.shape) for values in holdings))
    is_cell = np.zeros((first.size, N_GROUPS), dtype=bool)
    is_cell[of_row, group] = True
    needed = N_GROUPS + int(np.bincount(chain[first], is_cell.sum(axis=1)).max())
    normals = _normals(1 << (needed - 1).bit_length())
    spot = frozen(book.chains["spot"].to_numpy(), (book.chains.height,))
    cuts = np.searchsorted(holdings.starts, np.linspace(0, chain.size, threads + 1)[1:-1])
    bounds = [0, *cuts.tolist(), book.chains.height]

    def part(first: int, last: int) -> None:
        walls_kernel.find_walls(
            holdings,
            spot,
            first,
            last,
            len(EXPIRY_SETS),
            N_GROUPS,
            book.prior.correlation,
            normals,
            found,
            shares,
            interest,
        )

    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(part, bounds[:-1], bounds[1:]))
