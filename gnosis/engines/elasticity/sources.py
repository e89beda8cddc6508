"""Rows of other tables as each point sees them: daily rows, levels of dealers, depth of the market."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.engines.elasticity.contracts import Chains
from gnosis.engines.elasticity.greek_field import ByRight
from gnosis.engines.physics import linear_depth
from gnosis.engines.points import Floats, Integers, Points
from gnosis.engines.visible_rows import SESSIONS, visible_rows
from gnosis.options.chain.layout import CHAIN
from gnosis.options.origin import require_table
from gnosis.tables import TABLES
from gnosis.tables.greeks import SIGN_CONVENTIONS

AGREEMENT = 1e-6
DAILY_WEIGHT = 0.3
REGRESSION, LINEAR_LAW = 0.0, 1.0
LEVELS = [
    "gex_usd_per_pct",
    "dex_usd",
    "vex_usd_per_volpt",
    "cex_usd_per_day",
    "gex_p10_usd_per_pct",
    "gex_p50_usd_per_pct",
    "gex_p90_usd_per_pct",
    "gex_bound_usd_per_pct",
    "gex_positive_probability",
    "n_flips",
    "nearest_flip",
    "flip_distance_sd",
    "profile_sign",
    "flip_zone_low",
    "flip_zone_high",
    "call_wall",
    "put_wall",
    "gamma_wall",
    "oi_wall",
]


@dataclass(frozen=True)
class SeenRows:
    """Positions of the rows of a daily table that each point sees, shape (points, sessions); -1 where there is none."""

    rows: Integers

    def taken(self, column: pl.Series) -> Floats:
        """Return the values of a column in these rows, NaN where there is none."""
        # A column with nulls leaves Polars with NaN in their place.
        values = (column if column.dtype == pl.Float64 else column.cast(pl.Float64)).to_numpy()
        return np.append(values, np.nan)[self.rows]


def seen_rows(points: Points, frame: pl.DataFrame, sessions: int, table: str) -> SeenRows:
    """Return the rows of the last sessions of each point, its own last, in the version that it may see."""
    found = np.full((len(points), sessions), -1)
    dated = frame if "ts" in frame.columns else frame.with_columns(ts=pl.col("session"))
    dated = dated.select("symbol", "session", "known_at", "provider", day=pl.col("session"))
    for seen in visible_rows(points, dated, "day", table):
        if seen.rows.size == 0:
            continue
        at = seen.points.symbol[:, None] * SESSIONS + seen.points.position[:, None] + np.arange(1 - sessions, 1)
        place = np.searchsorted(seen.place, at)
        is_there = (place < seen.limit[:, None]) & (seen.place[np.minimum(place, seen.rows.size - 1)] == at)
        found[seen.at] = np.where(is_there, seen.rows[np.minimum(place, seen.rows.size - 1)], -1)
    return SeenRows(found)


@dataclass(frozen=True)
class Dealers:
    """Rows of ``greeks.levels`` of all expiries under one convention, one per point.

    Attributes
    ----------
    values
        By column, NaN where unknown.
    is_undetermined
        1 where the sign of dealer gamma is undetermined, NaN where nothing is known of it.
    flips
        $, ascending, one list per point.
    known_at, provider, is_synthetic
        Origin of the rows.
    """

    values: dict[str, Floats]
    is_undetermined: Floats
    flips: pl.Series
    known_at: pl.Series
    provider: pl.Series
    is_synthetic: NDArray[np.bool_]

    def require_same_greeks(self, convention: str, unsigned: ByRight, chains: Chains) -> None:
        """Raise unless the levels were made from the contracts of these chains.

        Raises
        ------
        ValueError
            With the first chain whose dealer gamma is another.
        """
        found = np.nan_to_num(self.values["gex_usd_per_pct"])
        expected = unsigned.under(convention)
        wrong = np.flatnonzero(np.abs(found - expected) > AGREEMENT * unsigned.gross())
        if wrong.size:
            at = int(wrong[0])
            symbol, session, _ = chains.frame.row(at)
            raise ValueError(
                f"greeks.levels: expected {expected[at]} $ per 1 % for {symbol} of {session} under {convention}, as "
                f"its contracts in greeks.option_greeks say, found {found[at]} ({wrong.size} such chains): make the "
                "levels from these Greeks, with these conventions"
            )


def dealers_of(levels: pl.DataFrame, chains: Chains, conventions: list[str], revaluation: str) -> dict[str, Dealers]:
    """Return the rows of ``greeks.levels`` that belong to the chains, by convention.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a chain has no row, or the revaluation is another.
    """
    require_table(levels, "greeks.levels")
    kinds = pl.Series(conventions, dtype=pl.Enum(SIGN_CONVENTIONS))
    rows = levels.filter((pl.col("expiry_set") == "all") & pl.col("sign_convention").is_in(kinds.implode()))
    numbered = chains.frame.select(*CHAIN, point=pl.int_range(pl.len(), dtype=pl.Int64))
    rows = rows.join(numbered, on=CHAIN, how="inner", maintain_order="left")
    if not (rows["known_at"] == rows["known_at"][:1]).all():
        rows = rows.sort("known_at", maintain_order=True)
    other = rows["revaluation"] != revaluation
    if other.any():
        raise ValueError(
            f"greeks.levels: expected revaluation {revaluation!r}, found {rows['revaluation'].filter(other)[0]!r}: "
            "make the levels with the revaluation of the engine"
        )
    point, code = rows["point"].to_numpy(), rows["sign_convention"].to_physical().to_numpy()
    # A column with nulls leaves Polars with NaN in their place.
    numbers = {name: rows[name].to_numpy().astype(np.float64, copy=False) for name in LEVELS}
    undetermined = (rows["gex_sign"] == "undetermined").cast(pl.Float64).to_numpy()
    synthetic = rows["synthetic"].to_numpy()
    found = {}
    for name in conventions:
        at = np.full(len(chains), -1)
        own = np.flatnonzero(code == SIGN_CONVENTIONS.index(name))
        at[point[own]] = own  # Of several versions the one known last stays.
        if (at < 0).any():
            symbol, session, _ = chains.frame.row(int(np.argmin(at)))
            raise ValueError(
                f"greeks.levels: expected a row of all expiries for {symbol} of {session} under {name}, found none: "
                "make the levels from these Greeks, with these conventions"
            )
        found[name] = Dealers(
            values={column: values[at] for column, values in numbers.items()},
            is_undetermined=undetermined[at],
            flips=rows["flips"][at],
            known_at=rows["known_at"][at],
            provider=rows["provider"][at],
            is_synthetic=synthetic[at],
        )
    return found


@dataclass(frozen=True)
class Depth:
    """Market depth; arrays have one element per point, NaN where unknown.

    Attributes
    ----------
    usd_per_unit
        D in $ per unit move.
    source
        0 for the regression, 1 for the linear law.
    confidence
        That of its processor, or 0.3 x the coverage of the daily bars.
    reasons
        Reasons of its processor, null where the linear law on daily bars was used here.
    """

    usd_per_unit: Floats
    source: Floats
    confidence: Floats
    reasons: pl.Series


def depth_of(
    points: Points, liquidity: pl.DataFrame | None, adv_usd: Floats, sigma_d: Floats, coverage: Floats, y: float
) -> tuple[Depth, Integers]:
    """Return the depth that the liquidity engine found, or where it has no row the linear law, and the rows read.

    Raises
    ------
    ValueError
        When a column of ``liquidity`` is missing or of another dtype.
    """
    own = linear_depth(adv_usd, sigma_d, y)
    own_confidence = np.where(np.isnan(own), 0.0, DAILY_WEIGHT * coverage)
    rows = np.full((len(points), 1), -1)
    if liquidity is None or liquidity.is_empty():
        none = _nothing(points.frame["symbol"])
        return Depth(own, np.where(np.isnan(own), np.nan, LINEAR_LAW), own_confidence, none), rows
    wanted = ["depth_usd_per_unit", "lambda_source", "impact_and_lambda_confidence", "impact_and_lambda_reasons"]
    schema = TABLES["engines.liquidity"].polars_schema
    for name in [*CHAIN, "known_at", "provider", "synthetic", *wanted]:
        if liquidity.schema.get(name) != schema[name]:
            raise ValueError(
                f"engines.liquidity: expected a column {name!r} as {schema[name]}, found {liquidity.schema.get(name)}"
            )
    seen = seen_rows(points, liquidity, 1, "engines.liquidity")
    rows = seen.rows
    there = rows[:, 0] >= 0
    depth = np.where(there, seen.taken(liquidity["depth_usd_per_unit"])[:, 0], own)
    depth = np.where(depth > 0, depth, np.nan)
    source = np.where(there, seen.taken(liquidity["lambda_source"].to_physical())[:, 0], LINEAR_LAW)
    confidence = np.where(there, seen.taken(liquidity["impact_and_lambda_confidence"])[:, 0], own_confidence)
    texts = liquidity["impact_and_lambda_reasons"].gather(pl.Series(np.maximum(rows[:, 0], 0)))
    known = ~np.isnan(depth)
    source, confidence = np.where(known, source, np.nan), np.where(known, confidence, 0.0)
    return Depth(depth, source, confidence, texts.zip_with(pl.Series(there), _nothing(texts))), rows


def _nothing(like: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=like.dtype).new_from_index(0, len(like))
