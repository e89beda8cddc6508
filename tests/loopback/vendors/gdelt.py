"""GDELT as the loopback server plays it: one path, errors in a query as plain text with status 200."""

from __future__ import annotations

import datetime as dt
from typing import Any

from resources.providers.live.service import Ask
from tests.loopback.cases import Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

NAMES = {"AAA": '"Aaa Industries"', "BBB": '"Bbb Holdings"'}
LIMIT = b"Please limit requests to one every 5 seconds or contact the address below for larger queries.\n"


class GdeltVendor:
    service = "gdelt"

    def __init__(self, world: World) -> None:
        self.world = world
        symbols = {query: symbol for symbol, query in NAMES.items()}
        self.articles: dict[str, list[dict[str, Any]]] = {query: [] for query in symbols}
        for row in world.documents.to_dicts():
            self.articles[NAMES[row["symbol"]]].append(article(int(row["id"]), row["ts"], row["text"]))
        self.articles['"stock market"'] = self.articles[NAMES["AAA"]]

    def answer(self, request: Request) -> Response:
        query = request.query
        if request.path != "/api/v2/doc/doc":
            return Response(b"<html><body>Not Found</body></html>", 404, "text/html")
        if len(query.get("query", "").strip('" ')) < 3:
            return text_of(b"Your query was too short or too long.\n")
        if query["mode"] != "ArtList" or query["format"] != "json" or query["sort"] != "DateDesc":
            return text_of(b"Invalid mode.\n")
        first, last = query["startdatetime"], query["enddatetime"]
        found = [
            one
            for one in self.articles.get(query["query"], [])
            if first <= one["seendate"].replace("T", "").rstrip("Z") <= last
        ]
        found = sorted(found, key=lambda one: one["seendate"], reverse=True)[: min(int(query["maxrecords"]), 250)]
        return Response.of_json({"articles": found} if found and not request.is_empty else {})

    def refusal(self, status: int) -> Response:
        return Response(LIMIT if status == 429 else b"refused\n", status, "text/html; charset=utf-8")


def article(number: int, ts: dt.datetime, title: str) -> dict[str, Any]:
    return {
        "url": f"https://press.test/{number}",
        "url_mobile": "",
        "title": title,
        "seendate": f"{ts:%Y%m%dT%H%M%SZ}",
        "socialimage": "",
        "domain": "press.test",
        "language": "English",
        "sourcecountry": "United States",
    }


def text_of(body: bytes) -> Response:
    return Response(body, 200, "text/html; charset=utf-8")


CASES = [
    Case(
        service="gdelt",
        vendor=GdeltVendor,
        ask=lambda world: Ask("raw.news", ("AAA", "BBB"), world.sessions[-2:]),
        options={"names": NAMES},
        otherwise={
            # There are no pages: an answer is cut off at 250 articles.
            "paging": None,
            # No field is a number.
            "wrong_types": None,
        },
    )
]
