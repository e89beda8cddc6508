"""Allowances: shared by processes and their successors, never exceeded, and given back."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.providers.live.allowance import Allowance
from resources.providers.live.errors import Transient
from tests.resources.providers.live.scripted import NOW

QUARTER = dt.timedelta(minutes=15)


def take(allowance, wanted=1, *, limit=1, minutes=0.0, name="a file", **rest):
    return allowance.take(name, wanted, limit=limit, within=QUARTER, now=NOW + dt.timedelta(minutes=minutes), **rest)


@pytest.fixture
def two(tmp_path):
    """Two processes' allowances of one home, and another service's."""
    made = [Allowance(tmp_path / "home" / "allowances.sqlite", name) for name in ("a", "a", "b")]
    yield made
    for one in made:
        one.close()


def test_processes_share_what_is_taken_and_services_do_not(two):
    first, second, other = two
    assert take(first).amount == 1
    refused = take(second, minutes=4)
    assert (refused.amount, refused.used, refused.first_at) == (0, 1, NOW)
    assert take(second, name="another file").amount == 1
    assert take(other).amount == 1
    assert take(second, minutes=15).amount == 1


def test_it_outlives_its_process(two):
    take(two[0])
    two[0].close()
    assert take(two[0], minutes=14).amount == 0


def test_what_was_not_used_may_be_taken_by_another(two):
    taken = take(two[0], 100, limit=120)
    two[0].give_back(taken, 90)
    assert take(two[1], 110, limit=120).amount == 110
    whole = take(two[0], limit=121)
    two[1].give_back(whole, 1)
    assert take(two[0], limit=121).amount == 1


def test_a_clock_that_was_wrong_shuts_nobody_out(two):
    take(two[0], minutes=60 * 24 * 365)
    assert take(two[1]).amount == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.floats(0, 10), st.integers(0, 60))), st.integers(10, 150))
def test_no_span_ever_holds_more_than_the_limit(wishes, limit):
    allowance, spent, minutes = Allowance(), [], 0.0
    for wanted, pause, unused in wishes:
        minutes += pause
        taken = take(allowance, wanted, limit=limit, minutes=minutes, least=min(wanted, 10))
        assert taken.amount <= wanted
        kept = max(taken.amount - unused, 0)
        if taken.amount:
            allowance.give_back(taken, taken.amount - kept)
        spent.append((minutes, kept))
        assert sum(amount for at, amount in spent if minutes - at < 14.99) <= limit
    allowance.close()


def test_a_file_that_is_none_is_said_with_what_to_do(tmp_path):
    file = tmp_path / "allowances.sqlite"
    file.write_text("no database, whatever its name says")
    with pytest.raises(Transient, match="remove the file"):
        take(Allowance(file, "a"))
