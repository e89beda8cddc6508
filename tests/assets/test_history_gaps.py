"""A night refuses to compute windows over sessions that nobody made."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from assets.night import HistoryGapError, Night
from gnosis.sessions import sessions_between
from gnosis.tables import TABLES
from resources.lake import Lake

TABLE = "raw.equity_bars"
DAYS = sessions_between(dt.date(2012, 1, 3), dt.date(2012, 1, 20))


def night(home: Path, stored: list[dt.date], day: dt.date) -> Night:
    lake = Lake(home)
    lake.write(TABLE, TABLES[TABLE].empty(), stored, run_id="test")
    return Night("features.technical", (day,), frozenset({TABLE}), "run", lake, None, None, print, print)  # type: ignore[arg-type]


def test_a_gap_names_the_sessions_to_make(tmp_path: Path) -> None:
    made = night(tmp_path, [*DAYS[:5], DAYS[9]], DAYS[9])
    with pytest.raises(HistoryGapError, match=f"4 missing, {DAYS[5]} to {DAYS[8]}.*--from {DAYS[5]} --to {DAYS[8]}"):
        made.read(TABLE, lookback=9)


def test_no_gap_inside_the_lookback_is_no_matter(tmp_path: Path) -> None:
    made = night(tmp_path, [*DAYS[:2], *DAYS[5:10]], DAYS[9])
    assert made.read(TABLE, lookback=4).is_empty()


def test_history_that_was_never_there_only_shortens_the_windows(tmp_path: Path) -> None:
    made = night(tmp_path, DAYS[6:10], DAYS[9])
    assert made.read(TABLE, lookback=9).is_empty()
