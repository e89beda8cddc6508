"""Two markets, how features are made on them, and everything that is made of them once and asked about often.

Features of the engines live on the simulated market of :mod:`tests.gnosis.features.engine_market`, those of the feature
library on that of :mod:`tests.gnosis.features.flawed_market`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import polars as pl
import pytest

from gnosis.features.matrix import matrix
from gnosis.features.proofs import nightly_proof, poison_proof, sample_pairs, truncation_proof
from gnosis.features.registry import BY_NAME, lookback_of
from gnosis.sessions import shift_session
from gnosis.tables import TABLES
from tests.gnosis.features.engine_market import CHAINED, ENGINES, POINTS, last_sessions, market_tables, night_rows
from tests.gnosis.features.flawed_market import flawed_tables
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.worlds import (
    KEY,
    LIBRARY,
    ORIGIN,
    OWN_ENGINE,
    PROVEN_PAIRS,
    SPLIT_SESSION,
    VARIANT_SESSIONS,
    World,
    dear_contracts,
    engine_features,
    engine_rows,
    engine_world,
    library_rows,
    library_world,
    names_of,
    newest,
    since,
    split,
)

Tables = Mapping[str, pl.DataFrame]
TWIN_MODULES = ("hedge", "liquidity", "sentiment_sources", "sentiment_prices", "technical", "regime", "macro")


@pytest.fixture(scope="session")
def market() -> dict[str, pl.DataFrame]:
    """Bars of five symbols, two indices and the economy over 640 sessions, by table name."""
    return flawed_tables()


@pytest.fixture(scope="session")
def computed(market: Tables) -> dict[str, pl.DataFrame]:
    """Per group of the feature library, the rows of the whole market."""
    return {group: library_rows(group, market) for group in LIBRARY}


@pytest.fixture(scope="session")
def engines() -> dict[str, pl.DataFrame]:
    return market_tables()


@pytest.fixture(scope="session")
def worlds(market: Tables, engines: Tables) -> dict[str, World]:
    of_library = {group: library_world(group, market, ("PLAIN",)) for group in LIBRARY}
    return of_library | {group: engine_world(group, engines) for group in OWN_ENGINE}


@pytest.fixture(scope="session")
def rows(computed: Tables, engines: Tables) -> dict[str, pl.DataFrame]:
    """Rows of the table of each group, all that its market has."""
    return dict(computed) | engine_features(engines, engines)


@pytest.fixture(scope="session")
def whole(engines: Tables) -> pl.DataFrame:
    """Rows of the matrix of the engines' market."""
    of_engines = engine_features(engines, engines)
    keys = of_engines["hedge"].select(KEY)
    of_library = {group: library_rows(group, engines).join(keys, on=KEY, how="semi") for group in LIBRARY}
    return matrix(of_engines | of_library)


@pytest.fixture(scope="session")
def proofs(worlds: dict[str, World], rows: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Every proof of every column of every group."""
    found = []
    for group, world in worlds.items():
        columns = [*names_of(group), *ORIGIN]
        if group in OWN_ENGINE:
            pairs = world.compute(world.tables).filter(pl.col("symbol").is_in(world.symbols))
        else:
            # Rows whose whole lookback lies inside the market.
            sessions = rows[group]["session"].unique().sort()
            recent = rows[group].filter(pl.col("session") > sessions[lookback_of("regime")])
            pairs = sample_pairs(recent, PROVEN_PAIRS[group], seed=5)
        given = (world.tables, pairs)
        found += [
            truncation_proof(world.compute, *given, columns),
            poison_proof(world.compute, *given, columns, seed=9),
            nightly_proof(world.compute, *given, lookback_of(group), columns, night=world.night),
        ]
    return pl.concat(found)


@pytest.fixture(scope="session")
def cut(worlds: dict[str, World]) -> Callable[[str, int], pl.DataFrame]:
    """Return the rows of a group's newest session made from its last ``count`` sessions alone; from all if 0."""

    @cache
    def made(group: str, count: int) -> pl.DataFrame:
        world = worlds[group]
        first = shift_session(newest(world.tables), 1 - count)
        given = since(world.tables, first) if count else world.tables
        return world.night(given).filter(pl.col("symbol").is_in(world.symbols))

    return made


@pytest.fixture(scope="session")
def made_anew(engines: Tables) -> Callable[[str, int], pl.DataFrame]:
    """Return the same of a group of the engines, the rows that they stored of earlier sessions made anew as well."""

    @cache
    def made(group: str, count: int) -> pl.DataFrame:
        sessions = last_sessions(count)
        given = since(engines, sessions[0]) | {name: TABLES[name].empty() for name in ENGINES}
        found = engine_rows(group, given, sessions)
        symbols = CHAINED if group == "hedge" else POINTS
        return found.filter(pl.col("session") == sessions[-1], pl.col("symbol").is_in(symbols))

    return made


@pytest.fixture(scope="session")
def variants(market: Tables, engines: Tables) -> dict[str, dict[str, pl.DataFrame]]:
    """Rows of every group from inputs that say the same in another way, per variant."""
    renaming = {**dict(zip(POINTS, ("ZED", "MID", "ALF"), strict=True)), "PLAIN": "AAB"}
    back = {new: old for old, new in renaming.items()}
    first = {"engines": SPLIT_SESSION, "library": market["raw.equity_bars"]["session"].unique().sort()[-40]}
    given = {
        "engines": dear_contracts({name: frame for name, frame in engines.items() if name[:6] != "greeks"}),
        "library": dict(market),
    }

    def told(tables: Mapping[str, Tables]) -> dict[str, pl.DataFrame]:
        made = night_rows(tables["engines"], last_sessions(VARIANT_SESSIONS))
        found = engine_features(tables["engines"], made)
        found |= {group: library_rows(group, tables["library"]) for group in LIBRARY}
        old = {group: frame.with_columns(pl.col("symbol").replace(back)) for group, frame in found.items()}
        return {group: frame.filter(pl.col("symbol") != "SPLIT").sort(KEY) for group, frame in old.items()}

    def each(change: Callable[[str, pl.DataFrame], pl.DataFrame]) -> dict[str, dict[str, pl.DataFrame]]:
        return {world: {name: change(name, frame) for name, frame in own.items()} for world, own in given.items()}

    def shares(ratio: float, *, is_split: bool) -> dict[str, dict[str, pl.DataFrame]]:
        symbols = {"engines": "AAA", "library": "PLAIN"}
        return {
            world: split(own, symbols[world], first[world] if is_split else None, ratio) for world, own in given.items()
        }

    shuffle = np.random.default_rng(1)
    return {
        "plain": told(given),
        "rows in another order": told(each(lambda _, frame: frame[shuffle.permutation(frame.height)])),
        "other names, in reversed order": told(
            each(
                lambda _, frame: (
                    frame.with_columns(pl.col("symbol").replace(renaming)) if "symbol" in frame.columns else frame
                )
            )
        ),
        "a 4:1 split": told(shares(4.0, is_split=True)),
        "shares of a 1.7th": told(shares(1.7, is_split=False)),
    }


@pytest.fixture(scope="session")
def twins() -> dict[str, Callable[[Seen], object]]:
    return _of_twins("TWINS")


@pytest.fixture(scope="session")
def numbers() -> dict[str, Callable[[], tuple[object, object]]]:
    return _of_twins("NUMBERS")


def _of_twins(what: str) -> dict:
    found: dict = {}
    for name in TWIN_MODULES:
        own = getattr(importlib.import_module(f"tests.gnosis.features.twins.{name}"), what, {})
        assert not found.keys() & own.keys()
        found |= own
    assert set(found) <= set(BY_NAME)
    return found
