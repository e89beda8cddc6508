"""Elasticity state: depth against dealer gamma for every chain and sign convention.

Exposures in dollars and their signs are practitioners' constructions, see
:mod:`gnosis.options.positioning.conventions`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from gnosis.engines import physics, regimes
from gnosis.engines.elasticity import quality
from gnosis.engines.elasticity.depth import daily_depth
from gnosis.engines.physics import PATH_RATIOS, Floats
from gnosis.engines.regimes import AmplificationRegime as Regime
from gnosis.options.chain.layout import CHAIN
from gnosis.options.origin import origin_of, require_table
from gnosis.options.positioning.contracts import one_version, require_contracts
from gnosis.options.positioning.conventions import DEALER_FRACTION, require_conventions
from gnosis.options.positioning.gamma_profile import GammaProfiles, gamma_profiles
from gnosis.reasons import LEAST_SHARE, reasons_where
from gnosis.tables import TABLES

AGREEMENT = 1e-6


def elasticity(
    greeks: pl.DataFrame,
    exposure: pl.DataFrame,
    bars: pl.DataFrame,
    conventions: Sequence[str] = ("naive", "customer_long"),
    revaluation: str = "sticky_moneyness",
    index_symbols: Collection[str] = (),
    listing: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return stiffness, amplification and energy of every chain under each sign convention.

    Depth D comes from daily bars by the linear law, dealer gamma G from the exposures, and the works of 1 % up and down
    from gamma revalued at 101 nodes. What cannot be known is null: without depth G remains, without open interest or
    volatility G is null as well. D + G <= 0 gives no amplification and the regime ``storm``; stiffness and works stay.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order; its chains are the rows of the result.
    exposure
        Rows of ``greeks.exposure`` made from the same ``greeks``, with all ``conventions``.
    bars
        Rows of ``raw.equity_bars`` of the same symbols, from at least 20 sessions before the first chain. Later rows
        change nothing. A symbol without bars or volume (an index) has no depth.
    conventions
        Out of ``naive``, ``customer_long`` and ``inverted``.
    revaluation
        ``sticky_moneyness`` or ``sticky_strike``.
    index_symbols
        Indices and index funds. The naive rule is a statement about them: naive rows of every other symbol carry
        ``SIGN_UNDETERMINED``, and theirs carry ``BOUND_VIOLATION`` when \\|G/D\\| > 0.25, mostly an error of units.
    listing
        Contracts that were expected, see :func:`gnosis.engines.elasticity.quality.chain_quality`.

    Returns
    -------
    polars.DataFrame
        ``engines.elasticity``, sorted by its key. ``spot`` is that of the chain snapshot, taken before the close;
        ``as_of`` = ``known_at`` is the moment at which the last input was known, in general the close of the session,
        when its bar is. ``confidence`` is the smaller of those of the chain and of depth; at most 0.3, as depth is the
        daily proxy, and 0 without depth or dealer gamma.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a name is unknown, or exposures and Greeks do not belong together.
    UnknownSessionError
        When a session is not one of the exchange.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> tables = (TABLES[n].empty() for n in ("greeks.option_greeks", "greeks.exposure", "raw.equity_bars"))
    >>> elasticity(*tables).height
    0
    """
    names = require_conventions(conventions)
    require_contracts(greeks)
    require_table(exposure, "greeks.exposure")
    greeks = one_version(greeks)
    profiles = gamma_profiles(greeks, PATH_RATIOS, revaluation)
    origin = origin_of(greeks, CHAIN)
    chains = profiles.chains.join(origin, on=CHAIN, how="left", maintain_order="left")
    depth = daily_depth(chains, bars)
    known = pl.concat(
        [
            chains.rename({name: f"chain_{name}" for name in ("known_at", "provider", "synthetic")}),
            depth.rename({name: f"bars_{name}" for name in ("known_at", "provider", "synthetic")}),
            quality.chain_quality(greeks, chains, listing),
        ],
        how="horizontal",
    )
    dealer = _dealer_gamma(exposure, chains, profiles, names)
    rows = [
        _rows(known, dealer.filter(pl.col("sign_convention") == name).drop("sign_convention"), profiles, name)
        for name in names
    ]
    table = TABLES["engines.elasticity"]
    return (
        pl.concat(rows)
        .with_columns(
            revaluation=pl.lit(revaluation),
            lambda_source=pl.when(pl.col("lambda_usd_per_share").is_not_null()).then(pl.lit("linear_law")),
            **_trust(index_symbols),
        )
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
        .sort(table.key)
    )


def _dealer_gamma(
    exposure: pl.DataFrame, chains: pl.DataFrame, profiles: GammaProfiles, names: list[str]
) -> pl.DataFrame:
    """Sum the exposures per chain and convention, and hold them against gamma at the centre of the profiles."""
    key = TABLES["greeks.exposure"].key
    rows = exposure.filter(pl.col("sign_convention").cast(pl.String).is_in(names)).sort(*key, "known_at")
    rows = rows.unique(key, keep="last", maintain_order=True)
    by = [*CHAIN, "sign_convention"]
    rows = rows.join(chains.select(CHAIN), on=CHAIN, how="semi", maintain_order="left")
    sums = rows.select(by).unique().sort(by).with_row_index("cell")
    cell = rows.join(sums, on=by, how="left", maintain_order="left")["cell"].to_numpy()
    gex = np.bincount(cell, weights=rows["gex_usd_per_pct"].to_numpy(), minlength=sums.height)
    found = sums.drop("cell").with_columns(gex_usd_per_pct=pl.Series(gex, dtype=pl.Float64))
    found = found.join(origin_of(rows, by), on=by, how="left", maintain_order="left")

    centre = PATH_RATIOS.size // 2
    call, put = profiles.call[:, centre], profiles.put[:, centre]
    scale = chains["spot"].to_numpy() ** 2 * 0.01
    expected = [
        chains.select(
            *CHAIN,
            "has_gamma",
            sign_convention=pl.lit(name, dtype=found.schema["sign_convention"]),
            expected=pl.Series((x["C"] * call + x["P"] * put) * scale),
            gross=pl.Series((call + put) * scale),
        )
        for name, x in ((name, DEALER_FRACTION[name]) for name in names)
    ]
    found = pl.concat(expected).join(found, on=by, how="left", maintain_order="left")
    held = found.with_columns(pl.col("gex_usd_per_pct").fill_null(0.0))
    wrong = held.filter((pl.col("gex_usd_per_pct") - pl.col("expected")).abs() > AGREEMENT * pl.col("gross"))
    if not wrong.is_empty():
        row = wrong.row(0, named=True)
        raise ValueError(
            f"greeks.exposure: expected {row['expected']} $ per 1 % for {row['symbol']} of {row['session']} under "
            f"{row['sign_convention']}, as its contracts in greeks.option_greeks say, found {row['gex_usd_per_pct']} "
            f"({wrong.height} such chains): make the exposures from these Greeks, with these conventions"
        )
    return held.with_columns(gex_usd_per_pct=pl.when("has_gamma").then("gex_usd_per_pct")).select(
        *by,
        "gex_usd_per_pct",
        *(pl.col(name).alias(f"exposure_{name}") for name in ("known_at", "provider", "synthetic")),
    )


def _rows(known: pl.DataFrame, dealer: pl.DataFrame, profiles: GammaProfiles, convention: str) -> pl.DataFrame:
    """Put depth and dealer gamma together under one convention."""
    rows = known.join(dealer, on=CHAIN, how="left", maintain_order="left")
    x = DEALER_FRACTION[convention]
    spot, adv = rows["spot"].to_numpy(), _array(rows, "adv_usd")
    depth, gamma = _array(rows, "depth_usd_per_unit"), 100 * _array(rows, "gex_usd_per_pct")
    profile = x["C"] * profiles.call + x["P"] * profiles.put
    profile[np.isnan(gamma)] = np.nan
    k = 1 / _array(rows, "lambda_usd_per_share")[:, None] + profile
    work = physics.path_work(spot, k)
    amplification = physics.amplification(depth, gamma)
    stiffness = (depth + gamma) / 100
    values = {
        "dealer_gamma_usd_per_unit": gamma,
        "stiffness_usd_per_pct": stiffness,
        "elasticity_adv_per_pct": stiffness / adv,
        "amplification": amplification,
        "fragility": physics.fragility(depth, gamma),
        "energy_up_usd": work.up,
        "energy_down_usd": work.down,
        "movement_energy": physics.normalised_work(physics.movement_energy(*work), adv),
        "energy_asymmetry": physics.energy_asymmetry(*work),
    }
    return rows.with_columns(
        sign_convention=pl.lit(convention),
        amplification_regime=amplification_regime(pl.Series(stiffness), pl.Series(amplification)),
        **{name: pl.Series(value).fill_nan(None) for name, value in values.items()},
    )


def _array(rows: pl.DataFrame, name: str) -> Floats:
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def amplification_regime(stiffness: pl.Series, amplification: pl.Series) -> pl.Series:
    """Return the regime label: by amplification, and ``storm`` whatever it is when the stiffness is not positive.

    Examples
    --------
    >>> amplification_regime(pl.Series([1.0, 1.0, 1.0, -1.0]), pl.Series([0.97, 1.0, 1.2, None])).to_list()
    ['damping', 'neutral', 'amplifying', 'storm']
    """
    frame = pl.DataFrame({"e": stiffness, "a": amplification}, schema_overrides={"e": pl.Float64, "a": pl.Float64})
    e, a = pl.col("e").fill_nan(None), pl.col("a").fill_nan(None)
    return frame.select(
        pl.when(e.is_null())
        .then(None)
        .when(e <= 0)
        .then(pl.lit(Regime.STORM.value))
        .when(a < regimes.DAMPING_BELOW)
        .then(pl.lit(Regime.DAMPING.value))
        .when(a <= regimes.NEUTRAL_UP_TO)
        .then(pl.lit(Regime.NEUTRAL.value))
        .when(a <= regimes.AMPLIFYING_UP_TO)
        .then(pl.lit(Regime.AMPLIFYING.value))
        .otherwise(pl.lit(Regime.STORM.value))
        .cast(pl.Enum(regimes.AMPLIFICATION_REGIMES))
    ).to_series()


def _trust(index_symbols: Collection[str]) -> dict[str, pl.Expr]:
    """Confidence, reasons and origin of the assembled rows."""
    has_depth = pl.col("depth_usd_per_unit").is_not_null()
    has_gamma = pl.col("gex_usd_per_pct").is_not_null()
    is_index = pl.col("symbol").is_in(sorted(index_symbols))
    synthetic = pl.any_horizontal("chain_synthetic", "bars_synthetic", "exposure_synthetic").fill_null(False)
    least = LEAST_SHARE
    as_of = pl.max_horizontal("as_of", "exposure_known_at")
    codes = {
        "NO_CHAIN": ~pl.col("has_iv"),
        "STALE_QUOTES": pl.col("stale_share") > 1 - least,
        "LOW_COVERAGE": pl.min_horizontal("oi_coverage", "near_coverage") < least,
        "WIDE_SPREADS": pl.col("wide_share") > 1 - least,
        "OI_MISSING": ~pl.col("has_oi"),
        "OI_STALE": pl.col("is_oi_stale"),
        "SIGN_UNDETERMINED": (pl.col("sign_convention") == "naive") & ~is_index,
        "DEPTH_PROXY": has_depth,
        "SOURCE_MISSING": ~has_depth,
        "SHORT_HISTORY": pl.col("is_short"),
        "BOUND_VIOLATION": is_index & (pl.col("fragility").abs() > physics.UNIT_ERROR_FRAGILITY).fill_null(False),
        "SYNTHETIC_INPUT": synthetic,
    }
    depth_part = quality.depth_confidence(has_depth, pl.col("coverage"))
    providers = pl.concat_str("chain_provider", "exposure_provider", "bars_provider", separator="+", ignore_nulls=True)
    return {
        "as_of": as_of,
        "known_at": as_of,
        "provider": providers.str.split("+").list.unique().list.sort().list.join("+"),
        "synthetic": synthetic,
        "confidence": pl.when(has_gamma).then(pl.min_horizontal(quality.chain_confidence(), depth_part)).otherwise(0.0),
        "reasons": reasons_where(codes),
    }
