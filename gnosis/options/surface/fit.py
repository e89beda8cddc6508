"""Volatility surfaces: SVI slices without arbitrage, fitted to the quotes of each session and symbol."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats, Positions
from gnosis.options.chain.layout import CHAIN, EXPIRY_KEY
from gnosis.options.origin import origin_of
from gnosis.options.surface import svi
from gnosis.options.surface.certificate import (
    QUOTE_COLUMNS,
    RAW_COLUMNS,
    certified,
    grid_ends,
    require_share,
    surface_certificate,
)
from gnosis.options.surface.limits import LEAST_SHARE_INSIDE
from gnosis.options.surface.quotes import surface_quotes
from gnosis.tables import TABLES

SSVI_COLUMNS = ["ssvi_theta", "ssvi_rho", "ssvi_eta", "ssvi_gamma"]
SHARED_PARAMETERS = 3


class VolatilitySurface(NamedTuple):
    """Slices (``greeks.surface``) and their certificate (``greeks.surface_certificate``)."""

    slices: pl.DataFrame
    certificate: pl.DataFrame


def volatility_surface(
    greeks: pl.DataFrame, threads: int = 1, least_share_inside: float = LEAST_SHARE_INSIDE
) -> VolatilitySurface:
    """Fit the volatility surface of every session and symbol, and certify it.

    SSVI is fitted to all expiries jointly, within conditions that exclude arbitrage. Each expiry with at least five
    accepted strikes is then refined to raw SVI, with penalties on a negative density and on crossing the slices before
    and after it. Of the refined and the SSVI form of each slice the surface takes those that together are free of
    arbitrage and miss the quotes least, so that it is never worse than plain SSVI.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks``, any number of sessions and symbols, in any order.
    threads
        Surfaces are shared out among this many threads. The result does not depend on it.
    least_share_inside
        Share of the quotes that a certified surface has to meet within bid and ask; stored with the certificate.

    Returns
    -------
    VolatilitySurface
        Both tables sorted by their keys. An expiry without accepted strikes has no slice. A session whose accepted
        strikes are fewer than the parameters of SSVI (one per expiry and three) has no surface: there is nothing to
        determine its shape.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, ``threads`` is not a positive whole number, or
        ``least_share_inside`` not a share.

    Notes
    -----
    The objective is the sum over strikes of ((model iv - iv)/(iv_ask - iv_bid))^2, see
    :func:`gnosis.options.surface.quotes.surface_quotes` for the widths. Start and stopping rule depend on the quotes of
    the session alone: a session gives the same bytes by itself and inside a backfill.

    Sources: Gatheral (2004), Gatheral & Jacquier (2014).

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.options.surface.ssvi import Ssvi
    >>> k, ts = np.linspace(-0.2, 0.2, 9), dt.datetime(2019, 5, 15, 20, tzinfo=dt.UTC)
    >>> iv = np.sqrt(Ssvi(-0.5, 1.0).total_variance(k, np.array(0.01)) / 0.25)
    >>> terms = {"session": ts.date(), "symbol": "XYZ", "expiry": dt.date(2019, 8, 14), "settlement": "pm", "ts": ts}
    >>> terms |= {"root": "XYZ", "right": "C", "spot": 100.0, "tau_years": 0.25, "forward": 100.0, "discount": 1.0}
    >>> terms |= {"iv_source": "own", "multiplier": 100.0, "known_at": ts, "provider": "example", "synthetic": True}
    >>> terms |= {"style": "E", "dte_days": 91, "is_tau_floored": False, "is_vertical": False, "is_butterfly": False}
    >>> table = TABLES["greeks.option_greeks"]
    >>> rows = pl.DataFrame({"strike": 100 * np.exp(k), "iv": iv, "iv_bid": iv - 0.002, "iv_ask": iv + 0.002})
    >>> rows = rows.with_columns(pl.lit(v).cast(table.polars_schema[name]).alias(name) for name, v in terms.items())
    >>> surface = volatility_surface(pl.concat([table.empty(), rows], how="diagonal"))
    >>> surface.slices.select(pl.col("ssvi_rho", "atm_iv", "jw_psi").round(6), "certificate").row(0)
    (-0.5, 0.2, -0.248759, 'passed')
    """
    if threads < 1 or threads != int(threads):
        raise ValueError(f"threads: expected a positive whole number, found {threads}")
    require_share(least_share_inside)
    quotes = surface_quotes(greeks)
    size = pl.len().over(CHAIN), pl.struct(EXPIRY_KEY).n_unique().over(CHAIN)
    quotes = quotes.filter(size[0] >= size[1] + SHARED_PARAMETERS)
    table = TABLES["greeks.surface"]
    if quotes.is_empty():
        return VolatilitySurface(table.empty(), TABLES["greeks.surface_certificate"].empty())
    slices = _fit(quotes, threads, least_share_inside)
    origin = origin_of(greeks, CHAIN)
    slices = (
        slices.join(origin, on=CHAIN, how="left", maintain_order="left")
        .with_columns(certificate=pl.lit("failed"))
        .select(list(table.polars_schema))
        .cast(table.polars_schema)
    )
    certificate = surface_certificate(slices, greeks, least_share_inside)
    verdict = certificate.filter(pl.col("slice_number") == 0).select(*CHAIN, "certificate")
    slices = slices.drop("certificate").join(verdict, on=CHAIN, how="left")
    return VolatilitySurface(slices.select(list(table.polars_schema)).sort(table.key), certificate)


def _starts(rows: pl.DataFrame, key: list[str]) -> Positions:
    """Return where the runs of equal keys start in sorted rows, followed by the number of rows."""
    is_new = rows.select(pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in key).fill_null(True))
    return np.append(np.flatnonzero(is_new.to_series().to_numpy()), rows.height).astype(np.int64)


def _fit(quotes: pl.DataFrame, threads: int, least_share_inside: float) -> pl.DataFrame:
    from gnosis.options.surface import fit_kernel, ssvi_kernel

    quote_starts = _starts(quotes, EXPIRY_KEY)
    slices = quotes[quote_starts[:-1]].select(*EXPIRY_KEY, "spot", "tau_years", "forward", "discount")
    slice_starts = _starts(slices, CHAIN)
    n = slices.height
    low, high = grid_ends(quotes["log_moneyness"].to_numpy(), quote_starts)
    tau = slices["tau_years"].to_numpy(writable=True)
    k, iv, iv_bid, iv_ask, width = (quotes[name].to_numpy(writable=True) for name in QUOTE_COLUMNS)
    raw, ssvi, is_refined = np.empty((n, 5)), np.empty((n, 4)), np.empty(n, dtype=np.bool_)

    def fit(surface: int) -> None:
        own = slice(slice_starts[surface], slice_starts[surface + 1])
        part = slice(quote_starts[own.start], quote_starts[own.stop])
        starts = quote_starts[own.start : own.stop + 1] - part.start
        plain = np.empty((own.stop - own.start, 5))
        ssvi_kernel.fit_ssvi(k[part], iv[part], width[part], tau[own], starts, ssvi[own], plain)
        refined, theta = plain.copy(), ssvi[own, 0].copy()
        fit_kernel.refine(k[part], iv[part], width[part], tau[own], starts, low[own], high[own], theta, refined)
        fit_kernel.choose(
            refined, plain, tau[own], starts, low[own], high[own],
            k[part], iv[part], iv_bid[part], iv_ask[part], width[part], least_share_inside, is_refined[own],
        )  # fmt: skip
        raw[own] = np.where(is_refined[own, None], refined, plain)

    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(fit, range(slice_starts.size - 1)))
    wings = svi.jump_wing(svi.RawSvi(*raw.T), tau)
    return slices.with_columns(
        slice_number=pl.int_range(1, pl.len() + 1).over(CHAIN),
        model=pl.when(pl.Series(is_refined)).then(pl.lit("svi")).otherwise(pl.lit("ssvi")),
        atm_iv=pl.Series(np.sqrt(wings.v)),
        log_moneyness_low=pl.Series(k[quote_starts[:-1]]),
        log_moneyness_high=pl.Series(k[quote_starts[1:] - 1]),
        n_quotes=pl.Series(np.diff(quote_starts)),
        **{name: pl.Series(column) for name, column in zip(RAW_COLUMNS, raw.T, strict=True)},
        **{name: pl.Series(column) for name, column in zip(SSVI_COLUMNS, ssvi.T, strict=True)},
        **{f"jw_{name}": pl.Series(column) for name, column in wings._asdict().items()},
    )


def _raw_slices(slices: pl.DataFrame) -> svi.RawSvi:
    """Raw slices as columns that broadcast against a row of log-moneyness."""
    return svi.RawSvi(*slices.select(RAW_COLUMNS).to_numpy().T[:, :, None])


def density(slices: pl.DataFrame, log_moneyness: ArrayLike) -> Floats:
    """Return the risk-neutral density of ln(S_T/F) of certified slices, shape (slices, points).

    Parameters
    ----------
    slices
        Rows of ``greeks.surface``, in any order.
    log_moneyness
        ln(K/F), one-dimensional.

    Raises
    ------
    UncertifiedSurfaceError
        When a slice belongs to a surface whose certificate failed.

    Examples
    --------
    >>> density(TABLES["greeks.surface"].empty(), [0.0]).shape
    (0, 1)
    """
    return svi.log_moneyness_density(_raw_slices(certified(slices)), np.atleast_1d(log_moneyness))


def probability_below(slices: pl.DataFrame, log_moneyness: ArrayLike) -> Floats:
    """Return the risk-neutral probability that ln(S_T/F) of certified slices ends below each point, (slices, points).

    Raises
    ------
    UncertifiedSurfaceError
        When a slice belongs to a surface whose certificate failed.

    Examples
    --------
    >>> probability_below(TABLES["greeks.surface"].empty(), [0.0]).shape
    (0, 1)
    """
    return svi.log_moneyness_distribution(_raw_slices(certified(slices)), np.atleast_1d(log_moneyness))
