"""Which processor makes which of the 141 features: a partition, and each column as its definition asks."""

from __future__ import annotations

import dataframely as dy
import pytest

from gnosis.features import BY_NAME, FEATURES, Feature, features_of
from gnosis.tables import TABLES
from gnosis.tables.engines import PROCESSORS

INTERPRETER = "state"
ENGINE_OF = {"hedge": "elasticity", "liquidity": "liquidity", "sentiment": "sentiment"}
OF_ENGINES = [feature for feature in FEATURES if feature.group in ENGINE_OF]
MAP = {
    "greek_field_mapper": [21],
    "dealer_positioning": [1, 2, 3, 11, 14, 16, 24],
    "vanna_flow": [12, 17, 23],
    "charm_decay": [13, 18],
    "elasticity_field": [4, 6, 7],
    "movement_energy": [5, 8, 9, 10, 20],
    "regime_and_flip": [15, 19, 22],
    "order_book_imbalance": [33, 35],
    "slippage_field": [26],
    "impact_and_lambda": [27, 28],
    "toxicity_vpin": [34],
    "dark_pool_and_shorts": [41, 42, 50, 51, 52],
    "structure_and_regime": [25, *range(29, 33), *range(36, 41), 43, 44, 45, 47, 48],
    "reddit": [113],
    "stocktwits": [112],
    "flow_and_dark_pool": [61, *range(90, 97)],
    "technical_regime": [*range(58, 61), *range(62, 90), *range(97, 112)],
    INTERPRETER: [46, 49, *range(53, 58), 114],
    "": [*range(115, 142)],
}
"""Features of each processor by number, as the specification of the engines lists them."""
KINDS = {"float": dy.Float64, "int": dy.Int64, "bool": dy.Bool, "category": dy.Enum}


def test_map_is_a_partition_of_the_features() -> None:
    assert sorted(number for own in MAP.values() for number in own) == list(range(1, 142))


@pytest.mark.parametrize("producer", MAP)
def test_features_name_their_producer(producer: str) -> None:
    assert [feature.number for feature in FEATURES if feature.producer == producer] == MAP[producer]


@pytest.mark.parametrize("group", ENGINE_OF)
def test_processors_hold_exactly_their_features(group: str) -> None:
    engine = ENGINE_OF[group]
    for processor, part in PROCESSORS[engine].items():
        held = [name for name in part.columns() if name in BY_NAME]
        assert sorted(held) == sorted(f.name for f in FEATURES if f.producer == processor), processor
    producers = {feature.producer for feature in features_of(group)}
    assert producers <= {*PROCESSORS[engine], INTERPRETER}


@pytest.mark.parametrize("group", ENGINE_OF)
def test_features_of_the_interpreter_belong_to_no_processor(group: str) -> None:
    engine = ENGINE_OF[group]
    names = {feature.name for feature in features_of(group) if feature.producer == INTERPRETER}
    assert names <= set(TABLES[f"engines.{engine}"].polars_schema)
    assert not names & {column for part in PROCESSORS[engine].values() for column in part.columns()}


@pytest.mark.parametrize("feature", OF_ENGINES, ids=lambda feature: feature.name)
def test_column_of_the_engine_is_as_declared(feature: Feature) -> None:
    table = TABLES[f"engines.{ENGINE_OF[feature.group]}"]
    column = table.schema.columns()[feature.name]
    assert type(column) is KINDS[feature.dtype]
    assert column.nullable
    if isinstance(column, dy.Enum):
        assert tuple(column.dtype.categories) == feature.categories
    elif not isinstance(column, dy.Bool):
        assert column.max == feature.high
        assert (column.min_exclusive if feature.is_low_open else column.min) == feature.low


@pytest.mark.parametrize("engine", ENGINE_OF.values())
def test_an_engine_has_no_feature_of_another_group(engine: str) -> None:
    (group,) = (name for name, own in ENGINE_OF.items() if own == engine)
    held = [name for name in TABLES[f"engines.{engine}"].polars_schema if name in BY_NAME]
    assert sorted(held) == sorted(feature.name for feature in features_of(group))
