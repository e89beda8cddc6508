"""Reddit as the loopback server plays it: an access token for the app's key, and listings of new submissions."""

from __future__ import annotations

import base64
import re
from typing import Any

from resources.providers.live.service import Ask
from tests.loopback.cases import SECRET, Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

KEYS = {"REDDIT_CLIENT_ID": "app-of-one-person", "REDDIT_CLIENT_SECRET": SECRET}
BASIC = "Basic " + base64.b64encode(f"app-of-one-person:{SECRET}".encode()).decode()
TOKEN = "t0ken-that-must-not-be-told"
LARGEST_PAGE = 100
NEW = re.compile(r"/r/(\w+)/new/?")
REASONS = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


class RedditVendor:
    service = "reddit"

    def __init__(self, world: World) -> None:
        self.world = world
        rows = world.documents.to_dicts()
        self.submissions = {
            "wallstreetbets": [
                submission(row["id"], row["ts"].timestamp(), f"${row['symbol']}: {row['text']}") for row in rows
            ],
            "stocks": [],
        }
        self.limits = {"x-ratelimit-used": "5", "x-ratelimit-remaining": "95.0", "x-ratelimit-reset": "120"}

    def answer(self, request: Request) -> Response:
        if request.path == "/api/v1/access_token":
            if request.host != "www.reddit.com" or request.headers.get("authorization") != BASIC:
                return self.refusal(401)
            token = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 86400, "scope": "*"}
            return Response.of_json(token)
        if request.headers.get("authorization") != f"bearer {TOKEN}":
            return self.refusal(401)
        found = NEW.fullmatch(request.path)
        if found is None or request.host != "oauth.reddit.com":
            return self.refusal(404)
        if found[1] not in self.submissions:
            target = f"https://oauth.reddit.com/subreddits/search?q={found[1]}"
            return Response(b"{}", 302, headers={"Location": target})
        listed = sorted(self.submissions[found[1]], key=lambda one: str(one["created_utc"]), reverse=True)
        listed = [] if request.is_empty else listed
        names = [f"t3_{one['id']}" for one in listed]
        begin = names.index(request.query["after"]) + 1 if "after" in request.query else 0
        size = request.page_size or min(int(request.query.get("limit", "25")), LARGEST_PAGE)
        page = listed[begin : begin + size]
        after = names[begin + len(page) - 1] if begin + len(page) < len(listed) else None
        listing = {
            "kind": "Listing",
            "data": {
                "after": after,
                "before": None,
                "dist": len(page),
                "modhash": "",
                "geo_filter": "",
                "children": [{"kind": "t3", "data": one} for one in page],
            },
        }
        return Response(Response.of_json(listing).body, headers=self.limits)

    def refusal(self, status: int) -> Response:
        made = Response.of_json({"message": REASONS.get(status, "refused"), "error": status}, status)
        return Response(made.body, status, headers=self.limits)


def submission(number: str, created_s: float, title: str, body: str = "", **rest: Any) -> dict[str, Any]:
    return {
        "id": f"1abc{number}",
        "name": f"t3_1abc{number}",
        "title": title,
        "selftext": body,
        "created_utc": created_s,
        "edited": False,
        "author": f"trader{int(number) % 3}",
        "subreddit": "wallstreetbets",
        "score": 12,
        "num_comments": 3,
    } | rest


CASES = [
    Case(
        service="reddit",
        vendor=RedditVendor,
        ask=lambda world: Ask("raw.posts", ("AAA", "BBB"), world.sessions[-2:]),
        keys=KEYS,
        options={"subreddits": ["wallstreetbets", "stocks"]},
        # praw follows no redirect: Reddit sends one where a subreddit does not exist.
        otherwise={"redirect": None},
    )
]
