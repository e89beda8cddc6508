"""The long form of the engines holds what the wide tables hold, with units, labels, codes and reasons."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnosis.engines.processors import NO_CONVENTION, processor_rows
from gnosis.engines.regimes import REGIMES, codes
from gnosis.tables import TABLES
from gnosis.tables.engines.processors import PROCESSORS, VALUES

ENGINES = ("elasticity", "liquidity", "sentiment")


def is_label(dtype):
    return isinstance(dtype, pl.Enum)


def cell(column, dtype, n):
    """Return the n-th made-up value of a column, one in four unknown."""
    if n % 4 == 3 and column not in KEPT:
        return None
    if is_label(dtype):
        return dtype.categories[n % len(dtype.categories)]
    if isinstance(dtype, pl.List):
        return [1.0, 2.0]
    if dtype == pl.Boolean:
        return n % 2 == 0
    if dtype == pl.String:
        return "NO_BOOK" if column.endswith("reasons") else "text"
    return n if dtype.is_integer() else 0.25 + n / 1000


KEPT = {
    name
    for engine in ENGINES
    for processor in PROCESSORS[engine]
    for name in (f"{processor}_confidence", f"{processor}_is_proxy", f"{processor}_reasons")
}


def made(engine):
    """Return six rows: two sessions of three symbols, or of the conventions of one."""
    table = TABLES[f"engines.{engine}"]
    rows = []
    for n in range(6):
        row = {name: cell(name, dtype, n + place) for place, (name, dtype) in enumerate(table.polars_schema.items())}
        instant = pl.datetime(2019, 5, 1 + n % 2, 20, time_zone="UTC")
        row |= {"symbol": "ABC"[n // 2], "provider": "a+b", "synthetic": n % 2 == 1}
        if "sign_convention" in row:
            row |= {"symbol": "A", "sign_convention": ("naive", "customer_long", "inverted")[n // 2]}
        temporal = {name: instant for name, dtype in table.polars_schema.items() if dtype == pl.Datetime("us", "UTC")}
        row = {name: value for name, value in row.items() if name not in temporal and name != "session"}
        frame = pl.DataFrame([row], schema={name: t for name, t in table.polars_schema.items() if name in row})
        rows.append(frame.with_columns(session=instant.dt.date(), **temporal).select(list(table.polars_schema)))
    return pl.concat(rows).cast(table.polars_schema).sort(table.key)


@pytest.fixture(scope="module")
def wide():
    return {engine: made(engine) for engine in ENGINES}


@pytest.fixture(scope="module")
def long(wide):
    return processor_rows(wide)


def test_rows_are_those_of_the_table(long):
    table = TABLES["engines.processors"]
    assert long.schema == table.polars_schema
    assert_frame_equal(long, long.sort(table.key))
    assert long.select(table.key).is_unique().all()
    assert long["value"].is_finite().all()


@pytest.mark.parametrize("engine", ENGINES)
def test_eight_processors_of_every_row_give_their_confidence(wide, long, engine):
    frame = wide[engine]
    own = long.filter(engine=engine)
    assert set(own["processor"]) == set(PROCESSORS[engine])
    assert len(PROCESSORS[engine]) == 8
    confidences = own.filter(name="confidence")
    assert confidences.height == 8 * frame.height
    assert set(confidences["unit"]) == {"ratio"}
    assert confidences["text"].null_count() == confidences.height
    assert (confidences["value"] == confidences["confidence"]).all()


def key_of(engine, frame):
    convention = pl.col("sign_convention").cast(pl.String) if engine == "elasticity" else pl.lit(NO_CONVENTION)
    return frame.with_columns(sign_convention=convention)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_value_is_the_one_of_the_wide_table(wide, long, engine):
    frame = key_of(engine, wide[engine])
    table = TABLES[f"engines.{engine}"]
    key = ["session", "symbol", "sign_convention"]
    own = long.with_columns(pl.col("sign_convention").cast(pl.String))
    for processor, columns in VALUES[engine].items():
        for name in columns:
            found = own.filter(engine=engine, processor=processor, name=name)
            dtype = table.polars_schema[name]
            if isinstance(dtype, pl.List):
                assert found.is_empty()
                continue
            value, text = pl.col(name).cast(pl.Float64, strict=False), pl.lit(None, pl.String)
            if is_label(dtype):
                values = codes(name) if name in REGIMES else {label: n for n, label in enumerate(dtype.categories)}
                text = pl.col(name).cast(pl.String)
                value = text.replace_strict(values, return_dtype=pl.Float64)
            wanted = frame.drop_nulls(name).select(
                *key,
                "as_of",
                "known_at",
                "provider",
                "synthetic",
                value=value,
                text=text,
                unit=pl.lit(table.unit(name)),
                confidence=f"{processor}_confidence",
                is_proxy=f"{processor}_is_proxy",
                reasons=f"{processor}_reasons",
            )
            assert_frame_equal(
                found.select(wanted.columns).with_columns(pl.col("unit").cast(pl.String)).sort(key), wanted.sort(key)
            )


def test_nothing_is_left_out(wide, long):
    for engine in ENGINES:
        table = TABLES[f"engines.{engine}"].polars_schema
        scalar = {
            name
            for columns in VALUES[engine].values()
            for name in columns
            if not isinstance(table[name], pl.List) and wide[engine][name].count()
        }
        assert set(long.filter(engine=engine)["name"].cast(pl.String)) == scalar | {"confidence"}


def test_flags_are_nought_and_one(wide, long):
    flags = [
        name
        for engine in ENGINES
        for columns in VALUES[engine].values()
        for name in columns
        if wide[engine].schema[name] == pl.Boolean
    ]
    assert len(flags) > 5
    found = long.filter(pl.col("name").cast(pl.String).is_in(flags))
    assert set(found["value"]) == {0.0, 1.0}


def test_engines_alone_together_and_in_any_order(wide, long):
    alone = pl.concat([processor_rows({engine: wide[engine]}) for engine in ENGINES])
    assert long.equals(alone.sort(TABLES["engines.processors"].key))
    shuffled = {engine: wide[engine].sample(fraction=1.0, shuffle=True, seed=3) for engine in reversed(ENGINES)}
    assert long.equals(processor_rows(shuffled))


def test_unknown_engines_and_missing_columns_are_named(wide):
    with pytest.raises(ValueError, match=r"expected engines out of .*found \['weather'\]"):
        processor_rows({"weather": wide["liquidity"]})
    with pytest.raises(ValueError, match=r"engines\.liquidity: expected the columns \['depth_profile_reasons'\]"):
        processor_rows({"liquidity": wide["liquidity"].drop("depth_profile_reasons")})
