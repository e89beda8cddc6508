"""SqueezeMetrics as the loopback server plays it: one CSV of the whole history."""

from __future__ import annotations

import polars as pl

from resources.providers.live.service import Ask
from tests.loopback.cases import Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World


class SqueezeMetricsVendor:
    service = "squeezemetrics"

    def __init__(self, world: World) -> None:
        self.world = world

    def answer(self, request: Request) -> Response:
        if request.path != "/monitor/static/DIX.csv":
            return Response(b"Not Found", 404, "text/plain")
        levels = self.world.levels.filter(pl.col("symbol") == "^GSPC")
        table = levels.select(date="session", price="close", dix=0.4 + pl.col("close") % 0.1, gex=pl.col("close") * 1e6)
        return Response(table.head(0 if request.is_empty else table.height).write_csv().encode(), 200, "text/csv")


CASES = [
    Case(
        service="squeezemetrics",
        vendor=SqueezeMetricsVendor,
        ask=lambda world: Ask("raw.dix", (), world.sessions[-2:]),
    )
]
