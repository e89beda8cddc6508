"""StockTwits as the loopback server plays it: streams of messages, newest first, a cursor, errors in an envelope."""

from __future__ import annotations

import re
from typing import Any

from resources.providers.live.service import Ask
from tests.loopback.cases import Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

PAGE_SIZE = 30
PATH = re.compile(r"/api/2/streams/symbol/([A-Z.]+)\.json")
SENTIMENTS = {"bullish": {"basic": "Bullish"}, "bearish": {"basic": "Bearish"}, "none": None}
CLOUDFLARE = b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>"


class StockTwitsVendor:
    service = "stocktwits"

    def __init__(self, world: World) -> None:
        self.world = world
        self.known = {"AAA", "BBB", "BRK.B", "BTC.X", "SPY"}
        self.messages = {
            name: [message(int(row["id"]), row["ts"], row["text"], row["tag"]) for row in rows.to_dicts()]
            for (name,), rows in world.documents.group_by("symbol")
        }
        self.messages["SPY"] = self.messages["AAA"]

    def answer(self, request: Request) -> Response:
        found = PATH.fullmatch(request.path)
        if found is None or found[1] not in self.known:
            return Response.of_json(envelope(404, "Symbol not found"), 404)
        stream = sorted(self.messages.get(found[1], []), key=lambda one: -one["id"])
        if "max" in request.query:
            # As documented: identifiers less than or equal to max.
            stream = [one for one in stream if one["id"] <= int(request.query["max"])]
        page = [] if request.is_empty else stream[: request.page_size or PAGE_SIZE]
        has_more = bool(page) and page[-1]["id"] > stream[-1]["id"]
        document = {
            "response": {"status": 200},
            "symbol": {"id": 1, "symbol": found[1], "title": found[1]},
            "cursor": {
                "more": has_more,
                "since": page[0]["id"] if page else None,
                "max": page[-1]["id"] if page else None,
            },
            "messages": page,
        }
        return Response.of_json(document)

    def refusal(self, status: int) -> Response:
        if status == 403:
            return Response(CLOUDFLARE, 403, "text/html; charset=UTF-8")
        return Response.of_json(envelope(status, "Rate limit exceeded" if status == 429 else "refused"), status)


def message(number: int, ts: Any, text: str, tag: str = "none") -> dict[str, Any]:
    return {
        "id": number,
        "body": text,
        "created_at": f"{ts:%Y-%m-%dT%H:%M:%SZ}",
        "user": {"id": 500 + number % 3, "username": f"trader{number % 3}"},
        "entities": {"sentiment": SENTIMENTS[tag]},
    }


def envelope(status: int, text: str) -> dict[str, Any]:
    return {"response": {"status": status}, "errors": [{"message": text}]}


CASES = [
    Case(
        service="stocktwits",
        vendor=StockTwitsVendor,
        ask=lambda world: Ask("raw.posts", ("AAA", "BBB"), world.sessions[-2:]),
    )
]
