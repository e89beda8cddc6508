"""Option chains on given daily bars: an arbitrage-free surface, quotes around it, and open interest that lives.

Everything a row contains follows from the bars before its session, from the yields known at the snapshot, and from
draws that belong to (seed, symbol, contract, session). The one exception is ``spot``, see :func:`spot_at_snapshot`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from gnosis.options.pricing.american import tree_value
from gnosis.options.surface.ssvi import Ssvi
from gnosis.sessions import schedule
from gnosis.simulate.draws import date_keys, keyed_normal, keyed_uniform, stream, text_keys
from gnosis.simulate.interest import open_interest_paths
from gnosis.simulate.listing import expiries, with_strikes
from gnosis.simulate.rates import interpolate, zero_rates
from gnosis.simulate.rows import rows_of
from gnosis.simulate.surface import atm_total_variance, call_put_prices, gamma_per_usd
from gnosis.simulate.volatility import persistent_factor, realised_volatility, trailing_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CHAIN_HISTORY_SESSIONS = 260
"""A chain depends on at most this many bars before its session."""

LINE_COLUMNS = [
    "session",
    "symbol",
    "expiry",
    "strike",
    "ts",
    "spot",
    "volatility",
    "volatility_long",
    "tau_years",
    "forward",
    "discount",
    "theta",
    "rho",
    "eta",
    "iv",
    "gamma_per_usd",
    "call_usd",
    "put_usd",
    "oi_session",
    "call_interest",
    "put_interest",
    "call_interest_close",
    "put_interest_close",
]

VOLATILITY_WINDOW = 63
SECONDS_PER_YEAR = 365 * 86_400
TAU_FLOOR_YEARS = 1 / 8760
SNAPSHOT_LEAD_MINUTES = 15
SPLIT_RATIO = 1.2


@dataclass(frozen=True)
class ChainSpec:
    """What a generated chain looks like.

    Attributes
    ----------
    half_spread_share
        Half of the quoted spread as a share of the model price.
    tick_below_usd, tick_above_usd
        Price steps below and from $3; quotes are rounded outwards. None: quotes are not rounded.
    open_interest_adv
        Open interest of all contracts in shares, as a multiple of the symbol's average daily volume (order of
        magnitude: expiries differ and ramp up over their lives).
    multiplier_shares
        Shares per contract.
    style
        E: contracts are European, and put-call parity holds exactly. A: they are American, and quotes are made from
        the value of the Leisen-Reimer tree at the planted volatility. Neither pays dividends.
    """

    half_spread_share: float = 0.01
    tick_below_usd: float | None = 0.01
    tick_above_usd: float | None = 0.05
    open_interest_adv: float = 4.0
    multiplier_shares: float = 100.0
    style: Literal["A", "E"] = "E"

    def __post_init__(self) -> None:
        if not 0 < self.half_spread_share < 0.25:
            raise ValueError(f"expected half_spread_share between 0 and 0.25, found {self.half_spread_share}")
        if (self.tick_below_usd is None) != (self.tick_above_usd is None):
            raise ValueError("expected both ticks or none; set tick_below_usd and tick_above_usd")
        if self.style not in ("A", "E"):
            raise ValueError(f"expected style A (American) or E (European), found {self.style!r}")


def option_chain(
    bars: pl.DataFrame,
    macro: pl.DataFrame,
    seed: int,
    sessions: Sequence[dt.date] | None = None,
    spec: ChainSpec | None = None,
    spots: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return generated option quotes for the symbols of ``bars``.

    Contracts are European unless ``spec`` says otherwise and are priced as their ``style`` says, without dividends. A
    split restarts the listing, as old contracts would no longer deliver one share each.

    Parameters
    ----------
    bars
        Rows of raw.equity_bars with at least 64 sessions before the first wanted one (a symbol has no chain before)
        and 260 for a chain that does not depend on where the history begins.
    macro
        Rows of raw.macro with DGS1MO, DGS3MO, DGS6MO and DGS1.
    seed
        Integer >= 0.
    sessions
        Wanted sessions; all that the bars allow by default.
    spec
        What the chain looks like.
    spots
        Price of the underlying at the snapshot (``session``, ``symbol``, ``spot``) where it is known; by default drawn
        by :func:`spot_at_snapshot`.

    Returns
    -------
    polars.DataFrame
        Rows of raw.option_quotes sorted by key, ``provider`` simulate, ``synthetic`` true.

    Raises
    ------
    ValueError
        When a needed yield is unknown or the seed is not an integer >= 0.

    Examples
    --------
    >>> from gnosis.simulate.market import market
    >>> from gnosis.sessions import sessions_between
    >>> import datetime as dt
    >>> days = sessions_between(dt.date(2005, 1, 3), dt.date(2005, 6, 30))
    >>> world = market("daily", ["AAA"], days, seed=7)
    >>> quotes = option_chain(world.bars, world.macro, seed=7, sessions=days[-1:])
    >>> quotes.height, quotes["expiry"].n_unique(), quotes["oi_session"].max().isoformat()
    (114, 4, '2005-06-29')
    """
    lines = priced_lines(bars, macro, seed, sessions, spec or ChainSpec(), spots)
    return rows_of("raw.option_quotes", quotes_around(lines, seed, spec or ChainSpec()))


def priced_lines(
    bars: pl.DataFrame,
    macro: pl.DataFrame,
    seed: int,
    sessions: Sequence[dt.date] | None,
    spec: ChainSpec,
    spots: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the truth behind a chain: one row per listed strike with model prices, surface and open interest.

    Columns are :data:`LINE_COLUMNS`: ``*_interest`` in contracts at the end of ``oi_session`` (null on a contract's
    first session), ``*_interest_close`` at the end of the session itself, ``theta`` ATM total variance, ``iv`` and
    ``volatility`` per sqrt(year), ``gamma_per_usd`` by Black-Scholes-Merton. Sorted by (symbol, expiry, strike,
    session).
    """
    states = underlying_states(bars, seed, spots)
    if sessions is not None:
        states = states.filter(pl.col("session") <= max(sessions)) if sessions else states.clear()
    wanted = states if sessions is None else states.filter(pl.col("session").is_in(pl.Series(sessions).implode()))
    first = wanted.select(pl.col("session").min()).item() or dt.date.max
    live = expiries().filter(pl.col("expiry") >= first, pl.col("listed_after") < first)
    earliest = live.select(pl.col("listed_after").min()).item() or dt.date.max
    lives = (
        states.filter(pl.col("session") > earliest)
        .join_where(expiries(), pl.col("session") > pl.col("listed_after"), pl.col("session") <= pl.col("expiry"))
        .filter(pl.col("expiry") >= first)
        .sort("symbol", "expiry", "session")
        .with_columns(
            life=pl.struct("symbol", "expiry", "era").rle_id(),
            tenor_years=(pl.col("settles_at") - pl.col("ts")).dt.total_seconds() / SECONDS_PER_YEAR,
            life_elapsed=(pl.col("session") - pl.col("listed_after")) / (pl.col("expiry") - pl.col("listed_after")),
        )
    )
    lines = open_interest_paths(with_strikes(lives), seed, spec.open_interest_adv / spec.multiplier_shares)
    if sessions is not None:
        lines = lines.filter(pl.col("session").is_in(pl.Series(sessions).implode()))
    return _priced(lines, macro, spec.style)


def underlying_states(bars: pl.DataFrame, seed: int, spots: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return per symbol and session what the chain needs to know of the underlying.

    ``reference_usd`` (previous close), ``volatility`` and ``volatility_long`` (per sqrt(year), from the 63 returns up
    to the previous session and a slow seeded factor), ``adv_shares`` (20 sessions before), ``rho``, ``eta``,
    ``call_tilt`` (preference for calls, standard normal), ``spot``, ``ts`` (snapshot), ``era`` (counts splits).
    Sessions with fewer than 64 earlier bars have no row.
    """
    calendar = schedule().select("session", "open_at", "close_at", "chain_at").with_row_index("ordinal")
    ordered = bars.sort("symbol", "session").join(calendar, on="session", how="inner", maintain_order="left")
    parts = []
    for group in ordered.partition_by("symbol", maintain_order=True):
        symbol = str(group["symbol"][0])
        close, factor = group["close"].to_numpy(), group["adjustment_factor"].to_numpy()
        returns = np.diff(np.log(close * factor), prepend=np.nan)
        is_split = np.abs(np.diff(np.log(factor), prepend=np.log(factor[0]))) > np.log(SPLIT_RATIO)
        recent, usual = realised_volatility(returns, 21), realised_volatility(returns, VOLATILITY_WINDOW)
        ordinals = group["ordinal"].to_numpy()
        slow, tilt = (_slow_factor(seed, f"chain.{name}", symbol, ordinals, 0.98) for name in ("level", "tilt"))
        level = np.sqrt(0.65 * recent**2 + 0.35 * usual**2) * np.exp(0.08 * slow)
        parts.append(
            group.with_columns(
                reference_usd=np.concatenate([[np.nan], close[:-1] * factor[:-1] / factor[1:]]),
                volatility=np.clip(level, 0.05, 2.5),
                volatility_long=np.clip(np.sqrt(usual * 0.28), 0.05, 2.5),
                adv_shares=trailing_mean(group["volume"].to_numpy(), 20),
                rho=np.clip(-0.5 + 0.08 * tilt, -0.8, -0.2),
                eta=np.clip(0.75 * np.exp(0.1 * slow), 0.4, 1.2),
                call_tilt=_slow_factor(seed, "chain.call_tilt", symbol, ordinals, 0.995),
                era=np.cumsum(is_split),
            ).slice(VOLATILITY_WINDOW + 1)
        )
    if not parts:
        raise ValueError("expected rows of raw.equity_bars, found none that fall on sessions; pass bars with history")
    states = pl.concat(parts)
    drawn = pl.Series(spot_at_snapshot(states, seed))
    if spots is not None:
        drawn = states.select("session", "symbol").join(
            spots, on=["session", "symbol"], how="left", maintain_order="left"
        )["spot"]
        if drawn.null_count():
            lacking = states.filter(drawn.is_null()).select("session", "symbol").row(0)
            raise ValueError(f"expected a spot for every session and symbol with a chain, found none for {lacking}")
    return states.select(
        "symbol",
        "session",
        pl.col("chain_at").alias("ts"),
        "reference_usd",
        "volatility",
        "volatility_long",
        "adv_shares",
        "rho",
        "eta",
        "call_tilt",
        "era",
    ).with_columns(spot=drawn)


def spot_at_snapshot(bars: pl.DataFrame, seed: int) -> NDArray[np.float64]:
    """Return a price of the underlying 15 minutes before the close, shape (n,).

    A normal around the close with the standard deviation of 15 minutes, the day's variance being Parkinson's (1980),
    folded back into [low, high]; clipping would set it on the close whenever that is an extreme. On observed bars the
    move of the last 15 minutes is then nearly uncorrelated with the day's move before it.
    """
    minutes = ((bars["close_at"] - bars["open_at"]).dt.total_seconds() / 60).to_numpy()
    left = SNAPSHOT_LEAD_MINUTES / minutes
    high, low, close = (np.log(bars[name].to_numpy()) for name in ("high", "low", "close"))
    sd = (high - low) / np.sqrt(4 * np.log(2)) * np.sqrt(left)
    draw = keyed_normal(seed, "chain.spot", text_keys(bars["symbol"]), date_keys(bars["session"]))
    price = close + sd * draw
    width = np.maximum(high - low, 1e-300)
    place = np.mod(price - low, 2 * width)
    folded = low + np.where(place > width, 2 * width - place, place)
    rounded = np.round(np.exp(folded), 6)
    return np.clip(rounded, bars["low"].to_numpy(), bars["high"].to_numpy())


def _slow_factor(
    seed: int, component: str, symbol: str, ordinals: NDArray[np.uint32], persistence: float
) -> NDArray[np.float64]:
    """Return a factor of unit variance that is run from the first session of the calendar, whatever is asked for."""
    draws = stream(seed, component, symbol).standard_normal(int(ordinals.max()) + 1)
    return persistent_factor(draws, persistence)[ordinals]


def _priced(lines: pl.DataFrame, macro: pl.DataFrame, style: Literal["A", "E"]) -> pl.DataFrame:
    instants = lines["ts"].unique().sort()
    nodes = zero_rates(macro, instants)
    column = {name: lines[name].to_numpy() for name in ("spot", "strike", "tenor_years", "rho", "eta")}
    tau = np.maximum(column["tenor_years"], TAU_FLOOR_YEARS)
    discount = np.exp(-interpolate(nodes[instants.search_sorted(lines["ts"]).to_numpy()], tau) * tau)
    forward = column["spot"] / discount
    theta = atm_total_variance(
        tau, lines["volatility"].to_numpy() ** 2, lines["volatility_long"].to_numpy() ** 2, reversion=4.0
    )
    surface = Ssvi(column["rho"], column["eta"])
    surface.certify(theta)
    w = surface.total_variance(np.log(column["strike"] / forward), theta)
    iv = np.sqrt(w / tau)
    if style == "A":
        is_call = np.array([[True], [False]])
        call, put = tree_value(column["spot"], column["strike"], tau, forward, discount, iv, is_call).american
    else:
        call, put = call_put_prices(forward, discount, column["strike"], w)
    return lines.with_columns(
        tau_years=tau,
        forward=forward,
        discount=discount,
        theta=theta,
        iv=iv,
        gamma_per_usd=gamma_per_usd(column["spot"], forward, discount, column["strike"], w),
        call_usd=call,
        put_usd=put,
    ).select(LINE_COLUMNS)


def quotes_around(lines: pl.DataFrame, seed: int, spec: ChainSpec) -> pl.DataFrame:
    """Return calls and puts of :func:`priced_lines` as quotes around their model prices, with sizes and volumes."""
    sides = [
        lines.select(
            "session",
            "symbol",
            "expiry",
            "strike",
            "ts",
            "spot",
            "oi_session",
            price=pl.col(f"{name}_usd"),
            open_interest=pl.col(f"{name}_interest"),
            today=pl.col(f"{name}_interest_close"),
            right=pl.lit(right),
        )
        for name, right in (("call", "C"), ("put", "P"))
    ]
    quotes = pl.concat(sides).sort("session", "symbol", "expiry", "right", "strike")
    price = quotes["price"].to_numpy()
    bid, ask = _around(price, spec)
    keys = (
        text_keys(quotes["symbol"]),
        date_keys(quotes["expiry"]),
        np.round(quotes["strike"].to_numpy() * 1000),
        (quotes["right"] == "P").to_numpy(),
        date_keys(quotes["session"]),
    )
    liquidity = 1 + np.sqrt(quotes["today"].to_numpy())
    size = {
        name: np.ceil(liquidity * -np.log(keyed_uniform(seed, f"chain.{name}", *keys)))
        for name in ("bid_size", "ask_size")
    }
    turnover = 0.1 * np.exp(0.8 * keyed_normal(seed, "chain.volume", *keys))
    return quotes.with_columns(
        settlement=pl.lit("pm"),
        root="symbol",
        bid=bid,
        ask=ask,
        bid_size=np.where(bid > 0, size["bid_size"], 0.0),
        ask_size=size["ask_size"],
        volume=np.floor(turnover * quotes["today"].to_numpy()),
        multiplier=pl.lit(spec.multiplier_shares),
        deliverable_shares=None,
        style=pl.lit(spec.style),
        known_at="ts",
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    )


def _around(price: NDArray[np.float64], spec: ChainSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    half = spec.half_spread_share * price
    if spec.tick_below_usd is None or spec.tick_above_usd is None:
        return price - half, price + half
    tick = np.where(price < 3, spec.tick_below_usd, spec.tick_above_usd)
    bid = np.floor((price - half) / tick) * tick
    ask = (np.floor((price + half) / tick) + 1) * tick
    return np.round(np.maximum(bid, 0), 6), np.round(ask, 6)
