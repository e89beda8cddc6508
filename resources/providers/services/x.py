"""X: posts that name a symbol by its cashtag, from the recent search (tweepy).

Every post that is read costs money, and so does one that is thrown away: the budget is hard, and all processes of a
home share it. Room for a whole page is set aside before it is asked for, what the page did not hold is given back, and
a page that was asked for but did not come counts as read. A symbol fails when the budget does not reach to the
beginning of the session.

The search goes back seven days and knows cashtags of shares and funds: ``$AAPL`` (``$ETH`` is a fund, and nobody can
tell it from the coin). Reposts are left out. Tweepy would write the key into the log at level DEBUG and would sleep up
to 15 minutes at a limit: neither is allowed to it.

Options: ``max_posts``, posts read in any 24 hours (1000 unless set, about 5 $); ``terms``, what is added to the cashtag
in the query (``-is:retweet lang:en`` unless set).
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import polars as pl

from gnosis.symbols import kind_of
from resources.providers.live.access import Access
from resources.providers.live.allowance import Taken
from resources.providers.live.errors import (
    AuthError,
    BudgetExhausted,
    EntitlementError,
    Incomplete,
    MissingPackageError,
    NotFound,
    RateLimited,
    SchemaDrift,
)
from resources.providers.live.records import Field, read_records, set_aside, set_aside_undated
from resources.providers.live.service import Answer, Ask, Capability, Key, Probe, Profile, Rate, typed_errors
from resources.providers.live.sessions import watched
from resources.providers.live.texts import (
    Span,
    answer_of,
    each_symbol,
    hashes_of_authors,
    hashes_of_texts,
    option,
    span_of,
)

KEY = Key((("X_BEARER_TOKEN",),), "open an account that pays per use at https://developer.x.com")
USD_PER_POST = 0.005
MAX_POSTS = 1000
COUNTED_FOR = dt.timedelta(days=1)
TERMS = "-is:retweet lang:en"
SMALLEST_PAGE, LARGEST_PAGE = 10, 100
REACHES_BACK = dt.timedelta(days=7)
SETTLES_AFTER = dt.timedelta(minutes=1)
"""The search refuses spans that end less than ten seconds ago."""

STAMP = "%Y-%m-%dT%H:%M:%S%.f%#z"
COMMUNITY = "cashtag"
FIELDS = {
    "post_id": Field("id", str),
    "text": Field("text", str),
    "stamp": Field("created_at", str),
    "author": Field("author_id", str),
}
META = {"count": Field("result_count", int), "next_token": Field("next_token", str, is_optional=True)}


class X:
    """The service; see the module."""

    profile = Profile(
        name="x",
        title="X recent search",
        capabilities={"raw.posts": Capability(1, 1, delay_s=SETTLES_AFTER.total_seconds(), reaches_back_sessions=4)},
        rates=(Rate(60, 900.0),),
        hosts=("api.twitter.com",),
        terms="paid per post; own analysis only, no redistribution of texts",
        cost_usd_per_request=USD_PER_POST * LARGEST_PAGE,
        key=KEY,
        keeps_bodies=False,
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        access.recorder.keeps_bodies = self.profile.keeps_bodies
        self._client: Any = None

    def fetch(self, ask: Ask) -> Answer:
        """Return the posts of the sessions asked for; see :class:`resources.providers.live.service.Service`."""
        (token,) = self.access.credentials(KEY)
        with typed_errors(self.access, "posts on X"):
            span = span_of(self.access, ask, SETTLES_AFTER)
            oldest = self.access.clock() - REACHES_BACK
            if span.after <= oldest:
                found = f"a session that begins at {span.after:%Y-%m-%d %H:%M} UTC"
                raise Incomplete(self.profile.name, "posts of the last seven days", found, "ask for newer sessions")
            client = self._connected(token)
            found_posts, failures = each_symbol(ask.symbols, lambda symbol: self._of_symbol(client, symbol, span, ask))
            rows, rejected = [rows for rows, _ in found_posts], [bad for _, bad in found_posts]
            return answer_of(self.access, ask, rows, rejected, failures)

    def probe(self) -> Probe:
        """Ask how many posts name SPY, which reads none of them."""
        (token,) = self.access.credentials(KEY)
        expected = "the number of posts about SPY"
        with typed_errors(self.access, expected):
            answer = self._connected(token).get_recent_tweets_count("$SPY", granularity="day")
            count = answer["meta"]["total_tweet_count"]
            if type(count) is not int:
                raise SchemaDrift(self.profile.name, expected, repr(count)[:80], "the answer has a new form; report it")
            return Probe(None, f"{count} posts about SPY in the last seven days")

    def _connected(self, token: str) -> Any:
        if self._client is None:
            try:
                import requests
                import tweepy
            except ImportError:
                raise MissingPackageError(
                    self.profile.name, "the package tweepy", "none", "install 'gnosis[social]'"
                ) from None
            # Its level DEBUG shows the headers of every request.
            logging.getLogger("tweepy.client").setLevel(logging.WARNING)
            client = tweepy.Client(bearer_token=token, return_type=dict, wait_on_rate_limit=False)
            client.session.close()
            session_class = _telling_the_wait(requests.Session, self.access)
            client.session = watched(session_class, self.access, raises=True, expected=lambda: "posts on X")
            self._client = client
        return self._client

    def _of_symbol(self, client: Any, symbol: str, span: Span, ask: Ask) -> tuple[pl.DataFrame, pl.DataFrame]:
        expected = f"posts about {symbol}"
        with typed_errors(self.access, expected):
            if kind_of(symbol) != "equity":
                advice = "ask for shares and funds only"
                raise NotFound(self.profile.name, f"a cashtag of {symbol}", "none that is its own", advice)
            posts = self._all_posts(
                client, f"${symbol} {option(self.access, 'terms', str, TERMS)}".strip(), span, expected
            )
            rows, malformed = read_records(self.access, expected, posts, FIELDS)
            ts = pl.col("stamp").str.to_datetime(STAMP, time_unit="us", time_zone="UTC", strict=False)
            rows, undated = set_aside_undated(
                rows.with_columns(ts=ts, symbol=pl.lit(symbol)), "created_at", ask, self.profile.name
            )
            frame = rows.select(
                "symbol",
                "post_id",
                "ts",
                "text",
                source=pl.lit("x"),
                community=pl.lit(COMMUNITY),
                author_hash=hashes_of_authors(rows["author"]),
                tag=pl.lit("none"),
                engagement=pl.lit(None, dtype=pl.Int64),
                text_hash=hashes_of_texts(rows["text"]),
                known_at="ts",
            )
            return frame, pl.concat([set_aside(malformed, ask, symbol, self.profile.name), undated])

    def _all_posts(self, client: Any, query: str, span: Span, expected: str) -> list[Any]:
        posts: list[Any] = []
        token = None
        while True:
            room = self._room(expected, span)
            try:
                page = client.search_recent_tweets(
                    query,
                    # The beginning is included, the end is not; stamps are whole seconds.
                    start_time=span.after + dt.timedelta(seconds=1),
                    end_time=span.until + dt.timedelta(seconds=1),
                    max_results=room.amount,
                    tweet_fields=["author_id", "created_at"],
                    next_token=token,
                )
            except (AuthError, EntitlementError, NotFound, RateLimited):
                # A refusal reads nothing; of any other failure nobody knows.
                self.access.allowance.give_back(room, room.amount)
                raise
            meta, _ = read_records(self.access, f"meta of {expected}", [page.get("meta")], META)
            found = page.get("data", [])
            count, token = meta.row(0)
            if not isinstance(found, list) or len(found) != count:
                shown = f"{len(found)} posts" if isinstance(found, list) else type(found).__name__
                raise SchemaDrift(self.profile.name, f"{count} {expected} on a page", shown, "report it")
            self.access.allowance.give_back(room, room.amount - count)
            posts += found
            if token is None:
                return posts

    def _room(self, expected: str, span: Span) -> Taken:
        """Set aside the posts that the next page may hold."""
        max_posts, now = option(self.access, "max_posts", int, MAX_POSTS), self.access.clock()
        room = self.access.allowance.take(
            "posts", LARGEST_PAGE, limit=max_posts, within=COUNTED_FOR, now=now, least=SMALLEST_PAGE
        )
        if not room.amount:
            found = f"{room.used} of {max_posts} posts read ({room.used * USD_PER_POST:.2f} $)"
            advice = "raise max_posts in the options of this service, or ask for fewer symbols"
            wanted = f"all {expected} since {span.after:%Y-%m-%d %H:%M} UTC within the budget"
            wait_s = (COUNTED_FOR - (now - room.first_at)).total_seconds()
            raise BudgetExhausted(self.profile.name, wanted, found, advice, retry_after=wait_s)
        return room


def _telling_the_wait(session_class: type, access: Access) -> type:
    """Return a session that says ``Retry-After`` where X says when the limit ends."""

    class Telling(session_class):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            response = super().request(*args, **kwargs)
            ends_at = response.headers.get("x-rate-limit-reset", "")
            if response.status_code == 429 and "Retry-After" not in response.headers and ends_at.isdecimal():
                wait_s = max(int(ends_at) - int(access.clock().timestamp()), 0)
                response.headers["Retry-After"] = str(wait_s)
            return response

    return Telling
