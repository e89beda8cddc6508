"""Stored labels are made again from bars that end with their session, and a label from the future is found."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from assets import label_proof
from assets.checks import Stored
from assets.label_proof import COMES_OUT_AGAIN, LABELS, READS, made_labels, sample
from assets.night import Night
from gnosis.learning.labels import labels
from gnosis.tables import TABLES
from resources.lake import Lake
from tests.gnosis.learning.daily_bars import walk_bars

N_SYMBOLS, N_SESSIONS, N_MADE = 4, 240, 60
TABLE = TABLES["raw.equity_bars"]
WALKS = pl.concat([walk_bars(N_SESSIONS, seed, f"S{seed}", spread=0.02) for seed in range(N_SYMBOLS)])
BARS = WALKS.with_columns(ts="known_at").select(list(TABLE.polars_schema)).cast(dict(TABLE.polars_schema))
DAYS = BARS["session"].unique().sort().to_list()
# One symbol leaves in the last session but two.
BARS = BARS.filter((pl.col("symbol") != "S3") | (pl.col("session") <= DAYS[-3]))
MADE = DAYS[-N_MADE:]


def night_of(lake: Lake, sessions: list[dt.date]) -> Night:
    nothing = frozenset(READS)
    return Night(LABELS, tuple(sessions), nothing, "run", lake, None, None, print, print)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("labels") / "home")
    lake.write("raw.equity_bars", BARS, DAYS, "run")
    return lake


@pytest.fixture(scope="module")
def known(lake) -> pl.DataFrame:
    """Labels as a backfill makes them."""
    return made_labels(night_of(lake, MADE))


def finding_of(lake, rows, sessions=MADE, tables=frozenset()):
    night = Night("models.promotion", tuple(sessions), tables, "run", lake, None, None, print, print)  # type: ignore[arg-type]
    of_sessions = rows.filter(pl.col("session").is_in(sessions)).lazy()
    return COMES_OUT_AGAIN.look(Stored(TABLES[LABELS], lake, of_sessions, sessions, night=night))


def test_labels_of_a_backfill_come_out_again_as_of_each_session(lake, known) -> None:
    found = finding_of(lake, known)
    assert found.passed
    assert found.figures["pairs"] == 3 * N_SYMBOLS
    assert found.figures["labels"] == 3 * N_SYMBOLS * 3 - 1
    assert found.figures["sessions"].split(", ")[::2] == [str(MADE[0]), str(MADE[-1])]
    assert found.figures["seconds"] < 0.5


def test_a_night_makes_its_one_session_again(lake, known) -> None:
    found = finding_of(lake, known, MADE[-1:])
    assert (found.passed, found.figures["pairs"]) == (True, N_SYMBOLS)


def test_what_a_symbol_that_stopped_trading_has_missed_is_a_gap_again(lake, known) -> None:
    gone = known.filter(session=MADE[-1], symbol="S3")
    assert gone["reason"].cast(pl.String).unique().to_list() == ["gap"]
    again = made_labels(night_of(lake, MADE[-1:]), ["S3"])
    assert again.filter(symbol="S3").equals(gone)


def test_a_label_that_saw_a_later_bar_is_found(lake) -> None:
    ahead = pl.col("close").shift(-1).over("symbol", order_by="session")
    leaking = labels(BARS.with_columns(close=pl.coalesce(ahead, "close"))).filter(pl.col("session").is_in(MADE))
    found = finding_of(lake, leaking)
    assert not found.passed
    assert not found.is_tolerable
    assert found.figures["differing_labels"] > N_SYMBOLS
    assert "that do not, first that of S" in found.finding
    assert f"--from {MADE[0]} --to {MADE[-1]} --again" in found.finding


def test_one_bit_of_one_label_is_enough(lake, known) -> None:
    is_one = (pl.col("session") == MADE[-1]) & (pl.col("symbol") == "S1") & (pl.col("horizon_bars") == 5)
    altered = known.with_columns(y_ret=pl.col("y_ret") * pl.when(is_one).then(1 + 2**-52).otherwise(1.0))
    found = finding_of(lake, altered)
    assert (found.passed, found.figures["differing_labels"]) == (False, 1)
    lacking = finding_of(lake, known.filter(~is_one))
    assert (lacking.passed, lacking.figures["differing_labels"]) == (False, 1)


def test_nothing_to_make_again_is_no_fault(lake, known) -> None:
    assert finding_of(lake, known.clear()).passed
    without = COMES_OUT_AGAIN.look(Stored(TABLES[LABELS], lake, known.lazy(), MADE))
    assert (without.passed, without.is_tolerable) == (False, True)


def test_a_gap_in_the_bars_holds_nothing_up(known, tmp_path) -> None:
    holed = Lake(tmp_path / "home")
    kept = [day for day in DAYS if day != DAYS[-80]]
    rows = BARS.filter(pl.col("session") != DAYS[-80])
    holed.write("raw.equity_bars", rows, kept, "run")
    found = finding_of(holed, known)
    assert (found.passed, found.is_tolerable) == (False, True)
    assert "nothing made again: expected raw.equity_bars of every session" in found.finding


def test_the_sample_is_bounded_and_the_same_each_time(monkeypatch) -> None:
    monkeypatch.setattr(label_proof, "MOST_SYMBOLS", 2)
    keys = BARS.select("session", "symbol")
    drawn = sample(keys, MADE)
    assert drawn.equals(sample(keys.reverse(), MADE))
    assert drawn.group_by("session").len()["len"].to_list() == [2, 2, 2]
    assert sample(keys, MADE[:2])["session"].n_unique() == 2
