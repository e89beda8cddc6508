"""Gamma of a chain at hypothetical spots: what its calls and its puts add to gamma when spot stands elsewhere.

Every contract is revalued at each spot p. Under sticky moneyness its volatility is read from the smile of its expiry
at ln(K/F(p)), F(p) = F p/S, linear between strikes and flat beyond; under sticky strike it keeps its own. The profiles
are linear in open interest, so that any sign convention is a weighted sum of the two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from gnosis.options.arrays import Floats, frozen
from gnosis.options.chain.layout import changes
from gnosis.options.positioning.contracts import (
    SMILE_ORDER,
    chain_spots,
    is_priced,
    live_contracts,
    one_version,
    require_contracts,
    require_ratios,
    require_revaluation,
)


class GammaProfiles(NamedTuple):
    """Unsigned gamma of every chain at the spots S x ratio.

    Attributes
    ----------
    chains
        ``session``, ``symbol``, ``spot`` (at the latest quote) and ``has_gamma`` (some contract has both a volatility
        and a known open interest), one row per chain, sorted.
    call, put
        Sums of gamma OI M in shares per $, shape (chains, ratios); zero where nothing is known.
    """

    chains: pl.DataFrame
    call: Floats
    put: Floats


def gamma_profiles(greeks: pl.DataFrame, ratios: ArrayLike, revaluation: str = "sticky_moneyness") -> GammaProfiles:
    """Return the gamma profiles of all chains of a frame.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order.
    ratios
        Hypothetical spots over spot.
    revaluation
        ``sticky_moneyness`` or ``sticky_strike``.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, an open interest is negative or not finite, the ratios are no
        list of positive numbers, the revaluation is unknown, or one strike of an expiry has two volatilities.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> gamma_profiles(TABLES["greeks.option_greeks"].empty(), [0.99, 1.0, 1.01]).call.shape
    (0, 3)
    """
    require_revaluation(revaluation)
    nodes = require_ratios(ratios)
    require_contracts(greeks)
    rows = one_version(greeks)
    chains = chain_spots(rows)
    priced = live_contracts(rows).filter(is_priced())
    call, put = (np.zeros((chains.height, nodes.size)) for _ in range(2))
    held = priced.filter(pl.col("open_interest").is_not_null())["chain"].unique()
    chains = chains.with_columns(has_gamma=pl.int_range(pl.len()).cast(pl.UInt32).is_in(held.implode()))
    if not priced.is_empty():
        is_call = pl.col("right") == "C"
        sizes = {
            "call_size": pl.when(is_call).then("size").otherwise(0.0),
            "put_size": pl.when(is_call).then(0.0).otherwise("size"),
        }
        _fill(strike_lines(priced, sizes), chains["spot"].to_numpy(), nodes, revaluation, call, put)
    return GammaProfiles(chains, call, put)


def strike_lines(priced: pl.DataFrame, sums: dict[str, pl.Expr]) -> pl.DataFrame:
    """Merge the call and the put of a strike where they share every term that gamma depends on.

    Parameters
    ----------
    priced
        Those of :func:`live_contracts` that can be revalued.
    sums
        What to add up over the merged contracts.

    Returns
    -------
    polars.DataFrame
        ``chain``, ``smile``, ``strike``, ``tau_years``, ``iv``, ``forward``, ``discount`` and the sums.

    Raises
    ------
    ValueError
        When one strike of an expiry has two volatilities.
    """
    terms = ["smile", "strike", "tau_years", "iv", "forward", "discount"]
    rows = priced.select("chain", *terms, **sums)
    columns = {name: rows[name].to_numpy() for name in terms}
    same_strike = ~changes(columns["smile"], columns["strike"])
    differs = same_strike[1:] & (np.abs(columns["iv"][1:] / columns["iv"][:-1] - 1) > 1e-9)
    if differs.any():
        row = priced.row(int(np.flatnonzero(differs)[0]) + 1, named=True)
        raise ValueError(
            "greeks.option_greeks: expected one volatility for call and put of a strike, found two at "
            + ", ".join(f"{name} {row[name]}" for name in SMILE_ORDER[:-1])
        )
    starts = np.flatnonzero(changes(*columns.values()))
    merged = [pl.Series(name, np.add.reduceat(rows[name].to_numpy(), starts)) for name in sums]
    return rows[starts].with_columns(merged)


def smile_starts(lines: pl.DataFrame) -> NDArray[np.int64]:
    """Return the first line of every expiry, followed by the number of lines."""
    first = np.flatnonzero(np.diff(lines["smile"].to_numpy().astype(np.int64), prepend=-1))
    return np.append(first, lines.height)


def smile_slopes(starts: NDArray[np.int64], k: Floats, iv: Floats) -> Floats:
    """Return the slope of the volatility from each strike to the next of its expiry, 0 from the last.

    Examples
    --------
    >>> smile_slopes(np.array([0, 3]), np.array([-0.1, 0.0, 0.1]), np.array([0.3, 0.2, 0.25])).round(9).tolist()
    [-1.0, 0.5, 0.0]
    """
    step = np.append(np.diff(k), 0.0)
    step[starts[1:] - 1] = 0.0
    return np.divide(np.append(np.diff(iv), 0.0), step, out=np.zeros(k.size), where=step > 0)


def _fill(lines: pl.DataFrame, spot: Floats, ratios: Floats, revaluation: str, call: Floats, put: Floats) -> None:
    from gnosis.options.positioning import gamma_profile_kernel

    starts = smile_starts(lines)
    chain = lines["chain"].to_numpy().astype(np.int64)
    tau, forward = lines["tau_years"].to_numpy(), lines["forward"].to_numpy()
    log_moneyness, volatility = np.log(lines["strike"].to_numpy() / forward), lines["iv"].to_numpy()
    terms = [
        log_moneyness,
        volatility,
        smile_slopes(starts, log_moneyness, volatility),
        np.sqrt(tau),
        forward * lines["discount"].to_numpy() / (spot[chain] ** 2 * np.sqrt(2 * np.pi * tau)),
        lines["call_size"].to_numpy(),
        lines["put_size"].to_numpy(),
        ratios,
        np.log(ratios),
    ]
    k, iv, slope, root_tau, scale, call_size, put_size, nodes, logs = (frozen(values, values.shape) for values in terms)
    gamma_profile_kernel.add_gamma(
        frozen(starts, starts.shape),
        frozen(chain[starts[:-1]], (starts.size - 1,)),
        k,
        iv,
        slope,
        root_tau,
        scale,
        call_size,
        put_size,
        nodes,
        logs,
        revaluation == "sticky_strike",
        call,
        put,
    )
