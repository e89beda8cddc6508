"""Bytes depend on the sessions and on nothing else: not on the home, the process, the day or the size of a run."""

from __future__ import annotations

import shutil

import pytest

from resources.lake import Lake

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("homes")]


LEDGER = "backtests.trials"
"""It keeps what was first seen of a trial, and when that was is the history of a home."""


def present_files(home):
    """Return the hash of every file that a manifest names now, and what the ledger counts."""
    lake = Lake(home)
    tried = lake.read(LEDGER).select("trial_id", "family", "origin").unique().sort("trial_id").rows()
    files = {
        (name, period): entry.sha256
        for name in lake.tables()
        if name != LEDGER
        for period, entry in lake.manifest(name).entries.items()
    }
    return files, tried


def done(said):
    assert said.status == 0, said.err
    return said


def test_two_builds_of_the_same_sessions_give_the_same_files(night_home, tmp_path, command_line, parquet_hashes):
    done(command_line(tmp_path / "second", "run", "--from", "2008-01-02", "--to", "2008-01-31"))
    assert parquet_hashes(tmp_path / "second") == parquet_hashes(night_home)


def test_sessions_made_one_by_one_equal_sessions_made_at_once(tmp_path, command_line):
    """These sessions have order books, trades and intraday bars, and a year ends among them."""
    by_night, at_once = tmp_path / "nights", tmp_path / "backfill"
    done(command_line(by_night, "run", "--from", "2012-12-28", "--to", "2012-12-28"))
    shutil.copytree(by_night, at_once)
    done(command_line(at_once, "run", "--next", "2"))
    for _ in range(2):
        done(command_line(by_night, "run", "--next", "1"))
    assert present_files(by_night) == present_files(at_once)
    assert Lake(at_once).read("engines.liquidity")["lambda_n_bars"].max() > 200


def test_nights_after_trained_models_equal_a_range_of_them(trained_home, tmp_path, command_line):
    """A fold becomes due, outcomes become known and ideas are sized from yesterday's within these sessions."""
    by_night, at_once = (shutil.copytree(trained_home, tmp_path / name) for name in ("nights", "backfill"))
    done(command_line(at_once, "run", "--next", "2"))
    for _ in range(2):
        done(command_line(by_night, "run", "--next", "1"))
    assert Lake(by_night).sessions("trades.ideas")[-1].isoformat() == "2011-07-05"
    assert present_files(by_night) == present_files(at_once)
