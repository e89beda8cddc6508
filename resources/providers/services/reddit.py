"""Reddit: new submissions of some subreddits that name a symbol by its cashtag (praw, read only).

A submission is about a symbol when its title or text holds ``$AAPL``, in capitals and as a word of its own. The name
alone is no sign: ``ALL``, ``IT`` and ``OPEN`` are words, and ``$ETH`` is a fund, so that coins are not looked for.
Comments are not read. A submission that was edited is known, in its present form, from the edit on.

Reddit lists about a thousand submissions of a subreddit, newest first. When they do not reach back to the close before
the first session asked for, the ask fails as a whole, since nobody can tell what is missing. It fails too when one of
the subreddits is private or gone, and names it.

Keys are given by hand and rarely, and the address that asks must own one: without keys nothing is asked. A ``praw.ini``
or ``praw_*`` variable that lies about cannot lead the requests elsewhere, and praw sleeps at no limit.

Options: ``subreddits`` (``wallstreetbets``, ``stocks``, ``investing`` unless set).
"""

from __future__ import annotations

import configparser
import datetime as dt
import re
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from gnosis.symbols import kind_of
from resources.providers.live.access import Access, Recorder
from resources.providers.live.errors import (
    AuthError,
    FetchError,
    Incomplete,
    MissingPackageError,
    NotFound,
    RateLimited,
)
from resources.providers.live.http import retry_after
from resources.providers.live.records import Field, read_records, set_aside
from resources.providers.live.service import Answer, Ask, Capability, Key, Probe, Profile, Rate, typed_errors
from resources.providers.live.sessions import watched
from resources.providers.live.texts import (
    Span,
    answer_of,
    hashes_of_authors,
    hashes_of_texts,
    option,
    span_of,
)
from resources.providers.rejections import no_rejections

KEY = Key(
    (("REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET"), ("praw_client_id", "praw_client_secret")),
    "ask Reddit for approval of an app at https://www.reddit.com/prefs/apps",
)
SUBREDDITS = ("wallstreetbets", "stocks", "investing")
WHOLE_LISTING = 100
"""A listing shorter than a page is all that the subreddit has; a longer one may have been cut off."""

OAUTH_URL, REDDIT_URL = "https://oauth.reddit.com", "https://www.reddit.com"
LISTING = "/r/"
TOKEN_PATH = "/api/v1/access_token"
USER_AGENT = "python:gnosis:0.1 (research; one person)"
CASHTAG = re.compile(r"(?<![\w$.])\$([A-Z]{1,5}(?:\.[A-Z])?)(?!\w)")
NAME = re.compile(r"\w{2,21}", re.ASCII)
WITHDRAWN = ("[removed]", "[deleted]")
FIELDS = {
    "post_id": Field("id", str),
    "title": Field("title", str),
    "body": Field("selftext", str),
    "created_s": Field("created_utc", float),
    "edited_s": Field("edited", float, is_nullable=True),
    "author": Field("author", str, is_nullable=True),
}


class Reddit:
    """The service; see the module."""

    profile = Profile(
        name="reddit",
        title="Reddit submissions",
        capabilities={"raw.posts": Capability(None, None, delay_s=0.0, reaches_back_sessions=2)},
        rates=(Rate(100, 60.0),),
        hosts=("oauth.reddit.com", "www.reddit.com"),
        terms="with approval only; no redistribution of texts; deleted ones must be removed",
        key=KEY,
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self._client: Any = None

    def fetch(self, ask: Ask) -> Answer:
        """Return the submissions of the sessions asked for; see :class:`resources.providers.live.service.Service`."""
        client = self._connected()
        with typed_errors(self.access, "submissions on Reddit", _translated):
            span = span_of(self.access, ask)
            failures = {symbol: self._unknown(symbol) for symbol in ask.symbols if kind_of(symbol) != "equity"}
            if failures and len(failures) == len(ask.symbols):
                raise failures[ask.symbols[0]]
            found, closed = [], {}
            for name in self._subreddits():
                try:
                    with typed_errors(self.access, f"submissions to r/{name}", _translated):
                        found.append(self._of_subreddit(client, name, span, ask))
                except NotFound as error:
                    closed[name] = error.found
            if closed:
                # What the others say is not all that was said: no symbol is answered.
                shown = ", ".join(f"r/{name}: {why}" for name, why in closed.items())
                advice = f"remove {', '.join(closed)} from the option subreddits"
                raise NotFound(self.profile.name, "submissions to every subreddit of the options", shown, advice)
            rows, rejected = [rows for rows, _ in found], [bad for _, bad in found]
            return answer_of(self.access, ask, rows, rejected, failures)

    def probe(self) -> Probe:
        """Ask for the newest submission of the first subreddit."""
        client = self._connected()
        with typed_errors(self.access, "the newest submission", _translated):
            name = self._subreddits()[0]
            records = [_record(submission) for submission in client.subreddit(name).new(limit=1)]
            rows, _ = read_records(self.access, f"submissions to r/{name}", records, FIELDS)
            if rows.is_empty():
                return Probe(None, f"r/{name} is empty")
            age_s = self.access.clock().timestamp() - rows["created_s"][0]
            return Probe(max(age_s, 0.0), f"newest submission to r/{name} is {age_s / 60:.0f} minutes old")

    def _subreddits(self) -> list[str]:
        names = option(self.access, "subreddits", list, list(SUBREDDITS))
        for name in names:
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise NotFound(
                    self.profile.name, "names of subreddits", repr(name)[:80], "correct the option subreddits"
                )
        if not names:
            raise NotFound(self.profile.name, "names of subreddits", "none", "set the option subreddits")
        return list(dict.fromkeys(names))

    def _unknown(self, symbol: str) -> FetchError:
        return NotFound(
            self.profile.name, f"a cashtag of {symbol}", "none that is its own", "ask for shares and funds only"
        )

    def _connected(self) -> Any:
        client_id, client_secret = self.access.credentials(KEY)
        if self._client is None:
            try:
                import praw
                import requests
            except ImportError:
                raise MissingPackageError(
                    self.profile.name, "the package praw", "none", "install 'gnosis[social]'"
                ) from None
            _ignore_files_that_lie_about()
            session = watched(
                _sleepless(requests.Session, self.access),
                replace(self.access, recorder=_WithoutTokens(kept_by=self.access.recorder)),
                raises=True,
                expected=lambda: "submissions on Reddit",
            )
            # Whatever is given here goes before variables named praw_*.
            self._client = praw.Reddit(
                "DEFAULT",
                client_id=client_id,
                client_secret=client_secret,
                user_agent=USER_AGENT,
                oauth_url=OAUTH_URL,
                reddit_url=REDDIT_URL,
                redirect_uri=None,
                refresh_token=None,
                username=None,
                password=None,
                check_for_updates=False,
                check_for_async=False,
                requestor_kwargs={"session": session},
            )
        return self._client

    def _of_subreddit(self, client: Any, name: str, span: Span, ask: Ask) -> tuple[pl.DataFrame, pl.DataFrame]:
        expected = f"submissions to r/{name}"
        rows, malformed = read_records(self.access, expected, self._listed(client, name, span, expected), FIELDS)
        texts = [_text(title, body) for title, body in rows.select("title", "body").iter_rows()]
        ts, edited_at = (_instant(pl.col(column)) for column in ("created_s", "edited_s"))
        posts = rows.select(
            "post_id",
            ts=ts,
            known_at=pl.max_horizontal(ts, edited_at),
            symbol=pl.Series([cashtags(text) for text in texts], dtype=pl.List(pl.String)),
            source=pl.lit("reddit"),
            community=pl.lit(name),
            author_hash=hashes_of_authors(rows["author"]),
            tag=pl.lit("none"),
            engagement=pl.lit(None, dtype=pl.Int64),
            text_hash=hashes_of_texts(pl.Series(texts, dtype=pl.String)),
            text=pl.Series(texts, dtype=pl.String),
        )
        about = posts.explode("symbol", empty_as_null=False, keep_nulls=False)
        bad = no_rejections() if malformed.is_empty() else set_aside(malformed, ask, None, self.profile.name)
        return about, bad

    def _listed(self, client: Any, name: str, span: Span, expected: str) -> list[dict[str, Any]]:
        """Return submissions from now back to the beginning of the span."""
        records = []
        after_s = span.after.timestamp()
        for submission in client.subreddit(name).new(limit=None):
            record = _record(submission)
            records.append(record)
            created_s = record.get("created_utc")
            if isinstance(created_s, int | float) and created_s <= after_s:
                return records
        if len(records) < WHOLE_LISTING:
            return records
        found = f"{len(records)}, which do not reach back to {span.after:%Y-%m-%d %H:%M} UTC"
        raise Incomplete(
            self.profile.name, f"all {expected} since then", found, f"ask every night, or leave r/{name} out"
        )


def cashtags(text: str) -> list[str]:
    """Return the symbols that a text names by cashtag, sorted.

    Examples
    --------
    >>> cashtags("Sold $AAPL, all in on $BRK.B. $aapl, $5, US$GM and AAPL are none.")
    ['AAPL', 'BRK.B']
    """
    return sorted(set(CASHTAG.findall(text)))


def _text(title: str, body: str) -> str:
    return title if not body or body in WITHDRAWN else f"{title}\n\n{body}"


def _record(submission: Any) -> dict[str, Any]:
    # Asking the object for a field that is missing would send another request.
    given = vars(submission)
    record = {field.path: given[field.path] for field in FIELDS.values() if field.path in given}
    if record.get("edited") is False:
        record["edited"] = None
    if record.get("author") is not None:
        record["author"] = vars(record["author"]).get("name")
    return record


def _instant(seconds: pl.Expr) -> pl.Expr:
    return (seconds * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC"))


def _translated(error: Exception) -> FetchError | None:
    import prawcore

    if isinstance(error, prawcore.RequestException) and isinstance(error.original_exception, FetchError):
        return error.original_exception
    if isinstance(error, prawcore.OAuthException):
        return AuthError("reddit", "an access token", str(error)[:120], "check the id and the secret of the app")
    return None


def _ignore_files_that_lie_about() -> None:
    """Give praw the settings that came with it, so that it reads no ``praw.ini`` of the folder or the user."""
    from praw.config import Config

    own = configparser.ConfigParser(interpolation=None)
    own.read_string(files("praw").joinpath("praw.ini").read_text(encoding="utf-8"))
    with Config.LOCK:
        Config.CONFIG = own


@dataclass
class _WithoutTokens(Recorder):
    """Keeps every body but that of the access token, which opens the account for a day."""

    kept_by: Recorder = field(default_factory=Recorder)

    def add(self, name: str, content: bytes, url: str, at: dt.datetime) -> None:
        if not urlsplit(url).path.endswith(TOKEN_PATH):
            self.kept_by.add(name, content, url, at)


def _sleepless(session_class: type, access: Access) -> type:
    """Return a session that keeps Reddit's limits from praw, which would sleep, and holds to them itself."""

    class Sleepless(session_class):
        resets_at: dt.datetime | None = None

        def request(self, *args: Any, **kwargs: Any) -> Any:
            now = access.clock()
            if self.resets_at is not None and now < self.resets_at:
                left_s = (self.resets_at - now).total_seconds()
                raise RateLimited(
                    access.service, "submissions on Reddit", "no request left", "asked again later", left_s
                )
            response = super().request(*args, **kwargs)
            headers = response.headers
            remaining, reset = headers.pop("x-ratelimit-remaining", None), headers.pop("x-ratelimit-reset", None)
            wait_s = retry_after(reset, access.clock())
            if wait_s is not None and remaining is not None and float(remaining) < 1:
                self.resets_at = access.clock() + dt.timedelta(seconds=wait_s)
            if wait_s is not None and response.status_code == 429:
                headers.setdefault("Retry-After", reset)
            status, path = response.status_code, urlsplit(str(response.url)).path
            if 300 <= status < 400 or (status in (403, 404) and LISTING in path):
                # praw follows no redirect: where a subreddit should be, it means that there is none.
                leads_to = urlsplit(headers.get("location", "")).path[:80]
                found = f"HTTP {status}" + (f" to {leads_to}" if leads_to else "")
                raise NotFound(access.service, "the subreddit", found, "correct the option subreddits")
            return response

    return Sleepless
