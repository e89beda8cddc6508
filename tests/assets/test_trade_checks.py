"""Checks of the trades room pass on what was made and fail on what is wrong, naming it."""

from __future__ import annotations

import polars as pl
import pytest

from assets.checks import Stored
from assets.trade_checks import CALIBRATION, TRADES
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from gnosis.trading.calibration_ledger import IDEA, extended
from gnosis.trading.lineage import lineage
from resources.lake import Lake
from tests.gnosis.trading.idea_world import idea_world


@pytest.fixture(scope="module")
def made():
    world = idea_world(30, symbols=2, edge=0.3, seed=4)
    rows = world.ideas()
    quotes = TABLES["raw.option_quotes"].empty()
    edges = lineage(rows, world.predictions, world.tables, world.bars, quotes)
    side = pl.when(pl.col("target_log") > 0.0).then(1).otherwise(-1)
    stated = rows["trades.ideas"].with_columns(side=side, model_version=pl.lit("none"))
    ideas = stated.select(list(IDEA)).cast(IDEA)
    last = schedule().filter(pl.col("session") == world.sessions[-1])["close_at"][0]
    bars = world.bars.filter(pl.col("session") >= world.sessions[0])
    ledger = extended(TABLES["trades.calibration"].empty(), ideas, bars, last)
    return rows | {"trades.lineage": edges, "trades.calibration": ledger}


@pytest.fixture
def lake(tmp_path, made):
    lake = Lake(tmp_path)
    ideas = made["trades.ideas"]
    lake.write("trades.ideas", ideas, ideas["session"].unique().sort().to_list(), run_id="one")
    return lake


CHECKS = {
    (table, check.name): check for room in (TRADES, CALIBRATION) for table, checks in room.items() for check in checks
}
ROWS_ALONE = [key for key in CHECKS if key[1] != "made_again"]


def looked(lake, made, key, change=None):
    table, _ = key
    rows = made[table] if change is None else change(made[table])
    days = made["trades.ideas"]["session"].unique().sort().to_list()
    return CHECKS[key].look(Stored(TABLES[table], lake, rows.lazy(), days))


@pytest.mark.parametrize("key", ROWS_ALONE, ids=".".join)
def test_what_was_made_passes(lake, made, key):
    found = looked(lake, made, key)
    assert found.passed, found.finding


def first_row(rows, **values):
    number = pl.int_range(pl.len())
    return rows.with_columns(
        pl.when(number == 0).then(value).otherwise(name).alias(name) for name, value in values.items()
    )


RESOLVED = pl.col("kind") == "resolution"
WRONG = {
    ("trades.policy_votes", "odds_and_roles"): lambda rows: rows.with_columns(
        p_up=pl.when(pl.col("policy") == "risk").then(0.5).otherwise("p_up")
    ),
    ("trades.policy_votes", "confidence_of_data"): lambda rows: rows.with_columns(
        p_up=pl.int_range(pl.len()) / (4 * pl.len()) + 0.6,
        confidence=pl.int_range(pl.len()) / pl.len(),
        policy=pl.lit("hedge"),
    ),
    ("trades.compositions", "adds_up"): lambda rows: first_row(rows, contribution_hedge=pl.col("z") + 1.0),
    ("trades.simulations", "sums_to_one"): lambda rows: first_row(rows, p_stop=pl.col("p_stop") + 0.01),
    ("trades.ideas", "complete"): lambda rows: first_row(rows, p_low=pl.lit(None)),
    ("trades.ideas", "event_is_a_label"): lambda rows: first_row(rows, target_log=pl.col("target_log") * 1.01),
    ("trades.lineage", "traced"): lambda rows: rows.filter(pl.col("parent_table") != "features.matrix"),
    ("trades.calibration", "unbroken_chain"): lambda rows: first_row(rows, p_event=pl.col("p_event") + 0.01),
    ("trades.calibration", "one_birth"): lambda rows: rows.filter(pl.col("sequence") != 1),
    ("trades.calibration", "not_early"): lambda rows: rows.with_columns(
        known_at=pl.col("known_at") - pl.when(RESOLVED).then(pl.duration(days=30)).otherwise(pl.duration(days=0)),
        outcome=pl.when(RESOLVED).then(pl.lit("horizon")).otherwise("outcome"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", ROWS_ALONE, ids=".".join)
def test_what_is_wrong_fails(lake, made, key):
    found = looked(lake, made, key, WRONG[key])
    assert not found.passed, found.finding


def test_a_parent_known_after_the_decision_fails(lake, made):
    def later(rows):
        return rows.with_columns(parent_known_at=pl.col("parent_known_at") + pl.duration(days=1))

    found = looked(lake, made, ("trades.lineage", "traced"), later)
    assert not found.passed
    assert "parents known later" in found.finding


def test_a_flat_idea_without_a_reason_fails(lake, made):
    found = looked(lake, made, ("trades.ideas", "complete"), lambda rows: rows.with_columns(veto=None, quantity=0))
    assert not found.passed
    assert "flat without a reason" in found.finding
