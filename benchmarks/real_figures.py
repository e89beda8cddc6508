"""What real chains say, in figures: the report of ``make verify-real`` prints them, the tests assert them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from benchmarks.real_data import (
    AAPL_POSITIONS,
    AAPL_QUOTES,
    SPLIT_RATIO,
    SPLIT_SESSION,
    SPX_SESSIONS,
    SPY_QUOTES,
    RealData,
)
from gnosis.options.chain.analytics import ChainAnalytics, chain_analytics
from gnosis.options.positioning.exposure import exposure
from gnosis.options.positioning.levels import levels
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES
from resources.providers.files.chain_rules import variance_left, with_bar

QUOTED_AT_CLOSE = "spx_quotedata_2022-06-11_en_oldformat.csv.gz"
PRICES = ["bid", "ask", "bid_size", "ask_size"]
CONTRACT = ["session", "expiry", "root", "right", "strike"]


class GammaAgreement(NamedTuple):
    """Own gamma over the vendor's: number of contracts, median ratio, share within 8 %."""

    n_contracts: int
    median_ratio: float
    share_within: float


class Parity(NamedTuple):
    """Pairs of call and put: all of them, those off European parity, and off it with a reason against either quote."""

    n_pairs: int
    n_off: int
    n_off_with_reason: int


class Split(NamedTuple):
    """Contracts before and after a split.

    ``n_found`` of ``n_live`` contracts that had not expired are found at strike / ratio. ``median_ratio`` is that of
    their open interest, ``share_equivalents`` the ratio of open interest x multiplier in shares of one kind.
    ``dead_share`` is the open interest that the file still lists under the old strikes, in parts of the live one.
    """

    n_live: int
    n_found: int
    median_ratio: float
    share_equivalents: float
    dead_share: float


class SurfaceFit(NamedTuple):
    """Slices of certified surfaces.

    ``broken_rules`` are those that any slice fails, ``share_passed`` that of slices that fail none. ``share_inside`` is
    the mean share of a slice's quotes met within bid and ask, ``rmse_vol_points`` the median of the slices, weighted by
    the widths of the quotes within each.
    """

    n_slices: int
    broken_rules: set[str]
    share_passed: float
    share_inside: float
    rmse_vol_points: float


# Which sessions can be used


def rejected_days(rejected: pl.DataFrame) -> dict[dt.date, str]:
    """Return the rule of each day of the files whose chain was rejected; a holiday is not a session, but a day."""
    day = pl.col("found").str.json_path_match("$.session").str.to_date()
    return dict(rejected.select(day, "rule").unique().sort("found").iter_rows())


def chain_figures(real: RealData) -> pl.DataFrame:
    """Return what each SPX session says of itself: share of open interest traded, variance left, spot against bar."""
    bars = real.bars("SPX", SPX_SESSIONS[0], SPX_SESSIONS[-1])
    chains = real.vendor.group_by("session", "symbol").agg(
        volume_share=pl.col("volume").sum() / pl.col("open_interest").sum(), spot=pl.col("spot").first()
    )
    beyond = pl.max_horizontal(pl.col("spot") / pl.col("bar_high"), pl.col("bar_low") / pl.col("spot")) - 1
    return (
        with_bar(chains, bars)
        .join(variance_left(real.vendor), on=["session", "symbol"], how="left")
        .filter(pl.col("bar_close").is_not_null())
        .with_columns(off_close_usd=(pl.col("spot") - pl.col("bar_close")).abs(), beyond_bar=beyond)
        .sort("session")
    )


def relabelled(real: RealData, holiday: dt.date) -> tuple[pl.DataFrame, dt.date]:
    """Return the chain of the session before a holiday and that of the holiday under a wrong date, and that date.

    The wrong date is the session after the holiday.
    """
    day = sessions_between(holiday, holiday + dt.timedelta(days=7))[0]
    before = real.vendor.filter(pl.col("session") == shift_session(day, -1))
    again = real.vendor.filter(pl.col("session") == holiday).with_columns(session=pl.lit(day))
    chains = pl.concat([before, again]).join(schedule().select("session", ts="chain_at"), on="session", how="left")
    given = chains.with_columns(
        known_at="ts", multiplier=100.0, style=pl.lit("E"), provider=pl.lit("files"), synthetic=False
    )
    schema = TABLES["raw.option_quotes"].polars_schema
    absent = {name: pl.lit(None, dtype=dtype) for name, dtype in schema.items() if name not in given.columns}
    return given.with_columns(**absent).select(list(schema)).cast(schema), day


# What the analytics make of them


def gamma_agreement(greeks: pl.DataFrame, vendor: pl.DataFrame) -> GammaAgreement:
    """Compare out of the money, within 10 % of spot, beyond five days, where the vendor's gamma has digits enough."""
    is_out = (pl.col("right") == "C") == (pl.col("strike") >= pl.col("forward"))
    compared = (
        greeks.with_columns(pl.col("right").cast(pl.String))
        .join(vendor.select(*CONTRACT, "vendor_gamma_per_usd"), on=CONTRACT)
        .filter(
            is_out,
            (pl.col("strike") / pl.col("spot") - 1).abs() <= 0.1,
            pl.col("dte_days") > 5,
            pl.col("vendor_gamma_per_usd") > 8e-4,
        )
        .select(ratio=pl.col("gamma_per_usd").fill_null(0) / pl.col("vendor_gamma_per_usd"))["ratio"]
    )
    within = ((compared - 1).abs() <= 0.08).mean()
    return GammaAgreement(len(compared), float(compared.median()), float(within))


def surface_fit(certificate: pl.DataFrame) -> SurfaceFit:
    """Return what ``greeks.surface_certificate`` says of its slices."""
    slices = certificate.filter(pl.col("slice_number") > 0)
    failed = slices["failed_rules"].str.split(",").explode().unique()
    return SurfaceFit(
        slices.height,
        set(failed) - {""},
        float((slices["certificate"] == "passed").mean()),
        float(slices["share_inside"].mean()),
        float(slices["rmse_vol_points"].median()),
    )


def gex_rank(exposures: pl.DataFrame, dix: pl.DataFrame) -> tuple[int, float]:
    """Return the sessions and the rank correlation of net naive gamma with SqueezeMetrics' GEX."""
    naive = exposures.filter(pl.col("sign_convention") == "naive")
    net = naive.group_by("session").agg(pl.col("gex_usd_per_pct").sum()).join(dix, on="session")
    return net.height, net.select(pl.corr("gex_usd_per_pct", "gex", method="spearman")).item()


def merged_roots(found: ChainAnalytics) -> tuple[int, int]:
    """Return the dates with a morning and an afternoon expiry, and how many of them share a forward or a smile."""
    date = ["session", "symbol", "expiry"]
    by_root = found.forwards.group_by(date).agg(
        pl.col("settlement").n_unique().alias("n"), same=pl.col("parity_forward").n_unique() < pl.len()
    )
    contract = [*date, "strike", "right"]
    own = found.greeks.filter(pl.col("iv_source") == "own")
    smiles = own.group_by(contract).agg(n=pl.col("settlement").n_unique(), same=pl.col("tau_years").n_unique() == 1)
    both = by_root.filter(pl.col("n") == 2)
    return both.height, both["same"].sum() + smiles.filter(pl.col("n") == 2)["same"].sum()


def parity(quotes: pl.DataFrame, greeks: pl.DataFrame) -> Parity:
    """Count pairs of uncrossed American quotes whose C - P differs from S - K DF by more than their half spreads."""
    key = TABLES["raw.option_quotes"].key
    rows = quotes.join(greeks.select(*key, "discount", "reason"), on=key).filter(pl.col("ask") >= pl.col("bid"))
    sides = [
        rows.filter(pl.col("right") == right).select(
            *(name for name in key if name != "right"),
            *("spot", "discount", "reason"),
            mid=(pl.col("bid") + pl.col("ask")) / 2,
            half_spread=(pl.col("ask") - pl.col("bid")) / 2,
        )
        for right in "CP"
    ]
    pairs = sides[0].join(sides[1], on=[name for name in key if name != "right"], suffix="_put")
    gap = pl.col("mid") - pl.col("mid_put") - pl.col("spot") + pl.col("strike") * pl.col("discount")
    off = pairs.filter(gap.abs() > pl.col("half_spread") + pl.col("half_spread_put"))
    blamed = off.filter(pl.any_horizontal(pl.col("reason", "reason_put").is_not_null()))
    return Parity(pairs.height, off.height, blamed.height)


def through_split(before: pl.DataFrame, after: pl.DataFrame) -> Split:
    """Follow the contracts of ``before`` (old strikes) into ``after``, both ``raw.option_quotes``."""
    contract = ["expiry", "right", "strike"]
    positions = after.select(*contract, after="open_interest")
    live = before.filter(pl.col("expiry") > before["session"].max()).select(*contract, before="open_interest")
    moved = live.with_columns((pl.col("strike") / SPLIT_RATIO).round(2)).join(positions, on=contract)
    dead = live.join(positions, on=contract)["after"].sum()
    ratio = moved.filter(pl.col("before") > 0)
    return Split(
        live.height,
        moved.height,
        float((ratio["after"] / ratio["before"]).median()),
        moved["after"].sum() / (SPLIT_RATIO * moved["before"].sum()),
        dead / moved["after"].sum(),
    )


def split_tables(real: RealData) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return AAPL's quotes of the session before the split, and of its session with the open interest of another file.

    The second holds the contracts of both kinds, those of the old strikes without a quote.
    """
    days = [shift_session(SPLIT_SESSION, -1), SPLIT_SESSION]
    quotes = real.provider("aapl", AAPL_QUOTES).fetch("raw.option_quotes", days).frame
    positions = real.provider("aapl_positions", AAPL_POSITIONS).fetch("raw.option_quotes", days[1:]).frame
    before, after = (quotes.filter(pl.col("session") == day) for day in days)
    prices = after.select("expiry", "right", "strike", *PRICES)
    after = positions.drop(PRICES).join(prices, on=["expiry", "right", "strike"], how="left").select(before.columns)
    return before, after.with_columns(spot=pl.lit(quotes["spot"][-1]))


def spy(real: RealData) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the quotes of SPY and their ``greeks.option_greeks``.

    No dividend is known ahead: the fund sets each distribution at its ex-date.
    """
    days = sessions_between(dt.date(2021, 1, 4), dt.date(2021, 12, 31))
    quotes = real.provider("spy", SPY_QUOTES).fetch("raw.option_quotes", days).frame
    macro = real.macro(days[-1], first=days[0])
    return quotes, chain_analytics(quotes, macro, TABLES["raw.dividends"].empty()).greeks


def aapl_rejected(real: RealData) -> dict[dt.date, str]:
    """Return the rule of each session around the split whose file was rejected."""
    days = sessions_between(dt.date(2014, 6, 2), dt.date(2014, 6, 16))
    provider = real.provider("aapl_positions", AAPL_POSITIONS)
    return rejected_days(provider.fetch("raw.option_quotes", days).rejected)


def gamma_of_positions(quotes: pl.DataFrame, macro: pl.DataFrame) -> float:
    """Return the gamma of all open interest, whoever holds it, $ per 1 %."""
    found = exposure(chain_analytics(quotes, macro).greeks, conventions=("customer_long",))
    return -found["gex_usd_per_pct"].sum()


def levels_of(quotes: pl.DataFrame, macro: pl.DataFrame) -> pl.DataFrame:
    """Return ``greeks.levels`` from raw quotes, by way of Greeks and exposures."""
    greeks = chain_analytics(quotes, macro).greeks
    exposure(greeks)
    return levels(greeks, index_symbols=("SPX",))


def seconds(call: Callable[[], object], times: int = 1) -> float:
    """Return the shortest wall time of ``times`` calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)
