"""One registry of regime labels: tables, enumerations and stored codes agree."""

from __future__ import annotations

from enum import StrEnum

import polars as pl
import pytest

from gnosis.engines import regimes
from gnosis.engines.regimes import FIRST_CODE, REGIMES, codes, labels
from gnosis.tables import TABLES
from gnosis.tables.engines import PROCESSORS

ENGINES = {"elasticity", "liquidity", "sentiment"}
# Labels that are no regimes: sources, conventions, and readings of several regimes together.
OTHERS = {
    "sign_convention",
    "spot_vol_beta_source",
    "lambda_source",
    "revaluation",
    "certificate",
    "easier_direction",
    "interpretation",
    "spread_source",
    "dix_source",
    "gex_source",
}


def enumerations(engine):
    schema = TABLES[f"engines.{engine}"].polars_schema
    return {name: dtype for name, dtype in schema.items() if isinstance(dtype, pl.Enum)}


def test_every_regime_is_a_column_of_one_engine_and_every_other_label_is_named():
    found = [name for engine in sorted(ENGINES) for name in enumerations(engine)]
    assert sorted(name for name in found if name in REGIMES) == sorted(REGIMES)
    assert {name for name in found if name not in REGIMES} == OTHERS


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_labels_of_the_tables_are_those_of_the_registry(engine):
    own = {name: dtype for name, dtype in enumerations(engine).items() if name in REGIMES}
    assert {name: dtype.categories.to_list() for name, dtype in own.items()} == {name: labels(name) for name in own}


def test_every_processor_writes_at_most_the_regimes_of_its_engine():
    for engine, processors in PROCESSORS.items():
        for part in processors.values():
            assert {name for name in part.columns() if name in REGIMES} <= set(enumerations(engine))


def test_codes_are_positions():
    for name, labelled in REGIMES.items():
        first = FIRST_CODE.get(name, 0)
        assert list(codes(name)) == [label.value for label in labelled] == labels(name)
        assert list(codes(name).values()) == list(range(first, first + len(labelled)))
    assert FIRST_CODE == {"sent_bias": -1}
    assert codes("sent_bias") == {"bearish": -1, "neutral": 0, "bullish": 1}


def test_no_enumeration_is_left_over():
    own = {value for value in vars(regimes).values() if isinstance(value, type) and issubclass(value, StrEnum)}
    assert own - {StrEnum} == set(REGIMES.values())


def test_cuts_of_the_amplification_are_those_of_its_engine():
    assert regimes.DAMPING_BELOW < 1.0 < regimes.NEUTRAL_UP_TO < regimes.AMPLIFYING_UP_TO
