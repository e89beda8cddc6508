"""FRED as the loopback server plays it: the API with its archive of publications, and the CSV behind the charts.

The archive cuts ``realtime_start`` and ``realtime_end`` to the window that is asked for, as ALFRED does, so on the
first day of a window everything seems to have been published on that day.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from gnosis.sessions import NEW_YORK, shift_session
from resources.providers.live.service import Ask
from tests.loopback.cases import SECRET, Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

FOREVER = dt.date(9999, 12, 31)
MOST_PUBLICATIONS = 2000
INDICES = {"VIXCLS": "^VIX", "SP500": "^GSPC", "NASDAQCOM": "^IXIC"}
PAGE = "<!DOCTYPE html><html><head><title>Error | FRED | St. Louis Fed</title></head></html>"

Print = tuple[dt.date, dt.date, dt.date, str]


class FredVendor:
    """``prints`` holds, by series, (reference date, first day shown, last day shown, value); it may be changed."""

    service = "fred"
    key = SECRET
    date_column = "observation_date"
    missing = ""

    def __init__(self, world: World) -> None:
        self.world = world
        self.prints: dict[str, list[Print]] = {}
        for series, day, value in world.macro.select("series_id", "ref_date", "value").rows():
            self.prints.setdefault(series, []).append((day, shift_session(day, 1), FOREVER, str(value)))
        for series, symbol in INDICES.items():
            rows = world.levels.filter(pl.col("symbol") == symbol).select("session", "close").rows()
            self.prints[series] = [(day, shift_session(day, 1), FOREVER, str(close)) for day, close in rows]

    @property
    def today(self) -> dt.date:
        return self.world.now.astimezone(NEW_YORK).date()

    def answer(self, request: Request) -> Response:
        if request.path == "/fred/series/observations":
            return self._api(request)
        if request.path == "/graph/fredgraph.csv":
            return self._chart(request)
        return Response(PAGE.encode(), 404, "text/html")

    def refusal(self, status: int) -> Response:
        return Response.of_json({"error_code": status, "error_message": f"Refused with {status}."}, status)

    def _api(self, request: Request) -> Response:
        query = request.query
        if query.get("api_key") != self.key:
            return _bad("The value for variable api_key is not registered.")
        if query.get("file_type") != "json":
            return Response(b'<?xml version="1.0"?><observations/>', 200, "text/xml")
        if query["series_id"] not in self.prints:
            return _bad("The series does not exist.")
        first = dt.date.fromisoformat(query.get("realtime_start", str(self.today)))
        last = dt.date.fromisoformat(query.get("realtime_end", str(self.today)))
        shown = [row for row in self.prints[query["series_id"]] if row[1] <= last and row[2] >= first]
        if not shown:
            return _bad("The series does not exist in ALFRED but may exist in FRED.")
        n = len({row[1] for row in shown if row[1] >= first})
        if n > MOST_PUBLICATIONS:
            return _bad(
                f"There are {n} vintage dates. This exceeds the maximum number of vintage dates allowed (2000)."
            )
        since, until = query.get("observation_start", "1776-07-04"), query.get("observation_end", "9999-12-31")
        rows = [
            {
                "realtime_start": str(max(start, first)),
                "realtime_end": str(min(end, last)),
                "date": str(day),
                "value": value,
            }
            for day, start, end, value in sorted(shown)
            if since <= str(day) <= until and not request.is_empty
        ]
        limit, offset = min(int(query.get("limit", 100_000)), request.page_size or 100_000), int(query.get("offset", 0))
        page = rows[offset : offset + limit]
        header = {"realtime_start": str(first), "realtime_end": str(last), "count": len(rows), "offset": offset}
        return Response.of_json(header | {"limit": limit, "observations": page})

    def _chart(self, request: Request) -> Response:
        series = request.query["id"]
        if series not in self.prints:
            return Response(PAGE.encode(), 404, "text/html")
        since, until = request.query.get("cosd", "1776-07-04"), request.query.get("coed", "9999-12-31")
        latest = {day: value for day, start, _, value in sorted(self.prints[series]) if start <= self.today}
        lines = [f"{self.date_column},{series}"]
        for day, value in latest.items():
            if since <= str(day) <= until and not request.is_empty:
                lines.append(f"{day},{self.missing if value == '.' else value}")
        return Response(("\n".join(lines) + "\n").encode(), 200, "application/csv")


def _bad(reason: str) -> Response:
    return Response.of_json({"error_code": 400, "error_message": f"Bad Request.  {reason}"}, 400)


KEYS = {"FRED_API_KEY": SECRET}
CASES = [
    Case("fred", FredVendor, lambda world: Ask("raw.macro", ("DGS10", "DGS3MO"), world.sessions[-4:]), KEYS),
    Case("fred", FredVendor, lambda world: Ask("raw.macro", ("DGS10", "DGS3MO"), world.sessions[-4:])),
    Case("fred", FredVendor, lambda world: Ask("raw.index_levels", ("^GSPC", "^VIX"), world.sessions[-3:]), KEYS),
    Case("fred", FredVendor, lambda world: Ask("raw.index_levels", ("^GSPC", "^VIX"), world.sessions[-3:])),
]
