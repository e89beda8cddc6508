"""What must hold for every feature of the registry, whoever wrote it.

Features of the engines are held to it on the simulated market of :mod:`tests.gnosis.features.engine_market`, those of
the feature library on the market of ``conftest.py`` with its halts, late rows, splits and revisions.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from gnosis.features.feature import Feature
from gnosis.features.matrix import matrix
from gnosis.features.proofs import nightly_proof, poison_proof, sample_pairs, truncation_proof
from gnosis.features.registry import BY_NAME, FEATURES, GROUPS, lookback_of
from gnosis.sessions import shift_session
from gnosis.tables import TABLES
from tests.gnosis.features.engine_market import CHAINED, ENGINES, POINTS, last_sessions, market_tables, night_rows
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.worlds import (
    ENGINE_OF,
    KEY,
    LIBRARY,
    ORIGIN,
    OWN_ENGINE,
    World,
    dear_contracts,
    engine_features,
    engine_world,
    in_words,
    library_rows,
    library_world,
    names_of,
    newest,
    since,
    split,
)

pytestmark = pytest.mark.xdist_group("engine_market")

Tables = Mapping[str, pl.DataFrame]
PROVEN_PAIRS = {"hedge": 12, "liquidity": 18, "sentiment": 18, "technical": 36, "regime": 36, "macro": 36}
VARIANT_SESSIONS = 8
TWIN_SESSIONS = 3
TWIN_MODULES = ("hedge", "liquidity", "sentiment_sources", "sentiment_prices", "technical", "regime", "macro")

CANNOT_HOLD: dict[str, dict[str, str]] = {
    "varies": {"regime_session": "a daily bar always ends in the regular session"},
    "known": {
        "liq_hidden_accumulation": "null when fewer than 3 of the last 20 published sessions were quiet",
    },
    "fewest": {
        **dict.fromkeys(
            names_of("macro"), "how old an observation may be is a matter of its reference date, see test_feature_macro"
        ),
        "hedge_primary_regime": "with skews of every session it is known earlier than with monthly expiries",
        "hedge_jump_risk_regime": "with skews of every session it is known earlier than with monthly expiries",
    },
    "shares": {},
}
"""By property the features that it cannot hold for, and why. Whatever is not named here is held to all of them."""


def holds(what: str, feature: Feature) -> bool:
    return feature.name not in CANNOT_HOLD[what]


@pytest.fixture(scope="module")
def engines() -> dict[str, pl.DataFrame]:
    return market_tables()


@pytest.fixture(scope="module")
def worlds(market: Tables, engines: Tables) -> dict[str, World]:
    of_library = {group: library_world(group, market, ("PLAIN",)) for group in LIBRARY}
    return of_library | {group: engine_world(group, engines) for group in OWN_ENGINE}


@pytest.fixture(scope="module")
def rows(market: Tables, engines: Tables) -> dict[str, pl.DataFrame]:
    """Rows of the table of each group, all that its market has."""
    return {group: library_rows(group, market) for group in LIBRARY} | engine_features(engines, engines)


@pytest.fixture(scope="module")
def whole(engines: Tables) -> pl.DataFrame:
    """Rows of the matrix of the engines' market."""
    of_engines = engine_features(engines, engines)
    keys = of_engines["hedge"].select(KEY)
    of_library = {group: library_rows(group, engines).join(keys, on=KEY, how="semi") for group in LIBRARY}
    return matrix(of_engines | of_library)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def cut(worlds: dict[str, World]) -> Callable[[str, int], pl.DataFrame]:
    """Return the rows of a group's newest session made from its last ``count`` sessions alone; from all if 0."""

    @cache
    def made(group: str, count: int) -> pl.DataFrame:
        world = worlds[group]
        last = newest(world.tables)
        given = since(world.tables, shift_session(last, 1 - count)) if count else dict(world.tables)
        if group in LIBRARY and not count:
            given["raw.equity_bars"] = world.tables["raw.equity_bars"]
        return world.night(given).filter(pl.col("symbol").is_in(world.symbols))

    return made


@pytest.fixture(scope="module")
def variants(market: Tables, engines: Tables) -> dict[str, dict[str, pl.DataFrame]]:
    """Rows of every group from inputs that say the same in another way, per variant."""
    renaming = {**dict(zip(POINTS, ("ZED", "MID", "ALF"), strict=True)), "PLAIN": "AAB"}
    back = {new: old for old, new in renaming.items()}
    first = {"engines": last_sessions(VARIANT_SESSIONS - 2)[0], "library": market["raw.equity_bars"]["session"].max()}
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


@pytest.fixture(scope="module")
def twins() -> dict[str, Callable[[Seen], object]]:
    return _of_twins("TWINS")


@pytest.fixture(scope="module")
def numbers() -> dict[str, Callable[[], tuple[object, object]]]:
    return _of_twins("NUMBERS")


@pytest.fixture(scope="module")
def tolerance() -> dict[str, float]:
    return _of_twins("TOLERANCE")


def _of_twins(what: str) -> dict:
    found: dict = {}
    for name in TWIN_MODULES:
        own = getattr(importlib.import_module(f"tests.gnosis.features.twins.{name}"), what, {})
        assert not found.keys() & own.keys()
        found |= own
    assert set(found) <= set(BY_NAME)
    return found


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
class TestEveryFeature:
    def test_dtype_unit_and_description(self, feature: Feature, rows: dict[str, pl.DataFrame]) -> None:
        group, whole = TABLES[f"features.{feature.group}"], TABLES["features.matrix"]
        exact = {"float": pl.Float64(), "int": pl.Int8(), "bool": pl.Boolean(), "category": pl.Int8()}[feature.dtype]
        assert rows[feature.group].schema[feature.name] == exact == group.polars_schema[feature.name]
        assert whole.polars_schema[feature.name] == (pl.Float32() if feature.dtype == "float" else exact)
        for table in (group, whole):
            assert table.unit(feature.name) == ("code" if feature.dtype == "category" else feature.unit)
            assert table.description(feature.name) == feature.description
        assert len(feature.description) > 20
        assert feature.description.endswith(".")
        if feature.group in ENGINE_OF:
            stored = TABLES[ENGINE_OF[feature.group]]
            labels = pl.Enum(feature.categories)
            wide = {"float": pl.Float64(), "int": pl.Int64(), "bool": pl.Boolean(), "category": labels}[feature.dtype]
            assert stored.polars_schema[feature.name] == wide
            assert stored.description(feature.name) == feature.description

    def test_has_values_that_vary(self, feature: Feature, rows: dict[str, pl.DataFrame]) -> None:
        values = rows[feature.group][feature.name].drop_nulls()
        assert values.len() > 100
        assert (values.n_unique() > 1) == holds("varies", feature)

    def test_range(self, feature: Feature, rows: dict[str, pl.DataFrame]) -> None:
        values = rows[feature.group][feature.name].drop_nulls()
        if feature.dtype == "category":
            assert set(values) <= set(feature.codes.values())
            return
        assert feature.dtype == "bool" or values.cast(pl.Float64).is_finite().all()
        if feature.low is not None:
            assert ((values > feature.low) if feature.is_low_open else (values >= feature.low)).all()
        if feature.high is not None:
            assert (values <= feature.high).all()

    def test_known_after_warm_up(self, feature: Feature, whole: pl.DataFrame) -> None:
        """On the simulated market every feature is known once there is history enough."""
        symbols = CHAINED if feature.group == "hedge" else POINTS
        recent = whole.filter(pl.col("session") >= last_sessions(100)[0], pl.col("symbol").is_in(symbols))
        assert recent.height == 100 * len(symbols)
        assert (recent[feature.name].null_count() == 0) == holds("known", feature)
        assert recent[feature.name].null_count() < 0.05 * recent.height

    def test_null_only_while_history_is_short(self, feature: Feature, rows: dict[str, pl.DataFrame]) -> None:
        if feature.group in ("technical", "regime"):
            values = rows[feature.group].filter(pl.col("symbol") == "PLAIN")[feature.name]
            warm_up = feature.fewest_sessions - 1
            # The indices lack four sessions late in the sample, never three in a row that were known.
            settled = values[warm_up:] if not feature.series else values[warm_up:550]
            assert values[:warm_up].null_count() == warm_up
            assert settled.null_count() == 0

    def test_lookback_is_exact(self, feature: Feature, cut: Callable[[str, int], pl.DataFrame]) -> None:
        """More history than the lookback changes no bit."""
        exactly, more = (cut(feature.group, count)[feature.name] for count in (feature.lookback_sessions, 0))
        assert more.null_count() == 0
        assert_series_equal(exactly, more, check_exact=True)

    def test_null_below_the_fewest_sessions(self, feature: Feature, cut: Callable[[str, int], pl.DataFrame]) -> None:
        if feature.fewest_sessions > 1 and feature.group != "macro":
            fewer = cut(feature.group, feature.fewest_sessions - 1)[feature.name]
            assert fewer.null_count() == fewer.len() > 0
        enough = cut(feature.group, feature.fewest_sessions)[feature.name]
        assert (enough.null_count() < enough.len()) or not holds("fewest", feature)

    @pytest.mark.parametrize("proof", ["truncation", "poison", "nightly"])
    def test_proof(self, feature: Feature, proof: str, proofs: pl.DataFrame) -> None:
        found = proofs.filter(pl.col("feature") == feature.name, pl.col("proof") == proof).row(0, named=True)
        assert found["n_pairs"] == PROVEN_PAIRS[feature.group]
        # The market of the feature library is full of gaps, that of the engines is not.
        assert found["n_nulls"] <= (0.2 if feature.group in OWN_ENGINE else 0.8) * found["n_pairs"]
        assert found["n_failures"] == 0

    @pytest.mark.parametrize("variant", ["rows in another order", "other names, in reversed order"])
    def test_order_does_not_matter(self, feature: Feature, variant: str, variants: dict) -> None:
        told, plain = (variants[name][feature.group] for name in (variant, "plain"))
        assert_frame_equal(told.select(*KEY, feature.name), plain.select(*KEY, feature.name), check_exact=True)

    @pytest.mark.parametrize("variant", ["a 4:1 split", "shares of a 1.7th"])
    def test_what_a_share_is_does_not_matter(self, feature: Feature, variant: str, variants: dict) -> None:
        told, plain = (variants[name][feature.group][feature.name] for name in (variant, "plain"))
        assert told.null_count() < told.len()
        assert_series_equal(told, plain, rel_tol=1e-9, abs_tol=1e-10, check_exact=not plain.dtype.is_float())

    def test_twin_agrees(
        self, feature: Feature, twins: dict, tolerance: dict, rows: dict[str, pl.DataFrame], worlds: dict[str, World]
    ) -> None:
        world = worlds[feature.group]
        own = rows[feature.group].filter(pl.col("symbol").is_in(world.symbols)).sort("session").tail(400)
        sample = own.join(sample_pairs(own.tail(100), TWIN_SESSIONS, seed=feature.number), on=KEY, how="semi")
        assert sample.height == TWIN_SESSIONS
        for row in sample.iter_rows(named=True):
            expected = twins[feature.name](seen_at(row, feature, worlds))
            found = in_words(feature, row[feature.name])
            where = (row["symbol"], row["session"], found, expected)
            if isinstance(found, float) and expected is not None:
                assert math.isclose(found, expected, rel_tol=tolerance.get(feature.name, 1e-9), abs_tol=1e-12), where
            else:
                assert found == expected, where

    def test_number_made_by_hand(self, feature: Feature, numbers: dict, tolerance: dict) -> None:
        found, expected = numbers[feature.name]()
        assert expected is not None
        if isinstance(expected, float):
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        else:
            assert found == expected


def seen_at(row: dict, feature: Feature, worlds: dict[str, World]) -> Seen:
    """Return what the twin of a feature may see: of its own engine the rows of earlier sessions alone."""
    tables = dict(market_tables() if feature.group in OWN_ENGINE else worlds[feature.group].tables)
    if feature.group in OWN_ENGINE:
        for name in ENGINES[[*ENGINES].index(ENGINE_OF[feature.group]) :]:
            tables[name] = tables[name].filter(pl.col("session") < row["session"])
    return Seen(tables, row["symbol"], row["session"], row["as_of"])


@pytest.mark.parametrize("group", GROUPS)
class TestEveryGroup:
    def test_rows_are_those_of_the_bars_and_valid(self, group: str, worlds: dict, rows: dict) -> None:
        table, found = TABLES[f"features.{group}"], rows[group]
        assert found.schema == table.polars_schema
        table.schema.validate(found)
        bars = worlds[group].tables["raw.equity_bars"].select(*KEY, as_of="known_at", known_at="known_at").sort(KEY)
        assert_frame_equal(found.select(bars.columns), bars.join(found, on=KEY, how="semi"))
        assert found.height == (bars.height if group in LIBRARY else 900)

    @pytest.mark.parametrize("column", ORIGIN)
    def test_origin_knows_no_future(self, group: str, column: str, proofs: pl.DataFrame) -> None:
        assert proofs.filter(pl.col("feature") == column)["n_failures"].sum() == 0

    def test_no_bars_no_rows(self, group: str, worlds: dict, engines: Tables) -> None:
        tables = dict(worlds[group].tables)
        tables["raw.equity_bars"] = tables["raw.equity_bars"].clear()
        made = {ENGINE_OF[group]: TABLES[ENGINE_OF[group]].empty()} if group in ENGINE_OF else {}
        found = library_rows(group, tables) if group in LIBRARY else engine_features(tables, engines | made)[group]
        assert_frame_equal(found, TABLES[f"features.{group}"].empty())
