"""The engines' benchmark: its tables make rows of every engine, and its figures say what they are of."""

from __future__ import annotations

import datetime as dt
import importlib
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from gnosis.tables import TABLES

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SESSION = dt.date(2023, 12, 28)


@pytest.fixture(scope="module")
def benchmark():
    """Modules of the benchmark, found as when it is run as a script."""
    names = ("engines", "engine_world.market", "engine_world.measuring", "engine_world.parts", "engine_world.tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS"):
            patch.setenv(name, "1")
        found = {name.rpartition(".")[2]: importlib.import_module(name) for name in names}
    return SimpleNamespace(**found)


@pytest.fixture(scope="module")
def tables(benchmark):
    return benchmark.tables.tables_of(["AAA"], [SESSION], n_documents=40)


@pytest.mark.parametrize(("value", "verdict"), [(9.5, "limit 10 ms: yes"), (10.0, "limit 10 ms: NO")])
def test_a_figure_stands_beside_its_limit(benchmark, value, verdict):
    assert benchmark.measuring.line("whole call", value, "ms", 10.0).endswith(verdict)
    assert "limit" not in benchmark.measuring.line("whole call", value, "ms")


def test_inputs_are_made_anew_for_every_call_and_not_timed(benchmark):
    made, seen = iter(range(100)), []
    assert benchmark.measuring.median_ms(seen.append, lambda: next(made), runs=3, warm_ups=2) < 1.0
    assert seen == [0, 1, 2, 3, 4]
    result, used = benchmark.measuring.used(lambda: 7)
    assert (result, (used + used).wall_s) == (7, 2 * used.wall_s)


def test_the_reference_input_has_the_stated_size(benchmark, tables):
    assert (tables.chains.height, tables.chains["expiry"].n_unique()) == (2000, 10)
    assert tables.books.group_by("ts").len()["len"].to_list() == [40] * 390
    bars = tables.intraday.group_by("frequency").agg(pl.col("session").n_unique())
    assert dict(bars.cast({"frequency": pl.String}).iter_rows()) == {"5min": 61, "1min": 22}
    assert tables.bars.height == 321
    assert tables.posts.height + tables.news.height == tables.scores.height == 40
    names = {"chains": "greeks.option_greeks", "quotes": "raw.option_quotes", "bars": "raw.equity_bars"}
    names |= {"intraday": "raw.intraday_bars", "books": "raw.order_books", "trades": "raw.trades", "dix": "raw.dix"}
    names |= {
        "shorts": "raw.short_volume",
        "posts": "raw.posts",
        "news": "raw.news",
        "index_levels": "raw.index_levels",
    }
    for attribute, name in (names | {"scores": "engines.document_scores"}).items():
        TABLES[name].schema.validate(getattr(tables, attribute))


def test_every_engine_makes_rows_and_the_parts_of_a_call_are_timed_apart(benchmark, tables):
    made = benchmark.tables.run(tables)
    assert {name: rows.height for name, rows in made.rows.items() if name != "levels"} == {
        "liquidity": 1,
        "elasticity": 2,
        "sentiment": 1,
    }
    stored = benchmark.engines.past_of(made.rows)
    assert stored["liquidity"]["session"].n_unique() == stored["liquidity"].height == 252
    assert stored["elasticity"].schema == made.rows["elasticity"].schema

    state = benchmark.engines.elasticity_state

    def call():
        return benchmark.tables.elasticity_of(tables, made.rows["levels"], made.rows["liquidity"], None)

    parts = benchmark.parts.Parts(call, state, ("processed", "interpreted", "rows"), state.PROCESSES)
    calls = parts.prepared()
    assert [name for name, _ in calls] == ["processed", "interpreted"] * 2 + ["rows"]
    assert calls[0][1][0] is not parts.prepared()[0][1][0]
    parts.done(calls)
    assert set(parts.processor_ms(runs=1)) == set(state.PROCESSES)
    assert "function calls" in benchmark.measuring.profiled(call, calls=1)
