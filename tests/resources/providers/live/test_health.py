"""The ledger: what it counts, when breakers open and close, and that processes share it whatever happens to them."""

from __future__ import annotations

import datetime as dt
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.tables import TABLES
from resources.providers.live.breaker import BreakerRules
from resources.providers.live.health import ALPHA, HALF_LIFE_S, DamagedLedgerError, HealthLedger
from tests.resources.providers.live.scripted import BARS, NOW, SESSIONS, Clock

LAST = SESSIONS[-1]
LEVELS = "raw.index_levels"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    made = HealthLedger(tmp_path / "health.sqlite", clock)
    yield made
    made.close()


def fail(ledger, n=1, kind="Transient", service="a", table=BARS, **rest):
    for _ in range(n):
        ledger.record(service, table, LAST, kind, detail=f"{service}: expected rows, found HTTP 503; later", **rest)


def succeed(ledger, service="a", table=BARS, **rest):
    ledger.record(service, table, LAST, "ok", **rest)


class TestHealth:
    def test_a_service_that_was_never_asked_is_trusted(self, ledger):
        assert ledger.health("a", BARS) == 1.0

    def test_each_failure_costs_a_fifth(self, ledger):
        fail(ledger)
        assert ledger.health("a", BARS) == pytest.approx(1 - ALPHA)
        fail(ledger)
        assert ledger.health("a", BARS) == pytest.approx((1 - ALPHA) ** 2)
        assert ledger.health("a", LEVELS) == 1.0

    def test_trust_comes_back_with_answers_and_with_time(self, ledger, clock):
        fail(ledger, 3)
        low = ledger.health("a", BARS)
        clock.go(HALF_LIFE_S)
        assert ledger.health("a", BARS) == pytest.approx(1 - (1 - low) / 2)
        succeed(ledger)
        assert ledger.health("a", BARS) > 1 - (1 - low) / 2

    def test_an_unknown_symbol_says_nothing_against_a_service_and_no_rows_do(self, ledger):
        fail(ledger, 3, kind="NotFound")
        assert ledger.health("a", BARS) == 1.0
        fail(ledger, kind="EmptyResult")
        assert ledger.health("a", BARS) < 1.0

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(["ok", "Transient", "EmptyResult", "SchemaDrift"]), st.floats(0, 1e6))))
    def test_it_is_a_share(self, tmp_path_factory, asks):
        clock = Clock()
        ledger = HealthLedger(tmp_path_factory.mktemp("ledger") / "health.sqlite", clock)
        for kind, seconds in asks:
            ledger.record("a", BARS, LAST, kind)
            clock.go(seconds)
            assert 0.0 <= ledger.health("a", BARS) <= 1.0
        shares = ledger.summary()["health"]
        ledger.close()
        assert shares.is_between(0.0, 1.0).all()
        if asks and all(kind == "ok" for kind, _ in asks):
            assert shares.to_list() == [1.0]


class TestBreaker:
    def test_it_opens_after_five_temporary_failures_in_a_row(self, ledger):
        fail(ledger, 4)
        assert ledger.admit("a", BARS) == "closed"
        succeed(ledger)
        fail(ledger, 4)
        assert ledger.open("a", BARS) is None
        fail(ledger)
        breaker = ledger.open("a", LEVELS)
        assert breaker is not None and breaker.kind == "Transient" and "HTTP 503" in breaker.detail
        assert breaker.until == NOW + dt.timedelta(seconds=30)
        assert ledger.admit("a", BARS) == "open"
        assert ledger.admit("b", BARS) == "closed"

    @pytest.mark.parametrize("kind", ["AuthError", "EntitlementError"])
    def test_a_refusal_opens_that_of_the_table_at_once(self, ledger, kind):
        fail(ledger, kind=kind)
        assert ledger.admit("a", BARS) == "open"
        assert ledger.admit("a", LEVELS) == "closed"

    def test_answers_of_a_wrong_form_open_that_of_the_table(self, ledger):
        fail(ledger, 5, kind="SchemaDrift")
        assert (ledger.admit("a", BARS), ledger.admit("a", LEVELS)) == ("open", "closed")

    @pytest.mark.parametrize("kind", ["NotFound", "EmptyResult", "Incomplete", "MissingKeyError", "BudgetExhausted"])
    def test_what_is_no_failure_of_the_service_never_opens_it(self, ledger, kind):
        fail(ledger, 50, kind=kind)
        assert ledger.admit("a", BARS) == "closed"

    def test_after_the_pause_one_ask_is_let_through_and_an_answer_closes_it(self, ledger, clock):
        fail(ledger, 5)
        clock.go(30)
        assert [ledger.admit("a", BARS) for _ in range(3)] == ["half_open", "open", "open"]
        succeed(ledger)
        assert ledger.admit("a", BARS) == "closed"

    def test_a_failed_trial_doubles_the_pause_up_to_the_longest(self, ledger, clock):
        fail(ledger, 5)
        pauses = []
        for _ in range(12):
            pauses.append((ledger.open("a", BARS).until - clock()).total_seconds())
            clock.go(pauses[-1])
            assert ledger.admit("a", BARS) == "half_open"
            fail(ledger)
        assert pauses[:3] == [30, 60, 120]
        assert pauses[-1] == BreakerRules().longest_pause_s

    def test_asks_that_were_under_way_do_not_lengthen_the_pause(self, ledger):
        fail(ledger, 9)
        assert ledger.open("a", BARS).until == NOW + dt.timedelta(seconds=30)

    def test_a_trial_that_never_ends_is_given_up(self, ledger, clock):
        fail(ledger, 5)
        clock.go(30)
        assert ledger.admit("a", BARS) == "half_open"
        clock.go(BreakerRules().probe_s)
        assert ledger.admit("a", BARS) == "half_open"

    @pytest.mark.parametrize("kind", ["AuthError", "EntitlementError", "SchemaDrift"])
    def test_a_trial_that_is_answered_with_a_refusal_of_one_table_closes_that_of_the_service(self, ledger, clock, kind):
        fail(ledger, 5)
        clock.go(30)
        assert ledger.admit("a", LEVELS) == "half_open"
        fail(ledger, kind=kind, table=LEVELS)
        assert ledger.admit("a", BARS) == "closed"
        assert (ledger.admit("a", LEVELS) == "open") is (kind != "SchemaDrift")

    def test_a_refusal_of_an_ask_that_was_under_way_ends_no_pause(self, ledger):
        fail(ledger, kind="RateLimited", retry_after_s=7200.0)
        fail(ledger, kind="EntitlementError", table=LEVELS)
        assert ledger.open("a", BARS).until == NOW + dt.timedelta(hours=2)

    def test_a_service_is_left_alone_as_long_as_it_asks_for(self, ledger, clock):
        fail(ledger, kind="RateLimited", retry_after_s=20.0)
        assert ledger.admit("a", BARS) == "closed"
        fail(ledger, kind="RateLimited", retry_after_s=7200.0)
        assert ledger.open("a", BARS).until == NOW + dt.timedelta(hours=2)

    @pytest.mark.parametrize("until", [3_600_000_000_000_000, 2**63 - 1, "soon", -1])
    def test_a_damaged_row_counts_for_nothing(self, ledger, tmp_path, until):
        fail(ledger, 4)
        with sqlite3.connect(tmp_path / "health.sqlite") as db:
            db.execute("UPDATE breakers SET open_until_us = ?, n_openings = 'many'", (until,))
        db.close()
        assert ledger.open("a", BARS) is None
        assert ledger.admit("a", BARS) in ("closed", "half_open")
        fail(ledger)
        assert ledger.open("a", BARS).until == NOW + dt.timedelta(seconds=30)
        assert ledger.summary()["is_open"].to_list() == [True]

    @pytest.mark.parametrize("seconds", [1.8e9, 1e23, float("inf")])
    def test_no_pause_is_longer_than_a_day(self, ledger, seconds):
        fail(ledger, kind="RateLimited", retry_after_s=seconds)
        assert ledger.open("a", BARS).until == NOW + dt.timedelta(days=1)

    def test_a_reset_closes_all(self, ledger):
        fail(ledger, 5)
        fail(ledger, kind="AuthError")
        ledger.reset("a")
        assert ledger.admit("a", BARS) == "closed"

    def test_another_process_obeys_it(self, ledger, tmp_path, clock):
        fail(ledger, 5)
        other = HealthLedger(tmp_path / "health.sqlite", clock)
        assert other.admit("a", BARS) == "open"
        clock.go(30)
        assert (ledger.admit("a", BARS), other.admit("a", BARS)) == ("half_open", "open")
        other.close()


class TestSummary:
    def test_asks_of_a_session_are_one_row(self, ledger, clock):
        for latency_s in (0.1, 0.2, 0.3):
            succeed(ledger, latency_s=latency_s, n_rows=5)
        clock.go(60)
        fail(ledger, latency_s=2.0)
        ledger.record("a", BARS, SESSIONS[-2], "ok", latency_s=1.0, n_rows=2)
        table = ledger.summary()
        assert table.schema == TABLES["raw.provider_health"].polars_schema
        _, failures = TABLES["raw.provider_health"].schema.filter(table)
        assert failures.counts() == {}
        row = table.filter(session=LAST).to_dicts()[0]
        assert (row["n_asks"], row["n_answers"], row["n_failures"], row["n_rows"]) == (4, 3, 1, 15)
        assert row["latency_p50_s"] == pytest.approx(0.25)
        assert (row["status"], row["is_open"], row["provider"]) == ("Transient", False, "a")
        assert "HTTP 503" in row["detail"]
        assert row["known_at"] == clock()
        assert 0.0 < row["health"] < 1.0
        assert table.filter(session=SESSIONS[-2])["status"].to_list() == ["ok"]

    def test_a_service_without_a_key_has_a_row_that_says_so(self, ledger):
        ledger.record("a", BARS, LAST, "MissingKeyError", detail="a: skipped; to use it: ask for a key")
        row = ledger.summary().to_dicts()[0]
        assert (row["n_asks"], row["n_failures"], row["status"], row["health"]) == (0, 0, "MissingKeyError", None)
        assert "ask for a key" in row["detail"]
        assert row["latency_p50_s"] is None

    def test_it_begins_where_it_is_told_and_may_be_empty(self, ledger, clock):
        succeed(ledger)
        assert ledger.summary(clock() + dt.timedelta(seconds=1)).is_empty()
        assert ledger.summary(clock()).height == 1

    def test_old_asks_are_forgotten_when_it_is_opened(self, ledger, tmp_path, clock):
        succeed(ledger)
        clock.go(401 * 86_400)
        other = HealthLedger(tmp_path / "health.sqlite", clock)
        assert other.summary().is_empty()
        other.close()


def test_the_leader_is_remembered(ledger):
    assert ledger.leader(BARS) is None
    ledger.set_leader(BARS, "a")
    ledger.set_leader(BARS, "b")
    assert (ledger.leader(BARS), ledger.leader(LEVELS)) == ("b", None)


def test_a_file_that_is_no_ledger_is_named(tmp_path, clock):
    (tmp_path / "health.sqlite").write_bytes(b"something else" * 500)
    with pytest.raises(DamagedLedgerError, match=r"health\.sqlite.*remove the file"):
        HealthLedger(tmp_path / "health.sqlite", clock).admit("a", BARS)


@pytest.mark.heavy
def test_two_writers_lose_nothing_and_a_kill_loses_nothing_that_was_said(tmp_path, start, go):
    writer, doomed = start("record", tmp_path, "a", 60), start("record", tmp_path, "b", 100_000)
    go(writer, doomed)
    assert writer.wait(timeout=60) == 0
    doomed.kill()
    n_said = doomed.communicate()[0].count("recorded")
    ledger = HealthLedger(tmp_path / "health.sqlite", Clock())
    asks = dict(ledger.summary().select("service", "n_asks").iter_rows())
    ledger.close()
    assert asks["a"] == 60
    assert n_said <= asks["b"] <= n_said + 1
    assert n_said > 0
    with sqlite3.connect(tmp_path / "health.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
