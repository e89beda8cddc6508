"""How sure is the sign: bands of net exposures under a prior of who holds which side.

The dealer fraction x of contract i is an unknown with prior mean m_i and covariance

    Cov(x_i, x_j) = s_i s_j [rho 1{same group} + (1 - rho) 1{i = j}],

group = class (index or ETF, single name) x right x |delta| bucket (below 0.25, to 0.75, above) x expiry bucket. What
the contracts of a group have in common keeps their errors from averaging away. A net exposure is a sum of w_i x_i,
with w_i = gamma_i OI_i M_i S^2 0.01 for gamma and the other exposures at x = 1 for theirs, so that

    mean      mu = sum w m
    variance  v  = sum over groups [rho (sum w s)^2 + (1 - rho) sum (w s)^2]
    band      p10, p50, p90 = mu + z sqrt(v), z = -1.2815515655, 0, 1.2815515655, clipped to the bound
    bound     |net| <= sum |w|, whatever the sides
    sign      P(net > 0) = Phi(mu/sqrt(v))

========== ============================ ======= ====================================
m          index and ETF                ratio   0.5 x the naive sign (+ C, - P)
m          single name                  ratio   0
s          index and ETF, single name   ratio   0.4, 0.5
rho        all                          ratio   0.8
R          noise of observed fractions  ratio^2 given with the observations
========== ============================ ======= ====================================

The defaults are settings and not estimates: they are published beside every band. Each band carries the unit of its
weights. The value under a fixed convention need not lie in the band, because conventions put every |x| = 1: show both.
The prior is normal and so not confined to [-1, 1]; only the band is. Bands of hypothetical spots come from the same
formulas with the weights revalued there. Signed flow narrows them: :mod:`gnosis.options.positioning.flow_update`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from gnosis.options.arrays import Floats
from gnosis.options.chain.clock import expiry_bucket
from gnosis.options.origin import require_table
from gnosis.options.positioning.contracts import require_index_symbols
from gnosis.options.positioning.conventions import dealer_fraction
from gnosis.tables import TABLES
from gnosis.tables.greeks import EXPIRY_BUCKETS

Z90 = 1.2815515655446004
DELTA_EDGES = (0.25, 0.75)


@dataclass(frozen=True)
class Prior:
    """Settings of the prior of dealer sides.

    Parameters
    ----------
    mean
        |m| of index and ETF contracts, in [0, 1]; single names have m = 0.
    sd_index, sd_single
        s of index and ETF contracts and of single names, at least 0.
    correlation
        rho within a group, in [0, 1].

    Raises
    ------
    ValueError
        When a setting is out of range.
    """

    mean: float = 0.5
    sd_index: float = 0.4
    sd_single: float = 0.5
    correlation: float = 0.8

    def __post_init__(self) -> None:
        for name, highest in (("mean", 1.0), ("sd_index", np.inf), ("sd_single", np.inf), ("correlation", 1.0)):
            value = getattr(self, name)
            if not (0 <= value <= highest and np.isfinite(value)):
                raise ValueError(f"Prior: expected {name} in [0, {highest}], found {value}")


class Band(NamedTuple):
    """Band of net exposures, float64 arrays of one shape, in the unit of the weights; probability as a ratio."""

    p10: Floats
    p50: Floats
    p90: Floats
    bound: Floats
    positive_probability: Floats


class Moments(NamedTuple):
    """Mean, variance and hard bound of net exposures, float64 arrays of one shape, in the unit of the weights."""

    mean: Floats
    variance: Floats
    bound: Floats


class Sides(NamedTuple):
    """Belief about dealer fractions: x = mean + common f + sqrt(own_variance) e, f shared by the group of a contract.

    f and e are independent standard normals; float64 arrays, one element per contract.
    """

    mean: Floats
    common: Floats
    own_variance: Floats


def prior_lines(greeks: pl.DataFrame, index_symbols: Collection[str], prior: Prior | None = None) -> pl.DataFrame:
    """Return contracts with the group, mean and standard deviation of the prior of their dealer side.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order; further columns are kept.
    index_symbols
        Symbols of indices and ETFs; every other symbol is a single name.
    prior
        Settings; the defaults when None.

    Returns
    -------
    polars.DataFrame
        The rows in their order with ``group`` (Int64, null without delta; the same number in every chain, so a group
        is a chain and a number), ``prior_mean`` (m, signed) and ``prior_sd`` (s), ratios.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, or ``index_symbols`` is no collection of symbols.

    Examples
    --------
    >>> rows = [{"symbol": "SPX", "right": "C", "delta": 0.5}, {"symbol": "XYZ", "right": "P", "delta": -0.9}]
    >>> chain = pl.DataFrame([row | {"dte_days": 30} for row in rows], TABLES["greeks.option_greeks"].polars_schema)
    >>> lines = prior_lines(chain, index_symbols=["SPX"])
    >>> lines.select("group", "prior_mean", "prior_sd").rows()
    [(6, 0.5, 0.4), (46, 0.0, 0.5)]
    """
    indices = require_index_symbols(index_symbols)
    require_table(greeks, "greeks.option_greeks")
    prior = prior or Prior()
    is_index = pl.col("symbol").is_in(indices)
    size = pl.col("delta").abs()
    low, high = DELTA_EDGES
    moneyness = pl.when(size < low).then(0).when(size <= high).then(1).when(size.is_not_null()).then(2)
    class_and_right = 2 * (~is_index).cast(pl.Int64) + (pl.col("right") == "P").cast(pl.Int64)
    bucket = expiry_bucket(pl.col("dte_days")).to_physical().cast(pl.Int64)
    return greeks.with_columns(
        group=(class_and_right * (len(DELTA_EDGES) + 1) + moneyness) * len(EXPIRY_BUCKETS) + bucket,
        prior_mean=pl.when(is_index).then(prior.mean * dealer_fraction("naive")).otherwise(0.0),
        prior_sd=pl.when(is_index).then(prior.sd_index).otherwise(prior.sd_single),
    )


def prior_sides(prior_mean: ArrayLike, prior_sd: ArrayLike, correlation: float) -> Sides:
    """Return the prior of each contract as what its group has in common and what is its own.

    Parameters
    ----------
    prior_mean, prior_sd
        m and s, ratios, shape (contracts,).
    correlation
        rho, in [0, 1].

    Raises
    ------
    ValueError
        When rho is out of range or a standard deviation is negative or not finite.

    Examples
    --------
    >>> [x.round(4).tolist() for x in prior_sides([0.5, -0.5], [0.4, 0.5], 0.8)]
    [[0.5, -0.5], [0.3578, 0.4472], [0.032, 0.05]]
    """
    sd = np.asarray(prior_sd, dtype=np.float64)
    if not 0 <= correlation <= 1:
        raise ValueError(f"correlation: expected a number in [0, 1], found {correlation}")
    if not (np.isfinite(sd) & (sd >= 0)).all():
        raise ValueError(f"prior_sd: expected numbers of at least 0, found {sd[~(np.isfinite(sd) & (sd >= 0))][0]}")
    mean = np.broadcast_to(np.asarray(prior_mean, dtype=np.float64), sd.shape)
    return Sides(mean, np.sqrt(correlation) * sd, (1 - correlation) * sd * sd)


def net_moments(
    weights: ArrayLike,
    group: ArrayLike,
    prior_mean: ArrayLike,
    prior_sd: ArrayLike,
    correlation: float,
    cells: ArrayLike,
    n_cells: int,
) -> Moments:
    """Return mean, variance and bound of the net exposure of each cell under the prior.

    Parameters
    ----------
    weights
        Exposures at x = 1, of any sign, shape (contracts,).
    group
        Number of the group within a cell, integers >= 0, shape (contracts,).
    prior_mean, prior_sd
        m and s, ratios, shape (contracts,).
    correlation
        rho, in [0, 1].
    cells
        Cell of each contract, integers in [0, n_cells), shape (contracts,). A cell must not mix chains.
    n_cells
        Number of cells.

    Returns
    -------
    Moments
        Shape (n_cells,); zeros for a cell without contracts. Sums run in the order of the contracts.

    Raises
    ------
    ValueError
        When shapes differ, a number is not finite, or a cell or group is out of range.

    Examples
    --------
    >>> found = net_moments([40, 20, 30], [0, 0, 1], [0.5, 0.5, -0.5], [0.4, 0.4, 0.4], 0.8, [0, 0, 0], 1)
    >>> [round(float(x[0]), 10) for x in found]
    [15.0, 668.8, 90.0]
    """
    return sides_moments(weights, group, prior_sides(prior_mean, prior_sd, correlation), cells, n_cells)


def sides_moments(weights: ArrayLike, group: ArrayLike, sides: Sides, cells: ArrayLike, n_cells: int) -> Moments:
    """Return :func:`net_moments` under any belief about the sides, such as one updated by flow.

    Parameters
    ----------
    weights, group, cells, n_cells
        As for :func:`net_moments`.
    sides
        Belief about each contract, shape (contracts,).

    Returns
    -------
    Moments
        Shape (n_cells,).

    Raises
    ------
    ValueError
        As :func:`net_moments`.

    Examples
    --------
    >>> sides_moments([40, 20], [0, 0], Sides(np.array([0.5, 0.5]), np.zeros(2), np.ones(2)), [0, 0], 1).variance.item()
    2000.0
    """
    w = np.asarray(weights, dtype=np.float64)
    numbers, n_groups = group_numbers(w, group, cells, n_cells)
    if not all(np.isfinite(values).all() for values in (w, *sides)):
        raise ValueError("weights and sides: expected finite numbers, found others: leave out contracts without them")
    cell = np.asarray(cells, dtype=np.int64)
    of_group = summed(numbers, w * sides.common, n_cells * n_groups)
    own = summed(cell, w * w * sides.own_variance, n_cells)
    return Moments(
        summed(cell, w * sides.mean, n_cells),
        # Not sum(axis=1): its order, and so its last bit, depends on how many groups other cells have.
        summed(np.repeat(np.arange(n_cells), n_groups), of_group * of_group, n_cells) + own,
        summed(cell, np.abs(w), n_cells),
    )


def summed(numbers: NDArray[np.int64], weights: Floats, size: int) -> Floats:
    """Return the sums of weights by number, one addition after the other in the order of the rows.

    Examples
    --------
    >>> summed(np.array([0, 2, 0]), np.array([1.0, 2.0, 4.0]), 3).tolist()
    [5.0, 0.0, 2.0]
    """
    return np.bincount(numbers, weights=weights, minlength=size).astype(np.float64, copy=False)


def group_numbers(like: NDArray[Any], group: ArrayLike, cells: ArrayLike, n_cells: int) -> tuple[NDArray[Any], int]:
    """Return the number of each contract's group across all cells, and how many groups a cell can have.

    Raises
    ------
    ValueError
        When shapes differ or a cell or group is out of range.

    Examples
    --------
    >>> numbers, n_groups = group_numbers(np.zeros(3), [0, 1, 1], [0, 0, 1], 2)
    >>> numbers.tolist(), n_groups
    ([0, 1, 3], 2)
    """
    groups, cell = np.asarray(group), np.asarray(cells)
    for name, values, end in (("group", groups, None), ("cells", cell, n_cells)):
        if values.shape != like.shape or like.ndim != 1:
            raise ValueError(f"{name}: expected shape {like.shape} in one dimension, found {values.shape}")
        if values.size and (values.dtype.kind not in "iu" or values.min() < 0 or (end and values.max() >= end)):
            raise ValueError(
                f"{name}: expected integers in [0, {end or 'n'}), found {values.dtype} up to {values.max()}"
            )
    n_groups = int(groups.max()) + 1 if groups.size else 1
    return cell.astype(np.int64) * n_groups + groups, n_groups


def band(mean: ArrayLike, variance: ArrayLike, bound: ArrayLike) -> Band:
    """Return the 10th, 50th and 90th percentile of normal net exposures, clipped to their hard bound.

    Parameters
    ----------
    mean, variance, bound
        Of :func:`net_moments`, any shapes that broadcast.

    Returns
    -------
    Band
        Without variance P(net > 0) is 1 or 0, and 0 when net is nil.

    Raises
    ------
    ValueError
        When a variance or bound is negative.

    Examples
    --------
    >>> found = band(15.0, 668.8, 90.0)
    >>> [round(float(x), 7) for x in found]
    [-18.1424201, 15.0, 48.1424201, 90.0, 0.7190495]
    """
    from scipy.special import ndtr

    mu, v, most = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (mean, variance, bound)))
    if (v < 0).any() or (most < 0).any():
        raise ValueError("band: expected variance >= 0 and bound >= 0, found a negative one")
    sd = np.sqrt(v)
    certain = np.where(mu > 0, np.inf, -np.inf)
    score = np.divide(mu, sd, out=certain, where=sd > 0)
    p10, p50, p90 = (np.clip(mu + z * sd, -most, most) for z in (-Z90, 0.0, Z90))
    return Band(p10, p50, p90, most.copy(), ndtr(score))


def sign_label(p10: str = "gex_p10_usd_per_pct", p90: str = "gex_p90_usd_per_pct") -> pl.Expr:
    """Return ``gex_sign`` from two columns: ``undetermined`` when 0 lies inside (p10, p90) or net exposure is nil.

    Examples
    --------
    >>> bands = {"gex_p10_usd_per_pct": [1.0, -2.0, -2.0, None], "gex_p90_usd_per_pct": [3.0, -1.0, 1.0, None]}
    >>> pl.DataFrame(bands).select(sign_label()).to_series().to_list()
    ['positive', 'negative', 'undetermined', None]
    """
    low, high = pl.col(p10), pl.col(p90)
    return (
        pl.when((low >= 0) & (high > 0))
        .then(pl.lit("positive"))
        .when((low < 0) & (high <= 0))
        .then(pl.lit("negative"))
        .when(low.is_not_null() & high.is_not_null())
        .then(pl.lit("undetermined"))
        .cast(TABLES["greeks.levels"].polars_schema["gex_sign"])
        .alias("gex_sign")
    )


def sign_reason(index_symbols: Collection[str]) -> pl.Expr:
    """Return ``SIGN_UNDETERMINED`` for naive rows of single names unless their band excludes zero, else null.

    Reads ``symbol``, ``sign_convention`` and ``gex_sign``.

    Examples
    --------
    >>> rows = {"symbol": ["SPX", "XYZ", "XYZ"], "sign_convention": "naive"}
    >>> signs = pl.DataFrame(rows | {"gex_sign": ["undetermined", "undetermined", "negative"]})
    >>> signs.select(sign_reason(["SPX"])).to_series().to_list()
    [None, 'SIGN_UNDETERMINED', None]
    """
    is_single = ~pl.col("symbol").is_in(require_index_symbols(index_symbols))
    is_open = (pl.col("gex_sign") == "undetermined").fill_null(True)
    return pl.when(is_single & is_open & (pl.col("sign_convention") == "naive")).then(pl.lit("SIGN_UNDETERMINED"))
