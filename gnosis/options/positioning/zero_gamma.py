"""Zero gamma: the hypothetical spots at which the gamma of dealers changes sign, and how sure the nearest one is.

Gamma of the whole book is revalued, contract by contract, on 81 spots spaced evenly in logarithm over 0.8 S to
1.2 S and 101 spaced evenly over 0.99 S to 1.01 S. Every change of sign between neighbours is refined by a bracketing
search on the full revaluation (Chandrupatla 1997), to far below 1e-8 S; nothing is interpolated. A node where gamma is
exactly zero counts once, and only when the sign differs on its two sides: where gamma touches zero it does not flip.
What is found is every change of sign that the nodes show. Flips outside the range are not seen, nor is a pair of flips
between two neighbouring nodes: with an hour to expiry gamma of alternating strikes can change sign many times between
two nodes that are half a per cent apart.

It is not the strike at which cumulative gamma exposure changes sign. Zero gamma is a practitioners' construction.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.options.arrays import Floats, frozen
from gnosis.options.positioning.bands import Prior, band
from gnosis.options.positioning.contracts import require_revaluation, require_threads
from gnosis.options.positioning.dealer_book import N_GROUPS, DealerBook, dealer_book
from gnosis.options.positioning.gamma_profile import smile_slopes, smile_starts, strike_lines
from gnosis.tables.greeks import EXPIRY_SETS, SIGN_CONVENTIONS

if TYPE_CHECKING:
    from gnosis.options.positioning.zero_gamma_kernel import Books

LOWEST, HIGHEST = 0.8, 1.2
LABELS = {"expiry_set": pl.Enum(EXPIRY_SETS), "sign_convention": pl.Enum(SIGN_CONVENTIONS)}


def profile_ratios() -> Floats:
    """Return the nodes p/S of the gamma profile: 81 log-spaced in [0.8, 1.2] and 101 evenly spaced in [0.99, 1.01].

    Examples
    --------
    >>> profile_ratios().size, float(profile_ratios()[0]), float(profile_ratios()[-1])
    (182, 0.8, 1.2)
    """
    wide = np.geomspace(LOWEST, HIGHEST, 81)
    wide[[0, -1]] = LOWEST, HIGHEST
    return np.union1d(wide, 1.0 + 0.01 * np.arange(-50, 51) / 50)


def zero_gamma(book: DealerBook, revaluation: str = "sticky_moneyness", threads: int = 2) -> pl.DataFrame:
    """Return the zero-gamma spots of every chain, expiry set and convention.

    Parameters
    ----------
    book
        From :func:`gnosis.options.positioning.dealer_book.dealer_book`.
    revaluation
        ``sticky_moneyness`` or ``sticky_strike``.
    threads
        Chains are shared out among so many threads; the result does not depend on it.

    Returns
    -------
    polars.DataFrame
        One row per chain, expiry set and convention in that order: ``chain`` (position in ``book.chains``),
        ``expiry_set``, ``sign_convention``, ``flips`` ($, ascending), ``n_flips``, ``nearest_flip`` ($; the lower of
        two as near), ``profile_sign`` (null with a flip), ``flip_zone_low`` and ``flip_zone_high`` ($). All are null
        without open interest in contracts that can be revalued.

        The zone is the interval around ``nearest_flip`` on which 0.1 < P(net(p) > 0) < 0.9 under the prior, its ends
        refined as the flips are and cut off at the range of the nodes. It is null when the probability at the flip
        itself is outside: then the prior contradicts the convention.

    Raises
    ------
    ValueError
        When the revaluation is unknown, one strike of an expiry has two volatilities, or ``threads`` is not a
        positive whole number.
    """
    require_revaluation(revaluation)
    require_threads(threads)
    shape = (book.chains.height, len(EXPIRY_SETS), len(book.conventions))
    counts, signs = np.full(shape, -1), np.zeros(shape, dtype=np.int64)
    nearest, zone = np.full(shape, np.nan), np.full((*shape, 2), np.nan)
    flips: list[Floats] = []
    priced = book.priced
    if not priced.is_empty():
        flips = _search(book, priced, revaluation, threads, counts, signs, nearest, zone)
    spot = book.chains["spot"].to_numpy()[:, None, None]
    row = np.repeat(np.arange(counts.size), np.maximum(counts, 0).ravel())
    each_spot = np.broadcast_to(spot, shape).ravel()
    found = pl.DataFrame({"row": row, "flip": each_spot[row] * np.exp(np.concatenate([*flips, np.empty(0)]))})
    lists = found.group_by("row", maintain_order=True).agg(flips="flip")
    rows = cells_of(book).with_columns(
        row=pl.int_range(pl.len()),
        n_flips=pl.Series(counts.ravel()),
        sign=pl.Series(signs.ravel()),
        nearest_flip=pl.Series((spot * np.exp(nearest)).ravel()).fill_nan(None),
        flip_zone_low=pl.Series((spot * np.exp(zone[..., 0])).ravel()).fill_nan(None),
        flip_zone_high=pl.Series((spot * np.exp(zone[..., 1])).ravel()).fill_nan(None),
    )
    is_known = pl.col("n_flips") >= 0
    return (
        rows.join(lists, on="row", how="left", maintain_order="left")
        .with_columns(
            flips=pl.when(is_known).then(pl.col("flips").fill_null([])),
            n_flips=pl.when(is_known).then("n_flips"),
            profile_sign=pl.when(pl.col("n_flips") == 0).then("sign"),
        )
        .select(
            "chain",
            *LABELS,
            "flips",
            "n_flips",
            "nearest_flip",
            "profile_sign",
            "flip_zone_low",
            "flip_zone_high",
        )
    )


def cells_of(book: DealerBook) -> pl.DataFrame:
    """Return ``chain``, ``expiry_set`` and ``sign_convention`` of every row of the levels, in that order."""
    n_sets, n = len(EXPIRY_SETS), len(book.conventions)
    codes = {
        "expiry_set": np.repeat(np.arange(n_sets), n),
        "sign_convention": np.tile([SIGN_CONVENTIONS.index(name) for name in book.conventions], n_sets),
    }
    of_chain = {
        name: LABELS[name].categories.gather(pl.Series(code)).cast(LABELS[name]) for name, code in codes.items()
    }
    every = pl.Series(np.tile(np.arange(n_sets * n), book.chains.height))
    chain = np.repeat(np.arange(book.chains.height), n_sets * n)
    return pl.DataFrame({"chain": chain} | {name: labels.gather(every) for name, labels in of_chain.items()})


def _search(
    book: DealerBook,
    priced: pl.DataFrame,
    revaluation: str,
    threads: int,
    counts: NDArray[np.int64],
    signs: NDArray[np.int64],
    nearest: Floats,
    zone: Floats,
) -> list[Floats]:
    """Fill the arrays and return the flips as log ratios, in the order of the rows."""
    from gnosis.options.positioning import zero_gamma_kernel

    books = _books(book, priced)
    nodes = np.log(profile_ratios())
    lines = books.lines[books.expiries]
    cuts = np.searchsorted(lines, np.linspace(0, lines[-1], threads + 1)[1:-1])
    bounds = [0, *cuts.tolist(), book.chains.height]

    def part(first: int, last: int) -> Floats:
        flips = np.empty(max(last - first, 0) * counts[0].size * (nodes.size - 1))
        n = zero_gamma_kernel.search(
            books,
            first,
            last,
            len(EXPIRY_SETS),
            N_GROUPS,
            nodes,
            book.prior.correlation,
            revaluation == "sticky_strike",
            counts,
            signs,
            nearest,
            zone,
            flips,
        )
        return flips[:n].copy()

    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(part, bounds[:-1], bounds[1:]))


def _books(book: DealerBook, priced: pl.DataFrame) -> Books:
    """Return the strikes of the book as arrays for the compiled search."""
    from gnosis.options.positioning.zero_gamma_kernel import Books

    is_call = pl.col("right") == "C"
    size = pl.col("size")
    signed = {f"x_{name}": (size * pl.col(f"x_{name}")).fill_null(0.0) for name in book.conventions}
    by_right = {
        f"{name}_{right}": pl.when(is_call if right == "C" else ~is_call).then(value).otherwise(0)
        for name, value in {"spread": size * pl.col("prior_sd"), "group": pl.col("group")}.items()
        for right in ("C", "P")
    }
    sums = signed | {"prior": size * pl.col("prior_mean"), "gross": size} | by_right
    lines = strike_lines(priced, sums)
    knots = smile_starts(lines)
    is_held = (lines["gross"] > 0).to_numpy()
    first_line = np.append(0, np.cumsum(is_held))
    tau, forward = lines["tau_years"].to_numpy(), lines["forward"].to_numpy()
    k, iv = np.log(lines["strike"].to_numpy() / forward), lines["iv"].to_numpy()
    chain = lines["chain"].to_numpy()
    spot = book.chains["spot"].to_numpy()[chain]

    def of_held(*names: str) -> NDArray[np.float64]:
        return np.stack([lines[name].to_numpy()[is_held] for name in names], axis=1)

    books = Books(
        expiries=np.searchsorted(chain[knots[:-1]], np.arange(book.chains.height + 1)),
        sets=priced["sets"].to_numpy()[
            np.flatnonzero(np.diff(priced["smile"].to_numpy().astype(np.int64), prepend=-1))
        ],
        knots=knots,
        knot_k=k,
        knot_iv=iv,
        knot_slope=smile_slopes(knots, k, iv),
        lines=first_line[knots],
        k=k[is_held],
        iv=iv[is_held],
        root_tau=np.sqrt(tau)[is_held],
        scale=(forward * lines["discount"].to_numpy() / (spot**2 * np.sqrt(2 * np.pi)))[is_held],
        signed=of_held(*signed, "prior"),
        gross=of_held("gross").ravel(),
        spread=of_held("spread_C", "spread_P"),
        group=of_held("group_C", "group_P").astype(np.int64),
    )
    return Books(*(frozen(values, values.shape) for values in books))


def net_gamma_profile(
    greeks: pl.DataFrame,
    expiry_set: str = "all",
    convention: str = "naive",
    index_symbols: Collection[str] = (),
    prior: Prior | None = None,
    revaluation: str = "sticky_moneyness",
    fractions: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the gamma of dealers in one chain at hypothetical spots, with its band: what a plot of the profile shows.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` of one session and symbol, in any order.
    expiry_set
        ``0dte``, ``next_weekly``, ``next_monthly`` or ``all``.
    convention, fractions, index_symbols, prior, revaluation
        As for :func:`gnosis.options.positioning.levels.levels`.

    Returns
    -------
    polars.DataFrame
        One row per node, ascending: ``spot_ratio`` (p/S), ``spot`` (p, $), ``gex_usd_per_pct`` (net gamma at p x p^2 x
        0.01), ``gex_p10_usd_per_pct``, ``gex_p90_usd_per_pct`` and ``gex_positive_probability`` of the prior, whose
        groups are those of the current spot. No rows without open interest in contracts that can be revalued.

    Raises
    ------
    ValueError
        When the frame holds several chains, or a name is unknown.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> net_gamma_profile(TABLES["greeks.option_greeks"].empty()).columns[:3]
    ['spot_ratio', 'spot', 'gex_usd_per_pct']
    """
    from gnosis.options.positioning import zero_gamma_kernel

    require_revaluation(revaluation)
    if expiry_set not in EXPIRY_SETS:
        raise ValueError(f"expiry_set: expected one of {EXPIRY_SETS}, found {expiry_set!r}")
    book = dealer_book(greeks, [convention], index_symbols, prior, fractions)
    if book.chains.height > 1:
        raise ValueError(f"greeks: expected one chain, found {book.chains.height}: filter by session and symbol")
    ratios = profile_ratios()
    values, unit = np.zeros((ratios.size, 4)), np.zeros(ratios.size)
    priced = book.priced
    if not priced.is_empty():
        books = _books(book, priced)
        n = books.gross.size
        scratch = zero_gamma_kernel.Scratch(np.empty(n), np.empty(n), np.empty(N_GROUPS))
        zero_gamma_kernel.nodes_of(
            books,
            scratch,
            0,
            EXPIRY_SETS.index(expiry_set),
            np.log(ratios),
            book.prior.correlation,
            revaluation == "sticky_strike",
            values,
            unit,
        )
    has_gamma = values[:, 3] > 0
    spots = ratios * (book.chains["spot"].to_numpy() if book.chains.height else np.nan)
    per_pct = np.exp(unit) * spots**2 * 0.01
    net, mean, variance, bound = values.T
    # The probability is a ratio and survives where gamma in $ is too small for a double.
    odds = band(mean, variance, bound).positive_probability
    found = band(mean * per_pct, variance * per_pct**2, bound * per_pct)
    return pl.DataFrame(
        {
            "spot_ratio": ratios,
            "spot": spots,
            "gex_usd_per_pct": net * per_pct,
            "gex_p10_usd_per_pct": found.p10,
            "gex_p90_usd_per_pct": found.p90,
            "gex_positive_probability": odds,
        }
    ).filter(pl.Series(has_gamma))
