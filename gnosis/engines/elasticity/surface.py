"""Elasticity surface: stiffness and amplification at hypothetical prices and at later times.

Time passes and nothing else happens: the time to settlement of every contract shrinks by the horizon, contracts that
have settled by then are gone, carry runs on at its rate, and each expiry keeps its smile as a function of moneyness.
Depth is that of the session, a constant number of shares per dollar: k(p, t) = 1/lambda + Gamma_D(p, t).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.engines.points import Floats
from gnosis.options.arrays import frozen
from gnosis.options.chain.layout import CHAIN
from gnosis.options.origin import require_table
from gnosis.options.positioning.contracts import (
    chain_spots,
    is_priced,
    live_contracts,
    one_version,
    require_contracts,
)
from gnosis.options.positioning.conventions import DEALER_FRACTION
from gnosis.options.positioning.expiry_sets import expiry_sets
from gnosis.options.positioning.gamma_profile import smile_slopes, smile_starts, strike_lines
from gnosis.tables import TABLES

PRICES, HORIZONS = 15, 6
"""Size of the stored grid; ask for a finer one where it is looked at."""

MOVES = 3.0
"""Reach of the prices in expected moves until the last horizon."""

DAYS_PER_YEAR = 365.0
LEAST_TAU_YEARS = 1 / (DAYS_PER_YEAR * 24)


def elasticity_surface(
    greeks: pl.DataFrame, state: pl.DataFrame, prices: int = PRICES, horizons: int = HORIZONS
) -> pl.DataFrame:
    """Return stiffness and amplification by price and horizon for chains and their conventions.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order.
    state
        Rows of ``engines.elasticity`` of the same chains: spot, depth, ``atm_iv_30d``, convention.
    prices
        Spots, evenly spaced in logarithm within three expected moves (``atm_iv_30d`` until the last horizon) of spot;
        an odd number has spot itself in the middle.
    horizons
        Times, evenly from now to the settlement of the next monthly expiry, or of the last one where none is monthly.

    Returns
    -------
    polars.DataFrame
        ``engines.elasticity_surface``, sorted by its key. Chains without a 30-day volatility have no rows; without a
        known depth gamma stays, and stiffness and amplification are null.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, or fewer than 2 prices or 1 horizon are asked for.

    Examples
    --------
    >>> elasticity_surface(TABLES["greeks.option_greeks"].empty(), TABLES["engines.elasticity"].empty()).height
    0
    """
    require_table(state, "engines.elasticity")
    require_contracts(greeks)
    if prices < 2 or horizons < 1:
        raise ValueError(f"expected at least 2 prices and 1 horizon, found {prices} and {horizons}")
    table = TABLES["engines.elasticity_surface"]
    rows = one_version(greeks)
    chains = chain_spots(rows)
    priced = live_contracts(rows).filter(is_priced())
    known = state.filter(pl.col("atm_iv_30d") > 0)
    if priced.is_empty() or known.is_empty():
        return table.empty()
    reach = _last_horizon(rows, priced, chains)
    at = chains.with_row_index("chain").join(reach, on="chain", how="left", maintain_order="left")
    at = at.join(
        known.select(*CHAIN, "atm_iv_30d").unique(CHAIN, keep="first", maintain_order=True),
        on=CHAIN, how="left", maintain_order="left",
    )  # fmt: skip
    years = at["horizon_years"].fill_null(0.0).to_numpy()
    move = at["atm_iv_30d"].fill_null(0.0).to_numpy() * np.sqrt(years)
    log_ratios = np.linspace(-MOVES, MOVES, prices) * move[:, None]
    if prices % 2:
        log_ratios[:, prices // 2] = 0.0
    times = np.linspace(0.0, 1.0, horizons) * years[:, None]
    call, put = _gamma(priced, chains["spot"].to_numpy(), log_ratios, times)
    alive = _alive(priced, times)
    return _rows(known, at, log_ratios, times, call, put, alive)


def _last_horizon(rows: pl.DataFrame, priced: pl.DataFrame, chains: pl.DataFrame) -> pl.DataFrame:
    """Return ``chain`` and the years to the settlement of its next monthly expiry, else of its last one."""
    monthly = expiry_sets(rows).filter(pl.col("expiry_set") == "next_monthly").select(*CHAIN, "expiry", is_monthly=True)
    named = priced.select("chain", "expiry", "tau_years").join(
        chains.with_row_index("chain"), on="chain", how="left", maintain_order="left"
    )
    found = named.join(monthly, on=[*CHAIN, "expiry"], how="left", maintain_order="left")
    return found.group_by("chain").agg(
        horizon_years=pl.coalesce(
            pl.col("tau_years").filter(pl.col("is_monthly").fill_null(False)).max(), pl.col("tau_years").max()
        )
    )


def _gamma(priced: pl.DataFrame, spot: Floats, log_ratios: Floats, times: Floats) -> tuple[Floats, Floats]:
    from gnosis.engines.elasticity import surface_kernel

    is_call = pl.col("right") == "C"
    sizes = {
        "call_size": pl.when(is_call).then("size").otherwise(0.0),
        "put_size": pl.when(is_call).then(0.0).otherwise("size"),
    }
    lines = strike_lines(priced, sizes)
    starts = smile_starts(lines)
    chain = lines["chain"].to_numpy().astype(np.int64)
    forward = lines["forward"].to_numpy()
    k, iv = np.log(lines["strike"].to_numpy() / forward), lines["iv"].to_numpy()
    shape = (log_ratios.shape[0], times.shape[1], log_ratios.shape[1])
    call, put = np.zeros(shape), np.zeros(shape)
    arrays = [
        k,
        iv,
        smile_slopes(starts, k, iv),
        lines["tau_years"].to_numpy(),
        np.log(forward / spot[chain]),
        np.log(lines["discount"].to_numpy()),
        spot,
        lines["call_size"].to_numpy(),
        lines["put_size"].to_numpy(),
        log_ratios,
        times,
    ]
    k, iv, slope, tau, carry, discount, spots, call_size, put_size, ratios, horizons = (
        frozen(values, values.shape) for values in arrays
    )
    surface_kernel.add_gamma_through_time(
        frozen(starts, starts.shape),
        frozen(chain[starts[:-1]], (starts.size - 1,)),
        k,
        iv,
        slope,
        tau,
        carry,
        discount,
        spots,
        call_size,
        put_size,
        ratios,
        horizons,
        LEAST_TAU_YEARS,
        call,
        put,
    )
    return call, put


def _alive(priced: pl.DataFrame, times: Floats) -> Floats:
    """Return how many contracts with open interest have not settled by each horizon, shape (chains, horizons)."""
    held = priced.filter(pl.col("size") > 0)
    chain = held["chain"].to_numpy().astype(np.int64)
    is_left = held["tau_years"].to_numpy()[:, None] > times[chain]
    return np.stack(
        [np.bincount(chain, weights=is_left[:, h], minlength=times.shape[0]) for h in range(times.shape[1])], axis=1
    )


def _rows(
    known: pl.DataFrame,
    at: pl.DataFrame,
    log_ratios: Floats,
    times: Floats,
    call: Floats,
    put: Floats,
    alive: Floats,
) -> pl.DataFrame:
    table = TABLES["engines.elasticity_surface"]
    state = known.join(at.select(*CHAIN, "chain", chain_spot="spot"), on=CHAIN, how="inner", maintain_order="left")
    chain = state["chain"].to_numpy()
    x = {right: state["sign_convention"].cast(pl.String).replace_strict(_fractions(right)).to_numpy() for right in "CP"}
    spot = state["chain_spot"].to_numpy()[:, None]
    price = spot * np.exp(log_ratios[chain])
    shares = x["C"][:, None, None] * call[chain] + x["P"][:, None, None] * put[chain]
    per_share = 1 / state["lambda_usd_per_share"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    gamma = shares * price[:, None, :] ** 2
    depth = np.broadcast_to(per_share[:, None, None] * price[:, None, :] ** 2, gamma.shape)
    stiffness = depth + gamma
    with np.errstate(invalid="ignore"):
        amplification = depth / np.where(stiffness > 0, stiffness, np.nan)
    shape = gamma.shape
    repeated = np.repeat(np.arange(shape[0]), shape[1] * shape[2])
    told = state.select(
        *CHAIN, "sign_convention", "as_of", "spot", "known_at", "provider", "synthetic",
        confidence="elasticity_field_confidence", reasons="elasticity_field_reasons",
    )  # fmt: skip
    grid = told[repeated].with_columns(
        horizon_number=pl.Series(np.tile(np.repeat(np.arange(shape[1]), shape[2]), shape[0])),
        price_number=pl.Series(np.tile(np.arange(shape[2]), shape[0] * shape[1])),
        horizon_days=pl.Series(np.repeat(times[chain] * DAYS_PER_YEAR, shape[2])),
        price_usd=pl.Series(np.broadcast_to(price[:, None, :], shape).ravel()),
        n_contracts=pl.Series(np.repeat(alive[chain], shape[2]).astype(np.int64)),
        **{
            name: pl.Series(values.ravel(), nan_to_null=True)
            for name, values in (
                ("dealer_gamma_usd_per_unit", gamma),
                ("stiffness_usd_per_pct", stiffness / 100),
                ("amplification", amplification),
            )
        },
    )
    return grid.select(list(table.polars_schema)).cast(table.polars_schema).sort(table.key)


def _fractions(right: str) -> dict[str, float]:
    return {name: float(by_right[right]) for name, by_right in DEALER_FRACTION.items()}
