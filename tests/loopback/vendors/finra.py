"""FINRA as the loopback server plays it: one file per session, 403 for a bare client and for a file it has not got."""

from __future__ import annotations

import datetime as dt
import re

import polars as pl

from resources.providers.live.errors import Transient
from resources.providers.live.service import Ask
from tests.loopback.cases import Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

MISSING = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)
HEADER = "Date|Symbol|ShortVolume|ShortExemptVolume|TotalVolume|Market"
OFF_EXCHANGE, SHORT, EXEMPT = 0.4, 0.5, 0.01


class FinraVendor:
    """``end`` makes the last line from the number of rows; ``more`` holds lines besides those of the world."""

    service = "finra"

    def __init__(self, world: World) -> None:
        self.world = world
        self.more: list[str] = []
        self.end = "{n}"

    def volumes(self, session: dt.date) -> pl.DataFrame:
        """Return symbol, short_volume, short_exempt_volume and total_volume (shares, with fractions)."""
        total = (pl.col("volume") * OFF_EXCHANGE + 0.25).alias("total_volume")
        return (
            self.world.bars.filter(pl.col("session") == session)
            .select("symbol", total)
            .with_columns(short_volume=pl.col("total_volume") * SHORT)
            .with_columns(short_exempt_volume=(pl.col("short_volume") * EXEMPT))
            .with_columns(pl.col(pl.Float64).round(6))
        )

    def answer(self, request: Request) -> Response:
        named = re.fullmatch(r"/equity/regsho/daily/CNMSshvol(\d{8})\.txt", request.path)
        agent = request.headers.get("user-agent", "")
        session = dt.datetime.strptime(named[1], "%Y%m%d").date() if named else None  # noqa: DTZ007
        if session not in self.world.sessions or not agent or agent.lower().startswith("python"):
            return Response(MISSING, 403, "application/xml")
        lines = [] if request.is_empty else [*self._lines(session), *self.more]
        end = self.end.format(n=len(lines), day=f"{session:%Y%m%d}")
        return Response("\r\n".join([HEADER, *lines, end, ""]).encode(), 200, "text/plain")

    def refusal(self, status: int) -> Response:
        return Response(MISSING, status, "application/xml")

    def _lines(self, session: dt.date) -> list[str]:
        rows = self.volumes(session).select("symbol", "short_volume", "short_exempt_volume", "total_volume").rows()
        return [
            f"{session:%Y%m%d}|{symbol.replace('.', '/')}|{short:.6f}|{exempt:.6f}|{total:.6f}|B,Q,N"
            for symbol, short, exempt, total in rows
        ]


CASES = [
    Case(
        "finra",
        FinraVendor,
        lambda world: Ask("raw.short_volume", ("AAA", "BBB", "BRK.B"), world.sessions[-1:]),
        # A file that is not there on the evening of its session is late: both are how the service says so.
        otherwise={"403": Transient, "404": Transient},
    )
]
