"""Market data as a Dagster resource: the configured provider, its clock and the archive of what it delivered."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from gnosis import sessions as exchange
from resources.providers import Fetched, Provider
from resources.providers.archive import Archive
from resources.providers.live.access import utc_now

if TYPE_CHECKING:
    from resources.providers.live.provider import LiveProvider


@dataclass(frozen=True)
class MarketData:
    """One provider with its clock.

    Attributes
    ----------
    is_replay
        True when the provider replays the past on a simulated clock that never claims to be today.
    live
        The provider again when it asks services on the network, else None.
    clock
        Returns the time.
    """

    provider: Provider
    archive: Archive
    is_replay: bool
    live: LiveProvider | None = None
    clock: Callable[[], dt.datetime] = utc_now

    @property
    def origins(self) -> frozenset[str]:
        """Names that the provider writes into the column ``provider`` of observed rows."""
        return self.live.origins if self.live else frozenset({self.provider.name})

    def close(self) -> None:
        """Close the connections of a live provider."""
        if self.live:
            self.live.close()

    def __enter__(self) -> MarketData:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next_session(self, stored: Sequence[dt.date], instant: dt.datetime) -> dt.date | None:
        """Return the session that a nightly run at ``instant`` should make, or None when there is none.

        A replay takes the session after the last stored one; otherwise it is the last session that has closed.
        """
        if not self.is_replay:
            closed = exchange.last_completed_session(instant)
            return closed if closed <= self.provider.last_session else None
        following = exchange.shift_session(max(stored), 1) if stored else self.provider.first_session
        return following if following <= self.provider.last_session else None

    def fetch(self, table: str, sessions: Sequence[dt.date]) -> Fetched:
        """Return the provider's rows, archived, with rows from the future set aside.

        Raises
        ------
        ProviderError
            As the provider says; none of them is repaired here.
        """
        fetched = self.provider.fetch(table, sessions)
        for source in fetched.sources:
            self.archive.put(self.provider.name, table, source)
        timely, untimely = split_untimely(fetched.frame, self.clock())
        return Fetched(timely, pl.concat([fetched.rejected, untimely]), fetched.sources)


def split_untimely(frame: pl.DataFrame, now: dt.datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that were known when their session could use them, and the others as rejected rows.

    A row known only from the next session's open on could not have served its own; a row known after ``now`` claims to
    come from the future. The first rule looks at the row alone, so one night and a backfill reject the same rows.
    """
    next_open = exchange.schedule().select("session", next_open=pl.col("open_at").shift(-1))
    rule = (
        pl.when(pl.col("known_at") > now)
        .then(pl.lit("known_in_the_future"))
        .when(pl.col("known_at") >= pl.col("next_open"))
        .then(pl.lit("known_after_next_open"))
    )
    judged = frame.join(next_open, on="session", how="left", maintain_order="left").with_columns(rule=rule)
    untimely = judged.filter(pl.col("rule").is_not_null()).select(
        session="session",
        rule="rule",
        found=pl.struct(frame.columns).struct.json_encode(),
        provider="provider",
    )
    return judged.filter(pl.col("rule").is_null()).select(frame.columns), untimely


class MarketDataResource(dg.ConfigurableResource):
    """Names the provider of market data and where its files or services are. Keys are not part of it.

    Attributes
    ----------
    provider
        ``sample``, ``files``, ``live`` or the name of a live service.
    live
        :class:`resources.providers.live.configuration.LiveConfiguration` as JSON.
    """

    provider: str
    home: str
    folder: str | None = None
    live: str = "{}"

    def market_data(self) -> MarketData:
        """Return the provider with its clock and archive."""
        home = Path(self.home)
        archive = Archive(home / "archive")
        if self.provider == "sample":
            from resources.providers.sample import SampleProvider

            return MarketData(SampleProvider(), archive, is_replay=True)
        if self.provider == "files":
            from resources.providers.files import FilesProvider

            return MarketData(FilesProvider(self.folder or ""), archive, is_replay=False)
        from resources.providers.live.configuration import LiveConfiguration
        from resources.providers.live.provider import LiveProvider

        first = None if self.provider == "live" else self.provider
        # Keys are read here, when they are needed: whatever a resource is configured with is shown in Dagster's UI.
        provider = LiveProvider(LiveConfiguration.model_validate_json(self.live), home, os.environ, first)
        return MarketData(provider, archive, is_replay=False, live=provider)
