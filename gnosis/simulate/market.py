"""A whole market whose parameters are known: bars, index levels, option chains, macro series and the truth."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.bars import PathSpec, bar_frame, first_price_usd, price_path, shocks, signals, volume_path
from gnosis.simulate.chain import CHAIN_HISTORY_SESSIONS, ChainSpec, priced_lines, quotes_around
from gnosis.simulate.draws import check_seed
from gnosis.simulate.index import vix_from_index
from gnosis.simulate.macro import macro_vintages
from gnosis.simulate.rows import rows_of
from gnosis.simulate.volatility import SESSIONS_PER_YEAR
from gnosis.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

INDEX_FIRST_POINTS = 1200.0


@dataclass(frozen=True)
class Regime:
    """One scripted state of the market, from a session until the next regime begins.

    Factors apply to the usual level. ``dealer_side_*`` is the dealers' share of open interest, +1 = long all of it.
    """

    name: str
    first_session: dt.date
    volatility_factor: float = 1.0
    depth_factor: float = 1.0
    open_interest_factor: float = 1.0
    dealer_side_call: float = 1.0
    dealer_side_put: float = -1.0
    posts_per_session: float = 20.0


@dataclass(frozen=True)
class MarketSpec:
    """What a market is made of.

    Attributes
    ----------
    paths, chain
        How prices move and what chains look like.
    has_options
        Whether chains are generated: about 140 rows per symbol and session.
    first_session
        Where every path starts; sessions before do not exist. Moving it makes another market.
    script
        Regimes in order of their first sessions; before the first one the defaults of :class:`Regime` hold.
    """

    paths: PathSpec = field(default_factory=PathSpec)
    chain: ChainSpec = field(default_factory=ChainSpec)
    has_options: bool = False
    first_session: dt.date = dt.date(2004, 1, 2)
    script: tuple[Regime, ...] = ()


@dataclass(frozen=True)
class MarketTruth:
    """What was planted.

    Attributes
    ----------
    daily
        Per session and symbol: ``regime``, ``depth_factor``, ``volatility_per_year``, ``depth_usd_per_unit`` (D of the
        linear law with
        Y = 1: usual dollar volume over daily volatility), ``dealer_gamma_usd_per_unit`` (G; null without options),
        ``amplification`` (D / (D + G); null when D + G <= 0 or G is unknown), ``dealer_side_call``, ``dealer_side_put``
        (x), ``edge_signal`` (known at the close) and ``edge_return`` (what it adds to the next session's open-to-close
        log return), ``posts_per_session``.
    contracts
        Per session, symbol, expiry and strike: model prices, ``theta``, ``rho``, ``eta``, ``iv``, ``forward``,
        ``discount``, ``tau_years``, ``gamma_per_usd``. Empty without options.
    """

    daily: pl.DataFrame
    contracts: pl.DataFrame


@dataclass(frozen=True)
class Market:
    """Frames of a generated market with the columns of their raw tables, and the truth behind them."""

    bars: pl.DataFrame
    index_levels: pl.DataFrame
    option_quotes: pl.DataFrame
    macro: pl.DataFrame
    truth: MarketTruth


def market(preset: str | MarketSpec, symbols: Sequence[str], sessions: Sequence[dt.date], seed: int) -> Market:
    """Generate a market of which everything is known.

    Every path starts at ``spec.first_session`` and is run up to the last wanted session, so a session generated alone
    equals the same session inside a long run, and adding a symbol leaves the others as they were.

    Parameters
    ----------
    preset
        Name in :data:`gnosis.simulate.presets.MARKETS` or a specification.
    symbols
        Names of the symbols; ^GSPC and ^VIX are always made and belong to ``index_levels``.
    sessions
        Wanted sessions of the exchange, any order.
    seed
        Integer >= 0.

    Returns
    -------
    Market
        Frames sorted by the keys of their tables.

    Raises
    ------
    ValueError
        For an unknown preset, repeated symbols, no sessions, or days that are not sessions from ``first_session`` on.

    Examples
    --------
    >>> from gnosis.sessions import sessions_between
    >>> days = sessions_between(dt.date(2012, 1, 3), dt.date(2012, 1, 31))
    >>> world = market("daily", ["AAA", "BBB"], days, seed=7)
    >>> world.bars.height, world.bars["close"][0]
    (40, 131.6589)
    """
    spec = _resolve(preset)
    check_seed(seed)
    names = sorted(set(symbols))
    if len(names) != len(symbols) or not names:
        raise ValueError(f"expected distinct symbols, at least one, found {list(symbols)}")
    calendar = _calendar(spec, sessions)
    wanted = pl.Series("session", sorted(sessions), dtype=pl.Date)
    regimes = _regimes(spec.script, calendar["session"])
    multiple = regimes["volatility_factor"].to_numpy()
    length = calendar.height
    none = np.zeros(length)
    plain = replace(spec.paths, edge_ic=0.0)
    common = shocks(plain, spec.paths.index_volatility, seed, "^GSPC", length, multiple, none)
    index = price_path(plain, [(1.0, common)], INDEX_FIRST_POINTS)
    levels = bar_frame(calendar, "^GSPC", index).drop("spot")

    # Chains look back; bars alone need no more than the wanted sessions.
    kept = calendar.filter(pl.col("session") >= wanted.min())
    if spec.has_options:
        kept = calendar.tail(kept.height + CHAIN_HISTORY_SESSIONS)
    bars, truths = [], []
    for symbol in names:
        signal = signals(seed, symbol, length)
        own = shocks(spec.paths, spec.paths.own_volatility, seed, symbol, length, multiple, signal)
        first = first_price_usd(spec.paths, seed, symbol)
        prices = price_path(spec.paths, [(spec.paths.beta, common), (1.0, own)], first)
        volatility = np.hypot(spec.paths.beta * common.volatility, own.volatility)
        usual_shares = spec.paths.adv_usd / first * regimes["depth_factor"].to_numpy()
        move = np.abs(np.log(prices["close"] / prices["open"])) / volatility * np.sqrt(SESSIONS_PER_YEAR)
        volume = volume_path(usual_shares, move, seed, symbol)
        following = np.append(own.volatility[1:], np.nan) / np.sqrt(SESSIONS_PER_YEAR)
        frame = bar_frame(calendar, symbol, {**prices, "volume": volume, "adjustment_factor": np.ones(length)})
        bars.append(frame.tail(kept.height))
        truths.append(
            regimes.select(
                "session",
                pl.lit(symbol).alias("symbol"),
                pl.col("name").alias("regime"),
                "depth_factor",
                "open_interest_factor",
                "dealer_side_call",
                "dealer_side_put",
                "posts_per_session",
            )
            .with_columns(
                volatility_per_year=volatility,
                depth_usd_per_unit=usual_shares * prices["close"] / volatility * np.sqrt(SESSIONS_PER_YEAR),
                edge_signal=signal,
                edge_return=pl.Series(
                    spec.paths.edge_ic * np.sqrt(1 - spec.paths.overnight_share) * following * signal
                ).fill_nan(None),
            )
            .tail(kept.height)
        )
    return _assemble(spec, seed, wanted, pl.concat(bars), pl.concat(truths), levels)


def _assemble(
    spec: MarketSpec, seed: int, wanted: pl.Series, bars: pl.DataFrame, daily: pl.DataFrame, levels: pl.DataFrame
) -> Market:
    is_wanted = pl.col("session").is_in(wanted.implode())
    macro = macro_vintages(wanted.to_list(), seed)
    lines, quotes = pl.DataFrame(), TABLES["raw.option_quotes"].empty()
    if spec.has_options:
        spots = bars.select("session", "symbol", "spot")
        lines = priced_lines(bars, macro, seed, wanted.to_list(), spec.chain, spots)
        factor = daily.select("session", "symbol", "open_interest_factor", "dealer_side_call", "dealer_side_put")
        lines = _scale_interest(lines.join(factor, on=["session", "symbol"], how="left", maintain_order="left"), daily)
        quotes = rows_of("raw.option_quotes", quotes_around(lines, seed, spec.chain))
        lines = lines.sort("session", "symbol", "expiry", "strike")
    daily = _with_dealers(daily.filter(is_wanted), lines, spec.chain.multiplier_shares)
    indices = pl.concat([rows_of("raw.index_levels", levels), vix_from_index(levels, seed)])
    return Market(
        bars=rows_of("raw.equity_bars", bars.filter(is_wanted)),
        index_levels=indices.filter(is_wanted).sort(TABLES["raw.index_levels"].key),
        option_quotes=quotes,
        macro=macro,
        truth=MarketTruth(daily, lines),
    )


def _scale_interest(lines: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """Apply the scripted factor of the session that the open interest is about."""
    of_day = daily.select("symbol", oi_session="session", factor_known="open_interest_factor")
    return lines.join(of_day, on=["symbol", "oi_session"], how="left", maintain_order="left").with_columns(
        (pl.col("call_interest", "put_interest") * pl.col("factor_known")).round(),
        (pl.col("call_interest_close", "put_interest_close") * pl.col("open_interest_factor")).round(),
    )


def _with_dealers(daily: pl.DataFrame, lines: pl.DataFrame, multiplier_shares: float) -> pl.DataFrame:
    """Add G from the open interest that is known in each session, and the amplification that follows."""
    unknown = daily.with_columns(dealer_gamma_usd_per_unit=pl.lit(None, pl.Float64))
    if lines.height:
        held = pl.col("dealer_side_call") * pl.col("call_interest") + pl.col("dealer_side_put") * pl.col("put_interest")
        line = pl.col("gamma_per_usd") * held * multiplier_shares * pl.col("spot") ** 2
        totals = (
            lines.sort("session", "symbol", "expiry", "strike")
            .drop_nulls("oi_session")
            .group_by("session", "symbol", maintain_order=True)
            .agg(dealer_gamma_usd_per_unit=line.sum())
        )
        unknown = daily.join(totals, on=["session", "symbol"], how="left", maintain_order="left")
    depth, gamma = pl.col("depth_usd_per_unit"), pl.col("dealer_gamma_usd_per_unit")
    return (
        unknown.with_columns(amplification=pl.when(depth + gamma > 0).then(depth / (depth + gamma)))
        .drop("open_interest_factor")
        .sort("session", "symbol")
    )


def _resolve(preset: str | MarketSpec) -> MarketSpec:
    from gnosis.simulate.presets import MARKETS

    if isinstance(preset, MarketSpec):
        return preset
    if preset not in MARKETS:
        raise ValueError(f"expected a preset of {sorted(MARKETS)} or a MarketSpec, found {preset!r}")
    return MARKETS[preset]()


def _calendar(spec: MarketSpec, sessions: Sequence[dt.date]) -> pl.DataFrame:
    if not sessions:
        raise ValueError("expected at least one session, found none; pass for example sessions_between(first, last)")
    table = schedule().filter(pl.col("session").is_between(spec.first_session, max(sessions)))
    unknown = sorted(set(sessions) - set(table["session"].to_list()))
    if unknown:
        raise ValueError(
            f"expected sessions of the exchange from {spec.first_session} on, found {unknown[0]}; "
            "take them from gnosis.sessions.sessions_between"
        )
    return table.select("session", "close_at")


def _regimes(script: tuple[Regime, ...], sessions: pl.Series) -> pl.DataFrame:
    rows = [Regime("usual", dt.date.min), *script]
    starts = [row.first_session for row in rows]
    if starts != sorted(set(starts)):
        raise ValueError(f"expected regimes in ascending order of first_session, found {starts[1:]}")
    table = pl.DataFrame([vars(row) for row in rows]).set_sorted("first_session")
    return (
        sessions.to_frame("session")
        .set_sorted("session")
        .join_asof(table, left_on="session", right_on="first_session", strategy="backward")
    )
