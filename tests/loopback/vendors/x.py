"""X as the loopback server plays it: the recent search of the API v2 and its count."""

from __future__ import annotations

import datetime as dt
from typing import Any

from resources.providers.live.service import Ask
from tests.loopback.cases import SECRET, Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

KEYS = {"X_BEARER_TOKEN": SECRET}
DETAILS = {
    401: ("Unauthorized", "Unauthorized"),
    402: ("CreditsDepleted", "Your enrolled account does not have any credits to fulfill this request."),
    403: ("Forbidden", "Forbidden"),
    404: ("Not Found Error", "Not Found"),
    429: ("Too Many Requests", "Too Many Requests"),
    503: ("Service Unavailable", "Service Unavailable"),
}


class XVendor:
    service = "x"

    def __init__(self, world: World) -> None:
        self.world = world
        self.posts = {
            f"${symbol}": [post(int(row["id"]), row["ts"], row["text"]) for row in rows.to_dicts()]
            for (symbol,), rows in world.documents.group_by("symbol")
        }
        self.headers: dict[str, str] = {}

    def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return self.refusal(401)
        query = request.query
        if request.path == "/2/tweets/counts/recent":
            return Response.of_json({"data": [], "meta": {"total_tweet_count": 0 if request.is_empty else 7}})
        if request.path != "/2/tweets/search/recent" or request.host != "api.twitter.com":
            return self.refusal(404)
        first, last = (dt.datetime.fromisoformat(query[name]) for name in ("start_time", "end_time"))
        size = int(query["max_results"])
        now = self.world.now
        if not 10 <= size <= 100 or first < now - dt.timedelta(days=7) or last > now - dt.timedelta(seconds=10):
            return Response.of_json({"errors": [{"message": "Invalid Request"}], "title": "Invalid Request"}, 400)
        posts = self.posts.get(query["query"].split()[0], [])
        found = [one for one in posts if first <= dt.datetime.fromisoformat(one["created_at"]) < last]
        found = [] if request.is_empty else sorted(found, key=lambda one: -int(one["id"]))
        begin = int(query.get("next_token", "b0")[1:])
        page = found[begin : begin + (request.page_size or size)]
        if not page:
            return Response.of_json({"meta": {"result_count": 0}})
        meta: dict[str, Any] = {"newest_id": page[0]["id"], "oldest_id": page[-1]["id"], "result_count": len(page)}
        if begin + len(page) < len(found):
            meta["next_token"] = f"b{begin + len(page)}"
        fields = {"id", "text", "edit_history_tweet_ids", *query["tweet.fields"].split(",")}
        shown = [{name: value for name, value in one.items() if name in fields} for one in page]
        return Response.of_json({"data": shown, "meta": meta})

    def refusal(self, status: int) -> Response:
        title, detail = DETAILS.get(status, ("Error", "refused"))
        body = Response.of_json({"title": title, "detail": detail, "type": "about:blank", "status": status}, status)
        return Response(body.body, status, "application/problem+json", self.headers)


def post(number: int, ts: dt.datetime, text: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "text": text,
        "created_at": f"{ts:%Y-%m-%dT%H:%M:%S}.000Z",
        "author_id": str(9000 + number % 4),
        "edit_history_tweet_ids": [str(number)],
        "public_metrics": {"like_count": 3},
    }


CASES = [
    Case(
        service="x",
        vendor=XVendor,
        ask=lambda world: Ask("raw.posts", ("AAA", "BBB"), world.sessions[-2:]),
        keys=KEYS,
    )
]
