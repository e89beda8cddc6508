"""Events: one row per key, sentences joined, nothing lost that differs."""

from __future__ import annotations

import polars as pl

from gnosis.tables import TABLES
from resources.providers.live.errors import NotFound, SchemaDrift, Transient
from resources.providers.live.quality import failure_events, merged, missing_events
from tests.resources.providers.live.scripted import BARS, NOW, SESSIONS

DAY = SESSIONS[-1]
DOWN = Transient("a", "bars of AAA", "HTTP 503 'a | b'", "asked again later")


def test_failures_of_one_ask_are_one_event_and_a_new_form_is_one_more():
    events = failure_events(BARS, DAY, [DOWN, SchemaDrift("b", "bars", "a page", "report it")], "c", NOW)
    assert events.select("kind", "providers", "chosen").rows() == [
        ("failover", "a+b", "c"),
        ("schema_drift", "b", None),
    ]
    assert events["detail"][0] == "a Transient: HTTP 503 'a / b'; asked again later | b SchemaDrift: a page; report it"
    _, failures = TABLES["raw.quality_events"].schema.filter(events)
    assert failures.counts() == {}


def test_no_failure_is_no_event():
    assert failure_events(BARS, DAY, [], "c", NOW).is_empty()


def test_merging_unites_and_merging_again_changes_nothing():
    others = [
        failure_events(BARS, DAY, [DOWN], "c", NOW),
        failure_events(BARS, DAY, [Transient("a", "bars of BBB", "HTTP 502", "asked again later")], "d", NOW),
        failure_events(BARS, DAY, [NotFound("b", "bars of BBB", "HTTP 404", "check it")], "d", NOW),
    ]
    once = merged(pl.concat(others))
    assert once.height == 1
    row = once.to_dicts()[0]
    assert (row["providers"], row["chosen"]) == ("a+b", None)
    assert row["detail"] == "a Transient: HTTP 502; asked again later | b NotFound: HTTP 404; check it"
    assert merged(once).equals(once)
    assert merged(pl.concat([once, *others])).equals(once)
    assert merged(pl.concat(others[::-1])).equals(once)


def test_what_is_missing_is_named_as_spans_of_what_was_asked():
    gone = pl.DataFrame({"symbol": "AAA", "session": [*SESSIONS[:2], SESSIONS[4]]})
    reasons = {"AAA": [("a", "a NotFound: HTTP 404; check it"), ("a", "a NotFound: HTTP 404; check it")]}
    row = missing_events(BARS, gone, reasons, SESSIONS, NOW).to_dicts()[0]
    assert (row["session"], row["symbol"], row["kind"], row["providers"]) == (DAY, "AAA", "missing", "a")
    spans = f"{SESSIONS[0]} to {SESSIONS[1]}, {SESSIONS[4]}"
    assert row["detail"] == f"no row of {spans}: a NotFound: HTTP 404; check it"


def test_without_any_service_it_says_that():
    gone = pl.DataFrame({"symbol": ["AAA"], "session": [DAY]})
    row = missing_events(BARS, gone, {}, SESSIONS, NOW).to_dicts()[0]
    assert row["providers"] == ""
    assert "no configured service has this table" in row["detail"]
