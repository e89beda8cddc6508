"""The certificate of a volatility surface: is it free of arbitrage, and does it lie within the quotes.

Every figure is computed from the stored raw parameters and from the quotes, not from the state of the fit.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.options.arrays import Floats, Positions
from gnosis.options.chain.layout import CHAIN, EXPIRY_KEY
from gnosis.options.origin import origin_of, require_table
from gnosis.options.surface.limits import CALENDAR_TOLERANCE, LEAST_SHARE_INSIDE, MASS_TOLERANCE
from gnosis.options.surface.quotes import rejected_by_code, surface_quotes
from gnosis.tables import TABLES

RAW_COLUMNS = ["svi_a", "svi_b", "svi_rho", "svi_m", "svi_s"]
QUOTE_COLUMNS = ["log_moneyness", "iv", "iv_bid", "iv_ask", "width"]
RULES = {
    "min_g": pl.col("min_g") >= 0,
    "wing_left": pl.col("wing_left") < 2,
    "wing_right": pl.col("wing_right") < 2,
    "g_limit_left": pl.col("g_limit_left") >= 0,
    "g_limit_right": pl.col("g_limit_right") >= 0,
    "density_mass": (pl.col("density_mass").fill_nan(None) - 1).abs() <= MASS_TOLERANCE,
    "density_mean": (pl.col("density_mean").fill_nan(None) - 1).abs() <= MASS_TOLERANCE,
    "min_calendar_gap": pl.col("min_calendar_gap").is_null() | (pl.col("min_calendar_gap") >= -CALENDAR_TOLERANCE),
    "share_inside": pl.col("share_inside") >= pl.col("least_share_inside"),
}


class UncertifiedSurfaceError(ValueError):
    """A surface whose certificate failed was asked for what needs a density."""


def require_share(value: float) -> None:
    """Raise unless the value is a share.

    Raises
    ------
    ValueError
        When it is not between 0 and 1.
    """
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"least_share_inside: expected a share between 0 and 1, found {value}")


def surface_certificate(
    slices: pl.DataFrame, greeks: pl.DataFrame, least_share_inside: float = LEAST_SHARE_INSIDE
) -> pl.DataFrame:
    """Return the certificate of every slice and, as slice number 0, of every whole surface.

    Parameters
    ----------
    slices
        Rows of ``greeks.surface``; of their values only the key, ``slice_number``, ``tau_years`` and the raw parameters
        are read.
    greeks
        The rows of ``greeks.option_greeks`` that the surface was fitted to.
    least_share_inside
        Share of the quotes to be met within bid and ask.

    Returns
    -------
    polars.DataFrame
        ``greeks.surface_certificate``, sorted by its key. A slice or a surface passes when all rules hold in its row.
        The row of a surface has the worst figure of its slices, and share, rmse and counts over all of its quotes.
        ``min_g`` is the minimum over the whole k grid, not only at its 2,001 points.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a slice has no quotes in ``greeks``, or ``least_share_inside`` is
        not a share.

    Notes
    -----
    Butterfly: Gatheral & Jacquier (2014); wings: Lee (2004). Half of a quote's spread in price is taken from the
    volatilities of its mid and its ask (or bid, where the ask has none), valued with the European closed form; quotes
    that are locked have no half spread and do not count in ``worst_miss_half_spreads``.

    Examples
    --------
    >>> surface_certificate(TABLES["greeks.surface"].empty(), TABLES["greeks.option_greeks"].empty()).height
    0
    """
    require_table(slices, "greeks.surface")
    require_share(least_share_inside)
    table = TABLES["greeks.surface_certificate"]
    if slices.is_empty():
        require_table(greeks, "greeks.option_greeks")
        return table.empty()
    ordered = slices.sort([*CHAIN, "slice_number"])
    place = ordered.select(*EXPIRY_KEY, place=pl.int_range(pl.len()))
    quotes = surface_quotes(greeks).join(place, on=EXPIRY_KEY, how="inner").sort("place", "log_moneyness")
    counts = np.bincount(quotes["place"].to_numpy(), minlength=ordered.height)
    if (counts == 0).any():
        lost = ordered.row(int(np.flatnonzero(counts == 0)[0]), named=True)
        raise ValueError(
            "greeks.option_greeks: expected the quotes of every slice, found none of "
            + ", ".join(f"{name} {lost[name]}" for name in EXPIRY_KEY)
            + "; give the rows that the surface was fitted to"
        )
    figures = _figures(ordered, quotes, counts).with_columns(least_share_inside=pl.lit(least_share_inside))
    rows = _with_verdict(figures)
    whole = _with_verdict(_worst(rows)).join(rejected_by_code(greeks, CHAIN), on=CHAIN, how="left")
    rows = rows.join(rejected_by_code(greeks, EXPIRY_KEY), on=EXPIRY_KEY, how="left")
    both = pl.concat([rows.select(whole.columns), whole]).join(origin_of(greeks, CHAIN), on=CHAIN, how="left")
    return both.select(list(table.polars_schema)).cast(table.polars_schema).sort(table.key)


def _figures(ordered: pl.DataFrame, quotes: pl.DataFrame, counts: Positions) -> pl.DataFrame:
    from gnosis.options.surface import certificate_kernel as kernel

    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    raw = ordered.select(RAW_COLUMNS).to_numpy(order="c")
    low, high = grid_ends(quotes["log_moneyness"].to_numpy(), starts)
    follows = ordered.select(pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in CHAIN))
    n = ordered.height
    shape, gap, misses = np.empty((n, 4)), np.empty(n), np.empty((n, 4))
    k, iv, iv_bid, iv_ask, width = (quotes[name].to_numpy(writable=True) for name in QUOTE_COLUMNS)
    tau = ordered["tau_years"].to_numpy(writable=True)
    has_next = follows.to_series().fill_null(False).to_numpy(writable=True)
    kernel.certify(raw, tau, low, high, has_next, starts, k, iv, iv_bid, iv_ask, width, shape, gap, misses)
    b, rho = pl.col("svi_b"), pl.col("svi_rho")
    return (
        ordered.select(*EXPIRY_KEY, "slice_number", wing_left=b * (1 - rho), wing_right=b * (1 + rho))
        .with_columns(
            min_g=pl.Series(shape[:, kernel.MIN_G]),
            argmin_g=pl.Series(shape[:, kernel.ARGMIN_G]),
            g_limit_left=0.25 - pl.col("wing_left") ** 2 / 16,
            g_limit_right=0.25 - pl.col("wing_right") ** 2 / 16,
            density_mass=pl.Series(shape[:, kernel.MASS]),
            density_mean=pl.Series(shape[:, kernel.MEAN]),
            min_calendar_gap=pl.Series(gap).fill_nan(None),
            n_inside=pl.Series(misses[:, kernel.INSIDE]),
            share_inside=pl.Series(misses[:, kernel.INSIDE] / counts),
            worst_miss_half_spreads=pl.Series(misses[:, kernel.WORST]).fill_nan(None),
            squares=pl.Series(misses[:, kernel.SQUARES]),
            weights=pl.Series(misses[:, kernel.WEIGHTS]),
            n_quotes=pl.Series(counts),
        )
        .with_columns(rmse_vol_points=_rmse())
    )


def grid_ends(log_moneyness: Floats, starts: Positions) -> tuple[Floats, Floats]:
    """Return both ends of the k grid per group of quotes: 0.5 beyond the outermost quote, at least 1.5 from the money.

    Examples
    --------
    >>> low, high = grid_ends(np.array([-1.2, 0.1, 0.4]), np.array([0, 3]))
    >>> low.tolist(), high.tolist()
    ([-1.7], [1.5])
    """
    low = np.minimum(np.minimum.reduceat(log_moneyness, starts[:-1]) - 0.5, -1.5)
    return low, np.maximum(np.maximum.reduceat(log_moneyness, starts[:-1]) + 0.5, 1.5)


def _rmse() -> pl.Expr:
    return 100 * (pl.col("squares") / pl.col("weights")).sqrt()


def _with_verdict(rows: pl.DataFrame) -> pl.DataFrame:
    failed = pl.concat_list(pl.when(rule).then(None).otherwise(pl.lit(name)) for name, rule in RULES.items())
    return rows.with_columns(failed_rules=failed.list.drop_nulls().list.join(",")).with_columns(
        certificate=pl.when(pl.col("failed_rules") == "").then(pl.lit("passed")).otherwise(pl.lit("failed"))
    )


def _worst(rows: pl.DataFrame) -> pl.DataFrame:
    def furthest_from_one(name: str) -> pl.Expr:
        return pl.col(name).sort_by((pl.col(name) - 1).abs(), "slice_number").last()

    names = [name for name in TABLES["greeks.surface_certificate"].polars_schema if name in rows.columns]
    return (
        rows.group_by(CHAIN, maintain_order=True)
        .agg(
            pl.col("wing_left", "wing_right", "worst_miss_half_spreads").max(),
            pl.col("g_limit_left", "g_limit_right", "min_calendar_gap").min(),
            pl.col("least_share_inside").first(),
            pl.col("min_g", "argmin_g").sort_by("min_g", "slice_number").first(),
            pl.col("n_quotes", "squares", "weights").sum(),
            density_mass=furthest_from_one("density_mass"),
            density_mean=furthest_from_one("density_mean"),
            share_inside=pl.col("n_inside").sum() / pl.col("n_quotes").sum(),
        )
        .with_columns(
            slice_number=pl.lit(0, dtype=rows.schema["slice_number"]),
            rmse_vol_points=_rmse(),
            **{name: pl.lit(None, dtype=rows.schema[name]) for name in EXPIRY_KEY if name not in CHAIN},
            failed_rules=pl.lit(""),
            certificate=pl.lit(""),
        )
        .select(names)
    )


def certified(slices: pl.DataFrame, certificate: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the slices unchanged, or raise when one belongs to a surface that is not certified.

    Everything that needs a density goes through here. Exposures do not: they read the smile of the quotes.

    Parameters
    ----------
    slices
        Rows of ``greeks.surface``.
    certificate
        Rows of ``greeks.surface_certificate``; when given, the error names the rules that failed.

    Raises
    ------
    UncertifiedSurfaceError
        Names the first surface whose certificate failed or is missing.
    ValueError
        When a column is missing or of another dtype.

    Examples
    --------
    >>> certified(TABLES["greeks.surface"].empty()).height
    0
    """
    require_table(slices, "greeks.surface")
    failed = slices.filter(pl.col("certificate").ne_missing("passed")).sort(CHAIN)
    if failed.is_empty():
        return slices
    session, symbol, verdict = failed.select(*CHAIN, "certificate").row(0)
    found = f"{session} {symbol} with certificate {verdict!r}"
    if certificate is not None:
        whole = (pl.col("session") == session) & (pl.col("symbol") == symbol) & (pl.col("slice_number") == 0)
        found += "".join(f" ({rules})" for rules in certificate.filter(whole)["failed_rules"])
    raise UncertifiedSurfaceError(
        f"surface: expected certificate 'passed', found {found}; leave this session out of what needs a density, "
        "or read greeks.surface_certificate for the slices that break a rule"
    )
