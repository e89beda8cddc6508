"""Nights and restatements: what is made for a session rests on what was known for it, until history is corrected."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets.features import technical
from assets.night import AGAIN_TAG, CORRECT_TAG, Night, TableRows
from assets.table_asset import key_of, table_asset
from gnosis.backtest import Configuration
from gnosis.sessions import schedule
from gnosis.tables import TABLES
from jobs.nightly import NIGHTLY
from resources.lake import Correction, Lake
from tests.gnosis.backtest.recorded import run

BARS = "raw.equity_bars"
CALENDAR = schedule().filter(pl.col("session") >= dt.date(2012, 1, 3)).head(60)
DAYS = CALENDAR["session"].to_list()
CLOSES = dict(CALENDAR.select("session", "close_at").rows())
SPLIT, LEARNT = 20, 45
"""Session from which the adjustment factor was wrong, and session in whose evening that is learnt."""


def evening(number: int, hours: float = 3.0) -> dt.datetime:
    """Return an instant after the close of a session, before the next one opens."""
    return CLOSES[DAYS[number]] + dt.timedelta(hours=hours)


def make_bars(days: list[dt.date], factor_of_split: float = 1.0) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    closes = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (len(DAYS), 2)), axis=0))
    rows = [
        {
            "session": day, "symbol": symbol, "ts": CLOSES[day], "known_at": CLOSES[day],
            "open": closes[at, number], "high": closes[at, number] * 1.01, "low": closes[at, number] * 0.99,
            "close": closes[at, number], "volume": 1000.0 + at, "provider": "example", "synthetic": True,
            "adjustment_factor": factor_of_split if at >= SPLIT else 1.0,
        }
        for at, day in enumerate(DAYS)
        for number, symbol in enumerate(("AAA", "BBB"))
        if day in days
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=TABLES[BARS].polars_schema)


def a_night(lake: Lake, table: str, days: list[dt.date], reads: tuple[str, ...] = (BARS,)) -> Night:
    def say(_: str) -> None:
        """Say nothing."""

    return Night(table, tuple(days), frozenset(reads), "run", lake, None, None, say, say)  # type: ignore[arg-type]


def technical_rows(lake: Lake, days: list[dt.date]) -> pl.DataFrame:
    night = a_night(lake, "features.technical", days)
    return technical.made(night)["features.technical"].frame.sort("session", "symbol")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Bars of every session, stored in its evening."""
    lake = Lake(tmp_path / "home")
    lake.write(BARS, make_bars(DAYS), DAYS, "run", evening(len(DAYS) - 1))
    return lake


def restate(lake: Lake, number: int = LEARNT) -> int:
    """Have it learnt in the evening of a session that there was a split, and return how many rows that restates."""
    days = DAYS[: number + 1]
    commit = lake.write(BARS, make_bars(days, 0.5), days, "again", evening(number))
    late = DAYS[number + 1 :]
    lake.write(BARS, make_bars(late, 0.5), late, "run")
    return commit.restated_rows


def test_sessions_before_a_restatement_keep_their_features_and_later_ones_use_it(lake):
    before = technical_rows(lake, DAYS)
    assert restate(lake) == 2 * (LEARNT + 1 - SPLIT)
    after = technical_rows(lake, DAYS)
    known = pl.col("session") <= DAYS[LEARNT]
    assert after.filter(known).equals(before.filter(known))
    corrected = Lake(lake.home.parent / "corrected")
    corrected.write(BARS, make_bars(DAYS, 0.5), DAYS, "run")
    right = technical_rows(corrected, DAYS)
    assert after.filter(~known).equals(right.filter(~known)), "decided after it was learnt"
    assert not after.filter(known).equals(right.filter(known))


def test_nights_and_a_range_over_restatements_give_the_same_rows(lake):
    restate(lake)
    lake.write(BARS, make_bars(DAYS[:3], 1.0).with_columns(volume=pl.lit(7.0)), DAYS[:3], "again", evening(50, 17.0))
    at_once = technical_rows(lake, DAYS[30:])
    one_by_one = pl.concat(technical_rows(lake, [day]) for day in DAYS[30:])
    assert at_once.equals(one_by_one)
    parts = a_night(lake, "features.technical", DAYS[30:]).split_at_restatements()
    assert [(part.first, part.last) for part in parts] == [
        (DAYS[30], DAYS[LEARNT]), (DAYS[LEARNT + 1], DAYS[50]), (DAYS[51], DAYS[-1]),
    ]  # fmt: skip


def test_after_a_correction_history_is_made_from_the_corrected_rows(lake):
    before = technical_rows(lake, DAYS)
    restate(lake)
    days = DAYS[: LEARNT + 1]
    lake.write(BARS, make_bars(days, 0.5), days, "mended", evening(50), Correction(also_learnt_at=evening(LEARNT)))
    corrected = Lake(lake.home.parent / "corrected")
    corrected.write(BARS, make_bars(DAYS, 0.5), DAYS, "run")
    found = technical_rows(lake, DAYS)
    assert found.equals(technical_rows(corrected, DAYS))
    assert not found.equals(before)
    assert len(a_night(lake, "features.technical", DAYS).split_at_restatements()) == 1


def test_a_range_is_split_where_a_row_is_back(lake):
    at, days = evening(40), DAYS[:20]
    lake.write(BARS, make_bars(days).filter(pl.col("symbol") == "AAA"), days, "gone", at)
    lake.write(BARS, make_bars(days), days, "back", evening(50))
    parts = a_night(lake, "features.technical", DAYS[30:]).split_at_restatements()
    assert [part.first for part in parts] == [DAYS[30], DAYS[41], DAYS[51]]
    rows = [part.read(BARS, lookback=len(DAYS)).filter(pl.col("session") == DAYS[0]).height for part in parts]
    assert rows == [2, 1, 2]


def test_a_later_part_of_a_range_sees_the_rows_of_the_earlier_one(lake):
    """Each row counts the rows of the table that its night finds in the past, and what the day's factor was."""
    name = "features.macro"

    @table_asset(name, reads=(BARS,))
    def counted(night: Night) -> TableRows:
        past = night.history(len(DAYS)).height
        days = night.only(night.read(BARS, lookback=1)).filter(pl.col("symbol") == "AAA").sort("session")
        rows = days.select("session", "symbol", "known_at", "provider", "synthetic", macro_inflation_rate="close")
        rows = rows.with_columns(macro_inflation_rate=pl.int_range(past, past + pl.len()).cast(pl.Float64))
        full = pl.concat([TABLES[name].empty(), rows], how="diagonal")
        return TableRows(full, metadata={"days": rows.height, "words": "of the last part"})

    stale = counted.made(a_night(lake, name, DAYS[40:50]))[name].frame
    lake.write(name, stale.with_columns(macro_inflation_rate=pl.lit(-1.0)), DAYS[40:50], "stale")
    restate(lake)
    made = counted.made(a_night(lake, name, DAYS[40:50]))[name]
    assert made.frame["macro_inflation_rate"].to_list() == list(range(10))
    assert made.metadata == {"days": 10, "words": "of the last part"}


POSTS = {
    "symbol": "AAA", "source": "x", "ts": CLOSES[DAYS[30]], "known_at": CLOSES[DAYS[30]], "session": DAYS[30],
    "tag": "none", "text_hash": "0", "text": "up", "provider": "example", "synthetic": True,
}  # fmt: skip


def test_a_night_reads_posts_as_it_knew_them(lake):
    posts = pl.DataFrame(
        [POSTS | {"post_id": "1", "engagement": 3}, POSTS | {"post_id": "2", "engagement": 5}],
        schema=TABLES["raw.posts"].polars_schema,
    )
    lake.write("raw.posts", posts, DAYS[30:40], "run", evening(30))
    changed = posts.filter(pl.col("post_id") == "1").with_columns(engagement=pl.lit(900, pl.Int64))
    lake.write("raw.posts", changed, [DAYS[30]], "again", evening(33, 16.0))

    def read(day: dt.date) -> list[tuple[str, int, dt.datetime]]:
        night = a_night(lake, "engines.sentiment", [day], ("raw.posts",))
        frames = [night.read("raw.posts", lookback=9), night.scan("raw.posts").collect(), night.read_all("raw.posts")]
        frames.append(night.read("raw.posts", lookback=9, where=pl.col("symbol") == "AAA"))
        assert all(frame.equals(frames[0]) for frame in frames)
        return frames[0].select("post_id", "engagement", "known_at").rows()

    told_at = CLOSES[DAYS[30]]
    # A post is as old as it is: nights that have its new engagement do not take it for a new post.
    assert read(DAYS[33]) == [("1", 3, told_at), ("2", 5, told_at)]
    assert read(DAYS[34]) == [("1", 900, told_at)]


def test_a_split_that_was_restated_moves_no_profit_or_loss(lake):
    """A split of two for one was forgotten, and is learnt when the position is held."""

    def split_bars(days: list[dt.date], factor_of_split: float) -> pl.DataFrame:
        price = pl.when(pl.col("session") < DAYS[SPLIT]).then(100.0).otherwise(50.0)
        bars = make_bars(days, factor_of_split).with_columns(volume=pl.lit(1e7))
        return bars.with_columns(open=price, high=price * 1.01, low=price * 0.99, close=price)

    def profit(lake: Lake) -> pl.DataFrame:
        bars = a_night(lake, "backtests.runs", DAYS[-1:]).read_all(BARS)
        assert bars.filter(pl.col("symbol") == "AAA")["known_at"].to_list() == [CLOSES[day] for day in DAYS]
        held = pl.DataFrame({"session": DAYS[5:-1]}).with_columns(symbol=pl.lit("AAA"), target_weight=pl.lit(0.9))
        return run(bars, held, Configuration(strategy="model_long_flat_short")).equity

    for learnt in (LEARNT, len(DAYS) - 1):
        restated, right = Lake(lake.home.parent / f"restated-{learnt}"), Lake(lake.home.parent / f"right-{learnt}")
        days, late = DAYS[:learnt], DAYS[learnt:]
        restated.write(BARS, split_bars(days, 1.0), days, "run", evening(learnt - 1))
        restated.write(BARS, split_bars(late, 2.0), late, "run", evening(learnt, 1.0))
        assert restated.write(BARS, split_bars(days, 2.0), days, "again", evening(learnt)).restated_rows > 0
        right.write(BARS, split_bars(DAYS, 2.0), DAYS, "run")
        found = profit(restated)
        assert found.equals(profit(right))
        assert 0.97 < found["equity_usd"].min() / found["equity_usd"].max() < 1.0, "costs and nothing else"


def test_raw_rows_are_made_from_all_that_is_known(lake):
    restate(lake)
    night = replace(a_night(lake, "raw.quality_events", DAYS[:LEARNT]))
    assert night.read(BARS).equals(lake.read(BARS, last=DAYS[LEARNT - 1]))
    assert len(night.split_at_restatements()) == 1


MADE = ("raw.splits", "raw.dividends", "raw.equity_bars", "engines.liquidity")


@pytest.mark.heavy
@pytest.mark.xdist_group("files")
def test_a_corrected_file_changes_history_when_that_is_asked_for(desk, capfd):
    """A file is wrong, mended years later and made again, then made again as a correction."""
    from gnosis_dagster.definitions import build_definitions
    from gnosis_dagster.nights import RANGE_END, RANGE_START
    from gnosis_dagster.settings import Settings

    definitions = build_definitions(Settings())
    span = {RANGE_START: "2013-01-02", RANGE_END: "2013-01-04"}
    bars, day = pl.read_parquet(desk.folder / "bars.parquet"), dt.date(2013, 1, 2)

    def make(**tags: str) -> tuple[str, pl.DataFrame, list[float]]:
        """Make the sessions; return what was said, what was made, and the close as published and as known in 2020."""
        with dg.DagsterInstance.ephemeral() as instance:
            done = definitions.resolve_job_def(NIGHTLY).execute_in_process(
                instance=instance,
                asset_selection=[key_of(name) for name in MADE],
                tags=span | {f"gnosis/{name.replace('_', '-')}": value for name, value in tags.items()},
                run_config={"loggers": {"console": {}}},
            )
        assert done.success
        desk.lake.publish_catalog()
        query = "select close from raw.equity_bars{} where symbol = 'AAA' and session = ?"
        with desk.lake.connect() as connection:
            asked = [query.format(macro) for macro in ("", "_as_of(timestamptz '2020-01-01 00:00:00+00')")]
            closes = [connection.execute(one, [day]).fetchall()[0][0] for one in asked]
        return capfd.readouterr().err, desk.lake.read("engines.liquidity"), closes

    _, before, closes = make()
    assert closes == [10.5, 10.5]
    is_wrong = (pl.col("ticker") == "AAA") & (pl.col("date") == day)
    desk.bars(bars.with_columns(close=pl.when(is_wrong).then(10.0).otherwise("close")))
    said, made, closes = make(again="true")
    assert (
        "raw.equity_bars: 1 stored rows were restated or are gone, session 2013-01-02; as they were, they are" in said
    )
    command = r"gnosis run --from 2013-01-02 --to 2013-01-02 --again --correct-history (raw.equity_bars@\S+) \(later"
    (demand,) = set(re.findall(command, said))
    assert made.equals(before)
    assert closes == [10.0, 10.5]
    said, *_ = make(again="true")
    assert "restated" not in said
    said, _, closes = make(again="true", correct_history="raw.equity_bars")
    assert f"to correct what was restated before, name its instant, --correct-history {demand}" in said
    assert closes == [10.0, 10.5]
    said, made, closes = make(again="true", correct_history=f"raw.splits,{demand}")
    assert "history is made from the new ones" in said
    assert closes == [10.0, 10.0]
    assert not made.equals(before)
    assert desk.lake.read("superseded.raw_equity_bars")["is_corrected"].to_list() == [True, True]


@pytest.mark.heavy
@pytest.mark.xdist_group("files")
def test_the_command_line_asks_for_a_correction(desk, monkeypatch):
    from gnosis_dagster import nights

    asked = []

    def execute(*call: object) -> nights.RunReport:
        asked.append(call[-1])
        return nights.RunReport(NIGHTLY, "", succeeded=False, step_seconds={}, failures=[])

    monkeypatch.setattr(nights, "execute", execute)
    demands = ["raw.equity_bars", "raw.posts@2020-01-01T00:00:00+00:00"]
    options = [word for demand in demands for word in ("--correct-history", demand)]
    assert desk.run("run", *options).status == 1
    assert asked == [{AGAIN_TAG: "true", CORRECT_TAG: ",".join(demands)}]
    refused = desk.run("run", "--correct-history", "raw.quality_events")
    assert (refused.status, len(asked)) == (2, 1)
    assert "expected one of raw.crypto_bars, raw.dividends" in refused.err
