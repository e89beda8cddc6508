"""From an idea down to raw rows: what is cited is there, says what it said, and makes the same ideas again."""

from __future__ import annotations

import json

import duckdb
import polars as pl
import pytest

from assets.trades import PAST, WITH_HISTORY
from gnosis.tables import TABLES
from gnosis.trading.decision_state import HISTORY_SESSIONS
from gnosis.trading.ideas import MADE, Past, ideas
from gnosis.trading.lineage import lineage
from gnosis.trading.policy_inputs import READS
from resources.lake import Lake

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("homes")]

SESSIONS = 5
"""Of four symbols: twenty ideas."""


@pytest.fixture(scope="module")
def lake(night_home):
    return Lake(night_home)


@pytest.fixture(scope="module")
def days(lake):
    return lake.sessions("trades.ideas")[-SESSIONS:]


def made_again(lake, day, *, change=None):
    """Return the ideas of one evening from the rows that it could read, with one raw figure changed when asked."""
    calendar = lake.sessions("engines.elasticity")
    earlier = calendar[max(calendar.index(day) - HISTORY_SESSIONS, 0)]
    tables = {
        name: lake.read(
            name,
            first=earlier if name in WITH_HISTORY else day,
            last=day,
            columns=list(dict.fromkeys(("session", "symbol", "known_at", "provider", "synthetic", *columns))),
        )
        for name, columns in READS.items()
    }
    bars = lake.read("raw.equity_bars", last=day)
    if change is not None:
        bars = change(bars)
    predictions = lake.read("models.predictions", first=day, last=day)
    past = Past(*(lake.read(name, last=day).filter(pl.col("session") < day) for name in PAST))
    made = ideas(predictions, tables, bars, lake.read("models.labels", last=day), past)
    quotes = lake.read("raw.option_quotes", first=day, last=day)
    return made | {"trades.lineage": lineage(made, predictions, tables, bars, quotes)}


def test_twenty_ideas_are_made_again_to_the_bit(lake, days):
    n = 0
    for day in days:
        again = made_again(lake, day)
        for name in (*MADE, "trades.lineage"):
            stored = lake.read(name, first=day, last=day).sort(TABLES[name].key)
            assert stored.equals(again[name].sort(TABLES[name].key), null_equal=True), (name, day)
        n += again["trades.ideas"].height
    assert n == 20


def test_a_changed_price_is_found_by_its_hash_and_makes_another_idea(lake, days):
    def change(bars):
        is_last = (pl.col("session") == days[-1]) & (pl.col("symbol") == "IBM")
        return bars.with_columns(close=pl.when(is_last).then(pl.col("close") + 0.01).otherwise("close"))

    again = made_again(lake, days[-1], change=change)
    stored = lake.read("trades.lineage", first=days[-1], last=days[-1])
    key = ["child_table", "child_row", "parent_table", "parent_row"]
    both = stored.join(again["trades.lineage"], on=key, suffix="_again")
    assert both.height == stored.height
    other = both.filter(pl.col("parent_sha256") != pl.col("parent_sha256_again"))
    assert "raw.equity_bars" in set(other["parent_table"])
    assert set(again["trades.ideas"]["idea_id"]) != set(
        lake.read("trades.ideas", first=days[-1], last=days[-1])["idea_id"]
    )


def test_every_cited_row_is_stored_and_was_known_in_time(lake, days):
    edges = lake.read("trades.lineage", first=days[0], last=days[-1])
    decided = lake.read("trades.ideas", first=days[0], last=days[-1]).select("idea_id", "as_of")
    both = edges.join(decided, on="idea_id")
    assert both.height == edges.height
    assert not (both["parent_known_at"] > both["as_of"]).any()
    for (name,), part in edges.partition_by("parent_table", as_dict=True).items():
        if name == "models.trained":
            continue
        rows = lake.read(name, first=days[0], last=days[-1])
        cited = pl.DataFrame([json.loads(said) for said in part["parent_row"].unique().to_list()])
        text = rows.with_columns(pl.col(column).cast(pl.String) for column in cited.columns)
        wanted = cited.with_columns(pl.col(column).cast(pl.String) for column in cited.columns)
        assert wanted.join(text, on=cited.columns, how="anti").is_empty(), name


def test_one_query_goes_from_an_idea_to_quotes_bars_and_the_feature_row(night_home):
    with duckdb.connect(str(night_home / "gnosis.duckdb"), read_only=True) as connection:
        idea = connection.execute("select max(idea_id) from trades.ideas where structure is not null").fetchone()[0]
        found = connection.execute("select distinct parent_table from lineage(?)", [idea]).fetchall()
    assert {
        "trades.simulations", "trades.policy_votes", "models.predictions", "features.matrix", "engines.elasticity",
        "engines.liquidity", "engines.sentiment", "raw.option_quotes", "raw.equity_bars",
    } <= {name for (name,) in found}  # fmt: skip


def test_the_ledger_has_one_birth_row_per_idea_with_odds(lake):
    ledger = lake.read("trades.calibration")
    stated = lake.read("trades.ideas").filter(pl.col("p_event").is_not_null())
    born = ledger.filter(kind="birth")
    assert born["idea_id"].is_unique().all()
    assert set(born["idea_id"]) == set(stated["idea_id"])
    assert ledger.filter(kind="resolution").height > 0
