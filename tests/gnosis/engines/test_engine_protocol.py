"""From results of processors to rows of a table: nulls, labels, flags, reasons, and what does not fit."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from gnosis.engines.protocol import (
    ProcessorResult,
    columns_of,
    engine_confidence,
    engine_frame,
    joined_reasons,
    united_reasons,
)
from gnosis.reasons import REASONS
from gnosis.tables import TABLES
from gnosis.tables.engines import PROCESSORS

TABLE = "engines.liquidity"
SCHEMA = TABLES[TABLE].polars_schema
KEYS = pl.DataFrame(
    {
        "session": [dt.date(2019, 5, 2), dt.date(2019, 5, 1)],
        "symbol": ["A", "B"],
        "as_of": [dt.datetime(2019, 5, day, 20, tzinfo=dt.UTC) for day in (2, 1)],
    }
)


def results(value=0.5, **extra):
    """Return a result for every processor of the table, the same value in every number."""
    made = {}
    for name, part in PROCESSORS["liquidity"].items():
        own = {f"{name}_confidence", f"{name}_is_proxy", f"{name}_reasons"}
        columns = [column for column in part.columns() if column not in own]
        values = {column: np.full(2, value if isinstance(SCHEMA[column], pl.Float64) else 1.0) for column in columns}
        made[name] = ProcessorResult(values, np.array([0.25, 0.75]), {"NO_BOOK": np.array([True, False])})
    return made | extra


def rest(made):
    """Return the columns that are the interpreter's."""
    given = {column for result in made.values() for column in result.values} | set(KEYS.columns)
    given |= {f"{name}_{part}" for name in made for part in ("confidence", "is_proxy", "reasons")}
    return {name: pl.Series(name, [None, None], dtype=dtype) for name, dtype in SCHEMA.items() if name not in given}


def test_rows_have_the_schema_and_order_of_the_table():
    made = results()
    frame = engine_frame(KEYS, made, TABLE, **rest(made))
    assert dict(frame.schema) == dict(SCHEMA)
    assert frame["symbol"].to_list() == ["B", "A"]
    assert frame["order_book_imbalance_confidence"].to_list() == [0.75, 0.25]
    assert frame["order_book_imbalance_reasons"].to_list() == ["", "NO_BOOK"]
    assert frame["order_book_imbalance_is_proxy"].to_list() == [False, False]
    assert frame["spread_regime"].to_list() == ["normal", "normal"]
    assert frame["liq_iceberg_alert"].to_list() == [True, True]


def test_a_missing_column_and_a_foreign_one_are_named():
    made = results()
    columns = rest(made)
    columns.pop("provider")
    with pytest.raises(ValueError, match=r"expected columns \['provider'\] from the processors or the interpreter"):
        engine_frame(KEYS, made, TABLE, **columns)
    with pytest.raises(ValueError, match="expected a column of the table, found 'liq_scroe'"):
        engine_frame(KEYS, made, TABLE, **rest(made), liq_scroe=np.zeros(2))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("liq_score", [0.5, np.nan], [0.5, None]),
        ("liq_iceberg_alert", [1.0, np.nan], [True, None]),
        ("liq_n_voids", [3.0, np.nan], [3, None]),
        ("spread_regime", [0.0, np.nan], ["tight", None]),
    ],
)
def test_unknown_values_are_null(name, given, expected):
    column = columns_of({name: np.array(given)}, SCHEMA)[name]
    assert column.to_list() == expected
    assert column.dtype == SCHEMA[name]
    assert columns_of({name: np.zeros(0)}, SCHEMA)[name].to_list() == []


def test_whole_numbers_flags_and_series_pass():
    assert columns_of({"liq_n_voids": np.array([3, 4])}, SCHEMA)["liq_n_voids"].to_list() == [3, 4]
    assert columns_of({"liq_iceberg_alert": np.array([True, False])}, SCHEMA)["liq_iceberg_alert"].to_list() == [
        True,
        False,
    ]
    assert columns_of({"liq_score": pl.Series([0.5, None])}, SCHEMA)["liq_score"].to_list() == [0.5, None]


@pytest.mark.parametrize("code", [-1.0, 3.0, 0.5])
def test_a_position_without_a_label_is_an_error(code):
    with pytest.raises(ValueError, match=r"spread_regime: expected positions in \['tight', 'normal', 'wide'\]"):
        columns_of({"spread_regime": np.array([1.0, code])}, SCHEMA)["spread_regime"]


@pytest.mark.parametrize("count", [2.7, -0.5, 3.0 + 1e-12])
def test_a_count_that_is_not_whole_is_an_error(count):
    with pytest.raises(ValueError, match=f"liq_n_voids: expected whole numbers, NaN where unknown, found {count}"):
        columns_of({"liq_n_voids": np.array([1.0, np.nan, count])}, SCHEMA)["liq_n_voids"]


def test_infinite_values_are_an_error():
    with pytest.raises(ValueError, match="liq_score: expected finite values, NaN where unknown, found inf"):
        columns_of({"liq_score": np.array([np.nan, np.inf])}, SCHEMA)["liq_score"]


def test_reasons_stand_in_the_order_of_the_registry():
    codes = list(REASONS)
    given = {code: np.array([True, number % 2 == 0, False]) for number, code in enumerate(reversed(codes))}
    assert joined_reasons(given, 3).to_list()[0] == ",".join(codes)
    assert joined_reasons(given, 3).to_list()[2] == ""
    assert joined_reasons({}, 2).to_list() == ["", ""]
    assert joined_reasons({"NO_BOOK": np.zeros(0, bool)}, 0).to_list() == []
    assert joined_reasons({"NO_BOOK": np.zeros(0, bool), "NO_CHAIN": np.zeros(0, bool)}, 0).to_list() == []
    with pytest.raises(ValueError, match=r"found \['NO_BOOKS'\]"):
        joined_reasons({"NO_BOOKS": np.zeros(1, bool)}, 1)


def test_reasons_of_processors_unite():
    both = {
        "a": ProcessorResult({}, np.zeros(2), {"NO_BOOK": np.array([True, False]), "NO_CHAIN": np.zeros(2, bool)}),
        "b": ProcessorResult({}, np.zeros(2), {"NO_BOOK": np.array([False, True])}),
    }
    united = united_reasons(both)
    assert {code: where.tolist() for code, where in united.items()} == {
        "NO_BOOK": [True, True],
        "NO_CHAIN": [False, False],
    }
    assert both["a"].reasons["NO_BOOK"].tolist() == [True, False]


def test_confidence_of_the_engine():
    both = {name: ProcessorResult({}, np.array([c])) for name, c in (("a", 0.5), ("b", 1.0))}
    assert engine_confidence(both, {"a": 0.2, "b": 0.8}) == pytest.approx(0.9)
    for weights in ({"a": 1.0}, {"a": 0.5, "b": 0.6}, {"a": 0.5, "c": 0.5}):
        with pytest.raises(ValueError, match="expected one for each of"):
            engine_confidence(both, weights)


def test_the_same_results_give_the_same_bytes():
    made = results(value=1 / 3)
    frames = [engine_frame(KEYS, made, TABLE, **rest(made)) for _ in range(2)]
    assert frames[0].equals(frames[1], null_equal=True)
