"""Checks of the greeks room that go beyond the form of a table."""

from __future__ import annotations

import polars as pl

from assets.checks import Finding, Stored, TableCheck

MAX_DISCOUNT_GAP_PER_YEAR = 0.0025
SURE = 2.0
"""Standard errors beyond which a gap is not put down to the width of the quotes."""
ROUNDING = 1e-9
NET = ("gex_usd_per_pct", "dex_usd", "vex_usd_per_volpt", "cex_usd_per_day")


def _discount_agrees(stored: Stored) -> Finding:
    gap = pl.col("discount_gap_per_year").abs()
    counts = stored.rows.select(
        compared=gap.count(),
        apart=((gap > MAX_DISCOUNT_GAP_PER_YEAR) & (gap > SURE * pl.col("discount_gap_se_per_year"))).sum(),
        largest=gap.max(),
    ).collect()
    compared, apart, largest = counts.row(0)
    return Finding(
        apart == 0,
        f"{apart} of {compared} discount factors implied by parity lie more than 25 bp a year from the curve's",
        {"compared": compared, "apart": apart, "largest_gap_per_year": largest or 0.0},
    )


def _chains_have_volatilities(stored: Stored) -> Finding:
    chains = stored.rows.group_by("session", "symbol").agg(
        n=pl.col("iv").count(), reason=pl.col("reason").drop_nulls().mode().sort().first()
    )
    found = chains.sort("session", "symbol").collect()
    without = found.filter(pl.col("n") == 0)
    words = f"{found.height - without.height} of {found.height} chains have volatilities"
    if without.height:
        session, symbol, _, reason = without.row(0)
        words += f"; first without: {symbol} of {session}, most contracts because of {reason}"
    return Finding(not without.height, words, {"chains": found.height, "without_volatility": without.height})


def _surfaces_certified(stored: Stored) -> Finding:
    whole = stored.rows.filter(pl.col("slice_number") == 0)
    without = _chains_without_surface(stored, whole)
    failed = whole.filter(pl.col("certificate") == "failed").sort("session", "symbol")
    counts = whole.select(pl.len()).collect().item()
    first = failed.select("session", "symbol", "failed_rules").collect()
    words = f"{counts - first.height} of {counts} surfaces are certified free of arbitrage"
    if first.height:
        session, symbol, rules = first.row(0)
        words += f"; the others are not used where a density is needed, first {symbol} of {session}: {rules}"
    if without:
        words += f"; {without} chains have too few volatilities for a surface"
    return Finding(not first.height, words, {"surfaces": counts, "failed": first.height, "without_surface": without})


def _chains_without_surface(stored: Stored, whole: pl.LazyFrame) -> int:
    if not stored.sessions:
        return 0
    greeks = stored.lake.scan("greeks.option_greeks", stored.sessions[0], stored.sessions[-1])
    chains = greeks.filter(pl.col("iv_source") == "own").select("session", "symbol").unique()
    return int(chains.join(whole, on=["session", "symbol"], how="anti").select(pl.len()).collect().item())


def _totals_agree(stored: Stored) -> Finding:
    """Compare the net exposures over all expiries with the sums of the exposures by strike, computed elsewhere."""
    if not stored.sessions:
        return Finding(True, "no session to compare")
    key = ["session", "symbol", "sign_convention"]
    sizes = [pl.col(name).abs().sum().alias(f"{name}_size") for name in NET]
    by_strike = stored.lake.scan("greeks.exposure", stored.sessions[0], stored.sessions[-1])
    sums = by_strike.group_by(key).agg(pl.col(NET).sum(), *sizes)
    totals = stored.rows.filter((pl.col("expiry_set") == "all") & (pl.col("n_contracts") > 0)).select(*key, *NET)
    both = totals.join(sums, on=key, how="full", suffix="_summed", coalesce=True)
    differs = pl.any_horizontal(
        (
            (pl.col(name) - pl.col(f"{name}_summed")).abs() > ROUNDING * pl.max_horizontal(f"{name}_size", pl.lit(1.0))
        ).fill_null(pl.col(name).is_null() != (pl.col(f"{name}_size").fill_null(0.0) == 0.0))
        for name in NET
    )
    n, wrong = both.select(pl.len(), differs.sum()).collect().row(0)
    return Finding(
        wrong == 0,
        f"{n - wrong} of {n} net exposures equal the sums over strikes",
        {"compared": n, "different": wrong},
    )


DISCOUNT_AGREES = TableCheck(
    "discount_agrees",
    "Discount factors implied by put-call parity lie within 25 bp a year of the Treasury curve's, or within two "
    "standard errors of it. Real index options discount at more than Treasury yields, so their chains are warned of.",
    _discount_agrees,
    is_blocking=False,
)
CHAINS_HAVE_VOLATILITIES = TableCheck(
    "chains_have_volatilities",
    "Every chain has at least one volatility; a chain without any gives no exposure and no levels.",
    _chains_have_volatilities,
    is_blocking=False,
)
SURFACES_CERTIFIED = TableCheck(
    "surfaces_certified",
    "Every surface is free of arbitrage and fits its quotes. One that is not is stored, marked, and refused wherever a "
    "density is needed; exposures do not depend on it.",
    _surfaces_certified,
    is_blocking=False,
)
TOTALS_AGREE = TableCheck(
    "totals_agree", "Net exposures over all expiries equal the sums of the exposures by strike.", _totals_agree
)
