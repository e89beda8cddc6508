"""Which posts about a symbol count, slowly and readably: copies once, three of an author a day, no noise (2.8)."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any

import polars as pl

from gnosis.sessions import NEW_YORK
from tests.gnosis.features.seen import Seen

SESSIONS = 6
"""A post of the last 24 hours may be the copy of one up to 60 hours older, over a long weekend."""
DAY = dt.timedelta(hours=24)
HALF_LIFE = dt.timedelta(hours=6)
TAGGED = {"bullish": (0.9, 0.05, 0.05), "bearish": (0.05, 0.9, 0.05)}
WORD = re.compile(r"[^\W_]+(?:['.,][^\W_]+)*")
ADDRESS = re.compile(r"https?://\S+")
NAME = re.compile(r"[$@]\w+")
CASHTAG = re.compile(r"\$[A-Z][A-Z.\-]{0,6}")

Post = dict[str, Any]


def is_collected(seen: Seen, source: str) -> bool:
    """Return whether any post of a source was ever known: without one it was not collected."""
    posts = seen.tables["raw.posts"]
    return not posts.filter(pl.col("source") == source, pl.col("known_at") <= seen.as_of).is_empty()


def counted_posts(seen: Seen, source: str) -> list[Post]:
    """Return the posts of 24 hours that count, each with its ``score`` (None without) and ``words``."""
    rows = seen.rows("raw.posts", symbol=None, sessions=SESSIONS, source=source)
    scores = {row["doc_id"]: row for row in seen.rows("engines.document_scores", source=source, sessions=SESSIONS)}
    posts = [
        {**row, "words": words(row["text"]), "p": probabilities(row, scores.get(row["post_id"]))}
        for row in rows
        if row["symbol"] == seen.symbol and symbols_named(row, rows) <= 5
    ]
    posts = [post for post in posts if post["words"] is None or len(post["words"]) >= 3]
    posts.sort(key=lambda post: (post["known_at"], post["post_id"]))
    firsts = [post for place, post in enumerate(posts) if not any(is_copy(post, other) for other in posts[:place])]
    return [
        {**post, "score": None if post["p"] is None else post["p"][0] - post["p"][1]}
        for post in firsts
        if seen.as_of - post["known_at"] <= DAY and sum(is_stronger(other, post) for other in firsts) < 3
    ]


def words(text: str | None) -> list[str] | None:
    """Return the words in lower case; addresses, $SYMBOL and @name are none."""
    return None if text is None else WORD.findall(NAME.sub(" ", ADDRESS.sub(" ", text.lower())))


def symbols_named(row: Post, rows: list[Post]) -> int:
    """Return how many symbols a post names: by its rows, or as $SYMBOL in its text."""
    by_row = {
        other["symbol"] for other in rows if other["post_id"] == row["post_id"] and other["known_at"] <= row["known_at"]
    }
    in_text = {name.strip(".-") for name in CASHTAG.findall((row["text"] or "").upper())}
    return max(len(by_row), len(in_text))


def is_copy(post: Post, other: Post) -> bool:
    """Return whether a post says what an earlier one said: the same text, or 80 % of the words within 48 hours."""
    apart = post["known_at"] - other["known_at"]
    if post["text_hash"] == other["text_hash"]:
        return apart <= 10 * HALF_LIFE
    if post["words"] is None or other["words"] is None or apart > dt.timedelta(hours=48):
        return False
    mine, theirs = set(post["words"]), set(other["words"])
    return len(mine & theirs) / len(mine | theirs) >= 0.8


def is_stronger(other: Post, post: Post) -> bool:
    """Return whether a post takes the place of another one of its author and day: the larger c 2^(-age/T) does."""
    if other is post or post["author_hash"] is None or other["author_hash"] != post["author_hash"]:
        return False
    return day_of(other) == day_of(post) and (-strength(other), other["post_id"]) < (-strength(post), post["post_id"])


def day_of(post: Post) -> dt.date:
    """Return the day of an author: it ends at 16:00 in New York."""
    local = post["known_at"].astimezone(NEW_YORK).replace(tzinfo=None)
    return (local + dt.timedelta(hours=8, microseconds=-1)).date()


def strength(post: Post) -> float:
    """Return log2 of certainty x decay, up to what all posts share; the certainty is 1 - entropy/ln 3."""
    if post["p"] is None:
        return -math.inf
    certainty = 1 + sum(p * math.log(p) for p in post["p"] if p > 0) / math.log(3)
    if certainty <= 0:
        return -math.inf
    return math.log2(certainty) + post["known_at"].timestamp() / HALF_LIFE.total_seconds()


def probabilities(post: Post, scored: Post | None) -> tuple[float, float, float] | None:
    """Return (positive, negative, neutral) of the author's tag on StockTwits, else of the scorer, None without."""
    if post["source"] == "stocktwits" and post["tag"] in TAGGED:
        return TAGGED[post["tag"]]
    return None if scored is None else (scored["p_pos"], scored["p_neg"], scored["p_neu"])
