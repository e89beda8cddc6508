"""What the processors of the elasticity engine read, as known at each point."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as made_by
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.elasticity.contracts import Chains, Contracts, Smiles, chains_of, contracts_of, smiles_of
from gnosis.engines.elasticity.greek_field import GreekField, greek_field
from gnosis.engines.elasticity.listing import Listed, listed_contracts
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.elasticity.sources import Dealers, Depth, SeenRows, dealers_of, depth_of, seen_rows
from gnosis.engines.points import Floats, Integers, Points
from gnosis.engines.trailing import YEAR, Series, least
from gnosis.engines.volatility import daily_sigma
from gnosis.options.chain.layout import CHAIN
from gnosis.options.origin import Providers, require_table
from gnosis.options.positioning.contracts import require_contracts, require_index_symbols, require_revaluation
from gnosis.options.positioning.conventions import require_conventions

WINDOW = 20
"""Sessions of average volume, of daily volatility, of the volatility of VIX and of its correlation."""
T = TypeVar("T")
VIX = "^VIX"
VIX_SESSIONS = YEAR + WINDOW + 1


@dataclass(frozen=True)
class Daily:
    """What daily bars say; arrays have one element per point, NaN where unknown.

    Attributes
    ----------
    adv_usd
        $ per session, mean of close x volume as traded over the 20 sessions before.
    sigma_d
        Standard deviation (n - 1) of the last 20 daily log returns, the session's own among them.
    returns
        Daily log returns, the session's own last, shape (points, sessions).
    coverage
        Share of the last 21 sessions whose bar has what depth needs of it.
    is_short
        Whether fewer than 20 volumes or returns are behind them.
    """

    adv_usd: Floats
    sigma_d: Floats
    returns: Floats
    coverage: Floats
    is_short: NDArray[np.bool_]


@dataclass(frozen=True)
class ElasticityInputs:
    """Inputs of the elasticity engine; arrays have one element per point, NaN where unknown.

    Attributes
    ----------
    points
        Symbols and sessions of the chains.
    chains, contracts, smiles, listed, field
        The chains, their contracts, smiles and listing, and the sums of their Greeks.
    has_quotes, has_listing
        Whether rows of ``raw.option_quotes`` and a listing were given.
    daily
        What daily bars say.
    vix
        VIX closes (points), the session's own last, shape (points, sessions).
    depth
        Market depth and its source.
    dealers
        Rows of ``greeks.levels`` under each sign convention.
    has_failed_certificate
        1 where the surface admits arbitrage, 0 where it does not, NaN without a surface.
    is_index
        Whether the symbol is an index or an index fund.
    convention
        Sign convention of the rows in the making.
    revaluation
        How volatility follows a hypothetical spot.
    known_at, provider, is_synthetic
        Origin of the rows.
    """

    points: Points
    chains: Chains
    contracts: Contracts
    smiles: Smiles
    listed: Listed
    field: GreekField
    has_quotes: bool
    has_listing: bool
    daily: Daily
    vix: Floats
    depth: Depth
    dealers: dict[str, Dealers]
    has_failed_certificate: Floats
    is_index: NDArray[np.bool_]
    convention: str
    revaluation: str
    known_at: pl.Series
    provider: pl.Series
    is_synthetic: NDArray[np.bool_]
    _once: dict[str, Any] = made_by(default_factory=dict, repr=False, compare=False)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what a processor makes of the inputs alone; made once for all sign conventions."""
        if name not in self._once:
            self._once[name] = make()
        found: T = self._once[name]
        return found

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.points)

    @property
    def dealer(self) -> Dealers:
        """Rows of ``greeks.levels`` under the sign convention in the making."""
        return self.dealers[self.convention]

    def under(self, convention: str) -> ElasticityInputs:
        """Return the same inputs for another sign convention."""
        return replace(self, convention=convention)


def elasticity_inputs(
    greeks: pl.DataFrame,
    levels: pl.DataFrame,
    bars: pl.DataFrame,
    *,
    quotes: pl.DataFrame | None,
    index_levels: pl.DataFrame | None,
    liquidity: pl.DataFrame | None,
    certificates: pl.DataFrame | None,
    listing: pl.DataFrame | None,
    conventions: Sequence[str],
    revaluation: str,
    index_symbols: Collection[str],
    parameters: ElasticityParameters,
) -> ElasticityInputs:
    """Return the inputs out of rows of the tables; arguments and errors as :func:`elasticity` says."""
    names = require_conventions(conventions)
    require_revaluation(revaluation)
    indices = require_index_symbols(index_symbols)
    require_contracts(greeks)
    require_table(bars, "raw.equity_bars")
    chains = chains_of(greeks)
    dealers = dealers_of(levels, chains, names, revaluation)
    first_bar = bars.select("symbol", "session", "known_at").group_by("symbol", "session").agg(pl.col("known_at").min())
    cut_offs = (
        chains.frame.with_columns(levels_at=dealers[names[0]].known_at)
        .join(first_bar.rename({"known_at": "bar_at"}), on=CHAIN, how="left", maintain_order="left")
        .with_columns(as_of=pl.max_horizontal("known_at", "levels_at", "bar_at"))
    )
    points = Points.of(cut_offs)
    contracts = contracts_of(chains)
    smiles = smiles_of(contracts)
    sums = greek_field(contracts, smiles, chains.spot, chains.ts, points.position, revaluation)
    for name in names:
        dealers[name].require_same_greeks(name, sums.exposures["gex_usd_per_pct"], chains)
    length = max(parameters.beta_sessions, WINDOW) + 1
    of_bars = seen_rows(points, bars, length, "raw.equity_bars")
    daily = _daily(of_bars, bars)
    of_vix, vix = _vix(points, index_levels)
    failed, of_certificates = _certificates(points, certificates)
    depth, of_liquidity = depth_of(points, liquidity, daily.adv_usd, daily.sigma_d, daily.coverage, parameters.y)
    listed = listed_contracts(
        points, chains, contracts, listing, quotes, parameters.near_the_money, parameters.quote_minutes
    )
    used = [(bars, of_bars.rows), (index_levels, of_vix), (certificates, of_certificates), (liquidity, of_liquidity)]
    provider, is_synthetic = _origin(chains, dealers[names[0]], listed, quotes, used)
    is_index = points.frame["symbol"].is_in(indices).to_numpy()
    return ElasticityInputs(
        points=points,
        chains=chains,
        contracts=contracts,
        smiles=smiles,
        listed=listed,
        field=sums,
        has_quotes=quotes is not None,
        has_listing=listing is not None,
        daily=daily,
        vix=vix,
        depth=depth,
        dealers=dealers,
        has_failed_certificate=failed,
        is_index=is_index,
        convention=names[0],
        revaluation=revaluation,
        known_at=points.frame["as_of"],
        provider=provider,
        is_synthetic=is_synthetic,
    )


def _daily(seen: SeenRows, bars: pl.DataFrame) -> Daily:
    close = seen.taken(bars["close"])
    log_close = np.log(close * seen.taken(bars["adjustment_factor"]))
    returns = np.diff(log_close, axis=1)
    dollars = (close * seen.taken(bars["volume"]))[:, -WINDOW - 1 : -1]
    n_dollars = (~np.isnan(dollars)).sum(axis=1)
    adv = np.nansum(dollars, axis=1) / np.where(n_dollars >= least(WINDOW), n_dollars, np.nan)
    n_returns = (~np.isnan(returns[:, -WINDOW:])).sum(axis=1)
    return Daily(
        adv_usd=adv,
        sigma_d=daily_sigma(returns),
        returns=returns,
        coverage=(n_dollars + ~np.isnan(log_close[:, -1])) / (WINDOW + 1),
        is_short=(n_dollars < WINDOW) | (n_returns < WINDOW),
    )


def _vix(points: Points, index_levels: pl.DataFrame | None) -> tuple[Integers, Floats]:
    """Return the rows of VIX that each point sees, and their closes."""
    if index_levels is None:
        return np.full((len(points), VIX_SESSIONS), -1), np.full((len(points), VIX_SESSIONS), np.nan)
    require_table(index_levels, "raw.index_levels")
    of_index = replace(points, symbols=(VIX,), symbol=np.zeros(len(points), dtype=np.int64))
    # Points of one session with one cut-off see the same.
    pairs = np.stack([points.position, points.as_of], axis=1)
    _, one, which = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    sees = seen_rows(_ordered(of_index.only(one)), index_levels, VIX_SESSIONS, "raw.index_levels")
    return sees.rows[which.ravel()], sees.taken(index_levels["close"])[which.ravel()]


def windows(values: Floats) -> Series:
    """Return values that end at the points, shape (points, sessions), as series: each point sees its own row.

    Examples
    --------
    >>> windows(np.arange(100.0)[None, :]).quantile(0.8).round(1).tolist()
    [78.4]
    """
    last = values.shape[1] - 1
    rows = np.arange(values.shape[0])
    return Series(np.ascontiguousarray(values), rows, np.full(rows.size, last), values[:, last].copy())


def _ordered(points: Points) -> Points:
    return replace(points, symbol=np.zeros(len(points), dtype=np.int64))


def _certificates(points: Points, certificates: pl.DataFrame | None) -> tuple[Floats, Integers]:
    """Return whether each surface failed, and the row that says so."""
    rows = np.full((len(points), 1), -1)
    if certificates is None:
        return np.full(len(points), np.nan), rows
    require_table(certificates, "greeks.surface_certificate")
    whole = certificates.select(
        *CHAIN, "known_at", "provider", "certificate", "slice_number", row=pl.int_range(pl.len(), dtype=pl.Int64)
    ).filter(pl.col("slice_number") == 0)
    seen = seen_rows(points, whole, 1, "greeks.surface_certificate").rows[:, 0]
    failed = np.append((whole["certificate"] == "failed").cast(pl.Float64).to_numpy(), np.nan)[seen]
    rows[:, 0] = np.append(whole["row"].to_numpy(), -1)[seen]
    return failed, rows


def _origin(
    chains: Chains,
    dealers: Dealers,
    listed: Listed,
    quotes: pl.DataFrame | None,
    used: list[tuple[pl.DataFrame | None, Integers]],
) -> tuple[pl.Series, NDArray[np.bool_]]:
    """Return the distinct providers of the rows behind each point, and whether any of the rows was generated."""
    given = [frame for frame, _ in used if frame is not None] + ([] if quotes is None else [quotes])
    providers = Providers(chains.rows["provider"], dealers.provider, *(frame["provider"] for frame in given))
    n = len(chains)
    members = providers.members(dealers.provider)
    if n:
        members = members | np.bitwise_or.reduceat(providers.members(chains.rows["provider"]), chains.starts)
    synthetic = chains.is_synthetic | dealers.is_synthetic
    for frame, rows in used:
        if frame is None:
            continue
        of_rows = np.append(providers.members(frame["provider"]), 0)
        members = members | np.bitwise_or.reduce(of_rows[rows], axis=1)
        synthetic = synthetic | np.append(frame["synthetic"].to_numpy(), False)[rows].any(axis=1)
    if quotes is not None:
        at = np.flatnonzero(listed.quote_row >= 0)
        members = members.copy()
        np.bitwise_or.at(members, listed.point[at], providers.members(quotes["provider"])[listed.quote_row[at]])
        generated = quotes["synthetic"].to_numpy()[listed.quote_row[at]]
        synthetic = synthetic | (np.bincount(listed.point[at], generated, n) > 0)
    return providers.joined(members), synthetic
