"""SqueezeMetrics: the dark index and gamma exposure of the S&P 500, one CSV with the whole history.

The path is case-sensitive. ``dix`` is a fraction, ``gex`` the vendor's dollars per 1 % move. The vendor publishes after
the close; a row whose ``gex`` is exactly 0 is unfinished and set aside. The terms forbid redistribution.
"""

from __future__ import annotations

import datetime as dt
import io

import polars as pl

from gnosis.sessions import schedule
from resources.providers.live.access import Access
from resources.providers.live.errors import EmptyResult, SchemaDrift
from resources.providers.live.http import Http
from resources.providers.live.known import evening
from resources.providers.live.service import Answer, Ask, Capability, Probe, Profile, Rate, typed_errors
from resources.providers.protocol import conform
from resources.providers.rejections import rejected_rows

FILE = "/monitor/static/DIX.csv"
COLUMNS = ["date", "price", "dix", "gex"]
UNFINISHED = "gex|unfinished"


class SqueezeMetrics:
    """The service; see the module."""

    profile = Profile(
        name="squeezemetrics",
        title="SqueezeMetrics DIX and GEX",
        capabilities={"raw.dix": Capability(None, None, delay_s=0.0)},
        rates=(Rate(4, 60.0),),
        hosts=("squeezemetrics.com",),
        terms="free for own use; no redistribution",
    )

    def __init__(self, access: Access) -> None:
        self.access = access
        self._http = Http(access, "https://squeezemetrics.com")

    def fetch(self, ask: Ask) -> Answer:
        """Return the values of the sessions asked for; see :class:`resources.providers.live.service.Service`."""
        expected = "dark index of " + ", ".join(str(day) for day in ask.sessions[:3])
        with typed_errors(self.access, expected):
            table = self._table(expected).filter(pl.col("session").is_in(ask.sessions))
            is_unfinished = pl.col("gex") == 0.0
            rejected = rejected_rows(
                table.filter(is_unfinished), date="session", rule=UNFINISHED, provider=self.profile.name
            )
            is_public = evening() <= self.access.clock()
            rows = table.filter(~is_unfinished.fill_null(False), is_public)
            if rows.is_empty():
                advice = "the vendor publishes in the evening; asked again later"
                raise EmptyResult(self.profile.name, expected, "no row of these sessions", advice)
            frame = rows.select("session", "dix", "gex", known_at=evening(), provider=pl.lit(self.profile.name))
            return Answer(conform(frame.with_columns(synthetic=pl.lit(False)), "raw.dix"), rejected)

    def probe(self) -> Probe:
        """Fetch the file and say how old its last row is."""
        with typed_errors(self.access, "the file of the dark index"):
            last = self._table("the file of the dark index")["session"].max()
            assert isinstance(last, dt.date)
            close = schedule().filter(pl.col("session") == last)["close_at"].item()
            return Probe((self.access.clock() - close).total_seconds(), f"last row is of {last}")

    def _table(self, expected: str) -> pl.DataFrame:
        reply = self._http.get(FILE, expected)
        header = reply.content.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
        if header.split(",") != COLUMNS:
            advice = "the file has a new form: look at the archived bytes and report it"
            raise SchemaDrift(self.profile.name, f"the columns {', '.join(COLUMNS)}", repr(header[:80]), advice)
        if not reply.content.endswith(b"\n"):
            advice = "the file was cut off on its way; asked again later"
            raise SchemaDrift(self.profile.name, "a file that ends with a whole line", "half a line", advice)
        table = pl.read_csv(io.BytesIO(reply.content), schema_overrides={"dix": pl.Float64, "gex": pl.Float64})
        return table.select(pl.col("date").str.to_date("%Y-%m-%d").alias("session"), "dix", "gex")
