"""One ask: what is repeated of it, what counts against the service, and what is told."""

from __future__ import annotations

import datetime as dt

import pytest

from gnosis.tables import TABLES
from resources.providers.live.breaker import BreakerRules
from resources.providers.live.each_symbol import each_symbol
from resources.providers.live.errors import (
    AuthError,
    BudgetExhausted,
    EmptyResult,
    FetchError,
    Incomplete,
    NotConfigured,
    NotFound,
    RateLimited,
    Transient,
)
from tests.resources.providers.live.scripted import (
    BARS,
    DIVIDENDS,
    SESSIONS,
    Scripted,
    answer,
    bars,
    failing,
    make_router,
)

TOLD = ("a", "bars of it", "HTTP 503", "later")
DAYS = SESSIONS[-1:]


@pytest.fixture
def router(tmp_path):
    made = []

    def make(*services, **rest):
        made.append(make_router(tmp_path, *services, **({"is_price_checked": False} | rest)))
        return made[-1]

    yield make
    for one in made:
        one.ledger.close()


def by_symbol(outcomes):
    """A script of a service that is asked symbol by symbol: errors that it meets at each, in turn, then bars."""
    fetched = []

    def script(ask):
        def fetch(symbol):
            fetched.append(symbol)
            if outcomes.get(symbol):
                raise outcomes[symbol].pop(0)
            return symbol

        found, failures = each_symbol(ask.symbols, fetch)
        return answer(bars(found, ask.sessions, "a"), **failures)

    return script, fetched


class TestRepeats:
    def test_a_symbol_that_broke_is_asked_again_alone_at_the_same_service(self, router):
        script, fetched = by_symbol({"BBB": [Transient(*TOLD)]})
        first, second = Scripted("a", script, max_symbols=None), Scripted("b", preference=1)
        made = router(first, second)
        collected = made.collect(BARS, ["AAA", "BBB", "CCC", "DDD"], DAYS)
        assert fetched == ["AAA", "BBB", "CCC", "DDD", "BBB"]
        assert set(collected.frame["provider"]) == {"a"}
        assert collected.frame["symbol"].to_list() == ["AAA", "BBB", "CCC", "DDD"]
        assert (collected.events.height, second.asked) == (0, [])
        row = made.ledger.summary().to_dicts()[0]
        assert (row["n_answers"], row["n_failures"], row["n_rows"], row["status"]) == (2, 1, 4, "Transient")

    def test_what_stays_broken_goes_on_after_the_last_attempt_and_is_counted(self, router):
        script, fetched = by_symbol({"BBB": [Transient(*TOLD)] * 9})
        made = router(Scripted("a", script, max_symbols=None), Scripted("b", preference=1))
        collected = made.collect(BARS, ["AAA", "BBB"], DAYS)
        assert fetched.count("BBB") == 3
        assert collected.frame["provider"].to_list() == ["a", "b"]
        assert collected.events["kind"].to_list() == ["failover"]
        row = made.ledger.summary().filter(service="a").to_dicts()[0]
        assert row["n_failures"] == 3

    def test_what_turns_out_to_be_lasting_is_told_as_that(self, router):
        script, fetched = by_symbol({"BBB": [Transient(*TOLD), NotFound("a", "bars of BBB", "HTTP 404", "check it")]})
        collected = router(Scripted("a", script, max_symbols=None)).collect(BARS, ["AAA", "BBB", "CCC"], DAYS)
        assert fetched == ["AAA", "BBB", "CCC", "BBB"]
        assert "NotFound: HTTP 404" in collected.events["detail"].item()

    def test_a_service_that_breaks_off_again_and_again_is_left_alone(self, router):
        script, _ = by_symbol({symbol: [Transient(*TOLD)] * 99 for symbol in ("BBB", "CCC", "DDD")})
        made = router(Scripted("a", script, max_symbols=None), rules=BreakerRules(n_failures=3))
        made.collect(BARS, ["AAA", "BBB", "CCC", "DDD"], DAYS)
        assert made.ledger.open("a", BARS) is not None


class TestEachSymbol:
    def run(self, **outcomes):
        asked = []

        def fetch(symbol):
            asked.append(symbol)
            if symbol in outcomes:
                raise outcomes[symbol](*TOLD)
            return symbol

        try:
            return asked, *each_symbol("ABCDE", fetch)
        except FetchError as error:
            return asked, error

    def test_one_broken_answer_does_not_hold_back_the_others(self):
        asked, found, failures = self.run(B=Transient, D=Transient)
        assert (asked, found, sorted(failures)) == (list("ABCDE"), ["A", "C", "E"], ["B", "D"])

    def test_two_in_a_row_end_the_asking(self):
        asked, found, failures = self.run(B=Transient, C=Transient)
        assert (asked, found, sorted(failures)) == (list("ABC"), ["A"], list("BCDE"))

    @pytest.mark.parametrize("kind", [RateLimited, AuthError])
    def test_what_the_next_would_meet_too_ends_it_at_once(self, kind):
        asked, _, failures = self.run(B=kind)
        assert (asked, sorted(failures)) == (["A", "B"], list("BCDE"))

    def test_without_any_answer_it_is_the_error_that_ended_it(self):
        assert type(self.run(A=NotFound, B=Transient, C=Transient)[-1]) is Transient
        assert type(self.run(**dict.fromkeys("ABCDE", NotFound))[-1]) is NotFound


class TestWhatCounts:
    def test_our_own_empty_budget_is_nothing_against_the_service(self, router):
        poor = Scripted("a", failing("a", BudgetExhausted, retry_after=3600.0))
        made = router(poor, Scripted("b", preference=1))
        collected = made.collect(BARS, [f"S{n}" for n in range(9)], DAYS)
        assert set(collected.frame["provider"]) == {"b"}
        assert "a BudgetExhausted: " in collected.events["detail"].item()
        assert (made.ledger.health("a", BARS), made.ledger.open("a", BARS)) == (1.0, None)
        # Another symbol may have a budget of its own, and so has the next night.
        assert len(poor.asked) == 9

    @pytest.mark.parametrize("kind", [Incomplete, NotConfigured])
    def test_what_is_no_fault_of_the_service_never_opens_its_breaker(self, router, kind):
        made = router(Scripted("a", failing("a", kind)), Scripted("b", preference=1))
        made.collect(BARS, [f"S{n}" for n in range(9)], DAYS)
        assert made.ledger.open("a", BARS) is None

    @pytest.mark.parametrize("retry_after", [1.8e9, 1e23, float("inf"), float("nan"), -5.0])
    def test_a_time_that_is_none_shuts_nobody_out_for_ever(self, router, retry_after):
        assert RateLimited(*TOLD, retry_after=retry_after).retry_after is None
        made = router(Scripted("a", failing("a", RateLimited, retry_after=retry_after)), Scripted("b", preference=1))
        assert made.collect(BARS, ["AAA"], DAYS).frame.height == 1
        breaker = made.ledger.open("a", BARS)
        assert breaker is None or breaker.until <= made.clock() + dt.timedelta(days=1)


class TestIncomplete:
    @pytest.mark.parametrize("kind", [Incomplete, EmptyResult])
    def test_events_that_an_answer_does_not_reach_are_not_events_that_were_not(self, router, kind):
        quiet = Scripted("b", lambda ask: answer(TABLES[DIVIDENDS].empty()), table=DIVIDENDS, preference=1)
        cut_off = Scripted("a", failing("a", kind), table=DIVIDENDS)
        assert router(cut_off, quiet).collect(DIVIDENDS, ["AAA"], SESSIONS[:1]).events["kind"].to_list() == ["failover"]
        assert len(quiet.asked) == 1
        collected = router(cut_off).collect(DIVIDENDS, ["BBB"], SESSIONS[:1])
        assert collected.events.select("kind", "symbol").rows() == [("missing", "BBB")]
        assert f"a {kind.__name__}: HTTP 503" in collected.events["detail"].item()

    def test_a_symbol_that_is_incomplete_is_missing_beside_one_that_is_not(self, router):
        def partly(ask):
            return answer(TABLES[DIVIDENDS].empty(), BBB=Incomplete("a", "all of BBB", "3 pages", "ask for fewer"))

        made = router(Scripted("a", partly, table=DIVIDENDS, max_symbols=None))
        collected = made.collect(DIVIDENDS, ["AAA", "BBB"], SESSIONS[:1])
        assert collected.events.select("kind", "symbol").rows() == [("missing", "BBB")]


class TestKinds:
    def test_symbols_of_other_kinds_are_not_asked_of_it_and_the_reason_is_told(self, router):
        shares = Scripted("a", max_symbols=None, kinds=frozenset({"equity"}))
        made = router(shares)
        collected = made.collect(BARS, ["AAA", "^VIX"], DAYS)
        assert [ask.symbols for ask in shares.asked] == [("AAA",)]
        assert "a NotFound: a service of equity only" in collected.events.filter(symbol="^VIX")["detail"].item()
        assert made.ledger.health("a", BARS) == 1.0
        assert made.ledger.summary()["n_asks"].to_list() == [1]

    def test_they_are_no_opinion_either(self, router):
        whole, shares = Scripted("a", max_symbols=None), Scripted("b", preference=1, kinds=frozenset({"equity"}))
        router(whole, shares, is_price_checked=True).collect(BARS, ["AAA", "^VIX"], DAYS)
        assert [ask.symbols for ask in shares.asked] == [("AAA",)]
