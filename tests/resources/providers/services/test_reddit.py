"""Reddit: cashtags, how far listings reach, settings that lie about, limits, and the access token."""

from __future__ import annotations

import datetime as dt
import logging

import pytest

from gnosis.engines.scoring import text_hash
from resources.providers.live.errors import AuthError, EntitlementError, Incomplete, NotFound, RateLimited
from resources.providers.live.service import Ask
from resources.providers.services import make_service
from tests.loopback.cases import SECRET
from tests.loopback.server import Response
from tests.loopback.vendors.reddit import KEYS, TOKEN, RedditVendor, submission

OPTIONS = {"subreddits": ["wallstreetbets"]}


@pytest.fixture
def vendor(loopback, world):
    vendor = RedditVendor(world)
    loopback.serve(vendor)
    return vendor


@pytest.fixture
def service(vendor, access_to):
    return make_service(access_to("reddit", keys=KEYS, options=OPTIONS))


def ask(world, *symbols):
    return Ask("raw.posts", symbols or ("AAA",), (world.today,))


def posted(world, number, title, body="", hours=1.0, **rest):
    ts = world.calendar["close_at"][-1] - dt.timedelta(hours=hours)
    return submission(str(number), ts.timestamp(), title, body, **rest)


def test_a_submission_is_about_the_symbols_of_its_cashtags(service, vendor, world):
    vendor.submissions["wallstreetbets"] = [
        posted(world, 1, "Long $AAA", "and $BRK.B; not $BBBB"),
        posted(world, 2, "AAA and $aaa"),
        posted(world, 3, "Nothing to see"),
    ]
    frame = service.fetch(ask(world, "AAA", "BBB", "BRK.B")).frame
    assert frame.select("symbol", "post_id").rows() == [("AAA", "1abc1"), ("BRK.B", "1abc1")]
    assert frame["text"][0] == "Long $AAA\n\nand $BRK.B; not $BBBB"
    assert frame["text_hash"][0] == text_hash(frame["text"][0])
    assert set(frame["community"]) == {"wallstreetbets"}
    assert set(frame["tag"]) == {"none"}
    assert frame["engagement"].null_count() == 2


def test_instants_are_those_of_posting_or_of_the_edit(service, vendor, world):
    closed_at = world.calendar["close_at"][-1]
    hour = dt.timedelta(hours=1)
    vendor.submissions["wallstreetbets"] = [
        posted(world, 1, "$AAA", hours=3),
        posted(world, 2, "$AAA", hours=3, edited=(closed_at - hour).timestamp()),
        posted(world, 3, "$AAA", hours=3, edited=(closed_at + hour).timestamp()),
        posted(world, 4, "$AAA", hours=24),
    ]
    frame = service.fetch(ask(world)).frame
    assert frame.select("post_id", "known_at").rows() == [("1abc1", closed_at - 3 * hour), ("1abc2", closed_at - hour)]
    assert set(frame["ts"]) == {closed_at - 3 * hour}


def test_what_was_withdrawn_has_no_text_and_no_author(service, vendor, world):
    vendor.submissions["wallstreetbets"] = [posted(world, 1, "$AAA", "[removed]", author="[deleted]")]
    row = service.fetch(ask(world)).frame.row(0, named=True)
    assert (row["text"], row["author_hash"]) == ("$AAA", None)


def test_a_listing_that_does_not_reach_back_is_no_answer(service, vendor, world, loopback):
    vendor.submissions["wallstreetbets"] = [posted(world, n, "$AAA", hours=n / 1000) for n in range(1, 1000)]
    with pytest.raises(Incomplete, match="do not reach back to 2026-11-19 21:00 UTC"):
        service.fetch(ask(world))
    assert len(loopback.requests("reddit")) == 1 + 10


def test_a_listing_is_read_to_the_beginning_of_the_session(service, vendor, world, loopback):
    vendor.submissions["wallstreetbets"] = [posted(world, n, "$AAA", hours=n / 5) for n in range(1, 1000)]
    assert service.fetch(ask(world)).frame.height == 24 * 5 - 1
    assert [request.path for request in loopback.requests("reddit")] == [
        "/api/v1/access_token",
        "/r/wallstreetbets/new",
        "/r/wallstreetbets/new",
    ]


def test_a_missing_field_is_not_fetched_by_another_request(service, vendor, world, loopback):
    vendor.submissions["wallstreetbets"] = [posted(world, 1, "$AAA"), posted(world, 2, "$AAA")]
    del vendor.submissions["wallstreetbets"][1]["selftext"]
    answer = service.fetch(ask(world))
    assert answer.frame["post_id"].to_list() == ["1abc1"]
    assert answer.rejected["rule"].to_list() == ["selftext|type"]
    assert len(loopback.requests("reddit")) == 2


def test_one_subreddit_that_is_gone_fails_the_ask(vendor, access_to, world):
    for name, expected in (("no_such_place", "HTTP 302 to /subreddits/search"), ("../me", "names of subreddits")):
        service = make_service(access_to("reddit", keys=KEYS, options={"subreddits": ["wallstreetbets", name]}))
        with pytest.raises(NotFound, match=expected):
            service.fetch(ask(world))


@pytest.mark.parametrize("mode", ["403", "404"])
def test_subreddits_that_are_closed_are_named_and_do_not_stop_the_others(vendor, access_to, world, loopback, mode):
    names = ["wallstreetbets", "stocks", "gone"]
    service = make_service(access_to("reddit", keys=KEYS, options={"subreddits": names}))
    loopback.set_mode("reddit", mode, "/r/wallstreetbets")
    # Neither the plan nor the key is refused: nothing keeps the service from being asked again.
    with pytest.raises(NotFound, match=f"r/wallstreetbets: HTTP {mode}, r/gone: HTTP 302") as raised:
        service.fetch(ask(world))
    assert raised.value.advice == "remove wallstreetbets, gone from the option subreddits"
    assert [request.path for request in loopback.requests("reddit")][1:] == [f"/r/{name}/new" for name in names]


def test_an_app_that_is_refused_is_no_closed_subreddit(service, world, loopback):
    loopback.set_mode("reddit", "403", "access_token")
    with pytest.raises(EntitlementError):
        service.fetch(ask(world))


@pytest.mark.filterwarnings("error")
def test_settings_that_lie_about_lead_nowhere(service, world, loopback, tmp_path, monkeypatch):
    (tmp_path / "praw.ini").write_text(
        "[DEFAULT]\noauth_url=http://evil.test\nreddit_url=http://evil.test\nt3_kind=x\n"
    )
    monkeypatch.chdir(tmp_path)
    # praw reads its files once in the life of a process.
    monkeypatch.setattr("praw.config.Config.CONFIG", None)
    for name in ("oauth_url", "reddit_url", "username", "password", "refresh_token", "site", "client_id"):
        monkeypatch.setenv(f"praw_{name}", "evil")
    assert service.fetch(ask(world)).frame.height == 1
    assert [request.host for request in loopback.requests("reddit")] == ["www.reddit.com", "oauth.reddit.com"]
    assert loopback.requests("reddit")[0].body == b"grant_type=client_credentials"


def test_the_last_request_of_a_window_is_the_last(service, vendor, world, loopback):
    vendor.limits |= {"x-ratelimit-remaining": "0.0", "x-ratelimit-reset": "120"}
    assert service.fetch(ask(world)).frame.height == 1
    with pytest.raises(RateLimited) as raised:
        service.fetch(ask(world))
    assert raised.value.retry_after == 120.0
    assert len(loopback.requests("reddit")) == 2


def test_a_limit_says_when_it_ends_in_reddits_own_header(service, world, loopback):
    loopback.set_mode("reddit", "429", "/r/")
    with pytest.raises(RateLimited) as raised:
        service.fetch(ask(world))
    assert raised.value.retry_after == 120.0
    assert len(loopback.requests("reddit")) == 2


def test_a_refused_app_is_said(service, vendor, world, monkeypatch):
    monkeypatch.setattr(vendor, "answer", lambda request: Response.of_json({"error": "unsupported_grant_type"}))
    with pytest.raises(AuthError, match="unsupported_grant_type"):
        service.fetch(ask(world))


def test_neither_secret_nor_token_is_kept_or_told(service, world, loopback, caplog):
    caplog.set_level(logging.DEBUG)
    service.fetch(ask(world))
    sources = service.access.recorder.taken()
    assert [source.name for source in sources] == ["GET /r/wallstreetbets/new"]
    assert not any(TOKEN.encode() in source.content for source in sources)
    assert SECRET not in caplog.text
    assert TOKEN not in caplog.text
    assert not any(SECRET in request.url or TOKEN in request.url for request in loopback.requests("reddit"))


def test_the_names_that_praw_itself_reads_are_taken_too(vendor, access_to, world):
    keys = {"praw_client_id": KEYS["REDDIT_CLIENT_ID"], "praw_client_secret": KEYS["REDDIT_CLIENT_SECRET"]}
    assert make_service(access_to("reddit", keys=keys, options=OPTIONS)).fetch(ask(world)).frame.height == 1


def test_coins_and_indices_have_no_cashtag_of_their_own(service, world, loopback):
    assert set(service.fetch(ask(world, "AAA", "ETH/USD")).failures) == {"ETH/USD"}
    before = len(loopback.requests("reddit"))
    with pytest.raises(NotFound):
        service.fetch(ask(world, "^VIX"))
    assert len(loopback.requests("reddit")) == before
