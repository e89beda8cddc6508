"""Predictions and ideas are published once: what is stored for a session stays, whatever part of a range is stored."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import dagster as dg
import polars as pl
import pytest

from assets.night import AGAIN_TAG, REPUBLISH_TAG, Night, UndeclaredReadError
from assets.table_asset import table_asset
from gnosis.sessions import schedule, sessions_between
from gnosis.tables import TABLES
from resources.lake import Lake
from resources.lake.errors import CorruptFileError

NAME = "trades.ideas"
SCHEMA = TABLES[NAME].polars_schema
DAYS = sessions_between(dt.date(2012, 3, 12), dt.date(2012, 3, 16))


def ideas_of(days, model):
    """Return rows with the model's name as the veto; what the other columns hold does not matter here."""
    closes = schedule().filter(pl.col("session").is_in(list(days))).select("session", known_at="close_at")
    filled = closes.with_columns(symbol=pl.lit("AAPL"), model_version=pl.lit(model), provider=pl.lit("x"))
    others = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in SCHEMA.items() if name not in filled.columns]
    return filled.with_columns(others).select(list(SCHEMA)).cast(SCHEMA)


def night_of(lake, sessions, said=None, **tags):
    say = (lambda line: None) if said is None else said.append
    return Night(NAME, tuple(sessions), frozenset(), "run", lake, None, None, say, say, tags)


def asset_of(model, asked):
    @table_asset(NAME)
    def ideas(night):
        """Ideas."""
        asked.append(night.sessions)
        return ideas_of(night.sessions, model)

    return ideas


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    lake.write(NAME, ideas_of(DAYS[1:3], "old"), DAYS[1:3], run_id="first")
    return lake


def models_by_day(rows):
    return dict(rows.frame.sort("session").select("session", "model_version").rows())


def test_of_a_range_only_what_is_not_stored_is_made(lake):
    asked = []
    rows = asset_of("new", asked)._rows(night_of(lake, DAYS))[NAME]
    assert asked == [(DAYS[0], DAYS[3], DAYS[4])]
    assert models_by_day(rows) == dict(zip(DAYS, ["new", "old", "old", "new", "new"], strict=True))


def test_nothing_is_computed_when_all_is_stored(lake):
    asked, said = [], []
    rows = asset_of("new", asked)._rows(night_of(lake, DAYS[1:3], said))[NAME]
    assert not asked
    assert set(models_by_day(rows).values()) == {"old"}
    assert said == ["trades.ideas: published before, kept as it is"]


def test_an_explicit_demand_replaces_predictions(tmp_path):
    name, lake = "models.predictions", Lake(tmp_path)
    lake.write(name, TABLES[name].empty(), DAYS[:3], run_id="first")
    asked = []

    @table_asset(name)
    def predictions(night):
        """Predictions."""
        asked.append(night.sessions)
        return TABLES[name].empty()

    predictions._rows(replace(night_of(lake, DAYS[:3], **{REPUBLISH_TAG: "true"}), table=name))
    assert asked == [tuple(DAYS[:3])]


def test_a_demand_to_replace_ideas_is_told_and_not_followed(lake):
    asked, said = [], []
    rows = asset_of("new", asked)._rows(night_of(lake, DAYS[:3], said, **{REPUBLISH_TAG: "true"}))[NAME]
    assert asked == [(DAYS[0],)]
    assert models_by_day(rows) == {DAYS[0]: "new", DAYS[1]: "old", DAYS[2]: "old"}
    assert said == [
        "trades.ideas: expected nothing to replace, found 2 published rows; they are kept, because what was published "
        "is never replaced: --republish replaces predictions only"
    ]


def test_a_damaged_month_takes_no_idea_of_another_with_it(lake):
    april = sessions_between(dt.date(2012, 4, 2), dt.date(2012, 4, 3))
    damage(lake)
    lake.write(NAME, ideas_of(april, "old"), april, run_id="second")
    asked, said = [], []
    rows = asset_of("new", asked)._rows(night_of(lake, DAYS[1:3] + april, said, **{REPUBLISH_TAG: "true"}))[NAME]
    assert models_by_day(rows) == {DAYS[1]: "new", DAYS[2]: "new", april[0]: "old", april[1]: "old"}
    assert "made anew, as this run was asked to" in said[0]


def test_a_session_stored_without_rows_stays_without(lake):
    lake.write(NAME, ideas_of([], "old"), DAYS[4:], run_id="second")
    rows = asset_of("new", [])._rows(night_of(lake, DAYS[3:]))[NAME]
    assert models_by_day(rows) == {DAYS[3]: "new"}


def test_predictions_of_a_range_with_a_gap_do_not_contain_the_gap_twice(monkeypatch):
    """Predictions read features from the first to the last session: those stored between must not come back."""
    from assets import models

    features = pl.DataFrame({"session": DAYS})
    monkeypatch.setattr(models.learning, "feature_rows", lambda tables: features, raising=False)
    monkeypatch.setattr(models.learning, "known_at_decision", lambda bars, sessions: features, raising=False)
    monkeypatch.setattr(models.learning, "predict", lambda rows, *tables, **options: rows, raising=False)
    monkeypatch.setattr(Night, "read", lambda self, *arguments, **options: features)
    monkeypatch.setattr(Night, "read_all", lambda self, *arguments, **options: features)
    made = models.predictions.make(night_of(None, [DAYS[0], DAYS[4]]))
    assert made["session"].to_list() == [DAYS[0], DAYS[4]]


def damage(lake):
    for path in (lake.home / "lake").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:100])


def test_stored_rows_that_cannot_be_read_are_not_silently_made_anew(lake):
    damage(lake)
    with pytest.raises(dg.Failure, match=r"--again --republish$"):
        asset_of("new", [])._rows(night_of(lake, DAYS))
    replaced = asset_of("new", [])._rows(night_of(lake, DAYS, **{REPUBLISH_TAG: "true"}))[NAME]
    assert set(models_by_day(replaced).values()) == {"new"}


def test_a_night_starts_from_nothing_only_when_told_to(lake):
    damage(lake)
    with pytest.raises(CorruptFileError):
        night_of(lake, DAYS).stored()
    said = []
    assert night_of(lake, DAYS, said, **{AGAIN_TAG: "true"}).stored().is_empty()
    assert "made anew from nothing" in said[0]


def test_a_table_that_is_not_declared_cannot_be_read(lake):
    with pytest.raises(UndeclaredReadError, match=r"found 'raw.equity_bars'"):
        night_of(lake, DAYS).read("raw.equity_bars")


def test_an_error_that_a_retry_cannot_mend_is_a_failure_without_retries(lake):
    @table_asset(NAME)
    def ideas(night):
        """Ideas."""
        return night.read("raw.equity_bars")

    with pytest.raises(dg.Failure, match=r"^trades.ideas: expected one of the declared tables") as failure:
        ideas._rows(night_of(lake, DAYS[3:]))
    assert not failure.value.allow_retries
