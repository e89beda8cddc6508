"""How the features of each group are made in the tests that hold all 141 of them to the same rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from gnosis.features.feature import Feature
from gnosis.features.hedge import hedge
from gnosis.features.liquidity import liquidity
from gnosis.features.macro import macro
from gnosis.features.regime import regime
from gnosis.features.registry import features_of
from gnosis.features.sentiment import sentiment
from gnosis.features.technical import technical
from gnosis.sessions import shift_session
from tests.gnosis.features.engine_market import CHAINED, LAST, OTHERS, POINTS, night_rows

Tables = Mapping[str, pl.DataFrame]
Compute = Callable[[Tables], pl.DataFrame]

KEY = ["session", "symbol"]
ORIGIN = ["as_of", "known_at", "provider", "synthetic"]
ENGINE_OF = {"liquidity": "engines.liquidity", "hedge": "engines.elasticity", "sentiment": "engines.sentiment"}
"""Engine behind a group; the other groups are made by the feature library."""
OWN_ENGINE = ("hedge", "liquidity", "sentiment")
LIBRARY = ("technical", "regime", "macro")
TARGETS = [shift_session(LAST, -back) for back in (5, 4, 3, 2)]
"""Sessions of the engines' market that are proven; those after them are their future."""
PROVEN_PAIRS = {"hedge": 8, "liquidity": 12, "sentiment": 12, "technical": 24, "regime": 24, "macro": 24}
"""Pairs of session and symbol that every proof of a feature exercises."""
VARIANT_SESSIONS = 8
SPLIT_SESSION = shift_session(LAST, 3 - VARIANT_SESSIONS)
"""Sessions that are made from inputs told in another way, and the first on which one symbol is split."""


@dataclass(frozen=True)
class World:
    """Tables of a market and how the rows of one group are made from them.

    Attributes
    ----------
    tables
        Inputs by name, with the engines' rows of earlier sessions where they are read.
    compute
        Rows of the group's table, from any such tables.
    night
        The same, of the newest session with bars alone.
    symbols
        Symbols whose features should be known.
    """

    tables: Tables
    compute: Compute
    night: Compute
    symbols: tuple[str, ...]


def library_rows(group: str, tables: Tables) -> pl.DataFrame:
    """Return the rows of a group of the feature library, one per bar."""
    bars = tables["raw.equity_bars"]
    if group == "technical":
        return technical(bars)
    if group == "regime":
        return regime(bars, tables["raw.index_levels"])
    return macro(bars.select(*KEY, as_of="known_at"), tables["raw.macro"])


def engine_rows(group: str, tables: Tables, sessions: Sequence[dt.date]) -> pl.DataFrame:
    """Return the rows of a group of the engines for some sessions, from raw tables and stored rows of earlier ones."""
    made = night_rows(tables, sessions, ENGINE_OF[group])[ENGINE_OF[group]]
    return _of_group(group, tables, made)


def engine_features(tables: Tables, made: Tables) -> dict[str, pl.DataFrame]:
    """Return the rows of the groups of the engines by group, from rows of the engines."""
    return {group: _of_group(group, tables, made[ENGINE_OF[group]]) for group in OWN_ENGINE}


def _of_group(group: str, tables: Tables, made: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a group for the bars of the sessions that its engine has rows of."""
    bars, sessions = tables["raw.equity_bars"].filter(~pl.col("symbol").is_in(OTHERS)), made["session"].unique()
    if group == "hedge":
        return hedge(bars, made, tables["raw.index_levels"], sessions.to_list())
    own = bars.filter(pl.col("session").is_in(sessions.implode()))
    return liquidity(own, made) if group == "liquidity" else sentiment(own, made)


def newest(tables: Tables) -> dt.date:
    """Return the newest session with bars."""
    last = tables["raw.equity_bars"]["session"].max()
    assert isinstance(last, dt.date)
    return last


def engine_world(group: str, tables: Tables) -> World:
    """Return the market of the engines: all of :data:`TARGETS` at once, or one night with those before it stored."""
    return World(
        {name: frame for name, frame in tables.items() if not name.startswith("greeks.")},
        lambda given: engine_rows(group, given, [day for day in TARGETS if day <= newest(given)]),
        lambda given: engine_rows(group, given, [newest(given)]),
        CHAINED if group == "hedge" else POINTS,
    )


def library_world(group: str, tables: Tables, symbols: tuple[str, ...]) -> World:
    """Return a market whose rows the feature library makes for every bar."""

    def night(given: Tables) -> pl.DataFrame:
        return library_rows(group, given).filter(pl.col("session") == newest(given))

    return World(tables, lambda given: library_rows(group, given), night, symbols)


def since(tables: Tables, first: dt.date) -> dict[str, pl.DataFrame]:
    """Return the rows of the tables from a session on."""
    return {name: frame.filter(pl.col("session") >= first) for name, frame in tables.items()}


def names_of(group: str) -> list[str]:
    """Return the names of the features of a group."""
    return [feature.name for feature in features_of(group)]


def in_words(feature: Feature, value: object) -> object:
    """Return a stored value as definitions speak of it: a label for the code of a category."""
    if feature.dtype != "category" or value is None:
        return value
    return {code: label for label, code in feature.codes.items()}[value]


SHARES = (
    "volume",
    "size",
    "short_volume",
    "short_exempt_volume",
    "total_volume",
    "open_interest",
    "bid_size",
    "ask_size",
)
DOLLARS = ("open", "high", "low", "close", "price", "strike", "bid", "ask", "spot")
OF_SHARES = ("equity_bars", "intraday_bars", "order_books", "trades", "short_volume", "option_quotes")


def split(tables: Tables, symbol: str, first: dt.date | None, ratio: float) -> dict[str, pl.DataFrame]:
    """Return the tables as if from a session on each share of a symbol had been split into ``ratio`` of them.

    The adjustment factor says so. Without a session the market has always traded such shares, and nothing says so.
    """
    is_split = pl.col("symbol") == symbol
    if first is not None:
        is_split &= pl.col("session") >= first

    def times(frame: pl.DataFrame, names: Sequence[str], factor: float) -> pl.DataFrame:
        own = [name for name in names if name in frame.columns]
        return frame.with_columns(pl.when(is_split).then(pl.col(own) * factor).otherwise(pl.col(own)))

    changed = dict(tables)
    for name in OF_SHARES:
        if f"raw.{name}" in tables:
            frame = times(times(tables[f"raw.{name}"], DOLLARS, 1.0 / ratio), SHARES, ratio)
            changed[f"raw.{name}"] = frame if first is None else times(frame, ["adjustment_factor"], ratio)
    return changed


def dear_contracts(tables: Tables) -> dict[str, pl.DataFrame]:
    """Return the tables with contracts alone whose time value is far from the cents below which a quote says nothing.

    The rules that clean chains speak of ticks of a cent: a quote of 5 cents has a volatility, a fourth of it has none.
    """
    spot, strike = pl.col("spot"), pl.col("strike")
    exercise = pl.when(pl.col("right") == "C").then(spot - strike).otherwise(strike - spot).clip(lower_bound=0.0)
    is_dear = ((pl.col("bid") + pl.col("ask")) / 2 - exercise >= 0.40) & (pl.col("bid") > 0.20)
    return {**tables, "raw.option_quotes": tables["raw.option_quotes"].filter(is_dear)}
