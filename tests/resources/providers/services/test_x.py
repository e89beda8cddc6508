"""X: the budget, the key, the limit and the span."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace

import pytest

from resources.providers.live.allowance import Allowance
from resources.providers.live.errors import (
    BudgetExhausted,
    EntitlementError,
    Incomplete,
    NotFound,
    RateLimited,
    SchemaDrift,
    Transient,
)
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback.cases import SECRET
from tests.loopback.server import Response
from tests.loopback.vendors.x import KEYS, XVendor, post
from tests.resources.providers.services.conftest import IMPATIENT_S, PATIENT_S


@pytest.fixture
def vendor(loopback, world):
    vendor = XVendor(world)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def reader(vendor, access_to):
    def make(timeout_s=PATIENT_S, **options):
        return make_service(access_to("x", keys=KEYS, options=options, timeout_s=timeout_s))

    return make


def ask(world, *symbols):
    return Ask("raw.posts", symbols or ("AAA",), (world.today,))


def many(world, n):
    closed_at = world.calendar["close_at"][-1]
    return [post(10_000 - k, closed_at - k * dt.timedelta(seconds=1), f"$AAA number {k}") for k in range(n)]


def sizes(loopback):
    return [int(request.query["max_results"]) for request in loopback.requests("x")]


def test_a_post_is_kept_with_its_text_and_without_its_author(reader, world):
    row = reader().fetch(ask(world)).frame.row(0, named=True)
    assert row["text"] == "AAA beats expectations and raises its outlook"
    assert row["ts"] == row["known_at"] == world.calendar["close_at"][-1] - dt.timedelta(hours=1)
    assert (row["source"], row["tag"], row["engagement"]) == ("x", "none", None)
    assert len(row["author_hash"]) == 64


def test_the_span_is_that_of_the_session(reader, vendor, world, loopback):
    before, closed_at = world.calendar["close_at"][-2:]
    second = dt.timedelta(seconds=1)
    instants = [before, before + second, closed_at, closed_at + second]
    vendor.posts["$AAA"] = [post(n, ts, "text") for n, ts in enumerate(instants)]
    assert reader().fetch(ask(world)).frame["post_id"].to_list() == ["1", "2"]
    query = loopback.requests("x")[0].query
    assert (query["start_time"], query["end_time"]) == ("2026-11-19T21:00:01Z", "2026-11-20T21:00:01Z")
    assert query["query"] == "$AAA -is:retweet lang:en"


@pytest.mark.parametrize("max_posts", [10, 105, 250, 259])
def test_the_budget_is_never_exceeded(reader, vendor, world, loopback, max_posts):
    vendor.posts["$AAA"] = many(world, 1000)
    service = reader(max_posts=max_posts)
    for _ in range(3):
        with pytest.raises(BudgetExhausted, match=f"of {max_posts} posts read"):
            service.fetch(ask(world))
    assert max_posts - 10 < sum(sizes(loopback)) <= max_posts


def test_what_a_page_does_not_hold_is_given_back(reader, vendor, world, loopback):
    vendor.posts["$AAA"] = many(world, 105)
    service = reader(max_posts=115)
    assert service.fetch(ask(world)).frame.height == 105
    assert sizes(loopback) == [100, 15]
    assert service.fetch(ask(world, "BBB")).frame.height == 1
    with pytest.raises(BudgetExhausted, match=r"106 of 115 posts read \(0.53 \$\)"):
        service.fetch(ask(world, "BBB"))


def test_processes_of_a_home_share_the_budget_of_a_day(reader, vendor, world, tmp_path):
    now, made = [world.now], []

    def process():
        made.append(Allowance(tmp_path / "allowances.sqlite", "x"))
        access = replace(reader(max_posts=100).access, allowance=made[-1], clock=lambda: now[0])
        return make_service(access)

    vendor.posts["$AAA"] = many(world, 95)
    assert process().fetch(ask(world)).frame.height == 95
    with pytest.raises(BudgetExhausted, match="95 of 100 posts read") as raised:
        process().fetch(ask(world))
    assert raised.value.retry_after == 86_400
    now[0] += dt.timedelta(days=1)
    assert process().fetch(ask(world)).frame.height == 95
    for each in made:
        each.close()


@pytest.mark.parametrize(("mode", "is_counted"), [("slow", True), ("503", True), ("429", False), ("402", False)])
def test_an_answer_that_did_not_come_counts_as_read(reader, world, loopback, mode, is_counted):
    service = reader(max_posts=100, timeout_s=IMPATIENT_S if mode == "slow" else PATIENT_S)
    loopback.set_mode("x", mode, times=1)
    with pytest.raises((Transient, RateLimited, EntitlementError)):
        service.fetch(ask(world))
    if is_counted:
        with pytest.raises(BudgetExhausted, match="100 of 100 posts read"):
            service.fetch(ask(world))
    else:
        assert service.fetch(ask(world)).frame.height == 1


def test_the_budget_ends_the_asking_and_keeps_what_is_whole(reader, vendor, world):
    vendor.posts["$BBB"] = many(world, 300)
    answer = reader(max_posts=120).fetch(ask(world, "AAA", "BBB", "BRK.B"))
    assert set(answer.frame["symbol"]) == {"AAA"}
    assert {type(error) for error in answer.failures.values()} == {BudgetExhausted}
    assert set(answer.failures) == {"BBB", "BRK.B"}


def test_credits_that_are_used_up_are_said(reader, world, loopback):
    loopback.set_mode("x", "402")
    with pytest.raises(EntitlementError, match="does not have any credits"):
        reader().fetch(ask(world))


def test_the_end_of_the_limit_is_told_and_not_slept_through(reader, vendor, world, loopback):
    vendor.headers = {"x-rate-limit-reset": str(int(world.now.timestamp()) + 900)}
    loopback.set_mode("x", "429")
    with pytest.raises(RateLimited) as raised:
        reader().fetch(ask(world))
    assert raised.value.retry_after == 900.0
    assert len(loopback.requests("x")) == 1


def test_the_key_is_in_no_log_and_no_address(reader, world, loopback, caplog):
    caplog.set_level(logging.DEBUG)
    reader().fetch(ask(world))
    assert SECRET not in caplog.text
    assert not any(SECRET in request.url for request in loopback.requests("x"))


def test_sessions_before_the_last_seven_days_are_not_asked_for(reader, world, loopback):
    with pytest.raises(Incomplete, match="last seven days"):
        reader().fetch(Ask("raw.posts", ("AAA",), (world.sessions[-6],)))
    assert loopback.requests("x") == []


def test_coins_and_indices_have_no_cashtag_of_their_own(reader, world):
    answer = reader().fetch(ask(world, "AAA", "ETH/USD", "^VIX"))
    assert {symbol: type(error) for symbol, error in answer.failures.items()} == {
        "ETH/USD": NotFound,
        "^VIX": NotFound,
    }


@pytest.mark.parametrize(
    "document",
    [
        {"data": []},
        {"meta": {"result_count": 2}},
        {"meta": {"result_count": 1}, "data": {}},
        {"meta": {"result_count": 1}, "data": [{"id": 7, "text": "t", "created_at": "", "author_id": "1"}]},
        [],
    ],
)
def test_a_page_that_contradicts_itself_is_no_answer(reader, vendor, world, document):
    vendor.answer = lambda request: Response.of_json(document)
    with pytest.raises(SchemaDrift):
        reader().fetch(ask(world))


def test_a_budget_that_is_no_number_is_said(reader, world):
    with pytest.raises(NotFound, match="the option max_posts as int"):
        reader(max_posts="many").fetch(ask(world))


def test_the_probe_reads_no_post(reader, loopback):
    assert "7 posts" in reader().probe().detail
    assert [request.path for request in loopback.requests("x")] == ["/2/tweets/counts/recent"]
