"""The report on real chains: what it prints and which status it ends with."""

from __future__ import annotations

import pytest

from benchmarks import real_chains
from benchmarks.real_chains import Check, main

GOOD = Check("gamma", "median ratio 1.0020", "0.98 to 1.02", True)
BAD = Check("roots", "3 shared", "none shared", False, "what a person should know")
TOLD = Check("surfaces", "14 % of slices", "none", None)


def report_on(monkeypatch, capsys, tmp_path, *checks: Check) -> tuple[int, str]:
    monkeypatch.setattr(real_chains, "SHARED_DATA", tmp_path)
    monkeypatch.setattr(real_chains, "checks", lambda real: iter(checks))
    return main(), capsys.readouterr().out


@pytest.mark.parametrize(
    ("checks", "status", "last"),
    [
        ((GOOD,), 0, "1 checks"),
        ((GOOD, BAD), 1, "2 checks"),
        ((GOOD, TOLD), 0, "1 checks"),
        ((TOLD, BAD), 1, "1 checks"),
    ],
)
def test_a_failed_check_fails_the_report(monkeypatch, capsys, tmp_path, checks, status, last):
    found, printed = report_on(monkeypatch, capsys, tmp_path, *checks)
    assert found == status
    assert printed.splitlines()[-1] == f"{last} on real chains, {status} failed"


def test_an_entry_says_what_was_found_against_which_limit(monkeypatch, capsys, tmp_path):
    _, printed = report_on(monkeypatch, capsys, tmp_path, GOOD, BAD, TOLD)
    assert printed.splitlines()[:7] == [
        "ok    gamma",
        "      median ratio 1.0020  [limit: 0.98 to 1.02]",
        "FAIL  roots",
        "      3 shared  [limit: none shared]",
        "      what a person should know",
        "reported  surfaces",
        "      14 % of slices  [limit: none]",
    ]


def test_without_the_data_nothing_passes(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(real_chains, "SHARED_DATA", tmp_path / "absent")
    assert main() == 2
    assert capsys.readouterr().out.startswith("NOTHING WAS CHECKED: the real chains are not at ")
