"""Two feeds as the loopback server plays them: one per symbol in RSS 2.0, and one of a company in Atom."""

from __future__ import annotations

import datetime as dt
import email.utils
from html import escape
from typing import Any

import polars as pl

from resources.providers.live.service import Ask
from tests.loopback.cases import Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
FEEDS = [{"url": "https://press.test/rss/{symbol}.xml"}]


class RssVendor:
    service = "rss"

    def __init__(self, world: World) -> None:
        self.world = world
        older = world.calendar["close_at"][-4]
        self.items = {
            symbol: [
                item("old", older, "An older story"),
                *(
                    item(row["id"], row["ts"], row["text"])
                    for row in world.documents.filter(pl.col("symbol") == symbol).to_dicts()
                ),
            ]
            for symbol in ("AAA", "BBB")
        }
        self.items["SPY"] = self.items["AAA"]

    def answer(self, request: Request) -> Response:
        folder, _, name = request.path.strip("/").partition("/")
        items = self.items.get(name.removesuffix(".xml"))
        if request.host != "press.test" or items is None or folder not in ("rss", "atom"):
            return Response(b"<html><body>Not Found</body></html>", 404, "text/html")
        items = [] if request.is_empty else sorted(items, key=lambda one: one["ts"], reverse=True)
        if folder == "atom":
            return Response(atom(items).encode(), 200, "application/atom+xml; charset=utf-8")
        return Response(rss(items).encode(), 200, "application/rss+xml; charset=utf-8")

    def refusal(self, status: int) -> Response:
        return Response(b"<html><body>refused</body></html>", status, "text/html")


def item(number: str, ts: dt.datetime, title: str | None, **rest: Any) -> dict[str, Any]:
    return {"id": f"press-{number}", "ts": ts, "title": title, "date": email.utils.format_datetime(ts)} | rest


def rss(items: list[dict[str, Any]]) -> str:
    entries = "".join(
        "<item>"
        + (f"<title>{escape(one['title'])}</title>" if one["title"] else "")
        + f"<link>https://press.test/{one['id']}</link>"
        + (f'<guid isPermaLink="false">{one["id"]}</guid>' if one["id"] else "")
        + f"<pubDate>{one['date']}</pubDate></item>\n"
        for one in items
    )
    return f'{HEAD}<rss version="2.0"><channel><title>Press</title>\n{entries}</channel></rss>\n'


def atom(items: list[dict[str, Any]]) -> str:
    entries = "".join(
        f"<entry><id>tag:press.test,2026:{one['id']}</id><title>{escape(one['title'])}</title>"
        + (f"<published>{one['ts'].isoformat()}</published>" if one.get("is_published", True) else "")
        + f"<updated>{one.get('updated', one['ts']).isoformat()}</updated></entry>\n"
        for one in items
    )
    return f'{HEAD}<feed xmlns="http://www.w3.org/2005/Atom"><title>Press</title>\n{entries}</feed>\n'


CASES = [
    Case(
        service="rss",
        vendor=RssVendor,
        ask=lambda world: Ask("raw.news", ("AAA", "BBB"), world.sessions[-2:]),
        options={"feeds": FEEDS},
        # A feed has no pages.
        otherwise={"paging": None},
    )
]
