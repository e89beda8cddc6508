"""What a run says on the terminal: one plain line for each message of an asset."""

from __future__ import annotations

import logging

from gnosis_dagster.terminal import PlainFormatter, is_told_once


def record(message, level=logging.INFO, original=None):
    made = logging.LogRecord("dagster", level, "file", 1, message, (), None)
    if original is not None:
        made.dagster_meta = {"orig_message": original}
    return made


def test_the_prefix_of_dagster_is_left_out():
    line = PlainFormatter().format(record("nightly - 1234 - raw__macro - 7 rows", original="7 rows"))
    assert line[8:] == " 7 rows"


def test_only_what_is_more_than_information_is_marked():
    assert PlainFormatter().format(record("7 rows"))[8:] == " 7 rows"
    assert PlainFormatter().format(record("7 rows", logging.WARNING))[8:] == " warning: 7 rows"


def test_steps_skipped_after_a_failure_are_not_repeated():
    assert not is_told_once(record("x", original="Dependencies for step catalog failed: ['raw__macro']"))
    assert is_told_once(record("x", original="raw.macro: 7 rows"))
    assert is_told_once(record("plain"))
