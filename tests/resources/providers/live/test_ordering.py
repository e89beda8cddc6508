"""The order of services: capable ones only, better health never hurts, and noise does not change the leader."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.providers.live.ordering import HEALTH_POINTS, LEAD, Candidate, newest_session, order, points, reachable
from resources.providers.live.service import Capability
from tests.resources.providers.live.scripted import NOW, SESSIONS

NEWEST = SESSIONS[-1]


def candidate(name, preference=0, *, health=1.0, delay_s=0.0, back=None, cost=0.0, is_open=False):
    capability = Capability(1, None, delay_s, back, preference)
    return Candidate(name, capability, cost, health, is_open)


candidates = st.lists(
    st.builds(
        candidate,
        st.sampled_from("abcdef"),
        st.integers(0, 5),
        health=st.floats(0, 1),
        delay_s=st.floats(0, 100_000),
        back=st.none() | st.integers(1, 10),
        cost=st.floats(0, 1),
        is_open=st.booleans(),
    ),
    unique_by=lambda one: one.name,
    max_size=6,
)
sessions = st.lists(st.sampled_from(SESSIONS), min_size=1, unique=True).map(sorted)


@given(candidates, sessions, st.none() | st.sampled_from("abcdef"))
def test_who_cannot_serve_is_never_asked_and_who_can_is(given_, days, leader):
    ordered = order(given_, days, NOW, leader)
    assert len(ordered) == len(set(ordered))
    able = {one.name for one in given_ if not one.is_open and reachable(days, one.capability, NEWEST)}
    assert set(ordered) == able


@given(candidates, sessions, st.none() | st.sampled_from("abcdef"), st.data())
def test_better_health_never_moves_a_service_back(given_, days, leader, data):
    if not given_:
        return
    place = data.draw(st.integers(0, len(given_) - 1))
    better = replace(given_[place], health=data.draw(st.floats(given_[place].health, 1)))
    before, after = (
        order(some, days, NOW, leader) for some in (given_, [*given_[:place], better, *given_[place + 1 :]])
    )
    if better.name in before:
        assert after.index(better.name) <= before.index(better.name)


@given(candidates.filter(len), sessions, st.lists(st.lists(st.floats(-1, 1), min_size=6, max_size=6), max_size=8))
def test_the_leader_does_not_change_with_noise(given_, days, noise):
    # Two services, each a quarter of the lead up or down, now and when the leader was chosen: less than the lead.
    width = LEAD / HEALTH_POINTS / 4.1
    steady = [replace(one, health=0.2 + 0.6 * one.health) for one in given_]
    leader, changes = None, 0
    for nudges in noise:
        nudged = [replace(one, health=one.health + nudge * width) for one, nudge in zip(steady, nudges, strict=False)]
        ordered = order(nudged, days, NOW, leader)
        first = ordered[0] if ordered else None
        changes += first != leader
        leader = first
    assert changes <= 1


def test_a_service_that_fails_loses_the_lead_and_gets_it_back_when_it_is_well():
    rivals = candidate("alpaca", 1)
    led = "massive"
    seen = []
    for health in (1.0, 0.8, 0.64, 0.7, 0.85, 0.95, 1.0):
        led = order([candidate("massive", 0, health=health), rivals], SESSIONS, NOW, led)[0]
        seen.append(led)
    assert seen == ["massive", "massive", "alpaca", "alpaca", "alpaca", "massive", "massive"]


@pytest.mark.parametrize(("back", "n_days"), [(1, 1), (3, 3), (None, 8)])
def test_only_the_newest_sessions_are_asked_of_a_short_history(back, n_days):
    assert reachable(SESSIONS, Capability(1, None, 0.0, back), NEWEST) == SESSIONS[-n_days:]


def test_a_session_that_has_not_begun_cannot_be_asked_for():
    assert reachable([dt.date(2012, 12, 31)], Capability(1, None, 0.0), NEWEST) == ()


def test_a_snapshot_is_of_the_session_that_has_begun():
    day = dt.date(2012, 12, 28)
    assert newest_session(dt.datetime(2012, 12, 28, 14, 29, tzinfo=dt.UTC)) == dt.date(2012, 12, 27)
    assert newest_session(dt.datetime(2012, 12, 28, 14, 30, tzinfo=dt.UTC)) == day
    assert newest_session(dt.datetime(2012, 12, 30, 14, 30, tzinfo=dt.UTC)) == day


def test_delay_counts_only_for_what_is_younger_than_it():
    late = candidate("late", delay_s=86_400.0)
    assert points(late, [NEWEST], NOW) == 4.0
    assert points(late, [SESSIONS[0]], NOW) == 0.0


def test_a_price_counts():
    assert points(candidate("x", cost=0.25), SESSIONS, NOW) == 2.5
