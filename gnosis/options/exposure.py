"""Dealer exposures by strike, expiry bucket and sign convention.

Exposures in dollars are practitioners' constructions; the sign conventions behind them are in
:mod:`gnosis.options.conventions`. Sums run in the fixed order (expiry, strike, right), one addition after the other,
so that equal inputs give equal bits whatever the order of their rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from gnosis.options.clock import expiry_bucket
from gnosis.options.conventions import dealer_fraction, require_conventions
from gnosis.options.origin import origin_of, require_table
from gnosis.tables import TABLES
from gnosis.tables.greeks import SIGN_CONVENTIONS

CELL = ["session", "symbol", "expiry_bucket", "strike"]
ORDER = ["session", "symbol", "expiry", "strike", "right", "settlement", "root"]
SUMS = [
    "dealer_gamma_shares_per_usd",
    "gex_usd_per_pct",
    "dex_usd",
    "vex_usd_per_volpt",
    "cex_usd_per_day",
    "vega_usd_per_volpt",
]


def exposure(greeks: pl.DataFrame, conventions: Sequence[str] = ("naive", "customer_long")) -> pl.DataFrame:
    """Return dealer exposures by strike and expiry bucket under each sign convention.

    With dealer fraction x, open interest OI and multiplier M, summed over the contracts of a strike and bucket:

    =============================== ============================ ==============================
    ``dealer_gamma_shares_per_usd`` x gamma OI M                 shares per $
    ``gex_usd_per_pct``             x gamma OI M S^2 0.01        $ per 1 % move
    ``dex_usd``                     x delta OI M S               $
    ``vex_usd_per_volpt``           x vanna OI M S 0.01          $ of delta per vol point
    ``cex_usd_per_day``             x charm OI M S / 365         $ of delta per calendar day
    ``vega_usd_per_volpt``          x vega OI M 0.01             $ per vol point
    =============================== ============================ ==============================

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order.
    conventions
        Out of ``naive``, ``customer_long`` and ``inverted``.

    Returns
    -------
    polars.DataFrame
        ``greeks.exposure``, sorted by its key. Contracts without open interest (unknown or zero) and contracts that
        had settled do not count. Contracts with open interest but no volatility are counted in ``n_without_iv`` and
        are not in the sums; a cell that has no others has zero sums, ``n_without_iv`` = ``n_contracts`` and zero open
        interest.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, or a convention is unknown.

    Examples
    --------
    >>> import datetime as dt
    >>> noon = dt.datetime(2019, 5, 15, 16, tzinfo=dt.UTC)
    >>> row = {"known_at": noon, "provider": "example", "synthetic": True, "session": noon.date(), "symbol": "XYZ"}
    >>> row |= {"expiry": dt.date(2019, 6, 14), "settlement": "pm", "right": "C", "strike": 105.0, "root": "XYZ"}
    >>> row |= {"ts": noon, "spot": 100.0, "dte_days": 30, "iv": 0.2, "open_interest": 1000.0, "multiplier": 100.0}
    >>> row |= {"gamma_per_usd": 0.05158076, "delta": 0.21976280, "vanna_per_vol": 1.22652063}
    >>> row |= {"charm_per_year": -1.66950300, "vega_per_vol": 8.47902984}
    >>> found = exposure(pl.DataFrame([row], schema=TABLES["greeks.option_greeks"].polars_schema), ["naive"])
    >>> found.select(pl.col("gex_usd_per_pct", "dex_usd").round(0), "expiry_bucket").row(0)
    (515808.0, 2197628.0, '8-35')
    """
    names = require_conventions(conventions)
    require_table(greeks, "greeks.option_greeks")
    table = TABLES["greeks.exposure"]
    held = greeks.filter((pl.col("open_interest") > 0) & ~(pl.col("reason") == "settled").fill_null(False))
    if held.is_empty():
        return table.empty()
    held = held.with_columns(expiry_bucket=expiry_bucket(pl.col("dte_days"))).sort(ORDER)
    cells = held.select(CELL).unique().sort(CELL).with_row_index("cell")
    held = held.join(cells, on=CELL, how="left", maintain_order="left")
    counts = held.group_by("cell").agg(n_contracts=pl.len().cast(pl.Int64), n_without_iv=pl.col("iv").null_count())
    # One spot per chain: that of its latest quote.
    spots = (
        held.sort("session", "symbol", "ts", "cell")
        .group_by("session", "symbol", maintain_order=True)
        .agg(pl.col("spot").last())
    )
    cells = (
        cells.join(spots, on=["session", "symbol"], how="left", maintain_order="left")
        .join(counts, on="cell", how="left", maintain_order="left")
        .join(origin_of(held, ["cell"]), on="cell", how="left", maintain_order="left")
    )
    lines = held.filter(pl.col("iv").is_not_null())
    summed = [
        cells.with_columns(
            *_sums(lines, name, cells.height), sign_convention=pl.lit(name, dtype=pl.Enum(SIGN_CONVENTIONS))
        )
        for name in names
    ]
    return pl.concat(summed).select(list(table.polars_schema)).cast(table.polars_schema).sort(table.key)


def _sums(lines: pl.DataFrame, convention: str, n_cells: int) -> list[pl.Series]:
    """Sum the lines of each cell under a convention, in the order of the rows."""
    size = pl.col("open_interest") * pl.col("multiplier")
    held = dealer_fraction(convention) * size
    spot = pl.col("spot")
    terms = lines.select(
        "cell",
        "open_interest",
        dealer_gamma_shares_per_usd=held * pl.col("gamma_per_usd"),
        gex_usd_per_pct=held * pl.col("gamma_per_usd") * spot * spot * 0.01,
        dex_usd=held * pl.col("delta") * spot,
        vex_usd_per_volpt=held * pl.col("vanna_per_vol") * spot * 0.01,
        cex_usd_per_day=held * pl.col("charm_per_year") * spot / 365,
        vega_usd_per_volpt=held * pl.col("vega_per_vol") * 0.01,
    )
    # bincount adds one weight after the other, in row order.
    cell = terms["cell"].to_numpy()
    return [
        pl.Series(name, np.bincount(cell, weights=terms[name].to_numpy(), minlength=n_cells))
        for name in [*SUMS, "open_interest"]
    ]
