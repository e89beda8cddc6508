"""Gamma of a chain on the path: what its calls and its puts add to gamma when spot stands 1 % lower to 1 % higher.

Every contract is revalued at each node p of the path. Under sticky moneyness its volatility is read from the smile of
its expiry at ln(K/F(p)), F(p) = F p/S, linear between strikes and flat beyond; under sticky strike it keeps its own.
The profiles are linear in open interest, so that any sign convention is a weighted sum of the two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from gnosis.engines.physics import PATH_RATIOS, Floats
from gnosis.options.cleaning import split_duplicates
from gnosis.options.origin import require_table

CHAIN = ["session", "symbol"]
EXPIRY = [*CHAIN, "expiry", "settlement", "root"]
CONTRACT = [*EXPIRY, "strike", "right"]
REVALUATIONS = ("sticky_moneyness", "sticky_strike")


class GammaProfiles(NamedTuple):
    """Unsigned gamma of every chain on the nodes S x :data:`gnosis.engines.physics.PATH_RATIOS`.

    Attributes
    ----------
    chains
        ``session``, ``symbol``, ``spot`` (at the latest quote) and ``has_gamma`` (some contract has both a volatility
        and a known open interest), one row per chain, sorted.
    call, put
        Sums of gamma OI M in shares per $, shape (chains, 101); zero where nothing is known.
    """

    chains: pl.DataFrame
    call: Floats
    put: Floats


def one_version(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return contracts sorted by ``by``, an ordering of their key; of repeated ones only the latest known version."""
    ordered = rows.sort(by)
    is_repeat = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in by)
    if ordered.select(is_repeat.any()).item():
        return split_duplicates(rows)[0].sort(by)
    return ordered


def gamma_profiles(greeks: pl.DataFrame, revaluation: str = "sticky_moneyness") -> GammaProfiles:
    """Return the gamma profiles of all chains of a frame.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order.
    revaluation
        ``sticky_moneyness`` or ``sticky_strike``.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, the revaluation is unknown, or one strike of an expiry has two
        volatilities.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> gamma_profiles(TABLES["greeks.option_greeks"].empty()).call.shape
    (0, 101)
    """
    if revaluation not in REVALUATIONS:
        raise ValueError(f"revaluation: expected one of {list(REVALUATIONS)}, found {revaluation!r}")
    require_table(greeks, "greeks.option_greeks")
    rows = one_version(greeks, CONTRACT)
    spots = pl.col("spot").sort_by("ts", "spot").last()
    chains = rows.group_by(CHAIN, maintain_order=True).agg(spots)
    rows = rows.with_columns(chain=_number(CHAIN), group=_number(EXPIRY))
    priced = rows.filter(pl.all_horizontal(pl.col("iv", "forward", "discount").is_not_null()))
    call, put = (np.zeros((chains.height, PATH_RATIOS.size)) for _ in range(2))
    held = priced.filter(pl.col("open_interest").is_not_null())["chain"].unique()
    chains = chains.with_columns(has_gamma=pl.int_range(pl.len()).cast(pl.UInt32).is_in(held.implode()))
    if not priced.is_empty():
        _fill(_lines(priced), chains["spot"].to_numpy(), revaluation, call, put)
    return GammaProfiles(chains, call, put)


def _number(key: list[str]) -> pl.Expr:
    """Number the runs of equal keys in sorted rows, from 0."""
    is_new = pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in key)
    return is_new.fill_null(False).cum_sum().cast(pl.UInt32)


def _lines(priced: pl.DataFrame) -> pl.DataFrame:
    """Merge the call and the put of a strike where they share every term that gamma depends on."""
    terms = ["group", "strike", "tau_years", "iv", "forward", "discount"]
    size = (pl.col("open_interest") * pl.col("multiplier")).fill_null(0.0)
    is_call = pl.col("right") == "C"
    sizes = {
        "call_size": pl.when(is_call).then(size).otherwise(0.0),
        "put_size": pl.when(is_call).then(0.0).otherwise(size),
    }
    rows = priced.select("chain", *terms, **sizes)
    same_strike = (pl.col("group") == pl.col("group").shift()) & (pl.col("strike") == pl.col("strike").shift())
    differs = same_strike & ((pl.col("iv") / pl.col("iv").shift() - 1).abs() > 1e-9)
    wrong = priced.filter(rows.select(differs.fill_null(False)).to_series())
    if not wrong.is_empty():
        row = wrong.row(0, named=True)
        raise ValueError(
            "greeks.option_greeks: expected one volatility for call and put of a strike, found two at "
            + ", ".join(f"{name} {row[name]}" for name in CONTRACT[:-1])
        )
    starts = np.flatnonzero(
        rows.select(pl.any_horizontal(pl.col(n) != pl.col(n).shift() for n in terms).fill_null(True))
    )
    merged = [pl.Series(name, np.add.reduceat(rows[name].to_numpy(), starts)) for name in sizes]
    return rows[starts].with_columns(merged)


def _fill(lines: pl.DataFrame, spot: Floats, revaluation: str, call: Floats, put: Floats) -> None:
    from gnosis.engines.elasticity import profile_kernel

    first = np.flatnonzero(np.diff(lines["group"].to_numpy().astype(np.int64), prepend=-1))
    chain = lines["chain"].to_numpy().astype(np.int64)
    tau, forward = lines["tau_years"].to_numpy(), lines["forward"].to_numpy()
    profile_kernel.add_gamma(
        np.append(first, lines.height),
        chain[first],
        np.log(lines["strike"].to_numpy() / forward),
        lines["iv"].to_numpy(),
        np.sqrt(tau),
        forward * lines["discount"].to_numpy() / (spot[chain] ** 2 * np.sqrt(2 * np.pi * tau)),
        lines["call_size"].to_numpy(),
        lines["put_size"].to_numpy(),
        PATH_RATIOS,
        np.log(PATH_RATIOS),
        revaluation == "sticky_strike",
        call,
        put,
    )
