"""Pictures of the greeks room: smiles, carry, surface, exposure by strike, gamma profile."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.plots.drawing import BLUE, CYCLE, GREY, ORANGE, lines, newest_session, origin_note, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


SLICES_SHOWN = 4


def _most_quoted(frame: pl.DataFrame) -> str:
    """Return the symbol with the most rows, the first of equals."""
    counts = frame.group_by("symbol").len().sort("len", "symbol", descending=[True, False])
    return str(counts["symbol"][0])


def smile(frame: pl.DataFrame) -> bytes | None:
    """Implied volatility by strike and expiry for one symbol of the newest session."""
    newest = frame.filter((pl.col("session") == frame["session"].max()) & (pl.col("iv_source") == "own"))
    if newest.is_empty():
        return None
    symbol = _most_quoted(newest)
    one = newest.filter(pl.col("symbol") == symbol)
    one = one.with_columns(slice=pl.format("{} {}", "expiry", "root")).unique(["slice", "strike"])
    first = one["slice"].unique().sort().head(6)
    one = one.filter(pl.col("slice").is_in(first.implode()))
    return picture(
        lambda axes: lines(one.with_columns(vol=pl.col("iv") * 100), "strike", "vol", "slice", axes),
        f"{symbol} implied volatility, {newest_session(frame)}{origin_note(one)}",
        "strike [$]",
        "vol points",
    )


def carry(frame: pl.DataFrame) -> bytes | None:
    """Carry implied by the forwards of each symbol in the newest session, by time to settlement."""
    newest = frame.filter(
        (pl.col("session") == frame["session"].max()) & pl.col("carry_implied_per_year").is_not_null()
    )
    if newest.is_empty():
        return None
    shown = newest.with_columns(percent=pl.col("carry_implied_per_year") * 100).sort("symbol", "tau_years")
    return picture(
        lambda axes: lines(shown, "tau_years", "percent", "symbol", axes),
        f"Carry implied by put-call parity, {newest_session(frame)}{origin_note(newest)}",
        "years to settlement",
        "% a year",
    )


def surface(slices: pl.DataFrame, greeks: pl.DataFrame) -> bytes | None:
    """Quotes from bid to ask and the fitted slice through them, one symbol of the newest session."""
    newest = slices.filter(pl.col("session") == slices["session"].max())
    if newest.is_empty():
        return None
    quoted = newest.sort("n_quotes", "symbol", descending=[True, False])
    one = newest.filter(pl.col("symbol") == quoted["symbol"][0]).sort("slice_number")
    # Evenly from the nearest to the farthest expiry.
    places = np.unique(np.linspace(0, one.height - 1, SLICES_SHOWN).round().astype(int))
    expiry = ["session", "symbol", "expiry", "settlement", "root"]
    quotes = greeks.filter(pl.col("iv_source") == "own").with_columns(k=(pl.col("strike") / pl.col("forward")).log())

    def draw(axes: Axes) -> None:
        for place, colour in zip(places, CYCLE, strict=False):
            row = one[int(place)]
            part = quotes.join(row.select(expiry), on=expiry).unique("strike").sort("strike")
            low, high = (part[name].fill_null(part["iv"]) * 100 for name in ("iv_bid", "iv_ask"))
            axes.vlines(part["k"], low, high, color=colour, linewidth=1.5, alpha=0.5)
            k = np.linspace(row["log_moneyness_low"][0] or -0.1, row["log_moneyness_high"][0] or 0.1, 200)
            a, b, rho, m, s = row.select("svi_a", "svi_b", "svi_rho", "svi_m", "svi_s").row(0)
            variance = a + b * (rho * (k - m) + np.sqrt((k - m) ** 2 + s * s))
            label = f"{row['expiry'][0]} {row['root'][0]}"
            axes.plot(k, np.sqrt(variance / row["tau_years"][0]) * 100, color=colour, linewidth=1, label=label)

    verdict = f"certificate {one['certificate'][0]}"
    title = f"{one['symbol'][0]} smile, bars bid to ask, {newest_session(slices)}, {verdict}{origin_note(one)}"
    return picture(draw, title, "ln(strike / forward)", "vol points")


def certificates(frame: pl.DataFrame) -> bytes | None:
    """Share of quotes that the surface meets within bid and ask, by symbol and session."""
    whole = frame.filter((pl.col("slice_number") == 0) & pl.col("share_inside").is_not_null())
    if whole.is_empty():
        return None
    shown = whole.with_columns(percent=pl.col("share_inside") * 100)

    def draw(axes: Axes) -> None:
        lines(shown, "session", "percent", "symbol", axes)
        axes.axhline(80.0, color=GREY, linewidth=1)

    failed = whole.filter(pl.col("certificate") == "failed").height
    title = f"Quotes met within bid and ask; {failed} of {whole.height} certificates failed{origin_note(frame)}"
    return picture(draw, title, "session", "% of quotes")


def exposure_by_strike(frame: pl.DataFrame) -> bytes | None:
    """Dealer gamma exposure by strike for the symbol with the largest, newest session, naive convention."""
    newest = frame.filter((pl.col("session") == frame["session"].max()) & (pl.col("sign_convention") == "naive"))
    if newest.is_empty():
        return None
    size = newest.group_by("symbol").agg(pl.col("gex_usd_per_pct").abs().sum()).sort("gex_usd_per_pct", "symbol")
    symbol = size["symbol"][-1]
    one = (
        newest.filter(pl.col("symbol") == symbol).group_by("strike").agg(pl.col("gex_usd_per_pct").sum()).sort("strike")
    )
    colours = [BLUE if value >= 0 else ORANGE for value in one["gex_usd_per_pct"]]
    spot = newest.filter(pl.col("symbol") == symbol)["spot"][0]

    def draw(axes: Axes) -> None:
        gaps = one["strike"].diff().drop_nulls()
        axes.bar(one["strike"], one["gex_usd_per_pct"] / 1e6, width=float(gaps.min() or 1.0) * 0.8, color=colours)  # type: ignore[arg-type]
        axes.axvline(spot, color=GREY, linewidth=1, label=f"spot {spot:.2f}")

    title = f"{symbol} dealer gamma by strike, naive signs, {newest_session(frame)}{origin_note(newest)}"
    return picture(draw, title, "strike [$]", "$m per 1 %")


def gamma_profile(levels: pl.DataFrame, greeks: pl.DataFrame, index_symbols: Collection[str]) -> bytes | None:
    """Dealer gamma at hypothetical spots with its band and its roots, for the largest chain of the newest session."""
    from gnosis.options import net_gamma_profile

    newest = levels.filter(
        (pl.col("session") == levels["session"].max())
        & (pl.col("sign_convention") == "naive")
        & (pl.col("expiry_set") == "all")
    ).sort("gex_bound_usd_per_pct", "symbol", descending=[True, False], nulls_last=True)
    if newest.is_empty() or newest["gex_bound_usd_per_pct"][0] is None:
        return None
    row = newest.row(0, named=True)
    chain = greeks.filter((pl.col("session") == row["session"]) & (pl.col("symbol") == row["symbol"]))
    profile = net_gamma_profile(chain, index_symbols=index_symbols)

    def draw(axes: Axes) -> None:
        low, high = (profile[f"gex_{name}_usd_per_pct"] / 1e6 for name in ("p10", "p90"))
        axes.fill_between(profile["spot"], low, high, color=GREY, alpha=0.25, label="10 to 90 % of the prior")
        axes.plot(profile["spot"], profile["gex_usd_per_pct"] / 1e6, color=BLUE, linewidth=1.2, label="net")
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        axes.axvline(row["spot"], color=GREY, linewidth=1, linestyle="--", label=f"spot {row['spot']:.2f}")
        for flip in row["flips"] or []:
            axes.axvline(flip, color=ORANGE, linewidth=1, label=f"zero gamma {flip:.2f}")

    title = f"{row['symbol']} dealer gamma by spot, naive signs, {row['session']}{origin_note(newest)}"
    return picture(draw, title, "hypothetical spot [$]", "$m per 1 %")
