"""What must hold for every feature of the registry, whoever wrote it.

Features of the engines are held to it on the simulated market of :mod:`tests.gnosis.features.engine_market`, those of
the feature library on that of :mod:`tests.gnosis.features.flawed_market`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from gnosis.features.feature import Feature
from gnosis.features.proofs import sample_pairs
from gnosis.features.registry import FEATURES, GROUPS
from gnosis.tables import TABLES
from tests.gnosis.features.engine_market import CHAINED, ENGINES, POINTS, last_sessions, market_tables
from tests.gnosis.features.seen import Seen
from tests.gnosis.features.worlds import (
    ENGINE_OF,
    KEY,
    LIBRARY,
    ORIGIN,
    OWN_ENGINE,
    PROVEN_PAIRS,
    SPLIT_SESSION,
    World,
    engine_features,
    in_words,
    library_rows,
    names_of,
)

pytestmark = pytest.mark.xdist_group("engine_market")

Tables = Mapping[str, pl.DataFrame]
TWIN_PAIRS = 3

CANNOT_HOLD: dict[str, dict[str, str]] = {
    "varies": {"regime_session": "a daily bar always ends in the regular session"},
    "always known": {"sent_wsb_score": "null on a day on which nobody on r/wallstreetbets names the symbol"},
    "known from the fewest sessions on": {
        **dict.fromkeys(
            names_of("macro"), "how old an observation may be is a matter of its reference date, see test_feature_macro"
        ),
        "hedge_primary_regime": "with skews of every session it is known earlier than with monthly expiries",
        "hedge_jump_risk_regime": "with skews of every session it is known earlier than with monthly expiries",
        "sent_gex": "with the chain of an index fund, there at the close, a session earlier than with the file",
        "liq_hidden_accumulation": "known as soon as three sessions were quiet, which took longer here",
    },
    "on the session of a split": {
        "hedge_confidence": "every contract listed the session before is gone, and its quality of data says so",
        **dict.fromkeys(
            ("sent_bias", "sent_strength", "sent_energy", "sent_confidence", "sent_top_driver_contribution"),
            "weighs the reading of the options by the confidence of the chain, see hedge_confidence",
        ),
    },
}
"""By property the features that it cannot hold for, and why. Whatever is not named here is held to all of them."""


def holds(what: str, feature: Feature) -> bool:
    return feature.name not in CANNOT_HOLD[what]


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
        assert (recent[feature.name].null_count() == 0) == holds("always known", feature)
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

    def test_null_below_the_fewest_sessions(self, feature: Feature, cut: Callable, made_anew: Callable) -> None:
        group, fewest = feature.group, feature.fewest_sessions
        if fewest > 1 and group != "macro":
            fewer = cut(group, fewest - 1)[feature.name]
            if fewer.null_count() < fewer.len():
                # The stored rows that are left were made from more sessions.
                fewer = made_anew(group, fewest - 1)[feature.name]
            assert fewer.null_count() == fewer.len() > 0
        enough = cut(group, fewest)[feature.name]
        assert (enough.null_count() < enough.len()) or not holds("known from the fewest sessions on", feature)

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
        compared = [variants[name][feature.group] for name in (variant, "plain")]
        if not holds("on the session of a split", feature):
            compared = [frame.filter(pl.col("session") != SPLIT_SESSION) for frame in compared]
        told, plain = (frame[feature.name] for frame in compared)
        assert told.null_count() < told.len()
        assert_series_equal(told, plain, rel_tol=1e-9, abs_tol=1e-10, check_exact=not plain.dtype.is_float())

    def test_twin_agrees(
        self, feature: Feature, twins: dict, rows: dict[str, pl.DataFrame], worlds: dict[str, World]
    ) -> None:
        world = worlds[feature.group]
        own = rows[feature.group].filter(pl.col("symbol").is_in(world.symbols)).sort(KEY).tail(100)
        sample = own.join(sample_pairs(own, TWIN_PAIRS, seed=feature.number), on=KEY, how="semi")
        assert sample.height == TWIN_PAIRS
        for row in sample.iter_rows(named=True):
            expected = twins[feature.name](seen_at(row, feature, worlds))
            found = in_words(feature, row[feature.name])
            where = (row["symbol"], row["session"], found, expected)
            if isinstance(found, float) and expected is not None:
                assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12), where
            else:
                assert found == expected, where

    def test_number_made_by_hand(self, feature: Feature, numbers: dict) -> None:
        found, expected = numbers[feature.name]()
        assert expected is not None
        if isinstance(expected, float):
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
        else:
            assert found == expected


def seen_at(row: dict, feature: Feature, worlds: dict[str, World]) -> Seen:
    """Return what the twin of a feature may see: of the row that its engine stored, everything but features."""
    if feature.group in LIBRARY:
        return Seen(worlds[feature.group].tables, row["symbol"], row["session"], row["as_of"])
    tables = dict(market_tables())
    for group, name in ENGINE_OF.items():
        if ENGINES.index(name) >= ENGINES.index(ENGINE_OF[feature.group]):
            past = pl.col("session") < row["session"]
            tables[name] = tables[name].with_columns(pl.when(past).then(pl.col(names_of(group))))
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
