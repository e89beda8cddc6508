"""The trial ledger on disk: two writers, killed writers, and files that someone changed."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest

from gnosis.backtest.trials import ChainError, Ended, MemoryLedger, Trial, TrialError, count_trials, verify_chain
from gnosis.tables import TABLES
from resources.trial_ledger import LedgerBusyError, TrialLedger

ROOT = Path(__file__).parents[2]
DAY = dt.date(2024, 1, 2)


def trial(number: int, family: str = "SPY h5 direction") -> Trial:
    return Trial(family, "optuna", json.dumps({"eta": number}), "d" * 64, "c" * 64, DAY, dt.date(2024, 3, 1))


def series(first: float = 0.01) -> pl.DataFrame:
    return pl.DataFrame({"session": [DAY, dt.date(2024, 1, 3)], "net_return": [first, -0.02]})


def write(ledger, numbers) -> None:
    for number in numbers:
        ledger.begin(trial(number))
        ledger.finish(trial(number), loss=0.6 + number / 1000, n=100)


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_trial_ledger import TrialLedger, trial, write
print("ready", flush=True)
sys.stdin.readline()
write(TrialLedger(Path(sys.argv[1])), range(int(sys.argv[2]), int(sys.argv[3])))
"""


def writer(folder: Path, first: int, end: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.format(tests=str(Path(__file__).parent)), str(folder), str(first), str(end)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str]) -> None:
    process.stdin.close()
    process.stdout.close()
    process.wait(60)


def test_rows_are_those_of_the_ledger_in_memory(tmp_path) -> None:
    stored, memory = TrialLedger(tmp_path), MemoryLedger()
    for ledger in (stored, memory):
        write(ledger, range(3))
        ledger.begin(trial(3))
        ledger.finish(trial(3), status="pruned", loss=1)
        ledger.begin(trial(4, "QQQ"))
        ledger.finish(trial(4, "QQQ"), sharpe_per_period=0.1, skewness=-1.0, kurtosis=5.0, n=2, returns=series())
    rows = stored.rows()
    assert rows.equals(memory.rows())
    TABLES["backtests.trials"].schema.validate(rows)
    verify_chain(rows)
    digest = rows["returns_sha256"][-1]
    assert stored.returns(digest).equals(series())
    assert memory.returns(digest).equals(series())
    assert TrialLedger(tmp_path).rows().equals(rows)


def test_a_complete_trial_is_not_written_again(tmp_path) -> None:
    write(TrialLedger(tmp_path), range(2))
    before = (tmp_path / "trials.jsonl").read_bytes()
    write(TrialLedger(tmp_path), range(2))
    assert (tmp_path / "trials.jsonl").read_bytes() == before


def test_a_row_is_on_disk_before_begin_returns(tmp_path) -> None:
    TrialLedger(tmp_path).begin(trial(0))
    assert TrialLedger(tmp_path).rows()["status"].to_list() == ["begun"]


def test_many_at_once_are_one_write(tmp_path, monkeypatch) -> None:
    ledger, synced = TrialLedger(tmp_path), []
    monkeypatch.setattr("resources.trial_ledger.os.fsync", synced.append)
    ledger.begin_all([trial(number) for number in range(500)])
    ended = [Ended(trial(number), figures={"loss": 0.5, "n": number}) for number in range(500)]
    ledger.finish_all(ended)
    ledger.begin_all([trial(number) for number in range(500)])
    assert len(synced) < 10
    rows = TrialLedger(tmp_path).rows()
    verify_chain(rows)
    in_memory = MemoryLedger()
    in_memory.begin_all([trial(number) for number in range(500)])
    in_memory.finish_all(ended)
    assert rows.equals(in_memory.rows())


def test_rows_that_could_not_be_written_are_not_remembered(tmp_path, monkeypatch) -> None:
    ledger = TrialLedger(tmp_path)
    ledger.begin(trial(0))

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr("resources.trial_ledger.os.fsync", full)
        ledger.begin_all([trial(1), trial(2)])
    ledger.begin_all([trial(1), trial(2), trial(3)])
    with pytest.raises(TrialError, match="call begin"):
        ledger.finish_all([Ended(trial(1)), Ended(trial(9))])
    rows = TrialLedger(tmp_path).rows()
    verify_chain(rows)
    assert rows.height == 4
    assert rows["status"].to_list() == ["begun"] * 4


@pytest.mark.heavy
def test_two_processes_append_at_once(tmp_path) -> None:
    processes = [writer(tmp_path, 0, 60), writer(tmp_path, 30, 90)]
    for process in processes:
        start(process)
    for process in processes:
        end(process)
        assert process.returncode == 0
    rows = TrialLedger(tmp_path).rows()
    verify_chain(rows)
    assert count_trials(rows, "SPY h5 direction") == 90
    assert rows["status"].value_counts().sort("status")["count"].to_list() == [90, 90]


def test_threads_share_one_ledger(tmp_path) -> None:
    ledger = TrialLedger(tmp_path)
    threads = [threading.Thread(target=write, args=(ledger, range(at, at + 20))) for at in (0, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = TrialLedger(tmp_path).rows()
    assert (rows.height, rows["trial_id"].n_unique()) == (60, 30)


@pytest.mark.heavy
def test_a_killed_writer_leaves_every_row_it_was_told_of(tmp_path) -> None:
    process = writer(tmp_path, 0, 100_000)
    start(process)
    path = tmp_path / "trials.jsonl"
    while not path.exists() or path.stat().st_size < 20_000:
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    end(process)
    before = path.read_bytes()
    ledger = TrialLedger(tmp_path)
    write(ledger, [200_000])
    rows = ledger.rows()
    verify_chain(rows)
    assert rows.height == before.count(b"\n") + 2


def test_a_torn_line_is_set_aside_and_reported(tmp_path, caplog) -> None:
    write(TrialLedger(tmp_path), range(2))
    path = tmp_path / "trials.jsonl"
    whole = path.read_bytes()
    torn = b'{"sequence":5,"trial_id":"ab\r\xff'
    path.write_bytes(whole + torn)
    with caplog.at_level(logging.WARNING):
        ledger = TrialLedger(tmp_path)
        assert ledger.rows().height == 4
    assert "30 bytes of a line that was never whole" in caplog.text
    assert [(each.after_row, each.content) for each in ledger.torn()] == [(4, torn)]
    assert path.read_bytes() == whole
    write(ledger, [2])
    verify_chain(TrialLedger(tmp_path).rows())


def test_a_torn_line_of_a_row_is_no_row(tmp_path) -> None:
    """A row without its line feed was never acknowledged: its trial did not run."""
    ledger = TrialLedger(tmp_path)
    ledger.begin(trial(0))
    lines = (tmp_path / "trials.jsonl").read_bytes()
    other = TrialLedger(tmp_path / "other")
    other.begin(trial(0))
    other.finish(trial(0), loss=0.5)
    (tmp_path / "trials.jsonl").write_bytes((tmp_path / "other" / "trials.jsonl").read_bytes()[:-1])
    assert ledger.rows()["status"].to_list() == ["begun"]
    assert (tmp_path / "trials.jsonl").read_bytes() == lines
    ledger.finish(trial(0), loss=0.5)
    assert ledger.rows().equals(other.rows())


def changed(lines: list[bytes], at: int, old: bytes, new: bytes) -> list[bytes]:
    assert old in lines[at]
    return [*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda lines: changed(lines, 1, b'"loss":0.6', b'"loss":0.1'), 2),
        (lambda lines: changed(lines, 2, b'"begun"', b'"failed"'), 3),
        (lambda lines: changed(lines, 3, lines[3][:20], b"[1, 2]"), 4),
        (lambda lines: [*lines[:3], b"[1, 2]", *lines[4:]], 4),
        (lambda lines: changed(lines, 3, b'"loss":0.601', b'"loss":NaN'), 4),
        (lambda lines: [lines[0], *lines[2:], b"\n" * 400], 2),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: lines[:-1], 6),
        (lambda lines: [], 1),
    ],
)
def test_a_changed_or_shortened_file_is_named_with_its_line(tmp_path, tamper, line) -> None:
    write(TrialLedger(tmp_path), range(3))
    path = tmp_path / "trials.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"".join(each + b"\n" for each in tamper(lines)))
    with pytest.raises(ChainError, match=r"trials\.jsonl.*restore the file") as raised:
        TrialLedger(tmp_path).begin(trial(9))
    assert raised.value.position == line


def test_a_ledger_removed_while_it_is_in_use_is_noticed(tmp_path) -> None:
    ledger = TrialLedger(tmp_path)
    write(ledger, range(2))
    (tmp_path / "trials.jsonl").unlink()
    with pytest.raises(ChainError, match="newest are missing") as raised:
        ledger.begin(trial(2))
    assert raised.value.position == 1
    with pytest.raises(ChainError, match="newest are missing"):
        TrialLedger(tmp_path).rows()


def test_a_ledger_written_anew_is_noticed(tmp_path) -> None:
    write(TrialLedger(tmp_path), range(2))
    write(TrialLedger(tmp_path / "other"), range(5, 9))
    (tmp_path / "trials.jsonl").write_bytes((tmp_path / "other" / "trials.jsonl").read_bytes())
    with pytest.raises(ChainError, match=r"line 4.*rewritten"):
        TrialLedger(tmp_path).rows()


def test_a_crash_before_the_length_was_remembered_loses_nothing(tmp_path) -> None:
    ledger = TrialLedger(tmp_path)
    write(ledger, [0])
    head = (tmp_path / "trials.head.json").read_bytes()
    write(ledger, [1])
    (tmp_path / "trials.head.json").write_bytes(head)
    again = TrialLedger(tmp_path)
    write(again, [2])
    assert again.rows().height == 6


def test_changed_returns_are_refused(tmp_path) -> None:
    ledger = TrialLedger(tmp_path)
    ledger.begin(trial(0))
    ledger.finish(trial(0), n=2, returns=series())
    digest = ledger.rows()["returns_sha256"][-1]
    series(0.5).write_parquet(tmp_path / "trial_returns" / f"{digest}.parquet")
    with pytest.raises(TrialError, match="restore"):
        ledger.returns(digest)


def test_a_ledger_held_for_too_long_is_named(tmp_path, monkeypatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr("resources.trial_ledger.LOCK_TIMEOUT_S", 0.05)
    with FileLock(tmp_path / "trials.lock"), pytest.raises(LedgerBusyError, match="another process"):
        TrialLedger(tmp_path).begin(trial(0))
