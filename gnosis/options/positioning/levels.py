"""Levels: the positioning of dealers in a symbol in one row per expiry set and sign convention.

Net exposures with their bands, the zero-gamma spots, the walls, and how much of the chain is behind them. All rows of
a symbol are there whatever is missing: what cannot be known is null, and ``reasons`` says why. Exposures in dollars,
zero gamma and walls are practitioners' constructions; the sides behind them are assumptions
(:mod:`gnosis.options.positioning.conventions`), and the band shows how little those assumptions may be worth.

The bands are those of the prior, under every convention: fractions by contract enter the net exposures, zero gamma and
the walls and leave the bands alone. Bands that take account of signed flow are made with
:func:`gnosis.options.positioning.flow_update.updated_by_flow`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.options.arrays import Floats
from gnosis.options.chain.layout import CHAIN, changes
from gnosis.options.origin import origin_of
from gnosis.options.positioning.bands import Prior, band, prior_sides, sides_moments, sign_label, sign_reason
from gnosis.options.positioning.contracts import (
    is_priced,
    require_index_symbols,
    require_revaluation,
    require_threads,
)
from gnosis.options.positioning.conventions import BY_CONTRACT
from gnosis.options.positioning.dealer_book import DealerBook, dealer_book
from gnosis.options.positioning.exposure import unsigned_exposures
from gnosis.options.positioning.walls import walls
from gnosis.options.positioning.zero_gamma import zero_gamma
from gnosis.reasons import LEAST_SHARE, reasons_where
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.tables.dictionary import ORIGIN
from gnosis.tables.greeks import EXPIRY_SETS

NET = {
    "gex": "usd_per_pct",
    "dex": "usd",
    "vex": "usd_per_volpt",
    "cex": "usd_per_day",
}
"""Net exposures that have a band, and the unit in the names of their columns."""

COUNTS = ["n_listed", "n_priced", "n_known", "n_contracts", "n_without_iv", "n_undated", "all_interest"]
ATM_DAYS = 30
SESSIONS_PER_YEAR = 252


def levels(
    greeks: pl.DataFrame,
    conventions: Sequence[str] = ("naive", "customer_long"),
    index_symbols: Collection[str] = (),
    prior: Prior | None = None,
    revaluation: str = "sticky_moneyness",
    fractions: pl.DataFrame | None = None,
    threads: int = 2,
) -> pl.DataFrame:
    """Return net exposures, bands, zero-gamma spots and walls of every chain, expiry set and convention.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order, any number of sessions and symbols.
    conventions, fractions
        Sign conventions, and dealer fractions by contract where they need them, as for
        :func:`gnosis.options.positioning.exposure.exposure`.
    index_symbols
        Indices and index funds; every other symbol is a single name, whose prior has no sign.
    prior
        Settings of the bands; those of :class:`gnosis.options.positioning.bands.Prior` when None.
    revaluation
        How volatility follows a hypothetical spot: ``sticky_moneyness`` or ``sticky_strike``.
    threads
        Chains are shared out among so many threads; the result does not depend on it.

    Returns
    -------
    polars.DataFrame
        ``greeks.levels``, sorted by its key: four expiry sets x the conventions for every chain, also where a set is
        empty. Settled contracts never count. Open interest that is known and zero everywhere gives zero exposures and
        ``profile_sign`` 0; open interest that is unknown gives nulls. ``known_at``, ``provider`` and ``synthetic`` are
        those of the whole chain (and of the fractions), as its spot is. Contracts whose volatility, forward or x is
        unknown are in ``n_contracts`` alone: neither in the sums nor in ``open_interest``; where they hold more than
        0.4 of the open interest the row says ``LOW_COVERAGE``. Open interest without ``oi_session`` counts as shown at
        the quote, and the row says ``OI_SESSION_UNKNOWN``. ``atm_iv`` is read from the smile of the
        expiry whose ``dte_days`` is nearest to 30, of two as near the earlier, the afternoon-settled before the
        morning-settled root: linear in log-moneyness between the strikes around the forward, flat beyond.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a name is unknown, a convention lacks its fractions, an open
        interest is negative or not finite, one strike of an expiry has two volatilities, a contract with volatility
        has a Greek that is null, ``index_symbols`` is no collection of symbols, or ``threads`` no positive number.

    Notes
    -----
    Prior of dealer sides: :mod:`gnosis.options.positioning.bands`. Evidence on who holds what:
    :mod:`gnosis.options.positioning.conventions`.

    Examples
    --------
    >>> import datetime as dt
    >>> noon = dt.datetime(2019, 5, 15, 16, tzinfo=dt.UTC)
    >>> row = {"known_at": noon, "provider": "example", "synthetic": True, "session": noon.date(), "symbol": "XYZ"}
    >>> row |= {"expiry": dt.date(2019, 6, 14), "settlement": "pm", "right": "C", "strike": 105.0, "root": "XYZ"}
    >>> row |= {"ts": noon, "spot": 100.0, "dte_days": 30, "iv": 0.2, "open_interest": 1000.0, "multiplier": 100.0}
    >>> row |= {"gamma_per_usd": 0.05158076, "delta": 0.21976280, "vanna_per_vol": 1.22652063}
    >>> row |= {"charm_per_year": -1.66950300, "tau_years": 30 / 365, "forward": 100.2881, "discount": 0.9959}
    >>> found = levels(pl.DataFrame([row], schema=TABLES["greeks.option_greeks"].polars_schema), ["naive"])
    >>> found.filter(pl.col("expiry_set") == "all").select("call_wall", "profile_sign", "gex_sign").row(0)
    (105.0, 1, 'undetermined')
    """
    require_revaluation(revaluation)
    require_threads(threads)
    table = TABLES["greeks.levels"]
    book = dealer_book(greeks, conventions, index_symbols, prior, fractions)
    if book.chains.is_empty():
        return table.empty()
    flips = zero_gamma(book, revaluation, threads)
    rows = pl.concat(
        [flips, walls(book, threads).drop("chain", "expiry_set", "sign_convention"), _sums(book)], how="horizontal"
    )
    rows = rows.join(_chains(book, index_symbols), on="chain", how="left", maintain_order="left")
    if fractions is not None:
        rows = _with_origin_of_fractions(rows, fractions)
    is_nil = pl.col("has_sides") & pl.col("n_flips").is_null()
    rows = rows.with_columns(
        flips=pl.when(is_nil).then(pl.lit([], dtype=pl.List(pl.Float64))).when("has_sides").then("flips"),
        n_flips=pl.when(is_nil).then(0).when("has_sides").then("n_flips"),
        profile_sign=pl.when(is_nil).then(0).when("has_sides").then("profile_sign"),
        revaluation=pl.lit(revaluation),
        gex_sign=sign_label(),
        flip_distance_sd=_flip_distance(rows),
    ).with_columns(reasons=_reasons(index_symbols))
    return rows.select(list(table.polars_schema)).cast(table.polars_schema).sort(table.key)


def _sums(book: DealerBook) -> pl.DataFrame:
    """Return the sums of each chain, set and convention, one row each in that order."""
    live = book.contracts
    rows, cells = _members(live["sets"].to_numpy(), live["chain"].to_numpy())
    n_cells, n = book.chains.height * len(EXPIRY_SETS), len(book.conventions)
    has_interest = pl.col("open_interest").is_not_null()
    is_held = (pl.col("open_interest") > 0).fill_null(False)
    interest = pl.col("open_interest").fill_null(0.0)
    exposures = unsigned_exposures()
    facts = live.select(
        "group",
        "prior_mean",
        "prior_sd",
        *(f"x_{name}" for name in book.conventions),
        *(exposures[f"{quantity}_{unit}"].alias(quantity) for quantity, unit in NET.items()),
        n_listed=pl.lit(1.0),
        n_priced=is_priced().cast(pl.Float64),
        n_known=has_interest.cast(pl.Float64),
        n_contracts=is_held.cast(pl.Float64),
        n_without_iv=(is_held & ~is_priced()).cast(pl.Float64),
        n_undated=(is_held & pl.col("oi_session").is_null()).cast(pl.Float64),
        all_interest=interest,
        counted=is_priced() & has_interest,
    )
    columns: dict[str, NDArray[Any]] = {
        name: np.repeat(np.bincount(cells, facts[name].to_numpy()[rows], n_cells), n) for name in COUNTS
    }

    counted, held, age = facts["counted"].to_numpy(), facts["all_interest"].to_numpy(), _age(live)
    kept = counted[rows]
    rows, cells = rows[kept], cells[kept]
    known = np.bincount(cells, minlength=n_cells) > 0
    group = facts["group"].fill_null(0).to_numpy()[rows]
    mean, sd = (facts[name].to_numpy()[rows] for name in ("prior_mean", "prior_sd"))
    belief = prior_sides(mean, sd, book.prior.correlation)
    sides = [facts[f"x_{name}"].to_numpy()[rows] for name in book.conventions]
    has_side = [~np.isnan(x) for x in sides]
    known_sides = [np.where(there, x, 0.0) for there, x in zip(has_side, sides, strict=True)]

    def by_side(values: Floats) -> Floats:
        return np.stack([np.bincount(cells, np.where(there, values, 0.0), n_cells) for there in has_side], axis=1)

    has_sides = by_side(np.ones(rows.size)) > 0
    columns["has_sides"] = has_sides.ravel()
    columns["open_interest"] = by_side(held[rows]).ravel()
    is_dated = ~np.isnan(age)
    dated = np.where(is_dated, held, 0.0)[rows]
    total = by_side(dated)
    aged = by_side(dated * np.where(is_dated, age, 0.0)[rows])
    columns["oi_age_sessions"] = np.divide(aged, total, np.full(total.shape, np.nan), where=total > 0).ravel()
    for quantity, unit in NET.items():
        weights = facts[quantity].to_numpy()[rows]
        found = band(*sides_moments(weights, group, belief, cells, n_cells))
        for name, values in found._asdict().items():
            column = f"{quantity}_{name}" if name == "positive_probability" else f"{quantity}_{name}_{unit}"
            columns[column] = np.repeat(np.where(known, values, np.nan), n)
        net = np.stack([np.bincount(cells, x * weights, n_cells) for x in known_sides], axis=1)
        columns[f"{quantity}_{unit}"] = np.where(has_sides, net, np.nan).ravel()
    return pl.DataFrame(columns, nan_to_null=True)


def _members(sets: NDArray[np.int64], chain: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return every contract once for each set it belongs to, and the cell (chain, set) of each."""
    rows = [np.flatnonzero(sets >> bit & 1) for bit in range(len(EXPIRY_SETS))]
    cells = [chain[found].astype(np.int64) * len(EXPIRY_SETS) + bit for bit, found in enumerate(rows)]
    return np.concatenate(rows), np.concatenate(cells)


def _age(live: pl.DataFrame) -> Floats:
    """Return the age of the open interest of each contract in sessions, at least 1; NaN without its session."""
    calendar = schedule()["session"].to_physical().to_numpy()
    now, then = (
        np.searchsorted(calendar, live[name].to_physical().fill_null(0).to_numpy(), side="right")
        for name in ("session", "oi_session")
    )
    return np.where(live["oi_session"].is_not_null().to_numpy(), np.maximum(now - then, 1.0), np.nan)


def _chains(book: DealerBook, index_symbols: Collection[str]) -> pl.DataFrame:
    """Return what the rows of a chain have in common."""
    is_index = pl.col("symbol").is_in(require_index_symbols(index_symbols))
    prior = book.prior
    return (
        book.chains.with_row_index("chain")
        .with_columns(pl.col("chain").cast(pl.Int64))
        .join(_atm_iv(book.priced), on="chain", how="left", maintain_order="left")
        .with_columns(
            prior_mean=pl.when(is_index).then(prior.mean).otherwise(0.0),
            prior_sd=pl.when(is_index).then(prior.sd_index).otherwise(prior.sd_single),
            prior_correlation=pl.lit(prior.correlation),
        )
    )


def _atm_iv(priced: pl.DataFrame) -> pl.DataFrame:
    """Return ``chain`` and the volatility at K = F of its expiry nearest to 30 days."""
    names = ("chain", "smile", "dte_days", "strike", "forward", "iv")
    chain, smile, days, strike, forward, iv = (priced[name].to_numpy() for name in names)
    if chain.size == 0:
        return pl.DataFrame(schema={"chain": pl.Int64, "atm_iv": pl.Float64})
    first = np.flatnonzero(changes(smile))
    is_morning = (priced["settlement"] == "am").to_numpy()[first]
    # Roots of one day and settlement follow each other in alphabetical order.
    ordered = first[np.lexsort((first, is_morning, days[first], np.abs(days[first] - ATM_DAYS), chain[first]))]
    nearest = ordered[changes(chain[ordered])]
    low = np.searchsorted(smile, smile[nearest], side="left")
    end = np.searchsorted(smile, smile[nearest], side="right")
    n_below = np.add.reduceat(
        np.append(np.log(strike / forward) <= 0, False).astype(np.int64), np.ravel([low, end], "F")
    )
    below, above = low + n_below[::2] - 1, low + n_below[::2]
    has_below, has_above = below >= low, above < end
    below, above = np.maximum(below, low), np.minimum(above, end - 1)
    k_low, k_high = (np.log(strike[at] / forward[at]) for at in (below, above))
    is_between = has_below & has_above
    width = np.where(is_between, k_low - k_high, 1.0)
    between = iv[below] + k_low / width * (iv[above] - iv[below])
    atm_iv = np.where(is_between, between, np.where(has_below, iv[below], iv[above]))
    return pl.DataFrame({"chain": chain[nearest].astype(np.int64), "atm_iv": atm_iv})


def _flip_distance(rows: pl.DataFrame) -> pl.Series:
    """Return the distance from spot down to the nearest flip in daily standard deviations."""
    spot, flip, atm_iv = (_floats(rows, name) for name in ("spot", "nearest_flip", "atm_iv"))
    return pl.Series(np.log(spot / flip) / (atm_iv / np.sqrt(SESSIONS_PER_YEAR))).fill_nan(None)


def _floats(rows: pl.DataFrame, name: str) -> Floats:
    return rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _with_origin_of_fractions(rows: pl.DataFrame, fractions: pl.DataFrame) -> pl.DataFrame:
    """Add the origin of the fractions by contract to that of the chain, where a convention uses them."""
    by = [*CHAIN, "sign_convention"]
    used = fractions.filter(pl.col("sign_convention").cast(pl.String).is_in(BY_CONTRACT)).select(*by, *ORIGIN)
    chains = rows.select(*by, *ORIGIN)
    used = used.join(chains.select(by), on=by, how="semi")
    both = origin_of(pl.concat([chains, used.select(chains.columns)]), by)
    return rows.drop(ORIGIN).join(both, on=by, how="left", maintain_order="left")


def _reasons(index_symbols: Collection[str]) -> pl.Expr:
    return reasons_where(
        {
            "NO_CHAIN": pl.col("n_priced") == 0,
            "LOW_COVERAGE": pl.col("open_interest") < LEAST_SHARE * pl.col("all_interest"),
            "OI_SESSION_UNKNOWN": pl.col("n_undated") > 0,
            "OI_MISSING": (pl.col("n_listed") > 0) & (pl.col("n_known") == 0),
            "SIGN_UNDETERMINED": sign_reason(index_symbols).is_not_null() & (pl.col("n_priced") > 0),
            "SYNTHETIC_INPUT": pl.col("synthetic"),
        }
    )
