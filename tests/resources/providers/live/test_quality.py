"""Events: one row per key, sentences joined, nothing lost that differs."""

from __future__ import annotations

import polars as pl

from gnosis.sessions import schedule
from gnosis.tables import TABLES
from resources.providers.live.errors import FetchError, NotFound, SchemaDrift, Transient
from resources.providers.live.quality import failure_events, merged, missing_events
from tests.resources.providers.live.scripted import BARS, NOW, SESSIONS

DAY = SESSIONS[-1]
DOWN = Transient("a", "bars of AAA", "HTTP 503 'a | b'", "asked again later")


def failed(*errors: FetchError, sessions=(DAY,), chosen="c") -> pl.DataFrame:
    faults = pl.DataFrame({"fault": range(len(errors))}, schema={"fault": pl.Int64})
    by_session = pl.DataFrame({"session": sessions}, schema={"session": pl.Date})
    return failure_events(BARS, by_session.join(faults, how="cross"), errors, chosen, NOW)


def faults_of(cells: pl.DataFrame, *faults: int) -> pl.DataFrame:
    return cells.join(pl.DataFrame({"fault": faults}, schema={"fault": pl.Int64}), how="cross")


def test_failures_of_a_session_are_one_event_and_a_new_form_is_one_more():
    events = failed(DOWN, SchemaDrift("b", "bars", "a page", "report it"), sessions=SESSIONS[-2:])
    assert events.select("session", "kind", "providers", "chosen").sort("session", "kind").rows() == [
        row for day in SESSIONS[-2:] for row in [(day, "failover", "a+b", "c"), (day, "schema_drift", "b", None)]
    ]
    assert events["detail"][0] == "a Transient: HTTP 503 'a / b'; asked again later | b SchemaDrift: a page; report it"
    _, failures = TABLES["raw.quality_events"].schema.filter(events)
    assert failures.counts() == {}


def test_no_failure_is_no_event():
    assert failed().is_empty()


def test_merging_unites_and_merging_again_changes_nothing():
    others = [
        failed(DOWN),
        failed(Transient("a", "bars of BBB", "HTTP 502", "asked again later"), chosen="d"),
        failed(NotFound("b", "bars of BBB", "HTTP 404", "check it"), chosen="d"),
    ]
    once = merged(pl.concat(others))
    assert once.height == 1
    row = once.to_dicts()[0]
    assert (row["providers"], row["chosen"]) == ("a+b", None)
    assert row["detail"] == "a Transient: HTTP 502; asked again later | b NotFound: HTTP 404; check it"
    assert merged(once).equals(once)
    assert merged(pl.concat([once, *others])).equals(once)
    assert merged(pl.concat(others[::-1])).equals(once)


def test_what_several_services_say_in_one_kind_of_error_is_all_kept():
    gone = pl.DataFrame({"symbol": ["AAA"], "session": [DAY]})
    names = ["ccxt:binance", "ccxt:kraken", "reddit"]
    errors = [Transient(name, "posts of AAA", "HTTP 503: down", "later") for name in names]
    parts = [missing_events("raw.posts", gone, faults_of(gone, 0), [error]) for error in errors]
    row = merged(pl.concat(parts)).to_dicts()[0]
    assert row["providers"] == "ccxt:binance+ccxt:kraken+reddit"
    assert row["detail"] == " | ".join(f"{name} Transient: HTTP 503: down; later" for name in names)


def test_each_missing_cell_is_an_event_known_at_the_close():
    gone = pl.DataFrame({"symbol": "AAA", "session": [*SESSIONS[:2], SESSIONS[4]]})
    errors = [NotFound("b", "bars", "HTTP 404", "check it"), NotFound("a", "bars", "HTTP 404", "check it"), DOWN]
    faults = pl.concat([faults_of(gone, 0, 1), faults_of(gone[2:], 2), faults_of(gone[:1], 1)])
    events = missing_events(BARS, gone, faults, errors)
    closes = dict(schedule().select("session", "close_at").iter_rows())
    assert events.select("session", "symbol", "kind", "providers", "known_at").rows() == [
        (day, "AAA", "missing", "a+b", closes[day]) for day in gone["session"]
    ]
    both = "a NotFound: HTTP 404; check it | b NotFound: HTTP 404; check it"
    assert events["detail"].to_list()[:2] == [both, both]
    assert "a Transient: HTTP 503" in events["detail"][2]


def test_without_any_service_it_says_that():
    gone = pl.DataFrame({"symbol": ["AAA"], "session": [DAY]})
    row = missing_events(BARS, gone, faults_of(gone), []).to_dicts()[0]
    assert row["providers"] == ""
    assert "no configured service has this table" in row["detail"]
