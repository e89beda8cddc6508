"""The router: failover, opinions, resuming, and nothing invented whatever services do."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from resources.providers.live import errors
from resources.providers.live.cells import every_cell, without
from resources.providers.live.errors import (
    AuthError,
    EmptyResult,
    EntitlementError,
    MissingKeyError,
    NotFound,
    RateLimited,
    Transient,
    UnavailableError,
)
from resources.providers.live.service import Answer
from resources.providers.protocol import conform
from resources.providers.rejections import no_rejections
from tests.resources.providers.live.scripted import (
    BARS,
    DIVIDENDS,
    MACRO,
    SESSIONS,
    Clock,
    Scripted,
    answer,
    bars,
    failing,
    make_router,
)

SYMBOLS = ["AAA", "BBB", "CCC"]


@pytest.fixture
def router(tmp_path):
    made = []

    def make(*services, folder="home", **rest):
        made.append(make_router(tmp_path / folder, *services, **({"is_price_checked": False} | rest)))
        return made[-1]

    yield make
    for one in made:
        one.ledger.close()


def kinds(collected):
    return sorted((row["kind"], row["symbol"]) for row in collected.events.to_dicts())


def dividends(sessions):
    cells = every_cell(["AAA"], sorted(sessions)).join(schedule().select("session", known_at="open_at"), on="session")
    schema = TABLES[DIVIDENDS].polars_schema
    absent = {name: pl.lit(None, dtype=kind) for name, kind in schema.items()}
    given_ = {"provider": pl.lit("a"), "synthetic": pl.lit(False), "ex_date": pl.col("session")}
    return conform(
        cells.with_columns(**{k: v for k, v in absent.items() if k not in cells.columns} | given_), DIVIDENDS
    )


def providers(collected):
    return sorted(collected.frame["provider"].unique())


class TestFailover:
    def test_one_good_service_is_asked_once_per_ask_it_needs(self, router):
        one = Scripted("a", max_symbols=2)
        collected = router(one, Scripted("b", preference=1)).collect(BARS, SYMBOLS, SESSIONS)
        assert collected.frame.equals(bars(SYMBOLS, SESSIONS, "a"))
        assert [ask.symbols for ask in one.asked] == [("AAA", "BBB"), ("CCC",)]
        assert collected.events.is_empty()
        assert [source.url_or_path for source in collected.sources] == ["https://example.test/bars"] * 2

    def test_what_one_fails_on_goes_to_the_next_with_the_reason(self, router):
        down, up = Scripted("a", failing("a")), Scripted("b", preference=1, max_symbols=None)
        collected = router(down, up).collect(BARS, SYMBOLS, SESSIONS)
        assert collected.frame.equals(bars(SYMBOLS, SESSIONS, "b"))
        event = collected.events.to_dicts()
        assert [(row["kind"], row["session"], row["symbol"], row["chosen"]) for row in event] == [
            ("failover", day, "", "b") for day in SESSIONS
        ]
        assert event[0]["detail"] == "a Transient: HTTP 503; asked again later"
        assert len(up.asked) == 1

    def test_only_what_failed_or_lacks_goes_on(self, router):
        def partly(ask):
            rows = bars(["AAA", "BBB"], SESSIONS, "a").filter(
                (pl.col("symbol") == "AAA") | (pl.col("session") > SESSIONS[2])
            )
            return answer(rows, CCC=NotFound("a", "bars of CCC", "HTTP 404", "check it"))

        first, second = Scripted("a", partly, max_symbols=None), Scripted("b", preference=1, max_symbols=None)
        collected = router(first, second).collect(BARS, SYMBOLS, SESSIONS)
        assert collected.frame.group_by("symbol", "provider").len().sort("symbol", "provider").rows() == [
            ("AAA", "a", 8),
            ("BBB", "a", 5),
            ("BBB", "b", 3),
            ("CCC", "b", 8),
        ]
        assert second.asked[0].symbols == ("BBB", "CCC")

    def test_three_of_five_down_still_completes_with_the_reasons(self, router):
        down = [
            Scripted("a", failing("a", Transient)),
            Scripted("b", failing("b", AuthError), preference=1),
            Scripted("c", failing("c", RateLimited, retry_after=3600.0), preference=2),
        ]
        up = [Scripted("d", preference=3), Scripted("e", preference=4, max_symbols=None)]
        made = router(*down, *up, is_price_checked=True)
        collected = made.collect(BARS, SYMBOLS, SESSIONS)
        assert collected.frame.equals(bars(SYMBOLS, SESSIONS, "d"))
        assert kinds(collected) == [("failover", "")] * len(SESSIONS)
        detail = collected.events["detail"].unique().item()
        assert all(part in detail for part in ("a Transient: ", "b AuthError: ", "c RateLimited: "))
        health = {row["service"]: row for row in made.ledger.summary().to_dicts()}
        assert {name: row["is_open"] for name, row in health.items()} == {
            "a": True,
            "b": True,
            "c": True,
            "d": False,
            "e": False,
        }

    def test_a_dead_service_is_soon_left_alone(self, router):
        down = Scripted("a", failing("a"))
        symbols = [f"S{number:02}" for number in range(30)]
        collected = router(down, Scripted("b", preference=1)).collect(BARS, symbols, SESSIONS)
        assert len(down.asked) <= 6
        assert providers(collected) == ["b"]
        assert collected.events["detail"].str.starts_with("a Transient: ").to_list() == [True] * len(SESSIONS)

    def test_a_service_that_was_left_alone_is_tried_once_after_its_pause(self, router):
        clock = Clock()
        down = Scripted("a", failing("a"))
        made = router(down, Scripted("b", preference=1), clock=clock)
        made.collect(BARS, SYMBOLS, SESSIONS[:1])
        n_asked = len(down.asked)
        made.collect(BARS, SYMBOLS, SESSIONS[1:2])
        assert len(down.asked) == n_asked
        clock.go(5 * 86_400)
        made.collect(BARS, SYMBOLS, SESSIONS[2:3])
        assert len(down.asked) == n_asked + 1

    def test_a_missing_key_is_said_once_and_is_no_failover(self, router):
        text = "skipped; to use it: ask at https://example.test"

        def keyless(ask):
            raise MissingKeyError("a", "a key in EXAMPLE_KEY", "none", text)

        first = Scripted("a", keyless)
        made = router(first, Scripted("b", preference=1))
        for day in SESSIONS:
            assert made.collect(BARS, SYMBOLS, [day]).events.is_empty()
        assert len(first.asked) == 1
        row = made.ledger.summary().filter(service="a").to_dicts()[0]
        assert (row["status"], row["n_asks"]) == ("MissingKeyError", 0)
        assert text in row["detail"]

    def test_a_bug_in_a_service_is_a_failure_of_it_and_tells_no_key(self, router):
        def buggy(ask):
            raise ZeroDivisionError("https://example.test/?key=s3cret-key")

        collected = router(Scripted("a", buggy), Scripted("b", preference=1)).collect(BARS, SYMBOLS, SESSIONS)
        assert set(kinds(collected)) == {("failover", ""), ("schema_drift", "")}
        assert not any("s3cret" in text for text in collected.events["detail"])

    @pytest.mark.parametrize(
        "broken",
        [
            lambda frame: frame.drop("volume"),
            lambda frame: frame.with_columns(provider=pl.lit("another")),
            lambda frame: frame.with_columns(symbol=pl.lit("ZZZ")),
            lambda frame: frame.with_columns(pl.col("session").dt.offset_by("-60d")),
        ],
        ids=["columns", "provider", "symbol", "session"],
    )
    def test_an_answer_that_breaks_the_contract_is_not_taken(self, router, broken):
        first = Scripted("a", lambda ask: answer(broken(bars(ask.symbols, ask.sessions, "a"))))
        collected = router(first, Scripted("b", preference=1)).collect(BARS, SYMBOLS, SESSIONS)
        assert providers(collected) == ["b"]
        assert ("schema_drift", "") in kinds(collected)

    def test_only_the_newest_sessions_are_asked_of_a_snapshot(self, router):
        snapshot, history = Scripted("a", reaches_back=1, max_symbols=None), Scripted("b", preference=1)
        collected = router(snapshot, history).collect(BARS, ["AAA"], SESSIONS)
        assert [ask.sessions for ask in snapshot.asked] == [SESSIONS[-1:]]
        assert [ask.sessions for ask in history.asked] == [SESSIONS[:-1]]
        assert collected.events.is_empty()


class TestMissing:
    def test_what_nobody_has_is_named_with_the_reasons_of_all(self, router):
        def without_ccc(name):
            def script(ask):
                if ask.symbols == ("CCC",):
                    raise NotFound(name, "bars of CCC", "HTTP 404", "check the symbol")
                return answer(bars(ask.symbols, ask.sessions, name))

            return script

        services = [Scripted("a", without_ccc("a")), Scripted("b", without_ccc("b"), preference=1)]
        services += [Scripted("c", reaches_back=None, table=DIVIDENDS)]
        collected = router(*services).collect(BARS, SYMBOLS, SESSIONS)
        assert kinds(collected) == [("missing", "CCC")] * len(SESSIONS)
        assert collected.events["session"].to_list() == list(SESSIONS)
        row = collected.events.to_dicts()[0]
        assert row["providers"] == "a+b"
        assert row["detail"] == "a NotFound: HTTP 404; check the symbol | b NotFound: HTTP 404; check the symbol"

    def test_nothing_at_all_is_an_error_that_says_why_of_each(self, router):
        services = [Scripted("a", failing("a")), Scripted("b", failing("b", EntitlementError), preference=1)]
        services.append(Scripted("c", reaches_back=1, preference=2))
        with pytest.raises(UnavailableError) as raised:
            router(*services).collect(BARS, SYMBOLS, SESSIONS[:3])
        assert {error.service: type(error) for error in raised.value.failures} == {
            "a": Transient,
            "b": EntitlementError,
            "c": EmptyResult,
        }
        assert kinds(raised.value) == [("missing", symbol) for symbol in SYMBOLS for _ in range(3)]
        assert "a history of 1 sessions" in str(raised.value)

    def test_no_service_at_all_is_an_error_too(self, router):
        with pytest.raises(UnavailableError, match="no configured service has this table"):
            router(Scripted("a", table=DIVIDENDS)).collect(BARS, SYMBOLS, SESSIONS)

    def test_no_event_is_an_answer(self, router):
        quiet = Scripted("a", lambda ask: answer(TABLES[DIVIDENDS].empty()), table=DIVIDENDS, max_symbols=None)
        other = Scripted("b", failing("b"), table=DIVIDENDS, preference=1)
        made = router(quiet, other)
        for _ in range(2):
            collected = made.collect(DIVIDENDS, SYMBOLS, SESSIONS[:-1])
            assert collected.frame.is_empty()
            assert collected.events.is_empty()
        assert (len(quiet.asked), len(other.asked)) == (1, 0)

    def test_what_happens_later_in_the_evening_is_taken_by_a_repeat(self, router):
        known = [[]]
        clock = Clock()
        quiet = Scripted("a", table=DIVIDENDS, max_symbols=None, clock=clock)
        quiet.script = lambda ask: answer(dividends(set(known[0]) & set(ask.sessions)).filter("AAA" in ask.symbols))
        made = router(quiet, Scripted("b", failing("b"), table=DIVIDENDS, preference=1), clock=clock)

        def collect():
            collected = made.collect(DIVIDENDS, ["AAA", "BBB"], SESSIONS[-3:])
            assert collected.events.is_empty()
            return collected.frame.select("symbol", "session").rows()

        assert collect() == []
        known[0] = [SESSIONS[-2], SESSIONS[-1]]
        assert collect() == [("AAA", SESSIONS[-1])]
        clock.go(86_400.0 * 2.6)
        for _ in range(2):
            assert collect() == [("AAA", SESSIONS[-1])]
        assert [(ask.symbols, ask.sessions) for ask in quiet.asked] == [
            (("AAA", "BBB"), SESSIONS[-3:]),
            (("AAA", "BBB"), SESSIONS[-1:]),
            (("BBB",), SESSIONS[-1:]),
            (("BBB",), SESSIONS[-1:]),
        ]
        clock.go(86_400.0)
        assert collect() == collect() == [("AAA", SESSIONS[-1])]
        assert len(quiet.asked) == 5

    def test_events_that_nobody_could_say_are_missing_without_an_error(self, router):
        collected = router(Scripted("a", failing("a"), table=DIVIDENDS)).collect(DIVIDENDS, ["AAA"], SESSIONS)
        assert collected.frame.is_empty()
        assert kinds(collected) == [("missing", "AAA")] * len(SESSIONS)

    def test_a_series_without_news_is_not_missing_and_is_asked_again(self, router):
        quiet = Scripted("a", failing("a", EmptyResult), table=MACRO, max_symbols=None)
        made = router(quiet)
        for _ in range(2):
            collected = made.collect(MACRO, ["CPIAUCSL"], SESSIONS[-1:])
            assert collected.frame.is_empty()
            assert collected.events.is_empty()
        assert len(quiet.asked) == 2
        row = made.ledger.summary().to_dicts()[0]
        assert (row["n_answers"], row["n_failures"], row["status"], row["health"]) == (2, 0, "ok", 1.0)

    def test_a_proper_none_is_no_failed_ask(self, router):
        steps = []
        made = router(Scripted("a", failing("a", EmptyResult), table=MACRO, max_symbols=None))
        made.collect(MACRO, ["CPIAUCSL"], SESSIONS[-1:], steps.append)
        assert [step.n_failed for step in steps] == [0]


class TestOpinions:
    def test_a_second_service_confirms_with_few_asks(self, router):
        first, second = Scripted("a"), Scripted("b", preference=1, max_symbols=None, close=10.1)
        collected = router(first, second, is_price_checked=True).collect(BARS, SYMBOLS, SESSIONS)
        assert providers(collected) == ["a"]
        assert collected.events.is_empty()
        assert (len(first.asked), len(second.asked)) == (3, 1)
        assert len(collected.sources) == 4

    def test_of_three_the_median_is_taken(self, router):
        services = [Scripted("a", close=1.0), Scripted("b", preference=1, close=10.0)]
        services.append(Scripted("c", preference=2, close=10.1))
        collected = router(*services, is_price_checked=True).collect(BARS, ["AAA"], SESSIONS)
        assert collected.frame.equals(bars(["AAA"], SESSIONS, "b", 10.0))
        assert set(collected.events["kind"]) == {"price_disagreement"}
        assert collected.events["providers"].unique().to_list() == ["a+b+c"]
        assert collected.events.height == len(SESSIONS)

    def test_the_next_one_gives_the_opinion_when_one_is_down(self, router):
        services = [Scripted("a"), Scripted("b", failing("b"), preference=1), Scripted("c", preference=2)]
        collected = router(*services, is_price_checked=True).collect(BARS, ["AAA"], SESSIONS)
        assert collected.events.is_empty()

    def test_without_an_opinion_each_bar_says_so(self, router):
        services = [Scripted("a"), Scripted("b", failing("b"), preference=1)]
        collected = router(*services, is_price_checked=True).collect(BARS, ["AAA"], SESSIONS[:2])
        assert kinds(collected) == [("unverified", "AAA")] * 2
        assert "b Transient: HTTP 503" in collected.events["detail"][0]

    def test_an_opinion_that_takes_many_asks_is_not_sought(self, router):
        symbols = [f"S{number}" for number in range(5)]
        first, dear = Scripted("a", max_symbols=None), Scripted("b", preference=1)
        made = router(first, dear, is_price_checked=True)
        collected = made.collect(BARS, symbols, SESSIONS)
        assert dear.asked == []
        assert "it would take more than 4 asks for each session" in collected.events["detail"][0]
        assert made.collect(BARS, symbols[:4], SESSIONS, again=True).events.is_empty()
        assert len(dear.asked) == 4

    @pytest.mark.parametrize("dearest", [(None, 1), (1, None), (2, 3)])
    def test_a_range_and_its_nights_are_confirmed_by_the_same(self, router, dearest):
        # a has one wrong bar, b lacks a session and does not know another, c is asked where b says nothing.
        def script(name, close):
            def of_ask(ask):
                if name == "b" and SESSIONS[1] in ask.sessions and len(ask.sessions) == 1:
                    raise NotFound("b", "bars", "HTTP 404", "check it")
                rows = bars(ask.symbols, ask.sessions, name, close)
                if name == "b":
                    rows = rows.filter(pl.col("session") != SESSIONS[2])
                is_wrong = (pl.col("session") == SESSIONS[4]) & (pl.lit(name) == "a")
                return answer(rows.with_columns(close=pl.when(is_wrong).then(15.0).otherwise("close")))

            return of_ask

        def services():
            sides = dict(zip(("max_symbols", "max_sessions"), dearest, strict=True))
            return [
                Scripted("a", script("a", 10.0), max_symbols=None),
                Scripted("b", script("b", 10.0), preference=1, max_symbols=None, max_sessions=1),
                Scripted("c", script("c", 10.01), preference=2, **sides),
            ]

        symbols = [*SYMBOLS, "DDD", "EEE"]
        whole = router(*services(), is_price_checked=True).collect(BARS, symbols, SESSIONS)
        made = router(*services(), folder="nightly", is_price_checked=True)
        nights = [made.collect(BARS, symbols, [day]) for day in SESSIONS]
        assert pl.concat([night.frame for night in nights]).equals(whole.frame)
        assert conform(pl.concat([night.events for night in nights]), "raw.quality_events").equals(whole.events)
        assert ("price_disagreement", "AAA") in kinds(whole) or dearest == (1, None)

    def test_a_third_is_asked_only_of_those_that_did_not_speak(self, router):
        services = [Scripted("a", close=1.0), Scripted("b", preference=1, close=10.0)]
        collected = router(*services, is_price_checked=True).collect(BARS, ["AAA"], SESSIONS[:1])
        assert kinds(collected) == [("unverified", "AAA")]
        assert providers(collected) == ["a"]
        assert [len(one.asked) for one in services] == [1, 1]

    def test_the_check_can_be_left_out(self, router):
        second = Scripted("b", preference=1)
        collected = router(Scripted("a"), second).collect(BARS, SYMBOLS, SESSIONS)
        assert (second.asked, collected.events.height) == ([], 0)


class TestResuming:
    def test_what_has_landed_is_not_asked_again_and_is_the_same(self, router):
        services = [Scripted("a", failing("a")), Scripted("b", preference=1, close=1.0)]
        services.append(Scripted("c", preference=2, close=1.5))
        made = router(*services, is_price_checked=True)
        first = made.collect(BARS, SYMBOLS, SESSIONS)
        n_asked = [len(one.asked) for one in services]
        steps = []
        again = made.collect(BARS, SYMBOLS, SESSIONS, steps.append)
        assert again.frame.equals(first.frame)
        assert again.events.equals(first.events)
        assert again.sources == first.sources
        assert [len(one.asked) for one in services] == n_asked
        assert [(step.done_cells, step.service) for step in steps] == [(24, "")]

    def test_a_session_is_the_same_whatever_else_is_asked_for(self, router):
        def services():
            return [Scripted("a", close=1.0), Scripted("b", preference=1, close=2.0), Scripted("c", preference=2)]

        whole = router(*services(), is_price_checked=True).collect(BARS, SYMBOLS, SESSIONS)
        made = router(*services(), folder="nightly", is_price_checked=True)
        nights = [made.collect(BARS, SYMBOLS, [day]) for day in SESSIONS]
        assert pl.concat([night.frame for night in nights]).equals(whole.frame)
        assert conform(pl.concat([night.events for night in nights]), "raw.quality_events").equals(whole.events)

    def test_doubts_are_told_by_session_whatever_else_is_asked_for_and_whenever(self, router):
        def services():
            def partly(ask):
                if ask.symbols == ("CCC",):
                    raise NotFound("b", "bars of CCC", "HTTP 404", "check the symbol")
                return answer(bars(ask.symbols, ask.sessions, "b"))

            gone = failing("a", NotFound)
            return [Scripted("a", gone), Scripted("b", partly, preference=1)]

        clock = Clock()
        of_range = router(*services(), clock=clock)
        whole = of_range.collect(BARS, SYMBOLS, SESSIONS)
        made = router(*services(), folder="nightly", clock=clock)
        nights = pl.concat([made.collect(BARS, SYMBOLS, [day]).events for day in SESSIONS])
        assert set(kinds(whole)) == {("failover", ""), ("missing", "CCC")}
        assert conform(nights, "raw.quality_events").equals(whole.events)
        clock.go(600)
        for day in SESSIONS:
            repeat = of_range.collect(BARS, SYMBOLS, [day]).events
            assert repeat.equals(whole.events.filter(session=day))
        again = of_range.collect(BARS, SYMBOLS, SESSIONS, again=True).events
        assert again.filter(kind="missing").equals(whole.events.filter(kind="missing"))

    def test_again_replaces_what_landed_where_something_comes(self, router):
        prices = [1.0]

        def script(ask):
            if ask.symbols == ("CCC",) and prices[0] > 1.0:
                raise Transient("a", "bars of CCC", "HTTP 503", "later")
            return answer(bars(ask.symbols, ask.sessions, "a", prices[0]))

        clock = Clock()
        made = router(Scripted("a", script, clock=clock), clock=clock)
        made.collect(BARS, SYMBOLS, SESSIONS)
        prices[0] = 2.0
        clock.go(60)
        collected = made.collect(BARS, SYMBOLS, SESSIONS, again=True)
        assert dict(collected.frame.select("symbol", "close").iter_rows()) == {"AAA": 2.0, "BBB": 2.0, "CCC": 1.0}
        assert made.collect(BARS, SYMBOLS, SESSIONS).frame.equals(collected.frame)

    def test_a_damaged_part_is_asked_for_again(self, router):
        one = Scripted("a")
        made = router(one)
        first = made.collect(BARS, SYMBOLS, SESSIONS)
        next((made.landing.folder / BARS).glob("*.rows.parquet")).write_bytes(b"PAR1")
        assert made.collect(BARS, SYMBOLS, SESSIONS).frame.equals(first.frame)
        assert len(one.asked) == 4

    def test_every_body_is_archived_of_failed_attempts_too(self, router):
        made = router(Scripted("a", failing("a")), Scripted("b", preference=1))
        made.collect(BARS, ["AAA"], SESSIONS)
        archived = {path.parent.parent.name for path in made._asker.archive.folder.rglob("*.gz")}
        assert archived == {"a", "b"}

    def test_an_interrupted_collection_keeps_what_came(self, router):
        def script(ask):
            if ask.symbols == ("CCC",):
                raise KeyboardInterrupt
            return answer(bars(ask.symbols, ask.sessions, "a"))

        one = Scripted("a", script)
        made = router(one)
        with pytest.raises(KeyboardInterrupt):
            made.collect(BARS, SYMBOLS, SESSIONS)
        one.script = lambda ask: answer(bars(ask.symbols, ask.sessions, "a"))
        assert made.collect(BARS, SYMBOLS, SESSIONS).frame.equals(bars(SYMBOLS, SESSIONS, "a"))
        assert len(one.asked) == 4

    @pytest.mark.heavy
    def test_a_killed_backfill_goes_on_where_it_stopped(self, tmp_path, start, go):
        doomed = start("collect", tmp_path, 200)
        go(doomed)
        said = [doomed.stdout.readline() for _ in range(12)]
        doomed.kill()
        said += doomed.communicate()[0].splitlines()
        n_landed = int(said[-1]) // len(SESSIONS)
        assert 12 <= n_landed < 200
        one = Scripted("example")
        made = make_router(tmp_path, one)
        symbols = [f"S{number:03}" for number in range(n_landed + 5)]
        collected = made.collect(BARS, symbols, SESSIONS)
        made.ledger.close()
        assert collected.frame.equals(bars(symbols, SESSIONS, "example"))
        # The process may have been killed between landing and saying so.
        assert len(one.asked) in (4, 5)


class TestOrder:
    def test_the_leader_is_kept_over_a_small_difference_and_remembered(self, router):
        clock = Clock()
        services = [Scripted("a"), Scripted("b", preference=1)]
        made = router(*services, clock=clock)
        assert made.order_of(BARS, SESSIONS) == ["a", "b"]
        for _ in range(2):
            made.ledger.record("a", BARS, SESSIONS[-1], "Transient", detail="x")
        made.collect(BARS, ["AAA"], SESSIONS)
        assert made.ledger.leader(BARS) == "b"
        clock.go(20 * 3600)
        assert made.order_of(BARS, SESSIONS)[0] == "b"
        clock.go(5 * 3600)
        assert made.order_of(BARS, SESSIONS)[0] == "a"

    def test_progress_is_told_after_each_ask(self, router):
        steps = []
        services = [Scripted("a", failing("a", NotFound)), Scripted("b", preference=1)]
        router(*services).collect(BARS, SYMBOLS, SESSIONS, steps.append)
        assert [(step.service, step.done_cells, step.all_cells, step.n_failed) for step in steps] == [
            ("a", 0, 24, 1),
            ("a", 0, 24, 2),
            ("a", 0, 24, 3),
            ("b", 8, 24, 3),
            ("b", 16, 24, 3),
            ("b", 24, 24, 3),
        ]


OUTCOMES = [
    "ok",
    "partly",
    "Transient",
    "RateLimited",
    "AuthError",
    "EntitlementError",
    "NotFound",
    "EmptyResult",
    "SchemaDrift",
    "bug",
    "failures",
    "foreign",
]
scripts = st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=8)


def chaotic(name: str, price: float, outcomes: list[str], given_: dict) -> Scripted:
    """A service whose asks end as ``outcomes`` say, over and over; what it really gave is kept in ``given_``."""
    n_asks = [0]

    def script(ask):
        outcome = outcomes[n_asks[0] % len(outcomes)]
        n_asks[0] += 1
        if outcome == "bug":
            raise KeyError("no such field")
        if hasattr(errors, outcome):
            raise getattr(errors, outcome)(name, "bars", f"told {outcome}", "nothing")
        rows = bars(ask.symbols, ask.sessions, name, price + n_asks[0] / 1000)
        if outcome == "foreign":
            return answer(rows.with_columns(symbol=pl.lit("ZZZ")))
        if outcome == "partly":
            rows = rows.gather_every(2)
        failures = {}
        if outcome == "failures":
            failures = {ask.symbols[0]: NotFound(name, "bars", "HTTP 404", "check it")}
            rows = rows.filter(pl.col("symbol") != ask.symbols[0])
        for row in rows.to_dicts():
            given_.setdefault((row["symbol"], row["session"], name), []).append(row)
        return Answer(rows, no_rejections(), failures)

    return Scripted(name, script, preference=ord(name) - ord("a"), max_symbols=len(outcomes) % 3 + 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(scripts, min_size=1, max_size=4), st.booleans(), st.floats(1.0, 1.1))
def test_whatever_services_do_each_cell_is_a_row_that_one_gave_or_is_named_as_missing(
    tmp_path_factory, all_outcomes, is_price_checked, spread
):
    given_: dict = {}
    services = [
        chaotic(name, 10.0 * spread**number, outcomes, given_)
        for number, (name, outcomes) in enumerate(zip("abcd", all_outcomes, strict=False))
    ]
    made = make_router(tmp_path_factory.mktemp("home"), *services, is_price_checked=is_price_checked)
    days = SESSIONS[-3:]
    try:
        collected = made.collect(BARS, SYMBOLS, days)
    except UnavailableError as error:
        frame, events = TABLES[BARS].empty(), error.events
    else:
        frame, events = collected.frame, collected.events
    made.ledger.close()
    asked = every_cell(SYMBOLS, days)
    assert frame.select("symbol", "session").is_unique().all()
    assert without(frame.select("symbol", "session"), asked).is_empty()
    for row in frame.to_dicts():
        assert row in given_[row["symbol"], row["session"], row["provider"]]
    missing = without(asked, frame.select("symbol", "session"))
    named = events.filter(kind="missing")
    assert sorted(named.select("symbol", "session").rows()) == sorted(missing.rows())
    _, failures = TABLES["raw.quality_events"].schema.filter(events)
    assert failures.counts() == {}
