"""Dealer exposures in dollars: by contract, by strike and expiry bucket, and as totals, under sign conventions.

With dealer fraction x, open interest OI, M shares per contract and spot S at the quote instant, one contract adds

=============================== ================================= ========================================
``dealer_gamma_shares_per_usd`` x gamma OI M                      shares per $
``gex_usd_per_usd``             x gamma OI M S                    $ per $ move
``gex_usd_per_pct``             x gamma OI M S^2 0.01             $ per 1 % move
``dex_usd``                     x delta OI M S                    $
``vex_usd_per_volpt``           x vanna OI M S 0.01               $ of delta per vol point
``cex_usd_per_day``             x charm OI M S / 365              $ of delta per calendar day
``vega_usd_per_volpt``          x vega OI M 0.01                  $ per vol point
``vomma_usd_per_volpt2``        x vomma OI M 0.01^2               $ of vega per vol point, per vol point
``speed_usd_per_pct2``          x speed OI M S^3 0.01^2           $ per (1 %)^2
``zomma_usd_per_pct_volpt``     x zomma OI M S^2 0.01 0.01        $ per 1 % per vol point
=============================== ================================= ========================================

M is the multiplier. Adjusted contracts deliver something else than M shares: they have no volatility, and so no
exposure. Greeks come per unit and are scaled here and nowhere else. Positive dealer gamma means that dealers trade
against the move. To stay hedged they trade, to first order and in $ bought: minus ``gex_usd_per_pct`` when spot rises
1 %, plus ``vex_usd_per_volpt`` when volatility falls one point, minus ``cex_usd_per_day`` h/24 when h hours pass.

Exposures in dollars and zero-gamma levels are practitioners' constructions, and x is an assumption: see
:mod:`gnosis.options.positioning.conventions`. Open interest is that of the session before; positions opened and closed
within a day are not in it, and volume is never mixed into an exposure. Sums run in the fixed order (expiry, strike,
right), one addition after the other, so that equal inputs give equal bits whatever the order of their rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from gnosis.options.chain.clock import expiry_bucket
from gnosis.options.chain.layout import CHAIN
from gnosis.options.origin import origin_of
from gnosis.options.positioning.contracts import (
    ORDER,
    chain_spots,
    is_alive,
    is_priced,
    one_version,
    require_contracts,
)
from gnosis.options.positioning.conventions import BY_CONTRACT, CONTRACT, dealer_fraction, require_conventions
from gnosis.tables import TABLES
from gnosis.tables.dictionary import ORIGIN
from gnosis.tables.greeks import SIGN_CONVENTIONS

CELL = [*CHAIN, "expiry_bucket", "strike"]
# Polars divides by a number now exactly, now by way of its reciprocal, as the column happens to be stored.
PER_DAY = 1 / 365
SUMS = [
    "dealer_gamma_shares_per_usd",
    "gex_usd_per_usd",
    "gex_usd_per_pct",
    "dex_usd",
    "vex_usd_per_volpt",
    "cex_usd_per_day",
    "vega_usd_per_volpt",
    "vomma_usd_per_volpt2",
    "speed_usd_per_pct2",
    "zomma_usd_per_pct_volpt",
]


def exposure(
    greeks: pl.DataFrame,
    conventions: Sequence[str] = ("naive", "customer_long"),
    fractions: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return dealer exposures by strike and expiry bucket under each sign convention.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order.
    conventions
        Out of ``naive``, ``customer_long``, ``inverted``, ``flow_signed`` and ``open_close``.
    fractions
        Dealer fractions by contract for the last two: :func:`gnosis.options.positioning.conventions.flow_fractions`.

    Returns
    -------
    polars.DataFrame
        ``greeks.exposure``, sorted by its key: sums of the rows of :func:`contract_exposure`, in the units above.
        ``spot`` is that of the chain's latest quote. Of a contract that comes twice the latest known version counts.
        Contracts without open interest (unknown or zero) and contracts that had settled do not count. Contracts with
        open interest but no volatility or no forward are counted in ``n_without_iv`` and are not in the sums; neither
        are contracts whose x is unknown. ``open_interest`` is of the contracts in the sums, so a cell that has none
        shows zero sums, zero open interest and ``n_contracts`` > 0.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a convention is unknown or lacks its fractions, an open interest
        is negative or not finite, or a contract with volatility has a Greek that is null or not finite.

    Examples
    --------
    >>> import datetime as dt
    >>> noon = dt.datetime(2019, 5, 15, 16, tzinfo=dt.UTC)
    >>> row = {"known_at": noon, "provider": "example", "synthetic": True, "session": noon.date(), "symbol": "XYZ"}
    >>> row |= {"expiry": dt.date(2019, 6, 14), "settlement": "pm", "right": "C", "strike": 105.0, "root": "XYZ"}
    >>> row |= {"ts": noon, "spot": 100.0, "dte_days": 30, "iv": 0.2, "open_interest": 1000.0, "multiplier": 100.0}
    >>> row |= {"gamma_per_usd": 0.05158076, "delta": 0.21976280, "vanna_per_vol": 1.22652063}
    >>> row |= {"charm_per_year": -1.66950300, "vega_per_vol": 8.47902984, "vomma_per_vol2": 0.0}
    >>> row |= {"speed_per_usd2": 0.0, "zomma_per_usd_vol": 0.0, "forward": 100.2881, "discount": 0.9959}
    >>> found = exposure(pl.DataFrame([row], schema=TABLES["greeks.option_greeks"].polars_schema), ["naive"])
    >>> found.select(pl.col("gex_usd_per_pct", "dex_usd").round(0), "expiry_bucket").row(0)
    (515808.0, 2197628.0, '8-35')
    """
    table = TABLES["greeks.exposure"]
    require_contracts(greeks)
    bucketed = greeks.with_columns(expiry_bucket=expiry_bucket(pl.col("dte_days")))
    found = exposure_totals(bucketed, CELL, conventions, fractions)
    return found.select(list(table.polars_schema)).cast(table.polars_schema).sort(table.key)


def exposure_totals(
    greeks: pl.DataFrame,
    by: Sequence[str] = ("session", "symbol"),
    conventions: Sequence[str] = ("naive", "customer_long"),
    fractions: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return dealer exposures summed over groups of contracts of one chain, under each sign convention.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order, with the columns of ``by``. A contract may appear in several
        groups, as in :func:`gnosis.options.positioning.expiry_sets.with_expiry_set`.
    by
        Columns that identify a group; ``session`` and ``symbol`` among them.
    conventions, fractions
        As for :func:`exposure`.

    Returns
    -------
    polars.DataFrame
        ``by``, ``sign_convention``, ``spot``, the ten exposures, ``open_interest``, ``n_contracts``, ``n_without_iv``,
        ``known_at``, ``provider`` and ``synthetic``, one row per group and convention as in :func:`exposure`; sorted
        by convention and ``by``. Groups without a contract that counts have no row.

    Raises
    ------
    ValueError
        As :func:`exposure`, or when a column of ``by`` is missing.

    Examples
    --------
    >>> import datetime as dt
    >>> schema = TABLES["greeks.option_greeks"].polars_schema
    >>> row = {name: 0.0 for name, dtype in schema.items() if dtype == pl.Float64} | {"symbol": "XYZ", "right": "C"}
    >>> row |= {"session": dt.date(2019, 5, 15), "ts": dt.datetime(2019, 5, 15, 19, 45, tzinfo=dt.UTC), "spot": 100.0}
    >>> row |= {"delta": 0.25, "open_interest": 1000.0, "multiplier": 100.0}
    >>> found = exposure_totals(pl.DataFrame([row, row | {"strike": 105.0, "delta": 0.15}], schema))
    >>> found.select("symbol", "sign_convention", pl.col("dex_usd").round(6)).rows()
    [('XYZ', 'naive', 4000000.0), ('XYZ', 'customer_long', -4000000.0)]
    """
    names = require_conventions(conventions, fractions)
    if not set(CHAIN) <= set(by) <= set(greeks.columns):
        raise ValueError(f"by: expected columns out of {greeks.columns}, session and symbol among them, found {by}")
    held = _held(greeks, by)
    groups = held.select(by).unique().sort(by).with_row_index("cell")
    held = held.join(groups, on=list(by), how="left", maintain_order="left")
    counts = held.group_by("cell").agg(n_contracts=pl.len().cast(pl.Int64), n_without_iv=(~is_priced()).sum())
    spots = held.select(*CHAIN, spot="chain_spot").unique()
    known = groups.join(spots, on=CHAIN, how="left", maintain_order="left").join(
        counts, on="cell", how="left", maintain_order="left"
    )
    by_right = origin_of(held, ["cell"])
    summed = []
    for name, lines, of_fractions in _lines(held, names, fractions):
        cell = lines["cell"].to_numpy()
        # bincount adds one weight after the other, in row order.
        sums = {
            column: np.bincount(cell, weights=lines[column].to_numpy(), minlength=groups.height)
            for column in [*SUMS, "open_interest"]
        }
        origin = by_right if of_fractions is None else origin_of(of_fractions, ["cell"], also=["fraction_provider"])
        summed.append(
            known.with_columns(**{column: pl.Series(values) for column, values in sums.items()})
            .join(origin, on="cell", how="left", maintain_order="left")
            .select(
                *by,
                pl.lit(name, dtype=pl.Enum(SIGN_CONVENTIONS)).alias("sign_convention"),
                "spot",
                *sums,
                "n_contracts",
                pl.col("n_without_iv").cast(pl.Int64),
                *ORIGIN,
            )
        )
    return pl.concat(summed)


def contract_exposure(
    greeks: pl.DataFrame,
    conventions: Sequence[str] = ("naive", "customer_long"),
    fractions: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the dealer exposures of every contract with open interest under each sign convention.

    Parameters
    ----------
    greeks, conventions, fractions
        As for :func:`exposure`.

    Returns
    -------
    polars.DataFrame
        The key of ``greeks.option_greeks``, ``sign_convention``, ``expiry_bucket``, ``spot``, ``x``, the ten exposures
        in the units above, ``open_interest`` (contracts), ``known_at``, ``provider`` and ``synthetic``; sorted by
        convention, expiry, strike and right. The exposures are null where volatility, forward or x is unknown.

    Raises
    ------
    ValueError
        As :func:`exposure`.

    Examples
    --------
    >>> import datetime as dt
    >>> schema = TABLES["greeks.option_greeks"].polars_schema
    >>> row = {name: 0.0 for name, dtype in schema.items() if dtype == pl.Float64} | {"symbol": "XYZ", "right": "C"}
    >>> row |= {"session": dt.date(2019, 5, 15), "ts": dt.datetime(2019, 5, 15, 19, 45, tzinfo=dt.UTC), "spot": 100.0}
    >>> row |= {"delta": 0.25, "open_interest": 1000.0, "multiplier": 100.0}
    >>> contract_exposure(pl.DataFrame([row], schema), ["inverted"]).select("x", "dex_usd", "open_interest").row(0)
    (-1.0, -2500000.0, 1000.0)
    """
    names = require_conventions(conventions, fractions)
    held = _held(greeks).with_columns(expiry_bucket=expiry_bucket(pl.col("dte_days"))).with_row_index("cell")
    identity = [*CONTRACT, "sign_convention", "expiry_bucket", "spot", "x", *SUMS, "open_interest", *ORIGIN]
    summed = []
    for name, lines, of_fractions in _lines(held, names, fractions):
        base = held
        if of_fractions is not None:
            origin = origin_of(of_fractions, ["cell"], also=["fraction_provider"])
            base = held.drop(ORIGIN).join(origin, on="cell", how="left", maintain_order="left")
        summed.append(
            base.join(lines.select("cell", "x", *SUMS), on="cell", how="left", maintain_order="left")
            .with_columns(sign_convention=pl.lit(name, dtype=pl.Enum(SIGN_CONVENTIONS)))
            .select(identity)
        )
    return pl.concat(summed)


def _held(greeks: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Return the contracts that were alive and have open interest in the order of the sums, with ``chain_spot``."""
    require_contracts(greeks)
    rows = one_version(greeks, [*ORDER, *(name for name in by if name not in ORDER)])
    spots = chain_spots(rows).rename({"spot": "chain_spot"})
    held = rows.filter((pl.col("open_interest") > 0) & is_alive())
    return held.join(spots, on=CHAIN, how="left", maintain_order="left")


def _lines(
    held: pl.DataFrame, conventions: list[str], fractions: pl.DataFrame | None
) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame | None]]:
    """Yield the exposures of the contracts that have all they need, in the order of the rows, per convention.

    With each convention come its name and, where x goes by contract, the rows with the origin of both inputs.
    """
    unsigned = _unsigned(held)
    for name in conventions:
        signed = [pl.col(column) * pl.col("x") for column in SUMS]
        if name not in BY_CONTRACT:
            yield name, unsigned.with_columns(dealer_fraction(name)).with_columns(signed), None
            continue
        assert fractions is not None
        given = fractions.filter(pl.col("sign_convention") == name).select(
            *CONTRACT, "x", *(pl.col(column).alias(f"fraction_{column}") for column in ORIGIN)
        )
        matched = held.select("cell", *CONTRACT, *ORIGIN).join(given, on=CONTRACT, how="left", maintain_order="left")
        origin = matched.with_columns(
            known_at=pl.max_horizontal("known_at", "fraction_known_at"),
            synthetic=pl.col("synthetic") | pl.col("fraction_synthetic").fill_null(False),
        )
        by_contract = unsigned.join(given.select(*CONTRACT, "x"), on=CONTRACT, how="inner", maintain_order="left")
        yield name, by_contract.with_columns(signed), origin


def unsigned_exposures() -> dict[str, pl.Expr]:
    """Return the exposures of a contract at x = 1 by name; they read the columns of ``greeks.option_greeks``."""
    size = pl.col("open_interest") * pl.col("multiplier")
    spot = pl.col("spot")
    gamma = size * pl.col("gamma_per_usd")
    return {
        "dealer_gamma_shares_per_usd": gamma,
        "gex_usd_per_usd": gamma * spot,
        "gex_usd_per_pct": gamma * spot * spot * 0.01,
        "dex_usd": size * pl.col("delta") * spot,
        "vex_usd_per_volpt": size * pl.col("vanna_per_vol") * spot * 0.01,
        "cex_usd_per_day": size * pl.col("charm_per_year") * spot * PER_DAY,
        "vega_usd_per_volpt": size * pl.col("vega_per_vol") * 0.01,
        "vomma_usd_per_volpt2": size * pl.col("vomma_per_vol2") * 1e-4,
        "speed_usd_per_pct2": size * pl.col("speed_per_usd2") * spot * spot * spot * 1e-4,
        "zomma_usd_per_pct_volpt": size * pl.col("zomma_per_usd_vol") * spot * spot * 1e-4,
    }


def _unsigned(held: pl.DataFrame) -> pl.DataFrame:
    """Return the exposures at x = 1 of the contracts that can be revalued."""
    lines = held.filter(is_priced()).select(*CONTRACT, "cell", "open_interest", **unsigned_exposures())
    is_known = pl.all_horizontal(pl.col(column).is_finite().fill_null(False) for column in SUMS)
    unknown = lines.filter(~is_known)
    if not unknown.is_empty():
        found = unknown.select(*CONTRACT, *SUMS).row(0)
        raise ValueError(f"greeks.option_greeks: expected finite Greeks where iv is known, found exposures {found}")
    return lines
