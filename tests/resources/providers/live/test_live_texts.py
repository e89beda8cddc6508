"""Texts of live services: which instants are a session's, and whose failure is whose."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnosis.sessions import schedule
from resources.providers.live.access import Access
from resources.providers.live.errors import AuthError, EmptyResult, NotFound, RateLimited, SchemaDrift, Transient
from resources.providers.live.known import under_session
from resources.providers.live.service import Ask
from resources.providers.live.texts import each_symbol, option, span_of

NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
SESSIONS = schedule().filter(pl.col("session").dt.year() == 2025)["session"].to_list()


def access(**rest):
    return Access("example", clock=lambda: NOW, **rest)


def span(*sessions, **rest):
    return span_of(access(), Ask("raw.posts", ("AAA",), sessions), **rest)


def error(kind):
    return kind("example", "posts", "none", "ask again")


@given(st.integers(0, len(SESSIONS) - 3), st.integers(0, 2), st.integers(-(10**6), 10**6))
def test_the_span_holds_exactly_the_instants_of_its_sessions(first, more, seconds):
    sessions = tuple(SESSIONS[first : first + 1 + more])
    found = span(*sessions)
    for edge in (found.after, found.until):
        instant = edge + dt.timedelta(seconds=seconds % 3 - 1 if abs(seconds) < 1000 else seconds)
        frame = under_session(pl.DataFrame({"ts": [instant]}, schema={"ts": pl.Datetime("us", "UTC")}), "ts")
        assert (frame["session"][0] in sessions) == (found.after < instant <= found.until)


def test_a_weekend_and_an_early_close():
    monday = span(dt.date(2026, 11, 30))
    assert (monday.after.isoformat(), monday.until.isoformat()) == (
        "2026-11-27T18:00:00+00:00",
        "2026-11-30T21:00:00+00:00",
    )


def test_a_session_is_complete_when_its_close_and_the_delay_have_passed():
    last = dt.date(2026, 11, 30)
    assert span(last, settles_after=dt.timedelta(hours=3)).until.hour == 21
    with pytest.raises(EmptyResult, match="181 minutes after the close"):
        span(last, settles_after=dt.timedelta(hours=3, minutes=1))


@pytest.mark.parametrize("kind", [NotFound, EmptyResult, SchemaDrift])
def test_the_failure_of_one_symbol_is_its_own(kind):
    def ask_one(symbol):
        if symbol == "B":
            raise error(kind)
        return symbol

    found, failures = each_symbol(["A", "B", "C"], ask_one)
    assert found == ["A", "C"]
    assert {symbol: type(failure) for symbol, failure in failures.items()} == {"B": kind}


@pytest.mark.parametrize("kind", [RateLimited, Transient, AuthError])
def test_what_hinders_every_request_ends_the_asking(kind):
    asked = []

    def ask_one(symbol):
        asked.append(symbol)
        if symbol == "B":
            raise error(kind)
        return symbol

    found, failures = each_symbol(["A", "B", "C"], ask_one)
    assert (found, sorted(failures), asked) == (["A"], ["B", "C"], ["A", "B"])
    found, failures = each_symbol(["A", "B", "C"], ask_one, of_one_host=False)
    assert (found, sorted(failures)) == (["A", "C"], ["B"])


def test_when_all_fail_the_first_failure_is_raised():
    def ask_one(symbol):
        raise error(NotFound if symbol == "A" else EmptyResult)

    with pytest.raises(NotFound):
        each_symbol(["A", "B"], ask_one)
    assert each_symbol([], ask_one) == ([], {})


@pytest.mark.parametrize("value", ["7", 7.0, True, None])
def test_an_option_of_another_type_is_said(value):
    with pytest.raises(NotFound, match=r"the option max_pages as int.*gnosis.toml"):
        option(access(options={"max_pages": value}), "max_pages", int, 20)
