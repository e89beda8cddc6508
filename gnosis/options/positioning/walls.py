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

import numpy as np
import polars as pl

from gnosis.options.arrays import frozen
from gnosis.options.positioning.contracts import require_threads
from gnosis.options.positioning.dealer_book import N_GROUPS, DealerBook
from gnosis.options.positioning.exposure import unsigned_exposures
from gnosis.options.positioning.zero_gamma import LABELS
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
    names = [(s, c) for s in EXPIRY_SETS for c in book.conventions] * shape[0]
    columns = {name: found[..., kind] for kind, name in enumerate(WALLS)}
    columns |= {f"{name}_share": shares[..., kind] for kind, name in enumerate(WALLS)}
    columns["oi_wall"] = np.broadcast_to(interest[..., None], shape)
    return pl.DataFrame(names, schema=LABELS, orient="row").select(
        pl.Series("chain", np.repeat(np.arange(shape[0]), shape[1] * shape[2])),
        *LABELS,
        *(pl.Series(name, values.ravel()).fill_nan(None) for name, values in columns.items()),
    )


def _fill(
    book: DealerBook, held: pl.DataFrame, threads: int, found: np.ndarray, shares: np.ndarray, interest: np.ndarray
) -> None:
    from gnosis.options.positioning import walls_kernel

    spots = book.chains.select("spot").with_row_index("chain")
    distance = ((pl.col("strike") / pl.col("spot") - 1).abs() / SAME_DISTANCE).round()
    places = (
        held.select("chain", "strike")
        .unique()
        .join(spots, on="chain", how="left")
        .sort("chain", distance, "strike")
        .with_columns(place=pl.int_range(pl.len()).over("chain"))
    )
    held = held.join(
        places.select("chain", "strike", "place"), on=["chain", "strike"], how="left", maintain_order="left"
    )
    number = np.arange(book.chains.height + 1)
    holdings = walls_kernel.Holdings(
        starts=np.searchsorted(held["chain"].to_numpy(), number),
        place=held["place"].to_numpy(),
        sets=held["sets"].to_numpy(),
        is_put=(held["right"] == "P").cast(pl.Int64).to_numpy(),
        gex=held.select(unsigned_exposures()["gex_usd_per_pct"].fill_null(0.0)).to_series().to_numpy(),
        open_interest=held["open_interest"].to_numpy(),
        x=np.ascontiguousarray(held.select(pl.col(f"x_{c}").fill_null(0.0) for c in book.conventions).to_numpy()),
        mean=held["prior_mean"].to_numpy(),
        sd=held["prior_sd"].to_numpy(),
        group=held["group"].fill_null(0).to_numpy(),
        first_place=np.searchsorted(places["chain"].to_numpy(), number),
        strike=places["strike"].to_numpy(),
    )
    holdings = walls_kernel.Holdings(*(frozen(values, values.shape) for values in holdings))
    cells = int(np.bincount(held.select("chain", "place", "group").unique()["chain"].to_numpy()).max())
    # The numbers of a row are the same however many rows follow.
    normals = np.random.default_rng(SEED).standard_normal((N_GROUPS + cells, DRAWS))
    spot = frozen(book.chains["spot"].to_numpy(), (book.chains.height,))
    cuts = np.searchsorted(holdings.starts, np.linspace(0, held.height, threads + 1)[1:-1])
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
